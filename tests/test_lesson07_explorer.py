"""Lesson 07's explorer: every knob paints another preview, in under 3 s, live; and its code paints the same picture again."""
import io
import re
import time

import pytest
import torch
from PIL import Image

import nst_lessons as nst
from classroom import other_value, reads_without_a_kernel, says_stub
from nst_lessons.explorers import LayerLab, layer_lab
from nst_lessons.gram import mean_and_deviation
from nst_lessons.settings import Settings


def mean_std_distance(act, style_act):
    return sum((mine - theirs).pow(2).sum(1) for mine, theirs in zip(mean_and_deviation(act), mean_and_deviation(style_act)))


def as_it_is(test):
    """Marks a test for which previews keep their size and their limit of time."""
    test.as_it_is = True
    return test


@pytest.fixture(autouse=True)
def quick(monkeypatch, request):
    """Small and short previews, and no limit of time, so that the same settings give the same picture on a busy machine too."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    if not hasattr(request.function, "as_it_is"):
        monkeypatch.setattr(layer_lab, "SIZE", 48)
        monkeypatch.setattr(layer_lab, "STEPS", 10)
        monkeypatch.setattr(layer_lab, "PATIENCE", 60)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def lab():
    one = LayerLab(distance=mean_std_distance)
    assert one.wait(60)
    yield one
    one._background.stop()
    assert one.wait(30)


def preview(lab):
    """The picture's bytes once the preview is painted."""
    assert lab.wait(60) and lab.problem.value == "", lab.problem.value
    assert "style error" in lab.state.value, lab.state.value
    return lab.picture.value


