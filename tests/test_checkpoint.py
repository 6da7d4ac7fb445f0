"""Checkpoints: what was written comes back, or an error that says so; and the old file is whole until the new one is."""
import json
import math

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from nst_lessons import checkpoint
from nst_lessons.checkpoint import CheckpointError, load_checkpoint, save_checkpoint


def same(one, other):
    """Equal in structure, types and values; tensors in dtype and shape as well; NaN equals NaN."""
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and one.dtype == other.dtype and one.shape == other.shape and \
            torch.equal(one.detach().cpu().double().nan_to_num(7), other.double().nan_to_num(7))
    if isinstance(one, dict):
        return isinstance(other, dict) and list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return isinstance(other, list) and len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and (one == other or one != one and other != other)


def there_and_back(tree, path):
    save_checkpoint(tree, path)
    return load_checkpoint(path)


BASE = torch.arange(24.0).view(2, 3, 4)
TREES = {
    "nothing": {},
    "no tensors": {"a": 1, "b": [True, False, None, "ünï·çødé \" \n", -0.1, 1e-300, math.inf, math.nan, 2**80]},
    "only a tensor": BASE,
    "only a number": 5,
    "empty things": {"list": [], "dict": {}, "lists": [[], [[]]], "tensor": torch.zeros(0, 3), "text": ""},
    "keys": {0: BASE, "0": -BASE, -7: {1: {2: [BASE]}}, "": 1},
    "names that we use ourselves": {"__tensor__": "0", "pairs": [[1, 2]], "x": {"__tensor__": BASE}, "tree": {"pairs": "pairs"}},
    "types": {str(dtype): torch.tensor([0, 1, 3, 100]).to(dtype) for dtype in (
        torch.float32, torch.float64, torch.float16, torch.bfloat16,
        torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool)},
    "extremes": torch.tensor([math.nan, math.inf, -math.inf, 1e-45, 0.1, -0.0]),
    "0-d": [torch.tensor(0.1, dtype=torch.float64), torch.tensor(2**60), torch.tensor(True)],
    "shared memory": {"whole": BASE, "again": BASE, "part": BASE[1:], "flat": BASE.view(-1)[3:9]},
    "strides": [BASE.transpose(0, 2), BASE[:, ::2], BASE[:1].expand(5, 3, 4),
                torch.rand(1, 3, 4, 5).to(memory_format=torch.channels_last)],
    "gradients": BASE.clone().requires_grad_() * 2,
    "a tuple comes back as a list": {"betas": (0.9, 0.99)},
}


@pytest.mark.parametrize("tree", TREES.values(), ids=TREES)
def test_a_tree_comes_back(tree, tmp_path):
    back = there_and_back(tree, tmp_path / "x.checkpoint")
    assert same(tree, back), f"{tree} came back as {back}"
    assert [path.name for path in tmp_path.iterdir()] == ["x.checkpoint"]


@pytest.mark.parametrize("make", [lambda p: torch.optim.LBFGS([p], max_iter=2, line_search_fn="strong_wolfe"),
                                  lambda p: torch.optim.Adam([p])], ids=["lbfgs", "adam"])
def test_an_optimizer_comes_back(make, tmp_path):
    weights = torch.rand(7, generator=torch.Generator().manual_seed(0)).requires_grad_()
    optimizer = make(weights)

    def closure():
        optimizer.zero_grad()
        loss = (weights.exp() - weights).pow(2).sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    before, tree = weights.detach().clone(), there_and_back(optimizer.state_dict(), tmp_path / "x")
    optimizer.step(closure)
    expected = weights.detach().clone()
    with torch.no_grad():
        weights.copy_(before)
    optimizer = make(weights)
    optimizer.load_state_dict(tree)
    optimizer.step(closure)
    assert torch.equal(weights, expected) and not torch.equal(before, expected)


def test_it_comes_back_by_a_name_of_either_kind_and_the_new_one_takes_the_old_ones_place(tmp_path):
    path = tmp_path / "x"
    first = there_and_back({"a": BASE}, str(path))
    second = there_and_back({"a": -BASE}, path)
    assert same({"a": BASE}, first) and same({"a": -BASE}, second)         # the first did not lie in the file that was replaced


# --- damaged files ----------------------------------------------------------------------------------------------------

