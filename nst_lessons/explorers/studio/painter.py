"""The studio's worker: one painting beside the kernel, which can be held, changed while it grows, taken back, and found again after a crash."""
import functools
import math
import os
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import torch

from ...attention import load_any
from ...checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from ...fast import load_fast
from ...features import Features
from ...images import resize
from ...settings import Settings
from ...stylize import carried, finish, paint
from ..background import Background, Pace, Stopped, watched
from .code import shares
from .course import Course

WAYS = {"step by step": None, "one pass: styles it knows": "fast", "one pass: any painting": "adain", "one pass: any, by attention": "attention"}
CHECKPOINTS = ".nst-studio-*.checkpoint"     # in the notebook's folder, one of each kernel
_ONE_MOVE = 1.0                              # s: changes that follow each other faster are one, a slider that is dragged
_MOST = 30                                   # steps back
_KEEP_EVERY = 8.0                            # s between checkpoints: --resume's promise is ten


@dataclass(frozen=True)
class Order:
    """What is asked for: `settings`, and by which way, a value of WAYS. photo: [1, 3, H, W]; styles: a list of them, or None for words."""
    settings: Settings
    photo: torch.Tensor
    styles: list | None
    way: str | None = None


@dataclass(frozen=True)
class Result:
    """A picture [1, 3, H, W] in [0, 1], the Order that it was painted by, and how far it came, in words."""
    image: torch.Tensor
    order: Order
    course: str


