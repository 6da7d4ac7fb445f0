"""Makes `nst_lessons/weights/adain.safetensors` and `attention.safetensors`: networks that paint in the style of any painting.

    python training/train_attention.py adain --shared ../shared              # 42 minutes; goes on where it stopped
    python training/train_attention.py attention --shared ../shared          # as long again; begins with adain's decoder

Every step paints four crops of photographs, each in the style of a crop of another painting: six real ones, twelve of each school of
our museum (drawn once, kept in training/runs/museum), and other photographs; two of five recolored. `tiny` says how far they are from
style and photograph. Never shown: three real paintings, the museum's seed 0, the 50 photographs with the highest numbers.
The weights' average is written out every few minutes, with a sheet of unseen photographs and paintings beside it.
"""
import argparse
import pathlib
import sys

import numpy as np
import torch
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
import nst_lessons as nst                                                    # noqa: E402
from nst_lessons import paintings                                            # noqa: E402
from nst_lessons.attention import METHODS, AnyTrainer, load_any, save_any    # noqa: E402
from nst_lessons.fast.train import drive                                     # noqa: E402

HELD_OUT = 50                                                                # photographs with the highest numbers
UNSEEN = ["munch_the_scream", "van_gogh_cafe_terrace", "van_gogh_houses"]
SEEDS = range(1, 13)                                                         # seed 0 is what learners see
REAL, PHOTOS = 6, 2                                                          # how often, where each school of the museum is one
ALPHA = {"adain": [0.12, 0.04], "attention": [0.06, 0.03]}                   # weight of content, from … to
RATE = {"adain": 0.015, "attention": 0.01}                                   # of the decoder's kernels; attention's are trained already
SEE_RATE = {"adain": 2e-3, "attention": 5e-4}                                # of all else


def pixels(path):
    """A picture as bytes [1, 3, H, W]."""
    return torch.from_numpy(np.array(Image.open(path).convert("RGB"))).permute(2, 0, 1)[None]


def museum(folder):
    """{school: list of pictures}, drawn at 512 px where they are not in `folder` yet."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in paintings.names():
        for seed in SEEDS:
            if not (file := folder / f"{name}_{seed}.png").exists():
                nst.save_image(torch.from_numpy(paintings.paint(name, 512, seed)).permute(2, 0, 1), file)
    return {name: [pixels(folder / f"{name}_{seed}.png") for seed in SEEDS] for name in paintings.names()}


def read(shared, folder):
    """(schools to learn from, photographs to learn from, files of unseen photographs, files of unseen paintings)."""
    files = sorted((shared / "photos").glob("*.jpg"), key=lambda path: int(path.stem))
    photos = [pixels(path)[..., 2:-2, 2:-2] for path in files[:-HELD_OUT]]   # their scans have a black line along some edges
    real = [pixels(path) for path in sorted((shared / "paintings").glob("*.jpg")) if path.stem not in UNSEEN]
    schools = museum(folder) | {f"real {k}": real for k in range(REAL)} | {f"photographs {k}": photos for k in range(PHOTOS)}
    return schools, photos, files[-HELD_OUT:], [shared / "paintings" / f"{name}.jpg" for name in UNSEEN]


@torch.no_grad()
def sheet(net, photos, styles):
    """The paintings above; below, a row for each photograph: itself, then painted in each style; all 192 px squares."""
    square = lambda picture: torch.nn.functional.interpolate(picture, (192, 192), mode="bilinear", antialias=True)
    rows = [[torch.ones_like(square(photos[0])), *map(square, styles)]]
    rows += [[square(photo), *(square(net(photo, style)) for style in styles)] for photo in photos]
    return torch.cat([torch.cat(row, 3) for row in rows], 2)


def begin(method, start):
    """A network to train; attention takes over what it shares with the network in the file `start`."""
    net = METHODS[method]()
    if method == "attention" and start.exists():
        net.load_state_dict(load_any(path=start, device="cpu").state_dict(), strict=False)
    return net


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("method", choices=METHODS)
    p.add_argument("--shared", type=pathlib.Path, default=ROOT.parent / "shared")
    p.add_argument("--folder", type=pathlib.Path, help="for checkpoint and sheet (default: training/runs/METHOD)")
    p.add_argument("--out", type=pathlib.Path, help="(default: nst_lessons/weights/METHOD.safetensors)")
    p.add_argument("--start", type=pathlib.Path, default=ROOT / "nst_lessons/weights/adain.safetensors",
                   help="attention begins with these")
    p.add_argument("--minutes", type=float, default=42)
    p.add_argument("--export-every", type=float, default=4, help="minutes")
    p.add_argument("--alpha", type=float, nargs=2, help=f"weight of content, from … to (default: {ALPHA})")
    p.add_argument("--lr", type=float, help=f"(default: {RATE})")
    p.add_argument("--see-lr", type=float, help=f"(default: {SEE_RATE})")
    p.add_argument("--batch", type=int, default=4)
    p.add_argument("--sizes", type=int, nargs="+", default=[96, 112, 144])
    a = p.parse_args()
    folder = a.folder or ROOT / "training/runs" / a.method
    folder.mkdir(parents=True, exist_ok=True)
    schools, photos, unseen, unseen_paintings = read(a.shared, ROOT / "training/runs/museum")
    shown = [nst.load_image(path, size=256) for path in unseen[-3::-16]] + [nst.load_image("astronaut", size=256)]
    styles = [nst.load_image(source, size=256) for source in [*unseen_paintings, "starry", "woodcut", "stained_glass"]]
    torch.manual_seed(0)                                                     # where the weights begin
    trainer = AnyTrainer(schools, photos, begin(a.method, a.start), sizes=tuple(a.sizes), batch=a.batch, half=True,
                         alpha=tuple(a.alpha or ALPHA[a.method]), lr=a.lr or RATE[a.method], see_lr=a.see_lr or SEE_RATE[a.method])

    def show():
        place = trainer.features.device
        save_any(trainer.average, folder / f"{a.method}.safetensors")
        pictures = ([one.to(place) for one in those] for those in (shown, styles))
        nst.save_image(sheet(trainer.average, *pictures), folder / "sheet.png")
    net = drive(trainer, minutes=a.minutes, checkpoint=folder / "last.checkpoint", show=show, show_every=60 * a.export_every)
    save_any(net, a.out or ROOT / f"nst_lessons/weights/{a.method}.safetensors")


if __name__ == "__main__":
    main()
