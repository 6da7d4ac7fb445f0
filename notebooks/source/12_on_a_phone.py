# %% [markdown]
# # 12 · On a phone
#
# **How small can it get?**
#
# 40 minutes · lesson 08 · two CPU cores, no GPU, no network
#
# After this you can
# - take a convolution apart, and count what that saves,
# - let a large network teach a small one,
# - write a network as a file that an app can run, and prove that it paints the same there.

# %%
import copy
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime
import torch
import nst_lessons as nst
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode
from nst_lessons import fast, mobile, plots
from nst_lessons.checks import check_distill_step, check_inverted_residual, check_quantized
from nst_lessons.explorers import PhoneExplorer
from nst_lessons.mobile import counting
from nst_lessons.mobile.export import compare, export, trimmed
from nst_lessons.mobile.quantize import quantize_onnx, rounded

features = nst.Features("tiny")

# %% [markdown]
# ## A picture that poses the question
#
# Two networks, three styles. One is lesson 08's, with 358 thousand numbers. The other has a sixth of them; its file, two bytes a number,
# fits eleven times on an old floppy disk. Neither has seen this photograph. A coin says which is A. Which row is whose?

# %%
photo, names = nst.load_image("cat", size=256), ["starry", "stained_glass", "autumn_forest"]
teacher, student = fast.load_fast(device="cpu"), mobile.load_mobile(device="cpu")
coin = torch.randperm(2, generator=torch.Generator().manual_seed(1))
rows = {letter: (teacher, student)[side] for letter, side in zip("AB", coin)}
plots.show([net(photo, name) for net in rows.values() for name in names],
           [f"{row}: {name}" for row in rows for name in names], columns=3)

# %%
style = {name: nst.load_image(name, size=256) for name in names}
far = {row: [nst.style_error(net(photo, name), style[name], features) for name in names]
       for row, net in rows.items()}
print("numbers:", {row: counting.parameters(net) for row, net in rows.items()})
print("style error, A at most a quarter above B:", sum(far["A"]) < 1.25 * sum(far["B"]))

# %% [markdown]
# *A is the small one.*
#
# ## Predict first
#
# It needs a ninth of the multiplications. On the machine that you sit at, how much faster will it be?
#
# - **a** nine times,
# - **b** two or three times,
# - **c** no faster: small networks only save memory.
#
# Note your answer; see *The real thing*.

# %% [markdown]
# ## Small enough for paper
#
# A 3×3 convolution from 4 channels to 4 multiplies, at each position, 9 · 4 numbers for each of 4 channels: 144. Taken apart: first
# each channel looks around by itself, 9 · 4. Then every position mixes its channels, 4 · 4. How much is that? And for 64 channels instead of 4?

