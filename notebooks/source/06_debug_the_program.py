# %% [markdown]
# # 06 · Debug the program
#
# **Why do so many programs on the web paint badly?**
#
# 40 minutes · lesson 05 · two CPU cores, no GPU, no network
#
# After this you can
# - recognize ten classic faults by what they do to a picture, to a number or to the time,
# - find a quiet fault by an experiment whose result you know beforehand,
# - mend `style_transfer(content_path, style_path, output_path, max_iter=1000)` until it paints.

# %%
import tempfile
from pathlib import Path

import torch
from PIL import Image
from torch import nn, optim
from torch.nn import functional as F
from torchvision import transforms
from torchvision.utils import save_image

import nst_lessons as nst
from nst_lessons import plots
from nst_lessons.checks import check_in_and_out, check_listen, check_losses, check_paint
from nst_lessons.checks import check_program, check_total, vgg_features
from nst_lessons.explorers import BeforeAfter

torch.manual_seed(0)
here = Path(tempfile.mkdtemp())                # where this lesson keeps its pictures

# %% [markdown]
# ## A program like many
#
# We wrote it after the manner of the web: short, sure of itself, with ten classic faults. Read it once, as one reads a page that
# one has found, and mark what you distrust.
#
# `vgg_features()` stands for `models.vgg19(weights=…).features`: the same first 30 layers at the same numbers, only narrower, and
# nothing to download. It wants what torchvision's networks want: values in [0, 1], less `MEAN`, divided by `STD`.

# %%
SIZE, ALPHA, BETA, GAMMA = 128, 0.05, 1.0, 0.1
STYLE = {"conv1_1": 1.0, "conv2_1": 0.8, "conv3_1": 0.6, "conv4_1": 0.4}
MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)     # ImageNet's mean color
STD = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
network = vgg_features()


def style_transfer(content_path, style_path, output_path, max_iter=1000):
    content, style = load(content_path, SIZE), load(style_path, SIZE)
    save(paint(content, make_total(content, style), max_iter), output_path)


def load(path, size):
    picture = Image.open(path).convert("RGB")
    picture = transforms.Resize(size)(picture)
    pixels = transforms.PILToTensor()(picture)[None].float().contiguous()   # → [1, 3, H, W]
    return (pixels - 255 * MEAN) / STD


def save(picture, path):
    save_image(picture, path)

# %%
LAYERS = {0: "conv1_1", 2: "conv2_1", 5: "conv3_1", 7: "conv4_1", 10: "conv4_2"}


def listen(picture):
    found = {}
    for number, layer in enumerate(network):
        picture = layer(picture)
        if number in LAYERS:
            found[LAYERS[number]] = picture
    return found


def content_loss(act, target):
    return (act - target).pow(2).sum() / target.pow(2).sum()


def gram(act):
    _, channels, height, width = act.shape
    flat = act.reshape(channels, height * width)                 # [1, C, H, W] → [C, H·W]
    return flat @ flat.T / (channels * height * width)           # [C, H·W] · [H·W, C] → [C, C]


def style_loss(act, target):
    return F.mse_loss(gram(act), target)


def tv_loss(picture):
    right = picture[..., :, 1:] - picture[..., :, :-1]
    down = picture[..., 1:, :] - picture[..., :-1, :]
    return right.pow(2).sum() + down.pow(2).sum()

# %%
def make_total(content, style):
    def total(picture):
        seen, wanted, painted = listen(picture), listen(content), listen(style)
        loss = ALPHA * content_loss(seen["conv4_2"], wanted["conv4_2"]) + GAMMA * tv_loss(picture)
        for name, weight in STYLE.items():
            loss = loss + BETA * weight * style_loss(seen[name], gram(painted[name]))
        return loss
    return total


def paint(picture, total, max_iter):
    picture = picture.clone().requires_grad_()
    optimizer = optim.LBFGS([picture])

    def closure():
        picture.data.clamp_(0, 1)
        optimizer.zero_grad()
        loss = total(picture)
        loss.backward()
        return loss
    for step in range(max_iter):
        optimizer.step(closure)
    return picture.detach()

