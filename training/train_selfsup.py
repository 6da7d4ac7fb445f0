"""Makes `nst_lessons/weights/selfsup.safetensors`: a network that looked at photographs, and was told nothing about them.

    python training/train_selfsup.py --shared ../shared              # 80 minutes; goes on where it stopped

Every step shows two views of each of 24 photographs. The network has to say which points of one are which points of the other, what color
is there, and by how many quarters both were turned. No labels, no teacher: no other network has a part in it, not even `tiny`. Never shown: the 50
photographs with the highest numbers, and all paintings. The weights' average is written out every few minutes, with a sheet of unseen
photographs painted by it beside it.
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
from nst_lessons.fast.train import drive                                     # noqa: E402
from nst_lessons.selfsup import SelfTrainer, save_self                       # noqa: E402

HELD_OUT = 50                                                                # photographs with the highest numbers


def pixels(path):
    """A picture as bytes [1, 3, H, W]."""
    return torch.from_numpy(np.array(Image.open(path).convert("RGB"))).permute(2, 0, 1)[None]


def read(shared):
    """(photographs to learn from, files of unseen ones)."""
    files = sorted((shared / "photos").glob("*.jpg"), key=lambda path: int(path.stem))
    return [pixels(path)[..., 2:-2, 2:-2] for path in files[:-HELD_OUT]], files[-HELD_OUT:]      # scans have a black line along some edges


def sheet(weights, photos, styles, steps):
    """A row for each photograph: itself, then painted in each style with the network in the file `weights`; 128 px squares."""
    square = lambda picture: torch.nn.functional.interpolate(picture, (128, 128), mode="bilinear", antialias=True)
    paint = lambda photo, style: nst.stylize(photo, style, backbone="selfsup", weights=str(weights), steps=steps)
    rows = [[torch.ones(1, 3, 128, 128), *map(square, styles)]]
    rows += [[square(photo), *(square(paint(photo, style)) for style in styles)] for photo in photos]
    return torch.cat([torch.cat(row, 3) for row in rows], 2)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--shared", type=pathlib.Path, default=ROOT.parent / "shared")
    p.add_argument("--folder", type=pathlib.Path, default=ROOT / "training/runs/selfsup", help="for checkpoint and sheet")
    p.add_argument("--out", type=pathlib.Path, default=ROOT / "nst_lessons/weights/selfsup.safetensors")
    p.add_argument("--minutes", type=float, default=80)
    p.add_argument("--export-every", type=float, default=8, help="minutes")
    p.add_argument("--batch", type=int, default=24, help="photographs a step")
    p.add_argument("--size", type=int, default=64, help="px of a view")
    p.add_argument("--points", type=int, default=8, help="points of a photograph to find again")
    p.add_argument("--turn", type=float, default=0.3, help="weight of 'which way is up'")
    p.add_argument("--color", type=float, default=2.0, help="weight of 'what color is it'")
    p.add_argument("--lr", type=float, default=0.02, help="of the kernels")
    p.add_argument("--steps", type=int, default=60, help="evaluations for a picture of the sheet; 0: no sheet")
    p.add_argument("--fp32", action="store_true", help="no bfloat16: for processors that are slow in it")
    a = p.parse_args()
    a.folder.mkdir(parents=True, exist_ok=True)
    photos, unseen = read(a.shared)
    shown = [nst.load_image(path, size=128) for path in unseen[-3::-24]]
    styles = [nst.load_image(name, size=128) for name in ("starry", "woodcut", "stained_glass")]
    trainer = SelfTrainer(photos, batch=a.batch, size=a.size, points=a.points, turn=a.turn, color=a.color, lr=a.lr, half=not a.fp32)

    def show():
        file = save_self(trainer.network(), a.folder / "selfsup.safetensors")
        if a.steps:
            nst.save_image(sheet(file, shown, styles, a.steps), a.folder / "sheet.png")
    drive(trainer, minutes=a.minutes, checkpoint=a.folder / "last.checkpoint", show=show, show_every=60 * a.export_every)
    save_self(trainer.network(), a.out)


if __name__ == "__main__":
    main()
