"""Starry night: a sky that turns, stars with rings, a village under hills, a cypress before it all."""

import numpy as np

from . import brush

ASPECT = 5 / 4
SKY = ["#0b1440", "#14246b", "#1f45a0", "#2f6fc4", "#6ba6d8", "#b9d9dc"]
LIGHT = ["#2f6fc4", "#5fa3c8", "#a9cfae", "#f3d870", "#ffc533", "#fff6cf"]
LAND = ["#0a1a38", "#143a52", "#1f5a5c", "#3d7f5e", "#86a657"]
TREE = ["#060d14", "#10241c", "#1f3d22", "#4a5a24", "#6b4a1e"]


def draw(height, width, rng):
    """A starry night of height × width pixels."""
    y, x = brush.grid(height, width)
    stars = _stars(rng)
    color, field, crescent = _sky(height, width, y, x, stars, rng)
    land, land_color, land_field = _land(height, width, y, x, rng)
    color, field = np.where(land[..., None], land_color, color), np.where(land, land_field, field)
    paint = brush.canvas(color)
    for length, wide, spacing in ((44, 11, 9), (26, 6, 6), (15, 3.2, 5)):
        paint = brush.strokes(paint, color, field, rng, length, wide, spacing, jitter=0.07)
    orange = color * 0 + brush.rgb("#f28a0c")
    paint = brush.strokes(paint, orange, field, rng, 9, 3, 2.5, jitter=0.07, where=crescent & ~land)
    paint = _village(paint, rng)
    paint = _cypress(paint, y, x, rng)
    bristles = brush.smear(brush.noise(height, width, 2, rng), field, 10)
    return brush.relief(paint[..., :3], paint[..., 3] + 0.35 * bristles, 0.55)


def _stars(rng):
    """Rows (x, y, radius of the core, radius of the glow): the moon first, then the stars, none too close to another."""
    found = [(438 + rng.uniform(-12, 12), 66 + rng.uniform(-8, 8), 23, 62)]
    for _ in range(400):                                      # a crowded sky may take fewer than ten
        x, y, glow = rng.uniform(15, 500), rng.uniform(15, 205), rng.uniform(20, 40)
        whirl = abs(x - 262) < 105 and abs(y - 150) < 60      # the great whirl of the sky keeps its place
        if len(found) < 11 and not whirl and all(np.hypot(x - a, y - b) > 0.9 * (glow + r) for a, b, _, r in found):
            found.append((x, y, 0.16 * glow, glow))
    return np.array(found)


def _sky(height, width, y, x, stars, rng):
    """Color [H, W, 3], flow [2, H, W] and crescent [H, W] of a sky whose bands follow the level lines of one stream function."""
    stream = 0.6 * y + 7 * brush.noise(height, width, 140, rng)
    foam = 0
    for sign, cx, cy, reach in ((1, 222 + rng.uniform(-12, 12), 140, 42), (-1, 318 + rng.uniform(-12, 12), 176, 30)):
        far = ((x - cx) ** 2 + 1.3 * (y - cy) ** 2) / reach ** 2
        stream = stream + sign * 2.2 * reach * np.exp(-far / 2)
        foam = foam + np.exp(-far / 2.4)
    glow = np.zeros((height, width), dtype=np.float32)
    for cx, cy, core, reach in stars:
        r = np.hypot(x - cx, y - cy)
        stream = stream + 2.3 * reach * np.exp(-(r / reach) ** 2 * 1.2)
        rings = 0.8 + 0.2 * np.cos(2 * np.pi * r / (0.3 * reach))
        glow = np.maximum(glow, np.exp(-(r / reach) ** 2 * 1.9) * np.where(r < core, 1, rings))
    field = brush.along_contours(stream)
    bands = 0.5 + 0.5 * np.sin(stream / 4.6 + brush.noise(height, width, 60, rng))
    drift = brush.smear(brush.noise(height, width, 22, rng), field, 70)
    value = 0.36 + 0.34 * (bands - 0.5) + 0.2 * drift + 0.34 * foam * bands + 0.25 * brush.smoothstep(150, 265, y)
    color = brush.blend(brush.palette(value, SKY), brush.palette(1.15 * glow, LIGHT), brush.smoothstep(0.1, 0.55, glow))
    cx, cy = stars[0, :2]
    crescent = (np.hypot(x - cx, y - cy) < 20) & (np.hypot(x - cx + 8, y - cy + 4) > 15)
    return color, field, crescent


