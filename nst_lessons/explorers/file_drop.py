"""A field for a picture of one's own: dropped upon it, or chosen; the browser's half is file_drop.js."""
from pathlib import Path

import anywidget
import traitlets


class FileDrop(anywidget.AnyWidget):
    """Says `description`; answer({"name": str, "content": bytes}), which `load_image` reads, is called for each file that arrives."""
    _esm = Path(__file__).with_name("file_drop.js").read_text(encoding="utf-8")
    description = traitlets.Unicode().tag(sync=True)

    def __init__(self, description, answer):
        super().__init__(description=description, layout={"flex": "1 1 auto"})
        self._answer = answer
        self.on_msg(self._arrived)

    def _arrived(self, _, content, buffers):
        try:
            self._answer({"name": str(content["name"]), "content": bytes(buffers[0])})
        finally:
            self.send("read")                                    # the field says again what it is for
