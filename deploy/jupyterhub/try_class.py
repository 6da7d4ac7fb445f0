"""Try the class's server: pretended students log in at once, open lesson 01, run it, and paint; prints times and memory.

python deploy/jupyterhub/try_class.py [--students 10] [--proxy PATH] [--threads N | all] [--open-only]

Everything happens on 127.0.0.1 and in a temporary folder, and ends with the script. Needs `pip install "nst_lessons[lab,hub]"` and
npm's configurable-http-proxy. Browsers are not counted: what a page costs the machine in front of a student is not measured here.
"""
import argparse
import json
import os
import secrets
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests
import websocket

HERE = Path(__file__).resolve().parent
LESSON = "nst_lessons_notebooks/01_pictures_as_tensors.ipynb"
PAINT = ("import time, nst_lessons as nst; began = time.perf_counter()\n"
         "picture = nst.stylize('cat', 'starry', size=192, steps=30); print(time.perf_counter() - began)")
PATIENCE = 180                            # s, for any one step


class Hub:
    """JupyterHub by trial_config.py, as a context: started, waited for, and ended with all that it started."""

    def __init__(self, folder, proxy, threads):
        self.port, self.password = free_port(), secrets.token_urlsafe(16)
        self.url, self.log = f"http://127.0.0.1:{self.port}", Path(folder, "hub.log")
        told = {"FOLDER": folder, "PORT": self.port, "PASSWORD": self.password, "PROXY": proxy, "THREADS": threads or ""}
        self.environ = {**os.environ, **{f"NST_TRIAL_{name}": str(value) for name, value in told.items()}}
        self.folder = folder

    def __enter__(self):
        self.process = subprocess.Popen([sys.executable, "-m", "jupyterhub", "-f", str(HERE / "trial_config.py")], cwd=self.folder,
                                        env=self.environ, stdout=self.log.open("w"), stderr=subprocess.STDOUT)
        try:
            until(self.answers, "JupyterHub does not start")
        except BaseException as error:
            self.__exit__(type(error))
            raise
        return self

    def answers(self):
        if self.process.poll() is not None:
            raise RuntimeError("JupyterHub ended")
        try:
            return requests.get(f"{self.url}/hub/health", timeout=5).ok          # through the proxy: both are up
        except requests.ConnectionError:
            return False

    def __exit__(self, error, *_):
        if error:
            print(f"What JupyterHub said last:\n{self.log.read_text()[-3000:]}", file=sys.stderr)
        self.process.terminate()
        try:
            self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()


class Student:
    """One student's browser, as far as it talks to the server; `marks`: seconds from the start until each step was done."""

    def __init__(self, hub, name):
        self.hub, self.name, self.session, self.marks = hub, name, requests.Session(), {}
        self.base = f"{hub.url}/user/{name}"

    def open_lesson(self, began):
        """Log in, wait for the server, load the page and the notebook."""
        def done(step):
            self.marks[step] = time.perf_counter() - began
        login = f"{self.hub.url}/hub/login"
        self.session.get(login, timeout=PATIENCE).raise_for_status()
        answer = self.session.post(login, timeout=PATIENCE, data={"username": self.name, "password": self.hub.password, "_xsrf": self.xsrf("/hub/")})
        answer.raise_for_status()                                                # … and by its redirections asked for a server
        done("logged in")
        until(self.ready, f"{self.name}'s server does not start")
        done("server up")
        page = self.session.get(f"{self.base}/lab/tree/{LESSON}", timeout=PATIENCE)
        page.raise_for_status()
        if "jupyter-config-data" not in page.text:
            raise RuntimeError(f"{self.name} got another page: {page.url}")
        done("page")
        cells = self.session.get(f"{self.base}/api/contents/{LESSON}", timeout=PATIENCE).json()["content"]["cells"]
        self.cells = [cell["source"] for cell in cells if cell["cell_type"] == "code"]
        done("lesson open")

    def start_kernel(self):
        """A kernel in the lesson's folder, as JupyterLab starts it; returns when it answers."""
        answer = self.session.post(f"{self.base}/api/sessions", timeout=PATIENCE, headers={"X-XSRFToken": self.xsrf(f"/user/{self.name}/")},
                                   json={"path": LESSON, "name": "", "type": "notebook", "kernel": {"name": "python3"}})
        answer.raise_for_status()
        address = f"{self.base}/api/kernels/{answer.json()['kernel']['id']}/channels?session_id={uuid.uuid4().hex}"
        cookies = requests.cookies.get_cookie_header(self.session.cookies, requests.Request("GET", address))
        self.socket = websocket.create_connection(address.replace("http", "ws", 1), timeout=PATIENCE, cookie=cookies)
        self.run("pass")

    def xsrf(self, path):
        return self.session.cookies.get("_xsrf", path=path)

    def ready(self):
        answer = self.session.get(f"{self.hub.url}/hub/api/users/{self.name}", timeout=PATIENCE, headers={"X-XSRFToken": self.xsrf("/hub/"),
                                  "Referer": f"{self.hub.url}/hub/spawn-pending/{self.name}"})
        answer.raise_for_status()
        return answer.json()["servers"].get("", {}).get("ready", False)

    def run(self, code):
        """What `code` prints in the kernel; waits until it is done. An exception in it is no fault: exercises are still to be written."""
        asked = uuid.uuid4().hex
        header = {"msg_id": asked, "msg_type": "execute_request", "username": self.name, "session": asked, "version": "5.3", "date": ""}
        content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False, "stop_on_error": False}
        self.socket.send(json.dumps({"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell", "buffers": []}))
        printed, replied, idle = "", False, False
        while not (replied and idle):
            data = self.socket.recv()
            if isinstance(data, bytes):                                          # a widget's picture: it has the same header, behind offsets
                continue
            message = json.loads(data)
            if message["parent_header"].get("msg_id") != asked:
                continue
            replied |= message["msg_type"] == "execute_reply"
            idle |= message["msg_type"] == "status" and message["content"]["execution_state"] == "idle"
            printed += message["content"]["text"] if message["msg_type"] == "stream" else ""
        return printed


