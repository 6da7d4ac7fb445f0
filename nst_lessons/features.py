"""Lesson 02: what a network sees, as named activations of a frozen network.

A backbone is any module that has `layers` (names, shallow to deep) and `forward(image, wanted)` → {name: activations};
preprocessing is its own business. `style_layers` and `content_layers` are the usual ones, where a module has such lists.
`register` adds a backbone; `Features` is how all lessons use them.
"""
from collections.abc import Iterable
from itertools import chain

import torch
from torch import nn

from . import loading
from .images import IMAGENET_MEAN, IMAGENET_STD, normalize
from .tiny import TinyVGG

_VGG_BLOCKS = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}         # convolutions in each block
_VGG_WIDTHS = (64, 128, 256, 512, 512)                                     # their channels
_POOLS = {"max": nn.MaxPool2d, "avg": nn.AvgPool2d}
_STYLE_LAYERS = {                                                          # where style is measured unless one says otherwise
    "vgg": ["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"],
    "resnet50": ["relu", "layer1.2.relu_2", "layer2.3.relu_2", "layer3.5.relu_2"],
    "squeezenet1_1": ["features.1", "features.4.cat", "features.7.cat", "features.10.cat"],
    "mobilenet_v3_small": ["features.0", "features.1.block.2", "features.3.add", "features.6.add"],
}
_CONTENT_LAYERS = {
    "vgg": ["relu3_1", "relu4_2"],                                         # eyes and mouths; objects
    "resnet50": ["layer2.3.relu_2"],
    "squeezenet1_1": ["features.7.cat"],
    "mobilenet_v3_small": ["features.3.add"],
}


class _Normalize(nn.Module):
    """[0, 1] → what networks trained on ImageNet expect. Its numbers are buffers, so they are where the network is."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD), persistent=False)

    def forward(self, image):
        return normalize(image, self.mean, self.std)


class _VGG(nn.Module):
    """VGG-16 or VGG-19 without its classifier: `conv1_1`, `relu1_1`, … `pool5` (Simonyan & Zisserman 2015, table 1)."""

    def __init__(self, name, pooling):
        super().__init__()
        named, channels = {}, 3
        for block, (count, width) in enumerate(zip(_VGG_BLOCKS[name], _VGG_WIDTHS), start=1):
            for i in range(1, count + 1):
                named[f"conv{block}_{i}"] = nn.Conv2d(channels, width, 3, padding=1)
                named[f"relu{block}_{i}"] = nn.ReLU(inplace=False)         # in place, it would overwrite conv's activations
                channels = width
            named[f"pool{block}"] = _POOLS[pooling](2)
        self.layers = list(named)
        self.features = nn.Sequential(*named.values())                     # torchvision's own order, so its weights fit
        self.normalize = _Normalize()

    def forward(self, image, wanted):
        x, found = self.normalize(image), {}
        for name, module in zip(self.layers, self.features):
            x = module(x)
            if name in wanted:
                found[name] = x
            if len(found) == len(wanted):
                return found


class _Graph(nn.Module):
    """Any torchvision classifier, its layers named by torchvision's own graph nodes, up to its global pooling."""

    def __init__(self, name, pooling):
        super().__init__()
        from torchvision import models
        from torchvision.models.feature_extraction import get_graph_node_names
        self.model, self.normalize, self._extractors = models.get_model(name, weights=None).eval(), _Normalize(), {}
        for head in ("fc", "classifier"):
            if hasattr(self.model, head):                                  # not used, so weights need not have it
                setattr(self.model, head, nn.Identity())
        for path, module in list(self.model.named_modules()):
            if hasattr(module, "inplace"):
                module.inplace = False
            if pooling == "avg" and isinstance(module, nn.MaxPool2d):
                average = nn.AvgPool2d(module.kernel_size, module.stride, module.padding, module.ceil_mode,
                                       count_include_pad=False)            # zeros would darken the border
                self.model.set_submodule(path, average)
        _, nodes = get_graph_node_names(self.model)
        last = next(i for i, n in enumerate(nodes) if n.split(".")[0] in ("avgpool", "classifier", "flatten"))
        self.layers = nodes[1:last]                                        # nodes[0] is the picture itself

    def forward(self, image, wanted):
        from torchvision.models.feature_extraction import create_feature_extractor
        key = tuple(wanted)
        if key not in self._extractors:                                    # it computes no deeper than the deepest node
            self._extractors[key] = create_feature_extractor(self.model, return_nodes=list(key)).eval()
        return self._extractors[key](self.normalize(image))


def smoothed(act):
    """The softmax over all of a picture's activations, times their number, so that their mean is 1: [B, C, H, W] → the same shape.

    Where a few loud positions decide a Gram matrix, as in residual networks, it brings the others back (SWAG: Wang et al. 2021, eq. 8;
    the paper leaves the factor C·H·W out, and its losses then depend on the picture's size). It multiplies what is added: peaks of about 1
    become small, peaks of 5 or more become larger than they were.
    """
    return torch.softmax(act.flatten(1), dim=1).view_as(act) * act[0].numel()


