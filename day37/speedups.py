"""The ways to train held against each other: why one does not work here, how fast it is, and that its losses agree."""

import atexit
import copy
import importlib.util
import math
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache, partial

import torch
from torch import nn

from day37.arguments import positive_number, whole_number
from day37.data import IrisSplit
from day37.hardware import Origin
from day37.model import MLP
from day37.timing import Comparison, Measurement, Stopwatch, judge, measure_in_turn, show_seconds
from day37.training import check_fit
from day37.ways import (
    PER_GRAPH,
    Run,
    compile_whole,
    compiled_loop,
    compiled_step,
    cuda_graph,
    kept_on_device,
    one_kernel,
    plain_loop,
)

SAME_LOSSES, SAME_WEIGHTS = 1e-4, 1e-3  # relative: how far the ways may be from the plain loop


@contextmanager
def _empty_cache() -> Iterator[None]:
    """Let the compiler keep its work in a new folder: what an earlier session has left on disk is not found."""
    folder = tempfile.mkdtemp(prefix="day37-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)  # not sooner: later compilations read from it
    names = "TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR"
    before = {name: os.environ[name] for name in names if name in os.environ}
    os.environ |= dict.fromkeys(names, folder)
    try:
        yield
    finally:
        for name in names:
            os.environ.pop(name, None)
        os.environ |= before


@cache
def ready_compiler(device: torch.device) -> tuple[str, float]:
    """Compile next to nothing for `device`, once a session: why that fails (empty if it works), and the seconds taken.

    The first compilation also tries out the processor's instructions and prepares torch's C++ headers.
    """
    obstacle = ""
    with _empty_cache(), Stopwatch(device) as watch:
        try:
            compile_whole(lambda x: x + 1, device)(torch.zeros(8, device=device))
        except Exception as error:  # whatever torch, a compiler or Python says: it is the row's reason
            obstacle = _reason(error)
    return obstacle, watch.seconds


def _reason(error: Exception) -> str:
    """What an exception says, in one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip() and not line.endswith("raised:")]
    return (lines or [type(error).__name__])[0][:150]


def _needs_fused(model: nn.Module, device: torch.device) -> str:
    weight = torch.zeros(1, device=device, requires_grad=True)
    weight.grad = torch.zeros_like(weight)
    try:
        torch.optim.SGD([weight], fused=True).step()
    except RuntimeError as error:
        return _reason(error)
    return ""


def needs_compiler(model: nn.Module, device: torch.device) -> str:
    """Why nothing can be compiled for `device`; empty if it can."""
    return ready_compiler(device)[0]


def _needs_mlp(model: nn.Module, device: torch.device) -> str:
    return "" if type(model) is MLP else "its gradients are written out by hand, for day37.MLP only"


def _needs_cuda(model: nn.Module, device: torch.device) -> str:
    return "" if device.type == "cuda" else "it needs a CUDA GPU"


def _needs_triton(model: nn.Module, device: torch.device) -> str:
    there = importlib.util.find_spec("triton") is not None
    return "" if there else "Triton is not installed: it comes with torch's CUDA builds, on Linux only"


@dataclass(frozen=True)
class Way:
    """A way to train: `prepare(model, data, epochs, lr)` gives its Run; each of `needs` says why it does not work."""

    name: str
    removes: str
    asks: str
    prepare: Callable[[nn.Module, IrisSplit, int, float], Run]
    needs: tuple[Callable[[nn.Module, torch.device], str], ...] = ()


COMPILED, KERNEL = (_needs_mlp, needs_compiler), (_needs_mlp, _needs_cuda, _needs_triton)
WAYS = (
    Way("plain loop", "nothing", "nothing", plain_loop),
    Way("losses on the device", "the wait at each read", "that losses are seen only at the end", kept_on_device),
    Way("fused optimizer", "the loop over the weights", "a keyword", partial(kept_on_device, fused=True), (_needs_fused,)),
    Way("compiled step", "most operations and launches", "time to compile", compiled_step, (needs_compiler,)),
    Way("compiled loop", "Python between steps, and slow loops", "gradients by hand", compiled_loop, COMPILED),
    Way("CUDA graph", "all launches but one a step", "inputs that stay in place", cuda_graph, (_needs_cuda,)),
    Way("long CUDA graph", "the launch of each step", "the same", partial(cuda_graph, steps=PER_GRAPH), (_needs_cuda,)),
    Way("one kernel", "everything but one launch", "a kernel of your own", one_kernel, KERNEL),
)


@dataclass(frozen=True)
class Rung:
    """One way, as it went: why not (`obstacle`), or its times; how far its losses and weights are from the plain loop's.

    `first_seconds` is its preparation and first run together. Errors are relative: the largest of any epoch's loss,
    and of the norm of any weight tensor.
    """

    name: str
    removes: str
    asks: str
    obstacle: str = ""
    time: Measurement | None = None
    first_seconds: float | None = None
    loss_error: float | None = None
    weight_error: float | None = None


@dataclass(frozen=True)
class Ladder:
    """The ways to train, each measured in turn with the others over `epochs` epochs; the first is the plain loop."""

    epochs: int
    rungs: tuple[Rung, ...]
    compiler_seconds: float

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
        """The quickest, preparation not counted."""
        return min(self.measured, key=lambda rung: rung.time.median)

    def step_us(self, rung: Rung) -> float:
        """Microseconds an epoch."""
        return rung.time.median / self.epochs * 1e6

    def comparison(self, rung: Rung) -> Comparison:
        """The rung's time against the plain loop's."""
        return judge(self.rungs[0].time, rung.time, few=True)

    def preparation(self, rung: Rung) -> float:
        """Seconds that its first run took over the others: compiling, recording."""
        return max(rung.first_seconds - rung.time.median, 0.0)

    def pays_from(self, rung: Rung) -> int | None:
        """The epochs from which it is quicker with its preparation counted; None if it is not quicker at all."""
        saved = (self.rungs[0].time.median - rung.time.median) / self.epochs
        return math.ceil(self.preparation(rung) / saved) if saved > 0 else None

    def __repr__(self) -> str:
        head = f"{'':21}{'µs/step':>8}{'speed-up':>10}  {'interval':15}{'prepared in':>12}{'pays from':>11}{'losses':>9}"
        lines = [head, *map(self._line, self.rungs)]
        if self.compiler_seconds:
            lines.append(f"the compiler took {show_seconds(self.compiler_seconds)} to get ready, once for this session")
        return "\n".join([*lines, f"{self.epochs:,} epochs a run; {self.origin}"])

    def _line(self, rung: Rung) -> str:
        if rung.time is None:
            return f"{rung.name:21}not here: {rung.obstacle}"
        (times, low, high), pays = self.comparison(rung).speed_up, self.pays_from(rung)
        start = "" if rung is self.rungs[0] else "never" if pays is None else f"{pays:,}"
        same = f"{rung.loss_error:.0e}" if rung.loss_error else "same"
        text = f"{rung.name:21}{self.step_us(rung):8.1f}{times:10.2f}  {f'{low:.3g} to {high:.3g}':15}"
        return text + f"{show_seconds(self.preparation(rung)):>12}{start:>11}{same:>9}"

    def explain(self) -> str:
        """For each way, which cost it removes and what it asks in return."""
        return "\n".join(f"{rung.name:21}removes {rung.removes}; asks {rung.asks}" for rung in self.rungs)


def measure_speedups(
    model: nn.Module, data: IrisSplit, *, epochs: int = 1000, lr: float = 0.01, repeats: int = 12, seed: int = 0
) -> Ladder:
    """Train copies of `model` in every way, check that the losses agree, then time all ways in turn, `repeats` times.

    Forgets what this process has compiled before. A way that does not work here, or gives other losses, keeps its row,
    with the reason. A sample includes going back to the start weights. An interrupt keeps the whole rounds of timing.
    ValueError or TypeError for data that does not fit the model, fewer than 8 repeats, or epochs or lr out of range.
    """
    whole_number("epochs", epochs)
    whole_number("repeats", repeats, least=8)
    positive_number("lr", lr)
    check_fit(model, data)
    torch.compiler.reset()  # once: afterwards the functions compiled here would have to be loaded again
    tried = {way.name: try_way(way, model, data, epochs, lr) for way in WAYS}
    plain = tried[WAYS[0].name][2:]
    rungs = [_checked(rung, plain, outcome) if run else rung for rung, run, *outcome in tried.values()]
    runs = {rung.name: tried[rung.name][1] for rung in rungs if not rung.obstacle}
    times = measure_in_turn(runs, device=data.device, warmup=0, repeats=repeats, seed=seed)
    compiled = any(needs_compiler in way.needs and way.name in runs for way in WAYS)
    ladder = tuple(replace(rung, time=times.get(rung.name)) for rung in rungs)
    return Ladder(epochs, ladder, ready_compiler(data.device)[1] if compiled else 0.0)


def try_way(way: Way, model: nn.Module, data: IrisSplit, epochs: int, lr: float) -> tuple:
    """Its rung so far, a function that trains a copy from the start, and the first run's losses and weights, or Nones."""
    rung, own, start = Rung(way.name, way.removes, way.asks), copy.deepcopy(model), copy.deepcopy(model.state_dict())
    obstacle = next((why for needed in way.needs if (why := needed(model, data.device))), "")
    if obstacle:
        return replace(rung, obstacle=obstacle), None, None, None
    try:
        with _empty_cache(), Stopwatch(data.device) as watch:
            train_on = way.prepare(own, data, epochs, lr)
            losses = train_on()
    except Exception as error:  # a compiler may fail in ways of its own: the other rows go on
        return replace(rung, obstacle=_reason(error)), None, None, None

    def from_the_start() -> None:
        own.load_state_dict(start)
        train_on()

    return replace(rung, first_seconds=watch.seconds), from_the_start, losses, [p.detach().clone() for p in own.parameters()]


def _checked(rung: Rung, plain: Sequence, other: Sequence) -> Rung:
    """The rung with its errors, and an obstacle if they are too large: then it is no speed-up of the same training."""
    (losses, weights), (own_losses, own_weights) = plain, other
    far = [torch.linalg.norm(b - a) / torch.linalg.norm(a) for a, b in zip(weights, own_weights, strict=True)]
    loss_error, weight_error = float(((own_losses - losses) / losses).abs().max()), float(max(far))
    same = loss_error <= SAME_LOSSES and weight_error <= SAME_WEIGHTS
    why = "" if same else f"its losses differ from the plain loop's by {loss_error:.0e}, its weights by {weight_error:.0e}"
    return replace(rung, obstacle=why, loss_error=loss_error, weight_error=weight_error)
