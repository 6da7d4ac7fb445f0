"""Lesson 09's checks: right answers however they are written, and the wrong ones that people write, each told why."""
import pytest
import torch
from torch.nn import functional as F

from classroom import accepts, knows_a_stub, refuses
from nst_lessons.attention import adain, attend, attention_weights, moments, normalized
from nst_lessons.checks import check_attention_block, check_attention_map, check_mixed_adain


@pytest.mark.parametrize("check", [check_mixed_adain, check_attention_map, check_attention_block])
def test_stubs(check):
    knows_a_stub(check)


# --- 9.1 -------------------------------------------------------------------------------------------------------------

def mixed(content, styles, shares):
    return sum(share * adain(content, style) for style, share in zip(styles, shares))


def by_moments(content, styles, shares, mean=moments, deviations=lambda shares, all: sum(s * one for s, one in zip(shares, all))):
    """Mixing means and deviations is the same, and quicker; or with a piece replaced."""
    own_mean, own = moments(content)
    means, all = zip(*(mean(style) for style in styles))
    return (content - own_mean) / own * deviations(shares, all) + sum(share * one for share, one in zip(shares, means))


def by_instance_norm(content, styles, shares):
    out = torch.zeros_like(content)
    for style, share in zip(styles, shares):
        out = out + share * (F.instance_norm(content) * (style.var((2, 3), correction=0)[..., None, None] + 1e-5).sqrt()
                             + style.mean((2, 3))[..., None, None])
    return out


def test_right_mixtures(capsys):
    accepts(check_mixed_adain, capsys, mixed, by_moments, by_instance_norm)


def chained(content, styles, shares):
    for style, share in zip(styles, shares):
        content = (1 - share) * content + share * adain(content, style)
    return content


def last_one(content, styles, shares):
    for style, share in zip(styles, shares):
        out = adain(content, style)
    return out


def in_place(content, styles, shares):
    out = mixed(content, styles, shares)
    content -= content.mean()
    return out


def with_dims(*dims):
    def wrong(content, styles, shares):
        def both(act):
            return act.mean(dims, keepdim=True), (act.var(dims, keepdim=True, correction=0) + 1e-5).sqrt()
        (mean, deviation), parts = both(content), map(both, styles)
        return sum(share * ((content - mean) / deviation * wanted + middle) for share, (middle, wanted) in zip(shares, parts))
    return wrong


def uncorrected(content, styles, shares):
    def both(act):
        return act.mean((2, 3), keepdim=True), (act.var((2, 3), keepdim=True) + 1e-5).sqrt()
    (mean, deviation), parts = both(content), map(both, styles)
    return sum(share * ((content - mean) / deviation * wanted + middle) for share, (middle, wanted) in zip(shares, parts))


