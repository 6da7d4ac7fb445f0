"""Lesson 06: ten probes, one for each classic fault of style-transfer programs. Each raises Wrong with the symptom, never the cure.

No probe reads code. It runs a function on something whose answer is known: a file (those stand in faults_in_files.py), a layer with
each channel twice, a loss whose lowest place one can write down; and it counts.
"""
import torch
from torch.nn import functional as F

from .lesson06_sum import is_the_same_sum
from .vgg import stages
from .verdict import Wrong, attempt, differentiable, same, seeded

_LINE_SEARCH = 25                                                            # evaluations that one line search may take in torch


def size_of(picture):
    """"180×60", as one says it: width × height."""
    return f"{picture.shape[3]}×{picture.shape[2]}"


def _some(*shape, seed=0):
    return torch.randn(*shape, generator=seeded(seed))


def each(message, *slips):
    """[(message, slip), …]: several slips that are told alike."""
    return [(message, slip) for slip in slips]


def _number(found, what):
    """`found` as a 0-d tensor; Wrong when it is not one number."""
    if not isinstance(found, torch.Tensor) or found.numel() != 1:
        raise Wrong(f"{what} should return a single number, as a tensor")
    return found.reshape(())


# --- the losses ------------------------------------------------------------------------------------------------------

def _table(act, divisor):
    """F Fᵀ [C, C] of activations [1, C, H, W], over `divisor`."""
    flat = act.flatten(2)[0]                                                 # [1, C, H, W] → [C, H·W]
    return flat @ flat.T / divisor


def style(gram, style_loss):
    """Fault 5: relative to the painting's table, so that channels, positions and the activations' scale do not count."""
    act, other, channels = _some(1, 3, 5, 4), _some(1, 3, 7, 6, seed=1), 3
    g, a = _table(act, 20), _table(other, 42)
    squares, energy, plain = (g - a).pow(2).sum(), a.pow(2).sum(), (_table(act, 1), _table(other, 1))

    def measured(*pair):
        return _number(attempt(lambda one, two: style_loss(one, gram(two)), *pair), "`style_loss`")
    found, twice = measured(act, other), measured(torch.cat([act, act], 1), torch.cat([other, other], 1))
    deaf = f"of a layer that has each channel twice, the style loss is {found / twice:.2g} times smaller: deep layers are hardly heard"
    same(found, squares / energy, "the style loss", [
        *each(deaf, F.mse_loss(g / channels, a / channels), squares / channels**2 / energy),
        *each("size alone changes the loss: a larger copy of a picture counts as another style", F.mse_loss(*plain),
               F.mse_loss(*plain) / channels**2, (plain[0] - plain[1]).pow(2).sum(), (plain[0] - plain[1]).pow(2).sum() / plain[1].pow(2).sum()),
        *each("activations ten times larger make the loss ten thousand times larger: of five layers one is heard",
               squares / channels**2, squares / channels**2 / 4, squares),
        ("the picture's own table is the measure, and that moves while one paints", squares / g.pow(2).sum()),
        ("that is a distance, not its square: it pulls as hard near the goal as far from it", (squares / energy).sqrt()),
        ("the number of channels changes the loss: a sum over a mean", squares * channels**2 / energy),
        *each("a picture twice as wide, of the same pattern, counts as another style",
              *((_table(act, act.shape[side]) - _table(other, other.shape[side])).pow(2).sum() / _table(other, other.shape[side]).pow(2).sum()
                for side in (2, 3))),
        ("these are absolute differences; squares are wanted", (g - a).abs().sum() / a.abs().sum()),
        ("each entry is measured against its own: the smallest, which hardly count, outweigh all others", ((g - a) / a).pow(2).sum()),
    ], rtol=1e-3)
    differentiable(lambda x: style_loss(x, gram(other)), act, what="the style loss")


