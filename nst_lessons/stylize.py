"""The façade: a photograph, a painting, settings → a painted picture, from coarse to fine."""
import itertools
import math
from dataclasses import dataclass
from typing import Callable

import torch

from .features import Features
from .images import SMALLEST, ImageError, keep_color, load_image, match_color, resize
from .losses import Objective, Terms
from .optimize import Spectrum, optimize
from .regions import GuidedObjective, GuidedTerm, composite, feathered, read_masks, resized
from .scale import Plan, half, plan, tiled
from .selfsup import ready
from .settings import Settings
from .statistics import TERMS

_COARSEST, _RATIO, _MORE = 96, 1.6, 1.25     # px of the first level; from level to level: the size, and the evaluations
FILE_SIZE = 512                             # px, for a name or a file whose size nobody chose


@dataclass
class Progress:
    """Where a painting stands: `image` [1, 3, H, W] at the size of `level` (0-based, of `levels`), `evaluations` of `steps`.

    `state()` → a tree for `save_checkpoint`; `paint(…, state=…)` goes on from there and ends at the same picture. `plan`: in what
    tiles and by what method this level is painted.
    """
    level: int
    levels: int
    evaluations: int
    steps: int
    terms: Terms
    image: torch.Tensor
    state: Callable[[], dict]
    plan: Plan | None = None


def pyramid(size, levels=None, shape=(1, 1)):
    """Longer sides from coarse to fine, [100, 160, 256] for 256: large strokes are laid where they cost little.

    At most `levels`, and none at which the shorter side of a picture of this `shape` would be under 16 px.
    """
    sizes, least = [size], longer_side(shape, _COARSEST if levels is None else SMALLEST)
    while len(sizes) != levels and round(sizes[0] / _RATIO) >= least:
        sizes.insert(0, round(sizes[0] / _RATIO))
    return sizes


def longer_side(shape, size):
    """`size`, or as much more as the shorter side of a picture of this shape (…, H, W) needs to have 16 px."""
    return max(round(size), math.ceil(SMALLEST * max(shape[-2:]) / min(shape[-2:])))


def style_side(size, settings):
    """Longer side in px at which a style picture is loaded for a photograph of `size`: 64 at least, so that slim ones can be."""
    return max(4 * SMALLEST, round(size * settings.style_scale))


def budgets(steps, count):
    """`steps` evaluations shared among `count` levels: one for each, of the rest a quarter more from one to the next."""
    shares = [_MORE**k for k in range(count)]
    ends = [round((steps - count) * sum(shares[:k]) / sum(shares)) for k in range(count + 1)]
    return [1 + after - before for before, after in zip(ends, ends[1:])]


def stylize(photo, style=None, /, **settings):
    """`photo` painted in the style of `style`: a picture [1, 3, H, W] in [0, 1].

    photo, style: pictures [1, 3, H, W], names or paths; style may be a list, and a style what `words.style_from_words` returns, or left out
    for words="thick blue strokes". Keywords: those of `Settings`, whose `content`
    and `style` are ignored here. Raises ValueError for settings that make no sense, ImageError for a picture that cannot be read.
    """
    settings = Settings.of(**settings)
    for progress in paint(photo, style, settings):
        pass
    return finish(progress.image, photo, settings)


def finish(image, photo, settings):
    """The last touch: values clamped to [0, 1]; the photograph's colors put back, or all of it where it is to stay untouched."""
    image, kept = image.detach().clamp(0, 1).cpu(), settings.preserve_color in (True, "luminance")
    image = keep_color(image, _picture(photo, max(image.shape[2:]))) if kept else image
    if not settings.untouched:
        return image
    photo = photo.cpu() if isinstance(photo, torch.Tensor) else load_image(photo)      # at its own size: to the pixel is to the file's pixel
    shape = tuple(photo.shape[2:])
    inside = torch.stack(read_masks(settings.masks, photo, shape)).amax(0)
    return composite(resize(image, shape), photo, feathered(inside, settings.feather * max(shape)))


def paint(photo, style, settings, features=None, state=None, style_term=None, group=None, onto=None, extra=()):
    """Yields Progress as the picture grows; what `stylize`, the command line and the studio stand on.

    `features`: a ready network, else the settings' own. `state`: a Progress.state(), to go on. `style_term`: as for Objective (with
    masks, as GuidedObjective's `guided_term`), else that of the settings' statistic. `group`: processes of torch.distributed that share the work.
    `onto`: a picture [1, 3, H, W] to go on from, at full size only; `extra`: more Weighted terms, which want it (lesson 11 has one).
    """
    features = features or Features(settings.backbone, settings.weights, settings.pooling, smooth=settings.smooth)
    size = settings.size or (max(photo.shape[2:]) if isinstance(photo, torch.Tensor) else FILE_SIZE)
    source, photo = photo, _picture(photo, size).to(features.device)
    masks = regions(source, photo.shape[2:], settings)
    given = styles_of(style, settings)
    clip = next((one for one in given if hasattr(one, "objective")), None)             # CLIP has no picture of what it means
    styles = [_picture(one, style_side(size, settings)).to(features.device) for one in given if one is not clip]
    if clip:
        settings = clip.suited(settings, len(given))
    if settings.preserve_color == "match":
        styles = [match_color(one, photo) for one in styles]
    features = half(ready(features, [photo, *styles]), settings.precision)             # a dictionary learns from these pictures
    sizes = pyramid(size, 1 if onto is not None else settings.levels, photo.shape)[-settings.steps:]     # an evaluation for each, at least
    counts = budgets(settings.steps, len(sizes))
    first, done, image = (0, 0, onto) if state is None else (state["level"], state["done"], None)
    for level in range(first, len(sizes)):
        content = resize(photo, sizes[level])
        targets = [resize(one, longer_side(one.shape, sizes[level] * settings.style_scale)) for one in styles]
        if state is not None:
            start = state["start"].to(content)
        else:
            start = _start(settings, content, targets) if image is None else resize(image.to(content), tuple(content.shape[2:]))
        objective = clip.objective(features, content, settings) if clip else _objective(features, content, targets, settings, style_term, masks)
        objective.extra = [*extra, *_predicted(given, objective, settings, style_term)]
        how = plan(objective, settings.method, settings.tile, group)
        if state is not None:                                                          # an optimizer goes on as it began
            how = how._replace(method=state["method"], history=state["history"])
        inner, state = (state["step"], None) if state else (None, None)
        budget = sum(counts[:level + 1]) - done
        for step, image in _steps(how, start, tiled(objective, how.tile, group) if how.tile else objective, budget, inner):
            yield Progress(level, len(sizes), done + step.evaluations, sum(counts), step.terms, image, lambda level=level, done=done,
                           start=start, how=how, step=step: {"level": level, "done": done, "start": start, "method": how.method,
                                                             "history": how.history, "step": step.state()}, how)
        done += budget


