"""Lesson 02: a recorder of activations, the receptive field, the strongest channels. The oracles: a walk by hand, a gradient, a loop."""
import math
from collections import OrderedDict

import torch
from torch import nn
from torch.nn import functional as F

from .verdict import Wrong, attempt, exercise, same, seeded, untouched

OUTER, INNER = ["conv1_1", "relu1_1", "pool1"], ["deep.conv2_1", "deep.relu2_1"]


def _network(channels, in_place, seed):
    """Two convolutions with their ReLUs, the second ones inside a part called `deep`; known weights."""
    torch_state = torch.get_rng_state()
    torch.manual_seed(seeded(seed).initial_seed())
    first, second = nn.Conv2d(3, channels, 3, padding=1), nn.Conv2d(channels, channels + 1, 3, padding=1)
    torch.set_rng_state(torch_state)
    deep = nn.Sequential(OrderedDict(conv2_1=second, relu2_1=nn.ReLU(inplace=in_place)))
    return nn.Sequential(OrderedDict(conv1_1=first, relu1_1=nn.ReLU(inplace=in_place), pool1=nn.MaxPool2d(2), deep=deep))


@torch.no_grad()
def _walk(network, picture):
    """{name: (what goes in, what comes out)} of each layer, without a hook and with nothing done in place."""
    first, second, walked = network.conv1_1, network.deep.conv2_1, {}
    for name, step in zip(OUTER + INNER, [lambda x: F.conv2d(x, first.weight, first.bias, padding=1), lambda x: x.clamp(min=0),
                                          lambda x: F.max_pool2d(x, 2), lambda x: F.conv2d(x, second.weight, second.bias, padding=1),
                                          lambda x: x.clamp(min=0)]):
        walked[name] = picture, step(picture)
        picture = walked[name][1]
    return walked


def _hooks(network):
    """How many hooks wait in a network."""
    return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in network.modules())


def _right_names(found, layers):
    """Raises Wrong unless `found` is a dict with exactly these layers."""
    if not isinstance(found, dict):
        raise Wrong(f"a dict {{name: activations}} is wanted, you returned {type(found).__name__}")
    missing, more = [name for name in layers if name not in found], [str(name) for name in found if name not in layers]
    if found and missing and all("." in name for name in missing):
        raise Wrong(f"{', '.join(missing)} {_was(missing)} not found: `deep` is a part with layers of its own, and network.get_submodule(name) "
                    "finds those in it, too")
    if missing and len(layers) > 1 and list(found) == [layers[-1]]:
        raise Wrong(f"only the last layer, {layers[-1]}, is in your dict: all hooks look up `name` when they are *called*, and by then "
                    "the loop is over; let each hook get its own name when it is made, by a function that makes it or by `name=name`")
    if missing:
        raise Wrong(f"{', '.join(missing)} {_was(missing)} asked for, your dict has {', '.join(map(str, found)) or 'nothing'}: "
                    "did every hook still listen when the network looked?")
    if more:
        raise Wrong(f"nobody asked for {', '.join(more)}: keep only the layers that are wanted")


def _was(names):
    return "were" if len(names) > 1 else "was"


def _right_values(found, walked, layers, in_place, replaced=False):
    """Raises Wrong unless each layer's activations are what it returned; knows what else could stand there.

    `replaced`: whether a hook returned something, with which the network then went on.
    """
    for name in layers:
        goes_in, truth = walked[name]
        behind = name.replace("conv", "relu")
        mend = "your hook returns that tensor, so the network goes on with it; let it return nothing" if replaced else "keep a copy"
        slips = [(f"under {name} stands what its ReLU made of it: {behind} works in place, it writes into the very tensor that you kept; {mend}",
                  walked[behind][1])] if in_place and behind != name else []
        if name.split(".")[-1].startswith("relu"):
            slips.append((f"under {name} stands the convolution's output, before the ReLU: {name} is what comes after it", goes_in))
        slips.append((f"under {name} stands what went *into* the layer: a hook gets (module, inputs, output), keep the last", goes_in))
        slips += [(f"under {name} stands what {other} returned: are names and layers in step?", out)
                  for other, (_, out) in walked.items() if other != name]
        slips += [(f"under {name} stands the first picture of the batch only; keep all of [B, C, H, W]", part) for part in (truth[0], truth[:1])]
        same(found[name], truth, f"what stands under {name}", slips)


