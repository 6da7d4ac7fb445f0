"""Sunset harbor: a low orange sun over misty water, ships and small boats, in broken horizontal strokes."""

import numpy as np

from .brush import blend, palette, rgb
from .strokes import Canvas, bumps, colors, follow, pick, scatter, some

ASPECT = 1.3
_WIDTH, _HEIGHT, _HORIZON = 512, 394, 168
_MIST = ["#34508c", "#5474ae", "#828fc4", "#b09fca", "#d6adc0", "#efc4ac"]
_GLOW = ["#d98f86", "#ee9f6c", "#f8bd78", "#fbdc9c"]
# What stands in a boat, as strokes (points, breadth): a man at the stern oar with a passenger, a rower, one who hauls a net.
_POSES = {
    "stern": [
        ([(9, 0), (8, -11), (10, -20)], 4.5), ([(15, -1), (15, -11), (12, -20)], 4.5), ([(11, -17), (10, -26), (6, -34)], 9),
        ([(5, -36), (4, -41), (4, -45)], 6.5), ([(0, -44), (4, -46), (9, -44)], 3), ([(7, -31), (13, -25), (19, -23)], 3.4),
        ([(8, -28), (12, -22), (18, -20)], 3), ([(10, -31), (27, -13), (47, 13)], 2.2),
        ([(-24, 0), (-22, -9), (-17, -15)], 10), ([(-18, -18), (-16, -20), (-14, -21)], 8),
        ([(-23, -22), (-16, -25), (-10, -23)], 2.6), ([(-16, -12), (-8, -7), (-3, -1)], 4)],
    "row": [
        ([(2, 0), (6, -9), (12, -18)], 9), ([(12, -19), (13, -23), (13, -26)], 5.5), ([(11, -15), (2, -12), (-6, -10)], 3),
        ([(-9, -12), (6, 0), (22, 12)], 1.9), ([(-6, -9), (-20, 0), (-30, 9)], 1.6), ([(4, -1), (-6, -3), (-14, 0)], 4)],
    "net": [
        ([(-8, 0), (-9, -9), (-7, -16)], 7), ([(-8, -15), (-13, -21), (-20, -23)], 8),
        ([(-21, -24), (-25, -24), (-28, -23)], 5.5), ([(-18, -20), (-26, -14), (-34, -8)], 2.8),
        ([(-34, -9), (-42, 0), (-50, 9)], 2)],
}
_WATER = ["#102a44", "#1a4a62", "#2d6a82", "#4a8c9c", "#7aa6b8", "#a8a0c8", "#d8b4bc"]


def draw(height, width, rng):
    """The picture [height, width, 3] in [0, 1]."""
    canvas = Canvas(height, width, "#64759f")
    sun = np.array([rng.uniform(300, 360), rng.uniform(100, 122)])
    _sky(canvas, rng, sun)
    _far_shore(canvas, rng, sun)
    _water(canvas, rng, sun)
    for x, base, size in [(182, 174, 0.55), (440, 178, 0.8), (88, 181, 1.05)]:
        _ship(canvas, rng, x + rng.uniform(-14, 14), base, size)
    _reflection(canvas, rng, sun)
    turn = rng.uniform(-20, 20)
    _boat(canvas, rng, 92 + turn, 222, 0.5, rgb("#2f566e"), _POSES["net"])
    _boat(canvas, rng, 176 + turn, 266, 0.8, rgb("#234458"), _POSES["row"])
    _boat(canvas, rng, 258 + turn, 334, 1.3, rgb("#12283a"), _POSES["stern"])
    return canvas.finish(0.55)


def _lay(canvas, rng, starts, angle, length, breadth, fills, bristles=3):
    """Strokes around places, their middles there, each a little longer, wider or shorter than asked."""
    sway = rng.uniform(0.65, 1.3, (2, len(starts)))
    length = length * sway[0]
    heading = pick(angle, starts) if np.ndim(angle) == 2 else np.broadcast_to(angle, len(starts))
    starts = starts - 0.5 * length[:, None] * np.stack([np.cos(heading), np.sin(heading)], -1)
    canvas.strokes(follow(starts, angle, length, 5), breadth * sway[1], fills, rng, bristles)


