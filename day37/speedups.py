"""Ways to train faster, each with every loss of the plain loop: from a read every epoch to one kernel for all of them."""

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
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot

from day37.arguments import positive_number, whole_number
from day37.data import IrisSplit
from day37.hardware import Origin
from day37.model import MLP
from day37.timing import Comparison, Measurement, Stopwatch, judge, measure_in_turn, show_seconds
from day37.training import check_fit, make_step

UNROLLED = 5  # steps written one after the other in a compiled call
LOOPS = 20  # how often such a call goes through them
PER_GRAPH = 50  # steps in one CUDA graph

Run = Callable[[], Tensor]  # trains the model on from the weights it has; the losses of all epochs, on the host


def plain_loop(model: nn.Module, data: IrisSplit, epochs: int, lr: float) -> Run:
    """Lesson 1's loop: a read every epoch."""
    step = make_step(model, data, lr=lr)
    return lambda: torch.tensor([step().item() for _ in range(epochs)])  # synchronisation point at each item()


def kept_on_device(model: nn.Module, data: IrisSplit, epochs: int, lr: float, **optimizer) -> Run:
    """Each loss written where it is born; all of them read at the end."""
    step = make_step(model, data, lr=lr, **optimizer)

    def run() -> Tensor:
        losses = torch.empty(epochs, device=data.device)
        for epoch in range(epochs):
            losses[epoch] = step().detach()
        return losses.cpu()  # synchronisation point, the only one

    return run


def compiled_step(model: nn.Module, data: IrisSplit, epochs: int, lr: float) -> Run:
    """Forward, backward and update of any model, compiled together: the weights go in and come out."""
    slope = torch.func.grad_and_value(
        lambda w: cross_entropy(torch.func.functional_call(model, w, (data.x_train,)), data.y_train)
    )

    def step(weights: dict) -> tuple[dict, Tensor]:
        gradients, loss = slope(weights)
        return {name: w - lr * gradients[name] for name, w in weights.items()}, loss

    fast = _compile(step, data.device)
    return _with_copies(lambda weights: _repeat(fast, weights, epochs), model, dict)


