"""An explorer whose answer takes longer than a moment: the work is done beside the kernel, and the picture grows."""
import base64

from PIL import Image

from .background import Background
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

    def _put(self, image):
        self.shown = image
        self.picture.value = encoded(image, "jpeg")

    def _repr_mimebundle_(self, **kwargs):
        """The widget; and for a reader without a kernel the picture as it is by now, and one line that never changes."""
        self.wait(self.patience)
        small = encoded(self.shown.quantize(128, dither=Image.Dither.NONE), "png", optimize=True)
        return self.widget._repr_mimebundle_(**kwargs) | {"text/plain": repr(self), "image/png": base64.b64encode(small).decode()}
