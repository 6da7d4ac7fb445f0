"""Makes `steady.safetensors`: lesson 08's network, taught to paint what moves without flicker. It needs no flow when it paints.

    python training/train_steady.py --shared ../shared           # goes on where it stopped

It begins with the shipped one-pass network. Each crop of a photograph is painted twice: as it is, and shifted, zoomed, turned
and with other noise. Its motion was made here, so the exact flow is known; the second picture is held against the first one,
warped, beside lesson 08's losses of style and content. Every few minutes the average of the weights is written out.
"""
import pathlib
import sys


ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
import nst_lessons as nst                                                    # noqa: E402
from nst_lessons.fast import STYLE_SIZE, load_fast, save_fast                # noqa: E402
from nst_lessons.fast.train import drive                                     # noqa: E402
from nst_lessons.video.steady import SteadyTrainer                           # noqa: E402
from train_fast import options, photographs                                  # noqa: E402


def main():
    p = options(__doc__, "steady", minutes=38)
    p.add_argument("--begin", type=pathlib.Path, help="network to begin with (default: the shipped one-pass network)")
    p.add_argument("--temporal", type=float, default=12.0, help="weight of the temporal loss")
    p.add_argument("--alpha", type=float, default=0.05, help="weight of content")
    p.add_argument("--lr", type=float, default=0.003)
    p.add_argument("--sizes", type=int, nargs="+", default=[128, 160])
    p.add_argument("--fp32", action="store_true", help="no bfloat16: for processors that are slow in it")
    a = p.parse_args()
    a.folder.mkdir(parents=True, exist_ok=True)
    photos, _ = photographs(a.shared / "photos")
    net = load_fast(a.begin).requires_grad_(True)
    styles = {name: nst.load_image(name, size=STYLE_SIZE) for name in net.styles}
    trainer = SteadyTrainer(styles, photos, net, sizes=tuple(a.sizes), batch=a.batch, alpha=a.alpha, lr=a.lr, table_lr=1e-3,
                            temporal=a.temporal, half=not a.fp32)
    net = drive(trainer, minutes=a.minutes, checkpoint=a.folder / "last.checkpoint", show_every=60 * a.export_every,
                show=lambda: save_fast(trainer.average, a.folder / "steady.safetensors"))
    save_fast(net, a.out)


if __name__ == "__main__":
    main()
