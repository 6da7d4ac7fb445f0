"""Lesson 02: one layer, one channel, one place: where the channel speaks in a photograph, and how much of it one number has seen."""
import functools

import ipywidgets as widgets
import torch
from PIL import Image, ImageDraw
from torch import nn
from torch.nn import functional as F

from ..features import Features
from ..images import to_pil
from .canvas import heat, photo, sheet
from .captions import ask
from .controls import choice, load_sample, slider
from .explorer import Explorer

CONVS = ["conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv4_2", "conv5_1"]
LAYERS = [kind + conv[4:] for conv in CONVS for kind in ("conv", "relu")]
PHOTOS = ["cat", "astronaut", "coffee", "motorcycle", "rocket", "galaxies", "starry", "waves"]
_SIZE, _WIDTH, _GAP, _STRONGEST, _SEEN = 256, 640, 12, 6, 110      # px of the photograph, of the sheet; thumbnails; px of what is seen


class FeatureMapExplorer(Explorer):
    """One channel's map beside the photograph, by the learner's own functions; what is not given, the explorer does itself.

    listen(network, picture [1, 3, H, W], layer) → [1, C, H', W'], or record(network, picture, layers) → {layer: [1, C, H', W']};
    receptive_field([(kernel, stride), …]) → px, for the box; strongest(act [B, C, H, W], count) → [B, count], for the small maps.
    """

    def __init__(self, listen=None, record=None, receptive_field=None, strongest=None, features=None):
        self.given = {name: function for name, function in [("listen", listen), ("record", record), ("strongest", strongest),
                                                            ("receptive_field", receptive_field)] if function is not None}
        self.network = _Named(features or Features("tiny"))
        self._heard = functools.lru_cache(maxsize=24)(self._hear)
        self._picture = functools.lru_cache(maxsize=len(PHOTOS))(functools.partial(load_sample, size=_SIZE))
        self.photo = choice("picture", PHOTOS, "cat")
        self.layer = choice("layer", LAYERS, "relu5_1", "conv: as the convolution left it; relu: after the ReLU")
        self.channel = slider("channel", 0, 0, 511, 1, "its number; the same at every picture")
        self.down = slider("place: down, %", 42, 0, 100, 1, "0 is the top")
        self.across = slider("place: across, %", 34, 0, 100, 1, "0 is the left")
        self._settling = True                                              # the channel is about to be chosen: one drawing is enough
        super().__init__([self.photo, self.layer, self.channel, self.down, self.across], width=_WIDTH)
        self._settling = False
        self.numbers = [widgets.Button(layout={"width": "52px"}) for _ in range(_STRONGEST)]
        self.loudest = widgets.Button(description="loudest at this place", tooltip="the channel with the largest value there",
                                      layout={"width": "max-content"})
        for button in self.numbers:
            button.on_click(self.guarded(lambda button: self._choose(int(button.description))))
        self.loudest.on_click(self.guarded(lambda button: self._choose(self._loudest())))
        self.widget.children[0].children += (
            widgets.HTML("Jump to the channel that is", layout={"margin": "8px 2px 0 2px"}), self.loudest,
            widgets.HTML("or to one of those that speak most"), widgets.HBox(self.numbers, layout={"flex_flow": "row wrap"}))
        self.guarded(self.answer)({"owner": self.layer, "old": "", "new": self.layer.value})

    def __repr__(self):
        words = ", ".join(f"{name}={getattr(function, '__name__', 'function')}" for name, function in self.given.items())
        return f"FeatureMapExplorer({words})"

    # --- what the learner's functions say, looked at before it is believed ---

    def _hear(self, name, layer):
        """Activations [1, C, H, W] of a layer, by the learner's hook; ValueError, in plain words, when they are no such thing."""
        picture = self._picture(name)
        if "record" in self.given:
            found = ask(self.given["record"], self.network, picture, [layer])
            if not isinstance(found, dict) or layer not in found:
                got = f"a dict of {', '.join(map(str, found)) or 'nothing'}" if isinstance(found, dict) else type(found).__name__
                raise ValueError(f"your function should return a dict with {layer}, it returned {got}")
            act = found[layer]
        else:
            act = ask(self.given.get("listen", _listen), self.network, picture, layer)
        left = self.network.forget_hooks()
        if left:
            raise ValueError(f"your function left {left} hook{'s' * (left > 1)} in the network: call remove() of what register_forward_hook returned")
        if not isinstance(act, torch.Tensor) or act.ndim != 4 or len(act) != 1:
            got = list(act.shape) if isinstance(act, torch.Tensor) else type(act).__name__
            raise ValueError(f"the activations of {layer} should be [1, C, H, W], they are {got}")
        return picture, act.detach()

    def _side(self, layer):
        """px of the square that one number of the layer has seen, by the learner's function; None when there is none."""
        if "receptive_field" not in self.given:
            return None
        side = ask(self.given["receptive_field"], steps_to(layer), name="receptive_field")
        if isinstance(side, torch.Tensor) and side.ndim == 0:
            side = side.item()
        if not isinstance(side, (int, float)) or isinstance(side, bool) or side != int(side) or side < 1:
            raise ValueError(f"receptive_field should return a whole number of px, it returned {side!r}")
        if side > 4 * _SIZE:
            raise ValueError(f"receptive_field returned {int(side)} px for {layer}: that is far more than the picture has")
        return int(side)

    def _strongest(self, act):
        """Numbers of the channels that speak most, by the learner's function."""
        count = min(_STRONGEST, act.shape[1])
        numbers = ask(self.given.get("strongest", _strongest), act, count, name="strongest")
        got = list(numbers.shape) if isinstance(numbers, torch.Tensor) else type(numbers).__name__
        if got == [1, count] and numbers.is_floating_point():
            got = f"such as {numbers[0, 0]:.3g}, which are floats"
        elif got == [1, count] and not 0 <= numbers.min() <= numbers.max() < act.shape[1]:
            got = f"some from {numbers.min()} to {numbers.max()}"
        elif got == [1, count]:
            return numbers[0].tolist()
        raise ValueError(f"strongest should return [1, {count}] channel numbers, 0 to {act.shape[1] - 1}; it returned {got}")

    # --- the channel that is shown ---

    def _place(self, act):
        """(row, column) of the sliders in a map."""
        return tuple(min(int(slider.value / 100 * length), length - 1) for slider, length in zip((self.down, self.across), act.shape[2:]))

    def _loudest(self):
        _, act = self._heard(self.photo.value, self.layer.value)
        row, column = self._place(act)
        return act[0, :, row, column].argmax().item()

    def _choose(self, number):
        self.channel.value = number

    def answer(self, event=None):
        """Draws; where the layer has become another one, its loudest channel at this place is chosen first."""
        if self._settling:
            return
        if event is not None and event["owner"] is self.layer:
            self._settling = True
            try:
                _, act = self._heard(self.photo.value, self.layer.value)
                self.channel.max = act.shape[1] - 1
                if event["old"][4:] != event["new"][4:]:                   # conv3_1 and relu3_1 have the same channels
                    self._choose(self._loudest())
            finally:
                self._settling = False
        super().answer(event)

    def draw(self):
        layer, (picture, act) = self.layer.value, self._heard(self.photo.value, self.layer.value)
        signed, number = layer.startswith("conv"), min(self.channel.value, act.shape[1] - 1)
        row, column = self._place(act)
        stride, side, strongest = 2 ** (int(layer[4]) - 1), self._side(layer), self._strongest(act)
        for button, one in zip(self.numbers, strongest):
            button.description, button.tooltip = str(one), f"show channel {one}"
        width = (_WIDTH - _GAP) // 2 if side is None else (_WIDTH - _SEEN - 2 * _GAP) // 2
        top, left, length = _box(row, column, stride, side or stride)
        shown = photo(picture, width)
        scale = shown.width / picture.shape[3]
        first = [(f"{self.photo.value}, {picture.shape[3]} by {picture.shape[2]} px", _framed(shown, left * scale, top * scale, length * scale)),
                 (f"{layer}, channel {number}", self._map(act[0, number], width, signed, (row, column)))]
        if side is not None:
            first.append((f"it saw {side} px", _enlarged(picture, top, left, length)))
        small = (_WIDTH - (_STRONGEST - 1) * _GAP) // _STRONGEST
        second = [(str(one), self._map(act[0, one], small, signed, chosen=one == number)) for one in strongest]
        values, here = act[0, number], act[0, number, row, column].item()
        text = (f"{layer}: {act.shape[1]} channels, {act.shape[2]} × {act.shape[3]} places. "
                f"Channel {number}: {here:.2g} at the mark (row {row}, column {column}), "
                f"from {values.min():.2g} to {values.max():.2g} over the picture. Small: the channels that speak most.")
        return sheet([first, second]), text

    def _map(self, values, width, signed, place=None, chosen=False):
        """A feature map as colors, with a mark at one place, or a frame when it is the chosen one."""
        if values.shape[1] > 2 * width:                                    # averaged, or fine lines would be lost
            values = F.adaptive_avg_pool2d(values[None], [max(1, round(length * width / max(values.shape))) for length in values.shape])[0]
        image = heat(values, width, signed=signed)
        if place is not None:
            cell = image.width / values.shape[1]
            return _framed(image, place[1] * cell, place[0] * cell, cell)
        if chosen:
            ImageDraw.Draw(image).rectangle([0, 0, image.width - 1, image.height - 1], outline="#D55E00", width=4)
        return image


