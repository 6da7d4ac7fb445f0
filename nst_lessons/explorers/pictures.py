"""Lesson 01: a picture as the numbers that a network gets, and the picture that the network then believes to see."""
import functools
import math

import ipywidgets as widgets
import torch
from PIL import Image, ImageDraw, ImageFont

from ..images import IMAGENET_MEAN, IMAGENET_STD, load_image, to_pil
from .canvas import INK, PAPER, sheet
from .captions import ask, checked
from .controls import choice, slider
from .explorer import Explorer

PICTURES = ["astronaut", "cat", "coffee", "retina", "rings"]
CHANNELS = {"red": "#D55E00", "green": "#009E73", "blue": "#0072B2"}           # Okabe & Ito's, each also named
KINDS = {
    "normalized": lambda picture, normalize: normalize(picture),
    "[0, 1], as loaded": lambda picture, normalize: picture,
    "0 to 255": lambda picture, normalize: 255 * picture,
    "normalized, blue first (BGR)": lambda picture, normalize: normalize(picture.flip(1)),
    "normalized twice": lambda picture, normalize: normalize(normalize(picture)),
}
_SIDE, _GAP, _SHARP, _BINS = 256, 12, 2, 150         # px of a panel and between them; pixels drawn for one shown; bars of a histogram
_MEAN, _STD = (torch.tensor(numbers).view(1, 3, 1, 1) for numbers in (IMAGENET_MEAN, IMAGENET_STD))
_EXPECTED = [((end - _MEAN) / _STD).flatten() for end in (0, 1)]


class PictureExplorer(Explorer):
    """A picture, its numbers, and what a network makes of them, by the learner's own `normalize(image [1, 3, H, W])`, called without
    further arguments: ImageNet's numbers are its defaults."""
    width = 2 * _SIDE + _GAP

    def __init__(self, normalize, picture="astronaut"):
        self.normalize = normalize
        self.name = choice("picture", list(dict.fromkeys([picture, *PICTURES])), picture, "rings: finer and finer towards the rim")
        self.numbers = choice("numbers", list(KINDS), "normalized", "what the network is handed")
        self.channel = choice("channels", ["all", *CHANNELS], "all", "one channel alone is a gray picture")
        self.size = slider("size (px)", 128, 16, 256, 16, "longer side")
        self.antialias = widgets.Checkbox(True, description="antialias", tooltip="average before pixels are dropped",
                                          style={"description_width": "124px"}, layout={"width": "auto"})
        super().__init__([self.name, self.numbers, self.channel, self.size, self.antialias])

    def __repr__(self):
        return f"PictureExplorer(normalize={getattr(self.normalize, '__name__', 'function')})"

    def _values(self, picture):
        """What the network is handed, [1, 3, H, W]; ValueError, in plain words, when the learner's function gives no such thing."""
        values = checked(ask(KINDS[self.numbers.value], picture.clone(), self.normalize), picture.shape)
        return values.detach().float()

    def draw(self):
        picture = _resized(self.name.value, self.size.value, self.antialias.value)
        values = self._values(picture)
        believed = values * _STD + _MEAN
        chosen = list(CHANNELS) if self.channel.value == "all" else [self.channel.value]
        planes = [list(CHANNELS).index(name) for name in chosen]
        image = sheet([[("the picture", _pixels(picture[:, planes])), ("what the network believes it sees", _pixels(believed[:, planes]))],
                       [("its numbers (gray: the range that the network was trained on)", _histogram(values[0], chosen))]], gap=_GAP)
        low, high = values[:, planes].min().item(), values[:, planes].max().item()
        return image, f"{list(values.shape)} {str(values.dtype)[6:]}, from {low:.2f} to {high:.2f}"


@functools.lru_cache(maxsize=64)
def _resized(name, size, antialias):
    """A sample with its longer side `size` px, [1, 3, H, W]; without antialias pixels between the samples are passed over."""
    picture = _loaded(name)
    shape = [max(1, round(side * size / max(picture.shape[2:]))) for side in picture.shape[2:]]
    return torch.nn.functional.interpolate(picture, shape, mode="bicubic" if antialias else "nearest", antialias=antialias).clamp(0, 1)


