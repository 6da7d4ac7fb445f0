"""Exercises 14.1 and 14.2: a dictionary's answers, the contrast of points. The oracles are loops and math.exp."""
import math

import torch

from .verdict import Wrong, differentiable, exercise, same, seeded, untouched


def _some(*shape, seed=0):
    return torch.randn(*shape, generator=seeded(seed))


def _others(slips, truth, rtol=1e-3, atol=1e-5):
    """The slips that give something else than the truth."""
    return [slip for slip in slips if slip[1].shape != truth.shape or not torch.allclose(slip[1], truth, rtol=rtol, atol=atol)]


# --- 14.1 ------------------------------------------------------------------------------------------------------------

_PAST = {                                # which pixel [n] of `size` stands at place `at`, past the border, too
    "nearest": lambda at, size: at.clamp(0, size - 1),
    "mirror": lambda at, size: size - 1 - (size - 1 - at.abs()).abs(),
    "around": lambda at, size: at % size,
}


def _heard(picture, filters, border="nearest"):
    """What each filter says at each place, by a loop over the filters' pixels: [B, K, H, W]. border: of `_PAST`, or "zero"."""
    side, (height, width) = filters.shape[-1], picture.shape[2:]
    rows, columns = torch.arange(height), torch.arange(width)
    out = torch.zeros(len(picture), len(filters), height, width)
    for y in range(side):
        for x in range(side):
            there, over = rows + y - side // 2, columns + x - side // 2
            past = _PAST.get(border, _PAST["nearest"])
            seen = picture[:, :, past(there, height)][..., past(over, width)]                           # [B, 3, H, W]
            if border == "zero":
                inside = ((there >= 0) & (there < height))[:, None] & ((over >= 0) & (over < width))
                seen = seen * inside
            out += torch.einsum("bchw,kc->bkhw", seen, filters[:, :, y, x])
    return out


@exercise("14.1", "every filter answers both ways, at every place of every picture, and the border is no edge.")
def check_respond(respond):
    """Tries respond(picture [B, 3, H, W], filters [K, 3, s, s]) → [B, 2K, H, W]."""
    for batch, count, side, height, width in [(1, 4, 3, 6, 8), (2, 3, 5, 7, 6), (3, 2, 7, 9, 8)]:
        picture, filters = _some(batch, 3, height, width, seed=side).sigmoid(), _some(count, 3, side, side, seed=side + 1)
        heard = _heard(picture, filters)
        truth = torch.cat([heard, -heard], 1).clamp_min(0)
        answer = untouched(respond, picture, filters, crashes=_RESPOND)
        _as_large(answer, truth, side)
        same(answer, truth, f"the answers of {count} filters to pictures {list(picture.shape)}",
             _others(_answers(picture, filters, heard), truth), rtol=1e-3, atol=1e-4)
    differentiable(lambda given: respond(given, filters), picture, what="the answers")


def _as_large(answer, truth, side):
    """Raises Wrong when a margin made the answer too large, or not large enough for these filters."""
    if isinstance(answer, torch.Tensor) and answer.ndim == 4 and answer.shape[:2] == truth.shape[:2]:
        more = [found - wanted for found, wanted in zip(answer.shape[2:], truth.shape[2:])]
        if max(more) > 0:
            raise Wrong(f"the answer is larger than the picture, {_size(answer)} in place of {_size(truth)}: with filters of {side} px, "
                        f"{side // 2} px more on each side are enough, once, before the convolution")
        if 1 - side < min(more) < 0:
            raise Wrong(f"the answer is smaller than the picture, {_size(answer)} in place of {_size(truth)}: the margin goes with the "
                        f"filters' side, side // 2; with filters of {side} px that is {side // 2} on each side")


def _size(act):
    return f"{act.shape[2]}×{act.shape[3]}"


