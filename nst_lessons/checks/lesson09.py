"""Lesson 09: a mixture of styles by AdaIN, a map of attention, a block of it. The oracles are loops and torch's own attention."""
import torch
from torch.nn import functional as F

from .verdict import Wrong, attempt, differentiable, exercise, same, seeded, untouched

_EPS = 1e-5


def _some(*shape, seed=0, gain=1.0):
    return gain * torch.randn(*shape, generator=seeded(seed)) + 0.7 * gain


def _wrong(slips, truth, **near):
    """Those slips that do give something else here."""
    return [(said, slip) for said, slip in slips if slip.shape != truth.shape or not torch.allclose(slip, truth, **near)]


# --- 9.1 -------------------------------------------------------------------------------------------------------------

def _moments(act, dims=(2, 3), correction=0):
    return act.mean(dims, keepdim=True), (act.var(dims, keepdim=True, correction=correction) + _EPS).sqrt()


def _given(content, mean, deviation):
    """Content, normalized by torch, with these moments."""
    return F.instance_norm(content, eps=_EPS) * deviation + mean


def _adain(content, style, own=(2, 3), theirs=(2, 3), correction=0):
    (mean, deviation), (wanted, wanted_deviation) = _moments(content, own, correction), _moments(style, theirs, correction)
    return (content - mean) / deviation * wanted_deviation + wanted


def _sum(shares, parts):
    return sum(share * part for share, part in zip(shares, parts))


def _mixing_slips(content, styles, shares):
    means, deviations = zip(*map(_moments, styles))
    best, flat = max(range(len(shares)), key=shares.__getitem__), [1 / len(shares)] * len(shares)
    plain, by = F.instance_norm(content, eps=_EPS), lambda **how: _sum(shares, [_adain(content, one, **how) for one in styles])
    return [
        ("only the strongest style is taken: add up all of them, each times its share", _given(content, means[best], deviations[best])),
        ("only the first style is taken: add up all of them, each times its share", _given(content, means[0], deviations[0])),
        ("only the last style is taken: add to what the styles before it gave", _given(content, means[-1], deviations[-1])),
        ("the shares play no part: you took equal ones", _given(content, _sum(flat, means), _sum(flat, deviations))),
        ("the styles are added up without their shares", _given(content, sum(means), sum(deviations))),
        ("variances are mixed; mix deviations, as AdaIN's answers do",
         _given(content, _sum(shares, means), _sum(shares, [one.square() for one in deviations]).sqrt())),
        ("each style is given to what the style before it made; give each to the content itself",
         _one_after_the_other(content, styles, shares)),
        ("the sum begins with the content; begin with 0", content + by()),
        ("only the first style is in the sum: is `return` inside the loop, or are some styles left out?",
         shares[0] * _adain(content, styles[0])),
        ("only the last style is in the sum: the loop sets it anew each time; add to it", shares[-1] * _adain(content, styles[-1])),
        ("the last style is missing in the sum: take them all, however many", by() - shares[-1] * _adain(content, styles[-1])),
        ("that is a mean over the styles; the shares weigh already, so add up", by() / len(styles)),
        ("that is one answer for each style, none added up yet", torch.stack([s * _adain(content, y) for s, y in zip(shares, styles)])),
        ("the share multiplies the content before AdaIN, which takes it out again; it belongs to AdaIN's answer",
         sum(_adain(share * content, style) for share, style in zip(shares, styles))),
        ("variances in place of deviations: their root is missing",
         _sum(shares, [_squared(content, style) for style in styles])),
        ("the styles' means are missing", _given(content, 0, _sum(shares, deviations))),
        ("the styles' deviations are missing", _given(content, _sum(shares, means), 1)),
        ("mean and deviation are swapped", plain * _sum(shares, means) + _sum(shares, deviations)),
        ("the content's own mean and deviation are still there: take them out first",
         content * _sum(shares, deviations) + _sum(shares, means)),
        ("one mean for all channels; each channel has its own, over H and W alone: dimensions 2 and 3",
         by(own=(1, 2, 3), theirs=(1, 2, 3))),
        ("one mean for the whole batch; each picture has its own, over H and W alone: dimensions 2 and 3", by(own=(0, 2, 3))),
        ("variances are divided by M − 1: use the mean of squares, or correction=0", by(correction=1)),
        ("content and style are swapped: the content keeps its places", _sum(shares, [_swapped(content, one) for one in styles])),
    ]


_MIXING_CRASHES = {
    "must match the size of tensor": "your function adds tensors of different sizes: paintings differ in size, what AdaIN makes of the "
                                     "content does not. Is the content what AdaIN is given first? Are paintings added instead of answers?",
    "'float' object has no attribute 'mean'": "AdaIN is given a share where it wants a painting: in which order do your pairs come?",
    "'list' object has no attribute 'mean'": "AdaIN is given the whole list of paintings; it takes one at a time",
    "values to unpack": "your loop wants pairs, one style and its share, and gets something else: is `zip` missing?",
}


