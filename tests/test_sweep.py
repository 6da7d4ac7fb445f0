"""Lesson 07: sweeps. Each cell is what `stylize` paints; cells survive a kill, and are painted side by side to the same last bit."""
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import nst_lessons as nst
from nst_lessons import ImageError, Settings, cli, features, load_image, plots, style_error, stylize
from nst_lessons.images import read_settings, to_pil
from nst_lessons.sweep import Cell, Sweep, cells, combinations, content_error, processes, sweep

ROOT = Path(__file__).resolve().parents[1]
QUICK = {"backbone": "random", "size": 32, "steps": 3, "levels": 1}
PHOTO, STYLE = load_image("cat", size=32), load_image("mosaic", size=64)
GRID = {"alpha": [0.03, 3.0], "style_scale": [0.5, 1, 2]}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A folder with a photograph and a painting; one thread, since pictures are compared bit by bit."""
    monkeypatch.chdir(tmp_path)
    nst.save_image(PHOTO, "photo.png")
    nst.save_image(STYLE, "style.png")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield tmp_path
    torch.set_num_threads(before)


@pytest.fixture
def painted(monkeypatch):
    """The cells that were really painted in this process, in order."""
    paint, painted = Cell.paint, []

    def counted(self, *args):
        painted.append(self.labels)
        return paint(self, *args)
    monkeypatch.setattr(Cell, "paint", counted)
    return painted


def small(grid=GRID, processes=1, **options):
    return sweep("photo.png", "style.png", grid, processes=processes, **QUICK | options)


def same(one, other):
    return len(one.pictures) == len(other.pictures) and all(map(torch.equal, one.pictures, other.pictures))


def in_eight_bits(picture):
    return load_image(to_pil(picture))


# --- what it gives ----------------------------------------------------------------------------------------------------

def test_combinations_are_nested_loops():
    expected = []
    for a in (1, 2):
        for b in "xyz":
            for c in (None, [1]):
                expected.append({"a": a, "b": b, "c": c})
    assert combinations({"a": [1, 2], "b": "xyz", "c": [None, [1]]}) == expected
    assert combinations({"a": []}) == [] and combinations({}) == [{}]


def test_each_cell_is_what_stylize_paints():
    result = small()
    for picture, options in zip(result.pictures, combinations(GRID), strict=True):
        assert torch.equal(picture, in_eight_bits(stylize("photo.png", "style.png", **QUICK | options)))
    assert result.painted == 6 and repr(result) == "Sweep(2 alpha × 3 style_scale)"


def test_the_table_tells_what_varies_and_what_came_of_it():
    table, result = small().table, small()
    assert [(row["alpha"], row["style_scale"]) for row in table] == list(itertools.product(
        ["alpha 0.03", "alpha 3"], ["style scale 0.5", "style scale 1", "style scale 2"]))
    judge, photo = features.Features("tiny"), load_image("photo.png")
    for row, picture, scale in zip(table, result.pictures, 2 * [0.5, 1, 2]):
        style = load_image("style.png", size=max(64, round(32 * scale)))
        assert row["style_error"] == pytest.approx(style_error(picture, style, judge), rel=0.02)
        assert row["content_error"] == pytest.approx(content_error(picture, photo, judge), rel=0.02, abs=1e-4)
        assert 0 < row["seconds"] < 60
    first, *lines = str(result).splitlines()
    assert first.split() == ["alpha", "style", "scale", "style", "error", "content", "error", "seconds"]
    assert len(lines) == 6 and lines[5].startswith("alpha 3     style scale 2 ") and f"{table[5]['style_error']:.4f}" in lines[5]
    assert len({line.index(f"{row['style_error']:.4f}") for line, row in zip(lines, table)}) == 1         # they stand in columns


def test_any_argument_of_stylize_may_vary():
    other = load_image("waves", size=40)
    grid = {"content": ["photo.png", "coffee"], "style": {"a mosaic": "style.png", "both": ["style.png", "photo.png"], "a tensor": other}}
    result = small(grid)
    for picture, (photo, style) in zip(result.pictures, itertools.product(["photo.png", "coffee"], ["style.png", ["style.png", "photo.png"], other])):
        assert torch.equal(picture, in_eight_bits(stylize(photo, style, **QUICK)))
    assert [row["style"] for row in result.table[:3]] == ["a mosaic", "both", "a tensor"]
    layers = small({"style_layers": [["relu1_1"], ["relu1_1", "relu2_1"]], "statistic": ["gram", "sliced"], "init": ["noise"]})
    assert [row["style_layers"] for row in layers.table] == 2 * ["relu1_1"] + 2 * ["relu1_1, relu2_1"]
    assert len({picture.sum().item() for picture in layers.pictures}) == 4


def test_pictures_may_be_tensors_and_paths():
    one = sweep(load_image("photo.png"), "style.png", {"alpha": [0.1]}, processes=1, **QUICK)
    two = sweep(Path("photo.png"), "style.png", {"alpha": [0.1]}, processes=1, **QUICK)
    assert same(one, two) and one.painted == two.painted == 1


@pytest.mark.parametrize("grid, message", [
    ({}, "an empty grid has nothing to turn"), ({"alpha": []}, "the grid's alpha is empty"), ({"alpha": 0.3}, "alpha is 0.3; give a list"),
    ({"statistic": "gram"}, "statistic is 'gram'; give a list"), ({"alpha": [1, 2, 1]}, "alpha has a value twice: 1, 2, 1"),
    ({"alfa": [1, 2]}, "unknown setting 'alfa'; there are alpha"), ({"steps": [5, 0]}, "steps=0 makes no sense"),
    ({"style_layers": [["relu9_1"]]}, "relu9_1: unknown layer 'relu9_1'; this network"),
    ({"content": ["nobody"]}, "nobody: no file 'nobody'"), ({"statistic": ["sliced"], "scaling": ["gatys"]}, "sliced · gatys: scaling 'gatys'"),
])
def test_a_grid_that_makes_no_sense_is_refused(grid, message):
    with pytest.raises(ValueError, match=message):
        small(grid)


@pytest.mark.parametrize("count", [0, -1, 1.5, True, "2"])
def test_processes_that_make_no_sense_are_refused(count):
    with pytest.raises(ValueError, match=f"processes={count!r} makes no sense"):
        small(processes=count)


def test_what_is_no_picture_is_refused():
    with pytest.raises(ImageError, match="a sweep takes pictures .* not a int"):
        sweep(7, "style.png", {"alpha": [1]}, **QUICK)


# --- kept, found again ------------------------------------------------------------------------------------------------

def test_what_is_there_is_read_and_not_painted(painted):
    first, second = small(), small()
    assert len(painted) == 6 and second.painted == 0 and same(first, second)
    assert second.table == first.table                                     # the seconds, too, are those of the painting
    wider = small({"alpha": [0.03, 0.5, 3.0], "style_scale": [2, 1]})      # the cells of another grid are found as well
    assert painted[6:] == [("alpha 0.5", "style scale 2"), ("alpha 0.5", "style scale 1")] and wider.painted == 2
    assert torch.equal(wider.pictures[0], first.pictures[2])


def test_nowhere_keeps_nothing(painted, tmp_path):
    assert same(small(folder=None), small(folder=None))
    assert len(painted) == 12 and {path.name for path in tmp_path.iterdir()} == {"photo.png", "style.png"}


def test_an_interrupted_sweep_goes_on(monkeypatch, painted):
    paint = cells.paint

    def interrupted(*args):
        if len(painted) == 4:
            raise KeyboardInterrupt
        return paint(*args)
    with monkeypatch.context() as patch:
        patch.setattr(cells, "paint", interrupted)
        with pytest.raises(KeyboardInterrupt):
            small()
    assert len(list(Path("sweep").glob("*.json"))) == 3
    assert small().painted == 3 and len(painted) == 4 + 3


@pytest.mark.parametrize("damage", [lambda path: path.write_bytes(path.read_bytes()[:100]), lambda path: path.write_bytes(b""), Path.unlink])
@pytest.mark.parametrize("suffix", ["png", "json"])
def test_a_damaged_cell_is_painted_again(damage, suffix):
    first = small()
    damage(sorted(Path("sweep").glob(f"*.{suffix}"))[2])
    again = small()
    assert again.painted == 1 and same(first, again)


def test_a_cell_is_there_only_when_both_files_are(monkeypatch):
    """Killed between picture and figures: the picture alone does not count."""
    with monkeypatch.context() as patch:
        patch.setattr(cells, "_write", lambda *args: exit("killed"))
        with pytest.raises(SystemExit):
            small()
    assert [path.suffix for path in Path("sweep").iterdir()] == [".png"]
    assert small().painted == 6
    assert {path.suffix for path in Path("sweep").iterdir()} == {".png", ".json"}


def test_the_pictures_hold_their_settings():
    small()
    for path in Path("sweep").glob("*.png"):
        settings = Settings.of(**read_settings(path))
        assert torch.equal(load_image(path), in_eight_bits(stylize(settings.content, settings.style, **settings)))
        assert json.loads(path.with_suffix(".json").read_text())["settings"] == read_settings(path)


def test_other_settings_or_pictures_have_another_key():
    photo = torch.rand(1, 3, 20, 20)
    base = dict(photo=photo, style="mosaic", settings=Settings())
    changed = [{"photo": photo + 0.001}, {"photo": photo.reshape(1, 3, 10, 40)}, {"style": "mosaic:1"}, {"style": ["mosaic", "waves"]},
               *({"settings": Settings(**{name: value})} for name, value in {"alpha": 0.2, "seed": 1, "statistic": "sliced",
                                                                            "style_layers": ["relu1_1"], "preserve_color": "match"}.items())]
    keys = [Cell((), **base | change).key for change in [{}, *changed]]
    assert len(set(keys)) == len(keys) and keys[0] == Cell(("another label",), **base | {"photo": photo.clone()}).key


def test_a_file_with_other_contents_is_another_picture(painted):
    for name in ("cat", "coffee"):
        nst.save_image(load_image(name, size=32), "photo.png")
        sweep("photo.png", "style.png", {"alpha": [0.1]}, processes=1, **QUICK)
    assert len(painted) == 2


# --- side by side -----------------------------------------------------------------------------------------------------

@pytest.fixture
def started(monkeypatch):
    """Every process that is started."""
    painter, started = processes._painter, []

    def noted():
        started.append(painter())
        return started[-1]
    monkeypatch.setattr(processes, "_painter", noted)
    return started


def test_side_by_side_they_are_the_same_pictures(started, painted):
    beside = small(processes=2)
    assert len(started) == 2 and painted == [] and beside.painted == 6
    assert same(beside, small(folder=None)) and all(one.poll() is not None for one in started)
    assert [row["alpha"] for row in beside.table] == 3 * ["alpha 0.03"] + 3 * ["alpha 3"]             # in order, whoever was ready first


def test_a_script_without_a_guard_may_sweep():
    """With multiprocessing each process would run the script again, and end with an error."""
    Path("script.py").write_text("import nst_lessons as nst\n"
                                 "print('once')\n"
                                 f"print(nst.sweep('photo.png', 'style.png', {{'alpha': [0.1, 1.0]}}, processes=2, **{QUICK}))\n")
    done = subprocess.run([sys.executable, "script.py"], capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert done.returncode == 0 and done.stdout.count("once") == 1 and "alpha 0.1" in done.stdout, done.stderr
    assert done.stderr == ""


def test_a_file_named_like_a_module_does_not_get_in_the_way(started, monkeypatch, tmp_path):
    """It would if a process looked for modules where it starts, or where the caller does."""
    for name in ("timeit", "random", "statistics"):
        Path(f"{name}.py").write_text("raise RuntimeError('a learner\'s own file')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert small({"alpha": [0.1, 0.2]}, processes=2).painted == 2 and len(started) == 2


def test_what_goes_wrong_beside_is_told_as_if_it_were_here(started):
    for grid, error, message in (({"style_layers": [["relu1_1"], ["relu9_1"]]}, ValueError, "^relu9_1: unknown layer 'relu9_1'; this network"),
                                 ({"beta": [1.0, 1e300]}, nst.OptimizationError, r"^beta 1e\+300: the loss is not a number")):
        with pytest.raises(error, match=message):
            small(grid, processes=2)
    assert all(one.poll() is not None for one in started)


def test_a_process_that_dies_is_told(monkeypatch):
    monkeypatch.setattr(processes, "_painter", lambda: subprocess.Popen([sys.executable, "-c", "pass"], stdin=subprocess.PIPE,
                                                                        stdout=subprocess.PIPE))
    with pytest.raises(ChildProcessError, match="alpha .* the process that painted it has ended.* with processes=1 goes on"):
        small(processes=2)


def test_processes_are_started_only_when_it_pays(started, painted, monkeypatch):
    small(processes=None)                                                  # six cells of a tenth of a second
    assert started == [] and len(painted) == 6
    monkeypatch.setattr(processes, "_START", 0)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2}, raising=False)
    small({"alpha": [0.1, 0.2, 0.3]}, processes=None)
    assert len(started) == 2 and len(painted) == 7                         # the first shows how long one takes


def test_a_network_that_only_this_process_knows_stays_here(started, painted, monkeypatch):
    monkeypatch.setattr(processes, "_START", 0)
    monkeypatch.setitem(features._BUILDERS, "mine", features._BUILDERS["random"])
    for count in (None, 4):
        small({"alpha": [0.1, 0.2]}, processes=count, folder=None, backbone="mine")
    assert started == [] and len(painted) == 4


def test_processes_that_have_lost_their_caller_end():
    painter = processes._painter()
    painter.stdin.close()
    assert painter.wait(60) == 0


LONG = {"backbone": "random", "size": 32, "steps": 50, "levels": 1}


def long_script(count):
    Path("script.py").write_text("import sys, nst_lessons as nst\n"
                                 f"grid = {{'alpha': [0.1 + k for k in range(9)]}}\n"
                                 f"r = nst.sweep('photo.png', 'style.png', grid, processes={count}, **{LONG})\n"
                                 "print(r.painted)\n")
    return subprocess.Popen([sys.executable, "script.py"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
                            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),            # it may be ignored, in a shell's background
                            env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"})


def children(pid):
    """Processes whose parent is `pid`, from Linux's own table."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            if int(path.read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(path.parent.name))
        except OSError:                                                    # it has ended meanwhile
            continue
    return found


