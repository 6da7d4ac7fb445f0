"""Lesson 08, the long run: a Trainer with a clock, checkpoints, a progress bar and a live sample. `torchrun` makes it many processes."""
import copy
import pathlib
import sys
import time

import torch
from torch import distributed, nn

from ..checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from ..images import save_image
from .training import Trainer

STYLE_SIZE = 384         # px, longer side of a painting to learn from: its strokes then suit photographs of 256 to 512 px
_SAVE_EVERY, _LONGEST_STEP = 8.0, 5.0          # s between checkpoints; s that one step can count: a laptop's sleep is no training


def train_fast(styles, photos, *, steps=None, minutes=None, net=None, checkpoint=None, sample=None, sample_every=30.0, progress=True,
               **options):
    """Trains one network for all `styles` and returns it, weights averaged, ready to paint (Johnson et al. 2016; Dumoulin et al. 2017).

    styles: {name: painting [1, 3, H, W]}. photos: a list of [1, 3, H, W], floats in [0, 1] or bytes. It ends after `steps`, or
    after `minutes` of training; the learning rate follows either to its end. `checkpoint`: a file; if it is there, training
    goes on from it (and it is kept). `sample`: a picture file, or a function of (picture, average network), called every
    `sample_every` s: what the first photograph looks like by now. `progress=False`: no bar. options: those of `Trainer`.
    Under torchrun each process sees its own crops and all take the same steps. Raises ValueError without `steps` or `minutes`.
    """
    if (steps is None) == (minutes is None):
        raise ValueError("train_fast ends after steps=… or after minutes=…: give one of them")
    trainer = Trainer(styles, photos, net, **options)
    show = sample and (lambda: _show(sample, trainer))
    return drive(trainer, steps=steps, minutes=minutes, checkpoint=checkpoint, show=show, show_every=sample_every, progress=progress)


def drive(trainer, *, steps=None, minutes=None, checkpoint=None, show=None, show_every=30.0, progress=True):
    """Step after step of a trainer until `steps` or `minutes` are over; returns its average network (lesson 09 trains with it, too).

    `trainer` has what `Trainer` has: step(progress), about(), state(), load(state), device, done, average. `checkpoint`: a file, taken up
    again where it is there; `show`: a function, called every `show_every` s and at the end.
    """
    clock, first = _Clock(trainer, steps, minutes, checkpoint), trainer.rank == 0
    saved = shown = time.monotonic()
    with _bar(clock, progress and first) as bar:
        while (over := clock.progress()) < 1:
            losses = trainer.step(over)
            clock.tick()
            bar.set_postfix({name: f"{value:.3g}" for name, value in losses.items()}, refresh=False)
            bar.update(clock.count - bar.n)
            if first and checkpoint and time.monotonic() - saved > _SAVE_EVERY:      # between steps, so that it is whole
                saved = clock.save(checkpoint)
            if first and show and time.monotonic() - shown > show_every:
                show()
                shown = clock.began = time.monotonic()
    if first and checkpoint:
        clock.save(checkpoint)
    if first and show:
        show()
    return trainer.average


def learn_style(net, name, painting, photos, *, steps=None, minutes=None, alpha=0.2, sizes=(128, 192), table_lr=0.02, **options):
    """A copy of `net` that also has the style `name`: only its scales and shifts are learned, the convolutions stay (Dumoulin et al. 2017).

    painting: [1, 3, H, W]; photos and options as in `train_fast`. Raises ValueError for a name that `net` has.
    """
    if name in net.styles:
        raise ValueError(f"the network has a style {name!r} already; choose another name")
    larger = add_style(net, name)
    return train_fast({name: painting}, photos, net=larger, steps=steps, minutes=minutes, tables_only=True, alpha=alpha, sizes=sizes,
                      table_lr=table_lr, **options)


def add_style(net, name):
    """A copy of `net` with one more row in every table of scales and shifts: the mean of the others, to begin with."""
    larger = copy.deepcopy(net).requires_grad_(True)
    larger.styles.append(name)
    for module in larger.modules():
        for table in ("scale", "shift"):
            if isinstance(own := getattr(module, table, None), nn.Parameter):
                setattr(module, table, nn.Parameter(torch.cat([own.data, own.data.mean(0, keepdim=True)])))
    return larger


class _Clock:
    """How much of a training is over, by steps or by minutes; the first process's clock is everybody's."""

    def __init__(self, trainer, steps, minutes, checkpoint):
        self.trainer, self.steps, self.seconds, self.spent = trainer, steps, minutes and minutes * 60, 0.0
        if checkpoint and pathlib.Path(checkpoint).is_file():
            self._resume(load_checkpoint(checkpoint), pathlib.Path(checkpoint).name)
        self.began = time.monotonic()

    def _resume(self, tree, name):
        """Goes on from a checkpoint's tree; one of another training is refused, by what differs."""
        about = self.trainer.about()
        if not isinstance(tree, dict) or not {"about", "trainer", "spent"} <= tree.keys():
            raise CheckpointError(f"{name} is no checkpoint of train_fast; delete it, or give another file")
        changed = [key for key in about if tree["about"].get(key) != about[key]]
        if changed:
            raise CheckpointError(f"{name} was made with other settings ({', '.join(changed)}): use those again, or delete it")
        self.trainer.load(tree["trainer"])
        self.spent = tree["spent"]

    @property
    def count(self):
        """Steps done, or whole seconds spent: what the bar shows."""
        return self.trainer.done if self.steps else min(int(self.spent), int(self.seconds))

    def progress(self):
        """0 … 1, the same in every process."""
        if self.steps:
            return self.trainer.done / self.steps
        spent = torch.tensor([self.spent], device=self.trainer.device)
        if self.trainer.processes > 1:
            distributed.broadcast(spent, 0)
        return spent.item() / self.seconds

    def tick(self):
        """A step is over."""
        now = time.monotonic()
        self.spent += min(now - self.began, _LONGEST_STEP)
        self.began = now

    def save(self, path):
        """Writes the checkpoint; returns when."""
        save_checkpoint({"about": self.trainer.about(), "trainer": self.trainer.state(), "spent": self.spent}, path)
        return time.monotonic()


def _bar(clock, wanted):
    from tqdm.auto import tqdm
    total, unit = (clock.steps, "step") if clock.steps else (int(clock.seconds), "s")
    return tqdm(total=total, unit=unit, initial=clock.count, disable=not wanted, dynamic_ncols=True, file=sys.stderr)


@torch.no_grad()
def _show(sample, trainer):
    """The first photograph, painted by the average network in the style of the last step's first crop."""
    photo = trainer.photos[0]
    photo = photo.float() / 255 if photo.dtype == torch.uint8 else photo
    row = torch.zeros(1, len(trainer.net.styles))
    row[0, trainer.rows[trainer.done % len(trainer.rows)]] = 1
    picture = trainer.average(photo.to(trainer.features.device), row.to(trainer.features.device))
    if callable(sample):
        sample(picture, trainer.average)
    else:
        save_image(picture, sample)
