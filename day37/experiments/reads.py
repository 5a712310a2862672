"""Lesson 4: runs that read the loss more or less often, and T = fixed + epochs·a + reads·b."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from torch import nn

from day37.checks import positive_number, require, whole_number
from day37.data import IrisSplit
from day37.results import CONFIDENCE, Origin, show_seconds, table
from day37.timing import until_interrupt
from day37.training import TrainingRun, bar, train


@dataclass(frozen=True)
class ReadSweep:
    """Runs that differ in how often the loss is read, in the order in which they were made.

    ValueError if there is none, or one that read no loss or took no time.
    """

    runs: tuple[TrainingRun, ...]

    def __post_init__(self):
        read = len(self.runs) > 0 and all(run.epochs_read for run in self.runs)
        require(
            read, "runs", f"{len(self.runs)} runs", "one or more, each with a loss that was read"
        )
        for run in self.runs:
            positive_number("seconds", run.seconds)
            whole_number("epochs", run.epochs)

    @property
    def steps_between(self) -> tuple[int, ...]:
        """Steps between two reads, for each run: the first read comes after so many."""
        return tuple(run.epochs_read[0] for run in self.runs)

    @property
    def origin(self) -> Origin:
        """Where the runs were made."""
        return self.runs[0].origin

    def times(self, read_loss_every: int) -> list[float]:
        """Microseconds an epoch of each run that read so often."""
        pairs = zip(self.runs, self.steps_between, strict=True)
        return [run.step_us for run, every in pairs if every == read_loss_every]

    def __repr__(self) -> str:
        rows = []
        for every in sorted(set(self.steps_between)):
            times = self.times(every)
            low, middle, high = np.quantile(times, [0.25, 0.5, 0.75])
            row = (f"{every:,}", f"{len(times)}", f"{middle:.1f}", f"{high - low:.1f}")
            rows.append(row)
        text = table(("read every", "runs", "median", "IQR"), rows)
        return f"{text}\nµs per epoch; {self.origin}"


def sweep_reads(
    make_model: Callable[[], nn.Module],
    data: IrisSplit,
    *,
    read_loss_every: Sequence[int] = (1, 2, 5, 10, 20, 100),
    epochs: Sequence[int] = (1000, 2000),
    repeats: int = 6,
    seed: int = 0,
    progress: bool = False,
) -> ReadSweep:
    """Train a fresh `make_model()` for each number of steps between reads and each of epochs.

    Each pair `repeats` times, all shuffled. The first run is a warm-up and not kept. An interrupt
    keeps the runs that are done. Each model is moved to the data's device; `progress` shows a bar.
    ValueError for steps that are not from 1 to the smallest number of epochs, or no repeats.
    """
    whole_number("repeats", repeats)
    some = len(read_loss_every) > 0 and len(epochs) > 0
    require(some, "read_loss_every", read_loss_every, "one or more, with one of epochs or more")
    most = min(whole_number("epochs", e) for e in epochs)
    for every in read_loss_every:
        whole_number("read_loss_every", every, most=most)
    plan = [(every, n) for every in read_loss_every for n in epochs] * repeats
    random.Random(seed).shuffle(plan)

    def one_run(every: int, n: int) -> TrainingRun:
        how = {"epochs": n, "read_loss_every": every, "name": f"read every {every:,}"}
        run = train(make_model().to(data.device), data, progress=False, **how)
        if run.interrupted:
            raise KeyboardInterrupt
        return run

    one_run(*plan[0])
    runs = (one_run(every, n) for every, n in bar(plan, "run", progress))
    return ReadSweep(tuple(until_interrupt(runs)))


@dataclass(frozen=True)
class Interval:
    """An estimate in seconds with the ends of its interval."""

    value: float
    low: float
    high: float

    def __repr__(self) -> str:
        ends = f"{show_seconds(self.low)} to {show_seconds(self.high)}"
        return f"{show_seconds(self.value)} ({CONFIDENCE:.0%} interval {ends})"


@dataclass(frozen=True)
class CostModel:
    """T = fixed + epochs·a + reads·b, in seconds, each with its interval, and the runs behind it.

    `squares`: the covariance of the three, times the square of Student's t. Its diagonal holds the
    squared half-widths of the intervals, the rest says how the three vary together.
    """

    fixed: Interval
    a: Interval
    b: Interval
    squares: tuple[tuple[float, ...], ...]
    sweep: ReadSweep

    @property
    def verdict(self) -> str:
        """What a read costs, or that these runs cannot tell."""
        if self.b.high < 0:
            why = "the fit makes a read cost less than nothing"
            return f"cannot tell: {why}, so the model does not describe these runs"
        if self.b.low <= 0:
            most = show_seconds(self.b.high)
            return f"cannot tell: a read costs {most} at most, by these runs, or nothing"
        return f"a read costs {self.b}"

    def predict(self, epochs: int, reads: float) -> Interval:
        """Seconds for this many epochs and reads, and where the mean of many such runs lies."""
        x = np.array([1, epochs, reads])
        seconds = float(x @ [self.fixed.value, self.a.value, self.b.value])
        half = float(np.sqrt(x @ self.squares @ x))
        return Interval(seconds, seconds - half, seconds + half)

    def __repr__(self) -> str:
        costs = f"  fixed  {self.fixed}\n  a      {self.a}\n  b      {self.b}"
        return f"T = fixed + epochs·a + reads·b\n{costs}\n  {self.verdict}"


def fit_cost(sweep: ReadSweep) -> CostModel:
    """Fit the cost model to the raw runs, with a loss that outliers pull little (soft L1).

    Each run's time is divided by its epochs first. By scipy.optimize.curve_fit; the intervals come
    from its covariance and Student's t. ValueError unless there are four runs or more, of two
    numbers of epochs and two of steps between reads: else the three costs cannot be told apart.
    """
    from scipy.optimize import curve_fit
    from scipy.stats import t as student

    epochs = np.array([run.epochs for run in sweep.runs], dtype=float)
    reads = np.array([run.reads for run in sweep.runs], dtype=float)
    per_epoch = np.array([run.seconds for run in sweep.runs]) / epochs

    # Time per epoch = fixed · 1/epochs + a + b · reads/epochs: a column for each cost.
    columns = np.column_stack([1 / epochs, np.ones_like(epochs), reads / epochs])
    apart = np.linalg.matrix_rank(columns * [epochs.max(), 1, 1]) == 3
    allowed = "four runs or more, of two numbers of epochs and two of steps between reads at least"
    require(len(epochs) > 3 and apart, "sweep", sweep.steps_between, allowed)

    # Numbers near 1 keep the fit steady; `unit` turns what it finds into seconds.
    largest = np.abs(columns).max(axis=0)
    scaled = columns / largest
    target = per_epoch / per_epoch.mean()
    unit = per_epoch.mean() / largest

    # Least squares give the start, and how far a run may be off before it pulls less.
    start = np.linalg.lstsq(scaled, target, rcond=None)[0]
    off = np.median(np.abs(target - scaled @ start)) or 1e-9
    how = {"p0": start, "method": "trf", "loss": "soft_l1", "f_scale": off}
    best, covariance = curve_fit(lambda x, *costs: x @ costs, scaled, target, **how)

    # The interval of each cost.
    times_t = student.ppf((1 + CONFIDENCE) / 2, len(epochs) - 3)
    squares = times_t**2 * covariance * unit[:, None] * unit[None, :]
    half = np.sqrt(np.diag(squares))
    costs = best * unit
    intervals = [Interval(*map(float, (c, c - h, c + h))) for c, h in zip(costs, half, strict=True)]
    return CostModel(*intervals, tuple(map(tuple, squares.tolist())), sweep)
