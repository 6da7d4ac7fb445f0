"""Everything that makes a picture, in one object that is JSON both ways: command line, metadata, resume, sweep, studio."""
import json
from dataclasses import asdict, dataclass, fields

_CHOICES = {
    "scaling": ("relative", "gatys", "article"),
    "method": ("lbfgs", "adam"),
    "pooling": ("max", "avg"),
    "precision": ("fp32", "bf16", "fp16"),
    "statistic": ("gram", "mean_std", "covariance", "sliced", "patches"),
    "preserve_color": (False, True, "luminance", "match"),
}


@dataclass(frozen=True)
class Settings:
    """What `stylize` is asked to do; `stylize(photo, style, **settings)` and `Settings(**vars)` both work.

    `content`, `style`: names or paths (style: one or a list). `size`: longer side in px (None: the picture's own, 512 for names
    and files). alpha, beta, gamma and layers: None means the default of `scaling` and `backbone`. `steps`: evaluations in all.
    `levels`: sizes from coarse to fine (None: as many as the size wants, 1: only the full size). `style_scale`: stroke size,
    the style picture's longer side over the photograph's. `statistic`: what style is measured by (`statistics.TERMS`).
    `preserve_color`: "luminance" (or True) puts the photograph's colors back at the end, "match" gives them to the painting
    before it is painted from. `init`: "content", "noise", "style", or a picture's path.
    `words`: a description in place of a style ("thick blue strokes", 梵高风格); `clip`: who understands it, None (our own encoder, offline), a
    model or weights file of open_clip, or "auto".
    `masks`: where the styles belong, one text for each or one for all: a picture's path (white is painted) or a recipe of
    `regions.masks` ("background"). `untouched`: outside of them the photograph itself, at its own size; `feather`: how softly it
    begins, inside, as a share of its longer side.
    `smooth`: the network's activations through a softmax, meant for residual networks; it wants a smaller gamma, 0.005 say.
    `precision`: of the network: "fp32", "bf16" or "fp16". `tile`: px of a tile (None: tiles only where memory wants them).
    Raises ValueError for a name or value that makes no sense.
    """
    content: str | None = None
    style: str | list | None = None
    words: str | None = None
    clip: str | None = None
    size: int | None = None
    backbone: str = "tiny"
    weights: str | None = None
    pooling: str = "max"
    smooth: bool = False
    alpha: float | None = None
    beta: float | None = None
    gamma: float | None = None
    content_layers: list | dict | None = None
    style_layers: list | dict | None = None
    style_weights: list | None = None
    statistic: str = "gram"
    scaling: str = "relative"
    method: str = "lbfgs"
    steps: int = 200
    levels: int | None = None
    style_scale: float = 1.0
    init: str = "content"
    seed: int = 0
    precision: str = "fp32"
    tile: int | None = None
    preserve_color: bool | str = False
    masks: list | None = None
    untouched: bool = False
    feather: float = 0.01

    def __post_init__(self):
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise ValueError(f"{name}={getattr(self, name)!r} is unknown; choose one of {', '.join(map(str, choices))}")
        for name in ("alpha", "beta", "gamma"):
            value = getattr(self, name)
            if value is not None and not (_is_number(value) and 0 <= value < float("inf")):
                raise ValueError(f"{name}={value!r} makes no sense; give a number of at least 0")
        for name, least in (("size", 16), ("steps", 1), ("levels", 1), ("seed", 0), ("tile", 32)):
            value = getattr(self, name)
            if value is None and name in ("size", "levels", "tile"):
                continue
            if not (_is_number(value) and isinstance(value, int) and least <= value < 2**63):
                raise ValueError(f"{name}={value!r} makes no sense; give a whole number of at least {least}")
        if not (_is_number(self.style_scale) and 0.05 <= self.style_scale <= 20):
            raise ValueError(f"style_scale={self.style_scale!r} makes no sense; give a number between 0.05 and 20 (1: as it is)")
        if self.masks is not None and not (isinstance(self.masks, (list, tuple)) and self.masks and all(isinstance(one, str) for one in self.masks)):
            raise ValueError(f"masks={self.masks!r} makes no sense; give a list of files or recipes, one for each style, or None")
        for name in ("words", "clip"):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, str) and value.strip()):
                raise ValueError(f"{name}={value!r} makes no sense; give a text, or None")
        for name in ("untouched", "smooth"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"{name}={getattr(self, name)!r} makes no sense; give True or False")
        if not (_is_number(self.feather) and 0 <= self.feather <= 0.5):
            raise ValueError(f"feather={self.feather!r} makes no sense; give a number between 0 and 0.5, a share of the longer side")

    @classmethod
    def of(cls, **options):
        """Settings from keyword arguments; an unknown name is refused with the list of those that exist."""
        known = {field.name for field in fields(cls)}
        for name in options:
            if name not in known:
                raise ValueError(f"unknown setting {name!r}; there are {', '.join(sorted(known))}")
        return cls(**options)

    def keys(self):
        """Names of the settings: together with [], what `**settings` needs."""
        return [field.name for field in fields(self)]

    def __getitem__(self, name):
        return getattr(self, name)

    def to_json(self):
        """One line of JSON; `Settings.from_json` reads it back."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text):
        """Settings from `to_json`'s text; ValueError for anything else."""
        try:
            options = json.loads(text)
        except json.JSONDecodeError as error:
            raise ValueError(f"these settings are not JSON ({error.msg} at character {error.pos})") from error
        if not isinstance(options, dict):
            raise ValueError("settings are a JSON object, {\"size\": 256, …}")
        return cls.of(**options)


def _is_number(value):
    """True for 1 and 0.5, not for "1", nor for True, which Python counts among the numbers."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)
