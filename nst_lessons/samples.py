"""What a name stands for: a sample of the course (a photograph inside scikit-image, a painting drawn by code) or a file."""
import difflib
import os
from importlib import resources

from .decode import ImageError, check_area

# Plain name → file. scikit-image has more pictures than these, but they would be downloaded, or are no color photographs.
PHOTOS = {"astronaut": "astronaut.png", "cat": "chelsea.png", "coffee": "coffee.png", "galaxies": "hubble_deep_field.jpg",
          "motorcycle": "motorcycle_left.png", "retina": "retina.jpg", "rocket": "rocket.jpg", "tissue": "ihc.png"}


def samples():
    """Names that `load_image` knows: {"photos": [...], "paintings": [...]}."""
    from . import paintings  # here, so that importing this module does not wait for what only the paintings need

    return {"photos": [name for name in PHOTOS if _photo(name).is_file()], "paintings": list(paintings.names())}


def find_sample(text, size=None, max_megapixels=100):
    """What `text` ("cat", "starry", "starry:7") names: a photograph's path, a painting as float32 [H, W, 3], or None.

    size: the longer side of a painting in px, 512 if not given. Raises ImageError for a seed that is no whole number or stands
    behind a photograph's name, and for a painting whose square would have more than `max_megapixels`.
    """
    name, colon, seed = text.partition(":")
    known = samples()
    if name in known["photos"]:
        if colon:
            raise ImageError(f"{text!r}: only paintings have a seed, and {name} is a photograph: write '{name}'")
        return _photo(name)
    if name in known["paintings"]:
        from . import paintings

        if colon and not (seed.isascii() and seed.isdigit()):
            raise ImageError(f"{text!r}: after the colon comes the seed, a whole number, as in '{name}:7'")
        size = size or 512
        check_area(size, size, max_megapixels, "a painting of this size")
        return paintings.paint(name, size=size, seed=int(seed or 0))
    return None


def _photo(name):
    """Where the photograph lies."""
    return resources.files("skimage") / "data" / PHOTOS[name]


def open_path(path):
    """The open file at `path`, and what to call it in messages. Raises ImageError, saying what is there instead."""
    full = os.path.expanduser(path)
    label = repr(str(path) if len(str(path)) <= 200 else str(path)[:200] + "…")
    if os.path.isdir(full):
        raise ImageError(f"{label} is a folder: name a picture in it")
    if not os.path.isfile(full):
        raise ImageError(_missing(label, full))
    try:
        file = open(full, "rb")
    except OSError as error:
        raise ImageError(f"{label} cannot be read: {error.strerror}") from None
    if os.path.getsize(full) == 0:
        file.close()
        raise ImageError(f"{label} is empty: 0 bytes")
    return file, label


def _missing(label, full):
    """Why there is nothing to open at the path `full`, and what was perhaps meant."""
    if os.path.exists(full):
        return f"{label} is no ordinary file: name a picture"
    if "://" in label:
        return f"{label} is a web address: download the picture, then give its file"
    folder, name = os.path.split(full)
    if folder and not os.path.isdir(folder):
        return f"no file {label}: there is no folder {folder[:200]!r}"
    message, known = f"no file {label}", []
    if not folder and "." not in name:
        known = sum(samples().values(), [])
        message += f", and no sample of that name; samples: {', '.join(known)}"
    beside = os.listdir(folder or ".") if os.access(folder or ".", os.R_OK) else []
    near = difflib.get_close_matches(name[:100], known + beside, n=1)
    return message + (f"; did you mean {near[0]!r}?" if near else "")
