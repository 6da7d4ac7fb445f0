# %% [markdown]
# # 02 · What a network sees
#
# **What is in a feature map? Where do edges end and objects begin?**
#
# 40 minutes · lesson 01 · two CPU cores, no GPU, no network
#
# After this you can
# - work out a convolution on paper, and say how `conv4_2` differs from `relu4_2`,
# - record what any layer of any network says, with a hook,
# - say how much of a picture one number has seen, and what each depth keeps and forgets.

# %%
from collections import OrderedDict
import torch
from torch import nn
from torch.nn import functional as F
import nst_lessons as nst
from nst_lessons import plots
from nst_lessons.checks import check_receptive_field, check_record, check_strongest_channels
from nst_lessons.explorers import FeatureMapExplorer

torch.manual_seed(0)
features = nst.Features("tiny")

# %% [markdown]
# ## A picture that poses the question
#
# A photograph, and what five layers of a network make of it, from the shallowest to the deepest. A layer has many channels, and each
# draws a map of its own. Shown is always the channel that is brightest at the rim of the eye on the left. The first map is thin lines.
# The last is two spots. What are they answering to?

# %%
def loudest_at_eye(act):                         # [1, C, H, W] → the number of a channel
    return act[0, :, int(0.42 * act.shape[2]), int(0.31 * act.shape[3])].argmax().item()


cat = nst.load_image("cat", size=240)            # [1, 3, 160, 240]
layers = ["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"]
maps = [act[0, loudest_at_eye(act)] for act in features(cat, layers).values()]
plots.show([cat, *maps], ["cat", *layers], columns=3)

# %% [markdown]
# ## Predict first
#
# The deepest layer, `relu5_1`, looks at a cup of coffee. We keep what it says and throw the photograph away. Then we change the
# pixels of pure noise until `relu5_1` says the same again. What will the picture show?
#
# - **a** the photograph, a little blurred,
# - **b** a cup in its place, but other colors and no fine detail,
# - **c** the right colors, but no cup.
#
# Note your answer. We shall see below, under *What each depth forgets*.

# %% [markdown]
# ## Small enough for paper
#
# A bright stripe on a 4 × 4 picture, and a filter of 3 × 3 numbers that asks: *does it get brighter to the right?* Lay the filter on the
# upper left corner, multiply the numbers that meet, add: each of three rows gives $-1·0 + 0·1 + 1·1 = 1$, together 3.
#
# The filter fits in four places. Find the other three with a pencil before you run the cell.

# %%
picture = torch.tensor([[0., 1, 1, 0], [0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 0]])
asks = torch.tensor([[-1., 0, 1], [-1, 0, 1], [-1, 0, 1]])
said = torch.tensor([[(picture[r:r + 3, c:c + 3] * asks).sum() for c in (0, 1)] for r in (0, 1)])
print("convolution", said.tolist())
print("then ReLU  ", F.relu(said).tolist())
print("then pool  ", F.max_pool2d(F.relu(said)[None], 2).tolist())      # [1, 2, 2] → [1, 1, 1]

# %% [markdown]
# ## The mathematics, and the function
#
# $$y_{n,r,c} = b_n + \sum_{i}\sum_{u,v} w_{n,i,u,v}\; x_{i,\,r+u,\,c+v}$$
#
# At row $r$, column $c$, filter $n$ adds up what lies under its rows $u$ and columns $v$ in all channels $i$, and a number of its own, $b_n$.
# Each of $N$ filters draws one *feature map*. Training found $w$ and $b$.
#
# **ReLU** replaces negative values by 0: a channel says *yes, so much*, or nothing. **Pooling** keeps the largest of 2 × 2: *somewhere here*.
# Then the next filter reaches twice as far.

# %%
def convolve(x, weight, bias):
    """x: [C, H, W], weight: [N, C, K, K], bias: [N] → [N, H − K + 1, W − K + 1]."""
    count, _, size, _ = weight.shape
    out = torch.zeros(count, x.shape[1] - size + 1, x.shape[2] - size + 1)
    for n in range(count):
        for r in range(out.shape[1]):
            for c in range(out.shape[2]):
                out[n, r, c] = bias[n] + (x[:, r:r + size, c:c + size] * weight[n]).sum()
    return out


