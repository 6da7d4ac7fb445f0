"""How far the layers of a network look. Found by trial, so it holds for any network: a NaN goes exactly as far as somebody looks."""
import math
import weakref
from typing import NamedTuple

import torch

_LENGTHS = (256, 512, 1024, 2048)        # px, of the trial pictures: the first that is long enough will do
_WIDTH, _END = 64, 64                    # px: their other side; the ends that are spoiled, or cut off
_SAME = 1e-3                             # relative: float32 rounds a thousand times finer
_KNOWN = weakref.WeakKeyDictionary()     # network → {layers: Reach}


class Reach(NamedTuple):
    """`margin`: px that a tile wants around it. `stride`: px, at multiples of which it must begin. `strides`: {layer: px a position}."""
    margin: int
    stride: int
    strides: dict


@torch.no_grad()
def reach(features, layers, like):
    """The Reach of some layers of a network. `like`: a tensor of its pictures' dtype and device.

    Raises ValueError, which names the layer, when one looks at the whole picture or depends on where a picture begins.
    """
    network, layers = getattr(features, "plain", features), tuple(layers)          # half precision does not look farther
    known = _KNOWN.setdefault(network, {})
    if layers not in known:
        with torch.backends.cudnn.flags(enabled=False):                            # some of its kernels spread a NaN over a block
            down, across = (_along(axis, network, layers, like) for axis in (2, 3))
        if down.strides != across.strides:
            raise ValueError(f"{network.name} takes other strides down than across, and tiles cannot follow")
        known[layers] = Reach(max(down.margin, across.margin), down.stride, down.strides)
    return known[layers]


def _along(axis, network, layers, like):
    """The Reach along one axis of the picture."""
    for length in _LENGTHS:
        generator = torch.Generator().manual_seed(0)
        picture = torch.rand(1, 3, *((length, _WIDTH) if axis == 2 else (_WIDTH, length)), generator=generator).to(like)
        whole, less = network(picture, layers), network(_from(_END, picture, axis), layers)
        fewer = {layer: whole[layer].shape[axis] - less[layer].shape[axis] for layer in layers}
        unfit = [layer for layer in layers if fewer[layer] <= 0 or _END % fewer[layer]]
        strides = {layer: _END // max(1, fewer[layer]) for layer in layers}
        margins = {layer: _margin(act, axis, strides[layer], length)
                   for layer, act in network(_spoiled(picture, axis), layers).items()}
        if unfit or None not in margins.values():
            break
    unfit = unfit or [layer for layer in layers if margins[layer] is None]
    if unfit:
        raise ValueError(f"{unfit[0]} of {network.name} looks at the whole picture at once, so tiles cannot give the same; "
                         "use other layers or another network")
    stride = math.lcm(1, *strides.values())
    margin = stride * math.ceil(max([0, *margins.values()]) / stride)
    shifted = network(_from(stride, picture, axis), layers)
    for layer, act in shifted.items():
        here, there = _from(margin // strides[layer], act, axis), _from((margin + stride) // strides[layer], whole[layer], axis)
        if here.shape != there.shape or (here - there).norm() > _SAME * there.norm():
            raise ValueError(f"{layer} of {network.name} depends on where a picture begins, so tiles cannot give the same; "
                             "use other layers or another network")
    return Reach(margin, stride, strides)


def _from(start, tensor, axis):
    return tensor.narrow(axis, start, tensor.shape[axis] - start)


def _spoiled(picture, axis):
    """A copy with NaN at both ends of an axis."""
    picture = picture.clone()
    for end in (0, picture.shape[axis] - _END):
        picture.narrow(axis, end, _END).fill_(torch.nan)
    return picture


def _margin(act, axis, stride, length):
    """How many px a layer's unspoiled positions keep from the spoiled ones; None when there are no unspoiled ones."""
    clean = act.transpose(0, axis).flatten(1).isfinite().all(dim=1).nonzero()      # [H or W, …] → [H or W] → their numbers
    if not len(clean):
        return None
    first, last = clean[0].item(), clean[-1].item()
    return max(first * stride - _END, length - _END - (last + 1) * stride)
