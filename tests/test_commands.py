"""python -m day37 record, compare and doctor."""

import math
import os
import signal
import sys
from dataclasses import replace

import pytest
import torch

from day37 import __main__ as commands
from day37 import doctor, hardware, records, speedups

SMALL = {"devices": ["cpu"], "epochs": 50, "short": 20}


@pytest.fixture
def quick(monkeypatch):
    """All stages, but few sizes and the ways that need no compiler."""
    growth, copies = commands.measure_growth, commands.measure_copies
    monkeypatch.setattr(commands, "measure_growth", lambda settings, sizes: growth(settings, sizes[:2], repeats=2))
    monkeypatch.setattr(commands, "measure_copies", lambda device: copies(device, sizes=[4, 400], repeats=2))
    monkeypatch.setattr(speedups, "WAYS", speedups.WAYS[:2])
    monkeypatch.setattr(speedups, "ready_compiler", lambda _: ("", 0.0))


def test_record_then_compare(quick, tmp_path, capsys):
    path = tmp_path / "here.json"
    assert commands.record(path, **SMALL) == 0
    recording = records.load(path)
    assert "complete" in recording.source and recording.machine["torch"] == torch.__version__
    assert len(recording.runs["cpu"].losses) == 50
    kinds = ("accounts", "timelines", "copies", "launches", "sweeps", "ladders")
    assert all(list(getattr(recording, kind)) == ["cpu"] for kind in kinds)
    assert list(recording.growths) == ["grid"]
    capsys.readouterr()
    figure = tmp_path / "both.png"
    assert commands.main(["compare", str(path), str(path), "--figure", str(figure)]) == 0
    table = capsys.readouterr().out
    assert table.count(recording.machine["cpu"][:40]) == 2 and "cpu" in table
    assert figure.stat().st_size > 1000


def test_record_refuses_before_it_measures(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(commands, "stages", lambda *_: pytest.fail("it has measured"))
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

    monkeypatch.setattr(commands, "measure_launch", stop)
    path = tmp_path / "part.json"
    assert commands.record(path, **SMALL) == 130
    part = records.load(path)
    assert "interrupted at: launches on cpu" in part.source
    assert list(part.copies) == ["cpu"] and part.launches == {} and part.ladders == {}
    assert commands.main(["compare", str(path), "--figure", str(tmp_path / "x.png")]) == 0


def test_an_interrupt_that_a_measurement_has_taken_in_ends_the_recording(quick, tmp_path, monkeypatch):
    real, handler = commands.train, signal.getsignal(signal.SIGINT)

    def interrupted(*arguments, **how):
        os.kill(os.getpid(), signal.SIGINT)
        return real(*arguments, **how)

    def swallow(*arguments, **how):
        try:
            return interrupted(*arguments, **how)
        except KeyboardInterrupt:
            return real(*arguments, **how)

    monkeypatch.setattr(commands, "train", swallow)
    path = tmp_path / "none.json"
    assert commands.record(path, **SMALL) == 130
    assert records.load(path).runs == {}
    assert signal.getsignal(signal.SIGINT) is handler


def test_a_stage_that_fails_is_named_and_the_others_go_on(quick, tmp_path, monkeypatch):
    monkeypatch.setattr(commands, "measure_launch", lambda _: 1 / 0)
    path = tmp_path / "part.json"
    assert commands.record(path, **SMALL) == 1
    part = records.load(path)
    assert "launches on cpu failed: division by zero" in part.source
    assert list(part.ladders) == ["cpu"] and part.launches == {}


def test_a_number_that_is_none_costs_one_stage(quick, tmp_path, monkeypatch):
    real = commands.measure_launch
    monkeypatch.setattr(commands, "measure_launch", lambda _: replace(real(launches=2, repeats=2), launches=math.nan))
    path = tmp_path / "part.json"
    assert commands.record(path, **SMALL) == 1
    assert records.load(path).launches == {} and records.load(path).ladders


def test_a_stage_that_is_told_without_tqdm(quick, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    assert [stage[0] for stage in commands._progress([("one",), ("two",)])] == ["one", "two"]
    assert capsys.readouterr().out == "1/2 one\n2/2 two\n"


def test_compare_names_a_file_that_is_none(tmp_path, capsys):
    path = tmp_path / "x.json"
    assert commands.main(["compare", str(path)]) == 2
    path.write_text("{")
    assert commands.main(["compare", str(path)]) == 2
    assert str(path) in capsys.readouterr().err


def test_doctor_gives_status_1_where_a_check_fails(monkeypatch, capsys):
    good, bad = doctor.Check("a", "seen"), doctor.Check("b", "seen", "do this")
    monkeypatch.setattr(doctor, "CHECKS", (lambda: good,))
    assert commands.main(["doctor"]) == 0
    monkeypatch.setattr(doctor, "CHECKS", (lambda: good, lambda: bad, lambda: 1 / 0))
    assert commands.main(["doctor"]) == 1
    text = capsys.readouterr().out
    assert "OK    a: seen" in text and "FAIL  b: seen\n      do this" in text and "ZeroDivisionError" in text


def test_the_gpu_checks(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(hardware, "command_output", lambda *_: "")
    assert doctor.check_gpu_and_wheel().fault == ""
    monkeypatch.setattr(hardware, "command_output", lambda *_: "RTX 4070")
    monkeypatch.setattr(torch.version, "cuda", None)
    assert "CUDA build" in doctor.check_gpu_and_wheel().fault
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert "driver may be too old" in doctor.check_gpu_and_wheel().fault
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert "unset it" in doctor.check_gpu_and_wheel().fault
    monkeypatch.setattr(doctor, "available_devices", lambda: ["cuda:0", "cpu"])
    monkeypatch.setattr(doctor, "why_kernels_fail", lambda d: "no kernel image" if d == "cuda:0" else "")
    assert "cuda:0: no kernel image" in doctor.check_kernels().fault


def test_the_other_checks(monkeypatch):
    monkeypatch.setattr(doctor, "ready_compiler", lambda device: ("no g++" if device.type == "cpu" else "no triton", 1.0))
    assert "cpu: no g++; Debian, Ubuntu: apt install g++" in doctor.check_compiler().fault
    monkeypatch.setattr(doctor, "available_devices", lambda: ["cuda:0", "cpu"])
    assert "cuda:0: no triton; pip install triton" in doctor.check_compiler().fault
    monkeypatch.setattr(torch, "get_num_threads", lambda: 64)
    monkeypatch.setattr(doctor, "usable_cpus", lambda: 2)
    assert "OMP_NUM_THREADS to 2 or less" in doctor.check_threads().fault
    assert doctor.check_openmp().fault == ""
    runtimes = [{"user_api": "openmp", "prefix": kind} for kind in ("libomp", "libiomp")]
    monkeypatch.setattr("threadpoolctl.threadpool_info", lambda: runtimes)
    assert "one source" in doctor.check_openmp().fault


def test_the_kernel_check(monkeypatch, tmp_path):
    from jupyter_client import kernelspec

    assert doctor.check_kernel_spec().fault == ""
    monkeypatch.setattr(
        kernelspec.KernelSpecManager, "get_kernel_spec", lambda *_: type("Spec", (), {"argv": ["/other/bin/python"]})
    )
    assert "ipykernel install" in doctor.check_kernel_spec().fault

    def missing(*_):
        raise kernelspec.NoSuchKernel("python3")

    monkeypatch.setattr(kernelspec.KernelSpecManager, "get_kernel_spec", missing)
    assert "ipykernel install" in doctor.check_kernel_spec().fault
