"""The three fixed costs, one experiment each: a copy, a launch, too little work; and where a crossover lies."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch

from day37.arguments import require, whole_number
from day37.data import IrisSplit
from day37.hardware import Origin, choose_device, show_origins
from day37.model import MLP
from day37.timing import Comparison, Measurement, Stopwatch, judge, measure_in_turn, show_seconds, until_interrupt
from day37.training import make_step

COPY_SIZES = (4, 40, 400, 4_000, 40_000, 400_000, 4_000_000, 100_000_000)  # bytes


@dataclass(frozen=True)
class CopyCosts:
    """The time to copy `sizes[i]` bytes from the host's memory to the device: `times[i]`, in seconds."""

    sizes: tuple[int, ...]
    times: tuple[Measurement, ...]

    @property
    def latency(self) -> float:
        """Seconds for the smallest copy: what it costs to copy at all."""
        return self.times[0].median

    @property
    def bandwidth(self) -> float:
        """Bytes a second in the largest copy."""
        return self.sizes[-1] / self.times[-1].median

    def __repr__(self) -> str:
        ends = f"{show_seconds(self.latency)} for {self.sizes[0]:,} bytes, {self.bandwidth / 1e9:.1f} GB/s at {self.sizes[-1]:,}"
        return f"copies: {ends}\n  {self.times[0].origin}"