def _one_after_the_other(content, styles, shares):
    for style, share in zip(styles, shares):
        content = content + share * (_adain(content, style) - content)
    return content


def _squared(content, style):
    (mean, deviation), (wanted, wanted_deviation) = _moments(content), _moments(style)
    return (content - mean) / deviation.square() * wanted_deviation.square() + wanted


def _swapped(content, style):
    answer = _adain(style, content[:1])
    return answer if answer.shape == content.shape else answer.new_full((1,), float("nan"))


@exercise("9.1", "each style has its share, and two equal styles are one.")
def check_mixed_adain(mixed):
    """Tries mixed(content [B, C, H, W], styles: list of [1, C, H′, W′], shares: list of numbers, sum 1) → [B, C, H, W]."""
    cases = [((1, 4, 5, 6), [(6, 5), (3, 8), (4, 4)], [0.3, 0.45, 0.25]), ((2, 3, 4, 7), [(5, 5), (7, 3)], [0.6, 0.4]),
             ((1, 2, 6, 6), [(4, 9)], [1.0])]
    for shape, sizes, shares in cases:
        content = _some(*shape, seed=sum(shape))
        styles = [_some(1, shape[1], *size, seed=k + 1, gain=1.0 + 2 * k) for k, size in enumerate(sizes)]
        truth = _sum(shares, [_given(content, *_moments(style)) for style in styles])
        slips = _wrong(_mixing_slips(content, styles, shares), truth, rtol=1e-3, atol=1e-4)
        answer = untouched(lambda given, *rest: mixed(given, list(rest), list(shares)), content, *styles, crashes=_MIXING_CRASHES)
        same(answer, truth, f"the answer for content {list(shape)} and shares {shares}", slips, rtol=1e-3, atol=1e-4)
    flat = attempt(mixed, torch.full((1, 2, 3, 3), 5.0), [_some(1, 2, 4, 4)], [1.0])
    if not (isinstance(flat, torch.Tensor) and flat.isfinite().all()):
        raise Wrong("a channel that is 5 everywhere gives NaN or infinity: moments' eps must keep the division finite")
    differentiable(lambda given: mixed(given, styles, shares) ** 3, content, what="your mixture")


# --- 9.2 -------------------------------------------------------------------------------------------------------------

def _looks(query, key, row, column, scale=lambda d: d**-0.5, share=lambda scores: scores.softmax(0)):
    """One place's scores with each place of the painting, a loop; then the shares: [H′, W′]."""
    asked = query[0, :, row, column]
    scores = torch.stack([asked @ key[0, :, y, x] for y in range(key.shape[2]) for x in range(key.shape[3])])
    return share(scores * scale(query.shape[1])).view(*key.shape[2:])


def _looking_slips(query, key, row, column):
    height, width = query.shape[2:]
    unit = lambda act: act / act.norm(dim=1, keepdim=True)
    scores = query.flatten(2).transpose(1, 2) @ key.flatten(2) / query.shape[1] ** 0.5      # [1, H·W, H′·W′]
    place, size = row * width + column, key.shape[2:]
    truth, weights = _looks(query, key, row, column), scores.softmax(2)[0]
    another = lambda number: weights[number % len(weights)].view(size)
    return [
        ("√D is missing: divide the scores by query.shape[1] ** 0.5", _looks(query, key, row, column, lambda d: 1)),
        ("the scores are divided by D; its root is wanted", _looks(query, key, row, column, lambda d: 1 / d)),
        ("the scores are multiplied by √D: divide", _looks(query, key, row, column, lambda d: d**0.5)),
        ("those are the scores; shares are wanted: softmax", _looks(query, key, row, column, share=lambda s: s)),
        ("the softmax runs over rows of the painting only; all its places share 1", scores[0, place].view(size).softmax(0)),
        ("the softmax runs over columns of the painting only; all its places share 1", scores[0, place].view(size).softmax(1)),
        ("the softmax runs over the photograph's places; the painting's must share 1: the last dimension",
         scores.softmax(1)[0, place].view(size)),
        ("places are numbered row by row: row · W + column, W the photograph's width",
         scores.softmax(2)[0, min(row * height + column, height * width - 1)].view(size)),
        ("a row of the photograph has its own width, not the painting's", another(row * key.shape[3] + column)),
        ("row plus column is no number of a place: how many places are in the rows above?", another(row + column)),
        ("row times column is no number of a place: how many places are in the rows above?", another(row * column)),
        ("that is place number `row`; the column plays no part", another(row)),
        ("that is place number `column`; the row plays no part", another(column)),
        ("that is the place before: rows and columns are counted from 0", another(place - 1)),
        ("that is the place after: rows and columns are counted from 0", another(place + 1)),
        ("that is one row too far up: rows are counted from 0", another(place - width)),
        ("that numbers places column by column; they are numbered row by row", another(column * height + row)),
        ("softmax is taken twice: attention_weights has done it", truth.flatten().softmax(0).view(size)),
        ("that is the exponential alone; divide by its sum over the painting", _looks(query, key, row, column, share=torch.exp)),
        ("the largest is 1; the sum should be", truth / truth.max()),
        ("that is the mean over all places of the photograph; one place is wanted", weights.mean(0).view(size)),
        ("that is one weight; the place's whole row of them is wanted, as a picture", weights[row, column]),
        ("those are the place's weights in one row; make a picture of it: as many rows and columns as key has", weights[place]),
        ("row and column are swapped", scores.softmax(2)[0, min(column * width + row, height * width - 1)].view(size)),
        ("rows and columns of the painting are mixed up: its places are [H′, W′], row by row", truth.flatten().view(*size[::-1]).T),
        ("your map is [W′, H′]: rows come first", truth.T),
        ("query and key are divided by their length; the plain product is wanted", _looks(unit(query), unit(key), row, column)),
        ("the photograph is looked at by the painting: query is where one stands", _as_if_swapped(query, key, row, column)),
        ("those are the weights of all places of the photograph: take the row of the one place", weights),
    ]


