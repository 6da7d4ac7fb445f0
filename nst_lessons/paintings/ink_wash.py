"""Mountains and water (shan shui): peaks of ink in mist, hemp-fiber strokes, a pine, a boat, a red seal on old silk."""

import numpy as np
from scipy.ndimage import gaussian_filter

from . import brush

ASPECT = 4 / 5
SILK = ["#cdb98c", "#dccca3", "#e8dcba"]
RED = "#b3271e"
# Center, top, half width, foot and strength of the ink: far peaks first.
PEAKS = [(385, 118, 50, 255, 0.13), (18, 105, 56, 255, 0.12), (300, 92, 44, 260, 0.14), (330, 150, 60, 270, 0.16),
         (60, 165, 55, 270, 0.16), (255, 120, 50, 275, 0.2), (120, 140, 48, 280, 0.22), (205, 52, 62, 300, 0.4),
         (150, 110, 46, 300, 0.44), (262, 128, 50, 305, 0.46), (105, 178, 44, 318, 0.55), (285, 322, 85, 368, 0.3),
         (170, 334, 60, 370, 0.34), (330, 215, 62, 345, 0.62), (30, 205, 66, 372, 0.72), (92, 262, 54, 385, 0.85),
         (10, 310, 70, 410, 0.95)]
ABSORB = np.array([2.9, 2.65, 2.35])     # how fast each color dies in ink: a little warm gray when thin, black when thick


def draw(height, width, rng):
    """A mountain landscape of height × width pixels."""
    side = rng.choice([-1, 1])           # which way the picture leans
    ink, field, rough = _mountains(height, width, side, rng)
    ink = _texture(ink, field, rough, rng)
    veils, mist, ripples, thin, thick = (_Lines(side) for _ in range(5))
    _mist(veils, mist, rng)
    _water(ripples, rng)
    _reeds(thick, thin, rng)
    trunk = _pine(thick, thin, rng)
    _boat(thick, rng)
    _writing(thick, rng)
    grain = brush.grain(height, width, rng)
    dry = brush.smoothstep(1.5, 0.4, grain)                        # a dry brush skips the valleys of the silk
    hairs = brush.noise(height, width, (1.5, 70), rng) + 0.6 * brush.noise(height, width, (9, 40), rng)
    veil = gaussian_filter(brush.cover(height, width, veils.outlines, smooth=1), 4 * brush.scale_of(height, width))
    ink = ink + 0.2 * brush.smoothstep(-0.3, 1.6, hairs) * dry * veil           # the hairs of a nearly dry brush, far apart
    for lines, strength, dryness in ((mist, 0.2, 0.9), (ripples, 0.6, 0.6), (thin, 0.75, 0.5), (thick, 0.95, 0.25)):
        if lines is thin:
            bark = brush.cover(height, width, [trunk])             # the trunk hides the water behind it
            ink = ink * (1 - bark) + (0.2 + 0.16 * brush.noise(height, width, (14, 6), rng, 2)) * bark
        ink = np.maximum(ink, strength * brush.cover(height, width, lines.outlines) * (1 - dryness + dryness * dry))
    picture = _silk(height, width, grain, rng) * np.exp(-(ink * (1 + 0.1 * grain) + 0.02)[..., None] * ABSORB)
    return _seal(picture, side, rng)


def _silk(height, width, grain, rng):
    """Old silk [H, W, 3]: threads, tooth and stains."""
    y, x = brush.grid(height, width)
    weave = np.sin(y * 2 * np.pi / 3.1) + 0.7 * np.sin(x * 2 * np.pi / 2.9)
    return brush.palette(0.6 + 0.08 * weave + 0.17 * grain + 0.16 * brush.noise(height, width, 90, rng, 3), SILK)


def _across(x, side):
    """Mirror a place when the picture leans the other way."""
    return 205 + side * (np.asarray(x, dtype=float) - 205)


