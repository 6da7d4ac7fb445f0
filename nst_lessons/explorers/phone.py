"""Lesson 12: teacher and student side by side, what each costs, and the student with fewer bits, by the learner's own functions."""
import functools
import statistics
import time

import torch

from ..fast import load_fast
from ..mobile import load_mobile
from ..mobile.counting import multiply_adds, parameters
from ..mobile.export import trimmed
from ..mobile.quantize import rounded
from .canvas import bars, photo as photo_of, sheet
from .captions import ask, checked
from .controls import choice, load_sample
from .explorer import Explorer

PHOTOS = ["astronaut", "cat", "coffee", "motorcycle", "rocket"]
SIZES, FLOAT = [128, 192, 256, 384], 32
_SIDE, _ROUNDS = 200, 5                                                      # px of a picture as drawn; passes that are timed
_BLUE, _ORANGE = "#56B4E9", "#E69F00"


class PhoneExplorer(Explorer):
    """A photograph by lesson 08's network and by its student, and four bars: numbers, multiply-adds, kB and time, from teacher to student.

    `separable_conv(x, depthwise, pointwise, stride)` → [B, D, H′, W′] stands in for the student's own where it goes down to a quarter of
    the size. `quantized(kernel, bits)` → (whole, scale), where given: a control for the bits of all kernels. `size`: px.
    """
    width = 3 * _SIDE + 24

    def __init__(self, separable_conv=None, quantized=None, photo="astronaut", style="starry", size=256):
        self.separable_conv, self.quantized = separable_conv, quantized
        self._teacher, self._student, self._plain = load_fast(device="cpu"), load_mobile(device="cpu"), load_mobile(device="cpu")
        self._cost = functools.cache(self._measured)
        self._pictures = functools.lru_cache(maxsize=8)(self._painted_by_teacher)
        if separable_conv:
            layer = self._student.down[1]
            layer.forward = functools.partial(self._separated, layer)
        self.photo = choice("photograph", list(dict.fromkeys([photo, *PHOTOS])), photo)
        self.style = choice("style", self._teacher.styles, style)
        self.size = choice("size (px)", SIZES, size, "longer side of the photograph")
        bits = [(f"{FLOAT} (as learned)", FLOAT), *((str(bits), bits) for bits in (8, 6, 5, 4, 3, 2))]
        self.bits = choice("bits", bits, 8, "of each number in a kernel")
        super().__init__([self.photo, self.style, self.size, *([self.bits] if quantized else [])])

    def __repr__(self):
        given = [f"{name}={getattr(one, '__name__', 'function')}" for name, one in
                 (("separable_conv", self.separable_conv), ("quantized", self.quantized)) if one]
        return f"PhoneExplorer({', '.join(given)})"

    def _separated(self, layer, x, mix):
        """What the learner's function makes of a layer; ValueError, in plain words, when that is no such thing."""
        wanted = [x.shape[0], layer.across.conv.out_channels, *(-(-side // 2) for side in x.shape[2:])]
        answer = checked(ask(self.separable_conv, x, layer.around.weight, layer.across.conv.weight, 2), wanted)
        return layer.across.norm(answer, mix).relu()

    def _whole(self, kernel, bits):
        """The learner's whole numbers and scales; ValueError, in plain words, when they are no such thing."""
        answer = ask(self.quantized, kernel, bits)
        if not isinstance(answer, (tuple, list)) or len(answer) != 2 or not all(isinstance(part, torch.Tensor) for part in answer):
            raise ValueError("your function should return two tensors, whole and scale")
        whole, scale = answer
        if (whole * scale).shape != kernel.shape or not (whole * scale).isfinite().all():
            raise ValueError(f"whole * scale should be {list(kernel.shape)}, all numbers finite")
        return whole, scale

    def _measured(self, student, size):
        """(numbers, million multiply-adds, ms) of one of the two networks, the package's; the time is the median of a few passes."""
        net, photo = self._plain if student else self._teacher, torch.rand(1, 3, size, size)
        mix, times = net.mix(net.styles[0]), []
        with torch.inference_mode():
            cost = sum(multiply_adds(net, photo, mix).values()) / 1e6
            for _ in range(_ROUNDS):
                began = time.perf_counter()
                net(photo, mix)
                times.append(time.perf_counter() - began)
        return parameters(net), cost, 1000 * statistics.median(times)

    def _photograph(self, name, size):
        return trimmed(load_sample(name, size))

    @torch.inference_mode()
    def _painted_by_teacher(self, name, style, size):
        return self._teacher(self._photograph(name, size), style)

    def _bytes(self):
        """kB of teacher and student in memory: kernels with so many bits, scales, shifts and biases with 32."""
        kernels = sum(p.numel() for p in self._student.parameters() if p.ndim == 4)
        scales = sum(len(p) for p in self._student.parameters() if p.ndim == 4)
        bits = self.bits.value if self.quantized else FLOAT
        rest = parameters(self._student) - kernels + (scales if bits < FLOAT else 0)
        return parameters(self._teacher) * 4 / 1000, (kernels * bits / 8 + rest * 4) / 1000

    def draw(self):
        name, style, size = self.photo.value, self.style.value, self.size.value
        net, bits = self._student, self.bits.value if self.quantized else FLOAT
        if bits < FLOAT:
            net = rounded(net, bits, self._whole)
        goal = self._pictures(name, style, size)
        with torch.inference_mode():
            painted = net(self._photograph(name, size), style)
        (many, adds, slow), (few, less, quick) = self._cost(False, size), self._cost(True, size)
        large, small = self._bytes()
        costs = bars([("numbers (thousand)", many / 1000, few / 1000, _BLUE, f"{many / few:.0f} times less"),
                      ("multiply-adds (million)", adds, less, _BLUE, f"{adds / less:.0f} times less"),
                      ("memory (kB)", large, small, _BLUE, f"{large / small:.0f} times less"),
                      ("time (ms)", slow, quick, _ORANGE, f"{slow / quick:.1f} times less")], 3 * _SIDE + 24, 1, 10000)
        row = [("photograph", photo_of(self._photograph(name, size), _SIDE)), ("teacher", photo_of(goal, _SIDE)),
               (f"student, {bits} bits", photo_of(painted, _SIDE))]
        far = (painted - goal).square().mean().sqrt()
        text = (f"the student is {far:.3f} from its teacher (root of the mean square, 1 would be black for white); mark = teacher, bar = from "
                f"there to the student, {size} × {size} px, {torch.get_num_threads()} threads here")
        return sheet([row, [("What a picture costs", costs)]]), text
