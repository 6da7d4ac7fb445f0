"""Masks [1, 1, H, W] in [0, 1], 1 being inside: read from a file or a recipe, resized, softened; and the picture put together with one.

A mask in `Settings` is a text, so that a picture can be made again from its settings: a file's name, "data:image/png;base64,…"
(`as_text`), or a recipe: rectangle:L,T,R,B · ellipse:L,T,R,B · subject[:L,T,R,B] · background[:L,T,R,B] · cluster:N/K ·
segment:NAME · detect:NAME · rest; "not " before any of them but rest turns it around.
"""
import base64
import difflib
import math
import os

import torch
from torch.nn import functional as F

from ..features import Features
from ..images import ImageError, load_image, resize, to_bytes
from .clusters import feature_clusters
from .cutting import grab_cut
from .networks import detect, segment

_LOOK = 256              # px, longer side at which recipes look at the photograph: GrabCut is as good there as at 512, and far faster
_DATA = "data:image/png;base64,"
_NOT = "not "


def rectangle(box, shape):
    """1 inside (left, top, right, bottom), shares of width and height: → [1, 1, H, W] for shape (H, W); a border pixel counts in part."""
    left, top, right, bottom = _sides(box)
    across, down = (_covered(*ends, length) for ends, length in (((left, right), shape[1]), ((top, bottom), shape[0])))
    return (down[:, None] * across)[None, None]


def _covered(start, stop, length):
    """How much of each of `length` pixels lies between two shares of the length."""
    edges = torch.arange(length + 1.0)
    inside = edges.clamp(start * length, stop * length)
    return inside.diff()


def ellipse(box, shape):
    """1 inside the ellipse that touches the four sides of a box, as for `rectangle`: [1, 1, H, W], 0 or 1."""
    left, top, right, bottom = _sides(box)
    x, y = ((torch.arange(length) + 0.5) / length for length in (shape[1], shape[0]))
    across, down = (2 * x - left - right) / (right - left), (2 * y - top - bottom) / (bottom - top)
    return (across**2 + down[:, None]**2 <= 1).float()[None, None]


def _sides(box):
    left, top, right, bottom = box
    if not (left < right and top < bottom):
        raise ValueError(f"the box {','.join(f'{side:g}' for side in box)} is empty; "
                         "give left,top,right,bottom as shares of width and height")
    if max(left, top) >= 1 or min(right, bottom) <= 0:
        raise ValueError(f"the box {','.join(f'{side:g}' for side in box)} lies outside of the picture; "
                         "its sides are shares of width and height, 0,0,1,1 being all")
    return left, top, right, bottom


def resized(mask, shape):
    """A mask at (H, W): smaller, each pixel is the mean of those that it covers; larger, it is drawn out softly."""
    smaller = shape[0] <= mask.shape[2] and shape[1] <= mask.shape[3]
    return F.interpolate(mask, tuple(shape), mode="area" if smaller else "bilinear")


def feathered(mask, width):
    """A mask that fades to 0 over `width` px, inwards: where it was 0 it stays 0, so nothing outside is ever touched."""
    from scipy import ndimage

    if width <= 0:
        return mask
    edge = F.pad(mask[0, 0].cpu(), (1, 1, 1, 1), value=1) > 0    # the picture's own rim is no border
    depth = torch.from_numpy(ndimage.distance_transform_edt(edge.numpy()))[1:-1, 1:-1]
    ramp = (depth / (width + 1)).clamp(max=1).to(mask)
    return mask * (ramp * ramp * (3 - 2 * ramp))                 # slow at both ends: no crease


def composite(painted, photo, mask):
    """`painted` where the mask is 1, `photo` where it is 0, to the last bit: [1, 3, H, W] twice, [1, 1, H, W] → [1, 3, H, W]."""
    return mask * painted + (1 - mask) * photo


def as_text(mask):
    """A mask as a text for `Settings`: a gray PNG, as a data URI."""
    return _DATA + base64.b64encode(to_bytes(mask.expand(1, 3, *mask.shape[2:]), "png")).decode()


