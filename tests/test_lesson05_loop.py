"""Lesson 05's loops, taken from the notebook's source, walk where `nst_lessons.optimize` walks."""
import ast
import importlib.util
import random
from pathlib import Path

import pytest
import torch

from nst_lessons import Features, Objective, optimize, plots
from nst_lessons.losses import Terms

ROOT = Path(__file__).resolve().parents[1]
spec = importlib.util.spec_from_file_location("tools_notebooks", ROOT / "tools" / "notebooks.py")
builder = importlib.util.module_from_spec(spec)
spec.loader.exec_module(builder)
METHODS = ["lbfgs", "adam"]


def taught(*names):
    """What the solved notebook's cells define under these names, and their text, without running anything else of it."""
    notebook = builder.build(builder.SOURCES / "05_painting_by_optimization.py", solved=True)
    nodes = [node for cell in notebook.cells if cell.cell_type == "code" for node in ast.parse(cell.source).body]
    chosen, scope = {}, {"torch": torch}
    for node in nodes:
        name = getattr(node, "name", None) or getattr(getattr(node, "targets", [None])[0], "id", None)
        if name in names and name not in chosen:
            chosen[name] = ast.unparse(node)
            exec(chosen[name], scope)
    assert set(chosen) == set(names)
    return scope, chosen


SCOPE, TEXT = taught("OPTIMIZERS", "paint_loop", "frugal_loop", "has_converged", "descend", "waves")


@pytest.fixture(autouse=True)
def one_thread():
    """Sums over two threads may differ in the last bit, and L-BFGS makes much of it."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def picture(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def bowl(image):
    goal = picture(*image.shape, seed=1) * 1.4
    total = (torch.linspace(1, 40, goal.numel()).view_as(goal) * (image - goal).pow(2)).sum()
    return Terms(total, {"content": {"all": total.detach()[None]}})


def style():
    """A real objective, on the first layers of an untrained network."""
    return Objective(Features("random", device="cpu"), picture(1, 3, 24, 20), picture(1, 3, 24, 24, seed=5).round(),
                     content_layers=["relu2_1"], style_layers=["relu1_1", "relu2_1"])


OBJECTIVES = pytest.mark.parametrize("make", [lambda: bowl, style], ids=["bowl", "style"])


def both(loop, objective, method, mine, theirs, lr=None):
    """What the notebook's loop yields, and the same of `optimize`, with the start put first."""
    start = picture(1, 3, 24, 20, seed=9)
    walked = list(SCOPE[loop](start, objective, method, mine, lr))
    steps = list(optimize(start, objective, method, theirs, lr, tolerance=0))
    library = [(1, objective(start).total.item(), start), *((s.evaluations, s.terms.total.item(), s.image) for s in steps)]
    return walked, library


def same(walked, library, least):
    count = min(len(walked), len(library))
    assert count >= least
    for (_, loss, image), (_, their_loss, theirs) in zip(walked, library):
        torch.testing.assert_close(image, theirs, rtol=1e-4, atol=1e-5)
        assert loss == pytest.approx(their_loss, rel=1e-4)


@OBJECTIVES
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("lr", [None, 0.1])
def test_the_loop_of_the_lesson_walks_the_path_of_the_library(make, method, lr):
    walked, library = both("paint_loop", make(), method, 60, 30, lr)
    same(walked, library, least=20)


@OBJECTIVES
def test_with_adam_it_pays_as_much_as_the_library_with_lbfgs_nearly_twice(make):
    walked, library = both("paint_loop", make(), "adam", 20, 20)
    assert [spent for spent, _, _ in walked] == [spent for spent, _, _ in library] == list(range(1, 21))
    walked, library = both("paint_loop", make(), "lbfgs", 60, 60)
    steps = len(walked) - 1
    assert walked[-1][0] == library[steps + 1][0] + steps                  # each step has asked once more


@OBJECTIVES
@pytest.mark.parametrize("method", METHODS)
def test_the_solution_of_52_pays_as_much_as_the_library(make, method):
    walked, library = both("frugal_loop", make(), method, 40, 40)
    same(walked, library, least=25)
    told, theirs = ([spent for spent, _, _ in course] for course in (walked, library))
    assert told[:len(theirs)] == theirs[:len(told)]


def test_the_loop_stays_short():
    assert len(TEXT["paint_loop"].splitlines()) <= 16                      # fifteen, and ast.unparse's blank line
    assert len([line for line in TEXT["paint_loop"].splitlines() if line.strip()]) <= 15


def test_plain_descent_is_sgd():
    start = picture(1, 3, 4, 5)
    walked = list(SCOPE["paint_loop"](start, bowl, "descent", 5, 0.01))
    torch.testing.assert_close(SCOPE["descend"](start, bowl, 4, 0.01), walked[4][2])


def test_waves_are_those_of_the_library():
    start, z = picture(1, 3, 15, 20), picture(1, 3, 15, 20, seed=1)
    torch.testing.assert_close(SCOPE["waves"](start)(z), importlib.import_module("nst_lessons.optimize").Spectrum(start)(z))


def test_the_solution_of_53_is_the_rule_of_the_library():
    converged = importlib.import_module("nst_lessons.optimize")._converged
    generator = random.Random(0)
    for _ in range(300):
        losses = [generator.choice([1.0, 1.001, 1.02, 2.0]) for _ in range(generator.randrange(12))]
        case = losses, generator.choice([1e-4, 1e-2, 0.5]), generator.randrange(1, 6)
        assert SCOPE["has_converged"](*case) == converged(*case)


def test_a_landscape_shows_paths_and_bottom(monkeypatch):
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    monkeypatch.setattr(plt, "show", lambda: None)
    plots.landscape(lambda p: (p - 0.25).pow(2).sum(), {"one": [(0.9, 0.9), (0.25, 0.25)], "two": list(picture(5, 2))})
    axes = plt.gcf().axes
    assert [axis.get_title() for axis in axes] == ["one", "two"] and axes[1].get_ylabel() == ""
    path, ring, bottom = axes[0].lines
    assert path.get_xydata().tolist() == [[0.9, 0.9], [0.25, 0.25]] and ring.get_xydata().tolist() == [[0.9, 0.9]]
    assert abs(bottom.get_xydata() - 0.25).max() < 0.01
    plt.close("all")
