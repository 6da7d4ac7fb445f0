"""`nst-lessons …`: one file per command. Each has `add(commands)`, which describes it, and `run(args)`, which does it."""
import argparse
import difflib
import os
import sys

BAD_INPUT = 2
_OPEN = {"--preserve-color": ("luminance", "match"), "--distributed": ()}     # options whose value may be left out, and their words


def main(argv=None):
    """Runs one command; returns the exit status: 0 good, 2 bad input (one line says what), 130 interrupted."""
    from . import any_style, check, export, fast, lab, learn_style, samples, stylize, sweep, video
    parser = argparse.ArgumentParser(prog="nst-lessons", description="Neural style transfer, lesson by lesson.")
    parser.add_argument("--version", action="version", version=_version())
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for command in (stylize, sweep, fast, any_style, learn_style, video, export, samples, lab, check):
        command.add(commands)
    line = sys.argv[1:] if argv is None else list(argv)
    args, left = parser.parse_known_args(_pictures_first(line))
    if left and getattr(args, "style", None) == [] and not any(word.startswith("-") for word in left):
        args.style, left = left, []                                # STYLE may be left out, and argparse then finds none behind an option
    if left:
        parser.error(f"unrecognized arguments: {' '.join(left)}")
    args.command_line = line
    try:
        return args.run(args) or 0
    except KeyboardInterrupt:
        print("nst-lessons: interrupted", file=sys.stderr)
        return 130
    except (ValueError, OSError, RuntimeError) as error:           # our errors, and the machine's, are for the user to read
        if isinstance(error, RuntimeError) and not _for_the_user(error):
            raise
        print(f"nst-lessons: {' '.join(str(error).split())}", file=sys.stderr)
        return BAD_INPUT


def _pictures_first(line):
    """The command line with an option like --preserve-color behind the rest, where a picture follows it: argparse would take that for its value."""
    before, behind = (line[:line.index("--")], line[line.index("--"):]) if "--" in line else (line, [])
    moved = [word for word, after in zip(before, before[1:]) if word in _OPEN and _is_a_picture(after, _OPEN[word])]
    return [word for word in before if word not in moved] + moved + behind


def _is_a_picture(word, values):
    """A file, a sample, or what was meant as one; not another option, nor one of the `values`, rightly spelled or nearly."""
    from ..samples import samples
    names = sum(samples().values(), [])
    if word in values or word.startswith("-"):
        return False
    if word in names or os.path.exists(word) or any(sign in word for sign in "./:\\"):
        return True
    return bool(difflib.get_close_matches(word, names)) and not difflib.get_close_matches(word, values)


def _for_the_user(error):
    """Our own errors, and torch running out of memory; any other RuntimeError is a fault of ours to be seen whole."""
    from ..optimize import OptimizationError
    from ..scale import LostProcess
    return isinstance(error, (OptimizationError, LostProcess)) or "alloc" in str(error).lower() or "out of memory" in str(error).lower()


def _version():
    from .. import __version__
    return f"nst-lessons {__version__}"
