"""Lesson 04's explorer: every control answers, quickly, and the bars say which of the learner's losses moved."""
import re
import statistics
import time

import numpy as np
import pytest
import torch

from classroom import drive, reads_without_a_kernel, says_stub
from nst_lessons import content_loss, style_loss, tv_loss
from nst_lessons.explorers import LossExplorer
from nst_lessons.explorers.canvas import bars
from nst_lessons.explorers.losses import changed


@pytest.fixture
def explorer():
    return LossExplorer(content=content_loss, style=style_loss, tv=tv_loss, shift=0)


def plain(explorer):
    """The three numbers that the explorer tells."""
    return [float(number.replace(",", "")) for number in re.findall(r"(?:content|style|TV) (\d[\d.,e+-]*\d|\d)", explorer.state.value)]


def test_every_control_answers():
    drive(LossExplorer(content=content_loss, style=style_loss, tv=tv_loss))


@pytest.fixture
def one_thread():
    """torch on one thread: then the time of the processor is what a quiet machine would need, also on one that is busy."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def seconds(control, values):
    """The 95th percentile of the processor's time, in s, that an explorer takes to answer each of `values`, never seen before."""
    times = []
    for value in values:
        began = time.process_time()
        control.value = value
        times.append(time.process_time() - began)
    return statistics.quantiles(times, n=20, method="inclusive")[-1]      # of so few, "exclusive" would reckon a time beyond the longest


@pytest.mark.alone
def test_it_answers_in_a_tenth_of_a_second(explorer, one_thread):
    for layer in explorer.layer.options:                                  # the network looks anew at each change
        explorer.layer.value, explorer.noise.value = layer, 0
        assert seconds(explorer.noise, range(2, 24, 2)) < 0.1, layer
    for control in (explorer.shift, explorer.blur, explorer.brightness):
        assert seconds(control, range(1, 9)) < 0.1, control.description


def test_the_numbers_are_those_of_the_functions(explorer):
    explorer.noise.value, explorer.layer.value = 12, "relu2_1"
    picture, act = explorer._see("astronaut", "relu2_1", 0, 12, 0, 0, "everywhere")
    target, gram, ones = explorer._references("astronaut", "starry", "relu2_1")
    expected = [one.item() for one in (content_loss(act, target), style_loss(act, gram), tv_loss(picture))]
    assert plain(explorer) == pytest.approx(expected, rel=6e-3)
    assert ones["tv"] == tv_loss(changed("astronaut")).item() and changed("astronaut").shape == (1, 3, 256, 256)


def test_each_slider_moves_what_the_lesson_says(explorer):
    content, style, tv = plain(explorer)
    assert content == 0 < style and tv > 0
    explorer.shift.value = 8
    moved = plain(explorer)
    assert moved[0] > 0 and moved[1] == pytest.approx(style, rel=0.1) and moved[2] == pytest.approx(tv, rel=0.05)
    explorer.shift.value, explorer.noise.value = 0, 15
    assert plain(explorer)[2] > 4 * tv
    explorer.noise.value, explorer.blur.value = 0, 3
    blurred = plain(explorer)
    assert blurred[0] > 0 and blurred[2] < tv / 4
    explorer.blur.value, explorer.brightness.value = 0, 10
    brighter = plain(explorer)
    assert brighter[0] > 0 and brighter[2] == pytest.approx(tv, rel=0.1)


def test_the_middle_may_be_spared():
    before = changed("cat")
    picture = changed("cat", shift=20, noise=10, blur=2, brightness=-20, where="all but the middle")
    height, width = before.shape[2:]
    middle = slice(height // 4, -(height // 4)), slice(width // 4, -(width // 4))
    assert torch.equal(picture[..., middle[0], middle[1]], before[..., middle[0], middle[1]])
    assert (picture - before).abs()[..., :height // 4, :].mean() > 0.05
    assert picture.min() >= 0 and picture.max() <= 1 and picture.shape == before.shape == (1, 3, 171, 256)


def test_a_shift_turns_the_camera_and_invents_nothing():
    before, after = changed("coffee"), changed("coffee", shift=9)
    assert torch.equal(after[..., 9:], before[..., :-9]) and not torch.equal(after, before)


def test_without_a_kernel(explorer):
    reads_without_a_kernel(explorer, "LossExplorer(content=content_loss, style=style_loss, tv=tv_loss)")


def test_a_stub_and_wrong_answers_are_told_in_the_widget():
    def stub(*_):
        raise NotImplementedError("Exercise 4.1: write content_where")
    says_stub(LossExplorer(content=stub, style=style_loss, tv=tv_loss))
    mean = LossExplorer(content=content_loss, style=style_loss, tv=lambda image: image.mean())
    assert "tv: your function should return one number for each picture, here [1]; it returned []" in mean.problem.value
    assert "it returned NoneType" in LossExplorer(content=lambda act, target: None, style=style_loss, tv=tv_loss).problem.value


@pytest.mark.parametrize("wrong", [{"content": lambda act, target: 2 * content_loss(act, target)},
                                   {"style": lambda act, gram: style_loss(act, gram * act[0, 0].numel())},
                                   {"tv": lambda image: image.diff(dim=3).pow(2).sum(dim=(1, 2, 3))}], ids=lambda wrong: next(iter(wrong)))
def test_a_wrong_loss_looks_wrong(wrong):
    right = {"content": content_loss, "style": style_loss, "tv": tv_loss}
    assert LossExplorer(**right).picture.value != LossExplorer(**right | wrong).picture.value


def test_bars_reach_from_their_mark_to_their_value():
    def colored(now):
        """First and last column, in px, of the bar's color."""
        row = ("loss", 1.0, now, "#ff0000", "note")
        pixels = np.asarray(bars([row], 600, 0.01, 100))
        columns = np.flatnonzero((pixels == (255, 0, 0)).all(axis=2).any(axis=0))
        return (columns[0], columns[-1]) if len(columns) else None
    assert colored(1.0) is None                                              # nothing moved: the mark hides it
    (a, b), (c, d), (e, f) = colored(10), colored(0.1), colored(100)
    assert d < a and abs((b - a) - (d - c)) <= 2 and abs((f - e) - 2 * (b - a)) <= 4      # tenfold and a tenth: equally long
    assert colored(1e9) == colored(100) and colored(0.0) == colored(0.01) == colored(float("nan"))
