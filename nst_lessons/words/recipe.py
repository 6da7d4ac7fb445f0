"""Lesson 15: what a description asks for, as four choices: colors × texture × mark × scale; and the study that shows them.

`meaning` is the rule by which our training captions were made. At run time nobody asks it: the encoder has learned it.
"""
from dataclasses import dataclass

import numpy as np

from .. import paintings
from .arrangement import TEXTURES
from .colors import RAMPS, from_dark_to_light
from .lexicon import NAMES, OF_MARK, SCENES
from .marks import MARKS, SCALES, draw

_MOST = 3                                     # colors of a study
_SMALLEST = 128                               # px: below, a study is drawn larger and reduced


@dataclass(frozen=True)
class Recipe:
    """A style of ours. `colors`: names, from dark to light; `school`: a painting of the museum that stands for all of it, or ""."""
    colors: tuple
    texture: str
    mark: str
    scale: str
    school: str = ""

    def __str__(self):
        plain = f"{' and '.join(self.colors)}, {self.texture}, {self.mark}, {self.scale}"
        return f"{self.school} of the museum ({plain})" if self.school else plain

    def picture(self, size, seed=0):
        """The study, or the museum's painting: float32 [H, W, 3] in [0, 1], longer side `size` px. A seed has its own composition."""
        if self.school:
            return paintings.paint(self.school, size, seed)
        picture = draw(self.texture, self.mark, self.scale, self.colors, max(size, _SMALLEST), seed)
        return picture if size >= _SMALLEST else paintings._reduce(np.ascontiguousarray(picture), size, size)


def meaning(concepts):
    """The Recipe that a list of concepts ("color:blue", "name:van_gogh", …) stands for.

    What is said outright goes before what a scene says, that before what a painter's name says, and that before the mark's own habits.
    """
    said = {}
    for concept in concepts:
        kind, _, name = concept.partition(":")
        said.setdefault(kind, []).append(name)
    if "name" in said:
        school, colors, texture, mark, scale = NAMES[said["name"][0]][2:]
        if "mark" in said and said["mark"][0] != mark:
            school, mark = "", said["mark"][0]
    else:
        mark = said.get("mark", ["brush"])[0]
        school, colors, texture, scale = OF_MARK[mark]
    chosen = list(dict.fromkeys(said.get("color", []))) or (SCENES[said["scene"][0]][2] if "scene" in said else colors).split()
    texture_, scale_ = said.get("texture", [texture])[0], said.get("scale", [scale])[0]
    if {"color", "scene", "texture", "scale"} & said.keys():
        school = ""
    return Recipe(from_dark_to_light(chosen[:_MOST]), texture_, mark, scale_, school)


def held_out(recipe):
    """True for the combinations of texture, mark and scale, one in five, that training never sees, whatever their colors."""
    where = list(TEXTURES).index(recipe.texture), list(MARKS).index(recipe.mark), list(SCALES).index(recipe.scale)
    return not recipe.school and (where[0] + where[1] + 2 * where[2]) % 5 == 1


COLOR_NAMES = tuple(RAMPS)
