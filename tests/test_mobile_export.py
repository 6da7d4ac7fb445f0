"""Lesson 12's files for phones: they paint what the network paints, in another process, at sizes that the export never saw."""
import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from nst_lessons import load_image
from nst_lessons.fast import FastNetwork
from nst_lessons.mobile import export as exporting
from nst_lessons.mobile import play
from nst_lessons.mobile.export import ExportError, compare, export, run_elsewhere, trimmed
from nst_lessons.mobile.quantize import quantize_onnx
from test_mobile import small_student

SIZES = ((32, 48), (72, 20))


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """A small student in ONNX."""
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    return export(small_student(), tmp_path_factory.mktemp("onnx") / "small.onnx")


def test_onnx_paints_the_same_at_two_sizes(file):
    far = compare(small_student(), file, SIZES)
    assert set(far) == set(SIZES) and max(far.values()) < 1e-4
    assert max(compare(small_student(seed=1), file, SIZES).values()) > 1e-2      # another network is told from it


def test_the_file_says_what_it_is(file):
    import onnx
    model = onnx.load(str(file))
    shapes = {one.name: [side.dim_param or side.dim_value for side in one.type.tensor_type.shape.dim]
              for one in [*model.graph.input, *model.graph.output]}
    assert set(shapes) == {"photo", "weights", "painting"} and shapes["weights"] == [1, 2]
    assert [isinstance(side, str) for side in shapes["photo"]] == [False, False, True, True]     # height and width are free
    assert json.loads({one.key: one.value for one in model.metadata_props}["styles"]) == ["one", "two"]
    assert b"site-packages" not in file.read_bytes() and b".py" not in file.read_bytes()         # no traces of this machine
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_the_other_process_needs_nothing_of_ours(file, tmp_path):
    program = ("import sys, runpy; sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__');"
               "assert not {'torch', 'nst_lessons'} & set(sys.modules)")
    np.savez(tmp_path / "in.npz", photo0=np.random.rand(1, 3, 16, 16).astype(np.float32), weights=np.array([[1, 0]], np.float32))
    done = subprocess.run([sys.executable, "-c", program, play.__file__, str(file), str(tmp_path / "in.npz"), str(tmp_path / "out.npz")],
                          cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert np.load(tmp_path / "out.npz")["painting0"].shape == (1, 3, 16, 16)


def test_the_network_is_as_before(tmp_path, file):
    net = small_student().to(memory_format=torch.channels_last)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    export(net, tmp_path / "again.onnx")
    assert net.out.weight.is_contiguous(memory_format=torch.channels_last) and not net.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())


def test_lesson_08s_networks_can_be_exported_too(tmp_path, file):
    torch.manual_seed(0)
    net = FastNetwork(["a", "b", "c"], widths=(4, 4, 8), blocks=1).eval().requires_grad_(False)
    assert max(compare(net, export(net, tmp_path / "fast.onnx"), SIZES).values()) < 1e-4


def test_a_file_that_does_not_run_is_told(tmp_path, file):
    (tmp_path / "broken.onnx").write_bytes(b"nonsense")
    with pytest.raises(ExportError, match="broken.onnx does not run in a process of its own: "):
        run_elsewhere(tmp_path / "broken.onnx", {"photo0": np.zeros((1, 3, 8, 8), np.float32), "weights": np.zeros((1, 2), np.float32)})


def test_unknown_formats_and_missing_packages_are_told(tmp_path, monkeypatch):
    with pytest.raises(ExportError, match="unknown format 'tflite'; choose onnx or executorch"):
        export(small_student(), tmp_path / "x", "tflite")
    monkeypatch.setattr(exporting.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ExportError, match=r'needs onnx, onnxscript, onnxruntime: pip install "nst_lessons\[mobile\]"$'):
        export(small_student(), tmp_path / "x.onnx")
    with pytest.raises(ExportError, match=r'needs executorch: pip install "nst_lessons\[executorch\]", or "make phone"; where .* --format onnx'):
        export(small_student(), tmp_path / "x.pte", "executorch")
    assert list(tmp_path.iterdir()) == []


def test_an_executorch_for_another_torch_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "available", lambda format: None)
    monkeypatch.setitem(sys.modules, "executorch.backends.xnnpack.partition.xnnpack_partitioner", None)      # importing it fails
    monkeypatch.setattr(exporting, "_captured", lambda *_: None)
    with pytest.raises(ExportError, match=r"does not work with torch .*; --format onnx does$"):
        export(small_student(), tmp_path / "x.pte", "executorch")
    assert list(tmp_path.iterdir()) == []


def test_trimmed_sides_are_multiples_of_four():
    photo = torch.rand(1, 3, 43, 30)
    assert torch.equal(trimmed(photo), photo[..., :40, :28]) and trimmed(photo).is_contiguous()


def test_int8_is_smaller_and_near(file, tmp_path):
    import onnx
    photos = [load_image("coffee", size=48), load_image("cat", size=48)]
    small = quantize_onnx(file, tmp_path / "int8.onnx", photos, ["one", "two"])
    kinds = {one.data_type for one in onnx.load(str(small)).graph.initializer if len(one.dims) == 4}
    assert onnx.TensorProto.INT8 in kinds
    given = {"photo0": trimmed(photos[1]).numpy(), "weights": np.array([[1, 0]], np.float32)}
    plain, rough = (run_elsewhere(one, given)["painting0"] for one in (file, small))
    assert 0 < np.abs(plain - rough).mean() < 0.05
    assert [path.name for path in tmp_path.iterdir()] == ["int8.onnx"]


def test_executorch_paints_the_same_at_two_sizes(tmp_path):
    pytest.importorskip("executorch")
    torch.manual_seed(0)
    from nst_lessons.mobile import MobileNetwork
    net = MobileNetwork(["one", "two"], widths=(8, 8, 8), kernels=(3,), expand=1).eval().requires_grad_(False)
    path = export(net, tmp_path / "small.pte", "executorch", largest=96)
    far = compare(net, path, SIZES)
    assert max(far.values()) < 5e-4


# --- the benchmark ---------------------------------------------------------------------------------------------------

def test_the_benchmark_times_in_turns():
    from benchmarks.mobile import milliseconds
    turns = []
    found = milliseconds([lambda photo: turns.append(("a", tuple(photo.shape))), lambda photo: turns.append(("b", tuple(photo.shape)))], 16, 3)
    assert turns == [("a", (1, 3, 16, 16)), ("b", (1, 3, 16, 16))] * 6 and all(0 < ms < 1000 for ms in found)


def test_a_network_beside_itself_is_as_good(monkeypatch, capsys):
    from benchmarks import mobile
    net = FastNetwork(["starry"], widths=(4, 4, 4), blocks=1).eval().requires_grad_(False)
    monkeypatch.setattr(mobile, "SHARED", mobile.pathlib.Path(__file__).parent)                  # no judge.py here
    mobile.compare_styles(net, net, ["cat"])
    line, = capsys.readouterr().out.splitlines()
    assert line.startswith("style error, student : teacher, by tiny = 1.00   (at most 1.25; starry ")


def test_both_files_paint_for_the_benchmark(tmp_path, file):
    from benchmarks.mobile import files
    net = small_student()
    made = files(net, tmp_path, [load_image("coffee", size=32)])
    photo = torch.rand(1, 3, 24, 32)
    assert list(made) == ["onnx", "int8"]
    assert np.abs(made["onnx"][1](photo) - net(photo, "one").numpy()).max() < 1e-4
    assert made["int8"][1](photo).shape == (1, 3, 24, 32)
