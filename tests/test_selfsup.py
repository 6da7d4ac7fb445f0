"""Lesson 14: the dictionary against a walk by hand and patches with a known answer; the training against loops and closed forms."""
import itertools
import math
import random

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional as F

import nst_lessons as nst
from nst_lessons import Features, Settings, features, selfsup
from nst_lessons.checkpoint import load_checkpoint, save_checkpoint
from nst_lessons.cli import main
from nst_lessons.fast.train import drive
from nst_lessons.scale.reach import reach
from nst_lessons.selfsup.training import COLORED, DEPTHS
from nst_lessons.stylize import paint


def _picture(height=48, width=40, seed=0):
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed))


def _stripes(size=64, across=True, period=8):
    wave = 0.5 + 0.4 * torch.sin(torch.arange(size) * 2 * math.pi / period)
    flat = wave.expand(size, size) if across else wave[:, None].expand(size, size)
    return flat.expand(1, 3, size, size).contiguous()


# --- patches ----------------------------------------------------------------------------------------------------------

def test_patches_are_parts_of_the_pictures_at_three_sizes():
    one, two = torch.full((1, 3, 40, 33), 0.25), _picture()
    found = selfsup.cut_patches([one, two], count=601, side=5)
    assert found.shape == (601, 3, 5, 5)
    assert sum(patch.sub(0.25).abs().max().item() < 1e-6 for patch in found) == 300                 # a flat picture's smaller copies are flat
    windows = {tuple(window.flatten().tolist()) for window in F.unfold(two, 5)[0].T.reshape(-1, 75)}
    at_full_size = sum(tuple(patch.flatten().tolist()) in windows for patch in found)
    assert at_full_size == 100                                                         # a third of 301, and none of the rest by chance
    assert torch.equal(found, selfsup.cut_patches([one, two], count=601, side=5))
    assert not torch.equal(found, selfsup.cut_patches([one, two], count=601, side=5, seed=1))


def test_small_pictures_leave_scales_out_and_too_small_ones_are_refused():
    assert selfsup.cut_patches([_picture(9, 30)], count=50).shape == (50, 3, 7, 7)
    with pytest.raises(ValueError, match=r"30×6 px has no patch of 7×7 px"):
        selfsup.cut_patches([_picture(6, 30)])


def test_whitening_gives_covariance_one_and_is_symmetric():
    torch.manual_seed(0)
    points = torch.randn(4000, 6, dtype=torch.float64) @ torch.randn(6, 6, dtype=torch.float64)
    points -= points.mean(0)
    matrix = selfsup.zca(points, epsilon=0)
    white = points @ matrix
    torch.testing.assert_close(white.T @ white / len(white), torch.eye(6, dtype=torch.float64))
    torch.testing.assert_close(matrix, matrix.T)
    covariance = points.T @ points / len(points)
    softer = selfsup.zca(points, epsilon=0.5)
    torch.testing.assert_close(softer @ softer @ (covariance + 0.5 * torch.eye(6, dtype=torch.float64)), torch.eye(6, dtype=torch.float64))


def test_kmeans_finds_directions_that_were_put_there():
    torch.manual_seed(0)
    true = torch.linalg.qr(torch.randn(8, 8))[0][:4]
    which, length = torch.randint(4, (3000,)), torch.randn(3000, 1) * 3                # either way around
    found = selfsup.spherical_kmeans(length * true[which] + 0.05 * torch.randn(3000, 8), count=12, rounds=20)
    torch.testing.assert_close(found.norm(dim=1), torch.ones(12))
    assert (true @ found.T).abs().amax(1).min() > 0.99


def test_a_round_of_kmeans_equals_a_loop():
    torch.manual_seed(1)
    points = torch.randn(60, 5, dtype=torch.float64)
    before, after = (selfsup.spherical_kmeans(points, 7, rounds=k, seed=3) for k in (0, 1))
    for number in range(7):
        direction = before[number].clone()
        for point in points:
            lengths = [float(point @ other) for other in before]
            if max(range(7), key=lambda k: abs(lengths[k])) == number:
                direction += lengths[number] * point
        torch.testing.assert_close(after[number], direction / direction.norm())


