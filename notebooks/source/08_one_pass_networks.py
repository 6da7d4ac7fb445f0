# %% [markdown]
# # 08 · One-pass networks
#
# **Can a network learn one style and paint in one pass?**
#
# 40 minutes · lesson 05 · two CPU cores, no GPU, no network
#
# After this you can
# - train a network that paints, without a single painted example to learn from,
# - write instance normalization, and say why it beats batch normalization here,
# - put many styles into one network, and mix them.

# %%
import copy
import random

import torch
import nst_lessons as nst
from torch import nn
from torch.nn import functional as F
from nst_lessons import fast, plots
from nst_lessons.checks import check_mixed_norm, check_normalized, check_residual_block
from nst_lessons.explorers import MixExplorer, NormExplorer
from nst_lessons.fast.training import crop

features = nst.Features("tiny")

# %% [markdown]
# ## A picture that poses the question
#
# In lesson 05 a painting cost two hundred evaluations, seconds to minutes. These cost one pass each through a network that never saw
# this photograph: no loss, no gradient. On two cores that is some hundredths of a second. Where did all the work go? And how can *one* network
# have eleven hands?

# %%
photo, starry = nst.load_image("astronaut", size=256), nst.load_image("starry", size=256)
painter = fast.load_fast()
pictures = {name: painter(photo, name) for name in painter.styles}
plots.show([photo, *pictures.values()], ["the photograph", *pictures], columns=4)
before, after = (nst.style_error(one, starry, features) for one in (photo, pictures["starry"]))
print("starry: style error at most half the photograph's:", after < before / 2)

# %% [markdown]
# ## Predict first
#
# We take most of the contrast out of the photograph, as if there were fog, and send it through the same network. The painting will be
#
# - **a** pale too, for a network can only change what it is given,
# - **b** the same as before,
# - **c** black or white somewhere, since the network never saw fog.
#
# Note your answer; we shall see below, under *The real thing*.

# %% [markdown]
# ## Small enough for paper
#
# One channel, 2 × 2 positions: 1, 3, 5, 7. Its mean is 4, and the mean square of what is left, −3, −1, 1, 3, is 5. Divide by
# $\sqrt 5$: mean 0, deviation 1.
#
# Fog halves the contrast: 2.5, 3.5, 4.5, 5.5. Take a pencil: what comes out now?

# %%
clear = torch.tensor([[[[1., 3.], [5., 7.]]]])      # [1, 1, 2, 2]
fog = 4 + 0.5 * (clear - 4)
for act in (clear, fog):
    left = act - act.mean()
    print("left", left.flatten().tolist(), "→", (left / left.square().mean().sqrt()).flatten())

# %% [markdown]
# ## The mathematics, and the function
#
# $$y_{bc} = \gamma_c\,\frac{x_{bc} - \mu_{bc}}{\sqrt{\sigma^2_{bc} + \varepsilon}} + \beta_c$$
#
# $\mu_{bc}$ and $\sigma^2_{bc}$: mean and variance of channel $c$ of picture $b$, over its positions; $\varepsilon$ is tiny, against
# division by zero. Whatever contrast went in, it is gone. A scale $\gamma_c$ and a shift $\beta_c$, which are learned (no relatives of
# lesson 04's weights), give each channel a new one: that of the style. (Ulyanov et al. 2016)

# %%
def instance_norm(act, scale, shift, eps=1e-5):
    """act: [B, C, H, W]; scale, shift: [1 or B, C] → [B, C, H, W]."""
    mean = act.mean(dim=(2, 3), keepdim=True)                   # [B, C, 1, 1]
    variance = (act - mean).square().mean(dim=(2, 3), keepdim=True)
    gain = scale[..., None, None] / (variance + eps).sqrt()     # [B, C] → [B, C, 1, 1]
    return act * gain + (shift[..., None, None] - mean * gain)


one, zero = torch.ones(1, 1), torch.zeros(1, 1)
print(instance_norm(clear, one, zero).flatten(), instance_norm(fog, one, zero).flatten())