def _mountains(height, width, side, rng):
    """Ink [H, W], flow of the strokes [2, H, W] and their strength [H, W], peak over peak from far to near."""
    y, x = brush.grid(height, width)
    lake = brush.smoothstep(360, 390, y)
    drift = brush.noise(height, width, (9, 90), rng, 3)
    ink = 0.02 + 0.018 * drift + lake * (0.06 + 0.1 * np.maximum(drift, 0) + 0.12 * brush.smoothstep(430, 520, y))
    field = np.stack([np.ones((height, width)), np.zeros((height, width))]).astype(np.float32)
    rough = np.zeros((height, width), dtype=np.float32)
    for center, top, half, foot, strength in PEAKS:
        center = _across(center + rng.uniform(-14, 14), side)
        top, half = top + rng.uniform(-14, 14), half * rng.uniform(0.85, 1.15)
        wander = brush.noise(height, width, (70, 512), rng, 3)[:, :1] * 0.16 + brush.noise(height, width, 22, rng, 2) * 0.06
        u = (x - center) / half + wander
        rise = (foot - y) / (foot - top)                              # 0 at the foot, 1 at the top
        outline = 1 - np.abs(u) ** 2.1 + 0.1 * brush.noise(height, width, (512, 30), rng, 3)[:1]
        depth = (outline - rise) * (foot - top)                       # points below the outline
        inside = brush.smoothstep(-0.6, 0.6, depth)
        mist = brush.smoothstep(0.02, 0.62, rise)
        folds = brush.noise(height, width, (60, 18), rng, 2) + 0.7 * side * u      # ridges that turn to the light or away
        rim = 0.75 * np.exp(-np.abs(depth) / 2.2) + 0.3 * np.exp(-np.abs(depth) / 16)      # where the wet edge dried
        tone = 0.34 + 0.3 * brush.smoothstep(-0.4, 1.1, folds) + rim
        own = strength * (tone * mist + 0.05)
        ink = ink * (1 - inside) + own * inside
        lean = 1.5 * u * brush.smoothstep(0, 40, depth) + 0.5 * brush.noise(height, width, 28, rng)
        here = depth > 0
        field = np.where(here, brush.flow(lean, np.ones_like(lean)), field)
        bristle = brush.smoothstep(-0.9, 0.8, folds) * brush.smoothstep(1, 9, depth)
        rough = np.where(here, strength * mist * bristle, rough)
    return ink.astype(np.float32), field, rough.astype(np.float32)


def _texture(ink, field, rough, rng):
    """Lay hemp-fiber strokes along the slopes, dots of moss, and let the washes dry with dark edges."""
    height, width = ink.shape
    paint = brush.canvas(np.repeat(ink[..., None], 3, axis=-1))
    for length, wide, spacing, dark in ((30, 2.6, 6.5, 0.55), (18, 1.7, 4.6, 0.95)):
        color = np.repeat((ink * 0.7 + dark * rough)[..., None], 3, axis=-1)
        some = (brush.noise(height, width, 9, rng) > -0.1) & (rough > 0.06)
        paint = brush.strokes(paint, color, field, rng, length, wide, spacing, jitter=0.07, where=some)
    color = np.repeat((ink * 0.4 + 1.25 * rough)[..., None], 3, axis=-1)
    moss = (brush.noise(height, width, 22, rng) > 0.6) & (rough > 0.1)
    for wide, spacing in ((3.4, 5.5), (2.2, 4)):
        paint = brush.strokes(paint, color, np.roll(field, 1, axis=0), rng, 1.3 * wide, wide, spacing, jitter=0.05, where=moss)
    ink = paint[..., 0]
    soft = gaussian_filter(ink, 3 * brush.scale_of(height, width))
    streaks = brush.smear(brush.noise(height, width, 1.8, rng), field, 9, 12)
    return np.clip(ink + 0.35 * (ink - soft), 0, 1.3) * (1 + 0.4 * streaks)


class _Lines:
    """Collects brush lines as outlines in points, mirrored when the picture leans the other way."""

    def __init__(self, side):
        self.side, self.outlines = side, []

    def outline(self, path, wide):
        """Outline of a line along `path` [K, 2]."""
        path = np.stack([_across(path[:, 0], self.side), path[:, 1]], axis=1)
        return brush.ribbon(path, wide)

    def add(self, points, wide, profile=(0.5, 1, 0.8, 0.15)):
        """A curved line through `points` whose width follows `profile`, as a share of `wide`."""
        share = np.interp(np.linspace(0, 1, 24), np.linspace(0, 1, len(profile)), profile)
        self.outlines.append(self.outline(brush.curve(points, 24), wide * share))


