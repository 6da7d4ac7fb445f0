"""Lesson 07's figures: what each statistic reaches in equal time, and what cells side by side gain."""
import tempfile
import time

import torch

from nst_lessons import Features, Settings, load_image, style_error
from nst_lessons.statistics import TERMS
from nst_lessons.stylize import finish, paint
from nst_lessons.sweep import content_error, sweep

PHOTO, STYLE, SIZE = "cat", "waves", 128


def at_equal_time(seconds=6.0):
    """[(statistic, evaluations, style error by the Gram measure, content error), …], each painted for so long at the usual settings."""
    features, photo, style = Features("tiny"), load_image(PHOTO, size=SIZE), load_image(STYLE, size=SIZE)
    found = []
    for statistic in TERMS:
        settings, began = Settings(statistic=statistic, steps=5000, levels=1), time.perf_counter()
        for progress in paint(photo, style, settings, features):
            if time.perf_counter() - began > seconds:
                break
        picture = finish(progress.image, photo, settings)
        found.append((statistic, progress.evaluations, style_error(picture, style, features), content_error(picture, photo, features)))
    return found


def side_by_side(cells=8):
    """Seconds of a sweep in as many processes as there are threads, over those of the same sweep in this process alone."""
    photo, style, seconds = load_image(PHOTO, size=SIZE), load_image(STYLE, size=SIZE), []
    for processes in (torch.get_num_threads(), 1):
        with tempfile.TemporaryDirectory() as folder:
            began = time.perf_counter()
            sweep(photo, style, {"alpha": [0.02 * 1.5**k for k in range(cells)]}, folder, processes, steps=40, levels=1)
            seconds.append(time.perf_counter() - began)
    return seconds[0] / seconds[1], *seconds


def main():
    """Prints a table and a ratio."""
    print(f"statistics at equal time ({PHOTO} after {STYLE}, {SIZE} px, 6 s each):")
    for statistic, evaluations, style, content in at_equal_time():
        print(f"  {statistic:<10}  {evaluations:>4} evaluations   style error {style:.4f}   content error {content:.3f}")
    ratio, beside, alone = side_by_side()
    print(f"a sweep of 8 cells, {torch.get_num_threads()} processes : one = {ratio:.2f}   ({beside:.1f} s : {alone:.1f} s)")


if __name__ == "__main__":
    main()