class _Named(nn.Module):
    """A network whose layers are modules of their names, for hooks to find; its ReLUs work in place, as those of torchvision's VGG."""

    def __init__(self, features):
        super().__init__()
        self.look, self.seen = functools.partial(features, layers=CONVS), (None, {})
        for name in LAYERS:
            self.add_module(name, nn.Identity() if name in CONVS else nn.ReLU(inplace=True))

    def forward(self, picture):
        if picture is not self.seen[0]:                                    # the same photograph, another layer: seconds count
            self.seen = picture, self.look(picture)
        for name, act in self.seen[1].items():                             # each goes through conv…, then through relu…
            act = self.get_submodule("relu" + name[4:])(self.get_submodule(name)(act.clone()))
        return act

    def forget_hooks(self):
        """How many hooks were still there; they are removed."""
        hooks = [kept for module in self.modules() for kept in (module._forward_hooks, module._forward_pre_hooks)]
        count = sum(len(kept) for kept in hooks)
        for kept in hooks:
            kept.clear()
        return count


def _listen(network, picture, layer):
    kept = []
    handle = network.get_submodule(layer).register_forward_hook(lambda module, inputs, output: kept.append(output.clone()))
    network(picture)
    handle.remove()
    return kept[0]


def _strongest(act, count):
    return act.mean(dim=(2, 3)).topk(count, dim=1).indices


