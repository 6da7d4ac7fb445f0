"""Grading, the part without nbgrader: an answer is tried by its check in a fresh process, where no notebook has changed anything.

The hidden half of a graded cell hands the learner's functions over (`hand_in`), by value, in the cell's output. From there the grader
(grading.py), which is the teacher's process and not the notebook's, takes them and lets `python -I -m nst_lessons.checks.judge` try
them (`judge`): with the numbers that the learner met, and with others.
"""
import base64
import builtins
import json
import math
import os
import pickle
import secrets
import subprocess
import sys
import tempfile

import torch

from .. import checks
from .verdict import NotWritten, Wrong, other_numbers

MIME = "application/x-nst-lessons-answer"
OTHERS = " (asked with other numbers than in the lesson)"


def hand_in(*answers):
    """Puts a learner's functions, with what they use, into the output of the cell that runs. Raises Wrong for what cannot travel."""
    import cloudpickle
    from IPython.display import display
    try:
        payload = cloudpickle.dumps(answers)
    except Exception as error:
        raise Wrong(f"your function cannot be handed in, because it uses something that stays in this notebook: {error}") from None
    display({MIME: base64.b64encode(payload).decode()}, raw=True)


def judge(payload, check, numbers, seconds=120):
    """None when `check` (its name) accepts what `hand_in` has put into an output, else why not, in one line.

    numbers: for each a round with other random cases, after the one that learners meet (`other_numbers`). seconds: for all of them.
    """
    token = secrets.token_hex()                                     # the answer's code may print, and does not know this
    job = json.dumps({"payload": payload, "check": check, "numbers": list(numbers), "token": token})
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile("w+") as out:
        try:                                                        # -I: no module is taken from where a learner could have put it
            subprocess.run([sys.executable, "-I", "-m", __name__], input=job, text=True, stdout=out, stderr=subprocess.DEVNULL,
                           cwd=folder, timeout=seconds)
        except subprocess.TimeoutExpired:
            return f"your function had not finished after {seconds} s"
        out.seek(0)
        told = [line.removeprefix(token) for line in out.read().splitlines() if line.startswith(token)]
    return json.loads(told[-1]) if told else "your function ended the process that tried it"


def _tried(payload, check, numbers):
    """What `judge` returns, found in this process."""
    check, places, which = getattr(checks, check), _places(), 0
    before = _tools(places)
    sys.modules.update({name: None for name in places if name.startswith(checks.__name__)})       # so that no answer imports its check's own
    try:
        answers = pickle.loads(base64.b64decode(payload))
        for which in [0, *numbers]:
            with other_numbers(which):
                check(*answers)
        why = None
    except (Wrong, NotWritten) as error:
        why = str(error) + (OTHERS if which else "")
    except BaseException as error:                                  # SystemExit, too: this is another's code
        why = f"your function stops with {type(error).__name__}: {' '.join(str(error).split())}"
    changed = [name for name, tool in _tools(places).items() if tool is not before.get(name, tool)]
    return f"your function changes the tools that it is measured with: {', '.join(changed[:3])}" if changed else why


def _places():
    """{name: module or class} where the tools are that checks use."""
    mine = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "nst_lessons"}
    return mine | {"builtins": builtins, "math": math, "torch": torch, "torch.Tensor": torch.Tensor, "torch.linalg": torch.linalg,
                   "torch.nn.functional": torch.nn.functional, "torch.testing": torch.testing, "torch.autograd": torch.autograd}


def _tools(places):
    """{name: what is there, or its code}: another object once somebody has exchanged it.

    torch wraps some of its own functions later, when a part of it is first used: of these the name is enough.
    """
    found, torchs = {}, os.path.dirname(torch.__file__)
    for place, holder in places.items():
        for name, tool in list(vars(holder).items()):
            if callable(tool):
                code = getattr(tool, "__code__", None)
                wrapped = code is not None and code.co_filename.startswith(torchs)
                found[f"{place}.{name}"] = sys.intern(tool.__qualname__) if wrapped else tool if code is None else code
    return found


def main():
    """One job from stdin; the verdict goes to stdout behind its token, and nothing else does."""
    job = json.load(sys.stdin)
    out = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    why = _tried(job["payload"], job["check"], job["numbers"])
    os.write(out, f"\n{job['token']}{json.dumps(why)}\n".encode())
    os._exit(0)                                                     # an answer's thread may still run


if __name__ == "__main__":
    main()
