"""What ipywidgets leaves out for people without a mouse or without eyes; the browser's half is access.js."""
from pathlib import Path

import anywidget


class Access(anywidget.AnyWidget):
    """Lies unseen in a box made by `accessible`."""
    _esm = Path(__file__).with_name("access.js").read_text(encoding="utf-8")


def accessible(box):
    """A box (VBox, HBox …) whose accordions open by keys, and whose sliders have names: → the same box."""
    box.children = (*box.children, Access())
    box.add_class("nst-access")
    return box
