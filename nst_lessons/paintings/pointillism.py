"""Pointillism: a Sunday on the river bank, in dots of pure pigment that the eye mixes."""

import numpy as np
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter

from .brush import palette, rgb
from .strokes import Canvas, bumps, colors, follow, pick, scatter

ASPECT = 4 / 3
_WIDTH, _HEIGHT = 512, 384
_PIGMENTS = colors(
    "#f6e7a0", "#f2c933", "#efa42c", "#ee7a26", "#dc3a22", "#c23a5e", "#7e3f86", "#4b3f95", "#2f3f8f", "#2c62ad", "#3f93c4",
    "#8cc3dd", "#1f6f66", "#2f8f58", "#74ad3f", "#b9cf4a", "#e4e9b0", "#f8d3b4", "#e9a7a0", "#c8b3d6", "#f7f3e4", "#dfe9ee",
    "#1d2450", "#153f3c", "#5a2440", "#8a5a2a")


def draw(height, width, rng):
    """The picture [height, width, 3] in [0, 1]."""
    scene = _scene(rng)
    # Ground beside a dark figure is painted lighter, beside a light one darker: Seurat's "irradiation".
    scene = np.clip(scene + 0.45 * (scene - gaussian_filter(scene, (7, 7, 0))), 0, 1)
    canvas = Canvas(height, width, "#e9dcb8")
    grain = bumps(rng, (8, 26)) * 0.35
    starts = scatter(rng, 7, (-8, -4, _WIDTH, _HEIGHT + 4))
    canvas.strokes(follow(starts, pick(grain, starts), 13, 4), 7.5, pick(scene, starts), rng, bristles=2, streak=0.05)
    # Where the scene is plain the dots are large, where it is full of detail they are small.
    detail = gaussian_filter(np.abs(scene - gaussian_filter(scene, (2, 2, 0))).sum(-1), 4)
    for spacing, radius, spread in [(6.4, 3.7, 0.13), (4.2, 2.2, 0.16), (4.8, 1.4, 0.2)]:
        places = scatter(rng, spacing, (-4, -4, _WIDTH + 4, _HEIGHT + 4))
        wish = pick(scene, places)
        radius = radius * np.clip(1.25 - 2.5 * pick(detail, places), 0.7, 1.2)
        pigment = _nearest_pigment(wish + spread * rng.standard_normal(wish.shape))
        radius = radius * rng.uniform(0.75, 1.2, len(places))
        canvas.dabs(places, radius, 0.35 * wish + 0.65 * pigment, rng.uniform(0.4, 0.9, len(places)))
    return canvas.finish(0.35)


def _nearest_pigment(wishes):
    """The pigment nearest to each wished color [N, 3]; where the wishes are noisy, the dots average to what was wished."""
    return _PIGMENTS[np.argmin(((wishes[:, None] - _PIGMENTS) ** 2).sum(-1), axis=1)]


def _scene(rng):
    """What is painted: colors [512, 512, 3], one sample per point."""
    y, x = np.mgrid[:512, :512].astype(np.float32)
    drift = np.kron(bumps(rng, (14, 70)), np.ones((2, 2)))
    scene = palette(y / 118 + 0.10 * drift, ["#6fa3d8", "#9cc4e4", "#cfdde6", "#f3dfc8", "#f0c3ac"])
    river = palette((y - 118) / 170 + 0.16 * drift, ["#dfe6df", "#9cc4dc", "#5f9ccb", "#3a72b0", "#2f5a9c"])
    scene[118:] = river[118:]
    image = Image.fromarray((scene * 255).astype(np.uint8))
    pen = ImageDraw.Draw(image)
    _far_bank(pen, rng)
    _sails(pen, rng)
    image = _lawn(image, x, y, drift, rng)
    pen = ImageDraw.Draw(image)
    _people(pen, rng)
    _trees(pen, rng)
    return np.asarray(image, dtype=np.float32) / 255


