"""What all checks share: how an answer is tried, compared with the truth, and told why it is wrong."""
import contextlib
import functools
import textwrap

import torch

_WIDTH = 78               # signs in a line of a message
_numbers = 0              # which random cases the checks draw: 0, those that a learner meets


def seeded(seed):
    """The generator of a check's random case. Inside `other_numbers` it draws another case than a learner meets."""
    return torch.Generator().manual_seed(seed + 1000 * _numbers)


@contextlib.contextmanager
def other_numbers(which):
    """Inside, every check draws other random cases: `which` is 1, 2, …, or 0 for those that a learner meets."""
    global _numbers
    before, _numbers = _numbers, which
    try:
        yield
    finally:
        _numbers = before


def _lines(message):
    """A message as a notebook shows it, in lines that a narrow page holds: JupyterLab would break them within words."""
    return textwrap.wrap(message, _WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


class Wrong(AssertionError):
    """An answer that a check refuses; a notebook shows its message, without a traceback."""

    def _render_traceback_(self):
        return _lines(f"✗ {self}")


class NotWritten(NotImplementedError):
    """An exercise that is still a stub; a notebook shows its message, without a traceback."""

    def _render_traceback_(self):
        return _lines(f"○ {self}")


def exercise(number, right):
    """Makes a check of a function that raises Wrong: stubs and crashes are told as such, a right answer prints `right`."""
    def decorate(check):
        @functools.wraps(check)
        def checked(*answers, **options):
            try:
                check(*answers, **options)
            except Wrong as wrong:
                raise Wrong(f"Exercise {number}: {wrong}") from None
            except NotImplementedError as error:
                if not is_a_stub(error):
                    raise Wrong(f"Exercise {number}: {_crash(error)}") from error
                raise NotWritten(f"Exercise {number} is not written yet: replace the line `raise NotImplementedError(…)` "
                                 "with your own, run that cell, then this one again") from None
            print(f"✓ Exercise {number}: {right}")
        checked.exercise = number
        return checked
    return decorate


def is_a_stub(error):
    """True for what a stub raises; torch too raises NotImplementedError, for a mode that an input of this shape cannot have, say."""
    return isinstance(error, NotImplementedError) and (not str(error) or str(error).startswith("Exercise"))


# Messages of torch that would lead astray here, and what to say instead.
_PLAIN = {"Can't call numpy() on Tensor that requires grad": "NumPy lets no gradient through, and an optimizer will need it; stay with torch"}


def attempt(function, *args, on=""):
    """function(*args); a crash becomes Wrong, with the error in one line. `on`: what it was tried on, for the message."""
    try:
        return function(*args)
    except Exception as error:
        if isinstance(error, Wrong) or is_a_stub(error):
            raise
        raise Wrong(_crash(error, on)) from error


def _crash(error, on=""):
    """One line about a function that stopped."""
    text = " ".join(str(error).split())
    text = next((words for told, words in _PLAIN.items() if told in text), text)
    return f"your function stops{f' on {on}' if on else ''} with {type(error).__name__}: {text}"


def same(answer, truth, what="the answer", slips=(), rtol=1e-4, atol=1e-6):
    """Raises Wrong unless `answer` is `truth` [any shape] up to float error; says what slip would give that answer.

    slips: [(message, the tensor that this slip gives), …], tried in turn once the answer is not the truth.
    """
    if answer is None:
        raise Wrong(f"{what} is None: does every path of your function `return` something?")
    if not isinstance(answer, torch.Tensor):
        if not isinstance(answer, (int, float)) or truth.ndim:
            raise Wrong(f"{what} is a {type(answer).__name__}; a tensor of shape {_shape(truth)} is wanted")
        answer = torch.tensor(float(answer))
    if type(answer) not in (torch.Tensor, torch.nn.Parameter):                # one of another class may say of itself that it is right
        raise Wrong(f"{what} is a {type(answer).__name__}; a plain torch.Tensor is wanted")
    found = answer.detach().to(torch.float64)
    truth = truth.detach().to(torch.float64)
    near = functools.partial(torch.allclose, rtol=rtol, atol=atol)
    if found.shape == truth.shape and near(found, truth):
        return
    for message, slip in slips:
        slip = slip.detach().to(torch.float64)
        if slip.shape == found.shape and near(found, slip):
            raise Wrong(message)
    if found.shape != truth.shape:
        raise Wrong(f"{what} has shape {_shape(found)}; {_shape(truth)} is wanted")
    if not found.isfinite().all():
        raise Wrong(f"{what} holds NaN or infinity: is something divided by zero?")
    raise Wrong(f"{what} is not right: {_difference(found, truth)}")


def differentiable(function, *args, what="the answer"):
    """Raises Wrong unless a gradient reaches the first of `args`, which an optimizer will need."""
    first = args[0].detach().clone().requires_grad_()
    out = attempt(function, first, *args[1:])
    if not isinstance(out, torch.Tensor) or not out.requires_grad:
        raise Wrong(f"no gradient passes through {what}: compute it with torch alone, without .item(), .numpy(), .detach() or no_grad")
    out.sum().backward()
    if first.grad is None or not first.grad.abs().sum() > 0:
        raise Wrong(f"the gradient of {what} is zero everywhere: does it still depend on what goes in?")


def untouched(function, *args, what="your function", crashes=None):
    """function(*args), with Wrong when it has written into one of the tensors that it was given.

    crashes: {part of torch's message: what it means here}, for messages that say too little.
    """
    before = [one.clone() if isinstance(one, torch.Tensor) else one for one in args]
    try:
        out = attempt(function, *args)
    except Wrong as wrong:
        raise Wrong(next((words for told, words in (crashes or {}).items() if told in str(wrong)), str(wrong))) from wrong.__cause__
    for one, copy in zip(args, before):
        if isinstance(one, torch.Tensor) and not torch.equal(one, copy):
            raise Wrong(f"{what} changes the tensor that it is given; make a new one instead (no +=, no trailing-underscore methods)")
    return out


def _shape(tensor):
    return str(list(tensor.shape)) if tensor.ndim else "[] (a single number)"


def _difference(found, truth):
    """"everywhere 4 times the right value", or the place where the two differ most."""
    factor = (found * truth).sum() / truth.pow(2).sum()                          # NaN where the truth is all zeros
    if abs(factor) > 1e-12 and (found - factor * truth).abs().max() <= 1e-4 * abs(factor) * truth.abs().max():
        if abs(factor + 1) < 1e-4:
            return "it has the wrong sign"
        if truth.numel() > 1:
            return f"it is everywhere {factor:.6g} times the right value"
    if truth.ndim == 0:
        return f"right would be {truth.item():.6g}, yours is {found.item():.6g}"
    place = tuple((found - truth).abs().flatten().argmax().unsqueeze(0).tolist()) if truth.ndim == 1 else \
        tuple(int(i) for i in torch.unravel_index((found - truth).abs().argmax(), truth.shape))
    return f"at {list(place)} right would be {truth[place].item():.6g}, yours is {found[place].item():.6g}"
