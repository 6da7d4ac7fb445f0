"""The command line: in this process where that says as much, and as a real one that is interrupted and killed."""
import argparse
import importlib.metadata
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import nst_lessons as nst
from nst_lessons import Settings, cli, features, images, load_image, stylize
from nst_lessons.checkpoint import save_checkpoint
from nst_lessons.cli import stylize as painter

ROOT = Path(__file__).resolve().parents[1]
PAINT = ["stylize", "photo.png", "style.png", "-o", "out.png"]
QUICK = ["--size", "32", "--steps", "6", "--backbone", "random"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A folder with a photograph and a painting in it; one thread, since pictures are compared bit by bit."""
    monkeypatch.chdir(tmp_path)
    y, x = np.mgrid[0:40, 0:50]
    picture = np.stack([x * 5, y * 6, 255 - x * 3], axis=-1).astype(np.uint8)
    Image.fromarray(picture).save("photo.png")
    Image.fromarray(np.where(((x + y) // 4 % 2)[..., None], picture[::-1], 30).astype(np.uint8)).save("style.png")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield tmp_path
    torch.set_num_threads(before)


def listing():
    """Everything in the folder, with its contents."""
    return {str(path): path.is_file() and path.read_bytes() for path in sorted(Path().rglob("*"))}


def pixels(path):
    return np.asarray(Image.open(path))


def run(*arguments):
    return cli.main([str(argument) for argument in arguments])


# --- painting ---------------------------------------------------------------------------------------------------------

def test_a_picture_is_painted_and_nothing_else_is_left(capsys):
    before = listing()
    assert run(*PAINT, *QUICK) == 0
    assert listing().keys() == before.keys() | {"out.png"}
    out, err = capsys.readouterr()
    assert out == "" and pixels("out.png").shape == (26, 32, 3)
    expected = stylize("photo.png", "style.png", size=32, steps=6, backbone="random")
    assert (pixels("out.png") == np.asarray(images.to_pil(expected))).all()
    assert not (pixels("out.png") == np.asarray(images.to_pil(load_image("photo.png", size=32)))).all()


def test_the_bar_shows_the_losses_on_stderr(capsys):
    run(*PAINT, *QUICK)
    out, err = capsys.readouterr()
    assert out == "" and "32 px" in err and "6/6" in err
    assert all(re.search(rf"\b{name}=\d", err) for name in ("total", "content", "style", "tv"))
    run(*PAINT, "--quiet", *QUICK)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("suffix", ["png", "jpg", "jpeg", "webp", "PNG"])
def test_the_settings_in_the_picture_make_it_again(suffix):
    out = f"out.{suffix}"
    assert run("stylize", "photo.png", "style.png", "-o", out, *QUICK, "--alpha", "0.3", "--init", "noise", "--seed", "5",
               "--method", "adam", "--style-layers", "relu1_1=2,relu2_1=0.5", "--content-layers", "relu3_1",
               "--preserve-color") == 0
    settings = Settings.of(**nst.images.read_settings(out))
    assert settings == Settings(
        content="photo.png", style="style.png", size=32, steps=6, backbone="random", alpha=0.3, init="noise", seed=5,
        method="adam", style_layers={"relu1_1": 2.0, "relu2_1": 0.5}, content_layers=["relu3_1"], preserve_color=True)
    again = images.save_image(stylize(settings.content, settings.style, **settings), f"again.{suffix}", settings)
    assert Path(again).read_bytes() == Path(out).read_bytes()


@pytest.mark.parametrize("words, kept", [
    (["stylize", "--preserve-color", "photo.png", "style.png"], True), (["stylize", "photo.png", "--preserve-color", "style.png"], True),
    (["stylize", "--preserve-color", "match", "photo.png", "style.png"], "match"),
    (["stylize", "photo.png", "style.png", "--preserve-color"], True), (["stylize", "photo.png", "style.png", "--preserve-color=match"], "match"),
    (["stylize", "--preserve-color", "cat", "starry:3"], True)], ids=lambda value: " ".join(value) if isinstance(value, list) else str(value))
def test_an_option_that_needs_no_value_leaves_the_pictures_alone(words, kept):
    assert run(*words, "-o", "out.png", *QUICK, "--quiet") == 0
    settings = nst.images.read_settings("out.png")
    assert settings["preserve_color"] == kept
    assert [settings["content"], settings["style"]] == [word for word in words[1:] if word[:2] != "--" and word != "match"]


@pytest.mark.parametrize("line", [
    ["--size", "32", "photo.png", "style.png"], ["photo.png", "--size", "32", "style.png"], ["photo.png", "--size", "32", "style.png", "photo.png"],
])
def test_style_may_stand_behind_an_option(line):
    assert run("stylize", *line, "-o", "out.png", *QUICK[2:], "--quiet") == 0
    style = images.read_settings("out.png")["style"]
    assert style == ("style.png" if line[-1] == "style.png" else ["style.png", "photo.png"])


def test_what_is_nobodys_argument_is_refused(capsys):
    for line in (["photo.png", "style.png", "--size", "32", "more.png"], ["photo.png", "--size", "32", "--nonsense"]):
        with pytest.raises(SystemExit) as left:
            run("stylize", *line, "-o", "out.png")
        assert left.value.code == 2 and f"unrecognized arguments: {line[-1]}" in capsys.readouterr().err


@pytest.mark.parametrize("words, told", [
    (["--preserve-color", "mach", "photo.png", "style.png"], "invalid choice: 'mach'"),
    (["photo.png", "style.png", "--preserve-color", "yes"], "invalid choice: 'yes'"),
    (["--distributed", "x2", "photo.png", "style.png"], "invalid int value: 'x2'")], ids=lambda value: " ".join(value) if isinstance(value, list) else value)
def test_a_misspelled_value_is_told_as_such(words, told, capsys):
    with pytest.raises(SystemExit) as left:
        run("stylize", *words, "-o", "out.png", *QUICK)
    assert left.value.code == 2 and told in capsys.readouterr().err


def test_a_misspelled_picture_behind_such_an_option_is_told_as_a_picture(capsys):
    assert run("stylize", "--preserve-color", "astronuat", "style.png", "-o", "out.png", *QUICK) == 2
    assert "did you mean 'astronaut'?" in capsys.readouterr().err
    assert run("stylize", "--distributed", "nowhere.png", "style.png", "-o", "out.png", *QUICK) == 2
    assert "no file 'nowhere.png'" in capsys.readouterr().err


def test_several_styles_are_mixed():
    assert run("stylize", "photo.png", "style.png", "photo.png", "-o", "out.png", "--style-weights", "0.7,0.3", *QUICK) == 0
    settings = nst.images.read_settings("out.png")
    assert settings["style"] == ["style.png", "photo.png"] and settings["style_weights"] == [0.7, 0.3]


def test_every_setting_has_its_option():
    parser = argparse.ArgumentParser()
    painter.add(parser.add_subparsers())
    said = vars(parser.parse_args(["stylize", "a", "b", "-o", "c.png"]))
    assert Settings.__dataclass_fields__.keys() <= said.keys()


def test_the_help_tells_the_real_defaults():
    commands = argparse.ArgumentParser().add_subparsers()
    painter.add(commands)
    objective = nst.Objective(features.Features("random"), load_image("photo.png"), load_image("style.png"))
    real = vars(Settings()) | {name: getattr(objective, name) for name in ("alpha", "beta", "gamma")} | {"size": 512}
    told = 0
    for action in commands.choices["stylize"]._actions:
        said = re.search(r"(\w+) \(default\)|\(default ([\w.]+)", action.help or "")
        if said:
            told, default = told + 1, real[action.dest]
            assert (said[1] or said[2]) == (f"{default:g}" if isinstance(default, float) else str(default)), action.help
    assert told > 10


def test_a_picture_that_was_there_is_replaced_only_by_a_whole_one(monkeypatch):
    run(*PAINT, *QUICK)
    before = Path("out.png").read_bytes()
    monkeypatch.setattr(images.os, "replace", lambda *names: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    assert run(*PAINT, *QUICK, "--seed", "4", "--init", "noise") == 2
    assert Path("out.png").read_bytes() == before


# --- bad input --------------------------------------------------------------------------------------------------------

def fails(capsys, arguments, *words):
    """The command says one line with these words, ends with status 2, and touches nothing."""
    before = listing()
    status = run(*arguments)
    out, err = capsys.readouterr()
    assert status == 2 and out == "" and listing() == before
    assert err.startswith("nst-lessons: ") and err.endswith("\n") and err.count("\n") == 1 and "Traceback" not in err
    assert [word for word in words if word not in err] == [], err


OUT = ["-o", "out.png"]
PAIR = ["photo.png", "style.png", *OUT]
BAD = {
    "missing photograph": (["nowhere.png", "style.png", *OUT], ["no file 'nowhere.png'"]),
    "missing style": (["photo.png", "nowhere.png", *OUT], ["no file 'nowhere.png'"]),
    "one style of two": (["photo.png", "style.png", "nowhere.png", *OUT], ["no file 'nowhere.png'"]),
    "misspelled file": (["phto.png", "style.png", *OUT], ["no file 'phto.png'", "did you mean 'photo.png'"]),
    "misspelled sample": (["photo.png", "stary", *OUT], ["no sample of that name", "starry, waves", "did you mean 'starry'"]),
    "a folder": ([".", "style.png", *OUT], ["'.' is a folder"]),
    "a text": (["photo.png", "poem.txt", *OUT], ["poem.txt"]),
    "layer": ([*PAIR, *QUICK, "--style-layers", "conv4_9"],
              ["unknown layer 'conv4_9'; this network (random) has conv1_1, relu1_1"]),
    "content layer": ([*PAIR, *QUICK, "--content-layers", "relu4_2,x"], ["unknown layer 'x'; this network"]),
    "backbone": ([*PAIR, "--backbone", "vgg91"], ["unknown network 'vgg91'; there are tiny", "vgg19"]),
    "weights": ([*PAIR, "--weights", "no.pth"], ["no weights file 'no.pth'; give"]),
    "weights that are none": ([*PAIR, "--weights", "poem.txt"], ["poem.txt"]),
    "size 0": ([*PAIR, "--size", "0"], ["size=0", "a whole number of at least 16"]),
    "size 15": ([*PAIR, "--size", "15"], ["size=15", "at least 16"]),
    "size -64": ([*PAIR, "--size", "-64"], ["size=-64"]),
    "size 10⁶": ([*PAIR, "--size", "1000000"], ["megapixels"]),
    "steps": ([*PAIR, "--steps", "0"], ["steps=0", "at least 1"]),
    "levels": ([*PAIR, "--levels", "0"], ["levels=0", "at least 1"]),
    "alpha": ([*PAIR, "--alpha", "-1"], ["alpha=-1.0", "at least 0"]),
    "beta": ([*PAIR, "--beta", "nan"], ["beta=nan", "at least 0"]),
    "gamma": ([*PAIR, "--gamma", "inf"], ["gamma=inf", "at least 0"]),
    "seed": ([*PAIR, "--seed", 2**70], ["seed=", "whole number"]),
    "style scale": ([*PAIR, "--style-scale", "100"], ["style_scale=100.0", "between 0.05 and 20"]),
    "style weights": ([*PAIR, *QUICK, "--style-weights", "1,2"], ["1 styles want as many style_weights, got 2"]),
    "init": ([*PAIR, *QUICK, "--init", "nois"], ["init: no file 'nois'", "or say content, noise or style"]),
    "suffix": (["photo.png", "style.png", "-o", "out.gif"], ["cannot write 'out.gif'", ".png, .jpg"]),
    "no suffix": (["photo.png", "style.png", "-o", "out"], ["cannot write 'out'", ".png, .jpg"]),
    "folder": (["photo.png", "style.png", "-o", "nowhere/out.png"], ["there is no folder 'nowhere'"]),
    "output is a folder": (["photo.png", "style.png", "-o", "folder.png"], ["'folder.png' is a folder"]),
    "output is the photograph": (["photo.png", "style.png", "-o", "./photo.png"],
                                 ["'photo.png' is one of the pictures to paint from"]),
    "output is a style": (["photo.png", "photo.png", "style.png", "-o", "style.png"], ["'style.png' is one of the pictures"]),
    "output's name too long": (["photo.png", "style.png", "-o", "x" * 245 + ".png"], ["name too long", "a shorter name"]),
    "huge losses": ([*PAIR, *QUICK, "--beta", "1e300"], ["the loss is not a number", "divide alpha, beta and gamma"]),
}


@pytest.mark.parametrize("arguments, words", BAD.values(), ids=BAD)
def test_bad_input_gets_one_line(arguments, words, capsys):
    Path("poem.txt").write_text("a poem")
    Path("folder.png").mkdir()
    fails(capsys, ["stylize", *arguments], *words)


def test_weights_that_would_have_to_be_downloaded_without_network(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    def unreachable(*arguments, **options):
        raise urllib.error.URLError("Name or service not known")
    monkeypatch.setattr(torch.hub, "download_url_to_file", unreachable)
    Path("hub/checkpoints").mkdir(parents=True)
    fails(capsys, [*PAINT, "--size", "32", "--backbone", "vgg19"],
          "no network, and no file vgg19-dcbb9e9d.pth", "'tiny' is in the package")


def test_a_place_where_nobody_may_write(capsys, monkeypatch):
    def refused(path):
        raise PermissionError(13, "Permission denied")
    monkeypatch.setattr(Path, "touch", refused)
    fails(capsys, [*PAINT], "cannot write in '.' (Permission denied)", "another folder")


@pytest.mark.parametrize("arguments, words", [
    ([], "COMMAND"), (["paint"], "invalid choice: 'paint'"), (["stylize", "photo.png"], "required"),
    (["stylize", "photo.png", "style.png"], "-o"), ([*PAINT, "--sise", "9"], "unrecognized arguments: --sise"),
    ([*PAINT, "--size", "big"], "invalid int value: 'big'"), ([*PAINT, "--method", "sgd"], "'lbfgs'"),
    ([*PAINT, "--style-layers", "a=1,b"], "'a=1,b' is no list of layers; write a,b or"),
    ([*PAINT, "--style-layers", "a=x"], "is no list of layers"), ([*PAINT, "--style-layers", ""], "is no list of layers"),
    ([*PAINT, "--content-layers", "a,,b"], "is no list of layers"),
    ([*PAINT, "--style-weights", "1;2"], "'1;2' is no list of numbers; write 0.7,0.3"),
])
def test_a_bad_command_line_is_explained(arguments, words, capsys):
    with pytest.raises(SystemExit) as caught:
        run(*arguments)
    out, err = capsys.readouterr()
    assert caught.value.code == 2 and out == "" and "usage: nst-lessons" in err and words in err and "_layers value" not in err


def test_a_fault_of_ours_is_not_taken_for_the_users(monkeypatch):
    def faulty(*arguments):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")
    monkeypatch.setattr(features.Features, "forward", faulty)
    with pytest.raises(RuntimeError, match="mat1"):
        run(*PAINT, *QUICK)


# --- interrupted and resumed ------------------------------------------------------------------------------------------

@pytest.fixture
def interrupt(monkeypatch):
    """interrupt(k): Ctrl-C comes in the midst of the k-th evaluation of a gradient. → a list, one entry for each evaluation"""
    def prepare(when):
        forward, calls = features.TinyVGG.forward, []

        def interrupted(self, image, wanted):
            if image.requires_grad:                                       # targets need no gradient
                calls.append(wanted)
                if len(calls) == when:
                    raise KeyboardInterrupt
            return forward(self, image, wanted)
        monkeypatch.setattr(features.TinyVGG, "forward", interrupted)
        return calls
    return prepare


LONGER = ["--size", "40", "--steps", "20", "--levels", "2", "--backbone", "random"]


@pytest.mark.parametrize("method", ["lbfgs", "adam"])
@pytest.mark.parametrize("when", [4, 12, 18])
def test_control_c_keeps_what_was_painted_and_resume_ends_at_the_same_picture(when, method, interrupt, capsys):
    command = [*PAINT, *LONGER, "--method", method]
    run("stylize", "photo.png", "style.png", "-o", "undisturbed.png", *LONGER, "--method", method)
    evaluations = interrupt(when)
    assert run(*command) == 130
    out, err = capsys.readouterr()
    assert out == "" and "what was painted is in out.png, and --resume goes on" in err and "Traceback" not in err
    assert nst.images.read_settings("out.png")["content"] == "photo.png" and pixels("out.png").std() > 5
    assert set(listing()) == {"photo.png", "style.png", "undisturbed.png", "out.png", "out.png.checkpoint"}
    if when == 4:
        unfinished = pixels("out.png")
        assert unfinished.shape != (32, 40, 3)                            # still at the first, coarse level
    assert run(*command, "--resume") == 0
    assert (pixels("out.png") == pixels("undisturbed.png")).all()
    assert len(evaluations) <= 20 + 4                     # it went on: only the step that was broken off is done again
    assert not Path("out.png.checkpoint").exists()


def test_control_c_between_two_steps(monkeypatch):
    """It may also come when the next step is done, but has not yet been handed over."""
    run("stylize", "photo.png", "style.png", "-o", "undisturbed.png", *LONGER)
    painting, made = sys.modules["nst_lessons.stylize"], []

    def interrupted(*arguments):
        made.append(arguments)
        if len(made) == 5:
            raise KeyboardInterrupt
        return painting_progress(*arguments)

    painting_progress = painting.Progress
    monkeypatch.setattr(painting, "Progress", interrupted)
    assert run(*PAINT, *LONGER) == 130
    assert run(*PAINT, *LONGER, "--resume") == 0
    assert (pixels("out.png") == pixels("undisturbed.png")).all()


def test_control_c_before_the_first_step_leaves_nothing(interrupt, capsys):
    before = listing()
    interrupt(1)
    assert run(*PAINT, *QUICK) == 130
    assert capsys.readouterr().err.strip() == "nst-lessons: interrupted" and listing() == before


def test_a_checkpoint_of_the_very_end_is_finished(monkeypatch):
    """Killed after the last step, before the picture was written."""
    run("stylize", "photo.png", "style.png", "-o", "undisturbed.png", *LONGER)
    with monkeypatch.context() as patch:
        patch.setattr(painter, "_SAVE_EVERY", -1)                      # after every step, the last as well
        patch.setattr(images, "save_image", lambda *arguments: exit("killed"))
        with pytest.raises(SystemExit, match="killed"):
            run(*PAINT, *LONGER)
    assert run(*PAINT, *LONGER, "--resume") == 0
    assert (pixels("out.png") == pixels("undisturbed.png")).all()


def test_resume_with_nothing_there_begins(capsys):
    assert run(*PAINT, *QUICK, "--resume") == 0
    assert "nothing to resume (out.png.checkpoint is not there): starting anew" in capsys.readouterr().err
    assert pixels("out.png").shape == (26, 32, 3)


@pytest.fixture
def interrupted_run(interrupt, capsys):
    interrupt(5)
    assert run(*PAINT, *QUICK) == 130
    capsys.readouterr()


@pytest.mark.usefixtures("interrupted_run")
def test_resume_with_other_settings_is_refused_by_name(capsys):
    fails(capsys, [*PAINT, *QUICK, "--alpha", "0.5", "--seed", "3", "--resume"],
          "out.png.checkpoint was made with other settings (alpha, seed)", "use those again, or leave --resume out")


@pytest.mark.usefixtures("interrupted_run")
@pytest.mark.parametrize("damage", [lambda data: data[:len(data) // 2], lambda data: b"", lambda data: b"a poem" * 99])
def test_a_damaged_checkpoint_is_refused(damage, capsys):
    path = Path("out.png.checkpoint")
    path.write_bytes(damage(path.read_bytes()))
    fails(capsys, [*PAINT, *QUICK, "--resume"], "out.png.checkpoint is not a whole checkpoint; delete it")


@pytest.mark.parametrize("tree", [{"a": 1}, [1], 5, {"settings": "{}"}])
def test_a_checkpoint_of_something_else_is_refused(tree, capsys):
    save_checkpoint(tree, "out.png.checkpoint")
    fails(capsys, [*PAINT, *QUICK, "--resume"], "out.png.checkpoint is not a checkpoint of this command")


@pytest.mark.usefixtures("interrupted_run")
def test_without_resume_it_begins_anew():
    assert run(*PAINT, *QUICK) == 0
    assert not Path("out.png.checkpoint").exists()
    expected = stylize("photo.png", "style.png", size=32, steps=6, backbone="random")
    assert (pixels("out.png") == np.asarray(images.to_pil(expected))).all()


# --- a real process ---------------------------------------------------------------------------------------------------

def start(*arguments, program=("-m", "nst_lessons")):
    """The command in a process of its own, which Ctrl-C reaches even where this one was started in the background."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.Popen([sys.executable, *program, *arguments], env=environment, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))


def wait_for(path, process, seconds=300):
    """Until the file is there, or the process has ended."""
    end = time.monotonic() + seconds
    while not path.exists() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.01)
    assert path.exists() and process.poll() is None, process.communicate()


