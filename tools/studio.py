"""Open the studio as a page without code, by Voila; `make studio` ends here. Nothing is sent or fetched beyond 127.0.0.1.

python tools/studio.py [--port 8866] [--folder FOLDER]        pictures are saved in FOLDER; without it, where the command was started
"""
import argparse
import logging
import os
import sys
import tempfile
import webbrowser
from pathlib import Path

import nbformat
from traitlets import default
from voila.app import Voila
from voila.shutdown_kernel_handler import VoilaShutdownKernelHandler

sys.path.append(str(Path(__file__).resolve().parent))
from course import browser_at_hand  # noqa: E402

TEMPLATES = Path(__file__).resolve().parent / "studio_page"          # voila/templates/studio: Voila's page, without foreign hosts
LONG_IDLE = 3600         # s, after which the Python of a page that nobody looks at any more is ended
WIDGETS = ["@jupyter-widgets/jupyterlab-manager", "@voila-dashboards/widgets-manager8", "anywidget"]     # what of JupyterLab the page needs


# A page that is closed says so without the token against forged requests, and its Python would paint on. Who may say it is known by the login
# all the same, and the kernel by a name that nobody guesses.
VoilaShutdownKernelHandler.check_xsrf_cookie = lambda handler: None


class StudioPage(Voila):
    """Voila that says where it is in one line, and opens the browser there, token included."""

    @default("tornado_settings")
    def _room_for_uploads(self):
        return {"websocket_max_message_size": 200_000_000}                # an uploaded photograph is one message

    def launch_browser(self):
        print(f"The studio is open at\n{self.display_url}", flush=True)
        if browser_at_hand():
            webbrowser.open(self.display_url)
        else:
            print("No browser can be opened from here (sudo apt install chromium brings one): open that address in yours.", flush=True)


def page(folder):
    """The notebook behind the page: a title, one line, and the studio, whose files lie in `folder`."""
    title = (f"# Studio\n\nA photograph, a painting, and every knob between them. **Save** puts a picture into `{folder}`; "
             "the settings are inside the file.")
    code = (f"import os\n\nos.chdir({str(folder)!r})\n\nfrom nst_lessons.explorers import Studio\n\n"
            "Studio(photo='astronaut', style='starry')")
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return nbformat.v4.new_notebook(metadata={"kernelspec": kernel},
                                    cells=[nbformat.v4.new_markdown_cell(title), nbformat.v4.new_code_cell(code)])


def page_options(port):
    """Voila's command line, without the notebook."""
    return ["--token",                                                # on a shared machine nobody else looks in; made anew each time
            "--template=studio", "--theme=light", "--Voila.ip=127.0.0.1", f"--port={port}", "--Voila.log_level=ERROR",
            "--VoilaConfiguration.allow_template_override=NO", "--VoilaConfiguration.allow_theme_override=NO",
            f"--MappingKernelManager.cull_idle_timeout={LONG_IDLE}", "--MappingKernelManager.cull_interval=300",
            *(f"--VoilaConfiguration.extension_allowlist={name}" for name in WIDGETS),
            "--KernelManager.transport_encryption=auto"]


def main(arguments=None):
    """Serve the page until Ctrl-C."""
    parser = argparse.ArgumentParser(description="The studio as a page without code, on 127.0.0.1.")
    parser.add_argument("--port", type=int, default=8866, help="the next free one is taken if this is not (8866)")
    parser.add_argument("--folder", type=Path, default=Path.cwd(), help="where pictures are saved (the folder you are in)")
    asked = parser.parse_args(arguments)
    folder = asked.folder.resolve()
    if not folder.is_dir():
        parser.error(f"{asked.folder} is not a folder")
    os.environ["JUPYTER_PATH"] = os.pathsep.join(filter(None, [str(TEMPLATES), os.environ.get("JUPYTER_PATH")]))
    logging.getLogger("tornado").setLevel(logging.ERROR)              # its remarks about pings are for whoever wrote the server
    print("The studio is starting; Ctrl-C stops it.", flush=True)
    with tempfile.TemporaryDirectory(prefix="studio-") as place:
        nbformat.write(page(folder), Path(place) / "Studio.ipynb")
        StudioPage.launch_instance([*page_options(asked.port), str(Path(place) / "Studio.ipynb")])


if __name__ == "__main__":
    main()
