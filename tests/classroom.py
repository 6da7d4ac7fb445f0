"""What the tests of all lessons share: wrong answers that must be refused, and explorers whose every control is driven."""
import statistics
import time

import ipywidgets as widgets
import pytest

from nst_lessons.checks import NotWritten, Wrong


def refuses(check, wrong, says, *more):
    """`check` must refuse the answer `wrong` (and `more` arguments) with a message that holds `says`, and print no praise."""
    with pytest.raises(Wrong) as caught:
        check(wrong, *more)
    message = str(caught.value)
    assert says in message, message
    assert message.startswith(f"Exercise {check.exercise}: ") and "\n" not in message


def accepts(check, capsys, *right):
    """`check` must accept each of several right answers, however they are written, and say so in one line."""
    for answer in right:
        capsys.readouterr()
        check(answer)
        assert capsys.readouterr().out.startswith(f"✓ Exercise {check.exercise}: ")


def knows_a_stub(check):
    """A stub is told as not written, not as wrong, whatever arguments it would get."""
    def stub(*_, **__):
        raise NotImplementedError("Exercise")
    with pytest.raises(NotWritten, match="is not written yet"):
        check(stub)


def other_value(control):
    """Another value that this control could be given by hand."""
    if isinstance(control, (widgets.Dropdown, widgets.ToggleButtons, widgets.SelectionSlider, widgets.RadioButtons)):
        values = [value[1] if isinstance(value, tuple) else value for value in control.options]
        return next(value for value in reversed(values) if value != control.value)
    if isinstance(control, (widgets.Checkbox, widgets.ToggleButton)):
        return not control.value
    return control.min if control.value == control.max else control.max


def drive(explorer, prepare=None):
    """Gives each control another value, and back: the picture's bytes must change each time, and nothing may go wrong.

    prepare: {control's index: function(explorer) to be called before}, for controls that answer only in some state.
    """
    assert explorer.problem.value == "", explorer.problem.value
    for number, control in enumerate(explorer.controls):
        assert control.description, "a control without a label cannot be used by ear or keyboard"
        (prepare or {}).get(number, lambda _: None)(explorer)
        picture, value = explorer.picture.value, control.value
        control.value = other_value(control)
        assert explorer.picture.value != picture, f"{control.description}: the picture did not answer"
        assert explorer.problem.value == "", f"{control.description}: {explorer.problem.value}"
        control.value = value
        assert explorer.picture.value == picture, f"{control.description}: back at the old value the picture is another"


def seconds(control, values, warm_up=2):
    """The 95th percentile of the time, in s, that an explorer takes to answer each of `values`, after it has seen some.

    On a machine that is busy with something else, the CPU time of this process counts: what it waited for others is not its own.
    """
    times = []
    for value in [*values[:warm_up], *values]:
        began = time.perf_counter(), time.process_time()
        control.value = value
        times.append(min(time.perf_counter() - began[0], time.process_time() - began[1]))
    return statistics.quantiles(times[warm_up:], n=20)[-1]


def says_stub(explorer):
    """An explorer fed with a stub says so in itself, in plain words."""
    assert "it is still a stub" in explorer.problem.value
    assert len(explorer._repr_mimebundle_()["image/png"]) > 1000                   # the same words as a picture


def reads_without_a_kernel(explorer, text):
    """The saved output carries a picture and one line that never changes, beside the widget."""
    bundle = explorer._repr_mimebundle_()
    assert bundle["text/plain"] == text and len(bundle["image/png"]) > 1000
    assert "application/vnd.jupyter.widget-view+json" in bundle
