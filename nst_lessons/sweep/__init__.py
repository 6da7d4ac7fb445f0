"""Lesson 07: turning the knobs. One picture for each combination of settings, on a sheet with labels, and their errors in a table.

grid → combinations → cells: each a picture and its settings in a folder, painted here or in processes beside → Sweep.
"""
import itertools
import tempfile
from pathlib import Path

from tqdm.auto import tqdm

from ..settings import Settings
from .cells import Cell, content_error
from .processes import paint_all
from .result import Sweep

__all__ = ["Cell", "Sweep", "combinations", "content_error", "sweep"]


def combinations(grid):
    """Every combination of a grid's values, the last name's changing fastest.

    grid: {"alpha": [0.03, 0.1], "steps": [20, 60]} → [{"alpha": 0.03, "steps": 20}, {"alpha": 0.03, "steps": 60}, …].
    """
    return [dict(zip(grid, values)) for values in itertools.product(*grid.values())]


def sweep(photo, style, grid, folder="sweep", processes=None, progress=False, **settings):
    """Paints `photo` in the style of `style` with every combination of a grid → Sweep: `.pictures`, `.table`, `.sheet()`.

    photo, style: as for `stylize`. grid: {name: values} or {name: {label: value}}; a name is one of `Settings`, where "content" and
    "style" vary the two pictures. settings: what all cells share. `folder`: where cells are kept, each as soon as it is painted, and
    looked for first; so the same call goes on where it stopped. None: nowhere. `processes`: so many paint side by side; None: as many
    as there are cores, if the first cell took so long that it pays. `progress`: shows a bar.
    Raises ValueError for a grid or settings that make no sense, ImageError for a picture that cannot be read.
    """
    if processes is not None and (isinstance(processes, bool) or not isinstance(processes, int) or processes < 1):
        raise ValueError(f"processes={processes!r} makes no sense; give a whole number of at least 1, or None")
    axes = {name: _axis(name, values) for name, values in dict(grid).items()}
    if not axes:
        raise ValueError('an empty grid has nothing to turn; give {"alpha": [0.03, 0.1]}, say')
    if folder is None:
        with tempfile.TemporaryDirectory() as passing:
            return _swept(photo, style, axes, settings, Path(passing), processes, progress)
    folder = Path(folder).expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    return _swept(photo, style, axes, settings, folder, processes, progress)


def _swept(photo, style, axes, settings, folder, processes, progress):
    cells = []
    for labels in combinations({name: list(axis) for name, axis in axes.items()}):
        varied = {name: axes[name][label] for name, label in labels.items()}
        pictures = {name: varied.pop(name, given) for name, given in (("content", photo), ("style", style))}
        named = {name: one for name, one in pictures.items() if _is_named(one)}
        cells.append(Cell(tuple(labels.values()), *pictures.values(), Settings.of(**settings | varied | named)))
    todo = [cell for cell in cells if not cell.read(folder)]
    with tqdm(total=len(cells), initial=len(cells) - len(todo), unit="cell", disable=not progress, dynamic_ncols=True) as bar:
        for cell in paint_all(todo, folder, processes):
            cell.read(folder)
            bar.set_postfix_str(" · ".join(cell.labels), refresh=False)
            bar.update()
    return Sweep(axes, cells, painted=len(todo))


def _axis(name, values):
    """{label: value} of one axis of a grid."""
    if isinstance(values, str) or not hasattr(values, "__iter__"):
        raise ValueError(f"the grid's {name} is {values!r}; give a list of values, or {{label: value}}")
    if hasattr(values, "items"):
        axis = {str(label): value for label, value in values.items()}
    else:
        values = list(values)
        axis = {_label(name, value): value for value in values}
        if len(axis) != len(values):
            raise ValueError(f"the grid's {name} has a value twice: {', '.join(map(str, values))}")
    if not axis:
        raise ValueError(f"the grid's {name} is empty; give a list of values, or {{label: value}}")
    return axis


def _label(name, value):
    """What stands beside a row or column: "style scale 0.5", "relu1_1, relu2_1", "sliced"."""
    if isinstance(value, str):
        return value
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return f"{name.replace('_', ' ')} {value:g}" if isinstance(value, float) else f"{name.replace('_', ' ')} {value}"


def _is_named(picture):
    """True for what Settings can hold: a name, a path, or a list of them."""
    return isinstance(picture, str) or (isinstance(picture, (list, tuple)) and all(isinstance(one, str) for one in picture))
