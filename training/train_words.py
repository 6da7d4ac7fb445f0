"""Makes `nst_lessons/weights/words.safetensors`: an encoder that turns a description, English or Chinese, into statistics of a style.

    python training/train_words.py                         # 23 minutes on one thread of a busy machine; goes on where it stopped

Three stages, each kept in --folder. Draw: 1200 descriptions, each drawn twice from two seeds, as studies or as the museum's paintings. Measure:
`tiny` looks at them; their Gram matrices give the space of codes. Learn: from a random caption of a picture, its code and its recipe;
as many captions of pictures that nobody drew teach recipes alone.
Never drawn here: one of five combinations of texture, mark and scale (`words.held_out`).
"""
import argparse
import os
import pathlib
import sys
import time

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional as F

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
import nst_lessons as nst                                                    # noqa: E402
from nst_lessons.checkpoint import load_checkpoint, save_checkpoint          # noqa: E402
from nst_lessons.words.captions import described, some_concepts              # noqa: E402
from nst_lessons.words.encoder import HEADS, WordEncoder, save_words         # noqa: E402
from nst_lessons.words.lexicon import MARKS, NAMES                           # noqa: E402
from nst_lessons.words.recipe import held_out, meaning                       # noqa: E402
from nst_lessons.words.space import LAYERS, SIDE, StyleSpace                 # noqa: E402
from nst_lessons.words.tokens import tokenize                                # noqa: E402

_CHUNK = 50                                                                  # descriptions drawn between two files


def descriptions(count):
    """`count` lists of concepts: every name and every mark alone, the rest at random; none whose combination is held out."""
    rng = np.random.default_rng(0)
    alone = [[f"name:{name}"] for name in NAMES] + [[f"mark:{mark}"] for mark in MARKS]
    return alone + fresh(count - len(alone), rng)


def fresh(count, rng):
    """`count` lists of concepts at random."""
    found = []
    while len(found) < count:
        one = some_concepts(rng)
        if not held_out(meaning(one)):
            found.append(one)
    return found


def drawn(one, seed):
    """A picture of a description as bytes [3, H, W]."""
    picture = torch.from_numpy(meaning(one).picture(SIDE, seed)).permute(2, 0, 1)
    return (picture.clamp(0, 1) * 255).round().to(torch.uint8).contiguous()


def draw_all(listed, folder):
    """Draws each twice, file by file; a file that is there is not drawn again."""
    for start in range(0, len(listed), _CHUNK):
        path = folder / f"pictures_{start}.safetensors"
        if not path.is_file():
            pictures = {f"{start + k}_{seed}": drawn(one, 1000 + 2 * (start + k) + seed)
                        for k, one in enumerate(listed[start:start + _CHUNK]) for seed in (0, 1)}
            save_file(pictures, folder / "partial")
            os.replace(folder / "partial", path)
            print(f"drew {start + _CHUNK} of {len(listed)}", flush=True)


def looked_at(count, folder, features):
    """Yields {layer: Gram matrix [2, C, C]} of the two pictures of each description."""
    for start in range(0, count, _CHUNK):
        pictures = load_file(folder / f"pictures_{start}.safetensors")
        for k in range(start, min(start + _CHUNK, count)):
            pair = [pictures[f"{k}_{seed}"][None].float() / 255 for seed in (0, 1)]
            acts = [features(one, LAYERS) for one in pair]
            yield {layer: torch.cat([nst.gram_matrix(act[layer]) for act in acts]) for layer in LAYERS}


