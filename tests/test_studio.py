"""The studio: every control is driven, as a browser would, and its effect is looked for in picture, settings, code and words."""
import base64
import html
import io
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from PIL import Image

import nst_lessons as nst
from nst_lessons import images
from nst_lessons.explorers import Studio
from nst_lessons.explorers.studio import code, desk, painter, sources
from nst_lessons.images import to_bytes
from nst_lessons.losses import Terms
from nst_lessons.scale import Plan
from nst_lessons.stylize import Progress, budgets, carried, paint, pyramid

EVALUATIONS, BLUE_SKY = 4, (40, 90, 200)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Paths of a photograph (a disc before a gradient) and of a painting (stripes in two colors), 48 px each."""
    folder = tmp_path_factory.mktemp("pictures")
    y, x = np.mgrid[:48, :48]
    disc = np.where(((x - 24)**2 + (y - 24)**2 < 200)[..., None], (230, 180, 150), np.stack([2 * x, 3 * y, 5 * (x % 48)], -1))
    stripes = np.where((((x + y) // 4) % 2 == 0)[..., None], BLUE_SKY, (240, 200, 60))
    for name, pixels in (("photo.png", disc), ("painting.png", stripes)):
        Image.fromarray(pixels.astype(np.uint8)).save(folder / name)
    return str(folder / "photo.png"), str(folder / "painting.png")


@pytest.fixture
def studio(files, tmp_path, monkeypatch):
    """A studio of 48 px and four evaluations, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    one = make(files)
    yield one
    one.stop.click()
    assert one.wait(30)


def make(files):
    one = Studio(*files)
    one.desk.size.min, one.desk.steps.min = 48, 1
    one.desk.size.value, one.desk.steps.value = 48, EVALUATIONS
    return one


def painted(one):
    """What is on the easel after a painting from beginning to end."""
    one.run.click()
    assert one.wait(60)
    assert one.problem.value == "" and "done after" in one.state.value, (one.problem.value, one.state.value)
    return one.picture.value


def drop(field, name, data):
    """What a browser sends when a file is dropped on a field."""
    field._handle_custom_msg({"name": name}, [memoryview(data)])


def png(color, size=48):
    file = io.BytesIO()
    Image.new("RGB", (size, size), color).save(file, "PNG")
    return file.getvalue()


def pixels(data):
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)


def until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


def evaluation(one):
    """The evaluation that its line tells."""
    return int(re.search(r"evaluation (\d+) of", one.state.value)[1])


def evaluation_of(one):
    return one.course.last.evaluations


def begin(one, size=96, steps=1000):
    """A long painting that has begun to grow."""
    one.desk.size.value, one.desk.steps.value = size, steps
    one.run.click()
    until(lambda: "painting" in one.state.value)


def progress(number, steps, image, level=0):
    terms = Terms(torch.tensor(1.0), {kind: {"layer": torch.tensor([0.5 / number])} for kind in ("content", "style", "tv")})
    return Progress(level, level + 1, number, steps, terms, image, dict, Plan("lbfgs", 20, None))


# --- painting --------------------------------------------------------------------------------------------------------

def test_run_paints(studio):
    photo = studio.picture.value
    assert (studio.run.disabled, studio.pause.disabled, studio.stop.disabled, studio.save.disabled) == (False, True, True, True)
    assert painted(studio) != photo and studio.curve.layout.display is None
    said = re.search(rf"48 px · evaluation (\d) of {EVALUATIONS} · style (\S+)<", studio.state.value)
    assert 1 <= int(said[1]) <= EVALUATIONS and 0 < float(said[2]) < 10
    assert (studio.run.disabled, studio.pause.disabled, studio.stop.disabled, studio.save.disabled) == (False, True, True, False)


CHANGES = {
    "alpha": (3.0, "alpha", 3.0), "beta": (0.01, "beta", 0.01), "gamma": (10.0, "gamma", 10.0), "size": (64, "size", 64), "steps": (2, "steps", 2),
    "photo": ("cat", "content", "cat"), "style": ("waves", "style", "waves"), "scale": (2.0, "style_scale", 2.0),
    "colors": ("the photograph's, put back at the end", "preserve_color", "luminance"), "init": ("noise", "init", "noise"),
    "method": ("adam", "method", "adam"), "statistic": ("mean_std", "statistic", "mean_std"), "backbone": ("random", "backbone", "random"),
    "more": ("conv4_2: 0.5", "style_layers", dict.fromkeys(["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"], 1.0) | {"conv4_2": 0.5}),
    "content": ("conv4_2", "content_layers", {"conv4_2": 1.0}), "kind": ("two paintings", "style_weights", [0.5, 0.5]),
}


