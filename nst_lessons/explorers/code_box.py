"""Code to be copied, with a button that does it; the browser's half is code_box.js."""
from pathlib import Path

import anywidget
import traitlets


class CodeBox(anywidget.AnyWidget):
    """Shows `code`."""
    _esm = Path(__file__).with_name("code_box.js").read_text(encoding="utf-8")
    code = traitlets.Unicode().tag(sync=True)