MIXTURES = {
    "only the strongest style": lambda c, ys, s: adain(c, ys[s.index(max(s))]),
    "only the first style": lambda c, ys, s: adain(c, ys[0]),
    "only the last style": last_one,
    "you took equal ones": lambda c, ys, s: sum(adain(c, y) for y in ys) / len(ys),
    "without their shares": lambda c, ys, s: sum(adain(c, y) for y in ys),
    "variances are mixed": lambda c, ys, s: by_moments(c, ys, s, deviations=lambda s, all: sum(k * d**2 for k, d in zip(s, all)).sqrt()),
    "to what the style before it made": chained,
    "means are missing": lambda c, ys, s: by_moments(c, ys, s, mean=lambda y: (0 * moments(y)[0], moments(y)[1])),
    "deviations are missing": lambda c, ys, s: by_moments(c, ys, s, mean=lambda y: (moments(y)[0], 0 * moments(y)[1] + 1)),
    "mean and deviation are swapped": lambda c, ys, s: by_moments(c, ys, s, mean=lambda y: moments(y)[::-1]),
    "still there": lambda c, ys, s: sum(k * (c * moments(y)[1] + moments(y)[0]) for k, y in zip(s, ys)),
    "one mean for all channels": with_dims(1, 2, 3),
    "one mean for the whole batch": with_dims(0, 2, 3),
    "divided by M − 1": uncorrected,
    "begins with the content": lambda c, ys, s: c + mixed(c, ys, s),
    "is `return` inside the loop": lambda c, ys, s: s[0] * adain(c, ys[0]),
    "the loop sets it anew": lambda c, ys, s: s[-1] * adain(c, ys[-1]),
    "the last style is missing": lambda c, ys, s: mixed(c, ys[:-1], s[:-1]),
    "a mean over the styles": lambda c, ys, s: mixed(c, ys, s) / len(ys),
    "none added up yet": lambda c, ys, s: torch.stack([k * adain(c, y) for k, y in zip(s, ys)]),
    "multiplies the content before AdaIN": lambda c, ys, s: sum(adain(k * c, y) for k, y in zip(s, ys)),
    "in place of deviations": lambda c, ys, s: sum(
        k * (normalized(c) / moments(c)[1] * moments(y)[1]**2 + moments(y)[0]) for k, y in zip(s, ys)),
    "Is the content what AdaIN is given first": lambda c, ys, s: sum(k * adain(y, c) for k, y in zip(s, ys)),
    "Are paintings added": lambda c, ys, s: adain(c, sum(k * y for k, y in zip(s, ys))),
    "in which order do your pairs come": lambda c, ys, s: mixed(c, s, ys),
    "it takes one at a time": lambda c, ys, s: adain(c, ys),
    "is `zip` missing": lambda c, ys, s: sum(k * adain(c, y) for y, k in (ys, s)),
    "stops with": lambda c, ys, s: adain(c, torch.cat(ys)),
    "is None": lambda c, ys, s: None,
    "changes the tensor": in_place,
    "no gradient passes": lambda c, ys, s: mixed(c.detach(), ys, s),
    "NaN or infinity": lambda c, ys, s: sum(k * ((c - c.mean((2, 3), keepdim=True)) / c.std((2, 3), keepdim=True, correction=0) * moments(y)[1]
                                                 + moments(y)[0]) for k, y in zip(s, ys)),
}


@pytest.mark.parametrize("says", MIXTURES)
def test_wrong_mixtures(says):
    refuses(check_mixed_adain, MIXTURES[says], says)


# --- 9.2 -------------------------------------------------------------------------------------------------------------

def attention_map(query, key, row, column):
    place = row * query.shape[3] + column
    return attention_weights(query, key)[0, place].view(key.shape[2:])


def one_place_only(query, key, row, column):
    scores = torch.einsum("d,dhw->hw", query[0, :, row, column], key[0]) / query.shape[1]**0.5
    return scores.flatten().softmax(0).view_as(scores)


def test_right_maps(capsys):
    accepts(check_attention_map, capsys, attention_map, one_place_only)


def scored(query, key, row, column, divide=lambda d: d**0.5, share=lambda scores: scores.flatten().softmax(0).view_as(scores)):
    return share(torch.einsum("d,dhw->hw", query[0, :, row, column], key[0]) / divide(query.shape[1]))


def over_the_photograph(query, key, row, column):
    scores = query.flatten(2).transpose(1, 2) @ key.flatten(2) / query.shape[1]**0.5
    return scores.softmax(dim=1)[0, row * query.shape[3] + column].view(key.shape[2:])


def unit(act):
    return act / act.norm(dim=1, keepdim=True)


def times_height(query, key, row, column):
    weights = attention_weights(query, key)[0]
    return weights[min(row * query.shape[2] + column, len(weights) - 1)].view(key.shape[2:])


def numbered(number):
    """A map of the place whose number is number(row, column, photograph's height, its width, painting's width)."""
    def wrong(query, key, row, column):
        weights = attention_weights(query, key)[0]
        return weights[number(row, column, *query.shape[2:], key.shape[3])].view(key.shape[2:])
    return wrong


def columns_first(query, key, row, column):
    weights = attention_weights(query, key)[0]
    return weights[min(column * query.shape[3] + row, len(weights) - 1)].view(key.shape[2:])


