"""Lesson 05's checks: right answers however they are written, and the wrong ones that people write, each told why."""
import pytest
import torch

from classroom import accepts, knows_a_stub, refuses
from nst_lessons.checks import check_adam_step, check_frugal_loop, check_has_converged


@pytest.mark.parametrize("check", [check_adam_step, check_frugal_loop, check_has_converged])
def test_stubs(check):
    knows_a_stub(check)


# --- 5.1 -------------------------------------------------------------------------------------------------------------

def adam(x, g, m, v, t, lr=0.02, beta1=0.9, beta2=0.99, eps=1e-8):
    m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g**2
    return x - lr * m / (1 - beta1**t) / ((v / (1 - beta2**t)).sqrt() + eps), m, v


def by_lerp(x, g, m, v, t, lr=0.02, beta1=0.9, beta2=0.99, eps=1e-8):
    m, v = torch.lerp(m, g, 1 - beta1), torch.lerp(v, g * g, 1 - beta2)
    below = v.sqrt() / (1 - beta2**t)**0.5 + eps
    return [x.clone().addcdiv_(m, below, value=-lr / (1 - beta1**t)), m, v]


def by_torch(x, g, m, v, t, lr=0.02, beta1=0.9, beta2=0.99, eps=1e-8):
    x = x.clone().requires_grad_()
    optimizer = torch.optim.Adam([x], lr=lr, betas=(beta1, beta2), eps=eps)
    optimizer.state[x] = {"step": torch.tensor(t - 1.0), "exp_avg": m.clone(), "exp_avg_sq": v.clone()}
    x.grad = g
    optimizer.step()
    return x.detach(), optimizer.state[x]["exp_avg"], optimizer.state[x]["exp_avg_sq"]


def test_right_adams(capsys):
    accepts(check_adam_step, capsys, adam, by_lerp, by_torch)


def step(new_m=lambda m, g, b: b * m + (1 - b) * g, new_v=lambda v, g, b: b * v + (1 - b) * g**2,
         mend=lambda m, b, t: m / (1 - b**t), mend_v=None, below=lambda v, eps: v.sqrt() + eps, sign=-1, up=lambda m, g: m,
         out=lambda x, m, v, m_hat, v_hat: (x, m, v)):
    """Adam's step with one of its pieces replaced."""
    def adam_step(x, g, m, v, t, lr=0.02, beta1=0.9, beta2=0.99, eps=1e-8):
        m, v = new_m(m, g, beta1), new_v(v, g, beta2)
        m_hat, v_hat = mend(m, beta1, t), (mend_v or mend)(v, beta2, t)
        return out(x + sign * lr * up(m_hat, g) / below(v_hat, eps), m, v, m_hat, v_hat)
    return adam_step


def v_of_m(x, g, m, v, t, lr=0.02, beta1=0.9, beta2=0.99, eps=1e-8):
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * m**2
    return x - lr * m / (1 - beta1**t) / ((v / (1 - beta2**t)).sqrt() + eps), m, v


def in_place(x, g, m, v, t, lr=0.02, beta1=0.9, beta2=0.99, eps=1e-8):
    x -= lr * g.sign()
    return x, m, v


