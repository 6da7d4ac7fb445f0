"""Open the course in JupyterLab; `make course` ends here. Nothing is sent or fetched beyond 127.0.0.1."""
import json
import os
import sys
import webbrowser
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
QUIET = {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False}}   # no popup asks on first start


def browser_at_hand(environ=os.environ):
    """True when a graphical browser can be opened from here (a text browser would take over the terminal)."""
    if sys.platform.startswith("linux") and not (environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY")):
        return False
    try:
        return webbrowser.get() is not None
    except webbrowser.Error:
        return False


def lab_command(notebooks, browser):
    """JupyterLab's command line: the folder `notebooks` served, its first notebook opened; `browser`: open one?"""
    first = sorted(path.name for path in notebooks.glob("*.ipynb"))[:1]          # 01_… once it exists, else playground
    command = [sys.executable, "-m", "jupyterlab", "--log-level=ERROR", "--LabApp.log_level=ERROR",
               "--ServerApp.ip=127.0.0.1", f"--ServerApp.root_dir={notebooks}",
               "--LabApp.default_url=" + "/".join(["/lab", *(["tree"] if first else []), *first]),
               # What would contact the outside: news, the search for updates, the extension shop, npm's list of servers.
               "--LabApp.news_url=None",
               "--LabApp.check_for_updates_class=jupyterlab.handlers.announcements.NeverCheckForUpdate",
               "--LabApp.extension_manager=readonly", "--LanguageServerManager.autodetect=False",
               "--ServerApp.tornado_settings={'websocket_max_message_size': 200_000_000}",      # an uploaded photograph is one message
               # On a shared machine nobody else listens in, and the kernel need not warn of it.
               "--KernelManager.transport_encryption=auto"]
    if not browser:
        command.append("--no-browser")
    if os.geteuid() == 0:
        command.append("--allow-root")                                           # Jupyter refuses root otherwise: containers
    return command


def write_settings(folder):
    """JupyterLab's defaults for this environment, in `folder` (…/share/jupyter/lab/settings); what a user sets wins over them."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "overrides.json").write_text(json.dumps(QUIET, indent=2))


def main():
    """Become JupyterLab, so that Ctrl-C reaches it directly."""
    write_settings(Path(sys.prefix) / "share/jupyter/lab/settings")
    browser = browser_at_hand()
    if not browser:
        print("No browser can be opened from here (sudo apt install chromium brings one): open the address below in yours.")
    print("JupyterLab is starting; Ctrl-C, pressed twice, stops it.", flush=True)
    command = lab_command(ROOT / "notebooks", browser)
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
