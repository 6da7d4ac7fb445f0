"""`nst-lessons video`: both routes, a run that is killed and goes on, and one line for whatever is wrong."""
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from nst_lessons import cli, load_image
from nst_lessons.fast import load_fast, save_fast
from nst_lessons.images import save_image
from nst_lessons.video import open_clip, write
from test_fast import small_net
from test_video_files import film

ROOT = Path(__file__).resolve().parents[1]
QUICK = ["--style", "style.png", "--size", "32", "--steps", "4", "--backbone", "random"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A film of four frames, a folder with the same, a painting, a small network; one thread, as pictures are compared bit by bit."""
    monkeypatch.chdir(tmp_path)
    film("in.mp4", range(4), sound="aac")
    Path("frames").mkdir()
    for number, frame in enumerate(open_clip("in.mp4", 32)):
        save_image(frame.image, f"frames/p{number}.png")
    y, x = np.mgrid[0:40, 0:40]
    Image.fromarray(np.where(((x + y) // 4 % 2)[..., None], [250, 200, 30], [20, 30, 90]).astype(np.uint8)).save("style.png")
    save_fast(small_net(), "net.safetensors")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield tmp_path
    torch.set_num_threads(before)


def run(*arguments):
    return cli.main(["video", *map(str, arguments)])


def listing():
    return {str(path): path.is_file() and path.read_bytes() for path in sorted(Path().rglob("*"))}


def pictures(folder):
    return {path.name: np.asarray(Image.open(path)) for path in sorted(Path(folder).glob("*.png"))}


def test_a_film_is_painted_with_its_sound(capsys):
    before = listing()
    assert run("in.mp4", "-o", "out.mp4", *QUICK) == 0
    out, err = capsys.readouterr()
    assert out == "" and "4/4" in err
    assert listing().keys() == before.keys() | {"out.mp4"}
    clip = open_clip("out.mp4")
    assert (clip.count, clip.rate, clip.shape, clip.sound) == (4, 25, (24, 32), True)


def test_a_folder_becomes_a_folder_and_a_gif(capsys):
    assert run("frames", "-o", "out", *QUICK, "--quiet") == 0
    assert capsys.readouterr() == ("", "") and list(pictures("out")) == [f"p{k}.png" for k in range(4)]
    assert run("frames", "-o", "out.gif", *QUICK, "--quiet", "--rate", "10") == 0
    with Image.open("out.gif") as gif:
        assert gif.n_frames == 4 and gif.info["duration"] == 100


def test_the_temporal_weight_counts():
    for weight in ("0", "100"):
        run("frames", "-o", f"out{weight}", *QUICK, "--quiet", "--temporal", weight)
    alone, steady = pictures("out0"), pictures("out100")
    assert (alone["p0.png"] == steady["p0.png"]).all() and (alone["p3.png"] != steady["p3.png"]).any()


def test_one_pass_paints_what_the_network_paints():
    assert run("frames", "-o", "out", "--one-pass", "--network", "net.safetensors", "--style", "a", "b", "--style-weights", "0.25,0.75",
               "--size", "32", "--quiet") == 0
    net = load_fast("net.safetensors")
    for name, picture in pictures("out").items():
        wanted = net(load_image(f"frames/{name}"), {"a": 0.25, "b": 0.75})[0].permute(1, 2, 0).numpy() * 255
        assert np.abs(picture - wanted).max() <= 0.51


def test_the_photographs_colors_come_back_at_the_end():
    run("frames", "-o", "plain", *QUICK, "--quiet")
    run("frames", "-o", "out", *QUICK, "--quiet", "--preserve-color")
    gray = lambda a: a @ [0.299, 0.587, 0.114]
    for name, picture in pictures("out").items():
        assert np.abs(gray(picture) - gray(pictures("plain")[name])).max() < 2.5 and (picture != pictures("plain")[name]).any()


@pytest.mark.parametrize("name, more", [("out", []), ("out.mkv", ["--temporal", "1000"])])
def test_a_killed_run_goes_on_at_the_last_finished_frame(monkeypatch, name, more):
    """The painted frames are compared: x264, given the same frames again, now and then writes other bytes."""
    arguments = ["in.mp4", *QUICK, *more, "--quiet", "-o"]

    def copying(clip, folder, output, touch):
        shutil.copytree(folder, f"{output}.painted")
        return write(clip, folder, output, touch)
    monkeypatch.setattr("nst_lessons.video.write", copying)
    assert run(*arguments, f"whole-{name}") == 0
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen([sys.executable, "-m", "nst_lessons", "video", *arguments, name], env=environ)
    kept, deadline = Path(f"{name}.frames"), time.monotonic() + 60
    while not (kept / "000000.png").exists() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert process.returncode == -signal.SIGKILL and not Path(name).exists()
    there = list(pictures(kept))
    assert 1 <= len(there) < 4
    painted, original = [], cli.video._optimizer

    def watched(*given):
        paint, made_by = original(*given)
        return lambda *frames: painted.append(1) or paint(*frames), made_by
    monkeypatch.setattr(cli.video, "_optimizer", watched)
    assert run(*arguments, name, "--resume") == 0
    assert len(painted) == 4 - len(there) and not kept.exists() and open_clip(name).count == 4
    whole, resumed = pictures(f"whole-{name}.painted"), pictures(f"{name}.painted")
    assert len(whole) == 4 and {file: int(np.abs(whole[file].astype(int) - resumed[file]).max()) for file in whole} == dict.fromkeys(resumed, 0)


def test_a_mask_paints_there_only():
    """A recipe and a file; outside, each frame is its photograph to the bit."""
    half = np.zeros((24, 32), np.uint8)
    half[:, :16] = 255
    Image.fromarray(half).save("half.png")
    for mask in ("rectangle:0,0,0.5,1", "half.png"):
        assert run("frames", "-o", "out", *QUICK, "--steps", "16", "--quiet", "--mask", mask, "--untouched", "--feather", "0") == 0
        for name, picture in pictures("out").items():
            photo = np.asarray(Image.open(f"frames/{name}"))
            assert (picture[:, 16:] == photo[:, 16:]).all() and (picture[:, :16] != photo[:, :16]).mean() > 0.1


def test_patches_learn_one_dictionary_for_all_frames(monkeypatch):
    from nst_lessons.selfsup import PatchPyramid
    learned, original = [], PatchPyramid.learn
    monkeypatch.setattr(PatchPyramid, "learn", lambda self, pictures: learned.append(len(pictures)) or original(self, pictures))
    assert run("frames", "-o", "out", *QUICK[:-1], "patches", "--quiet") == 0
    assert learned == [2] and len(pictures("out")) == 4


def test_a_folder_that_holds_something_else_is_left_alone(capsys):
    Path("out.frames").mkdir()
    Path("out.frames/letter.txt").write_text("dear")
    for more in ([], ["--resume"]):
        assert run("frames", "-o", "out", *QUICK, "--quiet", *more) == 2
        assert "'out.frames' is no folder of painted frames; move it away" in capsys.readouterr().err
    assert [path.name for path in Path("out.frames").iterdir()] == ["letter.txt"]


def test_other_settings_do_not_go_on(capsys, monkeypatch):
    def interrupted(clip, folder, output, touch):
        raise KeyboardInterrupt
    monkeypatch.setattr("nst_lessons.video.write", interrupted)
    assert run("frames", "-o", "out", *QUICK, "--quiet") == 130
    assert "4 of 4 frames are in out.frames, and --resume goes on" in capsys.readouterr().err
    assert run("frames", "-o", "out", *QUICK, "--quiet", "--resume", "--beta", "2") == 2
    assert "other settings (settings)" in capsys.readouterr().err


BAD = {
    "no clip": (["no.mp4", "-o", "out.mp4", *QUICK], ["no file 'no.mp4'"]),
    "a picture's name": (["in.mp4", "-o", "out.png", *QUICK], ["must end in .mp4, .mov, .mkv, .gif"]),
    "over itself": (["in.mp4", "-o", "in.mp4", *QUICK], ["what is painted from"]),
    "folder over itself": (["frames", "-o", "frames", *QUICK], ["what is painted from"]),
    "no folder": (["in.mp4", "-o", "no/out.mp4", *QUICK], ["no folder 'no'"]),
    "style": (["in.mp4", "-o", "out.mp4", "--style", "no.png"], ["no.png"]),
    "rate": (["in.mp4", "-o", "out.mp4", *QUICK, "--rate", "5"], ["only a folder"]),
    "rate 0": (["frames", "-o", "out.mp4", *QUICK, "--rate", "0"], ["0.1 to 1000"]),
    "network": (["in.mp4", "-o", "out.mp4", *QUICK, "--network", "net.safetensors"], ["--network is for --one-pass"]),
    "steps in one pass": (["in.mp4", "-o", "out.mp4", "--style", "a", "--one-pass", "--network", "net.safetensors", "--steps", "3"], ["--steps is for"]),
    "flow in one pass": (["in.mp4", "-o", "out.mp4", "--style", "a", "--one-pass", "--network", "net.safetensors", "--flow", "dis"], ["--flow is for"]),
    "mask in one pass": (["in.mp4", "-o", "out.mp4", "--style", "a", "--one-pass", "--network", "net.safetensors", "--mask", "half.png"], ["--mask is for"]),
    "no mask": (["in.mp4", "-o", "out.mp4", *QUICK, "--mask", "no.png"], ["no.png"]),
    "untouched without a mask": (["in.mp4", "-o", "out.mp4", *QUICK, "--untouched"], ["untouched=True wants masks"]),
    "layer": (["in.mp4", "-o", "out.mp4", *QUICK, "--style-layers", "conv9_9"], ["unknown layer 'conv9_9'"]),
    "unknown style": (["in.mp4", "-o", "out.mp4", "--style", "c", "--one-pass", "--network", "net.safetensors"], ["unknown style 'c'"]),
}


@pytest.mark.parametrize("arguments, words", BAD.values(), ids=BAD)
def test_bad_input_gets_one_line(capsys, arguments, words):
    before = listing()
    assert run(*arguments) == 2 and listing() == before
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("nst-lessons: ") and err.count("\n") == 1
    assert [word for word in words if word not in err] == [], err


def test_pyav_is_named_when_it_is_missing(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    assert run("in.mp4", "-o", "out.mp4", *QUICK) == 2
    assert "pip install 'nst_lessons[video]'" in capsys.readouterr().err
    assert run("frames", "-o", "out", *QUICK, "--quiet") == 0              # a folder of pictures works without it
    assert len(pictures("out")) == 4


def test_opencv_is_named_when_it_is_missing(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    before = listing()
    assert run("frames", "-o", "out", *QUICK) == 2 and listing() == before
    err = capsys.readouterr().err
    assert err.startswith("nst-lessons: optical flow needs OpenCV: pip install 'nst_lessons[video]'") and err.count("\n") == 1
    assert run("frames", "-o", "out", *QUICK, "--quiet", "--temporal", "0") == 0       # nothing is followed then