plain = lambda m, b, t: m                                             # noqa: E731
ADAM = {
    "no bias correction": step(mend=plain),
    "v is not: divide v too": step(mend_v=plain),
    "m is not: divide m too": step(mend=plain, mend_v=lambda v, b, t: v / (1 - b**t)),
    "only the step uses those": step(out=lambda x, m, v, m_hat, v_hat: (x, m_hat, v_hat)),
    "t is an exponent": step(mend=lambda m, b, t: m / (1 - b * t)),
    "already 1 at the first step: use it": step(mend=lambda m, b, t: m / (1 - b**(t + 1))),
    "1 - beta^0 is 0": step(mend=lambda m, b, t: m / (1 - b**(t - 1) + 0 * m)),
    "its root is wanted": step(below=lambda v, eps: v + eps),
    "outside of the root": step(below=lambda v, eps: (v + eps).sqrt()),
    "add eps": step(below=lambda v, eps: v.sqrt()),
    "climbs": step(sign=1),
    "uses g itself": step(up=lambda m, g: g),
    "g**2, not g": step(new_v=lambda v, g, b: b * v + (1 - b) * g),
    "(1 - beta1) is missing": step(new_m=lambda m, g, b: b * m + g),
    "in m the two factors": step(new_m=lambda m, g, b: (1 - b) * m + b * g),
    "in v the two factors": step(new_v=lambda v, g, b: (1 - b) * v + b * g**2),
    "in m and in v the two factors": step(new_m=lambda m, g, b: (1 - b) * m + b * g, new_v=lambda v, g, b: (1 - b) * v + b * g**2),
    "(1 - beta2) is missing": step(new_v=lambda v, g, b: b * v + g**2),
    "are means, not sums": step(new_m=lambda m, g, b: b * m + g, new_v=lambda v, g, b: b * v + g**2),   # x is right at first, but for eps
    "one number for the whole picture": step(new_v=lambda v, g, b: b * v + (1 - b) * (g**2).mean()),
    "the squares of m": v_of_m,
    "x is clamped": step(out=lambda x, m, v, m_hat, v_hat: (x.clamp(0, 1), m, v)),
    "a fixed number stands where lr is wanted": lambda x, g, m, v, t, lr=0.02, beta1=0.9, beta2=0.99, eps=1e-8:
        adam(x, g, m, v, t, 0.02, beta1, beta2, eps),
    "where beta1 and beta2 are wanted": lambda x, g, m, v, t, lr=0.02, beta1=0.9, beta2=0.99, eps=1e-8: adam(x, g, m, v, t, lr, eps=eps),
    "swapped": lambda x, g, m, v, t, lr=0.02, beta1=0.9, beta2=0.99, eps=1e-8: adam(x, g, m, v, t, lr, beta2, beta1, eps),
    "fixed numbers": lambda x, g, m, v, t, lr=0.02, beta1=0.9, beta2=0.99, eps=1e-8: adam(x, g, m, v, t),
    "as they came": lambda x, g, m, v, t, *rest, **more: (adam(x, g, m, v, t, *rest, **more)[0], m, v),
    "plain gradient descent": lambda x, g, m, v, t, lr=0.02, beta1=0.9, beta2=0.99, eps=1e-8: (x - lr * g, m, v),
    "you return x alone": step(out=lambda x, m, v, m_hat, v_hat: x),
    "another order": step(out=lambda x, m, v, m_hat, v_hat: (m, v, x)),
    "returns NoneType": lambda *args, **more: None,
    "changes the tensor": in_place,
    "stops with TypeError": lambda x, g, m, v, t: None + 1,
    "x after step 2": step(new_v=lambda v, g, b: torch.maximum(v, (1 - b) * g**2)),
}


@pytest.mark.parametrize("says", ADAM)
def test_wrong_adams(says):
    refuses(check_adam_step, ADAM[says], says)


# --- 5.2 -------------------------------------------------------------------------------------------------------------

def optimizer_for(picture, method, lr, **options):
    if method == "adam":
        return torch.optim.Adam([picture], lr=lr or 0.02, betas=(0.9, 0.99))
    return torch.optim.LBFGS([picture], **{"lr": lr or 1, "max_iter": 1, "max_eval": 26, "history_size": 20, "tolerance_grad": 0,
                                           "tolerance_change": 0, "line_search_fn": "strong_wolfe"} | options)


def loop_with(zero=True, clamp="", memory=True, own=True, copied=False, give=lambda p: p.detach().clone(), count="asked", late=False,
              loss_of="now", begin=True, ignore_lr=False, item=lambda *three: three, stop=None, rests=True,
              **options):
    """The right loop, or one with one of its pieces replaced."""
    def loop(start, objective, method="lbfgs", evaluations=60, lr=None):
        picture = (start.clone() if own else start).requires_grad_()
        optimizer = optimizer_for(picture.detach().clone().requires_grad_() if copied else picture, method, None if ignore_lr else lr, **options)
        place, asked, steps, known, before = None, 0, 0, None, None

        def closure():
            nonlocal place, asked, known
            if clamp == "data":
                picture.data.clamp_(0, 1)
            if not memory or place is None or not torch.equal(place, picture):
                if zero:
                    optimizer.zero_grad()
                known = objective(picture.clamp(0, 1) if clamp == "view" else picture).total
                known.backward()
                place, asked = picture.detach().clone(), asked + 1
            return known
        while (steps if count == "only steps" else asked) < (stop or evaluations):
            here = picture.detach().clone()
            if late:
                optimizer.step(closure)
            loss = closure()
            if begin or steps:
                told = {"asked": asked, "steps": steps, "only steps": steps, "one more": asked + 1}[count]
                yield item(told, (before if loss_of == "before" and before is not None else loss).item(), give(picture))
            before, steps = loss, steps + 1
            if not late:
                optimizer.step(closure)
            if rests and torch.equal(here, picture):
                return
    return loop


def naive(start, objective, method="lbfgs", evaluations=60, lr=None):
    """The lesson's own: right, but L-BFGS pays twice."""
    picture, asked = start.clone().requires_grad_(), 0
    optimizer = optimizer_for(picture, method, lr)

    def closure():
        nonlocal asked
        asked += 1
        optimizer.zero_grad()
        loss = objective(picture).total
        loss.backward()
        return loss
    while asked < evaluations:
        before = picture.detach().clone()
        loss = optimizer.step(closure)
        yield asked, loss.item(), before


