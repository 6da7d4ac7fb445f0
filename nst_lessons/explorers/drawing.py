"""Pictures for the explorers, drawn with Pillow: fast enough to follow a slider, which matplotlib is not."""
import io
import math

import torch
from IPython import display
from PIL import Image, ImageDraw, ImageFont
from torch.nn import functional as F

from ..images import resize, to_bytes

# Okabe & Ito's colors, told apart by color-blind eyes too; each curve also carries its name.
COLORS = {"style": "#D55E00", "content": "#0072B2", "tv": "#009E73"}
_INK, _GRID = "#444444", "#DDDDDD"
_SHARP = 2               # pixels drawn for one shown, for the sake of dense screens


def side_by_side(*pictures, height=192):
    """Pictures [1, 3, H, W] in a row, all `height` px high, as something that a notebook displays."""
    return display.Image(to_bytes(in_a_row(*pictures, height=height)), format="jpeg")      # a PNG would be eight times as large


def in_a_row(*pictures, height, gap=8):
    """One picture [1, 3, height, W] of pictures [1, 3, H, W], with `gap` px of white between them."""
    row = [resize(one.detach().cpu(), (height, max(1, round(height * one.shape[3] / one.shape[2])))) for one in pictures]
    return torch.cat([F.pad(one, (0, gap), value=1.0) for one in row[:-1]] + row[-1:], dim=3)


def loss_curves(losses, end, marks=(), size=(380, 130), colors=COLORS, room=88):
    """PNG bytes of curves on a logarithmic scale, each with its name and latest value at its right end.

    losses: {name: [(evaluation, value), …]}, names as in `colors`. end: the evaluation at which the axis ends.
    marks: [(evaluation, text), …], thin upright lines. size: width and height in px as shown; twice as many are drawn.
    room: px at the right for the names.
    """
    width, height = (_SHARP * side for side in size)
    left, right, top, bottom = (_SHARP * side for side in (44, room, 18, 20))
    font = ImageFont.load_default(_SHARP * 11)
    picture = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(picture)
    values = [value for curve in losses.values() for _, value in curve if value > 0] or [0.1, 1]
    high = math.ceil(math.log10(max(values)) - 0.05)                            # a curve that begins a little above 1 needs no decade of its own
    low = max(high - 3, min(high - 1, math.floor(math.log10(min(values)))))      # content begins near 0: three decades suffice

    def place(evaluation, value):
        up = (math.log10(max(value, 10.0**low)) - low) / (high - low)
        return left + evaluation / max(end, 1) * (width - left - right), height - bottom - up * (height - top - bottom)

    for power in range(low, high + 1):
        _, y = place(0, 10.0**power)
        draw.line((left, y, width - right, y), _GRID, _SHARP)
        draw.text((left - 6 * _SHARP, y), f"{10.0**power:g}", _INK, font, anchor="rm")
    free = 0                                                     # where the next text has room
    for evaluation, text in marks:
        x, _ = place(evaluation, 1)
        draw.line((x, top, x, height - bottom), _GRID, _SHARP)
        if x >= free:
            draw.text((x + 3 * _SHARP, 2 * _SHARP), text, _INK, font)
            free = x + draw.textlength(text, font) + 6 * _SHARP
    draw.text((left, height - 3 * _SHARP), "evaluation 0", _INK, font, anchor="ls")
    draw.text((width - right, height - 3 * _SHARP), f"{end}", _INK, font, anchor="rs")
    for name, curve in losses.items():
        if len(curve) > 1:
            draw.line([place(*point) for point in curve], colors[name], 2 * _SHARP, joint="curve")
    _name_curves(draw, font, {name: (*place(*curve[-1]), curve[-1][1]) for name, curve in losses.items() if curve},
                 width - right + 6 * _SHARP, colors)
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def _name_curves(draw, font, ends, x, colors):
    """Writes "style 0.021" beside the end (x, y, value) of each curve, pushes apart names that would overlap, and keeps them on the sheet."""
    line, ordered, places = 14 * _SHARP, sorted(ends, key=lambda name: ends[name][1]), []
    for name in ordered:
        places.append(max(ends[name][1], places[-1] + line if places else -math.inf))
    highest = draw.im.size[1] - line / 2
    for number in reversed(range(len(places))):
        places[number] = highest = min(places[number], highest)
        highest -= line
    for name, y in zip(ordered, places):
        draw.text((x, y), f"{name} {ends[name][2]:.2g}", colors[name], font, anchor="lm")
