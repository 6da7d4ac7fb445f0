"""Makes `nst_lessons/weights/tiny.safetensors`: a small network that sees pictures as VGG-19 does.

    python training/distill_backbone.py --shared ../shared --minutes 90        # goes on where it stopped

Teachers (never part of the project): VGG-19's own first convolutions for relu1_1, relu2_1, relu3_1, and a compressed
VGG-19 for relu4_1, relu4_2, relu5_1. The student starts from random numbers. For each tap it is asked for the teacher's
activations (relative squared error) and for the teacher's Gram matrix (relative squared error, picture by picture),
because that matrix is what style transfer uses. It sees crops of photographs and paintings, noisy and blended ones, and
*its own paintings*: an optimizer looks for the places where student and teacher disagree, so that is where we teach.
Runs on a GPU when there is one. Learning rate follows the clock, so `--minutes` is what it takes, on any machine.
"""
import argparse
import copy
import math
import pathlib
import random
import sys
import time

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from benchmarks.teacher import Composite                                     # noqa: E402
from nst_lessons.tiny import TinyVGG                                         # noqa: E402

HELD_OUT = {"munch_the_scream", "van_gogh_cafe_terrace", "van_gogh_houses"}
STYLE_TAPS = ["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"]
TAPS = {"relu1_1": 1.0, "relu2_1": 1.0, "relu3_1": 1.5, "relu4_1": 2.0, "relu4_2": 1.0, "relu5_1": 3.0}       # weight of each tap
LATE_TAPS = TAPS | {"relu3_1": 3.0, "relu5_1": 5.0}       # the same in the last sixth of the time: the weak ones count more
HINTS = {"1_1": 16, "1_2": 16, "2_1": 32, "2_2": 32, "3_1": 64, "3_2": 64, "3_3": 64, "3_4": 64,      # so many of the trunk's
         "4_1": 128, "4_2": 128, "4_3": 128, "4_4": 128, "5_1": 128}      # channels are shown the compressed teacher's hidden layers
STRIDE = {"1": 2, "2": 2}                                 # in these blocks every second position is enough to learn from


class Teacher:
    """The composite teacher: {tap: activations}, scaled so that each tap's mean over photographs is about one."""

    def __init__(self, folder, device):
        self.net = Composite(folder).requires_grad_(False).to(device, memory_format=torch.channels_last)
        self.scale = {}

    def raw(self, image):
        found = self.net.everything(image)
        return {name: found[name] for name in [*TAPS, *(f"hint{n}" for n in HINTS)]}

    def __call__(self, image):
        return {name: act.float() * self.scale.get(name, 1.0) for name, act in self.raw(image).items()}

    def thinned(self, image):
        """As a call, but with the positions that the losses look at."""
        return {name: thin(act, name).float() * self.scale[name] for name, act in self.raw(image).items()}

    @torch.no_grad()
    def calibrate(self, images):
        self.scale = {name: 1 / act.float().mean().item() for name, act in self.raw(images).items()}


