"""Lesson 03: a Gram matrix by einsum, from pieces, and the distance between two styles. The oracle is a loop over positions."""
import torch
from torch.overrides import TorchFunctionMode

from .verdict import Wrong, attempt, differentiable, exercise, same, seeded, untouched


def _by_loop(act):
    """Gram matrix of [B, C, H, W], ÷ H·W: one position after the other."""
    batch, channels, height, width = act.shape
    table = act.new_zeros(batch, channels, channels)
    for row in range(height):
        for column in range(width):
            spoken = act[:, :, row, column]                       # [B, C]: what all channels say at this place
            table += spoken[:, :, None] * spoken[:, None, :]
    return table / (height * width)


def _some(*shape, seed=0):
    """Activations as after a ReLU: random, none negative."""
    return torch.rand(*shape, generator=seeded(seed))


def _told(crashes, function, *args):
    """`untouched`, with the crashes explained that say too little. crashes: {part of torch's message: what it means here}."""
    try:
        return untouched(function, *args)
    except Wrong as wrong:
        for told, words in crashes.items():
            if told in str(wrong):
                raise Wrong(words) from None
        raise


_EINSUM = {
    "more than once in the output": "one letter stands for both channels: each is to meet each, so give the second one a letter of its own",
    "fewer operands were provided": "einsum is given the tensor once, and its letters name two: the same tensor goes in twice",
    "which does not broadcast": "a letter stands for two dimensions of different length: b, h and w have the same places in both",
}
_MIXED = "pictures of the batch are mixed: keep the letter b on both sides of the arrow"
_TWICE = "you divided by H·W twice"


@exercise("3.1", "your einsum agrees with a loop over positions, for batches and for pictures that are not square.")
def check_gram_by_einsum(gram):
    """Tries gram(act [B, C, H, W]) → [B, C, C], ÷ H·W, against a loop."""
    for shape in [(5, 3, 4, 7), (1, 6, 7, 3), (1, 2, 2, 2)]:
        act = _some(*shape, seed=sum(shape))
        truth, (batch, channels, height, width) = _by_loop(act), shape
        total, area = truth * height * width, height * width
        spoken = act.sum(dim=(2, 3))                              # [B, C]: what a channel says in all places together
        same(_told(_EINSUM, gram, act), truth, f"the Gram matrix of activations {list(shape)}", [
            ("these are the plain sums F Fᵀ: divide by the number of positions, H·W", total),
            ("you divided by C·H·W; here only the positions are counted, so divide by H·W", truth / channels),
            ("you divided by the channels C; the sum runs over positions, so divide by H·W", total / channels),
            ("you divided by the height alone; positions are H·W", total / height),
            ("you divided by the width alone; positions are H·W", total / width),
            ("parentheses are missing: / H * W divides by H, then multiplies by W; / (H * W) is wanted", total / height * width),
            ("you divided by the whole batch's B·C·H·W; each picture is its own, and only its H·W counts", truth / batch / channels),
            ("you divided by the pictures of the batch, too; each is its own, and only its H·W counts", truth / batch),
            ("you divided by the pictures of the batch; divide by the positions, H·W", total / batch),
            (_TWICE, truth / area),
            ("you divided by 2·H·W; H·W is wanted", truth / 2),
            (_MIXED, truth.sum(0)),
            (_MIXED, total.sum(0)),
            (_MIXED, truth.sum(0, keepdim=True).expand_as(truth)),
            (_MIXED, torch.einsum("bchw,adhw->bcd", act, act) / area),
            ("there is no batch in your answer: [B, C, C] is wanted also when B = 1", truth[0]),
            ("you subtracted the mean first: that is a covariance; the Gram matrix takes activations as they are",
             _by_loop(act - act.mean(dim=(2, 3), keepdim=True))),
            ("every position meets every other: a position must have the same letters both times, so that like meets like",
             spoken[:, :, None] * spoken[:, None, :] / area),
            ("that is the diagonal only, each channel with itself: the second channel needs a letter of its own",
             truth.diagonal(dim1=1, dim2=2)),
            ("the channels are summed over, positions are left: behind the arrow must stand both channels' letters, and not h and w",
             act.pow(2).sum(1) / area),
            ("that is the table of positions, H·W × H·W; sum over positions and keep both channels",
             act.flatten(2).transpose(1, 2) @ act.flatten(2) / area),
        ])
    differentiable(gram, _some(1, 3, 4, 4), what="your Gram matrix")


