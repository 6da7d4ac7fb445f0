"""Lesson 13's checks: right answers however they are written, and the wrong ones that people write, each told why."""
import pytest
import torch
from torch.nn import functional as F

from classroom import accepts, knows_a_stub, refuses
from nst_lessons import gram_matrix
from nst_lessons.checks import check_guided_grams, check_one_round, check_only_there


@pytest.mark.parametrize("check", [check_only_there, check_guided_grams, check_one_round])
def test_stubs(check):
    knows_a_stub(check)


# --- 13.1 ------------------------------------------------------------------------------------------------------------

def blend(painted, photo, mask):
    return mask * painted + (1 - mask) * photo


def test_right_composites(capsys):
    accepts(check_only_there, capsys, blend, lambda painted, photo, mask: torch.lerp(photo, painted, mask),
            lambda painted, photo, mask: photo + mask * (painted - photo),
            lambda painted, photo, mask: torch.where(mask > 0, blend(painted, photo, mask), photo),
            lambda painted, photo, mask: photo - mask * photo + mask * painted,
            lambda painted, photo, mask: blend(painted.double(), photo.double(), mask.double()))


def written_over(painted, photo, mask):
    photo[:] = blend(painted, photo, mask)
    return photo


COMPOSITES = {
    "inside and outside are swapped": lambda p, f, m: blend(f, p, m),
    "outside it is black": lambda p, f, m: m * p,
    "the photograph is not taken away": lambda p, f, m: m * p + f,
    "only the painted picture is weighted": lambda p, f, m: p + (1 - m) * f,
    "both are weighted by the mask": lambda p, f, m: m * p + m * f,
    "both are weighted with what": lambda p, f, m: (1 - m) * (p + f),
    "a mask of 0.3 wants 0.3": lambda p, f, m: torch.where(m > 0, p, f),
    "rounded to 0 and 1": lambda p, f, m: blend(p, f, (m > 0.5).float()),
    "only where the mask is 1": lambda p, f, m: torch.where(m == 1, p, f),
    "inside it is black": lambda p, f, m: (1 - m) * f,
    "one of the two pictures is missing": lambda p, f, m: m * f,
    "swapped, and one": lambda p, f, m: (1 - m) * p,
    "the photograph counts only where": lambda p, f, m: m * p + (m == 0) * f,
    "the painted picture counts fully": lambda p, f, m: (m > 0) * p + (1 - m) * f,
    "the painted picture counts only where": lambda p, f, m: (m == 1) * p + (1 - m) * f,
    "the larger of the two": lambda p, f, m: torch.maximum(m * p, (1 - m) * f),
    "the photograph's weight has the wrong sign": lambda p, f, m: m * p + (m - 1) * f,
    "clamping hides": lambda p, f, m: (m * p + f).clamp(0, 1),
    "half of each": lambda p, f, m: (m * p + f) / 2,
    "multiplied together": lambda p, f, m: m * p * f,
    "multiplies matrices": lambda p, f, m: m @ p + (1 - m) @ f,
    "what it leaves is 1 - mask": lambda p, f, m: m * p + (~m) * f,
    "each pixel has its own": lambda p, f, m: p if m == 1 else f,
    "torch.where wants yes and no": lambda p, f, m: torch.where(m, p, f),
    "as an index": lambda p, f, m: p[m > 0],
    "it is no index": lambda p, f, m: p[m],
    "the mask is squared": lambda p, f, m: blend(p, f, m * m),
    "counted twice": lambda p, f, m: blend(m * p, f, m),
    "that is the painted picture": lambda p, f, m: p.clone(),
    "that is the photograph": lambda p, f, m: f.clone(),
    "the mean of both": lambda p, f, m: (p + f) / 2,
    "not its value at each pixel": lambda p, f, m: blend(p, f, m.mean()),
    "the wrong sign": lambda p, f, m: f + m * (f - p),
    "the change alone": lambda p, f, m: m * (p - f),
    "only up to rounding": lambda p, f, m: p + (1 - m) * (f - p),
    "changes the tensor": written_over,
    "no gradient passes": lambda p, f, m: blend(p.detach(), f, m),
    "is None": lambda p, f, m: None,
    "has shape": lambda p, f, m: blend(p, f, m)[:, :1],
    "stops with": lambda p, f, m: p + f.tolist(),
}


@pytest.mark.parametrize("says", COMPOSITES)
def test_wrong_composites(says):
    refuses(check_only_there, COMPOSITES[says], says)


# --- 13.2 ------------------------------------------------------------------------------------------------------------

