"""Autumn forest: birches and blazing leaves over a wet path, laid with a palette knife in slabs and ridges."""

import numpy as np

from .brush import palette
from .strokes import Canvas, bumps, follow, pick, scatter, some

ASPECT = 0.8
_WIDTH, _HEIGHT, _HORIZON = 410, 512, 292
_FOLIAGE = ["#1c1a44", "#3a1f5c", "#7a1f3f", "#c22a22", "#e8561c", "#f58a1e", "#fbb92c", "#fdd858", "#fdeb9c"]
_FLOOR = ["#251a48", "#4a2352", "#8a2a34", "#c4481f", "#e87a22", "#f4b03a"]
_WET = ["#10183f", "#1b3470", "#22608f", "#2fa0a8", "#7f78b0", "#e88a4a", "#fbc24a", "#fdeeb0"]


def draw(height, width, rng):
    """The picture [height, width, 3] in [0, 1]."""
    canvas = Canvas(height, width, "#3a1f5c")
    far = np.array([rng.uniform(185, 235), _HORIZON - 30])
    bend = rng.uniform(-24, 24)
    glow = _glow(rng, far)
    _leaves(canvas, rng, glow, [(17, 24, 36, 0.06), (15, 13, 21, 0.10)], _HORIZON + 12)
    _far_trunks(canvas, rng, far)
    _leaves(canvas, rng, glow, [(14, 8, 13, 0.14)], _HORIZON + 2)
    stand = _stand(rng)
    _floor(canvas, rng, far, bend)
    _wet_path(canvas, rng, far, bend, stand)
    for x, ground, breadth in stand:
        _birch(canvas, rng, x, ground, breadth)
    _crown(canvas, rng, glow)
    return canvas.finish(0.8)


def _knife(canvas, rng, starts, angle, length, breadth, fills, ridges=3, streak=0.13):
    """Slabs of paint with square ends, each centered on its place; the knife leaves a raised edge where it lifts."""
    count = len(starts)
    length, breadth = length * rng.uniform(0.6, 1.35, count), breadth * rng.uniform(0.7, 1.25, count)
    angle = np.broadcast_to(angle, count)
    starts = starts - 0.5 * length[:, None] * np.stack([np.cos(angle), np.sin(angle)], -1)
    paths, thickness = follow(starts, angle, length, 3), rng.uniform(0.3, 0.6, count)
    canvas.strokes(paths, breadth, fills, rng, ridges, streak, taper=0.95, thickness=thickness)


def _glow(rng, far):
    """How light the wood is [256, 256]: brightest at the end of the path, dark in the corners, broken into clumps."""
    y, x = np.mgrid[:256, :256] * 2.0
    light = np.exp(-(((x - far[0]) / 92) ** 2 + ((y - far[1]) / 150) ** 2))
    return np.minimum(0.33 + 0.47 * light + 0.12 * bumps(rng, 60) + 0.08 * bumps(rng, 24), 0.8)


def _leaves(canvas, rng, glow, layers, lowest):
    for spacing, breadth, length, wobble in layers:
        starts = scatter(rng, spacing, (-10, -10, _WIDTH + 10, lowest))
        shade = pick(glow, starts) + wobble * rng.standard_normal(len(starts))
        fills = palette(shade, _FOLIAGE)
        # The accent: cold sky seen through the leaves, in the half dark only.
        sky = (rng.random(len(starts)) < 0.07) & (shade > 0.35) & (shade < 0.75)
        fills[sky] = some(rng, sky.sum(), "#1f8f9c", "#4fb8b4", "#2a6aa0")
        _knife(canvas, rng, starts, rng.uniform(-1.3, 0.5, len(starts)), length, breadth, fills)


def _far_trunks(canvas, rng, far):
    for k in range(22):
        side = rng.choice([-1, 1])
        away = rng.uniform(40, 190)        # the end of the path stays open
        x, ground = far[0] + side * away, _HORIZON + 4 + 0.16 * away
        breadth, tall = 2 + away / 34, 90 + 1.5 * away
        path = follow(np.array([[x, ground]]), -np.pi / 2 + rng.normal(0, 0.05), tall, 6)
        bark = some(rng, 1, "#3a1f4c", "#4f2f6a", "#7a3a3a", "#2a4a78", "#e8dcc8")
        canvas.strokes(path, breadth, bark, rng, 3, 0.25, taper=0.6)


def _path_sides(y, far, bend):
    """Middle and half width of the path at height y."""
    near = np.clip((y - _HORIZON) / (_HEIGHT - _HORIZON), 0, 1.1)
    return far[0] + (bend + 34) * np.sin(3.4 * near) - 16 * near, 7 + 128 * near ** 1.15


