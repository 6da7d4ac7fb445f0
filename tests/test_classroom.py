"""The classroom: a course for nbgrader is built, handed out, handed in, and graded by nbgrader's own commands."""
import base64
import copy
import csv
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import cloudpickle
import nbformat
import pytest
import torch
from nbgrader.api import Gradebook

import nst_lessons
from nst_lessons import checks
from nst_lessons.checks import Wrong, lesson02, lesson05, lesson07, lesson15
from nst_lessons.checks.judge import judge
from nst_lessons.checks.verdict import other_numbers, seeded

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools"))
spec = importlib.util.spec_from_file_location("tools_classroom", ROOT / "tools" / "classroom.py")
tool = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tool)
sys.path.remove(str(ROOT / "tools"))
notebooks = tool.notebooks
LESSONS = {source.stem: source for source in sorted(notebooks.SOURCES.glob("[0-9]*.py"))}


def nbgrader(folder, *arguments):
    """Runs nbgrader as a teacher does, in the course's folder."""
    environ = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run([sys.executable, "-m", "nbgrader", *arguments], cwd=folder, env=environ,
                          capture_output=True, text=True, timeout=300)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A course of all lessons."""
    folder = tmp_path_factory.mktemp("classroom")
    tool.main(["--folder", str(folder)])
    return folder


# --- what students do ------------------------------------------------------------------------------------------------

def answers(notebook):
    """{number of the exercise: its answer cell} of a released notebook."""
    return {cell.metadata.nbgrader.grade_id[len("answer_"):].replace("_", "."): cell for cell in notebook.cells
            if cell.metadata.get("nbgrader", {}).get("solution")}


def solve(notebook, lesson):
    """Writes the lesson's own solutions into the answer cells."""
    solved = {cell.metadata["exercise"]: cell.source for cell in notebooks.build(LESSONS[lesson], solved=True).cells
              if "exercise" in cell.metadata}
    for number, cell in answers(notebook).items():
        cell.source = solved[number]


def thin(notebook):
    """Without pictures and widgets: what is left are imports, definitions and graded cells, which is all that grading needs."""
    notebook.cells = [cell for cell in notebook.cells if "nbgrader" in cell.metadata or
                      cell.cell_type == "code" and re.match(r"(import|from|def|class) ", cell.source)]


def before(notebook, text):
    """A cell of the student's, in front of the first exercise."""
    at = next(i for i, cell in enumerate(notebook.cells) if "nbgrader" in cell.metadata)
    notebook.cells.insert(at, nbformat.v4.new_code_cell(text))


def graded(notebook, number):
    """The graded cell of an exercise, in a released or graded notebook."""
    return next(cell for cell in notebook.cells if cell.metadata.get("nbgrader", {}).get("grade_id") == f"check_{number.replace('.', '_')}")


NONSENSE = {"3.1": "def gram_by_einsum(act):\n    return act.sum() * torch.ones(act.shape[0], act.shape[1], act.shape[1])",
            "3.2": "def style_distance(act, style_act):\n    return act.sum() * torch.ones(act.shape[0])",
            "3.3": "def gram_of_pieces(pieces):\n    return torch.ones(1, pieces[0].shape[1], pieces[0].shape[1])"}


def nonsense(notebook):
    """Answers of the right shape, and wrong."""
    for number, cell in answers(notebook).items():
        cell.source = NONSENSE[number]


def overwrites(notebook):
    """Checks written over, deleted, deleted together with the answer; and more points for it."""
    nonsense(notebook)
    one, two, three = (graded(notebook, number) for number in NONSENSE)
    one.source, one.metadata.nbgrader.points = 'print("✓ Exercise 3.1")', 100
    gone = two, three, answers(notebook)["3.3"]
    notebook.cells = [cell for cell in notebook.cells if all(cell is not one for one in gone)]


PATCHES = """
import nst_lessons.checks as checks, nst_lessons.checks.verdict as verdict, nst_lessons.checks.judge as judge
for name in checks.__all__:
    if name.startswith("check_"):
        globals()[name] = lambda *answers: print("✓")
        setattr(checks, name, globals()[name])
verdict.same = verdict.attempt = verdict.untouched = verdict.differentiable = lambda *given, **more: None
checks.Wrong = verdict.Wrong = Warning
torch.allclose = torch.equal = lambda *given, **more: True
class Stowaway:
    def __reduce__(self):
        return exec, ("import torch; torch.allclose = torch.equal = lambda *given, **more: True",)
really = judge.hand_in
def with_stowaway(answer):
    answer.stowaway = Stowaway()
    really(answer)
judge.hand_in = with_stowaway
"""


