"""What our loop costs, and what coarse-to-fine saves: two ratios, each from one run, the two things taken in turns."""
import statistics
import time

import torch
from torch.nn import functional as F

from nst_lessons import Features, Objective, Settings, gram_matrix, load_image, optimize
from nst_lessons.stylize import paint
from nst_lessons.tiny import HEADS, LATE, WIDE

PHOTO, STYLE, SIZE = "astronaut", "starry", 256


def _bare(features, photo, style):
    """Forward, Grams, losses and backward of the default layers, written down plainly: no names, no terms, no bookkeeping."""
    net, seen = features.backbone, [n for n in HEADS if n != "4_2"]

    def see(x):
        found = {}
        for name, conv in net.trunk.items():
            if name in ("2_1", "3_1", "4_1", "5_1"):
                x = F.max_pool2d(x, 2)
            narrow = F.conv2d(x, conv.weight, conv.bias, padding=1)
            x = F.relu(F.conv2d(narrow, net.wide[name].weight, net.wide[name].bias) if name in WIDE else narrow)
            if name in HEADS:
                found[name] = F.relu(F.conv2d(x if name in LATE else narrow, net.heads[name].weight, net.heads[name].bias))
        return found

    with torch.no_grad():
        content = see((photo - 0.45) / 0.25)
        grams = {n: gram_matrix(a) for n, a in see((style - 0.45) / 0.25).items() if n in seen}

    def loss(image):
        acts = see((image - 0.45) / 0.25)
        total = sum(0.05 * (acts[n] - content[n]).pow(2).sum() / content[n].pow(2).sum() for n in ("3_1", "4_2"))
        for n in seen:
            total = total + (gram_matrix(acts[n]) - grams[n]).pow(2).sum() / grams[n].pow(2).sum() / len(seen)
        variation = image.diff(dim=3).pow(2).sum() + image.diff(dim=2).pow(2).sum()
        outside = (image - image.detach().clamp(0, 1)).pow(2).sum()
        return total + (0.15 * variation + 0.5 * outside) / image.numel()
    return loss


def step_overhead(evaluations=24):
    """Seconds of one evaluation inside `optimize` over those of the bare one (median of pairs taken in turns)."""
    features, photo, style = Features("tiny"), load_image(PHOTO, size=SIZE), load_image(STYLE, size=SIZE)
    objective, bare = Objective(features, photo, style, alpha=0.1, beta=1, gamma=0.15), _bare(features, photo, style)
    assert torch.allclose(objective(photo).total, bare(photo), rtol=1e-4), "the two must compute the same loss"
    ratios, before, count = [], time.perf_counter(), 0
    for step in optimize(photo, objective, steps=evaluations, tolerance=0):
        ours, count, used = (time.perf_counter() - before) / (step.evaluations - count), step.evaluations, step.evaluations - count
        image = step.image.clone().requires_grad_()
        began = time.perf_counter()
        for _ in range(used):
            image.grad = None
            bare(image).backward()
        ratios.append(ours / ((time.perf_counter() - began) / used))
        before = time.perf_counter()
    return statistics.median(ratios[2:])


def tutorial_loop(objective, photo, evaluations=300):
    """The loop of most tutorials: full size from the start, torch's L-BFGS as it comes. → (its last loss, seconds)."""
    image, losses = photo.clone().requires_grad_(), []
    optimizer = torch.optim.LBFGS([image])

    def closure():
        optimizer.zero_grad()
        loss = objective(image).total
        loss.backward()
        losses.append(loss.item())
        return loss

    began = time.perf_counter()
    while len(losses) < evaluations:
        optimizer.step(closure)
    return losses[evaluations - 1], time.perf_counter() - began


def time_to_loss():
    """Seconds until coarse-to-fine reaches the loss that the tutorial loop ends with, over the seconds of that loop; inf: never."""
    features, photo, style = Features("tiny"), load_image(PHOTO, size=SIZE), load_image(STYLE, size=SIZE)
    goal, theirs = tutorial_loop(Objective(features, photo, style), photo)
    began = time.perf_counter()
    for progress in paint(photo, style, Settings(size=SIZE, steps=400), features=features):      # the default, given time
        if progress.level == progress.levels - 1 and progress.terms.total <= goal:
            ours = time.perf_counter() - began
            return ours / theirs, ours, theirs, goal
    return float("inf"), time.perf_counter() - began, theirs, goal                         # not reached at all
