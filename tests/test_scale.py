"""Lesson 10: tiles against the whole picture, half precision against full, two processes against one, and one that is killed."""
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import nst_lessons as nst
from nst_lessons import Features, Objective, Settings, features, load_image
from nst_lessons.losses import Weighted
from nst_lessons.scale import cut, grid, half, memory, plan, processes, reach, tiled
from nst_lessons.statistics import TERMS
from nst_lessons.stylize import paint, stylize

ROOT = Path(__file__).resolve().parents[1]
STYLES = ["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"]


@pytest.fixture(scope="module")
def network():
    """An untrained network with VGG's layers, in float64, so that rounding hides nothing."""
    return Features("random", device="cpu").double()


def picture(height, width, seed=0, batch=1, dtype=torch.float64):
    return torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(seed)).to(dtype)


def asked(objective, image):
    """(Terms, gradient) of an objective at an image."""
    image = image.clone().requires_grad_()
    terms = objective(image)
    terms.total.backward()
    return terms, image.grad


def same(whole, parts, image, tolerance=1e-9):
    """Both objectives give the same loss, the same parts of it, and the same gradient."""
    (one, gradient), (other, found) = asked(whole, image), asked(parts, image)
    assert abs(one.total - other.total) <= tolerance * one.total.abs()
    assert (gradient - found).norm() <= tolerance * gradient.norm() and gradient.norm() > 0
    assert one.by_layer.keys() == other.by_layer.keys()
    for kind, layers in one.by_layer.items():
        assert layers.keys() == other.by_layer[kind].keys()
        for layer in layers:
            torch.testing.assert_close(other.by_layer[kind][layer], layers[layer], rtol=tolerance, atol=1e-12)


# --- cutting ----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("length", [16, 31, 64, 65, 200, 509, 1024])
@pytest.mark.parametrize("tile", [32, 64, 200, 4096])
def test_parts_cover_a_side_once_and_are_as_long_as_asked(length, tile):
    parts = cut(length, tile, 80, 16)
    assert [px for start, stop, *_ in parts for px in range(start, stop)] == list(range(length))
    for start, stop, wide_start, wide_stop in parts:
        assert start % 16 == wide_start % 16 == 0 and 0 < stop - start <= tile + 16
        assert wide_start == max(0, start - 80) and wide_stop == min(length, stop + 80)


def test_a_grid_covers_every_pixel_once():
    seen = torch.zeros(75, 130)
    for tile in grid((1, 3, 75, 130), 40, 16, 16):
        seen[tile.rows, tile.columns] += 1
    assert (seen == 1).all()


# --- how far layers look ----------------------------------------------------------------------------------------------

def test_the_reach_of_vgg_is_that_of_its_arithmetic(network):
    steps = {"relu1_1": (1, 1), "relu2_1": (5, 2), "relu3_1": (14, 4), "relu4_1": (38, 8), "relu5_1": (86, 16)}
    for layer, (_, stride) in steps.items():
        found, pixels = reach(network, [layer], torch.zeros(1).double()), picture(256, 64).requires_grad_()
        assert found.strides == {layer: stride} and found.stride == stride and found.margin % stride == 0
        act = network(pixels, [layer])[layer]
        row = act.shape[2] // 2
        act[:, :, row].sum().backward()                                    # an independent measure: where its gradient is not zero
        felt = pixels.grad.abs().amax(dim=(0, 1, 3)).nonzero()
        before, after = row * stride - felt[0].item(), felt[-1].item() - (row + 1) * stride + 1
        assert found.margin - stride < max(before, after) <= found.margin


class Odd(nn.Module):
    """Layers that cannot be tiled: one that looks everywhere, one that knows where it is."""
    layers = ["everywhere", "place"]

    def forward(self, image, wanted):
        found = {"everywhere": image / image.mean(dim=(2, 3), keepdim=True),
                 "place": image * torch.arange(image.shape[2]).to(image).view(1, 1, -1, 1)}
        return {name: found[name] for name in self.layers if name in wanted}


