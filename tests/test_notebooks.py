"""The lessons: what is stored, how long, that they run anywhere."""

import ast
import itertools
import json
import re
import statistics
from collections import Counter

import pytest

from day37.device import cpu_name
from day37.exercises.checking import exercises
from day37.faster import ladder
from day37.machines import record as recorder
from tests.notebooks import (
    LESSONS,
    NAMES,
    RESET,
    ROOT,
    SHORT,
    code,
    errors,
    headings,
    read,
    replace_parameters,
    run,
    shorten,
    tags,
    topics,
    without_exercises,
)

each_lesson = pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
QUESTIONS = [
    "# 1. How long does training take on the CPU, and how do we know?",
    "# 2. What does it take to move training to a GPU, and is it faster?",
    "# 3. Why is the GPU slower? Where a step's time goes",
    "# 4. How often may we look at the loss?",
    "# 5. Why can we write `model(x)`?",
]


def test_the_five_lessons_are_there():
    assert [path.stem for path in LESSONS] == NAMES
    assert [read(path).cells[0].source.split("\n")[0] for path in LESSONS] == QUESTIONS


@each_lesson
def test_nothing_is_stored_that_running_leaves_behind(path):
    stored = json.loads(path.read_text(encoding="utf-8"))
    assert all(
        c["outputs"] == [] and c["execution_count"] is None
        for c in stored["cells"]
        if c["cell_type"] == "code"
    )
    assert all(set(c["metadata"]) <= {"tags"} and "attachments" not in c for c in stored["cells"])
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    assert stored["metadata"] == {"kernelspec": kernel, "language_info": {"name": "python"}}
    assert (stored["nbformat"], stored["nbformat_minor"]) == (4, 5)
    ids = [c["id"] for c in stored["cells"]]
    assert len(set(ids)) == len(ids)
    used = {tag for cell in stored["cells"] for tag in cell["metadata"].get("tags", [])}
    assert not used & {"raises-exception", "skip-execution"}


def draws(source):
    """Whether a cell makes a figure."""
    calls = r"\b(plot|plot_seconds|new_axes|from_predictions)\(|\bplt\.(?!style)"
    return re.search(calls, source) is not None


def texts(cells):
    return [cell for cell in cells if cell.cell_type == "markdown"]


def codes(cells):
    return [cell for cell in cells if cell.cell_type == "code"]


def count_words(cells):
    return [len(re.findall(r"\w[\w'.`()-]*", cell.source)) for cell in texts(cells)]


def lines_of_code(cells):
    return [[x for x in cell.source.splitlines() if x.strip()] for cell in codes(cells)]


@each_lesson
def test_the_budgets(path):
    lesson = read(path)
    cells = without_exercises(lesson)
    words = count_words(lesson.cells)
    lines = lines_of_code(cells)
    heights = [len(cell) for cell in lines]
    figures = [i for i, c in enumerate(cells) if c.cell_type == "code" and draws(c.source)]
    topic_count = len(topics(lesson))
    assert 4 <= topic_count <= 6
    assert 26 <= len(cells) <= 36
    assert statistics.median(heights) <= 4 and max(heights) <= 20
    assert max(len(line) for line in itertools.chain(*lines)) <= 79
    assert statistics.median(words) <= 40 and max(words) <= 120
    assert 900 <= sum(words) <= 1300
    assert 3 <= len(figures) <= 5 and figures[0] < 9


@each_lesson
def test_the_budgets_of_the_exercises(path):
    lesson = read(path)
    *_, begin, end = headings(lesson)
    cells = lesson.cells[begin:end]
    asked = [cell.source for cell in cells if "check(" in cell.source]
    numbers = [re.search(r"^### (\d\.\d) ", cell.source)[1] for cell in texts(cells)[1:]]
    assert numbers == [n for n in exercises() if n[0] == path.name[1]]
    assert [source.splitlines()[-1][:11] for source in asked] == [f'check("{n}"' for n in numbers]
    assert 3 <= len(asked) <= 4
    assert max(count_words(cells)) <= 120
    lines = lines_of_code(cells)
    assert max(len(line) for line in itertools.chain(*lines)) <= 79
    assert max(map(len, lines)) <= 20


@each_lesson
def test_the_shape(path):
    cells = read(path).cells
    assert {"LIVE", "RECORDED", "minutes"} <= set(re.findall(r"\w+", cells[0].source))
    assert [c.cell_type for c in cells[:6]] == ["markdown", *["code"] * 3, "markdown", "code"]
    assert [i for i, cell in enumerate(cells) if "parameters" in tags(cell)] == [2]
    assert [i for i in (1, 2, 3, 5) if "setup" not in tags(cells[i])] == []
    assert "describe_machine()" in cells[3].source and cells[5].source.startswith("guess_")
    guess, *_, exercises, last = headings(read(path))
    assert (guess, last) == (4, len(cells) - 1)
    named = {guess: "Your guess", exercises: "Exercises", last: "What you have learned"}
    assert all(cells[i].source.startswith(f"## {name}\n") for i, name in named.items())


