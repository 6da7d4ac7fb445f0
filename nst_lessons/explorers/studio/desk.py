"""The studio's desk: every knob of `Settings`, in labeled groups, both ways: knobs → Settings, Settings → knobs."""
import ipywidgets as widgets

from ...features import Features
from ...losses import DEFAULT_FACTORS
from ...settings import Settings
from ...statistics import TERMS
from ..controls import choice, factor_sliders, round_off, slider
from .painter import WAYS
from .sources import Sources

NONE = "none"
OURS = ["tiny", "selfsup", "patches", "random"]
NETWORKS = {name: name for name in OURS} | {f"{name} (torchvision's weights)": name for name in (
    "vgg19", "vgg16", "resnet50", "squeezenet1_1", "mobilenet_v3_small")}
COLORS = {"the painting's": False, "the photograph's, put back at the end": "luminance", "the photograph's, from the beginning": "match"}
STARTS = {"the photograph": "content", "noise": "noise", "the painting": "style"}
_CONVOLUTIONS = {f"conv{k}_1": 1.0 for k in range(1, 6)}
PRESETS = {
    "ours": {},
    "Gatys": {"style_layers": _CONVOLUTIONS, "content_layers": ["conv4_2"], "init": "noise", "levels": 1, "alpha": 0.95},
    "the article": {"style_layers": {"conv1_1": 1.0, "conv2_1": 0.8, "conv3_1": 0.6, "conv4_1": 0.4}, "content_layers": ["conv4_2"], "method": "adam", "levels": 1},
    "fine strokes": {"style_scale": 0.5},
    "broad strokes": {"style_scale": 2.0},
}
_FACTORS = ("alpha", "beta", "gamma")
_STEPWISE = (*_FACTORS, "preset", "steps", "method", "init", "backbone", "statistic", "more", "content")
_LABEL, _FILL = {"description_width": "124px"}, {"width": "auto"}


def _text(label, placeholder, tooltip):
    return widgets.Text(description=label, placeholder=placeholder, tooltip=tooltip, continuous_update=False, style=_LABEL, layout=_FILL)


def _weight(layer):
    return widgets.FloatSlider(1.0, min=0, max=3, step=0.1, description=layer, tooltip=f"how much {layer} counts", readout_format=".1f", style=_LABEL,
                               layout=_FILL)


