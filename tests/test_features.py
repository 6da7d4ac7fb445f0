"""Lesson 02: every layer of every network against an independent walk through torchvision's own modules."""
import math
from collections import Counter
from pathlib import Path

import pytest
import torch
import torchvision
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional as F

import nst_lessons as nst
from nst_lessons import Features, loading

GRAPHS = ["resnet50", "squeezenet1_1", "mobilenet_v3_small"]
NETWORKS = ["tiny", "vgg16", "vgg19", *GRAPHS, "random"]
SHIPPED = Path(nst.__file__).parent / "weights" / "tiny.safetensors"


def _picture(height=64, width=48, batch=1, seed=0):
    return torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(seed))


def _untrained(name, **options):
    return Features(name, weights="random", device="cpu", **options)


@pytest.fixture(scope="module", params=NETWORKS)
def network(request):
    return _untrained(request.param)


# --- VGG: a walk through torchvision's layers, in its own order -------------------------------------------------------

def _torchvision_vgg(name):
    """torchvision's convolutions with weights that keep the signal alive (its own default ones let it die out)."""
    layers = torchvision.models.vgg.make_layers(torchvision.models.vgg.cfgs[{"vgg16": "D", "vgg19": "E"}[name]])
    generator = torch.Generator().manual_seed(1)
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            nn.init.normal_(layer.weight, std=math.sqrt(2 / layer.weight[0].numel()), generator=generator)
            nn.init.normal_(layer.bias, std=0.1, generator=generator)
    return layers.requires_grad_(False)


@torch.no_grad()
def _walk(layers, picture, pooling):
    """{conv1_1: …, relu1_1: …, …, pool5: …}, named by counting, with nothing done in place."""
    x = torchvision.transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])(picture)
    block, number, acts = 1, 0, {}
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            number += 1
            x = acts[f"conv{block}_{number}"] = F.conv2d(x, layer.weight, layer.bias, padding=1)
        elif isinstance(layer, nn.ReLU):
            x = acts[f"relu{block}_{number}"] = x.clamp(min=0)
        else:
            x = acts[f"pool{block}"] = (F.max_pool2d if pooling == "max" else F.avg_pool2d)(x, 2)
            block, number = block + 1, 0
    return acts


@pytest.fixture(scope="module", params=[("vgg16", "safetensors"), ("vgg19", "pth")], ids=lambda pair: pair[0])
def vgg(request, tmp_path_factory):
    """(name, torchvision's layers, a file of their weights as torchvision would save it: classifier included)."""
    name, kind = request.param
    layers, path = _torchvision_vgg(name), tmp_path_factory.mktemp(name) / f"weights.{kind}"
    state = {f"features.{key}": tensor for key, tensor in layers.state_dict().items()}
    state |= {"classifier.0.weight": torch.ones(4, 4), "classifier.0.bias": torch.ones(4)}
    (save_file if kind == "safetensors" else torch.save)(state, path)
    return name, layers, path


@pytest.mark.parametrize("pooling", ["max", "avg"])
def test_vgg_layers_are_those_of_torchvision(vgg, pooling):
    name, layers, path = vgg
    features = Features(name, weights=path, pooling=pooling, device="cpu")
    expected = _walk(layers, _picture(), pooling)
    assert features.layers == list(expected)
    acts = features(_picture(), features.layers)                            # all at once: nothing may overwrite another
    for layer in features.layers:
        torch.testing.assert_close(acts[layer], expected[layer], rtol=1e-4, atol=1e-4)
    assert acts["conv4_2"].min() < 0 == acts["relu4_2"].min()               # before its ReLU, and after
    assert acts["relu5_1"].std() > 0.1                                      # the comparison is not one of zeros


def test_vgg_counts_its_blocks():
    assert [_untrained("vgg16").layers.count(layer) for layer in ("conv3_3", "conv3_4", "conv5_3", "pool5")] == [1, 0, 1, 1]
    assert [_untrained("vgg19").layers.count(layer) for layer in ("conv3_4", "conv5_4", "conv5_5", "pool5")] == [1, 1, 0, 1]


