"""`nst-lessons any`: pictures, folders, mixtures, strengths, and one line for whatever is wrong."""
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import nst_lessons as nst
from nst_lessons import cli, images
from nst_lessons.attention import AnyStyle, AttentionStyle, load_any, save_any
from nst_lessons.cli import any_style
from test_attention import small_net


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Two paintings, a folder of two photographs, a small network."""
    monkeypatch.chdir(tmp_path)
    y, x = np.mgrid[0:40, 0:50]
    picture = Image.fromarray(np.stack([x * 5, y * 6, 255 - x * 3], axis=-1).astype(np.uint8))
    Path("photos").mkdir()
    for name in ("photos/one.jpg", "photos/two.png", "photo.png"):
        picture.save(name)
    picture.transpose(Image.Transpose.ROTATE_90).save("red.png")
    Image.fromarray((np.indices((48, 48)).sum(0) % 8 < 4).astype(np.uint8) * 255).save("stripes=1.png")
    save_any(small_net(AnyStyle, nst.Features("tiny", device="cpu")), "net.safetensors")


def run(*arguments):
    return cli.main([str(argument) for argument in arguments])


SMALL = ["--weights", "net.safetensors", "--size", "32", "--style-size", "48"]


def painted(styles, strength=1.0, keep=False):
    net, photo = load_any(path="net.safetensors"), images.load_image("photo.png", size=32)
    picture = net(photo, [(images.load_image(name, size=48), share) for name, share in styles.items()], strength)
    return np.asarray(images.to_pil(images.keep_color(picture, photo) if keep else picture))


def as_written(name="out.png"):
    return np.asarray(Image.open(name)).astype(int)


def test_a_photograph_is_painted_in_one_pass(capsys):
    assert run("any", "photo.png", "red.png", "-o", "out.png", *SMALL) == 0
    assert capsys.readouterr() == ("", "")
    assert abs(as_written() - painted({"red.png": 1.0})).max() <= 1
    assert nst.images.read_settings("out.png") == {
        "command": "any", "content": "photo.png", "method": "adain", "style": {"red.png": 1.0}, "strength": 1.0, "size": 32,
        "style_size": 48, "preserve_color": False}


def test_a_mixture_a_strength_and_the_photographs_colors():
    options = ["--mix", "stripes=1.png=0.25", "--strength", "0.6"]
    assert run("any", "photo.png", "red.png", *options, "-o", "out.png", *SMALL) == 0
    wanted = painted({"red.png": 0.75, "stripes=1.png": 0.25}, 0.6)
    assert abs(as_written() - wanted).max() <= 1
    assert abs(wanted.astype(int) - painted({"red.png": 1.0}, 0.6)).max() > 1                # the mixture is one
    assert run("any", "photo.png", "red.png", *options, "-o", "kept.png", "--preserve-color", *SMALL) == 0
    assert abs(as_written("kept.png") - painted({"red.png": 0.75, "stripes=1.png": 0.25}, 0.6, keep=True)).max() <= 1


def test_a_sample_and_the_shipped_networks():
    for method in ("adain", "attention"):
        assert run("any", "photo.png", "starry", "--method", method, "-o", f"{method}.png", "--size", "64", "--style-size", "64") == 0
        assert nst.images.read_settings(f"{method}.png")["method"] == method
    assert abs(as_written("adain.png") - as_written("attention.png")).max() > 8


def test_the_file_says_of_which_method_it_is():
    save_any(small_net(AttentionStyle, nst.Features("tiny", device="cpu")), "other.safetensors")
    assert run("any", "photo.png", "red.png", "-o", "out.png", "--method", "adain", "--weights", "other.safetensors", *SMALL[2:]) == 0
    assert nst.images.read_settings("out.png")["method"] == "attention"


def test_a_folder_of_photographs(capsys):
    assert run("any", "photos", "red.png", "-o", "out", *SMALL) == 0
    assert sorted(path.name for path in Path("out").iterdir()) == ["one.jpg", "two.png"]
    assert abs(as_written("out/two.png") - painted({"red.png": 1.0})).max() <= 1
    assert "2/2" in capsys.readouterr().err
    Path("photos/broken.png").write_bytes(b"no picture")
    assert run("any", "photos", "red.png", "-o", "out", "--quiet", *SMALL) == 2
    err = capsys.readouterr().err.splitlines()
    assert "broken.png" in err[0] and "1 of 3 pictures could not be painted, the others are in out" in err[1]


BAD = {
    "no such photograph": (["foto.png", "red.png", "-o", "out.png"], ["foto.png"]),
    "no such painting": (["photo.png", "blue.png", "-o", "out.png"], ["blue.png"]),
    "no such painting in the mixture": (["photo.png", "red.png", "--mix", "blue.png=0.2", "-o", "out.png"], ["blue.png"]),
    "too much": (["photo.png", "red.png", "--mix", "starry=0.7", "--mix", "waves=0.5", "-o", "out.png"], ["add up to 1.2"]),
    "no picture's name": (["photo.png", "red.png", "-o", "out.txt"], ["must end in .png"]),
    "over itself": (["photo.png", "red.png", "-o", "photo.png"], ["the photograph itself"]),
    "size": (["photo.png", "red.png", "-o", "out.png", "--size", "4"], ["16"]),
    "style size": (["photo.png", "red.png", "-o", "out.png", "--style-size", "4"], ["16"]),
    "weights": (["photo.png", "red.png", "-o", "out.png", "--weights", "photo.png"], ["photo.png"]),
}


@pytest.mark.parametrize("arguments, words", BAD.values(), ids=BAD)
def test_bad_input_gets_one_line(capsys, arguments, words):
    before = {path: path.is_file() and path.read_bytes() for path in Path().rglob("*")}
    assert run("any", *SMALL[:2], *arguments) == 2
    out, err = capsys.readouterr()
    assert out == "" and {path: path.is_file() and path.read_bytes() for path in Path().rglob("*")} == before
    assert err.startswith("nst-lessons: ") and err.count("\n") == 1
    assert [word for word in words if word not in err] == [], err


@pytest.mark.parametrize("option, value, says", [("--mix", "starry", "write waves=0.5"), ("--mix", "starry=1.5", "write waves=0.5"),
                                                 ("--mix", "=0.5", "write waves=0.5"), ("--mix", "starry=nan", "write waves=0.5"),
                                                 ("--strength", "1.5", "from 0 to 1"), ("--strength", "much", "from 0 to 1"),
                                                 ("--strength", "nan", "from 0 to 1"), ("--method", "gan", "adain")])
def test_numbers_that_are_none(capsys, option, value, says):
    with pytest.raises(SystemExit) as caught:
        run("any", "photo.png", "red.png", option, value, "-o", "out.png", *SMALL)
    assert caught.value.code == 2 and says in capsys.readouterr().err


def test_the_command_has_a_place_among_the_others(capsys):
    with pytest.raises(SystemExit):
        run("any", "--help")
    assert "--strength" in capsys.readouterr().out and any_style.run
