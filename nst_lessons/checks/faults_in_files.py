"""Lesson 06: the three probes of what goes in and out, on files whose content is known. Each raises Wrong with the symptom."""
import tempfile
from pathlib import Path

import torch
from torch.nn import functional as F

from ..images import load_image, to_pil
from .faults import each, size_of
from .vgg import MEAN, STD
from .verdict import Wrong, attempt, same, seeded


def _smooth(height, width, seed=0):
    """A smooth color picture [1, 3, H, W] of whole bytes over 255, no channel like another."""
    coarse = torch.rand(1, 3, 4, 4, generator=seeded(seed)) * torch.tensor([0.9, 0.7, 0.5]).view(1, 3, 1, 1)
    picture = F.interpolate(coarse + torch.tensor([0.05, 0.15, 0.4]).view(1, 3, 1, 1), (height, width), mode="bilinear")
    return (picture * 255).round() / 255


def _loaded(load, picture, size):
    """load() of a file that holds `picture`; Wrong when it is no tensor [1, 3, H, W]."""
    with tempfile.TemporaryDirectory() as folder:
        to_pil(picture).save(Path(folder) / "picture.png")
        loaded = attempt(load, str(Path(folder) / "picture.png"), size, on=f"a picture of {size_of(picture)} px")
    if not isinstance(loaded, torch.Tensor) or loaded.ndim != 4 or loaded.shape[:2] != (1, 3):
        got = list(loaded.shape) if isinstance(loaded, torch.Tensor) else f"a {type(loaded).__name__}"
        raise Wrong(f"`load` should return [1, 3, H, W], it returned {got}")
    return loaded


def sizes(load):
    """Fault 8: `size` is the longer side, whatever the picture's shape."""
    for shape, wanted in (((60, 180), (16, 48)), ((180, 60), (48, 16)), ((96, 96), (48, 48)), ((20, 30), (32, 48))):
        loaded = _loaded(load, _smooth(*shape), 48)
        found = tuple(loaded.shape[2:])
        if max(abs(one - other) for one, other in zip(found, wanted)) <= 1:
            continue
        more = f"{found[0] * found[1] / (wanted[0] * wanted[1]):.0f} times the pixels that were meant"
        says = {shape: "as it was, whatever one asks for" if max(shape) > 48 else "what is smaller stays small",
                wanted[::-1]: "what lies down stands up"}.get(
                    found, f"{more}; photograph and painting differ in size" if min(found) == 48 else f"{wanted[1]}×{wanted[0]} is wanted")
        if found == (48, 48):
            says = "its ends are cut off" if _is_cut(loaded, _smooth(*shape)) else "squeezed, circles become ellipses"
        raise Wrong(f"a picture of {shape[1]}×{shape[0]} px, asked for at 48, comes back {size_of(loaded)}: {says}")


def _is_cut(square, picture):
    """Whether `square` [1, 3, 48, 48], in whatever numbers, is more like the middle of `picture` than like the whole, squeezed."""
    side = min(picture.shape[2:])
    top, left = ((length - side) // 2 for length in picture.shape[2:])
    middle = picture[..., top:top + side, left:left + side]
    cut, squeezed = (torch.corrcoef(torch.stack([F.interpolate(one, (48, 48), mode="bilinear").flatten(), square.flatten()]))[0, 1]
                     for one in (middle, picture))
    return cut > squeezed


def values(load):
    """Fault 6: the values that the network was trained on."""
    picture = _smooth(24, 24)
    flipped = picture.flip(1)
    loaded = _loaded(load, picture, 24)
    if loaded.abs().max() > 20:
        raise Wrong(f"the network gets values from {loaded.min():.0f} to {loaded.max():.0f}; it was trained on about -2 to 2.6")
    cut = picture.permute(0, 2, 3, 1).reshape(picture.shape)                 # a file's order of numbers, and planes cut from it
    same(loaded, (picture - MEAN) / STD, "what `load` gives for a small picture", [
        ("the picture is in pieces: its pixels, [H, W, 3] in the file, were cut into three planes", (cut - MEAN) / STD),
        *each("the network sees one dark sheet: nearly no value differs from the others",
              (picture / 255 - MEAN) / STD, (picture - 255 * MEAN) / (255 * STD)),
        *each("the network gets values between 0 and 1, none negative; it was trained on about -2 to 2.6", picture, flipped),
        *each("red and blue are exchanged: the network sees blue faces", (flipped - MEAN) / STD, ((picture - MEAN) / STD).flip(1)),
        *each("the values are too near to zero: the network sees a pale picture", picture - MEAN, (picture - MEAN) * STD),
        ("the values run from -1 to 1, as for another family of networks; this one was trained on about -2 to 2.6", picture * 2 - 1),
        *each("the network sees other colors than the file has", (picture - STD) / MEAN, ((picture - MEAN) / STD - MEAN) / STD,
               picture / STD - MEAN),
    ], rtol=1e-3, atol=2e-3)
    if not loaded.is_contiguous():
        raise Wrong("the tensor lies transposed in memory (is_contiguous() is False), and L-BFGS will stop with an error about `view`")


def round_trip(save):
    """Fault 9: what was loaded and is saved again is the same picture; what was painted beyond black and white is cut there."""
    picture = _smooth(24, 30, seed=1)
    picture[..., :4, :4], picture[..., :4, 4:8] = -0.2, 1.3                  # beyond black, beyond white
    seen = (picture - MEAN) / STD
    before = seen.clone()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "picture.png"
        attempt(save, seen, str(file))
        if not file.is_file():
            raise Wrong("`save` leaves no file at the path that it is given")
        found = load_image(file)
    if found.shape != seen.shape:
        raise Wrong(f"a picture of 30×24 px becomes a file of {size_of(found)} px")
    if not torch.equal(seen, before):
        raise Wrong("`save` changes the picture that it is given")
    around = [rounded.to(torch.int32).to(torch.uint8) / 255 for rounded in (picture * 255, (picture * 255).round())]
    same(found, picture.clamp(0, 1), "what was loaded and saved again", [
        ("loaded and saved, nothing painted, the colors are harsh: whatever was darker than ImageNet's mean color is black", seen.clamp(0, 1)),
        *each("red and blue are exchanged in the file", picture.clamp(0, 1).flip(1), (seen.flip(1) * STD + MEAN).clamp(0, 1)),
        *each("what was painted beyond white comes back dark, and beyond black bright: specks of false color", *around),
        ("the contrast hangs on the two extreme pixels: everything else comes back paler", (seen - seen.min()) / (seen.max() - seen.min())),
        *each("the whole comes back too dark", (seen * STD).clamp(0, 1), ((seen + MEAN) * STD).clamp(0, 1)),
        *each("the colors are harsh: too much contrast", (seen + MEAN).clamp(0, 1), ((seen - MEAN) / STD).clamp(0, 1)),
        ("nothing dark comes back: whatever was darker than ImageNet's mean color has that color now", seen.clamp(0, 1) * STD + MEAN),
        ("nearly all comes back white", (picture.clamp(0, 1) * 255).clamp(0, 1)),
        ("mean and deviation have changed places: other colors come back", (seen * MEAN + STD).clamp(0, 1)),
    ], atol=1.5 / 255)
