"""Lesson 02's checks: right answers however they are written, and the wrong ones that people write, each told why."""
import functools

import pytest
import torch

from classroom import accepts, knows_a_stub, refuses
from nst_lessons.checks import check_receptive_field, check_record, check_strongest_channels
from nst_lessons.explorers.feature_maps import steps_to


# --- 2.1 ---------------------------------------------------------------------------------------------------------------

def recorder(keep, remove=True, among=lambda network: dict(network.named_modules())):
    """record(network, picture, layers) with keep(kept, name, inputs, output) as its hook."""
    def record(network, picture, layers):
        kept, modules = {}, among(network)
        handles = [modules[name].register_forward_hook(
            lambda module, inputs, output, name=name: keep(kept, name, inputs, output)) for name in layers]
        network(picture)
        for handle in handles if remove else []:
            handle.remove()
        return kept
    return record


def put(kept, name, value):
    kept[name] = value


right = recorder(lambda kept, name, inputs, output: put(kept, name, output.clone()))


def with_a_maker_and_finally(network, picture, layers):
    acts = {}

    def keep_as(name):
        def keep(module, inputs, output):
            acts[name] = output.detach().clone()
        return keep
    handles = []
    try:
        for name in layers:
            handles.append(network.get_submodule(name).register_forward_hook(keep_as(name)))
        with torch.no_grad():
            network(picture)
    finally:
        for handle in handles:
            handle.remove()
    return {name: acts[name] for name in layers}


def by_the_module(network, picture, layers):
    names, acts = {network.get_submodule(name): name for name in layers}, {}
    handles = [module.register_forward_hook(lambda m, i, o: put(acts, names[m], o * 1.0)) for module in names]
    network(picture)
    [handle.remove() for handle in handles]
    return acts


def late_name(network, picture, layers):
    kept, handles = {}, []
    for name in layers:
        handles.append(network.get_submodule(name).register_forward_hook(lambda m, i, o: put(kept, name, o.clone())))
    network(picture)
    for handle in handles:
        handle.remove()
    return kept


def clears_all_hooks(network, picture, layers):
    found = right(network, picture, layers)
    for module in network.modules():
        module._forward_hooks.clear()
    return found


def removes_the_last_only(network, picture, layers):
    kept = {}
    for name in layers:
        handle = network.get_submodule(name).register_forward_hook(lambda m, i, o, name=name: put(kept, name, o.clone()))
    network(picture)
    handle.remove()
    return kept


def before_the_layer(network, picture, layers):
    kept = {}
    handles = [network.get_submodule(name).register_forward_pre_hook(lambda m, i, name=name: put(kept, name, i[0].clone())) for name in layers]
    network(picture)
    for handle in handles:
        handle.remove()
    return kept


def one_pass_each(network, picture, layers):
    return {name: right(network, picture, [name])[name] for name in layers}


def listens_to_the_convolution(network, picture, layers):
    found = right(network, picture, [name.replace("relu", "conv") for name in layers])
    return {name: found[name.replace("relu", "conv")] for name in layers}


def listens_to_the_relu(network, picture, layers):
    found = right(network, picture, [name.replace("conv", "relu") for name in layers])
    return {name: found[name.replace("conv", "relu")] for name in layers}


def next_in_line(network, picture, layers):
    order = ["conv1_1", "relu1_1", "pool1", "deep.conv2_1", "deep.relu2_1", "deep.relu2_1"]
    after = {name: order[order.index(name) + 1] for name in layers}
    found = right(network, picture, sorted(set(after.values())))
    return {name: found[after[name]] for name in layers}


shared = {}


def into_one_dict(network, picture, layers):
    shared.clear()
    shared.update(right(network, picture, layers))
    return shared


def everything(network, picture, layers):
    return right(network, picture, [name for name, module in network.named_modules() if name and not list(module.children())])


