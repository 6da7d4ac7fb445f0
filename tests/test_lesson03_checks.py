"""Lesson 03's checks: right answers however they are written, and the wrong ones that people write, each told why."""
import pytest
import torch

from classroom import accepts, knows_a_stub, refuses
from nst_lessons import gram_matrix
from nst_lessons.checks import check_gram_by_einsum, check_gram_of_pieces, check_style_distance


def plain(act):
    return torch.einsum("bihw,bjhw->bij", act, act)


def area(act):
    return act.shape[2] * act.shape[3]


def distance(act, style):
    G, A = gram_matrix(act), gram_matrix(style)
    return (G - A).pow(2).sum(dim=(1, 2)) / A.pow(2).sum(dim=(1, 2))


def of(rule):
    """A distance by rule(G, A), of Gram matrices [B, C, C]."""
    return lambda act, style: rule(gram_matrix(act), gram_matrix(style))


both = dict(dim=(1, 2))


def place_by_place(pieces):
    total, positions = 0, 0
    for act in pieces:
        flat = act.flatten(2)                                     # [1, C, H, W] → [1, C, M]
        total = total + (flat[:, :, None] * flat[:, None, :]).sum(dim=3)
        positions += flat.shape[2]
    return total / positions


def test_right_answers(capsys):
    accepts(check_gram_by_einsum, capsys, lambda act: plain(act) / area(act), gram_matrix,
            lambda act: torch.stack([one.flatten(1) @ one.flatten(1).T / area(act) for one in act]))
    accepts(check_style_distance, capsys, distance, of(lambda G, A: ((G - A).norm(**both) / A.norm(**both)) ** 2),
            lambda act, style: torch.stack([distance(act[b:b + 1], style[b % len(style):][:1])[0] for b in range(len(act))]))
    accepts(check_gram_of_pieces, capsys, place_by_place,
            lambda pieces: sum(plain(p) for p in pieces) / sum(area(p) for p in pieces))


@pytest.mark.parametrize("check", [check_gram_by_einsum, check_style_distance, check_gram_of_pieces])
def test_stubs(check):
    knows_a_stub(check)


def adds_in_place(act):
    act += 0.1
    return plain(act) / area(act)


EINSUM = {
    "divide by the number of positions": plain,
    "you divided by C·H·W": lambda act: plain(act) / act[0].numel(),
    "you divided by the channels C": lambda act: plain(act) / act.shape[1],
    "the height alone": lambda act: plain(act) / act.shape[2],
    "the width alone": lambda act: plain(act) / act.shape[3],
    "mixed": lambda act: torch.einsum("bihw,bjhw->ij", act, act) / area(act),
    "no batch": lambda act: plain(act)[0] / area(act),
    "the mean first": lambda act: plain(act - act.mean(dim=(2, 3), keepdim=True)) / area(act),
    "table of positions": lambda act: torch.einsum("bchw,bcij->bhwij", act, act).reshape(len(act), area(act), -1) / area(act),
    "does every path": lambda act: None,
    "stops on": None,
    "[5, 3, 3] is wanted": lambda act: torch.einsum("bihw,bjhw->bi", act, act),
    "letter of its own": lambda act: torch.einsum("bchw,bchw->bcc", act, act),
    "the same tensor goes in twice": lambda act: torch.einsum("bihw,bjhw->bij", act),
    "the same places in both": lambda act: torch.einsum("bihw,bjwh->bij", act, act),
    "parentheses are missing": lambda act: plain(act) / act.shape[2] * act.shape[3],
    "pictures of the batch, too": lambda act: plain(act) / len(act) / area(act),
    "you divided by the pictures of the batch; divide": lambda act: plain(act) / len(act),
    "H·W twice": lambda act: plain(act / area(act)),
    "you divided by 2·H·W": lambda act: plain(act) / (2 * area(act)),
    "every position meets every other": lambda act: torch.einsum("bihw,bjyx->bij", act, act) / area(act),
    "the diagonal only": lambda act: torch.einsum("bchw,bchw->bc", act, act) / area(act),
    "not h and w": lambda act: torch.einsum("bchw,bchw->bhw", act, act) / area(act),
    "keep the letter b on both sides": lambda act: torch.einsum("bihw,ajhw->bij", act, act) / area(act),
    "no gradient": lambda act: (plain(act) / area(act)).detach(),
    "changes the tensor": adds_in_place,
    "everywhere 2 times": lambda act: 2 * plain(act) / area(act),
    "wrong sign": lambda act: -plain(act) / area(act),
}


@pytest.mark.parametrize("says", EINSUM)
def test_wrong_einsum(says):
    wrong = EINSUM[says]
    if wrong is None:
        with pytest.raises(AssertionError, match="your function stops with RuntimeError"):
            check_gram_by_einsum(lambda act: torch.einsum("bii,bjj->ij", act, act))
    else:
        refuses(check_gram_by_einsum, wrong, says)