# %% [markdown]
# ## The same by a loop, and by the library
#
# The loop takes one picture and one channel at a time. Batch normalization, the usual choice in networks that name objects, differs in a
# single point: mean and variance run over *all* pictures of the batch. Once trained, it no longer looks: it takes the averages that it
# remembers from training.

# %%
def by_loop(act, scale, shift):
    out = torch.empty_like(act)
    for b in range(act.shape[0]):
        for c in range(act.shape[1]):
            plane = act[b, c] - act[b, c].mean()
            deviation = (plane.square().mean() + 1e-5).sqrt()
            out[b, c] = scale[0, c] * plane / deviation + shift[0, c]
    return out


torch.manual_seed(0)
some, scale, shift = torch.randn(2, 3, 5, 4), torch.rand(1, 3), torch.rand(1, 3)
truth = by_loop(some, scale, shift)
torch.testing.assert_close(instance_norm(some, scale, shift), truth)
torch.testing.assert_close(F.instance_norm(some, weight=scale[0], bias=shift[0]), truth)
torch.testing.assert_close(fast.instance_norm(some, scale, shift), truth)
print("loop = function = torch = library")

# %% [markdown]
# ## A network that paints
#
# Layers of three kinds. *Down*: two strides of 2, after which a stroke is few positions wide. *Blocks*: each adds a change to what
# it is given. *Up*: enlarge bilinearly, then convolve. Borders are mirrored, since a frame of zeros would be seen and painted.

# %%
class InstanceNorm(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1, channels))
        self.shift = nn.Parameter(torch.zeros(1, channels))

    def forward(self, act):
        return instance_norm(act, self.scale, self.shift)


