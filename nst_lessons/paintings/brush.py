"""The tools that the paintings share: color, noise, flow, shapes, strokes, relief, grain.

Every length here is in *points*: one point is 1/512 of the picture's longer side, so it is a pixel at size 512. Nothing
random depends on the number of pixels, therefore a seed gives the same composition at every size.
Pictures are float32 [H, W, 3] in [0, 1]. A *canvas* is [H, W, 4]: red, green, blue and the height of the paint.
"""

import numpy as np
from PIL import Image, ImageDraw
from scipy.spatial import cKDTree

POINTS = 512


def scale_of(height, width):
    """Pixels per point of a picture of height × width pixels."""
    return max(height, width) / POINTS


def grid(height, width):
    """Coordinates of the pixel centers, in points: y [H, 1] and x [1, W], which broadcast against each other."""
    scale = scale_of(height, width)
    y = (np.arange(height, dtype=np.float32) + 0.5) / scale
    x = (np.arange(width, dtype=np.float32) + 0.5) / scale
    return y[:, None], x[None, :]


def smoothstep(low, high, value):
    """0 below `low`, 1 above `high`, a smooth S between (low > high turns it round)."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


# ---- color -----------------------------------------------------------------------------------------------------------

def rgb(color):
    """A hex color ("#1a3c6e") or three numbers → float32 [3] in [0, 1]."""
    if isinstance(color, str):
        color = [int(color[i:i + 2], 16) / 255 for i in (1, 3, 5)]
    return np.asarray(color, dtype=np.float32)


def palette(values, colors):
    """Look `values` [...] in [0, 1] up in a list of colors, evenly spaced and smoothly interpolated → [..., 3]."""
    colors = np.stack([rgb(color) for color in colors])
    # A table of 1024 entries: one gather per pixel is much cheaper than interpolating three channels.
    position = np.linspace(0, len(colors) - 1, 1024)
    below = np.minimum(position.astype(int), len(colors) - 2)
    table = blend(colors[below], colors[below + 1], smoothstep(0, 1, position - below))
    return table[(np.clip(values, 0, 1) * 1023).astype(int)]


def blend(below, above, alpha):
    """Mix two pictures (or colors) in linear light; alpha: a number, or an array without the channel axis."""
    alpha = np.asarray(alpha, dtype=np.float32)
    alpha = alpha[..., None] if alpha.ndim else alpha
    # Squares stand in for linear light (a gamma of 2): near enough to sRGB, and far faster than a power.
    below, above = np.square(below, dtype=np.float32), np.square(above, dtype=np.float32)
    return np.sqrt(below + (above - below) * alpha)


# ---- noise and flow --------------------------------------------------------------------------------------------------

def noise(height, width, size, rng, octaves=1):
    """Smooth random field [H, W], mean about 0 and deviation about 1, with blobs of `size` points.

    size: a number, or (size down, size across) for streaks. Each further octave halves the size and the amplitude.
    """
    total, power = 0, 0
    down, across = np.broadcast_to(size, 2)
    for octave in range(octaves):
        cells = [max(2, int(np.ceil(POINTS / (side / 2 ** octave)))) for side in (down, across)]
        # The lattice always covers a square of 512 points, whatever the aspect, so that the draws never depend on it.
        lattice = rng.standard_normal((cells[0] + 3, cells[1] + 3)).astype(np.float32)
        rows = _spline_matrix(height, cells[0], scale_of(height, width))
        columns = _spline_matrix(width, cells[1], scale_of(height, width))
        total = total + rows @ lattice @ columns.T / 2 ** octave
        power += 4.0 ** -octave
    return total / np.float32(0.48 * np.sqrt(power))


def _spline_matrix(pixels, cells, scale):
    """Cubic B-spline weights that carry a lattice of cells + 3 values to `pixels` samples."""
    position = (np.arange(pixels) + 0.5) / scale / POINTS * cells
    first = np.minimum(position.astype(int), cells - 1)
    t = (position - first)[:, None]
    weights = np.hstack([(1 - t) ** 3, 3 * t ** 3 - 6 * t ** 2 + 4, -3 * t ** 3 + 3 * t ** 2 + 3 * t + 1, t ** 3]) / 6
    matrix = np.zeros((pixels, cells + 3), dtype=np.float32)
    matrix[np.arange(pixels)[:, None], first[:, None] + np.arange(4)] = weights
    return matrix


def flow(across, down):
    """Unit vectors [2, H, W] (x component, y component) from two components of any length, or zero where both vanish."""
    field = np.stack(np.broadcast_arrays(across, down)).astype(np.float32)
    return field / (np.hypot(field[0], field[1]) + 1e-6)


def along_contours(height_map):
    """Flow [2, H, W] that follows the level lines of a map [H, W]."""
    down, across = np.gradient(height_map)
    return flow(-down, across)


def smear(texture, field, length, steps=24):
    """Line integral convolution: average a texture [H, W] along the flow over `length` points each way (Cabral & Leedom 1993)."""
    height, width = texture.shape
    step = length * scale_of(height, width) / steps
    flat, fields = texture.ravel(), field.reshape(2, -1)
    total, weights = flat.copy(), 1.0
    for direction in (step, -step):
        y, x = (axis.ravel().astype(np.float32) for axis in np.indices((height, width), dtype=np.float32))
        here = np.arange(height * width)
        for k in range(1, steps + 1):
            x = np.clip(x + direction * fields[0][here], 0, width - 1)
            y = np.clip(y + direction * fields[1][here], 0, height - 1)
            here = (y + 0.5).astype(np.int32) * width + (x + 0.5).astype(np.int32)
            weight = 0.5 + 0.5 * np.cos(np.pi * k / (steps + 1))
            total += flat[here] * np.float32(weight)
            weights += weight
    return (total / weights).reshape(height, width)


# ---- shapes ----------------------------------------------------------------------------------------------------------

def box(x, y, across, down):
    """Corners [4, 2] of a rectangle whose upper left corner is (x, y)."""
    return np.array([(x, y), (x + across, y), (x + across, y + down), (x, y + down)], dtype=float)


def ribbon(path, width):
    """Outline [..., 2K, 2] of a stroke along `path` [..., K, 2] (x, y) whose width [..., K] may change on the way."""
    along = np.gradient(path, axis=-2)
    along /= np.linalg.norm(along, axis=-1, keepdims=True) + 1e-6
    side = along[..., ::-1] * np.array([-1, 1]) * (np.asarray(width)[..., None] / 2)
    return np.concatenate([path + side, (path - side)[..., ::-1, :]], axis=-2)


def curve(points, count=32):
    """Smooth line [count, 2] through points [N, 2] (x, y), with as many samples between any two of them (Catmull & Rom 1974)."""
    points = np.asarray(points, dtype=float)
    slope = np.gradient(points, axis=0)
    at = np.linspace(0, len(points) - 1, count)
    k = np.minimum(at.astype(int), len(points) - 2)
    t = (at - k)[:, None]
    ends = points[k] * (1 + 2 * t) * (1 - t) ** 2 + points[k + 1] * t ** 2 * (3 - 2 * t)
    return ends + slope[k] * t * (1 - t) ** 2 - slope[k + 1] * t ** 2 * (1 - t)


def cover(height, width, polygons, smooth=4):
    """How much of each pixel the polygons (sequences of (x, y) in points) cover: [H, W] in [0, 1], antialiased."""
    image = Image.new("L", (width * smooth, height * smooth))
    draw = ImageDraw.Draw(image)
    scale = scale_of(height, width) * smooth
    for polygon in polygons:
        draw.polygon((np.asarray(polygon) * scale).ravel().tolist(), fill=255)
    return np.asarray(image.reduce(smooth), dtype=np.float32) / 255


def cells(points, height, width):
    """Voronoi cells of points [N, 2] (x, y): index of the nearest [H, W] and distance to the cell's border in points [H, W]."""
    y, x = np.broadcast_arrays(*grid(height, width))
    pixels = np.stack([x, y], axis=-1)
    points = np.asarray(points, dtype=np.float32)
    _, near = cKDTree(points).query(pixels.reshape(-1, 2), k=2)
    first, second = points[near[:, 0]], points[near[:, 1]]
    # The border is the bisector of the two nearest points: project the way from its middle onto the line between them.
    apart = first - second
    border = np.sum((pixels.reshape(-1, 2) - (first + second) / 2) * apart, axis=1) / (np.linalg.norm(apart, axis=1) + 1e-6)
    return near[:, 0].reshape(height, width), border.reshape(height, width)


