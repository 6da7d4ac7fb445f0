"""Lesson 15: what a study is made of: strokes of a brush, dots, tiles, glass, ink, carved lines, facets.

Each draws a picture [side, side, 3] out of (side, arrangement of 256 × 256, colors from dark to light, unit, seed); `unit` is the size of
the marks, 1 for medium; lengths are in points (1/512 of the side).
"""
import numpy as np
from scipy.ndimage import gaussian_filter

from ..paintings import brush
from ..paintings.strokes import MAP, Canvas, bumps, follow, pick, scatter
from .arrangement import arrange
from .colors import RAMPS, shades

_BOX = (-20, -20, 532, 532)


def _which(value, count, rng, jitter=0.05):
    """Which of `count` colors a mark has, by the value where it lies: equal shares, the borders ragged."""
    return np.clip((value + jitter * rng.standard_normal(np.shape(value))) * count, 0, count - 1).astype(int)


def _tone(value, count, rng, jitter=0.14):
    """How light a mark is within its color: lighter toward the upper border of the color's own range of values."""
    return 0.22 + 0.56 * (value * count % 1) + jitter * rng.standard_normal(np.shape(value))


def _paints(names, value, rng, jitter=0.05):
    return shades(names, _which(value, len(names), rng, jitter), _tone(value, len(names), rng))


def brush_strokes(side, lines, names, unit, rng, texture, seed):
    """Thick paint in three layers, the last one thin."""
    canvas = Canvas(side, side, RAMPS[names[0]][1])
    loose = 0.5 if texture == "tangled" else 0.08
    for spacing, width, length in [(19, 24, 74), (13, 15, 54), (10, 7, 34)]:
        starts = scatter(rng, spacing * unit, _BOX)
        angle = lines.angle if texture != "tangled" else pick(lines.angle, starts) + loose * rng.standard_normal(len(starts))
        paths = follow(starts, angle, length * unit**0.8 * rng.uniform(0.7, 1.25, len(starts)))
        canvas.strokes(paths, width * unit * rng.uniform(0.7, 1.2, len(starts)), _paints(names, pick(lines.value, paths[:, 3]), rng), rng)
    return canvas.finish(0.6)


def dots(side, lines, names, unit, rng, texture, seed):
    """Dots in chains along the lines, on a ground of the same colors, deeper."""
    canvas = Canvas(side, side, RAMPS[names[0]][0])
    starts = scatter(rng, 16 * unit, _BOX)
    canvas.strokes(follow(starts, lines.angle, 34 * unit), 22 * unit, shades(
        names, _which(pick(lines.value, starts), len(names), rng), 0.08 + 0.1 * rng.random(len(starts))), rng, bristles=2)
    for spacing, radius in [(11, 5.2), (9, 3.0)]:
        chains = follow(scatter(rng, (spacing * 3.2 * unit, spacing * unit), _BOX), lines.angle, spacing * 2.6 * unit, 4)
        places = chains[:, :3].reshape(-1, 2)
        fills = _paints(names, pick(lines.value, places), rng, 0.09)
        canvas.dabs(places, radius * unit * rng.uniform(0.75, 1.1, len(places)), fills * rng.uniform(0.9, 1.12, (len(places), 1)), 0.7)
    return canvas.finish(0.5)


def tiles(side, lines, names, unit, rng, texture, seed):
    """Square stones in rows along the lines, mortar between them."""
    canvas = Canvas(side, side, "#2a2622" if names[0] != "black" else "#b9b2a4")
    mortar = np.asarray(brush.rgb("#2a2622" if names[0] != "black" else "#b9b2a4"))
    size = 15 * unit
    rows = follow(scatter(rng, (size * 2.7, size * 0.84), _BOX), lines.angle, size * 3, 4)
    for number in range(3):
        middle, along = rows[:, number], rows[:, number + 1] - rows[:, number]
        along /= np.linalg.norm(along, axis=1, keepdims=True) + 1e-6
        fills = np.clip(_paints(names, pick(lines.value, middle), rng), 0, 1)
        for share, paint in ((0.56, np.broadcast_to(mortar, fills.shape)), (0.45, fills)):
            half = along * size * share * rng.uniform(0.88, 1.06, (len(middle), 1))
            canvas.strokes(np.stack([middle - half, middle, middle + half], axis=1), 2 * size * share, paint, rng, bristles=0, taper=1,
                           thickness=0.1 if paint is not fills else 0.75)
    return canvas.finish(0.7)