def compiled_loop(model: MLP, data: IrisSplit, epochs: int, lr: float) -> Run:
    """Several steps unrolled in one compiled call, gradients written out by hand, the rows as the innermost dimension.

    Rows innermost: the compiler makes one loop over the rows of each product and works on many rows at once. On the
    CPU a loop around the unrolled steps is compiled as well; on a GPU its condition would be a read.
    """
    from torch._higher_order_ops.while_loop import while_loop  # a prototype: where it has moved, this row says so

    steps = _divisor(epochs, UNROLLED)
    loops = _divisor(epochs // steps, LOOPS) if data.device.type == "cpu" else 1
    rows = 16 * math.ceil(len(data.x_train) / 16)  # whole vectors of numbers, whatever the processor's width
    x, truth, share = pack_data(data, rows, 1 + data.x_train.shape[1], model.fc2.out_features)
    learns = torch.ones(1 + model.fc1.out_features, 1, device=data.device)
    learns[-1] = 0  # the unit that is always 1
    places = torch.arange(steps * loops, device=data.device)

    def step(w1: Tensor, w2: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        h = (w1[:, :, None] * x).sum(1).relu()
        z = (w2[:, :, None] * h).sum(1)
        z = z - z.amax(0)
        e = z.exp()
        s = e.sum(0)
        loss = ((s.log() - (z * truth).sum(0)) * share).sum()
        dz = (e / s - truth) * share
        dh = torch.where(h > 0, (w2[:, :, None] * dz[:, None]).sum(0), 0.0)
        dw1, dw2 = (dh[:, None] * x).sum(2) * learns, (dz[:, None] * h).sum(2)
        return w1 - lr * dw1, w2 - lr * dw2, loss

    def unrolled(done: Tensor, w1: Tensor, w2: Tensor, losses: Tensor) -> tuple:
        for i in range(steps):
            w1, w2, loss = step(w1, w2)
            losses = torch.where(places == done + i, loss, losses)
        return done + steps, w1, w2, losses

    def several(weights: tuple) -> tuple[tuple, Tensor]:
        state = torch.zeros((), dtype=torch.int64, device=data.device), *weights, torch.zeros(len(places), device=data.device)
        going = partial(while_loop, lambda done, *_: done < len(places), unrolled) if loops > 1 else lambda now: unrolled(*now)
        _, *weights, losses = going(state)
        return tuple(weights), losses

    fast = _compile(several, data.device)
    return _with_copies(lambda weights: _repeat(fast, weights, epochs // len(places)), model, lambda _: pack_weights(model))


def cuda_graph(model: nn.Module, data: IrisSplit, epochs: int, lr: float, *, steps: int = 1) -> Run:
    """Record `steps` whole steps once as a CUDA graph, then replay it: one launch for all the kernels in it.

    The recipe is PyTorch's (notes/cuda, "Whole-network capture"): warm up on a side stream, inputs that stay in place.
    """
    steps, step = _divisor(epochs, steps), make_step(model, data, lr=lr)
    losses = torch.empty(max(epochs, 3), device=data.device)
    epoch = torch.zeros(1, dtype=torch.int64, device=data.device)

    def one_step() -> None:
        losses.index_copy_(0, epoch, step().detach().reshape(1))
        epoch.add_(1)

    replay = _capture(lambda: [one_step() for _ in range(steps)], one_step, data.device)

    def run() -> Tensor:
        epoch.zero_()
        for _ in range(epochs // steps):
            replay()
        return losses[:epochs].cpu()  # synchronisation point, the only one

    return run


def _capture(work: Callable, warm_up: Callable, device: torch.device) -> Callable[[], None]:
    """A function that replays `work`, recorded after three calls of `warm_up` on a side stream."""
    with torch.cuda.device(device):
        side, graph = torch.cuda.Stream(), torch.cuda.CUDAGraph()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                warm_up()
        torch.cuda.current_stream().wait_stream(side)
        with torch.cuda.graph(graph):
            work()
    return graph.replay


def one_kernel(model: MLP, data: IrisSplit, epochs: int, lr: float) -> Run:
    """The whole training as a single Triton kernel, which loops over the epochs itself: one launch, one read."""
    from day37.one_kernel import WARPS, train_kernel

    hidden, classes = model.fc1.out_features, model.fc2.out_features
    wanted = (len(data.x_train), data.x_train.shape[1] + 1, hidden + 1, classes)
    r, f, h, c = (max(16, 1 << (size - 1).bit_length()) for size in wanted)  # what Triton's products ask for
    inputs, losses = pack_data(data, r, f, c), torch.empty(epochs, device=data.device)

    def train_on(weights: tuple[Tensor, Tensor]) -> tuple[tuple[Tensor, Tensor], Tensor]:
        train_kernel[(1,)](*inputs, *weights, losses, epochs, lr, hidden, classes, r, f, h, c, num_warps=WARPS)
        return weights, losses.cpu()  # synchronisation point, the only one

    return _with_copies(train_on, model, lambda _: pack_weights(model, f, h, c))


def pack_data(data: IrisSplit, rows: int, features: int, classes: int) -> tuple[Tensor, Tensor, Tensor]:
    """x (features, rows), a column for each training row, with a row of ones after the real features, for the bias;
    truth (classes, rows), 1 for the right class; share (rows,), what each row counts in the mean. All else is 0.
    """
    n, given = data.x_train.shape
    x, truth, share = (torch.zeros(size, device=data.device) for size in ((features, rows), (classes, rows), (rows,)))
    x[:given, :n], x[given, :n], share[:n] = data.x_train.T, 1, 1 / n
    truth[:, :n] = one_hot(data.y_train, classes).T
    return x, truth, share


def pack_weights(model: MLP, features: int = 0, hidden: int = 0, classes: int = 0) -> tuple[Tensor, Tensor]:
    """Copies of the weights with each bias as one more column: w1 (hidden, features), w2 (classes, hidden); all else 0.

    One more hidden unit is always 1, for the second bias. Sizes too small are raised to what the model needs.
    """
    (units, given), outputs = model.fc1.weight.shape, model.fc2.out_features
    with torch.no_grad():
        w1 = model.fc1.weight.new_zeros(max(hidden, units + 1), max(features, given + 1))
        w2 = w1.new_zeros(max(classes, outputs), len(w1))
        w1[:units, :given], w1[:units, given], w1[units, given] = model.fc1.weight, model.fc1.bias, 1
        w2[:outputs, :units], w2[:outputs, units] = model.fc2.weight, model.fc2.bias
    return w1, w2


def unpack_weights(model: MLP, w1: Tensor, w2: Tensor) -> dict[str, Tensor]:
    """The packed weights by the names of the model's own."""
    (units, given), outputs = model.fc1.weight.shape, model.fc2.out_features
    first, second = w1[:units, : given + 1], w2[:outputs, : units + 1]
    named = {"fc1.weight": first[:, :-1], "fc1.bias": first[:, -1]}
    return named | {"fc2.weight": second[:, :-1], "fc2.bias": second[:, -1]}


def _with_copies(train_on: Callable, model: nn.Module, copies_of: Callable) -> Run:
    """A Run of `train_on(weights) → (weights, losses)`, which works on copies; the model gets them in the end."""

    def run() -> Tensor:
        with torch.no_grad():
            weights, losses = train_on(copies_of({name: p.detach() for name, p in model.named_parameters()}))
        model.load_state_dict(weights if isinstance(weights, dict) else unpack_weights(model, *weights), strict=False)
        return losses

    return run


def _repeat(fast: Callable, weights, calls: int) -> tuple:
    """`calls` calls of a compiled step, each with the weights of the one before; all losses, read at the end."""
    losses = []
    for _ in range(calls):
        weights, loss = fast(weights)
        losses.append(loss.reshape(-1))
    return weights, torch.cat(losses).cpu()  # synchronisation point, the only one


def _divisor(epochs: int, steps: int) -> int:
    """The largest number up to `steps` that divides `epochs`, so that no epoch is left over."""
    return max(k for k in range(1, steps + 1) if epochs % k == 0)


def _compile(fn: Callable, device: torch.device) -> Callable:
    """`fn` compiled as a whole; on the CPU the code that calls its loops is compiled too."""
    options = {"cpp_wrapper": True} if device.type == "cpu" else None
    return torch.compile(fn, fullgraph=True, dynamic=False, options=options)


@contextmanager
def _nothing_compiled() -> Iterator[None]:
    """Forget what was compiled, in memory and on disk: else a second run would find it and call that compiling."""
    folder = tempfile.mkdtemp(prefix="day37-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)  # not sooner: later compilations read from it
    before = os.environ.get("TORCHINDUCTOR_CACHE_DIR")
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = folder
    torch.compiler.reset()
    try:
        yield
    finally:
        os.environ.pop("TORCHINDUCTOR_CACHE_DIR")
        os.environ |= {} if before is None else {"TORCHINDUCTOR_CACHE_DIR": before}


@cache
def ready_compiler(device: torch.device) -> tuple[str, float]:
    """Compile next to nothing for `device`, once a session: why that fails (empty if it works), and the seconds taken.

    The first compilation also tries out the processor's instructions and prepares torch's C++ headers.
    """
    obstacle = ""
    with _nothing_compiled(), Stopwatch(device) as watch:
        try:
            _compile(lambda x: x + 1, device)(torch.zeros(8, device=device))
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


def _needs_compiler(model: nn.Module, device: torch.device) -> str:
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


COMPILED, KERNEL = (_needs_mlp, _needs_compiler), (_needs_mlp, _needs_cuda, _needs_triton)
WAYS = (
    Way("plain loop", "nothing", "nothing", plain_loop),
    Way("losses on the device", "the wait at each read", "that losses are seen only at the end", kept_on_device),
    Way("fused optimizer", "launches for each weight", "a keyword", partial(kept_on_device, fused=True), (_needs_fused,)),
    Way("compiled step", "most operations and launches", "time to compile", compiled_step, (_needs_compiler,)),
    Way("compiled loop", "Python between steps, and slow loops", "gradients by hand", compiled_loop, COMPILED),
    Way("CUDA graph", "all launches but one a step", "inputs that stay in place", cuda_graph, (_needs_cuda,)),
    Way(
        f"CUDA graph, {PER_GRAPH}",
        "all launches but one a graph",
        "the same",
        partial(cuda_graph, steps=PER_GRAPH),
        (_needs_cuda,),
    ),
    Way("one kernel", "everything but one launch", "a kernel of your own", one_kernel, KERNEL),
)


@dataclass(frozen=True)
class Rung:
    """One way, as it went: why not (`obstacle`), or its times; how far its losses and weights are from the plain loop's.

    `first_seconds` is its preparation and first run together. Errors are relative: the largest of any epoch's loss,
    and of any weight tensor's norm.
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
        """The rung's time against the plain loop's. ValueError for fewer than 8 repeats."""
        return judge(self.rungs[0].time, rung.time)

    def preparation(self, rung: Rung) -> float:
        """Seconds that its first run took over the others: compiling, recording."""
        return max(rung.first_seconds - rung.time.median, 0.0)

    def pays_from(self, rung: Rung) -> int | None:
        """The epochs from which it is quicker with its preparation counted; None if it is not quicker at all."""
        saved = (self.rungs[0].time.median - rung.time.median) / self.epochs
        return math.ceil(self.preparation(rung) / saved) if saved > 0 else None

    def __repr__(self) -> str:
        names = f"{'interval':14}{'prepared in':>12}{'pays from':>16}{'losses agree to':>17}"
        head = f"{'':22}{'µs per step':>12}{'speed-up':>10}  {names}"
        lines = [head, *map(self._line, self.rungs)]
        if self.compiler_seconds:
            lines.append(f"the compiler took {show_seconds(self.compiler_seconds)} to get ready, once for this session")
        return "\n".join([*lines, f"{self.epochs:,} epochs a run; {self.origin}"])

    def _line(self, rung: Rung) -> str:
        if rung.time is None:
            return f"{rung.name:22}{'not here:':>12} {rung.obstacle}"
        against, pays = self.comparison(rung), self.pays_from(rung)
        interval = f"{1 / against.high:.3g} to {1 / against.low:.3g}"
        start = "" if rung is self.rungs[0] else "never" if pays is None else f"{pays:,} epochs"
        text = f"{rung.name:22}{self.step_us(rung):12.1f}{1 / against.ratio:10.2f}  {interval:14}"
        return text + f"{show_seconds(self.preparation(rung)):>12}{start:>16}{rung.loss_error:17.0e}"

    def explain(self) -> str:
        """For each way, which cost it removes and what it asks in return."""
        return "\n".join(f"{rung.name:22}removes {rung.removes}; asks {rung.asks}" for rung in self.rungs)


def measure_speedups(
    model: nn.Module, data: IrisSplit, *, epochs: int = 1000, lr: float = 0.01, repeats: int = 12, seed: int = 0
) -> Ladder:
    """Train copies of `model` in every way, check that the losses agree, then time all ways in turn, `repeats` times.

    Forgets what this process has compiled before. A way that does not work here keeps its row, with the reason. An
    interrupt keeps the whole rounds of timing. ValueError or TypeError for data that does not fit the model, fewer
    than 8 repeats, or epochs or lr out of range.
    """
    whole_number("epochs", epochs)
    whole_number("repeats", repeats, least=8)
    positive_number("lr", lr)
    check_fit(model, data)
    tried = {way.name: _try(way, model, data, epochs, lr) for way in WAYS}
    runs = {name: run for name, (rung, run, *_) in tried.items() if run is not None}
    times = measure_in_turn(runs, device=data.device, warmup=0, repeats=repeats, seed=seed)
    plain = next(iter(tried.values()))[2:]
    rungs = tuple(
        replace(rung, time=times[name], **_errors(plain, outcome)) if run else rung
        for name, (rung, run, *outcome) in tried.items()
    )
    return Ladder(epochs, rungs, ready_compiler(data.device)[1])


def _try(way: Way, model: nn.Module, data: IrisSplit, epochs: int, lr: float) -> tuple:
    """Its rung so far, a function that trains from the start again, and the losses and weights of its first run."""
    rung, own, start = Rung(way.name, way.removes, way.asks), copy.deepcopy(model), copy.deepcopy(model.state_dict())
    obstacle = next((why for needed in way.needs if (why := needed(model, data.device))), "")
    if obstacle:
        return replace(rung, obstacle=obstacle), None, None, None
    try:
        with _nothing_compiled(), Stopwatch(data.device) as watch:
            train_on = way.prepare(own, data, epochs, lr)
            own.load_state_dict(start)
            losses = train_on()
    except Exception as error:  # a compiler may fail in ways of its own: the other rows go on
        return replace(rung, obstacle=_reason(error)), None, None, None

    def from_the_start() -> None:
        own.load_state_dict(start)
        train_on()

    return replace(rung, first_seconds=watch.seconds), from_the_start, losses, [p.detach().clone() for p in own.parameters()]


def _errors(plain: Sequence, other: Sequence) -> dict[str, float]:
    """The largest relative difference of the losses, and of the weights."""
    (losses, weights), (own_losses, own_weights) = plain, other
    far = [torch.linalg.norm(b - a) / torch.linalg.norm(a) for a, b in zip(weights, own_weights, strict=True)]
    return {"loss_error": float(((own_losses - losses) / losses).abs().max()), "weight_error": float(max(far))}
