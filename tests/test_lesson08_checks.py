"""Lesson 08's checks: right answers however they are written, and the wrong ones that people write, each told why."""
import pytest
import torch
from torch.nn import functional as F

from classroom import accepts, knows_a_stub, refuses
from nst_lessons.checks import check_mixed_norm, check_normalized, check_residual_block
from nst_lessons.fast import instance_norm

DIMS = {"instance": (2, 3), "batch": (0, 2, 3), "layer": (1, 2, 3)}


@pytest.mark.parametrize("check", [check_normalized, check_residual_block, check_mixed_norm])
def test_stubs(check):
    knows_a_stub(check)


# --- 8.1 -------------------------------------------------------------------------------------------------------------

def normalized(act, kind, dims=DIMS, eps=1e-5, correction=0, center=True, below=None):
    """The right answer, or one with a piece replaced."""
    mean = act.mean(dims[kind], keepdim=True)
    variance = act.var(dims[kind], keepdim=True, correction=correction)
    return (act - mean if center else act) / (below(variance) if below else (variance + eps).sqrt())


def by_torch(act, kind):
    if kind == "layer":
        return F.layer_norm(act, act.shape[1:])
    return F.instance_norm(act) if kind == "instance" else F.batch_norm(act, None, None, training=True)


def by_squares(act, kind):
    mean = act.mean(dim=DIMS[kind], keepdim=True)
    return (act - mean) * torch.rsqrt((act - mean).pow(2).mean(dim=DIMS[kind], keepdim=True) + 1e-5)


def test_right_normalizations(capsys):
    accepts(check_normalized, capsys, normalized, by_torch, by_squares)


def in_place(act, kind):
    act -= act.mean(DIMS[kind], keepdim=True)
    return act


NORMALIZED = {
    "for kind 'batch' you did what 'instance' is": lambda act, kind: normalized(act, "instance"),
    "for kind 'instance' you did what 'batch' is": lambda act, kind: normalized(act, {"instance": "batch"}.get(kind, kind)),
    "for kind 'layer' you did what 'batch' is": lambda act, kind: normalized(act, {"layer": "batch"}.get(kind, kind)),
    "for kind 'layer' you did what 'instance' is": lambda act, kind: normalized(act, {"layer": "instance"}.get(kind, kind)),
    "divided by M − 1": lambda act, kind: normalized(act, kind, correction=1),
    "divided by the variance": lambda act, kind: normalized(act, kind, below=lambda v: v + 1e-5),
    "the mean is still there": lambda act, kind: normalized(act, kind, center=False),
    "outside of the root": lambda act, kind: normalized(act, kind, below=lambda v: v.sqrt() + 1e-5),
    "eps is missing": lambda act, kind: normalized(act, kind, eps=0),
    "alone; divide it": lambda act, kind: normalized(act, kind, below=lambda v: 1),
    "means over rows only": lambda act, kind: normalized(act, kind, DIMS | {"instance": (2,)}),
    "means over columns only": lambda act, kind: normalized(act, kind, DIMS | {"instance": (3,)}),
    "dimension 1 alone": lambda act, kind: normalized(act, kind, DIMS | {"layer": (1,)}),
    "stops with RuntimeError": lambda act, kind: act - act.mean(DIMS[kind]),
    "changes the tensor": in_place,
    "is None": lambda act, kind: None,
    "no gradient passes": lambda act, kind: normalized(act, kind).detach(),
    "gives NaN or infinity": lambda act, kind: normalized(act, kind) if act.std() > 0 else act / 0,
}


@pytest.mark.parametrize("says", NORMALIZED)
def test_wrong_normalizations(says):
    refuses(check_normalized, NORMALIZED[says], says)


# --- 8.2 -------------------------------------------------------------------------------------------------------------

def block(x, kernels, scales, shifts, mode="reflect", middle=F.relu, last=lambda y: y, order=(0, 1), tables=(0, 1), norm=(1, 1),
          end=lambda x, y: x + y):
    """The right block, or one with a piece replaced."""
    y = x
    for k in range(2):
        y = F.conv2d(F.pad(y, (1, 1, 1, 1), mode=mode), kernels[order[k]])
        y = instance_norm(y, scales[tables[k]], shifts[tables[k]]) if norm[k] else y
        y = (middle, last)[k](y)
    return end(x, y)


def with_piece(**piece):
    return lambda x, kernels, scales, shifts: block(x, kernels, scales, shifts, **piece)


