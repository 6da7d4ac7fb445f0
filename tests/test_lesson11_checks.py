"""Lesson 11's checks: right answers however they are written, and the wrong ones that people write, each told why."""
import numpy as np
import pytest
import torch
from torch.nn import functional as F

from classroom import accepts, knows_a_stub, refuses
from nst_lessons.checks import check_comes_from_inside, check_temporal_loss, check_there_and_back
from nst_lessons.video import TemporalTerm, consistent, inside, own_places, warp


@pytest.mark.parametrize("check", [check_comes_from_inside, check_there_and_back, check_temporal_loss])
def test_stubs(check):
    knows_a_stub(check)


# --- 11.1 ------------------------------------------------------------------------------------------------------------

def within(flow, at=lambda p, f: p + f, low=lambda v: v >= 0, high=lambda v, end: v <= end, both=lambda x, y: x & y, less=1):
    """The pattern of most answers, with one thing or another changed."""
    place = at(own_places(flow), flow)
    x, y = place[:, :1], place[:, 1:]
    return both(low(x) & high(x, flow.shape[3] - less), low(y) & high(y, flow.shape[2] - less)).float()


def by_clamping(flow):
    """Inside is what clamping leaves where it is."""
    at = own_places(flow) + flow
    largest = torch.tensor([flow.shape[3] - 1, flow.shape[2] - 1]).view(1, 2, 1, 1)
    return (at.clamp(min=torch.zeros_like(largest), max=largest) == at).all(dim=1, keepdim=True)


def by_numpy(flow):
    field = flow.numpy()
    rows, columns = np.mgrid[0:field.shape[2], 0:field.shape[3]]
    x, y = field[:, 0] + columns, field[:, 1] + rows
    return torch.from_numpy(((x >= 0) & (x <= field.shape[3] - 1) & (y >= 0) & (y <= field.shape[2] - 1))[:, None])


def with_own_ranges(flow):
    x = flow[:, 0] + torch.arange(flow.shape[3])
    y = flow[:, 1] + torch.arange(flow.shape[2])[:, None]
    return torch.where((x < 0) | (y < 0) | (x > flow.shape[3] - 1) | (y > flow.shape[2] - 1), 0, 1).unsqueeze(1)


def test_right_insides(capsys):
    accepts(check_comes_from_inside, capsys, inside, within, by_clamping, by_numpy, with_own_ranges)


def shifted(flow):
    flow += own_places(flow)
    return within(flow, lambda p, f: f)


INSIDE = {
    "turned around": lambda f: 1 - within(f),
    "you went the other way": lambda f: within(f, lambda p, f: p - f),
    "x and y are swapped": lambda f: within(f.flip(1)),
    "the flow itself": lambda f: within(f, lambda p, f: f),
    "there is no pixel any more": lambda f: within(f, less=0),
    "is no pixel any more": lambda f: within(f, high=lambda v, end: v < end + 1),
    "are inside too: ≤, not <": lambda f: within(f, high=lambda v, end: v < end),
    "the outermost pixels are inside": lambda f: within(f, low=lambda v: v > 0, high=lambda v, end: v < end),
    "the first row are inside too": lambda f: within(f, low=lambda v: v > 0),
    "outside on the left": lambda f: within(f, low=lambda v: v == v),
    "outside on the right": lambda f: within(f, high=lambda v, end: v == v),
    "one of x and y": lambda f: within(f, both=lambda x, y: x | y),
    "only x is looked at": lambda f: within(f, both=lambda x, y: x),
    "only y is looked at": lambda f: within(f, both=lambda x, y: y),
    "rounded first": lambda f: within(f, lambda p, f: (p + f).round()),
    "cut to whole px first": lambda f: within(f, lambda p, f: (p + f).long()),
    "nothing is compared": lambda f: torch.ones_like(f[:, :1]),
    "the first one's mask": lambda f: within(f[:1]).expand(len(f), -1, -1, -1),
    "has lost a dimension": lambda f: within(f)[:, 0],
    "a channel for x": lambda f: within(f).expand(-1, 2, -1, -1),
    "rows come first": lambda f: within(f).transpose(2, 3),
    "x goes with the width": lambda f: f[:, 0] + torch.arange(f.shape[2]) >= 0,
    "changes the tensor": shifted,
    "is None": lambda f: None,
    "has shape": lambda f: within(f)[..., 1:],
    "is a bool": lambda f: bool(within(f).all()),
}


@pytest.mark.parametrize("says", INSIDE)
def test_wrong_insides(says):
    refuses(check_comes_from_inside, INSIDE[says], says)


# --- 11.2 ------------------------------------------------------------------------------------------------------------

def size(flow):
    return flow.square().sum(dim=1, keepdim=True)


