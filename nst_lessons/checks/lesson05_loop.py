"""Lesson 05: a loop that never pays twice. The oracle is `nst.optimize`, which is held against torch's own optimizers elsewhere."""
import inspect
import math

import torch

from ..losses import Terms
from ..optimize import optimize
from .verdict import Wrong, attempt, exercise, seeded

_BUDGET = 14


class _Watched:
    """An objective, ½ Σ c (pixel − goal)², that notes every picture it is asked about; its goal lies partly outside [0, 1]."""

    def __init__(self, shape, budget=math.inf):
        self.goal = torch.rand(shape, generator=seeded(7)) * 2.4 - 0.7
        self.curvature = torch.linspace(1, 30, self.goal.numel()).view(shape)
        self.budget, self.seen = budget, []

    def loss(self, picture):
        return 0.5 * (self.curvature * (picture - self.goal)**2).sum()

    def __call__(self, picture):
        self.seen.append(picture.detach().clone())
        if len(self.seen) > 3 * self.budget + 40:
            raise Wrong(f"the loop does not end: {self.budget} evaluations were allowed and it has made {len(self.seen)}. "
                        "Count what the objective is asked, not the steps of the optimizer")
        total = self.loss(picture)
        return Terms(total, {"content": {"all": total.detach()[None]}})


def _path(start, method, lr, zero=True, clamp="", search="strong_wolfe"):
    """The pictures of the plain loop (start first), or of one with a slip."""
    picture, objective, path = start.clone().requires_grad_(), _Watched(start.shape), []
    optimizer = torch.optim.Adam([picture], lr=lr or 0.02, betas=(0.9, 0.99)) if method == "adam" else torch.optim.LBFGS(
        [picture], lr=lr or 1, max_iter=1, max_eval=26, history_size=20, tolerance_grad=0, tolerance_change=0, line_search_fn=search)

    def closure():
        if zero:
            optimizer.zero_grad()
        if clamp == "picture":
            picture.data.clamp_(0, 1)
        loss = objective.loss(picture.clamp(0, 1) if clamp == "view" else picture)
        loss.backward()
        return loss
    for _ in range(6):
        path.append(picture.detach().clone())
        optimizer.step(closure)
    return path


def _course(loop, start, objective, method, lr):
    """What the loop yields, as (evaluations, loss, picture, the picture as it was then, times asked so far)."""
    options = {} if lr is None else {"lr": lr}
    course = attempt(lambda: loop(start, objective, method, _BUDGET, **options), on=f"method {method!r}")
    if not inspect.isgenerator(course) and not hasattr(course, "__next__"):
        raise Wrong(f"a generator is wanted, so that one can look on while it paints: give each picture away with `yield`; "
                    f"your function returns {type(course).__name__}")
    items = []
    while len(items) <= 3 * _BUDGET:
        item = attempt(lambda: next(course, None), on=f"method {method!r}")
        if item is None:
            return items
        if not (isinstance(item, tuple) and len(item) == 3 and isinstance(item[2], torch.Tensor) and item[2].shape == start.shape):
            raise Wrong(f"(evaluations, loss, picture) is to be yielded, a picture of shape {list(start.shape)}; yours is {_described(item)}")
        if isinstance(item[1], torch.Tensor) and item[1].requires_grad:
            raise Wrong("the loss still hangs in its graph, and memory grows with every step: yield loss.item()")
        if item[2].requires_grad:
            raise Wrong("the picture that you yield still asks for gradients: detach it")
        items.append((int(item[0]), float(item[1]), item[2], item[2].clone(), len(objective.seen)))
    if len(objective.seen) == 1 and not torch.equal(items[0][3], items[-1][3]):
        raise Wrong("the objective was asked once and never again: do you remember a copy of the picture, or the picture itself, "
                    "which is always equal to itself?")
    raise Wrong(f"the loop does not end: {_BUDGET} evaluations were allowed, and it has yielded {len(items)} pictures"
                + (" though nothing moves any more: leave the loop when a step has left the picture where it was (and if it never moves "
                   "at all: the optimizer must be given the very tensor that the objective sees)" if torch.equal(items[-2][3], items[-1][3]) else ""))


def _described(item):
    if not isinstance(item, tuple):
        return f"a {type(item).__name__}"
    return "(" + ", ".join(f"tensor {list(one.shape)}" if isinstance(one, torch.Tensor) else type(one).__name__ for one in item) + ")"


@exercise("5.2", "the same pictures as nst.optimize, each paid for once, and the budget is kept, with Adam and with L-BFGS.")
def check_frugal_loop(loop):
    """Tries loop(start, objective, method, evaluations, lr), a generator of (evaluations, loss, picture), against `nst.optimize`."""
    for method, lr in (("adam", None), ("adam", 0.1), ("lbfgs", None)):
        start = torch.rand(1, 3, 4, 5, generator=seeded(3))
        kept = start.clone()
        objective = _Watched(start.shape, _BUDGET)
        items = _course(loop, start, objective, method, lr)
        if not torch.equal(start, kept):
            raise Wrong("your loop paints over the picture that it is given: paint on a clone")
        if start.requires_grad:
            raise Wrong("your loop switches gradients on in the picture that it is given: paint on a clone")
        _check_pictures(items, objective, kept, method, lr)
        _check_counts(items, objective, method)
        _course(loop, objective.goal.clone(), _Watched(start.shape, _BUDGET), method, lr)          # at the bottom: does it end?


