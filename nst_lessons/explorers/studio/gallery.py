"""The studio's gallery: what was painted in this sitting, each with its settings, to be used again, copied as code, or saved."""
import functools
from pathlib import Path

import ipywidgets as widgets

from ...images import resize, save_image, to_bytes
from ..captions import free_name, stem, style_names
from ..code_box import CodeBox
from .code import as_code

_HEIGHT, _MOST = 120, 24                 # px; pictures kept: older ones make room


class Gallery:
    """Results, latest first, as `widget`. use(result) turns the knobs back; tell(text) says what was done; `code` shows what is to be copied."""

    def __init__(self, use, tell, guarded):
        self.results, self._use, self._tell, self._guarded = [], use, tell, guarded
        self.code = CodeBox(layout={"width": "auto", "display": "none"})
        self.row = widgets.Box(layout={"flex_flow": "row wrap", "grid_gap": "12px"})
        self.widget = widgets.VBox([widgets.HTML("nothing painted yet in this sitting"), self.code, self.row])

    def add(self, result):
        """Hangs a Result."""
        self.results = [result, *self.results][:_MOST]
        self.row.children = (self._framed(result), *self.row.children)[:_MOST]
        count = len(self.results)
        self.widget.children[0].value = f"{count} picture{'s' if count > 1 else ''} of this sitting, the latest first"

    def _framed(self, result):
        title = stem(result.order.settings)
        picture = widgets.Image(value=to_bytes(resize(result.image, 2 * _HEIGHT)), format="jpeg", layout={"height": f"{_HEIGHT}px", "width": "max-content"})
        buttons = []
        for text, icon, tip, answer in (("Use", "sliders", "use these settings", self._use), ("Code", "code", "copy as code", self.copy),
                                        ("Save", "save", "as PNG with its settings inside", self.save)):
            button = widgets.Button(description=text, icon=icon, tooltip=f"{tip}: {title}", layout={"width": "76px", "padding": "0 4px"})
            button.on_click(self._guarded(functools.partial(lambda answer, _: answer(result), answer)))
            buttons.append(button)
        return widgets.VBox([picture, widgets.HTML(f"<small>{title} · {result.course}</small>"), widgets.HBox(buttons)], layout={"width": "max-content"})

    def copy(self, result):
        """Shows the code that makes this picture."""
        settings = result.order.settings
        self.code.code, self.code.layout.display = as_code(settings, result.order.way, free_name(stem(settings))), None
        names = [settings.content, *style_names(settings)]
        sent = [Path(name).name for name in names if name.startswith("./") and not Path(name).is_file()]
        self._tell("its code is above the gallery" + (f"; it reads {' and '.join(sent)} from the folder in which it runs: put your own there" * bool(sent)))

    def save(self, result):
        """Writes the picture beside the notebook, under a name that no file has."""
        path = free_name(stem(result.order.settings))
        save_image(result.image, path, result.order.settings)
        self._tell(f"saved as {path} in {Path.cwd()}")
