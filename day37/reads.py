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
from day37.timing import CONFIDENCE, show_seconds, until_interrupt
from day37.training import TrainingRun, train


def count_reads(fn: Callable[[], object], device: str | torch.device = "cpu") -> int:
    """How often `fn()`, called once, brings a tensor's number to Python: torch's `_local_scalar_dense`, by its profiler.

    `.item()`, `float`, `bool`, comparison in an `if`, and printing all come to it; `.cpu()` and `.tolist()` do not.
    """
    events = profile_events(fn, torch.device(device), 1, warmup=0)
    return sum(event.name == "aten::_local_scalar_dense" for event in events)


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

    @property
    def intervals(self) -> tuple[int, ...]:
        """Steps between two reads, for each run."""
        return tuple(run.epochs_read[0] for run in self.runs)

    @property
    def origin(self) -> Origin:
        """Where the runs were made."""
        return self.runs[0].origin

    def times(self, read_loss_every: int) -> list[float]:
        """Microseconds an epoch of each run with this interval."""
        return [run.step_us for run, every in zip(self.runs, self.intervals, strict=True) if every == read_loss_every]

    def __repr__(self) -> str:
        lines = [f"{'read every':>12}{'runs':>6}{'median':>10}{'IQR':>8}   (µs per epoch; {self.origin})"]
        for every in sorted(set(self.intervals)):
            low, middle, high = np.quantile(self.times(every), [0.25, 0.5, 0.75])
            lines.append(f"{every:>12,}{len(self.times(every)):>6}{middle:>10.1f}{high - low:>8.1f}")
        return "\n".join(lines)


def sweep_reads(
    make_model: Callable[[], nn.Module],
    data: IrisSplit,
    *,
    intervals: Sequence[int] = (1, 2, 5, 10, 20, 100),
    epochs: Sequence[int] = (1000, 2000),
    repeats: int = 6,
    seed: int = 0,
) -> ReadSweep:
    """Train a fresh `make_model()` on `data` for every interval and number of epochs, `repeats` times, all shuffled.

    The first run is a warm-up and not kept. An interrupt keeps the runs that are done. `make_model` must give a model
    on the data's device. ValueError for an interval that is not from 1 to the smallest number of epochs, or no repeats.
    """
    whole_number("repeats", repeats)
    require(len(intervals) > 0 and len(epochs) > 0, "intervals", intervals, "one or more, with one number of epochs or more")
    for every in intervals:
        whole_number("intervals", every, most=min(whole_number("epochs", e) for e in epochs))
    plan = [(every, n) for every in intervals for n in epochs] * repeats
    random.Random(seed).shuffle(plan)

    def one_run(every: int, n: int) -> TrainingRun:
        run = train(make_model(), data, epochs=n, read_loss_every=every, progress=False, name=f"read every {every:,}")
        if run.stopped == "interrupted":
            raise KeyboardInterrupt
        return run

    one_run(*plan[0])
    return ReadSweep(tuple(until_interrupt(one_run(every, n) for every, n in plan)))


@dataclass(frozen=True)
class CostModel:
    """T = fixed + epochs·a + reads·b, in seconds, each with its interval.

    `squares`: the covariance of the three, times the square of Student's t: the squared half-widths and how they vary together.
    """

    fixed: Interval
    a: Interval
    b: Interval
    squares: tuple[tuple[float, ...], ...]

    @property
    def verdict(self) -> str:
        """What a read costs, or that these runs cannot tell."""
        if self.b.high < 0:
            return "cannot tell: the fit makes a read cost less than nothing, so the model does not describe these runs"
        if self.b.low <= 0:
            most = show_seconds(self.b.high)
            return f"cannot tell: a read costs {most} at most, by these runs, or nothing"
        return f"a read costs {self.b}"

    def predict(self, epochs: int, reads: float) -> Interval:
        """Seconds for this many epochs and reads, and where the mean of many such runs would lie."""
        x = np.array([1, epochs, reads])
        seconds, half = float(x @ [self.fixed.value, self.a.value, self.b.value]), float(np.sqrt(x @ self.squares @ x))
        return Interval(seconds, seconds - half, seconds + half)

    def __repr__(self) -> str:
        return f"T = fixed + epochs·a + reads·b\n  fixed  {self.fixed}\n  a      {self.a}\n  b      {self.b}\n  {self.verdict}"