@pytest.mark.parametrize("name", CHANGES)
def test_every_knob_changes_settings_and_picture(studio, name):
    before = painted(studio)
    assert painted(studio) == before                                                   # so that a difference means something
    value, setting, expected = CHANGES[name]
    studio.desk.controls[name].value = value
    settings = studio.desk.settings()
    assert settings[setting] == expected
    assert painted(studio) != before


def test_what_the_browser_offers_is_what_settings_know(studio):
    """Every option of every list makes Settings; a preset's layers exist."""
    for name in ("method", "statistic", "init", "colors", "preset"):
        for option in studio.desk.controls[name].options:
            studio.desk.controls[name].value = option
            studio.desk.settings()
    assert set(desk.PRESETS) <= {*studio.desk.preset.options}
    for name in desk.NETWORKS.values():
        studio.desk.backbone.value = name
        assert list(studio.desk.layers) and set(studio.desk.layers) <= set(studio.desk.known)


def test_presets_turn_the_knobs(studio):
    pictures = studio.desk.settings().style, studio.desk.size.value, studio.desk.steps.value
    studio.desk.preset.value = "Gatys"
    settings = studio.desk.settings()
    assert list(settings.style_layers) == [f"conv{k}_1" for k in range(1, 6)] and settings.content_layers == {"conv4_2": 1.0}
    assert (settings.init, settings.levels, settings.alpha) == ("noise", 1, 0.95) and pictures == (settings.style, settings.size, settings.steps)
    studio.desk.preset.value = "the article"
    assert studio.desk.settings().style_layers == {"conv1_1": 1.0, "conv2_1": 0.8, "conv3_1": 0.6, "conv4_1": 0.4} and studio.desk.settings().method == "adam"
    studio.desk.preset.value = "ours"
    assert studio.desk.settings() == make_like(studio)


def make_like(studio):
    """The settings of a studio whose knobs nobody has touched."""
    one = Studio(studio.desk.photo.value, studio.desk.style.value)
    one.desk.size.min, one.desk.steps.min = studio.desk.size.min, studio.desk.steps.min
    one.desk.size.value, one.desk.steps.value = studio.desk.size.value, studio.desk.steps.value
    return one.desk.settings()


def test_a_weight_of_a_layer_goes_into_the_settings_and_zero_leaves_it_out(studio):
    assert studio.desk.settings().style_layers is None
    studio.desk.layers["relu1_1"].value, studio.desk.layers["relu5_1"].value = 0, 2.5
    assert studio.desk.settings().style_layers == {"relu2_1": 1.0, "relu3_1": 1.0, "relu4_1": 1.0, "relu5_1": 2.5}


def test_knobs_begin_where_stylize_begins(studio, files):
    settings, plain = Studio(*files).desk.settings(), nst.Settings()
    picture = nst.load_image(files[0])
    objective = nst.Objective(nst.Features("tiny"), picture, picture)
    assert (settings.alpha, settings.beta, settings.gamma) == (objective.alpha, objective.beta, objective.gamma)
    assert {name for name in plain.keys() if settings[name] != plain[name]} <= {"content", "style", "size", "alpha", "beta", "gamma"}


def test_settings_go_through_the_knobs_and_back(studio):
    asked = nst.Settings(content="coffee", style=["waves:3", "starry"], style_weights=[0.3, 0.7], size=320, steps=120, alpha=0.1, beta=2.0, gamma=0.05,
                         style_layers={"relu1_1": 0.5, "conv4_2": 2.0}, content_layers={"conv4_2": 1.0}, statistic="covariance", method="adam", init="noise",
                         preserve_color="match", style_scale=0.5, backbone="tiny")
    studio.desk.put(asked)
    got = studio.desk.settings()
    assert {name: got[name] for name in got.keys() if got[name] != asked[name]} == {"style": ["waves:3", "starry:3"]}    # one seed for the museum
    studio.desk.put(nst.Settings(content="cat", words="thick blue strokes", size=256))
    assert (studio.desk.settings().words, studio.desk.settings().style) == ("thick blue strokes", None)


def test_the_museums_seed_is_another_picture(studio):
    studio.desk.style.value = "waves"
    before = painted(studio)
    studio.desk.seed.value = 7
    assert studio.desk.settings().style == "waves:7" and painted(studio) != before


@pytest.mark.parametrize("way", [name for name, way in painter.WAYS.items() if way])
def test_one_pass_paints_at_once(studio, way):
    studio.desk.style.value, studio.desk.way.value = "waves", way
    before = studio.picture.value
    assert painted(studio) != before and "one pass" in studio.state.value
    scope = {}
    exec(code.as_code(studio.gallery.results[0].order.settings, studio.gallery.results[0].order.way), scope)
    difference = (scope["picture"].cpu() - studio.gallery.results[0].image).abs().mean()
    assert difference < 2e-3, difference


