"""`nst-lessons stylize CONTENT STYLE -o OUT`: a photograph, painted. Ctrl-C keeps what was painted; --resume goes on."""
import argparse
import contextlib
import os
import pathlib
import sys
import time
import warnings

_SIZE = 512              # px
_SAVE_EVERY = 5          # s between checkpoints: a kill loses at most that, or one evaluation


def add(commands):
    """Describes the command to argparse."""
    p = commands.add_parser("stylize", help="paint a photograph in the style of a painting",
                            description="Paint CONTENT in the style of STYLE: files, or names from 'nst-lessons samples'.")
    p.add_argument("content", metavar="CONTENT", help="photograph: a file or a sample's name")
    p.add_argument("style", metavar="STYLE", nargs="*", help="painting: a file or a sample's name; several are mixed")
    p.add_argument("--words", metavar="TEXT", help="in place of STYLE a description, English or Chinese: 'thick blue and yellow strokes', 梵高风格")
    p.add_argument("--clip", metavar="MODEL|FILE", help="who understands the words: a model of open_clip (ViT-B-32), a file of its weights, or auto "
                                                        "(where weights are on disk); without this our own encoder, offline")
    p.add_argument("-o", "--output", metavar="OUT", required=True, help="picture to write: .png, .jpg or .webp")
    add_settings(p)
    p.add_argument("--resume", action="store_true", help="go on where an interrupted run of the same command stopped")
    p.add_argument("--distributed", nargs="?", type=int, const=0, metavar="N",
                   help="share the work among N processes (without N: one for each GPU, or two); under torchrun, among those it started")
    p.add_argument("--quiet", action="store_true", help="no progress bar")
    p.set_defaults(run=run)


def add_settings(p, size=_SIZE):
    """The options that say how to paint, one for each of Settings' fields but the pictures."""
    p.add_argument("--size", type=int, help=f"longer side in px (default {size})")
    p.add_argument("--alpha", type=float, help="weight of content (default 0.03): more keeps the photograph")
    p.add_argument("--beta", type=float, help="weight of style (default 1)")
    p.add_argument("--gamma", type=float, help="weight of total variation (default 0.15): more is smoother")
    p.add_argument("--steps", type=int, help="evaluations of the objective in all (default 200)")
    p.add_argument("--style-scale", type=float, help="size of the strokes (default 1)")
    p.add_argument("--preserve-color", nargs="?", const=True, choices=["luminance", "match"],
                   help="keep the photograph's colors: put back at the end (luminance, also without a word), or given to the "
                        "painting first (match)")
    p.add_argument("--mask", dest="masks", action="append", metavar="FILE|RECIPE",
                   help="paint only there: a picture (white is painted), background, subject, rectangle:0.1,0.2,0.9,0.8, cluster:1/3, … "
                        "(nst_lessons.regions.masks has them all); given once for each style, every style gets a region of its own")
    p.add_argument("--untouched", action="store_const", const=True,
                   help="outside of the masks keep the photograph to the pixel, at its own size")
    p.add_argument("--feather", type=float, help="how softly the painted part begins with --untouched, as a share of the longer side (default 0.01)")
    p.add_argument("--style-weights", type=_numbers, metavar="W,W", help="how several styles are mixed, e.g. 0.7,0.3")
    p.add_argument("--backbone", help="network (default tiny); others: vgg19, vgg16, resnet50, squeezenet1_1, "
                                      "mobilenet_v3_small, random, patches (learned from the two pictures), selfsup (no labels)")
    p.add_argument("--weights", metavar="FILE", help="the network's weights: .pth, .safetensors, or 'random'")
    p.add_argument("--pooling", choices=["max", "avg"], help="pooling of the network (default max)")
    p.add_argument("--smooth", action="store_const", const=True,
                   help="the network's activations through a softmax, meant for resnet50; with it a smaller --gamma, 0.005 say")
    p.add_argument("--content-layers", type=_layers, metavar="L,L", help="e.g. relu4_2, or with weights relu4_2=1,relu3_2=0.5")
    p.add_argument("--style-layers", type=_layers, metavar="L,L", help="e.g. relu1_1,relu2_1")
    p.add_argument("--statistic", choices=["gram", "mean_std", "covariance", "sliced", "patches"],
                   help="what style is measured by (default gram)")
    p.add_argument("--scaling", choices=["relative", "gatys", "article"], help="how the losses are scaled (default relative)")
    p.add_argument("--method", choices=["lbfgs", "adam"], help="optimizer (default lbfgs)")
    p.add_argument("--levels", type=int, help="sizes from coarse to fine; 1 paints at full size only")
    p.add_argument("--init", help="content (default), noise, style, or a picture to start from")
    p.add_argument("--seed", type=int, help="seed of --init noise (default 0)")
    p.add_argument("--precision", choices=["fp32", "bf16", "fp16"],
                   help="of the network (default fp32): 16 bits are faster where the hardware knows them")
    p.add_argument("--tile", type=int, metavar="PX", help="paint in tiles of about so many px, for pictures larger than memory; "
                                                          "without this, only where memory wants it")


