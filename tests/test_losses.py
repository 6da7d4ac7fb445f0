"""Lesson 04: the losses against loops, closed-form gradients and finite differences; Objective against re-statements."""
import pytest
import torch
from torch import nn

import nst_lessons as nst
from nst_lessons import Objective, content_loss, gram_matrix, style_error, style_loss, tv_loss
from nst_lessons.losses import ContentTerm, RangeTerm, StyleTerm, TVTerm, Weighted

CONTENT, STYLE = {"relu2": 1.0}, {"conv1": 0.7, "relu2": 0.3}              # of the toy network below


def _random(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def _picture(*shape, seed=0):
    """Random pixels in [0, 1]."""
    return torch.rand(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


class _Toy(nn.Module):
    """Two convolutions of 4 and 5 channels: small enough for loops."""
    layers = ["conv1", "relu1", "conv2", "relu2"]

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2, self.calls = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 5, 3, padding=1), 0
        for i, parameter in enumerate(self.parameters()):
            nn.init.normal_(parameter, std=0.5, generator=torch.Generator().manual_seed(i))

    def forward(self, image, wanted):
        self.calls += 1
        conv1 = self.conv1(image)
        conv2 = self.conv2(nn.functional.avg_pool2d(conv1.relu(), 2))
        acts = {"conv1": conv1, "relu1": conv1.relu(), "conv2": conv2, "relu2": conv2.relu()}
        return {layer: acts[layer] for layer in wanted}


@pytest.fixture
def toy(monkeypatch):
    monkeypatch.setitem(nst.features._BUILDERS, "toy", lambda weights, pooling: _Toy())
    return nst.Features("toy", device="cpu").double()


@pytest.fixture(scope="module")
def network():
    """An untrained network with VGG's layer names, in float64."""
    return nst.Features("random", device="cpu").double()


def _loss(features, content, style, **options):
    return Objective(features, content, style, content_layers=CONTENT, style_layers=STYLE, **options)


# --- content_loss ----------------------------------------------------------------------------------------------------

def test_content_loss_equals_the_loop():
    act, target = _random(2, 3, 4, 5), _random(2, 3, 4, 5, seed=1)
    expected = [0.5 * sum((act[b, c, y, x] - target[b, c, y, x]) ** 2 for c in range(3) for y in range(4) for x in range(5))
                for b in range(2)]
    torch.testing.assert_close(content_loss(act, target), torch.stack(expected))


def test_content_loss_of_known_numbers():
    assert content_loss(torch.full((1, 2, 3, 3), 3.0), torch.ones(1, 2, 3, 3)).tolist() == [0.5 * 18 * 4]
    assert content_loss(torch.ones(1, 2, 3, 3), torch.ones(1, 2, 3, 3)).tolist() == [0]


def test_content_gradient_is_equation_2():
    """∂L/∂F = F − P where F > 0, else 0: the mask is that of the ReLU whose output F is."""
    before, target = _random(1, 3, 4, 5).requires_grad_(), _random(1, 3, 4, 5, seed=1).relu()
    content_loss(before.relu(), target).sum().backward()
    act = before.detach().relu()
    torch.testing.assert_close(before.grad, (act - target) * (act > 0))
    assert 0 < (before.grad == 0).sum() < before.numel()


def test_one_target_serves_a_batch():
    act, target = _random(3, 3, 4, 5), _random(1, 3, 4, 5, seed=1)
    torch.testing.assert_close(content_loss(act, target), content_loss(act, target.expand(3, -1, -1, -1)))


@pytest.mark.parametrize("shape", [(1, 3, 4, 6), (1, 2, 4, 5), (1, 3, 1, 1), (3, 3, 4, 5)])
def test_a_target_of_another_size_is_refused(shape):
    with pytest.raises(ValueError, match="differ in size; resize the content picture"):
        content_loss(_random(2, 3, 4, 5), _random(*shape))


# --- style_loss ------------------------------------------------------------------------------------------------------

def test_style_loss_at_equal_sizes_is_equation_4_by_loops():
    act, style = _random(2, 3, 4, 5), _random(1, 3, 4, 5, seed=1)
    channels, positions = 3, 20
    flat, flat_style = act.flatten(2), style.flatten(2)[0]
    for b in range(2):
        total = 0
        for i in range(channels):
            for j in range(channels):
                mine = sum(flat[b, i, k] * flat[b, j, k] for k in range(positions))
                theirs = sum(flat_style[i, k] * flat_style[j, k] for k in range(positions))
                total = total + (mine - theirs) ** 2
        torch.testing.assert_close(style_loss(act, gram_matrix(style))[b], total / (4 * channels**2 * positions**2))


def test_style_gradient_is_equation_6():
    """∂E/∂F = 1/(N² M²) Fᵀ (G − A), transposed, where F > 0, else 0."""
    before, style = _random(1, 3, 4, 5).requires_grad_(), _random(1, 3, 4, 5, seed=1).relu()
    style_loss(before.relu(), gram_matrix(style)).sum().backward()
    act = before.detach().relu()
    flat, difference = act[0].flatten(1), (gram_matrix(act, "none") - gram_matrix(style, "none"))[0]
    expected = (flat.T @ difference).T / (3**2 * 20**2) * (flat > 0)
    torch.testing.assert_close(before.grad[0].flatten(1), expected)


def test_a_tiled_style_of_another_size_is_a_perfect_match():
    act = _random(1, 4, 3, 5)
    assert style_loss(act.tile(1, 1, 3, 2), gram_matrix(act)).item() < 1e-24
    assert style_loss(act.tile(1, 1, 3, 2) * 1.1, gram_matrix(act)).item() > 1e-3


def test_style_loss_is_blind_to_the_order_of_positions():
    act, target = _random(1, 4, 6, 5), gram_matrix(_random(1, 4, 3, 3, seed=1))
    shuffled = act.flatten(2)[:, :, torch.randperm(30, generator=torch.Generator().manual_seed(1))].reshape(1, 4, 5, 6)
    torch.testing.assert_close(style_loss(shuffled, target), style_loss(act, target))


@pytest.mark.parametrize("shape", [(1, 3, 5, 5), (1, 4, 4, 4), (1, 3, 3), (4, 4)])
def test_a_target_that_is_no_gram_matrix_is_refused(shape):
    with pytest.raises(ValueError, match=r"wants target_gram \[1 or B, 4, 4\], the gram_matrix of a style's activations; got"):
        style_loss(_random(1, 4, 5, 5), _random(*shape))


# --- tv_loss ---------------------------------------------------------------------------------------------------------

def test_total_variation_of_a_checkerboard():
    board = torch.tensor([[(x + y) % 2 for x in range(7)] for y in range(5)], dtype=torch.float64).expand(2, 3, 5, 7)
    assert tv_loss(board).tolist() == [3 * (5 * 6 + 4 * 7)] * 2           # every pair of neighbors differs by one
    assert tv_loss(torch.full((1, 3, 5, 7), 0.3)).tolist() == [0]


def test_total_variation_of_a_ramp_counts_one_direction():
    ramp = torch.arange(7.0).expand(1, 1, 5, 7)
    assert tv_loss(2 * ramp).item() == 4 * 5 * 6 and tv_loss(3 * ramp.transpose(2, 3)).item() == 9 * 5 * 6


def test_total_variation_equals_the_loop():
    image, expected = _random(1, 2, 4, 3), 0
    for c in range(2):
        for y in range(4):
            for x in range(3):
                expected += (image[0, c, y, x + 1] - image[0, c, y, x]) ** 2 if x < 2 else 0
                expected += (image[0, c, y + 1, x] - image[0, c, y, x]) ** 2 if y < 3 else 0
    torch.testing.assert_close(tv_loss(image)[0], expected)


def test_total_variation_of_one_pixel_is_zero():
    assert tv_loss(torch.ones(1, 3, 1, 1)).tolist() == [0]


def test_finite_differences_agree():
    act, target = _random(2, 3, 3, 4).requires_grad_(), _random(1, 3, 3, 4, seed=1)
    for function in (lambda x: content_loss(x, target), lambda x: style_loss(x, gram_matrix(target)), tv_loss):
        assert torch.autograd.gradcheck(function, (act,))


# --- Objective: the three scalings -----------------------------------------------------------------------------------

def test_gatys_is_the_plain_formulas(toy):
    content, style, image = _picture(1, 3, 8, 6), _picture(1, 3, 10, 12, seed=1), _picture(1, 3, 8, 6, seed=2)
    terms = _loss(toy, content, style, scaling="gatys", alpha=2.0, beta=3.0, gamma=5.0)(image)
    mine, photo, painting = (toy(picture, toy.layers) for picture in (image, content, style))
    expected_content = content_loss(mine["relu2"], photo["relu2"])
    expected_style = sum(weight * style_loss(mine[layer], gram_matrix(painting[layer])) for layer, weight in STYLE.items())
    torch.testing.assert_close(terms.content, expected_content)
    torch.testing.assert_close(terms.style, expected_style)
    torch.testing.assert_close(terms.tv, tv_loss(image))
    torch.testing.assert_close(terms.total, (2 * expected_content + 3 * expected_style + 5 * tv_loss(image))[0])


def test_relative_is_shares_of_the_targets(toy):
    content, style, image = _picture(1, 3, 8, 6), _picture(1, 3, 10, 12, seed=1), _picture(1, 3, 8, 6, seed=2)
    terms = _loss(toy, content, style)(image)
    mine, photo, painting = (toy(picture, toy.layers) for picture in (image, content, style))
    expected = ((mine["relu2"] - photo["relu2"]) ** 2).sum() / (photo["relu2"] ** 2).sum()
    torch.testing.assert_close(terms.content[0], expected)
    for layer, weight in STYLE.items():
        flat, other = mine[layer].flatten(2), painting[layer].flatten(2)
        gram, target = flat @ flat.mT / flat.shape[2], other @ other.mT / other.shape[2]
        torch.testing.assert_close(terms.by_layer["style"][layer][0], weight * ((gram - target) ** 2).sum() / (target**2).sum())
    torch.testing.assert_close(terms.tv[0], tv_loss(image)[0] / (3 * 8 * 6))
    torch.testing.assert_close(terms.total, 0.03 * terms.content[0] + terms.style[0] + 0.15 * terms.tv[0])     # its defaults


def test_relative_means_the_same_for_any_network():
    """An all-black answer costs exactly one, however strong the activations and however many channels."""
    for channels, gain in ((3, 1.0), (64, 1e3), (16, 1e-3)):
        target = gain * _random(1, channels, 4, 5)
        for term in (ContentTerm("layer", target), StyleTerm("layer", target)):
            loss = term.loss(term.measure({"layer": torch.zeros_like(target)}, None))
            torch.testing.assert_close(loss, torch.ones(1, dtype=torch.float64))


def _article_program(features, content, style, image):
    """The article's program in one function: MSE of activations and of Grams over a·b·c·d, 1e5 · content + 1e10 · style."""
    def gram(tensor):
        a, b, c, d = tensor.size()
        rows = tensor.view(a * b, c * d)
        return torch.mm(rows, rows.t()).div(a * b * c * d)
    mse, weights = nn.MSELoss(), {"conv1_1": 1.0, "conv2_1": 0.8, "conv3_1": 0.6, "conv4_1": 0.4}
    mine, painting = features(image, ["conv4_2", *weights]), features(style, list(weights))
    content_part = mse(mine["conv4_2"], features(content, ["conv4_2"])["conv4_2"])
    style_part = sum(weight * mse(gram(mine[layer]), gram(painting[layer])) for layer, weight in weights.items())
    return 1e5 * content_part + 1e10 * style_part


@pytest.mark.parametrize("style_size", [(32, 40), (48, 32)])
def test_article_is_the_articles_program(network, style_size):
    content, style, image = _picture(1, 3, 32, 40), _picture(1, 3, *style_size, seed=1), _picture(1, 3, 32, 40, seed=2)
    image.requires_grad_()
    objective = Objective(network, content, style, scaling="article")
    assert objective.layers == ["conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv4_2"]
    total, expected = objective(image).total, _article_program(network, content, style, image)
    torch.testing.assert_close(total, expected)
    torch.testing.assert_close(*(torch.autograd.grad(loss, image)[0] for loss in (total, expected)))


# --- Objective: bookkeeping ------------------------------------------------------------------------------------------

@pytest.mark.parametrize("scaling", ["relative", "gatys", "article"])
def test_the_parts_add_up(toy, scaling):
    content, style, image = _picture(1, 3, 8, 6), _picture(1, 3, 10, 12, seed=1), 3 * _random(2, 3, 8, 6, seed=2)
    terms = _loss(toy, content, style, scaling=scaling, alpha=0.3, beta=20.0, gamma=0.7)(image)
    assert terms.total.ndim == 0 and all(part.shape == (2,) for part in (terms.content, terms.style, terms.tv, terms.range))
    total = 0.3 * terms.content.sum() + 20 * terms.style.sum() + 0.7 * terms.tv.sum() + 0.5 * terms.range.sum()
    torch.testing.assert_close(terms.total, total)
    assert set(terms.by_layer["style"]) == set(STYLE) and set(terms.by_layer["content"]) == set(CONTENT)
    for kind in ("content", "style", "tv", "range"):
        assert (getattr(terms, kind) > 0).all()
        torch.testing.assert_close(torch.stack(list(terms.by_layer[kind].values())).sum(0), getattr(terms, kind))
    floats = terms.floats()
    assert floats["total"] == pytest.approx(terms.total.item()) and floats["style"] == pytest.approx(terms.style.mean().item())


@pytest.mark.parametrize("scaling", ["relative", "gatys", "article"])
def test_the_gradient_is_right_by_finite_differences(toy, scaling):
    """Inside [0, 1] and outside, for a batch."""
    objective = _loss(toy, _picture(1, 3, 6, 4), _picture(1, 3, 8, 6, seed=1), scaling=scaling, alpha=1, beta=1, gamma=0.1)
    image = (0.5 + 0.5 * _random(2, 3, 6, 4, seed=2)).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: objective(x).total, (image,))


