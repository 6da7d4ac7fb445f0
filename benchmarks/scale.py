"""What half precision and tiles cost and save: ratios from one run, things taken in turns, and peak memory from fresh processes.

    python -m benchmarks.scale [--sizes 256 512 1024] [--network tiny] [--tile 512]

prints ratios, then a table of seconds and memory of one evaluation (loss and gradient), whole and in tiles, fp32 and bf16, on the
device there is: on a GPU, give --sizes 512 1024 2048 4096. (4096 px in tiles take minutes on a CPU.)
"""
import argparse
import pathlib
import re
import signal
import statistics
import subprocess
import sys
import time

import torch

from nst_lessons import Features, Objective, Settings, load_image, style_error, stylize
from nst_lessons.images import resize
from nst_lessons.scale import half, memory, tiled

ROOT = pathlib.Path(__file__).resolve().parents[1]
TILE = 512               # px
_NO_ROOM = 3             # exit status of a process that has not enough memory


def device():
    """The machine in words: GPU, or the CPU's cores, name and the instructions that matter for 16 bits."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    info = pathlib.Path("/proc/cpuinfo")
    text = info.read_text() if info.exists() else ""
    name = re.search(r"model name\s*:\s*(.+)", text)
    return f"{torch.get_num_threads()} threads, {name[1] if name else 'CPU'}{' with AVX-512 BF16' if 'avx512_bf16' in text else ''}"


def evaluation(objective, image):
    """Seconds of one loss and gradient."""
    image = image.clone().requires_grad_()
    began = time.perf_counter()
    objective(image).total.backward()
    if image.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - began


def in_turns(one, other, image, rounds=5):
    """Median of the ratio of two objectives' times, each pair taken one after the other."""
    ratios = [evaluation(one, image) / evaluation(other, image) for _ in range(rounds + 1)]
    return statistics.median(ratios[1:])


def precision_ratio(network, size=256, rounds=5):
    """A step in bf16 over one in fp32; vgg19 untrained, since time does not ask for weights."""
    features = Features(network, weights=None if network == "tiny" else "random")
    photo, style = (load_image(name, size=size).to(features.device) for name in ("astronaut", "starry"))
    return in_turns(*(Objective(half(features, precision), photo, style) for precision in ("bf16", "fp32")), photo, rounds)


def picture_difference(size=128, steps=120):
    """(mean difference of the pictures painted in bf16 and fp32, of 255; the same of two in fp32 whose starts differ by a hair;
    style error of the first two)."""
    photo, style, features = load_image("astronaut", size=size), load_image("starry", size=size), Features("tiny")
    full, less = (stylize(photo, style, steps=steps, precision=precision) for precision in ("fp32", "bf16"))
    hair = photo + 1e-4 * torch.randn(photo.shape, generator=torch.Generator().manual_seed(0))
    again = stylize(hair.clamp(0, 1), style, steps=steps)
    differences = [255 * (full - other).abs().mean().item() for other in (less, again)]
    return *differences, *(style_error(one.to(features.device), style.to(features.device), features) for one in (full, less))


def tile_ratio(size=512, tile=256, rounds=3):
    """An evaluation in tiles over one of the whole picture."""
    features = Features("tiny")
    photo, style = (load_image(name, size=size).to(features.device) for name in ("astronaut", "starry"))
    make = lambda: Objective(features, photo, style)
    return in_turns(tiled(make(), tile), make(), photo, rounds)


def fresh(size, tile, network="tiny", precision="fp32", rounds=1):
    """(seconds of an evaluation, peak memory in GiB) of a process that does nothing else; None where memory does not suffice.

    tile: px; 0 is the whole picture at once. Raises RuntimeError when the process fails for another reason.
    """
    done = subprocess.run([sys.executable, "-m", "benchmarks.scale", "--one", str(size), str(tile), network, precision, str(rounds)],
                          cwd=ROOT, capture_output=True, text=True)
    if done.returncode in (_NO_ROOM, -signal.SIGKILL):
        return None
    if done.returncode:
        raise RuntimeError(f"measuring {size} px failed: {done.stderr.strip().splitlines()[-1:]}")
    seconds, gib = done.stdout.split()[-2:]
    return float(seconds), float(gib)


def _one(size, tile, network, precision, rounds):
    """What `fresh` runs: prints seconds and GiB. It does not begin what cannot fit: the system might end other programs for it."""
    features = half(Features(network, weights=None if network == "tiny" else "random"), precision)
    photo = resize(load_image("astronaut", size=512), (size, size)).to(features.device)
    objective = Objective(features, photo, load_image("starry", size=min(size, 1024)).to(features.device))
    if not tile and size**2 * memory._PEAK * memory.bytes_per_pixel(objective)[0] > memory.free(features.device):
        sys.exit(_NO_ROOM)
    try:
        objective = tiled(objective, tile) if tile else objective
        seconds = min(evaluation(objective, photo) for _ in range(rounds))
    except torch.OutOfMemoryError:
        sys.exit(_NO_ROOM)
    status = pathlib.Path("/proc/self/status")
    if torch.cuda.is_available():
        peak = torch.cuda.max_memory_allocated() / 2**30
    else:
        peak = int(re.search(r"VmHWM:\s+(\d+)", status.read_text())[1]) / 2**20 if status.exists() else float("nan")
    print(f"{seconds:.3f} {peak:.3f}")


def ratios():
    """Prints what half precision and tiles cost and save, each from one run."""
    for network in ("vgg19", "tiny"):
        print(f"one evaluation of {network}, 256 px, bf16 : fp32 = {precision_ratio(network):.2f}"
              + "   (at most 0.65 on a CPU with AVX-512 BF16)" * (network == "vgg19"))
    bf16, hair, *errors = picture_difference()
    print(f"pictures painted in bf16 and fp32 differ by {bf16:.1f} of 255 (two in fp32, from starts that differ by a hair: {hair:.1f}); "
          f"style error {errors[1]:.4f} : {errors[0]:.4f}")
    print(f"one evaluation of tiny, 512 px, tiles of 256 : at once = {tile_ratio():.2f}")


def main(argv=None):
    """Prints the ratios and the table."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--sizes", type=int, nargs="+", default=[256, 512, 1024])
    p.add_argument("--network", default="tiny")
    p.add_argument("--tile", type=int, default=TILE)
    p.add_argument("--one", nargs=5, help=argparse.SUPPRESS)
    args = p.parse_args(argv)
    if args.one:
        size, tile, network, precision, rounds = args.one
        return _one(int(size), int(tile), network, precision, int(rounds))
    ratios()
    print(f"one evaluation of {args.network}, square pictures, tiles of {args.tile} px; {device()}")
    print("  size  precision  whole: s, GiB     tiled: s, GiB")
    for size in args.sizes:
        for precision in ("fp32", "bf16"):
            found = [fresh(size, tile, args.network, precision, 2 if size <= 1024 else 1) for tile in (0, args.tile)]
            words = ["not enough memory" if one is None else f"{one[0]:7.2f}  {one[1]:6.2f}" for one in found]
            print(f"{size:6}  {precision:9}  {words[0]:17} {words[1]:17}", flush=True)


if __name__ == "__main__":
    main()
