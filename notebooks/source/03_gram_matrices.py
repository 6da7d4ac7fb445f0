# %% [markdown]
# # 03 · Gram matrices
#
# **Why does a table of correlations capture *style*?**
#
# 35 minutes · lesson 02 · two CPU cores, no GPU, no network
#
# After this you can
# - write the Gram matrix of a layer in three ways, and say what each number in it means,
# - measure how far apart two styles are,
# - make a texture from nothing but Gram matrices.

# %%
import torch
import nst_lessons as nst
from nst_lessons import plots
from nst_lessons.checks import check_gram_by_einsum, check_gram_of_pieces, check_style_distance
from nst_lessons.explorers import GramExplorer

torch.manual_seed(0)
features = nst.Features("tiny")

# %% [markdown]
# ## A picture that poses the question
#
# Left and middle were drawn by the same hand: another sky, no swirl at the same place, and yet one says at once *same style*.
# Right was not. What does the eye compare, if not pixel with pixel? (The hand is a program of ours; `:1` asks it for another picture.)

# %%
names = ["starry", "starry:1", "waves"]
starry, again, waves = (nst.load_image(name, size=256) for name in names)
plots.show([starry, again, waves], names)

# %% [markdown]
# ## Predict first
#
# We take the 256 feature maps of layer `relu3_1` and shuffle their positions: all channels with the *same* shuffle. Then we
# compute the Gram matrix, the table of products of channels, summed over all positions. It will
#
# - **a** change completely, since every shape is destroyed,
# - **b** change a little,
# - **c** not change at all.
#
# Note your answer. We shall see below, under *The real thing*.

# %% [markdown]
# ## Small enough for paper
#
# Two channels, 2 × 2 positions. Say channel 0 answers to *blue* and channel 1 to *horizontal stroke*.
# Entry $G_{01}$ adds up blue × stroke over the four positions: $1·2 + 0·0 + 3·1 + 1·0 = 5$.
#
# Take a pencil and find the other three before you run the cell.

# %%
act = torch.tensor([[[[1., 0.], [3., 1.]],       # channel 0: blue
                     [[2., 0.], [1., 0.]]]])     # channel 1: horizontal stroke
flat = act.flatten(2)           # [1, 2, 2, 2] → [1, 2, 4]: each channel's map as one row
print(flat[0])
print(flat[0] @ flat[0].T)      # [2, 4] · [4, 2] → [2, 2]

# %% [markdown]
# ## The mathematics, and the function
#
# $$G_{ij} = \frac{1}{M} \sum_{k=1}^{M} F_{ik} F_{jk}$$
#
# $F$: a layer's activations, $N$ channels (C in code) × $M = H·W$ positions. Gatys et al. (2016, eq. 3) write the plain sum, `"none"`; we
# divide by $M$, `"positions"`, so that a table does not grow with the picture. Many programs, the article's too, divide by $N·M$: `"all"`.
#
# (One calls these *correlations*. Statisticians would subtract each channel's mean first, and have a *covariance*.)

# %%
def gram_matrix(act, normalize="positions"):
    """Gram matrix of one layer's activations: [B, C, H, W] → [B, C, C]."""
    channels, positions = act.shape[1], act.shape[2] * act.shape[3]
    divisors = {"none": 1, "positions": positions, "all": channels * positions}
    flat = act.flatten(2)                                       # [B, C, H, W] → [B, C, H·W]
    return flat @ flat.transpose(1, 2) / divisors[normalize]    # → [B, C, C]


print(gram_matrix(act, "none")[0])

# %% [markdown]
# ## The same by a loop, and by the library
#
# The loop says it slowest: go to every position, multiply what each pair of channels says there, add. The product of two
# matrices does nothing else, only a thousand times faster even for a table as small as this.

# %%
def gram_by_loop(act):
    table = torch.zeros(act.shape[1], act.shape[1])
    for i in range(act.shape[1]):
        for j in range(act.shape[1]):
            for y in range(act.shape[2]):
                for x in range(act.shape[3]):
                    table[i, j] += act[0, i, y, x] * act[0, j, y, x]
    return table / (act.shape[2] * act.shape[3])


