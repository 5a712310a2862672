import math
from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace

import pytest
import torch

from day37 import MLP, load_iris, profile_timeline
from day37.data import IrisSplit
from day37.experiments import timeline as module
from day37.experiments.phases import PHASES
from day37.experiments.timeline import Span, Timeline
from day37.results import Live, Origin

GPU = Live("cuda:0", "a GPU", "today")


def test_a_timeline_holds_each_phase_of_each_step(model, data):
    timeline = profile_timeline(model, data, steps=3)
    assert [span.name for span in timeline.host] == list(PHASES) * 3
    assert all(a.end <= b.start for a, b in pairwise(timeline.host))
    assert all(span.start <= span.end <= timeline.length for span in timeline.device)
    assert 0 < timeline.busy < 1
    assert timeline.host[0].start == 0
    assert timeline.length < 1  # seconds, not microseconds
    assert timeline.origin.device == "cpu"
    assert not timeline.origin.recorded


class Event:
    """What torch's profiler tells of a stretch of time on the host, from `start` to `end` (µs)."""

    device_type = torch.autograd.DeviceType.CPU
    is_user_annotation = False
    cpu_children = ()

    def __init__(self, name, start, end, **more):
        self.name = name
        self.time_range = self
        self.start = start
        self.end = end
        for what, value in more.items():
            setattr(self, what, value)


@pytest.fixture
def profiled(monkeypatch):
    """What torch's profiler is to give, as a list to be filled."""
    events = []
    recorded = SimpleNamespace(events=lambda: events)
    monkeypatch.setattr(module, "profile", lambda *_, **__: recorded)
    return events


def fill(events, took):
    """Steps of these lengths (µs): six phases each, with an operation that calls another."""
    now = 1000
    for us in took:
        for i, name in enumerate(PHASES):
            start = now + i * us / 6
            end = now + (i + 1) * us / 6
            inner = Event("aten::inner", start + 1, start + 2)
            outer = Event("aten::outer", start, start + 3, cpu_children=(inner,))
            events += [inner, outer, Event(name, start, end)]
        now += us


def test_a_timeline_shows_the_quickest_steps_in_a_row(model, data, profiled):
    took = [600] * 20
    took[3] = 6000
    took[11] = 120
    took[12] = 60
    fill(profiled, took)
    timeline = profile_timeline(model, data, steps=2)
    ends = [(span.name, span.start, span.end) for span in timeline.host]
    first = [(name, 20e-6 * i, 20e-6 * (i + 1)) for i, name in enumerate(PHASES)]
    second = [(name, 120e-6 + 10e-6 * i, 120e-6 + 10e-6 * (i + 1)) for i, name in enumerate(PHASES)]
    for found, expected in zip(ends, first + second, strict=True):
        assert found == (expected[0], pytest.approx(expected[1]), pytest.approx(expected[2]))


@pytest.mark.parametrize("quick", [0, 9])
def test_the_first_and_the_last_step_may_be_the_quickest(model, data, profiled, quick):
    took = [600] * 10
    took[quick] = 60
    fill(profiled, took)
    assert profile_timeline(model, data, steps=1).host[-1].end == pytest.approx(60e-6)


def test_a_timeline_begins_where_a_step_begins(model, data, profiled):
    now = 1000
    slow_then_quick = (100, 100, 100, 10, 10, 10)
    for took in [(100,) * 6] * 4 + [slow_then_quick, slow_then_quick[::-1]] + [(100,) * 6] * 4:
        for name, us in zip(PHASES, took, strict=True):
            profiled.append(Event(name, now, now + us))
            now += us
    timeline = profile_timeline(model, data, steps=1)
    assert [span.name for span in timeline.host] == list(PHASES)
    assert timeline.length == pytest.approx(330e-6)  # six phases across the two took 60 µs


def test_the_profilers_events_may_come_in_any_order(model, data, profiled):
    took = [600] * 10
    took[5] = 60
    fill(profiled, took)
    profiled.reverse()
    timeline = profile_timeline(model, data, steps=1)
    assert [span.name for span in timeline.host] == list(PHASES)
    assert timeline.host[-1].end == pytest.approx(60e-6)


