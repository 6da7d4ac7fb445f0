"""The embedded network: VGG-19's thirteen first convolutions, made narrow.

A 3×3 convolution costs (channels in) × (channels out), and most of VGG-19's channels are mixtures of a few. So here a
convolution has few channels, and where the next layer needs more to choose from, a 1×1 convolution *widens* them before the ReLU.
Where style is measured, another 1×1 convolution (a *head*) leads to VGG-19's own width, so that a Gram matrix of `relu3_1`
has 256 × 256 entries here as there. The trunk carries the computation, the heads only look.
"""
import torch
from torch import nn
from torch.nn import functional as F

TRUNK = {"1_1": 24, "1_2": 24,
         "2_1": 48, "2_2": 48,
         "3_1": 96, "3_2": 68, "3_3": 68, "3_4": 68,
         "4_1": 136, "4_2": 136, "4_3": 136, "4_4": 136,
         "5_1": 136}                                                        # channels of each 3×3 convolution
WIDE = {"1_2": 40, "2_1": 80, "2_2": 128}                                   # channels after widening, where that is done
HEADS = {"1_1": 64, "2_1": 128, "3_1": 256, "4_1": 512, "4_2": 128, "5_1": 512}      # channels where we listen
LATE = {"4_1", "5_1"}                                                       # heads that read after the trunk's ReLU, not before


class TinyVGG(nn.Module):
    """A narrow VGG-19 through conv5_1, with heads of VGG-19's width (layers `conv1_1` … `relu5_1`, 2×2 pooling between blocks)."""

    def __init__(self, pooling="max"):
        super().__init__()
        self.pool = {"max": F.max_pool2d, "avg": F.avg_pool2d}[pooling]
        widths = [3, *(WIDE.get(name, width) for name, width in TRUNK.items())]
        self.trunk = nn.ModuleDict({name: nn.Conv2d(before, TRUNK[name], 3, padding=1) for name, before in zip(TRUNK, widths)})
        self.wide = nn.ModuleDict({name: nn.Conv2d(TRUNK[name], width, 1) for name, width in WIDE.items()})
        self.heads = nn.ModuleDict({name: nn.Conv2d(TRUNK[name], width, 1) for name, width in HEADS.items()})
        self.layers = [kind + name for name in TRUNK for kind in ("conv", "relu")]

    def walk(self, image):
        """Yields (name, narrow, before, after) for each layer of the trunk: its convolution, widened, and after the ReLU."""
        x = (image - 0.45) / 0.25                                           # photographs: about zero mean, unit deviation
        for name, conv in self.trunk.items():
            if name.endswith("_1") and name != "1_1":
                x = self.pool(x, 2)                                         # a new block begins at half the size
            narrow = conv(x)
            before = self.wide[name](narrow) if name in self.wide else narrow
            x = F.relu(before)
            yield name, narrow, before, x

    def listen(self, name, narrow, before, after):
        """What VGG-19 has at this layer, before its ReLU: [B, VGG-19's channels, H', W'] where there is a head."""
        if name not in self.heads:
            return before
        return self.heads[name](after if name in LATE else narrow)

    def forward(self, image, wanted):
        """Activations {name: [B, C, H', W']} of the layers in `wanted`; image: [B, 3, H, W] in [0, 1]. Stops at the deepest."""
        wanted, found = set(wanted), {}
        for name, *stages in self.walk(image):
            if {"conv" + name, "relu" + name} & wanted:
                seen = self.listen(name, *stages)
                found["conv" + name], found["relu" + name] = seen, F.relu(seen)
            if wanted <= found.keys():
                break
        return {layer: found[layer] for layer in self.layers if layer in wanted}