def careful(start, objective, method="lbfgs", evaluations=60, lr=None):
    """Another right way: all that is known is kept in a dictionary, and an exception ends the last line search."""
    class Spent(Exception):
        pass
    picture, known, asked = start.detach().clone(), {}, [0]
    picture.requires_grad = True
    optimizer = optimizer_for(picture, method, lr)

    def closure():
        key = picture.detach().numpy().tobytes()
        if key not in known:
            if asked[0] == evaluations:
                raise Spent
            asked[0] += 1
            picture.grad = None
            loss = objective(picture).total
            loss.backward()
            known[key] = loss.detach(), picture.grad.clone()
        loss, gradient = known[key]
        picture.grad = gradient.clone()
        return loss
    here = None
    try:
        while here is None or not torch.equal(here, picture):
            here = picture.detach().clone()
            loss = closure()
            yield asked[0], loss.item(), picture.detach().clone()
            optimizer.step(closure)
    except Spent:
        return


def test_right_loops(capsys):
    accepts(check_frugal_loop, capsys, loop_with(), careful)


LOOPS = {
    "had just been asked (lbfgs)": naive,
    "had just been asked (adam)": loop_with(memory=False),
    "gradients add up": loop_with(zero=False),
    "while the optimizer works": loop_with(clamp="data"),
    "sees a clamped picture": loop_with(clamp="view"),
    "paint on a clone": loop_with(own=False),
    "never moves at all": loop_with(copied=True, rests=False),
    "is the tensor that the optimizer moves": loop_with(copied=True),
    "change afterwards": loop_with(give=lambda p: p.detach()),
    "detach it": loop_with(give=lambda p: p.clone()),
    "you count steps": loop_with(count="steps"),
    "you say 2 evaluations where": loop_with(count="one more"),
    "the start is missing": loop_with(late=True),
    "the loss of the picture before": loop_with(loss_of="before"),
    "lr has no effect": loop_with(ignore_lr=True),
    "may be far too long": loop_with(line_search_fn=None),
    "max_iter=1": loop_with(max_iter=20),
    "the loop ends after": loop_with(stop=9),
    "begin no step": loop_with(stop=20),
    "you count steps: one": loop_with(count="only steps"),
    "is to be yielded": loop_with(item=lambda told, loss, picture: picture),
    "yours is (int, float, tensor [3, 4, 5])": loop_with(item=lambda told, loss, picture: (told, loss, picture[0])),
    "still hangs in its graph": loop_with(item=lambda told, loss, picture: (told, torch.ones(1, requires_grad=True), picture)),
    "a generator is wanted": lambda *args, **options: list(naive(*args, **options)),
    "yields 0 picture(s)": lambda *args, **options: iter(()),
}


def twice(*args, **options):
    for item in loop_with()(*args, **options):
        yield item
        yield item


def sleepless(start, objective, method="lbfgs", evaluations=60, lr=None):
    yield from loop_with(rests=False)(start, objective, method, evaluations, lr)


def endless(start, objective, method="lbfgs", evaluations=60, lr=None):
    yield from loop_with(stop=10**9)(start, objective, method, evaluations, lr)


def remembers_itself(start, objective, method="lbfgs", evaluations=60, lr=None):
    """What it keeps of the picture is no copy, so the picture seems never to move."""
    picture, asked, place, known = start.clone().requires_grad_(), 0, None, None
    optimizer = optimizer_for(picture, method, lr)

    def closure():
        nonlocal asked, place, known
        if place is None or not torch.equal(place, picture):
            optimizer.zero_grad()
            known = objective(picture).total
            known.backward()
            place, asked = picture.detach(), asked + 1
        return known
    while asked < evaluations:
        loss = closure()
        yield asked, loss.item(), picture.detach().clone()
        optimizer.step(closure)


def clears_what_it_knows(start, objective, method="lbfgs", evaluations=60, lr=None):
    """Gives back the loss, but the gradient that belongs to it has been cleared."""
    picture, asked, place, known = start.clone().requires_grad_(), 0, None, None
    optimizer = optimizer_for(picture, method, lr)

    def closure():
        nonlocal asked, place, known
        optimizer.zero_grad()
        if place is None or not torch.equal(place, picture):
            known = objective(picture).total
            known.backward()
            place, asked = picture.detach().clone(), asked + 1
        return known
    while asked < evaluations:
        here = picture.detach().clone()
        loss = closure()
        yield asked, loss.item(), here
        optimizer.step(closure)
        if torch.equal(here, picture):
            return


def clamped(*args, **options):
    for told, loss, picture in loop_with()(*args, **options):
        yield told, loss, picture.clamp(0, 1)


def always_lbfgs(start, objective, method="lbfgs", evaluations=60, lr=None):
    yield from loop_with()(start, objective, "lbfgs", evaluations, lr)


