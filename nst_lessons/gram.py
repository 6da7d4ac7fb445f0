"""Lesson 03: the Gram matrix, a table of which channels speak together; and, for lesson 07, the other statistics of style.

Mean and deviation, covariance and Gram matrix forget where something is and keep sums over positions; sorted projections
keep whole distributions; nearest patches keep small pieces as they are.
"""
import torch
from torch.nn import functional as F


def gram_matrix(act, normalize="positions"):
    """Gram matrix of one layer's activations (Gatys et al. 2016, eq. 3).

    act: [B, C, H, W] → [B, C, C]. `normalize`: "none" F Fᵀ, "positions" ÷ H·W, "all" ÷ C·H·W.
    Raises ValueError when `act` has not four dimensions, or `normalize` is another word.
    """
    if act.ndim != 4:
        raise ValueError(f"gram_matrix wants activations [B, C, H, W], got a tensor of shape {list(act.shape)}")
    channels, positions = act.shape[1], act.shape[2] * act.shape[3]
    divisors = {"none": 1, "positions": positions, "all": channels * positions}
    if normalize not in divisors:
        raise ValueError(f"normalize={normalize!r} is unknown; choose one of {', '.join(map(repr, divisors))}")
    flat = act.flatten(2)                                   # [B, C, H, W] → [B, C, H·W]
    return flat @ flat.transpose(1, 2) / divisors[normalize]     # [B, C, H·W] · [B, H·W, C] → [B, C, C]


def mean_and_deviation(act):
    """Each channel's mean and standard deviation over all positions (Li et al. 2017, "Demystifying Neural Style Transfer").

    act: [B, C, H, W] → two tensors [B, C]. The deviation is ÷ H·W, not ÷ (H·W − 1).
    """
    flat = act.flatten(2)                                   # [B, C, H, W] → [B, C, H·W]
    return flat.mean(dim=2), flat.std(dim=2, correction=0)


def covariance(act):
    """Covariance of the channels: the Gram matrix of what is left of each when its mean is taken away.

    act: [B, C, H, W] → [B, C, C], ÷ H·W.
    """
    return gram_matrix(act - act.mean(dim=(2, 3), keepdim=True))


def covariance_root(cov):
    """A matrix R with R Rᵀ = cov: eigenvectors, each as long as its deviation. cov: [B, C, C], symmetric, ≥ 0 → [B, C, C]."""
    values, vectors = torch.linalg.eigh(cov)
    return vectors * values.clamp_min(0).sqrt().unsqueeze(1)     # [B, C, C] · [B, 1, C]: column by column


def wasserstein2(mean, cov, target_mean, target_root):
    """Squared 2-Wasserstein distance of two Gaussians: what it costs to carry one heap of activations into the other's place.

    ‖m − m′‖² + tr(Σ + Σ′ − 2 (Rᵀ Σ R)^½), Σ′ = R Rᵀ (Olkin & Pukelsheim 1982). mean: [B, C], cov: [B, C, C], target_mean:
    [1 or B, C], target_root: `covariance_root` of the target's covariance, or those of its K columns that are not zero → [B].
    """
    overlap = torch.linalg.eigvalsh(target_root.mT @ cov @ target_root)          # [B, K, C] · [B, C, C] · [B, C, K] → [B, K]
    spread = cov.diagonal(dim1=1, dim2=2).sum(1) + target_root.pow(2).sum(dim=(1, 2))
    return (mean - target_mean).pow(2).sum(1) + spread - 2 * overlap.clamp_min(1e-12).sqrt().sum(1)


def random_directions(channels, count, seed=0):
    """`count` directions in the space of channels, at right angles to each other as far as there is room: [C, K], unit length."""
    generator, blocks = torch.Generator().manual_seed(seed), []
    while sum(block.shape[1] for block in blocks) < count:
        blocks.append(torch.linalg.qr(torch.randn(channels, channels, generator=generator)).Q)
    return torch.cat(blocks, dim=1)[:, :count].contiguous()


def sorted_projections(act, directions):
    """How the activations are spread along each direction, from least to most: [B, C, H, W], [C, K] → [B, K, H·W]."""
    return (directions.T @ act.flatten(2)).sort(dim=2).values    # [K, C] · [B, C, H·W] → [B, K, H·W]


def sliced_wasserstein(act, target, directions):
    """Distance of two clouds of activations, seen along many directions (Heitz et al. 2021, "A Sliced Wasserstein Loss …").

    act: [B, C, H, W]; target: sorted_projections(style_act, directions), [1 or B, K, M′], of any M′; directions: [C, K] of unit
    length → [B]: the mean squared difference, the lowest value with the lowest. Of values in a row that is the 2-Wasserstein distance.
    """
    mine = sorted_projections(act, directions)
    target = F.interpolate(target, mine.shape[2], mode="linear")                 # drawn out or together: [1 or B, K, H·W]
    return (mine - target).pow(2).mean(dim=(1, 2))


def unit_patches(act, mean, size=3):
    """All patches of `size` × `size` positions, less the mean [1 or B, C, 1, 1], each scaled to length 1: [B, C, H, W] → [B, C·size², P]."""
    missing = [max(0, size - side) for side in act.shape[2:]]                    # of a map smaller than a patch the border is repeated
    act = F.pad(act - mean, (0, missing[1], 0, missing[0]), mode="replicate")
    return F.normalize(F.unfold(act, size), dim=1)


def nearest_patches(patches, style_patches):
    """For each patch the style's patch that is most like it: the largest product, as both have length 1 (Li & Wand 2016, eq. 3).

    patches: [B, D, P], style_patches: [D, P′] → [B, D, P]. Who is nearest has no gradient.
    """
    with torch.no_grad():
        nearest = (style_patches.T @ patches).argmax(dim=1)                      # [P′, D] · [B, D, P] → [B, P′, P] → [B, P]
    return style_patches[:, nearest].transpose(0, 1)                             # [D, B, P] → [B, D, P]


def patch_distance(act, style_act, size=3):
    """How unlike the style's patches the patches of a picture are: the mean of 1 − cosine to the nearest (after Li & Wand 2016).

    act: [B, C, H, W], style_act: [1, C, H′, W′] → [B]. They ask for the plain squared distance to the patch that is nearest by cosine;
    it jumps where another patch becomes the nearest, and then L-BFGS loses its way. The cosine itself does not jump.
    """
    mean = style_act.mean(dim=(2, 3), keepdim=True)
    mine, theirs = unit_patches(act, mean, size), unit_patches(style_act, mean, size)
    return 1 - (mine * nearest_patches(mine, theirs[0])).sum(dim=1).mean(dim=1)
