"""Headings of an accordion that keys reach, too; the browser's half is heading_keys.js."""
from pathlib import Path

import anywidget
import ipywidgets as widgets
import traitlets


class HeadingKeys(anywidget.AnyWidget):
    """Lies unseen beside an accordion with `count` headings, in the box that `beside` makes."""
    _esm = Path(__file__).with_name("heading_keys.js").read_text(encoding="utf-8")
    count = traitlets.Int().tag(sync=True)


def beside(accordion, *above, layout):
    """A column: `above`, the accordion, and what opens its headings by keys."""
    box = widgets.VBox([*above, accordion, HeadingKeys(count=len(accordion.children))], layout=layout)
    box.add_class("nst-headings")
    return box
