# %% [markdown]
# # 09 · Attention
#
# **One network for *any* style?**
#
# 40 minutes · lessons 03 and 08 · two CPU cores, no GPU, no network
#
# After this you can
# - give one picture's activations the mean and deviation of another's: AdaIN,
# - let every place of a photograph gather what suits it from a painting: attention,
# - mix styles that no network was trained for.

# %%
import torch
import nst_lessons as nst
from torch.nn import functional as F
from nst_lessons import attention, plots
from nst_lessons.checks import check_attention_block, check_attention_map, check_mixed_adain
from nst_lessons.explorers import AnyStyleExplorer, AttentionExplorer

features = nst.Features("tiny")

# %% [markdown]
# ## A picture that poses the question
#
# Lesson 08's network learned each style for minutes. These two were given a photograph and a painting, both never seen before, and took
# one pass. (Training did see other starry nights. The other "painting" is a photograph of tissue under a microscope.)
# What can be read off a painting *in one glance* that is enough to paint like it?

# %%
photo = nst.load_image("astronaut", size=256)
painters = {method: attention.load_any(method) for method in ("adain", "attention")}
pictures = {}
for name in ("starry", "tissue"):
    style = nst.load_image(name, size=256)
    painted = {f"{name}: {method}": net(photo, style) for method, net in painters.items()}
    own, *far = (nst.style_error(one, style, features) for one in [photo, *painted.values()])
    print(name, "· both at most half the photograph's style error:", max(far) < own / 2)
    pictures |= {name: style} | painted
plots.show(list(pictures.values()), list(pictures), columns=3)

# %% [markdown]
# ## Predict first
#
# Inside, both networks see the painting as activations: channels, each a number for every place. We deal the places of the painting
# anew, at random, in every layer: what was in the sky may land in a corner. What happens to the two pictures?
#
# - **a** Both fall apart.
# - **b** AdaIN's stays; attention's changes, since attention looks at places.
# - **c** Neither changes.
#
# Note your answer; we shall see below, under *The real thing*.

# %% [markdown]
# ## Small enough for paper
#
# In lesson 08 a style was a scale and a shift for each channel, *learned*. Now they are *read off* the painting. One channel, four places.
# Photograph: 1, 3, 5, 7, so mean 4, deviation √5. Painting: 0, 0, 4, 4, so mean 2, deviation 2.
#
# Take out the photograph's two numbers, put in the painting's. Take a pencil: what becomes of 7?

# %%
content = torch.tensor([[[[1., 3.], [5., 7.]]]])     # [1, 1, 2, 2]
style = torch.tensor([[[[0., 0.], [4., 4.]]]])
left = (content - 4) / 5 ** 0.5
print("left", left.flatten(), "→", (left * 2 + 2).flatten())

# %% [markdown]
# ## The mathematics, and the function
#
# $$\mathrm{AdaIN}(x, y) = \sigma(y)\,\frac{x - \mu(x)}{\sigma(x)} + \mu(y)$$
#
# $\mu$ and $\sigma$: mean and deviation of each channel over its own picture's places. Nothing is learned here, and the two pictures may
# differ in size. (Huang & Belongie 2017, eq. 8) What *is* learned is the decoder, which makes a picture of such activations.

# %%
def moments(act, eps=1e-5):
    """act: [B, C, H, W] → mean and deviation, each [B, C, 1, 1]."""
    mean = act.mean(dim=(2, 3), keepdim=True)
    variance = (act - mean).square().mean(dim=(2, 3), keepdim=True)
    return mean, (variance + eps).sqrt()


def adain(content, style):
    """content: [B, C, H, W]; style: [1 or B, C, H', W'] → [B, C, H, W]."""
    mean, deviation = moments(content)
    wanted_mean, wanted_deviation = moments(style)
    return (content - mean) / deviation * wanted_deviation + wanted_mean


print(adain(content, style).flatten())

# %% [markdown]
# ## The same by a loop, and by the library
#
# The loop takes one channel at a time. The second line is lesson 08's instance normalization with a scale and a shift that come from the
# other picture: the *adaptive* in the name.

# %%
def by_loop(content, style):
    out = torch.empty_like(content)
    for c in range(content.shape[1]):
        x, y = content[0, c], style[0, c]
        normal = (x - x.mean()) / (x.var(correction=0) + 1e-5).sqrt()
        out[0, c] = normal * (y.var(correction=0) + 1e-5).sqrt() + y.mean()
    return out


