# %% [markdown]
# # 04 · Three losses
#
# **What exactly do we ask of the picture?**
#
# 40 minutes · lesson 03 · two CPU cores, no GPU, no network
#
# After this you can
# - write content, style and smoothness as three numbers, and their gradients without autograd,
# - say which change of a picture moves which of them,
# - tell a wrong formula from one that is only louder.

# %%
import torch
import nst_lessons as nst
from nst_lessons import gram_matrix, plots
from nst_lessons.checks import check_content_where, check_style_of_layers
from nst_lessons.checks import check_style_gradient, check_tv_where
from nst_lessons.explorers import LossExplorer

torch.manual_seed(0)
features = nst.Features("tiny")

# %% [markdown]
# ## A picture that poses the question
#
# We want a picture that stays *like the photograph*. Like it in what? Let us try pixels: subtract, square, take the mean.
#
# The camera turns by six pixels: *moved*. Then we fade the photograph toward gray, and mix it with noise, until either is
# exactly as far away as *moved* is.

# %%
wide = nst.load_image("astronaut", size=288)
photo, moved = wide[..., 16:272, 16:272], wide[..., 16:272, 10:266]
far = (moved - photo).norm()
toward = lambda other: photo + (other - photo) * far / (other - photo).norm()
faded, noisy = toward(torch.full_like(photo, 0.5)), toward(torch.rand_like(photo))
for picture in (moved, faded, noisy):
    print(f"mean of (picture − photograph)²: {(picture - photo).pow(2).mean():.3f}")
plots.show([photo, moved, faded, noisy], ["the photograph", "moved", "faded", "noisy"])

# %% [markdown]
# *Three pictures at one distance. Does your eye agree?*
#
# ## Predict first
#
# Three losses. *Content*: same things, same places? *Style*: how far are the Gram matrices from a painting's? *TV*: how
# much do neighboring pixels differ? Between the photograph and *moved*,
#
# - **a** all three change a lot: nearly every pixel did,
# - **b** only content changes, less in a deep layer than in a shallow one,
# - **c** none changes.
#
# Note your answer; we shall see in *The real thing*.

# %% [markdown]
# ## Small enough for paper
#
# Two channels, 2 × 2 positions. *Blue* is the same in $F$ and in $P$; the *strokes* have moved. Three sums, by pencil:
#
# - content: half of all squared differences,
# - style: the squared differences of the two Gram matrices, divided by $4·N^2·M^2 = 4·2^2·4^2$,
# - TV of $F$: each value less its left neighbor, and less its upper one, squared.

# %%
F = torch.tensor([[[[1., 0.], [3., 1.]], [[2., 0.], [1., 0.]]]])    # [1, 2, 2, 2]: blue, strokes
P = torch.tensor([[[[1., 0.], [3., 1.]], [[1., 2.], [0., 0.]]]])
G, A = gram_matrix(F, "none"), gram_matrix(P, "none")               # [1, 2, 2]: plain sums
print("content", 0.5 * (F - P).pow(2).sum().item())
print("style  ", (G - A).pow(2).sum().item() / (4 * 2**2 * 4**2))
print("TV     ", F.diff(dim=3).pow(2).sum().item(), "+", F.diff(dim=2).pow(2).sum().item())

# %% [markdown]
# ## The mathematics, and the functions
#
# $$\mathcal{L}_{content} = \tfrac12 \sum_{i,k} (F_{ik} - P_{ik})^2$$
#
# $$\mathcal{L}_{style} = \frac{1}{4N^2} \sum_{i,j} \Big(\frac{G_{ij}}{M} - \frac{A_{ij}}{M_A}\Big)^2$$
#
# $$\mathcal{L}_{TV} = \sum_{y,x} (x_{y,x+1} - x_{y,x})^2 + (x_{y+1,x} - x_{y,x})^2$$
#
# $F$: our picture's activations, $N$ channels × $M$ positions; $P$: the photograph's. $G$ and $A$, our picture's and the painting's, are
# *plain sums* here, $G = F F^\top$. Each is divided by its own number of positions, $M$ and $M_A$: $G/M$ is the table of lesson 03, which
# `gram_matrix` returns. TV asks no network: it looks at the pixels $x$.