def _mist(veils, lines, rng):
    """Veils of mist in the sky and between the mountains: a few broad dry strokes, and here and there a pale line under them."""
    share = np.linspace(0, 1, 7)
    for y in (*rng.uniform(20, 120, 3), *rng.uniform(262, 350, 4)):
        x, long, phase = rng.uniform(-60, 260), rng.uniform(130, 260), rng.uniform(0, 6)
        across = x + long * share
        down = y + 5 * np.sin(across / 48 + phase)
        veils.add(np.stack([across, down], axis=1), rng.uniform(12, 24), (0.2, 1, 0.75, 0.9, 0.1))
        for k in range(rng.integers(1, 3)):
            start, end = rng.uniform(0, 0.4), rng.uniform(0.6, 1.0)
            part = x + long * (start + (end - start) * share)
            under = y + 8 + 4 * k + 5 * np.sin(part / 48 + phase)
            lines.add(np.stack([part, under], axis=1), rng.uniform(1.0, 1.8), (0.02, 1, 0.5, 0.8, 0.02))


def _water(ripples, rng):
    """Long lines that swell and taper, in schools between which the paper stays empty; nearer ones longer and further apart."""
    for y in np.array([370, 379, 390, 404, 421, 441, 464, 490]) + rng.uniform(-4, 4, 8):
        near = (y - 366) / 130
        for middle in rng.uniform(0, 410, 2):
            for _ in range(rng.integers(4, 7)):
                long = rng.uniform(20, 40) * (1 + 1.2 * near)
                left = middle + rng.normal(0, 26 + 22 * near) - long / 2
                share = np.linspace(0, 1, 5)
                down = y + 1.3 * np.sin(share * 9 + left) + rng.normal(0, 2 + 4 * near)
                wide = rng.uniform(0.8, 1.6) * (0.8 + 0.7 * near)
                ripples.add(np.stack([left + share * long, down], axis=1), wide, (0.02, 1, 0.6, 0.25, 0.02))


def _reeds(thick, thin, rng):
    """Reeds that bend at the near corner."""
    for _ in range(46):
        x, tall, bend = rng.uniform(-10, 118), rng.uniform(26, 74), rng.uniform(-6, 26)
        root = np.array([x, 507 + 0.08 * x])
        points = root + np.array([(0, 0), (0.2 * bend, -0.6 * tall), (bend, -tall), (1.5 * bend, -0.92 * tall)])
        (thick if rng.random() < 0.35 else thin).add(points, rng.uniform(1.2, 2.4), (0.8, 1, 0.6, 0.1))


def _pine(thick, thin, rng):
    """An old pine that leans from the near shore over the water, its needles in fans; returns the outline of its trunk."""
    trunk = np.array([(402, 530), (372, 470), (352, 430), (354, 385), (318, 345), (300, 318), (304, 284)], dtype=float)
    trunk += rng.normal(0, 4, trunk.shape)
    axis = brush.curve(trunk, 60)
    girth = np.interp(np.linspace(0, 1, 60), np.linspace(0, 1, 7), [22, 16, 13, 11, 8, 5.5, 3])
    along = np.gradient(axis, axis=0)
    normal = np.stack([-along[:, 1], along[:, 0]], axis=1) / np.linalg.norm(along, axis=1, keepdims=True)
    for shift, heavy in ((-0.5, 2.2), (0.5, 3.8)):          # broken contours, the heavier one in the shade
        start = 0
        while start < 54:
            end = min(60, start + rng.integers(8, 17))
            edge = (axis + normal * (shift + rng.normal(0, 0.03)) * girth[:, None])[start:end]
            thick.add(edge[np.linspace(0, len(edge) - 1, 5).astype(int)], heavy * rng.uniform(0.8, 1.3), (0.3, 1, 0.7, 0.2))
            start = end + rng.integers(-1, 3)
    for _ in range(64):                                   # bark: open scales, crowded on the side of the shade
        k = rng.integers(1, 56)
        lane = 0.45 - 0.85 * rng.random() ** 1.6
        heart, size = axis[k] + normal[k] * lane * girth[k], rng.uniform(0.14, 0.26) * girth[k]
        scale = [heart - along[k] * size * 0.7, heart + normal[k] * size, heart + along[k] * size * 1.1]
        (thick if lane > 0.1 else thin).add(scale, rng.uniform(0.9, 2.0), (0.2, 1, 0.3))
    for k in (17, 34):                                    # knots
        turn = np.linspace(0.4, 5.6, 7)
        ring = 0.16 * girth[k] * np.stack([np.cos(turn), 1.5 * np.sin(turn)], axis=1)
        thick.add(axis[k] - normal[k] * 0.1 * girth[k] + ring, 1.6, (0.3, 1, 0.8, 1, 0.3))
    limbs = [(2, (-34, -6), (-70, 6), (-98, -2)), (3, (34, -14), (50, -34), (66, -40)), (4, (-30, -2), (-52, -14), (-84, -10)),
             (5, (24, -8), (44, -22), (60, -20)), (5, (-20, -14), (-34, -20), (-50, -34))]
    for start, *steps in limbs:
        points = trunk[start] + np.array([(0, 0), *steps]) + rng.normal(0, 3, (4, 2))
        thick.add(points, 6, (1, 0.8, 0.5, 0.2))
        for share in np.linspace(0.3, 1.05, 10):
            _needles(thin, points[0] * (1 - share) + points[-1] * share + rng.normal(0, 4, 2) - (0, 5), rng)
    for _ in range(8):
        _needles(thin, trunk[6] + rng.normal(0, 9, 2), rng)
    return thick.outline(axis, girth)


