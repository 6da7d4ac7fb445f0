"""Build a course for nbgrader from notebooks/source: python tools/classroom.py [LESSON …]

LESSON: 03, or its whole name; none means all. What is made, in classroom/ (or --folder):

nbgrader_config.py             nbgrader's settings; written once, then yours to edit
source/NAME/NAME.ipynb         the solved notebook with points and hidden tests; made anew each time, like release/
release/NAME/NAME.ipynb        what students get
gradebook.db                   nbgrader's, like submitted/, autograded/ and feedback/: what is in there is never lost

Then, in that folder, `nbgrader autograde NAME` and so on: docs/teaching.md.
"""
import argparse
import os
import re
import secrets
import sys
from pathlib import Path

import nbformat
import notebooks
from nbgrader.apps import NbGraderAPI
from nbgrader.coursedir import CourseDirectory
from traitlets.config import PyFileConfigLoader

SETTINGS = '''"""nbgrader's settings for this course: written once by tools/classroom.py, then yours to edit."""
import os

from nst_lessons.checks.grading import AUTOGRADE, GENERATE, SANITIZE

os.environ.pop("MPLBACKEND", None)                 # or figures would open windows instead of standing in the notebook

c = get_config()
c.CourseDirectory.course_id = "nst_lessons"
c.CourseDirectory.ignore = [".ipynb_checkpoints", "*.pyc", "__pycache__", ".*"]
c.GenerateAssignment.preprocessors = GENERATE
c.Autograde.sanitize_preprocessors = SANITIZE
c.Autograde.autograde_preprocessors = AUTOGRADE
c.Judge.numbers = {numbers}                                 # which other random cases an answer must pass: 1 to 99; keep it to yourself
c.Judge.seconds = 120                              # for one exercise
c.Execute.timeout = 300                            # s for one cell; the next one runs all the same
c.LimitOutput.max_lines = 200
'''


def course_notebook(source):
    """A lesson as nbgrader's source notebook: solved, each exercise an answer cell and a graded cell with hidden tests."""
    notebook, stubs = notebooks.read(source), {cell.id: cell.source for cell in notebooks.build(source).cells}
    for number, cell in enumerate(notebook.cells):
        if "exercise" in cell.metadata:
            exercise, task, check = cell.metadata.pop("exercise"), notebook.cells[number - 1], notebook.cells[number + 1]
            cell.source = notebooks.FAULTY.sub("", cell.source).rstrip("\n")
            cell.metadata.update(stub=stubs[cell.id], nbgrader=_marked("answer", exercise, solution=True))
            check.metadata.update(tags=["raises-exception"], nbgrader=_marked("check", exercise, grade=True, points=_points(task)))
            called = check.source.partition("(")[2].rpartition(")")[0]
            check.source += f"\n### BEGIN HIDDEN TESTS\nfrom nst_lessons.checks.judge import hand_in\nhand_in({called})\n### END HIDDEN TESTS"
    return notebook


def _points(task):
    """●○○ is worth 1 point, ●●● 3."""
    return next(line for line in task.source.splitlines() if line.startswith("●")).count("●")


def _marked(kind, exercise, solution=False, **more):
    """nbgrader's own metadata of an exercise's cell, in its schema 3."""
    return {"grade": False, "solution": solution, "task": False, "locked": not solution, "schema_version": 3,
            "grade_id": f"{kind}_{exercise.replace('.', '_')}", **more}


def build(lessons, folder):
    """Writes source/ and release/ of the lessons [percent scripts] into `folder`, whose other contents stay as they are."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = folder / "nbgrader_config.py"
    if not settings.exists():
        settings.write_text(SETTINGS.format(numbers=secrets.randbelow(99) + 1))
    config = PyFileConfigLoader(settings.name, path=str(folder)).load_config()
    config.CourseDirectory.root = str(folder)
    api = NbGraderAPI(CourseDirectory(config=config), config=config)
    for source in lessons:
        name = source.stem
        print(f"{name} …", flush=True)
        path = folder / "source" / name / f"{name}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(course_notebook(source), path)
        done = api.generate_assignment(name, force=True, create=True)
        if not done["success"]:
            why = re.findall(r"^\s*\w*(?:Error|Exception): (.+)$", done["log"] or "", re.MULTILINE)
            sys.exit(f"{name}: nbgrader made no release of it: {why[-1] if why else done['log']}")


def main(arguments=None):
    """The command line."""
    there = {source.stem: source for source in sorted(notebooks.SOURCES.glob("[0-9]*.py"))}
    parser = argparse.ArgumentParser(prog="tools/classroom.py", description="Build a course for nbgrader: docs/teaching.md.")
    parser.add_argument("lessons", metavar="LESSON", nargs="*", help="03, or 03_gram_matrices; none: all fifteen")
    parser.add_argument("--folder", type=Path, default=notebooks.NOTEBOOKS.parent / "classroom", help="where to (default: classroom)")
    asked = parser.parse_args(arguments)
    chosen = [[name for name in there if lesson in (name, name[:2])] for lesson in asked.lessons]
    if [] in chosen:
        parser.error(f"no lesson {asked.lessons[chosen.index([])]}; there are {', '.join(there)}")
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"        # nbgrader calls alembic, which lies there
    build([there[name] for name, in chosen] or list(there.values()), asked.folder.resolve())
    print(f"Built in {asked.folder}. What comes next: docs/teaching.md.")


if __name__ == "__main__":
    main()
