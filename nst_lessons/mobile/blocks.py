"""Lesson 12, the bricks: a convolution taken apart into one that looks around and one that mixes channels."""
from torch import nn
from torch.nn import functional as F

from ..fast.network import ConditionalNorm


def separable_conv(x, depthwise, pointwise, stride=1):
    """A convolution in two halves, with a mirrored border (Howard et al. 2017, section 3.1).

    x: [B, C, H, W]; depthwise: [C, 1, k, k], k odd, one kernel for each channel; pointwise: [D, C, 1, 1], one number for each pair of
    channels → [B, D, H / stride, W / stride], rounded up.
    """
    border = depthwise.shape[-1] // 2
    x = F.pad(x, (border,) * 4, mode="reflect")
    x = F.conv2d(x, depthwise, stride=stride, groups=x.shape[1])             # each channel looks around by itself
    return F.conv2d(x, pointwise)                                            # each position mixes its channels


class Around(nn.Module):
    """The depthwise half, with its normalization: a mirrored border, one k × k kernel a channel."""

    def __init__(self, channels, kernel, styles):
        super().__init__()
        self.reflect = (kernel // 2,) * 4
        self.conv = nn.Conv2d(channels, channels, kernel, groups=channels, bias=False)
        self.norm = ConditionalNorm(channels, styles)

    def forward(self, x, mix):
        """x: [B, C, H, W], mix: [1 or B, styles] → [B, C, H, W]."""
        return self.norm(self.conv(F.pad(x, self.reflect, mode="reflect")), mix)


class Across(nn.Module):
    """The pointwise half, a 1 × 1 convolution, with its normalization."""

    def __init__(self, before, after, styles):
        super().__init__()
        self.conv = nn.Conv2d(before, after, 1, bias=False)
        self.norm = ConditionalNorm(after, styles)

    def forward(self, x, mix):
        """x: [B, C, H, W], mix: [1 or B, styles] → [B, D, H, W]."""
        return self.norm(self.conv(x), mix)


class Separable(nn.Module):
    """`separable_conv`, with one normalization and one ReLU, at its end: few channels would not survive a ReLU in between."""

    def __init__(self, before, after, styles, stride=1, kernel=3):
        super().__init__()
        self.reflect = (kernel // 2,) * 4
        self.around = nn.Conv2d(before, before, kernel, stride, groups=before, bias=False)
        self.across = Across(before, after, styles)

    def forward(self, x, mix):
        """x: [B, C, H, W], mix: [1 or B, styles] → [B, D, H / stride, W / stride]."""
        x = self.around(F.pad(x, self.reflect, mode="reflect"))
        return F.relu(self.across(x, mix), inplace=True)


class Enlarge(nn.Module):
    """Twice the size: mix channels first, then enlarge, then look around.

    A 1 × 1 convolution and a bilinear enlargement may change places, and before it there is a quarter of the positions to mix.
    """

    def __init__(self, before, after, styles, kernel=3):
        super().__init__()
        self.across = nn.Conv2d(before, after, 1, bias=False)
        self.around = Around(after, kernel, styles)

    def forward(self, x, mix):
        """x: [B, C, H, W], mix: [1 or B, styles] → [B, D, 2 H, 2 W]."""
        x = F.interpolate(self.across(x), scale_factor=2, mode="bilinear", align_corners=False)
        return F.relu(self.around(x, mix), inplace=True)


class InvertedResidual(nn.Module):
    """x + a change found among more channels: widen, look around, narrow; no ReLU after narrowing (Sandler et al. 2018).

    "Inverted", since lesson 08's residual block is as wide inside as outside, and older ones were narrow inside.
    """

    def __init__(self, channels, expand, styles, kernel=3):
        super().__init__()
        wide = channels * expand
        self.widen = nn.Conv2d(channels, wide, 1)
        self.around = Around(wide, kernel, styles)
        self.narrow = Across(wide, channels, styles)

    def forward(self, x, mix):
        """x: [B, C, H, W], mix: [1 or B, styles] → [B, C, H, W]."""
        wide = F.relu(self.widen(x), inplace=True)                           # [B, expand · C, H, W]
        return x + self.narrow(F.relu(self.around(wide, mix), inplace=True), mix)
