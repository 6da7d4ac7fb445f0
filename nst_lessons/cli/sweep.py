"""`nst-lessons sweep CONTENT STYLE --grid alpha=0.03,0.1 -o SHEET`: one picture for each combination, on a sheet, and a table."""
import argparse
import importlib.util
import json
import pathlib
import sys

from .stylize import _check_output, _pictures, _settings, add_settings

_SIZE = 256                                                    # px, as many small pictures say more than a few large ones


def add(commands):
    """Describes the command to argparse."""
    p = commands.add_parser("sweep", help="paint one picture for each combination of settings: a contact sheet and a table",
                            description="Paint CONTENT in the style of STYLE with every combination of the grid's values.")
    p.add_argument("content", metavar="CONTENT", help="photograph: a file or a sample's name")
    p.add_argument("style", metavar="STYLE", nargs="+", help="painting: a file or a sample's name; several are mixed")
    p.add_argument("--grid", metavar="NAME=V,V", type=_axis, action="append", required=True,
                   help="a setting and its values, e.g. alpha=0.03,0.1 or style=starry,waves; lists with +: "
                        "style_layers=relu1_1,relu1_1+relu2_1. Give it once for each setting that varies; the last makes the columns")
    p.add_argument("-o", "--output", metavar="SHEET", required=True, help="contact sheet to write: .png, .jpg or .webp")
    p.add_argument("--folder", help="where each cell is kept, and found by the next run (default: SHEET's name and -cells)")
    p.add_argument("--processes", type=int, help="so many cells are painted side by side (default: as many as there are cores, "
                                                 "if cells take long enough)")
    add_settings(p, size=_SIZE)
    p.add_argument("--quiet", action="store_true", help="no progress bar")
    p.set_defaults(run=run)


def _axis(text):
    """"alpha=0.03,0.1" → ("alpha", {"alpha 0.03": 0.03, "alpha 0.1": 0.1})."""
    name, _, values = text.partition("=")
    name, words = name.strip().replace("-", "_"), [word.strip() for word in values.split(",")]
    if not name or "" in words:
        raise argparse.ArgumentTypeError(f"{text!r} is no axis of a grid; write alpha=0.03,0.1")
    if len(set(words)) < len(words):
        raise argparse.ArgumentTypeError(f"{text!r} has a value twice")
    return name, dict(_labeled(name, word) for word in words)


def _labeled(name, word):
    """(label, value) of one value: a number, true, false, null, a text, or a list joined by +."""
    if name.endswith("_layers") or "+" in word:
        return word, word.split("+")
    try:
        return f"{name.replace('_', ' ')} {word}", json.loads(word)
    except ValueError:
        return word, word


def run(args):
    """Paints what is not in the folder yet, prints the table, writes the sheet."""
    if importlib.util.find_spec("matplotlib") is None:
        raise ValueError('a contact sheet needs matplotlib: pip install "nst_lessons[lab]"')
    from ..sweep import sweep
    output, settings = pathlib.Path(args.output), _settings(args, _SIZE)
    _check_output(output, settings)
    if not {"content", "style"} & dict(args.grid).keys():
        _pictures(settings)                                    # one that cannot be read is told by its own name, before the bar begins
    folder = pathlib.Path(args.folder or output.with_name(f"{output.stem}-cells"))
    options = {name: settings[name] for name in settings.keys() if name not in ("content", "style")}
    try:
        result = sweep(settings.content, settings.style, dict(args.grid), folder, args.processes, not args.quiet, **options)
    except KeyboardInterrupt:
        done = len(list(folder.glob("*.json"))) if folder.is_dir() else 0
        print(f"interrupted; {done} cells are in {folder}, and the same command goes on", file=sys.stderr)
        return 130
    print(result)
    result.save(output)
