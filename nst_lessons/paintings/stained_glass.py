"""A rose window: petals of ruby, cobalt, emerald and gold glass in leads of several widths, with the sun behind."""

import numpy as np
from scipy.ndimage import gaussian_filter

from . import brush

ASPECT = 1
CENTER = np.array([256.0, 256.0])
LEAD = "#15120f"
GLASS = {
    "ruby": ["#8f0d1c", "#c3162a", "#e2343a"],
    "cobalt": ["#0d2a86", "#1746c0", "#2f74dd"],
    "emerald": ["#0b5c3c", "#158a52", "#4cb870"],
    "gold": ["#e09a14", "#f7c02d", "#ffdf73"],
    "violet": ["#4a1a78", "#7434a8", "#a468cf"],
    "pearl": ["#d9e4d0", "#eef0da", "#fbf6e2"],
    "sky": ["#2f93b8", "#5cbcd4", "#9fdde2"],
}
# Petals, the other petals, their inlaid leaves, the field behind them, the heart.
SCHEMES = [("ruby", "emerald", "pearl", "gold", "cobalt", "ruby"), ("ruby", "cobalt", "gold", "sky", "emerald", "ruby"),
           ("violet", "cobalt", "gold", "sky", "emerald", "ruby"), ("cobalt", "ruby", "sky", "gold", "emerald", "violet")]


def draw(height, width, rng):
    """A rose window of height × width pixels."""
    window = _Window(rng)
    petals = int(rng.choice([10, 12, 14]))
    _corners(window)
    _rings(window, petals, SCHEMES[rng.integers(len(SCHEMES))])
    base = brush.canvas(np.zeros((height, width, 3), dtype=np.float32) + brush.rgb(LEAD))
    leaded = brush.lay(base, window.outlines, window.fills)
    return _lit(leaded[..., :3], leaded[..., 3], rng)


class _Window:
    """Collects panes and leads in the order of setting: a later pane covers what it overlaps."""

    def __init__(self, rng):
        self.rng, self.outlines, self.fills = rng, [], []

    def pane(self, outline, glass, lead=3.0):
        """Set a pane [K, 2] of the glass so called, with a lead of that width around it."""
        color = brush.palette(self.rng.random(), GLASS[glass]) * self.rng.uniform(0.88, 1.08)
        outline = np.asarray(outline, dtype=float)
        around = np.concatenate([outline[-1:], outline, outline[:2]])
        left, right = np.split(brush.ribbon(around, np.full(len(around), lead)), 2)
        self.outlines += [outline, np.concatenate([left[1:-1], right[1:-1]])]
        self.fills += [np.append(color, 0.0), np.append(brush.rgb(LEAD), 1.0)]

    def line(self, path, wide, painted=True):
        """A line of dark paint on the glass, or a lead where `painted` is False."""
        self.outlines.append(brush.ribbon(np.asarray(path, dtype=float), np.full(len(path), wide)))
        self.fills.append(np.append(brush.rgb(LEAD), 0.0 if painted else 1.0))

    def disc(self, center, radius, glass, lead=2.4):
        """Set a round pane."""
        turn = np.linspace(0, 2 * np.pi, 36, endpoint=False)
        self.pane(center + radius * np.stack([np.cos(turn), np.sin(turn)], axis=1), glass, lead)

    def flower(self, center, radius, leaves, glass, heart, lead=2.0):
        """Petals around a round heart."""
        spin = self.rng.uniform(0, 6)
        for k in range(leaves):
            self.pane(_petal(center, spin + 2 * np.pi * k / leaves, 0.2 * radius, radius, 2.3 * radius / leaves), glass, lead)
        self.disc(center, 0.34 * radius, heart, lead)


def _at(radius, angle):
    """Points of the window in polar coordinates."""
    return CENTER + np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1)


def _sector(inner, outer, start, end):
    """A piece of a ring."""
    turn = np.linspace(start, end, 10)
    return np.concatenate([_at(outer, turn), _at(inner, turn[::-1])])


def _petal(center, angle, inner, outer, half, blunt=0.75):
    """A pointed leaf that grows from `inner` to `outer` along `angle`."""
    t = np.linspace(0, 1, 16)
    along, side = inner + (outer - inner) * t, half * np.sin(np.pi * t ** blunt)
    along, side = np.append(along, along[-2:0:-1]), np.append(side, -side[-2:0:-1])
    axis = np.array([np.cos(angle), np.sin(angle)])
    return center + along[:, None] * axis + side[:, None] * np.array([-axis[1], axis[0]])


def _corners(window):
    """Four spandrels: rays of blue glass, a flower in each, and a border of small panes."""
    for k in range(72):
        start = 2 * np.pi * k / 72 + window.rng.uniform(-0.015, 0.015)
        for inner, outer in ((230, 268), (268, 305), (305, 380)):
            glass = window.rng.choice(["cobalt", "cobalt", "cobalt", "cobalt", "violet", "sky"])
            window.pane(_sector(inner, outer, start, start + 2 * np.pi / 72), glass, 2.2)
    for dx in (-1, 1):
        for dy in (-1, 1):
            spot = CENTER + 207 * np.array([dx, dy])
            window.disc(spot, 40, "emerald", 4)
            window.flower(spot, 37, 6, "ruby", "gold")
    for k in range(24):
        for side in range(4):
            low, high = 512 * k / 24, 512 * (k + 1) / 24
            box = np.array([(low, 0), (high, 0), (high, 13), (low, 13)])
            box = [box, 512 - box, box[:, ::-1], 512 - box[:, ::-1]][side]
            window.pane(box, ["ruby", "gold", "emerald", "pearl"][(k + side) % 4] if k % 2 else "cobalt", 3)