def read_mask(text, photo, shape):
    """The mask that a text stands for, at (H, W): [1, 1, H, W]. photo: [1, 3, H, W], a name or a path; recipes may look at it.

    Raises ValueError (ImageError for a file) that says what is wrong with the text, or with the mask.
    """
    turned = text.startswith(_NOT)
    name, _, words = text.removeprefix(_NOT).partition(":")
    if name == "background":
        name, turned = "subject", not turned
    if name == "data" or name not in _RECIPES:
        mask = _from_file(text.removeprefix(_NOT), shape)
    else:
        mask = _RECIPES[name](words, photo, shape)
    mask = resized(mask, shape)
    return 1 - mask if turned else mask


def read_masks(texts, photo, shape):
    """The masks that several texts stand for; "rest": what the others leave. → list of [1, 1, H, W]. Raises ValueError, which names the mask."""
    masks = []
    for text in texts:
        try:
            masks.append(None if text == "rest" else read_mask(text, photo, shape))
        except ValueError as error:
            raise type(error)(f"mask {_short(text)}: {error}") from None
    taken = [mask for mask in masks if mask is not None]
    if "rest" in texts and not taken:
        raise ValueError("mask 'rest': it is what other masks leave, and there is no other")
    masks = [1 - torch.stack(taken).amax(0) if mask is None else mask for mask in masks]
    for text, mask in zip(texts, masks):
        if not mask.any():
            raise ValueError(f"mask {_short(text)} is empty: it has no pixel to paint (white is painted, black is not)")
    return masks


def _short(text):
    return repr(text if len(text) < 80 else text[:40] + "…")


def _from_file(text, shape):
    """A picture's brightness, whose shape must be the photograph's."""
    if text.startswith(_DATA):
        try:
            source = base64.b64decode(text.removeprefix(_DATA), validate=True)
        except ValueError as error:
            raise ValueError(f"this is no PNG as base64 ({error})") from None
    elif os.path.exists(os.path.expanduser(text)):
        source = os.path.expanduser(text)
    else:
        known = [*_RECIPES, "background", "rest"]
        near = difflib.get_close_matches(text.partition(":")[0], known, n=1)
        raise ImageError(f"no file of this name, and no recipe{f' (did you mean {near[0]!r}?)' if near else ''}; "
                         f"recipes: {', '.join(known)}, and 'not ' before one")
    mask = load_image(source).mean(dim=1, keepdim=True)
    if abs(mask.shape[3] / mask.shape[2] * shape[0] / shape[1] - 1) > 0.03 + 1 / min(shape):
        raise ImageError(f"it is {mask.shape[3]}×{mask.shape[2]} px and the photograph {shape[1]}×{shape[0]}: "
                         "another shape, so it does not lie upon it")
    return mask


def _box(words):
    try:
        left, top, right, bottom = (float(word) for word in words.split(","))
        if not math.isfinite(left + top + right + bottom):
            raise ValueError
        return left, top, right, bottom
    except ValueError:
        raise ValueError("a box is written left,top,right,bottom, shares of width and height, e.g. 0.1,0.2,0.9,1") from None


def _seen(photo, side=_LOOK):
    """The photograph as recipes look at it; always the same, whatever size is painted."""
    return resize(photo if isinstance(photo, torch.Tensor) else load_image(photo), side).cpu()


def _cluster(words, photo, shape):
    number, _, count = words.partition("/")
    if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count) <= 16):
        raise ValueError("a cluster is written N/K, the N-th largest of K (16 at most), e.g. cluster:1/3")
    return feature_clusters(Features("tiny", device="cpu"), _seen(photo), int(count))[int(number) - 1]


_RECIPES = {
    "rectangle": lambda words, photo, shape: rectangle(_box(words), shape),
    "ellipse": lambda words, photo, shape: ellipse(_box(words), shape),
    "subject": lambda words, photo, shape: grab_cut(_seen(photo), *([_box(words)] if words else [])),
    "cluster": _cluster,
    "segment": lambda words, photo, shape: segment(_seen(photo, 2 * _LOOK), words or "person"),
    "detect": lambda words, photo, shape: detect(_seen(photo), words or "person"),
}
