"""What a sweep gives: pictures, a table, and a sheet on which every row and column has its name."""
import io
import math
from dataclasses import dataclass

from .. import plots
from ..images import load_image, save_image
from .cells import Cell


@dataclass
class Sweep:
    """`cells`, in the order of `combinations`; `axes`: {name: {label: value}}; `painted`: how many of the cells were not there yet."""
    axes: dict
    cells: list[Cell]
    painted: int

    def __repr__(self):
        return f"Sweep({' × '.join(f'{len(axis)} {name}' for name, axis in self.axes.items())})"

    @property
    def pictures(self):
        """One picture [1, 3, H, W] for each cell."""
        return [cell.picture for cell in self.cells]

    @property
    def table(self):
        """One dict for each cell: the label of what varies, style_error, content_error, seconds."""
        return [dict(zip(self.axes, cell.labels)) | {"style_error": cell.style_error, "content_error": cell.content_error,
                                                     "seconds": cell.seconds} for cell in self.cells]

    def __str__(self):
        """The table as text."""
        rows = [[str(name).replace("_", " ") for name in self.table[0]]]
        rows += [[value if isinstance(value, str) else f"{value:.4f}" if name != "seconds" else f"{value:.1f}"
                  for name, value in row.items()] for row in self.table]
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        words = len(self.axes)                                            # these stand at the left of their column, numbers at the right
        return "\n".join("  ".join(text.ljust(width) if column < words else text.rjust(width)
                                   for column, (text, width) in enumerate(zip(row, widths))).rstrip() for row in rows)

    def sheet(self, dpi=None):
        """The contact sheet as a matplotlib figure. One axis: pictures in rows; two: rows × columns; more: all but the last are rows.

        `dpi`: dots per inch; None: so many that each picture has its own size.
        """
        rows, columns = self._names()
        dpi = dpi or max(plots.DPI, math.ceil(max(self.pictures[0].shape[2:]) * len(columns or rows) / plots.WIDTH))
        return plots.contact_sheet(self.pictures, rows, columns, dpi=dpi)

    def show(self):
        """Displays the sheet in a notebook, as JPEG."""
        plots.display_jpeg(self.sheet(plots.DPI))

    def save(self, path):
        """Writes the sheet as .png, .jpg or .webp: whole or not at all. Raises ImageError."""
        file = io.BytesIO()
        self.sheet().savefig(file, format="png")
        save_image(load_image(file.getvalue()), path, {"grid": {name: list(axis) for name, axis in self.axes.items()}})

    def _names(self):
        """(names of rows, names of columns); of one axis: (names of the pictures, None)."""
        *others, last = [list(axis) for axis in self.axes.values()]
        if not others:
            return last, None
        rows = [""]
        for names in others:
            rows = [f"{row}\n{name}".strip() for row in rows for name in names]
        return rows, last
