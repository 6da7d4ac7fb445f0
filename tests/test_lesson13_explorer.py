"""Lesson 13's explorer: strokes, recipes and every control paint another preview; wrong functions are told; a browser's messages arrive."""
import io
import json
import re
from pathlib import Path

import pytest
import torch
from PIL import Image

import nst_lessons as nst
from classroom import other_value, reads_without_a_kernel, says_stub
from nst_lessons.explorers import RegionExplorer
from nst_lessons.explorers import regions as module
from nst_lessons.explorers.mask_canvas import MaskCanvas
from nst_lessons.regions import guided_gram, read_mask, rectangle
from test_explorers_comm import browser  # noqa: F401: a fixture

DAB = {"erase": False, "brush": 0.1, "points": [[0.9, 0.2]]}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Small and short previews, and no limit of time, so that the same settings give the same picture on a busy machine too."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    for name, value in {"SIZE": 64, "STEPS": 4, "LEVELS": 1, "PATIENCE": 60}.items():
        monkeypatch.setattr(module, name, value)
    RegionExplorer._recipe.cache_clear()
    yield
    RegionExplorer._recipe.cache_clear()
    torch.set_num_threads(before)


@pytest.fixture
def explorer():
    one = RegionExplorer(guided_gram=guided_gram, turned=False)
    yield one
    one._background.stop()
    assert one.wait(30)


def preview(one):
    """The picture's bytes once the preview is painted."""
    assert one.wait(60) and one.problem.value == "", one.problem.value
    assert "of the picture" in one.state.value, one.state.value
    return one.picture.value


def test_every_control_has_a_label_and_paints_another_preview(explorer):
    explorer.begin.value = "rectangle"
    first = preview(explorer)
    for control in explorer.controls:
        assert control.description
        value = control.value
        control.value = {"left (%)": 30, "top (%)": 30, "right (%)": 60, "bottom (%)": 60}.get(control.description) or other_value(control)
        if control is explorer.begin:                                    # "nothing": that is told, and the old picture stays
            assert "a region has no pixel" in explorer.problem.value
            control.value = "ellipse"
        assert preview(explorer) != first, control.description
        control.value = value
        assert preview(explorer) == first, f"{control.description}: back at the old value the picture is another"
    assert len(explorer.controls) == 10


@pytest.mark.parametrize("begin", module._BEGIN)
def test_every_beginning_gives_a_mask_of_its_own(explorer, begin):
    explorer.begin.value = begin
    share = explorer.mask.mean().item()
    assert share == 0 if begin == "nothing" else 0.02 < share < 0.9
    explorer.turned.value = True
    assert explorer.mask.mean().item() == pytest.approx(1 - share, abs=0.01)      # a canvas has 256 grays


