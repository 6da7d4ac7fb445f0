"""Lesson 10's explorer: every control answers, quickly, with the learner's own cut, right or wrong."""
import functools
import re

import numpy as np
import pytest
import torch

from classroom import drive, reads_without_a_kernel, says_stub, seconds
from nst_lessons import gram_matrix
from nst_lessons.explorers import ScaleExplorer
from nst_lessons.scale import cut


@pytest.fixture(scope="module")
def explorer():
    return ScaleExplorer(cut=cut)


def test_every_control_answers(explorer):
    drive(explorer)


@pytest.mark.alone
def test_it_answers_in_a_tenth_of_a_second(explorer):
    assert seconds(explorer.tile, range(128, 2048, 128)) < 0.1
    assert seconds(explorer.size, list(explorer.size.options) * 4) < 0.1
    explorer.size.value, explorer.tile.value = 2048, 512


def figures(explorer):
    """(s, GiB) at once, (s, GiB) in tiles, read from the line below the picture."""
    text = explorer.state.value.replace(",", "")
    numbers = [float(word) for part in text.split(">")[1].split(" in tiles")[0].split() for word in [part] if part[0].isdigit()]
    return tuple(numbers[:2]), tuple(numbers[2:4])


def test_its_figures_are_arithmetic(explorer):
    whole, tiles = figures(explorer)
    assert whole[0] == pytest.approx(4.8 * 2048**2 / 1e6, rel=0.01)
    shown = (2 * 592 + 2 * 672) ** 2                                       # px of a side: four tiles of 512, margins of 80
    assert tiles[0] == pytest.approx(4.8 * shown / 1e6 * 4 / 3, rel=0.01) and tiles[1] < whole[1] / 3
    explorer.precision.value = "bf16"
    (faster, _), _ = figures(explorer)
    assert faster < 0.65 * whole[0]
    explorer.precision.value, explorer.size.value, explorer.tile.value = "fp32", 512, 512
    whole, tiles = figures(explorer)
    assert whole == tiles                                                  # one tile is the whole picture
    explorer.size.value = 2048


def test_a_margin_that_is_too_small_is_told(explorer):
    explorer.margin.value = 64
    assert "64 px are less than relu5_1 looks: there will be seams" in explorer.state.value
    explorer.margin.value = 80
    assert "seams" not in explorer.state.value


def colors(explorer, left=0):
    """Shares of red and of yellow pixels in the left picture."""
    pixels = np.asarray(explorer.shown.convert("RGB")).astype(int)[30:310, 5:295]
    near = lambda color: (np.abs(pixels - color).sum(axis=2) < 40).mean()
    return near((213, 94, 0)), near((240, 228, 66))


def test_a_wrong_cut_looks_wrong(explorer):
    assert max(colors(explorer)) < 0.01
    gaps = ScaleExplorer(cut=lambda *args: [(a, b - 200, c, d) for a, b, c, d in cut(*args)])
    twice = ScaleExplorer(cut=lambda *args: [(c, d, c, d) for a, b, c, d in cut(*args)])
    assert colors(gaps)[0] > 0.3 and colors(twice)[1] > 0.2


def in_tiles(see, picture, down, across, stride, keep=True):
    """A right answer to exercise 10.2; keep=False: one that leaves the margins on."""
    total, positions = 0, 0
    for top, bottom, up, low in down:
        for left, right, west, east in across:
            act = see(picture[..., up:low, west:east])
            if keep:
                act = act[..., (top - up) // stride:(bottom - up) // stride, (left - west) // stride:(right - west) // stride]
            total, positions = total + gram_matrix(act, "none"), positions + act[0, 0].numel()
    return total / positions


def off(explorer):
    """How far the learner's Gram matrix is from the whole's, in percent, as the explorer says."""
    return float(re.search(r"is ([\d.]+)% off", explorer.state.value)[1])


def test_the_learners_gram_matrix_stands_beside_the_wholes():
    explorer = ScaleExplorer(cut=cut, gram=in_tiles)
    drive(explorer)
    assert off(explorer) == 0
    rows = np.asarray(explorer.shown).astype(int)
    assert (rows[30:200, 410:590] > 240).all()                             # the difference: white
    explorer.margin.value = 0
    assert off(explorer) > 0.5 and not (np.asarray(explorer.shown)[30:200, 410:590] > 240).all()
    assert off(ScaleExplorer(cut=cut, gram=functools.partial(in_tiles, keep=False))) > 0.5
    assert "should be [1, 256, 256], all numbers finite; it is [1, 256]" in ScaleExplorer(cut=cut, gram=lambda *_: torch.zeros(1, 256)).problem.value
    assert "your function stops with IndexError" in ScaleExplorer(cut=cut, gram=lambda *_: [][0]).problem.value


def test_without_a_kernel(explorer):
    reads_without_a_kernel(explorer, "ScaleExplorer(cut=cut)")
    reads_without_a_kernel(ScaleExplorer(cut=cut, gram=in_tiles), "ScaleExplorer(cut=cut, gram=in_tiles)")


def test_a_stub_and_wrong_answers_are_told_in_the_widget():
    def stub(*_):
        raise NotImplementedError("Exercise 10.2: write it")
    says_stub(ScaleExplorer(cut=stub))
    says_stub(ScaleExplorer(cut=cut, gram=stub))
    assert "should return a list of parts" in ScaleExplorer(cut=lambda *_: None).problem.value
    assert "four whole numbers" in ScaleExplorer(cut=lambda *_: [(0, 5)]).problem.value
    empty = ScaleExplorer(cut=lambda *_: [(5, 5, 5, 5)])                   # nonsense, but no crash
    assert empty.problem.value == "" and empty.picture.value
