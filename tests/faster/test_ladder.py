"""The ladder: what it says of each way, of those that fail too."""

import os
import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from day37 import MLP, load_iris, measure_speedups
from day37.faster import compiler, ladder, needs, ways
from day37.faster.ladder import Ladder
from day37.faster.trial import Rung, Way
from day37.results import Live, Measurement

HERE = Live("cuda:0", "a GPU", "today")
CPU = torch.device("cpu")


def rung(name, seconds, first=None, start=0.0):
    samples = tuple(seconds * (1 + i / 1000) for i in range(8))
    time = Measurement(name, samples, HERE)
    first = first or seconds
    return Rung(name, "a cost", "a price", time=time, first_seconds=first, start_seconds=start)


def made(*rungs, epochs=1000):
    return Ladder(epochs, rungs)


def test_everything_is_counted_until_the_last_loss():
    ladder = made(rung("plain", 0.8), rung("quick", 0.2, first=6.2, start=5.0), rung("slow", 0.9))
    plain, quick, slow = ladder.rungs
    assert ladder.best is quick
    assert ladder.step_us(plain) == pytest.approx(800, rel=0.01)
    assert quick.preparation == pytest.approx(6, rel=0.01)
    assert ladder.total(plain) == pytest.approx(16, rel=0.01)  # 20,000 steps of 0.8 ms
    assert ladder.total(quick) == pytest.approx(5 + 6 + 4, rel=0.01)
    assert ladder.total(quick, epochs=1000) == pytest.approx(5 + 6 + 0.2, rel=0.01)
    assert ladder.soonest is quick
    assert ladder.comparison(quick).ratio == pytest.approx(0.25)


def test_the_quickest_step_need_not_be_the_first_through():
    ladder = made(rung("plain", 0.8), rung("quick", 0.2, first=20.0))
    assert ladder.best.name == "quick" and ladder.soonest.name == "plain"


def test_the_table_has_a_row_for_each_way_with_its_reason():
    absent = Rung("graph", "launches", "a GPU", "it needs a CUDA GPU")
    quick = rung("quick", 0.2, first=6.2, start=5.0)
    ladder = made(rung("plain loop", 0.8), quick, rung("slow", 0.9), absent)
    head, plain, quick, slow, graph, note, start, where = repr(ladder).splitlines()
    assert head.split("  ")[0] == "way" and "20,000 losses in" in head
    assert " ".join(quick.split()) == "quick 201 4 4 to 4 5 s 6 s 15 s same"
    assert " ".join(plain.split()) == "plain loop 803 1 1 to 1 0 ns 16.1 s same"
    assert graph == "graph: not here: it needs a CUDA GPU"
    assert "added up; measured over 1,000 epochs" in note
    assert start == "start: of a compiler in a new session, timed once"
    assert where == "LIVE, a GPU (cuda:0)"
    assert ladder.measured == ladder.rungs[:3]
    assert "graph                removes launches; asks a GPU" in ladder.explain()


def test_a_ladder_without_its_plain_loop_is_refused():
    for rungs in ((), (Rung("plain loop", "a", "b", "it failed"),)):
        with pytest.raises(ValueError, match="rungs must be the plain loop, measured, first"):
            Ladder(10, rungs)


def test_a_ladder_is_over_epochs():
    with pytest.raises(ValueError, match="epochs must be a whole number, 1 or more"):
        made(rung("plain", 0.8), epochs=0)


def test_rungs_were_measured_in_the_same_rounds_and_took_time():
    few = rung("x", 1.0)
    few = replace(few, time=replace(few.time, samples=few.time.samples[:3]))
    with pytest.raises(ValueError, match="samples must be as many for each rung"):
        made(rung("plain", 0.8), few)
    with pytest.raises(ValueError, match="first_seconds must be a finite number above 0"):
        replace(few, first_seconds=0.0)
    with pytest.raises(ValueError, match="the shortest sample must be a finite number above 0"):
        replace(few, time=replace(few.time, samples=(1.0, 0.0)))