def measure_copies(device="cpu", *, sizes: Sequence[int] = COPY_SIZES, repeats: int = 20) -> CopyCosts:
    """Copy float32 tensors of these sizes (bytes, multiples of 4) from the host to `device` (or within the host).

    An interrupt keeps the sizes that are done. ValueError for other sizes or an absent device.
    """
    device = choose_device(device)
    right = all(whole_number("sizes", size, least=4) % 4 == 0 for size in sizes)
    require(right and len(sizes) > 0, "sizes", sizes, "multiples of 4 bytes")

    def copy_of(size: int) -> Callable[[], torch.Tensor]:
        source, target = torch.ones(size // 4), torch.zeros(size // 4, device=device)
        return lambda: target.copy_(source)

    each = (measure_in_turn({"copy": copy_of(s)}, device=device, repeats=repeats, partial=False)["copy"] for s in sizes)
    times = tuple(until_interrupt(each))
    return CopyCosts(tuple(sizes[: len(times)]), times)


@dataclass(frozen=True)
class LaunchCost:
    """The time for one small operation, in seconds: until the host could go on, and until the device had done it."""

    launches: int
    queued: Measurement
    finished: Measurement

    def __repr__(self) -> str:
        queued, finished = show_seconds(self.queued.median), show_seconds(self.finished.median)
        return f"{self.launches:,} small operations: queued in {queued} each, finished in {finished} each\n  {self.queued.origin}"


def measure_launch(device="cpu", *, launches: int = 1000, repeats: int = 20) -> LaunchCost:
    """Add 1 to a tensor of one number, `launches` times in a row: all cost, next to no work."""
    whole_number("launches", launches)
    whole_number("repeats", repeats)
    x = torch.zeros(1, device=choose_device(device))

    def launch_all() -> tuple[float, float]:
        with Stopwatch(x.device) as watch:
            for _ in range(launches):
                x.add_(1)
        return watch.queued / launches, watch.seconds / launches

    launch_all()  # the warm-up
    queued, finished = zip(*until_interrupt(launch_all() for _ in range(repeats)), strict=True)
    origin = Origin.here(x.device)
    return LaunchCost(launches, Measurement("queued", queued, origin), Measurement("finished", finished, origin))


@dataclass(frozen=True)
class Setting:
    """Where a step runs: a device, and on the CPU with how many threads (None: as torch has it)."""

    device: str = "cpu"
    threads: int | None = None


@dataclass(frozen=True)
class Crossover:
    """The last (rows, width) before it at which `second` is surely slower, the first at which it is surely faster.

    In between one cannot tell. None where no measured size is of that kind.
    """

    first: str
    second: str
    slower_at: tuple[int, int] | None
    faster_at: tuple[int, int] | None

    def __repr__(self) -> str:
        if self.faster_at is None:
            return f"{self.second} is surely faster than {self.first} at none of these sizes"
        text = "{:,} rows and width {:,}"
        below = text.format(*self.slower_at) if self.slower_at else "none"
        above = text.format(*self.faster_at)
        return f"{self.second} against {self.first}: last surely slower at {below}; then first surely faster at {above}"


@dataclass(frozen=True)
class Growth:
    """The time of one step as the work grows: `times[setting][i]` for `sizes[i]` = (rows, hidden width)."""

    sizes: tuple[tuple[int, int], ...]
    times: dict[str, tuple[Measurement, ...]]

    def verdicts(self, first: str, second: str) -> list[str]:
        """For each size: is the second setting faster or slower than the first, or can one not tell?"""
        return [judge(a, b).verdict for a, b in zip(self.times[first], self.times[second], strict=True)]

    def along(self, *, rows: int | None = None, width: int | None = None) -> "Growth":
        """Only the sizes with this many rows, or this width. ValueError if there is none."""
        kept = [i for i, size in enumerate(self.sizes) if rows in (None, size[0]) and width in (None, size[1])]
        require(len(kept) > 0, "rows, width", (rows, width), f"a size that was measured: {self.sizes}")
        return Growth(tuple(self.sizes[i] for i in kept), {name: tuple(row[i] for i in kept) for name, row in self.times.items()})

    def at(self, rows: int, width: int) -> list[Comparison]:
        """At one size, every setting held against the first. ValueError if it was not measured."""
        first, *others = (row[0] for row in self.along(rows=rows, width=width).times.values())
        return [judge(first, other, few=True) for other in others]

    def crossover(self, first: str, second: str) -> Crossover:
        """Where `second` overtakes `first`, by the verdicts. ValueError for fewer than 8 repeats a size."""
        verdicts = self.verdicts(first, second)
        last = max((i for i, verdict in enumerate(verdicts) if verdict == "slower"), default=-1)
        faster = [i for i, verdict in enumerate(verdicts) if verdict == "faster" and i > last]
        return Crossover(first, second, self.sizes[last] if last >= 0 else None, self.sizes[faster[0]] if faster else None)

    def __repr__(self) -> str:
        lines = ["    rows  width" + "".join(f"{name:>18}" for name in self.times) + "   (µs per step, medians)"]
        for i, (rows, width) in enumerate(self.sizes):
            lines.append(f"{rows:>8,}{width:>7,}" + "".join(f"{t[i].median * 1e6:>18,.0f}" for t in self.times.values()))
        return "\n".join([*lines, show_origins(*(row[0].origin for row in self.times.values()))])


def measure_growth(
    settings: Mapping[str, Setting], sizes: Sequence[tuple[int, int]], *, repeats: int = 10, seed: int = 0
) -> Growth:
    """Time one training step of MLP(4, width, 3) on `rows` random rows, for each (rows, width), the settings in turn.

    Changes torch's generator. An interrupt keeps the sizes that are done. ValueError for rows, width, threads or
    repeats under 1, an absent device, or no size or setting at all.
    """
    require(len(sizes) > 0 and len(settings) > 0, "sizes", sizes, "one or more, with one setting or more")
    for rows, width in sizes:
        whole_number("rows", rows)
        whole_number("width", width)
    devices = {name: setting.device for name, setting in settings.items()}

    def at_size(rows: int, width: int) -> dict[str, Measurement]:
        steps = {name: _sized_step(setting, rows, width, seed) for name, setting in settings.items()}
        return measure_in_turn(steps, device=devices, repeats=repeats, seed=seed, partial=False)

    done = until_interrupt(at_size(rows, width) for rows, width in sizes)
    return Growth(tuple(sizes[: len(done)]), {name: tuple(measured[name] for measured in done) for name in settings})


def _sized_step(setting: Setting, rows: int, width: int, seed: int) -> Callable[[], None]:
    numbers = torch.Generator().manual_seed(seed)
    x, y = torch.rand(rows, 4, generator=numbers), torch.randint(3, (rows,), generator=numbers)
    data = IrisSplit(x, y, x[:1], y[:1], (), ()).to(setting.device)
    step = make_step(MLP(4, width, 3).to(data.device), data)
    return step if setting.threads is None else with_threads(setting.threads, step)


def with_threads(threads: int, fn: Callable) -> Callable:
    """A function that calls `fn` with torch set to `threads` CPU threads, and sets it back (well under 1 µs in all)."""
    whole_number("threads", threads)

    def call(*args):
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            return fn(*args)
        finally:
            torch.set_num_threads(before)

    return call
