"""The lessons' explorers over a real kernel's comm channel, as a browser speaks to them: each control is moved, each picture answers."""
import json
import queue
import time
from pathlib import Path

import pytest
from jupyter_client.manager import start_new_kernel

SETUP = """
import json, torch, nst_lessons as nst
from nst_lessons import explorers, images
from classroom import other_value

def state(control):
    'What a browser sends when this control is moved: a list sends its index, everything else its value.'
    value = other_value(control)
    if not hasattr(control, "options"):
        return {"value": value}
    return {"index": [option[1] if isinstance(option, tuple) else option for option in control.options].index(value)}
"""
EXPLORERS = {
    "PictureExplorer": "explorers.PictureExplorer(normalize=images.normalize)",
    "GramExplorer": "explorers.GramExplorer(gram=nst.gram_matrix)",
    "LossExplorer": "explorers.LossExplorer(content=nst.content_loss, style=nst.style_loss, tv=nst.tv_loss)",
    "BeforeAfter": "explorers.BeforeAfter({name: nst.load_image(name, size=128) for name in ('cat', 'coffee', 'rocket')})",
    "FeatureMapExplorer": "explorers.FeatureMapExplorer(strongest=lambda act, count: act.mean(dim=(2, 3)).topk(count).indices)",
}
TELL = """
print(json.dumps({"picture": one.picture.comm.comm_id, "problem": one.problem.comm.comm_id,
                  "controls": [[c.description, c.comm.comm_id, state(c)] for c in one.controls]}))
"""


class Browser:
    """Speaks to a kernel as JupyterLab does, and notes which widgets got a new value."""

    def __init__(self, client):
        self.client = client

    def execute(self, code):
        """Runs code in the kernel; what it printed."""
        message_id, printed = self.client.execute(code), ""
        while True:
            message = self.client.get_iopub_msg(timeout=60)
            content, ours = message["content"], message["parent_header"].get("msg_id") == message_id
            assert not (ours and message["msg_type"] == "error"), content
            if ours and message["msg_type"] == "stream" and content["name"] == "stdout":
                printed += content["text"]
            if ours and message["msg_type"] == "status" and content["execution_state"] == "idle":
                return printed

    def move(self, comm_id, state):
        """Moves one control; {comm_id: new value} of all widgets that answered before the kernel was idle again."""
        message = self.client.session.msg("comm_msg", {"comm_id": comm_id, "data": {"method": "update", "state": state, "buffer_paths": []}})
        self.client.shell_channel.send(message)
        answers, deadline = {}, time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                heard = self.client.get_iopub_msg(timeout=60)
            except queue.Empty:
                break
            content = heard["content"]
            if heard["msg_type"] == "comm_msg" and content["data"].get("method") == "update":
                state = content["data"]["state"]
                if "value" in state or content["data"].get("buffer_paths"):
                    answers[content["comm_id"]] = state.get("value", bytes(heard["buffers"][0]) if heard["buffers"] else None)
            if heard["parent_header"].get("msg_id") == message["header"]["msg_id"] and \
                    heard["msg_type"] == "status" and content["execution_state"] == "idle":
                return answers
        raise AssertionError("the kernel did not become idle")


@pytest.fixture(scope="module")
def browser():
    manager, client = start_new_kernel(kernel_name="python3", cwd=str(Path(__file__).parent))
    try:
        one = Browser(client)
        one.execute(SETUP)
        yield one
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


@pytest.mark.parametrize("name", EXPLORERS)
def test_each_control_reaches_the_kernel_and_the_picture_comes_back(browser, name):
    told = json.loads(browser.execute(f"one = {EXPLORERS[name]}" + TELL))
    for label, comm_id, state in told["controls"]:
        answers = browser.move(comm_id, state)
        assert told["picture"] in answers, f"{label}: no picture came back"
        assert not answers.get(told["problem"]), f"{label}: {answers[told['problem']]}"


STUDIO = """
one = explorers.Studio("cat", "starry")
one.desk.steps.value = 1000
print(json.dumps({name: widget.comm.comm_id for name, widget in {
    "run": one.run, "stop": one.stop, "alpha": one.desk.alpha, "state": one.state, "picture": one.picture, "problem": one.problem}.items()}))
"""


def test_the_studio_paints_follows_and_stops_while_the_kernel_stays_free(browser, tmp_path):
    browser.execute(f"import os; os.chdir({str(tmp_path)!r})")
    told = json.loads(browser.execute(STUDIO))
    heard = {name: [] for name in told}

    def send(name, data):
        browser.client.shell_channel.send(browser.client.session.msg("comm_msg", {"comm_id": told[name], "data": data}))

    def until(condition):
        deadline = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < deadline, heard["state"][-3:]
            content = browser.client.get_iopub_msg(timeout=60)
            for name, comm_id in told.items():
                if content["content"].get("comm_id") == comm_id and "value" in str(content["content"]["data"]):
                    heard[name].append(bytes(content["buffers"][0]) if content["buffers"] else content["content"]["data"]["state"].get("value"))
    send("run", {"method": "custom", "content": {"event": "click"}})
    until(lambda: len(set(heard["picture"])) >= 2)
    assert browser.execute("print(6 * 7, one.stop.disabled)") == "42 False\n"               # in the midst of painting
    send("alpha", {"method": "update", "state": {"value": 0.5}, "buffer_paths": []})
    assert browser.execute("print(one.painter.order.settings.alpha)") == "0.5\n"
    send("stop", {"method": "custom", "content": {"event": "click"}})
    until(lambda: any("stopped after" in text for text in heard["state"]))
    assert not any(heard["problem"]) and all(data.startswith(b"\xff\xd8") for data in heard["picture"])       # JPEG
