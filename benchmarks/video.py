"""Moving pictures: how fast clips are painted in one pass, how much each route flickers, and how well flow is found.

    python -m benchmarks.video [--weights FILE]
"""
import argparse
import pathlib
import statistics
import time

import torch
from torch.nn import functional as F

from nst_lessons import Features, load_image, style_error
from nst_lessons.fast import load_fast
from nst_lessons.images import resize
from nst_lessons.video import crossing, flow, one_pass, pan, trust, warping_error
from nst_lessons.video.steady import load_steady

SHAPE, COUNT, NOISE = (192, 256), 8, 0.02


def scenes(shape=SHAPE, count=COUNT):
    """{name: (frames, exact backward flows, masks of what can be compared)}: a camera that pans, a disc that crosses a still picture."""
    step = (2.0, 1.0)
    backward = torch.tensor(step).view(1, 2, 1, 1).expand(1, 2, *shape)
    frames = [frame.image for frame in pan(load_image("cat", size=2 * max(shape)), shape, count, step, NOISE)]
    found = {"pan": (frames, (count - 1) * [backward], (count - 1) * [trust(backward, -backward)])}
    side = shape[0] // 3
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    disc = ((x - side / 2)**2 + (y - side / 2)**2 < (side / 2 - 1)**2).float()[None, None]
    thing = F.interpolate(load_image("coffee", size=2 * side), (side, side), mode="area")
    made = list(crossing(resize(load_image("rocket"), shape), thing, disc, count, (3, 1), (8, 10), NOISE))
    flows = [torch.cat([-3 * where, -where], 1) for _, where in made]
    found["crossing"] = [frame.image for frame, _ in made], flows[1:], [trust(now, -was) for was, now in zip(flows, flows[1:])]
    return found


def flicker(net, style, frames, flows, masks):
    """(mean warping error, mean style error by `tiny`) of a clip painted in one pass."""
    paint, features, target = one_pass(net, style), Features("tiny"), load_image(style, size=max(frames[0].shape[2:]))
    painted = [paint(frame) for frame in frames]
    errors = [warping_error(*each) for each in zip(painted, painted[1:], flows, masks)]
    return statistics.mean(errors), statistics.mean(style_error(picture, target, features) for picture in painted)


def rate(net, size=256, rounds=20):
    """Frames a second in one pass at `size` × `size` px, with as many threads as torch has."""
    paint, frame, times = one_pass(net, net.styles[0]), torch.rand(1, 3, size, size), []
    for _ in range(rounds + 3):
        began = time.perf_counter()
        paint(frame)
        times.append(time.perf_counter() - began)
    return 1 / statistics.median(times[3:])


def main(argv=None):
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--weights", type=pathlib.Path, help="a steady network to measure (default: the shipped one)")
    p.add_argument("--styles", nargs="+", help="some of its styles (default: all)")
    a = p.parse_args(argv)
    steady, plain = load_steady(a.weights), load_fast()
    print(f"one pass at 256 px: {rate(steady):.1f} frames a second with {torch.get_num_threads()} threads   (at least 8 on two cores)")
    for name, (frames, flows, masks) in scenes().items():
        off = statistics.mean((flow(b, c) - truth).norm(dim=1, keepdim=True)[mask > 0].mean().item()
                              for b, c, truth, mask in zip(frames[1:], frames, flows, masks))
        print(f"{name:9} flow by DIS off by {off:.2f} px on average")
        for style in a.styles or [one for one in steady.styles if one in plain.styles]:
            (was, before), (now, after) = (flicker(net, style, frames, flows, masks) for net in (plain, steady))
            print(f"{name:9} {style:14} warping error, steady : plain = {now / was:.2f}, style error {after / before:.2f}")


if __name__ == "__main__":
    main()