# %% [markdown]
# ## Predict first
#
# We shall call it with `max_iter=2`, two steps. How many pictures may go through the network?
#
# - **a** 2: one for each step,
# - **b** 4: and the photograph and the painting, once each,
# - **c** 120.
#
# Note your answer, and a second one: of how many of the ten faults will Python complain?

# %%
photo, painting = nst.load_image("coffee", size=240), nst.load_image("waves", size=240)
nst.save_image(photo, here / "photo.png")
nst.save_image(painting, here / "painting.png")
passes, asked, stages = [], [], {}
network[0].register_forward_hook(lambda *_: passes.append(1))     # counts pictures that enter


def again(max_iter=2):
    """A painting by the program as it stands now, from two files to a third."""
    style_transfer(here / "photo.png", here / "painting.png", here / "painted.png", max_iter)
    return nst.load_image(here / "painted.png", size=240)


def toy(picture):
    """A loss on which `paint` can be tried alone: it counts how often it is asked."""
    asked.append(1)
    return (torch.linspace(1, 1e3, picture.numel()) * (picture.flatten() - 0.5) ** 2).sum()


stages["all ten faults"] = again()
small = nst.load_image(photo, size=SIZE)
objective = nst.Objective(nst.Features("tiny"), small, nst.load_image(painting, size=SIZE))
*_, step = nst.optimize(small, objective, steps=40)
plots.show([photo, painting, stages["all ten faults"], step.image],
           ["photograph", "painting", "the program", "lesson 05"], columns=2)

# %% [markdown]
# *Below: the program's picture, and what lesson 05's loop makes of the same two in 40 evaluations.*
#
# ## First experiment: there and back
#
# Not one complaint. A fault that stops a program is soon found; these ten are quiet. What finds them is an experiment whose result
# you know beforehand. The cheapest is to do *nothing*: what is loaded and saved at once must come back as it was.

# %%
save(load(here / "photo.png", SIZE), here / "back.png")
plots.show([photo, nst.load_image(here / "back.png", size=240)], ["the file", "loaded and saved"])
for name in ("photo.png", "painting.png"):
    picture = load(here / name, SIZE)
    print(f"{name}: asked for {SIZE} px, got {picture.shape[3]}×{picture.shape[2]},",
          f"values from {picture.min():.0f} to {picture.max():.0f}")

# %% [markdown]
# *If both pictures are alike, nothing is lost on the way. The network was trained on values from about −2 to 2.6.*
#
# ## Exercise 6.1 · In and out
# ●○○ · 8 minutes
#
# Three faults. When they are mended,
#
# - `size` is the *longer* side in px, whatever the picture's proportions, which are kept,
# - `load` gives (x − mean) / std of values x in [0, 1],
# - `save` writes the picture that `load` would read; what was painted beyond black or white is cut there.

# %% exercise="6.1"
def load(path, size):
    """The picture in a file as the network wants it, `size` px on its longer side."""
    picture = Image.open(path).convert("RGB")
    ### BEGIN FAULTY 8
    picture = transforms.Resize(size)(picture)
    ### END FAULTY
    ### BEGIN SOLUTION 8
    scale = size / max(picture.size)
    shape = round(picture.height * scale), round(picture.width * scale)
    picture = transforms.Resize(shape)(picture)
    ### END SOLUTION
    ### BEGIN FAULTY 6
    pixels = transforms.PILToTensor()(picture)[None].float().contiguous()   # → [1, 3, H, W]
    return (pixels - 255 * MEAN) / STD
    ### END FAULTY
    ### BEGIN SOLUTION 6
    pixels = transforms.ToTensor()(picture)[None]         # → [1, 3, H, W], in [0, 1]
    return (pixels - MEAN) / STD
    ### END SOLUTION