class Layer(nn.Sequential):
    def __init__(self, before, after, norm, size=3, stride=1):
        super().__init__(nn.ReflectionPad2d(size // 2),         # a bias would be normalized away
                         nn.Conv2d(before, after, size, stride, bias=False), norm(after))

# %%
class OnePass(nn.Module):
    def __init__(self, norm, w=12, blocks=2):
        super().__init__()
        self.down = nn.ModuleList([Layer(3, w, norm, 5), Layer(w, 2 * w, norm, stride=2),
                                   Layer(2 * w, 4 * w, norm, stride=2)])
        pair = lambda: nn.ModuleList([Layer(4 * w, 4 * w, norm), Layer(4 * w, 4 * w, norm)])
        self.blocks = nn.ModuleList([pair() for _ in range(blocks)])
        self.up = nn.ModuleList([Layer(4 * w, 2 * w, norm), Layer(2 * w, w, norm)])
        self.out = nn.Sequential(nn.ReflectionPad2d(2), nn.Conv2d(w, 3, 5), nn.Sigmoid())

    def forward(self, photo):                                   # [B, 3, H, W] → [B, 3, H, W]
        x = 2 * photo - 1
        for layer in self.down:
            x = F.relu(layer(x))
        for first, second in self.blocks:
            x = x + second(F.relu(first(x)))
        for layer in self.up:
            x = F.relu(layer(F.interpolate(x, scale_factor=2, mode="bilinear")))
        return self.out(x)

# %% [markdown]
# ## How it learns
#
# Nobody has a right answer to show it. But lesson 04 can say how wrong an answer is: the frozen network looks at what our network
# painted, the error flows back *through the picture* into the weights. What L-BFGS did to pixels, Adam does to weights, once for all
# photographs. (Johnson et al. 2016)

# %%
style, layers = nst.load_image("starry", size=192), features.style_layers
target = {name: nst.gram_matrix(act) for name, act in features(style, layers).items()}


def losses(painted, photo):
    """Style and content, relative, means over the batch."""
    acts = features(painted, [*layers, "relu4_2"])
    seen = features(photo, ["relu4_2"])["relu4_2"]
    far = [(nst.gram_matrix(acts[name]) - A).square().sum() / A.square().sum()
           for name, A in target.items()]
    content = (acts["relu4_2"] - seen).square().sum() / seen.square().sum()
    return sum(far) / len(far) / len(photo), content

# %%
def train(net, steps=90, alpha=0.6, rates=(0.02, 0.005)):
    kernels = [p for p in net.parameters() if p.ndim == 4]
    others = [p for p in net.parameters() if p.ndim != 4]
    optimizers = [fast.Muon(kernels), torch.optim.Adam(others)]
    curve, rng = [], random.Random(0)
    for step in range(steps):
        photo = torch.cat([crop(rng.choice(photos), 64, (90, 160), rng) for _ in range(4)])
        style, content = losses(net(photo), photo)          # crops: [4, 3, 64, 64]
        net.zero_grad()
        (style + alpha * content).backward()
        for optimizer, rate in zip(optimizers, rates):
            optimizer.param_groups[0]["lr"] = rate * (1 - step / steps)
            optimizer.step()
        curve.append(style.item())
    return curve

# %% [markdown]
# (*Muon* is Adam's cousin for kernels: it turns all directions of a step alike, and arrives in half as many steps.)
#
# ## The real thing
#
# Two networks learn the same style from the same crops, half a minute in all. They differ in nothing but their normalization. (Each
# point of a curve is a mean of 15 steps.) The cat they have never seen.

# %%
names = ["astronaut", "coffee", "motorcycle", "rocket"]
photos, nets, curves = [nst.load_image(name, size=160) for name in names], {}, {}
for name, norm in (("instance", InstanceNorm), ("batch", nn.BatchNorm2d)):
    torch.manual_seed(0)
    nets[name] = OnePass(norm)
    curves[name] = train(nets[name])
smooth = {name: [(end, sum(curve[end - 15:end]) / 15) for end in range(15, len(curve) + 1)]
          for name, curve in curves.items()}
print("instance is ahead:", smooth["instance"][-1][1] < smooth["batch"][-1][1])
plots.curves(smooth, xlabel="steps", ylabel="style loss")

# %%
cat = nst.load_image("cat", size=192)
foggy = 0.5 + 0.3 * (cat - 0.5)
with torch.no_grad():
    shown = [net.eval()(picture) for picture in (cat, foggy) for net in nets.values()]
titles = ["clear", "instance", "batch", "fog", "instance", "batch"]
plots.show([cat, *shown[:2], foggy, *shown[2:]], titles, columns=3)
errors = [nst.style_error(one, style, features) for one in shown]
print("instance, fog makes no difference:", abs(errors[2] / errors[0] - 1) < 0.02)
print("batch, the style is further off:", errors[1] > 1.2 * errors[0],
      "· in fog still further:", errors[3] > 1.2 * errors[1])

# %% [markdown]
# *Middle: the same painting twice, so **b**. Right: paler in fog, since batch normalization divides by the usual contrast of the
# photographs it was trained with, not by this one's.* A painting's contrast belongs to its style; the photograph's must go first. That
# is why instance normalization wins, and why the article advises it.
#
# ## Explore
#
# The two from above: turn the contrast. *Run* trains two fresh, smaller ones; you can turn it while they learn, too.

# %%
NormExplorer(norm=instance_norm, nets=nets, style="starry")

# %% [markdown]
# ## What changed? Why?
#
# At 100 % batch normalization paints something, too. Why did its loss stay higher even while it trained, at full contrast?
#
# <details><summary>Answer</summary>
#
# Every crop of a batch has another contrast, and all are divided by the same number. So the network must *learn* to recognize a
# crop's contrast and to undo it. It has better things to learn. Instance normalization undoes it for nothing.
#
# </details>

# %% [markdown]
# ## Exercise 8.1 · Three normalizations
# ●○○ · 6 minutes
#
# Return `act` with mean 0 and deviation 1. `kind` says what shares a mean and a variance: `"instance"` each channel of each picture,
# `"batch"` a channel over the whole batch, `"layer"` all channels of a picture. Divide by $\sqrt{\sigma^2 + 10^{-5}}$, with $\sigma^2$ the plain mean of
# squares.

# %% exercise="8.1"
def normalized(act, kind):
    """act: [B, C, H, W]; kind: "instance", "batch" or "layer" → [B, C, H, W]."""
    ### BEGIN SOLUTION
    shared = {"instance": (2, 3), "batch": (0, 2, 3), "layer": (1, 2, 3)}[kind]
    mean = act.mean(dim=shared, keepdim=True)
    variance = (act - mean).square().mean(dim=shared, keepdim=True)
    return (act - mean) / (variance + 1e-5).sqrt()
    ### END SOLUTION

# %%
check_normalized(normalized)

# %% [markdown]
# <details><summary>Hint</summary>
#
# The three differ in `dim=` only. B, C, H, W are dimensions 0, 1, 2, 3; what shares a mean is what is summed over.
#
# </details>
# <details><summary>Second hint</summary>
#
# A small dictionary from kind to a tuple of dimensions, then the first two lines of `instance_norm`. `keepdim=True` keeps shapes that fit.
#
# </details>
# <details><summary>Help, I get …</summary>
#
# *A RuntimeError about sizes*: `keepdim=True` is missing. *“divided by M − 1”*: `act.var()` does that; write the mean of squares, or `correction=0`.
#
# </details>

# %% [markdown]
# ## Exercise 8.2 · A residual block
# ●●○ · 8 minutes
#
# Twice: mirror the border by one pixel, convolve, `instance_norm`; a ReLU *between* the two. What comes out is added to x, and nothing
# follows. (With a ReLU at the end, a block could only ever add.)

# %% exercise="8.2"
def residual_block(x, kernels, scales, shifts):
    """x: [B, C, H, W]; two of each: kernels [C, C, 3, 3], scales, shifts [1, C] → like x."""
    ### BEGIN SOLUTION
    def layer(y, k):
        y = F.conv2d(F.pad(y, (1, 1, 1, 1), mode="reflect"), kernels[k])
        return instance_norm(y, scales[k], shifts[k])
    return x + layer(F.relu(layer(x, 0)), 1)
    ### END SOLUTION

# %%
check_residual_block(residual_block)

# %% [markdown]
# <details><summary>Hint</summary>
#
# `F.pad(x, (left, right, top, bottom), mode="reflect")`, then `F.conv2d(padded, kernel)`: the size is as before.
#
# </details>
# <details><summary>Second hint</summary>
#
# Keep x untouched under its name and let the change have another: pad, convolve, normalize, ReLU, pad, convolve, normalize. Then one sum.
#
# </details>
# <details><summary>Help, I get …</summary>
#
# *“size of tensor a must match”*: without padding the picture shrinks by four. *“changes the tensor”*: `x += …` writes into the caller's x.
#
# </details>
#
# ## Eleven hands
#
# Scales and shifts hold a style's contrast. Also the style?

# %%
shares = {"starry": 1, "2 : 1": 2 / 3, "1 : 2": 1 / 3, "woodcut": 0}
row = [painter(photo, {"starry": share, "woodcut": 1 - share}) for share in shares.values()]
numbers = sum(m.scale.shape[1] + m.shift.shape[1] for m in painter.modules() if hasattr(m, "scale"))
kernels = sum(p.numel() for p in painter.parameters() if p.ndim == 4)
print(f"a style: {numbers} numbers, the kernels that all share: {kernels}")
plots.show(row, [*shares])

# %% [markdown]
# ## Exercise 8.3 · One network, many styles
# ●●○ · 6 minutes
#
# They can. The painter has one set of kernels, and at each normalization two tables, scales and shifts, with a row for each style.
# (Dumoulin et al. 2017) Numbers can be mixed: `2 : 1` has two thirds of `starry`'s plus one third of `woodcut`'s.
#
# Given the tables, and weights for each picture, mix, then normalize. Take the weights as they are.

# %% exercise="8.3"
def mixed_norm(act, scales, shifts, weights):
    """act: [B, C, H, W]; scales, shifts: [S, C]; weights: [1 or B, S] → [B, C, H, W]."""
    ### BEGIN SOLUTION
    return instance_norm(act, weights @ scales, weights @ shifts)     # [B, S] · [S, C] → [B, C]
    ### END SOLUTION

# %%
check_mixed_norm(mixed_norm)

# %% [markdown]
# <details><summary>Hint</summary>
#
# One scale for each channel: a sum over styles, weight times row. A product of matrices is just that.
#
# </details>
# <details><summary>Second hint</summary>
#
# [B, S] times [S, C] gives [B, C], which `instance_norm` takes.
#
# </details>
# <details><summary>Help, I get …</summary>
#
# *“the product does not fit”*: weights stand on the left. *“the first one's mixture”*: keep all rows of `weights`.
#
# </details>
#
# ## With your own functions
#
# Your mixture in the painter. Then your `normalized` in the trained network. Try `"layer"` there: does fog still go away?

# %%
MixExplorer(mixed_norm=mixed_norm)

# %%
def mine(act, scale, shift):
    return normalized(act, "instance") * scale[..., None, None] + shift[..., None, None]


NormExplorer(norm=mine, nets=nets, style="starry")

# %% [markdown]
# ## Break it
#
# A style is 1344 numbers. Is it a bag of numbers? We deal `starry`'s scales and shifts to other channels, the same numbers in each
# layer. And we fill borders with zeros instead of mirroring them. Which will hurt more? Guess first.

# %%
torch.manual_seed(0)
dealer = copy.deepcopy(painter)
for module in dealer.modules():
    if hasattr(module, "scale"):                                # wherever something is normalized
        order = torch.randperm(module.scale.shape[1])
        module.scale.data, module.shift.data = module.scale[:, order], module.shift[:, order]
pad, F.pad = F.pad, lambda x, sides, mode: pad(x, sides)        # zeros, whatever was asked for
try:
    framed = painter(photo, "starry")
finally:
    F.pad = pad
painted, dealt = pictures["starry"], dealer(photo, "starry")
far, change = nst.style_error(dealt, starry, features), (framed - painted).abs().mean(dim=(0, 1))
print("dealt, the style error is more than doubled:", far > 2 * after)
print("zeros, five times as much at the rim as inside:",
      bool(change[:2].mean() > 5 * change[64:-64, 64:-64].mean()))
titles = ["starry", "dealt", "zeros around", "where zeros changed it"]
plots.show([painted, dealt, framed, change.clamp(max=0.1)], titles)

# %% [markdown]
# *No: each channel wants its own numbers. Zeros are seen, and painted: a bright frame in the fourth picture, and little inside.*
#
# ## A style of your own
#
# New style, old kernels: only one row of each table has to be learned, in minutes. In a terminal:
#
# ```
# nst-lessons learn-style my_painting.jpg -o mine.safetensors
# nst-lessons fast my_photo.jpg --weights mine.safetensors --style my_painting -o out.png
# ```
#
# A folder instead of `my_photo.jpg` paints all its photographs.

# %% [markdown]
# ## What to remember
#
# | symbol | shape | code | meaning |
# |---|---|---|---|
# | $\mu, \sigma^2$ | [B, C, 1, 1] | `mean(dim=(2, 3))` | of each channel of each picture |
# | $\gamma, \beta$ | [B, C] | `scale, shift` | the contrast that the style wants |
# | | [S, C] | `weights @ scales` | many styles: a row for each |
# | residual | [B, C, H, W] | `x + change` | a block says what to change |
# | loss | number | `losses(net(photo), photo)` | lesson 04's, its gradient goes into weights |
#
# ## Before you go
#
# 1. Batch normalization with a batch of one, statistics taken anew: which other normalization is that?
# 2. Why must the photograph's contrast go, but not its edges?
# 3. A mixture with weight 1.3 and −0.3: what might it paint?
#
# Eleven styles, each learned for minutes. Could one network paint in *any* style, never seen before? **[09 · Attention](09_attention.ipynb)**
