"""Lesson 10's checks: right answers however they are written, and the wrong ones that people write, each told why."""
import pytest
import torch

from classroom import accepts, knows_a_stub, refuses
from nst_lessons import gram_matrix
from nst_lessons.checks import check_gram_in_tiles, check_gram_of_half, check_loss_of_many


def plain(act):
    return act.flatten(2) @ act.flatten(2).transpose(1, 2)


def area(act):
    return act.shape[2] * act.shape[3]


@pytest.mark.parametrize("check", [check_gram_of_half, check_gram_in_tiles, check_loss_of_many])
def test_stubs(check):
    knows_a_stub(check)


# --- 10.1 -------------------------------------------------------------------------------------------------------------

def test_right_halves(capsys):
    accepts(check_gram_of_half, capsys, lambda act: gram_matrix(act.float()), lambda act: plain(act / area(act) ** 0.5).float(),
            lambda act: plain(act.float()) / area(act), lambda act: (plain(act.double()) / area(act)).float())


def in_place(act):
    act /= area(act) ** 0.5
    return plain(act).float()


HALF = {
    "holds infinity": lambda act: plain(act).float() / area(act),
    "afterwards is too late": lambda act: plain(act) / area(act),
    "losses want float32": lambda act: gram_matrix(act.float()).half(),
    "these are the plain sums": lambda act: plain(act.float()),
    "divided by C·H·W": lambda act: gram_matrix(act.float(), "all"),
    "divided by C;": lambda act: plain(act.float()) / act.shape[1],
    "divided by H alone": lambda act: plain(act.float()) / act.shape[2],
    "divided twice": lambda act: plain(act.float() / area(act)),
    "divided by √(H·W)": lambda act: plain(act.float()) / area(act) ** 0.5,
    "cut off at 65504": lambda act: plain(act.float()).clamp(max=65504) / area(act),
    "cut off at 1": lambda act: gram_matrix(act.float().clamp(0, 1)),
    "are mixed": lambda act: gram_matrix(act.float()).sum(0, keepdim=True).expand(len(act), -1, -1),
    "B·C·H·W": lambda act: plain(act.float()) / act.numel(),
    "divided by B;": lambda act: plain(act.float()) / len(act),
    "infinite sums were cut off": lambda act: torch.nan_to_num(gram_matrix(act).float(), posinf=65504),
    "divided by the largest": lambda act: gram_matrix(act.float() / act.float().max()),
    "is not right": lambda act: torch.zeros(len(act), act.shape[1], act.shape[1]),
    "changes the activations": in_place,
    "is None": lambda act: None,
}


@pytest.mark.parametrize("says", HALF)
def test_wrong_halves(says):
    refuses(check_gram_of_half, HALF[says], says)


# --- 10.2 -------------------------------------------------------------------------------------------------------------

def middle(own, wide, stride):
    return (own[0] - wide[0]) // stride, (own[1] - wide[0]) // stride


def over_all(found, picture):
    return sum(map(plain, found)) / sum(map(area, found))


def tiles(window=lambda own, wide: wide, keep=middle, total=over_all):
    """An answer to exercise 10.2 with one of its steps replaced."""
    def gram(see, picture, down, across, stride):
        found = []
        for top, bottom, *rows in down:
            for left, right, *columns in across:
                tall, broad = window((top, bottom), rows), window((left, right), columns)
                act = see(picture[..., slice(*tall), slice(*broad)])
                found.append(act[..., slice(*keep((top, bottom), tall, stride)), slice(*keep((left, right), broad, stride))])
        return total(found, picture)
    return gram


def on_the_diagonal(see, picture, down, across, stride):
    return sum(tiles(total=lambda found, picture: plain(found[0]))(see, picture, [one], [other], stride) for one, other in zip(down, across)) / sum(
        (one[1] - one[0]) * (other[1] - other[0]) / stride**2 for one, other in zip(down, across))


