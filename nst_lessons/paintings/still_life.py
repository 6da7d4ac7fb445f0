"""The table that the cubist picture breaks: guitar, bottle, glass, newspaper, sheet music and fruit, flat and clearly drawn."""

import numpy as np
from PIL import Image, ImageDraw

from .brush import rgb
from .strokes import Canvas

INK = "#211c1e"


class Table(Canvas):
    """A canvas with a second sheet, `drawing`, for the lines: brushwork may cover the color, never the drawing."""

    def __init__(self, height, width):
        super().__init__(height, width, "#9a958c")
        self.drawing = Image.new("RGBA", self.image.size)

    def line(self, points, color, breadth):
        """A line through points [K, 2] on the drawing, `breadth` points wide."""
        ink = tuple((rgb(color) * 255).astype(int).tolist()) + (150,)
        coordinates = (np.asarray(points) * self.scale).ravel().tolist()
        ImageDraw.Draw(self.drawing).line(coordinates, fill=ink, width=max(1, round(breadth * self.scale)), joint="curve")

    def load(self, bands):
        """Take bands [rows, columns, 4] of 0 … 255 as the painted surface."""
        self.image = Image.fromarray(np.clip(bands, 0, 255).astype(np.uint8), "RGBA")
        self.pen = ImageDraw.Draw(self.image)


def _turned(corners, at, angle, size=1.0):
    """Corners [K, 2] turned by `angle`, scaled, and moved to `at`."""
    c, s = np.cos(angle), np.sin(angle)
    return np.asarray(corners, dtype=float) @ np.array([[c, s], [-s, c]]) * size + at


def _disk(radius, squeeze=1.0):
    turn = np.linspace(0, 2 * np.pi, 33)
    return np.column_stack([radius * np.cos(turn), squeeze * radius * np.sin(turn)])


def still_life(height, width, rng):
    """The table, still in one piece."""
    canvas = Table(height, width)
    for corners, color in [
        ([(0, 0), (150, 0), (110, 330), (0, 360)], "#40362f"), ([(150, 0), (290, 0), (300, 330), (110, 330)], "#cdb98c"),
        ([(290, 0), (410, 0), (410, 340), (300, 330)], "#6288a8"), ([(60, 0), (150, 0), (120, 330), (80, 330)], "#7a6a52"),
        ([(350, 0), (410, 0), (410, 340), (370, 335)], "#3c4a5c"),
        ([(-10, 338), (150, 312), (300, 316), (420, 348), (420, 520), (-10, 520)], "#8a5a2e"),
        ([(-10, 400), (190, 362), (420, 410), (420, 520), (-10, 520)], "#6b4424"),
        ([(20, 512), (60, 350), (210, 372), (250, 512)], "#ece2c8"),
        ([(150, 512), (170, 366), (210, 372), (250, 512)], "#b9b8b4"),
    ]:
        canvas.polygon(corners, color)
    _sheet_music(canvas, (26, 70), rng.uniform(-0.2, 0.1))
    _bottle(canvas, (332 + rng.uniform(-12, 12), 330))
    _glass(canvas, (78 + rng.uniform(-8, 8), 352))
    _newspaper(canvas, (196 + rng.uniform(-15, 15), 388), rng.uniform(-0.2, 0.1))
    _guitar(canvas, (200 + rng.uniform(-10, 10), 300), rng.uniform(0.3, 0.5))
    fruit = [(84, 440, 31, "#f0431a", "#a3241c"), (138, 462, 26, "#e0a63a", "#94601f"), (330, 438, 25, "#ee5a22", "#9c2f1e")]
    for x, y, radius, light, dark in fruit:
        _fruit(canvas, (x + rng.uniform(-6, 6), y + rng.uniform(-5, 5)), radius, light, dark)
    return canvas


def _guitar(canvas, at, angle):
    """Body split along its axis into a light and a dark half that do not quite meet, sound hole, neck, frets, strings."""
    down = np.linspace(0, 1, 40)
    bouts = 0.86 + 0.25 * np.cos(2 * np.pi * (down - 0.86))
    waist = 0.30 * np.exp(-((down - 0.42) / 0.13) ** 2)
    wide = 80 * np.sin(np.pi * down) ** 0.42 * (bouts - waist)
    y = -98 + 210 * down
    left, right = np.column_stack([-wide, y]), np.column_stack([wide, y])
    for side, slip, color in [(right, (5, -9), "#7a4a22"), (left, (-2, 3), "#d9a650")]:
        canvas.polygon(_turned(side + slip, at, angle), color)
        canvas.line(_turned(side + slip, at, angle), INK, 3.2)
    canvas.line(_turned(right * 0.88 + (2, -2), at, angle), "#e3b868", 1.4)
    canvas.line(_turned(left * 0.88, at, angle), "#f2d692", 1.8)
    canvas.polygon(_turned(_disk(30) + (0, -16), at, angle), "#f0dcaa")
    canvas.polygon(_turned(_disk(24) + (2, -16), at, angle), INK)
    canvas.line(_turned(_disk(30) + (0, -16), at, angle), INK, 1.4)
    canvas.polygon(_turned([(-10, -48), (-8, -214), (9, -214), (11, -48)], at, angle), "#33241f")
    canvas.polygon(_turned([(1, -48), (1, -214), (9, -214), (11, -48)], at, angle), "#94683a")
    canvas.polygon(_turned([(-14, -212), (-17, -262), (16, -266), (15, -212)], at, angle), "#cf9846")
    canvas.polygon(_turned([(-30, 62), (-30, 71), (32, 69), (32, 60)], at, angle), INK)
    for k, fret in enumerate(np.linspace(-204, -62, 9)):
        canvas.line(_turned([(-9, fret), (10, fret)], at, angle), "#e4d6ac", 1.5)
        if k < 3:
            canvas.polygon(_turned(_disk(5.5) + (-23, -222 - 14 * k), at, angle), "#efe3c0")
            canvas.polygon(_turned(_disk(5.5) + (22, -222 - 14 * k), at, angle), INK)
    for string in (-5.5, -1.8, 2, 5.8):
        canvas.line(_turned([(string, -252), (string * 1.6, 64)], at, angle), "#f7eed6", 1)


