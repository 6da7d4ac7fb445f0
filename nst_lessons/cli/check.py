"""`nst-lessons check`: is this machine ready? It paints a thumbnail to prove it."""
import os
import platform
import sys
import time


def add(commands):
    """Describes the command to argparse."""
    parser = commands.add_parser("check", help="is this machine ready? paints a thumbnail to prove it")
    parser.add_argument("-o", "--output", metavar="OUT", help="keep the thumbnail")
    parser.set_defaults(run=run)


def run(args):
    """Prints what the machine has, paints, and says how long; exit status 1 when it came no nearer to the style."""
    import torch

    from .. import Features, __version__, load_image, save_image, style_error, stylize
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f"{os.cpu_count()} CPU cores, no GPU (none is needed)"
    print(f"nst_lessons {__version__} · Python {platform.python_version()} · torch {torch.__version__} · {device}")
    photo, style = load_image("astronaut", size=128), load_image("starry", size=128)
    began = time.perf_counter()
    picture = stylize(photo, style, steps=60)
    seconds = time.perf_counter() - began
    features = Features("tiny")
    before, after = style_error(photo, style, features), style_error(picture, style, features)
    print(f"painted a thumbnail in {seconds:.1f} s: style error {before:.3f} → {after:.3f}")
    if args.output:
        save_image(picture, args.output)
    if not after < before / 3:
        print("the thumbnail did not come out: please report this line and the one above", file=sys.stderr)
        return 1
    print("this machine is ready")