@each_lesson
def test_the_parameters_are_plain_values(path):
    for statement in ast.parse(read(path).cells[2].source).body:
        assert isinstance(statement, ast.Assign), statement.lineno
        ast.literal_eval(statement.value)


COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp)


def hard_to_read(tree):
    """What a beginner has not met yet: its line, and what it is."""
    for node in ast.walk(tree):
        parts = list(ast.iter_child_nodes(node))
        name = getattr(getattr(node, "func", None), "id", "")
        if name == "print" and any(isinstance(part, ast.Starred) for part in parts):
            yield node.lineno, "a star in print"
        if isinstance(node, ast.Starred) and isinstance(node.ctx, ast.Store):
            yield node.lineno, "a star in a target"
        if isinstance(node, ast.GeneratorExp | ast.NamedExpr):
            yield node.lineno, "a generator or a walrus"
        if isinstance(node, COMPREHENSIONS):
            inside = [part for part in ast.walk(node) if isinstance(part, COMPREHENSIONS)]
            if len(inside) > 1 or len(node.generators) > 1:
                yield node.lineno, "a nested comprehension"
        if isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.BitOr):
            names = [getattr(getattr(part, "func", None), "id", "") for part in parts]
            if "dict" in names or any(isinstance(part, ast.Dict | ast.DictComp) for part in parts):
                yield node.lineno, "a union of dicts"


@each_lesson
def test_a_beginner_can_read_the_code(path):
    found = [
        (c.id, hard) for c in codes(read(path).cells) for hard in hard_to_read(ast.parse(code(c)))
    ]
    assert found == []


@each_lesson
def test_each_topic_ends_in_one_bold_sentence(path):
    for topic in topics(read(path)):
        *_, last = [cell for cell in topic if cell.cell_type == "markdown"]
        bold = re.findall(r"\*\*(.+?)\*\*", last.source)
        assert len(bold) == 1 and last.source.endswith(f"**{bold[0]}**"), last.id
        assert bold[0][-1] in ".?!", last.id


@each_lesson
def test_a_figure_in_the_text_has_a_source(path):
    """What this machine measures is printed by a cell, and never typed."""
    unit = r"(?:s|ms|µs|us|ns|(?:milli|micro)?seconds?|%|per cent|GB/s|GFLOP/s|times (?:as|more))"
    source = r"RECORDED|[Pp]ublished|specification|confidence|sleep|https?://"
    for cell in texts(read(path).cells)[1:]:
        if not re.search(source, cell.source):
            assert not re.findall(rf"\d[\d.,]*\s?{unit}(?!\w)", cell.source), cell.id


def readme_table(header):
    """The rows of the README's table whose header begins so, as lists of their columns."""
    lines = iter((ROOT / "README.md").read_text(encoding="utf-8").splitlines())
    assert any(line.startswith(header) for line in lines), header
    next(lines)  # the dashes
    rows = itertools.takewhile(lambda line: line.startswith("|"), lines)
    return [[column.strip() for column in row.strip("|").split("|")] for row in rows]


def test_the_readme_has_the_questions_and_minutes_of_the_lessons():
    titles = [read(path).cells[0].source for path in LESSONS]
    found = [(title.split("\n")[0][5:], re.search(r"(\d+) minutes", title)[1]) for title in titles]
    assert [tuple(row[1:3]) for row in readme_table("| lesson | question | minutes |")] == found


def prose(path):
    """A lesson's text from the guess on, without headings and code."""
    cells = read(path).cells[4:]
    text = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    return re.sub(r"^#+ [^\n]*|`[^`]*`", "", text, flags=re.MULTILINE)


def test_each_term_is_marked_where_it_first_stands():
    rows = readme_table("| English | 中文 | lesson | what it is |")
    text = [prose(path) for path in LESSONS]
    for english, chinese, lesson, meaning in rows:
        term = re.split("[(,]", english)[0].strip(" *`")
        word = rf"(?<!\w){re.escape(term)}s?(?!\w)".replace(r"\ ", r"\s+")
        number = int(lesson)
        before = [i for i in range(1, number) if re.search(word, text[i - 1], re.IGNORECASE)]
        first = re.search(word, text[number - 1], re.IGNORECASE)
        mark = re.search(rf"(?<!\*)\*{word}\*(?!\*)", text[number - 1], re.IGNORECASE)
        assert before == [], f"{term}: lesson {number} explains it, {before} use it"
        assert mark is not None, f"{term}: no mark in lesson {number}"
        assert mark.start() + 1 == first.start(), f"{term}: used before its mark"
        assert re.search("[\u4e00-\u9fff]", chinese) and meaning, term
    assert max(Counter(row[2] for row in rows).values()) <= 8


