"""Lesson 08: two small networks that differ in their normalization only, side by side while they train."""
import copy
import functools
import threading

import ipywidgets as widgets
import torch

from ..fast.network import ConditionalNorm, FastNetwork
from ..fast.training import Trainer
from .background import Pace, Stopped, attentive_features
from .canvas import sheet
from .canvas import photo as photo_of
from .captions import ask, checked
from .controls import choice, load_sample, slider
from .drawing import loss_curves
from .working import Working

LEARN_FROM, SHOWN = ["astronaut", "coffee", "motorcycle", "rocket"], ["cat", "astronaut", "coffee", "motorcycle", "rocket"]
STYLES = ["waves", "starry", "woodcut", "stained_glass", "wheat_field"]
_COLORS = {"yours": "#0072B2", "batch": "#D55E00"}                  # as in the lesson's own curves
_SIDE = 178                                                          # px of each picture
_RECIPE = {"sizes": (64,), "seen": (90, 160), "batch": 4, "lr": 0.02, "table_lr": 5e-3}


class NormExplorer(Working):
    """Trains two small one-pass networks on the same crops: one with the learner's `norm`, the other with batch normalization.

    norm(act [B, C, H, W], scale [1 or B, C], shift [1 or B, C]) → [B, C, H, W]. Run begins, or goes on after Pause; Reset forgets. Photograph
    and contrast can be changed at any time, and the two networks, as they are by then, paint it anew.
    nets: {"instance": net, "batch": net} trained already in `style`, net(photo) → painting; they are shown until Run, and wherever
    the first has a `scale` and a `shift`, `norm` normalizes.
    """

    def __init__(self, norm, style="waves", size=128, nets=None):
        super().__init__()
        self.norm, self.size = norm, size
        self._free, self._features = threading.Event(), None
        self._make_controls(style)
        self._connect()
        self._reset()
        self.guarded(lambda _: self._begin_with(nets))()

    def __repr__(self):
        return f"NormExplorer(norm={getattr(self.norm, '__name__', 'function')})"

    # --- what one sees -----------------------------------------------------------------------------------------------

    def _make_controls(self, style):
        self.style = choice("style", list(dict.fromkeys([style, *STYLES])), style, "what both learn, at the next Run")
        self.steps = slider("steps", 60, 10, 300, 10, "of training, for each network")
        self.photo = choice("photograph", SHOWN, SHOWN[0], "the cat is never trained with")
        self.contrast = slider("contrast (%)", 100, 10, 150, 10, "of the photograph to be painted; training sees 100 %")
        self.controls = [self.style, self.steps, self.photo, self.contrast]
        button = functools.partial(widgets.Button, layout={"width": "92px"})
        self.run = button(description="Run", icon="play", button_style="primary", tooltip="begin, or go on")
        self.pause = button(description="Pause", icon="pause", disabled=True, tooltip="hold the training where it is")
        self.reset = button(description="Reset", icon="refresh", tooltip="forget what was learned")
        self.picture = widgets.Image(format="jpeg", layout={"width": "100%", "max_width": f"{3 * _SIDE + 24}px", "margin": "4px 0"})
        self.curve = widgets.Image(format="png", layout={"width": "100%", "max_width": "440px"})
        buttons = widgets.Box([self.run, self.pause, self.reset], layout={"flex_flow": "row wrap", "grid_gap": "4px", "margin": "8px 0"})
        self.widget = widgets.Box([
            widgets.VBox([*self.controls, buttons, self.state, self.problem],
                         layout={"flex": "1 1 280px", "max_width": "400px", "min_width": "0"}),
            widgets.VBox([self.picture, self.curve], layout={"flex": "2 1 320px", "max_width": f"{3 * _SIDE + 44}px", "min_width": "0"}),
        ], layout={"flex_flow": "row wrap", "grid_gap": "8px 24px", "width": "100%"})

    def _show(self):
        """The photograph, and what the two networks make of it by now; and the style's share of both losses."""
        photo = load_sample(self.photo.value, self.size)
        photo = (0.5 + self.contrast.value / 100 * (photo - 0.5)).clamp(0, 1)
        row = [(f"contrast {self.contrast.value} %", photo_of(photo, _SIDE))]
        for name in self._trainers:
            with torch.no_grad():
                painted = self._painted(name, photo)
            row.append(({"yours": "your normalization", "batch": "batch normalization"}[name], photo_of(painted, _SIDE)))
        self._put(sheet([row]))
        self.curve.value = loss_curves(self._losses, max(self._goal, 1), size=(440, 150), colors=_COLORS)

    def _painted(self, name, photo):
        if self._ready:
            return self._ready[name](photo)[..., :photo.shape[2], :photo.shape[3]]
        return self._trainers[name].average(photo, self._trained)

    # --- what it answers ---------------------------------------------------------------------------------------------

    def _connect(self):
        for control in self.controls:
            control.observe(self.guarded(self._moved), "value")
        self.run.on_click(self.guarded(lambda _: self._go()))
        self.pause.on_click(self.guarded(lambda _: self._free.clear()))
        self.reset.on_click(self.guarded(lambda _: self._reset()))

    def _moved(self, event):
        if event["owner"] in (self.photo, self.contrast):
            if not (self._background.running and self._free.is_set()):          # else the next frame shows it
                self._show()
        elif event["owner"] is self.style:
            self.say("press Run: both begin anew, with this style")
        else:
            self.say("press Run to train so far")

    def _try(self):
        """A stub, or an answer of another shape, is told before anything is trained."""
        self._normalized(torch.rand(2, 3, 4, 4), torch.ones(1, 3), torch.zeros(1, 3))

    def _begin_with(self, nets):
        """Shows networks that are trained already, if there are any."""
        self._try()
        if nets is not None:
            self._ready = {"yours": copy.deepcopy(nets["instance"]).eval(), "batch": copy.deepcopy(nets["batch"]).eval()}
            for module in self._ready["yours"].modules():
                if hasattr(module, "scale") and hasattr(module, "shift"):
                    module.forward = lambda act, module=module: self._normalized(act, module.scale, module.shift)
            self._show()
            self.say(f"trained already, in the style {self.style.value}: turn the contrast; Run trains two fresh ones")

    def _normalized(self, act, scale, shift):
        return checked(ask(self.norm, act, scale, shift, name="your normalization"), act.shape, "your normalization")

    # --- what it does ------------------------------------------------------------------------------------------------

    def _go(self):
        if self._background.running and self._free.is_set():
            raise ValueError("they are training already: press Pause or Reset first")
        if self._background.running and self._trained == self.style.value and self._goal == self.steps.value:
            self._set_buttons(training=True)
            self._free.set()                                                 # on from where it was held
            return
        self._end()
        self._try()
        self._ready = None
        if self._trained != self.style.value or self._done >= self.steps.value:
            self._forget()
        self._goal = self.steps.value
        self._set_buttons(training=True)
        self._free.set()
        if not self._background.start(self._work):
            raise ValueError("the last training has not ended yet: press Run again in a moment")

    def _forget(self):
        """Two fresh networks, alike in all but their normalization."""
        self._ready = None
        self._trained, self._goal, self._done, self._losses = self.style.value, self.steps.value, 0, {"yours": [], "batch": []}
        self._features = self._features or attentive_features(self._gate)
        styles, photos = {self._trained: load_sample(self._trained, 160)}, [load_sample(name, 160) for name in LEARN_FROM]
        self._trainers = {}
        with torch.random.fork_rng():
            for name, norm in (("yours", "instance"), ("batch", "batch")):
                torch.manual_seed(0)
                net = FastNetwork(styles, norm, widths=(8, 16, 32), blocks=2)
                self._trainers[name] = trainer = Trainer(styles, photos, net, features=self._features, **_RECIPE)
                for module in (*trainer.net.modules(), *trainer.average.modules()):
                    if name == "yours" and isinstance(module, ConditionalNorm):
                        module.forward = functools.partial(self._looked_up, module)

    def _looked_up(self, module, act, mix):
        """A ConditionalNorm's work, with the learner's normalization."""
        scale, shift = ((mix[..., None] * table).sum(1) for table in (module.scale, module.shift))       # [B, S, 1] · [S, C] → [B, C]
        return self._normalized(act, scale, shift)

    def _reset(self):
        self._end()
        self._free.set()                                                     # the fresh networks' first look need not wait
        self._forget()
        self._free.clear()
        self._set_buttons(training=False)
        self.guarded(lambda _: self._show())()
        if not self.problem.value:
            self.say("two untrained networks: press Run")

    def _end(self):
        self._background.stop()
        self._background.wait(10)

    def _set_buttons(self, training):
        self.run.disabled, self.pause.disabled = training, not training

    def _gate(self, *_):
        """Where the training's thread asks whether it may go on: held while it may not, Stopped when it is to end."""
        if threading.current_thread() is threading.main_thread():
            return                                                           # a fresh Trainer looks at its painting
        self._background.check()
        if self._free.is_set():
            return
        self._set_buttons(training=False)
        self._show()
        self.say(f"paused · {self._where()}")
        while not self._free.wait(0.05):
            self._background.check()

    def _where(self):
        if not self._done:
            return "nothing was learned"
        return f"step {self._done} of {self._goal} · " + ", ".join(f"{'your' if name == 'yours' else name} style loss {curve[-1][1]:.2f}"
                                                                   for name, curve in self._losses.items())

    def _work(self):
        """The training, in the background's thread: a step of each network, on the same crops."""
        ending, pace = "broken off", Pace()
        try:
            self.say("looking at the painting …")
            while self._done < self._goal:
                found = {name: trainer.step(self._done / self._goal)["style"] for name, trainer in self._trainers.items()}
                self._done += 1
                for name, loss in found.items():
                    self._losses[name].append((self._done, loss))
                if pace.due():
                    self._show()
                    self.say(f"training · {self._where()}")
            ending = "done"
        except Stopped:
            ending = "stopped"
        except Exception as error:
            self.complain(error)
        self._last_look(ending)

    def _last_look(self, ending):
        try:
            self._show()
        except Exception as error:                                           # NaN, say
            self.complain(error)
        self.say(f"{ending} · {self._where()}")
        self._set_buttons(training=False)
