"""Lesson 01's checks: right answers however they are written, and the wrong ones that people write, each told why."""
import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from classroom import accepts, knows_a_stub, refuses
from nst_lessons import images
from nst_lessons.checks import check_denormalize, check_normalize, check_resize_like, check_to_uint8, verdict
from nst_lessons.images import IMAGENET_MEAN, IMAGENET_STD


def three(numbers):
    """C numbers → [C, 1, 1]."""
    return torch.tensor(numbers).view(-1, 1, 1)


def of(rule):
    """A function (image, mean, std) by rule(image, mean [C, 1, 1], std [C, 1, 1])."""
    return lambda image, mean=IMAGENET_MEAN, std=IMAGENET_STD: rule(image, three(mean), three(std))


def by_channel(image, mean=IMAGENET_MEAN, std=IMAGENET_STD):
    return torch.stack([(image[:, c] - mean[c]) / std[c] for c in range(image.shape[1])], dim=1)


def channels_last(image, mean=IMAGENET_MEAN, std=IMAGENET_STD):
    return ((image.permute(0, 2, 3, 1) - torch.tensor(mean)) / torch.tensor(std)).permute(0, 3, 1, 2)


def back_in_place(image, mean=IMAGENET_MEAN, std=IMAGENET_STD):
    return image.clone().mul_(three(std)).add_(three(mean)).clamp_(0, 1)


def like(**options):
    return lambda picture, partner: F.interpolate(picture, partner.shape[-2:], **options)


SMOOTH = dict(mode="bicubic", antialias=True)


def by_pillow(picture, partner):
    size = partner.shape[-1], partner.shape[-2]
    planes = [np.array(Image.fromarray(plane.numpy()).resize(size, Image.BICUBIC)) for plane in picture.flatten(0, 1)]
    return torch.tensor(np.stack(planes)).view(*picture.shape[:2], *partner.shape[-2:]).clamp(0, 1)


def bytes_of(image):
    return (image.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1)


def test_right_answers(capsys):
    accepts(check_normalize, capsys, images.normalize, by_channel, channels_last, of(lambda x, m, s: x / s - m / s),
            lambda image, mean=IMAGENET_MEAN, std=IMAGENET_STD: torch.einsum("bchw,c->bchw", image - three(mean), 1 / torch.tensor(std)))
    accepts(check_denormalize, capsys, images.denormalize, back_in_place,
            of(lambda x, m, s: torch.minimum(torch.maximum((x + m / s) * s, 0 * s), 0 * s + 1)))
    accepts(check_resize_like, capsys, lambda picture, partner: images.resize(picture, tuple(partner.shape[-2:])), by_pillow,
            lambda picture, partner: like(**SMOOTH)(picture, partner).clamp(0, 1))
    accepts(check_to_uint8, capsys, bytes_of, lambda image: bytes_of(image).numpy(),
            lambda image: (255 * image.permute(0, 2, 3, 1) + 0.5).clamp(0, 255).to(torch.uint8),
            lambda image: torch.stack([torch.from_numpy(np.array(images.to_pil(one))) for one in image]))


@pytest.mark.parametrize("check", [check_normalize, check_denormalize, check_resize_like, check_to_uint8])
def test_stubs(check):
    knows_a_stub(check)


def in_place(image, mean=IMAGENET_MEAN, std=IMAGENET_STD):
    image -= three(mean)
    return image / three(std)


def average(numbers):
    return sum(numbers) / len(numbers)


def given(rule):
    """A function (image, mean, std) by rule(image, mean, std), whose mean and std are the plain numbers."""
    return lambda image, mean=IMAGENET_MEAN, std=IMAGENET_STD: rule(image, mean, std)


def row(rule):
    """The numbers of the channels as they come: a row, which meets the width."""
    return given(lambda image, mean, std: rule(image, torch.tensor(mean), torch.tensor(std)))


def only_for_squares(image, mean=IMAGENET_MEAN, std=IMAGENET_STD):
    """A row where it fits, and right elsewhere: a check that tries no such shape lets it pass."""
    return row(lambda x, m, s: (x - m) / s)(image, mean, std) if image.shape[3] == len(mean) else by_channel(image, mean, std)


def over_rows(image, mean=IMAGENET_MEAN, std=IMAGENET_STD):
    tall = image.shape[2] == len(mean)
    return (image - torch.tensor(mean)[:, None]) / torch.tensor(std)[:, None] if tall else by_channel(image, mean, std)


