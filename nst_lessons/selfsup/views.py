"""Two views of one photograph, and the points that both of them show. Where two views agree is all that the network is told."""
import torch
from torch.nn import functional as F

from ..fast.training import crop

LEAST = 0.6        # a view's side, at least, as a share of the part that both views come from: any two overlap by a fifth


def jittered(picture, rng):
    """[1, 3, h, w] in [0, 1] in another light: brightness, contrast, saturation; one in seven gray; a little noise. `rng`: a random.Random."""
    gray = picture.mean(1, keepdim=True)
    color = (picture - gray) * (0 if rng.random() < 1 / 7 else rng.uniform(0.5, 1.5))
    middle = gray.mean()
    lit = (gray - middle) * rng.uniform(0.6, 1.4) + middle + rng.uniform(-0.15, 0.15) + color
    noise = torch.randn(picture.shape, generator=torch.Generator().manual_seed(rng.getrandbits(62)))
    return (lit + rng.uniform(0, 0.06) * noise).clamp(0, 1)


def two_views(photo, size, seen, points, rng):
    """A photograph [1, 3, H, W], floats or bytes → (two views [1, 3, size, size] each, their points [1, P, 2] each, turns).

    Both are squares of one part of the photograph, which was turned by `turns` quarters before; each has its own light. Point p is at the
    same place of the photograph in both: x, y from −1 (left, upper edge) to 1. `seen`: how large the photograph is imagined, px.
    """
    long = round(1.5 * size)
    turns = rng.randrange(4)
    part = torch.rot90(crop(photo, long, seen, rng), turns, (2, 3))
    sides = [round(long * rng.uniform(LEAST, 1)) for _ in range(2)]
    corners = [(rng.randint(0, long - side), rng.randint(0, long - side)) for side in sides]                # left, top
    low = [max(corner[axis] for corner in corners) for axis in (0, 1)]
    high = [min(corner[axis] + side for corner, side in zip(corners, sides)) for axis in (0, 1)]
    places = torch.tensor([[rng.uniform(low[axis], high[axis]) for axis in (0, 1)] for _ in range(points)])[None]
    views, found = [], []
    for (left, top), side in zip(corners, sides):
        view = F.interpolate(part[..., top:top + side, left:left + side], (size, size), mode="bilinear", antialias=True, align_corners=False)
        views.append(jittered(view, rng))
        found.append((places - torch.tensor([left, top])) / side * 2 - 1)
    return *views, *found, turns


def at_points(act, points):
    """Activations [B, C, H, W] at points [B, P, 2], between positions bilinearly: [B·P, C]."""
    return F.grid_sample(act, points[:, :, None].to(act), padding_mode="border", align_corners=False)[..., 0].transpose(1, 2).flatten(0, 1)
