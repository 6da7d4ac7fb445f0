# %% [markdown]
# # 05 · Painting by optimization
#
# **How do pixels learn?**
#
# 40 minutes · lesson 04 · two CPU cores, no GPU, no network
#
# After this you can
# - write the loop that turns a photograph into a painting, in fifteen lines,
# - say what Adam and L-BFGS do with a gradient, and compare the two fairly,
# - choose where to start and when to stop.

# %%
from types import SimpleNamespace

import torch
import nst_lessons as nst
from nst_lessons import plots
from nst_lessons.checks import check_adam_step, check_frugal_loop, check_has_converged
from nst_lessons.explorers import PaintingExplorer
from nst_lessons.images import resize

torch.manual_seed(0)
features = nst.Features("tiny")

# %% [markdown]
# ## A picture that poses the question
#
# No network was trained to make the picture on the right: ours is frozen, and never saw these two. What changed are
# 128 · 128 · 3 = 49,152 numbers, the pixels of a copy of the photograph. Somebody told each of them, again and again, whether to
# become a little brighter or darker. Who?

# %%
photo, style = nst.load_image("astronaut", size=128), nst.load_image("starry", size=128)
painted = nst.stylize(photo, style, steps=50)
plots.show([photo, style, painted], ["the photograph", "the painting", "its pixels have learned"])

# %% [markdown]
# ## Predict first
#
# Two methods paint the same picture with the same loss. Adam asks once for loss and gradient, then takes a step. L-BFGS, in the
# short loop below, asks at least twice for each step. Both may ask 40 times. Who has the lower loss then?
#
# - **a** Adam, with its 40 steps,
# - **b** nobody, it makes no difference,
# - **c** L-BFGS, with its 20 better steps.
#
# Note your answer; we shall see under *The real thing*.

# %% [markdown]
# ## Small enough for paper
#
# A picture of two pixels, left $x = 0.2$ and right $y = 0.9$, and a loss with two wishes:
#
# $$L = 5\,(x + y - 1)^2 + \tfrac12\,(x - 0.8)^2$$
#
# The first looks, like style, at a sum only. The second, like content, wants the *left* pixel bright. The slopes are
# $\partial L/\partial x = 10\,(x + y - 1) + (x - 0.8)$ and $\partial L/\partial y = 10\,(x + y - 1)$.
#
# Take a pencil: walk 0.05 times the slope, downhill. Does $x$ come closer to 0.8?

# %%
x, y = 0.2, 0.9
for step in range(4):
    loss = 5 * (x + y - 1)**2 + (x - 0.8)**2 / 2
    slope_x, slope_y = 10 * (x + y - 1) + (x - 0.8), 10 * (x + y - 1)
    print(f"x {x:.4f}  y {y:.4f}  loss {loss:.4f}  slopes {slope_x:+.2f} and {slope_y:+.2f}")
    x, y = x - 0.05 * slope_x, y - 0.05 * slope_y

# %% [markdown]
# ## The mathematics, and the function
#
# $$p \leftarrow p - \eta\,\nabla L(p)$$
#
# $p$: all pixels, $\eta$: the learning rate. That is gradient descent. Autograd finds the slopes, whether there are two or 49,152.
# At first $x$ went the wrong way, since the louder wish pushed both pixels alike; then it creeps, since only the quiet wish is left.

# %%
def two_pixels(picture):                      # as in lesson 04: .total is what is to fall
    return SimpleNamespace(total=5 * (picture.sum() - 1)**2 + (picture[0] - 0.8)**2 / 2)


def descend(start, objective, steps, lr=0.05):
    picture = start.clone().requires_grad_()  # a copy, and its pixels are what learns
    for _ in range(steps):
        picture.grad = None                   # else the new gradient is added to the old one
        objective(picture).total.backward()   # fills picture.grad: a slope for each pixel
        with torch.no_grad():
            picture -= lr * picture.grad
    return picture.detach()


dark_bright = torch.tensor([0.2, 0.9])
print([f"{pixel:.4f}" for pixel in descend(dark_bright, two_pixels, 3).tolist()])

