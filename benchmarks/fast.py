"""One pass: how long it takes, and how far each shipped style comes; by `tiny`, which it was trained with, and by the independent judge.

    python -m benchmarks.fast [--photos 6]
"""
import argparse
import pathlib
import statistics
import tempfile
import time

import torch

from nst_lessons import Features, load_image, save_image, style_error
from nst_lessons.fast import load_fast

from .teacher import SHARED, judge

SAMPLES = ["astronaut", "cat", "coffee", "motorcycle", "rocket"]


def milliseconds(net, size=256, rounds=30):
    """Median time of one pass over a square photograph of `size` px, in ms."""
    photo, times = torch.rand(1, 3, size, size), []
    mix = net.mix(net.styles[0])
    with torch.inference_mode():
        for _ in range(rounds + 3):
            began = time.perf_counter()
            net(photo.to(mix.device), mix).cpu()
            times.append(time.perf_counter() - began)
    return 1000 * statistics.median(times[3:])


def photographs(count):
    """`count` photographs that training never saw: held out ones where there is ../shared, else samples."""
    held_out = sorted((SHARED / "photos").glob("*.jpg"), key=lambda path: int(path.stem))[-50:]
    return (held_out[::max(1, len(held_out) // count)] or SAMPLES)[:count]


def style_ratios(net, photos, features):
    """{style: mean over photos of (painted picture's style error ÷ the photograph's own)}, all at 256 px, by `features`."""
    ratios = {}
    for name in net.styles:
        style = load_image(name, size=256)
        ratios[name] = statistics.mean(style_error(net(photo, name), style, features) / style_error(photo, style, features) for photo in photos)
    return ratios


def judged_ratios(net, paths):
    """The same by the independent judge, for the first photograph: {style: ratio}."""
    look, ratios, photo = judge(), {}, load_image(paths[0], size=256)
    with tempfile.TemporaryDirectory() as folder:
        files = {kind: pathlib.Path(folder) / f"{kind}.png" for kind in ("photo", "painted", "style")}
        save_image(photo, files["photo"])
        for name in net.styles:
            save_image(load_image(name, size=512), files["style"])
            save_image(net(photo, name), files["painted"])
            errors = [look(files[kind], files["photo"], files["style"])["style"] for kind in ("painted", "photo")]
            ratios[name] = errors[0] / errors[1]
    return ratios


def main(argv=None):
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--photos", type=int, default=6)
    p.add_argument("--weights", type=pathlib.Path, help="a network to measure (default: the shipped one)")
    a = p.parse_args(argv)
    net, paths = load_fast(a.weights), photographs(a.photos)
    print(f"one pass at 256 px: {milliseconds(net):.0f} ms with {torch.get_num_threads()} threads   (at most 40 on two cores)")
    print(f"one pass at 512 px: {milliseconds(net, 512, 8):.0f} ms")
    ratios = style_ratios(net, [load_image(path, size=256) for path in paths], Features("tiny"))
    judged = judged_ratios(net, paths) if (SHARED / "judge.py").exists() else {}
    for name, ratio in ratios.items():
        by_judge = f", by the judge {judged[name]:.2f}" if judged else ""
        print(f"{name:14} style error, painted : photograph = {ratio:.2f}{by_judge}   (at most 0.5)")


if __name__ == "__main__":
    main()
