"""Lesson 13: a picture put together, Gram matrices of several regions at once; a round of k-means: `lesson13_round`. The oracles are loops."""
import torch

from .verdict import Wrong, differentiable, exercise, same, seeded, untouched


def _some(*shape, seed=0):
    return torch.rand(*shape, generator=seeded(seed))


# --- 13.1 ------------------------------------------------------------------------------------------------------------

@exercise("13.1", "painted inside, half and half at the border, and outside the photograph to the last bit.")
def check_only_there(only_there):
    """Tries only_there(painted [B, 3, H, W], photo [B, 3, H, W], mask [1, 1, H, W] in [0, 1]) → [B, 3, H, W]."""
    for batch, height, width in [(1, 6, 9), (2, 7, 5)]:
        painted, photo = _some(batch, 3, height, width, seed=1), _some(batch, 3, height, width, seed=2) ** 3      # where float32 rounds
        mask = (2 * _some(1, 1, height, width, seed=3) - 0.5).clamp(0, 1)                # some 0, some 1, some between
        truth = torch.lerp(photo, painted, mask)
        answer = untouched(only_there, painted, photo, mask, crashes=_PICTURE)
        same(answer, truth, f"the picture for painted {list(painted.shape)}", _composites(painted, photo, mask))
        outside = (mask == 0).expand_as(photo)
        if not torch.equal(answer[outside].to(photo), photo[outside]):
            raise Wrong("outside it is the photograph only up to rounding; to the last bit is wanted: what is multiplied there by 0 "
                        "and by 1, and then added, is not rounded")
    differentiable(lambda given: only_there(given, photo, mask).float(), painted, what="the painted picture")


def _composites(painted, photo, mask):
    """[(message, what this slip gives)]."""
    hard, mean = (mask > 0).float(), (painted + photo) / 2
    return [
        ("inside and outside are swapped: 1 in the mask means painted", torch.lerp(painted, photo, mask)),
        ("outside it is black: there the photograph is missing, with what the mask leaves", mask * painted),
        ("inside it is black: there the painted picture is missing, with the mask as its weight", (1 - mask) * photo),
        ("inside and outside are swapped, and one of the two pictures is missing", mask * photo),
        ("inside and outside are swapped, and one of the two pictures is missing", (1 - mask) * painted),
        ("the photograph is not taken away where it is painted over: it is weighted with what the mask leaves", mask * painted + photo),
        ("only the painted picture is weighted by the mask; the photograph is weighted too", painted + (1 - mask) * photo),
        ("both are weighted by the mask; the photograph is weighted with what it leaves", mask * (painted + photo)),
        ("both are weighted with what the mask leaves; the painted picture is weighted by the mask", (1 - mask) * (painted + photo)),
        ("everything that the mask touches is painted fully: a mask of 0.3 wants 0.3 of the paint, or the border is hard",
         torch.lerp(photo, painted, hard)),
        ("the mask is rounded to 0 and 1: then the border is hard; take it as it is", torch.lerp(photo, painted, (mask > 0.5).float())),
        ("only where the mask is 1 is it painted: between 0 and 1 both count", torch.lerp(photo, painted, (mask == 1).float())),
        ("the photograph counts only where the mask is 0: between 0 and 1 it has what the mask leaves", mask * painted + (mask == 0) * photo),
        ("the painted picture counts fully wherever the mask is not 0; it is weighted by the mask", hard * painted + (1 - mask) * photo),
        ("the painted picture counts only where the mask is 1; it is weighted by the mask", (mask == 1) * painted + (1 - mask) * photo),
        ("the larger of the two is taken; both are added", torch.maximum(mask * painted, (1 - mask) * photo)),
        ("the photograph's weight has the wrong sign: 1 − mask, not mask − 1", mask * painted + (mask - 1) * photo),
        ("the mask is squared: take it as it is", torch.lerp(photo, painted, mask**2)),
        ("the mask is counted twice on the painted picture", mask**2 * painted + (1 - mask) * photo),
        ("the photograph is not taken away where it is painted over, and clamping hides that only in part: "
         "weight it with what the mask leaves", (mask * painted + photo).clamp(0, 1)),
        ("half of each is taken; the weights are the mask and what it leaves", (mask * painted + photo) / 2),
        ("half of each is taken; the weights are the mask and what it leaves", torch.lerp(photo, painted, mask) / 2),
        ("both pictures and the mask are multiplied together; the two weighted pictures are added", painted * photo * mask),
        ("the mask is not looked at: that is the painted picture", painted),
        ("the mask is not looked at: that is the photograph", photo),
        ("the mask is not looked at: that is the mean of both", mean),
        ("the mean of all of the mask is taken, not its value at each pixel", torch.lerp(photo, painted, mask.mean())),
        ("the difference has the wrong sign: painted − photo is what is added", photo + mask * (photo - painted)),
        ("that is the change alone; the photograph is missing", mask * (painted - photo)),
    ]


