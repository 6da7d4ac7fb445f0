"""Lesson 07: all combinations of a grid, a painting in the photograph's colors, and a distance of sorted projections."""
import copy
import itertools
import math

import torch
from torch.nn import functional as F

from .verdict import Wrong, attempt, differentiable, exercise, same, seeded, untouched

_GRIDS = [{"alpha": [0.03, 0.3]}, {"alpha": [0.03, 0.3, 3.0], "steps": [20, 60]},
          {"statistic": ["gram", "sliced"], "style_layers": [["relu1_1"], ["relu1_1", "relu2_1"]], "steps": [20, 60, 90]}]


def _some_grid():
    """Three names with one to three values each, whole numbers."""
    counts, values = torch.randint(1, 4, (3,), generator=seeded(71)), torch.randint(10, 1000, (3, 3), generator=seeded(72))
    return {f"knob_{row[0]}_{number}": row[:count] for number, (row, count) in enumerate(zip(values.tolist(), counts.tolist()))}


def _nested(grid):
    """All combinations, one axis after the other, the last changing fastest."""
    found = [{}]
    for name, values in grid.items():
        found = [{**one, name: value} for one in found for value in values]
    return found


@exercise("7.1", "every combination once, the last name changing fastest, and each a dictionary of its own.")
def check_combinations(combinations):
    """Tries combinations({name: [values]}) → [{name: value, …}, …] with one, two and three names."""
    for kept in [*_GRIDS, _some_grid()]:
        grid, truth = copy.deepcopy(kept), _nested(kept)                # what the function gets may be spoiled, the next call's must not be
        found = _found(combinations, grid)
        if grid != kept:
            raise Wrong("your function changes the grid that it is given")
        if found is None:
            raise Wrong("the answer is None: does every path of your function `return` something?")
        if not isinstance(found, list):
            once = ": what can be walked through only once is of no use for a sheet" if hasattr(found, "__next__") else ""
            raise Wrong(f"a list is wanted, this is a {type(found).__name__}{once}")
        if found == truth:
            continue
        _name_the_slip(found, truth, grid)
    found = combinations({"alpha": [1, 2], "steps": [5]})
    found[0]["alpha"] = "changed"
    if found[1]["alpha"] != 2 or combinations({"alpha": [1, 2], "steps": [5]})[0]["alpha"] != 1:
        raise Wrong("the combinations share one dictionary: whoever changes the first changes the others too; make a new one for each")


def _found(combinations, grid):
    try:
        return attempt(combinations, grid, on=f"a grid of {len(grid)} name{'s' if len(grid) > 1 else ''}")
    except Wrong as wrong:
        if isinstance(wrong.__cause__, KeyError):
            raise Wrong(f"your function asks for the name {wrong.__cause__}, which this grid has not: a grid may have any names, "
                        f"here {', '.join(grid)}; go through those that are there") from wrong.__cause__
        raise


