"""Lesson 05's explorer: it runs, holds, goes on and forgets, every control has an effect, and a wrong loop is told in the widget."""
import io
import re
import threading
import time

import numpy as np
import pytest
import torch
from PIL import Image

from classroom import other_value, reads_without_a_kernel, says_stub
from nst_lessons.explorers import PaintingExplorer, drawing, painting

EVALUATIONS = 6


def optimizer_for(picture, method, lr):
    if method == "adam":
        return torch.optim.Adam([picture], lr=lr, betas=(0.9, 0.99))
    return torch.optim.LBFGS([picture], lr=lr, max_iter=1, max_eval=26, tolerance_grad=0, tolerance_change=0, line_search_fn="strong_wolfe")


def loop(start, objective, method="lbfgs", evaluations=60, lr=None):
    picture, spent = start.clone().requires_grad_(), 0
    optimizer = optimizer_for(picture, method, lr)

    def closure():
        nonlocal spent
        spent += 1
        optimizer.zero_grad()
        loss = objective(picture).total
        loss.backward()
        return loss
    while spent < evaluations:
        before = picture.detach().clone()
        loss = optimizer.step(closure)
        yield spent, loss.item(), before


@pytest.fixture
def explorer():
    one = make(loop)
    yield one
    one.reset.click()
    assert one.wait(30)


def make(loop, evaluations=EVALUATIONS):
    one = PaintingExplorer(loop, size=32)
    one.evaluations.min, one.evaluations.step = 2, 1
    one.evaluations.value = evaluations
    return one


def painted(one):
    """The picture's bytes after a run from beginning to end."""
    one.run.click()
    assert one.wait(60)
    assert one.problem.value == "" and "done · evaluation" in one.state.value, one.problem.value + one.state.value
    return one.picture.value


def until(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


# --- running ---------------------------------------------------------------------------------------------------------

def test_run_paints_and_draws_the_loss(explorer):
    start, empty = explorer.picture.value, explorer.curve.value
    assert (explorer.run.disabled, explorer.pause.disabled, explorer.reset.disabled) == (False, True, False)
    assert painted(explorer) != start and explorer.curve.value != empty
    assert re.search(rf"done · evaluation [678] of {EVALUATIONS} · loss 0\.\d+ · style 0\.\d+<", explorer.state.value)
    assert (explorer.run.disabled, explorer.pause.disabled) == (False, True)


def test_every_control_has_a_label_and_an_effect(explorer):
    before = painted(explorer)
    assert painted(explorer) == before                                             # so that a difference means something
    for control in explorer.controls:
        assert control.description
        value = control.value
        control.value = 3 if control is explorer.evaluations else other_value(control)
        assert "press Run to begin with these settings" in explorer.state.value
        assert painted(explorer) != before, control.description
        control.value = value
    assert all(button.description for button in (explorer.run, explorer.pause, explorer.reset))
    assert painted(explorer) == before


def test_the_start_is_shown_as_soon_as_it_is_chosen(explorer):
    photograph = explorer.picture.value
    explorer.start.value = "noise"
    noise = explorer.picture.value
    explorer.start.value = "the photograph"
    assert explorer.picture.value == photograph != noise


def test_old_curves_stay_for_comparison_until_reset(explorer):
    empty = explorer.curve.value
    painted(explorer)
    one = explorer.curve.value
    explorer.method.value = "adam"
    painted(explorer)
    assert [str(run) for run in explorer._runs.values()] == ["lbfgs", "adam"]
    assert len({run.color for run in explorer._runs.values()}) == 2 and explorer.curve.value != one
    for rate in painting.RATES:
        explorer.rate.value = rate
        painted(explorer)
    assert len(explorer._runs) == 5 and len({run.color for run in explorer._runs.values()}) == 5 and "lbfgs" not in explorer._runs
    explorer.reset.click()
    assert explorer.curve.value == empty and "ready" in explorer.state.value


def test_the_names_of_five_curves_that_end_low_stand_on_the_sheet_and_apart():
    colors = dict(zip("abcde", painting._COLORS))
    png = drawing.loss_curves({name: [(1, 1.0), (100, 0.011)] for name in colors}, 100, size=(440, 150), colors=colors, room=130)
    pixels = np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)[:, -240:]                # where the names stand
    tops = []
    for color in colors.values():
        rgb = np.array([int(color[i:i + 2], 16) for i in (1, 3, 5)])
        rows = np.flatnonzero((np.abs(pixels - rgb).max(2) < 24).any(1))
        assert len(rows) >= 12, f"{color}: its name is cut off"
        tops.append(rows[0])
    assert len(set(tops)) == 5 and min(np.diff(sorted(tops))) >= 20


def test_evaluations_are_counted_by_the_explorer(explorer):
    def boastful(*args):
        for number, (_, loss, picture) in enumerate(loop(*args)):
            yield number, loss, picture
    one = make(boastful)
    painted(one)
    told = re.search(r"evaluation (\d) of 6 \(your loop says (\d)\)", one.state.value)
    assert int(told[1]) >= EVALUATIONS > 3 > int(told[2]) and one._run.losses[-1][0] == int(told[1])


def test_at_most_fifteen_frames_a_second():
    def quick(start, objective, method, evaluations, lr):
        for number in range(200):
            time.sleep(0.004)
            yield number, 0.5, torch.full_like(start, number / 200)
    one, frames = make(quick), []
    one.picture.observe(frames.append, "value")
    before = time.monotonic()
    one.run.click()
    assert one.wait(60)
    assert 3 <= len(frames) <= 15 * (time.monotonic() - before) + 2
    shown = np.asarray(Image.open(io.BytesIO(one.picture.value)).convert("L"))[60:, 150:]
    assert shown.mean() == pytest.approx(255 * 199 / 200, abs=2)                   # the last one is shown in any case


