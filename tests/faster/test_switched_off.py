"""A compiler that is switched off compiles nothing, and what it compiled not is no speed-up."""

import os
import subprocess
import sys

import pytest
import torch
import torch._dynamo

from day37 import measure_speedups
from day37.faster import compiler, ladder, needs, ways
from day37.faster.one_function import one_function

CPU = torch.device("cpu")
SWITCHES = ("TORCHDYNAMO_DISABLE", "TORCH_COMPILE_DISABLE")


@pytest.fixture(autouse=True)
def on(monkeypatch):
    """Nothing is switched off, or remembered, before and after."""
    for name in (*SWITCHES, "NUMBA_DISABLE_JIT", "TRITON_INTERPRET"):
        monkeypatch.delenv(name, raising=False)
    torch.compiler.reset()
    compiler.ready_compiler.cache_clear()
    yield monkeypatch
    compiler.ready_compiler.cache_clear()


@pytest.fixture
def eager(monkeypatch):
    """What is compiled stays Python: quick, and torch counts it all the same."""
    compile_whole = lambda fn, _: torch.compile(fn, backend="eager", fullgraph=True)  # noqa: E731
    monkeypatch.setattr(compiler, "compile_whole", compile_whole)
    monkeypatch.setattr(ways, "compile_whole", compile_whole)


ROWS = """
import sys
import torch
from day37 import MLP, load_iris, measure_speedups
from day37.faster import ladder
names = ("plain loop", "compiled step", "one function")
ladder.WAYS = tuple(way for way in ladder.WAYS if way.name in names)
found = measure_speedups(MLP(), load_iris(), epochs=5)
print([rung.obstacle for rung in found.rungs])
"""
SET = [
    ("TORCHDYNAMO_DISABLE", 1),
    ("TORCH_COMPILE_DISABLE", 1),
    ("NUMBA_DISABLE_JIT", 2),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "row"), SET)
def test_a_variable_that_switches_off_is_in_the_row(name, row):
    pytest.importorskip("numba")
    command = [sys.executable, "-c", ROWS]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {name: "1"})
    assert done.returncode == 0, done.stderr
    reasons = ["", "", ""]
    reasons[row] = f"compiled nothing: {name} is set"
    assert done.stdout.strip() == str(reasons)


def test_torchs_variable_is_looked_for_each_time(on, model, eager):
    assert needs.needs_compiler(model, CPU)[0] == ""
    on.setenv("TORCHDYNAMO_DISABLE", "1")
    for device in (CPU, torch.device("cuda")):
        reason = ("compiled nothing: TORCHDYNAMO_DISABLE is set", 0.0)
        assert needs.needs_compiler(model, device) == reason
    on.setenv("TORCHDYNAMO_DISABLE", "0")  # as torch reads it
    assert needs.needs_compiler(model, CPU)[0] == ""


def test_a_setting_of_torch_is_named_as_it_was_set(on, model, data):
    found = "compiled nothing: torch._dynamo.config.disable is set"
    with torch._dynamo.config.patch(disable=True):
        assert needs.needs_compiler(model, CPU)[0] == found
        assert compiler.ready_compiler(CPU)[0] == found  # what `doctor` says
        with pytest.raises(RuntimeError, match=f"^{found}$"):
            ways.compiled_step(model, data, 5, 0.01)
        on.setenv("TORCH_COMPILE_DISABLE", "1")
        found = "compiled nothing: TORCH_COMPILE_DISABLE is set"
        assert needs.needs_compiler(model, CPU)[0] == found


def test_a_variable_that_torch_did_not_read_switches_nothing_off(on):
    on.setenv("TORCH_COMPILE_DISABLE", "1")  # torch reads it once, when it is imported
    assert compiler.why_switched_off() == ""


def stance(monkeypatch):
    torch.compiler.set_stance("force_eager")


def handed_back(monkeypatch):
    monkeypatch.setattr(ways, "compile_whole", lambda fn, _: fn)
    monkeypatch.setattr(compiler, "compile_whole", lambda fn, _: fn)


def gave_up(monkeypatch):
    """As with suppress_errors: a backend that fails, and a function that is run as it is."""

    def broken(*_):
        raise RuntimeError("no such instruction")

    def compile_whole(fn, _):
        return torch.compile(fn, backend=broken)

    torch._dynamo.config.suppress_errors = True
    monkeypatch.setattr(ways, "compile_whole", compile_whole)
    monkeypatch.setattr(compiler, "compile_whole", compile_whole)


@pytest.mark.parametrize("switch_off", [stance, handed_back, gave_up])
def test_whatever_the_cause_what_ran_as_it_is_is_no_speed_up(switch_off, on, model, data, eager):
    two = [way for way in ladder.WAYS if way.name in ("plain loop", "compiled step")]
    on.setattr(ladder, "WAYS", tuple(two))
    reason = "compiled nothing: torch has run the function as it is"
    before = torch._dynamo.config.suppress_errors
    switch_off(on)
    try:
        assert compiler.ready_compiler(CPU)[0] == reason
        on.setattr(needs, "ready_compiler", lambda _: ("", 0.0))
        needs.timed_start.cache_clear()
        found = measure_speedups(model, data, epochs=5)
    finally:
        torch.compiler.set_stance("default")
        torch._dynamo.config.suppress_errors = before
        needs.timed_start.cache_clear()
    assert [rung.obstacle for rung in found.rungs] == ["", reason]
    assert found.rungs[1].time is None and found.best.name == "plain loop"


def test_what_is_compiled_is_compiled_before_the_run_and_gives_the_plain_loops_losses(
    model, data, eager
):
    start = {name: value.clone() for name, value in model.state_dict().items()}
    run = ways.compiled_step(model, data, 10, 0.01)
    assert all(torch.equal(value, start[name]) for name, value in model.state_dict().items())
    with pytest.raises(RuntimeError, match="compiled nothing"), compiler.must_compile():
        losses = run()
    model.load_state_dict(start)
    torch.testing.assert_close(losses, ways.plain_loop(model, data, 10, 0.01)())


def test_numba_switched_off_is_named(on, model, data):
    numba = pytest.importorskip("numba")
    on.setattr(numba.config, "DISABLE_JIT", True)
    for cached in (True, False):
        with pytest.raises(RuntimeError, match="^compiled nothing: NUMBA_DISABLE_JIT is set$"):
            one_function(model, data, 5, 0.01, cached=cached)


KERNEL = """
import torch
from day37 import MLP
from day37.faster import needs
print(needs.needs_whole(MLP(), torch.device("cuda"))[0])
"""


@pytest.mark.parametrize("value", ["1", "0"])
def test_a_kernel_that_is_interpreted_is_not_compiled(value):
    pytest.importorskip("triton")
    command = [sys.executable, "-c", KERNEL]
    environment = os.environ | {"TRITON_INTERPRET": value}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    found = {"1": "compiled nothing: TRITON_INTERPRET is set", "0": ""}
    assert done.stdout.strip() == found[value], done.stderr