def variation(tv_loss):
    """Fault 7: a mean over all values, so that the picture's size does not count."""
    picture = 3 * (_some(1, 3, 40, 44) + _some(1, 3, 40, 1, seed=1))         # rows differ more than columns
    right, down = (picture[..., 1:] - picture[..., :-1]).pow(2), (picture[..., 1:, :] - picture[..., :-1, :]).pow(2)
    both = right.sum() + down.sum()
    same(_number(attempt(tv_loss, picture), "`tv_loss`"), both / picture.numel(), "the total variation", [
        *each("a picture twice as wide and twice as high, of the same pattern, has four times the total variation: large pictures are smeared",
               both, both / 2, both / 3),
        *each("a picture twice as large in one direction has twice the total variation", both / 40, both / 44),
        ("stripes that stand cost nothing: only neighbors above each other are compared", down.mean()),
        ("stripes that lie cost nothing: only neighbors beside each other are compared", right.mean()),
        ("these are absolute differences; squares are wanted", right.sqrt().mean() + down.sqrt().mean()),
        ("three times too large: each pixel has three values, and each counts", both / (40 * 44)),
        ("half of it: each pair of neighbors counts in full, once", both / picture.numel() / 2),
        ("that is the root; it pulls as hard where a picture is smooth as where it is rough", (both / picture.numel()).sqrt()),
    ], rtol=0.06)                                                            # each sum over its own count is right too
    differentiable(tv_loss, picture, what="the total variation")


# --- listening -------------------------------------------------------------------------------------------------------

def _heard(listen):
    """{name: the name of the layer that it really is}; Wrong when it is none."""
    picture = _some(1, 3, 40, 56)
    found, truth, real = attempt(listen, picture.clone()), stages(picture), {}
    if not isinstance(found, dict):
        raise Wrong(f"`listen` should return a dictionary {{name: activations}}, it returned a {type(found).__name__}")
    for name in ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv4_2"):
        if not isinstance(found.get(name), torch.Tensor):
            raise Wrong(f"`listen` returns no {name}; it returns {', '.join(map(str, found)) or 'nothing'}")
        act = found[name].detach()
        if act.ndim != 4:
            raise Wrong(f"what `listen` gives as {name} has shape {list(act.shape)}; [1, C, H', W'] is wanted")
        real[name] = next((stage for stage, value in truth.items()
                           if value.shape == act.shape and torch.allclose(value, act, rtol=1e-3, atol=1e-4)), None)
        if real[name] is None:
            raise Wrong(f"what `listen` gives as {name} is nothing that the network has seen in this picture")
    return real


def right_layers(listen):
    """Fault 2: each name is the layer of that name."""
    wrong = [f"its {name} is {real}" for name, real in _heard(listen).items() if real[4:] != name[4:]]
    if wrong:
        raise Wrong(f"`listen` mixes up layers: {', '.join(wrong)}; grain where strokes and objects should be")


def not_overwritten(listen):
    """Fault 1: a convolution's output as it was, its negative half too."""
    cut = [name for name, real in _heard(listen).items() if real.startswith("relu")]
    if cut:
        raise Wrong(f"what `listen` gives as {cut[0]}{f' (and {len(cut) - 1} more)' if cut[1:] else ''} has no negative value, "
                    "though a convolution's output has: half of it is lost")
    differentiable(lambda picture: listen(picture)["conv4_2"], _some(1, 3, 32, 32), what="`listen`")


# --- the sum ---------------------------------------------------------------------------------------------------------

def frugal(make_total, network):
    """Fault 10: what never changes is computed once, and no gradient is made for what nobody moves."""
    content, painting, seen = _some(1, 3, 32, 40), _some(1, 3, 32, 40, seed=1), []
    hook = network[0].register_forward_hook(lambda *_: seen.append(1))
    try:
        total = attempt(make_total, content, painting)
        if not callable(total):
            raise Wrong(f"`make_total` should return the function `total`; it returns a {type(total).__name__}")
        picture = _some(1, 3, 32, 40, seed=2).requires_grad_()
        network.zero_grad(set_to_none=True)
        loss = _number(attempt(total, picture), "total(picture)")
        attempt(loss.backward, on="`backward()`")
        useless = sum(parameter.grad is not None for parameter in network.parameters())
        seen.clear()
        again, passes = attempt(total, picture), len(seen)
        attempt(again.backward, on="the second `backward()`")
    finally:
        hook.remove()
        network.zero_grad(set_to_none=True)
    if picture.grad is None or not picture.grad.abs().sum() > 0:
        raise Wrong("no gradient reaches the picture: nothing will be painted")
    if not torch.allclose(loss, again, rtol=1e-3):
        raise Wrong("asked a second time, the same picture has another loss")
    told = [f"each evaluation sends {passes} pictures through the network, and {passes - 1} of them never change"] * (passes > 1)
    told += [f"each backward pass makes gradients for {useless} of the network's weights and biases, which nobody moves"] * (useless > 0)
    if told:
        raise Wrong("; ".join(told))
    _asks_for_both(make_total, content, painting)
    is_the_same_sum(make_total, content, painting)
    attempt(lambda: make_total(content, painting.mT.contiguous())(picture), on="a painting of another size")


