"""Lesson 11: what comes from inside, and what was hidden. The oracles are loops in float64."""
import math

import torch

from .verdict import Wrong, exercise, same, seeded, untouched

_CONSISTENT, _SLACK = 0.01, 0.5                                            # Ruder et al. 2016, eq. 5


def _some(*shape, seed=0, by=1.0):
    return by * torch.randn(*shape, generator=seeded(seed))


def _read(image, flow):
    """image at x + flow(x) by a loop, bilinear, beyond the border the border: [B, C, H, W] and [B, 2, H, W] → [B, C, H, W], float64."""
    batch, channels, height, width = image.shape
    image, out = image.double(), torch.zeros(batch, channels, height, width, dtype=torch.float64)
    for b in range(batch):
        for y in range(height):
            for x in range(width):
                dx, dy = flow[b % len(flow), :, y, x].tolist()
                at_x, at_y = min(max(x + dx, 0), width - 1), min(max(y + dy, 0), height - 1)
                left, top = min(math.floor(at_x), width - 2), min(math.floor(at_y), height - 2)
                p, q = at_x - left, at_y - top
                corner = image[b, :, top:top + 2, left:left + 2]
                out[b, :, y, x] = ((1 - q) * ((1 - p) * corner[:, 0, 0] + p * corner[:, 0, 1])
                                   + q * ((1 - p) * corner[:, 1, 0] + p * corner[:, 1, 1]))
    return out


def _other(slips, truth):
    """Those slips that do not give the truth here."""
    return [slip for slip in slips if slip[1].shape != truth.shape or not torch.allclose(slip[1].double(), truth.double(), rtol=1e-3, atol=1e-5)]


def _shaped(answer, batch, height, width, what="your mask"):
    """Refuses, in plain words, masks of another shape than [B, 1, H, W], or of other values than 0 and 1."""
    if not isinstance(answer, torch.Tensor):
        return
    shape = list(answer.shape)
    if not shape:
        raise Wrong(f"{what} is a single number; one answer for each pixel is wanted, [B, 1, H, W]: a sum over dim=1 alone leaves the pixels")
    if batch > 1 and shape in ([height, width], [1, 1, height, width]):
        raise Wrong(f"{what} is for one picture of the batch alone; [B, 1, H, W] is wanted: indexing with [0] takes the first picture, [:, 0] a channel")
    if shape in ([batch, height, width], [height, width]):
        raise Wrong(f"{what} has lost a dimension: [B, 1, H, W] is wanted, so that it can weigh pictures [B, 3, H, W]; yours is {shape}")
    if shape == [batch, 2, height, width]:
        raise Wrong(f"{what} has a channel for x and one for y; one answer for each pixel is wanted, [B, 1, H, W]")
    if shape == [batch, 1, width, height] and height != width:
        raise Wrong(f"{what} is [B, 1, W, H]: rows come first, [B, 1, H, W]")
    others = answer.detach().double()
    others = others[~torch.isclose(others, (others > 0.5).double(), rtol=0, atol=1e-4)]
    if shape == [batch, 1, height, width] and len(others):
        raise Wrong(f"{what} holds 1 or 0, yes or no; yours holds {others[0].item():.4g}. Compare with < or ≤, and join comparisons with & (not +)")


# --- 11.1 ------------------------------------------------------------------------------------------------------------

_AT = {
    "Boolean value of Tensor": "`and` and 0 <= x <= 5 know one yes or no, not one for each pixel: write (0 <= x) & (x <= 5)",
    "bitwise_and": "& comes before ≤ and ≥ unless each comparison has parentheses: (0 <= x) & (x <= 5)",
    "must match the size of tensor": "x goes with the width, y with the height: compare flow[:, 0] with columns 0 … W − 1, flow[:, 1] with rows 0 … H − 1",
}


