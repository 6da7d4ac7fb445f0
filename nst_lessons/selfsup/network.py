"""The network that nobody taught: VGG's plan with nine narrow convolutions, so that VGG's layer names mean the same here."""
import torch
from torch import nn
from torch.nn import functional as F

from .. import loading

WIDTHS = {"1_1": 32, "1_2": 32, "2_1": 64, "2_2": 64, "3_1": 128, "3_2": 128, "4_1": 192, "4_2": 192, "5_1": 256}
FILE = "selfsup.safetensors"


class SelfNet(nn.Module):
    """Layers `conv1_1`, `relu1_1`, … `relu5_1`, 2×2 pooling between blocks; 1.3 million numbers.

    `normed`: with batch normalization after each convolution, as it is trained; `folded` takes that out again.
    """

    def __init__(self, pooling="max", normed=False):
        super().__init__()
        self.pool = {"max": F.max_pool2d, "avg": F.avg_pool2d}[pooling]
        widths = [3, *WIDTHS.values()]
        self.convs = nn.ModuleDict({name: nn.Conv2d(before, width, 3, padding=1)
                                    for before, (name, width) in zip(widths, WIDTHS.items())})
        self.norms = nn.ModuleDict({name: nn.BatchNorm2d(width) for name, width in WIDTHS.items()} if normed else {})
        self.layers = [kind + name for name in WIDTHS for kind in ("conv", "relu")]

    def forward(self, image, wanted):
        """Activations {name: [B, C, H', W']} of the layers in `wanted`; image: [B, 3, H, W] in [0, 1]. Stops at the deepest."""
        x, found, wanted = (image - 0.45) / 0.25, {}, set(wanted)
        for name, conv in self.convs.items():
            if name.endswith("_1") and name != "1_1":
                x = self.pool(x, 2)
            before = conv(x)
            before = self.norms[name](before) if name in self.norms else before
            x = F.relu(before)
            found |= {layer: act for layer, act in (("conv" + name, before), ("relu" + name, x)) if layer in wanted}
            if wanted <= found.keys():
                return found


@torch.no_grad()
def folded(net):
    """A plain SelfNet that computes what a `normed` one does in evaluation: a normalization with fixed numbers is part of a convolution."""
    plain = SelfNet()
    for name, conv in net.convs.items():
        norm = net.norms[name]
        gain = norm.weight / (norm.running_var + norm.eps).sqrt()
        plain.convs[name].weight.copy_(conv.weight * gain[:, None, None, None])
        plain.convs[name].bias.copy_((conv.bias - norm.running_mean) * gain + norm.bias)
    return plain.eval().requires_grad_(False)


def untrained(net, seed=0):
    """He-normal weights, zero biases, the same on every machine; returns `net`."""
    generator = torch.Generator().manual_seed(seed)
    for conv in net.convs.values():
        nn.init.kaiming_normal_(conv.weight, nonlinearity="relu", generator=generator)
        nn.init.zeros_(conv.bias)
    return net


def self_builder(weights, pooling):
    """`selfsup` for `features.register`; weights: None (the shipped ones), "random", or a file."""
    if weights == "random":
        return untrained(SelfNet(pooling))
    return loading.load_into(SelfNet(pooling), loading.embedded(FILE) if weights is None else weights)