def _name_the_slip(found, truth, grid):
    lengths = " × ".join(str(len(values)) for values in grid.values())
    if not all(isinstance(one, dict) for one in found):
        raise Wrong(f"each combination is to be a dictionary {{name: value}}, this is a {type(found[0]).__name__}: zip the names with the values")
    if found == [dict(zip(grid, values)) for values in zip(*grid.values())]:
        raise Wrong(f"you went through all lists at once, first with first, second with second: {lengths} makes {len(truth)} combinations, not {len(found)}")
    if len(found) > 1 and all(one == found[0] for one in found) and len(found) == len(truth):
        raise Wrong("all combinations are the same: it is one dictionary, filled again and again; make a new one for each")
    if any(value in list(grid) for one in found for value in one.values() if isinstance(value, str)):
        raise Wrong("names and values have changed places: in {name: value} the name comes first, as in zip(names, values)")
    letters = set("".join(grid))
    if found and all(isinstance(value, str) and value in letters for one in found for value in one.values()):
        raise Wrong("you combined the letters of the names: walking through a dictionary gives its names; its lists of values are `grid.values()`")
    if found == truth[:1]:
        raise Wrong(f"{lengths} makes {len(truth)} combinations, yours is the first alone: does `return` stand inside the loop?")
    if found == [{name: [value] for name, value in one.items()} for one in truth]:
        raise Wrong("each value stands in a list of its own: take it out")
    if any(set(one) != set(grid) for one in found):
        raise Wrong(f"a combination has a value for each name ({', '.join(grid)}), one of yours has {', '.join(map(str, found[0])) or 'none'}")
    if any(isinstance(one[name], list) and one[name] == grid[name] for one in found for name in grid):
        raise Wrong("a whole list stands where one of its values should be")
    if len(found) < len(truth):
        ones = sum(len(values) - 1 for values in grid.values()) + 1
        alone = " (did you turn one knob at a time, with the others at their first value?)" if len(found) == ones else ""
        raise Wrong(f"{lengths} makes {len(truth)} combinations, yours are {len(found)}{alone}")
    if len(found) > len(truth):
        raise Wrong(f"{lengths} makes {len(truth)} combinations, yours are {len(found)}: some occur twice")
    if sorted(map(repr, found)) == sorted(map(repr, truth)) or all(one in truth for one in found) and all(one in found for one in truth):
        raise Wrong("all are there, but in another order: the last name changes fastest, as the innermost of nested loops")
    raise Wrong(f"right would be {truth[:2]} …, yours begins {found[:2]}")


# --- 7.2: colors ------------------------------------------------------------------------------------------------------

def _of_colors(mixing, shift, height, width, seed):
    """A soft picture [1, 3, H, W] whose colors vary together as `mixing` [3, 3] says, nothing outside [0, 1]."""
    values = torch.rand(3, height * width, generator=seeded(seed), dtype=torch.float64) - 0.5
    return (torch.tensor(mixing, dtype=torch.float64) @ values + torch.tensor(shift, dtype=torch.float64)[:, None]).reshape(1, 3, height, width).float()


def _pair(seed, bold=1.0):
    style = _of_colors([[0.3, 0.1, 0.0], [0.05, 0.25, 0.1], [-0.1, 0.05, 0.2]], [0.5, 0.4, 0.6], 9, 7, seed)
    photo = _of_colors([[0.2 * bold, -0.05, 0.1], [0.15, 0.2 * bold, 0.0], [0.0, 0.1, 0.3 * bold]], [0.6, 0.5, 0.4], 6, 5, seed + 50)
    return style, photo


def _statistics(picture, correction=0):
    values = picture[0].flatten(1).double()
    mean = values.mean(1, keepdim=True)
    return values, mean, (values - mean) @ (values - mean).T / (values.shape[1] - correction)


def _power(matrix, exponent):
    """By the singular value decomposition, which for a symmetric matrix ≥ 0 is that of its eigenvectors."""
    left, lengths, right = torch.linalg.svd(matrix)
    return left @ torch.diag(lengths ** exponent) @ right


def _moved(picture, matrix, old, new):
    values = picture[0].flatten(1).double()
    return (matrix @ (values - old) + new).reshape(picture.shape).float()


def _stretched(picture):
    return (picture - picture.min()) / (picture.max() - picture.min())


_SHAPES = {
    "must match the size of tensor b (3)": "a mean [3] does not fit the colors [3, H·W]: it needs keepdim=True",
    "cannot be multiplied (3x63 and 3x3)": "a 3 × 3 matrix stands on the left of the colors [3, H·W]",
    "expected input to have two or fewer": "torch.cov wants a matrix, here [3, H·W], each column a color",
}
_ONE_DIVISOR = "one covariance is ÷ (H·W − 1) and the other ÷ H·W; ÷ H·W is wanted of both (`correction=0` in torch.cov)"


