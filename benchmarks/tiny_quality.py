"""Does `tiny` paint like the composite teacher? Style error by the independent judge, held-out photographs and paintings.

    python -m benchmarks.tiny_quality [--pairs 12] [--alphas 0.03 0.15 default] [--out training/runs/quality]

Prints a line per picture and the ratios tiny : teacher (style error, content error, time of an evaluation, measured in turns).
What the teacher painted with the same settings before is read again instead of painted again.
"""
import argparse
import json
import pathlib
import statistics
import time

import torch
from scipy import ndimage

from nst_lessons import Features, Objective, Settings, features, load_image, save_image
from nst_lessons.stylize import budgets, finish, paint, pyramid
from nst_lessons.images import resize

from .teacher import SHARED, Composite, judge

ROOT = pathlib.Path(__file__).resolve().parents[1]
STYLES = ["munch_the_scream", "van_gogh_cafe_terrace", "van_gogh_houses", "starry", "munch_the_scream", "van_gogh_cafe_terrace",
          "van_gogh_houses", "stained_glass", "munch_the_scream", "van_gogh_cafe_terrace", "van_gogh_houses", "woodcut"]


def pairs(count):
    """[(photograph's path, style's name or path)]: every fourth of the fifty held-out photographs, the styles in turn."""
    photos = sorted((SHARED / "photos").glob("*.jpg"), key=lambda p: int(p.stem))[-50::4]
    paths = {p.stem: p for p in (SHARED / "paintings").glob("*.jpg")}
    return [(photos[i % len(photos)], paths.get(STYLES[i % len(STYLES)], STYLES[i % len(STYLES)])) for i in range(count)]


def roughness_of_color(picture, photo):
    """Chroma of the high-pass where the photograph is smooth (the flattest fifth of its 8-px windows): colored noise."""
    gray = photo.mean(dim=1)[0].numpy()
    flat = ndimage.uniform_filter(gray**2, 8) - ndimage.uniform_filter(gray, 8) ** 2
    smooth = torch.from_numpy(flat <= sorted(flat.ravel())[flat.size // 5])
    red, green, blue = picture[0]
    chroma = torch.stack([red - green, (red + green) / 2 - blue]).numpy()
    high = torch.from_numpy(chroma - ndimage.gaussian_filter(chroma, (0, 1.5, 1.5)))
    return high[:, smooth].pow(2).mean().sqrt().item()


def painted(network, photo, style, out, **options):
    """Paints one picture (or reads what was painted with the same settings), → its path and seconds."""
    settings = Settings.of(content=photo.stem, style=pathlib.Path(str(style)).stem, size=256, **options)
    path = out / f"{network.name}_{settings.content}_{settings.style}_a{settings.alpha}_{settings.steps}.png"
    note = path.with_suffix(".json")
    if network.name == "composite" and note.exists() and json.loads(note.read_text())["settings"] == settings.to_json():
        return path, json.loads(note.read_text())["seconds"]
    began = time.perf_counter()
    for progress in paint(str(photo), str(style), settings, features=network):
        pass
    seconds = time.perf_counter() - began
    save_image(finish(progress.image, str(photo), settings), path)
    note.write_text(json.dumps({"settings": settings.to_json(), "seconds": seconds}))
    return path, seconds


def evaluation_seconds(networks, steps, rounds=5):
    """Seconds of a whole schedule at 256 px, network by network, from evaluations timed in turns (medians)."""
    photo, style, total = load_image("astronaut", size=256), load_image("starry", size=256), dict.fromkeys(networks, 0.0)
    sizes = pyramid(256)
    for size, count in zip(sizes, budgets(steps, len(sizes))):
        small, painting, times = resize(photo, size), resize(style, size), {name: [] for name in networks}
        objectives = {name: Objective(network, small, painting) for name, network in networks.items()}
        for _ in range(rounds + 1):
            for name, objective in objectives.items():
                image, began = small.clone().requires_grad_(), time.perf_counter()
                objective(image).total.backward()
                times[name].append(time.perf_counter() - began)
        for name in networks:
            total[name] += count * statistics.median(times[name][1:])
    return total


def main(argv=None):
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--pairs", type=int, default=12)
    p.add_argument("--alphas", nargs="*", default=["0.03", "0.15", "default"])
    p.add_argument("--steps", type=int, default=Settings().steps)
    p.add_argument("--weights", help="weights of tiny (default: the embedded ones)")
    p.add_argument("--only", choices=["tiny", "composite"])
    p.add_argument("--out", type=pathlib.Path, default=ROOT / "training/runs/quality")
    a = p.parse_args(argv)
    a.out.mkdir(parents=True, exist_ok=True)
    features.register("composite", lambda weights, pooling: Composite())
    names = [a.only] if a.only else ["tiny", "composite"]
    networks = {name: Features(name, weights=a.weights if name == "tiny" else None) for name in names}
    look = judge()
    for alpha in a.alphas:
        rows = {name: [] for name in networks}
        for photo, style in pairs(a.pairs):
            style_file = style if isinstance(style, pathlib.Path) else a.out / f"{style}.png"
            if not style_file.exists():
                save_image(load_image(style, size=512), style_file)
            for name, network in networks.items():
                path, seconds = painted(network, photo, style_file, a.out, steps=a.steps, **({} if alpha == "default" else {"alpha": float(alpha)}))
                found = look(path, photo, style_file) | {"seconds": seconds}
                found["chroma"] = roughness_of_color(load_image(path), load_image(photo, size=256))
                rows[name].append(found)
                print(f"alpha {alpha:7} {name:9} {photo.stem:>7} × {style_file.stem:22}", " ".join(f"{k} {v:.4f}" for k, v in found.items()), flush=True)
        means = {name: {k: statistics.mean(row[k] for row in found) for k in found[0]} for name, found in rows.items()}
        for name, mean in means.items():
            print(f"alpha {alpha}, mean of {a.pairs}: {name:9}", " ".join(f"{k} {v:.4f}" for k, v in mean.items()))
        if len(networks) == 2:
            print(f"alpha {alpha}, tiny : composite —", ", ".join(f"{k} {means['tiny'][k] / means['composite'][k]:.2f}" for k in ("style", "content", "noise", "chroma")))
    total = evaluation_seconds(networks, a.steps)
    print("schedule at 256 px:", ", ".join(f"{name} {seconds:.1f} s" for name, seconds in total.items()),
          f"— ratio {total['tiny'] / total['composite']:.2f}" if len(total) == 2 else "")


if __name__ == "__main__":
    main()