def test_a_timelines_operations_call_no_other_and_are_of_its_steps(model, data, profiled):
    took = [600] * 10
    took[4] = 60
    fill(profiled, took)
    profiled.append(Event("not an operation", 1000 + 4 * 600 + 5, 1000 + 4 * 600 + 6))
    timeline = profile_timeline(model, data, steps=1)
    assert [span.name for span in timeline.device] == ["aten::inner"] * 6
    ends = [(span.start, span.end) for span in timeline.device]
    each = [(1e-6 + 10e-6 * i, 2e-6 + 10e-6 * i) for i in range(6)]
    assert ends == [pytest.approx(pair, abs=1e-12) for pair in each]
    assert timeline.busy == pytest.approx(6 / 60)


class OnGPU(IrisSplit):
    """Rows that say that they are on a GPU."""

    device = torch.device("cuda:0")


def test_a_gpus_timeline_shows_kernels_and_copies_and_no_named_range(
    model, data, profiled, monkeypatch
):
    monkeypatch.setattr(module.Live, "here", lambda device: replace(GPU, device=str(device)))
    fill(profiled, [600] * 3 + [60] + [600] * 6)
    begun = 1000 + 3 * 600
    on_gpu = {"device_type": torch.autograd.DeviceType.CUDA}
    profiled += [
        Event("gemm", begun + 5, begun + 15, **on_gpu),
        Event("Memcpy DtoH", begun + 40, begun + 45, **on_gpu),
        Event("gemm", begun + 70, begun + 80, **on_gpu),  # of the next step
        Event("forward", begun, begun + 10, **on_gpu),
        Event("a range", begun, begun + 60, is_user_annotation=True, **on_gpu),
    ]
    there = OnGPU(**{name: getattr(data, name) for name in data.__dataclass_fields__})
    timeline = profile_timeline(model, there, steps=1)
    assert [span.name for span in timeline.host] == list(PHASES)
    assert [span.name for span in timeline.device] == ["gemm", "Memcpy DtoH"]
    assert timeline.busy == pytest.approx(15 / 60)
    assert timeline.finding() == "the device works 25% of the time (profiled)"


CALLS = ["cudaLaunchKernel", "cuLaunchKernelEx", "cudaGraphLaunch", "cudaMemcpyAsync"]
CALLS += ["cudaMemsetAsync", "cudaStreamSynchronize", "cudaDeviceSynchronize"]
CALLS += ["hipLaunchKernel", "hipExtModuleLaunchKernel", "hipMemcpyWithStream", "hipGraphLaunch"]
CALLS += ["urEnqueueKernelLaunch"]
OTHERS = ["cudaEventQuery", "hipGetDevicePropertiesR0600", "cudaFuncGetAttributes", "Memcpy DtoH"]
OTHERS += ["aten::copy_", "aten::Launch", "forward"]


def test_a_gpus_timeline_holds_the_hosts_launches_copies_and_waits(
    model, data, profiled, monkeypatch
):
    monkeypatch.setattr(module.Live, "here", lambda device: replace(GPU, device=str(device)))
    fill(profiled, [600] * 3 + [60] + [600] * 6)
    begun = 1000 + 3 * 600
    for i, name in enumerate(CALLS + OTHERS):
        profiled.append(Event(name, begun + 3 * i, begun + 3 * i + 2))
    profiled.append(Event("cudaLaunchKernel", begun - 9, begun - 8))  # of the step before
    profiled.append(Event("cudaLaunchKernel", begun + 70, begun + 71))  # of the next step
    on_gpu = {"device_type": torch.autograd.DeviceType.CUDA}
    profiled.append(Event("cudaLaunchKernel", begun + 5, begun + 6, **on_gpu))  # the device's
    there = OnGPU(**{name: getattr(data, name) for name in data.__dataclass_fields__})
    timeline = profile_timeline(model, there, steps=1)
    assert [call.name for call in timeline.calls] == CALLS
    for i, call in enumerate(timeline.calls):
        assert (call.start, call.end) == pytest.approx((3e-6 * i, 3e-6 * i + 2e-6))
    assert [c.name for c in timeline.launches] == [name for name in CALLS if "Launch" in name]