def _ground(rng, spacing, far, bend):
    """Places on the ground from far to near [N, 2], how near they are [N], how far from the path's middle in half widths [N]."""
    starts = scatter(rng, spacing, (-20, _HORIZON + 1, _WIDTH + 20, _HEIGHT + 10))
    starts = starts[np.argsort(starts[:, 1])]
    middle, half = _path_sides(starts[:, 1], far, bend)
    return starts, (starts[:, 1] - _HORIZON) / (_HEIGHT - _HORIZON), (starts[:, 0] - middle) / half


def _floor(canvas, rng, far, bend):
    """Fallen leaves in level slabs that grow toward us."""
    clumps = bumps(rng, (18, 50))
    for spacing, breadth, length, wobble in [(12, 15, 42, 0.08), (9, 8, 24, 0.12), (8, 4, 12, 0.2)]:
        starts, near, aside = _ground(rng, spacing, far, bend)
        shade = 0.72 - 0.3 * near - 0.12 * np.clip(np.abs(aside) - 1, 0, 2) + 0.16 * pick(clumps, starts)
        fills = palette(shade + wobble * rng.standard_normal(len(starts)), _FLOOR)
        size = 0.35 + 0.8 * near
        _knife(canvas, rng, starts, 0.12 * rng.standard_normal(len(starts)), length * size, breadth * size, fills)


def _wet_path(canvas, rng, far, bend, stand):
    """A mirror of rain: upright slabs of the colors that stand above them, crossed by a few level glints and fallen leaves."""
    columns = bumps(rng, (160, 16))
    for spacing, breadth, length, wobble in [((9, 14), 10, 40, 0.06), ((6, 11), 5.5, 26, 0.1), ((6, 12), 3, 18, 0.16)]:
        starts, near, aside = _ground(rng, spacing, far, bend)
        inside = np.abs(aside) < 0.95 + 0.1 * rng.standard_normal(len(starts))
        starts, near, aside = starts[inside], near[inside], aside[inside]
        glow = np.exp(-((starts[:, 0] - far[0]) / (16 + 34 * near)) ** 2) * (1 - 0.35 * near)
        mirror = 0.26 + 0.68 * glow + 0.15 * pick(columns, starts) - 0.1 * np.abs(aside)
        fills = palette(mirror + wobble * rng.standard_normal(len(starts)), _WET)
        for x, ground, wide in stand:
            trunk = (np.abs(starts[:, 0] - x) < 0.5 * wide) & (starts[:, 1] > ground) & (rng.random(len(starts)) < 0.8)
            fills[trunk] = some(rng, trunk.sum(), "#c8c8e0", "#e9e2e0", "#7a7ab0", "#f0c890")
        size = 0.3 + 0.75 * near
        _knife(canvas, rng, starts, np.pi / 2 + 0.05 * rng.standard_normal(len(starts)), length * size, breadth * size, fills)
    starts, near, aside = _ground(rng, 13, far, bend)
    glints = (np.abs(aside) < 0.9) & (rng.random(len(starts)) < 0.45)
    starts, near = starts[glints], near[glints]
    tints = some(rng, len(starts), "#fdeeb0", "#bfe0e0", "#4fb8b4", "#1b3470", "#fbc24a")
    _knife(canvas, rng, starts, 0.05 * rng.standard_normal(len(starts)), 6 + 20 * near, 0.8 + 1.8 * near, tints)
    starts, near, aside = _ground(rng, 6, far, bend)
    leaves = (np.abs(np.abs(aside) - 1) < 0.12 + 0.08 * rng.standard_normal(len(starts))) | (rng.random(len(starts)) < 0.03)
    starts, near = starts[leaves], near[leaves]
    tints = palette(rng.uniform(0.2, 1, len(starts)), _FLOOR)
    _knife(canvas, rng, starts, rng.normal(0, 0.4, len(starts)), 3 + 11 * near, 1.6 + 4.5 * near, tints)


def _stand(rng):
    """Birches from far to near: position, foot, breadth; close ones at the sides frame the path."""
    trees = [(118, 322, 8), (300, 326, 9), (88, 352, 13), (338, 366, 16), (44, 418, 24), (382, 446, 28)]
    return [(x + rng.uniform(-11, 11), ground + rng.uniform(-6, 6), breadth) for x, ground, breadth in trees]