def brightens(network, picture, layers):
    picture.mul_(1.1)
    return right(network, picture, layers)


def deaf(network, picture, layers):
    kept = {}
    for name in layers:
        network.get_submodule(name).register_forward_hook(lambda m, i, o, name=name: put(kept, name, o.clone())).remove()
    network(picture)
    return kept


def returns_what_it_keeps(kept, name, inputs, output):
    kept[name] = output.clone()
    return kept[name]


def walks_over_the_top(network, picture, layers):
    kept = {}
    for name, part in network.named_children():
        picture = part(picture)
        kept[name] = picture.clone()
    return {name: kept[name] for name in layers if name in kept}


def by_getattr(network, picture, layers):
    return recorder(lambda kept, name, inputs, output: put(kept, name, output.clone()),
                    among=lambda network: {name: getattr(network, name) for name in layers})(network, picture, layers)


def takes_the_output_only(network, picture, layers):
    kept = {}
    for name in layers:
        network.get_submodule(name).register_forward_hook(lambda output: put(kept, "x", output))
    network(picture)


def not_in_place_any_more(network, picture, layers):
    for module in network.modules():
        if hasattr(module, "inplace"):
            module.inplace = False
    return recorder(lambda kept, name, inputs, output: put(kept, name, output))(network, picture, layers)


RECORD = {
    "still listen": recorder(lambda kept, name, inputs, output: put(kept, name, output.clone()), remove=False),
    "2 of your hooks still": removes_the_last_only,
    "only the last layer": late_name,
    "it writes into the very tensor": recorder(lambda kept, name, inputs, output: put(kept, name, output)),
    "writes into the very tensor that you kept": recorder(lambda kept, name, inputs, output: put(kept, name, output.detach())),
    "your hook returns that tensor": recorder(lambda kept, name, inputs, output: kept.setdefault(name, output.clone())),
    "what went *into* the layer": recorder(lambda kept, name, inputs, output: put(kept, name, inputs[0].clone())),
    "went *into*": before_the_layer,
    "before the ReLU": listens_to_the_convolution,
    "under conv1_1 stands what relu1_1 returned": listens_to_the_relu,
    "in step": next_in_line,
    "the first picture": recorder(lambda kept, name, inputs, output: put(kept, name, output[:1].clone())),
    "first picture of the batch only": recorder(lambda kept, name, inputs, output: put(kept, name, output[0].clone())),
    "the network looked 3 times": one_pass_each,
    "gone: remove only your own": clears_all_hooks,
    "the dict of the first": into_one_dict,
    "nobody asked for": everything,
    "changes the picture": brightens,
    "you returned list": lambda network, picture, layers: list(right(network, picture, layers).values()),
    "you returned NoneType": lambda network, picture, layers: None,
    "never looked": lambda network, picture, layers: {name: picture for name in layers},
    "your dict has nothing": lambda network, picture, layers: {},
    "were asked for, your dict has nothing: did every hook": deaf,
    "the network goes on with it; let it return nothing": recorder(returns_what_it_keeps),
    "that you kept; keep a copy": recorder(lambda kept, name, inputs, output: put(kept, name, output)),
    "get_submodule(name) finds those in it": recorder(lambda kept, name, inputs, output: put(kept, name, output.clone()),
                                                      among=lambda network: dict(network.named_children())),
    "deep.relu2_1, deep.conv2_1 were not found": walks_over_the_top,
    "`deep` is a part with layers of its own": by_getattr,
    "called with three things": takes_the_output_only,
    "switched `inplace` off": not_in_place_any_more,
    "is a tuple": recorder(lambda kept, name, inputs, output: put(kept, name, (output.clone(),))),
}


@pytest.mark.parametrize("says", RECORD)
def test_wrong_recorders(says):
    refuses(check_record, RECORD[says], says)


# --- 2.2 ---------------------------------------------------------------------------------------------------------------

