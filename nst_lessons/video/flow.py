"""Lesson 11: optical flow, which pixel went where. OpenCV's DIS needs no weights; RAFT needs torchvision's."""
import functools

import numpy as np
import torch
from torch.nn import functional as F

from .. import loading
from ..images import to_pil
from .files import VideoError

METHODS = ("dis", "raft")
_RAFT_MULTIPLE, _RAFT_LEAST = 8, 128                                       # sides that RAFT can work with


def flow(first, second, method="dis"):
    """Flow [1, 2, H, W] in px from `first` to `second`, two pictures [1, 3, H, W]: what is at x in the first is at x + flow(x) in the second.

    method: "dis" (Kroeger et al. 2016; OpenCV, medium) or "raft" (Teed & Deng 2020; torchvision's weights).
    Raises ValueError for unequal sizes, VideoError without OpenCV, WeightsError without RAFT's weights.
    """
    if method not in METHODS:
        raise ValueError(f"unknown flow {method!r}; choose one of {', '.join(METHODS)}")
    if first.shape != second.shape or first.ndim != 4 or first.shape[:2] != (1, 3):
        raise ValueError(f"flow wants two pictures [1, 3, H, W] of one size, got {list(first.shape)} and {list(second.shape)}")
    return {"dis": _dis, "raft": _raft}[method](first, second)


def _dis(first, second):
    """DIS on gray pictures, of 12 px at least."""
    try:
        import cv2
    except ImportError:
        raise VideoError("optical flow needs OpenCV: pip install 'nst_lessons[video]'") from None
    finder = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    gray = [np.ascontiguousarray(np.asarray(to_pil(picture).convert("L"))) for picture in (first, second)]
    found = finder.calc(*gray, None)                                       # [H, W, 2]
    return torch.from_numpy(np.ascontiguousarray(found)).permute(2, 0, 1)[None].to(first)


@functools.cache
def _raft_network():
    """RAFT with torchvision's weights, frozen; loaded once."""
    from torchvision.models.optical_flow import raft_small
    state = loading.torchvision_weights("raft_small", "C_T_V2", "the flow 'dis' needs no weights")
    return loading.load_into(raft_small(weights=None), state).eval().requires_grad_(False)


@torch.no_grad()
def _raft(first, second):
    """RAFT's last guess; pictures are padded to what it can work with."""
    height, width = first.shape[2:]
    below, right = (max(_RAFT_LEAST, -(-side // _RAFT_MULTIPLE) * _RAFT_MULTIPLE) - side for side in (height, width))
    padded = [F.pad(picture.cpu().float() * 2 - 1, (0, right, 0, below), mode="replicate") for picture in (first, second)]
    return _raft_network()(*padded)[-1][..., :height, :width].to(first)


def flow_color(flow, largest=None):
    """A flow [1, 2, H, W] as a picture [1, 3, H, W]: direction is hue, speed is strength of color; white stands still.

    largest: px that are full color (None: the 99th percentile of this flow's speeds, at least 1).
    """
    x, y = flow[:, 0], flow[:, 1]
    speed = torch.hypot(x, y)
    if largest is None:
        largest = max(1.0, torch.quantile(speed.flatten()[:: max(1, speed.numel() // 100_000)], 0.99).item())
    strength = (speed / largest).clamp(max=1)[:, None]                     # [1, 1, H, W]
    turn = torch.atan2(y, x)[:, None] / (2 * torch.pi)                     # -½ … ½ of a circle
    thirds = flow.new_tensor([0, 1 / 3, 2 / 3]).view(1, 3, 1, 1)
    pure = 0.5 + 0.5 * torch.cos(2 * torch.pi * (turn - thirds))           # red to the right, then by thirds of the circle
    return 1 - strength * (1 - pure)