def _layers(text):
    """"a,b" → ["a", "b"]; "a=1,b=0.5" → {"a": 1.0, "b": 0.5}."""
    try:
        pairs = [part.strip().split("=") for part in text.split(",")]
        layers = {name: float(value) for name, value in pairs} if "=" in text else [name for name, in pairs]
    except ValueError:
        layers = [""]
    if "" in layers:
        raise argparse.ArgumentTypeError(f"{text!r} is no list of layers; write a,b or, with a weight for each, a=1,b=0.5")
    return layers


def _numbers(text):
    """"0.7,0.3" → [0.7, 0.3]."""
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no list of numbers; write 0.7,0.3") from None


def run(args):
    """Paints, with a progress bar and checkpoints beside OUT, and writes OUT with its settings inside."""
    from ..scale import processes
    if args.distributed is None:
        return _paint(args)
    if not processes.started():
        return _launch(args)
    with processes.joined() as group:
        return _paint(args, group)


def _paint(args, group=None):
    """Alone, or as one of a group of processes: all of them paint the same, and the first shows and writes it."""
    from ..checkpoint import save_checkpoint
    from ..images import save_image
    from ..scale import processes
    from ..stylize import finish, paint
    output, settings, rank = pathlib.Path(args.output), _settings(args), processes.rank(group)
    if rank == 0:
        _check_output(output, settings)
    photo, styles = _pictures(settings, told=rank == 0 and not args.quiet)
    photo = settings.content if settings.masks else photo                  # masks look at the whole file, and what is untouched is its own size
    notes = output.with_name(output.name + ".checkpoint")
    state = _resumed(notes, settings, args.resume)
    processes.agree(state["done"] + state["step"]["evaluations"] if state else -1, "the checkpoint that they go on from", group)
    here, bar, saved = None, None, time.monotonic()
    try:
        for last in _told(paint(photo, styles, settings, state=state, group=group), rank):
            here = {"settings": settings.to_json(), "state": last.state()}         # now, as Ctrl-C may come amid the next step
            bar = _shown(last, bar or _bar(last.steps, args.quiet or rank > 0))    # not before: bad input gets one line
            if rank == 0 and time.monotonic() - saved > _SAVE_EVERY:
                save_checkpoint(here, notes)
                saved = time.monotonic()
        bar.update(bar.total - bar.n)
    except (KeyboardInterrupt, processes.LostProcess) as error:
        if here is None:
            raise
        _save_by(rank, here, notes)
        if isinstance(error, processes.LostProcess):
            bar.close()
            raise processes.LostProcess(f"{error}; what was painted is in {notes}, and --resume goes on") from None
        if rank == 0:
            save_image(finish(last.image, photo, settings), output, settings)
            bar.close()
            print(f"interrupted; what was painted is in {output}, and --resume goes on", file=sys.stderr)
        return 130
    finally:
        if bar is not None:
            bar.close()
    if rank == 0:
        save_image(finish(last.image, photo, settings), output, settings)
        notes.unlink(missing_ok=True)


def _told(steps, rank):
    """The steps of a painting; what it warns of (a region too small for a layer) becomes one line above the bar, in the first process."""
    from tqdm.auto import tqdm
    with contextlib.closing(steps), warnings.catch_warnings():
        warnings.showwarning = lambda message, *_, **__: rank or tqdm.write(f"nst-lessons: {message}", file=sys.stderr)
        yield from steps


def _save_by(rank, here, notes):
    """The checkpoint, by the first two processes, since one of them may be the one that is lost; neither disturbs the other."""
    from ..checkpoint import save_checkpoint
    if rank < 2:
        own = notes.with_name(f"{notes.name}.{rank}")
        save_checkpoint(here, own)
        os.replace(own, notes)