def until(condition, seconds=90):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks into /proc")
@pytest.mark.parametrize("how, count", [(signal.SIGKILL, 2), (signal.SIGINT, 2)])
def test_killed_at_any_moment_it_loses_one_cell_at_most(how, count):
    running = long_script(count)
    until(lambda: len(list(Path("sweep").glob("*.json"))) >= 2 or running.poll() is not None)
    others = children(running.pid)
    os.kill(running.pid, how)
    _, said = running.communicate(timeout=60)
    assert running.returncode != 0 and len(others) == count
    until(lambda: not any(map(alive, others)))                             # killed: each ends with the cell that it has in hand
    assert how == signal.SIGKILL or "KeyboardInterrupt" in said
    whole = len(list(Path("sweep").glob("*.json")))
    for path in Path("sweep").glob("*.json"):
        json.loads(path.read_text())
        load_image(path.with_suffix(".png"))
    again = long_script(1)
    out, said = again.communicate(timeout=200)
    assert 2 <= whole < 9 and int(out) == 9 - whole and said == ""
    assert len(list(Path("sweep").glob("*.png"))) == 9


# --- the sheet --------------------------------------------------------------------------------------------------------

COLORS = [(0.9, 0.1, 0.1), (0.1, 0.9, 0.1), (0.1, 0.1, 0.9), (0.9, 0.9, 0.1), (0.1, 0.9, 0.9), (0.9, 0.1, 0.9), (0.3, 0.3, 0.3), (0.7, 0.7, 0.7)]


