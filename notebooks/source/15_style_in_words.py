# %% [markdown]
# # 15 · Style in words
#
# **Can a sentence be the style? “Van Gogh style”, 梵高风格?**
#
# 35 minutes · lessons 03 to 05 · two CPU cores, no GPU, no network
#
# After this you can
# - cut a sentence into words, also where no spaces are: 旋转的夜空,
# - measure how far a picture is from a description, and how often descriptions find their pictures,
# - write the directional loss, by which CLIP paints.

# %%
import itertools
import numpy as np
import torch
import nst_lessons as nst
from nst_lessons import plots, words
from nst_lessons.checks import check_cut, check_directional_loss, check_top_one
from nst_lessons.explorers import WordsExplorer
from nst_lessons.losses import Objective, StyleTerm, Weighted

torch.manual_seed(0)
features = nst.Features("tiny")

# %% [markdown]
# ## A picture that poses the question
#
# No painting this time, only a sentence, once in each language. On the command line:
# `nst-lessons stylize cat --words "梵高风格" -o out.png`.

# %%
photo = nst.load_image("cat", size=144)
text = "swirling night sky, thick blue and yellow strokes"
target = words.style_from_words(text)
print(target.told())
print(words.style_from_words("旋转的夜空，粗犷的蓝黄笔触").told())
painted = nst.stylize(photo, target, size=144, steps=40)
plots.show([photo, target.picture(144), painted], ["photograph", "a study of the words", "painted"])

# %% [markdown]
# ## Predict first
#
# A small network has read captions and seen pictures: colors × texture × mark × scale. One in five combinations of the last three was kept from it. We
# describe twenty such styles and draw each from a new seed. How often will a description find its own
# picture among the twenty?
#
# - **a** One time in twenty, as by chance,
# - **b** half the time,
# - **c** nearly always.
#
# Note your answer. We shall see below, under *The real thing*.

# %% [markdown]
# ## Small enough for paper
#
# Words and pictures must become the same kind of thing: lists of numbers, *codes*. Say there are two numbers, *blue* and *curved*. A text says (1, 1). Picture A is at (3, 3),
# B at (1, 0). Which is nearer?
#
# Take a pencil: what are the cosines of both with the text?

# %%
text_code = torch.tensor([[1.0, 1.0]])
picture_codes = torch.tensor([[3.0, 3.0], [1.0, 0.0]])       # A, B
lengths = picture_codes.norm(dim=1) * text_code.norm()
cosines = (picture_codes @ text_code[0]) / lengths
straight = (picture_codes - text_code).norm(dim=1)
print("cosine:   ", [f"{one:.2f}" for one in cosines])
print("straight: ", [f"{one:.2f}" for one in straight])

# %% [markdown]
# *As the crow flies, B is nearer. But A is blue and curved, only more so. Style is a direction.*
#
# ## The mathematics, and the function
#
# $$d(t, p) = 1 - \frac{t \cdot p}{\lVert t\rVert\,\lVert p\rVert}$$
#
# $t$: a text's code, $p$: a picture's. 0: the same direction; 1: nothing in common; 2: the opposite.

# %%
def text_distance(code, codes):
    """code: [1, K] of a text, codes: [N, K] of pictures → [N]."""
    products = (code * codes).sum(dim=1)
    return 1 - products / (code.norm(dim=1) * codes.norm(dim=1))


print([f"{abs(one):.2f}" for one in text_distance(text_code, picture_codes)])

# %% [markdown]
# ## The same by a loop, and by the library

# %%
t, p = torch.randn(1, 6), torch.randn(4, 6)
truth = []
for row in p:
    product = sum(a * b for a, b in zip(t[0], row))
    truth.append(1 - product / (sum(a * a for a in t[0]) * sum(b * b for b in row)) ** 0.5)
torch.testing.assert_close(text_distance(t, p), torch.stack(truth))
torch.testing.assert_close(text_distance(t, p), 1 - torch.cosine_similarity(t, p, dim=1))
print("loop = function = library")

# %% [markdown]
# ## What a code is
#
# Five Gram matrices, from `relu1_1` to `relu5_1`, squeezed into 64 numbers: each is reduced to the directions that matter most, its square root taken, and all five
# seen along 64 axes. The way leads back as well: from a sentence's code to five tables. So the words need no picture to be a style. Starting from noise:

# %%
noise = 0.5 + 0.15 * torch.randn(1, 3, 128, 128)
objective = Objective(features, noise, noise, alpha=0, beta=0, gamma=0.1)    # no picture is asked
tables = target.grams                                                        # {layer: [1, C, C]}
objective.extra = [Weighted(1, 0.2, StyleTerm(name, tables[name])) for name in tables]
for step in nst.optimize(noise, objective, steps=60):
    pass
plots.show([noise, step.image, target.picture(128)],
           ["noise", "from the words' tables", "the study"])
far = [target.distance(one, features) for one in (noise, photo, step.image)]
print("noise, photograph are far, the texture is near:", far[0] > 0.5, far[1] > 0.5, far[2] < 0.3)

