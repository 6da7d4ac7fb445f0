# %% [markdown]
# # 13 · Local style
#
# **Can only the background become a painting?**
#
# 35 minutes · lessons 03 to 05 · two CPU cores, no GPU, no network
#
# After this you can
# - make a mask: by hand, from a rectangle, or from features that no one labeled,
# - bring it to every layer of a network, and write the Gram matrix of a region,
# - paint one region, or two in two styles, and leave the rest untouched to the pixel.

# %%
import torch
import nst_lessons as nst
from torch.nn import functional as F
from nst_lessons import gram_matrix, plots, regions
from nst_lessons.checks import check_guided_grams, check_one_round, check_only_there
from nst_lessons.explorers import RegionExplorer

torch.manual_seed(0)
features = nst.Features("tiny")
layers = features.style_layers

# %% [markdown]
# ## A picture that poses the question
#
# Style is a sum over positions, and a sum forgets where. So how does the night keep away from the cat? Two options of the
# command line do it: `nst-lessons stylize cat starry -o out.png --mask background:0,0,0.85,1 --untouched`.

# %%
photo, starry = (nst.load_image(name, size=144) for name in ("cat", "starry"))
box = "0,0,0.85,1"                          # left, top, right, bottom: the cat is in there
only = nst.stylize(photo, starry, masks=[f"background:{box}"], untouched=True, steps=36)
mask = regions.read_mask(f"background:{box}", photo, photo.shape[2:])       # [1, 1, H, W]
plots.show([photo, mask[0, 0], only], ["photograph", "mask: white is painted", "only there"])
print("outside, the largest change:", ((only - photo).abs() * (mask == 0)).max().item())

# %% [markdown]
# ## Predict first
#
# An easier way comes to mind: paint the *whole* photograph as in lesson 05, then cut the background out of the painting and lay it behind the
# cat. Compare with a painting whose style is measured in the background only. Whose *background* comes nearer to `starry`?
#
# - **a** The whole painting's: more positions, better sums,
# - **b** the guided one's,
# - **c** equal, since both use the same style.
#
# Note your answer. We shall see below, under *The real thing*.

# %% [markdown]
# ## Small enough for paper
#
# Lesson 03's two channels, *blue* and *stroke*, on 2 × 2 positions; the mask is 1 on the left, 0 on the right. Multiply both
# channels by a guide $T$ that is zero on the right. The table shall be as large as if the left were all there is: so $T$ on the left is not 1 but $\sqrt 2$.
#
# Take a pencil: what is $G_{01}$, the sum of blue × stroke over four positions, divided by 4?

# %%
act = torch.tensor([[[[1., 0.], [3., 1.]],       # channel 0: blue
                     [[2., 0.], [1., 0.]]]])     # channel 1: horizontal stroke
T = torch.tensor([[2.**0.5, 0.], [2.**0.5, 0.]])
print("guided:        ", gram_matrix(T * act)[0].round(decimals=4).tolist())
print("the left alone:", gram_matrix(act[..., :1])[0].tolist())

# %% [markdown]
# ## A mask is a tensor
#
# [1, 1, H, W], 1 inside, 0 outside. But `relu5_1` has a position for every 16 × 16 pixels. Which value does it get? *Nearest* takes one
# pixel of the 256 and does not look at the others. *Area* takes their mean: how much of what this position stands for lies inside.

# %%
ring = regions.ellipse((0.1, 0.1, 0.9, 0.9), (128, 128))
ring = ring - regions.ellipse((0.14, 0.14, 0.86, 0.86), (128, 128))     # [1, 1, 128, 128]
small = {mode: F.interpolate(ring, (8, 8), mode=mode) for mode in ("nearest", "area")}
plots.show([one.expand(1, 3, -1, -1) for one in (ring, *small.values())], ["128 × 128", *small])
print({name: round(one.mean().item(), 3) for name, one in {"full size": ring, **small}.items()})

# %% [markdown]
# *Nearest lost pieces of the ring; area keeps it, faintly, and keeps its share.*
#
# ## The mathematics, and the function
#
# $$\frac1M\sum_k T_{rk}^2 = 1 \qquad G_r = \frac1M\,(T_r \circ F)(T_r \circ F)^\top$$
#
# $T_r$: region $r$'s guide, one number for each of $M$ positions, the same for all channels. (Gatys et al. 2017, "Controlling Perceptual
# Factors")

# %%
def guide(mask, shape):
    """mask: [1, 1, H, W] in [0, 1] → [1, 1, h, w] of a layer's shape (h, w), mean square 1."""
    small = F.interpolate(mask, shape, mode="area")
    return small / small.square().mean().sqrt()


