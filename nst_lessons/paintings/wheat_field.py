"""Wheat field: golden wheat in the wind, a path, poppies and crows under a turning sky, in thick short strokes."""

import numpy as np

from .brush import palette
from .strokes import MAP, Canvas, bumps, follow, pick, scatter, some

ASPECT = 1.25
_WIDTH, _HEIGHT, _HORIZON = 512, 410, 168
_SKY = ["#14285f", "#1f4a96", "#2f78b4", "#3f9aa6", "#7fc0b4", "#d6e3bd", "#f4f0d8"]
_WHEAT = ["#4a3040", "#8f4f1a", "#c8861c", "#e2a722", "#f2c63c", "#fbe27e"]
_PATH = ["#5a3324", "#8a4f33", "#b5764c", "#d9a877", "#7d5a6e"]
_GRASS = ["#24492b", "#3f6b2a", "#6f8f34", "#16383a"]


def draw(height, width, rng):
    """The picture [height, width, 3] in [0, 1]."""
    canvas = Canvas(height, width, "#96601a")
    _sky(canvas, rng)
    _hills(canvas, rng)
    _farm(canvas, rng)
    bend = rng.uniform(-25, 25)
    _wheat(canvas, rng, bend)
    _crows(canvas, rng)
    return canvas.finish(0.6)


def _sky(canvas, rng):
    """Strokes along the level lines of a wavy surface with two whirls, dark above and pale at the horizon."""
    canvas.polygon([(0, 0), (_WIDTH, 0), (_WIDTH, _HORIZON), (0, _HORIZON)], _SKY[2])
    y, x = np.mgrid[:MAP, :MAP] * (512 / MAP)
    stream = y + 26 * bumps(rng, (95, 190))
    for left, spin in [(rng.uniform(95, 150), 100), (rng.uniform(330, 400), -80)]:
        stream += spin * np.exp(-((x - left) ** 2 + 1.5 * (y - rng.uniform(62, 92)) ** 2) / (2 * 52 ** 2))
    slope_y, slope_x = np.gradient(stream)
    angle = np.arctan2(-slope_x, slope_y)
    clouds = 0.5 * bumps(rng, (45, 100)) + 0.35 * bumps(rng, (22, 45))
    light = 0.2 + 0.45 * y / _HORIZON + 0.3 * np.clip(clouds, -0.8, 1.3) + 0.05 * np.sin(stream / 8)
    for spacing, breadth, length, wobble in [(17, 18, 66, 0.04), (10, 10, 44, 0.10), (10, 5, 28, 0.16)]:
        starts = scatter(rng, spacing, (-50, -15, _WIDTH + 20, _HORIZON + 8))
        shade = pick(light, starts) + wobble * rng.standard_normal(len(starts))
        sway = rng.uniform(0.7, 1.2, (2, len(starts)))
        canvas.strokes(follow(starts, angle, length * sway[0]), breadth * sway[1], palette(shade, _SKY), rng)


def _hills(canvas, rng):
    """Two ranges in short slanting strokes: far ones violet, near ones green."""
    far, near = ("#35508c", "#4a6aa0", "#5c5a94", "#6f86b8"), ("#1f5348", "#2f6b4a", "#5c8a3c", "#123a44")
    for base, tall, paints in [(_HORIZON - 3, 26, far), (_HORIZON + 8, 17, near)]:
        crest = tall * np.clip(0.55 + 0.4 * bumps(rng, 110)[:1], 0.15, 1.2)
        starts = scatter(rng, (7, 3), (-10, base - tall, _WIDTH, base))
        starts = starts[base - starts[:, 1] < pick(crest, starts)]
        starts = starts[np.argsort(starts[:, 1])]
        count = len(starts)
        paths = follow(starts, rng.uniform(-0.5, 0.4, count), rng.uniform(8, 22, count), 4)
        canvas.strokes(paths, rng.uniform(3.5, 6, count), some(rng, count, *paints), rng, 3)


def _farm(canvas, rng):
    """A white farm with a vermilion roof between dark trees: the accent."""
    left, ground = rng.uniform(395, 440), _HORIZON + 3
    trees = np.column_stack([left + rng.normal(12, 24, 90), ground - rng.uniform(2, 22, 90)])
    leaves = some(rng, 90, *_GRASS)
    canvas.strokes(follow(trees, -1.5 + rng.normal(0, 0.4, 90), 10, 4), 5, leaves, rng, 3)
    wall = scatter(rng, (3.4, 3), (left, ground - 12, left + 33, ground + 1))
    sunny = wall[:, 0] < left + 22
    count = len(wall)
    white = np.where(sunny[:, None], some(rng, count, "#f6ecce", "#fff6dc", "#e8d4a8"), some(rng, count, "#8fa0b8", "#6f84aa"))
    canvas.strokes(follow(wall, 1.5 + 0.12 * rng.standard_normal(count), 6, 3), 3.6, white, rng, 3)
    share = np.append(np.linspace(0, 1, 14), rng.random(30))
    ridge = np.column_stack([left + 4 + 24 * share, np.full(44, ground - 25.0)]) + rng.normal(0, 1, (44, 2))
    eaves = np.column_stack([left - 3 + 39 * share, np.full(44, ground - 11.0)]) + rng.normal(0, 1, (44, 2))
    tiles = np.where(share[:, None] < 0.72, some(rng, 44, "#d8401f", "#ea5a2a", "#c43420"), some(rng, 44, "#9c2a24", "#7a2430"))
    canvas.strokes(np.stack([ridge, (ridge + eaves) / 2, eaves], axis=1), 3.6, tiles, rng, 3, taper=0.8)
    doors = np.array([(left + 5, ground - 7), (left + 12, ground - 7.5), (left + 20, ground - 8)])
    dark = some(rng, 3, "#2a3c66", "#3a3050")
    canvas.strokes(follow(doors, 1.57, np.array([4, 7, 3.6]), 3), np.array([2.6, 3.4, 2.2]), dark, rng, 2)
    grass = np.column_stack([left + rng.uniform(-8, 42, 26), ground + rng.uniform(0, 4, 26)])
    canvas.strokes(follow(grass, -1.5 + rng.normal(0, 0.4, 26), 6, 3), 2.6, some(rng, 26, *_GRASS), rng, 2)


