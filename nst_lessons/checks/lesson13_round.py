"""Exercise 13.3: one round of k-means, its labels and its centers. The oracle is a loop."""
import torch

from .lesson13 import _some
from .verdict import Wrong, exercise, same, untouched


@exercise("13.3", "every point goes to its nearest center, every center to the mean of its points, and a center without any stays.")
def check_one_round(one_round):
    """Tries one_round(points [N, D], centers [k, D]) → (labels [N], new centers [k, D])."""
    for count, k, size, seed in [(12, 3, 2, 0), (30, 4, 5, 1), (9, 3, 4, 2)]:
        points, centers = _some(count, size, seed=seed), _some(k, size, seed=seed + 10)
        if seed == 2:
            centers[1] = 9.0                                                              # far from everything: no point is its own
        distances = torch.stack([torch.stack([(point - center).square().sum() for center in centers]) for point in points])
        labels = torch.tensor([min(range(k), key=lambda c: row[c]) for row in distances.tolist()])
        answer = untouched(one_round, points, centers, crashes=_ROUND)
        if not isinstance(answer, (tuple, list)) or len(answer) != 2:
            raise Wrong("two things are wanted: return labels, new_centers")
        found, moved = answer
        if isinstance(found, torch.Tensor) and isinstance(moved, torch.Tensor) and found.shape == (k, size) and moved.shape == (count,):
            raise Wrong("centers came first: return labels, new_centers")
        if isinstance(found, torch.return_types.min):
            raise Wrong("`min` gives two things, values and indices; the labels are its indices, or `argmin`")
        if isinstance(found, torch.Tensor) and found.shape == (k,) != (count,):
            raise Wrong("there is a label for each center, not for each point: of the distances [N, k] the smallest "
                        "in each *row* is wanted, dim=1")
        same(found.float() if isinstance(found, torch.Tensor) else found, labels.float(), "labels", [
            ("each point went to the *farthest* center", distances.argmax(1).float()),
            ("labels begin with 1; in Python the first center is 0", labels.float() + 1),
            ("nearest in the first coordinate only", (points[:, None, 0] - centers[None, :, 0]).abs().argmin(1).float()),
            ("differences are added up without a square: they cancel", (points[:, None] - centers).sum(2).abs().argmin(1).float()),
            ("that is the least sum of absolute differences; nearest is by the sum of squares", torch.cdist(points, centers, p=1).argmin(1).float()),
            ("only the largest difference is looked at; nearest is by the sum of squares",
             (points[:, None] - centers).abs().amax(2).argmin(1).float()),
            ("nearest in direction, whatever the length; nearest is by the sum of squared differences",
             (points @ (centers / centers.norm(dim=1, keepdim=True)).T).argmax(1).float()),
            ("these are the distances to the nearest centers; which center that is is wanted, argmin", distances.amin(1).sqrt()),
            ("these are the squared distances to the nearest centers; which center that is is wanted, argmin", distances.amin(1)),
            ("that is the second-nearest center", distances.argsort(1)[:, 1].float()),
            ("these are the labels *after* the centers moved, several times: one round is wanted, and the labels by which they moved",
             _rounds(points, centers, 20)[0].float()),
            ("a center moved before all labels were there: first the labels of all points, then the centers", _one_by_one(points, centers)),
            ("a label is one whole number for each point, [N]: the place of its 1 in the row", torch.nn.functional.one_hot(labels, k)),
            ("these are all the distances; which one is the smallest in each row is wanted, argmin", distances.sqrt()),
            ("these are all the distances; which one is the smallest in each row is wanted, argmin", distances),
            ("labels are [N], without a second dimension: drop it, [:, 0]", labels[:, None].float()),
            ("largest product is not least distance: long centers would win", (points @ centers.T).argmax(1).float()),
            ("these are the labels *after* the centers moved; return those by which they moved", _labels(points, _means(points, labels, centers))),
            ("every point has the same label: which center is nearest is asked for each point, by squared differences", torch.zeros(count)),
        ])
        if isinstance(moved, torch.Tensor) and moved.isnan().any():
            raise Wrong("a center without points became NaN, the mean of nothing: let it stay where it is")
        truth = _means(points, labels, centers)
        same(moved, truth, "the new centers", _moves(points, labels, centers) + _astray(moved, labels, truth))


