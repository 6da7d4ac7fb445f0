"""`nst-lessons lab`: a learner's copies of the notebooks, in every state that they can be in, and what is then opened."""
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from nst_lessons import cli
from nst_lessons.lab import copies, server

ROOT = Path(__file__).resolve().parents[1]
FIRST, SECOND, LAST = "01_one.ipynb", "02_two_words.ipynb", "playground.ipynb"


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A course of three notebooks, in a package that was installed from a wheel: its folder of notebooks."""
    folder = tmp_path / "site/nst_lessons/notebooks"
    folder.mkdir(parents=True)
    for name in (FIRST, SECOND, LAST):
        (folder / name).write_text(f"{name}, first version")
    monkeypatch.setattr(copies, "__file__", str(folder.parent / "lab/copies.py"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    monkeypatch.chdir(tmp_path)
    return folder


def lab(*arguments):
    return cli.main(["lab", "--copy-only", *arguments])


def listing(folder):
    """{name: text} of what a learner sees there."""
    return {path.name: path.read_text() for path in sorted(Path(folder).iterdir()) if not path.name.startswith(".")}


def test_the_course_is_found_beside_the_package_in_a_checkout():
    found = copies.course_notebooks()
    assert found == {path.name: path for path in sorted((ROOT / "notebooks").glob("*.ipynb"))}
    assert list(found)[0].startswith("01_") and list(found)[-1] == "playground.ipynb"


def test_the_first_call_copies_all_and_says_where(course, capsys):
    assert lab() == 0
    mine = Path.home() / "nst_lessons_notebooks"
    assert listing(mine) == listing(course)
    assert capsys.readouterr().out == "Your notebooks are in ~/nst_lessons_notebooks (3 copied)\n"
    assert sorted(path.name for path in mine.iterdir() if path.name.startswith(".")) == [copies.RECORD]     # no half-written file
    assert lab() == 0
    assert capsys.readouterr().out == "Your notebooks are in ~/nst_lessons_notebooks\n"


def test_what_learners_changed_stays_and_what_they_did_not_is_renewed(course, capsys):
    lab("mine")
    Path("mine", FIRST).write_text("my work")
    Path("mine", SECOND).unlink()
    (course / SECOND).write_text("second version")
    (course / LAST).write_text("another playground")
    capsys.readouterr()
    lab("mine")
    assert listing("mine") == {FIRST: "my work", SECOND: "second version", LAST: "another playground"}
    out = capsys.readouterr().out
    assert "(1 copied)" in out and f"Renewed, since you had not changed them: {LAST}\n" in out and FIRST not in out
    (course / FIRST).write_text("third version")
    for _ in range(2):
        lab("mine")
        assert listing("mine")[FIRST] == "my work"
        assert f"the course has another version: {FIRST} (nst-lessons lab --fresh 01 puts it beside yours)" in capsys.readouterr().out


def test_a_file_that_was_never_copied_is_the_learners(course):
    """Also when the record is lost or broken, and when the name leads elsewhere."""
    Path("mine").mkdir()
    Path("mine", FIRST).write_text("older than the course")
    Path("mine", SECOND).symlink_to("nowhere.ipynb")
    lab("mine")
    lab("mine")
    assert Path("mine", FIRST).read_text() == "older than the course"
    assert os.readlink(Path("mine", SECOND)) == "nowhere.ipynb" and not Path("mine/nowhere.ipynb").exists()
    for broken in ("{", "[]", None):
        Path("mine", copies.RECORD).write_text(broken) if broken else Path("mine", copies.RECORD).unlink()
        (course / LAST).write_text(f"newer: {broken}")
        before = Path("mine", LAST).read_text()
        lab("mine")
        assert Path("mine", LAST).read_text() == before


def test_fresh_copies_lie_beside_the_old_ones(course, capsys):
    lab("mine", "--fresh", "2")                                   # nothing was there: the copy itself is fresh
    assert list(listing("mine")) == [FIRST, SECOND, LAST]
    Path("mine", SECOND).write_text("my work")
    (course / SECOND).write_text("second version")
    capsys.readouterr()
    for lesson, name in (("2", "02_two_words-fresh.ipynb"), ("two_words", "02_two_words-fresh-2.ipynb"), ("02_two_words.ipynb", "02_two_words-fresh-3.ipynb"),
                         ("Playground", "playground-fresh.ipynb")):
        lab("mine", "--fresh", lesson)
        assert capsys.readouterr().out.endswith(f"Fresh: {name}\n")
    found = listing("mine")
    assert found[SECOND] == "my work" and found["02_two_words-fresh-3.ipynb"] == "second version" and len(found) == 7


@pytest.mark.parametrize("line, message", [
    (["mine", "--fresh", "7"], "there is no lesson '7'; there are 01, 02, playground"), (["a_file"], "is a file; give a folder"),
    (["site/nst_lessons/notebooks"], "is the course's own folder; give another one for your copies"), (["a_file/mine"], "Not a directory"),
])
def test_bad_input_gets_one_line_and_copies_nothing(course, capsys, line, message):
    Path("a_file").write_text("mine")
    before = sorted(Path().rglob("*"))
    assert lab(*line) == cli.BAD_INPUT
    out, err = capsys.readouterr()
    assert out == "" and message in err and err.count("\n") == 1
    assert sorted(Path().rglob("*")) == before


def test_an_installation_without_notebooks_says_so(course, capsys):
    shutil.rmtree(course)
    assert lab("mine") == cli.BAD_INPUT
    assert "there are no notebooks in" in capsys.readouterr().err and not Path("mine").exists()


def test_an_interrupted_copy_leaves_nothing_half_written(course, monkeypatch):
    def full(self, data):
        with open(self, "wb") as file:
            file.write(data[:5])
        raise OSError(28, "No space left on device")
    monkeypatch.setattr(Path, "write_bytes", full)
    assert lab("mine") == cli.BAD_INPUT
    assert list(Path("mine").iterdir()) == []


# --- what is opened ---------------------------------------------------------------------------------------------------

def test_jupyterlab_opens_the_copies(course, monkeypatch, capsys):
    started = []
    monkeypatch.setattr(os, "execve", lambda path, command, environ: started.append((path, command, environ)))
    for arguments in (["mine"], ["mine", "--fresh", "2"]):
        assert cli.main(["lab", *arguments]) == 0
    (python, command, environ), (_, fresh, _) = started
    assert python == sys.executable and command[1:3] == ["-m", "jupyterlab"]
    assert f"--ServerApp.root_dir={Path('mine').absolute()}" in command and "--ServerApp.ip=127.0.0.1" in command
    assert f"--LabApp.default_url=/lab/tree/{FIRST}" in command and "--LabApp.default_url=/lab/tree/02_two_words-fresh.ipynb" in fresh
    assert environ["JUPYTER_CONFIG_PATH"] == str(ROOT / "nst_lessons/lab") and environ["HOME"] == os.environ["HOME"]
    assert server.environment({"JUPYTER_CONFIG_PATH": "theirs"})["JUPYTER_CONFIG_PATH"] == os.pathsep.join(["theirs", str(ROOT / "nst_lessons/lab")])


def test_without_jupyterlab_the_extra_is_named(course, monkeypatch, capsys):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "jupyterlab" else find(name))
    assert cli.main(["lab", "mine"]) == cli.BAD_INPUT
    assert 'pip install "nst_lessons[lab]"' in capsys.readouterr().err and not Path("mine").exists()
    assert lab("mine") == 0


# --- how the notebooks come into a wheel, and how the course starts without torch ---------------------------------------

def test_a_wheel_brings_the_notebooks_of_learners(tmp_path, monkeypatch):
    """setup.py's build step, for a project without modules: what it adds is what is then there."""
    for name in ("notebooks/01_one.ipynb", "notebooks/solutions/01_one.ipynb", "notebooks/source/01_one.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("setuptools.setup", lambda **told: told)
    spec = importlib.util.spec_from_file_location("setup_of_the_course", ROOT / "setup.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    import setuptools
    for editable, expected in ((False, ["built/nst_lessons/notebooks/01_one.ipynb"]), (True, [])):
        command = module.WithNotebooks(setuptools.Distribution({"packages": [], "py_modules": []}))
        command.build_lib, command.editable_mode = "built", editable
        command.ensure_finalized()
        command.run()
        assert command.get_outputs() == expected and command.get_source_files() == ["notebooks/01_one.ipynb"]
        assert [str(path) for path in Path("built").rglob("*.ipynb")] == expected
        shutil.rmtree("built", ignore_errors=True)


def test_what_the_server_and_the_classes_load_does_without_torch():
    program = "import sys; sys.path.insert(0, 'tools'); import course; print(course.server.QUIET[0], 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "--LabApp.news_url=None False\n", done.stderr


def test_jupyterlab_finds_the_courses_defaults(tmp_path):
    """No popup asks about news on the first start; in an environment that never saw the course."""
    pytest.importorskip("jupyter_server")
    program = ("from jupyter_server.services.config import ConfigManager; import json; "
               "print(json.dumps(ConfigManager(config_dir_name='labconfig').get('default_setting_overrides')))")
    environ = {name: value for name, value in os.environ.items() if not name.startswith("JUPYTER")} | {"HOME": str(tmp_path)}
    without, with_course = (json.loads(subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=True).stdout)
                            for env in (environ, server.environment(environ)))
    assert without == {}
    assert with_course["@jupyterlab/apputils-extension:notification"] == {"fetchNews": "false", "checkForUpdates": False}