# --- Pause, Reset, and what else happens meanwhile -------------------------------------------------------------------

@pytest.mark.alone
def test_pause_holds_and_run_goes_on_to_the_same_picture(explorer):
    explorer.evaluations.max = explorer.evaluations.value = 12
    undisturbed = painted(explorer)
    held = make(loop, 12)
    held.run.click()
    until(lambda: held._run.asked >= 3)
    assert (held.run.disabled, held.pause.disabled) == (True, False)
    clicked = time.monotonic()
    held.pause.click()
    assert time.monotonic() - clicked < 0.1                                        # the kernel is free again
    until(lambda: "paused · " in held.state.value, 5)
    asked, picture = held._run.asked, held.picture.value
    time.sleep(0.3)
    assert held._run.asked == asked and held.picture.value == picture and not held.wait(0)
    assert (held.run.disabled, held.pause.disabled) == (False, True)
    held.run.click()
    assert held.wait(60) and "done" in held.state.value
    assert held.picture.value == undisturbed


def test_pause_need_not_wait_for_the_end_of_an_evaluation(explorer):
    layers, asked = [], threading.Event()
    painted(explorer)                                                              # so that there is a network to listen to

    def slow(module, inputs):
        layers.append(module)
        if len(layers) == 30:
            explorer.pause.click()
            asked.set()
    for module in explorer._features.modules():
        module.register_forward_pre_hook(slow, prepend=True)
    explorer.run.click()
    assert asked.wait(30)
    until(lambda: "paused" in explorer.state.value)
    assert len(layers) == 30


def test_after_a_pause_other_settings_begin_anew(explorer):
    explorer.evaluations.max = explorer.evaluations.value = 200
    explorer.run.click()
    until(lambda: explorer._run.asked >= 2)
    explorer.pause.click()
    until(lambda: "paused" in explorer.state.value)
    held = explorer._run
    explorer.method.value, explorer.evaluations.value = "adam", 4
    painted(explorer)
    assert explorer._run is not held and held.asked < 200 and "evaluation 4 of 4" in explorer.state.value


def test_reset_ends_what_is_painted_at_once(explorer):
    start = explorer.picture.value
    explorer.evaluations.max = explorer.evaluations.value = 300
    explorer.run.click()
    until(lambda: explorer._run.asked >= 2)
    run = explorer._run
    explorer.run.click()
    assert "painting already" in explorer.problem.value
    clicked = time.monotonic()
    explorer.reset.click()
    assert time.monotonic() - clicked < 3 and explorer.wait(0)                     # 0.1 s on a quiet machine
    assert explorer.picture.value == start and "ready" in explorer.state.value and explorer.problem.value == ""
    asked = run.asked
    time.sleep(0.2)
    assert run.asked == asked < 300


def test_one_painting_at_a_time_in_a_kernel(explorer):
    explorer.evaluations.max = explorer.evaluations.value = 300
    explorer.run.click()
    until(lambda: explorer._run.asked >= 2)
    painted(make(loop))
    assert explorer.wait(5) and "stopped · " in explorer.state.value


def test_moving_a_control_does_not_disturb_what_is_painted(explorer):
    undisturbed = painted(explorer)
    explorer.run.click()
    explorer.start.value = "noise"
    assert explorer.wait(60) and explorer.picture.value == undisturbed


# --- what goes wrong is said -----------------------------------------------------------------------------------------

def test_a_stub_is_told_at_once_and_when_it_is_run():
    def frugal_loop(start, objective, method="lbfgs", evaluations=60, lr=None):
        raise NotImplementedError("Exercise 5.2: write frugal_loop")
    one = PaintingExplorer(frugal_loop, size=32)
    says_stub(one)
    one.run.click()
    assert one.wait(30)
    says_stub(one)
    assert "nothing was painted" in one.state.value and not one.run.disabled


def endless(start, objective, method, evaluations, lr):
    while True:
        yield 1, objective(start).total.item(), start


@pytest.mark.parametrize("wrong, says", [
    (lambda *_: None, "should be a generator, with `yield` in it; it returned NoneType"),
    (lambda start, *_: iter([start]), "should yield (evaluations, loss, picture [1, 3, 32, 32]); it yielded a tensor [1, 3, 32, 32]"),
    (lambda start, *_: iter([(1, 0.5, start[0])]), "it yielded (int, float, a tensor [3, 32, 32])"),
    (lambda start, *_: iter([(1, float("nan"), start)]), "the loss became nan at evaluation 1: take a smaller learning rate"),
    (lambda *_: iter([1 / 0]), "your loop stops with ZeroDivisionError: division by zero"),
    (lambda start, objective: None, "your loop stops with TypeError"),
    (lambda start, *_: iter([(1, 0.5, start * torch.nan)]), "NaN"),
    (endless, f"your loop goes on after its {EVALUATIONS} evaluations"),
])
def test_a_wrong_loop_is_told_in_the_widget(wrong, says):
    one = make(wrong)
    assert one.problem.value == ""
    one.run.click()
    assert one.wait(60)
    assert says in one.problem.value, one.problem.value
    assert not one.run.disabled and one.pause.disabled


def test_without_a_kernel(explorer):
    reads_without_a_kernel(explorer, "PaintingExplorer(loop=loop)")
