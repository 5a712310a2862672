"""What one step costs beside its arithmetic: its phases, its operations, its timeline, and the floor below it."""

import copy
import math
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from day37.arguments import whole_number
from day37.data import IrisSplit
from day37.hardware import Origin, synchronize
from day37.timing import Measurement, measure, show_seconds, time_laps, until_interrupt
from day37.training import check_fit, make_step

PHASES = ("forward", "loss", "zero_grad", "backward", "optimizer step", "read")
AGREE = 0.05  # parts and whole agree if they differ by less than this share of the whole


def split_step(model: nn.Module, data: IrisSplit, *, lr: float = 0.01) -> dict[str, Callable[[], object]]:
    """The step of `make_step` and the read of its loss, cut into phases to be called in order. They change `model`."""
    loss_fn, optimizer, now = nn.CrossEntropyLoss(), torch.optim.SGD(model.parameters(), lr=lr), {}

    def forward():
        now["scores"] = model(data.x_train)

    def loss():
        now["loss"] = loss_fn(now["scores"], data.y_train)

    def backward():
        now["loss"].backward()

    def read():
        return now["loss"].item()  # synchronisation point

    return dict(zip(PHASES, (forward, loss, optimizer.zero_grad, backward, optimizer.step, read), strict=True))


@dataclass(frozen=True)
class StepPhases:
    """The host's time in each phase of a step, and in whole steps measured in turn with them (seconds)."""

    phases: dict[str, Measurement]
    whole: Measurement

    @property
    def total(self) -> float:
        """The sum of the phases' medians, in seconds."""
        return sum(phase.median for phase in self.phases.values())

    @property
    def unexplained(self) -> float:
        """The share of the whole that the phases do not add up to; negative if they add up to more."""
        return 1 - self.total / self.whole.median

    def __repr__(self) -> str:
        lines = [f"{name:>16}  {m.median * 1e6:7.1f} µs  {m.median / self.whole.median:5.0%}" for name, m in self.phases.items()]
        says = (
            f"they differ by {abs(self.unexplained):.1%}"
            if abs(self.unexplained) < AGREE
            else f"unexplained: {self.unexplained:.0%} of it"
        )
        lines += [
            f"{'sum of phases':>16}  {self.total * 1e6:7.1f} µs",
            f"{'whole step':>16}  {self.whole.median * 1e6:7.1f} µs  {says}",
        ]
        return "\n".join([*lines, str(self.whole.origin)])


def measure_phases(model: nn.Module, data: IrisSplit, *, steps: int = 1000, warmup: int = 50) -> StepPhases:
    """Time the phases of `steps` steps, and `steps` whole steps between them; a copy of `model` is trained.

    On an accelerator a phase only queues its work; the last one, the read, waits for all of it. An interrupt keeps the
    whole steps. ValueError for `steps` under 1, a negative `warmup`, or data that does not fit.
    """
    whole_number("steps", steps)
    whole_number("warmup", warmup, least=0)
    check_fit(model, data)
    model = copy.deepcopy(model)
    parts, step = split_step(model, data), make_step(model, data)

    def time_parts() -> list[float]:
        return time_laps(*parts.values()) + time_laps(lambda: step().item())

    for _ in range(warmup):
        time_parts()
    samples = zip(*until_interrupt(time_parts() for _ in range(steps)), strict=True)
    origin = Origin.here(data.device)
    timed = {name: Measurement(name, times, origin) for name, times in zip((*parts, "whole step"), samples, strict=True)}
    return StepPhases(timed, timed.pop("whole step"))


@dataclass(frozen=True)
class OperationCount:
    """How often a step and its read call each operation of torch, and on an accelerator each kernel (none on the CPU).

    `copies`: between host and device, or on it; `reads`: numbers brought to Python; `kernel_seconds`: all kernels.
    """

    operations: dict[str, float]
    kernels: dict[str, float]
    copies: float
    reads: float
    kernel_seconds: float
    origin: Origin

    def __repr__(self) -> str:
        most = sorted(self.operations.items(), key=lambda item: -item[1])[:8]
        lines = [f"{count:6.0f}  {name}" for name, count in most]
        none = "no kernel launches" if self.origin.device == "cpu" else "and the profiler saw no kernels on this device"
        kernels = f"{sum(self.kernels.values()):.0f} kernel launches" if self.kernels else none
        head = f"{sum(self.operations.values()):.0f} operations per step, {kernels}; {self.origin}. The most frequent:"
        return "\n".join([head, *lines])


