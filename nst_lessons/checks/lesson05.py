"""Lesson 05: Adam's step, and when to stop. The oracles are torch.optim.Adam and lists whose answers are known. (5.2: `lesson05_loop`.)"""
import itertools

import torch

from .verdict import Wrong, attempt, exercise, same, seeded, untouched

# --- 5.1 -------------------------------------------------------------------------------------------------------------

_DEFAULTS = {"lr": 0.02, "beta1": 0.9, "beta2": 0.99, "eps": 1e-8}
_OTHERS = {"lr": 0.05, "beta1": 0.8, "beta2": 0.95, "eps": 0.1}


def _adam(x, g, m, v, t, lr=0.02, beta1=0.9, beta2=0.99, eps=1e-8, mend="mv", shift=0, power=pow, up="m", root=True, inside=False,
          sign=-1, squared="g", out="plain", in_m=lambda m, g, b: b * m + (1 - b) * g, in_v=lambda v, g, b: b * v + (1 - b) * g**2):
    """One step of Adam; the options after `eps` are the ways to get it wrong."""
    new_m = in_m(m, g, beta1)
    new_v = in_v(v, g if squared == "g" else new_m, beta2)
    m_hat = new_m / (1 - power(beta1, t + shift)) if "m" in mend else new_m
    v_hat = new_v / (1 - power(beta2, t + shift)) if "v" in mend else new_v
    below = (v_hat + eps).sqrt() if inside else (v_hat.sqrt() if root else v_hat) + eps
    x = x + sign * lr * (m_hat if up == "m" else g) / below
    return x, *{"plain": (new_m, new_v), "mended": (m_hat, v_hat), "old": (m, v)}[out]


_ADAM_SLIPS = [
    ("there is no bias correction: m and v begin at 0 and are too small at first, so divide both by 1 - beta^t", {"mend": ""}),
    ("m is corrected and v is not: divide v too, by 1 - beta2^t", {"mend": "m"}),
    ("v is corrected and m is not: divide m too, by 1 - beta1^t", {"mend": "v"}),
    ("you return the corrected m and v: only the step uses those, the plain ones are remembered", {"out": "mended"}),
    ("m and v are returned as they came: return the new ones, or every step is the first", {"out": "old"}),
    ("in the bias correction t is an exponent: 1 - beta**t", {"power": lambda beta, t: beta * t}),
    ("the bias correction forgets t: 1 - beta is right for the first step only", {"power": lambda beta, t: beta}),
    ("t is already 1 at the first step: use it as it comes", {"shift": 1}),
    ("t is already 1 at the first step: 1 - beta^0 is 0, and you divide by it", {"shift": -1}),
    ("you divide by v: its root is wanted, so that the step has about the length lr whatever the size of g", {"root": False}),
    ("eps stands outside of the root: sqrt(v) + eps", {"inside": True}),
    ("this step climbs: the minus is missing in front of lr", {"sign": 1}),
    ("the step uses g itself: use m, the mean of the gradients so far", {"up": "g"}),
    ("v is the mean of squares: g**2, not g", {"in_v": lambda v, g, b: b * v + (1 - b) * g}),
    ("v is the mean of the squares of g; you took the squares of m", {"squared": "m"}),
    ("v is one number for the whole picture: each pixel has its own, so no mean is taken over g",
     {"in_v": lambda v, g, b: b * v + (1 - b) * (g**2).mean()}),
    ("the factor (1 - beta1) is missing before g in m", {"in_m": lambda m, g, b: b * m + g}),
    ("the factor (1 - beta2) is missing before g**2 in v", {"in_v": lambda v, g, b: b * v + g**2}),
    ("the factors (1 - beta1) and (1 - beta2) are missing: m and v are means, not sums",
     {"in_m": lambda m, g, b: b * m + g, "in_v": lambda v, g, b: b * v + g**2}),
    ("in m the two factors have changed places: beta1 belongs to the old m", {"in_m": lambda m, g, b: (1 - b) * m + b * g}),
    ("in v the two factors have changed places: beta2 belongs to the old v", {"in_v": lambda v, g, b: (1 - b) * v + b * g**2}),
    ("in m and in v the two factors have changed places: beta belongs to the old m and v",
     {"in_m": lambda m, g, b: (1 - b) * m + b * g, "in_v": lambda v, g, b: (1 - b) * v + b * g**2}),
]


