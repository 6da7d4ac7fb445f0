"""The façade: pictures of every shape painted from every start, and runs that resume where they were interrupted."""
import itertools

import pytest
import torch
from PIL import Image
from torch import nn

import nst_lessons as nst
from nst_lessons import Features, ImageError, Settings, features, load_image, style_error, stylize
from nst_lessons.checkpoint import load_checkpoint, save_checkpoint
from nst_lessons.images import resize
from nst_lessons.stylize import budgets, finish, paint, pyramid


class Sketch(nn.Module):
    """A network so small that painting takes no time; its layers have the names that defaults look for."""

    def __init__(self):
        super().__init__()
        self.layers = ["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu4_2", "relu5_1"]
        generator = torch.Generator().manual_seed(0)
        shapes = [(6, 3), (6, 6), (8, 6), (8, 8), (8, 8), (8, 8)]
        self.kernels = nn.ParameterList(torch.randn(*shape, 3, 3, generator=generator) / (9 * shape[1])**0.5 for shape in shapes)

    def forward(self, image, wanted):
        x, found = 4 * image - 2, {}
        for name, kernel in zip(self.layers, self.kernels):
            if name in ("relu2_1", "relu3_1"):
                x = nn.functional.avg_pool2d(x, 2)
            x = found[name] = nn.functional.conv2d(x, kernel, padding=1).relu()
        return {name: found[name] for name in self.layers if name in wanted}


@pytest.fixture(autouse=True)
def setting(monkeypatch):
    """The network, for these tests only, and one thread: sums over two may differ in the last bit."""
    monkeypatch.setitem(features._BUILDERS, "sketch", lambda weights, pooling: Sketch())
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def photo(height=44, width=48):
    """A colored ball before a sky."""
    y, x = torch.meshgrid(torch.linspace(0, 1, height), torch.linspace(0, 1, width), indexing="ij")
    ball = ((x - 0.5)**2 + (y - 0.5)**2 < 0.09).float()
    return torch.stack([0.2 + 0.7 * ball, 0.3 + 0.4 * y, 0.9 - 0.6 * ball - 0.2 * x])[None]