@exercise("7.2", "mean and covariance of the colors are the photograph's, and every value is one that a picture can have.")
def check_match_color(match_color):
    """Tries match_color(style, photo) → the style in the photograph's colors, Σ′^½ Σ^-½ (x − μ) + μ′, clamped."""
    for seed in (0, 1):
        style, photo = _pair(seed)
        (values, mean, cov), (_, other, target) = _statistics(style), _statistics(photo)
        (_, _, plain_cov), (_, _, plain_target) = _statistics(style, 1), _statistics(photo, 1)
        white, color = _power(cov, -0.5), _power(target, 0.5)
        by_channel = torch.diag((target.diagonal() / cov.diagonal()).sqrt())
        by_channel_too = torch.diag((plain_target.diagonal() / plain_cov.diagonal()).sqrt())
        grams = [values @ values.T / values.shape[1] for values in (style[0].flatten(1).double(), photo[0].flatten(1).double())]
        moved = lambda matrix, old=mean, new=other: _moved(style, matrix, old, new).clamp(0, 1)
        lower = torch.linalg.cholesky(target) @ torch.linalg.inv(torch.linalg.cholesky(cov))
        answer = untouched(match_color, style, photo, crashes=_SHAPES)
        if isinstance(answer, torch.Tensor) and answer.isnan().any() and (cov < 0).any():
            raise Wrong("the matched picture holds NaN: did you take the root of each entry (** 0.5)? The root of a matrix is power(matrix, 0.5)")
        same(answer, _moved(style, color @ white, mean, other).clamp(0, 1), "the matched picture", [
            ("each channel got its own mean and deviation; how channels vary together stayed the painting's: use the whole covariance",
             moved(by_channel)),
            ("each channel got its own mean and deviation; how channels vary together stayed the painting's: use the whole covariance",
             moved(by_channel_too)),
            ("the painting's mean was added again; it is to get the photograph's, μ′", _moved(style, color @ white, mean, mean)),
            ("no mean is added at the end: after whitening it is 0, and the photograph's μ′ is wanted", _moved(style, color @ white, mean, 0 * mean)),
            ("no mean is added at the end, and then values below 0 were clamped: add the photograph's μ′",
             _moved(style, color @ white, mean, 0 * mean).clamp(0, 1)),
            ("the painting's mean was not taken away before the matrices were applied", _moved(style, color @ white, 0 * mean, other).clamp(0, 1)),
            ("the colors are only made plain (Σ^-½): what gives them the photograph's covariance is missing", _moved(style, white, mean, other).clamp(0, 1)),
            ("the painting's own covariance was never taken out: Σ^-½ comes first", _moved(style, color, mean, other).clamp(0, 1)),
            ("the two matrices stand in the wrong order: the one on the right acts first, and Σ^-½ is to act first", _moved(style, white @ color, mean, other).clamp(0, 1)),
            ("you used the covariances themselves; their roots are wanted, exponents 0.5 and -0.5",
             _moved(style, target @ torch.linalg.inv(cov), mean, other).clamp(0, 1)),
            ("painting and photograph are exchanged within the formula: Σ^-½ is of the painting, Σ′^½ of the photograph",
             _moved(style, _power(cov, 0.5) @ _power(target, -0.5), mean, other).clamp(0, 1)),
            ("that is the way by Cholesky factors: it has the right mean and covariance too, but turns the colors; here symmetric roots are wanted", _moved(style, lower, mean, other)),
            ("covariances ÷ (H·W − 1); here ÷ H·W is wanted (`correction=0` in torch.cov)",
             _moved(style, _power(plain_target, 0.5) @ _power(plain_cov, -0.5), mean, other)),
            (_ONE_DIVISOR, moved(_power(plain_target, 0.5) @ white)),
            (_ONE_DIVISOR, moved(color @ _power(plain_cov, -0.5))),
            ("one mean is taken over all channels; each channel has its own: mean(1, keepdim=True)", moved(color @ white, mean.mean(), other.mean())),
            ("the exponents are exchanged: Σ^-½ takes the painting's out, Σ′^½ puts the photograph's in", moved(_power(target, -0.5) @ _power(cov, 0.5))),
            ("both exponents are 0.5; the painting's covariance is to be taken out: -0.5", moved(color @ _power(cov, 0.5))),
            ("both exponents are -0.5; the photograph's covariance is to be put in: 0.5", moved(_power(target, -0.5) @ white)),
            ("the painting's exponent is -1; -½ is wanted, -0.5", moved(color @ _power(cov, -1))),
            ("the photograph's mean was taken away from the painting's colors; the painting's own is to be taken away, μ", moved(color @ white, other)),
            ("the two matrices are multiplied entry by entry (*); as matrices they are multiplied by @", moved(color * white)),
            ("these are Gram matrices; a covariance is taken around the mean: torch.cov", moved(_power(grams[1], 0.5) @ _power(grams[0], -0.5))),
            ("clamp comes last: here values were clamped before the mean was added", (_moved(style, color @ white, mean, 0 * mean).clamp(0, 1).double()
                                                                               + other.reshape(1, 3, 1, 1))),
            ("the right colors at the wrong places: [H·W, 3] was read as if it were [3, H·W]",
             moved(color @ white)[0].flatten(1).T.reshape(style.shape)),
            ("values were stretched to [0, 1]; what lies outside is only cut off: clamp(0, 1)", _stretched(_moved(style, color @ white, mean, other))),
            ("that is the photograph in the painting's colors: the painting is to be changed", _moved(photo, _power(cov, 0.5) @ _power(target, -0.5), other, mean)),
            ("the picture was not changed at all", style),
            ("the shape is lost: reshape [3, H·W] back to the painting's", _moved(style, color @ white, mean, other)[0].flatten(1)),
            ("the first dimension is lost: [1, 3, H, W] is wanted", _moved(style, color @ white, mean, other)[0]),
        ], rtol=1e-4, atol=2e-4)
    style, photo = _pair(2, bold=3.0)                                   # so that some values leave [0, 1]
    answer = attempt(match_color, style, photo)
    if answer.min() < 0 or answer.max() > 1:
        raise Wrong("some values are outside [0, 1], where no picture has any: clamp at the end")