def test_strokes_are_added_erased_undone_and_cleared(explorer):
    explorer.begin.value = "nothing"
    assert not explorer.mask.any()
    explorer.canvas.strokes = [DAB]
    first = preview(explorer)
    height, width = explorer.mask.shape[2:]
    assert explorer.mask[0, 0, round(0.2 * height), round(0.9 * width) - 1] == 1 and explorer.mask[0, 0, height // 2, 5] == 0
    line = {"erase": False, "brush": 0.05, "points": [[0.1, 0.8], [0.6, 0.8]]}
    explorer.canvas.strokes = [DAB, line]
    assert explorer.mask[0, 0, round(0.8 * height), round(0.35 * width)] == 1 and preview(explorer) != first
    explorer.undo.click()
    assert explorer.canvas.strokes == [DAB] and preview(explorer) == first
    explorer.canvas.strokes = [DAB, {**DAB, "erase": True, "brush": 0.2}]
    assert not explorer.mask.any() and "a region has no pixel" in explorer.problem.value
    explorer.clear.click()
    assert explorer.canvas.strokes == []


def test_tool_and_size_reach_the_canvas_and_the_overlay_shows_the_mask(explorer):
    explorer.tool.value, explorer.brush.value = "erase", 12
    assert (explorer.canvas.erase, explorer.canvas.brush) == (True, 0.12)
    canvas = MaskCanvas()
    canvas.show(nst.load_image("cat", size=64), rectangle((0.5, 0, 1, 1), (42, 64)), side=100)
    assert canvas.size == [100, 67] and Image.open(io.BytesIO(canvas.photo)).size == (100, 67)
    veil = Image.open(io.BytesIO(canvas.overlay))
    assert veil.getpixel((10, 30))[3] > 100 and veil.getpixel((90, 30))[3] == 0
    assert any(veil.getpixel((x, 30)) == (0, 158, 115, 255) for x in range(47, 54))


def test_the_outside_is_untouched_when_it_says_so(explorer):
    preview(explorer)
    assert re.search(r"inside: \d+% of the picture; outside of it the largest change is 0<", explorer.state.value)
    explorer.outside.value = "mosaic"
    assert preview(explorer) and "largest change" not in explorer.state.value
    explorer.inside.value, explorer.outside.value = "the photograph", "untouched"
    assert "neither inside nor outside has a style" in explorer.problem.value


def test_the_mask_is_saved_for_the_command_line(explorer, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    preview(explorer)
    explorer.save.click()
    assert "saved as mask.png: nst-lessons stylize cat starry" in explorer.state.value
    saved = read_mask("mask.png", None, tuple(explorer.mask.shape[2:]))
    assert (saved - explorer.mask).abs().max() < 0.01


def test_a_stub_and_wrong_answers_are_told_or_look_wrong(explorer):
    def stub(act, mask):
        raise NotImplementedError("Exercise 13.2: write guided_grams")
    says_stub(RegionExplorer(guided_gram=stub))
    said = lambda function: RegionExplorer(guided_gram=function).problem.value
    assert "should return [1, 8, 8], it returned [1, 8]" in said(lambda act, mask: act.mean(dim=(2, 3)))
    assert "it returned NoneType" in said(lambda act, mask: None)
    assert "NaN or infinity" in said(lambda act, mask: guided_gram(act, mask) / 0)
    assert "no gradient passes" in said(lambda act, mask: guided_gram(act, mask).detach())
    assert "your function stops with RuntimeError" in said(lambda act, mask: act @ act)
    wrong = RegionExplorer(guided_gram=lambda act, mask: guided_gram(act, torch.ones_like(mask)), turned=False)
    assert preview(wrong) != preview(explorer)


def test_without_a_kernel(explorer):
    reads_without_a_kernel(explorer, "RegionExplorer(guided_gram=guided_gram)")


def test_a_browsers_strokes_reach_the_kernel(browser):  # noqa: F811
    told = json.loads(browser.execute(
        "from nst_lessons.explorers import regions as module\n"
        "module.SIZE, module.STEPS, module.LEVELS = 48, 2, 1\n"
        "one = explorers.RegionExplorer(guided_gram=nst.regions.guided_gram, turned=False)\n"
        "print(json.dumps({'canvas': one.canvas.comm.comm_id, 'undo': one.undo.comm.comm_id, 'before': one.mask.sum().item()}))"))
    browser.move(told["canvas"], {"strokes": [DAB]})
    after = json.loads(browser.execute("print(json.dumps([one.mask.sum().item(), one.problem.value, len(one.canvas.strokes)]))"))
    assert after[0] > told["before"] and after[1:] == ["", 1]


def test_the_browsers_half_listens_to_what_the_kernels_half_says():
    script = Path(module.__file__).with_name("mask_canvas.js").read_text(encoding="utf-8")
    asked = set(re.findall(r'model\.(?:get|set)\("(\w+)"', script))
    assert asked == {"photo", "overlay", "size", "label", "brush", "erase", "strokes"} <= set(MaskCanvas().trait_names())
    for event in ("pointerdown", "pointermove", "pointerup", "pointercancel", "keydown"):
        assert f'"{event}"' in script