def _asks_for_both(make_total, content, painting):
    """Wrong unless the loss depends on both pictures, and is nothing where all three are one gray."""
    gray = torch.full((1, 3, 32, 40), 0.3)

    def value(*pictures):
        return float(make_total(*pictures)(gray))
    usual = value(content, painting)                                         # at 0.3 a paler painting of noise can be just as far from gray
    for what, other in (("photograph", value(content * 0.3, painting)), ("painting", value(content, painting * 0.1))):
        if abs(other - usual) < 1e-4 * usual:
            raise Wrong(f"with another {what} the loss is the same: the picture is measured against something else")
    if value(gray, gray) > 1e-3:
        raise Wrong("photograph, painting and picture are one gray sheet, and yet there is a loss")


# --- the loop --------------------------------------------------------------------------------------------------------

def _painted(paint, wish, max_iter, restless=0.0):
    """paint() towards `wish` [1, 3, H, W], some values steeper than others → (the painted picture, those it tried).

    restless: how much the loss changes from evaluation to evaluation, so that no optimizer ends because it has arrived.
    """
    steep = torch.logspace(0, 2, wish.numel()).reshape(wish.shape)
    tried, watched, slopes, start = [], [], [], 0.5 + 0.1 * _some(*wish.shape, seed=5)

    def total(picture):
        tried.append(picture.detach().clone())
        wave = restless * _some(*wish.shape, seed=len(tried))
        loss = (steep * ((1 + (picture - wish).pow(2)).sqrt() - 1) + wave * picture).mean()
        if picture.is_leaf and picture.requires_grad:
            slopes.append(torch.autograd.grad(loss, picture, retain_graph=True)[0])
            if not any(picture is one for one in watched):
                watched.append(picture)
                picture.register_post_accumulate_grad_hook(compare)
        return loss

    def compare(picture):
        if not torch.allclose(picture.grad, slopes[-1], rtol=1e-3, atol=1e-6, equal_nan=True):
            raise Wrong("to each gradient all earlier ones are added, and the picture is driven past every goal")
    kept = start.clone()
    painted = attempt(paint, start, total, max_iter)
    if not tried:
        raise Wrong(f"asked for max_iter={max_iter}, `paint` does not ask total(picture) once")
    if not isinstance(painted, torch.Tensor) or painted.shape != wish.shape:
        raise Wrong("`paint` should return the painted picture, [1, 3, H, W]")
    if not torch.equal(start, kept):
        raise Wrong("`paint` changes the picture that it is given")
    return painted.detach(), tried


def _stuck(picture):
    """The least or greatest value when several places of the picture have exactly that one, as after a clamp; else None."""
    return next((end.item() for end in (picture.min(), picture.max()) if (picture == end).sum() > 2), None)


def free(paint):
    """Fault 3: nobody but the optimizer moves the picture."""
    wish = 1.8 * torch.linspace(-1, 1, 108).reshape(1, 3, 6, 6)              # dark to bright, as in a normalized picture
    painted, tried = _painted(paint, wish, 24)
    for picture in (tried[-1], painted):
        if _stuck(picture) is not None:
            raise Wrong(f"wanted between -1.8 and 1.8, the picture is held between {picture.min():.1f} and {picture.max():.1f}: "
                        "dark places and strong colors cannot be painted")
    _, tried = _painted(paint, 4 * wish, 24)
    if _stuck(tried[-1]) is not None:
        raise Wrong(f"no value beyond {_stuck(tried[-1]):.1f} is ever tried: something moves the picture behind the optimizer's back")
    if not (painted - wish).abs().mean() < 0.5 * wish.abs().mean():
        raise Wrong("after 24 evaluations the picture is hardly nearer to what was wanted")


def counted(paint):
    """Fault 4: `max_iter` evaluations are so many, but for the end of one line search."""
    wish, asked = 1.8 * _some(1, 3, 6, 6, seed=4), 40
    found, few = (len(_painted(paint, wish, count, restless=0.01)[1]) for count in (asked, 3))
    if found > asked + _LINE_SEARCH:
        raise Wrong(f"asked for max_iter={asked}, `paint` evaluates the loss {found} times, and takes so much longer")
    if found < 0.6 * asked:
        raise Wrong(f"asked for max_iter={asked}, `paint` stops after {found} evaluations, far from done")
    if few > 3 + _LINE_SEARCH:
        raise Wrong(f"asked for max_iter=3, `paint` evaluates the loss {few} times")
