"""Lesson 11's checks: right answers however they are written, and the wrong ones that people write, each told why."""
import numpy as np
import pytest
import torch
from torch.nn import functional as F

from classroom import accepts, knows_a_stub, refuses
from nst_lessons.checks import check_comes_from_inside, check_temporal_loss, check_there_and_back, lesson11
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


def from_minus_one_to_one(flow):
    """As `warp` does, by what `grid_sample` calls inside; and the ones come back as 0.9999999 or 1.0000001."""
    sides = torch.tensor([flow.shape[3] - 1, flow.shape[2] - 1]).view(1, 2, 1, 1)
    return ((2 * (own_places(flow) + flow) / sides - 1).abs().amax(1, keepdim=True) <= 1) * (1 - 1e-7)


def by_the_last_places(flow):
    own = own_places(flow)
    at = own + flow
    return ((at >= 0) & (at <= own.amax((2, 3), keepdim=True))).all(1, keepdim=True).int()


def test_right_insides(capsys):
    accepts(check_comes_from_inside, capsys, inside, within, by_clamping, by_numpy, with_own_ranges, from_minus_one_to_one, by_the_last_places)


def by_side(flow, across, down):
    x, y = (own_places(flow) + flow).split(1, dim=1)
    return ((x >= 0) & across(x, flow.shape[3] - 1) & (y >= 0) & down(y, flow.shape[2] - 1)).float()


def within_sides(flow, width, height):
    x, y = (own_places(flow) + flow).split(1, dim=1)
    return ((x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)).float()


def added_up(flow):
    x, y = (own_places(flow) + flow).split(1, dim=1)
    return (x >= 0).float() + (x <= flow.shape[3] - 1) + (y >= 0) + (y <= flow.shape[2] - 1)


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
    "the two sides is compared with <": lambda f: by_side(f, lambda v, end: v < end, lambda v, end: v <= end),
    "compared with <: the last column": lambda f: by_side(f, lambda v, end: v <= end, lambda v, end: v < end),
    "the two sides is too long": lambda f: by_side(f, lambda v, end: v <= end, lambda v, end: v <= end + 1),
    "too long: x ends at W − 1": lambda f: by_side(f, lambda v, end: v < end + 1, lambda v, end: v <= end),
    "width and height are swapped": lambda f: within_sides(f, f.shape[2], f.shape[3]),
    "both held against the width": lambda f: within_sides(f, f.shape[3], f.shape[3]),
    "both held against the height": lambda f: within_sides(f, f.shape[2], f.shape[2]),
    "from 0, not from 1": lambda f: within(f, low=lambda v: v >= 1, less=0),
    "only x has its own place": lambda f: within(f, lambda p, f: f + p * torch.tensor([1, 0]).view(2, 1, 1)),
    "only y has its own place": lambda f: within(f, lambda p, f: f + p * torch.tensor([0, 1]).view(2, 1, 1)),
    "yours holds 3": added_up,
    "yours holds 255": lambda f: 255 * within(f),
    "know one yes or no": lambda f: 0 <= f <= 5,
    "unless each comparison has parentheses": lambda f: f >= 0 & f <= 5,
    "for one picture of the batch alone": lambda f: within(f)[:1],
    "indexing with [0] takes": lambda f: within(f)[0, 0] if len(f) > 1 else within(f),
    "that it can weigh pictures": lambda f: within(f)[0, 0],
    "is a single number": lambda f: within(f).mean(),
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


def by_lengths(backward, forward):
    """The root of both sides."""
    there = warp(forward, backward)
    return (torch.hypot(*(there + backward).unbind(1)) < (0.01 * (there * there + backward * backward).sum(1) + 0.5).sqrt())[:, None]


def test_right_agreements(capsys):
    accepts(check_there_and_back, capsys, consistent, agree, one_after_the_other, by_grid_sample, by_lengths)


def test_each_slip_has_a_mask_of_its_own():
    backward, forward = lesson11._flows(1, 16, 20, 8)
    truth = consistent(backward, forward)
    slips = [slip for slip in lesson11._masks_of_agreement(backward, forward, truth) if "of the batch" not in slip[0]]
    for number, (says, mask) in enumerate(slips):
        assert not torch.equal(mask.float(), truth), says
        alike = [other for other, more in slips[number + 1:] if other != says and torch.equal(more.float(), mask.float())]
        assert not alike, (says, alike)


