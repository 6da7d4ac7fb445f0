"""Lesson 07: other statistics than the Gram matrix, as terms of an Objective: `Objective(…, style_term=TERMS["sliced"])`.

Each is made of one layer's style activations. `strength` was measured so that, at one alpha and beta, about as much of the
photograph stays as with Gram matrices. Sums over positions say `whole = False`: masks may weight them, tiles may add them.
"""
import torch
from torch.nn import functional as F

from .gram import (covariance, covariance_root, mean_and_deviation, nearest_patches, random_directions, sliced_wasserstein,
                   sorted_projections, unit_patches, wasserstein2)
from .losses import StyleTerm, _GramSum

_DIRECTIONS = 64         # along which the sliced distance looks
_PATCHES = 2048          # of the style's patches, at most, are searched: a search costs patches × patches


class _Term:
    """What the terms below share. `scale`: their strength over the distance from activations that are all zero, [1 or B]."""
    kind, whole, strength = "style", False, 1.0

    def __init__(self, layer, scaling, energy):
        if scaling != "relative":
            raise ValueError(f"scaling {scaling!r} is a formula for Gram matrices; with another statistic take 'relative'")
        self.layer, self.layers = layer, [layer]
        self.scale = self.strength / energy.clamp_min(1e-12)


class MeanStdTerm(_Term):
    """Each channel's mean and deviation at one layer; `target`: the style's activations [1 or B, C, H, W], any size."""
    strength = 2.5

    def __init__(self, layer, target, scaling="relative"):
        self.mean, self.deviation = mean_and_deviation(target)
        super().__init__(layer, scaling, (self.mean.pow(2) + self.deviation.pow(2)).sum(1))

    def measure(self, acts, image):
        """Σ F and Σ F² of each channel [B, C], and how many positions were summed."""
        act = acts[self.layer]
        return {"sum": act.sum(dim=(2, 3)), "squares": act.pow(2).sum(dim=(2, 3)), "positions": act.shape[2] * act.shape[3]}

    def loss(self, sums):
        """‖μ − μ′‖² + ‖σ − σ′‖², scaled: [B]."""
        mean = sums["sum"] / sums["positions"]
        deviation = (sums["squares"] / sums["positions"] - mean.pow(2)).clamp_min(1e-12).sqrt()
        return self.scale * ((mean - self.mean).pow(2) + (deviation - self.deviation).pow(2)).sum(1)


class CovarianceTerm(_Term):
    """Mean and covariance at one layer, compared as Gaussians by the 2-Wasserstein distance; `target`: [1 or B, C, H, W]."""
    strength = 0.5

    def __init__(self, layer, target, scaling="relative"):
        root = covariance_root(covariance(target.double()))                      # [1 or B, C, C]
        lengths = root.pow(2).sum(1).amax(0)                                     # [C], each column's variance
        self.root = root[:, :, lengths > 1e-6 * lengths.max()].to(target)        # where positions are few, few columns are not zero
        self.mean = target.mean(dim=(2, 3))
        super().__init__(layer, scaling, self.mean.pow(2).sum(1) + self.root.pow(2).sum(dim=(1, 2)))

    def measure(self, acts, image):
        """Σ F [B, C], Σ F Fᵀ [B, C, C], and how many positions were summed."""
        act = acts[self.layer]
        return {"sum": act.sum(dim=(2, 3)), "gram": _GramSum.apply(act), "positions": act.shape[2] * act.shape[3]}

    def loss(self, sums):
        """`wasserstein2`, scaled: [B]."""
        mean = sums["sum"] / sums["positions"]
        cov = sums["gram"] / sums["positions"] - mean[:, :, None] * mean[:, None]
        if not cov.isfinite().all():             # eigenvalues would raise an error; a loss that is no number `optimize` knows how to mend
            return cov.sum(dim=(1, 2))
        return self.scale * wasserstein2(mean, cov, self.mean, self.root)


class SlicedTerm(_Term):
    """Sorted projections at one layer along 64 fixed random directions; `target`: [1 or B, C, H, W]. Sorting needs all positions."""
    whole, strength = True, 2.5

    def __init__(self, layer, target, scaling="relative"):
        self.directions = random_directions(target.shape[1], _DIRECTIONS).to(target)
        self.target = sorted_projections(target, self.directions)                # [1 or B, K, H′·W′]
        super().__init__(layer, scaling, self.target.pow(2).mean(dim=(1, 2)))

    def measure(self, acts, image):
        """The mean squared distance of sorted projections [B]."""
        return {"distance": sliced_wasserstein(acts[self.layer], self.target, self.directions)}

    def loss(self, sums):
        """The distance, scaled: [B]."""
        return self.scale * sums["distance"]


class PatchTerm(_Term):
    """3 × 3 patches at one layer and the style's most like them; `target`: [1, C, H, W]. A patch would reach over a tile's border."""
    whole, strength = True, 0.2
    usual = slice(2, 4)                          # relu3_1 and relu4_1, as in the paper; before them patches are many and say little

    def __init__(self, layer, target, scaling="relative"):
        self.mean = target.mean(dim=(2, 3), keepdim=True)
        patches = unit_patches(target, self.mean)[0]                             # [C·9, P]
        self.patches = patches[:, ::-(-patches.shape[1] // _PATCHES)].contiguous()
        super().__init__(layer, scaling, target.new_ones(1))

    def measure(self, acts, image):
        """Σ of each patch's cosine to the nearest [B], and how many patches there are."""
        mine = unit_patches(acts[self.layer], self.mean)
        return {"cosines": (mine * nearest_patches(mine, self.patches)).sum(dim=(1, 2)), "patches": mine.shape[2]}

    def loss(self, sums):
        """1 − their mean, scaled: [B]."""
        return self.scale * (1 - sums["cosines"] / sums["patches"])


TERMS = {"gram": StyleTerm, "mean_std": MeanStdTerm, "covariance": CovarianceTerm, "sliced": SlicedTerm, "patches": PatchTerm}


def own_term(distance):
    """A term of your own function: distance(act [B, C, H, W], style_act [1, C, H′, W′]) → [B], as it is: no scale is added.

    → what `Objective(…, style_term=…)` and `paint(…, style_term=…)` want.
    """
    class OwnTerm(_Term):
        whole = True

        def __init__(self, layer, target, scaling="relative"):
            self.target = target
            super().__init__(layer, scaling, target.new_ones(1))

        def measure(self, acts, image):
            return {"distance": distance(acts[self.layer], self.target)}

        def loss(self, sums):
            return self.scale * sums["distance"]
    return OwnTerm
