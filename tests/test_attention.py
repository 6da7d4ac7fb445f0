"""Any style in one pass: AdaIN and attention against loops and torch's own, mixtures, strength, sizes, training that can stop, files."""
import copy
import random

import pytest
import torch
from torch.nn import functional as F

import nst_lessons as nst
from nst_lessons import attention
from nst_lessons.attention import (AnyStyle, AnyTrainer, AttentionStyle, adain, attend, attention_weights, load_any, moments, normalized,
                                   save_any)
from nst_lessons.attention.attend import attend_in_parts
from nst_lessons.attention.training import any_losses, recolored, style_crop
from nst_lessons.checkpoint import CheckpointError
from nst_lessons.fast.train import drive

NETS = [AnyStyle, AttentionStyle]
both = pytest.mark.parametrize("kind", NETS, ids=lambda kind: kind.method)


def some(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def features():
    return nst.Features("tiny", device="cpu")


def small_net(kind, features, seed=0):
    torch.manual_seed(seed)
    return kind(widths=(4, 6, 8, 10), features=features).eval().requires_grad_(False)


# --- AdaIN -----------------------------------------------------------------------------------------------------------

def adain_by_loop(content, style):
    """One picture and one channel at a time, in double precision."""
    out = torch.empty_like(content, dtype=torch.float64)
    for b in range(content.shape[0]):
        for c in range(content.shape[1]):
            x, y = content[b, c].double(), style[b % len(style), c].double()
            sx, sy = (((one - one.mean())**2).mean().add(1e-5).sqrt() for one in (x, y))
            out[b, c] = sy * (x - x.mean()) / sx + y.mean()
    return out


@pytest.mark.parametrize("styles", [1, 3])
def test_adain_by_loop(styles):
    content, style = 4 * some(3, 5, 7, 6) - 1, 9 * some(styles, 5, 4, 11, seed=1)
    torch.testing.assert_close(adain(content, style).double(), adain_by_loop(content, style), rtol=1e-4, atol=1e-5)


def test_what_adain_gives_has_the_styles_mean_and_deviation():
    content, style = some(2, 4, 9, 8), 3 * some(2, 4, 5, 6, seed=1) + 1
    for found, wanted in zip(moments(adain(content, style)), moments(style)):
        torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-4)


def test_adain_in_closed_form():
    """−3, −1, 1, 3 have deviation √5; a style of 10 ± 2 makes them 10 + 2 x / √5."""
    content = torch.tensor([[[[-3., -1.], [1., 3.]]]]) + 7
    style = torch.tensor([[[[8., 12.]]]])
    torch.testing.assert_close(adain(content, style), 10 + 2 / 5**0.5 * (content - 7), rtol=1e-4, atol=1e-4)


def test_adain_with_itself_changes_nothing_and_a_constant_stays_finite():
    content = some(1, 3, 6, 5)
    torch.testing.assert_close(adain(content, content), content)
    assert adain(torch.full((1, 2, 4, 4), 3.0), some(1, 2, 4, 4)).isfinite().all()


def test_normalized_is_torchs_instance_norm():
    act = 5 * some(2, 3, 6, 7)
    torch.testing.assert_close(normalized(act), F.instance_norm(act), rtol=1e-4, atol=1e-5)


# --- attention -------------------------------------------------------------------------------------------------------

def attend_by_loop(query, key, value):
    """One place at a time."""
    out = torch.zeros(query.shape[0], value.shape[1], *query.shape[2:])
    for b in range(query.shape[0]):
        for y in range(query.shape[2]):
            for x in range(query.shape[3]):
                scores = torch.stack([query[b, :, y, x] @ key[b, :, v, u] / query.shape[1]**0.5
                                      for v in range(key.shape[2]) for u in range(key.shape[3])])
                shares = scores.exp() / scores.exp().sum()
                places = [value[b, :, v, u] for v in range(key.shape[2]) for u in range(key.shape[3])]
                out[b, :, y, x] = sum(share * place for share, place in zip(shares, places))
    return out


@pytest.mark.parametrize("batch, channels", [(1, 5), (2, 3)])
def test_attention_by_loop_and_by_torch(batch, channels):
    query, key, value = 4 * some(batch, 6, 4, 5), some(batch, 6, 3, 7, seed=1), some(batch, channels, 3, 7, seed=2)
    found = attend(query, key, value)
    torch.testing.assert_close(found, attend_by_loop(query, key, value), rtol=1e-4, atol=1e-5)
    flat = [one.flatten(2).transpose(1, 2) for one in (query, key, value)]                  # torch wants [B, places, channels]
    torchs = F.scaled_dot_product_attention(*flat).transpose(1, 2).reshape(found.shape)
    torch.testing.assert_close(found, torchs, rtol=1e-4, atol=1e-5)


