"""`nst-lessons fast PHOTO --style STYLE -o OUT`: a photograph, or a folder of them, painted in one pass."""
import argparse
import pathlib
import sys

_READABLE = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff"}


def add(commands):
    """Describes the command to argparse."""
    p = commands.add_parser("fast", help="paint photographs in one pass, in a style that a network has learned",
                            description="Paint PHOTO, or every picture in a folder, in one pass through a trained network.")
    p.add_argument("photo", metavar="PHOTO", help="a file, a sample's name, or a folder of photographs")
    p.add_argument("--style", metavar="STYLE", required=True, help="a style that the network has learned: starry, waves, …")
    p.add_argument("--mix", metavar="STYLE=SHARE", type=_share, action="append", default=[],
                   help="so much of another style, e.g. waves=0.5; --style gets the rest. Can be given more than once")
    p.add_argument("-o", "--output", metavar="OUT", required=True,
                   help="picture to write (.png, .jpg, .webp); for a folder, a folder")
    p.add_argument("--size", type=int, default=512, help="longer side in px (default 512): strokes keep their size, so more is finer")
    p.add_argument("--preserve-color", action="store_true", help="keep the photograph's colors")
    p.add_argument("--weights", metavar="FILE", help="another network, e.g. what learn-style wrote")
    p.add_argument("--quiet", action="store_true", help="no progress bar")
    p.set_defaults(run=run)


def _share(text):
    """"waves=0.5" → ("waves", 0.5)."""
    name, _, share = text.partition("=")
    try:
        share = float(share)
    except ValueError:
        share = -1
    if not (name and 0 <= share <= 1):
        raise argparse.ArgumentTypeError(f"{text!r} is no share of a style; write waves=0.5, with a number from 0 to 1")
    return name, share


def mixture(style, shares):
    """{style: the rest, other: share, …} of a style's name and [(other, share), …]. Raises ValueError when there is no rest."""
    parts = {}
    for name, share in shares:
        parts[name] = parts.get(name, 0) + share
    if sum(parts.values()) > 1 + 1e-9:
        raise ValueError(f"the shares of --mix add up to {sum(parts.values()):g}; 1 is the whole, and --style gets the rest")
    parts[style] = parts.get(style, 0) + max(0.0, 1 - sum(parts.values()))
    return parts


def run(args):
    """Paints one photograph or all of a folder; exit status 2 when some could not be read."""
    from ..fast import load_fast
    net = load_fast(args.weights)
    mix = net.mix(mixture(args.style, args.mix))
    jobs = _jobs(args.photo, pathlib.Path(args.output))
    return paint_all(jobs, lambda photo, output: _paint(net, mix, photo, output, args), args)


def paint_all(jobs, paint, args):
    """Calls paint(photo, output) for each of the `_jobs`; of several, those that fail are told and passed over. → the exit status."""
    failed = 0
    for photo, output in _bar(jobs, args.quiet):
        try:
            paint(photo, output)
        except (ValueError, OSError) as error:
            if len(jobs) == 1:
                raise
            print(f"nst-lessons: {' '.join(str(error).split())}", file=sys.stderr)
            failed += 1
    if failed:
        print(f"nst-lessons: {failed} of {len(jobs)} pictures could not be painted, the others are in {args.output}", file=sys.stderr)
    return 2 if failed else 0


def _paint(net, mix, photo, output, args):
    """One photograph; the picture file holds what made it."""
    from ..images import keep_color, load_image, save_image
    picture = load_image(photo, size=args.size)
    painted = net(picture.to(mix.device), mix).cpu()
    if args.preserve_color:
        painted = keep_color(painted, picture)
    shares = {name: round(share, 4) for name, share in zip(net.styles, mix[0].tolist()) if share}
    save_image(painted, output, {"command": "fast", "content": str(photo), "style": shares, "size": args.size})


def _jobs(photo, output):
    """[(what to load, file to write), …]; refuses what could not be written, or would be painted over."""
    from ..images import WRITABLE, ImageError
    folder = pathlib.Path(photo).expanduser()
    if not folder.is_dir():
        if output.suffix[1:].lower() not in WRITABLE:
            raise ImageError(f"cannot write {output.name!r}: the name must end in .{', .'.join(WRITABLE)}")
        if output.exists() and folder.exists() and output.samefile(folder):
            raise ImageError(f"{str(output)!r} is the photograph itself; give -o another name")
        return [(photo, output)]
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in _READABLE)
    if not files:
        raise ImageError(f"the folder {photo!r} has no pictures ({', '.join(sorted(_READABLE))})")
    if output.is_file() or output.suffix[1:].lower() in WRITABLE:
        raise ImageError(f"{photo!r} is a folder, so -o must be one too, not {output.name!r}")
    if output.resolve() == folder.resolve():
        raise ImageError("the paintings would take the place of the photographs; give -o another folder")
    if not output.resolve().parent.is_dir():
        raise ImageError(f"there is no folder {str(output.parent)!r} to make {output.name!r} in")
    output.mkdir(exist_ok=True)
    stems = [path.stem for path in files]
    name = lambda path: path.stem if stems.count(path.stem) == 1 else path.name.replace(".", "_")      # cat.png and cat.jpg
    return [(path, output / f"{name(path)}{path.suffix if path.suffix[1:].lower() in WRITABLE else '.png'}") for path in files]


def _bar(jobs, quiet):
    from tqdm.auto import tqdm
    return tqdm(jobs, unit="picture", disable=quiet or len(jobs) == 1, dynamic_ncols=True, file=sys.stderr)