# %% [markdown]
# *64 numbers keep colors and swirls, not every bristle. So the package does both: it asks for the predicted tables, and, twice as strongly, for those of a
# study, drawn by code after the encoder's second answer: which colors, texture, mark, scale.*
#
# ## The real thing
#
# Twenty combinations that training never saw, each described in Chinese or English, each drawn from a new seed.

# %%
kinds = [[one for one in words.WORDS_OF if one.startswith(kind)]
         for kind in ("texture:", "mark:", "scale:")]
unseen = [list(one) for one in itertools.product(*kinds) if words.held_out(words.meaning(one))][:20]
rng, colors = np.random.default_rng(5), ["red", "yellow", "green", "blue", "purple", "white"]
for one in unseen:
    one += [f"color:{name}" for name in rng.choice(colors, 2, replace=False)]
captions = [words.described(one, rng) for one in unseen]
drawn = [torch.from_numpy(words.meaning(one).picture(160, 10**6 + k)).permute(2, 0, 1)[None]
         for k, one in enumerate(unseen)]
texts = torch.stack([words.style_from_words(one).code for one in captions])      # [20, 64]
pictures = torch.cat([words.measure(one, features) for one in drawn])            # [20, 64]
plots.show(drawn[:10], [f"{k}" for k in range(10)])
print("\n".join(f"{k}: {one}" for k, one in enumerate(captions[:10])))

# %%
plots.matrices([torch.stack([text_distance(text[None], pictures) for text in texts])],
               ["texts down, pictures across: dark is near"])
print("found, of twenty, at least sixteen:", words.top_one(texts, pictures) >= 0.8)

# %% [markdown]
# *So **c**. It has learned what "rays" does to a picture, what "fine" does and what "glass" does, and puts them together.*
#
# ## Explore
#
# Type a description and press Enter. Words that it does not know are named, not swallowed.

# %%
WordsExplorer(text_distance=text_distance)

# %% [markdown]
# ## What changed? Why?
#
# Type *swirling*, nothing else. Then *dots*. Where do the colors come from, that nobody asked for?
#
# <details><summary>Answer</summary>
#
# From its training captions. What they left out came from habits: a mark has the colors of the museum's painting made of it; no
# mark means the brush, hence *swirling* in a wheat field's blue and gold. Words beat habits: *red dots* are red, *autumn dots* red to gold,
# *Van Gogh dots* blue and yellow.
#
# </details>
#
# ## One photograph, six descriptions

# %%
descriptions = ["thick green and purple strokes, radiating", "粉色和青色的圆点，波浪", "autumn mosaic, large",
                "红黑木刻，漩涡", "blue and white stained glass, large", "红黑白泼墨，狂乱，粗犷"]
six = [nst.stylize("cat", words=one, size=160, steps=40) for one in descriptions]
plots.show(six, [str(k) for k in range(1, 7)], columns=2)
print("\n".join(f"{k}: {one}" for k, one in enumerate(descriptions, 1)))
codes = torch.stack([words.style_from_words(one).code for one in descriptions])
print("each painting is nearest to its own words:",
      words.top_one(codes, torch.cat([words.measure(one, features) for one in six])) == 1)

# %% [markdown]
# ## Exercise 15.1 · Words without spaces
# ●●○ · 8 minutes
#
# 旋转的夜空: which words are these? Cut from left to right, each time the *longest* known word that begins there. A character that begins no
# word is a piece of its own. Then try yours: `cut("旋转的夜空", set(words.CONCEPT_OF))`.

# %% exercise="15.1"
def cut(text, known):
    """text: without spaces; known: a set of words → list of pieces, in order."""
    ### BEGIN SOLUTION
    pieces = []
    while text:
        ends = [end for end in range(1, len(text) + 1) if text[:end] in known]
        pieces.append(text[:max(ends, default=1)])
        text = text[len(pieces[-1]):]
    return pieces
    ### END SOLUTION

# %%
check_cut(cut)

# %% [markdown]
# <details><summary>Hint</summary>
#
# How many characters of the text's beginning can be a word? Try all, keep the most.
#
# </details>
# <details><summary>Second hint</summary>
#
# `text[:end] in known` for each `end` from 1 to the whole length. Without any, take one character. Then go on with `text[end:]`.
#
# </details>
# <details><summary>Help, I get …</summary>
#
# *“the shortest word”*: 水墨山水 begins with 水墨; do not stop at the first find. *“said twice”*: go on behind the word. A cell that never ends: the text must get
# shorter each time.
#
# </details>

# %% [markdown]
# ## Exercise 15.2 · How often found
# ●○○ · 6 minutes
#
# Above, at least sixteen of twenty were found. Measure it: for each text, is its own picture, the one with the same number, the nearest? Return the share, from 0 to 1; then try
# `top_one(texts, pictures)` on the twenty.

# %% exercise="15.2"
def top_one(texts, pictures):
    """texts: [N, K], pictures: [N, K] → a number: how often picture i is the nearest to text i."""
    ### BEGIN SOLUTION
    nearest = [text_distance(text[None], pictures).argmin() for text in texts]
    return (torch.stack(nearest) == torch.arange(len(texts))).float().mean()
    ### END SOLUTION

