"""Lesson 09: click a place in the photograph, see where in the painting it looks."""
import functools

import ipywidgets as widgets
import torch
from PIL import ImageDraw
from torch.nn import functional as F

from ..attention import attention_weights, load_any
from .canvas import photo as photo_of
from .canvas import sheet
from .captions import ask, checked
from .controls import choice, load_sample, slider
from .explorer import Explorer

PHOTOS = ["astronaut", "cat", "coffee", "motorcycle", "rocket"]
PAINTINGS = ["starry", "waves", "stained_glass", "ink_wash", "woodcut", "mosaic", "pointillism", "wheat_field", "sunset_harbor",
             "autumn_forest", "cubist", "starry:27", "waves:23"]                   # training saw seeds 1 to 12
_SIDE, _TITLE, _GAP, _CELLS = 224, 22, 12, 8          # px of a picture, of the words above, between two; clickable cells to a side
SCALES = {"relu4_1: 8 px a place": "near", "relu5_1: 16 px a place": "far"}
PLACE = {"near": 8, "far": 16}                        # px


class AttentionExplorer(Explorer):
    """A place in the photograph, chosen by a click or by two sliders, and the places of the painting that it attends to, lit up.

    attention_weights(query [1, D, H, W], key [1, D, H′, W′]) → [1, H·W, H′·W′], or attention_map(query, key, row, column) → [H′, W′]:
    the learner's. What is not given, the explorer does itself. `size`: px of both pictures, the longer side.
    """

    def __init__(self, attention_weights=None, attention_map=None, photo="astronaut", painting="starry", size=256):
        self.given = {name: function for name, function in [("attention_weights", attention_weights), ("attention_map", attention_map)]
                      if function is not None}
        self.size, self._net = size, load_any("attention")
        self._look = functools.lru_cache(maxsize=8)(self._looked_at)
        self.photo = choice("photograph", list(dict.fromkeys([photo, *PHOTOS])), photo)
        self.painting = choice("painting", list(dict.fromkeys([painting, *PAINTINGS])), painting)
        self.scale = choice("scale", list(SCALES.items()), "near", "the network attends at two scales; what both find is added up")
        self.down = slider("place: down, %", 10, 0, 100, 1, "0 is the top")
        self.across = slider("place: across, %", 60, 0, 100, 1, "0 is the left")
        self._moving = False
        super().__init__([self.photo, self.painting, self.scale, self.down, self.across], width=2 * _SIDE + _GAP)
        first = widgets.Button(style={"button_color": "transparent"},      # all share its layout and style: 64 would fill the notebook
                               layout={"width": "auto", "height": "auto", "min_height": "0", "margin": "0", "border": "none"})
        self.cells = [self._cell(row, column, first) for row in range(_CELLS) for column in range(_CELLS)]
        above = widgets.Box(layout={"grid_area": "1 / 1 / 2 / -1"})        # over the words
        self.cover = widgets.GridBox([above, *self.cells], layout={"grid_area": "1 / 1 / 2 / 2", "grid_gap": "0",
                                                                   "grid_template_columns": f"repeat({_CELLS}, 1fr)"})
        self.stage = widgets.GridBox([self.picture, self.cover], layout={"width": "100%", "max_width": self.picture.layout.max_width})
        self.picture.layout.grid_area, self.picture.layout.margin = "1 / 1 / 2 / 2", "0"      # one over the other
        right = self.widget.children[1]
        right.children = (self.stage, *right.children[1:])
        self._fit()

    def __repr__(self):
        words = ", ".join(f"{name}={getattr(function, '__name__', 'function')}" for name, function in self.given.items())
        return f"AttentionExplorer({words})"

    # --- clicks: invisible buttons over the photograph; the keyboard has the sliders ---

    def _cell(self, row, column, like):
        """One of the buttons that cover the photograph."""
        down, across = (round(100 * (k + 0.5) / _CELLS) for k in (row, column))
        button = widgets.Button(tooltip=f"look from here: {down} % down, {across} % across", tabbable=False,
                                style=like.style, layout=like.layout)
        button.on_click(self.guarded(lambda _: self.go(down, across)))
        return button

    def go(self, down, across):
        """Moves to a place, both in per cent, and draws once."""
        self._moving = True
        self.down.value, self.across.value = down, across
        self._moving = False
        self.answer()

    def answer(self, event=None):
        if not self._moving:
            super().answer(event)
            if hasattr(self, "cover"):
                self._fit()

    def _fit(self):
        """Makes the cover as large as the photograph's share of the picture."""
        width, height = self.shown.size
        wide, tall = self._photo_size()
        self.cover.layout.width = f"{100 * wide / width:.2f}%"
        self.cover.layout.grid_template_rows = f"{_TITLE}fr repeat({_CELLS}, {tall / _CELLS:.3f}fr) {max(1, height - _TITLE - tall)}fr"

    def _photo_size(self):
        height, width = load_sample(self.photo.value, self.size).shape[2:]
        return tuple(max(1, round(side * _SIDE / max(height, width))) for side in (width, height))

    # --- what is looked at ---

    def _looked_at(self, name):
        with torch.inference_mode():
            return self._net.look(load_sample(name, self.size).to(self._net.features.device))

    def _map(self, query, key, row, column):
        """[H′, W′] where one place looks, by the learner's function; ValueError, in plain words, when it is no such thing."""
        places, wanted = query.shape[2] * query.shape[3], key.shape[2] * key.shape[3]
        if "attention_map" in self.given:
            answer, shape = ask(self.given["attention_map"], query, key, row, column), list(key.shape[2:])
        else:
            answer, shape = ask(self.given.get("attention_weights", attention_weights), query, key), [1, places, wanted]
        checked(answer, shape)
        return answer if answer.ndim == 2 else answer[0, row * query.shape[3] + column].view(key.shape[2:])

    def _lit(self, found):
        """The painting, dark but where `found` [H′, W′] is large; a frame around the place that gives most."""
        painting, place = load_sample(self.painting.value, self.size), PLACE[self.scale.value]
        height, width = painting.shape[2:]
        full = torch.maximum(found.flatten().float().quantile(0.98), found.max() / 8).clamp_min(1e-12)      # fully lit: one place in fifty
        light = (found / full).clamp(0, 1)[None, None].float().cpu()
        light = F.interpolate(light, scale_factor=place, mode="bilinear", align_corners=False)
        light = light[..., :height, :width]                                                   # without the mirrored rim
        row, column = divmod(int(found[:-(-height // place), :-(-width // place)].argmax()), -(-width // place))
        return _marked(photo_of(painting * (0.15 + 0.85 * light), _SIDE), row, column, height / place, width / place)

    def draw(self):
        block = getattr(self._net, self.scale.value)
        with torch.inference_mode():
            query, key = block.compared(self._look(self.photo.value).acts, self._look(self.painting.value).acts)
        photo, place = load_sample(self.photo.value, self.size), PLACE[self.scale.value]
        height, width = (-(-side // place) for side in photo.shape[2:])                       # places, the last may be a part only
        row, column = (min(int(share.value / 100 * side / place), count - 1) for share, side, count in
                       zip((self.down, self.across), photo.shape[2:], (height, width)))
        found = self._map(query.clone(), key.clone(), row, column)
        marked = _marked(photo_of(photo, _SIDE), row, column, *(side / place for side in photo.shape[2:]))
        share, half = found.max().item(), _half(found)
        picture = sheet([[("photograph: click a place", marked), ("where it looks", self._lit(found))]], gap=_GAP)
        return picture, (f"place {row + 1} of {height} down, {column + 1} of {width} across: half of what it gathers comes from {half} of "
                         f"{found.numel()} places, {share:.1%} from the one framed")


def _half(found):
    """How many places, the strongest first, hold half of all shares."""
    shares = found.flatten().sort(descending=True).values.cumsum(0)
    return int((shares < shares[-1] / 2).sum()) + 1


def _marked(picture, row, column, height, width):
    """A Pillow image with a frame around one of height × width places."""
    wide, tall = picture.width / width, picture.height / height
    box = [column * wide - 1, row * tall - 1, (column + 1) * wide + 1, (row + 1) * tall + 1]
    draw = ImageDraw.Draw(picture)
    draw.rectangle(box, outline="white", width=3)
    draw.rectangle([box[0] - 1, box[1] - 1, box[2] + 1, box[3] + 1], outline="black")
    return picture
