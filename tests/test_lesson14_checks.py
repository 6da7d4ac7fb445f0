"""Lesson 14's checks: right answers however they are written, and the wrong ones that people write, each told why."""
import pytest
import torch
from torch.nn import functional as F

from classroom import accepts, knows_a_stub, refuses
from nst_lessons import features, selfsup
from nst_lessons.checks import check_contrast, check_respond, check_smoothed


@pytest.mark.parametrize("check", [check_respond, check_contrast, check_smoothed])
def test_stubs(check):
    knows_a_stub(check)


# --- 14.1 ------------------------------------------------------------------------------------------------------------

def heard(picture, filters, mode="replicate"):
    return F.conv2d(F.pad(picture, (filters.shape[-1] // 2,) * 4, mode=mode), filters)


def both(values):
    return torch.cat([values, -values], 1).relu()


def unfolded(picture, filters):
    side = filters.shape[-1]
    windows = F.unfold(F.pad(picture, (side // 2,) * 4, mode="replicate"), side)             # [B, 3·s·s, H·W]
    said = filters.flatten(1) @ windows
    return torch.cat([said.clamp(min=0), (-said).clamp(min=0)], 1).unflatten(2, picture.shape[2:])


def test_right_answers(capsys):
    accepts(check_respond, capsys, lambda p, f: both(heard(p, f)), unfolded, lambda p, f: F.relu(heard(p, torch.cat([f, -f]))),
            lambda p, f: torch.stack([both(heard(one[None], f))[0] for one in p]))


def written_over(picture, filters):
    picture -= 0.1
    return both(heard(picture, filters))


RESPOND = {
    "past the border there is black": lambda p, f: both(F.conv2d(p, f, padding=f.shape[-1] // 2)),
    "at the border places are missing": lambda p, f: both(F.conv2d(p, f)),
    "nothing can be turned around": lambda p, f: (lambda x: torch.cat([x, (-x).relu()], 1))(heard(p, f).relu()),
    "the second half is never positive": lambda p, f: (lambda x: torch.cat([x, -x], 1))(heard(p, f).relu()),
    "the ReLU is missing": lambda p, f: torch.cat([heard(p, f), -heard(p, f)], 1),
    "only the first half": lambda p, f: torch.cat([heard(p, f).relu(), -heard(p, f)], 1),
    "both halves are the same": lambda p, f: torch.cat([heard(p, f), heard(p, f)], 1).relu(),
    "only one way around: the negative": lambda p, f: heard(p, f).relu(),
    "and without a ReLU": heard,
    "both signs fell together": lambda p, f: heard(p, f).abs(),
    "stand before the others": lambda p, f: both(-heard(p, f)),
    "beside its negative": lambda p, f: torch.stack([heard(p, f), -heard(p, f)], 2).flatten(1, 2).relu(),
    "they are more channels, dim=1": lambda p, f: torch.cat([heard(p, f), -heard(p, f)]).relu(),
    "turned by half a turn": lambda p, f: both(heard(p, f.flip(2, 3))),
    "divided by the filter's pixels": lambda p, f: both(heard(p, f) / f[0].numel()),
    "colors' answers are averaged": lambda p, f: both(heard(p, f) / 3),
    "the picture first, then the filters": lambda p, f: F.conv2d(f, p[:, :1]),
    "a whole number": lambda p, f: both(F.conv2d(F.pad(p, (f.shape[-1] / 2,) * 4, mode="replicate"), f)),
    "is not right": lambda p, f: both(heard(p, f / f.flatten(1).norm(dim=1)[:, None, None, None])),
    "changes the tensor": written_over,
    "no gradient passes": lambda p, f: both(heard(p.detach(), f)),
    "is mirrored": lambda p, f: both(heard(p, f, "reflect")),
    "begins anew": lambda p, f: both(heard(p, f, "circular")),
    "larger than the picture, 10×12 in place of 6×8": lambda p, f: both(F.conv2d(F.pad(p, (3,) * 4, mode="replicate"), f)),
    "once, before the convolution": lambda p, f: both(F.conv2d(F.pad(p, (f.shape[-1] // 2,) * 4, mode="replicate"), f, padding=f.shape[-1] // 2)),
    "the margin goes with the filters' side": lambda p, f: both(F.conv2d(F.pad(p, (1,) * 4, mode="replicate"), f)),
    "the answer was made larger": lambda p, f: both(F.pad(F.conv2d(p, f), (f.shape[-1] // 2,) * 4, mode="replicate")),
    "F.pad wants four numbers": lambda p, f: both(F.conv2d(F.pad(p, (f.shape[-1] // 2,) * 2, mode="replicate"), f)),
    "filters as they are": lambda p, f: both(F.conv2d(p, f[None])),
    "a leaky ReLU": lambda p, f: F.leaky_relu(torch.cat([heard(p, f), -heard(p, f)], 1)),
    "cut off at 1": lambda p, f: both(heard(p, f)).clamp(0, 1),
    "what is positive was cut off": lambda p, f: torch.cat([heard(p, f), -heard(p, f)], 1).clamp(max=0),
    "a sigmoid in place": lambda p, f: torch.cat([heard(p, f), -heard(p, f)], 1).sigmoid(),
    "|·| on both halves": lambda p, f: torch.cat([heard(p, f), -heard(p, f)], 1).abs(),
    "1 − picture": lambda p, f: torch.cat([heard(p, f), heard(1 - p, f)], 1).relu(),
    "1 − answer": lambda p, f: torch.cat([heard(p, f), 1 - heard(p, f)], 1).relu(),
    "the ReLU went over the filters": lambda p, f: heard(p, torch.cat([f, -f]).relu()),
    "below the others": lambda p, f: torch.cat([heard(p, f), -heard(p, f)], 2).relu(),
    "as more places: they are more channels": lambda p, f: torch.cat([heard(p, f), -heard(p, f)], -1).relu(),
    "stack makes a dimension": lambda p, f: torch.stack([heard(p, f), -heard(p, f)], 1).relu(),
    "is None": lambda p, f: None,
    "has shape": lambda p, f: both(heard(p, f))[0],
}


@pytest.mark.parametrize("says", RESPOND)
def test_wrong_answers(says):
    refuses(check_respond, RESPOND[says], says)


# --- 14.2 ------------------------------------------------------------------------------------------------------------

def loss(scores, **options):
    return F.cross_entropy(scores, torch.arange(len(scores)), **options)


def ways(one, other, t):
    scores = one @ other.T / t
    return (loss(scores) + loss(scores.T)) / 2


def by_exp(scores):
    return -(scores.exp() / scores.exp().sum(1, keepdim=True)).diagonal().log().mean()


def without_partner(scores):
    hidden = scores.masked_fill(torch.eye(len(scores), dtype=torch.bool), -torch.inf)
    return (hidden.logsumexp(1) - scores.diagonal()).mean()


def test_right_contrasts(capsys):
    accepts(check_contrast, capsys, selfsup.contrast, ways,
            lambda one, other, t: -((one @ other.T / t).log_softmax(1).diagonal() + (one @ other.T / t).log_softmax(0).diagonal()).mean() / 2,
            lambda one, other, t: torch.stack([row.logsumexp(0) - row[n] for table in (one @ other.T / t, other @ one.T / t)
                                               for n, row in enumerate(table)]).mean(),
            lambda one, other, t: ways(F.normalize(one, dim=1), F.normalize(other, dim=1), t))


def shares(one, other, t):
    return (one @ other.T / t).softmax(1).diagonal()


def by_share(one, other, t, less):
    return -((shares(one, other, t) + less).log() + (shares(other, one, t) + less).log()).mean() / 2


def among_all(one, other, t):
    views, n = torch.cat([one, other]), len(one)
    table = (views @ views.T / t).masked_fill(torch.eye(2 * n, dtype=torch.bool), -torch.inf)
    return F.cross_entropy(table, torch.cat([torch.arange(n) + n, torch.arange(n)]))


def same_partner(scores):
    return F.cross_entropy(scores, torch.zeros(len(scores), dtype=torch.long))


CONTRAST = {
    "only one way: the second": lambda a, b, t: loss(a @ b.T / t),
    "only the way back": lambda a, b, t: loss(b @ a.T / t),
    "both ways are added": lambda a, b, t: 2 * ways(a, b, t),
    "the points are summed; their": lambda a, b, t: len(a) * ways(a, b, t),
    "summed, and both ways": lambda a, b, t: loss(a @ b.T / t, reduction="sum") + loss(b @ a.T / t, reduction="sum"),
    "there is one way only; the mean": lambda a, b, t: loss(a @ b.T / t, reduction="sum"),
    "the temperature is missing": lambda a, b, t: ways(a, b, 1),
    "multiplied by the temperature": lambda a, b, t: ways(a, b, 1 / t),
    "the temperature twice": lambda a, b, t: ways(a / t, b, t),
    "the root of the temperature": lambda a, b, t: ways(a, b, t**0.5),
    "the wrong sign": lambda a, b, t: -ways(a, b, t),
    "the mean share itself": lambda a, b, t: shares(a, b, t).mean(),
    "minus the share": lambda a, b, t: -shares(a, b, t).mean(),
    "first the mean, then the logarithm": lambda a, b, t: -shares(a, b, t).mean().log(),
    "the partner itself is missing below the line: the sum": lambda a, b, t: (without_partner(a @ b.T / t) + without_partner(b @ a.T / t)) / 2,
    "missing below the line, and there is one way": lambda a, b, t: without_partner(a @ b.T / t),
    "only drawn together": lambda a, b, t: -((a * b).sum(1) / t).mean(),
    "nothing draws partners together": lambda a, b, t: (a @ b.T / t).logsumexp(1).mean(),
    "compared with itself": lambda a, b, t: ways(a, a, t),
    "every pair counts as a partner": lambda a, b, t: -(a @ b.T / t).log_softmax(1).mean(),
    "have the sign turned around": lambda a, b, t: loss(torch.cdist(a, b) / t) / 2 + loss(torch.cdist(b, a) / t) / 2,
    "minus distances": lambda a, b, t: loss(-torch.cdist(a, b) / t) / 2 + loss(-torch.cdist(b, a) / t) / 2,
    "the temperature is halved": lambda a, b, t: ways(a, b, t / 2),
    "one for all, the mean": lambda a, b, t: (loss(a @ b.T / t, reduction="none") + loss(b @ a.T / t, reduction="none")) / 2,
    "and one way only: one for all": lambda a, b, t: loss(a @ b.T / t, reduction="none"),
    "the others must have a say": lambda a, b, t: F.mse_loss(a, b),
    "one less the cosine": lambda a, b, t: 1 - F.cosine_similarity(a, b).mean(),
    "exp(100) does not fit": lambda a, b, t: (by_exp(a @ b.T / t) + by_exp(b @ a.T / t)) / 2,
    "for each row, the number of the right column": lambda a, b, t: F.cross_entropy(a @ b.T / t, torch.arange(len(a))[:, None]),
    "no gradient passes": lambda a, b, t: ways(a.detach(), b, t),
    "on the way to the second view": lambda a, b, t: ways(a, b.detach(), t),
    "[N, D] · [D, N]": lambda a, b, t: ways(a, b.T, t),
    "half of it": lambda a, b, t: loss(a @ b.T / t) / 2,
    "stand apart": lambda a, b, t: torch.stack([loss(a @ b.T / t), loss(b @ a.T / t)]),
    "divided by N twice": lambda a, b, t: ways(a, b, t) / len(a),
    "0.2 whatever is given": lambda a, b, t: ways(a, b, 0.2),
    "the losses are divided": lambda a, b, t: ways(a, b, 1) / t,
    "the wrong sign: what": lambda a, b, t: -(loss(a @ b.T / t) + loss(b @ a.T / t)),
    "minus the share; minus": lambda a, b, t: -(shares(a, b, t) + shares(b, a, t)).mean() / 2,
    "two softmaxes": lambda a, b, t: (loss((a @ b.T / t).softmax(1)) + loss((b @ a.T / t).softmax(1))) / 2,
    "two softmaxes, one after": lambda a, b, t: loss((a @ b.T / t).softmax(1)),
    "base 2": lambda a, b, t: ways(a, b, t) / torch.tensor(2.0).log(),
    "base 10": lambda a, b, t: ways(a, b, t) / torch.tensor(10.0).log(),
    "the whole table's sum": lambda a, b, t: ((a @ b.T / t).logsumexp((0, 1)) - (a @ b.T / t).diagonal()).mean(),
    "the mean over all points": lambda a, b, t: ways(a, b, t) - torch.tensor(float(len(a))).log(),
    "with itself: one @ other.T": lambda a, b, t: (loss(a @ a.T / t) + loss(b @ b.T / t)) / 2,
    "not the N points": lambda a, b, t: ways(a.T, b.T, t),
    "a view's own points": among_all,
    "here all have the same one": lambda a, b, t: (same_partner(a @ b.T / t) + same_partner(b @ a.T / t)) / 2,
    "its own number, torch.arange(N)": lambda a, b, t: same_partner(a @ b.T / t),
    "the largest of each row": lambda a, b, t: -(a @ b.T / t).log_softmax(1).amax(1).mean(),
    "tables are averaged first": lambda a, b, t: loss((a @ b.T + b @ a.T) / (2 * t)),
    "judged alone": lambda a, b, t: F.binary_cross_entropy_with_logits(a @ b.T / t, torch.eye(len(a))),
    "that is the whole table": lambda a, b, t: a @ b.T / t,
    "a small number in the logarithm": lambda a, b, t: by_share(a, b, t, 1e-8),
    "hides how unlikely": lambda a, b, t: by_share(a, b, t, 1e-12),
    "exp(−110) becomes 0": lambda a, b, t: by_share(a, b, t, 0),
    "something that is not positive": lambda a, b, t: -((a @ b.T).diagonal() / (a @ b.T).sum(1)).log().mean(),
    "are whole numbers": lambda a, b, t: F.cross_entropy(a @ b.T / t, torch.arange(len(a)).float()),
    "the table of all scores": lambda a, b, t: F.cross_entropy(a * b / t, torch.arange(len(a))),
    "is None": lambda a, b, t: None,
    "changes the tensor": lambda a, b, t: ways(a.div_(2), b, t / 2),
}


@pytest.mark.parametrize("says", CONTRAST)
def test_wrong_contrasts(says):
    refuses(check_contrast, CONTRAST[says], says)


# --- 14.3 ------------------------------------------------------------------------------------------------------------

def by_max(act):
    parts = (act - act.amax(dim=(1, 2, 3), keepdim=True)).exp()
    return parts / parts.mean(dim=(1, 2, 3), keepdim=True)


def test_right_softmaxes(capsys):
    accepts(check_smoothed, capsys, features.smoothed, by_max, lambda act: act.flatten(1).softmax(-1).reshape(act.shape) * act[0].numel(),
            lambda act: torch.stack([one.flatten().log_softmax(0).exp().view_as(one) * one.numel() for one in act]))


def all_of(act):
    return act.shape[1] * act.shape[2] * act.shape[3]


each = dict(dim=(1, 2, 3), keepdim=True)
SMOOTHED = {
    "the factor is missing": lambda act: act.flatten(1).softmax(1).view_as(act),
    "times H·W only": lambda act: act.flatten(1).softmax(1).view_as(act) * act[0, 0].numel(),
    "times C only": lambda act: act.flatten(1).softmax(1).view_as(act) * act.shape[1],
    "times B·C·H·W": lambda act: act.flatten(1).softmax(1).view_as(act) * act.numel(),
    "divided by C·H·W; times": lambda act: act.flatten(1).softmax(1).view_as(act) / all_of(act),
    "over the channels of each place": lambda act: act.softmax(1) * all_of(act),
    "over the places of each channel": lambda act: act.exp() / act.exp().mean(dim=(2, 3), keepdim=True),
    "the last dimension alone": lambda act: act.softmax(-1) * all_of(act),
    "over all pictures of the batch: each": lambda act: act.flatten().softmax(0).view_as(act) * act.numel(),
    "of the batch, and the factor": lambda act: act.flatten().softmax(0).view_as(act),
    "runs over the batch: over all": lambda act: act.softmax(0),
    "only divides by the mean": lambda act: act / act.mean(**each),
    "only divides by the sum": lambda act: act / act.sum(**each),
    "that is exp alone": lambda act: act.exp(),
    "divides by the largest": lambda act: act.exp() / act.exp().amax(**each),
    "softmax, not log_softmax": lambda act: act.flatten(1).log_softmax(1).view_as(act),
    "the loudest became the quietest": lambda act: features.smoothed(-act),
    "a sigmoid looks at each": lambda act: act.sigmoid(),
    "in another shape": lambda act: act.flatten(1).softmax(1) * all_of(act),
    "does not fit into float32": lambda act: act.exp() / act.exp().mean(**each),
    "[B, C·H·W]": lambda act: act.flatten(1).softmax(2),
    "flatten(1) first": lambda act: torch.softmax(act, dim=(1, 2, 3)),
    "keepdim=True": lambda act: act.exp() / act.exp().sum(dim=(1, 2, 3))[:, None],
    "no gradient passes": lambda act: features.smoothed(act.detach()),
    "the last dimension but one": lambda act: act.softmax(2) * act.shape[2],
    "the last dimension alone, a row": lambda act: act.softmax(3) * act.shape[3],
    "runs over the batch": lambda act: act.flatten(1).softmax(0).view_as(act) * all_of(act),
    "flatten(1), not (0, 1)": lambda act: act.flatten(0, 1).softmax(0).view_as(act) * all_of(act),
    "softmaxes one after the other": lambda act: act.softmax(1).flatten(2).softmax(2).view_as(act) * all_of(act),
    "the second gets the shares": lambda act: act.softmax(1).softmax(2).softmax(3),
    "only divides by the largest": lambda act: act / act.amax(**each),
    "the sum of the activations": lambda act: act.exp() / act.mean(**each),
    "above the line exp is missing": lambda act: act / act.exp().mean(**each),
    "multiplied by the activations": lambda act: act * features.smoothed(act),
    "divided by their largest before": lambda act: features.smoothed(act / act.amax(**each)),
    "the logarithm of it": lambda act: act.flatten(1).log_softmax(1).view_as(act) * all_of(act),
    "softplus looks": F.softplus,
    "in the wrong places": lambda act: act.permute(0, 2, 3, 1).flatten(1).softmax(1).view_as(act) * all_of(act),
    "the shape is lost, .view_as(act), and": lambda act: act.flatten(1).softmax(1),
    "share one softmax, and the shape": lambda act: act.flatten().softmax(0) * act.numel(),
    "above 80 are cut off": lambda act: features.smoothed(act.clamp(max=80)),
    "became 0": lambda act: (act.exp() / act.exp().mean(**each)).nan_to_num(),
    "divided by zero": lambda act: act / act.sum(dim=3, keepdim=True),
    "is None": lambda act: None,
    "changes the tensor": lambda act: features.smoothed(act.sub_(act.max())),
}


@pytest.mark.parametrize("says", SMOOTHED)
def test_wrong_softmaxes(says):
    refuses(check_smoothed, SMOOTHED[says], says)
