# %% [markdown]
# # 14 · Without labels
#
# **Does the network need ImageNet at all?**
#
# 40 minutes · lessons 03 to 05 · two CPU cores, no GPU, no network
#
# After this you can
# - learn a dictionary of filters from nothing but two pictures, and paint with it,
# - train a network on photographs that no one labeled, and say what it is asked,
# - tell a peaky map when you meet one, and what a softmax does to it.

# %%
import random
import torch
import nst_lessons as nst
from torch.nn import functional as F
from nst_lessons import plots, selfsup
from nst_lessons.checks import check_contrast, check_respond, check_smoothed
from nst_lessons.explorers import NetworkExplorer
from nst_lessons.stylize import paint

torch.manual_seed(0)
tiny = nst.Features("tiny")

# %% [markdown]
# ## A picture that poses the question
#
# What a network sees, it owes to labels: VGG-19 learned from more than a million photographs with the name of a thing on each, and `tiny` is its
# pupil. Here are four painters: same loss, same number of evaluations, each with another network. One was never trained. One learned from these
# two pictures only. One learned from 350 photographs without a single label. One is `tiny`.

# %%
photo, style = (nst.load_image(name, size=144) for name in ("astronaut", "woodcut"))
order = ["random", "patches", "selfsup", "tiny"]
random.Random(5).shuffle(order)                           # so that you cannot know
four = [nst.stylize(photo, style, backbone=name, steps=36) for name in order]
plots.show([photo, style, *four], ["photograph", "painting", "A", "B", "C", "D"], columns=3)
own = nst.style_error(photo, style, tiny)
near = [nst.style_error(one, style, tiny) < own / 4 for one in four]
print("at most a quarter of the photograph's style error:", dict(zip("ABCD", near)))

# %% [markdown]
# ## Predict first
#
# Which of the four is the pupil of labels?
#
# - **a** B,
# - **b** C,
# - **c** D.
#
# Note your answer, and which one you think was never trained. We shall see below, under *A dictionary*.

# %% [markdown]
# ## Small enough for paper
#
# Two neighbors in a photograph are nearly equal: both vary by 5, together by 4. What is independent in them? Their sum, with
# variance 9 (along a direction of length 1), and their difference, with variance 1. *Whitening* divides each by its deviation: the sum by 3, the difference by 1.
#
# Take a pencil: the left pixel becomes $a$ · left + $b$ · right. Which $a$ and $b$?

# %%
covariance = torch.tensor([[5., 4.], [4., 5.]])
values, vectors = torch.linalg.eigh(covariance)           # variances, directions as columns
print("variances:", values.round(decimals=3).tolist())
print((vectors * values.rsqrt() @ vectors.T).round(decimals=3))

# %% [markdown]
# *Two thirds of itself, less one third of its neighbor: a little edge detector. Nobody drew it; it fell out of how photographs are.*
#
# ## The mathematics, and the function
#
# $$W = V\,(\Lambda + \varepsilon)^{-\frac12}\,V^\top$$
#
# $V$, $\Lambda$: directions and variances of the points' covariance. $\varepsilon$ keeps directions in which hardly anything happens from
# becoming loud. (ZCA: Bell & Sejnowski 1997)

# %%
EPSILON, ATOMS, ROUNDS = 0.01, 48, 12


def zca(points, epsilon=EPSILON):
    """points: [N, D] of mean 0 → [D, D], which gives them the covariance 1."""
    values, vectors = torch.linalg.eigh(points.T.double() @ points.double() / len(points))
    return (vectors * (values.clamp_min(0) + epsilon).rsqrt() @ vectors.T).to(points)

# %% [markdown]
# ## The same by a loop, and by the library
#
# The loop measures the covariance of what was whitened, point by point: 1 for each number with itself, 0 for any two.

