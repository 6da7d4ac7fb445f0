"""Lesson 02, weights: local files, the torch hub cache, downloads from a folder that plays the server, and what can go wrong."""
import contextlib
import hashlib
import os
import pickle
import shutil
import types
import urllib.error
from pathlib import Path

import pytest
import torch
import torchvision
from safetensors.torch import save_file
from torch import nn

from nst_lessons import Features, loading
from nst_lessons.loading import WeightsError, load_into, read_weights

PRETRAINED = ["vgg16", "vgg19", "resnet50", "squeezenet1_1", "mobilenet_v3_small"]


def _state(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return {"0.weight": torch.randn(4, 3, 3, 3, generator=generator), "0.bias": torch.randn(4, generator=generator)}


def _network():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(inplace=False))


def _message(call, *arguments):
    """The error's text, which is one line."""
    with pytest.raises(WeightsError) as caught:
        call(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- local files ------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name, save", [
    ("w.safetensors", save_file),
    ("w.pth", torch.save),
    ("w.pt", lambda state, path: torch.save({"state_dict": state, "epoch": 3}, path)),
    ("old.pth", lambda state, path: torch.save(state, path, _use_new_zipfile_serialization=False)),     # as vgg19-dcbb9e9d.pth is
])
def test_reads_what_was_written(tmp_path, name, save):
    save(_state(), tmp_path / name)
    for path in (tmp_path / name, str(tmp_path / name)):
        state = read_weights(path)
        assert state.keys() == _state().keys() and all(torch.equal(state[key], tensor) for key, tensor in _state().items())


def test_loads_into_a_network_and_skips_what_it_lacks(tmp_path):
    save_file(_state() | {"classifier.weight": torch.ones(5, 5)}, tmp_path / "w.safetensors")
    for source in (tmp_path / "w.safetensors", str(tmp_path / "w.safetensors"), _state()):
        network = load_into(_network(), source)
        assert torch.equal(network[0].weight, _state()["0.weight"]) and torch.equal(network[0].bias, _state()["0.bias"])


def test_half_precision_weights_become_those_of_the_network(tmp_path):
    half = {name: tensor.half() for name, tensor in _state().items()}
    save_file(half, tmp_path / "w.safetensors")
    network = load_into(_network(), tmp_path / "w.safetensors")
    assert network[0].weight.dtype == torch.float32 and torch.equal(network[0].weight, half["0.weight"].float())


def test_features_take_a_local_file(tmp_path):
    state = Features("random", device="cpu").backbone.state_dict()
    save_file({name: tensor.contiguous() * 0.5 for name, tensor in state.items()}, tmp_path / "mine.safetensors")
    mine = Features("tiny", weights=tmp_path / "mine.safetensors", device="cpu").backbone.state_dict()
    assert all(torch.equal(mine[name], 0.5 * tensor) for name, tensor in state.items())


@pytest.mark.parametrize("dropped", ["num_batches_tracked", "fc."])
def test_a_resnet_loads_without_counters_and_without_classifier(dropped):
    """Older torchvision files lack the counters of batch normalization, self-supervised ones the classifier."""
    model = torchvision.models.resnet50(weights=None)
    state = {name: tensor for name, tensor in model.state_dict().items() if dropped not in name}
    assert len(state) < len(model.state_dict())
    features = Features("resnet50", weights=state, device="cpu")
    assert torch.equal(features.backbone.model.layer4[2].conv3.weight, model.layer4[2].conv3.weight)


def test_a_missing_file_is_named(tmp_path):
    message = _message(read_weights, tmp_path / "absent.pth")
    assert "no weights file" in message and "absent.pth" in message and "give a .safetensors or .pth file" in message
    assert "no weights file" in _message(read_weights, tmp_path)              # a folder
    with pytest.raises(WeightsError, match="no weights file 'absent.pth'"):
        Features("vgg19", weights="absent.pth", device="cpu")
    assert issubclass(WeightsError, ValueError)


def test_the_wrong_networks_weights_are_refused(tmp_path):
    save_file(_state(), tmp_path / "w.safetensors")
    assert "the weights lack '1.weight': they are for another network (2 tensors, first '0." in _message(
        load_into, nn.Sequential(nn.ReLU(), nn.Conv2d(3, 4, 3)), tmp_path / "w.safetensors")
    wider = nn.Sequential(nn.Conv2d(3, 8, 3))
    before = {name: tensor.clone() for name, tensor in wider.state_dict().items()}
    assert "'0.weight' has shape [4, 3, 3, 3] in the weights, this network wants [8, 3, 3, 3]" in _message(
        load_into, wider, tmp_path / "w.safetensors")
    assert all(torch.equal(before[name], tensor) for name, tensor in wider.state_dict().items())
    with pytest.raises(WeightsError, match="the weights lack 'features.0.weight'"):
        Features("vgg16", weights=tmp_path / "w.safetensors", device="cpu")