@exercise("2.1", "every layer as it was when it spoke, in one pass, and no hook is left behind.")
def check_record(record):
    """Tries record(network, picture, layers) → {layer: activations} against a walk by hand, with ReLUs in place too."""
    for batch, channels, in_place, layers in [(2, 4, False, ["conv1_1", "relu1_1", "pool1"]), (2, 4, True, ["conv1_1", "relu1_1"]),
                                              (1, 5, True, ["deep.relu2_1", "deep.conv2_1", "conv1_1"]), (1, 5, False, ["pool1"])]:
        network, passes, tensors = _network(channels, in_place, seed=channels), [], []
        picture, other = torch.rand(2, batch, 3, 6, 8, generator=seeded(channels))
        mine = network.conv1_1.register_forward_hook(lambda module, inputs, output: passes.append(1) or tensors.append(output))
        spy = network.relu1_1.register_forward_pre_hook(lambda module, inputs: tensors.append(inputs[0]))
        kept, asked = picture.clone(), list(layers)
        found = _tried(record, network, picture, asked)
        spy.remove()
        if not torch.equal(picture, kept) or asked != layers:
            raise Wrong("your function changes the picture or the list that it is given")
        _right_names(found, layers)
        _one_clean_pass(network, passes, mine)
        _right_values(found, _walk(network, picture), layers, in_place, replaced=tensors[0] is not tensors[1])
        if network.relu1_1.inplace != in_place or network.deep.relu2_1.inplace != in_place:
            raise Wrong("your function has switched `inplace` off in a network that was only lent to it: keep copies instead")
        again = attempt(record, network, other, layers)
        if again is found or any(found[name] is again.get(name) for name in layers):
            raise Wrong("a second call writes into the dict of the first: make a new dict inside the function, each time")
        _right_values(found, _walk(network, picture), layers, in_place)
        _right_values(again, _walk(network, other), layers, in_place)


def _tried(record, network, picture, layers):
    """`attempt`, with the crashes that say too little explained."""
    try:
        return attempt(record, network, picture, layers, on=f"a network whose layers are called {', '.join(OUTER + INNER)}")
    except Wrong as wrong:
        if "deep." in str(wrong).partition(" with ")[2] and ("no attribute" in str(wrong) or "KeyError" in str(wrong)):
            raise Wrong(f"{str(wrong)}; `deep` is a part with layers of its own, and network.get_submodule(name) finds those in it, too") from None
        if "positional argument" in str(wrong):
            raise Wrong(f"{str(wrong)}; a hook is called with three things: (module, inputs, output)") from None
        raise


def _one_clean_pass(network, passes, mine):
    """Raises Wrong unless the network ran once, and has the one hook that it had before."""
    if len(passes) != 1:
        raise Wrong(f"the network looked {len(passes)} times: all hooks can listen during one pass" if passes else
                    "the network never looked at the picture, or a hook that was there before is gone: remove only your own, by their handles")
    left = _hooks(network) - 1
    if left > 0:
        raise Wrong(f"{left} of your hooks still {'listen' if left > 1 else 'listens'} after you returned: "
                    "keep what register_forward_hook returns, and remove() it")
    if left < 0 or mine.id not in network.conv1_1._forward_hooks:
        raise Wrong("a hook that was there before you came is gone: remove only your own, by their handles")


# --- 2.2 ---------------------------------------------------------------------------------------------------------------

def _seen(steps):
    """How many pixels of a line one number depends on: those with a gradient."""
    line = torch.zeros(1, 1, 600, dtype=torch.float64, requires_grad=True)
    out = line
    for kernel, stride in steps:
        out = F.conv1d(out, out.new_ones(1, 1, kernel), stride=stride)
    out[0, 0, 0].backward()
    return (line.grad != 0).sum().double()


def _field(steps, r=1, j=1, grow=lambda k, s, j: (k - 1) * j, before=lambda s, j: j, after=lambda s, j: j * s):
    """The recursion, with one part of it exchanged."""
    for kernel, stride in steps:
        j = before(stride, j)
        r, j = r + grow(kernel, stride, j), after(stride, j)
    return r


