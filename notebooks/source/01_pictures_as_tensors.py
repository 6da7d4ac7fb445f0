# %% [markdown]
# # 01 · Pictures as tensors
#
# **What does a network get when it gets a picture?**
#
# 40 minutes · start here: no lesson before · two CPU cores, no GPU, no network
#
# After this you can
# - say in which shape, order and scale a picture comes, from a file, from Pillow, from torch,
# - normalize it for a network, and find the way back,
# - bring two pictures to one size, so that they can be compared.

# %%
import numpy as np
import torch
import torch.nn.functional as F
import torchvision.transforms.functional as TF
import nst_lessons as nst
from nst_lessons import images, plots
from nst_lessons.checks import check_denormalize, check_normalize
from nst_lessons.checks import check_resize_like, check_to_uint8
from nst_lessons.explorers import PictureExplorer

torch.manual_seed(0)
photo = nst.load_image("astronaut", size=192)               # [1, 3, 192, 192]

# %% [markdown]
# ## A picture that poses the question
#
# Four programs hand the same photograph to the same network. None of them crashes, none prints a warning. Below is what the
# network *believes* it sees each time: the picture that a right program would have had to load in order to hand over just these
# numbers. One program is right. What did the other three do?

# %%
believed = [photo, images.denormalize(photo), photo.flip(1), images.normalize(photo)]
plots.show(believed, ["A", "B", "C", "D"])

# %% [markdown]
# *The same face, then in fog, in wrong colors, burnt out. By the end you will read the first line of that cell with ease.*
#
# ## Predict first
#
# A file stores a picture as [H, W, 3]. A network wants [3, H, W]. `pixels.reshape(3, H, W)` has that shape. The picture in it will be
#
# - **a** the same,
# - **b** the same with red and blue exchanged,
# - **c** in pieces.
#
# Note your answer. We shall see below, under *The real thing*.

# %% [markdown]
# ## Small enough for paper
#
# A photograph of four pixels: red, green, and below them blue, gold. The file lists them pixel by pixel, three bytes each,
# 0 to 255. A network wants numbers from 0 to 1, and one *plane* for each channel: all reds, all greens, all blues. One more dimension, in
# front, counts pictures: a *batch*, here of one.
#
# Write down the three planes, 2 × 2 each, before you run the cell. Gold is (255, 204, 0).

# %%
pixels = torch.tensor([[[255, 0, 0], [0, 255, 0]],          # red, green
                       [[0, 0, 255], [255, 204, 0]]],       # blue, gold → [2, 2, 3]
                      dtype=torch.uint8)
small = pixels.permute(2, 0, 1)[None] / 255                 # [H, W, 3] → [3, H, W] → [1, 3, H, W]
print(list(pixels.shape), "→", list(small.shape))
print(small[0])

# %% [markdown]
# ## The mathematics, and the function
#
# $$z_c = \frac{x_c - m_c}{s_c}$$
#
# Most networks learned from *ImageNet*, 1.3 million photographs, shifted and stretched: $m_c$ is the mean of channel $c$, and $s_c$ its
# deviation (std), both averaged over many of them. Whoever hands over other numbers shows other colors. Our red pixel:
# $(1 - 0.485) / 0.229 = 2.25$.

# %%
IMAGENET_MEAN = (0.485, 0.456, 0.406)                       # of red, green, blue
IMAGENET_STD = (0.229, 0.224, 0.225)


def normalize_by_channel(image, mean=IMAGENET_MEAN, std=IMAGENET_STD):
    """[B, 3, H, W] in [0, 1] → the same shape, (x − mean) / std in each channel."""
    planes = [(image[:, c] - mean[c]) / std[c] for c in range(3)]    # three times [B, H, W]
    return torch.stack(planes, dim=1)                       # → [B, 3, H, W]


print("a red pixel:", normalize_by_channel(small)[0, :, 0, 0])

# %% [markdown]
# ## The same by a loop, and by the library
#
# The loop says it slowest: go to every number there is, and look up which channel it belongs to. The library's function is
# the one that you will meet in most programs on the web, as `transforms.Normalize`.

# %%
def normalize_by_loop(image):
    out = torch.empty_like(image)
    for b in range(image.shape[0]):
        for c in range(image.shape[1]):
            for y in range(image.shape[2]):
                for x in range(image.shape[3]):
                    out[b, c, y, x] = (image[b, c, y, x] - IMAGENET_MEAN[c]) / IMAGENET_STD[c]
    return out


