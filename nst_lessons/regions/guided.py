"""Gram matrices of a region (Gatys et al. 2017, "Controlling Perceptual Factors in Neural Style Transfer"), and their Objective.

A mask is brought to a layer's size as a *guide*, which multiplies the activations: a position that lies half inside counts half
its amplitude. All else is lesson 04's: sums over positions, compared with a target. So tiles and processes may add them.
"""
import warnings
from copy import copy

import torch
from torch.nn import functional as F

from ..gram import gram_matrix
from ..losses import Objective, StyleTerm, Weighted, _GramSum

_LEAST = 4               # positions of a layer that a region must cover: a table of fewer says nothing about a style
_STRIP = 64              # px: the other side of the pictures that tell how large layers are


def guide(mask, shape):
    """A mask at a layer's size: the mean of what each position covers, scaled so that its mean square is 1 (Gatys et al. 2017).

    mask: [1, 1, H, W] in [0, 1]; shape: (h, w) of the layer → [1, 1, h, w]. Raises ValueError for a mask that is empty.
    """
    small = F.interpolate(mask, shape, mode="area")
    if not small.any():
        raise ValueError("the mask is empty: nothing of it is left to guide a Gram matrix")
    return small / small.square().mean().sqrt()


def guided_gram(act, mask):
    """Gram matrix of what a layer says inside a region: F_r = T_r ∘ F, G_r = F_r F_rᵀ / M, with `guide` T_r (Gatys et al. 2017, eq. 5).

    act: [B, C, h, w]; mask: [1, 1, H, W] in [0, 1], of any size → [B, C, C]. With a mask of ones it is `gram_matrix(act)`.
    """
    return gram_matrix(guide(mask, act.shape[2:]) * act)


class GuidedTerm(StyleTerm):
    """Style at one layer inside a region; `target`: as for StyleTerm; `guide`: [1, 1, h, w], of the layer's size, mean square 1."""

    def __init__(self, layer, target, scaling, guide):
        super().__init__(layer, target, scaling)
        self.guide = guide

    def crop(self, rows, columns):
        """The term for a part of its layer: the guide's part, on the scale of the whole."""
        part = copy(self)
        part.guide = self.guide[..., rows, columns]
        return part

    def measure(self, acts, image):
        """Σ T² F Fᵀ [B, C, C], and how many positions were summed."""
        act = acts[self.layer]
        return {"gram": _GramSum.apply(self.guide * act), "positions": act.shape[2] * act.shape[3]}


class GuidedObjective(Objective):
    """lesson 04's Objective with styles that keep to regions; content, smoothness and range are asked of the whole picture.

    masks: one [1, 1, H, W] in [0, 1] for each style, of the content's size, or one that all of them share. A region counts as much
    as it is large, so that alpha and beta mean the same in each; `style_weights` multiply that. A layer of which a region covers
    fewer than 4 positions is left out for it, with a warning, and the region's other layers take over its weight.
    guided_term: made of (layer, the style's Gram matrix, scaling, guide). Further options: those of Objective.
    Raises ValueError for another count of masks, another size, an empty mask, or a region too small for every layer.
    """

    def __init__(self, features, content, style, masks, guided_term=GuidedTerm, style_weights=None, **options):
        styles = list(style) if isinstance(style, (list, tuple)) else [style]
        if len(masks) not in (1, len(styles)):
            raise ValueError(f"{len(masks)} masks and {len(styles)} style{'s' * (len(styles) != 1)}: give one mask for each style, or one for all")
        if style_weights is None and len(masks) == len(styles):
            style_weights = [1.0] * len(styles)                   # each has a region of its own: nothing is shared
        super().__init__(features, content, styles, style_weights=style_weights, **options)
        self.masks, self.guided_term = list(masks) * (len(styles) // len(masks)), guided_term
        for number, mask in enumerate(masks, 1):
            if mask.shape != (1, 1, *content.shape[2:]):
                raise ValueError(f"mask {number} is {list(mask.shape)}; for this photograph "
                                 f"[1, 1, {content.shape[2]}, {content.shape[3]}] is wanted")
            if not mask.any():
                raise ValueError(f"mask {number} is empty: it has no pixel to paint")

    @torch.no_grad()
    def make_terms(self, look, study):
        """As in Objective; then each term of style gets the guide of its region."""
        plain = super().make_terms(look, study)
        styles = [one for one in plain if one.term.kind == "style"]
        at, shapes, guided = len(self.style_layers), layer_shapes(self.features, self.style_layers, self.content), []
        for number, mask in enumerate(self.masks):
            guided += self._in_region(mask, number + 1, styles[number * at:(number + 1) * at], shapes)
        return [one for one in plain if one.term.kind == "content"] + guided + [one for one in plain if one.term.kind not in ("content", "style")]

    def _in_region(self, mask, number, terms, shapes):
        """The terms of one style, those of layers that have room for its region, guided."""
        covered = {layer: F.interpolate(mask, shape, mode="area").sum().item() for layer, shape in shapes.items()}
        kept = [one for one in terms if covered[one.term.layer] >= _LEAST]
        where = f"at {mask.shape[3]}×{mask.shape[2]} px region {number}, {mask.mean():.1%} of the picture,"
        if not kept:
            raise ValueError(f"{where} is too small for every layer: make the mask or the picture larger")
        if len(kept) < len(terms):
            left = [one.term.layer for one in terms if one not in kept]
            warnings.warn(f"{where} covers fewer than {_LEAST} positions of {', '.join(left)}, "
                          f"which {'is' if len(left) == 1 else 'are'} left out for it", stacklevel=2)
        more = mask.mean().item() * sum(one.share for one in terms) / (sum(one.share for one in kept) or 1)
        return [Weighted(factor, share * more, self.guided_term(term.layer, term.target, self.scaling, guide(mask, shapes[term.layer])))
                for factor, share, term in kept]


@torch.no_grad()
def layer_shapes(features, layers, like):
    """{layer: (h, w)} of the layers of a picture [B, 3, H, W], from two narrow strips: its height and width do not ask for each other."""
    (height, width), layers = like.shape[2:], list(layers)
    down = features(like.new_zeros(1, 3, height, _STRIP), layers)
    across = features(like.new_zeros(1, 3, _STRIP, width), layers)
    return {layer: (down[layer].shape[2], across[layer].shape[3]) for layer in layers}


@torch.no_grad()
def style_error_in(mask, picture, style, features):
    """`style_error` inside a region: mean over the style layers that it covers of ‖G_r − A‖² / ‖A‖²; a float, 0 is perfect.

    mask: [1, 1, H, W], of the picture's size; picture, style: [1, 3, H, W] of any two sizes.
    Raises ValueError for a region too small for every layer.
    """
    layers = features.style_layers
    mine, target = features(picture, layers), features(style, layers)
    large = [layer for layer in layers if F.interpolate(mask, mine[layer].shape[2:], mode="area").sum() >= _LEAST]
    if not large:
        raise ValueError("the region is too small for every layer")
    terms = [GuidedTerm(layer, target[layer], "relative", guide(mask, mine[layer].shape[2:])) for layer in large]
    return torch.stack([term.loss(term.measure(mine, picture)) for term in terms]).mean().item()
