"""Style pictures drawn by code: a small museum of our own, seeded, at any size (no download, no license to ask for).

Every painting is a module with `ASPECT` (width / height) and `draw(height, width, rng)` → float32 [H, W, 3] in [0, 1].
"""

import numpy as np
from PIL import Image

from . import (
    autumn_forest, cubist, ink_wash, mosaic, pointillism, stained_glass, starry, sunset_harbor, waves, wheat_field, woodcut)

_MUSEUM = {
    "starry": starry,
    "waves": waves,
    "stained_glass": stained_glass,
    "ink_wash": ink_wash,
    "woodcut": woodcut,
    "mosaic": mosaic,
    "pointillism": pointillism,
    "wheat_field": wheat_field,
    "sunset_harbor": sunset_harbor,
    "autumn_forest": autumn_forest,
    "cubist": cubist,
}
_SMALLEST_DRAWN = 512    # below this the finest strokes would be thinner than a pixel


def names():
    """Names of the paintings, as `paint` takes them: list of str."""
    return list(_MUSEUM)


def paint(name, size=512, seed=0):
    """Paint the picture called `name` → float32 array [H, W, 3] in [0, 1].

    size: longer side in pixels (each painting has its own aspect). The same seed gives the same composition at every size, and
    the same bytes at the same size; another seed gives another picture of the same school.
    Raises ValueError for a name that is not in the museum or a size below 16.
    """
    if name not in _MUSEUM:
        raise ValueError(f"unknown painting {name!r}; the museum has {', '.join(names())}")
    if size < 16:
        raise ValueError(f"size {size} is too small; give the longer side in pixels, 16 or more")
    painting = _MUSEUM[name]
    height, width = _shape(max(size, _SMALLEST_DRAWN), painting.ASPECT)
    picture = painting.draw(height, width, np.random.default_rng(seed))
    if size < _SMALLEST_DRAWN:
        picture = _reduce(picture, *_shape(size, painting.ASPECT))
    return np.clip(picture, 0, 1).astype(np.float32)


def _shape(size, aspect):
    """Height and width in pixels of a picture whose longer side is `size`."""
    return (round(size / aspect), size) if aspect >= 1 else (size, round(size * aspect))


def _reduce(picture, height, width):
    """Antialiased reduction [H, W, 3] → [height, width, 3], channel by channel in floating point."""
    planes = [Image.fromarray(plane).resize((width, height), Image.LANCZOS) for plane in np.moveaxis(picture, -1, 0)]
    return np.stack([np.asarray(plane) for plane in planes], axis=-1)