def save(picture, path):
    """Writes what `load` would read."""
    ### BEGIN FAULTY 9
    save_image(picture, path)
    ### END FAULTY
    ### BEGIN SOLUTION 9
    save_image((picture * STD + MEAN).clamp(0, 1), path)
    ### END SOLUTION

# %%
check_in_and_out(load, save)

# %% [markdown]
# <details><summary>Hint</summary>
#
# What does `ToTensor` give where `PILToTensor` gives up to 255? Which side does `Resize` measure, given one number?
#
# </details>
# <details><summary>Second hint</summary>
#
# `Resize` also takes (height, width). `save` undoes the last line of `load`: times, then plus, then `.clamp(0, 1)`.
#
# </details>
# <details><summary>Help, I get …</summary>
#
# *A white file*: values still reach 255. *“… `view` …”*: `.contiguous()` is missing.
#
# </details>
#
# ## Second experiment: merely larger
#
# A pattern laid 2 × 2 is no rougher. A layer with each channel twice says nothing new. What should the losses do?

# %%
one, other, twice = torch.rand(1, 8, 12, 12), torch.rand(1, 8, 12, 12), (1, 2, 1, 1)
tv = tv_loss(one.repeat(1, 1, 2, 2)) / tv_loss(one)         # the pattern four times, 2 × 2
style = style_loss(one, gram(other)) / style_loss(one.repeat(twice), gram(other.repeat(twice)))
print(f"twice as wide and high: TV × {tv:.0f} · each channel twice: style loss ÷ {style:.0f}")
stages["after 6.1"] = again()
plots.show([photo, *stages.values()], ["photograph", "before", "now"])

# %% [markdown]
# *Both alike, as long as 6.1 is not mended. Afterwards: fog. One loss outweighs all others.*
#
# ## Exercise 6.2 · What the losses weigh
# ●●○ · 8 minutes
#
# Two faults. Neither the size of a picture nor the number of channels may change what a loss weighs. (`content_loss`, in the
# program above, obeys that.) Wanted are
#
# $$\frac{\lVert G - A\rVert^2}{\lVert A\rVert^2} \qquad\qquad \frac{1}{C·H·W}\sum (\text{difference of neighbors})^2$$
#
# $A$: `target`, the painting's table. Each table counts its own H·W.

# %% exercise="6.2"
def gram(act):
    """Gram matrix of activations [1, C, H, W] → [C, C]."""
    _, channels, height, width = act.shape
    flat = act.reshape(channels, height * width)                 # [1, C, H, W] → [C, H·W]
    ### BEGIN FAULTY 5
    return flat @ flat.T / (channels * height * width)           # [C, H·W] · [H·W, C] → [C, C]
    ### END FAULTY
    ### BEGIN SOLUTION 5
    return flat @ flat.T / (height * width)                      # [C, H·W] · [H·W, C] → [C, C]
    ### END SOLUTION


def style_loss(act, target):
    """How far the Gram matrix of `act` is from `target`, the painting's: ‖G − A‖² / ‖A‖²."""
    ### BEGIN FAULTY 5
    return F.mse_loss(gram(act), target)
    ### END FAULTY
    ### BEGIN SOLUTION 5
    return (gram(act) - target).pow(2).sum() / target.pow(2).sum()
    ### END SOLUTION


def tv_loss(picture):
    """Squared differences of neighbors."""
    right = picture[..., :, 1:] - picture[..., :, :-1]
    down = picture[..., 1:, :] - picture[..., :-1, :]
    ### BEGIN FAULTY 7
    return right.pow(2).sum() + down.pow(2).sum()
    ### END FAULTY
    ### BEGIN SOLUTION 7
    return (right.pow(2).sum() + down.pow(2).sum()) / picture.numel()
    ### END SOLUTION

# %%
check_losses(gram, style_loss, tv_loss)

