"""Sunset harbor: a low orange sun over misty water, ships and small boats, in broken horizontal strokes."""

import numpy as np

from .brush import blend, palette, rgb
from .strokes import Canvas, bumps, colors, follow, pick, scatter, some

ASPECT = 1.3
_WIDTH, _HEIGHT, _HORIZON = 512, 394, 168
_MIST = ["#34508c", "#5474ae", "#828fc4", "#b09fca", "#d6adc0", "#efc4ac"]
_GLOW = ["#d98f86", "#ee9f6c", "#f8bd78", "#fbdc9c"]
_WATER = ["#102a44", "#1a4a62", "#2d6a82", "#4a8c9c", "#7aa6b8", "#a8a0c8", "#d8b4bc"]


def draw(height, width, rng):
    """The picture [height, width, 3] in [0, 1]."""
    canvas = Canvas(height, width, "#64759f")
    sun = np.array([rng.uniform(300, 360), rng.uniform(100, 122)])
    _sky(canvas, rng, sun)
    _far_shore(canvas, rng, sun)
    _water(canvas, rng, sun)
    for x, base, size in [(88, 180, 1.0), (182, 174, 0.62), (440, 178, 0.85)]:
        _ship(canvas, rng, x + rng.uniform(-14, 14), base, size)
    _reflection(canvas, rng, sun)
    turn = rng.uniform(-20, 20)
    for x, y, size, ink in [(112, 232, 0.5, "#2f566e"), (178, 272, 0.8, "#254558"), (262, 332, 1.3, "#0f2230")]:
        _boat(canvas, rng, x + turn, y, size, rgb(ink))
    return canvas.finish(0.55)


def _lay(canvas, rng, starts, angle, length, breadth, fills, bristles=3):
    """Strokes around places, their middles there, each a little longer, wider or shorter than asked."""
    sway = rng.uniform(0.65, 1.3, (2, len(starts)))
    length = length * sway[0]
    heading = pick(angle, starts) if np.ndim(angle) == 2 else np.broadcast_to(angle, len(starts))
    starts = starts - 0.5 * length[:, None] * np.stack([np.cos(heading), np.sin(heading)], -1)
    canvas.strokes(follow(starts, angle, length, 5), breadth * sway[1], fills, rng, bristles)


def _sky(canvas, rng, sun):
    """Scrubbed slanting strokes: mist above, a glow round the sun, bars of cloud between."""
    angle = -0.22 + 0.3 * bumps(rng, (60, 130))
    clouds = 0.6 * bumps(rng, (26, 120)) + 0.4 * bumps(rng, (14, 60))
    for spacing, breadth, length, wobble in [(16, 19, 60, 0.05), (10, 10, 38, 0.1), (9, 4.5, 24, 0.17)]:
        starts = scatter(rng, spacing, (-20, -10, _WIDTH + 20, _HORIZON + 6))
        apart = (starts - sun) / (150, 62)
        cloud = pick(clouds, starts)
        near = np.exp(-(apart ** 2).sum(1)) + 0.55 * np.exp(-((starts[:, 1] - 138) / 26) ** 2) + 0.14 * cloud
        near += 0.8 * wobble * rng.standard_normal(len(starts))
        mist = palette(0.34 + 0.0017 * starts[:, 1] + 0.19 * cloud + wobble * rng.standard_normal(len(starts)), _MIST)
        fills = blend(mist, palette(near - 0.25 + 0.12 * cloud, _GLOW), np.clip(1.5 * near - 0.35, 0, 1))
        _lay(canvas, rng, starts, angle, length, breadth, fills)
    ring = scatter(rng, 2.6, (sun[0] - 16, sun[1] - 16, sun[0] + 16, sun[1] + 16))
    ring = ring[((ring - sun) ** 2).sum(1) < 13 ** 2]
    turn = np.arctan2(*(ring - sun).T[::-1]) + np.pi / 2
    canvas.dabs(sun[None], 14, colors("#f2521f"), 0.6)
    _lay(canvas, rng, ring, turn, 9, 3.2, some(rng, len(ring), "#f04a1c", "#f8692a", "#fb8436", "#e83c1c"))


