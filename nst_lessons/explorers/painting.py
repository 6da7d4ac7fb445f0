"""Lesson 05: the learner's own loop at work, with its picture and its loss, and a button to hold it."""
import functools
import math
import threading

import ipywidgets as widgets
import torch

from ..losses import DEFAULT_FACTORS, Objective
from ..optimize import OptimizationError
from .background import Pace, Stopped, attentive_features
from .canvas import beside, sheet
from .canvas import photo as photo_of
from .captions import is_a_stub
from .controls import choice, load_sample, log_slider, round_off, slider
from .drawing import loss_curves
from .working import Working

STARTS = ["the photograph", "noise"]
RATES = [0.25, 0.5, 1, 2, 4, 10]
_USUAL = {"lbfgs": 1.0, "adam": 0.02}                                 # each method's own learning rate
_ALPHA = DEFAULT_FACTORS["relative"][0]
_COLORS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00"]     # one for each run; told apart by color-blind eyes too
_SMALL, _LIVE = 112, 272                                              # px: what is given, what is painted
_ROOM = 130                                                           # px beside the curves for "adam noise x4 0.034"


class _Run:
    """One course of the learner's loop: `recipe` (method, start, alpha, rate, evaluations), and what came of it so far."""

    def __init__(self, recipe):
        self.recipe, self.color = recipe, None
        self.asked, self.told, self.losses, self.image, self.terms = 0, 0, [], None, None

    def __str__(self):
        method, start, alpha, rate, _ = self.recipe
        return " ".join([method, *(["noise"] if start == STARTS[1] else []), *([f"x{rate:g}"] if rate != 1 else []),
                         *([f"a={alpha:g}"] if alpha != _ALPHA else [])])

    def where(self):
        """One line: "evaluation 63 of 100 · loss 0.12 · style 0.034"."""
        if not self.losses:
            return "nothing was painted"
        miscounted = "" if self.told == self.asked else f" (your loop says {self.told})"
        style = f" · style {self.terms.style.item():.2g}" if self.terms else ""
        return f"evaluation {self.asked} of {self.recipe[-1]}{miscounted} · loss {self.losses[-1][1]:.3g}{style}"


