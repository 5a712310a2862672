"""A model of a step: the host launches, the device works, a read waits; and the machines whose costs it can start from."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from statistics import median

from day37.arguments import require, whole_number
from day37.hardware import Origin
from day37.overhead import Account, Span, Timeline
from day37.records import Recording, recordings
from day37.timing import show_seconds
from day37.training import TrainingRun

STEPS = 20_000  # a training of the lessons
RIGHT = 0.1  # a share of the time: the model is right if it is off by no more; less saved is not worth a name


@dataclass(frozen=True)
class StepCosts:
    """Five costs of a step. In seconds: `launch` and `kernel` for one launch, `read` for one read, its wait left out.

    `every`: steps from read to read. `queued`: launches form a queue and the host goes on at once, as with a GPU; else
    the host waits for each, as on a CPU. ValueError for a negative time, or no launch or step.
    """

    launches: int
    launch: float
    kernel: float
    read: float
    every: int = 1
    queued: bool = True

    def __post_init__(self):
        whole_number("launches", self.launches)
        whole_number("every", self.every)
        for name in ("launch", "kernel", "read"):
            seconds = getattr(self, name)
            require(math.isfinite(seconds) and seconds >= 0, name, seconds, "a number of seconds, 0 or more")

    def stretch(self, steps: int) -> float:
        """Seconds for `steps` steps without a read, from an empty queue until the device is done.

        A kernel starts when it has been launched and the one before it is done. So of m launches the slower side sets
        the pace: max(m·launch + kernel, launch + m·kernel). Without a queue both add up: m·(launch + kernel).
        """
        m = steps * self.launches
        if not self.queued or not m:
            return m * (self.launch + self.kernel)
        return max(m * self.launch + self.kernel, self.launch + m * self.kernel)

    def total(self, steps: int = STEPS) -> float:
        """Seconds for `steps` steps: at each read the host waits until the queue is empty, and pays for the read."""
        reads, rest = divmod(whole_number("steps", steps), self.every)
        return reads * (self.stretch(self.every) + self.read) + self.stretch(rest)

    def savings(self, steps: int = STEPS) -> dict[str, float]:
        """For each cost, the share of the total, 0 to 1, that would be saved if it were nothing.

        "reads" counts the waiting in them too. The shares need not add up to 1: what runs at the same time is saved only
        if both sides go.
        """
        without = {"launches": replace(self, launch=0.0), "kernels": replace(self, kernel=0.0)}
        without["reads"] = replace(self, read=0.0, every=steps + 1)
        whole = self.total(steps)
        return {name: 1 - costs.total(steps) / whole if whole else 0.0 for name, costs in without.items()}

    def binding(self, steps: int = STEPS) -> str:
        """The cost without which most would be saved: "launches", "kernels" or "reads".

        Where each alone would save less than a tenth, host and device are equally busy: "launches and kernels together".
        """
        savings = self.savings(steps)
        most = max(savings, key=savings.get)
        return most if savings[most] >= RIGHT else "launches and kernels together"

    def finding(self, steps: int = STEPS) -> str:
        """The total and what binds, in words."""
        return f"{steps:,} steps: {show_seconds(self.total(steps))}; what binds: {self.binding(steps)}"

    def timeline(self, origin: Origin, steps: int = 3) -> Timeline:
        """When the host and the device do what, launch by launch, in the first `steps` steps."""
        host, device, now, free = [], [], 0.0, 0.0  # free: when the device has done all that was launched
        for step in range(1, whole_number("steps", steps) + 1):
            begun = now
            for _ in range(self.launches):
                start = max(now + self.launch, free)
                now, free = now + self.launch, start + self.kernel
                now = now if self.queued else free
                device.append(Span("kernel", start, free))
            host.append(Span("launches", begun, now))
            if step % self.every == 0:
                waited = max(now, free)
                host += [Span("wait", now, waited), Span("read", waited, waited + self.read)]
                now = waited + self.read
        return Timeline(tuple(host), tuple(device), origin)

    def __repr__(self) -> str:
        launch, kernel, read = map(show_seconds, (self.launch, self.kernel, self.read))
        text = f"{self.launches} launches a step, {launch} each; kernels {kernel} each; a read {read}"
        return text if self.queued else text + "; the host waits for each launch"


def costs_of(account: Account) -> StepCosts:
    """The five costs of a measured step with a read after it.

    Launches: kernels where the profiler saw some, else operations. `launch`: the host's time for all but the read, Python
    included, over the launches. `kernel`: all kernels' time over their number; on a CPU the arithmetic's least time.
    """
    counted, queued = account.operations, not account.operations.origin.device.startswith("cpu")
    launches = max(round(sum((counted.kernels or counted.operations).values())), 1)
    kernel = (counted.kernel_seconds if counted.kernels else account.floor.seconds) / launches
    *rest, read = (phase.median for phase in account.phases.phases.values())
    launch = max(sum(rest) / launches - (0 if queued else kernel), 0.0)
    costs = StepCosts(launches, launch, kernel, 0.0, queued=queued)
    wait = costs.stretch(1) - launches * launch if queued else 0.0
    return replace(costs, read=max(read - wait, 0.0))


@dataclass(frozen=True)
class KnownMachine:
    """A machine's costs, and trainings of its own to hold the model against: (steps, steps from read to read, seconds)."""

    costs: StepCosts
    origin: Origin
    runs: tuple[tuple[int, int, float], ...]
    note: str = ""

    def errors(self) -> dict[int, float]:
        """For each interval between reads: how far the model is off, as a share of the time (above 0: it says too much).

        The median over the runs with that interval.
        """
        pairs = sorted(
            (every, replace(self.costs, every=every).total(steps) / seconds - 1) for steps, every, seconds in self.runs
        )
        return {every: median(off for _, off in group) for every, group in groupby(pairs, key=lambda pair: pair[0])}

    def check(self) -> str:
        """In words: does the model give the machine's own runs, and if not, by how much is it off?"""
        errors = self.errors()
        if not errors:
            return "no run of this machine to hold the model against"
        every = max(errors, key=lambda every: abs(errors[every]))
        if abs(errors[every]) <= RIGHT:
            return f"the model gives this machine's own median times to within {abs(errors[every]):.1%} (runs: {len(self.runs)})"
        off = sum(abs(error) > RIGHT for error in errors.values())
        worst = f"at worst by {errors[every]:+.0%}, with steps to a read {every:,}"
        return f"the model is off from this machine's own times by over {RIGHT:.0%} at {off} of {len(errors)} intervals, {worst}"

    def __repr__(self) -> str:
        return "\n  ".join([str(self.origin), str(self.costs), self.check(), *filter(None, [self.note])])


