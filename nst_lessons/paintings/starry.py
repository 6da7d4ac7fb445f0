"""Starry night: a sky that turns, stars with rings, a village under hills, a cypress before it all."""

import numpy as np
from scipy.ndimage import gaussian_filter

from . import brush

ASPECT = 5 / 4
SKY = ["#0b1440", "#14246b", "#1f45a0", "#2f6fc4", "#6ba6d8", "#b9d9dc"]
LIGHT = ["#2f6fc4", "#5fa3c8", "#a9cfae", "#f3d870", "#ffc533", "#fff6cf"]
LAND = ["#0a1a38", "#143a52", "#1f5a5c", "#3d7f5e", "#86a657"]
TREE = ["#060d14", "#10241c", "#1f3d22", "#4a5a24", "#6b4a1e"]
# The wave that rolls through the sky: over the large whirl and under the small one, and the curl inside each of them.
WAVE = [[(-20, 196), (70, 192), (130, 160), (172, 108), (225, 86), (268, 112), (284, 162), (304, 208), (344, 220), (376, 196),
         (368, 160), (338, 150), (320, 168), (332, 184)],
        [(150, 196), (196, 206), (244, 190), (262, 152), (242, 118), (208, 118), (194, 144), (212, 164), (232, 152), (224, 138)]]


def draw(height, width, rng):
    """A starry night of height × width pixels."""
    y, x = brush.grid(height, width)
    stars = _stars(rng)
    color, field, moon = _sky(height, width, y, x, stars, rng)
    land, land_color, land_field = _land(height, width, y, x, rng)
    color, field = np.where(land[..., None], land_color, color), np.where(land, land_field, field)
    paint = brush.canvas(color)
    for length, wide, spacing in ((44, 11, 9), (26, 6, 6), (15, 3.2, 5)):
        paint = brush.strokes(paint, color, field, rng, length, wide, spacing, jitter=0.07)
    tints = brush.palette((moon - 1) / 2, ["#4f93b0", "#f59a12", "#ffd964"])
    paint = brush.strokes(paint, tints, field, rng, 9, 3, 2.2, jitter=0.06, where=(moon > 0) & ~land)
    paint = _village(paint, land_color, field, rng)
    paint = _cypress(paint, y, x, rng)
    bristles = brush.smear(brush.noise(height, width, 2, rng), field, 10)
    return brush.relief(paint[..., :3], paint[..., 3] + 0.35 * bristles, 0.55)


def _stars(rng):
    """Rows (x, y, radius of the core, radius of the glow): the moon first, then the stars, none too close to another."""
    found = [(438 + rng.uniform(-12, 12), 66 + rng.uniform(-8, 8), 23, 62)]
    for _ in range(400):                                      # a crowded sky may take fewer than ten
        x, y, glow = rng.uniform(15, 500), rng.uniform(15, 205), rng.uniform(20, 40)
        whirl = abs(x - 262) < 125 and abs(y - 150) < 72      # the great whirl of the sky keeps its place
        if len(found) < 11 and not whirl and all(np.hypot(x - a, y - b) > 0.9 * (glow + r) for a, b, _, r in found):
            found.append((x, y, 0.16 * glow, glow))
    return np.array(found)


