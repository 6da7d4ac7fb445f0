"""Lesson 05: how pixels learn. The loop, as a generator: each step yields a better picture, and the caller may leave at any time."""
import copy
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

    `state()` is everything needed to go on from here: pass it to `optimize(state=…)`. Only the latest Step has it, the
    others raise RuntimeError: L-BFGS remembers forty pictures' worth, which nobody wants to keep for each step.
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

    def __init__(self, image, objective, budget, state):
        self.image, self.objective, self.budget = image, objective, budget
        self.evaluations = 0 if state is None else state["evaluations"]
        self.unpaid = state is not None                                    # the first look after a resume was paid for before
        self.memory = deque(maxlen=4)                                      # (picture, loss, gradient, terms)

    def __call__(self):
        for picture, loss, gradient, terms in self.memory:
            if torch.equal(picture, self.image):
                self.image.grad, self.terms = gradient.clone(), terms
                return loss
        if self.evaluations >= self.budget and not self.unpaid:
            raise _OutOfBudget
        self.evaluations, self.unpaid = self.evaluations + (not self.unpaid), False
        self.image.grad = None
        with torch.enable_grad():                                          # the caller may be under no_grad
            terms = self.objective(self.image)
            terms.total.backward()
        terms.total = terms.total.detach()
        if not (terms.total.isfinite() and self.image.grad.isfinite().all()):
            raise _NotFinite
        self.terms = terms
        self.memory.append((self.image.detach().clone(), terms.total, self.image.grad.clone(), terms))
        return terms.total


def _make_optimizer(method, image, lr, history):
    if method == "lbfgs":                                                  # max_eval also limits the line search, to 25
        return torch.optim.LBFGS([image], lr=lr, max_iter=1, max_eval=26, history_size=history, tolerance_grad=0,
                                 tolerance_change=0, line_search_fn="strong_wolfe")
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
    if steps < 1:
        raise ValueError(f"steps={steps} allows no evaluation; give at least 1")
    lr = {"lbfgs": 1.0, "adam": 0.02}[method] if lr is None else lr
    picture = (image if state is None else state["image"].to(image)).detach().clone().contiguous().requires_grad_()
    evaluator = _Evaluator(picture, objective, steps, state)
    losses, retries = ([], 0) if state is None else (list(state["losses"]), state["retries"])
    optimizer = _make_optimizer(method, picture, lr / 4**retries, history)
    if state is not None:
        optimizer.load_state_dict(copy.deepcopy(state["optimizer"]))       # a copy: the same state may be used again
    latest = {}

    def stand():
        """The Step for where the picture is now, set down so that neither later steps nor an interrupted one touch it."""
        here = evaluator.evaluations
        latest.update(image=picture.detach().clone(), evaluations=here, losses=list(losses), retries=retries,
                      optimizer=_set_down(optimizer.state_dict()))

        def its_state():
            if latest["evaluations"] != here:
                raise RuntimeError("only the latest step has a state(); ask it before you go on")
            return dict(latest)
        return Step(here, evaluator.terms, latest["image"].clone(), its_state)

    try:
        evaluator()                                                        # where it starts; the first step() finds it remembered
    except _NotFinite:
        raise OptimizationError(_advice(evaluator.evaluations, losses)) from None
    losses = losses or [evaluator.terms.total.item()]
    first = step = stand()
    while not _converged(losses, tolerance, window):
        try:
            optimizer.step(evaluator)
            if torch.equal(picture, latest["image"]):                      # no better picture in sight
                break
            evaluator()                                                    # L-BFGS has just been there, Adam has not
        except _OutOfBudget:
            break
        except _NotFinite:
            retries += 1
            if retries > _RETRIES:
                raise OptimizationError(_advice(evaluator.evaluations, losses)) from None
            with torch.no_grad():
                picture.copy_(latest["image"])
            optimizer = _make_optimizer(method, picture, lr / 4**retries, history)     # a fresh memory and smaller steps
            continue
        losses.append(evaluator.terms.total.item())
        step = stand()
        yield step
    if step is first:                                                      # nothing better was found: still a picture, with its terms
        yield step


def _set_down(tree):
    """A copy of an optimizer's state, of what it overwrites: its tensors. Those in L-BFGS's lists it only ever replaces."""
    if isinstance(tree, dict):
        return {key: _set_down(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_set_down(value) if isinstance(value, dict) else value for value in tree]
    return tree.clone() if isinstance(tree, torch.Tensor) else tree


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
