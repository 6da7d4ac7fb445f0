"""Lesson 01: normalize, denormalize, one size for two pictures, bytes. The oracles: a loop over channels, and Pillow's resize."""
import functools

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F

from ..images import IMAGENET_MEAN, IMAGENET_STD
from ..images import normalize as _forth
from .verdict import Wrong, differentiable, exercise, same, seeded, untouched

_ODD = [0.2, 0.45, 0.7, 0.9], [0.5, 0.15, 0.3, 0.8]               # no network's: whoever uses ImageNet's numbers is seen


def _some(*shape, seed=0):
    """Pixels in [0, 1]."""
    return torch.rand(*shape, generator=seeded(seed))


def _each(images, mean, std, rule):
    """rule(plane, its mean, its std) for one channel after the other."""
    return torch.stack([rule(images[:, c], float(mean[c]), float(std[c])) for c in range(images.shape[1])], dim=1)


def _along(images, mean, std, dim, rule):
    """The same with the numbers of the channels lying along another dimension, as long as it has as many."""
    mean, std = (torch.tensor(numbers).view([-1 if d == dim else 1 for d in range(4)]) for numbers in (mean, std))
    return rule(images, mean, std)


def _told(function, *args):
    """`untouched`, with the crashes that everybody has explained."""
    try:
        return untouched(function, *args)
    except Wrong as wrong:
        if "unsupported operand type" in str(wrong) and ("'list'" in str(wrong) or "'tuple'" in str(wrong)):
            raise Wrong("mean and std come as a list or tuple, with which one cannot calculate: make tensors of them first, as by "
                        "torch.tensor(mean)") from None
        if "must match the size of tensor" in str(wrong):
            raise Wrong("mean and std do not meet the channels: shapes are lined up from the right, and a plain row of C numbers "
                        "would meet the width") from None
        if "is invalid for input of size" in str(wrong):
            raise Wrong(f"{args[0].shape[1]} channels do not suit your function: take as many as there are numbers in mean") from None
        raise


_THREE = "only the first three channels are done: take as many as there are numbers in mean"


def _mixed_up(images, mean, std, rule):
    """[(message, tensor), …] for a right rule(x, m, s) that is fed with the wrong numbers, or whose answer is turned."""
    mean_of, std_of = ([sum(numbers) / len(numbers)] * len(numbers) for numbers in (mean, std))
    slips = [
        ("mean and std are exchanged", _each(images, std, mean, rule)),
        ("each channel has its own mean and std; you used one of each for all channels", _each(images, mean_of, std_of, rule)),
        ("the first channel's mean and std are used for all channels", _each(images, mean[:1] * len(mean), std[:1] * len(std), rule)),
        ("mean and std come in reverse order, blue first (BGR): here red is channel 0", _each(images, mean[::-1], std[::-1], rule)),
        ("the channels are reversed, blue first (BGR): leave their order as it is", _each(images, mean, std, rule).flip(1)),
        ("the channels are reversed, blue first (BGR): leave their order as it is", _each(images.flip(1), mean, std, rule)),
        ("you squared std: it is to be used as it is", _each(images, mean, [s**2 for s in std], rule)),
        ("you used ImageNet's numbers; take those that are given as mean and std",
         _each(images, [*IMAGENET_MEAN, 0], [*IMAGENET_STD, 1], rule)),
        ("channels come last in your answer: [B, C, H, W] is wanted", _each(images, mean, std, rule).permute(0, 2, 3, 1)),
        ("there is no batch in your answer: [B, C, H, W] is wanted also when B = 1", _each(images, mean, std, rule)[0]),
    ]
    if images.shape[1] > 3:
        three = _each(images[:, :3], mean, std, rule)
        slips += [(_THREE, three), (_THREE, torch.cat([three, images[:, 3:]], dim=1)),
                  (_THREE, torch.cat([three, torch.zeros_like(images[:, 3:])], dim=1))]
    for dim, where in ((3, "width"), (2, "height"), (0, "batch")):
        if images.shape[dim] == len(mean):
            slips.append((f"the numbers of the channels lie along the {where}: give them the shape [C, 1, 1]",
                          _along(images, mean, std, dim, rule)))
    return slips