def _looking_crashes(size, other):
    """What torch's words about a view mean here: `size` the photograph's rows and columns, `other` the painting's."""
    mine, theirs = size[0] * size[1], other[0] * other[1]
    return {
        f"shape '{list(size)}' is invalid for input of size {theirs}": "your map is to have the photograph's rows and columns; it is a "
                                                                      "picture of the painting, so it has key's",
        f"shape '{list(other)}' is invalid for input of size {mine}": f"you have {mine} numbers, one for each place of the photograph; "
                                                                     f"wanted are the painting's {theirs}: does query come first, and "
                                                                     "is it a row of weights, not a column?",
        f"is invalid for input of size {mine * theirs}": "those are the weights of all places of the photograph: take the one place's row "
                                                         "first",
    }


def _as_if_swapped(query, key, row, column):
    if row >= key.shape[2] or column >= key.shape[3]:
        return torch.full((1,), float("nan"))
    return _looks(key, query, row, column)


@exercise("9.2", "the place's shares add up to 1 over the painting, row by row.")
def check_attention_map(attention_map):
    """Tries attention_map(query [1, D, H, W], key [1, D, H′, W′], row, column) → [H′, W′], where that place looks."""
    cases = [(4, (5, 6), (4, 7), 2, 4), (9, (6, 4), (5, 3), 1, 2), (2, (4, 4), (3, 7), 0, 3), (6, (5, 6), (6, 5), 3, 4)]
    for depth, size, other, row, column in cases:
        query, key = _some(1, depth, *size, seed=depth), _some(1, depth, *other, seed=depth + 1)
        truth = _looks(query, key, row, column)
        slips = _wrong(_looking_slips(query, key, row, column), truth, rtol=1e-3, atol=1e-5)
        answer = untouched(lambda q, k: attention_map(q, k, row, column), query, key,
                           crashes=_looking_crashes(size, other))
        same(answer, truth, f"the map of a painting of {other[0]} × {other[1]} places", slips, rtol=1e-3, atol=1e-5)
    differentiable(lambda q: attention_map(q, key, row, column) ** 2, query, what="your map")


# --- 9.3 -------------------------------------------------------------------------------------------------------------

def _conv(act, kernel):
    return torch.einsum("oc,bchw->bohw", kernel[:, :, 0, 0], act)            # a 1×1 convolution is one matrix at each place


def _block(content, style, kernels, query=F.instance_norm, key=F.instance_norm, value=lambda x: x, rest=lambda x: x,
           last=True, order=(0, 1, 2, 3), scale=None, roles=(0, 1, 2), late=(), sources="css", over=False,
           plain=()):
    """The block, or one with a piece replaced: `roles` of query, key and value, `late`: which of them are normalized after their kernel,
    `plain`: which have none."""
    to_query, to_key, to_value, out = (kernels[k] for k in order)
    on = [content if one == "c" else style for one in sources]
    through = lambda k, act, kernel: act if k in plain else _conv(act, kernel)
    made = [through(k, act if k in late else norm(act), kernel) for k, (norm, act, kernel) in
            enumerate(zip((query, key, value), on, (to_query, to_key, to_value)))]
    made = [F.instance_norm(one) if k in late else one for k, one in enumerate(made)]
    q, k, v = (made[role] for role in roles)
    flat = (one.flatten(2).transpose(1, 2) for one in (q, k, v))
    gathered = F.scaled_dot_product_attention(*flat, scale=scale).transpose(1, 2)
    gathered = gathered.reshape(len(content), -1, *content.shape[2:])
    if over:
        return _conv(rest(content) + gathered, out)
    return rest(content) + (_conv(gathered, out) if last else gathered)


