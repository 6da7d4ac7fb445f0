"""Lesson 11: what comes from inside, what was hidden, the temporal loss. The oracles are loops in float64."""
import math

import torch

from .verdict import Wrong, differentiable, exercise, same, untouched

_CONSISTENT, _SLACK = 0.01, 0.5                                            # Ruder et al. 2016, eq. 5


def _some(*shape, seed=0, by=1.0):
    return by * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


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


def _shaped(answer, batch, height, width, what):
    """Refuses, in plain words, masks of another shape than [B, 1, H, W]."""
    if not isinstance(answer, torch.Tensor):
        return
    shape = list(answer.shape)
    if shape == [batch, height, width]:
        raise Wrong(f"{what} has lost a dimension: [B, 1, H, W] is wanted, so that it can weigh pictures [B, 3, H, W]; yours is [B, H, W]")
    if shape == [batch, 2, height, width]:
        raise Wrong(f"{what} has a channel for x and one for y; one answer for each pixel is wanted, [B, 1, H, W]")
    if shape == [batch, 1, width, height] and height != width:
        raise Wrong(f"{what} is [B, 1, W, H]: rows come first, [B, 1, H, W]")


# --- 11.1 ------------------------------------------------------------------------------------------------------------

_AT = {
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
        _shaped(answer, batch, height, width, "your mask")
        truth = _inside(flow)
        same(answer, truth, f"the mask of a flow {list(flow.shape)}", _other(_masks_of_inside(flow, truth), truth))


def _inside(flow, at=lambda x, y, dx, dy: (x + dx, y + dy), right=lambda w: w - 1, both=lambda x, y: x and y, within=lambda v, end: 0 <= v <= end):
    """1 where a pixel's place at(x, y, flow) lies between 0 and right(side), by a loop: [B, 1, H, W]."""
    batch, _, height, width = flow.shape
    out = torch.zeros(batch, 1, height, width)
    for b in range(batch):
        for y in range(height):
            for x in range(width):
                px, py = at(x, y, *flow[b, :, y, x].tolist())
                out[b, 0, y, x] = both(within(px, right(width)), within(py, right(height)))
    return out


def _masks_of_inside(flow, truth):
    """[(message, what this slip gives)]."""
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
    """(backward, forward): smooth flows that undo each other in many places, with none so near the limit that rounding would decide."""
    for attempt in range(50):
        coarse = _some(batch, 2, 3, 4, seed=1000 * attempt + seed, by=2.5)
        backward = torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear", align_corners=True)
        forward = -backward + _some(batch, 2, height, width, seed=1000 * attempt + seed + 500, by=0.45)
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
    for batch, height, width, seed in [(1, 9, 12, 0), (2, 8, 7, 5)]:
        backward, forward = _flows(batch, height, width, seed)
        answer = untouched(there_and_back, backward, forward, crashes=_WARPED)
        _shaped(answer, batch, height, width, "your mask")
        truth = _agree(backward, _read(forward, backward))
        same(answer, truth, f"the mask of flows {list(backward.shape)}", _other(_masks_of_agreement(backward, forward, truth), truth))


def _sum(values):
    return values.sum(1, keepdim=True)


def _agree(w, there, apart=None, room=None):
    """1 where |w̃ + ŵ|² < 0.01 (|w̃|² + |ŵ|²) + 0.5, or with another left or right side: [B, 1, H, W]."""
    w, there = w.double(), there.double()
    apart = _sum((there + w).square()) if apart is None else apart
    return (apart < (_CONSISTENT * (_sum(there.square()) + _sum(w.square())) + _SLACK if room is None else room)).float()


def _masks_of_agreement(backward, forward, truth):
    """[(message, what this slip gives)]."""
    w, f, there = backward.double(), forward.double(), _read(forward, backward)
    a, b, apart = _sum(there.square()), _sum(w.square()), _sum((there + w).square())
    usual = _CONSISTENT * (a + b) + _SLACK
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
        ("0.5 is missing, or is scaled by 0.01 too: slow places would be allowed no error at all", _agree(w, there, room=_CONSISTENT * (a + b))),
        ("only 0.5 px² is allowed everywhere: fast motion gets more room, 0.01 (|w̃|² + |ŵ|²)", _agree(w, there, room=torch.full_like(apart, _SLACK))),
        ("0.5 is missing, or is scaled by 0.01 too: slow places would be allowed no error at all", _agree(w, there, room=_CONSISTENT * (a + b + _SLACK))),
        ("0.01 multiplies both squares: parentheses are missing", _agree(w, there, room=_CONSISTENT * a + b + _SLACK)),
        ("everything is trusted: nothing is compared, or the squares on the right are not scaled by 0.01", _agree(w, there, room=a + b + _SLACK)),
        ("0.1 stands where 0.01 should", _agree(w, there, room=0.1 * (a + b) + _SLACK)),
        ("on the left is a length, on the right are squares: square the left, too", _agree(w, there, apart.sqrt())),
        ("these are lengths; squares are wanted on both sides", _agree(w, there, apart.sqrt(), _CONSISTENT * (a.sqrt() + b.sqrt()) + _SLACK)),
        ("on the right are lengths; squares are wanted", _agree(w, there, room=_CONSISTENT * (a.sqrt() + b.sqrt()) + _SLACK)),
        ("|ŵ|² is missing on the right", _agree(w, there, room=_CONSISTENT * a + _SLACK)),
        ("|w̃|² is missing on the right", _agree(w, there, room=_CONSISTENT * b + _SLACK)),
        ("on the right stands (|w̃| + |ŵ|)²; square each, then add", _agree(w, there, room=_CONSISTENT * (a.sqrt() + b.sqrt()) ** 2 + _SLACK)),
        ("on the right the sum of the two flows is squared, which is near zero: square each, then add", _agree(w, there, room=_CONSISTENT * apart + _SLACK)),
        ("x and y are averaged: |·|² is the sum of both squares", _agree(w, there, apart / 2, _CONSISTENT * (a + b) / 2 + _SLACK)),
        ("on the left x and y are averaged: |·|² is the sum of both squares", _agree(w, there, apart / 2)),
        ("x and y are added before they are squared: |·|² is the sum of both squares", _agree(w, there, _sum(there + w).square())),
        ("only x is looked at: |·|² is the sum of both squares", _agree(w, there, (there + w)[:, :1].square())),
        ("only x is looked at: |·|² is the sum of both squares", _agree(w[:, :1], there[:, :1])),
        ("everything is trusted: nothing is compared, or the squares on the right are not scaled by 0.01", torch.ones_like(truth)),
        ("every picture of the batch has the first one's mask", truth[:1].expand_as(truth)),
    ]


