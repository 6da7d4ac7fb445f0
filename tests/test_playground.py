"""The playground: every control is driven, as a browser would, and its effect is looked for in picture, code and words."""
import base64
import datetime
import importlib
import io
import json
import re
import sys
import threading
import time

import numpy as np
import pytest
import torch
from jupyter_client.manager import start_new_kernel
from PIL import Image

import nst_lessons as nst
from nst_lessons import images
from nst_lessons.explorers import Playground, controls, course, drawing, playground, side_by_side
from nst_lessons.losses import Terms
from nst_lessons.stylize import Progress, budgets, pyramid

EVALUATIONS = 4
BLUE_SKY = (40, 90, 200)


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
def pg(files, tmp_path, monkeypatch):
    """A playground of 48 px and four evaluations, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    one = make(files)
    yield one
    one.stop.click()
    assert one.wait(30)


def make(files):
    one = Playground(*files)
    one.size.min, one.steps.min = 48, 1
    one.size.value, one.steps.value = 48, EVALUATIONS
    return one


def painted(one):
    """The picture's bytes after a painting from beginning to end."""
    one.paint.click()
    assert one.wait(60)
    assert one.problem.value == "" and "done after" in one.state.value
    return one.picture.value


def upload(name, data):
    """What a browser sends for one file."""
    return ({"name": name, "type": "image/png", "size": len(data), "content": memoryview(data),
             "last_modified": datetime.datetime.now(datetime.timezone.utc)},)


def png(color, size=48):
    file = io.BytesIO()
    Image.new("RGB", (size, size), color).save(file, "PNG")
    return file.getvalue()


def corner(widget):
    """The color near the upper left corner of what an Image widget shows."""
    return Image.open(io.BytesIO(widget.value)).convert("RGB").getpixel((5, 5))


