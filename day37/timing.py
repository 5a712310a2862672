"""Measure one thing; compare two, with a verdict. The only file of the library that reads a clock."""

import math
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from day37.arguments import require, whole_number
from day37.hardware import Origin, choose_device, show_origins, synchronize

clock = time.perf_counter  # monotonic: it never jumps back, as time.time may when the system's clock is corrected
CONFIDENCE = 0.99  # so that of 100 comparisons of equal things about one, not five, is called a difference
NOISY = 0.1  # an IQR over a tenth of the median


class Stopwatch:
    """`with Stopwatch(device) as watch:` measures the block, synchronised at both ends.

    `watch.queued`: seconds until the host came out of the block; `watch.seconds`: until the device had finished too.
    """

    def __init__(self, device="cpu"):
        self.device = choose_device(device)
        self.queued = self.seconds = math.nan

    def __enter__(self) -> "Stopwatch":
        synchronize(self.device)  # synchronisation point: nothing queued earlier is counted
        self._start = clock()
        return self

    def __exit__(self, *_) -> None:
        self.queued = clock() - self._start
        synchronize(self.device)  # synchronisation point: all that the block queued is counted
        self.seconds = clock() - self._start


def time_laps(*functions: Callable[[], object]) -> list[float]:
    """Call them one after the other and return the host's seconds in each. Nothing waits for a device."""
    times = [clock()]
    for fn in functions:
        fn()
        times.append(clock())
    return [end - start for start, end in pairwise(times)]