def agree(backward, forward, there=warp, apart=lambda t, w: size(t + w), room=lambda t, w: 0.01 * (size(t) + size(w)) + 0.5):
    w, t = backward, there(forward, backward)
    return (apart(t, w) < room(t, w)).float()


def one_after_the_other(backward, forward):
    out = []
    for b, f in zip(backward, forward):
        t = warp(f[None], b[None])[0]
        out.append((t + b).norm(dim=0) ** 2 < 0.01 * ((t * t).sum(0) + (b * b).sum(0)) + 0.5)
    return torch.stack(out)[:, None]


def by_grid_sample(backward, forward):
    height, width = backward.shape[2:]
    at = (own_places(backward) + backward).double()
    grid = torch.stack([2 * at[:, 0] / (width - 1) - 1, 2 * at[:, 1] / (height - 1) - 1], dim=3)
    t = F.grid_sample(forward.double(), grid, padding_mode="border", align_corners=True)
    return ~((t + backward).pow(2).sum(1, keepdim=True) >= 0.01 * t.pow(2).sum(1, keepdim=True) + 0.01 * backward.pow(2).sum(1, keepdim=True) + 0.5)


def test_right_agreements(capsys):
    accepts(check_there_and_back, capsys, consistent, agree, one_after_the_other, by_grid_sample)


def length(flow):
    return size(flow).sqrt()


def in_place(backward, forward):
    mask = agree(backward, forward)
    forward += backward
    return mask


AGREE = {
    "turned around": lambda b, f: 1 - agree(b, f),
    "their *sum* is near zero": lambda b, f: agree(b, f, apart=lambda t, w: size(t - w)),
    "at each pixel's place *now*": lambda b, f: agree(b, f, lambda f, b: f),
    "the pixels of *this* frame": lambda b, f: agree(f, b),
    "goes there and back: the mask": lambda b, f: agree(b, f, apart=lambda t, w: size(warp(b, f) + f)),
    "the backward flow is carried": lambda b, f: agree(b, f, lambda f, b: warp(b, f)),
    "carried along itself": lambda b, f: agree(b, f, lambda f, b: warp(f, f)),
    "without a minus": lambda b, f: agree(b, f, lambda f, b: warp(f, -b)),
    "0.5 is missing, or": lambda b, f: agree(b, f, room=lambda t, w: 0.01 * (size(t) + size(w))),
    "fast motion gets more room": lambda b, f: agree(b, f, room=lambda t, w: torch.full_like(size(t), 0.5)),
    "or is scaled by 0.01 too": lambda b, f: agree(b, f, room=lambda t, w: 0.01 * (size(t) + size(w) + 0.5)),
    "parentheses are missing": lambda b, f: agree(b, f, room=lambda t, w: 0.01 * size(t) + size(w) + 0.5),
    "are not scaled by 0.01": lambda b, f: agree(b, f, room=lambda t, w: size(t) + size(w) + 0.5),
    "0.1 stands where": lambda b, f: agree(b, f, room=lambda t, w: 0.1 * (size(t) + size(w)) + 0.5),
    "on the left is a length": lambda b, f: agree(b, f, apart=lambda t, w: length(t + w)),
    "these are lengths": lambda b, f: agree(b, f, apart=lambda t, w: length(t + w), room=lambda t, w: 0.01 * (length(t) + length(w)) + 0.5),
    "on the right are lengths; squares": lambda b, f: agree(b, f, room=lambda t, w: 0.01 * (length(t) + length(w)) + 0.5),
    "|ŵ|² is missing": lambda b, f: agree(b, f, room=lambda t, w: 0.01 * size(t) + 0.5),
    "|w̃|² is missing": lambda b, f: agree(b, f, room=lambda t, w: 0.01 * size(w) + 0.5),
    "(|w̃| + |ŵ|)²": lambda b, f: agree(b, f, room=lambda t, w: 0.01 * (length(t) + length(w)) ** 2 + 0.5),
    "the sum of the two flows is squared": lambda b, f: agree(b, f, room=lambda t, w: 0.01 * size(t + w) + 0.5),
    "x and y are averaged": lambda b, f: agree(b, f, apart=lambda t, w: size(t + w) / 2, room=lambda t, w: 0.005 * (size(t) + size(w)) + 0.5),
    "on the left x and y are averaged": lambda b, f: agree(b, f, apart=lambda t, w: size(t + w) / 2),
    "are added before": lambda b, f: agree(b, f, apart=lambda t, w: (t + w).sum(1, keepdim=True).square()),
    "only x is looked at": lambda b, f: agree(b, f, apart=lambda t, w: (t + w)[:, :1].square()),
    "everything is trusted": lambda b, f: torch.ones_like(b[:, :1]),
    "the first one's mask": lambda b, f: agree(b[:1], f[:1]).expand(len(b), -1, -1, -1),
    "has lost a dimension": lambda b, f: agree(b, f)[:, 0],
    "a channel for x": lambda b, f: ((warp(f, b) + b).abs() < 0.5).float(),
    "the flow second": lambda b, f: warp(b, agree(b, f)),
    "changes the tensor": in_place,
    "is None": lambda b, f: None,
}