def count_operations(model: nn.Module, data: IrisSplit, *, steps: int = 10) -> OperationCount:
    """Count with torch.profiler what a step and its read dispatch; an operation called by another counts too.

    Trains a copy. ValueError for `steps` under 1 or data that does not fit the model.
    """
    whole_number("steps", steps)
    check_fit(model, data)
    step = make_step(copy.deepcopy(model), data)
    events = profile_events(lambda: step().item(), data.device, steps)
    operations, kernels, copies, busy = Counter(), Counter(), 0, 0.0
    for event in events:
        on_host, copying = event.device_type == torch.autograd.DeviceType.CPU, event.name.startswith(("Memcpy", "Memset"))
        if event.is_user_annotation or (on_host and not event.name.startswith("aten::")):
            continue
        copies += copying
        if not copying:
            (operations if on_host else kernels)[event.name] += 1
            busy += 0 if on_host else event.time_range.elapsed_us() * 1e-6
    each = [{name: count / steps for name, count in table.items()} for table in (operations, kernels)]
    reads = operations["aten::_local_scalar_dense"] / steps
    return OperationCount(*each, copies / steps, reads, busy / steps, Origin.here(data.device))


def profile_events(step: Callable[[], object], device: torch.device, steps: int, *, warmup: int = 5) -> list:
    """torch.profiler's events, on host and device, of `steps` calls of `step`, after `warmup` that are not profiled."""
    from torch.profiler import profile

    if device.type == "cpu":  # else torch 2.13 writes "profiler_start" to stderr; on a GPU its warnings count more
        os.environ.setdefault("KINETO_LOG_LEVEL", "6")
    for _ in range(warmup):
        step()
    synchronize(device)
    with profile() as profiler:
        for _ in range(steps):
            step()
        synchronize(device)
    return list(profiler.events())


@dataclass(frozen=True)
class Span:
    """Something that ran from `start` to `end`, in seconds from the timeline's beginning."""

    name: str
    start: float
    end: float


@dataclass(frozen=True)
class Timeline:
    """A few steps: `host`, the phases as Python went through them; `device`, what did the work.

    On an accelerator the device's spans are kernels and copies. On the CPU they are the operations that call no other.
    """

    host: tuple[Span, ...]
    device: tuple[Span, ...]
    origin: Origin

    @property
    def length(self) -> float:
        """Seconds from the first beginning to the last end."""
        return max(span.end for span in (*self.host, *self.device))

    @property
    def busy(self) -> float:
        """The share of the length, 0 to 1, in which the device does work; NaN if the profiler saw nothing of it.

        The profiler itself slows the host.
        """
        return sum(span.end - span.start for span in self.device) / self.length if self.device else math.nan

    def finding(self) -> str:
        """What the timeline says of the device, in words."""
        if not self.device:
            return "the profiler saw no work on this device"
        what = "operations run" if self.origin.device == "cpu" else "the device works"
        return f"{what} {self.busy:.0%} of the time (profiled)"

    def __repr__(self) -> str:
        counts = f"{len(self.host)} phases on the host, {len(self.device)} pieces of work"
        return f"{counts} in {show_seconds(self.length)}: {self.finding()}\n  {self.origin}"


def record_timeline(model: nn.Module, data: IrisSplit, *, steps: int = 2) -> Timeline:
    """Profile a copy of `model`, after a warm-up, and lay out when each part of `steps` steps in a row ran.

    Ten times as many are profiled, and the quickest in a row are shown: others may hold an interruption of the machine.
    ValueError for `steps` under 1 or data that does not fit the model.
    """
    from torch.profiler import record_function

    whole_number("steps", steps)
    check_fit(model, data)
    phases = split_step(copy.deepcopy(model), data)

    def step():
        for name, phase in phases.items():
            with record_function(name):
                phase()

    events = profile_events(step, data.device, 10 * steps)
    on_cpu = [e for e in events if e.device_type == torch.autograd.DeviceType.CPU]
    on_device = [e for e in events if e.device_type != torch.autograd.DeviceType.CPU]
    kernels = [e for e in on_device if e.name not in PHASES and not e.is_user_annotation]
    leaves = [e for e in on_cpu if e.name.startswith("aten::") and not e.cpu_children]
    host = sorted((e for e in on_cpu if e.name in PHASES), key=lambda e: e.time_range.start)
    windows = [host[i : i + len(PHASES) * steps] for i in range(0, len(PHASES) * 9 * steps + 1, len(PHASES))]
    host = min(windows, key=lambda window: window[-1].time_range.end - window[0].time_range.start)
    start, end = host[0].time_range.start, host[-1].time_range.end

    def spans(row: list) -> tuple[Span, ...]:
        inside = [(e.name, e.time_range) for e in row if start <= e.time_range.start <= end]
        return tuple(Span(name, (t.start - start) * 1e-6, (t.end - start) * 1e-6) for name, t in inside)

    return Timeline(spans(host), spans(leaves if data.device.type == "cpu" else kernels), Origin.here(data.device))


