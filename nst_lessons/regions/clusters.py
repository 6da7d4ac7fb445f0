"""Regions without labels: positions whose features are alike, found by k-means (Lloyd 1957; first centers: Arthur & Vassilvitskii 2007)."""
import torch
from torch.nn import functional as F

LAYERS = ["relu2_1", "relu3_1", "relu4_1"]                       # from color and texture to parts of things


def kmeans(points, k, rounds=20, seed=0):
    """`k` centers, each the mean of the points that are nearer to it than to the others.

    points: [N, D] → (labels [N], whole numbers from 0; centers [k, D]). The same seed gives the same answer.
    Raises ValueError for k under 1 or above N.
    """
    if not 1 <= k <= len(points):
        raise ValueError(f"k={k} makes no sense for {len(points)} points; give a number from 1 to that")
    generator = torch.Generator().manual_seed(seed)
    centers = points[torch.randint(len(points), (1,), generator=generator)]      # [1, D]
    while len(centers) < k:                                      # the next one probably far from those there are
        far = torch.cdist(points, centers).amin(dim=1).square().cpu() + 1e-12    # [N]
        centers = torch.cat([centers, points[torch.multinomial(far, 1, generator=generator)]])
    labels = None
    for _ in range(rounds):
        before, labels = labels, torch.cdist(points, centers).argmin(dim=1)      # [N, k] → [N]
        if before is not None and torch.equal(before, labels):   # nobody moves any more
            break
        for c in labels.unique():                                # one without points stays where it is
            centers[c] = points[labels == c].mean(dim=0)
    return labels, centers


@torch.no_grad()
def feature_clusters(features, photo, k=3, layers=None, seed=0):
    """`k` regions of a photograph, the largest first, from what a network says at each place: no labels, no names.

    photo: [1, 3, H, W] → list of [1, 1, H, W], 0 or 1, which together cover every pixel once. layers: relu2_1, relu3_1 and relu4_1 unless
    given; each one's activations are brought to the middle one's size and to unit length, so that loud layers do not drown soft ones.
    """
    acts = list(features(photo, layers or LAYERS).values())
    shape = acts[len(acts) // 2].shape[2:]
    maps = [F.interpolate(F.normalize(act, dim=1), shape, mode="bilinear") for act in acts]     # [1, C, h, w] each
    points = torch.cat(maps, dim=1)[0].flatten(1).T.contiguous()                                  # [ΣC, h·w] → [h·w, ΣC]
    labels, _ = kmeans(points, k, seed=seed)
    shares = F.one_hot(labels, k).T.reshape(1, k, *shape).float()                                 # [h·w, k] → [1, k, h, w]
    winners = F.interpolate(shares, photo.shape[2:], mode="bilinear").argmax(dim=1)               # [1, H, W]
    masks = [(winners == c).float()[:, None] for c in range(k)]
    return sorted(masks, key=lambda mask: -mask.sum().item())