def measured(account: Account, runs: Sequence[TrainingRun]) -> KnownMachine:
    """A machine by its account, held against its runs. ValueError for a run that was not read as it went."""
    costs = costs_of(account)
    note = "" if costs.queued else "kernels: the least time that the arithmetic can take, too short to be seen"
    return KnownMachine(costs, account.phases.whole.origin, tuple(map(_of, runs)), note)


def _of(run: TrainingRun) -> tuple[int, int, float]:
    """Its steps, the steps from read to read, its seconds."""
    require(run.reads > 0 and len(run.epochs_read) == run.reads, "runs", run, "runs whose losses were read as they went")
    return run.epochs, run.epochs_read[0], run.seconds


def machines() -> list[KnownMachine]:
    """Every recorded machine that the model can start from; the accelerators first."""
    everything = recordings()
    counts = [each.accounts["cpu"].operations.operations for each in everything if "cpu" in each.accounts]
    launches = round(sum(counts[0].values())) if counts else 1
    found = [machine for each in everything for machine in (*_published(each, launches), *_recorded(each))]
    return sorted(found, key=lambda machine: not machine.costs.queued)


def _recorded(recording: Recording) -> list[KnownMachine]:
    """The devices of a recording that has an account of a step."""
    runs = {device: [recording.runs[device]] if device in recording.runs else [] for device in recording.accounts}
    for device, sweep in recording.sweeps.items():
        runs.get(device, []).extend(sweep.runs)
    return [measured(account, runs[device]) for device, account in recording.accounts.items()]


def _published(recording: Recording, launches: int) -> list[KnownMachine]:
    """The published GPU: what its two runs tell, held against them and against its table."""
    often, seldom = (recording.runs.get(name) for name in ("gpu-every-epoch", "gpu-every-2000"))
    if often is None or seldom is None:
        return []
    read = (often.seconds - seldom.seconds) / (often.reads - seldom.reads)
    costs = StepCosts(launches, (often.seconds / often.epochs - read) / launches, 0.0, read)
    before = round(recording.runs["cpu-every-epoch"].seconds, 1)
    table = [(often.epochs, int(every), before + extra) for every, _, extra in recording.tables["intervals"].rows]
    note = "kernels: not recorded, so taken as nothing; launches: not recorded, so taken as "
    note += "one" if launches == 1 else "as many as such a step has operations on a recorded CPU"
    runs = [(run.epochs, run.epochs // run.reads, run.seconds) for run in (often, seldom)]
    return [KnownMachine(costs, often.origin, (*runs, *table), note)]