def test_knobs_that_one_pass_does_not_follow_are_gray(studio):
    studio.desk.way.value = list(painter.WAYS)[2]
    assert studio.desk.alpha.disabled and studio.desk.steps.disabled and studio.desk.layers["relu1_1"].disabled and not studio.desk.size.disabled
    studio.desk.way.value = list(painter.WAYS)[0]
    assert not any(one.disabled for one in (*studio.desk.layers.values(), *(one for name, one in studio.desk.controls.items() if name != "seed")))


def test_a_style_that_one_pass_never_learned_is_named(studio):
    studio.desk.way.value = next(name for name, way in painter.WAYS.items() if way == "fast")
    studio.run.click()
    assert studio.wait(30) and "never learned" in studio.problem.value and "broken off" in studio.state.value


def test_words_paint_and_go_into_the_settings(studio):
    studio.desk.kind.value, studio.desk.words.value = "words", "thick red dots, blurry"
    assert "red" in studio.desk.understood.value and "blurry" in studio.desk.understood.value
    before = studio.picture.value
    assert painted(studio) != before and studio.gallery.results[0].order.settings.words == "thick red dots, blurry"
    studio.desk.way.value = list(painter.WAYS)[1]
    studio.run.click()
    assert "step by step" in studio.problem.value


def test_the_code_makes_the_same_picture(studio):
    studio.desk.alpha.value, studio.desk.layers["relu5_1"].value = 10**-0.3, 0         # 0.501…, shown and painted as 0.5
    painted(studio)
    studio.save.click()
    assert "saved as photo_painting.png" in studio.state.value
    mine = np.asarray(Image.open("photo_painting.png")).astype(int)
    assert images.read_settings("photo_painting.png")["alpha"] == 0.5
    studio.gallery.copy(studio.gallery.results[0])
    exec(studio.gallery.code.code, {})                                                 # which writes another file
    theirs = np.asarray(Image.open("photo_painting-2.png")).astype(int)
    assert abs(mine - theirs).max() <= 1


def test_the_code_of_a_masked_picture_makes_one_of_the_same_size(studio):
    studio.desk.photo.value = "cat"                                                    # larger than it is painted
    studio.masking.canvas.strokes = [STROKE]
    painted(studio)
    studio.gallery.copy(studio.gallery.results[0])
    exec(studio.gallery.code.code, {})
    theirs = np.asarray(Image.open("cat_painting.png")).astype(int)
    assert abs(theirs - pixels(to_bytes(studio.gallery.results[0].image, "png"))).max() <= 1


def test_the_code_of_an_upload_says_that_it_reads_the_file(studio):
    drop(studio.desk.photo_drop, "dog.png", png("red"))
    painted(studio)
    studio.gallery.copy(studio.gallery.results[0])
    assert "it reads dog.png from the folder" in studio.state.value
    Path("dog.png").write_bytes(png("red"))
    studio.gallery.copy(studio.gallery.results[0])
    assert "dog.png" not in studio.state.value


# --- held, changed, stopped, taken back ------------------------------------------------------------------------------

def test_pause_holds_and_go_on_goes_on(studio):
    begin(studio)
    studio.pause.click()
    until(lambda: "held at 96 px" in studio.state.value or "held at" in studio.state.value)
    time.sleep(0.3)                                                                    # an evaluation may have been under way
    held, picture = evaluation(studio), studio.picture.value
    time.sleep(0.5)
    assert evaluation(studio) == held and studio.picture.value == picture and studio.pause.description == "Go on"
    studio.pause.click()
    until(lambda: "painting" in studio.state.value and evaluation(studio) > held)
    assert studio.pause.description == "Pause"


def test_a_knob_moved_while_it_paints_takes_effect(studio, monkeypatch):
    """The settings with which `paint` goes on are the new ones, and it goes on from where it stood."""
    asked, real = [], painter.paint

    def listening(photo, style, settings, features, state=None):
        asked.append((settings, state))
        return real(photo, style, settings, features, state)
    monkeypatch.setattr(painter, "paint", listening)
    begin(studio)
    studio.desk.alpha.value = 1.0
    until(lambda: len(asked) == 2)
    assert (asked[0][0].alpha, asked[1][0].alpha) == (0.03, 1.0) and asked[0][1] is None
    assert asked[1][1]["done"] > 0 and asked[1][1]["start"].shape[1] == 3
    studio.desk.layers["relu5_1"].value = 0
    until(lambda: len(asked) == 3)
    assert "relu5_1" not in asked[2][0].style_layers and asked[2][1]["done"] >= asked[1][1]["done"]
    studio.desk.size.value = 128
    until(lambda: len(asked) == 4)
    until(lambda: "128 px" in studio.state.value)
    studio.desk.size.value = 64                                                        # smaller than what is there
    until(lambda: "64 px" in studio.state.value)
    assert studio.problem.value == ""


