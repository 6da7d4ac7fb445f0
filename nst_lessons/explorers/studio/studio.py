"""The studio: choose, run, hold, change while it paints, take back, compare, keep. It asks and shows; what paints is `stylize.paint`."""
import functools
import os
import time
from dataclasses import replace

import ipywidgets as widgets

from ...images import resize, to_pil
from ...stylize import style_side
from ...words import style_from_words
from ..access import accessible
from ..canvas import divided
from ..captions import stem, style_names
from ..controls import slider
from ..drawing import in_a_row
from ..working import Working
from .desk import Desk
from .gallery import Gallery
from .masking import Masking, small
from .painter import WAYS, Order, Painter

_SHOWN, _STILL = 512, 200        # px: longer side of the picture on the screen; height of what a saved notebook shows
_LIVE = ("alpha", "beta", "gamma", "steps", "scale", "size", "kind", "second", "share", "seed", "style", "words", "colors", "backbone", "statistic",
         "method", "more", "content")       # knobs that a running painting follows


class Studio(Working):
    """Photograph, painting or words, and every knob of the package; displays itself in a notebook.

    photo, style: a sample's name or a picture's path, to begin with. Controls are attributes of `desk` (`studio.desk.alpha.value = 0.3`) and of
    `masking`; buttons are `run`, `pause`, `stop`, `undo`, `save`. `wait()` returns when the painting has ended. Raises ImageError when one of the
    two cannot be read.
    """

    def __init__(self, photo="astronaut", style="starry"):
        super().__init__()
        self._name = f"Studio(photo={str(photo)!r}, style={str(style)!r})"
        self.desk, self.masking = Desk(os.fspath(photo), os.fspath(style), self.guarded), Masking()
        self.gallery = Gallery(self._use, self.say, self.guarded)
        self.painter = Painter(self._grown, self._ended)
        self._photo = self._result = self._left = None
        self._remark = ""                                                              # what is for the next Run only; stays in the line until then
        self._putting = False
        self._make_easel()
        self._lay_out()
        self._connect()
        self._new_photo()
        self.say("ready: press Run")
        self._offer()

    def __repr__(self):
        return self._name

    def _repr_mimebundle_(self, **kwargs):
        """The widget; and for a reader without a kernel photograph and painting side by side."""
        pictures = [one for one in (self._photo, self.desk.style_seen(_STILL), self._result and self._result.image) if one is not None]
        self.shown = to_pil(in_a_row(*pictures, height=_STILL))
        return super()._repr_mimebundle_(**kwargs)

    def wait(self, seconds=None):
        """Waits until the painting has ended, at most `seconds`; True if it has."""
        return self.painter.wait(seconds)

    # --- what one sees -----------------------------------------------------------------------------------------------

    def _make_easel(self):
        button = functools.partial(widgets.Button, layout={"flex": "1 1 58px", "width": "auto", "max_width": "96px", "padding": "0 4px", "margin": "0"})
        self.run = button(description="Run", icon="play", button_style="primary", tooltip="paint by these settings")
        self.pause = button(description="Pause", icon="pause", disabled=True, tooltip="hold the painting, or let it go on")
        self.stop = button(description="Stop", icon="stop", disabled=True, tooltip="end the painting; the picture stays")
        self.undo = button(description="Undo", icon="undo", disabled=True, tooltip="take back the last change or run, picture and settings")
        self.save = button(description="Save", icon="save", disabled=True, tooltip="as PNG with its settings inside")
        self.resume = widgets.Button(description="Go on with the unfinished picture", icon="history", layout={"width": "max-content", "display": "none"},
                                     tooltip="what a former sitting was painting when it ended")
        self.line = slider("before | after", 0, 0, 100, 1, "moves the border between photograph and painting")
        self.line.layout.visibility = "hidden"
        self.picture = widgets.Image(format="jpeg", layout={"width": "100%", "max_width": f"{_SHOWN}px", "margin": "4px 0"})
        self.curve = widgets.Image(format="png", layout={"width": "100%", "max_width": f"{_SHOWN}px", "margin": "0", "display": "none"})

    def _lay_out(self):
        row = {"flex_flow": "row wrap", "align_items": "center", "grid_gap": "4px"}
        accordion = self.desk.widget
        accordion.children = (*accordion.children, self.masking.widget)
        accordion.set_title(len(accordion.children) - 1, "Mask")
        # On a narrow screen the easel comes to lie above the desk, so that the picture is in sight while knobs are turned.
        left = widgets.VBox([self.resume, accordion], layout={"flex": "1 1 320px", "max_width": "520px", "min_width": "0"})
        easel = widgets.VBox([widgets.Box([self.run, self.pause, self.stop, self.undo, self.save], layout=row), self.state, self.problem,
                              self.picture, self.line, self.curve], layout={"flex": "2 1 320px", "max_width": f"{_SHOWN + 16}px", "min_width": "0"})
        top = widgets.Box([left, easel], layout={"flex_flow": "row wrap-reverse", "align_items": "flex-end", "grid_gap": "8px 24px", "width": "100%"})
        self.widget = accessible(widgets.VBox([top, self.gallery.widget], layout={"width": "100%"}))

    def _connect(self):
        desk = self.desk
        desk.photo.observe(self.guarded(lambda _: self._new_photo()), "value")
        for name in _LIVE:
            desk.controls[name].observe(self.guarded(self._turned), "value")
        desk.way.observe(self.guarded(self._another_way), "value")
        desk.backbone.observe(lambda _: self._watch_layers(), "value")
        self._watch_layers()
        for one, trait in (*((one, "value") for one in self.masking.controls), (self.masking.canvas, "strokes")):
            one.observe(self.guarded(self._turned), trait)
        self.line.observe(self.guarded(lambda _: self._compare()), "value")
        for button, answer in ((self.run, self._run), (self.pause, self._hold), (self.stop, self._stop), (self.undo, self._undo),
                               (self.save, lambda _: self.gallery.save(self._result)), (self.resume, self._resume)):
            button.on_click(self.guarded(answer))

    def _watch_layers(self):
        for one in self.desk.layers.values():
            one.observe(self.guarded(self._turned), "value")

    def _new_photo(self):
        photo = self.desk.load(self.desk.photo.value, self.desk.size.value)
        self._photo = photo
        self.masking.show(resize(photo, small(photo)))
        if not self.painter.running:
            self._hang(None)
            self._show(photo)
            self.say("a new photograph: press Run")
        else:
            self.say("the painting goes on with its own photograph; the new one is for the next Run")
            self._remark = " · the new photograph is for the next Run"

    def _show(self, image):
        """A picture [1, 3, H, W] on the easel."""
        picture = to_pil(image)
        factor = _SHOWN / max(picture.size)
        self.picture.layout.max_width = f"{round(picture.width * factor)}px"           # a tall one is as high as a wide one is wide
        self._put(picture if factor >= 1 else picture.resize([max(1, round(side * factor)) for side in picture.size]))

    def _hang(self, result):
        """A Result on the easel, with the line that compares it to its photograph; None: there is none."""
        self._result = result
        if result is None:
            self.curve.layout.display = "none"                                         # it was another picture's
        self.line.value, self.line.layout.visibility = 0, "hidden" if result is None else "visible"
        self.save.disabled = result is None
        if result is not None:
            self._show(result.image)

    def _compare(self):
        """The photograph left of the line, the painting right of it."""
        if self._result is None:
            return
        after = to_pil(resize(self._result.image, _SHOWN))
        before = to_pil(resize(self._result.order.photo, tuple(reversed(after.size))))
        self._put(divided(before, after, self.line.value / 100, ("before", "")))

    # --- what it answers ---------------------------------------------------------------------------------------------

    def _order(self, way):
        """What the knobs and the mask ask for, by a value of WAYS. ValueError or ImageError in plain words."""
        desk = self.desk
        settings = desk.settings()
        settings = replace(settings, **self.masking.masks())
        if way:
            settings = replace(settings, untouched=bool(settings.masks), preserve_color="luminance" if settings.preserve_color else False)
        if way and settings.words:
            raise ValueError("words are painted step by step: choose that under 'How', or a painting in place of words")
        if isinstance(settings.style, list) and settings.masks:
            raise ValueError("one mask, one painting: choose 'a painting' under 'Pictures', or 'everywhere' under 'Mask'")
        styles = None if settings.words else [desk.load(name, style_side(settings.size, settings)) for name in style_names(settings)]
        return Order(settings, desk.load(settings.content, settings.size), styles, way)

    def _run(self, _):
        if not self.painter.running:                             # pressed twice, faster than it could turn gray
            self._begin(self._order(WAYS[self.desk.way.value]))

    def _begin(self, order, state=None):
        """Buttons and line first: a painting that ends at once must have the last word about them."""
        self._began, self._remark = time.monotonic(), ""
        self.curve.layout.display = self.resume.layout.display = "none"
        self.say("reading the pictures …")
        self._buttons(running=True)
        self.painter.run(order, state)

    def _hold(self, _):
        if self.painter.held:
            self.painter.go_on()
        else:
            self.painter.pause()
            self.say(f"held at {self.painter.course}" if self.painter.course else "held")
        self._name_pause()

    def _stop(self, _):
        self.say("stopping …")
        self.painter.stop()

    def _name_pause(self):
        self.pause.description, self.pause.icon = ("Go on", "play") if self.painter.held else ("Pause", "pause")

    def _turned(self, _):
        """A knob was moved: a running painting follows it; without one, what cannot be is said at once."""
        if self._putting:
            return
        if self.painter.running:
            self.painter.change(self._order(self.painter.order.way))
            self.undo.disabled = False
        elif (said := self.desk.settings().words):
            style_from_words(said)

    def _another_way(self, _):
        if self.painter.running and not self._putting:
            other = WAYS[self.desk.way.value] != self.painter.order.way
            self._remark = f" · '{self.desk.way.value}' is for the next Run" if other else ""

    def _turn_to(self, order):
        """Turns the knobs to what an Order says, which a running painting does not take for a change."""
        self._putting = True
        try:
            self.desk.put(order.settings, next(name for name, way in WAYS.items() if way == order.way))
            self.masking.put(order.settings)
        finally:
            self._putting = False

    def _use(self, result):
        if self.painter.running:
            raise ValueError("press Stop first: its settings would turn the knobs of the painting that is under way")
        self._turn_to(result.order)
        self._hang(result)
        self.curve.layout.display = "none"
        self.say("these are its settings; press Run to paint by them")

    def _undo(self, _):
        order, image = self.painter.undo()
        self._turn_to(order)
        if not self.painter.running:
            self._hang(None)
        self._show(image)
        self.undo.disabled = not self.painter.can_undo
        self.say("taken back" + ("; the painting goes on from there" if self.painter.running else "; the settings are those of then"))

    def _offer(self):
        """A button, when a former kernel left a picture unfinished."""
        self._left = self.painter.unfinished()
        if self._left:
            self.resume.layout.display = None
            self.say(f"a former sitting was painting {stem(self._left[0].settings)} when it ended: go on with it, or begin anew with Run")

    def _resume(self, _):
        if self.painter.running:
            return
        order, state = self._left
        self.desk.bring_back(order.settings, order.photo, order.styles)
        self._turn_to(order)
        self._begin(order, state)

    # --- what the painter tells, from its thread ---------------------------------------------------------------------

    def _grown(self, image, order):
        course = self.painter.course
        self._show(image)
        self.curve.value, self.curve.layout.display = course.drawn(), None
        verb = "held at" if self.painter.held else "painting"
        remark = self._remark + (f" · {course.remark}" if course.remark else "")
        self.say(f"{verb} {course} · {course.time_left(order.settings, time.monotonic() - self._began)} left{remark}")

    def _ended(self, how, result):
        if isinstance(how, Exception):
            self.complain(how)
        if result is not None:
            self._hang(result)
            self.gallery.add(result)
        ending = {"done": "done", "stopped": "stopped"}.get(how if isinstance(how, str) else "", "broken off")
        self.say(f"{ending} after {time.monotonic() - self._began:.0f} s" + (f" · {result.course}" if result else ""))
        self._buttons(running=False)

    def _buttons(self, running):
        self.line.disabled = running
        self.run.disabled, self.pause.disabled, self.stop.disabled = running, not running, not running
        self.save.disabled, self.undo.disabled = running or self._result is None, not self.painter.can_undo
        self._name_pause()