# %%
def content_loss(act, target):
    return 0.5 * (act - target).pow(2).sum(dim=(1, 2, 3))                 # [B, C, H, W] → [B]


def style_loss(act, target_gram):
    channels = act.shape[1]                                               # target_gram: A / M_A
    return (gram_matrix(act) - target_gram).pow(2).sum(dim=(1, 2)) / (4 * channels**2)    # → [B]


def tv_loss(image):
    right = image[..., :, 1:] - image[..., :, :-1]                        # [B, C, H, W − 1]
    down = image[..., 1:, :] - image[..., :-1, :]                         # [B, C, H − 1, W]
    return right.pow(2).sum(dim=(1, 2, 3)) + down.pow(2).sum(dim=(1, 2, 3))

# %% [markdown]
# ## The same by loops, by the library, and to the letter
#
# The article (and Gatys et al. 2016, eq. 4) writes the style loss as $\frac{1}{4N^2M^2} \sum (G - A)^2$ with plain sums. At equal sizes, $M = M_A$,
# that is the same number: take $M^2$ into the square.
#
# Paintings come in all sizes. Four copies of a painting side by side have the painting's style. Which of the two
# formulas knows?

# %%
close = torch.testing.assert_close
mine, theirs = torch.rand(1, 3, 4, 5), torch.rand(1, 3, 4, 5)
halves = [0.5 * (f - p)**2 for f, p in zip(mine.flatten(), theirs.flatten())]
close(sum(halves), content_loss(mine, theirs)[0])
rough = 0
for y in range(4):
    for x in range(5):
        rough += sum((mine[0, :, y, x + 1] - mine[0, :, y, x])**2) if x < 4 else 0
        rough += sum((mine[0, :, y + 1, x] - mine[0, :, y, x])**2) if y < 3 else 0
close(rough, tv_loss(mine)[0])


def letter(G, A):
    squares = [(G[0, i, j] - A[0, i, j])**2 for i in range(3) for j in range(3)]
    return sum(squares) / (4 * 3**2 * 20**2)


G, A = gram_matrix(mine, "none"), gram_matrix(theirs, "none")       # [1, 3, 3]: plain sums
close(letter(G, A), style_loss(mine, gram_matrix(theirs))[0])
close(nst.style_loss(mine, gram_matrix(theirs)), style_loss(mine, gram_matrix(theirs)))
four = theirs.tile(1, 1, 2, 2)                              # [1, 3, 4, 5] → [1, 3, 8, 10]
print(f"four copies, our formula:   {style_loss(theirs, gram_matrix(four))[0]:.3f}")
print(f"four copies, to the letter: {letter(A, gram_matrix(four, 'none')):.3f}")

# %% [markdown]
# ## The real thing
#
# Back to the three pictures at one distance. We measure each loss against something that one can picture:
#
# - content 1: as bad as a plain gray picture (the article listens at `conv4_2`, just before our `relu4_2`),
# - style 1: as far from the painting *starry* as the photograph is,
# - TV 1: as rough as the photograph.

# %%
painting, gray = nst.load_image("starry", size=256), torch.full_like(photo, 0.5)
P = features(photo, ["relu1_1", "relu4_2"])
A = gram_matrix(features(painting, ["relu3_1"])["relu3_1"])


def ask(picture):
    acts = features(picture, ["relu1_1", "relu3_1", "relu4_2"])
    shallow, deep = (content_loss(acts[layer], P[layer]) for layer in ("relu1_1", "relu4_2"))
    return torch.cat([shallow, deep, style_loss(acts["relu3_1"], A), tv_loss(picture)])


ones = torch.cat([ask(gray)[:2], ask(photo)[2:]])                    # [4]: what counts as 1
found = torch.stack([ask(one) / ones for one in (photo, moved, faded, noisy)])       # [4, 4]
print("the photograph has no content loss:", found[0, :2].tolist() == [0, 0])
print("moved keeps style and TV:", (found[1, 2:] - 1).abs().max().item() < 0.05)
print("moved, content: the worst at relu1_1:", found[1:, 0].argmax().item() == 0)
print("moved, content: the mildest at relu4_2:", found[1:, 1].argmin().item() == 0)
plots.table(found.clamp(max=4), ["the photograph", "moved", "faded", "noisy"],
            ["content relu1_1", "content relu4_2", "style relu3_1", "TV"])