def guided_gram(act, mask):
    """act: [B, C, h, w], mask: [1, 1, H, W] → [B, C, C]."""
    return gram_matrix(guide(mask, act.shape[2:]) * act)

# %% [markdown]
# ## The same by a loop, by einsum, and by the library
#
# Each position adds its table with weight $T^2$. Nothing else changes: it is still a sum over positions, so lesson 10's tiles
# and processes paint with masks as well.

# %%
def guided_by_loop(act, mask):
    T, table = guide(mask, act.shape[2:])[0, 0], 0
    for y in range(act.shape[2]):
        for x in range(act.shape[3]):
            table = table + T[y, x] ** 2 * torch.outer(act[0, :, y, x], act[0, :, y, x])
    return table / (act.shape[2] * act.shape[3])


some, soft = torch.rand(1, 5, 6, 8), torch.rand(1, 1, 24, 32)
T = guide(soft, (6, 8))[0, 0]
truth = guided_by_loop(some, soft)
torch.testing.assert_close(guided_gram(some, soft)[0], truth)
torch.testing.assert_close(torch.einsum("hw,hw,ihw,jhw->ij", T, T, some[0], some[0]) / 48, truth)
torch.testing.assert_close(regions.guided_gram(some, soft)[0], truth)
print("loop = einsum = function = library")

# %% [markdown]
# ## The real thing
#
# *GrabCut* (Rother et al. 2004) asks for a rectangle only. All outside of it is background, so no ear may stick out. It fits a mixture
# of five colors to that and another to the inside, cuts between the two where neighbors differ, fits again, five times. Then every layer gets its guide.

# %%
cat = regions.grab_cut(photo, (0, 0, 0.85, 1))           # [1, 1, H, W]
acts = features(photo, layers[::2])                         # relu1_1, relu3_1, relu5_1
guides = [guide(mask, act.shape[2:])[0, 0] for act in acts.values()]
plots.show([photo * (0.25 + 0.75 * cat), *guides], ["GrabCut", *acts], columns=4)
print("mean square of each guide:", [round(one.square().mean().item(), 3) for one in guides])
print("most of the picture is cat:", 0.6 < cat.mean().item() < 0.9)

# %%
targets = {name: gram_matrix(act) for name, act in features(starry, layers).items()}
kept = features(photo, ["relu4_2"])["relu4_2"]


