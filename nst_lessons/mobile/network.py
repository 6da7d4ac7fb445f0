"""Lesson 12, the network: lesson 08's plan, built of cheap bricks. Most work at a quarter of the size, few channels where there are many pixels."""
from torch import nn
from torch.nn import functional as F

from ..fast.network import ConvNorm, FastNetwork
from .blocks import Enlarge, InvertedResidual, Separable


class MobileNetwork(FastNetwork):
    """Photographs to paintings in one pass, small enough for a phone; used like lesson 08's FastNetwork.

    net(photo [B, 3, H, W] in [0, 1], style) → [B, 3, H, W] in [0, 1], any size from 12 px. `widths`: channels at the whole, the half and the
    quarter of the size; `kernels`: the side of the depthwise kernels in each inverted residual block; `expand`: how much wider a block is
    inside. Raises ValueError for an unknown style.
    """

    def __init__(self, styles, widths=(16, 24, 32), kernels=(3, 5, 3, 5, 3), expand=3):
        nn.Module.__init__(self)                                             # a FastNetwork's methods, but layers of its own
        self.styles, self.shape = list(styles), {"widths": list(widths), "kernels": list(kernels), "expand": expand}
        full, half, quarter = widths
        count = len(self.styles)
        self.down = nn.ModuleList([ConvNorm(3, half, 5, count, "instance", stride=2), Separable(half, quarter, count, stride=2)])
        self.blocks = nn.ModuleList([InvertedResidual(quarter, expand, count, kernel) for kernel in kernels])
        self.up = nn.ModuleList([Enlarge(quarter, half, count), Enlarge(half, full, count)])
        self.out = nn.Conv2d(full, 3, 3)

    def _painted(self, x, mix):
        """x [B, 3, H, W] in [−1, 1], sides multiples of 4 px → [B, 3, H, W], before the sigmoid."""
        x = F.relu(self.down[0](x, mix), inplace=True)
        for layer in [self.down[1], *self.blocks, *self.up]:
            x = layer(x, mix)
        return self.out(F.pad(x, (1,) * 4, mode="reflect"))