def test_the_gradient_through_a_deep_network(network):
    objective = Objective(network, _picture(1, 3, 32, 32), _picture(1, 3, 32, 48, seed=1))
    image, direction = _picture(1, 3, 32, 32, seed=2).requires_grad_(), _random(1, 3, 32, 32, seed=3)
    slope = (torch.autograd.grad(objective(image).total, image)[0] * direction).sum().item()
    step = 1e-6 * direction
    measured = (objective(image.detach() + step).total - objective(image.detach() - step).total).item() / 2e-6
    assert slope == pytest.approx(measured, rel=1e-5)


def test_a_batch_equals_one_by_one(toy):
    style, images = _picture(1, 3, 10, 12, seed=1), _picture(3, 3, 8, 6, seed=2).requires_grad_()
    for contents in (_picture(1, 3, 8, 6), _picture(3, 3, 8, 6, seed=5)):           # one photograph, or one each
        together = _loss(toy, contents, style)(images)
        single = [_loss(toy, contents[i:i + 1] if len(contents) > 1 else contents, style)(images[i:i + 1]) for i in range(3)]
        torch.testing.assert_close(together.total, sum(terms.total for terms in single))
        for kind in ("content", "style", "tv", "range"):
            torch.testing.assert_close(getattr(together, kind), torch.cat([getattr(terms, kind) for terms in single]))
        torch.testing.assert_close(torch.autograd.grad(together.total, images)[0],
                                   torch.autograd.grad(sum(terms.total for terms in single), images)[0])