MAPS = {
    "√D is missing": lambda q, k, r, c: scored(q, k, r, c, divide=lambda d: 1),
    "divided by D; its root": lambda q, k, r, c: scored(q, k, r, c, divide=lambda d: d),
    "multiplied by √D": lambda q, k, r, c: scored(q, k, r, c, divide=lambda d: d**-0.5),
    "those are the scores": lambda q, k, r, c: scored(q, k, r, c, share=lambda scores: scores),
    "over rows of the painting only": lambda q, k, r, c: scored(q, k, r, c, share=lambda scores: scores.softmax(0)),
    "over columns of the painting only": lambda q, k, r, c: scored(q, k, r, c, share=lambda scores: scores.softmax(1)),
    "over the photograph's places": over_the_photograph,
    "numbered row by row": times_height,
    "row and column are swapped": columns_first,
    "not the painting's": numbered(lambda r, c, height, width, other: r * other + c),
    "row plus column": numbered(lambda r, c, *_: r + c),
    "row times column": numbered(lambda r, c, *_: r * c),
    "the column plays no part": numbered(lambda r, c, *_: r),
    "the row plays no part": numbered(lambda r, c, *_: c),
    "the place before": numbered(lambda r, c, height, width, other: r * width + c - 1),
    "the place after": numbered(lambda r, c, height, width, other: r * width + c + 1),
    "one row too far up": numbered(lambda r, c, height, width, other: (r - 1) * width + c),
    "column by column": numbered(lambda r, c, height, width, other: c * height + r),
    "softmax is taken twice": lambda q, k, r, c: attention_map(q, k, r, c).flatten().softmax(0).view(k.shape[2:]),
    "the exponential alone": lambda q, k, r, c: scored(q, k, r, c, share=torch.exp),
    "the largest is 1": lambda q, k, r, c: attention_map(q, k, r, c) / attention_map(q, k, r, c).max(),
    "the mean over all places": lambda q, k, r, c: attention_weights(q, k)[0].mean(0).view(k.shape[2:]),
    "that is one weight": lambda q, k, r, c: attention_weights(q, k)[0, r, c],
    "it has key's": lambda q, k, r, c: attention_map(q, k, r, c).view(q.shape[2:]),
    "does query come first": lambda q, k, r, c: attention_weights(k, q)[0, r * q.shape[3] + c].view(k.shape[2:]),
    "not a column": lambda q, k, r, c: attention_weights(q, k)[0, :, r].view(k.shape[2:]),
    "take the one place's row": lambda q, k, r, c: attention_weights(q, k).view(k.shape[2:]),
    "rows and columns of the painting are mixed up": lambda q, k, r, c: attention_map(q, k, r, c).flatten().view(k.shape[3], k.shape[2]).T,
    "rows come first": lambda q, k, r, c: attention_map(q, k, r, c).T,
    "divided by their length": lambda q, k, r, c: attention_map(unit(q), unit(k), r, c),
    "looked at by the painting": lambda q, k, r, c: attention_map(k, q, r, c),
    "take the row of the one place": lambda q, k, r, c: attention_weights(q, k)[0],
    "make a picture of it": lambda q, k, r, c: attention_map(q, k, r, c).flatten(),
    "has shape": lambda q, k, r, c: attention_map(q, k, r, c)[None],
    "changes the tensor": lambda q, k, r, c: attention_map(q.mul_(2), k, r, c),
    "no gradient passes": lambda q, k, r, c: attention_map(q, k, r, c).detach(),
}


@pytest.mark.parametrize("says", MAPS)
def test_wrong_maps(says):
    refuses(check_attention_map, MAPS[says], says)


# --- 9.3 -------------------------------------------------------------------------------------------------------------

def block(content, style, kernels, query=normalized, key=normalized, value=lambda x: x, rest=lambda x: x, order=(0, 1, 2, 3), last=True,
          gather=attend):
    """The right block, or one with a piece replaced."""
    to_query, to_key, to_value, out = (kernels[k] for k in order)
    found = gather(F.conv2d(query(content), to_query), F.conv2d(key(style), to_key), F.conv2d(value(style), to_value))
    return rest(content) + (F.conv2d(found, out) if last else found)


def with_piece(**piece):
    return lambda content, style, kernels: block(content, style, kernels, **piece)


def by_matrices(content, style, kernels):
    q, k, v = (torch.einsum("dc,bchw->bdhw", kernel.flatten(1), act)
               for kernel, act in zip(kernels, (F.instance_norm(content), F.instance_norm(style), style)))
    weights = torch.einsum("bdhw,bdyx->bhwyx", q, k).div(q.shape[1]**0.5).flatten(3).softmax(3).view(*q.shape[:1], *q.shape[2:], *k.shape[2:])
    return content + torch.einsum("cd,bhwyx,bdyx->bchw", kernels[3].flatten(1), weights, v)


