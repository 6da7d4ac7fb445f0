"""Lesson 15: the colors that can be asked for. Each is a ramp of paint, from its deep shade to its light one."""
import numpy as np

from ..paintings.strokes import colors

RAMPS = {
    "red": colors("#4e0a14", "#96141f", "#cf2a24", "#ee5a41", "#f79a80"),
    "orange": colors("#6e2a06", "#b8520c", "#e87817", "#f79a36", "#fcc67e"),
    "gold": colors("#4a3208", "#8a6212", "#c08c1e", "#dcb044", "#f2dc98"),
    "yellow": colors("#a87808", "#e0aa10", "#f8cf1e", "#fde04e", "#fff2a6"),
    "green": colors("#0c2f1c", "#1a5a2c", "#33853a", "#68ae4a", "#b2d886"),
    "turquoise": colors("#06383e", "#0b6168", "#169190", "#4cbcb2", "#a8e2d6"),
    "blue": colors("#0a1646", "#152f86", "#1f55bc", "#4286d8", "#9cc6ee"),
    "purple": colors("#240f42", "#47217a", "#6d3ca6", "#9868c8", "#cdaee4"),
    "pink": colors("#7c2450", "#bc4480", "#e678a6", "#f4a6c2", "#fcd6e0"),
    "brown": colors("#26150a", "#4c2c16", "#784a26", "#a2703f", "#cfa678"),
    "gray": colors("#2e3134", "#55595d", "#85898c", "#adb0b1", "#d4d6d5"),
    "black": colors("#050507", "#0d0e12", "#191b20", "#2c2e34", "#484b52"),
    "white": colors("#c9c7c0", "#e2e0d8", "#f0eee6", "#f8f6f0", "#fefdfa"),
}
_LIGHT = np.array([0.30, 0.59, 0.11])


def from_dark_to_light(names):
    """The names of colors in order of their lightness: a tuple."""
    return tuple(sorted(names, key=lambda name: float(RAMPS[name][2] @ _LIGHT)))


def shades(names, which, tone):
    """Paint [N, 3] of N marks: `which` of the colors `names` [N], and how light each is in it, `tone` [N] in [0, 1]."""
    ramps = np.stack([RAMPS[name] for name in names])                            # [K, 5, 3]
    at = np.clip(tone, 0, 1) * (ramps.shape[1] - 1)
    below = np.minimum(at.astype(int), ramps.shape[1] - 2)
    part = (at - below)[..., None]
    return ramps[which, below] * (1 - part) + ramps[which, below + 1] * part