def _far_bank(pen, rng):
    crest = 20 + 9 * np.repeat(bumps(rng, 30)[0], 2) + 8 * np.repeat(bumps(rng, 90)[1], 2)
    edge = list(zip(range(512), (118 - np.maximum(crest, 4)).tolist()))
    pen.polygon(edge + [(511, 120), (0, 120)], fill="#5f8f94")
    lower = [(x, 118 - 0.45 * (118 - y)) for x, y in edge]
    pen.polygon(lower + [(511, 121), (0, 121)], fill="#3f7a5c")
    for left in rng.permutation(np.arange(14, 320, 44))[:5] + rng.uniform(-12, 12, 5):
        wide, tall, roof = rng.uniform(12, 30), rng.uniform(9, 16), rng.uniform(6, 11)
        wall, tile = rng.choice(["#f6efdc", "#f4dcb8", "#e0dcec"]), rng.choice(["#e0703a", "#c85a4a", "#8f7ab0", "#d89a5a"])
        pen.rectangle((left, 117 - tall, left + wide, 117), fill=wall)
        pen.rectangle((left + 0.65 * wide, 117 - tall, left + wide, 117), fill="#b0a8cc")
        ridge = rng.uniform(0.15, 0.5) * wide
        top = [(left - 2, 118 - tall), (left + ridge, 118 - tall - roof), (left + wide - ridge, 118 - tall - roof)]
        pen.polygon(top + [(left + wide + 2, 118 - tall)], fill=tile)
    pen.rectangle((0, 117, 511, 119), fill="#f0e2b4")


def _sails(pen, rng):
    white, tan = "#fdf6e2", "#f2b46a"
    for x, base, tall, cloth in [(66, 176, 104, white), (158, 148, 62, tan), (222, 132, 34, white), (20, 138, 36, white)]:
        x, lean = x + rng.uniform(-14, 14), rng.uniform(0.04, 0.10) * tall
        hull = [(-0.3, 0), (-0.22, 0.1), (0.26, 0.1), (0.36, 0)]
        pen.polygon([(x + a * tall, base + b * tall) for a, b in hull], fill="#5a2a3a")
        pen.polygon([(x, base - 2), (x + lean, base - tall), (x + 0.42 * tall, base - 0.06 * tall)], fill=cloth)
        pen.polygon([(x - 2, base - 2), (x + lean - 2, base - 0.9 * tall), (x - 0.26 * tall, base - 0.04 * tall)], fill="#a9a6d0")
        for k in range(7):
            at, half = base + 0.14 * tall + k * 0.085 * tall, tall * (0.26 - 0.03 * k)
            shift = rng.uniform(-2, 6)
            pen.rectangle((x + shift - half * 0.7, at, x + shift + half, at + 0.035 * tall), fill=cloth)


def _lawn(image, x, y, drift, rng):
    """The near bank: sunlit grass, and the shade of trees that stand before the picture."""
    across = x / 512
    shore = 300 - 165 * across ** 0.62 + 5 * np.sin(9 * across + rng.uniform(0, 6))
    grass = palette(0.5 + 0.26 * drift + 0.0012 * (y - 240), ["#f0e58a", "#cfd95c", "#a3c24a", "#78a844"])
    shade = palette(0.5 + 0.3 * drift, ["#4f8a4f", "#2f6b58", "#244f6a", "#2f3f78"])
    edge = 322 + 9 * np.sin(x / 38 + rng.uniform(0, 6)) + 10 * np.sin(x / 90 + rng.uniform(0, 6)) - 30 * across
    dark = y > edge
    for left, top, wide in [(280, 212, 84), (245, 262, 120), (470, 176, 70)]:
        dark |= ((x - left) / wide) ** 2 + ((y - top - 0.05 * (x - left) + 5 * drift) / (0.055 * wide)) ** 2 < 1
    grass[dark] = shade[dark]
    scene = np.asarray(image, dtype=np.float32) / 255
    sand = (y > shore - 4) & (y <= shore)
    scene = np.where((y > shore)[..., None], grass, np.where(sand[..., None], rgb("#f4dfa6"), scene))
    return Image.fromarray((scene * 255).astype(np.uint8))


def _figure(pen, x, ground, tall, parts, mirror=False):
    """Fill polygons given in heights of the figure: x from its middle, y up from its feet."""
    side = -tall if mirror else tall
    for color, corners in parts:
        pen.polygon([(x + side * a, ground - tall * b) for a, b in corners], fill=color)


def _disk(a, b, wide, tall):
    turn = np.linspace(0, 2 * np.pi, 14)
    return list(zip((a + wide * np.cos(turn)).tolist(), (b + tall * np.sin(turn)).tolist()))