torch.manual_seed(0)
some, other = torch.randn(1, 3, 5, 4), torch.rand(1, 3, 2, 7)
mean, deviation = moments(other)
torch.testing.assert_close(adain(some, other), by_loop(some, other))
torch.testing.assert_close(F.instance_norm(some) * deviation + mean, by_loop(some, other))
torch.testing.assert_close(attention.adain(some, other), by_loop(some, other))
print("loop = function = torch = library")

# %% [markdown]
# ## Attention, small enough for paper
#
# AdaIN gives every place the same two numbers. Attention lets each place choose. A place of the photograph *asks* with a query, two numbers
# here: (√2, 0). Three places of the painting *answer* to their keys: (2, 0), (0, 2), (0, −2).
#
# Scores: query · key / √2 = 2, 0, 0. Shares: e², 1, 1, divided by their sum. If the places hold 10, 20 and 30, what is gathered?

# %%
query = torch.tensor([2 ** 0.5, 0.]).view(1, 2, 1, 1)                   # [B, D, H, W], one place
key = torch.tensor([[2., 0., 0.], [0., 2., -2.]]).view(1, 2, 1, 3)      # three places
value = torch.tensor([10., 20., 30.]).view(1, 1, 1, 3)
scores = torch.tensor([2., 0., 0.])
shares = scores.exp() / scores.exp().sum()
print("shares", shares, "→", (shares * value.flatten()).sum())

# %% [markdown]
# ## The mathematics, and the functions
#
# $$A = \mathrm{softmax}\!\left(\frac{Q^\top K}{\sqrt D}\right),\qquad \mathrm{out}_i = \sum_j A_{ij}\,V_j$$
#
# $i$: a place of the photograph; $j$: one of the painting. Each row of $A$ adds up to 1. $D$: how many numbers a query has; the root keeps
# the scores of longer queries from growing. Q, K and V: the activations after three learned 1×1 convolutions, *what to ask, what to answer to, what to
# give*. (Vaswani et al. 2017; for styles Park & Lee 2019)

# %%
def attention_weights(query, key):
    """query: [B, D, H, W]; key: [B, D, H', W'] → [B, H·W, H'·W'], rows add up to 1."""
    similar = query.flatten(2).transpose(1, 2) @ key.flatten(2)     # [B, H·W, H'·W']
    return (similar / query.shape[1] ** 0.5).softmax(dim=2)


def attend(query, key, value):
    """… and value: [B, C, H', W'] → [B, C, H, W]."""
    weights = attention_weights(query, key)
    gathered = value.flatten(2) @ weights.transpose(1, 2)           # [B, C, H·W]
    return gathered.view(*value.shape[:2], *query.shape[2:])


print(attention_weights(query, key).flatten(), "→", attend(query, key, value).flatten())

# %% [markdown]
# ## By a loop, and by the library
#
# Torch has the same formula ready, and can work in blocks that never hold all of $A$. It wants places before channels.

# %%
def attend_by_loop(query, key, value):
    out = torch.zeros(*value.shape[:2], *query.shape[2:])
    for y in range(query.shape[2]):
        for x in range(query.shape[3]):
            scores = (query[0, :, y, x] @ key[0].flatten(1)) / query.shape[1] ** 0.5
            out[0, :, y, x] = value[0].flatten(1) @ scores.softmax(0)
    return out


q, k, v = torch.randn(1, 6, 4, 3), torch.randn(1, 6, 2, 5), torch.randn(1, 3, 2, 5)
truth = attend_by_loop(q, k, v)
places_first = (one.flatten(2).transpose(1, 2) for one in (q, k, v))
torchs = F.scaled_dot_product_attention(*places_first).transpose(1, 2).reshape(truth.shape)
for answer in (attend(q, k, v), torchs, attention.attend(q, k, v)):
    torch.testing.assert_close(answer, truth, rtol=1e-4, atol=1e-5)
print("loop = function = torch = library")

# %% [markdown]
# ## The real thing
#
# Both networks have a decoder of the same build, whose own channels get their moments from the painting, too. AdaIN's is entered by `adain` of
# `relu4_1`; attention's by what each place gathers, at `relu4_1` and `relu5_1`. (Queries and keys get one length there: left free, they grew in
# training until one place took all.) Now deal the painting's places, and see:

# %%
def dealt(act):
    order = torch.randperm(act.shape[2] * act.shape[3])
    return act.flatten(2)[..., order].view_as(act)          # each channel's numbers, elsewhere


