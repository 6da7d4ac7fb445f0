"""Lesson 04: what we ask of the picture. Three losses, and an Objective: their weighted sum, with the bookkeeping.

Every term is a function of *sums over positions* (Σ(F−P)², ΣFFᵀ, Σ of squared differences). `measure` makes the sums,
`loss` turns them into one number per picture; so a mask may weight the sums, and tiles or processes may add them.
A term for which parts do not add up says `whole = True`. One tied to places (a target picture, a mask) has `crop(rows, columns)`
→ itself for a part of its layer, two slices. One that compares neighbors says by `halo` how many px more, right and below, it needs.
"""
from collections import defaultdict
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

from .gram import gram_matrix

RANGE_WEIGHT = 0.5


def content_loss(act, target):
    """Half the squared distance of activations, ½ Σ (F − P)² (Gatys et al. 2016, eq. 1).

    act, target: [B, C, H, W] (target may have B = 1) → [B]. Raises ValueError when their sizes differ.
    """
    if act.shape[1:] != target.shape[1:] or target.shape[0] not in (1, act.shape[0]):
        raise ValueError(f"activations {list(act.shape)} and their target {list(target.shape)} differ in size; "
                         "resize the content picture to the painted one's size")
    return 0.5 * (act - target).pow(2).sum(dim=(1, 2, 3))


def style_loss(act, target_gram):
    """Distance of Gram matrices, 1/(4N²) Σ (G/M − A/M_A)², N channels, M positions (Gatys et al. 2016, eq. 4, any two sizes).

    act: [B, N, H, W]; target_gram: gram_matrix(style_act), [1 or B, N, N], divided by its own positions → [B].
    Raises ValueError when target_gram has another shape.
    """
    channels = act.shape[1]
    if target_gram.ndim != 3 or target_gram.shape[1:] != (channels, channels):
        raise ValueError(f"style_loss wants target_gram [1 or B, {channels}, {channels}], "
                         f"the gram_matrix of a style's activations; got a tensor of shape {list(target_gram.shape)}")
    return (gram_matrix(act) - target_gram).pow(2).sum(dim=(1, 2)) / (4 * channels**2)


def tv_loss(image):
    """Total variation, Σ (right neighbor − pixel)² + (lower neighbor − pixel)² (Mahendran & Vedaldi 2015, eq. 4, β = 2).

    image: [B, C, H, W] → [B].
    """
    right = image[..., :, 1:] - image[..., :, :-1]
    down = image[..., 1:, :] - image[..., :-1, :]
    return right.pow(2).sum(dim=(1, 2, 3)) + down.pow(2).sum(dim=(1, 2, 3))


# What stands before the plain sums in each scaling. N: channels, M: positions; energy: the target's own Σ of squares.
_CONTENT_SCALE = {
    "relative": lambda n, m, energy: 1 / energy,
    "gatys": lambda n, m, energy: 0.5,
    "article": lambda n, m, energy: 1 / (n * m),                  # nn.MSELoss of activations
}
_STYLE_SCALE = {
    "relative": lambda n, energy: 1 / energy,
    "gatys": lambda n, energy: 1 / (4 * n**2),
    "article": lambda n, energy: 1 / n**4,                        # nn.MSELoss (÷ N²) of Grams divided by N·M (÷ N² once squared)
}
DEFAULT_FACTORS = {                                               # alpha, beta, gamma
    "relative": (0.03, 1.0, 0.15),
    "gatys": (1.0, 1e3, 0.0),
    "article": (1e5, 1e10, 0.0),
}
_ARTICLE_LAYERS = {"content": {"conv4_2": 1.0}, "style": {"conv1_1": 1.0, "conv2_1": 0.8, "conv3_1": 0.6, "conv4_1": 0.4}}


class ContentTerm:
    """Content at one layer; `target`: [1 or B, C, H, W], the photograph's activations."""
    kind, whole = "content", False

    def __init__(self, layer, target, scaling="relative"):
        self.layer, self.layers, self.target = layer, [layer], target
        energy = torch.linalg.vector_norm(target, dim=(1, 2, 3)).square().clamp_min(1e-12)       # Σ P², without a copy of P
        self.scale = _CONTENT_SCALE[scaling](target.shape[1], target.shape[2] * target.shape[3], energy)

    def crop(self, rows, columns):
        """The term for a part of its layer: the target's part, on the scale of the whole."""
        part = copy(self)
        part.target = part.target[..., rows, columns]
        return part

    def measure(self, acts, image):
        """Σ (F − P)²: {"squares": [B]}."""
        return {"squares": 2 * content_loss(acts[self.layer], self.target)}

    def loss(self, sums):
        """The squares by `scaling`: [B]."""
        return self.scale * sums["squares"]


