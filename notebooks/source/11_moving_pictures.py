# %% [markdown]
# # 11 · Moving pictures
#
# **Why do stylized films flicker?**
#
# 35 minutes · lessons 04 and 05, for the second route 08 · two CPU cores, no GPU, no network
#
# After this you can
# - find where each pixel of a film came from, and carry a picture along,
# - say where that can be trusted, and hold strokes still there,
# - paint a film of your own: overnight, or nearly while it plays.

# %%
import tempfile

import torch
import nst_lessons as nst
from skimage import data
from torch.nn import functional as F
from nst_lessons import Settings, cli, plots, regions, video
from nst_lessons.checks import check_comes_from_inside, check_temporal_loss, check_there_and_back
from nst_lessons.explorers import FilmExplorer
from nst_lessons.fast import load_fast
from nst_lessons.images import resize
from nst_lessons.stylize import paint
from nst_lessons.video.steady import load_steady

features = nst.Features("tiny")

# %% [markdown]
# ## A picture that poses the question
#
# We make a film of two photographs: a moon goes by a rocket, five frames, and each frame has a camera's faint noise of its own. So we
# know exactly what moves, and where to. On the right every frame was painted as in lesson 05, by itself. (It plays again and again.)

# %%
sky, disc = resize(nst.load_image("rocket"), (84, 128)), regions.ellipse((0, 0, 1, 1), (30, 30))
gold = torch.tensor([1.1, 1.05, 0.85]).view(1, 3, 1, 1)
moon = resize(nst.load_image(data.moon()[80:400, 80:400]), (30, 30)) * gold
made = video.crossing(sky, moon.clamp(0, 1), disc, 5, step=(4, 1), start=(14, 6), noise=0.02)
frames, where = zip(*((frame.image, mask) for frame, mask in made))    # where: [1, 1, H, W]

# %%
starry = nst.load_image("starry", size=128)


def painted(photo, steps=30, **more):
    for step in paint(photo, starry, Settings(steps=steps, levels=2), features, **more):
        pass
    return step.image.clamp(0, 1)


alone = [painted(photo) for photo in frames]
plots.moving([frames, alone], ["the film", "each by itself"])

# %% [markdown]
# *The moon glides; the strokes jump.*
#
# ## Predict first
#
# A camera that stands still takes the same sky twice. The two photographs differ by noise that one hardly sees. Each is painted by
# itself, with the same settings. The two *paintings* will differ
#
# - **a** less than the photographs: strokes wash noise away,
# - **b** about as much,
# - **c** at least twice as much.
#
# Note your answer. We shall see below, under *The real thing*.

# %% [markdown]
# ## Small enough for paper
#
# A row of six pixels. A thing, 9 9, stands at its left end and then moves two pixels to the right; what was behind it comes to light: 5 6. For each
# pixel of the new row, *backward flow* says how far away it was before: −2 for the thing, 0 for the rest.
#
# Take a pencil: read each pixel's old value. Which two are lies?

# %%
before, now = torch.tensor([9., 9., 1., 2., 3., 4.]), torch.tensor([5., 6., 9., 9., 3., 4.])
backward = torch.tensor([0, 0, -2, -2, 0, 0])
place = torch.arange(6) + backward
print("carried along", before[place].tolist(), "a lie:", (before[place] != now).tolist())

# %% [markdown]
# ## The mathematics, and the function
#
# $$w(x) = p\,(x + \hat w(x))$$
#
# $p$: the picture before; $\hat w$: the flow from this frame back to that one, px to the right and px down. Each *new* pixel asks where it
# was. (Sent forward instead, old pixels would leave holes and pile up.) A place between pixels is a mean of its four neighbors, weighted by nearness.

# %%
def own_places(flow):
    """Each pixel's own place, (x, y) in px, of a flow [B, 2, H, W]: [1, 2, H, W]."""
    height, width = flow.shape[2:]
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([x, y])[None].to(flow)