@pytest.mark.parametrize("layer, message", [("everywhere", "everywhere of odd looks at the whole picture at once"),
                                            ("place", "place of odd depends on where a picture begins")])
def test_what_cannot_be_tiled_is_refused_by_name(layer, message, monkeypatch):
    monkeypatch.setitem(features._BUILDERS, "odd", lambda weights, pooling: Odd())
    objective = Objective(Features("odd", device="cpu"), picture(32, 32, dtype=torch.float32), picture(32, 32, dtype=torch.float32),
                          content_layers=[layer], style_layers=[layer])
    with pytest.raises(ValueError, match=message):
        tiled(objective, 32)


# --- the same loss and gradient ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("height, width, tile", [(112, 128, 64), (93, 107, 48), (64, 203, 100), (40, 41, 512), (33, 47, 32)])
def test_tiles_give_the_same_in_float64(network, height, width, tile):
    content, style = picture(height, width), picture(90, 70, seed=1)
    whole = Objective(network, content, style)
    same(whole, tiled(Objective(network, content, style), tile), picture(height, width, seed=2))
    same(whole, tiled(whole, tile), picture(height, width, seed=2))        # of one whose targets were there before


@pytest.mark.parametrize("options", [{"scaling": "gatys"}, {"scaling": "article"}, {"alpha": 0}, {"style_weights": [0.8, 0.2]},
                                     {"style_layers": ["conv1_2", "relu4_4"]}, {"content_layers": {"conv2_2": 2.0}},
                                     {"style_term": TERMS["mean_std"]}], ids=str)
def test_tiles_give_the_same_whatever_is_asked(network, options):
    content, styles = picture(72, 60, batch=2), [picture(64, 50, seed=1), picture(40, 48, seed=3)]
    make = lambda: Objective(network, content, styles, **options)
    same(make(), tiled(make(), 32), 1.2 * picture(72, 60, seed=2, batch=2) - 0.1)        # with values outside of [0, 1] too


def test_tiles_give_the_same_in_float32_on_real_pictures():
    network, photo, style = Features("tiny", device="cpu"), load_image("astronaut", size=224), load_image("starry", size=200)
    make = lambda: Objective(network, photo, style)
    same(make(), tiled(make(), 96), photo + 0.1 * torch.randn(photo.shape, generator=torch.Generator().manual_seed(0)), 1e-5)


@pytest.mark.parametrize("name", ["vgg16", "resnet50", "squeezenet1_1"])
def test_other_networks_are_tiled_too(name):
    network = Features(name, weights="random", device="cpu").double()
    content, style = picture(208, 48), picture(64, 64, seed=1)
    make = lambda: Objective(network, content, style, style_layers=network.style_layers[:3])
    same(make(), tiled(make(), 80), picture(208, 48, seed=2))


def test_a_naive_cut_is_not_the_same(network):
    """What would be wrong without margins is seen by the very same comparison."""
    content, style, image = picture(128, 128), picture(64, 64, seed=1), picture(128, 128, seed=2)
    objective = Objective(network, content, style, alpha=0, gamma=0)
    _, gradient = asked(objective, image)
    halves = [asked(Objective(network, content[..., part], style, alpha=0, gamma=0), image[..., part])[1]
              for part in (slice(0, 64), slice(64, 128))]
    assert (torch.cat(halves, dim=3) / 2 - gradient).norm() > 0.05 * gradient.norm()


def test_the_gradient_passes_through_what_stands_before(network):
    """As in a Spectrum: the picture is itself computed, and the loss goes on to be scaled."""
    content, style = picture(80, 96), picture(64, 64, seed=1)
    z, found = picture(80, 96, seed=3), []
    for objective in (Objective(network, content, style), tiled(Objective(network, content, style), 32)):
        one = z.clone().requires_grad_()
        (3 * objective(content + 0.5 * one.roll(1, dims=3)).total).backward()
        found.append(one.grad)
    torch.testing.assert_close(*found, rtol=1e-9, atol=1e-15)


