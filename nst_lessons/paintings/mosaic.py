"""A floor mosaic: golden fish in a turquoise sea, tesserae laid in rows that follow every contour (andamento)."""

from functools import lru_cache

import numpy as np
from scipy.spatial import cKDTree

from . import brush

ASPECT = 5 / 4
WIDE, HIGH = 512, 410
GROUT = "#5d5044"
GOLD = ["#8a5a12", "#c98b1b", "#e8b62c", "#f6d767", "#fff0b0"]
TERRACOTTA = ["#6b2415", "#9c3a1f", "#c4552c", "#dd7c48"]
SEA = ["#0c3f63", "#0f6b8c", "#14a0ab", "#4cc6b8", "#a5e0c8", "#f0f3dc"]
WEED = ["#17402a", "#2c6b3a", "#6f9a3d"]
CREAM = ["#d8cba8", "#e9dfc2", "#f5efdc"]
NIGHT = ["#141a2c", "#232c4a", "#39405c"]


def draw(height, width, rng):
    """A mosaic of height × width pixels."""
    floor = _Floor(rng)
    _border(floor)
    side = rng.choice([-1, 1])
    _fish(floor, (256 + rng.uniform(-14, 14), 196 + rng.uniform(-10, 10)), 1.0, side, GOLD, TERRACOTTA, 6.4)
    _fish(floor, (256 - side * 118 + rng.uniform(-12, 12), 322), 0.42, -side, TERRACOTTA, GOLD, 5.2)
    _fish(floor, (256 + side * 128 + rng.uniform(-12, 12), 330), 0.38, -side, CREAM, TERRACOTTA, 5.2)
    _weeds(floor)
    _sea(floor)
    floor.fill_gaps()
    return _lit(height, width, floor, rng)


class _Floor:
    """Tesserae in the order of laying: place (x, y), angle, size and color; none is laid where another lies."""

    margin = 16      # tiles may stick out of the picture by so many points

    def __init__(self, rng):
        self.rng, self.tiles = rng, []
        self.taken = np.zeros((HIGH + 2 * self.margin, WIDE + 2 * self.margin), dtype=bool)      # one cell per point

    def lay(self, x, y, angle, size, color):
        """Lay one tile if there is room."""
        column, row, reach = int(x + self.margin), int(y + self.margin), 0.72 * size
        rim = int(reach) + 1
        if not (rim <= row < len(self.taken) - rim and rim <= column < self.taken.shape[1] - rim) or self.taken[row, column]:
            return
        self.taken[row - rim:row + rim + 1, column - rim:column + rim + 1] |= _disc(reach, rim)
        self.tiles.append((x, y, angle, size, *color))

    def row(self, path, size, colors, shade=0.5):
        """Lay tiles along `path` [K, 2]; shade: where in `colors` (0 to 1), or a function of the share of the way."""
        path = np.asarray(path, dtype=float)
        walked = np.append(0, np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1)))
        at = np.arange(size * self.rng.uniform(0.3, 0.7), walked[-1], size)
        x, y = (np.interp(at, walked, path[:, k]) for k in (0, 1))
        ahead = [np.interp(at + 1, walked, path[:, k]) - np.interp(at - 1, walked, path[:, k]) for k in (0, 1)]
        share = at / walked[-1]
        value = shade(share) if callable(shade) else np.full(len(at), shade)
        tones = brush.palette(value + self.rng.normal(0, 0.09, len(at)), colors)
        for k, angle in enumerate(np.arctan2(ahead[1], ahead[0])):
            self.lay(x[k], y[k], angle, size, tones[k])

    def fill_gaps(self):
        """Cut small tiles for the holes that are left, colored and turned like their nearest neighbor."""
        laid = np.array(self.tiles)
        holes = np.argwhere(~self.taken)
        holes = holes[self.rng.permutation(len(holes))]
        near = cKDTree(laid[:, :2]).query(holes[:, ::-1] - self.margin)[1]
        for (row, column), k in zip(holes, near):
            if not self.taken[row, column]:
                self.lay(column - self.margin, row - self.margin, laid[k, 2], 0.8 * laid[k, 3], laid[k, 4:])


@lru_cache
def _disc(radius, rim):
    """A disc as bool [2 rim + 1, 2 rim + 1]."""
    down, across = np.ogrid[-rim:rim + 1, -rim:rim + 1]
    return down ** 2 + across ** 2 < radius ** 2


