"""Lesson 12's package: bricks against plain convolutions, counting against torch's, a teacher that teaches, files, fewer bits."""
import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from nst_lessons import Features, load_image, loading, style_error
from nst_lessons.fast import FastNetwork, load_fast, save_fast
from nst_lessons.mobile import DistillTrainer, MobileNetwork, load_mobile, load_painter, save_mobile, separable_conv
from nst_lessons.mobile.shipped import PAINTERS
from nst_lessons.mobile.blocks import Enlarge, InvertedResidual, Separable
from nst_lessons.mobile.counting import conv_cost, multiply_adds, parameters
from nst_lessons.mobile.quantize import quantized, rounded


def small_student(styles=("one", "two"), seed=0):
    torch.manual_seed(seed)
    net = MobileNetwork(styles, widths=(8, 8, 8), kernels=(3, 5), expand=2)
    for name, p in net.named_parameters():
        if name.endswith(("scale", "shift")):                                    # styles that differ
            p.data += 0.3 * torch.randn_like(p)
    return net.eval().requires_grad_(False)


# --- bricks ----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("side, stride, shape", [(3, 1, (2, 3, 6, 5)), (5, 1, (1, 4, 7, 8)), (3, 2, (1, 2, 8, 9))])
def test_a_separable_convolution_is_one_whose_kernels_are_products(side, stride, shape):
    torch.manual_seed(side)
    x, depthwise, pointwise = torch.randn(shape), torch.randn(shape[1], 1, side, side), torch.randn(6, shape[1], 1, 1)
    whole = torch.einsum("dc,cij->dcij", pointwise[:, :, 0, 0], depthwise[:, 0])
    truth = F.conv2d(nn.ReflectionPad2d(side // 2)(x), whole, stride=stride)
    torch.testing.assert_close(separable_conv(x, depthwise, pointwise, stride), truth, rtol=1e-4, atol=1e-5)


def normalized(act, norm, row=0):
    return F.instance_norm(act, weight=norm.scale[row], bias=norm.shift[row])


def test_the_layers_are_what_they_say():
    net, x, mix = small_student(), torch.randn(1, 8, 8, 6, generator=torch.Generator().manual_seed(3)), torch.tensor([[1.0, 0.0]])
    down, up, block = net.down[1], net.up[0], net.blocks[1]
    assert [type(one) for one in (down, up, block)] == [Separable, Enlarge, InvertedResidual]
    made = F.relu(normalized(separable_conv(x, down.around.weight, down.across.conv.weight, 2), down.across.norm))
    torch.testing.assert_close(down(x, mix), made, rtol=1e-4, atol=1e-5)
    twice = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)               # the other order: enlarge, then mix
    mixed = nn.ReflectionPad2d(1)(F.conv2d(twice, up.across.weight))
    made = F.relu(normalized(F.conv2d(mixed, up.around.conv.weight, groups=8), up.around.norm))
    torch.testing.assert_close(up(x, mix), made, rtol=1e-3, atol=1e-4)
    wide = nn.ReflectionPad2d(2)(F.relu(F.conv2d(x, block.widen.weight, block.widen.bias)))
    seen = F.relu(normalized(F.conv2d(wide, block.around.conv.weight, groups=16), block.around.norm))
    made = x + normalized(F.conv2d(seen, block.narrow.conv.weight), block.narrow.norm)
    torch.testing.assert_close(block(x, mix), made, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("height, width", [(12, 12), (17, 30), (33, 12)])
def test_any_size_and_mixtures(height, width):
    net, photo = small_student(), torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(1))
    painted = net(photo, {"one": 0.25, "two": 0.75})
    assert painted.shape == photo.shape and painted.min() >= 0 and painted.max() <= 1
    both = net(photo, torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    torch.testing.assert_close(both[:1], net(photo[:1], "one"), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(both[1:], net(photo[1:], "two"), rtol=1e-4, atol=1e-5)
    assert (net(photo, "one") - net(photo, "two")).abs().max() > 0.01
    with pytest.raises(ValueError, match="unknown style 'three'; this network has one, two"):
        net(photo, "three")


def test_fog_makes_no_difference():
    net, photo = small_student(), torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(net(0.5 + 0.3 * (photo - 0.5), "one"), net(photo, "one"), atol=2e-3, rtol=0)


# --- counting --------------------------------------------------------------------------------------------------------

def found_by_hand(conv, height, width):
    """Multiply-adds of a convolution of all channels on one picture of height × width px."""
    height, width = (-(-side // conv.stride[0]) for side in (height, width))
    return conv.weight.numel() * height * width


@pytest.mark.parametrize("make", [small_student, lambda: FastNetwork(["one", "two"], widths=(4, 8, 8), blocks=2).eval()])
def test_multiply_adds_are_half_of_torchs_flops(make):
    net, photo = make(), torch.rand(2, 3, 32, 24)
    with FlopCounterMode(display=False) as torchs:
        net(photo, "one")
    found = multiply_adds(net, photo, "one")
    assert 2 * sum(found.values()) == torchs.get_total_flops()
    assert found["down.0.conv"] == 2 * found_by_hand(net.down[0].conv, 32, 24)
    assert not any(module._forward_hooks for module in net.modules())            # nothing is left behind
    assert parameters(net) == sum(math.prod(tensor.shape) for tensor in net.state_dict().values())


def test_a_convolution_costs_what_a_loop_counts():
    conv, count = nn.Conv2d(6, 4, 3, stride=2, groups=2), 0
    out = conv(torch.rand(1, 6, 9, 7))
    for _ in range(out.numel()):                                                 # every value that comes out
        count += 6 // 2 * 3 * 3
    assert conv_cost(6, 4, 3, out.shape[2] * out.shape[3], groups=2) == count
    assert multiply_adds(conv, torch.rand(1, 6, 9, 7)) == {"": count}


def test_a_layer_that_is_used_twice_counts_twice():
    conv = nn.Conv2d(3, 3, 1)
    net = nn.Sequential(conv, conv)
    assert sum(multiply_adds(net, torch.rand(1, 3, 4, 4)).values()) == 2 * 16 * 9


# --- learning --------------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def photos():
    return [load_image(name, size=64) for name in ("astronaut", "coffee")]


def tutor(photos, **options):
    torch.manual_seed(5)
    teacher = FastNetwork(["one", "two"], widths=(4, 8, 8), blocks=1).eval().requires_grad_(False)
    for p in teacher.out.parameters():
        p.mul_(8)                                                                # a picture, not gray
    styles = {"one": torch.rand(1, 3, 48, 48), "two": torch.rand(1, 3, 48, 48)}
    given = {"sizes": (32,), "seen": (40, 64), "batch": 2, "features": Features("tiny", weights="random")} | options
    return DistillTrainer(styles, photos, teacher, small_student().requires_grad_(True), **given)


def test_a_student_comes_near_its_teacher(photos):
    trainer = tutor(photos, copying=1.0, lr=0.03, table_lr=0.01)
    taught = {name: p.clone() for name, p in trainer.teacher.state_dict().items()}
    losses = [trainer.step(k / 100)["picture"] for k in range(100)]
    assert sum(losses[-10:]) < 0.5 * sum(losses[:10])
    assert all(torch.equal(p, taught[name]) for name, p in trainer.teacher.state_dict().items())
    assert all(p.grad is None for p in trainer.teacher.parameters())


def test_the_losses_are_weighted_as_the_recipe_says(photos):
    trainer = tutor(photos, copying=0.2, picture=(10.0, 2.0), alpha=(0.4, 0.2), gamma=0.3)
    early, late = trainer.step(0.1), trainer.step(0.5)
    assert set(early) == {"total", "picture"} and early["total"] == pytest.approx(9.2 * early["picture"], rel=1e-4)
    wanted = 6 * late["picture"] + late["style"] + 0.3 * late["content"] + 0.3 * late["tv"]
    assert late["total"] == pytest.approx(wanted, rel=1e-4)


def test_content_is_the_teachers_picture(photos, monkeypatch):
    trainer, seen = tutor(photos, copying=0.0), []
    from nst_lessons.mobile import distill

    def spied(features, painted, photo, grams):
        seen.append(photo)
        return {"style": painted.mean((1, 2, 3)), "content": painted.mean((1, 2, 3)), "tv": painted.mean((1, 2, 3))}
    monkeypatch.setattr(distill, "fast_losses", spied)
    photo, which = trainer.batch(0)
    trainer.step(0)
    mix = F.one_hot(which, 2).float()
    torch.testing.assert_close(seen[0], trainer.teacher(photo, mix), rtol=1e-3, atol=1e-4)


def test_every_number_of_the_student_learns_and_depthwise_kernels_are_not_for_muon(photos):
    trainer = tutor(photos)
    assert sorted(map(id, trainer.trained)) == sorted(map(id, trainer.net.parameters()))
    adam, muon = ({id(p) for group in one.param_groups for p in group["params"]} for one in trainer.optimizers)
    kernels = {name: p for name, p in trainer.net.named_parameters() if p.ndim == 4}
    assert {id(p) for name, p in kernels.items() if "around" not in name} == muon and not adam & muon


def test_a_resumed_training_is_the_undisturbed_one(photos):
    straight, first, second = tutor(photos), tutor(photos), tutor(photos)
    for k in range(4):
        straight.step(k / 4)
    for k in range(2):
        first.step(k / 4)
    second.load(first.state())
    for k in range(2, 4):
        second.step(k / 4)
    for a, b in zip(straight.net.parameters(), second.net.parameters()):
        torch.testing.assert_close(a, b)
    assert straight.about()["copying"] == 0.2


def test_other_styles_than_the_teachers_are_refused(photos):
    teacher = FastNetwork(["one", "two"], widths=(4, 8, 8), blocks=1)
    with pytest.raises(ValueError, match="must be the teacher's, in the same order: one, two"):
        DistillTrainer({"one": photos[0]}, photos, teacher, small_student(("two", "one")), features=Features("tiny", weights="random"))


# --- files -----------------------------------------------------------------------------------------------------------

def test_a_student_is_saved_and_loaded(tmp_path):
    net, photo = small_student(), torch.rand(1, 3, 16, 16)
    path = save_mobile(net, tmp_path / "s.safetensors")
    for loaded in (load_mobile(path, "cpu"), load_painter(path, "cpu")):
        assert isinstance(loaded, MobileNetwork) and loaded.styles == ["one", "two"] and loaded.shape == net.shape
        torch.testing.assert_close(loaded(photo, "two"), net(photo, "two"), atol=5e-3, rtol=0)      # half precision
    fast = save_fast(FastNetwork(["a"], widths=(4, 4, 4), blocks=1), tmp_path / "f.safetensors")
    assert type(load_painter(fast, "cpu")) is FastNetwork and type(load_painter("fast", "cpu")) is FastNetwork
    assert all(load_painter(name, "cpu").styles for name in PAINTERS)
    with pytest.raises(loading.WeightsError, match="f.safetensors holds no student of lesson 12"):
        load_mobile(fast)
    (tmp_path / "x.safetensors").write_bytes(b"nonsense")
    for load in (load_mobile, load_painter):
        with pytest.raises(loading.WeightsError, match="x.safetensors"):
            load(tmp_path / "x.safetensors")


def test_the_shipped_student_is_small_and_as_good_as_its_teacher():
    student, teacher = load_mobile(device="cpu"), load_fast(device="cpu")
    assert parameters(student) <= 60_000 and student.styles == teacher.styles
    photo, features, found = load_image("cat", size=192), Features("tiny", device="cpu"), {}
    for name in ("starry", "mosaic", "woodcut"):
        style = load_image(name, size=192)
        found[name] = [style_error(net(photo, name), style, features) for net in (student, teacher)]
    assert sum(mine for mine, _ in found.values()) < 1.25 * sum(other for _, other in found.values()), found


# --- fewer bits ------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("bits", [8, 4, 2])
def test_whole_numbers_come_back_to_within_half_a_step(bits):
    kernel = torch.randn(5, 3, 3, 3, generator=torch.Generator().manual_seed(bits))
    kernel[2] = 0
    whole, scale = quantized(kernel, bits)
    assert whole.dtype == torch.int8 and whole.abs().max() == 2 ** (bits - 1) - 1 and scale.shape == (5, 1, 1, 1)
    assert ((whole * scale - kernel).abs() <= scale * 0.5001).all() and not (whole * scale)[2].any()
    most = 2 ** (bits - 1) - 1
    theirs = torch.fake_quantize_per_channel_affine(kernel, scale.flatten(), torch.zeros(5, dtype=torch.int32), 0, -most, most)
    torch.testing.assert_close(whole * scale, theirs)


def test_a_rounded_network_is_near_and_leaves_the_original_alone():
    net, photo = small_student(), torch.rand(1, 3, 24, 24, generator=torch.Generator().manual_seed(1))
    before = net(photo, "one")
    far = [(rounded(net, bits)(photo, "one") - before).abs().mean().item() for bits in (8, 4, 2)]
    assert 0 < far[0] < 0.3 * far[1] < 0.3 * far[2]
    torch.testing.assert_close(net(photo, "one"), before, rtol=0, atol=0)
    same = rounded(net, 8)
    assert all(torch.equal(a, b) for (name, a), b in zip(net.named_parameters(), same.parameters()) if a.ndim < 4)