def of_colors(*shape):
    """A Sweep whose cells are plain colors, with axes of these lengths."""
    axes = {f"axis_{number}": {f"{'abc'[number]}{k}": k for k in range(length)} for number, length in enumerate(shape)}
    labels = [tuple(one.values()) for one in combinations({name: list(axis) for name, axis in axes.items()})]
    pictures = [torch.tensor(color).view(1, 3, 1, 1).expand(1, 3, 20, 30) for color in COLORS]
    return Sweep(axes, [Cell(label, "cat", "mosaic", Settings(), picture, 0.1, 0.2, 3.0) for label, picture in zip(labels, pictures)], 0)


def drawn(figure):
    """The color in the middle of each picture of a sheet, as drawn; and its texts."""
    figure.canvas.draw()
    pixels = np.asarray(figure.canvas.buffer_rgba())[..., :3] / 255
    colors = []
    for axis in figure.axes:
        if axis.images:
            box = axis.get_window_extent()
            colors.append(tuple(pixels[round(pixels.shape[0] - (box.y0 + box.y1) / 2), round((box.x0 + box.x1) / 2)].round(1).tolist()))
    return colors, [axis.get_title() for axis in figure.axes], [axis.get_ylabel() for axis in figure.axes]


def test_a_sheet_of_two_axes_has_its_names_at_the_edges():
    colors, titles, names = drawn(of_colors(2, 3).sheet(80))
    assert colors == COLORS[:6]
    assert titles == ["b0", "b1", "b2", "", "", ""] and names == ["a0", "", "", "a1", "", ""]