def _border(floor):
    """A frame: a band of terracotta and cream teeth between two dark lines."""
    for inset, size in ((4, 7), (11, 6.5), (17.5, 6.5), (24, 6.5), (31, 7)):
        right, low = WIDE - inset, HIGH - inset
        corners = [(inset, inset), (right, inset), (right, low), (inset, low), (inset, inset)]
        for start, end in zip(corners, corners[1:]):
            teeth = round(np.hypot(end[0] - start[0], end[1] - start[1]) / 26)

            def tooth(share, teeth=teeth, slant=(inset - 4) / 27):
                return np.where(np.abs((share * teeth) % 1 - 0.5) * 2 > slant, 0.85, 0.25)

            if inset in (4, 31):
                floor.row([start, end], size, NIGHT)
            else:
                floor.row([start, end], size, [TERRACOTTA[0], TERRACOTTA[2], CREAM[0], CREAM[2]], tooth)


SPINE = brush.curve([(150, 8), (105, -12), (40, -16), (-30, 4), (-85, 14), (-128, -4)], 80)      # from the mouth to the tail
SHARE = np.linspace(0, 1, 80)
HALF = np.interp(SHARE, [0, 0.03, 0.1, 0.22, 0.38, 0.55, 0.75, 0.9, 1], [2, 17, 38, 58, 66, 56, 33, 17, 13])
ALONG = np.gradient(SPINE, axis=0)
STEPS = np.linalg.norm(ALONG, axis=1, keepdims=True)
BACKWARD = np.stack([-ALONG[:, 1], ALONG[:, 0]], axis=1) / STEPS       # unit vectors from the spine to the back
FINS = [([(30, -70), (2, -112), (-52, -116)], [(-22, -56), (-44, -74), (-70, -86)]),
        ([(20, 46), (-8, 92), (-46, 104)], [(-14, 52), (-34, 72), (-60, 80)]),
        ([(-120, -14), (-152, -52), (-196, -70)], [(-124, -2), (-150, -8), (-168, -6)]),
        ([(-120, 10), (-150, 46), (-190, 72)], [(-124, -2), (-150, 6), (-168, 2)])]              # outer edge, inner edge


def _beside(offset):
    """The line that runs along the spine at `offset` [80] (or one number) toward the back."""
    return SPINE + BACKWARD * np.reshape(offset, (-1, 1))


def _fish(floor, center, scale, side, skin, trim, size):
    """A fish that swims to `side`, laid from its eye outward: head, seam, body, fins and a double halo."""
    def place(points):
        return np.asarray(points) * scale * (side, 1) + center

    step = size / scale                       # one tile in the fish's own measure
    eye, turn = SPINE[10] + (0, -12), np.linspace(0, 2 * np.pi, 40)
    for radius, colors in ((0.4, NIGHT), (6, NIGHT), (11.5, CREAM), (17, trim)):
        ring = max(radius, 0.075 * size * radius) * np.stack([np.cos(turn), np.sin(turn)], axis=1)
        floor.row(place(eye + ring), min(size, 5.4), colors)
    # A mouth, a little open: a dark line from the tip of the snout, a lip above it and one below.
    mouth = brush.curve([SPINE[0] + (4, 5), SPINE[5] + (0, 9), SPINE[9] + (0, 17)], 20)
    floor.row(place(mouth), min(size, 5), NIGHT, 0.1)
    for way in (-1, 1):
        floor.row(place(mouth + (0, way * 0.8 * step)), min(size, 5.4), trim, 0.6)
    back, belly = _beside(HALF), _beside(-HALF)
    gill = brush.curve([belly[22], _beside(-18)[25], _beside(22)[25], back[20]], 40)
    floor.row(place(gill), size, trim, 0.2)
    floor.row(place(gill - (step, 0)), size, skin, 0.9)
    for way in (-1, 1):
        floor.row(place(_beside(way * (HALF - 0.5 * step))), size, trim, 0.12)
    _scales(floor, place, step, size, [trim[1], *skin[1:], CREAM[2]])
    for outer, inner in FINS:
        outer, inner = brush.curve(outer, 24), brush.curve(inner, 24)
        rows = max(3, round(np.linalg.norm(outer - inner, axis=1).max() / step))
        for k, share in enumerate(np.linspace(0, 1, rows)):
            colors, tone = (trim, 0.15) if share in (0, 1) else ((trim, skin)[k % 2], 0.6)
            floor.row(place(outer * (1 - share) + inner * share), size, colors, tone)
    for away, tone in ((0.5, 0.02), (1.5, 0.85)):
        for way in (-1, 1):
            floor.row(place(_beside(way * (HALF + away * step))), size, SEA, tone)


