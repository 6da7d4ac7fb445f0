"""Lesson 08, on disk: a network with its styles' names in one safetensors file; the shipped one is in the package."""
import json
import os
import pathlib

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from .. import loading
from .network import FastNetwork

_SHIPPED = "fast.safetensors"


def save_fast(net, path):
    """Writes `net` in half precision, with its styles' names and its shape; the file is whole or not there."""
    path = pathlib.Path(path)
    partial = path.with_name(path.name + ".partial")
    tensors = {name: (tensor.half() if tensor.is_floating_point() else tensor).cpu().contiguous()
               for name, tensor in net.state_dict().items()}
    notes = {"styles": json.dumps(net.styles), "shape": json.dumps(net.shape)}
    partial.write_bytes(save(tensors, metadata=notes))                       # save_file's would be readable to nobody else
    os.replace(partial, path)
    return path


def load_fast(path=None, device=None):
    """The FastNetwork in a file of `save_fast`, ready to paint; the shipped one if no path is given. Raises WeightsError."""
    path = pathlib.Path(loading.embedded(_SHIPPED) if path is None else path)
    tensors = loading.read_weights(path)
    try:
        with safe_open(path, framework="pt") as file:
            notes = file.metadata() or {}
        net = FastNetwork(json.loads(notes["styles"]), **json.loads(notes["shape"]))
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise loading.WeightsError(f"{path.name} holds no one-pass network; give a file that 'nst-lessons learn-style' or "
                                   "train_fast wrote") from error
    loading.load_into(net, tensors)
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    return net.eval().requires_grad_(False).to(device, memory_format=torch.channels_last)
