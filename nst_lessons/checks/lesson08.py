"""Lesson 08: three normalizations, a residual block, a mixture of styles. The oracles are torch's own layers."""
import torch
from torch.nn import functional as F

from .verdict import Wrong, attempt, differentiable, exercise, same, seeded, untouched

_EPS = 1e-5
_DIMS = {"instance": (2, 3), "batch": (0, 2, 3), "layer": (1, 2, 3)}


def _some(*shape, seed=0, gain=1.0):
    return gain * torch.randn(*shape, generator=seeded(seed)) + 0.7 * gain


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
    over = lambda dims: (act - act.mean(dims, keepdim=True)) / (act.var(dims, keepdim=True, correction=0) + _EPS).sqrt()
    deviation, left = (variance + _EPS).sqrt(), act - mean
    return [
        *((f"for kind {kind!r} you did what {other!r} is; {kind!r} takes {told[kind]}", _torchs(act, other)) for other in _DIMS if other != kind),
        ("the variance is divided by M − 1: use correction=0 (or the mean of squares); all three normalizations divide by M",
         (act - mean) / (act.var(dims, keepdim=True) + _EPS).sqrt()),
        ("you divided by the variance; its root, the deviation, is wanted", (act - mean) / (variance + _EPS)),
        ("the mean is still there: subtract it first", act / (variance + _EPS).sqrt()),
        ("eps stands outside of the root: (variance + eps).sqrt() is wanted", (act - mean) / (variance.sqrt() + _EPS)),
        ("eps is missing, or is not 1e-5: a channel that is the same everywhere would be divided by 0", (act - mean) / variance.sqrt()),
        ("that is (act − mean) alone; divide it by the deviation", act - mean),
        (f"everything is normalized together, channels and pictures; for kind {kind!r} that is too much: {told[kind]}", over((0, 1, 2, 3))),
        (f"means over the pictures of the batch alone, dimension 0, at each place; {kind!r} takes {told[kind]}", over((0,))),
        (f"means over channels and batch, at each place; {kind!r} takes {told[kind]}", over((0, 1))),
        ("the variance is the mean of (act − mean)²; yours is the mean of act²", left / (act.square().mean(dims, keepdim=True) + _EPS).sqrt()),
        ("parentheses are missing: the difference is divided, (act − mean) / …", act - mean / deviation),
        ("you multiplied by the deviation; divide by it", left * deviation),
        ("the squares are summed; the variance is their mean",
         left / (left.square().sum(dims, keepdim=True) + _EPS).sqrt()),
        ("that is the mean of absolute values; the deviation is the root of the mean of squares", left / (left.abs().mean(dims, keepdim=True) + _EPS)),
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


def _other_blocks(x, kernels, scales, shifts):
    """[(message, what this slip gives)]: other orders of the same pieces than the block's."""
    k, n = [lambda y, i=i: _conv(y, kernels[i]) for i in (0, 1)], [lambda y, i=i: _norm(y, scales[i], shifts[i]) for i in (0, 1)]
    first, inside = F.relu(n[0](k[0](x))), _block(x, kernels, scales, shifts)
    zeros = lambda y, i: _conv(y, kernels[i], "constant")
    linear = _block(x, kernels, scales, shifts, middle=lambda y: y)
    once = F.relu(n[0](F.conv2d(F.pad(x, (2,) * 4, mode="reflect"), kernels[0])))
    return [
        ("the border is mirrored once by two pixels; mirror it by one before each convolution", x + n[1](F.conv2d(once, kernels[1]))),
        ("the second border is filled with zeros: use F.pad(…, mode=\"reflect\") before both", x + n[1](zeros(first, 1))),
        ("the first border is filled with zeros: use F.pad(…, mode=\"reflect\") before both", x + n[1](k[1](F.relu(n[0](zeros(x, 0)))))),
        ("the ReLU comes before the first normalization; convolve, normalize, then ReLU", x + n[1](k[1](n[0](F.relu(k[0](x)))))),
        ("the ReLU stands after the sum, and none between the two convolutions: between is where it belongs", F.relu(x + linear)),
        ("the ReLU stands after the second normalization, and none between the two convolutions", x + F.relu(linear)),
        ("there are three ReLUs; one is wanted, between the two convolutions", F.relu(x + F.relu(inside))),
        ("the ReLU is put on x, and none stands between the two convolutions", x + n[1](k[1](n[0](k[0](F.relu(x)))))),
        ("the change is added to itself: x was written over; keep it under its name", 2 * inside),
        ("the second convolution gets x again; it is to get what came of the first", x + n[1](k[1](x))),
        ("x is added after each convolution; once, at the end, is wanted", x + first + n[1](k[1](x + first))),
        ("nothing is normalized: instance_norm follows each convolution", x + k[1](F.relu(k[0](x)))),
        ("you normalized before each convolution; it comes after", x + k[1](n[1](F.relu(k[0](n[0](x)))))),
        ("scales and shifts are left out: instance_norm(y, scales[k], shifts[k])",
         x + F.instance_norm(k[1](F.relu(F.instance_norm(k[0](x), eps=_EPS))), eps=_EPS)),
        ("the change is subtracted; it is to be added", x - inside),
        ("the second kernel is used twice", x + _block(x, kernels, scales, shifts, order=(1, 1))),
        ("the second scale and shift are used twice", x + _block(x, kernels, scales, shifts, tables=(1, 1))),
        ("the two scales and shifts are swapped", x + _block(x, kernels, scales, shifts, tables=(1, 0))),
    ]


_CRASHES = {
    "Padding size 2 is not supported": "F.pad wants four numbers, (left, right, top, bottom): (1, 1, 1, 1)",
    "Padding size 1 is not supported": "F.pad wants four numbers, (left, right, top, bottom): (1, 1, 1, 1)",
    "conv2d() received an invalid combination": "conv2d wants one kernel at a time, kernels[0] and then kernels[1]; `kernels` is a list of two",
}


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
        answer = untouched(lambda given: block(given, *args), x, crashes=_CRASHES)
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
            *_other_blocks(x, *args),
        ], rtol=1e-3, atol=1e-4)
    differentiable(lambda given: block(given, *args), x, what="your block")


