"""python -m day37 record and compare."""

import errno
import math
import os
import signal
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

from day37 import __main__ as commands
from day37.faster import ladder
from day37.machines import record as recorder
from day37.machines.record import Stage, record
from day37.machines.recording import Recording, load

SMALL = {"devices": ["cpu"], "epochs": 50, "short": 20}


@pytest.fixture
def quick(monkeypatch):
    """All stages, but few sizes and the ways that need no compiler."""
    copies = recorder.measure_copies
    account = recorder.measure_account
    sweep = recorder.sweep_reads
    monkeypatch.setattr(recorder, "ROWS", [30, 120])
    monkeypatch.setattr(recorder, "WIDTHS", [5, 10, 20])
    monkeypatch.setattr(recorder, "measure_growth", partial(recorder.measure_growth, repeats=1))
    monkeypatch.setattr(recorder, "measure_copies", partial(copies, sizes=[4, 400], repeats=2))
    monkeypatch.setattr(recorder, "measure_account", partial(account, steps=5))
    monkeypatch.setattr(recorder, "sweep_reads", partial(sweep, read_loss_every=[1, 5], repeats=2))
    monkeypatch.setattr(ladder, "WAYS", ladder.WAYS[:2])


def test_record_then_compare(quick, tmp_path, capsys):
    path = tmp_path / "here.json"
    assert record(path, **SMALL) == ("complete", 0)
    recording = load(path)
    assert "complete" in recording.source and recording.machine["torch"] == torch.__version__
    assert len(recording.runs["cpu"].losses) == 50
    kinds = ("accounts", "timelines", "copies", "launches", "sweeps", "ladders")
    assert all(list(getattr(recording, kind)) == ["cpu"] for kind in kinds)
    assert {key: growth.sizes for key, growth in recording.growths.items()} == {
        "rows": (30, 120),
        "width": (5, 10, 20),
    }
    assert all(growth.over == key for key, growth in recording.growths.items())
    capsys.readouterr()
    figure = tmp_path / "both.png"
    assert commands.main(["compare", str(path), str(path), "--figure", str(figure)]) == 0
    table = capsys.readouterr().out
    assert table.count(recording.machine["cpu"][:40]) == 2 and "cpu" in table
    assert figure.stat().st_size > 1000


def test_record_refuses_before_it_measures(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(recorder, "stages", lambda *_: pytest.fail("it has measured"))
    path = tmp_path / "mine.json"
    path.write_text("mine")
    assert commands.main(["record", "--out", str(path)]) == 2
    assert "--force" in capsys.readouterr().err
    assert path.read_text() == "mine"
    assert commands.main(["record", "--out", str(tmp_path / "no" / "folder.json")]) == 2
    assert "no folder that can be written to" in capsys.readouterr().err


ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="/proc, pipes, long names")
NOT_THERE = [
    ("nowhere/x", "nowhere is no folder"),
    ("a_file/x", "a_file is no folder"),
    ("a_folder", "a_folder{ending} is there and is no file"),
    pytest.param("a_pipe", "a_pipe{ending} is there and is no file", marks=ON_LINUX),
    pytest.param("/proc/x", "/proc/x{ending} cannot be written: ", marks=ON_LINUX),
    pytest.param("x" * 255, "cannot be written: File name too long", marks=ON_LINUX),
]


def bad_place(place, ending, folder):
    """A path at which nothing can be written."""
    path = folder / f"{place}{ending}"
    (folder / "a_file").write_text("mine")
    if place == "a_folder":
        path.mkdir()
    if place == "a_pipe":
        os.mkfifo(path)
    return path