def test_another_photograph_is_for_the_next_run(studio):
    begin(studio)
    studio.desk.photo.value = "cat"
    assert "for the next Run" in studio.state.value
    studio.stop.click()
    assert studio.wait(30) and studio.gallery.results[0].order.settings.content.endswith("photo.png")
    assert studio.desk.settings().content == "cat"


@pytest.mark.alone
def test_stop_stops_at_once_and_keeps_the_picture(studio):
    begin(studio, size=128)
    assert (studio.run.disabled, studio.stop.disabled) == (True, False)
    before = time.monotonic()
    studio.stop.click()
    assert time.monotonic() - before < 0.1                                             # the kernel is free again
    assert studio.wait(5) and "stopped after" in studio.state.value and studio.problem.value == ""
    assert not studio.save.disabled and len(studio.gallery.results) == 1


def test_stop_works_while_it_is_held(studio):
    begin(studio)
    studio.pause.click()
    until(lambda: "held" in studio.state.value)
    studio.stop.click()
    assert studio.wait(10) and "stopped" in studio.state.value


def test_undo_goes_back_run_by_run(studio, files):
    first = painted(studio)
    studio.desk.alpha.value = 3.0
    second = painted(studio)
    assert first != second
    studio.undo.click()
    assert studio.picture.value == first and studio.desk.alpha.value == pytest.approx(0.03)
    studio.undo.click()
    shown = pixels(to_bytes(images.resize(nst.load_image(files[0]), pixels(studio.picture.value).shape[0])))
    assert abs(pixels(studio.picture.value) - shown).mean() < 6 and studio.undo.disabled        # JPEG
    studio.undo.click()
    assert "nothing to take back" in studio.problem.value


def test_undo_while_it_paints_takes_the_change_back(studio):
    begin(studio)
    studio.desk.alpha.value = 1.0
    until(lambda: studio.painter.order.settings.alpha == 1.0)
    studio.undo.click()
    assert studio.painter.order.settings.alpha == 0.03 and studio.desk.alpha.value == pytest.approx(0.03) and studio.painter.running


def test_a_slider_that_is_dragged_is_one_step_back(studio, monkeypatch):
    begin(studio)
    until(lambda: studio.painter.course.last is not None)
    for alpha in (0.1, 0.3, 1.0):
        studio.desk.alpha.value = alpha
    studio.undo.click()
    assert studio.painter.order.settings.alpha == 0.03
    monkeypatch.setattr(painter, "_ONE_MOVE", 0.0)
    for alpha in (0.1, 0.3):
        studio.desk.alpha.value = alpha
        time.sleep(0.01)
    studio.undo.click()
    assert studio.painter.order.settings.alpha == 0.1


def test_undo_while_it_is_held_shows_the_picture_and_goes_on_from_it(studio):
    begin(studio)
    studio.pause.click()
    until(lambda: "held" in studio.state.value)
    studio.desk.alpha.value = 1.0
    studio.undo.click()
    assert studio.painter.held and studio.painter.order.settings.alpha == 0.03
    before = evaluation_of(studio.painter)
    studio.pause.click()
    until(lambda: evaluation_of(studio.painter) > before)
    assert studio.problem.value == ""


def test_another_explorers_painting_ends_one_that_is_held(studio, files):
    begin(studio)
    studio.pause.click()
    until(lambda: "held" in studio.state.value)
    painted(make(files))
    assert studio.wait(5) and "stopped" in studio.state.value


def test_a_running_painting_keeps_its_way_and_says_what_is_for_the_next_run(studio):
    begin(studio)
    studio.desk.way.value = next(name for name, way in painter.WAYS.items() if way == "adain")
    studio.desk.colors.value = "the photograph's, put back at the end"
    until(lambda: studio.painter.order.settings.preserve_color == "luminance")
    assert studio.painter.order.way is None                                            # its code is that of the painting, not of the knob
    until(lambda: "'one pass: any painting' is for the next Run" in html.unescape(studio.state.value))
    studio.desk.photo.value = "cat"
    until(lambda: "the new photograph is for the next Run" in studio.state.value)