@exercise("11.1", "inside is 1, outside 0, the outermost pixels are still inside, and the pictures of a batch stay apart.")
def check_comes_from_inside(comes_from_inside):
    """Tries comes_from_inside(flow [B, 2, H, W]) → [B, 1, H, W]: 1 where x + flow(x) lies in the picture."""
    for batch, height, width, seed in [(1, 6, 9, 0), (2, 8, 5, 1)]:
        flow = _some(batch, 2, height, width, seed=seed, by=3.0)
        flow[:, 0, 2, 0], flow[:, 0, 2, 1] = 0.0, width - 2.0                              # exactly on the border: inside
        flow[:, 1, 0, 2], flow[:, 1, 1, 2], flow[:, 0, :2, 2] = 0.0, height - 2.0, 0.0
        flow[:, 0, 3, -1], flow[:, 1, 3, -1] = 0.4, 0.0                                    # just beyond it
        flow[:, 1, -1, 3], flow[:, 0, -1, 3] = 0.4, 0.0
        flow[:, 0, 4, 0], flow[:, 1, 4, 0] = -0.4, 0.0
        flow[:, 1, 0, 1], flow[:, 0, 0, 1] = -0.4, 0.0
        answer = untouched(comes_from_inside, flow, what="your function", crashes=_AT)
        _shaped(answer, batch, height, width)
        truth = _inside(flow)
        same(answer, truth, f"the mask of a flow {list(flow.shape)}", _other(_masks_of_inside(flow, truth), truth))


def _inside(flow, at=lambda x, y, dx, dy: (x + dx, y + dy), right=lambda w: w - 1, both=lambda x, y: x and y,
            within=lambda v, end: 0 <= v <= end, down=None, sides=lambda h, w: (h, w)):
    """1 where a pixel's place at(x, y, flow) lies between 0 and right(side), by a loop: [B, 1, H, W]. down: `within` for y, if another."""
    batch, _, height, width = flow.shape
    h, w = sides(height, width)
    out = torch.zeros(batch, 1, height, width)
    for b in range(batch):
        for y in range(height):
            for x in range(width):
                px, py = at(x, y, *flow[b, :, y, x].tolist())
                out[b, 0, y, x] = both(within(px, right(w)), (down or within)(py, right(h)))
    return out


def _masks_of_inside(flow, truth):
    """[(message, what this slip gives)]."""
    usual, strict, beyond, wide = lambda v, end: 0 <= v <= end, lambda v, end: 0 <= v < end, lambda v, end: 0 <= v < end + 1, lambda v, end: 0 <= v <= end + 1
    return [
        ("it is turned around: 1 where the place lies inside, 0 outside", 1 - truth),
        ("you went the other way: the place is x + flow(x), not x − flow(x)", _inside(flow, lambda x, y, dx, dy: (x - dx, y - dy))),
        ("x and y are swapped: flow[:, 0] goes to the right, flow[:, 1] down", _inside(flow, lambda x, y, dx, dy: (x + dy, y + dx))),
        ("that asks of the flow itself whether it lies in the picture; where a pixel comes from is its own place and the flow: own_places(flow) + flow",
         _inside(flow, lambda x, y, dx, dy: (dx, dy))),
        ("the last column is W − 1 and the last row H − 1: between W − 1 and W there is no pixel any more", _inside(flow, right=lambda side: side)),
        ("the last column is W − 1 and the last row H − 1: between W − 1 and W there is no pixel any more",
         _inside(flow, within=lambda v, end: 0 <= v < end + 1)),
        ("the last column and the last row are inside too: ≤, not <", _inside(flow, within=lambda v, end: 0 <= v < end)),
        ("the outermost pixels are inside too: ≤ and ≥, not < and >", _inside(flow, within=lambda v, end: 0 < v < end)),
        ("the first column and the first row are inside too: ≥ 0, not > 0", _inside(flow, within=lambda v, end: 0 < v <= end)),
        ("a place that lies outside on the left or above counts as inside: test for ≥ 0 too", _inside(flow, within=lambda v, end: v <= end)),
        ("a place that lies outside on the right or below counts as inside: test for ≤ W − 1 and ≤ H − 1 too", _inside(flow, within=lambda v, end: v >= 0)),
        ("one of the two sides is compared with <: the last column and the last row are inside too, ≤", _inside(flow, within=strict, down=usual)),
        ("one of the two sides is compared with <: the last column and the last row are inside too, ≤", _inside(flow, down=strict)),
        *[("one of the two sides is too long: x ends at W − 1 and y at H − 1, flow.shape[3] - 1 and flow.shape[2] - 1", _inside(flow, within=a, down=b))
          for a, b in [(beyond, usual), (usual, beyond), (wide, usual), (usual, wide)]],
        ("width and height are swapped: x, channel 0, ends at flow.shape[3] - 1, and y, channel 1, at flow.shape[2] - 1",
         _inside(flow, sides=lambda h, w: (w, h))),
        ("x and y are both held against the width; y ends at flow.shape[2] - 1", _inside(flow, sides=lambda h, w: (w, w))),
        ("x and y are both held against the height; x ends at flow.shape[3] - 1", _inside(flow, sides=lambda h, w: (h, h))),
        ("places count from 0, not from 1: x goes from 0 to W − 1, y from 0 to H − 1", _inside(flow, within=lambda v, end: 1 <= v <= end + 1)),
        ("only x has its own place added: y needs it too, y + flow[:, 1]", _inside(flow, lambda x, y, dx, dy: (x + dx, dy))),
        ("only y has its own place added: x needs it too, x + flow[:, 0]", _inside(flow, lambda x, y, dx, dy: (dx, y + dy))),
        ("one of x and y inside is not enough: both must be, & and not |", _inside(flow, both=lambda x, y: x or y)),
        ("only x is looked at: a place can leave the picture above and below, too", _inside(flow, both=lambda x, y: x)),
        ("only y is looked at: a place can leave the picture left and right, too", _inside(flow, both=lambda x, y: y)),
        ("the place is rounded first: half a pixel outside is outside", _inside(flow, lambda x, y, dx, dy: (round(x + dx), round(y + dy)))),
        ("the place is cut to whole px first: a little to the left of the picture is outside", _inside(flow, lambda x, y, dx, dy: (int(x + dx), int(y + dy)))),
        ("every pixel is 1: nothing is compared", torch.ones_like(truth)),
        ("every picture of the batch has the first one's mask", truth[:1].expand_as(truth)),
    ]