seen, painted = features(photo, features.style_layers), {}
acts = features(pictures["starry"], features.style_layers)
torn = {layer: dealt(act) for layer, act in acts.items()}
for method, net in painters.items():
    painted[method], painted[f"{method}, dealt"] = net.paint(seen, acts), net.paint(seen, torn)
    change = (painted[method] - painted[f"{method}, dealt"]).abs().max()
    print(method, "· largest change below a ten-thousandth:", bool(change < 1e-4))
plots.show(list(painted.values()), list(painted), columns=4)

# %% [markdown]
# *So **c**: what is left is rounding. A mean has no places, nor has a sum over all places, if key and value move together.* Both know *what* is
# in the painting, not *where*. What attention adds: each place weighs the painting's places for itself.
#
# ## Explore
#
# Click the face, the gray wall, the dark helmet. Where do they look? (By keyboard: the two sliders.) Then try another painting, and the
# coarser scale.

# %%
AttentionExplorer(attention_weights=attention_weights)

# %% [markdown]
# ## What changed? Why?
#
# Did the dark helmet look only at what is dark? Places are compared by their channels, not by brightness. Why may the whole painting have
# stronger contrast?
#
# <details><summary>Answer</summary>
#
# Query and key come from normalized activations: what is left is how a place differs from its own picture. Values are not normalized:
# they bring what the painting has.
#
# </details>
#
# ## Strength
#
# AdaIN of a picture with itself changes nothing. So less style is a mixture with the photograph's own.

# %%
strengths = [0.0, 0.5, 1.0]
net, starry, woodcut = painters["adain"], pictures["starry"], nst.load_image("woodcut", size=256)
weaker = [net(photo, starry, strength=share) for share in strengths]
both = net(photo, [(starry, 0.5), (woodcut, 0.5)])
titles = [*(f"strength {one}" for one in strengths), "half starry, half woodcut"]
plots.show([*weaker, both], titles, columns=4)
change = [(one - photo).square().mean().item() for one in weaker]
print("further from the photograph each time:", change[0] < 0.5 * change[1] < 0.5 * change[2])

# %% [markdown]
# ## Exercise 9.1 · Several styles mixed
# ●○○ · 6 minutes
#
# Several paintings, a share for each: return the sum of what AdaIN makes of the content with each of them, times its share. (Huang &
# Belongie 2017, eq. 15) Paintings may differ in size. Take the shares as they are; they add up to 1.

# %% exercise="9.1"
def mixed_adain(content, styles, shares):
    """content: [B, C, H, W]; styles: [1, C, H', W'] each; shares: numbers → like content."""
    ### BEGIN SOLUTION
    return sum(share * adain(content, style) for style, share in zip(styles, shares))
    ### END SOLUTION

# %%
check_mixed_adain(mixed_adain)

# %% [markdown]
# <details><summary>Hint</summary>
#
# `adain` does the work for one painting. `zip` walks through two lists together.
#
# </details>
# <details><summary>Second hint</summary>
#
# Begin with 0, and for each pair of style and share add the share times `adain` of the content, always of the same content.
#
# </details>
# <details><summary>Help, I get …</summary>
#
# *“Sizes of tensors must match”*: paintings of different sizes cannot be stacked; take them one by one. *“to what the style before it
# made”*: the loop overwrites `content`; give the sum a name of its own.
#
# </details>

# %% [markdown]
# ## Exercise 9.2 · Where one place looks
# ●●○ · 7 minutes
#
# Return the map that the explorer lights up: the shares with which the place in `row` and `column` of the photograph looks at each place of the
# painting, as a picture [H', W']. Places are numbered row by row.

# %% exercise="9.2"
def attention_map(query, key, row, column):
    """query: [1, D, H, W]; key: [1, D, H', W'] → [H', W'], which adds up to 1."""
    ### BEGIN SOLUTION
    place = row * query.shape[3] + column                                   # H·W places, row by row
    return attention_weights(query, key)[0, place].view(key.shape[2:])      # [H'·W'] → [H', W']
    ### END SOLUTION

# %%
check_attention_map(attention_map)

# %% [markdown]
# <details><summary>Hint</summary>
#
# `attention_weights` has a row for every place of the photograph. In a picture 5 places wide, the second row begins at number 5.
#
# </details>
# <details><summary>Second hint</summary>
#
# The place's number is row times width plus column. Its row of weights has H'·W' numbers: `view` makes a picture of it.
#
# </details>
# <details><summary>Help, I get …</summary>
#
# *“one for each place of the photograph”*: `attention_weights(query, key)[0]` has the photograph's places down, the painting's across.
# *“numbered row by row”*: the width is `query.shape[3]`.
#
# </details>

