"""Lesson 03: a Gram matrix by einsum, from pieces, and the distance between two styles. The oracle is a loop over positions."""
import torch

from .verdict import Wrong, attempt, differentiable, exercise, same, untouched


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
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


@exercise("3.1", "your einsum agrees with a loop over positions, for batches and for pictures that are not square.")
def check_gram_by_einsum(gram):
    """Tries gram(act [B, C, H, W]) → [B, C, C], ÷ H·W, against a loop."""
    for shape in [(2, 3, 4, 5), (1, 6, 7, 3), (1, 2, 2, 2)]:
        act = _some(*shape, seed=sum(shape))
        truth, (_, channels, height, width) = _by_loop(act), shape
        total = truth * height * width
        same(untouched(gram, act), truth, f"the Gram matrix of activations {list(shape)}", [
            ("these are the plain sums F Fᵀ: divide by the number of positions, H·W", total),
            ("you divided by C·H·W; here only the positions are counted, so divide by H·W", truth / channels),
            ("you divided by the channels C; the sum runs over positions, so divide by H·W", total / channels),
            ("you divided by the height alone; positions are H·W", total / height),
            ("you divided by the width alone; positions are H·W", total / width),
            ("you divided by the whole batch's B·C·H·W; each picture is its own, and only its H·W counts", truth / shape[0] / channels),
            ("pictures of the batch are mixed: keep the letter b on both sides of the arrow", truth.sum(0)),
            ("pictures of the batch are mixed: keep the letter b on both sides of the arrow", truth.sum(0, keepdim=True).expand_as(truth)),
            ("there is no batch in your answer: [B, C, C] is wanted also when B = 1", truth[0]),
            ("you subtracted the mean first: that is a covariance; the Gram matrix takes activations as they are",
             _by_loop(act - act.mean(dim=(2, 3), keepdim=True))),
            ("that is the table of positions, H·W × H·W; sum over positions and keep both channels",
             act.flatten(2).transpose(1, 2) @ act.flatten(2) / (height * width)),
        ])
    differentiable(gram, _some(1, 3, 4, 4), what="your Gram matrix")


@exercise("3.2", "equal styles have distance 0, size does not matter, and a gradient gets through.")
def check_style_distance(distance):
    """Tries distance(act, style_act) → [B]: ‖G − A‖² / ‖A‖² with Gram matrices ÷ H·W."""
    for seed, (mine, theirs) in enumerate([((1, 3, 4, 4), (1, 3, 4, 4)), ((2, 4, 5, 3), (1, 4, 6, 7))]):
        act, style = _some(*mine, seed=seed), _some(*theirs, seed=seed + 9)
        g, a = _by_loop(act), _by_loop(style)
        squares = (g - a).pow(2)
        truth = squares.sum(dim=(1, 2)) / a.pow(2).sum(dim=(1, 2))
        area = act.shape[2] * act.shape[3], style.shape[2] * style.shape[3]
        same(untouched(distance, act, style), truth, "the distance", [
            ("nothing divides by ‖A‖², so layers with large activations would drown the others", squares.sum(dim=(1, 2))),
            ("you divided by ‖G‖²: measure against the style's own matrix A, which does not move while we paint",
             squares.sum(dim=(1, 2)) / g.pow(2).sum(dim=(1, 2))),
            ("you divided by ‖A‖, not by its square", squares.sum(dim=(1, 2)) / a.pow(2).sum(dim=(1, 2)).sqrt()),
            ("you took the root: ‖G − A‖ / ‖A‖; the squares are wanted", truth.sqrt()),
            ("that is the mean of squares over ‖A‖²: sum both, or take the mean of both", squares.mean(dim=(1, 2)) / a.pow(2).sum(dim=(1, 2))),
            ("absolute differences instead of squares", (g - a).abs().sum(dim=(1, 2)) / a.abs().sum(dim=(1, 2))),
            ("the Gram matrices are plain sums, so a larger picture seems another style: divide each by its own H·W",
             (g * area[0] - a * area[1]).pow(2).sum(dim=(1, 2)) / (a * area[1]).pow(2).sum(dim=(1, 2))),
            ("the pictures of the batch are summed: one number for each, shape [B]", truth.sum()),
            ("the pictures of the batch are averaged: one number for each, shape [B]", truth.mean()),
        ])
    act = _some(1, 3, 4, 4)
    if attempt(distance, act, act).abs().max() > 1e-6:
        raise Wrong("a picture has not the distance 0 from itself")
    differentiable(distance, _some(1, 3, 4, 4), _some(1, 3, 5, 5, seed=1), what="your distance")


@exercise("3.3", "pieces of any sizes give the Gram matrix of the whole, and it was never in memory at once.")
def check_gram_of_pieces(gram):
    """Tries gram([act [1, C, H, Wᵢ], …]) → [1, C, C], ÷ all positions."""
    for widths in [(1, 6, 3), (4, 4), (5,)]:
        pieces = [_some(1, 3, 4, width, seed=width + i) for i, width in enumerate(widths)]
        whole = _by_loop(torch.cat(pieces, dim=3))
        sums = [_by_loop(piece) * piece.shape[2] * piece.shape[3] for piece in pieces]
        kept = [piece.clone() for piece in pieces]
        answer = attempt(gram, pieces)
        if len(pieces) != len(kept) or any(not torch.equal(one, copy) for one, copy in zip(pieces, kept)):
            raise Wrong("your function changes the pieces that it is given")
        slips = [
            ("you added Gram matrices that were each divided by their own H·W: add the plain sums F Fᵀ and positions, divide once",
             sum(total / piece[0, 0].numel() for total, piece in zip(sums, pieces))),
            ("a plain mean over pieces counts a narrow piece as much as a wide one: weight each by its positions",
             sum(total / piece[0, 0].numel() for total, piece in zip(sums, pieces)) / len(pieces)),
            ("these are the plain sums: divide by the positions of all pieces together", sum(sums)),
            ("only the last piece counts: add up over all of them", sums[-1] / pieces[-1][0, 0].numel()),
            ("only the first piece counts: add up over all of them", sums[0] / pieces[0][0, 0].numel()),
            ("divided by the positions of the last piece only; count those of all", sum(sums) / pieces[-1][0, 0].numel()),
            ("divided by C·H·W; only positions count", whole / 3),
        ]
        same(answer, whole, f"the Gram matrix of pieces {[list(p.shape) for p in pieces]}",
             [slip for slip in slips if not torch.allclose(slip[1], whole)])
