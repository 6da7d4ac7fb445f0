"""Lesson 03's explorer: every control answers, quickly, with the learner's own function, right or wrong."""
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


def test_it_answers_in_a_tenth_of_a_second(explorer):
    assert seconds(explorer.channels, range(4, 64, 4)) < 0.1
    assert seconds(explorer.layer, explorer.layer.options * 3, warm_up=5) < 0.1


def test_the_map_may_be_shuffled_the_picture_may_not(explorer):
    explorer.second.value = explorer.first.value
    for value, near in [("nothing", True), ("the feature map's positions", True), ("the picture's pixels", False)]:
        explorer.shuffle.value = value
        distance = float(explorer.state.value.split(" = ")[1].split("<")[0])
        assert (distance < 1e-6) == near, value
    explorer.shuffle.value, explorer.second.value = "nothing", "starry:1"


def test_without_a_kernel(explorer):
    reads_without_a_kernel(explorer, "GramExplorer(gram=gram_matrix)")


def test_a_stub_and_wrong_answers_are_told_in_the_widget():
    def stub(act):
        raise NotImplementedError("Exercise 3.1: write gram_by_einsum")
    says_stub(GramExplorer(gram=stub))
    assert "should return [1, 256, 256], it returned [1, 256]" in GramExplorer(gram=lambda act: act.mean(dim=(2, 3))).problem.value
    assert "it returned NoneType" in GramExplorer(gram=lambda act: None).problem.value


def test_a_wrong_gram_looks_wrong():
    right = GramExplorer(gram=gram_matrix)
    wrong = GramExplorer(gram=lambda act: act.flatten(2) @ act.flatten(2).roll(1, dims=2).transpose(1, 2) / act[0, 0].numel())
    assert right.picture.value != wrong.picture.value and torch.isfinite(gram_matrix(torch.rand(1, 2, 3, 3))).all()
