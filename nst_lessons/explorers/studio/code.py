"""A picture of the studio as plain Python, ready to be copied."""
import json

from ...settings import Settings
from ...stylize import style_side
from ..captions import stem, style_names


def as_code(settings, way=None, file=None):
    """The same picture in plain Python, ready to be copied; of the settings only what is not the default is written.

    `file`: the name under which it is saved. `way`: None for `stylize`, "fast" for lesson 08's network, "adain" or "attention" for lesson 09's.
    """
    quoted = lambda value: json.dumps(value, ensure_ascii=False)
    content, style, file = (quoted(value) for value in (settings.content, settings.style, file or stem(settings) + ".png"))
    body = {"fast": _by_fast, "adain": _by_any, "attention": _by_any}.get(way, _by_stylize)(settings, content, style, way)
    return f"import nst_lessons as nst\n{body}nst.save_image(picture, {file})\n"


def _by_stylize(settings, content, style, way):
    plain = Settings(content=settings.content, style=settings.style, words=settings.words)
    given = [f"{name}={settings[name]!r}" for name in settings.keys()
             if name in ("words", "clip", "size", "steps") and settings[name] is not None or settings[name] != plain[name]]
    # Untouched is to the pixel, also to its size: the studio's photograph has the painting's.
    content = f"nst.load_image({content}, size={settings.size})" if settings.untouched and settings.size else content
    lines, width = [f"    {content},{'' if settings.style is None else f' {style},'}"], 96
    for one in given:
        if len(lines[-1]) + len(one) + 2 > width:
            lines.append("   ")
        lines[-1] += f" {one},"
    return "\npicture = nst.stylize(\n" + "\n".join(lines).removesuffix(",") + ")\n"


def _by_fast(settings, content, style, way):
    return (f"from nst_lessons.fast import load_fast\n\n"
            f"photo = nst.load_image({content}, size={settings.size})\n"
            f"picture = load_fast()(photo, {json.dumps(shares(settings), ensure_ascii=False)})\n" + _finished(settings))


def _by_any(settings, content, style, way):
    looks = ", ".join(f"(net.look(nst.load_image({json.dumps(name, ensure_ascii=False)}, size={style_side(settings.size, settings)})), {share:g})"
                      for name, share in shares(settings, seeds=True).items())
    return (f"from nst_lessons.attention import load_any\n\n"
            f'net = load_any("{way}")\n'
            f"photo = nst.load_image({content}, size={settings.size})\n"
            f"picture = net(photo, [{looks}])\n" + _finished(settings))


def _finished(settings):
    """What `stylize` does by itself at the end: the photograph's colors, and all of it outside of a mask."""
    plain = Settings()
    given = ", ".join(f"{name}={settings[name]!r}" for name in ("preserve_color", "masks", "untouched", "feather") if settings[name] != plain[name])
    return f"\nfrom nst_lessons.stylize import finish\npicture = finish(picture, photo, nst.Settings({given}))\n" if given else ""


def shares(settings, seeds=False):
    """{painting: share} of the settings' styles; `seeds`: with what stands behind the colon of a museum's name."""
    names = [name if seeds else name.partition(":")[0] for name in style_names(settings)]
    return dict(zip(names, settings.style_weights or [1 / len(names)] * len(names)))