# --- the other classifiers: hooks on torchvision's own model, which runs as it is --------------------------------------

def _torchvision_graph(name):
    """torchvision's model with batch statistics and gains that are not the trivial ones."""
    torch.manual_seed(2)
    model = torchvision.models.get_model(name, weights=None).eval().requires_grad_(False)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.2), module.running_var.uniform_(0.5, 1.5), module.bias.normal_(0, 0.2)
    return model


def _hooked(model, picture):
    """{node name: output}, cloned as each module returns: `_1`, `_2` for a module's later calls, `add` and `cat` by hand."""
    acts, calls = {}, Counter()

    def name(path):
        return f"{path}_{calls[path]}" if calls[path] else path

    def before(path):
        def hook(module, inputs):
            if path.endswith(".relu") and calls[path] == 2:                 # a ResNet block's last ReLU receives the sum
                acts[path.removesuffix("relu") + "add"] = inputs[0].clone()
        return hook

    def after(path):
        def hook(module, inputs, output):
            acts[name(path)] = output.clone()
            calls[path] += 1
            if type(module).__name__ == "Fire":
                acts[path + ".cat"] = output.clone()
            if type(module).__name__ == "InvertedResidual" and module.use_res_connect:
                acts[path + ".add"] = output.clone()
        return hook
    for path, module in model.named_modules():
        module.register_forward_pre_hook(before(path))
        module.register_forward_hook(after(path))
    model(torchvision.transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])(picture))
    return acts


@pytest.mark.parametrize("name", GRAPHS)
def test_graph_layers_are_those_of_torchvision(name, tmp_path):
    model, path, picture = _torchvision_graph(name), tmp_path / "weights.pth", _picture(96, 64)
    torch.save(model.state_dict(), path)
    features, expected = Features(name, weights=path, device="cpu"), _hooked(model, picture)
    assert len(features.layers) > 40 and set(features.layers) <= set(expected)
    acts = features(picture, features.layers)                               # every node at once, also those before in-place ops
    assert list(acts) == features.layers
    for layer in features.layers:
        torch.testing.assert_close(acts[layer], expected[layer], rtol=1e-4, atol=1e-4 * expected[layer].abs().max().item())
    negative = [layer for layer in features.layers if acts[layer].min() < 0]
    assert len(negative) > 15                                               # what stands before a ReLU still has its signs


@pytest.mark.parametrize("name", GRAPHS)
def test_graph_names_are_torchvisions_own(name):
    nodes = torchvision.models.feature_extraction.get_graph_node_names(torchvision.models.get_model(name, weights=None))[1]
    layers = _untrained(name).layers
    assert nodes[1:1 + len(layers)] == layers                               # nodes[0] is the picture
    assert nodes[1 + len(layers)].split(".")[0] in ("avgpool", "classifier")


@pytest.mark.parametrize("name, node", [("resnet50", "maxpool"), ("squeezenet1_1", "features.2")])
def test_graph_average_pooling(name, node):
    features = _untrained(name, pooling="avg")
    before = features.layers[features.layers.index(node) - 1]
    acts = features(_picture(66, 50), [before, node])
    same = _untrained(name)(_picture(66, 50), [before, node])
    torch.testing.assert_close(acts[before], same[before])
    assert acts[node].shape == same[node].shape and not torch.allclose(acts[node], same[node])
    x, y = 1, 1                                                             # one inner output: the mean of its 3×3 window
    first = 2 * y - (1 if name == "resnet50" else 0)
    torch.testing.assert_close(acts[node][..., y, x], acts[before][..., first:first + 3, first:first + 3].mean((2, 3)))


def test_average_pooling_does_not_darken_the_border():
    features = _untrained("resnet50", pooling="avg")
    pool = features.backbone.model.maxpool
    torch.testing.assert_close(pool(torch.ones(1, 1, 8, 8)), torch.ones(1, 1, 4, 4))


