"""A dictionary learned from the two pictures themselves: no network was trained, nobody labeled anything.

Patches are cut out of both, whitened, and sorted into a few directions by k-means (Coates & Ng 2012). Each direction is a filter, and
one layer of such filters, on the picture and on three smaller copies of it, is all there is.
"""
import copy

import torch
from torch import nn
from torch.nn import functional as F

from .. import loading
from ..features import Features

SIDE, ATOMS, LEVELS = 7, 48, 4           # px of a filter, directions learned, sizes of the picture
COUNT, SCALES = 20_000, 3                # patches, and the sizes of the pictures from which they are cut
EPSILON, ROUNDS = 0.01, 12               # of the whitening, of k-means


def cut_patches(pictures, count=COUNT, side=SIDE, scales=SCALES, seed=0):
    """`count` random patches [N, 3, side, side]: as many from each picture [1, 3, H, W], at its own size, half of it, a quarter, …

    Sizes too small for one patch are left out. Raises ValueError when a picture is smaller than a patch.
    """
    generator, sources = torch.Generator().manual_seed(seed), []
    for picture in pictures:
        if min(picture.shape[2:]) < side:
            raise ValueError(f"a picture of {picture.shape[3]}×{picture.shape[2]} px has no patch of {side}×{side} px; use a larger one")
        smaller = [picture if k == 0 else F.interpolate(picture, scale_factor=0.5**k, mode="bilinear", antialias=True)
                   for k in range(scales) if min(picture.shape[2:]) * 0.5**k >= side]
        sources.append(smaller)
    found, along = [], torch.arange(side)
    for number, smaller in enumerate(sources):
        share = count * (number + 1) // len(sources) - count * number // len(sources)
        for k, source in enumerate(smaller):
            part = share * (k + 1) // len(smaller) - share * k // len(smaller)
            top = torch.randint(source.shape[2] - side + 1, (part, 1, 1), generator=generator) + along[:, None]
            left = torch.randint(source.shape[3] - side + 1, (part, 1, 1), generator=generator) + along
            found.append(source[0].cpu()[:, top, left].transpose(0, 1))                # [3, N, side, side] → [N, 3, side, side]
    return torch.cat(found)


def without_color(patches):
    """Each patch [N, 3, s, s] less its own mean color: what is left is structure."""
    return patches - patches.mean(dim=(2, 3), keepdim=True)


def zca(points, epsilon=EPSILON):
    """The symmetric matrix [D, D] that gives points [N, D] of mean 0 the covariance 1 (Bell & Sejnowski 1997): V (Λ + ε)^(−½) Vᵀ.

    ε, in squared units of the points, keeps directions in which hardly anything happens from becoming loud.
    """
    values, vectors = torch.linalg.eigh(points.T.double() @ points.double() / len(points))      # in float32 flat pictures defeat it
    return (vectors * (values.clamp_min(0) + epsilon).rsqrt() @ vectors.T).to(points)


def spherical_kmeans(points, count=ATOMS, rounds=ROUNDS, seed=0):
    """Unit directions [count, D] to which points [N, D] are near, either way around (Coates & Ng 2012, section 3.1).

    It begins with points taken at random. Each round, a point votes for the direction that it is longest along, s = d·x, and d becomes
    d + Σ s x, of length 1.
    """
    generator = torch.Generator().manual_seed(seed)
    start = points[torch.randint(len(points), (count,), generator=generator)]
    directions = F.normalize(start + 1e-4 * torch.randn(start.shape, generator=generator).to(points), dim=1)      # a point may be 0
    for _ in range(rounds):
        along = points @ directions.T
        nearest = F.one_hot(along.abs().argmax(1), count) * along                      # [N, count]: s where it votes, else 0
        directions = F.normalize(directions + nearest.T @ points, dim=1)
    return directions