@exercise("1.1", "your numbers are those of a loop, for batches, for any count of channels, and a gradient gets through.")
def check_normalize(normalize):
    """Tries normalize(image [B, C, H, W], mean, std: C numbers each) → (x − mean) / std, against a loop over channels."""
    rule = lambda x, m, s: (x - m) / s
    for shape in [(2, 3, 4, 5), (1, 4, 3, 4), (2, 2, 3, 5), (1, 3, 3, 6)]:
        images, mean, std = _some(*shape, seed=sum(shape)), _ODD[0][:shape[1]], _ODD[1][:shape[1]]
        by = functools.partial(_each, images, mean, std)
        truth = by(rule)
        same(_told(normalize, images, mean, std), truth, f"the normalized picture {list(shape)}", [
            ("you multiplied by std: a channel that varies little must be stretched, so divide", by(lambda x, m, s: (x - m) * s)),
            ("you divided first: the mean belongs to the picture as it is, so subtract it before", by(lambda x, m, s: x / s - m)),
            ("that is the way back, x · std + mean; here it is (x − mean) / std", by(lambda x, m, s: x * s + m)),
            ("only the mean is subtracted: divide by std, too", by(lambda x, m, s: x - m)),
            ("only divided by std: subtract the mean first", by(lambda x, m, s: x / s)),
            ("the mean is added: subtract it, so that a channel has its middle at 0", by(lambda x, m, s: (x + m) / s)),
            ("the sign is turned: it is picture minus mean", -truth),
            ("you multiplied by 255 first: mean and std are meant for a picture in [0, 1]", _each(255 * images, mean, std, rule)),
            ("you divided by 255 first: the picture is in [0, 1] already", _each(images / 255, mean, std, rule)),
            ("you divided by 255 in the end: a normalized picture is not in [0, 1]", truth / 255),
            ("the parentheses are missing: `image - mean / std` divides only the mean; (image - mean) / std is wanted",
             by(lambda x, m, s: x - m / s)),
            ("you clamped: normalized numbers lie outside [0, 1], and have to", truth.clamp(0, 1)),
            ("that is 2x − 1, as some other networks want it: use mean and std", 2 * images - 1),
            ("these are the picture's own mean and deviation: use those that are given, or all pictures would get the same contrast",
             (images - images.mean(dim=(2, 3), keepdim=True)) / images.std(dim=(2, 3), keepdim=True)),
            ("these are the picture's own mean and deviation: use those that are given", (images - images.mean()) / images.std()),
            *_mixed_up(images, mean, std, rule),
        ])
    images = _some(1, 3, 4, 6)
    truth = _each(images, IMAGENET_MEAN, IMAGENET_STD, rule)
    same(_told(normalize, images), truth, "without mean and std, where ImageNet's are meant, the answer")
    differentiable(normalize, images, what="your normalization")


