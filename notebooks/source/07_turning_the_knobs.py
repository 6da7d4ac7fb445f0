# %% [markdown]
# # 07 · Turning the knobs
#
# **What do layers, alpha : beta, TV and steps do?**
#
# 40 minutes · lesson 05 · two CPU cores, no GPU, no network
#
# After this you can
# - paint a contact sheet over any settings, and read it,
# - say what other statistics than the Gram matrix keep of a style,
# - keep colors, mix styles, choose the size of strokes.

# %%
import itertools
import time

import torch
from torch.nn import functional as F
import nst_lessons as nst
from nst_lessons import plots
from nst_lessons.checks import check_combinations, check_match_color, check_sliced
from nst_lessons.explorers import LayerLab
from nst_lessons.gram import gram_matrix, random_directions
from nst_lessons.statistics import TERMS, own_term
from nst_lessons.stylize import finish, paint

torch.manual_seed(0)
features = nst.Features("tiny")

# %% [markdown]
# ## A picture that poses the question
#
# One cat, one painting, one network, 20 evaluations each. For every picture on the right a single knob was turned: layers, stroke
# size, or statistic, in an order drawn by lot. Which is which? Note a guess; at the end of the lesson you will know.

# %%
cat, waves, starry = (nst.load_image(name, size=96) for name in ("cat", "waves", "starry"))
knobs = [{"style_layers": ["relu1_1"]}, {"style_scale": 0.5}, {"statistic": "patches"}]
knobs = [knobs[k] for k in torch.randperm(3)]
strangers = [nst.stylize(cat, waves, steps=20, levels=2, **knob) for knob in knobs]
plots.show([cat, waves, *strangers], ["photograph", "painting", "?", "??", "???"])

# %% [markdown]
# ## Predict first
#
# We start from noise, hardly ask for the photograph, and measure style at `relu1_1` only. The picture will show
#
# - **a** the painting's waves, small,
# - **b** its colors, scattered like confetti,
# - **c** nothing but gray noise.
#
# And at all five layers, up to `relu5_1`? Note both answers.

# %% [markdown]
# ## Small enough for paper
#
# Two channels, say *blue* and *edge*, at four positions; and two pictures of them. In A blue is where the edges are, in B where
# they are not. Take a pencil: for each channel mean and deviation, for both together the mean product.
#
# Who can tell A from B: means and deviations, or the product?

# %%
A = torch.tensor([[0., 2., 0., 2.], [0., 2., 0., 2.]]).view(1, 2, 2, 2)      # blue, edge
B = torch.tensor([[0., 2., 0., 2.], [2., 0., 2., 0.]]).view(1, 2, 2, 2)
for name, act in (("A", A), ("B", B)):
    flat = act.flatten(2)[0]                  # [1, 2, 2, 2] → [2, 4]
    print(name, "means", flat.mean(1).tolist(), "deviations", flat.std(1, correction=0).tolist(),
          "mean product", (flat[0] * flat[1]).mean().item())

# %% [markdown]
# ## The mathematics, and the functions
#
# $$d = \frac{\lVert\mu - \mu'\rVert^2 + \lVert\sigma - \sigma'\rVert^2}{\lVert\mu'\rVert^2 + \lVert\sigma'\rVert^2} \qquad
# \Sigma = \frac1M\sum_k (F_k - \mu)(F_k - \mu)^\top$$
#
# $F_k$: what all channels say at position $k$ of $M$; $\mu, \sigma$: mean and deviation of each channel; primed: the painting's.
# They see each channel alone. The covariance $\Sigma$ sees pairs, like the Gram matrix, but around the mean.
# *Sorted projections* keep more: all values along a direction, and forget only where they stood.

# %%
def mean_and_deviation(act):                                    # [B, C, H, W] → two of [B, C]
    flat = act.flatten(2)                                       # [B, C, H·W]
    return flat.mean(dim=2), flat.std(dim=2, correction=0)


def covariance(act):                                            # → [B, C, C]
    return gram_matrix(act - act.mean(dim=(2, 3), keepdim=True))