x, weight, bias = torch.rand(2, 5, 6), torch.randn(4, 2, 3, 3), torch.randn(4)
windows = F.unfold(x[None], 3)[0]         # [2, 5, 6] → [2·3·3, 3·4]: each window is a column
product = weight.flatten(1) @ windows + bias[:, None]      # [4, 18] · [18, 12] → [4, 12]
torch.testing.assert_close(convolve(x, weight, bias), product.reshape(4, 3, 4))
torch.testing.assert_close(convolve(x, weight, bias), F.conv2d(x[None], weight, bias)[0])
print("loop = product = library")

# %% [markdown]
# ## Listening in
#
# A network hands each result to its next layer and forgets it. A **hook** is a function that a layer calls whenever it has worked:
# with itself, with what went in, and with what came out. So it can keep what came out. `remove()` ends that; a hook left behind goes on
# listening, and filling memory.
#
# (`padding=1` puts zeros around what goes in, so that H and W stay what they were.)

# %%
def listen(network, picture, layer):
    """What the part of the network called `layer` returned while it looked at the picture."""
    kept = []
    part = network.get_submodule(layer)
    handle = part.register_forward_hook(lambda module, inputs, output: kept.append(output))
    network(picture)
    handle.remove()
    return kept[0]


parts = dict(conv1_1=nn.Conv2d(3, 4, 3, padding=1), relu1_1=nn.ReLU(), pool1=nn.MaxPool2d(2))
small = nn.Sequential(OrderedDict(parts))
for layer in ("conv1_1", "relu1_1", "pool1"):
    said = listen(small, cat, layer)
    print(layer, list(said.shape), "negative values:", (said < 0).any().item())

# %% [markdown]
# ## The real thing
#
# VGG-19 stacks convolutions in five blocks, with a pooling between blocks. `conv4_2` is the second convolution of the fourth block,
# *before* its ReLU; `relu4_2` is the same after it. Our `tiny` has the same names, up to `relu5_1`, and computes with few channels; where style is
# measured, at `relu1_1` … `relu5_1`, a *head* (a convolution of 1 × 1) makes VGG-19's number of them. `features(picture, layers)` records for you.
# Does it say what a hook hears?
#
# | block | convolutions of VGG-19 | channels | size of the map |
# |---|---|---|---|
# | 1 | conv1_1 conv1_2 | 64 | H × W |
# | 2 | conv2_1 conv2_2 | 128 | ½ |
# | 3 | conv3_1 conv3_2 conv3_3 conv3_4 | 256 | ¼ |
# | 4 | conv4_1 conv4_2 conv4_3 conv4_4 | 512 | ⅛ |
# | 5 | conv5_1 conv5_2 conv5_3 conv5_4 | 512 | 1⁄16 |

# %%
heard, head = [], features.backbone.heads["3_1"]          # the head that makes conv3_1
handle = head.register_forward_hook(lambda module, inputs, output: heard.append(output))
acts = features(cat, ["conv3_1", *layers])
handle.remove()
print("the hook heard conv3_1:", torch.equal(heard[0], acts["conv3_1"]),
      "· its ReLU is relu3_1:", torch.equal(F.relu(heard[0]), acts["relu3_1"]))
print(*(f"{name} {list(act.shape)}" for name, act in acts.items()), sep="\n")

# %% [markdown]
# ## Explore
#
# Left the photograph, right one channel of one layer, below the six channels that speak most (largest mean). Two sliders move the mark.
#
# 1. At `relu5_1`, find a channel that lights up at both eyes. Keep it and change the picture. Where does it speak now?
# 2. Choose `conv3_1`. A convolution has negative values, too; they would be blue. Where is the blue?

# %%
FeatureMapExplorer(listen=listen)

