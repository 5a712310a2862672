"""The solutions are right, the lessons' frames are empty, and both ask for the same names."""

import ast
import contextlib
import io
import json

import pytest

from day37.exercises.checking import check, exercises
from tests.exercises.marking import passes
from tests.notebooks import LESSONS, SOLUTIONS, read

NUMBERS = list(exercises())


def asking(notebook):
    """The cells that end in a check, by the exercise's number, with the name that is handed over.

    The name is None for an answer that is no name.
    """
    for cell in notebook.cells:
        if cell.cell_type == "code" and "check(" in cell.source:
            call = ast.parse(cell.source).body[-1].value
            yield call.args[0].value, (cell, getattr(call.args[1], "id", None))


FRAMES = {number: found for path in LESSONS for number, found in asking(read(path))}
SOLVED = dict(asking(read(SOLUTIONS)))


def run_cell(cell):
    """The names after the solutions' imports and this cell."""
    names = {"__name__": "__main__"}
    (imports,) = [c for c in read(SOLUTIONS).cells if c.id == "imports"]
    for source in (imports.source, cell.source):
        with contextlib.redirect_stdout(io.StringIO()):
            exec(compile(source, cell.id, "exec"), names)
    return names


def test_each_exercise_stands_in_its_lesson_and_in_the_solutions():
    assert list(FRAMES) == NUMBERS == list(SOLVED)
    assert {number: name for number, (_, name) in FRAMES.items()} == {
        number: name for number, (_, name) in SOLVED.items()
    }
    assert len(NUMBERS) == len(set(NUMBERS)) >= 10


@pytest.mark.parametrize("number", NUMBERS)
def test_a_frame_was_not_tried_and_a_solution_is_right(number):
    cell, name = FRAMES[number]
    assert check(number, run_cell(cell)[name], save=False).solved is None
    cell, name = SOLVED[number]
    passes(number, run_cell(cell)[name])


@pytest.mark.parametrize("number", NUMBERS)
def test_a_solution_is_short_and_notes_nothing(number):
    cell, _ = SOLVED[number]
    lines = [line for line in cell.source.splitlines() if line.strip()]
    assert 3 <= len(lines) - 1 <= 16  # without the check; a class takes some more
    assert lines[-1].endswith("save=False)")
    assert max(map(len, lines)) <= 79


def test_the_solutions_are_stored_without_what_running_leaves_behind():
    stored = json.loads(SOLUTIONS.read_text(encoding="utf-8"))
    for cell in stored["cells"]:
        assert set(cell["metadata"]) <= {"tags"}
        if cell["cell_type"] == "code":
            assert (cell["outputs"], cell["execution_count"]) == ([], None)
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    assert stored["metadata"] == {"kernelspec": kernel, "language_info": {"name": "python"}}


def test_each_solution_says_why():
    cells = read(SOLUTIONS).cells
    for number, (cell, _) in SOLVED.items():
        why = cells[cells.index(cell) - 1]
        assert why.cell_type == "markdown" and why.source.startswith(f"### {number} ")
        assert len(why.source.split("\n\n", 1)[1].split()) >= 8
