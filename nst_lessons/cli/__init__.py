"""`nst-lessons …`: one file per command. Each has `add(commands)`, which describes it, and `run(args)`, which does it."""
import argparse
import sys

BAD_INPUT = 2


def main(argv=None):
    """Runs one command; returns the exit status: 0 good, 2 bad input (one line says what), 130 interrupted."""
    from . import check, fast, learn_style, samples, stylize, sweep
    parser = argparse.ArgumentParser(prog="nst-lessons", description="Neural style transfer, lesson by lesson.")
    parser.add_argument("--version", action="version", version=_version())
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for command in (stylize, sweep, fast, learn_style, samples, check):
        command.add(commands)
    args = parser.parse_args(argv)
    args.command_line = sys.argv[1:] if argv is None else list(argv)
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


def _for_the_user(error):
    """Our own errors, and torch running out of memory; any other RuntimeError is a fault of ours to be seen whole."""
    from ..optimize import OptimizationError
    from ..scale import LostProcess
    return isinstance(error, (OptimizationError, LostProcess)) or "alloc" in str(error).lower() or "out of memory" in str(error).lower()


def _version():
    from .. import __version__
    return f"nst-lessons {__version__}"
