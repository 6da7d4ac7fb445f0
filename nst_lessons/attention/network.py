"""Lesson 09, the networks: `tiny` looks at photograph and painting, one decoder paints what it is given; any painting, one pass."""
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from ..fast import instance_norm
from ..features import Features
from .adain import adain, moments, normalized
from .attend import attend_in_parts

LAYERS = {"relu1_1": 64, "relu2_1": 128, "relu3_1": 256, "relu4_1": 512, "relu5_1": 512}     # of `tiny`, with their channels
MULTIPLE = 16            # px: a picture is halved four times on the way to relu5_1


@dataclass
class Look:
    """What a network keeps of a picture: activations {layer: [B, C, H, W]}, and (mean, deviation) for each layer of the decoder."""
    acts: dict
    moments: list


class StyledConv(nn.Module):
    """Reflection padding and a convolution; what comes out gets the moments of a painting's activations in `layer`, seen through a
    1×1 convolution: AdaIN between two things that have the same channels."""

    def __init__(self, before, after, layer):
        super().__init__()
        self.layer = layer
        self.conv = nn.Conv2d(before, after, 3, bias=False)                  # no bias: normalization would take it away again
        self.see = nn.Conv2d(LAYERS[layer], after, 1)

    def seen(self, acts):
        """[B, after, H′, W′] of a painting's activations: what AdaIN is to hold this layer's own channels against."""
        return self.see(acts[self.layer]).float()

    def forward(self, x):
        return self.conv(F.pad(x, (1,) * 4, mode="reflect"))


class AnyStyle(nn.Module):
    """Photographs to paintings in one pass, in the style of any painting: AdaIN (Huang & Belongie 2017), here at every depth.

    net(photo [B, 3, H, W] in [0, 1], style, strength=1) → [B, 3, H, W] in [0, 1], any size from 16 px. `style`: a painting
    [1 or B, 3, H′, W′], what `look` made of one, or a mixture [(painting, share), …]. `strength`: 1 is the painting's style, 0 the
    photograph's own. `widths`: the decoder's channels at the whole, half, quarter and eighth of the size.
    Raises ValueError for a strength outside [0, 1] and for shares that are negative or all zero.
    """

    method = "adain"
    asked = ("relu3_1", "relu4_1")                                           # what is needed of a photograph that is not a style, too

    def __init__(self, widths=(24, 48, 96, 128), features=None):
        super().__init__()
        full, half, quarter, eighth = widths
        self.shape = {"widths": list(widths)}
        self._eyes = [features or Features("tiny")]                          # in a list, so that its weights are not among ours
        self.enter = nn.Conv2d(LAYERS["relu4_1"], eighth, 1)
        self.skip = nn.Conv2d(LAYERS["relu3_1"], quarter, 1)                 # eyes and mouths
        self.layers = nn.ModuleList(
            [StyledConv(eighth, eighth, layer) for layer in ("relu5_1", "relu5_1", "relu4_1", "relu4_1")]
            + [StyledConv(eighth, quarter, "relu3_1"), StyledConv(quarter, quarter, "relu3_1"), StyledConv(quarter, quarter, "relu3_1"),
               StyledConv(quarter, half, "relu2_1"), StyledConv(half, full, "relu1_1")])
        self.out = nn.Conv2d(full, 3, 5)

    @property
    def features(self):
        """The frozen network that looks: Features."""
        return self._eyes[0]

    def look(self, picture):
        """All that painting needs of a picture [B, 3, H, W] as a style: a Look. Keep it to paint many photographs."""
        return self._noted(self.features(_filled(picture), LAYERS))

    def forward(self, photo, style, strength=1.0):
        height, width = photo.shape[2:]
        acts = self.features(_filled(photo), LAYERS if strength < 1 else self.asked)
        return self._paint(acts, self._mixture(style, strength, acts))[..., :height, :width]

    def paint(self, acts, style_acts):
        """The same from activations {layer: [B, C, H, W]} of photograph and painting, as training has them → [B, 3, H, W]."""
        return self._paint(acts, [(self._noted(style_acts), 1.0)])

    def _paint(self, acts, styles):
        return self._decode(self._deep(acts, styles), self._skip(acts, styles), self._restyler(styles))

    def _noted(self, acts):
        return Look(acts, [moments(layer.seen(acts)) for layer in self.layers])

    def _restyler(self, styles):
        """f(k, act): act [B, C, H, W], which the k-th layer made, with the styles' moments. Blending moments blends AdaIN's answers."""
        def restyled(k, act):
            mean, deviation = (sum(share * look.moments[k][part] for look, share in styles) for part in (0, 1))
            return instance_norm(act, deviation[..., 0, 0], mean[..., 0, 0])
        return restyled

    def _mixture(self, style, strength, acts):
        """[(Look, share), …] with shares that add up to 1; the photograph is one more style, with what `strength` leaves to it."""
        if not 0 <= strength <= 1:
            raise ValueError(f"strength {strength} is none: 0 is the photograph, 1 the painting's style")
        parts = style if isinstance(style, list) else [(style, 1.0)]
        shares = [float(share) for _, share in parts]
        if min(shares, default=0) < 0 or sum(shares) <= 0:
            raise ValueError(f"shares {shares} make no mixture: give numbers from 0 up, not all of them 0")
        looks = [part if isinstance(part, Look) else self.look(part) for part, _ in parts]
        mixture = [(look, strength * share / sum(shares)) for look, share in zip(looks, shares) if strength * share > 0]
        if strength < 1:
            mixture.append((self._noted(acts), 1 - strength))
        return mixture

    def _blended(self, acts, styles, layer):
        """Σ share · AdaIN(content, style) in a layer of `tiny` (Huang & Belongie 2017, eq. 15)."""
        return sum(share * adain(acts[layer], look.acts[layer]) for look, share in styles)

    def _deep(self, acts, styles):
        """What enters the decoder, [B, eighth, H/8, W/8]: content's relu4_1 with the style's moments."""
        return self.enter(self._blended(acts, styles, "relu4_1"))

    def _skip(self, acts, styles):
        """The same of relu3_1, [B, quarter, H/4, W/4], for what is too small to survive at an eighth of the size."""
        return self.skip(self._blended(acts, styles, "relu3_1"))

    def _decode(self, x, skip, restyled):
        """x: [B, eighth, H/8, W/8] → [B, 3, H, W] in [0, 1]. restyled(k, act): AdaIN after the k-th layer."""
        styled = lambda k, x: restyled(k, self.layers[k](x))
        larger = lambda x: F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        for k in (0, 2):                                                     # residual blocks, as in lesson 08
            x = x + styled(k + 1, F.relu(styled(k, x)))
        x = F.relu(styled(4, larger(x)) + skip)
        x = x + styled(6, F.relu(styled(5, x)))
        for k in (7, 8):
            x = F.relu(styled(k, larger(x)))
        return torch.sigmoid(self.out(F.pad(x, (2,) * 4, mode="reflect")))


