"""Lesson 13: paint a mask with the mouse, or let the photograph say it, and see what becomes of the picture, with the learner's own guided Gram."""
import functools
import warnings

import ipywidgets as widgets
import torch
from torch.nn import functional as F

from ..images import save_image
from ..regions import GuidedTerm, as_text, read_mask
from ..settings import Settings
from ..stylize import finish, paint
from .background import attentive_features
from .canvas import beside, heat, sheet
from .canvas import photo as photo_of
from .captions import ask, checked, free_name
from .controls import choice, load_sample, slider
from .mask_canvas import MaskCanvas
from .working import Working

SIZE, STEPS, LEVELS = 128, 20, 2        # px, evaluations, sizes of a preview
PATIENCE = 2.6                          # s, after which a preview is shown as it is
_LIVE, _SMALL = 288, 88                 # px on the screen: what is painted, a mask at a layer
_PHOTOS = ["cat", "astronaut", "coffee", "motorcycle"]
_PAINTINGS = ["starry", "waves", "mosaic", "ink_wash", "stained_glass", "woodcut"]
_KEPT, _PHOTO = "untouched", "the photograph"
_LAYERS = {"relu1_1": 1, "relu3_1": 4, "relu5_1": 16}           # px a position
_BEGIN = {"rectangle": "rectangle:{box}", "ellipse": "ellipse:{box}", "GrabCut in the rectangle": "subject:{box}",
          "cluster 1 of 3": "cluster:1/3", "cluster 2 of 3": "cluster:2/3", "cluster 3 of 3": "cluster:3/3", "nothing": None}