def _sky(height, width, y, x, stars, rng):
    """Color [H, W, 3], flow [2, H, W] and moon [H, W] (1 shade, 2 crescent, 3 its bright edge) of a sky whose bands stream."""
    stream = 0.6 * y + 7 * brush.noise(height, width, 140, rng)
    foam, roll = 0, rng.uniform(-12, 12)
    for sign, cx, cy, reach in ((1, 222 + roll, 142, 42), (-1, 338 + roll, 178, 30)):
        far = ((x - cx) ** 2 + 1.3 * (y - cy) ** 2) / reach ** 2
        stream = stream + sign * 2.2 * reach * np.exp(-far / 2)
        foam = foam + np.exp(-far * 2.2)
    glow = np.zeros((height, width), dtype=np.float32)
    for cx, cy, core, reach in stars:
        r = np.hypot(x - cx, y - cy)
        stream = stream + 2.3 * reach * np.exp(-(r / reach) ** 2 * 1.2)
        rings = 0.8 + 0.2 * np.cos(2 * np.pi * r / (0.3 * reach))
        glow = np.maximum(glow, np.exp(-(r / reach) ** 2 * 1.9) * np.where(r < core, 1, rings))
    field = brush.along_contours(stream)
    bands = 0.5 + 0.5 * np.sin(stream / 4.6 + brush.noise(height, width, 60, rng))
    drift = brush.smear(brush.noise(height, width, 22, rng), field, 70)
    wide = np.interp(np.linspace(0, 1, 90), (0, 0.45, 1), (22, 15, 6))
    crest = brush.cover(height, width, [brush.ribbon(brush.curve(line, 90) + (roll, 0), wide) for line in WAVE], smooth=1)
    crest = gaussian_filter(crest, 3.5 * brush.scale_of(height, width))
    value = 0.34 + 0.32 * (bands - 0.5) + 0.2 * drift + 0.36 * foam + 0.42 * crest + 0.25 * brush.smoothstep(150, 265, y)
    color = brush.blend(brush.palette(value, SKY), brush.palette(1.15 * glow, LIGHT), brush.smoothstep(0.1, 0.55, glow))
    cx, cy = stars[0, :2]
    disc, shade = np.hypot(x - cx, y - cy) < 26, np.hypot(x - cx + 10, y - cy + 3) < 20
    rim = disc & ~shade & (np.hypot(x - cx + 3, y - cy + 1) > 24)
    return color, field, np.where(rim, 3, np.where(shade, 1, 2)) * disc


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


def _village(paint, land, field, rng):
    """Houses and a church among bushes on the hillside: flat shapes, brushed over, then dark contours and lit windows."""
    walls, roofs, windows, contours, feet = [], [], [], [], []
    middle = rng.uniform(296, 350)

    def shape(kind, corners, color):
        corners = np.array(corners, dtype=float) + rng.normal(0, 0.7, (len(corners), 2))
        kind.append((corners, [*(brush.rgb(color) + rng.normal(0, 0.02, 3)), rng.uniform(0.4, 0.8)]))
        contours.append(np.vstack([corners, corners[:1]]))

    def house(x, y, front, side, tall, roof, wall):
        top, ridge = y - tall, y - tall - rng.uniform(0.4, 0.75) * front
        shape(walls, [(x, y), (x, top), (x + front / 2, ridge), (x + front, top), (x + front, y)], wall)
        end = x + front + side
        shape(walls, [(x + front, y), (x + front, top), (end, top), (end, y - 1)], brush.rgb(wall) * 0.7)
        shape(roofs, [(x + front / 2, ridge - 1), (end - front / 2, ridge), (end + 2, top + 1), (x + front + 1, top + 1)], roof)
        feet.append((x + (front + side) / 2, y, front + side))
        for left, share in ((0.3 * front, 0.9), (front + 0.3 * side, 0.55), (front + 0.7 * side, 0.35)):
            if rng.random() < share:
                windows.append((x + left, y - tall * rng.uniform(0.4, 0.65), rng.uniform(1.4, 2.6), rng.uniform(2.4, 4)))

    for row in (0, 1, 2):
        for x in middle + np.arange(-126, 116, 36) + 9 * row + rng.uniform(-8, 8, 7):
            if rng.random() < 0.9 - 0.0048 * abs(x - middle) and abs(x - middle) > 12 * (row > 0):
                y = 320 + 18 * row + 0.05 * abs(x - middle) + rng.uniform(-4, 4)
                roof = rng.choice(["#a8502f", "#24407a", "#c47a42", "#2f5a80", "#7a4a3a"])
                wall = rng.choice(["#4a6aa0", "#7f9fbc", "#a3b9b4", "#3a5590"])
                house(x, y, rng.uniform(11, 16), rng.uniform(13, 23), rng.uniform(10, 15), roof, wall)
    house(middle - 6, 350, 15, 30, 18, "#24407a", "#8fa9bd")
    shape(walls, [(middle - 17, 349), (middle - 16, 300), (middle - 5, 300), (middle - 5, 349)], "#8fa9bd")
    shape(roofs, [(middle - 18, 301), (middle - 10.5, 236), (middle - 3, 301)], "#2a4580")
    windows.append((middle - 10.5, 312, 2.4, 5.5))
    return _brushed(paint, land, field, rng, walls + roofs, contours, np.array(windows), np.array(feet))