@exercise("8.3", "each picture gets its own mixture of the styles' scales and shifts.")
def check_mixed_norm(mixed):
    """Tries mixed(act [B, C, H, W], scales [S, C], shifts [S, C], weights [1 or B, S]) → [B, C, H, W]."""
    for batch, styles, many in [(2, 3, True), (2, 2, False), (1, 4, True), (3, 3, True)]:
        act = _some(batch, 5, 5, 4, seed=batch + styles)                                  # as many channels as no case has styles
        scales, shifts = _some(styles, 5, seed=1), _some(styles, 5, seed=2)
        weights = torch.rand(batch if many else 1, styles, generator=seeded(3)) + 0.05      # not summing to one
        _check_mixture(mixed, act, scales, shifts, weights)
    # squared, because the plain sum of a normalized map is zero but for rounding, and so is its slope
    differentiable(lambda table: mixed(act, table, shifts, weights).pow(2), scales, what="the scales, which are to be learned")


def _check_mixture(mixed, act, scales, shifts, weights):
    def made(scale, shift, norm=F.instance_norm):                # [1 or B, C] both
        return norm(act, eps=_EPS) * scale[..., None, None] + shift[..., None, None]

    def by(mix, scales=scales, shifts=shifts):                   # a sum over styles, one after the other
        return made(*(sum(mix[:, k, None] * table[k] for k in range(len(table))) for table in (scales, shifts)))
    truth, one_hot = by(weights), F.one_hot(weights.argmax(1), weights.shape[1]).float()
    scale, shift, styles, alone = weights @ scales, weights @ shifts, weights.shape[1], torch.ones(1, 1)
    together = lambda act, eps: F.batch_norm(act, None, None, training=True, eps=eps)
    slips = [
        ("only the strongest style is taken: add up all of them, each times its weight", by(one_hot)),
        ("only the first style is taken: add up all of them, each times its weight", made(scales[:1], shifts[:1])),
        ("only the last style is taken: add up all of them, each times its weight", made(scales[-1:], shifts[-1:])),
        ("only the last style is taken, times its weight: add up all of them", made(weights[:, -1:] @ scales[-1:], weights[:, -1:] @ shifts[-1:])),
        (_AS_THEY_ARE, by(weights / weights.sum(1, keepdim=True))),
        (_AS_THEY_ARE, by(weights / weights.sum())),
        ("the sum is divided by the number of styles: take the weights as they are", by(weights / styles)),
        ("the weights go through a softmax: take them as they are", by(weights.softmax(1))),
        ("all pictures get the first one's mixture", by(weights[:1])),
        ("all pictures get the same mixture, the mean of all weights: each has its own", by(weights.mean(0, keepdim=True))),
        ("all pictures get the same mixture, the sum of all weights: each has its own", by(weights.sum(0, keepdim=True))),
        ("the styles are averaged, whatever the weights are", by(torch.full_like(weights, 1 / styles))),
        ("the styles are summed, whatever the weights are", by(torch.ones_like(weights))),
        ("only the scales are mixed; the shifts are those of the first style", made(scale, shifts[:1])),
        ("only the shifts are mixed; the scales are those of the first style", made(scales[:1], shift)),
        ("the shifts are missing", made(scale, 0 * alone)),
        ("the scales are missing", made(alone, shift)),
        ("the scales stand in the place of the shifts too", made(scale, scale)),
        ("scale and shift are swapped", made(shift, scale)),
        ("nothing is normalized: scale and shift come after instance_norm, not instead of it", made(scale, shift, lambda act, eps: act)),
        ("normalized over the whole batch; here each picture by itself, by instance_norm", made(scale, shift, together)),
    ]
    same(untouched(mixed, act, scales, shifts, weights, crashes=_MIXING), truth, f"the answer for weights {list(weights.shape)}",
         [slip for slip in slips if not torch.allclose(slip[1], truth, rtol=1e-3, atol=1e-4)], rtol=1e-3, atol=1e-4)


_AS_THEY_ARE = "the weights are divided by their sum: take them as they are, so that 1.2 of a style is possible too"
_MIXING = {
    "mat1 and mat2 shapes cannot be multiplied": "the product does not fit: [B, S] stands on the left, [S, C] on the right, both as they are",
}