# --- 7.3: sliced Wasserstein ------------------------------------------------------------------------------------------

def _along(values, count):
    """Values in a row, drawn out or together to `count`: each new place lies (i + ½)/count of the way, between its neighbors."""
    found = []
    for i in range(count):
        at = min(max((i + 0.5) * len(values) / count - 0.5, 0.0), len(values) - 1.0)
        low = math.floor(at)
        high = min(low + 1, len(values) - 1)
        found.append(values[low] + (at - low) * (values[high] - values[low]))
    return torch.stack(found)


def _projected(act, directions):
    return torch.einsum("ck,bchw->bkhw", directions, act).flatten(2)


def _slices(act, target, directions):
    """The rows to compare, [B, K, H·W] each: sorted values of the picture, and the target's drawn to as many."""
    mine = _projected(act, directions).sort(dim=2).values
    theirs = torch.stack([torch.stack([_along(row, mine.shape[2]) for row in one]) for one in target])
    return mine, theirs.expand_as(mine)


_CRASHES = {
    "to be: [1, 3] but got: [1, 2]": "`target` is projected and sorted already: take it as it is",
    "to be: [2, 2] but got: [2, 3]": "the directions [C, K] stand the wrong way round: directions.T @ … gives K rows",
    "Got 3D input, but bilinear": "the target [1, K, M'] has rows, not pictures: mode=\"linear\"",
    "return_types.sort": "`.sort()` gives two things, the values and where they stood: take its `.values`",
    "cannot be converted to Scalar": "one number for each picture is wanted, a tensor [B]: leave out .item() and float()",
}