some = torch.rand(2, 3, 4, 5)                               # a batch of two
planes, library = normalize_by_channel(some), TF.normalize(some, IMAGENET_MEAN, IMAGENET_STD)
torch.testing.assert_close(normalize_by_loop(some), planes)
torch.testing.assert_close(library, planes)
print("loop = planes = library")

# %% [markdown]
# ## The real thing
#
# And your prediction? Here is the photograph as a file, Pillow and matplotlib have it, and then made into planes in two ways.
# Both results have the same shape.

# %%
pixels = torch.from_numpy(np.array(images.to_pil(photo)))  # [H, W, 3], uint8
permuted = pixels.permute(2, 0, 1)[None] / 255              # [H, W, 3] → [3, H, W] → [1, 3, H, W]
reshaped = pixels.reshape(3, 192, 192)[None] / 255          # [H, W, 3] → [1, 3, H, W], by cutting
for name, one in {"the file": pixels, "permuted": permuted, "reshaped": reshaped}.items():
    print(f"{name} {list(one.shape)} {one.dtype}, {one.min():.0f} to {one.max():.0f}")
plots.show([permuted, reshaped, reshaped[0, 0]], ["permute", "reshape", "reshape, red plane"])

# %% [markdown]
# **c**, in pieces. `permute` turns the block of numbers. `reshape` leaves them in the file's order, red green blue red green blue, and cuts
# that row elsewhere: the upper third of the picture becomes the red plane, the middle third green, the lower blue, and each row
# breaks into three, one under the other: the comb on the right. The shape was correct, and proved nothing.
#
# Now the planes, and their numbers. Where is the suit brightest?

# %%
plots.show([photo[0, c] for c in range(3)], ["red", "green", "blue"])
for name in ("astronaut", "cat", "coffee", "retina"):
    z = normalize_by_channel(nst.load_image(name, size=128))
    means, stds = z.mean(dim=(0, 2, 3)), z.std(dim=(0, 2, 3))               # [3] each
    print(f"{name:9} mean", *[f"{m:4.1f}" for m in means], "  std", *[f"{s:.1f}" for s in stds])

# %% [markdown]
# *Orange is much red, little blue. Hardly any photograph has mean 0 and std 1; ImageNet's have, on average.*
#
# ## Who normalizes?
#
# Here **the network** does: VGG-19 with ImageNet's numbers, `tiny`, the small network of this course, with its own. You hand it [0, 1].
#
# ## Explore
#
# Below the pictures: how often each number is handed over.
#
# - Find A, B, C and D of the beginning, and an almost white sheet.
# - Choose *rings*, 96 px, switch *antialias* off, and count centers.

# %%
PictureExplorer(normalize=normalize_by_channel)

# %% [markdown]
# ## What changed? Why?
#
# *[0, 1], as loaded* gives fog, *normalized twice* a burnt picture. Where is the spread too small, where too large? Why does no error come?
#
# <details><summary>Answer</summary>
#
# To a network, 0.5 means "half a deviation above the mean". From 0 to 1 is a fifth of the spread that it knows: hardly any
# contrast. Normalized twice, numbers reach ±10, far beyond black and white. Shape and type are right each time.
#
# </details>

# %% [markdown]
# ## Exercise 1.1 · All channels at once
# ●○○ · 6 minutes
#
# Write `normalize` without a loop, for **any number C of channels**; `mean` and `std` are C numbers each. *Broadcasting* lines shapes
# up from the right, so a plain row of C numbers would meet the width. Give the numbers a shape that meets the channels.
# Make a new tensor; leave `image` as it is.

# %% exercise="1.1"
def normalize(image, mean=IMAGENET_MEAN, std=IMAGENET_STD):
    """image: [B, C, H, W] in [0, 1]; mean, std: C numbers each → [B, C, H, W]."""
    ### BEGIN SOLUTION
    mean = torch.as_tensor(mean).to(image).view(-1, 1, 1)   # [C] → [C, 1, 1], one for each plane
    std = torch.as_tensor(std).to(image).view(-1, 1, 1)     # .to(image): its type, its device
    return (image - mean) / std
    ### END SOLUTION

# %%
check_normalize(normalize)

# %% [markdown]
# <details><summary>Hint</summary>
#
# [C, 1, 1] under [B, C, H, W]: 1 meets W, 1 meets H, C meets C. A length of 1 is stretched to fit.
#
# </details>
# <details><summary>Second hint</summary>
#
# `torch.tensor(mean).view(-1, 1, 1)` has that shape; −1 means "as many as there are". The same for `std`, then arithmetic.
#
# </details>
# <details><summary>Help, I get …</summary>
#
# *“…a list or tuple”*: `torch.tensor(mean)`, `torch.tensor(std)`. *“4 channels do not suit …”*: you wrote a 3 where any number may come.
#
# </details>