# --- 11.2 ------------------------------------------------------------------------------------------------------------

def _flows(batch, height, width, seed):
    """(backward, forward): flows, slow and fast, that undo each other in many places, with none so near the limit that rounding would decide."""
    for attempt in range(50):
        coarse = _some(batch, 2, 2, 3, seed=1000 * attempt + seed, by=8.0)
        slow = torch.linspace(0, 1, width)                                 # the left hardly moves: there even a wrong sign agrees
        backward = slow * torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear", align_corners=True)
        wrong = 1.2 * (_SLACK / 2 + _CONSISTENT * _sum(backward.square())).sqrt()              # about as much as is allowed, at every speed
        forward = -_read(backward, -backward).float() + wrong * _some(batch, 2, height, width, seed=1000 * attempt + seed + 500)
        there = _read(forward, backward)
        back = backward.double()
        apart = (there + back).square().sum(1)
        room = _CONSISTENT * (there.square().sum(1) + back.square().sum(1)) + _SLACK
        if (apart - room).abs().min() > 1e-3 and 0.2 < (apart < room).float().mean() < 0.8:
            return backward, forward
    raise RuntimeError("no flows for the check")


_WARPED = {
    "wants a flow": "warp(image, flow) takes what is carried first and the flow second, which has two channels",
    "argument of type 'builtin_function_or_method'": "a method is named but not called: parentheses are missing",
}


@exercise("11.2", "1 where there and back ends where it began, 0 where something was hidden, and faster motion gets more room.")
def check_there_and_back(there_and_back):
    """Tries there_and_back(backward, forward), both [B, 2, H, W], → [B, 1, H, W] (Ruder et al. 2016, eq. 5)."""
    for batch, height, width, seed in [(1, 16, 20, 8), (2, 12, 10, 57)]:            # these tell all slips below apart
        backward, forward = _flows(batch, height, width, seed)
        answer = untouched(there_and_back, backward, forward, crashes=_WARPED)
        _shaped(answer, batch, height, width)
        truth = _agree(backward, _read(forward, backward))
        same(answer, truth, f"the mask of flows {list(backward.shape)}", _other(_masks_of_agreement(backward, forward, truth), truth))