def _far_shore(canvas, rng, sun):
    """Warehouses, cranes and chimneys lost in the mist: upright strokes of grey blue."""
    roofs = 11 + 6 * bumps(rng, 26)[:1] + 7 * bumps(rng, 90)[1:2]
    starts = scatter(rng, (5, 4), (-5, _HORIZON - 40, _WIDTH, _HORIZON + 3))
    starts = starts[_HORIZON - starts[:, 1] < np.clip(pick(roofs, starts * (1, 0)), 3, 36)]
    shades = some(rng, len(starts), "#6a7ca8", "#8088b4", "#56719a", "#a595bc", "#4a6a90")
    _lay(canvas, rng, starts, -1.45, 11, 5, shades)
    places = np.linspace(16, 496, 13) + rng.uniform(-9, 9, 13)
    places = rng.permutation(places[np.abs(places - sun[0]) > 34])
    for x in places[:5]:
        tall, side = rng.uniform(30, 52), rng.choice([-1, 1])
        foot, top = np.array([x, _HORIZON]), np.array([x - 3 * side, _HORIZON - tall])
        arm = np.stack([top + (-7 * side, 6), top + (26 * side, -rng.uniform(10, 20))])
        crane = np.stack([[foot, top], arm, [arm[1], arm[1] + (0, 15)]])
        canvas.strokes(crane, [3.2, 2.2, 0.9], colors("#56719a", "#56719a", "#56719a"), rng, 2)
    for x in places[5:8]:
        tall = rng.uniform(34, 54)
        canvas.strokes(follow(np.array([[x, _HORIZON]]), -1.57, tall, 3), 5, colors("#5a6c9a"), rng, 3, taper=0.8)
        drift = np.linspace(0, 56, 18)
        puffs = np.column_stack([x + drift, _HORIZON - tall - 5 * np.sqrt(drift)]) + rng.normal(0, 3, (18, 2))
        _lay(canvas, rng, puffs, -0.4, 15, 6, some(rng, 18, "#7d86b4", "#a797c0", "#c8a8b8"))


def _water(canvas, rng, sun):
    """Level strokes that grow toward us; the sky's colors lie on the ripples."""
    swell = 0.6 * bumps(rng, (10, 120)) + 0.5 * bumps(rng, (22, 60))
    for spacing, breadth, length, wobble in [(13, 13, 66, 0.05), (7, 7.5, 44, 0.11), (6.5, 4, 30, 0.18)]:
        starts = scatter(rng, spacing, (-20, 0, _WIDTH + 20, 300))
        near = (starts[:, 1] / 300) ** 1.45
        starts[:, 1] = _HORIZON + 1 + 232 * near
        order = np.argsort(starts[:, 1])
        starts, near = starts[order], near[order]
        count = len(starts)
        shade = 0.78 - 0.52 * near + 0.19 * pick(swell, starts) + wobble * rng.standard_normal(count)
        fills = palette(shade, _WATER)
        warm = np.exp(-((starts[:, 0] - sun[0]) / (60 + 90 * near)) ** 2) * (0.75 - 0.45 * near) * rng.random(count)
        fills = blend(fills, palette(rng.random(count), _GLOW[:2] + _MIST[2:4]), np.clip(warm * 1.3, 0, 1))
        size = 0.4 + 0.85 * near
        _lay(canvas, rng, starts, 0.06 * rng.standard_normal(count), length * size, breadth * size, fills)


def _reflection(canvas, rng, sun):
    """The sun's broken path on the water: dashes that scatter and lengthen on their way to us."""
    dim, hot, pale = ("#c8503a", "#e07a4a", "#d98f86"), ("#f2521f", "#fb8436", "#f8a04a"), ("#fbdc9c", "#fbc070")
    for count, breadth, tints in [(80, 5, dim), (105, 3.8, hot), (36, 2.6, pale)]:
        near = np.sort(rng.random(count)) ** 1.15
        # Dashes gather on the faces of the waves and leave the backs dark.
        near += 0.018 * np.sin(2 * np.pi * near * 11) * (0.4 + near)
        snake = (3 + 12 * near) * np.sin(11 * near + 2)
        spread = (4 + 26 * near) * (0.7 if breadth < 4 else 1)
        starts = np.column_stack([sun[0] + snake + spread * rng.normal(0, 0.8, count), _HORIZON + 3 + 224 * near])
        size = 0.5 + 0.9 * near
        tint = some(rng, count, *tints)
        _lay(canvas, rng, starts, 0.05 * rng.standard_normal(count), 19 * size, breadth * size, tint)