def test_a_timeline_on_the_cpu_has_no_calls(model, data, profiled):
    fill(profiled, [600] * 10)
    for i in range(6000):
        profiled.append(Event("cudaLaunchKernel", 1000 + i, 1001 + i))
    timeline = profile_timeline(model, data, steps=1)
    assert timeline.calls == timeline.launches == ()


def test_ten_times_as_many_steps_are_profiled_as_are_shown(model, data, profiled, monkeypatch):
    recorded = module.profile()
    seen = []

    def spy(step, device, steps):
        seen.append((device, steps))
        return recorded

    monkeypatch.setattr(module, "profile", spy)
    fill(profiled, [600] * 30)
    profile_timeline(model, data, steps=3)
    profile_timeline(model, data)
    assert seen == [(data.device, 30), (data.device, 20)]


def made_up(**parts):
    host = (Span("forward", 0.0, 3.0), Span("read", 3.0, 8.0))
    device = (Span("a", 1.0, 2.0), Span("b", 7.0, 10.0))
    return replace(Timeline(host, device, GPU), **parts)


def test_a_timeline_knows_its_length_and_how_busy_it_is():
    timeline = made_up()
    assert timeline.length == 10
    assert timeline.busy == 0.4
    assert timeline.finding() == "the device works 40% of the time (profiled)"
    on_cpu = replace(timeline, origin=Live("cpu", "a CPU", "today"))
    assert on_cpu.finding() == "operations run 40% of the time (profiled)"
    old = replace(timeline, origin=Origin("cuda:0", "a GPU", "today"))
    assert old.finding() == timeline.finding()


LAUNCHES = (Span("cudaLaunchKernel", 0.0, 0.5), Span("cuLaunchKernel", 3.0, 3.25))
WAIT = Span("cudaStreamSynchronize", 4.0, 12.0)


def test_a_timeline_prints_its_parts_and_where_it_is_from():
    works = "in 10 s: the device works 40% of the time (profiled)"
    first, second, third = repr(made_up()).splitlines()
    assert first == "2 phases on the host"
    assert second == f"  2 kernels and copies, 4 s together, {works}"
    assert third.strip() == "LIVE, a GPU (cuda:0)"
    one = made_up(host=made_up().host[:1], device=(Span("a", 6.0, 10.0),), calls=LAUNCHES[:1])
    assert repr(one).startswith(f"1 launch by the host, 500 ms\n  1 kernel or copy, 4 s, {works}")
    on_cpu = repr(made_up(origin=Live("cpu", "a CPU", "today")))
    assert on_cpu.startswith("2 phases on the host\n  2 operations, 4 s together, in 10 s: oper")


def test_the_launches_are_those_of_the_calls_that_launch():
    timeline = made_up(calls=(LAUNCHES[0], WAIT, LAUNCHES[1]))
    assert timeline.launches == LAUNCHES
    assert timeline.length == 12
    assert timeline.busy == pytest.approx(4 / 12)
    assert repr(timeline).startswith("2 launches by the host, 750 ms together\n  2 kernels and")
    assert made_up().calls == made_up().launches == ()
    assert repr(made_up(calls=(WAIT,))).startswith(
        "the host waits, and launches nothing\n  2 kernels and copies"
    )


def test_a_timeline_without_work_says_so():
    timeline = made_up(device=(), origin=Live("mps", "a GPU", "today"))
    assert repr(timeline).startswith("2 phases on the host, in 8 s: the profiler saw no work")
    assert math.isnan(timeline.busy)
    assert timeline.length == 8


def test_an_empty_timeline_is_refused():
    with pytest.raises(ValueError, match="host, device must be one span or more"):
        Timeline((), (), GPU)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU here")
def test_a_gpus_timeline_holds_its_kernels():
    timeline = profile_timeline(MLP().to("cuda"), load_iris("cuda"))
    assert len(timeline.device) > 20
    assert len(timeline.launches) > 10
    assert len(timeline.host) == 2 * len(PHASES)
    assert max(span.end for span in timeline.device) <= timeline.host[-1].end
