"""Checkpoints: nested dicts and lists of tensors and plain values in one safetensors file, written whole or not at all."""
import json
import os
import pathlib

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

_KEY = "__tensor__"


class CheckpointError(ValueError):
    """A checkpoint that cannot be used; the message says why and what to do."""


def save_checkpoint(tree, path):
    """Writes `tree` (dicts, lists, tensors, plain JSON values; dictionary keys may be str or int) to `path`, atomically.

    Raises CheckpointError when it cannot be written; the file that was there before is still whole then.
    """
    path, tensors = pathlib.Path(path), {}
    skeleton = json.dumps(_take_out(tree, tensors))
    partial = path.with_name(path.name + ".partial")
    try:
        save_file(tensors, partial, metadata={"tree": skeleton})
        with open(partial, "rb+") as file:
            os.fsync(file.fileno())                              # on the disk before the old one is replaced
        os.replace(partial, path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"cannot write the checkpoint {path.name} ({error}); make room, or use another folder") from error
    finally:
        partial.unlink(missing_ok=True)


def load_checkpoint(path):
    """The tree that `save_checkpoint` wrote. Raises CheckpointError when the file is not one of those, or not whole."""
    if not os.path.exists(path):
        raise CheckpointError(f"there is no checkpoint {str(path)!r}")
    try:
        with safe_open(path, framework="pt") as file:
            skeleton = json.loads((file.metadata() or {})["tree"])
            return _put_back(skeleton, file.get_tensor)
    except (SafetensorError, KeyError, TypeError, ValueError, OSError) as error:
        raise CheckpointError(f"{pathlib.Path(path).name} is not a whole checkpoint; delete it and start again") from error


def _take_out(tree, tensors):
    """`tree` with each tensor replaced by a reference into `tensors`. JSON knows no integer keys: dicts become lists of pairs."""
    if isinstance(tree, torch.Tensor):
        name = str(len(tensors))
        tensors[name] = tree.detach().cpu().contiguous().clone()         # a clone: safetensors refuses shared memory
        return {_KEY: name}
    if isinstance(tree, dict):
        return {"pairs": [[key, _take_out(value, tensors)] for key, value in tree.items()]}
    if isinstance(tree, (list, tuple)):
        return [_take_out(value, tensors) for value in tree]
    return tree


def _put_back(tree, get_tensor):
    if isinstance(tree, dict):
        if _KEY in tree:
            return get_tensor(tree[_KEY])
        return {key: _put_back(value, get_tensor) for key, value in tree["pairs"]}
    if isinstance(tree, list):
        return [_put_back(value, get_tensor) for value in tree]
    return tree