def test_several_styles_are_the_weighted_sum(toy):
    content, image = _picture(1, 3, 8, 6), _picture(1, 3, 8, 6, seed=2)
    styles = [_picture(1, 3, 10, 12, seed=3), _picture(1, 3, 7, 5, seed=4) ** 3]
    alone = [_loss(toy, content, style)(image).style for style in styles]
    assert abs(alone[0] - alone[1]) > 0.01
    mixed = _loss(toy, content, styles, style_weights=[0.9, 0.4])(image)
    torch.testing.assert_close(mixed.style, 0.9 * alone[0] + 0.4 * alone[1])
    torch.testing.assert_close(_loss(toy, content, styles)(image).style, (alone[0] + alone[1]) / 2)


def test_layers_given_as_a_list_or_one_name_share_equal_weights(toy):
    content, style, image = _picture(1, 3, 8, 6), _picture(1, 3, 8, 8, seed=1), _picture(1, 3, 8, 6, seed=2)
    equal = Objective(toy, content, style, content_layers="conv2", style_layers=["relu1", "conv1"])(image)
    same = Objective(toy, content, style, content_layers={"conv2": 1}, style_layers={"conv1": 0.5, "relu1": 0.5})(image)
    torch.testing.assert_close(equal.total, same.total)
    doubled = Objective(toy, content, style, content_layers={"conv2": 2}, style_layers={"conv1": 1, "relu1": 1})(image)
    torch.testing.assert_close(doubled.content, 2 * same.content)
    torch.testing.assert_close(doubled.style, 2 * same.style)