_DISTANCE = {
    "must match the size of tensor": "tensors of different sizes meet: activations of two pictures cannot be compared place by place, "
                                     "their Gram matrices can, which are [B, C, C] both",
    "cannot be converted to Scalar": "one number for each picture is wanted, a tensor [B]: leave out .item() and float()",
    "is out of bounds for dimension 0": "the painting's table may be one for the whole batch, [1, C, C]: subtract all at once, it is stretched to fit",
}


@exercise("3.2", "equal styles have distance 0, size does not matter, and a gradient gets through.")
def check_style_distance(distance):
    """Tries distance(act, style_act) → [B]: ‖G − A‖² / ‖A‖² with Gram matrices ÷ H·W."""
    both = dict(dim=(1, 2))
    for seed, (mine, theirs) in enumerate([((2, 4, 5, 3), (1, 4, 6, 7)), ((1, 3, 4, 4), (1, 3, 4, 4)), ((3, 2, 3, 5), (3, 2, 4, 3))]):
        act, style = _some(*mine, seed=seed), _some(*theirs, seed=seed + 9)
        if len(style) > 1:
            style = style * torch.arange(1.0, len(style) + 1)[:, None, None, None]           # some louder than others
        g, a = _by_loop(act), _by_loop(style)
        squares, norm = (g - a).pow(2), a.pow(2).sum(**both)
        truth = squares.sum(**both) / norm
        area = act.shape[2] * act.shape[3], style.shape[2] * style.shape[3]
        same(_told(_DISTANCE, distance, act, style), truth, "the distance", [
            ("nothing divides by ‖A‖²: loud layers, those with large activations, would drown the others", squares.sum(**both)),
            ("you divided by ‖G‖²: measure against the style's own matrix A, which does not move while we paint",
             squares.sum(**both) / g.pow(2).sum(**both)),
            ("you divided by ‖A‖, not by its square", squares.sum(**both) / norm.sqrt()),
            ("you took the root: ‖G − A‖ / ‖A‖; the squares are wanted", truth.sqrt()),
            ("that is the mean of squares over ‖A‖²: sum both, or take the mean of both", squares.mean(**both) / norm),
            ("that is the mean of squares, and nothing divides by ‖A‖²: loud layers would drown the others", squares.mean(**both)),
            ("that is nn.MSELoss of the two tables: one number for the whole batch, and nothing divides by ‖A‖²", squares.mean()),
            ("you divided by 4·N², as Gatys' style loss does; here ‖A‖² is wanted", squares.sum(**both) / (4 * g.shape[1]**2)),
            ("absolute differences instead of squares", (g - a).abs().sum(**both) / a.abs().sum(**both)),
            ("each entry is divided by its own square: add up first, and divide the two sums", (squares / a.pow(2)).sum(**both)),
            ("you added up before you squared: ‖·‖² is the sum of squares", (g - a).sum(**both).pow(2) / a.sum(**both).pow(2)),
            ("below the line you added up before you squared: ‖A‖² is the sum of squares", squares.sum(**both) / a.sum(**both).pow(2)),
            ("that is the difference of squares, ‖G‖² − ‖A‖²; the square of the difference is wanted", g.pow(2).sum(**both) / norm - 1),
            ("that is one less the cosine, blind to how loud a style is; ‖G − A‖² / ‖A‖² is wanted",
             1 - (g * a).sum(**both) / (g.pow(2).sum(**both) * norm).sqrt()),
            ("only rows are added up: sum over both channel dimensions, dim=(1, 2)", squares.sum(1) / a.pow(2).sum(1)),
            ("the right numbers, with dimensions left over: leave out keepdim, [B] is wanted", truth[:, None, None]),
            ("the Gram matrices are plain sums, so a larger picture seems another style: divide each by its own H·W",
             (g * area[0] - a * area[1]).pow(2).sum(**both) / (a * area[1]).pow(2).sum(**both)),
            ("‖A‖² is added up over all paintings: each has its own", squares.sum(**both) / norm.sum()),
            ("the pictures of the batch are summed: one number for each, shape [B]", squares.sum() / norm.sum()),
            ("the pictures of the batch are summed: one number for each, shape [B]", truth.sum()),
            ("the pictures of the batch are averaged: one number for each, shape [B]", truth.mean()),
        ])
    act = _some(1, 3, 4, 4)
    if attempt(distance, act, act).abs().max() > 1e-6:
        raise Wrong("a picture has not the distance 0 from itself")
    differentiable(distance, _some(1, 3, 4, 4), _some(1, 3, 5, 5, seed=1), what="your distance")