def test_without_gradients_only_the_loss_is_computed(network):
    content, style = picture(80, 96), picture(64, 64, seed=1)
    objective = tiled(Objective(network, content, style), 32)
    with torch.no_grad():
        total = objective(content.clone().requires_grad_()).total
    assert not total.requires_grad and torch.isclose(total, objective(content).total)


class Whole:
    """A term of someone's own that no sum can make."""
    kind, layer, layers, whole = "median", "image", (), True

    def measure(self, acts, image):
        return {"median": image.flatten(1).median(dim=1).values}

    def loss(self, sums):
        return sums["median"]


def test_a_term_that_cannot_be_summed_is_refused_by_name(network):
    objective = Objective(network, picture(64, 64), picture(64, 64, seed=1))
    parts = tiled(objective, 32)
    objective.terms.append(Weighted(1.0, 1, Whole()))
    for attempt in (lambda: tiled(objective, 32), lambda: parts(picture(64, 64))):
        with pytest.raises(ValueError, match=r"the term 'median' \(Whole\) needs the whole picture at once and cannot be tiled"):
            attempt()
    with pytest.raises(ValueError, match="SlicedTerm"):
        tiled(Objective(network, picture(64, 64), picture(64, 64, seed=1), style_term=TERMS["sliced"]), 32)


class Wanted:
    """A term of someone's own that is tied to places: the mean square from a picture, where a mask says so."""
    kind, layer, layers, whole = "wanted", "image", (), False

    def __init__(self, goal, mask):
        self.goal, self.mask = goal, mask

    def crop(self, rows, columns):
        return Wanted(self.goal[..., rows, columns], self.mask[..., rows, columns])

    def measure(self, acts, image):
        return {"squares": (self.mask * (image - self.goal).pow(2)).sum(dim=(1, 2, 3)), "places": self.mask.sum()}

    def loss(self, sums):
        return sums["squares"] / sums["places"]


def test_terms_of_later_lessons_plug_in(network):
    content, style = picture(96, 80), picture(64, 64, seed=1)
    objective = Objective(network, content, style)
    objective.terms.append(Weighted(5.0, 1, Wanted(picture(96, 80, seed=4), (picture(96, 80, seed=5) > 0.5).double())))
    same(objective, tiled(objective, 32), picture(96, 80, seed=2))


@pytest.mark.parametrize("tile", [0, -1, 64.0, None, "64"])
def test_a_tile_that_makes_no_sense_is_refused(network, tile):
    with pytest.raises(ValueError, match="makes no sense; give the side of a tile in px"):
        tiled(Objective(network, picture(64, 64), picture(64, 64)), tile)


# --- memory -----------------------------------------------------------------------------------------------------------