# %%
points = torch.randn(400, 4) @ torch.randn(4, 4)
points = points - points.mean(0)
W = zca(points, epsilon=0)
by_loop = sum(torch.outer(W @ point, W @ point) for point in points) / len(points)
torch.testing.assert_close(by_loop, torch.eye(4), atol=1e-3, rtol=0)
torch.testing.assert_close(W, W.T, atol=1e-4, rtol=0)
torch.testing.assert_close(selfsup.zca(points, 0), W)
print("covariance 1, symmetric, as in the library")

# %% [markdown]
# ## A dictionary
#
# Cut 20,000 patches of 7 × 7 px, take away the mean color, whiten. Then find 48 directions in which many patches lie: each patch votes for the
# direction that it is longest along, either way around, and directions move toward their voters. (Coates & Ng 2012) Each direction is a filter.
#
# (And the four painters: A `random`, B `patches`, C `tiny`, D `selfsup`. So **b**. With other paintings `patches` does better.)

# %%
def spherical_kmeans(points, count=ATOMS, rounds=ROUNDS, seed=0):
    """points: [N, D] → [count, D], each of length 1."""
    generator = torch.Generator().manual_seed(seed)
    start = points[torch.randint(len(points), (count,), generator=generator)]
    directions = F.normalize(                                           # a point may be 0
        start + 1e-4 * torch.randn(start.shape, generator=generator).to(points), dim=1)
    for _ in range(rounds):
        along = points @ directions.T
        nearest = F.one_hot(along.abs().argmax(1), count) * along       # [N, count]: votes
        directions = F.normalize(directions + nearest.T @ points, dim=1)
    return directions

# %%
def dictionary(picture):
    points = selfsup.without_color(selfsup.cut_patches([picture])).flatten(1)       # [20000, 147]
    points = points - points.mean(0)
    W = zca(points)
    return selfsup.without_color((spherical_kmeans(points @ W) @ W).view(-1, 3, 7, 7))


names = ["starry", "woodcut", "stained_glass"]
learned = [dictionary(nst.load_image(name, size=144)) for name in names]
plots.show([plots.filter_sheet(filters, 8) for filters in learned], names)
print("deaf to a patch's mean color:",
      all((filters.mean(dim=(2, 3)).abs().max() < 1e-3 * filters.abs().max()).item()
          for filters in learned))

# %% [markdown]
# *Blue and yellow rims; black stripes; colored splinters: 48 filters, and one sees whose they are.*
#
# The backbone `patches` is one layer of such filters (and three that hear the mean color), at four sizes of the picture, with a ReLU.
#
# ## Explore
#
# Any two networks at hand, and the filters of both. Those of `patches` go through the `zca` that stands above.

# %%
NetworkExplorer(zca=zca)

# %% [markdown]
# ## What changed? Why?
#
# Change the painting, and watch both sheets of filters. Which change? And what can the network on the other sheet see that `patches` cannot?
#
# <details><summary>Answer</summary>
#
# Only `patches` learns anew; the others were finished before they saw your pictures. But `patches` has one layer. Its filters see 7 px at the finest size
# and 56 at the coarsest, each size on its own: strokes, and blots, but nothing made of strokes. In `tiny` layer builds upon layer.
#
# </details>

# %% [markdown]
# ## Exercise 14.1 · Both ways
# ●○○ · 6 minutes
#
# A filter finds a bright line on dark. Its negative finds a dark one on bright. Write what a dictionary answers: all filters, then all negatives,
# each through a ReLU. Repeat the outermost pixels first (`F.pad(…, mode="replicate")`), so that the answer is as large as the picture.

# %% exercise="14.1"
def respond(picture, filters):
    """picture: [B, 3, H, W], filters: [K, 3, s, s], s odd → [B, 2K, H, W]."""
    ### BEGIN SOLUTION
    margin = filters.shape[-1] // 2
    heard = F.conv2d(F.pad(picture, (margin,) * 4, mode="replicate"), filters)
    return F.relu(torch.cat([heard, -heard], dim=1))
    ### END SOLUTION

