"""Lesson 12, exercise 12.2: a step of distillation. The oracle is torch's functional gradient, followed by hand."""
import numpy as np
import torch
from torch import nn

from .verdict import Wrong, exercise, same, seeded, untouched

_RATE = 0.5


class _Painter(nn.Module):
    """A very small network that paints; `seed` says which. `gradients`: how often one was computed for its kernels."""

    def __init__(self, seed):
        super().__init__()
        random = seeded(seed)
        self.conv, self.gradients = nn.Conv2d(3, 3, 3, padding=1), 0
        self.conv.weight.data = 0.4 * torch.randn(3, 3, 3, 3, generator=random)
        self.conv.bias.data = torch.randn(3, generator=random)
        self.conv.weight.register_hook(self._count)

    def _count(self, _):
        self.gradients += 1

    def forward(self, photo):
        return torch.sigmoid(self.conv(photo))


def _numbers(net):
    return torch.cat([p.detach().flatten() for p in net.parameters()])


def _mean_square(painted, goal):
    return (painted - goal).square().mean()


def _walk(distance=_mean_square, goal=lambda student, teacher, photo: teacher(photo), shown=lambda teacher, photo: photo, sign=1, kept=False,
          stale=False):
    """[(loss, the student's numbers)] after each of two right steps, by torch's functional gradient; or of a way that slips."""
    student, teacher, photos = _Painter(1), _Painter(5), _photos()
    found, gathered, last = [], None, None
    for photo in photos:
        loss = distance(student(shown(teacher, photo)), goal(student, teacher, photo).detach())
        gradients = torch.autograd.grad(loss, list(student.parameters()))
        gathered = gradients if gathered is None or not kept else [a + b for a, b in zip(gathered, gradients)]
        used, last = (last if stale else gathered), gradients
        with torch.no_grad():
            for p, gradient in zip(student.parameters(), used or ()):
                p.sub_(sign * _RATE * gradient)
        found.append((loss.item(), _numbers(student)))
    return found


def _photos():
    return [torch.rand(2, 3, 6, 5, generator=seeded(seed)) for seed in (3, 4)]


def _step_slips():
    """{message: the two (loss, numbers) that this slip gives}."""
    squares = lambda painted, goal: (painted - goal).square()
    return {
        "the gradients of the step before are still there: optimizer.zero_grad() belongs into each step": _walk(kept=True),
        "the optimizer steps before there is a new gradient: backward first, then step": _walk(stale=True),
        "the student is held against the photograph; its goal is the teacher's picture": _walk(goal=lambda student, teacher, photo: photo),
        "the student was shown the teacher's picture; both paint the same photograph": _walk(shown=lambda teacher, photo: teacher(photo)),
        "the teacher was shown the student's picture; both paint the same photograph":
            _walk(goal=lambda student, teacher, photo: teacher(student(photo))),
        "only the first picture of the batch counts; take the mean over all": _walk(lambda p, g: squares(p[:1], g[:1]).mean()),
        "the squares are summed; their mean is wanted": _walk(lambda p, g: squares(p, g).sum()),
        "the squares are halved: the plain mean is wanted": _walk(lambda p, g: squares(p, g).mean() / 2),
        "that is the mean of absolute differences; their squares are wanted": _walk(lambda p, g: (p - g).abs().mean()),
        "that is the root of the mean of squares; leave the root out": _walk(lambda p, g: squares(p, g).mean().sqrt()),
        "that is the root of the sum of squares, as .norm() gives; the mean of squares is wanted": _walk(lambda p, g: squares(p, g).sum().sqrt()),
        "the difference is not squared, so plus and minus cancel": _walk(lambda p, g: (p - g).mean()),
        "the difference of means is squared; wanted is the mean of squared differences": _walk(lambda p, g: (p - g).mean().square()),
        "the sum of squares is divided by the number of pictures only; divide by all values: .mean()":
            _walk(lambda p, g: squares(p, g).sum() / len(p)),
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
    "Inference tensors cannot be saved for backward": "what inference_mode makes can be no goal here; torch.no_grad() around the teacher can",
}


