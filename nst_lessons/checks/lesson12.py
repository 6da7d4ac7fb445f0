"""Lesson 12, exercises 12.1 and 12.3: a block of a phone's network, kernels as whole numbers. Oracles: sums over shifts, properties."""
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from .lesson12_step import check_distill_step as check_distill_step
from .verdict import Wrong, attempt, differentiable, exercise, same, seeded, untouched


def _some(*shape, seed=0, gain=1.0):
    return gain * torch.randn(*shape, generator=seeded(seed))


# --- 12.1 ------------------------------------------------------------------------------------------------------------

def _across(x, kernel):
    """A 1 × 1 convolution is one matrix at each position."""
    return torch.einsum("dc,bchw->bdhw", kernel[:, :, 0, 0], x)


def _around(x, kernel, mode="reflect"):
    """A depthwise convolution as a sum over shifted pictures."""
    side, (height, width) = kernel.shape[-1], x.shape[2:]
    wide = F.pad(x, (side // 2,) * 4, mode=mode)
    return sum(kernel[:, 0, i, j].view(1, -1, 1, 1) * wide[..., i:i + height, j:j + width] for i in range(side) for j in range(side))


def _block(x, widen, depthwise, narrow, mode="reflect", first=F.relu, second=F.relu, last=lambda y: y, end=lambda x, y: x + y):
    """The inverted residual, or one with a piece replaced."""
    y = second(_around(first(_across(x, widen)), depthwise, mode))
    return end(x, last(_across(y, narrow)))


def _mirrored_late(x, wide, kernel, narrow):
    """[(message, the block with the border mirrored after looking around)]; empty where too little is left to be mirrored."""
    border = kernel.shape[-1] // 2
    inner = F.relu(_around(wide, kernel)[..., border:-border, border:-border])
    if min(inner.shape[2:]) <= border:
        return []
    return [("the border is mirrored after looking around; it belongs before", x + _across(F.pad(inner, (border,) * 4, mode="reflect"), narrow))]


def _block_slips(x, widen, depthwise, narrow):
    """[(message, what this slip gives)]."""
    plain, alone, made = lambda y: y, lambda x, y: y, lambda **piece: _block(x, widen, depthwise, narrow, **piece)
    other = lambda kernel: _block(x, widen, kernel, narrow)
    wide = F.relu(_across(x, widen))
    seen, mixed = F.relu(_around(wide, depthwise)), wide.sum(1, keepdim=True).expand_as(wide)
    other_kinds = [F.leaky_relu, F.gelu, F.silu, F.elu, torch.tanh, torch.sigmoid, torch.abs]
    return [
        ("x itself is missing: the block returns x plus the change", made(end=lambda x, y: y)),
        ("a ReLU stands after the sum; here nothing comes after it", made(end=lambda x, y: F.relu(x + y))),
        ("a ReLU stands after narrowing: it would throw away half of what few channels are left", made(last=F.relu)),
        ("the ReLU after widening is missing: there are two, after widening and after looking around", made(first=plain)),
        ("the ReLU after looking around is missing: there are two, after widening and after looking around", made(second=plain)),
        ("both ReLUs are missing: without them the block is one linear map", made(first=plain, second=plain)),
        ("two things: x itself is missing, and no ReLU stands after looking around: separable_conv has none between its halves",
         made(second=plain, end=alone)),
        ("two things: x itself is missing, and so are both ReLUs, after widening and after looking around",
         made(first=plain, second=plain, end=alone)),
        ("two things: x itself is missing, and so is the ReLU after widening", made(first=plain, end=alone)),
        ("two things: x itself is missing, and a ReLU stands after narrowing, where none belongs", made(last=F.relu, end=alone)),
        ("the only ReLU stands at the end, where none belongs: one after widening, one after looking around",
         made(first=plain, second=plain, last=F.relu)),
        ("a ReLU stands before widening; it belongs after it", _block(F.relu(x), widen, depthwise, narrow, first=plain, end=lambda _, y: x + y)),
        ("x went through a ReLU: it goes into the block, and into the sum, as it is", _block(F.relu(x), widen, depthwise, narrow)),
        *(("that is another curve than ReLU: F.relu, twice", made(first=kind, second=kind)) for kind in other_kinds),
        ("what was wide before looking around is added too: only x is, after narrowing", x + _across(wide + seen, narrow)),
        ("what was wide before looking around is added, not x: x is, after narrowing", _across(wide + seen, narrow)),
        *_mirrored_late(x, wide, depthwise, narrow),
        ("every depthwise kernel looks at all channels: with groups=E each looks at its own",
         x + _across(F.relu(_around(mixed, depthwise)), narrow)),
        ("x is laid beside the change; it is to be added", torch.cat([x, made(end=alone)], 1)),
        ("the ReLUs cut off above 6, as in the first MobileNets; here plain ReLUs are wanted", made(first=F.relu6, second=F.relu6)),
        ("one ReLU too many: x goes into the block as it is", _block(F.relu(x), widen, depthwise, narrow, end=lambda _, y: x + y)),
        ("there are ReLUs everywhere; only after widening and after looking around", made(last=F.relu, end=lambda x, y: F.relu(x + y))),
        ("the border is filled with zeros: F.pad(…, mode=\"reflect\"), as in separable_conv", made(mode="constant")),
        ("the border repeats its last position: mode=\"reflect\" mirrors, \"replicate\" repeats", made(mode="replicate")),
        ("the border is taken from the opposite side: mode=\"reflect\", not \"circular\"", made(mode="circular")),
        ("the change is subtracted; it is to be added", made(end=lambda x, y: x - y)),
        ("the change is added to itself: x was written over; keep it under its name", made(end=lambda x, y: y + y)),
        ("x is added twice", made(end=lambda x, y: 2 * x + y)),
        ("x is multiplied with the change; it is to be added", made(end=lambda x, y: x * y)),
        ("the depthwise kernels are left out: nothing looks around", x + _across(F.relu(_across(x, widen)), narrow)),
        ("all channels got the first one's depthwise kernel: each has its own", other(depthwise[:1].expand_as(depthwise))),
        ("the depthwise kernels are transposed", other(depthwise.transpose(2, 3))),
        ("the depthwise kernels are turned around; conv2d takes them as they are", other(depthwise.flip(2, 3))),
        ("the depthwise convolution is done twice", _block(x, widen, depthwise, narrow, second=lambda y: F.relu(_around(F.relu(y), depthwise)))),
    ]


_BLOCK_CRASHES = {
    "weight of size [6, 1, 3, 3], expected input": "a depthwise kernel [E, 1, k, k] wants groups=E in conv2d, so that each channel gets its own",
    "must match the size of tensor": "what comes out is smaller or larger than x: mirror the border by k // 2 before the depthwise convolution, "
                                     "for k = 3 and for k = 5, once, and not before a 1 × 1",
    "expected input": "the channels do not fit: first widen, then depthwise, then narrow; and conv2d's groups only for the depthwise one",
    "Padding size 2 is not supported": "two numbers are left and right alone: F.pad(y, (k // 2,) * 4, mode=\"reflect\"), left, right, top, bottom",
    "'pad' (position 2) must be tuple of ints": "F.pad wants four numbers, left, right, top, bottom: (k // 2,) * 4",
    "Unrecognised padding mode": "F.pad's mode that mirrors is called \"reflect\"",
    "padding_mode": "F.conv2d knows borders of zeros only: mirror by F.pad(…, mode=\"reflect\") before it",
    "Kernel size can't be greater than actual input size": "the kernel is larger than what it looks at: F.conv2d takes the picture first, then the "
                                                           "kernel; and the mirrored border comes before",
    "'Tensor' object is not callable": "a kernel is a tensor, which cannot be called; F.conv2d takes it as its second argument",
    "separable_conv() missing": "separable_conv takes a depthwise and a pointwise kernel: here the wide middle, then narrow; but a ReLU must stand "
                                "between the two, so F.conv2d twice is easier",
}


@exercise("12.1", "wide inside, narrow outside, and the change comes on top of x.")
def check_inverted_residual(block):
    """Tries block(x [B, C, H, W], widen [E, C, 1, 1], depthwise [E, 1, k, k], narrow [C, E, 1, 1]) → like x."""
    for shape, wide, side in [((1, 3, 6, 5), 6, 3), ((2, 4, 5, 7), 12, 5), ((1, 5, 4, 4), 5, 3)]:
        channels, seed = shape[1], sum(shape)
        x = _some(*shape, seed=seed)
        kernels = (_some(wide, channels, 1, 1, seed=seed + 1, gain=0.6), _some(wide, 1, side, side, seed=seed + 2, gain=0.5),
                   _some(channels, wide, 1, 1, seed=seed + 3, gain=0.5))
        truth = _block(x, *kernels)
        slips = [slip for slip in _block_slips(x, *kernels)
                 if slip[1].shape != truth.shape or not torch.allclose(slip[1], truth, rtol=1e-3, atol=1e-4)]
        answer = untouched(block, x, *kernels, crashes=_BLOCK_CRASHES)
        if isinstance(answer, nn.Module):
            raise Wrong("nn.ReLU(…) makes a layer, it computes nothing: F.relu(…) does")
        if isinstance(answer, torch.Tensor) and not torch.allclose(answer, untouched(block, x, *kernels)) and not answer.isnan().any():
            raise Wrong("each call gives another answer: the kernels are given; nn.Conv2d makes new ones, by chance")
        same(answer, truth, f"the block's answer for x {list(shape)}, k = {side}", slips, rtol=1e-3, atol=1e-4)
    differentiable(lambda kernel: block(x, kernel, *kernels[1:]), kernels[0], what="your block (its kernels are to be learned)")


# --- 12.3 ------------------------------------------------------------------------------------------------------------

def _scales(kernel, bits):
    """[(message, scale [D, 1, 1, 1])] of plausible slips."""
    largest, most = kernel.abs().amax((1, 2, 3), keepdim=True), 2 ** (bits - 1) - 1
    signed = kernel.amax((1, 2, 3), keepdim=True)
    like = lambda value: value.expand_as(largest) if value.ndim else value.repeat(len(kernel)).view_as(largest)
    lengths = [("the values' sum was taken; take the largest", kernel.abs().sum((1, 2, 3), keepdim=True) / most),
               ("the kernel's length was taken; take the largest absolute value", kernel.square().sum((1, 2, 3), keepdim=True).sqrt() / most)]
    power = [("^ is no power in Python, 2 ^ 7 is 5: write 2 ** (bits - 1) - 1", largest / wrong) for wrong in
             (2 ^ (bits - 1) - 1, (2 ^ (bits - 1)) - 1, 2 ^ bits - 1, (2 ^ bits) - 1) if wrong]
    bare = [("brackets are missing: a / b - 1 divides first; largest / (2 ** (bits - 1) - 1)", largest / count - 1)
            for count in (2 ** (bits - 1), 2**bits)]
    bare += [("the scale is 0, or its smallest value, for every channel: are brackets missing? largest / (2 ** (bits - 1) - 1)", 0 * largest)]
    eight = [("always 8 bits: the largest whole number is 2^(bits − 1) − 1", largest / 127)] if bits != 8 else []
    return eight + power + bare + lengths + [
        ("one scale for the whole tensor: each channel that comes out, dimension 0, has its own", like(largest.max() / most)),
        (f"divided by {most + 1}: from −{most} to {most} the largest is 2^(bits − 1) − 1 = {most}", largest / (most + 1)),
        (f"divided by {2 * most + 1}: one bit is for the sign, so the largest is 2^(bits − 1) − 1 = {most}", largest / (2 * most + 1)),
        (f"divided by {2 * most + 2}: one bit is for the sign, so the largest is 2^(bits − 1) − 1 = {most}", largest / (2 * most + 2)),
        ("divided by the number of bits; the largest whole number is 2^(bits − 1) − 1", largest / bits),
        ("the scale is the largest itself; what one is worth is the largest divided by m", largest),
        ("the least value was taken, not the largest absolute value: 3 is larger than −2 here", kernel.amin((1, 2, 3), keepdim=True) / -most),
        ("the largest value was taken, not the largest absolute value: −3 is larger than 2 here", signed / most),
        ("the scale is upside down: it says what a whole number is worth, so largest / most", most / largest),
        ("the spread from least to largest was divided; here zero stays zero, so take the largest absolute value",
         (signed - kernel.amin((1, 2, 3), keepdim=True)) / (2 * most)),
        ("the spread from least to largest was divided; here zero stays zero, so take the largest absolute value",
         (signed - kernel.amin((1, 2, 3), keepdim=True)) / (2 * most + 1)),
        ("the mean absolute value was taken; then the largest would not fit", kernel.abs().mean((1, 2, 3), keepdim=True) / most),
        ("the deviation was taken; then the largest would not fit", kernel.std((1, 2, 3), keepdim=True) / most),
    ]


def _scales_of(scale, right, bits):
    """[(message, scale)] of slips that show only in the answer itself: another number that divides, a smallest value that is too large."""
    largest, by = right * (2 ** (bits - 1) - 1), (right * (2 ** (bits - 1) - 1) / scale).mean()
    return [(f"divided by {by:.4g}: the largest whole number is 2^(bits − 1) − 1 = {2 ** (bits - 1) - 1}", largest / by),
            ("the smallest value that a scale may have is too large: it lifts scales of real kernels; 1e-12 does not", right.clamp_min(scale.min()))]


class _AnyForNaN(TorchDispatchMode):
    """What NaN becomes as a whole number, no machine promises; here it becomes 99, so that nobody is right by luck."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        source = next((one for one in args[::-1] if isinstance(one, torch.Tensor) and one.is_floating_point()), None)
        whole = isinstance(out, torch.Tensor) and out.dtype in (torch.int8, torch.int16, torch.int32, torch.int64)
        if whole and source is not None and out.shape == source.shape:
            out[source.isnan()] = 99
        return out


def _parts(answer, kernel):
    """(whole, scale), or Wrong when the answer is another thing."""
    if answer is None:
        raise Wrong("the answer is None: does every path of your function `return` something?")
    if not isinstance(answer, (tuple, list)) or len(answer) != 2 or not all(isinstance(part, torch.Tensor) for part in answer):
        raise Wrong("two tensors are wanted: return whole, scale")
    whole, scale = answer
    if whole.is_floating_point() and scale.dtype == torch.int8:
        raise Wrong("the order is: whole numbers first, then their scale")
    if whole.shape != kernel.shape:
        raise Wrong(f"the whole numbers have shape {list(whole.shape)}; {list(kernel.shape)} is wanted")
    if whole.is_floating_point() and not torch.equal(whole, whole.round()):
        back = (whole - kernel).abs().max() <= kernel.abs().max() / 2
        raise Wrong("whole was multiplied by scale again: return the whole numbers themselves" if back else
                    "the numbers are not whole: .round(), then .to(torch.int8)")
    if whole.dtype != torch.int8:
        more = ": 8 bits with a sign are torch.int8" if not whole.is_floating_point() else ", four bytes each: .to(torch.int8) makes them one"
        raise Wrong(f"the whole numbers are {str(whole.dtype).removeprefix('torch.')}{more}")
    wanted = [len(kernel), 1, 1, 1]
    if scale.numel() == 1 and len(kernel) > 1:
        raise Wrong("one scale for the whole tensor: each channel that comes out, dimension 0, has its own")
    if list(scale.shape) != wanted:
        if list(scale.shape)[-2:] == [1, 1] and kernel.shape[1] in scale.shape[:2]:
            raise Wrong(f"scales belong to the channels that come out, dimension 0: {wanted}, not {list(scale.shape)}")
        raise Wrong(f"scale has shape {list(scale.shape)}; {wanted} is wanted, so that whole * scale works: keepdim=True")
    return whole, scale


_WHOLE_CRASHES = {
    "positional argument": "your function takes two things: def quantized(kernel, bits=8)",
    "__round__": "Python's round() knows no tensors: (kernel / scale).round()",
    "division by zero": "^ is no power in Python, 2 ^ 3 is 1: write 2 ** (bits - 1) - 1",
    "argument 'dim' must be int": "max takes one dimension, amax several: kernel.abs().amax(dim=(1, 2, 3), keepdim=True)",
    "torch.return_types.max": "max along a dimension returns two things, values and places; amax returns the values alone",
    "must match the size of tensor": "kernel and scale do not fit: with keepdim=True the scale is [D, 1, 1, 1], and kernel / scale works",
    "doesn't match the broadcast shape": "kernel and scale do not fit: with keepdim=True the scale is [D, 1, 1, 1], and kernel / scale works",
}


@exercise("12.3", "every kernel came back to within half a step, and zero stayed zero.")
def check_quantized(quantized):
    """Tries quantized(kernel [D, C, k, k], bits) → (int8 like kernel, scale [D, 1, 1, 1])."""
    for shape, bits in [((4, 3, 3, 3), 8), ((6, 1, 5, 5), 4), ((5, 7, 1, 1), 3)]:
        kernel = _some(*shape, seed=sum(shape)) * torch.linspace(0.1, 3, shape[0]).view(-1, 1, 1, 1)
        sign = torch.tensor([-1.0, 1.0]).repeat(shape[0])[:shape[0]]                              # the largest is negative, positive, …
        kernel.view(shape[0], -1)[:, 0] = 1.3 * sign * kernel.abs().flatten(1).amax(1)
        whole, scale = _parts(untouched(lambda given: quantized(given, bits), kernel, crashes=_WHOLE_CRASHES), kernel)
        largest, most = kernel.abs().amax((1, 2, 3), keepdim=True), 2 ** (bits - 1) - 1
        slips = _scales(kernel, bits) + _scales_of(scale, largest / most, bits)
        same(scale, largest / most, f"the scale for {bits} bits", slips, rtol=1e-3, atol=1e-9)
        _whole_is_right(whole, kernel / (largest / most), largest / most, bits)
    nothing = torch.cat([torch.zeros(1, 2, 3, 3), torch.ones(1, 2, 3, 3)])
    with _AnyForNaN():
        answer = attempt(lambda given: quantized(given, 8), nothing, on="a kernel whose first channel is all zeros")
    whole, scale = _parts(answer, nothing)
    if not scale.isfinite().all() or whole[0].any() or not (whole[1] == 127).all():
        raise Wrong("a channel of zeros should stay zeros: 0 / 0 is NaN, which may become any whole number; give the scale a smallest value, as clamp_min(1e-12) does")
    if attempt(quantized, nothing, on="a kernel alone, without bits")[0].max() != 127:
        raise Wrong("bits=8 is the default; without bits the largest whole number should be 127")


def _whole_is_right(whole, exact, scale, bits):
    """Raises Wrong unless each whole number is the nearest to `exact`; says which other one it is."""
    most, found = 2 ** (bits - 1) - 1, whole.float()
    if (found - exact).abs().max() <= 0.5 + 1e-3:
        return
    alike = lambda other: ((found - other + 0.5) % 256 - 0.5).abs().max() < 0.5             # int8 starts anew beyond 127
    slips = [("cut off toward zero, not rounded: .to(torch.int8) alone drops what stands behind the point; .round() first", exact.trunc()),
             ("rounded down: .round() takes the nearest", exact.floor()), ("rounded up: .round() takes the nearest", exact.ceil()),
             ("the sign is lost: whole numbers run from −most to most", exact.round().abs()),
             ("negative numbers were set to 0: whole numbers run from −most to most", exact.round().clamp_min(0)),
             ("multiplied by the scale: divide by it", (exact * scale * scale).round()),
             ("rounded before the division: first kernel / scale, then .round()", ((exact * scale).round() / scale).round()),
             ("rounded, but never divided by the scale: (kernel / scale).round()", (exact * scale).round()),
             ("a half was added and the rest cut off, which rounds positive numbers only: .round()", (exact + 0.5).trunc()),
             ("divided by the largest, not by the scale: between −1 and 1 there are few whole numbers", (exact / most).round()),
             ("multiplied by m, never divided by the largest: (kernel / scale).round()", (exact * scale * most).round()),
             ("shifted by a half: .round() alone takes the nearest", (exact - 0.5).round())]
    for message, other in slips:
        if alike(other):
            raise Wrong(message)
    if found.abs().max() > most:
        raise Wrong(f"{int(found.abs().max())} is too large: for {bits} bits whole numbers run from −{most} to {most}")
    raise Wrong("the whole numbers are not the nearest to kernel / scale: (kernel / scale).round()")
