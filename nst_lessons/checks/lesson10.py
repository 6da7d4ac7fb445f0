"""Lesson 10: a Gram matrix in 16 bits, and one from tiles. The oracle is the whole, in float64."""
import torch
from torch import nn
from torch.nn import functional as F

from ..gram import gram_matrix
from ..scale import cut
from .verdict import Wrong, attempt, exercise, same, seeded

# --- 10.1 --------------------------------------------------------------------------------------------------------------

_NEAR = 5e-3             # relative: 16 bits keep three digits


def product(act):
    """Plain sums F Fᵀ in float64: [B, C, H, W] → [B, C, C]."""
    return act.double().flatten(2) @ act.double().flatten(2).transpose(1, 2)


def _loud(shape, loudest):
    """Activations [B, C, H, W] in fp16, as after a ReLU: none negative, many of them zero."""
    return (torch.randn(shape, generator=seeded(sum(shape))).clamp_min(0) * loudest).half()


def _alike(answer, slip):
    """True when a slip explains the answer to some percent of its own size: next to large numbers, all small ones look alike."""
    return isinstance(answer, torch.Tensor) and answer.shape == slip.shape and bool((answer - slip).norm() <= 0.03 * slip.norm())


@exercise("10.1", "finite and right, where the plain product in fp16 is infinite.")
def check_gram_of_half(gram):
    """Tries gram(act [B, C, H, W], fp16) → [B, C, C] in float32, ÷ H·W, with sums far above 65504."""
    for shape, loudest in [((2, 3, 40, 52), 30), ((1, 5, 64, 32), 60), ((1, 2, 6, 5), 0.5)]:
        act, area, channels = _loud(shape, loudest), shape[2] * shape[3], shape[1]
        kept, answer = act.clone(), attempt(gram, act, on=f"fp16 activations {list(shape)}")
        if not torch.equal(act, kept):
            raise Wrong("your function changes the activations that it is given; make new ones instead")
        if isinstance(answer, torch.Tensor) and not answer.isfinite().all():
            raise Wrong("it holds infinity or NaN: a sum over all positions outgrew fp16's 65504 before it was divided. "
                        "Make the numbers small, or the type large, before you multiply; afterwards is too late")
        if isinstance(answer, torch.Tensor) and answer.dtype != torch.float32:
            raise Wrong(f"the answer is {str(answer.dtype).removeprefix('torch.')}; losses want float32")
        whole = product(act)
        slips = [
            ("these are the plain sums: divide by the positions, H·W", whole),
            ("you divided by C·H·W; only positions are counted, H·W", whole / area / channels),
            ("you divided by all numbers of the batch, B·C·H·W; only positions are counted, H·W", whole / act.numel()),
            *((f"you divided by {name}; positions are counted, H·W", whole / count)
              for name, count in (("B", shape[0]), ("C", channels), ("H alone", shape[2]), ("W alone", shape[3])) if count > 1),
            ("divided twice: each of the two factors was divided by H·W. Divide one of them, or both by its root", whole / area**2),
            ("divided by √(H·W): the product should have lost H·W, the root twice", whole / area**0.5),
            *(("infinite sums were cut off at 65504 instead of being avoided", one)
              for one in (whole.clamp(max=65504) / area, torch.where(whole > 65504, 65504, whole / area))),
            ("the activations were divided by the largest: how large they are is part of what they say", whole / area / act.double().max()**2),
            ("the activations were cut off at 1: how large they are is part of what they say", product(act.clamp(0, 1)) / area),
            ("pictures of the batch are mixed: one matrix for each", (whole / area).sum(0, keepdim=True).expand_as(whole)),
        ]
        same(answer, whole / area, f"the Gram matrix of fp16 activations {list(shape)}", [slip for slip in slips if _alike(answer, slip[1])],
             rtol=_NEAR, atol=_NEAR / 10 * (whole / area).abs().max().item())


# --- 10.2 --------------------------------------------------------------------------------------------------------------

STRIDE, MARGIN = 4, 16                   # of the little network below: it looks 14 px far
_NO_MARGINS = "the network saw tiles without their margins: at every seam it saw nothing where the picture goes on. Show it the wide window"