@dataclass(frozen=True)
class ArithmeticFloor:
    """The least time a step could take if it were nothing but its matrix products at this machine's measured rate."""

    flops: int
    rate: float
    matmul: Measurement

    @property
    def seconds(self) -> float:
        """`flops / rate`, in seconds a step."""
        return self.flops / self.rate

    def __repr__(self) -> str:
        return (
            f"{self.flops:,} floating-point operations per step at {self.rate / 1e9:,.0f} GFLOP/s: "
            f"at least {show_seconds(self.seconds)}\n  {self.matmul.origin}"
        )


def count_flops(model: nn.Module, data: IrisSplit) -> int:
    """Floating-point operations in the matrix products of one step, forward and backward, a multiply-add being two.

    Counted by torch.utils.flop_counter.FlopCounterMode, which leaves out ReLU, softmax, biases and the update.
    """
    from torch.utils.flop_counter import FlopCounterMode

    check_fit(model, data)
    step = make_step(copy.deepcopy(model), data)
    with FlopCounterMode(display=False) as counter:
        step()
    return counter.get_total_flops()


def measure_floor(model: nn.Module, data: IrisSplit, *, size: int = 1024, repeats: int = 20) -> ArithmeticFloor:
    """Count a step's operations and measure the rate of a float32 product of two `size` × `size` matrices beside it.

    The matrices are drawn from torch's generator. ValueError for a `size` or `repeats` under 1.
    """
    whole_number("size", size)
    a, b = torch.randn(2, size, size, device=data.device)
    matmul = measure(lambda: a @ b, device=data.device, repeats=repeats)
    return ArithmeticFloor(count_flops(model, data), 2 * size**3 / matmul.median, matmul)


@dataclass(frozen=True)
class Account:
    """Where a step's time goes on one device: its phases, what they ask for, and the arithmetic beneath."""

    phases: StepPhases
    operations: OperationCount
    floor: ArithmeticFloor

    @property
    def idle(self) -> float:
        """The share of a step, 0 to 1, in which no kernel runs; NaN where the profiler saw no kernels."""
        counted, whole = self.operations, self.phases.whole.median
        return 1 - counted.kernel_seconds / whole if counted.kernels else math.nan

    def __repr__(self) -> str:
        counted, whole = self.operations, self.phases.whole.median
        calls, kernels = sum(counted.operations.values()), sum(counted.kernels.values())
        device = "none: the host computes" if counted.origin.device == "cpu" else "the profiler saw none"
        if kernels:
            device = (
                f"{kernels:.0f}, {show_seconds(counted.kernel_seconds)} in all: the device is idle {self.idle:.0%} of the step"
            )
        rows = [
            ("operations", f"{calls:.0f}"),
            ("kernels", device),
            ("copies, reads", f"{counted.copies:.0f}, {counted.reads:.0f}"),
        ]
        rows += [("arithmetic", f"{show_seconds(self.floor.seconds)} at least, {self.floor.seconds / whole:.3%} of the step")]
        lines = str(self.phases).splitlines()
        return "\n".join([*lines[:-1], *(f"{name:>16}  {value}" for name, value in rows), lines[-1]])


def measure_account(model: nn.Module, data: IrisSplit, *, steps: int = 1000) -> Account:
    """Measure the phases of `steps` steps, count what a step asks for, and measure the floor below it; trains copies."""
    phases = measure_phases(model, data, steps=steps)
    return Account(phases, count_operations(model, data), measure_floor(model, data))
