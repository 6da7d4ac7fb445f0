"""Build the notebooks: notebooks/source/NAME.py (percent script) → notebooks/NAME.ipynb, executed. One way only.

python tools/notebooks.py [NAME …]     builds those, or all
"""
import os
import sys
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
SOURCES = NOTEBOOKS / "source"
KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}


def build(source):
    """The notebook of one percent script, not executed; the same script always gives the same cells and ids."""
    notebook = jupytext.read(source, fmt="py:percent")
    notebook.metadata = nbformat.from_dict({"kernelspec": KERNEL, "language_info": {"name": "python"}})
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number:02d}"                      # random ids would change the file at every build
        cell.metadata.pop("lines_to_next_cell", None)       # jupytext's note to itself
    return notebook


def execute(notebook, folder):
    """Run all cells with `folder` as working directory; a cell that fails stops the build with its traceback."""
    client = NotebookClient(notebook, timeout=120, kernel_name="python3", record_timing=False,
                            extra_arguments=["--log-level=ERROR"],      # the kernel's own remarks are not the notebook's
                            resources={"metadata": {"path": str(folder)}})
    client.execute()
    notebook.metadata["language_info"] = {"name": "python"}       # without the version of whoever built it
    nbformat.validate(notebook)
    return notebook


def main(names):
    """Build the named notebooks, or all; each file is replaced only once its notebook ran to the end."""
    there = {source.stem: source for source in sorted(SOURCES.glob("*.py"))}
    unknown = [name for name in names if name not in there]
    if unknown:
        sys.exit(f"no source for {', '.join(unknown)}; notebooks/source has: {', '.join(there)}")
    for name in names or there:
        print(f"notebooks/{name}.ipynb …", flush=True)
        unfinished = NOTEBOOKS / f".{name}.part"
        nbformat.write(execute(build(there[name]), NOTEBOOKS), unfinished)
        os.replace(unfinished, NOTEBOOKS / f"{name}.ipynb")


if __name__ == "__main__":
    main(sys.argv[1:])
