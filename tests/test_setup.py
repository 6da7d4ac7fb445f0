"""The doors into the course: Makefile, pyproject.toml, environment.yml, JupyterLab's command line."""
import json
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
CONDA_NAMES = {"torch": "pytorch", "opencv-python-headless": "py-opencv", "open_clip_torch": "open-clip-torch",
               "playwright": "playwright-python"}
needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="make is missing: sudo apt install make")


# --- the two lists of packages ---------------------------------------------------------------------------------------

def _declared():
    """Requirement strings of the project and of all that its test extra brings, by conda name: {"pytorch": ">=2.6", …}."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    listed = project["dependencies"] + [item for name in ("lab", "studio", "classroom", "test") for item in extras[name]
                                        if not item.startswith("nst_lessons")]
    bounds = {"python": project["requires-python"]}
    for item in listed:
        name, bound = re.fullmatch(r"([\w.-]+)(.*)", item).groups()
        bounds[CONDA_NAMES.get(name, name)] = bound
    return bounds


def _conda():
    """environment.yml as {"pytorch": ">=2.6", …} (without pip), and its pip list."""
    listed = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    pip = [item["pip"] for item in listed if isinstance(item, dict)]
    names = [re.fullmatch(r"([\w.-]+)(.*)", item).groups() for item in listed if isinstance(item, str)]
    return {name: bound for name, bound in names if name != "pip"}, pip


def test_conda_and_pip_install_the_same_packages():
    conda, pip = _conda()
    assert conda == _declared()
    assert pip == [["-e ."]]


def test_every_package_states_its_reason():
    lines = (ROOT / "environment.yml").read_text().splitlines()
    lines += (ROOT / "pyproject.toml").read_text().split("[project.optional-dependencies]")[0].split("dependencies = [")[1] \
        .partition("\n]")[0].splitlines()
    packages = [line for line in lines if re.match(r'\s+(- (?!pip:)|")', line)]
    assert len(packages) > 25
    assert [line for line in packages if not re.search(r"# .{5,}", line)] == []


def test_environment_is_named_as_it_says():
    text = (ROOT / "environment.yml").read_text()
    assert f"conda activate {yaml.safe_load(text)['name']}" in text


# --- make, with a Python that only writes down how it was called -----------------------------------------------------

FAKE_PYTHON = """#!/bin/sh
echo "$(basename "$0") $*" >> {calls}
case "$*" in
    "-m venv "*) mkdir -p "$3/bin" && cp {fake} "$3/bin/python" && cp {fake} "$3/bin/nst-lessons";;
    *"-m pip install"*) sleep 0.2; test ! -e {broken};;
