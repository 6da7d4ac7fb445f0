"""What every explorer is: controls, one picture that answers them, a line about it, and errors said in plain words."""
import base64
import html
import io

import ipywidgets as widgets
import torch
from PIL import Image

from ..images import to_pil
from .canvas import note
from .captions import in_plain_words

_LINES = "display: block; line-height: 1.4;"
_RED = "color: var(--jp-error-color1, #b3261e)"


class Guarded:
    """Says how things stand (`state`) and what went wrong (`problem`), for widgets whose callbacks JupyterLab would let fail silently."""

    def __init__(self):
        self.state, self.problem = (widgets.HTML(layout={"width": "auto"}) for _ in range(2))

    def guarded(self, answer):
        """`answer` for a callback: what it raises is shown until the next one."""
        def guarded(event=None):
            self.problem.value = ""
            try:
                answer(event)
            except Exception as error:
                self.complain(error)
        return guarded

    def say(self, text):
        """One line about what is to be seen."""
        self.state.value = f'<span role="status" style="{_LINES} min-height: 2.8em">{html.escape(text)}</span>'

    def complain(self, error):
        """One line about what went wrong."""
        self.problem.value = f'<b role="alert" style="{_LINES} {_RED}">✗ {html.escape(in_plain_words(error))}</b>'


class Explorer(Guarded):
    """Controls beside a picture; each change of a control draws the picture anew. Displays itself in a notebook.

    A subclass makes its controls, then calls `super().__init__(controls)`, and has `draw()` → (picture, one line about it).
    picture: [1, 3, H, W] in [0, 1], or a Pillow image. Controls are attributes too, so `explorer.layer.value = "relu3_1"` works.
    `width`: px, at most, of the picture on the screen; `still`: of the longer side of the one that a notebook saves.
    """
    width, still = 640, 560

    def __init__(self, controls, width=None):
        super().__init__()
        self.controls, self.shown = list(controls), None
        self.picture = widgets.Image(format="jpeg", layout={"width": "100%", "max_width": f"{width or self.width}px", "margin": "4px 0"})
        self.widget = widgets.Box([
            widgets.VBox(self.controls, layout={"flex": "1 1 280px", "max_width": "400px", "min_width": "0"}),
            widgets.VBox([self.picture, self.state, self.problem],
                         layout={"flex": "2 1 320px", "max_width": f"{(width or self.width) + 20}px", "min_width": "0"}),
        ], layout={"flex_flow": "row wrap", "grid_gap": "8px 24px", "width": "100%"})
        for control in self.controls:
            control.observe(self.guarded(self.answer), "value")
        self.guarded(self.answer)()

    def draw(self):
        """→ (picture, one line about it)."""
        raise NotImplementedError

    def answer(self, event=None):
        """Draws, and shows what was drawn."""
        picture, text = self.draw()
        self.shown = to_pil(picture) if isinstance(picture, torch.Tensor) else picture
        self.picture.value = encoded(self.shown.convert("RGB"), self.picture.format)
        self.say(text)

    def complain(self, error):
        """One line about what went wrong; in the picture too while there is none, for a reader without a kernel."""
        super().complain(error)
        if not self.picture.value:
            self.shown = note(in_plain_words(error))
            self.picture.value = encoded(self.shown, self.picture.format)

    def __repr__(self):
        return f"{type(self).__name__}()"

    def _repr_mimebundle_(self, **kwargs):
        """The widget; and for a reader without a kernel the picture as it is now, and one line that never changes."""
        picture = self.shown.copy()
        picture.thumbnail((self.still, self.still))
        few = picture.convert("RGB").quantize(256, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)    # keeps thin curves' colors
        small = encoded(few, "png", optimize=True)
        return self.widget._repr_mimebundle_(**kwargs) | {"text/plain": repr(self), "image/png": base64.b64encode(small).decode()}


def encoded(picture, format, **options):
    """A Pillow image as the bytes of a PNG or JPEG file (packed in milliseconds: a slider is waiting)."""
    file = io.BytesIO()
    options = {"png": {"compress_level": 1}, "jpeg": {"quality": 86, "subsampling": 0}}[format] | options
    picture.save(file, format, **options)
    return file.getvalue()
