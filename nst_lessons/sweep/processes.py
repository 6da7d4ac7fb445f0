"""Cells side by side: fresh Python processes, one thread each. A picture of 128 px keeps one core busy, not two.

They are started by hand and not by `multiprocessing`, which would run the caller's script once more in each of them. What a cell
gives is the files that it writes; the pipe only says "paint this" and "done". A process whose caller is gone ends by itself.
"""
import os
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import torch

from ..features import backbones

_START = 4               # s, about, until another process has imported torch; less work than that is not worth one
_KNOWN = backbones()     # what another process knows too; networks registered later are this process's own


def paint_all(cells, folder, processes=None):
    """Yields each cell when it is painted and written. What goes wrong in one ends all, and says in which it was."""
    kept, cells = {}, list(cells)
    if processes is None and cells:
        first, *cells = cells
        yield _here(first, folder, kept)
        processes = _spare(cells, first, folder)
    elif any(cell.settings.backbone not in _KNOWN for cell in cells):
        processes = 1
    if processes == 1:
        for cell in cells:
            yield _here(cell, folder, kept)
    elif cells:
        yield from _beside(cells, folder, min(processes, len(cells)))


def _here(cell, folder, kept):
    try:
        cell.paint(folder, kept)
    except Exception as error:
        raise _named(cell, error) from error
    return cell


def _spare(cells, first, folder):
    """How many processes are worth it for the cells that are left, once the first has shown how long one takes."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    first.read(folder)
    short = len(cells) * first.seconds < 2 * _START
    if short or torch.cuda.is_available() or any(cell.settings.backbone not in _KNOWN for cell in cells):
        return 1                                                          # and a GPU is not shared
    return min(cores, len(cells))


def _beside(cells, folder, count):
    """The cells, in the order in which they get ready, from `count` processes; whatever happens here, those end."""
    painters, free = [], []
    with ThreadPoolExecutor(count) as pool:
        try:
            for _ in range(count):
                painters.append(_painter())
            free.extend(painters)

            def ask(cell):
                painter = free.pop()                                      # as many threads as painters: there is always one
                _ask(painter, cell, folder)
                free.append(painter)
                return cell
            for done in as_completed([pool.submit(ask, cell) for cell in cells]):
                yield done.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            for painter in painters:
                painter.kill()                                            # what it has written is whole, or not there
                painter.wait()


def _painter():
    """A process that waits for cells. In a session of its own: Ctrl-C is for its caller, which will tell it.

    It finds this package and what is installed, but (-P) nothing in the folder where it starts: a learner's random.py, say.
    """
    paths = [str(Path(__file__).resolve().parents[2]), os.environ.get("PYTHONPATH")]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    return subprocess.Popen([sys.executable, "-P", "-c", "from nst_lessons.sweep.processes import work; work()"], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, env=environment, start_new_session=True)


def _ask(painter, cell, folder):
    try:
        pickle.dump((cell, folder), painter.stdin)
        painter.stdin.flush()
        error = pickle.load(painter.stdout)
    except (OSError, EOFError, pickle.UnpicklingError):
        raise ChildProcessError(f"{' · '.join(cell.labels)}: the process that painted it has ended, perhaps for want of memory; "
                                "the same call with processes=1 goes on") from None
    if error is not None:
        raise _named(cell, error) from error


def work():
    """What a process does: reads cells from its standard input, paints them, answers None or the error, until there is no more."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)                                                         # what anything prints must not get between the answers
    torch.set_num_threads(1)
    kept = {}
    while True:
        try:
            cell, folder = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        answer = None
        try:
            cell.paint(folder, kept)
        except Exception as error:
            answer = error
        answers.write(_packed(answer))
        answers.flush()


def _packed(error):
    try:
        data = pickle.dumps(error)
        pickle.loads(data)
        return data
    except Exception:
        return pickle.dumps(RuntimeError(f"{type(error).__name__}: {error}"))


def _named(cell, error):
    """The same kind of error, with the cell's labels in front."""
    text = f"{' · '.join(cell.labels)}: {error}"
    try:
        return type(error)(text)
    except Exception:
        return RuntimeError(text)
