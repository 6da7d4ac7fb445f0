"""Lesson 05: how pixels learn. The loop, as a generator: each step yields a better picture, and the caller may leave at any time."""
import math
from collections import deque
from dataclasses import dataclass
from typing import Callable

import torch

from .losses import Terms

_RETRIES = 3                              # how often a broken step is taken back and tried more carefully


class OptimizationError(RuntimeError):
    """The loss is not a number and no smaller step mends it; the message says what to change."""


@dataclass
class Step:
    """One accepted iterate: `image` [B, 3, H, W] (a copy), its `terms`, and how many `evaluations` of the objective it took so far.

    `state()` is everything needed to go on from here: pass it to `optimize(state=…)`.
    """
    evaluations: int
    terms: Terms
    image: torch.Tensor
    state: Callable[[], dict]


class _OutOfBudget(Exception):
    """Raised inside the closure: every evaluation allowed has been used."""


class _NotFinite(Exception):
    """Raised inside the closure: the loss or its gradient is NaN or infinite."""


class _Evaluator:
    """The closure that optimizers call. It counts evaluations, and remembers the latest ones.

    torch's L-BFGS evaluates where it stands at the start of every step(), though its line search has just been there:
    the memory answers that call for nothing.
    """

    def __init__(self, image, objective, budget, evaluations):
        self.image, self.objective, self.budget, self.evaluations = image, objective, budget, evaluations
        self.memory = deque(maxlen=4)                                      # (picture, loss, gradient, terms)
        self.unpaid = False                                                # the first look after a resume was paid for before

    def __call__(self):
        for picture, loss, gradient, terms in self.memory:
            if torch.equal(picture, self.image):
                self.image.grad, self.terms = gradient.clone(), terms
                return loss
        if self.evaluations >= self.budget and not self.unpaid:
            raise _OutOfBudget
        self.evaluations, self.unpaid = self.evaluations + (not self.unpaid), False
        self.image.grad = None
        terms = self.objective(self.image)
        terms.total.backward()
        terms.total = terms.total.detach()
        if not (terms.total.isfinite() and self.image.grad.isfinite().all()):
            raise _NotFinite
        self.terms = terms
        self.memory.append((self.image.detach().clone(), terms.total, self.image.grad.clone(), terms))
        return terms.total


def _make_optimizer(method, image, lr, history):
    if method == "lbfgs":
        return torch.optim.LBFGS([image], lr=lr, max_iter=1, history_size=history, tolerance_grad=0, tolerance_change=0,
                                 line_search_fn="strong_wolfe")
    return torch.optim.Adam([image], lr=lr, betas=(0.9, 0.99))


def optimize(image, objective, method="lbfgs", steps=200, lr=None, tolerance=1e-4, window=20, history=20, state=None):
    """Yields a Step after each accepted iterate of `method` ("lbfgs" or "adam") on the pixels of a copy of `image`.

    image: [B, 3, H, W]. objective: image → Terms. `steps`: a budget of objective *evaluations*, whatever the method.
    Ends at `steps`, or when the loss changed by less than `tolerance` (relative) over `window` iterates. `lr`: 1 for
    L-BFGS, 0.02 for Adam unless given. `state`: a Step's state(), to go on where it stood. Nothing is ever clamped.
    Raises ValueError for another method, OptimizationError when the loss is not finite and gentler steps do not help.
    """
    if method not in ("lbfgs", "adam"):
        raise ValueError(f"unknown method {method!r}; choose 'lbfgs' or 'adam'")
    lr = lr or {"lbfgs": 1.0, "adam": 0.02}[method]
    picture = (image if state is None else state["image"]).detach().clone().contiguous().requires_grad_()
    evaluator = _Evaluator(picture, objective, steps, 0 if state is None else state["evaluations"])
    losses, retries = ([], 0) if state is None else (list(state["losses"]), state["retries"])
    optimizer = _make_optimizer(method, picture, lr / 4**retries, history)
    if state is not None:
        optimizer.load_state_dict(state["optimizer"])
        evaluator.unpaid = method == "lbfgs"

    def snapshot():
        return {"image": picture.detach().clone(), "evaluations": evaluator.evaluations, "losses": list(losses),
                "retries": retries, "optimizer": optimizer.state_dict()}

    while not _converged(losses, tolerance, window):
        good = picture.detach().clone()
        try:
            if method == "lbfgs":
                optimizer.step(evaluator)
                evaluator()                                                # remembered from the line search
                shown, stuck = picture.detach().clone(), torch.equal(picture, good)     # stuck: no better picture in sight
            else:
                evaluator()
                optimizer.step()
                shown, stuck = good, False                                 # the picture that was evaluated, not the next one
        except _OutOfBudget:
            return
        except _NotFinite:
            with torch.no_grad():
                picture.copy_(good)
            retries += 1
            if not losses or retries > _RETRIES:
                raise OptimizationError(_advice(evaluator.evaluations, losses)) from None
            optimizer = _make_optimizer(method, picture, lr / 4**retries, history)     # a fresh memory and smaller steps
            continue
        if stuck:
            return
        losses.append(evaluator.terms.total.item())
        yield Step(evaluator.evaluations, evaluator.terms, shown, snapshot)


def _converged(losses, tolerance, window):
    if len(losses) <= window:
        return False
    before, now = losses[-1 - window], losses[-1]
    return math.fabs(before - now) < tolerance * math.fabs(before)


def _advice(evaluations, losses):
    if not losses:
        return ("the loss is not a number at the first evaluation: look for NaN in the pictures, "
                "or divide alpha, beta and gamma by a thousand (fp16 overflows above 65504)")
    return (f"the loss stopped being a number after {evaluations} evaluations, and smaller steps did not help: "
            "lower lr, alpha, beta or gamma, or use method='lbfgs' in float32")
