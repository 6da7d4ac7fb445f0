"""Lesson 08, training: photographs go through the small network, a frozen one looks at what comes out. No pairs are needed."""
import copy
import math
import random
from dataclasses import dataclass

import torch
from torch import distributed
from torch.nn import functional as F
from torch.nn.utils import clip_grad_norm_

from ..features import Features
from ..gram import gram_matrix
from ..losses import ContentTerm, StyleTerm, TVTerm
from .muon import Muon
from .network import FastNetwork


@dataclass
class Recipe:
    """What training can be told. `sizes`: sides of the crops in px, one after the other for equal shares of the training.

    `batch`: crops a step, in each process. `alpha`, `gamma`: weights of content and total variation beside style's 1 ("relative"
    scaling); `alpha` can be a pair, from … to: first the photograph, then bolder strokes. `lr` for kernels, `table_lr` for the
    rest; both fall along a cosine. `seen`: how large the photographs are imagined, longer side in px, from … to. `keep`: how
    slowly the average of the weights moves. `half`: convolutions in bfloat16, for processors that are faster so.
    """
    sizes: tuple = (96, 128, 192)
    batch: int = 4
    alpha: float | tuple = (0.2, 0.05)
    gamma: float = 0.3
    lr: float = 0.015
    table_lr: float = 3e-3
    seen: tuple = (200, 400)
    keep: float = 0.995
    seed: int = 0
    half: bool = False


def crop(photo, size, seen, rng):
    """A random square [1, 3, size, size] of a photograph [1, 3, H, W] (floats in [0, 1], or bytes), half of them mirrored.

    The photograph is imagined with a longer side of `seen` = (least, most) px; a slim one is enlarged until the square fits.
    """
    longer = math.exp(rng.uniform(*map(math.log, seen)))
    side = min(round(size * max(photo.shape[2:]) / longer), *photo.shape[2:])
    top, left = rng.randint(0, photo.shape[2] - side), rng.randint(0, photo.shape[3] - side)
    part = photo[..., top:top + side, left:left + side]
    part = part.float() / 255 if part.dtype == torch.uint8 else part
    part = F.interpolate(part, (size, size), mode="bilinear", antialias=True, align_corners=False)
    return part.flip(3) if rng.random() < 0.5 else part


def style_grams(styles, features):
    """Gram matrices {layer: [S, C, C]} of S paintings, each [1, 3, H, W] of any size."""
    with torch.no_grad():
        seen = [features(painting, features.style_layers) for painting in styles]
        return {layer: torch.cat([gram_matrix(acts[layer]) for acts in seen]) for layer in features.style_layers}


def fast_losses(features, painted, photo, grams):
    """{"style", "content", "tv"}: [B] each, in "relative" scaling (lesson 04) as means over their layers.

    painted, photo: [B, 3, H, W]; grams: {layer: [B, C, C]}, the Gram matrices wanted of each picture.
    """
    content = features.content_layers
    with torch.no_grad():
        wanted = features(photo, content)
    acts = features(painted, {*grams, *content})
    terms = [StyleTerm(layer, gram) for layer, gram in grams.items()] + [ContentTerm(layer, wanted[layer]) for layer in content]
    shares, found = {"style": len(grams), "content": len(content), "tv": 1}, {}
    for term in [*terms, TVTerm()]:
        loss = term.loss(term.measure(acts, painted)).float()
        found[term.kind] = found.get(term.kind, 0) + loss / shares[term.kind]
    return found