def mean_of(values):
    return values.mean(dim=(1, 2), keepdim=True)


def by_einsum(act, guides, scaled=lambda g: g / g.square().mean(dim=(1, 2), keepdim=True).sqrt(), letters="rhw,rhw,bihw,bjhw->brij"):
    T = scaled(guides)
    return torch.einsum(letters, T, T, act, act) / guides[0].numel()


def by_gram(act, guides):
    T = guides / mean_of(guides.square()).sqrt()
    return torch.stack([gram_matrix(one * act) for one in T], dim=1)


def by_weights(act, guides):
    return torch.einsum("rhw,bihw,bjhw->brij", guides**2, act, act) / guides.square().sum(dim=(1, 2))[:, None, None]


def test_right_tables(capsys):
    accepts(check_guided_grams, capsys, by_einsum, by_gram, by_weights)


GRAMS = {
    "the guides are not scaled": lambda a, g: by_einsum(a, g, lambda g: g),
    "a mean of 1": lambda a, g: by_einsum(a, g, lambda g: g / mean_of(g)),
    "a maximum of 1": lambda a, g: by_einsum(a, g, lambda g: g / g.amax(dim=(1, 2), keepdim=True)),
    "divided by the mean square itself": lambda a, g: by_einsum(a, g, lambda g: g / mean_of(g.square())),
    "all guides are scaled together": lambda a, g: by_einsum(a, g, lambda g: g / g.square().mean().sqrt()),
    "multiplied in once; it": lambda a, g: torch.einsum("rhw,bihw,bjhw->brij", g / mean_of(g.square()).sqrt(), a, a) / g[0].numel(),
    "multiplied in once and divided": lambda a, g: torch.einsum("rhw,bihw,bjhw->brij", g, a, a) / g.sum(dim=(1, 2))[:, None, None],
    "not divided by the positions": lambda a, g: by_einsum(a, g) * g[0].numel(),
    "divided by C·h·w": lambda a, g: by_einsum(a, g) / a.shape[1],
    "the number of regions too": lambda a, g: by_einsum(a, g) / len(g),
    "divided by the channels": lambda a, g: by_einsum(a, g) * g[0].numel() / a.shape[1],
    "regions stand before pictures": lambda a, g: by_einsum(a, g, letters="rhw,rhw,bihw,bjhw->rbij"),
    "the regions are added up": lambda a, g: by_einsum(a, g, letters="rhw,rhw,bihw,bjhw->bij"),
    "the regions are averaged": lambda a, g: by_einsum(a, g).mean(1),
    "the pictures of the batch are added up": lambda a, g: by_einsum(a, g, letters="rhw,rhw,bihw,bjhw->rij"),
    "the pictures of the batch are mixed": lambda a, g: by_einsum(a, g).mean(0, keepdim=True).expand(len(a), -1, -1, -1),
    "every region has the first one's": lambda a, g: by_einsum(a, g[:1].expand_as(g)),
    "the guides are not used": lambda a, g: gram_matrix(a)[:, None].expand(-1, len(g), -1, -1),
    "neither scaled nor squared": lambda a, g: torch.einsum("rhw,bihw,bjhw->brij", g, a, a) / g[0].numel(),
    "the same for 0 and 1": lambda a, g: by_einsum(a, g, lambda g: g / mean_of(g).sqrt()),
    "standard deviation": lambda a, g: by_einsum(a, g, lambda g: g / g.std(dim=(1, 2), keepdim=True)),
    "a sum of 1": lambda a, g: by_einsum(a, g, lambda g: g / g.sum(dim=(1, 2), keepdim=True)),
    "counts the positions twice": lambda a, g: by_einsum(a, g, lambda g: F.normalize(g.flatten(1)).view_as(g)),
    "together, to a sum of squares of 1; each": lambda a, g: by_einsum(a, g, lambda g: g / g.norm()) * g[0].numel(),
    "and the positions counted twice": lambda a, g: by_einsum(a, g, lambda g: g / g.norm()),
    "is multiplied in; divide": lambda a, g: by_einsum(a, g, lambda g: g * mean_of(g.square()).sqrt()),
    "over the regions, place by place": lambda a, g: by_einsum(a, g, lambda g: g / g.square().mean(0).sqrt()),
    "each row of a guide": lambda a, g: by_einsum(a, g, lambda g: g / g.square().mean(-1, keepdim=True).sqrt()),
    "counts four times": lambda a, g: by_einsum(a, g, lambda g: g.square() / mean_of(g.square())),
    "the guides are rounded": lambda a, g: by_gram(a, (g > 0).float()),
    "the region's own positions": lambda a, g: by_gram(a, g) * g[0].numel() / (g > 0).sum(dim=(1, 2))[:, None, None],
    "divided by the guide's sum: that": lambda a, g: by_gram(a, g) * g[0].numel() / g.sum(dim=(1, 2))[:, None, None],
    "those where the guide is not 0": lambda a, g: by_einsum(a, g, lambda g: g) * g[0].numel() / (g > 0).sum(dim=(1, 2))[:, None, None],
    "neither are the guides scaled nor": lambda a, g: by_einsum(a, g, lambda g: g) * g[0].numel(),
    "the tables are divided by C·h·w (h·w": lambda a, g: by_einsum(a, g, lambda g: g) / a.shape[1],
    "divided by h alone": lambda a, g: by_einsum(a, g) * a.shape[3],
    "divided by w alone": lambda a, g: by_einsum(a, g) * a.shape[2],
    "the pictures too": lambda a, g: by_einsum(a, g) / len(a),
    "all numbers of act": lambda a, g: by_einsum(a, g) * g[0].numel() / a.numel(),
    "that is the first picture's": lambda a, g: by_einsum(a, g)[0],
    "that is the last region's": lambda a, g: by_einsum(a, g)[:, -1],
    "stack along dim=1": lambda a, g: torch.cat(list(by_einsum(a, g).unbind(1))),
    "keepdim=True": lambda a, g: by_einsum(a, g, lambda g: g / g.square().mean(dim=(1, 2)).sqrt()),
    "nothing is left to interpolate": lambda a, g: by_einsum(a, F.interpolate(g, a.shape[2:], mode="area")),
    "call it for each region": lambda a, g: gram_matrix(a[:, None] * g[:, None]),
    "are two letters": lambda a, g: by_einsum(a, g, letters="rhw,rhw,bihw,bihw->brii"),
    "the diagonal": lambda a, g: by_einsum(a, g, letters="rhw,rhw,bihw,bihw->bri"),
    "do not fit as they are": lambda a, g: gram_matrix(g * a)[:, None] if len(g) == 1 else torch.stack([gram_matrix(a * g)]),
    "changes the tensor": lambda a, g: by_einsum(a, g.div_(mean_of(g.square()).sqrt())),
    "no gradient passes": lambda a, g: by_einsum(a.detach(), g),
    "has shape": lambda a, g: by_einsum(a, g)[..., 0],
}


