"""Any style in one pass: how long it takes, and how near it comes to paintings that training never saw, by the independent judge.

    python -m benchmarks.attention [--photos 3] [--sheet sheet.png]

Unseen: three real paintings, the museum's seed 0 of two schools, and the photographs with the highest numbers.
"""
import argparse
import pathlib
import statistics
import tempfile
import time

import torch

from nst_lessons import Features, load_image, plots, save_image, style_error
from nst_lessons.attention import METHODS, load_any

from .fast import photographs
from .teacher import SHARED, judge

PAINTINGS = ["munch_the_scream", "van_gogh_cafe_terrace", "van_gogh_houses"]
SCHOOLS = ["starry", "waves"]
SIZE = 256


def unseen():
    """{name: what load_image takes}: five paintings, or those of our own where there is no ../shared."""
    real = {name.split("_")[-1]: SHARED / "paintings" / f"{name}.jpg" for name in PAINTINGS}
    return {name: file for name, file in real.items() if file.exists()} | {name: name for name in SCHOOLS}


def milliseconds(net, size=SIZE, rounds=20):
    """Median times in ms at `size` px: (one pass with the painting looked at before, looking at a painting)."""
    photo, painting = torch.rand(1, 3, size, size), torch.rand(1, 3, SIZE, SIZE)
    passes, looks = [], []
    with torch.inference_mode():
        for _ in range(rounds + 2):
            began = time.perf_counter()
            look = net.look(painting)
            between = time.perf_counter()
            net(photo, look).cpu()
            passes.append(time.perf_counter() - between)
            looks.append(between - began)
    return 1000 * statistics.median(passes[2:]), 1000 * statistics.median(looks[2:])


def errors(net, photos, styles):
    """{style: [(painted picture's style error, the photograph's own) for each photo]} at 256 px; by the judge, without it by `tiny`."""
    features, found = Features("tiny"), {}
    look = judge() if (SHARED / "judge.py").exists() else None
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        file = {kind: pathlib.Path(folder) / f"{kind}.png" for kind in ("photo", "painted", "style")}
        for name, source in styles.items():
            style, found[name] = load_image(source, size=SIZE), []
            save_image(style, file["style"])
            for photo in photos:
                painted = net(photo, style)
                save_image(photo, file["photo"])
                save_image(painted, file["painted"])
                if look:
                    found[name].append(tuple(look(file[kind], file["photo"], file["style"])["style"] for kind in ("painted", "photo")))
                else:
                    found[name].append(tuple(style_error(one, style, features) for one in (painted, photo)))
    return found


def summary(found):
    """(mean style error, mean of its ratio to the photograph's own, {style: mean ratio}) of what `errors` gives."""
    pairs = [pair for of_style in found.values() for pair in of_style]
    ratios = {name: statistics.mean(painted / own for painted, own in of_style) for name, of_style in found.items()}
    return statistics.mean(painted for painted, _ in pairs), statistics.mean(painted / own for painted, own in pairs), ratios


@torch.inference_mode()
def contact_sheet(nets, photo, styles):
    """A figure: a row for the paintings, one for each method, a column for each unseen painting."""
    shapes = [load_image(source, size=SIZE) for source in styles.values()]
    square = [torch.nn.functional.interpolate(one, (SIZE, SIZE), mode="bilinear", antialias=True) for one in shapes]
    rows = [net(photo, style) for net in nets.values() for style in shapes]
    return plots.contact_sheet([*square, *rows], ["painting", *nets], list(styles), dpi=200)


def square_photograph():
    """The astronaut at 256 px, a photograph from outside the training's data set."""
    return load_image("astronaut", size=SIZE)


def main(argv=None):
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--photos", type=int, default=3)
    p.add_argument("--weights", type=pathlib.Path, nargs="+", default=[], help="networks to measure (default: the shipped ones)")
    p.add_argument("--sheet", type=pathlib.Path, help="write a contact sheet of the unseen paintings here")
    a = p.parse_args(argv)
    nets = {path.stem: load_any(path=path) for path in a.weights} or {method: load_any(method) for method in METHODS}
    photos = [load_image(path, size=SIZE) for path in photographs(a.photos)]
    for name, net in nets.items():
        (once, look), (large, _) = milliseconds(net), milliseconds(net, 512, 5)
        print(f"{name:9} one pass: {once:.0f} ms at 256 px, {large:.0f} ms at 512 px; looking at a painting: {look:.0f} ms")
        error, ratio, each = summary(errors(net, photos, unseen()))
        print(f"{name:9} style error, unseen paintings: {error:.3f}; painted : photograph = {ratio:.2f}   (at most 0.5)   "
              + ", ".join(f"{style} {value:.2f}" for style, value in each.items()))
    if a.sheet:
        contact_sheet(nets, square_photograph(), unseen()).savefig(a.sheet)


if __name__ == "__main__":
    main()
