"""Lesson 10: what size costs in time and memory, at once and in tiles; how the tiles lie; and a Gram matrix made from them."""
import functools

import numpy as np
import torch
from PIL import Image, ImageDraw

from ..features import Features
from ..gram import gram_matrix
from ..images import resize
from .canvas import bars, heat, photo, sheet
from .captions import ask
from .controls import choice, load_sample, slider
from .explorer import Explorer

SIZES = [512, 1024, 2048, 4096, 8192]
# One evaluation on one core of an AMD EPYC with AVX-512 BF16, measured at 512 px (benchmarks/scale.py); larger sizes are reckoned.
SECONDS = {("tiny", "fp32"): 4.8, ("tiny", "bf16"): 2.8, ("vgg19", "fp32"): 16.4, ("vgg19", "bf16"): 9.0}      # a million px
BYTES = {("tiny", "fp32"): 2510, ("tiny", "bf16"): 2050, ("vgg19", "fp32"): 2500, ("vgg19", "bf16"): 2200}     # a px
TARGETS, PICTURES, PROGRAM = {"tiny": 72, "vgg19": 96}, 48, 0.7             # bytes a px that stay; the same of four pictures; GiB
REACH, STRIDE = 80, 16                                                      # px, of relu5_1
_ORANGE, _BLUE, _RED, _TWICE = "#E69F00", "#56B4E9", (213, 94, 0), (240, 228, 66)
_SIDE = 300                                                                 # px, of the picture as drawn
_LAYER, _SMALL, _CUT, _STEP, _ENOUGH = "relu3_1", 128, 64, 4, 16            # what the learner's own Gram matrix is made of; px
_CHANNELS, _TABLE = 32, 192                                                 # so many are drawn, on so many px


