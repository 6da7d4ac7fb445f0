"""Lesson 07: the other statistics of style against loops, SciPy and closed forms; their terms; a painting's colors matched."""
import argparse
import itertools

import numpy as np
import pytest
import scipy.linalg
import torch

import nst_lessons as nst
from nst_lessons import Features, Objective, Settings, load_image, style_error, stylize
from nst_lessons.cli import stylize as command
from nst_lessons.gram import (covariance, covariance_root, gram_matrix, mean_and_deviation, nearest_patches, patch_distance,
                              random_directions, sliced_wasserstein, sorted_projections, unit_patches, wasserstein2)
from nst_lessons.images import match_color
from nst_lessons.settings import _CHOICES
from nst_lessons.statistics import TERMS, own_term
from nst_lessons.stylize import paint
from nst_lessons.sweep import content_error

close = torch.testing.assert_close


def some(*shape, seed=0):
    """Activations as after a ReLU, in float64: half of them zero."""
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).relu()


# --- mean, deviation, covariance --------------------------------------------------------------------------------------

def test_mean_and_deviation_by_a_loop():
    act = some(2, 3, 4, 5)
    for b, c in itertools.product(range(2), range(3)):
        values = [act[b, c, y, x].item() for y in range(4) for x in range(5)]
        mean = sum(values) / 20
        deviation = (sum((value - mean)**2 for value in values) / 20)**0.5
        found = [one[b, c].item() for one in mean_and_deviation(act)]
        assert found == pytest.approx([mean, deviation], rel=1e-12)


def test_the_deviation_of_a_silent_channel_has_a_gradient():
    act = torch.zeros(1, 2, 3, 3, requires_grad=True)
    mean_and_deviation(act)[1].sum().backward()
    assert act.grad.isfinite().all()


def test_covariance_is_numpys_and_gram_less_the_means():
    act = some(2, 3, 4, 5)
    for one, cov in zip(act, covariance(act)):
        np.testing.assert_allclose(cov, np.cov(one.flatten(1), bias=True), rtol=1e-12)
    mean = act.mean(dim=(2, 3))
    close(covariance(act), gram_matrix(act) - mean[:, :, None] * mean[:, None])


def test_the_root_of_a_covariance_gives_it_back():
    for positions in (20, 2):                                              # of fewer positions than channels it is not invertible
        cov = covariance(some(2, 5, positions, 1))
        root = covariance_root(cov)
        close(root @ root.mT, cov)


# --- Wasserstein ------------------------------------------------------------------------------------------------------

def gaussian(channels, seed, positions=30):
    act = some(1, channels, positions, 1, seed=seed)
    return act.mean(dim=(2, 3)), covariance(act)


def test_wasserstein2_is_the_formula_with_scipys_matrix_root():
    for channels, positions in ((1, 9), (4, 30), (6, 3)):
        (mean, cov), (other, target) = gaussian(channels, 1, positions), gaussian(channels, 2, positions)
        half = scipy.linalg.sqrtm(target[0].numpy()).real
        cross = scipy.linalg.sqrtm(half @ cov[0].numpy() @ half).real
        expected = ((mean - other)**2).sum() + np.trace(cov[0].numpy() + target[0].numpy() - 2 * cross)
        assert wasserstein2(mean, cov, other, covariance_root(target)).item() == pytest.approx(expected.item(), abs=2e-5)


def test_wasserstein2_of_independent_channels_is_that_of_means_and_deviations():
    deviations, others = some(1, 4, 1, 1, seed=3)[..., 0, 0] + 0.2, some(1, 4, 1, 1, seed=4)[..., 0, 0] + 0.3
    mean, other = torch.ones(1, 4).double(), torch.zeros(1, 4).double()
    found = wasserstein2(mean, torch.diag_embed(deviations**2), other, torch.diag_embed(others))
    close(found, ((mean - other)**2 + (deviations - others)**2).sum(1), rtol=1e-5, atol=0)


def test_wasserstein2_does_not_mind_how_the_root_is_turned():
    (mean, cov), (other, target) = gaussian(4, 1), gaussian(4, 2)
    turned = covariance_root(target) @ torch.linalg.qr(torch.randn(4, 4, dtype=torch.float64)).Q
    close(wasserstein2(mean, cov, other, turned), wasserstein2(mean, cov, other, covariance_root(target)), rtol=1e-6, atol=1e-9)


