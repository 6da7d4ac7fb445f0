"""What a real browser sees: Playwright drives the system's Chromium before a real JupyterLab and a real Voila.

Without a Chromium these tests are skipped; where NST_REQUIRE_BROWSER is set, they fail.
"""
import os
import re
import sys
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tools"))          # last: tests and tools have files of the same name
import browsing  # noqa: E402

MISSING = "no Chromium here: sudo apt install chromium brings what the tests in a real browser need"

# Errors in the console that are not ours: (pattern, why).
ALLOWED = []


class Watch:
    """Collects what must not happen in a browser's context: errors, and requests to another host than this machine."""

    def __init__(self, context):
        self.errors, self.strangers = [], []
        context.on("console", lambda message: message.type == "error" and self._error(f"{message.text} ({message.location.get('url')})"))
        context.on("weberror", lambda event: self._error(str(event.error)))
        context.on("request", lambda request: self._asked(request.url))
        context.on("page", lambda page: page.on("websocket", lambda socket: self._asked(socket.url)))

    def _error(self, text):
        if not any(re.search(pattern, text) for pattern, _ in ALLOWED):
            self.errors.append(text)

    def _asked(self, url):
        if not re.match(r"(https?|wss?)://(127\.0\.0\.1|localhost)[:/]|data:|blob:", url):
            self.strangers.append(url)


def pytest_collection_modifyitems(items):
    """Marks what cannot run, rather than letting a fixture skip it: pytest tells of one file's skips in one line, if no mark stands in it.

    So `alone` is said here, too: a browser, a server and a kernel are company enough.
    """
    skipped = browsing.chromium() is None and not os.environ.get("NST_REQUIRE_BROWSER")
    for item in items:
        if item.path.parent == Path(__file__).parent and "browser" in item.fixturenames:
            item.add_marker(pytest.mark.alone)
            if skipped:
                item.add_marker(pytest.mark.skip(reason=MISSING))


@pytest.fixture(scope="module")
def browser():
    """Chromium."""
    path = browsing.chromium()
    if path is None:
        pytest.fail(MISSING, pytrace=False)
    with sync_playwright() as playwright:
        chromium = browsing.launch(playwright, path)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def window(browser):
    """A context of Chromium, its Watch beside it as `window.watch`; all pages of a module are opened in it, so files are loaded once."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(60_000)          # ms: a condition, not a wait; a machine may be busy with something else
    context.watch = Watch(context)
    yield context
    context.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    item.failed = call.when == "call" and report.failed
    return report


@pytest.fixture(autouse=True)
def nothing_strange(request, tmp_path):
    """After each test: no error in the console, no request to a stranger. A test that failed leaves pictures of its pages."""
    yield
    if "window" in request.fixturenames:
        window = request.getfixturevalue("window")
        for number, page in enumerate(window.pages if request.node.failed else []):
            page.screenshot(path=tmp_path / f"page{number}.png")
            print(f"as the browser showed it: {tmp_path / f'page{number}.png'}")
        watch = window.watch
        errors, watch.errors = watch.errors, []
        strangers, watch.strangers = watch.strangers, []
        assert errors == [] and strangers == []
