"""Lesson 12, the other side: runs an exported network as an app would, with none of this package: python play.py FILE INPUTS.npz OUTPUTS.npz."""
import sys

import numpy as np


def onnx(file):
    """A function (photo, weights) → painting, by onnxruntime; torch is not needed."""
    import onnxruntime
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    return lambda photo, weights: session.run(None, {"photo": photo, "weights": weights})[0]


def executorch(file):
    """The same by ExecuTorch, whose Python side takes torch's tensors."""
    import torch
    from executorch.runtime import Runtime
    program = Runtime.get().load_program(file)                               # must stay alive as long as its method
    forward = program.load_method("forward")

    def paint(photo, weights, program=program):
        return forward.execute([torch.from_numpy(photo), torch.from_numpy(weights)])[0].numpy().copy()
    return paint


def main(file, inputs, outputs):
    """Paints every photograph "photo0", "photo1", … of INPUTS with "weights" into "painting0", … of OUTPUTS."""
    paint = (executorch if file.endswith(".pte") else onnx)(file)
    with np.load(inputs) as given:
        count = len(given.files) - 1
        painted = {f"painting{k}": paint(given[f"photo{k}"], given["weights"]) for k in range(count)}
    np.savez(outputs, **painted)


if __name__ == "__main__":
    main(*sys.argv[1:])