LONG = ["--size", "40", "--steps", "60", "--levels", "2", "--backbone", "random"]
HURRIED = ("-c", "import sys; from nst_lessons.cli import main, stylize; stylize._SAVE_EVERY = 0; sys.exit(main())")


@pytest.mark.skipif(os.name == "nt", reason="signals are another matter there")
def test_after_kill_9_resume_ends_at_the_same_picture(folder):
    process = start(*PAINT, *LONG, program=HURRIED)
    wait_for(folder / "out.png.checkpoint", process)
    process.kill()
    out, err = process.communicate()
    assert process.returncode == -signal.SIGKILL and out == "" and not Path("out.png").exists()
    resumed = start(*PAINT, *LONG, "--resume")
    out, err = resumed.communicate(timeout=300)
    assert (resumed.returncode, out) == (0, "") and "Traceback" not in err and "nothing to resume" not in err
    run("stylize", "photo.png", "style.png", "-o", "undisturbed.png", *LONG)
    assert (pixels("out.png") == pixels("undisturbed.png")).all()
    assert [name for name in listing() if "checkpoint" in name and "partial" not in name] == []


@pytest.mark.skipif(os.name == "nt", reason="signals are another matter there")
def test_control_c_in_the_terminal(folder):
    process = start(*PAINT, "--size", "48", "--steps", "100000", "--method", "adam", "--backbone", "random",
                    program=HURRIED)
    wait_for(folder / "out.png.checkpoint", process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=300)
    assert (process.returncode, out) == (130, "") and "Traceback" not in err
    assert re.search(r"total=\d.*style=\d", err) and "interrupted; what was painted is in out.png" in err
    assert nst.images.read_settings("out.png")["steps"] == 100000 and pixels("out.png").shape == (38, 48, 3)
    assert not [name for name in listing() if "partial" in name or "tmp" in name]