def _some_steps():
    """Four steps (kernel, stride), no stride longer than its kernel: a gradient would have holes."""
    return [(stride + more, stride) for stride, more in torch.randint(0, 3, (4, 2), generator=seeded(22)).add(torch.tensor([1, 0])).tolist()]


VGG_TO_RELU3_1 = [(3, 1), (3, 1), (2, 2), (3, 1), (3, 1), (2, 2), (3, 1)]


@exercise("2.2", "your arithmetic sees as far as the gradient does.")
def check_receptive_field(receptive_field):
    """Tries receptive_field([(kernel, stride), …]) → px against the support of a gradient."""
    for steps in [[(4, 2), (3, 1), (2, 3), (5, 2)], VGG_TO_RELU3_1, [(7, 2)], [(2, 2)] * 4, [(3, 1)] * 5, [], _some_steps()]:
        given, truth = list(steps), _seen(steps)
        answer = attempt(receptive_field, given, on=f"steps {steps}")
        if given != steps:
            raise Wrong("your function changes the list that it is given")
        if isinstance(answer, (tuple, list)):
            raise Wrong(f"{len(answer)} values came back; only the side in px is wanted, one whole number")
        last = _field(steps) - _field(steps[:-1])
        slips = [
            ("strides are left out: behind a step of stride 2, neighbors lie twice as far apart, and every later filter reaches twice as far",
             _field(steps, after=lambda s, j: j)),
            ("a step counts only its own stride: the distance of neighbors is the *product* of all strides before it",
             _field(steps, grow=lambda k, s, j: (k - 1) * s)),
            ("the stride comes too early: a step's own stride only concerns the steps behind it, so let the side grow first",
             _field(steps, before=lambda s, j: j * s, after=lambda s, j: j)),
            ("a filter of k numbers reaches k − 1 neighbors further, not k: it has the first one already",
             _field(steps, grow=lambda k, s, j: k * j)),
            ("one too few: before the first step, a number has seen 1 px, itself", truth - 1),
            ("one too many: a number has seen 1 px before the first step, not 2", truth + 1),
            ("strides are added; they multiply: each makes the distance of neighbors so many times larger", _field(steps, after=lambda s, j: j + s)),
            ("strides are added; they multiply: each makes the distance of neighbors so many times larger", _field(steps, after=lambda s, j: j + s - 1)),
            ("j becomes the latest stride; it is the *product* of all strides so far: j * stride", _field(steps, after=lambda s, j: s)),
            ("only the first step counts: does your loop return, or end, in its first round?", _field(steps[:1])),
            ("kernel and stride have changed places: each step is (kernel, stride)", _field([step[::-1] for step in steps])),
            ("every kernel counts as 3: take each step's own", _field([(3, stride) for _, stride in steps])),
            ("only kernels of 3 count: a pooling, and every other step, reaches further too", _field([(k if k == 3 else 1, s) for k, s in steps])),
            ("kernels are multiplied; each *adds* (kernel − 1) · j", math.prod(kernel for kernel, _ in steps)),
            ("r starts anew at each step: add to what it was, r = r + (kernel − 1) · j", last if steps else 0),
            ("that is right for the steps in reverse order: does your formula begin at the picture, or at the layer?", _field(steps[::-1])),
            ("that is the number of pixels in the square; its side is wanted", truth ** 2),
            ("that is the distance of neighbors, the product of strides; the side of what one number has seen is wanted",
             math.prod(stride for _, stride in steps)),
            ("the last step is missing", truth - last),
            ("the first step is missing", _field(steps[1:])),
        ]
        same(answer, truth, f"the side for steps {steps}", [(message, torch.as_tensor(slip).double()) for message, slip in slips if slip != truth])


# --- 2.3 ---------------------------------------------------------------------------------------------------------------

def _ranked(act, count, strength):
    """[B, count]: channel numbers of each picture by strength(map [H, W]), largest first; one channel after the other."""
    rows = [sorted(range(len(one)), key=lambda channel: -float(strength(one[channel]))) for one in act]
    return torch.tensor([row[:count] for row in rows])


