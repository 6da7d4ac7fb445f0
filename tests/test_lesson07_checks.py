"""Lesson 07's checks: right answers however they are written, and the wrong ones that people write, each told why."""
import itertools

import pytest
import torch
from torch.nn import functional as F

from classroom import accepts, knows_a_stub, refuses
from nst_lessons import gram, images
from nst_lessons.checks import check_combinations, check_match_color, check_sliced
from nst_lessons.gram import sorted_projections
from nst_lessons.sweep import combinations


# --- right answers ----------------------------------------------------------------------------------------------------

def by_recursion(grid):
    if not grid:
        return [{}]
    name, *rest = grid
    return [{name: value, **one} for value in grid[name] for one in by_recursion({other: grid[other] for other in rest})]


def statistics(picture, correction=0):
    values = picture[0].flatten(1)
    return values, values.mean(1, keepdim=True), torch.cov(values, correction=correction)


def power(matrix, exponent):
    values, vectors = torch.linalg.eigh(matrix)
    return vectors @ torch.diag(values**exponent) @ vectors.T


def matched(rule, clamp=True, correction=0):
    """match_color by rule(Σ, Σ′) → matrix."""
    def match(style, photo):
        (values, mean, cov), (_, other, target) = statistics(style, correction), statistics(photo, correction)
        moved = (rule(cov, target) @ (values - mean) + other).reshape(style.shape)
        return moved.clamp(0, 1) if clamp else moved
    return match


symmetric = lambda cov, target: power(target, 0.5) @ power(cov, -0.5)


def drawn(target, count):
    return F.interpolate(target, count, mode="linear", align_corners=False)


def of(rule):
    """A distance by rule(mine, target), of sorted rows [B, K, M] both."""
    def distance(act, target, directions):
        mine = sorted_projections(act, directions)
        return rule(mine, drawn(target, mine.shape[2]))
    return distance


both = dict(dim=(1, 2))
right_slices = of(lambda mine, theirs: (mine - theirs).pow(2).mean(**both))


def by_sorting_pictures(act, target, directions):
    flat = torch.einsum("bchw,ck->bkhw", act, directions).flatten(2)
    mine, _ = torch.sort(flat, dim=-1)
    return torch.stack([F.mse_loss(one, drawn(target, mine.shape[2])[0]) for one in mine])


def test_right_answers(capsys):
    accepts(check_combinations, capsys, combinations, by_recursion,
            lambda grid: [dict(zip(grid.keys(), values)) for values in itertools.product(*grid.values())])
    accepts(check_match_color, capsys, images.match_color, matched(symmetric))
    accepts(check_sliced, capsys, gram.sliced_wasserstein, right_slices, by_sorting_pictures)


@pytest.mark.parametrize("check", [check_combinations, check_match_color, check_sliced])
def test_stubs(check):
    knows_a_stub(check)


# --- combinations -----------------------------------------------------------------------------------------------------

def one_dictionary(grid):
    found, one = [], {}
    for values in itertools.product(*grid.values()):
        one.update(zip(grid, values))
        found.append(one)
    return found


def one_knob_at_a_time(grid):
    first = {name: values[0] for name, values in grid.items()}
    return [first] + [{**first, name: value} for name, values in grid.items() for value in values[1:]]


def empties(grid):
    found = combinations(grid)
    grid.clear()
    return found


CACHE = {}


def remembered(grid):
    return CACHE.setdefault(repr(grid), combinations(grid))


COMBINATIONS = {
    "went through all lists at once": lambda grid: [dict(zip(grid, values)) for values in zip(*grid.values())],
    "all combinations are the same": one_dictionary,
    "in another order": lambda grid: [dict(zip(grid, values[::-1])) for values in itertools.product(*list(grid.values())[::-1])],
    "is to be a dictionary": lambda grid: list(itertools.product(*grid.values())),
    "a list is wanted, this is a generator": lambda grid: (dict(zip(grid, values)) for values in itertools.product(*grid.values())),
    "turn one knob at a time": one_knob_at_a_time,
    "a value for each name": lambda grid: [{name: value} for name, values in grid.items() for value in values] if len(grid) > 1 else combinations(grid),
    "a whole list stands where": lambda grid: [dict(grid)] * len(combinations(grid)) if len(grid) == 3 else combinations(grid),
    "some occur twice": lambda grid: combinations(grid) + combinations(grid)[:1],
    "does every path": lambda grid: None,
    "changes the grid": empties,
    "stops on a grid of 1 name with": lambda grid: [{a: x, b: y} for (a, xs), (b, ys) in [grid.items()] for x in xs for y in ys],
    "share one dictionary": remembered,
    "a list is wanted, this is a tuple": lambda grid: tuple(combinations(grid)),
    "asks for the name 'steps'": lambda grid: [{"alpha": a, "steps": n} for a in grid["alpha"] for n in grid["steps"]],
    "the letters of the names": lambda grid: [dict(zip(grid, values)) for values in itertools.product(*grid)],
    "names and values have changed places": lambda grid: [dict(zip(values, grid)) for values in itertools.product(*grid.values())],
    "does `return` stand inside the loop?": lambda grid: combinations(grid)[:1],
    "in a list of its own": lambda grid: [{name: [value] for name, value in one.items()} for one in combinations(grid)],
    "makes 6 combinations, yours are 5": lambda grid: combinations(grid)[:-1] if len(grid) == 2 else combinations(grid),
}