def test_a_painting_that_ends_at_once_has_the_last_word(studio, monkeypatch):
    monkeypatch.setattr(studio.painter._background, "start", lambda job: job())
    studio.desk.way.value = next(name for name, way in painter.WAYS.items() if way == "fast")
    studio.run.click()
    assert "never learned" in studio.problem.value and "broken off" in studio.state.value
    assert (studio.run.disabled, studio.pause.disabled, studio.stop.disabled) == (False, True, True)


def test_a_dictionary_of_patches_paints(studio):
    studio.desk.backbone.value = "patches"                                             # learned anew, in a copy of the network that is watched
    painted(studio)


def test_a_curve_belongs_to_the_picture_on_the_easel(studio):
    painted(studio)
    assert studio.curve.layout.display is None
    studio.undo.click()
    assert studio.curve.layout.display == "none"
    painted(studio)
    studio.gallery.row.children[1].children[2].children[0].click()                     # Use
    assert studio.curve.layout.display == "none"


def test_a_second_press_of_run_changes_nothing(studio):
    begin(studio)
    threads = threading.active_count()
    studio.run.click()
    assert studio.problem.value == "" and threading.active_count() <= threads
    with pytest.raises(ValueError, match="painting already"):
        studio.painter.run(studio.painter.order)


def test_what_a_dead_kernel_left_is_offered_and_goes_on(studio, files, monkeypatch):
    monkeypatch.setattr(painter, "_KEEP_EVERY", 0.0)
    begin(studio)
    until(lambda: studio.painter.checkpoint.is_file())
    monkeypatch.setattr(studio.painter, "checkpoint", studio.painter.checkpoint.with_name("elsewhere"))       # as if it were gone in a moment
    studio.stop.click()
    assert studio.wait(30)
    other = Studio(*files)
    assert other.resume.layout.display is None and "former sitting" in other.state.value
    _, state = other.painter.unfinished()
    other.resume.click()
    until(lambda: "evaluation" in other.state.value)
    assert evaluation(other) > state["done"] and other.desk.size.value == 96 and other.resume.layout.display == "none"
    other.stop.click()
    assert other.wait(30) and not other.painter.checkpoint.exists()                    # stopped by hand: nothing is left to offer


def test_what_a_dead_kernel_left_brings_its_uploads_along(studio, files, monkeypatch):
    monkeypatch.setattr(painter, "_KEEP_EVERY", 0.0)
    drop(studio.desk.photo_drop, "dog.png", png("red"))
    drop(studio.desk.style_drop, "wall.png", png("lime"))
    begin(studio)
    until(lambda: studio.painter.checkpoint.is_file())
    monkeypatch.setattr(studio.painter, "checkpoint", studio.painter.checkpoint.with_name("elsewhere"))
    studio.stop.click()
    assert studio.wait(30)
    other = Studio(*files)
    other.resume.click()
    assert (other.desk.photo.value, other.desk.style.value) == ("./dog.png", "./wall.png")
    assert pixels(other.desk.looks.value)[20, 20] == pytest.approx((0, 255, 0), abs=3)
    other.desk.alpha.value = 1.0
    until(lambda: other.painter.order.settings.alpha == 1.0)
    assert other.painter.order.settings.style == "./wall.png" and other.problem.value == ""
    other.stop.click()
    assert other.wait(30)


def test_what_another_kernel_is_still_painting_is_not_offered(studio, files, monkeypatch):
    monkeypatch.setattr(painter, "_KEEP_EVERY", 0.0)
    begin(studio)
    until(lambda: studio.painter.checkpoint.is_file())
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as other:
        theirs = studio.painter.checkpoint.with_name(f".nst-studio-{other.pid}-{psutil.Process(other.pid).create_time():.0f}.checkpoint")
        theirs.write_bytes(studio.painter.checkpoint.read_bytes())
        studio.stop.click()
        assert studio.wait(30) and not studio.painter.checkpoint.exists()
        assert Studio(*files).resume.layout.display == "none" and theirs.exists()
        other.kill()
    one = Studio(*files)
    assert one.resume.layout.display is None
    one.resume.click()
    one.stop.click()
    assert one.wait(30) and not theirs.exists()


def test_a_checkpoint_that_cannot_be_written_is_said_and_the_painting_goes_on(studio, monkeypatch):
    def full(tree, path):
        raise painter.CheckpointError("cannot write the checkpoint: make room")
    monkeypatch.setattr(painter, "_KEEP_EVERY", 0.0)
    monkeypatch.setattr(painter, "save_checkpoint", full)
    begin(studio)
    until(lambda: "left · cannot write the checkpoint: make room" in studio.state.value)
    before = evaluation(studio)
    until(lambda: evaluation(studio) > before)


