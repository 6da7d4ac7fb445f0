"""Lesson 03: two pictures, their Gram matrices side by side, and what shuffling does to them."""
import functools

import torch
from PIL import Image

from ..features import Features
from ..images import resize
from .canvas import PAPER, heat, photo, sheet
from .captions import ask, checked
from .controls import choice, load_sample, slider
from .explorer import Explorer

LAYERS = ["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"]
SHUFFLES = ["nothing", "the feature map's positions", "the picture's pixels"]
_SIZE, _SIDE = 256, 200                     # px of the pictures; of what is drawn of them


class GramExplorer(Explorer):
    """Gram matrices of two pictures by the learner's own `gram(act [B, C, H, W]) → [B, C, C]`; only the strongest channels are shown."""

    def __init__(self, gram, first="starry", second="waves", features=None):
        self.gram, self.features = gram, features or Features("tiny")
        names = list(dict.fromkeys([first, second, "starry", "starry:1", "waves", "waves:1", "mosaic", "ink_wash", "stained_glass", "astronaut", "cat"]))
        self.layer = choice("layer", LAYERS, "relu3_1", "where in the network we listen")
        self.first, self.second = choice("picture A", names, first), choice("picture B", names, second)
        self.shuffle = choice("shuffle in B", SHUFFLES, "nothing", "the same values at other places")
        self.size = slider("size of B (px)", _SIZE, 96, _SIZE, 32, f"longer side; A has {_SIZE}")
        self.channels = slider("channels drawn", 24, 4, 64, 4, "the strongest of A; the distance counts all")
        self._acts = functools.lru_cache(maxsize=32)(self._look)
        super().__init__([self.layer, self.first, self.second, self.shuffle, self.size, self.channels])

    def __repr__(self):
        return f"GramExplorer(gram={getattr(self.gram, '__name__', 'function')})"

    def _look(self, name, layer, shuffled=SHUFFLES[0], size=_SIZE):
        """(picture, activations) of a sample, made smaller, its pixels or its map's positions shuffled."""
        picture = resize(load_sample(name, _SIZE), size)
        if shuffled == SHUFFLES[2]:
            picture = _shuffled(picture)
        act = self.features(picture, [layer])[layer]
        return picture, _shuffled(act) if shuffled == SHUFFLES[1] else act

    def _table(self, act):
        """The learner's matrix [C, C]; ValueError, in plain words, when it is no such thing."""
        table = checked(ask(self.gram, act.clone()), [1, act.shape[1], act.shape[1]])
        return table[0].detach()

    def draw(self):
        layer, size = self.layer.value, self.size.value
        one, act = self._acts(self.first.value, layer)
        two, other = self._acts(self.second.value, layer, self.shuffle.value, size)
        a, b = self._table(act), self._table(other)
        strongest, busiest = a.diagonal().topk(self.channels.value).indices.sort().values, other[0].mean(dim=(1, 2)).argmax()
        a_shown, b_shown = (_root(table[strongest][:, strongest]) for table in (a, b))
        limit = a_shown.abs().max().item() or 1.0
        distance = ((b - a).pow(2).sum() / a.pow(2).sum().clamp_min(1e-12)).item()
        small = "" if size == _SIZE else f", {size} px"
        picture = sheet([[(f"A: {self.first.value}", _in_column(photo(one, _SIDE))), ("Gram matrix of A", heat(a_shown, _SIDE, limit)),
                          (f"B's busiest channel, {busiest}", _in_column(heat(other[0, busiest], _SIDE)))],
                         [(f"B: {self.second.value}{small}", _in_column(photo(two, round(_SIDE * size / _SIZE)))),
                          ("Gram matrix of B", heat(b_shown, _SIDE, limit)),
                          ("B less A", heat(b_shown - a_shown, _SIDE, limit, signed=True))]])
        value = "0, but for rounding" if 0 < distance < 1e-9 else f"{distance:.3g}"
        return picture, (f"{layer}: distance ‖B - A‖² / ‖A‖² = {value}. "
                         f"Drawn: {len(strongest)} of {len(a)} channels, those that are strongest in A.")


def _in_column(image):
    """The image on white as wide as the tables are, so that those stand below each other."""
    paper = Image.new("RGB", (_SIDE, image.height), PAPER)
    paper.paste(image)
    return paper


def _root(table):
    """Square roots, so that faint entries show too; of what is negative, as some learners' tables are, minus the root."""
    return table.sign() * table.abs().sqrt()


def _shuffled(tensor):
    """[B, C, H, W] with the same columns of C values at other positions."""
    order = torch.randperm(tensor.shape[2] * tensor.shape[3], generator=torch.Generator().manual_seed(0))
    return tensor.flatten(2)[..., order].reshape(tensor.shape)
