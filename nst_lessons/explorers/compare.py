"""Lesson 06: two pictures, one behind the other, and a line between them that one can move."""
import functools

from ..images import load_image, resize, to_pil
from .canvas import divided
from .controls import choice, slider
from .explorer import Explorer

_SIDE = 560              # px, the longer side of what is shown


class BeforeAfter(Explorer):
    """A wipe between any two of several pictures: {"before": picture, "after": picture, …}, the first and the last to begin with.

    A picture is a tensor [1, 3, H, W] in [0, 1], a sample's name or a file's path; sizes may differ, shapes may not.
    Raises ValueError for fewer than two pictures, or two of different shapes, and ImageError for one that cannot be read.
    """
    width = _SIDE

    def __init__(self, pictures):
        if len(pictures) < 2:
            raise ValueError("BeforeAfter compares two pictures or more: {\"before\": picture, \"after\": picture}")
        self.pictures = {name: load_image(one) for name, one in pictures.items()}
        names = list(self.pictures)
        self.left = choice("left of the line", names, names[0], "the picture that is seen on the left")
        self.right = choice("right of the line", names, names[-1], "the picture that is seen on the right")
        self.line = slider("line (%)", 50, 0, 100, 1, "0: only the right picture; 100: only the left one")
        self.zoom = slider("zoom (×)", 1, 1, 6, 1, "the middle of both, enlarged")
        self._shown = functools.lru_cache(maxsize=64)(self._enlarged)
        super().__init__([self.left, self.right, self.line, self.zoom])

    def __repr__(self):
        return f"BeforeAfter({' | '.join(self.pictures)})"

    def _enlarged(self, name, like, zoom):
        """The middle of a picture as a Pillow image, as large as that of the picture `like`."""
        height, width = self.pictures[like].shape[2:]
        scale = _SIDE / max(height, width)
        size = max(1, round(height * scale)), max(1, round(width * scale))
        picture = self.pictures[name]
        shape = picture.shape[2:]
        if abs(shape[1] / shape[0] * height / width - 1) > 0.06:
            raise ValueError(f"{name} is {shape[1]}×{shape[0]} px and {like} {width}×{height}: another shape, so they cannot lie upon each other")
        rows, columns = (max(2, round(side / zoom)) for side in shape)
        top, left = (shape[0] - rows) // 2, (shape[1] - columns) // 2
        return to_pil(resize(picture[..., top:top + rows, left:left + columns], size))

    def draw(self):
        first, second, zoom = self.left.value, self.right.value, self.zoom.value
        under, over = self._shown(second, first, zoom), self._shown(first, first, zoom)
        picture = divided(over, under, self.line.value / 100, (first, second))
        return picture, f"left {first}, right {second}: they differ by {self._difference(first, second):.0f} of 255 on average"

    @functools.lru_cache(maxsize=64)
    def _difference(self, first, second):
        """The mean difference of two pictures' values, of 255, at the size of the first."""
        one, other = self.pictures[first], resize(self.pictures[second], tuple(self.pictures[first].shape[2:]))
        return 255 * (one - other).abs().mean().item()
