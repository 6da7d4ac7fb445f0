"""A learner's own copies of the course's notebooks: made once, renewed only while untouched, never written over."""
import hashlib
import json
import os
from collections import namedtuple
from pathlib import Path

FOLDER = "~/nst_lessons_notebooks"     # where a learner's copies are, unless they say otherwise
RECORD = ".nst_lessons.json"          # in the learner's folder: {name: SHA-256 of what was copied}, by which an untouched copy is known

# Names of notebooks. new: were not there; renewed: untouched, and replaced by a newer version; theirs: changed by the learner, and left;
# behind: those of `theirs` that have a newer version in the course than the one they began with.
Copied = namedtuple("Copied", "new renewed theirs behind")


class CopyError(ValueError):
    """What cannot be copied, and what would do."""


def course_notebooks():
    """{name: path} of the notebooks that learners open: inside the package as a wheel brings it, beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "notebooks", package.parent / "notebooks"):
        found = {path.name: path for path in sorted(folder.glob("*.ipynb"))}
        if found:
            return found
    raise CopyError(f"there are no notebooks in {package} nor beside it; install nst_lessons again")


def copy_notebooks(folder):
    """Brings every notebook of the course to `folder`, which is made if need be; returns a `Copied`.

    A file that was changed since it was copied, or that was never copied, is left as it is. Raises CopyError, OSError.
    """
    folder, course = Path(folder), course_notebooks()
    _refuse(folder, course)
    folder.mkdir(parents=True, exist_ok=True)
    record, done = _read(folder), Copied([], [], [], [])
    for name, source in course.items():
        data, target = source.read_bytes(), folder / name
        now = _hash(data)
        if not os.path.lexists(target):                                          # lexists: a dangling link is somebody's too
            _place(data, target)
            done.new.append(name)
        elif not target.is_file() or _hash(target.read_bytes()) not in (now, record.get(name)):
            done.theirs.append(name)
            if record.get(name) != now:
                done.behind.append(name)
            continue                                                             # the record goes on saying what they began with
        elif _hash(target.read_bytes()) != now:
            _place(data, target)
            done.renewed.append(name)
        record[name] = now
    _place(json.dumps(record, indent=1).encode(), folder / RECORD)
    return done


def fresh_copy(folder, lesson):
    """The course's version of `lesson` ("03", "gram_matrices", …) under a free name in `folder`, beside what is there; returns its path."""
    source, folder = find(lesson), Path(folder)
    _refuse(folder, course_notebooks())
    folder.mkdir(parents=True, exist_ok=True)
    target, number = folder / source.name, 1
    while os.path.lexists(target):
        target = folder / f"{source.stem}-fresh{f'-{number}' if number > 1 else ''}.ipynb"
        number += 1
    _place(source.read_bytes(), target)
    return target


def find(lesson):
    """The course's notebook that is meant by "3", "03", "gram_matrices" or "03_gram_matrices"; CopyError names what there is."""
    course = course_notebooks()
    wanted = lesson.removesuffix(".ipynb").lower()
    for path in course.values():
        number, _, subject = path.stem.partition("_")
        if wanted in (path.stem, number, subject) or wanted.zfill(2) == number:
            return path
    numbers = [name.partition("_")[0].removesuffix(".ipynb") for name in course]
    raise CopyError(f"there is no lesson {lesson!r}; there are {', '.join(numbers)}")


def _refuse(folder, course):
    """What is no place for copies: a file, and the course's own folder."""
    if folder.exists() and not folder.is_dir():
        raise CopyError(f"{str(folder)!r} is a file; give a folder")
    if folder.resolve() in {path.parent for path in course.values()}:
        raise CopyError(f"{str(folder)!r} is the course's own folder; give another one for your copies")


def _read(folder):
    """The record of `folder`; an unreadable one counts as none, and then every changed file is the learner's."""
    try:
        record = json.loads((folder / RECORD).read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _hash(data):
    return hashlib.sha256(data).hexdigest()


def _place(data, target):
    """`data` as the file `target`: whole, or not there at all."""
    unfinished = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        unfinished.write_bytes(data)
        os.replace(unfinished, target)
    finally:
        unfinished.unlink(missing_ok=True)