# %%
check_top_one(top_one)

# %% [markdown]
# <details><summary>Hint</summary>
#
# `text_distance` wants one text, [1, K], and gives a distance for each picture. Which is the smallest?
#
# </details>
# <details><summary>Second hint</summary>
#
# `argmin()` of text 0 should be 0, that of text 1 should be 1. Count, and divide by all.
#
# </details>
# <details><summary>Help, I get …</summary>
#
# *“each picture looks for its text”*: the smallest of a row, not of a column. *“long vectors would win”*: a product alone is no cosine.
#
# </details>

# %% [markdown]
# ## Exercise 15.3 · Which way it went
# ●●○ · 8 minutes
#
# CLIP (Radford et al. 2021) was trained on 400 million pictures and their captions: it knows more words than we ever shall. But in its space a picture and a text of one meaning do not lie at one place. So we ask
# for the *way*: from photo to picture as from "a photo" to the words. 1 − cosine of both ways, for each picture. (Gal et al. 2022; Kwon & Ye 2022)

# %% exercise="15.3"
def directional_loss(pictures, photo, text, source):
    """pictures: [N, D]; photo, text, source: [1, D] → [N]."""
    ### BEGIN SOLUTION
    return text_distance(text - source, pictures - photo)
    ### END SOLUTION

# %%
check_directional_loss(directional_loss)

# %% [markdown]
# <details><summary>Hint</summary>
#
# Two subtractions, then what you know already.
#
# </details>
# <details><summary>Second hint</summary>
#
# The picture's way is `pictures - photo`, the words' way `text - source`. `text_distance` does the rest.
#
# </details>
# <details><summary>Help, I get …</summary>
#
# *“turned round”*: the way goes from the photograph, so it is subtracted. *“not divided by their lengths”*: a way twice as long is not twice as good.
#
# </details>

# %% [markdown]
# ## Who understood?
#
# With `clip="ViT-B-32"` the same call asks CLIP, trained anew on two billion pictures (LAION-2B) with English captions: ask it in English. Its weights are
# downloaded once, or read from a file. `clip="auto"` takes it only where its weights are on disk already. The loss looks at the picture
# and at twelve crops of it; crops that have gone far enough count no more.

# %% tags=["nbval-ignore-output"]
print(words.style_from_words("Van Gogh style", clip="auto").told())

# %% [markdown]
# ## Names
#
# A painter's or a movement's name leads to our museum's painting in that manner. Where it has none (克里姆特), or with a word of your own beside the name, you get
# a study.

# %%
names = ["浮世绘", "水墨山水", "Van Gogh style", "Van Gogh style, red and black"]
named = [words.style_from_words(one) for one in names]
ink = nst.stylize(nst.load_image("rocket", size=144), named[1], size=144, steps=40)
plots.show([*(one.picture(144) for one in named), ink],
           ["1", "2", "3", "4", "painted with 2"], columns=3)
print("\n".join(f"{one}: {style.recipe}" for one, style in zip(names, named)))

# %% [markdown]
# ## With your own function
#
# The explorer's distances, by your own `directional_loss`: both ways begin at the origin, the code of a middling picture.

# %%
def mine(code, codes):
    return directional_loss(codes, torch.zeros_like(code), code, torch.zeros_like(code))


WordsExplorer(text_distance=mine, text="青花瓷", photo="coffee")

# %% [markdown]
# ## Break it
#
# Our encoder reads a *bag* of words: their order does not reach it. And it knows no "no". What will these become? Guess first.

# %%
pairs = [("yellow strokes, blue dots", "blue strokes, yellow dots"),
         ("red dots", "no blue, red dots")]
for one, other in pairs:
    first, second = words.style_from_words(one), words.style_from_words(other)
    far = text_distance(first.code[None], second.code[None]).item()
    print(f"{one} | {other}: the same code: {far < 1e-3};",
          f"the second has blue: {'blue' in second.recipe.colors}; unknown: {list(second.unknown)}")

# %% [markdown]
# *The first pair is one and the same to it. In the second, "no" is named as unknown; but "blue" is a word it knows, so blue is what you get.*
#
# ## What to remember
#
# | symbol | shape | code | meaning |
# |---|---|---|---|
# | $t$ | [K] | `words.style_from_words(text).code` | five Gram matrices, predicted |
# | $p$ | [B, K] | `words.measure(picture, features)` | the same, measured |
# | $d(t, p)$ | [N] | `text_distance(code, codes)` | 1 − cosine |
# | | | `cut(text, known)` | Chinese into words |
# | | [N] | `directional_loss(…)` | which way the picture went |

# %% [markdown]
# ## Before you go
#
# 1. Why are codes compared by their angle, and not by the distance of the points?
# 2. Which sentence would need the order of words?
# 3. A style nobody has ever drawn for it, "cyberpunk": what can our encoder do, and what CLIP?
#
# This was the last lesson. Everything in one studio: **[the playground](playground.ipynb)**
