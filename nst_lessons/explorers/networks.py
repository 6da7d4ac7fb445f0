"""Lesson 14: the same picture with any two networks at hand, and what the first layer of each looks for."""
import pathlib

import ipywidgets as widgets
import torch
from torch import nn

from .. import loading
from ..features import Features, smoothed
from ..losses import StyleTerm, style_error
from ..plots import filter_sheet
from ..selfsup import PatchPyramid, patch_features, zca
from ..settings import Settings
from ..stylize import finish, paint
from .background import Pace
from .canvas import note, sheet
from .canvas import photo as photo_of
from .captions import ask, checked
from .controls import choice, load_sample, log_slider, round_off
from .working import Working

SIZE, STEPS, LEVELS = 128, 30, 2        # px, evaluations, sizes of a preview
_SIDE, _SMALL = 216, 104                # px on the screen: what is painted, what is given
_PHOTOS = ["cat", "astronaut", "coffee", "rocket"]
_PAINTINGS = ["starry", "woodcut", "waves", "mosaic", "stained_glass", "wheat_field"]
_HERE = {"random": "tiny's plan, never trained", "patches": "learned from these two pictures", "selfsup": "350 photographs, no labels",
         "tiny": "a pupil of VGG-19 (labels)", "peaky": "tiny, its activations squared", "peaky + softmax": "the same, smoothed"}
_IMAGENET = {"vgg16": "ImageNet's labels", "vgg19": "ImageNet's labels", "resnet50": "ImageNet's labels", "resnet50 + softmax": "the same, smoothed"}
_LESS = 30                              # total variation counts that much less beside smoothed activations, whose terms are small


def at_hand():
    """{network: how it came about} of those that need no download: torchvision's where their weights were downloaded before."""
    from torchvision.models import get_model_weights
    folder = pathlib.Path(torch.hub.get_dir()) / "checkpoints"
    there = {name: (folder / get_model_weights(name)["IMAGENET1K_V1"].url.rsplit("/", 1)[-1]).is_file() for name in ("vgg16", "vgg19", "resnet50")}
    there["selfsup"] = loading.embedded("selfsup.safetensors").is_file()
    return {name: words for name, words in (_HERE | _IMAGENET).items() if there.get(name.split()[0], True)}


class _Peaky(nn.Module):
    """tiny with each activation squared, in units of the largest that it has on a painting: a few loud places, and nearly silence."""

    def __init__(self, network, style):
        super().__init__()
        self.network, self.layers = network.backbone, network.layers
        self.loudest = {layer: act.max().item() for layer, act in network(style, network.layers).items()}

    def forward(self, image, wanted):
        return {layer: (act / self.loudest[layer]).square() for layer, act in self.network(image, wanted).items()}


class _Through(nn.Module):
    """A backbone with every activation passed through a function, and asked before whether to go on."""

    def __init__(self, network, function, check):
        super().__init__()
        self.network, self.layers, self.function, self.check = network, network.layers, function, check
        self.style_layers = getattr(network, "style_layers", None)
        self.content_layers = getattr(network, "content_layers", None)

    def forward(self, image, wanted):
        self.check()
        return {layer: self.function(act) for layer, act in self.network(image, wanted).items()}


