"""What explorers draw on: numbers as colors, words beside pictures; NumPy and Pillow only, since a slider is waiting."""
import functools

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from ..images import resize, to_pil

INK, PAPER = "#222222", "white"
# A few knots of matplotlib's viridis and of its diverging RdBu: both can be told apart by color-blind eyes.
_VIRIDIS = ["#440154", "#482878", "#3E4A89", "#31688E", "#26828E", "#1F9E89", "#35B779", "#6DCD59", "#B4DE2C", "#FDE725"]
_AROUND_ZERO = ["#053061", "#4393C3", "#D1E5F0", "#F7F7F7", "#FDDBC7", "#D6604D", "#67001F"]


@functools.cache
def _ramp(signed):
    """256 colors [256, 3] between the knots."""
    knots = np.array([[int(color[i:i + 2], 16) for i in (1, 3, 5)] for color in (_AROUND_ZERO if signed else _VIRIDIS)])
    at = np.linspace(0, len(knots) - 1, 256)
    return np.stack([np.interp(at, range(len(knots)), knots[:, channel]) for channel in range(3)], axis=1).round().astype(np.uint8)


def heat(values, side, limit=None, signed=False):
    """A matrix or feature map [H, W] as colors, its longer side `side` px: dark is 0 and yellow `limit` (the largest, unless given);
    `signed`: blue is negative, white 0, red positive."""
    values = torch.as_tensor(values).detach().cpu().float().numpy()
    limit = limit or max(float(np.abs(values).max()), 1e-12)
    part = (values / limit + 1) / 2 if signed else values / limit
    image = Image.fromarray(_ramp(signed)[(np.nan_to_num(part).clip(0, 1) * 255).round().astype(np.uint8)])
    factor = side / max(image.size)
    return image.resize([max(1, round(length * factor)) for length in image.size], Image.Resampling.NEAREST)


def photo(picture, side):
    """A picture [1, 3, H, W] as a Pillow image, its longer side `side` px."""
    return to_pil(resize(picture.detach().cpu(), side))


@functools.cache
def _font(size):
    return ImageFont.load_default(size)


def sheet(rows, gap=12, size=15):
    """Pictures with words above them, in rows: [[(title, Pillow image), …], …] → one Pillow image on white."""
    title = round(size * 1.5)
    widths = [sum(_width(text, image, size) + gap for text, image in row) for row in rows]
    heights = [max(image.height for _, image in row) + title + gap for row in rows]
    paper = Image.new("RGB", (max(widths) - gap, sum(heights) - gap), PAPER)
    draw, top = ImageDraw.Draw(paper), 0
    for row, height in zip(rows, heights):
        left = 0
        for text, image in row:
            draw.text((left, top + 2), text, INK, _font(size))
            paper.paste(image, (left, top + title))
            left += _width(text, image, size) + gap
        top += height
    return paper


def _width(text, image, size):
    return max(image.width, round(_font(size).getlength(text)))