def _wheat(canvas, rng, bend):
    """Stalks from the horizon to our feet, larger as they come nearer; the path and its green edges lie between them."""
    wind, bands = bumps(rng, (70, 200)), bumps(rng, (26, 150))
    for spacing, breadth, length, wobble in [(11, 14, 42, 0.08), (6.5, 8, 36, 0.12), (6.4, 3.8, 28, 0.2)]:
        starts = scatter(rng, spacing, (-15, 0, _WIDTH + 15, 256))
        near = (starts[:, 1] / 256) ** 1.5
        starts[:, 1] = _HORIZON + 7 + near * 262
        order = np.argsort(starts[:, 1])
        starts, near = starts[order], near[order]
        count = len(starts)
        shade = 0.62 - 0.14 * near + 0.27 * pick(bands, starts) + wobble * rng.standard_normal(count)
        fills = palette(shade, _WHEAT)
        lean = -1.45 + 0.35 * pick(wind, starts) + 0.0016 * (starts[:, 0] - 256) + 0.2 * rng.standard_normal(count)
        reach = (0.22 + 0.98 * near) * rng.uniform(0.7, 1.3, count)
        beside = np.abs(starts[:, 0] - _trail(near, bend)) / (4 + 72 * near)
        # Both edges of the path are ragged, and the nearer the raggeder: blades hang over it, earth shows between them.
        ragged = (0.16 + 0.16 * near) * rng.standard_normal(count) + 0.14 * pick(bands, starts * (3, 1))
        verge, trail = beside < 1 + 0.3 * rng.random(count) + 0.5 * ragged, beside < 0.7 + ragged
        fills[verge] = some(rng, verge.sum(), *_GRASS)
        fills[trail] = palette(rng.random(trail.sum()), _PATH)
        ahead = _trail(near + 0.02, bend) - _trail(near - 0.02, bend)
        lean[trail] = (np.arctan2(10.5, ahead) + 0.22 * rng.standard_normal(count))[trail]       # ruts that run with the path
        reach[verge] *= 0.55
        poppies = (breadth < 9) & (beside > 1.1) & (beside < 2.6) & (pick(wind, starts + 40) > -0.3) & (rng.random(count) < 0.3)
        fills[poppies] = some(rng, poppies.sum(), "#d8321a", "#ef5a2a")
        reach[poppies] = (0.04 + 0.22 * near)[poppies]
        canvas.strokes(follow(starts, lean, length * reach, 5), breadth * (0.45 + 0.75 * near), fills, rng, 3)


def _trail(near, bend):
    """Where the middle of the path is (x) at a depth of 0 (horizon) to 1 (our feet)."""
    return 330 - 110 * near + (45 + bend) * np.sin(5.2 * near + 0.4) * (1 - 0.4 * near)


def _crows(canvas, rng):
    """Black birds that come from the farm, ever larger: two wings, each of one bent stroke that breaks at its tip, and a body."""
    count = 13
    depth = ((np.arange(count) + rng.random(count)) / count) ** 1.5
    # A low-discrepancy sequence (Roberts' R2) spreads the birds about their line without any two meeting.
    aside = (np.arange(count)[:, None] * (0.7549, 0.5698) + rng.random(2)) % 1 - 0.5
    at = np.column_stack([385 - 300 * depth, 142 - 78 * depth]) + aside * np.column_stack([150 + 170 * depth, 30 + 60 * depth])
    for (x, y), size, tilt in zip(at, 3.5 + 19 * depth, rng.normal(0, 0.35, count)):
        up = rng.uniform(-0.25, 0.8, 2)              # each wing in its own phase of the beat
        left = [(0.08, 0.02), (-0.3, -0.35 - 0.3 * up[0]), (-0.62, -0.3 - 0.6 * up[0]), (-1.05, -0.05 - 0.45 * up[0])]
        right = [(-0.08, 0.02), (0.28, -0.3 - 0.3 * up[1]), (0.55, -0.28 - 0.6 * up[1]), (0.9, -0.12 - 0.5 * up[1])]
        body = [(-0.3, 0.16), (-0.1, 0.08), (0.12, 0.0), (0.34, -0.06)]
        turn = np.array([[np.cos(tilt), np.sin(tilt)], [-np.sin(tilt), np.cos(tilt)]])
        bird = (np.array([left, right, body]) @ turn) * size + (x, y) + rng.normal(0, 0.04 * size, (3, 4, 2))
        paint = some(rng, 3, "#0d0f1c", "#161a30", "#1c2240")
        canvas.strokes(bird, size * np.array([0.3, 0.27, 0.24]), paint, rng, 4, streak=0.7, taper=0.15, thickness=0.7)