def steps_to(layer):
    """(kernel, stride) of each convolution and pooling of VGG-19 from the picture to `layer`, such as relu3_1."""
    steps = []
    for block, count in enumerate((2, 2, 4, 4, 4), start=1):
        for number in range(1, count + 1):
            steps.append((3, 1))
            if layer[4:] == f"{block}_{number}":
                return steps
        steps.append((2, 2))
    raise ValueError(f"VGG-19 has no layer {layer!r}")


def _box(row, column, stride, side):
    """(top, left, side) in px of a square of that side around what lies under a map's position."""
    return *(place * stride + (stride - side) / 2 for place in (row, column)), side


def _framed(image, left, top, length):
    """The image with a square drawn on it, light between dark so that it shows on anything; never under 7 px wide."""
    grow = max(0, 7 - length) / 2
    left, top, right, bottom = left - grow, top - grow, left + length + grow, top + length + grow
    image = image.convert("RGB")
    draw = ImageDraw.Draw(image)
    for out, color in ((2, "#222222"), (1, "white"), (0, "white"), (-1, "#222222")):
        if right - left + 2 * out > 2:
            draw.rectangle([left - out, top - out, right + out, bottom + out], outline=color)
    return image


def _enlarged(picture, top, left, length):
    """The square of the picture that one number has seen, `_SEEN` px wide; gray where it reaches beyond."""
    top, left = round(top), round(left)
    framed = F.pad(picture, [length] * 4, value=0.5)
    seen = framed[:, :, top + length:top + 2 * length, left + length:left + 2 * length]
    smooth = Image.Resampling.NEAREST if length < _SEEN else Image.Resampling.LANCZOS
    return to_pil(seen).resize((_SEEN, _SEEN), smooth)