@exercise("1.2", "there and back again is the same picture, and what strayed outside [0, 1] is clamped.")
def check_denormalize(denormalize):
    """Tries denormalize(image [B, C, H, W], mean, std) → x · std + mean, clamped to [0, 1]."""
    for shape in [(2, 3, 4, 5), (1, 4, 3, 4), (2, 2, 3, 5), (1, 3, 3, 6)]:
        mean, std = _ODD[0][:shape[1]], _ODD[1][:shape[1]]
        painted = 3 * torch.randn(*shape, generator=seeded(sum(shape)))
        back = lambda x, m, s: x * s + m
        by = functools.partial(_each, painted, mean, std)
        wild = by(back)
        slips = [(message, end(slip)) for end in (lambda x: x, lambda x: x.clamp(0, 1)) for message, slip in [
            ("you divided by std: normalizing divided, so the way back multiplies", by(lambda x, m, s: x / s + m)),
            ("you added the mean before you multiplied: undo the last step first", by(lambda x, m, s: (x + m) * s)),
            ("the mean is subtracted: normalizing did that, so the way back adds it", by(lambda x, m, s: x * s - m)),
            ("that normalizes once more, (x − mean) / std; the way back is wanted", by(lambda x, m, s: (x - m) / s)),
            ("only multiplied by std: add the mean", by(lambda x, m, s: x * s)),
            ("only the mean is added: multiply by std first", by(lambda x, m, s: x + m)),
            *_mixed_up(painted, mean, std, back),
        ]]
        same(_told(denormalize, painted, mean, std), wild.clamp(0, 1), f"the picture {list(shape)}", [
            ("nothing is clamped: a painted picture strays below 0 and above 1, which no file can hold", wild),
            ("you clamped before you denormalized: those numbers have their middle at 0; clamp the finished picture",
             _each(painted.clamp(0, 1), mean, std, back)),
            ("you clamped before you denormalized: those numbers have their middle at 0; clamp the finished picture",
             _each(painted.clamp(0, 1), mean, std, back).clamp(0, 1)),
            ("only what is too dark is clamped: a picture is in [0, 1], so nothing above 1 either", wild.clamp(min=0)),
            ("only what is too bright is clamped: a picture is in [0, 1], so nothing below 0 either", wild.clamp(max=1)),
            ("negative values are folded back by abs: what is darker than black is black; clamp instead", wild.abs().clamp(max=1)),
            ("only 0 and 1 are left: do not round, a picture in [0, 1] keeps its decimals", wild.clamp(0, 1).round()),
            ("you clamped to [-1, 1]: a picture is in [0, 1]", wild.clamp(-1, 1)),
            ("that is in [0, 255]: a picture is in [0, 1]", wild.clamp(0, 1) * 255),
            ("you stretched from the least to the greatest value: that changes every color; clamp instead",
             (wild - wild.min()) / (wild.max() - wild.min())),
            ("you squeezed all values with a sigmoid: that changes every color; clamp instead", wild.sigmoid()),
            *slips,
        ])
    picture = _some(1, 3, 4, 6)
    same(_told(denormalize, _forth(picture)), picture, "without mean and std, where ImageNet's are meant, the answer")


def _pillow(picture, shape):
    """[B, C, H, W] → [B, C, *shape]: Pillow's antialiased bicubic, one plane of floats after the other, clamped."""
    planes = [Image.fromarray(plane.numpy()).resize(shape[::-1], Image.Resampling.BICUBIC) for plane in picture.flatten(0, 1)]
    return torch.from_numpy(np.stack([np.asarray(plane) for plane in planes])).view(*picture.shape[:2], *shape).clamp(0, 1)


_PICKED = "pixels are picked, the others dropped: fine patterns turn into false ones; use bicubic with antialias=True"
_PARTNER = "that is the partner itself: the picture is to be resized, the partner only lends its size"
_RESHAPED = "you reshaped: the shape is right, but numbers stay where they lay; dimensions change places with permute"


_SIZES = {"same number of spatial dimensions": "size= wants two numbers, height and width: partner.shape[2:], the last two of four",
          "builtin_function_or_method": "partner.size is a function, not a size: partner.shape[2:] is (height, width)",
          "is invalid for input of size": "reshape cannot make more or fewer pixels: F.interpolate does"}


def _sized(resize_like, picture, partner):
    """`untouched`, with the crashes that say too little explained."""
    try:
        return untouched(resize_like, picture, partner)
    except Wrong as wrong:
        for told, words in _SIZES.items():
            if told in str(wrong):
                raise Wrong(words) from None
        raise


def _wrong_shape(found, own, wanted):
    """What somebody did who got the shape `found`, (height, width), instead of `wanted` from `own`; or None."""
    if found == (1, 3):
        return "partner.shape[:2] is batch and channels: height and width are the last two, partner.shape[2:]"
    if found == wanted[::-1]:
        return "height and width have changed places: a shape says height first"
    if found == own:
        return "the size is the picture's own still: take the partner's height and width"
    if abs(found[0] * own[1] - found[1] * own[0]) > max(own):
        return None
    if min(found) == min(wanted):
        return "the shorter side is the partner's and the aspect the picture's own, as with torchvision's Resize(256): set both sides"
    if max(found) == max(wanted):
        return "the longer side is the partner's and the aspect the picture's own: set both sides, or pixels have no partners"
    return "the aspect is still the picture's own: set both sides to the partner's, or pixels have no partners"