def test_the_script_is_installed_and_says_one_line():
    script, = importlib.metadata.entry_points(group="console_scripts", name="nst-lessons")
    assert script.load() is cli.main
    process = start("stylize", "photo.png", "stary", *OUT)
    out, err = process.communicate(timeout=300)
    assert (process.returncode, out) == (2, "") and err.count("\n") == 1 and "did you mean 'starry'" in err
    assert set(listing()) == {"photo.png", "style.png"}


# --- the other commands -----------------------------------------------------------------------------------------------

def test_samples_lists_every_name(capsys):
    assert run("samples") == 0
    out, err = capsys.readouterr()
    words = out.split()
    assert all(name in words for names in nst.samples().values() for name in names) and err == ""
    assert out.startswith("photos ") and "\npaintings " in out


def test_samples_are_saved(capsys, monkeypatch):
    monkeypatch.setattr(nst, "samples", lambda: {"photos": ["cat", "coffee"], "paintings": []})      # paintings take time
    Path("folder").mkdir()
    assert run("samples", "--save", "folder", "--size", "40") == 0
    assert sorted(path.name for path in Path("folder").iterdir()) == ["cat.png", "coffee.png"]
    assert max(pixels("folder/cat.png").shape) == 40


@pytest.mark.parametrize("arguments, words", [(["--save", "nowhere"], "there is no folder 'nowhere'"),
                                              (["--save", ".", "--size", "5"], "from 16")])
