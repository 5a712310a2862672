"""The simulation of a step, held against another one, and against arithmetic by hand."""

import itertools
from dataclasses import replace

import pytest

from day37 import StepQueue

MANY = list(
    itertools.product((1, 7), (0.0, 2.0, 5.0), (0.0, 1.0, 5.0, 9.0), (0.0, 30.0), (1, 3, 20))
)


def simulate(queue, steps):
    """The seconds for `steps` steps, launch by launch: when host and device are both through."""
    now = 0.0
    free = 0.0
    for step in range(1, steps + 1):
        for _ in range(queue.launches):
            now += queue.launch
            free = max(now, free) + queue.kernel
        if step % queue.every == 0:
            now = max(now, free) + queue.read
    return max(now, free)


@pytest.mark.parametrize("case", MANY, ids=str)
def test_the_formula_is_the_simulation(case):
    queue = StepQueue(*case)
    for steps in (1, 2, 3, 10):
        assert queue.total(steps) == pytest.approx(simulate(queue, steps))


@pytest.mark.parametrize("case", MANY, ids=str)
def test_the_timeline_ends_when_the_steps_do_and_overlaps_nothing(case):
    queue = StepQueue(*case)
    timeline = queue.timeline(steps=4)
    assert timeline.length == pytest.approx(queue.total(4))
    assert len(timeline.device) == 4 * queue.launches
    assert len([span for span in timeline.host if span.name == "read"]) == 4 // queue.every
    busy = sum(span.end - span.start for span in timeline.device)
    assert busy == pytest.approx(4 * queue.launches * queue.kernel)
    launching = [span for span in timeline.host if span.name == "launches"]
    asked = sum(span.end - span.start for span in launching)
    assert asked == pytest.approx(4 * queue.launches * queue.launch)
    for lane in (timeline.host, timeline.device):
        assert all(b.start >= a.end - 1e-9 for a, b in itertools.pairwise(lane))


def test_by_hand():
    queue = StepQueue(10, 8.0, 2.0, 30.0)  # launch-bound: 10 launches, the last kernel, the read
    assert queue.total(100) == 100 * (80 + 2 + 30)
    assert replace(queue, every=100).total(100) == 100 * 80 + 2 + 30
    slow = replace(queue, kernel=20.0)  # compute-bound: one launch, then all kernels
    assert slow.total(100) == 100 * (8 + 200 + 30)


def test_the_timeline_by_hand():
    timeline = StepQueue(2, 3.0, 5.0, 7.0).timeline(steps=2)
    host = [(span.name, span.start, span.end) for span in timeline.host]
    assert host[:3] == [("launches", 0, 6), ("wait", 6, 13), ("read", 13, 20)]
    assert host[3:] == [("launches", 20, 26), ("wait", 26, 33), ("read", 33, 40)]
    device = [(span.name, span.start, span.end) for span in timeline.device]
    assert device == [("kernel", 3, 8), ("kernel", 8, 13), ("kernel", 23, 28), ("kernel", 28, 33)]


def test_the_bottleneck():
    assert StepQueue(10, 8.0, 2.0, 30.0).bottleneck() == "launches"
    assert StepQueue(10, 2.0, 8.0, 30.0).bottleneck() == "kernels"
    assert StepQueue(10, 2.0, 2.0, 300.0).bottleneck() == "reads"
    savings = StepQueue(10, 8.0, 2.0, 30.0).savings(100)
    shares = {"launches": 1 - 50 / 112, "kernels": 2 / 112, "reads": 1 - 8002 / 11200}
    assert savings == pytest.approx(shares)
    assert StepQueue(10, 8.0, 8.0, 0.0, every=1000).bottleneck() == "launches and kernels together"
    nothing = StepQueue(10, 0.0, 0.0, 0.0).savings()
    assert nothing == {"launches": 0.0, "kernels": 0.0, "reads": 0.0}


def test_what_is_modelled_says_so_and_gives_its_numbers():
    queue = StepQueue(34, 69e-6, 25e-6, 45e-6, every=10)
    text = (
        "34 launches a step, a launch 69 µs, a kernel 25 µs, a read 45 µs, steps between reads 10"
    )
    assert text in repr(queue) and "20,000 steps: 47.1 s; bottleneck: launches" in repr(queue)
    origin = queue.timeline().origin
    assert str(origin) == f"MODELLED: {text}" and not origin.recorded
    assert "profiled" not in queue.timeline().finding()


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
        replace(StepQueue(10, 8e-6, 2e-6, 3e-5), **how)
