"""Clips in and out: frames, time stamps, rotation, sound; held against PyAV used plainly, Pillow, and bytes patched by hand."""
import itertools
import struct
import weakref
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from nst_lessons.images import save_image
from nst_lessons.video import Frame, VideoError, open_clip, write_clip
from nst_lessons.video.files import Clip, even

av = pytest.importorskip("av")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def picture(number, height=48, width=64):
    """Smooth colors, with a bright bar that stands at another place in each frame."""
    image = torch.zeros(1, 3, height, width)
    image[:, 0] = torch.linspace(0.2, 0.8, width)
    image[:, 1] = torch.linspace(0.1, 0.7, height)[:, None]
    image[:, 2, :, 8 * number:8 * number + 8] = 0.8
    return image


def film(path, times=range(5), sound=None, base=Fraction(1, 25), rate=25):
    """A film by PyAV's plain calls: frames at `times`, a tone as `sound` codec. The last frame lasts one unit."""
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=rate, options={"crf": "8"})
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        video.codec_context.time_base = base
        audio = out.add_stream(sound, rate=8000, layout="mono") if sound else None
        for number, pts in enumerate(times):
            frame = av.VideoFrame.from_ndarray((picture(number)[0].permute(1, 2, 0).numpy() * 255).round().astype(np.uint8), format="rgb24")
            frame.pts, frame.time_base = pts, base
            for packet in video.encode(frame):
                out.mux(packet)
        for packet in video.encode(None):
            out.mux(packet)
        if audio:
            tone = (8000 * np.sin(np.arange(1600) * 0.3)).astype(np.int16)[None]
            frame = av.AudioFrame.from_ndarray(tone, format="s16", layout="mono")
            frame.sample_rate, frame.pts = 8000, 0
            for packet in [*audio.encode(frame), *audio.encode(None)]:
                out.mux(packet)
    return Path(path)


