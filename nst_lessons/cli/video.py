"""`nst-lessons video IN -o OUT --style STYLE`: a clip, painted without flicker. A killed run goes on at the last finished frame."""
import argparse
import contextlib
import dataclasses
import os
import pathlib
import sys

from .stylize import _settings, _told, add_settings

_SIZE = 256              # px
_LATER = 0.5             # of the evaluations: frames after the first begin from a picture that is nearly finished
_ONE_PASS = {"size", "style", "style_weights", "preserve_color"}             # the settings that mean something to a trained network


def add(commands):
    """Describes the command to argparse."""
    p = commands.add_parser("video", help="paint a clip, steady from frame to frame",
                            description="Paint IN, a film, an animated GIF or a folder of pictures, in the style of STYLE. Frame rate, "
                                        "length and sound stay as they are.")
    p.add_argument("source", metavar="IN", help="a film, an animated GIF, or a folder of pictures")
    p.add_argument("--style", metavar="STYLE", nargs="+", required=True, help="painting: a file or a sample's name; several are mixed")
    p.add_argument("-o", "--output", metavar="OUT", required=True, help="film to write (.mp4, .mov, .mkv), a .gif, or a folder for PNG files")
    p.add_argument("--temporal", type=_weight, metavar="W", help="weight of the temporal term (default 100): 0 lets each frame be painted by itself")
    p.add_argument("--flow", choices=["dis", "raft"], help="how motion is found: dis (default) needs no weights, raft torchvision's")
    p.add_argument("--one-pass", action="store_true", help="with a trained network: many frames a second, in the styles that it knows")
    p.add_argument("--network", metavar="FILE", help="another network for --one-pass, e.g. what learn-style or training/train_steady.py wrote")
    p.add_argument("--rate", type=float, help="frames a second of a folder of pictures (default 25)")
    add_settings(p, _SIZE)
    p.add_argument("--resume", action="store_true", help="go on after the last finished frame of an interrupted run of the same command")
    p.add_argument("--quiet", action="store_true", help="no progress bar")
    p.set_defaults(run=run)


def _weight(text):
    try:
        weight = float(text)
    except ValueError:
        weight = -1
    if not 0 <= weight < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no weight; give a number of at least 0")
    return weight


def run(args):
    """Paints frame after frame into OUT.frames, with a progress bar, then writes OUT and removes them."""
    from ..video import clear, film, finished, open_clip, write
    output, settings = pathlib.Path(args.output).expanduser(), _settings(args, _SIZE)
    if args.rate is not None and not 0.1 <= args.rate <= 1000:
        raise ValueError(f"--rate {args.rate:g}: give 0.1 to 1000 frames a second")
    clip = open_clip(args.source, settings.size, args.rate)
    _check_output(output, clip, settings)
    paint, made_by = (_network if args.one_pass else _optimizer)(args, settings, next(iter(clip)).image)
    folder = output.with_name(output.name + ".frames")
    if not args.resume:
        clear(folder)
    elif not folder.is_dir():
        print(f"nothing to resume ({folder.name} is not there): starting anew", file=sys.stderr)
    source = {"clip": str(clip.path), "bytes": clip.path.stat().st_size if clip.path.is_file() else clip.count}
    done = finished(folder)
    try:
        with _bar(clip.count, done, args.quiet) as bar, contextlib.closing(_told(film(clip, paint, folder, source | made_by), 0)) as frames:
            for number, _ in enumerate(frames):
                bar.update(number >= done)
        write(clip, folder, output, _touch(settings))
    except KeyboardInterrupt:
        print(f"interrupted; {finished(folder)} of {clip.count} frames are in {folder}, and --resume goes on", file=sys.stderr)
        return 130
    except Exception:
        if not finished(folder):                                            # nothing to go on from
            clear(folder)
        raise
    clear(folder)


def _bar(total, done, quiet):
    """Frames, how fast they come, and the time left."""
    from tqdm.auto import tqdm
    return tqdm(total=max(total, done), initial=done, unit="frame", disable=quiet, dynamic_ncols=True, file=sys.stderr)


def _touch(settings):
    """What is done to finished frames only: the photograph's colors and what is untouched come back; the next frame never sees it."""
    from ..stylize import finish
    return lambda picture, photo: finish(picture, photo, settings)


