"""Lesson 12's checks: right answers in several writings are accepted, wrong ones refused by name."""
import functools

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from classroom import accepts, knows_a_stub, refuses
from nst_lessons.checks import check_distill_step, check_inverted_residual, check_quantized
from nst_lessons.mobile.quantize import quantized as packages


@pytest.mark.parametrize("check", [check_distill_step, check_inverted_residual, check_quantized])
def test_stubs_are_told_as_not_written(check):
    knows_a_stub(check)


# --- 12.1 ------------------------------------------------------------------------------------------------------------

def block(x, widen, depthwise, narrow, mode="reflect", first=F.relu, second=F.relu, last=lambda y: y, end=lambda x, y: x + y, border=None):
    border = depthwise.shape[-1] // 2 if border is None else border
    y = first(F.conv2d(x, widen))
    y = second(F.conv2d(F.pad(y, (border,) * 4, mode=mode), depthwise, groups=len(depthwise)))
    return end(x, last(F.conv2d(y, narrow)))


def by_modules(x, widen, depthwise, narrow):
    """With torch's own layers, mirrored before widening: a 1 × 1 convolution does not care."""
    side = depthwise.shape[-1]
    wide = F.conv2d(torch.nn.ReflectionPad2d(side // 2)(x), widen).clamp(min=0)
    seen = F.conv2d(wide, depthwise, groups=wide.shape[1]).relu()
    return torch.einsum("dc,bchw->bdhw", narrow.flatten(1), seen) + x


def channel_by_channel(x, widen, depthwise, narrow):
    wide, border = F.conv2d(x, widen).relu(), depthwise.shape[-1] // 2
    wide = F.pad(wide, [border] * 4, "reflect")
    seen = torch.cat([F.conv2d(wide[:, k:k + 1], depthwise[k:k + 1]) for k in range(len(depthwise))], 1)
    return x.add(F.conv2d(F.relu(seen), narrow))


def in_one_dense_kernel(x, widen, depthwise, narrow):
    """groups=1, with zeros where channels never meet; ReLUs in place, on pictures of its own."""
    full = torch.zeros(len(depthwise), len(depthwise), *depthwise.shape[2:])
    full[range(len(depthwise)), range(len(depthwise))] = depthwise[:, 0]
    y = F.relu(F.conv2d(x, widen), inplace=True)
    y = F.conv2d(F.pad(y, (depthwise.shape[-1] // 2,) * 4, "reflect"), full).relu_()
    y = F.conv2d(y, narrow)
    y += x
    return y


def test_right_blocks(capsys):
    accepts(check_inverted_residual, capsys, block, by_modules, channel_by_channel, in_one_dense_kernel)


def with_piece(**piece):
    return lambda *args: block(*args, **piece)


def painted_over(x, *kernels):
    x += block(x, *kernels, end=lambda x, y: y)
    return x


def written_over(x, *kernels):
    x = block(x, *kernels, end=lambda x, y: y)
    return x + x


def mirrored_late(x, widen, depthwise, narrow):
    y = F.conv2d(F.conv2d(x, widen).relu(), depthwise, groups=len(depthwise)).relu()
    return x + F.conv2d(F.pad(y, (depthwise.shape[-1] // 2,) * 4, mode="reflect"), narrow)


def wide_added(x, widen, depthwise, narrow, keep=1):
    wide = F.conv2d(x, widen).relu()
    seen = F.conv2d(F.pad(wide, (depthwise.shape[-1] // 2,) * 4, mode="reflect"), depthwise, groups=len(depthwise)).relu()
    return keep * x + F.conv2d(wide + seen, narrow)


def all_channels(x, widen, depthwise, narrow):
    wide = F.pad(F.conv2d(x, widen).relu(), (depthwise.shape[-1] // 2,) * 4, mode="reflect")
    return x + F.conv2d(F.conv2d(wide, depthwise.expand(-1, len(depthwise), -1, -1)).relu(), narrow)


def kernels_of_its_own(x, *kernels):
    return x + nn.Conv2d(x.shape[1], x.shape[1], 3, padding=1, padding_mode="reflect")(x)


plain, alone = lambda y: y, lambda x, y: y
BLOCKS = {
    "x itself is missing": with_piece(end=lambda x, y: y),
    "a ReLU stands after the sum": with_piece(end=lambda x, y: F.relu(x + y)),
    "after narrowing": with_piece(last=F.relu),
    "the ReLU after widening is missing": with_piece(first=lambda y: y),
    "the ReLU after looking around is missing": with_piece(second=lambda y: y),
    "both ReLUs are missing": with_piece(first=lambda y: y, second=lambda y: y),
    "there are ReLUs everywhere": with_piece(last=F.relu, end=lambda x, y: F.relu(x + y)),
    "cut off above 6": with_piece(first=F.relu6, second=F.relu6),
    "one ReLU too many": lambda x, *kernels: block(F.relu(x), *kernels, end=lambda _, y: x + y),
    "filled with zeros": with_piece(mode="constant"),
    "repeats its last position": with_piece(mode="replicate"),
    "from the opposite side": with_piece(mode="circular"),
    "and no ReLU stands after looking around": with_piece(second=plain, end=alone),
    "and so are both ReLUs": with_piece(first=plain, second=plain, end=alone),
    "and so is the ReLU after widening": with_piece(first=plain, end=alone),
    "and a ReLU stands after narrowing": with_piece(last=F.relu, end=alone),
    "the only ReLU stands at the end": with_piece(first=plain, second=plain, last=F.relu),
    "a ReLU stands before widening": lambda x, *kernels: block(F.relu(x), *kernels, first=plain, end=lambda _, y: x + y),
    "x went through a ReLU": lambda x, *kernels: block(F.relu(x), *kernels),
    "another curve than ReLU": with_piece(first=F.gelu, second=F.gelu),
    "F.relu, twice": with_piece(first=F.leaky_relu, second=F.leaky_relu),
    "is added too": wide_added,
    "is added, not x": functools.partial(wide_added, keep=0),
    "mirrored after looking around": mirrored_late,
    "looks at all channels": all_channels,
    "laid beside the change": lambda x, *kernels: torch.cat([x, block(x, *kernels, end=alone)], 1),
    "makes new ones, by chance": kernels_of_its_own,
    "it computes nothing": lambda x, widen, depthwise, narrow: nn.ReLU(F.conv2d(x, widen)),
    "left and right alone": lambda x, *kernels: F.pad(x, (1, 1), mode="reflect"),
    "F.pad wants four numbers": lambda x, *kernels: F.pad(x, 1, mode="reflect"),
    "mode that mirrors is called": lambda x, *kernels: F.pad(x, (1, 1, 1, 1), mode="mirror"),
    "F.conv2d knows borders of zeros only": lambda x, widen, depthwise, narrow: F.conv2d(x, widen, padding_mode="reflect"),
    "the picture first": lambda x, widen, depthwise, narrow: F.conv2d(widen, x),
    "(its kernels are to be learned) is zero": lambda x, widen, *kernels: block(x, nn.Parameter(widen), *kernels),
    "the change is subtracted": with_piece(end=lambda x, y: x - y),
    "x was written over": written_over,
    "x is added twice": with_piece(end=lambda x, y: x + y + x),
    "x is multiplied": with_piece(end=lambda x, y: x * y),
    "nothing looks around": lambda x, widen, depthwise, narrow: x + F.conv2d(F.relu(F.conv2d(x, widen)), narrow),
    "each has its own": lambda x, widen, depthwise, narrow: block(x, widen, depthwise[:1].repeat(len(depthwise), 1, 1, 1), narrow),
    "are transposed": lambda x, widen, depthwise, narrow: block(x, widen, depthwise.mT, narrow),
    "are turned around": lambda x, widen, depthwise, narrow: block(x, widen, depthwise.flip(2, 3), narrow),
    "wants groups=E": lambda x, widen, depthwise, narrow: F.conv2d(F.relu(F.conv2d(x, widen)), depthwise),
    "mirror the border by k // 2": with_piece(border=1),
    "for k = 3 and for k = 5": lambda x, widen, depthwise, narrow: block(x, widen, depthwise, narrow, border=0),
    "the channels do not fit": lambda x, widen, depthwise, narrow: x + F.conv2d(F.relu(F.conv2d(x, narrow)), widen),
    "cannot be called": lambda x, widen, depthwise, narrow: x + narrow(widen(x)),
    "changes the tensor": painted_over,
    "is None": lambda *args: None,
    "no gradient passes": lambda *args: block(*args).detach(),
}


@pytest.mark.parametrize("says", BLOCKS)
def test_wrong_blocks(says):
    refuses(check_inverted_residual, BLOCKS[says], says)


# --- 12.2 ------------------------------------------------------------------------------------------------------------

def step(student, teacher, photo, optimizer, distance=lambda p, g: (p - g).square().mean(), goal=None, order="zbs", sign=1):
    """The right step, or one with a piece replaced; `order`: zero_grad, backward, step."""
    with torch.no_grad():
        wanted = goal(teacher, photo) if goal else teacher(photo)
    loss = sign * distance(student(photo), wanted)
    for letter in order:
        {"z": optimizer.zero_grad, "b": loss.backward, "s": optimizer.step}[letter]()
    return sign * loss.item()


def by_the_library(student, teacher, photo, optimizer):
    optimizer.zero_grad()
    loss = F.mse_loss(student(photo), teacher(photo).detach())
    loss.backward()
    optimizer.step()
    return loss


def emptied_afterwards(student, teacher, photo, optimizer):
    """A tidy loop: gradients are thrown away as soon as they are used."""
    with torch.inference_mode():
        wanted = teacher(photo)
    loss = ((student(photo) - wanted.clone()) ** 2).mean()
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    return float(loss.detach())


def by_a_closure(student, teacher, photo, optimizer):
    teacher.requires_grad_(False)
    def loss():
        optimizer.zero_grad(set_to_none=False)
        loss = torch.mean((teacher(photo) - student(photo)) ** 2)
        loss.backward()
        return loss
    return optimizer.step(loss).detach().numpy()


def picture_by_picture(student, teacher, photo, optimizer):
    """Gradients of single pictures add up to the gradient of the mean."""
    student.zero_grad()
    total = 0
    for one in photo:
        loss = F.mse_loss(student(one), teacher(one).detach()) / len(photo)
        loss.backward()
        total += loss.item()
    optimizer.step()
    return np.float32(total)


def test_right_steps(capsys):
    accepts(check_distill_step, capsys, step, by_the_library, emptied_afterwards, by_a_closure, picture_by_picture)


def with_change(**piece):
    return lambda *args: step(*args, **piece)


def no_rest_for_the_teacher(student, teacher, photo, optimizer):
    optimizer.zero_grad()
    loss = (student(photo) - teacher(photo)).square().mean()
    loss.backward()
    optimizer.step()
    return loss.item()


def loss_afterwards(student, teacher, photo, optimizer):
    step(student, teacher, photo, optimizer)
    return (student(photo) - teacher(photo)).square().mean().item()


def everything_without_gradient(student, teacher, photo, optimizer):
    with torch.no_grad():
        loss = (student(photo) - teacher(photo)).square().mean()
    loss.backward()


def number_too_early(student, teacher, photo, optimizer):
    loss = step(student, teacher, photo, optimizer)
    loss.backward()


def teacher_learns(student, teacher, photo, optimizer):
    answer = step(student, teacher, photo, optimizer)
    with torch.no_grad():
        for p in teacher.parameters():
            p.add_(0.1)
    return answer


def step_first(student, teacher, photo, optimizer):
    optimizer.step()
    return step(student, teacher, photo, optimizer, order="zb")


def returning(what):
    return lambda *args: what(step(*args))


def changed_places(student, teacher, photo, optimizer):
    return step(teacher, student, photo, optimizer)


def teacher_wiped(student, teacher, photo, optimizer):
    answer = no_rest_for_the_teacher(student, teacher, photo, optimizer)
    teacher.zero_grad()
    return answer


def cut_loose(student, teacher, photo, optimizer):
    loss = (student(photo) - teacher(photo)).square().mean().item()
    torch.tensor(loss, requires_grad=True).backward()
    optimizer.step()
    return loss


def without_brackets(student, teacher, photo, optimizer):
    loss = (student(photo) - teacher(photo).detach()).square().mean()
    optimizer.zero_grad, loss.backward, optimizer.step
    return loss.item()


def optimizer_of_its_own(student, teacher, photo, optimizer):
    return step(student, teacher, photo, torch.optim.Adam(student.parameters()))


def copied(student, teacher, photo, optimizer):
    student.load_state_dict(teacher.state_dict())
    return step(student, teacher, photo, optimizer)


def step_by_step(student, teacher, photo, optimizer):
    return sum(step(student, teacher, one, optimizer) for one in photo) / len(photo)


STEPS = {
    "have changed places": changed_places,
    "a gradient was computed for the teacher": teacher_wiped,
    "since no gradient reached it": cut_loose,
    "all with their ()": without_brackets,
    "never took a step": optimizer_of_its_own,
    "has got its teacher's numbers": copied,
    "took 2 steps on one batch": with_change(order="zbss"),
    "one step, for all its pictures": step_by_step,
    "the student was shown the teacher's picture": lambda student, teacher, photo, optimizer: step(
        lambda photo: student(teacher(photo).detach()), teacher, photo, optimizer),
    "the teacher was shown the student's picture": lambda student, teacher, photo, optimizer: step(
        student, lambda photo: teacher(student(photo)), photo, optimizer),
    "against its own picture": lambda student, teacher, photo, optimizer: step(student, student, photo, optimizer),
    "only the first picture": lambda student, teacher, photo, optimizer: step(student, teacher, photo[:1], optimizer),
    "as .norm() gives": with_change(distance=lambda p, g: (p - g).norm()),
    "the step is 3 times as long": with_change(distance=lambda p, g: (p - g).square().sum(1).mean()),
    "the step is 2 times as long": with_change(distance=lambda p, g: (p - g).square().mean((1, 2, 3)).sum()),
    "a str; a number alone": returning(str),
    "a tuple; a number alone": returning(lambda loss: (loss, 1)),
    ".item() with its ()": returning(lambda loss: torch.tensor(loss).item),
    "the root of the loss": returning(lambda loss: loss**0.5),
    "the sum of the squares, not their mean": returning(lambda loss: loss * 180),
    "half the loss": returning(lambda loss: loss / 2),
    "the gradients of the step before": with_change(order="bs"),
    "before there is a new gradient": step_first,
    "first backward(), then optimizer.step()": with_change(order="sb"),
    "the student is what it was": with_change(order="z"),
    "does loss.backward() come before optimizer.step()": with_change(order="zb"),
    "and zero_grad() before both": with_change(order="bzs"),
    "its goal is the teacher's picture": with_change(goal=lambda teacher, photo: photo),
    "the squares are summed": with_change(distance=lambda p, g: (p - g).square().sum()),
    "the squares are halved": with_change(distance=lambda p, g: (p - g).square().mean() / 2),
    "mean of absolute differences": with_change(distance=lambda p, g: (p - g).abs().mean()),
    "leave the root out": with_change(distance=lambda p, g: (p - g).square().mean().sqrt()),
    "plus and minus cancel": with_change(distance=lambda p, g: (p - g).mean()),
    "the difference of means is squared": with_change(distance=lambda p, g: (p - g).mean().square()),
    "divided by the number of pictures only": with_change(distance=lambda p, g: (p - g).square().sum() / len(p)),
    "walks uphill": with_change(sign=-1),
    "for the teacher too": no_rest_for_the_teacher,
    "the loss after the step": loss_afterwards,
    "only the teacher paints under torch.no_grad()": everything_without_gradient,
    "call backward() first": number_too_early,
    "wants one number": with_change(distance=lambda p, g: (p - g).square()),
    "the teacher has changed": teacher_learns,
    "is None": lambda *args: None if step(*args) else None,
    "not what one step down": with_change(distance=lambda p, g: (p - g).square().mean() * 3),
    "student(photo)": lambda student, teacher, photo, optimizer: student(photo, teacher),
}


@pytest.mark.parametrize("says", STEPS)
def test_wrong_steps(says):
    refuses(check_distill_step, STEPS[says], says)


# --- 12.3 ------------------------------------------------------------------------------------------------------------

def quantized(kernel, bits=8, most=lambda bits: 2 ** (bits - 1) - 1, largest=lambda kernel: kernel.abs().amax((1, 2, 3), keepdim=True),
              whole=torch.round, kind=torch.int8, least=1e-12):
    scale = (largest(kernel) / most(bits)).clamp_min(least)
    return whole(kernel / scale).to(kind), scale


def channel_after_channel(kernel, bits=8):
    whole, scale = torch.zeros_like(kernel, dtype=torch.int8), torch.ones(len(kernel), 1, 1, 1)
    for number, one in enumerate(kernel):
        if largest := max(one.max().item(), -one.min().item()):
            scale[number] = largest / (2 ** (bits - 1) - 1)
            whole[number] = torch.round(one / scale[number]).clamp(-127, 127)
    return [whole, scale]


def half_up(kernel, bits=8):
    return quantized(kernel, bits, whole=lambda exact: (exact + 0.5).floor())


def zeros_set_apart(kernel, bits=8):
    """Scale 0 for a channel of zeros, whose whole numbers are written afterwards, whatever NaN became."""
    whole, scale = quantized(kernel, bits, least=0.0)
    return torch.where(scale == 0, torch.zeros((), dtype=torch.int8), whole), scale


def by_numpy(kernel, bits=8):
    values = kernel.numpy()
    scale = np.maximum(np.abs(values).max(axis=(1, 2, 3), keepdims=True) / (2 ** (bits - 1) - 1), 1e-12)
    return torch.from_numpy(np.rint(values / scale).astype(np.int8)), torch.from_numpy(scale)


def test_right_quantizations(capsys):
    accepts(check_quantized, capsys, quantized, packages, channel_after_channel, half_up, zeros_set_apart, by_numpy)


def one_scale(kernel, bits=8):
    scale = kernel.abs().max() / (2 ** (bits - 1) - 1)
    return (kernel / scale).round().to(torch.int8), scale


change = lambda **piece: functools.partial(quantized, **piece)
most_of = lambda bits: 2 ** (bits - 1) - 1
absolute = lambda kernel: kernel.abs().amax((1, 2, 3), keepdim=True)
QUANTIZED = {
    "which may become any whole number": change(least=0.0),
    "0 / 0 is NaN": change(least=0.0, whole=lambda exact: exact.round().int()),
    "the least value was taken": change(largest=lambda k: -k.amin((1, 2, 3), keepdim=True)),
    "^ is no power in Python, 2 ^ 7": change(most=lambda bits: 2 ^ (bits - 1) - 1),
    "2 ^ 7 is 5": change(most=lambda bits: 2 ^ bits - 1),
    "brackets are missing: a / b - 1": lambda k, bits=8: (quantized(k, bits)[0], absolute(k) / 2 ** (bits - 1) - 1),
    "are brackets missing?": lambda k, bits=8: (quantized(k, bits)[0], (absolute(k) / 2 ** (bits - 1) - 1).clamp_min(1e-12)),
    "the scale is the largest itself": lambda k, bits=8: (quantized(k, bits)[0], absolute(k)),
    "the values' sum": change(largest=lambda k: k.abs().sum((1, 2, 3), keepdim=True)),
    "the kernel's length": change(largest=lambda k: k.flatten(1).norm(dim=1).view(-1, 1, 1, 1)),
    "divided by 63: the largest whole number": change(most=lambda bits: 2 ** (bits - 2) - 1),
    "divided by 126": change(most=lambda bits: 2 ** (bits - 1) - 2),
    "is too large: it lifts": change(least=0.01),
    "multiplied by scale again": lambda k, bits=8: (quantized(k, bits)[0] * quantized(k, bits)[1], quantized(k, bits)[1]),
    "the numbers are not whole": change(whole=lambda exact: exact, kind=torch.float32),
    "your function takes two things": lambda kernel: quantized(kernel),
    "Python's round() knows no tensors": change(whole=round),
    "a half was added": change(whole=lambda exact: exact + 0.5),
    "divided by the largest, not by the scale": lambda k, bits=8: ((k / absolute(k)).round().to(torch.int8), quantized(k, bits)[1]),
    "multiplied by m, never divided": lambda k, bits=8: ((k * most_of(bits)).round().int().to(torch.int8), quantized(k, bits)[1]),
    "one scale for the whole tensor": one_scale,
    "each channel that comes out, dimension 0, has its own": change(largest=lambda k: k.abs().max().expand(len(k), 1, 1, 1)),
    "scales belong to the channels that come out": lambda k, bits=8: (quantized(k, bits)[0], k.abs().amax((0, 2, 3), keepdim=True)),
    "keepdim=True": lambda k, bits=8: (quantized(k, bits)[0], quantized(k, bits)[1].flatten()),
    "divided by 128": change(most=lambda bits: 2 ** (bits - 1), whole=lambda exact: exact.round().clamp(-127, 127)),
    "divided by 255: one bit is for the sign": change(most=lambda bits: 2**bits - 1),
    "divided by 256: one bit is for the sign": change(most=lambda bits: 2**bits),
    "divided by the number of bits": change(most=lambda bits: bits),
    "not the largest absolute value": change(largest=lambda k: k.amax((1, 2, 3), keepdim=True), whole=lambda e: e.round().clamp(-127, 127)),
    "upside down": lambda k, bits=8: (quantized(k, bits)[0], 1 / quantized(k, bits)[1]),
    "the spread from least to largest": change(most=lambda bits: 2 * (2 ** (bits - 1) - 1), largest=lambda k: k.amax(
        (1, 2, 3), keepdim=True) - k.amin((1, 2, 3), keepdim=True)),
    "the mean absolute value": change(largest=lambda k: k.abs().mean((1, 2, 3), keepdim=True), whole=lambda e: e.round().clamp(-127, 127)),
    "the deviation was taken": change(largest=lambda k: k.std((1, 2, 3), keepdim=True), whole=lambda e: e.round().clamp(-127, 127)),
    "always 8 bits": change(most=lambda bits: 127),
    "cut off toward zero": change(whole=lambda exact: exact),
    "rounded down": change(whole=torch.floor),
    "rounded up": change(whole=torch.ceil),
    "the sign is lost": change(whole=lambda exact: exact.round().abs()),
    "negative numbers were set to 0": change(whole=lambda exact: exact.round().clamp_min(0)),
    "multiplied by the scale": lambda k, bits=8: ((k * quantized(k, bits)[1]).round().to(torch.int8), quantized(k, bits)[1]),
    "never divided by the scale": lambda k, bits=8: (k.round().to(torch.int8), quantized(k, bits)[1]),
    ".to(torch.int8) makes them one": change(kind=torch.float32),
    "8 bits with a sign are torch.int8": change(kind=torch.int32),
    "whole numbers first": lambda k, bits=8: quantized(k, bits)[::-1],
    "two tensors are wanted": lambda k, bits=8: quantized(k, bits)[0],
    "is None": lambda k, bits=8: None,
    "have shape": lambda k, bits=8: (quantized(k, bits)[0].flatten(), quantized(k, bits)[1]),
    "a channel of zeros should stay zeros": change(least=0.0, whole=lambda exact: exact.round().nan_to_num(7)),
    "bits=8 is the default": lambda k, bits=4: quantized(k, bits),
    "max takes one dimension": change(largest=lambda k: k.abs().max(dim=(1, 2, 3), keepdim=True)),
    "values and places": change(largest=lambda k: k.abs().flatten(1).max(1)),
    "kernel and scale do not fit": change(largest=lambda k: k.abs().amax((1, 2, 3))),
    "changes the tensor": lambda k, bits=8: quantized(k.mul_(2), bits),
}


@pytest.mark.parametrize("says", QUANTIZED)
def test_wrong_quantizations(says):
    refuses(check_quantized, QUANTIZED[says], says)
