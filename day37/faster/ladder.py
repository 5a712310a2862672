"""Lesson 3: the ways to train held against each other: the same losses first, then the times."""

from dataclasses import dataclass, replace

import torch
from torch import nn

from day37.checks import check_fit, positive_number, require, whole_number
from day37.data import IrisSplit
from day37.faster import one_function
from day37.faster.compiler import import_quietly
from day37.faster.cuda_graph import cuda_graph, long_cuda_graph
from day37.faster.needs import (
    needs_compiler,
    needs_cuda,
    needs_fused,
    needs_whole,
)
from day37.faster.one_kernel import one_kernel
from day37.faster.trial import Rung, Way, try_way
from day37.faster.ways import Run, compiled_step, fused_optimizer, losses_on_device, plain_loop
from day37.model import MLP
from day37.results import CONFIDENCE, Comparison, Origin, show_seconds, table
from day37.timing import ENOUGH, judge, measure_in_turn
from day37.training import EPOCHS, bar

import_quietly()  # before a lesson's own cell compiles


def whole_training(model: MLP, data: IrisSplit, epochs: int, lr: float) -> Run:
    """All epochs in one function: one Triton kernel on a CUDA GPU, one numba function on the CPU.

    Compiled anew: what an earlier session has left on disk is not used.
    """
    if data.device.type == "cuda":
        return one_kernel(model, data, epochs, lr)
    return one_function(model, data, epochs, lr, cached=False)


# On a CUDA GPU the default optimizer has no loop over the weights that "fused" could remove.
WAYS = (
    Way("plain loop", "nothing", "nothing", plain_loop),
    Way("losses on the device", "the wait at each read", "losses at the end", losses_on_device),
    Way("fused optimizer", "a CPU's loop over weights", "a keyword", fused_optimizer, needs_fused),
    Way("compiled step", "most operations", "time to compile", compiled_step, needs_compiler),
    Way("CUDA graph", "all launches but one a step", "a fixed input", cuda_graph, needs_cuda),
    Way("long CUDA graph", "the launch of each step", "the same", long_cuda_graph, needs_cuda),
    Way("one function", "all but the work", "gradients by hand", whole_training, needs_whole),
)


@dataclass(frozen=True)
class Ladder:
    """All ways to train, a rung each, measured in turn with each other over `epochs` epochs.

    The first is the plain loop; ValueError if it was not measured, or if another one has more
    samples or fewer.
    """

    epochs: int
    rungs: tuple[Rung, ...]

    def __post_init__(self):
        plain = len(self.rungs) > 0 and self.rungs[0].time is not None
        whole_number("epochs", self.epochs)
        counts = {len(rung.time.samples) for rung in self.measured}
        require(len(counts) < 2, "samples", counts, "as many for each rung")
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

    def total(self, rung: Rung, epochs: int = EPOCHS) -> float:
        """Seconds until the last of `epochs` losses: start, preparation, and that many steps."""
        return rung.start_seconds + rung.preparation + epochs * self.step_us(rung) * 1e-6

    def __repr__(self) -> str:
        sure = f"{CONFIDENCE:.0%} interval"
        head = ("way", "µs/step", "speed-up", sure, "start", "prepared in")
        rows = [self._row(rung) for rung in self.measured]
        text = [table((*head, f"{EPOCHS:,} losses in", "losses"), rows)]
        text += [f"{rung.name}: not here: {rung.obstacle}" for rung in self.rungs if rung.obstacle]
        what = "start, preparation and that many steps, added up"
        text.append(f"{EPOCHS:,} losses in: {what}; measured over {self.epochs:,} epochs")
        text.append("start: of a compiler in a new session, timed once")
        return "\n".join([*text, str(self.origin)])

    def _row(self, rung: Rung) -> tuple[str, ...]:
        times, least, most = self.comparison(rung).speed_up
        return (
            rung.name,
            f"{self.step_us(rung):.3g}",
            f"{times:.3g}",
            f"{least:.3g} to {most:.3g}",
            show_seconds(rung.start_seconds) if rung.start_seconds else "",
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
    epochs: int = 500,
    lr: float = 0.01,
    repeats: int = ENOUGH,
    seed: int = 0,
    progress: bool = False,
) -> Ladder:
    """Train copies of `model` in every way, check that the losses agree, then time all in turn.

    Forgets what torch has compiled in this process. A way that does not work here, or gives other
    losses, keeps its row, with the reason. A sample includes going back to the start weights. An
    interrupt keeps the whole rounds of timing. `progress` shows a bar over the ways. ValueError or
    TypeError for data that does not fit the model, fewer than 8 repeats, or epochs or lr out of
    range.
    """
    whole_number("epochs", epochs)
    whole_number("repeats", repeats, least=ENOUGH)
    positive_number("lr", lr)
    check_fit(model, data)
    torch.compiler.reset()  # once: what is compiled here is used again below
    plain = try_way(WAYS[0], model, data, epochs, lr)
    if plain.error is not None:
        raise plain.error
    ways = bar(WAYS[1:], "way", progress)
    others = [try_way(way, model, data, epochs, lr) for way in ways]
    trials = [plain, *(trial.beside(plain) for trial in others)]
    runs = {trial.rung.name: trial.again for trial in trials if not trial.rung.obstacle}
    how = {"device": data.device, "repeats": repeats, "seed": seed}
    times = measure_in_turn(runs, warmup=0, **how)
    rungs = (replace(trial.rung, time=times.get(trial.rung.name)) for trial in trials)
    return Ladder(epochs, tuple(rungs))
