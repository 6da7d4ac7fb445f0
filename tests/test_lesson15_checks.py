"""Lesson 15's checks: right answers however they are written, and the wrong ones that people write, each told why."""
import re
from fractions import Fraction

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from classroom import accepts, knows_a_stub, refuses
from nst_lessons.checks import check_cut, check_directional_loss, check_top_one
from nst_lessons.words import longest_match, text_distance
from nst_lessons.words.clip import directional_loss


@pytest.mark.parametrize("check", [check_cut, check_top_one, check_directional_loss])
def test_stubs(check):
    knows_a_stub(check)


# --- 15.1 ------------------------------------------------------------------------------------------------------------

def cut(text, words, best=max, other=lambda start: start, step=None):
    pieces, at = [], 0
    while at < len(text):
        found = best([text[at:end] for end in range(at + 1, len(text) + 1) if text[at:end] in words], key=len, default=other(text[at]))
        pieces += [found] if found else []
        at += step or len(found) or 1
    return pieces


def by_recursion(text, words):
    for end in range(len(text), 0, -1):
        if text[:end] in words or end == 1:
            return [text[:end], *by_recursion(text[end:], words)]
    return []


def by_generator(text, words):
    yield from cut(text, words)


def by_the_package(text, words):
    return [one for piece, known in longest_match(text, words, 99) for one in ([piece] if known else piece)]


def by_regex(text, words):
    return re.findall("|".join(map(re.escape, sorted(words, key=len, reverse=True))) + "|.", text)


def test_right_cuts(capsys):
    accepts(check_cut, capsys, cut, by_recursion, by_generator, by_the_package, by_regex, lambda text, words: tuple(cut(text, words)),
            lambda text, words: np.array(cut(text, words)))


def cut_with_rest(text, words):
    pieces = []
    while text:
        pieces.append(max([text[:end] for end in range(1, len(text) + 1) if text[:end] in words], key=len, default=text))
        text = text[len(pieces[-1]):]
    return pieces


def endless(text, words):
    return [text[:1], *endless(text, words)]


def from_the_right(text, words):
    return [one[::-1] for one in reversed(cut(text[::-1], {word[::-1] for word in words}))]


def gathered(text, words):
    return [piece for piece, _ in longest_match(text, words, 99)]


def emptied(text, words):
    answer = cut(text, words)
    words.clear()
    return answer


def of_four(text, words):
    return cut(text, {word for word in words if len(word) <= 4})


def without_default(text, words, found=lambda finds: max(finds, key=len)):
    pieces = []
    while text:
        pieces.append(found([text[:end] for end in range(1, len(text) + 1) if text[:end] in words]))
        text = text[len(pieces[-1]):]
    return pieces


def grown(text, words):
    pieces = []
    while text:
        end = 1
        while end < len(text) and text[:end + 1] in words:
            end += 1
        pieces.append(text[:end])
        text = text[end:]
    return pieces


def one_short(text, words):
    pieces = []
    while text:
        pieces.append(max([text[:end] for end in range(1, len(text)) if text[:end] in words], key=len, default=text[0]))
        text = text[len(pieces[-1]):]
    return pieces


def longest_anywhere(text, words):
    pieces = []
    while text:
        pieces.append(max(sorted(word for word in words if word in text), key=len, default=text[0]))
        text = text.replace(pieces[-1], "", 1)
    return pieces


def stops_at_the_unknown(text, words):
    known = [piece in words for piece in cut(text, words)]
    return cut(text, words)[:known.index(False) if False in known else None]