# --- 11.3 ------------------------------------------------------------------------------------------------------------

_LOSS = {
    "wants a flow": "warp(image, flow) takes the picture first and the flow second",
    "cannot be converted to Scalar": "one number for each picture is wanted, a tensor [B]: leave out .item() and float()",
}


@exercise("11.3", "what can be trusted is held to the frame before, one number for each picture, and a gradient gets through.")
def check_temporal_loss(temporal_loss):
    """Tries temporal_loss(image [B, 3, H, W], before [1, 3, H, W], backward [1, 2, H, W], mask [1, 1, H, W]) → [B]."""
    for batch, height, width, seed in [(3, 6, 4, 1), (1, 5, 7, 0)]:
        image, before = (_some(batch if k else 1, 3, height, width, seed=seed + k, by=0.3) + 0.5 for k in (1, 0))
        backward = _some(1, 2, height, width, seed=seed + 7, by=1.5)
        mask = (_some(1, 1, height, width, seed=seed + 8) * 0.7 + 0.5).clamp(0, 1)          # some 0, some 1, some between
        answer = untouched(temporal_loss, image, before, backward, mask, crashes=_LOSS)
        truth, slips = _losses(image.double(), before.double(), backward, mask.double())
        same(answer, truth, f"the loss of {batch} picture{'s' if batch > 1 else ''} {list(image.shape)}", _other(slips, truth))
    differentiable(lambda given: temporal_loss(given, before, backward, mask), image, what="your loss")


def _losses(x, before, backward, c):
    """(the truth [B], [(message, what this slip gives)])."""
    w, over = _read(before, backward), dict(dim=(1, 2, 3))
    mean = lambda squares: squares.mean(**over)
    squares = c * (x - w).square()
    truth, plain = mean(squares), mean((x - w).square())
    trusted = squares.sum(**over) / (c.sum() * 3)
    ahead = torch.cat([_read(one[None], backward) for one in x])
    return truth, [
        ("the frame before is not warped: bring it to where things are now, warp(before, backward)", mean(c * (x - before).square())),
        ("this frame is warped; it is the frame *before* that is brought to where things are now", mean(c * (ahead - before).square())),
        ("both pictures are warped; only the frame before has to move", mean(c * (ahead - w).square())),
        ("it is warped the wrong way: warp(before, backward), without a minus", mean(c * (x - _read(before, -backward)).square())),
        ("the mask is not used: where something was hidden, the old picture says nothing", plain),
        ("the mask is turned around: it is 1 where the warped picture can be trusted", mean((1 - c) * (x - w).square())),
        ("the mask is squared: it weighs the square, c · (x − w)²", mean((c * (x - w)).square())),
        ("the mask weighs the picture alone; it weighs the square of the difference", mean((c * x - w).square())),
        ("the mask weighs the warped picture alone; it weighs the square of the difference", mean((x - c * w).square())),
        ("the mask is taken for yes or no: where it is 0.3, the square counts 0.3", mean((c > 0) * (x - w).square())),
        ("you divided by the trusted pixels, as the measure of flicker does; here by all values, C·H·W, so that little trust is little force", trusted),
        ("you divided by the sum of the mask; all values count, C·H·W", squares.sum(**over) / c.sum()),
        ("that is the sum; the mean over all values is wanted, ÷ C·H·W", squares.sum(**over)),
        ("that is the sum for the whole batch; the mean over all values is wanted, one for each picture: [B]", squares.sum()),
        ("you divided by H·W; all values count, C·H·W", 3 * truth),
        ("absolute differences instead of squares", mean(c * (x - w).abs())),
        ("you took the root: the mean square is wanted", truth.sqrt()),
        ("that is half of it: no ½ is wanted here", truth / 2),
        ("you added up before you squared: square each difference", mean(c * (x - w)).square()),
        ("nothing is squared: differences cancel", mean(c * (x - w))),
        ("the pictures of the batch are averaged: one number for each, shape [B]", truth.mean()),
        ("the pictures of the batch are added up: one number for each, shape [B]", truth.sum()),
        ("divided by the pictures of the batch, too: one number for each", truth / len(x)),
        ("the right numbers, with dimensions left over: leave out keepdim, [B] is wanted", truth[:, None, None, None]),
        ("one number for each pixel is left: take the mean over channels, rows and columns, dim=(1, 2, 3)", squares),
        ("the mask is not used, and that is one number for the whole batch: one for each, shape [B]", plain.mean()),
    ]
