"""Lesson 08: two styles of the one-pass network, mixed by a slider, with the learner's own way of mixing."""
import functools

import torch

from ..fast import load_fast
from ..fast.network import ConditionalNorm
from .canvas import photo as photo_of
from .canvas import sheet
from .captions import ask, checked
from .controls import choice, load_sample, slider
from .explorer import Explorer

PHOTOS = ["astronaut", "cat", "coffee", "motorcycle", "rocket"]
_SIDE, _SMALL = 288, 88               # px: the painting, and what it is made of


class MixExplorer(Explorer):
    """A photograph in a mixture of two shipped styles; each move of the slider is one pass.

    `mixed_norm(act [1, C, H, W], scales [S, C], shifts [S, C], weights [1, S])` → [1, C, H, W] stands in for all normalizations
    of the network. `size`: px, of the photograph's longer side.
    """
    width, still = _SMALL + 12 + _SIDE, 260          # strokes are packed badly: at full size one notebook would hold 40 kB more

    def __init__(self, mixed_norm, photo="astronaut", first="starry", second="woodcut", size=256):
        self.mixed_norm, self.size, self._net = mixed_norm, size, load_fast()
        for norm in self._net.modules():
            if isinstance(norm, ConditionalNorm):
                norm.forward = functools.partial(self._normalized, norm)
        styles = self._net.styles
        self.photo = choice("photograph", list(dict.fromkeys([photo, *PHOTOS])), photo)
        self.first = choice("style A", styles, first)
        self.second = choice("style B", styles, second)
        self.share = slider("B's share (%)", 50, 0, 100, 5, "0: A alone, 100: B alone")
        super().__init__([self.photo, self.first, self.second, self.share])

    def __repr__(self):
        return f"MixExplorer(mixed_norm={getattr(self.mixed_norm, '__name__', 'function')})"

    def _normalized(self, norm, act, mix):
        """What the learner's function makes of a layer; ValueError, in plain words, when that is no such thing."""
        return checked(ask(self.mixed_norm, act, norm.scale, norm.shift, mix), act.shape)

    def draw(self):
        share = self.share.value / 100
        weights = torch.zeros(1, len(self._net.styles))
        weights[0, self._net.styles.index(self.first.value)] += 1 - share
        weights[0, self._net.styles.index(self.second.value)] += share
        photo = load_sample(self.photo.value, self.size)
        with torch.inference_mode():
            painted = self._net(photo.to(self._net.out.weight.device), weights.to(self._net.out.weight.device))
        first, second = (photo_of(load_sample(name, 192), _SMALL) for name in (self.first.value, self.second.value))
        left = sheet([[("photograph", photo_of(photo, _SMALL))], [(f"A: {self.first.value}", first)], [(f"B: {self.second.value}", second)]])
        right = sheet([[(f"{1 - share:.0%} A, {share:.0%} B", photo_of(painted, _SIDE))]])
        paper = left.resize((_SMALL + 12 + right.width, max(left.height, right.height)))
        paper.paste("white", (0, 0, *paper.size))
        paper.paste(left, (0, 0))
        paper.paste(right, (_SMALL + 12, 0))
        numbers = sum(norm.scale.shape[1] + norm.shift.shape[1] for norm in self._net.modules() if isinstance(norm, ConditionalNorm))
        return paper, f"one pass at {photo.shape[3]}×{photo.shape[2]} px; a style is {numbers} numbers"
