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
    "everything is normalized together": lambda act, kind: normalized(act, kind, DIMS | {"layer": (0, 1, 2, 3)}),
    "the batch alone, dimension 0": lambda act, kind: normalized(act, kind, DIMS | {"batch": (0,)}),
    "means over channels and batch": lambda act, kind: normalized(act, kind, DIMS | {"layer": (0, 1)}),
    "yours is the mean of act²": lambda act, kind: (act - act.mean(DIMS[kind], keepdim=True)) / (
        act.square().mean(DIMS[kind], keepdim=True) + 1e-5).sqrt(),
    "parentheses are missing": lambda act, kind: act - act.mean(DIMS[kind], keepdim=True) / (
        act.var(DIMS[kind], keepdim=True, correction=0) + 1e-5).sqrt(),
    "you multiplied by the deviation": lambda act, kind: normalized(act, kind, below=lambda v: 1 / (v + 1e-5).sqrt()),
    "the squares are summed": lambda act, kind: normalized(act, kind, below=lambda v: (v * (act.numel() // v.numel()) + 1e-5).sqrt()),
    "the mean of absolute values": lambda act, kind: normalized(act, kind, below=lambda v: (
        act - act.mean(DIMS[kind], keepdim=True)).abs().mean(DIMS[kind], keepdim=True) + 1e-5),
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


def pieces(rule):
    """A block by rule(x, conv, norm, relu), with conv(y, k, border=1, mode="reflect") and norm(y, k)."""
    def block(x, kernels, scales, shifts):
        conv = lambda y, k, border=1, mode="reflect": F.conv2d(F.pad(y, (border,) * 4, mode=mode), kernels[k])
        return rule(x, conv, lambda y, k: instance_norm(y, scales[k], shifts[k]), F.relu)
    return block


BLOCKS = {
    "mirrored once by two pixels": pieces(lambda x, conv, norm, relu: x + norm(conv(relu(norm(conv(x, 0, 2), 0)), 1, 0), 1)),
    "the second border is filled with zeros": pieces(lambda x, conv, norm, relu: x + norm(conv(relu(norm(conv(x, 0), 0)), 1, 1, "constant"), 1)),
    "the first border is filled with zeros": pieces(lambda x, conv, norm, relu: x + norm(conv(relu(norm(conv(x, 0, 1, "constant"), 0)), 1), 1)),
    "comes before the first normalization": pieces(lambda x, conv, norm, relu: x + norm(conv(norm(relu(conv(x, 0)), 0), 1), 1)),
    "stands after the sum, and none between": pieces(lambda x, conv, norm, relu: relu(x + norm(conv(norm(conv(x, 0), 0), 1), 1))),
    "after the second normalization, and none between": pieces(lambda x, conv, norm, relu: x + relu(norm(conv(norm(conv(x, 0), 0), 1), 1))),
    "there are three ReLUs": pieces(lambda x, conv, norm, relu: relu(x + relu(norm(conv(relu(norm(conv(x, 0), 0)), 1), 1)))),
    "the ReLU is put on x": pieces(lambda x, conv, norm, relu: x + norm(conv(norm(conv(relu(x), 0), 0), 1), 1)),
    "x was written over": pieces(lambda x, conv, norm, relu: 2 * norm(conv(relu(norm(conv(x, 0), 0)), 1), 1)),
    "the second convolution gets x again": pieces(lambda x, conv, norm, relu: x + norm(conv(x, 1), 1)),
    "x is added after each convolution": pieces(lambda x, conv, norm, relu: (
        lambda y: y + norm(conv(y, 1), 1))(x + relu(norm(conv(x, 0), 0)))),
    "nothing is normalized": pieces(lambda x, conv, norm, relu: x + conv(relu(conv(x, 0)), 1)),
    "you normalized before": pieces(lambda x, conv, norm, relu: x + conv(norm(relu(conv(norm(x, 0), 0)), 1), 1)),
    "scales and shifts are left out": lambda x, kernels, scales, shifts: block(
        x, kernels, [torch.ones_like(one) for one in scales], [torch.zeros_like(one) for one in shifts]),
    "the change is subtracted": with_piece(end=lambda x, y: x - y),
    "the second kernel is used twice": with_piece(order=(1, 1)),
    "the second scale and shift are used twice": with_piece(tables=(1, 1)),
    "the two scales and shifts are swapped": with_piece(tables=(1, 0)),
    "F.pad wants four numbers": lambda x, *_: F.pad(x, (1, 1), mode="reflect"),
    "kernels[0] and then kernels[1]": lambda x, kernels, *_: F.conv2d(x, kernels),
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
    "only the first style": lambda a, s, h, w: instance_norm(a, s[:1], h[:1]),
    "only the last style is taken: add": lambda a, s, h, w: instance_norm(a, s[-1:], h[-1:]),
    "only the last style is taken, times its weight": lambda a, s, h, w: w[:, -1, None, None, None] * instance_norm(a, s[-1:], h[-1:]),
    "divided by the number of styles": lambda a, s, h, w: by_sums(a, s, h, w) / len(s),
    "the mean of all weights": lambda a, s, h, w: mixed(a, s, h, w.mean(0, keepdim=True)),
    "the sum of all weights": lambda a, s, h, w: instance_norm(a, torch.einsum("bs,sc->c", w, s)[None], torch.einsum("bs,sc->c", w, h)[None]),
    "only the scales are mixed": lambda a, s, h, w: instance_norm(a, w @ s, h[:1]),
    "only the shifts are mixed": lambda a, s, h, w: instance_norm(a, s[:1], w @ h),
    "in the place of the shifts too": lambda a, s, h, w: mixed(a, s, s, w),
    "over the whole batch": lambda a, s, h, w: F.batch_norm(a, None, None, training=True) * (w @ s)[..., None, None] + (w @ h)[..., None, None],
    "the product does not fit": lambda a, s, h, w: instance_norm(a, s @ w, h @ w),
    "stops with TypeError": lambda a, s, h, w: instance_norm(a, w @ s, 0),
    "has shape": lambda a, s, h, w: (w @ s)[..., None] + 0,
    "changes the tensor": lambda a, s, h, w: mixed(a, s.mul_(2), h, w),
    "no gradient passes": lambda a, s, h, w: mixed(a, s.detach(), h.detach(), w),
}


@pytest.mark.parametrize("says", MIXTURES)
def test_wrong_mixtures(says):
    refuses(check_mixed_norm, MIXTURES[says], says)


def test_weights_divided_by_the_sum_of_all_are_divided_too():
    refuses(check_mixed_norm, lambda a, s, h, w: mixed(a, s, h, w / w.sum()), "the weights are divided by their sum")
