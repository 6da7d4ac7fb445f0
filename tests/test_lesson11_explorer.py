"""Lesson 11's explorer: every control answers at once, with the learner's own functions, right or wrong; and the film that a notebook holds."""
import io
import json
import re

import numpy as np
import pytest
import torch
from PIL import Image

from classroom import drive, reads_without_a_kernel, says_stub, seconds
from nst_lessons import load_image, plots
from nst_lessons.explorers import FilmExplorer
from nst_lessons.explorers import film as module
from nst_lessons.video import consistent, flow, inside, pan, trust, warp
from test_explorers_comm import browser  # noqa: F401: a fixture

SHAPE, COUNT = (64, 80), 5


def clip():
    return [frame.image for frame in pan(load_image("cat", size=160), SHAPE, COUNT, (3, 1), noise=0.01)]


def films(frames):
    """One that is carried along exactly, one that flickers."""
    generator = torch.Generator().manual_seed(0)
    return {"steady": [1 - one for one in frames], "flickers": [(1 - one + 0.1 * torch.randn(one.shape, generator=generator)).clamp(0, 1) for one in frames]}


@pytest.fixture(scope="module")
def frames():
    return clip()


@pytest.fixture(scope="module")
def explorer(frames):
    return FilmExplorer(frames, films(frames), warp=warp)


def told(explorer):
    """The two losses that it tells."""
    return [float(value) for value in re.search(r"Temporal loss: ([\d.]+), then (\d\.\d+)", explorer.state.value).groups()]


def test_every_control_answers(explorer):
    drive(explorer)


@pytest.mark.parametrize("control, options", [("motion", module.MOTION), ("change", module.CHANGE)])
def test_every_view_is_another(explorer, control, options):
    seen, one = set(), getattr(explorer, control)
    for option in options:
        one.value = option
        assert explorer.problem.value == ""
        seen.add(bytes(explorer.picture.value))
    one.value = options[0]
    assert len(seen) == len(options) == 3


@pytest.mark.alone
def test_it_is_scrubbed_in_a_tenth_of_a_second(frames):
    fresh = FilmExplorer(frames, films(frames))
    assert seconds(fresh.frame, list(range(1, COUNT + 1)) * 4, warm_up=COUNT) < 0.1


def test_what_it_tells_is_the_loss(explorer, frames):
    explorer.frame.value = 3
    backward, forward = flow(frames[2], frames[1]), flow(frames[1], frames[2])
    mask = trust(backward, forward)
    for value, film in zip(told(explorer), films(frames).values()):
        assert value == pytest.approx((mask * (film[2] - warp(film[1], backward)) ** 2).mean().item(), abs=1e-4)
    steady, flickers = told(explorer)
    assert steady < flickers / 4 and f"{mask.mean():.0%} trusted" in explorer.state.value
    explorer.frame.value = 1
    assert "frame 1 of 5: painted by itself" in explorer.state.value and explorer.problem.value == ""
    explorer.frame.value = 2


def test_the_heat_shows_which_film_flickers(explorer):
    shown = np.asarray(explorer.shown.convert("RGB")).astype(int)
    height, side = (shown.shape[0] + 12) // 2, module._SIDE + 12
    bright = [shown[height + 24:, k * side:k * side + module._SIDE - 4, 1].mean() for k in (1, 2)]     # green: viridis from dark to bright
    assert bright[1] > 1.5 * bright[0]


def test_the_learners_functions_are_used(frames):
    asked = []

    def watched(name, function):
        def one(*args):
            asked.append(name)
            return function(*args)
        return one
    one = FilmExplorer(frames, films(frames), comes_from_inside=watched("inside", inside), there_and_back=watched("back", consistent),
                       temporal_loss=watched("loss", lambda x, before, backward, mask: 7 + 0 * x.sum(dim=(1, 2, 3))), warp=watched("warp", warp))
    assert set(asked) == {"inside", "back", "loss", "warp"} and told(one) == [7, 7]
    blind = FilmExplorer(frames, films(frames), there_and_back=lambda backward, forward: torch.zeros_like(backward[:, :1]))
    assert "0% trusted" in blind.state.value and told(blind) == [0, 0]


def test_a_stub_and_wrong_answers_are_told(frames):
    def stub(*_):
        raise NotImplementedError("Exercise 11.2: write there_and_back")
    said = lambda **functions: FilmExplorer(frames, films(frames), **functions).problem.value
    says_stub(FilmExplorer(frames, films(frames), there_and_back=stub))
    assert "there_and_back should return [1, 1, 64, 80], it returned [1, 64, 80]" in said(there_and_back=lambda b, f: consistent(b, f)[:, 0])
    assert "comes_from_inside should return [1, 1, 64, 80], it returned NoneType" in said(comes_from_inside=lambda flow: None)
    assert "temporal_loss should return [1], it returned []" in said(temporal_loss=lambda x, *_: x.mean())
    assert "warp returned NaN or infinity" in said(warp=lambda image, flow: image / 0)
    assert "there_and_back stops with RuntimeError" in said(there_and_back=lambda b, f: b @ f)
    wrong = FilmExplorer(frames, films(frames), warp=lambda image, flow: warp(image, -flow))
    assert told(wrong)[0] > 3 * told(FilmExplorer(frames, films(frames)))[0]


def test_films_that_do_not_belong_to_the_clip_are_refused(frames):
    with pytest.raises(ValueError, match="'short' has not the number and size"):
        FilmExplorer(frames, films(frames) | {"short": frames[:2]})
    with pytest.raises(ValueError, match="two films or more"):
        FilmExplorer(frames, {"one": frames})
    with pytest.raises(TypeError, match="no place for wrap"):
        FilmExplorer(frames, films(frames), wrap=warp)


def test_without_a_kernel(explorer):
    reads_without_a_kernel(explorer, "FilmExplorer(warp=warp)")


def test_a_browser_scrubs(browser):  # noqa: F811
    ids = json.loads(browser.execute(
        "import test_lesson11_explorer as mine\n"
        "frames = mine.clip()\n"
        "one = explorers.FilmExplorer(frames, mine.films(frames))\n"
        "print(json.dumps({'frame': one.frame.comm.comm_id, 'picture': one.picture.comm.comm_id, 'play': one.play.comm.comm_id}))"))
    answers = browser.move(ids["frame"], {"value": 4})
    assert ids["picture"] in answers
    assert json.loads(browser.execute("print(json.dumps([one.frame.value, one.problem.value]))")) == [4, ""]


def test_a_film_in_a_notebook_holds_every_frame(frames):
    held = plots.animated([frames, films(frames)["flickers"]], ["a", "b"], rate=5, colors=64)
    with Image.open(io.BytesIO(held)) as film:
        assert film.n_frames == COUNT and film.info["duration"] == 200 and film.info["loop"] == 0
        for number, frame in enumerate(frames):
            film.seek(number)
            seen = torch.from_numpy(np.array(film.convert("RGB"))).permute(2, 0, 1)[None] / 255
            assert seen.shape[3] == 2 * SHAPE[1] + 6
            assert (seen[..., 16:, :SHAPE[1]] - frame).abs().mean() < 0.04              # 64 colors for all
    with pytest.raises(ValueError):
        plots.animated([frames, frames[1:]], ["a", "b"])