def no_leaf(start, objective, method="lbfgs", evaluations=60, lr=None):
    picture = start.clone()
    while True:
        loss = objective(picture).total
        loss.backward()
        yield 1, loss.item(), picture


LOOPS |= {
    "asked once and never again": remembers_itself, "is the gradient still there": clears_what_it_knows,
    "that you give away are clamped": clamped, "asked for adam, your loop does not take it": always_lbfgs,
    "the loop does not end": endless, "though nothing moves": sleepless, "stops on method 'adam' with RuntimeError": no_leaf, "twice in a row": twice}


@pytest.mark.parametrize("says", LOOPS)
def test_wrong_loops(says):
    refuses(check_frugal_loop, LOOPS[says], says)


# --- 5.3 -------------------------------------------------------------------------------------------------------------

def converged(losses, tolerance=1e-4, window=20):
    if len(losses) <= window:
        return False
    before = losses[-1 - window]
    return abs(before - losses[-1]) < tolerance * abs(before)


def in_torch(losses, tolerance=1e-4, window=20):
    losses = torch.tensor(losses[-1 - window:], dtype=torch.float64)
    return len(losses) == window + 1 and (losses[0] - losses[-1]).abs() / losses[0] < tolerance


def test_right_convergence(capsys):
    accepts(check_has_converged, capsys, converged, in_torch)


def when(rule, least=1):
    return lambda losses, tolerance=1e-4, window=20: len(losses) >= window + least and rule(losses, tolerance, window)


def forgets(losses, tolerance=1e-4, window=20):
    if len(losses) > window:
        return converged(losses, tolerance, window)


def eats(losses, tolerance=1e-4, window=20):
    answer = converged(losses, tolerance, window)
    losses[:] = losses[-window:]
    return answer


CONVERGED = {
    "the other way round: True": when(lambda l, t, w: abs(l[-1 - w] - l[-1]) > t * abs(l[-1 - w])),
    "one entry too late": when(lambda l, t, w: abs(l[-w] - l[-1]) < t * abs(l[-w])),
    "one entry too late: `window`": when(lambda l, t, w: abs(l[-w] - l[-1]) < t * abs(l[-w]), least=0),
    "one entry too far back": when(lambda l, t, w: abs(l[-2 - w] - l[-1]) < t * abs(l[-2 - w]), least=2),
    "one loss more than needed": when(converged, least=2),
    "an absolute difference": when(lambda l, t, w: abs(l[-1 - w] - l[-1]) < t),
    "first flat step": when(lambda l, t, w: abs(l[-2] - l[-1]) < t * abs(l[-2])),
    "first flat step: compare": lambda l, tolerance=1e-4, window=20: len(l) > 1 and abs(l[-2] - l[-1]) < tolerance * abs(l[-2]),
    "a slow, steady fall": when(lambda l, t, w: all(abs(a - b) < t * a for a, b in zip(l[-1 - w:], l[-w:]))),
    "all losses of the window": when(lambda l, t, w: max(l[-1 - w:]) - min(l[-1 - w:]) < t * l[-1 - w]),
    "a loss that rises": when(lambda l, t, w: l[-1 - w] - l[-1] < t * l[-1 - w]),
    "divide by the last loss": when(lambda l, t, w: abs(l[-1 - w] - l[-1]) < t * l[-1]),
    "measure against the very first": when(lambda l, t, w: abs(l[-1 - w] - l[-1]) < t * l[0]),
    "compare with the very first": when(lambda l, t, w: abs(l[0] - l[-1]) < t * l[0]),
    "any flat stretch": lambda l, tolerance=1e-4, window=20: any(converged(l[:n], tolerance, window) for n in range(len(l) + 1)),
    "other way round": lambda *args, **options: not converged(*args, **options),
    "you say True": lambda l, tolerance=1e-4, window=20: len(l) <= window or converged(l, tolerance, window),
    "stops on 3 losses and a window of 20 with IndexError": lambda l, t=1e-4, w=20: abs(l[-1 - w] - l[-1]) < t * abs(l[-1 - w]),
    "returns None": forgets,
    "changes the list": eats,
    "fixed numbers": lambda losses, tolerance=1e-4, window=20: converged(losses),
    "the window is a fixed 20": lambda losses, tolerance=1e-4, window=20: converged(losses, tolerance),
    "the tolerance is a fixed": lambda losses, tolerance=1e-4, window=20: converged(losses, window=window),
    "as default values": lambda losses, tolerance=1e-6, window=30: converged(losses, tolerance, window),
    "right would be": when(lambda l, t, w: sum(l[-w:]) / w < l[-1 - w]),
}


@pytest.mark.parametrize("says", CONVERGED)
def test_wrong_convergence(says):
    refuses(check_has_converged, CONVERGED[says], says)