# %% [markdown]
# ## Exercise 1.2 · The way back
# ●○○ · 5 minutes
#
# Most programs on the web normalize while they *load*, paint with those numbers, and must come back before they save. Many forget.
#
# Undo 1.1, then clamp to [0, 1]: an optimizer that moves pixels does not know where black and white are, and strays a little
# beyond. No file can hold that.

# %% exercise="1.2"
def denormalize(image, mean=IMAGENET_MEAN, std=IMAGENET_STD):
    """image: [B, C, H, W], normalized; mean, std: C numbers each → [B, C, H, W] in [0, 1]."""
    ### BEGIN SOLUTION
    mean = torch.as_tensor(mean).to(image).view(-1, 1, 1)   # [C] → [C, 1, 1]
    std = torch.as_tensor(std).to(image).view(-1, 1, 1)
    return (image * std + mean).clamp(0, 1)
    ### END SOLUTION

# %%
check_denormalize(denormalize)

# %% [markdown]
# <details><summary>Hint</summary>
#
# Socks, then shoes; back, shoes come off first. Normalizing subtracted and then divided.
#
# </details>
# <details><summary>Second hint</summary>
#
# Shape `mean` and `std` as in 1.1. Multiply, add, and at the very end `.clamp(0, 1)`.
#
# </details>
# <details><summary>Help, I get …</summary>
#
# *Gray where it should be dark*: you clamped first, and normalized darkness is negative. *“changes the tensor”*: `clamp_` and `*=` write
# into what you were given; `clamp` and `*` do not.
#
# </details>

# %% [markdown]
# ## Two pictures, one size
#
# Pictures can be subtracted pixel by pixel, or share a batch, only when H and W agree. "Size 256" does not promise that:
# `Resize(256)` of torchvision sets the *shorter* side, `load_image(…, size=256)` the *longer*.
#
# And shrinking needs care: whoever looks at a few pixels only, and passes over the rest, sees patterns that are not there.
# *Antialias* averages all of them.

# %%
for name in ("cat", "ink_wash"):
    picture = nst.load_image(name, size=256)
    print(f"{name:8} load_image(…, size=256):", list(picture.shape[2:]),
          "  Resize(256):", list(TF.resize(picture, 256).shape[2:]))
side = torch.linspace(-1, 1, 256)
squares = side[:, None]**2 + side**2                        # [256, 1] + [256] → [256, 256]
rings = (0.5 + 0.5 * torch.cos(128 * squares)).expand(1, 3, 256, 256)      # three equal planes
few_pixels = F.interpolate(rings, size=(64, 64), mode="bicubic", antialias=False)
all_pixels = F.interpolate(rings, size=(64, 64), mode="bicubic", antialias=True)
titles = ["256 px", "64 px, antialias=False", "64 px, antialias=True"]
plots.show([rings, few_pixels, all_pixels], titles)

# %% [markdown]
# *There is one center, not nine. What is too fine for 64 pixels should turn gray, as on the right.*
#
# ## Exercise 1.3 · To a partner's size
# ●●○ · 8 minutes
#
# Resize `picture` to exactly the height and width of `partner`, even if that squeezes it: **bicubic, with `antialias=True`**, by
# `F.interpolate`. Bicubic overshoots at hard edges, so see to it that the result stays in [0, 1].

# %% exercise="1.3"
def resize_like(picture, partner):
    """picture: [B, 3, H, W] in [0, 1], partner: [1, 3, H', W'] → [B, 3, H', W'] in [0, 1]."""
    ### BEGIN SOLUTION
    resized = F.interpolate(picture, size=partner.shape[2:], mode="bicubic", antialias=True)
    return resized.clamp(0, 1)
    ### END SOLUTION

# %%
check_resize_like(resize_like)

# %% [markdown]
# <details><summary>Hint</summary>
#
# `F.interpolate(…, size=(height, width), …)` sets both sides. Where do you find the partner's?
#
# </details>
# <details><summary>Second hint</summary>
#
# `partner.shape[2:]` is (H', W'). Two more arguments, `mode=` and `antialias=`, and one `clamp` after it.
#
# </details>
# <details><summary>Help, I get …</summary>
#
# *“height and width have changed places”*: Pillow's `size` says width first, tensors say height first. *“Anti-alias option is restricted to …”*: the mode must be bilinear or bicubic.
#
# </details>