# %% [markdown]
# *Row* moved: *the answer is **b**. (4: four or more.) At `relu1_1` it counts as the worst of all; at `relu4_2`, as for your eye, as the mildest.*
#
# ## Explore
#
# Each bar begins at its mark, where the loss stood for the photograph itself. At first *shift* is 8 px. Move one slider, the others at 0. Find a change
#
# - that lowers TV and raises the two others,
# - that *lowers* style, though nobody painted,
# - that hardly any of the three notices.

# %%
LossExplorer(content=content_loss, style=style_loss, tv=tv_loss)

# %% [markdown]
# ## What changed? Why?
#
# Why do noise and blur both raise content, but move TV opposite ways? Why does a shift leave style alone?
#
# <details><summary>Answer</summary>
#
# Noise makes neighbors differ, blur makes them agree; either way, what was at a place is gone. Style and TV sum over
# positions: a shift reorders terms. Content compares place with place; in a deep layer a place is wide.
#
# *Explore*: blur lowers TV; noise of 8 % lowers style; 1 px goes almost unnoticed.
#
# </details>

# %% [markdown]
# ## The sum, and its bookkeeping
#
# $$\mathcal{L} = \alpha \mathcal{L}_{content} + \beta \mathcal{L}_{style} + \gamma \mathcal{L}_{TV}$$
#
# `nst.Objective` is a list of such terms. `scaling="gatys"` takes the formulas as they are: in a picture twice as wide and high,
# content grows, style stays, and α asks too much. `"relative"` (the default) divides: content by ‖P‖², style by ‖A‖², TV by the number
# of values. So α, β and γ keep their meaning. (Content grows less than fourfold, and TV falls for each value: enlarged, neighbors are more alike.)

# %%
names = features.style_layers
acts, style_acts = features(faded, [*names, "relu4_2"]), features(painting, names)
content = content_loss(acts["relu4_2"], P["relu4_2"])
style = sum(style_loss(acts[name], gram_matrix(style_acts[name])) / 5 for name in names)
knobs = {"alpha": 1, "beta": 1e3, "gamma": 0.1}
terms = nst.Objective(features, photo, painting, **knobs, scaling="gatys")(faded)
close(terms.total, (1 * content + 1e3 * style + 0.1 * tv_loss(faded)).sum())
for kind, by_layer in terms.by_layer.items():     # range: 0 while pixels stay in [0, 1] (lesson 05)
    print(f"{kind:8}", *by_layer)


def measured(size, scaling):
    content, style = (nst.load_image(name, size=size) for name in ("astronaut", "starry"))
    ask = nst.Objective(features, content, style, content_layers="relu4_2", scaling=scaling)
    return ask(0.5 * content + 0.25).floats()


for scaling in ("gatys", "relative"):
    small, large = (measured(size, scaling) for size in (128, 256))
    times = [f"{kind} × {large[kind] / small[kind]:.1f}" for kind in ("content", "style", "tv")]
    print(f"{scaling:8} from 128 to 256 px:", *times)

# %% [markdown]
# ## Three gradients, without autograd
#
# An optimizer asks of a loss only: which way, and how hard? At equal sizes, with plain sums $G$, $A$ and $F$ as $N × M$,
#
# $$\frac{\partial \mathcal{L}_{content}}{\partial F} = F - P \qquad
# \frac{\partial \mathcal{L}_{style}}{\partial F} = \frac{1}{N^2 M^2} (G - A)\, F$$
#
# $$\frac{\partial \mathcal{L}_{TV}}{\partial x} = 2\,(4x - left - right - up - down)$$
#
# The ½ and the ¼ are gone: they were put there to cancel what differentiating squares brings. The last one is a *discrete Laplacian*; a
# neighbor missing at the border is replaced by the pixel itself.

# %%
def laplacian(x):
    p = torch.nn.functional.pad(x, (1, 1, 1, 1), mode="replicate")        # [B, C, H + 2, W + 2]
    beside, above = p[..., 1:-1, :-2] + p[..., 1:-1, 2:], p[..., :-2, 1:-1] + p[..., 2:, 1:-1]
    return 4 * x - beside - above