def field(steps):
    r, j = 1, 1
    for kernel, stride in steps:
        r += (kernel - 1) * j
        j *= stride
    return r


def backwards(steps):
    r = 1
    for kernel, stride in reversed(steps):
        r = (r - 1) * stride + kernel
    return r


def in_sets(steps):
    seen = {0}
    for kernel, stride in reversed(steps):
        seen = {place * stride + k for place in seen for k in range(kernel)}
    return torch.tensor(max(seen) - min(seen) + 1)


def recursion(start=1, distance=1, swapped=False, grow=lambda k, s, j: (k - 1) * j, further=lambda j, s: j * s):
    def receptive_field(steps):
        r, j = start, distance
        for kernel, stride in steps:
            if swapped:
                j = further(j, stride)
                r += grow(kernel, stride, j)
            else:
                r += grow(kernel, stride, j)
                j = further(j, stride)
        return r
    return receptive_field


def emptied(steps):
    r = field(steps)
    steps.clear()
    return r


def stride_only(steps):
    return functools.reduce(lambda j, step: j * step[1], steps, 1)


def the_wrong_way(steps):
    r = 1
    for kernel, stride in steps:
        r = (r - 1) * stride + kernel
    return r


def anew(steps):
    r, j = 1, 1
    for kernel, stride in steps:
        r, j = (kernel - 1) * j, j * stride
    return r


FIELD = {
    "strides are left out": recursion(further=lambda j, s: j),
    "a step counts only its own stride": recursion(grow=lambda k, s, j: (k - 1) * s),
    "the stride comes too early": recursion(swapped=True),
    "k − 1 neighbors further, not k": recursion(grow=lambda k, s, j: k * j),
    "one too few": recursion(start=0),
    "one too many": lambda steps: field(steps) + 1,
    "strides are added": recursion(further=lambda j, s: j + s),
    "added; they multiply": recursion(further=lambda j, s: j + s - 1),
    "in reverse order": the_wrong_way,
    "j becomes the latest stride": recursion(further=lambda j, s: s),
    "only the first step counts": lambda steps: field(steps[:1]),
    "kernel and stride have changed places": lambda steps: field([(stride, kernel) for kernel, stride in steps]),
    "every kernel counts as 3": recursion(grow=lambda k, s, j: 2 * j),
    "only kernels of 3 count": recursion(grow=lambda k, s, j: 2 * j if k == 3 else 0),
    "kernels are multiplied": lambda steps: functools.reduce(lambda r, step: r * step[0], steps, 1),
    "r starts anew": anew,
    "right would be 34, yours is 156": lambda steps: 156,
    "begin at the picture, or at the layer": lambda steps: field(steps[::-1]),
    "that is the number of pixels": lambda steps: field(steps) ** 2,
    "distance of neighbors, the product": stride_only,
    "the last step is missing": lambda steps: field(steps[:-1]),
    "the first step is missing": lambda steps: field(steps[1:]),
    "2 values came back": lambda steps: (field(steps), stride_only(steps)),
    "changes the list": emptied,
    "does every path": lambda steps: None,
    "your function stops on": lambda steps: field(steps) + steps[0][0] - steps[0][0],
    "is a str": lambda steps: str(field(steps)),
    "is not right": lambda steps: field(steps) + 5,
}


@pytest.mark.parametrize("says", FIELD)
def test_wrong_fields(says):
    refuses(check_receptive_field, FIELD[says], says)


def test_the_explorer_counts_as_the_check_does():
    sides = {layer: field(steps_to(layer)) for layer in ("conv1_1", "relu1_2", "relu2_1", "relu3_1", "relu4_1", "conv4_2", "relu5_1")}
    assert list(sides.values()) == [3, 5, 10, 24, 68, 84, 156]
    with pytest.raises(ValueError, match="VGG-19 has no layer 'relu9_9'"):
        steps_to("relu9_9")


# --- 2.3 ---------------------------------------------------------------------------------------------------------------