def _wrong_adams(lr, beta1, beta2, eps):
    """[(message, function(x, g, m, v, t))]: all that one may get wrong with these numbers."""
    return [(message, lambda *args, slip=slip: _adam(*args, lr, beta1, beta2, eps, **slip)) for message, slip in _ADAM_SLIPS] + [
        ("beta1 and beta2 are swapped: beta1 belongs to m, beta2 to v", lambda *args: _adam(*args, lr, beta2, beta1, eps)),
        ("that is plain gradient descent, x - lr · g: divide the mean of gradients by the root of the mean of squares",
         lambda x, g, m, v, t: (x - lr * g, m, v)),
        ("x is clamped: a step may lead out of [0, 1], and the next one back", lambda *args: _clamped(_adam(*args, lr, beta1, beta2, eps))),
        *_fixed(lr=lr, beta1=beta1, beta2=beta2, eps=eps)]


def _clamped(step):
    return step[0].clamp(0, 1), *step[1:]


def _fixed(**numbers):
    """[(message, function)]: some of the numbers are those of the lesson, whatever is asked for."""
    found = []
    for count in range(1, 5):
        for names in itertools.combinations(numbers, count):
            mixed = numbers | {name: _DEFAULTS[name] for name in names}
            said = " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
            stand, are = ("a fixed number stands", "is") if count == 1 else ("fixed numbers stand", "are")
            found.append((f"{stand} where {said} {are} wanted: use the arguments", lambda *args, mixed=mixed: _adam(*args, **mixed)))
    return found


def _walk(step, start, gradients):
    """[(x, m, v), …] after each of the gradients, or until one of the three is not a number any more."""
    walked = [(start, torch.zeros_like(start), torch.zeros_like(start))]
    for t, g in enumerate(gradients, 1):
        x, m, v = walked[-1]
        walked.append(step(x, g, m, v, t))
        if not all(one.isfinite().all() for one in walked[-1]):
            break
    return walked[1:]


def _torch_walk(start, gradients, lr, beta1, beta2, eps):
    """The same by torch.optim.Adam."""
    x = start.clone().requires_grad_()
    optimizer, walked = torch.optim.Adam([x], lr=lr, betas=(beta1, beta2), eps=eps), []
    for g in gradients:
        x.grad = g.clone()
        optimizer.step()
        state = optimizer.state[x]
        walked.append((x.detach().clone(), state["exp_avg"].clone(), state["exp_avg_sq"].clone()))
    return walked


def _close(one, other):
    return one.shape == other.shape and torch.allclose(one.double(), other.double(), rtol=1e-4, atol=1e-6, equal_nan=True)


@exercise("5.1", "four steps of yours end where four steps of torch.optim.Adam end, and m and v agree too.")
def check_adam_step(adam_step):
    """Tries adam_step(x, g, m, v, t, lr, beta1, beta2, eps) → x, m, v, all [B, C, H, W], against torch.optim.Adam."""
    def step(*args, **numbers):
        out = untouched(lambda *a: adam_step(*a, **numbers), *args, what="adam_step")
        if isinstance(out, torch.Tensor):
            raise Wrong("you return x alone; m and v must be handed to the next step, so return x, m, v")
        if not (isinstance(out, (tuple, list)) and len(out) == 3 and all(isinstance(one, torch.Tensor) for one in out)):
            raise Wrong(f"three tensors are wanted, x, m, v; your function returns {type(out).__name__}")
        return tuple(out)

    generator = seeded(5)
    start = torch.rand(2, 3, 4, 5, generator=generator)
    gradients = [scale * torch.randn(2, 3, 4, 5, generator=generator) for scale in (1, 3, 0.2, 1)]
    for g in gradients:
        g[0, 0, 0, 0] = 0                                             # a pixel that nothing ever pulls at
    for numbers in (_DEFAULTS, _OTHERS):
        truth = _torch_walk(start, gradients, **numbers)
        mine = _walk(lambda *args: step(*args, **({} if numbers is _DEFAULTS else numbers)), start, gradients)
        if all(_close(one, other) for a, b in zip(mine, truth) for one, other in zip(a, b)):
            continue
        there = mine[0][0].isfinite()
        if not there.all() and there.any() and _close(mine[0][0][there], truth[0][0][there]):
            raise Wrong("a pixel whose gradient is always 0 becomes 0 / 0: add eps to the root")
        if _close(mine[0][1], truth[0][0]) or _close(mine[0][2], truth[0][0]) or _close(mine[0][1], truth[0][2]):
            raise Wrong("these are the right three tensors in another order: return x, m, v")
        slips = [(message, _walk(wrong, start, gradients)) for message, wrong in _wrong_adams(**numbers)]
        moved = not all(_close(a[0], b[0]) for a, b in zip(mine, truth))      # if x is right, m or v must tell
        for seen in ("xmv", "x")[:1 + moved]:
            for message, slip in slips:
                if all(_close(one, other) for a, b in zip(mine, slip) for one, other, _ in zip(a, b, seen)):
                    raise Wrong(message)
        for t, (a, b) in enumerate(zip(mine, truth), 1):
            for name, one, other in zip("xmv", a, b):
                same(one, other, f"{name} after step {t}")


