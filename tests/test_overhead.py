import math
from dataclasses import replace

import pytest
import torch

from day37 import MLP, load_iris, overhead
from day37.hardware import Origin
from day37.overhead import (
    PHASES,
    count_flops,
    count_operations,
    measure_account,
    measure_floor,
    measure_phases,
    record_timeline,
    split_step,
)
from day37.training import make_step


class Read:
    """A step that takes its time where its loss is read."""

    def __init__(self, work):
        self.item = work

    def __call__(self):
        return self


def weights(model):
    return [p.detach().clone() for p in model.parameters()]


def test_the_phases_are_the_step(data):
    torch.manual_seed(1)
    whole = MLP()
    torch.manual_seed(1)
    parts = MLP()
    step, phases = make_step(whole, data), split_step(parts, data)
    assert tuple(phases) == PHASES
    for _ in range(5):
        step()
        for phase in phases.values():
            phase()
    assert all(torch.equal(a, b) for a, b in zip(weights(whole), weights(parts), strict=True))


def test_phases_are_timed_without_the_warm_up(model, data, clock, monkeypatch):
    seconds = dict(zip(PHASES, (1, 2, 3, 4, 5, 6), strict=True))
    monkeypatch.setattr(
        overhead, "split_step", lambda *_: {name: clock.work(s) for name, s in seconds.items()}
    )
    monkeypatch.setattr(overhead, "make_step", lambda *_: Read(clock.work(24)))
    phases = measure_phases(model, data, steps=4, warmup=2)
    assert {name: m.samples for name, m in phases.phases.items()} == {
        name: (s,) * 4 for name, s in seconds.items()
    }
    assert phases.total == 21
    assert phases.whole.samples == (24,) * 4
    assert phases.unexplained == 1 - 21 / 24
    assert "unexplained: 12% of it" in repr(phases)
    exact = replace(phases, whole=replace(phases.whole, samples=(22.0,)))
    assert "they differ by 4.5%" in repr(exact)


def test_measuring_leaves_the_model_as_it_was(model, data):
    before = weights(model)
    measure_phases(model, data, steps=2, warmup=0)
    count_operations(model, data, steps=2)
    record_timeline(model, data)
    count_flops(model, data)
    assert all(torch.equal(a, b) for a, b in zip(before, weights(model), strict=True))


def test_operations_are_counted_per_step(model, data):
    one, many = (count_operations(model, data, steps=steps) for steps in (1, 10))
    assert many.operations["aten::mm"] + many.operations["aten::addmm"] == pytest.approx(5)
    assert one.operations.keys() == many.operations.keys()
    assert sum(one.operations.values()) == pytest.approx(sum(many.operations.values()))
    assert many.kernels == {}
    assert "no kernel launches" in repr(many)


def test_flops_are_those_of_the_five_products(data):
    assert count_flops(MLP(), data) == 2 * 120 * (40 + 30 + 40 + 30 + 30)
    assert count_flops(MLP(hidden=20), data) == 2 * 120 * (80 + 60 + 80 + 60 + 60)


def test_the_floor_is_flops_over_rate(model, data, monkeypatch):
    ticks = iter(
        range(0, 1000, 2)
    )  # 2 s from each reading to the next; a stopwatch reads its clock three times
    monkeypatch.setattr("day37.timing.clock", lambda: next(ticks))
    floor = measure_floor(model, data, size=64, repeats=3)
    assert floor.matmul.samples == (4, 4, 4)
    assert floor.rate == 2 * 64**3 / 4
    assert floor.seconds == pytest.approx(40_800 * 4 / (2 * 64**3))


def test_a_timeline_holds_each_phase_of_each_step(model, data):
    timeline = record_timeline(model, data, steps=3)
    assert [span.name for span in timeline.host] == list(PHASES) * 3
    assert all(a.end <= b.start for a, b in zip(timeline.host, timeline.host[1:], strict=False))
    assert all(span.start <= span.end <= timeline.length for span in timeline.device)
    assert 0 < timeline.busy < 1
    assert timeline.host[0].start == 0


def test_copies_are_no_launches_and_a_blind_profiler_says_so(model, data, monkeypatch):
    class Event:
        is_user_annotation, device_type = False, torch.autograd.DeviceType.CUDA

        def __init__(self, name):
            self.name, self.time_range = name, self

        def elapsed_us(self):
            return 3

    events = [Event("Memcpy HtoD"), Event("Memset"), Event("gemm"), Event("gemm")]
    monkeypatch.setattr(overhead, "profile_events", lambda *_: events)
    counted = count_operations(model, data, steps=2)
    assert (counted.kernels, counted.copies) == ({"gemm": 1.0}, 1.0)
    assert counted.kernel_seconds == pytest.approx(3e-6)
    blind = overhead.OperationCount({}, {}, 0.0, 0.0, 0.0, Origin("mps", "a GPU", "today"))
    assert "saw no kernels" in repr(blind)
    timeline = overhead.Timeline((overhead.Span("forward", 0.0, 1.0),), (), blind.origin)
    assert "saw no work" in repr(timeline)


def test_an_interrupt_keeps_the_whole_steps(model, data, clock, monkeypatch):
    calls = []

    def stop_in_the_fourth():
        calls.append(1)
        clock.now += 1
        if len(calls) == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(overhead, "make_step", lambda *_: Read(stop_in_the_fourth))
    phases = measure_phases(model, data, steps=9, warmup=1)
    assert phases.whole.samples == (1, 1)
    assert {len(m.samples) for m in phases.phases.values()} == {2}


def test_an_account_holds_parts_counts_and_floor(model, data):
    account = measure_account(model, data, steps=50)
    text = repr(account)
    assert account.operations.reads == 1
    assert math.isnan(account.idle)
    assert all(
        word in text
        for word in (*PHASES, "operations", "none: the host computes", "0, 1", "arithmetic", "LIVE")
    )
    kernels = replace(
        account.operations, kernels={"gemm": 20.0}, kernel_seconds=account.phases.whole.median / 4
    )
    on_device = replace(
        account, operations=replace(kernels, origin=Origin("cuda:0", "a GPU", "today"))
    )
    assert on_device.idle == pytest.approx(0.75)
    assert "20, " in repr(on_device) and "idle 75%" in repr(on_device)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU here")
def test_a_gpu_launches_kernels():
    data = load_iris("cuda")
    counts = count_operations(MLP().to("cuda"), data)
    assert sum(counts.kernels.values()) > 10
    timeline = record_timeline(MLP().to("cuda"), data)
    assert len(timeline.device) > 20
    assert len(timeline.host) == 2 * len(PHASES)
    assert max(span.end for span in timeline.device) <= timeline.host[-1].end
    account = measure_account(MLP().to("cuda"), data, steps=200)
    assert 0 < account.idle < 1
    assert account.operations.reads == 1
    assert abs(account.phases.unexplained) < 0.2