@exercise("7.3", "sorted against sorted, whatever their sizes, one number for each picture; and a gradient gets through.")
def check_sliced(sliced):
    """Tries sliced(act, target, directions) → [B], the mean squared difference, with target sorted, of the same and of other sizes."""
    for seed, (shape, count) in enumerate(itertools.product([(2, 3, 4, 5), (1, 4, 3, 3)], [None, 33, 7])):
        generator = seeded(seed)
        act, directions = torch.rand(*shape, generator=generator), torch.linalg.qr(torch.randn(shape[1], shape[1], generator=generator)).Q[:, :2]
        target = (1.5 * torch.rand(1, 2, count or shape[2] * shape[3], generator=generator)).sort(dim=2).values
        mine, theirs = _slices(act, target, directions)
        squares, raw = (mine - theirs).pow(2), _projected(act, directions)
        truth = squares.mean(dim=(1, 2))
        few = min(mine.shape[2], target.shape[2])
        nearest = target[..., [math.floor(i * target.shape[2] / mine.shape[2]) for i in range(mine.shape[2])]]
        corners = F.interpolate(target, mine.shape[2], mode="linear", align_corners=True)
        back = torch.stack([torch.stack([_along(row, target.shape[2]) for row in one]) for one in mine])
        slips = [
            ("the picture's values are not sorted: place is compared with rank; take sorted_projections of it", (raw - theirs).pow(2).mean(dim=(1, 2))),
            ("sorted the wrong way round: the lowest is to meet the lowest", (mine.flip(2) - theirs).pow(2).mean(dim=(1, 2))),
            ("you cut the longer row off: its largest values never count; draw the target to the picture's length",
             (mine[..., :few] - target[..., :few]).pow(2).mean(dim=(1, 2))),
            ("the target is drawn out by repeating its values; mode='linear' goes evenly from one to the next", (mine - nearest).pow(2).mean(dim=(1, 2))),
            ("the picture was drawn to the target's length; draw the target to the picture's, which is what is painted",
             (back - target).pow(2).mean(dim=(1, 2))),
            ("these are sums: a large picture would be far from everything; take the mean over directions and values", squares.sum(dim=(1, 2))),
            ("the directions are summed; take their mean too", squares.mean(dim=2).sum(dim=1)),
            ("the values are summed; take their mean too", squares.sum(dim=2).mean(dim=1)),
            ("absolute differences; squares are wanted", (mine - theirs).abs().mean(dim=(1, 2))),
            ("you took the root; the mean of squares is wanted as it is", truth.sqrt()),
            ("the pictures of the batch are averaged: one number for each, shape [B]", truth.mean()),
            ("the pictures of the batch are summed: one number for each, shape [B]", truth.sum()),
            ("one number for each direction; their mean is wanted too", squares.mean(dim=2)),
            ("the batch is averaged and the directions are left; one number for each picture is wanted: dim=(1, 2)", squares.mean(dim=(0, 2))),
            ("one number for each value; their mean is wanted too: dim=(1, 2)", squares.mean(dim=1)),
            ("the differences are not squared, so those above and those below cancel", (mine - theirs).mean(dim=(1, 2))),
            ("the target is drawn with align_corners=True; here the usual way is wanted, without it", (mine - corners).pow(2).mean(dim=(1, 2))),
            ("sorted along the directions (dim=1); each direction's values are to be sorted: dim=2", (raw.sort(dim=1).values - theirs).pow(2).mean(dim=(1, 2))),
            ("argsort gives places, not values: take .sort(dim=2).values", (raw.argsort(dim=2) - theirs).pow(2).mean(dim=(1, 2))),
            ("the channels were sorted before they were projected: project first, then sort",
             (_projected(act.flatten(2).sort(dim=2).values[..., None], directions) - theirs).pow(2).mean(dim=(1, 2))),
            ("you divided by the target's own size; here no scale is wanted", truth / theirs.pow(2).mean(dim=(1, 2))),
            ("that is the square of the mean difference: square first, then take the mean", (mine - theirs).mean(dim=(1, 2)).pow(2)),
        ]
        same(untouched(sliced, act, target, directions, crashes=_CRASHES), truth, f"the distance of {list(shape)} from {target.shape[2]} values in each direction",
             [slip for slip in slips if slip[1].shape != truth.shape or not torch.allclose(slip[1], truth)])
    act, directions = torch.rand(1, 3, 4, 4, generator=seeded(9)), torch.eye(3)
    differentiable(sliced, act, torch.rand(1, 3, 20).sort(dim=2).values, directions, what="your distance")