def over_batch(image, mean=IMAGENET_MEAN, std=IMAGENET_STD):
    return ((image - three(mean)[..., None]) / three(std)[..., None]) if image.shape[0] == len(mean) else by_channel(image, mean, std)


def for_three(image, mean=IMAGENET_MEAN, std=IMAGENET_STD):
    return (image - torch.tensor(mean).view(1, 3, 1, 1)) / torch.tensor(std).view(1, 3, 1, 1)


def first_three_in_a_copy(image, mean=IMAGENET_MEAN, std=IMAGENET_STD):
    out = image.clone()
    for c in range(min(3, len(mean))):
        out[:, c] = (image[:, c] - mean[c]) / std[c]
    return out


NORMALIZE = {
    "multiplied by std": of(lambda x, m, s: (x - m) * s),
    "exchanged": of(lambda x, m, s: (x - s) / m),
    "divided first": of(lambda x, m, s: x / s - m),
    "the way back": of(lambda x, m, s: x * s + m),
    "divide by std, too": of(lambda x, m, s: x - m),
    "subtract the mean first": of(lambda x, m, s: x / s),
    "the mean is added": of(lambda x, m, s: (x + m) / s),
    "the sign is turned": of(lambda x, m, s: (m - x) / s),
    "multiplied by 255 first": of(lambda x, m, s: (255 * x - m) / s),
    "divided by 255 first": of(lambda x, m, s: (x / 255 - m) / s),
    "you clamped": of(lambda x, m, s: ((x - m) / s).clamp(0, 1)),
    "2x − 1": of(lambda x, m, s: 2 * x - 1),
    "own mean and deviation": of(lambda x, m, s: (x - x.mean(dim=(2, 3), keepdim=True)) / x.std(dim=(2, 3), keepdim=True)),
    "you squared std": of(lambda x, m, s: (x - m) / s**2),
    "one of each for all": given(lambda x, m, s: (x - average(m)) / average(s)),
    "the first channel's": given(lambda x, m, s: (x - m[0]) / s[0]),
    "reverse order": given(lambda x, m, s: by_channel(x, m[::-1], s[::-1])),
    "channels are reversed": given(lambda x, m, s: by_channel(x.flip(1), m, s)),
    "used ImageNet's numbers": lambda image, mean=None, std=None: (image - three(IMAGENET_MEAN)) / three(IMAGENET_STD),
    "channels come last": row(lambda x, m, s: (x.permute(0, 2, 3, 1) - m) / s),
    "no batch": given(lambda x, m, s: by_channel(x, m, s)[0]),
    "would meet the width": row(lambda x, m, s: (x - m) / s),
    "lie along the width": only_for_squares,
    "lie along the height": over_rows,
    "lie along the batch": over_batch,
    "4 channels do not suit": for_three,
    "only the first three channels": given(lambda x, m, s: torch.stack([(x[:, c] - m[c]) / s[c] for c in range(min(3, len(m)))], dim=1)),
    "as there are numbers in mean": first_three_in_a_copy,
    "the parentheses are missing": of(lambda x, m, s: x - m / s),
    "divided by 255 in the end": of(lambda x, m, s: (x - m) / s / 255),
    "make tensors of them first": given(lambda x, m, s: (x - m) / s),
    "NumPy lets no gradient through": given(lambda x, m, s: torch.from_numpy((x.numpy() - three(m).numpy()) / three(s).numpy())),
    "changes the tensor": in_place,
    "no gradient": given(lambda x, m, s: by_channel(x, m, s).detach()),
    "without mean and std": lambda image, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5): by_channel(image, mean, std),
    "stops with TypeError": lambda image, mean, std: by_channel(image, mean, std),
    "does every path": given(lambda x, m, s: None),
    "is a ndarray": given(lambda x, m, s: by_channel(x, m, s).numpy()),
}


@pytest.mark.parametrize("says", NORMALIZE)
def test_wrong_normalize(says):
    refuses(check_normalize, NORMALIZE[says], says)


def clamped(rule):
    return of(lambda x, m, s: rule(x, m, s).clamp(0, 1))


def stretched(image, mean=IMAGENET_MEAN, std=IMAGENET_STD):
    x = image * three(std) + three(mean)
    return (x - x.min()) / (x.max() - x.min())


def overwrites(image, mean=IMAGENET_MEAN, std=IMAGENET_STD):
    return image.mul_(three(std)).add_(three(mean)).clamp_(0, 1)


