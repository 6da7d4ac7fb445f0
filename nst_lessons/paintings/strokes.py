"""Bristle strokes, dabs and slabs: thick paint laid mark by mark on a canvas of twice the picture's size.

Like everywhere in the museum, positions and sizes are in points (1/512 of the picture's longer side), and nothing random
depends on the number of pixels. Maps (of color, direction, light) are small arrays [256, 256] over 512 × 512 points.
"""

import numpy as np
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter

from .brush import POINTS, noise, relief, rgb, scale_of

MAP = 256


def colors(*codes):
    """Several hex colors → float32 [N, 3]."""
    return np.stack([rgb(code) for code in codes])


def some(rng, count, *codes):
    """`count` colors drawn at random from the given hex colors → float32 [count, 3]."""
    return colors(*codes)[rng.integers(len(codes), size=count)]


def bumps(rng, size, octaves=1):
    """A map of smooth noise [256, 256], mean about 0 and deviation about 1; `size` in points, or (down, across)."""
    return noise(MAP, MAP, size, rng, octaves)


def pick(field, places):
    """Values of a map [h, w, …] over 512 × 512 points at places [..., 2] (x, y); beyond the border the border's value."""
    rows, columns = field.shape[:2]
    y = np.clip(places[..., 1] * (rows / POINTS), 0, rows - 1).astype(int)
    x = np.clip(places[..., 0] * (columns / POINTS), 0, columns - 1).astype(int)
    return field[y, x]


def scatter(rng, spacing, box):
    """Places [N, 2] in random order over box (left, top, right, bottom): one at a random spot of every cell `spacing` wide."""
    left, top, right, bottom = box
    across, down = np.broadcast_to(spacing, 2)
    corner = np.stack(np.meshgrid(np.arange(left, right, across), np.arange(top, bottom, down)), axis=-1).reshape(-1, 2)
    return rng.permutation(corner + rng.random(corner.shape) * (across, down))


def follow(starts, angle, lengths, steps=6):
    """Paths [N, steps, 2] of the given lengths that leave `starts` [N, 2] along `angle`, in radians, clockwise from the right.

    angle: one for all, one for each [N], or a map [h, w] that bends the path on its way.
    """
    stride = np.broadcast_to(np.asarray(lengths) / (steps - 1), len(starts))[:, None]
    path = [np.asarray(starts, dtype=np.float64)]
    for _ in range(steps - 1):
        heading = pick(angle, path[-1]) if np.ndim(angle) == 2 else np.broadcast_to(angle, len(starts))
        path.append(path[-1] + stride * np.stack([np.cos(heading), np.sin(heading)], axis=-1))
    return np.stack(path, axis=1)


class Canvas:
    """A surface of height × width pixels; the fourth band of `image` is the thickness of the paint, not transparency."""

    def __init__(self, height, width, ground):
        self.scale = 2 * scale_of(height, width)
        self.image = Image.new("RGBA", (2 * width, 2 * height), _inks(rgb(ground)[None], 0.2)[0])
        self.pen = ImageDraw.Draw(self.image)

    def polygon(self, corners, color, thickness=0.4):
        """Fill one polygon, corners [K, 2]."""
        self.pen.polygon((np.asarray(corners) * self.scale).ravel().tolist(), fill=_inks(rgb(color)[None], thickness)[0])

    def dabs(self, centers, radii, fills, thickness=0.5):
        """Round dots, in the order given: centers [N, 2], radii one or [N], fills [N, 3]."""
        reach = np.broadcast_to(radii, len(centers))[:, None]
        boxes = (np.hstack([centers - reach, centers + reach]) * self.scale).tolist()
        for box, ink in zip(boxes, _inks(fills, thickness)):
            self.pen.ellipse(box, fill=ink)

    def strokes(self, paths, widths, fills, rng, bristles=4, streak=0.09, taper=0.5, thickness=0.5):
        """Brush strokes along paths [N, K, 2], in the order given: a body, then hairs that slip a little past its ends.

        widths: one or [N]; fills [N, 3]; streak: how far the hairs differ in lightness; taper: width of the ends, 1 for a knife.
        """
        count, steps = paths.shape[:2]
        along = np.gradient(paths, axis=1)
        along /= np.linalg.norm(along, axis=-1, keepdims=True) + 1e-6
        widths = np.broadcast_to(widths, count)
        profile = taper + (1 - taper) * np.sin(np.linspace(0, np.pi, steps))[:, None] ** 0.6
        half = along[..., ::-1] * (-1, 1) * widths[:, None, None] / 2 * profile
        bodies = np.concatenate([paths + half, (paths - half)[:, ::-1]], axis=1)
        lanes = np.linspace(-0.85, 0.85, bristles) + rng.uniform(-0.15, 0.15, (count, bristles))
        slip = rng.uniform(-0.5, 0.5, (count, bristles)) * widths[:, None]
        hairs = paths[:, None] + half[:, None] * lanes[..., None, None] + along[:, None] * slip[..., None, None]
        tones = fills[:, None] * (1 + streak * rng.standard_normal((count, bristles, 1)))
        ridges = np.repeat(np.broadcast_to(thickness, count), bristles) + rng.uniform(-0.25, 0.35, count * bristles)
        hair_inks = _inks(tones.reshape(-1, 3), ridges)
        hairs = (hairs * self.scale).reshape(count * bristles, 2 * steps).tolist()
        hair_widths = np.maximum(1, np.rint(widths * self.scale / max(1, bristles))).astype(int).tolist()
        bodies = (bodies * self.scale).reshape(count, 4 * steps).tolist()
        for k, (body, ink) in enumerate(zip(bodies, _inks(fills, thickness))):
            self.pen.polygon(body, fill=ink)
            for j in range(k * bristles, (k + 1) * bristles):
                self.pen.line(hairs[j], fill=hair_inks[j], width=hair_widths[k])

    def finish(self, depth=0.6):
        """The picture [H, W, 3] in [0, 1], its ridges lit from the upper left; `depth`: how strongly."""
        paint = np.asarray(self.image, dtype=np.float32) / 255
        # A soft edge of fixed width in points keeps the light on a ridge the same at every size.
        ridges = gaussian_filter(paint[..., 3], 0.4 * self.scale)
        lit = relief(paint[..., :3], ridges, depth)
        return (lit[::2, ::2] + lit[1::2, ::2] + lit[::2, 1::2] + lit[1::2, 1::2]) / 4


def _inks(fills, thickness):
    """Colors [N, 3] and their thickness (one, or [N]) as Pillow's inks: four bytes in one number, far quicker than tuples."""
    bands = np.column_stack([fills, np.broadcast_to(thickness, len(fills))])
    return np.ascontiguousarray(np.clip(bands, 0, 1) * 255 + 0.5, dtype=np.uint8).view("<u4").ravel().tolist()
