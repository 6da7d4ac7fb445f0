"""Lesson 11: a clip painted frame after frame. Every finished frame is on the disk, so that a killed run goes on with the next one."""
import json
import os
import pathlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass

import torch

from ..images import ImageError, load_image, save_image
from .files import FILMS, Frame, VideoError
from .flow import flow
from .temporal import TEMPORAL_WEIGHT, temporal
from .writing import write_clip

_NOTES = "settings.json"


@dataclass
class Followed:
    """The first route: each frame optimized with a temporal term, from the warped frame before it (Ruder et al. 2016, section 4).

    first(photo) → picture; later(photo, start, term) → picture, optimized from `start` with the Weighted `term` in its objective.
    Pictures are [1, 3, H, W] in [0, 1]. `weight`: of the temporal term; `method`: how flow is found.
    """
    first: Callable
    later: Callable
    weight: float = TEMPORAL_WEIGHT
    method: str = "dis"

    def __call__(self, photo, before=None, painted=None):
        """The picture for one frame; before, painted: the frame before it and its picture, None at the beginning."""
        if before is None:
            return self.first(photo)
        start, term = temporal(painted, flow(photo, before, self.method), flow(before, photo, self.method), self.weight)
        return self.later(photo, start, term)


def film(clip, paint, folder, settings=None):
    """Paints what is not yet painted of a clip into PNG files in `folder`: yields (Frame, picture) for every frame, painted or found.

    paint(photo, photo before or None, picture before or None) → picture [1, 3, H, W]. A picture is read back as the file holds it
    before the next frame is made from it, so a run that was killed and resumed paints what an undisturbed one does.
    settings: a dict of plain values; pictures in `folder` that others made are refused. Raises VideoError.
    """
    folder = begin(folder, settings or {})
    before = painted = None
    for number, frame in enumerate(clip):
        file = folder / f"{number:06d}.png"
        picture = _found(file)
        if picture is None:
            save_image(paint(frame.image, before, painted), file)
            picture = load_image(file)
        if picture.shape != frame.image.shape:
            raise VideoError(f"{file} is not a frame of this clip; delete the folder and start again")
        before, painted = frame.image, picture
        yield frame, picture


def begin(folder, settings):
    """Makes the folder for painted frames, with a note of what makes them; VideoError when it holds those of other settings, or other things."""
    folder = pathlib.Path(folder)
    notes = folder / _NOTES
    _ours(folder)
    text = json.dumps(settings, indent=1, sort_keys=True)
    if notes.is_file():
        try:
            there = json.loads(notes.read_text())
        except ValueError:
            there = {}
        wanted = json.loads(text)
        changed = sorted(name for name in {*there, *wanted} if there.get(name) != wanted.get(name))
        if changed:
            raise VideoError(f"the frames in {folder.name} were painted with other settings ({', '.join(changed)}): "
                             "use those again, or leave --resume out")
        return folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        partial = notes.with_suffix(".partial")
        partial.write_text(text)
        os.replace(partial, notes)
    except OSError as error:
        raise VideoError(f"cannot make the folder {str(folder)!r} ({error.strerror}); give -o another place") from None
    return folder


def finished(folder):
    """How many frames in `folder` are painted already."""
    return len(list(pathlib.Path(folder).glob("[0-9]" * 6 + ".png")))


def clear(folder):
    """Removes the painted frames in `folder`, and the folder; one that is not `film`'s stays as it is, with a VideoError."""
    folder = pathlib.Path(folder)
    if _ours(folder):
        shutil.rmtree(folder)


def _ours(folder):
    """Whether the folder is there. VideoError for one that holds other things, which would be lost with it, and for a file of its name."""
    if folder.exists() and not (folder / _NOTES).is_file() and (not folder.is_dir() or any(folder.iterdir())):
        raise VideoError(f"{str(folder)!r} is no folder of painted frames; move it away")
    return folder.exists()


def write(clip, folder, output, touch=None):
    """The painted frames in `folder` → a film or GIF with the clip's times and sound; a folder gets PNG files with the clip's own names.

    touch(picture, photo) → picture: a last touch, such as the photograph's colors, which the next frame shall not be made from.
    """
    output, touch = pathlib.Path(output), touch or (lambda picture, photo: picture)
    painted = (Frame(touch(load_image(pathlib.Path(folder) / f"{number:06d}.png"), frame.image), frame.pts, frame.duration, frame.name)
               for number, frame in enumerate(clip))
    if output.suffix.lower() in (*FILMS, ".gif"):
        return write_clip(painted, output, clip, sound=clip)
    output.mkdir(exist_ok=True)
    for number, frame in enumerate(painted):
        save_image(frame.image, output / f"{pathlib.Path(frame.name).stem if frame.name else f'{number:06d}'}.png")
    return output


def _found(file):
    """A painted frame from an earlier run, or None. `save_image` writes whole files or none, so what is there is good."""
    if not file.is_file():
        return None
    try:
        return load_image(file)
    except ImageError:
        raise VideoError(f"{file} is damaged; delete it, and --resume paints it again") from None


def one_pass(net, style):
    """The second route: paint(photo, …) of a trained network, which looks at nothing but the frame itself; no flow is computed."""
    mix = net.mix(style)

    @torch.inference_mode()
    def paint(photo, before=None, painted=None):
        return net(photo.to(mix.device, memory_format=torch.channels_last), mix).cpu()
    return paint