def at_whole_px(backward, forward):
    x, y = (own_places(backward) + backward).round().long().unbind(1)
    x, y = x.clamp(0, backward.shape[3] - 1), y.clamp(0, backward.shape[2] - 1)
    return agree(backward, torch.stack([one[:, down, across] for one, down, across in zip(forward, y, x)]), lambda f, b: f)


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
    "only y is looked at": lambda b, f: agree(b, f, apart=lambda t, w: size((t + w)[:, 1:]), room=lambda t, w: 0.01 * size(t[:, 1:]) + 0.01 * size(w[:, 1:]) + 0.5),
    "x and y are added before": lambda b, f: agree(b.sum(1, keepdim=True), warp(f, b).sum(1, keepdim=True), lambda t, w: t),
    "0.001 stands": lambda b, f: agree(b, f, room=lambda t, w: 0.001 * (size(t) + size(w)) + 0.5),
    "0.05 stands": lambda b, f: agree(b, f, room=lambda t, w: 0.01 * (size(t) + size(w)) + 0.05),
    "5 stands where 0.5": lambda b, f: agree(b, f, room=lambda t, w: 0.01 * (size(t) + size(w)) + 5),
    "have changed places": lambda b, f: agree(b, f, room=lambda t, w: 0.5 * (size(t) + size(w)) + 0.01),
    "on the left the forward flow": lambda b, f: agree(b, f, apart=lambda t, w: size(f + w)),
    "on the right the forward flow": lambda b, f: agree(b, f, room=lambda t, w: 0.01 * (size(f) + size(w)) + 0.5),
    "both flows are warped": lambda b, f: agree(warp(b, f), warp(f, b), lambda t, w: t),
    "read at whole px": at_whole_px,
    "own place by itself": lambda b, f: agree(b, f, lambda f, b: warp(f, own_places(b) + b)),
    "are multiplied; add": lambda b, f: agree(b, f, room=lambda t, w: 0.01 * size(t) * size(w) + 0.5),
    "are subtracted; add": lambda b, f: agree(b, f, room=lambda t, w: 0.01 * (size(t) - size(w)) + 0.5),
    "|ŵ|² stands twice": lambda b, f: agree(b, f, room=lambda t, w: 0.02 * size(w) + 0.5),
    "|w̃|² stands twice": lambda b, f: agree(b, f, room=lambda t, w: 0.02 * size(t) + 0.5),
    "0.5 stands on the left": lambda b, f: agree(b, f, apart=lambda t, w: size(t + w) + 0.5, room=lambda t, w: 0.01 * (size(t) + size(w))),
    "sums of absolute values": lambda b, f: agree(b, f, apart=lambda t, w: (t + w).abs().sum(1, keepdim=True),
                                                 room=lambda t, w: 0.01 * (t.abs() + w.abs()).sum(1, keepdim=True) + 0.5),
    "that is another mask": lambda b, f: agree(b, f) * inside(b),
    "no pixel is trusted": lambda b, f: torch.zeros_like(b[:, :1]),
    "the first one's forward flow": lambda b, f: agree(b, f, lambda f, b: warp(f[:1], b[:1])),
    "is a single number": lambda b, f: ((warp(f, b) + b).square().sum() < 0.5).float(),
    "Compare with <": lambda b, f: size(warp(f, b) + b),
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


def in_double(image, before, backward, mask):
    apart = F.mse_loss(image.double(), warp(before, backward).double().expand_as(image), reduction="none")
    return torch.einsum("bchw,bchw->b", apart, mask.double().expand_as(image)) / apart[0].numel()


def test_right_losses(capsys):
    accepts(check_temporal_loss, capsys, loss, by_term, with_root_of_the_mask, one_by_one, in_double)


def notebooks_warp(image, flow):
    """The lesson's own warp, which does not look at shapes."""
    own_places(flow) + flow


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
    "the square counts 0.3": lambda *a: loss(*a, squares=lambda x, w, c: (c > 0.5) * (x - w).square()),
    "for yes or no: where": lambda *a: loss(*a, squares=lambda x, w, c: torch.where(c == 1, (x - w).square(), 0)),
    "the mask is warped": lambda *a: loss(*a, squares=lambda x, w, c: warp(c, a[2]) * (x - w).square()),
    "hides the frame before": lambda i, b, f, c: (i - warp(c * b, f)).square().mean(**over),
    "masked before one is warped": lambda i, b, f, c: (c * i - warp(c * b, f)).square().mean(**over),
    "averaged apart": lambda *a: loss(*a, squares=lambda x, w, c: (x - w).square(), whole=lambda s, c: s.mean(**over) * c.mean()),
    "number of trusted pixels": lambda *a: loss(*a, whole=lambda s, c: s.sum(**over) / (3 * (c > 0).sum())),
    "by the number of trusted": lambda *a: loss(*a, whole=lambda s, c: s.sum(**over) / (c > 0).sum()),
    "that is a norm": lambda *a: loss(*a, squares=lambda x, w, c: (c * (x - w)).square(), whole=lambda s, c: s.sum(**over).sqrt()),
    "leaves one for each picture": lambda *a: loss(*a, whole=lambda s, c: s.mean(dim=(0, 2, 3))),
    "one number for each channel is left": lambda *a: loss(*a, whole=lambda s, c: s.mean(dim=(2, 3))),
    "over channels, rows and columns": lambda *a: loss(*a, whole=lambda s, c: s.mean(dim=1)),
    "has the first one's loss": lambda *a: loss(*a)[:1].expand(len(a[0])),
    "the first picture's loss alone": lambda *a: loss(*a)[:1],
    "of the batch are averaged": lambda *a: loss(*a).mean()[None],
    "the picture first and": lambda i, b, f, c: loss(i, b, f, c, carried=lambda p, f: notebooks_warp(f, p)),
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