# --- 5.3 -------------------------------------------------------------------------------------------------------------

def _converged(losses, tolerance, window):
    return len(losses) > window and abs(losses[-1 - window] - losses[-1]) < tolerance * abs(losses[-1 - window])


def _rule(before=lambda losses, w: losses[-1 - w], least=1, than=lambda losses, before: before, change=abs):
    """has_converged with one of its pieces replaced."""
    return lambda losses, t, w: len(losses) >= w + least and \
        change(before(losses, w) - losses[-1]) < t * abs(than(losses, before(losses, w)))


_LATE = "losses[-window] is one entry too late: `window` entries before the last one is losses[-1 - window]"
_FLAT = "this stops at the first flat step: compare over `window` entries, not with the last but one"
_CONVERGED_SLIPS = [
    ("it is the other way round: True means that nothing much changes any more", lambda *case: not _converged(*case)),
    ("it is the other way round: True means that nothing much changes any more",
     lambda losses, t, w: len(losses) > w and not _converged(losses, t, w)),
    ("with too few losses to look back you say True: it has not even begun", lambda losses, t, w: len(losses) <= w or _converged(losses, t, w)),
    (_LATE, _rule(lambda losses, w: losses[-w])), (_LATE, _rule(lambda losses, w: losses[-w], least=0)),
    ("you look one entry too far back: `window` entries before the last one is losses[-1 - window]",
     _rule(lambda losses, w: losses[-2 - w], least=2)),
    ("you wait for one loss more than needed: window + 1 of them suffice", _rule(least=2)),
    ("an absolute difference: the change is to be small compared with the loss itself, else it depends on alpha and beta",
     _rule(than=lambda losses, before: 1)),
    (_FLAT, _rule(lambda losses, w: losses[-2])), (_FLAT, lambda losses, t, w: _converged(losses, t, 1)),
    ("you ask whether each single step was small; a slow, steady fall is still a fall: compare the two ends of the window",
     lambda losses, t, w: len(losses) > w and all(_converged(losses[:len(losses) - back], t, 1) for back in range(w))),
    ("you ask whether all losses of the window lie close together; here only its two ends are compared",
     lambda losses, t, w: len(losses) > w and max(losses[-1 - w:]) - min(losses[-1 - w:]) < t * abs(losses[-1 - w])),
    ("a loss that rises is not converged: take the absolute value of the change", _rule(change=float)),
    ("you divide by the last loss; here the change is measured against the earlier one", _rule(than=lambda losses, before: losses[-1])),
    ("you measure against the very first loss; the one `window` entries ago is meant", _rule(than=lambda losses, before: losses[0])),
    ("you compare with the very first loss; the one `window` entries ago is meant", _rule(lambda losses, w: losses[0])),
    ("you look for any flat stretch in the past; only the last `window` entries count",
     lambda losses, t, w: any(_converged(losses[:end], t, w) for end in range(1, len(losses) + 1))),
    ("fixed numbers stand where tolerance and window are wanted: use the arguments", lambda losses, t, w: _converged(losses, 1e-4, 20)),
    ("the window is a fixed 20: use the argument", lambda losses, t, w: _converged(losses, t, 20)),
    ("the tolerance is a fixed 1e-4: use the argument", lambda losses, t, w: _converged(losses, 1e-4, w)),
]
_FALLING = [100 * 0.9**k for k in range(30)]
_CASES = [
    (_FALLING, 1e-4, 20), (_FALLING, 1e-4, 5), (_FALLING[:3], 1e-4, 20), ([], 1e-4, 20), ([5.0], 1e-4, 20),
    ([9.0, 5.0, 4.0, 4.0], 1e-2, 3), ([9.0, 5.0, 4.0, 4.0], 1e-2, 1),                          # one flat step
    ([3.0] * 3, 1e-2, 3), ([3.0] * 4, 1e-2, 3), ([3.0] * 5, 1e-2, 3), ([8.0, 3.0, 3.0, 3.0], 1e-2, 3), ([8.0, 3.0, 3.0, 3.0, 3.0], 1e-2, 3),
    ([5e-4 * 0.9**k for k in range(30)], 1e-4, 20), ([5e4 - k / 5 for k in range(30)], 1e-4, 20),                # small, and large
    ([1.0, 1.005, 1.0, 1.5], 1e-2, 2), ([1.0, 1.2, 1.4, 1.6], 1e-2, 3),                        # a rising loss
    ([1.0, 0.9, 0.6], 0.5, 2), ([50.0, 1.0, 0.9, 0.6], 0.1, 2), ([2.0, 1.0, 2.0, 1.0], 1e-2, 2), ([1.0, 2.0, 1.0], 1e-2, 2),
    ([1 - 0.004 * k for k in range(12)], 1e-2, 8), ([4.0, 4.0, 4.0, 4.0, 3.0, 2.0], 1e-2, 2), ([2.0, 5.0, 3.0, 2.0], 1e-2, 1),
    ([1 - 0.004 * k for k in range(30)], 0.1, 20), ([1.0] * 25 + [2.0] * 6, 1e-4, 5), ([2.0] * 30, 1e-4, 20), ([1 + 0.0003 * (k % 2) for k in range(26)], 1e-4, 20),
]