class ScaleExplorer(Explorer):
    """Tiles by the learner's own cut(length, tile, margin, stride) → [(start, stop, wide_start, wide_stop)], and what they cost.

    Seconds and GiB are reckoned from measured ones, per pixel that the network is shown. Places that no tile owns are drawn
    red, those that several own yellow. `gram`: the learner's gram(see, picture, down, across, stride), if there is one: its table,
    from tiles with the margin that is set, stands beside that of the whole.
    """
    width = 620

    def __init__(self, cut, gram=None, picture="astronaut", size=2048, tile=512):
        self.cut, self.gram = cut, gram
        self.size = choice("size (px)", SIZES, size, "side of the square picture that is to be painted")
        self.tile = slider("tile (px)", tile, 128, 2048, 64, "side of a tile, about; as large as the picture: no tiles")
        self.margin = slider("margin (px)", _ENOUGH if gram else REACH, 0, 160, 16, "what the network is shown around a tile")
        self.one = slider("tile shown", 6, 1, 16, 1, "orange: its own part; blue: what the network is shown for it")
        self.network = choice("network", list(TARGETS), "tiny", "the embedded one, or VGG-19")
        self.precision = choice("precision", ["fp32", "bf16"], "fp32", "bits of the network's numbers: 32 or 16")
        self._photo = functools.cache(lambda: photo(_square(load_sample(picture, 384)), _SIDE))
        self._small = functools.cache(lambda: resize(_square(load_sample(picture, 384)), _SMALL))
        self._features = functools.cache(lambda: Features("tiny"))
        self._whole = functools.cache(lambda: gram_matrix(self._see(self._small()))[0])
        self._pieced = functools.cache(self._from_tiles)
        super().__init__([self.size, self.tile, self.margin, self.one, self.network, self.precision])

    def __repr__(self):
        given = [f"{name}={getattr(one, '__name__', 'function')}" for name, one in (("cut", self.cut), ("gram", self.gram)) if one]
        return f"ScaleExplorer({', '.join(given)})"

    def _parts(self):
        """The learner's parts of one side; ValueError, in plain words, when it is another thing."""
        parts = self.cut(self.size.value, self.tile.value, self.margin.value, STRIDE)
        if not isinstance(parts, (list, tuple)) or not parts:
            raise ValueError(f"your function should return a list of parts, it returned {parts!r}"[:200])
        for part in parts:
            if not isinstance(part, (list, tuple)) or len(part) != 4 or not all(isinstance(end, int) for end in part):
                raise ValueError(f"a part is four whole numbers (start, stop, wide_start, wide_stop), yours is {part!r}"[:200])
        return parts

    def draw(self):
        parts, size = self._parts(), self.size.value
        windows = sum(max(0, stop - start) for *_, start, stop in parts) ** 2                 # px shown to the network, all tiles
        widest = max(stop - start for *_, start, stop in parts) ** 2
        kind, again = (self.network.value, self.precision.value), 4 / 3 if len(parts) > 1 else 1     # several tiles are seen twice
        kept = size**2 * (TARGETS[kind[0]] + PICTURES)
        seconds = [SECONDS[kind] * px / 1e6 for px in (size**2, windows * again)]
        memory = [PROGRAM + (px * BYTES[kind] + kept) / 2**30 for px in (size**2, widest)]
        costs = bars([("time (s)", *seconds, _ORANGE, ""), ("memory (GiB)", *memory, _BLUE, "")], 2 * _SIDE - 20, 0.1, 3000)
        lain = self._lain(parts)
        words = f"{len(parts)}² tiles, margins are {1 - size**2 / max(windows, 1):.0%} of what the network is shown"
        margin = "" if len(parts) == 1 or self.margin.value >= REACH else f"; {self.margin.value} px are less than relu5_1 looks: there will be seams"
        rows = [[("the tiles", lain[0]), ("one tile and its window", lain[1])],
                [("Reckoned for one evaluation: mark = whole picture at once, bar = from there to tiles", costs)]]
        text = f"{seconds[0]:,.3g} s and {memory[0]:.3g} GiB at once, {seconds[1]:,.3g} s and {memory[1]:.3g} GiB in tiles: {words}{margin}"
        if self.gram:
            row, told = self._tables()
            rows, text = [row, *rows], f"{told}. {text}"
        return sheet(rows), text

    def _see(self, window):
        return self._features()(window, [_LAYER])[_LAYER]

    def _from_tiles(self, margin):
        """The learner's Gram matrix [C, C] of a small picture in four tiles with this margin; ValueError when it is no such thing."""
        parts = self.cut(_SMALL, _CUT, margin, _STEP)
        table, shape = ask(self.gram, self._see, self._small(), parts, parts, _STEP), (1, *self._whole().shape)
        if not isinstance(table, torch.Tensor) or table.shape != shape or not table.isfinite().all():
            got = list(table.shape) if isinstance(table, torch.Tensor) else type(table).__name__
            raise ValueError(f"your Gram matrix should be {list(shape)}, all numbers finite; it is {got}")
        return table[0].detach()

    def _tables(self):
        """A row of three tables, of the whole picture, by the learner, and their difference; and a sentence about them."""
        whole, mine = self._whole(), self._pieced(self.margin.value)
        few = whole.diagonal().topk(_CHANNELS).indices.sort().values
        one, other = (table[few][:, few] for table in (whole, mine))
        one, other = (table.clamp_min(0).sqrt() for table in (one, other))          # roots: faint entries show too
        limit = one.max().item()
        row = [(f"{_LAYER}, the whole", heat(one, _TABLE, limit)), ("yours, from four tiles", heat(other, _TABLE, limit)),
               ("the difference, tenfold", heat(10 * (other - one), _TABLE, limit, signed=True))]
        return row, f"Your Gram matrix, {_SMALL} px in four tiles, is {((mine - whole).norm() / whole.norm()).item():.2%} off"

    def _lain(self, parts):
        """Two pictures: how often each place is owned, with the lines between tiles; and one tile with its window."""
        size, scale = self.size.value, _SIDE / self.size.value
        owned = np.zeros(_SIDE, int)
        for start, stop, *_ in parts:
            owned[round(start * scale):round(stop * scale)] += 1
        times, pixels = owned[:, None] * owned[None], np.asarray(self._photo()).copy()
        pixels[times == 0], pixels[times > 1] = _RED, _TWICE
        lines, window = Image.fromarray(pixels), Image.fromarray(pixels // 3 + 80)
        draw = ImageDraw.Draw(lines)
        for start, *_ in parts[1:]:
            at = round(start * scale)
            draw.line((at, 0, at, _SIDE), "white")
            draw.line((0, at, _SIDE, at), "white")
        number = (self.one.value - 1) % len(parts) ** 2
        (top, bottom, up, low), (left, right, west, east) = parts[number // len(parts)], parts[number % len(parts)]
        wide, own = ([min(max(0, round(end * scale)), _SIDE) for end in box] for box in ((west, up, east, low), (left, top, right, bottom)))
        draw = ImageDraw.Draw(window)
        for box, color, width in ((wide, _BLUE, 4), (own, _ORANGE, 2)):
            if box[2] > box[0] and box[3] > box[1]:                        # a wrong cut may give an empty part
                if color == _BLUE:
                    window.paste(Image.fromarray(pixels[box[1]:box[3], box[0]:box[2]]), box[:2])
                draw.rectangle((box[0], box[1], box[2] - 1, box[3] - 1), outline=color, width=width)
        return lines, window


def _square(picture):
    """The middle square of a picture."""
    side = min(picture.shape[2:])
    top, left = (picture.shape[2] - side) // 2, (picture.shape[3] - side) // 2
    return picture[..., top:top + side, left:left + side]
