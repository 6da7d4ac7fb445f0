"""Lesson 11: a one-pass network made steady. It sees a photograph twice, the second time moved in a known way, and must agree with itself."""
import pathlib
import random
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from .. import loading
from ..fast import Trainer, load_fast
from ..fast.training import Recipe, crop, fast_losses
from .synthetic import random_motion
from .warp import inside, warp

_SHIPPED = "steady.safetensors"


@dataclass
class SteadyRecipe(Recipe):
    """Recipe, with what is asked of motion. `temporal`: weight of the mean of c (x − w)² beside style's 1. `shift`: px at most, `zoom`
    and `turn`: as `random_motion` has them; `noise`: deviation, at most, of what a sensor adds; `still`: share of pairs that do not move."""
    temporal: float = 12.0
    shift: float = 6.0
    zoom: float = 0.05
    turn: float = 0.05
    noise: float = 0.03
    still: float = 0.3


class SteadyTrainer(Trainer):
    """lesson 08's Trainer with a temporal loss: net(moved photo) against the moved net(photo), where that can be seen.

    The motion is made by ourselves, so its flow is exact, and none is computed (as in Gupta et al. 2017, who took it from real clips).
    Keywords: those of `Trainer` and of `SteadyRecipe`.
    """

    def __init__(self, styles, photos, net, features=None, **recipe):
        made = SteadyRecipe(**recipe)
        super().__init__(styles, photos, net, features=features)
        self.recipe, self.rates = made, (made.table_lr, made.lr)

    def pair(self, progress):
        """(photo, moved photo [B, 3, h, h], backward flow [B, 2, h, h], mask [B, 1, h, h], which style each [B]).

        The crop is taken larger by what the motion may bring in from outside, so that borders show what is really there.
        """
        recipe, total = self.recipe, self.recipe.batch * self.processes
        size = recipe.sizes[min(int(progress * len(recipe.sizes)), len(recipe.sizes) - 1)]
        first, made = self.done * total + self.rank * recipe.batch, []
        margin = 4 * round((recipe.shift + size * (recipe.zoom + recipe.turn) / 2) / 4 + 1)
        for number in range(first, first + recipe.batch):
            rng = random.Random(f"{recipe.seed} {number}")
            large = crop(rng.choice(self.photos), size + 2 * margin, recipe.seen, rng)
            still = rng.random() < recipe.still
            motion = random_motion(rng, *((0, 0, 0) if still else (recipe.shift, recipe.zoom, recipe.turn)))
            flow = motion.backward(large.shape[2:])
            moved = warp(large, flow)
            inner = (..., slice(margin, margin + size), slice(margin, margin + size))
            generator = torch.Generator().manual_seed(rng.getrandbits(62))
            grain = rng.uniform(0, recipe.noise)
            noisy = [(one[inner] + grain * torch.randn(1, 3, size, size, generator=generator)).clamp(0, 1) for one in (large, moved)]
            flow = flow[inner]
            made.append((*noisy, flow, inside(flow), torch.tensor([number % len(self.rows)])))
        return [torch.cat(parts).to(self.features.device) for parts in zip(*made)]

    def step(self, progress):
        """One step; `progress`: how much of the training is over, 0 … 1. → {"total", "style", "content", "tv", "temporal"}, floats."""
        recipe = self.recipe
        photo, moved, flow, mask, which = self.pair(progress)
        mix = F.one_hot(torch.tensor(self.rows)[which.cpu()], len(self.net.styles)).float().to(photo.device)
        grams = {layer: gram[which] for layer, gram in self.grams.items()}
        with torch.autocast(photo.device.type, torch.bfloat16, enabled=recipe.half):
            painted = self.net(photo, mix).float()
            again = self.net(moved, mix).float()
            losses = fast_losses(self.features, painted, photo, grams)
        losses["temporal"] = (mask * (again - warp(painted, flow)).square()).mean(dim=(1, 2, 3))
        first, last = recipe.alpha if isinstance(recipe.alpha, tuple) else 2 * (recipe.alpha,)
        alpha = first + (last - first) * min(progress, 1)
        total = losses["style"] + alpha * losses["content"] + recipe.gamma * losses["tv"] + recipe.temporal * losses["temporal"]
        self._follow(total.mean(), progress)
        return {"total": total.mean().item()} | {name: loss.mean().item() for name, loss in losses.items()}


def load_steady(path=None, device=None):
    """The network for clips: that in a file, else the shipped steady one, or lesson 08's where the package has none. Raises WeightsError."""
    if path is None and pathlib.Path(str(loading.embedded(_SHIPPED))).is_file():
        path = loading.embedded(_SHIPPED)
    return load_fast(path, device)