some = torch.rand(1, 5, 6, 7)
torch.testing.assert_close(gram_by_loop(some), gram_matrix(some)[0])
torch.testing.assert_close(nst.gram_matrix(some), gram_matrix(some))
print("loop = product = library")

# %% [markdown]
# ## The real thing
#
# And your prediction? The shuffled map holds nothing that you would recognize, but its table is the same to the last digits:
# **c**. A sum does not ask in which order it is taken. The Gram matrix forgets *where*, and keeps *what occurs together with what*.

# %%
act = features(starry, ["relu3_1"])["relu3_1"]              # [1, 256, H, W]
order = torch.randperm(act.shape[2] * act.shape[3])
shuffled = act.flatten(2)[..., order].reshape(act.shape)    # [1, 256, H·W] → [1, 256, H, W]
G, S = gram_matrix(act)[0], gram_matrix(shuffled)[0]
print("symmetric:", torch.allclose(G, G.T, rtol=1e-4))
print("shuffled, the maps differ:", not torch.allclose(act, shuffled))
print("shuffled, the tables agree:", torch.allclose(G, S, rtol=1e-3, atol=1e-5))

# %%
busiest = act.mean(dim=(2, 3))[0].argmax()
maps = [act[0, busiest], shuffled[0, busiest]]
plots.show(maps, ["the busiest channel", "its positions shuffled"])

# %% [markdown]
# ## Explore
#
# Change the layer, the pictures, the shuffle. Bright entries are pairs of channels that often speak together (drawn are some of the
# channels; the distance counts all). The third table is the difference: white where the styles agree, red where B has more, blue where A has.
#
# Find two pictures far apart at `relu1_1` (their colors) that come closer at `relu4_1`.

# %%
GramExplorer(gram=gram_matrix)

# %% [markdown]
# ## What changed? Why?
#
# With the same picture as A and B, shuffle *the feature map's positions*, then *the picture's pixels*. Why does only one of them change the table?
#
# <details><summary>Answer</summary>
#
# Positions of the map: the same columns of numbers in another order, the same sum. Pixels of the picture: the network now sees
# noise. Edges and strokes are gone *before* the channels could answer to them. Even at `relu1_1` the table changes: its channels look at 3 × 3 pixels.
#
# </details>

# %% [markdown]
# ## Exercise 3.1 · One line of einsum
# ●○○ · 5 minutes
#
# Write the Gram matrix of a batch with a single `torch.einsum`, divided by **H·W**. In `"ik,kj->ij"`, the product of two
# matrices, each dimension has a letter, and letters that stand on the left of the arrow only are summed over.

# %% exercise="3.1"
def gram_by_einsum(act):
    """act: [B, C, H, W] → [B, C, C], ÷ H·W."""
    ### BEGIN SOLUTION
    return torch.einsum("bihw,bjhw->bij", act, act) / (act.shape[2] * act.shape[3])
    ### END SOLUTION

# %%
check_gram_by_einsum(gram_by_einsum)

# %% [markdown]
# <details><summary>Hint</summary>
#
# The same tensor goes in twice. Its channel needs a letter of its own each time; batch, height and width share theirs.
#
# </details>
# <details><summary>Second hint</summary>
#
# The arrow ends in three letters: batch, first channel, second channel. `act.shape[2] * act.shape[3]` counts positions.
#
# </details>
# <details><summary>Help, I get …</summary>
#
# *“one letter stands for both channels”*: [C, C] has two dimensions, each with a letter of its own. *“pictures of the batch are mixed”*: the batch's letter is missing after the arrow.
#
# </details>

# %% [markdown]
# ## Exercise 3.2 · How far apart are two styles?
# ●●○ · 8 minutes
#
# $$d = \frac{\lVert G - A\rVert^2}{\lVert A\rVert^2}$$
#
# with $G$ from one layer's activations of your picture and $A$ from those of the painting, both ÷ H·W. 0: same style.
# 1: as far as a table of zeros. It can be more. One number for each picture of the batch.