PEAK = """
import re, sys, torch, nst_lessons as nst
from nst_lessons.scale import tiled
memory = lambda what: int(re.search(what + r":\\s+(\\d+)", open("/proc/self/status").read())[1]) / 2**10
size, tile = int(sys.argv[1]), int(sys.argv[2])
photo, style = torch.rand(1, 3, size, size), torch.rand(1, 3, size, size)
objective = nst.Objective(nst.Features("tiny", device="cpu"), photo, style)
objective = tiled(objective, tile) if tile else objective
before = memory("VmRSS")
objective(photo.clone().requires_grad_()).total.backward()
print(memory("VmHWM") - before)        # the highest so far; getrusage would count the parent's too
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="memory is read from /proc")
def test_a_tile_at_a_time_needs_a_tiles_memory():
    """Targets and their making included. (4096 px, in under 4 GiB, takes minutes: benchmarks/scale.py.)"""
    whole, parts = (float(subprocess.run([sys.executable, "-c", PEAK, "400", tile], cwd=ROOT, capture_output=True, text=True,
                                         check=True).stdout) for tile in ("0", "64"))
    assert parts < whole / 2, (parts, whole)                               # MiB


def objective_of(size, network=None):
    """An Objective whose pictures have a size but no pixels."""
    empty = torch.empty(1, 3, size * 3 // 4, size)
    return Objective(network or Features("random", device="cpu"), empty, empty)


def test_plans_cut_the_picture_then_the_memory_of_lbfgs_then_choose_adam():
    gib, objective = 2**30, objective_of(2048)
    assert plan(objective, room=64 * gib) == (None, "lbfgs", 20)
    plans = [plan(objective, room=room * gib) for room in (16, 8, 5, 4, 3, 2)]
    tiles, methods, histories = zip(*plans)
    assert tiles[0] is None and tiles[1] is not None
    assert methods[0] == "lbfgs" and methods[-1] == "adam" and list(methods) == sorted(methods, reverse=True)
    shorter = [history for method, history in zip(methods, histories) if method == "lbfgs"]
    assert shorter == sorted(shorter, reverse=True) and shorter[-1] < 20
    assert plan(objective, "adam", room=4 * gib).method == "adam"
    assert plan(objective, tile=300, room=64 * gib).tile == 300 and plan(objective, tile=5000, room=64 * gib).tile is None


def test_no_tile_of_a_plan_is_larger_than_memory_allows():
    found = reach(Features("random", device="cpu"), STYLES, torch.zeros(1))
    for pixels in (300**2, 500**2, 1500**2):
        tile = memory.best_tile((1536, 2048), pixels, found)
        sizes = [(t.wide_rows.stop - t.wide_rows.start) * (t.wide_columns.stop - t.wide_columns.start)
                 for t in grid((1536, 2048), tile, found.margin, found.stride)]
        assert max(sizes) <= pixels
    assert memory.best_tile((1536, 2048), 10, found) < 64                  # nothing fits: the smallest there is


@pytest.mark.skipif(not os.path.exists("/proc/meminfo"), reason="Linux tells what is free there")
def test_free_memory_is_what_the_system_says(monkeypatch):
    psutil_like = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in Path("/proc/meminfo").read_text().splitlines()}
    assert 0 < memory.free("cpu") <= psutil_like["MemTotal"]
    files = {"/proc/meminfo": ["MemTotal: 9 kB", "MemAvailable: 5000 kB"], "/sys/fs/cgroup/memory.max": ["3000000"],
             "/sys/fs/cgroup/memory.current": ["1000000"]}
    monkeypatch.setattr(memory, "_lines", lambda path: files.get(path, []))
    assert memory.free("cpu") == 2_000_000                                 # a container allows less than the machine has
    files["/sys/fs/cgroup/memory.max"] = ["max"]
    assert memory.free("cpu") == 5000 * 1024
    files.clear()
    assert memory.free("cpu") == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2


def test_painting_turns_to_tiles_by_itself(monkeypatch):
    """And paints the same: the first steps are equal to rounding (later ones drift, as L-BFGS takes every difference up)."""
    photo, style = load_image("cat", size=320)[..., 60:124, :].contiguous(), load_image("mosaic", size=96)
    settings, ends = Settings(levels=1, steps=4, backbone="random"), {}
    for free in (64e9, 70e6, 50e6):
        monkeypatch.setattr(memory, "free", lambda device: free)
        *_, ends[free] = paint(photo, style, settings)
    whole, parts, adam = ends.values()
    assert whole.plan.tile is None and parts.plan.tile < 320 and adam.plan.tile < 320
    assert parts.plan.method == "lbfgs" and parts.plan.history < 20 and adam.plan.method == "adam"
    assert (parts.image - whole.image).abs().max() < 1e-3 and adam.terms.total < 1
    monkeypatch.setattr(memory, "free", lambda device: 64e9)
    *_, chosen = paint(photo, style, Settings(levels=1, steps=4, backbone="random", tile=48))
    assert chosen.plan == (48, "lbfgs", 20) and (chosen.image - whole.image).abs().max() < 1e-3


def test_a_resumed_run_keeps_its_optimizer_whatever_memory_there_is_now(monkeypatch):
    settings = Settings(levels=1, steps=12, backbone="random")
    photo, style = load_image("cat", size=64), load_image("mosaic", size=64)
    monkeypatch.setattr(memory, "free", lambda device: 1e6)
    for last in paint(photo, style, settings):
        if last.evaluations >= 5:
            state = last.state()
            break
    assert last.plan.method == "adam"
    monkeypatch.setattr(memory, "free", lambda device: 64e9)
    *_, resumed = paint(photo, style, settings, state=state)
    assert resumed.plan.method == "adam" and resumed.evaluations == 12


# --- half precision ---------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("precision, tolerance", [("bf16", 0.2), ("fp16", 0.1)])
def test_half_precision_is_near_and_comes_out_as_float32(precision, tolerance):
    network, photo, style = Features("tiny", device="cpu"), load_image("cat", size=64), load_image("starry", size=64)
    less = half(network, precision)
    acts, truth = less(photo, STYLES), network(photo, STYLES)
    for layer in STYLES:
        assert acts[layer].dtype == torch.float32
        assert 0 < (acts[layer] - truth[layer]).norm() < 0.02 * truth[layer].norm()
    assert (less.layers, less.style_layers, less.device) == (network.layers, network.style_layers, network.device)
    image = photo + 0.1 * torch.randn(photo.shape, generator=torch.Generator().manual_seed(0))
    (one, gradient), (other, found) = (asked(Objective(one, photo, style), image) for one in (network, less))
    assert abs(one.total - other.total) < 0.02 * one.total and (gradient - found).norm() < tolerance * gradient.norm()


@pytest.mark.parametrize("factor", [1e-6, 1.0, 1e6])
def test_slopes_neither_drown_nor_overflow_in_fp16(factor):
    """Slopes of 10⁻¹² or 10³ would be zero or infinite in 16 bits; between the network's ends they are brought to its range."""
    network, photo, style = Features("tiny", device="cpu"), load_image("cat", size=48), load_image("starry", size=48)
    weights = {"alpha": 0.05 * factor, "beta": factor, "gamma": 0}
    image = 0.9 * photo
    gradients = [asked(Objective(one, photo, style, **weights), image)[1] for one in (network, half(network, "fp16"))]
    assert torch.cosine_similarity(*(one.flatten() for one in gradients), dim=0) > 0.995
    assert gradients[1].norm() / gradients[0].norm() == pytest.approx(1, abs=0.02)


