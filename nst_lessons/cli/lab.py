"""`nst-lessons lab [FOLDER]`: the lessons in JupyterLab, as copies of your own; what you wrote in them is never overwritten."""
import importlib.util
import os
from pathlib import Path


def add(commands):
    """Describes the command to argparse."""
    from ..lab.copies import FOLDER
    p = commands.add_parser("lab", help="open the lessons in JupyterLab, as copies of your own",
                            description="Copy the course's notebooks to FOLDER and open them in JupyterLab. A notebook that you changed is never "
                                        "overwritten; one that you did not touch is renewed when the course has a newer version.")
    p.add_argument("folder", metavar="FOLDER", nargs="?", default=FOLDER, help=f"where your copies are (default: {FOLDER})")
    p.add_argument("--copy-only", action="store_true", help="copy, and do not open JupyterLab")
    p.add_argument("--fresh", metavar="LESSON", action="append", default=[],
                   help="a fresh copy of a lesson (03, gram_matrices, playground, …) beside yours, under a name of its own; may be repeated")
    p.set_defaults(run=run)


def run(args):
    """Copies, says what was copied and what was left, and becomes JupyterLab."""
    from ..lab import copies, server
    folder = Path(args.folder).expanduser().absolute()
    if not args.copy_only and importlib.util.find_spec("jupyterlab") is None:
        raise copies.CopyError('JupyterLab is not installed: pip install "nst_lessons[lab]", or copy the notebooks only, by --copy-only')
    for lesson in args.fresh:
        copies.find(lesson)                                                      # a wrong name is refused before anything is copied
    done = copies.copy_notebooks(folder)
    fresh = [_fresh(folder, lesson, done) for lesson in args.fresh]
    _tell(folder, done, fresh)
    if not args.copy_only:
        server.start(folder, fresh[0] if fresh else None)


def _fresh(folder, lesson, done):
    """The name of a fresh copy of `lesson`: what was copied just now is one already."""
    from ..lab import copies
    name = copies.find(lesson).name
    return name if name in done.new else copies.fresh_copy(folder, lesson).name


def _tell(folder, done, fresh):
    """One line for each thing that happened."""
    place = os.path.join("~", folder.relative_to(Path.home())) if folder.is_relative_to(Path.home()) else folder
    print(f"Your notebooks are in {place}" + (f" ({len(done.new)} copied)" if done.new else ""))
    if done.renewed:
        print(f"Renewed, since you had not changed them: {', '.join(done.renewed)}")
    if done.behind:
        print(f"Yours, left as they are, though the course has another version: {', '.join(done.behind)} "
              f"(nst-lessons lab --fresh {done.behind[0].partition('_')[0].removesuffix('.ipynb')} puts it beside yours)")
    for name in fresh:
        print(f"Fresh: {name}")
