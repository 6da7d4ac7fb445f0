"""The studio's mask: where the style belongs, painted upon the photograph."""
import ipywidgets as widgets
import torch

from ...regions import as_text, read_mask
from ..controls import choice, slider
from ..mask_canvas import MaskCanvas

_FORMER, _BY_HAND = "as in that picture", "only where I paint"
BEGIN = {"everywhere": None, _BY_HAND: "nowhere", "the background": "background", "the subject": "subject"}
_SIDE = 192              # px, longer side of the mask: borders are smoothed anyhow


class Masking:
    """A canvas with brush and eraser; `widget` holds it. `masks()` is what `Settings` wants; `show(photo)` lays another photograph under it."""

    def __init__(self):
        self.canvas, self._photo, self._recipes, self._begins = MaskCanvas(), None, {}, dict(BEGIN)
        self.begin = choice("paint", list(BEGIN), "everywhere", "where the style goes; strokes are added to it")
        self.tool = widgets.ToggleButtons(options=["paint", "erase"], description="brush", tooltips=["add to the mask", "take away from it"],
                                          style={"description_width": "48px", "button_width": "72px"})
        self.brush = slider("brush size (%)", 6, 1, 30, 1, "radius, of the longer side")
        self.untouched = widgets.Checkbox(True, description="outside untouched", tooltip="to the pixel; else only content is asked for there", indent=False)
        self.feather = slider("feather (%)", 1, 0, 20, 1, "how softly the painted part begins")
        self.back, self.clear = (widgets.Button(description=text, icon=icon, tooltip=tip, layout={"width": "max-content"}) for text, icon, tip in (
            ("Last stroke back", "undo", "take the last stroke away"), ("Clear", "trash", "take all strokes away")))
        self.controls = [self.begin, self.untouched, self.feather]                     # what the painting follows, besides the strokes
        self.widget = widgets.VBox([self.begin, self.canvas, self.tool, self.brush, widgets.HBox([self.back, self.clear]), self.untouched, self.feather])
        for one in (self.tool, self.brush):
            one.observe(lambda _: self._brushed(), "value")
        self.begin.observe(lambda _: self.show(), "value")
        self.canvas.observe(self._stroked, "strokes")
        self.back.on_click(lambda _: setattr(self.canvas, "strokes", self.canvas.strokes[:-1]))
        self.clear.on_click(lambda _: setattr(self.canvas, "strokes", []))
        self._brushed()

    def _brushed(self):
        self.canvas.brush, self.canvas.erase = self.brush.value / 100, self.tool.value == "erase"

    def _stroked(self, event):
        """A first stroke upon "everywhere" means: here, and not there."""
        if self.begin.value == "everywhere" and event["new"] and not event["new"][-1]["erase"]:
            self.begin.value = _BY_HAND
        self.show()

    def show(self, photo=None):
        """Draws the mask upon the photograph [1, 3, H, W], or upon the last one; strokes stay where they were."""
        if photo is not None:
            self._photo, self._recipes = photo, {}
        self.canvas.show(self._photo, self.mask())

    def mask(self):
        """[1, 1, H, W] in [0, 1]: what recipe and strokes say together."""
        return self.canvas.painted(self._recipe())

    def _recipe(self):
        text, shape = self._begins[self.begin.value], tuple(self._photo.shape[2:])
        if text not in self._recipes:                                                  # GrabCut takes a while
            self._recipes[text] = (torch.ones(1, 1, *shape) if text is None else torch.zeros(1, 1, *shape) if text == "nowhere"
                                   else read_mask(text, self._photo, shape))
        return self._recipes[text]

    def masks(self):
        """Keywords for Settings: `masks`, `untouched`, `feather`; {} where everything is painted. ValueError for a mask without a pixel."""
        mask = self.mask()
        if bool((mask == 1).all()):
            return {}
        if not mask.any():
            raise ValueError("the mask has no pixel to paint: paint it with the mouse, or choose 'everywhere' under 'Mask'")
        text = self._begins[self.begin.value]
        plain = not self.canvas.strokes and text not in (None, "nowhere")
        return {"masks": [text if plain else as_text(mask)], "untouched": self.untouched.value, "feather": self.feather.value / 100}

    def put(self, settings):
        """Turns the controls to what `settings` say; a mask that was painted by hand becomes one to begin with."""
        text = settings.masks[0] if settings.masks else None
        if text not in self._begins.values():
            self._begins[_FORMER] = text
            self._recipes.pop(text, None)
            self.begin.options = list(self._begins)
        self.canvas.strokes = []
        self.begin.value = next(name for name, one in self._begins.items() if one == text)
        if text is not None:
            self.untouched.value, self.feather.value = settings.untouched, round(100 * settings.feather)
        self.show()


def small(photo):
    """The longer side at which a photograph is masked."""
    return min(_SIDE, max(photo.shape[2:]))