@exercise("12.2", "the student came nearer to its teacher, which has not changed at all.")
def check_distill_step(step):
    """Tries step(student, teacher, photo [B, 3, H, W], optimizer) → the loss before the step; two steps, with plain gradient descent."""
    student, teacher = _Painter(1), _Painter(5)
    before, taught = _numbers(student), _numbers(teacher)
    optimizer, steps = torch.optim.SGD(student.parameters(), lr=_RATE), []
    optimizer.register_step_post_hook(lambda *_: steps.append(len(answers)))
    right, answers = _walk(), []
    for photo in _photos():
        answer = untouched(lambda given: step(student, teacher, given, optimizer), photo, crashes=_STEP_CRASHES)
        answers.append((answer, _numbers(student)))
        if not torch.equal(_numbers(teacher), taught):
            raise Wrong("the teacher has changed: only the student learns")
        if teacher.gradients or any(p.grad is not None for p in teacher.parameters()):
            raise Wrong("teacher and student have changed places: the student learns, the teacher's picture is the goal" if not student.gradients
                        else "a gradient was computed for the teacher too, which costs time and memory for nothing: "
                             "let it paint under torch.no_grad()")
    if not _near(answers, right):
        if torch.equal(answers[-1][1], before):
            raise Wrong(_why_unchanged(student, steps))
        raise Wrong(next((message for message, walk in _step_slips().items() if _near(answers, walk)), None)
                    or _why_elsewhere(answers, right, before, taught, steps))
    for number, ((answer, _), (loss, _)) in enumerate(zip(answers, right)):
        _same_loss(answer, loss, number)


def _near(mine, theirs):
    return all(torch.allclose(a[1], b[1], rtol=1e-3, atol=1e-5) for a, b in zip(mine, theirs))


def _why_unchanged(student, steps):
    """One line about a student that is what it was."""
    if student.gradients and steps and any(p.grad is not None for p in student.parameters()):
        return "the student's gradient is zero: it is held against its own picture; its goal is the teacher's"
    if steps and not student.gradients:
        return ("the student is what it was, since no gradient reached it: only the teacher paints under torch.no_grad(), and the loss must hang "
                "together with the student's picture")
    return "the student is what it was: does loss.backward() come before optimizer.step(), and zero_grad() before both, all with their ()?"


def _why_elsewhere(answers, right, before, taught, steps):
    """One line about a student that walked somewhere else, by no slip that is known."""
    if torch.equal(answers[-1][1], taught):
        return "the student has got its teacher's numbers; it is to learn from pictures, which works for students of any size"
    if not steps:
        return "the optimizer that is given never took a step: optimizer.step(), not one of your own"
    if len(steps) > len(answers):
        return f"the optimizer took {steps.count(0)} steps on one batch of photographs: one step, for all its pictures together"
    mine, theirs = answers[0][1] - before, right[0][1] - before
    times, text = (mine @ theirs / (theirs @ theirs)).item(), "the student's numbers are not what one step down the mean squared difference makes of them"
    if torch.allclose(mine, times * theirs, rtol=1e-2, atol=1e-5 * max(1, abs(times))):
        return f"{text}: the step is {times:.3g} times as long. Is the loss the mean over all values, and backward() called once?"
    return text


def _loss_after(number):
    """The loss on a step's photograph once the step is done."""
    student, teacher, photo = _Painter(1), _Painter(5), _photos()[number]
    nn.utils.vector_to_parameters(_walk()[number][1], student.parameters())
    return _mean_square(student(photo), teacher(photo)).detach()


def _same_loss(answer, loss, number):
    """The loss may be a number, torch's, NumPy's or Python's, or a tensor with one value."""
    if callable(answer):
        raise Wrong("the loss that you return is a function, not what it gives: .item() with its ()")
    if isinstance(answer, (np.ndarray, np.generic)) and answer.size == 1:
        answer = answer.item()
    if isinstance(answer, torch.Tensor) and answer.numel() == 1:
        answer = answer.detach().reshape(())
    if isinstance(answer, (str, tuple, list, dict)):
        raise Wrong(f"the loss that you return is a {type(answer).__name__}; a number alone is wanted: loss.item()")
    truth, values = torch.tensor(loss), _photos()[number].numel()
    same(answer, truth, "the loss that you return", [
        ("that is the loss after the step; return the one that you took the gradient of", _loss_after(number)),
        ("you return the root of the loss; leave it out", truth.sqrt()), ("you return the sum of the squares, not their mean", truth * values),
        ("you return half the loss", truth / 2)], rtol=1e-3, atol=1e-6)