class Painter:
    """Paints an Order in a thread. `shown(image, order)` and `ended(how, result)` are called from there; how: "done", "stopped", or an error.

    `run`, `pause`, `go_on`, `stop` and `undo` return at once. `change(order)` takes effect with the next evaluation: the picture stays, what is
    asked of it is new. `folder`: where the checkpoint lies.
    """

    def __init__(self, shown, ended, folder="."):
        self._shown, self._ended, self.checkpoint = shown, ended, Path(folder) / CHECKPOINTS.replace("*", _this_kernel())
        self._background, self._free, self._lock = Background(), threading.Event(), threading.Lock()
        self._free.set()
        self.order = self.course = self.taken_up = self._from = self._here = None         # _here: (order, image) of the last picture that was finished
        self._past, self._changed = [], -math.inf               # (order, image) before each run and each change
        self._networks = functools.lru_cache(maxsize=2)(self._network)

    # --- what one asks of it -----------------------------------------------------------------------------------------

    @property
    def running(self):
        """True while a painting has not ended, held or not."""
        return self._background.running

    @property
    def held(self):
        """True between `pause` and `go_on`."""
        return not self._free.is_set()

    @property
    def can_undo(self):
        """True when there is something to go back to."""
        return bool(self._past)

    def run(self, order, state=None):
        """Begins an Order, or goes on from a state; ValueError while another painting runs."""
        if self.running:
            raise ValueError("it is painting already: press Stop first")
        self._remember(*(self._here or (order, order.photo)))
        self._changed = -math.inf
        self.order, self.course, self._from = order, Course(), None
        self._free.set()
        self._background.start(functools.partial(self._work, state))

    def pause(self):
        """Holds the painting after this evaluation."""
        self._free.clear()

    def go_on(self):
        """Lets it go on."""
        self._free.set()

    def stop(self):
        """Asks it to end; what was painted stays."""
        self._background.stop()
        self._free.set()

    def wait(self, seconds=None):
        """Waits until the painting has ended, at most `seconds`; True if it has."""
        return self._background.wait(seconds)

    def change(self, order):
        """Goes on by another Order, but with the photograph that is being painted, from the picture as it is."""
        with self._lock:
            photo, content = self.order.photo, self.order.settings.content
            if self.course.last is not None and time.monotonic() - self._changed > _ONE_MOVE:
                self._remember(self.order, self.course.last.image.detach().cpu())
            self._changed = time.monotonic()
            self.order = replace(order, photo=photo, settings=replace(order.settings, content=content))

    def _remember(self, order, image):
        self._past = [*self._past, (order, image)][-_MOST:]

    def undo(self):
        """Takes back the last change, or run: → (order, picture as it was then). A painting that runs goes on from there. ValueError without a past."""
        with self._lock:
            if not self._past:
                raise ValueError("there is nothing to take back yet")
            order, image = self._past.pop()
            if self.running:
                self.order, self._from = order, image
            else:
                self._here = order, image
            return order, image

    def unfinished(self):
        """(order, state) of the latest painting that a kernel which is gone did not finish, or None; a file that is not whole is taken away."""
        left = [path for path in self.checkpoint.parent.glob(CHECKPOINTS) if not _alive(path)]
        for path in sorted(left, key=lambda path: path.stat().st_mtime, reverse=True):
            try:
                tree = load_checkpoint(path)
            except CheckpointError:
                path.unlink(missing_ok=True)
                continue
            self.taken_up = path
            return Order(Settings.from_json(tree["settings"]), tree["photo"], tree["styles"]), tree["state"]
        return None

    # --- what it does ------------------------------------------------------------------------------------------------

    def _work(self, state):
        how = "done"
        try:
            result = self._in_one_pass() if self.order.way else self._step_by_step(state)
        except Stopped:
            how, result = "stopped", self._so_far()
        except Exception as error:                               # said in the studio, in plain words
            how, result = error, self._so_far()
        if not isinstance(how, Exception):
            self.checkpoint.unlink(missing_ok=True)
            if self.taken_up:                                    # finished, or given up for another one
                self.taken_up.unlink(missing_ok=True)
        if result is not None:
            self._here = result.order, result.image
        self._ended(how, result)

    def _so_far(self):
        if self.course.last is None:
            return None
        image, order = self.course.last.image, self.order
        return Result(finish(image, order.photo, order.settings), order, str(self.course))

    def _step_by_step(self, state):
        """Follows `paint`; begins it again, from the picture as it is, whenever another Order is there."""
        pace, kept = Pace(), time.monotonic()
        while True:
            order = self.order
            for progress in paint(order.photo, order.styles, order.settings, self._networks(*_network_of(order.settings)), state):
                self.course.add(progress)
                if pace.due():
                    self._shown(progress.image, order)
                if time.monotonic() - kept > _KEEP_EVERY:
                    kept = self._keep(order, progress)
                self._hold(progress, order)
                if self.order is not order:
                    state = self._taken_over(progress)
                    break
            else:
                return self._so_far()

    def _hold(self, progress, order):
        """Waits while the painting is held, its picture in sight."""
        if self.held:
            self._shown(progress.image, order)
        while self.held:
            self._background.check()
            self._free.wait(0.1)
        self._background.check()

    def _taken_over(self, progress):
        """The state from which the new Order goes on; its own kind of optimizer is made anew."""
        with self._lock:
            order, image, self._from = self.order, self._from, None
        progress = progress if image is None else replace(progress, image=image.to(progress.image))
        return carried(progress, order.settings, order.photo)

    def _keep(self, order, progress):
        """Writes the checkpoint; a full disk is no reason to stop painting, so it is only said."""
        tree = {"settings": order.settings.to_json(), "photo": order.photo, "styles": order.styles, "state": progress.state()}
        try:
            save_checkpoint(tree, self.checkpoint)
        except CheckpointError as error:
            self.course.remark = str(error)
        return time.monotonic()

    def _network(self, backbone, weights, pooling, smooth):
        check = lambda *_: self._background.check()              # a function: a dictionary's network is copied, a method's studio cannot be
        return watched(Features(backbone, weights, pooling, smooth=smooth), check)

    def _in_one_pass(self):
        """A trained network's picture, at once."""
        order = self.order
        settings, photo = order.settings, resize(order.photo, order.settings.size)
        with torch.inference_mode():
            if order.way == "fast":
                net = load_fast()
                painted = net(photo.to(net.out.weight.device), _known(settings, net)).cpu()
            else:
                net = load_any(order.way)
                place = net.features.device
                looks = [(net.look(style.to(place)), share) for style, share in zip(order.styles, shares(settings, seeds=True).values())]
                painted = net(photo.to(place), looks).cpu()
        return Result(finish(painted, photo, settings), order, f"{settings.size} px · one pass")


def _this_kernel():
    """A name that no other process has or had: its number, and when it began."""
    return f"{os.getpid()}-{psutil.Process().create_time():.0f}"


def _alive(path):
    """True for the checkpoint of another kernel that still runs, and paints perhaps."""
    number, _, began = path.name.removeprefix(CHECKPOINTS.partition("*")[0]).partition(".")[0].partition("-")
    if f"{number}-{began}" == _this_kernel() or not number.isdigit():
        return False
    try:
        return f"{psutil.Process(int(number)).create_time():.0f}" == began
    except psutil.Error:
        return False


def _network_of(settings):
    return settings.backbone, settings.weights, settings.pooling, settings.smooth


def _known(settings, net):
    """The shares of the settings' styles; ValueError for a painting that the network never learned."""
    for name in shares(settings):
        if name not in net.styles:
            raise ValueError(f"the one-pass network never learned {name!r}; it knows {', '.join(net.styles)}. 'Any painting' paints by yours, too")
    return shares(settings)