@pytest.mark.parametrize("modern", [True, False], ids=["zip", "legacy"])
def test_a_truncated_file_is_refused_wherever_it_ends(tmp_path, modern):
    torch.save(_state(), tmp_path / "whole.pth", _use_new_zipfile_serialization=modern)
    raw, part = (tmp_path / "whole.pth").read_bytes(), tmp_path / "part.pth"
    for length in {*range(0, len(raw), len(raw) // 60), 1, 2, 3, 19, 29, len(raw) - 1}:
        part.write_bytes(raw[:length])
        message = _message(read_weights, part)
        cut_name = not modern and "more than plain tensors" in message         # half a class's name is another class
        assert message == "part.pth is damaged or no weights file; download or make it again" or cut_name, length


def test_a_truncated_safetensors_file_is_refused(tmp_path):
    save_file(_state(), tmp_path / "whole.safetensors")
    raw, part = (tmp_path / "whole.safetensors").read_bytes(), tmp_path / "part.safetensors"
    for length in {*range(0, len(raw), 25), len(raw) - 1}:
        part.write_bytes(raw[:length])
        assert "part.safetensors is damaged or no weights file" in _message(read_weights, part), length


@pytest.mark.parametrize("name", ["page.pth", "page.safetensors"])
@pytest.mark.parametrize("raw", [b"<!DOCTYPE html><html>Not found</html>", b"version 1\noid sha256:12", bytes(64)])
def test_a_file_of_something_else_is_refused(tmp_path, name, raw):
    (tmp_path / name).write_bytes(raw)
    assert f"{name} is damaged or no weights file" in _message(read_weights, tmp_path / name)


@pytest.mark.parametrize("content", [{"model": _state(), "epoch": 3}, [torch.ones(2)], torch.ones(2), {}, {"lr": 0.1}])
def test_a_file_without_names_and_tensors_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "w.pth")
    assert "w.pth holds no state_dict (names → tensors); save model.state_dict()" == _message(read_weights, tmp_path / "w.pth")


# --- nothing in a file is run -----------------------------------------------------------------------------------------

class _Trap:
    """Unpickled by the ordinary way, it makes a folder."""

    def __init__(self, folder):
        self.folder = str(folder)

    def __reduce__(self):
        return os.mkdir, (self.folder,)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol 4")
@pytest.mark.parametrize("save", [
    lambda trap, path: torch.save({"0.weight": torch.ones(2), "trap": trap}, path),
    lambda trap, path: torch.save({"trap": trap}, path, _use_new_zipfile_serialization=False),
    lambda trap, path: path.write_bytes(pickle.dumps(trap)),
    lambda trap, path: path.write_bytes(pickle.dumps(trap, protocol=2)),
], ids=["torch", "legacy", "pickle", "pickle2"])
def test_a_pickle_that_would_run_code_does_not(tmp_path, save):
    folder, path = tmp_path / "sprung", tmp_path / "w.pth"
    save(_Trap(folder), path)
    assert "w.pth" in _message(read_weights, path)
    with pytest.raises(WeightsError):
        Features("vgg16", weights=path, device="cpu")
    assert not folder.exists()
    with contextlib.suppress(RuntimeError):                                   # not a file of torch's own, as it finds too late
        torch.load(path, weights_only=False)
    assert folder.exists()                                                    # the trap is a real one


def test_a_whole_model_is_refused_with_advice(tmp_path):
    torch.save(_network(), tmp_path / "model.pth")
    assert "model.pth holds more than plain tensors and was not opened; save its state_dict() instead" == _message(
        read_weights, tmp_path / "model.pth")


# --- torchvision's weights --------------------------------------------------------------------------------------------

@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty torch hub cache; the folder where its files belong."""
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "hub" / "checkpoints"


@pytest.fixture
def offline(monkeypatch):
    """Every download fails as it does without a network; the list of what was tried."""
    tried = []

    def refuse(request, *args, **kwargs):
        tried.append(request.full_url)
        raise urllib.error.URLError(OSError(-3, "Temporary failure in name resolution"))
    monkeypatch.setattr(torch.hub, "urlopen", refuse)
    return tried


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A folder stands in for torchvision's server: squeezenet's weights, their hash in the name as always. Returns the file."""
    torch.manual_seed(3)
    file = tmp_path / "server.pth"
    torch.save(torchvision.models.squeezenet1_1(weights=None).state_dict(), file)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    file = file.rename(tmp_path / f"squeezenet1_1-{digest[:8]}.pth")
    entry = types.SimpleNamespace(url=file.as_uri())
    monkeypatch.setattr(torchvision.models, "get_model_weights", lambda name: {"IMAGENET1K_V1": entry})
    return file


def _loaded_from(file):
    """Whether Features("squeezenet1_1") now holds that file's numbers."""
    expected = torch.load(file, weights_only=True)
    state = Features("squeezenet1_1", device="cpu").backbone.model.state_dict()
    return all(torch.equal(tensor, expected[name]) for name, tensor in state.items())


def test_downloaded_on_first_use_then_taken_from_the_cache(cache, server, monkeypatch):
    assert _loaded_from(server)
    assert (cache / server.name).read_bytes() == server.read_bytes()
    monkeypatch.setattr(torch.hub, "urlopen", lambda *args, **kwargs: pytest.fail("downloaded again"))
    assert _loaded_from(server)


def test_a_file_already_in_the_cache_needs_no_network(cache, server, offline):
    cache.mkdir(parents=True)
    shutil.copy(server, cache)
    assert _loaded_from(server) and offline == []


def test_a_cache_set_by_torch_hub_counts_too(tmp_path, server, offline, monkeypatch):
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "elsewhere"))   # what torch.hub.set_dir does
    (tmp_path / "elsewhere" / "checkpoints").mkdir(parents=True)
    shutil.copy(server, tmp_path / "elsewhere" / "checkpoints")
    assert _loaded_from(server)


