"""Lesson 11: a clip to be scrubbed: its flow, where that can be trusted, and its paintings, with and without the temporal loss."""
import functools

import ipywidgets as widgets
import torch

from ..video import consistent, flow, flow_color, inside, smooth, warp
from .canvas import heat, note, sheet
from .canvas import photo as photo_of
from .captions import ask
from .controls import choice, slider
from .explorer import Explorer

_SIDE = 168              # px of a picture's longer side
_FAULT = 0.25            # rms of three channels that is drawn fully bright
MOTION = ["flow as color", "mask: white is trusted", "photograph where it is trusted"]
CHANGE = ["what flickers", "the frame before, warped", "the frame before"]


class FilmExplorer(Explorer):
    """Two paintings of a clip side by side, frame by frame, and below them what moves, what was carried along, and what flickers.

    frames: photographs [1, 3, H, W]; films: {name: their painted frames}, two at least. The learner's functions, each of which stands
    in for the package's: warp(image, flow); comes_from_inside(flow) and there_and_back(backward, forward) → [1, 1, H, W], which with
    the edges of motion make the mask; temporal_loss(image, before, backward, mask) → [1]. Raises ValueError for films of other lengths or sizes.
    """
    width, still = 3 * _SIDE + 24, 440

    def __init__(self, frames, films, **functions):
        unknown = set(functions) - {"warp", "comes_from_inside", "there_and_back", "temporal_loss"}
        if unknown:
            raise TypeError(f"FilmExplorer has no place for {', '.join(sorted(unknown))}")
        self.frames, self.films, self.given = list(frames), {name: list(film) for name, film in films.items()}, functions
        if len(self.frames) < 2 or len(self.films) < 2:
            raise ValueError("FilmExplorer wants two frames or more, and two films or more, {name: painted frames}")
        for name, film in self.films.items():
            if [one.shape for one in film] != [one.shape for one in self.frames]:
                raise ValueError(f"the film {name!r} has not the number and size of the clip's frames")
        names = list(self.films)
        self.frame = slider("frame", 2, 1, len(self.frames), 1, "scrub with the mouse or the arrow keys")
        self.left = choice("film in the middle", names, names[0], "a painting of the clip")
        self.right = choice("film at the right", names, names[-1], "another one, to compare")
        self.motion = choice("below the photo", MOTION, MOTION[0], "from this frame to the one before")
        self.change = choice("below the films", CHANGE, CHANGE[0], "bright: this frame is not the warped one before it, though it could be")
        self._moved, self._seen, self._value = (functools.lru_cache(maxsize=None)(one) for one in (self._motion, self._below, self._measured))
        super().__init__([self.frame, self.left, self.right, self.motion, self.change])
        self.play = widgets.Play(min=1, max=len(self.frames), value=2, interval=160, description="play", repeat=True)
        self._link = widgets.jslink((self.play, "value"), (self.frame, "value"))
        left = self.widget.children[0]
        left.children = (self.play, *left.children)

    def __repr__(self):
        words = ", ".join(f"{name}={getattr(function, '__name__', 'function')}" for name, function in self.given.items())
        return f"FilmExplorer({words})"

    # --- the learner's functions ---

    def _asked(self, name, ours, shape, *tensors):
        """What the learner's function `name` answers, else ours; ValueError, in plain words, when it is no such thing."""
        if name not in self.given:
            return ours(*tensors)
        answer = ask(self.given[name], *(one.clone() for one in tensors), name=name)
        if not isinstance(answer, torch.Tensor) or list(answer.shape) != list(shape):
            got = list(answer.shape) if isinstance(answer, torch.Tensor) else type(answer).__name__
            raise ValueError(f"{name} should return {list(shape)}, it returned {got}")
        if not answer.float().isfinite().all():
            raise ValueError(f"{name} returned NaN or infinity: is something divided by zero?")
        return answer.detach().float()

    def _motion(self, number):
        """(backward flow, mask) of a frame: [1, 2, H, W], [1, 1, H, W]."""
        now, before = self.frames[number], self.frames[number - 1]
        backward, forward = flow(now, before), flow(before, now)
        shape = [1, 1, *now.shape[2:]]
        mask = self._asked("there_and_back", consistent, shape, backward, forward) * self._asked("comes_from_inside", inside, shape, backward)
        return backward, mask * smooth(backward)

    def _warped(self, name, number):
        """The painted frame before, where things are now."""
        before = self.films[name][number - 1]
        return self._asked("warp", warp, before.shape, before, self._moved(number)[0])

    def _measured(self, name, number):
        """The temporal loss of one painted frame, a float."""
        now, before, (backward, mask) = self.films[name][number], self.films[name][number - 1], self._moved(number)
        if "temporal_loss" in self.given:
            return self._asked("temporal_loss", None, [1], now, before, backward, mask).item()
        return (mask * (now - self._warped(name, number)).square()).mean().item()

    # --- what one sees ---

    def _below(self, name, number, change):
        """What is drawn below a film."""
        if change == CHANGE[2]:
            return photo_of(self.films[name][number - 1], _SIDE)
        warped = self._warped(name, number)
        if change == CHANGE[1]:
            return photo_of(warped, _SIDE)
        fault = self._moved(number)[1] * (self.films[name][number] - warped).square().mean(1, keepdim=True).sqrt()
        return heat(fault[0, 0], _SIDE, _FAULT)

    def draw(self):
        number, names = self.frame.value - 1, (self.left.value, self.right.value)
        above = [("photograph", photo_of(self.frames[number], _SIDE)), *((name, photo_of(self.films[name][number], _SIDE)) for name in names)]
        if number == 0:
            blank = note("the first frame has none before it", above[0][1].width)
            return sheet([above, [("", blank)]], size=14), f"frame 1 of {len(self.frames)}: painted by itself, whatever comes after"
        backward, mask = self._moved(number)
        shown = {MOTION[0]: flow_color(backward), MOTION[1]: mask.expand(1, 3, -1, -1), MOTION[2]: self.frames[number] * (0.15 + 0.85 * mask)}
        motion = self.motion.value
        below = [(motion, photo_of(shown[motion].clamp(0, 1), _SIDE)),
                 *((self.change.value, self._seen(name, number, self.change.value)) for name in names)]
        values = [self._value(name, number) for name in names]
        ratio = f", {values[1] / values[0]:.2f} times as much" if values[0] > 0 and names[0] != names[1] else ""
        speed = backward.norm(dim=1).max().item()
        return sheet([above, below], size=14), (f"frame {number + 1} of {len(self.frames)}: motion up to {speed:.1f} px, {mask.mean():.0%} trusted. "
                                                f"Temporal loss: {values[0]:.4f}, then {values[1]:.4f}{ratio}.")
