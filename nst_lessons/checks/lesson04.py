"""Lesson 04: content and TV inside a mask, and style over several layers. The oracles are loops. (4.4: `lesson04_gradient`.)"""
import torch

from .verdict import Wrong, differentiable, exercise, same, seeded, untouched


def some(*shape, seed=0, most=3.0):
    """Activations as after a ReLU: random, none negative."""
    return most * torch.rand(*shape, generator=seeded(seed))


def plain_gram(act):
    """Σ F Fᵀ [B, C, C] in float64: one position after the other."""
    act = act.detach().double()
    table = act.new_zeros(len(act), act.shape[1], act.shape[1])
    for row in range(act.shape[2]):
        for column in range(act.shape[3]):
            spoken = act[:, :, row, column]
            table += spoken[:, :, None] * spoken[:, None, :]
    return table


def _batch(slips, truth):
    """`slips`, and those that mix the pictures of a batch up."""
    if len(truth) == 1:
        return slips
    return slips + [("the pictures of the batch are summed: one number for each, shape [B]", truth.sum()),
                    ("the pictures of the batch are averaged: one number for each, shape [B]", truth.mean())]


@exercise("4.1", "only what the mask keeps counts, and three tenths count as three tenths.")
def check_content_where(content):
    """Tries content(act, target, mask) → [B]: ½ Σ m (F − P)², mask [1 or B, 1, H, W] in [0, 1]."""
    for number, (shape, one_target, one_mask) in enumerate([((2, 3, 4, 5), True, False), ((3, 2, 5, 4), False, True), ((1, 4, 3, 6), True, True)]):
        batch, channels, height, width = shape
        act, target = some(*shape, seed=number), some(1 if one_target else batch, *shape[1:], seed=number + 9)
        mask = some(1 if one_mask else batch, 1, height, width, seed=number + 20, most=1.0)
        mask[..., 0, :2], mask[..., 1, 0] = 0, 1
        truth = torch.zeros(batch)
        for row in range(height):
            for column in range(width):
                gap = act[:, :, row, column] - target[:, :, row, column]
                truth += 0.5 * mask[:, 0, row, column] * (gap * gap).sum(1)

        def half(squares):
            return 0.5 * squares.expand(shape).sum(dim=(1, 2, 3))
        gap, values = act - target, channels * height * width
        same(untouched(content, act, target, mask), truth, "the content loss", _batch([
            ("the ½ is missing", 2 * truth),
            ("you multiplied F − P by the mask and squared then, so the mask is squared too: weight the squares", half((mask * gap) ** 2)),
            ("the mask is squared, and the ½ is missing", 2 * half((mask * gap) ** 2)),
            ("a mean instead of a sum", truth / values),
            ("a mean instead of a sum, and without the ½", 2 * truth / values),
            ("you divided by the sum of the mask: that is a weighted mean; here a sum is wanted", truth / mask.sum(dim=(1, 2, 3))),
            ("the mask is not used", half(gap**2)),
            ("inside and outside are exchanged: 1 keeps, 0 leaves free", half((1 - mask) * gap**2)),
            ("only F is masked, so F is asked to be 0 outside: weight the difference", half((mask * act - target) ** 2)),
            ("only P is masked, so F is asked to be 0 outside: weight the difference", half((act - mask * target) ** 2)),
            ("each place counts in full or not at all; a mask of 0.3 should weigh 0.3", half((mask > 0) * gap**2)),
            ("each place counts in full or not at all; a mask of 0.3 should weigh 0.3", half((mask > 0.5) * gap**2)),
            ("absolute differences instead of squares", half(mask * gap.abs())),
            ("you took the root; the sum of squares itself is wanted", (2 * truth).sqrt()),
            ("the first picture's mask is laid on all of them; each has its own", half(mask[:1] * gap**2)),
        ], truth))
    differentiable(content, some(1, 3, 4, 4), some(1, 3, 4, 4, seed=1), torch.ones(1, 1, 4, 4), what="your content loss")


