"""`nst-lessons samples`: the pictures that need no file."""


def add(commands):
    """Describes the command to argparse."""
    parser = commands.add_parser("samples", help="list the photographs and paintings that need no file",
                                 description="Photographs that come with scikit-image, and paintings that our own code draws.")
    parser.add_argument("--save", metavar="FOLDER", help="write them all there as PNG")
    parser.add_argument("--size", type=int, default=512, help="longer side in px of what --save writes (default 512)")
    parser.set_defaults(run=run)


def run(args):
    """Prints the names; with --save writes the pictures."""
    from .. import images, samples
    found = samples()
    width = max(len(kind) for kind in found)
    for kind, names in found.items():
        print(f"{kind:<{width}}  {' '.join(names)}")
    print(f"{'seeds':<{width}}  starry:7 is another painting of the same school")
    for name in (name for names in found.values() for name in names) if args.save else ():
        images.save_image(images.load_image(name, size=args.size), f"{args.save}/{name}.png")