@pytest.fixture(scope="module")
def learned():
    return selfsup.PatchPyramid().learn([_picture(), nst.load_image("mosaic", size=64)], count=2000)


def test_the_pyramid_equals_a_walk_over_its_windows(learned):
    picture = _picture(41, 30, seed=5)
    acts = learned(picture, learned.layers)
    assert list(acts) == ["level1", "level2", "level3", "level4"]
    assert [tuple(act.shape) for act in acts.values()] == [(1, 102, 41, 30), (1, 102, 20, 15), (1, 102, 10, 7), (1, 102, 5, 3)]
    for name, act in acts.items():
        for y, x in [(0, 0), (act.shape[2] - 1, 1), (act.shape[2] // 2, act.shape[3] - 1)]:
            window = torch.stack([picture[0, :, min(max(y + dy, 0), picture.shape[2] - 1), min(max(x + dx, 0), picture.shape[3] - 1)]
                                  for dy, dx in itertools.product(range(-3, 4), repeat=2)], 1)
            heard = torch.stack([(kernel.flatten(1) * window).sum() + shift for kernel, shift in zip(learned.kernels, learned.shifts)])
            torch.testing.assert_close(act[0, :, y, x], torch.cat([heard, -heard]).clamp_min(0), rtol=1e-4, atol=1e-4)
        height, width = picture.shape[2] // 2, picture.shape[3] // 2
        picture = picture[..., :2 * height, :2 * width].reshape(1, 3, height, 2, width, 2).mean(dim=(3, 5))


def test_filters_hear_structure_boxes_hear_color(learned):
    torch.testing.assert_close(learned.kernels[:48].sum(dim=(2, 3)), torch.zeros(48, 3), atol=1e-3, rtol=0)
    dark, red = (torch.tensor(color)[None, :, None, None].expand(1, 3, 16, 16) for color in ([0.2, 0.2, 0.2], [0.8, 0.2, 0.2]))
    difference = (learned(red, ["level1"])["level1"] - learned(dark, ["level1"])["level1"]).abs().amax(dim=(0, 2, 3))
    loud = set(torch.nonzero(difference > 1e-2).flatten().tolist())
    assert loud == {48, 51 + 48}                                                       # red and its negative, and nobody else


def test_responses_have_deviation_one_on_the_patches_they_were_learned_from(learned):
    patches = selfsup.cut_patches([_picture(), nst.load_image("mosaic", size=64)], count=2000)
    heard = torch.einsum("nchw,kchw->nk", patches, learned.kernels) + learned.shifts
    torch.testing.assert_close(heard.std(0), torch.ones(51), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(heard.mean(0), torch.zeros(51), rtol=0, atol=1e-3)


def test_the_dictionary_is_that_of_its_pictures():
    """Upright stripes teach filters that change from left to right, lying ones from top to bottom."""
    for across in (True, False):
        kernels = selfsup.PatchPyramid().learn([_stripes(across=across), _stripes(across=across, period=5)], count=3000).kernels[:48]
        along = kernels.diff(dim=3).square().sum() / kernels.diff(dim=2).square().sum()
        assert (along > 5) if across else (along < 1 / 5), along


def test_a_gray_flat_picture_can_be_learned_from():
    network = selfsup.PatchPyramid().learn([torch.full((1, 3, 32, 32), 0.5)] * 2, count=500)
    assert all(act.isfinite().all() for act in network(_picture(), network.layers).values())


def test_features_of_two_pictures_go_into_every_loss():
    photo, style = _picture(seed=1), nst.load_image("starry", size=64)
    found = selfsup.patch_features(photo, style, count=2000, device="cpu")
    assert found.style_layers == found.layers and found.content_layers == ["level3"]
    image = photo.clone().requires_grad_()
    nst.Objective(found, photo, style)(image).total.backward()
    assert image.grad.isfinite().all() and image.grad.abs().max() > 0
    assert nst.style_error(style, style, found) < 1e-9 < 0.01 < nst.style_error(photo, style, found)      # threads sum in another order


def test_a_dictionary_that_learned_nothing_says_so_and_ready_leaves_it_alone():
    empty = Features("patches", device="cpu")
    with pytest.raises(ValueError, match=r"selfsup.patch_features\(photo, style\)"):
        empty(_picture(), ["level1"])
    filled = selfsup.ready(empty, [_picture()])
    assert filled.backbone.learned and not empty.backbone.learned
    assert selfsup.ready(filled, [_picture(seed=2)]) is filled                         # what is learned stays
    tiny = Features("tiny", weights="random", device="cpu")
    assert selfsup.ready(tiny, [_picture()]) is tiny


def test_stylize_learns_from_the_pictures_that_it_paints():
    photo, style = _picture(seed=1), nst.load_image("starry", size=64)               # the size at which stylize takes it
    own = selfsup.patch_features(photo, style, device="cpu")
    last = [*paint(photo, style, Settings(steps=6, levels=1, backbone="patches"), own)][-1]
    painted = nst.stylize(photo, style, steps=6, levels=1, backbone="patches")
    torch.testing.assert_close(painted, last.image.clamp(0, 1), rtol=1e-3, atol=1e-3)
    assert nst.style_error(painted, style, own) < 0.7 * nst.style_error(photo, style, own)


def test_a_learned_dictionary_is_kept_in_a_file(learned, tmp_path):
    save_file(learned.state_dict(), tmp_path / "own.safetensors")
    again = Features("patches", weights=tmp_path / "own.safetensors", device="cpu")
    torch.testing.assert_close(again(_picture(), ["level3"])["level3"], learned(_picture(), ["level3"])["level3"])
    drawn = Features("patches", weights="random", device="cpu").backbone.learn([_picture()], count=500)
    assert drawn.drawn and (drawn.kernels != 0).any()


def test_tiles_know_how_far_the_dictionary_looks(learned, monkeypatch):
    monkeypatch.setitem(features._BUILDERS, "fixed", lambda weights, pooling: learned)
    found = reach(Features("fixed", device="cpu"), ["level1", "level3"], torch.zeros(1))
    assert found.strides == {"level1": 1, "level3": 4} and found.margin >= 12 and found.stride == 4


# --- the network ------------------------------------------------------------------------------------------------------

def test_the_network_has_vggs_layers_and_fits_into_four_megabytes():
    net = Features("selfsup", weights="random", device="cpu")
    assert net.style_layers == ["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"] and net.content_layers == ["relu3_1", "relu4_2"]
    assert sum(p.numel() for p in net.parameters()) * 2 < 4e6
    x, expected = (_picture() - 0.45) / 0.25, {}
    for name, conv in net.backbone.convs.items():
        x = F.max_pool2d(x, 2) if name in ("2_1", "3_1", "4_1", "5_1") else x
        expected["conv" + name] = x = F.conv2d(x, conv.weight, conv.bias, padding=1)
        expected["relu" + name] = x = x.clamp_min(0)
    acts = net(_picture(), net.layers)
    assert list(acts) == list(expected)
    for name, act in acts.items():
        torch.testing.assert_close(act, expected[name], rtol=1e-4, atol=1e-4)


def test_folding_takes_the_normalization_out_and_changes_nothing():
    torch.manual_seed(0)
    normed = selfsup.SelfNet(normed=True)
    for norm in normed.norms.values():
        nn.init.uniform_(norm.weight, 0.5, 2)
        nn.init.normal_(norm.bias)
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
    plain = selfsup.folded(normed)
    assert not plain.norms
    for name, act in normed.eval()(_picture(), normed.layers).items():
        torch.testing.assert_close(plain(_picture(), plain.layers)[name], act, rtol=1e-3, atol=1e-4)


# --- views ------------------------------------------------------------------------------------------------------------

def test_points_of_two_views_are_the_same_places_of_the_photograph():
    """In a photograph whose colors *are* its coordinates, a point has one color in both views, but for the light."""
    y, x = torch.meshgrid(torch.linspace(0, 1, 160), torch.linspace(0, 1, 200), indexing="ij")
    photo = torch.stack([x, y, 1 - x])[None]
    for seed in range(12):
        rng = random.Random(seed)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("nst_lessons.selfsup.views.jittered", lambda view, rng: view)
            one, other, here, there, turns = selfsup.two_views(photo, 48, (160, 300), 20, rng)
        assert one.shape == other.shape == (1, 3, 48, 48) and here.shape == there.shape == (1, 20, 2) and turns in range(4)
        assert max(here.abs().max(), there.abs().max()) <= 1 + 1e-6
        inside = (here.abs().amax(2) < 0.9) & (there.abs().amax(2) < 0.9)              # at the very edge half pixels are missing
        difference = selfsup.at_points(one, here) - selfsup.at_points(other, there)
        assert difference[inside[0]].abs().max() < 0.004                               # a fiftieth of the photograph would be 0.02
        step = one.diff(dim=3).mean(dim=(0, 2, 3)), one.diff(dim=2).mean(dim=(0, 2, 3))
        upright = step[1][1] > 0 and step[1][1] > step[0][1].abs()                     # green grows downward in an unturned one
        assert upright == (turns == 0)


def test_at_points_reads_between_positions():
    act = torch.arange(12.0).view(1, 1, 3, 4)
    centers = torch.tensor([[[-0.75, -2 / 3], [0.25, 0.0], [0.0, 0.0]]])               # pixel (0, 0), pixel (1, 2), between (1, 1) and (1, 2)
    torch.testing.assert_close(selfsup.at_points(act, centers), torch.tensor([[0.0], [6.0], [5.5]]))


def test_the_light_changes_and_the_shape_stays():
    photo, found = nst.load_image("cat", size=48), []
    for seed in range(40):
        lit = selfsup.jittered(photo, random.Random(seed))
        assert lit.shape == photo.shape and lit.min() >= 0 and lit.max() <= 1
        assert torch.equal(lit, selfsup.jittered(photo, random.Random(seed)))
        found.append(torch.corrcoef(torch.stack([lit.mean(1).flatten(), photo.mean(1).flatten()]))[0, 1].item())
    assert min(found) > 0.7 and not torch.equal(selfsup.jittered(photo, random.Random(0)), selfsup.jittered(photo, random.Random(1)))


# --- training ---------------------------------------------------------------------------------------------------------

def test_contrast_equals_a_loop_and_chance_gets_log_n():
    torch.manual_seed(0)
    one, other = (F.normalize(torch.randn(9, 5, dtype=torch.float64), dim=1) for _ in range(2))
    total = 0
    for mine, theirs in ((one, other), (other, one)):
        for n in range(9):
            scores = [math.exp(float(mine[n] @ theirs[k]) / 0.3) for k in range(9)]
            total -= math.log(scores[n] / sum(scores)) / 18
    assert selfsup.contrast(one, other, 0.3).item() == pytest.approx(total, rel=1e-9)
    same = F.normalize(torch.ones(9, 5), dim=1)
    assert selfsup.contrast(same, same).item() == pytest.approx(math.log(9), rel=1e-5)
    assert selfsup.contrast(torch.eye(9), torch.eye(9), 0.02).item() < 1e-6            # who tells them all apart gets nothing


def test_colors_are_asked_of_the_places_where_the_points_are():
    """A view of four flat quarters: each point's color is its quarter's at every layer, and a guess that is 0.1 off costs 0.01."""
    view = torch.tensor([[[0.1, 0.9], [0.3, 0.5]], [[0.2, 0.4], [0.8, 0.6]], [[0.7, 0.0], [1.0, 0.5]]])[None]
    view = view.repeat_interleave(32, 2).repeat_interleave(32, 3)
    points = torch.tensor([[[-0.5, -0.5], [0.5, -0.5], [-0.5, 0.5], [0.5, 0.5]]])
    colors = torch.tensor([[0.1, 0.2, 0.7], [0.9, 0.4, 0.0], [0.3, 0.8, 1.0], [0.5, 0.6, 0.5]])
    assert selfsup.off_color(dict.fromkeys(COLORED, colors), view, points).item() < 1e-12
    assert selfsup.off_color(dict.fromkeys(COLORED, colors + 0.1), view, points).item() == pytest.approx(0.01, rel=1e-5)
    wrong = dict.fromkeys(COLORED, colors) | {"3_1": colors + 0.1}
    assert selfsup.off_color(wrong, view, points).item() == pytest.approx(0.01 / len(COLORED), rel=1e-5)


@pytest.fixture(scope="module")
def photos():
    return [(nst.load_image(name, size=128) * 255).byte() for name in ("cat", "astronaut", "starry")]


def _trainer(photos, **options):
    return selfsup.SelfTrainer(photos, device="cpu", **{"size": 32, "batch": 4, "points": 4, "seen": (80, 128)} | options)


def test_training_learns_which_point_is_which(photos):
    trainer = _trainer(photos, batch=6)
    losses = [trainer.step(0.0) for _ in range(24)]
    early, late = (sum(loss["contrast"] for loss in part) / len(part) for part in (losses[:2], losses[-6:]))
    assert early > 0.8 * math.log(24) and late < 0.8 * early, (early, late)


def test_a_resumed_training_is_the_undisturbed_one(photos, tmp_path):
    whole = _trainer(photos)
    drive(whole, steps=4, progress=False)
    half = _trainer(photos)
    for k in range(2):
        half.step(k / 4)
    state, again = half.state(), _trainer(photos)
    save_checkpoint(state, tmp_path / "half.checkpoint")
    again.load(load_checkpoint(tmp_path / "half.checkpoint"))
    for k in range(2, 4):
        again.step(k / 4)
    for name, tensor in whole.average.state_dict().items():
        torch.testing.assert_close(again.average.state_dict()[name], tensor, rtol=1e-4, atol=1e-5)


def test_what_is_written_is_what_the_average_sees(photos, tmp_path):
    trainer = _trainer(photos)
    trainer.step(0.0)
    path = selfsup.save_self(trainer.network(), tmp_path / "own.safetensors")
    assert path.stat().st_size < 4e6 and {tensor.dtype for tensor in load_file(path).values()} == {torch.float16}
    names = ["relu" + name for name in DEPTHS]
    seen, expected = Features("selfsup", weights=path, device="cpu")(_picture(), names), trainer.average.trunk(_picture(), names)
    for name in names:
        assert (seen[name] - expected[name]).norm() < 0.01 * expected[name].norm()


# --- the softmax that mends peaky maps --------------------------------------------------------------------------------

def test_smoothing_equals_the_formula_and_does_not_depend_on_size():
    act = torch.randn(2, 3, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for one, smooth in zip(act, features.smoothed(act)):
        total = sum(math.exp(value) for value in one.flatten().tolist())
        expected = [math.exp(value) / total * 60 for value in one.flatten().tolist()]
        torch.testing.assert_close(smooth.flatten(), torch.tensor(expected, dtype=torch.float64))
    tiled = features.smoothed(act.repeat(1, 1, 2, 3))
    torch.testing.assert_close(tiled, features.smoothed(act).repeat(1, 1, 2, 3))       # so Gram matrices of any two sizes compare
    assert features.smoothed(1000 * act).isfinite().all()


@pytest.mark.parametrize("name", ["resnet50", "tiny"])
def test_features_smooth_what_the_network_gives(name):
    plain, smooth = (Features(name, weights="random", device="cpu", smooth=smooth) for smooth in (False, True))
    assert smooth.layers == plain.layers and smooth.style_layers == plain.style_layers and smooth.content_layers == plain.content_layers
    names = plain.style_layers[:2]
    acts = smooth(_picture(64, 64), names)
    for layer, act in plain(_picture(64, 64), names).items():
        values = act[0].double().flatten()
        expected = (values - values.max()).exp()
        torch.testing.assert_close(acts[layer].flatten().double(), expected / expected.mean(), rtol=1e-4, atol=1e-6)


def test_smoothing_goes_through_settings_and_command_line(tmp_path):
    photo, style = _picture(64, 64), _picture(64, 64, seed=3)
    options = {"backbone": "resnet50", "weights": "random", "steps": 3, "levels": 1}
    assert not torch.equal(nst.stylize(photo, style, **options), nst.stylize(photo, style, **options, smooth=True))
    with pytest.raises(ValueError, match="smooth='yes' makes no sense"):
        Settings(smooth="yes")
    target = tmp_path / "out.png"
    assert not main(["stylize", "cat", "mosaic", "-o", str(target), "--size", "48", "--steps", "2", "--backbone", "patches",
                     "--smooth", "--quiet"])
    assert nst.load_image(target).shape[3] == 48