class Trainer:
    """A network in training: `net` learns, `average`, the mean of its latest weights, is the one that paints.

    styles: {name: painting [1, 3, H, W]}; photos: a list of [1, 3, H, W], floats in [0, 1] or bytes. `net`: one that has these
    styles among its own, to go on with; `tables_only`: its convolutions stay as they are. Other keywords: those of `Recipe`.
    Which crops and styles a step sees depends on `seed` and the step alone, so a resumed training is the undisturbed one, and
    several processes (torch.distributed) are one process with the larger batch.
    """

    def __init__(self, styles, photos, net=None, norm="instance", features=None, tables_only=False, **recipe):
        self.recipe, self.photos, self.features = Recipe(**recipe), photos, features or Features("tiny")
        if net is None:
            torch.manual_seed(self.recipe.seed)
            net = FastNetwork(styles, norm)
        device = self.features.device
        self.rank, self.processes = (distributed.get_rank(), distributed.get_world_size()) if distributed.is_initialized() else (0, 1)
        self.net = net.to(device, memory_format=torch.channels_last).train()
        for tensor in self.net.state_dict().values() if self.processes > 1 else ():
            distributed.broadcast(tensor, 0)                                 # all begin where the first process does
        self.average = copy.deepcopy(net).eval().requires_grad_(False)
        self.rows = [net.styles.index(name) for name in styles]
        self.grams = style_grams([painting.to(device) for painting in styles.values()], self.features)
        kernels = [] if tables_only else [p for p in net.parameters() if p.ndim == 4]
        others = [p for name, p in net.named_parameters() if p.ndim != 4 and not (tables_only and name.startswith("out"))]
        self.trained = kernels + others
        self.optimizers = [torch.optim.Adam(others, betas=(0.9, 0.99), eps=1e-6)] + ([Muon(kernels)] if kernels else [])
        self.rates = (self.recipe.table_lr, self.recipe.lr)
        self.done = 0

    @property
    def device(self):
        """Where it computes."""
        return self.features.device

    def batch(self, progress):
        """This process's share of the step: (photographs [B, 3, h, h], which style each [B])."""
        recipe, total = self.recipe, self.recipe.batch * self.processes
        size = recipe.sizes[min(int(progress * len(recipe.sizes)), len(recipe.sizes) - 1)]
        first = self.done * total + self.rank * recipe.batch
        crops, which = [], []
        for number in range(first, first + recipe.batch):
            rng = random.Random(f"{recipe.seed} {number}")
            crops.append(crop(rng.choice(self.photos), size, recipe.seen, rng))
            which.append(number % len(self.rows))
        return torch.cat(crops).to(self.features.device, memory_format=torch.channels_last), torch.tensor(which)

    def step(self, progress):
        """One step; `progress`: how much of the training is over, 0 … 1. → {"total", "style", "content", "tv"}, floats."""
        photo, which = self.batch(progress)
        mix = F.one_hot(torch.tensor(self.rows)[which], len(self.net.styles)).float().to(photo.device)
        grams = {layer: gram[which] for layer, gram in self.grams.items()}
        with torch.autocast(photo.device.type, torch.bfloat16, enabled=self.recipe.half):
            losses = fast_losses(self.features, self.net(photo, mix).float(), photo, grams)
        first, last = self.recipe.alpha if isinstance(self.recipe.alpha, tuple) else 2 * (self.recipe.alpha,)
        alpha = first + (last - first) * min(progress, 1)
        losses = {"total": losses["style"] + alpha * losses["content"] + self.recipe.gamma * losses["tv"]} | losses
        self._follow(losses["total"].mean(), progress)
        return {name: loss.mean().item() for name, loss in losses.items()}

    def _follow(self, loss, progress):
        """Gradient, averaged over the processes and clipped; a step of each optimizer; the average moves along."""
        for parameter in self.trained:
            parameter.grad = None
        loss.backward()
        if self.processes > 1:
            flat = torch.cat([p.grad.flatten() for p in self.trained]) / self.processes
            distributed.all_reduce(flat)
            for p, part in zip(self.trained, flat.split([p.numel() for p in self.trained])):
                p.grad.copy_(part.view(p.shape))
        clip_grad_norm_(self.trained, 1.0)
        slowly = min(1, (self.done + 1) / 50) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(progress, 1))))
        for optimizer, lr in zip(self.optimizers, self.rates):
            optimizer.param_groups[0]["lr"] = lr * slowly
            optimizer.step()
        self.done += 1
        keep = min(self.recipe.keep, self.done / (self.done + 20))
        with torch.no_grad():
            for slow, fast in zip(self.average.parameters(), self.net.parameters()):
                slow.lerp_(fast, 1 - keep)
            for slow, fast in zip(self.average.buffers(), self.net.buffers()):
                slow.copy_(fast)

    def about(self):
        """What a checkpoint must agree with, as plain values: the styles, the network's shape, the recipe."""
        recipe = {name: list(value) if isinstance(value, tuple) else value for name, value in vars(self.recipe).items()}
        return {"styles": [self.net.styles[row] for row in self.rows], "network": {"styles": self.net.styles, **self.net.shape}} | recipe

    def state(self):
        """All that a checkpoint must hold, as a tree for `save_checkpoint`."""
        return {"done": self.done, "net": dict(self.net.state_dict()), "average": dict(self.average.state_dict()),
                "optimizers": [optimizer.state_dict() for optimizer in self.optimizers]}

    def load(self, state):
        """Goes on where `state` was taken."""
        self.done = state["done"]
        self.net.load_state_dict(state["net"])
        self.average.load_state_dict(state["average"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"]):
            optimizer.load_state_dict(saved)
