"""Lesson 01's back room: picture files, PIL images and arrays of every kind → pixels [H, W, 3], upright, sRGB, on white."""
import io
import math
import re
import sys
import threading
import warnings
from contextlib import contextmanager

import numpy as np
from PIL import Image, ImageCms, UnidentifiedImageError

# Only these: for EPS Pillow would start another program, nearly any bytes are a TGA to it, and a JPEG 2000 may lack its end.
READABLE = ("PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "PPM")
# What people try instead, known by its first bytes.
STRANGERS = {
    rb"....ftyp(hei|hev|mif|msf)": "HEIC: export it as JPEG or PNG",
    rb"....ftypavi": "AVIF, for which this Pillow is too old: export it as JPEG or PNG",
    rb"....ftyp": "a film: save one of its frames as PNG",
    rb"%PDF": "a PDF: export its page as PNG",
    rb"%!PS": "PostScript: export it as PNG",
    rb"\s*<": "a web page or an SVG drawing: save the picture itself, as PNG or JPEG",
    rb"version https://git-lfs": "only git-lfs' note on a picture: run 'git lfs pull'",
}
_ORIENTATION = 0x0112  # the EXIF tag. 1 is upright; how to turn the others:
_TURNS = {2: lambda a: a[:, ::-1], 3: lambda a: a[::-1, ::-1], 4: lambda a: a[::-1], 5: lambda a: a.swapaxes(0, 1),
          6: lambda a: a.swapaxes(0, 1)[:, ::-1], 7: lambda a: a.swapaxes(0, 1)[::-1, ::-1], 8: lambda a: a.swapaxes(0, 1)[::-1]}
_ONE_AT_A_TIME = threading.RLock()


class ImageError(ValueError):
    """A picture that cannot be read, written or used; the message is one line: what is wrong, and what would be right."""

    def __init__(self, message):
        super().__init__(" ".join(str(message).split()))


def decode(source, label, max_megapixels=100):
    """Pixels [H, W, 3] of an open binary file or a PIL image: uint8, or float32 in [0, 1] where 8 bits would lose something.

    Raises ImageError, in which `label` names the picture, for what is no picture, is broken, or has more than `max_megapixels`.
    """
    with patient_pillow() as said:
        is_file = not isinstance(source, Image.Image)
        picture = open_header(source, label) if is_file else source
        check_area(*picture.size, max_megapixels, label)
        with _or_broken(label):
            picture.load()
            if picture.format == "TIFF" and re.search("Truncated|only got|larger than file", str([w.message for w in said])):
                raise EOFError("its end is missing")  # a color profile there may be gone, though the pixels are whole
            return _pixels(picture, _low_bytes(source, picture) if is_file else None)


def open_header(stream, label):
    """PIL image of an open binary file of which only the header has been read. Raises ImageError."""
    Image.init()
    with _or_broken(label):
        try:
            return Image.open(stream, formats=[name for name in READABLE if name in Image.OPEN])
        except UnidentifiedImageError:
            stream.seek(0)
            head = stream.read(64)
            what = [what for pattern, what in STRANGERS.items() if re.match(pattern, head, re.DOTALL)]
            wrong = f"is {what[0]}" if what else f"is not a picture, or a broken one: these can be read: {', '.join(READABLE)}"
            raise ImageError(f"{label} {wrong}") from None


def check_area(width, height, max_megapixels, label):
    """Raise ImageError when a picture of width × height px is larger than allowed."""
    area = width * height / 1e6
    if area > max_megapixels:
        raise ImageError(f"{label} has {width}×{height} px, {math.ceil(area)} megapixels, and {max_megapixels} are allowed: "
                         f"make it smaller, or pass max_megapixels={math.ceil(area)}")


def check_array(array):
    """[H, W, 3] of a NumPy array whose shape and values make a picture."""
    array = array[..., None] if array.ndim == 2 else array
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4) or array.size == 0:
        hint = "; channels come last: array.transpose(1, 2, 0)" if array.ndim == 3 and array.shape[0] in (1, 3, 4) else ""
        raise ImageError(f"an array is [H, W], [H, W, 3] or [H, W, 4], this one is {list(array.shape)}{hint}")
    if array.dtype.kind == "f":
        low, high = array.min(), array.max()
        if not (low >= -1e-3 and high <= 1 + 1e-3):  # so written, NaN fails too
            found = f"these reach from {low:.4g} to {high:.4g}"
            raise ImageError(f"floats lie in [0, 1], {found}: scale them, or use uint8 for 0 to 255")
    elif array.dtype not in (bool, np.uint8, np.uint16):
        raise ImageError(f"values are uint8, uint16, bool or floats in [0, 1], not {array.dtype}: as in .astype('uint8')")
    if array.shape[2] == 4:
        return over_white(unit(array[..., :3]), unit(array[..., 3:]))
    return np.broadcast_to(array, array.shape[:2] + (3,))


def unit(values):
    """A fresh float32 copy, in [0, 1], of an array of integers of their type's whole range, of truth values or of floats."""
    full = np.iinfo(values.dtype).max if values.dtype.kind in "iu" else 1
    return np.array(values, np.float32, order="C") / np.float32(full)


