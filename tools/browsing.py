"""A real Chromium before a real JupyterLab and a real Voila, for tests/browser and tools/screenshots.py.

Each server has folders, a port and a token of its own, so nothing of the user's Jupyter is read or changed.
"""
import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NAMES = ("chromium", "chromium-browser", "google-chrome")
STARTS = 60              # s, at most, until a server answers

sys.path.append(str(ROOT / "tools"))          # last: tests and tools have files of the same name
import course  # noqa: E402


def chromium():
    """The path of the system's Chromium, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


def launch(playwright, path):
    """Chromium without a window, but with scroll bars where a user would see them. It finds no host but this machine, whatever a page asks for."""
    options = ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
    if os.geteuid() == 0:
        options.append("--no-sandbox")           # Chromium refuses to start as root otherwise: containers
    return playwright.chromium.launch(executable_path=path, args=options, ignore_default_args=["--hide-scrollbars"])


@contextlib.contextmanager
def lab(place, notebooks, settings=()):
    """JupyterLab as `make course` starts it, for copies of `notebooks` in the folder `place`: → (address(name), folder of the copies).

    settings: {plugin: what a user would set}.
    """
    folder, environ = place / "notebooks", course.server.environment(_own(place))
    folder.mkdir()
    for name in settings:
        file = place / "config/lab/user-settings" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(settings[name]))
    for notebook in notebooks:
        shutil.copy(notebook, folder)
    command = [*course.lab_command(folder, browser=False), f"--ServerApp.port={_free_port()}"]
    with _running(command, folder, environ, place / "lab.log") as alive:
        while not (at := _told(place / "runtime")):
            alive()
        # Each notebook in a workspace of its own: the others' tabs do not come back.
        yield lambda name: f"{at['url']}lab/workspaces/{Path(name).stem}/tree/{name}?token={at['token']}", folder


def _free_port():
    """A port that nobody has: two servers that start in the same moment would both take the usual one."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def _told(runtime):
    """What JupyterLab writes about itself, {"url": …, "token": …}; None while it has not, or not all of it."""
    try:
        return next((json.loads(path.read_text()) for path in runtime.glob("jpserver-*.json")), None)
    except json.JSONDecodeError:
        return None


@contextlib.contextmanager
def studio(place):
    """The studio as `make studio` starts it: → (its address, the folder in which it saves)."""
    folder, log = place / "pictures", place / "studio.log"
    folder.mkdir()
    with _running([sys.executable, str(ROOT / "tools/studio.py"), "--port", str(_free_port())], folder, _own(place), log) as alive:
        while not (told := re.search(r"http://127\.0\.0\.1:\d+/\?token=\w+\n", log.read_text())):
            alive()
        yield told[0].strip(), folder


def _own(place):
    """The environment, but with Jupyter's and IPython's folders in `place`, and without a screen on which a browser could open."""
    kept = {name: value for name, value in os.environ.items() if not re.match("JUPYTER|IPYTHON|DISPLAY|WAYLAND", name)}
    folders = {"JUPYTER_CONFIG_DIR": "config", "JUPYTER_DATA_DIR": "data", "JUPYTER_RUNTIME_DIR": "runtime", "IPYTHONDIR": "ipython"}
    for name in folders.values():
        (place / name).mkdir()
    return kept | {name: str(place / value) for name, value in folders.items()}


@contextlib.contextmanager
def _running(command, folder, environ, log):
    """A server, ended whatever happens; → a function that waits a moment, and raises RuntimeError once the server has ended or is too slow."""
    with log.open("w") as out:
        server = subprocess.Popen(command, cwd=folder, env=environ, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
    began = time.monotonic()

    def alive():
        if server.poll() is not None or time.monotonic() - began > STARTS:
            raise RuntimeError(f"{' '.join(command[:3])} does not answer:\n{log.read_text()[-3000:]}")
        time.sleep(0.05)
    try:
        yield alive
    finally:
        server.terminate()
        try:
            server.wait(timeout=20)              # its kernels end with it
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
