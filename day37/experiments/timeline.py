"""Lesson 3: a few steps in a row, the host's phases above, the device's work below."""

import copy
import math
from dataclasses import dataclass

from torch import nn

from day37.checks import check_fit, require, whole_number
from day37.data import IrisSplit
from day37.experiments.operations import HOST, profile
from day37.experiments.phases import PHASES, split_step
from day37.results import Live, Origin, show_seconds

OFTEN = 10  # times as many steps are profiled as are shown


@dataclass(frozen=True)
class Span:
    """Something that ran from `start` to `end`, in seconds from the timeline's beginning."""

    name: str
    start: float
    end: float


@dataclass(frozen=True)
class Timeline:
    """A few steps: `host`, what Python went through; `device`, what did the work.

    On an accelerator the device's spans are kernels and copies. On the CPU they are the operations
    that call no other. ValueError if both are empty.
    """

    host: tuple[Span, ...]
    device: tuple[Span, ...]
    origin: Origin

    def __post_init__(self):
        require(len(self.host + self.device) > 0, "host, device", (), "one span or more")

    @property
    def length(self) -> float:
        """Seconds from the first beginning to the last end."""
        return max(span.end for span in (*self.host, *self.device))

    @property
    def busy(self) -> float:
        """The share of the length, 0 to 1, in which the device does work; NaN if nothing was seen.

        The profiler itself slows the host.
        """
        if not self.device:
            return math.nan
        return sum(span.end - span.start for span in self.device) / self.length

    def finding(self) -> str:
        """What the timeline says of the device, in words."""
        if not self.device:
            return "the profiler saw no work on this device"
        what = "operations run" if self.origin.device == "cpu" else "the device works"
        how = " (profiled)" if self.origin.kind != "MODELLED" else ""
        return f"{what} {self.busy:.0%} of the time{how}"

    def __repr__(self) -> str:
        counts = f"{len(self.host)} phases on the host, {len(self.device)} pieces of work"
        return f"{counts} in {show_seconds(self.length)}: {self.finding()}\n  {self.origin}"


def record_timeline(model: nn.Module, data: IrisSplit, *, steps: int = 2) -> Timeline:
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

    # What ran: the phases, and what did the work.
    events = profile(step, data.device, OFTEN * steps).events()
    host = [e for e in events if e.device_type == HOST and e.name in PHASES]
    host.sort(key=lambda event: event.time_range.start)
    if data.device.type == "cpu":
        work = [e for e in events if e.name.startswith("aten::") and not e.cpu_children]
    else:
        work = [e for e in events if e.device_type != HOST and e.name not in PHASES]
        work = [e for e in work if not e.is_user_annotation]

    # The quickest steps in a row.
    length = len(PHASES) * steps
    windows = [host[i : i + length] for i in range(0, len(host) - length + 1, len(PHASES))]
    quickest = min(windows, key=lambda w: w[-1].time_range.end - w[0].time_range.start)
    start = quickest[0].time_range.start
    end = quickest[-1].time_range.end

    def spans(row: list) -> tuple[Span, ...]:
        """Those that begin in these steps, with microseconds turned into seconds."""
        found = []
        for event in row:
            time = event.time_range
            if start <= time.start <= end:
                span = Span(event.name, (time.start - start) * 1e-6, (time.end - start) * 1e-6)
                found.append(span)
        return tuple(found)

    return Timeline(spans(quickest), spans(work), Live.here(data.device))
