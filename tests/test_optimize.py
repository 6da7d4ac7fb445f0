"""Lesson 05, the loop: held against torch's own optimizers, with objectives that count and remember what they are shown."""
import math

import pytest
import torch

from nst_lessons import Features, Objective, OptimizationError, load_image, optimize
from nst_lessons.checkpoint import load_checkpoint, save_checkpoint
from nst_lessons.losses import Terms
from nst_lessons.optimize import Spectrum

METHODS = ["lbfgs", "adam"]


@pytest.fixture(autouse=True)
def one_thread():
    """Sums over two threads may differ in the last bit; here runs are compared bit by bit."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def picture(*shape, seed=0):
    return torch.rand(shape or (1, 3, 6, 7), generator=torch.Generator().manual_seed(seed))


class Recorder:
    """An objective that remembers every picture it evaluates; `formula`: picture → 0-d loss."""

    def __init__(self, formula):
        self.formula, self.seen = formula, []

    def __call__(self, image):
        self.seen.append(image.detach().clone())
        loss = self.formula(image)
        return Terms(loss, {"content": {"all": loss.detach()[None]}})


def bowl(goal=None, steepness=10):
    """½ Σ cᵢ (xᵢ − goalᵢ)², curvatures from 1 to `steepness`: convex, its minimum known."""
    goal = picture(seed=1) if goal is None else goal
    curvature = torch.linspace(1, steepness, goal.numel()).view_as(goal)
    return lambda image: 0.5 * (curvature * (image - goal).pow(2)).sum()


def valley(image):
    """Rosenbrock's curved valley in many dimensions, minimum 0 where every pixel is 1: line searches have work to do."""
    x = image.flatten()
    return (100 * (x[1:] - x[:-1].pow(2)).pow(2) + (1 - x[:-1]).pow(2)).sum()


def style_objective():
    """A real one, on the first layers of an untrained network."""
    return Objective(Features("random", device="cpu"), picture(1, 3, 24, 20), picture(1, 3, 24, 24, seed=5).round(),
                     content_layers=["relu2_1"], style_layers=["relu1_1", "relu2_1"])


def failing(formula, when, how="nan"):
    """`formula`, spoiled at the evaluations (counted from 1) for which `when` says so."""
    count = 0

    def spoiled(image):
        nonlocal count
        count += 1
        loss = formula(image)
        if not when(count):
            return loss
        wrong = {"nan": float("nan"), "inf": float("inf"), "gradient": (image - image).abs().sqrt().sum()}     # 0, its slope NaN
        return loss + wrong[how]
    return spoiled


def same_steps(ones, others):
    assert [step.evaluations for step in ones] == [step.evaluations for step in others]
    for one, other in zip(ones, others):
        assert torch.equal(one.image, other.image) and one.terms.total == other.terms.total


# --- the iterates are torch's -----------------------------------------------------------------------------------------

