"""Does the network need ImageNet? One photograph, one painting, every network at hand: seconds, and style errors by the independent judge.

    python -m benchmarks.selfsup [--size 192] [--steps 120] [--sheet sheet.png]

Networks trained on ImageNet (vgg16, vgg19, resnet50) take part where torchvision has their weights already; resnet50 with and without the
softmax. The judge, ../shared/judge.py, looks with VGG-19, so it is partial to VGGs; without ../shared `tiny` judges, and is partial to itself.
"""
import argparse
import pathlib
import tempfile
import time

import torch

from nst_lessons import Features, load_image, loading, plots, save_image, style_error, stylize

from .teacher import SHARED, judge

PHOTO, PAINTING = "astronaut", SHARED / "paintings" / "van_gogh_houses.jpg"             # training saw neither
NETWORKS = {                                                                            # name in the table: settings of stylize
    "random": {"backbone": "random"},
    "patches, drawn": {"backbone": "patches", "weights": "random"},
    "patches": {"backbone": "patches"},
    "selfsup, untrained": {"backbone": "selfsup", "weights": "random"},
    "selfsup": {"backbone": "selfsup"},
    "tiny": {"backbone": "tiny"},
    "vgg16": {"backbone": "vgg16"},
    "vgg19": {"backbone": "vgg19"},
    "resnet50": {"backbone": "resnet50"},
    "resnet50, softmax": {"backbone": "resnet50", "smooth": True, "gamma": 0.005},       # smoothed terms are small: see lesson 14
}


def at_hand(networks, weights=None):
    """Those of `networks` that need no download and whose files are there. `weights`: a file for selfsup in place of the shipped one."""
    found = {}
    for name, settings in networks.items():
        backbone = settings["backbone"]
        if name == "selfsup" and weights:
            settings = settings | {"weights": str(weights)}
        elif name == "selfsup" and not loading.embedded("selfsup.safetensors").is_file():
            continue
        if backbone in ("vgg16", "vgg19", "resnet50") and not _cached(backbone):
            continue
        found[name] = settings
    return found


def _cached(name):
    """True where torchvision's weights of a network were downloaded before."""
    from torchvision.models import get_model_weights
    file = get_model_weights(name)["IMAGENET1K_V1"].url.rsplit("/", 1)[-1]
    return (pathlib.Path(torch.hub.get_dir()) / "checkpoints" / file).is_file()


def measure(networks, photo, style, size, steps):
    """Yields (name, picture, seconds, {"style": …, "content": …, "tiny": …}) for the photograph itself, then for each network.

    style, content: by the judge where it is there; tiny: style error by our own network. seconds: all of stylize, learning included.
    """
    look, tiny = judge() if (SHARED / "judge.py").exists() else None, Features("tiny")
    with tempfile.TemporaryDirectory() as folder:
        file = {kind: pathlib.Path(folder) / f"{kind}.png" for kind in ("photo", "painted", "style")}
        save_image(photo, file["photo"])
        save_image(style, file["style"])
        for name, settings in {"the photograph": None, **networks}.items():
            began = time.perf_counter()
            picture = photo if settings is None else stylize(photo, style, size=size, steps=steps, **settings)
            seconds = time.perf_counter() - began
            save_image(picture, file["painted"])
            seen = look(file["painted"], file["photo"], file["style"], size) if look else {}
            yield name, picture, seconds, {"style": seen.get("style"), "content": seen.get("content"), "tiny": style_error(picture, style, tiny)}


def main(argv=None):
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--photo", default=PHOTO)
    p.add_argument("--painting", default=PAINTING if PAINTING.exists() else "starry")
    p.add_argument("--size", type=int, default=192)
    p.add_argument("--steps", type=int, default=120, help="evaluations")
    p.add_argument("--weights", type=pathlib.Path, help="a file of selfsup to measure (default: the shipped one)")
    p.add_argument("--only", nargs="+", choices=NETWORKS, help="these networks alone")
    p.add_argument("--sheet", type=pathlib.Path, help="write the pictures here, side by side")
    a = p.parse_args(argv)
    photo, style = load_image(a.photo, size=a.size), load_image(a.painting, size=a.size)
    networks, pictures = at_hand({name: NETWORKS[name] for name in a.only or NETWORKS}, a.weights), {}
    print(f"{'network':20} {'seconds':>8} {'style':>8} {'content':>8} {'by tiny':>8}     {a.size} px, {a.steps} evaluations")
    for name, picture, seconds, figures in measure(networks, photo, style, a.size, a.steps):
        shown = "".join(f"{'–' if value is None else format(value, '.3f'):>9}" for value in figures.values())
        print(f"{name:20} {seconds:8.1f}{shown}", flush=True)
        pictures[name] = picture
    missing = [name for name in a.only or NETWORKS if name not in networks]
    if missing:
        print(f"not at hand: {', '.join(missing)}")
    if a.sheet:
        plots.contact_sheet(list(pictures.values()), list(pictures)).savefig(a.sheet)


if __name__ == "__main__":
    main()
