"""The ladder: what it says of each way, of those that fail too."""

import os
import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from day37 import MLP, speedups, ways
from day37.hardware import Origin
from day37.speedups import Ladder, Rung, Way, measure_speedups
from day37.timing import Measurement

HERE = Origin("cuda:0", "a GPU", "today")


def rung(name, seconds, first=None, **more):
    time = Measurement(name, tuple(seconds * (1 + i / 1000) for i in range(8)), HERE)
    return Rung(name, "a cost", "a price", "", time, first or seconds, 0.0, 0.0, **more)


def ladder(*rungs, epochs=1000):
    return Ladder(epochs, rungs, 12.5)


def test_when_each_way_pays():
    made = ladder(rung("plain loop", 0.8), rung("quick", 0.2, first=6.2), rung("slow", 0.9))
    plain, quick, slow = made.rungs
    assert made.best is quick
    assert made.step_us(plain) == pytest.approx(800, rel=0.01)
    assert made.preparation(quick) == pytest.approx(6, rel=0.01)
    assert made.pays_from(quick) == pytest.approx(10_000, rel=0.01)  # 6 s of preparation, 0.6 ms won at each epoch
    assert made.pays_from(slow) is None
    assert made.comparison(quick).ratio == pytest.approx(0.25)


def test_the_table_has_a_row_for_each_way_with_its_reason():
    absent = Rung("graph", "launches", "a GPU", "it needs a CUDA GPU")
    made = ladder(rung("plain loop", 0.8), rung("quick", 0.2, first=6.2), rung("slow", 0.9), absent)
    plain, quick, slow, graph = repr(made).splitlines()[1:5]
    assert "4.00" in quick and "9,964" in quick
    assert "never" in slow and "never" not in plain
    assert "not here: it needs a CUDA GPU" in graph
    assert "12.5 s to get ready" in repr(made) and "1,000 epochs a run; LIVE, a GPU (cuda:0)" in repr(made)
    assert made.measured == made.rungs[:3]
    assert "graph                removes launches; asks a GPU" in made.explain()


def test_a_way_that_fails_keeps_its_row_and_the_others_go_on(model, data, monkeypatch):
    def breaks(*_):
        raise RuntimeError("backend='inductor' raised:\nno compiler found\nand more")

    never = Way("never", "a", "b", breaks, (lambda *_: "", lambda *_: "not on this machine"))
    monkeypatch.setattr(speedups, "WAYS", (*speedups.WAYS[:2], Way("broken", "a", "b", breaks), never))
    monkeypatch.setattr(speedups, "ready_compiler", lambda _: ("", 0.0))
    before = [p.detach().clone() for p in model.parameters()]
    made = measure_speedups(model, data, epochs=20, repeats=8)
    assert [r.obstacle for r in made.rungs] == ["", "", "no compiler found", "not on this machine"]
    assert [len(r.time.samples) for r in made.measured] == [8, 8]
    assert [r.loss_error for r in made.measured] == [0, 0]
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


def test_a_way_with_other_losses_is_no_speed_up(model, data, monkeypatch):
    def other_rate(model, data, epochs, lr):
        return ways.plain_loop(model, data, epochs, lr * 2)

    monkeypatch.setattr(speedups, "WAYS", (speedups.WAYS[0], Way("wrong", "a", "b", other_rate)))
    monkeypatch.setattr(speedups, "ready_compiler", lambda _: ("", 0.0))
    made = measure_speedups(model, data, epochs=30, repeats=8)
    wrong = made.rungs[1]
    assert wrong.loss_error > 1e-3 and wrong.weight_error > 1e-3
    assert "its losses differ from the plain loop's by" in wrong.obstacle and "not here: its losses" in repr(made)
    assert wrong.time is None and made.best is made.rungs[0]


def test_what_does_not_work_on_a_cpu_says_so(model, data):
    cpu, reasons = torch.device("cpu"), {}
    for way in speedups.WAYS:
        if speedups.needs_compiler not in way.needs:
            reasons[way.name] = next((why for needed in way.needs if (why := needed(model, cpu))), "")
    assert reasons["CUDA graph"] == reasons["one kernel"] == "it needs a CUDA GPU"
    assert reasons["plain loop"] == reasons["losses on the device"] == ""
    assert "for day37.MLP only" in speedups._needs_mlp(torch.nn.Linear(4, 3), cpu)


def test_no_triton_is_named(model, monkeypatch):
    monkeypatch.setattr(speedups.importlib.util, "find_spec", lambda _: None)
    assert "on Linux only" in speedups._needs_triton(model, torch.device("cuda"))


NO_COMPILER = """
import torch
from day37.speedups import ready_compiler
print(ready_compiler(torch.device("cpu"))[0])
"""


@pytest.mark.skipif(os.name == "nt", reason="on Windows the compiler is not found by PATH alone")
def test_a_missing_compiler_is_a_reason(tmp_path):
    environment = {k: v for k, v in os.environ.items() if k not in ("CC", "CXX", "CONDA_PREFIX")} | {"PATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", NO_COMPILER], capture_output=True, text=True, env=environment)
    assert "compiler" in done.stdout or "g++" in done.stdout, done.stdout + done.stderr
    assert len(done.stdout.strip().splitlines()) == 1


def test_compiling_leaves_the_environment_as_it_was(monkeypatch):
    for before in (None, "somewhere"):
        monkeypatch.delenv("TRITON_CACHE_DIR", raising=False)
        if before:
            monkeypatch.setenv("TRITON_CACHE_DIR", before)
        with pytest.raises(KeyboardInterrupt), speedups._empty_cache():
            assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == os.environ["TRITON_CACHE_DIR"] != before
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

    monkeypatch.setattr(speedups, "WAYS", (Way("plain loop", "a", "b", prepare),))
    monkeypatch.setattr(speedups, "ready_compiler", lambda _: ("", 0.0))
    assert len(measure_speedups(model, data, epochs=5, repeats=12).rungs[0].time.samples) == 9


def test_a_ladder_of_few_rounds_still_prints():
    few = rung("plain loop", 0.8)
    short = replace(few, time=replace(few.time, samples=few.time.samples[:3]))
    assert "800" in repr(ladder(short))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU here")
def test_the_whole_ladder_on_a_gpu():
    from day37 import load_iris

    made = measure_speedups(MLP().to("cuda:0"), load_iris("cuda:0"), epochs=2000, repeats=8)
    print(made)
    assert [r.obstacle for r in made.rungs] == [""] * len(made.rungs)
    assert max(r.loss_error for r in made.rungs) < 1e-4
