"""Notebooks: built from their source, executed, small, true to the package. (That they run is tested by nbval: `make test`.)"""
import ast
import importlib.util
import json
import re
import statistics
from pathlib import Path

import pytest
from nbclient.exceptions import CellExecutionError

import nst_lessons
from nst_lessons import checks

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted(path for path in (ROOT / "notebooks").rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts)

spec = importlib.util.spec_from_file_location("tools_notebooks", ROOT / "tools" / "notebooks.py")
builder = importlib.util.module_from_spec(spec)
spec.loader.exec_module(builder)

SCRIPT = """# %% [markdown]
# # One
# two
# %% tags=["raises-exception"]
raise NotImplementedError("Exercise 1.1")
# %%
print(6 * 7)
"""


def test_notebooks_are_built_from_their_source(tmp_path, monkeypatch):
    monkeypatch.setattr(builder, "NOTEBOOKS", tmp_path)
    monkeypatch.setattr(builder, "SOURCES", tmp_path / "source")
    monkeypatch.setattr(builder, "REPOSITORY", None)
    (tmp_path / "source").mkdir()
    source, built = tmp_path / "source/one.py", tmp_path / "one.ipynb"
    source.write_text(SCRIPT)
    builder.main(["one"])
    first = built.read_text()
    words, stub, product = json.loads(first)["cells"]
    assert words["source"] == ["# One\n", "two"]
    assert stub["metadata"] == {"tags": ["raises-exception"]} and stub["outputs"][0]["ename"] == "NotImplementedError"
    assert product["outputs"][0]["text"] == ["42\n"] and product["execution_count"] == 2
    source.write_text(SCRIPT + "# %%\n1 / 0\n")
    with pytest.raises(CellExecutionError, match="ZeroDivisionError"):
        builder.main([])
    assert built.read_text() == first                            # a notebook that fails replaces nothing
    with pytest.raises(SystemExit, match="no source for two; notebooks/source has: one"):
        builder.main(["two"])


EXERCISE = """# %% exercise="1.2"
def double(x):
    '''Twice x.'''
    ### BEGIN SOLUTION
    y = 2 * x
    return y
    ### END SOLUTION
# %%
check_double(double)
"""


def test_a_stub_is_called_by_what_is_asked_not_by_what_is_given(tmp_path):
    source = tmp_path / "one.py"
    source.write_text(EXERCISE.replace("def double(x):", "def given(x):\n    return x\n\n\ndef double(x):"))
    assert builder.build(source).cells[0].source.endswith('raise NotImplementedError("Exercise 1.2: write double")')


def test_solutions_become_stubs(tmp_path):
    source = tmp_path / "one.py"
    source.write_text(EXERCISE)
    stub, check = builder.build(source).cells
    assert stub.source == "def double(x):\n    '''Twice x.'''\n    raise NotImplementedError(\"Exercise 1.2: write double\")"
    assert stub.metadata == {"exercise": "1.2"} and check.metadata == {"tags": ["raises-exception"]}
    solved, check = builder.build(source, solved=True).cells
    assert solved.source == "def double(x):\n    '''Twice x.'''\n    y = 2 * x\n    return y"
    assert check.metadata == {}


MENDING = """# %% exercise="1.3"
def mean(values):
    ### BEGIN FAULTY
    return sum(values) / 3
    ### END FAULTY
    ### BEGIN SOLUTION
    count = len(values)
    return sum(values) / count
    ### END SOLUTION


def largest(values):
    best = values[0]
    ### BEGIN FAULTY
    best = 0
    ### END FAULTY
    return max(best, *values)
# %%
check_mean(mean, largest)
"""


def test_faulty_lines_are_in_the_learners_notebook_only(tmp_path):
    source = tmp_path / "one.py"
    source.write_text(MENDING)
    faulty, check = builder.build(source).cells
    rest = "\n\n\ndef largest(values):\n    best = values[0]\n{}    return max(best, *values)"
    assert faulty.source == "def mean(values):\n    return sum(values) / 3" + rest.format("    best = 0\n")
    assert faulty.metadata == {"exercise": "1.3"} and check.metadata == {"tags": ["raises-exception"]}
    mended, check = builder.build(source, solved=True).cells
    assert mended.source == "def mean(values):\n    count = len(values)\n    return sum(values) / count" + rest.format("")
    assert check.metadata == {}


BROKEN = {"no end": EXERCISE.replace("    ### END SOLUTION\n", ""), "no begin": EXERCISE.replace("    ### BEGIN SOLUTION\n", ""),
          "misspelled": EXERCISE.replace("BEGIN SOLUTION", "BEGIN  SOLUTION"),
          "in a text cell": EXERCISE.replace("# %% exercise", "# %% [markdown] exercise"),
          "no exercise": EXERCISE.replace(' exercise="1.2"', ""),
          "no end of faulty lines": MENDING.replace("    ### END FAULTY\n", "", 1),
          "no begin of faulty lines": MENDING.replace("    ### BEGIN FAULTY\n", "", 1),
          "faulty lines in the solution": MENDING.replace("    ### END FAULTY\n    ### BEGIN", "    ### BEGIN").replace(
              "    ### END SOLUTION\n", "    ### END SOLUTION\n    ### END FAULTY\n"),
          "faulty lines in no exercise": MENDING.replace(' exercise="1.3"', "")}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("solved", [False, True])
