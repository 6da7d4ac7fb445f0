"""Lesson 01: pictures in and out. Whatever the source, a picture here is a float32 tensor [1, 3, H, W], sRGB, in [0, 1].

The way in:   name · path · bytes · PIL image · array   →   pixels [H, W, 3]   →   tensor, at the size asked for
The way out:  tensor   →   clamp, round, 8 bits   →   a file that is whole or not there, with the settings that made it
"""
import io
import json
import os
import secrets
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from .decode import ImageError, check_area, check_array, decode, open_header, patient_pillow, unit
from .samples import find_sample, open_path, samples

__all__ = ["IMAGENET_MEAN", "IMAGENET_STD", "ImageError", "denormalize", "keep_color", "load_image", "match_color", "normalize", "read_settings",
           "resize", "samples", "save_image", "to_bytes", "to_pil"]

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of red, green, blue, over ImageNet's photographs

SMALLEST = 16  # px: a network halves its picture four times
WRITABLE = {"png": "PNG", "jpg": "JPEG", "jpeg": "JPEG", "webp": "WEBP"}
_EXIF, _USER_COMMENT = 0x8769, 0x9286  # EXIF tags: the camera's own directory, and in it a free comment


def load_image(source, size=None, *, max_megapixels=100):
    """Load a picture as float32 [1, 3, H, W], sRGB in [0, 1], contiguous.

    source: a sample's name ("cat", "starry", "starry:7" for seed 7; a file called cat is "./cat"), a path, bytes, an open
    file, an upload, a PIL image, a NumPy array ([H, W], [H, W, 3], [H, W, 4]; uint8, uint16, or floats in [0, 1]) or a tensor
    ([1, 3, H, W] or [3, H, W]). size: the longer side in px, down or up, antialiased, aspect kept.
    The camera's orientation and an embedded color profile are obeyed, transparency becomes white, of an animation the first
    frame is taken; 16-bit files keep their precision. Raises ImageError for all that is no such picture, is under 16 px,
    or has more than `max_megapixels` (known from the header, before anything is decoded).
    """
    if size is not None and not (_is_whole(size) and size >= SMALLEST):
        raise ImageError(f"size {size!r}: give the longer side in pixels, a whole number from {SMALLEST}")
    if isinstance(source, str):
        sample = find_sample(source, size, max_megapixels)
        source = source if sample is None else sample
    pixels = _pixels(source, max_megapixels)
    height, width = pixels.shape[:2]
    if min(height, width) < SMALLEST:
        raise ImageError(f"the picture is {width}×{height} px, too small: each side needs at least {SMALLEST}")
    if size is not None:
        height, width = _fit(height, width, size)
        if min(height, width) < SMALLEST:
            raise ImageError(f"size {size} makes it {width}×{height} px, each side needs {SMALLEST}: crop it, or ask for more")
        check_area(width, height, max_megapixels, "the picture at this size")
    # One channel at a time: floats for all three at full size would be most of the memory that a large photograph takes.
    return torch.cat([resize(torch.from_numpy(unit(pixels[..., c]))[None, None], (height, width)) for c in range(3)], dim=1)


def resize(image, size):
    """Resize [B, C, H, W] or [C, H, W], antialiased bicubic, clamped to [0, 1]. size: longer side in px, or (height, width)."""
    if image.dim() == 3:
        return resize(image[None], size)[0]
    height, width = image.shape[-2:]
    shape = _fit(height, width, size) if _is_whole(size) and size > 0 else size
    if not isinstance(shape, (tuple, list)) or len(shape) != 2 or not all(_is_whole(side) and side > 0 for side in shape):
        raise ImageError(f"size {size!r}: give the longer side or (height, width), in whole pixels")
    if tuple(shape) != (height, width):
        image = torch.nn.functional.interpolate(image, tuple(shape), mode="bicubic", antialias=True, align_corners=False)
    return image.clamp(0, 1).contiguous()  # bicubic overshoots at edges; L-BFGS wants contiguous pictures


def normalize(image, mean=IMAGENET_MEAN, std=IMAGENET_STD):
    """What a network was trained on, of a picture [B, C, H, W] or [C, H, W] in [0, 1]: (x − mean) / std, channel by channel.

    mean, std: C numbers each. Networks of this package do it themselves. Raises ImageError for bytes, or another count of channels.
    """
    if not _suits(image, mean, std):
        raise ImageError(f"{len(mean)} channels of floats in [0, 1] can be normalized, this is {list(image.shape)} of {image.dtype}")
    mean = torch.as_tensor(mean).to(image).view(-1, 1, 1)  # [C] → [C, 1, 1]: one number for the whole plane of a channel
    std = torch.as_tensor(std).to(image).view(-1, 1, 1)
    return (image - mean) / std


