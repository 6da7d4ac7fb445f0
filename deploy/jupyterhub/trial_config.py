"""jupyterhub_config.py for a trial by try_class.py: pretended students with one password, on this machine only, in a folder of their own."""
import os
from pathlib import Path

c = get_config()  # noqa: F821
load_subconfig(str(Path(__file__).resolve().with_name("jupyterhub_config.py")))  # noqa: F821

folder, port = os.environ["NST_TRIAL_FOLDER"], int(os.environ["NST_TRIAL_PORT"])
c.JupyterHub.bind_url = f"http://127.0.0.1:{port}"
c.JupyterHub.hub_bind_url = f"http://127.0.0.1:{port + 1}"
c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{port + 2}"
c.ConfigurableHTTPProxy.command = [os.environ["NST_TRIAL_PROXY"]]
c.ConfigurableHTTPProxy.pid_file = os.path.join(folder, "proxy.pid")
c.JupyterHub.db_url = f"sqlite:///{folder}/hub.sqlite"
c.JupyterHub.cookie_secret_file = os.path.join(folder, "cookie_secret")

c.JupyterHub.authenticator_class = "dummy"                                 # any name, and a password made for this trial
c.DummyAuthenticator.password = os.environ["NST_TRIAL_PASSWORD"]
c.Authenticator.allow_all = True
c.JupyterHub.spawner_class = "simple"                                      # every student's server runs as whoever tries this
c.SimpleLocalProcessSpawner.home_dir_template = os.path.join(folder, "homes", "{username}")
if os.geteuid() == 0:
    c.Spawner.args = [*c.Spawner.args, "--allow-root"]
if os.environ.get("NST_TRIAL_THREADS"):
    threads = os.environ["NST_TRIAL_THREADS"]
    c.Spawner.environment = {} if threads == "all" else {name: threads for name in c.Spawner.environment}
