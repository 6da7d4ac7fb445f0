"""Lesson 11: pictures moved in a known way. What flow finds can be held against it, and a one-pass network can learn from it."""
import math
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from ..images import resize
from .files import Frame
from .warp import own_places


@dataclass(frozen=True)
class Motion:
    """A shift in px (right, down), a zoom and a turn (radians, from the x-axis to the y-axis) about the picture's middle."""
    right: float = 0.0
    down: float = 0.0
    zoom: float = 1.0
    turn: float = 0.0

    def matrix(self):
        """[2, 2]: turn and zoom."""
        c, s = self.zoom * math.cos(self.turn), self.zoom * math.sin(self.turn)
        return torch.tensor([[c, -s], [s, c]], dtype=torch.float32)

    def forward(self, shape):
        """Where each pixel goes: the exact flow before → now, [1, 2, H, W] for shape (H, W)."""
        return _affine(self.matrix(), torch.tensor([self.right, self.down], dtype=torch.float32), shape)

    def backward(self, shape):
        """Where each pixel was: the exact flow now → before, [1, 2, H, W]."""
        back = torch.linalg.inv(self.matrix())
        return _affine(back, -back @ torch.tensor([self.right, self.down], dtype=torch.float32), shape)


def _affine(matrix, shift, shape):
    """Flow x′ − x of x′ = M (x − m) + shift + m, m the middle."""
    middle = torch.tensor([(shape[1] - 1) / 2, (shape[0] - 1) / 2]).view(1, 2, 1, 1)
    at = own_places(torch.zeros(1, 2, *shape)) - middle                    # [1, 2, H, W]
    return torch.einsum("ij,bjhw->bihw", matrix, at) + shift.view(1, 2, 1, 1) - at


def random_motion(rng, shift=6.0, zoom=0.05, turn=0.05):
    """A Motion of at most `shift` px each way, 1 ± `zoom` and ± `turn` radians; `rng`: random.Random."""
    return Motion(rng.uniform(-shift, shift), rng.uniform(-shift, shift), 1 + rng.uniform(-zoom, zoom), rng.uniform(-turn, turn))


def pan(photo, shape, count, step=(2.0, 0.5), noise=0.0, seed=0):
    """A camera that moves over a photograph: yields `count` Frames of (H, W), each with `step` = (right, down) px more of it shown.

    Its flow is exact: backward (+right, +down), forward the opposite, everywhere. `noise`: deviation of a sensor's noise in each
    frame. photo: [1, 3, H′, W′], enlarged until the whole way fits.
    """
    room = [side + math.ceil(abs(by) * (count - 1)) + 4 for side, by in zip(shape, reversed(step))]
    scale = max(1, *(need / side for need, side in zip(room, photo.shape[2:])))
    photo = resize(photo, tuple(math.ceil(side * scale) for side in photo.shape[2:]))
    generator = torch.Generator().manual_seed(seed)
    for number in range(count):
        left, top = (1 + by * number if by >= 0 else 1 - by * (count - 1 - number) for by in step)
        image = _window(photo, left, top, shape)
        yield Frame((image + noise * torch.randn(image.shape, generator=generator)).clamp(0, 1), number, 1)


def crossing(back, thing, mask, count, step=(2, 1), start=(6, 6), noise=0.0, seed=0):
    """A thing that crosses a picture that stands still: yields (Frame, where it is [1, 1, H, W]), `step` px further each time.

    back: [1, 3, H, W]; thing, mask: [1, 3, h, w] and [1, 1, h, w]; `start`, `step`: (right, down), whole px, inside the picture.
    The flow is exact: forward `step` where the thing is, zero elsewhere; backward its opposite. Raises ValueError for a way that leaves.
    """
    generator = torch.Generator().manual_seed(seed)
    (height, width), (h, w) = back.shape[2:], thing.shape[2:]
    for number in range(count):
        left, top = (begin + number * by for begin, by in zip(start, step))
        if not (0 <= left <= width - w and 0 <= top <= height - h):
            raise ValueError(f"after {number} frames the thing leaves the picture; give fewer frames or smaller steps")
        where = F.pad(mask, (left, width - w - left, top, height - h - top))
        image = F.pad(thing * mask, (left, width - w - left, top, height - h - top)) + (1 - where) * back
        yield Frame((image + noise * torch.randn(image.shape, generator=generator)).clamp(0, 1), number, 1), where


def _window(picture, left, top, shape):
    """The part (H, W) of a picture whose corner is at (left, top), which may lie between pixels: bilinear."""
    x, y = math.floor(left), math.floor(top)
    right, down = left - x, top - y
    part = picture[..., y:y + shape[0] + 1, x:x + shape[1] + 1]
    part = part[..., :-1] * (1 - right) + part[..., 1:] * right
    return part[..., :-1, :] * (1 - down) + part[..., 1:, :] * down