def _answers(picture, filters, heard):
    """[(message, what this slip gives)]."""
    both = lambda values: torch.cat([values, -values], 1).clamp_min(0)
    margin, side = filters.shape[-1] // 2, filters.shape[-1]
    inner = heard[..., margin:heard.shape[2] - margin, margin:heard.shape[3] - margin]
    positive, signs = heard.clamp_min(0), torch.cat([heard, -heard], 1)
    stretched = torch.nn.functional.pad(inner, (margin,) * 4, mode="replicate")
    return [
        ("past the border there is black, and each filter hears an edge there: repeat the outermost pixels, mode=\"replicate\"",
         both(_heard(picture, filters, "zero"))),
        ("past the border the picture is mirrored: the outermost pixels are repeated, mode=\"replicate\"", both(_heard(picture, filters, "mirror"))),
        ("past the border the picture begins anew: the outermost pixels are repeated, mode=\"replicate\"", both(_heard(picture, filters, "around"))),
        ("the answer was made larger, not the picture: first repeat the picture's outermost pixels, then the convolution", both(stretched)),
        ("the answer was made larger, not the picture: first repeat the picture's outermost pixels, then the convolution",
         both(torch.nn.functional.pad(inner, (margin,) * 4))),
        (f"at the border places are missing: with filters of {side} px the picture wants {margin} more px on each side first", both(inner)),
        ("the ReLU comes before the sign: of what it has cut off, nothing can be turned around. First both signs, then the ReLU",
         torch.cat([positive, (-positive).clamp_min(0)], 1)),
        ("the ReLU comes before the sign, so the second half is never positive: first both signs, then the ReLU",
         torch.cat([positive, -positive], 1)),
        ("the ReLU is missing: an answer is loud or silent, never negative", signs),
        ("a leaky ReLU lets a hundredth of the negative through: F.relu is wanted", torch.where(signs > 0, signs, signs / 100)),
        ("loud answers are cut off at 1: a ReLU has no upper end", signs.clamp(0, 1)),
        ("what is positive was cut off: a ReLU cuts off what is negative", signs.clamp_max(0)),
        ("a sigmoid in place of the ReLU", signs.sigmoid()),
        ("only the first half went through the ReLU", torch.cat([positive, -heard], 1)),
        ("both halves are the same: the second one is that of the negative filters", torch.cat([positive, positive], 1)),
        ("only one way around: the negative filters' answers are missing, [B, 2K, H, W] is wanted", positive),
        ("only one way around, and without a ReLU: [B, 2K, H, W] is wanted", heard),
        ("both signs fell together: with |·| a dark line on bright is the same as a bright one on dark; keep them apart", heard.abs()),
        ("|·| on both halves makes them the same: the first says where the filter fits, the second where its negative does", signs.abs()),
        ("the picture was turned into a negative, 1 − picture: the negative filter is −1 times the filter",
         torch.cat([heard, _heard(1 - picture, filters)], 1).clamp_min(0)),
        ("1 − answer is not the negative filter's answer: −1 times it is", torch.cat([heard, 1 - heard], 1).clamp_min(0)),
        ("the ReLU went over the filters: it belongs to their answers", torch.cat([_heard(picture, way.clamp_min(0)) for way in (filters, -filters)], 1)),
        ("the negative filters stand before the others", both(-heard)),
        ("each filter stands beside its negative: first all filters, then all negatives", both(heard).unflatten(1, (2, -1)).transpose(1, 2).flatten(1, 2)),
        ("the negatives stand as more pictures: they are more channels, dim=1", torch.cat([heard, -heard]).clamp_min(0)),
        ("the negatives stand below the others, as more places: they are more channels, dim=1", torch.cat([heard, -heard], 2).clamp_min(0)),
        ("the negatives stand beside the others, as more places: they are more channels, dim=1", torch.cat([heard, -heard], 3).clamp_min(0)),
        ("stack makes a dimension of its own: cat puts both into dimension 1", torch.stack([heard, -heard], 1).clamp_min(0)),
        ("the filters are turned by half a turn: conv2d lays them on the picture as they are", both(_heard(picture, filters.flip(2, 3)))),
        ("each answer is divided by the filter's pixels: their sum is wanted", both(heard / filters[0].numel())),
        ("the three colors' answers are averaged: their sum is wanted", both(heard / 3)),
    ]


_RESPOND = {
    "expected input": "conv2d wants the picture first, then the filters [K, 3, s, s] as they are",
    "must be tuple of ints": "a margin is a whole number: side // 2",
    "Padding size": "F.pad wants four numbers: what is added left, right, above and below, each side // 2",
    "expected stride": "conv2d wants the filters as they are, [K, 3, s, s]",
}


# --- 14.2 ------------------------------------------------------------------------------------------------------------