def test_a_sheet_of_one_axis_names_each_picture():
    colors, titles, names = drawn(of_colors(7).sheet(80))
    assert colors == COLORS[:7] and titles[:7] == [f"a{k}" for k in range(7)] and set(names) == {""}


def test_a_sheet_of_more_axes_folds_all_but_the_last():
    figure = of_colors(2, 2, 2).sheet(80)
    colors, titles, names = drawn(figure)
    assert colors == COLORS and titles[:2] == ["c0", "c1"] and names[::2] == ["a0\nb0", "a0\nb1", "a1\nb0", "a1\nb1"]
    places = [axis.get_window_extent() for axis in figure.axes]
    assert places[0].x1 <= places[1].x0 and places[0].y0 >= places[2].y1   # they do not overlap


def test_names_stay_on_the_sheet():
    result = of_colors(2, 3)
    result.axes["axis_0"] = {"relu1_1, relu2_1, relu3_1": 0, "short": 1}
    figure = result.sheet(80)
    figure.canvas.draw()
    words = [text for axis in figure.axes for text in (axis.title, axis.yaxis.label) if text.get_text()]
    for text in words:
        box = text.get_window_extent()
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1, text
    assert len(words) == 5


def test_pictures_are_drawn_at_their_own_size_unless_told():
    wide = of_colors(2, 3)
    for cell in wide.cells:
        cell.picture = torch.rand(1, 3, 200, 300)
    figure = wide.sheet()
    figure.canvas.draw()
    assert figure.axes[0].get_window_extent().width >= 250 and wide.sheet(80).dpi == plots.DPI == of_colors(2, 3).sheet().dpi


