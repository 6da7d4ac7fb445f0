"""`nst-lessons learn-style PAINTING -o OUT`: teaches a one-pass network one more style, in minutes."""
import pathlib
import sys

_PHOTOS = ["astronaut", "cat", "coffee", "motorcycle", "rocket"]         # samples that are ordinary photographs


def add(commands):
    """Describes the command to argparse."""
    p = commands.add_parser("learn-style", help="teach the one-pass network a painting of your own",
                            description="Learn scales and shifts for PAINTING; 'nst-lessons fast --weights OUT --style NAME' paints with it.")
    p.add_argument("painting", metavar="PAINTING", help="a file, or a sample's name such as starry:7")
    p.add_argument("-o", "--output", metavar="OUT", required=True, help="network to write: .safetensors")
    p.add_argument("--name", help="what the style is to be called (default: the file's name)")
    p.add_argument("--minutes", type=float, default=6, help="of training (default 6)")
    p.add_argument("--photos", metavar="FOLDER", help="photographs to learn with (default: some samples)")
    p.add_argument("--strokes", type=float, default=1, help="size of the strokes (default 1)")
    p.add_argument("--alpha", type=float, help="weight of content (default 0.2): more keeps the photograph")
    p.add_argument("--weights", metavar="FILE", help="network to begin with (default: the shipped one)")
    p.add_argument("--sample", metavar="PICTURE", help="picture file that shows, every half minute, how far it is")
    p.add_argument("--resume", action="store_true", help="go on where an interrupted run of the same command stopped")
    p.add_argument("--quiet", action="store_true", help="no progress bar")
    p.set_defaults(run=run)


def run(args):
    """Learns, with a progress bar and a checkpoint beside OUT, and writes OUT."""
    from ..fast import STYLE_SIZE, learn_style, load_fast, save_fast
    from ..images import load_image
    output = _output(args)
    notes = output.with_name(output.name + ".checkpoint")
    name = args.name or pathlib.Path(args.painting).stem.replace(":", "_")
    painting = load_image(args.painting, size=_at_least(16, STYLE_SIZE * args.strokes))
    photos = [load_image(photo, size=480) for photo in _photos(args.photos)]
    net = load_fast(args.weights)
    if not args.resume:
        notes.unlink(missing_ok=True)
    options = {} if args.alpha is None else {"alpha": args.alpha}
    try:
        net = learn_style(net, name, painting, photos, minutes=args.minutes, checkpoint=notes, sample=args.sample,
                          progress=not args.quiet, **options)
    except KeyboardInterrupt:
        print(f"interrupted; --resume goes on with {notes.name}" if notes.exists() else "interrupted before anything was learned",
              file=sys.stderr)
        return 130
    save_fast(net, output)
    notes.unlink(missing_ok=True)
    print(f"learned: nst-lessons fast PHOTO --weights {output} --style {name} -o OUT")


def _at_least(least, value):
    if not value >= least:
        raise ValueError(f"strokes that small leave no painting to look at; give --strokes {least / 384:.2g} or more")
    return round(value)


def _output(args):
    """Where to write; refused before minutes of learning, not after."""
    output = pathlib.Path(args.output)
    if output.suffix != ".safetensors":
        raise ValueError(f"cannot write {output.name!r}: the name must end in .safetensors")
    if not output.resolve().parent.is_dir():
        raise ValueError(f"there is no folder {str(output.parent)!r} to write {output.name} in")
    if not args.minutes > 0:
        raise ValueError(f"--minutes {args.minutes:g}: give a number over 0; 6 are usual")
    if args.alpha is not None and not args.alpha >= 0:
        raise ValueError(f"--alpha {args.alpha:g}: give a number of at least 0; 0.2 is usual")
    if "=" in (args.name or ""):
        raise ValueError(f"--name {args.name!r}: a name without =, which 'nst-lessons fast --mix' wants for itself")
    if args.sample and pathlib.Path(args.sample).suffix.lower() not in {".png", ".jpg", ".jpeg", ".webp"}:
        raise ValueError(f"cannot write {args.sample!r}: the sample's name must end in .png, .jpg or .webp")
    if args.sample and not pathlib.Path(args.sample).resolve().parent.is_dir():
        raise ValueError(f"there is no folder {str(pathlib.Path(args.sample).parent)!r} to write the sample in")
    trial = output.with_name(output.name + ".checkpoint.partial")              # the longest name that will be written
    try:
        trial.touch()
        trial.unlink()
    except OSError as error:
        raise ValueError(f"cannot write in {str(output.parent)!r} ({error.strerror}); give -o another folder or a shorter name") from None
    return output


def _photos(folder):
    """The samples, or the pictures in `folder`."""
    from ..images import ImageError
    from .fast import _READABLE
    if folder is None:
        return _PHOTOS
    if not pathlib.Path(folder).is_dir():
        raise ImageError(f"there is no folder {folder!r} with photographs")
    files = sorted(path for path in pathlib.Path(folder).iterdir() if path.suffix.lower() in _READABLE)
    if not files:
        raise ImageError(f"the folder {folder!r} has no pictures ({', '.join(sorted(_READABLE))})")
    return files