def strongest(act, count):
    return act.mean(dim=(2, 3)).topk(count).indices


def by(rule):
    """The strongest channels by rule(act) → [B, C]."""
    return lambda act, count: rule(act).topk(count, dim=1).indices


def shifts(act, count):
    act -= act.mean(dim=(0, 2, 3), keepdim=True) * 0.01
    return strongest(act, count)


STRONGEST = {
    "the largest value": by(lambda act: act.amax(dim=(2, 3))),
    "the sum of squares": by(lambda act: act.pow(2).sum(dim=(2, 3))),
    "absolute values": by(lambda act: act.abs().mean(dim=(2, 3))),
    "the mean's absolute value": by(lambda act: act.mean(dim=(2, 3)).abs()),
    "the median": by(lambda act: act.flatten(2).median(dim=2).values),
    "the weakest come first": by(lambda act: -act.mean(dim=(2, 3))),
    "the order of their numbers": lambda act, count: strongest(act, count).sort().values,
    "turn the order round": lambda act, count: strongest(act, count).flip(1),
    "the means themselves": lambda act, count: act.mean(dim=(2, 3)).topk(count).values,
    "pictures of the batch are mixed": lambda act, count: act.mean(dim=(0, 2, 3)).topk(count).indices,
    "each has its own": lambda act, count: act.mean(dim=(0, 2, 3)).topk(count).indices.expand(len(act), -1),
    "only the first picture": lambda act, count: act[0].mean(dim=(1, 2)).topk(count).indices,
    "rows and columns": lambda act, count: strongest(act, count).T,
    "all channels are there": lambda act, count: strongest(act, act.shape[1]),
    "count channels from 1": lambda act, count: strongest(act, count) + 1,
    "how much each map varies": by(lambda act: act.flatten(2).std(dim=2)),
    "negative values are left out": by(lambda act: act.relu().mean(dim=(2, 3))),
    "only the strongest channel": lambda act, count: act.mean(dim=(2, 3)).argmax(dim=1),
    "3 channels are there, whatever": lambda act, count: strongest(act, 3),
    "finds too few to choose from": lambda act, count: act.mean(dim=(2, 3)).topk(count, dim=0).indices,
    "make one number of each map": lambda act, count: act.mean(dim=3).topk(count, dim=1).indices,
    "[2, 5, 4]: first make one": lambda act, count: act.mean(dim=2).transpose(1, 2).topk(count).indices,
    "you returned a list": lambda act, count: strongest(act, count).tolist(),
    "are the means themselves": lambda act, count: act.mean(dim=(2, 3)).topk(count)[0].long(),
    "values *and* indices": lambda act, count: tuple(act.mean(dim=(2, 3)).topk(count)),
    "whole numbers": lambda act, count: strongest(act, count).float(),
    "changes the tensor": shifts,
    "does every path": lambda act, count: None,
    "your function stops": lambda act, count: act.mean(dim=(4, 5)).topk(count).indices,
}


@pytest.mark.parametrize("says", STRONGEST)
def test_wrong_channels(says):
    refuses(check_strongest_channels, STRONGEST[says], says)


# --- right answers, and none -------------------------------------------------------------------------------------------

def test_right_answers(capsys):
    accepts(check_record, capsys, right, with_a_maker_and_finally, by_the_module)
    accepts(check_receptive_field, capsys, field, backwards, in_sets, lambda steps: float(field(steps)))
    accepts(check_strongest_channels, capsys, strongest,
            lambda act, count: act.sum(dim=(2, 3)).argsort(dim=1, descending=True)[:, :count],
            lambda act, count: torch.stack([torch.tensor(sorted(range(len(one)), key=lambda c: -one[c].mean())[:count]) for one in act]))


@pytest.mark.parametrize("check", [check_record, check_receptive_field, check_strongest_channels])
def test_stubs(check):
    knows_a_stub(check)