@pytest.mark.parametrize("says", GRAMS)
def test_wrong_tables(says):
    refuses(check_guided_grams, GRAMS[says], says)


# --- 13.3 ------------------------------------------------------------------------------------------------------------

def one_round(points, centers, nearest=lambda d: d.argmin(dim=1), middle=lambda mine: mine.mean(0), empty=lambda old: old):
    labels = nearest(torch.cdist(points, centers))
    moved = centers.clone()
    for c in range(len(centers)):
        mine = points[labels == c]
        moved[c] = middle(mine) if len(mine) else empty(centers[c])
    return labels, moved


def by_products(points, centers):
    labels = (centers.square().sum(1) - 2 * points @ centers.T).argmin(1)
    member = F.one_hot(labels, len(centers)).float()
    counts = member.sum(0)[:, None]
    return labels, torch.where(counts > 0, member.T @ points / counts.clamp_min(1), centers)


def test_right_rounds(capsys):
    accepts(check_one_round, capsys, one_round, by_products, lambda p, c: list(one_round(p, c)))


def in_place(points, centers):
    labels, centers[:] = one_round(points, centers)
    return labels, centers


def then_labels(points, centers):
    _, moved = one_round(points, centers)
    return one_round(points, moved)[0], moved


def converged(points, centers, rounds=20):
    for _ in range(rounds):
        labels, centers = one_round(points, centers)
    return labels, centers


def asked_anew(points, centers):
    centers = centers.clone()
    for c in range(len(centers)):
        labels = torch.cdist(points, centers).argmin(1)
        if (labels == c).any():
            centers[c] = points[labels == c].mean(0)
    return labels, centers