def test_an_upload_is_opened_once_for_all_moves_of_a_knob(studio, monkeypatch):
    opened, real = [], sources.load_image
    monkeypatch.setattr(sources, "load_image", lambda *what, **size: opened.append(size) or real(*what, **size))
    drop(studio.desk.photo_drop, "dog.png", png("red"))
    begin(studio)
    opened.clear()
    for alpha in (0.1, 0.3, 1.0):
        studio.desk.alpha.value = alpha
    assert opened == []


def test_a_broken_checkpoint_is_taken_away(studio, files):
    studio.painter.checkpoint.write_bytes(b"half a file")
    other = Studio(*files)
    assert other.resume.layout.display == "none" and not other.painter.checkpoint.exists() and "ready" in other.state.value


# --- going on by other settings --------------------------------------------------------------------------------------

def test_carried_keeps_the_picture_and_counts_what_was_used(files):
    photo, style = (nst.load_image(one, size=48) for one in files)
    photo, style = images.resize(photo, 160), images.resize(style, 160)
    settings = nst.Settings(size=160, steps=30)
    painting = paint(photo, style, settings)
    for step in painting:
        if step.level == 1:
            break
    sizes, counts = pyramid(160, None, photo.shape), budgets(30, 2)
    state = carried(step, nst.Settings(size=160, steps=30, alpha=1.0), photo)
    assert state["level"] == 1 and state["done"] == step.evaluations and torch.equal(state["start"], step.image.clamp(0, 1))
    after = list(paint(photo, style, nst.Settings(size=160, steps=30, alpha=1.0), state=state))
    assert after[-1].evaluations <= 30 and after[0].evaluations > step.evaluations and after[-1].image.shape[2] == sizes[-1]
    larger = carried(step, nst.Settings(size=256, steps=30), photo)
    assert pyramid(256, None, photo.shape)[larger["level"]] >= 160 and larger["start"].shape[2] == pyramid(256, None, photo.shape)[larger["level"]]
    smaller = carried(step, nst.Settings(size=96, steps=30), photo)
    assert smaller["level"] == 0 and smaller["start"].shape[2] == 96 and smaller["done"] <= 29
    assert counts[0] <= state["done"]


# --- before and after, gallery ---------------------------------------------------------------------------------------

def test_the_line_shows_the_photograph_left_and_the_painting_right(studio, files):
    painted(studio)
    studio.line.value = 50
    both = pixels(studio.picture.value)
    photo, painting = (pixels(to_bytes(images.resize(one, both.shape[:2]))) for one in (nst.load_image(files[0]), studio.gallery.results[0].image))
    middle, quarter = both.shape[1] // 2, slice(both.shape[0] // 3, None)                                         # below the label
    assert abs(both[quarter, :middle - 8] - photo[quarter, :middle - 8]).mean() < 8
    assert abs(both[quarter, middle + 8:] - painting[quarter, middle + 8:]).mean() < 8
    studio.line.value = 100
    assert abs(pixels(studio.picture.value)[quarter] - photo[quarter]).mean() < 8


def test_the_gallery_keeps_pictures_and_gives_their_settings_back(studio):
    painted(studio)
    studio.desk.alpha.value, studio.desk.steps.value = 1.0, 2
    painted(studio)
    frames = studio.gallery.row.children
    assert len(frames) == 2 and "2 pictures" in studio.gallery.widget.children[0].value
    use, code, save = frames[1].children[2].children
    use.click()
    assert studio.desk.alpha.value == pytest.approx(0.03) and studio.desk.steps.value == EVALUATIONS
    code.click()
    assert f"steps={EVALUATIONS}" in studio.gallery.code.code and '"photo_painting.png"' in studio.gallery.code.code
    save.click()
    save.click()
    assert Image.open("photo_painting.png").size == Image.open("photo_painting-2.png").size == (48, 48)
    code.click()
    assert '"photo_painting-3.png"' in studio.gallery.code.code                        # it overwrites nothing either


# --- masks -----------------------------------------------------------------------------------------------------------

def test_a_painted_mask_leaves_the_rest_untouched(studio, files):
    studio.masking.begin.value = "only where I paint"
    studio.run.click()
    assert "no pixel to paint" in studio.problem.value
    studio.masking.canvas.strokes = [{"erase": False, "brush": 0.2, "points": [[0.25, 0.5], [0.3, 0.5]]}]
    studio.masking.feather.value = 0
    painted(studio)
    result, photo = studio.gallery.results[0], nst.load_image(files[0])
    assert result.order.settings.untouched and torch.equal(result.image[..., 30:], photo[..., 30:])
    assert not torch.equal(result.image[..., 8:20], photo[..., 8:20])
    studio.masking.clear.click()
    assert studio.masking.canvas.strokes == []