def _rings(window, petals, scheme):
    """The rose, from the rim to the heart."""
    first, second, inlay, other, field, heart = scheme
    step = 2 * np.pi / petals
    for k in range(4 * petals):
        window.pane(_sector(212, 234, k * step / 4, (k + 1) * step / 4), [first, "gold", first, "pearl"][k % 4], 3)
    for k in range(petals):
        angle = (k + 0.5) * step
        for share in (-0.5, -0.25, 0, 0.25):
            for inner, outer in ((84, 130), (130, 165), (165, 212)):
                glass = "violet" if inner == 130 else window.rng.choice([field, field, "violet"])
                window.pane(_sector(inner, outer, angle + share * step, angle + (share + 0.25) * step), glass, 2)
    for k in range(petals):
        angle = k * step
        _lancet(window, angle, 84, 208, 420 / petals * 0.96, (first, second)[k % 2], (inlay, other)[k % 2])
        window.disc(_at(184, angle + step / 2), 245 / petals, "sky", 4)
        window.flower(_at(184, angle + step / 2), 215 / petals, 5, "gold" if k % 2 else "ruby", "pearl", 1.5)
    for k in range(2 * petals):
        window.pane(_sector(72, 86, k * step / 2, (k + 1) * step / 2), ("gold", field)[k % 2], 3.4)
    for k in range(petals):
        window.pane(_sector(20, 72, (k - 0.5) * step, (k + 0.5) * step), second, 2)
    for k in range(petals):
        window.pane(_petal(CENTER, k * step, 14, 71, 150 / petals), heart, 3)
        window.pane(_petal(CENTER, k * step, 24, 56, 70 / petals), "gold", 1.8)
    window.disc(CENTER, 25, "violet", 4)
    window.flower(CENTER, 23, 8, "gold", "ruby", 1.5)


def _lancet(window, angle, inner, outer, half, glass, inlay):
    """A large petal: a mosaic of its own glass, an inlaid leaf with painted veins, a bead at the tip."""
    window.pane(_petal(CENTER, angle, inner - 14, outer, half), glass, 5)
    axis, t = np.array([np.cos(angle), np.sin(angle)]), np.linspace(0, 1, 16)
    for low in np.arange(inner, outer - 18, 17):        # the leaf is cut across, each piece a shade of its own
        share = (low - inner + 14) / (outer - inner + 14), (low + 17 - inner + 14) / (outer - inner + 14)
        for side in (-1, 1):
            wide = [0.93 * half * np.sin(np.pi * s ** 0.75) for s in share]
            middle = [CENTER + axis * (low + d) for d in (0, 17)]
            across = side * np.array([-axis[1], axis[0]])
            window.pane([middle[0], middle[0] + across * wide[0], middle[1] + across * wide[1], middle[1]], glass, 1.6)
    window.pane(_petal(CENTER, angle, inner, outer - 34, 0.56 * half), inlay, 3)
    for s in np.arange(0.2, 0.85, 0.09):
        root = CENTER + axis * (inner + (outer - 34 - inner) * s)
        for side in (-1, 1):
            tip = root + axis * 7 + side * 0.42 * half * np.sin(np.pi * s ** 0.75) * np.array([-axis[1], axis[0]])
            window.line([root, (root + tip) / 2 + axis * 1.2, tip], 0.9)
    window.line([CENTER + axis * inner, CENTER + axis * (outer - 40)], 1.6)
    window.disc(CENTER + axis * (outer - 24), 0.3 * half, "pearl", 2.4)


def _lit(color, lead, rng):
    """Sunlight through antique glass: streaks, bubbles, a glow that spills over the leads, and metal that shines a little."""
    height, width = lead.shape
    scale = brush.scale_of(height, width)
    wander = brush.noise(height, width, 45, rng) * 2
    streaks = brush.smear(brush.noise(height, width, 2.2, rng), brush.flow(np.cos(wander), np.sin(wander)), 14)
    hammered = brush.noise(height, width, 5, rng)
    y, x = brush.grid(height, width)
    far = brush.smoothstep(150, 330, np.hypot(x - CENTER[0], y - CENTER[1]))
    near = gaussian_filter(lead, 3.5 * scale)
    light = 1.08 + 0.3 * streaks + 0.1 * hammered - 0.42 * near + 0.1 * brush.noise(height, width, 100, rng) - 0.3 * far
    glass = color * light[..., None] + 0.22 * np.maximum(streaks - 0.35, 0)[..., None]
    glass = glass + 0.5 * (brush.noise(height, width, 3, rng) > 2.6)[..., None] * color
    metal = brush.rgb("#2a2622") * (1 + 0.25 * brush.noise(height, width, 3, rng))[..., None]
    metal = brush.relief(metal, gaussian_filter(lead, 0.9 * scale), 1.6)
    picture = brush.blend(np.clip(glass, 0, 1), metal, lead)
    halo = gaussian_filter(picture, (5 * scale, 5 * scale, 0))
    return np.clip(picture + 0.3 * halo * halo, 0, 1).astype(np.float32)
