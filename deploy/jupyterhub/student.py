"""What JupyterHub starts for a student, as that student: their copies of the notebooks are made or renewed, then comes their server."""
import os
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "tools"))
from course import server, without_torch  # noqa: E402: it is found by the line above


def main(arguments):
    """Copy, then become JupyterHub's single-user server with these arguments."""
    copies = without_torch("copies")
    try:
        done = copies.copy_notebooks(Path(copies.FOLDER).expanduser())
        print(f"notebooks: {len(done.new)} copied, {len(done.renewed)} renewed, {len(done.theirs)} left as the student has them", file=sys.stderr)
    except (OSError, ValueError) as error:                     # a full disk, say: what is there shall still be reached
        print(f"notebooks not copied: {error}", file=sys.stderr)
    command = [str(Path(sys.executable).with_name("jupyterhub-singleuser")), *server.QUIET, *server.SERVING, *arguments]
    os.execve(command[0], command, server.environment())


if __name__ == "__main__":
    main(sys.argv[1:])