def test_default_layers_are_those_of_the_network(network):
    content, style, image = (_picture(1, 3, 32, 32, seed=i) for i in range(3))
    terms = Objective(network, content, style)(image)
    assert list(terms.by_layer["content"]) == ["relu3_1", "relu4_2"]
    assert list(terms.by_layer["style"]) == ["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"]
    gatys = Objective(network, content, style, scaling="gatys")(image)
    assert list(gatys.by_layer["content"]) == ["relu4_2"]             # as in the paper: one deep layer


def test_alpha_zero_still_reports_the_content(toy):
    content, style, image = _picture(1, 3, 8, 6), _picture(1, 3, 8, 8, seed=1), _picture(1, 3, 8, 6, seed=2).requires_grad_()
    off, on = (_loss(toy, content, style, alpha=alpha, gamma=0.0)(image) for alpha in (0.0, 1.0))
    torch.testing.assert_close(off.content, on.content)
    torch.testing.assert_close(off.total, on.style.sum())
    assert off.content > 0


def test_the_photograph_itself_has_no_content_loss_and_the_painting_no_style_loss(toy):
    photo, painting = _picture(1, 3, 8, 6), _picture(1, 3, 8, 6, seed=1)
    objective = _loss(toy, photo, painting)
    assert objective(photo).content.item() == 0 < objective(photo).style.item()
    assert objective(painting).style.item() < 1e-20 < objective(painting).content.item()