class PatchPyramid(nn.Module):
    """The backbone `patches`: one layer of filters on a picture and its smaller copies. Layers `level1` … `level4`: [B, 102, H', W'].

    102 channels: 48 filters and the mean color in three channels, each with its negative, then a ReLU. Content is asked for at `level3`.
    `learn(pictures)` makes them;
    `learned` says whether that was done. `drawn`: directions by chance in place of k-means', to see what learning is worth.
    """

    def __init__(self, atoms=ATOMS, side=SIDE, levels=LEVELS, drawn=False):
        super().__init__()
        self.atoms, self.side, self.drawn, self.learned = atoms, side, drawn, False
        self.layers = [f"level{k}" for k in range(1, levels + 1)]
        self.style_layers, self.content_layers = self.layers, self.layers[:3][-1:]        # finer ones would keep the photograph's own strokes
        self.register_buffer("kernels", torch.zeros(atoms + 3, 3, side, side))
        self.register_buffer("shifts", torch.zeros(atoms + 3))

    @torch.no_grad()
    def learn(self, pictures, count=COUNT, seed=0, whiten=zca):
        """Learns its filters from pictures, a list of [1, 3, H, W], and returns itself. The same pictures give the same filters.

        whiten(points [N, D] of mean 0) → [D, D], by which they are multiplied: `zca`, or another way.
        """
        patches = cut_patches(pictures, count, self.side, seed=seed)
        points = without_color(patches).flatten(1)
        mean = points.mean(0)
        matrix = whiten(points - mean)
        if self.drawn:
            directions = F.normalize(torch.randn(self.atoms, len(mean), generator=torch.Generator().manual_seed(seed)), dim=1)
        else:
            directions = spherical_kmeans((points - mean) @ matrix, self.atoms, seed=seed)
        structure = without_color((directions @ matrix).view(-1, 3, self.side, self.side))       # deaf to a patch's mean color
        boxes = torch.eye(3)[:, :, None, None].expand(3, 3, self.side, self.side) / self.side**2       # hears nothing else
        kernels = torch.cat([structure, boxes])
        heard = patches.flatten(1) @ kernels.flatten(1).T
        loud = heard.std(0).clamp_min(1e-6)                                            # a gray picture has no color to be heard
        self.kernels.copy_(kernels / loud[:, None, None, None])
        self.shifts.copy_(-heard.mean(0) / loud)
        self.learned = True
        return self

    def forward(self, image, wanted):
        """Activations {name: [B, C, H', W']} of the layers in `wanted`; image: [B, 3, H, W] in [0, 1]."""
        if not self.learned:
            raise ValueError("the network 'patches' learns from the two pictures first; selfsup.patch_features(photo, style) does it")
        found, margin = {}, self.side // 2
        for name in self.layers:
            if name in wanted:
                seen = F.conv2d(F.pad(image, (margin,) * 4, mode="replicate"), self.kernels, self.shifts)
                found[name] = F.relu(torch.cat([seen, -seen], 1))
            if len(found) == len(wanted):
                return found
            image = F.avg_pool2d(image, 2)


def patch_builder(weights, pooling):
    """`patches` for `features.register`; weights: None (to be learned), "random" (drawn), or a file of a learned one's state_dict."""
    network = PatchPyramid(drawn=weights == "random")
    if weights not in (None, "random"):
        loading.load_into(network, weights)
        network.learned = True
    return network


def patch_features(photo, *styles, device=None, **options):
    """Features whose dictionary was learned from a photograph and its style pictures, each [1, 3, H, W]. options: those of `PatchPyramid.learn`."""
    features = Features("patches", device=device)
    features.backbone.learn([photo, *styles], **options)
    return features


def ready(features, pictures):
    """`features` as they are; or, where a dictionary is not learned yet, a copy of them that learned from `pictures`."""
    waiting = lambda network: [part for part in network.modules() if isinstance(part, PatchPyramid) and not part.learned]
    if not waiting(features):
        return features
    features = copy.deepcopy(features)
    for dictionary in waiting(features):
        dictionary.learn(pictures)
    return features