# %% [markdown]
# ## One loop for every method
#
# In `torch.optim` the rules differ, the manners do not: a rule is given the pixels and a *closure*, a function that computes loss and
# gradient where the pixels are now. It may call the closure as often as it likes. Each such evaluation costs time, so the
# closure counts them.
#
# (`max_iter=1`: left alone, one `step()` of L-BFGS is twenty steps. `max_eval=26`: its line search may try 25 places.)

# %%
OPTIMIZERS = {
    "descent": lambda pixels, lr: torch.optim.SGD([pixels], lr=lr or 0.05),
    "adam": lambda pixels, lr: torch.optim.Adam([pixels], lr=lr or 0.02, betas=(0.9, 0.99)),
    "lbfgs": lambda pixels, lr: torch.optim.LBFGS(
        [pixels], lr=lr or 1, max_iter=1, max_eval=26, history_size=20,
        tolerance_grad=0, tolerance_change=0, line_search_fn="strong_wolfe")}

# %%
def paint_loop(start, objective, method="lbfgs", evaluations=60, lr=None):
    """Yields (evaluations so far, loss, picture): the start, then where each step led."""
    picture, spent = start.clone().requires_grad_(), 0
    optimizer = OPTIMIZERS[method](picture, lr)

    def closure():
        nonlocal spent
        spent += 1
        optimizer.zero_grad()
        loss = objective(picture).total
        loss.backward()
        return loss

    while spent < evaluations:
        before = picture.detach().clone()
        loss = optimizer.step(closure)        # → the loss where this step began
        yield spent, loss.item(), before


third = list(paint_loop(dark_bright, two_pixels, "descent", 4))[3][2]
torch.testing.assert_close(third, descend(dark_bright, two_pixels, 3))

# %% [markdown]
# ## Three ways down, and the library
#
# The loss of two pixels as a landscape: a steep valley with a nearly level floor. Plain descent bounces from wall to wall. Adam gives each
# pixel its own stride. L-BFGS remembers its last twenty steps and how the slopes changed; from that it guesses how the ground curves,
# and heads for the lowest point. `nst.optimize`, which paints in the rest of the course, walks the same paths.

# %%
rates = {"descent": 0.09, "adam": 0.05, "lbfgs": None}
walks = {name: list(paint_loop(dark_bright, two_pixels, name, 40, lr))
         for name, lr in rates.items()}
paths = {name: [picture for _, _, picture in walk] for name, walk in walks.items()}
for name in ("adam", "lbfgs"):
    library = nst.optimize(dark_bright, two_pixels, name, steps=12, lr=rates[name])
    for mine, step in zip(paths[name][1:], library):              # the library yields no start
        torch.testing.assert_close(mine, step.image)
print("loop = library")
cross = torch.tensor([0.8, 0.2])
there = lambda walk: any((p - cross).norm() < 0.01 for spent, _, p in walk if spent <= 10)
print("at the cross after ten evaluations:", {name: there(walk) for name, walk in walks.items()})
plots.landscape(lambda picture: two_pixels(picture).total, paths)

# %% [markdown]
# *Forty evaluations each, from ring to cross. L-BFGS is there after ten; Adam has run past it.*
#
# ## The real thing
#
# Now 49,152 numbers, and lesson 04's objective. A table of their full curvature would be ten gigabytes; L-BFGS remembers forty
# pictures. Neither photograph nor network may change. Nothing is clamped: a pixel that leaves [0, 1] is called back by the small
# term *range*. The third curve, `nst.optimize`, remembers what it has already paid for.

# %%
objective = nst.Objective(features, photo, style)
kept, weights = photo.clone(), [p.clone() for p in features.parameters()]
runs = {m: list(paint_loop(photo, objective, m, n)) for m, n in [("adam", 60), ("lbfgs", 120)]}
print("photograph as it was:", torch.equal(photo, kept),
      "· network as it was:", all(map(torch.equal, features.parameters(), weights)))
print("the loss fell tenfold:", {m: run[0][1] > 10 * run[-1][1] for m, run in runs.items()})

# %%
library = list(nst.optimize(photo, objective, "lbfgs", steps=75))
lines = {name: [(spent, loss) for spent, loss, _ in run] for name, run in runs.items()}
lines["paid once"] = [(step.evaluations, step.terms.total.item()) for step in library]
at = lambda name, n: [loss for spent, loss in lines[name] if spent <= n][-1]
print("after 40, adam is ahead of lbfgs:", at("adam", 40) < at("lbfgs", 40))
print("after 60, lbfgs paid once is ahead of adam:", at("paid once", 60) < at("adam", 60))
plots.curves(lines)