def _optimizer(args, settings, first_frame):
    """(paint, what made the frames): lesson 05's loop with lesson 11's term. Masks, layers or flow that cannot be had are told before it begins."""
    from ..features import Features
    from ..images import load_image
    from ..selfsup import ready
    from ..stylize import paint, regions, style_side
    from ..video import TEMPORAL_WEIGHT, Followed, flow
    if args.network:
        raise ValueError("--network is for --one-pass; the optimizer's network is --backbone")
    weight, method = TEMPORAL_WEIGHT if args.temporal is None else args.temporal, args.flow or "dis"
    names = settings.style if isinstance(settings.style, list) else [settings.style]
    styles = [load_image(name, size=style_side(settings.size, settings)) for name in names]
    regions(first_frame, first_frame.shape[2:], settings)
    if weight:
        flow(first_frame, first_frame, method)                              # tells now, not after the first frame, what it lacks
    features = Features(settings.backbone, settings.weights, settings.pooling, smooth=settings.smooth)
    features.check_layers([*(settings.content_layers or ()), *(settings.style_layers or ())])
    features = ready(features, [first_frame, *styles])                      # one dictionary for all frames
    first = dataclasses.replace(settings, size=None)                        # frames have their size already
    later = dataclasses.replace(first, steps=max(1, round(first.steps * _LATER)))

    def painted(photo, settings, **more):
        for progress in paint(photo, styles, settings, features, **more):
            pass
        return progress.image.detach().clamp(0, 1).cpu()
    by_itself = lambda photo: painted(photo, first)
    made_by = {"settings": settings.to_json(), "temporal": weight, "flow": method}
    if not weight:
        return (lambda photo, before=None, picture=None: by_itself(photo)), made_by
    return Followed(by_itself, lambda photo, start, term: painted(photo, later, onto=start, extra=(term,)), weight, method), made_by


def _network(args, settings, first_frame):
    """(paint, what made the frames): lesson 08's network, which needs no flow. What only the optimizer understands is refused."""
    from ..settings import Settings
    from ..video import one_pass
    from ..video.steady import load_steady
    plain = Settings()
    strange = ["--mask" if name == "masks" else f"--{name.replace('_', '-')}"
               for name in settings.keys() if settings[name] != plain[name] and name not in _ONE_PASS]
    strange += [f"--{name}" for name in ("temporal", "flow") if getattr(args, name) is not None]
    if strange or settings.preserve_color == "match":
        raise ValueError(f"{', '.join(strange) or '--preserve-color match'} is for the optimizer; leave it out, or leave --one-pass out")
    net = load_steady(args.network)
    names = settings.style if isinstance(settings.style, list) else [settings.style]
    shares = settings.style_weights or [1 / len(names)] * len(names)
    if len(shares) != len(names):
        raise ValueError(f"{len(names)} styles want as many --style-weights, got {len(shares)}")
    mix = dict(zip(names, shares))
    return one_pass(net, mix), {"network": str(args.network), "style": mix, "size": settings.size}


def _check_output(output, clip, settings):
    """Refuses what could not be written, or would be painted over, before the first frame."""
    from ..video.files import FILMS, VideoError
    kinds = (*FILMS, ".gif")
    if not output.resolve().parent.is_dir():
        raise VideoError(f"there is no folder {str(output.parent)!r} to write {output.name} in")
    if output.exists() and any(os.path.exists(one) and os.path.samefile(one, output) for one in (clip.path, *_files(settings.style))):
        raise VideoError(f"{str(output)!r} is what is painted from; give -o another name")
    if output.suffix and output.suffix.lower() not in kinds and not output.is_dir():
        raise VideoError(f"cannot write {output.name!r}: the name must end in {', '.join(kinds)}, or have no ending, for a folder")
    if output.suffix.lower() in kinds and output.is_dir() or not output.suffix and output.is_file():
        raise VideoError(f"{str(output)!r} is there and is {'a folder' if output.is_dir() else 'a file'}; give -o another name")
    if not os.access(output.resolve().parent, os.W_OK):
        raise VideoError(f"cannot write in {str(output.parent)!r}; give -o another folder")


def _files(style):
    return style if isinstance(style, list) else [style]
