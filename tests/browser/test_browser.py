"""In a real browser: JupyterLab with lesson 01's explorer and the playground's studio; and the studio as a page without code, by Voila.

One file, so that one line says what was skipped where there is no Chromium.
"""
import json
import re
import time
import urllib.request

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import TimeoutError, expect

import browsing
import nst_lessons as nst
from hands import PATIENCE, StudioWidget, Widget
from nst_lessons.images import read_settings, to_pil

LESSON, PLAYGROUND = "01_pictures_as_tensors.ipynb", "playground.ipynb"
ICONS = "() => [...document.fonts].some((face) => face.family.includes('Awesome') && face.status === 'loaded')"
RUNS = 180               # s that all cells of a notebook may take; a machine may be busy with something else
CHANGED = ".jp-mod-current.jp-mod-dirty"
IDLE = ".jp-Notebook-ExecutionIndicator[data-status=idle]"


@pytest.fixture(scope="module")
def lab(browser, tmp_path_factory):
    """JupyterLab: (address(notebook), the folder of its copies)."""
    notebooks = [browsing.ROOT / "notebooks" / name for name in (LESSON, PLAYGROUND)]
    with browsing.lab(tmp_path_factory.mktemp("lab"), notebooks) as served:
        yield served


def opened(window, lab, name):
    """A page with the notebook `name`, every cell of it run by the menu, none with an error but those of stubs."""
    address, folder = lab
    forget(folder / name)
    page = window.new_page()
    heard = []                                         # what the kernel says to the page: JupyterLab shows "idle" before there is one
    page.on("websocket", lambda line: line.on("framereceived", lambda said: heard.append(said)) if "/channels" in line.url else None)
    page.goto(address(name))
    page.locator(".jp-Notebook .jp-Cell").first.wait_for()
    until = time.monotonic() + RUNS
    while not heard:
        assert time.monotonic() < until, "no kernel"
        page.wait_for_timeout(20)
    page.locator(IDLE).wait_for()
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    page.locator(CHANGED).first.wait_for()             # the numbers and the outputs are gone: it has begun
    until = time.monotonic() + RUNS
    while time.monotonic() < until:
        page.locator(IDLE).wait_for(timeout=1000 * RUNS)         # it is so between two cells, too
        cells = saved(page, folder / name)
        assert unexpected(cells) == []
        if cells and all(cell["execution_count"] for cell in cells):
            return page
    raise AssertionError(f"{name}: not every cell was run in {RUNS} s")


def unexpected(cells):
    """(error, source) of each cell that failed and had no leave to: an exercise's check may, while there is a stub."""
    return [(output["ename"], cell["source"]) for cell in cells for output in cell["outputs"]
            if output["output_type"] == "error" and "raises-exception" not in cell["metadata"].get("tags", [])]


def forget(path):
    """Takes the numbers of the last run out of a notebook's code cells: whatever has one afterwards was run in the browser."""
    notebook = json.loads(path.read_text())
    for cell in code_cells(notebook):
        cell["execution_count"] = None
    path.write_text(json.dumps(notebook))


def saved(page, path):
    """The notebook's code cells; JupyterLab saves it first, if there is anything new to save. [] where autosave was quicker: look again."""
    try:
        if page.locator(CHANGED).count():
            with page.expect_response(lambda answer: answer.request.method == "PUT" and "/api/contents/" in answer.url, timeout=10_000):
                page.keyboard.press("Control+s")
        return code_cells(json.loads(path.read_text()))
    except (json.JSONDecodeError, TimeoutError):
        return []


def code_cells(notebook):
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def shown_widget(page, heading, label):
    """The widget below a heading, brought into sight by the table of contents; it has a control of this label."""
    page.get_by_role("tab", name=re.compile("^Table of Contents")).click()
    page.locator(".jp-TableOfContents").get_by_text(heading, exact=True).click()
    output = page.locator(".jp-OutputArea-output").filter(has=page.get_by_text(label, exact=True)).first
    output.scroll_into_view_if_needed()
    return output


def test_lesson_01_runs_and_its_slider_changes_the_picture(window, lab):
    page = opened(window, lab, LESSON)
    explorer = Widget(page, shown_widget(page, "Explore", "size (px)"))
    picture = explorer.root.get_by_role("img")
    expect(explorer.status()).to_contain_text("[1, 3, 128, 128]", timeout=PATIENCE)
    first = explorer.seen(picture)

    explorer.press("size (px)", "ArrowRight")
    expect(explorer.status()).to_contain_text("[1, 3, 144, 144]", timeout=PATIENCE)
    finer = explorer.seen(picture)
    assert np.abs(finer - first.astype(float)).mean() > 1
    explorer.press("size (px)", "ArrowLeft")
    expect(explorer.status()).to_contain_text("[1, 3, 128, 128]", timeout=PATIENCE)
    assert (explorer.seen(picture) == first).all()

    explorer.drag("size (px)", 0)
    expect(explorer.status()).to_contain_text("[1, 3, 16, 16]", timeout=PATIENCE)
    coarse = explorer.seen(picture)
    assert np.abs(coarse - first.astype(float)).mean() > 5
    assert picture.bounding_box()["width"] > 300                 # it is on the screen, too
    page.close()


