"""Lesson 13: a picture put together, Gram matrices of several regions at once, a round of k-means. The oracles are loops."""
import torch

from .verdict import Wrong, differentiable, exercise, same, untouched


def _some(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


# --- 13.1 ------------------------------------------------------------------------------------------------------------

@exercise("13.1", "painted inside, half and half at the border, and outside the photograph to the last bit.")
def check_only_there(only_there):
    """Tries only_there(painted [B, 3, H, W], photo [B, 3, H, W], mask [1, 1, H, W] in [0, 1]) → [B, 3, H, W]."""
    for batch, height, width in [(1, 6, 9), (2, 7, 5)]:
        painted, photo = _some(batch, 3, height, width, seed=1), _some(batch, 3, height, width, seed=2) ** 3      # where float32 rounds
        mask = (2 * _some(1, 1, height, width, seed=3) - 0.5).clamp(0, 1)                # some 0, some 1, some between
        truth = torch.lerp(photo, painted, mask)
        answer = untouched(only_there, painted, photo, mask)
        same(answer, truth, f"the picture for painted {list(painted.shape)}", _composites(painted, photo, mask))
        outside, inside = ((mask == value).expand_as(photo) for value in (0, 1))
        if not torch.equal(answer[outside], photo[outside]):
            raise Wrong("outside it is the photograph only up to rounding; to the last bit is wanted: what is multiplied there by 0 "
                        "and by 1, and then added, is not rounded")
        if not torch.allclose(answer[inside], painted[inside]):
            raise Wrong("inside it is not what was painted")
    differentiable(lambda given: only_there(given, photo, mask), painted, what="the painted picture")


def _composites(painted, photo, mask):
    """[(message, what this slip gives)]."""
    hard, mean = (mask > 0).float(), (painted + photo) / 2
    return [
        ("inside and outside are swapped: 1 in the mask means painted", torch.lerp(painted, photo, mask)),
        ("outside it is black: there the photograph is missing, with what the mask leaves", mask * painted),
        ("the photograph is not taken away where it is painted over: it is weighted with what the mask leaves", mask * painted + photo),
        ("only the painted picture is weighted by the mask; the photograph is weighted too", painted + (1 - mask) * photo),
        ("both are weighted by the mask; the photograph is weighted with what it leaves", mask * (painted + photo)),
        ("both are weighted with what the mask leaves; the painted picture is weighted by the mask", (1 - mask) * (painted + photo)),
        ("everything that the mask touches is painted fully: a mask of 0.3 wants 0.3 of the paint, or the border is hard",
         torch.lerp(photo, painted, hard)),
        ("the mask is rounded to 0 and 1: then the border is hard; take it as it is", torch.lerp(photo, painted, (mask > 0.5).float())),
        ("only where the mask is 1 is it painted: between 0 and 1 both count", torch.lerp(photo, painted, (mask == 1).float())),
        ("the mask is squared: take it as it is", torch.lerp(photo, painted, mask**2)),
        ("the mask is counted twice on the painted picture", mask**2 * painted + (1 - mask) * photo),
        ("the mask is not looked at: that is the painted picture", painted),
        ("the mask is not looked at: that is the photograph", photo),
        ("the mask is not looked at: that is the mean of both", mean),
        ("the mean of all of the mask is taken, not its value at each pixel", torch.lerp(photo, painted, mask.mean())),
        ("the difference has the wrong sign: painted − photo is what is added", photo + mask * (photo - painted)),
        ("that is the change alone; the photograph is missing", mask * (painted - photo)),
    ]


# --- 13.2 ------------------------------------------------------------------------------------------------------------

def _by_loop(act, weights):
    """Σ of weight · F Fᵀ over positions: act [B, C, h, w], weights [R, h, w] → [B, R, C, C]."""
    out = torch.zeros(len(act), len(weights), act.shape[1], act.shape[1])
    for b in range(len(act)):
        for r in range(len(weights)):
            for y in range(act.shape[2]):
                for x in range(act.shape[3]):
                    out[b, r] += weights[r, y, x] * torch.outer(act[b, :, y, x], act[b, :, y, x])
    return out


@exercise("13.2", "every region has its own table, each guide scaled on its own, and the pictures of a batch stay apart.")
def check_guided_grams(guided_grams):
    """Tries guided_grams(act [B, C, h, w], guides [R, h, w]) → [B, R, C, C], each guide scaled to mean square 1, ÷ h·w."""
    for batch, channels, regions, height, width in [(1, 3, 2, 4, 5), (2, 4, 3, 5, 3), (3, 2, 1, 4, 4)]:
        act, guides = _some(batch, channels, height, width, seed=channels), _some(regions, height, width, seed=7) ** 2
        guides[0, :, width // 2:] = 0                                                     # a region that is somewhere only
        squares = guides.square().mean(dim=(1, 2), keepdim=True)
        truth = _by_loop(act, guides.square() / squares) / (height * width)
        same(untouched(guided_grams, act, guides, crashes=_GRAMS), truth, f"the tables of {regions} regions in activations {list(act.shape)}",
             _tables(act, guides, truth))
    differentiable(lambda given: guided_grams(given, guides), act, what="your tables")


def _tables(act, guides, truth):
    """[(message, what this slip gives)], those that differ from the truth."""
    positions, channels = guides[0].numel(), act.shape[1]
    over = lambda values: values.mean(dim=(1, 2), keepdim=True)
    squares, largest = over(guides.square()), guides.amax(dim=(1, 2), keepdim=True)
    unscaled, once = _by_loop(act, guides.square()), _by_loop(act, guides)
    slips = [
        ("the guides are not scaled: each one's mean square is to be 1, so that a small region's table is not small", unscaled / positions),
        ("the guides are scaled to a mean of 1; their mean *square* is to be 1, since a guide meets both factors",
         _by_loop(act, (guides / over(guides))**2) / positions),
        ("the guides are scaled to a maximum of 1; their mean square is to be 1", _by_loop(act, (guides / largest)**2) / positions),
        ("divided by the mean square itself; its root is what scales a guide", _by_loop(act, (guides / squares)**2) / positions),
        ("all guides are scaled together: each one's own mean square is to be 1",
         _by_loop(act, guides.square() / guides.square().mean()) / positions),
        ("the guide is multiplied in once; it belongs to both factors, (T F)(T F)ᵀ",
         _by_loop(act, guides / squares.sqrt()) / positions),
        ("the guide is multiplied in once and divided by its sum; it belongs to both factors, (T F)(T F)ᵀ",
         once / guides.sum(dim=(1, 2))[:, None, None]),
        ("the tables are not divided by the positions, h·w", truth * positions),
        ("the tables are divided by C·h·w; h·w is wanted", truth / channels),
        ("the tables are divided by the number of regions too", truth / len(guides)),
        ("divided by the channels, not by the positions", truth * positions / channels),
        ("regions stand before pictures: [B, R, C, C] is wanted", truth.transpose(0, 1)),
        ("the regions are added up: each has a table of its own, [B, R, C, C]", truth.sum(1)),
        ("the regions are averaged: each has a table of its own, [B, R, C, C]", truth.mean(1)),
        ("the pictures of the batch are added up: each has tables of its own, [B, R, C, C]", truth.sum(0)),
        ("the pictures of the batch are mixed: each has tables of its own", truth.mean(0, keepdim=True).expand_as(truth)),
        ("every region has the first one's table", truth[:, :1].expand_as(truth)),
        ("the guides are not used: these are plain Gram matrices", (_by_loop(act, torch.ones_like(guides)) / positions)),
        ("only what channels say of themselves is there, the diagonal: two channels want two letters", truth.diagonal(dim1=2, dim2=3)),
    ]
    return [slip for slip in slips if slip[1].shape != truth.shape or not torch.allclose(slip[1], truth, rtol=1e-3, atol=1e-5)]


_GRAMS = {
    "The size of tensor a": "guides [R, h, w] and act [B, C, h, w] do not fit as they are: give act a dimension for the regions, act[:, None], "
                            "and guides one for the channels, guides[:, None]; or let einsum's letters do it",
}


# --- 13.3 ------------------------------------------------------------------------------------------------------------

@exercise("13.3", "every point goes to its nearest center, every center to the mean of its points, and a center without any stays.")
def check_one_round(one_round):
    """Tries one_round(points [N, D], centers [k, D]) → (labels [N], new centers [k, D])."""
    for count, k, size, seed in [(12, 3, 2, 0), (30, 4, 5, 1), (9, 3, 4, 2)]:
        points, centers = _some(count, size, seed=seed), _some(k, size, seed=seed + 10)
        if seed == 2:
            centers[1] = 9.0                                                              # far from everything: no point is its own
        distances = torch.stack([torch.stack([(point - center).square().sum() for center in centers]) for point in points])
        labels = torch.tensor([min(range(k), key=lambda c: row[c]) for row in distances.tolist()])
        answer = untouched(one_round, points, centers)
        if not isinstance(answer, (tuple, list)) or len(answer) != 2:
            raise Wrong("two things are wanted: return labels, new_centers")
        found, moved = answer
        if isinstance(found, torch.Tensor) and found.shape == (k,) != (count,):
            raise Wrong("there is a label for each center, not for each point: of the distances [N, k] the smallest "
                        "in each *row* is wanted, dim=1")
        same(found.float() if isinstance(found, torch.Tensor) else found, labels.float(), "labels", [
            ("each point went to the *farthest* center", distances.argmax(1).float()),
            ("labels begin with 1; in Python the first center is 0", labels.float() + 1),
            ("nearest in the first coordinate only", (points[:, None, 0] - centers[None, :, 0]).abs().argmin(1).float()),
            ("differences are added up without a square: they cancel", (points[:, None] - centers).sum(2).abs().argmin(1).float()),
            ("largest product is not least distance: long centers would win", (points @ centers.T).argmax(1).float()),
            ("these are the labels *after* the centers moved; return those by which they moved", _labels(points, _means(points, labels, centers))),
            ("every point has the same label: which center is nearest is asked for each point", torch.zeros(count)),
        ])
        if isinstance(moved, torch.Tensor) and moved.isnan().any():
            raise Wrong("a center without points became NaN, the mean of nothing: let it stay where it is")
        same(moved, _means(points, labels, centers), "the new centers", _moves(points, labels, centers))


def _means(points, labels, centers):
    """Each center's mean of its points, by a loop; those without any stay."""
    moved = centers.clone()
    for c in range(len(centers)):
        mine = [point for point, label in zip(points, labels.tolist()) if label == c]
        moved[c] = sum(mine) / len(mine) if mine else centers[c]
    return moved


def _labels(points, centers):
    return torch.cdist(points, centers).argmin(1).float()


def _moves(points, labels, centers):
    """[(message, the centers that this slip gives)], those that differ from the truth."""
    k, truth = len(centers), _means(points, labels, centers)
    member = torch.nn.functional.one_hot(labels, k).float()                                # [N, k]
    sums, counts = member.T @ points, member.sum(0)[:, None]
    medians = torch.stack([points[labels == c].median(0).values if (labels == c).any() else centers[c] for c in range(k)])
    slips = [
        ("a center without points went to the origin: let it stay where it is", sums / counts.clamp_min(1)),
        ("the points are summed; a center is their mean", sums),
        ("the points are summed; a center is their mean", torch.where(counts > 0, sums, centers)),
        ("divided by all points; a center is the mean of its own", sums / len(points)),
        ("divided by all points; a center is the mean of its own", torch.where(counts > 0, sums / len(points), centers)),
        ("all centers went to the mean of all points; each goes to the mean of its own", points.mean(0).expand(k, -1)),
        ("the centers did not move", centers),
        ("that is the median; k-means takes the mean", medians),
        ("the old center was counted among its points", (sums + centers) / (counts + 1)),
        ("the centers went only half the way: each goes to the mean itself", (truth + centers) / 2),
    ]
    return [slip for slip in slips if not torch.allclose(slip[1], truth)]