@exercise("1.3", "smaller, larger or equal, your picture has its partner's size, no false patterns, and stays in [0, 1].")
def check_resize_like(resize_like):
    """Tries resize_like(picture [B, 3, H, W], partner [1, 3, H', W']) → [B, 3, H', W'], antialiased bicubic, in [0, 1]."""
    for shape, size in [((2, 3, 12, 17), (9, 5)), ((1, 3, 5, 6), (11, 16)), ((1, 3, 16, 8), (4, 12)), ((1, 3, 7, 9), (7, 9))]:
        picture = _some(*shape, seed=sum(shape)).round()                     # black and white: bicubic overshoots at such edges
        partner, own = _some(1, 3, *size, seed=1), shape[2:]
        answer = _sized(resize_like, picture, partner)
        if isinstance(answer, torch.Tensor) and answer.ndim == 4 and tuple(answer.shape[2:]) != size:
            if len(answer) != len(picture) and tuple(answer.shape[2:]) == own:
                raise Wrong("you resized the partner to the picture's size: it is the other way round")
            slip = _wrong_shape(tuple(answer.shape[2:]), own, size)
            raise Wrong(slip or f"the answer has shape {list(answer.shape)}; the partner's size {list(size)} is wanted")
        if size == own:
            same(answer, picture, "a picture that has its partner's size already")
            continue
        truth = _pillow(picture, size)
        ways = [
            (_PICKED, dict(mode="nearest")),
            (_PICKED, dict(mode="nearest-exact")),
            ("that is area averaging, which makes blocks where it grows; bicubic with antialias=True is wanted", dict(mode="area")),
            ("antialias=True is missing, and the mode is bilinear: fine patterns turn into false ones", dict(mode="bilinear")),
            ("antialias=True is missing: pixels are passed over, and fine patterns turn into false ones", dict(mode="bicubic")),
            ("that is bilinear: a fair choice, but softer; here bicubic is wanted", dict(mode="bilinear", antialias=True)),
            ("align_corners=True pulls the picture apart so that corner pixels meet; leave it False",
             dict(mode="bicubic", antialias=True, align_corners=True)),
            ("bicubic overshoots at edges, here beyond [0, 1]: clamp", dict(mode="bicubic", antialias=True)),
        ]
        resized = [(message, F.interpolate(picture, size, **way)) for message, way in reversed(ways)]
        slips = [*resized, *((message, slip.clamp(0, 1)) for message, slip in resized[1:])]
        slips += [(_PARTNER, partner.expand(*shape[:2], *size)),
                  (_PARTNER, partner),
                  ("only the first picture of the batch is resized", truth[:1]),
                  ("there is no batch in your answer: [B, 3, H, W] is wanted also when B = 1", truth[0])]
        raw = F.interpolate(picture, size, mode="bicubic", antialias=True)
        slips.append(("you stretched from the least to the greatest value: that changes every color; clamp instead",
                      (raw - raw.min()) / (raw.max() - raw.min())))
        if size[0] <= own[0] and size[1] <= own[1]:
            slips.append(("you cut a piece out; the whole picture is to be resized", picture[..., :size[0], :size[1]]))
        if isinstance(answer, torch.Tensor) and answer.is_floating_point():
            slips.append(("you rounded to 256 levels on the way, as 8-bit pictures do: stay with floats", _if_of_256_levels(answer, truth)))
        same(answer, truth, f"{list(own)} resized to {list(size)}", slips, atol=1e-4)


def _if_of_256_levels(answer, truth):
    """The answer, if it is the truth but for rounding to bytes; else something that equals nothing."""
    levels = answer.detach() * 255
    near = answer.shape == truth.shape and (answer - truth).abs().max() < 2 / 255
    return answer if near and (levels - levels.round()).abs().max() < 1e-3 else torch.full_like(answer, torch.nan)


