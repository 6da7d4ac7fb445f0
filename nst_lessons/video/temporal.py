"""Lesson 11: the temporal loss. A frame should look like the one before it, carried along by motion, wherever that can be trusted."""
from copy import copy

from ..losses import Weighted
from .warp import trust, warp

TEMPORAL_WEIGHT = 100.0           # on the mean of c (x − w)², in "relative" scaling; from 20 on flicker hardly falls, at 300 style pays


class TemporalTerm:
    """mean of c · (x − w)² (Ruder et al. 2016, eq. 7). `target`: w, the previous picture warped, [1, 3, H, W]; `mask`: c, [1, 1, H, W]."""
    kind, layer, layers, whole = "temporal", "image", (), False

    def __init__(self, target, mask):
        if target.shape[2:] != mask.shape[2:]:
            raise ValueError(f"the warped picture is {list(target.shape)}, its mask {list(mask.shape)}: give both at one size")
        self.target, self.mask, self.values = target, mask, target[0].numel()

    def crop(self, rows, columns):
        """The term for a part of the picture, on the scale of the whole."""
        part = copy(self)
        part.target, part.mask = self.target[..., rows, columns], self.mask[..., rows, columns]
        return part

    def measure(self, acts, image):
        """Σ c (x − w)²: {"squares": [B]}."""
        return {"squares": (self.mask * (image - self.target).square()).sum(dim=(1, 2, 3))}

    def loss(self, sums):
        """Their mean over all values, trusted or not: [B]."""
        return sums["squares"] / self.values


def temporal(previous, backward, forward, weight=TEMPORAL_WEIGHT):
    """What one more frame needs: (picture to start from [1, 3, H, W], a Weighted temporal term for its objective).

    previous: the last painted picture; backward, forward: flows now → before and before → now, [1, 2, H, W].
    """
    warped = warp(previous, backward)
    return warped, Weighted(weight, 1, TemporalTerm(warped, trust(backward, forward)))


def warping_error(previous, picture, backward, mask):
    """How much a painted picture flickers: mean of (x − w)² over the trusted pixels (Lai et al. 2018, eq. 11); a float.

    previous, picture: [1, 3, H, W], painted; backward: the true flow if it is known; mask: [1, 1, H, W].
    Raises ValueError when no pixel is trusted.
    """
    trusted = mask.sum().item() * picture.shape[1]
    if not trusted:
        raise ValueError("no pixel of this frame was seen in the one before: there is nothing to compare")
    return ((mask * (picture - warp(previous, backward)).square()).sum() / trusted).item()