_NUMBERS = "the mask holds numbers between 0 and 1, not yes and no: multiply each picture by its weight"
_PICTURE = {
    "The shape of the mask": f"{_NUMBERS}; as an index it would have to be True or False, and as large as the picture",
    "tensors used as indices": f"{_NUMBERS}; it is no index",
    "~ (operator.invert)": f"{_NUMBERS}; what it leaves is 1 - mask",
    "bitwise_not": f"{_NUMBERS}; what it leaves is 1 - mask",
    "Subtraction, the `-` operator": f"{_NUMBERS}; what it leaves is 1 - mask",
    "Boolean value of Tensor": f"{_NUMBERS}; `if`, `not`, `and` and `or` ask for one answer, and each pixel has its own",
    "Expected size for first two dimensions": "`@` multiplies matrices; the mask weighs each pixel for itself, with `*`",
    "condition to be a boolean": f"{_NUMBERS}; torch.where wants yes and no",
}


# --- 13.2 ------------------------------------------------------------------------------------------------------------

def _by_loop(act, weights):
    """Σ of weight · F Fᵀ over positions: act [B, C, h, w], weights [R, h, w] → [B, R, C, C]."""
    out = torch.zeros(len(act), len(weights), act.shape[1], act.shape[1])
    for b in range(len(act)):
        for r in range(len(weights)):
            for y in range(act.shape[2]):
                for x in range(act.shape[3]):
                    out[b, r] += weights[r, y, x] * torch.outer(act[b, :, y, x], act[b, :, y, x])
    return out