ROUNDS = {
    "absolute differences": lambda p, c: (torch.cdist(p, c, p=1).argmin(1), c),
    "only the largest difference": lambda p, c: (torch.cdist(p, c, p=float("inf")).argmin(1), c),
    "nearest in direction": lambda p, c: ((F.normalize(p) @ F.normalize(c).T).argmax(1), c),
    "these are the distances": lambda p, c: (torch.cdist(p, c).amin(1), c),
    "the squared distances": lambda p, c: (torch.cdist(p, c).square().amin(1), c),
    "values and indices": lambda p, c: (torch.cdist(p, c).min(1), c),
    "second-nearest": lambda p, c: (torch.cdist(p, c).argsort(1)[:, 1], c),
    "after* the centers moved, several times": converged,
    "several times": lambda p, c: (converged(p, c)[0], one_round(p, c)[1]),
    "moved more than once": lambda p, c: (one_round(p, c)[0], converged(p, c, 2)[1]),
    "before all labels were there": asked_anew,
    "the place of its 1": lambda p, c: (F.one_hot(one_round(p, c)[0], len(c)), c),
    "drop it, [:, 0]": lambda p, c: (one_round(p, c)[0][:, None], c),
    "all the distances": lambda p, c: (torch.cdist(p, c), c),
    "centers came first": lambda p, c: one_round(p, c)[::-1],
    "is gone": lambda p, c: (one_round(p, c)[0], one_round(p, c)[1][one_round(p, c)[0].unique()]),
    "without points moved": lambda p, c: one_round(p, c, empty=lambda old: p[0]),
    "the mean of all numbers": lambda p, c: one_round(p, c, middle=torch.mean),
    "the smallest and the largest": lambda p, c: one_round(p, c, middle=lambda mine: (mine.amin(0) + mine.amax(0)) / 2),
    "the largest of its points": lambda p, c: one_round(p, c, middle=lambda mine: mine.amax(0)),
    "next to the mean": lambda p, c: (one_round(p, c)[0], p[torch.cdist(one_round(p, c)[1], p).argmin(1)]),
    "a center for each point": lambda p, c: (one_round(p, c)[0], one_round(p, c)[1][one_round(p, c)[0]]),
    "mean(0)": lambda p, c: one_round(p, c, middle=lambda mine: mine.mean(1)),
    "each with each": lambda p, c: one_round(p, c, lambda d: (p - c).square().sum(1).argmin()),
    "cannot tell whose": lambda p, c: one_round(p, c, lambda d: torch.tensor(0)),
    "larger than k - 1": lambda p, c: (c[torch.tensor(7)], c),
    "*farthest* center": lambda p, c: one_round(p, c, lambda d: d.argmax(1)),
    "dim=1": lambda p, c: (torch.cdist(p, c).argmin(0), c),
    "begin with 1": lambda p, c: (one_round(p, c)[0] + 1, one_round(p, c)[1]),
    "first coordinate only": lambda p, c: one_round(p[:, :1], c[:, :1]),
    "without a square": lambda p, c: ((p[:, None] - c).sum(2).abs().argmin(1), c),
    "largest product": lambda p, c: ((p @ c.T).argmax(1), c),
    "*after* the centers moved": then_labels,
    "the same label": lambda p, c: (torch.zeros(len(p), dtype=torch.long), c),
    "became NaN": lambda p, c: one_round(p, c, empty=lambda old: old / 0 * 0),
    "to the origin": lambda p, c: one_round(p, c, empty=torch.zeros_like),
    "the points are summed": lambda p, c: one_round(p, c, middle=lambda mine: mine.sum(0)),
    "divided by all points": lambda p, c: one_round(p, c, middle=lambda mine: mine.sum(0) / len(p)),
    "the mean of all points": lambda p, c: (one_round(p, c)[0], p.mean(0).expand_as(c)),
    "did not move": lambda p, c: (one_round(p, c)[0], c.clone()),
    "the median": lambda p, c: one_round(p, c, middle=lambda mine: mine.median(0).values),
    "only half the way": lambda p, c: (one_round(p, c)[0], (one_round(p, c)[1] + c) / 2),
    "two things are wanted": lambda p, c: one_round(p, c)[1],
    "changes the tensor": in_place,
    "labels has shape": lambda p, c: (one_round(p, c)[0][1:], c),
    "labels is None": lambda p, c: (None, c),
    "stops with": lambda p, c: one_round(p, c.T[:, :1]),
}


@pytest.mark.parametrize("says", ROUNDS)
def test_wrong_rounds(says):
    refuses(check_one_round, ROUNDS[says], says)


def test_the_old_center_counted_among_its_points():
    def counted(points, centers):
        labels, _ = one_round(points, centers)
        member = F.one_hot(labels, len(centers)).float()
        return labels, (member.T @ points + centers) / (member.sum(0)[:, None] + 1)
    refuses(check_one_round, counted, "the old center was counted")
