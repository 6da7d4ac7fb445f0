"""The embedded network: VGG-19's thirteen first convolutions at about a third of their width.

Where style is measured, a 1×1 convolution (a *head*) leads from the narrow trunk to VGG-19's own width, so that a Gram
matrix of `relu3_1` has 256 × 256 entries here as there. The trunk carries the computation, the heads only look.
"""
import torch
from torch import nn
from torch.nn import functional as F

TRUNK = {"1_1": 24, "1_2": 32,
         "2_1": 64, "2_2": 72,
         "3_1": 104, "3_2": 72, "3_3": 72, "3_4": 72,
         "4_1": 136, "4_2": 136, "4_3": 136, "4_4": 136,
         "5_1": 136}                                                        # channels of each 3×3 convolution
HEADS = {"1_1": 64, "2_1": 128, "3_1": 256, "4_1": 512, "4_2": 128, "5_1": 512}      # channels where we listen


class TinyVGG(nn.Module):
    """A narrow VGG-19 through conv5_1, with heads of VGG-19's width (layers `conv1_1` … `relu5_1`, 2×2 pooling between blocks)."""

    def __init__(self, pooling="max"):
        super().__init__()
        self.pool = {"max": F.max_pool2d, "avg": F.avg_pool2d}[pooling]
        widths = [3, *TRUNK.values()]
        self.trunk = nn.ModuleDict({name: nn.Conv2d(before, after, 3)
                                    for name, before, after in zip(TRUNK, widths, widths[1:])})
        self.heads = nn.ModuleDict({name: nn.Conv2d(TRUNK[name], width, 1) for name, width in HEADS.items()})
        self.layers = [kind + name for name in TRUNK for kind in ("conv", "relu")]

    def walk(self, image):
        """Yields (name, before, after) for each convolution of the trunk in turn: [B, C, H', W'] before and after its ReLU."""
        x = (image - 0.45) / 0.25                                           # photographs: about zero mean, unit deviation
        for name, conv in self.trunk.items():
            if name.endswith("_1") and name != "1_1":
                x = self.pool(x, 2)                                         # a new block begins at half the size
            before = conv(F.pad(x, (1, 1, 1, 1), mode="replicate"))
            x = F.relu(before)
            yield name, before, x

    def forward(self, image, wanted):
        """Activations {name: [B, C, H', W']} of the layers in `wanted`; image: [B, 3, H, W] in [0, 1]. Stops at the deepest."""
        wanted, found = set(wanted), {}
        for name, before, after in self.walk(image):
            if {"conv" + name, "relu" + name} & wanted:
                seen = self.heads[name](after) if name in self.heads else before
                found["conv" + name], found["relu" + name] = seen, F.relu(seen)
            if wanted <= found.keys():
                break
        return {layer: found[layer] for layer in self.layers if layer in wanted}