def _ship(canvas, rng, x, base, size):
    """A tall ship at anchor: hull, masts, yards and rigging, and their wavering image in the water."""
    ink, dim = rgb("#324a68"), rgb("#4a5f80")
    hull = np.array([(-40, -12), (-34, 1), (34, 1), (46, -15), (30, -10), (-28, -10)]) * size + (x, base)
    canvas.polygon(hull, ink, 0.5)
    rows = np.column_stack([x + size * rng.uniform(-30, 30, 22), base - size * rng.uniform(0, 10, 22)])
    _lay(canvas, rng, rows, 0.03, 22 * size, 4 * size, some(rng, 22, "#324a68", "#3f5576", "#5a5f88", "#7a5a70"))
    for offset, tall in [(-22, 78), (2, 96), (25, 72)]:
        foot, top = np.array([x + offset * size, base - 8 * size]), np.array([x + (offset + 2) * size, base - tall * size])
        canvas.strokes(np.stack([foot, top])[None], 3.4 * size, ink[None], rng, 2, taper=0.6)
        for part in (0.42, 0.66, 0.86):
            middle, half = foot + part * (top - foot), size * (17 - 12 * part)
            yard = np.stack([middle - (half, rng.uniform(-1, 3)), middle + (half, 0)])
            canvas.strokes(yard[None], 2.4 * size, dim[None], rng, 2, taper=0.8)
        for side in (-20, 20):
            canvas.strokes(np.stack([foot + (side * size, 0), top + (0, 6)])[None], 0.9, dim[None], rng, 1)
        drop = np.linspace(6, tall * 0.9, 14) * size
        waver = np.column_stack([foot[0] + rng.normal(0, 2.2, 14) * (1 + drop / 40), base + drop])
        _lay(canvas, rng, waver, 0.0, 11 * size, 2.8 * size, some(rng, 14, "#324a68", "#3f5a74", "#2c5064"))
    under = np.column_stack([x + size * rng.uniform(-38, 38, 30), base + size * rng.uniform(2, 16, 30)])
    _lay(canvas, rng, under, 0.0, 24 * size, 3.4 * size, some(rng, 30, "#2c4a60", "#39587a", "#1f4050"))


def _boat(canvas, rng, x, y, size, ink):
    """A rowing boat against the light, one man standing at the oar and one seated."""
    shadow = np.column_stack([x + size * rng.normal(0, 26, 26), y + size * rng.uniform(5, 24, 26)])
    _lay(canvas, rng, shadow, 0.0, 26 * size, 3.6 * size, ink * rng.uniform(0.8, 1.5, (26, 1)))
    shapes = [
        [(-46, -7), (-30, 6), (28, 7), (44, -9), (30, -2), (-28, -1)],
        [(4, 0), (5, -24), (3, -34), (7, -39), (13, -38), (15, -30), (14, -16), (16, 0)],
        [(6, -38), (6, -44), (8, -47), (12, -47), (14, -43), (13, -37)],
        [(-20, 0), (-21, -12), (-17, -19), (-10, -17), (-7, 0)], [(-18, -17), (-18, -24), (-15, -27), (-12, -25), (-11, -17)],
    ]
    for corners in shapes:
        canvas.polygon(np.array(corners) * size + (x, y), ink, 0.6)
    lines = np.array([[(8, -28), (34, 14)], [(-40, -3), (36, -3)], [(-34, 2), (26, 4)]]) * size + (x, y)
    canvas.strokes(lines, np.array([2.4, 3, 3]) * size, np.stack([ink, ink * 1.5 + 0.05, ink * 1.9 + (0.12, 0.05, 0.02)]), rng, 2)