def fit_cost(sweep: ReadSweep) -> CostModel:
    """Fit the cost model to the raw runs, each divided by its epochs, with a loss that outliers pull little (soft L1).

    By scipy.optimize.curve_fit; the intervals come from its covariance and Student's t. ValueError unless there are
    four runs or more, of two numbers of epochs and two intervals at least: else the three costs cannot be told apart.
    """
    from scipy.optimize import curve_fit
    from scipy.stats import t

    epochs, reads, seconds = np.array([(run.epochs, run.reads, run.seconds) for run in sweep.runs], dtype=float).T
    design = np.column_stack([1 / epochs, np.ones_like(epochs), reads / epochs])
    enough = len(epochs) > 3 and np.linalg.matrix_rank(design * [epochs.max(), 1, 1]) == 3
    require(enough, "sweep", sweep.intervals, "four runs or more, of two numbers of epochs and two intervals at least")
    per_epoch, largest = seconds / epochs, np.abs(design).max(axis=0)
    scaled, target = design / largest, per_epoch / per_epoch.mean()  # numbers near 1 keep the fit steady
    start, unit = np.linalg.lstsq(scaled, target, rcond=None)[0], per_epoch.mean() / largest
    spread = np.median(np.abs(target - scaled @ start)) or 1e-9
    robust = {"method": "trf", "loss": "soft_l1", "f_scale": spread}
    best, covariance = curve_fit(lambda x, *costs: x @ costs, scaled, target, p0=start, **robust)
    squares = t.ppf((1 + CONFIDENCE) / 2, len(epochs) - 3) ** 2 * covariance * np.outer(unit, unit)
    half = np.sqrt(np.diag(squares))
    ends = zip(best * unit, best * unit - half, best * unit + half, strict=True)
    return CostModel(*(Interval(*map(float, each)) for each in ends), tuple(map(tuple, squares.tolist())))


@dataclass(frozen=True)
class HeldOut:
    """The model fitted to some intervals, and what it says of the others: rows of (interval, epochs, predicted, median).

    Times in seconds; `within`: the largest error allowed, as a share of the median; `without_reads`: the largest error
    of a model in which reads cost nothing.
    """

    model: CostModel
    rows: tuple[tuple[int, int, float, float], ...]
    without_reads: float
    within: float = 0.05

    @property
    def worst(self) -> float:
        """The largest error of any prediction, as a share of the measured median."""
        return max(abs(predicted / measured - 1) for _, _, predicted, measured in self.rows)

    def __repr__(self) -> str:
        lines = [f"{'read every':>12}{'epochs':>8}{'predicted':>12}{'measured':>12}{'error':>8}"]
        for every, epochs, predicted, measured in self.rows:
            times = f"{show_seconds(predicted):>12}{show_seconds(measured):>12}"
            lines.append(f"{every:>12,}{epochs:>8,}{times}{predicted / measured - 1:>8.1%}")
        holds = "holds" if self.worst <= self.within else "does not hold"
        lines.append(f"the model {holds} to {self.within:.0%} on intervals that it was not fitted to")
        return "\n".join(
            [*lines, f"worst error {self.worst:.1%}; of a model in which reads cost nothing {self.without_reads:.1%}"]
        )


def hold_out(sweep: ReadSweep, intervals: Sequence[int]) -> HeldOut:
    """Fit the cost model without the runs of these intervals, then predict their medians.

    ValueError if an interval is not in the sweep, or if too little is left to fit.
    """
    for every in intervals:
        require(every in sweep.intervals, "intervals", every, f"among those of the sweep, {sorted(set(sweep.intervals))}")
    pairs = list(zip(sweep.runs, sweep.intervals, strict=True))
    fitted = tuple(run for run, every in pairs if every not in intervals)
    model, step_us = fit_cost(ReadSweep(fitted)), float(np.median([run.step_us for run in fitted]))
    times: dict[tuple, list[float]] = {}
    for run, every in pairs:
        if every in intervals:
            times.setdefault((every, run.epochs, run.reads), []).append(run.seconds)
    rows = [(every, n, model.predict(n, reads).value, float(np.median(s))) for (every, n, reads), s in sorted(times.items())]
    without = max(abs(step_us * 1e-6 * n / measured - 1) for _, n, _, measured in rows)
    return HeldOut(model, tuple(rows), without)
