"""Lesson 08: three normalizations, a residual block, a mixture of styles. The oracles are torch's own layers."""
import torch
from torch.nn import functional as F

from .verdict import Wrong, attempt, differentiable, exercise, same, untouched

_EPS = 1e-5
_DIMS = {"instance": (2, 3), "batch": (0, 2, 3), "layer": (1, 2, 3)}


def _some(*shape, seed=0, gain=1.0):
    return gain * torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) + 0.7 * gain


def _torchs(act, kind):
    """Mean 0 and deviation 1, by torch's own function of that kind."""
    if kind == "instance":
        return F.instance_norm(act, eps=_EPS)
    if kind == "batch":
        return F.batch_norm(act, None, None, training=True, eps=_EPS)
    return F.layer_norm(act, act.shape[1:], eps=_EPS)


def _slips(act, kind):
    """[(message, what this slip gives)] for `normalized`."""
    dims = _DIMS[kind]
    mean, variance = act.mean(dims, keepdim=True), act.var(dims, keepdim=True, correction=0)
    told = {"instance": "each channel of each picture by itself: mean over rows and columns, dimensions 2 and 3",
            "batch": "a channel over all pictures of the batch: mean over dimensions 0, 2 and 3",
            "layer": "all channels of a picture together: mean over dimensions 1, 2 and 3"}
    return [
        *((f"for kind {kind!r} you did what {other!r} is; {kind!r} takes {told[kind]}", _torchs(act, other)) for other in _DIMS if other != kind),
        ("the variance is divided by M − 1: use correction=0 (or the mean of squares); all three normalizations divide by M",
         (act - mean) / (act.var(dims, keepdim=True) + _EPS).sqrt()),
        ("you divided by the variance; its root, the deviation, is wanted", (act - mean) / (variance + _EPS)),
        ("the mean is still there: subtract it first", act / (variance + _EPS).sqrt()),
        ("eps stands outside of the root: (variance + eps).sqrt() is wanted", (act - mean) / (variance.sqrt() + _EPS)),
        ("eps is missing: a channel that is the same everywhere would be divided by 0", (act - mean) / variance.sqrt()),
        ("that is (act − mean) alone; divide it by the deviation", act - mean),
        ("means over rows only: a channel's mean runs over rows and columns, H and W",
         (act - act.mean(2, keepdim=True)) / (act.var(2, keepdim=True, correction=0) + _EPS).sqrt()),
        ("means over columns only: a channel's mean runs over rows and columns, H and W",
         (act - act.mean(3, keepdim=True)) / (act.var(3, keepdim=True, correction=0) + _EPS).sqrt()),
        ("channels are mixed at each place, dimension 1 alone: no such normalization is asked for",
         (act - act.mean(1, keepdim=True)) / (act.var(1, keepdim=True, correction=0) + _EPS).sqrt()),
    ]


@exercise("8.1", "instance, batch and layer normalization agree with torch's own, and a gradient gets through.")
def check_normalized(normalized):
    """Tries normalized(act [B, C, H, W], kind) → the same shape with mean 0 and deviation 1 over what `kind` says."""
    for shape, gain in [((2, 3, 5, 4), 1.0), ((3, 4, 3, 6), 0.01), ((1, 2, 4, 4), 30.0)]:
        act = _some(*shape, seed=sum(shape), gain=gain)
        for kind in _DIMS:
            truth = _torchs(act, kind)
            slips = [slip for slip in _slips(act, kind) if not torch.allclose(slip[1], truth, rtol=1e-4, atol=1e-5)]
            same(untouched(normalized, act, kind), truth, f"for kind {kind!r}, what comes of activations {list(shape)}", slips, atol=1e-5)
    flat = attempt(normalized, torch.full((1, 2, 3, 3), 5.0), "instance")
    if not (isinstance(flat, torch.Tensor) and flat.isfinite().all()):
        raise Wrong("a channel that is 5 everywhere gives NaN or infinity: eps must keep the division finite, (variance + eps).sqrt()")
    act = _some(1, 3, 4, 4)
    differentiable(lambda x: normalized(x, "instance")**3, act, what="your normalization")


def _conv(x, kernel, mode="reflect"):
    return F.conv2d(F.pad(x, (1,) * 4, mode=mode), kernel)


def _norm(x, scale, shift):
    """Scale and shift [1, C] after torch's instance normalization."""
    return F.instance_norm(x, eps=_EPS) * scale[..., None, None] + shift[..., None, None]


def _block(x, kernels, scales, shifts, mode="reflect", middle=F.relu, last=lambda y: y, order=(0, 1), tables=(0, 1), normed=(True, True)):
    """The residual block's inside, or one with a slip."""
    y = _conv(x, kernels[order[0]], mode)
    y = middle(_norm(y, scales[tables[0]], shifts[tables[0]]) if normed[0] else y)
    y = _conv(y, kernels[order[1]], mode)
    return last(_norm(y, scales[tables[1]], shifts[tables[1]]) if normed[1] else y)