CUTS = {
    "longer than two": lambda t, w: cut(t, {word for word in w if len(word) < 3}),
    "grows while it finds": grown,
    "the last character is not tried": one_short,
    "only the first piece is there": lambda t, w: cut(t, w)[:1],
    "it ends where no word begins": stops_at_the_unknown,
    "the whole rest becomes one piece": cut_with_rest,
    "all words anywhere": lambda t, w: [t[a:b] for a in range(len(t)) for b in range(a + 1, len(t) + 1) if t[a:b] in w],
    "not with the longest word anywhere": longest_anywhere,
    "a set has no order": lambda t, w: set(cut(t, w)),
    "max(…, default=…)": without_default,
    "the list of finds is empty": lambda t, w: without_default(t, w, lambda finds: finds[-1]),
    "next(…, default)": lambda t, w: without_default(t, w, lambda finds: next(reversed(finds))),
    "the empty text has no first character": lambda t, w: [t[0], *cut(t, w)][1:],
    "calls itself without end": endless,
    "of the empty text": lambda t, w: cut(t, w) or [""],
    "for '' is None": lambda t, w: cut(t, w) if t else None,
    "the *shortest* word": lambda t, w: cut(t, w, min),
    "every character stands alone": lambda t, w: list(t),
    "go on behind the word": lambda t, w: cut(t, w, step=1),
    "is left out; it is to be a piece": lambda t, w: cut(t, w, other=lambda one: ""),
    "the wrong order": lambda t, w: cut(t, w)[::-1],
    "cut from the right": from_the_right,
    "gathered; each stands alone": gathered,
    "the last piece is missing": lambda t, w: cut(t, w)[:-1],
    "the first piece is missing": lambda t, w: cut(t, w)[1:],
    "not cut at all": lambda t, w: [t] if t else [],
    "only once": lambda t, w: list(dict.fromkeys(cut(t, w))),
    "is None": lambda t, w: None,
    "got a str": lambda t, w: " ".join(cut(t, w)),
    "every piece is a text": lambda t, w: list(enumerate(cut(t, w))),
    "changes the set": emptied,
    "seven characters": of_four,
    "no character is lost": lambda t, w: [one + " " for one in cut(t, w)],
    "stops": lambda t, w: cut(t, w) + [t[len(t)]],
}


@pytest.mark.parametrize("says", CUTS)
def test_wrong_cuts(says):
    refuses(check_cut, CUTS[says], says)


# --- 15.2 ------------------------------------------------------------------------------------------------------------

def cosines(texts, pictures, dim=1):
    return F.normalize(texts, dim=dim) @ F.normalize(pictures, dim=dim).T


def share(found):
    return (found == torch.arange(len(found))).float().mean()


def top_one(texts, pictures):
    return share(cosines(texts, pictures).argmax(1))


def by_loop(texts, pictures):
    hits = 0
    for number, text in enumerate(texts):
        far = [1 - torch.cosine_similarity(text, picture, dim=0) for picture in pictures]
        hits += far.index(min(far)) == number
    return hits / len(texts)


def by_numpy(texts, pictures):
    return np.float32(top_one(texts, pictures).item())


def test_right_shares(capsys):
    accepts(check_top_one, capsys, top_one, by_loop, by_numpy, lambda t, p: top_one(t, p).item(), lambda t, p: top_one(t, p).double(),
            lambda t, p: share((1 - cosines(t, p)).argmin(1)), lambda t, p: Fraction(round(by_loop(t, p) * len(t)), len(t)))


def written_over(texts, pictures):
    texts /= texts.norm(dim=1, keepdim=True)
    return top_one(texts, pictures)


def found_each(texts, pictures):
    return [1 - torch.cosine_similarity(text[None], pictures, dim=1) for text in texts]