def test_a_marker_that_would_leak_a_solution_stops_the_build(tmp_path, broken, solved):
    (tmp_path / "one.py").write_text(broken)
    with pytest.raises(SystemExit, match="SOLUTION or FAULTY marker"):
        builder.build(tmp_path / "one.py", solved=solved)


# --- the notebooks that are there ------------------------------------------------------------------------------------

SOURCES = sorted(builder.SOURCES.glob("*.py"))
LESSONS = [source for source in SOURCES if source.stem[:2].isdigit()]
each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: f"{path.parent.name}/{path.name}")
each_source = pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
each_lesson = pytest.mark.parametrize("source", LESSONS, ids=lambda source: source.stem)


def code_of(notebook):
    """The sources of a notebook's code cells."""
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


def words_of(text):
    """How many words one reads: a formula counts as one, markup, tables and web addresses as none."""
    text = re.sub(r"\$\$.*?\$\$|\$[^$]+\$", " formula ", text, flags=re.DOTALL)
    text = re.sub(r"</?\w+>|\]\([^)]*\)", " ", text)
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("|")]         # tables are looked up, not read
    return len(re.findall(r"\w[\w.,:’'/×-]*", "\n".join(lines)))


@each_notebook
def test_notebook_is_small_and_executed(path):
    assert path.stat().st_size < 0.8e6
    notebook = json.loads(path.read_text())
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code" and "".join(cell["source"]).strip()]
    assert [cell["id"] for cell in code if cell["execution_count"] is None] == []       # nbval would not compare those
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"


@each_notebook
def test_notebook_is_what_its_source_says(path):
    source = builder.SOURCES / f"{path.stem}.py"
    assert source.exists(), f"{path.name} has no source; notebooks are edited in notebooks/source only"
    saved = json.loads(path.read_text())["cells"]
    built = builder.build(source, solved=path.parent.name == "solutions").cells
    assert [(cell["cell_type"], "".join(cell["source"]), cell["metadata"].get("tags")) for cell in saved] == \
        [(cell.cell_type, cell.source, cell.metadata.get("tags")) for cell in built], "run `make notebooks`"


@each_source
def test_every_source_has_its_notebooks(source):
    wanted = {builder.NOTEBOOKS / f"{source.stem}.ipynb"}
    if builder.exercises(builder.build(source)):
        wanted.add(builder.NOTEBOOKS / "solutions" / f"{source.stem}.ipynb")
    assert wanted <= set(NOTEBOOKS), "run `make notebooks`"


@each_source
def test_no_solution_is_in_what_learners_open(source):
    hidden = [line.strip() for match in builder.SOLUTION.finditer(source.read_text()) for line in match[2].splitlines()]
    learners = builder.build(source)
    trivial = re.compile(r"(return|else:|try:|pass|)\s*\w*")                       # a line that gives nothing away
    for cell in learners.cells:
        if "exercise" in cell.metadata:
            shown = {line.strip() for line in cell.source.splitlines()}
            assert [line for line in hidden if line in shown and not trivial.fullmatch(line)] == []
        assert "SOLUTION" not in cell.source and "FAULTY" not in cell.source


@each_source
def test_no_faulty_line_is_left_in_what_is_solved(source):
    planted = [line.strip() for match in builder.FAULTY.finditer(source.read_text()) for line in match[2].splitlines()]
    for cell in builder.build(source, solved=True).cells:
        if "exercise" in cell.metadata:
            shown = {line.strip() for line in cell.source.splitlines()}
            assert [line for line in planted if line in shown] == []
        assert "SOLUTION" not in cell.source and "FAULTY" not in cell.source


@each_notebook
def test_checks_refuse_what_learners_open_and_accept_the_solution(path):
    checked = [cell for cell in json.loads(path.read_text())["cells"] if "".join(cell["source"]).startswith("check_")]
    raised = [output["ename"] for cell in checked for output in cell["outputs"] if output["output_type"] == "error"]
    assert len(raised) == (0 if path.parent.name == "solutions" else len(checked))
    assert set(raised) <= {"NotWritten", "Wrong"}


