"""The composite teacher as a backbone: VGG-19's own relu1_1, 2_1, 3_1 and the compressed VGG-19's relu4_1, 4_2, 5_1.

It needs the teachers in ../shared/teacher, which are not part of the project; what it paints is the mark for `tiny`.
"""
import importlib.util
import pathlib

import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F

SHARED = pathlib.Path(__file__).resolve().parents[2] / "shared"
_ORDER = ["1_1", "1_2", "2_1", "2_2", "3_1", "3_2", "3_3", "3_4", "4_1", "4_2", "4_3", "4_4", "5_1"]


class Composite(nn.Module):
    """Two teachers side by side, seen as one network with layers relu1_1, relu2_1, relu3_1, relu4_1, relu4_2, relu5_1."""
    layers = ["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu4_2", "relu5_1"]

    def __init__(self, folder=SHARED / "teacher"):
        super().__init__()
        for part, file in (("wide", "vgg19_oxford_conv1_1_to_conv3_4"), ("deep", "vgg19_compressed_conv1_1_to_conv5_1")):
            weights = {k.replace(".", "_"): nn.Parameter(v.float()) for k, v in load_file(folder / f"{file}.safetensors").items()}
            setattr(self, part, nn.ParameterDict(weights))
        self.register_buffer("mean", torch.tensor([103.939, 116.779, 123.68]).view(1, 3, 1, 1))

    def forward(self, image, wanted):
        """{layer: activations} of the layers wanted; image: [B, 3, H, W] in [0, 1]."""
        found = self.everything(image)
        return {layer: found[layer] for layer in self.layers if layer in wanted}

    def everything(self, image):
        """{layer: activations} of all layers, and the compressed network's hidden ones as hint1_1 … hint5_1."""
        found = {}
        for name, x in self._walk((image * 255).flip(1) - self.mean, self.wide, "3_1", "constant"):
            found[f"relu{name}"] = x
        start = F.conv2d(image, self.deep["preprocess_weight"], self.deep["preprocess_bias"])
        for name, x in self._walk(start, self.deep, "5_1", "reflect"):
            found[f"hint{name}"] = x
            if name in ("4_1", "5_1"):
                found[f"relu{name}"] = F.relu(F.conv2d(x, self.deep[f"conv{name}_to_vgg19_weight"], self.deep[f"conv{name}_to_vgg19_bias"]))
        return found | {"relu4_2": found["hint4_2"]}

    @staticmethod
    def _walk(x, weights, upto, padding):
        for name in _ORDER[:_ORDER.index(upto) + 1]:
            if name.endswith("_1") and name != "1_1":
                x = F.max_pool2d(x, 2)
            x = F.relu(F.conv2d(F.pad(x, (1, 1, 1, 1), mode=padding), weights[f"conv{name}_weight"], weights[f"conv{name}_bias"]))
            yield name, x


def judge():
    """The independent judge, ../shared/judge.py, as a function (painted, content, style: paths) → figures."""
    spec = importlib.util.spec_from_file_location("judge", SHARED / "judge.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.judge