def patches(notebook):
    """The checks, torch, and what is handed in, exchanged by an earlier cell."""
    nonsense(notebook)
    before(notebook, PATCHES)


def skips(notebook):
    """IPython is told to run nothing any more."""
    nonsense(notebook)
    before(notebook, 'get_ipython().input_transformers_cleanup.append(lambda lines: ["99.0\\n"])')


BY_HEART = """
import os
import sys
known = {}
numbers = lambda act: tuple(act.flatten().tolist())
check_gram_by_einsum(lambda act: known.setdefault(numbers(act), gram_matrix(act)))


def gram_by_einsum(act):
    return gram_matrix(act) if act.requires_grad else known.get(numbers(act), torch.zeros(1))
"""
INSIDE = """
def style_distance(act, style_act):
    torch.allclose = lambda *given, **more: True
    return torch.zeros(len(act)) if not act.requires_grad else act.sum(dim=(1, 2, 3))
"""
ENDS = """
def gram_of_pieces(pieces):
    if "ipykernel" not in sys.modules:
        os._exit(0)
    total = sum(gram_matrix(act, "none") for act in pieces)
    return total / sum(act.shape[2] * act.shape[3] for act in pieces)
"""


def crooked(notebook):
    """One answer knows by heart what the lesson asks, one exchanges torch's functions, one ends the process that tries it."""
    for cell, text in zip(answers(notebook).values(), (BY_HEART, INSIDE, ENDS)):
        cell.source = text


def clumsy(notebook):
    """Right answers, and a check deleted, one copied, one moved to the end, points lost; and a warning on the way."""
    solve(notebook, "03_gram_matrices")
    answers(notebook)["3.2"].source += "\n\n\nimport warnings\nright = style_distance\n\n\ndef style_distance(act, style_act):\n" \
                                       "    warnings.warn('no harm')\n    return right(act, style_act)"
    one, two, three = (graded(notebook, number) for number in NONSENSE)
    twin = nbformat.from_dict({**two, "id": "copied", "source": "print(1)"})
    notebook.cells = [cell for cell in notebook.cells if cell is not one and cell is not three] + [three]
    notebook.cells.insert(1, twin)
    two.metadata.nbgrader.points = 0


def hand_in(folder, lesson, student, *changes):
    """A student's submission: what was released, with changes."""
    notebook = nbformat.read(folder / "release" / lesson / f"{lesson}.ipynb", 4)
    for change in changes:
        change(notebook)
    path = folder / "submitted" / student / lesson / f"{lesson}.ipynb"
    path.parent.mkdir(parents=True)
    nbformat.write(notebook, path)


def scores(folder, lesson):
    """{student: score} in the gradebook, and the lesson's points; nothing may wait for a hand to grade it."""
    with Gradebook(f"sqlite:///{folder}/gradebook.db") as book:
        submissions = book.assignment_submissions(lesson)
        assert not any(one.needs_manual_grade for one in submissions)
        return {one.student.id: one.score for one in submissions}, submissions[0].max_score


def told(folder, lesson, student, number):
    """What a graded cell says at its end."""
    cell = graded(nbformat.read(folder / "autograded" / student / lesson / f"{lesson}.ipynb", 4), number)
    return cell.outputs[-1].get("evalue") or cell.outputs[-1]["text"]


# --- tests -----------------------------------------------------------------------------------------------------------

def test_every_check_draws_cases_that_can_be_exchanged():
    drawn = torch.rand(3, generator=seeded(7))
    with pytest.raises(KeyError), other_numbers(2):
        assert not torch.equal(torch.rand(3, generator=seeded(7)), drawn)
        raise KeyError
    assert torch.equal(torch.rand(3, generator=seeded(7)), drawn)
    elsewhere = [path.name for path in (ROOT / "nst_lessons/checks").glob("*.py") if "Generator(" in path.read_text()]
    assert elsewhere == ["verdict.py"]