def _some_cases(count=8):
    """More of them, random and none of them a close call: in half of them the loss has converged."""
    random, found = seeded(53), {True: [], False: []}
    while min(map(len, found.values())) < count // 2:
        losses = (0.2 + torch.rand(int(torch.randint(5, 12, (), generator=random)), generator=random)).tolist()
        window, tolerance = int(torch.randint(1, 5, (), generator=random)), 0.1 + 0.4 * float(torch.rand((), generator=random))
        if _converged(losses, 0.99 * tolerance, window) == _converged(losses, 1.01 * tolerance, window):
            found[_converged(losses, tolerance, window)].append((losses, tolerance, window))
    mixed = found[True][:count // 2] + found[False][:count // 2]
    return [mixed[k] for k in torch.randperm(count, generator=random)]


@exercise("5.3", "it says so neither too early nor too late, whatever the size of the loss.")
def check_has_converged(has_converged):
    """Tries has_converged(losses, tolerance, window) → bool on lists whose answers are known."""
    cases, answers = _CASES + _some_cases(), []
    for losses, tolerance, window in cases:
        given = list(losses)
        answer = attempt(has_converged, given, tolerance, window, on=f"{len(losses)} losses and a window of {window}")
        if given != losses:
            raise Wrong("your function changes the list that it is given")
        if answer is None:
            raise Wrong("your function returns None: does every path of it `return` True or False?")
        answers.append(bool(answer))
    truths = [_converged(*case) for case in cases]
    if answers == truths:
        if attempt(has_converged, [2.0] * 30) is None or not has_converged([2.0] * 30):
            raise Wrong("tolerance=1e-4 and window=20 are wanted as default values")
        return
    for message, slip in _CONVERGED_SLIPS:
        if answers == [bool(slip(*case)) for case in cases]:
            raise Wrong(message)
    losses, tolerance, window = next(case for case, answer, truth in zip(cases, answers, truths) if answer != truth)
    shown = ", ".join(f"{loss:.4g}" for loss in losses[-6:])
    raise Wrong(f"for the losses [{'…, ' if len(losses) > 6 else ''}{shown}] with tolerance={tolerance:g} and window={window} "
                f"right would be {_converged(losses, tolerance, window)}")
