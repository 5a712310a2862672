"""Lesson 3: the time of a step as the work grows, and where one setting overtakes another."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch

from day37.checks import require, whole_number
from day37.data import IrisSplit
from day37.model import MLP
from day37.results import Measurement, show_origins, table
from day37.timing import judge, measure_in_turn, until_interrupt, with_threads
from day37.training import make_step

USUAL = {"rows": 120, "width": 10}  # what stays as it is while the other grows


@dataclass(frozen=True)
class Crossover:
    """Where `second` overtakes `first`; sizes are rows or the hidden width, as `over` says.

    `slower_at`: the largest size with the verdict "slower"; `faster_at`: the first after that with
    the verdict "faster". In between one cannot tell. None: there is no such size.
    """

    first: str
    second: str
    over: str
    slower_at: int | None
    faster_at: int | None

    def __repr__(self) -> str:
        if self.faster_at is None:
            return f"{self.second} is faster than {self.first} at none of these sizes"
        below = "at no size" if self.slower_at is None else f"at {self.over} {self.slower_at:,}"
        above = f"at {self.over} {self.faster_at:,}"
        head = f"{self.second} against {self.first}"
        return f"{head}: slower for the last time {below}, faster for the first time {above}"


@dataclass(frozen=True)
class Growth:
    """The time of one step: `times[setting][i]` for `sizes[i]`, `over` being "rows" or "width".

    ValueError if there is no setting, or not a time for each size.
    """

    over: str
    sizes: tuple[int, ...]
    times: dict[str, tuple[Measurement, ...]]

    def __post_init__(self):
        require(self.over in USUAL, "over", self.over, '"rows" or "width"')
        require(len(self.times) > 0, "times", self.times, "one setting or more")
        allowed = f"as many as sizes, {len(self.sizes)}, and one or more"
        for name, times in self.times.items():
            right = len(times) == len(self.sizes) > 0
            require(right, f"times[{name!r}]", f"{len(times)} measurements", allowed)

    def verdicts(self, first: str, second: str) -> list[str]:
        """For each size, what the second setting is held against the first."""
        pairs = zip(self.times[first], self.times[second], strict=True)
        return [judge(a, b).verdict for a, b in pairs]

    def crossover(self, first: str, second: str) -> Crossover:
        """Where `second` overtakes `first`. ValueError for fewer than 8 repeats a size."""
        slower_at = None
        faster_at = None
        for size, verdict in zip(self.sizes, self.verdicts(first, second), strict=True):
            if verdict == "slower":
                slower_at = size
                faster_at = None
            elif verdict == "faster" and faster_at is None:
                faster_at = size
        return Crossover(first, second, self.over, slower_at, faster_at)

    def __repr__(self) -> str:
        rows = []
        for i, size in enumerate(self.sizes):
            medians = [f"{times[i].median * 1e6:,.0f}" for times in self.times.values()]
            rows.append((f"{size:,}", *medians))
        text = table((self.over, *self.times), rows)
        origins = show_origins(*(times[0].origin for times in self.times.values()))
        return f"{text}\nµs per step, medians; {origins}"


def measure_growth(
    settings: Mapping[str, str | tuple[str, int]] | Sequence[str | torch.device],
    over: str,
    sizes: Sequence[int],
    *,
    repeats: int = 10,
    seed: int = 0,
) -> Growth:
    """Time one training step of MLP(4, width, 3) on random rows at each size, the settings in turn.

    `over`: "rows", at width 10, or "width", at 120 rows. A setting is a device, or a device and the
    number of CPU threads: "cuda:0" or ("cpu", 1); a list of devices counts each once. Changes
    torch's generator. An interrupt keeps the sizes that are done. ValueError for sizes, threads or
    repeats under 1, an absent device, or no size or setting at all.
    """
    require(over in USUAL, "over", over, '"rows" or "width"')
    if not isinstance(settings, Mapping):
        settings = {str(device): str(device) for device in settings}
    some = len(sizes) > 0 and len(settings) > 0
    require(some, "sizes", sizes, "one or more, with one setting or more")
    for size in sizes:
        whole_number("sizes", size)
    devices = {}
    threads = {}
    for name, setting in settings.items():
        pair = (setting, None) if isinstance(setting, str) else setting
        right = isinstance(pair, tuple) and len(pair) == 2
        allowed = 'a device, or a device and its threads: "cuda:0" or ("cpu", 1)'
        require(right, f"settings[{name!r}]", setting, allowed, TypeError)
        devices[name], threads[name] = pair

    def at_size(size: int) -> dict[str, Measurement]:
        shape = USUAL | {over: size}
        steps = {n: _sized_step(devices[n], threads[n], seed=seed, **shape) for n in settings}
        return measure_in_turn(steps, device=devices, repeats=repeats, seed=seed, partial=False)

    done = until_interrupt(at_size(size) for size in sizes)
    times = {name: tuple(measured[name] for measured in done) for name in settings}
    return Growth(over, tuple(sizes[: len(done)]), times)


def _sized_step(device: str, threads: int | None, rows: int, width: int, seed: int) -> Callable:
    numbers = torch.Generator().manual_seed(seed)
    x = torch.rand(rows, 4, generator=numbers)
    y = torch.randint(3, (rows,), generator=numbers)
    data = IrisSplit(x, y, x[:1], y[:1], (), ()).to(device)  # no flowers: what a step asks for
    step = make_step(MLP(4, width, 3).to(data.device), data)
    return step if threads is None else with_threads(threads, step)