# %% [markdown]
# *Who is ahead? Counted in evaluations, Adam for a long while: **a**. But L-BFGS begins each step by asking where its line search has
# just been. Ask once, and the curve is drawn together to half its length: then Adam lags.*
#
# ## Explore
#
# *Run*, choose `adam`, *Run* again: the old curve stays. Hold with *Pause* when a picture pleases you. Then try the other start, and
# `adam` with ten times its learning rate.

# %%
PaintingExplorer(loop=paint_loop)

# %% [markdown]
# ## What changed? Why?
#
# With ten times its rate Adam forgets the face; the loss ends hardly higher. L-BFGS paints nearly the same picture as
# before. Why?
#
# <details><summary>Answer</summary>
#
# Adam divides each slope by its usual size: a step is about `lr` long, however gentle the slope. With 0.2 five steps lead from black to
# white, and many other pictures have as small a loss. For L-BFGS `lr` is only the first trial of its line search.
#
# </details>

# %% [markdown]
# ## Exercise 5.1 · Adam's step
# ●●○ · 8 minutes
#
# For each pixel Adam keeps $m$, a running mean of its slopes $g$, and $v$, of their squares. Both begin at 0, too small: hence the hats.
#
# $$m \leftarrow \beta_1 m + (1 - \beta_1)\,g \qquad v \leftarrow \beta_2 v + (1 - \beta_2)\,g^2$$
#
# $$\hat m = \frac{m}{1 - \beta_1^t} \qquad \hat v = \frac{v}{1 - \beta_2^t} \qquad x \leftarrow x - \eta\,\frac{\hat m}{\sqrt{\hat v} + \varepsilon}$$
#
# Return the new x, m and v (without hats), and change nothing that you are given. $t$ is 1 at the first step.

# %% exercise="5.1"
def adam_step(x, g, m, v, t, lr=0.02, beta1=0.9, beta2=0.99, eps=1e-8):
    """One step of Adam. x, g, m, v: [B, C, H, W]; t: 1, 2, … → new x, m, v."""
    ### BEGIN SOLUTION
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
    return x - lr * m_hat / (v_hat.sqrt() + eps), m, v
    ### END SOLUTION

# %%
check_adam_step(adam_step)

# %% [markdown]
# <details><summary>Hint</summary>
#
# Five formulas, five short lines, in their order. All of it goes pixel by pixel: no loop, no matrix.
#
# </details>
# <details><summary>Second hint</summary>
#
# `m = …` makes a new tensor, `m += …` writes into the caller's. The hats are for the step only: name them `m_hat` and `v_hat`.
#
# </details>
# <details><summary>Help, I get …</summary>
#
# *NaN*: a pixel without slope gives 0 / 0; where is ε? *Right at first, wrong later*: is `t` an exponent, and are the returned `m` and `v` new?
#
# </details>

# %% [markdown]
# ## Exercise 5.2 · Never pay twice
# ●●● · 12 minutes
#
# Write the loop so that no evaluation is wasted: if the picture has not moved since the last one, the closure returns the loss that it knows
# (and `picture.grad` is still right). Yield *(evaluations so far, loss, picture)*, beginning with the start; each loss
# belongs to its picture. Begin no step once the budget is spent, and leave when a step has moved nothing.

# %% exercise="5.2"
def frugal_loop(start, objective, method="lbfgs", evaluations=60, lr=None):
    """The pictures of paint_loop, each paid for once."""
    ### BEGIN SOLUTION
    picture, place, known, spent = start.clone().requires_grad_(), None, None, 0
    optimizer = OPTIMIZERS[method](picture, lr)

    def closure():
        nonlocal place, known, spent
        if place is None or not torch.equal(place, picture):
            optimizer.zero_grad()
            known = objective(picture).total
            known.backward()
            place, spent = picture.detach().clone(), spent + 1
        return known

    while spent < evaluations:
        loss, before = closure().item(), picture.detach().clone()
        yield spent, loss, before
        optimizer.step(closure)
        if torch.equal(picture, before):
            return
    ### END SOLUTION

