"""The read-interval experiment, and the cost model fitted to it: T = fixed + epochs·a + reads·b."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from day37.arguments import require, whole_number
from day37.data import IrisSplit
from day37.hardware import Origin
from day37.overhead import profile_events
from day37.timing import CONFIDENCE, show_seconds
from day37.training import TrainingRun, train


def count_reads(fn: Callable[[], object], device: str | torch.device = "cpu") -> int:
    """How often `fn()`, called once, brings a tensor's number to Python: torch's `_local_scalar_dense`, by its profiler.

    `.item()`, `float`, `bool`, comparison in an `if`, and printing all come to it; `.cpu()` and `.tolist()` do not.
    """
    return sum(event.name == "aten::_local_scalar_dense" for event in profile_events(fn, torch.device(device), 1))


@dataclass(frozen=True)
class Interval:
    """An estimate with the ends of its interval."""

    value: float
    low: float
    high: float

    def __repr__(self) -> str:
        return f"{show_seconds(self.value)} ({CONFIDENCE:.0%} interval {show_seconds(self.low)} to {show_seconds(self.high)})"


@dataclass(frozen=True)
class ReadSweep:
    """Runs that differ in how often the loss is read, in the order in which they were made."""

    runs: tuple[TrainingRun, ...]
    intervals: tuple[int, ...]

    @property
    def origin(self) -> Origin:
        """Where the runs were made."""
        return self.runs[0].origin

    def times(self, read_loss_every: int) -> list[float]:
        """Microseconds an epoch of each run with this interval."""
        return [run.step_us for run, every in zip(self.runs, self.intervals, strict=True) if every == read_loss_every]

    def __repr__(self) -> str:
        lines = [f"{'read every':>12}{'runs':>6}{'median':>10}{'IQR':>8}   (µs an epoch; {self.origin})"]
        for every in sorted(set(self.intervals)):
            low, middle, high = np.quantile(self.times(every), [0.25, 0.5, 0.75])
            lines.append(f"{every:>12,}{len(self.times(every)):>6}{middle:>10.1f}{high - low:>8.1f}")
        return "\n".join(lines)


def sweep_reads(
    make_model: Callable[[], nn.Module],
    data: IrisSplit,
    *,
    intervals: Sequence[int] = (1, 10, 100, 1000),
    epochs: Sequence[int] = (1000, 2000),
    repeats: int = 6,
    seed: int = 0,
) -> ReadSweep:
    """Train a fresh `make_model()` on `data` for every interval and number of epochs, `repeats` times, all shuffled.

    The first run is a warm-up and not kept. An interrupt keeps the runs that are done. `make_model` must give a model
    on the data's device. ValueError for an interval that is not from 1 to the smallest number of epochs.
    """
    whole_number("repeats", repeats)
    require(len(intervals) > 0 and len(epochs) > 0, "intervals", intervals, "one or more, with one number of epochs or more")
    for every in intervals:
        whole_number("intervals", every, most=min(whole_number("epochs", e) for e in epochs))
    plan = [(every, n) for every in intervals for n in epochs] * repeats
    random.Random(seed).shuffle(plan)
    runs = []
    for every, n in [plan[0], *plan]:
        run = train(make_model(), data, epochs=n, read_loss_every=every, progress=False, name=f"read every {every:,}")
        if run.stopped == "interrupted":
            break
        runs.append((run, every))
    require(len(runs) > 1, "sweep", len(runs), "more than one finished run, before it is interrupted", KeyboardInterrupt)
    kept, intervals_kept = zip(*runs[1:], strict=True)
    return ReadSweep(kept, intervals_kept)


@dataclass(frozen=True)
class CostModel:
    """T = fixed + epochs·a + reads·b, in seconds, each with its interval."""

    fixed: Interval
    a: Interval
    b: Interval

    @property
    def verdict(self) -> str:
        """What a read costs, or that these runs cannot tell."""
        if self.b.low <= 0:
            most = show_seconds(max(self.b.high, 0.0))
            return f"cannot tell: a read costs less than {most}, and nothing more can be said from these runs"
        return f"a read costs {self.b}"

    def predict(self, epochs: int, reads: int) -> float:
        """Seconds for this many epochs and reads."""
        return self.fixed.value + epochs * self.a.value + reads * self.b.value

    def __repr__(self) -> str:
        return f"T = fixed + epochs·a + reads·b\n  fixed  {self.fixed}\n  a      {self.a}\n  b      {self.b}\n  {self.verdict}"


def fit_cost(sweep: ReadSweep, *, resamples: int = 400, seed: int = 0) -> CostModel:
    """Fit the cost model to the raw runs, each divided by its epochs, with a loss that outliers pull little (soft L1).

    The intervals come from fitting again to runs drawn with replacement within each condition (bootstrap: B. Efron,
    R. Tibshirani, An Introduction to the Bootstrap). ValueError unless there are two intervals and two numbers of
    epochs at least: with fewer, the three costs cannot be told apart.
    """
    rows = np.array([(run.epochs, run.reads, run.seconds) for run in sweep.runs], dtype=float)
    rank = np.linalg.matrix_rank(np.column_stack([np.ones(len(rows)), rows[:, :2]]))
    require(rank == 3, "sweep", sweep.intervals, "runs of two numbers of epochs and two intervals at least")
    best, draw = _fit(rows), np.random.default_rng(seed)
    conditions = [np.flatnonzero((rows[:, :2] == c).all(axis=1)) for c in np.unique(rows[:, :2], axis=0)]
    again = [_fit(rows[np.concatenate([draw.choice(c, len(c)) for c in conditions])]) for _ in range(resamples)]
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(again, [tail, 1 - tail], axis=0)
    return CostModel(*(Interval(*map(float, each)) for each in zip(best, low, high, strict=True)))


def _fit(rows: np.ndarray) -> np.ndarray:
    """(fixed, a, b) for rows of (epochs, reads, seconds)."""
    from scipy.optimize import least_squares

    epochs, reads, seconds = rows.T
    design, target = np.column_stack([1 / epochs, np.ones_like(epochs), reads / epochs]), seconds / epochs
    start = np.linalg.lstsq(design, target, rcond=None)[0]
    spread = np.median(np.abs(target - design @ start)) or 1e-9
    scale = np.abs(design).max(axis=0)  # 1/epochs is small: columns of one size make the fit steady
    fit = least_squares(lambda c: (design / scale @ c - target) / spread, start * scale, loss="soft_l1")
    return fit.x / scale