# %% [markdown]
# <details><summary>Hint</summary>
#
# `F.mse_loss` is a mean over C × C entries, and `gram` has already divided by C. How often is C in it, once all is squared?
#
# </details>
# <details><summary>Second hint</summary>
#
# Two sums of squares, one over the other; `content_loss` shows the pattern. `picture.numel()` counts a picture's values.
#
# </details>
# <details><summary>Help, I get …</summary>
#
# *“Size alone changes the loss”*: `gram` divides by nothing now, and photograph and painting differ in size. *“Of five layers one is
# heard”*: ÷ ‖A‖² is missing.
#
# </details>

# %% [markdown]
# ## Small enough for paper
#
# A convolution gives −1, 2, −3, 4. We keep that under a name. Then comes a ReLU that works *in place*: it saves memory by writing
# its result over what came in. What does the name hold now?
#
# And: each pooling halves the picture, and block 2 begins after the first. How wide is what `conv4_1` gives of a picture 128 px wide?

# %%
act = kept = torch.tensor([-1., 2., -3., 4.])
print("after the ReLU:", nn.ReLU(inplace=True)(act), "kept:", kept)
for name, found in listen(load(here / "photo.png", SIZE)).items():
    print(f"{name}: {found.shape[3]} wide, negative values: {(found < 0).any().item()}")
stages["after 6.2"] = again()
plots.show([photo, stages["after 6.1"], stages["after 6.2"]], ["photograph", "before", "now"])

# %% [markdown]
# *Once 6.2 is mended, too: the fog is gone, and there is grain instead of strokes.*
#
# ## Exercise 6.3 · Which layer speaks?
# ●●○ · 8 minutes
#
# Two faults. `LAYERS` says which of the network's 30 layers is which convolution, and is wrong: the fifth convolution is not
# conv5_1. And what is kept does not stay what it was. Each name shall get what *its* convolution gave. `print(network)` lists the
# layers; conv4_1 is the first convolution after the third pooling.

# %% exercise="6.3"
### BEGIN FAULTY 2
LAYERS = {0: "conv1_1", 2: "conv2_1", 5: "conv3_1", 7: "conv4_1", 10: "conv4_2"}
### END FAULTY
### BEGIN SOLUTION 2
LAYERS = {0: "conv1_1", 5: "conv2_1", 10: "conv3_1", 19: "conv4_1", 21: "conv4_2"}
### END SOLUTION


def listen(picture):
    """{name: activations [1, C, H', W']} of a picture [1, 3, H, W]."""
    found = {}
    for number, layer in enumerate(network):
        picture = layer(picture)
        if number in LAYERS:
            ### BEGIN FAULTY 1
            found[LAYERS[number]] = picture
            ### END FAULTY
            ### BEGIN SOLUTION 1
            found[LAYERS[number]] = picture.clone()          # a copy, which no ReLU overwrites
            ### END SOLUTION
    return found

# %%
check_listen(listen)

# %% [markdown]
# <details><summary>Hint</summary>
#
# In `print(network)`, a `MaxPool2d` ends a block. VGG-19's blocks have 2, 2, 4, 4, … convolutions.
#
# </details>
# <details><summary>Second hint</summary>
#
# The poolings are 4, 9, 18 and 27. Keep a copy, or tell each ReLU `layer.inplace = False`.
#
# </details>
# <details><summary>Help, I get …</summary>
#
# *“No negative value”*: the number is that of the ReLU behind, or the ReLU still writes over what you keep.
#
# </details>
#
# ## Third experiment: count
#
# How often does `paint` ask for the loss of a toy? How many pictures does each answer cost?

# %%
stages["after 6.3"] = again()
plots.show([photo, stages["after 6.2"], stages["after 6.3"]], ["photograph", "before", "now"])
passes, asked = [], []
make_total(small, small)(small)
paint(torch.rand(1, 3, 8, 8), toy, max_iter=2)
print(f"evaluations for max_iter=2: {len(asked)} · pictures for each of them: {len(passes)}")