SHARES = {
    "mean of the smallest": lambda t, p: (1 - cosines(t, p)).amin(1).mean(),
    "compared with 0 each time": lambda t, p: (cosines(t, p).argmax(1) == 0).float().mean(),
    "counted from 1": lambda t, p: (cosines(t, p).argmax(1) == torch.arange(1, len(t) + 1)).float().mean(),
    "only the first text": lambda t, p: float(cosines(t, p)[0].argmax() == 0),
    "divided by the length of a code": lambda t, p: by_loop(t, p) * len(t) / t.shape[1],
    "divided by 20": lambda t, p: by_loop(t, p) * len(t) / 20,
    "divided by the squares": lambda t, p: share((t @ p.T / p.square().sum(1)).argmax(1)),
    "of the whole table": lambda t, p: (torch.arange(len(t)) == cosines(t, p).argmax()).float().mean(),
    "meets its own picture only": lambda t, p: share(torch.cosine_similarity(t, p).argmax().repeat(len(t))),
    "divided by //": lambda t, p: int(by_loop(t, p) * len(t)) // len(t),
    "(min) compared": lambda t, p: sum(one.min().item() == number for number, one in enumerate(found_each(t, p))) / len(t),
    "the smallest product": lambda t, p: share((t @ p.T).argmin(1)),
    "texts compared with texts": lambda t, p: top_one(t, t),
    "that is a list": lambda t, p: [one.argmin().item() == number for number, one in enumerate(found_each(t, p))],
    "True or False is no share": lambda t, p: bool((cosines(t, p).argmax(1) == torch.arange(len(t))).all()),
    "True or False is no": lambda t, p: (cosines(t, p).argmax(1) == torch.arange(len(t))).all(),
    "have no mean": lambda t, p: (cosines(t, p).argmax(1) == torch.arange(len(t))).mean(),
    "text[None]": lambda t, p: sum(text_distance(one, p).argmin().item() == number for number, one in enumerate(t)) / len(t),
    "*farthest* picture": lambda t, p: share(cosines(t, p).argmin(1)),
    "each picture looks for its text": lambda t, p: share(cosines(t, p).argmax(0)),
    "how many of all": lambda t, p: top_one(t, p) * len(t),
    "*not* found": lambda t, p: 1 - top_one(t, p),
    "in percent": lambda t, p: 100 * top_one(t, p),
    "long vectors would win": lambda t, p: share((t @ p.T).argmax(1)),
    "counts lengths too": lambda t, p: share(torch.cdist(t, p).argmin(1)),
    "not over each vector: dim=1": lambda t, p: share(cosines(t, p, 0).argmax(1)),
    "the mean of the distances": lambda t, p: (1 - cosines(t, p)).mean(),
    "mean distance to the own picture": lambda t, p: (1 - cosines(t, p)).diagonal().mean(),
    "one number: their mean": lambda t, p: (cosines(t, p).argmax(1) == torch.arange(len(t))).float(),
    "compare them with 0, 1, 2": lambda t, p: cosines(t, p).argmax(1),
    "is None": lambda t, p: None,
    "changes the tensor": written_over,
    "right would be": lambda t, p: 0.5,
    "stops": lambda t, p: top_one(t, p.T[:, :1]),
}


@pytest.mark.parametrize("says", SHARES)
def test_wrong_shares(says):
    refuses(check_top_one, SHARES[says], says)


# --- 15.3 ------------------------------------------------------------------------------------------------------------

def by_lengths(pictures, photo, text, source):
    ways, way = pictures - photo, text - source
    return 1 - (ways @ way.T)[:, 0] / (ways.norm(dim=1) * way.norm())


def by_points(pictures, photo, text, source):
    return (F.normalize(pictures - photo, dim=1) - F.normalize(text - source, dim=1)).square().sum(1) / 2


def test_right_losses(capsys):
    accepts(check_directional_loss, capsys, directional_loss, by_lengths, by_points,
            lambda p, f, t, s: torch.stack([1 - torch.cosine_similarity(one - f[0], (t - s)[0], dim=0) for one in p]))


def in_place(pictures, photo, text, source):
    pictures -= photo
    return directional_loss(pictures, 0 * photo, text, source)


