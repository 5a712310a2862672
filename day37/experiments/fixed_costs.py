"""Lesson 3: two costs that do not depend on the work: a copy and a launch."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from day37.checks import require, whole_number
from day37.device import choose_device
from day37.results import Live, Measurement, show_seconds
from day37.timing import Stopwatch, measure_in_turn, until_interrupt

COPY_SIZES = (4, 40, 400, 4_000, 40_000, 400_000, 4_000_000, 100_000_000)  # bytes


@dataclass(frozen=True)
class CopyCosts:
    """The time to copy `sizes[i]` bytes from the host's memory to the device: `times[i]`.

    ValueError if there is not one time or more, and one for each size.
    """

    sizes: tuple[int, ...]
    times: tuple[Measurement, ...]

    def __post_init__(self):
        allowed = f"as many as sizes, {len(self.sizes)}, and one or more"
        right = len(self.times) == len(self.sizes) > 0
        require(right, "times", f"{len(self.times)} measurements", allowed)

    @property
    def latency(self) -> float:
        """Seconds for the smallest copy: what it costs to copy at all."""
        return self.times[0].median

    @property
    def bandwidth(self) -> float:
        """Bytes a second in the largest copy."""
        return self.sizes[-1] / self.times[-1].median

    def __repr__(self) -> str:
        small = f"{show_seconds(self.latency)} for {self.sizes[0]:,} bytes"
        large = f"{self.bandwidth / 1e9:.1f} GB/s at {self.sizes[-1]:,}"
        return f"copies: {small}, {large}\n  {self.times[0].origin}"


def measure_copies(
    device="cpu", *, sizes: Sequence[int] = COPY_SIZES, repeats: int = 20
) -> CopyCosts:
    """Copy float32 tensors of these sizes (bytes) from the host to `device`, or within the host.

    An interrupt keeps the sizes that are done. ValueError for sizes that are no multiples of 4, or
    an absent device.
    """
    device = choose_device(device)
    require(len(sizes) > 0, "sizes", sizes, "multiples of 4 bytes, one or more")
    for size in sizes:
        whole_number("sizes", size, least=4)
        require(size % 4 == 0, "sizes", sizes, "multiples of 4 bytes")

    def time_copy(size: int) -> Measurement:
        source = torch.ones(size // 4)  # on the host
        target = torch.zeros(size // 4, device=device)
        copy = {"copy": lambda: target.copy_(source)}
        return measure_in_turn(copy, device=device, repeats=repeats, partial=False)["copy"]

    times = until_interrupt(time_copy(size) for size in sizes)
    return CopyCosts(tuple(sizes[: len(times)]), tuple(times))


@dataclass(frozen=True)
class LaunchCost:
    """The time for one small operation: until the host could go on, and until it was done."""

    launches: int
    queued: Measurement
    finished: Measurement

    def __repr__(self) -> str:
        queued = f"queued in {show_seconds(self.queued.median)} each"
        finished = f"finished in {show_seconds(self.finished.median)} each"
        head = f"{self.launches:,} small operations: {queued}, {finished}"
        return f"{head}\n  {self.queued.origin}"


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
    samples = until_interrupt(launch_all() for _ in range(repeats))
    queued, finished = zip(*samples, strict=True)
    origin = Live.here(x.device)
    return LaunchCost(
        launches, Measurement("queued", queued, origin), Measurement("finished", finished, origin)
    )