STROKE = {"erase": False, "brush": 0.2, "points": [[0.25, 0.5], [0.3, 0.5]]}


def test_a_first_stroke_upon_everywhere_means_only_there(studio):
    studio.masking.canvas.strokes = [STROKE]
    assert studio.masking.begin.value == "only where I paint" and 0.05 < studio.masking.mask().mean() < 0.4
    studio.masking.clear.click()
    studio.masking.begin.value = "everywhere"
    studio.masking.canvas.strokes = [STROKE | {"erase": True}]
    assert studio.masking.begin.value == "everywhere" and 0.6 < studio.masking.mask().mean() < 0.95


def test_settings_bring_their_mask_back(studio):
    studio.masking.canvas.strokes, studio.masking.feather.value = [STROKE], 5
    painted(studio)
    asked, mask = studio.painter.order.settings, studio.masking.mask()
    studio.masking.clear.click()
    studio.masking.begin.value = "everywhere"
    painted(studio)
    studio.gallery.row.children[1].children[2].children[0].click()                     # Use, of the first
    assert abs(studio.masking.mask() - mask).mean() < 0.01 and studio.masking.masks() == {name: asked[name] for name in ("masks", "untouched", "feather")}
    studio.gallery.row.children[0].children[2].children[0].click()
    assert studio.masking.begin.value == "everywhere" and studio.masking.masks() == {}


def test_one_pass_leaves_what_is_outside_of_the_mask_untouched(studio, files):
    studio.desk.style.value, studio.desk.way.value = "waves", next(name for name, way in painter.WAYS.items() if way == "fast")
    studio.masking.canvas.strokes, studio.masking.feather.value, studio.desk.colors.value = [STROKE], 0, "the photograph's, from the beginning"
    painted(studio)
    result, photo = studio.gallery.results[0], nst.load_image(files[0])
    assert torch.equal(result.image[..., 30:], photo[..., 30:]) and not torch.equal(result.image[..., 8:20], photo[..., 8:20])
    scope = {}
    exec(code.as_code(result.order.settings, result.order.way), scope)
    assert (scope["picture"].cpu() - result.image).abs().mean() < 2e-3


def test_a_stroke_while_it_paints_takes_effect(studio):
    begin(studio)
    studio.masking.canvas.strokes = [STROKE]
    assert studio.painter.order.settings.masks and studio.problem.value == ""
    studio.stop.click()
    assert studio.wait(30) and torch.equal(studio.gallery.results[0].image[..., -8:], studio.gallery.results[0].order.photo[..., -8:])


# --- what goes wrong is said -----------------------------------------------------------------------------------------