@pytest.fixture(scope="module")
def gpu_recording(tmp_path_factory):
    """A folder with a recording of a reader's GPU: made here, the CPU by the name of a GPU."""
    folder = tmp_path_factory.mktemp("recordings")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recorder, "ROWS", [30, 120])
        patch.setattr(recorder, "WIDTHS", [5, 10])
        patch.setattr(ladder, "WAYS", ladder.WAYS[:2])
        recorder.record(folder / "gpu.json", devices=["cpu"], epochs=200, short=200)
    text = (folder / "gpu.json").read_text(encoding="utf-8")
    text = text.replace('"device": "cpu"', '"device": "cuda:0"').replace('"cpu": {', '"cuda:0": {')
    (folder / "gpu.json").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def ran(tmp_path_factory, gpu_recording):
    """Each lesson run once, in the hardest way, and what it left in its folder.

    Each cell twice in a row, then all once more from the last to the first; in an empty folder,
    without the network, ipywidgets, numba and a compiler, with a recording of a GPU, and on a
    device that is not "cpu" by name: "cpu:0". The cells take that for an accelerator, and torch
    computes on it anywhere. pytest --nbmake runs the lessons as they are.
    """
    first = f"recording.FOLDER = pathlib.Path({str(gpu_recording)!r})\n"
    done = {}

    def run_once(path):
        if path not in done:
            folder = tmp_path_factory.mktemp("lesson")
            lesson = read(path)
            replace_parameters(lesson, EPOCHS=SHORT, DEVICE="cpu:0")
            cells = codes(lesson.cells)
            twice = [cell for cell in cells for _ in range(2)]
            cells = run([*twice, *reversed(cells)], folder, first=first)
            done[path] = cells[: len(twice)], cells[len(twice) :], list(folder.iterdir())
        return done[path]

    return run_once


@pytest.mark.slow
@each_lesson
def test_each_cell_may_run_twice_in_any_folder_and_is_silent_on_stderr(path, ran):
    cells, _, left = ran(path)
    assert errors(cells) == []
    assert left == []
    assert "".join(printed(cell, "stderr") for cell in cells) == ""


@pytest.mark.slow
@each_lesson
def test_from_the_last_cell_to_the_first_all_losses_and_counts_are_the_same(path, ran):
    cells, again, _ = ran(path)
    assert errors(again) == []
    for once, twice, back in zip(cells[::2], cells[1::2], reversed(again), strict=True):
        assert steady(once) == steady(twice) == steady(back), once.metadata.of


@pytest.mark.slow
@each_lesson
def test_a_topic_needs_the_set_up_before_it_and_no_other_topic(path, tmp_path):
    lesson = read(path)
    shorten(lesson)
    cells = []
    for topic in topics(lesson):
        before = lesson.cells[: lesson.cells.index(topic[0])]
        cells += [RESET, *(cell for cell in before if "setup" in tags(cell)), *topic]
    assert errors(run(cells, tmp_path)) == []


@pytest.mark.slow
@each_lesson
def test_without_ipywidgets_each_control_says_so_and_the_still_figures_stand(path, ran):
    cells, *_ = ran(path)
    controls = [c for c in cells if re.search(r"\b(explore|TrainingConsole)\(", c.source)]
    assert all("ipywidgets is not installed" in str(cell.outputs) for cell in controls)
    assert len(controls) == (0 if path is LESSONS[1] else 2)  # one a lesson, its cell run twice
    drawn = [cell.metadata.of for cell in cells if "image/" in str(cell.outputs)]
    assert drawn == [cell.metadata.of for cell in cells if draws(cell.source)]


@pytest.mark.slow
@pytest.mark.parametrize("path", LESSONS[1:4], ids=lambda path: path.stem)
def test_a_second_device_and_a_recorded_gpu_are_shown(path, ran):
    cells, *_ = ran(path)
    text = "".join(map(printed, cells))
    results = [output.data for cell in cells for output in cell.outputs if "data" in output]
    drawn = "".join(data.get("image/svg+xml", "") for data in results)
    assert "99% interval" in text if path is LESSONS[1] else "cpu:0" in text + drawn
    assert f"RECORDED, {cpu_name()} (cuda:0)" in (drawn if path is LESSONS[1] else text)


@pytest.mark.slow
def test_without_numba_and_a_compiler_lesson_3_says_so(ran):
    said = {cell.metadata.of: printed(cell) for cell in ran(LESSONS[2])[0]}
    assert "numba is not installed" in said["one-function-run"]
    assert "compiler" in said["compile"]


def printed(cell, stream="stdout"):
    return "".join(o.text for o in cell.outputs if o.get("name") == stream)


SAME = r"(?:loss|accuracy|library) \d\.\d{3,}|^\d+(?: \d+)?$|True|False|torch\.Size\(.*?\)"
SAME += r"|\d[\d,]* (?:parameters|operations|floating|reads)"


def steady(cell):
    """What is printed and must be the same each time: losses, accuracies, counts and shapes."""
    return re.findall(SAME, printed(cell), re.MULTILINE)