@each_lesson
def test_exercises_have_stub_check_and_folds(source):
    learners, solved = builder.build(source), builder.build(source, solved=True)
    numbers = builder.exercises(learners)
    assert len(numbers) >= 3 and len(set(numbers)) == len(numbers)
    for number in numbers:
        at = next(i for i, cell in enumerate(learners.cells) if cell.metadata.get("exercise") == number)
        task, stub, check, folds = learners.cells[at - 1:at + 3]
        assert task.cell_type == "markdown" and f"Exercise {number}" in task.source
        assert re.search(r"[●○]{3} · \d+ minutes", task.source), "how hard, how long"
        solution = next(cell.source for cell in solved.cells if cell.metadata.get("exercise") == number)
        faulty = stub.source != solution and "NotImplementedError" not in stub.source           # code to be mended instead
        assert faulty or f'raise NotImplementedError("Exercise {number}: write ' in stub.source
        called = re.match(r"check_\w+", check.source)
        assert called and getattr(checks, called[0]).exercise == number
        assert check.metadata["tags"] == ["raises-exception"]
        assert folds.source.count("<details>") == 3 and folds.source.count("</details>") == 3
        for summary in ("Hint", "Second hint", "Help, I get …"):
            assert f"<summary>{summary}</summary>" in folds.source
    assert not any("raises-exception" in cell.metadata.get("tags", []) for cell in solved.cells if cell.source.startswith("check_"))


@each_lesson
def test_lesson_is_cut_into_small_cells(source):
    for solved in (False, True):
        notebook = builder.build(source, solved)
        notebook.cells = [cell for cell in notebook.cells if cell.id != "colab"]                 # the set-up for Colab teaches nothing
        lengths = {cell.id: len([line for line in cell.source.splitlines() if line.strip()])
                   for cell in notebook.cells if cell.cell_type == "code"}
        assert {name: length for name, length in lengths.items() if length > 20} == {}
        assert statistics.median(lengths.values()) <= 6
        long = [line for text in code_of(notebook) for line in text.splitlines() if len(line) > 100]
        assert long == [], "a page shows about 100 characters; the rest is cut off"
        texts = {cell.id: words_of(cell.source) for cell in notebook.cells if cell.cell_type == "markdown"}
        assert {name: count for name, count in texts.items() if count > 80} == {}
        assert 22 <= len(notebook.cells) <= 42


@each_lesson
def test_lesson_has_its_anatomy(source):
    text = source.read_text()
    for heading in ("Predict first", "Break it", "What to remember", "Before you go"):
        assert re.search(rf"^# ##+ {heading}", text, re.MULTILINE), f"no section {heading!r}"
    first = text.split("# %%")[1]
    assert re.search(r"\d+ minutes", first) and "After this you can" in first
    assert not re.search(r"^[^#\n].*;\s*$", text, re.MULTILINE), "close a figure with plt.show(), not with a semicolon"
    assert "import *" not in text


@each_lesson
def test_few_cells_are_not_compared(source):
    ignored = [cell.id for cell in builder.build(source).cells if "nbval-ignore-output" in cell.metadata.get("tags", [])]
    assert len(ignored) <= 2, "print a rounded figure or a comparison instead"


# --- what a lesson writes out in full is what the package does -------------------------------------------------------

TAUGHT = {"01": ["denormalize", "normalize"], "03": ["gram_matrix"], "04": ["content_loss", "style_loss", "tv_loss"],
          "07": ["combinations", "covariance", "mean_and_deviation", "sliced_wasserstein", "sorted_projections"],
          "08": ["instance_norm"], "09": ["adain", "attend", "attention_weights", "moments"], "10": ["cut"], "11": ["own_places", "warp"], "12": ["conv_cost", "separable_conv"], "13": ["guide", "guided_gram"],
          "14": ["contrast", "smoothed", "spherical_kmeans", "zca"],
          "15": ["text_distance"]}


def bare(function):
    """A function's syntax tree without docstring, argument checks (`if …: raise`), annotations and decorators."""
    function = ast.parse(ast.unparse(function)).body[0]
    function.decorator_list, function.returns = [], None
    for argument in ast.walk(function.args):
        if isinstance(argument, ast.arg):
            argument.annotation = None
    documented = ast.get_docstring(function) is not None
    function.body = [node for number, node in enumerate(function.body)
                     if not (documented and number == 0) and not _is_check(node)]
    return ast.dump(function)


def _is_check(node):
    return isinstance(node, ast.If) and not node.orelse and all(isinstance(line, ast.Raise) for line in node.body)


def defined(text):
    """{name: syntax tree} of all functions and methods in a text; of several with one name, the last."""
    return {node.name: node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("lesson, name", [(lesson, name) for lesson, names in TAUGHT.items() for name in names])
def test_what_is_taught_is_what_the_package_does(lesson, name):
    source, = [source for source in LESSONS if source.stem.startswith(lesson)]
    mine = defined("\n".join(code_of(builder.build(source, solved=True))))[name]
    theirs = [defined(path.read_text()).get(name) for path in sorted(Path(nst_lessons.__file__).parent.rglob("*.py"))
              if "checks" not in path.parts and "explorers" not in path.parts]
    theirs, = [one for one in theirs if one is not None]
    assert bare(mine) == bare(theirs)


def test_the_comparison_of_syntax_trees_sees_a_difference():
    one, other, third = (ast.parse(text).body[0] for text in (
        "def f(x: int) -> int:\n    '''Doc.'''\n    if x < 0:\n        raise ValueError('no')\n    return x + 1",
        "def f(x):\n    return x + 1", "def f(x):\n    return x + 2"))
    assert bare(one) == bare(other) != bare(third)
