"""Flow, warping and masks by known answers: pictures moved in a known way, loops, and a stereo pair with its true disparity."""
import importlib
import math
import random
from importlib import resources

import numpy as np
import pytest
import torch

from nst_lessons import load_image
from nst_lessons.loading import WeightsError
from nst_lessons.video import Motion, consistent, crossing, flow, flow_color, inside, pan, random_motion, smooth, trust, warp
from nst_lessons.video.synthetic import _window

cv2 = pytest.importorskip("cv2")


def constant(right, down, shape=(32, 40)):
    return torch.tensor([right, down], dtype=torch.float32).view(1, 2, 1, 1).expand(1, 2, *shape).clone()


def test_warping_is_bilinear_reading_at_the_place_the_flow_points_to():
    torch.manual_seed(0)
    image, field = torch.rand(1, 3, 9, 11), 3 * torch.randn(1, 2, 9, 11)
    expected = torch.zeros_like(image)
    for y in range(9):
        for x in range(11):
            at_x, at_y = min(max(x + field[0, 0, y, x].item(), 0), 10), min(max(y + field[0, 1, y, x].item(), 0), 8)
            left, top = min(math.floor(at_x), 9), min(math.floor(at_y), 7)
            p, q = at_x - left, at_y - top
            corner = image[0, :, top:top + 2, left:left + 2]
            expected[0, :, y, x] = ((1 - q) * ((1 - p) * corner[:, 0, 0] + p * corner[:, 0, 1])
                                    + q * ((1 - p) * corner[:, 1, 0] + p * corner[:, 1, 1]))
    torch.testing.assert_close(warp(image, field), expected, rtol=1e-4, atol=1e-5)
    seen = inside(field)
    for y in range(9):
        for x in range(11):
            at = (x + field[0, 0, y, x].item(), y + field[0, 1, y, x].item())
            assert seen[0, 0, y, x].item() == (0 <= at[0] <= 10 and 0 <= at[1] <= 8)


def test_whole_steps_are_slices_and_sizes_are_checked():
    image = torch.rand(1, 3, 32, 40)
    torch.testing.assert_close(warp(image, constant(3, -2))[..., 2:, :-3], image[..., :-2, 3:], rtol=0, atol=1e-5)
    with pytest.raises(ValueError, match="wants a flow"):
        warp(image, constant(1, 1, (8, 8)))


@pytest.mark.parametrize("motion", [Motion(2.5, -1), Motion(zoom=1.1), Motion(turn=0.2), Motion(3, 1, 0.9, -0.1)])
def test_exact_flows_undo_each_other(motion):
    forward, backward = motion.forward((40, 56)), motion.backward((40, 56))
    there = warp(forward, backward) + backward                             # flows are linear in x and y, so bilinear reading is exact
    assert (there * inside(backward)).abs().max() < 1e-3
    assert consistent(backward, forward)[inside(backward) > 0].min() == 1


def test_a_turn_of_a_quarter_by_hand():
    moved = Motion(turn=math.pi / 2).forward((5, 5))                       # (x, y) about the middle → (−y, x)
    assert moved[0, :, 2, 4].tolist() == pytest.approx([-2, 2], abs=1e-5) and moved[0, :, 2, 2].tolist() == pytest.approx([0, 0], abs=1e-5)
    assert Motion(zoom=2).forward((5, 5))[0, :, 0, 2].tolist() == pytest.approx([0, -2], abs=1e-5)


def test_random_motion_stays_within_what_was_said():
    rng = random.Random(0)
    for _ in range(50):
        motion = random_motion(rng, 4, 0.1, 0.2)
        assert max(abs(motion.right), abs(motion.down)) <= 4 and abs(motion.zoom - 1) <= 0.1 and abs(motion.turn) <= 0.2


def ruder(backward, forward):
    """Equations 5 and 6 of Ruder et al. 2016 in loops, and whether the place lies inside."""
    _, _, height, width = backward.shape
    w, there = backward[0].numpy(), warp(forward, backward)[0].numpy()
    result = np.ones((height, width))
    for y in range(height):
        for x in range(width):
            if np.sum((there[:, y, x] + w[:, y, x])**2) >= 0.01 * (np.sum(there[:, y, x]**2) + np.sum(w[:, y, x]**2)) + 0.5:
                result[y, x] = 0
            change = sum(np.sum((w[:, y + b, x + a] - w[:, y, x])**2) for a, b in ((1, 0), (0, 1)) if x + a < width and y + b < height)
            if change > 0.01 * np.sum(w[:, y, x]**2) + 0.002:
                result[y, x] = 0
            if not (0 <= x + w[0, y, x] <= width - 1 and 0 <= y + w[1, y, x] <= height - 1):
                result[y, x] = 0
    return result


def test_trust_is_ruders_in_loops():
    torch.manual_seed(1)
    rough = 2 + torch.nn.functional.interpolate(torch.randn(1, 2, 4, 5), (24, 30), mode="bicubic")
    forward = -rough + 0.5 * torch.randn(1, 2, 24, 30)
    found = trust(rough, forward)[0, 0].numpy()
    np.testing.assert_array_equal(found, ruder(rough, forward))
    assert 0.02 < found.mean() < 0.98


def test_what_was_hidden_is_not_trusted():
    """A square goes 4 px to the right: where it was, the background comes to light; at its border the flow jumps."""
    where = torch.zeros(1, 1, 32, 40)
    where[..., 10:20, 8:18] = 1
    forward, after = 4 * torch.cat([where, 0 * where], 1), torch.roll(where, 4, 3)
    backward = -4 * torch.cat([after, 0 * after], 1)
    assert consistent(backward, forward)[0, 0, 10:20, 8:12].max() == 0     # uncovered
    assert trust(backward, forward)[0, 0, 11:18, 13:20].min() == 1         # the thing itself
    assert smooth(backward)[0, 0, 12, 11] == 0 and smooth(backward)[0, 0, 12, 21] == 0
    assert trust(backward, forward)[0, 0, :8].min() == 1                   # far away


