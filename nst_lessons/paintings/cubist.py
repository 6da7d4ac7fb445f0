"""Cubist still life: guitar, bottle, glass, newspaper and fruit, broken into facets that each see the table from elsewhere."""

import numpy as np
from PIL import Image, ImageDraw

from .brush import rgb, scale_of
from .still_life import INK, Table, still_life
from .strokes import bumps, colors, follow, pick, scatter

ASPECT = 0.8
_WIDTH, _HEIGHT = 410, 512
_TINTS = colors("#cf9c44", "#ecd9a6", "#4f7392", "#7f9bb0", "#8a5a2e", "#c9c2b0", "#2f4258", "#b97a34")


def draw(height, width, rng):
    """The picture [height, width, 3] in [0, 1]."""
    table = still_life(height, width, rng)
    facets = _cut(rng, 64)
    which = _facet_of_pixel(facets, height, width)
    view = _Views(facets, rng)
    canvas = Table(height, width)
    canvas.load(view.broken(np.asarray(table.image), which, canvas.scale, lit=True))
    _dabs(canvas, which, view, rng)
    canvas.load(view.textured(np.asarray(canvas.image, dtype=np.float32), which, canvas.scale, rng))
    drawing = view.broken(np.asarray(table.drawing), which, canvas.scale, lit=False)
    canvas.load(np.where(drawing[..., 3:] > 0, drawing, np.asarray(canvas.image)))
    _edges(canvas, facets, rng)
    return canvas.finish(0.5)


def _cut(rng, count):
    """Split the picture by straight cuts into `count` convex polygons, finer toward the middle."""
    facets = [np.array([(-4.0, -4.0), (_WIDTH + 4, -4), (_WIDTH + 4, _HEIGHT + 4), (-4, _HEIGHT + 4)])]
    while len(facets) < count:
        weights = [_area(facet) * np.exp(-0.5 * (((facet.mean(0) - (205, 280)) / (150, 190)) ** 2).sum()) for facet in facets]
        facet = facets.pop(int(np.argmax(weights)))
        angle = rng.choice([0.0, np.pi / 2, 0.9, -0.9, 0.35, -0.35, 1.25, -1.25]) + rng.normal(0, 0.12)
        through = facet.T @ rng.dirichlet(np.full(len(facet), 4.0))
        facets += _halves(facet, through, np.array([-np.sin(angle), np.cos(angle)]))
    return facets


def _area(facet):
    x, y = facet.T
    return 0.5 * abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1)))


def _halves(facet, through, normal):
    """Both parts of a convex polygon cut by the line through a point."""
    side = (facet - through) @ normal
    halves = ([], [])
    for k in range(len(facet)):
        following = (k + 1) % len(facet)
        halves[int(side[k] > 0)].append(facet[k])
        if (side[k] > 0) != (side[following] > 0):
            crossing = facet[k] + (facet[following] - facet[k]) * side[k] / (side[k] - side[following])
            halves[0].append(crossing)
            halves[1].append(crossing)
    return [np.array(half) for half in halves]


def _facet_of_pixel(facets, height, width):
    """Index of the facet at each pixel of a canvas [2 height, 2 width]."""
    image = Image.new("L", (2 * width, 2 * height))
    pen, scale = ImageDraw.Draw(image), 2 * scale_of(height, width)
    for index, facet in enumerate(facets):
        pen.polygon((facet * scale).ravel().tolist(), fill=index)
    return np.asarray(image)


class _Views:
    """How each facet sees the table: its own shift and turn, its own light, tint, direction of the brush and texture."""

    def __init__(self, facets, rng):
        count = len(facets)
        self.middle = np.array([facet.mean(0) for facet in facets], dtype=np.float32)
        self.reach = np.sqrt([_area(facet) for facet in facets]).astype(np.float32)
        self.shift = rng.normal(0, 5, (count, 2)).astype(np.float32)
        self.turn = rng.normal(0, 0.07, count).astype(np.float32)
        self.light = rng.uniform(0, 2 * np.pi, count).astype(np.float32)
        self.contrast = rng.uniform(0.3, 0.8, count).astype(np.float32)
        self.tint = _TINTS[rng.integers(len(_TINTS), size=count)]
        self.mix = rng.choice([0.0, 0.12, 0.32], count).astype(np.float32)
        self.brush = rng.choice([0.0, 0.4, -0.4, 1.2, -1.2, np.pi / 2], count) + rng.normal(0, 0.1, count)
        self.texture = rng.permutation(np.arange(count) % 11)
        # The eye needs rest: the four largest planes carry brushwork only, and so do most of those that show the guitar.
        guitar = (np.hypot(*((self.middle - (205, 320)) / (85, 105)).T) < 1) & (rng.random(count) < 0.75)
        quiet = guitar | (self.reach >= np.sort(self.reach)[-4])
        self.texture[quiet], self.mix[quiet] = 10, 0.5 * self.mix[quiet]

    def _aside(self, which, scale):
        """How far each pixel lies to the right of and below the middle of its facet, in points."""
        rows, columns = which.shape
        across = (np.arange(columns, dtype=np.float32) / scale)[None] - self.middle[which, 0]
        return across, (np.arange(rows, dtype=np.float32) / scale)[:, None] - self.middle[which, 1]

    def broken(self, scene, which, scale, lit):
        """A sheet [rows, columns, 4] as the facets see it; `lit`: each also tinted, and lit from its own side."""
        rows, columns = which.shape
        across, down = self._aside(which, scale)
        c, s = np.cos(self.turn)[which], np.sin(self.turn)[which]
        x = (self.middle + self.shift)[which, 0] + c * across - s * down
        y = (self.middle + self.shift)[which, 1] + s * across + c * down
        seen = scene[np.clip(y * scale, 0, rows - 1).astype(int), np.clip(x * scale, 0, columns - 1).astype(int)]
        if not lit:
            return seen
        seen = seen.astype(np.float32)
        ramp = (np.cos(self.light)[which] * across + np.sin(self.light)[which] * down) / self.reach[which] * self.contrast[which]
        mix = self.mix[which][..., None]
        seen[..., :3] = (seen[..., :3] * (1 - mix) + 255 * self.tint[which] * mix) * (1 + np.clip(ramp, -0.55, 0.45))[..., None]
        return seen

    def textured(self, paint, which, scale, rng):
        """Hatching, newsprint, wood grain, dots, lozenges: each on some facets, along the direction of their brush."""
        across, down = self._aside(which, scale)
        warp, words = bumps(rng, (9, 70)), rng.random((64, 64)) < 0.72
        for kind, (pattern, ink, wash, strength) in enumerate(_TEXTURES):
            here = self.texture[which] == kind
            angle = self.brush[which[here]]
            u = np.cos(angle) * across[here] + np.sin(angle) * down[here]
            v = np.cos(angle) * down[here] - np.sin(angle) * across[here]
            marks = pattern(u, v, warp, words)
            under = paint[here][:, :3] * 0.55 + 255 * 0.45 * rgb(wash) if wash else paint[here][:, :3]
            over = under + strength * marks[:, None] * (255 * rgb(ink) - under)
            paint[here] = np.column_stack([over, paint[here][:, 3] + 50 * marks])
        return paint