@pytest.mark.parametrize("says", AGREE)
def test_wrong_agreements(says):
    refuses(check_there_and_back, AGREE[says], says)


# --- 11.3 ------------------------------------------------------------------------------------------------------------

over = dict(dim=(1, 2, 3))


def loss(image, before, backward, mask, carried=warp, squares=lambda x, w, c: c * (x - w).square(), whole=lambda s, c: s.mean(**over)):
    return whole(squares(image, carried(before, backward), mask), mask)


def by_term(image, before, backward, mask):
    term = TemporalTerm(warp(before, backward), mask)
    return term.loss(term.measure({}, image))


def with_root_of_the_mask(image, before, backward, mask):
    return ((mask.sqrt() * (image - warp(before, backward))) ** 2).flatten(1).sum(1) / image[0].numel()


def one_by_one(image, before, backward, mask):
    return torch.stack([(mask[0] * (one - warp(before, backward)[0]) ** 2).mean() for one in image])


def test_right_losses(capsys):
    accepts(check_temporal_loss, capsys, loss, by_term, with_root_of_the_mask, one_by_one)


def carrying_both(image, before, backward, mask):
    moved = torch.cat([warp(one[None], backward) for one in image])
    return (mask * (moved - warp(before, backward)).square()).mean(**over)


def carrying_this(image, before, backward, mask):
    moved = torch.cat([warp(one[None], backward) for one in image])
    return (mask * (moved - before).square()).mean(**over)


def in_place_loss(image, before, backward, mask):
    value = loss(image, before, backward, mask)
    before *= 0
    return value


LOSS = {
    "the frame before is not warped": lambda *a: loss(*a, carried=lambda p, f: p),
    "this frame is warped": carrying_this,
    "both pictures are warped": carrying_both,
    "warped the wrong way": lambda *a: loss(*a, carried=lambda p, f: warp(p, -f)),
    "the mask is not used": lambda *a: loss(*a, squares=lambda x, w, c: (x - w).square()),
    "the mask is turned around": lambda *a: loss(*a, squares=lambda x, w, c: (1 - c) * (x - w).square()),
    "the mask is squared": lambda *a: loss(*a, squares=lambda x, w, c: (c * (x - w)).square()),
    "taken for yes or no": lambda *a: loss(*a, squares=lambda x, w, c: (x - w).square() * c.bool()),
    "weighs the picture alone": lambda *a: loss(*a, squares=lambda x, w, c: (c * x - w).square()),
    "weighs the warped picture alone": lambda *a: loss(*a, squares=lambda x, w, c: (x - c * w).square()),
    "divided by the trusted pixels": lambda *a: loss(*a, whole=lambda s, c: s.sum(**over) / (3 * c.sum())),
    "divided by the sum of the mask": lambda *a: loss(*a, whole=lambda s, c: s.sum(**over) / c.sum()),
    "that is the sum; the mean": lambda *a: loss(*a, whole=lambda s, c: s.sum(**over)),
    "divided by H·W": lambda *a: loss(*a, whole=lambda s, c: s.sum(**over) / c.numel()),
    "absolute differences": lambda *a: loss(*a, squares=lambda x, w, c: c * (x - w).abs()),
    "you took the root": lambda *a: loss(*a).sqrt(),
    "no ½": lambda *a: loss(*a) / 2,
    "added up before you squared": lambda *a: loss(*a, squares=lambda x, w, c: c * (x - w)).square(),
    "nothing is squared": lambda *a: loss(*a, squares=lambda x, w, c: c * (x - w)),
    "one number for each, shape [B]": lambda *a: loss(*a).mean(),
    "are added up: one number": lambda *a: loss(*a).sum(),
    "pictures of the batch, too": lambda *a: loss(*a) / len(a[0]),
    "leave out keepdim": lambda *a: loss(*a, whole=lambda s, c: s.mean(**over, keepdim=True)),
    "one number for each pixel": lambda *a: loss(*a, whole=lambda s, c: s),
    "one number for the whole batch: one": lambda *a: F.mse_loss(a[0], warp(a[1], a[2]).expand_as(a[0])),
    "leave out .item()": lambda *a: loss(*a).item(),
    "no gradient passes": lambda *a: loss(*a).detach(),
    "takes the picture first": lambda *a: loss(*a, carried=lambda p, f: warp(f, p)),
    "changes the tensor": in_place_loss,
    "is None": lambda *a: None,
}


@pytest.mark.parametrize("says", LOSS)
def test_wrong_losses(says):
    refuses(check_temporal_loss, LOSS[says], says)