def _sum(values):
    return values.sum(1, keepdim=True)


def _own(flow):
    """Each pixel's own place, (x, y): [1, 2, H, W], float64."""
    y, x = torch.meshgrid(*(torch.arange(side, dtype=torch.float64) for side in flow.shape[2:]), indexing="ij")
    return torch.stack([x, y])[None]


def _agree(w, there, apart=None, room=None):
    """1 where |w̃ + ŵ|² < 0.01 (|w̃|² + |ŵ|²) + 0.5, or with another left or right side: [B, 1, H, W]."""
    w, there = w.double(), there.double()
    apart = _sum((there + w).square()) if apart is None else apart
    return (apart < (_CONSISTENT * (_sum(there.square()) + _sum(w.square())) + _SLACK if room is None else room)).float()


def _masks_of_another_room(w, there, a, b, apart):
    """The slips on the right side of the inequality: [(message, what this slip gives)]."""
    return [
        ("0.5 is missing, or is scaled by 0.01 too: slow places would be allowed no error at all", _agree(w, there, room=_CONSISTENT * (a + b))),
        ("only 0.5 px² is allowed everywhere: fast motion gets more room, 0.01 (|w̃|² + |ŵ|²)", _agree(w, there, room=torch.full_like(apart, _SLACK))),
        ("0.5 is missing, or is scaled by 0.01 too: slow places would be allowed no error at all", _agree(w, there, room=_CONSISTENT * (a + b + _SLACK))),
        ("0.01 multiplies both squares: parentheses are missing", _agree(w, there, room=_CONSISTENT * a + b + _SLACK)),
        ("everything is trusted: nothing is compared, or the squares on the right are not scaled by 0.01", _agree(w, there, room=a + b + _SLACK)),
        ("0.1 stands where 0.01 should", _agree(w, there, room=0.1 * (a + b) + _SLACK)),
        ("0.001 stands where 0.01 should", _agree(w, there, room=0.001 * (a + b) + _SLACK)),
        ("0.05 stands where 0.5 should", _agree(w, there, room=_CONSISTENT * (a + b) + 0.05)),
        ("5 stands where 0.5 should", _agree(w, there, room=_CONSISTENT * (a + b) + 5)),
        ("0.01 and 0.5 have changed places", _agree(w, there, room=_SLACK * (a + b) + _CONSISTENT)),
        ("on the right the squares are multiplied; add them", _agree(w, there, room=_CONSISTENT * a * b + _SLACK)),
        ("on the right the squares are subtracted; add them", _agree(w, there, room=_CONSISTENT * (a - b) + _SLACK)),
        ("on the right the squares are subtracted; add them", _agree(w, there, room=_CONSISTENT * (b - a) + _SLACK)),
        ("on the right |ŵ|² stands twice, and |w̃|² not at all", _agree(w, there, room=_CONSISTENT * 2 * b + _SLACK)),
        ("on the right |w̃|² stands twice, and |ŵ|² not at all", _agree(w, there, room=_CONSISTENT * 2 * a + _SLACK)),
        ("on the right are lengths; squares are wanted", _agree(w, there, room=_CONSISTENT * (a.sqrt() + b.sqrt()) + _SLACK)),
        ("|ŵ|² is missing on the right", _agree(w, there, room=_CONSISTENT * a + _SLACK)),
        ("|w̃|² is missing on the right", _agree(w, there, room=_CONSISTENT * b + _SLACK)),
        ("on the right stands (|w̃| + |ŵ|)²; square each, then add", _agree(w, there, room=_CONSISTENT * (a.sqrt() + b.sqrt()) ** 2 + _SLACK)),
        ("on the right the sum of the two flows is squared, which is near zero: square each, then add", _agree(w, there, room=_CONSISTENT * apart + _SLACK)),
    ]


