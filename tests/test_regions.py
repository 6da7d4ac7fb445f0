"""Lesson 13: masks, guided Gram matrices, and pictures in which nothing outside of a mask changes."""
import re
import warnings

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import nst_lessons as nst
from nst_lessons import Features, Objective, Settings, cli, loading, regions, stylize
from nst_lessons.regions import networks
from nst_lessons.scale import memory, tiled
from nst_lessons.stylize import finish, paint

STYLES = ["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"]
QUICK = {"backbone": "random", "steps": 4, "levels": 1}


@pytest.fixture(scope="module")
def network():
    return Features("random", device="cpu").double()


def noise(height, width, seed=0, channels=3):
    return torch.rand(1, channels, height, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def half(height, width):
    """1 on the left."""
    mask = torch.zeros(1, 1, height, width, dtype=torch.float64)
    mask[..., :width // 2] = 1
    return mask


# --- guides and guided Gram matrices ---------------------------------------------------------------------------------

@pytest.mark.parametrize("height, width, shape", [(8, 8, (4, 4)), (12, 9, (4, 3)), (6, 10, (6, 10)), (7, 5, (3, 2))])
def test_a_guide_is_the_mean_of_what_a_position_covers_with_mean_square_one(height, width, shape):
    mask = noise(height, width, 1, 1)
    rows, columns = height / shape[0], width / shape[1]
    expected = torch.zeros(shape, dtype=torch.float64)
    for y in range(shape[0]):
        for x in range(shape[1]):
            part = mask[0, 0, int(y * rows):int(np.ceil((y + 1) * rows)), int(x * columns):int(np.ceil((x + 1) * columns))]
            expected[y, x] = part.mean()
    expected /= expected.pow(2).mean().sqrt()
    torch.testing.assert_close(regions.guide(mask, shape)[0, 0], expected)
    assert abs(regions.guide(mask, shape).square().mean() - 1) < 1e-12


def test_a_guided_gram_by_a_loop():
    act, mask = noise(6, 8, 2, 5), noise(12, 16, 3, 1)
    weights = regions.guide(mask, (6, 8))[0, 0]
    expected = torch.zeros(5, 5, dtype=torch.float64)
    for y in range(6):
        for x in range(8):
            expected += weights[y, x] ** 2 * torch.outer(act[0, :, y, x], act[0, :, y, x])
    torch.testing.assert_close(regions.guided_gram(act, mask)[0], expected / 48)


def test_a_hard_mask_is_the_gram_matrix_of_what_is_inside_and_all_is_the_plain_one():
    act = noise(6, 8, 2, 5)
    torch.testing.assert_close(regions.guided_gram(act, half(12, 16)), nst.gram_matrix(act[..., :4]))
    torch.testing.assert_close(regions.guided_gram(act, torch.ones(1, 1, 3, 3).double()), nst.gram_matrix(act))


def test_outside_of_a_hard_mask_no_gradient_comes():
    act = noise(6, 8, 2, 5).requires_grad_()
    regions.guided_gram(act, half(6, 8)).square().sum().backward()
    assert act.grad[..., 4:].abs().max() == 0 < act.grad[..., :4].abs().min()


def test_an_empty_mask_guides_nothing():
    with pytest.raises(ValueError, match="the mask is empty"):
        regions.guided_gram(noise(6, 8, 2, 5), torch.zeros(1, 1, 6, 8).double())


# --- the objective ---------------------------------------------------------------------------------------------------

def by_hand(network, content, styles, masks, image):
    """The guided loss, written out: content, style in each region as much as it is large, smoothness."""
    acts, seen = network(image, [*STYLES, "relu3_1", "relu4_2"]), network(content, ["relu3_1", "relu4_2"])
    total = 0.05 * sum((acts[layer] - seen[layer]).pow(2).sum() / seen[layer].pow(2).sum() / 2 for layer in seen)
    for style, mask in zip(styles, masks):
        for layer, act in network(style, STYLES).items():
            target = nst.gram_matrix(act)
            total = total + mask.mean() / 5 * (regions.guided_gram(acts[layer], mask) - target).pow(2).sum() / target.pow(2).sum()
    return total + 0.15 * nst.tv_loss(image).sum() / image.numel() + 0.5 * (image - image.clamp(0, 1)).pow(2).mean()


def test_the_guided_objective_by_hand(network):
    content, image = noise(64, 96, 1), (noise(64, 96, 2) * 1.1).requires_grad_()
    styles, masks = [noise(64, 64, 3), noise(80, 64, 4)], [half(64, 96), 1 - half(64, 96)]
    objective = regions.GuidedObjective(network, content, styles, masks, alpha=0.05, beta=1, gamma=0.15)
    total = objective(image).total
    expected = by_hand(network, content, styles, masks, image)
    torch.testing.assert_close(total, expected)
    one, other = (torch.autograd.grad(loss, image)[0] for loss in (total, expected))
    assert (one - other).norm() < 1e-9 * one.norm()


def test_one_mask_over_all_is_the_plain_objective(network):
    content, style, image = noise(64, 64, 1), noise(64, 64, 3), noise(64, 64, 2)
    whole = torch.ones_like(content[:, :1])
    for styles, weights in (([style], None), ([style, noise(64, 80, 4)], None), ([style, noise(64, 80, 4)], [0.7, 0.2])):
        guided = regions.GuidedObjective(network, content, styles, [whole], style_weights=weights)(image)
        plain = Objective(network, content, styles, style_weights=weights)(image)
        torch.testing.assert_close(guided.total, plain.total)


@pytest.mark.parametrize("height, width, tile", [(50, 140, 64), (75, 101, 48)])
def test_tiles_give_the_same_with_masks(network, height, width, tile):
    content, image = noise(height, width, 1), noise(height, width, 2)
    options = network, content, [noise(64, 64, 3), noise(64, 90, 4)], [half(height, width), 1 - noise(height, width, 5, 1)]
    answers = []
    for objective in (regions.GuidedObjective(*options), tiled(regions.GuidedObjective(*options), tile)):
        pixels = image.clone().requires_grad_()
        terms = objective(pixels)
        terms.total.backward()
        answers.append((terms, pixels.grad))
    (whole, gradient), (parts, found) = answers
    torch.testing.assert_close(parts.total, whole.total, rtol=1e-9, atol=0)
    assert (gradient - found).norm() < 1e-9 * gradient.norm() and gradient.norm() > 0
    assert parts.by_layer["style"].keys() == whole.by_layer["style"].keys()


def test_a_plan_reckons_with_a_copy_of_the_style_layers_for_each_region(network):
    content, styles = noise(64, 64, 1), [noise(64, 64, 3)] * 2
    plain = memory.bytes_per_pixel(Objective(network, content, styles))
    guided = memory.bytes_per_pixel(regions.GuidedObjective(network, content, styles, [half(64, 64), 1 - half(64, 64)]))
    layers = sum(act[0, :, 0, 0].numel() * act[0, 0].numel() * 8 / 64**2 for act in network(content, STYLES).values())
    assert guided[0] - plain[0] == pytest.approx(2 * layers) and guided[1] == plain[1]


def test_a_region_too_small_for_a_layer_leaves_it_out_and_says_so(network):
    content, small = noise(64, 64, 1), torch.zeros(1, 1, 64, 64).double()
    small[..., :20, :20] = 1                                       # 6 positions of relu4_1, 1.6 of relu5_1
    objective = regions.GuidedObjective(network, content, noise(64, 64, 3), [small])
    with pytest.warns(UserWarning, match=r"at 64×64 px region 1, 9\.8% of the picture, covers fewer than 4 positions of relu5_1, which is left out"):
        style = [one for one in objective.terms if one.term.kind == "style"]
    assert [one.term.layer for one in style] == STYLES[:-1]
    assert sum(one.share for one in style) == pytest.approx(small.mean().item())       # the others took over its weight
    tiny = torch.zeros_like(small)
    tiny[..., 0, 0] = 1
    with pytest.raises(ValueError, match="too small for every layer"):
        regions.GuidedObjective(network, content, noise(64, 64, 3), [tiny]).terms
    large = regions.GuidedObjective(network, content, noise(64, 64, 3), [half(64, 64)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(large.terms) == 2 + 5 + 2


@pytest.mark.parametrize("masks, message", [
    ([half(64, 64)] * 3, "3 masks and 2 styles: give one mask for each style, or one for all"),
    ([half(64, 64), half(32, 32)], r"mask 2 is \[1, 1, 32, 32\]; for this photograph \[1, 1, 64, 64\] is wanted"),
    ([half(64, 64), 0 * half(64, 64)], "mask 2 is empty"),
])
def test_masks_that_do_not_fit_are_refused(network, masks, message):
    with pytest.raises(ValueError, match=message):
        regions.GuidedObjective(network, noise(64, 64), [noise(64, 64), noise(64, 64)], masks)


def test_style_error_in_a_region(network):
    picture, style = noise(64, 128, 1), noise(64, 64, 2)
    whole = torch.ones(1, 1, 64, 128).double()
    assert regions.style_error_in(whole, picture, style, network) == pytest.approx(nst.style_error(picture, style, network))
    both = torch.cat([style, 0 * style], dim=3)                   # the style on the left, nothing on the right
    left = regions.style_error_in(half(64, 128), both, style, network)
    assert left < 0.5 * nst.style_error(both, style, network) and left < 0.5 * regions.style_error_in(1 - half(64, 128), both, style, network)


# --- masks -----------------------------------------------------------------------------------------------------------

def test_rectangles_and_ellipses_have_their_area():
    box = regions.rectangle((0.25, 0.1, 0.75, 0.65), (40, 60))
    assert box.shape == (1, 1, 40, 60) and box.sum().item() == pytest.approx(0.5 * 60 * 0.55 * 40, rel=1e-4)
    assert box[0, 0, 10, 30] == 1 and box[0, 0, 10, 5] == 0
    egg = regions.ellipse((0.1, 0.2, 0.9, 0.8), (400, 300))
    assert egg.mean().item() == pytest.approx(np.pi / 4 * 0.8 * 0.6, rel=0.01)


def test_resized_keeps_the_area_and_one_stays_one():
    mask = noise(64, 96, 1, 1)
    assert regions.resized(mask, (32, 24)).mean().item() == pytest.approx(mask.mean().item())
    for shape in ((32, 48), (100, 200), (30, 200)):
        assert torch.equal(regions.resized(torch.ones(1, 1, 64, 96), shape), torch.ones(1, 1, *shape))


def test_a_feather_begins_inside_and_ends_at_one():
    mask = torch.zeros(1, 1, 40, 40)
    mask[..., 8:32, 8:] = 1
    soft = regions.feathered(mask, 4)
    assert (soft[mask == 0] == 0).all() and (soft <= mask).all()
    column = soft[0, 0, 20, 8:14]
    ramp = torch.arange(1, 6) / 5
    torch.testing.assert_close(column[:5], ramp**2 * (3 - 2 * ramp))
    assert soft[0, 0, 20, 39] == 1                                 # the picture's own rim is no border
    assert torch.equal(regions.feathered(mask, 0), mask)


def test_a_composite_keeps_the_outside_to_the_last_bit():
    painted, photo, mask = torch.rand(1, 3, 20, 30), torch.rand(1, 3, 20, 30), torch.rand(1, 1, 20, 30)
    mask[..., :10], mask[..., 20:] = 0, 1
    out = regions.composite(painted, photo, mask)
    assert torch.equal(out[..., :10], photo[..., :10]) and torch.equal(out[..., 20:], painted[..., 20:])
    assert ((out >= torch.minimum(painted, photo) - 1e-6) & (out <= torch.maximum(painted, photo) + 1e-6)).all()


def test_files_recipes_and_texts_are_read(tmp_path):
    shape = (40, 60)
    disc = regions.ellipse((0.2, 0.2, 0.8, 0.8), shape)
    nst.save_image(disc.expand(1, 3, *shape), tmp_path / "disc.png")
    text = regions.as_text(disc)
    assert text.startswith("data:image/png;base64,") and len(text) < 1000
    for source in (str(tmp_path / "disc.png"), text):
        assert torch.equal(regions.read_mask(source, None, shape), disc)
        assert torch.equal(regions.read_mask(f"not {source}", None, shape), 1 - disc)
    assert torch.equal(regions.read_mask("rectangle:0,0,0.5,1", None, shape), half(*shape).float())
    assert regions.read_mask(text, None, (20, 30)).shape == (1, 1, 20, 30)
    left, rest, both = regions.read_masks(["rectangle:0,0,0.5,1", "rest", "ellipse:0,0,1,1"], None, shape)
    assert torch.equal(rest, 1 - torch.maximum(left, both))


@pytest.mark.parametrize("text, message", [
    ("nowhere.png", "mask 'nowhere.png': no file of this name, and no recipe; recipes: rectangle, .*, background, rest"),
    ("rectangel:0,0,1,1", "did you mean 'rectangle'"), ("backgruond", "did you mean 'background'"), ("rectangle:0,0,1", "left,top,right,bottom"), ("rectangle:0.5,0,0.2,1", "is empty; give"),
    ("rectangle:10,10,90,90", "lies outside of the picture; its sides are shares"), ("ellipse:-2,0,-1,1", "lies outside of the picture"), ("rectangle:0,0,inf,1", "a box is written"), ("ellipse:0,nan,1,1", "a box is written"),
    ("subject:0,0,2,1", "makes no sense; give left,top,right,bottom"), ("subject:0,0,1,1", "leaves no background"),
    ("cluster:4/3", "N/K"), ("cluster:x", "N/K"), ("rest", "no other"), ("not rectangle:0,0,1,1", "has no pixel to paint"),
    ("data:image/png;base64,!!", "no PNG as base64"), ("slim.png", "is 60×20 px and the photograph 50×50"),
])
def test_a_mask_that_makes_no_sense_is_told_in_one_line(text, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    nst.save_image(torch.rand(1, 3, 20, 60), "slim.png")
    with pytest.raises(ValueError, match=message) as caught:
        regions.read_masks([text], torch.rand(1, 3, 50, 50), (50, 50))
    assert "\n" not in str(caught.value)


# --- GrabCut, clusters, networks -------------------------------------------------------------------------------------

def ball(height=80, width=100):
    """A red ball before a blue, rough wall, and where it is."""
    inside = regions.ellipse((0.3, 0.25, 0.7, 0.75), (height, width))
    wall = torch.tensor([0.2, 0.3, 0.8]).view(1, 3, 1, 1) + 0.1 * noise(height, width, 1).float()
    red = torch.tensor([0.8, 0.2, 0.1]).view(1, 3, 1, 1) + 0.1 * noise(height, width, 2).float()
    return inside * red + (1 - inside) * wall, inside


def test_grab_cut_finds_a_ball_and_always_the_same():
    photo, inside = ball()
    found = regions.grab_cut(photo, (0.2, 0.15, 0.8, 0.85))
    assert (found - inside).abs().mean() < 0.005 and set(found.unique().tolist()) == {0, 1}
    assert torch.equal(found, regions.grab_cut(photo, (0.2, 0.15, 0.8, 0.85)))
    assert torch.equal(regions.read_mask("background", photo, (80, 100)), 1 - regions.read_mask("subject", photo, (80, 100)))
    assert (regions.read_mask("subject", photo, (80, 100)) - inside).abs().mean() < 0.03


def test_crumbs_are_swept_away():
    mask = torch.zeros(1, 1, 50, 50)
    mask[..., 10:40, 10:40] = 1
    clean = mask.clone()
    mask[..., 20:22, 20:22], mask[..., 2, 2] = 0, 1
    assert torch.equal(regions.tidy(mask), clean)
    assert torch.equal(regions.tidy(torch.zeros(1, 1, 9, 9)), torch.zeros(1, 1, 9, 9))
    lonely = torch.zeros(1, 1, 50, 50)
    lonely[..., 25, 25] = 1
    assert torch.equal(regions.tidy(lonely), lonely)


def test_k_means_finds_clouds_and_stays_where_no_round_improves_it():
    clouds = [torch.randn(50, 4, generator=torch.Generator().manual_seed(k)) * 0.1 + 3 * k for k in range(3)]
    points = torch.cat(clouds)
    labels, centers = regions.kmeans(points, 3)
    assert [len(set(labels[50 * k:50 * k + 50].tolist())) for k in range(3)] == [1, 1, 1] and len(labels.unique()) == 3
    for k in range(3):
        torch.testing.assert_close(centers[labels[50 * k]], clouds[k].mean(dim=0))
    assert torch.equal(regions.kmeans(points, 3)[1], centers)
    from scipy.cluster.vq import kmeans2
    theirs, _ = kmeans2(points.numpy(), centers.numpy() + 0.05, minit="matrix")
    np.testing.assert_allclose(np.sort(theirs, axis=0), np.sort(centers.numpy(), axis=0), rtol=1e-4, atol=1e-5)
    assert torch.equal(regions.kmeans(points[:1].expand(5, 4), 3)[0], torch.zeros(5, dtype=torch.long))      # all alike
    for k in (0, 151):
        with pytest.raises(ValueError, match=f"k={k}"):
            regions.kmeans(points, k)


def test_clusters_of_features_tell_ball_from_wall():
    photo, inside = ball(96, 128)
    masks = regions.feature_clusters(Features("tiny"), photo, 2)
    assert torch.equal(sum(masks), torch.ones(1, 1, 96, 128)) and masks[0].sum() >= masks[1].sum()
    assert (masks[1] - inside).abs().mean() < 0.12
    again = regions.read_mask("cluster:2/2", photo, (96, 128))
    assert (again - inside).abs().mean() < 0.12


class Segmenter(nn.Module):
    """A person where the picture is red."""

    def forward(self, image):
        scores = torch.zeros(1, 21, *image.shape[2:])
        scores[:, 15] = image[:, 0] - image[:, 2]
        return {"out": scores}


class Detector(nn.Module):
    def __init__(self, score=0.9):
        super().__init__()
        self.score = score

    def forward(self, images):
        height, width = images[0].shape[1:]
        boxes = torch.tensor([[0.0, 0, 1, 1], [0.2, 0.15, 0.8, 0.85]]) * torch.tensor([width, height, width, height])
        return [{"boxes": boxes, "labels": torch.tensor([3, 1]), "scores": torch.tensor([0.99, self.score])}]


def test_segmentation_and_detection_with_small_stand_ins(monkeypatch):
    photo, inside = ball()
    assert (regions.segment(photo, "person", Segmenter()) - inside).abs().mean() < 0.02
    assert (regions.detect(photo, "person", Detector()) - inside).abs().mean() < 0.005
    assert torch.equal(regions.detect(photo, "car", Detector()), torch.ones(1, 1, 80, 100))
    for find, fake in ((regions.segment, Segmenter()), (regions.detect, Detector(0.3))):
        with pytest.raises(ValueError, match="no (cat|person) was found"):
            find(photo, "cat" if find is regions.segment else "person", fake)
        with pytest.raises(ValueError, match="knows no 'unicorn'; it knows .*cat"):
            find(photo, "unicorn", fake)
    monkeypatch.setattr(networks, "_network", lambda name, version: Segmenter() if "deeplab" in name else Detector())
    for recipe in ("segment:person", "detect:person"):
        assert (regions.read_mask(recipe, photo, (80, 100)) - inside).abs().mean() < 0.03


def test_torchvisions_networks_are_built_from_their_weights(monkeypatch):
    from torchvision import models
    torch.manual_seed(0)
    state = models.get_model(networks.SEGMENTER[0], weights=None, weights_backbone=None, aux_loss=True).state_dict()
    monkeypatch.setattr(loading, "torchvision_weights", lambda *_: state)
    network = networks._network(*networks.SEGMENTER)
    assert not network.training and network(torch.rand(1, 3, 64, 64))["out"].shape == (1, 21, 64, 64)


def test_without_weights_one_line_says_what_works_instead(monkeypatch, tmp_path):
    def offline(*_, **__):
        raise OSError("no route")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    for recipe in ("segment:cat", "detect:cat"):
        with pytest.raises(loading.WeightsError, match=r"no network, and no file .*\.pth.*'subject', 'background' and 'cluster' need no weights"):
            regions.read_masks([recipe], torch.rand(1, 3, 40, 40), (40, 40))


# --- painting --------------------------------------------------------------------------------------------------------

LEFT = "rectangle:0,0,0.5,1"


@pytest.fixture
def pictures():
    return nst.load_image("coffee", size=64), nst.load_image("mosaic", size=64), nst.load_image("waves", size=64)


def test_outside_nothing_changes_and_inside_something_does(pictures):
    photo, style, _ = pictures
    picture = stylize(photo, style, masks=[LEFT], untouched=True, **QUICK)
    assert torch.equal(picture[..., 32:], photo[..., 32:]) and (picture - photo)[..., :28].abs().mean() > 0.01
    touched = stylize(photo, style, masks=[LEFT], **QUICK)
    assert not torch.equal(touched[..., 32:], photo[..., 32:])


@pytest.mark.filterwarnings("ignore:.*covers fewer than")
def test_the_untouched_photograph_keeps_its_own_size(pictures, tmp_path):
    photo, style, _ = pictures
    large = nst.load_image("coffee", size=150)
    nst.save_image(large, tmp_path / "large.png")
    file = nst.load_image(tmp_path / "large.png")
    for source in (file, str(tmp_path / "large.png")):
        picture = stylize(source, style, size=48, masks=[LEFT], untouched=True, feather=0, **QUICK)
        assert picture.shape == file.shape and torch.equal(picture[..., 75:], file[..., 75:])
        assert (picture - file)[..., :75].abs().mean() > 0.01


def test_each_region_comes_nearer_to_its_own_style(pictures):
    photo, one, other = pictures
    network, options = Features("tiny"), {"steps": 20, "levels": 1, "alpha": 0.01}
    left = regions.rectangle((0, 0, 0.5, 1), photo.shape[2:])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")                            # 64 px: relu5_1 has few positions
        guided = stylize(photo, [one, other], masks=[LEFT, "rest"], **options)
        error = lambda picture, mask, style: regions.style_error_in(mask, picture, style, network)
        mixed = stylize(photo, [one, other], **options)
        assert error(guided, left, one) < 0.6 * error(mixed, left, one)
        assert error(guided, 1 - left, other) < 0.6 * error(mixed, 1 - left, other)


def test_tiles_and_levels_paint_with_masks(pictures):
    photo, style, other = pictures
    settings = {"masks": [LEFT, "rest"], "backbone": "random", "steps": 3, "levels": 1}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        whole, parts = (stylize(photo, [style, other], tile=tile, **settings) for tile in (None, 32))
        assert (whole - parts).abs().max() < 1e-3
        assert stylize(photo, [style, other], **settings | {"levels": 2, "steps": 4}).shape == photo.shape


@pytest.mark.filterwarnings("ignore:.*covers fewer than")
def test_a_resumed_run_with_masks_ends_at_the_same_picture(pictures):
    photo, style, _ = pictures
    settings = Settings(masks=["background"], untouched=True, **QUICK | {"steps": 8})
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    steps = list(paint(photo, style, settings))
    for number, step in enumerate(paint(photo, style, settings)):
        if number == 2:
            state = step.state()
            break
    *_, resumed = paint(photo, style, settings, state=state)
    torch.set_num_threads(before)
    assert torch.equal(finish(resumed.image, photo, settings), finish(steps[-1].image, photo, settings))


@pytest.mark.parametrize("options, message", [
    ({"untouched": True}, "untouched=True wants masks"), ({"masks": [LEFT], "statistic": "sliced"}, "with the statistic 'sliced' leave them out"),
    ({"masks": [LEFT, "rest", LEFT]}, "3 masks and 1 style:"), ({"masks": ["nowhere.png"]}, "mask 'nowhere.png': no file"),
])
def test_settings_that_do_not_go_together(pictures, options, message):
    with pytest.raises(ValueError, match=message):
        stylize(*pictures[:2], **QUICK | options)


# --- the command line ------------------------------------------------------------------------------------------------

@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    nst.save_image(nst.load_image("coffee", size=100), "photo.png")
    nst.save_image(nst.load_image("mosaic", size=64), "style.png")
    nst.save_image(regions.rectangle((0.4, 0, 1, 1), (67, 100)).expand(1, 3, 67, 100), "mask.png")
    return tmp_path


SHORT = ["--size", "64", "--steps", "4", "--backbone", "random", "--levels", "1"]


def test_the_command_keeps_the_outside_of_the_file_to_the_pixel(folder):
    arguments = ["stylize", "photo.png", "style.png", "-o", "out.png", "--mask", "mask.png", "--untouched", "--feather", "0.02", *SHORT]
    assert cli.main(arguments) == 0
    before, after = (np.asarray(Image.open(name)).astype(int) for name in ("photo.png", "out.png"))
    assert before.shape == after.shape and (before[:, :40] == after[:, :40]).all() and (before[:, 45:] != after[:, 45:]).mean() > 0.5
    settings = nst.images.read_settings("out.png")
    assert (settings["masks"], settings["untouched"], settings["feather"]) == (["mask.png"], True, 0.02)
    again = stylize(settings["content"], settings["style"], **settings)
    assert (np.asarray(nst.images.to_pil(again)).astype(int) == after).mean() > 0.99


def test_the_command_gives_each_style_its_mask_and_tells_of_small_regions(folder, capsys):
    arguments = ["stylize", "photo.png", "style.png", "photo.png", "-o", "out.png", "--mask", "rectangle:0,0,0.3,0.3", "--mask", "rest", *SHORT]
    assert cli.main([*arguments, "--quiet"]) == 0
    assert re.fullmatch(r"nst-lessons: at 64×43 px region 1, \S+ of the picture, covers fewer than 4 positions of relu\S+( relu5_1)?, "
                        r"which (is|are) left out for it\n", capsys.readouterr().err)
    assert nst.images.read_settings("out.png")["masks"] == ["rectangle:0,0,0.3,0.3", "rest"]


@pytest.mark.parametrize("words, message", [
    (["--mask", "nowhere.png"], "mask 'nowhere.png': no file of this name"), (["--untouched"], "untouched=True wants masks"),
    (["--mask", "mask.png", "--mask", "rest"], "2 masks and 1 style:"), (["--mask", "mask.png", "-o", "mask.png"], "is one of the pictures to paint from"),
    (["--mask", "mask.png", "--statistic", "sliced"], "leave them out"), (["--mask", "mask.png", "--feather", "2"], "feather=2.0"),
    (["--mask", "mask.png", "--feather", "0.02"], "add --untouched"), (["--feather", "0.01"], "add --untouched"),
])
def test_a_bad_command_gets_one_line_and_leaves_nothing(folder, words, message, capsys):
    assert cli.main(["stylize", "photo.png", "style.png", "-o", "out.png", *words, *SHORT]) == 2
    told = capsys.readouterr().err
    assert message in told and told.count("\n") == 1 and not (folder / "out.png").exists()


def test_a_feather_goes_with_a_grid_of_untouched_or_not(folder):
    arguments = ["sweep", "photo.png", "style.png", "-o", "sheet.png", "--mask", "rectangle:0,0,0.5,1", "--feather", "0.1", *SHORT, "--quiet"]
    assert cli.main([*arguments, "--grid", "untouched=true,false"]) == 0
    assert cli.main([*arguments, "--grid", "alpha=0.1,0.2"]) == 2


def test_a_sweep_takes_masks_and_tells_two_masks_of_one_name_apart(tmp_path):
    photo, cells = nst.load_image("coffee", size=64), []
    for left in (True, False):
        mask = half(43, 64).float() if left else 1 - half(43, 64).float()
        nst.save_image(mask.expand(1, 3, 43, 64), tmp_path / "mask.png")
        result = nst.sweep(photo, nst.load_image("mosaic", size=64), {"alpha": [0.05, 0.3]}, tmp_path / "cells", 1, False,
                           masks=[str(tmp_path / "mask.png")], untouched=True, **QUICK)
        cells.append(result.cells)
        for cell in result.cells:
            outside = cell.picture[..., 32:] if left else cell.picture[..., :32]
            assert (outside - (photo[..., 32:] if left else photo[..., :32])).abs().max() <= 0.5 / 255 + 1e-6      # a PNG's rounding
    assert len({cell.key for each in cells for cell in each}) == 4
