"""Lesson 14's explorer: every control paints another preview, learners' functions take part, wrong ones are told; and sheets of filters."""
import pytest
import torch
from torch import nn

import nst_lessons as nst
from classroom import other_value, reads_without_a_kernel, says_stub
from nst_lessons import Features, features, loading, plots, selfsup
from nst_lessons.explorers import NetworkExplorer
from nst_lessons.explorers import networks as module


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Small and short previews; one thread, so that the same settings give the same picture on a busy machine too."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    for name, value in {"SIZE": 48, "STEPS": 4, "LEVELS": 1}.items():
        monkeypatch.setattr(module, name, value)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def explorer():
    one = NetworkExplorer()
    yield one
    one._background.stop()
    assert one.wait(30)


def preview(one):
    """The picture's bytes once both previews are painted."""
    assert one.wait(60) and one.problem.value == "", one.problem.value
    assert "as tiny sees it" in one.state.value, one.state.value
    return one.picture.value


def test_every_control_has_a_label_and_paints_another_preview(explorer):
    first = preview(explorer)
    for control in explorer.controls:
        assert control.description
        value = control.value
        control.value = other_value(control)
        assert preview(explorer) != first, control.description
        control.value = value
        assert preview(explorer) == first, f"{control.description}: back at the old value the picture is another"
    assert len(explorer.controls) == 5


def test_every_network_at_hand_paints_and_what_was_painted_is_kept(explorer):
    names, pictures = list(module.at_hand()), []
    assert {"random", "patches", "selfsup", "tiny", "peaky", "peaky + softmax"} <= set(names)
    for name in names:
        explorer.first.value = name
        preview(explorer)
        assert f"A, {name}: 0" in explorer.state.value
        pictures.append(explorer._painted[explorer._key(explorer.first)][0])
    assert all(not torch.allclose(one, other, atol=1e-3) for k, one in enumerate(pictures) for other in pictures[:k])
    kept = dict(explorer._painted)
    explorer.first.value = names[0]
    preview(explorer)
    assert explorer._painted == kept


def test_only_what_needs_no_download_is_listed(monkeypatch, tmp_path):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    assert not {"vgg16", "vgg19", "resnet50", "resnet50 + softmax"} & set(module.at_hand())
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "resnet50-0676ba61.pth").touch()                   # the name that torchvision gives it
    assert {"resnet50", "resnet50 + softmax"} <= set(module.at_hand())
    monkeypatch.setattr(loading, "embedded", lambda name: tmp_path / name)
    assert "selfsup" not in module.at_hand()


def test_learners_functions_take_part_right_or_wrong(explorer):
    asked = []

    def zca(points):
        asked.append(points.shape)
        return selfsup.zca(points)
    usual = preview(explorer)                                                      # one works at a time: another explorer would stop it
    assert preview(NetworkExplorer(zca=zca)) == usual and (20_000, 147) in [tuple(shape) for shape in asked]
    assert preview(NetworkExplorer(zca=lambda points: torch.eye(points.shape[1]))) != usual
    softened = preview(NetworkExplorer(first="peaky + softmax"))
    assert preview(NetworkExplorer(first="peaky + softmax", smoothed=lambda act: features.smoothed(3 * act))) != softened


def test_peaky_is_tiny_squared_in_units_of_its_loudest():
    tiny, style = Features("tiny", device="cpu"), nst.load_image("mosaic", size=48)
    peaky = module._Peaky(tiny, style)
    names = tiny.style_layers
    for layer, act in peaky(style, names).items():
        expected = tiny(style, [layer])[layer]
        torch.testing.assert_close(act, expected**2 / expected.max() ** 2)
        assert act.max() == pytest.approx(1)


def test_stubs_and_wrong_answers_are_told():
    def stub(act):
        raise NotImplementedError("Exercise 14.3: write smoothed")
    says_stub(NetworkExplorer(smoothed=stub))
    says_stub(NetworkExplorer(zca=stub))
    said = lambda **functions: NetworkExplorer(**functions).problem.value
    assert "should return [1, 4, 5, 6], it returned [1, 4]" in said(smoothed=lambda act: act.mean(dim=(2, 3)))
    assert "should return [6, 6], it returned [40, 40]" in said(zca=lambda points: points @ points.T)
    assert "it returned NoneType" in said(smoothed=lambda act: None)
    assert "NaN or infinity" in said(smoothed=lambda act: act / 0)
    assert "no gradient passes" in said(smoothed=lambda act: features.smoothed(act.detach()))
    assert "your function stops with RuntimeError" in said(zca=lambda points: points @ points)


def test_without_a_kernel(explorer):
    reads_without_a_kernel(explorer, "NetworkExplorer()")
    assert repr(NetworkExplorer(smoothed=stubborn)) == "NetworkExplorer(smoothed=stubborn)"


def stubborn(act):
    return features.smoothed(act)


# --- sheets of filters -----------------------------------------------------------------------------------------------

def test_a_sheet_shows_each_filter_in_its_place_and_contrast():
    filters = torch.zeros(5, 3, 3, 3)
    filters[0, :, 1, 1] = 2.0                                                      # bright in the middle
    filters[4, 0] = -0.1                                                           # all of it less red
    sheet = plots.filter_sheet(filters, columns=3)
    assert sheet.shape == (1, 3, 2 * 23, 3 * 23)                                   # 3 px, seven times as large, and a rim
    assert (sheet[0, :, 11, 11] == 1).all() and (sheet[0, :, 3, 3] == 0.5).all() and (sheet[0, :, 0] == 1).all()
    assert sheet[0, :, 23 + 11, 23 + 11].tolist() == [0, 0.5, 0.5]
    assert (sheet[0, :, 23:, 46:] == 1).all()                                      # the sixth place is empty


def test_first_filters_are_those_of_the_layer_that_sees_the_picture():
    style = nst.load_image("mosaic", size=48)
    own = selfsup.patch_features(style, style, count=500)
    assert torch.equal(module._first_filters(own), plots.filter_sheet(own.backbone.kernels[:48]))
    tiny = Features("tiny", device="cpu")
    first = next(one for one in tiny.modules() if isinstance(one, nn.Conv2d))
    assert torch.equal(module._first_filters(tiny), plots.filter_sheet(first.weight))