def until(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


# --- painting --------------------------------------------------------------------------------------------------------

def test_paint_paints(pg):
    photo, empty = pg.picture.value, pg.curve.value
    assert Image.open(io.BytesIO(photo)).size == (256, 256)                            # the canvas: the photograph
    assert (pg.paint.disabled, pg.stop.disabled, pg.save.disabled) == (False, True, True)
    picture = painted(pg)
    assert picture != photo and pg.curve.value != empty
    assert Image.open(io.BytesIO(picture)).size == (48, 48)
    said = re.search(rf"48 px · evaluation (\d) of {EVALUATIONS} · style (\S+)<", pg.state.value)
    assert 1 <= int(said[1]) <= EVALUATIONS and 0 < float(said[2]) < 10
    assert (pg.paint.disabled, pg.stop.disabled, pg.save.disabled) == (False, True, False)


CHANGES = [
    ("alpha", 3.0, "alpha=3,"), ("beta", 0.01, "beta=0.01,"), ("gamma", 10.0, "gamma=10)"), ("size", 64, "size=64,"),
    ("steps", 2, "steps=2,"), ("photo", "cat", '    "cat", '), ("style", "waves", ', "waves", '),
    ("relu1_1", False, 'style_layers=["relu2_1", "relu3_1", "relu4_1", "relu5_1"])'),
]


@pytest.mark.parametrize("name, value, text", CHANGES, ids=[name for name, _, _ in CHANGES])
def test_every_control_changes_code_and_picture(pg, name, value, text):
    before = painted(pg)
    assert painted(pg) == before                                                       # so that a difference means something
    control, code = getattr(pg, name, None) or pg.layers[name], pg.code.value
    control.value = value
    assert text in pg.code.value and text not in code
    assert "ready" in pg.state.value
    assert painted(pg) != before


@pytest.mark.parametrize("layer", playground.LAYERS)
def test_every_layer_can_be_left_out(pg, layer):
    pg.layers[layer].value = False
    written = re.search(r"style_layers=(\[.*\])", pg.code.value)[1]
    assert json.loads(written) == [name for name in playground.LAYERS if name != layer]


def test_the_code_makes_the_same_picture(pg):
    pg.alpha.value, pg.layers["relu5_1"].value = 10**-0.3, False                       # 0.501…, shown and painted as 0.5
    painted(pg)
    pg.save.click()
    assert "saved as photo_painting.png" in pg.state.value
    mine = np.asarray(Image.open("photo_painting.png")).astype(int)
    assert images.read_settings("photo_painting.png")["alpha"] == 0.5
    exec(pg.code.value, {})                                                            # which writes that file again
    theirs = np.asarray(Image.open("photo_painting.png")).astype(int)
    assert abs(mine - theirs).max() <= 1
    shown = np.asarray(Image.open(io.BytesIO(pg.picture.value)).convert("RGB")).astype(int)
    assert abs(mine - shown).mean() < 6                                                # JPEG


def test_saving_overwrites_nothing(pg, tmp_path):
    pg.save.click()
    assert "press Paint first" in pg.problem.value
    painted(pg)
    for expected in ("photo_painting.png", "photo_painting-2.png", "photo_painting-3.png"):
        pg.save.click()
        assert expected in pg.state.value and (tmp_path / expected).stat().st_size > 0


def test_knobs_begin_where_stylize_begins(files):
    one, features = Playground(*files), nst.Features("tiny")
    picture = nst.load_image(files[0])
    objective = nst.Objective(features, picture, picture)
    assert (one.alpha.value, one.beta.value, one.gamma.value) == (objective.alpha, objective.beta, objective.gamma)
    assert one.steps.value == nst.Settings().steps
    assert list(one.layers) == features.style_layers


# --- Stop, and what else happens meanwhile ---------------------------------------------------------------------------

def test_stop_stops_at_once_and_keeps_the_picture(pg):
    pg.size.value, pg.steps.value = 128, 400
    pg.paint.click()
    until(lambda: "painting" in pg.state.value)
    assert (pg.paint.disabled, pg.stop.disabled) == (True, False)
    assert re.search(r"painting (80|128) px · evaluation \d+ of 400 · style \S+ · \d+ (s|min) left", pg.state.value)
    before = time.monotonic()
    pg.stop.click()
    assert time.monotonic() - before < 0.1                                             # the kernel is free again
    assert pg.wait(2)
    assert "stopped after" in pg.state.value and pg.problem.value == ""
    assert int(re.search(r"evaluation (\d+)", pg.state.value)[1]) < 400
    assert not pg.save.disabled
    painted_again = pg.wait(0)
    assert painted_again and not pg.paint.disabled


def test_stop_need_not_wait_for_the_end_of_an_evaluation(pg, monkeypatch):
    asked, layers = threading.Event(), []

    def slow(module, inputs):
        layers.append(module)
        if len(layers) == 30:                                                          # in the midst of the network
            pg.stop.click()
            asked.set()
    features = pg._make_features()
    for module in features.modules():
        module.register_forward_pre_hook(slow, prepend=True)
    pg._features, pg.steps.value = features, 400
    pg.paint.click()
    assert asked.wait(30) and pg.wait(10)
    assert len(layers) == 30 and "stopped" in pg.state.value


def test_a_second_start_is_refused(pg):
    pg.steps.value, threads = 400, threading.active_count()
    pg.paint.click()
    pg.paint.click()
    assert "painting already" in pg.problem.value
    assert threading.active_count() <= threads + 1


def test_one_painting_at_a_time_in_a_kernel(pg, files):
    other = make(files)
    pg.size.value, pg.steps.value = 128, 400
    pg.paint.click()
    until(lambda: "painting" in pg.state.value)
    painted(other)
    assert pg.wait(5) and "stopped" in pg.state.value


def test_at_most_fifteen_frames_a_second(pg, monkeypatch):
    def quick(photo, style, settings, features):
        for number in range(200):
            time.sleep(0.004)
            yield progress(number + 1, 200, torch.full((1, 3, 48, 48), number / 200))
    monkeypatch.setattr(playground, "paint", quick)
    frames = []
    pg.picture.observe(frames.append, "value")
    before = time.monotonic()
    painted(pg)
    assert 3 <= len(frames) <= 15 * (time.monotonic() - before) + 2
    assert np.asarray(Image.open(io.BytesIO(pg.picture.value))).mean() == pytest.approx(255 * 199 / 200, abs=1)     # the last one


def progress(evaluation, steps, image, level=0):
    terms = Terms(torch.tensor(1.0), {kind: {"layer": torch.tensor([0.5 / evaluation])} for kind in ("content", "style", "tv")})
    return Progress(level, level + 1, evaluation, steps, terms, image, dict)


# --- what goes wrong is said -----------------------------------------------------------------------------------------

@pytest.mark.parametrize("error, words", [
    (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB"), "choose a smaller size"),
    (RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"), "choose a smaller size"),
    (MemoryError(), "choose a smaller size"),
    (nst.OptimizationError("the loss is not a number: lower alpha"), "✗ the loss is not a number: lower alpha"),
    (KeyError("a <b>slip</b>"), "a fault of the program, not yours: KeyError: &#x27;a &lt;b&gt;slip"),
])
def test_a_painting_that_breaks_says_why_and_keeps_what_there_is(pg, monkeypatch, error, words):
    def breaking(photo, style, settings, features):
        yield progress(1, 9, torch.full((1, 3, 48, 48), 0.5))
        raise error
    monkeypatch.setattr(playground, "paint", breaking)
    pg.paint.click()
    assert pg.wait(30)
    assert words in pg.problem.value and 'role="alert"' in pg.problem.value
    assert "broken off" in pg.state.value and "evaluation 1 of 9" in pg.state.value
    assert (pg.paint.disabled, pg.stop.disabled, pg.save.disabled) == (False, True, False)
    assert np.asarray(Image.open(io.BytesIO(pg.picture.value))).mean() == pytest.approx(127.5, abs=2)
    monkeypatch.undo()
    pg.size.value = 64
    assert pg.problem.value == ""                                                      # gone with the next move


def test_a_picture_that_cannot_be_shown_is_said(pg, monkeypatch):
    monkeypatch.setattr(playground, "paint", lambda *_, **__: iter([progress(1, 9, torch.full((1, 3, 48, 48), torch.nan))]))
    pg.paint.click()
    assert pg.wait(30)
    assert "NaN" in pg.problem.value and "broken off" in pg.state.value
    assert (pg.paint.disabled, pg.stop.disabled, pg.save.disabled) == (False, True, True)


def test_without_layers_nothing_is_painted(pg):
    before = pg.picture.value
    for box in pg.layers.values():
        box.value = False
    assert "tick at least one" in pg.problem.value and "ready" not in pg.state.value
    assert pg.code.value.startswith("# no style layer")
    pg.paint.click()
    assert pg.wait(5) and "tick at least one" in pg.problem.value and pg.picture.value == before
    pg.layers["relu3_1"].value = True
    assert pg.problem.value == "" and '["relu3_1"]' in pg.code.value


def test_a_file_that_vanished_is_said(pg, files, tmp_path):
    (tmp_path / "gone.png").write_bytes(png("red"))
    one = Playground("gone.png", files[1])
    (tmp_path / "gone.png").unlink()
    one.paint.click()
    assert one.wait(10)
    assert "no file &#x27;gone.png&#x27;" in one.problem.value and "nothing was painted" in one.state.value


def test_nonsense_is_refused_where_it_is_written(files):
    with pytest.raises(nst.ImageError, match="no file 'sputnik'"):
        Playground("sputnik", files[1])


# --- pictures of one's own -------------------------------------------------------------------------------------------

@pytest.mark.parametrize("which, number", [("photo", 0), ("style", 1)])
def test_an_upload_is_shown_chosen_and_painted(pg, which, number):
    before, thumbnail = painted(pg), pg.thumbnails[number].value
    getattr(pg, f"{which}_upload").value = upload("dog.png", png("red"))
    assert getattr(pg, which).value == "./dog.png" and '"./dog.png"' in pg.code.value
    assert pg.thumbnails[number].value != thumbnail
    assert corner(pg.thumbnails[number]) == pytest.approx((254, 0, 0), abs=3)
    assert painted(pg) != before
    getattr(pg, f"{which}_upload").value = upload("dog.png", png("lime"))              # another file of the same name
    assert corner(pg.thumbnails[number]) == pytest.approx((0, 255, 0), abs=3)
    assert list(getattr(pg, which).options).count("./dog.png") == 1


def test_an_upload_called_like_a_sample_is_not_taken_for_it(pg):
    pg.photo_upload.value = upload("cat", png("red"))
    assert '"./cat"' in pg.code.value
    assert corner(pg.thumbnails[0]) == pytest.approx((254, 0, 0), abs=3)


@pytest.mark.parametrize("name, data, words", [
    ("essay.docx", b"PK\x03\x04 not a picture at all", "&#x27;essay.docx&#x27; is not a picture"),
    ("<img src=x onerror=alert(1)>.png", b"", "&lt;img src=x onerror=alert(1)&gt;.png&#x27; is empty"),
    ("dot.png", png("red", 4), "4×4 px, too small"),
])
def test_a_bad_upload_is_said_and_changes_nothing(pg, name, data, words):
    before = pg.photo.value, pg.photo.options, pg.code.value, pg.picture.value, [one.value for one in pg.thumbnails]
    pg.photo_upload.value = upload(name, data)
    assert words in pg.problem.value and "<img" not in pg.problem.value
    assert before == (pg.photo.value, pg.photo.options, pg.code.value, pg.picture.value, [one.value for one in pg.thumbnails])


def test_a_bad_upload_is_still_said_while_it_paints(pg):
    pg.steps.value = 400
    pg.paint.click()
    until(lambda: "painting" in pg.state.value)
    pg.style_upload.value = upload("essay.txt", b"words")
    state = pg.state.value
    until(lambda: pg.state.value != state and "painting" in pg.state.value)
    assert "not a picture" in pg.problem.value


# --- for everybody ---------------------------------------------------------------------------------------------------

def test_a_reader_without_a_kernel_sees_a_picture(pg, files):
    def shown():
        bundle = pg._repr_mimebundle_()
        assert bundle["text/plain"] == f"Playground(photo={files[0]!r}, style={files[1]!r})"
        assert bundle["application/vnd.jupyter.widget-view+json"]["model_id"] == pg.widget.model_id
        return Image.open(io.BytesIO(base64.b64decode(bundle["image/png"])))
    two = shown()
    painted(pg)
    three = shown()
    assert two.size == (160 + 8 + 160, 160) and three.size == (two.width + 8 + 160, 160)


def test_every_control_has_a_label_and_no_fixed_width(pg):
    labeled = [pg.photo, pg.style, pg.photo_upload, pg.style_upload, pg.alpha, pg.beta, pg.gamma, pg.size, pg.steps,
               *pg.layers.values(), pg.paint, pg.stop, pg.save]
    assert len({one.description for one in labeled}) == len(labeled) and all(one.description for one in labeled)
    assert "wrap" in pg.widget.layout.flex_flow
    widths = [one.layout.width or "300px" for one in labeled]                          # 300 px: what ipywidgets does by itself
    assert [width for width in widths if width.endswith("px") and float(width[:-2]) > 100] == []


def test_explorers_say_what_to_install(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("nst_lessons.explorers")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    with pytest.raises(ModuleNotFoundError, match=r'need ipywidgets: pip install "nst_lessons\[lab\]"'):
        importlib.import_module("nst_lessons.explorers")


def test_time_left_is_reckoned_by_pixels():
    settings = nst.Settings(size=160, steps=100)
    (small, large), (few, many) = pyramid(160), budgets(100, 2)
    one = course.Course()
    one.add(progress(few, 100, torch.zeros(1, 3, small, small)))
    assert one.time_left(settings, 8.0) == f"{round(8 * many * large**2 / (few * small**2))} s"
    assert one.time_left(settings, 800.0) == f"{round(800 * many * large**2 / (few * small**2) / 60)} min"
    one.add(progress(few + many // 2, 100, torch.zeros(1, 3, large, large), level=1))
    half = many // 2
    assert one.time_left(settings, 30.0) == f"{round(30 * (many - half) * large**2 / (few * small**2 + half * large**2))} s"


def test_pictures_stand_side_by_side():
    red, blue = torch.zeros(1, 3, 20, 40), torch.zeros(1, 3, 60, 30)
    red[:, 0], blue[:, 2] = 1, 1
    row = images.to_pil(drawing.in_a_row(red, blue, height=20, gap=3))
    assert np.array_equal(row, [[(255, 0, 0)] * 40 + [(255, 255, 255)] * 3 + [(0, 0, 255)] * 10] * 20)
    assert Image.open(io.BytesIO(side_by_side(red, blue).data)).size == (384 + 8 + 96, 192)


def test_curves_are_logarithmic():
    def height(value):
        """The row, as shown, of a level line at `value` on an axis from 0.001 to 1."""
        losses = {"style": [(0, value), (100, value)], "content": [(0, 1.0), (100, 0.001)]}
        pixels = np.asarray(Image.open(io.BytesIO(drawing.loss_curves(losses, 100))).convert("RGB")).astype(int)
        style = tuple(bytes.fromhex(drawing.COLORS["style"][1:]))
        middle = pixels[:, pixels.shape[1] // 3]
        return np.flatnonzero((abs(middle - style).sum(1) < 10)).mean() / 2
    first, second, third = height(0.3), height(0.03), height(0.003)
    assert second - first == pytest.approx(third - second, abs=0.6) and 15 < second - first < 60


@pytest.mark.parametrize("start", [0.1, 0.15, 1.0])
def test_a_log_slider_begins_on_one_of_its_stops(start):
    """The browser moves a slider to its nearest stop as soon as it is shown, and would change the value otherwise."""
    slider = controls.log_slider("x", start, "")
    stops = 10**(slider.min + slider.step * np.arange(41))
    assert stops[20] == pytest.approx(start, rel=1e-9) and stops[40] == pytest.approx(10**slider.max)
    assert controls.round_off(stops[20]) == start and slider.readout_format == ".2"
    assert len({controls.round_off(stop) for stop in stops}) == 41                     # every stop shows another number


# --- over a real kernel's comm channel, as from a browser ------------------------------------------------------------

SCRIPT = """
from nst_lessons.explorers import Playground
pg = Playground({photo!r}, {style!r})
pg.size.min = pg.size.value = 48
pg.steps.value = 400
print(*(getattr(pg, name).model_id for name in {names}))
"""


class Browser:
    """Hears what the kernel says to its widgets, and answers as JupyterLab does."""
    names = ["alpha", "paint", "stop", "picture", "code", "state", "problem"]

    def __init__(self, client, files):
        self.client, self.heard = client, {name: [] for name in self.names}
        self.ids = {}
        printed = self.execute(SCRIPT.format(photo=files[0], style=files[1], names=self.names))
        self.ids = dict(zip(printed.split(), self.names))

    def execute(self, code):
        """Runs code in the kernel, and returns what it printed."""
        request, printed = self.client.execute(code), ""
        while True:
            message = self.listen()
            if message["parent_header"].get("msg_id") == request:
                assert message["msg_type"] != "error", "\n".join(message["content"]["traceback"])
                printed += message["content"].get("text", "") if message["msg_type"] == "stream" else ""
                if message["content"].get("execution_state") == "idle":
                    return printed

    def listen(self):
        """Takes the kernel's next message, and notes a widget's new value."""
        message = self.client.get_iopub_msg(timeout=60)
        name = self.ids.get(message["content"].get("comm_id"))
        if name and message["msg_type"] == "comm_msg" and "value" in str(message["content"]["data"]):
            data = message["content"]["data"]
            self.heard[name].append(bytes(message["buffers"][0]) if message["buffers"] else data["state"].get("value"))
        return message

    def send(self, name, data):
        """A message to a widget, as its view in the browser sends it."""
        comm_id = next(key for key, value in self.ids.items() if value == name)
        self.client.shell_channel.send(self.client.session.msg("comm_msg", {"comm_id": comm_id, "data": data}))

    def click(self, name):
        self.send(name, {"method": "custom", "content": {"event": "click"}})

    def until(self, condition):
        while not condition():
            self.listen()


def test_a_browser_paints_and_stops_while_the_kernel_stays_free(files, tmp_path):
    manager, client = start_new_kernel(kernel_name="python3", cwd=str(tmp_path))
    try:
        browser = Browser(client, files)
        browser.send("alpha", {"method": "update", "state": {"value": 0.5}, "buffer_paths": []})
        browser.until(lambda: any("alpha=0.5," in text for text in browser.heard["code"]))
        browser.click("paint")
        browser.until(lambda: len(set(browser.heard["picture"])) >= 2)
        assert browser.execute("print(6 * 7, pg.stop.disabled)") == "42 False\n"           # in the midst of painting
        browser.click("stop")
        browser.until(lambda: any("stopped after" in text for text in browser.heard["state"]))
        assert all(Image.open(io.BytesIO(data)).format == "JPEG" for data in browser.heard["picture"])
        assert not any(browser.heard["problem"])
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
