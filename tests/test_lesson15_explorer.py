"""Lesson 15's explorer: every control paints another preview, both languages are understood, what is unknown or wrong is told."""
import json

import pytest
import torch

from classroom import other_value, reads_without_a_kernel, says_stub
from nst_lessons.explorers import WordsExplorer
from nst_lessons.explorers import words as module
from nst_lessons.words import text_distance
from test_explorers_comm import browser  # noqa: F401: a fixture


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Small and short previews, and no limit of time, so that the same words give the same picture on a busy machine too."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    for name, value in {"SIZE": 48, "STEPS": 3, "LEVELS": 1, "PATIENCE": 60}.items():
        monkeypatch.setattr(module, name, value)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def explorer():
    one = WordsExplorer(text_distance=text_distance)
    yield one
    one._background.stop()
    assert one.wait(30)


def preview(one):
    """The picture's bytes once the preview is painted."""
    assert one.wait(60) and one.problem.value == "", one.problem.value
    assert "distance from the words: photograph" in one.state.value, one.state.value
    return one.picture.value


def test_every_control_has_a_label_and_paints_another_preview(explorer):
    first = preview(explorer)
    for control in (explorer.photo, explorer.seed):
        value = control.value
        control.value = other_value(control)
        assert preview(explorer) != first, control.description
        control.value = value
        assert preview(explorer) == first, f"{control.description}: back at the old value the picture is another"
    assert all(control.description for control in explorer.controls) and len(explorer.controls) == 4


def test_what_is_typed_or_chosen_is_painted_and_told(explorer):
    first = preview(explorer)
    explorer.text.value = "fine red dots in waves"
    second = preview(explorer)
    assert second != first and "red, waves, dots, fine" in explorer.state.value
    explorer.example.value = "旋转的夜空，粗犷的蓝黄笔触"
    assert explorer.text.value == explorer.example.value
    assert preview(explorer) != second and "blue and yellow, swirls, brush, large" in explorer.state.value
    explorer.text.value = "蓝色 zebra"
    preview(explorer)
    assert "zebra" in explorer.state.value and "not understood" in explorer.state.value


def test_nothing_to_paint_is_told_and_the_old_picture_stays(explorer):
    first = preview(explorer)
    explorer.text.value = "zebra"
    assert "says what it should look like" in explorer.problem.value and explorer.picture.value == first


def test_a_stub_and_wrong_answers_are_told():
    def stub(code, codes):
        raise NotImplementedError("Exercise 15.3: write directional_loss")
    says_stub(WordsExplorer(text_distance=stub))
    said = lambda function: WordsExplorer(text_distance=function).problem.value
    assert "should return [3], it returned [3, 5]" in said(lambda code, codes: code * codes)
    assert "it returned float" in said(lambda code, codes: 0.5)
    assert "NaN or infinity" in said(lambda code, codes: text_distance(code, codes) / 0)
    assert "your function stops with RuntimeError" in said(lambda code, codes: code @ codes)


def test_a_learners_distance_is_what_is_told(explorer):
    preview(explorer)
    constant = WordsExplorer(text_distance=lambda code, codes: torch.full((len(codes),), 0.25))
    preview(constant)
    assert "photograph 0.25, study 0.25, painted 0.25" in constant.state.value
    assert "photograph 0.25, study 0.25" not in explorer.state.value


def test_without_a_kernel(explorer):
    reads_without_a_kernel(explorer, "WordsExplorer(text_distance=text_distance)")


def test_a_browsers_words_reach_the_kernel(browser):  # noqa: F811
    told = json.loads(browser.execute(
        "from nst_lessons.explorers import words as module\n"
        "module.SIZE, module.STEPS, module.LEVELS = 48, 2, 1\n"
        "one = explorers.WordsExplorer(text_distance=nst.words.text_distance)\n"
        "one.wait(60)\n"
        "print(json.dumps({'text': one.text.comm.comm_id}))"))
    browser.move(told["text"], {"value": "水墨山水"})
    after = json.loads(browser.execute("one.wait(60); print(json.dumps([one.problem.value, one.state.value]))"))
    assert after[0] == "" and "ink_wash of the museum" in after[1]
