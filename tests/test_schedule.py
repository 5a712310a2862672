"""The model of a step, held against a simulation, by hand, and against the recorded machines' own times."""

import itertools
from dataclasses import replace

import pytest

from day37 import MLP, records, schedule, train
from day37.hardware import Origin
from day37.overhead import Account, ArithmeticFloor, OperationCount, StepPhases
from day37.schedule import StepCosts, costs_of, machines, measured
from day37.timing import Measurement

SHIPPED = records.load(records._folder() / "xeon-2-cores.json")
GPU = Origin("cuda:0", "a GPU", "today")


def simulate(costs, steps):
    """The seconds for `steps` steps, launch by launch: when the host is through, and when the device is."""
    now = free = 0.0
    for step in range(1, steps + 1):
        for _ in range(costs.launches):
            now += costs.launch
            free = max(now, free) + costs.kernel
            if not costs.queued:
                now = free
        if step % costs.every == 0:
            now = max(now, free) + costs.read
    return max(now, free)


MANY = list(itertools.product((1, 7), (0.0, 2.0, 5.0), (0.0, 1.0, 5.0, 9.0), (0.0, 30.0), (1, 3, 20), (True, False)))


def test_the_formula_is_the_simulation():
    for case in MANY:
        costs = StepCosts(*case)
        for steps in (1, 2, 3, 10):
            assert costs.total(steps) == pytest.approx(simulate(costs, steps)), (case, steps)


def test_the_timeline_ends_when_the_steps_do_and_overlaps_nothing():
    for case in MANY:
        costs = StepCosts(*case)
        timeline = costs.timeline(GPU, steps=4)
        assert timeline.length == pytest.approx(costs.total(4)), case
        assert len(timeline.device) == 4 * costs.launches
        assert len([span for span in timeline.host if span.name == "read"]) == 4 // costs.every
        for lane in (timeline.host, timeline.device):
            assert all(b.start >= a.end - 1e-9 for a, b in itertools.pairwise(lane)), case


def test_by_hand():
    costs = StepCosts(10, 8.0, 2.0, 30.0)  # launch-bound: 10 launches, the last kernel, the read
    assert costs.total(100) == 100 * (80 + 2 + 30)
    assert replace(costs, every=100).total(100) == 100 * 80 + 2 + 30
    assert replace(costs, kernel=20.0).total(100) == 100 * (8 + 200 + 30)  # compute-bound: one launch, all kernels
    assert replace(costs, queued=False).total(100) == 100 * (100 + 30)


def test_what_binds():
    assert StepCosts(10, 8.0, 2.0, 30.0).binding() == "launches"
    assert StepCosts(10, 2.0, 8.0, 30.0).binding() == "kernels"
    assert StepCosts(10, 2.0, 2.0, 300.0).binding() == "reads"
    savings = StepCosts(10, 8.0, 2.0, 30.0).savings(100)
    assert savings == pytest.approx({"launches": 1 - 50 / 112, "kernels": 2 / 112, "reads": 1 - 8002 / 11200})
    assert StepCosts(10, 8.0, 8.0, 0.0, every=1000).binding() == "launches and kernels together"
    assert StepCosts(10, 0.0, 0.0, 0.0).savings() == {"launches": 0.0, "kernels": 0.0, "reads": 0.0}


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({"launches": 0}, "launches must be"),
        ({"every": 0}, "every must be"),
        ({"launch": -1.0}, "launch must be a number of seconds, 0 or more, but it is -1.0"),
        ({"kernel": float("nan")}, "kernel must be"),
        ({"read": float("inf")}, "read must be"),
    ],
)
def test_impossible_costs_are_refused(how, says):
    with pytest.raises(ValueError, match=says):
        replace(StepCosts(10, 8e-6, 2e-6, 3e-5), **how)


def account(origin, *, kernels, phases=(100e-6, 20e-6, 10e-6, 60e-6, 50e-6, 30e-6)):
    names = ("forward", "loss", "zero_grad", "backward", "optimizer step", "read")
    timed = {name: Measurement(name, (seconds,) * 3, origin) for name, seconds in zip(names, phases, strict=True)}
    whole = Measurement("whole step", (sum(phases),) * 3, origin)
    count = OperationCount({"aten::add": 60.0}, {"add": 40.0} if kernels else {}, 1.0, 1.0, 80e-6 if kernels else 0.0, origin)
    return Account(StepPhases(timed, whole), count, ArithmeticFloor(30_000, 1e9, whole))


def test_a_gpu_account_gives_its_costs():
    costs = costs_of(account(GPU, kernels=True))
    assert (costs.launches, costs.queued) == (40, True)
    assert [costs.launch, costs.kernel, costs.read] == pytest.approx([6e-6, 2e-6, 28e-6])  # the read, less a kernel's wait
    assert costs.total(1) == pytest.approx(270e-6)


def test_a_cpu_account_gives_its_costs():
    costs = costs_of(account(Origin("cpu", "a CPU", "today"), kernels=False))
    assert (costs.launches, costs.queued) == (60, False)
    assert [costs.launch, costs.kernel, costs.read] == pytest.approx([3.5e-6, 0.5e-6, 30e-6])
    assert costs.total(1) == pytest.approx(270e-6)


def test_a_machine_is_held_against_its_own_runs(model, data):
    run = train(model, data, epochs=100, read_loss_every=10, progress=False)
    slow = replace(run, seconds=100 * 500e-6)
    machine = measured(account(GPU, kernels=True), [slow])
    expected = replace(machine.costs, every=10).total(100) / 0.05 - 1
    assert machine.errors() == {10: pytest.approx(expected)}
    assert f"over 10% at 1 of 1 intervals, at worst by {expected:+.0%}, with steps to a read 10" in machine.check()
    right = measured(account(GPU, kernels=True), [replace(run, seconds=replace(machine.costs, every=10).total(100) * 1.05)])
    assert "to within 4.8% (runs: 1)" in right.check()
    assert "no run" in measured(account(GPU, kernels=True), []).check()
    with pytest.raises(ValueError, match="runs must be"):
        measured(account(GPU, kernels=True), [replace(run, reads=1)])


def test_the_model_gives_the_recorded_machines_own_times_or_says_by_how_much_not():
    published, *others = machines()
    assert "RTX 4070 Laptop" in published.origin.machine and len(published.runs) == 6
    assert published.errors()[1] == pytest.approx(0, abs=1e-9)  # the two runs that it was made from
    assert "over 10% at 2 of 5 intervals, at worst by -19%, with steps to a read 1,000" in published.check()
    shipped = next(machine for machine in others if machine.origin == SHIPPED.accounts["cpu"].phases.whole.origin)
    assert all(abs(error) <= schedule.RIGHT for error in shipped.errors().values())
    assert all(("to within" in each.check()) is (max(map(abs, each.errors().values())) <= schedule.RIGHT) for each in others)


def test_accelerators_come_first():
    queued = [machine.costs.queued for machine in machines()]
    assert queued == sorted(queued, reverse=True) and queued[0]


def test_a_live_machine(data):
    from day37.overhead import measure_account

    run = train(MLP(), data, epochs=300, progress=False)
    machine = measured(measure_account(MLP(), data, steps=50), [run])
    assert machine.origin.device == "cpu" and not machine.costs.queued
    assert set(machine.errors()) == {1}
    assert "LIVE" in repr(machine) and "the host waits" in repr(machine)
