"""What a user does in a page: finds controls by what they say, presses, drags, types, and looks at pictures."""
import base64
import io
import re

import numpy as np
from PIL import Image
from playwright.sync_api import expect

PATIENCE = 60_000        # ms that a condition may take; a machine may be busy with something else


# A line of the page tells of an evaluation beyond the one that is given.
BEYOND = """(held) => [...document.querySelectorAll("[role=status]")].some(
    (line) => Number((/painting .* evaluation (\\d+) of/.exec(line.textContent) || [0, 0])[1]) > held)"""


class Widget:
    """Controls within `root`, a locator, found by their labels."""

    def __init__(self, page, root):
        self.page, self.root = page, root

    def button(self, text):
        return self.root.locator(self._button(text)).first

    def _button(self, text):
        """By its text alone: to a browser its icon is a letter of its name."""
        return self.page.get_by_role("button").filter(has_text=re.compile(f"^{text}$"))

    def status(self):
        return self.root.get_by_role("status").first

    def row(self, label):
        """A slider with its label and its number."""
        return self.root.locator(".widget-slider").filter(has=self.page.get_by_text(label, exact=True))

    def slider(self, label):
        return self.row(label).get_by_role("slider")

    def number(self, label):
        """What a slider shows."""
        return float(self.row(label).locator(".widget-readout").inner_text())

    def press(self, label, *keys):
        """Keys, upon a slider."""
        self.slider(label).focus()
        for key in keys:
            self.page.keyboard.press(key)

    def drag(self, label, share):
        """Takes a slider by its handle to a `share` of its length."""
        handle = self.slider(label).bounding_box()
        track = self.row(label).locator(".noUi-base").bounding_box()
        self.page.mouse.move(handle["x"] + handle["width"] / 2, handle["y"] + handle["height"] / 2)
        self.page.mouse.down()
        self.page.mouse.move(track["x"] + share * track["width"], track["y"] + track["height"] / 2, steps=4)
        self.page.mouse.up()

    def seen(self, image):
        """The pixels [H, W, 3] of the picture in the locator `image`, as its file in the browser has them."""
        data = image.evaluate("""async (image) => {
            await image.decode();
            const bytes = new Uint8Array(await (await fetch(image.src)).arrayBuffer());
            return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
        }""")
        return np.array(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB"))


class StudioWidget(Widget):
    """The studio, wherever it is shown."""

    @property
    def picture(self):
        """The picture on the easel: the first one in the innermost box that holds the Run button too."""
        return self.root.locator(".widget-vbox").filter(has=self._button("Run")).last.locator("img").first

    def ready(self):
        """Waits until it can be used."""
        self.tells("ready: press Run")
        return self

    def open(self, group):
        """Opens a group of the desk, if it is closed."""
        part = self.root.locator(".jupyter-widget-Accordion-child").filter(has=self.page.get_by_text(group, exact=True))
        if "jupyter-widget-Collapse-open" not in part.get_attribute("class").split():
            part.get_by_text(group, exact=True).click()

    def choose(self, label, option):
        self.root.get_by_label(label, exact=True).select_option(value=option)

    def tells(self, text):
        """Waits until the line above the picture says this, a text or a pattern."""
        expect(self.status()).to_contain_text(text, timeout=PATIENCE)

    def evaluations(self):
        """How far the painting has come, as the line above the picture says."""
        return int(re.search(r"evaluation (\d+) of", self.status().inner_text())[1])

    def small(self, steps):
        """Chooses the smallest size but one, 96 px, and the most steps or the fewest."""
        self.open("Size and steps")
        self.press("size (px)", "Home", "ArrowRight")
        expect(self.row("size (px)")).to_contain_text("96")
        self.press("steps", {"most": "End", "fewest": "Home"}[steps])
        expect(self.row("steps")).to_contain_text({"most": "1000", "fewest": "10"}[steps])

    def paint(self, folder):
        """Run, Pause, another beta, Go on, Stop, Save; → (the file in `folder`, beta as the slider shows it)."""
        before = self.picture.get_attribute("src")
        self.button("Run").click()
        self.tells(re.compile("painting .* evaluation"))
        expect(self.picture).not_to_have_attribute("src", before)
        self.button("Pause").click()
        self.tells("held at")
        expect(self.button("Go on")).to_be_enabled()
        held = self.evaluations()
        self.open("How")
        beta = self.number("beta (style)")
        self.press("beta (style)", *["ArrowRight"] * 3)
        self.button("Go on").click()
        self.page.wait_for_function(BEYOND, arg=held)
        assert self.number("beta (style)") > beta
        return self.end(folder), self.number("beta (style)")

    def end(self, folder):
        """Stop, Save; → the file in `folder`."""
        self.button("Stop").click()
        self.tells("stopped after")
        return self.keep(folder)

    def keep(self, folder):
        """Save; → the file in `folder`."""
        expect(self.button("Run")).to_be_enabled()
        there = set(folder.glob("*.png"))
        self.button("Save").click()
        self.tells("saved as")
        file, = set(folder.glob("*.png")) - there
        assert file.name in self.status().inner_text()
        return file