@pytest.mark.parametrize("command", ["record", "record --force", "compare"])
@pytest.mark.parametrize(("place", "why"), NOT_THERE)
def test_a_place_that_cannot_be_written_is_refused_before_the_work(
    command, place, why, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(recorder, "stages", lambda *_: pytest.fail("it has measured"))
    monkeypatch.setattr(commands, "load", lambda _: pytest.fail("it has read a recording"))
    ending = ".png" if command == "compare" else ".json"
    path = bad_place(place, ending, tmp_path)
    before = sorted(tmp_path.rglob("*"))
    given = {
        "record": ["record", "--out", str(path)],
        "record --force": ["record", "--force", "--out", str(path)],
        "compare": ["compare", "x.json", "--figure", str(path)],
    }
    assert commands.main(given[command]) == 2
    out, err = capsys.readouterr()
    assert out == "" and len(err.splitlines()) == 1
    assert err.startswith("--figure: " if command == "compare" else "--out: ")
    assert why.format(ending=ending) in err
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("name", ["x.xyz", "x", "x.json", "png", ".png", "x.png.zip"])
def test_an_unknown_format_is_refused_before_the_work(name, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(commands, "load", lambda _: pytest.fail("it has read a recording"))
    assert commands.main(["compare", "x.json", "--figure", str(tmp_path / name)]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"--figure: {tmp_path / name} must end in one of ") and ".png" in err
    assert len(err.splitlines()) == 1 and not list(tmp_path.iterdir())


@pytest.mark.parametrize("argument", ["--figure", "--out"])
def test_a_file_that_may_not_be_written_is_refused(argument, tmp_path, capsys, monkeypatch):
    def denied(path, mode="r", *_, **__):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(recorder, "stages", lambda *_: pytest.fail("it has measured"))
    monkeypatch.setattr(Path, "open", denied)  # whoever runs the tests may write anything
    path = tmp_path / "mine.png"
    os.close(os.open(path, os.O_CREAT))
    given = ["compare", "x.json", "--figure", str(path)]
    if argument == "--out":
        given = ["record", "--force", "--out", str(path)]
    assert commands.main(given) == 2
    assert capsys.readouterr().err == f"{argument}: {path} cannot be written: Permission denied\n"


def test_a_figure_that_was_there_is_left_as_it_is_until_the_new_one_is_drawn(tmp_path):
    path = tmp_path / "mine.PNG"
    path.write_text("mine")
    assert commands.why_no_figure(path) == ""
    assert path.read_text() == "mine" and list(tmp_path.iterdir()) == [path]


def test_a_figure_that_fails_as_it_is_drawn_is_one_line(quick, tmp_path, capsys, monkeypatch):
    from matplotlib.figure import Figure

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    recording = tmp_path / "here.json"
    assert record(recording, **SMALL)[1] == 0
    monkeypatch.setattr(Figure, "savefig", full)
    capsys.readouterr()
    figure = tmp_path / "x.png"
    assert commands.main(["compare", str(recording), "--figure", str(figure)]) == 2
    said = f"--figure: {figure} could not be drawn: [Errno 28] No space left on device\n"
    assert capsys.readouterr().err == said


def test_without_matplotlib_the_table_is_printed_all_the_same(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(commands, "load", lambda _: Recording("a test", "today", {}))
    for name in ("matplotlib", "matplotlib.backend_bases", "day37.show.plots"):
        monkeypatch.setitem(sys.modules, name, None)
    assert commands.main(["compare", "x.json", "--figure", "no/where"]) == 0
    assert "no figure: matplotlib is not installed" in capsys.readouterr().out


def test_an_interrupt_keeps_what_was_finished(quick, tmp_path, monkeypatch, capsys):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(recorder, "measure_launch", stop)
    path = tmp_path / "part.json"
    assert record(path, **SMALL)[1] == 130
    part = load(path)
    assert "interrupted at: launches, cpu" in part.source
    assert list(part.copies) == ["cpu"] and part.launches == {} and part.ladders == {}
    assert commands.main(["compare", str(path), "--figure", str(tmp_path / "x.png")]) == 0


def test_an_interrupt_that_a_measurement_has_taken_in_ends_the_recording(
    quick, tmp_path, monkeypatch
):
    real = recorder.train
    handler = signal.getsignal(signal.SIGINT)

    def interrupted(*arguments, **how):
        os.kill(os.getpid(), signal.SIGINT)
        return real(*arguments, **how)

    def swallow(*arguments, **how):
        try:
            return interrupted(*arguments, **how)
        except KeyboardInterrupt:
            return real(*arguments, **how)

    monkeypatch.setattr(recorder, "train", swallow)
    path = tmp_path / "none.json"
    assert record(path, **SMALL)[1] == 130
    assert load(path).runs == {}
    assert signal.getsignal(signal.SIGINT) is handler


KILLED = """
import os, signal, sys
from pathlib import Path
from day37.machines import record as recorder
plan = recorder.stages
def stages(devices, epochs, short):
    training, *_ = plan(devices, epochs, short)
    end = recorder.Stage("end", "runs", "end", lambda: os.kill(os.getpid(), signal.SIGKILL))
    return [training, end]
recorder.stages = stages
recorder.record(Path(sys.argv[1]), devices=["cpu"], epochs=50, short=20)
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signal")
def test_where_the_system_ends_it_what_was_finished_is_in_a_file_beside(tmp_path):
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "here.json")])
    assert done.returncode == -signal.SIGKILL
    (kept,) = tmp_path.iterdir()
    assert kept.name.startswith("here.json.part-")
    found = load(kept)
    assert len(found.runs["cpu"].losses) == 50
    assert found.source == "python -m day37 record, ended by the system after: training, cpu"


def test_a_disk_that_fills_up_meanwhile_is_told_at_the_end(quick, tmp_path, monkeypatch):
    def full(recording, path):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(recorder, "save_beside", full)
    assert record(tmp_path / "here.json", **SMALL) == ("complete", 0)


def test_a_stage_that_fails_is_named_and_the_others_go_on(quick, tmp_path, monkeypatch):
    monkeypatch.setattr(recorder, "measure_launch", lambda _: 1 / 0)
    path = tmp_path / "part.json"
    assert record(path, **SMALL)[1] == 1
    part = load(path)
    assert "launches, cpu failed: division by zero" in part.source
    assert list(part.ladders) == ["cpu"] and part.launches == {}


def test_a_number_that_is_none_costs_one_stage(quick, tmp_path, monkeypatch):
    real = recorder.measure_launch
    monkeypatch.setattr(
        recorder,
        "measure_launch",
        lambda _: replace(real(launches=2, repeats=2), launches=math.nan),
    )
    path = tmp_path / "part.json"
    assert record(path, **SMALL)[1] == 1
    assert load(path).launches == {} and load(path).ladders


def test_a_stage_that_is_told_without_tqdm(quick, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    plan = [Stage("one", "runs", "cpu", list), Stage("two", "runs", "cpu", list)]
    assert list(commands._progress(plan)) == plan
    assert capsys.readouterr().out == "1/2 one, cpu\n2/2 two, cpu\n"


def test_compare_names_a_file_that_is_none(tmp_path, capsys):
    path = tmp_path / "x.json"
    assert commands.main(["compare", str(path)]) == 2
    path.write_text("{")
    assert commands.main(["compare", str(path)]) == 2
    assert str(path) in capsys.readouterr().err


def test_compare_without_msgspec_says_what_to_install(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "msgspec", None)
    assert commands.main(["compare", str(tmp_path / "x.json")]) == 2
    assert "pip install msgspec" in capsys.readouterr().err


def test_one_cpu_gets_no_second_thread(monkeypatch):
    def settings():
        growths = [s for s in recorder.stages(["cpu"], 20, 20) if s.field == "growths"]
        return {tuple(stage.measure.args[0]) for stage in growths}

    monkeypatch.setattr(recorder, "usable_cpus", lambda: 1)
    assert settings() == {("CPU, 1 thread",)}
    monkeypatch.setattr(recorder, "usable_cpus", lambda: 8)
    assert settings() == {("CPU, 1 thread", "CPU, 2 threads")}
