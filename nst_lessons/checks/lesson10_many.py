"""Lesson 10, exercise 10.3: a loss from many processes, which are threads here. The oracle is the whole, in float64."""
import threading

import torch

from ..gram import gram_matrix
from .lesson10 import product
from .verdict import Wrong, attempt, exercise, same, seeded

_PATIENCE = 2            # s that one process waits for the others
_UNFAIR = "some pieces were looked at by several processes, or by none: pieces[rank::count] gives each to one"


class _Watched(list):
    """Pieces that remember which of them were looked at."""

    def __init__(self, pieces):
        super().__init__(pieces)
        self.seen = set()

    def __getitem__(self, which):
        numbers = range(len(self))[which]
        self.seen.update(numbers if isinstance(which, slice) else [numbers])
        return super().__getitem__(which)

    def __iter__(self):
        return (self[number] for number in range(len(self)))


class _Meeting:
    """Stands in for torch.distributed: `add_up` waits until every process has called it, then gives each the sum."""

    def __init__(self, count):
        self.barrier, self.given, self.calls = threading.Barrier(count), {}, [0] * count

    def add_up(self, rank, tensor):
        """The sum of all processes' tensors."""
        if not isinstance(tensor, torch.Tensor):
            got = f"the number {tensor}" if isinstance(tensor, (int, float)) else f"a {type(tensor).__name__}"
            raise Wrong(f"add_up wants a tensor, and got {got}: a process without a piece brings zeros, "
                        "and a count becomes torch.tensor(…)")
        self.given[rank], self.calls[rank] = tensor.detach().clone(), self.calls[rank] + 1
        self.barrier.wait(_PATIENCE)
        shapes = {tuple(one.shape) for one in self.given.values()}
        total = sum(self.given[k] for k in sorted(self.given)) if len(shapes) == 1 else None
        self.barrier.wait(_PATIENCE)                                       # everybody has read before anybody gives anew
        if total is None:
            raise Wrong(f"the processes add up tensors of different shapes, {sorted(map(list, shapes))}: each must bring the same kind of sum")
        return total