# ---- paint -----------------------------------------------------------------------------------------------------------

def canvas(picture):
    """A picture [H, W, 3] as a canvas [H, W, 4] with flat paint, ready for strokes."""
    height = np.full(picture.shape[:2] + (1,), 0.5, dtype=np.float32)
    return np.concatenate([picture.astype(np.float32), height], axis=-1)


def strokes(base, color, field, rng, length, width, spacing, jitter=0.06, where=None):
    """Lay strokes that follow a flow over a canvas, each in the color found at its middle; returns the new canvas.

    base: canvas [H, W, 4]; color: picture [H, W, 3]; field: flow [2, H, W]; length, width, spacing: in points.
    jitter: deviation of a stroke's brightness (its hue varies by a third of that). where: bool [H, W], strokes begin only there.
    """
    seeds, random = _seeds(spacing, rng)
    x, y = _pixel(seeds, *base.shape[:2])
    inside = np.all((seeds > -spacing) & (seeds < np.array(base.shape[1::-1]) / scale_of(*base.shape[:2]) + spacing), axis=1)
    if where is not None:
        inside &= where[y, x]
    seeds, random, x, y = seeds[inside], random[inside], x[inside], y[inside]
    path = _trace(seeds, field, length * (0.7 + 0.6 * random[:, :1]))
    profile = np.array([0.35, 0.85, 1, 1, 0.9, 0.7, 0.25])
    outline = ribbon(path, width * (0.65 + 0.7 * random[:, 1:2]) * profile)
    tint = jitter * (random[:, 2:3] - 0.5) * 3.5 + jitter * (random[:, 3:6] - 0.5) * 1.2
    fill = np.concatenate([color[y, x] + tint, 0.2 + 0.6 * random[:, 6:7]], axis=1)
    return lay(base, outline, fill)