def show_seconds(seconds: float) -> str:
    """Seconds with a unit that suits them: 0.00012 → "120 µs"."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if abs(seconds) >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


@dataclass(frozen=True)
class Measurement:
    """The raw times of one thing, in seconds, in the order in which they were taken, and where."""

    name: str
    samples: tuple[float, ...]
    origin: Origin

    @property
    def median(self) -> float:
        """The middle sample, in seconds."""
        return float(np.median(self.samples))

    @property
    def quartiles(self) -> tuple[float, float]:
        """A quarter of the samples lie below the first, a quarter above the second (seconds)."""
        low, high = np.quantile(self.samples, [0.25, 0.75])
        return float(low), float(high)

    @property
    def iqr(self) -> float:
        """The interquartile range: the width, in seconds, of the middle half of the samples."""
        return self.quartiles[1] - self.quartiles[0]

    @property
    def warning(self) -> str:
        """Empty, or one line that says how far the samples spread."""
        noisy = self.iqr > NOISY * self.median > 0
        return f"noisy: the middle half spreads over {self.iqr / self.median:.2g} times the median" if noisy else ""

    def __repr__(self) -> str:
        text = f"{self.name}: median {show_seconds(self.median)}, IQR {show_seconds(self.iqr)}"
        text += f", {len(self.samples)} samples\n  {self.origin}"
        return text + (f"\n  {self.warning}" if self.warning else "")


def until_interrupt(results: Iterable[Any]) -> list:
    """All of `results`, or, after an interrupt, those that were there before it; with none the interrupt is raised."""
    done = []
    try:
        for result in results:
            done.append(result)
    except KeyboardInterrupt:
        if not done:
            raise
    return done


def measure(fn: Callable, *, device="cpu", setup: Callable | None = None, warmup: int = 3, repeats: int = 20) -> Measurement:
    """The time of `fn()` on `device`: `repeats` samples after `warmup` runs that are not counted.

    With `setup`, each run is `fn(setup())` and the set-up is outside the clock. After an interrupt the measurement
    has fewer samples. ValueError for fewer than 1 repeat or 0 warm-up runs, or an absent device.
    """
    name = getattr(fn, "__name__", "function")
    return measure_in_turn({name: fn}, device=device, setup=setup, warmup=warmup, repeats=repeats)[name]


def measure_in_turn(
    functions: Mapping[str, Callable],
    *,
    device="cpu",
    setup: Callable | None = None,
    warmup: int = 3,
    repeats: int = 20,
    seed: int = 0,
    partial: bool = True,
) -> dict[str, Measurement]:
    """A Measurement for each function: in every round all of them run once, in an order drawn anew from `seed`.

    What slows the machine down for a while then slows all of them. Arguments as in `measure`; `device` may also be a
    dict with a device for each name. After an interrupt the whole rounds are kept if `partial`; else it is raised.
    """
    whole_number("warmup", warmup, least=0)
    whole_number("repeats", repeats)
    require(len(functions) > 0, "functions", functions, "one function or more, by name")
    for name, fn in functions.items():
        require(callable(fn), f"functions[{name!r}]", fn, "callable", TypeError)
    devices = {name: choose_device(device[name] if isinstance(device, Mapping) else device) for name in functions}
    rounds = _rounds(functions, devices, setup, warmup + repeats, random.Random(seed))
    for _ in range(warmup):
        next(rounds)
    kept = until_interrupt(rounds) if partial else list(rounds)
    samples = {name: tuple(one_round[name] for one_round in kept) for name in functions}
    return {name: Measurement(name, samples[name], Origin.here(devices[name])) for name in functions}


def _rounds(functions: Mapping[str, Callable], devices: Mapping, setup, number: int, draw: random.Random) -> Iterator[dict]:
    """The seconds of each function, round by round."""
    for _ in range(number):
        order = draw.sample(list(functions), len(functions))
        yield {name: _time_once(functions[name], devices[name], setup) for name in order}


def _time_once(fn: Callable, device, setup: Callable | None) -> float:
    arguments = () if setup is None else (setup(),)
    with Stopwatch(device) as watch:
        result = fn(*arguments)
    if getattr(result, "stopped", "") == "interrupted":  # a training that was cut short is no sample
        raise KeyboardInterrupt
    return watch.seconds


@dataclass(frozen=True)
class Comparison:
    """Two things measured in turn. `ratio` is the second's time over the first's; `low` to `high` is its interval."""

    first: Measurement
    second: Measurement
    ratio: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """What the second is, held against the first: "faster", "slower" or "cannot tell"."""
        return "faster" if self.high < 1 else "slower" if self.low > 1 else "cannot tell"

    @property
    def speed_up(self) -> tuple[float, float, float]:
        """How many times as fast the second is as the first, and the ends of the interval."""
        return 1 / self.ratio, 1 / self.high, 1 / self.low if self.low else math.inf

    def __repr__(self) -> str:
        interval = f"{CONFIDENCE:.0%} interval {self.low:.3f} to {self.high:.3f}"
        words = {"cannot tell": f"cannot tell {self.second.name} from {self.first.name}"}
        says = words.get(self.verdict, f"{self.second.name} is {self.verdict}")
        return (
            f"{says}: {show_seconds(self.second.median)} against {show_seconds(self.first.median)}, "
            f"ratio {self.ratio:.3f} ({interval})\n  {show_origins(self.first.origin, self.second.origin)}"
        )


def judge(first: Measurement, second: Measurement, *, few: bool = False) -> Comparison:
    """The median ratio of two measurements taken in turn, with its interval: no bell curve is assumed.

    Sample i of one was taken beside sample i of the other, so each pair gives a ratio. The interval of their median
    comes from the binomial distribution (scipy.stats.quantile_test; W. J. Conover, Practical Nonparametric
    Statistics), which takes the rounds as independent of each other. ValueError unless both have equally many
    samples, 8 or more: fewer can decide nothing (if `few`, an interval without bounds). ValueError too for 0 s.
    """
    from scipy.stats import quantile_test

    pairs = len(first.samples)
    if few and pairs < 8:
        return Comparison(first, second, second.median / first.median, 0.0, math.inf)
    require(pairs >= 8 and pairs == len(second.samples), "repeats", pairs, "8 or more, the same for both")
    shortest = min(*first.samples, *second.samples)
    require(shortest > 0, "the shortest sample", shortest, "above 0 s: too short for this clock, so call it many times a run")
    ratios = np.divide(second.samples, first.samples)
    interval = quantile_test(ratios, q=1, p=0.5).confidence_interval(CONFIDENCE)
    return Comparison(first, second, float(np.median(ratios)), float(interval.low), float(interval.high))


def compare(
    first: Callable,
    second: Callable,
    *,
    names: tuple[str, str] = ("first", "second"),
    device="cpu",
    setup: Callable | None = None,
    warmup: int = 3,
    repeats: int = 30,
    seed: int = 0,
) -> Comparison:
    """Run two functions in turn, in shuffled order, and judge the second against the first.

    Arguments and errors as in `measure_in_turn` and `judge`: at least 8 repeats. Interrupted before the eighth round,
    the comparison holds what was measured and cannot tell.
    """
    whole_number("repeats", repeats, least=8)
    require(len(names) == len(set(names)) == 2, "names", names, "two different names")
    functions = dict(zip(names, (first, second), strict=True))
    both = measure_in_turn(functions, device=device, setup=setup, warmup=warmup, repeats=repeats, seed=seed)
    return judge(*both.values(), few=True)
