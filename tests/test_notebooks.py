"""The lessons: what is stored, how long, that they run anywhere; cell and library agree."""

import json
import re
import shutil
import statistics

import pytest
import torch

from day37 import (
    MLP,
    Adder,
    Counter,
    EarlyStopping,
    fit_cost,
    load_iris,
    measure,
    measure_floor,
    timing,
    trace_calls,
    train,
    train_and_keep,
)
from day37.device import cpu_name
from day37.experiments.phases import split_step
from day37.faster import ladder
from day37.machines import record as recorder
from day37.machines.recording import FOLDER, PUBLISHED
from tests.experiments.test_reads import made_up
from tests.notebooks import LESSONS, LIGHT, NAMES, read, run, tags, taught

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


# Every function that a cell teaches, against the library's: tag → (lesson, comparison).
def compare_data(names):
    split = load_iris()
    for name in ("x_train", "y_train", "x_test", "y_test"):
        assert torch.equal(names[name], getattr(split, name))


def compare_model(names):
    torch.manual_seed(3)
    taught_model = names["MLP"]()
    torch.manual_seed(3)
    assert str(taught_model) == str(MLP())
    torch.manual_seed(3)
    state = MLP().state_dict()
    assert all(torch.equal(value, state[key]) for key, value in taught_model.state_dict().items())


def compare_train(names):
    torch.manual_seed(names["SEED"])
    model = MLP()
    run = train(model, load_iris(), epochs=names["EPOCHS"], progress=False)
    assert len(run.losses) == 20_000
    assert list(run.losses) == names["losses"]
    assert all(
        torch.equal(a, b)
        for a, b in zip(model.parameters(), names["model"].parameters(), strict=True)
    )


def compare_measure(names, monkeypatch):
    ticks = iter(range(10_000))
    durations = [5, 4, 3, 2, 1, 7]

    def taking(seconds):
        def fn():
            for _ in range(seconds):
                next(ticks)

        return fn

    def series():
        work = iter(map(taking, durations))
        return lambda: next(work)()

    monkeypatch.setattr(names["time"], "perf_counter", lambda: next(ticks))
    by_hand = names["measure_by_hand"](series(), warmup=2, repeats=4)
    monkeypatch.setattr(timing, "clock", lambda: next(ticks))
    measured = measure(series(), warmup=2, repeats=4)
    # The library's watch reads its clock once more, before the last synchronisation.
    assert by_hand == [sample - 1 for sample in measured.samples] == [4, 3, 2, 8]


def compare_move(names):
    split = load_iris(names["DEVICE"])
    assert torch.equal(names["x_train"], split.x_train)
    assert names["x_train"].device == split.device == next(names["model"].parameters()).device


def compare_phases(names):
    torch.manual_seed(names["SEED"])
    model = MLP()
    phases = split_step(model, load_iris())
    for _ in range(3):  # as often as the cell has done
        for phase in phases.values():
            phase()
    assert len(names["timed_step"]()) == len(phases)
    for phase in phases.values():
        phase()
    assert all(
        torch.equal(a, b)
        for a, b in zip(model.parameters(), names["model"].parameters(), strict=True)
    )


def compare_flops(names):
    assert names["flops"] == measure_floor(MLP(), load_iris(), size=8, repeats=1).flops


def compare_fit(names):
    sweep = made_up(0.01, 650e-6, 190e-6)
    cost = fit_cost(sweep)
    assert list(names["fit_by_hand"](sweep.runs)) == pytest.approx(
        [cost.fixed.value, cost.a.value, cost.b.value], rel=1e-6
    )


def compare_keep(names):
    torch.manual_seed(names["SEED"])
    run = train_and_keep(MLP(), load_iris(), epochs=names["EPOCHS"], progress=False)
    assert list(run.losses) == names["kept_losses"]


def compare_counter(names):
    ours, theirs = names["Counter"](), Counter()
    assert [(ours(), ours.count) for _ in range(3)] == [(theirs(), theirs.count) for _ in range(3)]


def compare_adder(names, capsys):
    answers = [(make()(3, 5), capsys.readouterr().out) for make in (names["Adder"], Adder)]
    assert answers[0] == answers[1] == (8, "唱跳篮球rap\n")


def compare_stopping(names):
    losses = [1.0, 0.9, 0.905, 0.85, 0.849, 0.848, 0.847, 0.5]
    for how in ({}, {"patience": 2, "min_delta": 0.01}, {"patience": 1}):
        ours, theirs = names["EarlyStopping"](**how), EarlyStopping(**how)
        assert [ours(i, loss) for i, loss in enumerate(losses)] == [
            theirs(i, loss) for i, loss in enumerate(losses)
        ]
        assert (ours.best, ours.waited) == (theirs.best, theirs.waited)


def compare_trace(names):
    model, x = MLP(), torch.zeros(2, 4)
    of = dict(model.named_modules())
    calls = [call for _, call in trace_calls(model, x).walk()]
    named = [
        f"{type(of[call.owner.split(' ')[0].replace('model', '')]).__name__}.{call.kind}"
        for call in calls
    ]
    assert names["trace_by_hand"](model, x) == named


COMPARISONS = {
    "taught-data": (0, compare_data),
    "taught-model": (0, compare_model),
    "taught-train": (0, compare_train),
    "taught-measure": (0, compare_measure),
    "taught-move": (1, compare_move),
    "taught-phases": (2, compare_phases),
    "taught-flops": (2, compare_flops),
    "taught-fit": (3, compare_fit),
    "taught-keep": (3, compare_keep),
    "taught-counter": (4, compare_counter),
    "taught-adder": (4, compare_adder),
    "taught-stopping": (4, compare_stopping),
    "taught-trace": (4, compare_trace),
}


def test_every_taught_cell_has_its_comparison():
    found = {
        tag
        for path in LESSONS
        for cell in read(path).cells
        for tag in tags(cell)
        if tag.startswith("taught-")
    }
    assert found == set(COMPARISONS)


SLOW = {"taught-train"}  # it trains twice, in full


@pytest.mark.parametrize(
    "tag", [pytest.param(t, marks=[pytest.mark.slow] if t in SLOW else []) for t in COMPARISONS]
)
def test_the_library_does_what_the_cell_teaches(tag, monkeypatch, capsys):
    lesson, comparison = COMPARISONS[tag]
    names = taught(LESSONS[lesson], tag, **({} if tag == "taught-train" else {"EPOCHS": 300}))
    capsys.readouterr()
    offered = {"monkeypatch": monkeypatch, "capsys": capsys}
    wanted = comparison.__code__.co_varnames[1 : comparison.__code__.co_argcount]
    comparison(names, **{name: offered[name] for name in wanted})