@pytest.mark.parametrize("name", ["sheet.png", "sheet.jpg", "sheet.webp"])
def test_a_sheet_is_saved_whole(name):
    of_colors(2, 3).save(name)
    assert load_image(name).shape[3] == 6 * 80 and read_settings(name) == {"grid": {"axis_0": ["a0", "a1"], "axis_1": ["b0", "b1", "b2"]}}
    assert {path.name for path in Path().iterdir()} == {"photo.png", "style.png", name}
    with pytest.raises(ImageError, match="there is no folder"):
        of_colors(2, 3).save(f"nowhere/{name}")


def test_a_sheet_is_shown_as_jpeg(monkeypatch):
    import IPython.display
    shown = []
    monkeypatch.setattr(IPython.display, "display", shown.append)
    of_colors(2, 3).show()
    assert shown[0].format == "jpeg" and len(shown[0].data) > 1000


# --- the command ------------------------------------------------------------------------------------------------------

COMMAND = ["sweep", "photo.png", "style.png", "-o", "sheet.png", "--size", "32", "--steps", "3", "--backbone", "random", "--processes", "1"]


def run(*arguments):
    return cli.main([str(argument) for argument in arguments])


def test_the_command_writes_sheet_and_table_and_goes_on(capsys, painted):
    grid = ["--grid", "alpha=0.03,3", "--grid", "style-layers=relu1_1,relu1_1+relu2_1"]
    assert run(*COMMAND, *grid) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[4].startswith("alpha 3     relu1_1+relu2_1  ") and "4/4" in err
    assert {path.name for path in Path().iterdir()} == {"photo.png", "style.png", "sheet-cells", "sheet.png"} and len(painted) == 4
    assert run(*COMMAND, *grid, "--quiet") == 0
    assert capsys.readouterr() == (out, "") and len(painted) == 4
    cell = sweep("photo.png", "style.png", {"alpha": [3]}, folder="sheet-cells", processes=1, **QUICK | {"levels": None}, style_layers=["relu1_1", "relu2_1"])
    assert cell.painted == 0                                               # the command's cells are those of the function


