"""Lesson 04: a photograph is moved, blurred, brightened, sprinkled with noise. Which of the three losses notices?"""
import functools

import torch
from torch.nn import functional as F

from ..features import Features
from ..gram import gram_matrix
from ..losses import content_loss, style_loss, tv_loss
from .canvas import bars, photo, sheet
from .controls import choice, load_sample, slider
from .explorer import Explorer

LAYERS = ["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu4_2"]
WHERE = ["everywhere", "all but the middle"]
COLORS = {"content": "#0072B2", "style": "#D55E00", "tv": "#009E73"}       # as in the loss curves of all lessons
_SIZE, _FARTHEST = 256, 32                                                  # px: the longer side shown, and the largest shift
_SCALE = 0.01, 40                                                           # the ends of the bars' axis


class LossExplorer(Explorer):
    """What the learner's own losses say of a changed photograph.

    content(act, target), style(act, target_gram), tv(image): each [B, …] → [B], as in `nst_lessons.losses`.
    Bars are measured against what the right functions say of fixed pictures, so a wrong factor is seen: content 1 is a plain
    gray picture; style 1 and TV 1 are the photograph as it was.
    """
    width = 576                                                             # as drawn, so the words stay sharp

    def __init__(self, content, style, tv, picture="astronaut", painting="starry", shift=8, features=None):
        self.functions, self.features = {"content": content, "style": style, "tv": tv}, features or Features("tiny")
        pictures = list(dict.fromkeys([picture, "astronaut", "cat", "coffee", "rocket", "starry:1", "waves:1"]))
        paintings = list(dict.fromkeys([painting, "starry", "waves", "mosaic", "ink_wash", "stained_glass"]))
        self.photograph = choice("photograph", pictures, picture, "what is changed; content is measured against it as it was")
        self.painting = choice("painting", paintings, painting, "what style is measured against")
        self.layer = choice("layer", LAYERS, "relu4_2", "where content and style are heard; TV looks at the pixels")
        self.shift = slider("shift (px)", shift, 0, _FARTHEST, 1, "the camera turned a little")
        self.noise = slider("noise (%)", 0, 0, 30, 1, "a random number added to each value")
        self.blur = slider("blur (px)", 0, 0, 8, 1, "each pixel averaged with its surroundings")
        self.brightness = slider("brightness (%)", 0, -30, 30, 1, "the same number added to each value")
        self.where = choice("changed", WHERE, WHERE[0], "the middle: half of each side")
        self._fixed, self._seen = functools.lru_cache(maxsize=16)(self._references), functools.lru_cache(maxsize=16)(self._see)
        self.change = [self.shift, self.noise, self.blur, self.brightness, self.where]
        super().__init__([self.photograph, self.painting, self.layer, *self.change])

    def __repr__(self):
        named = (f"{kind}={getattr(function, '__name__', 'function')}" for kind, function in self.functions.items())
        return f"LossExplorer({', '.join(named)})"

    def _acts(self, picture, layer):
        with torch.no_grad():
            return self.features(picture, [layer])[layer]

    def _see(self, name, layer, *change):
        """(the changed photograph, its activations)."""
        picture = changed(name, *change)
        return picture, self._acts(picture, layer)

    def _references(self, name, painting, layer):
        """(the photograph's activations, the painting's Gram matrix, what counts as 1 for each loss)."""
        picture = changed(name)
        target, gram = self._acts(picture, layer), gram_matrix(self._acts(load_sample(painting, _SIZE), layer))
        gray = self._acts(torch.full_like(picture, 0.5), layer)
        ones = {"content": content_loss(gray, target), "style": style_loss(target, gram), "tv": tv_loss(picture)}
        return target, gram, {kind: max(one.item(), 1e-12) for kind, one in ones.items()}

    def _ask(self, kind, *args):
        """One number from the learner's function; ValueError, in plain words, when it gives another thing."""
        found = self.functions[kind](*args)
        if not isinstance(found, torch.Tensor) or found.shape != (1,):
            got = list(found.shape) if isinstance(found, torch.Tensor) else type(found).__name__
            raise ValueError(f"{kind}: your function should return one number for each picture, here [1]; it returned {got}")
        return found.item()

    def draw(self):
        name, painting, layer = self.photograph.value, self.painting.value, self.layer.value
        picture, act = self._seen(name, layer, *(control.value for control in self.change))
        target, gram, ones = self._fixed(name, painting, layer)
        asked = {"content": (act, target), "style": (act, gram), "tv": (picture,)}
        values = {kind: self._ask(kind, *args) for kind, args in asked.items()}
        rows = [(kind.upper() if kind == "tv" else kind, float(kind != "content"), values[kind] / ones[kind], COLORS[kind], note)
                for kind, note in zip(ones, ("1 = plain gray", "1 = as it was", "1 = as it was"))]
        side = 184
        shown = sheet([[("the photograph", photo(changed(name), side)), ("changed", photo(picture, side)),
                        ("the painting", photo(load_sample(painting, _SIZE), side))],
                       [("How far each loss has moved from its mark", bars(rows, 3 * side + 24, *_SCALE))]])
        plain = [f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}" for value in values.values()]
        return shown, f"The plain numbers at {layer}: content {plain[0]}, style {plain[1]}, TV {plain[2]}"


@functools.lru_cache(maxsize=8)
def _wide(name):
    """A sample with a margin at each side to turn the camera into: [1, 3, H, W], a quarter larger than what is shown."""
    return load_sample(name, _SIZE + 2 * _FARTHEST)


@functools.cache
def _grain(height, width):
    return torch.randn(1, 3, height, width, generator=torch.Generator().manual_seed(0))


def changed(name, shift=0, noise=0, blur=0, brightness=0, where=WHERE[0]):
    """A sample [1, 3, H, W], longer side 256 px, as the sliders have it: px to the right, %, px, %."""
    wide = _wide(name)
    top, left = wide.shape[2] // 10, wide.shape[3] // 10
    window = [wide[..., top:-top, left - by:wide.shape[3] - left - by] for by in (0, min(shift, left))]
    before, picture = window
    if blur:
        picture = _blurred(picture, blur)
    if brightness or noise:
        picture = (picture + brightness / 100 + noise / 100 * _grain(*picture.shape[2:])).clamp(0, 1)
    if where == WHERE[1]:
        high, across = picture.shape[2] // 4, picture.shape[3] // 4
        picture = picture.clone()
        picture[..., high:-high, across:-across] = before[..., high:-high, across:-across]
    return picture.contiguous()


def _blurred(picture, sigma):
    """A Gauss filter of `sigma` px, rows then columns."""
    radius = 3 * sigma
    row = torch.exp(-torch.arange(-radius, radius + 1.0)**2 / (2 * sigma**2)).repeat(3, 1, 1, 1)       # [3, 1, 1, 2·radius + 1]
    row = row / row[0].sum()
    padded = F.pad(picture, (radius,) * 4, mode="replicate")
    return F.conv2d(F.conv2d(padded, row, groups=3), row.transpose(2, 3), groups=3)