def _together(function, count, pieces, target):
    """(what each of so many processes, here threads, returned; the pieces that each looked at; its calls of add_up)."""
    meeting, watched, found = _Meeting(count), [_Watched(pieces) for _ in range(count)], [None] * count

    def process(rank):
        try:
            found[rank] = function(rank, count, watched[rank], target, lambda tensor: meeting.add_up(rank, tensor))
        except threading.BrokenBarrierError:
            found[rank] = "waits"
        except Exception as error:
            found[rank] = error
            meeting.barrier.abort()                                        # nobody need wait for this one

    threads = [threading.Thread(target=process, args=(rank,), daemon=True) for rank in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(4 * _PATIENCE)
    return found, [one.seen for one in watched], meeting.calls


def _distance(gram, target):
    return (gram - target).pow(2).sum(dim=(1, 2)) / target.pow(2).sum(dim=(1, 2))


def _loss_slips(pieces, count, target):
    """(the right loss, [(message, the loss that this slip gives)])."""
    plain, area = [product(one) for one in pieces], [one.shape[2] * one.shape[3] for one in pieces]
    parts = [(sum(plain[rank::count]), sum(area[rank::count])) for rank in range(count) if plain[rank::count]]
    grams, far = [one / positions for one, positions in parts], [_distance(one / positions, target) for one, positions in parts]
    each = [_distance(one / positions, target) for one, positions in zip(plain, area)]
    halves, whole = sum(one / positions for one, positions in zip(plain, area)), sum(plain) / sum(area)
    given = len(pieces) // count * count                                   # by those who give each process equally many
    return _distance(whole, target), [
        ("losses were added: a loss is no sum over positions. Add up plain sums and positions, then make the loss", sum(far)),
        ("losses were added, each by its positions: still a loss is no sum over positions. Add up plain sums, then make the loss",
         sum(one * positions for one, (_, positions) in zip(far, parts)) / sum(area)),
        ("the loss went through add_up: each process knows it already, so it comes out `count` times", _distance(whole, target) * count),
        ("‖G − A‖² was not divided by ‖A‖²", (whole - target).pow(2).sum(dim=(1, 2))),
        ("a mean of squares over the table, where ‖G − A‖² ÷ ‖A‖² is wanted", (whole - target).pow(2).mean(dim=(1, 2))),
        ("the squares are missing: ‖G − A‖² ÷ ‖A‖², squared above and below", _distance(whole, target).sqrt()),
        ("the square of ‖A‖ is missing below", (whole - target).pow(2).sum(dim=(1, 2)) / target.norm()),
        ("divided by ‖G‖²; the target's, ‖A‖², is wanted", _distance(target, whole)),
        ("divided by C·H·W; only positions count", _distance(whole / plain[0].shape[1], target)),
        ("divided by how many pieces there are; divide by positions", _distance(sum(plain) / len(pieces), target)),
        ("the mean of the processes' losses is not the loss of the whole: add up plain sums and positions, then make the loss",
         sum(far) / count),
        *(("every piece got a loss of its own: a loss is no sum over positions. Add up plain sums and positions, then make the loss", one)
          for one in (sum(each), sum(each) / len(each))),
        *([("each process looked at one piece only; its share, pieces[rank::count], may be several",
            _distance(sum(plain[:count]) / sum(area[:count]), target))] if count < len(pieces) else []),
        ("Gram matrices that were divided already are added up: add up plain sums and positions, divide once",
         _distance(sum(grams), target)),
        *(("every piece's Gram matrix was divided by its own positions: add up plain sums and positions, divide once", _distance(one, target))
          for one in (halves, halves / len(pieces))),
        ("a mean of Gram matrices counts a process with little as much as one with much: add up plain sums and positions, divide once",
         _distance(sum(grams) / count, target)),
        ("the plain sums were never divided by all positions", _distance(sum(plain), target)),
        *(("a process knows only its own share: its sums must go through add_up, and what add_up gives back is the sum of all", one)
          for one in far),
        *(("the positions are only one process's own: add those up as well", _distance(sum(plain) / positions, target))
          for _, positions in parts),
        *([("the last pieces belong to nobody: pieces[rank::count] gives all of them away",
            _distance(sum(plain[:given]) / sum(area[:given]), target))] if given else [])]


@exercise("10.3", "one, two or four processes, and each of them knows the same loss.")
def check_loss_of_many(loss):
    """Tries loss(rank, count, pieces, target, add_up) → [1]: ‖G − A‖² / ‖A‖² of all pieces together, by 1, 2 and 4 processes."""
    for count, widths in [(1, (3, 5)), (2, (3, 6, 2, 4, 7)), (4, (5, 3))]:
        generator = seeded(count)
        pieces = [torch.rand(1, 3, 4, width, generator=generator) for width in widths]
        target = gram_matrix(torch.rand(1, 3, 5, 5, generator=generator))
        found, seen, calls = _together(loss, count, pieces, target)
        for error in (one for one in found if isinstance(one, Exception)):
            some = ", so that some have none" if count > len(widths) else ""
            attempt(_raise, error, on=f"{count} processes with {len(widths)} pieces{some}")
        if "waits" in [one for one in found if isinstance(one, str)] or len(set(calls)) > 1:
            raise Wrong(f"a process waits for ever: {calls.count(max(calls))} of {count} called add_up {max(calls)} times, the others less. "
                        "Every process must call it equally often, with a piece or without")
        truth, slips = _loss_slips(pieces, count, target.double())
        slips = [slip for slip in slips if not torch.allclose(slip[1], truth)]
        looked = sorted(number for one in seen for number in one)
        for rank, answer in enumerate(found):
            if isinstance(answer, torch.Tensor) and answer.shape == truth.shape and looked != list(range(len(widths))):
                slips = [*slips, (_UNFAIR, answer)]
            same(answer, truth, f"the loss that process {rank} of {count} knows", slips, rtol=1e-4)
        if count > 1 and any(len(one) == len(widths) for one in seen):
            raise Wrong("the loss is right, but a process looked at all pieces, if only to pass over some: let it touch none but its own, pieces[rank::count]")
        if looked != list(range(len(widths))):
            raise Wrong("the loss is right, but some piece was looked at by two processes: pieces[rank::count] gives each to one")


def _raise(error):
    raise error
