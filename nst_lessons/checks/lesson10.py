"""Lesson 10: a Gram matrix in 16 bits, one from tiles, and a loss from many processes. The oracle is the whole, in float64."""
import threading

import torch
from torch import nn
from torch.nn import functional as F

from ..gram import gram_matrix
from ..scale import cut
from .verdict import Wrong, attempt, exercise, same

# --- 10.1 --------------------------------------------------------------------------------------------------------------

_NEAR = 5e-3             # relative: 16 bits keep three digits


def _product(act):
    """Plain sums F Fᵀ in float64: [B, C, H, W] → [B, C, C]."""
    return act.double().flatten(2) @ act.double().flatten(2).transpose(1, 2)


def _loud(shape, loudest):
    """Activations [B, C, H, W] in fp16, as after a ReLU: none negative, many of them zero."""
    return (torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape))).clamp_min(0) * loudest).half()


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
        whole = _product(act)
        same(answer, whole / area, f"the Gram matrix of fp16 activations {list(shape)}", [
            ("these are the plain sums: divide by the positions, H·W", whole),
            ("you divided by C·H·W; only positions are counted, H·W", whole / area / channels),
            *((f"you divided by {name}; positions are counted, H·W", whole / count)
              for name, count in (("C", channels), ("H alone", shape[2]), ("W alone", shape[3]))),
            ("divided twice: each of the two factors was divided by H·W. Divide one of them, or both by its root", whole / area**2),
            ("divided by √(H·W): the product should have lost H·W, the root twice", whole / area**0.5),
            ("infinite sums were cut off at 65504 instead of being avoided", whole.clamp(max=65504) / area),
            ("the activations were cut off at 1: how large they are is part of what they say", _product(act.clamp(0, 1)) / area),
            ("pictures of the batch are mixed: one matrix for each", (whole / area).sum(0, keepdim=True).expand_as(whole)),
        ], rtol=_NEAR, atol=_NEAR / 10 * (whole / area).abs().max().item())


# --- 10.2 --------------------------------------------------------------------------------------------------------------

STRIDE, MARGIN = 4, 16                   # of the little network below: it looks 14 px far