def test_each_places_weights_are_shares():
    weights = attention_weights(6 * some(2, 8, 3, 4), some(2, 8, 5, 2, seed=1))
    assert weights.shape == (2, 12, 10) and weights.min() >= 0
    torch.testing.assert_close(weights.sum(2), torch.ones(2, 12))


def test_like_looks_at_like_and_gets_it():
    """Places that are perpendicular to each other and long: each sees itself only, wherever it has been moved."""
    key = 100 * torch.eye(6).reshape(1, 6, 2, 3)
    order = torch.randperm(6, generator=torch.Generator().manual_seed(0))
    query, value = key.flatten(2)[..., order].reshape(1, 6, 3, 2), some(1, 4, 2, 3)
    torch.testing.assert_close(attend(query, key, value).flatten(2), value.flatten(2)[..., order])


@pytest.mark.parametrize("largest", [1, 100, 200, 10**6])
def test_in_parts_it_is_the_same(largest):
    query, key, value = some(2, 6, 5, 4), some(2, 6, 3, 7, seed=1), some(2, 3, 3, 7, seed=2)
    torch.testing.assert_close(attend_in_parts(query, key, value, largest), attend(query, key, value))


# --- the networks ----------------------------------------------------------------------------------------------------

@both
@pytest.mark.parametrize("size, style_size", [((64, 48), (40, 56)), ((17, 16), (16, 16)), ((37, 50), (33, 95))])
def test_any_size_and_any_style(kind, size, style_size, features):
    out = small_net(kind, features)(some(1, 3, *size), some(1, 3, *style_size, seed=1))
    assert out.shape == (1, 3, *size) and out.min() >= 0 and out.max() <= 1 and out.isfinite().all()


@both
def test_a_mirrored_tail_is_what_odd_sizes_are_filled_with(kind, features):
    """30 columns become 32 as F.pad's mirror would make them."""
    net, photo, style = small_net(kind, features), some(1, 3, 32, 30), some(1, 3, 32, 32, seed=1)
    mirrored = torch.cat([photo, photo[..., [28, 27]]], 3)
    torch.testing.assert_close(net(photo, style), net(mirrored, style)[..., :30])


@both
def test_each_of_a_batch_is_painted_as_if_alone(kind, features):
    net, photos, styles = small_net(kind, features), some(2, 3, 32, 48), some(2, 3, 48, 32, seed=1)
    for wanted in (styles, styles[:1]):
        together = net(photos, wanted)
        for k in range(2):
            torch.testing.assert_close(together[k:k + 1], net(photos[k:k + 1], wanted[k % len(wanted)][None]), rtol=1e-4, atol=1e-5)


@both
def test_mixtures(kind, features):
    net, photo, a, b = small_net(kind, features), some(1, 3, 32, 32), some(1, 3, 32, 48, seed=1), some(1, 3, 40, 32, seed=2) ** 3
    alone = net(photo, a)
    torch.testing.assert_close(net(photo, net.look(a)), alone)                              # a Look is as good as the picture
    torch.testing.assert_close(net(photo, [(a, 0.3), (a, 0.7)]), alone, rtol=1e-3, atol=1e-4)     # two equal styles are one
    torch.testing.assert_close(net(photo, [(a, 2.0), (b, 0.0)]), alone)                     # shares are of their sum
    mixed = net(photo, [(a, 1.0), (b, 1.0)])
    assert min((mixed - alone).abs().mean(), (mixed - net(photo, b)).abs().mean()) > 1e-3


