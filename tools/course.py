"""Open the course in JupyterLab; `make course` ends here. Nothing is sent or fetched beyond 127.0.0.1."""
import importlib.util
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def without_torch(name):
    """nst_lessons/lab/NAME.py as a module, by its path: importing the package would load torch first, some seconds for nothing."""
    package = Path(importlib.util.find_spec("nst_lessons").origin).parent
    spec = importlib.util.spec_from_file_location(f"nst_lessons_lab_{name}", package / "lab" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


server = without_torch("server")
browser_at_hand, lab_command = server.browser_at_hand, server.lab_command

if __name__ == "__main__":
    server.start(ROOT / "notebooks")