class Pictures:
    """Random training crops: photographs, paintings, blends, noise, and the student's own paintings (`self.own`)."""

    def __init__(self, shared, size, seed):
        photos = sorted((shared / "photos").glob("*.jpg"), key=lambda p: int(p.stem))
        paintings = [p for p in sorted((shared / "paintings").glob("*.jpg")) if p.stem not in HELD_OUT]
        self.photos, self.unseen = [self._read(p, 480) for p in photos[:-50]], [self._read(p, 320) for p in photos[-50:]]
        self.paintings = [self._read(p, 640) for p in paintings]
        self.unseen_paintings = [self._read(shared / "paintings" / f"{n}.jpg", 320) for n in sorted(HELD_OUT)]
        self.own, self.size, self.rng = [], size, random.Random(seed)

    @staticmethod
    def _read(path, longest):
        image = Image.open(path).convert("RGB")
        image.thumbnail((longest, longest), Image.LANCZOS)
        return torch.from_numpy(np.array(image)).permute(2, 0, 1)

    def crop(self, picture, size=None):
        r, size = self.rng, size or self.size
        side = min(round(size / math.exp(r.uniform(math.log(0.5), math.log(1.6)))), *picture.shape[1:])
        y, x = r.randint(0, picture.shape[1] - side), r.randint(0, picture.shape[2] - side)
        part = picture[None, :, y:y + side, x:x + side].float() / 255
        part = F.interpolate(part, (size, size), mode="bilinear", antialias=True)
        return self._turn(part)

    def _turn(self, part):
        r = self.rng
        if r.random() < 0.5: part = part.flip(3)
        if r.random() < 0.25: part = part.flip(2)
        if r.random() < 0.25: part = part.transpose(2, 3)
        return part

    def _sample(self):
        r = self.rng
        if self.own and r.random() < 0.3:
            return self._turn(r.choice(self.own))
        part = self.crop(r.choice(self.paintings if r.random() < 0.3 else self.photos))
        if r.random() < 0.15:                                                # half painted: a photograph dissolving into a painting
            part = torch.lerp(part, self.crop(r.choice(self.paintings)), r.uniform(0.2, 0.8))
        if r.random() < 0.3:
            gain, shift = torch.empty(1, 3, 1, 1).uniform_(0.6, 1.4), torch.empty(1, 3, 1, 1).uniform_(-0.15, 0.15)
            part = (part - 0.5) * gain + 0.5 + shift
            if r.random() < 0.3: part = part[:, torch.randperm(3)]
        if r.random() < 0.35:
            coarse = r.choice([1, 1, 2, 4])
            noise = torch.randn(1, 3, self.size // coarse, self.size // coarse) * r.uniform(0.03, 0.15)
            part = part + F.interpolate(noise, (self.size, self.size), mode="bilinear")
        return part.clamp(-0.1, 1.1)

    def batch(self, count):
        return torch.cat([self._sample() for _ in range(count)])


def thin(act, name):
    """Every second row and column in the blocks where neighbors repeat each other."""
    stride = STRIDE.get(name.removeprefix("relu").removeprefix("hint")[0], 1)
    return act[..., ::stride, ::stride]


def gram(act):
    flat = act.flatten(2)
    return flat @ flat.transpose(1, 2) / flat.shape[2]


def relative(guess, truth, floor=0.0):
    """‖guess − truth‖² / ‖truth‖², picture by picture, then the mean; `floor`: a nearly black picture does not outshout the batch."""
    size = truth.square().sum(dim=tuple(range(1, truth.ndim)))
    return ((guess - truth).square().sum(dim=tuple(range(1, truth.ndim))) / size.clamp_min(floor * size.mean().item())).mean()


def missed(before, truth, floor=0.3):
    """Relative squared error of ReLU(before) against `truth`, except that a silent channel still feels where it should speak.

    With the plain error half of the deep channels died in the first minutes (ReLU of a negative number has no gradient).
    """
    error = torch.where(truth > 0, before - truth, F.relu(before))
    size = truth.square().sum(dim=(1, 2, 3))
    return (error.square().sum(dim=(1, 2, 3)) / size.clamp_min(floor * size.mean().item())).mean()


def zeroth_power(matrix, steps=5):
    """The nearest (semi-)orthogonal matrix, roughly, by Newton–Schulz (Bernstein & Newhouse 2024; Jordan 2024)."""
    x = (matrix / (matrix.norm() + 1e-7)).bfloat16()
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    for _ in range(steps):
        a = x @ x.T
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return (x.T if tall else x).float()


class Muon(torch.optim.Optimizer):
    """Momentum whose update is made orthogonal; convolution kernels are taken as matrices [out, in·3·3]."""

    def __init__(self, params, lr=0.02, momentum=0.95):
        super().__init__(params, dict(lr=lr, momentum=momentum))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None: continue
                state = self.state[p]
                buffer = state.setdefault("momentum", torch.zeros_like(p))
                buffer.lerp_(p.grad, 1 - group["momentum"])
                look = p.grad.lerp(buffer, group["momentum"]).flatten(1)
                p.add_(zeroth_power(look).view_as(p), alpha=-group["lr"] * max(1, look.shape[0] / look.shape[1]) ** 0.5)


class Student(nn.Module):
    """The network that ships, as training sees it: all taps, and the trunk's first channels, which get hints (Romero et al. 2015)."""

    def __init__(self):
        super().__init__()
        self.net = TinyVGG()
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)

    def forward(self, image):
        out = {}
        for name, *stages in self.net.walk(image):
            narrow, before, after = (thin(stage, name) for stage in stages)
            out[f"hint{name}"] = before[:, :HINTS[name]].float()
            if f"relu{name}" in TAPS:
                out[f"relu{name}"] = self.net.listen(name, narrow, before, after).float()
        return out                                            # all before their ReLU: see `missed`

    @torch.no_grad()
    def rescale(self, images):
        """Each layer once to unit root mean square on a batch, so that no layer starts asleep or shouting."""
        def hook(module, _, out):
            rms = out.pow(2).mean().sqrt()
            module.weight /= rms
            return out / rms
        handles = [m.register_forward_hook(hook) for m in self.modules() if isinstance(m, nn.Conv2d)]
        self(images)
        for handle in handles: handle.remove()