def test_full_precision_is_the_network_itself_and_other_words_are_refused(network):
    assert half(network, "fp32") is network
    with pytest.raises(ValueError, match="unknown precision 'fp8'; choose one of fp32, bf16, fp16"):
        half(network, "fp8")


def test_half_precision_paints_as_well():
    network, photo, style = Features("tiny", device="cpu"), load_image("cat", size=64), load_image("starry", size=64)
    errors = [nst.style_error(stylize(photo, style, steps=40, precision=precision), style, network) for precision in ("fp32", "bf16")]
    assert errors[1] < 1.5 * errors[0] < 0.2 * nst.style_error(photo, style, network)


def test_half_precision_and_tiles_go_together():
    network, photo, style = Features("tiny", device="cpu"), load_image("cat", size=112), load_image("starry", size=64)
    make = lambda: Objective(half(network, "bf16"), photo, style)
    (one, gradient), (other, found) = asked(make(), 0.9 * photo), asked(tiled(make(), 48), 0.9 * photo)
    assert abs(one.total - other.total) < 1e-2 * one.total and (gradient - found).norm() < 0.1 * gradient.norm()


# --- many processes ---------------------------------------------------------------------------------------------------

def test_alone_a_process_has_everything():
    things, tensor = [1, 2, 3], torch.ones(2)
    assert processes.share(things) == things and processes.add_up(tensor) is tensor
    assert (processes.rank(), processes.count(), processes.least(3)) == (0, 1, 3)
    processes.agree(3, "nothing")
    assert processes.usual(3) == 3 and processes.usual(0) >= 1
    with pytest.raises(ValueError, match="-2 processes cannot paint"):
        processes.usual(-2)