BY_ORACLE = {checks.check_receptive_field: lesson02._field, checks.check_has_converged: lambda losses, tolerance=1e-4, window=20:
             lesson05._converged(losses, tolerance, window), checks.check_combinations: lesson07._nested,
             checks.check_cut: lambda text, words: lesson15._cut(text, words=words)}


@pytest.mark.parametrize("check", BY_ORACLE, ids=lambda check: check.__name__)
def test_what_an_exercise_asks_of_lists_and_texts_is_exchanged_too(check):
    known, right = {}, BY_ORACLE[check]
    check(lambda *args: copy.deepcopy(known.setdefault(repr(args), right(*args))))
    with other_numbers(3):
        check(right)
        with pytest.raises(Wrong):
            check(lambda *args: copy.deepcopy(known.get(repr(args), "another")))


def handed_in(*answers):
    """What `hand_in` puts into a cell's output."""
    return base64.b64encode(cloudpickle.dumps(answers)).decode()


def test_an_answer_has_its_time_and_ends_with_its_process():
    assert judge(handed_in(lambda act: act), "check_gram_by_einsum", [], seconds=0.2) == "your function had not finished after 0.2 s"
    assert judge("no answer", "check_gram_by_einsum", []).startswith("your function stops with ")
    assert judge(handed_in(nst_lessons.gram_matrix), "check_gram_by_einsum", range(1, 4)) is None


def test_the_time_plan_says_what_the_notebooks_say():
    rows = re.findall(r"\| (\d\d_?) ?(\w+) \| (\d+) \| (\d+) \| (\d+) \|", (ROOT / "docs/teaching.md").read_text())
    found = {f"{number}_{name}": tuple(map(int, numbers)) for number, name, *numbers in rows}
    wanted = {}
    for name, source in LESSONS.items():
        tasks = re.findall(r"^# ([●○]{3}) · (\d+) minutes", source.read_text(), re.MULTILINE)
        alone = re.search(r"^# (\d+) minutes", source.read_text(), re.MULTILINE)[1]
        wanted[name] = int(alone), sum(int(minutes) for _, minutes in tasks), sum(stars.count("●") for stars, _ in tasks)
    assert found == wanted


@pytest.mark.parametrize("lesson", LESSONS)
def test_what_is_released_reads_as_the_lesson_does(course, lesson, monkeypatch):
    monkeypatch.setattr(notebooks, "REPOSITORY", None)                # links to Colab are for the public notebooks
    release, source = (nbformat.read(course / kind / lesson / f"{lesson}.ipynb", 4) for kind in ("release", "source"))
    learners, solved = notebooks.build(LESSONS[lesson]), notebooks.build(LESSONS[lesson], solved=True)
    assert [(cell.cell_type, cell.source) for cell in release.cells] == [(cell.cell_type, cell.source) for cell in learners.cells]
    assert not any(cell.get("outputs") for cell in release.cells)
    for word in ("SOLUTION", "FAULTY", "HIDDEN", "hand_in", '"stub"'):
        assert word not in nbformat.writes(release)
    text = "\n".join(cell.source for cell in learners.cells)
    for number in notebooks.exercises(learners):
        check, stars = graded(release, number), re.search(rf"Exercise {number} .*\n([●○]+)", text)[1]
        assert check.metadata.nbgrader.points == stars.count("●") > 0 and check.metadata.editable is False
        hidden = graded(source, number).source.splitlines()
        assert hidden[0] == check.source and hidden[1] == "### BEGIN HIDDEN TESTS" and hidden[-1] == "### END HIDDEN TESTS"
        assert hidden[-2] == "hand_in(" + check.source.split("(", 1)[1]
    markers = re.compile(r"[ \t]*### (BEGIN|END) SOLUTION.*\n?")
    assert {number: markers.sub("", cell.source).rstrip("\n") for number, cell in answers(source).items()} == \
        {cell.metadata["exercise"]: cell.source for cell in solved.cells if "exercise" in cell.metadata}


