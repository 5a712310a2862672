"""A way to train, tried once: does it work here, and does it give the plain loop's losses?"""

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from day37.checks import positive_number
from day37.data import IrisSplit
from day37.faster.compiler import first_line, fresh_cache
from day37.faster.needs import needs_nothing
from day37.faster.ways import Run
from day37.results import Measurement
from day37.timing import Stopwatch

SAME_LOSSES = 1e-4  # relative: how far a way's losses may be from the plain loop's
SAME_WEIGHTS = 1e-3


@dataclass(frozen=True)
class Way:
    """A way to train: `prepare(model, data, epochs, lr)` gives its Run, if nothing is missing."""

    name: str
    removes: str
    asks: str
    prepare: Callable[[nn.Module, IrisSplit, int, float], Run]
    needs: Callable[[nn.Module, torch.device], tuple[str, float]] = needs_nothing


@dataclass(frozen=True)
class Rung:
    """One way, as it went: why not (`obstacle`), or its times, and how far its results are off.

    `start_seconds`: the compiler's own start; `first_seconds`: preparation and first run together.
    Errors are relative to the plain loop: the largest of any epoch's loss, and of the norm of any
    weight tensor.
    """

    name: str
    removes: str
    asks: str
    obstacle: str = ""
    time: Measurement | None = None
    start_seconds: float = 0.0
    first_seconds: float = 0.0
    loss_error: float = 0.0
    weight_error: float = 0.0

    def __post_init__(self):
        if self.time is not None:
            positive_number("first_seconds", self.first_seconds)
            positive_number("the shortest sample", min(self.time.samples))

    @property
    def preparation(self) -> float:
        """Seconds that its first run took over the others: compiling, capturing."""
        return max(self.first_seconds - self.time.median, 0.0)


@dataclass(frozen=True)
class Trial:
    """A way tried once: its rung so far, a function to train again, the losses and the weights.

    Where the way does not work there is only the rung, and the error if there was one.
    """

    rung: Rung
    again: Callable[[], None] | None = None
    losses: Tensor | None = None
    weights: tuple[Tensor, ...] = ()
    error: Exception | None = None

    def beside(self, plain: "Trial") -> "Trial":
        """With its errors against the plain loop's; with an obstacle if they are too large."""
        if self.losses is None:
            return self
        losses = float(((self.losses - plain.losses) / plain.losses).abs().max())
        far = []
        for ours, theirs in zip(self.weights, plain.weights, strict=True):
            far.append(float(torch.linalg.norm(ours - theirs) / torch.linalg.norm(theirs)))
        weights = max(far)
        rung = replace(self.rung, loss_error=losses, weight_error=weights)
        if not (losses <= SAME_LOSSES and weights <= SAME_WEIGHTS):
            off = f"by {losses:.0e}, its weights by {weights:.0e}"
            rung = replace(rung, obstacle=f"its losses differ from the plain loop's {off}")
        return replace(self, rung=rung)


def try_way(way: Way, model: nn.Module, data: IrisSplit, epochs: int, lr: float) -> Trial:
    """Train a copy of `model` once in this way, or say why that does not go."""
    obstacle, start_seconds = way.needs(model, data.device)
    rung = Rung(way.name, way.removes, way.asks, obstacle, start_seconds=start_seconds)
    if obstacle:
        return Trial(rung)
    own = copy.deepcopy(model)
    start = copy.deepcopy(model.state_dict())
    try:
        with fresh_cache(), Stopwatch(data.device) as watch:
            run = way.prepare(own, data, epochs, lr)
            losses = run()
    except Exception as error:  # a compiler may fail in ways of its own: the other rows go on
        return Trial(replace(rung, obstacle=first_line(error)), error=error)

    def again() -> None:
        own.load_state_dict(start)
        run()

    weights = tuple(p.detach().clone() for p in own.parameters())
    return Trial(replace(rung, first_seconds=watch.seconds), again, losses, weights)