def _land(height, width, y, x, rng):
    """Mask [H, W], color and flow of three rows of hills, with light edges where the night strikes them."""
    mask = np.zeros((height, width), dtype=bool)
    color, field = np.zeros((height, width, 3), dtype=np.float32), np.zeros((2, height, width), dtype=np.float32)
    for k, top in enumerate((252, 292, 338)):
        ridge = top + (20 - 4 * k) * brush.noise(height, width, (512, 150 - 30 * k), rng)[:1] - 14 * k * (x / 512 - 0.5)
        depth = y - ridge
        rows = 0.5 + 0.5 * np.sin(depth / (3.2 + 1.2 * k) + 2 * brush.noise(height, width, 50, rng))
        value = 0.22 + 0.15 * k + 0.33 * (rows - 0.5) + 0.35 * np.exp(-depth / 9) + 0.1 * brush.noise(height, width, 30, rng)
        here = depth > 0
        mask |= here
        color = np.where(here[..., None], brush.palette(value, LAND), color)
        field = np.where(here, brush.along_contours(depth + 7 * brush.noise(height, width, 60, rng)), field)
    return mask, color, field


def _village(paint, rng):
    """Houses with lit windows, and a church in their middle, laid as small polygons over the canvas."""
    outlines, fills = [], []

    def add(corners, color, tall=0.5):
        outlines.append(np.array(corners))
        fills.append([*(brush.rgb(color) + rng.normal(0, 0.02, 3)), tall])

    def house(x, y, w, h, gable, roof, wall):
        add(brush.box(x, y - h, w, h), wall)
        add([(x - 2, y - h), (x + w * 0.25, y - h - gable), (x + w * 0.75, y - h - gable), (x + w + 2, y - h)], roof, 0.8)
        for left in np.arange(x + 3, x + w - 5, 7):
            if rng.random() < 0.75:
                add(brush.box(left, y - 8, 3.6, 5), "#ffcf4a", 0.95)

    middle = rng.uniform(290, 350)
    for y in (318, 332, 346):
        for x in np.arange(middle - 120, middle + 110, 23) + rng.uniform(-7, 7, 10):
            if rng.random() < 0.8 - 0.004 * abs(x - middle):
                roof = rng.choice(["#a04a2a", "#1a2c58", "#b06a3a", "#2a4f7a", "#c98a4a"])
                wall = rng.choice(["#3d5f96", "#6a8fb4", "#8fb0bf", "#2c4580"])
                house(x, y + rng.uniform(-4, 4), rng.uniform(16, 23), rng.uniform(9, 12), rng.uniform(6, 9), roof, wall)
    house(middle - 16, 340, 30, 15, 9, "#1a2c58", "#7fa3bd")
    add(brush.box(middle + 12, 300, 11, 40), "#8fb0bf")
    add([(middle + 10, 300), (middle + 17.5, 240), (middle + 25, 300)], "#22386e", 0.8)
    add(brush.box(middle + 16, 309, 3.5, 9), "#ffcf4a", 0.95)
    return brush.lay(paint, outlines, np.array(fills))


def _cypress(paint, y, x, rng):
    """A dark flame of a tree at the left, of strokes that rise and twist."""
    height, width = paint.shape[:2]
    foot, color = 92 + rng.uniform(-14, 14), None
    for shift, tip, girth in ((-26, 175, 26), (0, 28, 44)):
        rise = (y - tip) / (430 - tip)
        wave = 6 * np.sin(y / 21 + shift) + 4 * brush.noise(height, width, (40, 512), rng)[:, :1]
        half = girth * np.clip(rise, 0, 1) ** 0.62 * (1.12 - 0.25 * rise) * (1 + 0.16 * np.sin(y / 9.5 + shift))
        side = (x - foot - shift - wave) / np.maximum(half, 0.5)
        inside = (np.abs(side) < 1) & (rise > 0)
        flames = 0.5 + 0.5 * np.sin(side * 5 + y / 17 + 2 * brush.noise(height, width, 40, rng))
        color = brush.palette(0.1 + 0.55 * flames ** 2 + 0.08 * brush.noise(height, width, 12, rng), TREE)
        lean = 0.45 * np.sin(y / 15 + side * 2) - 0.35 * side
        field = brush.flow(np.clip(lean, -0.8, 0.8), -np.ones_like(lean))
        for length, wide, spacing in ((34, 8, 6), (22, 4, 4.5)):
            paint = brush.strokes(paint, color, field, rng, length, wide, spacing, jitter=0.05, where=inside)
    return paint
