"""What the explorers' controls are made of: labeled sliders, and lists of pictures."""
import functools
import math

import ipywidgets as widgets

from ..images import load_image
from ..losses import DEFAULT_FACTORS
from ..samples import samples

_LABEL = {"description_width": "124px"}
_FILL = {"width": "auto"}                # as wide as the column, which may be narrow


def slider(label, value, least, most, step, tooltip):
    """A slider over whole numbers, with its value beside it."""
    return widgets.IntSlider(value, least, most, step, description=label, tooltip=tooltip, style=_LABEL, layout=_FILL)


def choice(label, options, value, tooltip=""):
    """A drop-down list."""
    return widgets.Dropdown(options=options, value=value, description=label, tooltip=tooltip, style=_LABEL, layout=_FILL)


def log_slider(label, value, tooltip):
    """A slider from a hundredth to the hundredfold of `value`, ten stops to a decade; two digits are shown, as by `round_off`."""
    middle = math.log10(value)
    return widgets.FloatLogSlider(value, base=10, min=middle - 2, max=middle + 2, step=0.1, readout_format=".2",
                                  description=label, tooltip=tooltip, style=_LABEL, layout=_FILL)


def factor_sliders():
    """Sliders for alpha, beta and gamma, with their defaults in the middle."""
    alpha, beta, gamma = DEFAULT_FACTORS["relative"]
    return (log_slider("alpha (content)", alpha, "more keeps the photograph"), log_slider("beta (style)", beta, "more takes over the painting"),
            log_slider("gamma (smooth)", gamma, "weight of total variation: more is smoother"))


def round_off(value):
    """The value of a `log_slider` as it is shown: 0.0501187… → 0.05."""
    return float(f"{value:.2g}")


def picker(label, names, chosen):
    """A drop-down list of `names` and `chosen`, and a button to upload a picture of one's own."""
    options = [*names, *(() if chosen in names else (chosen,))]
    upload = widgets.FileUpload(accept="image/*", description=f"own {label}", tooltip="PNG, JPEG, WebP …",
                                layout={"width": "max-content", "margin": "2px 2px 8px 130px"})
    return choice(label, options, chosen), upload


def load_sample(name, size):
    """`load_image`, which remembers the latest paintings: they are drawn anew each time, which takes a second."""
    return _painting(name, size) if name.partition(":")[0] in samples()["paintings"] else load_image(name, size=size)


_painting = functools.lru_cache(maxsize=8)(load_image)