def test_a_way_that_fails_keeps_its_row_and_the_others_go_on(model, data, monkeypatch):
    def breaks(*_):
        raise RuntimeError("backend='inductor' raised:\nno compiler found\nand more")

    never = Way("never", "a", "b", breaks, lambda *_: ("not on this machine", 0.0))
    some = (*ladder.WAYS[:2], Way("broken", "a", "b", breaks), never)
    monkeypatch.setattr(ladder, "WAYS", some)
    before = [p.detach().clone() for p in model.parameters()]
    found = measure_speedups(model, data, epochs=20, repeats=8)
    reasons = [r.obstacle for r in found.rungs]
    assert reasons == ["", "", "no compiler found", "not on this machine"]
    assert [len(r.time.samples) for r in found.measured] == [8, 8]
    assert [r.loss_error for r in found.measured] == [0, 0]
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


def test_an_error_of_the_plain_loop_is_raised(model, data, monkeypatch):
    def breaks(*_):
        raise RuntimeError("no memory")

    monkeypatch.setattr(ladder, "WAYS", (Way("plain loop", "a", "b", breaks), ladder.WAYS[1]))
    with pytest.raises(RuntimeError, match="no memory"):
        measure_speedups(model, data, epochs=20, repeats=8)


def test_what_a_compiler_takes_to_start_is_in_its_row(model, data, monkeypatch):
    slow = Way("slow start", "a", "b", ways.losses_on_device, lambda *_: ("", 7.0))
    monkeypatch.setattr(ladder, "WAYS", (ladder.WAYS[0], slow))
    plain, other = measure_speedups(model, data, epochs=20, repeats=8).rungs
    assert (plain.start_seconds, other.start_seconds) == (0.0, 7.0)


def test_a_way_with_other_losses_is_no_speed_up(model, data, monkeypatch):
    def other_rate(model, data, epochs, lr):
        return ways.plain_loop(model, data, epochs, lr * 2)

    monkeypatch.setattr(ladder, "WAYS", (ladder.WAYS[0], Way("wrong", "a", "b", other_rate)))
    found = measure_speedups(model, data, epochs=30, repeats=8)
    wrong = found.rungs[1]
    assert wrong.loss_error > 1e-3 and wrong.weight_error > 1e-3
    assert "its losses differ from the plain loop's by" in wrong.obstacle
    assert "wrong: not here: its losses" in repr(found)
    assert wrong.time is None and found.best is found.rungs[0]


def test_what_does_not_work_on_a_cpu_says_so(model):
    reasons = {}
    for way in ladder.WAYS:
        if way.needs is not needs.needs_compiler:
            reasons[way.name], _ = way.needs(model, CPU)
    assert reasons["CUDA graph"] == reasons["long CUDA graph"] == "it needs a CUDA GPU"
    assert reasons["plain loop"] == reasons["losses on the device"] == ""
    assert "for day37.MLP only" in needs.needs_whole(torch.nn.Linear(4, 3), CPU)[0]
    assert "for the CPU and for CUDA" in needs.needs_whole(model, torch.device("mps"))[0]


def test_the_last_row_is_one_function_on_the_cpu_and_one_kernel_on_a_gpu(model, data, monkeypatch):
    assert [way.name for way in ladder.WAYS][-1] == "one function"
    how = []
    monkeypatch.setattr(ladder, "one_function", lambda *_, **more: how.append(more))
    monkeypatch.setattr(ladder, "one_kernel", lambda *_: how.append("a kernel"))
    ladder.whole_training(model, data, 10, 0.01)
    on_gpu = type("Split", (), {"device": torch.device("cuda")})
    ladder.whole_training(model, on_gpu, 10, 0.01)
    assert how == [{"cached": False}, "a kernel"]


@pytest.fixture
def packages(monkeypatch):
    """What is known of packages is forgotten before and after."""
    known = (needs.ready_package, needs.timed_start)
    for remembered in known:
        remembered.cache_clear()
    yield monkeypatch
    for remembered in known:
        remembered.cache_clear()


