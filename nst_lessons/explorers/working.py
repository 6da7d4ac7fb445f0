"""An explorer whose answer takes longer than a moment: the work is done beside the kernel, and the picture grows."""
import base64
import functools
import time

from PIL import Image

from .background import Background, Pace, Stopped
from .canvas import note
from .captions import in_plain_words
from .explorer import Guarded, encoded


class Working(Guarded):
    """A `widget` with one `picture` (widgets.Image, JPEG) and a `_background` that fills it; displays itself in a notebook.

    A subclass makes `widget` and `picture`, and shows a Pillow image by `_put(image)`. `wait()` returns when the work has ended.
    `patience`: s that a page which is being saved waits for the work.
    """
    patience = 0

    def __init__(self):
        super().__init__()
        self._background, self.shown = Background(), None

    @property
    def empty(self):
        """True while nothing was painted that is worth keeping when something goes wrong."""
        return not self.picture.value

    def wait(self, seconds=None):
        """Waits until the work has ended, at most `seconds`; True if it has."""
        return self._background.wait(seconds)

    def complain(self, error):
        """One line about what went wrong; in the picture too while it is empty, for a reader without a kernel."""
        super().complain(error)
        if self.empty:
            self._put(note(in_plain_words(error)))

    def _begin_preview(self, paint, *args):
        """Starts paint(*args) beside the kernel; ValueError while an earlier preview has not ended."""
        if not self._background.start(functools.partial(self._preview, paint, *args)):
            raise ValueError("the last preview has not ended yet: turn the knob again in a moment")

    def _preview(self, paint, *args):
        try:
            self.say("painting …")
            paint(*args)
        except Stopped:
            return                               # another knob was turned: its own preview begins
        except Exception as error:
            self.complain(error)
            self.say("nothing new was painted")

    def _followed(self, painting, show, seconds):
        """The last Progress of a painting that is followed for at most `seconds`; show(picture, title) as often as a browser can take."""
        began, pace = time.monotonic(), Pace()
        for progress in painting:
            self._background.check()
            if time.monotonic() - began > seconds:
                break
            if pace.due():
                show(progress.image, f"evaluation {progress.evaluations} of {progress.steps}")
        return progress

    def _put(self, image):
        self.shown = image
        self.picture.value = encoded(image, "jpeg")

    def _repr_mimebundle_(self, **kwargs):
        """The widget; and for a reader without a kernel the picture as it is by now, and one line that never changes."""
        self.wait(self.patience)
        small = encoded(self.shown.quantize(128, dither=Image.Dither.NONE), "png", optimize=True)
        return self.widget._repr_mimebundle_(**kwargs) | {"text/plain": repr(self), "image/png": base64.b64encode(small).decode()}