class _GramSum(torch.autograd.Function):
    """gram_matrix(act, "none") and its gradient (dG + dGᵀ) F, both as 1×1 convolutions.

    A matrix times all positions *is* a 1×1 convolution, and Σ F Fᵀ is what the weights of one would get as gradient. On a CPU
    those kernels take about half the time of the same products by matmul, which is a fifth of a whole evaluation.
    """

    @staticmethod
    def forward(ctx, act):
        ctx.save_for_backward(act)
        if act.is_cuda or not act.numel():                        # there matmul is the fast one; and no positions have the sum 0
            return gram_matrix(act, "none")
        channels = act.shape[1]
        return _joined([nn.grad.conv2d_weight(one, (channels, channels, 1, 1), one)[None, ..., 0, 0]
                        for one in act.split(1)])                 # [B, C, C], picture by picture

    @staticmethod
    def backward(ctx, grad):
        act, = ctx.saved_tensors
        kernels = (grad + grad.transpose(1, 2))[..., None, None]  # [B, C, C, 1, 1]
        return _joined([F.conv2d(one, kernel) for one, kernel in zip(act.split(1), kernels)])


def _joined(parts):
    """The parts as one batch; a single one as it is, since a copy of large activations takes as long as a convolution."""
    return torch.cat(parts) if len(parts) > 1 else parts[0]


class StyleTerm:
    """Style at one layer; `target`: the style's activations [1 or B, C, H, W], any size, or a Gram matrix [1 or B, C, C]."""
    kind, whole = "style", False

    def __init__(self, layer, target, scaling="relative"):
        self.layer, self.layers = layer, [layer]
        self.target = gram_matrix(target) if target.ndim == 4 else target
        energy = self.target.pow(2).sum(dim=(1, 2)).clamp_min(1e-12)
        self.scale = _STYLE_SCALE[scaling](self.target.shape[1], energy)

    def measure(self, acts, image):
        """Σ F Fᵀ [B, C, C], and how many positions were summed."""
        act = acts[self.layer]
        return {"gram": _GramSum.apply(act), "positions": act.shape[2] * act.shape[3]}

    def loss(self, sums):
        """Distance of the mean products from the target's Gram matrix, by `scaling`: [B]."""
        return self.scale * (sums["gram"] / sums["positions"] - self.target).pow(2).sum(dim=(1, 2))


class TVTerm:
    """Total variation of the picture itself: a mean over C·H·W in "relative", the plain sum otherwise."""
    kind, layer, layers, whole, halo = "tv", "image", (), False, 1

    def __init__(self, scaling="relative", size=None):
        self.mean, self.size = scaling == "relative", size

    def crop(self, rows, columns):
        """The term for a part of the picture: it counts the pairs whose left or upper pixel lies there."""
        return TVTerm("relative" if self.mean else "gatys", (rows.stop - rows.start, columns.stop - columns.start))

    def measure(self, acts, image):
        """Σ of squared differences [B], and how many values the picture, or this part of it, has."""
        height, width = self.size or image.shape[2:]
        right, down = image[..., :height, :].diff(dim=3), image[..., :width].diff(dim=2)      # also to the halo, not within it
        return {"squares": right.pow(2).sum(dim=(1, 2, 3)) + down.pow(2).sum(dim=(1, 2, 3)), "values": image.shape[1] * height * width}

    def loss(self, sums):
        """Their mean or sum: [B]."""
        return sums["squares"] / sums["values"] if self.mean else sums["squares"]


class RangeTerm:
    """Mean square of what lies outside [0, 1]: a soft wall in place of clamping, which would lie to the optimizer."""
    kind, layer, layers, whole = "range", "image", (), False

    def measure(self, acts, image):
        """Σ of squares outside [0, 1] [B], and how many values the picture has."""
        outside = image - image.detach().clamp(0, 1)
        return {"squares": outside.pow(2).sum(dim=(1, 2, 3)), "values": image[0].numel()}

    def loss(self, sums):
        """Their mean: [B]."""
        return sums["squares"] / sums["values"]


@dataclass
class Terms:
    """What an objective found. `total`: 0-d, weighted, summed over the batch. `content`, `style`, `tv`, `range`: [B], before
    alpha, beta and gamma. `by_layer["style"]["relu1_1"]`: [B], each layer's share; a kind's layers add up to the kind."""
    total: torch.Tensor
    by_layer: dict

    def __getattr__(self, kind):
        if kind.startswith("_") or kind not in self.by_layer:
            raise AttributeError(f"no term of kind {kind!r}; this objective has {', '.join(self.by_layer)}")
        return sum(self.by_layer[kind].values())

    def floats(self):
        """{"total": …, "content": …, "style": …, …} as plain numbers, means over the batch, for logs and progress bars."""
        return {"total": self.total.item()} | {kind: getattr(self, kind).mean().item() for kind in self.by_layer}


class Weighted(NamedTuple):
    """A term of an objective: `factor` is alpha, beta or gamma; `share` the weight among its kind (of layer and style)."""
    factor: float
    share: float
    term: object


def layer_weights(layers):
    """{layer: weight}: a mapping as it is; a list shares equal weights that sum to one, as in Gatys et al. ValueError if empty."""
    layers = [layers] if isinstance(layers, str) else layers
    if not layers:
        raise ValueError("an empty list of layers measures nothing; leave it out for the usual ones, or set alpha or beta to 0")
    return dict(layers) if hasattr(layers, "keys") else {layer: list(layers).count(layer) / len(layers) for layer in layers}