def together(script, *arguments, count=2):
    """torchrun with a script; two gloo processes on this machine."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""}
    for _ in range(2):                     # on a busy machine gloo's own threads were once seen to abort a process; then once more
        done = subprocess.run([sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(count), script,
                               *map(str, arguments)], env=environment, capture_output=True, text=True, timeout=200)
        if "terminate called without an active exception" not in done.stderr:
            break
    return done


SHARED = """
import sys, torch
from nst_lessons import Features, Objective
from nst_lessons.scale import processes, tiled
folder, *pairs = sys.argv[1:]
make = lambda seed, side: torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(seed))
with processes.joined() as group:
    for size, tile in [map(int, pair.split("/")) for pair in pairs]:
        objective = tiled(Objective(Features("tiny", device="cpu"), make(0, size), make(1, 64)), tile, group)
        image = make(2, size).requires_grad_()
        terms = objective(image)
        terms.total.backward()
        torch.save([terms.total.detach(), image.grad], f"{folder}/{size}.{processes.rank(group)}")
    try:
        processes.agree(processes.rank(group), "their ranks", group)
    except ValueError as error:
        print(error)
"""
SIDES = {"many tiles": (128, 48), "few": (112, 64), "one tile for two": (64, 64)}           # of a picture, of a tile


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """{size: [(loss, gradient) of each of two processes]}, all asked of one pair: most of the time goes into starting them."""
    folder = tmp_path_factory.mktemp("shared")
    script = folder / "shared.py"
    script.write_text(SHARED)
    done = together(script, folder, *(f"{size}/{tile}" for size, tile in SIDES.values()))
    assert done.returncode == 0 and done.stdout.count("the processes differ in their ranks") == 2, done.stderr
    return {size: [torch.load(folder / f"{size}.{rank}") for rank in range(2)] for size, _ in SIDES.values()}


@pytest.mark.alone
@pytest.mark.parametrize("size, tile", SIDES.values(), ids=SIDES)
def test_two_processes_equal_one(answers, size, tile):
    make = lambda seed, side: torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(seed))
    one, gradient = asked(Objective(Features("tiny", device="cpu"), make(0, size), make(1, 64)), make(2, size))
    (loss, found), (other, again) = answers[size]
    assert torch.equal(found, again) and loss == other                     # the same to the last bit: so both take the same step
    assert abs(loss - one.total) <= 1e-6 * one.total and (found - gradient).norm() <= 1e-5 * gradient.norm()


QUICK = ["--size", "80", "--steps", "16", "--levels", "2", "--backbone", "random", "--tile", "48", "--quiet"]


def command(*arguments):
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.Popen([sys.executable, *arguments], env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            start_new_session=True)


def pixels(path):
    return np.asarray(Image.open(path)).astype(int)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """What one process paints, as pixels."""
    path = tmp_path_factory.mktemp("alone") / "one.png"
    run = command("-m", "nst_lessons", "stylize", "cat", "mosaic", "-o", str(path), *QUICK)
    assert run.wait(200) == 0, run.stderr.read()
    return pixels(path)


@pytest.mark.parametrize("how", [["-m", "nst_lessons", "stylize", "--distributed", "2"],
                                 ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "nst_lessons.scale"]],
                         ids=["by itself", "by torchrun"])
@pytest.mark.alone
def test_the_command_paints_with_two_processes_what_one_paints(alone, tmp_path, monkeypatch, how):
    monkeypatch.chdir(tmp_path)
    both = command(*how, "cat", "mosaic", "-o", "two.png", *QUICK)
    assert both.wait(200) == 0, both.stderr.read()
    assert np.abs(alone - pixels("two.png")).mean() < 1                    # of 255: gloo adds in another order
    assert os.listdir() == ["two.png"]


def test_bad_input_is_told_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = command("-m", "nst_lessons", "stylize", "nowhere.png", "mosaic", "-o", "two.png", *QUICK, "--distributed", "2")
    out, err = done.communicate(timeout=200)
    assert (done.returncode, out) == (2, "") and err.count("\n") == 1 and "nowhere.png" in err


LONG = ["--size", "64", "--steps", "80", "--levels", "1", "--backbone", "random", "--tile", "32", "--quiet"]
HURRIED = "import sys; from nst_lessons.cli import main, stylize; stylize._SAVE_EVERY = 0.2; sys.exit(main(sys.argv[1:]))"


def workers(parent):
    """{rank: process id} of the processes that torchrun started, read from their environments."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environment = dict(item.split("=", 1) for item in (folder / "environ").read_text().split("\0") if "=" in item)
            if (folder / "stat").read_text().rsplit(")", 1)[1].split()[1] == str(parent) and "LOCAL_RANK" in environment:
                found[int(environment["RANK"])] = int(folder.name)
        except (OSError, UnicodeDecodeError):
            continue                                                       # it has ended meanwhile, or is somebody else's
    return found