def by_modules(x, kernels, scales, shifts):
    y, channels = x, x.shape[1]
    for k, (kernel, scale, shift) in enumerate(zip(kernels, scales, shifts)):
        conv = torch.nn.Conv2d(channels, channels, 3, padding=1, padding_mode="reflect", bias=False)
        conv.weight.data = kernel
        y = F.instance_norm(conv(y), weight=scale[0], bias=shift[0])
        y = y.clamp_min(0) if k == 0 else y
    return y + x


def test_right_blocks(capsys):
    accepts(check_residual_block, capsys, block, by_modules)


def painted_over(x, kernels, scales, shifts):
    x += block(x, kernels, scales, shifts, end=lambda x, y: y)
    return x


BLOCKS = {
    "x itself is missing": with_piece(end=lambda x, y: y),
    "a ReLU stands after the sum": with_piece(end=lambda x, y: F.relu(x + y)),
    "could only add": with_piece(last=F.relu),
    "two convolutions are no more than one": with_piece(middle=lambda y: y),
    "filled with zeros": with_piece(mode="constant"),
    "repeats its last pixel": with_piece(mode="replicate"),
    "from the opposite side": with_piece(mode="circular"),
    "the first kernel is used twice": with_piece(order=(0, 0)),
    "kernels are swapped": with_piece(order=(1, 0)),
    "scale and shift are used twice": with_piece(tables=(0, 0)),
    "the first normalization is missing": with_piece(norm=(0, 1)),
    "the second normalization is missing": with_piece(norm=(1, 0)),
    "leave x as it is": with_piece(end=lambda x, y: F.relu(x) + y),
    "scale and shift are swapped": lambda x, kernels, scales, shifts: block(x, kernels, shifts, scales),
    "changes the tensor": painted_over,
    "stops with RuntimeError": lambda x, kernels, scales, shifts: x + F.conv2d(F.conv2d(x, kernels[0]), kernels[1]),
    "no gradient passes": lambda *args: block(*args).detach(),
}


@pytest.mark.parametrize("says", BLOCKS)
def test_wrong_blocks(says):
    refuses(check_residual_block, BLOCKS[says], says)


# --- 8.3 -------------------------------------------------------------------------------------------------------------

def mixed(act, scales, shifts, weights):
    return instance_norm(act, weights @ scales, weights @ shifts)


def by_sums(act, scales, shifts, weights):
    """Mixing what comes out instead of the numbers is the same, only slower."""
    out = 0
    for k in range(len(scales)):
        out = out + weights[:, k, None, None, None] * instance_norm(act, scales[None, k], shifts[None, k])
    return out


def test_right_mixtures(capsys):
    accepts(check_mixed_norm, capsys, mixed, by_sums)


def strongest(act, scales, shifts, weights):
    best = weights.argmax(1)
    return instance_norm(act, scales[best], shifts[best])


MIXTURES = {
    "only the strongest style": strongest,
    "divided by their sum": lambda a, s, h, w: mixed(a, s, h, w / w.sum(1, keepdim=True)),
    "softmax": lambda a, s, h, w: mixed(a, s, h, w.softmax(1)),
    "all pictures get the first one's mixture": lambda a, s, h, w: mixed(a, s, h, w[:1]),
    "averaged, whatever": lambda a, s, h, w: instance_norm(a, s.mean(0)[None], h.mean(0)[None]),
    "summed, whatever": lambda a, s, h, w: instance_norm(a, s.sum(0)[None], h.sum(0)[None]),
    "the shifts are missing": lambda a, s, h, w: mixed(a, s, 0 * h, w),
    "the scales are missing": lambda a, s, h, w: instance_norm(a, torch.ones(1, a.shape[1]), w @ h),
    "scale and shift are swapped": lambda a, s, h, w: mixed(a, h, s, w),
    "nothing is normalized": lambda a, s, h, w: a * (w @ s)[..., None, None] + (w @ h)[..., None, None],
    "stops with RuntimeError": lambda a, s, h, w: instance_norm(a, s @ w, h @ w),
    "has shape": lambda a, s, h, w: (w @ s)[..., None] + 0,
    "changes the tensor": lambda a, s, h, w: mixed(a, s.mul_(2), h, w),
    "no gradient passes": lambda a, s, h, w: mixed(a, s.detach(), h.detach(), w),
}


@pytest.mark.parametrize("says", MIXTURES)
def test_wrong_mixtures(says):
    refuses(check_mixed_norm, MIXTURES[says], says)
