"""Lesson 01's explorer: every control answers, quickly, with the learner's own function, right or wrong."""
import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image

from classroom import drive, reads_without_a_kernel, says_stub, seconds
from nst_lessons.explorers import PictureExplorer
from nst_lessons.explorers.pictures import CHANNELS, KINDS, PICTURES
from nst_lessons.images import denormalize, normalize


@pytest.fixture()
def explorer():
    return PictureExplorer(normalize=normalize)


def test_every_control_answers(explorer):
    drive(explorer)


@pytest.mark.parametrize("kind", KINDS)
def test_every_control_answers_whatever_the_numbers(explorer, kind):
    explorer.numbers.value = kind
    drive(explorer)


@pytest.mark.alone
def test_it_answers_in_a_tenth_of_a_second(explorer):
    assert seconds(explorer.size, range(16, 257, 16), warm_up=16) < 0.1
    explorer.size.value = 256
    assert seconds(explorer.numbers, list(KINDS) * 3, warm_up=5) < 0.1
    assert seconds(explorer.name, PICTURES * 3, warm_up=5) < 0.1


def panels(explorer):
    """The picture, and what the network believes it sees, as uint8 [H, W, 3]."""
    shown = np.asarray(explorer.shown)
    return shown[24:274, 2:254].astype(int), shown[24:274, 270:522].astype(int)


@pytest.mark.parametrize("kind", KINDS)
def test_the_network_believes_in_the_picture_only_with_the_right_numbers(explorer, kind):
    explorer.numbers.value = kind
    picture, believed = panels(explorer)
    far = np.abs(picture - believed).max()
    assert far < 3 if kind == "normalized" else far > 60
    if "BGR" in kind:
        assert np.abs(picture - believed[..., ::-1]).max() < 3


def test_numbers_are_told(explorer):
    told = {"[0, 1], as loaded": "from 0.00 to 1.00", "0 to 255": "from 0.00 to 255.00", "normalized": "from -2.12 to 2.64"}
    for kind, text in told.items():
        explorer.numbers.value = kind
        assert text in explorer.state.value and "[1, 3, 128, 128] float32" in explorer.state.value


def test_rings_are_false_without_antialias(explorer):
    explorer.name.value, explorer.size.value = "rings", 64
    rim = {}
    for on in (True, False):
        explorer.antialias.value = on
        rim[on] = panels(explorer)[0][100:150, 4:24].std()                # where rings are too fine for 64 pixels
    assert rim[True] < 10 and rim[False] > 50


def test_without_a_kernel(explorer):
    reads_without_a_kernel(explorer, "PictureExplorer(normalize=normalize)")
    saved = Image.open(io.BytesIO(base64.b64decode(explorer._repr_mimebundle_()["image/png"]))).convert("RGB")
    seen = np.asarray(saved).reshape(-1, 3).astype(int)
    for color in CHANNELS.values():
        wanted = [int(color[i:i + 2], 16) for i in (1, 3, 5)]
        assert np.abs(seen - wanted).max(1).min() < 24, color             # curves are told apart in the saved picture, too


def test_a_stub_and_wrong_answers_are_told_in_the_widget():
    def stub(image):
        raise NotImplementedError("Exercise 1.1: write normalize")
    says_stub(PictureExplorer(normalize=stub))
    channels_last = PictureExplorer(normalize=lambda image: normalize(image)[0].permute(1, 2, 0))
    assert "should return [1, 3, 128, 128], it returned [128, 128, 3]" in channels_last.problem.value
    assert "it returned NoneType" in PictureExplorer(normalize=lambda image: None).problem.value
    assert "divided by zero" in PictureExplorer(normalize=lambda image: image / 0).problem.value
    crash = PictureExplorer(normalize=lambda image: image - (0.5, 0.5, 0.5))
    assert "your function stops with TypeError" in crash.problem.value and "fault of the program" not in crash.problem.value


def test_a_wrong_normalize_looks_wrong(explorer):
    wrong = PictureExplorer(normalize=denormalize)
    picture, believed = panels(wrong)
    assert np.abs(picture - believed).max() > 60 and wrong.picture.value != explorer.picture.value


def test_a_function_that_writes_into_its_picture_spoils_no_other():
    def in_place(image):
        return image.sub_(0.5).div_(0.25)
    spoiling = PictureExplorer(normalize=in_place)
    first = spoiling.picture.value
    spoiling.channel.value = "red"
    spoiling.channel.value = "all"
    assert spoiling.picture.value == first and torch.isfinite(normalize(torch.rand(1, 3, 2, 2))).all()
