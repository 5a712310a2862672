"""Lesson 3: a simulation of a step on a GPU: the host launches, the device works, a read waits."""

import math
from dataclasses import dataclass, replace

from day37.checks import require, whole_number
from day37.experiments.timeline import Span, Timeline
from day37.results import Origin, show_seconds
from day37.training import EPOCHS

WORTH = 0.1  # less of the time saved than this share is not worth a name


class Modelled(Origin):
    """The origin of what was worked out and not measured: no device, and the numbers it is from."""

    kind = "MODELLED"

    def __str__(self) -> str:
        return f"{self.kind}: {self.product}"


@dataclass(frozen=True)
class StepQueue:
    """A step: `launches` kernels, a `launch` and a `kernel` of so many seconds each, and a `read`.

    The host puts a launch into a queue and goes on at once. A kernel starts when it has been
    launched and the one before it is done. After `every` steps the host reads the loss: it waits
    until the queue is empty, and then pays `read` seconds. ValueError for a negative time, or no
    launch or step.
    """

    launches: int
    launch: float
    kernel: float
    read: float
    every: int = 1

    def __post_init__(self):
        whole_number("launches", self.launches)
        whole_number("every", self.every)
        for name in ("launch", "kernel", "read"):
            seconds = getattr(self, name)
            right = math.isfinite(seconds) and seconds >= 0
            require(right, name, seconds, "a number of seconds, 0 or more")

    def stretch(self, steps: int) -> float:
        """Seconds for `steps` steps without a read, from an empty queue until the device is done.

        Of m launches the slower side sets the pace: max(m·launch + kernel, launch + m·kernel).
        """
        m = steps * self.launches
        if m == 0:
            return 0.0
        return max(m * self.launch + self.kernel, self.launch + m * self.kernel)

    def total(self, steps: int = EPOCHS) -> float:
        """Seconds for `steps` steps with their reads."""
        reads, rest = divmod(whole_number("steps", steps), self.every)
        return reads * (self.stretch(self.every) + self.read) + self.stretch(rest)

    def savings(self, steps: int = EPOCHS) -> dict[str, float]:
        """For each cost, the share of the total, 0 to 1, that would be saved if it were nothing.

        "reads" counts the waiting in them too. The shares need not add up to 1: what runs at the
        same time is saved only if both sides go.
        """
        without = {
            "launches": replace(self, launch=0.0),
            "kernels": replace(self, kernel=0.0),
            "reads": replace(self, read=0.0, every=steps + 1),
        }
        whole = self.total(steps)
        if whole == 0:
            return dict.fromkeys(without, 0.0)
        return {name: 1 - one.total(steps) / whole for name, one in without.items()}

    def bottleneck(self, steps: int = EPOCHS) -> str:
        """The cost without which most would be saved: "launches", "kernels" or "reads".

        Where each alone would save less than a tenth, both sides are busy: "launches and kernels
        together".
        """
        savings = self.savings(steps)
        most = max(savings, key=savings.get)
        return most if savings[most] >= WORTH else "launches and kernels together"

    def finding(self, steps: int = EPOCHS) -> str:
        """The total and the bottleneck, in words."""
        time = show_seconds(self.total(steps))
        return f"{steps:,} steps: {time}; bottleneck: {self.bottleneck(steps)}"

    def timeline(self, steps: int = 3) -> Timeline:
        """When the host and the device do what, launch by launch, in the first `steps` steps."""
        host = []
        device = []
        now = 0.0  # on the host's clock
        free = 0.0  # when the device has done all that was launched
        for step in range(1, whole_number("steps", steps) + 1):
            begun = now
            for _ in range(self.launches):
                now += self.launch
                start = max(now, free)
                free = start + self.kernel
                device.append(Span("kernel", start, free))
            host.append(Span("launches", begun, now))
            if step % self.every == 0:
                waited = max(now, free)
                host.append(Span("wait", now, waited))
                now = waited + self.read
                host.append(Span("read", waited, now))
        return Timeline(tuple(host), tuple(device), Modelled("", str(self), ""))

    def __str__(self) -> str:
        costs = f"a launch {show_seconds(self.launch)}, a kernel {show_seconds(self.kernel)}"
        read = f"a read {show_seconds(self.read)}, steps between reads {self.every:,}"
        return f"{self.launches} launches a step, {costs}, {read}"

    def __repr__(self) -> str:
        return f"{self}\n  {self.finding()}"