def test_a_file_cut_anywhere_is_refused(tmp_path):
    path, cut = tmp_path / "whole", tmp_path / "cut"
    save_checkpoint({"picture": torch.rand(3, 20, 20), "list": [torch.rand(5), None], 0: 1}, path)
    data = path.read_bytes()
    header = int.from_bytes(data[:8], "little") + 8
    for end in [*range(0, 12), *range(12, header + 40, 7), *range(header, len(data), 211), len(data) - 1]:
        cut.write_bytes(data[:end])
        with pytest.raises(CheckpointError, match="^cut is not a whole checkpoint; delete it"):
            load_checkpoint(cut)


def test_no_changed_byte_of_the_header_is_worse_than_refused(tmp_path):
    path = tmp_path / "x"
    save_checkpoint({"picture": torch.rand(2, 3), "list": [torch.rand(5), None], 0: 1}, path)
    data, refused = path.read_bytes(), 0
    for place in range(int.from_bytes(data[:8], "little") + 8):
        for flip in (1, 0x20, 0x80):
            path.write_bytes(data[:place] + bytes([data[place] ^ flip]) + data[place + 1:])
            try:
                load_checkpoint(path)
            except CheckpointError:
                refused += 1
    assert refused > 200


@pytest.mark.parametrize("write", [
    lambda path: path.write_bytes(b""),
    lambda path: path.write_text("a poem"),
    lambda path: path.mkdir(),
    lambda path: save_file({"a": BASE}, path),                             # somebody else's safetensors
    *(lambda path, tree=tree: save_file({"0": BASE}, path, metadata={"tree": tree})
      for tree in ("", "{", '{"other": 1}', '{"pairs": 3}', '{"pairs": [3]}', '{"pairs": [[1, 2, 3]]}', '{"pairs": [[[], 1]]}',
                   '{"__tensor__": "9"}', '{"__tensor__": 9}', '{"__tensor__": []}')),
])
def test_what_is_no_checkpoint_is_refused(write, tmp_path):
    write(tmp_path / "x")
    with pytest.raises(CheckpointError, match="^x is not a whole checkpoint; delete it"):
        load_checkpoint(tmp_path / "x")


def test_what_is_not_there_is_said_to_be_not_there(tmp_path):
    with pytest.raises(CheckpointError, match="no checkpoint '.*x'"):
        load_checkpoint(tmp_path / "x")


# --- failing writes ---------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("error", [
    OSError(28, "No space left on device"), SafetensorError("I/O error"), KeyboardInterrupt(),
])
def test_a_failed_write_leaves_the_old_file_and_nothing_else(error, tmp_path, monkeypatch):
    def half_a_file(tensors, path, metadata):
        path.write_bytes(b"half")
        raise error

    path = tmp_path / "x"
    save_checkpoint({"a": BASE}, path)
    monkeypatch.setattr(checkpoint, "save_file", half_a_file)
    with pytest.raises((CheckpointError, KeyboardInterrupt)) as caught:
        save_checkpoint({"a": -BASE}, path)
    assert caught.type is KeyboardInterrupt or "cannot write the checkpoint x" in str(caught.value)
    assert same({"a": BASE}, load_checkpoint(path)) and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["fsync", "replace"])
def test_so_does_a_disk_that_fails_at_the_end(name, tmp_path, monkeypatch):
    def fail(*arguments):
        raise OSError(5, "Input/output error")

    path = tmp_path / "x"
    save_checkpoint({"a": BASE}, path)
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint.os, name, fail)
        with pytest.raises(CheckpointError, match="cannot write the checkpoint x .*Input/output error"):
            save_checkpoint({"a": -BASE}, path)
    assert same({"a": BASE}, load_checkpoint(path)) and list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(CheckpointError, match="cannot write the checkpoint x"):
        save_checkpoint({"a": BASE}, tmp_path / "nowhere" / "x")


@pytest.mark.parametrize("tree", [{"a": object()}, {"a": {1, 2}}, [torch.float32], {"a": 1j}])
def test_what_json_cannot_hold_is_refused_before_anything_is_written(tree, tmp_path):
    path = tmp_path / "x"
    save_checkpoint({"a": BASE}, path)
    with pytest.raises(TypeError):
        save_checkpoint(tree, path)
    assert same({"a": BASE}, load_checkpoint(path)) and list(tmp_path.iterdir()) == [path]


def test_nothing_in_the_file_can_run_code(tmp_path):
    save_checkpoint({"a": BASE}, tmp_path / "x")
    data = (tmp_path / "x").read_bytes()
    header = json.loads(data[8:8 + int.from_bytes(data[:8], "little")])    # plain JSON, then plain numbers: no pickle
    assert json.loads(header["__metadata__"]["tree"]) == {"pairs": [["a", {"__tensor__": "0"}]]}
    assert data.endswith(BASE.numpy().tobytes())