def sorted_projections(act, directions):                        # directions: [C, K]
    return (directions.T @ act.flatten(2)).sort(dim=2).values   # → [B, K, H·W]


def mean_std_distance(act, style_act):                          # → [B]
    pairs = list(zip(mean_and_deviation(act), mean_and_deviation(style_act)))
    squares = sum((mine - theirs).pow(2).sum(1) for mine, theirs in pairs)
    return squares / sum(theirs.pow(2).sum(1) for _, theirs in pairs)

# %% [markdown]
# ## The same by a loop, and by the library
#
# The loop takes two channels at a time, centers them, multiplies. And the Gram matrix is the covariance with the product of the means
# put back.

# %%
def covariance_by_loop(act):
    rows = act[0].flatten(1)                  # [1, C, H, W] → [C, H·W]
    return torch.stack([torch.stack([((a - a.mean()) * (b - b.mean())).mean() for b in rows])
                        for a in rows])


some = torch.rand(1, 5, 6, 7)
mean, _ = mean_and_deviation(some)
torch.testing.assert_close(covariance_by_loop(some), covariance(some)[0])
torch.testing.assert_close(covariance(some)[0], some[0].flatten(1).cov(correction=0))
torch.testing.assert_close(gram_matrix(some), covariance(some) + mean[:, :, None] * mean[:, None])
print("loop = covariance = library")
print("A and B are alike by mean and deviation:", mean_std_distance(A, B).item() == 0,
      "· by covariance:", torch.equal(covariance(A), covariance(B)))

# %% [markdown]
# ## The real thing
#
# Twenty paintings for the two oldest knobs (Gatys et al. 2015, figure 3). Downward a layer more each time (`… relu3_1`: all up to it),
# to the right more content : style. `nst.sweep` paints every combination; with a `folder` it keeps each cell, and goes on where it
# stopped. In a terminal:
#
# ```
# nst-lessons sweep cat waves --grid style_layers=relu1_1,relu1_1+relu5_1 --grid alpha=0.02,1 -o sheet.png
# ```

# %%
layers = ["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"]
rows = {layers[0]: layers[:1]} | {f"… {layers[k]}": layers[:k + 1] for k in range(1, 5)}
ratios = {"1 : 50": 0.02, "1 : 12": 0.08, "1 : 4": 0.25, "1 : 1": 1.0}
gatys = nst.sweep(cat, waves, {"style_layers": rows, "alpha": ratios}, folder=None,
                  init="noise", steps=25, levels=2)
gatys.show()
at = {(row["style_layers"], row["alpha"]): row for row in gatys.table}
one, five = at["relu1_1", "1 : 50"], at["… relu5_1", "1 : 50"]
print("five layers, less than a third of one layer's style error:",
      five["style_error"] < one["style_error"] / 3)
print("1 : 1, less than a third of the content error of 1 : 50:",
      at["… relu5_1", "1 : 1"]["content_error"] < five["content_error"] / 3)

# %% [markdown]
# *Downward, pieces grow: from confetti (**b**) over flecks to whole crests. To the right the cat comes back.*
#
# ## Explore
#
# Every knob of `stylize`, and a small preview. The statistic is *your* `mean_std_distance` from above. Take the layers away one
# by one, from the top, then from the bottom. Below the picture: the same as code, to copy.

# %%
LayerLab(distance=mean_std_distance)

# %% [markdown]
# ## What changed? Why?
#
# Choose the statistic `gram` and untick `relu1_1` and `relu2_1`: the strokes stay, the colors go astray. Why?
#
# <details><summary>Answer</summary>
#
# `relu1_1` looks at 3 × 3 pixels: it knows colors and their grain, no shapes. Deep layers look at half the picture, and for recognizing
# things exact color matters little. What no layer measures stays as it began, or as content and TV want it.
#
# </details>

# %% [markdown]
# ## Exercise 7.1 · All combinations
# ●○○ · 5 minutes
#
# The heart of a sweep. From `{"alpha": [0.03, 0.3], "steps": [20, 60]}` make the list of its four combinations, each a dictionary
# `{"alpha": 0.03, "steps": 20}` …, for any number of names. The last name changes fastest.

