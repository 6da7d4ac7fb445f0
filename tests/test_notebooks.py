"""Notebooks: built from their source, executed, small. (That they run is tested by nbval: `make test`.)"""
import importlib.util
import json
from pathlib import Path

import pytest
from nbclient.exceptions import CellExecutionError

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


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_notebook_is_small_and_executed(path):
    assert path.stat().st_size < 0.8e6
    notebook = json.loads(path.read_text())
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code" and "".join(cell["source"]).strip()]
    assert [cell["id"] for cell in code if cell["execution_count"] is None] == []       # nbval would not compare those
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_notebook_is_what_its_source_says(path):
    source = builder.SOURCES / f"{path.stem}.py"
    assert source.exists(), f"{path.name} has no source; notebooks are edited in notebooks/source only"
    saved = json.loads(path.read_text())["cells"]
    built = builder.build(source).cells
    assert [(cell["cell_type"], "".join(cell["source"]), cell["metadata"].get("tags")) for cell in saved] == \
        [(cell.cell_type, cell.source, cell.metadata.get("tags")) for cell in built], "run `make notebooks`"


def test_every_source_has_its_notebook():
    sources = {path.stem for path in (ROOT / "notebooks" / "source").glob("*.py")}
    assert sources <= {path.stem for path in NOTEBOOKS}, "run `make notebooks`"