def denormalize(image, mean=IMAGENET_MEAN, std=IMAGENET_STD):
    """The way back from `normalize`, clamped: [B, C, H, W] or [C, H, W], x · std + mean, in [0, 1]. Raises ImageError as it does."""
    if not _suits(image, mean, std):
        raise ImageError(f"{len(mean)} channels of floats can be denormalized, this is {list(image.shape)} of {image.dtype}")
    mean = torch.as_tensor(mean).to(image).view(-1, 1, 1)  # [C] → [C, 1, 1]
    std = torch.as_tensor(std).to(image).view(-1, 1, 1)
    return (image * std + mean).clamp(0, 1)


def keep_color(painted, photo):
    """The luminance of `painted` with the color of `photo`, both [1, 3, H, W] in [0, 1] (Gatys et al. 2016, Preserving Color).

    As in YIQ, color is what is left of a pixel when its gray, the luminance, is taken away: the swap is a sum. Where that
    sum would leave [0, 1] the color is paled just enough, since clipping would bend hue and luminance. `photo` is resized to fit.
    """
    painted = _batch(painted).clamp(0, 1)
    photo = resize(_batch(photo).to(painted), painted.shape[-2:])
    weights = painted.new_tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    gray = (painted * weights).sum(1, keepdim=True)
    color = photo - (photo * weights).sum(1, keepdim=True)
    room = torch.where(color > 0, 1 - gray, gray)  # how far each channel can go from gray
    pale = (room / color.abs().clamp_min(1e-6)).amin(1, keepdim=True).clamp(max=1)
    return (gray + pale * color).clamp(0, 1)  # the clamp takes off rounding errors only


def match_color(picture, like):
    """`picture` with the mean color and the color covariance of `like`: [1, 3, H, W] and [1, 3, H′, W′] → [1, 3, H, W], clamped.

    Colors are made plain, Σ^-½ (x − μ), then given the other's: Σ′^½ … + μ′ (Gatys et al. 2016, Preserving Color, eq. 6 and 7).
    """
    mine, theirs = _batch(picture)[0].flatten(1), _batch(like)[0].to(picture).flatten(1)        # [3, H·W], [3, H′·W′]
    plain = _power(mine.cov(correction=0), -0.5) @ (mine - mine.mean(1, keepdim=True))
    matched = _power(theirs.cov(correction=0), 0.5) @ plain + theirs.mean(1, keepdim=True)
    return matched.clamp(0, 1).reshape(picture.shape)


def _power(matrix, exponent):
    """A symmetric matrix [3, 3], ≥ 0, to a power; colors that do not vary at all count as varying a little."""
    values, vectors = torch.linalg.eigh(matrix)
    return vectors * values.clamp_min(1e-5) ** exponent @ vectors.T


def to_pil(image):
    """The 8-bit PIL image of [1, 3, H, W] or [3, H, W], clamped and rounded. Raises ImageError for a batch, NaN or infinity."""
    image = _one(image).detach().float().cpu()
    if not torch.isfinite(image).all():
        raise ImageError("it has NaN or infinite values, which no file can hold: paint it with a smaller learning rate")
    return Image.fromarray((image.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).contiguous().numpy())


def to_bytes(image, format="jpeg", quality=90, settings=None):
    """One picture as "png", "jpeg" or "webp" bytes, with `settings` (a dict, or what has `to_json`) in its metadata.

    PNG keeps them as the text "nst_lessons", JPEG and WebP as {"nst_lessons": settings} in the EXIF user comment.
    Raises ImageError for what the format cannot hold.
    """
    kind = WRITABLE.get(str(format).lower())
    if kind is None:
        raise ImageError(f"cannot write {str(format)!r}: the format is one of {', '.join(WRITABLE)}")
    if not (_is_whole(quality) and 1 <= quality <= 100):
        raise ImageError(f"quality {quality!r}: give a whole number from 1 to 100")
    options = {} if kind == "PNG" else {"quality": int(quality)}
    if kind == "JPEG":
        options["subsampling"] = 0  # strokes differ in color, which JPEG would otherwise keep at half the resolution
    picture, file = to_pil(image), io.BytesIO()
    metadata = {} if settings is None else _metadata(settings, kind)
    try:
        picture.save(file, kind, **options, **metadata)
    except (OSError, ValueError) as error:  # more pixels, or longer settings, than the format allows
        size = f"{picture.width}×{picture.height} px"
        raise ImageError(f"cannot write {size} as {kind} ({error}): PNG has the widest limits") from None
    return file.getvalue()


def save_image(image, path, settings=None, quality=95):
    """Save [1, 3, H, W] or [3, H, W] as .png, .jpg or .webp, clamped and rounded: the file is whole or not there. → its path

    settings: what made the picture, a dict or what has `to_json`; `read_settings` gets it back. Raises ImageError.
    """
    path = Path(path).expanduser()
    if path.suffix[1:].lower() not in WRITABLE:
        raise ImageError(f"cannot save {str(path)!r}: the name must end in {', '.join('.' + suffix for suffix in WRITABLE)}")
    target = Path(os.path.realpath(path))  # a link is written through, not replaced
    if target.is_dir():
        raise ImageError(f"cannot save {str(path)!r}: that is a folder; give a file's name")
    if not target.parent.is_dir():
        raise ImageError(f"cannot save {str(path)!r}: there is no folder {str(path.parent)!r}; create it first")
    data = to_bytes(image, path.suffix[1:], quality, settings)
    half = target.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        with open(half, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())  # or the new name might reach the disk before the bytes do
        os.replace(half, target)
    except OSError as error:
        raise ImageError(f"cannot save {str(path)!r}: {error.strerror or error}") from None
    finally:
        half.unlink(missing_ok=True)
    return path