def _needles(thin, heart, rng):
    """A fan of needles around `heart`."""
    for angle in np.linspace(-np.pi * 1.08, 0.08 * np.pi, 19) + rng.normal(0, 0.06, 19):
        tip = heart + rng.uniform(11, 17) * np.array([np.cos(angle), 0.72 * np.sin(angle)])
        thin.add([heart, (heart + tip) / 2, tip], 1.5, (1, 0.7, 0.3))


def _boat(thick, rng):
    """A small boat with one figure under a straw hat, and birds far off."""
    at = np.array([150 + rng.uniform(-30, 30), 432 + rng.uniform(-10, 12)])
    thick.add(at + [(-30, -5), (-12, 0), (12, 0), (30, -6)], 3.4)
    thick.add(at + [(-29, -7), (-11, -2), (12, -2), (31, -8)], 1.4)
    thick.add(at + [(2, -1), (5, -8), (7, -15)], 6.5, (1.2, 0.9, 0.5))
    thick.add(at + [(0, -14), (7, -19), (14, -14)], 2.6)
    thick.add(at + [(-4, -6), (12, -14), (26, 8)], 1.1, (1, 1, 1))
    for k in range(5):
        at, size = np.array([285 + 15 * k, 84 + 7 * abs(k - 2)]) + rng.uniform(-4, 4, 2), rng.uniform(4, 6)
        for way in (-1, 1):
            thick.add(at + size * np.array([(0, 0), (0.5 * way, -0.5), (1.2 * way, -0.25)]), 1.5)


def _writing(thick, rng):
    """Two columns of invented characters, a few strokes each."""
    for x, count in ((38, 6), (21, 4)):
        for k in range(count):
            for _ in range(rng.integers(3, 6)):
                turn = rng.choice([0.05, 1.5, 0.8, 2.3]) + rng.normal(0, 0.1)
                middle = np.array([x, 30 + 17 * k]) + rng.uniform(-5, 5, 2)
                step = rng.uniform(2, 4.5) * np.array([np.cos(turn), np.sin(turn)])
                thick.add([middle - step, middle, middle + step], 2.1, (0.8, 0.6, 1, 0.2))


def _seal(picture, side, rng):
    """Two red seals with white cuts, printed under the writing."""
    height, width = picture.shape[:2]
    worn = brush.noise(height, width, 2.5, rng) > 1.4
    x = float(_across(28, side)) - 8
    for left, top, size in ((x, 140, 17), (x + 2, 161, 12)):
        corner = np.array([left, top])
        bars = ((0.15, 0.2, 0.7, 0.1), (0.45, 0.2, 0.11, 0.6), (0.15, 0.5, 0.7, 0.1), (0.2, 0.76, 0.6, 0.1))
        cuts = [corner + size * brush.box(*bar) for bar in bars]
        red = brush.cover(height, width, [brush.box(left, top, size, size)]) - brush.cover(height, width, cuts)
        picture = brush.blend(picture, brush.rgb(RED), np.clip(red, 0, 1) * (0.92 - 0.5 * worn))
    return np.clip(picture, 0, 1).astype(np.float32)
