"""The measurements measure what they say: their yardsticks on pictures whose answer is known."""
import runpy
from pathlib import Path

import pytest
import torch

from benchmarks import attention, engine, fast, regions, scale, selfsup, sweep, teacher, tiny_quality
from nst_lessons import Features, Objective, load_image, style_error

shared = pytest.mark.skipif(not (teacher.SHARED / "judge.py").exists(), reason="wants ../shared: teachers, judge and held-out pictures")


def test_the_bare_loop_computes_the_objective_and_its_gradient():
    photo, style = load_image("cat", size=48), load_image("mosaic", size=64)
    features = Features("tiny", weights="random")
    losses = []
    for loss in (lambda x: Objective(features, photo, style, alpha=0.1, beta=1, gamma=0.15)(x).total, engine._bare(features, photo, style)):
        image = (photo + 0.1).requires_grad_()
        total = loss(image)
        total.backward()
        losses.append((total.detach(), image.grad))
    torch.testing.assert_close(losses[0], losses[1], rtol=1e-3, atol=1e-6)


def test_the_tutorial_loop_spends_what_it_is_given_and_learns():
    photo, style, calls = load_image("cat", size=32), load_image("mosaic", size=32), []
    objective = Objective(Features("tiny", weights="random"), photo, style)

    def counted(image):
        calls.append(1)
        return objective(image)
    last, seconds = engine.tutorial_loop(counted, photo, evaluations=30)
    assert 30 <= len(calls) < 50 and seconds > 0                 # torch's step() may run on past the budget, its loss is not taken
    assert last < objective(photo).total.item()


def test_roughness_of_color_sees_colored_noise_and_no_gray_noise():
    torch.manual_seed(0)
    flat, noise = torch.full((1, 3, 64, 64), 0.5), 0.1 * torch.randn(1, 3, 64, 64)
    gray = tiny_quality.roughness_of_color(flat + noise[:, :1], flat)
    colored = tiny_quality.roughness_of_color(flat + noise, flat)
    assert gray < 1e-6 and colored > 0.05
    assert colored == pytest.approx(2 * tiny_quality.roughness_of_color(flat + noise / 2, flat), rel=1e-3)


def test_statistics_are_compared_at_equal_time(monkeypatch):
    monkeypatch.setattr(sweep, "SIZE", 48)
    found = {name: rest for name, *rest in sweep.at_equal_time(seconds=0.5)}
    assert list(found) == ["gram", "mean_std", "covariance", "sliced", "patches"]
    assert all(evaluations > 1 and 0 < style < 1 and 0 < content for evaluations, style, content in found.values())


@shared
def test_only_pictures_that_no_training_saw_are_judged():
    numbers = sorted(int(p.stem) for p in (teacher.SHARED / "photos").glob("*.jpg"))
    for photo, style in tiny_quality.pairs(12):
        assert int(photo.stem) >= numbers[-50]
        assert getattr(style, "stem", style) not in {"gauguin_tahiti", "kandinsky", "monet_water_lilies", "turner_shipwreck",
                                                     "van_gogh_olive_trees", "van_gogh_wheat_field"}


@shared
def test_the_composite_teacher_sees_what_the_judge_sees():
    image = torch.rand(1, 3, 64, 48)
    import importlib.util
    spec = importlib.util.spec_from_file_location("judge", teacher.SHARED / "judge.py")
    judge = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(judge)
    truth, mine = judge.acts(image), teacher.Composite()(image, ["relu1_1", "relu3_1", "relu5_1"])
    for layer, act in mine.items():
        torch.testing.assert_close(act, truth[layer.removeprefix("relu")], rtol=1e-3, atol=1e-2)


class _Unmoved(torch.nn.Module):
    """A network that paints nothing: the photograph comes back."""
    styles = ["starry"]

    def mix(self, style):
        return torch.ones(1, 1)

    def forward(self, photo, style):
        return photo


def test_one_pass_networks_are_held_against_the_photograph_itself():
    photos = [load_image("cat", size=64)]
    assert fast.style_ratios(_Unmoved(), photos, Features("tiny")) == {"starry": pytest.approx(1)}
    assert 0 < fast.milliseconds(_Unmoved(), size=16, rounds=3) < 1000
    assert len(fast.photographs(3)) == 3


@shared
def test_one_pass_networks_are_measured_on_what_training_did_not_see():
    numbers = sorted(int(path.stem) for path in (teacher.SHARED / "photos").glob("*.jpg"))
    assert all(int(path.stem) >= numbers[-50] for path in fast.photographs(6))
    assert fast.judged_ratios(_Unmoved(), fast.photographs(1)) == {"starry": pytest.approx(1)}


def test_a_table_of_sizes_and_what_does_not_fit(monkeypatch, capsys):
    monkeypatch.setattr(scale, "ratios", lambda: None)
    found = {(64, 0): (1.5, 0.75), (64, 32): (2.25, 0.5), (128, 0): None, (128, 32): (9.0, 0.6)}
    monkeypatch.setattr(scale, "fresh", lambda size, tile, *_: found[size, tile])
    scale.main(["--sizes", "64", "128", "--tile", "32"])
    lines = [line.split() for line in capsys.readouterr().out.splitlines()[2:]]
    assert lines == [["64", "fp32", "1.50", "0.75", "2.25", "0.50"], ["64", "bf16", "1.50", "0.75", "2.25", "0.50"],
                     ["128", "fp32", "not", "enough", "memory", "9.00", "0.60"], ["128", "bf16", "not", "enough", "memory", "9.00", "0.60"]]