def warp(image, flow):
    """image [B, C, H, W] at x + flow(x), flow [B, 2, H, W]; beyond the border, the border."""
    height, width = image.shape[2:]
    at = own_places(flow) + flow                                # [B, 2, H, W], in px
    scale = at.new_tensor([2 / max(width - 1, 1), 2 / max(height - 1, 1)]).view(1, 2, 1, 1)
    at = (at * scale - 1).permute(0, 2, 3, 1)                   # grid_sample counts from -1 to 1
    return F.grid_sample(image, at.expand(len(image), -1, -1, -1), "bilinear", "border",
                         align_corners=True)

# %% [markdown]
# ## The same by a loop, and by the library
#
# The loop reads four neighbors for one pixel after the other.

# %%
def warp_by_loop(image, flow):
    out = torch.zeros_like(image)
    for y in range(image.shape[2]):
        for x in range(image.shape[3]):
            at_x = min(max(x + flow[0, 0, y, x].item(), 0), image.shape[3] - 1)
            at_y = min(max(y + flow[0, 1, y, x].item(), 0), image.shape[2] - 1)
            left, top = min(int(at_x), image.shape[3] - 2), min(int(at_y), image.shape[2] - 2)
            p, q = at_x - left, at_y - top                      # how far to the right, how far down
            a, b, c, d = image[..., top:top + 2, left:left + 2].flatten(2).unbind(2)
            out[..., y, x] = (1 - q) * ((1 - p) * a + p * b) + q * ((1 - p) * c + p * d)
    return out


torch.manual_seed(0)
some, field = torch.rand(1, 3, 7, 9), 3 * torch.randn(1, 2, 7, 9)
for answer in (warp(some, field), video.warp(some, field)):
    torch.testing.assert_close(answer, warp_by_loop(some, field), rtol=1e-4, atol=1e-5)
print("loop = function = library")

# %% [markdown]
# ## Who finds the flow?
#
# Somebody has to look at two pictures and say what went where. *DIS* (Kroeger et al. 2016) slides small patches until they fit, from coarse to fine, and was
# never trained. We try it on two real photographs: what two eyes see of a motorcycle. Patterns of light have measured how far each pixel is moved between them.

# %%
left, right, measured = data.stereo_motorcycle()
left, right = (nst.load_image(one, size=370) for one in (left, right))    # [1, 3, 250, 370]
shift = torch.from_numpy(measured.astype("float32"))[None, None, ::2, :740:2] / 2
known = torch.isfinite(shift) & (shift > 0)
found = video.flow(left, right)                                  # [1, 2, H, W]: left → right
truth = torch.cat([torch.where(known, -shift, 0), torch.zeros_like(shift)], dim=1)
off = (found - truth).norm(dim=1, keepdim=True)                  # px
agree = video.consistent(found, video.flow(right, left))         # 1: you end where you began
colors = [video.flow_color(flow, largest=36) for flow in (truth, found)]
titles = ["measured", "found by DIS", "the left eye", "there and back agree"]
plots.show([*colors, left, left * (0.1 + 0.9 * agree)], titles, columns=2)
print("off by less than 1 px at most places:", off[known].median().item() < 1)
print("where there and back disagree, three times as much as elsewhere, and more:",
      (off[known & (agree == 0)].mean() > 3 * off[known & (agree == 1)].mean()).item())

# %% [markdown]
# *Hue: direction; depth of color: speed; white: not measured. What is near moves more. DIS draws edges softly.*
#
# ## Where can it be trusted?
#
# Not where something was hidden: there it is a lie, as on paper. Not at the edges of motion, where flow is a guess. Not what
# came in from outside. `video.trust` is 1 where none of the three is the case (Ruder et al. 2016). Two of them you shall write below.

# %%
backward, forward = video.flow(frames[3], frames[2]), video.flow(frames[2], frames[3])
mask = video.trust(backward, forward)                            # [1, 1, H, W]
views = [video.flow_color(backward), mask[0, 0], mask * warp(alone[2], backward)]
plots.show(views, ["backward flow", "trusted", "painting 3, carried, masked"])