# %%
check_respond(respond)

# %% [markdown]
# <details><summary>Hint</summary>
#
# How many pixels are missing on each side? Half the filter's side, without its middle. `F.conv2d` takes picture and filters as they are.
#
# </details>
# <details><summary>Second hint</summary>
#
# No second convolution: the negative filter's answer is the negative answer. Put both together in dimension 1, then the ReLU.
#
# </details>
# <details><summary>Help, I get …</summary>
#
# *“past the border there is black”*: `padding=` fills with zeros. *“the ReLU comes before the sign”*: of a zero, nothing can be turned around.
#
# </details>

# %% [markdown]
# ## Ask, without labels
#
# A photograph knows some answers itself. Cut two views out of it, each in its own light: *which point is which?* The network that has to say so
# must know what makes a place *this* place. `selfsup` was also asked which way is up, and what color is where: light
# changes color, so a network that is asked for points only would learn to overlook it. A painter must not.

# %%
def dotted(view, points, colors=torch.cartesian_prod(*3 * [torch.tensor([0., 1.])])):
    large = F.interpolate(view, scale_factor=3)
    for (x, y), color in zip((points[0] + 1) / 2 * large.shape[-1], colors):
        rows, columns = (slice(max(int(v) - 6, 0), int(v) + 6) for v in (y, x))
        large[0, :, rows, columns] = color[:, None, None]
    return large


astronaut = nst.load_image("astronaut", size=300)
one, other, here, there, turns = selfsup.two_views(astronaut, 96, (150, 200), 8, random.Random(8))
plots.show([dotted(one, here), dotted(other, there)], ["one view", "another: same points"])

# %% [markdown]
# ## Exercise 14.2 · Which point is which?
# ●●○ · 10 minutes
#
# $N$ points, and for each a row of length 1 in both views; row $n$ is the same point. Row $n$ of the first times row $k$ of the second, summed, divided by
# the temperature: that is the score $s_{nk}$.
#
# $$L = -\frac1N\sum_n \log\frac{e^{s_{nn}}}{\sum_k e^{s_{nk}}}$$
#
# This asks for partners of the *first* view's points. Ask for those of the second, too, and take the mean of both. (InfoNCE: van den Oord et al. 2018)

# %% exercise="14.2"
def contrast(one, other, temperature=0.2):
    """one, other: [N, D], rows of length 1 → 0-d."""
    ### BEGIN SOLUTION
    scores, own = one @ other.T / temperature, torch.arange(len(one), device=one.device)
    return (F.cross_entropy(scores, own) + F.cross_entropy(scores.T, own)) / 2
    ### END SOLUTION

# %%
check_contrast(contrast)

# %% [markdown]
# <details><summary>Hint</summary>
#
# One product of matrices gives the table of all scores, [N, N]. The right answers are its diagonal.
#
# </details>
# <details><summary>Second hint</summary>
#
# Each row is a question with N answers, of which number n is right. torch's loss for that takes scores [N, N] and right answers [N]; and the other way is the transpose.
#
# </details>
# <details><summary>Help, I get …</summary>
#
# *“only one way”*: columns ask, too. *“exp(100) does not fit”*: `log_softmax` or `cross_entropy` take the largest score out first.
#
# </details>

# %% [markdown]
# ## Train it, here and now
#
# Thirty steps from random numbers, each with six draws from our eight photographs, at 32 px, 36 points in all. Who finds all of them equally likely has a
# contrast of log 36. (`selfsup`: 64 px, 192 points, the better part of an hour.)

# %%
pictures = [(nst.load_image(name, size=200) * 255).byte() for name in nst.samples()["photos"]]
trainer = selfsup.SelfTrainer(pictures, size=32, batch=6, points=6, seen=(80, 160))
losses = [trainer.step(progress=0) for _ in range(30)]
lines = {name: [loss[name] for loss in losses] for name in ("contrast", "color")}
plots.curves(lines | {"by chance": [torch.tensor(36.).log().item()] * 30}, xlabel="steps")
print("contrast fell by a fifth or more:",
      sum(lines["contrast"][-6:]) / 6 < 0.8 * torch.tensor(36.).log().item())

