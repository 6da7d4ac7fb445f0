"""Makes `nst_lessons/weights/fast.safetensors`: one network that paints in one pass, in the styles of the museum.

    python training/train_fast.py --shared ../shared --minutes 80            # goes on where it stopped
    torchrun --nproc_per_node 2 training/train_fast.py --minutes 40          # the same on two processes, or GPUs

Every step paints crops of photographs, each in another style; `tiny` says how far they are from style and photograph
(relative squared errors, as in lesson 04), and the error goes back through it into the small network. The weights' average is
written out every few minutes, with a sheet of held-out photographs in every style beside it, so a stopped run leaves
something that paints. The learning rate follows the time spent training, and the time of a paused process does not count.
"""
import argparse
import os
import pathlib
import sys

import numpy as np
import torch
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
import nst_lessons as nst                                                    # noqa: E402
from nst_lessons.fast import STYLE_SIZE, save_fast, train_fast               # noqa: E402

STYLES = ["starry", "waves", "stained_glass", "ink_wash", "woodcut", "mosaic", "pointillism", "wheat_field", "sunset_harbor",
          "autumn_forest", "cubist"]
HELD_OUT = 50                                                                # photographs with the highest numbers


def photographs(folder):
    """(those to learn from, as bytes [1, 3, H, W]; files of those held out)."""
    files = sorted(folder.glob("*.jpg"), key=lambda path: int(path.stem))
    read = [torch.from_numpy(np.array(Image.open(path).convert("RGB"))).permute(2, 0, 1)[None] for path in files[:-HELD_OUT]]
    return [photo[..., 2:-2, 2:-2] for photo in read], files[-HELD_OUT:]      # their scans have a black line along some edges


@torch.no_grad()
def sheet(net, pictures):
    """One row for the photographs and one for each style: [1, 3, H, W]."""
    height, width = (max(picture.shape[k] for picture in pictures) for k in (2, 3))
    framed = lambda p: torch.nn.functional.pad(p, (0, width - p.shape[3], 0, height - p.shape[2]), value=1)
    rows = [pictures] + [[net(picture, style) for picture in pictures] for style in net.styles]
    return torch.cat([torch.cat([framed(picture) for picture in row], 3) for row in rows], 2)


def options(about, name, minutes):
    """The command line of a script that makes weights/NAME.safetensors: what each such script is asked, for it to add its own."""
    p = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--shared", type=pathlib.Path, default=ROOT.parent / "shared")
    p.add_argument("--folder", type=pathlib.Path, default=ROOT / "training/runs" / name)
    p.add_argument("--out", type=pathlib.Path, default=ROOT / f"nst_lessons/weights/{name}.safetensors")
    p.add_argument("--minutes", type=float, default=minutes)
    p.add_argument("--export-every", type=float, default=5, help="minutes")
    p.add_argument("--batch", type=int, default=4)
    return p


def main():
    p = options(__doc__, "fast", minutes=80)
    p.add_argument("--styles", nargs="+", default=STYLES)
    p.add_argument("--style-size", type=int, default=STYLE_SIZE, help="longer side of the paintings in px: larger strokes at more")
    p.add_argument("--alpha", type=float, nargs=2, default=[0.2, 0.05], help="weight of content, from … to")
    p.add_argument("--gamma", type=float, default=0.3)
    p.add_argument("--lr", type=float, default=0.015)
    p.add_argument("--sizes", type=int, nargs="+", default=[96, 128, 192])
    a = p.parse_args()
    if "RANK" in os.environ:                                                 # torchrun
        if torch.cuda.is_available():
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        torch.distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    a.folder.mkdir(parents=True, exist_ok=True)
    photos, unseen = photographs(a.shared / "photos")
    styles = {name: nst.load_image(name, size=a.style_size) for name in a.styles}
    shown = [nst.load_image(path, size=256) for path in unseen[-3::-9]] + [nst.load_image("astronaut", size=256)]

    def export(_, net):
        save_fast(net, a.folder / "fast.safetensors")
        nst.save_image(sheet(net, [picture.to(net.out.weight.device) for picture in shown]), a.folder / "sheet.png")
    net = train_fast(styles, photos, minutes=a.minutes, checkpoint=a.folder / "last.checkpoint", sample=export,
                     sample_every=60 * a.export_every, sizes=tuple(a.sizes), batch=a.batch, alpha=tuple(a.alpha), gamma=a.gamma, lr=a.lr,
                     half=True)
    if int(os.environ.get("RANK", 0)) == 0:
        save_fast(net, a.out)


if __name__ == "__main__":
    main()