def _brushed(paint, land, field, rng, shapes, contours, windows, feet):
    """Lay the houses' shapes, break them with short strokes, draw their contours, root them in grass and light the windows."""
    outlines, fills = [corners for corners, _ in shapes], np.array([fill for _, fill in shapes])
    paint = brush.lay(paint, outlines, fills)
    inside = brush.cover(*paint.shape[:2], outlines, smooth=1) > 0
    steep = brush.flow(0.25 + 0.8 * field[0], 0.8 + field[1])
    paint = brush.strokes(paint, paint[..., :3], steep, rng, 8, 2.4, 2.4, jitter=0.08, where=inside)
    lines = [brush.ribbon(line, rng.uniform(0.4, 1.6, len(line))) for line in contours]
    ink = np.append(brush.rgb("#0c1836"), 0.6)
    bushes, greens = [], []
    for x, y, wide in feet:
        for _ in range(int(0.5 * wide)):
            root = np.array([x + rng.normal(0, 0.45 * wide), y + rng.uniform(2, 8)])
            blade = root + np.array([(-4, 1), (0, -1.5), (5, -rng.uniform(0, 4))]) * rng.uniform(0.6, 1.4)
            bushes.append(brush.ribbon(brush.curve(blade, 5), np.array([1, 3, 3.4, 2.4, 0.6])))
            greens.append([*brush.palette(rng.uniform(0.05, 0.85), LAND), rng.uniform(0.3, 0.8)])
    glow = [brush.ribbon(np.array([(x, y - tall / 2), (x + 0.4, y + tall / 2)]), np.array([wide, 0.8 * wide]))
            for x, y, wide, tall in windows]
    light = [[*brush.palette(rng.uniform(0.6, 0.95), LIGHT), 0.9] for _ in glow]
    order = rng.permutation(len(bushes))
    fills = np.array([ink] * len(lines) + [greens[k] for k in order] + light)
    return brush.lay(paint, lines + [bushes[k] for k in order] + glow, fills)


# Tongues of the cypress: how far beside its foot, height of the tip, half width at the bottom.
TONGUES = ((-52, 282, 20), (48, 300, 20), (-39, 186, 21), (36, 222, 22), (-25, 104, 20), (24, 140, 22), (0, 12, 34))


def _cypress(paint, y, x, rng):
    """A dark flame of a tree at the left: tongues that rise and sway side by side, of strokes that lick upward."""
    height, width = paint.shape[:2]
    foot = 92 + rng.uniform(-14, 14)
    inside, color, lean = np.zeros((height, width), dtype=bool), 0, 0
    rough = brush.noise(height, width, 12, rng)
    for shift, tip, girth in TONGUES:
        tip, phase = tip + rng.uniform(-14, 14), rng.uniform(0, 6)
        rise = np.clip((y - tip) / (430 - tip), 0, 1)                                   # 0 at the tip, 1 at the foot
        sway = 7 * np.sin(y / 30 + phase) * np.sqrt(rise)
        side = (x - foot - shift * (0.62 + 0.38 * rise) - sway) / np.maximum(girth * rise ** 0.7 * (1 + 0.35 * rise), 0.4)
        here = (np.abs(side) < 1) & (y > tip)
        flames = 0.5 + 0.5 * np.sin(4.5 * side + y / 26 + phase + 0.5 * rough)
        tone = 0.08 + 0.5 * flames ** 2 * (0.55 + 0.45 * np.abs(side)) + 0.08 * rough
        color, inside = np.where(here, tone, color), inside | here
        # Strokes go with the sway of their tongue and turn in toward its tip.
        turn = -0.23 * np.cos(y / 30 + phase) - 0.2 * side - 0.12 * np.sin(y / 9 + 3 * side)
        lean = np.where(here, np.clip(turn, -0.7, 0.7), lean)
    color = brush.palette(color, TREE)
    field = brush.flow(lean, -np.ones_like(lean))
    for length, wide, spacing in ((40, 8, 6), (26, 4.5, 4.5), (17, 2.6, 5)):
        paint = brush.strokes(paint, color, field, rng, length, wide, spacing, jitter=0.06, where=inside)
    return paint
