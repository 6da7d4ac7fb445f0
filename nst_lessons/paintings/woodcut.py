"""A woodcut: a sun that fills the sky with rays, mountains, firs, furrows and a bare tree, in black and one vermilion."""

import numpy as np
from scipy.ndimage import gaussian_filter

from . import brush

ASPECT = 5 / 4
PAPER, INK, ACCENT = "#efe3c6", "#16120f", "#d4472a"


def draw(height, width, rng):
    """A woodcut of height × width pixels."""
    y, x = brush.grid(height, width)
    sun = np.array([178 + rng.uniform(-35, 35), 140 + rng.uniform(-10, 10)])
    limbs = _limbs(rng, np.array([436 + rng.uniform(-10, 10), 420.0]), -np.pi / 2 - 0.12, 30, 96, 6)
    # Round the tree the lines are cut thin, so that its limbs stand against the light.
    crown = brush.cover(height, width, [brush.ribbon(path, girth + 6) for path, girth in limbs], smooth=1)
    clear = 0.3 * np.minimum(1, 1.7 * gaussian_filter(crown, 13 * brush.scale_of(height, width)))
    black, red = _sky(height, width, y, x, sun, clear, rng)
    black, red = _mountains(black, red, y, x, clear, rng)
    black, red = _fields(black, red, y, x, sun, clear, rng)
    plate = brush.blend(brush.rgb(PAPER) + np.zeros((height, width, 3), np.float32), brush.rgb(ACCENT), red)
    plate = brush.blend(plate, brush.rgb(INK), black)
    block = _Block(rng)
    for x0 in np.sort(rng.uniform(-10, 330, 13)):
        _fir(block, x0, 262 + rng.uniform(-5, 6), rng.uniform(34, 58))
    _house(block, rng.uniform(160, 190), 300)
    for x0 in (rng.uniform(4, 22), rng.uniform(50, 70)):
        _fir(block, x0, 372 + rng.uniform(-8, 8), rng.uniform(120, 150))
    _tree(block, limbs)
    plate = brush.lay(brush.canvas(plate), block.outlines, block.fills)[..., :3]
    return _printed(plate if rng.random() < 0.5 else plate[:, ::-1], rng)        # a print is the mirror of its block


def _cut(phase, tone):
    """Black lines [H, W] along the level lines of `phase`, one per unit; `tone` in [0, 1] is how much stays white."""
    # Where an angle jumps by a whole turn the phase jumps by an even number, its central difference by a whole one: no slope.
    down, across = (slope - np.round(slope) for slope in np.gradient(phase))
    soft = np.hypot(down, across) + 1e-6                   # phase per pixel: lines keep an edge one pixel soft
    distance = np.abs(phase - np.round(phase))
    return np.clip(((1 - tone) / 2 - distance) / soft + 0.5, 0, 1)


def _hand(height, width, rng):
    """The unsteady hand [H, W]: what makes lines swell, break and waver."""
    return 0.6 * brush.noise(height, width, 26, rng) + 0.4 * brush.noise(height, width, 8, rng)


def _sky(height, width, y, x, sun, clear, rng):
    """Black and red [H, W] of a low sun and of its rays, uneven ones, which split in two where they would grow too wide."""
    dx, dy = x - sun[0], y - sun[1]
    r, hand = np.hypot(dx, dy), _hand(height, width, rng)
    turn = np.arctan2(dy, dx) / (2 * np.pi)
    swing = [np.sin(2 * np.pi * (waves * turn + rng.random())) for waves in (3, 5, 7, 11)]
    turn = turn + 0.009 * swing[0] + 0.007 * swing[2]              # wide rays and narrow ones
    reach = r + 14 * swing[1] + 7 * swing[3] + 9 * hand          # that split early or late
    black = np.zeros((height, width), dtype=np.float32)
    #                              first point, last point, rays, white at the start and at the end
    for low, high, rays, start, end in ((44, 92, 26, 0.74, 0.5), (92, 182, 52, 0.76, 0.52), (182, 460, 104, 0.76, 0.42)):
        phase = turn * rays + 0.10 * hand
        from_here = r if low == 44 else reach
        white = start + (end - start) * np.clip((from_here - low) / (high - low), 0, 1) + 0.16 * hand + clear
        wedge = brush.smoothstep(0, 30, from_here - low - 12 * hand)        # every ray begins as a point
        black = np.where((from_here >= low) & (r >= 44), _cut(phase, 1 - (1 - white) * wedge), black)
    streaks = _cut(y / 6.5 + 0.2 * hand + 0 * x, 0.98 - 0.4 * brush.smoothstep(-30, 44, dy) + 0.1 * hand)
    black = np.where(r < 44, streaks, black)
    ends = rng.uniform(85, 190, 27)[np.floor(turn * 26).astype(int) % 27]
    beams = (np.floor(turn * 26) % 2 == 0) & (r > 58 + 6 * hand) & (r < ends + 10 * hand)
    return np.maximum(black, brush.smoothstep(2.6, 1.6, np.abs(r - 44 - hand))), ((r < 41 + hand) | beams).astype(np.float32)