# %% [markdown]
# ## The real thing
#
# Two changes to lesson 05. Painting begins with the last painting, carried along, so 14 steps will do. And one more term holds the picture there:
#
# $$\mathcal{L}_{temporal} = \text{mean of } c\,(x - w)^2, \quad \text{weight } 100$$
#
# $c$: the mask; $x$: from now on the painting, no longer a place. What flickers is measured with the moon's *exact* motion: the mean of $(x - w)^2$ over the trusted pixels.

# %%
held = alone[:1]
for before, photo in zip(frames, frames[1:]):
    backward, forward = video.flow(photo, before), video.flow(before, photo)
    start, term = video.temporal(held[-1], backward, forward, weight=100)
    held.append(painted(photo, steps=14, onto=start, extra=[term]))
exact = [torch.cat([-4 * one, -one], dim=1) for one in where]    # backward flow: the moon's step


def flicker(film):
    return sum(video.warping_error(a, b, flow, video.trust(flow, -was))
               for a, b, was, flow in zip(film, film[1:], exact, exact[1:])) / len(film[1:])


error = {name: sum(nst.style_error(one, starry, features) for one in film) / len(film)
         for name, film in (("alone", alone), ("held", held))}
plots.moving([alone, held], ["each by itself", "with the temporal term"])
print("flicker at most half:", flicker(held) < flicker(alone) / 2, "· style error at most a tenth",
      "more:", error["held"] < 1.1 * error["alone"])
twice = [(sky + 0.02 * torch.randn_like(sky)).clamp(0, 1) for _ in range(2)]
far = lambda a, b: (a - b).square().mean().sqrt().item()
ratio = far(*(painted(one) for one in twice)) / far(*twice)
print("a still camera: the paintings differ at least twice as much:", ratio > 2)

# %% [markdown]
# *So **c**. Many pictures have nearly the same loss; a breath decides which one is found. The temporal term does not forbid any of them:
# it only says, take the one that we have.*
#
# ## Explore
#
# Scrub, or press play. Compare what flickers, then look at flow and mask: how much of the sky travels with the moon?

# %%
FilmExplorer(frames, {"each by itself": alone, "temporal term": held}, warp=warp)

# %% [markdown]
# ## What changed? Why?
#
# Look at *flow as color*: the patch that moves is larger than the moon, and soft. A piece of night sky travels with it. Does that do harm?
#
# <details><summary>Answer</summary>
#
# Dark sky looks alike everywhere: DIS cannot know, and in the photograph nobody sees it. In the painting there *are* strokes, which travel along, up to
# the patch's rim. There the mask is black, and the rim is painted anew.
#
# </details>

# %% [markdown]
# ## Exercise 11.1 · Was it in the picture?
# ●○○ · 6 minutes
#
# A camera pans; at one side something comes in that the frame before never saw. Return 1 where $x + flow(x)$ lies in the picture, 0 elsewhere.
# The outermost pixels belong to it.

# %% exercise="11.1"
def comes_from_inside(flow):
    """flow: [B, 2, H, W], px to the right and down → [B, 1, H, W], 1 or 0."""
    ### BEGIN SOLUTION
    x, y = (own_places(flow) + flow).unbind(1)                  # [B, H, W] each
    across, down = (x >= 0) & (x <= flow.shape[3] - 1), (y >= 0) & (y <= flow.shape[2] - 1)
    return (across & down).float()[:, None]
    ### END SOLUTION

# %%
check_comes_from_inside(comes_from_inside)

# %% [markdown]
# <details><summary>Hint</summary>
#
# `own_places(flow) + flow` is where each pixel comes from. Channel 0 is x, channel 1 is y. Four comparisons, all of which must hold.
#
# </details>
# <details><summary>Second hint</summary>
#
# x goes from 0 to `flow.shape[3] - 1`, y from 0 to `flow.shape[2] - 1`. `&` joins comparisons, if each has parentheses. `.float()` makes 1 and 0.
#
# </details>
# <details><summary>Help, I get …</summary>
#
# *“has lost a dimension”*: `[:, None]` puts the channel back, or take `[:, :1]` and `[:, 1:]`. *“the flow itself”*: add the pixel's own place first.
#
# </details>