# %% [markdown]
# ## Exercise 1.4 · Bytes for a file
# ●●○ · 8 minutes
#
# The last step before saving: [B, 3, H, W] floats become [B, H, W, 3] bytes. Clamp, since byte 256 would be black again. And **round**: after normalizing and
# back, 16 has become 15.999999, and one red level in four would fall to the one below.

# %% exercise="1.4"
def to_uint8(image):
    """image: [B, 3, H, W], about [0, 1] → [B, H, W, 3], uint8."""
    ### BEGIN SOLUTION
    levels = (image.clamp(0, 1) * 255).round()
    return levels.permute(0, 2, 3, 1).to(torch.uint8)       # [B, 3, H, W] → [B, H, W, 3]
    ### END SOLUTION

# %%
check_to_uint8(to_uint8)

# %% [markdown]
# <details><summary>Hint</summary>
#
# Four steps: into range, onto the scale 0 … 255, to whole numbers, dimensions to their places. Which one must not be `reshape`?
#
# </details>
# <details><summary>Second hint</summary>
#
# `.permute(0, 2, 3, 1)` names, for each new dimension, the old one that moves there. `.to(torch.uint8)` alone cuts decimals off.
#
# </details>
# <details><summary>Help, I get …</summary>
#
# *“only 0 and 1 are left”*: converted before multiplying by 255. *“some other color”*: not clamped, and −1 became 255, a white speck. *“you reshaped”*: see
# *Predict first*.
#
# </details>

# %% [markdown]
# ## With your own function
#
# The same explorer, fed with *your* `normalize`. While it is a stub, the explorer says so. Once the check is content, swap mean and std
# in it, run its cell and this one again, and look at the right-hand picture and its numbers.

# %%
PictureExplorer(normalize=normalize)

# %% [markdown]
# ## Break it
#
# Six ways to hand over a picture. For each, we ask which picture would give the network just these numbers: that is what it
# believes it sees. Before you run the cell: which way comes closest to being right, and which is farthest off?

# %%
z = normalize_by_channel
handed = {"right": z(photo), "never normalized": photo, "normalized twice": z(z(photo)),
          "0 to 255": 255 * photo, "blue first (BGR)": z(photo.flip(1)),
          "mean, std swapped": z(photo, IMAGENET_STD, IMAGENET_MEAN)}
believed = [images.denormalize(numbers) for numbers in handed.values()]
for name, seen in zip(handed, believed):
    print(f"{name:17} off by {(seen - photo).abs().mean():.2f}")
plots.show(believed, list(handed), columns=3)

# %% [markdown]
# *Farthest off is 0 to 255; blue first is closest by this measure, though hardly to the eye. A of the beginning was right, B never
# normalized, C had blue first, D was normalized twice. Who sees fog finds few edges in it.*
#
# Files hold more traps. `load_image` knows these; other programs may not.
#
# | in the file | whoever overlooks it | `load_image` |
# |---|---|---|
# | EXIF orientation | gets a phone's photo lying on its side | turns it |
# | transparency, a 4th channel | gets black or strange borders | puts it on white |
# | one channel, gray | fails at the first convolution | makes it three |
# | a color profile | gets pale or shifted colors | converts to sRGB |
#
# ## What to remember
#
# | | shape | type, range | code |
# |---|---|---|---|
# | in a file, Pillow, matplotlib | [H, W, 3] | uint8, 0 … 255 | `np.array(image)` |
# | in torch, in this course | [B, 3, H, W] | float32, [0, 1] | `nst.load_image(name, size=256)` |
# | inside a network | [B, 3, H, W] | float32, about −2 … 2.6 | `normalize(image)`; the network does it |
# | back | [B, 3, H, W] | float32, [0, 1] | `denormalize(image)` |
# | two sizes | [B, 3, H', W'] | float32, [0, 1] | `resize_like(picture, partner)` |
# | on the way out | [B, H, W, 3] | uint8 | clamp, × 255, round, `permute` |

# %% [markdown]
# ## Before you go
#
# 1. What numbers does a black pixel have once it is normalized? Why not (0, 0, 0)?
# 2. A photograph [1, 3, 300, 400] and a painting [1, 3, 400, 300] after `Resize(256)`: which shapes? What happens when a program subtracts them?
# 3. Why must nobody clamp normalized numbers to [0, 1]?
#
# We know what goes into a network. What does it make of it? That is **[02 · What a network sees](02_what_a_network_sees.ipynb)**.
