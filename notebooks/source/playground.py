# %% [markdown]
# # Playground
#
# A photograph, a painting, and the knobs between them: the whole course in one studio.
#
# Here you paint your first pictures. How it works, and why, is what the lessons tell; this page only lets you try.
#
# It takes five minutes and needs neither a GPU nor the Internet. Run one cell after the other with **Shift + Enter**.

# %%
import nst_lessons as nst
from nst_lessons.explorers import Studio, side_by_side

photo = nst.load_image("astronaut", size=192)          # longer side, in pixels
style = nst.load_image("starry", size=192)
print("photograph", tuple(photo.shape), "painting", tuple(style.shape))

# %% [markdown]
# ## What, and how
#
# Left is *what* shall be painted. Right is *how*: a night sky that our own code has drawn. Look at the width of its strokes and
# at the way they turn: both will come back.

# %%
side_by_side(photo, style)

# %% [markdown]
# ## One call
#
# `stylize` begins with the photograph and changes its pixels, step by step, until a small network sees the photograph's *content*
# and the painting's *style* in them.
#
# **Guess first:** what will happen to her face, to the smooth wall behind her, to the white of the suit?

# %%
picture = nst.stylize(photo, style)

features = nst.Features("tiny")                        # the network that looks on
before, after = nst.style_error(photo, style, features), nst.style_error(picture, style, features)
print("size kept:", picture.shape == photo.shape)
print("style error fell more than fivefold:", after < before / 5)
side_by_side(photo, style, picture)

# %% [markdown]
# ## Your turn
#
# Run the cell below and press **Run**. Knobs may be turned *while it paints*; **Undo** takes a change back. Try this:
#
# - **How**: alpha at 0.01, then at 1. Where does the photograph go? And stroke size at 0.5 and 2?
# - **Network and layers**: only `relu1_1`, then only `relu5_1`. Which of them knows the strokes, which only the colors?
# - **Pictures**: drop a photograph of your own, or let **words** be the style.
# - **Mask**: paint with the mouse where the style belongs.

# %%
Studio(photo="astronaut", style="starry")

# %% [markdown]
# Every picture hangs in the gallery below the studio, with its settings: **Use** turns the knobs back to them, **Code** writes the same picture as
# Python, **Save** puts it beside this notebook.

# %% [markdown]
# ## And then
#
# The same studio as a page without code is `make studio`, and on the command line, for pictures of any size:
#
# ```
# nst-lessons stylize my_photo.jpg starry -o painted.png --size 512 --alpha 0.2
# nst-lessons samples
# ```
#
# The lessons will open up what was a single call here: how a network sees, why a table of correlations is a style, and how
# pixels learn.