def test_targets_are_computed_once_and_hang_in_no_graph(toy):
    content, style = (_picture(1, 3, 8, 6, seed=i).requires_grad_() for i in range(2))
    objective = _loss(toy, content, style)
    targets = [term.target for _, _, term in objective.terms if hasattr(term, "target")]
    assert len(targets) == 3 and not any(target.requires_grad for target in targets)
    before = toy.backbone.calls
    image = _picture(1, 3, 8, 6, seed=2).requires_grad_()
    objective(image).total.backward()
    assert toy.backbone.calls == before + 1 and image.grad.abs().sum() > 0
    assert content.grad is None and style.grad is None and all(p.grad is None for p in toy.parameters())


def test_the_reported_parts_do_not_keep_the_graph(toy):
    terms = _loss(toy, _picture(1, 3, 8, 6), _picture(1, 3, 8, 6, seed=1))(_picture(1, 3, 8, 6, seed=2).requires_grad_())
    parts = terms.content, terms.style, terms.tv, terms.range
    assert terms.total.requires_grad and not any(part.requires_grad for part in parts)


class _Darkness:
    """A term of someone's own: the mean brightness."""
    kind, layer, layers, whole = "darkness", "image", (), False

    def measure(self, acts, image):
        return {"sum": image.sum(dim=(1, 2, 3)), "values": image[0].numel()}

    def loss(self, sums):
        return sums["sum"] / sums["values"]