def stripes(height=44, width=40, period=6, tint=(0.9, 0.5, 0.1)):
    """A painting of slanted stripes in one color."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return (torch.tensor(tint).view(1, 3, 1, 1) * ((x + y) // (period // 2) % 2)).float() * 0.8 + 0.1


def sketch(style=None, content=None, **options):
    """stylize with the small network, few steps."""
    content = photo() if content is None else content
    return stylize(content, stripes() if style is None else style, **{"backbone": "sketch", "steps": 12, "levels": 2} | options)


def is_picture(image, height, width):
    return image.shape == (1, 3, height, width) and image.dtype == torch.float32 and image.isfinite().all() \
        and 0 <= image.min() and image.max() <= 1 and not image.requires_grad


# --- sizes and budgets ------------------------------------------------------------------------------------------------

def test_the_pyramid_of_the_docstring():
    assert pyramid(256) == [100, 160, 256]
    assert pyramid(64) == [64] and pyramid(64, 3) == [25, 40, 64] and pyramid(512, 1) == [512]


@pytest.mark.parametrize("levels", [None, 1, 2, 3, 7, 50])
def test_pyramids_rise_to_the_size_and_stay_visible(levels):
    shapes = ((1, 1), (3, 4), (1000, 300), (1, 12))
    for size, shape in itertools.product((16, 17, 25, 40, 96, 153, 154, 256, 511, 1000, 4096), shapes):
        sizes = pyramid(size, levels, shape)
        assert sizes[-1] == size and len(sizes) <= (levels or 99) and all(isinstance(one, int) for one in sizes)
        assert all(1.5 < after / before < 1.7 for before, after in zip(sizes, sizes[1:]))
        assert all(one * min(shape) / max(shape) >= 16 for one in sizes[:-1])
        assert levels or all(one >= 96 for one in sizes[:-1])
        least = 96 if levels is None else 16                              # no level is left out that there is room for
        room = min(sizes[0] / 1.6, sizes[0] / 1.6 * min(shape) / max(shape) * least / 16)
        assert len(sizes) == levels or room < least + 1


@pytest.mark.parametrize("count", range(1, 9))
def test_budgets_are_spent_to_the_last_evaluation(count):
    for steps in [*range(count, 40), 160, 1001]:
        shares = budgets(steps, count)
        assert sum(shares) == steps and len(shares) == count and min(shares) >= 1
        assert shares == sorted(shares) or steps < 40                     # rounding shows where there is little to share
    assert all(abs(after / before - 1.25) < 0.05 for before, after in zip(shares, shares[1:]))


# --- what comes out ---------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("shape, size, expected", [
    ((40, 48), None, (40, 48)), ((48, 40), None, (48, 40)), ((40, 48), 64, (53, 64)), ((48, 40), 24, (24, 20)),
    ((20, 96), None, (20, 96)), ((96, 20), None, (96, 20)), ((33, 33), None, (33, 33)), ((16, 16), None, (16, 16)),
    ((20, 200), None, (20, 200)), ((30, 400), 300, (22, 300)),
])
def test_shape_and_range_are_as_promised(shape, size, expected):
    slim = max(shape) >= 200                                              # which leaves no room for levels
    options = {"backbone": "random"} if slim else {"backbone": "sketch", "levels": 3}
    assert is_picture(stylize(photo(*shape), stripes(), size=size, steps=4, **options), *expected)


@pytest.mark.parametrize("style", [stripes(16, 90), stripes(90, 16), stripes(200, 200)],
                         ids=["lying", "standing", "large"])
@pytest.mark.parametrize("style_scale", [0.05, 1, 3])
def test_a_style_of_any_shape_and_scale_will_do(style, style_scale):
    assert is_picture(sketch(style, style_scale=style_scale, steps=4, levels=3), 44, 48)


@pytest.mark.parametrize("method", ["lbfgs", "adam"])
@pytest.mark.parametrize("steps", [1, 2, 3, 4, 5])
def test_few_steps_still_give_the_full_size(method, steps):
    assert is_picture(sketch(steps=steps, levels=3, method=method), 44, 48)


def test_names_files_arrays_and_lists_are_taken(tmp_path):
    Image.fromarray((photo()[0].permute(1, 2, 0) * 255).byte().numpy()).save(tmp_path / "photo.png")
    picture = sketch([str(tmp_path / "photo.png"), stripes()], content="cat", size=32, steps=3)
    assert is_picture(picture, 21, 32)
    assert is_picture(sketch("coffee", content=str(tmp_path / "photo.png"), size=32, steps=3), 29, 32)


def test_nothing_asked_for_nothing_done():
    assert torch.equal(sketch(alpha=0, beta=0, gamma=0, levels=1), photo())


def test_inputs_are_not_touched():
    content, style = photo(), stripes()
    sketch(style, content)
    assert torch.equal(content, photo()) and torch.equal(style, stripes())


# --- what the settings do ---------------------------------------------------------------------------------------------

@pytest.mark.parametrize("init", ["content", "noise", "style", "file"])
def test_every_start_leads_to_the_style(init, tmp_path):
    other = tmp_path / "start.png"
    nst.save_image(photo(30, 30).flip(1), other)
    picture = sketch(init=str(other) if init == "file" else init, steps=60, alpha=0)
    network = Features("sketch")
    assert is_picture(picture, 44, 48)
    assert style_error(picture, stripes(), network) < 0.1 * style_error(photo(), stripes(), network)


def first_picture(settings, style=None):
    """Where the painting begins: with a budget of one evaluation nothing can be accepted."""
    progress, = paint(photo(), stripes() if style is None else style, Settings(backbone="sketch", steps=1, levels=1, **settings))
    return progress.image


def test_the_starts_are_what_they_say(tmp_path):
    nst.save_image(stripes(44, 48), tmp_path / "x.png")
    assert torch.equal(first_picture({}), photo())
    assert (first_picture({"init": "style"}) - resize(stripes(88, 80, 12), (44, 48))).abs().mean() < 0.1
    assert torch.equal(first_picture({"init": str(tmp_path / "x.png")}), load_image(tmp_path / "x.png"))
    noise = first_picture({"init": "noise"})
    assert abs(noise.mean() - 0.5) < 0.01 and 0.13 < noise.std() < 0.17
    assert abs((noise[..., 1:] * noise[..., :-1]).mean() - noise.mean()**2) < 0.003       # neighbors know nothing of each other


def test_seeds():
    one, again, other = (sketch(init="noise", seed=seed) for seed in (3, 3, 4))
    assert torch.equal(one, again) and (one - other).abs().mean() > 0.01
    assert torch.equal(sketch(seed=3), sketch(seed=4))                    # without noise there is nothing to draw
    torch.manual_seed(0)
    assert torch.equal(sketch(init="noise", seed=3), one) and torch.initial_seed() == 0      # nor is the caller's disturbed


def test_several_styles_are_mixed():
    one, other, network = stripes(), stripes(period=16, tint=(0.1, 0.2, 0.9)), Features("sketch")
    options = {"steps": 40, "alpha": 0}
    alone, mixed = sketch(one, **options), sketch([one, other], **options)
    assert style_error(mixed, other, network) < 0.8 * style_error(alone, other, network)
    assert style_error(mixed, one, network) > style_error(alone, one, network)
    assert (sketch([one, other], style_weights=[1, 0], **options) - alone).abs().mean() < 0.01
    mostly = sketch([one, other], style_weights=[0.9, 0.1], **options)
    assert style_error(alone, one, network) < style_error(mostly, one, network) < style_error(mixed, one, network)


def test_style_scale_makes_strokes_larger():
    """Painted at scale 2, the picture is like the enlarged style, and not so like the style itself."""
    style, network = stripes(48, 48, period=8), Features("sketch")
    small, large = (sketch(style, photo(48, 48), alpha=0, init="noise", steps=80, style_scale=scale) for scale in (1, 2))
    assert style_error(small, style, network) < 0.5 * style_error(large, style, network)
    assert style_error(large, resize(style, 96), network) < 0.5 * style_error(small, resize(style, 96), network)


def test_preserve_color_keeps_the_photographs_colors_and_the_paintings_light():
    weights = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    gray = lambda image: (image * weights).sum(1, keepdim=True)
    plain, kept = sketch(steps=30), sketch(steps=30, preserve_color=True)
    assert is_picture(kept, 44, 48)
    assert torch.allclose(gray(kept), gray(plain), atol=1e-5)
    mine, theirs = kept - gray(kept), photo() - gray(photo())
    along = (mine * theirs).sum(1, keepdim=True) / theirs.pow(2).sum(1, keepdim=True)     # how much of the color is there
    assert torch.allclose(mine, along * theirs, atol=1e-5) and along.min() >= 0 and along.max() <= 1 + 1e-5
    assert along.mean() > 0.5 > (plain - kept).abs().mean() > 0.01


@pytest.mark.parametrize("options", [
    {"alpha": 3.0}, {"beta": 0.1}, {"gamma": 3.0}, {"pooling": "avg"}, {"scaling": "gatys"}, {"method": "adam"},
    {"levels": 1}, {"steps": 20}, {"content_layers": ["relu2_1"]}, {"style_layers": {"relu1_1": 1.0}},
], ids=lambda options: next(iter(options)))
def test_every_setting_reaches_the_picture(options):
    options = {"steps": 8, "backbone": "random", "size": 40} | options
    assert not torch.equal(sketch(**options), sketch(**{"steps": 8, "backbone": "random", "size": 40}))


def test_settings_that_name_their_pictures_can_be_unpacked():
    settings = Settings(content="cat", style=["starry"], backbone="sketch", steps=9, levels=2)
    assert torch.equal(stylize(photo(), stripes(), **settings), sketch(steps=9))
    assert torch.equal(stylize(photo(), stripes(), **Settings.from_json(settings.to_json())), sketch(steps=9))


@pytest.mark.parametrize("options, message", [
    ({"sise": 64}, "unknown setting 'sise'"), ({"steps": 0}, "steps=0"),
    ({"style_layers": ["conv4_9"]}, "unknown layer 'conv4_9'; this network .* has"),
    ({"backbone": "vgg91"}, "unknown network 'vgg91'; there are"),
    ({"init": "nowhere.png"}, "init: no file 'nowhere.png'.*or say content, noise or style"),
    ({"style_weights": [1, 2]}, "1 styles want as many style_weights, got 2"), ({"size": 8}, "size=8"),
])
def test_what_makes_no_sense_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        sketch(**options)


@pytest.mark.parametrize("content, message", [("nowhere.png", "no file 'nowhere.png'"), (photo()[0], "B, 3, H, W"),
                                              (photo(12, 60), "too small")], ids=["missing", "no batch", "too small"])
def test_bad_photographs_are_refused(content, message):
    with pytest.raises(ValueError, match=message):
        sketch(content=content, backbone="random")


def test_nan_in_a_photograph_is_told():
    spoiled = photo()
    spoiled[0, 0, 3, 3] = float("nan")
    with pytest.raises(nst.OptimizationError, match="look for NaN in the pictures"):
        sketch(content=spoiled)


def test_the_embedded_network_paints():
    """The default, as a learner meets it: the style error falls to a tenth, and the photograph is still to be seen."""
    content, style, network = load_image("astronaut", size=64), load_image("mosaic", size=64), Features("tiny")
    picture = stylize(content, style, steps=50)
    assert style_error(picture, style, network) < 0.1 * style_error(content, style, network)
    light = torch.stack([resize(one, (16, 16)).mean(dim=1).flatten() for one in (picture, content)])
    assert torch.corrcoef(light)[0, 1] > 0.65                             # without the content loss it is 0.58


# --- progress, interrupted and resumed --------------------------------------------------------------------------------

@pytest.mark.parametrize("method", ["lbfgs", "adam"])
def test_progress_tells_where_it_stands(method):
    settings = Settings(backbone="sketch", steps=30, levels=3, method=method)
    before, levels = 0, []
    for progress in paint(photo(), stripes(), settings):
        assert before < progress.evaluations <= progress.steps == 30 and progress.levels == 3
        assert max(progress.image.shape[2:]) == pyramid(48, 3)[progress.level]
        assert progress.terms.total.isfinite() and progress.terms.style.shape == (1,)
        before = progress.evaluations
        levels.append(progress.level)
    assert levels == sorted(levels) and set(levels) == {0, 1, 2}
    assert torch.equal(finish(progress.image, photo(), settings), sketch(**settings))


@pytest.mark.parametrize("options", [
    {}, {"method": "adam"}, {"init": "noise", "preserve_color": True}, {"init": "style", "levels": 1}, {"steps": 3},
], ids=["lbfgs", "adam", "noise", "one level", "few"])
def test_a_state_taken_anywhere_leads_to_the_same_end(options, tmp_path):
    settings = Settings(**{"backbone": "sketch", "steps": 24, "levels": 3} | options)
    undisturbed = []
    for progress in paint(photo(), stripes(), settings):
        undisturbed.append(progress)
        save_checkpoint(progress.state(), tmp_path / f"{len(undisturbed)}")
    last_of_level = {progress.level: done for done, progress in enumerate(undisturbed, start=1)}
    for done in {1, 2, len(undisturbed) // 2, *last_of_level.values()}:   # also between levels, and after the last step of all
        rest = list(paint(photo(), stripes(), settings, state=load_checkpoint(tmp_path / f"{done}")))
        assert rest, "even at its end a painting has a picture"
        assert torch.equal(rest[-1].image, undisturbed[-1].image) and rest[-1].evaluations == undisturbed[-1].evaluations
        assert rest[-1].terms.total == undisturbed[-1].terms.total
        assert len(rest) == len(undisturbed) - done + (done in last_of_level.values())       # there it is shown again


@pytest.mark.parametrize("method", ["lbfgs", "adam"])
@pytest.mark.parametrize("when", [5, 12, 17, 21])
def test_control_c_anywhere_leaves_a_picture_and_a_state_to_go_on_from(method, when, monkeypatch):
    settings, calls = Settings(backbone="sketch", steps=24, levels=3, method=method), 0
    forward = Sketch.forward

    def interrupted(self, image, wanted):
        nonlocal calls
        calls += image.requires_grad                                      # targets do not count
        if calls == when:
            raise KeyboardInterrupt
        return forward(self, image, wanted)

    with monkeypatch.context() as patch:
        patch.setattr(Sketch, "forward", interrupted)
        with pytest.raises(KeyboardInterrupt):
            for last in paint(photo(), stripes(), settings):
                pass
    *_, resumed = paint(photo(), stripes(), settings, state=last.state())
    *_, undisturbed = paint(photo(), stripes(), settings)
    assert last.image.isfinite().all() and torch.equal(resumed.image, undisturbed.image)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_checkpoint_goes_back_to_the_gpu(tmp_path):
    settings = Settings(backbone="sketch", steps=16, levels=2)
    for last in itertools.islice(paint(photo(), stripes(), settings), 4):
        save_checkpoint(last.state(), tmp_path / "x")
    *_, resumed = paint(photo(), stripes(), settings, state=load_checkpoint(tmp_path / "x"))
    *_, undisturbed = paint(photo(), stripes(), settings)
    assert resumed.image.is_cuda and (resumed.image - undisturbed.image).abs().mean() < 0.01