# %%
def conv_cost(before, after, kernel, positions, groups=1):
    return positions * after * (before // groups) * kernel * kernel


for c in (4, 64):
    whole = conv_cost(c, c, 3, positions=1)
    around, across = conv_cost(c, c, 3, 1, groups=c), conv_cost(c, c, 1, 1)
    less = whole / (around + across)
    print(f"{c} channels: {whole} or {around} + {across}, {less:.1f} times less")

# %% [markdown]
# ## The mathematics, and the function
#
# $$y_{d} = \sum_c p_{dc}\,(k_c * x_c)$$
#
# $k_c$: *depthwise*, one k×k kernel for each channel $c$; $p_{dc}$: *pointwise*, one number for each pair of channels. In torch, `groups` says how many
# groups of channels never meet; with as many groups as channels, each is alone. (Howard et al. 2017)

# %%
def separable_conv(x, depthwise, pointwise, stride=1):
    """x: [B, C, H, W]; depthwise: [C, 1, k, k]; pointwise: [D, C, 1, 1] → [B, D, H', W']."""
    border = depthwise.shape[-1] // 2
    x = F.pad(x, (border,) * 4, mode="reflect")
    x = F.conv2d(x, depthwise, stride=stride, groups=x.shape[1])     # each channel by itself
    return F.conv2d(x, pointwise)                                    # each position mixes channels

# %% [markdown]
# ## The same by a loop, and by the library
#
# The loop goes over channels. And the last line shows what has been given up: it *is* a convolution, but one whose kernels are all products,
# $p_{dc}\,k_c$. All channels that come out look at channel $c$ through the same window.

# %%
def by_loop(x, depthwise, pointwise):
    wide, out = F.pad(x, (1, 1, 1, 1), mode="reflect"), 0
    for c in range(x.shape[1]):
        seen = F.conv2d(wide[:, c:c + 1], depthwise[c:c + 1])        # [B, 1, H, W]
        out = out + pointwise[:, c].view(1, -1, 1, 1) * seen         # [1, D, 1, 1] · [B, 1, H, W]
    return out


torch.manual_seed(0)
x, depthwise, pointwise = torch.randn(2, 3, 6, 5), torch.randn(3, 1, 3, 3), torch.randn(4, 3, 1, 1)
truth, border = by_loop(x, depthwise, pointwise), F.pad(x, (1, 1, 1, 1), mode="reflect")
torch.testing.assert_close(separable_conv(x, depthwise, pointwise), truth)
torch.testing.assert_close(mobile.separable_conv(x, depthwise, pointwise), truth)
products = pointwise * depthwise.transpose(0, 1)                     # [4, 3, 1, 1] · [1, 3, 3, 3]
torch.testing.assert_close(F.conv2d(border, products), truth, rtol=1e-4, atol=1e-5)
print("loop = function = package = one convolution with products for kernels")

# %% [markdown]
# ## The real thing
#
# Where are the multiplications? A hook on every convolution counts, as in lesson 02. Torch's own counter must agree; it counts a multiplication and an
# addition as two. Then a clock: the two networks in turns, so that a busy moment of the machine meets both.

# %%
square, cost = torch.rand(1, 3, 256, 256), {}
for row, net in (("teacher", teacher), ("student", student)):
    cost[row] = counting.multiply_adds(net, square, "starry")
    with FlopCounterMode(display=False) as torchs:
        net(square, "starry")
    parts = {part: sum(n for name, n in cost[row].items() if name.startswith(part)) / 1e6
             for part in ("down", "blocks", "up", "out")}
    print(row, {part: f"{n:,.0f} million" for part, n in parts.items()},
          "· torch agrees:", torchs.get_total_flops() == 2 * sum(cost[row].values()))
print(f"together: {sum(cost['teacher'].values()) / sum(cost['student'].values()):.1f} times less")

# %% tags=["nbval-ignore-output"]
def milliseconds(paint, rounds=9):
    """{name: median} of functions of nothing."""
    times = {name: [] for name in paint}
    for _ in range(rounds):
        for name, one in paint.items():
            began = time.perf_counter()
            one()
            times[name].append(1000 * (time.perf_counter() - began))
    return {name: sorted(found)[rounds // 2] for name, found in times.items()}


with torch.inference_mode():
    took = milliseconds({row: lambda net=net: net(square, "starry")
                         for row, net in (("teacher", teacher), ("student", student))})
print({row: f"{ms:.0f} ms" for row, ms in took.items()},
      f"· {took['teacher'] / took['student']:.1f} times faster")

# %% [markdown]
# *Most likely **b**.* A number that is fetched from memory, multiplied once and put back costs the fetching. The teacher's 3×3 convolutions use each
# fetched number hundreds of times; a depthwise 3×3 kernel uses it nine times, a normalization once or twice. So multiplications tell what a chip
# *could* save; a clock tells what it does.
#
# ## Explore
#
# Other photographs, styles, sizes. Your cell's `separable_conv` works in the student.

# %%
PhoneExplorer(separable_conv=separable_conv, style="stained_glass")

# %% [markdown]
# ## What changed? Why?
#
# From 128 to 384 px, which of the four bars moved, and which stayed? Which styles does the student imitate worst?
#
# <details><summary>Answer</summary>
#
# Numbers stay, and so does the memory that they take: kernels do not know how large a picture is. Multiplications and time grow with the area, for both
# networks alike. Worst are styles with hard, fine edges: where teacher and student disagree by a pixel, a black line meets a white gap.
#
# </details>

# %% [markdown]
# ## Exercise 12.1 · An inverted residual
# ●●○ · 8 minutes
#
# The student's blocks: *widen* x from C to E channels (1×1), look around in each (depthwise), *narrow* back to C (1×1), add x. A ReLU after widening and one
# after looking around; none after narrowing, where each channel counts. Mirror borders; k is 3 or 5. (Sandler et al. 2018; two normalizations are left out.)

# %% exercise="12.1"
def inverted_residual(x, widen, depthwise, narrow):
    """x: [B, C, H, W]; [E, C, 1, 1]; [E, 1, k, k]; [C, E, 1, 1] → like x."""
    ### BEGIN SOLUTION
    wide = F.relu(F.conv2d(x, widen))                                # [B, E, H, W]
    border = depthwise.shape[-1] // 2
    mirrored = F.pad(wide, (border,) * 4, mode="reflect")
    seen = F.conv2d(mirrored, depthwise, groups=wide.shape[1])
    return x + F.conv2d(F.relu(seen), narrow)
    ### END SOLUTION

# %%
check_inverted_residual(inverted_residual)

# %% [markdown]
# <details><summary>Hint</summary>
#
# Three convolutions. Only the middle one has `groups`, and only there a border matters: 1×1 kernels do not look around.
#
# </details>
# <details><summary>Second hint</summary>
#
# Widen and ReLU. Mirror by `depthwise.shape[-1] // 2` on all four sides, convolve with as many groups as there are wide channels, ReLU. Narrow, and add x.
#
# </details>
# <details><summary>Help, I get …</summary>
#
# *“wants groups=E”*: without it, torch expects kernels that look at all channels. *“x was written over”*: give the change a name of its own.
#
# </details>

# %% [markdown]
# ## A teacher for the student
#
# In lesson 08 nobody had a right answer to show. Now somebody has: the teacher paints any crop we like. The student starts from random numbers and is shown
# `starry` crops of 64 px for some seconds. (Hinton et al. 2015; the shipped one learned 42 minutes, all styles; after the first fifth from lesson 08's
# losses too.)

# %%
crops = [nst.load_image(name, size=160) for name in ("astronaut", "coffee", "motorcycle", "rocket")]
trainer = mobile.DistillTrainer({"starry": style["starry"]}, crops, teacher, features=features,
                                sizes=(64,), seen=(100, 200), copying=1.0, seed=0)
goal, small, at = teacher(photo, "starry"), photo, {}
for steps in (5, 25, 100):
    while trainer.done < steps:
        trainer.step(trainer.done / 100)
    at[f"{steps} steps"] = trainer.average(photo, "starry")
plots.show([*at.values(), goal], [*at, "its teacher"], columns=4)
off = [(one - goal).square().mean().item() for one in at.values()]
print("each time nearer:", off[0] > 1.2 * off[1] > 1.4 * off[2])

# %% [markdown]
# ## Exercise 12.2 · A step of distillation
# ●●○ · 8 minutes
#
# Teacher and student paint the same photographs. Loss: the mean of the squared differences, over all values. The student takes one step down, by the optimizer
# that is given; old gradients go first. The teacher learns nothing, so no gradient is to be computed for it. Return the loss as a number.

# %% exercise="12.2"
def distill_step(student, teacher, photo, optimizer):
    """student, teacher: functions of photo [B, 3, H, W] → the loss before the step."""
    ### BEGIN SOLUTION
    with torch.no_grad():
        goal = teacher(photo)
    loss = (student(photo) - goal).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()
    ### END SOLUTION

# %%
check_distill_step(distill_step)

# %% [markdown]
# <details><summary>Hint</summary>
#
# Lesson 08's loop, with another goal. `with torch.no_grad():` around one line keeps the teacher out of it.
#
# </details>
# <details><summary>Second hint</summary>
#
# Paint twice, take the mean square of the difference. Then three calls, in this order: throw old gradients away, backward, step.
#
# </details>
# <details><summary>Help, I get …</summary>
#
# *“the step before are still there”*: gradients add up until `zero_grad()`. *“for the teacher too”*: its picture must come from `no_grad`, or be detached. *“is
# what it was”*: look at the order of the three calls.
#
# </details>

# %% [markdown]
# ## Out of Python
#
# A phone has no Python. `export` follows one pass, writes down each operation, and leaves height and width open (multiples of 4).
# `compare` starts another process that knows neither torch nor this package, and compares at two sizes. The second cell is all that an app
# needs: the file, a photograph from 0 to 1, a share for each style.

# %%
folder = Path(tempfile.mkdtemp())
file = export(student, folder / "mobile.onnx")
differences = compare(student, file, sizes=((96, 128), (160, 112)))
print("sizes:", list(differences),
      "· equal within a ten-thousandth:", max(differences.values()) < 1e-4)
print("kB, at most 300:", file.stat().st_size < 300_000)

# %%
session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
styles = json.loads(session.get_modelmeta().custom_metadata_map["styles"])
shares = np.array([[{"starry": 0.5, "waves": 0.5}.get(name, 0) for name in styles]], np.float32)
painted, = session.run(None, {"photo": trimmed(photo).numpy(), "weights": shares})
plots.show([photo, torch.from_numpy(painted)], ["the photograph", "half starry, half waves"])
print(len(styles), "styles, painted:", painted.shape)

# %% [markdown]
# In Kotlin, with onnxruntime for Android, the same (we had no phone to run it):
#
# ```kotlin
# val session = env.createSession(assets.open("mobile.onnx").readBytes())
# val photo = OnnxTensor.createTensor(env, pixels, longArrayOf(1, 3, height, width))
# val weights = OnnxTensor.createTensor(env, shares, longArrayOf(1, 11))
# val painting = session.run(mapOf("photo" to photo, "weights" to weights))[0]
# ```
#
# In a terminal: `nst-lessons export mobile -o mobile.onnx`; or `--format executorch`, after `make phone`.

# %% [markdown]
# ## Exercise 12.3 · Whole numbers
# ●●○ · 8 minutes
#
# A kernel's numbers have 32 bits; are 8 enough? Then they are whole numbers from −m to m, with $m = 2^{bits-1} - 1$, and one *scale* for each channel that comes
# out: kernel ≈ whole · scale, where m · scale is that channel's largest absolute value. Round to the nearest. A channel of zeros stays zeros.

# %% exercise="12.3"
def quantized(kernel, bits=8):
    """kernel: [D, C, k, k] → whole: torch.int8, like kernel; scale: [D, 1, 1, 1]."""
    ### BEGIN SOLUTION
    most = 2 ** (bits - 1) - 1
    scale = (kernel.abs().amax(dim=(1, 2, 3), keepdim=True) / most).clamp_min(1e-12)
    return (kernel / scale).round().to(torch.int8), scale
    ### END SOLUTION

# %%
check_quantized(quantized)

# %% [markdown]
# <details><summary>Hint</summary>
#
# `amax` takes several dimensions. The scale is what *one* is worth: the largest, divided by m.
#
# </details>
# <details><summary>Second hint</summary>
#
# The scale, [D, 1, 1, 1] by `keepdim=True`, not below a tiny number. Then divide, `.round()`, `.to(torch.int8)`.
#
# </details>
# <details><summary>Help, I get …</summary>
#
# *“divided by 128”*: zero needs a number too. *“cut off toward zero”*: `.to(torch.int8)` does not round.
#
# </details>
#
# ## With your own functions
#
# Your whole numbers in all kernels. How many bits does a painting need?

# %%
PhoneExplorer(quantized=quantized, photo="cat")

# %% [markdown]
# ## What eight bits bring
#
# Rounded kernels are still multiplied as floats. A real int8 network rounds activations too: onnxruntime paints a photograph in each style, to learn how
# large they become, then multiplies whole numbers.

# %% tags=["nbval-ignore-output"]
whole = quantize_onnx(file, folder / "int8.onnx", [nst.load_image("coffee", size=128)], styles)
print({one.name: f"{one.stat().st_size / 1000:.0f} kB" for one in (file, whole)})
inputs = {"photo": square.numpy(), "weights": shares}
sessions = {one.stem: onnxruntime.InferenceSession(str(one), providers=["CPUExecutionProvider"])
            for one in (file, whole)}
runs = {name: lambda one=one: one.run(None, inputs) for name, one in sessions.items()}
print({name: f"{ms:.0f} ms" for name, ms in milliseconds(runs).items()})
rough, = sessions["int8"].run(None, {"photo": trimmed(photo).numpy(), "weights": shares})
print("mean difference:", round(float(np.abs(rough - painted).mean()), 3))

# %% [markdown]
# The file is a third smaller. On a laptop's processor it is *slower* (1.7 times, where we measured): normalizations and enlargements stay floats, and each
# convolution converts to and fro. Chips with units for whole numbers are another matter. Measure on the machine that you mean.
#
# ## Break it
#
# First: in the blocks, each depthwise kernel is gathered into its middle, so nothing there looks around. Second: kernels of two bits, −1, 0, 1. Which will hurt
# more? Guess first.

# %%
blind = copy.deepcopy(student)
for block in blind.blocks:
    kernel = block.around.conv.weight.data                           # [E, 1, k, k]
    total, middle = kernel.sum(dim=(2, 3)), kernel.shape[-1] // 2
    kernel.zero_()[:, :, middle, middle] = total
nets = {"student": student, "looks around no more": blind, "two bits": rounded(student, 2)}
broken = {name: net(photo, "starry") for name, net in nets.items()}
plots.show(list(broken.values()), list(broken))
errors = {name: nst.style_error(one, style["starry"], features) for name, one in broken.items()}
whole, blinded, coarse = errors.values()
print("blind: at least twice as far from the style:", blinded > 2 * whole,
      "· two bits: still twice as far:", coarse > 2 * blinded)

# %% [markdown]
# ## What to remember
#
# | symbol | shape | code | meaning |
# |---|---|---|---|
# | $k_c$ | [C, 1, k, k] | `conv2d(…, groups=C)` | depthwise: look around |
# | $p_{dc}$ | [D, C, 1, 1] | `conv2d(x, pointwise)` | pointwise: mix channels |
# | block | [B, C, H, W] | `x + narrow(…)` | wide inside, narrow outside |
# | goal | [B, 3, H, W] | `teacher(photo)` | a right answer for any photograph |
# | scale | [D, 1, 1, 1] | `whole * scale` | what one whole number is worth |
#
# ## Before you go
#
# 1. Enlarging and a 1×1 convolution may change places. Which order is cheaper?
# 2. Why does each channel that comes out have its own scale?
# 3. Can a student be nearer to the style than its teacher? (Print `far`.)
#
# Every network so far paints all of the photograph. Only the background, please? **[13 · Local style](13_local_style.ipynb)**
