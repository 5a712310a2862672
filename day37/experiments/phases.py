"""Lesson 3: the six phases of a step, timed one by one and as a whole."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import nn

from day37.checks import check_fit, require, whole_number
from day37.data import IrisSplit
from day37.results import Live, Measurement, table
from day37.timing import Stopwatch, until_interrupt
from day37.training import make_step

PHASES = ("forward", "loss", "zero_grad", "backward", "optimizer step", "read")
AGREE = 0.05  # parts and whole agree if they differ by less than this share of the whole


def split_step(model: nn.Module, data: IrisSplit, *, lr: float = 0.01) -> dict[str, Callable]:
    """A step and the read of its loss, cut into phases to be called in order.

    They do what `make_step` does, and change `model`.
    """
    loss_fn = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    now = {}

    def forward():
        now["scores"] = model(data.x_train)

    def loss():
        now["loss"] = loss_fn(now["scores"], data.y_train)

    def backward():
        now["loss"].backward()

    def read():
        return now["loss"].item()  # synchronisation point

    parts = (forward, loss, optimizer.zero_grad, backward, optimizer.step, read)
    return dict(zip(PHASES, parts, strict=True))


@dataclass(frozen=True)
class StepPhases:
    """The host's time in each phase of a step, and in whole steps measured in turn with them."""

    phases: dict[str, Measurement]
    whole: Measurement

    def __post_init__(self):
        require(len(self.phases) > 0, "phases", self.phases, "one phase or more")

    @property
    def total(self) -> float:
        """The sum of the phases' medians, in seconds."""
        return sum(phase.median for phase in self.phases.values())

    @property
    def unexplained(self) -> float:
        """The share of the whole that the phases do not add up to; negative if they are more."""
        return 1 - self.total / self.whole.median

    def __repr__(self) -> str:
        return f"{self.table()}\n{self.whole.origin}"

    def table(self, *more: tuple[str, str, str, str]) -> str:
        """The phases, their sum and the whole step, then `more` rows of four cells."""
        rows = []
        for name, phase in self.phases.items():
            share = phase.median / self.whole.median
            rows.append((name, f"{phase.median * 1e6:.1f}", f"{share:.0%}", ""))
        says = f"unexplained: {self.unexplained:.0%} of it"
        if abs(self.unexplained) < AGREE:
            says = f"they differ by {abs(self.unexplained):.1%}"
        rows.append(("sum of phases", f"{self.total * 1e6:.1f}", "", ""))
        rows.append(("whole step", f"{self.whole.median * 1e6:.1f}", "", says))
        return table(("phase", "µs", "share", ""), [*rows, *more])


def time_laps(*functions: Callable[[], object]) -> list[float]:
    """Call them one after the other: the host's seconds in each. Nothing waits for a device."""
    with Stopwatch() as watch:
        times = [watch.so_far()]
        for fn in functions:
            fn()
            times.append(watch.so_far())
    return [end - start for start, end in pairwise(times)]


def measure_phases(
    model: nn.Module, data: IrisSplit, *, steps: int = 1000, warmup: int = 50
) -> StepPhases:
    """Time the phases of `steps` steps, and `steps` whole steps between them, on a copy of `model`.

    On an accelerator a phase only queues its work; the last one, the read, waits for all of it. An
    interrupt keeps the steps that were timed whole. ValueError for `steps` under 1, a negative
    `warmup`, or data that does not fit.
    """
    whole_number("steps", steps)
    whole_number("warmup", warmup, least=0)
    check_fit(model, data)
    model = copy.deepcopy(model)
    parts = split_step(model, data)
    step = make_step(model, data)

    def time_parts() -> list[float]:
        return time_laps(*parts.values()) + time_laps(lambda: step().item())  # a read

    for _ in range(warmup):
        time_parts()
    columns = zip(*until_interrupt(time_parts() for _ in range(steps)), strict=True)
    origin = Live.here(data.device)
    timed = {}
    for name, samples in zip((*parts, "whole step"), columns, strict=True):
        timed[name] = Measurement(name, samples, origin)
    whole = timed.pop("whole step")
    return StepPhases(timed, whole)
