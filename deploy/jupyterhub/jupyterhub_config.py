"""A class on one Linux machine: real accounts, each student's own copies of the notebooks, lesson 01 opened. docs/jupyterhub.md says how."""
import importlib.util
import sys
from pathlib import Path

c = get_config()  # noqa: F821

HERE = Path(__file__).resolve().parent
THREADS = 1                           # of one student's computations: more of them only get in each other's way when a class computes at once

# Who may come in, and from where. The address is this machine's own: a server with a certificate stands before it (docs/jupyterhub.md).
c.JupyterHub.bind_url = "http://127.0.0.1:8000"
c.JupyterHub.authenticator_class = "pam"                                  # the machine's own accounts and passwords
c.PAMAuthenticator.allowed_groups = {"students", "teachers"}
c.PAMAuthenticator.admin_groups = {"teachers"}                            # may see who is there, and stop a server

# What is started for each: as that student, never as root.
c.JupyterHub.spawner_class = "systemd" if importlib.util.find_spec("systemdspawner") else "localprocess"
c.Spawner.cmd = [sys.executable, str(HERE / "student.py")]
c.Spawner.environment = {name: str(THREADS) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
c.Spawner.default_url = "/lab/tree/nst_lessons_notebooks/01_pictures_as_tensors.ipynb"
c.Spawner.start_timeout = c.Spawner.http_timeout = 120                    # s; a class that comes in at once shares the cores

# Limits for one student. Kept by the systemd spawner only (pip install jupyterhub-systemdspawner); `localprocess` merely tells them.
c.Spawner.mem_limit = "2G"
c.Spawner.cpu_limit = 1.0

# What nobody looks at any more is stopped: a kernel without an open page after an hour, then a server without a kernel.
c.Spawner.args = ["--MappingKernelManager.cull_idle_timeout=3600", "--MappingKernelManager.cull_interval=300",
                  "--ServerApp.shutdown_no_activity_timeout=3600"]
