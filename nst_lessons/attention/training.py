"""Lesson 09, training: photographs are painted in the styles of many paintings, a frozen network says how far off they are."""
import copy
import random
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from ..fast import Muon, Trainer
from ..fast.training import crop
from ..gram import gram_matrix
from ..losses import TVTerm
from .adain import normalized
from .network import AnyStyle

CONTENT = ("relu3_1", "relu4_1")


@dataclass
class Recipe:
    """What training can be told. `sizes`: sides of the crops in px, one after the other for equal shares of the training.

    `batch`: crops a step. `alpha`: weight of content beside style's 1, from … to; `gamma`: of total variation; `same`: of the
    pixels where a photograph is its own style, one of `every` crops. `lr` for kernels of the decoder, `see_lr` for all else; both
    fall along a cosine. `seen`, `seen_style`: how large photographs and paintings are imagined, longer side in px, from … to.
    `keep`: how slowly the average of the weights moves. `half`: convolutions in bfloat16.
    """
    sizes: tuple = (96, 112, 144)
    batch: int = 4
    alpha: tuple = (0.12, 0.04)
    gamma: float = 0.15
    same: float = 4.0
    every: int = 8
    lr: float = 0.015
    see_lr: float = 2e-3
    seen: tuple = (200, 400)
    seen_style: tuple = (220, 420)
    keep: float = 0.995
    seed: int = 0
    half: bool = False


def recolored(picture, rng):
    """A picture [1, 3, H, W] with other colors, so that few paintings teach many palettes: hues turned, contrast and light changed."""
    gray = picture.mean(dim=1, keepdim=True)
    order = torch.tensor(rng.sample(range(3), 3) if rng.random() < 0.5 else [0, 1, 2])
    color = (picture - gray)[:, order] * rng.uniform(0.4, 1.6)               # channels change places, more or less of them
    if rng.random() < 0.15:
        gray = 1 - gray                                                      # a negative
    middle = gray.mean()
    return ((gray - middle) * rng.uniform(0.7, 1.3) + middle + rng.uniform(-0.12, 0.12) + color).clamp(0, 1)


def style_crop(painting, size, seen, rng):
    """A random square [1, 3, size, size] of a painting, as `crop`; some are turned, two of five recolored."""
    part = crop(painting, size, seen, rng)
    if rng.random() < 0.2:
        part = part.transpose(2, 3)
    return recolored(part, rng) if rng.random() < 0.4 else part


def any_losses(features, painted, acts, style_acts):
    """{"style", "content", "tv"}: [B] each. acts, style_acts: of photograph and painting, {layer: [B, C, H, W]}.

    style: mean over layers of log(1 + ‖G − A‖²/‖A‖²): near the goal the relative error of lesson 04, and one odd painting cannot
    shout all others down. content: mean squared difference once both have mean 0 and deviation 1 in every channel.
    """
    found = features(painted, list(style_acts))
    style = 0
    for layer, act in style_acts.items():
        wanted = gram_matrix(act).float()
        far = (gram_matrix(found[layer]).float() - wanted).square().sum(dim=(1, 2)) / wanted.square().sum(dim=(1, 2))
        style = style + torch.log1p(far) / len(style_acts)
    content = sum((normalized(found[layer].float()) - normalized(acts[layer].float())).square().mean(dim=(1, 2, 3)) for layer in CONTENT)
    term = TVTerm()
    return {"style": style, "content": content / len(CONTENT), "tv": term.loss(term.measure({}, painted)).float()}


class AnyTrainer(Trainer):
    """An `AnyStyle` in training; `average`, the mean of its latest weights, is the one that paints.

    paintings: {school: list of [1, 3, H, W]}, photos: a list of the same, floats in [0, 1] or bytes; every school is as likely as
    another. Other keywords: those of `Recipe`. What a step sees depends on `seed` and the step alone, so a resumed training is the
    undisturbed one.
    """

    def __init__(self, paintings, photos, net=None, **recipe):
        self.recipe, self.photos, self.paintings = Recipe(**recipe), photos, paintings
        torch.manual_seed(self.recipe.seed)
        self.net = net or AnyStyle()
        self.features, self.rank, self.processes, self.done = self.net.features, 0, 1, 0
        self.net.to(self.features.device, memory_format=torch.channels_last).train()
        self.average = copy.deepcopy(self.net).eval().requires_grad_(False)
        seeing = ("see", "query", "key", "value")                            # they follow the statistics of what is seen
        kernels = [p for name, p in self.net.named_parameters() if p.ndim == 4 and name.split(".")[-2] not in seeing]
        others = [p for name, p in self.net.named_parameters() if p.ndim != 4 or name.split(".")[-2] in seeing]
        self.trained = kernels + others
        self.optimizers = [torch.optim.Adam(others, betas=(0.9, 0.99), eps=1e-8), Muon(kernels)]
        self.rates = (self.recipe.see_lr, self.recipe.lr)

    def batch(self, progress):
        """(photographs, paintings, which of them are their own style): [B, 3, h, h] twice, [B]."""
        recipe = self.recipe
        size = recipe.sizes[min(int(progress * len(recipe.sizes)), len(recipe.sizes) - 1)]
        photos, styles, same = [], [], []
        for number in range(self.done * recipe.batch, (self.done + 1) * recipe.batch):
            rng = random.Random(f"{recipe.seed} {number}")
            photos.append(crop(rng.choice(self.photos), size, recipe.seen, rng))
            same.append(number % recipe.every == 0)
            school = self.paintings[rng.choice(list(self.paintings))]
            styles.append(photos[-1] if same[-1] else style_crop(rng.choice(school), size, recipe.seen_style, rng))
        place = {"device": self.features.device, "memory_format": torch.channels_last}
        return torch.cat(photos).to(**place), torch.cat(styles).to(**place), torch.tensor(same).to(self.features.device)

    def step(self, progress):
        """One step; `progress`: how much of the training is over, 0 … 1. → {"total", "style", "content", "tv", "same"}, floats."""
        recipe = self.recipe
        photo, style, same = self.batch(progress)
        with torch.autocast(photo.device.type, torch.bfloat16, enabled=recipe.half):
            with torch.no_grad():
                acts = self.features(torch.cat([photo, style]), self.features.style_layers)
            acts, style_acts = ({name: act[part] for name, act in acts.items()} for part in (slice(len(photo)), slice(len(photo), None)))
            painted = self.net.paint(acts, style_acts).float()
            losses = any_losses(self.features, painted, acts, style_acts)
        alpha = recipe.alpha[0] + (recipe.alpha[1] - recipe.alpha[0]) * min(progress, 1)
        losses["same"] = (painted - photo).square().mean(dim=(1, 2, 3)) * same
        total = losses["style"] + alpha * losses["content"] + recipe.gamma * losses["tv"] + recipe.same * losses["same"]
        self._follow(total.mean(), progress)
        return {"total": total.mean().item()} | {name: loss.mean().item() for name, loss in losses.items()}

    def about(self):
        """What a checkpoint must agree with, as plain values: the network's shape, the recipe."""
        recipe = {name: list(value) if isinstance(value, tuple) else value for name, value in vars(self.recipe).items()}
        return {"method": self.net.method, "network": self.net.shape, "schools": list(self.paintings)} | recipe
