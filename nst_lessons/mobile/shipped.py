"""Lesson 12, on disk: students are saved like lesson 08's networks; what was saved says which of the two it is."""
import json
import pathlib

import torch
from safetensors import SafetensorError, safe_open

from .. import loading
from ..fast import load_fast, save_fast
from ..video.steady import load_steady
from .network import MobileNetwork

_SHIPPED = "mobile.safetensors"
save_mobile = save_fast                                                      # names of styles, shape, weights in half precision


def load_mobile(path=None, device=None):
    """The MobileNetwork in a file of `save_mobile`, ready to paint; the shipped one if no path is given. Raises WeightsError."""
    path = pathlib.Path(loading.embedded(_SHIPPED) if path is None else path)
    tensors = loading.read_weights(path)
    try:
        notes = _notes(path)
        net = MobileNetwork(json.loads(notes["styles"]), **json.loads(notes["shape"]))
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise loading.WeightsError(f"{path.name} holds no student of lesson 12; give a file that save_mobile wrote") from error
    loading.load_into(net, tensors)
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    return net.eval().requires_grad_(False).to(device, memory_format=torch.channels_last)


PAINTERS = {"mobile": load_mobile, "fast": load_fast, "steady": load_steady}


def load_painter(model="mobile", device=None):
    """Any network that paints in one pass: a name in PAINTERS, the shipped ones, or a file of either kind. Raises WeightsError."""
    if model in PAINTERS:
        return PAINTERS[model](None, device)
    loading.read_weights(model)                                              # one line about a file that is no weights file
    return (load_mobile if '"kernels"' in _notes(model).get("shape", "") else load_fast)(model, device)


def _notes(path):
    """What stands beside the tensors of a safetensors file."""
    with safe_open(path, framework="pt") as file:
        return file.metadata() or {}
