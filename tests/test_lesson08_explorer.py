"""Lesson 08's explorers: two networks that train side by side, and two styles mixed; every control answers, wrong functions are told."""
import re
import time

import pytest
import torch
from torch.nn import functional as F

from classroom import drive, other_value, reads_without_a_kernel, says_stub, seconds
from nst_lessons.explorers import MixExplorer, NormExplorer
from nst_lessons.fast import instance_norm


def mixed_norm(act, scales, shifts, weights):
    return instance_norm(act, weights @ scales, weights @ shifts)


def until(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


# --- MixExplorer -----------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def mixer():
    return MixExplorer(mixed_norm=mixed_norm, size=96)


def test_every_control_of_the_mixer_answers(mixer):
    drive(mixer)


@pytest.mark.alone
def test_the_mixer_answers_while_the_slider_moves():
    assert seconds(MixExplorer(mixed_norm).share, range(0, 100, 5)) < 0.25            # 256 px; one thread may be all there is


def test_at_its_ends_the_slider_shows_one_style_alone(mixer):
    mixer.share.value = 0
    alone = mixer.picture.value
    mixer.first.value, mixer.second.value, mixer.share.value = mixer.second.value, mixer.first.value, 100
    swapped = mixer.shown.crop((100, 30, mixer.shown.width, mixer.shown.height)).tobytes()
    mixer.first.value, mixer.second.value, mixer.share.value = mixer.second.value, mixer.first.value, 0
    assert mixer.picture.value == alone
    assert mixer.shown.crop((100, 30, mixer.shown.width, mixer.shown.height)).tobytes() == swapped
    mixer.share.value = 50
    assert re.search(r"one pass at 96×96 px; a style is \d{4} numbers", mixer.state.value)


def test_a_wrong_mixture_looks_wrong_or_is_told(mixer):
    def stub(*_):
        raise NotImplementedError("Exercise 8.3: write mixed_norm")
    says_stub(MixExplorer(stub, size=96))
    summed = MixExplorer(lambda act, scales, shifts, weights: mixed_norm(act, scales, shifts, torch.ones_like(weights)), size=96)
    assert summed.problem.value == "" and summed.picture.value != mixer.picture.value
    assert "it returned NoneType" in MixExplorer(lambda *_: None, size=96).problem.value
    assert "NaN or infinity" in MixExplorer(lambda act, *_: act / 0, size=96).problem.value
    crossed = lambda act, scales, shifts, weights: instance_norm(act, scales @ weights, shifts @ weights)
    assert "your function stops with RuntimeError: mat1 and mat2" in MixExplorer(crossed, size=96).problem.value
    torchs_own = MixExplorer(lambda act, *_: F.pad(act, (1, 1), mode="reflect"), size=96)      # torch says "not implemented" too
    assert "your function stops with NotImplementedError: Padding size 2" in torchs_own.problem.value


def test_the_mixer_without_a_kernel(mixer):
    reads_without_a_kernel(mixer, "MixExplorer(mixed_norm=mixed_norm)")


# --- NormExplorer ----------------------------------------------------------------------------------------------------

def make(norm, steps=3):
    one = NormExplorer(norm, size=64)
    one.steps.min, one.steps.step = 1, 1
    one.steps.value = steps
    return one


@pytest.fixture
def explorer():
    one = make(instance_norm)
    yield one
    one.reset.click()
    assert one.wait(30)


def trained(one):
    """The picture's bytes after a training from beginning to end."""
    one.reset.click()
    one.run.click()
    assert one.wait(60)
    assert one.problem.value == "" and "done · step" in one.state.value, one.problem.value + one.state.value
    return one.picture.value


def test_run_trains_both_and_draws_their_losses(explorer):
    start, empty = explorer.picture.value, explorer.curve.value
    assert (explorer.run.disabled, explorer.pause.disabled) == (False, True)
    assert trained(explorer) != start and explorer.curve.value != empty
    assert re.search(r"done · step 3 of 3 · your style loss \d\.\d\d, batch style loss \d\.\d\d<", explorer.state.value)
    assert (explorer.run.disabled, explorer.pause.disabled) == (False, True)


def test_every_control_has_a_label_and_an_effect(explorer):
    before = trained(explorer)
    for control in (explorer.photo, explorer.contrast):                            # these two answer at once
        value = control.value
        control.value = other_value(control)
        assert explorer.picture.value != before and explorer.problem.value == "", control.description
        control.value = value
        assert explorer.picture.value == before, control.description
    for control in (explorer.style, explorer.steps):                               # these at the next run
        value = control.value
        control.value = 2 if control is explorer.steps else other_value(control)
        assert "press Run" in explorer.state.value
        assert trained(explorer) != before, control.description
        control.value = value
    assert trained(explorer) == before
    assert all(one.description for one in [*explorer.controls, explorer.run, explorer.pause, explorer.reset])


def test_more_steps_go_on_from_where_it_stands(explorer):
    trained(explorer)
    explorer.steps.value = 5
    explorer.run.click()
    assert explorer.wait(60) and "step 5 of 5" in explorer.state.value
    assert [trainer.done for trainer in explorer._trainers.values()] == [5, 5]


@pytest.mark.alone
def test_pause_holds_and_run_goes_on_to_the_same_picture(explorer):
    explorer.steps.value = 6
    undisturbed = trained(explorer)
    explorer.reset.click()
    explorer.run.click()
    until(lambda: explorer._done >= 2)
    clicked = time.monotonic()
    explorer.pause.click()
    assert time.monotonic() - clicked < 0.1
    until(lambda: "paused · " in explorer.state.value)
    done, picture = explorer._done, explorer.picture.value
    time.sleep(0.3)
    assert explorer._done == done and explorer.picture.value == picture and not explorer.wait(0)
    explorer.contrast.value = 50
    assert explorer.picture.value != picture                                       # held networks paint what is asked
    explorer.contrast.value = 100
    explorer.run.click()
    assert explorer.wait(60) and explorer.picture.value == undisturbed


def test_reset_ends_the_training_at_once(explorer):
    start = explorer.picture.value
    explorer.steps.value = 300
    explorer.run.click()
    until(lambda: explorer._done >= 1)
    explorer.run.click()
    assert "training already" in explorer.problem.value
    clicked = time.monotonic()
    explorer.reset.click()
    assert time.monotonic() - clicked < 3 and explorer.wait(0)
    assert explorer.picture.value == start and "press Run" in explorer.state.value and explorer._done == 0


def test_the_two_differ_in_nothing_but_their_normalization():
    def batch_norm(act, scale, shift):
        return F.batch_norm(act, None, None, scale[0], shift[0], training=True) if len(act) > 1 else act
    one = make(batch_norm, steps=2)
    trained(one)
    losses = {name: [loss for _, loss in curve] for name, curve in one._losses.items()}
    assert losses["yours"] == pytest.approx(losses["batch"], rel=1e-3)


def test_a_wrong_normalization_is_told_or_looks_wrong(explorer):
    def stub(*_):
        raise NotImplementedError("Exercise 8.1: write normalized")
    one = NormExplorer(stub, size=64)
    says_stub(one)
    one.run.click()
    assert one.wait(10)
    says_stub(one)
    assert "should return [2, 3, 4, 4], it returned [2, 3]" in NormExplorer(lambda act, *_: act.mean(dim=(2, 3)), size=64).problem.value
    assert "NaN or infinity" in NormExplorer(lambda act, *_: act / 0, size=64).problem.value
    assert NormExplorer(lambda act, scale, shift: act, size=64).picture.value != explorer.picture.value
    narrow = make(lambda act, scale, shift: instance_norm(act, scale, shift) if act.shape[1] < 16 else act[:, :9] @ act)
    narrow.run.click()
    assert narrow.wait(30) and "your normalization stops with RuntimeError" in narrow.problem.value


class Dyed(torch.nn.Module):
    """A trained network in short: one normalization, one color."""

    def __init__(self, shift):
        super().__init__()
        self.norm = torch.nn.Module()
        self.norm.scale, self.norm.shift = torch.full((1, 3), 0.1), torch.tensor([shift])
        self.norm.forward = lambda act: act

    def forward(self, photo):
        return F.pad(self.norm(photo), (0, 3, 0, 2))                               # some networks paint a little more than was asked for


def test_networks_that_are_trained_already_are_shown_until_run():
    nets = {"instance": Dyed([0.9, 0.1, 0.1]), "batch": Dyed([0.0, 0.0, 0.0])}
    one = NormExplorer(instance_norm, style="starry", size=64, nets=nets)
    assert one.problem.value == "" and "trained already, in the style starry" in one.state.value
    left, painted, right = (one.shown.crop((at, 40, at + 170, 130)).resize((1, 1)).getpixel((0, 0)) for at in (4, 194, 384))
    assert painted[0] > 200 and painted[2] < 60                                    # the norm's own answer: mean 0.9, 0.1, 0.1
    assert max(abs(a - b) for a, b in zip(left, right)) < 12                       # the other is left as it is: here the photograph
    before = one.picture.value
    one.contrast.value = 50
    assert one.picture.value != before
    assert [net.norm.forward(1) for net in nets.values()] == [1, 1]                # those of the notebook are not touched
    one.steps.min, one.steps.step = 1, 1
    one.steps.value = 2
    one.run.click()
    assert one.wait(60) and "done · step 2 of 2" in one.state.value and one.picture.value != before
    one.reset.click()
    assert "two untrained networks" in one.state.value


def test_trained_networks_with_another_norm_look_other():
    nets = {"instance": Dyed([0.9, 0.1, 0.1]), "batch": Dyed([0.0, 0.0, 0.0])}
    right, wrong = (NormExplorer(norm, size=64, nets=nets) for norm in (instance_norm, lambda act, scale, shift: act))
    assert right.picture.value != wrong.picture.value


def test_it_reads_without_a_kernel(explorer):
    reads_without_a_kernel(explorer, "NormExplorer(norm=instance_norm)")