class _Smooth(nn.Module):
    """A backbone whose activations are `smoothed`."""

    def __init__(self, network):
        super().__init__()
        self.network, self.layers = network, network.layers
        for kind in ("style_layers", "content_layers"):
            if hasattr(network, kind):
                setattr(self, kind, getattr(network, kind))

    def forward(self, image, wanted):
        return {layer: smoothed(act) for layer, act in self.network(image, wanted).items()}


def _untrained(module, seed=0):
    """He-normal weights, zero biases, the same on every machine."""
    generator = torch.Generator().manual_seed(seed)
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return module


def _tiny(weights, pooling):
    if weights == "random":
        return _untrained(TinyVGG(pooling))
    return loading.load_into(TinyVGG(pooling), loading.embedded("tiny.safetensors") if weights is None else weights)


def _random(weights, pooling):
    if weights not in (None, "random"):
        raise ValueError(f"the network 'random' has no weights to load; for those in {weights} choose 'tiny' or one of torchvision's")
    return _untrained(TinyVGG(pooling))


def _torchvision(name):
    def builder(weights, pooling):
        module = _VGG(name, pooling) if name in _VGG_BLOCKS else _Graph(name, pooling)
        if weights == "random":
            return _untrained(module)
        inner = module if name in _VGG_BLOCKS else module.model
        loading.load_into(inner, loading.torchvision_weights(name) if weights is None else weights)
        return module
    return builder


_BUILDERS = {"tiny": _tiny, "random": _random}
_BUILDERS |= {name: _torchvision(name) for name in ("vgg16", "vgg19", "resnet50", "squeezenet1_1", "mobilenet_v3_small")}


def register(name, builder):
    """Adds a network under `name`: builder(weights, pooling) → a module with `.layers` and `.forward(image, wanted)`."""
    _BUILDERS[name] = builder


def backbones():
    """The names that `Features` knows, in the order in which they were registered."""
    return list(_BUILDERS)


class Features(nn.Module):
    """Named activations of a frozen network (`tiny` is in the package; the others use torchvision's ImageNet weights).

    features(image, layers): image [B, 3, H, W] in [0, 1] → {layer: [B, C, H', W']}, in order of depth.
    `weights`: None (the network's own), a .pth or .safetensors file, or "random". `pooling`: "max" or "avg".
    `smooth`: activations through a softmax (`smoothed`), meant for the peaky maps of residual networks.
    Raises ValueError for an unknown network or layer and lists those there are; WeightsError when weights cannot be had.
    """

    def __init__(self, backbone="tiny", weights=None, pooling="max", device=None, smooth=False):
        super().__init__()
        if backbone not in _BUILDERS:
            raise ValueError(f"unknown network {backbone!r}; there are {', '.join(_BUILDERS)}")
        if pooling not in _POOLS:
            raise ValueError(f"unknown pooling {pooling!r}; choose 'max' or 'avg'")
        self.name, self.pooling = backbone, pooling
        network = _BUILDERS[backbone](weights, pooling)
        self.backbone = (_Smooth(network) if smooth else network).eval().requires_grad_(False)
        self.to(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self.to(memory_format=torch.channels_last)                         # same numbers; convolutions on a CPU are faster so

    def train(self, mode=True):
        """Stays in evaluation mode, whatever a module around it does: frozen means batch statistics too."""
        return super().train(False)

    @property
    def device(self):
        """Where the network computes; the CPU for a registered one that has neither weights nor buffers."""
        return next((own.device for own in chain(self.backbone.parameters(), self.backbone.buffers())), torch.device("cpu"))

    @property
    def layers(self):
        """Every layer's name, in order of depth."""
        return list(self.backbone.layers)

    @property
    def style_layers(self):
        """The layers that carry style by default: relu1_1 … relu5_1 where there are such."""
        return self._defaults("style_layers", _STYLE_LAYERS)

    @property
    def content_layers(self):
        """The layers that carry content by default: relu3_1 and relu4_2 where there are such."""
        return self._defaults("content_layers", _CONTENT_LAYERS)

    def _defaults(self, kind, table):
        layers = getattr(self.backbone, kind, None) or table.get(self.name, table["vgg"])
        if set(layers) <= set(self.backbone.layers):
            return list(layers)
        raise ValueError(f"{self.name} has no default layers; give content_layers and style_layers among "
                         f"{', '.join(self.backbone.layers)}")

    def check_layers(self, layers: Iterable[str]):
        """The distinct layers asked for, in order of depth; ValueError, with the list, when one is not there."""
        asked = [layers] if isinstance(layers, str) else list(layers)
        known = self.backbone.layers
        for layer in asked:
            if layer not in known:
                raise ValueError(f"unknown layer {layer!r}; this network ({self.name}) has {', '.join(known)}")
        return [layer for layer in known if layer in set(asked)]

    def forward(self, image, layers):
        wanted = self.check_layers(layers)
        if not wanted:
            return {}
        if image.ndim != 4 or image.shape[1] != 3:
            raise ValueError(f"Features wants pictures [B, 3, H, W], got a tensor of shape {list(image.shape)}")
        try:
            return self.backbone(image.to(self.device, memory_format=torch.channels_last), wanted)
        except RuntimeError as error:
            if "too small" not in str(error) and "greater than actual input" not in str(error):
                raise
            height, width = image.shape[2:]
            raise ValueError(f"a picture of {width}×{height} px is too small for layer {wanted[-1]} of {self.name}; "
                             "use a larger one") from error