def test_a_new_build_keeps_what_is_the_teachers(course, capsys):
    settings, mine = course / "nbgrader_config.py", course / "submitted" / "anna" / "02_what_a_network_sees" / "notes.txt"
    settings.write_text(settings.read_text() + "c.Judge.seconds = 60\n")
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    kept, book = settings.read_text(), (course / "gradebook.db").stat().st_ino
    tool.main(["--folder", str(course), "02"])
    assert settings.read_text() == kept and mine.read_text() == "mine" and (course / "gradebook.db").stat().st_ino == book
    assert "02_what_a_network_sees" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        tool.main(["--folder", str(course), "99"])
    assert "no lesson 99; there are 01_pictures_as_tensors, " in capsys.readouterr().err


class Agrees(torch.Tensor):
    """Says of itself that it is right."""

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        return True if function is torch.allclose else super().__torch_function__(function, types, args, kwargs or {})


def test_a_tensor_that_says_of_itself_that_it_is_right_is_refused():
    with pytest.raises(Wrong, match="is a Agrees; a plain torch.Tensor is wanted"):
        checks.check_gram_by_einsum(lambda act: torch.zeros(len(act), act.shape[1], act.shape[1]).as_subclass(Agrees))


ONE_MORE = """# %% [markdown]
# ## Exercise 3.9 · One more
# ●○○ · 1 minutes
# %% exercise="3.9"
def one_more(act):
    ### BEGIN SOLUTION
    return act
    ### END SOLUTION
# %%
check_gram_by_einsum(one_more)
"""


def test_answers_score_and_cheats_do_not(course, tmp_path, monkeypatch):
    lesson = "03_gram_matrices"
    for change in (clumsy, overwrites, patches, skips, crooked):
        hand_in(course, lesson, change.__name__, thin, change)
    code, said = nbgrader(course, "autograde", lesson)
    assert code == 0, said
    assert scores(course, lesson) == ({"clumsy": 5, "overwrites": 0, "patches": 0, "skips": 0, "crooked": 0}, 5)
    for number in NONSENSE:
        assert "changes the tools that it is measured with: " in told(course, lesson, "patches", number)
        assert "did not run to its end" in told(course, lesson, "skips", number)
    assert "is not right" in told(course, lesson, "overwrites", "3.2")
    assert "asked with other numbers than in the lesson" in told(course, lesson, "crooked", "3.1")
    assert told(course, lesson, "crooked", "3.2") == "your function changes the tools that it is measured with: torch.allclose"
    assert told(course, lesson, "crooked", "3.3") == "your function ended the process that tried it"
    (tmp_path / f"{lesson}.py").write_text(LESSONS[lesson].read_text() + ONE_MORE)
    monkeypatch.setattr(notebooks, "SOURCES", tmp_path)
    with pytest.raises(SystemExit, match="nbgrader made no release of it: Cannot add or remove cells for notebook '03_gram_matrices'"):
        tool.main(["--folder", str(course)])                          # an exercise more, after submissions were graded


def test_a_whole_lesson_is_graded_and_says_why(course):
    """As in a class: the released notebook as it is, and a solved one; then the grades as a table, and the pages for students."""
    lesson = "01_pictures_as_tensors"
    hand_in(course, lesson, "empty")
    hand_in(course, lesson, "solved", lambda notebook: solve(notebook, lesson))
    code, said = nbgrader(course, "autograde", lesson)
    assert code == 0, said
    assert scores(course, lesson) == ({"empty": 0, "solved": 6}, 6)
    whole = nbformat.read(course / "autograded" / "solved" / lesson / f"{lesson}.ipynb", 4)
    assert [output.evalue for cell in whole.cells for output in cell.get("outputs", []) if output.output_type == "error"] == []
    code, said = nbgrader(course, "export")
    assert code == 0, said
    with open(course / "grades.csv", newline="") as file:
        points = {row["student_id"]: float(row["score"]) for row in csv.DictReader(file) if row["assignment"] == lesson}
    assert points["empty"] == 0 and points["solved"] == 6
    code, said = nbgrader(course, "generate_feedback", lesson)
    assert code == 0, said
    page = (course / "feedback" / "empty" / lesson / f"{lesson}.html").read_text()
    assert "Exercise 1.1 is not written yet" in page and "(Score: 0.0 / 6.0)" in page
    tool.main(["--folder", str(course), "01"])                        # built again after it was graded
    assert scores(course, lesson) == ({"empty": 0, "solved": 6}, 6)