def _seeds(spacing, rng):
    """Jittered grid of places over the square of 512 points, in random order, and seven random numbers for each."""
    count = int(np.ceil(POINTS / spacing)) + 2
    corner = np.stack(np.meshgrid(np.arange(count), np.arange(count)), axis=-1).reshape(-1, 2) - 1.0
    seeds = (corner + rng.random(corner.shape)) * spacing
    order = rng.permutation(len(seeds))
    return seeds[order], rng.random((len(seeds), 7))


def _pixel(places, height, width):
    """Column and row of the pixel that holds each place (clipped to the picture)."""
    at = (places * scale_of(height, width)).astype(int)
    return np.clip(at[..., 0], 0, width - 1), np.clip(at[..., 1], 0, height - 1)


def _trace(seeds, field, length, half=3):
    """Paths [N, 2 half + 1, 2] through the flow, with the seeds in the middle; length [N, 1] in points."""
    path = [seeds]
    for direction in (-1, 1):
        here = seeds
        for _ in range(half):
            x, y = _pixel(here, *field.shape[1:])
            here = here + direction * field[:, y, x].T * length / (2 * half)
            path.insert(0 if direction < 0 else len(path), here)
    return np.stack(path, axis=1)


def lay(base, outlines, fills):
    """Lay polygons (arrays [K, 2], in points) of colors and heights [N, 4] over a canvas, at twice the size for smooth edges."""
    height, width = base.shape[:2]
    image = Image.fromarray((np.clip(base, 0, 1) * 255 + 0.5).astype(np.uint8), "RGBA")
    image = image.resize((width * 2, height * 2), Image.NEAREST)
    draw = ImageDraw.Draw(image)
    scale = scale_of(height, width) * 2
    fills = (np.clip(fills, 0, 1) * 255 + 0.5).astype(int).tolist()
    for outline, fill in zip(outlines, fills):
        draw.polygon((outline * scale).ravel().tolist(), fill=tuple(fill))
    # Reduced channel by channel: as RGBA, Pillow would weight the colors by what is here the height.
    planes = [np.asarray(plane.reduce(2), dtype=np.float32) for plane in image.split()]
    return np.stack(planes, axis=-1) / 255


def relief(picture, height_map, strength=1.0):
    """Light thick paint from the upper left: brighter on slopes that face the lamp, darker on those that turn away."""
    scale = scale_of(*height_map.shape)
    down, across = np.gradient(height_map)
    light = np.clip((down + across) * scale * strength, -0.5, 0.5)
    return np.clip(picture * (1 + 0.9 * light[..., None]) + 0.25 * np.maximum(light, 0)[..., None], 0, 1).astype(np.float32)


def grain(height, width, rng, kind="paper"):
    """Texture of the support [H, W], mean 0 and deviation about 1: "paper" (fibers) or "canvas" (weave)."""
    fine = noise(height, width, 1.6, rng)
    if kind == "paper":
        fibers = smear(noise(height, width, 1.6, rng), flow(noise(height, width, 14, rng), noise(height, width, 14, rng)), 7, 8)
        return 0.6 * fine + 1.6 * fibers
    if kind == "canvas":
        y, x = grid(height, width)
        weave = np.sin(np.pi * x / 2.2) * np.sin(np.pi * y / 2.2)
        return 1.6 * weave + 0.5 * fine
    raise ValueError(f"unknown grain {kind!r}; there are 'paper' and 'canvas'")
