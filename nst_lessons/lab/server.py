"""JupyterLab as the course starts it: on this machine only, asking nobody outside. `make course`, `nst-lessons lab` and JupyterHub use it."""
import os
import sys
import webbrowser
from pathlib import Path

# What would contact the outside: news, the search for updates, the extension shop, npm's list of servers.
QUIET = ["--LabApp.news_url=None",
         "--LabApp.check_for_updates_class=jupyterlab.handlers.announcements.NeverCheckForUpdate",
         "--LabApp.extension_manager=readonly", "--LanguageServerManager.autodetect=False"]
# An uploaded photograph is one message; on a shared machine nobody else listens in, and the kernel need not warn of it.
SERVING = ["--ServerApp.tornado_settings={'websocket_max_message_size': 200_000_000}", "--KernelManager.transport_encryption=auto"]


def browser_at_hand(environ=os.environ):
    """True when a graphical browser can be opened from here (a text browser would take over the terminal)."""
    if sys.platform.startswith("linux") and not (environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY")):
        return False
    try:
        return webbrowser.get() is not None
    except webbrowser.Error:
        return False


def first_page(folder, notebook=None):
    """JupyterLab's address of `notebook`, a name in `folder`; None: of its first one (01_… where it exists, else playground)."""
    first = [notebook] if notebook else sorted(path.name for path in Path(folder).glob("*.ipynb"))[:1]
    return "/".join(["/lab", *(["tree"] if first else []), *first])


def lab_command(folder, browser, notebook=None):
    """JupyterLab's command line: `folder` served on 127.0.0.1, its first notebook opened, or `notebook`; `browser`: open one?"""
    command = [sys.executable, "-m", "jupyterlab", "--log-level=ERROR", "--LabApp.log_level=ERROR",
               "--ServerApp.ip=127.0.0.1", f"--ServerApp.root_dir={folder}",
               f"--LabApp.default_url={first_page(folder, notebook)}", *QUIET, *SERVING]
    if not browser:
        command.append("--no-browser")
    if os.geteuid() == 0:
        command.append("--allow-root")                                           # Jupyter refuses root otherwise: containers
    return command


def environment(environ=os.environ):
    """`environ` with the course's defaults for JupyterLab (labconfig/, beside this file); what a user sets wins over them."""
    before = environ.get("JUPYTER_CONFIG_PATH")
    return {**environ, "JUPYTER_CONFIG_PATH": os.pathsep.join(filter(None, [before, str(Path(__file__).resolve().parent)]))}


def start(folder, notebook=None):
    """Become JupyterLab, so that Ctrl-C reaches it directly; `folder` is served, `notebook` in it opened, or its first one."""
    browser = browser_at_hand()
    if not browser:
        print("No browser can be opened from here (sudo apt install chromium brings one): open the address below in yours.")
    print("JupyterLab is starting; Ctrl-C, pressed twice, stops it.", flush=True)
    command = lab_command(folder, browser, notebook)
    os.execve(command[0], command, environment())
