"""What JupyterHub starts for a student, as that student: their copies of the notebooks are made or renewed, then comes their server."""
import importlib.util
import os
import sys
from pathlib import Path


def without_torch(name):
    """nst_lessons/lab/NAME.py as a module, by its path: importing the package would load torch once more for every student."""
    package = Path(importlib.util.find_spec("nst_lessons").origin).parent
    spec = importlib.util.spec_from_file_location(f"nst_lessons_lab_{name}", package / "lab" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main(arguments):
    """Copy, then become JupyterHub's single-user server with these arguments."""
    copies, server = without_torch("copies"), without_torch("server")
    try:
        done = copies.copy_notebooks(Path(copies.FOLDER).expanduser())
        print(f"notebooks: {len(done.new)} copied, {len(done.renewed)} renewed, {len(done.theirs)} left as the student has them", file=sys.stderr)
    except (OSError, ValueError) as error:                     # a full disk, say: what is there shall still be reached
        print(f"notebooks not copied: {error}", file=sys.stderr)
    command = [str(Path(sys.executable).with_name("jupyterhub-singleuser")), *server.QUIET, *server.SERVING, *arguments]
    os.execve(command[0], command, server.environment())


if __name__ == "__main__":
    main(sys.argv[1:])
