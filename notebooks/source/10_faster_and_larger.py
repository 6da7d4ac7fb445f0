# %% [markdown]
# # 10 · Faster and larger
#
# **What costs time and memory, and what can we cut?**
#
# 35 minutes · lessons 03 to 05 · two CPU cores, no GPU, no network
#
# After this you can
# - say which numbers may have 16 bits, and which may not,
# - compute the exact gradient of a picture that does not fit into memory,
# - share one picture among several processes.

# %%
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
import nst_lessons as nst
from nst_lessons import plots
from nst_lessons.checks import check_gram_in_tiles, check_gram_of_half, check_loss_of_many
from nst_lessons.explorers import ScaleExplorer
from nst_lessons.scale import half, reach, tiled

torch.manual_seed(0)
features = nst.Features("tiny")

# %% [markdown]
# ## A picture that poses the question
#
# A print wants 4096 px. For one gradient of that, the network would have to remember 40 GB. So one cuts the picture into quarters,
# paints each by itself, and glues them together: on the right. On the left the same was painted at once. What went wrong, and where?

# %%
photo, style = nst.load_image("astronaut", size=192), nst.load_image("starry", size=192)
whole = nst.stylize(photo, style, steps=30)
quarters = [[photo[..., y:y + 96, x:x + 96].contiguous() for x in (0, 96)] for y in (0, 96)]
rows = [torch.cat([nst.stylize(one, style, steps=30) for one in row], dim=3) for row in quarters]
glued = torch.cat(rows, dim=2)
plots.show([whole, glued], ["painted at once", "four quarters, glued"])

# %% [markdown]
# *A cross of seams; and every quarter wears the whole painting, with all of its swirls and lights.*
#
# ## Predict first
#
# We show the network one tile at a time, with a margin, and add up what it says. Compared with the whole picture's, the gradient will be
#
# - **a** nearly the same, with faint seams,
# - **b** the same but for rounding,
# - **c** the same in the tiles' middles only.
#
# Note your answer; see *The real thing*.

# %% [markdown]
# ## Small enough for paper
#
# A picture of six pixels, and a network of one filter: each position adds up itself and its two neighbors. Beyond the ends there
# is 0. We want the sum of all squares.
#
# Two tiles, three pixels each. Take a pencil: what do the positions at the cut say when a tile ends there? And when the network
# is shown one pixel more, whose position is then left out?

# %%
pixels = torch.tensor([1., 2., 0., 3., 1., 1.])


def see(row):
    return torch.nn.functional.pad(row, (1, 1)).unfold(0, 3, 1).sum(dim=1)     # [n] → [n, 3] → [n]


for name, rows in (("whole", [see(pixels)]), ("apart", [see(pixels[:3]), see(pixels[3:])]),
                   ("wider", [see(pixels[:4])[:3], see(pixels[2:])[1:]])):
    print(name, *(row.tolist() for row in rows), "→", sum(row.pow(2).sum().item() for row in rows))

# %% [markdown]
# ## The mathematics, and the function
#
# $$\sum_{\text{all}} f = \sum_{\text{tile } 1} f + \sum_{\text{tile } 2} f + \dots$$
#
# Every loss of lesson 04 is a function of sums over positions, and sums may be taken in parts. Three things must be right: no
# position is forgotten or counted twice; a margin around each tile is as wide as the network looks; tiles begin where pooling
# windows begin, at multiples of `stride` px. A tile plus its margin we call a *window*.