def glass(side, lines, names, unit, rng, texture, seed):
    """Panes between leads: cut along the lines, and across at random."""
    fine = arrange(texture, side, seed, unit)
    points = scatter(rng, (46 if texture == "tangled" else 74) * unit, (-90, -90, 602, 602))
    cell, border = brush.cells(points, side, side)
    wide = 40 * unit
    band = np.floor(fine.phase / wide)
    slope = np.hypot(*np.gradient(fine.phase, 512 / side)) + 1e-3
    edge = np.abs(fine.phase / wide - band - 0.5)
    edge = (0.5 - edge) * wide / slope
    if texture == "tangled":
        band, edge = band * 0, edge * 0 + 99
    key = (cell * 31 + band.astype(int) * 17) % 997
    glow, drift = rng.random(997), rng.normal(0, 0.22, 997)
    value = np.clip(pick(lines.value, points)[cell] + drift[key], 0, 0.999)
    which = (value * len(names)).astype(int)
    streaks = brush.noise(side, side, 40, rng) * 0.06 + brush.noise(side, side, 9, rng) * 0.03
    light = np.clip(np.minimum(border, edge) / (16 * unit), 0, 1)
    colors = shades(names, which, 0.18 + 0.5 * glow[key] + 0.22 * light + streaks)
    lead = brush.smoothstep(2.4 * unit**0.6, 3.6 * unit**0.6, np.minimum(border, edge))[..., None]
    dull = brush.rgb("#0b0a0c") if names[0] != "black" or len(names) == 1 else brush.rgb("#070608")
    return np.clip(colors * lead + dull * (1 - lead), 0, 1).astype(np.float32)


def ink(side, lines, names, unit, rng, texture, seed):
    """Wet washes, then lines of a soft brush that swell and run dry, on paper of the lightest color."""
    paper, inks = (RAMPS[names[-1]][4], names[:-1]) if len(names) > 1 else (brush.rgb("#f3efe4"), names)
    canvas = Canvas(side, side, paper)
    starts = scatter(rng, 30 * unit, _BOX)
    value = pick(lines.value, starts)
    starts, value = starts[value < 0.52], value[value < 0.52]
    which = _which(value / 0.52, len(inks), rng)
    paths = follow(starts, lines.angle, 96 * unit**0.8 * rng.uniform(0.6, 1.2, len(starts)), 8)
    wash = shades(inks, which, 0.5 + 0.4 * rng.random(len(starts)))
    canvas.strokes(paths, 26 * unit * rng.uniform(0.6, 1.3, len(starts)), 0.55 * paper + 0.45 * wash, rng, bristles=0, taper=0.2)
    soft = gaussian_filter(np.asarray(canvas.image)[..., :3].astype(np.float32) / 255, (5 * unit * canvas.scale, 5 * unit * canvas.scale, 0))
    canvas = _repainted(canvas, soft)
    for spacing, width, length in [(34, 11, 110), (26, 3.6, 60)]:
        starts = scatter(rng, spacing * unit, _BOX)
        value = pick(lines.value, starts)
        keep = value < rng.uniform(0.2, 0.75, len(starts))
        starts, value = starts[keep], value[keep]
        paths = follow(starts, lines.angle, length * unit**0.8 * rng.uniform(0.5, 1.2, len(starts)), 9)
        fills = shades(inks, _which(value / 0.75, len(inks), rng), 0.08 + 0.3 * rng.random(len(starts)))
        canvas.strokes(paths, width * unit * rng.uniform(0.4, 1.2, len(starts)), fills, rng, bristles=5, streak=0.5, taper=0.05, thickness=0.5)
    grain = brush.noise(side, side, 3, rng)[..., None] * 0.012
    return np.clip(canvas.finish(0.1) + grain, 0, 1).astype(np.float32)