def _masks_of_agreement(backward, forward, truth):
    """[(message, what this slip gives)]."""
    w, f, there = backward.double(), forward.double(), _read(forward, backward)
    a, b, apart = _sum(there.square()), _sum(w.square()), _sum((there + w).square())
    other = _read(backward, forward)
    return [
        ("it is turned around: 1 where they agree, 0 where something was hidden", 1 - truth),
        ("the two flows should undo each other: their *sum* is near zero, not their difference", _agree(w, there, _sum((there - w).square()))),
        ("the forward flow is read at each pixel's place *now*; ask it where the pixel was: warp(forward, backward)", _agree(w, f)),
        ("that begins in the frame before and goes there and back: the mask is for the pixels of *this* frame, warp(forward, backward) + backward",
         _agree(f, other)),
        ("that begins in the frame before and goes there and back: the mask is for the pixels of *this* frame, warp(forward, backward) + backward",
         _agree(w, there, _sum((other + f).square()))),
        ("the backward flow is carried along the forward one; here the forward flow is carried along the backward one: warp(forward, backward)",
         _agree(w, other)),
        ("the forward flow is carried along itself; it is carried along the backward flow: warp(forward, backward)", _agree(w, _read(forward, forward))),
        ("it is carried the wrong way: warp(forward, backward), without a minus", _agree(w, _read(forward, -backward))),
        ("on the left the forward flow is read at each pixel's place *now*: w̃ is warp(forward, backward) on both sides",
         _agree(w, there, _sum((f + w).square()))),
        ("on the right the forward flow is read at each pixel's place *now*: w̃ is warp(forward, backward) on both sides",
         _agree(w, there, room=_CONSISTENT * (_sum(f.square()) + b) + _SLACK)),
        ("both flows are warped; the backward flow is asked at each pixel's own place, as it is", _agree(other, there)),
        ("the forward flow is read at whole px; a place between pixels is a mean of its neighbors, as warp takes it",
         _agree(w, _read(f, torch.round(w + _own(w)) - _own(w)))),
        ("warp adds each pixel's own place by itself; give it the flow alone", _agree(w, _read(f, w + _own(w)))),
        ("0.5 stands on the left; it is added to the right", _agree(w, there, apart + _SLACK, _CONSISTENT * (a + b))),
        ("these are sums of absolute values: |·|² is the sum of both squares",
         _agree(w, there, _sum((there + w).abs()), _CONSISTENT * (_sum(there.abs()) + _sum(w.abs())) + _SLACK)),
        ("no pixel is trusted, though many end where they began", torch.zeros_like(truth)),
        ("what comes from outside is taken out, too; that is another mask, here it is there and back alone", truth * _inside(backward)),
        ("on the left is a length, on the right are squares: square the left, too", _agree(w, there, apart.sqrt())),
        ("these are lengths; squares are wanted on both sides", _agree(w, there, apart.sqrt(), _CONSISTENT * (a.sqrt() + b.sqrt()) + _SLACK)),
        ("x and y are averaged: |·|² is the sum of both squares", _agree(w, there, apart / 2, _CONSISTENT * (a + b) / 2 + _SLACK)),
        ("on the left x and y are averaged: |·|² is the sum of both squares", _agree(w, there, apart / 2)),
        ("x and y are added before they are squared: |·|² is the sum of both squares", _agree(w, there, _sum(there + w).square())),
        ("only x is looked at: |·|² is the sum of both squares", _agree(w, there, (there + w)[:, :1].square())),
        ("only x is looked at: |·|² is the sum of both squares", _agree(w[:, :1], there[:, :1])),
        ("only y is looked at: |·|² is the sum of both squares", _agree(w[:, 1:], there[:, 1:])),
        ("x and y are added before they are squared: |·|² is the sum of both squares", _agree(_sum(w), _sum(there))),
        ("everything is trusted: nothing is compared, or the squares on the right are not scaled by 0.01", torch.ones_like(truth)),
        ("every picture of the batch has the first one's mask", truth[:1].expand_as(truth)),
        ("every picture of the batch is compared with the first one's forward flow", _agree(w, there[:1].expand_as(w))),
    ] + _masks_of_another_room(w, there, a, b, apart)