@exercise("1.4", "rounded, clamped, channels last: this is what a file, Pillow and matplotlib want.")
def check_to_uint8(to_uint8):
    """Tries to_uint8(images [B, 3, H, W] about [0, 1]) → [B, H, W, 3] uint8, clamped and rounded."""
    for shape in [(2, 3, 4, 5), (1, 3, 6, 3)]:
        images = _some(*shape, seed=sum(shape))
        answer, scaled = _as_tensor(untouched(to_uint8, images)), (255 * images).permute(0, 2, 3, 1)
        truth = scaled.round()
        least, most = images.min(), images.max()
        same(answer, truth, f"the batch {list(shape)} in bytes", [
            ("you cut the decimals off: 127.9 becomes 127, and every picture gets darker; round", scaled.floor()),
            ("you rounded up always: round to the nearest", scaled.ceil()),
            ("white is byte 255, not 256: multiply by 255", (scaled / 255 * 256).floor()),
            ("white is byte 255, not 256: multiply by 255", (scaled / 255 * 256).round()),
            ("the values are still in [0, 1]: multiply by 255", scaled / 255),
            ("only 0 and 1 are left: multiply by 255 before you convert", (scaled / 255).floor()),
            ("only 0 and 1 are left: multiply by 255 before you convert", (scaled / 255).round()),
            ("only 0 and 1 are left: multiply by 255 before you convert (and channels still come first)", images.floor()),
            ("only black and white are left: multiply by 255 before you round", (scaled / 255).round() * 255),
            ("only 0 and 1 are left: you clamped to [0, 1] after multiplying by 255; clamp before, or to [0, 255]", scaled.clamp(0, 1).round()),
            ("those bytes have a sign and end at 127: a picture's are uint8, not int8", torch.where(truth > 127, truth - 256, truth)),
            ("you halved and shifted, as for a picture in [-1, 1]: ours is in [0, 1]", (scaled / 2 + 127.5).round()),
            ("you stretched from the least to the greatest value: that changes every color; clamp instead",
             ((images - least) / (most - least) * 255).round().permute(0, 2, 3, 1)),
            ("channels still come first: [B, H, W, 3] is wanted, as in a file", (255 * images).round()),
            ("channels still come first: [B, H, W, 3] is wanted, as in a file (and round: 127.9 is 128)", (255 * images).floor()),
            (_RESHAPED, (255 * images).round().reshape(scaled.shape)),
            (f"{_RESHAPED} (and round)", (255 * images).floor().reshape(scaled.shape)),
            ("rows and columns have changed places: height comes before width", truth.transpose(1, 2)),
            ("rows and columns have changed places: height comes before width (and round)", scaled.floor().transpose(1, 2)),
            ("blue comes first (BGR): red is channel 0", truth.flip(3)),
            ("there is no batch in your answer: [B, H, W, 3] is wanted also when B = 1", truth[0]),
        ])
        if answer.dtype != torch.uint8:
            raise Wrong(f"the values are right, their type is {str(answer.dtype)[6:]}: a file wants bytes, uint8")
    stray = _some(2, 3, 4, 5, seed=3) * 3 - 1
    answer = _as_tensor(untouched(to_uint8, stray))
    truth = (255 * stray.clamp(0, 1)).round().permute(0, 2, 3, 1)
    outside = ((stray < 0) | (stray > 1)).permute(0, 2, 3, 1)
    if answer.shape == truth.shape and (answer == truth)[~outside].all() and not (answer == truth).all():
        raise Wrong("a value outside [0, 1] comes out as some other color: after 255 a byte begins again at 0; clamp before you "
                    "convert: to [0, 1] before you multiply by 255, or to [0, 255] after")
    same(answer, truth, "a batch that strays outside [0, 1]")


def _as_tensor(answer):
    """A NumPy array is as good an answer as a tensor."""
    return torch.from_numpy(answer.copy()) if isinstance(answer, np.ndarray) else answer