class PaintingExplorer(Working):
    """The learner's `loop(start, objective, method, evaluations, lr)`, a generator of (evaluations, loss, picture), while it paints.

    Run begins, or goes on after Pause; when a control was moved it begins anew, and the old curve stays for comparison until
    Reset. The evaluations on the axis are counted here, not by the loop. `wait()` returns when the painting has ended.
    """

    def __init__(self, loop, photo="astronaut", style="starry", size=128):
        super().__init__()
        self.loop, self._features, self._objective = loop, None, (None, None)
        self.photo, self.style = load_sample(photo, size), load_sample(style, size)
        self._given = sheet([[("photograph", photo_of(self.photo, _SMALL))], [("painting", photo_of(self.style, _SMALL))]])
        self._free, self._runs, self._run = threading.Event(), {}, None
        self._make_controls()
        self._connect()
        self._reset()
        self.guarded(self._try_for_a_stub)()

    def __repr__(self):
        return f"PaintingExplorer(loop={getattr(self.loop, '__name__', 'function')})"

    # --- what one sees -----------------------------------------------------------------------------------------------

    def _make_controls(self):
        self.method = choice("method", list(_USUAL), "lbfgs", "who turns gradients into steps")
        self.start = choice("start from", STARTS, STARTS[0], "the first picture")
        self.alpha = log_slider("alpha (content)", _ALPHA, "more keeps the photograph")
        self.rate = widgets.SelectionSlider(options=[(f"x {rate:g}", rate) for rate in RATES], value=1, description="learning rate",
                                            tooltip="times the method's own: 1 for lbfgs, 0.02 for adam",
                                            style=self.alpha.style, layout={"width": "auto"})
        self.evaluations = slider("evaluations", 100, 10, 300, 10, "how often the loop may ask for loss and gradient")
        self.controls = [self.method, self.start, self.alpha, self.rate, self.evaluations]
        button = functools.partial(widgets.Button, layout={"width": "92px"})
        self.run = button(description="Run", icon="play", button_style="primary", tooltip="begin, or go on")
        self.pause = button(description="Pause", icon="pause", disabled=True, tooltip="hold the painting where it is")
        self.reset = button(description="Reset", icon="refresh", tooltip="forget all runs, back to the start")
        self.picture = widgets.Image(format="jpeg", layout={"width": "100%", "max_width": "408px", "margin": "4px 0"})
        self.curve = widgets.Image(format="png", layout={"width": "100%", "max_width": "440px"})
        buttons = widgets.Box([self.run, self.pause, self.reset], layout={"flex_flow": "row wrap", "grid_gap": "4px", "margin": "8px 0"})
        self.widget = widgets.Box([
            widgets.VBox([*self.controls, buttons, self.state, self.problem],
                         layout={"flex": "1 1 280px", "max_width": "400px", "min_width": "0"}),
            widgets.VBox([self.picture, self.curve], layout={"flex": "2 1 320px", "max_width": "460px", "min_width": "0"}),
        ], layout={"flex_flow": "row wrap", "grid_gap": "8px 24px", "width": "100%"})

    def _show(self, image, title):
        """The two given pictures, small, beside the one that is being painted; and the curves of all runs."""
        live = sheet([[(title, photo_of(image, _LIVE))]])
        self._put(beside(self._given, live))
        curves = {str(run): run.losses for run in self._runs.values() if run.losses}
        end = max((max(run.recipe[-1], run.asked) for run in self._runs.values()), default=self.evaluations.value)
        self.curve.value = loss_curves(curves, end, size=(440, 150), colors={str(run): run.color for run in self._runs.values()}, room=_ROOM)

    # --- what it answers ---------------------------------------------------------------------------------------------

    def _connect(self):
        for control in self.controls:
            control.observe(self.guarded(self._moved), "value")
        self.run.on_click(self.guarded(lambda _: self._go()))
        self.pause.on_click(self.guarded(lambda _: self._free.clear()))
        self.reset.on_click(self.guarded(lambda _: self._reset()))

    def _moved(self, event):
        if self._background.running and self._free.is_set():
            return                                                       # what is being painted goes on; the next Run asks again
        if event["owner"] is self.start or not self._runs:               # of an empty sheet, the axis moves
            self._show(self._first(self.start.value), "the start")
        self.say("press Run to begin with these settings")

    def _recipe(self):
        return (self.method.value, self.start.value, round_off(self.alpha.value), self.rate.value, self.evaluations.value)

    def _first(self, start):
        """The first picture [1, 3, H, W]."""
        if start == STARTS[0]:
            return self.photo
        return 0.5 + 0.15 * torch.randn(self.photo.shape, generator=torch.Generator().manual_seed(0))

    def _try_for_a_stub(self, _):
        """A stub raises as soon as it is called; a generator, when called, has not done anything yet."""
        def refuse(_):
            raise Stopped
        try:
            self.loop(self._first(STARTS[0]), refuse, "adam", 1, None)
        except Exception as error:
            if is_a_stub(error):
                raise
            return                                                       # not written as a generator: Run will tell

    # --- what it does ------------------------------------------------------------------------------------------------

    def _go(self):
        recipe = self._recipe()
        if self._background.running and not self._free.is_set() and self._run.recipe == recipe:
            self._set_buttons(painting=True)
            self._free.set()                                             # on from where it was held
            return
        if self._background.running and self._free.is_set():
            raise ValueError("it is painting already: press Pause or Reset first")
        self._end()
        self._run = run = self._new_run(recipe)
        self._set_buttons(painting=True)
        self._free.set()
        if not self._background.start(functools.partial(self._work, run)):
            raise ValueError("the last painting has not ended yet: press Run again in a moment")

    def _new_run(self, recipe):
        """Takes the place of an earlier run with these settings, or else of the oldest once there are five."""
        run = _Run(recipe)
        self._runs.pop(str(run), None)
        if len(self._runs) == len(_COLORS):
            self._runs.pop(next(iter(self._runs)))
        taken = {old.color for old in self._runs.values()}
        run.color = next(color for color in _COLORS if color not in taken)
        self._runs[str(run)] = run
        return run

    def _reset(self):
        self._end()
        self._runs, self._run = {}, None
        self._set_buttons(painting=False)
        self._show(self._first(self.start.value), "the start")
        self.say("ready: press Run")

    def _end(self):
        """Ends what is being painted, and waits for it: a fraction of a second."""
        self._background.stop()
        self._background.wait(10)

    def _set_buttons(self, painting):
        self.run.disabled, self.pause.disabled = painting, not painting

    def _gate(self, *_):
        """Where the painting's thread asks whether it may go on: held while it may not, Stopped when it is to end."""
        self._background.check()
        if self._free.is_set():
            return
        self._set_buttons(painting=False)
        self._show_run(self._run, "paused")
        while not self._free.wait(0.05):
            self._background.check()

    def _work(self, run):
        """One run, in the background's thread."""
        ending = "broken off"
        try:
            self.say("looking at the two pictures …")
            self._follow(run)
            ending = "done"
        except Stopped:
            ending = "stopped"
        except Exception as error:
            self.complain(error)
        self._show_run(run, ending)
        self._set_buttons(painting=False)

    def _show_run(self, run, how):
        try:
            self._show(self._first(run.recipe[1]) if run.image is None else run.image, str(run))
        except Exception as error:                                       # NaN, say
            self.complain(error)
        self.say(f"{how} · {run.where()}")

    def _follow(self, run):
        """Takes from the loop one picture after the other; shows as many as the browser can take."""
        method, start, alpha, rate, evaluations = run.recipe
        objective, pace = self._objective_with(alpha), Pace()

        def counted(picture):
            self._gate()
            run.asked += 1
            run.terms = objective(picture)
            return run.terms
        for item in _each(self.loop, self._first(start).clone(), counted, method, evaluations, rate * _USUAL[method]):
            run.told, loss, run.image = self._understood(item)
            run.losses.append((run.asked, loss))
            self._gate()
            if run.asked > 2 * evaluations + 30:
                raise ValueError(f"your loop goes on after its {evaluations} evaluations: it has asked {run.asked} times")
            if pace.due():
                self._show_run(run, "painting")

    def _objective_with(self, alpha):
        """The Objective with this alpha, of a network whose layers ask whether to go on; the latest is kept."""
        self._features = self._features or attentive_features(self._gate)
        if self._objective[0] != alpha:
            self._objective = alpha, Objective(self._features, self.photo, self.style, alpha)
        return self._objective[1]

    def _understood(self, item):
        """(evaluations, loss, picture) as the loop should yield them; ValueError, in plain words, for anything else."""
        if not (isinstance(item, tuple) and len(item) == 3 and isinstance(item[2], torch.Tensor) and item[2].shape == self.photo.shape):
            raise ValueError(f"your loop should yield (evaluations, loss, picture {list(self.photo.shape)}); it yielded {_described(item)}")
        if not math.isfinite(item[1]):
            raise ValueError(f"the loss became {float(item[1])} at evaluation {item[0]}: take a smaller learning rate")
        return int(item[0]), float(item[1]), item[2].detach()


def _described(item):
    if isinstance(item, torch.Tensor):
        return f"a tensor {list(item.shape)}"
    if isinstance(item, tuple):
        return f"({', '.join(_described(one) for one in item)})"
    return type(item).__name__


def _each(loop, *args):
    """What the learner's loop yields; what breaks in it is told as the loop's own fault."""
    try:
        course = loop(*args)
        if hasattr(course, "__iter__"):
            yield from course
            return
    except (Stopped, OptimizationError, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        if is_a_stub(error):
            raise
        raise ValueError(f"your loop stops with {type(error).__name__}: {' '.join(str(error).split())}") from error
    raise ValueError(f"your loop should be a generator, with `yield` in it; it returned {type(course).__name__}")