@exercise("13.2", "every region has its own table, each guide scaled on its own, and the pictures of a batch stay apart.")
def check_guided_grams(guided_grams):
    """Tries guided_grams(act [B, C, h, w], guides [R, h, w]) → [B, R, C, C], each guide scaled to mean square 1, ÷ h·w."""
    for batch, channels, regions, height, width in [(2, 4, 3, 5, 6), (1, 3, 2, 4, 5), (3, 2, 1, 4, 4)]:     # first: five numbers of five kinds
        act, guides = _some(batch, channels, height, width, seed=channels), _some(regions, height, width, seed=7) ** 2
        guides[0, :, width // 2:] = 0                                                     # a region that is somewhere only
        squares = guides.square().mean(dim=(1, 2), keepdim=True)
        truth = _by_loop(act, guides.square() / squares) / (height * width)
        same(untouched(guided_grams, act, guides, crashes=_GRAMS), truth, f"the tables of {regions} regions in activations {list(act.shape)}",
             _tables(act, guides, truth))
    differentiable(lambda given: guided_grams(given, guides), act, what="your tables")


def _scalings(act, guides, truth):
    """[(message, what this slip of scaling gives)]."""
    positions, channels = guides[0].numel(), act.shape[1]
    over = lambda values: values.mean(dim=(1, 2), keepdim=True)
    each = lambda values: values.sum(dim=(1, 2))[:, None, None]                            # one number a region, for tables
    squares, largest = over(guides.square()), guides.amax(dim=(1, 2), keepdim=True)
    unscaled, once, where = _by_loop(act, guides.square()), _by_loop(act, guides), (guides > 0).float()
    return [
        ("the guides are not scaled: each one's mean square is to be 1, so that a small region's table is not small", unscaled / positions),
        ("the guides are scaled to a mean of 1; their mean *square* is to be 1, since a guide meets both factors",
         _by_loop(act, (guides / over(guides))**2) / positions),
        ("the guides are scaled to a maximum of 1; their mean square is to be 1", _by_loop(act, (guides / largest)**2) / positions),
        ("divided by the mean square itself; its root is what scales a guide", _by_loop(act, (guides / squares)**2) / positions),
        ("all guides are scaled together: each one's own mean square is to be 1",
         _by_loop(act, guides.square() / guides.square().mean()) / positions),
        ("the guide is multiplied in once; it belongs to both factors, (T F)(T F)ᵀ",
         _by_loop(act, guides / squares.sqrt()) / positions),
        ("the guide is multiplied in once and divided by its sum; it belongs to both factors, (T F)(T F)ᵀ",
         once / each(guides)),
        ("the guides are neither scaled nor squared: each one's mean square is to be 1, and it belongs to both factors", once / positions),
        ("divided by the guide's mean, or its sum, once for both factors; its mean *square* is to be 1: the same for 0 and 1, not for soft masks",
         _by_loop(act, guides.square() / over(guides)) / positions),
        ("divided by the guide's standard deviation; its mean square is to be 1, and no mean is taken away",
         _by_loop(act, guides.square() / guides.var(dim=(1, 2), keepdim=True)) / positions),
        ("the guides are scaled to a sum of 1; their mean square is to be 1", _by_loop(act, (guides / each(guides))**2) / positions),
        ("the guides are scaled to a sum of squares of 1 and the tables divided by h·w: that counts the positions twice", truth / positions),
        ("all guides are scaled together, to a sum of squares of 1; each one's own mean square is to be 1", unscaled / guides.square().sum()),
        ("all guides are scaled together, to a sum of squares of 1, and the positions counted twice; each one's own mean square is to be 1",
         unscaled / guides.square().sum() / positions),
        ("the root of the mean square is multiplied in; divide by it", _by_loop(act, guides.square() * squares) / positions),
        ("the mean is taken over the regions, place by place; each region's own is wanted, over dim=(1, 2)",
         _by_loop(act, guides.square() / guides.square().mean(0)) / positions),
        ("each row of a guide is scaled on its own; one number for each region is wanted, over dim=(1, 2)",
         _by_loop(act, guides.square() / guides.square().mean(2, keepdim=True)) / positions),
        ("each column of a guide is scaled on its own; one number for each region is wanted, over dim=(1, 2)",
         _by_loop(act, guides.square() / guides.square().mean(1, keepdim=True)) / positions),
        ("the guide is squared before it is multiplied in, so that it counts four times", _by_loop(act, (guides.square() / squares)**2) / positions),
        ("the guides are rounded to 0 and 1: a position that lies half inside counts half its amplitude",
         _by_loop(act, where / over(where)) / positions),
        ("scaled, and then divided by the region's own positions: that makes up for a small region twice; divide by h·w",
         truth * positions / each(where)),
        ("scaled, and then divided by the guide's sum: that makes up for a small region twice; divide by h·w", truth * positions / each(guides)),
        ("divided by the region's positions, those where the guide is not 0: soft ones count less, so scale to a mean square of 1",
         unscaled / each(where)),
        ("neither are the guides scaled nor the tables divided: each guide's mean square is to be 1, and h·w divides", unscaled),
        ("the guides are not scaled (each one's mean square is to be 1), and the tables are divided by C·h·w (h·w is wanted)",
         unscaled / positions / channels),
    ]


def _tables(act, guides, truth):
    """[(message, what this slip gives)], those that differ from the truth."""
    positions, channels = guides[0].numel(), act.shape[1]
    slips = _scalings(act, guides, truth) + [
        ("the tables are divided by h alone; h·w is wanted", truth * guides.shape[2]),
        ("the tables are divided by w alone; h·w is wanted", truth * guides.shape[1]),
        ("the tables are divided by the pictures too", truth / len(act)),
        ("the tables are divided by all numbers of act, B·C·h·w; h·w is wanted", truth / channels / len(act)),
        ("the tables are not divided by the positions, h·w", truth * positions),
        ("the tables are divided by C·h·w; h·w is wanted", truth / channels),
        ("the tables are divided by the number of regions too", truth / len(guides)),
        ("divided by the channels, not by the positions", truth * positions / channels),
        ("regions stand before pictures: [B, R, C, C] is wanted", truth.transpose(0, 1)),
        ("the regions are added up: each has a table of its own, [B, R, C, C]", truth.sum(1)),
        ("the regions are averaged: each has a table of its own, [B, R, C, C]", truth.mean(1)),
        ("that is the first picture's tables alone: each picture has its own, [B, R, C, C]", truth[0]),
        ("that is the first picture's tables alone: each picture has its own, [B, R, C, C]", truth[:1]),
        ("that is the last region's tables alone: each region has its own, [B, R, C, C]", truth[:, -1]),
        ("the tables of all regions stand in one row; give each picture a row of its own: stack along dim=1",
         truth.transpose(0, 1).flatten(0, 1)),
        ("the tables of all regions stand in one row; give each picture a row of its own, [B, R, C, C]", truth.flatten(0, 1)),
        ("the pictures of the batch are added up: each has tables of its own, [B, R, C, C]", truth.sum(0)),
        ("the pictures of the batch are mixed: each has tables of its own", truth.mean(0, keepdim=True).expand_as(truth)),
        ("every region has the first one's table", truth[:, :1].expand_as(truth)),
        ("the guides are not used: these are plain Gram matrices", (_by_loop(act, torch.ones_like(guides)) / positions)),
        ("only what channels say of themselves is there, the diagonal: two channels want two letters", truth.diagonal(dim1=2, dim2=3)),
    ]
    return [slip for slip in slips if slip[1].shape != truth.shape or not torch.allclose(slip[1], truth, rtol=1e-3, atol=1e-5)]


_GRAMS = {
    "(6) must match the size of tensor b (3)": "one number for each region, [R], does not fit guides [R, h, w]: keep the dimensions, keepdim=True",
    "same number of spatial dimensions": "guides are [R, h, w], of the layer's size already: nothing is left to interpolate; only scale each",
    "gram_matrix wants": "`gram_matrix` takes [B, C, h, w]: call it for each region and stack, or let einsum's letters do it",
    "appears more than once in the output": "einsum: the two channels of a table are two letters, one for each of the two activations",
    "The size of tensor a": "guides [R, h, w] and act [B, C, h, w] do not fit as they are: give act a dimension for the regions, act[:, None], "
                            "and guides one for the channels, guides[:, None]; or let einsum's letters do it",
}
