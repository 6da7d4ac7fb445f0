"""`nst-lessons any PHOTO PAINTING -o OUT`: a photograph, or a folder of them, in one pass in the style of any painting."""
import argparse
import pathlib

from .fast import _jobs, mixture, paint_all


def add(commands):
    """Describes the command to argparse."""
    p = commands.add_parser("any", help="paint photographs in one pass, in the style of any painting",
                            description="Paint PHOTO, or every picture in a folder, in one pass, in the style of PAINTING, which the "
                                        "network need never have seen.")
    p.add_argument("photo", metavar="PHOTO", help="a file, a sample's name, or a folder of photographs")
    p.add_argument("painting", metavar="PAINTING", help="a file or a sample's name: starry, waves:3, …")
    p.add_argument("--method", choices=["adain", "attention"], default="attention",
                   help="adain: one mean and deviation for each channel; attention: each place finds its like (default)")
    p.add_argument("--mix", metavar="PAINTING=SHARE", type=_share, action="append", default=[],
                   help="so much of another painting's style, e.g. waves=0.5; PAINTING gets the rest. Can be given more than once")
    p.add_argument("--strength", type=_strength, default=1.0, help="from 0, the photograph's own style, to 1, the painting's (default)")
    p.add_argument("-o", "--output", metavar="OUT", required=True,
                   help="picture to write (.png, .jpg, .webp); for a folder, a folder")
    p.add_argument("--size", type=int, default=512, help="longer side in px (default 512): strokes keep their size, so more is finer")
    p.add_argument("--style-size", type=int, default=384, help="longer side of the paintings in px (default 384): more makes larger strokes")
    p.add_argument("--preserve-color", action="store_true", help="keep the photograph's colors")
    p.add_argument("--weights", metavar="FILE", help="another network, of whichever method; training/train_attention.py writes such")
    p.add_argument("--quiet", action="store_true", help="no progress bar")
    p.set_defaults(run=run)


def _share(text):
    """"waves=0.5" → ("waves", 0.5); a file's name may hold "=" too."""
    name, _, share = text.rpartition("=")
    try:
        share = float(share)
    except ValueError:
        share = -1
    if not (name and 0 <= share <= 1):
        raise argparse.ArgumentTypeError(f"{text!r} is no share of a style; write waves=0.5, with a number from 0 to 1")
    return name, share


def _strength(text):
    try:
        strength = float(text)
    except ValueError:
        strength = -1
    if not 0 <= strength <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no strength: give a number from 0 to 1")
    return strength


def run(args):
    """Paints one photograph or all of a folder; exit status 2 when some could not be read."""
    import torch

    from ..attention import load_any
    from ..images import load_image
    jobs = _jobs(args.photo, pathlib.Path(args.output))
    shares = mixture(args.painting, args.mix)
    net = load_any(args.method, args.weights)
    with torch.inference_mode():
        place = net.features.device
        style = [(net.look(load_image(name, size=args.style_size).to(place)), share) for name, share in shares.items() if share]
        settings = {"method": net.method, "style": shares} | _settings(args)
        return paint_all(jobs, lambda photo, output: _paint(net, style, photo, output, settings), args)


def _settings(args):
    return {"strength": args.strength, "size": args.size, "style_size": args.style_size, "preserve_color": args.preserve_color}


def _paint(net, style, photo, output, settings):
    """One photograph; the picture file holds what made it."""
    from ..images import keep_color, load_image, save_image
    picture = load_image(photo, size=settings["size"])
    painted = net(picture.to(net.features.device), style, settings["strength"]).cpu()
    if settings["preserve_color"]:
        painted = keep_color(painted, picture)
    save_image(painted, output, {"command": "any", "content": str(photo)} | settings)
