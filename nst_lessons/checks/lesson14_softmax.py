"""Exercise 14.3: the softmax of a map. The oracle is math.exp."""
import math

import torch

from .lesson14 import _others, _some
from .verdict import Wrong, differentiable, exercise, same, untouched


@exercise("14.3", "each picture's activations share its C·H·W among them, size does not matter, and nothing overflows.")
def check_smoothed(smoothed):
    """Tries smoothed(act [B, C, H, W]) → the same shape: a softmax over all of a picture's activations, mean 1."""
    for shape, loud in [((2, 3, 4, 5), 1), ((1, 4, 3, 3), 2), ((3, 2, 2, 4), 1), ((1, 2, 3, 4), 200)]:
        act = loud * _some(*shape, seed=sum(shape)).clamp_min(0)
        truth = torch.stack([_shares(one) for one in act])
        answer = untouched(smoothed, act, crashes=_SMOOTHED)
        if isinstance(answer, torch.Tensor) and answer.shape == truth.shape and not answer.isfinite().all() and act.max() > 88:
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
        *[(f"activations above {least} are cut off, and so two loud ones become alike: torch.softmax needs no limit",
           torch.stack([_shares(one.clamp_max(least)) for one in act])) for least in (20, 50, 80, 88)],
        ("what did not fit into float32 became 0: torch.softmax takes the largest out first, and loses nothing",
         (exp / exp.sum(dim=(1, 2, 3), keepdim=True) * channels * positions).nan_to_num()),
        ("the factor is missing: times C·H·W, so that the mean is 1 at any size", truth / (channels * positions)),
        ("times H·W only; C·H·W activations share it", truth / channels),
        ("times C only; C·H·W activations share it", truth / positions),
        ("times B·C·H·W: each picture's own C·H·W is wanted", truth * batch),
        ("divided by C·H·W; times it is wanted", truth / (channels * positions)**2),
        *[(f"the softmax runs over {which}: over all of a picture is wanted", act.softmax(dim) * factor)
          for dim, which in _ALONG.items() for factor in (1, act.shape[dim], channels, channels * positions, act.numel())],
        *[("the softmax runs over the places of each channel, so that all channels are equally loud: over all of a picture is wanted", by_place * factor)
          for factor in (1, positions, channels, channels * positions)],
        *[("the softmax runs over pictures and channels of each place: flatten(1), not (0, 1)", act.flatten(0, 1).softmax(0).view_as(act) * factor)
          for factor in (1, channels * positions)],
        *[("softmaxes one after the other: the second gets the shares of the first. One, over all of a picture", wrong * factor)
          for wrong in (act.softmax(1).flatten(2).softmax(2).view_as(act), act.softmax(1).softmax(2).softmax(3)) for factor in (1, channels * positions)],
        ("the softmax runs over all pictures of the batch: each has its own", whole * act.numel()),
        ("the softmax runs over all pictures of the batch: each has its own", whole * channels * positions),
        ("the softmax runs over all pictures of the batch, and the factor is missing", whole),
        ("exp is missing: that only divides by the mean, and a peak stays what it was", act / act.mean(dim=(1, 2, 3), keepdim=True)),
        ("exp is missing: that only divides by the sum, and a peak stays what it was", act / act.sum(dim=(1, 2, 3), keepdim=True)),
        ("exp is missing: that only divides by the largest, and a peak stays what it was", act / act.amax(dim=(1, 2, 3), keepdim=True)),
        *[("below the line stands the sum of the activations: that of their exponentials is wanted", exp / act.sum(dim=(1, 2, 3), keepdim=True) * factor)
          for factor in (1, channels * positions)],
        *[("above the line exp is missing", act / exp.sum(dim=(1, 2, 3), keepdim=True) * factor) for factor in (1, channels * positions)],
        *[("the shares are multiplied by the activations: they themselves are wanted", act * truth * factor) for factor in (1, 1 / (channels * positions))],
        ("activations are divided by their largest before: they go in as they are",
         torch.stack([_shares(one / one.max().clamp_min(1e-12)) for one in act])),
        ("nothing divides by the sum: that is exp alone", exp),
        ("that divides by the largest: the sum is wanted", exp / exp.amax(dim=(1, 2, 3), keepdim=True)),
        *[("that is the logarithm of it: softmax, not log_softmax", act.flatten(1).log_softmax(1).view_as(act) * factor)
          for factor in (1, channels * positions)],
        ("the sign is turned around: the loudest became the quietest", torch.stack([_shares(-one) for one in act])),
        ("a sigmoid looks at each activation alone; in a softmax all share one sum", act.sigmoid()),
        ("softplus looks at each activation alone; in a softmax all share one sum", torch.nn.functional.softplus(act)),
        ("the right numbers in the wrong places: no permute before flatten(1)", truth.permute(0, 2, 3, 1).reshape(act.shape)),
        ("the right numbers in another shape: bring them back, .view_as(act)", truth.flatten(1)),
        ("the shape is lost, .view_as(act), and the factor C·H·W is missing", truth.flatten(1) / (channels * positions)),
        ("all pictures of the batch share one softmax, and the shape is lost: flatten(1), and at the end .view_as(act)", whole.flatten() * act.numel()),
        ("all pictures of the batch share one softmax, and the shape is lost: flatten(1), and at the end .view_as(act)", whole.flatten()),
    ]


_ALONG = {0: "the batch", 1: "the channels of each place", 2: "the last dimension but one, a column", 3: "the last dimension alone, a row"}

_SMOOTHED = {
    "Dimension out of range": "flatten(1) leaves two dimensions, [B, C·H·W]: the softmax runs over dim=1",
    "must match the size of tensor": "sums for each picture want to be [B, 1, 1, 1]: keepdim=True",
    "must be tuple of ints": "torch.softmax takes one dimension: flatten(1) first",
    "argument 'dim'": "torch.softmax takes one dimension: flatten(1) first",
}