# %% exercise="7.1"
def combinations(grid):
    """grid: {name: [values]} → [{name: value, …}, …]."""
    ### BEGIN SOLUTION
    return [dict(zip(grid, values)) for values in itertools.product(*grid.values())]
    ### END SOLUTION

# %%
check_combinations(combinations)

# %% [markdown]
# <details><summary>Hint</summary>
#
# `itertools.product([1, 2], "ab")` gives (1, a), (1, b), (2, a), (2, b). The star in `f(*lists)` hands over each list on its own.
#
# </details>
# <details><summary>Second hint</summary>
#
# `dict(zip(names, values))` puts names and values together. Walking through a dictionary gives its names.
#
# </details>
# <details><summary>Help, I get …</summary>
#
# *Only two combinations*: `zip` of the lists goes through them in step. *All the same*: make a new dictionary each time.
#
# </details>

# %% [markdown]
# ## Exercise 7.2 · The painting in the photograph's colors
# ●●○ · 10 minutes
#
# Colors are three channels, so they have a mean and a covariance too. Take out the painting's, put in the photograph's, before
# you paint:
#
# $$x \leftarrow \Sigma'^{1/2}\,\Sigma^{-1/2}\,(x - \mu) + \mu'$$
#
# (Primed, here: the photograph's.) Covariances ÷ H·W, values clamped to [0, 1] at the end. `power(matrix, 0.5)` is given.

# %% exercise="7.2"
def power(matrix, exponent):                  # of a symmetric matrix: that of its eigenvalues
    values, vectors = torch.linalg.eigh(matrix)
    return vectors * values.clamp_min(1e-5) ** exponent @ vectors.T


def match_color(style, photo):
    """style: [1, 3, H, W], photo: [1, 3, H', W'] → [1, 3, H, W]."""
    ### BEGIN SOLUTION
    mine, theirs = style[0].flatten(1), photo[0].flatten(1)     # [1, 3, H, W] → [3, H·W]
    plain = power(mine.cov(correction=0), -0.5) @ (mine - mine.mean(1, keepdim=True))
    matched = power(theirs.cov(correction=0), 0.5) @ plain + theirs.mean(1, keepdim=True)
    return matched.clamp(0, 1).reshape(style.shape)             # [3, H·W] → [1, 3, H, W]
    ### END SOLUTION

# %%
check_match_color(match_color)

# %% [markdown]
# <details><summary>Hint</summary>
#
# A picture as a matrix: `style[0].flatten(1)` is [3, H·W], each column a color. `.cov(correction=0)` of it is [3, 3].
#
# </details>
# <details><summary>Second hint</summary>
#
# Three lines: make the colors plain, color them, put them back into shape. `mean(1, keepdim=True)` is [3, 1]: it fits
# every column.
#
# </details>
# <details><summary>Help, I get …</summary>
#
# *“in the wrong order”*: the matrix at the right acts first. *“the way by Cholesky”*: also a root, but not a symmetric one.
#
# </details>

# %% [markdown]
# ## Exercise 7.3 · Sorted against sorted
# ●●● · 10 minutes
#
# Two heaps of sand in a row: the cheapest way to carry one into the other's place moves no grain past another. So sort both and
# compare in order, along many directions: the *sliced Wasserstein distance*. `target` is the painting's sorted projections, of another
# length perhaps: `F.interpolate(target, count, mode="linear")` draws it to `count` values. Mean of squares, one number for each picture.

# %% exercise="7.3"
def sliced_wasserstein(act, target, directions):
    """act: [B, C, H, W], target: [1, K, M'] sorted, directions: [C, K] → [B]."""
    ### BEGIN SOLUTION
    mine = sorted_projections(act, directions)
    target = F.interpolate(target, mine.shape[2], mode="linear")    # [1, K, M'] → [1, K, H·W]
    return (mine - target).pow(2).mean(dim=(1, 2))
    ### END SOLUTION

# %%
check_sliced(sliced_wasserstein)

