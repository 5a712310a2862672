"""Lessons 1 to 5: measure one thing; compare two. The only file that measures time."""

import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import inf, nan
from typing import Any

import numpy as np
import torch

from day37.checks import require, whole_number
from day37.device import choose_device, synchronize
from day37.results import CONFIDENCE, Comparison, Live, Measurement

PATIENCE = 10.0  # seconds for a function of several threads: with busy cores it may take minutes
ENOUGH = 8  # samples, so that their ends enclose the median with 99 %: 1 - 2 * 0.5**8 is 0.992
clock = time.perf_counter  # monotonic: it never jumps back, as time.time may when it is corrected


class Stopwatch:
    """`with Stopwatch(device) as watch:` measures the block, synchronised at both ends.

    `watch.queued`: seconds until the host was through; `watch.seconds`: until the device was too.
    """

    def __init__(self, device="cpu"):
        self.device = choose_device(device)
        self.queued = nan
        self.seconds = nan

    def __enter__(self) -> "Stopwatch":
        synchronize(self.device)  # synchronisation point: nothing queued earlier is counted
        self._start = clock()
        return self

    def __exit__(self, *_) -> None:
        self.queued = self.so_far()
        synchronize(self.device)  # synchronisation point: all that the block queued is counted
        self.seconds = self.so_far()

    def so_far(self) -> float:
        """Seconds since the block began. Nothing waits for the device."""
        return clock() - self._start


def until_interrupt(results: Iterable[Any]) -> list:
    """Collect the results. After an interrupt, those before it; with none, it is raised."""
    done = []
    try:
        for result in results:
            done.append(result)
    except KeyboardInterrupt:
        if not done:
            raise
    return done


def with_threads(threads: int, fn: Callable) -> Callable:
    """`fn` with torch set to so many CPU threads; if several, it is measured for 10 s at most."""
    whole_number("threads", threads)

    def call(*arguments, **options):
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            return fn(*arguments, **options)
        finally:
            torch.set_num_threads(before)

    call.patience = PATIENCE if threads > 1 else inf
    return call


def measure(fn: Callable, *, device="cpu", warmup: int = 3, repeats: int = 20) -> Measurement:
    """The time of `fn()` on `device`: `repeats` samples after `warmup` runs that are not counted.

    Fewer after an interrupt. ValueError for under 1 repeat or 0 warm-up runs, or an absent device.
    """
    name = getattr(fn, "__name__", "function")
    return measure_in_turn({name: fn}, device=device, warmup=warmup, repeats=repeats)[name]


def measure_in_turn(
    functions: Mapping[str, Callable], *, device="cpu", warmup=3, repeats=20, seed=0, partial=True
) -> dict[str, Measurement]:
    """A Measurement for each function: in each round all run once, in an order drawn from `seed`.

    What slows the machine then slows all of them. `device` may be a dict with a device for each
    name. After an interrupt whole rounds are kept if `partial`. Errors as in `measure`.
    """
    whole_number("warmup", warmup, least=0)
    whole_number("repeats", repeats)
    require(len(functions) > 0, "functions", functions, "one function or more, by name")
    devices = {}
    for name, fn in functions.items():
        require(callable(fn), f"functions[{name!r}]", fn, "callable", TypeError)
        devices[name] = choose_device(device[name] if isinstance(device, Mapping) else device)
    draw = random.Random(seed)
    spent = dict.fromkeys(functions, 0.0)
    late = {}  # functions of several threads that took too long, and what to say of them

    def rounds(most: int) -> Iterable[dict[str, float]]:
        for _ in range(most):
            order = draw.sample(list(functions), len(functions))
            seconds = {name: _time_once(functions[name], devices[name]) for name in order}
            yield seconds
            for name, fn in functions.items():
                spent[name] += seconds[name]
                if spent[name] > getattr(fn, "patience", inf):
                    late[name] = f"stopped after {spent[name]:.0f} s: the cores may be busy"
            if late:
                return

    list(rounds(warmup))
    kept = until_interrupt(rounds(repeats)) if partial else list(rounds(repeats))
    measured = {}
    for name in functions:
        samples = tuple(seconds[name] for seconds in kept)
        measured[name] = Measurement(name, samples, Live.here(devices[name]), late.get(name, ""))
    return measured


def _time_once(fn: Callable, device: torch.device) -> float:
    with Stopwatch(device) as watch:
        result = fn()
    if getattr(result, "interrupted", False):  # a training that was cut short is no sample
        raise KeyboardInterrupt
    return watch.seconds


def compare(
    first: Callable, second: Callable, *, names=("first", "second"), repeats: int = 30, **how
) -> Comparison:
    """Run two functions in turn and judge the second against the first.

    `device`, `warmup`, `seed`, errors as in `measure_in_turn`. With under 8 rounds: cannot tell.
    """
    whole_number("repeats", repeats, least=ENOUGH)
    require(len(names) == len(set(names)) == 2, "names", names, "two different names")
    functions = dict(zip(names, (first, second), strict=True))
    return judge(*measure_in_turn(functions, repeats=repeats, **how).values(), few=True)


def judge(first: Measurement, second: Measurement, *, few: bool = False) -> Comparison:
    """The median ratio of two measurements taken in turn, with its interval.

    Sample i of both makes a ratio. The interval of their median is the binomial distribution's, for
    rounds that do not depend on each other (W. J. Conover, Practical Nonparametric Statistics).
    ValueError for a sample of 0 s, and unless both have equally many, 8 or more (or any, if `few`).
    """
    shortest = min(*first.samples, *second.samples)
    allowed = "above 0 s: too short for this clock, so call it many times a run"
    require(shortest > 0, "the shortest sample", shortest, allowed)
    pairs = len(first.samples)
    if few and pairs < ENOUGH:
        return Comparison(first, second, second.median / first.median, 0.0, inf)
    enough = pairs >= ENOUGH and pairs == len(second.samples)
    require(enough, "repeats", pairs, "8 or more, the same for both")
    ratios = np.divide(second.samples, first.samples)
    return Comparison(first, second, float(np.median(ratios)), *interval_of_median(ratios))


def interval_of_median(samples: Sequence[float]) -> tuple[float, float]:
    """Where the median of what was sampled lies; NaN for under 8 samples, which cannot say."""
    from scipy.stats import quantile_test

    low, high = quantile_test(samples, q=1, p=0.5).confidence_interval(CONFIDENCE)
    return float(low), float(high)