def _birch(canvas, rng, x, ground, breadth):
    """A trunk of upright slabs, violet on the shaded side and warm where it faces the light; bark marks; some branches."""
    lean = rng.uniform(-0.06, 0.06)
    light_side = 1 if x < _WIDTH / 2 else -1
    bow = np.cumsum(rng.normal(0, 0.05 * breadth, 12))          # no trunk is straight

    def axis(up):
        return x + lean * (ground - up) + np.interp(up, np.linspace(-40, ground, 12), bow - bow[-1])

    def girth(up):
        flare = 0.75 * np.exp(-(ground - up + 0.3 * breadth) / (0.75 * breadth))
        return breadth * (0.6 + 0.4 * np.clip(up / ground, 0, 1) + flare)

    lanes = [(-0.42, "#4a3a7a", "#2f2a60"), (-0.2, "#8f8fc0", "#7a8ab8"), (0.08, "#e9e2e0", "#f7f0e2"),
             (0.3, "#fdf8ec", "#fbe6b8"), (0.45, "#f5a85a", "#f0c890")]
    for lane, first, second in lanes:
        up = np.arange(ground + 0.2 * breadth, -30, -0.62 * breadth) + rng.uniform(-4, 4)
        offset = light_side * (lane + rng.normal(0, 0.05, len(up))) * girth(up)
        starts, fills = np.column_stack([axis(up) + offset, up]), some(rng, len(up), first, second)
        spread = 0.9 * light_side * lane * np.exp(-(ground - up) / breadth)          # slabs turn outward where the roots begin
        tilt = -np.pi / 2 + lean - spread + rng.normal(0, 0.05, len(up))
        _knife(canvas, rng, starts, tilt, 1.15 * breadth, 0.36 * girth(up), fills, streak=0.06)
    roots = np.array([[(0.35 * side, -0.8), (0.55 * side, -0.1), (reach * side, 0.42)] for side, reach in
                      [(-1, 1.25), (1, 1.2), (-1, 0.7), (1, 0.75)]]) * breadth + (axis(ground), ground)
    tones = some(rng, 4, "#4a3a7a", "#8f8fc0", "#e9e2e0", "#c89a7a")
    canvas.strokes(roots + rng.normal(0, 0.06 * breadth, (4, 3, 2)), 0.3 * breadth, tones, rng, 3, taper=0.45)
    count = int((ground + 20) / (0.62 * breadth))
    up = np.linspace(ground - 3, -10, count) + rng.uniform(-0.3, 0.3, count) * breadth
    starts = np.column_stack([axis(up) + rng.uniform(-0.4, 0.4, count) * girth(up), up])
    length = rng.uniform(0.2, 0.75, count) * breadth
    _knife(canvas, rng, starts, rng.normal(0, 0.22, count), length, 0.13 * breadth, some(rng, count, "#1a1430", "#241a3c"), 2)
    for _ in range(3):
        up = rng.uniform(0.1, 0.55) * ground
        side = rng.choice([-1, 1])
        start = np.array([[axis(up), up]])
        branch = follow(start, -np.pi / 2 + side * rng.uniform(0.4, 0.9), 3.2 * breadth, 4)
        canvas.strokes(branch, 0.2 * breadth, some(rng, 1, "#2a1c40"), rng, 2, taper=0.5)
    _litter(canvas, rng, x, ground, breadth)


def _litter(canvas, rng, x, ground, breadth):
    """Leaves and a few blades of grass over the foot of a trunk."""
    foot = np.column_stack([x + rng.normal(0, 0.8 * breadth, 70), ground + breadth * rng.uniform(0.08, 0.6, 70)])
    foot[:, 1] -= 0.3 * breadth * (rng.random(70) < 0.25)
    leaves = palette(rng.uniform(0, 0.95, 70), _FLOOR)
    _knife(canvas, rng, foot, rng.normal(0, 0.5, 70), 2 + 0.3 * breadth, 1.2 + 0.14 * breadth, leaves)
    blades = np.column_stack([x + rng.normal(0, 0.7 * breadth, 14), np.full(14, ground + 0.45 * breadth)])
    grass = follow(blades, -np.pi / 2 + rng.normal(0, 0.4, 14), breadth * rng.uniform(0.3, 0.8, 14), 4)
    canvas.strokes(grass, 0.7 + 0.04 * breadth, some(rng, 14, "#e87a22", "#f4b03a", "#8a5a2a", "#4a2352"), rng, 1, taper=0.3)


def _crown(canvas, rng, glow):
    """Leaves before the trunks: bright small slabs in clumps above, single ones falling below."""
    clumps = bumps(rng, 40)
    for spacing, breadth, length, spread in [(13, 9, 15, 0.5), (9, 5.5, 9, 0.35), (8, 3.2, 5.5, 0.3)]:
        starts = scatter(rng, spacing, (-10, -10, _WIDTH + 10, _HEIGHT))
        keep = pick(clumps, starts) + spread * rng.standard_normal(len(starts)) > 0.15 + (starts[:, 1] / 190) ** 2
        keep |= rng.random(len(starts)) < 0.03
        starts = starts[keep]
        shade = 0.06 + pick(glow, starts) + 0.16 * rng.standard_normal(len(starts))
        angle = rng.uniform(-1.4, 0.9, len(starts))
        _knife(canvas, rng, starts, angle, length, breadth, palette(np.clip(shade, 0.2, 1), _FOLIAGE))
