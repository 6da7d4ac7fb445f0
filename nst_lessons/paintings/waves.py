"""The great wave: a woodblock print in Prussian blue, with claws of foam, a sea of scales (seigaiha) and a red sun."""

import numpy as np

from . import brush

ASPECT = 3 / 2
PAPER, INK, FOAM = "#eadfc2", "#14264f", "#f6f0dd"
BLUES = ["#1b3a74", "#2d5f9e", "#79a7c0", "#c7d6cb"]
RED, ROSE = "#c8331f", "#e3b79c"
BACK = [(-60, 390), (-50, 260), (0, 130), (75, 52), (160, 18), (232, 30), (272, 68), (282, 106)]       # outer edge of the wave
FACE = [(350, 330), (250, 268), (185, 218), (160, 165), (172, 114), (208, 86), (248, 88), (282, 106)]    # its hollow side


def draw(height, width, rng):
    """A great wave of height × width pixels."""
    y, x = brush.grid(height, width)
    shapes = _Print()
    _sky(shapes, rng)
    _mountain(shapes, rng)
    shift = rng.uniform(-12, 12, 2) * (1, 0.5)
    back, face = (brush.curve(np.array(edge) + shift + rng.normal(0, 3, (8, 2)), 60) for edge in (BACK, FACE))
    face[-1] = back[-1]
    _sea(shapes, rng, 252, 300, 15)
    _wave(shapes, back, face)
    _foam(shapes, back, face, rng)
    _surf(shapes, rng, shift[0])
    _sea(shapes, rng, 284, 420, 24, lift=22)
    _birds(shapes, rng)
    _seal(shapes)
    paper = brush.palette(np.clip(y / 300 + 0 * x, 0, 1), ["#a9bdb6", PAPER, "#efe6cc", "#eed9b8"])
    picture = brush.lay(brush.canvas(paper), shapes.outlines, shapes.fills)[..., :3]
    return _printed(picture, rng)


class _Print:
    """Collects polygons with their colors, in the order of printing."""

    def __init__(self):
        self.outlines, self.fills = [], []

    def add(self, outline, color):
        """Add a polygon [K, 2]."""
        self.outlines.append(np.asarray(outline, dtype=float))
        self.fills.append(np.append(brush.rgb(color), 0.5))

    def disc(self, x, y, radius, color):
        """Add a disc."""
        turn = np.linspace(0, 2 * np.pi, 40, endpoint=False)
        self.add(np.stack([x + radius * np.cos(turn), y + radius * np.sin(turn)], axis=1), color)

    def line(self, path, width, color):
        """Add a line along `path` that swells in the middle."""
        self.add(brush.ribbon(path, width * (0.35 + 0.65 * np.sin(np.linspace(0.1, np.pi - 0.1, len(path))))), color)


def _sky(shapes, rng):
    """Red sun behind streaks of mist, between fine engraved lines."""
    for y in np.arange(5, 262, 5.2):
        path = np.stack([np.linspace(-5, 517, 40), y + 1.2 * np.sin(np.linspace(0, 9, 40) + rng.uniform(0, 6))], axis=1)
        shapes.line(path, 0.9, "#b9b79f" if y > 60 else "#8fa6a5")
    x, y = 385 + rng.uniform(-50, 60), 92 + rng.uniform(-15, 22)
    shapes.disc(x, y, 47, INK)
    shapes.disc(x, y, 45.8, RED)
    for k in range(6):
        _cloud(shapes, rng, rng.uniform(240, 470), 34 + 28 * k + rng.uniform(-6, 6), ROSE if k % 2 else "#9fb9be")


def _cloud(shapes, rng, x, y, color):
    """A bank of mist of two or three long rounds, shaded from paper to `color` as a wiped block prints it (bokashi)."""
    turn = np.linspace(0, 2 * np.pi, 80, endpoint=False)
    across, down = np.sign(np.cos(turn)) * np.abs(np.cos(turn)) ** 0.4, np.sign(np.sin(turn)) * np.abs(np.sin(turn)) ** 0.8
    parts = [(x, y, rng.uniform(45, 80), rng.uniform(6, 9))]
    for _ in range(rng.integers(1, 3)):
        beside, above = rng.uniform(-60, 60), rng.choice([-1, 1]) * rng.uniform(7, 10)
        parts.append((x + beside, y + above, rng.uniform(22, 50), rng.uniform(4, 6.5)))
    for cx, cy, half, thick in parts:
        shapes.add(np.stack([cx + across * (half + 0.7), cy + down * (thick + 0.7)], axis=1), "#6f7c88")
    high, low = min(cy - thick for _, cy, _, thick in parts), max(cy + thick for _, cy, _, thick in parts)
    for share in np.linspace(0, 0.95, 9):
        tint = brush.blend(brush.rgb("#f3ead2"), brush.rgb(color), share ** 1.3)
        for cx, cy, half, thick in parts:
            edge = np.maximum(cy + down * thick, high + share * (low - high))       # what lies below this level
            if edge.min() < cy + thick:
                shapes.add(np.stack([cx + across * half, np.minimum(edge, cy + thick)], axis=1), tint)


