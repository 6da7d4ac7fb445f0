"""The playground: one photograph, one painting, the knobs of `stylize`, and a picture that grows while you watch.

The widget only asks and shows. What paints is `nst_lessons.stylize.paint`, and the code it offers for copying makes the same
picture. The painting runs in a thread, so every control stays alive; whatever goes wrong is said above the picture.
"""
import base64
import functools
import io
import os
import time
from pathlib import Path

import ipywidgets as widgets
from PIL import Image

from ..images import load_image, resize, save_image, to_bytes, to_pil
from ..samples import samples
from ..settings import Settings
from ..stylize import finish, paint
from .background import Background, Pace, Stopped, attentive_features
from .captions import as_code, free_name, stem
from .controls import factor_sliders, load_sample, picker, round_off, slider
from .course import Course
from .drawing import in_a_row
from .explorer import Guarded

LAYERS = ["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"]
_THUMBNAIL = 96          # px, the height of the two pictures above the canvas


class Playground(Guarded):
    """A photograph painted in the style of a painting, with every knob in reach; displays itself in a notebook.

    photo, style: a sample's name or a picture's path, to begin with; more can be chosen or uploaded in the widget. Its controls
    are attributes (`playground.alpha.value = 0.3`, `playground.paint.click()`); `wait()` returns when the painting has ended.
    Raises ImageError when one of the two cannot be read.
    """

    def __init__(self, photo="astronaut", style="starry"):
        super().__init__()
        self._name = f"Playground(photo={str(photo)!r}, style={str(style)!r})"
        self._uploads, self._features, self._painted, self._background = {}, None, None, Background()
        self._make_controls(os.fspath(photo), os.fspath(style))
        self._make_easel()
        self.widget = self._arrange()
        for choice, thumbnail in zip((self.photo, self.style), self.thumbnails):
            self._preview(choice, thumbnail)
        self._connect()
        self._describe()
        self.say("ready: press Paint")

    def __repr__(self):
        return self._name

    def _repr_mimebundle_(self, **kwargs):
        """The widget; and, for a reader without a kernel, a picture of what is on the easel and one line that never changes."""
        shown = [*self.thumbnails, *([self.picture] if self._painted else [])]
        row, file = to_pil(in_a_row(*(load_image(one.value) for one in shown), height=160)), io.BytesIO()
        row.quantize(128, dither=Image.Dither.NONE).save(file, "PNG", optimize=True)     # a third of the bytes of all colors
        bundle = self.widget._repr_mimebundle_(**kwargs)
        return bundle | {"text/plain": repr(self), "image/png": base64.b64encode(file.getvalue()).decode()}

    def wait(self, seconds=None):
        """Waits until the painting has ended, at most `seconds`; True if it has."""
        return self._background.wait(seconds)

    # --- what one sees -----------------------------------------------------------------------------------------------

    def _make_controls(self, photo, style):
        there = samples()
        self.photo, self.photo_upload = picker("photograph", there["photos"], photo)
        self.style, self.style_upload = picker("painting", there["paintings"], style)
        self.alpha, self.beta, self.gamma = factor_sliders()
        self.size = slider("size (px)", 256, 128, 512, 32, "longer side: twice the size takes four times as long")
        self.steps = slider("steps", Settings().steps, 10, 400, 10, "evaluations of the objective in all")
        self.layers = {name: widgets.Checkbox(True, description=name, indent=False, layout={"width": "76px"}) for name in LAYERS}
        self.paint = widgets.Button(description="Paint", icon="paint-brush", button_style="primary", layout={"width": "96px"})
        self.stop = widgets.Button(description="Stop", icon="stop", disabled=True, layout={"width": "96px"})
        self.save = widgets.Button(description="Save", icon="save", disabled=True, layout={"width": "96px"},
                                   tooltip="as PNG with its settings inside, beside this notebook")

    def _make_easel(self):
        small = {"height": f"{_THUMBNAIL}px", "max_width": "45%"}
        self.thumbnails = [widgets.Image(format="jpeg", layout=small) for _ in range(2)]
        self.picture = widgets.Image(format="jpeg", layout={"width": "100%", "max_width": "384px", "margin": "4px 0"})
        self.curve = widgets.Image(format="png", layout={"width": "100%", "max_width": "384px", "display": "none"})
        self.code = widgets.Textarea(rows=8, layout={"width": "auto"}, tooltip="the same painting in plain Python, to copy")

    def _arrange(self):
        """Two columns, which a narrow screen puts one below the other."""
        row = {"flex_flow": "row wrap", "align_items": "center", "grid_gap": "4px"}
        controls = widgets.VBox([
            self.photo, self.photo_upload, self.style, self.style_upload,
            self.alpha, self.beta, self.gamma, self.size, self.steps,
            widgets.HTML("style is measured at"), widgets.Box(list(self.layers.values()), layout={"flex_flow": "row wrap"}),
            widgets.Box([self.paint, self.stop, self.save], layout=row),
            widgets.HTML("the same as code, to copy"), self.code,
        ], layout={"flex": "1 1 300px", "max_width": "480px", "min_width": "0"})
        easel = widgets.VBox([
            widgets.Box(self.thumbnails, layout=row), self.state, self.problem, self.picture, self.curve,
        ], layout={"flex": "1 1 300px", "max_width": "400px", "min_width": "0"})
        return widgets.Box([controls, easel], layout={"flex_flow": "row wrap", "grid_gap": "8px 24px", "width": "100%"})

    # --- what it answers ---------------------------------------------------------------------------------------------

    def _connect(self):
        for choice, upload, thumbnail in zip((self.photo, self.style), (self.photo_upload, self.style_upload), self.thumbnails):
            upload.observe(self.guarded(functools.partial(self._accept, choice, thumbnail)), "value")
            choice.observe(self.guarded(functools.partial(self._chosen, choice, thumbnail)), "value")
        for control in (self.alpha, self.beta, self.gamma, self.size, self.steps, *self.layers.values()):
            control.observe(self.guarded(self._changed), "value")
        self.paint.on_click(self.guarded(self._start))
        self.stop.on_click(self.guarded(lambda _: self._background.stop()))
        self.save.on_click(self.guarded(self._keep))

    def _changed(self, _):
        idle = not self._background.running
        if idle:
            self.say("")
        self._describe()
        if idle:
            self.say("ready: press Paint")

    def _describe(self):
        """The code to copy, or what keeps it from being written."""
        try:
            self.code.value = as_code(self._settings())
        except ValueError as error:
            self.code.value = f"# {error}"
            raise

    def _settings(self):
        chosen = [name for name, box in self.layers.items() if box.value]
        if not chosen:
            raise ValueError("no style layer is left: tick at least one of relu1_1 … relu5_1")
        factors = {name: round_off(getattr(self, name).value) for name in ("alpha", "beta", "gamma")}
        return Settings.of(content=self.photo.value, style=self.style.value, size=self.size.value, steps=self.steps.value,
                           style_layers=None if chosen == LAYERS else chosen, **factors)

    def _load(self, name, size):
        """[1, 3, H, W] of an upload, a sample or a file."""
        return load_image(self._uploads[name], size=size) if name in self._uploads else load_sample(name, size)

    def _preview(self, choice, thumbnail):
        picture = self._load(choice.value, self.size.value)
        thumbnail.value = to_bytes(resize(picture, 2 * _THUMBNAIL))
        if choice is self.photo and self._painted is None and not self._background.running:
            self.picture.value = to_bytes(picture)                       # the empty canvas: painting begins from the photograph

    def _chosen(self, choice, thumbnail, event):
        self._changed(event)
        self._preview(choice, thumbnail)

    def _accept(self, choice, thumbnail, event):
        """Puts an uploaded picture among the choices, and chooses it. A file that cannot be read changes nothing."""
        if not event["new"]:
            return
        upload = event["new"][0]
        load_image(upload, size=self.size.value)
        name = f"./{upload['name']}"                                     # so it cannot be taken for a sample's name
        self._uploads[name] = upload
        if choice.value == name:                                         # another file of the same name
            self._chosen(choice, thumbnail, event)
        choice.options = [name, *(option for option in choice.options if option != name)]          # which chooses the first

    # --- what it does ------------------------------------------------------------------------------------------------

    def _start(self, _):
        settings = self._settings()
        if not self._background.start(functools.partial(self._work, settings)):
            raise ValueError("it is painting already: press Stop first")

    def _work(self, settings):
        """The painting, in the background's thread. Whatever ends it, the last picture stays, and can be saved."""
        self.paint.disabled, self.stop.disabled, self.save.disabled, self._painted = True, False, True, None
        self.say("reading the pictures …")
        began, course, ending = time.monotonic(), Course(), "broken off"
        try:
            photo, style = self._load(settings.content, settings.size), self._load(settings.style, settings.size)
            self._features = self._features or self._make_features()
            self._follow(paint(photo, style, settings, features=self._features), course, photo, settings)
            ending = "done"
        except Stopped:
            ending = "stopped"
        except Exception as error:
            self.complain(error)
        self.say(f"{ending} after {time.monotonic() - began:.0f} s · {course}")
        self.paint.disabled, self.stop.disabled, self.save.disabled = False, True, self._painted is None

    def _make_features(self):
        return attentive_features(self._background.check)

    def _follow(self, painting, course, photo, settings):
        """Records each Progress of `painting`; shows as many as the browser can take, and always the last one."""
        began, pace = time.monotonic(), Pace()
        try:
            for progress in painting:
                self._background.check()
                course.add(progress)
                if pace.due():
                    self._show(course)
                    self.say(f"painting {course} · {course.time_left(settings, time.monotonic() - began)} left")
        finally:
            if course.last is not None:
                self._show(course)
                self._painted = finish(course.last.image, photo, settings), settings

    def _show(self, course):
        self.picture.value = to_bytes(course.last.image)
        self.curve.value, self.curve.layout.display = course.drawn(), None

    def _keep(self, _):
        if self._painted is None:
            raise ValueError("nothing to save yet: press Paint first")
        picture, settings = self._painted
        path = free_name(stem(settings))
        save_image(picture, path, settings)
        self.say(f"saved as {path}, beside this notebook")
