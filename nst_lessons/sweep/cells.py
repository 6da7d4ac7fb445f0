"""One cell of a sweep: what is to be painted, under which name it is kept, and its painting and reading."""
import functools
import hashlib
import json
import os
import secrets
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from ..features import Features
from ..images import ImageError, load_image, save_image
from ..losses import ContentTerm, style_error
from ..settings import Settings
from ..stylize import FILE_SIZE, finish, paint, style_side


@dataclass(eq=False)
class Cell:
    """One combination: its `labels`, what to paint, and, once it was painted or read, the picture [1, 3, H, W] and its figures.

    `style_error` and `content_error` are measured with the network `tiny` in every cell, so that they can be compared.
    """
    labels: tuple
    photo: object
    style: object
    settings: Settings
    picture: torch.Tensor | None = None
    style_error: float | None = None
    content_error: float | None = None
    seconds: float | None = None

    @functools.cached_property
    def key(self):
        """A name that settings and pictures alone decide: the same for the same, another for anything else."""
        settings = asdict(self.settings) | {"content": _identity(self.photo), "style": _identity(self.style)}
        files = {name: _identity(settings[name]) for name in ("init", "weights", "masks")}
        return hashlib.sha256(json.dumps(settings | files, sort_keys=True).encode()).hexdigest()[:16]

    def read(self, folder):
        """Takes picture and figures from the folder; False when they are not there, or not whole."""
        path = folder / self.key
        try:
            figures = json.loads(path.with_suffix(".json").read_text())
            self.picture = load_image(path.with_suffix(".png"))
            self.style_error, self.content_error, self.seconds = (float(figures[name]) for name in ("style_error", "content_error", "seconds"))
        except (OSError, ValueError, KeyError, TypeError):                # ImageError is a ValueError
            return False
        return True

    def paint(self, folder, kept):
        """Paints, and writes the picture, then the figures. kept: a dict, where networks and pictures are found by the next cell."""
        settings = self.settings
        size = settings.size or (max(self.photo.shape[2:]) if isinstance(self.photo, torch.Tensor) else FILE_SIZE)
        photo = _loaded(kept, self.photo, size)
        styles = [_loaded(kept, one, style_side(size, settings))
                  for one in (self.style if isinstance(self.style, (list, tuple)) else [self.style])]
        features = _once(kept, Features, settings.backbone, settings.weights, settings.pooling, None, settings.smooth)
        began = time.perf_counter()
        for progress in paint(photo, styles, settings, features):
            pass
        picture = finish(progress.image, photo, settings)
        seconds, judge = time.perf_counter() - began, _once(kept, Features, "tiny")
        shares = settings.style_weights or [1 / len(styles)] * len(styles)
        figures = {"style_error": sum(share * style_error(picture, one, judge) for share, one in zip(shares, styles)) / (sum(shares) or 1),
                   "content_error": content_error(picture, photo, judge), "seconds": round(seconds, 3)}
        save_image(picture, folder / f"{self.key}.png", settings)
        _write(folder / f"{self.key}.json", json.dumps(figures | {"labels": list(self.labels), "settings": asdict(settings)}, indent=1))


@torch.no_grad()
def content_error(picture, photo, features):
    """How far a picture's content is from a photograph's of its size: mean over relu3_1, relu4_2 of ‖F − P‖² / ‖P‖²; a float."""
    layers = features.content_layers
    mine, target = features(picture, layers), features(photo, layers)
    terms = [ContentTerm(layer, target[layer]) for layer in layers]
    return torch.stack([term.loss(term.measure(mine, picture)) for term in terms]).mean().item()


def _once(kept, make, *what):
    """make(*what), made only once."""
    if (make, *what) not in kept:
        kept[make, *what] = make(*what)
    return kept[make, *what]


def _loaded(kept, source, size):
    """A picture at its size; what has a name is kept, since a painting takes a second to draw."""
    return _once(kept, load_image, source, size) if isinstance(source, (str, os.PathLike)) else load_image(source, size=size)


def _identity(source):
    """What a picture is known by: a file or tensor by its contents, a sample by its name."""
    if isinstance(source, (list, tuple)):
        return [_identity(one) for one in source]
    if isinstance(source, torch.Tensor):
        return f"{list(source.shape)} {hashlib.sha256(source.detach().cpu().contiguous().numpy().tobytes()).hexdigest()}"
    if isinstance(source, (str, os.PathLike)):
        path = Path(source).expanduser()
        return hashlib.sha256(path.read_bytes()).hexdigest() if os.path.isfile(path) else str(source)
    if source is not None:
        raise ImageError(f"a sweep takes pictures [1, 3, H, W], names and paths, not a {type(source).__name__}: load_image makes one of it")
    return None


def _write(path, text):
    """A text file that is whole or not there."""
    half = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        half.write_text(text)
        os.replace(half, path)
    finally:
        half.unlink(missing_ok=True)