def test_the_gradient_of_wasserstein2_by_finite_differences():
    act, (other, target) = some(2, 3, 5, 4) + 0.1 * torch.rand(2, 3, 5, 4).double(), gaussian(3, 7)
    distance = lambda x: wasserstein2(x.mean(dim=(2, 3)), covariance(x), other, covariance_root(target))
    assert torch.autograd.gradcheck(distance, act.requires_grad_())


def test_directions_are_at_right_angles():
    directions = random_directions(6, 6)
    close(directions.T @ directions, torch.eye(6), rtol=0, atol=1e-6)
    more = random_directions(6, 15)
    assert more.shape == (6, 15) and torch.equal(more[:, :6], directions) and random_directions(6, 4).shape == (6, 4)
    close(more.norm(dim=0), torch.ones(15))
    assert not torch.equal(random_directions(6, 6, seed=1), directions)


def test_sorted_projections_by_a_loop():
    act, directions = some(2, 3, 4, 5), random_directions(3, 2).double()
    found = sorted_projections(act, directions)
    for b, k in itertools.product(range(2), range(2)):
        values = [sum(act[b, c, y, x] * directions[c, k] for c in range(3)).item() for y in range(4) for x in range(5)]
        assert found[b, k].tolist() == pytest.approx(sorted(values))


def test_sorted_values_are_drawn_together_or_out():
    distance = lambda values, target: sliced_wasserstein(values.view(1, 1, 1, -1), target.view(1, 1, -1), torch.ones(1, 1)).item()
    few, many = torch.tensor([9., 1., 4.]), torch.tensor([1., 1., 4., 4., 9., 9.])
    assert distance(few, many) == pytest.approx(0, abs=1e-12)                              # each pair's middle is the value itself
    few = few.sort().values
    assert distance(few, few + 2) == 4 and distance(few, 3 * few) == pytest.approx(4 * 98 / 3)
    assert distance(torch.linspace(0, 1, 37), torch.linspace(0, 1, 1000)) < 1e-3


def test_sliced_wasserstein_of_moved_activations_is_the_length_of_the_move():
    """Along K directions at right angles that span the space, K · distance = ‖shift‖²."""
    act, shift = some(2, 4, 5, 5), torch.tensor([0.5, -1, 2, 0]).double().view(1, 4, 1, 1)
    directions = random_directions(4, 4).double()
    close(4 * sliced_wasserstein(act + shift, sorted_projections(act, directions), directions), shift.pow(2).sum().expand(2))
    order = torch.randperm(25)
    shuffled = act.flatten(2)[..., order].view_as(act)
    assert sliced_wasserstein(shuffled, sorted_projections(act, directions), directions).max() < 1e-20                    # it does not ask where


def test_sliced_wasserstein_sees_what_the_covariance_does_not():
    """Two maps of one channel, of the same mean and variance: one takes two values, the other is spread evenly."""
    two = torch.tensor([-1., 1.]).repeat(50).view(1, 1, 10, 10)
    even = (torch.linspace(-1, 1, 100) * 3**0.5 * (99 / 101)**0.5).view(1, 1, 10, 10)
    close(covariance(two), covariance(even), rtol=1e-4, atol=0)
    one = torch.ones(1, 1)
    assert sliced_wasserstein(two, sorted_projections(even, one), one).item() == pytest.approx(2 - 3**0.5, abs=0.01)      # 2 − 2 · √3/2


# --- patches ----------------------------------------------------------------------------------------------------------

def test_the_nearest_patch_by_a_loop():
    act, style = some(2, 3, 5, 4), some(1, 3, 4, 6, seed=1)
    mean = style.mean(dim=(2, 3), keepdim=True)
    expected = torch.zeros(2)
    for b in range(2):
        cosines = []
        for y, x in itertools.product(range(3), range(2)):
            mine = (act[b] - mean[0])[:, y:y + 3, x:x + 3].flatten()
            theirs = [(style[0] - mean[0])[:, v:v + 3, u:u + 3].flatten() for v in range(2) for u in range(4)]
            cosines.append(max(torch.cosine_similarity(mine, one, dim=0).item() for one in theirs))
        expected[b] = 1 - sum(cosines) / len(cosines)
    close(patch_distance(act, style).float(), expected)


def test_a_piece_of_the_painting_is_no_distance_away():
    style = some(1, 3, 8, 8)
    assert patch_distance(style[..., 2:7, 1:6], style).item() < 1e-12
    assert patch_distance(style.flip(3), style).item() > 0.05                             # a mirror image has other patches