# %% [markdown]
# *Once 6.3 is mended: larger forms, still pale.* And your prediction? **c**: three pictures an evaluation, twenty evaluations a step.
#
# ## Exercise 6.4 · What never changes
# ●●○ · 6 minutes
#
# One fault with two halves; it costs time and memory only. The photograph and the painting go through the network at every
# evaluation, though their answers never change. And nobody has told PyTorch that the network stays as it is, so it makes gradients for
# its weights too: look at `network[0].weight.grad`.

# %% exercise="6.4"
def make_total(content, style):
    """total(picture), the loss that `paint` makes smaller."""
    ### BEGIN SOLUTION 10
    network.requires_grad_(False)
    with torch.no_grad():
        wanted = listen(content)["conv4_2"]
        grams = {name: gram(act) for name, act in listen(style).items()}
    ### END SOLUTION

    def total(picture):
        ### BEGIN FAULTY 10
        seen, wanted, painted = listen(picture), listen(content), listen(style)
        loss = ALPHA * content_loss(seen["conv4_2"], wanted["conv4_2"]) + GAMMA * tv_loss(picture)
        ### END FAULTY
        ### BEGIN SOLUTION 10
        seen = listen(picture)
        loss = ALPHA * content_loss(seen["conv4_2"], wanted) + GAMMA * tv_loss(picture)
        ### END SOLUTION
        for name, weight in STYLE.items():
            ### BEGIN FAULTY 10
            loss = loss + BETA * weight * style_loss(seen[name], gram(painted[name]))
            ### END FAULTY
            ### BEGIN SOLUTION 10
            loss = loss + BETA * weight * style_loss(seen[name], grams[name])
            ### END SOLUTION
        return loss
    return total

# %%
check_total(make_total, network)

# %% [markdown]
# <details><summary>Hint</summary>
#
# What stands before `def total` runs once; what stands inside runs at every evaluation. Lesson 05's targets were made where?
#
# </details>
# <details><summary>Second hint</summary>
#
# `with torch.no_grad():` around what is computed once, and `network.requires_grad_(False)`.
#
# </details>
# <details><summary>Help, I get …</summary>
#
# *“Trying to backward through the graph a second time”*: the targets still hang in a graph. Programs on the web answer with `retain_graph=True`, and grow slower. *“… size of tensor …”*: `style_loss` wants the painting's *table*. *“Without a gradient”*: only targets belong under `no_grad`.
#
# </details>

# %% [markdown]
# ## Exercise 6.5 · Who moves the picture?
# ●●○ · 8 minutes
#
# Two faults. `max_iter` shall count *evaluations*, give or take the last line search; but one `step` of torch's L-BFGS makes up to
# twenty unless it is told otherwise. And somebody besides the optimizer moves the picture. L-BFGS learns how the slope bends from pairs of
# *step* and *change of gradient*; alter the step afterwards, and what it learns is false. Here, in normalized values, dark places and strong
# colors are lost besides.

# %% exercise="6.5"
def paint(picture, total, max_iter):
    """The picture after `max_iter` evaluations of total(picture)."""
    picture = picture.clone().requires_grad_()
    ### BEGIN FAULTY 4
    optimizer = optim.LBFGS([picture])
    ### END FAULTY
    ### BEGIN SOLUTION 4
    optimizer = optim.LBFGS([picture], max_iter=max_iter, max_eval=max_iter,
                            line_search_fn="strong_wolfe")
    ### END SOLUTION

    def closure():
        ### BEGIN FAULTY 3
        picture.data.clamp_(0, 1)
        ### END FAULTY
        optimizer.zero_grad()
        loss = total(picture)
        loss.backward()
        return loss
    ### BEGIN FAULTY 4
    for step in range(max_iter):
        optimizer.step(closure)
    ### END FAULTY
    ### BEGIN SOLUTION 4
    optimizer.step(closure)          # one step: it makes all the evaluations itself
    ### END SOLUTION
    return picture.detach()

# %%
check_paint(paint)

