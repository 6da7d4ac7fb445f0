"""Lesson 15: how the marks of a study lie: in swirls, in waves, in rays, slanting, tangled.

Like everywhere in the museum, lengths are in points (1/512 of the side), and nothing random depends on the number of pixels.
"""
from typing import NamedTuple

import numpy as np
from scipy.stats import rankdata

from ..paintings import brush

TEXTURES = ("swirls", "waves", "rays", "slanting", "tangled")


class Arrangement(NamedTuple):
    """Maps [H, W] over the square of 512 points. `phase`: its level lines are the lines that marks follow, about as many points
    apart as their values; `angle`: their direction in radians; `value`: dark to light, every value between 0 and 1 equally often."""
    phase: np.ndarray
    angle: np.ndarray
    value: np.ndarray


def arrange(texture, side, seed, unit=1.0):
    """The Arrangement of a texture at side × side pixels; `unit`: size of its marks, 1 for medium."""
    rng = np.random.default_rng(seed)
    y, x = brush.grid(side, side)
    noise = lambda size: brush.noise(side, side, size, rng)
    phase = _PHASES[texture](x, y, noise, rng, unit)
    down, across = np.gradient(phase, 512 / side)
    angle = np.arctan2(-across, down)
    if texture == "rays":                                         # gradients cannot be taken where the angle jumps from π to −π
        angle = phase / 60 + 0.12 * noise(60)
    wide = 44 * unit**0.7
    bands = np.sin(2 * np.pi * phase / wide)
    value = 0.85 * bands + 0.55 * noise(95) + 0.25 * noise(28 * unit)
    return Arrangement(phase, angle, (rankdata(value).reshape(side, side) / side**2).astype(np.float32))


def _swirls(x, y, noise, rng, unit):
    """A drift, and whirls with alternating sense on it, none too near another."""
    phase, found = 0.5 * y + 10 * noise(170), []
    for _ in range(200):
        place, reach = rng.uniform(0, 512, 2), rng.uniform(40, 78) * unit**0.25
        if len(found) < 9 and all(np.hypot(*(place - other)) > 0.95 * (reach + far) for other, far in found):
            found.append((place, reach))
    for number, ((left, top), reach) in enumerate(found):
        far = ((x - left) ** 2 + (y - top) ** 2) / reach**2
        phase = phase + (-1) ** number * 2.3 * reach * np.exp(-far / 1.6)
    return phase


def _waves(x, y, noise, rng, unit):
    """Long swells, one above the other."""
    long, start = rng.uniform(190, 260), rng.uniform(0, 7)
    return y + 24 * np.sin(2 * np.pi * x / long + start + 0.012 * y) + 10 * np.sin(4.1 * np.pi * x / long + 2 * start) + 9 * noise(110)


def _rays(x, y, noise, rng, unit):
    """From one place, in all directions."""
    left, top = rng.uniform(170, 342), rng.uniform(170, 342)
    return 60 * np.arctan2(y - top + 0 * x, x - left + 0 * y)


def _slanting(x, y, noise, rng, unit):
    """Straight, all from the upper right to the lower left, like rain."""
    turn = rng.uniform(0.95, 1.15)
    return x * np.sin(turn) + y * np.cos(turn) + 3 * noise(150)


def _tangled(x, y, noise, rng, unit):
    """No direction for long."""
    return 26 * noise(64 * unit**0.3) + 10 * noise(30 * unit**0.3)


_PHASES = {"swirls": _swirls, "waves": _waves, "rays": _rays, "slanting": _slanting, "tangled": _tangled}