TILES = {
    "saw tiles without their margins": tiles(window=lambda own, wide: own),
    "margins were not cut off again": tiles(keep=lambda own, wide, stride: (0, None)),
    "where there is none": tiles(keep=lambda own, wide, stride: (16 // stride, (16 + own[1] - own[0]) // stride)),
    "on one side the margin was cut wrongly": tiles(keep=lambda own, wide, stride: ((own[0] - wide[0]) // stride, None)),
    "and at the picture's border 0": tiles(keep=lambda own, wide, stride: ((own[0] - wide[0]) // stride, -((own[0] - wide[0]) // stride))),
    "behind wide_stop − stop": tiles(keep=lambda own, wide, stride: ((own[0] - wide[0]) // stride, (own[1] - own[0]) // stride)),
    "only tiles on the diagonal": on_the_diagonal,
    "counted from the picture's corner": tiles(keep=lambda own, wide, stride: (own[0] // stride, own[1] // stride)),
    "px and positions are mixed up": tiles(keep=lambda own, wide, stride: (own[0] - wide[0], own[1] - wide[0])),
    "these are the plain sums": tiles(total=lambda found, picture: sum(map(plain, found))),
    "divided already are added": tiles(total=lambda found, picture: sum(map(gram_matrix, found))),
    "a mean over tiles": tiles(total=lambda found, picture: sum(map(gram_matrix, found)) / len(found)),
    "divided by px": tiles(total=lambda found, picture: sum(map(plain, found)) / area(picture)),
    "only the last tile counts": tiles(total=lambda found, picture: gram_matrix(found[-1])),
    "divided by the last tile's positions": tiles(total=lambda found, picture: sum(map(plain, found)) / area(found[-1])),
    "divided by stride only once": tiles(total=lambda found, picture: sum(map(plain, found)) / (area(picture) / 4)),
    "divided by the number of tiles": tiles(total=lambda found, picture: sum(map(plain, found)) / len(found)),
    "not equally large": tiles(total=lambda found, picture: sum(map(plain, found)) / len(found) / area(found[0])),
    "only positions count": tiles(total=lambda found, picture: over_all(found, picture) / found[0].shape[1]),
    "shown the whole picture": lambda see, picture, *_: gram_matrix(see(picture)),
    "is None": lambda *_: None,
    "stops on a picture": lambda see, picture, down, across, stride: see(down)[0],
}


def another_middle(keep_rows, keep_columns, window=lambda part: part[2:], total=over_all):
    """An answer to exercise 10.2 that keeps other rows and columns of a window: keep(down's part, across' part, stride)."""
    def gram(see, picture, down, across, stride):
        found = []
        for part in down:
            for other in across:
                act = see(picture[..., slice(*window(part)), slice(*window(other))])
                found.append(act[..., slice(*keep_rows(part, other, stride)), slice(*keep_columns(part, other, stride))])
        return total(found, picture)
    return gram


def high(part, other, stride):
    return middle(part[:2], part[2:], stride)


def broad(part, other, stride):
    return middle(other[:2], other[2:], stride)


def uncut(part, other, stride):
    return 0, None


def in_the_loop(see, picture, down, across, stride):
    for part in down:
        for other in across:
            return gram_matrix(tiles(total=lambda found, picture: found[0])(see, picture, [part], [other], stride))


def lying_down(see, picture, down, across, stride):
    return tiles()(lambda window: see(window.mT).mT, picture, down, across, stride)


def by_another_network(see, picture, down, across, stride):
    return gram_matrix(torch.nn.functional.conv2d(picture, torch.zeros(5, 3, 3, 3)))


MORE_TILES = [                           # other ways into the same slips
    ("on one side the margin", tiles(keep=lambda own, wide, stride: ((own[0] - wide[0]) // stride, -((wide[1] - own[1]) // stride)))),
    ("on one side the margin", tiles(keep=lambda own, wide, stride: ((own[0] - wide[0]) // stride, (wide[1] - own[1]) // stride))),
    ("on one side the margin", tiles(keep=lambda own, wide, stride: (middle(own, wide, stride)[0], middle(own, wide, stride)[1] + 1))),
    ("where there is none", tiles(keep=lambda own, wide, stride: (16 // stride, -(16 // stride)))),
    ("in one direction only", another_middle(high, uncut)),
    ("in one direction only", another_middle(uncut, broad)),
    ("rows and columns are mixed up", another_middle(broad, high)),
    ("four numbers are mixed up", another_middle(lambda part, other, stride: middle(part[2:], part[:2], stride),
                                                 lambda part, other, stride: middle(other[2:], other[:2], stride), lambda part: part[:2])),
    ("inside a loop", in_the_loop),
    ("not cut off again", tiles(keep=lambda own, wide, stride: (0, None),
                                total=lambda found, picture: sum(map(gram_matrix, found)) / len(found))),
    ("without their margins", tiles(window=lambda own, wide: own, total=lambda found, picture: sum(map(plain, found)))),
    ("other windows than", lambda see, picture, down, across, stride: tiles()(see, picture, down[:1], across[1:], stride)),
    ("other windows than", lying_down),
    ("asks another network", by_another_network),
]


@pytest.mark.parametrize("says, wrong", MORE_TILES)
def test_more_wrong_tiles(says, wrong):
    refuses(check_gram_in_tiles, wrong, says)


def in_float32(see, picture, down, across, stride):
    return tiles(total=lambda found, picture: sum(plain(act.float()) for act in found) / sum(map(area, found)))(see, picture, down, across, stride)


def test_right_tiles(capsys):
    side_by_side = tiles(total=lambda found, picture: gram_matrix(torch.cat([act.flatten(2) for act in found], dim=2)[:, :, None]))
    accepts(check_gram_in_tiles, capsys, tiles(), side_by_side, in_float32)


@pytest.mark.parametrize("says", TILES)
def test_wrong_tiles(says):
    refuses(check_gram_in_tiles, TILES[says], says)


# --- 10.3 -------------------------------------------------------------------------------------------------------------

def distance(gram, target):
    return (gram - target).pow(2).sum(dim=(1, 2)) / target.pow(2).sum(dim=(1, 2))


def every_nth(rank, count, pieces):
    return pieces[rank::count]


def measured(rank, count, pieces, target, share=every_nth):
    """The plain sum and the count of positions of one process."""
    total, positions = torch.zeros_like(target), torch.zeros(1)
    for act in share(rank, count, pieces):
        total, positions = total + plain(act), positions + area(act)
    return total, positions


def by(rule, share=every_nth):
    """An answer to exercise 10.3: rule(plain sum, positions, target, add_up, count)."""
    return lambda rank, count, pieces, target, add_up: rule(*measured(rank, count, pieces, target, share), target, add_up, count)


def right(total, positions, target, add_up, count):
    return distance(add_up(total) / add_up(positions), target)


def in_one_call(total, positions, target, add_up, count):
    both = add_up(torch.cat([total.flatten(), positions]))
    return distance(both[:-1].view_as(target) / both[-1], target)


def far(total, positions, target):
    """The loss of one share; none where there is nothing."""
    return distance(total / positions.clamp_min(1), target) * (positions > 0)


def the_first_alone(rank, count, pieces, target, add_up):
    return by(right)(rank, count, pieces, target, add_up) if rank == 0 else torch.zeros(1)


def without_zeros(rank, count, pieces, target, add_up):
    return right(sum(map(plain, pieces[rank::count])), torch.tensor([float(sum(map(area, pieces[rank::count])))]), target, add_up, count)


def blocks(rank, count, pieces):
    each = len(pieces) // count
    return pieces[each * rank:each * (rank + 1)] if each else pieces[rank::count]


def twice(rank, count, pieces):
    """The right share, after a look at the first piece."""
    assert pieces[0] is not None
    return pieces[rank::count]


MANY = {
    "knows only its own share": by(lambda total, positions, target, add_up, count: far(total, positions, target)),
    "losses were added": by(lambda total, positions, target, add_up, count: add_up(far(total, positions, target))),
    "mean of the processes' losses": by(lambda total, positions, target, add_up, count: add_up(far(total, positions, target)) / count),
    "every piece got a loss": lambda rank, count, pieces, target, add_up: add_up(
        sum((distance(gram_matrix(act), target) for act in pieces[rank::count]), torch.zeros(1))),
    "looked at one piece only": by(right, lambda rank, count, pieces: pieces[rank:rank + 1]),
    "got a list": by(lambda total, positions, target, add_up, count: add_up([total, positions])),
    "divided already are added up": by(lambda total, positions, target, add_up, count: distance(add_up(total / positions.clamp_min(1)), target)),
    "a mean of Gram matrices": by(lambda total, positions, target, add_up, count: distance(add_up(total / positions.clamp_min(1)) / count, target)),
    "one process's own": by(lambda total, positions, target, add_up, count: distance(add_up(total) / positions, target)),
    "never divided by all positions": by(lambda total, positions, target, add_up, count: distance(add_up(total), target)),
    "waits for ever": the_first_alone,
    "add_up wants a tensor": by(lambda total, positions, target, add_up, count: distance(add_up(total) / add_up(int(positions)), target)),
    "brings zeros": without_zeros,
    "looked at all pieces": by(right, lambda rank, count, pieces: [piece for k, piece in enumerate(pieces) if k % count == rank]),
    "looked at by two processes": by(right, twice),
    "belong to nobody": by(right, blocks),
    "`count` times": by(lambda *given: given[3](right(*given))),
    "was not divided by ‖A‖²": by(lambda total, positions, target, add_up, count: (add_up(total) / add_up(positions) - target).pow(2).sum(dim=(1, 2))),
    "a mean of squares": by(lambda total, positions, target, add_up, count: (add_up(total) / add_up(positions) - target).pow(2).mean(dim=(1, 2))),
    "the squares are missing": by(lambda *given: right(*given).sqrt()),
    "the square of ‖A‖ is missing": by(lambda *given: right(*given) * given[2].norm()),
    "divided by ‖G‖²": by(lambda total, positions, target, add_up, count: distance(target, add_up(total) / add_up(positions))),
    "divided by C·H·W": by(lambda total, positions, target, add_up, count: distance(add_up(total) / add_up(3 * positions), target)),
    "how many pieces there are": lambda rank, count, pieces, target, add_up: by(
        lambda total, *_: distance(add_up(total) / len(pieces), target))(rank, count, pieces, target, add_up),
    "each by its positions": by(lambda total, positions, target, add_up, count: add_up(positions * far(total, positions, target)) / add_up(positions)),
    "divided by its own positions": lambda rank, count, pieces, target, add_up: distance(
        add_up(sum(map(gram_matrix, pieces[rank::count]), 0 * target)), target),
    "several processes, or by none": by(right, lambda rank, count, pieces: pieces[rank:]),
    "so that some have none": lambda rank, count, pieces, target, add_up: by(right)(
        rank, count, pieces, target, add_up) if pieces[rank::count][0] is not None else None,
    "different shapes": lambda rank, *rest: by(right)(rank, *rest) if rest[0] == 1 else rest[-1](torch.zeros(rank + 1)),
    "is None": lambda rank, count, pieces, target, add_up: None,
    "with KeyError": lambda rank, count, pieces, target, add_up: {}["x"],
}


def test_right_shares(capsys):
    by_number = by(right, lambda rank, count, pieces: [pieces[k] for k in range(rank, len(pieces), count)])
    accepts(check_loss_of_many, capsys, by(right), by(in_one_call), by_number)


@pytest.mark.parametrize("says", MANY)
def test_wrong_shares(says):
    refuses(check_loss_of_many, MANY[says], says)