# %% [markdown]
# ## Exercise 11.2 · There and back again
# ●●○ · 9 minutes
#
# Follow a pixel back, and from there forward. If it was seen in both frames, you are where you began. Return 1 where
#
# $$|\tilde w + \hat w|^2 < 0.01\,(|\tilde w|^2 + |\hat w|^2) + 0.5$$
#
# $\hat w$: backward flow. $\tilde w$: forward flow, *read where the pixel was*. $|\cdot|^2$: sum of both channels' squares. (Ruder et al. 2016, eq. 5)

# %% exercise="11.2"
def there_and_back(backward, forward):
    """backward, forward: [B, 2, H, W] → [B, 1, H, W], 1 where they agree, else 0."""
    ### BEGIN SOLUTION
    there = warp(forward, backward)
    size = lambda flow: flow.square().sum(dim=1, keepdim=True)              # [B, 1, H, W]
    return (size(there + backward) < 0.01 * (size(there) + size(backward)) + 0.5).float()
    ### END SOLUTION

# %%
check_there_and_back(there_and_back)

# %% [markdown]
# <details><summary>Hint</summary>
#
# "Read where the pixel was" is what `warp` does, and it takes anything with two dimensions of places: a flow, too.
#
# </details>
# <details><summary>Second hint</summary>
#
# $\tilde w$ is `warp(forward, backward)`. `.square().sum(dim=1, keepdim=True)` is $|\cdot|^2$; you need it three times.
#
# </details>
# <details><summary>Help, I get …</summary>
#
# *“at each pixel's place now”*: `forward` is not warped. *“has lost a dimension”*: `keepdim=True`. *“their sum is near zero”*: back and forth are opposite, so add.
#
# </details>

# %% [markdown]
# ## Exercise 11.3 · The temporal loss
# ●●○ · 8 minutes
#
# Carry the picture before along, compare, weigh by the mask: the mean of $c\,(x - w)^2$ over *all* C·H·W values, trusted or not ($x$: `image`; $w$: `before`, carried). So where
# little is trusted, little force is left. One number for each picture of the batch.

# %% exercise="11.3"
def temporal_loss(image, before, backward, mask):
    """image [B, 3, H, W]; before [1, 3, H, W]; backward [1, 2, H, W]; mask [1, 1, H, W] → [B]."""
    ### BEGIN SOLUTION
    carried = warp(before, backward)
    return (mask * (image - carried).square()).mean(dim=(1, 2, 3))
    ### END SOLUTION

# %%
check_temporal_loss(temporal_loss)

# %% [markdown]
# <details><summary>Hint</summary>
#
# Two lines: warp, then a mean of squares. [1, 1, H, W] times [B, 3, H, W] works as it is.
#
# </details>
# <details><summary>Second hint</summary>
#
# Square the difference first, then multiply by the mask. `.mean(dim=(1, 2, 3))` leaves the batch alone.
#
# </details>
# <details><summary>Help, I get …</summary>
#
# *“divided by the trusted pixels”*: that is how flicker is measured, above; a loss is divided by all. *“the mask is squared”*: it stands inside the square.
#
# </details>

# %% [markdown]
# ## With your own functions
#
# Mask and loss are now yours. While one is a stub, the explorer says so. Take the 0.5 out of your 11.2, run it and this cell again, and look at the mask.

# %%
films = {"each by itself": alone, "temporal term": held}
FilmExplorer(frames, films, comes_from_inside=comes_from_inside, there_and_back=there_and_back,
             temporal_loss=temporal_loss)

# %% [markdown]
# ## The second route: a network made steady
#
# Lesson 08's network paints a frame in one pass and knows no frame before. So it was trained further: each photograph was painted twice, the second time
# shifted, zoomed, turned and with other noise, and the painting had to move along. That motion was our own, its flow exact. When it paints, it needs no flow.