def test_pan_has_the_flow_that_it_says():
    photo, step = load_image("cat", size=128), (3, 2)
    first, second = pan(photo, (48, 64), 2, step)
    torch.testing.assert_close(warp(first.image, constant(*step, (48, 64)))[..., :-2, :-3], second.image[..., :-2, :-3], rtol=0, atol=1e-5)
    back = list(pan(photo, (48, 64), 3, (-1.5, 0.5)))
    assert len(back) == 3 and all(frame.image.shape == (1, 3, 48, 64) for frame in back)
    torch.testing.assert_close(_window(photo, 2.5, 3, (5, 6)), (photo[..., 3:8, 2:8] + photo[..., 3:8, 3:9]) / 2)


def test_crossing_moves_a_thing_and_nothing_else():
    back, thing, mask = torch.full((1, 3, 40, 50), 0.2), torch.full((1, 3, 8, 9), 0.9), torch.ones(1, 1, 8, 9)
    for number, (frame, where) in enumerate(crossing(back, thing, mask, 3, (3, 2), (5, 4))):
        expected = back.clone()
        expected[..., 4 + 2 * number:12 + 2 * number, 5 + 3 * number:14 + 3 * number] = 0.9
        torch.testing.assert_close(frame.image, expected)
        assert torch.equal(where > 0, expected[:, :1] > 0.5)
    with pytest.raises(ValueError, match="leaves the picture"):
        list(crossing(back, thing, mask, 30, (3, 2)))


@pytest.mark.parametrize("motion", [Motion(4.5, -2.5), Motion(zoom=1.04), Motion(1, 1, turn=0.03)])
def test_dis_finds_a_known_motion(motion):
    second = load_image("motorcycle", size=160)
    forward = motion.forward(second.shape[2:])
    first = warp(second, forward)                                          # what is at x in the first is at x + flow(x) in the second
    error = (flow(first, second) - forward).norm(dim=1, keepdim=True)
    seen = torch.zeros_like(error)
    seen[..., 12:-12, 12:-12] = 1
    assert error[seen > 0].mean() < 0.3                                    # px


def test_dis_finds_the_true_disparity_of_a_stereo_pair():
    data = resources.files("skimage") / "data"
    if not (data / "motorcycle_disp.npz").is_file():
        pytest.skip("this scikit-image lacks the stereo pair's disparity")
    left, right = (load_image(str(data / f"motorcycle_{side}.png")) for side in ("left", "right"))
    with np.load(str(data / "motorcycle_disp.npz")) as file:
        disparity = torch.from_numpy(file[file.files[0]].astype(np.float32))
    found = flow(left, right)
    known = torch.isfinite(disparity) & (disparity > 0)
    error = (found[0, 0] + disparity).abs()[known]                         # what is at x on the left is at x − d on the right
    assert error.median() < 1 and (error < 3).float().mean() > 0.75
    assert found[0, 1][known].abs().median() < 0.5


def test_flow_says_what_it_cannot_do(monkeypatch):
    a = torch.rand(1, 3, 32, 32)
    with pytest.raises(ValueError, match="unknown flow 'x'; choose one of dis, raft"):
        flow(a, a, "x")
    with pytest.raises(ValueError, match="of one size"):
        flow(a, a[..., :30])

    def nothing(name, version, instead):
        raise WeightsError(f"no network for {name}; {instead}")
    monkeypatch.setattr("nst_lessons.loading.torchvision_weights", nothing)
    with pytest.raises(WeightsError, match="raft_small; the flow 'dis' needs no weights"):
        flow(a, a, "raft")


def test_raft_is_asked_with_padding_and_answers_in_the_pictures_own_size(monkeypatch):
    """In the network's place a stand-in that says what it was asked, and whose last guess tells columns apart."""
    module = importlib.import_module("nst_lessons.video.flow")             # the package's own name `flow` is the function
    asked = []

    def network(first, second):
        asked.append((first, second))
        return [torch.zeros(1, 2, *first.shape[2:]), torch.arange(first.shape[3]).float().expand(1, 2, *first.shape[2:])]
    monkeypatch.setattr(module, "_raft_network", lambda: network)
    a, b = torch.rand(1, 3, 140, 131), torch.rand(1, 3, 140, 131)
    found = flow(a, b, "raft")
    assert found.shape == (1, 2, 140, 131) and found[0, 0, 0].tolist() == list(range(131))
    first, second = asked[0]
    assert first.shape == (1, 3, 144, 136)
    torch.testing.assert_close(first[..., :140, :131], 2 * a - 1)
    torch.testing.assert_close(second[..., :140, :131], 2 * b - 1)


def test_colors_of_flow():
    still = flow_color(constant(0, 0, (4, 4)))
    assert (still == 1).all()
    directions = [flow_color(constant(5 * math.cos(t), 5 * math.sin(t), (2, 2)), largest=5)[0, :, 0, 0] for t in (0, 2 * math.pi / 3, -2 * math.pi / 3)]
    assert [color.argmax().item() for color in directions] == [0, 1, 2]
    for color in directions:
        assert sorted(color.tolist()) == pytest.approx([0.25, 0.25, 1], abs=1e-4)
    half = flow_color(constant(2.5, 0, (2, 2)), largest=5)[0, :, 0, 0]
    torch.testing.assert_close(half, 0.5 + 0.5 * directions[0])