def _usual_layers(features, scaling, kind, style_term=StyleTerm):
    """The layers of `kind` that nobody chose: the article's or the network's own; of its content layers Gatys took the deepest."""
    if scaling == "article":
        return _ARTICLE_LAYERS[kind]
    if kind == "style":
        return features.style_layers[getattr(style_term, "usual", slice(None))]
    return features.content_layers[-1:] if scaling == "gatys" else features.content_layers


class Objective:
    """alpha · content + beta · style + gamma · tv + ½ · range, as a list of terms (Gatys et al. 2016, eq. 7).

    content: [1 or B, 3, H, W], the size to be painted. style: one picture of any size, or a list of them with `style_weights`.
    `content_layers`, `style_layers`: a list or {layer: weight}. `scaling`: "relative" (‖F−P‖²/‖P‖², ‖G−A‖²/‖A‖², mean TV),
    "gatys" (the plain formulas) or "article" (its program); it also decides alpha, beta, gamma and layers that are not given.
    `style_term`: what style is measured by, made of (layer, the style's activations, scaling); lesson 07 has other ones.
    objective(image [B, 3, H, W]) → Terms. `terms`: a list of Weighted; set `extra` to more of them before the first call.
    """
    extra, masks = (), ()                                         # more terms; where each style belongs (lesson 13)

    def __init__(self, features, content, style, alpha=None, beta=None, gamma=None, content_layers=None, style_layers=None,
                 scaling="relative", style_weights=None, style_term=StyleTerm):
        if scaling not in DEFAULT_FACTORS:
            raise ValueError(f"unknown scaling {scaling!r}; choose one of {', '.join(map(repr, DEFAULT_FACTORS))}")
        given = zip((alpha, beta, gamma), DEFAULT_FACTORS[scaling])
        self.alpha, self.beta, self.gamma = (default if value is None else value for value, default in given)
        self.content_layers = layer_weights(_usual_layers(features, scaling, "content") if content_layers is None else content_layers)
        self.style_layers = layer_weights(_usual_layers(features, scaling, "style", style_term) if style_layers is None else style_layers)
        styles = list(style) if isinstance(style, (list, tuple)) else [style]
        if not styles:
            raise ValueError("no style given; give one picture, or a list of them")
        shares = [1 / len(styles)] * len(styles) if style_weights is None else list(style_weights)
        if len(shares) != len(styles):
            raise ValueError(f"{len(styles)} styles want as many style_weights, got {len(shares)}")
        features.check_layers([*self.content_layers, *self.style_layers])
        self.features, self.content, self.styles = features, content, list(zip(styles, shares))
        self.scaling, self.style_term = scaling, style_term

    @cached_property
    def terms(self):
        """The list of Weighted, made when first asked for: from the two pictures, unless lesson 10 made it from their tiles."""
        return self.make_terms(self.features, self.features)

    @torch.no_grad()                                              # targets are computed once, outside of the graph
    def make_terms(self, look, study):
        """`terms` anew. look(content, layers) → {layer: activations}; study(style, layers) → the same, or Gram matrices."""
        terms = [Weighted(self.alpha, self.content_layers[layer], ContentTerm(layer, act, self.scaling))
                 for layer, act in look(self.content, self.content_layers).items()]
        for picture, share in self.styles:
            terms += [Weighted(self.beta, share * self.style_layers[layer], self.style_term(layer, act, self.scaling))
                      for layer, act in study(picture, self.style_layers).items()]
        return [*terms, Weighted(self.gamma, 1, TVTerm(self.scaling)), Weighted(RANGE_WEIGHT, 1, RangeTerm()), *self.extra]

    @property
    def layers(self):
        """Every layer that some term needs, in order of depth."""
        return self.features.check_layers({layer for _, _, term in self.terms for layer in term.layers})

    def __call__(self, image):
        acts = self.features(image, self.layers)
        return self.collect([term.loss(term.measure(acts, image)) for _, _, term in self.terms])

    def collect(self, losses):
        """One loss [B] for each of `terms`, in their order → Terms."""
        total, by_layer = 0, defaultdict(dict)
        for (factor, share, term), loss in zip(self.terms, losses):
            total = total + factor * share * loss.sum()
            so_far = by_layer[term.kind].get(term.layer, 0)       # two styles meet at one layer
            by_layer[term.kind][term.layer] = so_far + share * loss.detach()
        return Terms(total, dict(by_layer))


@torch.no_grad()
def style_error(picture, style, features):
    """How far a picture's style is from a painting's: mean over relu1_1 … relu5_1 of ‖G − A‖² / ‖A‖²; a float, 0 is perfect.

    picture, style: [1, 3, H, W] of any two sizes. For networks without these layers, their own style layers stand in.
    """
    layers = features.style_layers
    mine, target = features(picture, layers), features(style, layers)
    terms = [StyleTerm(layer, target[layer]) for layer in layers]
    return torch.stack([term.loss(term.measure(mine, picture)) for term in terms]).mean().item()