def _lady(dress, light, hat, parasol=None, glow=None, rim="#f4c890"):
    """A lady in profile with a bustle, edged with warm light; she holds a parasol if it has a color."""
    parts = []
    if parasol:
        ribs = [(-.42, .95), (-.31, .99), (-.20, .95), (-.09, .99), (.02, .95), (.13, .99), (.24, .95)]
        dome = [(-.09 + .33 * np.cos(turn), .95 + .23 * np.sin(turn)) for turn in np.linspace(np.pi, 0, 13)]
        parts += [(parasol, dome + ribs[::-1]), (glow, [*ribs[:3], (-.17, 1.08), (-.09, 1.18), (-.24, 1.15), (-.36, 1.08)]),
                  ("#a83a5e", [*ribs[4:], (.19, 1.06), (.07, 1.15), (-.09, 1.18), (-.01, 1.07)])]
    parts += [
        (dress, [(-.13, 0), (-.12, .25), (-.07, .50), (-.06, .57), (.03, .57),
                 (.11, .60), (.19, .53), (.20, .40), (.17, .2), (.20, 0)]),
        (rim, [(.11, .61), (.20, .54), (.21, .40), (.18, .2), (.21, 0), (.17, 0), (.145, .2), (.17, .40), (.16, .52)]),
        (light, [(-.13, 0), (-.12, .25), (-.07, .50), (-.03, .55), (-.05, .25), (-.03, 0)]),
        (dress, [(-.06, .55), (-.10, .69), (-.06, .79), (-.02, .83), (.04, .80), (.06, .68), (.04, .55)]),
        (light, [(-.06, .57), (-.10, .69), (-.06, .79), (-.03, .68)]),
        ("#eeb996", _disk(-.025, .89, .045, .06)), (dress, [(-.04, .80), (-.03, .86), (.03, .86), (.04, .80)]),
        ("#8a4a3a", _disk(.02, .90, .035, .045)),
        (hat, [(-.09, .925), (.06, .935), (.06, .98), (.0, 1.02), (-.04, .97)]),
    ]
    if parasol:
        parts.append(("#7a4a3a", [(-.20, .50), (-.18, .50), (-.10, 1.08), (-.12, 1.08)]))
    # The arm is lighter than the dress, so that one sees it reach for the pole.
    arm = [(.03, .78), (.05, .71), (.0, .59), (-.16, .68), (-.17, .75), (-.02, .68)]
    return parts + [(light, arm), (rim, [(.05, .71), (.0, .59), (-.16, .68), (-.15, .70), (.0, .63), (.03, .71)]),
                    ("#f8d3b4", _disk(-.165, .715, .035, .03))]


def _gentleman(coat, light):
    return [
        ("#5a549c", [(-.07, 0), (-.05, .5), (.07, .5), (.08, 0), (.02, 0), (.01, .4), (-.01, 0)]),
        ("#a58cc0", [(-.07, 0), (-.05, .4), (-.02, .4), (-.04, 0)]),
        (coat, [(-.09, .36), (-.09, .7), (-.06, .82), (.05, .82), (.09, .7), (.10, .36)]),
        (light, [(-.09, .36), (-.09, .7), (-.06, .82), (-.02, .8), (-.03, .4)]), ("#eeb996", _disk(-.015, .875, .042, .06)),
        ("#f0b878", [(.05, .83), (.095, .7), (.105, .36), (.075, .36), (.065, .68)]),
        (coat, [(-.075, .905), (.06, .915), (.06, .93), (.04, .93), (.04, 1.0), (-.05, 1.0), (-.05, .925), (-.075, .92)]),
        ("#e89a5a", [(.04, .93), (.04, 1.0), (.02, 1.0), (.02, .93)]),
        (light, [(-.04, .74), (.02, .74), (.0, .56), (-.12, .47), (-.13, .42), (-.01, .49), (.04, .56)]),
        ("#f8d3b4", _disk(-.13, .45, .025, .02)),
        ("#8a5a2a", [(-.17, 0), (-.16, 0), (-.13, .45), (-.14, .45)]),
    ]


