"""Lesson 06: whether the mended sum of losses is still the sum that it was. The oracle is the formula, of the program's own parts."""
import itertools

import torch

from .verdict import Wrong, attempt, same, seeded

_PARTS = ["ALPHA", "BETA", "GAMMA", "STYLE", "content_loss", "gram", "listen", "style_loss", "tv_loss"]


def is_the_same_sum(make_total, content, painting):
    """Wrong unless make_total(content, painting) is α content + β style + γ smoothness, of three pictures [1, 3, H, W] of one size.

    The parts are those that `make_total` sees itself, by their names; its gradient must come from all three, too.
    """
    parts = getattr(make_total, "__globals__", {})
    missing = [name for name in _PARTS if name not in parts]
    if missing:
        raise Wrong(f"the program has no {', '.join(missing)}: run the cells above first")
    picture = torch.randn(content.shape, generator=seeded(3)).requires_grad_()
    found = attempt(make_total(content, painting), picture)
    pieces = _pieces(parts, content, painting, picture)
    truth = sum(pieces.values())
    same(found, truth, "total(picture)", [
        *((f"the {name} is in the sum no longer", truth - piece) for name, piece in pieces.items()),
        ("the picture is measured against the photograph's style and the painting's content: the two have changed places",
         sum(_pieces(parts, painting, content, picture).values())),
        ("all layers count alike: the weights in STYLE are not used",
         sum(_pieces(parts | {"STYLE": dict.fromkeys(parts["STYLE"], 1.0)}, content, painting, picture).values())),
    ], rtol=1e-3)
    _pulls(found, pieces, picture)


def _pieces(parts, content, painting, picture):
    """{"content", "style", "smoothness"}: the three summands, with their factors."""
    with torch.no_grad():
        wanted, painted = parts["listen"](content)["conv4_2"], parts["listen"](painting)
        targets = {layer: parts["gram"](painted[layer]) for layer in parts["STYLE"]}
    seen = parts["listen"](picture)
    style = sum(weight * parts["style_loss"](seen[layer], targets[layer]) for layer, weight in parts["STYLE"].items())
    return {"content": parts["ALPHA"] * parts["content_loss"](seen["conv4_2"], wanted), "style": parts["BETA"] * style,
            "smoothness": parts["GAMMA"] * parts["tv_loss"](picture)}


def _pulls(found, pieces, picture):
    """Wrong unless the gradient of `found` is that of the three pieces together."""
    slope, = torch.autograd.grad(found, picture)
    slopes = {name: torch.autograd.grad(piece, picture, retain_graph=True)[0] for name, piece in pieces.items()}
    whole = sum(slopes.values())

    def near(wanted):
        return (slope - wanted).abs().max() <= 1e-3 * whole.abs().max()
    if near(whole):
        return
    for lost in itertools.chain(*(itertools.combinations(slopes, count) for count in (1, 2))):
        if near(whole - sum(slopes[name] for name in lost)):
            raise Wrong(f"{' and '.join(lost)}: in the sum, but without a gradient, so the picture feels nothing of it")
    raise Wrong("the sum is right, but not its gradient: something in it was computed without one")
