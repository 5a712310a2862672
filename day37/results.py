"""Lessons 1 to 5: what every result is made of: where and when, samples, intervals, verdicts."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar

import numpy as np
import torch

from day37.checks import require
from day37.device import device_name

CONFIDENCE = 0.99  # of 100 comparisons of equal things about one, not five, is called a difference
NOISY = 0.1  # an IQR over a tenth of the median


def show_seconds(seconds: float) -> str:
    """Seconds with a unit that suits them: 0.00012 → "120 µs"."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if abs(seconds) >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows of text under their head, the first column to the left, the others to the right."""
    lines = [head, *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    text = []
    for first, *others in lines:
        cells = [f"{cell:>{width}}" for cell, width in zip(others, widths[1:], strict=True)]
        text.append("  ".join([f"{first:{widths[0]}}", *cells]).rstrip())
    return "\n".join(text)


@dataclass(frozen=True)
class Origin:
    """Where and when a result was measured: the device as the tensor named it, and its product.

    Its class decides what it is called: what measures makes a `Live` one, a file only this one.
    """

    device: str
    product: str
    when: str
    note: str = ""  # how, and from where: "profiled: the host is slowed; CUDA 13.0; a repository"
    kind: ClassVar[str] = "RECORDED"

    @property
    def recorded(self) -> bool:
        """Whether the result comes from a file."""
        return self.kind == "RECORDED"

    def __str__(self) -> str:
        where = f"{self.kind}, {self.product} ({self.device})"
        return f"{where}; {self.note}" if self.note else where


class Live(Origin):
    """The origin of what is measured now, on this machine."""

    kind = "LIVE"

    @classmethod
    def here(cls, device: str | torch.device) -> "Live":
        """The origin on `device`, spelt as a tensor there spells it."""
        device = torch.empty(0, device=device).device
        return cls(str(device), device_name(device), datetime.now(UTC).isoformat("T", "seconds"))


def show_origins(*origins: Origin) -> str:
    """The origins in words, each once."""
    return "; ".join(dict.fromkeys(str(origin) for origin in origins))


@dataclass(frozen=True)
class Measurement:
    """The raw times of one thing, in seconds, in the order in which they were taken, and where."""

    name: str
    samples: tuple[float, ...]
    origin: Origin
    note: str = ""  # why there are fewer samples than were asked for

    def __post_init__(self):
        require(len(self.samples) > 0, "samples", self.samples, "one time or more")

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
        """Empty, or one line that says why they are few, or how far they spread."""
        noisy = self.iqr > NOISY * self.median > 0
        spread = f"noisy: the IQR is {self.iqr / self.median:.2g} times the median" if noisy else ""
        return self.note or spread

    def __repr__(self) -> str:
        text = f"{self.name}: median {show_seconds(self.median)}, IQR {show_seconds(self.iqr)}"
        lines = (f"{text}, {len(self.samples)} samples", str(self.origin), self.warning)
        return "\n  ".join(filter(None, lines))


@dataclass(frozen=True)
class Comparison:
    """Two things measured in turn. `ratio`: the second's time over the first's, `low` to `high`."""

    first: Measurement
    second: Measurement
    ratio: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """What the second is, compared with the first: "faster", "slower" or "cannot tell"."""
        if self.high < 1:
            return "faster"
        return "slower" if self.low > 1 else "cannot tell"

    @property
    def speed_up(self) -> tuple[float, float, float]:
        """How many times as fast the second is as the first, and the ends of the interval."""
        return 1 / self.ratio, 1 / self.high, 1 / self.low if self.low else math.inf

    def __repr__(self) -> str:
        says = f"{self.second.name} is {self.verdict}"
        if self.verdict == "cannot tell":
            says = f"cannot tell {self.second.name} from {self.first.name}"
        times = f"{show_seconds(self.second.median)} against {show_seconds(self.first.median)}"
        interval = f"{CONFIDENCE:.0%} interval {self.low:.3f} to {self.high:.3f}"
        where = show_origins(self.first.origin, self.second.origin)
        notes = "".join(f"\n  {m.name}: {m.note}" for m in (self.first, self.second) if m.note)
        return f"{says}: {times}, ratio {self.ratio:.3f} ({interval})\n  {where}{notes}"