def stamps(path):
    """Times of a film's pictures in s, and its length in s, by FFmpeg."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        times = [frame.pts * stream.time_base for frame in container.decode(stream)]
        return times, stream.duration and stream.duration * stream.time_base


def test_frames_come_in_order_and_look_right():
    clip = open_clip(film("in.mp4"))
    assert clip.shape == (48, 64) and clip.rate == 25 and clip.count == 5 and not clip.sound
    assert clip.seconds == pytest.approx(0.2)
    frames = list(clip)
    assert [frame.pts * clip.time_base for frame in frames] == [Fraction(k, 25) for k in range(5)]
    for number, frame in enumerate(frames):
        assert frame.image.shape == (1, 3, 48, 64) and frame.image.dtype == torch.float32
        assert (frame.image - picture(number)).abs().mean() < 0.03


def test_a_film_can_be_read_twice_and_smaller():
    clip = open_clip(film("in.mp4"), size=32)
    first, second = list(clip), list(clip)
    assert clip.shape == (24, 32) and all(torch.equal(a.image, b.image) for a, b in zip(first, second, strict=True))


def turned(path, angle):
    """The film with the matrix in its track header turned, clockwise as players show it: 90, 180 or 270 degrees (ISO 14496-12, 8.3.2)."""
    data = bytearray(Path(path).read_bytes())
    a, b, c, d = {90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}[angle]
    at = data.index(b"tkhd") + 4 + 40                                      # version, times, identity, duration, reserved, layer, volume
    one = 1 << 16
    assert struct.unpack(">9i", data[at:at + 36]) == (one, 0, 0, 0, one, 0, 0, 0, 1 << 30)
    data[at:at + 36] = struct.pack(">9i", a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30)
    Path("turned.mp4").write_bytes(data)
    return Path("turned.mp4")


@pytest.mark.parametrize("angle", [90, 180, 270])
def test_a_film_held_sideways_comes_upright(angle):
    plain = next(iter(open_clip(film("in.mp4"))))
    clip = open_clip(turned("in.mp4", angle))
    upright = np.rot90(plain.image[0].permute(1, 2, 0).numpy(), k=-angle // 90)          # np.rot90 turns counterclockwise
    assert clip.shape == upright.shape[:2]
    np.testing.assert_array_equal(next(iter(clip)).image[0].permute(1, 2, 0).numpy(), upright)


def test_a_written_film_has_the_times_and_the_length_of_its_source():
    times = [0, 1, 3, 4, 9]                                                # some frames last longer
    clip = open_clip(film("in.mp4", times))
    assert write_clip(clip, "out.mp4", clip) == Path("out.mp4")
    assert stamps("out.mp4") == stamps("in.mp4")
    assert stamps("out.mp4")[0] == [Fraction(t, 25) for t in times]
    again = list(open_clip("out.mp4"))
    assert all((a.image - picture(k)).abs().mean() < 0.03 for k, a in enumerate(again))


@pytest.mark.parametrize("name", ["out.mov", "out.mkv"])
def test_other_films(name):
    clip = open_clip(film("in.mp4"))
    write_clip(clip, name, clip)
    assert [float(t) for t in stamps(name)[0]] == pytest.approx([k / 25 for k in range(5)], abs=0.001)


def test_thirty_thousand_over_1001_stays_exact():
    clip = open_clip(film("in.mp4", [k * 1001 for k in range(5)], base=Fraction(1, 30000), rate=Fraction(30000, 1001)))
    assert clip.rate == Fraction(30000, 1001)
    write_clip(clip, "out.mp4", clip)
    assert open_clip("out.mp4").rate == clip.rate and stamps("out.mp4") == stamps("in.mp4")


def sound_of(path):
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        return [(bytes(packet), float(packet.pts * packet.time_base)) for packet in container.demux(stream) if packet.size]


def test_sound_is_passed_through_byte_by_byte():
    clip = open_clip(film("in.mp4", sound="aac"))
    assert clip.sound
    write_clip(clip, "out.mp4", clip, sound=clip)
    assert sound_of("out.mp4") == sound_of("in.mp4") != []
    write_clip(clip, "silent.mp4", clip)
    assert not open_clip("silent.mp4").sound


def test_sound_that_does_not_fit_is_told():
    clip = open_clip(film("in.mkv", sound="pcm_u8"))
    write_clip(clip, "out.mkv", clip, sound=clip)
    assert [data for data, _ in sound_of("out.mkv")] == [data for data, _ in sound_of("in.mkv")]
    with pytest.raises(VideoError, match="pcm_u8 does not fit.*use .mkv"):
        write_clip(clip, "out.mp4", clip, sound=clip)
    assert sorted(path.name for path in Path().iterdir()) == ["in.mkv", "out.mkv"]


def test_a_gif_keeps_its_times_and_looks_like_its_frames():
    frames = [Frame(picture(k), pts, 1) for k, pts in enumerate([0, 2, 3, 7])]
    for one, after in itertools.pairwise(frames):
        one.duration = after.pts - one.pts
    frames[-1].duration = 2
    like = Clip(Path("x"), (48, 64), Fraction(10), Fraction(1, 10), 4)
    write_clip(frames, "out.gif", like)
    with Image.open("out.gif") as gif:
        assert gif.n_frames == 4
        for number in range(4):
            gif.seek(number)
            assert gif.info["duration"] == 100 * frames[number].duration
            seen = torch.from_numpy(np.array(gif.convert("RGB"))).permute(2, 0, 1)[None] / 255
            assert (seen - picture(number)).abs().mean() < 0.03
    clip = open_clip("out.gif")
    assert clip.count == 4 and clip.shape == (48, 64)
    assert [frame.pts * clip.time_base for frame in clip] == [Fraction(t, 10) for t in (0, 2, 3, 7)]
    write_clip(clip, "out.mp4", clip)
    assert stamps("out.mp4")[0] == [Fraction(t, 10) for t in (0, 2, 3, 7)]


def test_a_folder_of_pictures_is_a_clip():
    Path("frames").mkdir()
    for number in (2, 0, 1):
        save_image(picture(number), f"frames/{number}.png")
    Path("frames/notes.txt").write_text("no picture")
    clip = open_clip("frames", rate=10)
    assert (clip.count, clip.rate, clip.shape) == (3, 10, (48, 64)) and open_clip("frames").rate == 25
    frames = list(clip)
    assert [frame.name for frame in frames] == ["0.png", "1.png", "2.png"]
    assert all((frame.image - picture(k)).abs().max() < 0.003 for k, frame in enumerate(frames))
    write_clip(clip, "out.mp4", clip)
    assert stamps("out.mp4")[0] == [Fraction(k, 10) for k in range(3)]


def test_frames_are_streamed():
    """While a film of 60 frames goes from file to file, no more than a few of its pictures live at a time."""
    clip, alive, most = open_clip(film("in.mp4", range(60))), [], 0

    def watched():
        nonlocal most
        for frame in clip:
            alive.append(weakref.ref(frame.image))
            most = max(most, sum(one() is not None for one in alive))
            yield frame
    write_clip(watched(), "out.mp4", clip)
    assert len(alive) == 60 and most <= 3


def test_sides_are_even():
    assert even((47, 65)) == (48, 64) and even((48, 64)) == (48, 64)
    assert all(side % 2 == 0 for side in even((45, 63)))
    assert even((480, 640), 321) == (240, 320) and even((100, 1000), 100) == (16, 100)


BAD = {
    "missing": (lambda: open_clip("no.mp4"), "no file 'no.mp4'"),
    "text": (lambda: (Path("x.mp4").write_text("hello" * 100), open_clip("x.mp4")), "no film that can be read"),
    "empty folder": (lambda: (Path("e").mkdir(), open_clip("e")), "has no pictures"),
    "rate": (lambda: open_clip(film("in.mp4"), rate=5), "only a folder"),
    "size": (lambda: open_clip(film("in.mp4"), size=4), "at least 16"),
    "name": (lambda: write_clip([], "x.avi", None), "must end in .mp4, .mov, .mkv, .gif"),
}


@pytest.mark.parametrize("call, words", BAD.values(), ids=BAD)
def test_what_cannot_be_is_told_in_one_line(call, words):
    with pytest.raises(VideoError, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_a_broken_painting_leaves_the_old_film_whole():
    clip = open_clip(film("in.mp4"))
    before = film("out.mp4").read_bytes()

    def broken():
        yield from itertools.islice(clip, 2)
        raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt):
        write_clip(broken(), "out.mp4", clip)
    assert Path("out.mp4").read_bytes() == before and sorted(path.name for path in Path().iterdir()) == ["in.mp4", "out.mp4"]
