"""Ways to train, from a read every epoch to one kernel for all epochs: each keeps every loss."""

import copy
import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot

from day37.data import IrisSplit
from day37.model import MLP
from day37.training import make_step

UNROLLED = 5  # steps written one after the other in a compiled call
LOOPS = 20  # how often such a call goes through them
PER_GRAPH = 50  # steps in one CUDA graph
WARM_UP = 3  # steps before it is recorded

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

    fast = compile_whole(step, data.device)
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

    fast = compile_whole(several, data.device)
    return _with_copies(lambda weights: _repeat(fast, weights, epochs // len(places)), model, lambda _: pack_weights(model))


def cuda_graph(model: nn.Module, data: IrisSplit, epochs: int, lr: float, *, steps: int = 1) -> Run:
    """Record `steps` whole steps once as a CUDA graph, then replay it: one launch for all the kernels in it."""
    start = copy.deepcopy(model.state_dict())
    steps, losses = _divisor(epochs, steps), torch.empty(max(epochs, WARM_UP), device=data.device)
    epoch = torch.zeros(1, dtype=torch.int64, device=data.device)

    def new_step() -> Callable[[], None]:
        step = make_step(model, data, lr=lr)

        def one_step() -> None:
            losses.index_copy_(0, epoch, step().detach().reshape(1))
            epoch.add_(1)

        return one_step

    replay = _capture(new_step, steps, data.device)
    model.load_state_dict(start)  # the warm-up has trained it

    def run() -> Tensor:
        epoch.zero_()
        for _ in range(epochs // steps):
            replay()
        return losses[:epochs].cpu()  # synchronisation point, the only one

    return run


def _capture(new_step: Callable[[], Callable], steps: int, device: torch.device) -> Callable[[], None]:
    """A function that replays `steps` steps, recorded after a warm-up on a side stream, as PyTorch's notes on CUDA say.

    The recorded step is a new one: autograd would run the old one's last nodes on the stream of the warm-up.
    Source: pytorch.org/docs, "CUDA semantics", "Whole-network capture".
    """
    with torch.cuda.device(device):
        side, graph = torch.cuda.Stream(), torch.cuda.CUDAGraph()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            warm = new_step()
            for _ in range(WARM_UP):
                warm()
        torch.cuda.current_stream().wait_stream(side)
        del warm
        step = new_step()
        with torch.cuda.graph(graph):
            for _ in range(steps):
                step()
    return graph.replay


def one_kernel(model: MLP, data: IrisSplit, epochs: int, lr: float) -> Run:
    """The whole training as a single Triton kernel, which loops over the epochs itself: one launch, one read."""
    from day37.one_kernel import WARPS, train_kernel

    hidden, classes = model.fc1.out_features, model.fc2.out_features
    wanted = (len(data.x_train), data.x_train.shape[1] + 1, hidden + 1, classes)
    r, f, h, c = (max(16, 1 << (size - 1).bit_length()) for size in wanted)  # what Triton's products ask for
    inputs, losses = pack_data(data, r, f, c), torch.empty(epochs, device=data.device)

    def train_on(weights: tuple[Tensor, Tensor]) -> tuple[tuple[Tensor, Tensor], Tensor]:
        with torch.cuda.device_of(losses):  # Triton launches on the current device
            train_kernel[(1,)](*inputs, *weights, losses, lr, epochs, hidden, classes, r, f, h, c, num_warps=WARPS)
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


def compile_whole(fn: Callable, device: torch.device) -> Callable:
    """`fn` compiled as a whole; on the CPU the code that calls its loops too, for one thread: there is little to share."""
    options = {"cpp_wrapper": True, "cpp.threads": 1} if device.type == "cpu" else None
    return torch.compile(fn, fullgraph=True, dynamic=False, options=options)