# --- our own network --------------------------------------------------------------------------------------------------

@torch.no_grad()
def _tiny_walk(state, picture, pooling):
    """The trunk of 3×3 convolutions, widened and listened to where there are weights for that: straight from the weights."""
    x, acts = (picture - 0.45) / 0.25, {}
    by = lambda part, name, x: F.conv2d(x, state[f"{part}.{name}.weight"], state[f"{part}.{name}.bias"])
    for name in [key.split(".")[1] for key in state if key.startswith("trunk") and key.endswith("weight")]:
        if name[2] == "1" and name[0] != "1":
            x = (F.max_pool2d if pooling == "max" else F.avg_pool2d)(x, 2)
        narrow = by("trunk", name, F.pad(x, (1, 1, 1, 1)))
        before = by("wide", name, narrow) if f"wide.{name}.weight" in state else narrow
        x = before.clamp(min=0)
        seen = before if f"heads.{name}.weight" not in state else by("heads", name, x if name in ("4_1", "5_1") else narrow)
        acts["conv" + name], acts["relu" + name] = seen, seen.clamp(min=0)
    return acts


@pytest.mark.parametrize("pooling", ["max", "avg"])
def test_tiny_equals_a_walk_through_its_weights(pooling):
    features = _untrained("tiny", pooling=pooling)
    for i, parameter in enumerate(features.parameters()):                   # biases too
        nn.init.normal_(parameter, std=parameter[0].numel() ** -0.5, generator=torch.Generator().manual_seed(i))
    expected = _tiny_walk(features.backbone.state_dict(), _picture(), pooling)
    assert features.layers == list(expected)
    for layer, act in features(_picture(), features.layers).items():
        torch.testing.assert_close(act, expected[layer], rtol=1e-4, atol=1e-4)
        assert act.std() > 1e-3


def test_tiny_speaks_vgg19s_names_at_its_scales():
    tiny, vgg = _untrained("tiny"), _untrained("vgg19")
    assert [layer for layer in vgg.layers if layer[:4] != "pool"][:len(tiny.layers)] == tiny.layers
    picture = _picture(48, 64)
    shapes, others = ({layer: act.shape for layer, act in network(picture, tiny.layers).items()} for network in (tiny, vgg))
    assert all(shapes[layer][2:] == others[layer][2:] for layer in tiny.layers)
    for layer in tiny.style_layers:                                         # where style is measured, VGG-19's width as well
        assert shapes[layer] == others[layer]


def test_untrained_networks_are_the_same_everywhere_and_alive():
    first, second = _untrained("random"), Features("random", device="cpu")
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(a, b)
    deviations = [act.std().item() for act in first(_picture(), first.style_layers).values()]
    assert all(0.05 < deviation < 20 for deviation in deviations), deviations


# --- any network ------------------------------------------------------------------------------------------------------

def test_every_layer_comes_in_order_of_depth_whatever_the_order_of_asking(network):
    layers = [network.layers[i] for i in (-1, 0, len(network.layers) // 2, 0)]
    acts = network(_picture(batch=2), layers)
    assert list(acts) == [layers[1], layers[2], layers[0]]
    for layer, act in acts.items():
        assert act.ndim == 4 and act.shape[0] == 2 and act.isfinite().all()
        torch.testing.assert_close(network(_picture(batch=2), layer)[layer], act)            # alone, by its name


def test_no_layers_no_work(network):
    assert network(_picture(), []) == {}


def test_the_default_layers_exist_and_are_in_order(network):
    for layers in (network.style_layers, network.content_layers):
        assert layers and network.check_layers(reversed(layers)) == layers
    if network.name in ("tiny", "vgg16", "vgg19", "random"):
        assert network.style_layers == [f"relu{i}_1" for i in range(1, 6)] and network.content_layers == ["relu3_1", "relu4_2"]


def test_an_unknown_layer_is_refused_with_the_list(network):
    with pytest.raises(ValueError, match="unknown layer 'conv4_9'; this network") as caught:
        network(_picture(), [network.layers[0], "conv4_9"])
    assert "\n" not in str(caught.value) and all(layer in str(caught.value) for layer in network.layers)


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 1, 32, 32), (1, 4, 32, 32), (1, 32, 32, 3)])
def test_what_is_no_picture_is_refused(network, shape):
    with pytest.raises(ValueError, match=r"wants pictures \[B, 3, H, W\], got a tensor of shape"):
        network(torch.zeros(shape), network.layers[:1])