cos = torch.cosine_similarity
LOSSES = {
    "and 1 − is missing": lambda p, f, t, s: ((p - f) * (t - s)).sum(1),
    "and 1 is missing": lambda p, f, t, s: -((p - f) * (t - s)).sum(1),
    "added, where": lambda p, f, t, s: 1 - cos(p + f, t + s),
    "added, where it is": lambda p, f, t, s: 1 - cos(p - f, t + s),
    "added, where it is to be": lambda p, f, t, s: 1 - cos(p + f, t - s),
    "between pictures and words": lambda p, f, t, s: 1 - cos(t - p, f - s),
    "lead between pictures and words": lambda p, f, t, s: 1 - cos(p - t, f - s),
    "difference of two distances": lambda p, f, t, s: text_distance(t, p) - text_distance(s, f),
    "a difference of two distances": lambda p, f, t, s: text_distance(t, p) - text_distance(s, p),
    "a difference of two": lambda p, f, t, s: text_distance(t, p) - text_distance(t, f),
    "no abs": lambda p, f, t, s: 1 - cos(p - f, t - s).abs(),
    "no square": lambda p, f, t, s: 1 - cos(p - f, t - s)**2,
    "all pictures' ways together": lambda p, f, t, s: 1 - ((p - f) @ (t - s).T)[:, 0] / ((p - f).norm() * (t - s).norm()),
    "before they are subtracted": lambda p, f, t, s: 1 - cos(*(F.normalize(a, dim=1) - F.normalize(b, dim=1) for a, b in ((p, f), (t, s)))),
    "that is the angle": lambda p, f, t, s: torch.acos(cos(p - f, t - s)),
    "only the first picture": lambda p, f, t, s: directional_loss(p[:1], f, t, s),
    "summed over all pictures": lambda p, f, t, s: 1 - ((p - f) * (t - s)).sum() / ((p - f).norm() * (t - s).norm()),
    "a cosine has their sum": lambda p, f, t, s: 1 - ((p - f) * (t - s)).mean(1) / ((p - f).norm(dim=1) * (t - s).norm()),
    "distance of the ways; their": lambda p, f, t, s: (p - f - t + s).square().mean(1),
    "one for all": lambda p, f, t, s: (p - f - t + s).square().mean(),
    "left over, [1, N]": lambda p, f, t, s: directional_loss(p, f, t, s)[None],
    "as a column": lambda p, f, t, s: 1 - F.normalize(p - f, dim=1) @ F.normalize(t - s, dim=1),
    "where it is, not which way": lambda p, f, t, s: 1 - cos(p, t),
    "photograph is not subtracted": lambda p, f, t, s: 1 - cos(p, t - s),
    "source is not subtracted": lambda p, f, t, s: 1 - cos(p - f, t),
    "subtracted from the pictures, the photograph": lambda p, f, t, s: 1 - cos(p - s, t - f),
    "turned round": lambda p, f, t, s: 1 - cos(f - p, t - s),
    "that is the cosine; a loss": lambda p, f, t, s: cos(p - f, t - s),
    "minus the cosine": lambda p, f, t, s: -cos(p - f, t - s),
    "not divided by their lengths": lambda p, f, t, s: 1 - ((p - f) * (t - s)).sum(1),
    "one length only": lambda p, f, t, s: 1 - ((p - f) * F.normalize(t - s, dim=1)).sum(1),
    "squares of the lengths": lambda p, f, t, s: 1 - ((p - f) * (t - s)).sum(1) / ((p - f).square().sum(1) * (t - s).square().sum(1)),
    "not over each vector: dim=1": lambda p, f, t, s: 1 - cos(p - f, (t - s).expand_as(p), dim=0),
    "only the angle": lambda p, f, t, s: (p - f - t + s).square().sum(1),
    "mean over the pictures": lambda p, f, t, s: directional_loss(p, f, t, s).mean(),
    "sum over the pictures": lambda p, f, t, s: directional_loss(p, f, t, s).sum(),
    "averaged first": lambda p, f, t, s: directional_loss(p.mean(0, keepdim=True), f, t, s),
    "left over": lambda p, f, t, s: directional_loss(p, f, t, s)[:, None],
    "is None": lambda p, f, t, s: None,
    "changes the tensor": in_place,
    "no gradient passes": lambda p, f, t, s: directional_loss(p.detach(), f, t, s),
    "stops": lambda p, f, t, s: (p - f) @ (t - s),
}


@pytest.mark.parametrize("says", LOSSES)
def test_wrong_losses(says):
    refuses(check_directional_loss, LOSSES[says], says)
