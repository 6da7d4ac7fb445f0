"""`nst-lessons export MODEL --format onnx|executorch -o OUT`: a network that paints in one pass, as a file for phones; tried before it is kept."""
import os
import pathlib
import tempfile

_CALIBRATION = ("astronaut", "cat", "coffee")                                # samples that --int8 looks at, 160 px each


def add(commands):
    """Describes the command to argparse."""
    p = commands.add_parser("export", help="write a one-pass network as a file for phones",
                            description="Write MODEL as an ONNX or ExecuTorch file with free height and width (multiples of 4 px), run it in "
                                        "a process of its own, and compare it with the network. Its inputs: photo [1, 3, H, W] from 0 to "
                                        "1, and weights [1, styles].")
    p.add_argument("model", metavar="MODEL", help="mobile (59 thousand numbers), fast (lesson 08's), steady (lesson 11's), or a file, e.g. what "
                                                    "learn-style wrote")
    p.add_argument("--format", choices=["onnx", "executorch"], default="onnx", help="onnx (default), or executorch with XNNPACK")
    p.add_argument("-o", "--output", metavar="OUT", help="file to write (default: MODEL.onnx or MODEL.pte here)")
    p.add_argument("--int8", action="store_true", help="whole numbers of 8 bits in the convolutions (ONNX): smaller, and less exact")
    p.add_argument("--largest", type=int, default=512, metavar="PX", help="longest side that an ExecuTorch file reserves memory for (default 512)")
    p.set_defaults(run=run)


def run(args):
    """Exports, tries the file in a fresh process, and keeps it only if it paints what the network paints."""
    from ..mobile import load_painter
    from ..mobile.export import FORMATS, TOLERANCE, ExportError, compare, export
    output = pathlib.Path(args.output or pathlib.Path(args.model).stem + FORMATS[args.format]).expanduser()
    _check(args, output, FORMATS[args.format])
    net = load_painter(os.path.expanduser(args.model), "cpu")
    with tempfile.TemporaryDirectory(dir=output.resolve().parent, prefix=".export-") as folder:
        made = export(net, pathlib.Path(folder, output.name), args.format, args.largest)
        far = compare(net, made)
        if max(far.values()) > TOLERANCE[args.format]:
            raise ExportError(f"the exported file paints something else: {_told(far)}; at most {TOLERANCE[args.format]:g} was expected. "
                              "It was not kept")
        if args.int8:
            made = _whole_numbers(net, made)
            far = compare(net, made)
        os.replace(made, output)
    print(f"{output}: {output.stat().st_size / 1000:.0f} kB, weights for {len(net.styles)} styles: {', '.join(net.styles)}")
    print(f"run in a process of its own, largest difference from torch {_told(far)}"
          + (" (int8 is not exact)" if args.int8 else f" (at most {TOLERANCE[args.format]:g})"))


def _check(args, output, ending):
    """Refuses what could not be written, or not with these options, before the long work."""
    from ..mobile.export import STEP, ExportError, available
    from ..mobile.shipped import PAINTERS
    if args.model not in PAINTERS and not pathlib.Path(args.model).expanduser().is_file():
        raise ExportError(f"there is no network {args.model!r}; give {', '.join(PAINTERS)}, or a file that training or learn-style wrote")
    if output.suffix.lower() != ending:
        raise ExportError(f"cannot write {output.name!r}: for --format {args.format} the name must end in {ending}")
    if not output.resolve().parent.is_dir():
        raise ExportError(f"there is no folder {str(output.parent)!r} to write {output.name} in")
    if args.int8 and args.format != "onnx":
        raise ExportError("--int8 is for --format onnx")
    if args.largest % STEP or not 32 <= args.largest <= 4096:
        raise ExportError(f"--largest {args.largest}: give a multiple of {STEP} from 32 to 4096")
    available(args.format)


def _whole_numbers(net, path):
    from ..images import load_image
    from ..mobile.quantize import quantize_onnx
    return quantize_onnx(path, path.with_stem(path.stem + "-int8"), [load_image(name, size=160) for name in _CALIBRATION], net.styles)


def _told(differences):
    """"7e-07 at 96×128 px, …" """
    return ", ".join(f"{value:.1g} at {height}×{width} px" for (height, width), value in differences.items())