class NetworkExplorer(Working):
    """Two previews of 128 px, each with a network of its own, and the filters of both; displays itself in a notebook.

    zca(points [N, D]) → [D, D], the learner's, whitens the patches from which `patches` learns; smoothed(act [B, C, H, W]) → the same
    shape, the learner's, is the softmax. Controls are attributes. What was painted once is kept. `wait()` returns when both are painted.
    """
    patience = 40

    def __init__(self, zca=zca, smoothed=smoothed, photo="cat", style="starry", first="patches", second="tiny"):
        super().__init__()
        self.zca, self.smoothed, self._painted, self._tiny = zca, smoothed, {}, None
        networks = at_hand()
        listed = lambda chosen, more: list(dict.fromkeys([chosen, *more]))
        self.photo = choice("photograph", listed(photo, _PHOTOS), photo)
        self.style = choice("painting", listed(style, _PAINTINGS), style)
        self.first, self.second = (choice(f"network {name}", list(networks), chosen if chosen in networks else "tiny", "who looks at the pictures")
                                   for name, chosen in (("A", first), ("B", second)))
        self.alpha = log_slider("alpha (content)", Settings().alpha or 0.03, "more keeps the photograph")
        self.alpha.continuous_update = False
        self.controls = [self.photo, self.style, self.first, self.second, self.alpha]
        self.picture = widgets.Image(format="jpeg", layout={"width": "100%", "max_width": f"{_SMALL + 2 * _SIDE + 32}px", "margin": "4px 0"})
        self.widget = widgets.Box([
            widgets.VBox(self.controls, layout={"flex": "1 1 260px", "max_width": "340px", "min_width": "0"}),
            widgets.VBox([self.picture, self.state, self.problem], layout={"flex": "2 1 340px", "max_width": f"{_SMALL + 2 * _SIDE + 40}px", "min_width": "0"}),
        ], layout={"flex_flow": "row wrap", "grid_gap": "8px 24px", "width": "100%"})
        for control in self.controls:
            control.observe(self.guarded(self._turned), "value")
        self.guarded(self._turned)()

    def __repr__(self):
        own = [f"{name}={getattr(function, '__name__', 'function')}" for name, function, usual in (
            ("zca", self.zca, zca), ("smoothed", self.smoothed, smoothed)) if function is not usual]
        return f"NetworkExplorer({', '.join(own)})"

    @property
    def empty(self):
        """True while nothing was painted."""
        return not self._painted

    # --- what it answers ---------------------------------------------------------------------------------------------

    def _turned(self, event=None):
        self._background.stop()
        self._background.wait(10)
        self._try_for_stubs()
        self._begin_preview(self._follow, self._key(self.first), self._key(self.second))

    def _key(self, network):
        return network.value, self.photo.value, self.style.value, round_off(self.alpha.value)

    def _try_for_stubs(self):
        """What is not written yet, or gives no such thing, is told at once."""
        self._whiten(torch.randn(40, 6, generator=torch.Generator().manual_seed(0)))
        if not self._smooth(torch.rand(1, 4, 5, 6, requires_grad=True)).requires_grad:
            raise ValueError("no gradient passes through your softmax, so no picture can follow it: compute with torch alone, without .detach()")

    def _whiten(self, points):
        """The learner's matrix [D, D]; ValueError, in plain words, when it is no such thing."""
        return checked(ask(self.zca, points), [points.shape[1]] * 2)

    def _smooth(self, act):
        """The learner's softmax of activations; ValueError, in plain words, when it is no such thing."""
        return checked(ask(self.smoothed, act), list(act.shape))

    # --- what it does ------------------------------------------------------------------------------------------------

    def _network(self, name, photo, style):
        """The ready network of this name."""
        plain, *soft = name.split(" + ")
        if plain == "patches":
            features = patch_features(photo, style, whiten=self._whiten)
        elif plain == "peaky":
            features = Features("tiny")
            features.backbone = _Peaky(Features("tiny"), style)
        else:
            features = Features(plain)
        features.backbone = _Through(features.backbone, self._smooth if soft else lambda act: act, self._background.check)
        return features

    def _follow(self, *keys):
        """Both previews, one after the other, in the background's thread."""
        for key in keys:
            if key not in self._painted:
                self._paint(key, keys)
        self._show(keys)
        self.say(" · ".join(f"{'AB'[n]}, {key[0]}: {self._painted[key][2]}" for n, key in enumerate(keys)) + " (style error as tiny sees it)")

    def _paint(self, key, keys):
        name, photo_name, style_name, alpha = key
        photo, style, pace = load_sample(photo_name, SIZE), load_sample(style_name, SIZE), Pace()
        features = self._network(name, photo, style)
        settings = Settings(size=SIZE, steps=STEPS, levels=LEVELS, alpha=alpha, gamma=0.15 / _LESS if "softmax" in name else None)
        for progress in paint(photo, style, settings, features=features, style_term=StyleTerm):
            self._background.check()
            if pace.due():
                self._show(keys, {key: (progress.image, _first_filters(features), "")})
        self._tiny = self._tiny or Features("tiny")
        picture = finish(progress.image, photo, settings)
        self._painted[key] = picture, _first_filters(features), f"{style_error(picture, style, self._tiny):.2f}"

    def _show(self, keys, live=None):
        """The given pictures; beside them both previews, each above its filters."""
        known, words = self._painted | (live or {}), at_hand()
        given = sheet([[(title, photo_of(load_sample(name, SIZE), _SMALL))] for title, name in (("photograph", keys[0][1]), ("painting", keys[0][2]))])
        columns = [given]
        for letter, key in zip("AB", keys):
            picture, filters, _ = known.get(key, (load_sample(key[1], SIZE) * 0 + 1, None, ""))
            seen = [[("what its first layer looks for", photo_of(filters, _SIDE))]] if filters is not None else []
            columns.append(sheet([[(f"{letter} · {key[0]}", photo_of(picture, _SIDE))], [(words[key[0]], note("", _SIDE, 1))], *seen], size=13))
        self._put(sheet([[("", column) for column in columns]], gap=16, size=1))


def _first_filters(features):
    """The filters of a network's first layer as one picture [1, 3, h, w], each in its own contrast around gray."""
    own = next((module.kernels[:module.atoms] for module in features.modules() if isinstance(module, PatchPyramid)), None)
    if own is None:
        own = next(module.weight for module in features.modules() if isinstance(module, nn.Conv2d) and module.in_channels == 3)
    return filter_sheet(own)