def test_a_term_of_ones_own_joins_the_list(toy):
    objective, image = _loss(toy, _picture(1, 3, 8, 6), _picture(1, 3, 8, 6, seed=1)), _picture(2, 3, 8, 6, seed=2)
    before = objective(image)
    objective.terms.append(Weighted(4.0, 0.5, _Darkness()))
    after = objective(image)
    torch.testing.assert_close(after.darkness, 0.5 * image.mean(dim=(1, 2, 3)))
    torch.testing.assert_close(after.total, before.total + 2 * image.mean(dim=(1, 2, 3)).sum())
    with pytest.raises(AttributeError, match="no term of kind 'darkness'; this objective has content, style, tv, range"):
        before.darkness


# --- sums over positions ---------------------------------------------------------------------------------------------

def _crop(term, layer, target, columns):
    """The term whose target is a part of the photograph's; a Gram target has no positions to crop."""
    return ContentTerm(layer, target[..., columns]) if isinstance(term, ContentTerm) else term


@pytest.mark.parametrize("scaling", ["relative", "gatys", "article"])
@pytest.mark.parametrize("kind", [ContentTerm, StyleTerm])
def test_the_sums_of_two_halves_are_the_sums_of_the_whole(kind, scaling):
    act, target = _random(2, 3, 4, 9), _random(1, 3, 4, 9, seed=1)
    term, layer = kind("layer", target, scaling), "layer"
    whole = term.measure({layer: act}, None)
    halves = [_crop(term, layer, target, part).measure({layer: act[..., part]}, None) for part in (slice(0, 4), slice(4, 9))]
    added = {name: halves[0][name] + halves[1][name] for name in whole}
    for name in whole:
        torch.testing.assert_close(added[name], whole[name])
    torch.testing.assert_close(term.loss(added), term.loss(whole))


def test_the_range_term_of_two_halves_adds_up():
    image, term = 2 * _random(2, 3, 4, 9), RangeTerm()
    whole, left, right = (term.measure({}, part) for part in (image, image[..., :4], image[..., 4:]))
    torch.testing.assert_close(term.loss({name: left[name] + right[name] for name in whole}), term.loss(whole))


def test_no_term_needs_the_whole_picture():
    act = _random(1, 3, 4, 4)
    assert not any(term.whole for term in (ContentTerm("layer", act), StyleTerm("layer", act), TVTerm(), RangeTerm()))


def test_a_style_term_takes_activations_or_their_gram():
    act, style = _random(1, 3, 4, 5), _random(1, 3, 6, 2, seed=1)
    terms = StyleTerm("layer", style), StyleTerm("layer", gram_matrix(style))
    a, b = (term.loss(term.measure({"layer": act}, None)) for term in terms)
    torch.testing.assert_close(a, b)


# --- the range term --------------------------------------------------------------------------------------------------

def test_range_is_zero_inside_and_the_mean_square_outside(toy):
    content = _picture(1, 3, 8, 6)
    objective = _loss(toy, content, content, alpha=0, beta=0, gamma=0)
    inside = _picture(1, 3, 8, 6, seed=1)
    inside[0, 0, 0, 0], inside[0, 0, 0, 1] = 0, 1                         # the borders themselves are inside
    inside.requires_grad_()
    terms = objective(inside)
    assert terms.total.item() == terms.range.item() == 0
    assert not torch.autograd.grad(terms.total, inside)[0].any()

    outside = inside.detach().clone()
    outside[0, 1, 2, 3], outside[0, 2, 4, 4] = 1.5, -2.0
    outside.requires_grad_()
    terms, values = objective(outside), 3 * 8 * 6
    assert terms.range.item() == pytest.approx((0.5**2 + 2**2) / values)
    expected = torch.zeros_like(outside)
    expected[0, 1, 2, 3], expected[0, 2, 4, 4] = 0.5 / values, -2 / values          # ½ · 2 · what lies outside / values
    torch.testing.assert_close(torch.autograd.grad(terms.total, outside)[0], expected)