def test_what_is_not_installed_is_named_in_one_line(model, packages):
    packages.setattr(needs.importlib.util, "find_spec", lambda _: None)
    packages.setattr(needs.sys, "platform", "linux")
    bring = "triton is not installed: torch's CUDA builds for Linux bring it"
    assert needs.needs_whole(model, torch.device("cuda"))[0] == bring
    assert needs.needs_whole(model, CPU)[0] == "numba is not installed: pip install numba"


def test_on_windows_no_one_is_sent_to_pip_for_triton(model, packages):
    packages.setattr(needs.importlib.util, "find_spec", lambda _: None)
    packages.setattr(needs.sys, "platform", "win32")
    assert needs.needs_whole(model, torch.device("cuda"))[0] == (
        "triton is not installed: torch's CUDA builds for Linux bring it, those for Windows do "
        "not, and pip install triton finds none: use Linux or WSL 2"
    )


@pytest.mark.parametrize("error", [ImportError, OSError])
def test_a_damaged_package_is_a_reason(model, packages, error):
    def breaks(_):
        raise error("could not load llvmlite\nand more")

    packages.setattr(needs.importlib.util, "find_spec", lambda _: "there")
    packages.setattr(needs.importlib, "import_module", breaks)
    assert needs.needs_whole(model, CPU)[0] == "could not load llvmlite"


def test_triton_is_timed_before_torchs_compiler_imports_it(model, monkeypatch):
    order = []
    monkeypatch.setattr(needs, "ready_package", lambda name, _: order.append(name))
    compiler = lambda *_: order.append("the compiler") or ("no", 0.0)  # noqa: E731
    monkeypatch.setattr(needs, "ready_compiler", compiler)
    needs.needs_compiler(model, CPU)
    needs.needs_compiler(model, torch.device("cuda"))
    assert order == ["the compiler", "triton", "the compiler"]


def test_a_start_is_timed_in_a_new_process_where_something_was_compiled_before(monkeypatch):
    started = []

    def run(command, **how):
        started.append(command)
        return subprocess.CompletedProcess(command, 0, "chatter\n12.5\n", "")

    def ready_it(device):
        return "", 0.25

    def broken(device):
        return "no compiler", 0.25

    monkeypatch.setattr(needs.subprocess, "run", run)
    assert needs.timed_start(ready_it, CPU, "never imported") == ("", 0.25)
    assert started == []
    assert needs.timed_start(ready_it, CPU, "sys") == ("", 12.5)
    assert "ready_it(torch.device('cpu'))" in started[0][-1]
    assert needs.timed_start(broken, CPU, "sys") == ("no compiler", 0.25)
    assert len(started) == 1
    failed = subprocess.CompletedProcess([], 1, "", "an error")
    monkeypatch.setattr(needs.subprocess, "run", lambda *_, **how: failed)
    needs.timed_start.cache_clear()
    assert needs.timed_start(ready_it, CPU, "sys") == ("", 0.25)


@pytest.mark.skipif(os.name == "nt", reason="a shell script stands in for Python")
def test_what_a_new_process_prints_may_be_in_any_encoding(packages, tmp_path):
    python = tmp_path / "python"
    python.write_bytes(b"#!/bin/sh\nprintf '\\377 warns\\n' >&2\nprintf '\\377\\n1.5\\n'\n")
    python.chmod(0o755)
    packages.setattr(needs.sys, "executable", str(python))
    packages.setattr(needs, "ready_package", lambda *_: ("", 0.25))
    assert needs.timed_start(needs.ready_numba, CPU, "sys") == ("", 1.5)


@pytest.mark.slow
def test_a_new_process_can_time_a_start(packages):
    """Here nothing is imported, as the check says, so only the new process can know the time."""
    pytest.importorskip("numba")
    packages.setattr(needs, "ready_package", lambda *_: ("", 0.0))
    obstacle, seconds = needs.timed_start(needs.ready_numba, CPU, "sys")
    assert obstacle == "" and seconds > 0