class _Little(nn.Module):
    """Five channels at a quarter of the size, in float64; it remembers what it was shown."""

    def __init__(self):
        super().__init__()
        self.shown = []
        self.kernels = [torch.randn(out, into, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(out + into)) / 3
                        for out, into in [(4, 3), (5, 4), (5, 5)]]

    def forward(self, picture):
        self.shown.append(picture.shape[2] * picture.shape[3])
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
              lambda own, wide: (_FRONT(own, wide), (own[1] - own[0]) // STRIDE)]


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


def _mean(found):
    return sum(one for one, _ in found) / sum(count for _, count in found)


def _tile_slips(see, picture, down, across):
    """[(message, the Gram matrix that this slip gives)]."""
    tiles = _sums(see, picture, down, across)
    fat = _sums(see, picture, down, across, keep=lambda own, wide: (0, None))
    first = MARGIN // STRIDE
    total, halves = sum(one for one, _ in tiles), sum(one / count for one, count in tiles)
    return [
        ("the network saw tiles without their margins: at every seam it saw nothing where the picture goes on. Show it the wide window",
         _mean(_sums(see, picture, down, across, window=lambda own, wide: own))),
        ("the margins were not cut off again, so what lies near a seam counts several times: keep the middle", _mean(fat)),
        ("a margin was cut off where there is none: at the picture's border the wide window begins where the tile begins",
         _mean(_sums(see, picture, down, across, keep=lambda own, wide: (first, first + (own[1] - own[0]) // STRIDE)))),
        *(("on one side the margin was cut wrongly: in front it has start − wide_start px, behind wide_stop − stop, and at the picture's border 0",
           _mean(_sums(see, picture, down, across, keep=keep))) for keep in _ONE_SIDED),
        ("only tiles on the diagonal were seen: every part of `down` goes with every part of `across`, so two loops",
         _mean([tiles[k * len(across) + k] for k in range(min(len(down), len(across)))])),
        ("counted from the picture's corner: within its window, a tile begins at start − wide_start",
         _mean(_sums(see, picture, down, across, keep=lambda own, wide: (own[0] // STRIDE, own[1] // STRIDE)))),
        ("px and positions are mixed up: the layer has one position for `stride` px",
         _mean(_sums(see, picture, down, across, keep=lambda own, wide: (own[0] - wide[0], own[1] - wide[0])))),
        ("these are the plain sums: divide once, at the end, by all positions", total),
        ("Gram matrices that were divided already are added: add plain sums and positions, divide once", halves),
        ("a mean over tiles counts a small tile as much as a large one: add plain sums and positions, divide once", halves / len(tiles)),
        ("divided by px; the layer has fewer positions", total / (picture.shape[2] * picture.shape[3])),
        ("only the last tile counts: add up over all of them", tiles[-1][0] / tiles[-1][1]),
        ("divided by the last tile's positions: count those of all", total / tiles[-1][1]),
        ("divided by the positions of the windows, margins included: count only what you kept", total / sum(count for _, count in fat)),
        ("divided by C·H·W; only positions count", _mean(tiles) / tiles[0][0].shape[1]),
    ]


@exercise("10.2", "tiles with margins give the Gram matrix of the whole picture, which the network never saw.")
def check_gram_in_tiles(gram):
    """Tries gram(see, picture, down, across, stride) → [1, C, C], ÷ all positions; down, across: lists made by `cut`."""
    for height, width, tile in [(80, 112, 32), (48, 128, 64), (96, 48, 48)]:
        picture = torch.rand(1, 3, height, width, dtype=torch.float64, generator=torch.Generator().manual_seed(height))
        down, across = cut(height, tile, MARGIN, STRIDE), cut(width, tile, MARGIN, STRIDE)
        watched, see = _Little(), _Little()
        answer = attempt(gram, watched, picture, list(down), list(across), STRIDE, on=f"a picture of {width} × {height} px")
        if height * width in watched.shown:
            raise Wrong("the network was shown the whole picture at once: show it one window after the other")
        truth = gram_matrix(see(picture))
        same(answer, truth, f"the Gram matrix from {len(down) * len(across)} tiles",
             [slip for slip in _tile_slips(see, picture, down, across) if not torch.allclose(slip[1], truth)], rtol=1e-8, atol=1e-12)


# --- 10.3 --------------------------------------------------------------------------------------------------------------

_PATIENCE = 2            # s that one process waits for the others


class _Watched(list):
    """Pieces that remember which of them were looked at."""

    def __init__(self, pieces):
        super().__init__(pieces)
        self.seen = set()

    def __getitem__(self, which):
        numbers = range(len(self))[which]
        self.seen.update(numbers if isinstance(which, slice) else [numbers])
        return super().__getitem__(which)

    def __iter__(self):
        return (self[number] for number in range(len(self)))


class _Meeting:
    """Stands in for torch.distributed: `add_up` waits until every process has called it, then gives each the sum."""

    def __init__(self, count):
        self.barrier, self.given, self.calls = threading.Barrier(count), {}, [0] * count

    def add_up(self, rank, tensor):
        """The sum of all processes' tensors."""
        if not isinstance(tensor, torch.Tensor):
            got = f"the number {tensor}" if isinstance(tensor, (int, float)) else f"a {type(tensor).__name__}"
            raise Wrong(f"add_up wants a tensor, and got {got}: a process without a piece brings zeros, "
                        "and a count becomes torch.tensor(…)")
        self.given[rank], self.calls[rank] = tensor.detach().clone(), self.calls[rank] + 1
        self.barrier.wait(_PATIENCE)
        shapes = {tuple(one.shape) for one in self.given.values()}
        total = sum(self.given[k] for k in sorted(self.given)) if len(shapes) == 1 else None
        self.barrier.wait(_PATIENCE)                                       # everybody has read before anybody gives anew
        if total is None:
            raise Wrong(f"the processes add up tensors of different shapes, {sorted(map(list, shapes))}: each must bring the same kind of sum")
        return total


def _together(function, count, pieces, target):
    """(what each of so many processes, here threads, returned; the pieces that each looked at; its calls of add_up)."""
    meeting, watched, found = _Meeting(count), [_Watched(pieces) for _ in range(count)], [None] * count

    def process(rank):
        try:
            found[rank] = function(rank, count, watched[rank], target, lambda tensor: meeting.add_up(rank, tensor))
        except threading.BrokenBarrierError:
            found[rank] = "waits"
        except Exception as error:
            found[rank] = error
            meeting.barrier.abort()                                        # nobody need wait for this one

    threads = [threading.Thread(target=process, args=(rank,), daemon=True) for rank in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(4 * _PATIENCE)
    return found, [one.seen for one in watched], meeting.calls


def _distance(gram, target):
    return (gram - target).pow(2).sum(dim=(1, 2)) / target.pow(2).sum(dim=(1, 2))


def _loss_slips(pieces, count, target):
    """(the right loss, [(message, the loss that this slip gives)])."""
    plain, area = [_product(one) for one in pieces], [one.shape[2] * one.shape[3] for one in pieces]
    parts = [(sum(plain[rank::count]), sum(area[rank::count])) for rank in range(count) if plain[rank::count]]
    grams, far = [one / positions for one, positions in parts], [_distance(one / positions, target) for one, positions in parts]
    each = [_distance(one / positions, target) for one, positions in zip(plain, area)]
    given = len(pieces) // count * count                                   # by those who give each process equally many
    return _distance(sum(plain) / sum(area), target), [
        ("losses were added: a loss is no sum over positions. Add up plain sums and positions, then make the loss", sum(far)),
        ("the mean of the processes' losses is not the loss of the whole: add up plain sums and positions, then make the loss",
         sum(far) / count),
        *(("every piece got a loss of its own: a loss is no sum over positions. Add up plain sums and positions, then make the loss", one)
          for one in (sum(each), sum(each) / len(each))),
        *([("each process looked at one piece only; its share, pieces[rank::count], may be several",
            _distance(sum(plain[:count]) / sum(area[:count]), target))] if count < len(pieces) else []),
        ("Gram matrices that were divided already are added up: add up plain sums and positions, divide once",
         _distance(sum(grams), target)),
        ("a mean of Gram matrices counts a process with little as much as one with much: add up plain sums and positions, divide once",
         _distance(sum(grams) / count, target)),
        ("the plain sums were never divided by all positions", _distance(sum(plain), target)),
        *(("a process knows only its own share: its sums must go through add_up", one) for one in far),
        *(("the positions are only one process's own: add those up as well", _distance(sum(plain) / positions, target))
          for _, positions in parts),
        *([("the last pieces belong to nobody: pieces[rank::count] gives all of them away",
            _distance(sum(plain[:given]) / sum(area[:given]), target))] if given else [])]


@exercise("10.3", "one, two or four processes, and each of them knows the same loss.")
def check_loss_of_many(loss):
    """Tries loss(rank, count, pieces, target, add_up) → [1]: ‖G − A‖² / ‖A‖² of all pieces together, by 1, 2 and 4 processes."""
    for count, widths in [(1, (3, 5)), (2, (3, 6, 2, 4, 7)), (4, (5, 3))]:
        generator = torch.Generator().manual_seed(count)
        pieces = [torch.rand(1, 3, 4, width, generator=generator) for width in widths]
        target = gram_matrix(torch.rand(1, 3, 5, 5, generator=generator))
        found, seen, calls = _together(loss, count, pieces, target)
        for error in (one for one in found if isinstance(one, Exception)):
            attempt(_raise, error, on=f"{count} processes with {len(widths)} pieces")
        if "waits" in [one for one in found if isinstance(one, str)] or len(set(calls)) > 1:
            raise Wrong(f"a process waits for ever: {calls.count(max(calls))} of {count} called add_up {max(calls)} times, the others less. "
                        "Every process must call it equally often, with a piece or without")
        truth, slips = _loss_slips(pieces, count, target.double())
        for rank, answer in enumerate(found):
            same(answer, truth, f"the loss that process {rank} of {count} knows",
                 [slip for slip in slips if not torch.allclose(slip[1], truth)], rtol=1e-4)
        if count > 1 and any(len(one) == len(widths) for one in seen):
            raise Wrong("the loss is right, but a process looked at all pieces, and nothing became faster: process `rank` takes pieces[rank::count]")
        if sorted(number for one in seen for number in one) != list(range(len(widths))):
            raise Wrong("the loss is right, but some piece was looked at by two processes: pieces[rank::count] gives each to one")


def _raise(error):
    raise error
