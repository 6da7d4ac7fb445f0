"""What a mask buys: style error inside each region, guided against plain; what changes outside; what a guided evaluation costs.

    python -m benchmarks.regions [--size 160] [--steps 50] [--sheet sheet.jpg]

The style error is `style_error_in` each region, by `tiny`, of the same photograph, styles and evaluations.
"""
import argparse
import pathlib
import statistics

import torch

from nst_lessons import Features, Objective, load_image, plots, stylize
from nst_lessons.regions import GuidedObjective, read_masks, style_error_in

from .scale import in_turns

CASES = {"cat": ("subject:0,0,0.85,1", "stained_glass", "starry"), "coffee": ("subject:0.03,0.02,0.97,0.98", "mosaic", "waves"),
         "astronaut": ("subject:0.08,0.08,0.92,0.92", "woodcut", "autumn_forest")}


def errors(photo, mask, inside, outside, size, steps):
    """(guided error : plain mixed error of the same region, for each region) and the two pictures, guided first."""
    content, styles, features = load_image(photo, size=size), [load_image(name, size=size) for name in (inside, outside)], Features("tiny")
    masks = read_masks([mask, "rest"], content, content.shape[2:])
    guided, mixed = (stylize(content, styles, masks=texts, steps=steps) for texts in ([mask, "rest"], None))
    ratios = [style_error_in(one, guided, style, features) / style_error_in(one, mixed, style, features) for one, style in zip(masks, styles)]
    return ratios, guided, mixed


def background_only(photo, mask, style, size, steps):
    """(the largest change outside of the mask, the mean change inside, the picture): the photograph untouched but for its background."""
    content, mask = load_image(photo, size=size), mask.replace("subject", "background")
    painted = stylize(content, load_image(style, size=size), masks=[mask], steps=steps, untouched=True)
    inside, = read_masks([mask], content, content.shape[2:])
    change = (painted - content).abs()
    return (change * (inside == 0)).max().item(), ((change * inside).sum() / inside.sum() / 3).item(), painted


def cost(size=160, rounds=5):
    """A guided evaluation of two regions over a plain one of two styles."""
    features, photo = Features("tiny"), load_image("cat", size=size)
    styles = [load_image(name, size=size) for name in ("starry", "mosaic")]
    masks = read_masks(["rectangle:0,0,0.5,1", "rest"], photo, photo.shape[2:])
    return in_turns(GuidedObjective(features, photo, styles, masks), Objective(features, photo, styles), photo, rounds)


def main(argv=None):
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--size", type=int, default=160)
    p.add_argument("--steps", type=int, default=50)
    p.add_argument("--sheet", type=pathlib.Path, help="write a contact sheet here")
    a = p.parse_args(argv)
    ratios, largest, shown = [], 0.0, []
    for photo, (mask, inside, outside) in CASES.items():
        found, guided, mixed = errors(photo, mask, inside, outside, a.size, a.steps)
        outer, inner, only = background_only(photo, mask, outside, a.size, a.steps)
        ratios, largest = ratios + found, max(largest, outer)
        print(f"{photo:9} style error guided : mixed, inside {found[0]:.2f}, outside {found[1]:.2f}; background only: mean change inside "
              f"{inner:.3f}, largest outside {outer:g}")
        shown += [load_image(photo, size=a.size), only, guided, mixed]
    print(f"regions: style error guided : mixed, mean over {len(ratios)} regions = {statistics.mean(ratios):.2f}   (at most 0.5)")
    print(f"regions: largest change outside of the mask, untouched = {largest:g}   (0)")
    print(f"regions: a guided evaluation of two regions : a plain one of two styles = {cost(a.size):.2f}   (at most 1.5)")
    if a.sheet:
        square = [torch.nn.functional.interpolate(one, (256, 256), mode="bicubic", antialias=True) for one in shown]
        names = [f"{photo}\n{inside}\n{outside}" for photo, (_, inside, outside) in CASES.items()]
        plots.contact_sheet(square, names, ["photograph", "background only", "two regions", "mixed, no mask"], dpi=200).savefig(a.sheet)


if __name__ == "__main__":
    main()