def test_a_damaged_file_in_the_cache_is_refused_by_its_hash(cache, server, offline):
    cache.mkdir(parents=True)
    raw = bytearray(server.read_bytes())
    raw[len(raw) // 2] ^= 1                                                   # one bit: torch.load alone would not notice
    (cache / server.name).write_bytes(raw)
    message = _message(Features, "squeezenet1_1")
    assert str(cache / server.name) in message and "is damaged (hash " in message
    assert f"expected {server.stem[-8:]}); delete it and try again, or: 'tiny' is in the package" in message


def test_torchvisions_own_file_names_carry_the_hash_that_is_checked(cache, offline):
    cache.mkdir(parents=True)
    for name in PRETRAINED:
        url = torchvision.models.get_model_weights(name)["IMAGENET1K_V1"].url
        file = cache / url.rsplit("/", 1)[-1]
        assert file.name.startswith(name) and len(file.stem.rsplit("-", 1)[-1]) == 8
        file.write_bytes(b"nothing of the kind")
        assert f"expected {file.stem[-8:]}" in _message(loading.torchvision_weights, name)
        assert file.exists()                                                  # the user's file is not deleted behind their back


def test_a_damaged_download_leaves_nothing_behind(cache, server):
    server.write_bytes(server.read_bytes()[:-100])
    message = _message(Features, "squeezenet1_1")
    assert f"the download of {server.name} came through damaged" in message and "'tiny' is in the package" in message
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize("name", PRETRAINED)
def test_without_network_the_error_says_so_and_names_tiny(cache, offline, name):
    message = _message(Features, name)
    assert message.startswith(f"no network, and no file {name}-") and str(cache) in message and f"for {name} " in message
    assert "Temporary failure in name resolution" in message
    assert message.endswith("'tiny' is in the package and needs no download")
    assert len(offline) == 1 and offline[0].startswith("https://")
    assert list(cache.iterdir()) == []


def test_a_server_that_lacks_the_file(cache, server):
    server.unlink()
    assert f"no file {server.name}" in _message(Features, "squeezenet1_1")


def test_a_folder_that_may_not_be_written(cache, server, monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")
    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    message = _message(Features, "squeezenet1_1")
    assert message.startswith(f"cannot write to {cache}") and "set TORCH_HOME" in message and "'tiny'" in message


def test_neither_tiny_nor_untrained_networks_touch_the_network(cache, offline):
    Features("random", device="cpu"), Features("tiny", device="cpu")
    Features("vgg16", weights="random", device="cpu"), Features("squeezenet1_1", weights="random", device="cpu")
    assert offline == [] and not cache.exists()


def test_embedded_weights_lie_inside_the_package():
    assert Path(str(loading.embedded("tiny.safetensors"))).parent == Path(loading.__file__).parent / "weights"