PEAKS = [(330, 128, 0.95), (60, 150, 0.9), (455, 140, 1.0), (215, 172, 0.8), (395, 178, 0.8), (120, 190, 0.8), (290, 196, 0.7)]


def _mountains(black, red, y, x, clear, rng):
    """Jagged peaks: the side toward the light nearly bare, the other nearly black, each cut down its slope."""
    height, width = black.shape
    for center, top, spread in PEAKS:
        center, top, hand = center + rng.uniform(-16, 16), top + rng.uniform(-10, 10), _hand(height, width, rng)
        jag = 5 * brush.noise(height, width, (512, 16), rng)[:1] + 9 * brush.noise(height, width, (512, 45), rng)[:1]
        spine = center + 0.18 * (y - top) + 8 * brush.noise(height, width, (24, 512), rng)[:, :1]
        depth = y - (top + spread * np.abs(x - center) + jag)
        tone = 0.9 - 0.28 * brush.smoothstep(10, 80, depth) + 0.14 * hand + clear
        bright = _cut((x * 0.75 + y * 0.62) / 8.5 + 0.12 * hand, tone)
        tone = 0.2 + 0.25 * brush.smoothstep(0, 110, depth) + 0.14 * hand + 1.5 * clear
        dim = _cut((x * 0.9 - y * 0.5) / 6.5 + 0.12 * hand, tone)
        ridge = brush.smoothstep(2.2, 1.2, np.abs(x - spine)) * (depth < 55)
        lines = np.maximum.reduce([np.where(x < spine, bright, dim), brush.smoothstep(3.4, 2.2, depth), ridge])
        here = brush.smoothstep(-0.5, 0.5, depth)
        black, red = black * (1 - here) + lines * here, red * (1 - here)
    return black, red


def _fields(black, red, y, x, sun, clear, rng):
    """Furrows that run to a point under the sun, behind them a rolling hill with contour lines."""
    height, width = black.shape
    for number, (top, bow) in enumerate(((246, 12), (292, 18))):
        hand = _hand(height, width, rng)
        edge = top + bow * np.sin(x / 88 + rng.uniform(0, 6)) + 4 * brush.noise(height, width, (512, 60), rng)[:1]
        depth = y - edge
        if number == 0:
            phase, row = depth / 7.5 + 0.12 * hand, np.zeros_like(depth)
            tone = 0.68 - 0.3 * brush.smoothstep(0, 50, depth) + 0.15 * hand + clear
        else:
            furrow = (x - sun[0]) / np.maximum(depth + 78, 8)
            phase, row = furrow * 12 + 0.1 * hand, np.floor(furrow * 3 + 0.5) % 2
            tone = np.where(row == 0, 0.62, 0.44) + 0.16 * hand - 0.1 * brush.smoothstep(60, 120, depth) + clear
        lines = np.maximum(_cut(phase, tone), brush.smoothstep(3.6, 2.2, np.abs(depth - 1)))
        here = brush.smoothstep(-0.5, 0.5, depth)
        black, red = black * (1 - here) + lines * here, red * (1 - here) + row * here * (number == 1)
    return black, red


class _Block:
    """Collects what is cut by hand, in order: black shapes, white cuts in them, red."""

    def __init__(self, rng):
        self.rng, self.outlines, self.fills = rng, [], []

    def shape(self, outline, color=INK):
        """A shape [K, 2] of one color."""
        self.outlines.append(np.asarray(outline, dtype=float))
        self.fills.append(np.append(brush.rgb(color), 0.5))

    def gouge(self, start, end, wide, color=PAPER):
        """A wedge from `start` to a point at `end`, as a gouge leaves it."""
        path = np.linspace(start, end, 5)
        self.shape(brush.ribbon(path, wide * np.array([0.3, 1, 0.8, 0.45, 0.05])), color)


def _fir(block, x, foot, tall):
    """A fir: a black saw-toothed flame with a white rim and white cuts on the side of the light."""
    rng, levels = block.rng, int(5 + tall / 16)
    left, right = [], []
    for k in range(levels):
        y, half = foot - tall * (1 - (k + 1) / levels), 0.27 * tall * ((k + 1) / levels) ** 0.85
        left += [(x - half * rng.uniform(0.85, 1.1), y), (x - 0.45 * half, y - 0.02 * tall)]
        right += [(x + half * rng.uniform(0.85, 1.1), y), (x + 0.45 * half, y - 0.02 * tall)]
    outline = np.array([(x, foot - tall)] + left + right[::-1])
    center = outline.mean(axis=0)
    block.shape(center + (outline - center) * (1 + 3.2 / np.abs(outline - center).max(axis=0)), PAPER)
    block.shape(outline)
    block.shape(brush.box(x - 0.03 * tall, foot - 2, 0.06 * tall, 0.07 * tall + 2))
    for k in range(1, levels):
        y, half = foot - tall * (1 - (k + 1) / levels), 0.27 * tall * ((k + 1) / levels) ** 0.85
        for share in np.arange(-0.8, 0.15, 8 / half):
            tip = np.array([x + half * share, y - 1 - 0.05 * tall * (1 - abs(share))])
            root = tip - (0.1 * half * share, 0.11 * tall * rng.uniform(0.7, 1.2))
            block.gouge(tip + rng.normal(0, 0.7, 2), root, 1.1 + tall / 75)