class Desk(Sources):
    """All controls of the studio as attributes, and `widget`, which holds them in groups; `settings()` is what they say, `put()` the reverse.

    guarded(answer): `answer` for a callback, which says what went wrong. `controls`: {name: control}. `layers`: {layer: slider of its weight},
    anew for each network.
    """

    def __init__(self, photo, style, guarded):
        super().__init__(photo, style, guarded)
        self.way = choice("painted", list(WAYS), next(iter(WAYS)), "step by step is best, one pass takes a moment")
        self.preset = choice("preset", [NONE, *PRESETS], NONE, "sets several knobs at once")
        self.alpha, self.beta, self.gamma = factor_sliders()
        self.size = slider("size (px)", 256, 64, 1024, 32, "longer side: twice the size takes four times as long")
        self.scale = widgets.FloatLogSlider(1, base=2, min=-2, max=2, step=0.5, description="stroke size", readout_format=".2", style=_LABEL,
                                            tooltip="the painting's size over the photograph's", layout=_FILL)
        self.steps = slider("steps", Settings().steps, 10, 1000, 10, "evaluations of the objective in all")
        self.method = choice("method", ["lbfgs", "adam"], "lbfgs", "who turns gradients into steps")
        self.init = choice("begin with", list(STARTS), "the photograph")
        self.colors = choice("colors", list(COLORS), "the painting's")
        self.backbone = choice("network", list(NETWORKS.items()), "tiny", "who looks; the first four need no download")
        self.statistic = choice("statistic", list(TERMS), "gram", "what style is measured by")
        self.more = _text("more layers", "conv4_2: 0.5, relu1_2", "further style layers of this network, with weights")
        self.content = _text("content layers", "as the network has them", "names, with weights if you like: conv4_2: 1")
        self.rows, self.layers = widgets.VBox(), {}
        names = ("photo kind style second share seed words way preset alpha beta gamma size scale steps method init colors backbone statistic "
                 "more content").split()
        self.controls = {name: getattr(self, name) for name in names}
        self.backbone.observe(guarded(lambda _: self._rows()), "value")
        self.way.observe(lambda _: self._free_knobs(), "value")
        self.preset.observe(guarded(lambda event: event["new"] != NONE and self._follow_preset(event["new"])), "value")
        self._rows()
        self._lay_out()

    def _lay_out(self):
        groups = {
            "Pictures": [self.sources],
            "How": [self.way, self.preset, self.alpha, self.beta, self.gamma, self.scale, self.colors],
            "Size and steps": [self.size, self.steps, self.method, self.init],
            "Network and layers": [self.backbone, self.statistic, widgets.HTML("weight of each style layer (0: left out)"), self.rows, self.more,
                                   self.content],
        }
        self.widget = widgets.Accordion([widgets.VBox(group) for group in groups.values()], titles=list(groups), selected_index=0)

    def _rows(self):
        """A slider for each layer that the network's style is usually measured at. Untrained, its names are known without its weights."""
        features = Features(self.backbone.value, None if self.backbone.value in ("tiny", "patches") else "random")
        self.known = features.layers
        self.layers = {name: _weight(name) for name in features.style_layers}
        self.rows.children = tuple(self.layers.values())
        self._free_knobs()

    def _free_knobs(self):
        """A network that paints in one pass has learned its losses, layers and steps: their knobs are for step by step alone."""
        learned = WAYS[self.way.value] is not None
        for one in (*(self.controls[name] for name in _STEPWISE), *self.layers.values()):
            one.disabled = learned

    def _follow_preset(self, name):
        """Turns the knobs that make a picture's look to the preset's; pictures, size and steps stay."""
        self._put_knobs(Settings.of(**{"backbone": self.backbone.value, "size": self.size.value, "steps": self.steps.value} | PRESETS[name]))

    # --- knobs → Settings --------------------------------------------------------------------------------------------

    def settings(self):
        """What the knobs say. Raises ValueError, in plain words, for what cannot be."""
        styles, share = self.styles(), self.share.value / 100
        levels = PRESETS.get(self.preset.value, {}).get("levels")
        return Settings.of(
            content=self.photo.value, style=styles, words=self.described(), size=self.size.value, steps=self.steps.value,
            style_weights=[round(1 - share, 2), share] if isinstance(styles, list) else None, style_layers=self._style_layers(),
            content_layers=self._parsed(self.content.value) or None, backbone=self.backbone.value, smooth=self.backbone.value == "resnet50",
            statistic=self.statistic.value, method=self.method.value, init=STARTS[self.init.value], preserve_color=COLORS[self.colors.value],
            style_scale=float(self.scale.value), levels=levels, **{name: round_off(getattr(self, name).value) for name in _FACTORS})

    def _style_layers(self):
        """{layer: weight}; None where the network's own are meant, each with weight 1."""
        chosen = {name: round(one.value, 2) for name, one in self.layers.items() if one.value} | self._parsed(self.more.value)
        if not chosen:
            raise ValueError("no style layer is left: give one of them a weight, or paint by another preset")
        return None if chosen == dict.fromkeys(self.layers, 1.0) else chosen

    def _parsed(self, text):
        """{"conv4_2": 0.5, …} of "conv4_2: 0.5, relu1_2"; ValueError names what is no layer, or no weight."""
        found = {}
        for part in filter(None, (one.strip() for one in text.replace("，", ",").replace("：", ":").split(","))):
            name, colon, weight = (one.strip() for one in part.partition(":"))
            if name not in self.known:
                raise ValueError(f"unknown layer {name!r}; {self.backbone.value} has {', '.join(self.known)}")
            try:
                found[name] = float(weight) if colon else 1.0
            except ValueError:
                raise ValueError(f"{name}: {weight!r} is no weight; write {name}: 0.5") from None
        return found

    # --- Settings → knobs --------------------------------------------------------------------------------------------

    def put(self, settings, way=None):
        """Turns every control to what `settings` say, as far as there is one for it."""
        self.put_sources(settings)
        self._put_knobs(settings)
        self.preset.value, self.way.value = NONE, way or next(iter(WAYS))

    def _put_knobs(self, settings):
        self.backbone.value = settings.backbone                                        # first: it decides which layers there are
        given = settings.style_layers
        given = dict.fromkeys(given or self.layers, 1.0) if not isinstance(given, dict) else given
        for name, one in self.layers.items():
            one.value = given.get(name, 0)
        shown = lambda weights: ", ".join(f"{name}: {weight:g}" for name, weight in weights.items())
        content = settings.content_layers or {}
        factors = {name: default if settings[name] is None else settings[name] for name, default in zip(_FACTORS, DEFAULT_FACTORS["relative"])}
        values = factors | {
            "size": settings.size or 256, "scale": settings.style_scale, "steps": settings.steps, "method": settings.method,
            "init": _key(STARTS, settings.init), "colors": _key(COLORS, settings.preserve_color), "statistic": settings.statistic,
            "more": shown({name: weight for name, weight in given.items() if name not in self.layers}),
            "content": shown(content if isinstance(content, dict) else dict.fromkeys(content, 1.0)),
        }
        for name, value in values.items():
            self.controls[name].value = value


def _key(table, value):
    """The name of a value in a table of choices; the first where it has none."""
    return next((name for name, one in table.items() if one == value), next(iter(table)))