F, T, nudge = (torch.rand(1, 3, 4, 5, dtype=torch.float64) for _ in range(3))
difference = gram_matrix(F, "none") - gram_matrix(T, "none")              # [1, 3, 3]
by_style = difference @ F.flatten(2) / (3**2 * 20**2)                     # → [1, 3, 20]
for name, loss, closed in [
        ("content", lambda x: content_loss(x, T), F - T),
        ("style", lambda x: style_loss(x, gram_matrix(T)), by_style.reshape(F.shape)),
        ("TV", tv_loss, 2 * laplacian(F))]:
    x = F.clone().requires_grad_()
    by_torch, = torch.autograd.grad(loss(x).sum(), x)
    rise = (loss(F + 1e-5 * nudge) - loss(F - 1e-5 * nudge)) / 2e-5    # slope along `nudge`
    close(closed, by_torch)
    close(rise[0], (closed * nudge).sum(), rtol=1e-6, atol=1e-9)
    print(f"{name}: closed form = autograd = finite differences")

# %%
def wish(**knobs):
    """Where one loss would send each pixel of `faded`: minus its gradient."""
    x, silent = faded.clone().requires_grad_(), {"alpha": 0, "beta": 0, "gamma": 0}
    nst.Objective(features, photo, painting, **silent | knobs)(x).total.backward()
    return -x.grad


alike = lambda one, other: torch.cosine_similarity(one.flatten(), other.flatten(), dim=0).item()
content, tv, style = wish(alpha=1), wish(gamma=1), wish(beta=1)
print("content and TV pull against each other:", alike(content, tv) < 0)
print("style and TV pull against each other:", alike(style, tv) < 0)
layers = ["relu1_1", "relu2_1", "relu4_1"]
wishes = [content, tv] + [wish(beta=1, style_layers=layer) for layer in layers]
plots.show([faded] + [0.5 + 0.2 * one / one.std() for one in wishes],
           ["faded", "content", "TV"] + [f"style, {layer}" for layer in layers], columns=3)

# %% [markdown]
# *Gray: leave it; a color: move toward it. Content wants edges back, TV wants them gone; style wants the painting's blue at `relu1_1`, contrasts and strokes in deeper layers.*
#
# ## Exercise 4.1 · Only here
# ●○○ · 5 minutes
#
# The face must stay, the rest may go. Weigh each place by a mask $m$ from 0 to 1, the same for all channels:
#
# $$\tfrac12 \sum m\, (F - P)^2$$
#
# A mask of 0.3 counts three tenths. A sum, not a mean: one number for each picture of the batch.

# %% exercise="4.1"
def content_where(act, target, mask):
    """act: [B, C, H, W], target: [1 or B, C, H, W], mask: [1 or B, 1, H, W] → [B]."""
    ### BEGIN SOLUTION
    return 0.5 * (mask * (act - target).pow(2)).sum(dim=(1, 2, 3))
    ### END SOLUTION

# %%
check_content_where(content_where)

# %% [markdown]
# <details><summary>Hint</summary>
#
# In `content_loss`, at which point are there still places to weigh?
#
# </details>
# <details><summary>Second hint</summary>
#
# Square first, multiply by the mask, then sum. Its one channel is stretched over all C by broadcasting.
#
# </details>
# <details><summary>Help, I get …</summary>
#
# *“squared too”*: a parenthesis closes too late. *One number for a batch of two*: name the dimensions, `sum(dim=(1, 2, 3))`. *“… size of tensor …”*: after the sum no places are left to weigh. *Trouble with `[mask > 0]`*: selecting forgets the batch; multiply.
#
# </details>

# %% [markdown]
# ## Exercise 4.2 · Style at several layers
# ●●○ · 6 minutes
#
# $$\sum_l w_l\, \frac{1}{4N_l^2} \sum_{i,j} \Big(\frac{G^l_{ij}}{M_l} - \frac{A^l_{ij}}{M^l_A}\Big)^2$$
#
# You get three dictionaries, by layer's name: activations of your picture, activations of the painting (which may have another size), and weights.
# Weights are taken as they are, whatever their sum. Only layers that have a weight count; the other dictionaries may hold more. One number for
# each picture.

