"""The recipe for a class on one server: its configuration, what is started for a student, and, where all is there, one pretended student."""
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from traitlets.config import PyFileConfigLoader

from nst_lessons.lab import copies, server

ROOT = Path(__file__).resolve().parents[1]
RECIPE = ROOT / "deploy/jupyterhub"
needs_hub = pytest.mark.skipif(importlib.util.find_spec("jupyterhub") is None, reason='JupyterHub is missing: pip install "nst_lessons[hub]"')
needs_proxy = pytest.mark.skipif(shutil.which("configurable-http-proxy") is None,
                                 reason="JupyterHub's proxy is missing: npm install -g configurable-http-proxy")


def load(name):
    """What jupyterhub -f NAME would be told."""
    return PyFileConfigLoader(str(RECIPE / name)).load_config()


@pytest.fixture
def trial(monkeypatch, tmp_path):
    """trial_config.py, as try_class.py calls it."""
    for name, value in {"FOLDER": tmp_path, "PORT": 9000, "PASSWORD": "made up", "PROXY": "a/proxy", "THREADS": ""}.items():
        monkeypatch.setenv(f"NST_TRIAL_{name}", str(value))
    return load("trial_config.py")


# --- the configuration ------------------------------------------------------------------------------------------------

def _unknown(config):
    """Settings that no class of JupyterHub has: misspelled, or of another version."""
    from jupyterhub import app, auth, proxy, spawner
    classes = {name: one for module in (app, auth, proxy, spawner) for name, one in vars(module).items()
               if isinstance(one, type) and hasattr(one, "class_traits")}
    return [f"{section}.{name}" for section in config for name in config[section]
            if name not in classes[section].class_trait_names(config=True)]


@needs_hub
def test_every_setting_is_one_that_jupyterhub_knows(trial):
    assert _unknown(load("jupyterhub_config.py")) == [] and _unknown(trial) == []
    wrong = load("jupyterhub_config.py")
    wrong.Spawner.memory_limit = "2G"
    assert _unknown(wrong) == ["Spawner.memory_limit"]


@needs_hub
def test_the_limits_mean_what_they_say(trial):
    from jupyterhub.spawner import LocalProcessSpawner
    spawner = LocalProcessSpawner(config=load("jupyterhub_config.py"))
    assert (spawner.mem_limit, spawner.cpu_limit) == (2 * 1024 ** 3, 1.0)
    assert spawner.environment["OMP_NUM_THREADS"] == "1"
    assert spawner.cmd == [sys.executable, str(RECIPE / "student.py")] and Path(spawner.cmd[1]).is_file()


@needs_hub
def test_the_settings_of_a_students_server_are_ones_that_it_knows():
    from jupyter_server.serverapp import ServerApp
    from jupyter_server.services.kernels.kernelmanager import MappingKernelManager
    from jupyterlab.labapp import LabApp
    from jupyterlab_server.config import LabConfig  # noqa: F401  (LabApp's own parent)
    known = {cls.__name__: cls.class_trait_names(config=True) for cls in (ServerApp, MappingKernelManager, LabApp)}
    told = [option.removeprefix("--").partition("=")[0].split(".") for option in [*load("jupyterhub_config.py").Spawner.args, *server.QUIET]]
    assert len(told) > 5
    assert [option for option in told if option[0] in known and option[1] not in known[option[0]]] == []


def test_only_the_machines_own_accounts_come_in_and_only_from_itself():
    config = load("jupyterhub_config.py")
    assert config.JupyterHub.authenticator_class == "pam" and config.JupyterHub.bind_url.startswith("http://127.0.0.1:")
    assert config.PAMAuthenticator.allowed_groups and "allow_all" not in config.Authenticator
    assert "--allow-root" not in config.Spawner.args and config.JupyterHub.spawner_class in ("systemd", "localprocess")


def test_the_trial_keeps_to_its_folder_and_to_this_machine(trial, tmp_path):
    assert trial.DummyAuthenticator.password == "made up" and trial.Spawner.cmd == load("jupyterhub_config.py").Spawner.cmd
    for place in (trial.JupyterHub.db_url, trial.JupyterHub.cookie_secret_file, trial.ConfigurableHTTPProxy.pid_file,
                  trial.SimpleLocalProcessSpawner.home_dir_template):
        assert str(tmp_path) in place
    for address in (trial.JupyterHub.bind_url, trial.JupyterHub.hub_bind_url, trial.ConfigurableHTTPProxy.api_url):
        assert address.startswith("http://127.0.0.1:900")


@pytest.mark.parametrize("asked, expected", [("", "1"), ("2", "2"), ("all", None)])
def test_the_trial_may_give_more_threads(trial, monkeypatch, asked, expected):
    monkeypatch.setenv("NST_TRIAL_THREADS", asked)
    assert load("trial_config.py").Spawner.environment.get("OMP_NUM_THREADS") == expected


def test_lesson_01_is_what_opens():
    home, lesson = load("jupyterhub_config.py").Spawner.default_url.removeprefix("/lab/tree/").split("/")
    assert f"~/{home}" == copies.FOLDER and lesson == min(copies.course_notebooks())


# --- a student's start ------------------------------------------------------------------------------------------------

@pytest.fixture
def student(tmp_path, monkeypatch):
    """start(): deploy/jupyterhub/student.py up to the moment when it becomes the server: (its command line, its environment)."""
    spec = importlib.util.spec_from_file_location("student_of_the_recipe", RECIPE / "student.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setenv("HOME", str(tmp_path))
    became = []
    monkeypatch.setattr(os, "execve", lambda path, command, environ: became.append((command, environ)))

    def start():
        module.main(["--port=0"])
        return became.pop()
    return start


def test_a_student_finds_the_notebooks_and_never_loses_work(student, tmp_path, capsys):
    command, environ = student()
    assert command[0] == str(Path(sys.executable).with_name("jupyterhub-singleuser")) and command[-1] == "--port=0"
    assert set(server.QUIET) < set(command) and environ["JUPYTER_CONFIG_PATH"].endswith(str(Path("nst_lessons/lab")))
    mine = tmp_path / "nst_lessons_notebooks"
    assert [path.name for path in sorted(mine.glob("*.ipynb"))] == sorted(copies.course_notebooks())
    first = mine / min(copies.course_notebooks())
    first.write_text("my work")
    student()
    assert first.read_text() == "my work"
    assert "0 copied, 0 renewed, 1 left as the student has them" in capsys.readouterr().err


def test_a_student_with_a_full_disk_still_gets_in(student, tmp_path, capsys):
    (tmp_path / "nst_lessons_notebooks").write_text("in the way")
    command, _ = student()
    assert command[-1] == "--port=0"
    assert "notebooks not copied: " in capsys.readouterr().err


def test_the_trial_says_what_is_missing():
    done = subprocess.run([sys.executable, RECIPE / "try_class.py", "--proxy", "no/such/proxy"], capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.endswith("npm install -g configurable-http-proxy, or say where by --proxy\n")


@needs_hub
@needs_proxy
def test_a_pretended_student_opens_the_first_lesson():
    done = subprocess.run([sys.executable, RECIPE / "try_class.py", "--students", "1", "--open-only"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "lesson open: median" in done.stdout and "memory with the lesson open, MiB: server" in done.stdout