@both
def test_strength(kind, features):
    """At 0 the painting has no say at all: the photograph is its own style."""
    net, photo, style = small_net(kind, features), some(1, 3, 32, 48), some(1, 3, 40, 32, seed=2) ** 3
    torch.testing.assert_close(net(photo, style, strength=0), net(photo, photo), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(net(photo, style, strength=0.25), net(photo, [(style, 0.25), (photo, 0.75)]), rtol=1e-4, atol=1e-5)
    assert (net(photo, style) - net(photo, photo)).abs().mean() > 1e-3


@both
def test_what_makes_no_mixture_is_refused(kind, features):
    net, photo = small_net(kind, features), some(1, 3, 16, 16)
    for strength in (-0.1, 1.5):
        with pytest.raises(ValueError, match="0 is the photograph, 1 the painting's style"):
            net(photo, photo, strength)
    for shares in ([(photo, -1.0), (photo, 2.0)], [(photo, 0.0)], []):
        with pytest.raises(ValueError, match="make no mixture"):
            net(photo, shares)


def test_blending_moments_is_blending_what_adain_gives(features):
    """Huang & Belongie's eq. 14 and 15 mix activations; the decoder mixes means and deviations: the same, AdaIN being linear in them."""
    net, photo = small_net(AnyStyle, features), some(1, 3, 32, 32)
    looks = [(net.look(some(1, 3, 32, 48, seed=k)), share) for k, share in ((1, 0.3), (2, 0.7))]
    act = some(1, 10, 4, 4, seed=3)
    seen = [net.layers[0].seen(look.acts) for look, _ in looks]
    blended = sum(share * adain(act, one) for (_, share), one in zip(looks, seen))
    torch.testing.assert_close(net._restyler(looks)(0, act), blended, rtol=1e-4, atol=1e-5)
    assert net(photo, looks).isfinite().all()


def test_the_deep_entrance_of_attention_is_what_the_paper_says(features):
    """normalized content + merge(near + far enlarged), by torch's own attention, with queries and keys of length √D."""
    net, photo, style = small_net(AttentionStyle, features), some(1, 3, 48, 32), some(1, 3, 32, 64, seed=1)
    looks = net.look(photo), net.look(style)
    gathered = 0
    for block in (net.near, net.far):
        x, y = (look.acts[block.layer] for look in looks)
        q, k, v = block.query(F.instance_norm(x)), block.key(F.instance_norm(y)), block.value(y)
        q, k = (8 * one / one.norm(dim=1, keepdim=True) for one in (q, k))                  # √64
        flat = F.scaled_dot_product_attention(*(one.flatten(2).transpose(1, 2) for one in (q, k, v))).transpose(1, 2)
        gathered = gathered + F.interpolate(flat.reshape(1, -1, *x.shape[2:]), (6, 4), mode="bilinear")
    wanted = net.enter(F.instance_norm(looks[0].acts["relu4_1"])) + net.merge(F.pad(gathered, (1,) * 4, mode="reflect"))
    torch.testing.assert_close(net._deep(looks[0].acts, [(looks[1], 1.0)]), wanted, rtol=1e-3, atol=1e-4)


# --- training --------------------------------------------------------------------------------------------------------

SMALL = {"sizes": (48,), "batch": 2, "seen": (48, 64), "seen_style": (48, 80)}


@pytest.fixture(scope="module")
def material():
    schools = {name: [nst.load_image(name, size=64)] for name in ("starry", "woodcut")}
    return schools, [(255 * nst.load_image(name, size=64)).byte() for name in ("cat", "coffee")]


def trainer(material, features, kind=AnyStyle, **more):
    torch.manual_seed(0)
    return AnyTrainer(*material, net=kind(widths=(4, 6, 8, 10), features=features), **SMALL | more)


def test_losses_have_known_values(features):
    photo, style = some(2, 3, 48, 48), some(2, 3, 48, 48, seed=1)
    layers = features.style_layers
    acts, style_acts = features(photo, layers), features(style, layers)
    at_home = any_losses(features, style, style_acts, style_acts)
    assert at_home["style"].max() < 1e-6 and at_home["content"].max() < 1e-6 and at_home["style"].shape == (2,)
    losses = any_losses(features, photo, acts, style_acts)
    assert losses["content"].max() < 1e-6
    for k in range(2):
        far = [(nst.gram_matrix(acts[layer][k:k + 1]) - nst.gram_matrix(style_acts[layer][k:k + 1])).norm() ** 2
               / nst.gram_matrix(style_acts[layer][k:k + 1]).norm() ** 2 for layer in layers]
        assert losses["style"][k].item() == pytest.approx(sum((1 + one).log().item() for one in far) / 5, rel=1e-3)
    torch.testing.assert_close(losses["tv"], nst.tv_loss(photo) / photo[0].numel(), rtol=1e-3, atol=1e-6)


@both
def test_some_steps_of_training_bring_the_style_nearer(kind, material, features):
    one = trainer(material, features, kind, batch=4, keep=0.9)
    losses = [one.step(0)["total"] for _ in range(40)]
    assert sum(losses[-8:]) < 0.8 * sum(losses[:8])


def test_one_crop_of_some_is_its_own_style(material, features):
    one = trainer(material, features, batch=4, every=4)
    photo, style, same = one.batch(0.0)
    assert same.tolist() == [True, False, False, False] and torch.equal(photo[0], style[0])
    assert not any(torch.equal(photo[k], style[k]) for k in (1, 2, 3))


@both
def test_a_resumed_training_is_the_undisturbed_one(kind, material, features, tmp_path):
    file = tmp_path / "last.checkpoint"
    straight = drive(trainer(material, features, kind), steps=4, progress=False)
    stopped = trainer(material, features, kind)
    for _ in range(2):
        stopped.step(stopped.done / 4)
    first = drive(stopped, steps=2, checkpoint=file, progress=False)                        # over at once; writes its checkpoint
    resumed = drive(trainer(material, features, kind), steps=4, checkpoint=file, progress=False)
    for name, tensor in straight.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[name], tensor, msg=name)
    assert any(not torch.equal(first.state_dict()[name], tensor) for name, tensor in straight.state_dict().items())


