"""The course elsewhere: links to Colab and Binder, which appear once the project has a public address, and the environment that they get."""
import ast
import importlib.util
import re
import sys
import types
from pathlib import Path

import nbformat
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
ADDRESS = "https://github.com/somebody/some-course"                              # made up
LESSON, PLAYGROUND = ROOT / "notebooks/source/03_gram_matrices.py", ROOT / "notebooks/source/playground.py"

spec = importlib.util.spec_from_file_location("tools_notebooks_for_the_cloud", ROOT / "tools/notebooks.py")
builder = importlib.util.module_from_spec(spec)
spec.loader.exec_module(builder)


@pytest.fixture
def published(monkeypatch):
    """The builder of a course that stands at ADDRESS."""
    monkeypatch.setattr(builder, "REPOSITORY", ADDRESS)


def plain(source, solved=False):
    """What is built while there is no address."""
    before, builder.REPOSITORY = builder.REPOSITORY, None
    try:
        return builder.build(source, solved)
    finally:
        builder.REPOSITORY = before


def test_without_an_address_nothing_points_anywhere():
    for source in (LESSON, PLAYGROUND):
        text = nbformat.writes(plain(source))
        assert "colab" not in text and "mybinder" not in text


def test_links_lead_to_the_very_notebook(published):
    for source, solved, path in ((LESSON, False, "notebooks/03_gram_matrices.ipynb"), (PLAYGROUND, False, "notebooks/playground.ipynb"),
                                 (LESSON, True, "notebooks/solutions/03_gram_matrices.ipynb")):
        assert (ROOT / path).exists()
        first = builder.build(source, solved).cells[0]
        assert re.findall(r"\[(\w+)\]\((https:[^)]*)\)", first.source) == [
            ("Colab", f"https://colab.research.google.com/github/somebody/some-course/blob/main/{path}"),
            ("Binder", f"https://mybinder.org/v2/gh/somebody/some-course/main?urlpath=lab/tree/{path}")]
        assert "![" not in first.source                                                     # no picture from another host


@pytest.mark.parametrize("address, good", [(f"{ADDRESS}.git", True), (f"{ADDRESS}/", True), ("https://example.org/course", False)])
def test_the_address_may_be_written_in_two_ways_and_no_third(monkeypatch, address, good):
    monkeypatch.setattr(builder, "REPOSITORY", address)
    if good:
        assert "/gh/somebody/some-course/main?" in builder.build(PLAYGROUND).cells[0].source
    else:
        with pytest.raises(SystemExit, match="want https://github.com/OWNER/NAME"):
            builder.build(PLAYGROUND)


@pytest.mark.parametrize("source", sorted(builder.SOURCES.glob("*.py")), ids=lambda source: source.stem)
def test_all_else_stays_as_it_is(published, source):
    """One cell more, below the title, and its line; it fits on a page, and the title is no longer than tests/test_notebooks.py allows."""
    with_links, without = builder.build(source).cells, plain(source).cells
    assert [cell.id for cell in with_links] == [without[0].id, "colab", *[cell.id for cell in without[1:]]]
    assert [cell.source for cell in with_links[2:]] == [cell.source for cell in without[1:]]
    title, setup = with_links[:2]
    words = re.sub(r"\]\([^)]*\)", " ", title.source)
    assert title.source.startswith(without[0].source) and len(re.findall(r"\w[\w.,:’'/×-]*", words)) <= 80
    assert ast.parse(setup.source) and [line for line in setup.source.splitlines() if len(line) > 100] == []


def test_the_first_cell_installs_on_colab_and_nowhere_else(published, monkeypatch):
    code = builder.build(LESSON).cells[1].source
    exec(code, {})                                                                          # here get_ipython does not exist, and is not asked
    done = []
    output = types.SimpleNamespace(enable_custom_widget_manager=lambda: done.append("widgets"))
    monkeypatch.setitem(sys.modules, "google", types.ModuleType("google"))
    monkeypatch.setitem(sys.modules, "google.colab", types.SimpleNamespace(output=output))
    shell = types.SimpleNamespace(run_line_magic=lambda name, line: done.append((name, line)))
    exec(code, {"get_ipython": lambda: shell})
    assert done == [("pip", f"install -q 'nst_lessons[lab] @ git+{ADDRESS}'"), "widgets"]


def test_binder_builds_the_projects_own_environment():
    """repo2docker takes environment.yml from the root, unless a folder binder/ or .binder/, a Dockerfile or the like stands before it."""
    assert [name for name in ("binder", ".binder", "Dockerfile", "requirements.txt", "runtime.txt") if (ROOT / name).exists()] == []
    listed = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    assert {"pip": ["-e ."]} in listed and any(str(item).startswith("jupyterlab") for item in listed)