def test_right_blocks(capsys):
    accepts(check_attention_block, capsys, block, by_matrices)


def normalized_late(query=True, key=True):
    def wrong(content, style, kernels):
        late = lambda act, kernel, later: normalized(F.conv2d(act, kernel)) if later else F.conv2d(normalized(act), kernel)
        found = attend(late(content, kernels[0], query), late(style, kernels[1], key), F.conv2d(style, kernels[2]))
        return content + F.conv2d(found, kernels[3])
    return wrong


def taken_from(query="content", key="style", value="style"):
    """The block with another picture for query, key or value."""
    def wrong(content, style, kernels):
        of = {"content": content, "style": style}
        found = attend(F.conv2d(normalized(of[query]), kernels[0]), F.conv2d(normalized(of[key]), kernels[1]),
                       F.conv2d(of[value], kernels[2]))
        return content + F.conv2d(found, kernels[3])
    return wrong


def own_value(content, style, kernels, last=True):
    found = attend(F.conv2d(normalized(content), kernels[0]), F.conv2d(normalized(style), kernels[1]), style)
    return content + (F.conv2d(found, kernels[3]) if last else found)


def painted_over(content, style, kernels):
    content += block(content, style, kernels, rest=torch.zeros_like)
    return content


def unscaled(query, key, value):
    return attend(query * query.shape[1]**0.5, key, value)


BLOCKS = {
    "the content is missing": with_piece(rest=torch.zeros_like),
    "must be the plain one": with_piece(rest=normalized),
    "the query is not normalized": with_piece(query=lambda x: x),
    "the key is not normalized": with_piece(key=lambda x: x),
    "neither query nor key": with_piece(query=lambda x: x, key=lambda x: x),
    "the value is normalized": with_piece(value=normalized),
    "the last convolution is missing": with_piece(last=False),
    "not divided by √D": with_piece(gather=unscaled),
    "kernels of query and key are swapped": with_piece(order=(1, 0, 2, 3)),
    "kernels of value and of the last convolution are swapped": with_piece(order=(0, 1, 3, 2)),
    "query and key are swapped": with_piece(gather=lambda q, k, v: attend(k, q, v)),
    "the query's kernel is used for the key": with_piece(order=(0, 0, 2, 3)),
    "used for all three": with_piece(order=(0, 0, 0, 3)),
    "the key's kernel is used for the value": with_piece(order=(0, 1, 1, 3)),
    "kernels of key and value are swapped": with_piece(order=(0, 2, 1, 3)),
    "key and value are swapped": with_piece(gather=lambda q, k, v: attend(q, v, k)),
    "query and key are normalized after": normalized_late(),
    "the query is normalized after": normalized_late(key=False),
    "the key is normalized after": normalized_late(query=False),
    "the value comes from the content": taken_from(value="content"),
    "the key comes from the content": taken_from(key="content"),
    "key and value come from the content": taken_from(key="content", value="content"),
    "the query comes from the style": taken_from(query="style"),
    "value and what stays are normalized": with_piece(value=normalized, rest=normalized),
    "the fourth kernel is over the sum": lambda c, y, ks: F.conv2d(c + block(c, y, ks, rest=torch.zeros_like, last=False), ks[3]),
    "the content, not the style": lambda c, y, ks: y + block(c, y, ks, rest=torch.zeros_like),
    "AdaIN has no part": lambda c, y, ks: adain(c, y) + block(c, y, ks, rest=torch.zeros_like),
    "not gone through the third kernel": own_value,
    "third and fourth kernel play no part": lambda *args: own_value(*args, last=False),
    "given length 1": with_piece(query=F.normalize, key=F.normalize),
    "cannot be called": lambda c, y, ks: c + ks[3](y),
    "changes the tensor": painted_over,
    "is None": lambda *_: None,
    "stops with": lambda content, style, kernels: content + attend(content, style, kernels[2]),
    "no gradient passes": lambda *args: block(*args).detach(),
}


@pytest.mark.parametrize("says", BLOCKS)
def test_wrong_blocks(says):
    refuses(check_attention_block, BLOCKS[says], says)