# %%
check_frugal_loop(frugal_loop)

# %% [markdown]
# <details><summary>Hint</summary>
#
# Keep a copy of the picture as it was at the last evaluation, and the loss found there. `torch.equal` compares two pictures.
#
# </details>
# <details><summary>Second hint</summary>
#
# In the `while`: call the closure yourself, yield, then let the optimizer step. Its first question costs nothing. The closure needs
# `nonlocal`.
#
# </details>
# <details><summary>Help, I get …</summary>
#
# *“… change afterwards”*, *“asked once”*: `.detach()` alone is no copy. *It never ends*: at the bottom nothing moves, nothing is
# counted. *UnboundLocalError*: add `nonlocal`. *One picture only*: was the gradient cleared?
#
# </details>

# %% [markdown]
# ## Exercise 5.3 · When to stop
# ●○○ · 5 minutes
#
# A fixed number of evaluations is too much for one picture, too little for another. The article stops when the loss "has converged".
# In numbers: compare the last one with the one `window` entries before it.
#
# $$|L_{\text{before}} - L_{\text{now}}| < \text{tolerance} \cdot |L_{\text{before}}|$$
#
# With too few losses to look back so far: `False`.

# %% exercise="5.3"
def has_converged(losses, tolerance=1e-4, window=20):
    """losses: a list, the latest last → True or False."""
    ### BEGIN SOLUTION
    if len(losses) <= window:
        return False
    before, now = losses[-1 - window], losses[-1]
    return abs(before - now) < tolerance * abs(before)
    ### END SOLUTION

# %%
check_has_converged(has_converged)

# %% [markdown]
# <details><summary>Hint</summary>
#
# `losses[-1]` is the last. Which index is one entry before it? And `window` entries?
#
# </details>
# <details><summary>Second hint</summary>
#
# To look `window` entries back from the last, a list must have at least `window + 1` of them. Ask for that first.
#
# </details>
# <details><summary>Help, I get …</summary>
#
# *IndexError*: the list is shorter than you look back. *“… depends on alpha and beta”*: 0.001 is much for a loss of 0.01 and nothing for
# a loss of a million.
#
# </details>

# %% [markdown]
# ## With your own loop
#
# The same explorer, with *your* loop; while it is a stub, the explorer says so. Run `lbfgs` in both: yours should
# reach the same loss after half as many evaluations.

# %%
PaintingExplorer(loop=frugal_loop)

# %% [markdown]
# ## When to stop, where to start
#
# Two paintings by L-BFGS at four moments, each evaluation paid once. One began as the photograph, one as noise, where the astronaut must be
# found again by the content term alone, with its α of 0.03. Guess first: what of her comes back?

# %%
noise = 0.5 + 0.15 * torch.randn_like(photo)
starts = {"photo": library, "noise": list(nst.optimize(noise, objective, "lbfgs", steps=75))}
moment = lambda steps, n: min(steps, key=lambda step: abs(step.evaluations - n))
moments = [5, 12, 30, 75]
plots.show([moment(steps, n).image for steps in starts.values() for n in moments],
           [f"{start}, {n}" for start in starts for n in moments], columns=4)
for start, steps in starts.items():
    early, late, last = (moment(steps, n).terms.total for n in (5, 30, 75))
    fell = (early - late) / (early - last)
    print(f"{start}: of all that the loss fell, 90 % by evaluation 30: {fell > 0.9}")

# %% [markdown]
# *Fine strokes first, then colors, large swirls last. At 30 the loss has nearly done falling, the picture is unfinished.* From
# noise a faint helmet comes back, no face.
#
# ## Large strokes
#
# Why last? For a swirl many pixels must move together, and each walks alone. Two remedies: paint small first, where a swirl is few
# pixels; or move *waves*: the picture is start + $C z$, the loop moves $z$, and $C$ multiplies frequency $f$ by $1/\sqrt f$.
# Wide ones go further.

# %%
def coarse_to_fine(photo, style, plan):
    """plan: [(longer side in px, evaluations), …] → the painting [1, 3, H, W]."""
    picture = photo
    for size, evaluations in plan:
        content = resize(photo, size)
        objective = nst.Objective(features, content, resize(style, size))
        start = resize(picture, tuple(content.shape[2:]))         # enlarged to the new H, W
        *_, (_, _, picture) = paint_loop(start, objective, "lbfgs", evaluations)
    return picture