def _mountain(shapes, rng):
    """A far snow-capped cone."""
    x, top = 385 + rng.uniform(-40, 45), 182 + rng.uniform(-10, 14)
    left = brush.curve([(x - 120, 272), (x - 45, 236), (x - 9, top)])
    outline = np.concatenate([left, (2 * x, 0) + left[::-1] * (-1, 1)])
    shapes.add(outline + (0, -1.4), INK)
    shapes.add(outline, BLUES[1])
    for k in range(9):
        foot = np.array([x - 84 + 21 * k, 272])
        shapes.line(brush.curve([(x - 8 + 2 * k, top + 22), (x - 40 + 10 * k, 236), foot]), 1.6, BLUES[0])
    side = left[left[:, 1] < 214]
    jags = [(x + (k / 4 - 1) * 0.85 * (x - side[0, 0]), 214 + (9 if k % 2 else -7) + rng.uniform(-2, 2)) for k in range(1, 8)]
    shapes.add(np.concatenate([side, (2 * x, 0) + side[::-1] * (-1, 1), jags[::-1]]), FOAM)


def _birds(shapes, rng):
    """A few plovers in the hollow of the wave."""
    for k in range(6):
        x, y, size = 210 + 20 * k + rng.uniform(-8, 8), rng.uniform(165, 232), rng.uniform(6, 9)
        for side in (-1, 1):
            wing = np.array([(0, 0), (0.5 * side, -0.55), (1.3 * side, -0.5 + 0.3 * rng.random())]) * size + (x, y)
            shapes.line(brush.curve(wing, 16), 0.4 * size, INK)
        shapes.line(np.array([(x - 0.3 * size, y), (x, y + 0.05 * size), (x + 0.4 * size, y + 0.15 * size)]), 0.5 * size, INK)


def _wave(shapes, back, face):
    """The body: bands that run from the trough up to the crest, between the wave's back and its hollow."""
    shapes.add(np.concatenate([back + (-1, -1.5), face[::-1] + (1.2, 1.2)]), INK)
    shares = np.array([0, 0.1, 0.2, 0.27, 0.37, 0.45, 0.53, 0.62, 0.69, 0.77, 0.84, 0.9, 0.95, 1])
    colors = [0, 2, 0, 1, 3, 0, 2, 1, 0, 3, 1, 2, 0]
    for low, high, color in zip(shares, shares[1:], colors):
        edges = [back * (1 - share) + face * share for share in (low, high)]
        shapes.add(np.concatenate([edges[0], edges[1][::-1]]), BLUES[color])
        shapes.line(edges[0], 1.8, INK)
        for share in np.arange(low + 0.025, high - 0.02, 0.03):
            shapes.line((back * (1 - share) + face * share)[6:52], 1.0, FOAM if color < 2 else BLUES[1])


def _foam(shapes, back, face, rng):
    """The crest: a white cap, fingers that hook forward like claws, and spray."""
    rim = _evenly(np.concatenate([back[24:], face[:40:-1]]), 64)
    heading = np.gradient(rim, axis=0)
    outward = np.stack([heading[:, 1], -heading[:, 0]], axis=1) / (np.linalg.norm(heading, axis=1, keepdims=True) + 1e-6)
    blobs = [(rim[k] - 5 * outward[k], rng.uniform(4.5, 8)) for k in range(len(rim))]
    claws = []
    for k in range(2, len(rim), 2):
        size = rng.uniform(16, 25) * (0.7 + 1.05 * min(1, k / 42) ** 2)
        along = np.arctan2(heading[k, 1], heading[k, 0])
        angle = np.arctan2(outward[k, 1], outward[k, 0])
        # On the back the fingers lean forward with the wave, at its tip they reach out and down.
        angle += 0.45 * np.arctan2(np.sin(along - angle), np.cos(along - angle)) * (k < 40) + rng.uniform(-0.15, 0.3)
        claws += _claw(rim[k] - 5 * outward[k], angle, size, 2, rng)
    _white(shapes, blobs, claws)
    for (x, y), radius in blobs[::3]:
        _shade(shapes, x, y, radius, np.linspace(-0.4, 1.9, 9))
    for path, _ in claws[::2]:
        shapes.line(path[1:6] + (0.8, 0.8), 1.3, "#9cbccb")
    for _ in range(100):
        k = rng.integers(len(rim))
        x, y = rim[k] + outward[k] * rng.uniform(14, 54) + rng.normal(0, 9, 2) + (8, 6)
        radius = rng.uniform(0.8, 2.3)
        shapes.disc(x, y, radius + 0.8, INK)
        shapes.disc(x, y, radius, FOAM)