@exercise("14.2", "every point looks for its partner among all, both ways, and even a small temperature overflows nothing.")
def check_contrast(contrast):
    """Tries contrast(one [N, D], other [N, D], temperature) → 0-d: InfoNCE, both ways, rows of length 1."""
    for count, size, temperature in [(5, 4, 0.2), (8, 3, 0.5), (6, 5, 1.0), (7, 4, 0.01)]:
        one, other = (torch.nn.functional.normalize(_some(count, size, seed=count + k), dim=1) for k in (0, 20))
        scores = one @ other.T / temperature
        ways = torch.stack([_surprise(scores), _surprise(scores.T)])
        truth = ways.mean()
        answer = untouched(contrast, one, other, temperature, crashes=_CONTRAST)
        if isinstance(answer, torch.Tensor) and answer.shape == () and not answer.isfinite():
            if temperature >= 0.2:
                raise Wrong(f"at temperature {temperature} it is {answer.item()}: is a logarithm taken of something that is not positive? e^s always is")
            raise Wrong(f"at temperature {temperature} it is {answer.item()}: exp(100) does not fit into float32, and exp(−110) becomes 0; "
                        "logsumexp, log_softmax or cross_entropy take care of that")
        same(answer, truth, f"the contrast of {count} points at temperature {temperature}",
             _others(_contrasts(one, other, temperature, scores, ways), truth), rtol=1e-3)
    one, other = (torch.nn.functional.normalize(_some(5, 4, seed=k), dim=1) for k in (1, 2))
    differentiable(lambda given: contrast(given, other, 0.2), one, what="your contrast")
    differentiable(lambda given: contrast(one, given, 0.2), other, what="your contrast, on the way to the second view,")


def _surprise(scores):
    """−log of the share that each row gives to its own column, by a loop, largest first taken out: mean over rows."""
    total = 0
    for n, row in enumerate(scores.tolist()):
        most = max(row)
        total += most + math.log(sum(math.exp(score - most) for score in row)) - row[n]
    return torch.tensor(total / len(scores))


def _contrasts(one, other, temperature, scores, ways):
    """[(message, what this slip gives)]."""
    mean, count = ways.mean(), len(scores)
    own = scores.diagonal()
    hidden = scores.masked_fill(torch.eye(count, dtype=torch.bool), -1e9)
    apart = lambda table: (table.masked_fill(torch.eye(count, dtype=torch.bool), -1e9).logsumexp(1) - own).mean()
    shares = scores.softmax(1).diagonal()
    plain = one @ other.T
    surprise = _both_ways
    soft = [-table.softmax(1).log_softmax(1).diagonal().mean() for table in (scores, scores.T)]
    return [
        ("only one way: the second view's points look for theirs in the first, too; take the mean of both", ways[0]),
        ("only the way back: the first view's points look for theirs in the second, too; take the mean of both", ways[1]),
        ("both ways are added; their mean is wanted", 2 * mean),
        ("only one way, and half of it: the second view's points look for theirs in the first, too", ways[0] / 2),
        ("the two ways stand apart: one number is wanted, their mean", ways),
        ("divided by N twice: cross_entropy, and mean, have done it already", mean / count),
        ("the points are summed; their mean is wanted", count * mean),
        ("the points are summed, and both ways, too; means are wanted", 2 * count * mean),
        ("the points are summed, and there is one way only; the mean over both ways is wanted", count * ways[0]),
        ("the temperature is missing: the products are divided by it", surprise(plain)),
        ("multiplied by the temperature: the products are divided by it", surprise(plain * temperature)),
        ("the temperature is 0.2 whatever is given: divide by the argument", surprise(plain / 0.2)),
        ("the losses are divided by the temperature: the products are, before the exponential", surprise(plain) / temperature),
        ("divided by the temperature twice", surprise(scores / temperature)),
        ("divided by the root of the temperature; by itself is wanted", surprise(plain / temperature**0.5)),
        *[("the wrong sign: what is to become small is minus the logarithm", -wrong) for wrong in (mean, 2 * mean, ways[0], count * mean)],
        ("that is the mean share itself; minus its logarithm is wanted", shares.mean()),
        ("that is the mean share itself; minus its logarithm is wanted", (shares.mean() + scores.T.softmax(1).diagonal().mean()) / 2),
        ("that is minus the share; minus its logarithm is wanted", -shares.mean()),
        ("that is minus the share; minus its logarithm is wanted", -(shares.mean() + scores.T.softmax(1).diagonal().mean()) / 2),
        *[("two softmaxes, one after the other: cross_entropy has its own, so give it the scores", wrong) for wrong in (sum(soft) / 2, soft[0])],
        ("a logarithm to the base 2: the natural one is wanted", mean / math.log(2)),
        ("a logarithm to the base 10: the natural one is wanted", mean / math.log(10)),
        ("first the mean, then the logarithm: each point has a logarithm of its own", -shares.mean().log()),
        ("the partner itself is missing below the line: the sum runs over all points", (apart(scores) + apart(scores.T)) / 2),
        ("the partner itself is missing below the line, and there is one way only: the sum runs over all points, both ways", apart(scores)),
        ("below the line stands the whole table's sum: each point has a sum of its own", scores.flatten().logsumexp(0) - own.mean()),
        ("below the line stands the mean over all points: their sum is wanted", mean - math.log(count)),
        ("partners are only drawn together, nothing is pushed apart: minus the products' mean. All others stand below the line", -own.mean()),
        ("nothing draws partners together: that is the logarithm of the sum alone", scores.logsumexp(1).mean()),
        *[("that is the whole table: its diagonal, and then the mean, is wanted", wrong) for wrong in (scores, scores.softmax(1), -scores.log_softmax(1))],
        *[("a small number in the logarithm hides how unlikely a partner is: log_softmax or cross_entropy need none",
           -((shares + less).log() + (scores.T.softmax(1).diagonal() + less).log()).mean() / 2) for less in (1e-12, 1e-10, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5)],
        *_confused(one, other, temperature, scores),
        ("every pair counts as a partner: only the diagonal is", -scores.log_softmax(1).mean()),
        ("partners are left out and all others taken: only the diagonal is wanted", -hidden.log_softmax(1)[~torch.eye(count, dtype=torch.bool)].mean()),
        ("distances in place of products have the sign turned around: what is near has a small distance", surprise(torch.cdist(one, other) / temperature)),
        ("minus distances; products, as they are, are wanted", surprise(-torch.cdist(one, other) / temperature)),
        ("minus squared distances are twice the products, so the temperature is halved; products are wanted", surprise(2 * scores)),
        ("a number for each point is wanted no longer: one for all, the mean", (-scores.log_softmax(1).diagonal() - scores.T.log_softmax(1).diagonal()) / 2),
        ("a number for each point, and one way only: one for all, the mean over both ways", -scores.log_softmax(1).diagonal()),
        ("mean squared difference of partners: the others must have a say, too", (one - other).square().mean()),
        ("one less the cosine of partners: the others must have a say, too", 1 - plain.diagonal().mean()),
    ]


