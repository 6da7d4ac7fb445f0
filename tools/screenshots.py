"""Pictures of every notebook and of the studio, as Chromium shows them: screenshots/NAME-WIDTH.png.

python tools/screenshots.py [NAME …]       those notebooks, as saved, without running them; `studio`: live, after one picture; or all

Full length, 1280 and 800 px wide. Whatever is wider than its page is named.
"""
import io
import math
import re
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

sys.path.append(str(Path(__file__).resolve().parent))
import browsing  # noqa: E402

NOTEBOOKS, FOLDER = browsing.ROOT / "notebooks", browsing.ROOT / "screenshots"
WIDTHS = 1280, 800       # px
PIECE = 3000             # px: a window of this height is photographed again and again, and the pieces are joined
PATIENCE = 120_000       # ms
# Every cell is drawn, in sight or not, so that the length is known.
WHOLE = {"@jupyterlab/notebook-extension/tracker": {"windowingMode": "none"}}
# The box of the notebook that scrolls, and where its last cell ends.
SCROLLER = """() => [...document.querySelectorAll(".jp-NotebookPanel *")].filter((one) => !one.closest(".jp-Cell")
    && ["auto", "scroll"].includes(getComputedStyle(one).overflowY)).sort((a, b) => b.scrollHeight - a.scrollHeight)[0]"""
END = """(panel) => Math.ceil([...panel.querySelectorAll(".jp-Cell")].at(-1).getBoundingClientRect().bottom
    - panel.getBoundingClientRect().top + panel.scrollTop)"""
SETTLED = """() => {
    const images = [...document.images], height = document.querySelectorAll("*").length;
    const same = window.nstHeight === height;
    window.nstHeight = height;
    return same && images.every((image) => image.complete) && document.fonts.status === "loaded";
}"""
WIDE = """(panel) => [...panel.querySelectorAll("*")].filter((one) => one.clientWidth && one.scrollWidth > one.clientWidth + 1
    && ["auto", "scroll"].includes(getComputedStyle(one).overflowX)).map((one) => `${one.className || one.tagName}: ${one.innerText.slice(0, 60)}`)"""


def notebook(page, address, name, width):
    """The whole notebook as a Pillow image."""
    page.set_viewport_size({"width": width, "height": PIECE})
    page.goto(address(name).replace("/lab/", "/doc/"))           # the notebook alone, without the list of files
    page.locator(".jp-Notebook .jp-Cell").first.wait_for()
    page.wait_for_function(SETTLED, polling=500)
    panel = page.evaluate_handle(SCROLLER).as_element()
    wide = panel.evaluate(WIDE)
    pieces, done, length = [], 0, panel.evaluate(END)
    while done < length:
        at = panel.evaluate("(panel, top) => { panel.scrollTop = top; return panel.scrollTop; }", done)
        page.wait_for_function(SETTLED, polling=200)
        piece = Image.open(io.BytesIO(panel.screenshot())).convert("RGB")
        pieces.append((done, piece.crop((0, done - math.floor(at), *piece.size))))
        done += pieces[-1][1].height
    whole = Image.new("RGB", (pieces[0][1].width, length), "white")
    for top, piece in pieces:
        whole.paste(piece, (0, top))
    return whole, wide


def studio(page, address, width):
    """The studio's page after one picture, every group of its desk opened in turn and put beside each other."""
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(address)
    page.get_by_role("status").get_by_text("ready").wait_for()
    page.get_by_role("button").filter(has_text=re.compile("^Run$")).click()
    page.get_by_role("status").get_by_text("done after").wait_for()
    views, cells = [], page.locator("#rendered_cells")            # the box that scrolls
    for group in ("Pictures", "How", "Size and steps", "Network and layers", "Mask"):
        header = page.get_by_text(group, exact=True)
        if group != "Pictures":                                  # which is open from the beginning
            header.click()
        page.wait_for_function(SETTLED, polling=200)
        page.set_viewport_size({"width": width, "height": cells.evaluate("cells => cells.scrollHeight")})
        views.append(Image.open(io.BytesIO(page.screenshot())).convert("RGB"))
    sheet = Image.new("RGB", (sum(view.width + 8 for view in views), max(view.height for view in views)), "gray")
    for number, view in enumerate(views):
        sheet.paste(view, (number * (views[0].width + 8), 0))
    return sheet, page.locator("body").evaluate(WIDE)


def main(names):
    """Takes the pictures."""
    there = {path.stem: path for path in sorted(NOTEBOOKS.glob("*.ipynb"))}
    unknown = set(names) - set(there) - {"studio"}
    if unknown:
        sys.exit(f"no such page: {', '.join(sorted(unknown))}; there are {', '.join(there)}, studio")
    chromium = browsing.chromium()
    if chromium is None:
        sys.exit("Chromium is missing: sudo apt install chromium")
    FOLDER.mkdir(exist_ok=True)
    chosen = [name for name in there if name in names or not names]
    with tempfile.TemporaryDirectory() as place, sync_playwright() as playwright, browsing.launch(playwright, chromium) as browser:
        page = browser.new_page()
        page.set_default_timeout(PATIENCE)
        if chosen:
            (Path(place) / "lab").mkdir()
            with browsing.lab(Path(place) / "lab", [there[name] for name in chosen], WHOLE) as (address, _):
                for name in chosen:
                    for width in WIDTHS:
                        keep(f"{name}-{width}", *notebook(page, address, f"{name}.ipynb", width))
        if "studio" in names or not names:
            (Path(place) / "studio").mkdir()
            with browsing.studio(Path(place) / "studio") as (address, _):
                for width in WIDTHS:
                    keep(f"studio-{width}", *studio(page, address, width))


def keep(name, picture, wide):
    """Writes a picture, and says what is wider than its place."""
    picture.save(FOLDER / f"{name}.png")
    print(f"screenshots/{name}.png  {picture.width} × {picture.height}", *(f"    scrolls sideways: {' '.join(one.split())}" for one in wide), sep="\n",
          flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
