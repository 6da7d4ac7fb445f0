"""Lesson 06: the five parts of a program that is mended, and the program as a whole. What is looked for stands in faults*.py."""
import inspect
import tempfile
from pathlib import Path

from ..features import Features
from ..images import load_image, save_image
from ..losses import style_error
from . import faults, faults_in_files
from .verdict import Wrong, attempt, exercise

# exercise → [(probe, the names of the functions that it tries)]
_PROBES = {
    "6.1": [(faults_in_files.sizes, ["load"]), (faults_in_files.values, ["load"]), (faults_in_files.round_trip, ["save"])],
    "6.2": [(faults.style, ["gram", "style_loss"]), (faults.variation, ["tv_loss"])],
    "6.3": [(faults.right_layers, ["listen"]), (faults.not_overwritten, ["listen"])],
    "6.4": [(faults.frugal, ["make_total", "network"])],
    "6.5": [(faults.free, ["paint"]), (faults.counted, ["paint"])],
}


def _symptoms(number, parts):
    """What the probes of one exercise complain of, each complaint once. parts: {name: function}."""
    told = []
    for probe, names in _PROBES[number]:
        try:
            probe(*(parts[name] for name in names))
        except Wrong as wrong:
            told.append(str(wrong))
    return list(dict.fromkeys(told))


def _examine(number, **parts):
    """Wrong with all that the probes of one exercise complain of."""
    told = _symptoms(number, parts)
    if told:
        raise Wrong(" · also: ".join(told))


@exercise("6.1", "a picture goes in as the network knows pictures, at the size asked for, and comes out as it went in.")
def check_in_and_out(load, save):
    """Tries load(path, size) → [1, 3, H, W] and save(picture, path) on files whose content is known."""
    _examine("6.1", load=load, save=save)


@exercise("6.2", "neither the size of a picture nor the number of channels changes what style and smoothness weigh.")
def check_losses(gram, style_loss, tv_loss):
    """Tries style_loss(act [1, C, H, W], gram(style_act)) and tv_loss(picture) on layers and pictures of several sizes."""
    _examine("6.2", gram=gram, style_loss=style_loss, tv_loss=tv_loss)


@exercise("6.3", "each name is the layer of that name, and nobody has written over it.")
def check_listen(listen):
    """Compares listen(picture) → {name: activations} with what each of the 30 layers gives."""
    _examine("6.3", listen=listen)


@exercise("6.4", "one pass through the network for each evaluation, and gradients for the picture alone.")
def check_total(make_total, network):
    """Counts what total = make_total(content, style) computes at each evaluation."""
    _examine("6.4", make_total=make_total, network=network)


@exercise("6.5", "as many evaluations as one asks for, and only the optimizer moves the picture.")
def check_paint(paint):
    """Tries paint(picture, total, max_iter) on losses whose lowest place is known, and watches what it tries."""
    _examine("6.5", paint=paint)


def check_program(style_transfer):
    """Tells which of the ten faults are left in style_transfer(content_path, style_path, output_path, max_iter=1000); with none, lets it paint.

    Its parts are those that it sees itself: the functions of the notebook, by their names. Raises Wrong with all symptoms.
    """
    parts = style_transfer.__globals__
    missing = sorted({name for probes in _PROBES.values() for _, names in probes for name in names} - parts.keys())
    if missing:
        raise Wrong(f"the program has no {', '.join(missing)}: run the cells above first")
    left = [f"{number}  {symptom}" for number in _PROBES for symptom in _symptoms(number, parts)]
    if left:
        raise Wrong("\n  ".join([f"{len(left)} of ten faults {'is' if len(left) == 1 else 'are'} left:", *left]))
    _paints(style_transfer)
    print("✓ The program has none of the ten faults, and it paints.")


def _paints(style_transfer):
    """Wrong unless a file comes out that has the photograph's shape and is nearer to the painting's style."""
    asked = inspect.signature(style_transfer).parameters
    if list(asked)[:4] != ["content_path", "style_path", "output_path", "max_iter"] or asked["max_iter"].default != 1000:
        raise Wrong("the function is to be called style_transfer(content_path, style_path, output_path, max_iter=1000)")
    photo, style = load_image("cat", size=96), load_image("wheat_field", size=96)
    with tempfile.TemporaryDirectory() as folder:
        files = [str(Path(folder) / name) for name in ("photo.png", "style.png", "painted.png")]
        save_image(photo, files[0])
        save_image(style, files[1])
        attempt(style_transfer, *files, 30, on="a cat and a wheat field")
        if not Path(files[2]).is_file():
            raise Wrong("`style_transfer` leaves no file at output_path")
        painted = load_image(files[2], size=96)
    if painted.shape != photo.shape:
        raise Wrong(f"a photograph of {faults.size_of(photo)} px is painted as {faults.size_of(painted)} px: another shape")
    features = Features("tiny")
    if style_error(painted, style, features) > 0.7 * style_error(photo, style, features):
        raise Wrong("each part is right, but the picture that comes out has hardly anything of the painting's style")