def _scales(floor, place, step, size, colors):
    """Rows that run along the body, dark on the back and pale on the belly, with a lattice of darker tiles for scales."""
    for number in range(1, int(66 / step) + 1):
        inward = HALF - (number + 0.5) * step
        keep = inward > -0.3 * step
        if keep.sum() < 4:
            continue
        walk = np.cumsum(STEPS) / (4.5 * step) + 0.5 * (number // 2 % 2)
        middle = np.abs(walk % 1 - 0.5)
        rim = (middle < 0.14 if number % 2 else middle > 0.3) & (SHARE > 0.3)
        for way in (-1, 1):
            offset = way * np.maximum(inward, 0)
            value = (np.clip(0.56 - 0.42 * offset / 66, 0.2, 1) - 0.36 * rim)[keep]

            def shade(share, value=value):
                return np.interp(share, np.linspace(0, 1, len(value)), value)

            floor.row(place(_beside(offset)[keep]), size, colors, shade)


def _weeds(floor):
    """Seaweed that waves at both sides."""
    for x in (52, 74, 446, 468):
        x, phase, tall = x + floor.rng.uniform(-6, 6), floor.rng.uniform(0, 6), floor.rng.uniform(90, 190)
        y = np.linspace(372, 372 - tall, 40)
        for k, tone in ((0, 0.3), (1, 0.8), (2, 0.5)):
            floor.row(np.stack([x + 6 * (k - 1) + 9 * np.sin(y / 17 + phase), y], axis=1), 6, WEED, tone)


def _sea(floor):
    """Rows of waves; every few rows a pale crest."""
    x, phase = np.linspace(37, WIDE - 37, 160), floor.rng.uniform(0, 6)
    for number, y in enumerate(np.arange(20, 400, 7.4)):
        wave = y + 8 * np.sin(x / 25 + phase + 0.35 * np.sin(y / 40)) * np.sin(y / 60 + 1) + 5 * np.sin(x / 61 + y / 50)
        depth = 0.62 - 0.42 * y / 400
        tone = {0: 0.95, 1: 0.7}.get(number % 6, depth + 0.05 * (number % 6 - 3))
        floor.row(np.stack([x, np.clip(wave, 38, HIGH - 38)], axis=1), 7.4, SEA, tone)


def _lit(height, width, floor, rng):
    """Every pixel to its tile by a squarish distance in the tile's own frame, then grout, bevels, tilt and stone."""
    tiles = np.array(floor.tiles, dtype=np.float32)
    y, x = np.broadcast_arrays(*brush.grid(height, width))
    pixels = np.stack([x.ravel(), y.ravel()], axis=1)
    near = cKDTree(tiles[:, :2]).query(pixels, k=5)[1]
    dx, dy = pixels[:, :1] - tiles[near, 0], pixels[:, 1:] - tiles[near, 1]
    cos, sin = np.cos(tiles[:, 2])[near], np.sin(tiles[:, 2])[near]
    u, v = dx * cos + dy * sin, dy * cos - dx * sin
    distance = np.sqrt(np.sqrt(u ** 4 + v ** 4)) / tiles[near, 3] * 7       # the fourth norm: between a disc and a square
    order = np.argsort(distance, axis=1)[:, :2]
    pick = np.arange(len(pixels))
    first, second = order[:, 0], order[:, 1]
    border = ((distance[pick, second] - distance[pick, first]) / 2).reshape(height, width)
    tile = near[pick, first]
    tilt = rng.normal(0, 1, (len(tiles), 3)).astype(np.float32)
    slope = (dx[pick, first] * tilt[tile, 0] + dy[pick, first] * tilt[tile, 1]) * 0.022
    shine = 1.06 + 0.09 * tilt[tile, 2] + slope
    color = np.clip(tiles[tile, 4:] * shine[:, None], 0, 1).reshape(height, width, 3)
    stone = 1 + 0.05 * brush.noise(height, width, 2, rng)[..., None] + 0.05 * brush.noise(height, width, 120, rng)[..., None]
    grout = brush.rgb(GROUT) * (1 + 0.16 * brush.noise(height, width, 2, rng)[..., None])
    wall = brush.smoothstep(0.35, 1.25, border)
    picture = brush.blend(np.clip(grout, 0, 1), np.clip(color * stone, 0, 1), wall)
    return brush.relief(picture, brush.smoothstep(0.2, 2.0, border), 0.3)