DENORMALIZE = {
    "nothing is clamped": of(lambda x, m, s: x * s + m),
    "clamped before": of(lambda x, m, s: x.clamp(0, 1) * s + m),
    "clamp the finished picture": clamped(lambda x, m, s: x.clamp(0, 1) * s + m),
    "nothing above 1": of(lambda x, m, s: (x * s + m).clamp(min=0)),
    "nothing below 0": of(lambda x, m, s: (x * s + m).clamp(max=1)),
    "clamped to [-1, 1]": of(lambda x, m, s: (x * s + m).clamp(-1, 1)),
    "so nothing above 1": of(lambda x, m, s: (x * s + m).clamp(0, 255)),
    "that is in [0, 255]": of(lambda x, m, s: (x * s + m).clamp(0, 1) * 255),
    "stretched": stretched,
    "folded back by abs": of(lambda x, m, s: (x * s + m).abs().clamp(max=1)),
    "do not round": of(lambda x, m, s: (x * s + m).clamp(0, 1).round()),
    "right would be 0, yours is 0.3": clamped(lambda x, m, s: torch.where(x * s + m <= 0, 0.3, x * s + m)),
    "sigmoid": of(lambda x, m, s: (x * s + m).sigmoid()),
    "divided by std": clamped(lambda x, m, s: x / s + m),
    "added the mean before": clamped(lambda x, m, s: (x + m) * s),
    "the mean is subtracted": clamped(lambda x, m, s: x * s - m),
    "normalizes once more": clamped(lambda x, m, s: (x - m) / s),
    "add the mean": clamped(lambda x, m, s: x * s),
    "multiply by std first": of(lambda x, m, s: x + m),
    "exchanged": clamped(lambda x, m, s: x * m + s),
    "one of each for all": given(lambda x, m, s: (x * average(s) + average(m)).clamp(0, 1)),
    "reverse order": given(lambda x, m, s: (x * three(s[::-1]) + three(m[::-1])).clamp(0, 1)),
    "channels are reversed": clamped(lambda x, m, s: (x * s + m).flip(1)),
    "you squared std": clamped(lambda x, m, s: x * s**2 + m),
    "would meet the width": row(lambda x, m, s: (x * s + m).clamp(0, 1)),
    "used ImageNet's numbers": lambda image, mean=None, std=None: images.denormalize(image),
    "channels come last": row(lambda x, m, s: (x.permute(0, 2, 3, 1) * s + m).clamp(0, 1)),
    "no batch": clamped(lambda x, m, s: (x * s + m)[0]),
    "changes the tensor": overwrites,
    "without mean and std": lambda image, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5): images.denormalize(image, mean, std),
}


@pytest.mark.parametrize("says", DENORMALIZE)
def test_wrong_denormalize(says):
    refuses(check_denormalize, DENORMALIZE[says], says)


def aspect_kept(choose):
    """One side, which `choose` picks of (height, width), becomes the partner's; the other follows."""
    def resized(picture, partner):
        factor = choose(partner.shape[-2:]) / choose(picture.shape[-2:])
        return F.interpolate(picture, [round(side * factor) for side in picture.shape[-2:]], **SMOOTH).clamp(0, 1)
    return resized


def in_bytes(picture, partner):
    return (like(**SMOOTH)(picture, partner).clamp(0, 1) * 255).round() / 255


def writes(picture, partner):
    picture.mul_(0.5)
    return like(**SMOOTH)(picture, partner).clamp(0, 1)


def cut(picture, partner):
    height, width = partner.shape[-2:]
    return picture[..., :height, :width] if picture.shape[-2] > height else like(**SMOOTH)(picture, partner).clamp(0, 1)


def smooth(picture, size):
    return F.interpolate(picture, size, **SMOOTH)


def spread(picture, partner):
    raw = like(**SMOOTH)(picture, partner)
    return (raw - raw.min()) / (raw.max() - raw.min())