def _ranking(strongest, act, count):
    """`untouched`, with what topk and its crashes mean when they are not what is wanted."""
    try:
        answer = untouched(strongest, act, count)
    except Wrong as wrong:
        if "selected index k out of range" in str(wrong):
            raise Wrong("topk finds too few to choose from: it should run over the channels, dim=1 of the means [B, C]") from None
        raise
    if isinstance(answer, (tuple, list)) and not isinstance(answer, torch.Tensor):
        both = "" if isinstance(answer, list) else "; topk and sort give values *and* indices: take the indices"
        raise Wrong(f"a tensor [B, count] is wanted, you returned a {type(answer).__name__}{both}")
    if isinstance(answer, torch.Tensor) and answer.ndim == 3:
        raise Wrong(f"the answer has shape {list(answer.shape)}: first make one number of each map, the mean over height and width, dim=(2, 3)")
    return answer


@exercise("2.3", "for each picture of a batch, the channels that speak most, the strongest first.")
def check_strongest_channels(strongest):
    """Tries strongest(act [B, C, H, W], count) → [B, count], channel numbers by their mean over positions, largest first."""
    for shape, count in [((2, 9, 3, 5), 4), ((3, 7, 4, 2), 7), ((1, 6, 2, 3), 1)]:
        generator = seeded(sum(shape))
        act = torch.randn(shape, generator=generator) * torch.rand(*shape[:2], 1, 1, generator=generator)
        act[:, 0] -= 3                                             # as before a ReLU: loud, but not saying yes
        answer, truth = _ranking(strongest, act, count), _ranked(act, count, torch.mean)
        means, whole = act.mean(dim=(2, 3)), _ranked(act.mean(dim=0, keepdim=True), count, torch.mean)
        slips = [
            ("ranked by the largest value in each map; the mean over all positions is wanted", _ranked(act, count, torch.max)),
            ("ranked by the sum of squares; the mean over all positions is wanted", _ranked(act, count, lambda one: one.pow(2).sum())),
            ("ranked by absolute values: a strong no counts as a yes; the plain mean is wanted", _ranked(act, count, lambda one: one.abs().mean())),
            ("ranked by the mean's absolute value: a strong no counts as a yes; the plain mean is wanted",
             _ranked(act, count, lambda one: one.mean().abs())),
            ("ranked by the median; the mean over all positions is wanted", _ranked(act, count, torch.median)),
            ("ranked by how often a channel speaks; the mean over all positions is wanted", _ranked(act, count, lambda one: (one > 0).sum())),
            ("the weakest come first: largest mean first is wanted", _ranked(act, count, lambda one: -one.mean())),
            ("the right channels, in the order of their numbers: the strongest first is wanted", truth.sort(dim=1).values),
            ("the right channels, the strongest last: turn the order round", truth.flip(1)),
            *(("these are the means themselves; the channels' numbers are wanted", kind(means.sort(dim=1, descending=True).values[:, :count]))
              for kind in (torch.clone, torch.trunc)),
            ("pictures of the batch are mixed: each has its own strongest channels, [B, count]", whole[0]),
            ("pictures of the batch are mixed: each has its own strongest channels, [B, count]", whole.expand(len(act), -1)),
            ("only the first picture is answered: [B, count] is wanted", truth[0]),
            ("you count channels from 1; they have the numbers 0 to C − 1, as tensors count", truth + 1),
            ("ranked by how much each map varies, its deviation; the mean over all positions is wanted", _ranked(act, count, torch.std)),
            ("negative values are left out: the plain mean is wanted", _ranked(act, count, lambda one: one.relu().sum())),
            ("only the strongest channel is there: `count` of them are wanted, [B, count]", truth[:, 0]),
            *((f"{some} channels are there, whatever `count` says: the first `count` are wanted", _ranked(act, some, torch.mean))
              for some in range(1, shape[1]) if some != count),
            ("rows and columns are exchanged: [B, count] is wanted, a row for each picture", truth.T),
            ("all channels are there: only the first `count` are wanted", _ranked(act, shape[1], torch.mean)),
        ]
        same(answer, truth, f"the answer for activations {list(shape)}, count {count}", slips)
        if answer.is_floating_point():
            raise Wrong("channel numbers are whole numbers (torch.long), yours are floats: one cannot index with them")