def _repainted(canvas, picture):
    """A canvas with a picture [2 side, 2 side, 3] on it, flat."""
    from PIL import Image, ImageDraw
    flat = np.concatenate([picture, np.full(picture.shape[:2] + (1,), 0.4, np.float32)], axis=-1)
    canvas.image = Image.fromarray((np.clip(flat, 0, 1) * 255 + 0.5).astype(np.uint8), "RGBA")
    canvas.pen = ImageDraw.Draw(canvas.image)
    return canvas


def carved_lines(side, lines, names, unit, rng, texture, seed):
    """A block print: lines of the darkest color, wider where it is dark, over flat blocks of the others."""
    fine = arrange(texture, 2 * side, seed, unit)
    slope = np.hypot(*np.gradient(fine.phase, 512 / (2 * side))) + 1e-3
    if texture == "rays":                                         # rays fork where they come too far apart, or they would be broad at the rim
        slope = np.clip(slope, 0.02, 8)
    octave = np.exp2(np.round(np.log2(1 / np.clip(slope, 0.12, 8))))              # lines fork where they would be too far apart
    period = 11.5 * unit / octave
    wave = np.abs((fine.phase / period) % 1 - 0.5) * 2                            # 1 on a line, 0 between two
    blocks, line = (names[1:], names[0]) if len(names) > 1 else (("white",), names[0])
    dark = gaussian_filter(1 - fine.value, 3 * unit * side / 256)
    ragged = brush.noise(2 * side, 2 * side, 5, rng) * 0.05
    gap = np.clip(0.16 + 0.72 * dark + ragged, 0.08, 0.93)
    printed = brush.smoothstep(-0.09, 0.09, wave - (1 - gap))[..., None]
    which = np.clip(np.floor((fine.value * 0.999 if len(blocks) > 1 else fine.value * 0) * len(blocks)), 0, len(blocks) - 1).astype(int)
    ground = shades(blocks, which, 0.55 + 0.05 * brush.noise(2 * side, 2 * side, 30, rng))
    worn = np.clip(0.96 + 0.05 * brush.noise(2 * side, 2 * side, 4, rng), 0, 1)[..., None]
    picture = ground * (1 - printed * worn) + RAMPS[line][1 if line != "white" else 3] * printed * worn
    return np.clip((picture[::2, ::2] + picture[1::2, ::2] + picture[::2, 1::2] + picture[1::2, 1::2]) / 4, 0, 1).astype(np.float32)


def facets(side, lines, names, unit, rng, texture, seed):
    """Shards with a bright and a dark half, large ones beneath small ones, pointed along the lines."""
    canvas = Canvas(side, side, RAMPS[names[0]][1])
    for spacing, size in [(52, 88), (40, 62), (42, 36)]:
        starts = scatter(rng, spacing * unit, _BOX)
        value = pick(lines.value, starts)
        light, dark = (shades(names, _which(value, len(names), rng), _tone(value, len(names), rng) + shift) for shift in (0.16, -0.2))
        turn = pick(lines.angle, starts) + rng.normal(0, 0.22, len(starts))
        for place, angle, bright, deep in zip(starts, turn, light, dark):
            long, wide = size * unit * rng.uniform(0.6, 1.15), size * unit * rng.uniform(0.25, 0.5)
            ahead, beside = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
            tip, back = place + ahead * long, place - ahead * long * rng.uniform(0.4, 1)
            left, right = place + beside * wide, place - beside * wide
            canvas.polygon([back, left, tip], bright, 0.7)
            canvas.polygon([back, right, tip], deep, 0.3)
    return canvas.finish(0.25)


MARKS = {"brush": brush_strokes, "dots": dots, "tiles": tiles, "glass": glass, "ink": ink, "lines": carved_lines, "facets": facets}
SCALES = {"fine": 0.62, "medium": 1.0, "large": 1.75}


def draw(texture, mark, scale, names, side, seed):
    """A picture [side, side, 3] in [0, 1] of one texture, mark, scale and set of colors, from dark to light."""
    lines = arrange(texture, MAP, seed, SCALES[scale])
    return MARKS[mark](side, lines, names, SCALES[scale], np.random.default_rng((seed, 1)), texture, seed)
