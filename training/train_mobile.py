"""Makes `mobile.safetensors`: lesson 08's network taught to one with a sixth of its numbers, for phones.

    python training/train_mobile.py --shared ../shared --minutes 40          # goes on where it stopped

The student begins with random numbers. Whatever crop and style it gets, the teacher paints too: at first only the difference of pixels
counts, which is cheap; later `tiny` looks at both, and the student must come near the style's Gram matrices (lesson 08's loss) and the
teacher's picture as its content. Every few minutes the average of the weights is written out, with a sheet: photographs that were
never shown, each in every style, the teacher's picture above the student's.
"""
import pathlib
import sys

import torch

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
import nst_lessons as nst                                                    # noqa: E402
from nst_lessons.fast import STYLE_SIZE, load_fast                           # noqa: E402
from nst_lessons.fast.train import drive                                     # noqa: E402
from nst_lessons.mobile import DistillTrainer, save_mobile                   # noqa: E402
from train_fast import options, photographs                                  # noqa: E402


@torch.no_grad()
def sheet(nets, pictures):
    """Photographs [1, 3, H, W] of one size; for each style a row by each of the networks: [1, 3, rows · H, columns · W]."""
    rows = [pictures] + [[net(picture, style) for picture in pictures] for style in nets[0].styles for net in nets]
    return torch.cat([torch.cat(row, 3) for row in rows], 2)


def main():
    p = options(__doc__, "mobile", minutes=40)
    p.add_argument("--teacher", type=pathlib.Path, help="network to learn from (default: the shipped one-pass network)")
    p.add_argument("--alpha", type=float, nargs=2, default=[0.4, 0.2], help="weight of content, from … to")
    p.add_argument("--picture", type=float, nargs=2, default=[10.0, 3.0], help="weight of the pixels' difference, from … to")
    p.add_argument("--copying", type=float, default=0.2, help="share of the time in which pixels alone count")
    p.add_argument("--gamma", type=float, default=0.3)
    p.add_argument("--lr", type=float, default=0.015)
    p.add_argument("--sizes", type=int, nargs="+", default=[96, 128, 128])
    a = p.parse_args()
    a.folder.mkdir(parents=True, exist_ok=True)
    photos, unseen = photographs(a.shared / "photos")
    teacher = load_fast(a.teacher)
    styles = {name: nst.load_image(name, size=STYLE_SIZE) for name in teacher.styles}
    shown = [nst.load_image(path, size=256)[..., :160, :160] for path in unseen[-3::-9]] + [nst.load_image("astronaut", size=160)]
    trainer = DistillTrainer(styles, photos, teacher, sizes=tuple(a.sizes), batch=a.batch, alpha=tuple(a.alpha), lr=a.lr,
                             gamma=a.gamma, picture=tuple(a.picture), copying=a.copying, half=True)

    def export():
        save_mobile(trainer.average, a.folder / "mobile.safetensors")
        nst.save_image(sheet([teacher, trainer.average], [one.to(trainer.device) for one in shown]), a.folder / "sheet.png")
    net = drive(trainer, minutes=a.minutes, checkpoint=a.folder / "last.checkpoint", show=export, show_every=60 * a.export_every)
    save_mobile(net, a.out)


if __name__ == "__main__":
    main()
