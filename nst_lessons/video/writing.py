"""Lesson 11, clips out: frames as they come → a film with the source's sound, or an animated GIF. The file is whole or not there."""
import contextlib
import os
import pathlib
from fractions import Fraction

import numpy as np
from PIL import Image

from ..images import to_pil
from .files import FILMS, VideoError, _opened, pyav

_QUALITY = {"crf": "17", "preset": "medium"}                               # of H.264: strokes stay sharp
_BT709, _LIMITED = 1, 1                                                    # FFmpeg's numbers for the color matrix and its range


def write_clip(frames, path, like, sound=None):
    """Writes `frames` (an iterator of Frame) to .mp4, .mov, .mkv or .gif, each shown as long as it says → the path.

    like: the Clip whose shape and time base they have. `sound`: a Clip whose sound is copied, packet by packet, not encoded anew.
    Nothing is kept but the frame at hand. Raises VideoError; a file that was there before is then still whole.
    """
    path = pathlib.Path(path).expanduser()
    av, kind = pyav(), path.suffix.lower()
    if kind != ".gif" and kind not in FILMS:
        raise VideoError(f"cannot write {path.name!r}: the name must end in {', '.join([*FILMS, '.gif'])}")
    partial = path.with_name(f".{path.name}.partial")
    try:
        with contextlib.ExitStack() as stack:
            out = stack.enter_context(av.open(str(partial), "w", format=FILMS.get(kind, "gif")))
            source = stack.enter_context(_opened(sound.path)) if sound and sound.sound and kind != ".gif" else None
            (_gif if kind == ".gif" else _film)(out, frames, like, source)
        os.replace(partial, path)
    except (av.FFmpegError, OSError) as error:
        raise VideoError(f"cannot write {str(path)!r}: {getattr(error, 'strerror', None) or error}") from None
    finally:
        partial.unlink(missing_ok=True)
    return path


def _film(out, frames, like, source):
    """H.264 with the source's own time stamps, and its sound beside it."""
    av = pyav()
    video = out.add_stream("libx264", rate=like.rate, options=_QUALITY)
    video.height, video.width = like.shape
    video.pix_fmt, video.codec_context.time_base = "yuv420p", like.time_base
    video.codec_context.colorspace, video.codec_context.color_range = _BT709, _LIMITED
    packets = _sound(out, source)
    lasting = {}                                                           # pts → duration, of the few frames inside the encoder

    def mux(encoded):
        for packet in encoded:
            packet.duration = lasting.pop(packet.pts, 0)
            out.mux(packet)
    for one in frames:
        frame = av.VideoFrame.from_ndarray(np.asarray(to_pil(one.image)), format="rgb24")
        frame = frame.reformat(format="yuv420p", dst_colorspace=_BT709)
        frame.pts, frame.time_base, lasting[one.pts] = one.pts, like.time_base, one.duration
        mux(video.encode(frame))
        packets.until(one.pts * like.time_base)
    mux(video.encode(None))
    packets.until(float("inf"))


class _sound:
    """Copies packets of sound up to a time, so that neither pictures nor sound pile up in memory."""

    def __init__(self, out, source):
        self.out, self.ahead, self.packets = out, None, iter(())
        if source is not None:
            stream = source.streams.audio[0]
            try:
                self.copy = out.add_stream_from_template(stream)
                out.start_encoding()                                       # writes the header: now it is clear whether the sound fits
            except ValueError:                                             # FFmpeg's "invalid argument" is one, too
                raise VideoError(f"sound of the kind {stream.codec_context.name} does not fit into this kind of file; use .mkv") from None
            self.packets = (packet for packet in source.demux(stream) if packet.dts is not None)
            self.ahead = next(self.packets, None)

    def until(self, seconds):
        """Everything that begins by then."""
        while self.ahead is not None and self.ahead.dts * self.ahead.time_base <= seconds:
            self.ahead.stream = self.copy
            self.out.mux(self.ahead)
            self.ahead = next(self.packets, None)


def _gif(out, frames, like, source):
    """Each frame with 256 colors of its own, chosen by Pillow; a GIF counts time in 1/100 s."""
    av = pyav()
    video = out.add_stream("gif", rate=100)
    video.height, video.width = like.shape
    video.pix_fmt = "pal8"
    last = None
    for one in frames:
        frame = _paletted(one.image)
        frame.pts, frame.time_base = round(one.pts * like.time_base * 100), Fraction(1, 100)
        if last is not None:
            frame.pts = max(frame.pts, last + 1)
        last = frame.pts
        lasts = max(1, round(one.duration * like.time_base * 100))
        for packet in video.encode(frame):
            packet.duration = lasts
            out.mux(packet)
    for packet in video.encode(None):
        out.mux(packet)


def _paletted(image):
    """A pal8 frame of a picture."""
    av = pyav()
    picture = to_pil(image).quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.FLOYDSTEINBERG)
    colors = np.zeros((256, 4), np.uint8)
    colors[:, 0] = 255                                                     # FFmpeg's palettes are alpha, red, green, blue
    own = np.asarray(picture.getpalette(), np.uint8).reshape(-1, 3)
    colors[:len(own), 1:] = own
    return av.VideoFrame.from_ndarray((np.asarray(picture), colors), format="pal8")