def _check_pictures(items, objective, start, method, lr):
    """That what is yielded is a copy each time, and lies on the path of `nst.optimize`."""
    first_step = (items[1][4] if len(items) > 1 else len(objective.seen)) - items[0][4] if items else 0
    if method == "lbfgs" and first_step > 9:
        raise Wrong(f"one step() of your L-BFGS made {first_step} evaluations: max_iter=1 makes it one step of the method")
    if len(items) < 2:
        raise Wrong(f"your loop yields {len(items)} picture(s) in {_BUDGET} evaluations; it should yield one after each step "
                    "(is the gradient still there when the closure gives back the loss that it knows? and is the tensor that the optimizer "
                    "moves the one that the objective sees?)")
    if any(not torch.equal(now, then) for _, _, now, then, _ in items):
        raise Wrong("the pictures that you gave away change afterwards, all of them to the last one: yield a copy, picture.detach().clone()")
    pictures = [then for _, _, _, then, _ in items]
    if all(torch.equal(one, start) for one in pictures):
        raise Wrong("the picture never moves: is the tensor that the optimizer was given the same that the objective sees, and not a copy?")
    right = [start, *(step.image for step in optimize(start, _Watched(start.shape), method, _BUDGET, lr, tolerance=0))]
    if _near(pictures[0], right[1]):
        raise Wrong("the start is missing: the first thing to yield is the start itself, with its loss, before any step")
    if all(_near(one, other) for one, other in zip(pictures, right)):
        return
    if any(torch.equal(one, other) for one, other in zip(pictures, pictures[1:])):
        raise Wrong("the same picture is yielded twice in a row: yield once for each step")
    for message, slip in [
        ("gradients add up from step to step: call optimizer.zero_grad() before each backward()", {"zero": False}),
        ("the picture is clamped while the optimizer works: it then gets gradients of another picture than its own. Clamp at the end, outside",
         {"clamp": "picture"}),
        ("the objective sees a clamped picture: where a pixel has left [0, 1] no gradient leads it back. Clamp at the end, outside",
         {"clamp": "view"}),
        ('without line_search_fn="strong_wolfe" L-BFGS takes steps that may be far too long', {"search": None}),
    ]:
        if all(_near(one, other) for one, other in list(zip(pictures, _path(start, method, lr, **slip)))[:4]):
            raise Wrong(message)
    if all(one.min() >= 0 and one.max() <= 1 for one in objective.seen):
        raise Wrong("the picture is clamped while the optimizer works: here the way leads out of [0, 1], and back. Clamp at the end, outside")
    if all(_near(one, other.clamp(0, 1)) for one, other in zip(pictures, right)):
        raise Wrong("the pictures that you give away are clamped: give each as it is, and clamp where it is shown or saved")
    if lr is not None and all(_near(one, other) for one, other in list(zip(pictures, _path(start, method, None)))[:4]):
        raise Wrong("lr has no effect: hand it on to the optimizer")
    if all(_near(one, other) for one, other in list(zip(pictures, _path(start, "lbfgs" if method == "adam" else "adam", lr)))[:4]):
        raise Wrong(f"asked for {method}, your loop does not take it: hand `method` on")
    first = next(i for i, (one, other) in enumerate(zip(pictures, right)) if not _near(one, other))
    raise Wrong(f"{method}: picture {first + 1} is not where torch's {method} goes; look at the loop of the lesson again")


def _check_counts(items, objective, method):
    """That evaluations and losses are told as they were, none is paid for twice, and the budget is kept."""
    for number, (told, loss, _, picture, asked) in enumerate(items):
        truth = objective.loss(picture).item()
        if not math.isclose(loss, truth, rel_tol=1e-4):
            before = number and math.isclose(loss, objective.loss(items[number - 1][3]).item(), rel_tol=1e-4)
            raise Wrong("each picture comes with the loss of the picture before: step() returns the loss of where it began" if before else
                        f"loss and picture do not belong together: picture {number + 1} has the loss {truth:.4g}, you say {loss:.4g}")
    twice = sum(torch.equal(one, other) for one, other in zip(objective.seen, objective.seen[1:]))
    if twice:
        raise Wrong(f"{twice} of {len(objective.seen)} evaluations were made where the objective had just been asked ({method}): "
                    "if the picture has not moved since, give back the loss that you know")
    if any(told != asked for told, _, _, _, asked in items):
        if [told for told, *_ in items] in (list(range(len(items))), list(range(1, len(items) + 1))):
            raise Wrong("you count steps: one step of L-BFGS can ask more than once. Count in the closure")
        told, _, _, _, asked = next(item for item in items if item[0] != item[4])
        raise Wrong(f"you say {told} evaluations where the objective has been asked {asked} times")
    made = len(objective.seen)
    if made > _BUDGET + 2:
        raise Wrong(f"{method}: {_BUDGET} evaluations were allowed, {made} were made: begin no step once they are spent")
    if items[-1][4] < _BUDGET - 3:
        raise Wrong(f"{method}: {_BUDGET} evaluations were allowed, and the loop ends after {items[-1][4]}")


def _near(one, other):
    return torch.allclose(one, other, rtol=1e-4, atol=1e-5)
