"""Do words find their pictures? Twenty styles whose texture × mark × scale was never trained, described, and freshly drawn from new seeds.

    python -m benchmarks.words [--sets 5] [--weights FILE]

Top-1: how often, of twenty pictures, the one nearest to a description is its own; by chance 0.05. Beside it, how often the encoder's recipe is exactly
the one that was meant. In English, in Chinese; and, harder, among twenty that all share the same colors.
"""
import argparse

import numpy as np
import torch

from nst_lessons import Features
from nst_lessons.words import described, held_out, load_words, meaning, tokenize, top_one
from nst_lessons.words.arrangement import TEXTURES
from nst_lessons.words.colors import RAMPS
from nst_lessons.words.marks import MARKS, SCALES
from nst_lessons.words.space import SIDE

STYLES, NEW_SEEDS = 20, 1_000_000


def unseen(rng, colors=None, count=STYLES):
    """`count` descriptions, as lists of concepts, of different combinations that training never drew."""
    every = [[f"texture:{texture}", f"mark:{mark}", f"scale:{scale}"] for texture in TEXTURES for mark in MARKS for scale in SCALES]
    fresh = [one for one in every if held_out(meaning(one))]
    chosen = rng.permutation(len(fresh))[:count]
    return [fresh[k] + [f"color:{name}" for name in (colors or some_colors(rng))] for k in chosen]


def some_colors(rng):
    """One to three names of colors."""
    names = list(RAMPS)
    return [names[k] for k in rng.choice(len(names), rng.choice([1, 2, 3], p=[0.2, 0.5, 0.3]), replace=False)]


def measure(sets=5, weights=None, colors=None):
    """{"English": (top-1, share of recipes that are exactly right), "Chinese": …}, means over `sets` of twenty styles each."""
    (encoder, space), tiny, found = load_words(weights), Features("tiny"), {"English": [], "Chinese": []}
    for number in range(sets):
        rng = np.random.default_rng((7, number))
        styles = unseen(rng, colors and some_colors(rng)[:2])
        pictures = [torch.from_numpy(meaning(one).picture(SIDE, NEW_SEEDS + 100 * number + k)).permute(2, 0, 1)[None] for k, one in enumerate(styles)]
        seen = torch.cat([space.measure(one, tiny).cpu() for one in pictures])
        for language, chinese in (("English", False), ("Chinese", True)):
            words = [tokenize(described(one, rng, chinese))[0] for one in styles]
            with torch.no_grad():
                codes, scores = encoder(encoder.numbers(words))
            right = [encoder.recipe({name: rows[k] for name, rows in scores.items()}) == meaning(one) for k, one in enumerate(styles)]
            found[language].append((top_one(codes, seen), np.mean(right)))
    return {language: tuple(np.mean(rows, axis=0).tolist()) for language, rows in found.items()}


def main(argv=None):
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--sets", type=int, default=5, help="sets of twenty styles")
    p.add_argument("--weights", help="a file to measure (default: the shipped one)")
    a = p.parse_args(argv)
    for title, colors in (("own colors", None), ("all in the same colors", True)):
        for language, (top, recipe) in measure(a.sets, a.weights, colors).items():
            print(f"words, held-out combinations, {title:22} {language}: top-1 among {STYLES} = {top:.2f}   (chance {1 / STYLES:.2f}); "
                  f"recipe exactly right {recipe:.2f}")


if __name__ == "__main__":
    main()