@exercise("8.2", "the change comes on top of x, the borders are mirrored, and the ReLU stands in the middle only.")
def check_residual_block(block):
    """Tries block(x [B, C, H, W], kernels, scales, shifts), two of each, against torch's own layers."""
    for shape in [(1, 3, 6, 5), (2, 4, 4, 7)]:
        channels = shape[1]
        x = _some(*shape, seed=sum(shape))
        kernels = [_some(channels, channels, 3, 3, seed=k) - 0.7 for k in range(2)]
        scales, shifts = ([_some(1, channels, seed=base + k) for k in range(2)] for base in (10, 20))
        inside = _block(x, kernels, scales, shifts)
        args = (kernels, scales, shifts)
        answer = untouched(lambda given: block(given, *args), x)
        same(answer, x + inside, f"the block's answer for x {list(shape)}", [
            ("x itself is missing: the block returns x plus the change", inside),
            ("a ReLU stands after the sum; here nothing comes after it", F.relu(x + inside)),
            ("a ReLU stands after the second convolution too: then a block could only add, never take away",
             x + _block(x, *args, last=F.relu)),
            ("the ReLU between the two convolutions is missing: without it two convolutions are no more than one",
             x + _block(x, *args, middle=lambda y: y)),
            ("the border is filled with zeros: use F.pad(…, mode=\"reflect\")", x + _block(x, *args, mode="constant")),
            ("the border repeats its last pixel: mode=\"reflect\" mirrors, \"replicate\" repeats", x + _block(x, *args, mode="replicate")),
            ("the border is taken from the opposite side: mode=\"reflect\", not \"circular\"", x + _block(x, *args, mode="circular")),
            ("the first kernel is used twice", x + _block(x, *args, order=(0, 0))),
            ("the two kernels are swapped", x + _block(x, *args, order=(1, 0))),
            ("the first scale and shift are used twice", x + _block(x, *args, tables=(0, 0))),
            ("the first normalization is missing", x + _block(x, *args, normed=(False, True))),
            ("the second normalization is missing", x + _block(x, *args, normed=(True, False))),
            ("the ReLU comes before x is added, to x: leave x as it is", F.relu(x) + inside),
            ("scale and shift are swapped", x + _block(x, kernels, shifts, scales)),
        ], rtol=1e-3, atol=1e-4)
    differentiable(lambda given: block(given, *args), x, what="your block")


@exercise("8.3", "each picture gets its own mixture of the styles' scales and shifts.")
def check_mixed_norm(mixed):
    """Tries mixed(act [B, C, H, W], scales [S, C], shifts [S, C], weights [1 or B, S]) → [B, C, H, W]."""
    for batch, styles, many in [(2, 3, True), (2, 2, False), (1, 4, True), (3, 3, True)]:
        act = _some(batch, 3, 5, 4, seed=batch + styles)
        scales, shifts = _some(styles, 3, seed=1), _some(styles, 3, seed=2)
        weights = torch.rand(batch if many else 1, styles, generator=torch.Generator().manual_seed(3)) + 0.05      # not summing to one
        _check_mixture(mixed, act, scales, shifts, weights)
    differentiable(lambda table: mixed(act, table, shifts, weights), scales, what="the scales, which are to be learned")


def _check_mixture(mixed, act, scales, shifts, weights):
    def by(mix, scales=scales, shifts=shifts):
        return torch.cat([_norm(act[k:k + 1], *((row[:, None] * table).sum(0, keepdim=True) for table in (scales, shifts)))
                          for k, row in enumerate(mix.expand(len(act), -1))])
    plain = F.instance_norm(act, eps=_EPS)
    truth, one_hot = by(weights), F.one_hot(weights.argmax(1), weights.shape[1]).float()
    slips = [
        ("only the strongest style is taken: add up all of them, each times its weight", by(one_hot)),
        ("the weights are divided by their sum: take them as they are, so that 1.2 of a style is possible too",
         by(weights / weights.sum(1, keepdim=True))),
        ("the weights go through a softmax: take them as they are", by(weights.softmax(1))),
        ("all pictures get the first one's mixture", by(weights[:1])),
        ("the styles are averaged, whatever the weights are", by(torch.full_like(weights, 1 / weights.shape[1]))),
        ("the styles are summed, whatever the weights are", by(torch.ones_like(weights))),
        ("only the scales are mixed; the shifts are those of the first style", by(weights, shifts=shifts[:1].expand_as(shifts) / weights.sum(1).mean())),
        ("the shifts are missing", by(weights, shifts=torch.zeros_like(shifts))),
        ("the scales are missing", plain + by(weights, torch.zeros_like(scales))),
        ("scale and shift are swapped", by(weights, shifts, scales)),
        ("nothing is normalized: scale and shift come after instance_norm, not instead of it",
         torch.cat([act[k:k + 1] * (row @ scales)[None, :, None, None] + (row @ shifts)[None, :, None, None]
                    for k, row in enumerate(weights.expand(len(act), -1))])),
    ]
    same(untouched(mixed, act, scales, shifts, weights), truth, f"the answer for weights {list(weights.shape)}",
         [slip for slip in slips if not torch.allclose(slip[1], truth, rtol=1e-3, atol=1e-4)], rtol=1e-3, atol=1e-4)