def _launch(args):
    """Starts the processes, once it is clear that they have something to paint, and says in one line what went wrong."""
    from ..scale import processes
    output, settings = pathlib.Path(args.output), _settings(args)
    _check_output(output, settings)
    _pictures(settings)
    status, what = processes.launch(processes.usual(args.distributed), args.command_line)
    notes = output.with_name(output.name + ".checkpoint")
    if what:
        there = f"what was painted is in {notes}, and --resume goes on" if notes.exists() else "nothing had been painted yet"
        print(f"nst-lessons: {what}; {there}", file=sys.stderr)
    return status


def _settings(args, size=_SIZE):
    """Only what was said on the command line; the rest are Settings' own defaults."""
    from ..settings import Settings
    said = {name: value for name, value in vars(args).items() if value is not None and name in Settings.__dataclass_fields__}
    style = args.style[0] if len(args.style) == 1 else args.style or None
    if (style is None) == (getattr(args, "words", None) is None):
        raise ValueError("give one of both: a painting (STYLE), or a description (--words 'thick blue and yellow strokes')")
    settings = Settings.of(**{"size": size} | said | {"style": style})
    if "feather" in said and not settings.untouched and "untouched" not in dict(getattr(args, "grid", ())):
        raise ValueError("--feather says how softly the painted part begins where the rest stays untouched: add --untouched, or leave it out")
    return settings


def _check_output(output, settings):
    """Refuses what could not be written, or should not be overwritten, before an hour of painting."""
    from ..images import WRITABLE, ImageError
    if output.suffix.lower().lstrip(".") not in WRITABLE:
        raise ImageError(f"cannot write {output.name!r}: the name must end in .{', .'.join(WRITABLE)}")
    if not output.resolve().parent.is_dir():
        raise ImageError(f"there is no folder {str(output.parent)!r} to write {output.name} in")
    if output.is_dir():
        raise ImageError(f"{str(output)!r} is a folder; give -o the name of a picture in it")
    for source in (settings.content, *_styles(settings), settings.init, *(one.removeprefix("not ") for one in settings.masks or [])):
        if output.exists() and os.path.exists(source) and os.path.samefile(source, output):
            raise ImageError(f"{str(output)!r} is one of the pictures to paint from; give -o another name")
    trial = output.with_name(output.name + ".checkpoint.partial")          # the longest name that we shall write
    try:
        trial.touch()
        trial.unlink()
    except OSError as error:
        raise ImageError(f"cannot write in {str(output.parent)!r} ({error.strerror}); "
                         "give -o another folder or a shorter name") from None


def _pictures(settings, told=False):
    """Loads everything first: a bad file is told before the painting starts. `told`: say who understood the words, and how."""
    from ..images import load_image
    from ..stylize import regions, style_side, styles_of
    size, photo = style_side(settings.size, settings), load_image(settings.content, size=settings.size)
    regions(settings.content, photo.shape[2:], settings)
    if settings.words is not None:
        target, = styles_of(None, settings)
        if told:
            print(f"nst-lessons: {target.told()}", file=sys.stderr)
        return photo, None
    return photo, [load_image(one, size=size) for one in _styles(settings)]


def _styles(settings):
    return settings.style if isinstance(settings.style, list) else [settings.style] * (settings.style is not None)


def _resumed(notes, settings, wanted):
    """The state to go on from, or None to begin. Other settings than those of the checkpoint are refused by name."""
    from ..checkpoint import CheckpointError, load_checkpoint
    if not wanted:
        return None
    if not notes.is_file():
        print(f"nothing to resume ({notes.name} is not there): starting anew", file=sys.stderr)
        return None
    tree = load_checkpoint(notes)
    if not isinstance(tree, dict) or not {"settings", "state"} <= tree.keys():
        raise CheckpointError(f"{notes.name} is not a checkpoint of this command; delete it and start again")
    before = settings.from_json(tree["settings"])
    changed = [name for name in settings.keys() if before[name] != settings[name]]
    if changed:
        raise CheckpointError(f"{notes.name} was made with other settings ({', '.join(changed)}): "
                              "use those again, or leave --resume out")
    return tree["state"]


def _bar(total, quiet):
    from tqdm.auto import tqdm
    return tqdm(total=total, unit="eval", disable=quiet, dynamic_ncols=True, file=sys.stderr)


def _shown(progress, bar):
    """The bar, moved to where the painting stands, with its size and losses."""
    losses = {name: f"{value:.3g}" for name, value in progress.terms.floats().items() if name != "range"}
    bar.set_description_str(f"{max(progress.image.shape[2:])} px", refresh=False)
    bar.set_postfix(losses, refresh=False)
    bar.update(progress.evaluations - bar.n)
    return bar