@torch.no_grad()
def measured(count, folder, size):
    """(the space, codes [count, 2, K]); kept in a file."""
    path, space = folder / f"space_{size}.safetensors", StyleSpace(size=size)
    if path.is_file():
        kept = load_file(path)
        codes = kept.pop("codes")
        space.load_state_dict(kept)
        return space, codes
    features = nst.Features("tiny")
    sums, some = {layer: 0 for layer in LAYERS}, 0
    for grams in looked_at(min(count, 300), folder, features):                           # directions that matter: of the mean matrix
        some += 1
        for layer in LAYERS:
            sums[layer] = sums[layer] + (grams[layer] / torch.linalg.matrix_norm(grams[layer])[:, None, None]).sum(0)
    for layer, rank in zip(LAYERS, space.ranks):
        values, vectors = torch.linalg.eigh(sums[layer])
        getattr(space, f"directions_{layer}").copy_(vectors[:, -rank:].flip(1))
        print(f"{layer}: {values[-rank:].sum() / values.sum():.3f} of its mean table in {rank} directions", flush=True)
    numbers = torch.stack([space.numbers(grams) for grams in looked_at(count, folder, features)])          # [count, 2, D]
    sizes = [r * (r + 1) // 2 for r in space.ranks]
    space.norms.copy_(torch.stack([part.norm(dim=-1).mean() for part in numbers.split(sizes, -1)]))
    numbers = torch.cat([part / norm for part, norm in zip(numbers.split(sizes, -1), space.norms)], -1)
    space.mean.copy_(numbers.mean((0, 1)))
    flat = (numbers - space.mean).flatten(0, 1)
    _, lengths, rows = torch.linalg.svd(flat, full_matrices=False)
    space.basis.copy_(rows[:size])
    print(f"{size} directions hold {(lengths[:size]**2).sum() / (lengths**2).sum():.3f} of the variance", flush=True)
    codes = (numbers - space.mean) @ space.basis.T
    space.spread.copy_((codes[:, 0] - codes[:, 1]).pow(2).mean(0).div(2).sqrt())
    codes = codes / space.spread
    save_file({"codes": codes.contiguous(), **space.state_dict()}, path)
    return space, codes


def truths(listed):
    """{choice: target} of all recipes: for colors 0 or 1 each [N, 13], else the number of the choice [N]."""
    recipes = [meaning(one) for one in listed]
    chosen = {name: torch.tensor([names.index(getattr(one, name)) for one in recipes]) for name, names in HEADS.items() if name != "colors"}
    return chosen | {"colors": torch.tensor([[float(name in one.colors) for name in HEADS["colors"]] for one in recipes])}


def learn(listed, codes, steps, batch, folder, size):
    """Step after step from random captions; checkpoints every few seconds. Returns the encoder."""
    torch.manual_seed(0)
    encoder = WordEncoder(size=size)
    optimizer = torch.optim.AdamW(encoder.parameters(), 3e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, steps, pct_start=0.05)
    path, first, saved = folder / "last.checkpoint", 0, time.monotonic()
    if path.is_file():
        tree = load_checkpoint(path)
        first = tree["step"]
        for name, one in (("encoder", encoder), ("optimizer", optimizer), ("schedule", schedule)):
            one.load_state_dict(tree[name])
    for step in range(first, steps):
        rng = np.random.default_rng((1, step))
        which = rng.integers(len(listed), size=batch)
        said = [listed[k] for k in which] + fresh(batch, rng)
        found, scores = encoder(encoder.numbers([tokenize(described(one, rng))[0] for one in said]))
        far = F.smooth_l1_loss(found[:batch], codes[which].mean(1), beta=2.0)
        loss = far + sum(F.binary_cross_entropy_with_logits(scores[name], truth) * 4 if name == "colors"
                         else F.cross_entropy(scores[name], truth) for name, truth in truths(said).items())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if time.monotonic() - saved > 8 or step == steps - 1:
            saved = time.monotonic()
            save_checkpoint({"step": step + 1, "encoder": encoder.state_dict(), "optimizer": optimizer.state_dict(),
                             "schedule": schedule.state_dict()}, path)
            print(f"step {step + 1}: distance {far.item():.3f}, all {loss.item():.3f}", flush=True)
    return encoder


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--folder", type=pathlib.Path, default=ROOT / "training/runs/words", help="for pictures, codes and checkpoint")
    p.add_argument("--out", type=pathlib.Path, default=ROOT / "nst_lessons/weights/words.safetensors")
    p.add_argument("--count", type=int, default=1200, help="descriptions, each drawn twice")
    p.add_argument("--size", type=int, default=64, help="numbers of a code")
    p.add_argument("--steps", type=int, default=8000)
    p.add_argument("--batch", type=int, default=48)
    a = p.parse_args()
    a.folder.mkdir(parents=True, exist_ok=True)
    listed = descriptions(a.count)
    draw_all(listed, a.folder)
    space, codes = measured(a.count, a.folder, a.size)
    encoder = learn(listed, codes, a.steps, a.batch, a.folder, a.size)
    print(save_words(encoder.eval(), space, a.out))


if __name__ == "__main__":
    main()