@exercise("4.2", "every layer with its own N and M and its own weight, the painting at any size.")
def check_style_of_layers(style):
    """Tries style(acts, style_acts, weights) → [B]: Σ w · 1/(4N²) Σ (G/M − A/M_A)² over the layers in `weights`."""
    for number, (batch, others) in enumerate([(2, 1), (1, 1), (3, 3)]):
        shapes = {"relu1_1": (2, 6, 7), "relu2_1": (3, 4, 5), "relu3_1": (5, 2, 3)}
        acts = {layer: some(batch, *shape, seed=number) for layer, shape in shapes.items()}
        theirs = {layer: some(others, n, h + 3, w + 1, seed=number + 9) for layer, (n, h, w) in shapes.items()}
        weights = {"relu2_1": 0.7, "relu1_1": 0.5}
        acts["relu4_2"] = some(batch, 4, 2, 2, seed=number)                   # there for the content; no style is asked of it
        names = list(weights)

        def total(rule, power=1):
            """Σ w · rule(G, A, N, M, M_A), of plain sums."""
            parts = []
            for layer, weight in weights.items():
                mine, target = acts[layer], theirs[layer]
                parts.append(weight**power * rule(plain_gram(mine), plain_gram(target), mine.shape[1], mine[0, 0].numel(), target[0, 0].numel()))
            return sum(parts)

        def squares(matrix):
            return matrix.pow(2).sum(dim=(1, 2))

        def right(g, a, n, m, k):
            return squares(g / m - a / k) / (4 * n**2)
        truth = total(right)
        everything = {**weights, "relu3_1": 0.0}
        same(_kept(style, acts, theirs, weights), truth, "the style loss", _batch([
            ("the weights are not used", total(right, 0)),
            ("the weights are squared: they belong outside of the square", total(right, 2)),
            ("you divided by the sum of the weights; take them as they are", truth / sum(weights.values())),
            ("that is the mean over the layers; a sum is wanted", truth / len(weights)),
            ("only one layer counts: is `return` inside the loop?", 0.7 * _alone(right, acts, theirs, "relu2_1")),
            ("only the last layer counts: add up over all of them", 0.5 * _alone(right, acts, theirs, "relu1_1")),
            ("a layer counts that has no weight: walk through `weights`, not through the activations",
             truth + _alone(right, acts, theirs, "relu3_1")),
            ("each layer got another layer's weight: take it by the layer's name, not by its place in the dictionary",
             sum(weights[other] * _alone(right, acts, theirs, layer) for layer, other in zip(names, names[::-1]))),
            *_other_divisors(total, squares, right, truth),
        ], truth))
        same(_kept(style, acts, theirs, everything), truth, "the style loss with a third layer of weight 0")

    def first(act):
        return style({"relu1_1": act}, {"relu1_1": some(1, 3, 5, 4, seed=1)}, {"relu1_1": 1.0})
    differentiable(first, some(1, 3, 4, 4), what="your style loss")


def _other_divisors(total, squares, right, truth):
    """[(message, what it gives)]: sums over the layers in which something is divided by another number, or not squared."""
    return [
        ("your picture's tables are divided by positions, the painting's are plain sums",
         total(lambda g, a, n, m, k: squares(g / m - a) / (4 * n**2))),
        ("the painting's tables are divided by positions, your picture's are plain sums",
         total(lambda g, a, n, m, k: squares(g - a / k) / (4 * n**2))),
        ("that is 1/(4N²M²) Σ (G − A)², right at equal sizes only: the painting has its own M, so divide each table by its own",
         total(lambda g, a, n, m, k: squares(g - a) / (4 * n**2 * m**2))),
        ("the Gram matrices are plain sums: divide each by its own positions", total(lambda g, a, n, m, k: squares(g - a) / (4 * n**2))),
        ("divided by M² once more: G/M and A/M_A hold it already", total(lambda g, a, n, m, k: right(g, a, n, m, k) / m**2)),
        ("the Gram matrices are divided by C·H·W; only positions count there, and 1/(4N²) stands in front",
         total(lambda g, a, n, m, k: right(g, a, n, m, k) / n**2)),
        ("that is nn.MSELoss of Gram matrices ÷ C·H·W, as in the article's program; its formula has 1/(4N²) and G/M",
         total(lambda g, a, n, m, k: squares(g / m - a / k) / n**4)),
        ("N and M are exchanged: N counts channels, M positions", total(lambda g, a, n, m, k: squares(g / m - a / k) / (4 * m**2))),
        ("(2N)² is meant, all of it squared; you divided by 2N", total(lambda g, a, n, m, k: squares(g / m - a / k) / (2 * n))),
        ("(2NM)² is meant, all of it squared; you divided by 2NM", total(lambda g, a, n, m, k: squares(g - a) / (2 * n * m))),
        ("N is not squared: 1/(4N²)", total(lambda g, a, n, m, k: squares(g / m - a / k) / (4 * n))),
        ("the 4 is not there: 1/(4N²); or are the tables divided by C·H·W, and nothing stands in front?", 4 * truth),
        ("that is 1/(2N²); the formula has 1/(4N²)", 2 * truth),
        ("that is 1/(4N)², sixteen where four should be", truth / 4),
        ("nothing is divided by 4N²", total(lambda g, a, n, m, k: squares(g / m - a / k))),
        ("the N² is not there: 1/(4N²)", total(lambda g, a, n, m, k: squares(g / m - a / k) / 4)),
        ("absolute differences instead of squares", total(lambda g, a, n, m, k: (g / m - a / k).abs().sum(dim=(1, 2)) / (4 * n**2))),
    ]


def _alone(rule, acts, theirs, layer):
    """`rule` at one layer, without its weight."""
    mine, target = acts[layer], theirs[layer]
    return rule(plain_gram(mine), plain_gram(target), mine.shape[1], mine[0, 0].numel(), target[0, 0].numel())