def free_port():
    """The first of three free ports in a row."""
    while True:
        with socket.socket() as first:
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            try:
                for more in (1, 2):
                    with socket.socket() as other:
                        other.bind(("127.0.0.1", port + more))
            except OSError:
                continue
            return port


def until(condition, otherwise):
    """Waits for `condition()`; after PATIENCE seconds a RuntimeError that says `otherwise`."""
    for _ in range(PATIENCE * 5):
        if condition():
            return
        time.sleep(0.2)
    raise RuntimeError(otherwise)


def together(work, students):
    """`work(student)` for all students at the same time; the list of what it returned."""
    gate = threading.Barrier(len(students))

    def one(student):
        gate.wait()
        return work(student)
    with ThreadPoolExecutor(len(students)) as pool:
        return list(pool.map(one, students))


def memory(name):
    """MiB of one student's processes: {"server": (PSS, RSS), "kernel": (PSS, RSS)}; PSS: shared pages divided among those who share them."""
    total = {"server": [0, 0], "kernel": [0, 0]}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"JUPYTERHUB_USER={name}\0".encode() not in (process / "environ").read_bytes():
                continue
            kind = "kernel" if b"ipykernel" in (process / "cmdline").read_bytes() else "server"
            rollup = dict(line.split(":", 1) for line in (process / "smaps_rollup").read_text().splitlines()[1:])
        except OSError:                                                          # ended meanwhile, or somebody else's
            continue
        total[kind] = [total[kind][0] + int(rollup["Pss"].split()[0]) / 1024, total[kind][1] + int(rollup["Rss"].split()[0]) / 1024]
    return total


def tell_memory(when, students):
    """One line: the median student's memory at this point, and what all of them take together (PSS adds up; RSS does not)."""
    found = [memory(student.name) for student in students]
    parts = [f"{kind} {statistics.median(one[kind][0] for one in found):.0f} PSS, {statistics.median(one[kind][1] for one in found):.0f} RSS"
             for kind in ("server", "kernel") if any(one[kind][1] for one in found)]
    whole = sum(one[kind][0] for one in found for kind in one)
    print(f"  memory {when}, MiB: {'; '.join(parts)}; all {len(students)} students together {whole:.0f} PSS", flush=True)


def tell_times(label, seconds):
    print(f"  {label}: median {statistics.median(seconds):.1f} s, last {max(seconds):.1f} s", flush=True)


def try_class(hub, count, open_only):
    """The trial itself; prints as it goes."""
    students = [Student(hub, f"student{number:02d}") for number in range(1, count + 1)]
    print(f"{count} students at once, from the first request:", flush=True)
    began = time.perf_counter()
    together(lambda student: student.open_lesson(began), students)
    for step in students[0].marks:
        tell_times(step, [student.marks[step] for student in students])
    tell_memory("with the lesson open", students)
    if open_only:
        return
    print("then, all students at once, each step by itself:", flush=True)
    for label, work in (("their kernels start", Student.start_kernel), ("import nst_lessons", lambda student: student.run("import nst_lessons")),
                        ("the lesson's first code cell (imports, a photograph)", lambda student: student.run(student.cells[0])),
                        ("the lesson's other code cells", lambda student: [student.run(cell) for cell in student.cells[1:]])):
        tell_times(label, together(lambda student: timed(lambda: work(student)), students))
        tell_memory("then", students)
    students[0].run(PAINT)                                                       # once unmeasured: the network is loaded
    print(f"  a painting of 192 px, 30 steps, one student alone: {float(students[0].run(PAINT)):.1f} s")
    tell_times("the same, all students at once", [float(printed) for printed in together(lambda student: student.run(PAINT), students)])
    tell_memory("then", students)


def timed(work):
    """Seconds that `work()` takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def main(arguments=None):
    """Start a hub, try it, end it."""
    parser = argparse.ArgumentParser(description="Pretended students on this machine's own JupyterHub.")
    parser.add_argument("--students", type=int, default=10)
    parser.add_argument("--proxy", default=shutil.which("configurable-http-proxy"), help="npm's configurable-http-proxy, if it is not on the PATH")
    parser.add_argument("--threads", help="threads of one student's computations, or `all` (jupyterhub_config.py's number otherwise)")
    parser.add_argument("--open-only", action="store_true", help="stop when every student has the lesson open")
    asked = parser.parse_args(arguments)
    if not asked.proxy or not os.access(asked.proxy, os.X_OK):
        parser.error("configurable-http-proxy is missing: npm install -g configurable-http-proxy, or say where by --proxy")
    with tempfile.TemporaryDirectory(prefix="nst-class-") as folder, Hub(folder, asked.proxy, asked.threads) as hub:
        def ended(*_):                                                           # by a time limit, say
            hub.process.terminate()
            sys.exit("ended before it was done")
        signal.signal(signal.SIGTERM, ended)
        print(f"{os.cpu_count()} cores, {asked.threads or 'the recipe’s number of'} threads for each student", flush=True)
        try_class(hub, asked.students, asked.open_only)


if __name__ == "__main__":
    main()