DISTANCE = {
    "nothing divides by": of(lambda G, A: (G - A).pow(2).sum(**both)),
    "you divided by ‖G‖²": of(lambda G, A: (G - A).pow(2).sum(**both) / G.pow(2).sum(**both)),
    "not by its square": of(lambda G, A: (G - A).pow(2).sum(**both) / A.norm(**both)),
    "you took the root": of(lambda G, A: (G - A).norm(**both) / A.norm(**both)),
    "mean of squares": of(lambda G, A: (G - A).pow(2).mean(**both) / A.pow(2).sum(**both)),
    "absolute differences": of(lambda G, A: (G - A).abs().sum(**both) / A.abs().sum(**both)),
    "plain sums": lambda act, style: (plain(act) - plain(style)).pow(2).sum(**both) / plain(style).pow(2).sum(**both),
    "one number for each": of(lambda G, A: ((G - A).pow(2).sum(**both) / A.pow(2).sum(**both)).mean()),
    "nn.MSELoss": of(lambda G, A: torch.nn.functional.mse_loss(G.expand_as(A) if len(A) > len(G) else G, A.expand_as(G))),
    "loud layers would drown": of(lambda G, A: (G - A).pow(2).mean(**both)),
    "divided by 4·N²": of(lambda G, A: (G - A).pow(2).sum(**both) / (4 * G.shape[1] ** 2)),
    "by its own square": of(lambda G, A: ((G - A).pow(2) / A.pow(2)).sum(**both)),
    "you added up before you squared": of(lambda G, A: (G - A).sum(**both).pow(2) / A.sum(**both).pow(2)),
    "below the line": of(lambda G, A: (G - A).pow(2).sum(**both) / A.sum(**both).pow(2)),
    "the difference of squares": of(lambda G, A: (G.pow(2) - A.pow(2)).sum(**both) / A.pow(2).sum(**both)),
    "one less the cosine": of(lambda G, A: 1 - (G * A).sum(**both) / (G.norm(**both) * A.norm(**both))),
    "only rows": of(lambda G, A: (G - A).pow(2).sum(dim=1) / A.pow(2).sum(dim=1)),
    "leave out keepdim": of(lambda G, A: (G - A).pow(2).sum(**both, keepdim=True) / A.pow(2).sum(**both, keepdim=True)),
    "over all paintings": of(lambda G, A: (G - A).pow(2).sum(**both) / A.pow(2).sum()),
    "are summed": of(lambda G, A: (G - A).pow(2).sum() / A.pow(2).sum()),
    "their Gram matrices can": lambda act, style: (act - style).pow(2).sum(dim=(1, 2, 3)) / style.pow(2).sum(dim=(1, 2, 3)),
    "it is stretched to fit": of(lambda G, A: torch.stack([(G[b] - A[b]).pow(2).sum() / A[b].pow(2).sum() for b in range(len(G))])),
    "leave out .item()": lambda act, style: distance(act, style).item(),
    "is a float": lambda act, style: distance(act, style)[0].item(),
    "no gradient": lambda act, style: distance(act, style).detach(),
}


@pytest.mark.parametrize("says", DISTANCE)
def test_wrong_distance(says):
    refuses(check_style_distance, DISTANCE[says], says)


def emptied(pieces):
    whole = gram_matrix(torch.cat(pieces, dim=3))
    pieces.clear()
    return whole


PIECES = {
    "add the plain sums": lambda pieces: sum(gram_matrix(p) for p in pieces),
    "as much as a wide one": lambda pieces: sum(gram_matrix(p) for p in pieces) / len(pieces),
    "these are the plain sums": lambda pieces: sum(plain(p) for p in pieces),
    "only the last piece": lambda pieces: gram_matrix(pieces[-1]),
    "only the first piece": lambda pieces: gram_matrix(pieces[0]),
    "of the last piece only": lambda pieces: sum(plain(p) for p in pieces) / area(pieces[-1]),
    "put the pieces together again": lambda pieces: gram_matrix(torch.cat(pieces, dim=3)),
    "of the first piece only": lambda pieces: sum(plain(p) for p in pieces) / area(pieces[0]),
    "times the number of pieces": lambda pieces: sum(plain(p) for p in pieces) / (area(pieces[0]) * len(pieces)),
    "is ÷ its own H·W already": lambda pieces: sum(gram_matrix(p) for p in pieces) / sum(area(p) for p in pieces),
    "divide by H·W once": lambda pieces: sum(gram_matrix(p, "all") for p in pieces) / sum(area(p) for p in pieces),
    "you counted columns only": lambda pieces: sum(plain(p) for p in pieces) / sum(p.shape[3] for p in pieces),
    "cannot be stacked": lambda pieces: gram_matrix(torch.stack(pieces)),
    "any number of pieces": lambda pieces: sum(plain(pieces[i]) for i in range(3)) / sum(area(pieces[i]) for i in range(3)),
    "first dimension is lost": lambda pieces: (sum(plain(p) for p in pieces) / sum(area(p) for p in pieces))[0],
    "divided by C·H·W": lambda pieces: gram_matrix(torch.cat(pieces, dim=3), "all"),
    "changes the pieces": emptied,
}


@pytest.mark.parametrize("says", PIECES)
def test_wrong_pieces(says):
    refuses(check_gram_of_pieces, PIECES[says], says)
