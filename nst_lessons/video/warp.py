"""Lesson 11: a picture carried along by motion, and where that can be trusted (Ruder et al. 2016, section 4).

A flow [B, 2, H, W] holds for each pixel how many px to the right and down it has gone. `backward` flow leads from a frame to
the one before it, which is what warping needs: each new pixel asks where it was.
"""
import torch
from torch.nn import functional as F

_CONSISTENT, _SLACK = 0.01, 0.5                                            # Ruder et al. 2016, eq. 5
_EDGE, _EDGE_SLACK = 0.01, 0.002                                           # eq. 6


def own_places(flow):
    """Each pixel's own place, (x, y) in px, of a flow [B, 2, H, W]: [1, 2, H, W]."""
    height, width = flow.shape[2:]
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([x, y])[None].to(flow)


def warp(image, flow):
    """image at x + flow(x), bilinear; beyond the border, the border: [B, C, H, W] and [B, 2, H, W] → [B, C, H, W].

    With the backward flow of a frame it brings the previous picture to where things are now. Raises ValueError for unequal sizes.
    """
    if image.shape[2:] != flow.shape[2:] or flow.shape[1] != 2:
        raise ValueError(f"a picture {list(image.shape)} wants a flow [B, 2, {image.shape[2]}, {image.shape[3]}], got {list(flow.shape)}")
    height, width = image.shape[2:]
    at = own_places(flow) + flow                                           # [B, 2, H, W], in px
    scale = at.new_tensor([2 / max(width - 1, 1), 2 / max(height - 1, 1)]).view(1, 2, 1, 1)
    at = (at * scale - 1).permute(0, 2, 3, 1)                              # grid_sample counts from -1 to 1
    return F.grid_sample(image, at.expand(len(image), -1, -1, -1), "bilinear", "border", align_corners=True)


def inside(flow):
    """1 where x + flow(x) is in the picture, else 0: [B, 2, H, W] → [B, 1, H, W]."""
    height, width = flow.shape[2:]
    x, y = (own_places(flow) + flow).unbind(1)
    return ((x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)).to(flow)[:, None]


def consistent(backward, forward):
    """1 where going there and back again ends where it began, 0 where something was hidden (Ruder et al. 2016, eq. 5).

    backward: now → before; forward: before → now; both [B, 2, H, W] → [B, 1, H, W].
    """
    there = warp(forward, backward)                                        # w̃: the forward flow, where this frame's pixels were
    apart = (there + backward).square().sum(1, keepdim=True)
    room = _CONSISTENT * (there.square().sum(1, keepdim=True) + backward.square().sum(1, keepdim=True)) + _SLACK
    return (apart < room).to(backward)


def smooth(backward):
    """1 where the flow changes little from pixel to pixel, 0 at the edges of motion (Ruder et al. 2016, eq. 6): [B, 1, H, W]."""
    right = F.pad(backward.diff(dim=3), (0, 1, 0, 0))
    down = F.pad(backward.diff(dim=2), (0, 0, 0, 1))
    change = (right.square() + down.square()).sum(1, keepdim=True)
    return (change <= _EDGE * backward.square().sum(1, keepdim=True) + _EDGE_SLACK).to(backward)


def trust(backward, forward):
    """1 where the warped picture can be believed: seen in both frames, not at an edge of motion, not from outside: [B, 1, H, W]."""
    return consistent(backward, forward) * smooth(backward) * inside(backward)