# %%
def found(net, layer="relu4_1"):                  # of 200 points, how many it finds again
    right, dice = 0, random.Random(1)
    for k in range(8):
        name = ["cat", "coffee", "rocket", "motorcycle"][k % 4]
        *views, here, there, _ = selfsup.two_views(large[name], 96, (200, 320), 25, dice)
        rows = [F.normalize(selfsup.at_points(net(view, [layer])[layer], points), dim=1)
                for view, points in zip(views, (here, there))]
        right += ((rows[0] @ rows[1].T).argmax(1) == torch.arange(25)).sum().item()
    return right


large = {name: nst.load_image(name, size=300) for name in ("cat", "coffee", "rocket", "motorcycle")}
nets = {"selfsup": nst.Features("selfsup"), "tiny": tiny,
        "never trained": nst.Features("selfsup", weights="random")}
score = {name: found(net) for name, net in nets.items()}
print("selfsup finds half as many again as before training:",
      score["selfsup"] > 1.5 * score["never trained"])
print("as many as labels' pupil, or a tenth less at most:",
      score["selfsup"] > 0.9 * score["tiny"])

# %% [markdown]
# *For this question, no labels were needed: on photographs that neither has seen, it finds points at least about as well as `tiny`.*
#
# ## Peaky maps
#
# ResNets classify better than VGGs and paint worse. Their maps are *peaky*: a few loud places decide each Gram matrix. (SWAG: Wang et al. 2021) We make `tiny`
# peaky on purpose: every activation squared.

# %%
small = [nst.load_image(name, size=128) for name in ("cat", "starry")]


class Peaky(torch.nn.Module):
    layers = tiny.layers
    loudest = {name: act.max() for name, act in tiny(small[1], tiny.layers).items()}

    def forward(self, image, wanted):
        acts = tiny(image, wanted)
        return {name: (act / self.loudest[name]).square() for name, act in acts.items()}


nst.features.register("peaky", lambda weights, pooling: Peaky())
ways = {"tiny": {}, "peaky": {"backbone": "peaky"},
        "peaky, softmax": {"backbone": "peaky", "smooth": True,
                           "gamma": 0.005}}          # less total variation: such terms are small
three = {name: nst.stylize(*small, steps=32, levels=2, **way) for name, way in ways.items()}
plots.show(list(three.values()), list(three))
error = {name: nst.style_error(one, small[1], tiny) for name, one in three.items()}
print("peaky, at least three times tiny's error:", error["peaky"] > 3 * error["tiny"])
print("softmax, at most half of the peaky one's:", error["peaky, softmax"] < error["peaky"] / 2)

# %% [markdown]
# ## Exercise 14.3 · The softmax of a map
# ●●○ · 8 minutes
#
# $$\tilde F_{ck} = CHW\,\frac{e^{F_{ck}}}{\sum_{c'k'} e^{F_{c'k'}}}$$
#
# One sum over *all* of a picture's activations, channels and places. Their mean becomes 1, at any size. What was silent now says a little, and a
# peak of 1 is only $e$ times as loud as silence.

# %% exercise="14.3"
def smoothed(act):
    """act: [B, C, H, W] → [B, C, H, W], each picture's mean 1."""
    ### BEGIN SOLUTION
    return torch.softmax(act.flatten(1), dim=1).view_as(act) * act[0].numel()
    ### END SOLUTION

# %%
check_smoothed(smoothed)

