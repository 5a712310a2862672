"""Lesson 3: whole steps recorded as a CUDA graph: one launch for all the kernels in it."""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from day37.data import IrisSplit
from day37.faster.ways import Run
from day37.training import make_step

PER_GRAPH = 50  # steps in the long graph
WARM_UP = 3  # steps before it is recorded


def long_cuda_graph(model: nn.Module, data: IrisSplit, epochs: int, lr: float) -> Run:
    """As `cuda_graph`, with many steps in one graph: one launch for all of them."""
    return cuda_graph(model, data, epochs, lr, steps=PER_GRAPH)


def cuda_graph(model: nn.Module, data: IrisSplit, epochs: int, lr: float, *, steps: int = 1) -> Run:
    """Record `steps` whole steps once as a CUDA graph, then replay it."""
    start = copy.deepcopy(model.state_dict())
    steps = divisor(epochs, steps)
    losses = torch.empty(max(epochs, WARM_UP), device=data.device)
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


def _capture(
    new_step: Callable[[], Callable], steps: int, device: torch.device
) -> Callable[[], None]:
    """A function that replays `steps` steps, recorded after a warm-up on a side stream.

    The recorded step is a new one: autograd would run the old one's last nodes on the stream of the
    warm-up. Source: pytorch.org/docs, "CUDA semantics", "Whole-network capture".
    """
    with torch.cuda.device(device):
        # The warm-up, on a stream of its own.
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            warm = new_step()
            for _ in range(WARM_UP):
                warm()
        torch.cuda.current_stream().wait_stream(side)
        del warm

        # The recording: nothing of it is run now.
        graph = torch.cuda.CUDAGraph()
        step = new_step()
        with torch.cuda.graph(graph):
            for _ in range(steps):
                step()
    return graph.replay


def divisor(epochs: int, steps: int) -> int:
    """The largest number up to `steps` that divides `epochs`, so that no epoch is left over."""
    return max(k for k in range(1, steps + 1) if epochs % k == 0)
