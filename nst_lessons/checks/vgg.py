"""Lesson 06: the network that programs on the web expect, made of `tiny`, so that nothing need be downloaded."""
import torch
from torch import nn

from ..features import Features
from ..images import IMAGENET_MEAN, IMAGENET_STD
from ..tiny import TRUNK

MEAN, STD = (torch.tensor(three).view(1, 3, 1, 1) for three in (IMAGENET_MEAN, IMAGENET_STD))


def vgg_features():
    """The trunk of `tiny` as nn.Sequential: the 30 layers that torchvision's `vgg19().features` begins with, number for number.

    0 conv1_1, 1 relu1_1, … 28 conv5_1, 29 relu5_1: its ReLUs work in place and its weights are trainable, as there, and it takes
    pictures normalized with ImageNet's mean and deviation. Only the channels are fewer.
    """
    tiny, layers = Features("tiny", device="cpu").backbone, []
    for name, conv in tiny.trunk.items():
        weight, bias = conv.weight.detach().contiguous(), conv.bias.detach()
        if name == "1_1":                                                    # tiny itself takes (x - 0.45) / 0.25
            bias = bias + (weight * (MEAN - 0.45) / 0.25).sum(dim=(1, 2, 3))
            weight = weight * (STD / 0.25)
        elif name.endswith("_1"):
            layers.append(nn.MaxPool2d(2))
        if name in tiny.wide:                                                # a 1×1 convolution after a 3×3 one is again a 3×3 one
            mix = tiny.wide[name].weight.detach()[..., 0, 0]                 # [O, I, 1, 1] → [O, I]
            weight, bias = torch.einsum("oi,ichw->ochw", mix, weight), mix @ bias + tiny.wide[name].bias.detach()
        layers += [nn.Conv2d(weight.shape[1], weight.shape[0], 3, padding=1), nn.ReLU(inplace=True)]
        layers[-2].load_state_dict({"weight": weight, "bias": bias})
    return nn.Sequential(*layers).eval()


@torch.no_grad()
def stages(picture):
    """{"conv1_1": …, "relu1_1": …, … "pool4": …}: what each of the 30 layers gives for a normalized picture [1, 3, H, W]."""
    found, x, name, names = {}, picture, "", iter(TRUNK)
    for layer in vgg_features():
        x = layer(x.clone())                                                 # a copy, since the ReLUs work in place
        if isinstance(layer, nn.Conv2d):
            name = next(names)
        kind = {nn.Conv2d: "conv", nn.ReLU: "relu", nn.MaxPool2d: "pool"}[type(layer)]
        found[kind + (name[0] if kind == "pool" else name)] = x.clone()
    return found
