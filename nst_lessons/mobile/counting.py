"""Lesson 12, counting: numbers that a network holds, and multiplications that a picture costs it."""
import torch
from torch import nn


def parameters(net):
    """How many numbers a network has learned."""
    return sum(p.numel() for p in net.parameters())


def conv_cost(before, after, kernel, positions, groups=1):
    """Multiply-adds of one convolution: for each position and channel that comes out, k · k numbers of each channel that it looks at.

    before, after: channels; kernel: k; positions: H · W of what comes out, times pictures; groups: as in torch, so `before` for a
    depthwise convolution.
    """
    return positions * after * (before // groups) * kernel * kernel


@torch.no_grad()
def multiply_adds(net, *inputs):
    """{name: multiply-adds} of every convolution of `net` in one pass, net(*inputs); their sum is what a picture costs.

    Normalizations, enlargements and sums are left out, as usual: they cost few multiplications, but time (lesson 12 measures it).
    """
    found = {}

    def listen(name):
        def hook(conv, _, out):
            positions = out.shape[0] * out.shape[2] * out.shape[3]
            cost = conv_cost(conv.in_channels, conv.out_channels, conv.kernel_size[0], positions, conv.groups)
            found[name] = found.get(name, 0) + cost
        return hook
    hooks = [conv.register_forward_hook(listen(name)) for name, conv in net.named_modules() if isinstance(conv, nn.Conv2d)]
    try:
        net(*inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return found
