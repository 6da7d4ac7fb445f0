"""Lesson 11, clips in: a film, an animated GIF or a folder of pictures, frame by frame, upright, never all of them in memory."""
import contextlib
import pathlib
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import torch

from ..images import ImageError, load_image, resize

PICTURES = (".png", ".jpg", ".jpeg", ".webp")
FILMS = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska"}                  # what is written, and what FFmpeg calls it
RATE = Fraction(25)                                                        # frames a second of a folder of pictures, unless one says otherwise


class VideoError(ImageError):
    """A clip that cannot be read or written; the message, one line, says why and what works instead."""


@dataclass
class Frame:
    """One picture of a clip: `image` [1, 3, H, W] in [0, 1], upright; shown from `pts` for `duration`, both in units of the clip's `time_base`."""
    image: torch.Tensor
    pts: int
    duration: int
    name: str | None = None


@dataclass(frozen=True)
class Clip:
    """What is known of a clip before its frames are read: see `open_clip`. Each loop over it reads the file anew, a frame at a time."""
    path: pathlib.Path
    shape: tuple                                                           # (H, W) of its frames, both even
    rate: Fraction                                                         # frames a second, on average
    time_base: Fraction                                                    # s, the unit of pts and durations
    count: int                                                             # frames; an estimate where a file does not say it
    sound: bool = False
    files: tuple = ()

    def __iter__(self):
        return self._pictures() if self.files else self._film()

    @property
    def seconds(self):
        """Length in s: frames over rate."""
        return float(self.count / self.rate)

    def _pictures(self):
        for number, file in enumerate(self.files):
            yield Frame(resize(load_image(file), self.shape), number, 1, file.name)

    def _film(self):
        with _opened(self.path) as container:
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            usual, ahead = max(1, round(1 / (self.rate * self.time_base))), None
            for decoded in _decoded(container, stream, self.path):
                pts = decoded.pts
                if ahead:                                                  # a frame lasts until the next one comes
                    pts = ahead[1] + usual if pts is None else max(pts, ahead[1] + 1)
                    yield Frame(*ahead, pts - ahead[1])
                ahead = resize(_upright(decoded), self.shape), pts or 0
                usual = decoded.duration or usual
            if ahead:
                yield Frame(*ahead, usual)


def open_clip(path, size=None, rate=None):
    """The Clip in a film, an animated GIF or a folder of pictures (in the order of their names), to be looped over.

    size: longer side in px (None: its own); sides are made even, as films want them. `rate`: frames a second of a folder (25).
    Raises VideoError for what is no clip, and when PyAV is missing.
    """
    path = pathlib.Path(path).expanduser()
    if path.is_dir():
        files = tuple(sorted(file for file in path.iterdir() if file.suffix.lower() in PICTURES and not file.name.startswith(".")))
        if not files:
            raise VideoError(f"the folder {str(path)!r} has no pictures ({', '.join(PICTURES)})")
        rate = Fraction(rate or RATE).limit_denominator(1001)
        return Clip(path, even(load_image(files[0]).shape[2:], size), rate, 1 / rate, len(files), files=files)
    if rate is not None:
        raise VideoError("only a folder of pictures needs a rate; a film has its own")
    with _opened(path) as container:
        if not container.streams.video:
            raise VideoError(f"{path.name!r} has no pictures in it, only sound")
        stream = container.streams.video[0]
        first = next(_decoded(container, stream, path), None)
        if first is None:
            raise VideoError(f"{path.name!r} has no frames")
        rate = stream.average_rate or stream.guessed_rate or RATE
        shape, base = even(_upright(first).shape[2:], size), stream.time_base
        sound, count = bool(container.streams.audio), stream.frames
    return Clip(path, shape, rate, base, count or _packets(path), sound)


def even(shape, size=None):
    """(H, W) with a longer side of `size` px, both sides even and at least 16: films store colors for 2×2 px together."""
    if size is not None and not (isinstance(size, int) and size >= 16):
        raise VideoError(f"size {size!r}: give a whole number of at least 16")
    scale = 1 if size is None else size / max(shape)
    return tuple(max(16, 2 * round(side * scale / 2)) for side in shape)


def pyav():
    """The module `av`. Raises VideoError with what to install."""
    try:
        import av
    except ImportError:
        raise VideoError("films need PyAV: pip install 'nst_lessons[video]'; folders of pictures work without it") from None
    return av


@contextlib.contextmanager
def _opened(path):
    """An open container; whatever FFmpeg has against the file becomes one line."""
    av = pyav()
    if not path.is_file():
        raise VideoError(f"no file {str(path)!r}; give a film, an animated GIF or a folder of pictures")
    try:
        container = av.open(str(path))
    except (av.FFmpegError, ValueError) as error:
        raise VideoError(f"{path.name!r} is no film that can be read ({_reason(error)})") from None
    with container:
        yield container


def _decoded(container, stream, path):
    """Every frame of a stream; a file that ends in the middle gives what is there, but not nothing."""
    av, count = pyav(), 0
    try:
        for frame in container.decode(stream):
            count += 1
            yield frame
    except av.FFmpegError as error:
        raise VideoError(f"{path.name!r} is damaged after {count} frames ({_reason(error)})") from None


def _upright(frame):
    """[1, 3, H, W] in [0, 1] of a decoded frame, turned as the camera was held. PyAV's rotation is in degrees, counterclockwise."""
    pixels = np.rot90(frame.to_ndarray(format="rgb24"), k=round(frame.rotation / 90) % 4)
    return torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)[None].float() / 255


def _packets(path):
    """How many packets of pictures a file has, without decoding any."""
    with _opened(path) as container:
        return sum(packet.size > 0 for packet in container.demux(container.streams.video[0]))


def _reason(error):
    return getattr(error, "strerror", None) or (str(error).splitlines() or [type(error).__name__])[0]