def test_a_map_smaller_than_a_patch_is_one_patch():
    assert unit_patches(some(2, 3, 2, 1), 0).shape == (2, 27, 1) and unit_patches(some(1, 3, 2, 7), 0).shape == (1, 27, 5)
    small, style = some(1, 3, 2, 2), some(1, 3, 6, 6, seed=1)
    assert torch.equal(unit_patches(small, 0), unit_patches(torch.nn.functional.pad(small, (0, 1, 0, 1), mode="replicate"), 0))
    assert 0 < patch_distance(small, style).item() < 2 and patch_distance(style, small).isfinite().all()


def test_who_is_nearest_has_no_gradient_and_the_distance_does_not_jump():
    style, one, other = some(1, 2, 6, 6), some(1, 2, 6, 6, seed=1), some(1, 2, 6, 6, seed=2)
    along = [patch_distance(one + t * (other - one), style).item() for t in torch.linspace(0, 1, 2001).tolist()]
    assert max(abs(a - b) for a, b in zip(along, along[1:])) < 0.01 * (max(along) - min(along))
    mine, theirs = unit_patches(one.requires_grad_(), 0), unit_patches(style, 0)[0]
    assert nearest_patches(mine, theirs).requires_grad is False


# --- terms ------------------------------------------------------------------------------------------------------------

OTHERS = [name for name in TERMS if name != "gram"]
SUMS = ["gram", "mean_std", "covariance"]                                  # what tiles may add and masks may weight


def term_loss(term, act):
    return term.loss(term.measure({"x": act}, None))


def plain(name, act, style):
    """The statistic's distance by the plain functions, and what it is scaled by."""
    zero = torch.zeros_like(style)
    if name == "gram":
        return (gram_matrix(act) - gram_matrix(style)).pow(2).sum(dim=(1, 2)), 1, gram_matrix(style).pow(2).sum()
    if name == "mean_std":
        distance = lambda a: sum((p - q).pow(2).sum(1) for p, q in zip(mean_and_deviation(a), mean_and_deviation(style)))
    elif name == "covariance":
        root, mean = covariance_root(covariance(style)), style.mean(dim=(2, 3))
        distance = lambda a: wasserstein2(a.mean(dim=(2, 3)), covariance(a), mean, root)
    elif name == "sliced":
        directions = random_directions(style.shape[1], 64).to(style)
        distance = lambda a: sliced_wasserstein(a, sorted_projections(style, directions), directions)
    else:
        return patch_distance(act, style), 0.2, 1
    return distance(act), TERMS[name].strength, distance(zero)