RESIZE = {
    "the last two of four": lambda picture, partner: smooth(picture, partner.shape),
    "is a function, not a size": lambda picture, partner: smooth(picture, partner.size),
    "reshape cannot make": lambda picture, partner: picture.reshape(len(picture), 3, *partner.shape[2:]),
    "is batch and channels": lambda picture, partner: smooth(picture, partner.shape[:2]).clamp(0, 1),
    "resized the partner": lambda picture, partner: smooth(partner, picture.shape[2:]).clamp(0, 1),
    "only the first picture": lambda picture, partner: smooth(picture[:1], partner.shape[2:]).clamp(0, 1),
    "from the least to the greatest": spread,
    "pixels are picked": like(mode="nearest"),
    "area averaging": like(mode="area"),
    "antialias=True is missing, and the mode": like(mode="bilinear"),
    "antialias=True is missing:": lambda picture, partner: like(mode="bicubic")(picture, partner).clamp(0, 1),
    "that is bilinear": like(mode="bilinear", antialias=True),
    "align_corners": lambda picture, partner: like(**SMOOTH, align_corners=True)(picture, partner).clamp(0, 1),
    "overshoots": like(**SMOOTH),
    "the shorter side is the partner's": aspect_kept(min),
    "the longer side is the partner's": aspect_kept(max),
    "the aspect is still": aspect_kept(lambda shape: shape[0]),
    "have changed places": lambda picture, partner: F.interpolate(picture, partner.shape[-2:][::-1], **SMOOTH).clamp(0, 1),
    "the picture's own still": lambda picture, partner: picture,
    "has shape [2, 3, 64, 64]": lambda picture, partner: F.interpolate(picture, (64, 64), **SMOOTH).clamp(0, 1),
    "partner itself": lambda picture, partner: partner,
    "no batch": lambda picture, partner: like(**SMOOTH)(picture, partner).clamp(0, 1)[0],
    "cut a piece out": cut,
    "256 levels": in_bytes,
    "changes the tensor": writes,
    "does every path": lambda picture, partner: None,
}


@pytest.mark.parametrize("says", RESIZE)
def test_wrong_resize(says):
    refuses(check_resize_like, RESIZE[says], says)


def last(rule):
    return lambda image: rule(image).permute(0, 2, 3, 1)


BYTES = {
    "cut the decimals off": last(lambda x: (x.clamp(0, 1) * 255).byte()),
    "rounded up always": last(lambda x: (x.clamp(0, 1) * 255).ceil().byte()),
    "white is byte 255": last(lambda x: (x.clamp(0, 1) * 256).clamp(max=255).byte()),
    "still in [0, 1]": last(lambda x: x.clamp(0, 1)),
    "only 0 and 1 are left": last(lambda x: x.clamp(0, 1).byte()),
    "only black and white": last(lambda x: (x.clamp(0, 1).round() * 255).byte()),
    "channels still come first": lambda x: (x.clamp(0, 1) * 255).round().byte(),
    "you reshaped": lambda x: (x.clamp(0, 1) * 255).round().byte().reshape(len(x), *x.shape[2:], 3),
    "rows and columns": lambda x: (x.clamp(0, 1) * 255).round().byte().permute(0, 3, 2, 1),
    "blue comes first": lambda x: bytes_of(x).flip(3),
    "no batch": lambda x: bytes_of(x)[0],
    "their type is float32": last(lambda x: (x.clamp(0, 1) * 255).round()),
    "their type is int64": last(lambda x: (x.clamp(0, 1) * 255).round().long()),
    "(and channels still come first)": lambda x: x.byte(),
    "end at 127": last(lambda x: (x.clamp(0, 1) * 255).round().byte().view(torch.int8)),
    "after multiplying by 255": last(lambda x: (x * 255).clamp(0, 1).round().byte()),
    "as for a picture in [-1, 1]": last(lambda x: ((x / 2 + 0.5).clamp(0, 1) * 255).round().byte()),
    "from the least to the greatest": last(lambda x: ((x - x.min()) / (x.max() - x.min()) * 255).round().byte()),
    "(no +=, no trailing": lambda x: bytes_of(x.clamp_(0, 1)),
    "to [0, 1] before you multiply": last(lambda x: (x.clamp(0, 255) * 255).round().long().remainder(256).byte()),
    "outside [0, 1]": last(lambda x: ((x * 255).round().long() % 256).byte()),
    "changes the tensor": lambda x: bytes_of(x.mul_(0.5)),
    "does every path": lambda x: None,
}


@pytest.mark.parametrize("says", BYTES)
def test_wrong_bytes(says):
    refuses(check_to_uint8, BYTES[says], says)


@pytest.mark.parametrize("kind, sign", [(verdict.Wrong, "✗"), (verdict.NotWritten, "○")])
def test_a_message_is_shown_in_lines_that_a_narrow_page_holds(kind, sign):
    message = "Exercise 1.1: " + "your picture is not what it was " * 9 + "a-word-that-is-longer-than-a-line-" * 3
    lines = kind(message)._render_traceback_()
    assert len(lines) > 4 and max(len(line) for line in lines[:-1]) <= 78
    assert " ".join(line.strip() for line in lines) == f"{sign} {message}".strip() and kind("short")._render_traceback_() == [f"{sign} short"]