def _sky(canvas, rng, sun):
    """Scrubbed strokes, nearly level: mist above, a glow round the sun, bars of cloud between; then the sun, in thick paint."""
    angle = -0.07 + 0.13 * bumps(rng, (70, 150)) + 0.13 * bumps(rng, (26, 60))
    clouds = 0.6 * bumps(rng, (26, 120)) + 0.4 * bumps(rng, (14, 60))
    for spacing, breadth, length, wobble in [(16, 19, 60, 0.05), (10, 10, 38, 0.1), (9, 4.5, 24, 0.17)]:
        starts = scatter(rng, spacing, (-20, -10, _WIDTH + 20, _HORIZON + 6))
        apart = (starts - sun) / (150, 62)
        cloud = pick(clouds, starts)
        near = np.exp(-(apart ** 2).sum(1)) + 0.55 * np.exp(-((starts[:, 1] - 138) / 26) ** 2) + 0.14 * cloud
        near += 0.8 * wobble * rng.standard_normal(len(starts))
        mist = palette(0.34 + 0.0017 * starts[:, 1] + 0.19 * cloud + wobble * rng.standard_normal(len(starts)), _MIST)
        fills = blend(mist, palette(near - 0.25 + 0.12 * cloud, _GLOW), np.clip(1.5 * near - 0.35, 0, 1))
        headings = angle if breadth > 15 else pick(angle, starts) + 0.16 * rng.standard_normal(len(starts))
        _lay(canvas, rng, starts, headings, length, breadth, fills)
    for reach, count, tints in [(19, 70, ("#f8a860", "#fbc47c", "#f4935a")), (13.5, 60, ("#f4622a", "#f8803c", "#f04a1c"))]:
        turn, away = rng.uniform(0, 2 * np.pi, count), reach * rng.uniform(0.8, 1.05, count)
        rim = sun + away[:, None] * np.stack([np.cos(turn), np.sin(turn)], -1)
        _lay(canvas, rng, rim, 0.25 * rng.standard_normal(count), 9, 3.4, some(rng, count, *tints))
    canvas.dabs(sun + rng.normal(0, 0.8, (3, 2)), np.array([13.5, 12.5, 11.5]), colors("#f4622a", "#ee4418", "#f2501c"), 0.75)
    core = scatter(rng, 3.2, (sun[0] - 12, sun[1] - 12, sun[0] + 12, sun[1] + 12))
    core = core[((core - sun) ** 2).sum(1) < 10.5 ** 2]
    paint = some(rng, len(core), "#f04a1c", "#f65c22", "#fb7a32", "#e83c1c")
    _lay(canvas, rng, core, 0.5 * rng.standard_normal(len(core)) - 0.3, 7, 3.6, paint, 4)


