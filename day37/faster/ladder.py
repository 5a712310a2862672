"""Lesson 3: the ways to train held against each other: the same losses first, then the times."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from day37.checks import check_fit, positive_number, require, whole_number
from day37.data import IrisSplit
from day37.faster import one_function
from day37.faster.compiler import empty_cache, first_line
from day37.faster.cuda_graph import cuda_graph, long_cuda_graph
from day37.faster.needs import (
    needs_compiler,
    needs_cuda,
    needs_fused,
    needs_nothing,
    needs_whole,
)
from day37.faster.one_kernel import one_kernel
from day37.faster.ways import Run, compiled_step, fused_optimizer, losses_on_device, plain_loop
from day37.model import MLP
from day37.results import Comparison, Measurement, Origin, show_seconds, table
from day37.timing import Stopwatch, interval_of_median, judge, measure_in_turn

SAME_LOSSES = 1e-4  # relative: how far a way's losses may be from the plain loop's
SAME_WEIGHTS = 1e-3
LESSON = 20_000  # epochs of the lessons' training


def whole_training(model: MLP, data: IrisSplit, epochs: int, lr: float) -> Run:
    """All epochs in one function: one Triton kernel on a CUDA GPU, one numba function on the CPU.

    Compiled anew: what an earlier session has left on disk is not used.
    """
    if data.device.type == "cuda":
        return one_kernel(model, data, epochs, lr)
    return one_function(model, data, epochs, lr, cached=False)


@dataclass(frozen=True)
class Way:
    """A way to train: `prepare(model, data, epochs, lr)` gives its Run, if nothing is missing."""

    name: str
    removes: str
    asks: str
    prepare: Callable[[nn.Module, IrisSplit, int, float], Run]
    needs: Callable[[nn.Module, torch.device], tuple[str, float]] = needs_nothing


WAYS = (
    Way("plain loop", "nothing", "nothing", plain_loop),
    Way("losses on the device", "the wait at each read", "losses at the end", losses_on_device),
    Way("fused optimizer", "the loop over weights", "a keyword", fused_optimizer, needs_fused),
    Way("compiled step", "most operations", "time to compile", compiled_step, needs_compiler),
    Way("CUDA graph", "all launches but one a step", "a fixed input", cuda_graph, needs_cuda),
    Way("long CUDA graph", "the launch of each step", "the same", long_cuda_graph, needs_cuda),
    Way("one function", "all but the work", "gradients by hand", whole_training, needs_whole),
)


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

    @property
    def preparation(self) -> float:
        """Seconds that its first run took over the others: compiling, recording."""
        return max(self.first_seconds - self.time.median, 0.0)


@dataclass(frozen=True)
class Ladder:
    """The ways to train, each measured in turn with the others over `epochs` epochs.

    The first is the plain loop; ValueError if it was not measured.
    """

    epochs: int
    rungs: tuple[Rung, ...]

    def __post_init__(self):
        plain = len(self.rungs) > 0 and self.rungs[0].time is not None
        require(
            plain, "rungs", [rung.name for rung in self.rungs], "the plain loop, measured, first"
        )

    @property
    def measured(self) -> tuple[Rung, ...]:
        """The rungs that work here."""
        return tuple(rung for rung in self.rungs if rung.time is not None)

    @property
    def origin(self) -> Origin:
        """Where it was measured."""
        return self.rungs[0].time.origin

    @property
    def best(self) -> Rung:
        """The one with the quickest step."""
        return min(self.measured, key=lambda rung: rung.time.median)

    @property
    def soonest(self) -> Rung:
        """The one that is first through with the lesson's training, everything counted."""
        return min(self.measured, key=self.total)

    def step_us(self, rung: Rung) -> float:
        """Microseconds an epoch."""
        return rung.time.median / self.epochs * 1e6

    def comparison(self, rung: Rung) -> Comparison:
        """The rung's time against the plain loop's."""
        return judge(self.rungs[0].time, rung.time, few=True)

    def total(self, rung: Rung, epochs: int = LESSON) -> float:
        """Seconds until the last of `epochs` losses: start, preparation, and that many steps."""
        return rung.start_seconds + rung.preparation + epochs * self.step_us(rung) * 1e-6

    def __repr__(self) -> str:
        head = ("way", "µs/step", "99% interval", "speed-up", "interval", "prepared in")
        rows = [self._row(rung) for rung in self.measured]
        text = [table((*head, f"{LESSON:,} losses in", "losses"), rows)]
        text += [f"{rung.name}: not here: {rung.obstacle}" for rung in self.rungs if rung.obstacle]
        what = "the compiler's own start, the preparation and that many steps"
        text.append(f"{LESSON:,} losses in: {what}, added up; measured over {self.epochs:,} epochs")
        return "\n".join([*text, str(self.origin)])

    def _row(self, rung: Rung) -> tuple[str, ...]:
        low, high = (end / self.epochs * 1e6 for end in interval_of_median(rung.time.samples))
        times, least, most = self.comparison(rung).speed_up
        return (
            rung.name,
            f"{self.step_us(rung):.3g}",
            f"{low:.3g} to {high:.3g}",
            f"{times:.3g}",
            f"{least:.3g} to {most:.3g}",
            show_seconds(rung.preparation),
            show_seconds(self.total(rung)),
            f"{rung.loss_error:.0e}" if rung.loss_error else "same",
        )

    def explain(self) -> str:
        """For each way, which cost it removes and what it asks in return."""
        lines = [f"{r.name:21}removes {r.removes}; asks {r.asks}" for r in self.rungs]
        return "\n".join(lines)


def measure_speedups(
    model: nn.Module,
    data: IrisSplit,
    *,
    epochs: int = 1000,
    lr: float = 0.01,
    repeats: int = 12,
    seed: int = 0,
) -> Ladder:
    """Train copies of `model` in every way, check that the losses agree, then time all in turn.

    Forgets what torch has compiled in this process. A way that does not work here, or gives other
    losses, keeps its row, with the reason. A sample includes going back to the start weights. An
    interrupt keeps the whole rounds of timing. ValueError or TypeError for data that does not fit
    the model, fewer than 8 repeats, or epochs or lr out of range.
    """
    whole_number("epochs", epochs)
    whole_number("repeats", repeats, least=8)
    positive_number("lr", lr)
    check_fit(model, data)
    torch.compiler.reset()  # once: what is compiled here is used again below
    plain, *others = (try_way(way, model, data, epochs, lr) for way in WAYS)
    if plain.error is not None:
        raise plain.error
    trials = [plain, *(trial.beside(plain) for trial in others)]
    runs = {trial.rung.name: trial.again for trial in trials if not trial.rung.obstacle}
    how = {"device": data.device, "repeats": repeats, "seed": seed}
    times = measure_in_turn(runs, warmup=0, **how)
    rungs = (replace(trial.rung, time=times.get(trial.rung.name)) for trial in trials)
    return Ladder(epochs, tuple(rungs))


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
        with empty_cache(), Stopwatch(data.device) as watch:
            run = way.prepare(own, data, epochs, lr)
            losses = run()
    except Exception as error:  # a compiler may fail in ways of its own: the other rows go on
        return Trial(replace(rung, obstacle=first_line(error)), error=error)

    def again() -> None:
        own.load_state_dict(start)
        run()

    weights = tuple(p.detach().clone() for p in own.parameters())
    return Trial(replace(rung, first_seconds=watch.seconds), again, losses, weights)
