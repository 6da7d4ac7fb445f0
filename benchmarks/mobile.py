"""The phone's student beside its teacher: numbers, multiply-adds, bytes, time and style error, in one run.

    python -m benchmarks.mobile [--photos 3] [--weights FILE]
"""
import argparse
import pathlib
import statistics
import tempfile
import time

import torch

from nst_lessons import Features, load_image
from nst_lessons.fast import load_fast
from nst_lessons.mobile import load_mobile
from nst_lessons.mobile.counting import multiply_adds, parameters
from nst_lessons.mobile.export import available, export, trimmed
from nst_lessons.mobile.export import ExportError
from nst_lessons.mobile.play import onnx
from nst_lessons.mobile.quantize import quantize_onnx

from .fast import judged_ratios, photographs, style_ratios
from .teacher import SHARED


def milliseconds(painters, size=256, rounds=25):
    """[median time in ms] of functions photo → painting, in turns, so that a slow moment of the machine is everybody's."""
    photo, times = torch.rand(1, 3, size, size), [[] for _ in painters]
    with torch.inference_mode():
        for _ in range(rounds + 3):
            for paint, mine in zip(painters, times):
                began = time.perf_counter()
                paint(photo)
                mine.append(time.perf_counter() - began)
    return [1000 * statistics.median(mine[3:]) for mine in times]


def files(net, folder, photos):
    """{"onnx": …, "int8": …}: (file, painter photo → painting) of both exports of `net`; none where onnxruntime is missing."""
    try:
        available("onnx")
    except ExportError as error:
        print(error)
        return {}
    plain = export(net, folder / "mobile.onnx")
    made = {"onnx": plain, "int8": quantize_onnx(plain, folder / "int8.onnx", photos, net.styles)}
    weights = net.mix(net.styles[0]).numpy()
    ready = {name: (path, onnx(str(path))) for name, path in made.items()}
    return {name: (path, lambda photo, run=run: run(photo.numpy(), weights)) for name, (path, run) in ready.items()}


def main(argv=None):
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--photos", type=int, default=3)
    p.add_argument("--weights", type=pathlib.Path, help="a student to measure (default: the shipped one)")
    a = p.parse_args(argv)
    teacher, student, paths = load_fast(device="cpu"), load_mobile(a.weights, "cpu"), photographs(a.photos)
    photo, mix = torch.rand(1, 3, 256, 256), teacher.mix(teacher.styles[0])
    for name, net in (("teacher", teacher), ("student", student)):
        print(f"{name}: {parameters(net):,} numbers, {sum(multiply_adds(net, photo, mix).values()) / 1e6:,.0f} million multiply-adds at 256 px")
    slow, quick = milliseconds([lambda photo: teacher(photo, mix), lambda photo: student(photo, mix)])
    threads = torch.get_num_threads()
    print(f"teacher : student, time = {slow / quick:.2f}   ({slow:.1f} ms : {quick:.1f} ms at 256 px, {threads} threads; at least 2)")
    with tempfile.TemporaryDirectory() as folder:
        exported = files(student, pathlib.Path(folder), [load_image(path, size=160) for path in paths[:2]])
        times = milliseconds([paint for _, paint in exported.values()])      # apart: onnxruntime's waiting threads would slow torch's down
        print("onnxruntime, the student: " + ", ".join(f"{name} {ms:.1f} ms" for name, ms in zip(exported, times)))
        cat = trimmed(load_image("cat", size=256))
        for name, (path, paint) in exported.items():
            far = (torch.from_numpy(paint(cat)) - student(cat, mix)).abs()
            print(f"{name}: {path.stat().st_size / 1000:.0f} kB, from torch at most {far.max():.1g}, on average {far.mean():.1g}")
    compare_styles(teacher, student, paths)


def compare_styles(teacher, student, paths):
    """Style errors, student : teacher, by `tiny` and, where it is there, by the independent judge."""
    photos, features = [load_image(path, size=256) for path in paths], Features("tiny", device="cpu")
    by_tiny = [style_ratios(net, photos, features) for net in (teacher, student)]
    by_judge = [judged_ratios(net, paths) for net in (teacher, student)] if (SHARED / "judge.py").exists() else [{}, {}]
    for title, (first, second) in (("tiny", by_tiny), ("the judge", by_judge)):
        if first:
            told = ", ".join(f"{name} {second[name]:.3f}/{first[name]:.3f}" for name in first)
            print(f"style error, student : teacher, by {title} = {sum(second.values()) / sum(first.values()):.2f}   (at most 1.25; {told})")


if __name__ == "__main__":
    main()