def _both_ways(table):
    return torch.stack([_surprise(table), _surprise(table.T)]).mean()


def _confused(one, other, temperature, scores):
    """[(message, what this slip gives)]: points are compared with the wrong ones, or the wrong one is the partner."""
    own, count, surprise = scores.diagonal(), len(scores), _both_ways
    alone, twice = (view @ view.T / temperature for view in (one, other))
    first = [[-table.log_softmax(1)[:, k].mean() for table in (scores, scores.T)] for k in (0, 1)]
    most = [-table.log_softmax(1).amax(1).mean() for table in (scores, scores.T)]
    crowd = torch.cat([torch.cat([alone, scores], 1), torch.cat([scores.T, twice], 1)]).masked_fill(torch.eye(2 * count, dtype=torch.bool), -1e9)
    return [
        *[("a view is compared with itself: one @ other.T", wrong) for wrong in (surprise(alone), (surprise(alone) + surprise(twice)) / 2)],
        ("one.T @ other compares the D numbers, not the N points: one @ other.T", surprise(one.T @ other / temperature)),
        ("below the line stand a view's own points, too: each point looks among the other view's alone",
         (crowd.logsumexp(1) - own.repeat(2)).mean()),
        *[("each point's partner is its own number, torch.arange(N): here all have the same one", wrong)
          for pair in first for wrong in (sum(pair) / 2, pair[0])],
        *[("the largest of each row counts, right or wrong: the diagonal holds the partners", wrong) for wrong in (sum(most) / 2, most[0])],
        ("the two ways' tables are averaged first: each way has a loss of its own", surprise((scores + scores.T) / 2)),
        ("each pair is judged alone, yes or no: a row's scores share one sum", torch.nn.functional.binary_cross_entropy_with_logits(scores, torch.eye(count))),
    ]


_CONTRAST = {
    "0D or 1D target tensor": "cross_entropy wants the table [N, N] and, for each row, the number of the right column: torch.arange(N)",
    "expected scalar type Long": "the right columns are whole numbers: torch.arange(N)",
    "to be Long": "the right columns are whole numbers: torch.arange(N)",
    "out of bounds": "cross_entropy wants the table of all scores, [N, N]: one @ other.T",
    "mat1 and mat2 shapes": "one @ other.T: [N, D] · [D, N] → [N, N]",
    "inconsistent tensor size": "one @ other.T: [N, D] · [D, N] → [N, N]",
}
