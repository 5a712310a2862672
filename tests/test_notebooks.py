"""The lessons: what is stored, how long, that they run anywhere."""

import json
import re
import shutil
import statistics

import pytest

from day37.device import cpu_name
from day37.faster import ladder
from day37.machines import record as recorder
from day37.machines.recording import FOLDER, PUBLISHED
from tests.notebooks import LESSONS, LIGHT, NAMES, read, run, tags

each_lesson = pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
QUESTIONS = [
    "# 1. How long does training take on the CPU, and how do we know?",
    "# 2. What does it take to move training to a GPU, and is it faster?",
    "# 3. Where does a step's time go?",
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
    return re.search(r"\b(plot|plot_seconds|new_axes|from_predictions)\(", source) is not None


@each_lesson
def test_the_budgets(path):
    cells = read(path).cells
    texts = [
        len(re.findall(r"\w[\w'.`()-]*", c.source)) for c in cells if c.cell_type == "markdown"
    ]
    lines = [
        len([line for line in c.source.splitlines() if line.strip()])
        for c in cells
        if c.cell_type == "code"
    ]
    plots = [i for i, c in enumerate(cells) if c.cell_type == "code" and draws(c.source)]
    assert 25 <= len(cells) <= 40
    assert statistics.median(lines) <= 5 and max(lines) <= 25
    assert statistics.median(texts) <= 45 and max(texts) <= 120
    assert 800 <= sum(texts) <= 1300
    assert 3 <= len(plots) <= 5 and plots[0] < 9
    assert cells[0].cell_type == "markdown" and [c.cell_type for c in cells[1:4]] == ["code"] * 3
    assert [i for i, c in enumerate(cells) if "parameters" in tags(c)] == [2]
    assert "## Your guess" in cells[4].source and cells[5].source.startswith("guess_")
    assert "## Exercises" in cells[-3].source and "## What you have done" in cells[-2].source
    assert "guess_" in cells[-1].source and cells[-1].source.count("print(") >= 3


@each_lesson
def test_no_measured_figure_is_typed_into_the_text(path):
    unit = r"(?:s|ms|µs|us|ns|seconds?|milliseconds?|microseconds?|%|per cent|GB/s|GFLOP/s|times)"
    for cell in read(path).cells[1:]:
        if cell.cell_type == "markdown":
            assert not re.findall(rf"\d[\d.,]*\s?{unit}(?!\w)", cell.source), cell.id


@pytest.fixture(scope="module")
def gpu_recording(tmp_path_factory):
    """A folder with the published recording and one made here, the CPU by the name of a GPU."""
    folder = tmp_path_factory.mktemp("recordings")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recorder, "ROWS", [30, 120])
        patch.setattr(recorder, "WIDTHS", [5, 10])
        patch.setattr(ladder, "WAYS", ladder.WAYS[:2])
        recorder.record(folder / "gpu.json", devices=["cpu"], epochs=200, short=200)
    text = (folder / "gpu.json").read_text(encoding="utf-8")
    text = text.replace('"device": "cpu"', '"device": "cuda:0"').replace('"cpu": {', '"cuda:0": {')
    (folder / "gpu.json").write_text(text, encoding="utf-8")
    shutil.copy(FOLDER / PUBLISHED, folder)
    return folder


@pytest.fixture(scope="module")
def ran(tmp_path_factory, gpu_recording):
    """Each lesson run once, in the hardest way, and what it left in its folder.

    Each cell twice in a row, in an empty folder, without the network, without ipywidgets, with a
    recording of a GPU, and on a device that is not "cpu" by name: "cpu:0". The cells take that for
    an accelerator, and torch computes on it anywhere. What takes long is lighter (`LIGHT`); pytest
    --nbmake runs the lessons as they are.
    """
    first = LIGHT + f"recording.FOLDER = pathlib.Path({str(gpu_recording)!r})\n"
    done = {}

    def run_once(path):
        if path not in done:
            folder = tmp_path_factory.mktemp("lesson")
            notebook = run(path, folder, times=2, device="cpu:0", first=first)
            done[path] = notebook, list(folder.iterdir())
        return done[path]

    return run_once


@pytest.mark.slow
@each_lesson
def test_each_cell_may_run_twice_in_any_folder_and_is_silent_on_stderr(path, ran):
    notebook, left = ran(path)
    assert left == []
    assert printed(notebook, "stderr") == ""


@pytest.mark.slow
@each_lesson
def test_without_ipywidgets_each_control_says_so_and_the_still_figures_stand(path, ran):
    notebook, _ = ran(path)
    results = [o for cell in notebook.cells for o in cell.get("outputs", []) if "data" in o]
    says = [output.data.get("text/plain", "") for output in results]
    absent = [text for text in says if "ipywidgets is not installed" in text]
    assert len(absent) == (0 if path is LESSONS[1] else 2)  # a control a lesson, its cell run twice
    assert sum("image/png" in output.data for output in results) >= 3


@pytest.mark.slow
@pytest.mark.parametrize("path", LESSONS[1:4], ids=lambda path: path.stem)
def test_a_second_device_and_a_recorded_gpu_are_shown(path, ran):
    text = printed(ran(path)[0])
    branches = {"02_gpu_migration": "99% interval", "03_overhead_analysis": "  cpu:0"}
    assert branches.get(path.stem, "") in text
    if path is not LESSONS[1]:  # lesson 2 shows it as a bar of its last figure
        assert "RECORDED, " + cpu_name() + " (cuda:0)" in text


def printed(notebook, stream="stdout"):
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return "".join(output.get("text", "") for output in outputs if output.get("name") == stream)
