"""Weights from disk: the package's own, a local file, or torchvision's (torch hub cache; download on first use)."""
import hashlib
import http.client
import importlib.resources
import pathlib
import urllib.error

import torch
from safetensors.torch import load_file

_INSTEAD = "'tiny' is in the package and needs no download"


class WeightsError(ValueError):
    """Weights that cannot be had: the message, one line, says why and what works instead."""


def embedded(name):
    """Path of a weights file that ships with the package."""
    return importlib.resources.files("nst_lessons.weights") / name


def read_weights(path):
    """{name: tensor} from a .safetensors, or a .pth/.pt file read without running anything in it. Raises WeightsError."""
    path = pathlib.Path(path)
    if not path.is_file():
        raise WeightsError(f"no weights file {str(path)!r}; give a .safetensors or .pth file, or leave weights out")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)    # weights_only: no pickled code is run
    except OSError as error:
        raise WeightsError(f"{path} cannot be read ({_first_line(error)})") from error
    except Exception as error:                                     # damage surfaces as RuntimeError, IndexError, struct.error, …
        if "GLOBAL" in str(error):                                 # a class or function, which weights_only refuses
            raise WeightsError(f"{path.name} holds more than plain tensors and was not opened; "
                               "save its state_dict() instead") from error
        raise WeightsError(f"{path.name} is damaged or no weights file; download or make it again") from error
    state = state.get("state_dict", state) if isinstance(state, dict) else state
    if not isinstance(state, dict) or not state or not all(isinstance(v, torch.Tensor) for v in state.values()):
        raise WeightsError(f"{path.name} holds no state_dict (names → tensors); save model.state_dict()")
    return state


def load_into(module, source):
    """Loads a file (path) or a state dict into `module` and returns it; layers that the module lacks (a classifier) are skipped.

    Raises WeightsError when a tensor is missing or has another shape.
    """
    state = source if isinstance(source, dict) else read_weights(source)
    own = {name: tensor for name, tensor in module.state_dict().items()
           if not name.endswith("num_batches_tracked")}                    # used in training only; older files lack it
    for name, tensor in own.items():
        if name not in state:
            raise WeightsError(f"the weights lack {name!r}: they are for another network "
                               f"({len(state)} tensors, first {next(iter(state))!r})")
        if state[name].shape != tensor.shape:
            raise WeightsError(f"{name!r} has shape {list(state[name].shape)} in the weights, "
                               f"this network wants {list(tensor.shape)}")
    module.load_state_dict({name: state[name] for name in own}, strict=False)
    return module


def torchvision_weights(name, version="IMAGENET1K_V1", instead=_INSTEAD):
    """State dict of torchvision's weights for `name`, from the torch hub cache or downloaded, its hash checked.

    version: which of its weights; instead: what works without, for the message of WeightsError.
    """
    from torchvision.models import get_model_weights
    weights = get_model_weights(name)[version]
    file = pathlib.Path(torch.hub.get_dir()) / "checkpoints" / weights.url.rsplit("/", 1)[-1]
    if not file.is_file():
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(weights.url, str(file), hash_prefix=file.stem.rsplit("-", 1)[-1])
        except PermissionError as error:
            raise WeightsError(f"cannot write to {file.parent} ({_first_line(error)}); "
                               f"set TORCH_HOME to a folder of yours, or: {instead}") from error
        except (urllib.error.URLError, OSError) as error:
            raise WeightsError(f"no network, and no file {file.name} in {file.parent} for {name} "
                               f"({_first_line(error)}); put it there, or: {instead}") from error
        except (RuntimeError, http.client.HTTPException) as error:
            raise WeightsError(f"the download of {file.name} came through damaged ({_first_line(error)}); "
                               f"try again, or: {instead}") from error
    _check_hash(file, instead)
    return read_weights(file)


def _check_hash(file, instead=_INSTEAD):
    """torchvision writes the first digits of a file's SHA-256 into its name: `vgg19-dcbb9e9d.pth`."""
    expected = file.stem.rsplit("-", 1)[-1]
    with open(file, "rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if not found.startswith(expected):
        raise WeightsError(f"{file} is damaged (hash {found[:8]}, expected {expected}); delete it and try again, or: {instead}")


def _first_line(error):
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
