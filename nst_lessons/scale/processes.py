"""Many processes, one picture: each takes its share of the tiles, and what they measured is added up over torch.distributed.

Every process then has the same sums, the same gradient and the same optimizer, and so takes the same step; nobody is in charge.
The engine is torch's own: `torchrun` starts the processes, gloo (CPUs) or NCCL (GPUs) adds up. `launch` is torchrun from inside.
"""
import contextlib
import logging
import os
import signal
import sys
import threading
import uuid

import torch
import torch.distributed as dist


class LostProcess(RuntimeError):
    """Another of the processes has ended, so no sum can be completed any more; the message says so."""


def count(group=None):
    """How many processes there are; one without a group."""
    return 1 if group is None else dist.get_world_size(group)


def rank(group=None):
    """This process's number among them, from 0."""
    return 0 if group is None else dist.get_rank(group)


def share(things, group=None):
    """The part of a list that is this process's own: of n processes, every n-th thing; everything without a group."""
    return things if group is None else things[rank(group)::count(group)]


def add_up(tensor, group=None):
    """The sum of a tensor over all processes, in place, the same to the last bit in each. Raises LostProcess."""
    if group is not None:
        with _all_there():
            dist.all_reduce(tensor, group=group)
    return tensor


def least(number, group=None):
    """The smallest of all processes' numbers. Raises LostProcess."""
    if group is None:
        return number
    numbers = torch.tensor([float(number)], dtype=torch.float64, device="cuda" if dist.get_backend(group) == "nccl" else "cpu")
    with _all_there():
        dist.all_reduce(numbers, dist.ReduceOp.MIN, group=group)
    return type(number)(numbers.item())


def agree(number, what, group=None):
    """Raises ValueError unless all processes have the same number; `what`: what it says of them, for the message."""
    if least(number, group) != -least(-number, group):
        raise ValueError(f"the processes differ in {what}: start them alike, and where all can see the same files")


def _leave_me_be():
    """From now on torchrun's SIGTERM, which follows a lost process, does not disturb: the work is being saved."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)


@contextlib.contextmanager
def _all_there():
    try:
        yield
    except RuntimeError as error:
        _leave_me_be()
        raise LostProcess(f"another process has ended ({str(error).strip().splitlines()[0]})") from error


def started():
    """True in a process that torchrun, or `launch`, has started along with others."""
    return "RANK" in os.environ and "WORLD_SIZE" in os.environ


@contextlib.contextmanager
def joined():
    """Joins the processes that were started together, and gives their group: NCCL where there are GPUs, otherwise gloo.

    When torchrun ends this process because another one died, LostProcess is raised wherever it stands.
    """
    def ended(*_):
        _leave_me_be()
        raise LostProcess("another process has ended, and with it the run")

    before = signal.signal(signal.SIGTERM, ended)
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", 0)) % torch.cuda.device_count())
    dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield dist.group.WORLD
        dist.barrier()                                                     # nobody hangs up while another is still talking
        dist.destroy_process_group()                                       # not after an error: it would wait for the lost
    finally:
        signal.signal(signal.SIGTERM, before)


def usual(processes):
    """So many processes, or for 0 as many as there are GPUs, or two. Raises ValueError for fewer."""
    if processes < 0:
        raise ValueError(f"{processes} processes cannot paint; give 1 or more")
    return processes or torch.cuda.device_count() or 2


def launch(processes, arguments):
    """Runs `python -m nst_lessons` with these arguments in so many processes of this machine → (exit status, what went wrong).

    Each gets its part of the cores. As with torchrun, when one of them dies the others are ended.
    """
    from torch.distributed.elastic.multiprocessing import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)          # one line of ours says it, not forty
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // processes)))
    config = LaunchConfig(1, 1, processes, run_id=str(uuid.uuid4()), rdzv_backend="c10d", rdzv_endpoint="localhost:0",
                          max_restarts=0, local_addr="127.0.0.1")
    try:
        elastic_launch(config, sys.executable)("-m", "nst_lessons", *arguments)
    except ChildFailedError as error:
        killed = lambda item: (item[1].exitcode != -signal.SIGTERM and item[1].exitcode < 0, item[1].exitcode > 0)
        rank, failure = max(error.failures.items(), key=killed)            # SIGTERM was sent to those that were left
        if failure.exitcode > 0:                                                       # it has said why
            return failure.exitcode, ""
        return 1, f"process {rank} of {processes} was ended by {failure.signal_name()}"
    except SignalException as error:
        return 128 + error.sigval, ""
    return 0, ""
