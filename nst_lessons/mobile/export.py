"""Lesson 12, export: a painter as a file for phones, ONNX or ExecuTorch, and the proof that it paints the same there."""
import contextlib
import importlib.util
import io
import json
import logging
import os
import pathlib
import subprocess
import sys
import tempfile
import warnings

import numpy as np
import torch
from torch import nn

from . import play

FORMATS = {"onnx": ".onnx", "executorch": ".pte"}
TOLERANCE = {"onnx": 1e-4, "executorch": 5e-4}                               # of values in [0, 1], against torch
SIZES = ((96, 128), (160, 112))                                              # H × W in px, at which every file is tried
STEP, LARGEST = 4, 512                                                       # px: sides are multiples of 4; ExecuTorch reserves memory for LARGEST
_NEEDS = {"onnx": (("onnx", "onnxscript", "onnxruntime"), "mobile"), "executorch": (("executorch",), "executorch")}


class ExportError(ValueError):
    """A file that cannot be made or that does not paint what the network paints; says what to do."""


class Exported(nn.Module):
    """What the file holds: photo [1, 3, H, W] in [0, 1] and weights of styles [1, S] → painting [1, 3, H, W] in [0, 1]."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, photo, weights):
        return self.net(photo, weights)


def available(format):
    """Raises ExportError, with what to install, when a package for this format is missing."""
    packages, extra = _NEEDS[format]
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        other = ', or "make phone"; where this Python or torch has no wheel of it, --format onnx works' if format == "executorch" else ""
        raise ExportError(f'--format {format} needs {", ".join(missing)}: pip install "nst_lessons[{extra}]"{other}')


def export(net, path, format="onnx", largest=LARGEST):
    """Writes `net`, a FastNetwork or MobileNetwork, to `path`, with free height and width (multiples of 4 px); whole or not there.

    ExecuTorch plans its memory beforehand, for sides up to `largest` px. An ONNX file also holds the styles' names, as the JSON
    list "styles" of its metadata. Raises ExportError for an unknown format, and for packages that are missing.
    """
    if format not in FORMATS:
        raise ExportError(f"unknown format {format!r}; choose {' or '.join(FORMATS)}")
    available(format)
    path = pathlib.Path(path)
    device, memory = net.out.weight.device, net.out.weight.is_contiguous(memory_format=torch.channels_last)
    try:
        with _quiet():
            program = _captured(net.cpu().to(memory_format=torch.contiguous_format), largest if format == "executorch" else None)
            data = (_onnx if format == "onnx" else _executorch)(program, net)
    finally:
        net.to(device, memory_format=torch.channels_last if memory else torch.preserve_format)
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(data)
    os.replace(partial, path)
    return path


def _captured(net, largest):
    """torch.export's program: the network as a list of operations, sizes as symbols."""
    most = largest // STEP if largest else None
    height, width = (torch.export.Dim(name, min=4, max=most) * STEP for name in ("rows", "columns"))
    example = (torch.rand(1, 3, 64, 96), torch.full((1, len(net.styles)), 1 / len(net.styles)))
    return torch.export.export(Exported(net).eval(), example, dynamic_shapes={"photo": {2: height, 3: width}, "weights": None})


def _onnx(program, net):
    made = torch.onnx.export(program, dynamo=True, input_names=["photo", "weights"], output_names=["painting"], verbose=False)
    proto = made.model_proto
    for node in proto.graph.node:
        del node.metadata_props[:]                                           # which line of Python it came from: twice as large as the weights
    proto.metadata_props.add(key="styles", value=json.dumps(net.styles))
    return proto.SerializeToString()


def _executorch(program, net):
    try:
        from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
        from executorch.exir import to_edge_transform_and_lower
    except (ImportError, AttributeError) as error:                           # made for another torch
        raise ExportError(f"the installed executorch does not work with torch {torch.__version__} ({error}); --format onnx does") from error
    return to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()]).to_executorch().buffer


@contextlib.contextmanager
def _quiet():
    """Exporters tell of every step, and of their own deprecations."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def trimmed(photo):
    """The part of a photograph [1, 3, H, W] whose sides are multiples of 4 px, as an exported file wants them."""
    height, width = (side // STEP * STEP for side in photo.shape[2:])
    return photo[..., :height, :width].contiguous()


def compare(net, path, sizes=SIZES, seed=0):
    """{(H, W): largest difference} between the file, run in a process of its own, and `net`, run here, on random photographs.

    The other process knows neither this package nor, for ONNX, torch: what it needs must be in the file. Raises ExportError when it fails.
    """
    random = np.random.default_rng(seed)
    share = random.random((1, len(net.styles)), dtype=np.float32)
    given = {"weights": share / share.sum()}                                 # a mixture of all styles
    given |= {f"photo{k}": random.random((1, 3, *size), dtype=np.float32) for k, size in enumerate(sizes)}
    painted = run_elsewhere(path, given)
    differences = {}
    with torch.inference_mode():
        for k, size in enumerate(sizes):
            photo, weights = (torch.from_numpy(given[name]).to(net.out.weight.device) for name in (f"photo{k}", "weights"))
            differences[size] = float(np.abs(net(photo, weights).cpu().numpy() - painted[f"painting{k}"]).max())
    return differences


def run_elsewhere(path, given):
    """{"painting0": …} of a file and {"photo0": [1, 3, H, W], …, "weights": [1, S]}, by a fresh process that imports none of this package."""
    with tempfile.TemporaryDirectory() as folder:
        inputs, outputs = pathlib.Path(folder, "in.npz"), pathlib.Path(folder, "out.npz")
        np.savez(inputs, **given)
        done = subprocess.run([sys.executable, play.__file__, str(pathlib.Path(path).resolve()), str(inputs), str(outputs)],
                              cwd=folder, capture_output=True, text=True)
        if done.returncode or not outputs.exists():
            last = (done.stderr.strip().splitlines() or ["it ended without a word"])[-1]
            raise ExportError(f"{pathlib.Path(path).name} does not run in a process of its own: {last}")
        with np.load(outputs) as found:
            return {name: found[name] for name in found.files}