# %% exercise="4.2"
def style_of_layers(acts, style_acts, weights):
    """{layer: [B, N, H, W]}, {layer: [1 or B, N, H', W']}, {layer: number} → [B]."""
    ### BEGIN SOLUTION
    total = 0
    for layer, weight in weights.items():
        total = total + weight * style_loss(acts[layer], gram_matrix(style_acts[layer]))
    return total
    ### END SOLUTION

# %%
check_style_of_layers(style_of_layers)

# %% [markdown]
# <details><summary>Hint</summary>
#
# Walk through `weights.items()`, not through `acts`. For one layer you already have a function.
#
# </details>
# <details><summary>Second hint</summary>
#
# `style_loss` wants the painting's Gram matrix, not its activations. Start with `total = 0` and add.
#
# </details>
# <details><summary>Help, I get …</summary>
#
# *KeyError*, or *“has no weight”*: `acts` holds layers of which no style is asked. *“… size of tensor …”*: `style_loss` got activations. *“only one layer counts”*: `return` stands inside the loop. *“right at equal sizes only”*: divide each table by its own positions.
#
# </details>

# %% [markdown]
# ## Exercise 4.3 · Smooth the sky, spare the face
# ●●○ · 7 minutes
#
# Total variation where a mask says so. The mask is 0 or 1, the same for all channels. A pair of neighbors counts if **both** are
# kept, once, with its squared difference; right and lower neighbors, as above. A sum, one number for each picture.

# %% exercise="4.3"
def tv_where(image, mask):
    """image: [B, C, H, W], mask: [1 or B, 1, H, W] of 0 and 1 → [B]."""
    ### BEGIN SOLUTION
    right = image.diff(dim=3).pow(2) * mask[..., :, 1:] * mask[..., :, :-1]
    down = image.diff(dim=2).pow(2) * mask[..., 1:, :] * mask[..., :-1, :]
    return right.sum(dim=(1, 2, 3)) + down.sum(dim=(1, 2, 3))
    ### END SOLUTION

# %%
check_tv_where(tv_where)

# %% [markdown]
# <details><summary>Hint</summary>
#
# What does `image * mask` do to two neighbors, one kept and one not? Weigh the pairs, not the pixels.
#
# </details>
# <details><summary>Second hint</summary>
#
# Cut the mask as the image is cut: `mask[..., :, 1:]` belongs to the right pixels of all pairs, `mask[..., :, :-1]` to the left ones.
#
# </details>
# <details><summary>Help, I get …</summary>
#
# *“around the border”*: `torch.roll` makes the first column a neighbor of the last; cut instead. *Sizes do not match*: right pairs are one fewer in width only.
#
# </details>

# %% [markdown]
# ## Exercise 4.4 · The gradient of style, at any size
# ●●● · 10 minutes
#
# `target_gram` $= A/M_A$ is already divided; the painting's size is unknown. Derive
#
# $$\frac{\partial}{\partial F}\; \frac{1}{4N^2} \sum_{i,j} \Big(\frac{G_{ij}}{M} - \frac{A_{ij}}{M_A}\Big)^2, \qquad G = F F^\top$$
#
# and write it as a product of matrices, in the shape of the activations. Pencil first. The check sees to it that autograd is not asked.

# %% exercise="4.4"
def style_gradient(act, target_gram):
    """act: [B, N, H, W], target_gram: [1 or B, N, N] → [B, N, H, W]."""
    ### BEGIN SOLUTION
    channels, positions = act.shape[1], act.shape[2] * act.shape[3]
    rows = (gram_matrix(act) - target_gram) @ act.flatten(2)      # [B, N, N] · [B, N, M]
    return rows.reshape(act.shape) / (channels**2 * positions)    # [B, N, M] → [B, N, H, W]
    ### END SOLUTION

# %%
check_style_gradient(style_gradient)

# %% [markdown]
# <details><summary>Hint</summary>
#
# The square brings a 2. $F$ stands twice in $F F^\top$, and the tables are symmetric: another 2. What is left of ¼?
#
# </details>
# <details><summary>Second hint</summary>
#
# $G/M$ brings one $1/M$, no more. Set $M_A = M$: your formula must turn into the one of *Three gradients*.
#
# </details>
# <details><summary>Help, I get …</summary>
#
# *“positions first”*: $F^\top (G - A)$ is M × N, and `reshape` does not turn it round. *“Expected size …”*: [N, N] goes in front of [N, M]. *Off by N or M*: test a 1 × 1 picture.
#
# </details>

