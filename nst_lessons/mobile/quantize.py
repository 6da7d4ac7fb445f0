"""Lesson 12, fewer bits: kernels as whole numbers from −127 to 127 and one scale for each channel that comes out."""
import copy
import os
import pathlib
import tempfile

import torch

from .export import ExportError, _quiet, available, trimmed


def quantized(kernel, bits=8):
    """Whole numbers and what one of them is worth: kernel ≈ whole · scale (symmetric, per channel: Krishnamoorthi 2018, section 2).

    kernel: [D, C, k, k], 2 ≤ bits ≤ 8 → whole: int8 [D, C, k, k], from −(2^(bits−1) − 1) to the same; scale: [D, 1, 1, 1].
    """
    most = 2 ** (bits - 1) - 1                                               # 127 for 8 bits: one number for ±, and 0 stays 0
    scale = kernel.abs().amax(dim=(1, 2, 3), keepdim=True) / most            # [D, 1, 1, 1]
    scale = scale.clamp_min(torch.finfo(kernel.dtype).tiny)                  # a kernel of zeros
    return (kernel / scale).round().to(torch.int8), scale


def rounded(net, bits=8, quantized=quantized):
    """A copy of a network whose convolution kernels are as good as whole numbers of so many bits; scales and shifts of styles stay."""
    small = copy.deepcopy(net)
    with torch.no_grad():
        for kernel in small.parameters():
            if kernel.ndim == 4:
                whole, scale = quantized(kernel.detach(), bits)
                kernel.copy_(whole.to(kernel.dtype) * scale)
    return small


def quantize_onnx(path, out, photos, styles):
    """An int8 twin of an ONNX file of `export`: kernels and activations of its convolutions as whole numbers, the rest as it was.

    photos: a list of [1, 3, H, W], each painted in every of the S `styles` to see how large activations become
    (onnxruntime's static quantization). Raises ExportError when onnxruntime is missing.
    """
    available("onnx")
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Shown(CalibrationDataReader):
        def __init__(self):
            rows = torch.eye(len(styles))
            self.left = iter([{"photo": trimmed(photo).numpy(), "weights": rows[k:k + 1].numpy()} for photo in photos for k in range(len(styles))])

        def get_next(self):
            return next(self.left, None)

    with tempfile.TemporaryDirectory() as folder, _quiet():
        made = pathlib.Path(folder, "int8.onnx")
        quantize_static(path, made, Shown(), quant_format=QuantFormat.QDQ, op_types_to_quantize=["Conv"], per_channel=True,
                        activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8)
        data = made.read_bytes()
    if not data:
        raise ExportError(f"{pathlib.Path(path).name} could not be quantized")
    out = pathlib.Path(out)
    partial = out.with_name(out.name + ".partial")
    partial.write_bytes(data)
    os.replace(partial, out)
    return out
