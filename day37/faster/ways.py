"""Lesson 3: lesson 1's loop, and three ways that remove a cost from it. Each keeps every loss."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from day37.data import IrisSplit
from day37.faster.compiler import compile_whole, must_compile
from day37.training import make_step

Run = Callable[[], Tensor]  # trains the model on; the losses of all epochs, on the host


def plain_loop(model: nn.Module, data: IrisSplit, epochs: int, lr: float) -> Run:
    """As `train` does, a read every epoch, without its checks, its progress and its stops."""
    step = make_step(model, data, lr=lr)

    def run() -> Tensor:
        return torch.tensor([step().item() for _ in range(epochs)])  # synchronisation points

    return run


def losses_on_device(model: nn.Module, data: IrisSplit, epochs: int, lr: float, **optimizer) -> Run:
    """Each loss stays where it was computed; all of them are read at the end."""
    step = make_step(model, data, lr=lr, **optimizer)

    def run() -> Tensor:
        losses = torch.empty(epochs, device=data.device)
        for epoch in range(epochs):
            losses[epoch] = step().detach()
        return losses.cpu()  # synchronisation point, the only one

    return run


def fused_optimizer(model: nn.Module, data: IrisSplit, epochs: int, lr: float) -> Run:
    """As `losses_on_device`, with an optimizer that changes all weights in one operation."""
    return losses_on_device(model, data, epochs, lr, fused=True)


def compiled_step(model: nn.Module, data: IrisSplit, epochs: int, lr: float) -> Run:
    """Forward, backward and update of any model, compiled together: weights go in and come out.

    It is compiled before the first run, by a step whose weights are not kept. RuntimeError if torch
    compiles nothing, as TORCHDYNAMO_DISABLE asks of it.
    """

    def loss_of(weights: dict) -> Tensor:
        scores = torch.func.functional_call(model, weights, (data.x_train,))
        return cross_entropy(scores, data.y_train)

    slope = torch.func.grad_and_value(loss_of)

    def step(weights: dict) -> tuple[dict, Tensor]:
        gradients, loss = slope(weights)
        return {name: w - lr * gradients[name] for name, w in weights.items()}, loss

    def weights_now() -> dict:
        return {name: p.detach() for name, p in model.named_parameters()}

    fast = compile_whole(step, data.device)
    with torch.no_grad(), must_compile():
        fast(weights_now())

    def run() -> Tensor:
        weights = weights_now()
        losses = []
        with torch.no_grad():
            for _ in range(epochs):
                weights, loss = fast(weights)
                losses.append(loss)
        model.load_state_dict(weights, strict=False)
        return torch.stack(losses).cpu()  # synchronisation point, the only one

    return run
