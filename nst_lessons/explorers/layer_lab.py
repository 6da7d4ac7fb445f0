"""Lesson 07: every knob of `stylize` in reach, and a small preview that is painted anew whenever one is turned."""
import ipywidgets as widgets
import torch
from PIL import Image

from ..losses import style_error
from ..settings import Settings
from ..statistics import TERMS, own_term
from ..stylize import finish, paint
from ..sweep import content_error
from .background import attentive_features
from .canvas import PAPER, beside, note, sheet
from .canvas import photo as photo_of
from .captions import ask, in_plain_words, stem
from .controls import choice, factor_sliders, load_sample, round_off
from .working import Working

LAYERS = ["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"]
CONTENT = ["relu3_1", "relu4_2"]
SIZE, STEPS, LEVELS = 128, 24, 2        # px, evaluations, sizes of a preview
PATIENCE = 2.6                          # s, after which a preview is shown as it is
_SMALL, _LIVE = 112, 272                # px on the screen: what is given, what is painted
_PICTURES = ["cat", "astronaut", "coffee", "rocket"]
_PAINTINGS = ["waves", "starry", "mosaic", "ink_wash", "stained_glass", "autumn_forest"]


class LayerLab(Working):
    """A preview of 128 px with the layers, weights and factors that the controls say; displays itself in a notebook.

    distance: your own function(act [B, C, H, W], style_act [1, C, H′, W′]) → [B], tried first among the statistics.
    `layers`: those that style can be measured at. Controls are attributes (`lab.alpha.value = 0.3`; `lab.layers["relu1_1"]`,
    `lab.weights["relu1_1"]`, `lab.content["relu4_2"]`); `lab.code.value` is the same picture in plain Python. `wait()` returns when the
    preview is painted.
    """

    patience = 4 * PATIENCE

    def __init__(self, distance=None, photo="cat", style="waves", layers=LAYERS):
        super().__init__()
        self.distance, self._own = distance, None if distance is None else f"yours: {getattr(distance, '__name__', 'function')}"
        self._features = self._painted = None
        self._make_controls(photo, style, list(layers))
        self._show(load_sample(photo, SIZE), "photograph")
        for control in self.controls:
            control.observe(self.guarded(self._turned), "value")
        self.guarded(self._begin)()

    def __repr__(self):
        return f"LayerLab({'' if self.distance is None else 'distance=' + getattr(self.distance, '__name__', 'function')})"

    # --- what one sees -----------------------------------------------------------------------------------------------

    def _make_controls(self, photo, style, layers):
        pictures, paintings = (list(dict.fromkeys([first, *more])) for first, more in ((photo, _PICTURES), (style, _PAINTINGS)))
        self.photo, self.style = choice("photograph", pictures, photo), choice("painting", paintings, style)
        statistics = [*([self._own] if self._own else []), *TERMS]
        self.statistic = choice("statistic", statistics, statistics[0], "what style is measured by")
        self.layers = {name: widgets.Checkbox(True, description=name, indent=False, layout={"width": "92px"},
                                              tooltip=f"is style measured at {name}?") for name in layers}
        self.weights = {name: widgets.FloatSlider(1, min=0.1, max=3, step=0.1, description="weight", tooltip=f"how much {name} counts",
                                                  readout_format=".1f", continuous_update=False, style={"description_width": "48px"},
                                                  layout={"flex": "1 1 auto", "width": "auto", "min_width": "0"}) for name in layers}
        self.content = {name: widgets.Checkbox(True, description=f"content {name}", indent=False, layout={"width": "160px"},
                                               tooltip=f"is content measured at {name}?") for name in CONTENT}
        self.alpha, self.beta, self.gamma = factor_sliders()
        self.scale = widgets.FloatLogSlider(1, base=2, min=-2, max=2, step=0.5, readout_format=".2", description="stroke size",
                                            tooltip="how large the painting is, compared with the photograph", style=self.alpha.style,
                                            layout={"width": "auto"})
        for one in (self.alpha, self.beta, self.gamma, self.scale):
            one.continuous_update = False
        self.controls = [self.photo, self.style, self.statistic, *self.layers.values(), *self.weights.values(), *self.content.values(),
                         self.alpha, self.beta, self.gamma, self.scale]
        self.picture = widgets.Image(format="jpeg", layout={"width": "100%", "max_width": f"{_SMALL + 16 + _LIVE}px", "margin": "4px 0"})
        self.code = widgets.Textarea(rows=9, layout={"width": "auto"}, tooltip="this picture in plain Python, to copy")
        rows = [widgets.HBox([self.layers[name], self.weights[name]]) for name in layers]
        left = widgets.VBox([self.photo, self.style, self.statistic, *rows, widgets.Box(list(self.content.values()), layout={"flex_flow": "row wrap"}),
                             self.alpha, self.beta, self.gamma, self.scale], layout={"flex": "1 1 300px", "max_width": "400px", "min_width": "0"})
        right = widgets.VBox([self.picture, self.state, self.problem, widgets.HTML("copy these settings as code"), self.code],
                             layout={"flex": "1 1 320px", "max_width": "470px", "min_width": "0"})
        self.widget = widgets.Box([left, right], layout={"flex_flow": "row wrap", "grid_gap": "8px 24px", "width": "100%"})

    def _show(self, picture, title):
        """The two given pictures, small, beside the one that is painted."""
        given = sheet([[("photograph", photo_of(load_sample(self.photo.value, SIZE), _SMALL))],
                       [("painting", photo_of(load_sample(self.style.value, SIZE), _SMALL))]])
        self._put(beside(given, sheet([[(title, photo_of(picture, _LIVE))]])))

    def complain(self, error):
        """One line about what went wrong; in the picture too while nothing was painted, for a reader without a kernel."""
        super().complain(error)
        if self._painted is None:
            words = note(in_plain_words(error), width=self.shown.width)
            paper = Image.new("RGB", (self.shown.width, self.shown.height + words.height), PAPER)
            paper.paste(self.shown, (0, 0))
            paper.paste(words, (0, self.shown.height))
            self._put(paper)

    # --- what it answers ---------------------------------------------------------------------------------------------

    def settings(self):
        """The Settings that the controls say. Raises ValueError when no layer is left."""
        style = {name: round_off(self.weights[name].value) for name, box in self.layers.items() if box.value}
        content = [name for name, box in self.content.items() if box.value]
        if not style:
            raise ValueError(f"no style layer is left: tick at least one of {', '.join(self.layers)}")
        if not content:
            raise ValueError(f"no content layer is left: tick at least one of {', '.join(self.content)}")
        total = sum(style.values())
        weighted = {name: round(weight / total, 4) for name, weight in style.items()}
        own = self.statistic.value == self._own
        return Settings(content=self.photo.value, style=self.style.value, size=SIZE, steps=STEPS, levels=LEVELS,
                        alpha=round_off(self.alpha.value), beta=round_off(self.beta.value), gamma=round_off(self.gamma.value),
                        style_scale=round_off(self.scale.value), statistic="gram" if own else self.statistic.value,
                        style_layers=list(style) if len(set(style.values())) == 1 else weighted,
                        content_layers=None if content == CONTENT else content)

    def _turned(self, event):
        self._background.stop()
        self._background.wait(1)                 # each layer of the network asks whether to go on: this takes milliseconds
        if event["owner"] in (self.photo, self.style):
            self._show(load_sample(self.photo.value, SIZE), "photograph")
        self._begin()

    def _begin(self, _=None):
        try:
            settings, own = self.settings(), self.statistic.value == self._own
            self.code.value = lab_code(settings, self.distance if own else None)
        except ValueError as error:
            self.code.value = f"# {error}"
            raise
        if own:
            self._try_for_a_stub()
        self._begin_preview(self._follow, settings, own_term(self._asked) if own else None)

    def _try_for_a_stub(self):
        """What is not written yet, or gives no number, is told at once."""
        act, style = torch.rand(1, 64, 8, 9, requires_grad=True), torch.rand(1, 64, 7, 6)
        if not self._asked(act, style).requires_grad:
            raise ValueError("no gradient passes through your function, so no picture can follow it: compute with torch alone, without .detach()")

    def _asked(self, act, style_act):
        """The learner's distance [1]; ValueError, in plain words, when it is no such thing."""
        found = ask(self.distance, act, style_act)
        if not isinstance(found, torch.Tensor) or found.shape != (1,):
            got = list(found.shape) if isinstance(found, torch.Tensor) else type(found).__name__
            raise ValueError(f"your function should return one number for each picture, here [1]; it returned {got}")
        if not found.isfinite().all():
            raise ValueError("your function returned NaN or infinity: is something divided by zero?")
        return found

    # --- what it does ------------------------------------------------------------------------------------------------

    def _follow(self, settings, term):
        photo, style = load_sample(settings.content, SIZE), load_sample(settings.style, max(64, round(SIZE * settings.style_scale)))
        self._features = self._features or attentive_features(self._background.check)
        progress = self._followed(paint(photo, style, settings, features=self._features, style_term=term), self._show, PATIENCE)
        self._painted = finish(progress.image, photo, settings)
        self._show(self._painted, f"{settings.content} + {settings.style}")
        text = f"style error {style_error(self._painted, style, self._features):.3f}"
        if self._painted.shape == photo.shape:
            text += f", content error {content_error(self._painted, photo, self._features):.2f}"
        if progress.evaluations < progress.steps:
            text += f" (shown after {progress.evaluations} of {progress.steps} evaluations)"
        self.say(text)


def lab_code(settings, distance=None):
    """Python that paints this picture again, as it is: by `nst.stylize`, or with your own distance by what `stylize` is made of."""
    default = Settings()
    said = [f"{name}={settings[name]!r}" for name in settings.keys()
            if name not in ("content", "style") and settings[name] != default[name]]
    lines = ["    " + ", ".join(said[at:at + 4]) for at in range(0, len(said), 4)]
    names, file = f'"{settings.content}", "{settings.style}"', f'"{stem(settings)}.png"'
    if distance is None:
        return (f"import nst_lessons as nst\n\npicture = nst.stylize(\n    {names},\n" + ",\n".join(lines) + ")\n"
                f"nst.save_image(picture, {file})\n")
    return ("import nst_lessons as nst\nfrom nst_lessons.statistics import own_term\nfrom nst_lessons.stylize import finish, paint\n\n"
            "settings = nst.Settings(\n" + ",\n".join(lines) + ")\n"
            f"*_, last = paint({names}, settings, style_term=own_term({getattr(distance, '__name__', 'your_function')}))\n"
            f'picture = finish(last.image, "{settings.content}", settings)\nnst.save_image(picture, {file})\n')