# %% [markdown]
# ## What changed? Why?
#
# Nothing is blue at `conv3_1`; it is as if the ReLU had already been there. Had it?
#
# <details><summary>Answer</summary>
#
# It had. The explorer's ReLUs work *in place*, as in torchvision's VGG: to save memory, they write their result into the tensor
# that they are given. `listen` kept that very tensor, not a copy of it. When you looked, the convolution's values were gone.
# You mend it now.
#
# </details>

# %% [markdown]
# ## Exercise 2.1 · A recorder
# ●●○ · 10 minutes
#
# `listen` hears one layer. Write `record`: several layers in **one** pass, each kept as a copy that nothing changes later, and no hook
# left behind. Names are those of `network.named_modules()`; a layer inside a part is called `deep.conv2_1`.

# %% exercise="2.1"
def record(network, picture, layers):
    """picture: [B, 3, H, W], layers: list of names → {name: [B, C, H', W']}."""
    ### BEGIN SOLUTION
    kept = {}

    def keep_as(name):
        def hook(module, inputs, output):
            kept[name] = output.clone()
        return hook
    handles = [network.get_submodule(name).register_forward_hook(keep_as(name)) for name in layers]
    network(picture)
    for handle in handles:
        handle.remove()
    return kept
    ### END SOLUTION

# %%
check_record(record)

# %% [markdown]
# <details><summary>Hint</summary>
#
# A hook for each layer, its handle kept in a list; one `network(picture)`; `remove()` for each handle.
#
# </details>
# <details><summary>Second hint</summary>
#
# Write a function `keep_as(name)` that defines a hook and returns it: each then knows its own name. It stores `output.clone()`.
#
# </details>
# <details><summary>Help, I get …</summary>
#
# *“only the last layer”*: a hook made in the loop looks `name` up too late. *“what its ReLU made of it”*: the copy is missing.
# *“looked 3 times”*: `network(picture)` stands inside the loop.
#
# </details>

# %% [markdown]
# ## How far does one number see?
#
# A number of `conv1_1` depends on 3 × 3 pixels; one of `conv1_2` on 3 × 3 of those, so on 5 × 5 pixels. The pixels that one number
# depends on are its **receptive field**. Those are the pixels where its gradient is not zero, so we can measure it.
#
# (With averages for pooling: a maximum passes the gradient on to one pixel of four only.)

# %%
averaging = nst.Features("tiny", pooling="avg")


