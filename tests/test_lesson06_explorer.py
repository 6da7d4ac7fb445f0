"""Lesson 06's explorer: two pictures and a line between them, whatever their sizes; every control answers, quickly."""
import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

import nst_lessons as nst
from classroom import drive, reads_without_a_kernel, seconds
from nst_lessons.explorers import BeforeAfter
from nst_lessons.explorers.canvas import label


def plain(red, green, blue, height=100, width=150):
    return torch.tensor([red, green, blue]).view(1, 3, 1, 1).expand(1, 3, height, width).contiguous()


@pytest.fixture(scope="module")
def explorer():
    photo = nst.load_image("coffee", size=256)
    return BeforeAfter({"before": photo, "middle": photo.flip(1), "after": 1 - photo})


def column(explorer, x):
    """The color below the names, at a part `x` of the width."""
    picture = np.asarray(explorer.shown.convert("RGB"))
    return tuple(picture[picture.shape[0] * 3 // 4, int(x * (picture.shape[1] - 1))])


def test_every_control_answers(explorer):
    drive(explorer)


@pytest.mark.alone
def test_it_answers_in_a_tenth_of_a_second(explorer):
    assert seconds(explorer.line, range(0, 100, 5)) < 0.1
    assert seconds(explorer.zoom, [1, 2, 3, 4, 5, 6] * 3) < 0.1
    assert seconds(explorer.left, ["before", "middle", "after"] * 4) < 0.1


def test_left_of_the_line_is_one_picture_and_right_of_it_the_other():
    one = BeforeAfter({"red": plain(1., 0., 0.), "blue": plain(0., 0., 1., 200, 300)})     # of other sizes, the same shape
    assert (column(one, 0.1), column(one, 0.9)) == ((255, 0, 0), (0, 0, 255))
    assert "left red, right blue: they differ by 170 of 255" in one.state.value
    assert max(one.shown.size) == 560
    for value, colors in ((0, {(0, 0, 255)}), (100, {(255, 0, 0)}), (80, {(255, 0, 0), (0, 0, 255)})):
        one.line.value = value
        assert {column(one, 0.02), column(one, 0.98)} == colors
        assert column(one, 0.7) == ((255, 0, 0) if value > 70 else (0, 0, 255))
    one.right.value = "red"
    assert column(one, 0.9) == (255, 0, 0) and "differ by 0 of 255" in one.state.value


def test_the_line_is_seen_on_any_picture():
    one = BeforeAfter({"a": plain(0., 0., 0.), "b": plain(0., 0., 0.)})
    row = np.asarray(one.shown.convert("L"))[300]
    assert (row > 200).sum() == 4 and row.argmax() in range(276, 281)


def test_zoom_shows_the_middle():
    photo = plain(0., 0., 0.)
    photo[..., 40:60, 60:90] = 1
    one = BeforeAfter({"dark": photo, "bright": plain(1., 1., 1.)})
    one.line.value = 100
    assert column(one, 0.05) == (0, 0, 0)
    one.zoom.value = 6
    assert column(one, 0.05) == (255, 255, 255)


def test_names_and_files_are_loaded(tmp_path):
    nst.save_image(plain(0., 1., 0., 32, 48), tmp_path / "green.png")
    one = BeforeAfter({"photograph": "coffee", "painted": tmp_path / "green.png"})
    assert column(one, 0.9) == (0, 255, 0)
    with pytest.raises(nst.ImageError, match="no file"):
        BeforeAfter({"photograph": "coffee", "painted": "missing.png"})


def test_what_cannot_be_compared_is_told():
    with pytest.raises(ValueError, match="compares two pictures or more"):
        BeforeAfter({"alone": plain(1., 1., 1.)})
    one = BeforeAfter({"lying": plain(1., 0., 0.), "standing": plain(0., 0., 1., 150, 100)})
    assert "standing is 100×150 px and lying 150×100: another shape" in one.problem.value
    one.right.value = "lying"
    assert one.problem.value == ""


def test_without_a_kernel(explorer):
    reads_without_a_kernel(explorer, "BeforeAfter(before | middle | after)")


def test_a_label_can_be_read_on_any_picture():
    for color in ("black", "white", "red"):
        paper = Image.new("RGB", (200, 60), color)
        label(ImageDraw.Draw(paper), "before", 10, 10)
        label(ImageDraw.Draw(paper), "after", 190, 10, right=True)
        pixels = np.asarray(paper.convert("L")).astype(int)
        assert pixels[12:30, 12:60].min() < 60 and pixels[12:30, 12:60].max() > 240
        assert pixels[12:30, 150:188].min() < 60 and pixels[12:30, 150:188].max() > 240
        assert (np.asarray(paper)[50:] == np.asarray(Image.new("RGB", (1, 1), color))).all()
