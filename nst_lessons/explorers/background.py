"""Long work beside the kernel: one daemon thread at a time, so that sliders and the Stop button answer while it runs."""
import atexit
import threading
import time
import weakref

import torch

from ..features import Features

FRAMES = 15              # pictures a second at most: more would queue up in the browser and delay Stop
_ALL = weakref.WeakSet()
_PATIENCE = 5            # s that a leaving Python waits for a thread to notice


class Stopped(Exception):
    """Raised inside a job by `Background.check` once somebody has asked it to stop."""


class Background:
    """Runs jobs, one at a time and only one in the whole kernel: two would share the same cores.

    `start(job)`: job() begins in a thread of its own. `stop()` asks it to end; the job hears of it when it calls `check()`.
    """

    def __init__(self):
        self._thread, self._asked = None, threading.Event()
        _ALL.add(self)

    @property
    def running(self):
        """True while a job has not returned."""
        return self._thread is not None and self._thread.is_alive()

    def start(self, job):
        """Begins job(), and ends those of other explorers. False, and nothing is done, while an earlier job is running."""
        if self.running:
            return False
        for other in _ALL - {self}:                              # perhaps the same cell's, from before it was run again
            other.stop()
        self._asked.clear()
        self._thread = threading.Thread(target=job, daemon=True)
        self._thread.start()
        return True

    def stop(self):
        """Asks the job to end, and does not wait for it."""
        self._asked.set()

    def check(self, *_):
        """To be called often by the job, also as a torch hook: raises Stopped if it has been asked to end."""
        if self._asked.is_set():
            raise Stopped

    def wait(self, seconds=None):
        """Waits until the job has returned, at most `seconds`; True if it has."""
        if self.running:
            self._thread.join(seconds)
        return not self.running


class Pace:
    """Tells when the next picture may be shown, FRAMES times a second at most."""

    def __init__(self):
        self._shown = time.monotonic()

    def due(self):
        """True when the last picture was shown long enough ago; this one then counts as shown."""
        if time.monotonic() - self._shown <= 1 / FRAMES:
            return False
        self._shown = time.monotonic()
        return True


def attentive_features(check):
    """The network `tiny`, watched."""
    return watched(Features("tiny"), check)


def watched(features, check):
    """`features`, of which each layer calls check() first from now on, there and back: so Stop need not wait for the end of an evaluation."""
    def there(module, inputs, output):
        if isinstance(output, torch.Tensor) and output.requires_grad:
            output.register_hook(check)                          # called when the gradient arrives here
    for module in features.modules():
        module.register_forward_pre_hook(check)
        module.register_forward_hook(there)
    return features


@atexit.register
def _stop_all():
    """A thread that is inside torch when Python ends would take the process down with a crash."""
    for one in list(_ALL):
        one.stop()
    for one in list(_ALL):
        one.wait(_PATIENCE)