@functools.lru_cache(maxsize=8)
def _loaded(name):
    return _rings() if name == "rings" else load_image(name)


def _rings(size=400):
    """Rings that grow finer towards the rim, to three pixels each: whatever resizes badly draws rings that are not there."""
    y, x = torch.meshgrid(*[torch.linspace(-1, 1, size)] * 2, indexing="ij")
    return (0.5 + 0.5 * torch.cos(size / 2 * (x**2 + y**2))).expand(1, 3, size, size).contiguous()


def _pixels(picture):
    """[1, 3 or 1, H, W], clamped, as a Pillow image whose longer side is _SIDE px: each pixel a clean square."""
    small = to_pil(picture.expand(1, 3, *picture.shape[2:]))
    times = math.ceil(_SIDE / max(small.size))
    large = small.resize([side * times for side in small.size], Image.Resampling.NEAREST)
    factor = _SIDE / max(large.size)
    return large.resize([max(1, round(side * factor)) for side in large.size], Image.Resampling.BOX)


def _histogram(values, chosen, height=150):
    """How often each value occurs in the `chosen` channels of [3, H, W], on one axis with the range that the network expects in gray."""
    width = 2 * _SIDE + _GAP
    low, high = min(-3, math.floor(values.min())), max(3, math.ceil(values.max()))
    paper = Image.new("RGB", (width * _SHARP, height * _SHARP), PAPER)
    draw, font = ImageDraw.Draw(paper), ImageFont.load_default(12 * _SHARP)
    left, right, top, bottom = 8 * _SHARP, (width - 8) * _SHARP, 26 * _SHARP, (height - 22) * _SHARP

    def across(value):
        return left + (value - low) / (high - low) * (right - left)

    draw.rectangle((across(_EXPECTED[0].min().item()), top, across(_EXPECTED[1].max().item()), bottom), "#EEEEEE")
    counts = {name: _counted(values[list(CHANNELS).index(name)], low, high) for name in chosen}
    most = max(count.max().item() for count in counts.values())
    for number, (name, count) in enumerate(counts.items()):
        bars = (count / most).sqrt().tolist()                             # the root: rare values show too
        edges = [across(low + (high - low) * i / _BINS) for i in range(_BINS + 1)]
        line = [(edges[0], bottom)]
        for bar, begin, end in zip(bars, edges, edges[1:]):
            level = bottom - bar * (bottom - top - 4 * _SHARP)
            line += [(begin, level), (end, level)]
        line.append((edges[-1], bottom))
        wash = Image.new("L", paper.size, 0)
        ImageDraw.Draw(wash).polygon(line, 60)
        paper.paste(CHANNELS[name], mask=wash)
        draw.line(line, CHANNELS[name], 2 * _SHARP - 1)
        plane = values[list(CHANNELS).index(name)]
        words = f"{name}: mean {_short(plane.mean())}, std {_short(plane.std())}"
        draw.text((left + number * (right - left) / 3, 4 * _SHARP), words, CHANNELS[name], font)
    draw.line((left, bottom, right, bottom), INK, _SHARP)
    step = next(step for step in (1, 2, 5, 10, 20, 50, 100, 200, 500, 10**9) if (high - low) / step <= 12)
    for value in range(math.ceil(low / step) * step, high + 1, step):
        draw.line((across(value), bottom, across(value), bottom + 4 * _SHARP), INK, _SHARP)
        draw.text((across(value), bottom + 5 * _SHARP), str(value), INK, font, anchor="ma")
    return paper.resize((width, height), Image.Resampling.BOX)


def _counted(values, low, high):
    """How many values fall into each of _BINS bars, a little smoothed: 256 levels do not fall evenly into 150 bars."""
    bars = torch.nn.functional.pad(torch.histc(values, _BINS, low, high), (1, 1))
    return (bars[:-2] + 2 * bars[1:-1] + bars[2:]) / 4


def _short(value):
    """A number in three or four characters: 0.56, 12.3, 141."""
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.3g}"
