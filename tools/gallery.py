"""Paint docs/gallery.jpg: photographs × paintings, all with stylize's defaults, and the README's picture.

    .venv/bin/python tools/gallery.py [--size 256]
"""
import argparse
import sys
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
import nst_lessons as nst                                                    # noqa: E402
from nst_lessons.images import resize                                        # noqa: E402

PHOTOS = ["astronaut", "cat", "coffee", "motorcycle", "rocket", "galaxies"]
PAINTINGS = ["starry", "waves", "stained_glass", "wheat_field", "autumn_forest", "cubist"]


def cell(picture, side, gap=4):
    """The middle square of a picture, `side` px, with a white border."""
    height, width = picture.shape[2:]
    scale = side / min(height, width)
    picture = resize(picture, (max(side, round(height * scale)), max(side, round(width * scale))))
    top, left = (picture.shape[2] - side) // 2, (picture.shape[3] - side) // 2
    square = picture[..., top:top + side, left:left + side]
    return torch.nn.functional.pad(square, (gap, gap, gap, gap), value=1.0)


def museum(side=300, columns=4):
    """All the paintings on one white wall, none of them cut."""
    wall = []
    for name in nst.samples()["paintings"]:
        painting = nst.load_image(name, size=512)
        painting = resize(painting, side)
        height, width = painting.shape[2:]
        top, left = (side - height) // 2 + 8, (side - width) // 2 + 8
        wall.append(torch.nn.functional.pad(painting, (left, side + 16 - width - left, top, side + 16 - height - top), value=1.0))
    wall += [torch.ones_like(wall[0])] * (-len(wall) % columns)
    return torch.cat([torch.cat(wall[i:i + columns], dim=3) for i in range(0, len(wall), columns)], dim=2)


def main():
    """Paints every cell and writes the sheet."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--size", type=int, default=256)
    p.add_argument("--side", type=int, default=200, help="px of one cell")
    p.add_argument("--out", type=Path, default=ROOT / "docs/gallery.jpg")
    p.add_argument("--cells", type=Path, default=ROOT / "training/runs/gallery", help="folder of what is painted already; delete it to begin anew")
    args = p.parse_args()
    args.cells.mkdir(parents=True, exist_ok=True)
    rows = [[torch.ones(1, 3, args.side, args.side)] + [nst.load_image(name, size=args.size) for name in PAINTINGS]]
    for photo in PHOTOS:
        rows.append([nst.load_image(photo, size=args.size)])
        for painting in PAINTINGS:
            file = args.cells / f"{photo}_{painting}_{args.size}.png"
            if not file.exists():                                            # else it goes on where it was stopped
                print(photo, "×", painting, flush=True)
                nst.save_image(nst.stylize(photo, painting, size=args.size), file)
            rows[-1].append(nst.load_image(file))
    sheet = torch.cat([torch.cat([cell(picture, args.side) for picture in row], dim=3) for row in rows], dim=2)
    nst.save_image(sheet, args.out, quality=88)
    nst.save_image(museum(), args.out.with_name("museum.jpg"), quality=88)


if __name__ == "__main__":
    main()