def test_the_picture_stays_and_the_network_is_frozen_while_the_gradient_reaches_the_picture(network):
    picture = _picture().requires_grad_()
    before, state = picture.detach().clone(), {name: tensor.clone() for name, tensor in network.state_dict().items()}
    assert not any(parameter.requires_grad for parameter in network.parameters())
    layer = network.content_layers[0]
    network(picture, [layer])[layer].pow(2).sum().backward()
    assert picture.grad.isfinite().all() and picture.grad.abs().sum() > 0
    assert torch.equal(picture, before) and all(parameter.grad is None for parameter in network.parameters())
    assert all(torch.equal(state[name], tensor) for name, tensor in network.state_dict().items())


@pytest.mark.parametrize("name", ["resnet50", "mobilenet_v3_small"])
def test_batch_statistics_stay_frozen_inside_a_module_that_trains(name):
    features = _untrained(name)
    layer, state = features.content_layers[0], {key: tensor.clone() for key, tensor in features.state_dict().items()}
    before = features(_picture(), [layer])[layer]
    nn.Sequential(features).train()
    torch.testing.assert_close(features(_picture(), [layer])[layer], before)
    assert all(torch.equal(state[key], tensor) for key, tensor in features.state_dict().items())


@pytest.mark.parametrize("name, layer, convolutions", [
    ("tiny", "relu3_1", 9), ("tiny", "conv1_2", 3), ("random", "conv5_1", 17), ("vgg16", "relu2_1", 3), ("vgg19", "conv3_4", 8),
    ("resnet50", "layer1.0.relu", 2), ("squeezenet1_1", "features.3.cat", 4), ("mobilenet_v3_small", "features.0", 1)])
def test_stops_at_the_deepest_layer_asked_for(name, layer, convolutions):
    """Counts the convolutions that ran; in `tiny`, one of them is the head through which relu3_1 and conv5_1 are seen."""
    features, ran = _untrained(name), []
    for module in features.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(lambda module, inputs, output: ran.append(module))
    features(_picture(), [features.layers[0]])                               # also when a shallower one was asked for before
    ran.clear()
    features(_picture(), [layer])
    assert len(ran) == convolutions


def test_a_picture_too_small_is_refused_in_pixels():
    squeeze = "squeezenet1_1"
    for name, layer in (("tiny", "relu5_1"), ("vgg19", "pool5"), (squeeze, "features.12.cat"), (squeeze, "features.0")):
        with pytest.raises(ValueError, match=f"a picture of 1×2 px is too small for layer {layer} of {name}; use a larger one"):
            _untrained(name)(_picture(2, 1), [layer])


def test_other_errors_pass_through(network):
    if network.name != "vgg16":
        with pytest.raises(RuntimeError):                                    # float64 pictures for a float32 network
            network(_picture().double(), network.layers[-1:])


def test_the_refusals_at_the_door():
    with pytest.raises(ValueError, match="unknown network 'vgg11'; there are tiny, random, vgg16, vgg19, resnet50"):
        Features("vgg11")
    with pytest.raises(ValueError, match="unknown pooling 'min'; choose 'max' or 'avg'"):
        Features("tiny", pooling="min")


# --- devices and number types -----------------------------------------------------------------------------------------

