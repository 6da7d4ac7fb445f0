"""Lesson 03: two pictures, their Gram matrices side by side, and what shuffling does to them."""
import functools

import torch

from ..features import Features
from .canvas import heat, photo, sheet
from .controls import choice, load_sample, slider
from .explorer import Explorer

LAYERS = ["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"]
SHUFFLES = ["nothing", "the feature map's positions", "the picture's pixels"]
_SIZE = 256


class GramExplorer(Explorer):
    """Gram matrices of two pictures by the learner's own `gram(act [B, C, H, W]) → [B, C, C]`; only the strongest channels are shown."""

    def __init__(self, gram, first="starry", second="waves", features=None):
        self.gram, self.features = gram, features or Features("tiny")
        names = list(dict.fromkeys([first, second, "starry", "starry:1", "waves", "waves:1", "mosaic", "ink_wash", "stained_glass", "astronaut", "cat"]))
        self.layer = choice("layer", LAYERS, "relu3_1", "where in the network we listen")
        self.first, self.second = choice("picture A", names, first), choice("picture B", names, second)
        self.shuffle = choice("shuffle in B", SHUFFLES, "nothing", "the same values at other places")
        self.channels = slider("channels", 24, 4, 64, 4, "so many of the strongest channels of A are drawn")
        self._acts = functools.lru_cache(maxsize=32)(self._look)
        super().__init__([self.layer, self.first, self.second, self.shuffle, self.channels])

    def __repr__(self):
        return f"GramExplorer(gram={getattr(self.gram, '__name__', 'function')})"

    def _look(self, name, layer, shuffled):
        """(picture, activations) of a sample, its pixels or its map's positions shuffled."""
        picture = load_sample(name, _SIZE)
        if shuffled == SHUFFLES[2]:
            picture = _shuffled(picture)
        act = self.features(picture, [layer])[layer]
        return picture, _shuffled(act) if shuffled == SHUFFLES[1] else act

    def _table(self, act):
        """The learner's matrix [C, C]; ValueError, in plain words, when it is no such thing."""
        table = self.gram(act)
        if not isinstance(table, torch.Tensor) or table.shape != (1, act.shape[1], act.shape[1]):
            got = list(table.shape) if isinstance(table, torch.Tensor) else type(table).__name__
            raise ValueError(f"your function should return [1, {act.shape[1]}, {act.shape[1]}], it returned {got}")
        return table[0].detach()

    def draw(self):
        layer = self.layer.value
        (one, act), (two, other) = self._acts(self.first.value, layer, SHUFFLES[0]), self._acts(self.second.value, layer, self.shuffle.value)
        a, b = self._table(act), self._table(other)
        strongest = a.diagonal().topk(min(self.channels.value, len(a))).indices.sort().values
        a_shown, b_shown = a[strongest][:, strongest].sqrt(), b[strongest][:, strongest].sqrt()       # the root: faint entries show too
        limit = a_shown.nan_to_num().abs().max().item() or 1.0
        distance = ((b - a).pow(2).sum() / a.pow(2).sum().clamp_min(1e-12)).item()
        side = 200
        picture = sheet([[("A", photo(one, side)), ("Gram matrix of A", heat(a_shown, side, limit))],
                         [("B", photo(two, side)), ("Gram matrix of B", heat(b_shown, side, limit)),
                          ("B less A", heat(b_shown - a_shown, side, limit, signed=True))]])
        return picture, f"{layer}: distance ‖B - A‖² / ‖A‖² = {distance:.3g}"


def _shuffled(tensor):
    """[B, C, H, W] with the same columns of C values at other positions."""
    order = torch.randperm(tensor.shape[2] * tensor.shape[3], generator=torch.Generator().manual_seed(0))
    return tensor.flatten(2)[..., order].reshape(tensor.shape)