def _kept(style, acts, theirs, weights):
    """style(acts, theirs, weights), with Wrong when it has written into one of the three."""
    given = [dict(acts), dict(theirs), dict(weights)]

    def asked(*_):
        try:
            return style(*given)
        except KeyError as error:
            if error.args[0] in {*acts} - {*weights}:
                raise Wrong(f"your function asks for the weight of {error.args[0]}, which has no weight: walk through `weights`, "
                            "not through the activations") from error
            raise
    out = untouched(asked, *acts.values(), *theirs.values())
    if [list(one) for one in given] != [list(acts), list(theirs), list(weights)] or given[2] != weights:
        raise Wrong("your function changes the dictionaries that it is given")
    return out


@exercise("4.3", "a pair counts where both are kept, in both directions.")
def check_tv_where(tv):
    """Tries tv(image, mask) → [B]: Σ of squared differences of neighbors, both with mask 1."""
    for number, (shape, masks) in enumerate([((2, 3, 5, 4), 2), ((3, 2, 4, 6), 1), ((1, 3, 6, 5), 1)]):
        image, mask = some(*shape, seed=number, most=1.0), (some(masks, 1, *shape[2:], seed=number + 30, most=1.0) > 0.35).float()
        whole = torch.ones_like(mask)
        for kept, what in ((mask, "the total variation"), (whole, "the total variation with a mask of ones")):
            truth, across, down = _tv_by_loop(image, kept)
            values, pairs = image[0].numel(), shape[1] * _pairs(kept)
            half_kept = _tv_by_loop(image, kept, which=lambda one, other: (one + other) / 2)[0]
            slips = [
                ("only neighbors to the right count; those below belong to it too", across),
                ("only neighbors below count; those to the right belong to it too", down),
                ("around the border: the last column is no neighbor of the first (torch.roll joins them)", _tv_rolled(image, kept)),
                ("the picture was masked first, so the mask's border became an edge: leave the pixels, weight the pairs",
                 _tv_by_loop(image * kept, whole)[0]),
                ("a pair counts here as soon as its right or lower pixel is kept; both must be",
                 _tv_by_loop(image, kept, which=lambda one, other: other)[0]),
                ("a pair counts here as soon as its left or upper pixel is kept; both must be",
                 _tv_by_loop(image, kept, which=lambda one, other: one)[0]),
                ("a pair counts here as soon as one of the two is kept; both must be", _tv_by_loop(image, kept, which=torch.maximum)[0]),
                ("a pair of which one is kept counts half here; it must not count at all", half_kept),
                ("inside and outside are exchanged: 1 keeps, 0 leaves out", _tv_by_loop(image, 1 - kept)[0]),
                ("pairs along the last row and the last column are lost: to the right all rows count, downward all columns",
                 _tv_by_loop(image[..., :-1, :], kept[..., :-1, :])[1] + _tv_by_loop(image[..., :-1], kept[..., :-1])[2]),
                ("the mask is not used", _tv_by_loop(image, whole)[0]),
                ("absolute differences instead of squares", _tv_by_loop(image, kept, power=1)[0]),
                ("absolute differences instead of squares, and only one direction", _tv_by_loop(image, kept, power=1)[1]),
                ("a mean instead of a sum: you divided by C·H·W", truth / values),
                ("a mean instead of a sum: you divided by the number of pairs", truth / pairs),
                ("half of it: there is no ½ in this one", truth / 2),
                ("twice too much: each pair counts once, not from both its ends", truth * 2),
                ("you took the root; the sum of squares itself is wanted", truth.sqrt()),
            ]
            same(untouched(tv, image, kept), truth, what, _batch([slip for slip in slips if not torch.allclose(slip[1], truth)], truth))
    differentiable(tv, some(1, 3, 4, 4), torch.ones(1, 1, 4, 4), what="your total variation")


def _tv_by_loop(image, mask, which=torch.mul, power=2):
    """(both, to the right, downward): [B] each, pixel after pixel. `which`: how much a pair counts whose ends have these masks."""
    height, width = image.shape[2:]
    found = []
    for dy, dx in ((0, 1), (1, 0)):
        total = torch.zeros(len(image))
        for y in range(height - dy):
            for x in range(width - dx):
                ends = mask[:, 0, y, x], mask[:, 0, y + dy, x + dx]
                kept = which(*ends)
                total = total + kept * (image[:, :, y + dy, x + dx] - image[:, :, y, x]).abs().pow(power).sum(1)
        found.append(total)
    return sum(found), *found


def _tv_rolled(image, mask):
    return sum((mask * mask.roll(1, dims=side) * (image - image.roll(1, dims=side)).pow(2)).sum(dim=(1, 2, 3)) for side in (2, 3))


def _pairs(mask):
    """How many pairs of neighbors are kept, [B]."""
    return (mask[..., 1:] * mask[..., :-1]).sum(dim=(1, 2, 3)) + (mask[..., 1:, :] * mask[..., :-1, :]).sum(dim=(1, 2, 3))