esac
"""


@pytest.fixture
def workshop(tmp_path):
    """A copy of Makefile and pyproject.toml with `make(…)` and, in `calls()`, what make asked of its fake Python."""
    folder = tmp_path / "my course"                              # the space is on purpose
    folder.mkdir()
    for name in ["Makefile", "pyproject.toml"]:
        shutil.copy(ROOT / name, folder)
    calls, fake, broken = tmp_path / "calls", tmp_path / "python3", tmp_path / "broken"
    fake.write_text(FAKE_PYTHON.format(calls=calls, fake=fake, broken=broken))
    fake.chmod(0o755)
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}

    def make(*arguments, python=fake, **more):
        return subprocess.run(["make", f"PYTHON={python}", *arguments], cwd=folder, env={**environ, **more},
                              capture_output=True, text=True, timeout=60)

    def heard():
        lines = calls.read_text().splitlines() if calls.exists() else []
        calls.unlink(missing_ok=True)
        return lines
    make.folder, make.calls, make.broken = folder, heard, broken
    return make


@needs_make
def test_course_installs_once_then_starts_at_once(workshop):
    first = workshop("course")
    assert first.returncode == 0, first.stderr
    calls = workshop.calls()
    assert [line for line in calls if "pip install" in line][-1].endswith("-e .[lab]")
    assert calls[-2:] == ["nst-lessons check", "python tools/course.py"]
    assert workshop("course").stdout == ""
    assert workshop.calls() == ["python tools/course.py"]        # no pip, no check: straight to JupyterLab
    later = time.time() + 60
    os.utime(workshop.folder / "pyproject.toml", (later, later))
    workshop("course")
    assert [line for line in workshop.calls() if "pip install" in line][-1].endswith("-e .[lab]")


@needs_make
@pytest.mark.parametrize("target, extra", [("studio", "studio"), ("classroom", "classroom"), ("screenshots", "test")])
def test_other_doors_install_what_they_need_once(workshop, target, extra):
    assert workshop(target, 'ARGS=--some "of these"').returncode == 0
    calls = workshop.calls()
    assert [line.split()[-1] for line in calls if "pip install" in line][1:] == [".[lab]", f".[{extra}]"]
    assert calls[-1] == f"python tools/{target}.py --some of these" and (ROOT / f"tools/{target}.py").is_file()
    workshop(target)
    assert workshop.calls() == [f"python tools/{target}.py"]


@needs_make
def test_a_broken_installation_leaves_no_stamp(workshop):
    workshop.broken.touch()
    assert workshop("course").returncode != 0
    assert list((workshop.folder / ".venv").glob(".[a-z]*")) == []
    workshop.broken.unlink()
    assert workshop("course").returncode == 0
    assert sorted(path.name for path in (workshop.folder / ".venv").glob(".[a-z]*")) == [".checked", ".lab", ".made"]


@needs_make
def test_parallel_make_installs_one_thing_at_a_time(workshop):
    assert workshop("-j4", "test", "bench", "studio").returncode == 0
    installs = [line.split()[-1] for line in workshop.calls() if "pip install" in line]
    assert installs == ["setuptools>=77", ".[lab]", ".[test]", ".[studio]"]


@needs_make
@pytest.mark.parametrize("breaks", ["-m not alone", "-m alone", None])
def test_make_test_fails_when_one_of_its_two_runs_fails(workshop, breaks):
    workshop("course")
    python = workshop.folder / ".venv/bin/python"
    python.write_text(python.read_text() + f'echo "threads ${{OMP_NUM_THREADS:-free}}"\ncase "$*" in *pytest*"{breaks}"*) exit 5;; esac\n')
    workshop.calls()
    done = workshop("test", OMP_NUM_THREADS="")
    assert (done.returncode != 0) == (breaks is not None)
    side_by_side, alone = [line for line in workshop.calls() if "pytest" in line and "pip" not in line]      # the second runs in any case
    assert "-rs -n 2 --dist loadfile" in side_by_side and side_by_side.endswith(
        "-m not alone --nbval --nbval-current-env --nbval-cell-timeout=120 notebooks tests")
    assert alone == "python -m pytest -rs -m alone tests"
    assert done.stdout.splitlines()[-2:] == ["threads 1", "threads free"]


@needs_make
@pytest.mark.parametrize("pretend, message", [
    ("ensurepip.py: raise ImportError", "python3-venv is missing: sudo apt install python3-venv"),
    ("sitecustomize.py: import sys; sys.version_info = (3, 9, 2, 'final', 0)",
     "is Python 3.9, and 3.11 or later is needed: make PYTHON=python3.12 course"),
])
def test_what_is_missing_is_said_in_one_line(workshop, tmp_path, pretend, message):
    name, _, text = pretend.partition(": ")
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / name).write_text(text)
    python = tmp_path / "bin" / "python3"
    python.parent.mkdir()
    python.write_text(f'#!/bin/sh\nPYTHONPATH="{tmp_path / "lib"}" exec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    done = workshop("course", python=python)
    said, *rest = done.stderr.splitlines()
    assert done.returncode != 0 and said.endswith(message)
    assert [line for line in rest if not line.startswith("make")] == []
    assert not (workshop.folder / ".venv").exists()


@needs_make
def test_missing_python_is_said_in_one_line(workshop):
    done = workshop("course", python="python3-that-is-not-here")
    assert done.stderr.startswith("python3-that-is-not-here is missing: sudo apt install python3 python3-venv\n")


@needs_make
def test_help_lists_every_target(workshop):
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.M).group(1).split()
    listed = [line.split()[0] for line in workshop().stdout.splitlines()[1:]]
    assert sorted(listed) == sorted(phony)
    assert workshop.calls() == []                                # asking for help installs nothing


def test_ci_runs_the_readmes_test_command():
    script = (ROOT / ".ci/run").read_text().rstrip().splitlines()
    assert script[-1] == "make test"
    assert "set -euo pipefail" in script
    assert os.access(ROOT / ".ci/run", os.X_OK)
    assert subprocess.run(["bash", "-n", ROOT / ".ci/run"]).returncode == 0


# --- JupyterLab ------------------------------------------------------------------------------------------------------

def _tool(name):
    """The script tools/NAME.py as a module."""
    spec = importlib.util.spec_from_file_location(f"tools_{name}", ROOT / "tools" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_first_notebook_is_opened(tmp_path):
    course = _tool("course")
    assert "--LabApp.default_url=/lab" in course.lab_command(tmp_path, browser=True)
    (tmp_path / "playground.ipynb").touch()
    assert "--LabApp.default_url=/lab/tree/playground.ipynb" in course.lab_command(tmp_path, browser=True)
    (tmp_path / "01_pictures_as_tensors.ipynb").touch()
    assert "--LabApp.default_url=/lab/tree/01_pictures_as_tensors.ipynb" in course.lab_command(tmp_path, browser=True)


def test_browser_only_where_there_is_a_screen(tmp_path):
    course = _tool("course")
    assert "--no-browser" in course.lab_command(tmp_path, browser=False)
    assert "--no-browser" not in course.lab_command(tmp_path, browser=True)
    if sys.platform.startswith("linux"):
        assert course.browser_at_hand({}) is False


def _get(address):
    """(status, text) of a GET, tried for ten seconds: the address is printed a moment before the port is open."""
    for _ in range(100):
        try:
            with urllib.request.urlopen(address, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, ""
        except urllib.error.URLError:
            time.sleep(0.1)
    raise AssertionError(f"nothing answers at {address}")


@pytest.fixture
def opened(tmp_path):
    """tools/course.py, running in a copy of the course of one notebook: (its address, its token)."""
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks/playground.ipynb").write_text('{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}')
    (tmp_path / "tools").mkdir()
    script = shutil.copy(ROOT / "tools/course.py", tmp_path / "tools")
    decoy = tmp_path / "home/.local/share/jupyter/kernels/python3/kernel.json"          # another course's kernel of the same name
    decoy.parent.mkdir(parents=True)
    decoy.write_text('{"argv": ["decoy", "{connection_file}"], "display_name": "Decoy", "language": "python"}')
    environ = {name: value for name, value in os.environ.items() if not re.match("JUPYTER|DISPLAY|WAYLAND|XDG", name)}
    server = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              env={**environ, "HOME": str(tmp_path / "home")})
    try:
        printed = ""
        while "token=" not in printed:
            line = server.stdout.readline()
            assert line, f"JupyterLab stopped:\n{printed}"
            printed += line
        yield re.search(r"(http://[\d.]+:\d+)/lab/tree/playground\.ipynb\?token=(\w{32,})", printed).groups()
    finally:
        server.terminate()
        server.wait(timeout=20)
        server.stdout.close()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a browser would open")
def test_jupyterlab_stays_at_home_asks_for_a_token_and_calls_nobody(opened):
    base, token = opened
    assert base.startswith("http://127.0.0.1:")
    assert _get(f"{base}/api/contents")[0] == 403                                       # without the token: nothing
    assert "playground.ipynb" in _get(f"{base}/api/contents?token={token}")[1]
    assert "Decoy" not in _get(f"{base}/api/kernelspecs?token={token}")[1]              # .venv's own kernel comes first
    assert '"disabled": true' in re.search(r'"news": \{.*?\}', _get(f"{base}/lab?token={token}")[1]).group()
    assert _get(f"{base}/lab/api/update?token={token}") == (200, '{"notification": null}')
    assert _get(f"{base}/lab/api/news?token={token}") == (200, '{"news": []}')
    settings = json.loads(_get(f"{base}/lab/api/settings/@jupyterlab/apputils-extension:notification?token={token}")[1])
    assert settings["schema"]["properties"]["fetchNews"]["default"] == "false"          # or a popup would ask about news