def _means(points, labels, centers):
    """Each center's mean of its points, by a loop; those without any stay."""
    moved = centers.clone()
    for c in range(len(centers)):
        mine = [point for point, label in zip(points, labels.tolist()) if label == c]
        moved[c] = sum(mine) / len(mine) if mine else centers[c]
    return moved


def _rounds(points, centers, count):
    """(labels, centers) after several rounds."""
    for _ in range(count):
        labels = _labels(points, centers).long()
        centers = _means(points, labels, centers)
    return labels, centers


def _one_by_one(points, centers):
    """Labels asked for anew before each center moves, the last ones."""
    centers = centers.clone()
    for c in range(len(centers)):
        labels = _labels(points, centers)
        if (labels == c).any():
            centers[c] = points[labels == c].mean(0)
    return labels


def _astray(moved, labels, truth):
    """The slip of an answer that is right but for the centers without points."""
    full = labels.bincount(minlength=len(truth)) > 0
    if full.all() or not isinstance(moved, torch.Tensor) or moved.shape != truth.shape or not torch.allclose(moved[full].to(truth), truth[full]):
        return []
    return [("a center without points moved: let it stay where it is", moved)]


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
        ("a center without points is gone: let it stay where it is, so that there are k", truth[counts[:, 0] > 0]),
        ("the mean of all numbers is taken; of the points it is wanted, over dimension 0", torch.where(counts > 0, _flat(sums, counts), centers)),
        ("that is the middle between the smallest and the largest; k-means takes the mean", _extremes(points, labels, centers, 0.5)),
        ("that is the largest of its points; k-means takes the mean", _extremes(points, labels, centers, 1)),
        ("that is one of its points, the one next to the mean; k-means takes the mean itself", points[torch.cdist(truth, points).argmin(1)]),
        ("there is a center for each point, not one for each label", truth[labels]),
        ("the centers moved more than once: one round is wanted", _rounds(points, centers, 2)[1]),
        ("the centers moved more than once: one round is wanted", _rounds(points, centers, 20)[1]),
        ("the old center was counted among its points", (sums + centers) / (counts + 1)),
        ("the centers went only half the way: each goes to the mean itself", (truth + centers) / 2),
    ]
    return [slip for slip in slips if slip[1].shape != truth.shape or not torch.allclose(slip[1], truth)]


def _flat(sums, counts):
    """The mean of all coordinates of a center's points, in each coordinate."""
    return (sums / counts.clamp_min(1)).mean(1, keepdim=True).expand_as(sums)


def _extremes(points, labels, centers, share):
    """Each center between the least and the largest of its points' coordinates."""
    mine = [points[labels == c] if (labels == c).any() else centers[c:c + 1] for c in range(len(centers))]
    return torch.stack([torch.lerp(one.amin(0), one.amax(0), share) for one in mine])


_ROUND = {
    "The size of tensor a": "points [N, D] and centers [k, D] do not fit as they are: points[:, None] - centers is [N, k, D], each with each; "
                            "or take torch.cdist",
    "The expanded size of the tensor": "a center is D numbers: the mean of its points over dimension 0, mean(0)",
    "the number of sizes provided": "a label alone, one for all points, cannot tell whose they are: the smallest of each *row* is wanted, dim=1",
    "is out of bounds for dimension 0": "a label is larger than k - 1: the smallest of each *row* of the distances [N, k] is wanted, dim=1",
    "The shape of the mask [": "there is a label for each center, not for each point: of the distances [N, k] the smallest in each *row* "
                               "is wanted, dim=1",
}