# %%
def cut(length, tile, margin, stride):
    """Cuts one side of a picture: [(start, stop, wide_start, wide_stop)], all in px."""
    count = -(-length // tile)                                    # rounded up
    ends = [length * k // count // stride * stride for k in range(count)] + [length]
    return [(start, stop, max(0, start - margin), min(length, stop + margin))
            for start, stop in zip(ends, ends[1:])]

# %% [markdown]
# ## The same by a loop, and by the library
#
# How wide must the margin be? We can ask the network: put NaN, which spoils all it touches, at the edge of a picture, and see how far in
# each layer is spoiled. `reach` does that for any network and refuses those that look everywhere at once.

# %%
print(*cut(1000, 400, 80, 16), sep="\n")
owners = torch.zeros(1000)
for start, stop, wide_start, wide_stop in cut(1000, 400, 80, 16):
    owners[start:stop] += 1
print("each pixel is owned once:", bool((owners == 1).all()))
print("library:", nst.scale.cut(1000, 400, 80, 16) == cut(1000, 400, 80, 16))

spoiled = torch.rand(1, 3, 64, 256)
spoiled[..., :32] = torch.nan
for layer, act in features(spoiled, features.style_layers).items():
    stride = 256 // act.shape[3]
    clean = act[0, :, 0].isfinite().all(dim=0).nonzero()[0].item()     # its first clean position
    print(f"{layer} looks {clean * stride - 32:2} px far, in steps of {stride}")
print("reach:", reach(features, features.style_layers, spoiled)[:2])

# %% [markdown]
# ## The real thing
#
# Two passes. The first adds up the plain sums of all tiles, without gradients; they give the loss, and its *slope*: how it changes
# with each sum. The second sees each tile again, now with gradients, and sends the slope back to the pixels. (Galerne et al. 2024)
#
# Your prediction? **b**. Nothing is approximated: the same terms are added in another order.

# %%
def windows(picture, tile, margin=16, stride=4):                  # enough for relu3_1
    for top, bottom, *rows in cut(picture.shape[2], tile, margin, stride):
        for left, right, *columns in cut(picture.shape[3], tile, margin, stride):
            inner = [slice((a - w) // 4, (b - w) // 4)            # px → positions of relu3_1
                     for a, b, w in ((top, bottom, rows[0]), (left, right, columns[0]))]
            yield (..., slice(*rows), slice(*columns)), (..., *inner)


def plain_sum(window, inner):                                     # inner: which positions count
    act = features(window, ["relu3_1"])["relu3_1"][inner]         # [1, 256, h, w]
    return nst.gram_matrix(act, "none")                           # [1, 256, 256]


def tiled_gradient(picture, loss_of, tiles):
    with torch.no_grad():                                         # first pass: sums
        total = sum(plain_sum(picture[wide], inner) for wide, inner in tiles)
    loss = loss_of(total.requires_grad_())
    slope, = torch.autograd.grad(loss, total)                     # how the loss changes with them
    gradient = torch.zeros_like(picture)
    for wide, inner in tiles:                                     # second pass: back to the pixels
        window = picture[wide].clone().requires_grad_()
        (plain_sum(window, inner) * slope).sum().backward()
        gradient[wide] += window.grad
    return loss.item(), gradient

# %%
A = nst.gram_matrix(features(style, ["relu3_1"])["relu3_1"])
loss_of = lambda total: (total / 48**2 - A).pow(2).sum() / A.pow(2).sum()      # 48² positions
far = lambda one, other: ((one - other).norm() / other.norm()).item()

loss, gradient = tiled_gradient(photo, loss_of, list(windows(photo, 96)))
x = photo.clone().requires_grad_()
truth = loss_of(plain_sum(x, ...))                                # ...: all positions, no tiles
truth.backward()
print("same loss:", abs(loss - truth.item()) < 1e-5 * truth.item())
print("same gradient, to 1e-5:", far(gradient, x.grad) < 1e-5)

objective, found = nst.Objective(features, photo, style), []
for one in (objective, tiled(objective, 96)):                     # all layers, all terms
    x = photo.clone().requires_grad_()
    one(x).total.backward()
    found.append(x.grad)
print("the library's tiles, to 1e-5:", far(found[1], found[0]) < 1e-5)

# %% [markdown]
# *`terms.total.backward()` works as before, so the optimizer notices nothing; and `nst.stylize` turns to tiles by itself when memory would
# not do otherwise.*
#
# ## Explore
#
# What do tiles cost? Orange is what a tile owns, blue what the network must be shown for it. Seconds and GiB are reckoned from measured
# ones. Which tile is best for 4096 px and 4 GiB? Why does a small tile cost so much time?

# %%
ScaleExplorer(cut=cut)

# %% [markdown]
# ## What changed? Why?
#
# Halve the tile: memory falls, time rises. Why does time not stay the same?
#
# <details><summary>Answer</summary>
#
# The margin stays as wide. A tile of 512 px shows the network 672², 1.7 times what it keeps; one of 128 px shows 288²,
# five times. And each tile is seen twice, for the sums and for the gradient. Memory is what the *largest window*
# wants, and what stays: picture, gradient, targets.
#
# </details>

# %% [markdown]
# ## Sixteen bits
#
# `float32` spends 32 bits on a number. Half of that is half the memory and, where the hardware knows how, less time. There are two
# ways to spend 16:
#
# | | digits | largest | smallest |
# |---|---|---|---|
# | `float16` | 3 | 65504 | 6·10⁻⁸ |
# | `bfloat16` | 2 | 3·10³⁸ | 9·10⁻⁴¹ |
#
# A picture of 256 px has 65536 positions. Its Gram matrix, as a plain sum in `float16`?

# %%
act = features(nst.load_image("astronaut", size=256), ["relu1_1"])["relu1_1"]
short = act.half().flatten(2)                                     # [1, 64, H·W]
table = short @ short.transpose(1, 2)                             # → [1, 64, 64]
print("largest activation:", round(act.max().item()), "· fits")
print("more than a third of the table is infinite:", table.isinf().float().mean().item() > 1 / 3)
print("yet ÷ H·W, in float32, no entry reaches 100:", nst.gram_matrix(act).max().item() < 100)

# %% [markdown]
# ## Exercise 10.1 · A Gram matrix from halves
# ●○○ · 5 minutes
#
# The mean fits, the sum does not. Write the Gram matrix, ÷ H·W, of activations in `float16`, so that nothing overflows on the way. The
# answer is `float32`.

# %% exercise="10.1"
def gram_of_half(act):
    """act: [B, C, H, W] in float16 → [B, C, C] in float32, ÷ H·W."""
    ### BEGIN SOLUTION
    flat = act.float().flatten(2)                                 # [B, C, H, W] → [B, C, H·W]
    return flat @ flat.transpose(1, 2) / flat.shape[2]            # → [B, C, C]
    ### END SOLUTION

# %%
check_gram_of_half(gram_of_half)

# %% [markdown]
# <details><summary>Hint</summary>
#
# Two cures: a larger type before you multiply, or smaller numbers before you multiply.
#
# </details>
# <details><summary>Second hint</summary>
#
# `act.float()` is the larger type. The smaller numbers: each of the two factors divided by the *root* of H·W.
#
# </details>
# <details><summary>Help, I get …</summary>
#
# *inf*: you changed the type after the product. *Values far too small*: both factors are divided by H·W. *losses want float32*: `.float()` on what you return.
#
# </details>

# %% [markdown]
# ## The network in 16 bits, the sums in 32
#
# That is *mixed precision* (in PyTorch `torch.autocast`): `half(features, "bf16")` computes the convolutions in 16 bits and hands out
# `float32`. Two digits sound like little; but a gradient is the sum of very many.
#
# In `float16`, slopes smaller than its smallest number become 0. `half(features, "fp16")` therefore makes them larger on the way back,
# and small again in the end; in training, `GradScaler` does that.

# %%
def gradient_of(network, photo, style):
    objective, x = nst.Objective(network, photo, style), (0.9 * photo).requires_grad_()
    objective(x).total.backward()
    return x.grad


full, short = (gradient_of(one, photo, style) for one in (features, half(features, "bf16")))
print("each number is off by some percent:", 0.01 < far(short, full) < 0.3)
cosine = torch.cosine_similarity(full.flatten(), short.flatten(), dim=0)
print("they point the same way:", bool(cosine > 0.95))
in_bf16 = nst.stylize(photo, style, steps=30, precision="bf16")
ratio = nst.style_error(in_bf16, style, features) / nst.style_error(whole, style, features)
print("style error, bf16 : fp32, between 0.7 and 1.4:", 0.7 < ratio < 1.4)
plots.show([whole, in_bf16], ["float32", "bfloat16"])

# %% [markdown]
# *Not the same picture, but one as good. L-BFGS does not mind such noise.*
#
# ## Exercise 10.2 · Gram over tiles
# ●●○ · 10 minutes
#
# Now your own: the Gram matrix, ÷ all positions, of a layer that has one position for `stride` px. `see(window)` gives its
# activations; `down` and `across` come from `cut`. Show the network wide windows; count what each tile owns.

# %% exercise="10.2"
def gram_in_tiles(see, picture, down, across, stride):
    """picture: [1, 3, H, W]; see(window) → [1, C, h, w]; → [1, C, C], ÷ all positions."""
    ### BEGIN SOLUTION
    total, positions = 0, 0
    for top, bottom, up, low in down:
        for left, right, west, east in across:
            act = see(picture[..., up:low, west:east])
            act = act[..., (top - up) // stride:(bottom - up) // stride,
                      (left - west) // stride:(right - west) // stride]
            total = total + nst.gram_matrix(act, "none")
            positions += act.shape[2] * act.shape[3]
    return total / positions
    ### END SOLUTION

# %%
check_gram_in_tiles(gram_in_tiles)

# %% [markdown]
# <details><summary>Hint</summary>
#
# Two loops, over `down` and over `across`. Each entry has four numbers: two say what the tile owns, two what to show.
#
# </details>
# <details><summary>Second hint</summary>
#
# In a window that begins at `wide_start`, the tile's first position is `(start - wide_start) // stride`: 0 at the border.
#
# </details>
# <details><summary>Help, I get …</summary>
#
# *Right for one tile only*: the margins were not cut off. *Empty activations*: px where positions are wanted; divide by `stride`.
#
# </details>

# %% [markdown]
# ## With your own function
#
# The explorer again, now with *your* function: on top the table of `relu3_1`, of a small picture at once and from your four tiles.
# While it is a stub, the explorer says so. Once the check is content, take the margin away. From how many px on is nothing missing?
#
# <details><summary>Answer</summary>
#
# From 16 on, the slider's first step: `relu3_1` looks 12 px far. Without margins, the table is off.
#
# </details>

# %%
ScaleExplorer(cut=cut, gram=gram_in_tiles)

# %% [markdown]
# ## Exercise 10.3 · Many processes
# ●●● · 12 minutes
#
# Several processes run *the same function*, each with its own number `rank`, of `count`. All have all `pieces`; each looks at its share only.
# They meet in `add_up(tensor)`: everybody brings a tensor, and everybody gets the sum. In the end each knows the loss of the
# whole, $\lVert G - A\rVert^2 / \lVert A\rVert^2$.

# %% exercise="10.3"
def loss_of_many(rank, count, pieces, target, add_up):
    """pieces: a list of [1, C, H, Wᵢ]; target: A, [1, C, C] → [1], the same in each process."""
    ### BEGIN SOLUTION
    total = sum((nst.gram_matrix(act, "none") for act in pieces[rank::count]), 0 * target)
    positions = torch.tensor([float(sum(act[0, 0].numel() for act in pieces[rank::count]))])
    G = add_up(total) / add_up(positions)
    return (G - target).pow(2).sum(dim=(1, 2)) / target.pow(2).sum(dim=(1, 2))
    ### END SOLUTION

# %%
check_loss_of_many(loss_of_many)

# %% [markdown]
# <details><summary>Hint</summary>
#
# What may be added: plain sums, positions. What may not: Gram matrices that were divided, losses. `pieces[rank::count]` is a fair share.
#
# </details>
# <details><summary>Second hint</summary>
#
# Begin with zeros of the right shape, for the process that has no piece. Call `add_up` twice, once for the sums and once for the positions.
#
# </details>
# <details><summary>Help, I get …</summary>
#
# *A process waits for ever*: somebody returned before it called `add_up`. *add_up wants a tensor*: a count becomes `torch.tensor([…])`.
#
# </details>

# %% [markdown]
# ## Two real processes
#
# `torchrun` starts them, `torch.distributed` is their `add_up`. The script below is `tiled` with a group. (On GPUs the same lines choose
# NCCL for adding up; we had none to try it on. `DataParallel` would share out the pictures of a batch; we have one.) A whole
# painting: `nst-lessons stylize cat starry -o out.png --distributed 2`. If a process dies, the run ends with one line, and `--resume`
# goes on.

# %%
SCRIPT = """
import torch, nst_lessons as nst
from nst_lessons.scale import processes, tiled
with processes.joined() as group:
    photo, style = (nst.load_image(name, size=128) for name in ("astronaut", "starry"))
    objective = tiled(nst.Objective(nst.Features("tiny"), photo, style), 48, group)
    x = (0.9 * photo).requires_grad_()
    objective(x).total.backward()
    torch.save(x.grad, f"{processes.rank(group)}.pt")
"""
command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
with tempfile.TemporaryDirectory() as folder:
    Path(folder, "two.py").write_text(SCRIPT)
    subprocess.run([*command, "two.py"], cwd=folder, capture_output=True)
    two = [torch.load(Path(folder, f"{rank}.pt")) for rank in range(2)]
one = gradient_of(features, *(nst.load_image(name, size=128) for name in ("astronaut", "starry")))
print("each of two = one alone, to 1e-5:", all(far(x.to(one), one) < 1e-5 for x in two))

# %% [markdown]
# ## What it costs
#
# First seconds, of one loss and gradient on *your* machine. Up to 192 px, "tiles of 192" are a single tile. What will become of that curve
# from there on?
#
# Then GiB, which we measured, a fresh process for each point (`python -m benchmarks.scale` does so on your machine). What is it that still
# grows with tiles?

# %% tags=["nbval-ignore-output"]
seconds = {"at once": [], "tiles of 192": [], "at once, bf16": []}
for side in (128, 192, 256, 320):
    picture, painting = (nst.load_image(name, size=side) for name in ("astronaut", "starry"))
    for name, tile, bits in (("at once", 0, "fp32"), ("tiles of 192", 192, "fp32"),
                             ("at once, bf16", 0, "bf16")):
        objective = nst.Objective(half(features, bits), picture, painting)
        objective = tiled(objective, tile) if tile else objective
        objective.terms                                           # targets do not count
        x, began = picture.clone().requires_grad_(), time.perf_counter()
        objective(x).total.backward()
        seconds[name].append((side, time.perf_counter() - began))
plots.curves(seconds, "px", "seconds")
gib = {"at once": [(256, 0.75), (512, 1.23), (1024, 3.14), (2048, 10.42)],
       "tiles of 512": [(512, 1.23), (1024, 1.77), (2048, 2.43), (4096, 3.67)]}
plots.curves(gib, "px", "GiB")

# %% [markdown]
# *At 256 px, each of four windows is 208², two thirds of the picture, and is seen twice: hence the jump. What grows: picture, gradient, targets.*
#
# | our two CPU cores | time, ratio |
# |---|---|
# | VGG-19, `bf16` : `fp32` (AVX-512 BF16) | 0.54 |
# | `tiny`, `bf16` : `fp32` | 0.62 |
# | `tiny`, tiles of 512 : at once, 1024 px | 2.0 |
#
# We had no GPU; where there is one, the same command measures it.
#
# ## Break it
#
# Three slips: no margins; windows that begin anywhere, not at multiples of `stride`; every tile with a loss of its own, like the glued
# quarters. Where will each gradient be wrong: at the seams, or all over?

# %%
slips = {"no margins": list(windows(photo, 48, margin=0)),
         "begin anywhere": list(windows(photo, 48, margin=14, stride=1))}
wrong = {name: tiled_gradient(photo, loss_of, tiles)[1] for name, tiles in slips.items()}
alone = torch.zeros_like(photo)
for wide, inner in windows(photo, 48, margin=0):
    window = photo[wide].clone().requires_grad_()
    loss_of(plain_sum(window, inner) * 16).backward()             # a sixteenth of all positions
    alone[wide] += window.grad / 16
wrong["each its own loss"] = alone
core = (torch.arange(192) % 48 - 24).abs() < 8                    # 16 px in the middle of each tile
core = core & core[:, None]                                       # [192] → [192, 192]
for name, one in wrong.items():
    print(f"{name}: a third off, and more: {far(one, gradient) > 1 / 3};",
          "amid the tiles too:", far(one[..., core], gradient[..., core]) > 1 / 3)
maps = [(one - gradient).abs().mean(dim=(0, 1)) for one in wrong.values()]     # → [H, W]
plots.show([(one / one.quantile(0.99)).clamp(max=1) for one in maps], list(wrong))

# %% [markdown]
# *Bright: wrong. Without margins, the seams. Windows that begin anywhere pool other pixels (only the first begins at 0). A tile's own loss
# wants something else, inside the tiles too: no margin helps.*
#
# ## What to remember
#
# | symbol | code | meaning |
# |---|---|---|
# | $\sum_{tiles}$ | `gram_matrix(act, "none")` | add sums, never means or losses |
# | margin | `reach(features, layers)` | as wide as the network looks, 80 px for `relu5_1` |
# | slope | `autograd.grad(loss, sums)` | all that a tile must know of others |
# | tiles | `tiled(objective, 512)` | the same loss and gradient in a tile's memory |
# | 16 bits | `half(features, "bf16")` | network in 16, sums in 32 |
# | `add_up` | `all_reduce` | many processes, the same sums |
#
# ## Before you go
#
# 1. L-BFGS remembers forty pictures: how much is that at 4096 px?
# 2. Which of lesson 07's statistics cannot be tiled? Why?
# 3. Why does `bfloat16` not overflow?
#
# Next, many pictures that must agree: **[11 · Moving pictures](11_moving_pictures.ipynb)**