def _sitter(dress, light, hat):
    return [
        (dress, [(-.62, 0), (-.60, .12), (-.3, .28), (-.12, .34), (-.12, .55), (-.04, .72),
                 (.08, .74), (.17, .6), (.18, .3), (.30, .1), (.30, 0)]),
        (light, [(-.62, 0), (-.60, .12), (-.3, .28), (-.12, .34), (-.12, .55), (-.06, .68), (-.03, .4), (-.2, .2), (-.4, .06)]),
        ("#eeb996", _disk(.0, .82, .075, .09)),
        (hat, [(-.15, .87), (.13, .87), (.10, .92), (.07, 1.0), (-.07, 1.0), (-.09, .92)]),
    ]


def _people(pen, rng):
    small = [("#d84a34", "#f0805a", "#f2d060"), ("#3f4f9a", "#7a94cc", "#f2d060"),
             ("#f4ead2", "#ffffff", "#e08a3a"), ("#7e4a8a", "#b48ac0", "#f6efdc")]
    for k, x in enumerate(np.linspace(215, 500, 7) + rng.uniform(-12, 12, 7)):
        ground = 300 - 165 * (x / 512) ** 0.62 + rng.uniform(18, 70)
        tall = 0.34 * (ground - 100)
        dress, light, hat = small[rng.integers(4)]
        lady = _lady(dress, light, hat, "#f6efdc", "#ffffff")
        person = [lady, _gentleman("#4a4a90", "#7a8ac0"), _sitter(dress, light, hat)][k % 3]
        shadow = [(x, ground - 2), (x + 0.7 * tall, ground - 2), (x + 0.9 * tall, ground + 3), (x, ground + 3)]
        pen.polygon(shadow, fill="#4f8a58")
        _figure(pen, x, ground, tall * (0.6 if k % 3 == 2 else 1), person, mirror=bool(rng.integers(2)))
    left = rng.uniform(380, 400)
    _figure(pen, left + 60, 362, 186, _gentleman("#3f4a96", "#7f8cd0"))
    _figure(pen, left, 374, 184, _lady("#6a4698", "#c49ad8", "#4b3f95", "#d8402c", "#f49a54"))
    seat = rng.uniform(96, 130)
    _figure(pen, seat, 352, 92, _sitter("#e9ddd0", "#fffaf0", "#f0a83a"))
    _figure(pen, seat + 74, 364, 84, _sitter("#2c4f9a", "#6a9ad0", "#f2d060"), mirror=True)
    dog = [(0, 0), (1, 13), (-2, 21), (-9, 29), (-6, 32), (3, 25), (24, 25), (29, 36), (33, 41), (36, 36), (46, 32), (46, 28),
           (36, 26), (33, 17), (34, 0), (29, 0), (27, 12), (9, 12), (6, 0)]
    back = [(-9, 29), (-6, 33), (3, 26), (24, 26), (29, 37), (33, 42), (36, 37), (46, 33), (46, 30), (33, 30), (27, 20), (3, 20)]
    _figure(pen, left - 118, 366, 1.25, [("#a85a34", dog), ("#f4cc94", back)])


def _trees(pen, rng):
    """Trunks and a roof of leaves on the right: clumps, dark below and light where the sun comes through."""
    for x, ground, wide in [(492, 306, 16), (318, 222, 6), (258, 196, 4)]:
        x = x + rng.uniform(-8, 8)
        sides = [(-1, ground), (-.5, 60), (-1, 0)]
        for color, edge in [("#5a3a5e", [(.6, 0), (.5, 60), (1, ground)]), ("#c87a4a", [(-.4, 0), (-.1, 60), (-.4, ground)])]:
            pen.polygon([(x + a * wide, b) for a, b in sides + edge], fill=color)
    clumps = 260
    at = np.column_stack([rng.uniform(215, 530, clumps), np.zeros(clumps)])
    hang = 30 + 16 * np.sin(at[:, 0] / 27 + rng.uniform(0, 6)) + 0.24 * (at[:, 0] - 215)
    at[:, 1] = np.sort(rng.uniform(-0.1, 1, clumps)) * hang
    sizes, tints = rng.uniform(7, 19, clumps), rng.integers(3, size=clumps)
    for (x, y), size, tint in zip(at, sizes, tints):
        pen.ellipse((x - size * 1.3, y - size * .7, x + size * 1.3, y + size * .7), fill=("#1f5a50", "#2f7048", "#263f74")[tint])
        pen.ellipse((x - size * 1.2, y - size * .7, x + size * .2, y - size * .05), fill=("#5f9a3f", "#a8c450", "#3f8a5a")[tint])