@pytest.fixture(scope="module")
def studio(window, lab):
    """The playground's studio in JupyterLab, ready; and the folder in which it saves."""
    page = opened(window, lab, PLAYGROUND)
    yield StudioWidget(page, shown_widget(page, "Your turn", "painting")).ready(), lab[1]
    page.close()


def test_the_playground_paints_an_upload_and_saves_it(studio, tmp_path):
    """Upload, Run, Pause, another beta, Go on, Stop, Save; the file holds the picture of the easel, and the beta of the slider."""
    hands, folder = studio
    mine = tmp_path / "my photo.png"
    waves = np.sin(np.linspace(0, 9, 200))[None] * np.cos(np.linspace(0, 7, 150))[:, None]
    Image.fromarray((127 + 120 * np.stack([waves, -waves, waves**2], axis=-1)).astype(np.uint8)).save(mine)
    before = hands.picture.get_attribute("src")
    hands.root.get_by_label(re.compile("drop your photograph")).set_input_files(mine)
    expect(hands.root.get_by_label("photograph", exact=True)).to_have_value(re.compile("my photo.png"))
    expect(hands.picture).not_to_have_attribute("src", before)
    hands.small(steps="most")
    file, beta = hands.paint(folder)

    picture, settings = Image.open(file), read_settings(file)
    assert picture.size == (96, 72) and picture.format == "PNG"
    assert settings["beta"] == beta and settings["size"] == 96 and "my photo" in settings["content"]
    shown = Image.fromarray(hands.seen(hands.picture)).resize(picture.size, Image.Resampling.BOX)
    painted, photo = (np.asarray(one.convert("RGB"), float) for one in (picture, to_pil(nst.load_image(mine, size=96))))
    assert np.abs(np.asarray(shown, float) - painted).mean() < 8 < np.abs(photo - painted).mean()


def test_a_mask_painted_by_mouse_leaves_the_rest_of_the_photograph_alone(studio):
    """One stroke over the middle of the cat: there the picture is a painting, far from it the photograph, to the pixel."""
    hands, folder = studio
    hands.open("Pictures")
    hands.choose("photograph", "cat")
    hands.small(steps="fewest")
    hands.open("Mask")
    canvas = hands.root.locator("canvas")
    canvas.scroll_into_view_if_needed()
    before = canvas.screenshot()
    box = canvas.bounding_box()
    hands.page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.5 * box["height"])
    hands.page.mouse.down()
    hands.page.mouse.move(box["x"] + 0.7 * box["width"], box["y"] + 0.5 * box["height"], steps=8)
    hands.page.mouse.up()
    expect(hands.root.get_by_label("paint", exact=True)).to_have_value("only where I paint")      # the kernel has the stroke
    assert canvas.screenshot() != before
    hands.button("Run").click()
    hands.tells("done after")
    file = hands.keep(folder)

    painted = np.asarray(Image.open(file).convert("RGB"), int)
    photo = np.asarray(to_pil(nst.load_image("cat", size=96)), int)
    height, width = photo.shape[:2]
    change = np.abs(painted - photo).max(axis=-1)
    assert painted.shape == photo.shape and len(read_settings(file)["masks"]) == 1
    assert change[:height // 4].max() == change[-height // 4:].max() == 0
    assert change[:, :width // 8].max() == change[:, -width // 8:].max() == 0
    assert change[height // 2 - 2:height // 2 + 2, int(0.35 * width):int(0.65 * width)].mean() > 5


# --- the studio as a page without code -------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def page(browser, window, tmp_path_factory):
    """(the page of `make studio`, the folder in which it was started)."""
    with browsing.studio(tmp_path_factory.mktemp("studio")) as (address, folder):
        page = window.new_page()
        page.goto(address)
        yield page, folder
        page.close()


def test_nobody_enters_without_the_token(page):
    page, _ = page
    with urllib.request.urlopen(page.url.partition("?")[0], timeout=30) as answer:
        assert "/login" in answer.url and "Studio(" not in answer.read().decode()


def test_the_page_shows_the_studio_without_code_and_saves_where_it_was_started(page):
    page, folder = page
    hands = StudioWidget(page, page.locator("body")).ready()
    expect(page).to_have_title("Studio")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Studio")
    assert str(folder) in page.locator("body").inner_text()                      # it says where pictures are saved
    assert "import" not in page.locator("body").inner_text() and page.locator(".jp-InputArea-editor").count() == 0
    hands.small(steps="most")
    file, beta = hands.paint(folder)
    assert Image.open(file).size == (96, 96)
    assert read_settings(file)["beta"] == beta
    page.wait_for_function(ICONS)


def test_nothing_sticks_out_of_the_page(page):
    page, _ = page
    for width in (1280, 800, 400):
        page.set_viewport_size({"width": width, "height": 900})
        StudioWidget(page, page.locator("body")).button("Run").wait_for()
        for box in ("html", "#rendered_cells"):
            assert page.locator(box).evaluate("box => box.scrollWidth - box.clientWidth") <= 0, (width, box)