# %% [markdown]
# <details><summary>Hint</summary>
#
# `torch.softmax` takes one dimension. So let a picture's activations have one.
#
# </details>
# <details><summary>Second hint</summary>
#
# [B, C, H, W] → `flatten(1)` → [B, C·H·W] → softmax over dimension 1 → `.view_as(act)`. And the factor.
#
# </details>
# <details><summary>Help, I get …</summary>
#
# *“does not fit into float32”*: exp(89) is infinite; `torch.softmax` takes the largest out first. *“over the places of each channel”*: then every channel would be equally loud.
#
# </details>

# %% [markdown]
# ## With your own function
#
# The explorer with *your* softmax. Find a painting for which it makes things worse than peaky. (A softmax turns differences into ratios: a peak of 1 is $e$ times as loud as silence;
# a peak of 5, 148 times. So it mends maps of small numbers, and sharpens others. `resnet50` is in the list where torchvision's weights were downloaded before.)

# %%
NetworkExplorer(smoothed=smoothed, first="peaky", second="peaky + softmax")

# %% [markdown]
# ## Break it
#
# Two steps made the dictionary: whitening, then directions. Leave the first out; or keep it, and draw the directions by lot. Which will be worse?

# %%
def painted(features):
    *_, last = paint(*small, nst.Settings(size=128, steps=30), features)
    return last.image


drawn = nst.Features("patches", weights="random")
drawn.backbone.learn(small)
broken = {"learned": selfsup.patch_features(*small), "drawn by lot": drawn,
          "not whitened": selfsup.patch_features(*small, whiten=lambda x: torch.eye(147))}
sheets = [plots.filter_sheet(one.backbone.kernels[:48], 8) for one in broken.values()]
results = [painted(one) for one in broken.values()]
plots.show([*sheets, *results], [*broken, "", "", ""], columns=3)
learned, _, raw = (nst.style_error(one, small[1], tiny) for one in results)
print("not whitened, at least a quarter more error:", raw > 1.25 * learned)

# %% [markdown]
# *Raw patches are mostly slopes of light: the picture is blurred. Drawn by lot, filters look like noise, and
# yet they paint. Which is worse depends on the pair: here, not to whiten.*
#
# ## An independent judge
#
# Style error as `tiny`'s teacher VGG-19 sees it (so it favors its pupil); mean of two photographs, 160 px, 90 evaluations.
#
# | network | seconds | van Gogh's Houses | Munch's Scream | `starry` |
# |---|---|---|---|---|
# | (the photograph itself) | | 1.49 | 2.34 | 0.65 |
# | `random` | 6 | 0.71 | 0.66 | 0.20 |
# | `patches`, drawn by lot | 3 | 0.92 | 0.26 | 0.14 |
# | `patches` | 3 | 0.44 | 0.14 | 0.11 |
# | `selfsup`, untrained | 3 | 0.50 | 0.36 | 0.21 |
# | `selfsup` | 3 | 0.16 | 0.09 | 0.15 |
# | `tiny` | 4 | 0.02 | 0.02 | 0.02 |
#
# *Nobody needs labels to paint. Who learned from them comes four to ten times nearer than the best of the others.*

# %% [markdown]
# ## What to remember
#
# | symbol | shape | code | meaning |
# |---|---|---|---|
# | $W$ | [D, D] | `zca(points)` | makes all directions equally loud |
# | | [48, D] | `spherical_kmeans(points @ W)` | a dictionary |
# | | [B, 2K, H, W] | `respond(picture, filters)` | what it answers, both ways |
# | $L$ | 0-d | `contrast(one, other)` | which point is which: a question without labels |
# | $\tilde F$ | [B, C, H, W] | `smoothed(act)` | peaks made small |
#
# ## Before you go
#
# 1. Turn both pictures by a quarter. What happens to the dictionary, and what to `tiny`'s maps?
# 2. Which photographs cannot answer *which way is up*?
# 3. What else does a photograph know about itself, that one could ask?
#
# Style came from pictures so far. Can it come from a sentence? **[15 · Style in words](15_style_in_words.ipynb)**
