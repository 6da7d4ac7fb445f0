"""A one-pass network made steady: the pairs that it learns from, its loss against a plain one, training that can stop, and that it helps."""
import pytest
import torch

from benchmarks import video as bench
from nst_lessons import Features, load_image
from nst_lessons.fast import load_fast, save_fast
from nst_lessons.fast.train import drive
from nst_lessons.video import one_pass, warp, warping_error
from nst_lessons.video.steady import SteadyTrainer, load_steady
from test_fast import small_net

SMALL = {"sizes": (32,), "batch": 2, "seen": (60, 90), "shift": 3.0}


@pytest.fixture(scope="module")
def features():
    return Features("tiny")


def trainer(features, **more):
    net = small_net().requires_grad_(True)
    styles = {"a": load_image("starry", size=48), "b": load_image("waves", size=48)}
    return SteadyTrainer(styles, [load_image("cat", size=100)], net, features, **SMALL | more)


def test_pairs_are_one_photograph_moved_as_the_flow_says(features):
    one = trainer(features, noise=0.0, still=0.0)
    photo, moved, flow, mask, which = one.pair(0)
    assert photo.shape == moved.shape == (2, 3, 32, 32) and flow.shape == (2, 2, 32, 32) and which.tolist() == [0, 1]
    assert flow.abs().max() > 0.3 and mask.mean() > 0.5
    inner = mask.clone()
    inner[..., [0, -1], :] = inner[..., [0, -1]] = 0
    torch.testing.assert_close(inner * moved, inner * warp(photo, flow), rtol=0, atol=1e-4)
    again = trainer(features, noise=0.0, still=0.0).pair(0)
    assert all(torch.equal(a, b) for a, b in zip(again, (photo, moved, flow, mask, which)))
    one.done = 1
    assert not torch.equal(one.pair(0)[0], photo)


def test_still_pairs_differ_by_noise_alone(features):
    photo, moved, flow, mask, _ = trainer(features, still=1.0, noise=0.1).pair(0)
    assert flow.abs().max() < 1e-4 and mask.min() == 1 and 0.001 < (photo - moved).std() < 0.2


def test_a_step_adds_the_temporal_loss(features):
    one = trainer(features, temporal=7.0, alpha=0.2)
    photo, moved, flow, mask, which = one.pair(0)
    with torch.no_grad():
        painted, again = (one.net(x, torch.eye(2)[which]) for x in (photo, moved))
        wanted = sum((mask[b] * (again[b] - warp(painted[b:b + 1], flow[b:b + 1])[0])**2).mean() for b in range(2)) / 2
    losses = one.step(0)
    assert losses["temporal"] == pytest.approx(wanted.item(), rel=1e-3)
    assert losses["total"] == pytest.approx(losses["style"] + 0.2 * losses["content"] + 0.3 * losses["tv"] + 7 * losses["temporal"], rel=1e-3)


def test_training_steadies(features):
    def measured(one):
        one.done = 1000                                                    # pairs that training does not see
        photo, moved, flow, mask, which = one.pair(0)
        with torch.no_grad():
            painted, again = (one.net(x, torch.eye(2)[which]) for x in (photo, moved))
        return (mask * (again - warp(painted, flow)).square()).mean().item()
    before, found = measured(trainer(features)), {}
    for weight in (0.0, 2000.0):
        one = trainer(features, temporal=weight)
        for k in range(20):
            one.step(k / 20)
        found[weight] = measured(one)
    assert found[2000.0] < 0.7 * found[0.0] and found[2000.0] < 2 * before


def test_a_stopped_training_goes_on(features, tmp_path):
    whole = drive(trainer(features), steps=4, progress=False)
    drive(trainer(features), steps=4, checkpoint=tmp_path / "c", progress=False)
    halfway = trainer(features)
    halfway.step(0)
    halfway.step(0.25)
    state, other = halfway.state(), trainer(features)
    other.load(state)
    for over in (0.5, 0.75):
        other.step(over)
    for a, b in zip(whole.parameters(), other.average.parameters()):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def test_what_is_loaded_and_how_it_paints(tmp_path):
    save_fast(small_net(), tmp_path / "net.safetensors")
    net = load_steady(tmp_path / "net.safetensors")
    photo = load_image("cat", size=40)
    paint = one_pass(net, {"a": 0.5, "b": 0.5})
    torch.testing.assert_close(paint(photo), load_fast(tmp_path / "net.safetensors")(photo, {"a": 0.5, "b": 0.5}))
    assert not paint(photo).requires_grad
    assert load_steady().styles == load_fast().styles


def test_the_benchmarks_scenes_move_as_they_say():
    """Carried along by the exact flow, a frame differs from the one before by noise alone."""
    for name, (frames, flows, masks) in bench.scenes((48, 64), 3).items():
        left = [warping_error(*each) for each in zip(frames, frames[1:], flows, masks)]
        assert all(0.5 * bench.NOISE**2 < one < 2.5 * bench.NOISE**2 for one in left), name
        still = [warping_error(a, b, 0 * flow, mask) for a, b, flow, mask in zip(frames, frames[1:], flows, masks)]
        assert min(still) > 1.5 * max(left), name


def test_the_benchmark_measures_flicker_and_style():
    frames, flows, masks = bench.scenes((48, 64), 3)["pan"]
    error, style = bench.flicker(small_net(["starry"]), "starry", frames, flows, masks)
    assert 0 <= error < 0.05 and 0 < style < 5
    assert bench.rate(small_net(), size=32, rounds=3) > 1
