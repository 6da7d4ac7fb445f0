"""`nst-lessons export`: a file that was tried in another process before it is kept, and one line for whatever is wrong."""
from pathlib import Path

import pytest
import torch

from nst_lessons import cli
from nst_lessons.fast import FastNetwork, save_fast
from nst_lessons.mobile import export as exporting
from nst_lessons.mobile import save_mobile
from nst_lessons.mobile.export import compare
from test_mobile import small_student


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_mobile(small_student(), "net.safetensors")
    return tmp_path


def listing():
    return sorted(str(path) for path in Path().rglob("*"))


def needs_onnx():
    for name in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(name)


def test_an_onnx_file_is_written_and_tried(capsys):
    needs_onnx()
    assert cli.main(["export", "net.safetensors", "-o", "out.onnx"]) == 0
    out, err = capsys.readouterr()
    first, second = out.splitlines()
    assert first.startswith("out.onnx: ") and first.endswith(" kB, weights for 2 styles: one, two")
    assert second.startswith("run in a process of its own, largest difference from torch ") and "px (at most 0.0001)" in second
    assert err == "" and listing() == ["net.safetensors", "out.onnx"]
    from nst_lessons.mobile import load_mobile
    assert max(compare(load_mobile("net.safetensors", "cpu"), "out.onnx").values()) < 1e-4


def test_int8_is_smaller_and_said_to_be_inexact(capsys):
    needs_onnx()
    torch.manual_seed(0)
    save_fast(FastNetwork(["one"], widths=(8, 16, 32), blocks=1), "fast.safetensors")      # also lesson 08's networks
    assert cli.main(["export", "fast.safetensors"]) == 0
    assert cli.main(["export", "fast.safetensors", "--int8", "-o", "small.onnx"]) == 0
    assert "(int8 is not exact)" in capsys.readouterr().out
    assert Path("small.onnx").stat().st_size < 0.7 * Path("fast.onnx").stat().st_size      # the first one's name is the model's
    assert listing() == ["fast.onnx", "fast.safetensors", "net.safetensors", "small.onnx"]


def test_a_file_that_paints_something_else_is_not_kept(capsys, monkeypatch):
    needs_onnx()
    Path("out.onnx").write_text("the old one")
    monkeypatch.setattr(exporting, "compare", lambda net, path: {(96, 128): 0.25})
    assert cli.main(["export", "net.safetensors", "-o", "out.onnx"]) == 2
    out, err = capsys.readouterr()
    assert out == "" and "paints something else: 0.2 at 96×128 px; at most 0.0001 was expected. It was not kept" in err
    assert Path("out.onnx").read_text() == "the old one" and listing() == ["net.safetensors", "out.onnx"]


WRONG = {
    "there is no network 'nothing'; give mobile, fast, steady, or a file": ["nothing"],
    "the name must end in .onnx": ["net.safetensors", "-o", "out.pte"],
    "the name must end in .pte": ["net.safetensors", "--format", "executorch", "-o", "out.onnx"],
    "there is no folder 'nowhere'": ["net.safetensors", "-o", "nowhere/out.onnx"],
    "--int8 is for --format onnx": ["net.safetensors", "--format", "executorch", "--int8"],
    "give a multiple of 4 from 32 to 4096": ["net.safetensors", "--format", "executorch", "--largest", "30"],
}


@pytest.mark.parametrize("says", WRONG)
def test_bad_input_gets_one_line(says, capsys):
    before = listing()
    assert cli.main(["export", *WRONG[says]]) == 2
    out, err = capsys.readouterr()
    assert out == "" and says in err and err.startswith("nst-lessons: ") and err.count("\n") == 1
    assert listing() == before


def test_without_executorch_one_line_says_what_to_install(capsys, monkeypatch):
    real = exporting.importlib.util.find_spec
    monkeypatch.setattr(exporting.importlib.util, "find_spec", lambda name: None if name == "executorch" else real(name))
    assert cli.main(["export", "net.safetensors", "--format", "executorch"]) == 2
    out, err = capsys.readouterr()
    assert out == "" and 'pip install "nst_lessons[executorch]", or "make phone"' in err and err.count("\n") == 1
    assert listing() == ["net.safetensors"]