def paint(tables, share=mask.mean(), steps=28):
    """tables(image) → {layer: table to be compared with starry's}; → the picture."""
    image = photo.clone().requires_grad_()
    optimizer = torch.optim.LBFGS([image], max_iter=steps, max_eval=steps,
                                  line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        far = [(table - targets[name]).square().sum() / targets[name].square().sum()
               for name, table in tables(image).items()]
        content = (features(image, ["relu4_2"])["relu4_2"] - kept).square().sum()
        loss = share * sum(far) / 5 + 0.05 * content / kept.square().sum()
        loss = loss + 0.15 * nst.tv_loss(image).sum() / image.numel()
        loss.backward()
        return loss
    optimizer.step(closure)
    return image.detach().clamp(0, 1)

# %%
ways = {"whole": lambda image: {n: gram_matrix(act) for n, act in features(image, layers).items()},
        "guided": lambda image: {n: guided_gram(act, mask)
                                 for n, act in features(image, layers).items()}}
painted = {name: paint(tables) for name, tables in ways.items()}
cut = {name: regions.composite(one, photo, mask) for name, one in painted.items()}
titles = ["the whole, painted", "cut out, laid behind", "guided, painted", "cut out, laid behind"]
plots.show([one for name in ways for one in (painted[name], cut[name])], titles, columns=2)
error = {name: regions.style_error_in(mask, one, starry, features) for name, one in painted.items()}
print("guided, at most two thirds of the error:", error["guided"] < error["whole"] * 2 / 3)

# %% [markdown]
# *So **b**. Painted as a whole, the picture spent `starry`'s stars on the cat's eyes: its sums are right, but what is cut out lacks its
# share. Cut before the sum, not after.*
#
# ## Explore
#
# Paint on the photograph with mouse or finger (or arrow keys and Space). Or let the mask begin as something: GrabCut
# looks inside the sliders' rectangle. At the right: the mask, as three layers get it.

# %%
RegionExplorer(guided_gram=guided_gram)

# %% [markdown]
# ## What changed? Why?
#
# Choose *style outside: the photograph* instead of *untouched*. Style is asked for inside only. Yet something changes just outside of the mask. What?
#
# <details><summary>Answer</summary>
#
# A position of `relu5_1` sees more than 100 pixels. One that lies inside, near the border, sees the cat as well, and wants *its* pixels to help. That is
# *bleed*. A guide weighs positions, not what they see. *Untouched* puts the photograph back; the feather hides the seam.
#
# </details>

# %% [markdown]
# ## Exercise 13.1 · Only there
# ●○○ · 5 minutes
#
# Put the picture together: painted where the mask is 1, the photograph where it is 0, a mixture where it is between. Where it is 0, to the *last bit*.

# %% exercise="13.1"
def only_there(painted, photo, mask):
    """painted, photo: [B, 3, H, W]; mask: [1, 1, H, W] in [0, 1] → [B, 3, H, W]."""
    ### BEGIN SOLUTION
    return mask * painted + (1 - mask) * photo      # x · 0 and x · 1 are not rounded
    ### END SOLUTION

# %%
check_only_there(only_there)

# %% [markdown]
# <details><summary>Hint</summary>
#
# A weighted mean of two pictures, with a weight for each pixel. Both weights together are 1.
#
# </details>
# <details><summary>Second hint</summary>
#
# [1, 1, H, W] times [B, 3, H, W] works as it is. What is the photograph's weight where the mask is 0.3?
#
# </details>
# <details><summary>Help, I get …</summary>
#
# *“only up to rounding”*: painted + (photo − painted) is not exactly photo in float32. *“the border is hard”*: no comparison is needed, nor `torch.where` alone.
#
# </details>

# %% [markdown]
# ## Exercise 13.2 · Many regions at once
# ●●○ · 8 minutes
#
# R regions come as masks of the layer's size, [R, h, w], not scaled yet. Scale each to mean square 1, *on its own*, and return all tables of all pictures,
# divided by h·w. One `einsum` can do it.

# %% exercise="13.2"
def guided_grams(act, guides):
    """act: [B, C, h, w], guides: [R, h, w] → [B, R, C, C]."""
    ### BEGIN SOLUTION
    T = guides / guides.square().mean(dim=(1, 2), keepdim=True).sqrt()      # [R, h, w]
    return torch.einsum("rhw,rhw,bihw,bjhw->brij", T, T, act, act) / T[0].numel()
    ### END SOLUTION

# %%
check_guided_grams(guided_grams)

# %% [markdown]
# <details><summary>Hint</summary>
#
# Letters: b, r, two for the channels, h and w. Four tensors go in: the guide twice, the activations twice.
#
# </details>
# <details><summary>Second hint</summary>
#
# `guides.square().mean(dim=(1, 2), keepdim=True)` is [R, 1, 1]: one number for each region. Divide by its root first.
#
# </details>
# <details><summary>Help, I get …</summary>
#
# *“multiplied in once”*: both factors are T ∘ F, so T comes squared. *“scaled together”*: `dim=` is missing in `mean`.
#
# </details>

# %% [markdown]
# ## Exercise 13.3 · Regions without labels
# ●●○ · 8 minutes
#
# Nobody drew a rectangle, and no network was told what a cat is. But positions that look alike have activations alike. *k-means* finds such
# groups: every point goes to its nearest center, then every center to the mean of its points; again and again. Write one round. A center without points stays.

# %% exercise="13.3"
def one_round(points, centers):
    """points: [N, D], centers: [k, D] → labels [N] from 0, new centers [k, D]."""
    ### BEGIN SOLUTION
    labels = torch.cdist(points, centers).argmin(dim=1)     # [N, k] → [N]
    moved = centers.clone()
    for c in labels.unique():
        moved[c] = points[labels == c].mean(dim=0)
    return labels, moved
    ### END SOLUTION

# %%
check_one_round(one_round)

# %% [markdown]
# <details><summary>Hint</summary>
#
# `torch.cdist(points, centers)` is [N, k], the distance of each point to each center.
#
# </details>
# <details><summary>Second hint</summary>
#
# `points[labels == c]` are the points of center c; their mean over dimension 0 is its new place. Walk through `labels.unique()`, and empty ones stay by themselves.
#
# </details>
# <details><summary>Help, I get …</summary>
#
# *“changes the tensor”*: clone the centers first. *“became NaN”*: the mean of no points. *“after the centers moved”*: labels first, then centers.
#
# </details>

# %% [markdown]
# ## Clusters of features
#
# Three layers' activations at each place, each of length 1, twenty rounds, three centers. What do the groups turn out to be? The largest
# gets `starry`. (Any mask can be a text, `as_text`, so that a picture can be made again from its settings.)

# %%
rocket = nst.load_image("rocket", size=160)
groups = regions.feature_clusters(features, rocket, 3)          # a list of [1, 1, H, W]
colors = torch.tensor([[0.0, 0.45, 0.7], [0.85, 0.35, 0.0], [0.9, 0.75, 0.1]]).view(3, 1, 3, 1, 1)
tinted = sum(group * color for group, color in zip(groups, colors))
sky = nst.stylize(rocket, starry, masks=[regions.as_text(groups[0])], untouched=True, steps=30)
plots.show([rocket, 0.4 * rocket + 0.6 * tinted, sky], ["photograph", "three clusters", "sky only"])
print("every pixel in one, none small:", bool((sum(groups) == 1).all()),
      all(group.mean() > 0.1 for group in groups))

# %% [markdown]
# *Sky, towers, lights: k-means knows nothing of things, only what looks alike. (Where torchvision's weights can be downloaded,
# `segment:person` and `detect:cat` know names.)*
#
# ## Two styles, two regions
#
# Each region has its own tables, and the sum of both is one loss. `rest` is what other masks leave.

# %%
masks = [f"subject:{box}", "rest"]
mosaic = nst.load_image("mosaic", size=144)
night = nst.stylize(photo, [mosaic, starry], masks=masks, steps=32)
stones = nst.stylize(photo, [starry, mosaic], masks=masks, steps=32)
plots.show([night, stones], ["mosaic cat, starry night", "starry cat, mosaic wall"])
for style, own, other in ((mosaic, night, stones), (starry, stones, night)):
    near, far = (regions.style_error_in(1 - mask, one, style, features) for one in (own, other))
    print("the cat: at most half the style error of the other cat:", near < far / 2)

# %% [markdown]
# ## With your own function
#
# The explorer once more, with *your* `guided_grams`, and a style outside. Take the scaling out of your function: what happens to a small region?

# %%
def mine(act, mask):
    return guided_grams(act, mask[0])[:, 0]       # one region: [B, 1, C, C] → [B, C, C]


RegionExplorer(guided_gram=mine, inside="starry", outside="mosaic")

# %% [markdown]
# ## Break it
#
# Masks are for activations. What if we mask the *picture* instead, and show the network a background with the cat cut out, black? The table is divided
# by the background's share: the same scale. Guess what the border will look like.

# %%
def cut_out(image):
    acts = features(image * mask, layers)
    return {name: gram_matrix(act) / mask.mean() for name, act in acts.items()}


painted["cut-out"] = paint(cut_out)
rim = mask * F.max_pool2d(1 - mask, 5, stride=1, padding=2)     # 2 px inside of the border
large = [F.interpolate(regions.composite(painted[name], photo, mask)[..., 16:80, 48:144],
                       scale_factor=3, mode="bicubic") for name in ("guided", "cut-out")]
plots.show(large, ["guided activations", "the cat cut out of the picture"])
change = {name: ((one - photo).abs() * rim).sum().item() for name, one in painted.items()}
print("at the rim the cut-out changed more than half as much again:",
      change["cut-out"] > 1.5 * change["guided"])
bleed = {name: ((one - photo).abs() * (1 - mask)).sum().item() for name, one in painted.items()}
print("the cat changed, whole : guided, more than threefold:", bleed["whole"] > 3 * bleed["guided"])

# %% [markdown]
# *A line along the border: a halo. The network saw the black cat's edge, which `starry` has not, and the only pixels allowed to fight it were those of the
# rim. With guides there is no edge: the network sees the whole photograph, and only counts less of it.*
#
# ## What to remember
#
# | symbol | shape | code | meaning |
# |---|---|---|---|
# | mask | [1, 1, H, W] | `regions.read_mask("background", …)` | 1 is painted |
# | $T_r$ | [1, 1, h, w] | `guide(mask, shape)` | the mask at a layer: area means, mean square 1 |
# | $G_r$ | [B, C, C] | `guided_gram(act, mask)` | Gram matrix of a region |
# | | [B, 3, H, W] | `only_there(painted, photo, mask)` | outside, the photograph to the last bit |
# | | [N], [k, D] | `one_round(points, centers)` | regions without labels |

# %% [markdown]
# ## Before you go
#
# 1. Why is $T$ scaled by its mean *square*?
# 2. A mask of 2 % of the picture: what will `relu5_1` make of it at 128 px? (The package leaves such a layer out, and says so.)
# 3. Sky to sky, ground to ground: what would guides on the *painting* do?
#
# Clusters needed no labels, but the network below them did. Could it do without, too? **[14 · Without labels](14_without_labels.ipynb)**