@pytest.mark.skipif(not os.path.exists("/proc/self/environ"), reason="processes are found in /proc")
@pytest.mark.skipif("CI" in os.environ, reason="kills a process at a moment that a busy machine moves; run it by hand")
@pytest.mark.parametrize("victim", [0, 1])
@pytest.mark.alone
def test_a_process_that_is_killed_ends_the_run_and_leaves_a_checkpoint(tmp_path, monkeypatch, victim):
    monkeypatch.chdir(tmp_path)
    script = tmp_path / "hurried.py"
    script.write_text(HURRIED)
    run = command("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(script), "stylize", "cat", "mosaic",
                  "-o", "out.png", *LONG, "--distributed")
    notes, end = tmp_path / "out.png.checkpoint", time.monotonic() + 120
    while not notes.exists() and run.poll() is None and time.monotonic() < end:
        time.sleep(0.05)
    assert notes.exists() and run.poll() is None, run.communicate()
    os.kill(workers(run.pid)[victim], signal.SIGKILL)
    out, err = run.communicate(timeout=100)
    assert run.returncode not in (0, None) and not Path("out.png").exists()
    line, = [line for line in err.splitlines() if line.startswith("nst-lessons: ")]
    assert "another process has ended" in line and "out.png.checkpoint, and --resume goes on" in line
    assert [name for name in os.listdir() if "checkpoint" in name] == ["out.png.checkpoint"]
    resumed = command("-m", "nst_lessons", "stylize", "cat", "mosaic", "-o", "out.png", *LONG, "--resume")
    out, err = resumed.communicate(timeout=200)
    assert (resumed.returncode, out) == (0, "") and "nothing to resume" not in err
    assert pixels("out.png").std() > 5 and not notes.exists()


def test_the_launcher_says_in_one_line_who_died(monkeypatch):
    """processes.launch with a program that kills itself, in place of nst_lessons."""
    from torch.distributed.launcher import api
    real = api.elastic_launch
    program = "import os, signal, time\nif os.environ['RANK'] == '1': os.kill(os.getpid(), signal.SIGKILL)\ntime.sleep(60)"
    monkeypatch.setattr(api, "elastic_launch", lambda config, python: lambda *arguments: real(config, python)("-c", program))
    monkeypatch.setattr(processes.os, "environ", os.environ)
    assert processes.launch(2, []) == (1, "process 1 of 2 was ended by SIGKILL")