class _Largest(TorchFunctionMode):
    """Remembers how many numbers the largest tensor has that torch makes meanwhile."""
    numbers = 0

    def __torch_function__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        if isinstance(out, torch.Tensor):
            self.numbers = max(self.numbers, out.numel())
        return out


_PIECES = {
    "stack expects each tensor to be equal size": "pieces differ in width, so they cannot be stacked: go from one to the next, and add up",
    "list index out of range": "there may be any number of pieces: `for act in pieces`",
}


def _of_pieces(gram, pieces):
    """gram(pieces), with Wrong when it has changed them."""
    kept = [piece.clone() for piece in pieces]
    try:
        answer = attempt(gram, pieces)
    except Wrong as wrong:
        raise Wrong(next((words for told, words in _PIECES.items() if told in str(wrong)), str(wrong))) from None
    if len(pieces) != len(kept) or any(not torch.equal(one, copy) for one, copy in zip(pieces, kept)):
        raise Wrong("your function changes the pieces that it is given")
    return answer


@exercise("3.3", "pieces of any sizes give the Gram matrix of the whole, and it was never in memory at once.")
def check_gram_of_pieces(gram):
    """Tries gram([act [1, C, H, Wᵢ], …]) → [1, C, C], ÷ all positions."""
    for widths in [(2, 6, 3), (4, 4), (5,)]:
        pieces = [_some(1, 3, 4, width, seed=width + i) for i, width in enumerate(widths)]
        whole = _by_loop(torch.cat(pieces, dim=3))
        tables, areas = [_by_loop(piece) for piece in pieces], [piece.shape[2] * piece.shape[3] for piece in pieces]
        total = whole * sum(areas)
        answer = _of_pieces(gram, pieces)
        slips = [
            ("you added Gram matrices that were each divided by their own H·W: add the plain sums F Fᵀ and positions, divide once", sum(tables)),
            ("a plain mean over pieces counts a narrow piece as much as a wide one: weight each by its positions", sum(tables) / len(pieces)),
            ("divided twice: gram_matrix(act) is ÷ its own H·W already; add the plain sums, gram_matrix(act, \"none\")", sum(tables) / sum(areas)),
            ("divided twice: add the plain sums, gram_matrix(act, \"none\"), and divide by H·W once", sum(tables) / sum(areas) / 3),
            ("these are the plain sums: divide by the positions of all pieces together", total),
            ("only the last piece counts: add up over all of them", tables[-1]),
            ("only the first piece counts: add up over all of them", tables[0]),
            ("divided by the positions of the last piece only; count those of all", total / areas[-1]),
            ("divided by the positions of the first piece only; count those of all", total / areas[0]),
            ("the first piece's positions, times the number of pieces: pieces differ in width, count those of each", total / areas[0] / len(areas)),
            ("you counted columns only: a piece has H·Wᵢ positions", whole * 4),
            ("divided by C·H·W; only positions count", whole / 3),
            ("the first dimension is lost: [1, C, C] is wanted", whole[0]),
        ]
        same(answer, whole, f"the Gram matrix of pieces {[list(p.shape) for p in pieces]}",
             [slip for slip in slips if not (slip[1].shape == whole.shape and torch.allclose(slip[1], whole))])
    many = [_some(1, 3, 4, 2, seed=i) for i in range(60)]
    with _Largest() as largest:
        _of_pieces(gram, many)
    if largest.numbers >= sum(piece.numel() for piece in many):
        raise Wrong("right, but you put the pieces together again, and the whole does not fit into memory: take one after the other, and add up")
