"""Lesson 05: how pixels learn. The loop, as a generator: each step yields a better picture, and the caller may leave."""
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
    """One accepted iterate: `image` [B, 3, H, W] (a copy), its `terms`, and the `evaluations` of the objective so far.

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

    def __init__(self, image, objective, budget, evaluations, remembered):
        self.image, self.objective, self.budget, self.evaluations = image, objective, budget, evaluations
        self.unpaid = evaluations > 0                                      # the first look after a resume was paid for before
        self.memory = deque(maxlen=remembered)                             # (picture, loss, gradient, terms)

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


class _Run:
    """All that changes on the way: the picture, its optimizer, the losses; and `latest`, the last good place, as it was there."""

    def __init__(self, image, objective, method, steps, lr, history, state):
        state = state or {"image": image, "evaluations": 0, "losses": [], "retries": 0, "optimizer": None}
        self.picture = state["image"].detach().to(image).clone().contiguous().requires_grad_()
        self.evaluate = _Evaluator(self.picture, objective, steps, state["evaluations"], 4 if method == "lbfgs" else 1)
        self.losses, self.retries, self.latest = list(state["losses"]), state["retries"], {}
        self.method, self.history, self.lr = method, history, {"lbfgs": 1.0, "adam": 0.02}[method] if lr is None else lr
        self.optimizer = self.fresh_optimizer()
        if state["optimizer"]:
            self.optimizer.load_state_dict(copy.deepcopy(state["optimizer"]))      # a copy: the same state may be used again

    def fresh_optimizer(self):
        """One with an empty memory; its steps are the smaller, the oftener the run had to go back."""
        lr = self.lr / 4**self.retries
        if self.method == "lbfgs":                                         # max_eval also limits the line search, to 25
            return torch.optim.LBFGS([self.picture], lr=lr, max_iter=1, max_eval=26, history_size=self.history, tolerance_grad=0,
                                     tolerance_change=0, line_search_fn="strong_wolfe")
        return torch.optim.Adam([self.picture], lr=lr, betas=(0.9, 0.99))

    def set_down(self):
        """The Step for where the picture is now, and `latest` made a copy that later or interrupted steps do not touch."""
        here = self.evaluate.evaluations
        self.latest = {"image": self.picture.detach().clone(), "evaluations": here, "losses": list(self.losses),
                       "retries": self.retries, "optimizer": _copied(self.optimizer.state_dict())}

        def state():
            if self.latest["evaluations"] != here:
                raise RuntimeError("only the latest step has a state(); ask it before you go on")
            return dict(self.latest)
        return Step(here, self.evaluate.terms, self.latest["image"].clone(), state)

    def go_back(self):
        """To the last good place, there to go on with a fresh memory and smaller steps."""
        with torch.no_grad():
            self.picture.copy_(self.latest["image"])
        self.retries += 1
        self.optimizer = self.fresh_optimizer()


def _copied(tree):
    """An optimizer's state, with copies of the tensors that it writes over (those in L-BFGS's lists it only replaces)."""
    if isinstance(tree, dict):
        return {key: _copied(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_copied(value) if isinstance(value, dict) else value for value in tree]
    return tree.clone() if isinstance(tree, torch.Tensor) else tree


class Spectrum:
    """Pictures written as start + C z, so that `optimize` can look for z instead of pixels; L-BFGS then needs half the evaluations.

    C multiplies a wave of f cycles a pixel by (f² + 0.005²)^-¼. L-BFGS begins with the guess that every direction is as steep as
    every other; for pixels that is far off, because a wide wave moves many activations and a fine ripple few. Scaled so, it is
    nearer the truth (Olah et al. 2017, "Feature Visualization", on preconditioning). start: [B, 3, H, W]; calling it with z of
    that shape gives the picture.
    """

    def __init__(self, start):
        self.start, (height, width) = start, start.shape[-2:]
        down, across = torch.fft.fftfreq(height)[:, None], torch.fft.rfftfreq(width)[None]
        amplitude = (down**2 + across**2 + 0.005**2) ** -0.25       # [H, W // 2 + 1]
        self.amplitude = (amplitude / amplitude.mean()).to(start)

    def __call__(self, z):
        waves = torch.fft.rfft2(z) * self.amplitude
        return self.start + torch.fft.irfft2(waves, s=z.shape[-2:])


def optimize(image, objective, method="lbfgs", steps=200, lr=None, tolerance=1e-4, window=20, history=20, state=None):
    """Yields a Step after each accepted iterate of `method` ("lbfgs" or "adam") on the pixels of a copy of `image`; one at least.

    image: [B, 3, H, W]. objective: image → Terms. `steps`: a budget of objective *evaluations*, whatever the method.
    Ends at `steps`, or when the loss changed by less than `tolerance` (relative) over `window` iterates. `lr`: 1 for
    L-BFGS, 0.02 for Adam unless given. `state`: a Step's state(), to go on where it stood. Nothing is ever clamped.
    Raises ValueError for another method, OptimizationError when the loss is not finite and gentler steps do not help.
    """
    if method not in ("lbfgs", "adam"):
        raise ValueError(f"unknown method {method!r}; choose 'lbfgs' or 'adam'")
    if steps < 1:
        raise ValueError(f"steps={steps} allows no evaluation; give at least 1")
    run = _Run(image, objective, method, steps, lr, history, state)
    try:
        run.evaluate()                                                     # where it starts; the first step() finds it remembered
    except _NotFinite:
        raise OptimizationError(_advice(run)) from None
    run.losses = run.losses or [run.evaluate.terms.total.item()]
    first = step = run.set_down()
    while not _converged(run.losses, tolerance, window):
        try:
            run.optimizer.step(run.evaluate)
            if torch.equal(run.picture, run.latest["image"]):              # no better picture in sight
                break
            run.evaluate()                                                 # L-BFGS has just been there, Adam has not
        except _OutOfBudget:
            break
        except _NotFinite:
            if run.retries == _RETRIES:
                raise OptimizationError(_advice(run)) from None
            run.go_back()
            continue
        run.losses.append(run.evaluate.terms.total.item())
        step = run.set_down()
        yield step
    if step is first:                                                      # nothing better was found: the start, with its terms
        yield step


def _converged(losses, tolerance, window):
    if len(losses) <= window:
        return False
    before, now = losses[-1 - window], losses[-1]
    return math.fabs(before - now) < tolerance * math.fabs(before)


def _advice(run):
    if not run.losses:
        return ("the loss is not a number at the first evaluation: look for NaN in the pictures, "
                "or divide alpha, beta and gamma by a thousand (fp16 overflows above 65504)")
    return (f"the loss stopped being a number after {run.evaluate.evaluations} evaluations, and smaller steps did not help: "
            "lower lr, alpha, beta or gamma, or use method='lbfgs' in float32")