# %% [markdown]
# ## With your own functions
#
# Ask for the middle only, with *your* masked losses, and set *changed* to *all but the middle*. Do content and TV stay still now, even at 30 %
# noise? Try `relu1_1`, then `relu4_2`, and remember the receptive fields of lesson 02. (Your TV adds up a quarter of the picture, so
# it rests below its mark.)
#
# While your functions are stubs, the explorer says so.

# %%
def middle(x):
    high, across = x.shape[2] // 4, x.shape[3] // 4
    ones = torch.ones_like(x[:1, :1, high:-high, across:-across])
    return torch.nn.functional.pad(ones, (across, across, high, high))    # [1, 1, H, W]


LossExplorer(content=lambda act, target: content_where(act, target, middle(act)),
             style=style_loss, tv=lambda image: tv_where(image, middle(image)))

# %% [markdown]
# ## Break it
#
# Seven variations that one finds in programs. Some make a loss only louder or softer, which α, β or γ can take back. Others ask for another
# picture. We compare each gradient with the right one: *cosine* 1.00 is the same wish, −1.00 the opposite. For style we stand near the
# goal: our picture is *starry:1*, the sibling.
#
# Guess each line before you run the cell.

# %%
see = lambda picture: features(picture, ["relu3_1"])["relu3_1"]
near, S, T = see(nst.load_image("starry:1", size=256)), see(painting), see(photo)
A, four = gram_matrix(S), S.tile(1, 1, 2, 2)                              # four: [1, N, 2H, 2W]
plain, full = (lambda x: gram_matrix(x, "none")), (lambda x: gram_matrix(x, "all"))
content, style = (lambda x: content_loss(x, T)), (lambda x: style_loss(x, A))
mse, summed = torch.nn.functional.mse_loss, lambda x: (plain(x) - plain(four)).pow(2).sum()
absolute = lambda x: x.diff(dim=2).abs().sum() + x.diff(dim=3).abs().sum()


def compare(fault, x, *losses):
    x = x.clone().requires_grad_()
    right, wrong = (torch.autograd.grad(loss(x).sum(), x)[0] for loss in losses)
    times = (wrong.norm() / right.norm()).item()
    print(f"{fault:37} cosine {alike(right, wrong):5.2f}   length × {times:.1g}")


compare("content without ½", see(faded), content, lambda x: (x - T).pow(2).sum())
compare("content as a mean", see(faded), content, lambda x: (x - T).pow(2).mean())
compare("style: nn.MSELoss of tables ÷ C·H·W", near, style, lambda x: mse(full(x), full(S)))
compare("style: four copies, all ÷ H·W", near, style, lambda x: style_loss(x, gram_matrix(four)))
compare("style: four copies, plain sums", near, style, summed)
compare("style: one table ÷ H·W, one plain", near, style, lambda x: style_loss(x, plain(S)))
compare("TV with |differences|", faded, tv_loss, absolute)

# %% [markdown]
# *A factor is harmless while α, β and γ know of it. Two conventions for G and A are another wish: here, nearly the opposite.*
#
# ## What to remember
#
# | symbol | shape | code | meaning |
# |---|---|---|---|
# | ½ Σ (F − P)² | [B] | `content_loss(act, target)` | the same things at the same places |
# | 1/(4N²) Σ (G/M − A/M_A)² | [B] | `style_loss(act, target_gram)` | the painting's table, wherever |
# | Σ (right − x)² + (lower − x)² | [B] | `tv_loss(image)` | neighbors agree |
# | F − P | [B, N, H, W] | `act - target` | gradient of content |
# | (G − A) F / (N²M²) | [B, N, H, W] | `style_gradient` | gradient of style, equal sizes |
# | 2 (4x − neighbors) | [B, 3, H, W] | `2 * laplacian(image)` | gradient of TV |
# | α, β, γ | numbers | `nst.Objective(…)` | who is heard how loudly |
#
# ## Before you go
#
# 1. Which pictures have TV 0?
# 2. Is there a picture whose content *and* style loss are 0?
# 3. The article's program takes β = 10¹⁰ (and no TV). Which line above says why?
#
# We can say what we want. How does a picture learn it? **[05 · Painting by optimization](05_painting_by_optimization.ipynb)**.
