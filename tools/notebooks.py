"""Build the notebooks, one way only: notebooks/source/NAME.py (percent script) → what learners open, and the solved twin.

python tools/notebooks.py [NAME …]     builds those, or all

notebooks/NAME.ipynb              solutions replaced by `raise NotImplementedError("Exercise 3.1: …")`, checks allowed to raise
notebooks/solutions/NAME.ipynb    the same, solved; only for sources that have exercises

An exercise in which learners mend code, instead of writing it, has `### BEGIN FAULTY` … `### END FAULTY` beside its solution:
those lines stand in the learner's notebook only, and there the solution's lines are left out without a stub.
"""
import os
import re
import sys
import tomllib
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
SOURCES = NOTEBOOKS / "source"
KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}
SOLUTION, FAULTY = (re.compile(rf"^([ \t]*)### BEGIN {word}(?: \d+)?\n(.*?)^[ \t]*### END {word}[ \t]*(?:\n|\Z)", re.MULTILINE | re.DOTALL)
                    for word in ("SOLUTION", "FAULTY"))

# Where the course is published: `Repository` of [project.urls] in pyproject.toml. Once it is said there, `make notebooks` puts links to
# Colab and Binder under each title, and this cell below it. As words: a badge's picture would be fetched from another host by every reader.
REPOSITORY = tomllib.loads((NOTEBOOKS.parent / "pyproject.toml").read_text())["project"].get("urls", {}).get("Repository")
ON_COLAB = """# On Colab this installs the course; anywhere else it does nothing.
import sys

if "google.colab" in sys.modules:
    from google.colab import output
    get_ipython().run_line_magic("pip", "install -q 'nst_lessons[lab] @ "
                                 "git+{repository}'")
    output.enable_custom_widget_manager()                       # for lesson 13's canvas"""


def read(source):
    """The notebook of one percent script as its author wrote it, markers and all; the same script always gives the same cells and ids."""
    notebook = jupytext.read(source, fmt="py:percent")
    notebook.metadata = nbformat.from_dict({"kernelspec": KERNEL, "language_info": {"name": "python"}})
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number:02d}"                      # random ids would change the file at every build
        cell.metadata.pop("lines_to_next_cell", None)       # jupytext's note to itself
    return notebook


def build(source, solved=False):
    """What learners open, or the solved twin, not executed."""
    notebook = read(source)
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type == "code":
            _solve(cell) if solved else _stub(cell)
        if re.search(r"### .*(SOLUTION|FAULTY)", cell.source):
            sys.exit(f"{Path(source).name}, cell {number}: a SOLUTION or FAULTY marker without its partner, inside another pair, "
                     "or in a cell that is no exercise")
    if REPOSITORY and Path(source).resolve().parent == SOURCES:          # no other script has an address there
        _doors(notebook, f"notebooks/{'solutions/' if solved else ''}{Path(source).stem}.ipynb")
    return notebook


def _doors(notebook, path):
    """Colab's and Binder's addresses of the notebook at `path` in the repository, and what Colab must install first."""
    found = re.fullmatch(r"https://github\.com/([\w.-]+/[\w.-]+?)(?:\.git|/)?", REPOSITORY)
    if not found:
        sys.exit(f"pyproject.toml: Repository is {REPOSITORY!r}; Colab's and Binder's links want https://github.com/OWNER/NAME")
    colab = f"https://colab.research.google.com/github/{found[1]}/blob/main/{path}"
    binder = f"https://mybinder.org/v2/gh/{found[1]}/main?urlpath=lab/tree/{path}"
    notebook.cells[0].source += f"\n\nOpen in [Colab]({colab}) · [Binder]({binder})"
    cell = nbformat.v4.new_code_cell(ON_COLAB.format(repository=f"https://github.com/{found[1]}"), id="colab")
    notebook.cells.insert(1, cell)


def exercises(notebook):
    """The numbers of a built notebook's exercises, "3.1" …, in order."""
    return [cell.metadata["exercise"] for cell in notebook.cells if "exercise" in cell.metadata]


def _solve(cell):
    """Solutions stay, their markers and the faulty lines go."""
    if "exercise" in cell.metadata and not _nested(cell):
        cell.source = SOLUTION.sub(lambda match: match[2], FAULTY.sub("", cell.source)).rstrip("\n")


def _stub(cell):
    """Solutions go; the faulty lines stay, or calling what is left says which exercise it is. A check may then raise."""
    if "exercise" in cell.metadata and not _nested(cell):
        if FAULTY.search(cell.source):
            cell.source = FAULTY.sub(lambda match: match[2], SOLUTION.sub("", cell.source)).rstrip("\n")
        elif SOLUTION.search(cell.source):
            asked = cell.source[:SOLUTION.search(cell.source).start()]               # what stands before it in the cell is given
            name = re.findall(r"^(?:def|class) (\w+)", asked, re.MULTILINE)[-1]
            stub = f'raise NotImplementedError("Exercise {cell.metadata["exercise"]}: write {name}")\n'
            cell.source = SOLUTION.sub(lambda match: match[1] + stub, cell.source).rstrip("\n")
    if re.match(r"check_\w+\(", cell.source):
        cell.metadata["tags"] = [*cell.metadata.get("tags", []), "raises-exception"]


def _nested(cell):
    """True when a marked block holds a marker: one of the two would be lost, or shown."""
    return any("### " in match[2] for pattern in (SOLUTION, FAULTY) for match in pattern.finditer(cell.source))


def execute(notebook, folder):
    """Run all cells with `folder` as working directory; a cell that fails stops the build with its traceback."""
    client = NotebookClient(notebook, timeout=120, kernel_name="python3", record_timing=False,
                            extra_arguments=["--log-level=ERROR"],      # the kernel's own remarks are not the notebook's
                            resources={"metadata": {"path": str(folder)}})
    client.execute()
    notebook.metadata["language_info"] = {"name": "python"}       # without the version of whoever built it
    nbformat.validate(notebook)
    return notebook


def write(notebook, path):
    """Executes a built notebook and puts it at `path`, which is replaced only once all of it ran."""
    print(f"{path.relative_to(NOTEBOOKS.parent)} …", flush=True)
    path.parent.mkdir(exist_ok=True)
    unfinished = path.with_name(f".{path.stem}.part")
    nbformat.write(execute(notebook, path.parent), unfinished)
    os.replace(unfinished, path)


def main(names):
    """Build the named notebooks, or all."""
    there = {source.stem: source for source in sorted(SOURCES.glob("*.py"))}
    unknown = [name for name in names if name not in there]
    if unknown:
        sys.exit(f"no source for {', '.join(unknown)}; notebooks/source has: {', '.join(there)}")
    for name in names or there:
        learners = build(there[name])
        write(learners, NOTEBOOKS / f"{name}.ipynb")
        if exercises(learners):
            write(build(there[name], solved=True), NOTEBOOKS / "solutions" / f"{name}.ipynb")


if __name__ == "__main__":
    main(sys.argv[1:])