# %% [markdown]
# <details><summary>Hint</summary>
#
# `sorted_projections` from above does two thirds of the work: project, sort.
#
# </details>
# <details><summary>Second hint</summary>
#
# Three lines: sort the picture's, draw the target to `mine.shape[2]` values, compare. `mean(dim=(1, 2))` leaves the batch alone.
#
# </details>
# <details><summary>Help, I get …</summary>
#
# *“The size of tensor a must match”*: the target has another length; draw it. *“cut the longer row off”*: do not slice, interpolate.
#
# </details>
#
# ## With your own function
#
# After yours, choose `sliced`, the package's own: a cousin, which weighs each layer otherwise.

# %%
def my_slices(act, style_act):
    directions = random_directions(act.shape[1], 64)
    target = sorted_projections(style_act, directions)
    return 3 * sliced_wasserstein(act, target, directions)      # 3: else content would win


LayerLab(distance=my_slices)

# %% [markdown]
# ## Five statistics, equal time
#
# Sorting takes time: one evaluation of `sliced` costs more than two of `mean_std`. So be fair: one second each.
# `covariance` compares Gaussians by the Wasserstein-2 distance; `patches` asks each 3 × 3 piece of a map to be like its nearest in
# the painting (Li & Wand 2016).

# %% tags=["nbval-ignore-output"]
def in_seconds(seconds, statistic):
    began = time.thread_time()                # what other programs take does not count
    settings = nst.Settings(statistic=statistic, steps=1000, levels=1, alpha=0.02)
    for progress in paint(cat, waves, settings, features):
        if time.thread_time() - began > seconds:
            break
    picture = finish(progress.image, cat, settings)
    print(f"{statistic:10} {progress.evaluations:3} evaluations, "
          f"style error {nst.style_error(picture, waves, features):.3f}")
    return picture


plots.show([in_seconds(1.0, statistic) for statistic in TERMS], list(TERMS))

# %% [markdown]
# *Four of them ask what occurs how often, and nearly agree. Patches ask for pieces as they are: the painting's red sun and
# its paper take the place of eyes and fur. (The style error compares Gram matrices, which nobody asked of patches.)*
#
# ## Two styles, two sizes of stroke
#
# `style=[waves, starry]`: two terms at each layer; `style_weights` are their shares. `style_scale` is how large
# the painting is measured: larger waves in it are larger waves in the picture.

# %%
mixes = {"waves": [1, 0], "half, half": [0.5, 0.5], "starry": [0, 1]}
mixed = nst.sweep(cat, [waves, starry], {"style_scale": [0.5, 2.0], "style_weights": mixes},
                  folder=None, steps=25, levels=2, alpha=0.03)
mixed.show()
row = mixed.pictures[:3]                      # the small strokes: waves, half, starry
for name, style, pictures in (("waves", waves, row), ("starry", starry, row[::-1])):
    near, between, far = (nst.style_error(p, style, features) for p in pictures)
    print(f"from {name}, the mixture lies between:", near < between < far)

# %% [markdown]
# *From left to right one style passes into the other. Below, where the painting is four times as large, its strokes are broad.*
#
# ## How long, how smooth
#
# `steps` is a budget of evaluations. `gamma` weighs total variation, the differences of neighbors. Which of them would you spare?

# %%
grid = {"gamma": [0.15, 10.0], "steps": [5, 15, 45]}
long = nst.sweep(cat, waves, grid, folder=None, levels=2, alpha=0.03)
long.show()
errors = [row["style_error"] for row in long.table]
print("45 steps, at most two thirds of the style error of 15:", errors[2] < errors[1] * 2 / 3)
print("smoother, gamma 10:", bool(nst.tv_loss(long.pictures[5]) < nst.tv_loss(long.pictures[2])))

# %% [markdown]
# *After five evaluations it is hardly more than the photograph; after fifteen there are colors, after 45 a crest. Smoothing costs little, and takes with
# the noise the finest lines.*
#
# ## Color kept, two ways
#
# Put back at the end: the painting's light, the photograph's hue (`"luminance"`). Or given to the painting before (`"match"`, your
# 7.2): then light and hue are painted together.

