"""What a painting wants of memory, what the machine has, and what to do when that is less.

An evaluation wants `_PEAK` times the bytes that autograd keeps, for each pixel that the network is shown (measured: see
docs/performance.md); the optimizer wants so many pictures' worth (`_PICTURES`).
"""
import os
from pathlib import Path
from typing import NamedTuple

import torch

from .processes import count, least
from .reach import reach
from .tiles import grid

_PEAK = 1.6
_PICTURES = {"lbfgs": (40, 2), "adam": (20, 0)}          # so many, and so many more for each step that is remembered
_HISTORIES = (20, 10, 5, 3)              # L-BFGS remembers so many steps; where not even 3 have room, Adam paints
_ROOM = 0.8                              # of what is free: others live here too
_HARMLESS = 16e3                         # bytes a pixel, more than any of our networks wants: small pictures need no reckoning
_USEFUL = 256                            # px of a tile: with smaller ones, most of the work would be margins
_TRIAL = 64, 128                         # px: memory that grows from one to the other is what pixels want


class Plan(NamedTuple):
    """How a picture can be painted here. `tile`: px, None for all at once; `method` and `history` as for `optimize`."""
    tile: int | None
    method: str
    history: int


def plan(objective, method="lbfgs", tile=None, group=None, room=None):
    """The Plan for an objective: at once if memory allows, else in tiles, with a shorter L-BFGS history or Adam if need be.

    tile: px, if somebody has chosen. group: processes that will share the tiles. room: bytes that may be used, else what is free.
    """
    features, content, (height, width) = objective.features, objective.content, objective.content.shape[-2:]
    room = free(features.device) * _ROOM / _housemates(group) if room is None else room
    at_once = group is None and (tile is None or tile >= max(height, width))
    if at_once and content.numel() / 3 * _HARMLESS < room:
        return Plan(None, method, _HISTORIES[0])
    room, (graph, targets) = least(room, group), bytes_per_pixel(objective)
    found = reach(features, features.check_layers([*objective.content_layers, *objective.style_layers]), content)
    for method, history in [*((method, history) for history in _HISTORIES if method == "lbfgs"), ("adam", _HISTORIES[0])]:
        fixed, growing = _PICTURES[method]
        kept = (fixed + growing * history) * content.nbytes + targets * content.numel() / 3
        pixels = (room - kept) / (_PEAK * graph * len(content))            # so many may be in the network at a time
        if at_once and pixels >= height * width:
            return Plan(None, method, history)
        if pixels >= max(windows((height, width), _USEFUL, found)):
            break
    return Plan(tile or best_tile((height, width), pixels, found, count(group)), method, history)


def best_tile(sides, pixels, reach, processes=1):
    """The side of the tiles (px) with which the process that has most to do has least, none showing the network more than `pixels`."""
    costs = {}
    for parts in range(1, 65):
        tile = max(-(-max(sides) // parts), 2 * reach.stride)
        sizes = windows(sides, tile, reach)
        most = max(sum(sizes[k::processes]) for k in range(processes))
        too_large = max(0, max(sizes) - pixels)
        costs[tile] = too_large, most * (4 / 3 if len(sizes) > processes else 1)       # several tiles of one process are seen twice
    return min(costs, key=costs.get)


def windows(sides, tile, reach):
    """How many pixels the network is shown for each tile of a picture."""
    return [(one.wide_rows.stop - one.wide_rows.start) * (one.wide_columns.stop - one.wide_columns.start)
            for one in grid(sides, tile, reach.margin, reach.stride)]


def bytes_per_pixel(objective):
    """(what autograd keeps of each pixel, what content's targets take), in bytes: measured with two small pictures."""
    features, content_layers = objective.features, objective.content_layers
    layers, kept, targets = features.check_layers([*content_layers, *objective.style_layers]), [], []
    for side in _TRIAL:
        storages = {}

        def keep(tensor):
            storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        image = objective.content.new_zeros(1, 3, side, side).requires_grad_()
        with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            acts = features(image, layers)
        for act in acts.values():                                          # they are kept by Gram matrices
            keep(act)
        guided = len(objective.masks) * sum(acts[layer].nbytes for layer in objective.style_layers)      # lesson 13: a copy for each
        kept.append(sum(storages.values()) + guided)
        targets.append(sum(acts[layer].nbytes for layer in content_layers))
    more = _TRIAL[1] ** 2 - _TRIAL[0] ** 2
    return (kept[1] - kept[0]) / more, (targets[1] - targets[0]) / more


def free(device):
    """Bytes that could be had now: of the GPU; of the machine or its container; half of all there is, where nobody tells."""
    if torch.device(device).type == "cuda":
        return torch.cuda.mem_get_info(device)[0] + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    known = []
    for line in _lines("/proc/meminfo"):
        known += [1024 * int(line.split()[1])] if line.startswith("MemAvailable") else []
    limit, used = _lines("/sys/fs/cgroup/memory.max"), _lines("/sys/fs/cgroup/memory.current")
    known += [int(limit[0]) - int(used[0])] if limit and used and limit[0].isdigit() else []
    if not known and hasattr(os, "sysconf"):
        known = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2]
    return min(known, default=4 * 2**30)


def _lines(path):
    """A file's lines; none when it is not there."""
    return Path(path).read_text().splitlines() if os.path.exists(path) else []


def _housemates(group):
    """How many processes share this machine's memory; GPUs have their own."""
    return 1 if group is None or torch.cuda.is_available() else int(os.environ.get("LOCAL_WORLD_SIZE", 1))