@pytest.mark.parametrize("says", COMBINATIONS)
def test_wrong_combinations(says, capsys):
    if says == "a whole list stands where":
        refuses(check_combinations, COMBINATIONS[says], "all combinations are the same")
        refuses(check_combinations, lambda grid: [{**one, "steps": grid["steps"]} if "steps" in grid else one for one in combinations(grid)], says)
    else:
        refuses(check_combinations, COMBINATIONS[says], says)
    accepts(check_combinations, capsys, combinations)                              # whatever the wrong answer did to its grid


# --- colors -----------------------------------------------------------------------------------------------------------

def moved(matrix=symmetric, before=lambda mean, other: mean, after=lambda mean, other: other, clamp=True):
    def match(style, photo):
        (values, mean, cov), (_, other, target) = statistics(style), statistics(photo)
        result = (matrix(cov, target) @ (values - before(mean, other)) + after(mean, other)).reshape(style.shape)
        return result.clamp(0, 1) if clamp else result
    return match


def in_place(style, photo):
    style -= 0.01
    return matched(symmetric)(style, photo)


def mixed_divisors(style, photo):
    (values, mean, cov), (_, other, target) = statistics(style), statistics(photo, 1)
    return (symmetric(cov, target) @ (values - mean) + other).clamp(0, 1).reshape(style.shape)


def by_grams(style, photo):
    (values, mean, _), (_, other, _) = statistics(style), statistics(photo)
    return (symmetric(gram.gram_matrix(style)[0], gram.gram_matrix(photo)[0]) @ (values - mean) + other).clamp(0, 1).reshape(style.shape)


def stretched(picture):
    return (picture - picture.min()) / (picture.max() - picture.min())


def by_channels(style, photo):
    (m, s), (other, target) = ((one.mean((2, 3), keepdim=True), one.std((2, 3), keepdim=True)) for one in (style, photo))
    return ((style - m) / s * target + other).clamp(0, 1)


COLORS = {
    "each channel got its own mean and deviation": moved(lambda cov, target: torch.diag((target.diagonal() / cov.diagonal()).sqrt())),
    "the painting's mean was added again": moved(after=lambda mean, other: mean),
    "no mean is added at the end": moved(after=lambda mean, other: 0, clamp=False),
    "and then values below 0 were clamped": moved(after=lambda mean, other: 0),
    "was not taken away": moved(before=lambda mean, other: 0),
    "are only made plain": moved(lambda cov, target: power(cov, -0.5)),
    "was never taken out": moved(lambda cov, target: power(target, 0.5)),
    "in the wrong order": moved(lambda cov, target: power(cov, -0.5) @ power(target, 0.5)),
    "their roots are wanted": moved(lambda cov, target: target @ torch.linalg.inv(cov)),
    "are exchanged within the formula": moved(lambda cov, target: power(cov, 0.5) @ power(target, -0.5)),
    "the way by Cholesky factors": moved(lambda cov, target: torch.linalg.cholesky(target) @ torch.linalg.inv(torch.linalg.cholesky(cov))),
    "÷ (H·W − 1)": matched(symmetric, correction=1),
    "that is the photograph in the painting's colors": lambda style, photo: matched(symmetric)(photo, style),
    "was not changed at all": lambda style, photo: style.clone(),
    "and the other ÷ H·W": lambda style, photo: mixed_divisors(style, photo),
    "one mean is taken over all channels": moved(before=lambda mean, other: mean.mean(), after=lambda mean, other: other.mean()),
    "the exponents are exchanged": moved(lambda cov, target: power(target, -0.5) @ power(cov, 0.5)),
    "both exponents are 0.5": moved(lambda cov, target: power(target, 0.5) @ power(cov, 0.5)),
    "both exponents are -0.5": moved(lambda cov, target: power(target, -0.5) @ power(cov, -0.5)),
    "the painting's exponent is -1": moved(lambda cov, target: power(target, 0.5) @ power(cov, -1)),
    "the photograph's mean was taken away": moved(before=lambda mean, other: other),
    "multiplied entry by entry": moved(lambda cov, target: power(target, 0.5) * power(cov, -0.5)),
    "did you take the root of each entry": moved(lambda cov, target: target**0.5 @ cov**-0.5),
    "these are Gram matrices": lambda style, photo: by_grams(style, photo),
    "clamp comes last": lambda style, photo: moved(after=lambda mean, other: 0)(style, photo) + photo.mean((2, 3), keepdim=True),
    "values were stretched": lambda style, photo: stretched(matched(symmetric, clamp=False)(style, photo)),
    "at the wrong places": lambda style, photo: matched(symmetric)(style, photo)[0].flatten(1).T.reshape(style.shape),
    "it needs keepdim=True": lambda style, photo: style[0].flatten(1) - style[0].flatten(1).mean(1),
    "stands on the left of the colors": lambda style, photo: style[0].flatten(1) @ torch.eye(3),
    "torch.cov wants a matrix": lambda style, photo: style.flatten(2).cov(),
    "the shape is lost": lambda style, photo: matched(symmetric)(style, photo)[0].flatten(1),
    "the first dimension is lost": lambda style, photo: matched(symmetric)(style, photo)[0],
    "clamp at the end": matched(symmetric, clamp=False),
    "changes the tensor": in_place,
    "does every path": lambda style, photo: None,
    "your function stops with": lambda style, photo: symmetric(style, photo),
}