# --- what is refused -------------------------------------------------------------------------------------------------

def test_refusals_name_what_would_be_right(toy):
    photo, painting = _picture(1, 3, 8, 6), _picture(1, 3, 8, 6, seed=1)
    with pytest.raises(ValueError, match="unknown scaling 'german'; choose one of 'relative', 'gatys', 'article'"):
        Objective(toy, photo, painting, scaling="german")
    with pytest.raises(ValueError, match=r"unknown layer 'conv9_9'; this network \(toy\) has conv1, relu1, conv2, relu2"):
        Objective(toy, photo, painting, content_layers=["conv9_9"], style_layers=["conv1"])
    with pytest.raises(ValueError, match="unknown layer 'relu7'"):
        Objective(toy, photo, painting, content_layers=["conv1"], style_layers={"relu7": 1.0})
    with pytest.raises(ValueError, match="toy has no default layers; give content_layers and style_layers among conv1, relu1"):
        Objective(toy, photo, painting)
    with pytest.raises(ValueError, match="2 styles want as many style_weights, got 3"):
        _loss(toy, photo, [painting, photo], style_weights=[1, 2, 3])
    with pytest.raises(ValueError, match="no style given; give one picture"):
        _loss(toy, photo, [])
    with pytest.raises(ValueError, match="differ in size; resize the content picture to the painted one's size"):
        _loss(toy, photo, painting)(_picture(1, 3, 8, 10))


# --- style_error -----------------------------------------------------------------------------------------------------

def test_style_error_is_the_mean_relative_distance_of_five_grams(network):
    picture, style, expected = _picture(1, 3, 32, 40), _picture(1, 3, 48, 32, seed=1) ** 2, []
    for layer in ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"):
        gram, target = (gram_matrix(network(x, [layer])[layer]) for x in (picture, style))
        expected.append((((gram - target) ** 2).sum() / (target**2).sum()).item())
    error = style_error(picture, style, network)
    assert isinstance(error, float) and error == pytest.approx(sum(expected) / 5) and error > 0


def test_style_error_of_the_painting_itself_is_zero_and_no_graph_is_built(network):
    style = _picture(1, 3, 32, 32).requires_grad_()
    assert style_error(style, style.detach().clone(), network) < 1e-20
    noise, flat = _picture(1, 3, 32, 32, seed=1), torch.full((1, 3, 32, 32), 0.5, dtype=torch.float64)
    assert style_error(noise, style, network) < style_error(flat, style, network)        # noise resembles other noise


def test_the_cheaper_gradient_of_the_gram_sum_is_the_gradient():
    from nst_lessons.losses import _GramSum
    torch.manual_seed(0)
    for layout in (torch.contiguous_format, torch.channels_last):
        act = torch.randn(2, 3, 4, 5, dtype=torch.float64).contiguous(memory_format=layout).requires_grad_()
        assert torch.autograd.gradcheck(_GramSum.apply, act) and torch.autograd.gradgradcheck(_GramSum.apply, act)
        upstream = torch.randn(2, 3, 3, dtype=torch.float64)                 # not symmetric: both halves count
        plain, = torch.autograd.grad(gram_matrix(act, "none"), act, upstream)
        cheap, = torch.autograd.grad(_GramSum.apply(act), act, upstream)
        torch.testing.assert_close(cheap, plain)


def test_empty_and_repeated_layers():
    features, picture = nst.Features("random", device="cpu"), torch.rand(1, 3, 32, 32)
    for kind in ("content_layers", "style_layers"):
        with pytest.raises(ValueError, match="an empty list of layers measures nothing"):
            Objective(features, picture, picture, **{kind: []})
    twice = Objective(features, picture, picture, style_layers=["relu1_1", "relu1_1", "relu2_1"])
    assert {term.layer: share for _, share, term in twice.terms if term.kind == "style"} == {"relu1_1": 2 / 3, "relu2_1": 1 / 3}