# %% exercise="3.2"
def style_distance(act, style_act):
    """act: [B, C, H, W], style_act: [1 or B, C, H', W'] → [B]."""
    ### BEGIN SOLUTION
    G, A = gram_matrix(act), gram_matrix(style_act)
    return (G - A).pow(2).sum(dim=(1, 2)) / A.pow(2).sum(dim=(1, 2))
    ### END SOLUTION

# %%
check_style_distance(style_distance)

# %% [markdown]
# <details><summary>Hint</summary>
#
# ‖·‖² of a matrix is the sum of all its entries, squared. Sum over the two channel dimensions and leave the batch alone.
#
# </details>
# <details><summary>Second hint</summary>
#
# `.pow(2).sum(dim=(1, 2))` turns [B, C, C] into [B]. You need it twice.
#
# </details>
# <details><summary>Help, I get …</summary>
#
# *“a larger picture seems another style”*: the Gram matrices are not divided by H·W. *“the pictures of the batch are summed”*: `dim=` is missing in `sum`.
#
# </details>

# %% [markdown]
# ## Exercise 3.3 · In pieces
# ●●○ · 8 minutes
#
# A picture too large for memory comes as a list of pieces [1, C, H, Wᵢ], of different widths. Make the Gram matrix
# of the whole, ÷ all positions, from one piece at a time: never put them together. (Lesson 10 paints huge pictures with this.)

# %% exercise="3.3"
def gram_of_pieces(pieces):
    """pieces: a list of [1, C, H, Wᵢ] → [1, C, C], ÷ the positions of all pieces together."""
    ### BEGIN SOLUTION
    total, positions = 0, 0
    for act in pieces:
        total = total + gram_matrix(act, "none")
        positions += act.shape[2] * act.shape[3]
    return total / positions
    ### END SOLUTION

# %%
check_gram_of_pieces(gram_of_pieces)

# %% [markdown]
# <details><summary>Hint</summary>
#
# Sums can be added, means cannot. Which `normalize` gives the plain sum?
#
# </details>
# <details><summary>Second hint</summary>
#
# Keep two things while you walk through the list: the sum of `gram_matrix(piece, "none")` and the count of positions. Divide once, at the end.
#
# </details>
# <details><summary>Help, I get …</summary>
#
# *“counts a narrow piece as much as a wide one”*: you averaged averages. *“divided twice”*: `gram_matrix(piece)` divides on its own, `gram_matrix(piece, "none")` does not.
#
# </details>

# %% [markdown]
# ## With your own function
#
# The same explorer, fed with *your* einsum. While it is a stub, the explorer says so. Once the check is content, choose the same picture
# as A and B, make B smaller, and note the distance. Then take the division out of your function, run both cells again, and compare.

# %%
GramExplorer(gram=gram_by_einsum)

# %% [markdown]
# ## Like with like
#
# Eight pictures, four hands: two by each. The table holds the mean distance over five layers (`nst.style_error`). Does each picture find its sibling?

# %%
schools = ["starry", "waves", "mosaic", "ink_wash"]
names = [school + seed for school in schools for seed in ("", ":1")]
paintings = [nst.load_image(name, size=128) for name in names]
distances = torch.tensor([[nst.style_error(a, b, features) for b in paintings] for a in paintings])
nearest = (distances + 1e9 * torch.eye(8)).argmin(dim=0)
print("each picture's nearest is its sibling:", nearest.tolist() == [1, 0, 3, 2, 5, 4, 7, 6])
plots.table(distances.clamp(max=2), names)

# %% [markdown]
# *Each column is measured against that painting's own tables; 2 stands for two or more. Dark 2 × 2 blocks are siblings. Ink speaks softly, its
# ‖A‖² is small, and divides distances: hence the bright columns.*
#
# ## A texture from Gram matrices alone
#
# Now backwards. We start from noise and change its *pixels* until its five tables agree with the painting's. No pixel of the painting is
# looked at: only the tables. (How the optimizer works is lesson 05.)