# Patterns: True where there is ink, at u along and v across the brush of the facet (points); `warp` a map, `words` gaps in print.

def _hatching(u, v, warp, words):
    return (v / 5 + 0.12 * pick(warp, np.stack([u + 256, v + 256], -1))) % 1 < 0.26


def _newsprint(u, v, warp, words):
    return (v / 4.4 % 1 < 0.5) & words[(v // 4.4).astype(int) % 64, (u // 1.5).astype(int) % 64]


def _wood_grain(u, v, warp, words):
    return np.sin(0.85 * v + 2.6 * pick(warp, np.stack([u + 256, v + 256], -1))) > 0.25


def _spots(u, v, warp, words):
    return np.hypot(u / 7 % 1 - 0.5, (v / 7 + 0.5 * (u // 7 % 2)) % 1 - 0.5) < 0.27


def _lozenges(u, v, warp, words):
    return ((u + v) / 16 % 1 < 0.5) ^ ((u - v) / 16 % 1 < 0.5)


# Pattern, its ink, the color washed under it (or None), its strength; facets beyond these stay as the brush left them.
_TEXTURES = [
    (_hatching, INK, None, 0.6), (_newsprint, "#3a3636", "#f0e6cc", 0.8), (_wood_grain, "#6b3f1c", "#c98f44", 0.75),
    (_spots, "#f3e8cc", None, 0.7), (_lozenges, "#33465e", "#8fa3b4", 0.5), (_hatching, "#f3e8cc", None, 0.55),
]


def _dabs(canvas, which, view, rng):
    """Short brush strokes in the direction of each facet, none of which crosses an edge."""
    base = np.asarray(canvas.image, dtype=np.float32) / 255
    for spacing, length, breadth in [(8, 17, 7), (6, 10, 4)]:
        starts = scatter(rng, spacing, (0, 0, _WIDTH, _HEIGHT))
        tone = 1 + 0.10 * rng.standard_normal((len(starts), 1))
        facet = _look(which, starts, canvas.scale)
        paths = follow(starts, view.brush[facet], length * rng.uniform(0.6, 1.2, len(starts)), 4)
        inside = (_look(which, paths[:, -1], canvas.scale) == facet) & (_look(which, paths[:, 2], canvas.scale) == facet)
        here, there = _look(base, starts, canvas.scale), _look(base, paths[:, -1], canvas.scale)
        same = np.abs(there - here)[:, :3].sum(1) < 0.25
        # Unwanted strokes go beside the picture instead of being left out, so that the random numbers of the others never shift.
        paths[~(inside & same)] -= 2000
        canvas.strokes(paths, breadth, here[:, :3] * tone, rng, 3, 0.07, taper=0.7)


def _look(field, places, scale):
    """Values of a field [rows, columns, …] of a canvas at places [N, 2] in points."""
    x = np.clip(places[:, 0] * scale, 0, field.shape[1] - 1).astype(int)
    y = np.clip(places[:, 1] * scale, 0, field.shape[0] - 1).astype(int)
    return field[y, x]


def _edges(canvas, facets, rng):
    """Edges of the facets: some drawn dark, some light, some left open so that planes run into each other."""
    for facet in facets:
        for k in range(len(facet)):
            choice = rng.random()
            if choice < 0.4:
                ends = np.stack([facet[k], facet[(k + 1) % len(facet)]])[None]
                color = INK if choice < 0.28 else "#efe6cc"
                canvas.strokes(ends, rng.choice([1.0, 1.6, 2.6]), colors(color), rng, 1, taper=1)