def test_a_checkpoint_of_another_training_is_refused(material, features, tmp_path):
    file = tmp_path / "last.checkpoint"
    drive(trainer(material, features), steps=1, checkpoint=file, progress=False)
    with pytest.raises(CheckpointError, match="method"):
        drive(trainer(material, features, AttentionStyle), steps=2, checkpoint=file, progress=False)
    with pytest.raises(CheckpointError, match="gamma"):
        drive(trainer(material, features, gamma=0.7), steps=2, checkpoint=file, progress=False)


def test_the_frozen_network_stays_as_it_was(material, features):
    before = copy.deepcopy(features.state_dict())
    one = trainer(material, features)
    one.step(0)
    assert all(torch.equal(before[name], tensor) for name, tensor in features.state_dict().items())
    assert not any("features" in name or "trunk" in name for name in one.net.state_dict())


def test_recolored_crops_keep_their_drawing():
    """Hues change, edges stay where they are: the gray picture is an affine copy, positive or negative."""
    picture = nst.load_image("starry", size=64)
    for number in range(8):
        rng = random.Random(number)
        other = recolored(picture, rng)
        assert other.shape == picture.shape and 0 <= other.min() and other.max() <= 1
        grays = torch.stack([picture.mean(1).flatten(), other.mean(1).flatten()])
        assert torch.corrcoef(grays)[0, 1].abs() > 0.85
    parts = [style_crop(picture, 32, (40, 64), random.Random(k)) for k in range(6)]
    assert {tuple(part.shape) for part in parts} == {(1, 3, 32, 32)}


# --- files -----------------------------------------------------------------------------------------------------------

@both
def test_a_network_goes_to_a_file_and_comes_back(kind, features, tmp_path):
    net, photo = small_net(kind, features), some(1, 3, 32, 32)
    save_any(net, tmp_path / "net.safetensors")
    back = load_any(path=tmp_path / "net.safetensors", device="cpu")
    assert type(back) is kind and back.shape == net.shape
    torch.testing.assert_close(back(photo, photo), net(photo, photo), rtol=0, atol=0.02)    # half precision
    assert [path.name for path in tmp_path.iterdir()] == ["net.safetensors"]


def test_files_that_hold_something_else_are_refused(tmp_path):
    from nst_lessons.loading import WeightsError, embedded
    with pytest.raises(WeightsError, match="holds no network for any style"):
        load_any(path=embedded("fast.safetensors"))
    with pytest.raises(ValueError, match="unknown method 'gan'; choose adain or attention"):
        load_any("gan")
    with pytest.raises(WeightsError, match="no weights file"):
        load_any(path=tmp_path / "none.safetensors")


# --- what ships ------------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module", params=["adain", "attention"])
def shipped(request):
    return load_any(request.param, device="cpu")


def test_the_shipped_networks_paint_what_they_never_saw(shipped, features):
    """Seed 0 of each school was held out of training: half the photograph's style error at most."""
    photo, ratios = nst.load_image("astronaut", size=192), []
    for name in ("starry", "woodcut", "mosaic"):
        style = nst.load_image(name, size=256)
        ratios.append(nst.style_error(shipped(photo, style), style, features) / nst.style_error(photo, style, features))
    assert sum(ratios) / 3 < 0.5 and max(ratios) < 0.7, ratios


def test_the_shipped_networks_at_strength_0_give_the_photograph_back(shipped):
    photo, style = nst.load_image("cat", size=192), nst.load_image("woodcut", size=192)
    errors = [(shipped(photo, style, strength=share) - photo).square().mean().item() for share in (0, 0.5, 1)]
    assert errors[0] < 0.01 and errors[0] < errors[1] < errors[2], errors


def test_the_shipped_files_are_small():
    from nst_lessons.loading import embedded
    assert all(embedded(f"{name}.safetensors").stat().st_size <= 4e6 for name in attention.METHODS)
