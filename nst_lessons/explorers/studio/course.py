"""The course of one painting: where it stands, its losses so far, and how long it will take."""
from ...stylize import budgets, pyramid
from ..drawing import loss_curves


class Course:
    """Collects the Progress of a painting; as text it is "160 px · evaluation 63 of 160 · style 0.021"."""

    def __init__(self):
        self.remark = ""                                         # what went wrong beside the painting, a full disk say
        self.last, self._losses, self._levels = None, {"style": [], "content": []}, []

    def add(self, progress):
        """Takes down one Progress."""
        if self.last is None or progress.level > self.last.level:
            self._levels.append((self.last.evaluations if self.last else 0, f"{max(progress.image.shape[2:])} px"))
        terms, self.last = progress.terms.floats(), progress
        for name, curve in self._losses.items():
            curve.append((progress.evaluations, terms[name]))

    def __str__(self):
        if self.last is None:
            return "nothing was painted"
        size, style = max(self.last.image.shape[2:]), self._losses["style"][-1][1]
        size = f"{size} px" + (f" (size {self.last.level + 1} of {self.last.levels})" if self.last.level + 1 < self.last.levels else "")
        return f"{size} · evaluation {self.last.evaluations} of {self.last.steps} · style {style:.2g}"

    def drawn(self):
        """PNG bytes of the loss curves, with a line where each size begins."""
        return loss_curves(self._losses, self.last.steps, self._levels)

    def time_left(self, settings, elapsed):
        """"4 s" or "2 min", reckoned from `elapsed` s of painting: an evaluation takes as long as it has pixels."""
        sizes = pyramid(settings.size, settings.levels)
        levels = list(zip(budgets(settings.steps, len(sizes)), (size**2 for size in sizes)))         # evaluations, pixels of each
        before, (_, pixels) = levels[:self.last.level], levels[self.last.level]
        done = sum(count * cost for count, cost in before) + (self.last.evaluations - sum(count for count, _ in before)) * pixels
        seconds = max(1, round(elapsed * (sum(count * cost for count, cost in levels) / done - 1)))
        return f"{seconds} s" if seconds < 100 else f"{seconds / 60:.0f} min"