@pytest.mark.parametrize("error, words", [
    (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB"), "choose a smaller size"),
    (RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"), "choose a smaller size"),
    (nst.OptimizationError("the loss is not a number: lower alpha"), "✗ the loss is not a number: lower alpha"),
    (KeyError("a <b>slip</b>"), "a fault of the program, not yours: KeyError: &#x27;a &lt;b&gt;slip"),
])
def test_a_painting_that_breaks_says_why_and_keeps_what_there_is(studio, monkeypatch, error, words):
    def breaking(photo, style, settings, features, state):
        yield progress(1, 9, torch.full((1, 3, 48, 48), 0.5))
        raise error
    monkeypatch.setattr(painter, "paint", breaking)
    studio.run.click()
    assert studio.wait(30) and words in studio.problem.value and 'role="alert"' in studio.problem.value
    assert "broken off" in studio.state.value and "evaluation 1 of 9" in studio.state.value
    assert (studio.run.disabled, studio.stop.disabled, studio.save.disabled) == (False, True, False)
    assert pixels(studio.picture.value).mean() == pytest.approx(127.5, abs=2)


def test_at_most_fifteen_frames_a_second(studio, monkeypatch):
    def quick(photo, style, settings, features, state):
        for number in range(200):
            time.sleep(0.004)
            yield progress(number + 1, 200, torch.full((1, 3, 48, 48), number / 200))
    monkeypatch.setattr(painter, "paint", quick)
    frames = []
    studio.picture.observe(frames.append, "value")
    before = time.monotonic()
    painted(studio)
    assert 3 <= len(frames) <= 15 * (time.monotonic() - before) + 2


@pytest.mark.parametrize("text, words", [("conv9_9", "unknown layer &#x27;conv9_9&#x27;"), ("relu1_1: much", "&#x27;much&#x27; is no weight")])
def test_a_layer_that_does_not_exist_is_named(studio, text, words):
    studio.desk.more.value = text
    studio.run.click()
    assert words in studio.problem.value


@pytest.mark.parametrize("knob, value, words", [("words", "", "say in words"), ("words", "asdf qwer", "nothing in"), ("more", "relu9_9", "unknown layer")])
def test_what_cannot_be_is_said_before_run_is_pressed(studio, knob, value, words):
    studio.desk.kind.value = "words"
    studio.desk.controls[knob].value = value
    assert words in studio.problem.value
    studio.desk.words.value, studio.desk.more.value = "thick red strokes", ""
    assert studio.problem.value == ""


@pytest.mark.parametrize("name", ["photo", "style"])
def test_an_upload_is_seen_chosen_and_painted(studio, name):
    before, control, field = painted(studio), studio.desk.controls[name], getattr(studio.desk, f"{name}_drop")
    seen = studio.picture if name == "photo" else studio.desk.looks
    drop(field, "dog.png", png("red"))
    assert control.value == "./dog.png" and [value for _, value in control.options].count("./dog.png") == 1
    assert pixels(seen.value)[20, 20] == pytest.approx((254, 0, 0), abs=3)
    assert ("done after" in studio.state.value) == (name == "style")                   # the line is not the former picture's
    assert painted(studio) != before and studio.gallery.results[0].order.settings["content" if name == "photo" else "style"] == "./dog.png"
    drop(field, "dog.png", png("lime"))                                                # another picture of the same name
    assert pixels(seen.value)[20, 20] == pytest.approx((0, 255, 0), abs=3) and [value for _, value in control.options].count("./dog.png") == 1


def test_the_field_says_again_what_it_is_for_when_the_kernel_has_answered(studio, monkeypatch):
    sent = []
    monkeypatch.setattr(studio.desk.photo_drop, "send", sent.append)
    drop(studio.desk.photo_drop, "dog.png", png("red"))
    drop(studio.desk.photo_drop, "essay.txt", b"words")                                # also after a file that is no picture
    assert sent == ["read", "read"] and "not a picture" in studio.problem.value


def test_an_uploaded_painting_can_be_the_second_one_too(studio):
    first = studio.desk.style.value
    drop(studio.desk.style_drop, "dog.png", png("red"))
    studio.desk.kind.value, studio.desk.second.value = "two paintings", first
    assert studio.desk.settings().style == ["./dog.png", first]


def test_an_upload_called_like_a_sample_is_not_taken_for_it(studio):
    drop(studio.desk.photo_drop, "cat", png("red"))
    assert studio.desk.settings().content == "./cat" and pixels(studio.picture.value)[20, 20] == pytest.approx((254, 0, 0), abs=3)


@pytest.mark.parametrize("name, data, words", [
    ("essay.docx", b"PK\x03\x04 not a picture at all", "&#x27;essay.docx&#x27; is not a picture"),
    ("<img src=x onerror=alert(1)>.png", b"", "&lt;img src=x onerror=alert(1)&gt;.png&#x27; is empty"),
    ("dot.png", png("red", 4), "4×4 px, too small"),
])
def test_a_bad_upload_is_said_and_changes_nothing(studio, name, data, words):
    before = studio.desk.photo.value, studio.desk.photo.options, studio.picture.value
    drop(studio.desk.photo_drop, name, data)
    assert words in studio.problem.value and "<img" not in studio.problem.value
    assert before == (studio.desk.photo.value, studio.desk.photo.options, studio.picture.value)


def test_nonsense_is_refused_where_it_is_written(files):
    for wrong in (("sputnik", files[1]), (files[0], "sputnik")):
        with pytest.raises(nst.ImageError, match="no file 'sputnik'"):
            Studio(*wrong)


# --- for everybody ---------------------------------------------------------------------------------------------------

def test_a_reader_without_a_kernel_sees_a_picture(studio, files):
    bundle = studio._repr_mimebundle_()
    assert bundle["text/plain"] == f"Studio(photo={files[0]!r}, style={files[1]!r})"
    assert Image.open(io.BytesIO(base64.b64decode(bundle["image/png"]))).size[0] > 0


def test_every_control_has_a_label_and_no_fixed_width(studio):
    labeled = [*studio.desk.controls.values(), *studio.desk.layers.values(), *studio.masking.controls, studio.run, studio.pause, studio.stop, studio.undo,
               studio.save, studio.line]
    assert len({one.description for one in labeled}) == len(labeled) and all(one.description for one in labeled)
    widths = [one.layout.width or "300px" for one in labeled if "Checkbox" not in type(one).__name__]      # 300 px: ipywidgets' own
    assert [width for width in widths if width.endswith("px") and float(width[:-2]) > 100] == []
