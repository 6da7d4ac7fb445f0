"""Lesson 14: a dictionary's answers, the contrast of points, the softmax of a map. The oracles are loops and math.exp."""
import math

import torch

from .verdict import Wrong, differentiable, exercise, same, untouched


def _some(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def _others(slips, truth, rtol=1e-3, atol=1e-5):
    """The slips that give something else than the truth."""
    return [slip for slip in slips if slip[1].shape != truth.shape or not torch.allclose(slip[1], truth, rtol=rtol, atol=atol)]


# --- 14.1 ------------------------------------------------------------------------------------------------------------

def _heard(picture, filters, border="nearest"):
    """What each filter says at each place, by a loop over the filters' pixels: [B, K, H, W]. Past the border: the nearest pixel, or 0."""
    side, (height, width) = filters.shape[-1], picture.shape[2:]
    rows, columns = torch.arange(height), torch.arange(width)
    out = torch.zeros(len(picture), len(filters), height, width)
    for y in range(side):
        for x in range(side):
            there, over = rows + y - side // 2, columns + x - side // 2
            seen = picture[:, :, there.clamp(0, height - 1)][..., over.clamp(0, width - 1)]             # [B, 3, H, W]
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
        same(untouched(respond, picture, filters, crashes=_RESPOND), truth, f"the answers of {count} filters to pictures {list(picture.shape)}",
             _others(_answers(picture, filters, heard), truth), rtol=1e-3, atol=1e-4)
    differentiable(lambda given: respond(given, filters), picture, what="the answers")


def _answers(picture, filters, heard):
    """[(message, what this slip gives)]."""
    both = lambda values: torch.cat([values, -values], 1).clamp_min(0)
    margin, side = filters.shape[-1] // 2, filters.shape[-1]
    inner = heard[..., margin:heard.shape[2] - margin, margin:heard.shape[3] - margin]
    positive = heard.clamp_min(0)
    return [
        ("past the border there is black, and each filter hears an edge there: repeat the outermost pixels, mode=\"replicate\"",
         both(_heard(picture, filters, "zero"))),
        (f"at the border places are missing: with filters of {side} px the picture wants {margin} more px on each side first", both(inner)),
        ("the ReLU comes before the sign: of what it has cut off, nothing can be turned around. First both signs, then the ReLU",
         torch.cat([positive, (-positive).clamp_min(0)], 1)),
        ("the ReLU comes before the sign, so the second half is never positive: first both signs, then the ReLU",
         torch.cat([positive, -positive], 1)),
        ("the ReLU is missing: an answer is loud or silent, never negative", torch.cat([heard, -heard], 1)),
        ("only the first half went through the ReLU", torch.cat([positive, -heard], 1)),
        ("both halves are the same: the second one is that of the negative filters", torch.cat([positive, positive], 1)),
        ("only one way around: the negative filters' answers are missing, [B, 2K, H, W] is wanted", positive),
        ("only one way around, and without a ReLU: [B, 2K, H, W] is wanted", heard),
        ("both signs fell together: with |·| a dark line on bright is the same as a bright one on dark; keep them apart", heard.abs()),
        ("the negative filters stand before the others", both(-heard)),
        ("each filter stands beside its negative: first all filters, then all negatives", both(heard).unflatten(1, (2, -1)).transpose(1, 2).flatten(1, 2)),
        ("the negatives stand as more pictures: they are more channels, dim=1", torch.cat([heard, -heard]).clamp_min(0)),
        ("the filters are turned by half a turn: conv2d lays them on the picture as they are", both(_heard(picture, filters.flip(2, 3)))),
        ("each answer is divided by the filter's pixels: their sum is wanted", both(heard / filters[0].numel())),
        ("the three colors' answers are averaged: their sum is wanted", both(heard / 3)),
    ]


_RESPOND = {
    "expected input": "conv2d wants the picture first, then the filters [K, 3, s, s] as they are",
    "must be tuple of ints": "a margin is a whole number: side // 2",
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
            raise Wrong(f"at temperature {temperature} it is {answer.item()}: exp(100) does not fit into float32; "
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
    surprise = lambda table: torch.stack([_surprise(table), _surprise(table.T)]).mean()
    alone = one @ one.T / temperature
    return [
        ("only one way: the second view's points look for theirs in the first, too; take the mean of both", ways[0]),
        ("only the way back: the first view's points look for theirs in the second, too; take the mean of both", ways[1]),
        ("both ways are added; their mean is wanted", 2 * mean),
        ("the points are summed; their mean is wanted", count * mean),
        ("the points are summed, and both ways, too; means are wanted", 2 * count * mean),
        ("the points are summed, and there is one way only; the mean over both ways is wanted", count * ways[0]),
        ("the temperature is missing: the products are divided by it", surprise(plain)),
        ("multiplied by the temperature: the products are divided by it", surprise(plain * temperature)),
        ("divided by the temperature twice", surprise(scores / temperature)),
        ("divided by the root of the temperature; by itself is wanted", surprise(plain / temperature**0.5)),
        ("the wrong sign: what is to become small is minus the logarithm", -mean),
        ("that is the mean share itself; minus its logarithm is wanted", shares.mean()),
        ("that is the mean share itself; minus its logarithm is wanted", (shares.mean() + scores.T.softmax(1).diagonal().mean()) / 2),
        ("that is minus the share; minus its logarithm is wanted", -shares.mean()),
        ("first the mean, then the logarithm: each point has a logarithm of its own", -shares.mean().log()),
        ("the partner itself is missing below the line: the sum runs over all points", (apart(scores) + apart(scores.T)) / 2),
        ("the partner itself is missing below the line, and there is one way only: the sum runs over all points, both ways", apart(scores)),
        ("partners are only drawn together, nothing is pushed apart: minus the products' mean. All others stand below the line", -own.mean()),
        ("nothing draws partners together: that is the logarithm of the sum alone", scores.logsumexp(1).mean()),
        ("a view is compared with itself: one @ other.T", surprise(alone)),
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


_CONTRAST = {
    "0D or 1D target tensor": "cross_entropy wants the table [N, N] and, for each row, the number of the right column: torch.arange(N)",
    "expected scalar type Long": "the right columns are whole numbers: torch.arange(N)",
    "mat1 and mat2 shapes": "one @ other.T: [N, D] · [D, N] → [N, N]",
    "inconsistent tensor size": "one @ other.T: [N, D] · [D, N] → [N, N]",
}


# --- 14.3 ------------------------------------------------------------------------------------------------------------

@exercise("14.3", "each picture's activations share its C·H·W among them, size does not matter, and nothing overflows.")
def check_smoothed(smoothed):
    """Tries smoothed(act [B, C, H, W]) → the same shape: a softmax over all of a picture's activations, mean 1."""
    for shape, loud in [((2, 3, 4, 5), 1), ((1, 4, 3, 3), 2), ((3, 2, 2, 4), 1), ((1, 2, 3, 4), 200)]:
        act = loud * _some(*shape, seed=sum(shape)).clamp_min(0)
        truth = torch.stack([_shares(one) for one in act])
        answer = untouched(smoothed, act, crashes=_SMOOTHED)
        if isinstance(answer, torch.Tensor) and answer.shape == truth.shape and not answer.isfinite().all():
            raise Wrong(f"activations of {act.max():.0f} give NaN or infinity: exp(100) does not fit into float32; torch.softmax takes the largest out "
                        "first, which changes nothing else")
        same(answer, truth, f"what you make of activations {list(shape)}", _others(_softened(act, truth), truth))
    differentiable(lambda given: smoothed(given).square(), _some(1, 2, 3, 3).clamp_min(0.1), what="what you make of the activations")


def _shares(one):
    """A picture's exp(act), times their number over their sum, by math.exp: [C, H, W]."""
    values = one.flatten().tolist()
    most = max(values)
    parts = [math.exp(value - most) for value in values]
    return torch.tensor([part / sum(parts) * len(parts) for part in parts]).view_as(one)


def _softened(act, truth):
    """[(message, what this slip gives)]."""
    batch, channels, height, width = act.shape
    positions, exp = height * width, act.exp()
    by_place = act.flatten(2).softmax(2).view_as(act)
    whole = act.flatten().softmax(0).view_as(act)
    return [
        ("the factor is missing: times C·H·W, so that the mean is 1 at any size", truth / (channels * positions)),
        ("times H·W only; C·H·W activations share it", truth / channels),
        ("times C only; C·H·W activations share it", truth / positions),
        ("times B·C·H·W: each picture's own C·H·W is wanted", truth * batch),
        ("divided by C·H·W; times it is wanted", truth / (channels * positions)**2),
        ("the softmax runs over the channels of each place: over all of a picture is wanted", act.softmax(1)),
        ("the softmax runs over the channels of each place: over all of a picture is wanted", act.softmax(1) * channels),
        ("the softmax runs over the channels of each place: over all of a picture is wanted", act.softmax(1) * channels * positions),
        ("the softmax runs over the places of each channel, so that all channels are equally loud: over all of a picture is wanted", by_place),
        ("the softmax runs over the places of each channel, so that all channels are equally loud: over all of a picture is wanted",
         by_place * positions),
        ("the softmax runs over the places of each channel, so that all channels are equally loud: over all of a picture is wanted",
         by_place * channels * positions),
        ("the softmax runs over the last dimension alone, a row: over all of a picture is wanted", act.softmax(3)),
        ("the softmax runs over the last dimension alone, a row: over all of a picture is wanted", act.softmax(3) * channels * positions),
        ("the softmax runs over all pictures of the batch: each has its own", whole * act.numel()),
        ("the softmax runs over all pictures of the batch: each has its own", whole * channels * positions),
        ("the softmax runs over all pictures of the batch, and the factor is missing", whole),
        ("the softmax runs over the batch: over all of a picture is wanted", act.softmax(0)),
        ("the softmax runs over the batch: over all of a picture is wanted", act.softmax(0) * channels * positions),
        ("exp is missing: that only divides by the mean, and a peak stays what it was", act / act.mean(dim=(1, 2, 3), keepdim=True)),
        ("exp is missing: that only divides by the sum, and a peak stays what it was", act / act.sum(dim=(1, 2, 3), keepdim=True)),
        ("nothing divides by the sum: that is exp alone", exp),
        ("that divides by the largest: the sum is wanted", exp / exp.amax(dim=(1, 2, 3), keepdim=True)),
        ("that is the logarithm of it: softmax, not log_softmax", (truth / (channels * positions)).log()),
        ("the sign is turned around: the loudest became the quietest", torch.stack([_shares(-one) for one in act])),
        ("a sigmoid looks at each activation alone; in a softmax all share one sum", act.sigmoid()),
        ("the right numbers in another shape: bring them back, .view_as(act)", truth.flatten(1)),
    ]


_SMOOTHED = {
    "Dimension out of range": "flatten(1) leaves two dimensions, [B, C·H·W]: the softmax runs over dim=1",
    "must match the size of tensor": "sums for each picture want to be [B, 1, 1, 1]: keepdim=True",
    "must be tuple of ints": "torch.softmax takes one dimension: flatten(1) first",
    "argument 'dim'": "torch.softmax takes one dimension: flatten(1) first",
}