def test_any_device_here_the_one_that_only_knows_shapes(network):
    features = Features(network.name, weights="random", device="meta")
    layers = [features.layers[0], *features.style_layers]
    acts, real = features(_picture(), layers), network(_picture(), layers)    # a CPU picture is brought to the network
    for layer, act in acts.items():
        assert act.device.type == "meta" and act.shape == real[layer].shape


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_a_gpu_gives_the_same():
    features = Features("random")
    assert next(features.parameters()).is_cuda
    for layer, act in features(_picture(), features.style_layers).items():
        torch.testing.assert_close(act.cpu(), _untrained("random")(_picture(), [layer])[layer], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", ["tiny", "vgg16", "resnet50"])
def test_double_precision_also_after_first_use(name):
    features = _untrained(name)
    layers = features.style_layers[:3]
    single = features(_picture(), layers)
    double = features.double()(_picture().double(), layers)
    for layer in layers:
        assert double[layer].dtype == torch.float64
        torch.testing.assert_close(double[layer].float(), single[layer], rtol=1e-3, atol=1e-4)


# --- networks of one's own --------------------------------------------------------------------------------------------

class _Blur(nn.Module):
    """A network without a single weight."""
    layers = ["fine", "coarse"]

    def forward(self, image, wanted):
        acts = {"fine": F.avg_pool2d(image, 2), "coarse": F.avg_pool2d(image, 4)}
        return {layer: acts[layer] for layer in wanted}


def test_a_network_of_ones_own(monkeypatch):
    monkeypatch.setattr(nst.features, "_BUILDERS", dict(nst.features._BUILDERS))     # forgotten after the test
    built = []
    nst.features.register("blur", lambda weights, pooling: built.append((weights, pooling)) or _Blur())
    features = Features("blur", weights="somewhere", pooling="avg", device="cpu")
    assert built == [("somewhere", "avg")] and nst.features.backbones() == ["tiny", "random", "vgg16", "vgg19", *GRAPHS, "patches", "selfsup", "blur"]
    acts = features(_picture(), ["coarse", "fine"])
    assert features.layers == list(acts) == ["fine", "coarse"] and acts["coarse"].shape == (1, 3, 16, 12)
    with pytest.raises(ValueError, match=r"unknown layer 'conv1_1'; this network \(blur\) has fine, coarse"):
        features(_picture(), ["conv1_1"])
    with pytest.raises(ValueError, match="blur has no default layers; give content_layers and style_layers among fine, coarse"):
        features.style_layers
    objective = nst.Objective(features, _picture(), _picture(seed=1), content_layers=["coarse"], style_layers=["fine"])
    assert objective(_picture(seed=2)).total > 0


# --- the weights that we ship -----------------------------------------------------------------------------------------

def test_the_shipped_weights_are_small_finite_and_documented():
    assert SHIPPED.stat().st_size <= 8e6
    assert all(tensor.isfinite().all() and tensor.float().std() > 0 for tensor in load_file(SHIPPED).values())
    assert len(SHIPPED.with_suffix(".md").read_text()) > 200
    assert Features("tiny", device="cpu").layers == _untrained("tiny").layers


def test_the_shipped_weights_are_the_ones_in_use():
    expected = load_file(loading.embedded("tiny.safetensors"))
    state = Features("tiny", device="cpu").backbone.state_dict()
    assert all(torch.equal(state[name], expected[name].float()) for name in state)


def test_the_shipped_weights_tell_like_style_from_unlike():
    """The halves of one painting are clearly closer in style than halves of two paintings; untrained weights fail this."""
    features, halves = Features("tiny", device="cpu"), []
    for name in ("starry", "stained_glass", "wheat_field", "sunset_harbor", "autumn_forest"):
        halves.append(nst.load_image(name, size=128).tensor_split(2, dim=3))
    for i, (_, right) in enumerate(halves):
        errors = [nst.style_error(left, right, features) for left, _ in halves]
        assert errors[i] < 0.7 * min(errors[:i] + errors[i + 1:]), errors


def test_the_random_network_refuses_weights(tmp_path):
    with pytest.raises(ValueError, match="has no weights to load"):
        Features("random", weights=tmp_path / "some.safetensors")