def torch_lbfgs(objective, start, iterations):
    """The picture after so many iterations of torch's own L-BFGS inside one step(), and its count of evaluations."""
    image = start.clone().requires_grad_()
    optimizer = torch.optim.LBFGS([image], max_iter=iterations, max_eval=10**6, history_size=20, tolerance_grad=0,
                                  tolerance_change=0, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = objective(image).total
        loss.backward()
        return loss

    optimizer.step(closure)
    return image.detach(), optimizer.state[image]["func_evals"]


@pytest.mark.parametrize("make", [lambda: Recorder(bowl()), lambda: Recorder(valley), style_objective],
                         ids=["bowl", "valley", "style"])
def test_lbfgs_goes_where_torch_goes_and_pays_as_little(make):
    objective = make()
    start = picture(1, 3, 24, 20, seed=9) if isinstance(objective, Objective) else picture()
    steps = list(optimize(start, objective, steps=60, tolerance=0))
    assert len(steps) > 20
    for iteration in (1, 2, 3, 8, 13, 20):
        expected, evaluations = torch_lbfgs(objective, start, iteration)
        assert torch.equal(steps[iteration - 1].image, expected)
        assert steps[iteration - 1].evaluations == evaluations


def test_a_failed_trial_does_not_end_the_search():
    start, objective = 3 * picture(), Recorder(valley)
    steps = list(optimize(start, objective, steps=300, tolerance=0, lr=4))        # first trials go too far
    trials = [after.evaluations - before.evaluations for before, after in zip(steps, steps[1:])]
    assert max(trials) >= 3 and len(objective.seen) == 300
    assert steps[-1].terms.total < 1e-3 * valley(start)


def test_adam_is_torchs_adam():
    start, objective = picture(), Recorder(bowl())
    image = start.clone().requires_grad_()
    optimizer, expected = torch.optim.Adam([image], lr=0.02, betas=(0.9, 0.99)), []
    for _ in range(29):
        optimizer.zero_grad()
        objective(image).total.backward()
        optimizer.step()
        expected.append(image.detach().clone())
    steps = list(optimize(start, objective, "adam", steps=30, tolerance=0))
    assert [step.evaluations for step in steps] == list(range(2, 31))     # the first evaluation is the start's
    assert all(torch.equal(step.image, other) for step, other in zip(steps, expected, strict=True))


@pytest.mark.parametrize("method, steps, tolerance", [("lbfgs", 80, 1e-4), ("adam", 800, 5e-3)])
def test_the_minimum_of_a_bowl_is_found(method, steps, tolerance):
    goal = picture(seed=1)
    *_, last = optimize(picture(), Recorder(bowl(goal)), method, steps, tolerance=1e-7)
    assert (last.image - goal).abs().max() < tolerance


def test_lr_is_obeyed():
    step = next(optimize(picture(), Recorder(bowl()), "adam", lr=0.1))
    assert torch.allclose((step.image - picture()).abs(), torch.tensor(0.1), atol=1e-5)       # Adam's first step is lr long


# --- the budget -------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("formula", [bowl(steepness=1000), valley], ids=["bowl", "valley"])
@pytest.mark.parametrize("budget", [1, 2, 3, 7, 50])
def test_steps_is_a_budget_of_evaluations(method, formula, budget):
    objective, start = Recorder(formula), 2 * picture()
    for step in optimize(start, objective, method, steps=budget, tolerance=0):
        if not torch.equal(step.image, start):                            # which comes last, if nothing better was found
            assert step.evaluations == len(objective.seen)
    assert step.evaluations <= len(objective.seen) == budget              # the last evaluations may have led to nothing
    assert not any(torch.equal(a, b) for a, b in zip(objective.seen, objective.seen[1:]))
    assert torch.equal(objective.seen[0], start)


@pytest.mark.parametrize("method", METHODS)
def test_every_step_has_the_terms_of_its_own_picture(method):
    objective, count = style_objective(), 0
    for count, step in enumerate(optimize(picture(1, 3, 24, 20), objective, method, steps=12), start=1):
        again = objective(step.image)
        assert again.total == step.terms.total and again.floats() == step.terms.floats()
        assert step.image.shape == (1, 3, 24, 20) and not step.image.requires_grad
    assert count > 3


@pytest.mark.parametrize("method", METHODS)
def test_a_budget_of_one_gives_the_start_with_its_terms(method):
    step, = optimize(picture(), Recorder(bowl()), method, steps=1)
    assert step.evaluations == 1 and torch.equal(step.image, picture()) and step.terms.total == bowl()(picture())


@pytest.mark.parametrize("method", METHODS)
def test_the_given_picture_is_never_changed(method):
    start = picture().requires_grad_()
    for step in optimize(start, Recorder(bowl()), method, steps=9):
        shown = step.image.clone()
        step.image.zero_()                                                # nor does the caller's brush reach the optimizer
        assert torch.equal(step.state()["image"], shown)
    assert torch.equal(start, picture()) and start.grad is None
    assert step.terms.total < 0.9 * bowl()(picture())


@pytest.mark.parametrize("method", METHODS)
def test_strides_do_not_matter(method):
    start = picture(1, 6, 7, 3).permute(0, 3, 1, 2)
    assert not start.is_contiguous()
    objective = Recorder(bowl())
    same_steps(list(optimize(start, objective, method, 20)), list(optimize(start.contiguous(), objective, method, 20)))


@pytest.mark.parametrize("method", METHODS)
def test_runs_repeat(method):
    same_steps(*(list(optimize(picture(), Recorder(valley), method, steps=30)) for _ in range(2)))


@pytest.mark.parametrize("method", METHODS)
def test_nothing_is_clamped(method):
    goal = picture(seed=1) * 6 - 3
    for last in optimize(picture(), Recorder(bowl(goal)), method, steps=60, lr=0.5):
        pass
    assert last.image.min() < -1 and last.image.max() > 2


def test_a_batch_and_a_caller_without_gradients():
    goal, start = picture(2, 3, 5, 4), torch.zeros(2, 3, 5, 4)
    with torch.no_grad():
        *_, last = optimize(start, Recorder(bowl(goal)), steps=60)
    assert torch.allclose(last.image, goal, atol=1e-3)


# --- where it ends ----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("method", METHODS)
def test_it_ends_when_the_loss_has_stood_still_for_a_window(method):
    objective = Recorder(bowl(steepness=100))
    losses, states, options = [bowl(steepness=100)(picture()).item()], [], {"steps": 5000, "tolerance": 0.2, "window": 5}
    for step in optimize(picture(), objective, method, **options):
        losses.append(step.terms.total.item())
        states.append(step.state())
    still = [abs(before - now) < 0.2 * abs(before) for before, now in zip(losses, losses[5:])]
    assert still[-1] and not any(still[:-1])
    assert len(objective.seen) < 5000
    *_, resumed = optimize(picture(), objective, method, state=states[-3], **options)        # the window reaches back behind it
    same_steps([step], [resumed])


@pytest.mark.parametrize("method", METHODS)
def test_at_the_minimum_there_is_nothing_to_do(method):
    goal = picture(seed=1)
    objective = Recorder(bowl(goal))
    step, = optimize(goal, objective, method, steps=50, tolerance=0)
    assert torch.equal(step.image, goal) and step.evaluations == len(objective.seen) == 1


@pytest.mark.parametrize("method", METHODS)
def test_the_caller_may_leave(method):
    objective = Recorder(bowl())
    loop = optimize(picture(), objective, method, steps=50)
    step = next(loop)
    loop.close()
    assert len(objective.seen) == step.evaluations in (2, 3) and list(loop) == []


@pytest.mark.parametrize("wrong, message", [({"method": "sgd"}, "'lbfgs' or 'adam'"), ({"steps": 0}, "at least 1")])
def test_what_makes_no_sense_is_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        next(optimize(picture(), Recorder(bowl()), **wrong))


# --- losses that are no numbers ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("how", ["nan", "inf", "gradient"])
@pytest.mark.parametrize("when", [2, 3, 5, 9])
@pytest.mark.parametrize("method", METHODS)
def test_one_broken_evaluation_is_survived(method, when, how):
    objective = Recorder(failing(bowl(), lambda count: count == when, how))
    evaluations = 0
    for step in optimize(picture(), objective, method, steps=80, tolerance=0):
        assert step.image.isfinite().all() and step.terms.total.isfinite()
        assert torch.equal(step.terms.total, bowl()(step.image)) and step.evaluations > evaluations
        evaluations = step.evaluations
    assert len(objective.seen) <= 80
    assert step.terms.total < 0.3 * bowl()(picture())


@pytest.mark.parametrize("how", ["nan", "inf", "gradient"])
@pytest.mark.parametrize("method", METHODS)
def test_what_stays_broken_is_an_error_that_says_what_to_change(method, how):
    objective, steps = Recorder(failing(bowl(), lambda count: count >= 6, how)), []
    with pytest.raises(OptimizationError, match="lower lr, alpha, beta or gamma") as caught:
        for step in optimize(picture(), objective, method, steps=80, tolerance=0):
            steps.append(step)
    assert "\n" not in str(caught.value) and f"after {len(objective.seen)} evaluations" in str(caught.value)
    assert 5 < len(objective.seen) < 12 and all(step.image.isfinite().all() for step in steps)


@pytest.mark.parametrize("method", METHODS)
def test_what_is_broken_from_the_start_is_told_at_once(method):
    objective = Recorder(failing(bowl(), lambda count: True))
    with pytest.raises(OptimizationError, match="at the first evaluation: look for NaN in the pictures"):
        next(optimize(picture(), objective, method))
    assert len(objective.seen) == 1


def test_after_a_broken_step_smaller_ones_lead_on_from_the_last_good_picture():
    objective = Recorder(failing(bowl(), lambda count: count in (5, 6)))
    steps = list(optimize(picture(), objective, "adam", steps=20, tolerance=0))
    good, after = steps[2], steps[3]                                       # evaluations 4 and 7
    assert (good.evaluations, after.evaluations) == (4, 7)
    moved = (after.image - good.image).abs()
    assert torch.allclose(moved, torch.tensor(0.02 / 16), atol=1e-5)       # a fresh Adam's first step; a quarter, twice


def test_a_wall_of_infinities_beside_the_way_is_walked_around():
    """The first trial of each line search lands beyond the wall; smaller steps stay on this side."""
    goal = torch.full((1, 3, 6, 7), 0.5)
    formula = lambda image: bowl(goal, steepness=300)(image) + torch.where(image.abs().max() > 1.2, math.inf, 0.0)
    *_, last = optimize(picture(), Recorder(formula), steps=200, tolerance=0)
    assert torch.allclose(last.image, goal, atol=1e-2)


# --- interrupted and resumed ------------------------------------------------------------------------------------------

@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("make", [lambda: Recorder(valley), style_objective], ids=["valley", "style"])
def test_a_resumed_run_is_the_undisturbed_run(method, make, tmp_path):
    objective = make()
    start = picture(1, 3, 24, 20) if isinstance(objective, Objective) else picture()
    undisturbed = []
    for step in optimize(start, objective, method, steps=40, tolerance=0):
        undisturbed.append(step)
        save_checkpoint(step.state(), tmp_path / f"{len(undisturbed)}")    # looking at the state disturbs nothing
    same_steps(undisturbed, list(optimize(start, objective, method, steps=40, tolerance=0)))
    for done in (1, 2, 9, len(undisturbed) - 1):
        state = load_checkpoint(tmp_path / f"{done}")
        same_steps(undisturbed[done:], list(optimize(start, objective, method, steps=40, tolerance=0, state=state)))


@pytest.mark.parametrize("method", METHODS)
def test_a_state_may_be_used_twice_and_its_owner_may_go_on(method):
    loop = optimize(picture(), Recorder(valley), method, steps=40)
    for _ in range(10):
        step = next(loop)
    state = step.state()
    rests = [list(loop)] + [list(optimize(picture(), Recorder(valley), method, steps=40, state=state)) for _ in range(2)]
    assert len(rests[0]) > 5
    same_steps(rests[0], rests[1])
    same_steps(rests[0], rests[2])


@pytest.mark.parametrize("method", METHODS)
def test_at_its_end_a_resumed_run_gives_the_last_picture_again_or_goes_on_with_more_budget(method):
    for step in optimize(picture(), Recorder(valley), method, steps=20):
        state = step.state()
    again, = optimize(picture(), Recorder(valley), method, steps=20, state=state)
    same_steps([step], [again])
    longer = list(optimize(picture(), Recorder(valley), method, steps=40))
    more = list(optimize(picture(), Recorder(valley), method, steps=40, state=state))
    assert more[-1].evaluations > 35
    same_steps(longer[-len(more):], more)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("when", [4, 7, 11, 12, 13])
def test_control_c_inside_an_evaluation_loses_nothing(method, when):
    undisturbed = list(optimize(2 * picture(), Recorder(valley), method, steps=30))

    def interrupted(image, count=[0]):
        count[0] += 1
        if count[0] == when:
            raise KeyboardInterrupt
        return valley(image)

    with pytest.raises(KeyboardInterrupt):
        for step in optimize(2 * picture(), Recorder(interrupted), method, steps=30):
            last = step
    done = [step.evaluations for step in undisturbed].index(last.evaluations) + 1
    same_steps([undisturbed[done - 1]], [last])
    same_steps(undisturbed[done:], list(optimize(picture(), Recorder(valley), method, steps=30, state=last.state())))


def test_a_resumed_run_goes_on_as_carefully_as_before():
    broken = failing(bowl(), lambda count: count == 5)
    states = [step.state() for step in optimize(picture(), Recorder(broken), "adam", steps=8, tolerance=0)]
    assert [state["retries"] for state in states] == [0, 0, 0, 1, 1, 1]
    step = next(optimize(picture(), Recorder(bowl()), "adam", steps=9, tolerance=0, state=states[-1]))
    assert (step.image - states[-1]["image"]).abs().max() < 0.0051         # a quarter of 0.02


def test_only_the_latest_step_has_a_state():
    loop = optimize(picture(), Recorder(bowl()), steps=9)
    first, second = next(loop), next(loop)
    assert second.state()["evaluations"] == second.evaluations
    with pytest.raises(RuntimeError, match="only the latest step"):
        first.state()


# --- pictures by their waves ------------------------------------------------------------------------------------------

@pytest.mark.parametrize("height, width", [(24, 32), (15, 20), (16, 17)])
def test_spectrum_scales_each_wave_by_its_frequency(height, width):
    start = torch.rand(1, 3, height, width, dtype=torch.float64)
    picture = Spectrum(start)
    torch.testing.assert_close(picture(torch.zeros_like(start)), start)
    y, x = torch.arange(height, dtype=torch.float64)[:, None], torch.arange(width, dtype=torch.float64)[None]
    wave = lambda down, across: torch.cos(2 * math.pi * (down * y / height + across * x / width)).expand(1, 3, -1, -1)
    seen = []
    for down, across in [(0, 0), (1, 0), (0, 3), (-2, 5), (height // 3, 6)]:
        one = wave(down, across)
        change = picture(one) - start
        frequency = (down / height) ** 2 + (across / width) ** 2
        factor = (change * one).sum() / (one * one).sum()
        torch.testing.assert_close(change, factor * one)                     # a wave stays that wave …
        seen.append(factor.item() * (frequency + 0.005**2) ** 0.25)          # … times a multiple of (f² + 0.005²)^-¼
    assert max(seen) / min(seen) == pytest.approx(1)


def test_by_its_waves_a_picture_is_found_sooner():
    features, photo = Features("tiny", device="cpu"), load_image("cat", size=64)
    objective = Objective(features, photo, load_image("waves", size=64))
    picture = Spectrum(photo)
    *_, pixels = optimize(photo, objective, steps=16, tolerance=0)
    *_, waves = optimize(torch.zeros_like(photo), lambda z: objective(picture(z)), steps=16, tolerance=0)
    assert waves.terms.total < 0.75 * pixels.terms.total
    torch.testing.assert_close(objective(picture(waves.image)).total, waves.terms.total)