# %% [markdown]
# <details><summary>Hint</summary>
#
# Which line changes `picture` without asking for a gradient? What would be lost if it went?
#
# </details>
# <details><summary>Second hint</summary>
#
# `optim.LBFGS(…, max_iter=…, max_eval=…, line_search_fn="strong_wolfe")` and a single `step`, as in lesson 05. `save` clamps, once, at the end.
#
# </details>
# <details><summary>Help, I get …</summary>
#
# *“Stops after 20”*: L-BFGS's own `max_iter` is 20 if nobody sets it. *NaN*: without a line search a step can go too far.
#
# </details>

# %% [markdown]
# ## The whole program
#
# `style_transfer` sees your functions by their names. Which of the ten faults are left? And how does it paint now, larger and
# with 80 evaluations?

# %%
check_program(style_transfer)

# %%
asked = []
paint(torch.rand(1, 3, 8, 8), toy, max_iter=2)
print("max_iter=2 made 40 evaluations; now fewer than 12:", len(asked) < 12)
SIZE, steps = (192, 80) if len(asked) < 12 else (96, 1)    # small while each step makes 20
stages["the program now"] = again(steps)
plots.show([photo, *stages.values()], ["photograph", *stages], columns=3)

# %% [markdown]
# *The way from ten faults to none (in your own copy: as far as you have come).*
#
# ## Explore
#
# Any two of them, one behind the other; move the line, and enlarge the middle. `after 6.2` against `after 6.3` shows what deeper
# layers give. Which step changed the picture most, and which not at all?

# %%
BeforeAfter({"photograph": photo, **stages})

# %% [markdown]
# ## What changed? Why?
#
# <details><summary>Answer</summary>
#
# Most: what the losses weigh, and the clamp, since each of them alone hides all the rest. Not at all: 6.4, which saves only time.
# Even in the fog the loss fell more than a hundredfold: a falling loss alone proves nothing.
#
# </details>
#
# ## Break it
#
# First the program as it is now, small. Then three times the same with *one* fault planted: other layers, too much smoothness, or red
# and blue exchanged. Which is which?

# %%
def planted(**parts):
    """A painting with some of the program's parts replaced."""
    kept = {name: globals()[name] for name in parts}
    globals().update(parts)
    picture = again(min(steps, 40))
    globals().update(kept)
    return picture


SIZE, as_it_is = 96, load
first_five = {0: "conv1_1", 2: "conv2_1", 5: "conv3_1", 7: "conv4_1", 10: "conv4_2"}
plots.show([planted(), planted(GAMMA=1e3 * GAMMA),
            planted(load=lambda *which: as_it_is(*which).flip(1)), planted(LAYERS=first_five)],
           ["as it is", "A", "B", "C"], columns=2)

# %% [markdown]
# *A smoothness, B colors, C layers. (C wants 6.3 mended.)*
#
# ## What to remember
#
# <details><summary>The ten, once you have found them</summary>
#
# | fault | what one sees | the experiment | the article's, too |
# |---|---|---|---|
# | ReLU in place | `conv` layers without negative values | `act.min()` | yes |
# | layer by a wrong number | grain, no strokes | widths of the maps | yes |
# | clamp in the closure | pale, or held at the rim | a loss whose lowest place is known | |
# | twenty evaluations a step | twenty times the time | count them | yes |
# | Gram ÷ C, then a mean | deep layers unheard | each channel twice | yes |
# | 0–255, or BGR | harsh colors, odd strokes | least and largest value | |
# | TV summed | fog, thicker in large pictures | the same pattern, larger | |
# | `Resize(256)` | other sizes, more time | a strip | yes |
# | saved as it is | black where it is dark | there and back | yes |
# | targets anew, weights not frozen | time, memory | count passes and gradients | |
#
# </details>
#
# ## Before you go
#
# 1. A loss falls smoothly and the picture is bad. Which of the ten can it be?
# 2. Why does a wrong divisor stay unnoticed until somebody changes layers?
# 3. The article behind this course asks a *list* for style features by name. Why is that fault harmless?
#
# It paints. Now its knobs: **[07 · Turning the knobs](07_turning_the_knobs.ipynb)**.