def _house(block, x, y):
    """A crooked house with a red roof and one bright window."""
    block.shape([(x - 2, y + 2), (x - 1, y - 32), (x + 26, y - 61), (x + 91, y - 58), (x + 115, y - 24), (x + 107, y + 4)], PAPER)
    block.shape([(x, y), (x + 2, y - 30), (x + 30, y - 56), (x + 56, y - 28), (x + 54, y + 1)])
    block.shape([(x + 54, y + 1), (x + 56, y - 28), (x + 106, y - 26), (x + 104, y + 2)])
    block.shape([(x + 27, y - 59), (x + 90, y - 56), (x + 112, y - 25), (x + 54, y - 25)])
    block.shape([(x + 32, y - 56), (x + 88, y - 53), (x + 106, y - 28), (x + 57, y - 28)], ACCENT)
    for share in np.linspace(0.06, 0.94, 11):
        top, foot = np.array([x + 32 + 56 * share, y - 56 + 3 * share]), np.array([x + 57 + 49 * share, y - 28.0])
        block.gouge(foot, top, 1.7, INK)
    for row in np.arange(-24, 0, 5.2):
        block.gouge((x + 60, y + row + 1), (x + 100 - block.rng.uniform(0, 14), y + row + 2), 2.4)
        block.gouge((x + 5, y + row), (x + 17, y + row), 2.2)
    block.shape([(x + 22, y - 14), (x + 23, y - 30), (x + 39, y - 30), (x + 39, y - 14)], "#f6c945")
    block.gouge((x + 30.5, y - 14), (x + 31, y - 32), 1.8, INK)
    block.gouge((x + 22, y - 22), (x + 41, y - 22), 1.8, INK)
    block.shape(brush.box(x + 72, y - 74, 10, 20))
    block.gouge((x + 75, y - 56), (x + 75, y - 72), 2.2)


def _limbs(rng, foot, angle, wide, long, depth):
    """Limbs of a bare tree that forks and turns: a list of (path [8, 2], width [8])."""
    bend = rng.uniform(-0.35, 0.35)
    turns = angle + bend * np.sin(np.linspace(0, np.pi, 7))
    steps = long / 6 * np.stack([np.cos(turns), np.sin(turns)], axis=1)
    path = np.vstack([foot, foot + np.cumsum(steps, axis=0)])
    limbs = [(path, np.maximum(np.linspace(wide, 0.62 * wide, 8), 2))]
    if depth:
        for side in (-1, 1):
            turn = np.clip(turns[-1] + side * rng.uniform(0.3, 0.62), 0.25 - np.pi, -0.25)       # no limb hangs
            limbs += _limbs(rng, path[-2], turn, 0.6 * wide, long * rng.uniform(0.66, 0.84), depth - 1)
        if depth < 5 and rng.random() < 0.7:
            turn = np.clip(turns[4] + rng.choice([-1, 1]) * rng.uniform(0.6, 1.0), 0.25 - np.pi, -0.25)
            limbs += _limbs(rng, path[4], turn, 0.36 * wide, 0.55 * long, max(0, depth - 2))
    return limbs


def _tree(block, limbs):
    """The limbs with a white rim around all, black, and white gouges along the thicker ones."""
    for path, girth in limbs:
        block.shape(brush.ribbon(path, girth + 3.4 + 0.06 * girth[0]), PAPER)
    for path, girth in limbs:
        block.shape(brush.ribbon(path, girth))
    for path, girth in limbs:
        along = path[-1] - path[0]
        normal = np.array([-along[1], along[0]]) / np.linalg.norm(along)
        for share in np.arange(-0.36, 0.37, 4.4 / girth[0]) if girth[0] > 5 else []:
            for start in np.arange(block.rng.uniform(0, 1.5), 5.5, block.rng.uniform(1.6, 2.4)):
                at = np.array([start, start + block.rng.uniform(1.0, 1.9)])
                across = share * np.interp(at, np.arange(8), girth)[:, None] * normal
                ends = np.stack([np.interp(at, np.arange(8), path[:, k]) for k in (0, 1)], axis=1) + across
                if block.rng.random() < 0.85 - 0.9 * share:
                    block.gouge(*ends, 2.3 if share < 0.1 else 1.5)


def _printed(plate, rng):
    """Ink that did not take everywhere, the grain of the plank in the blacks, the tooth of the paper."""
    height, width = plate.shape[:2]
    plank = brush.noise(height, width, (1.8, 70), rng) + 0.8 * brush.noise(height, width, 1.7, rng)
    bare = brush.smoothstep(2.2, 4.6, plank + 0.5 * brush.noise(height, width, 60, rng)) * 0.35
    plate = brush.blend(plate, brush.rgb(PAPER), bare)
    return np.clip(plate * (1 + 0.04 * brush.grain(height, width, rng)[..., None]), 0, 1).astype(np.float32)