def _bottle(canvas, at):
    outline = [(0, 0), (30, -3), (33, -110), (27, -134), (13, -156), (12, -206), (0, -208)]
    mirror = [(-x, y) for x, y in outline]
    canvas.polygon(_turned(outline, at, 0), "#142a2c")
    canvas.polygon(_turned(mirror, np.add(at, (-3, 5)), 0), "#2c6e62")
    canvas.polygon(_turned([(-24, -20), (-22, -120), (-14, -132), (-18, -20)], at, 0), "#a9d0bc")
    canvas.polygon(_turned([(-33, -36), (-33, -92), (33, -98), (33, -42)], at, 0), "#e8dcb6")
    for k in range(4):
        canvas.line(_turned([(-26, -48 - 9 * k), (24 - 8 * (k % 2), -53 - 9 * k)], at, 0), INK, 2)
    canvas.polygon(_turned([(-13, -176), (-13, -208), (13, -210), (13, -178)], at, 0), "#e0441e")
    canvas.line(_turned(outline, at, 0), "#0f1a20", 2)
    canvas.line(_turned(mirror, np.add(at, (-3, 5)), 0), "#0f1a20", 2)


def _glass(canvas, at):
    canvas.polygon(_turned([(-27, -108), (-20, -58), (0, -46), (20, -58), (27, -108)], at, 0), "#b7c4c6")
    canvas.polygon(_turned([(-24, -86), (-20, -58), (0, -46), (20, -58), (24, -86)], at, 0), "#6e2430")
    canvas.polygon(_turned([(0, -108), (0, -46), (20, -58), (27, -108)], at, 0), "#dfe4de")
    canvas.polygon(_turned(_disk(27, 0.28) + (0, -108), at, 0), "#8fa3ac")
    canvas.polygon(_turned([(-3, -48), (-3, -6), (-24, 2), (24, 2), (3, -6), (3, -48)], at, 0), "#e9ece4")
    canvas.line(_turned([(-27, -108), (-20, -58), (0, -46), (20, -58), (27, -108)], at, 0), INK, 1.8)
    canvas.line(_turned(_disk(27, 0.28) + (0, -108), at, 0), INK, 1.6)
    canvas.line(_turned([(0, -46), (0, -4), (-24, 2), (24, 2), (0, -4)], at, 0), INK, 1.6)


def _sheet_music(canvas, at, angle):
    canvas.polygon(_turned([(0, 0), (112, -8), (118, 92), (4, 100)], at, angle), "#efe6cb")
    for row in (14, 52):
        for k in range(5):
            canvas.line(_turned([(6, row + 6 * k), (110, row + 6 * k - 7)], at, angle), "#3a3434", 1)
        for k, rise in enumerate([12, 3, 18, 9, 21, 6]):
            x, y = 16 + 16 * k, row + rise
            canvas.polygon(_turned(_disk(4.2, 0.75) + (x, y), at, angle), INK)
            canvas.line(_turned([(x + 4, y), (x + 4, y - 22)], at, angle), INK, 1.4)


def _newspaper(canvas, at, angle):
    canvas.polygon(_turned([(0, 0), (136, -14), (150, 84), (10, 104)], at, angle), "#eadfc2")
    turn = np.linspace(0, np.pi, 9)      # the three letters that every cubist paper shows: JOU(RNAL)
    bowl = np.column_stack([-11 * np.cos(turn), 11 * np.sin(turn)])
    hook = np.vstack([[(22, 0), (22, 26)], bowl[::-1] + (11, 26)])
    cup = np.vstack([[(68, 0)], bowl + (79, 26), [(90, 0)]])
    for letter in (hook, _disk(13, 1.4) + (45, 19), cup):
        canvas.line(_turned(letter + (14, 14), at, angle), INK, 5)
    for k in range(7):
        canvas.line(_turned([(14, 62 + 5 * k), (132 - 22 * (k % 3), 54 + 5 * k)], at, angle), "#57504a", 1.7)


def _fruit(canvas, at, radius, light, dark):
    canvas.polygon(_turned(_disk(radius * 1.15, 0.5) + (6, 0.75 * radius), at, 0), "#3a2a26")
    canvas.polygon(_turned(_disk(radius), at, 0), light)
    canvas.polygon(_turned(_disk(radius)[-9:].tolist() + _disk(radius)[:9].tolist() + [(-0.1 * radius, 0)], at, 0), dark)
    canvas.polygon(_turned(_disk(radius * 0.26) + (-0.42 * radius, -0.42 * radius), at, 0), "#f7e2b0")
    canvas.line(_turned([(0, -0.7 * radius), (4, -1.25 * radius)], at, 0), INK, 2.4)
    canvas.line(_turned(_disk(radius)[8:26], at, 0), INK, 1.6)