def losses(student, teacher, late=False):
    """Feature and Gram errors of each tap, and "total"; `late`: what painting uses weighs more, and the hints have done their work."""
    parts, style_weight, hint_weight = {}, 1.0 if late else 0.5, 0.2 if late else 0.5
    for name, weight in (LATE_TAPS if late else TAPS).items():
        feature, style = missed(student[name], teacher[name]), relative(gram(F.relu(student[name])), gram(teacher[name]), 0.3)
        parts[name] = (feature.item(), style.item())
        parts["total"] = parts.get("total", 0) + weight * (feature + style_weight * style)
    for name in HINTS:
        parts["total"] = parts["total"] + hint_weight * missed(student[f"hint{name}"], teacher[f"hint{name}"])
    return parts


def own_paintings(net, pictures, device, evaluations=40, size=128, count=4):
    """Pictures that the student paints now, half-way and at the end: where it can be fooled, it fools itself here."""
    r = pictures.rng
    start = torch.cat([pictures.crop(r.choice(pictures.photos), size) for _ in range(count)]).to(device)
    style = torch.cat([pictures.crop(r.choice(pictures.paintings), size) for _ in range(count)]).to(device)
    with torch.no_grad():
        targets = {n: gram(a) for n, a in net(style, STYLE_TAPS).items()}
        content = net(start, ["relu4_2"])["relu4_2"]
    if r.random() < 0.2:
        start = 0.5 + 0.15 * torch.randn_like(start)
    image, kept = start.clone().contiguous().requires_grad_(), []
    optimizer = torch.optim.LBFGS([image], max_iter=evaluations, max_eval=evaluations, history_size=10,
                                  tolerance_grad=0, tolerance_change=0, line_search_fn="strong_wolfe")
    alpha = r.choice([0.03, 0.1, 0.3])

    def closure():
        optimizer.zero_grad()
        acts = net(image, STYLE_TAPS + ["relu4_2"])
        loss = sum(relative(gram(acts[n]), targets[n]) for n in STYLE_TAPS) + alpha * relative(acts["relu4_2"], content)
        loss = loss + (image - image.clamp(0, 1)).pow(2).mean() + 0.3 * (image.diff(dim=2).pow(2).mean() + image.diff(dim=3).pow(2).mean())
        loss.backward()
        kept.append(image.detach().clone())
        return loss
    optimizer.step(closure)
    chosen = [kept[r.randint(3, len(kept) // 2)], image.detach()]
    return [p[None].cpu().clamp(-0.2, 1.2) for batch in chosen if batch.isfinite().all() for p in batch]


def gradient_cosine(net, teacher, photos, styles):
    """Cosine between the picture gradients of the style loss, student's against teacher's: the mean over pairs."""
    cosines = []
    for photo, style in zip(photos, styles):
        gradients = []
        for see in (lambda x: net(x, STYLE_TAPS), teacher):
            image = photo[None].clone().requires_grad_()
            with torch.no_grad(): target = see(style[None])
            acts = see(image)
            sum(relative(gram(acts[n]), gram(target[n])) for n in STYLE_TAPS).backward()
            gradients.append(image.grad.flatten())
        cosines.append(F.cosine_similarity(*gradients, dim=0).item())
    return sum(cosines) / len(cosines)


def report(net, teacher, pictures, device):
    centre = lambda p: p[None, :, (p.shape[1] - 192) // 2:, (p.shape[2] - 192) // 2:][..., :192, :192].float() / 255
    photos = torch.cat([centre(p) for p in pictures.unseen[::5]]).to(device)
    paints = torch.cat([centre(p) for p in pictures.unseen_paintings]).to(device)
    lines = []
    with torch.no_grad():
        images = torch.cat([photos, paints])
        mine, true = net(images, list(TAPS)), teacher(images)
        for name in TAPS:
            cosine = F.cosine_similarity(mine[name], true[name], dim=1).mean().item()
            lines.append(f"{name} {relative(mine[name], true[name]):.3f}/{relative(gram(mine[name]), gram(true[name])):.4f}/cos {cosine:.3f}")
    pairs = gradient_cosine(net, teacher, photos[:6], paints.repeat(2, 1, 1, 1))
    return " · ".join(lines) + f" · gradient cosine {pairs:.3f}"


def save(path, blob):
    partial = path.with_suffix(".partial")
    torch.save(blob, partial)
    partial.replace(path)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--shared", type=pathlib.Path, default=ROOT.parent / "shared")
    p.add_argument("--run", type=pathlib.Path, default=ROOT / "training/runs/tiny")
    p.add_argument("--out", type=pathlib.Path, default=ROOT / "nst_lessons/weights/tiny.safetensors")
    p.add_argument("--minutes", type=float, default=90)
    p.add_argument("--batch", type=int, default=4)
    p.add_argument("--size", type=int, default=160)
    p.add_argument("--lr", type=float, default=0.007)
    p.add_argument("--optimizer", choices=["muon", "adam"], default="muon")
    p.add_argument("--seed", type=int, default=0)
    a = p.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(a.seed)
    a.run.mkdir(parents=True, exist_ok=True)
    pictures = Pictures(a.shared, a.size, a.seed)
    teacher = Teacher(a.shared / "teacher", device)
    teacher.calibrate(torch.cat([pictures.crop(q) for q in pictures.photos[:24]]).to(device))
    student = Student().to(device).to(memory_format=torch.channels_last)
    student.rescale(pictures.batch(8).to(device))
    matrices = [conv.weight for part in (student.net.trunk, student.net.wide) for conv in part.values()]
    vectors = [p for p in student.parameters() if not any(p is matrix for matrix in matrices)]
    if a.optimizer == "muon":
        optimizers = [(Muon(matrices), a.lr), (torch.optim.Adam(vectors, betas=(0.9, 0.98)), 0.002)]
    else:
        optimizers = [(torch.optim.Adam(matrices + vectors), a.lr)]
    average = copy.deepcopy(student).requires_grad_(False)
    step, spent, checkpoint = 0, 0.0, a.run / "last.pt"
    if checkpoint.exists():
        blob = torch.load(checkpoint, weights_only=True, map_location=device)
        student.load_state_dict(blob["student"]); average.load_state_dict(blob["average"])
        for (o, _), state in zip(optimizers, blob["optimizers"]): o.load_state_dict(state)
        step, spent, pictures.own = blob["step"], blob["spent"], [o.float() for o in blob["own"]]
    log, began, running = open(a.run / "log.txt", "a", buffering=1), time.time() - spent, None

    while (spent := time.time() - began) < a.minutes * 60:
        images = pictures.batch(a.batch).to(device).contiguous(memory_format=torch.channels_last)
        with torch.autocast(device, torch.bfloat16):
            with torch.no_grad(): truth = teacher.thinned(images)
            guess = student(images)
        progress = spent / (a.minutes * 60)
        parts = losses(guess, truth, late=progress > 5 / 6)
        for optimizer, lr in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = lr * min(1, (step + 1) / 100) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress)))
            optimizer.zero_grad()
        parts["total"].backward()
        nn.utils.clip_grad_norm_(student.parameters(), 2.0)
        for optimizer, _ in optimizers: optimizer.step()
        step += 1
        with torch.no_grad():
            keep = min(0.998, step / (step + 20))
            for slow, fast in zip(average.parameters(), student.parameters()): slow.lerp_(fast, 1 - keep)
        running = parts["total"].item() if running is None else 0.98 * running + 0.02 * parts["total"].item()
        if step % 80 == 0 and step >= 800:
            pictures.own = (pictures.own + own_paintings(average.net, pictures, device))[-240:]
            pictures.own = [F.interpolate(o, (a.size, a.size), mode="bilinear") if o.shape[-1] != a.size else o for o in pictures.own]
        if step % 50 == 0:
            log.write(f"{step} {spent / 60:.1f} min  loss {running:.4f}\n")
        if step % 400 == 0 or time.time() - began >= a.minutes * 60:
            log.write(f"  unseen, feature error/Gram error/cosine: {report(average.net, teacher, pictures, device)}\n")
            save(checkpoint, {"student": student.state_dict(), "average": average.state_dict(), "step": step, "spent": time.time() - began,
                              "optimizers": [o.state_dict() for o, _ in optimizers], "own": [o.half() for o in pictures.own]})
            half = {k: v.half().contiguous() for k, v in average.net.state_dict().items()}
            save_file(half, a.run / "tiny.safetensors")
    a.out.write_bytes((a.run / "tiny.safetensors").read_bytes())
    log.write(f"done: {step} steps\n")


if __name__ == "__main__":
    main()
