"""Grading, nbgrader's part: three steps of ours among its own. `classroom/nbgrader_config.py` puts them there.

Stubs replaces nbgrader's ClearSolutions, so that a released exercise reads as in the lesson. Restore makes what was handed in the teacher's
notebook again, but for the answers. Judge comes after the execution: a cell earns its points when the check, run by `judge` in a process
of the teacher's, accepts what the notebook has handed in.
"""
import re

from nbformat.v4 import new_code_cell, new_markdown_cell, new_output
from nbconvert.preprocessors import ClearMetadataPreprocessor
from nbgrader import preprocessors, utils
from nbgrader.api import Gradebook
from nbgrader.preprocessors import NbGraderPreprocessor
from traitlets import Integer

from .judge import MIME, judge


class Stubs(preprocessors.ClearSolutions):
    """Puts into each exercise what learners get in the lesson: its own stub, or the lines to be mended."""

    def _replace_solution_region(self, cell, language):
        replaced, stub = super()._replace_solution_region(cell, language), cell.metadata.pop("stub", None)
        if replaced and stub is not None:
            cell.source = stub
        return replaced


class Restore(NbGraderPreprocessor):
    """Makes the graded cells of a submission the teacher's again, in place of nbgrader's DeduplicateIds and OverwriteCells.

    Whatever a submission says of its own cells (points, kinds) is replaced by what the gradebook says. A locked cell that was changed is as
    it was; one that was deleted comes back behind its answer, or at the end; of a cell that is there twice, the last one counts.
    """

    def preprocess(self, notebook, resources):
        """Restores one submitted notebook."""
        with Gradebook(resources["nbgrader"]["db_url"]) as gradebook:
            released = gradebook.find_notebook(resources["nbgrader"]["notebook"], resources["nbgrader"]["assignment"])
            points, answers = {cell.name: cell.max_score for cell in released.grade_cells}, {cell.name for cell in released.solution_cells}
            wanted = {cell.name: (cell.source, _marked(cell, cell.name in answers, points.get(cell.name))) for cell in released.source_cells}
        there = {}
        for cell in notebook.cells:
            name = _name(cell.metadata.pop("nbgrader", None))
            if name in wanted and cell.cell_type == wanted[name][1]["cell_type"]:
                there[name] = cell
        last = None
        for name, (source, marked) in wanted.items():
            if name not in there and marked["locked"]:
                there[name] = new_code_cell() if marked["cell_type"] == "code" else new_markdown_cell()
                notebook.cells.insert(len(notebook.cells) if last is None else 1 + _place(notebook, last), there[name])
            last = there.get(name)
            if last is not None:
                last.metadata["nbgrader"], last.source = marked, source if marked["locked"] else last.source
        return notebook, resources


def _name(marked):
    """The grade_id that a submitted cell claims."""
    return marked.get("grade_id") if isinstance(marked, dict) else None


def _place(notebook, wanted):
    """Where in the notebook this very cell stands."""
    return next(number for number, cell in enumerate(notebook.cells) if cell is wanted)


def _marked(cell, answer, points):
    """nbgrader's metadata, in its schema 3, of a cell in the gradebook; points: None for one that is not graded."""
    return {"grade": points is not None, "solution": answer, "task": False, "locked": cell.locked, "schema_version": 3, "grade_id": cell.name,
            "cell_type": cell.cell_type, "checksum": cell.checksum, **({} if points is None else {"points": points})}


class Judge(NbGraderPreprocessor):
    """Lets an exercise's check try what its graded cell has handed in, and writes into that cell why it was refused."""

    numbers = Integer(1, help="Which other random cases an answer must pass, besides those of the lesson: 1 to 99").tag(config=True)
    seconds = Integer(120, help="How long one exercise may take").tag(config=True)

    def preprocess_cell(self, cell, resources, index):
        """Judges one cell, when it is the graded one of an exercise."""
        check = re.search(r"^(check_\w+)\(", cell.source, re.MULTILINE)
        if cell.cell_type == "code" and utils.is_grade(cell) and check:
            cell.outputs = self._judged(cell.outputs, check[1])
        return cell, resources

    def _judged(self, outputs, check):
        """The outputs without what was handed in, and with an error at their end unless the check accepts that.

        nbgrader gives all points where it finds no error, and none for a warning on stderr; a result would count as so many points.
        """
        handed_in = [output.data[MIME] for output in outputs if MIME in output.get("data", {})]
        kept = [output for output in outputs if output.output_type in ("stream", "error")]
        for output in kept:
            output.update({"name": "stdout"} if output.output_type == "stream" else {})
        if any(output.output_type == "error" for output in kept):
            return kept
        why = judge(handed_in[-1], check, [self.numbers], self.seconds) if handed_in else \
            "this check did not run to its end, because the notebook prevents it"
        return kept + [new_output("error", ename="Wrong", evalue=why, traceback=[f"✗ {why}"])] if why else kept


# The steps of `nbgrader generate_assignment` and of `nbgrader autograde`, before and after it executes, as nbgrader has them but for ours.
GENERATE = [preprocessors.IncludeHeaderFooter, preprocessors.LockCells, Stubs, preprocessors.ClearOutput, preprocessors.CheckCellMetadata,
            preprocessors.ComputeChecksums, preprocessors.SaveCells, preprocessors.ClearHiddenTests, preprocessors.ClearMarkScheme,
            preprocessors.ComputeChecksums, preprocessors.CheckCellMetadata]
SANITIZE = [preprocessors.ClearOutput, Restore, preprocessors.OverwriteKernelspec, preprocessors.CheckCellMetadata]
AUTOGRADE = [preprocessors.Execute, Judge, preprocessors.IgnorePattern, ClearMetadataPreprocessor, preprocessors.LimitOutput,
             preprocessors.SaveAutoGrades, preprocessors.AssignLatePenalties, preprocessors.CheckCellMetadata]