# %% [markdown]
# ## Exercise 9.3 · A block of attention
# ●●● · 9 minutes
#
# Four kernels are given, 1×1 each. Query: normalized content (`attention.normalized`: each channel mean 0, deviation 1), by the first. Key: normalized style, by the second. Value: the
# style as it is, by the third. What is gathered goes through the fourth, and is added to the content as it was. (Park & Lee 2019)

# %% exercise="9.3"
def attention_block(content, style, kernels):
    """content: [B, C, H, W]; style: [B, C, H', W']; four kernels 1×1 → like content."""
    ### BEGIN SOLUTION
    query = F.conv2d(attention.normalized(content), kernels[0])
    key = F.conv2d(attention.normalized(style), kernels[1])
    gathered = attend(query, key, F.conv2d(style, kernels[2]))
    return content + F.conv2d(gathered, kernels[3])
    ### END SOLUTION

# %%
check_attention_block(attention_block)

# %% [markdown]
# <details><summary>Hint</summary>
#
# `F.conv2d(act, kernel)` is a 1×1 convolution. Four of them, and `attend` in the middle.
#
# </details>
# <details><summary>Second hint</summary>
#
# Three lines make query, key and value. Then attend, the fourth kernel, and a sum with `content`.
#
# </details>
# <details><summary>Help, I get …</summary>
#
# *“the fourth kernel is over the sum”*: what was gathered goes through it alone.
# *“the value is normalized”*: the painting's contrast is just what you want to take.
#
# </details>

# %% [markdown]
# ## With your own functions
#
# Your map in the explorer: while it is a stub, the explorer says so. Then your mixture, at each AdaIN of the network. Upload a painting of your
# own: nothing has to be trained.

# %%
AttentionExplorer(attention_map=attention_map, photo="cat", painting="waves")

# %%
AnyStyleExplorer(mixed_adain=mixed_adain)

# %% [markdown]
# ## Break it
#
# Key and value must belong together: we turn the keys upside down, not the values, so a place that finds its like is given something
# else. And AdaIN is only polite if the content's own contrast goes first: we leave it in. Which will hurt more? Guess first.

# %%
def impolite(content, style):
    mean, deviation = moments(style)
    return content * deviation + mean                        # its own mean and deviation stay


network = attention.network
whole, gather, give = painters["attention"], network.attend_in_parts, network.adain
network.attend_in_parts = lambda q, k, v: gather(q, k.flip(2, 3), v)
turned = whole(photo, starry)
network.attend_in_parts, network.adain = gather, impolite
rude = net(photo, starry)
network.adain = give
shown = [pictures["starry: attention"], turned, pictures["starry: adain"], rude]
plots.show(shown, ["attention", "keys turned", "adain", "own contrast left in"], columns=4)
errors = [nst.style_error(one, starry, features) for one in shown]
print("keys turned, the picture changes:", bool((turned - shown[0]).abs().mean() > 0.01))
print("keys turned, the style is at most a tenth further off:", errors[1] < 1.1 * errors[0])
print("own contrast left in, the style is a quarter further off:", errors[3] > 1.25 * errors[2])

# %% [markdown]
# *The keys hurt little: other places, but the same painting, and the decoder's moments are untouched. Contrast hurts more: it belongs to the
# style.*
#
# ## What to remember
#
# | symbol | shape | code | meaning |
# |---|---|---|---|
# | $\mu, \sigma$ | [B, C, 1, 1] | `moments(act)` | the style, as AdaIN reads it |
# | AdaIN | [B, C, H, W] | `adain(content, style)` | the content's places, the style's moments |
# | $A$ | [B, H·W, H'·W'] | `attention_weights(query, key)` | who looks where; rows add up to 1 |
# | out | [B, C, H, W] | `attend(query, key, value)` | what each place gathers |
#
# In a terminal:
#
# ```
# nst-lessons any my_photo.jpg my_painting.jpg --mix waves=0.3 --strength 0.8 -o out.png
# ```
#
# %% [markdown]
# ## Before you go
#
# 1. AdaIN knows two numbers for each channel, a Gram matrix of C channels C². What can AdaIN not tell apart?
# 2. Twice the size, both pictures: how many times larger is $A$?
# 3. What would attention give if all keys were equal?
#
# <details><summary>The second answer</summary>
#
# Four times the places in each picture: sixteen times.
#
# </details>
#
# That second answer hurts. What else costs time and memory, and what can we cut? **[10 · Faster and larger](10_faster_and_larger.ipynb)**