def _white(shapes, blobs, claws):
    """Discs (center, radius) and claws (path, width) of foam with one ink line around them all."""
    for grow, color in ((1.3, INK), (0, FOAM)):
        for (x, y), radius in blobs:
            shapes.disc(x, y, radius + grow, color)
        for path, wide in claws:
            shapes.add(brush.ribbon(path, wide + 2 * grow), color)


def _shade(shapes, x, y, radius, turn):
    """A pale blue arc inside a disc of foam, over the angles `turn`."""
    arc = np.stack([x + 0.6 * radius * np.cos(turn), y + 0.6 * radius * np.sin(turn)], axis=1)
    shapes.line(arc, 0.3 * radius + 0.3, "#9cbccb")


def _claw(start, angle, size, depth, rng):
    """Tapered hooks (path [9, 2], width [9]) that turn clockwise, the first with smaller ones on its outer side."""
    turns = angle + np.cumsum(np.append(0, np.linspace(0.1, rng.uniform(0.45, 0.62), 7)))
    steps = size * 0.165 * np.stack([np.cos(turns), np.sin(turns)], axis=1)
    path = np.vstack([start, start + np.cumsum(steps, axis=0)])
    claws = [(path, size * np.array([0.42, 0.4, 0.37, 0.33, 0.28, 0.22, 0.16, 0.1, 0.03]))]
    if depth > 1:
        for k, share in ((2, 0.55), (4, 0.5)):
            claws += _claw(path[k], turns[k] - rng.uniform(0.7, 1.0), size * share * rng.uniform(0.85, 1.15), depth - 1, rng)
    return claws


def _surf(shapes, rng, shift):
    """Foam where the body of the wave meets the near sea: froth that rises a little up its foot, with small claws."""
    blobs, claws = [], []
    for x in np.arange(-8, 318 + shift, 6.5):
        y = 287 - 22 * np.exp(-((x - 90) / 120) ** 2) + 5 * np.sin(x / 19 + shift) + rng.uniform(-4, 4)
        blobs.append((np.array([x, y + 5]), rng.uniform(5, 10)))
        if rng.random() < 0.5:
            claws += _claw(np.array([x, y + 3]), -1.3 + rng.uniform(-0.4, 0.4), rng.uniform(11, 19), 2, rng)
    _white(shapes, blobs, claws)
    for (x, y), radius in blobs[::2]:
        _shade(shapes, x, y, radius, np.linspace(2.6, 4.6, 9))


def _evenly(path, count):
    """The same line with `count` points at equal distances."""
    walked = np.append(0, np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1)))
    at = np.linspace(0, walked[-1], count)
    return np.stack([np.interp(at, walked, path[:, 0]), np.interp(at, walked, path[:, 1])], axis=1)


def _sea(shapes, rng, top, bottom, radius, lift=0):
    """Rows of overlapping scales on a swell, from far to near; lifted by so many points where the wave stands."""
    phase, y, row = rng.uniform(0, 6), top, 0
    while y < bottom:
        for x in np.arange(-radius, 512 + 2 * radius, 2 * radius) + radius * (row % 2):
            swell = 0.55 * radius * np.sin(x / 62 + phase + 0.35 * row) - lift * np.exp(-((x - 90) / 120) ** 2)
            shades = [INK, FOAM, BLUES[(row + int(x // 90)) % 2], FOAM, BLUES[1], FOAM, BLUES[0]]
            for share, color in zip((1.05, 0.98, 0.86, 0.66, 0.58, 0.4, 0.32), shades):
                shapes.disc(x, y + radius + swell, radius * share, color)
        y, row = y + 0.52 * radius, row + 1


def _seal(shapes):
    """A red seal with a few cut strokes."""
    shapes.add(brush.box(478, 14, 20, 34), RED)
    cuts = [(481, 18, 14, 2.4), (487, 18, 2.4, 12), (481, 24, 14, 2.4), (481, 33, 6, 2.2), (481, 38, 14, 2.2), (490, 33, 2.2, 11)]
    for cut in cuts:
        shapes.add(brush.box(*cut), FOAM)


def _printed(picture, rng):
    """What the block and the paper leave in the ink: grain that runs across, mottling, fibers."""
    height, width = picture.shape[:2]
    wood = brush.noise(height, width, (2.5, 120), rng) + 0.5 * brush.noise(height, width, 1.8, rng)
    pressed = brush.noise(height, width, 70, rng)
    worn = brush.smoothstep(0.9, 3.2, wood + 0.5 * pressed) * 0.4
    picture = brush.blend(picture, brush.rgb(PAPER), worn)
    return np.clip(picture * (1 + 0.035 * brush.grain(height, width, rng)[..., None]), 0, 1).astype(np.float32)