def read_settings(source):
    """The settings dict that `save_image` stored in a picture (a path, bytes or open file), or None. Raises ImageError."""
    stream, label = _stream(source)
    with stream, patient_pillow():
        picture = open_header(stream, label)
        try:
            text = picture.info.get("nst_lessons")
            comment = picture.getexif().get_ifd(_EXIF).get(_USER_COMMENT, b"")
            settings = json.loads(text) if text else json.loads(comment[8:])["nst_lessons"]  # 8 bytes say: ASCII
        except (ValueError, TypeError, KeyError, OSError, SyntaxError):  # no comment, or somebody else's
            return None
    return settings if isinstance(settings, dict) else None


def _metadata(settings, kind):
    """What Pillow's `save` is to be told so that `settings` end up in the file."""
    try:
        settings = settings.to_json() if hasattr(settings, "to_json") else settings
        settings = dict(json.loads(settings) if isinstance(settings, str) else settings)
        readable, plain = json.dumps(settings, ensure_ascii=False), json.dumps({"nst_lessons": settings})
        readable.encode()
    except (TypeError, ValueError) as error:
        raise ImageError(f"these settings are not JSON ({error}): give a dict of numbers, texts, lists and dicts") from None
    if kind == "PNG":
        chunks = PngInfo()
        chunks.add_itxt("nst_lessons", readable)
        return {"pnginfo": chunks}
    exif = Image.Exif()
    exif[_EXIF] = {_USER_COMMENT: b"ASCII\0\0\0" + plain.encode()}
    return {"exif": exif.tobytes()}


def _pixels(source, max_megapixels):
    """[H, W, 3] of any source, as integers of their type's whole range or floats in [0, 1]."""
    if isinstance(source, torch.Tensor):
        source = _one(source).detach().cpu()
        source = (source.float() if source.is_floating_point() else source).permute(1, 2, 0).numpy()
    if isinstance(source, np.ndarray):
        return check_array(source)
    if isinstance(source, Image.Image):
        return decode(source, "the PIL image", max_megapixels)
    stream, label = _stream(source)
    with stream:
        return decode(stream, label, max_megapixels)


def _stream(source):
    """An open binary file, and what to call it in messages, of a path, bytes, an open file or an upload of ipywidgets."""
    label = "the data"
    if isinstance(source, (tuple, list)):  # as FileUpload.value
        if len(source) != 1:
            raise ImageError(f"here are {len(source)} pictures: upload, or give, exactly one")
        source = source[0]
    if isinstance(source, dict) and "content" in source:
        label, source = repr(source.get("name", label)), source["content"]
    if isinstance(source, (str, os.PathLike)):
        return open_path(source)
    if hasattr(source, "read"):
        try:
            if hasattr(source, "seekable") and source.seekable():
                source.seek(0)
            source = source.read()
        except (OSError, ValueError) as error:  # ValueError: the file is closed
            raise ImageError(f"the open file cannot be read: {error}") from None
    if not isinstance(source, (bytes, bytearray, memoryview)):
        raise ImageError(f"{type(source).__name__} is no picture: give a name, a path, bytes, a PIL image, an array or a tensor")
    if not len(source):
        raise ImageError(f"{label} is empty: 0 bytes")
    return io.BytesIO(source), label


def _is_whole(number):
    """True for an integer, of Python's or NumPy's, that is not a truth value."""
    return isinstance(number, (int, np.integer)) and not isinstance(number, bool)


def _suits(image, mean, std):
    """True for floats [.., C, H, W] with a mean and a deviation for each of the C channels."""
    return image.is_floating_point() and image.dim() >= 3 and image.shape[-3] == len(mean) == len(std)


def _fit(height, width, size):
    """(height, width) in px with `size` as the longer side."""
    return tuple(max(1, round(side * size / max(height, width))) for side in (height, width))


def _batch(image):
    """[B, 3, H, W] of a picture tensor that may lack its first dimension."""
    if not isinstance(image, torch.Tensor) or image.dim() not in (3, 4) or image.shape[-3] != 3:
        what = list(image.shape) if isinstance(image, torch.Tensor) else f"a {type(image).__name__}"
        raise ImageError(f"a picture tensor is [1, 3, H, W] or [3, H, W], this is {what}")
    return image if image.dim() == 4 else image[None]


def _one(image):
    """[3, H, W] of a picture tensor that holds one picture."""
    batch = _batch(image)
    if len(batch) != 1:
        raise ImageError(f"this is a batch of {len(batch)} pictures: take one, as in images[:1]")
    return batch[0]