def waves(start):
    """The function z → start + the waves of z, wide ones made stronger; z: [1, 3, H, W]."""
    down = torch.fft.fftfreq(start.shape[2])[:, None]             # cycles a pixel, [H, 1]
    across = torch.fft.rfftfreq(start.shape[3])[None]             # [1, W // 2 + 1]
    strength = (down**2 + across**2 + 0.005**2) ** -0.25          # 1 / √f; never 1 / 0
    strength = strength / strength.mean()
    return lambda z: start + torch.fft.irfft2(torch.fft.rfft2(z) * strength, s=z.shape[2:])

# %%
cat, starry = nst.load_image("cat", size=160), nst.load_image("starry", size=160)
plan = [(64, 70), (100, 50), (160, 35)]
price = round(sum(budget * (size / 160)**2 for size, budget in plan))    # at full size
of_cat, made_of = nst.Objective(features, cat, starry), waves(cat)
*_, (_, _, z) = paint_loop(0 * cat, lambda z: of_cat(made_of(z)), "lbfgs", price)
plans = [(160, price)], plan
paintings = [*(coarse_to_fine(cat, starry, one) for one in plans), made_of(z)]
plain, coarse, wavy = (nst.style_error(p.clamp(0, 1), starry, features) for p in paintings)
print(f"price: {price} evaluations at 160 px")
print("style error at most half of the first's:", coarse < plain / 2, wavy < plain / 2)
plots.show(paintings, ["pixels, one size", "coarse to fine", "waves, one size"])

# %% [markdown]
# *The same loop, the same price. Left a restless hatching; then calmer strokes, and lights as large as the painting's own.*
#
# ## Break it
#
# Three slips in the same loop, 40 evaluations each: a rate of 0.5, half the way from black to white; and gradients that are never
# cleared, so they add up, once with Adam and once with L-BFGS. Which of the three will still look like a cat?

# %%
def deaf(optimizer):
    optimizer.zero_grad = lambda: None
    return optimizer


OPTIMIZERS["adam, not cleared"] = lambda pixels, lr: deaf(OPTIMIZERS["adam"](pixels, lr))
OPTIMIZERS["lbfgs, not cleared"] = lambda pixels, lr: deaf(OPTIMIZERS["lbfgs"](pixels, lr))
small, ends = resize(cat, 96), {}
of_cat = nst.Objective(features, small, style)
for name, rate in [("adam", None), ("adam", 0.5), ("adam, not cleared", None),
                   ("lbfgs, not cleared", None)]:
    title = name if rate is None else f"{name}, rate {rate}"
    *_, (_, loss, ends[title]) = paint_loop(small, of_cat, name, 40, rate)
    print(f"{title}: loss under 0.2: {loss < 0.2}")
plots.show(list(ends.values()), list(ends), columns=4)

# %% [markdown]
# *The last, since it hardly moves: old gradients make L-BFGS misread the ground. Adam they drive on, like a sled without a brake.*
#
# ## What to remember
#
# | symbol | code | meaning |
# |---|---|---|
# | $p$ | `picture.requires_grad_()` | the pixels are the parameters; the network is frozen |
# | $\nabla L$ | `loss.backward()` | a slope for each pixel, in `picture.grad` |
# | closure | `optimizer.step(closure)` | clear, loss, backward, return; one call is one evaluation |
# | Adam | `lr=0.02` | steps of about `lr`, one evaluation each |
# | L-BFGS | `max_iter=1` | guesses the curvature from 20 steps; ask only once at a place |
# | start + $C z$ | `waves(start)(z)` | waves instead of pixels: wide strokes come early |
# | stop | `has_converged` | a small *relative* change over a window |
#
# ## Before you go
#
# 1. Why clamp after the loop, never in the closure?
# 2. Which needs more memory, Adam or L-BFGS, and how much for 4 megapixels?
# 3. From noise, what would alpha = 0 paint?
#
# You can paint. Why do so many programs paint badly? **[06 · Debug the program](06_debug_the_program.ipynb)**
