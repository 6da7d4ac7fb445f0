"""The studio's pictures: what is painted, and like what: a painting, two of them, or a description."""
import functools
import html
from pathlib import Path

import ipywidgets as widgets

from ...images import load_image, to_bytes
from ...samples import samples
from ...words import style_from_words
from ..captions import style_names
from ..controls import choice, load_sample, slider
from ..drawing import in_a_row
from ..file_drop import FileDrop

ONE, TWO, WORDS = KINDS = ("a painting", "two paintings", "words")
_EXAMPLE, _THUMBNAIL = "thick blue and yellow swirls", 112                  # px, height


class Sources:
    """Choices of photograph and style as attributes, and `sources`, a widget that holds them, each with what it looks like.

    guarded(answer): `answer` for a callback, which says what went wrong. `uploads`: {name: what a browser sent}.
    """

    def __init__(self, photo, style, guarded):
        there, self.uploads = samples(), {}
        # Kept: a knob that moves while it paints asks for the pictures again, and a large photograph takes long to open.
        self._upload = functools.lru_cache(maxsize=4)(lambda name, size: load_image(self.uploads[name], size=size))
        own = lambda names, name: [(one, one) for one in (names if name in names else [name, *names])]
        paintings = own(there["paintings"], style)
        self.photo = choice("photograph", own(there["photos"], photo), photo, "what is painted")
        self.kind = widgets.ToggleButtons(options=KINDS, description="style from", style={"description_width": "124px", "button_width": "auto"}, layout={"width": "auto"},
                                          tooltips=["one painting", "a mixture of two", "a description, in English or Chinese"])
        self.style = choice("painting", paintings, style, "how it is painted")
        self.second = choice("second painting", paintings, next(name for name, _ in paintings if name != style))
        self.share = slider("second's share (%)", 50, 0, 100, 5, "how much of the second painting")
        self.seed = slider("variation (seed)", 0, 0, 99, 1, "of our own paintings: another seed is another picture of the same school")
        self.seed.continuous_update = False                                            # each is drawn anew
        self.words = widgets.Text(_EXAMPLE, description="description", placeholder=f"{_EXAMPLE} · 梵高风格", continuous_update=False,
                                  tooltip="colors, strokes, textures, scenes, schools; English or Chinese",
                                  style={"description_width": "124px"}, layout={"width": "auto"})
        self.photo_drop = FileDrop("drop your photograph here, or click", guarded(lambda upload: self.accept(self.photo, upload)))
        self.style_drop = FileDrop("drop your painting here, or click", guarded(lambda upload: self.accept(self.style, upload)))
        self.looks = widgets.Image(format="jpeg", layout={"height": f"{_THUMBNAIL}px", "width": "max-content", "margin": "2px 2px 2px 130px"})
        self.understood = widgets.HTML(layout={"width": "auto", "margin": "2px 2px 2px 130px"})
        self.sources = widgets.VBox([self.photo, _indented(self.photo_drop), self.kind, self.style, self.second, self.share, self.seed, self.words,
                                     self.looks, self.understood, _indented(self.style_drop)])
        for one in (self.kind, self.style, self.second, self.seed, self.words):
            one.observe(guarded(lambda _: self._look()), "value")
        self._look()

    def accept(self, control, upload):
        """Puts what a browser sent among the choices, and chooses it for this control. ImageError, and nothing changed, for no picture."""
        load_image(upload, size=64)
        name = f"./{upload['name']}"                                                   # so it cannot be taken for a sample's name
        again = control.value == name
        self.uploads[name] = upload
        self._upload.cache_clear()                                                     # it may be another picture of the same name
        self._add_choice(control, name, choose=True)
        if again:                                                                      # another picture of the same name
            control.notify_change({"name": "value", "old": None, "new": name, "owner": control, "type": "change"})

    def bring_back(self, settings, photo, styles):
        """Puts the pictures of a former sitting among the choices: its uploads are gone, and its knobs would turn to other pictures."""
        paintings = zip(style_names(settings), styles or [])
        for one, name, picture in ((self.photo, settings.content, photo), *((self.style, *pair) for pair in paintings)):
            if name not in _names(one) and name.partition(":")[0] not in samples()["paintings"]:
                self.uploads[name] = {"name": Path(name).name, "content": to_bytes(picture, "png")}
                self._add_choice(one, name)

    def _add_choice(self, control, name, choose=False):
        """Adds a name to the list of this control, paintings have two lists; chooses it, or leaves what is chosen."""
        for one in (self.style, self.second) if control is not self.photo else (self.photo,):
            chosen = one.value
            one.options = [(f"{Path(name).name} (yours)", name), *(option for option in one.options if option[1] != name)]
            one.value = name if choose and one is control else chosen

    def load(self, name, size):
        """[1, 3, H, W] of an upload, a sample or a file."""
        return self._upload(name, size) if name in self.uploads else load_sample(name, size)

    def described(self):
        """The description; None where paintings speak. ValueError for an empty one."""
        if self.kind.value != WORDS:
            return None
        if not self.words.value.strip():
            raise ValueError(f"say in words how it shall be painted, for example: {_EXAMPLE}")
        return self.words.value.strip()

    def styles(self):
        """Names of the paintings: one, or a list of two; None where words speak."""
        if self.kind.value == WORDS:
            return None
        seeded = lambda name: f"{name}:{self.seed.value}" if self.seed.value and name in samples()["paintings"] else name
        names = [seeded(one.value) for one in (self.style, self.second)]
        return names if self.kind.value == TWO else names[0]

    def put_sources(self, settings):
        """Turns the choices to what `settings` say."""
        names = style_names(settings) or [self.style.value]
        seeds = [seed for school, _, seed in (name.partition(":") for name in names) if school in samples()["paintings"]]
        names = [name.partition(":")[0] if name.partition(":")[0] in samples()["paintings"] else name for name in names]
        self.photo.value = settings.content if settings.content in _names(self.photo) else self.photo.value
        for one, name in zip((self.style, self.second), names):
            one.value = name if name in _names(one) else one.value
        self.share.value = round(100 * settings.style_weights[1]) if settings.style_weights and len(names) > 1 else self.share.value
        self.seed.value = int(next((seed for seed in seeds if seed.isdigit()), 0))
        self.words.value = settings.words or self.words.value
        self.kind.value = WORDS if settings.words else TWO if len(names) > 1 else ONE

    def _look(self):
        """Shows what the style looks like, and of the choices those that belong to its kind."""
        kind, words = self.kind.value, self.kind.value == WORDS
        for one, there in ((self.style, not words), (self.second, kind == TWO), (self.share, kind == TWO), (self.seed, not words),
                           (self.words, words), (self.understood, words), (self.style_drop, not words)):
            one.layout.display = None if there else "none"
        self.seed.disabled = not any(name in samples()["paintings"] for name in (self.style.value, self.second.value)[:1 + (kind == TWO)])
        if words:
            self.understood.value = f'<span style="display: block; line-height: 1.35">{html.escape(style_from_words(self.described()).told())}</span>'
        self.looks.value = to_bytes(self.style_seen(2 * _THUMBNAIL))

    def style_seen(self, height):
        """The painting, both beside each other, or the study that the words stand for: [1, 3, height, W]."""
        names = self.styles()
        pictures = [style_from_words(self.described()).picture(height)] if names is None else [self.load(name, height) for name in (
            names if isinstance(names, list) else [names])]
        return in_a_row(*pictures, height=height)


def _names(one):
    """The pictures of a list, by which they are loaded."""
    return [name for _, name in one.options]


def _indented(one):
    """A field under the lists, not under their labels."""
    return widgets.Box([one], layout={"width": "auto", "margin": "0 0 6px 130px"})