@pytest.mark.parametrize("text, expected", [
    ("alpha=0.03,1", {"alpha 0.03": 0.03, "alpha 1": 1}), ("style=starry,waves+mosaic", {"starry": "starry", "waves+mosaic": ["waves", "mosaic"]}),
    ("preserve-color=false,match", {"preserve color false": False, "match": "match"}), ("levels=null,1", {"levels null": None, "levels 1": 1}),
    ("content_layers=relu4_2", {"relu4_2": ["relu4_2"]}),
])
def test_values_of_a_grid_are_read(text, expected):
    from nst_lessons.cli.sweep import _axis
    assert _axis(text) == (text.split("=")[0].replace("-", "_"), expected)


@pytest.mark.parametrize("grid, words", [("alpha", "is no axis of a grid; write alpha=0.03,0.1"), ("alpha=", "is no axis"),
                                         ("=1", "is no axis"), ("alpha=1,,2", "is no axis"), ("alpha=1,1", "has a value twice")])
def test_a_bad_grid_is_explained(grid, words, capsys):
    with pytest.raises(SystemExit) as caught:
        run(*COMMAND, "--grid", grid)
    assert caught.value.code == 2 and words in capsys.readouterr().err and len(list(Path().iterdir())) == 2


@pytest.mark.parametrize("arguments, words", [
    (["--grid", "alfa=1,2"], "unknown setting 'alfa'; there are alpha"), (["--grid", "steps=5,0"], "steps=0 makes no sense"),
    (["--grid", "alpha=1,2", "-o", "sheet.gif"], "cannot write 'sheet.gif'"), (["--grid", "alpha=1,2", "-o", "no/sheet.png"], "no folder"),
    (["--grid", "content=nobody"], "nobody: no file 'nobody'"), (["--grid", "alpha=1,2", "--processes", "0"], "processes=0 makes no sense"),
    (["--grid", "statistic=gram,sliced", "--scaling", "gatys"], "sliced: scaling 'gatys' is a formula for Gram matrices"),
])
def test_bad_input_gets_one_line(arguments, words, capsys):
    assert run(*COMMAND, "--quiet", *arguments) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("nst-lessons: ") and err.count("\n") == 1 and words in err


def test_a_bad_picture_is_told_before_the_bar_begins(capsys):
    assert run("sweep", "photo.png", "nobody.png", "--grid", "alpha=1,2", "-o", "sheet.png") == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("nst-lessons: no file 'nobody.png'") and err.count("\n") == 1 and not Path("sheet-cells").exists()


def test_control_c_says_how_to_go_on(capsys, monkeypatch, painted):
    paint = cells.paint

    def interrupted(*args):
        if len(painted) == 3:
            raise KeyboardInterrupt
        return paint(*args)
    with monkeypatch.context() as patch:
        patch.setattr(cells, "paint", interrupted)
        assert run(*COMMAND, "--grid", "alpha=1,2,3,4", "--quiet") == 130
    assert capsys.readouterr() == ("", "interrupted; 2 cells are in sheet-cells, and the same command goes on\n")
    assert run(*COMMAND, "--grid", "alpha=1,2,3,4", "--quiet") == 0 and len(painted) == 3 + 2


def test_without_matplotlib_the_command_says_what_to_install(monkeypatch, capsys):
    from nst_lessons.cli import sweep as command
    monkeypatch.setattr(command.importlib.util, "find_spec", lambda name: None)
    assert run(*COMMAND, "--grid", "alpha=1,2") == 2
    assert "a contact sheet needs matplotlib: pip install" in capsys.readouterr().err
