"""The rules of the house: imports point one way, modules stay short, nothing heavy or private is tracked by git."""
import ast
import graphlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "nst_lessons"
FILES = sorted(PACKAGE.rglob("*.py"))

# Each module's lesson. A lesson may use its own modules and those of lessons with a lower number.
LESSON = {"weights": 0, "checkpoint": 0, "decode": 1, "samples": 1, "images": 1, "paintings": 1, "plots": 1,
          "tiny": 2, "loading": 2, "features": 2, "gram": 3, "losses": 4, "optimize": 5, "statistics": 7, "sweep": 7, "fast": 8, "attention": 9,
          "scale": 10, "video": 11, "mobile": 12, "regions": 13, "selfsup": 14, "words": 15}
FACADE = {"settings", "stylize"}                                         # stylize() and what it is made of
UPSTAIRS = {**{name: (set(LESSON) - {"sweep"}) | FACADE for name in FACADE},
            "sweep": set(LESSON) | FACADE,
            "checks": set(LESSON),
            "explorers": set(LESSON) | FACADE | {"nst_lessons"},
            "lab": {"lab"},                                               # nothing else: it is loaded by path, without torch
            "cli": set(LESSON) | FACADE | {"nst_lessons", "lab"},
            "__main__": {"cli"},                                          # python -m nst_lessons
            "nst_lessons": set(LESSON) | FACADE}                          # __init__.py


def _allowed(module):
    """Names of the modules that `module` may import."""
    return UPSTAIRS.get(module) or {name for name, number in LESSON.items() if number <= LESSON[module]}


def _module(path):
    """nst_lessons/gram.py → "gram"; nst_lessons/paintings/brush.py → "paintings"; __init__.py → "nst_lessons"."""
    if path.name == "__main__.py":                                            # also nst_lessons/scale/__main__.py: a door to the command line
        return "__main__"
    parts = path.relative_to(PACKAGE).parts
    first = parts[-1 if parts[-1] == "__main__.py" else 0].removesuffix(".py")          # python -m, of a package inside too
    return "nst_lessons" if first == "__init__" else first


def _imported(path, tree):
    """Modules of this package that the file imports anywhere; "nst_lessons" for a name taken from the package itself."""
    inside = ["nst_lessons", *path.relative_to(PACKAGE).parent.parts]
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = inside[:len(inside) - node.level + 1] if node.level else []
            found |= {".".join([*base, *filter(None, [node.module]), alias.name]) for alias in node.names}
    names = [name.split(".") for name in found if name.split(".")[0] == "nst_lessons"]
    modules = {_module(file) for file in FILES}
    return {name[1] if len(name) > 1 and name[1] in modules else "nst_lessons" for name in names}


def test_the_import_reader_reads_imports():
    source = "import os\nfrom . import gram, load_image\nfrom ..losses import tv_loss\ndef f():\n    import nst_lessons.optimize"
    here = {module for module in ["gram", "losses", "optimize"] if (PACKAGE / f"{module}.py").exists()}
    assert _imported(PACKAGE / "x.py", ast.parse(source.replace("..", "."))) == here | {"nst_lessons"}
    inner = PACKAGE / "cli" / "x.py"                              # there, one dot is cli itself and two are the package
    assert _imported(inner, ast.parse("from ..losses import tv_loss")) <= {"losses", "nst_lessons"}
    if (PACKAGE / "cli").is_dir():
        assert _imported(inner, ast.parse("from . import gram")) == {"cli"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_one_way(path):
    module = _module(path)
    assert module in LESSON or module in UPSTAIRS, f"give {module} a place in the tables above"
    wrong = _imported(path, ast.parse(path.read_text())) - _allowed(module) - ({module} if path.parent != PACKAGE else set())
    assert not wrong, f"{path.name} may not import {', '.join(sorted(wrong))}"


def test_no_module_imports_itself_in_a_circle():
    graph = {}
    for path in FILES:
        graph.setdefault(_module(path), set()).update(_imported(path, ast.parse(path.read_text())) - {_module(path)})
    graphlib.TopologicalSorter(graph).prepare()                   # raises CycleError, which names the circle


def test_import_is_light():
    heavy = ["jupyter", "jupyter_core", "IPython", "ipywidgets", "matplotlib", "cv2", "onnx", "skimage", "torchvision"]
    program = f"import sys, nst_lessons; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stdout + done.stderr


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_code_is_short_and_says_what_it_does(path):
    text = path.read_text()
    tree = ast.parse(text)
    length = len(text.splitlines())
    assert length <= 300, f"{length} lines: the lesson is trying to teach two things"
    functions = [node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    assert [node.name for node in functions if node.end_lineno - node.lineno >= 60] == []
    public = [node for node in tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_")]
    assert [node.name for node in public if not ast.get_docstring(node)] == []
    assert not text.strip() or ast.get_docstring(tree), "a module begins with a docstring"


# --- what git holds --------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def tracked():
    """Every file that git tracks, or would at the next `git add .`."""
    listed = subprocess.run(["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                            cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    return [path for path in paths if path.is_file()]


def test_the_repository_is_small(tracked):
    """Two budgets: 30 MB for what training produced, 32 MB for all the rest, most of which are the notebooks' pictures."""
    sizes = {path: path.stat().st_size for path in tracked}
    for limit, kind in ((30e6, True), (32e6, False)):
        chosen = {path: size for path, size in sizes.items() if (path.suffix == ".safetensors") == kind}
        largest = sorted(chosen, key=chosen.get)[-3:]
        assert sum(chosen.values()) < limit, f"{sum(chosen.values()) / 1e6:.0f} MB; largest: {[path.name for path in largest]}"


def test_no_file_names_a_folder_of_somebodys_machine(tracked):
    folder = re.compile(rb"(?<![\w.~+=)-])/(home|root|Users|tmp|work)\b(?![+=])")
    texts = [path for path in tracked if b"\0" not in path.read_bytes()]
    found = [f"{path.relative_to(ROOT)}:{number}" for path in texts
             for number, line in enumerate(path.read_bytes().splitlines(), 1) if folder.search(line)]
    assert found == []


def test_no_build_product_is_tracked(tracked):
    products = {".venv", "__pycache__", "runs", ".ipynb_checkpoints"}
    assert [path for path in tracked if products & set(path.relative_to(ROOT).parts)] == []


def test_every_weights_file_has_its_card():
    weights = sorted((PACKAGE / "weights").glob("*.safetensors"))
    cards = [path.with_suffix(".md") for path in weights]
    assert [card.name for card in cards if not card.exists() or len(card.read_text()) < 200] == []