def until(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


def test_every_knob_has_a_label_and_paints_another_preview(lab):
    first = preview(lab)
    for control in lab.controls:
        assert control.description
        value = control.value
        control.value = other_value(control)
        assert preview(lab) != first, control.description
        control.value = value
        assert preview(lab) == first, f"{control.description}: back at the old value the picture is another"
    assert len(lab.controls) == 3 + 5 + 5 + 2 + 4


def test_what_the_controls_say_is_what_is_painted(lab):
    lab.statistic.value, lab.alpha.value, lab.scale.value = "sliced", 0.2, 2
    lab.layers["relu1_1"].value = lab.content["relu3_1"].value = False
    lab.weights["relu2_1"].value = 2
    settings = lab.settings()
    assert settings == Settings(content="cat", style="waves", size=48, steps=10, levels=2, alpha=0.2, beta=1.0, gamma=0.15, style_scale=2.0,
                                statistic="sliced", content_layers=["relu4_2"],
                                style_layers={"relu2_1": 0.4, "relu3_1": 0.2, "relu4_1": 0.2, "relu5_1": 0.2})
    preview(lab)
    torch.testing.assert_close(lab._painted, nst.stylize("cat", "waves", **settings))


def test_other_layers_than_the_usual_ones():
    lab = LayerLab(layers=["conv1_2", "relu2_2"])
    preview(lab)
    assert list(lab.layers) == ["conv1_2", "relu2_2"] and lab.settings().style_layers == ["conv1_2", "relu2_2"]
    assert lab.statistic.value == "gram" and repr(lab) == "LayerLab()"


@pytest.mark.parametrize("turn", [lambda lab: None, lambda lab: setattr(lab.weights["relu4_1"], "value", 0.3),
                                  lambda lab: setattr(lab.statistic, "value", "covariance"),
                                  lambda lab: setattr(lab.content["relu4_2"], "value", False)],
                         ids=["your own distance", "weights", "another statistic", "content layers"])
def test_the_code_paints_the_same_picture_as_it_stands(lab, turn, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    turn(lab)
    preview(lab)
    names = {"mean_std_distance": mean_std_distance}
    exec(lab.code.value, names)
    torch.testing.assert_close(names["picture"], lab._painted)
    assert (tmp_path / "cat_waves.png").exists() and max(map(len, lab.code.value.splitlines())) < 140
    assert ("own_term(mean_std_distance)" in lab.code.value) == lab.statistic.value.startswith("yours")


def test_a_preview_grows_while_one_watches(monkeypatch):
    monkeypatch.setattr(layer_lab, "STEPS", 40)
    lab = LayerLab()
    frames, titles = [], []
    lab.picture.observe(lambda change: frames.append(change["new"]), "value")
    show = lab._show
    monkeypatch.setattr(lab, "_show", lambda picture, title: (titles.append(title), show(picture, title)))
    began = time.monotonic()
    lab.alpha.value = 0.5
    preview(lab)
    assert 3 <= len(frames) <= 15 * (time.monotonic() - began) + 3
    assert re.fullmatch(r"evaluation \d+ of 40", titles[0]) and titles[-1] == "cat + waves"


def test_another_turn_ends_the_preview_that_is_painted(lab, monkeypatch):
    monkeypatch.setattr(layer_lab, "STEPS", 2000)
    lab.alpha.value = 0.3
    until(lambda: "painting" in lab.state.value)
    monkeypatch.setattr(layer_lab, "STEPS", 10)
    began = time.monotonic()
    lab.alpha.value = 0.4
    assert time.monotonic() - began < 1.5                                         # a few milliseconds on a quiet machine
    preview(lab)
    expected = lab.picture.value
    lab.alpha.value = 0.3
    preview(lab)
    lab.alpha.value = 0.4
    assert preview(lab) == expected


@as_it_is
@pytest.mark.alone
def test_a_preview_is_there_in_three_seconds():
    lab = LayerLab()
    assert lab.wait(60)                                                           # the first one also loads the network
    for statistic in ("gram", "sliced"):
        began = time.monotonic()
        lab.statistic.value = statistic
        lab.alpha.value *= 1.2589
        assert lab.wait(60) and time.monotonic() - began < 3 and "style error" in lab.state.value
    shown = Image.open(io.BytesIO(lab.picture.value))
    assert shown.width == 112 + 16 + 272 and max(lab._painted.shape[2:]) == 128


@as_it_is
def test_a_slow_machine_shows_how_far_it_came(monkeypatch):
    monkeypatch.setattr(layer_lab, "PATIENCE", 0.3)
    monkeypatch.setattr(layer_lab, "STEPS", 500)
    lab = LayerLab()
    assert lab.wait(60)
    assert re.search(r"style error \d\.\d+.* \(shown after \d+ of 500 evaluations\)", lab.state.value)


def test_no_layer_left_is_told(lab):
    for box in lab.layers.values():
        box.value = False
    assert "no style layer is left: tick at least one of relu1_1" in lab.problem.value and lab.code.value.startswith("# no style layer")
    lab.layers["relu3_1"].value = True
    preview(lab)
    for box in lab.content.values():
        box.value = False
    assert "no content layer is left" in lab.problem.value


def test_a_stub_and_wrong_distances_are_told_in_the_widget():
    def stub(act, style_act):
        raise NotImplementedError("Exercise 7.3: write sliced_wasserstein")
    lab = LayerLab(distance=stub)
    says_stub(lab)
    assert lab.shown.height > LayerLab().shown.height + 20                        # the words stand below the photograph
    lab.statistic.value = "gram"                                                  # the others work meanwhile
    preview(lab)
    assert "one number for each picture, here [1]; it returned [1, 64]" in LayerLab(distance=lambda a, s: a.mean(dim=(2, 3))).problem.value
    assert "it returned NoneType" in LayerLab(distance=lambda a, s: None).problem.value
    assert "your function stops with ZeroDivisionError" in LayerLab(distance=lambda a, s: 1 / 0).problem.value
    assert "returned NaN or infinity" in LayerLab(distance=lambda a, s: a.mean(dim=(1, 2, 3)) / 0).problem.value
    assert "no gradient passes through your function" in LayerLab(distance=lambda a, s: mean_std_distance(a, s).detach()).problem.value


def test_a_wrong_distance_looks_wrong(lab):
    right = preview(lab)
    wrong = LayerLab(distance=lambda act, style: (act.mean(dim=(1, 2, 3)) - style.mean(dim=(1, 2, 3))).pow(2))
    assert preview(wrong) != right


def test_a_distance_that_breaks_while_it_paints_is_told():
    def small_only(act, style_act):
        if act.shape[2] > 8:
            raise RuntimeError("too large for me")
        return mean_std_distance(act, style_act)
    lab = LayerLab(distance=small_only)
    assert lab.wait(60)
    assert "your function stops with RuntimeError: too large for me" in lab.problem.value and "nothing new was painted" in lab.state.value
    lab = LayerLab(distance=lambda act, style: mean_std_distance(act, style) * (1 if act.shape[2] == 8 else float("nan")))
    assert lab.wait(60) and "your function returned NaN" in lab.problem.value and "the loss" not in lab.problem.value


def test_without_a_kernel(lab):
    reads_without_a_kernel(lab, "LayerLab(distance=mean_std_distance)")
