"""What several explorers stand on: the course of a painting, pictures in a row, curves, sliders."""
import importlib
import io
import sys

import numpy as np
import pytest
import torch
from PIL import Image

import nst_lessons as nst
from nst_lessons import images
from nst_lessons.explorers import controls, drawing, side_by_side
from nst_lessons.explorers.studio import course
from nst_lessons.losses import Terms
from nst_lessons.stylize import Progress, budgets, pyramid


def progress(evaluation, steps, image, level=0):
    terms = Terms(torch.tensor(1.0), {kind: {"layer": torch.tensor([0.5 / evaluation])} for kind in ("content", "style", "tv")})
    return Progress(level, level + 1, evaluation, steps, terms, image, dict)


def test_explorers_say_what_to_install(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("nst_lessons.explorers")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    with pytest.raises(ModuleNotFoundError, match=r'need ipywidgets: pip install "nst_lessons\[lab\]"'):
        importlib.import_module("nst_lessons.explorers")


def test_time_left_is_reckoned_by_pixels():
    settings = nst.Settings(size=160, steps=100)
    (small, large), (few, many) = pyramid(160), budgets(100, 2)
    one = course.Course()
    one.add(progress(few, 100, torch.zeros(1, 3, small, small)))
    assert one.time_left(settings, 8.0) == f"{round(8 * many * large**2 / (few * small**2))} s"
    assert one.time_left(settings, 800.0) == f"{round(800 * many * large**2 / (few * small**2) / 60)} min"
    one.add(progress(few + many // 2, 100, torch.zeros(1, 3, large, large), level=1))
    half = many // 2
    assert one.time_left(settings, 30.0) == f"{round(30 * (many - half) * large**2 / (few * small**2 + half * large**2))} s"


def test_pictures_stand_side_by_side():
    red, blue = torch.zeros(1, 3, 20, 40), torch.zeros(1, 3, 60, 30)
    red[:, 0], blue[:, 2] = 1, 1
    row = images.to_pil(drawing.in_a_row(red, blue, height=20, gap=3))
    assert np.array_equal(row, [[(255, 0, 0)] * 40 + [(255, 255, 255)] * 3 + [(0, 0, 255)] * 10] * 20)
    assert Image.open(io.BytesIO(side_by_side(red, blue).data)).size == (384 + 8 + 96, 192)


def test_curves_are_logarithmic():
    def height(value):
        """The row, as shown, of a level line at `value` on an axis from 0.001 to 1."""
        losses = {"style": [(0, value), (100, value)], "content": [(0, 1.0), (100, 0.001)]}
        pixels = np.asarray(Image.open(io.BytesIO(drawing.loss_curves(losses, 100))).convert("RGB")).astype(int)
        style = tuple(bytes.fromhex(drawing.COLORS["style"][1:]))
        middle = pixels[:, pixels.shape[1] // 3]
        return np.flatnonzero((abs(middle - style).sum(1) < 10)).mean() / 2
    first, second, third = height(0.3), height(0.03), height(0.003)
    assert second - first == pytest.approx(third - second, abs=0.6) and 15 < second - first < 60


@pytest.mark.parametrize("start", [0.1, 0.15, 1.0])
def test_a_log_slider_begins_on_one_of_its_stops(start):
    """The browser moves a slider to its nearest stop as soon as it is shown, and would change the value otherwise."""
    slider = controls.log_slider("x", start, "")
    stops = 10**(slider.min + slider.step * np.arange(41))
    assert stops[20] == pytest.approx(start, rel=1e-9) and stops[40] == pytest.approx(10**slider.max)
    assert controls.round_off(stops[20]) == start and slider.readout_format == ".2"
    assert len({controls.round_off(stop) for stop in stops}) == 41                     # every stop shows another number
