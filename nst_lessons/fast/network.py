"""Lesson 08, the network: one pass, many styles. A style is a scale and a shift for every normalized channel, nothing else."""
import torch
from torch import nn
from torch.nn import functional as F

NORMS = ("instance", "batch")


def instance_norm(act, scale, shift, eps=1e-5):
    """Every channel of every picture to mean `shift` and deviation `scale` (Ulyanov et al. 2016; Dumoulin et al. 2017, eq. 5).

    act: [B, C, H, W]; scale, shift: [1 or B, C] → [B, C, H, W]. `eps` keeps a constant channel finite.
    """
    mean = act.mean(dim=(2, 3), keepdim=True)                                # [B, C, 1, 1]: each picture by itself
    variance = (act - mean).square().mean(dim=(2, 3), keepdim=True)
    gain = scale[..., None, None] / (variance + eps).sqrt()                  # [B, C] → [B, C, 1, 1]
    return act * gain + (shift[..., None, None] - mean * gain)               # one multiplication and one sum for each value


class ConditionalNorm(nn.Module):
    """Normalization whose scale and shift are looked up by style: two tables [styles, C], mixed by weights."""

    def __init__(self, channels, styles, norm="instance"):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(styles, channels))
        self.shift = nn.Parameter(torch.zeros(styles, channels))
        self.batch = nn.BatchNorm2d(channels, affine=False) if norm == "batch" else None

    def forward(self, act, mix):
        """act: [B, C, H, W], mix: [1 or B, styles] → [B, C, H, W]."""
        scale = (mix[..., None] * self.scale).sum(1)                         # [B, S, 1] · [S, C] → [B, C]
        shift = (mix[..., None] * self.shift).sum(1)
        if self.batch is None:
            return instance_norm(act, scale, shift)
        return self.batch(act) * scale[..., None, None] + shift[..., None, None]     # the whole batch shares mean and deviation


class ConvNorm(nn.Module):
    """Reflection padding, a convolution, conditional normalization. Zeros at the border would be seen as a dark frame."""

    def __init__(self, before, after, kernel, styles, norm, stride=1):
        super().__init__()
        self.reflect = (kernel // 2,) * 4
        self.conv = nn.Conv2d(before, after, kernel, stride, bias=False)     # no bias: normalization would take it away again
        self.norm = ConditionalNorm(after, styles, norm)

    def forward(self, x, mix):
        return self.norm(self.conv(F.pad(x, self.reflect, mode="reflect")), mix)


class ResidualBlock(nn.Module):
    """x + what two convolutions want to change in it (He et al. 2016); no ReLU after the sum (Johnson et al. 2016)."""

    def __init__(self, channels, styles, norm):
        super().__init__()
        self.first = ConvNorm(channels, channels, 3, styles, norm)
        self.second = ConvNorm(channels, channels, 3, styles, norm)

    def forward(self, x, mix):
        return x + self.second(F.relu(self.first(x, mix), inplace=True), mix)     # in place: one pass over memory less


class FastNetwork(nn.Module):
    """Photographs to paintings in one pass (Johnson et al. 2016), many styles in one network (Dumoulin et al. 2017).

    net(photo [B, 3, H, W] in [0, 1], style) → [B, 3, H, W] in [0, 1], any size from 8 px. `style`: a name, a mixture {name: weight},
    or weights [1 or B, number of styles]. `styles`: their names. `norm`: "instance", or "batch", which lesson 08 shows to be worse.
    `widths`: channels at the whole, the half and the quarter of the size, where `blocks` residual blocks do the painting.
    Raises ValueError for an unknown norm or style.
    """

    def __init__(self, styles, norm="instance", widths=(16, 32, 64), blocks=4):
        super().__init__()
        if norm not in NORMS:
            raise ValueError(f"unknown norm {norm!r}; choose 'instance' or 'batch'")
        self.styles, self.shape = list(styles), {"norm": norm, "widths": list(widths), "blocks": blocks}
        full, half, quarter = widths
        more = (len(self.styles), norm)
        self.down = nn.ModuleList([ConvNorm(3, full, 5, *more), ConvNorm(full, half, 3, *more, stride=2),
                                   ConvNorm(half, quarter, 3, *more, stride=2)])
        self.blocks = nn.ModuleList([ResidualBlock(quarter, *more) for _ in range(blocks)])
        self.up = nn.ModuleList([ConvNorm(quarter, half, 3, *more), ConvNorm(half, full, 3, *more)])
        self.out = nn.Conv2d(full, 3, 5)

    def mix(self, style):
        """Weights [1, number of styles] of a name or a mixture {name: weight}; a tensor of weights stays as it is."""
        if isinstance(style, torch.Tensor):
            return style
        parts = style if hasattr(style, "keys") else {style: 1.0}
        for name in parts:
            if name not in self.styles:
                raise ValueError(f"unknown style {name!r}; this network has {', '.join(self.styles)}")
        return torch.tensor([[float(parts.get(name, 0)) for name in self.styles]], device=self.out.weight.device)

    def forward(self, photo, style):
        """photo: [B, 3, H, W] in [0, 1]; style: a name, a mixture or weights → [B, 3, H, W] in [0, 1]."""
        mix = self.mix(style)
        height, width = photo.shape[2:]
        x = photo * 2 - 1
        if height % 4 or width % 4:                                          # so that half and quarter size are whole numbers
            x = F.pad(x, (0, -width % 4, 0, -height % 4), mode="reflect")
        return torch.sigmoid(self._painted(x, mix))[..., :height, :width]

    def _painted(self, x, mix):
        """x [B, 3, H, W] in [−1, 1], sides multiples of 4 px → [B, 3, H, W], before the sigmoid."""
        for layer in self.down:
            x = F.relu(layer(x, mix), inplace=True)
        for block in self.blocks:
            x = block(x, mix)
        for layer in self.up:                                                # enlarge, then convolve: no checkerboards (Odena et al. 2016)
            x = F.relu(layer(F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False), mix), inplace=True)
        return self.out(F.pad(x, (2,) * 4, mode="reflect"))
