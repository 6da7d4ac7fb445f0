"""What explorers draw on: numbers as colors, words beside pictures; NumPy and Pillow only, since a slider is waiting."""
import functools
import textwrap
import math

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from ..images import resize, to_pil

INK, PAPER, _FAINT, _GRID = "#222222", "white", "#666666", "#DDDDDD"
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


def note(text, width=480, size=15):
    """Words on an empty sheet, broken into lines."""
    lines = textwrap.wrap(text, width=round(width / size * 1.9))
    paper = Image.new("RGB", (width, round(size * (1.6 * len(lines) + 2))), PAPER)
    ImageDraw.Draw(paper).multiline_text((size, size), "\n".join(lines), INK, _font(size), spacing=size * 0.5)
    return paper


def _width(text, image, size):
    return max(image.width, round(_font(size).getlength(text)))


def bars(rows, width, least, most, size=15):
    """How far numbers have moved, on a logarithmic scale from `least` to `most` → one Pillow image, `width` px wide, on white.

    rows: [(name, before, now, color, note), …]: an upright mark stands at `before`, the bar reaches from there to `now`, its
    value and the note stand at the right. What lies beyond the scale, 0 among it, is drawn at its end.
    """
    tall, small = 3 * size, size - 3
    left = size + round(max(_font(size).getlength(name) for name, *_ in rows))
    right = 5 * size + round(max(_font(small).getlength(note) for *_, note in rows))
    paper = Image.new("RGB", (width, tall * len(rows) + 2 * size), PAPER)
    draw, bottom = ImageDraw.Draw(paper), tall * len(rows)

    def place(value):
        value = min(max(value, least), most) if value == value else least            # NaN equals nothing
        return left + round((width - left - right) * math.log(value / least, most / least))

    for power in range(math.ceil(math.log10(least)), math.floor(math.log10(most)) + 1):
        x = place(10.0**power)
        draw.line((x, 0, x, bottom), _GRID)
        draw.text((x, bottom + 3), f"{'' if x > left else '< '}{10.0**power:g}", _FAINT, _font(small), anchor="ma")
    for number, (name, before, now, color, note) in enumerate(rows):
        top, middle = tall * number, tall * number + tall // 2
        start, end = sorted((place(before), place(now)))
        draw.text((0, middle), name, INK, _font(size), anchor="lm")
        draw.line((left, middle, width - right, middle), _GRID)
        draw.rectangle((start, top + size - 1, end, top + 2 * size), fill=color)
        draw.line((place(before), top + size // 2, place(before), top + round(2.5 * size)), INK, 3)
        draw.text((width - right + size, middle), f"{now:.2f}" if abs(now) < 99.5 else f"{now:.3g}", INK, _font(size), anchor="lm")
        draw.text((width, middle), note, _FAINT, _font(small), anchor="rm")
    return paper


def label(draw, text, x, y, right=False, size=15):
    """Words on a slip of paper, its upper left (`right`: upper right) corner at (x, y), for writing on pictures of any color."""
    width, pad = round(_font(size).getlength(text)), round(size * 0.4)
    left = x - width - 2 * pad if right else x
    draw.rectangle((left, y, left + width + 2 * pad, y + size + 2 * pad), fill=PAPER)
    draw.text((left + pad, y + pad + size / 2), text, INK, _font(size), anchor="lm")


def divided(left, right, share, names=("", "")):
    """Two Pillow images of one size upon each other: `left` up to `share` of the width, `right` beyond it, a line between them, names in the corners."""
    picture, at = right.copy(), round(share * right.width)
    picture.paste(left.crop((0, 0, at, left.height)), (0, 0))
    draw = ImageDraw.Draw(picture)
    if 0 < at < picture.width:
        draw.line((at, 0, at, picture.height), PAPER, 5)
        draw.line((at, 0, at, picture.height), INK, 1)
    if at > 0 and names[0]:
        label(draw, names[0], 8, 8)
    if at < picture.width and names[1]:
        label(draw, names[1], picture.width - 8, 8, right=True)
    return picture


def beside(one, other, gap=16):
    """Two Pillow images side by side on paper, `gap` px apart, upper edges level."""
    paper = Image.new("RGB", (one.width + gap + other.width, max(one.height, other.height)), PAPER)
    paper.paste(one, (0, 0))
    paper.paste(other, (one.width + gap, 0))
    return paper
