"""One-pass networks: the normalization against torch's own, many styles in one network, training that can stop and be shared."""
import copy
import json
import random

import pytest
import torch
from torch.nn import functional as F

import nst_lessons as nst
from nst_lessons import fast
from nst_lessons.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from nst_lessons.fast import FastNetwork, Trainer, add_style, instance_norm, learn_style, load_fast, save_fast, train_fast
from nst_lessons.fast.muon import Muon, zeroth_power
from nst_lessons.fast.network import ConditionalNorm, ResidualBlock
from nst_lessons.fast.training import crop, fast_losses, style_grams
from nst_lessons.loading import WeightsError, embedded

SMALL = {"sizes": (32,), "batch": 2, "seen": (40, 60)}


def some(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def small_net(styles=("a", "b"), norm="instance", seed=0):
    """A little network with scales and shifts that differ from style to style."""
    torch.manual_seed(seed)
    net = FastNetwork(styles, norm, widths=(4, 6, 8), blocks=1)
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if name.endswith(("scale", "shift")):
                parameter += 0.3 * torch.randn_like(parameter)
    return net.eval()


@pytest.fixture(scope="module")
def features():
    return nst.Features("tiny")


@pytest.fixture(scope="module")
def material():
    """Two paintings and some photographs, small."""
    return {name: nst.load_image(name, size=64) for name in ("waves", "woodcut")}, [nst.load_image(p, size=64) for p in ("astronaut", "cat")]


# --- instance normalization ------------------------------------------------------------------------------------------

@pytest.mark.parametrize("shape", [(1, 3, 5, 7), (2, 4, 8, 8), (3, 1, 2, 9)])
def test_instance_norm_is_torchs(shape):
    act, scale, shift = some(*shape).double() * 3 - 1, some(shape[1], seed=1).double() + 0.5, some(shape[1], seed=2).double()
    ours = instance_norm(act, scale[None], shift[None])
    torch.testing.assert_close(ours, F.instance_norm(act, weight=scale, bias=shift, eps=1e-5), rtol=1e-10, atol=1e-10)


def test_each_picture_can_have_scales_and_shifts_of_its_own():
    act, scale, shift = some(2, 4, 6, 5), some(2, 4, seed=1), some(2, 4, seed=2)
    alone = [instance_norm(act[k:k + 1], scale[k:k + 1], shift[k:k + 1]) for k in range(2)]
    torch.testing.assert_close(instance_norm(act, scale, shift), torch.cat(alone))


def test_a_constant_channel_becomes_its_shift():
    out = instance_norm(torch.full((1, 2, 4, 4), 7.0), torch.ones(1, 2), torch.tensor([[0.25, -1.0]]))
    torch.testing.assert_close(out, torch.tensor([0.25, -1.0]).view(1, 2, 1, 1).expand(1, 2, 4, 4))


# --- many styles -----------------------------------------------------------------------------------------------------

def test_a_mixture_of_styles_is_a_mixture_of_their_numbers():
    norm = ConditionalNorm(3, 2)
    norm.scale.data, norm.shift.data = some(2, 3), some(2, 3, seed=1)
    act = some(1, 3, 4, 5, seed=2)
    for share in (0.0, 0.3, 1.0):
        scale, shift = (share * table[0] + (1 - share) * table[1] for table in (norm.scale, norm.shift))
        torch.testing.assert_close(norm(act, torch.tensor([[share, 1 - share]])), F.instance_norm(act, weight=scale, bias=shift))


def test_each_picture_of_a_batch_can_have_another_style():
    net, photo = small_net(), some(2, 3, 16, 20)
    both = net(photo, torch.eye(2))
    torch.testing.assert_close(both[:1], net(photo[:1], "a"))
    torch.testing.assert_close(both[1:], net(photo[1:], {"b": 1}))
    assert (net(photo, "a") - net(photo, "b")).abs().max() > 0.01


def test_batch_normalization_looks_at_the_whole_batch():
    norm = ConditionalNorm(3, 1, "batch").train()
    norm.scale.data, norm.shift.data = some(1, 3), some(1, 3, seed=1)
    act = some(4, 3, 5, 5, seed=2)
    right = F.batch_norm(act, None, None, norm.scale[0], norm.shift[0], training=True)
    torch.testing.assert_close(norm(act, torch.ones(1, 1)), right)


def test_a_residual_block_that_wants_no_change_changes_nothing():
    block, x = ResidualBlock(4, 1, "instance"), some(1, 4, 6, 6)
    with torch.no_grad():
        block.second.norm.scale.zero_()
    assert torch.equal(block(x, torch.ones(1, 1)), x)


@pytest.mark.parametrize("wrong, says", [(lambda: small_net(norm="layer"), "choose 'instance' or 'batch'"),
                                         (lambda: small_net().mix("c"), "unknown style 'c'; this network has a, b"),
                                         (lambda: small_net().mix({"a": 0.5, "waves": 0.5}), "unknown style 'waves'")])
def test_unknown_names_are_told(wrong, says):
    with pytest.raises(ValueError, match=says):
        wrong()


# --- sizes and borders -----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("height, width", [(255, 383), (8, 8), (16, 21), (33, 18), (64, 64)])
def test_any_size_comes_out_as_it_went_in(height, width):
    out = small_net()(some(1, 3, height, width), "a")
    assert out.shape == (1, 3, height, width) and out.min() >= 0 and out.max() <= 1


def test_no_border_a_plain_photograph_stays_plain():
    out = small_net()(torch.full((1, 3, 30, 41), 0.7), "a")
    torch.testing.assert_close(out, out[..., :1, :1].expand_as(out), rtol=0, atol=1e-4)


def test_a_mirrored_tail_is_what_odd_sizes_are_filled_with():
    """37 columns become 40 as F.pad's mirror would make them, so the answer is the same as for the mirrored photograph."""
    net, photo = small_net(), some(1, 3, 20, 37)
    mirrored = torch.cat([photo, photo[..., [35, 34, 33]]], 3)
    torch.testing.assert_close(net(photo, "a"), net(mirrored, "a")[..., :37])


def test_instance_normalization_takes_the_photographs_contrast_away():
    photo = nst.load_image("cat", size=64)
    pale = 0.5 + 0.3 * (photo - 0.5)
    for norm, same in (("instance", True), ("batch", False)):
        net = small_net(norm=norm).train()
        for _ in range(30 if norm == "batch" else 0):
            net(photo, "a")                                                        # batch normalization notes its means and deviations
        net.eval()
        assert ((net(photo, "a") - net(pale, "a")).abs().mean() < 1e-3) == same


# --- training --------------------------------------------------------------------------------------------------------

def test_newton_schulz_finds_the_nearest_orthogonal_matrix():
    for shape in [(6, 20), (20, 6)]:
        matrix = torch.randn(shape, generator=torch.Generator().manual_seed(1))
        u, _, v = torch.linalg.svd(matrix, full_matrices=False)
        ours = zeroth_power(matrix)
        assert torch.linalg.svdvals(ours).sub(1).abs().max() < 0.35                # the polynomial's own tolerance
        assert F.cosine_similarity(ours.flatten(), (u @ v).flatten(), dim=0) > 0.98


def test_muon_goes_downhill():
    goal, kernel = some(4, 2, 3, 3), torch.zeros(4, 2, 3, 3, requires_grad=True)
    optimizer, losses = Muon([kernel], lr=0.1), []
    for _ in range(60):
        losses.append((kernel - goal).square().sum())
        kernel.grad, = torch.autograd.grad(losses[-1], kernel)
        optimizer.step()
    assert losses[-1] < 0.1 * losses[0]


def test_crops_come_from_the_photograph_at_the_size_asked_for():
    ramp = torch.linspace(0, 1, 100).expand(1, 3, 80, 100)                         # brightness says from which column
    for number in range(20):
        part = crop(ramp, 32, (50, 100), random.Random(number))
        assert part.shape == (1, 3, 32, 32)
        slope = part[0, 0, 16].diff().abs()[4:-4].mean() * 99                      # columns of the photograph for one of the crop
        assert 0.99 < slope < 2.01                                                 # imagined 50 … 100 px wide
    assert crop((ramp * 255).byte(), 32, (50, 100), random.Random(1)).max() <= 1


def test_losses_are_those_of_lesson_four(features, material):
    styles, photos = material
    painted, photo = some(2, 3, 64, 64), F.interpolate(photos[0], (64, 64)).expand(2, -1, -1, -1)
    grams = style_grams(list(styles.values()), features)
    losses = fast_losses(features, painted, photo, grams)
    for k, style in enumerate(styles.values()):
        objective = nst.Objective(features, photo[k:k + 1], style)
        terms = objective(painted[k:k + 1])
        for kind in ("style", "content", "tv"):
            torch.testing.assert_close(losses[kind][k], getattr(terms, kind)[0], rtol=1e-3, atol=1e-5)


def test_some_steps_of_training_paint(features, material):
    styles, photos = material
    net = train_fast(styles, photos, steps=80, net=small_net(styles), features=features, progress=False, **SMALL | {"batch": 4})
    fresh = small_net(styles)
    for name, style in styles.items():
        before, after = (nst.style_error(one(photos[0], name).detach(), style, features) for one in (fresh, net))
        assert after < 0.8 * before
    assert not net.training and not any(p.requires_grad for p in net.parameters())


def test_a_resumed_training_is_the_undisturbed_one(features, material, tmp_path):
    def trainer():
        return Trainer(*material, net=small_net(material[0]), features=features, **SMALL)
    straight, first = trainer(), trainer()
    for k in range(4):
        straight.step(k / 4)
    for k in range(2):
        first.step(k / 4)
    save_checkpoint(first.state(), tmp_path / "a.checkpoint")
    second = trainer()
    second.load(load_checkpoint(tmp_path / "a.checkpoint"))
    for k in range(2, 4):
        second.step(k / 4)
    for one, other in zip(straight.net.parameters(), second.net.parameters()):
        assert torch.equal(one, other)
    for one, other in zip(straight.average.parameters(), second.average.parameters()):
        assert torch.equal(one, other)


def test_train_fast_goes_on_from_its_checkpoint(features, material, tmp_path, monkeypatch):
    monkeypatch.setattr("nst_lessons.fast.train._SAVE_EVERY", 0)
    options = {"features": features, "progress": False, **SMALL}
    whole = train_fast(*material, steps=5, net=small_net(material[0]), **options)
    step = Trainer.step

    def killed(self, progress):
        if self.done == 3:
            raise KeyboardInterrupt
        return step(self, progress)
    monkeypatch.setattr(Trainer, "step", killed)
    notes = tmp_path / "notes.checkpoint"
    with pytest.raises(KeyboardInterrupt):
        train_fast(*material, steps=5, net=small_net(material[0]), checkpoint=notes, **options)
    monkeypatch.setattr(Trainer, "step", step)
    seen = []
    resumed = train_fast(*material, steps=5, net=small_net(material[0]), checkpoint=notes,
                         sample=lambda picture, net: seen.append(picture), **options)
    for one, other in zip(whole.parameters(), resumed.parameters()):
        assert torch.equal(one, other)
    assert [picture.shape for picture in seen] == [material[1][0].shape]
    with pytest.raises(CheckpointError, match="other settings \\(alpha\\)"):
        train_fast(*material, steps=5, net=small_net(material[0]), checkpoint=notes, alpha=0.7, **options)
    save_checkpoint({"something": 1}, notes)
    with pytest.raises(CheckpointError, match="no checkpoint of train_fast"):
        train_fast(*material, steps=5, net=small_net(material[0]), checkpoint=notes, **options)


def test_minutes_count_what_was_spent_in_steps(features, material, monkeypatch):
    """Three seconds a step, and once a pause of an hour (a laptop's sleep), which counts as five: 0.5 min = 10 or 9 steps."""
    clock = iter(range(0, 10**6, 3))
    times = {"now": 0}

    def now():
        times["now"] = next(clock) + (3600 if times["now"] > 12 else 0)
        return times["now"]
    monkeypatch.setattr("nst_lessons.fast.train.time.monotonic", now)
    done = []
    monkeypatch.setattr(Trainer, "step", lambda self, progress: done.append(progress) or {"total": 0.0})
    train_fast(*material, minutes=0.5, net=small_net(material[0]), features=features, progress=False, **SMALL)
    assert 9 <= len(done) <= 10 and done == sorted(done) and done[0] == 0


@pytest.mark.parametrize("ends", [{}, {"steps": 3, "minutes": 1}])
def test_training_must_know_when_to_end(ends):
    with pytest.raises(ValueError, match="give one of them"):
        train_fast({}, [], **ends)


def test_a_new_style_moves_nothing_else(features, material):
    styles, photos = material
    net = small_net()
    larger = learn_style(net, "mine", styles["waves"], photos, steps=3, features=features, progress=False, **SMALL)
    assert net.styles == ["a", "b"] and larger.styles == ["a", "b", "mine"]
    photo = some(1, 3, 24, 24)
    for name in net.styles:
        torch.testing.assert_close(larger(photo, name), net(photo, name), rtol=0, atol=1e-6)
    fresh = add_style(net, "mine")
    assert (larger(photo, "mine") - fresh(photo, "mine")).abs().max() > 1e-3
    moved = [name for name, p in larger.named_parameters() if p.ndim == 4 and not torch.equal(p, dict(fresh.named_parameters())[name])]
    assert moved == []
    with pytest.raises(ValueError, match="has a style 'a' already"):
        learn_style(net, "a", styles["waves"], photos, steps=1)


# --- two processes ---------------------------------------------------------------------------------------------------

def _one_of_two(rank, folder):
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    styles, photos = torch.load(f"{folder}/material.pt")
    trainer = Trainer(styles, photos, net=small_net(styles, seed=rank), **SMALL)       # the first process's start is everybody's
    for k in range(3):
        trainer.step(k / 3)
    torch.save([p.detach() for p in trainer.net.parameters()], f"{folder}/{rank}.pt")
    torch.distributed.destroy_process_group()


@pytest.mark.alone
def test_two_processes_are_one_with_the_doubled_batch(features, material, tmp_path):
    torch.save(material, tmp_path / "material.pt")
    torch.multiprocessing.spawn(_one_of_two, (str(tmp_path),), nprocs=2)
    alone = Trainer(*material, net=small_net(material[0]), features=features, **SMALL | {"batch": 4})
    start = copy.deepcopy(alone.net)
    for k in range(3):
        alone.step(k / 3)
    first, second = (torch.load(tmp_path / f"{rank}.pt") for rank in range(2))        # half of each step each
    moved = max((one - other).abs().max().item() for one, other in zip(alone.net.parameters(), start.parameters()))
    for one, other, both in zip(first, second, alone.net.parameters()):
        assert torch.equal(one, other)
        torch.testing.assert_close(one, both.detach(), rtol=0, atol=0.01 * moved)


# --- on disk ---------------------------------------------------------------------------------------------------------

def test_a_saved_network_is_the_same_network(tmp_path):
    for norm in ("instance", "batch"):
        net, photo = small_net(norm=norm), some(1, 3, 20, 24)
        again = load_fast(save_fast(net, tmp_path / "net.safetensors"))
        (tmp_path / "plain").touch()
        assert (tmp_path / "net.safetensors").stat().st_mode == (tmp_path / "plain").stat().st_mode
        (tmp_path / "plain").unlink()
        assert again.styles == net.styles and [path.name for path in tmp_path.iterdir()] == ["net.safetensors"]
        torch.testing.assert_close(again(photo, "b"), net(photo, "b").detach(), rtol=0, atol=0.01)      # half precision


def test_other_files_are_refused(tmp_path):
    with pytest.raises(WeightsError, match="tiny.safetensors holds no one-pass network"):
        load_fast(embedded("tiny.safetensors"))
    (tmp_path / "x.safetensors").write_bytes(b"nothing")
    with pytest.raises(WeightsError, match="damaged"):
        load_fast(tmp_path / "x.safetensors")


@pytest.fixture(scope="module")
def shipped():
    return load_fast()


def test_the_shipped_file_has_eight_styles_of_the_museum_in_little_room(shipped):
    assert len(set(shipped.styles)) >= 8 and set(shipped.styles) <= set(nst.samples()["paintings"])
    assert embedded("fast.safetensors").stat().st_size <= 1.5e6


def test_every_shipped_style_halves_the_style_error(shipped, features):
    photos = [nst.load_image(name, size=256) for name in ("astronaut", "cat")]
    for name in shipped.styles:
        style = nst.load_image(name, size=256)
        for photo in photos:
            before, after = nst.style_error(photo, style, features), nst.style_error(shipped(photo, name), style, features)
            assert after < 0.5 * before, name


def test_at_512_pixels_there_are_no_seams_and_no_border(shipped):
    """Along columns and rows the mean jump to the neighbor is nowhere unusual: not at the border, not at multiples of 4."""
    flat = torch.full((1, 3, 512, 512), 0.5) + 0.02 * some(1, 3, 512, 512)
    painted = shipped(flat, "starry")
    for dim in (2, 3):
        jumps = painted.diff(dim=dim).abs().mean(dim=[d for d in (0, 1, 2, 3) if d != dim])
        assert jumps.max() < 2.5 * jumps.mean()
        phases = torch.stack([jumps[8 + k:-8:4].mean() for k in range(4)])
        assert phases.max() < 1.5 * phases.min()


def test_public_names_are_there():
    assert all(hasattr(fast, name) for name in fast.__all__)
    assert json.dumps(load_fast().shape)