NO_COMPILER = """
import torch
from day37.faster.compiler import ready_compiler
print(ready_compiler(torch.device("cpu"))[0])
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="on Windows the compiler is not found by PATH alone")
def test_a_missing_compiler_is_a_reason(tmp_path):
    names = ("CC", "CXX", "CONDA_PREFIX")
    environment = {k: v for k, v in os.environ.items() if k not in names} | {"PATH": str(tmp_path)}
    command = [sys.executable, "-c", NO_COMPILER]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert "compiler" in done.stdout or "g++" in done.stdout, done.stdout + done.stderr
    assert len(done.stdout.strip().splitlines()) == 1


TOOLKIT = """
import importlib
import torch
from day37.faster import compiler

def compile_whole(fn, device):
    importlib.import_module("torch.utils.cpp_extension")  # as a compilation does
    return torch.compile(fn, backend="eager")

torch.cuda.is_available = lambda: False
compiler.compile_whole = compile_whole
print(compiler.ready_compiler(torch.device("cpu"))[0] == "")
"""


@pytest.mark.skipif(not torch.backends.cuda.is_built(), reason="a CPU build looks for no toolkit")
def test_a_toolkit_without_a_gpu_is_no_matter_for_stderr(tmp_path):
    command = [sys.executable, "-c", TOOLKIT]
    environment = os.environ | {"CUDA_HOME": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert (done.stdout, done.stderr) == ("True\n", "")  # a notebook shows stderr in red


BROKEN = """
import torch
from day37.faster import compiler
torch.cuda.is_available = lambda: True
torch.cuda.device_count = lambda: 1
print(compiler.ready_compiler(torch.device("cpu"))[0] != "")
"""


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine whose torch finds no GPU")
def test_what_torch_logs_of_a_broken_gpu_is_no_matter_for_stderr():
    done = subprocess.run([sys.executable, "-c", BROKEN], capture_output=True, text=True)
    assert done.stdout == "True\n"
    assert done.stderr == ""


def test_compiling_leaves_the_environment_as_it_was(monkeypatch):
    for before in (None, "somewhere"):
        monkeypatch.delenv("TRITON_CACHE_DIR", raising=False)
        if before:
            monkeypatch.setenv("TRITON_CACHE_DIR", before)
        with pytest.raises(KeyboardInterrupt), compiler.fresh_cache():
            folder = os.environ["TORCHINDUCTOR_CACHE_DIR"]
            assert folder == os.environ["TRITON_CACHE_DIR"] != before
            raise KeyboardInterrupt
        assert os.environ.get("TRITON_CACHE_DIR") == before


def test_an_interrupt_keeps_the_whole_rounds(model, data, monkeypatch):
    calls = []

    def prepare(model, data, epochs, lr):
        def run():
            calls.append(1)
            if len(calls) == 11:  # the first run, then ten rounds
                raise KeyboardInterrupt
            return torch.ones(epochs)

        return run

    monkeypatch.setattr(ladder, "WAYS", (Way("plain loop", "a", "b", prepare),))
    found = measure_speedups(model, data, epochs=5, repeats=12)
    assert len(found.rungs[0].time.samples) == 9


def test_a_bar_over_the_ways_is_shown_if_asked(model, data, monkeypatch):
    bars = []

    def bar(items, unit, progress):
        bars.append(([way.name for way in items], unit, progress))
        return items

    monkeypatch.setattr(ladder, "bar", bar)
    monkeypatch.setattr(ladder, "WAYS", ladder.WAYS[:3])
    for progress in (False, True):
        measure_speedups(model, data, epochs=5, progress=progress)
    ways = ["losses on the device", "fused optimizer"]
    assert bars == [(ways, "way", False), (ways, "way", True)]


def test_a_ladder_of_few_rounds_still_prints():
    few = rung("plain loop", 0.8)
    short = replace(few, time=replace(few.time, samples=few.time.samples[:3]))
    assert "801" in repr(made(short)) and "0 to inf" in repr(made(short))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU here")
def test_the_whole_ladder_on_a_gpu():
    found = measure_speedups(MLP().to("cuda:0"), load_iris("cuda:0"), epochs=2000, repeats=8)
    print(found)
    assert [r.obstacle for r in found.rungs] == [""] * len(found.rungs)
    assert max(r.loss_error for r in found.rungs) < 1e-4
