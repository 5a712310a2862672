"""All ways to train, the library's and its rivals', on the same work: losses first, then times."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf
from time import process_time

import torch
from torch import Tensor, nn

from day37 import Stopwatch
from day37.data import IrisSplit
from day37.experiments.arithmetic import ArithmeticFloor, measure_floor
from day37.faster.ladder import WAYS
from day37.faster.trial import Trial, Way, try_way
from day37.results import Comparison, Measurement
from day37.timing import judge, measure_in_turn
from day37.training import EPOCHS
from tests.benchmarks.rivals import HAND_WRITTEN, RIVALS

TOLERANCE = 1e-4  # how far any epoch's loss may be from the hand-written loop's, as a share of it
LR = 0.01
SHARE = {"one function": 1, "JAX": 1, "JAX, rows innermost": 1, "skorch": 40}
USUAL_SHARE = 8  # the slower ones run one epoch in so many: their times are for one step too


@dataclass(frozen=True)
class Row:
    """One way: why not (`obstacle`), or its seconds a step, and how far its losses are off.

    A sample is `runs` runs of `epochs` steps. `prepared`: seconds of its imports, a compiler's own
    start, and what the first run took over the second.
    """

    name: str
    epochs: int
    obstacle: str = ""
    runs: int = 0
    prepared: float = 0.0
    loss_error: float = 0.0
    step: Measurement | None = None

    @property
    def total(self) -> float:
        """Seconds until the last loss of the lesson, added up from the measured parts."""
        return self.prepared + EPOCHS * self.step.median

    def timed(self, time: Measurement | None) -> "Row":
        """With the seconds a step of these samples, if there are any."""
        if time is None:
            return self
        steps = self.runs * self.epochs
        samples = tuple(seconds / steps for seconds in time.samples)
        return replace(self, step=replace(time, samples=samples))


@dataclass(frozen=True)
class Race:
    """All rows by name, the hand-written loop's first, and the floor measured after them.

    `core`: the share of the rounds' time for which this process had a processor core.
    """

    rows: dict[str, Row]
    floor: ArithmeticFloor
    core: float = 1.0

    @property
    def disagreeing(self) -> list[str]:
        return [row.name for row in self.rows.values() if not row.loss_error <= TOLERANCE]

    def compare(self, slow: str, fast: str) -> Comparison | None:
        """Two rows held against each other, round by round; None if one was not measured."""
        first = self.rows[slow].step
        second = self.rows[fast].step
        return judge(first, second, few=True) if first and second else None


def run_race(
    model: nn.Module,
    data: IrisSplit,
    *,
    epochs: int = EPOCHS,
    repeats: int = 12,
    sample: float = 0.3,
    ways: tuple[Way, ...] = WAYS + RIVALS,
) -> Race:
    """Train copies of `model` in all `ways`, keep how far the losses are off, time all in turn.

    Each sample takes about `sample` seconds, so that a busy moment disturbs all alike.
    """
    reference = try_way(HAND_WRITTEN, model, data, epochs, LR).losses  # torch has started then
    rows = []
    runs = {}
    for way in (HAND_WRITTEN, *ways):
        count = epochs // SHARE.get(way.name, USUAL_SHARE)
        trial = try_way(way, model, data, count, LR)
        rows.append(first_look(trial, reference[:count], sample, data.device))
        if trial.again is not None:
            runs[way.name] = several(rows[-1].runs, trial.again)
    used = process_time()
    with Stopwatch() as watch:
        times = measure_in_turn(runs, device=data.device, warmup=0, repeats=repeats, partial=False)
    core = (process_time() - used) / watch.seconds
    timed = {row.name: row.timed(times.get(row.name)) for row in rows}
    return Race(timed, measure_floor(model, data), core)


def first_look(trial: Trial, reference: Tensor, sample: float, device: torch.device) -> Row:
    """The row before it is timed: a second run says what the first took more."""
    rung = trial.rung
    if trial.again is None:
        return Row(rung.name, 0, rung.obstacle)
    with Stopwatch(device) as second:
        trial.again()
    runs = max(1, round(sample / second.seconds))
    prepared = rung.start_seconds + max(rung.first_seconds - second.seconds, 0.0)
    error = loss_error(reference, trial.losses)
    return Row(rung.name, len(reference), "", runs, prepared, error)


def several(runs: int, again: Callable[[], None]) -> Callable[[], None]:
    def run() -> None:
        for _ in range(runs):
            again()

    return run


def loss_error(reference: Tensor, losses: Tensor) -> float:
    """The largest difference of any loss, as a share; infinite if there are not as many."""
    if losses.shape != reference.shape:
        return inf
    true = reference.double()
    return float(((losses.double() - true) / true).abs().max())