@pytest.mark.parametrize("says", COLORS)
def test_wrong_colors(says):
    refuses(check_match_color, COLORS[says], says)


def test_channels_by_torchs_own_deviation_are_channels_too():
    refuses(check_match_color, by_channels, "each channel got its own mean and deviation")


# --- slices -----------------------------------------------------------------------------------------------------------

def unsorted(act, target, directions):
    mine = directions.T @ act.flatten(2)
    return (mine - drawn(target, mine.shape[2])).pow(2).mean(**both)


def cut_off(act, target, directions):
    mine = sorted_projections(act, directions)
    few = min(mine.shape[2], target.shape[2])
    return (mine[..., :few] - target[..., :few]).pow(2).mean(**both)


def repeated(act, target, directions):
    mine = sorted_projections(act, directions)
    return (mine - F.interpolate(target, mine.shape[2])).pow(2).mean(**both)


def the_other_way(act, target, directions):
    return (drawn(sorted_projections(act, directions), target.shape[2]) - target).pow(2).mean(**both)


SLICES = {
    "are not sorted": unsorted,
    "sorted the wrong way round": of(lambda mine, theirs: (mine.flip(2) - theirs).pow(2).mean(**both)),
    "you cut the longer row off": cut_off,
    "by repeating its values": repeated,
    "was drawn to the target's length": the_other_way,
    "these are sums": of(lambda mine, theirs: (mine - theirs).pow(2).sum(**both)),
    "the directions are summed": of(lambda mine, theirs: (mine - theirs).pow(2).mean(dim=2).sum(dim=1)),
    "the values are summed": of(lambda mine, theirs: (mine - theirs).pow(2).sum(dim=2).mean(dim=1)),
    "absolute differences": of(lambda mine, theirs: (mine - theirs).abs().mean(**both)),
    "you took the root": of(lambda mine, theirs: (mine - theirs).pow(2).mean(**both).sqrt()),
    "the batch are averaged": of(lambda mine, theirs: (mine - theirs).pow(2).mean()),
    "the batch are summed": of(lambda mine, theirs: (mine - theirs).pow(2).mean(**both).sum()),
    "one number for each direction": of(lambda mine, theirs: (mine - theirs).pow(2).mean(dim=2)),
    "square of the mean difference": of(lambda mine, theirs: (mine - theirs).mean(**both).pow(2)),
    "the batch is averaged and the directions are left": of(lambda mine, theirs: (mine - theirs).pow(2).mean(dim=(0, 2))),
    "one number for each value": of(lambda mine, theirs: (mine - theirs).pow(2).mean(dim=1)),
    "are not squared": of(lambda mine, theirs: (mine - theirs).mean(**both)),
    "align_corners=True": lambda act, target, directions: (sorted_projections(act, directions) - F.interpolate(
        target, act[0, 0].numel(), mode="linear", align_corners=True)).pow(2).mean(**both),
    "sorted along the directions": lambda act, target, directions:
        ((directions.T @ act.flatten(2)).sort(dim=1).values - drawn(target, act[0, 0].numel())).pow(2).mean(**both),
    "argsort gives places": lambda act, target, directions:
        ((directions.T @ act.flatten(2)).argsort(dim=2) - drawn(target, act[0, 0].numel())).pow(2).mean(**both),
    "sorted before they were projected": lambda act, target, directions:
        (directions.T @ act.flatten(2).sort(dim=2).values - drawn(target, act[0, 0].numel())).pow(2).mean(**both),
    "divided by the target's own size": of(lambda mine, theirs: (mine - theirs).pow(2).mean(**both) / theirs.pow(2).mean(**both)),
    "is projected and sorted already": lambda act, target, directions: sorted_projections(target, directions).mean(**both),
    "stand the wrong way round": lambda act, target, directions: (directions @ act.flatten(2)).mean(**both),
    "take its `.values`": lambda act, target, directions: act.flatten(2).sort(dim=2) - target,
    "leave out .item()": lambda *args: right_slices(*args).item(),
    "has rows, not pictures": lambda act, target, directions: F.interpolate(target, 20, mode="bilinear"),
    "no gradient": lambda *args: right_slices(*args).detach(),
    "your function stops with RuntimeError": lambda act, target, directions:
        (sorted_projections(act, directions) - target).pow(2).mean(**both),
    "does every path": lambda *args: None,
    "wrong sign": lambda *args: -right_slices(*args),
}


@pytest.mark.parametrize("says", SLICES)
def test_wrong_slices(says):
    refuses(check_sliced, SLICES[says], says)
