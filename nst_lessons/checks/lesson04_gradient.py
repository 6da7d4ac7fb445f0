"""Lesson 04: the gradient of style, without autograd. The oracle is finite differences in float64."""
import contextlib
import traceback
from unittest import mock

import torch

from .lesson04 import plain_gram, some
from .verdict import Wrong, exercise, same, untouched


@exercise("4.4", "your gradient agrees with finite differences at every value, for any two sizes.")
def check_style_gradient(gradient):
    """Tries gradient(act, target_gram) → [B, N, H, W]: 1/(N² M) (G/M − A/M_A) F, without autograd."""
    for number, (shape, theirs) in enumerate([((2, 3, 4, 5), (1, 3, 6, 7)), ((1, 4, 3, 2), (1, 4, 3, 2)), ((3, 2, 4, 3), (3, 2, 5, 5))]):
        act, style = some(*shape, seed=number), some(*theirs, seed=number + 9, most=2.0)
        channels, positions = shape[1], shape[2] * shape[3]
        target = (plain_gram(style) / style[0, 0].numel()).float()
        truth = _by_finite_differences(act, target)
        flat, difference = act.double().flatten(2), plain_gram(act) / positions - target.double()

        def laid(rows, scale):
            """rows [B, N, M] as activations, times scale."""
            return (scale * rows).reshape(shape)
        plain = plain_gram(act) - target.double()
        scale = 1 / (channels**2 * positions)
        with _no_autograd():
            found = untouched(gradient, act, target)
        if isinstance(found, torch.Tensor) and found.shape == truth.shape and 1e-4 < (found - truth).abs().max() / truth.abs().max() < 0.02:
            raise Wrong("that is nearly right, as finite differences are; write it in closed form, a product of two matrices")
        same(found, truth, "the gradient", [
            ("half of it: F stands twice in G = F Fᵀ, and each of the two brings its share", truth / 2),
            ("twice too much: is the 1/4 of the loss in it? 1/4 · 2 (square) · 2 (two F in F Fᵀ) is 1", truth * 2),
            ("four times too much: the 1/4 of the loss is missing; 1/4 · 2 (square) · 2 (two F in F Fᵀ) is 1", truth * 4),
            ("a quarter of it: the square brings a 2, and the two F in F Fᵀ another", truth / 4),
            ("it has the wrong sign: this is the way downhill, minus the gradient", -truth),
            ("a 1/M is missing: G/M brings one when it is differentiated", truth * positions),
            ("a 1/M too many: with G already divided by M only one more stands in front", truth / positions),
            ("1/N is there once, the loss has 1/N²", truth * channels),
            ("the 1/N² is missing", truth * channels**2),
            ("N and M are exchanged: N counts channels, M positions", truth * channels**2 * positions / (positions**2 * channels)),
            ("G is the plain sum but the target is divided by its positions: divide G too", laid(plain @ flat, scale)),
            ("G is the plain sum but the target is divided by its positions: divide G too", laid(plain @ flat, scale / positions)),
            ("G is divided by C·H·W; only positions count, and 1/N² stands in front",
             laid((plain_gram(act) / positions / channels - target.double()) @ flat, scale)),
            ("Fᵀ (G − A) has positions first: transpose it before you reshape, or write (G − A) F",
             (scale * flat.transpose(1, 2) @ difference).reshape(shape)),
            ("that is the matrix positions × channels: the gradient has the shape of the activations",
             scale * flat.transpose(1, 2) @ difference),
            ("that is the matrix channels × positions: reshape it like the activations", scale * difference @ flat),
            ("that is the gradient for the Gram matrix; it must go on through F Fᵀ: times F", difference / (2 * channels**2)),
            ("the pictures of the batch are mixed", truth.mean(0, keepdim=True).expand_as(truth)),
            ("the pictures of the batch are mixed", truth.sum(0, keepdim=True).expand_as(truth)),
        ])


def _by_finite_differences(act, target, step=1e-4):
    """Gradient of 1/(4N²) Σ (G/M − A)² in float64: each value is moved a little up and down, and the loss is looked at."""
    act, target = act.double(), target.double()

    def loss(act):
        table = torch.einsum("bihw,bjhw->bij", act, act) / act[0, 0].numel()
        return (table - target).pow(2).sum(dim=(1, 2)) / (4 * act.shape[1]**2)
    found = torch.zeros_like(act)
    for c, y, x in torch.cartesian_prod(*(torch.arange(length) for length in act.shape[1:])):
        nudge = torch.zeros_like(act)
        nudge[:, c, y, x] = step
        found[:, c, y, x] = (loss(act + nudge) - loss(act - nudge)) / (2 * step)
    return found


@contextlib.contextmanager
def _no_autograd():
    """Raises Wrong when autograd is asked for a gradient."""
    told = Wrong("that is autograd's gradient; write it in closed form, a product of two matrices")

    def refuse(*_, **__):
        raise told
    try:
        with mock.patch("torch.autograd.grad", refuse), mock.patch("torch.autograd.backward", refuse):
            yield
    except Wrong as wrong:
        crash = wrong.__cause__                                             # torch.func stumbles over `refuse` in its own way
        if crash and any("functorch" in frame.filename for frame in traceback.extract_tb(crash.__traceback__)):
            raise told from None
        raise