def _far_shore(canvas, rng, sun):
    """Warehouses, masts and chimneys lost in the mist: upright strokes of grey blue."""
    roofs = 11 + 6 * bumps(rng, 26)[:1] + 7 * bumps(rng, 90)[1:2]
    starts = scatter(rng, (5, 4), (-5, _HORIZON - 40, _WIDTH, _HORIZON + 3))
    starts = starts[_HORIZON - starts[:, 1] < np.clip(pick(roofs, starts * (1, 0)), 3, 36)]
    shades = some(rng, len(starts), "#6a7ca8", "#8088b4", "#56719a", "#a595bc", "#4a6a90")
    _lay(canvas, rng, starts, -1.45, 11, 5, shades)
    places = np.linspace(16, 496, 13) + rng.uniform(-9, 9, 13)
    places = rng.permutation(places[np.abs(places - sun[0]) > 34])
    masts = np.column_stack([np.repeat(places[:6], 2) + rng.uniform(-9, 9, 12), np.full(12, _HORIZON)])
    canvas.strokes(follow(masts, -1.57 + rng.normal(0, 0.03, 12), rng.uniform(22, 44, 12), 3), 1.5,
                   some(rng, 12, "#6f80ac", "#8088b4", "#9a90bc"), rng, 1)
    for x in places[6:9]:
        tall = rng.uniform(34, 54)
        canvas.strokes(follow(np.array([[x, _HORIZON]]), -1.57, tall, 3), 5, colors("#7080ac"), rng, 3, taper=0.8)
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
    keel = np.column_stack([rng.uniform(-26, 26, 30), rng.uniform(-9, 1, 30)])
    bow = [[(-40, -12), (-34, -5), (-24, -1)], [(48, -17), (36, -8), (24, -1)], [(-38, -11), (0, -8), (44, -14)]]
    canvas.strokes(np.array(bow) * size + (x, base), 4.5 * size, colors("#3f5576", "#3a4f70", "#5a5f88"), rng, 3)
    _lay(canvas, rng, keel * size + (x, base), 0.06 * rng.standard_normal(30), 20 * size, 3.8 * size,
         some(rng, 30, "#324a68", "#3f5576", "#5a5f88", "#7a5a70"))
    places = [(-22, 78), (2, 96), (25, 72)] if size > 0.7 else [(-15, 70), (14, 92)]
    for offset, tall in [(at + rng.uniform(-3, 3), tall * rng.uniform(0.8, 1.1)) for at, tall in places]:
        foot, top = np.array([x + offset * size, base - 8 * size]), np.array([x + (offset + 2) * size, base - tall * size])
        canvas.strokes(np.stack([foot, top])[None], 3.4 * size, ink[None], rng, 2, taper=0.6)
        for part in (0.42, 0.66, 0.86)[:rng.integers(1, 4)]:
            middle, half = foot + part * (top - foot), size * (17 - 12 * part)
            yard = np.stack([middle - (half, rng.uniform(-1, 3)), middle + (half, 0)])
            canvas.strokes(yard[None], rng.uniform(1.6, 4.2) * size, some(rng, 1, "#4a5f80", "#6a6a90", "#8a7a9c"), rng, 2)
        for side in (-20, 20):
            canvas.strokes(np.stack([foot + (side * size, 0), top + (0, 6)])[None], 0.9, dim[None], rng, 1)
        drop = np.linspace(6, tall * 0.9, 14) * size
        waver = np.column_stack([foot[0] + rng.normal(0, 2.2, 14) * (1 + drop / 40), base + drop])
        _lay(canvas, rng, waver, 0.0, 11 * size, 2.8 * size, some(rng, 14, "#324a68", "#3f5a74", "#2c5064"))
    under = np.column_stack([x + size * rng.uniform(-38, 38, 30), base + size * rng.uniform(2, 16, 30)])
    _lay(canvas, rng, under, 0.0, 24 * size, 3.4 * size, some(rng, 30, "#2c4a60", "#39587a", "#1f4050"))


def _boat(canvas, rng, x, y, size, ink, pose):
    """A boat against the light, all in strokes: its image in the water, the hull, who is in it, and light on their edges."""
    shadow = np.column_stack([x + size * rng.normal(0, 26, 40), y + size * rng.uniform(4, 26, 40)])
    _lay(canvas, rng, shadow, 0.0, 24 * size, 3.4 * size, ink * rng.uniform(0.8, 1.6, (40, 1)))
    hull = np.array([[(-47, -8), (-39, -1), (-26, 4)], [(46, -10), (38, -2), (24, 5)], [(-34, 1), (-4, 5), (30, 1)],
                     [(-44, -5), (-8, -1), (42, -6)], [(-30, 4), (0, 7), (28, 4)]])
    shades = ink * rng.uniform(0.85, 1.25, (5, 1))
    canvas.strokes(hull * size + (x, y), np.array([4.5, 4.5, 7, 3.6, 5]) * size, shades, rng, 4, 0.2)
    paths, breadths = np.array([path for path, _ in pose]), np.array([breadth for _, breadth in pose])
    paths = paths + rng.normal(0, 0.5, paths.shape)
    canvas.strokes(paths * size + (x, y), breadths * size, ink * rng.uniform(0.8, 1.3, (len(pose), 1)), rng, 3, 0.25, taper=0.7)
    # The low sun on the gunwale and on the backs that face it.
    lit = np.vstack([hull[3:4] + (2, -1.5), paths[breadths > 7] + (3.4, -0.5)])
    glow = some(rng, len(lit), "#e08a5a", "#c8705a", "#d89a8a")
    canvas.strokes(lit * size + (x, y), size, glow, rng, 1, taper=0.2)
    ripples = np.column_stack([x + size * rng.uniform(-44, 44, 18), y + size * rng.uniform(7, 13, 18)])
    _lay(canvas, rng, ripples, 0.0, 15 * size, 2 * size, some(rng, 18, *_WATER[1:6]))