class Attention(nn.Module):
    """Places of the photograph look for their like in the painting, and take what is there (Park & Lee 2019, eq. 4 and 5)."""

    def __init__(self, layer, inner, after):
        super().__init__()
        self.layer = layer
        self.query, self.key = nn.Conv2d(LAYERS[layer], inner, 1, bias=False), nn.Conv2d(LAYERS[layer], inner, 1, bias=False)
        self.value = nn.Conv2d(LAYERS[layer], after, 1)
        nn.init.orthogonal_(self.query.weight)
        self.key.weight.data.copy_(self.query.weight.data)                   # to begin with, like looks at like

    def compared(self, acts, style_acts):
        """(query, key) of photograph and painting, [B, inner, H, W] and [B, inner, H′, W′]; contrast and color are taken out first.

        All get the same length (Henry et al. 2020): without it training made them so long that one place took all.
        """
        query, key = self.query(normalized(acts[self.layer])), self.key(normalized(style_acts[self.layer]))
        return tuple(F.normalize(one.float(), dim=1) * one.shape[1] ** 0.5 for one in (query, key))

    def forward(self, acts, style_acts):
        query, key = self.compared(acts, style_acts)
        value = self.value(style_acts[self.layer]).float()
        return attend_in_parts(query, key.expand(len(query), -1, -1, -1), value.expand(len(query), -1, -1, -1))


class AttentionStyle(AnyStyle):
    """`AnyStyle` whose decoder is entered by attention at two scales, relu4_1 and relu5_1 (SANet, Park & Lee 2019); else the same."""

    method = "attention"
    asked = ("relu3_1", "relu4_1", "relu5_1")

    def __init__(self, widths=(24, 48, 96, 128), inner=64, features=None):
        super().__init__(widths, features)
        self.shape |= {"inner": inner}
        self.near, self.far = Attention("relu4_1", inner, widths[3]), Attention("relu5_1", inner, widths[3])
        self.merge = nn.Conv2d(widths[3], widths[3], 3)

    def _deep(self, acts, styles):
        """The photograph without its contrast, plus what each place gathered from the painting at both scales."""
        near = sum(share * self.near(acts, look.acts) for look, share in styles)
        far = sum(share * self.far(acts, look.acts) for look, share in styles)
        gathered = near + F.interpolate(far, near.shape[2:], mode="bilinear", align_corners=False)
        return self.enter(normalized(acts["relu4_1"])) + self.merge(F.pad(gathered, (1,) * 4, mode="reflect"))


def _filled(picture):
    """`picture`, mirrored at right and bottom until both sides are multiples of 16 px."""
    height, width = picture.shape[2:]
    if height % MULTIPLE == 0 and width % MULTIPLE == 0:
        return picture
    return F.pad(picture, (0, -width % MULTIPLE, 0, -height % MULTIPLE), mode="reflect")
