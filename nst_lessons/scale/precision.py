"""Half precision: the network in 16 bits, all sums in 32."""
import torch
from torch import nn

from ..features import Features

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
_LOUDEST = 16.0          # to this the largest slope is brought: 4096 times more would fit into fp16, and 10⁸ times less


def half(features, precision="bf16"):
    """The same network computing in 16 bits: activations of half the size, and on many machines faster; they come out as float32.

    precision: "bf16" (float32's range, 8 bits of precision), "fp16" (11 bits, but nothing above 65504), or "fp32", which changes
    nothing. Gram matrices and losses then see float32. Raises ValueError for another word.
    """
    if precision not in DTYPES:
        raise ValueError(f"unknown precision {precision!r}; choose one of {', '.join(DTYPES)}")
    return features if precision == "fp32" else Half(features, precision)


class Half(Features):
    """What `half` returns; `plain`: the network as it was, of which it shares the weights."""

    def __init__(self, features, precision):
        nn.Module.__init__(self)
        self.name, self.pooling, self.backbone = features.name, features.pooling, features.backbone
        self.plain, self.precision = getattr(features, "plain", features), precision

    def forward(self, image, layers):
        scale = _Scale()
        if self.precision == "fp16":                                       # its smallest number is 6·10⁻⁸: slopes would drown
            image = _Down.apply(image.to(self.device), scale)
        with torch.autocast(self.device.type, DTYPES[self.precision]):
            acts = super().forward(image, layers)
        if self.precision == "fp16" and acts:
            return dict(zip(acts, _Up.apply(scale, *acts.values())))
        return {layer: act.float() for layer, act in acts.items()}


class _Scale:
    """By how much the slopes of one evaluation are larger inside the network than outside: a power of 2, so nothing is rounded."""
    factor = 1.0


class _Up(torch.autograd.Function):
    """16 bits → 32 on the way to the losses; on the way back, slopes are made as loud as 16 bits can well hold."""

    @staticmethod
    def forward(ctx, scale, *acts):
        ctx.scale, ctx.dtypes = scale, [act.dtype for act in acts]
        return tuple(act.float() for act in acts)

    @staticmethod
    def backward(ctx, *slopes):
        loudest = max(slope.abs().max() for slope in slopes if slope.numel()).clamp_min(1e-30)
        ctx.scale.factor = torch.exp2(torch.floor(torch.log2(_LOUDEST / loudest)))
        return None, *((slope * ctx.scale.factor).to(dtype) for slope, dtype in zip(slopes, ctx.dtypes))


class _Down(torch.autograd.Function):
    """The picture as it is; on the way back, slopes as loud as they were before `_Up`."""

    @staticmethod
    def forward(ctx, image, scale):
        ctx.scale = scale
        return image.view_as(image)

    @staticmethod
    def backward(ctx, slope):
        return slope / ctx.scale.factor, None