# %%
cat, step = nst.load_image("cat", size=160), (3.0, 1.0)
pan = [frame.image for frame in video.pan(cat, (72, 108), 5, step, noise=0.02)]
flow = torch.tensor(step).view(1, 2, 1, 1).expand(1, 2, 72, 108)
nets = {"lesson 08": load_fast(), "made steady": load_steady()}
films = {name: [video.one_pass(net, "waves")(photo) for photo in pan] for name, net in nets.items()}
mask = video.trust(flow, -flow)
jumps = [sum(video.warping_error(a, b, flow, mask) for a, b in zip(film, film[1:]))
         for film in films.values()]
plots.moving(films.values(), films)
print("made steady, it flickers at most half as much:", jumps[1] < jumps[0] / 2)

# %% [markdown]
# *It pays with strokes where the photograph is flat.*
#
# ## A film of your own
#
# In a terminal; `IN` may be a film, an animated GIF or a folder of pictures. Frame rate, length and sound stay. If it is stopped, `--resume` goes on with the next frame.
#
# ```
# nst-lessons video IN.mp4 -o OUT.mp4 --style starry
# nst-lessons video IN.mp4 -o OUT.mp4 --style waves --one-pass --size 512
# ```
#
# The same from here, with our five frames:

# %%
with tempfile.TemporaryDirectory() as folder:
    for number, photo in enumerate(frames):
        nst.save_image(photo, f"{folder}/{number}.png")
    cli.main(["video", folder, "-o", f"{folder}/moon.mp4", "--rate", "8", "--style", "starry",
              "--one-pass", "--size", "256", "--quiet"])
    clip = video.open_clip(f"{folder}/moon.mp4")
    print(clip.count, "frames,", clip.rate, "a second,", clip.seconds, "s, H × W:", clip.shape)
    plots.show([frame.image for frame in clip][::2])

# %% [markdown]
# ## Break it
#
# Twice we go wrong. Once forward flow is taken for backward. Once everything is trusted, lies too, and held thirty times as hard. Guess: what
# becomes of the moon, and what of the strokes?

# %%
def followed(weight=100, swapped=False, blind=False):
    film = alone[:1]
    for before, photo in zip(frames, frames[1:]):
        flows = [video.flow(photo, before), video.flow(before, photo)]
        start, term = video.temporal(film[-1], *(flows[::-1] if swapped else flows), weight)
        if blind:
            term.term.mask.fill_(1)
        film.append(painted(photo, steps=14, onto=start, extra=[term]))
    return film


broken = {"forward for backward": followed(swapped=True),
          "all trusted, weight 3000": followed(3000, blind=True)}
plots.show([film[4] for film in (held, *broken.values())], ["frame 5, as it should be", *broken])
swapped, blind = broken.values()
print("forward for backward, it flickers twice as much:", flicker(swapped) > 2 * flicker(held))
lost = [nst.style_error(film[4], starry, features) for film in (held, blind)]
print("all trusted, held hard, half more style error:", lost[1] > 1.5 * lost[0])

# %% [markdown]
# *Carried the wrong way, the moon is left behind. Held too hard, strokes blur.*
#
# ## What to remember
#
# | symbol | shape | code | meaning |
# |---|---|---|---|
# | $\hat w$ | [1, 2, H, W] | `video.flow(now, before)` | px right, px down: where it was |
# | $w$ | [B, C, H, W] | `warp(before, flow)` | carried |
# | $c$ | [1, 1, H, W] | `video.trust(backward, forward)` | 1: believe it |
# | loss | [B] | `temporal_loss(…)` | mean $c\,(x - w)^2$ |
# | flicker | number | `video.warping_error(…)` | the same, ÷ trusted pixels |
#
# ## Before you go
#
# 1. At a cut, what does the mask say?
# 2. Twice as many frames a second: how long is the flow?
# 3. Without the term, from the same start, flicker rose by a fifth after 14 evaluations a frame, by half after 42. Why?
#
# One pass suffices for a film. Does it for a telephone? **[12 · On a phone](12_on_a_phone.ipynb)**