@pytest.mark.parametrize("name", TERMS)
def test_a_term_is_its_plain_function_scaled(name):
    act, style = some(2, 4, 7, 6), some(1, 4, 6, 9, seed=1)
    distance, strength, zero = plain(name, act, style)
    close(term_loss(TERMS[name]("x", style), act), strength * distance / zero, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", ["mean_std", "covariance", "sliced"])
def test_silence_is_as_far_as_the_strength_says(name):
    style = some(1, 4, 6, 9, seed=1)
    assert term_loss(TERMS[name]("x", style), torch.zeros_like(style)).item() == pytest.approx(TERMS[name].strength, rel=1e-4)


@pytest.mark.parametrize("name", TERMS)
def test_a_style_is_no_distance_from_itself_at_any_size(name):
    style = some(1, 4, 6, 8)
    term = TERMS[name]("x", style)
    assert 0 <= term_loss(term, style).item() + 1e-5 < 2e-5
    if name != "patches":                                                  # where pieces meet there are new patches
        near = 0.02 if name == "sliced" else 1e-5                          # four times as many values are no longer the same values
        assert term_loss(term, style.tile(1, 1, 2, 2)).item() == pytest.approx(0, abs=near)
    assert term_loss(term, some(1, 4, 6, 8, seed=5)).item() > 1e-3


@pytest.mark.parametrize("name", TERMS)
def test_sums_over_positions_add_up_and_the_others_say_that_they_do_not(name):
    act, style = some(2, 4, 6, 9), some(1, 4, 6, 9, seed=1)
    term = TERMS[name]("x", style)
    assert term.kind == "style" and term.layers == ["x"] and term.whole == (name not in SUMS)
    left, right, both = (term.measure({"x": part}, None) for part in (act[..., :4], act[..., 4:], act))
    added = {key: left[key] + right[key] for key in both}
    if name in SUMS:
        for key in both:
            close(torch.as_tensor(added[key]), torch.as_tensor(both[key]))
        close(term.loss(added), term.loss(both))
    else:
        assert (term.loss(added) - term.loss(both)).abs().max() > 1e-3


@pytest.mark.parametrize("name", TERMS)
def test_the_gradient_of_a_term_by_finite_differences(name):
    term, act = TERMS[name]("x", some(1, 3, 5, 6, seed=1)), some(2, 3, 4, 5) + 0.1 * torch.rand(2, 3, 4, 5).double()
    assert torch.autograd.gradcheck(lambda x: term_loss(term, x), act.requires_grad_(), eps=1e-7, atol=1e-5)


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("channels, height", [(4, 1), (40, 3)])
def test_channels_that_say_nothing_and_maps_smaller_than_channels(name, channels, height):
    """Gradients stay finite where deviations are zero, and where the covariance has no inverse."""
    style, act = some(1, channels, 4, 4).float(), some(1, channels, 2 + height, 4, seed=2).float()
    style[:, 0], act[:, 1], act[:, 2] = 0, 0, 0.7
    act.requires_grad_()
    loss = term_loss(TERMS[name]("x", style), act)
    loss.sum().backward()
    assert loss.isfinite().all() and act.grad.isfinite().all() and act.grad.abs().sum() > 0


@pytest.mark.parametrize("name", OTHERS)
def test_a_style_without_any_difference(name):
    """A painting of one color: zero, or the same everywhere."""
    for value in (0.0, 0.7):
        term = TERMS[name]("x", torch.full((1, 3, 5, 5), value))
        assert term_loss(term, some(1, 3, 5, 5).float()).isfinite().all()


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_not_a_number_is_a_loss_and_no_crash(name):
    """So that `optimize` can go back and take a smaller step."""
    act = some(1, 3, 5, 5)
    act[0, 1, 2, 2] = float("nan")
    assert not term_loss(TERMS[name]("x", some(1, 3, 5, 5, seed=1)), act).isfinite().all()


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("scaling", ["gatys", "article"])
def test_the_old_formulas_are_for_gram_matrices_only(name, scaling):
    with pytest.raises(ValueError, match=f"scaling '{scaling}' is a formula for Gram matrices; .* take 'relative'"):
        TERMS[name]("x", some(1, 3, 5, 5), scaling)


def test_only_the_patches_that_are_kept_are_searched():
    term = TERMS["patches"]("x", some(1, 2, 80, 90))
    assert 1000 < term.patches.shape[1] <= 2048


# --- in an objective, in a painting, on the command line ---------------------------------------------------------------

@pytest.fixture(scope="module")
def network():
    return Features("tiny", device="cpu")


@pytest.fixture(scope="module")
def pair():
    return load_image("cat", size=48), load_image("mosaic", size=64)


@pytest.mark.parametrize("name", TERMS)
def test_an_objective_with_another_statistic(network, pair, name):
    photo, style = pair
    objective = Objective(network, photo, style, style_term=TERMS[name])
    layers = network.style_layers if name != "patches" else ["relu3_1", "relu4_1"]
    assert [share.term.layer for share in objective.terms if share.term.kind == "style"] == layers
    found, acts = objective(photo).by_layer["style"], network(photo, layers)
    for layer, target in network(style, layers).items():
        close(found[layer], term_loss(TERMS[name]("x", target), acts[layer]) / len(layers))


@pytest.mark.parametrize("name", TERMS)
def test_each_statistic_paints(network, pair, name):
    photo, style = pair
    start, end = None, None
    for progress in paint(photo, style, Settings(statistic=name, steps=30, levels=1), features=network):
        start, end = start or progress.terms.floats(), progress.terms.floats()
    assert end["total"] < 0.9 * start["total"] and end["style"] < start["style"]
    if name != "patches":
        assert style_error(progress.image, style, network) < 0.4 * style_error(photo, style, network)


def test_every_statistic_is_a_setting_and_on_the_command_line(pair):
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers()
    command.add(commands)
    choices = next(action.choices for action in commands.choices["stylize"]._actions if action.dest == "statistic")
    assert tuple(choices) == _CHOICES["statistic"] == tuple(TERMS)
    with pytest.raises(ValueError, match="scaling 'gatys' is a formula for Gram matrices"):
        stylize(*pair, statistic="sliced", scaling="gatys", steps=2)


def test_a_statistic_of_ones_own(network, pair):
    def brightness(act, style_act):
        return (act.mean(dim=(1, 2, 3)) - style_act.mean(dim=(1, 2, 3))).pow(2)
    photo, style = pair
    *_, last = paint(photo, style, Settings(steps=20, levels=1, alpha=0, gamma=0), features=network, style_term=own_term(brightness))
    assert last.terms.style.item() < 1e-4
    expected = Objective(network, photo, style, style_term=own_term(brightness))(photo).by_layer["style"]["relu2_1"]
    close(5 * expected, brightness(network(photo, ["relu2_1"])["relu2_1"], network(style, ["relu2_1"])["relu2_1"]))


def test_content_error_is_relative(network, pair):
    photo, _ = pair
    other = (photo + 0.1 * torch.rand(photo.shape)).clamp(0, 1)
    acts, mine = (network(picture, ["relu3_1", "relu4_2"]) for picture in (photo, other))
    expected = [((mine[name] - acts[name])**2).sum() / (acts[name]**2).sum() for name in acts]
    assert content_error(other, photo, network) == pytest.approx(sum(expected).item() / 2, rel=1e-5)
    assert content_error(photo, photo, network) == 0


# --- colors matched ---------------------------------------------------------------------------------------------------

def colors(picture):
    """Mean [3] and covariance [3, 3] of a picture's colors."""
    values = picture[0].flatten(1).double()
    return values.mean(1), values.cov(correction=0)


def soft(name, size, low=0.35, high=0.65):
    """A sample with its contrast taken back, so that nothing is clamped."""
    return low + (high - low) * load_image(name, size=size)


def test_a_matched_picture_has_the_others_colors():
    style, photo = soft("mosaic", 64), soft("cat", 48)
    matched = match_color(style, photo)
    assert matched.shape == style.shape and matched.dtype == torch.float32
    for mine, theirs in zip(colors(matched), colors(photo)):
        close(mine, theirs, rtol=1e-3, atol=1e-5)
    close(match_color(matched, photo), matched, rtol=0, atol=1e-3)                         # what matches stays as it is


def test_matching_is_linear_and_needs_no_turn():
    """The map is A x + b with A symmetric after whitening by symmetric roots: gray stays gray when both pictures are gray."""
    gray = soft("cat", 48).mean(1, keepdim=True).expand(-1, 3, -1, -1)
    matched = match_color(gray, soft("mosaic", 48).mean(1, keepdim=True).expand(-1, 3, -1, -1))
    assert (matched - matched.mean(1, keepdim=True)).abs().max() < 2e-3


def test_matched_pictures_stay_pictures():
    for style, photo in itertools.product((torch.full((1, 3, 20, 20), 0.4), load_image("starry", size=32), torch.zeros(1, 3, 20, 20)),
                                          (load_image("retina", size=32), torch.full((1, 3, 16, 16), 0.9))):
        matched = match_color(style, photo)
        assert matched.isfinite().all() and 0 <= matched.min() and matched.max() <= 1 and matched.shape == style.shape


def test_matched_colors_reach_the_painting(pair):
    photo, style = pair
    options = {"steps": 8, "levels": 1, "backbone": "random"}
    matched = stylize(photo, style, preserve_color="match", **options)
    expected = stylize(photo, match_color(style, photo), **options)
    close(matched, expected)
    assert torch.equal(stylize(photo, style, preserve_color="luminance", **options), stylize(photo, style, preserve_color=True, **options))
    assert not torch.equal(matched, stylize(photo, style, **options))


def test_the_option_without_a_word_keeps_luminance(tmp_path, monkeypatch):
    from nst_lessons import cli
    monkeypatch.chdir(tmp_path)
    said = {"a.png": ["--preserve-color"], "b.png": ["--preserve-color", "luminance"], "c.png": ["--preserve-color", "match"]}
    for name, words in said.items():
        assert cli.main(["stylize", "cat", "mosaic", "-o", name, "--size", "32", "--steps", "3", "--backbone", "random", "--quiet", *words]) == 0
    kept = [nst.images.read_settings(name)["preserve_color"] for name in said]
    assert kept == [True, "luminance", "match"]
    one, two, three = (load_image(name) for name in said)
    assert torch.equal(one, two) and not torch.equal(one, three)