def test_samples_that_cannot_be_saved(arguments, words, capsys):
    before = listing()
    assert run("samples", *arguments) == 2
    err = capsys.readouterr().err
    assert err.startswith("nst-lessons: ") and err.count("\n") == 1 and words in err and listing() == before


def test_check_paints_a_thumbnail(capsys):
    assert run("check", "-o", "thumbnail.png") == 0
    out, err = capsys.readouterr()
    assert err == "" and out.endswith("this machine is ready\n") and f"torch {torch.__version__}" in out
    before, after = map(float, re.search(r"style error ([\d.]+) → ([\d.]+)", out).groups())
    assert after < before / 3 and max(pixels("thumbnail.png").shape) == 128


def test_check_says_when_the_thumbnail_does_not_come_out(capsys, monkeypatch):
    monkeypatch.setattr(nst, "stylize", lambda photo, style, **settings: photo)
    assert run("check") == 1
    out, err = capsys.readouterr()
    assert "please report" in err and "ready" not in out


@pytest.mark.parametrize("arguments, words", [(["--version"], f"nst-lessons {nst.__version__}"), (["--help"], "check"),
                                              (["stylize", "--help"], "--preserve-color")])
def test_help(arguments, words, capsys):
    with pytest.raises(SystemExit) as caught:
        run(*arguments)
    assert caught.value.code == 0 and words in capsys.readouterr().out