def test_a_size_is_measured_in_a_process_of_its_own():
    seconds, gib = scale.fresh(64, 32)
    assert 0 < seconds < 60 and 0.1 < gib < 4
    with pytest.raises(RuntimeError, match="measuring 64 px failed.*nothing"):
        scale.fresh(64, 32, "nothing")


def test_what_cannot_fit_is_not_begun(monkeypatch):
    monkeypatch.setattr(scale.memory, "free", lambda device: 1e6)
    with pytest.raises(SystemExit) as ended:
        scale._one(64, 0, "tiny", "fp32", 1)
    assert ended.value.code == scale._NO_ROOM


def test_half_precision_and_tiles_are_measured():
    assert 0 < scale.precision_ratio("tiny", 48, rounds=1) < 20 and 0 < scale.tile_ratio(64, 32, rounds=1) < 20
    bf16, hair, full, less = scale.picture_difference(48, steps=4)
    assert 0 < bf16 < 60 and 0 < hair < 60 and 0 < full < 1 and 0 < less < 1


class _UnmovedByAny(torch.nn.Module):
    """A network for any style that paints nothing."""

    def look(self, painting):
        return painting

    def forward(self, photo, style):
        return photo


def test_networks_for_any_style_are_held_against_the_photograph_itself():
    photos, net = [load_image("cat", size=64)], _UnmovedByAny()
    error, ratio, each = attention.summary(attention.errors(net, photos, {"starry": "starry", "waves": "waves"}))
    assert ratio == pytest.approx(1, abs=0.02) and set(each) == {"starry", "waves"} and error > 0.05
    assert attention.summary({"a": [(0.1, 0.2), (0.3, 0.4)], "b": [(0.2, 0.8)]}) == (pytest.approx(0.2), pytest.approx(0.5), {
        "a": pytest.approx(0.625), "b": pytest.approx(0.25)})
    assert all(0 <= figure < 1000 for figure in attention.milliseconds(net, size=16, rounds=3))


def test_a_sheet_has_a_row_for_the_paintings_and_one_for_each_method():
    figure = attention.contact_sheet({"one": _UnmovedByAny(), "two": _UnmovedByAny()}, load_image("cat", size=64), {"starry": "starry"})
    assert [axis.get_ylabel() for axis in figure.axes] == ["painting", "one", "two"]


@shared
def test_networks_for_any_style_are_measured_on_what_training_did_not_see():
    script = runpy.run_path(str(Path(attention.__file__).parents[1] / "training/train_attention.py"))
    assert {file.stem for file in attention.unseen().values() if isinstance(file, Path)} == set(script["UNSEEN"])
    assert 0 not in script["SEEDS"] and set(attention.SCHOOLS) <= set(attention.unseen())        # a school's bare name is its seed 0


@pytest.mark.parametrize("name, minutes, own", [("fast", 80, "--styles"), ("mobile", 40, "--teacher"), ("steady", 38, "--begin")])
def test_scripts_that_train_share_their_options_and_have_their_own(monkeypatch, capsys, name, minutes, own):
    folder = Path(attention.__file__).parents[1] / "training"
    asked = runpy.run_path(str(folder / "train_fast.py"))["options"]("", name, minutes).parse_args([])
    assert asked.out.is_file() and asked.folder == folder / "runs" / name and (asked.minutes, asked.batch) == (minutes, 4)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setattr("sys.argv", [f"train_{name}.py", "--help"])
    with pytest.raises(SystemExit, match="0"):
        runpy.run_path(str(folder / f"train_{name}.py"), run_name="__main__")
    told = capsys.readouterr().out
    assert own in told and "--export-every" in told and "--minutes" in told


def test_masks_are_measured_inside_and_outside():
    largest, inside, painted = regions.background_only("coffee", "subject:0.03,0.02,0.97,0.98", "waves", size=64, steps=4)
    assert largest == 0 < inside and painted.shape == load_image("coffee", size=64).shape
    ratios, guided, mixed = regions.errors("coffee", "rectangle:0,0,0.5,1", "mosaic", "waves", size=96, steps=12)
    assert len(ratios) == 2 and max(ratios) < 0.9 and guided.shape == mixed.shape


def test_networks_are_measured_beside_the_photograph_itself(monkeypatch):
    photo, style = load_image("cat", size=64), load_image("mosaic", size=64)
    monkeypatch.setattr(selfsup, "SHARED", Path(__file__).parent)              # no judge.py here
    chosen = {name: selfsup.NETWORKS[name] for name in ("random", "patches", "resnet50, softmax")}
    monkeypatch.setattr(selfsup, "_cached", lambda name: False)
    networks = selfsup.at_hand(chosen)
    assert list(networks) == ["random", "patches"]
    found = list(selfsup.measure(networks, photo, style, 64, 4))
    assert [name for name, *_ in found] == ["the photograph", "random", "patches"]
    tiny = Features("tiny")
    for _, picture, seconds, figures in found:
        assert picture.shape == photo.shape and figures["style"] is None and figures["content"] is None
        assert figures["tiny"] == pytest.approx(style_error(picture, style, tiny)) and (seconds > 0.01) == (picture is not photo)


def test_a_file_of_selfsup_takes_the_place_of_the_shipped_one():
    assert selfsup.at_hand({"selfsup": {"backbone": "selfsup"}}, "own.safetensors") == {"selfsup": {"backbone": "selfsup", "weights": "own.safetensors"}}
