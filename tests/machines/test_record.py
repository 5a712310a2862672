"""python -m day37 record and compare."""

import math
import os
import signal
import sys
from dataclasses import replace
from functools import partial

import pytest
import torch

from day37 import __main__ as commands
from day37.faster import ladder
from day37.machines import record as recorder
from day37.machines.record import Stage, record
from day37.machines.recording import load

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
