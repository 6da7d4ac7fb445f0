"""Lesson 03's explorer: every control answers, quickly, with the learner's own function, right or wrong."""
import numpy as np
import pytest
import torch

from classroom import drive, reads_without_a_kernel, says_stub, seconds
from nst_lessons import gram_matrix
from nst_lessons.explorers import GramExplorer


@pytest.fixture(scope="module")
def explorer():
    return GramExplorer(gram=gram_matrix)


def test_every_control_answers(explorer):
    drive(explorer)


@pytest.mark.alone
def test_it_answers_in_a_tenth_of_a_second(explorer):
    assert seconds(explorer.channels, range(4, 64, 4)) < 0.1
    assert seconds(explorer.layer, explorer.layer.options * 3, warm_up=5) < 0.1


def told(explorer):
    """The distance that it tells."""
    text = explorer.state.value.split(" = ")[1]
    return 0.0 if text.startswith("0, but for rounding") else float(text.split(". ")[0])


def test_the_map_may_be_shuffled_the_picture_may_not(explorer):
    explorer.second.value = explorer.first.value
    for value, near in [("nothing", True), ("the feature map's positions", True), ("the picture's pixels", False)]:
        explorer.shuffle.value = value
        assert (told(explorer) < 1e-6) == near, value
    explorer.shuffle.value, explorer.second.value = "nothing", "starry:1"


def test_the_table_does_not_grow_with_the_picture_unless_it_is_a_plain_sum():
    divided, plain = (GramExplorer(gram=gram, second="starry") for gram in (gram_matrix, lambda act: gram_matrix(act, "none")))
    for explorer in (divided, plain):
        assert told(explorer) == 0
        explorer.size.value = 192
    expected = (1 - (192 / 256) ** 2) ** 2                                      # (9/16 − 1)², were the small copy's style the same
    assert told(divided) < 0.05 and abs(told(plain) - expected) < 0.05
    assert plain.problem.value == "" and "24 of 256 channels" in plain.state.value


def test_a_shuffle_is_seen_in_the_map(explorer):
    corner = lambda: np.asarray(explorer.shown)[22:222, 424:624].astype(int)
    before = corner()
    explorer.shuffle.value = "the feature map's positions"
    assert np.abs(corner() - before).mean() > 10
    explorer.shuffle.value = "nothing"
    assert (corner() == before).all()


def test_without_a_kernel(explorer):
    reads_without_a_kernel(explorer, "GramExplorer(gram=gram_matrix)")


def test_a_stub_and_wrong_answers_are_told_in_the_widget():
    def stub(act):
        raise NotImplementedError("Exercise 3.1: write gram_by_einsum")
    says_stub(GramExplorer(gram=stub))
    assert "should return [1, 256, 256], it returned [1, 256]" in GramExplorer(gram=lambda act: act.mean(dim=(2, 3))).problem.value
    assert "it returned NoneType" in GramExplorer(gram=lambda act: None).problem.value
    assert "divided by zero" in GramExplorer(gram=lambda act: gram_matrix(act) / 0).problem.value
    crash = GramExplorer(gram=lambda act: act @ act)
    assert "your function stops with RuntimeError" in crash.problem.value and "fault of the program" not in crash.problem.value


def test_a_table_with_negative_entries_is_drawn_and_a_function_that_writes_into_its_input_spoils_nothing(explorer):
    centered = GramExplorer(gram=lambda act: gram_matrix(act - act.mean(dim=(2, 3), keepdim=True)))
    assert centered.problem.value == "" and centered.picture.value != explorer.picture.value
    greedy = GramExplorer(gram=lambda act: gram_matrix(act.mul_(2)))
    first = greedy.picture.value
    greedy.channels.value = 8
    greedy.channels.value = 24
    assert greedy.picture.value == first


def test_a_wrong_gram_looks_wrong():
    right = GramExplorer(gram=gram_matrix)
    wrong = GramExplorer(gram=lambda act: act.flatten(2) @ act.flatten(2).roll(1, dims=2).transpose(1, 2) / act[0, 0].numel())
    assert right.picture.value != wrong.picture.value and torch.isfinite(gram_matrix(torch.rand(1, 2, 3, 3))).all()