# %%
layers = ["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"]


def texture(style, size=128, evaluations=60):
    targets = {name: gram_matrix(act) for name, act in features(style, layers).items()}
    image = (0.5 + 0.1 * torch.randn(1, 3, size, size)).requires_grad_()
    optimizer = torch.optim.LBFGS([image], max_iter=evaluations, max_eval=evaluations,
                                  line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        acts = features(image, layers)
        loss = sum((gram_matrix(acts[n]) - targets[n]).pow(2).sum() / targets[n].pow(2).sum()
                   for n in layers)
        loss.backward()
        return loss
    optimizer.step(closure)
    return image.detach()

# %%
small = [nst.load_image(name, size=128) for name in ("starry", "waves", "mosaic")]
textures = [texture(style) for style in small]
for style, made in zip(small, textures):
    print("style error under 0.05:", nst.style_error(made, style, features) < 0.05)
titles = ["starry", "waves", "mosaic"] + ["from its tables"] * 3
plots.show(small + textures, titles, columns=3)

# %% [markdown]
# *Strokes, colors and their neighborhoods came back; where things stood did not. That is what we shall call style.*
#
# ## Break it
#
# Eight pictures or maps against `starry`, at `relu3_1`. Which will count as the same style, and which as a stranger? Guess each
# line before you run the second cell.

# %%
def far(act, A, normalize="positions"):
    return f"{(gram_matrix(act, normalize) - A).pow(2).sum() / A.pow(2).sum():.2f}"


def mix(x):                                       # other positions, all channels alike
    order = torch.randperm(x.shape[2] * x.shape[3])
    return x.flatten(2)[..., order].reshape(x.shape)        # [B, C, H·W] → [B, C, H, W]


see = lambda picture: features(picture, ["relu3_1"])["relu3_1"]
alone = lambda x: torch.cat([mix(one) for one in x.split(1, dim=1)], dim=1)
bare = lambda x: x - x.mean(dim=(2, 3), keepdim=True)       # what is left without the means

# %%
act, smaller = see(starry), see(nst.load_image("starry", size=192))
A = gram_matrix(act)
print("its sibling                     ", far(see(again), A))
print("a stranger, waves               ", far(see(waves), A))
print("a smaller copy, divided by H·W  ", far(smaller, A))
print("a smaller copy, plain sums      ", far(smaller, gram_matrix(act, "none"), "none"))
print("the map's positions shuffled    ", far(mix(act), A))
print("each channel shuffled on its own", far(alone(act), A))
print("the same, without the means     ", far(bare(alone(act)), gram_matrix(bare(act))))
print("the picture's pixels shuffled   ", far(see(mix(starry)), A))

# %% [markdown]
# *Shuffled alike, nothing is lost. Shuffled each on its own, a channel still speaks as much as before, and most of a table says just that: so
# 0.09 only, yet many times the sibling's distance. Without the means one sees what went: more than three quarters of what channels said* together.
#
# ## What to remember
#
# | symbol | shape | code | meaning |
# |---|---|---|---|
# | $F$ | [B, N, H, W] | `act` | what N channels say at each position |
# | $M$ | number | `H * W` | positions |
# | $G_{ij}$ | [B, N, N] | `gram_matrix(act)` | how much channels i and j speak at the same places, wherever |
# | $A$ | [1, N, N] | `gram_matrix(style_act)` | the same of the painting: the target |
# | $d$ | [B] | `style_distance(act, style_act)` | ‖G − A‖² / ‖A‖²: how far apart two styles are |

# %% [markdown]
# ## Before you go
#
# 1. A checkerboard and its negative: same Gram matrix at every layer?
# 2. Why has the Gram matrix of `relu1_1` so little to say about swirls?
# 3. What would a Gram matrix of a *photograph's* deep layer keep of a face?
#
# We have a number for *style*. For *content*, and for smoothness, we need two more, and the gradients of all three: that is
# **[04 · Three losses](04_three_losses.ipynb)**.