def carried(progress, settings, photo):
    """The state with which `paint` goes on from a Progress by other settings: the picture stays, the optimizer begins anew.

    photo: [1, 3, H, W]. What was painted at a size that the settings don't have goes on at the next larger one, or at the largest.
    """
    sizes = pyramid(settings.size or max(photo.shape[2:]), settings.levels, photo.shape)[-settings.steps:]
    ends = [0, *itertools.accumulate(budgets(settings.steps, len(sizes)))]
    level = next((k for k, size in enumerate(sizes) if size >= max(progress.image.shape[2:])), len(sizes) - 1)
    done = min(max(progress.evaluations, ends[level]), ends[level + 1] - 1)            # one is left, to see what is new
    start = resize(progress.image, tuple(resize(photo, sizes[level]).shape[2:]))
    return {"level": level, "done": done, "start": start, "method": settings.method, "history": progress.plan.history, "step": None}


def regions(photo, shape, settings):
    """The settings' masks at (H, W), a list of [1, 1, H, W]; None when there are none. Raises ValueError for what does not go together."""
    if not settings.masks:
        if settings.untouched:
            raise ValueError("untouched=True wants masks, which say where to paint, e.g. masks=['background']")
        return None
    if settings.statistic != "gram":
        raise ValueError(f"masks guide Gram matrices; with the statistic {settings.statistic!r} leave them out")
    return read_masks(settings.masks, photo, shape)


def styles_of(style, settings):
    """The styles as a list; the settings' words become what they stand for. Raises ValueError without any, or with both."""
    if settings.words is None:
        if style is None:
            raise ValueError("no style: give a painting, or words='thick blue and yellow strokes'")
        return list(style) if isinstance(style, (list, tuple)) else [style]
    if style is not None:
        raise ValueError(f"a style is given, and words={settings.words!r}: leave one of them out")
    from .words import style_from_words                                                # here: a painting that needs no words does not wait for them
    return [style_from_words(settings.words, settings.clip)]


def _predicted(given, objective, settings, style_term):
    """Weighted terms of what words predict, for those of the styles that are words: tables of `tiny`, of the whole picture."""
    if settings.backbone != "tiny" or settings.statistic != "gram" or settings.masks or style_term or settings.preserve_color == "match":
        return []
    shares = settings.style_weights or [1 / len(given)] * len(given)
    return [term for one, share in zip(given, shares) if hasattr(one, "terms") for term in one.terms(objective, share)]


def _objective(features, content, styles, settings, style_term, masks):
    """The settings' Objective for one level; with masks, a guided one."""
    options = {name: settings[name] for name in ("alpha", "beta", "gamma", "content_layers", "style_layers", "scaling", "style_weights")}
    if masks is None:
        return Objective(features, content, styles, **options, style_term=style_term or TERMS[settings.statistic])
    masks = [resized(mask, content.shape[2:]).to(content) for mask in masks]
    return GuidedObjective(features, content, styles, masks, style_term or GuidedTerm, **options)


def _steps(how, start, objective, budget, state):
    """(Step, picture) from `start` on: L-BFGS in a picture's spectrum, Adam, which scales each pixel's step itself, on the pixels."""
    if how.method == "adam":
        yield from ((step, step.image) for step in optimize(start, objective, "adam", budget, state=state))
        return
    picture = Spectrum(start)
    for step in optimize(torch.zeros_like(start), lambda z: objective(picture(z)), how.method, budget, history=how.history, state=state):
        yield step, picture(step.image)


def _picture(source, size):
    """A tensor resized, a name or file loaded, or what words stand for drawn, to `size` px on its longer side."""
    if hasattr(source, "recipe"):
        return source.picture(size)
    return resize(source, size) if isinstance(source, torch.Tensor) else load_image(source, size=size)


def _start(settings, content, styles):
    """The first picture, at the coarsest size."""
    if settings.init == "content":
        return content
    if settings.init == "noise":
        generator = torch.Generator().manual_seed(settings.seed)
        return (0.5 + 0.15 * torch.randn(content.shape, generator=generator)).to(content)
    try:
        source = styles[0] if settings.init == "style" else load_image(settings.init).to(content)
    except ImageError as error:
        raise ImageError(f"init: {error}; or say content, noise or style") from None
    return resize(source, tuple(content.shape[2:]))
