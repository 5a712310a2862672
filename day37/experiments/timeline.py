"""Lessons 3 and 4: a few steps in a row: the host's phases, its calls, the device's work."""

import copy
import math
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass

from torch import nn

from day37.checks import check_fit, require, whole_number
from day37.data import IrisSplit
from day37.experiments.operations import HOST, profile
from day37.experiments.phases import PHASES, split_step
from day37.results import Live, Origin, show_seconds

PROFILED = 10  # times as many steps as are shown
DRIVERS = ("cu", "hip", "ur")  # how a call of NVIDIA's, AMD's and Intel's driver begins
CALLS = ("Launch", "Memcpy", "Memset", "Synchronize")  # what it does


@dataclass(frozen=True)
class Span:
    """Something that ran from `start` to `end`, in seconds from the timeline's beginning."""

    name: str
    start: float
    end: float


@dataclass(frozen=True)
class Timeline:
    """A few steps: `host`, what Python went through; `device`, what did the work.

    `calls`: what the host asked the driver of an accelerator for: launches, copies, waits. On an
    accelerator the device's spans are kernels and copies. On the CPU they are the operations that
    call no other, and there are no calls. ValueError if host and device are empty.
    """

    host: tuple[Span, ...]
    device: tuple[Span, ...]
    origin: Origin
    calls: tuple[Span, ...] = ()

    def __post_init__(self):
        require(len(self.host + self.device) > 0, "host, device", (), "one span or more")

    @property
    def length(self) -> float:
        """Seconds from the first beginning to the last end."""
        return max(span.end for span in (*self.host, *self.calls, *self.device))

    @property
    def launches(self) -> tuple[Span, ...]:
        """Those of the calls that launch a kernel, or a graph of them."""
        return tuple(call for call in self.calls if "Launch" in call.name)

    @property
    def busy(self) -> float:
        """The share of the length, 0 to 1, in which the device does work; NaN if nothing was seen.

        The profiler itself slows the host.
        """
        if not self.device:
            return math.nan
        return add_up(self.device) / self.length

    def finding(self) -> str:
        """What the timeline says of the device, in words."""
        if not self.device:
            return "the profiler saw no work on this device"
        what = "operations run" if self.origin.device == "cpu" else "the device works"
        how = " (profiled)" if self.origin.kind != "MODELLED" else ""
        return f"{what} {self.busy:.0%} of the time{how}"

    def __repr__(self) -> str:
        parts = [_count(self.host, "phase on the host", "phases on the host")]
        if self.calls:
            parts = ["the host waits, and launches nothing"]
        if self.launches:
            parts = [_together(self.launches, "launch by the host", "launches by the host")]
        if self.device and self.origin.device == "cpu":
            parts.append(_together(self.device, "operation", "operations"))
        elif self.device:
            parts.append(_together(self.device, "kernel or copy", "kernels and copies"))
        length = show_seconds(self.length)
        where = textwrap.fill(str(self.origin), 90, break_on_hyphens=False)
        what = "\n".join([*parts[:-1], f"{parts[-1]}, in {length}: {self.finding()}", where])
        return textwrap.indent(what, "  ").lstrip()


def add_up(spans: Iterable[Span]) -> float:
    """Seconds of all spans together."""
    return sum(span.end - span.start for span in spans)


def _count(spans: tuple[Span, ...], one: str, many: str) -> str:
    return f"{len(spans)} {one if len(spans) == 1 else many}"


def _together(spans: tuple[Span, ...], one: str, many: str) -> str:
    together = " together" if len(spans) > 1 else ""
    return f"{_count(spans, one, many)}, {show_seconds(add_up(spans))}{together}"


def profile_timeline(model: nn.Module, data: IrisSplit, *, steps: int = 2) -> Timeline:
    """Profile a copy of `model`, after a warm-up, and lay out when each part of `steps` steps ran.

    Ten times as many are profiled, and the quickest in a row are shown: others may hold an
    interruption of the machine. ValueError for `steps` under 1 or data that does not fit the model.
    """
    from torch.profiler import record_function

    whole_number("steps", steps)
    check_fit(model, data)
    phases = split_step(copy.deepcopy(model), data)

    def step():
        for name, phase in phases.items():
            with record_function(name):
                phase()

    events = profile(step, data.device, PROFILED * steps).events()
    host = _quickest([e for e in events if e.device_type == HOST and e.name in PHASES], steps)
    calls = []
    if data.device.type == "cpu":
        work = [e for e in events if e.name.startswith("aten::") and not e.cpu_children]
    else:
        work = [e for e in events if e.device_type != HOST and e.name not in PHASES]
        work = [e for e in work if not e.is_user_annotation]
        calls = [e for e in events if e.device_type == HOST and _asks_driver(e.name)]
    start = host[0].time_range.start
    end = host[-1].time_range.end

    def shown(events: list) -> tuple[Span, ...]:
        return _spans([e for e in events if start <= e.time_range.start <= end], start)

    return Timeline(_spans(host, start), shown(work), Live.here(data.device), shown(calls))


def _asks_driver(name: str) -> bool:
    """Whether the profiler's event is a launch, a copy, a fill or a wait that the host asks for."""
    return name.startswith(DRIVERS) and any(what in name for what in CALLS)


def _quickest(phases: list, steps: int) -> tuple:
    """Of the profiler's phases, those of the `steps` steps in a row that took the least time."""
    phases = sorted(phases, key=lambda event: event.time_range.start)
    length = len(PHASES) * steps
    windows = [phases[i : i + length] for i in range(0, len(phases) - length + 1, len(PHASES))]
    return min(windows, key=lambda w: w[-1].time_range.end - w[0].time_range.start)


def _spans(events: list, start: float) -> tuple[Span, ...]:
    """The profiler's events, their microseconds turned into seconds from `start`."""
    found = []
    for event in events:
        time = event.time_range
        found.append(Span(event.name, (time.start - start) * 1e-6, (time.end - start) * 1e-6))
    return tuple(found)