class _Little(nn.Module):
    """Five channels at a quarter of the size, in float64; it remembers what it was shown."""

    def __init__(self):
        super().__init__()
        self.shown = []
        self.kernels = [torch.randn(out, into, 3, 3, dtype=torch.float64, generator=seeded(out + into)) / 3
                        for out, into in [(4, 3), (5, 4), (5, 5)]]

    def forward(self, picture):
        self.shown.append(tuple(picture.shape[2:]))
        x = picture - 0.5
        for number, kernel in enumerate(self.kernels):
            x = F.max_pool2d(x, 2) if number else x
            x = F.conv2d(x, kernel, x.new_full((len(kernel),), 0.2), padding=1).relu()
        return x


def _middle(own, wide):
    """Which positions of a window are the tile's own, along one side."""
    return (own[0] - wide[0]) // STRIDE, (own[1] - wide[0]) // STRIDE


_FRONT = lambda own, wide: (own[0] - wide[0]) // STRIDE
_ONE_SIDED = [lambda own, wide: (_FRONT(own, wide), -_FRONT(own, wide)),                                # m:-m, where m may be 0
              lambda own, wide: (_FRONT(own, wide), -_FRONT(own, wide) or None),
              lambda own, wide: (_FRONT(own, wide), None),
              lambda own, wide: (_FRONT(own, wide), (own[1] - own[0]) // STRIDE),
              lambda own, wide: (_FRONT(own, wide), -((wide[1] - own[1]) // STRIDE)),                   # empty where nothing is cut off
              lambda own, wide: (_FRONT(own, wide), (wide[1] - own[1]) // STRIDE),
              lambda own, wide: (_FRONT(own, wide), _middle(own, wide)[1] + 1)]


def _sums(see, picture, down, across, window=lambda own, wide: wide, keep=_middle):
    """[(plain sums [1, C, C], positions)] of each tile; `window` and `keep` are the ways to get it wrong."""
    found = []
    for top, bottom, *rows in down:
        for left, right, *columns in across:
            tall, broad = window((top, bottom), rows), window((left, right), columns)
            act = see(picture[..., slice(*tall), slice(*broad)])
            act = act[..., slice(*keep((top, bottom), tall)), slice(*keep((left, right), broad))]
            found.append((gram_matrix(act, "none"), act.shape[2] * act.shape[3]))
    return found


def _one_way(see, picture, down, across, rows, columns):
    """The mean from windows whose middle is taken by other slices than their own: rows(k, l) and columns(k, l) of part k down, l across."""
    found = []
    for k, part in enumerate(down):
        for l, other in enumerate(across):
            act = see(picture[..., slice(*part[2:]), slice(*other[2:])])[..., slice(*rows(k, l)), slice(*columns(k, l))]
            found.append((gram_matrix(act, "none"), act.shape[2] * act.shape[3]))
    return _mean(found)


def _mean(found):
    return sum(one for one, _ in found) / sum(count for _, count in found)


def _tile_slips(see, picture, down, across):
    """[(message, the Gram matrix that this slip gives)]."""
    tiles = _sums(see, picture, down, across)
    fat = _sums(see, picture, down, across, keep=lambda own, wide: (0, None))
    high, broad, uncut = lambda k, l: _middle(down[k][:2], down[k][2:]), lambda k, l: _middle(across[l][:2], across[l][2:]), lambda k, l: (0, None)
    first, positions = MARGIN // STRIDE, sum(count for _, count in tiles)
    total, halves = sum(one for one, _ in tiles), sum(one / count for one, count in tiles)
    return [
        (_NO_MARGINS,
         _mean(_sums(see, picture, down, across, window=lambda own, wide: own))),
        *(("the margins were not cut off again, so what lies near a seam counts several times: keep the middle", one) for one in
           (_mean(fat), sum(one for one, _ in fat) / positions, sum(one / count for one, count in fat) / len(fat))),
        *(("a margin was cut off where there is none: at the picture's border the wide window begins where the tile begins",
           _mean(_sums(see, picture, down, across, keep=keep)))
          for keep in (lambda own, wide: (first, first + (own[1] - own[0]) // STRIDE), lambda own, wide: (first, -first))),
        *(("on one side the margin was cut wrongly: in front it has start − wide_start px, behind wide_stop − stop, and at the picture's border 0",
           _mean(_sums(see, picture, down, across, keep=keep))) for keep in _ONE_SIDED),
        ("only tiles on the diagonal were seen: every part of `down` goes with every part of `across`, so two loops",
         _mean([tiles[k * len(across) + k] for k in range(min(len(down), len(across)))])),
        ("counted from the picture's corner: within its window, a tile begins at start − wide_start",
         _mean(_sums(see, picture, down, across, keep=lambda own, wide: (own[0] // STRIDE, own[1] // STRIDE)))),
        *(("the margins were cut off in one direction only: rows and columns both have them", _one_way(see, picture, down, across, *both))
          for both in ((high, uncut), (uncut, broad))),
        ("rows and columns are mixed up: `down` cuts dimension 2, and `across` dimension 3", _one_way(see, picture, down, across, broad, high)),
        ("only the first tile counts: is `return` inside a loop, or do the other tiles' slices hold nothing?", tiles[0][0] / tiles[0][1]),
        ("the four numbers are mixed up: a part is (start, stop, wide_start, wide_stop), and the wide ones are shown",
         _mean(_sums(see, picture, [part[2:] + part[:2] for part in down], [part[2:] + part[:2] for part in across]))),
        ("px and positions are mixed up: the layer has one position for `stride` px",
         _mean(_sums(see, picture, down, across, keep=lambda own, wide: (own[0] - wide[0], own[1] - wide[0])))),
        ("these are the plain sums: divide once, at the end, by all positions", total),
        ("Gram matrices that were divided already are added: add plain sums and positions, divide once", halves),
        ("a mean over tiles counts a small tile as much as a large one: add plain sums and positions, divide once", halves / len(tiles)),
        ("divided by px; the layer has fewer positions", total / (picture.shape[2] * picture.shape[3])),
        ("divided by stride only once; a position stands for stride px down and stride px across", total / positions / STRIDE),
        ("divided by the number of tiles; divide by positions", total / len(tiles)),
        *(("tiles are not equally large: count each one's positions", total / len(tiles) / count) for _, count in (tiles[0], tiles[-1])),
        ("only the last tile counts: add up over all of them", tiles[-1][0] / tiles[-1][1]),
        ("divided by the last tile's positions: count those of all", total / tiles[-1][1]),
        ("divided by the positions of the windows, margins included: count only what you kept", total / sum(count for _, count in fat)),
        ("divided by C·H·W; only positions count", _mean(tiles) / tiles[0][0].shape[1]),
    ]


def _shown_wrongly(shown, down, across):
    """What the windows [(height, width)] that the network was shown say about a wrong answer, whatever else was done to it: a message, or none."""
    sizes = lambda first, second: sorted((one[second] - one[first], other[second] - other[first]) for one in down for other in across)
    if sorted(shown) == sizes(2, 3):
        return []
    if sorted(shown) == sizes(0, 1):
        return [_NO_MARGINS]
    return ["the network was shown other windows than wide_start to wide_stop, rows as `down` says (dimension 2), columns as `across` (dimension 3)"]


def _answered(gram, watched, picture, down, across):
    """The answer; a crash in a network other than `watched`, of other numbers than the picture's, is told as such."""
    try:
        return attempt(gram, watched, picture, list(down), list(across), STRIDE, on=f"a picture of {picture.shape[3]} × {picture.shape[2]} px")
    except Wrong as wrong:
        if not watched.shown and any(told in str(wrong) for told in ("Input type", "scalar type")):
            raise Wrong("your function asks another network: `see`, which it is given, is the one whose Gram matrix is wanted") from wrong
        raise


@exercise("10.2", "tiles with margins give the Gram matrix of the whole picture, which the network never saw.")
def check_gram_in_tiles(gram):
    """Tries gram(see, picture, down, across, stride) → [1, C, C], ÷ all positions; down, across: lists made by `cut`."""
    for height, width, tile in [(80, 112, 32), (48, 128, 64), (96, 48, 48)]:
        picture = torch.rand(1, 3, height, width, dtype=torch.float64, generator=seeded(height))
        down, across = cut(height, tile, MARGIN, STRIDE), cut(width, tile, MARGIN, STRIDE)
        watched, see = _Little(), _Little()
        answer = _answered(gram, watched, picture, down, across)
        if (height, width) in watched.shown:
            raise Wrong("the network was shown the whole picture at once: show it one window after the other")
        truth = gram_matrix(see(picture))
        slips = [slip for slip in _tile_slips(see, picture, down, across) if not torch.allclose(slip[1], truth)]
        if isinstance(answer, torch.Tensor) and answer.shape == truth.shape:
            slips += [(message, answer) for message in _shown_wrongly(watched.shown, down, across)]
        same(answer, truth, f"the Gram matrix from {len(down) * len(across)} tiles", slips, rtol=1e-5, atol=1e-8)
