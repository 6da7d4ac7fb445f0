"""Lesson 12, training: a student learns from its teacher's pictures, and from what the teacher learned from, style and content."""
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from ..fast import Muon, Trainer
from ..fast.training import Recipe, fast_losses
from .network import MobileNetwork


@dataclass
class DistillRecipe(Recipe):
    """Recipe, with what is asked of a student. `alpha`: weight, from … to, of content, which is the teacher's picture, not the photograph.
    `picture`: weight, from … to, of the mean squared difference of pixels. `copying`: share of the training in which pixels alone count: such
    steps need no frozen network, and are several times cheaper."""
    alpha: float | tuple = (0.4, 0.2)
    picture: tuple = (10.0, 3.0)
    copying: float = 0.2


class DistillTrainer(Trainer):
    """lesson 08's Trainer with a teacher (Hinton et al. 2015): whatever crop and style the student gets, the teacher paints it first.

    styles: {name: painting [1, 3, H, W]}, names that teacher and student know, in the teacher's order; `net`: the student, a new
    MobileNetwork if none is given. Other keywords: those of `DistillRecipe`.
    """

    def __init__(self, styles, photos, teacher, net=None, features=None, **recipe):
        made = DistillRecipe(**recipe)
        if net is None:
            torch.manual_seed(made.seed)
            net = MobileNetwork(teacher.styles)
        if net.styles != teacher.styles:
            raise ValueError(f"the student's styles must be the teacher's, in the same order: {', '.join(teacher.styles)}")
        super().__init__(styles, photos, net, features=features)
        self.recipe, self.rates = made, (made.table_lr, made.lr)
        self.teacher = teacher.to(self.device).eval().requires_grad_(False)
        mixing = [p for p in self.net.parameters() if p.ndim == 4 and p.shape[1] > 1]
        others = [p for p in self.net.parameters() if not (p.ndim == 4 and p.shape[1] > 1)]
        self.trained = mixing + others                                       # a depthwise kernel is no matrix: it is not for Muon
        self.optimizers = [torch.optim.Adam(others, betas=(0.9, 0.99), eps=1e-6), Muon(mixing)]

    def step(self, progress):
        """One step; `progress`: how much of the training is over, 0 … 1. → {"total", "picture"} and, later, {"style", "content", "tv"}."""
        recipe = self.recipe
        photo, which = self.batch(progress)
        mix = F.one_hot(torch.tensor(self.rows)[which], len(self.net.styles)).float().to(photo.device)
        with torch.autocast(photo.device.type, torch.bfloat16, enabled=recipe.half):
            with torch.no_grad():
                goal = self.teacher(photo, mix).float()
            painted = self.net(photo, mix).float()
            losses = {"picture": (painted - goal).square().mean(dim=(1, 2, 3))}
            if progress >= recipe.copying:
                losses |= fast_losses(self.features, painted, goal, {layer: gram[which] for layer, gram in self.grams.items()})
        total = _between(recipe.picture, progress) * losses["picture"]
        if "style" in losses:
            total = total + losses["style"] + _between(recipe.alpha, progress) * losses["content"] + recipe.gamma * losses["tv"]
        self._follow(total.mean(), progress)
        return {"total": total.mean().item()} | {name: loss.mean().item() for name, loss in losses.items()}


def _between(weight, progress):
    """A weight on its way: `weight` is one number, or a pair from … to."""
    first, last = weight if isinstance(weight, tuple) else (weight, weight)
    return first + (last - first) * min(progress, 1)