class RegionExplorer(Working):
    """A mask, by hand or by recipe, and a preview painted with it; displays itself in a notebook.

    guided_gram(act [1, C, h, w], mask [1, 1, h, w]) → [1, C, C] stands in for the package's. Controls are attributes; `strokes` are
    those of `canvas`; `mask` [1, 1, H, W] is what they say together. `turned`: begin with the background. `wait()` returns when the
    preview is painted.
    """

    patience = 4 * PATIENCE

    def __init__(self, guided_gram, photo="cat", inside="starry", outside=_KEPT, turned=True):
        super().__init__()
        self.guided_gram, self._features, self._painted = guided_gram, None, None
        self._make_controls(photo, inside, outside, turned)
        self.canvas = MaskCanvas()
        self._lay_out()
        for control in self.controls:
            control.observe(self.guarded(self._turned), "value")
        self.canvas.observe(self.guarded(self._turned), "strokes")
        self.brush.observe(self._brush, "value")
        self.tool.observe(self._brush, "value")
        self.undo.on_click(lambda _: setattr(self.canvas, "strokes", self.canvas.strokes[:-1]))
        self.clear.on_click(lambda _: setattr(self.canvas, "strokes", []))
        self.save.on_click(self.guarded(self._save))
        self._brush()
        self.guarded(self._turned)()

    def __repr__(self):
        return f"RegionExplorer(guided_gram={getattr(self.guided_gram, '__name__', 'function')})"

    # --- what one sees -----------------------------------------------------------------------------------------------

    def _make_controls(self, photo, inside, outside, turned):
        listed = lambda first, more: list(dict.fromkeys([first, *more]))
        self.photo = choice("photograph", listed(photo, _PHOTOS), photo)
        self.begin = choice("mask begins as", list(_BEGIN), "GrabCut in the rectangle", "what the strokes are painted upon")
        ends = {"left": (0, 5), "top": (0, 0), "right": (100, 85), "bottom": (100, 100)}
        self.box = {name: slider(f"{name} (%)", value, 0, 100, 1, f"the rectangle's {name} side") for name, (_, value) in ends.items()}
        self.turned = widgets.Checkbox(turned, description="inside out", tooltip="what was inside is outside", indent=False)
        self.inside = choice("style inside", [_PHOTO, *listed(inside, _PAINTINGS)] if inside != _PHOTO else [_PHOTO, *_PAINTINGS], inside)
        self.outside = choice("style outside", listed(outside, [_KEPT, _PHOTO, *_PAINTINGS]), outside,
                              "untouched: to the pixel; the photograph: only content is asked for")
        self.feather = slider("feather (%)", 2, 0, 20, 1, "how softly the painted part begins, where the outside is untouched")
        for one in (*self.box.values(), self.feather):
            one.continuous_update = False
        self.controls = [self.photo, self.begin, *self.box.values(), self.turned, self.inside, self.outside, self.feather]
        self.tool = widgets.ToggleButtons(options=["paint", "erase"], description="brush", tooltips=["add to the mask", "take away from it"],
                                          style={"description_width": "48px", "button_width": "72px"})
        self.brush = slider("brush size (%)", 6, 1, 30, 1, "radius, of the longer side")
        button = functools.partial(widgets.Button, layout={"width": "max-content"})
        self.undo = button(description="Undo", icon="undo", tooltip="take the last stroke away")
        self.clear = button(description="Clear", icon="trash", tooltip="take all strokes away")
        self.save = button(description="Save mask", icon="download", tooltip="as a PNG, for nst-lessons stylize … --mask FILE")

    def _lay_out(self):
        self.picture = widgets.Image(format="jpeg", layout={"width": "100%", "max_width": f"{_LIVE + 16 + _SMALL}px", "margin": "4px 0"})
        buttons = widgets.Box([self.undo, self.clear, self.save], layout={"flex_flow": "row wrap", "grid_gap": "4px"})
        left = widgets.VBox([self.canvas, self.tool, self.brush, buttons, *self.controls],
                            layout={"flex": "1 1 300px", "max_width": "400px", "min_width": "0"})
        right = widgets.VBox([self.picture, self.state, self.problem], layout={"flex": "1 1 320px", "max_width": "440px", "min_width": "0"})
        self.widget = widgets.Box([left, right], layout={"flex_flow": "row wrap", "grid_gap": "8px 24px", "width": "100%"})

    def _show(self, picture, title, mask):
        """The picture, and beside it the mask as three layers get it."""
        live = sheet([[(title, photo_of(picture, _LIVE))]])
        layers = sheet([[(layer, heat(F.interpolate(mask, [max(1, side // px) for side in mask.shape[2:]], mode="area")[0, 0], _SMALL, 1))]
                        for layer, px in _LAYERS.items()], gap=6, size=12)
        self._put(beside(live, layers))

    @property
    def empty(self):
        """True while nothing was painted."""
        return self._painted is None

    # --- what it answers ---------------------------------------------------------------------------------------------

    @property
    def mask(self):
        """What recipe and strokes say together: [1, 1, H, W] in [0, 1]."""
        return self.canvas.painted(self._recipe(self.photo.value, self._text(), self.turned.value))

    def _text(self):
        """The recipe, or None for a mask that begins with nothing."""
        text = _BEGIN[self.begin.value]
        return text and text.format(box=",".join(f"{side.value / 100:g}" for side in self.box.values()))

    @staticmethod
    @functools.lru_cache(maxsize=32)
    def _recipe(name, text, turned):
        photo = load_sample(name, SIZE)
        mask = torch.zeros_like(photo[:, :1]) if text is None else read_mask(text, photo, tuple(photo.shape[2:]))
        return 1 - mask if turned else mask

    def settings(self):
        """(the styles, Settings) that the controls say. Raises ValueError when there is nothing to paint."""
        mask, inside, outside = self.mask, self.inside.value, self.outside.value
        regions = [(style, one) for style, one in ((inside, mask), (outside, 1 - mask)) if style not in (_PHOTO, _KEPT)]
        if not regions:
            raise ValueError("neither inside nor outside has a style: choose one")
        if any(not one.any() for _, one in regions):
            raise ValueError("a region has no pixel: paint the mask with the mouse, or let it begin as something")
        return [style for style, _ in regions], Settings(
            content=self.photo.value, style=[style for style, _ in regions], size=SIZE, steps=STEPS, levels=LEVELS,
            masks=[as_text(one) for _, one in regions], untouched=outside == _KEPT, feather=self.feather.value / 100)

    def _brush(self, event=None):
        self.canvas.brush, self.canvas.erase = self.brush.value / 100, self.tool.value == "erase"

    def _save(self, event):
        name = free_name("mask")
        save_image(self.mask.expand(1, 3, -1, -1), name)
        self.say(f"saved as {name}: nst-lessons stylize {self.photo.value} {self.inside.value} -o out.png --mask {name}")

    def _turned(self, event=None):
        self._background.stop()
        photo, mask = load_sample(self.photo.value, SIZE), self.mask
        self.canvas.show(photo, mask)
        self._try_for_a_stub()
        styles, settings = self.settings()
        self._background.wait(10)
        if self._painted is None:
            self._show(photo, "photograph", mask)
        self._begin_preview(self._follow, styles, settings, mask)

    def _try_for_a_stub(self):
        """What is not written yet, or gives no table, is told at once."""
        if not self._asked(torch.rand(1, 8, 5, 6, requires_grad=True), torch.rand(1, 1, 5, 6)).requires_grad:
            raise ValueError("no gradient passes through your function, so no picture can follow it: compute with torch alone, without .detach()")

    def _asked(self, act, mask):
        """The learner's table; ValueError, in plain words, when it is no such thing."""
        return checked(ask(self.guided_gram, act, mask), [len(act), act.shape[1], act.shape[1]])

    # --- what it does ------------------------------------------------------------------------------------------------

    def _term(self):
        """A term that measures by the learner's function."""
        asked = self._asked

        class OwnTerm(GuidedTerm):
            whole = True

            def measure(self, acts, image):
                return {"gram": asked(acts[self.layer], self.guide), "positions": 1}
        return OwnTerm

    def _follow(self, styles, settings, mask):
        photo, paintings = load_sample(settings.content, SIZE), [load_sample(name, SIZE) for name in styles]
        self._features = self._features or attentive_features(self._background.check)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")      # small regions lose a layer; a preview of 128 px need not say so each time
            painting = paint(photo, paintings, settings, features=self._features, style_term=self._term())
            progress = self._followed(painting, functools.partial(self._show, mask=mask), PATIENCE)
        self._painted = finish(progress.image, photo, settings)
        self._show(self._painted, " + ".join([settings.content, *styles]), mask)
        kept = (mask == 0).float()
        change = ((self._painted - photo).abs() * kept).max().item() if settings.untouched and self._painted.shape == photo.shape else None
        self.say(f"inside: {mask.mean():.0%} of the picture" + ("" if change is None else f"; outside of it the largest change is {change:g}"))
