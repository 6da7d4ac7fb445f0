"""Lesson 09, on disk: a network for any style in one safetensors file; the two shipped ones are in the package."""
import json
import os
import pathlib

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from .. import loading
from .network import AnyStyle, AttentionStyle

METHODS = {net.method: net for net in (AnyStyle, AttentionStyle)}


def save_any(net, path):
    """Writes `net` in half precision, with its method and shape; the file is whole or not there."""
    path = pathlib.Path(path)
    partial = path.with_name(path.name + ".partial")
    tensors = {name: tensor.half().cpu().contiguous() for name, tensor in net.state_dict().items()}
    partial.write_bytes(save(tensors, metadata={"method": net.method, "shape": json.dumps(net.shape)}))
    os.replace(partial, path)
    return path


def load_any(method="adain", path=None, device=None):
    """The network of a `method`, "adain" or "attention", ready to paint; or that in a file of `save_any`, whatever its method.

    Raises ValueError for an unknown method, WeightsError for a file that holds no such network.
    """
    if method not in METHODS:
        raise ValueError(f"unknown method {method!r}; choose {' or '.join(METHODS)}")
    path = pathlib.Path(loading.embedded(f"{method}.safetensors") if path is None else path)
    tensors = loading.read_weights(path)
    try:
        with safe_open(path, framework="pt") as file:
            notes = file.metadata() or {}
        net = METHODS[notes["method"]](**json.loads(notes["shape"]))
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise loading.WeightsError(f"{path.name} holds no network for any style; give a file that save_any wrote") from error
    loading.load_into(net, tensors)
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    net.features.to(device)
    return net.eval().requires_grad_(False).to(device, memory_format=torch.channels_last)