def influence(layer):
    """How strongly each pixel acts on the numbers in the middle of a layer: [256, 256]."""
    image = torch.rand(1, 3, 256, 256).requires_grad_()
    act = averaging(image, [layer])[layer]
    act[0, :, act.shape[2] // 2, act.shape[3] // 2].sum().backward()
    return image.grad[0].abs().sum(dim=0)                        # [3, 256, 256] → [256, 256]


influences = {layer: influence(layer) for layer in layers}
sees = {layer: (there > 0).any(dim=0).sum().item() for layer, there in influences.items()}
print(sees)
plots.show([there[56:216, 56:216].sqrt() for there in influences.values()], layers)

# %% [markdown]
# *The middle 160 px; bright are pixels with much influence. The field grows fast, and fades toward its border.*
#
# ## Exercise 2.2 · The same with a pencil
# ●○○ · 6 minutes
#
# Begin with $r = 1$ pixel, and with neighbors $j = 1$ pixel apart. For each step with kernel $k$ and stride $s$
#
# $$r \leftarrow r + (k - 1)\,j, \qquad \text{then}\qquad j \leftarrow j · s$$
#
# On paper: conv1_1, conv1_2, pool1, conv2_1 are (3, 1), (3, 1), (2, 2), (3, 1) and give 3, 5, 6, 10.

# %% exercise="2.2"
def receptive_field(steps):
    """steps: list of (kernel, stride), from the picture on → px that one number has seen."""
    ### BEGIN SOLUTION
    r, j = 1, 1
    for kernel, stride in steps:
        r, j = r + (kernel - 1) * j, j * stride
    return r
    ### END SOLUTION

# %%
check_receptive_field(receptive_field)

# %% [markdown]
# <details><summary>Hint</summary>
#
# Two variables and one loop over the pairs: `for kernel, stride in steps`. ReLUs do not count: they look at one number.
#
# </details>
# <details><summary>Second hint</summary>
#
# A filter of 3 has one number already and reaches 2 neighbors further, `j` pixels apart. Only then does the stride move neighbors apart.
#
# </details>
# <details><summary>Help, I get …</summary>
#
# *“one too few”*: begin with 1, not with 0. *“the stride comes too early”*: `j` was multiplied before `r` grew.
#
# </details>

# %% [markdown]
# ## Exercise 2.3 · Who speaks most?
# ●○○ · 5 minutes
#
# A layer has up to 512 channels. For each picture of a batch, find those that speak most: the `count` channels with the largest **mean
# over all positions**, as numbers of channels, the strongest first.

# %% exercise="2.3"
def strongest_channels(act, count):
    """act: [B, C, H, W] → [B, count], numbers of channels, the largest mean first."""
    ### BEGIN SOLUTION
    return act.mean(dim=(2, 3)).topk(count, dim=1).indices
    ### END SOLUTION

# %%
check_strongest_channels(strongest_channels)

# %% [markdown]
# <details><summary>Hint</summary>
#
# First make one number of each map: [B, C, H, W] → [B, C].
#
# </details>
# <details><summary>Second hint</summary>
#
# `topk(count, dim=1)` finds the largest of each row. It returns two things, `values` and `indices`. Which one is wanted?
#
# </details>
# <details><summary>Help, I get …</summary>
#
# *“pictures are mixed”*: the mean also runs over `dim=0`. *“the means themselves”*: you took the values. *“too few to choose from”*: give `topk` its `dim=1`.
#
# </details>

# %% [markdown]
# ## With your own functions
#
# The same explorer, with all three of yours; leave out those that you have not written yet. Now `conv3_1` has its blue, and a frame
# shows what the marked number has seen. Stay at one place and walk from `relu1_1` to `relu5_1`: which frame is the first
# to hold an eye?

# %%
FeatureMapExplorer(record=record, receptive_field=receptive_field, strongest=strongest_channels)

# %% [markdown]
# ## What do they answer to?
#
# Back to the five maps of the beginning. For each channel we look for the place in five photographs where it speaks loudest,
# and cut out what that number has seen.

# %%
def seen_by(picture, layer, channel):
    """What the channel's largest number has seen of the picture; gray where it reaches beyond."""
    act, side = features(picture, [layer])[layer][0, channel], sees[layer]
    stride = 2 ** (int(layer[4]) - 1)               # px between neighbors: 1, 2, 4, 8, 16
    row, column = divmod(act.argmax().item(), act.shape[1])
    top, left = (place * stride + (stride - side) // 2 + side for place in (row, column))
    return F.pad(picture, [side] * 4, value=0.5)[..., top:top + side, left:left + side]


names = ("cat", "astronaut", "coffee", "motorcycle", "rocket")
photos = [nst.load_image(name, size=256) for name in names]
loudest = {layer: loudest_at_eye(acts[layer]) for layer in layers}
patches = [seen_by(one, layer, loudest[layer]) for layer in layers for one in photos]
plots.show(patches, [title for layer in layers for title in (layer, "", "", "", "")])

# %% [markdown]
# *Row by row: light left, dark right; slanting edges; curved rims; round things; round things with their surroundings. (The rocket's
# photograph offers only what comes nearest.) Somewhere below the third row, edges end and objects begin.*
#
# ## What each depth forgets
#
# Now your prediction. `rebuild` starts from noise and changes pixels until one layer says of the picture what it said of the photograph; a little
# smoothness keeps the noise down. (How the optimizer works is lesson 05.)

# %%
see = lambda image, layer: features(image, [layer])[layer]


def rebuild(photo, layer, evaluations=70):
    target = see(photo, layer)                             # P: what it said of the photograph
    image = (0.5 + 0.1 * torch.randn_like(photo)).requires_grad_()
    optimizer = torch.optim.LBFGS([image], max_iter=evaluations, max_eval=evaluations,
                                  line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        act = see(image, layer)                            # F: what it says of our picture
        rough = image.diff(dim=2).pow(2).mean() + image.diff(dim=3).pow(2).mean()
        loss = (act - target).pow(2).sum() / target.pow(2).sum() + 10 * rough
        loss.backward()
        return loss
    optimizer.step(closure)
    return image.detach()


coffee = nst.load_image("coffee", size=144)      # [1, 3, 96, 144]
rebuilt = {layer: rebuild(coffee, layer) for layer in layers}

# %%
far = lambda a, b: ((a - b).pow(2).sum() / b.pow(2).sum()).item()      # ‖a − b‖² / ‖b‖²
seen = [far(see(made, layer), see(coffee, layer)) for layer, made in rebuilt.items()]
pixels = [far(made, coffee) for made in rebuilt.values()]
print("each layer sees the photograph again, up to 10 %:", max(seen) < 0.1)
print("the deeper the layer, the further away the pixels:", pixels == sorted(pixels))
plots.show([coffee, *rebuilt.values()], ["coffee", *layers], columns=3)

# %% [markdown]
# *Each layer is content with its picture. `relu1_1` and `relu2_1` keep everything. `relu3_1` mistakes the brightness of broad areas;
# `relu4_1` keeps outlines and loses colors; of `relu5_1` a cup in its place remains: **b**.*
#
# ## Break it
#
# The same network, but its numbers are random: it never learned. Which of the five maps will change least, and which most?

# %%
never = nst.Features("random")(cat, layers).values()
blind = [act[0, loudest_at_eye(act)] for act in never]
plots.show([*maps, *blind], [*layers, *["never trained"] * 5])

# %% [markdown]
# *Shallow, it hardly matters. Deep, a trained channel chooses; an untrained one speaks nearly everywhere.*
#
# And three slips of published programs: a hook left behind; no copy before an in-place ReLU; layers chosen by counting. (The article behind
# this course takes VGG-19's first 30 steps to reach `conv4_2`.) Guess each line before you run the cell.

# %%
network = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2))
kept = []
network[0].register_forward_hook(lambda module, inputs, output: kept.append(output))
for _ in range(3):
    network(cat)
print("outputs kept, where we wanted the latest:", len(kept))
print("the convolution has negative values:", (network[0](cat) < 0).any().item())
print("what we kept of it has some:", (kept[0] < 0).any().item())

names = []
for block, count in enumerate([2, 2, 4, 4, 4], start=1):
    for number in range(1, count + 1):
        names += [f"conv{block}_{number}", f"relu{block}_{number}"]
    names.append(f"pool{block}")
print("the fifth convolution of VGG-19:", [name for name in names if "conv" in name][4])
print("its first 30 steps lead to:", names[29], "· conv4_2 is step", names.index("conv4_2") + 1)

# %% [markdown]
# ## What to remember
#
# | symbol | shape | code | meaning |
# |---|---|---|---|
# | $w$ | [N, C, 3, 3] | `conv.weight` | N filters, each over all C channels |
# | $F$ | [B, N, H, W] | `features(picture, [layer])[layer]` | N feature maps: what each channel says, and where |
# | `conv4_2` | | before the ReLU | yes and no |
# | `relu4_2` | | after it | only yes |
# | $r$ | px | `receptive_field(steps)` | how much of the picture one number has seen |
# | $j$ | px | product of strides | how far apart neighbors in the map lie |
# | ‖F − P‖² / ‖P‖² | number | `far(act, target)` | how far a picture's content is from the photograph's |
#
# ## Before you go
#
# 1. Shift the photograph by 16 pixels. What happens to the map of `relu5_1`? And by 8?
# 2. Why can `relu1_1` be rebuilt almost exactly, although its ReLU throws all negative values away?
# 3. Which layer would you choose to keep a photograph's *content* while everything else may change?
#
# Deep layers keep what stands where. Style never minds where. How does one ask a layer for that? By
# **[03 · Gram matrices](03_gram_matrices.ipynb)**.
