"""What the explorers say: what went wrong, and what a saved file is called."""
from itertools import count
from pathlib import Path

import torch

from ..optimize import OptimizationError


def in_plain_words(error):
    """One line that says what went wrong and, where we know, what would be right."""
    text = " ".join(str(error).split())
    memory = isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "allocate memory" in text
    if memory:
        return "this machine's memory does not suffice: choose a smaller size, or close other programs"
    if is_a_stub(error):
        return f"{text}: it is still a stub, so there is nothing to see yet"
    if isinstance(error, (ValueError, OSError, OptimizationError)):              # ours, written to be read
        return text
    return f"a fault of the program, not yours: {type(error).__name__}: {text}"


def is_a_stub(error):
    """True for what a stub raises; torch too raises NotImplementedError, for a mode that an input of this shape cannot have, say."""
    return isinstance(error, NotImplementedError) and (not str(error) or str(error).startswith("Exercise"))


def ask(function, *args, name="your function"):
    """function(*args), for a function that a learner wrote; where it stops, ValueError says that it did, and with what."""
    try:
        return function(*args)
    except Exception as error:
        if is_a_stub(error) or isinstance(error, (MemoryError, torch.OutOfMemoryError)):       # told elsewhere
            raise
        raise ValueError(f"{name} stops with {type(error).__name__}: {' '.join(str(error).split())}") from error


def checked(answer, shape, name="your function"):
    """What a learner's function gave, a tensor of this shape; ValueError, in plain words, for anything else, and for NaN and infinity."""
    if not isinstance(answer, torch.Tensor) or list(answer.shape) != list(shape):
        got = list(answer.shape) if isinstance(answer, torch.Tensor) else type(answer).__name__
        raise ValueError(f"{name} should return {list(shape)}, it returned {got}")
    if not answer.isfinite().all():
        raise ValueError(f"{name} returned NaN or infinity: is something divided by zero?")
    return answer


def style_names(settings):
    """The settings' paintings, one or several, as a list; [] where words speak."""
    return settings.style if isinstance(settings.style, list) else [settings.style] if settings.style else []


def stem(settings):
    """A file's name for a painting: "astronaut_starry"; for words their first letters."""
    said = "".join(sign if sign.isalnum() else " " for sign in settings.words or "").split()            # a description makes a long name
    styles = ["-".join(said)[:40]] if settings.words else style_names(settings)
    return "_".join(Path(name).stem for name in (settings.content, *styles)).replace(":", "-")


def free_name(name):
    """`name`.png, or `name`-2.png …: the first that no file in this folder has."""
    names = (f"{name}{'' if number == 1 else f'-{number}'}.png" for number in count(1))
    return next(one for one in names if not Path(one).exists())
