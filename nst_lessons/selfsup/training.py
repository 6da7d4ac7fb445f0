"""Training without labels and without a teacher: which point is which, what color is it, and which way is up? The photographs know."""
import copy
import os
import pathlib
import random
from dataclasses import dataclass

import torch
from safetensors.torch import save
from torch import nn
from torch.nn import functional as F

from ..fast.muon import Muon
from ..fast.training import Trainer
from .network import WIDTHS, SelfNet, folded, untrained
from .views import at_points, two_views

DEPTHS = ("3_1", "4_1", "5_1")           # where points are compared; shallower layers learn from what these need
COLORED = {"1_1": 1, "2_1": 2, "3_1": 4}                                     # where color is asked, px of the view to a place there


@dataclass
class SelfRecipe:
    """What the training can be told. `size`: px of a view; `batch`: photographs a step, each seen twice; `points`: of each that are found again.

    `temperature`: how sharply points are told apart. `turn`, `color`: weights of "which way is up" and "what color is it". `lr` for kernels, `table_lr` for the
    rest; both fall along a cosine. `seen`: how large the photographs are imagined, longer side in px. `keep`: how slowly the average of
    the weights moves. `half`: convolutions in bfloat16.
    """
    size: int = 64
    batch: int = 24
    points: int = 8
    temperature: float = 0.2
    turn: float = 0.3
    color: float = 2.0
    lr: float = 0.02
    table_lr: float = 3e-3
    seen: tuple = (160, 400)
    keep: float = 0.995
    seed: int = 0
    half: bool = False


class Learner(nn.Module):
    """The network, with what only training needs: a small head for each depth, and one that says by how many quarters a view is turned."""

    def __init__(self, seed=0):
        super().__init__()
        self.trunk = untrained(SelfNet(normed=True), seed)
        self.heads = nn.ModuleDict({name: nn.Sequential(nn.Linear(WIDTHS[name], 128), nn.ReLU(), nn.Linear(128, 64)) for name in DEPTHS})
        self.turn = nn.Linear(WIDTHS[DEPTHS[-1]], 4)
        self.color = nn.ModuleDict({name: nn.Linear(WIDTHS[name], 3) for name in COLORED})

    def forward(self, views, points):
        """views [B, 3, h, h], points [B, P, 2] → ({depth: [B·P, 64] of length 1}, scores of the four turns [B, 4], {layer: [B·P, 3]})."""
        acts = self.trunk(views, ["relu" + name for name in {**COLORED, **dict.fromkeys(DEPTHS)}])
        there = {layer.removeprefix("relu"): at_points(act.float(), points) for layer, act in acts.items()}
        seen = {name: F.normalize(head(there[name]), dim=1) for name, head in self.heads.items()}
        colors = {name: head(there[name]) for name, head in self.color.items()}
        return seen, self.turn(acts["relu" + DEPTHS[-1]].float().mean(dim=(2, 3))), colors


def contrast(one, other, temperature=0.2):
    """How hard it is to find each point's partner among all: mean of −log softmax(one·otherᵀ / τ) on the diagonal, both ways; 0-d.

    one, other: [N, D], rows of length 1; row n of both is the same point (InfoNCE: van den Oord et al. 2018, eq. 4; both ways: SimCLR,
    Chen et al. 2020; at points of two views: DenseCL, Wang et al. 2021). Who answers by chance gets log N.
    """
    scores, own = one @ other.T / temperature, torch.arange(len(one), device=one.device)
    return (F.cross_entropy(scores, own) + F.cross_entropy(scores.T, own)) / 2


def off_color(colors, views, points):
    """Mean square of what the guesses {layer: [B·P, 3]} of the views' [B, 3, h, h] mean color around each point are off, over layers; 0-d.

    Who has to find a point again in another light learns to overlook color; a painter must not, so the network is asked for it.
    """
    truth = {name: at_points(F.avg_pool2d(views, side), points) for name, side in COLORED.items()}
    return sum((guess - truth[name]).square().mean() for name, guess in colors.items()) / len(colors)


class SelfTrainer(Trainer):
    """A network in training on photographs alone; `average` holds the mean of its latest weights, `network()` makes a plain network of it.

    photos: a list of [1, 3, H, W], floats in [0, 1] or bytes. Keywords: those of `SelfRecipe`. What a step sees depends on `seed` and
    the step alone, so a resumed training is the undisturbed one.
    """

    def __init__(self, photos, device=None, **recipe):
        self.recipe, self.photos = SelfRecipe(**recipe), photos
        self._device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        torch.manual_seed(self.recipe.seed)
        self.net = Learner(self.recipe.seed).to(self._device, memory_format=torch.channels_last).train()
        self.average = copy.deepcopy(self.net).eval().requires_grad_(False)
        self.rank, self.processes, self.done = 0, 1, 0
        kernels = [p for p in self.net.parameters() if p.ndim == 4]
        others = [p for p in self.net.parameters() if p.ndim != 4]
        self.trained = kernels + others
        self.optimizers = [torch.optim.Adam(others, betas=(0.9, 0.99), eps=1e-8), Muon(kernels)]
        self.rates = (self.recipe.table_lr, self.recipe.lr)

    @property
    def device(self):
        """Where it computes."""
        return self._device

    def batch(self, progress):
        """(views [2B, 3, h, h], the first B and their partners; points [2B, P, 2]; turns [2B])."""
        recipe, found = self.recipe, []
        for number in range(self.done * recipe.batch, (self.done + 1) * recipe.batch):
            rng = random.Random(f"{recipe.seed} {number}")
            found.append(two_views(rng.choice(self.photos), recipe.size, recipe.seen, recipe.points, rng))
        one, other, here, there, turns = zip(*found)
        views = torch.cat([*one, *other]).to(self.device, memory_format=torch.channels_last)
        return views, torch.cat([*here, *there]).to(self.device), torch.tensor(turns * 2, device=self.device)

    def step(self, progress):
        """One step; `progress`: how much of the training is over, 0 … 1. → {"total", "contrast", "turn", "color", "upright"}, floats.

        "contrast" is the mean over depths, "color" over layers; "upright" the share of views whose turn was told rightly, 0.25 by chance.
        """
        views, points, turns = self.batch(progress)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.recipe.half):
            seen, scores, colors = self.net(views, points)
        pairs = [act.float().chunk(2) for act in seen.values()]
        near = sum(contrast(one, other, self.recipe.temperature) for one, other in pairs) / len(pairs)
        turn = F.cross_entropy(scores.float(), turns)
        color = off_color(colors, views.float(), points)
        total = near + self.recipe.turn * turn + self.recipe.color * color
        self._follow(total, progress)
        upright = (scores.argmax(1) == turns).float().mean()
        return {"total": total.item(), "contrast": near.item(), "turn": turn.item(), "color": color.item(), "upright": upright.item()}

    def about(self):
        """What a checkpoint must agree with, as plain values: the network's shape, the recipe."""
        recipe = {name: list(value) if isinstance(value, tuple) else value for name, value in vars(self.recipe).items()}
        return {"method": "selfsup", "network": dict(WIDTHS), "photos": len(self.photos)} | recipe

    def network(self):
        """The average as a plain SelfNet on the CPU, ready to look: heads left out, normalization folded in."""
        return folded(copy.deepcopy(self.average.trunk).cpu())


def save_self(net, path):
    """Writes a plain SelfNet in half precision; the file is whole or not there. `Features("selfsup", weights=path)` reads it."""
    path = pathlib.Path(path)
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(save({name: tensor.half().cpu().contiguous() for name, tensor in net.state_dict().items()}))
    os.replace(partial, path)
    return path
