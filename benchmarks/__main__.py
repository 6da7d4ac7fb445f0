"""`make bench`: ratios from one run, each of two things side by side. Seconds differ from machine to machine; ratios hardly."""
import argparse

from . import attention, engine, fast, mobile, regions, scale, selfsup, sweep, tiny_quality, video, words
from .teacher import SHARED


def main():
    """Prints every ratio with the figure it should stay under."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--pairs", type=int, default=2, help="pictures to hold against the teacher's (twelve for the card's figures)")
    args = p.parse_args()
    print(f"a step of optimize : bare forward, Grams, losses, backward = {engine.step_overhead():.3f}   (at most 1.05)")
    ratio, ours, theirs, goal = engine.time_to_loss()
    print(f"our default : usual tutorial loop, time to its last loss ({goal:.4f}) = {ratio:.2f}   ({ours:.1f} s : {theirs:.1f} s; at most 0.5)")
    fast.main([])
    attention.main([])
    sweep.main()
    scale.main([])
    regions.main([])
    video.main([])
    mobile.main([])
    selfsup.main(["--size", "128", "--steps", "60"])
    words.main(["--sets", "3"])
    if (SHARED / "judge.py").exists():
        tiny_quality.main(["--pairs", str(args.pairs), "--alphas", "default"])
    else:
        print("no ../shared here: the comparison of tiny with its teacher is left out")


if __name__ == "__main__":
    main()
