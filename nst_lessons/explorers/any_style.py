"""Lesson 09: one photograph, any two paintings, a mixture of both at any strength, by the learner's own way of mixing."""
import functools

import torch
from PIL import Image

from ..attention import AnyStyle, load_any
from ..images import load_image
from .attention import PAINTINGS, PHOTOS
from .canvas import photo as photo_of
from .canvas import sheet
from .captions import ask, checked
from .controls import load_sample, picker, slider
from .explorer import Explorer

_SIDE, _SMALL, _GAP = 272, 80, 12       # px: the painting, what it is made of, between them


class _Taught(AnyStyle):
    """The AdaIN network with every AdaIN done by a function of (content, [style, …], [share, …])."""
    mixed = None

    def _blended(self, acts, styles, layer):
        return self.mixed(acts[layer], [look.acts[layer] for look, _ in styles], [share for _, share in styles])

    def _restyler(self, styles):
        shares = [share for _, share in styles]
        return lambda k, act: self.mixed(act, [self.layers[k].seen(look.acts) for look, _ in styles], shares)


class AnyStyleExplorer(Explorer):
    """A photograph in a mixture of any two paintings, each move of a slider one pass; own pictures can be uploaded.

    mixed_adain(content [1, C, H, W], styles: list of [1, C, H′, W′], shares: list of numbers) → like content, the learner's, does
    every AdaIN of the network. `size`: px of all pictures, the longer side.
    """
    width = _SMALL + _GAP + _SIDE

    def __init__(self, mixed_adain, photo="cat", first="starry", second="woodcut", size=256):
        self.mixed_adain, self.size, self._uploads = mixed_adain, size, {}
        own = load_any("adain")
        self._net = _Taught(**own.shape, features=own.features).eval().requires_grad_(False)
        self._net.load_state_dict(own.state_dict())
        self._net.to(own.features.device).mixed = self._asked
        self._look = functools.lru_cache(maxsize=8)(self._looked_at)
        self.photo, self.photo_upload = picker("photograph", PHOTOS, photo)
        self.first, self.first_upload = picker("painting A", PAINTINGS, first)
        self.second, self.second_upload = picker("painting B", PAINTINGS, second)
        self.share = slider("B's share (%)", 50, 0, 100, 5, "0: A alone, 100: B alone")
        self.strength = slider("strength (%)", 100, 0, 100, 5, "0: the photograph's own style, 100: the paintings'")
        super().__init__([self.photo, self.first, self.second, self.share, self.strength])
        pairs = [(self.photo, self.photo_upload), (self.first, self.first_upload), (self.second, self.second_upload)]
        self.widget.children[0].children = (*(one for pair in pairs for one in pair), self.share, self.strength)
        for control, upload in pairs:
            upload.observe(self.guarded(functools.partial(self._accept, control)), "value")

    def __repr__(self):
        return f"AnyStyleExplorer(mixed_adain={getattr(self.mixed_adain, '__name__', 'function')})"

    def _accept(self, control, event):
        """Chooses a picture that was uploaded, once it is known to be one."""
        picture = load_image(event["new"], size=self.size)
        name = f"own picture {len(self._uploads) + 1}: {event['new'][0]['name']}"
        self._uploads[name] = picture
        control.options = (*control.options, name)
        control.value = name

    def _picture(self, name):
        return self._uploads[name] if name in self._uploads else load_sample(name, self.size)

    def _looked_at(self, name):
        with torch.inference_mode():
            return self._net.look(self._picture(name).to(self._net.features.device))

    def _asked(self, content, styles, shares):
        """What the learner's function makes of a layer; ValueError, in plain words, when that is no such thing."""
        return checked(ask(self.mixed_adain, content, styles, shares), content.shape)

    def draw(self):
        share, strength, photo = self.share.value / 100, self.strength.value / 100, self._picture(self.photo.value)
        style = [(self._look(name), part) for name, part in ((self.first.value, 1 - share), (self.second.value, share))]
        with torch.inference_mode():
            painted = self._net(photo.to(self._net.features.device), style, strength).cpu()
        first, second = (photo_of(self._picture(name), _SMALL) for name in (self.first.value, self.second.value))
        left = sheet([[("photograph", photo_of(photo, _SMALL))], [("A", first)], [("B", second)]])
        right = sheet([[(f"{strength:.0%} of ({1 - share:.0%} A + {share:.0%} B)", photo_of(painted, _SIDE))]])
        paper = Image.new("RGB", (_SMALL + _GAP + right.width, max(left.height, right.height)), "white")
        paper.paste(left, (0, 0))
        paper.paste(right, (_SMALL + _GAP, 0))
        return paper, f"one pass at {photo.shape[3]}×{photo.shape[2]} px; neither painting needs to have been seen in training"
