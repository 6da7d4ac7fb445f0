"""Lesson 12: a block of a phone's network, a step of distillation, kernels as whole numbers. Oracles: sums over shifts, float64, properties."""
import copy

import torch
from torch import nn
from torch.nn import functional as F

from .verdict import Wrong, attempt, differentiable, exercise, same, untouched


def _some(*shape, seed=0, gain=1.0):
    return gain * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


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


def _block_slips(x, widen, depthwise, narrow):
    """[(message, what this slip gives)]."""
    plain, made = lambda y: y, lambda **piece: _block(x, widen, depthwise, narrow, **piece)
    other = lambda kernel: _block(x, widen, kernel, narrow)
    return [
        ("x itself is missing: the block returns x plus the change", made(end=lambda x, y: y)),
        ("a ReLU stands after the sum; here nothing comes after it", made(end=lambda x, y: F.relu(x + y))),
        ("a ReLU stands after narrowing: it would throw away half of what few channels are left", made(last=F.relu)),
        ("the ReLU after widening is missing: there are two, after widening and after looking around", made(first=plain)),
        ("the ReLU after looking around is missing: there are two, after widening and after looking around", made(second=plain)),
        ("both ReLUs are missing: without them the block is one linear map", made(first=plain, second=plain)),
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
                                     "for k = 3 and for k = 5, and not before a 1 × 1",
    "expected input": "the channels do not fit: first widen, then depthwise, then narrow; and conv2d's groups only for the depthwise one",
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
        slips = [slip for slip in _block_slips(x, *kernels) if not torch.allclose(slip[1], truth, rtol=1e-3, atol=1e-4)]
        answer = untouched(block, x, *kernels, crashes=_BLOCK_CRASHES)
        same(answer, truth, f"the block's answer for x {list(shape)}, k = {side}", slips, rtol=1e-3, atol=1e-4)
    differentiable(lambda kernel: block(x, kernel, *kernels[1:]), kernels[0], what="your block, whose kernels are to be learned")


# --- 12.2 ------------------------------------------------------------------------------------------------------------

_RATE = 0.5


class _Painter(nn.Module):
    """A very small network that paints; `seed` says which."""

    def __init__(self, seed):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.conv.weight.data, self.conv.bias.data = _some(3, 3, 3, 3, seed=seed, gain=0.4), _some(3, seed=seed + 1)

    def forward(self, photo):
        return torch.sigmoid(self.conv(photo))


def _numbers(net):
    return torch.cat([p.detach().flatten() for p in net.parameters()])


def _walk(distance=lambda painted, goal: (painted - goal).square().mean(), goal=lambda teacher, photo: teacher(photo), sign=1, kept=False,
          stale=False):
    """[(loss, the student's numbers)] after each of two right steps, by torch's functional gradient; or of a way that slips."""
    student, teacher, photos = _Painter(1), _Painter(5), _photos()
    found, gathered, last = [], None, None
    for photo in photos:
        loss = distance(student(photo), goal(teacher, photo).detach())
        gradients = torch.autograd.grad(loss, list(student.parameters()))
        gathered = gradients if gathered is None or not kept else [a + b for a, b in zip(gathered, gradients)]
        used, last = (last if stale else gathered), gradients
        with torch.no_grad():
            for p, gradient in zip(student.parameters(), used or ()):
                p.sub_(sign * _RATE * gradient)
        found.append((loss.item(), _numbers(student)))
    return found


def _photos():
    return [torch.rand(2, 3, 6, 5, generator=torch.Generator().manual_seed(seed)) for seed in (3, 4)]


def _step_slips():
    """{message: the two (loss, numbers) that this slip gives}."""
    mean_square = lambda painted, goal: (painted - goal).square()
    return {
        "the gradients of the step before are still there: optimizer.zero_grad() belongs into each step": _walk(kept=True),
        "the optimizer steps before there is a new gradient: backward first, then step": _walk(stale=True),
        "the student is held against the photograph; its goal is the teacher's picture": _walk(goal=lambda teacher, photo: photo),
        "the squares are summed; their mean is wanted": _walk(lambda p, g: mean_square(p, g).sum()),
        "the squares are halved: the plain mean is wanted": _walk(lambda p, g: mean_square(p, g).mean() / 2),
        "that is the mean of absolute differences; their squares are wanted": _walk(lambda p, g: (p - g).abs().mean()),
        "that is the root of the mean of squares; leave the root out": _walk(lambda p, g: mean_square(p, g).mean().sqrt()),
        "the difference is not squared, so plus and minus cancel": _walk(lambda p, g: (p - g).mean()),
        "the difference of means is squared; wanted is the mean of squared differences": _walk(lambda p, g: (p - g).mean().square()),
        "the sum of squares is divided by the number of pictures only; divide by all values: .mean()":
            _walk(lambda p, g: mean_square(p, g).sum() / len(p)),
        "the student walks uphill: the loss has the wrong sign": _walk(sign=-1),
    }


_STEP_CRASHES = {
    "does not require grad and does not have a grad_fn": "no gradient reaches the student: only the teacher paints under torch.no_grad(), and "
                                                         "the loss must stay a tensor until backward() is done",
    "'float' object has no attribute 'backward'": "the loss is a number already: call backward() first, and .item() last",
    "grad can be implicitly created only for scalar outputs": "backward() wants one number: take the mean of the squared differences",
    "Trying to backward through the graph a second time": "backward() is called twice on one loss; once is enough",
    "modified by an inplace operation": "the student's numbers changed between painting and backward(): first backward(), then optimizer.step()",
    "positional arguments but": "teacher and student take one thing each, the photograph: student(photo)",
}


@exercise("12.2", "the student came nearer to its teacher, which has not changed at all.")
def check_distill_step(step):
    """Tries step(student, teacher, photo [B, 3, H, W], optimizer) → the loss before the step; two steps, with plain gradient descent."""
    student, teacher = _Painter(1), _Painter(5)
    before, taught = _numbers(student), _numbers(teacher)
    optimizer = torch.optim.SGD(student.parameters(), lr=_RATE)
    slips, right, answers = _step_slips(), _walk(), []
    for photo in _photos():
        answers.append((untouched(lambda given: step(student, teacher, given, optimizer), photo, crashes=_STEP_CRASHES), _numbers(student)))
        if not torch.equal(_numbers(teacher), taught):
            raise Wrong("the teacher has changed: only the student learns")
        if any(p.grad is not None for p in teacher.parameters()):
            raise Wrong("a gradient was computed for the teacher too, which costs time and memory for nothing: let it paint under torch.no_grad()")
    near = lambda mine, theirs: all(torch.allclose(a[1], b[1], rtol=1e-3, atol=1e-5) for a, b in zip(mine, theirs))
    if not near(answers, right):
        if torch.equal(answers[-1][1], before):
            raise Wrong("the student is what it was: does loss.backward() come before optimizer.step(), and zero_grad() before both?")
        raise Wrong(next((message for message, walk in slips.items() if near(answers, walk)),
                         "the student's numbers are not what one step down the mean squared difference makes of them"))
    for number, ((answer, _), (loss, _)) in enumerate(zip(answers, right)):
        _same_loss(answer, loss, [("that is the loss after the step; return the one that you took the gradient of", _loss_after(number))])


def _loss_after(number):
    """The loss on a step's photograph once the step is done."""
    student, teacher, photo = _Painter(1), _Painter(5), _photos()[number]
    vector = _walk()[number][1]
    nn.utils.vector_to_parameters(vector, student.parameters())
    return (student(photo) - teacher(photo)).square().mean().detach()


def _same_loss(answer, loss, slips):
    """The loss may be a number or a tensor with one value."""
    if isinstance(answer, torch.Tensor) and answer.numel() == 1:
        answer = answer.detach().reshape(())
    same(answer, torch.tensor(loss), "the loss that you return", slips, rtol=1e-3, atol=1e-6)


# --- 12.3 ------------------------------------------------------------------------------------------------------------

def _scales(kernel, bits):
    """[(message, scale [D, 1, 1, 1])] of plausible slips."""
    largest, most = kernel.abs().amax((1, 2, 3), keepdim=True), 2 ** (bits - 1) - 1
    signed = kernel.amax((1, 2, 3), keepdim=True)
    like = lambda value: value.expand_as(largest) if value.ndim else value.repeat(len(kernel)).view_as(largest)
    eight = [("always 8 bits: the largest whole number is 2^(bits − 1) − 1", largest / 127)] if bits != 8 else []
    return eight + [
        ("one scale for the whole tensor: each channel that comes out, dimension 0, has its own", like(largest.max() / most)),
        (f"divided by {most + 1}: from −{most} to {most} the largest is 2^(bits − 1) − 1 = {most}", largest / (most + 1)),
        (f"divided by {2 * most + 1}: one bit is for the sign, so the largest is 2^(bits − 1) − 1 = {most}", largest / (2 * most + 1)),
        (f"divided by {2 * most + 2}: one bit is for the sign, so the largest is 2^(bits − 1) − 1 = {most}", largest / (2 * most + 2)),
        ("divided by the number of bits; the largest whole number is 2^(bits − 1) − 1", largest / bits),
        ("the largest value was taken, not the largest absolute value: −3 is larger than 2 here", signed / most),
        ("the scale is upside down: it says what a whole number is worth, so largest / most", most / largest),
        ("the spread from least to largest was divided; here zero stays zero, so take the largest absolute value",
         (signed - kernel.amin((1, 2, 3), keepdim=True)) / (2 * most)),
        ("the spread from least to largest was divided; here zero stays zero, so take the largest absolute value",
         (signed - kernel.amin((1, 2, 3), keepdim=True)) / (2 * most + 1)),
        ("the mean absolute value was taken; then the largest would not fit", kernel.abs().mean((1, 2, 3), keepdim=True) / most),
        ("the deviation was taken; then the largest would not fit", kernel.std((1, 2, 3), keepdim=True) / most),
    ]


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
        kernel.view(shape[0], -1)[:, 0] = -1.3 * kernel.abs().flatten(1).amax(1)                  # the largest is negative
        whole, scale = _parts(untouched(lambda given: quantized(given, bits), kernel, crashes=_WHOLE_CRASHES), kernel)
        largest, most = kernel.abs().amax((1, 2, 3), keepdim=True), 2 ** (bits - 1) - 1
        same(scale, largest / most, f"the scale for {bits} bits", _scales(kernel, bits), rtol=1e-3, atol=1e-9)
        _whole_is_right(whole, kernel / (largest / most), largest / most, bits)
    nothing = torch.cat([torch.zeros(1, 2, 3, 3), torch.ones(1, 2, 3, 3)])
    whole, scale = _parts(attempt(lambda given: quantized(given, 8), nothing, on="a kernel whose first channel is all zeros"), nothing)
    if not scale.isfinite().all() or whole[0].any() or not (whole[1] == 127).all():
        raise Wrong("a channel of zeros should stay zeros: 0 / 0 is NaN; give the scale a smallest value, as clamp_min(1e-12) does")
    if attempt(quantized, nothing, on="a kernel alone, without bits")[0].max() != 127:
        raise Wrong("bits=8 is the default; without bits the largest whole number should be 127")


def _whole_is_right(whole, exact, scale, bits):
    """Raises Wrong unless each whole number is the nearest to `exact`; says which other one it is."""
    most, found = 2 ** (bits - 1) - 1, whole.float()
    if (found - exact).abs().max() <= 0.5 + 1e-3:
        return
    alike = lambda other: (found - other).abs().max() < 0.5
    slips = [("cut off toward zero, not rounded: .to(torch.int8) alone drops what stands behind the point; .round() first", exact.trunc()),
             ("rounded down: .round() takes the nearest", exact.floor()), ("rounded up: .round() takes the nearest", exact.ceil()),
             ("the sign is lost: whole numbers run from −most to most", exact.round().abs()),
             ("negative numbers were set to 0: whole numbers run from −most to most", exact.round().clamp_min(0)),
             ("multiplied by the scale: divide by it", (exact * scale * scale).round()),
             ("rounded before the division: first kernel / scale, then .round()", ((exact * scale).round() / scale).round()),
             ("rounded, but never divided by the scale: (kernel / scale).round()", (exact * scale).round()),
             ("shifted by a half: .round() alone takes the nearest", (exact - 0.5).round())]
    for message, other in slips:
        if alike(other):
            raise Wrong(message)
    if found.abs().max() > most:
        raise Wrong(f"{int(found.abs().max())} is too large: for {bits} bits whole numbers run from −{most} to {most}")
    raise Wrong("the whole numbers are not the nearest to kernel / scale: (kernel / scale).round()")
