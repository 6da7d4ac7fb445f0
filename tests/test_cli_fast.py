"""`nst-lessons fast` and `learn-style`: pictures, folders, mixtures, a style of one's own, and one line for whatever is wrong."""
import argparse
import inspect
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import nst_lessons as nst
from nst_lessons import cli, images
from nst_lessons.cli import fast, learn_style
from nst_lessons.fast import load_fast, save_fast
from test_fast import small_net


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A photograph, a folder of two, and a small network with the styles a and b."""
    monkeypatch.chdir(tmp_path)
    y, x = np.mgrid[0:40, 0:50]
    picture = Image.fromarray(np.stack([x * 5, y * 6, 255 - x * 3], axis=-1).astype(np.uint8))
    Path("photos").mkdir()
    for name in ("photo.png", "photos/one.jpg", "photos/two.png"):
        picture.save(name)
    save_fast(small_net(), "net.safetensors")
    return tmp_path


def run(*arguments):
    return cli.main([str(argument) for argument in arguments])


def listing():
    return {str(path): path.is_file() and path.read_bytes() for path in sorted(Path().rglob("*"))}


def fails(capsys, arguments, *words):
    """One line with these words, status 2, nothing touched."""
    before = listing()
    status = run(*arguments)
    out, err = capsys.readouterr()
    assert status == 2 and out == "" and listing() == before
    assert err.startswith("nst-lessons: ") and err.count("\n") == 1 and "Traceback" not in err
    assert [word for word in words if word not in err] == [], err


def painted(mix, size, keep=False):
    photo = images.load_image("photo.png", size=size)
    picture = load_fast("net.safetensors")(photo, mix)
    return np.asarray(images.to_pil(images.keep_color(picture, photo) if keep else picture))


SMALL = ["--weights", "net.safetensors", "--size", "32"]


def test_a_photograph_is_painted_in_one_pass(capsys):
    assert run("fast", "photo.png", "--style", "a", "-o", "out.png", *SMALL) == 0
    assert capsys.readouterr() == ("", "")
    assert (np.asarray(Image.open("out.png")) == painted("a", 32)).all()
    assert nst.images.read_settings("out.png") == {"command": "fast", "content": "photo.png", "style": {"a": 1.0}, "size": 32}


def test_a_mixture_and_the_photographs_colors():
    assert run("fast", "photo.png", "--style", "a", "--mix", "b=0.25", "-o", "out.png", "--preserve-color", *SMALL) == 0
    assert (np.asarray(Image.open("out.png")) == painted({"a": 0.75, "b": 0.25}, 32, keep=True)).all()
    assert nst.images.read_settings("out.png")["style"] == {"a": 0.75, "b": 0.25}


def test_shares_add_up():
    assert fast.mixture("a", []) == {"a": 1}
    assert fast.mixture("a", [("b", 0.25), ("c", 0.25), ("b", 0.25)]) == {"b": 0.5, "c": 0.25, "a": 0.25}
    assert fast.mixture("a", [("b", 1.0)]) == {"b": 1, "a": 0}


def test_a_folder_of_photographs(capsys):
    Path("photos/readme.txt").write_text("no picture")
    Image.open("photo.png").convert("RGB").save("photos/three.bmp")
    assert run("fast", "photos", "--style", "b", "-o", "out", *SMALL) == 0
    assert sorted(path.name for path in Path("out").iterdir()) == ["one.jpg", "three.png", "two.png"]
    assert (np.asarray(Image.open("out/two.png")) == painted("b", 32)).all()
    out, err = capsys.readouterr()
    assert out == "" and "3/3" in err
    run("fast", "photos", "--style", "b", "-o", "out", "--quiet", *SMALL)
    assert capsys.readouterr() == ("", "")


def test_one_bad_file_does_not_stop_the_others(capsys):
    Path("photos/broken.png").write_bytes(b"no picture")
    Image.open("photo.png").save("photos/two.webp")
    assert run("fast", "photos", "--style", "b", "-o", "out", "--quiet", *SMALL) == 2
    assert sorted(path.name for path in Path("out").iterdir()) == ["one.jpg", "two_png.png", "two_webp.webp"]
    err = capsys.readouterr().err.splitlines()
    assert "broken.png" in err[0] and "1 of 4 pictures could not be painted, the others are in out" in err[1]


BAD = {
    "another style": (["photo.png", "--style", "c", "-o", "out.png"], ["unknown style 'c'", "a, b"]),
    "another style in the mixture": (["photo.png", "--style", "a", "--mix", "c=0.2", "-o", "out.png"], ["unknown style 'c'"]),
    "too much": (["photo.png", "--style", "a", "--mix", "b=0.7", "--mix", "a=0.5", "-o", "out.png"], ["add up to 1.2", "1 is the whole"]),
    "no such file": (["foto.png", "--style", "a", "-o", "out.png"], ["foto.png"]),
    "no picture's name": (["photo.png", "--style", "a", "-o", "out.txt"], ["must end in .png"]),
    "over itself": (["photo.png", "--style", "a", "-o", "photo.png"], ["the photograph itself"]),
    "no folder to write in": (["photo.png", "--style", "a", "-o", "no/out.png"], ["no folder"]),
    "a folder into a file": (["photos", "--style", "a", "-o", "out.png"], ["is a folder, so -o must be one too"]),
    "a folder into itself": (["photos", "--style", "a", "-o", "photos"], ["take the place of the photographs"]),
    "a folder nowhere": (["photos", "--style", "a", "-o", "no/out"], ["no folder 'no'"]),
    "size": (["photo.png", "--style", "a", "-o", "out.png", "--size", "4"], ["16"]),
    "weights": (["photo.png", "--style", "a", "-o", "out.png", "--weights", "photo.png"], ["photo.png"]),
}


@pytest.mark.parametrize("arguments, words", BAD.values(), ids=BAD)
def test_bad_input_gets_one_line(capsys, arguments, words):
    fails(capsys, ["fast", *SMALL[:2], *arguments], *words)


def test_an_empty_folder(capsys):
    Path("empty").mkdir()
    fails(capsys, ["fast", "empty", "--style", "a", "-o", "out", *SMALL], "has no pictures")


@pytest.mark.parametrize("share", ["b", "b=", "=0.5", "b=1.5", "b=-0.1", "b=much", "b=nan"])
def test_a_share_is_a_name_and_a_number(capsys, share):
    with pytest.raises(SystemExit) as caught:
        run("fast", "photo.png", "--style", "a", "--mix", share, "-o", "out.png", *SMALL)
    assert caught.value.code == 2 and "write waves=0.5" in capsys.readouterr().err


# --- learn-style -----------------------------------------------------------------------------------------------------

LEARN = ["learn-style", "photo.png", "-o", "mine.safetensors", "--weights", "net.safetensors", "--photos", "photos"]


@pytest.fixture
def quick(monkeypatch):
    """Small crops, as in test_fast."""
    original = nst.fast.learn_style

    def small(*args, **options):
        return original(*args, **{"sizes": (32,), "batch": 2, "seen": (40, 60)} | options)
    monkeypatch.setattr("nst_lessons.fast.learn_style", small)


def test_a_style_of_ones_own(capsys, quick):
    assert run(*LEARN, "--minutes", "0.03", "--quiet", "--sample", "look.png") == 0
    out, err = capsys.readouterr()
    assert "nst-lessons fast PHOTO --weights mine.safetensors --style photo" in out and err == ""
    assert load_fast("mine.safetensors").styles == ["a", "b", "photo"] and Path("look.png").exists()
    assert not list(Path().glob("*.checkpoint*"))
    assert run("fast", "photo.png", "--weights", "mine.safetensors", "--style", "photo", "-o", "out.png", "--size", "32") == 0


def test_an_interrupted_lesson_goes_on(capsys, quick, monkeypatch):
    monkeypatch.setattr("nst_lessons.fast.train._SAVE_EVERY", 0)
    step, count = nst.fast.Trainer.step, []

    def interrupted(self, progress):
        count.append(self.done)
        if len(count) == 3:
            raise KeyboardInterrupt
        return step(self, progress)
    monkeypatch.setattr("nst_lessons.fast.Trainer.step", interrupted)
    assert run(*LEARN, "--minutes", "0.2", "--quiet") == 130
    assert "--resume goes on" in capsys.readouterr().err and not Path("mine.safetensors").exists()
    assert run(*LEARN, "--minutes", "0.02", "--quiet", "--resume") == 0
    assert count[:4] == [0, 1, 2, 2]                                                     # from where the checkpoint was taken
    assert load_fast("mine.safetensors").styles[-1] == "photo"


LEARN_BAD = {
    "name taken": (["photo.png", "-o", "x.safetensors", "--name", "a"], ["has a style 'a' already"]),
    "no network's name": (["photo.png", "-o", "x.png"], ["must end in .safetensors"]),
    "no folder": (["photo.png", "-o", "no/x.safetensors"], ["no folder 'no'"]),
    "no time": (["photo.png", "-o", "x.safetensors", "--minutes", "0"], ["--minutes 0"]),
    "alpha": (["photo.png", "-o", "x.safetensors", "--alpha", "-1"], ["--alpha -1", "at least 0"]),
    "a name that --mix could not say": (["photo.png", "-o", "x.safetensors", "--name", "a=b"], ["a name without ="]),
    "strokes": (["photo.png", "-o", "x.safetensors", "--strokes", "0.01"], ["--strokes 0.042 or more"]),
    "photos": (["photo.png", "-o", "x.safetensors", "--photos", "none"], ["no folder 'none'"]),
    "sample": (["photo.png", "-o", "x.safetensors", "--sample", "x.gif"], ["must end in .png"]),
    "sample's folder": (["photo.png", "-o", "x.safetensors", "--sample", "no/x.png"], ["no folder 'no'", "the sample"]),
    "a folder that takes nothing": (["photo.png", "-o", "/proc/x.safetensors"], ["cannot write in '/proc'", "another folder"]),
    "a name too long": (["photo.png", "-o", "x" * 240 + ".safetensors"], ["a shorter name"]),
    "painting": (["no.png", "-o", "x.safetensors"], ["no.png"]),
}


@pytest.mark.parametrize("arguments, words", LEARN_BAD.values(), ids=LEARN_BAD)
def test_bad_input_to_learn_style(capsys, arguments, words):
    fails(capsys, ["learn-style", *arguments, "--weights", "net.safetensors"], *words)


def test_the_help_tells_the_real_defaults():
    commands = argparse.ArgumentParser().add_subparsers()
    learn_style.add(commands)
    helps = {action.dest: action.help for action in commands.choices["learn-style"]._actions}
    default = inspect.signature(nst.fast.learn_style).parameters["alpha"].default
    assert re.search(r"default ([\d.]+)", helps["alpha"])[1] == f"{default:g}"