def over_white(color, alpha):
    """color [H, W, 3] seen through alpha [H, W, 1] in front of white, all float32 in [0, 1]."""
    return 1 - alpha * (1 - color)


@contextmanager
def patient_pillow():
    """Keep Pillow from judging sizes, which `check_area` does, and from showing its warnings; they come as a list instead."""
    with _ONE_AT_A_TIME, warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield said
        finally:
            Image.MAX_IMAGE_PIXELS = limit


@contextmanager
def _or_broken(label):
    """Turn whatever Pillow's many decoders raise into one ImageError."""
    try:
        yield
    except ImageError:
        raise
    except MemoryError:
        raise ImageError(f"{label} does not fit into this machine's memory: make it smaller first") from None
    except Exception as error:  # OSError, SyntaxError, struct.error, zlib.error, EOFError …: each format has its own
        raise ImageError(f"{label} is broken or incomplete ({error}): get it again, or save it anew as PNG") from None


def _pixels(picture, low=None):
    """Pixels of a loaded PIL image; `low` holds the low bytes of 16-bit colors, of which `picture` has the high ones."""
    turn = _TURNS.get(_orientation(picture), lambda a: a)
    profile, alpha, rest = picture.info.get("icc_profile"), None, None
    if low is not None:  # of 65535ths, the bytes make high · 256 + low; in 255ths that is high + (low − high) / 257
        rest = (np.asarray(low, np.float32) - np.asarray(picture, np.float32)) / 257
    if picture.mode[0] in "IF":  # one channel of 16 or 32 bits
        deep = _deep_gray(picture)
        picture = Image.fromarray(deep.astype(np.uint8))
        rest = (deep - np.asarray(picture))[..., None]
    elif picture.has_transparency_data:
        rgba = (picture.convert("LA") if picture.mode == "La" else picture).convert("RGBA")
        alpha = np.asarray(rgba.getchannel("A"), np.float32)[..., None]
        picture = rgba.convert("L" if picture.mode in ("L", "LA", "La") else "RGB")
    color = np.asarray(_to_srgb(picture, profile))
    if rest is not None:  # colors are converted in 8 bits; what those left out is added to the result
        color = np.clip((color + rest[..., :3]) / 255, 0, 1)
    if alpha is not None:
        alpha = alpha + rest[..., 3:] if rest is not None and rest.shape[2] == 4 else alpha
        color = over_white(unit(color), alpha / 255)
    return turn(color)


def _orientation(picture):
    """The EXIF orientation, 1 to 8, that is still to be obeyed; call after `load`, in which Pillow turns TIFFs by itself."""
    try:
        return picture.getexif().get(_ORIENTATION, 1)
    except Exception:  # broken notes about a picture need not spoil the picture
        return 1


def _low_bytes(stream, picture):
    """PIL image of the low bytes of a PNG or TIFF with 16 bits a color, None for others.

    Pillow has no mode for such colors and keeps their high bytes; told the other byte order, it keeps the low ones.
    """
    if picture.format not in ("PNG", "TIFF") or picture.mode not in ("RGB", "RGBA"):
        return None
    other = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}
    stream.seek(0)
    low = Image.open(stream)
    for number, tile in enumerate(low.tile):
        name, *more = tile[3] if isinstance(tile[3], tuple) else (tile[3],)
        if not re.fullmatch("RGBA?;16[BLN]", str(name)):
            return None
        name = name[:-1] + other[name[-1]]
        low.tile[number] = getattr(tile, "_make", tuple)((*tile[:3], (name, *more) if more else name))
    low.load()
    return low


def _deep_gray(picture):
    """[H, W] float32 in [0, 255] of a PIL image with 16-bit, 32-bit or floating-point grays.

    Modes I and F do not say what white is: it is the first usual value that is not exceeded (for PNG and PPM always 16 bits').
    """
    values = np.asarray(picture).astype(np.float64)
    low, high = values.min(), values.max()
    if picture.mode.startswith("I;16") or picture.mode == "I" and picture.format in ("PNG", "PPM"):
        whites = [65535]
    else:
        whites = [255, 65535, 2**31 - 1] if picture.mode == "I" else [1, 255, 65535]
    white = next((white for white in whites if high <= white), None)
    if not low >= 0 or white is None:  # so written, NaN fails too
        raise ImageError(f"grays from {low:.4g} to {high:.4g} make no picture: scale them from 0 (black) to {whites[0]} (white)")
    return (values * (255 / white)).astype(np.float32)


def _to_srgb(picture, profile):
    """RGB picture, in sRGB, of a PIL image without alpha; `profile` is the ICC profile of its colors, or None."""
    if picture.mode not in ("L", "CMYK", "LAB"):
        picture = picture.convert("L" if picture.mode == "1" else "RGB")
    if not profile:
        return picture.convert("RGB")
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if picture.mode == "L" and source.profile.xcolor_space == "RGB ":
            picture = picture.convert("RGB")
        return ImageCms.profileToProfile(picture, source, ImageCms.createProfile("sRGB"), outputMode="RGB",
                                         renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
                                         flags=ImageCms.Flags.BLACKPOINTCOMPENSATION)
    except (OSError, ImageCms.PyCMSError):  # a broken profile, or one of another kind of colors: like none
        return picture.convert("RGB")