def _block_slips(content, style, kernels):
    """[(message, what it gives)]: only those that give anything at all in these shapes."""
    named = {
        "the content is missing: the block returns it plus what was gathered": {"rest": torch.zeros_like},
        "the content that stays must be the plain one, not normalized": {"rest": F.instance_norm},
        "the query is not normalized: a photograph's contrast should not decide where it looks": {"query": lambda x: x},
        "the key is not normalized: a painting's contrast should not decide where one looks": {"key": lambda x: x},
        "neither query nor key is normalized": {"query": lambda x: x, "key": lambda x: x},
        "the value is normalized: then the painting's colors and contrast are lost; take the style as it is": {"value": F.instance_norm},
        "the last convolution is missing": {"last": False},
        "the scores are not divided by √D": {"scale": 1.0},
        "the kernels of query and key are swapped": {"order": (1, 0, 2, 3)},
        "the kernels of value and of the last convolution are swapped": {"order": (0, 1, 3, 2)},
        "query and key are swapped: the photograph asks": {"roles": (1, 0, 2)},
        "the query's kernel is used for the key, too": {"order": (0, 0, 2, 3)},
        "the query's kernel is used for all three": {"order": (0, 0, 0, 3)},
        "the key's kernel is used for the value, too": {"order": (0, 1, 1, 3)},
        "the kernels of key and value are swapped": {"order": (0, 2, 1, 3)},
        "key and value are swapped: attend takes query, key, value": {"roles": (0, 2, 1)},
        "query and key are normalized after their convolutions; normalize before": {"late": (0, 1)},
        "the query is normalized after its convolution; normalize before": {"late": (0,)},
        "the key is normalized after its convolution; normalize before": {"late": (1,)},
        "the value comes from the content; the painting gives": {"sources": "csc"},
        "the key comes from the content; the painting answers": {"sources": "ccs"},
        "key and value come from the content, so the painting plays no part": {"sources": "ccc"},
        "the query comes from the style; the photograph asks": {"sources": "sss"},
        "value and what stays are normalized: only query and key should be": {"value": F.instance_norm, "rest": F.instance_norm},
        "the fourth kernel is over the sum; the content as it was is added after it": {"over": True},
        "what is added should be the content, not the style": {"rest": lambda x: style},
        "the content that stays must be the plain one; AdaIN has no part in this block": {"rest": lambda x: _adain(x, style)},
        "the value has not gone through the third kernel": {"plain": (2,)},
        "third and fourth kernel play no part": {"plain": (2,), "last": False},
        "every place is given length 1; normalized means: each channel has mean 0 and deviation 1 over all places":
            {"query": F.normalize, "key": F.normalize},
    }
    slips = []
    for said, slip in named.items():
        try:
            slips.append((said, _block(content, style, kernels, **slip)))
        except RuntimeError:                                                 # with these shapes that slip stops by itself
            continue
    return slips


_BLOCK_CRASHES = {"'Tensor' object is not callable":
                  "a kernel is a tensor, which cannot be called; a convolution takes it as its second argument"}


@exercise("9.3", "the photograph asks, the painting answers, and what was gathered comes on top of the content.")
def check_attention_block(block):
    """Tries block(content [B, C, H, W], style [B, C, H′, W′], kernels), four 1×1 kernels for query, key, value and the end."""
    for batch, channels, depth, size, other in [(2, 4, 4, (5, 4), (5, 4)), (1, 3, 5, (4, 6), (5, 3)), (1, 6, 2, (3, 3), (4, 7))]:
        content, style = _some(batch, channels, *size, seed=channels), _some(batch, channels, *other, seed=9, gain=2.0)
        shapes = [(depth, channels), (depth, channels), (depth, channels), (channels, depth)]
        kernels = [_some(*shape, 1, 1, seed=20 + k, gain=0.6) for k, shape in enumerate(shapes)]
        truth = _block(content, style, kernels)
        slips = _wrong(_block_slips(content, style, kernels), truth, rtol=1e-3, atol=1e-4)
        answer = untouched(lambda x, y, *given: block(x, y, list(given)), content, style, *kernels, crashes=_BLOCK_CRASHES)
        same(answer, truth, f"the block's answer for content {list(content.shape)}", slips, rtol=1e-3, atol=1e-4)
    differentiable(lambda kernel: block(content, style, [kernel, *kernels[1:]]), kernels[0],
                   what="the query's kernel, which is to be learned")