# %%
astronaut = nst.load_image("astronaut", size=96)
kept = [nst.stylize(astronaut, starry, steps=25, levels=2, preserve_color=how)
        for how in (False, "luminance", "match")]
plots.show([astronaut, *kept], ["photograph", "as it comes", "luminance", "match"])
gray = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
light = [(picture * gray).sum(1) for picture in kept]
print("luminance has the light of the first:", torch.allclose(light[0], light[1], atol=1e-3))
print("match has another:", not torch.allclose(light[0], light[2], atol=1e-1))

# %% [markdown]
# *Luminance leaves the suit orange. Match paints starry's strokes in the photograph's colors, and may put them elsewhere.*
#
# ## The article's settings, and ours
#
# The article: alpha 1e5, beta 1e10, layers `conv1_1` … `conv4_1` with weights 1, 0.8, 0.6, 0.4. Its Gram matrices are ÷ N·M, then
# averaged over N² entries: 1/N⁴ in all, N channels. Ours are measured against the painting's own size, ‖A‖². Which layer has a say?

# %%
for scaling in ("article", "relative"):
    objective = nst.Objective(features, cat, waves, scaling=scaling)
    style = objective(cat).by_layer["style"]
    whole = sum(style.values())
    print(scaling, {layer: f"{100 * (one / whole).item():.0f} %" for layer, one in style.items()})
theirs, ours = (nst.stylize(cat, waves, scaling=scaling, steps=30, levels=1)
                for scaling in ("article", "relative"))
terms = nst.Objective(features, cat, waves, scaling="article")(theirs)
print("the article's content over its style: more than 1000:",
      terms.content.item() > 1000 * terms.style.item())
closer = nst.style_error(ours, waves, features) < nst.style_error(theirs, waves, features) / 2
print("ours has at most half the style error:", closer)
plots.show([cat, waves, theirs, ours], ["photograph", "painting", "the article's", "ours"])

# %% [markdown]
# *From `conv1_1` to `conv4_1` the channels grow eightfold, and 8⁴ = 4096: next to that, 1 or 0.4 is nothing. So the article mostly moves
# color. Its 1e5 : 1e10 is no ratio of importance either: its style numbers are that small, and β makes up for it.*
#
# ## Break it
#
# Leave out a single word of 7.3, the *sort*: compare the maps place by place. What will it paint? Guess first.

# %%
def unsorted(act, style_act):
    style_act = F.interpolate(style_act, act.shape[2:], mode="bilinear")    # → [1, C, H, W]
    return (act - style_act).pow(2).mean(dim=(1, 2, 3))


settings = nst.Settings(steps=25, levels=2)
*_, last = paint(cat, waves, settings, features, style_term=own_term(unsorted))
plots.show([cat, waves, last.image], ["photograph", "painting", "painted, unsorted"])

# %% [markdown]
# *The painting itself: what remembers where is a content loss.*
#
# ## What to remember
#
# | knob | code | what it does |
# |---|---|---|
# | layers | `style_layers=[…]` | shallow: colors, grain; deep: large pieces |
# | $\alpha : \beta$ | `alpha`, `beta` | photograph against painting |
# | TV | `gamma` | smoother, without the finest lines |
# | budget | `steps` | first colors, then shapes |
# | $\mu, \sigma, \Sigma$ | `statistic="mean_std"`, `"covariance"` | each channel alone; pairs |
# | sorted | `statistic="sliced"` | whole distributions |
# | pieces | `statistic="patches"` | the painting's own pieces |
# | stroke | `style_scale` | size of the painting when measured |
# | color | `preserve_color="match"` | the photograph's; `"luminance"`: put back at the end |
# | all | `nst.sweep(…)` | every combination |
#
# ## Before you go
#
# 1. The three strangers of the beginning: which is which?
# 2. Two styles by weight: is that one style, the mean of the two Gram matrices?
# 3. Why can sums over positions be computed in tiles, and sorted values not?
#
# <details><summary>The strangers</summary>
#
# patches · smaller strokes · `relu1_1` alone
#
# </details>
#
# Many evaluations. Can a network learn to paint in *one* pass? That is
# **[08 · One-pass networks](08_one_pass_networks.ipynb)**.
