"""Lesson 3: the arithmetic in a step, the least time it can take, and the whole account."""

import copy
import math
from dataclasses import dataclass

import torch
from torch import nn

from day37.checks import check_fit, require, whole_number
from day37.data import IrisSplit
from day37.experiments.operations import OperationCount, count_operations
from day37.experiments.phases import StepPhases, measure_phases
from day37.results import Measurement, show_seconds
from day37.timing import measure
from day37.training import make_step


@dataclass(frozen=True)
class ArithmeticFloor:
    """The least time of a step if it were nothing but its matrix products, at this machine's rate.

    `flops`: floating-point operations in a step; `rate`: those of a large product, a second;
    `matmul`: the times of that product.
    """

    flops: int
    rate: float
    matmul: Measurement

    def __post_init__(self):
        require(self.rate > 0, "rate", self.rate, "above 0")

    @property
    def seconds(self) -> float:
        """`flops / rate`, in seconds a step."""
        return self.flops / self.rate

    def __repr__(self) -> str:
        rate = f"{self.rate / 1e9:,.0f} GFLOP/s"
        head = f"{self.flops:,} floating-point operations per step at {rate}"
        return f"{head}: at least {show_seconds(self.seconds)}\n  {self.matmul.origin}"


def measure_floor(
    model: nn.Module, data: IrisSplit, *, size: int = 1024, repeats: int = 20
) -> ArithmeticFloor:
    """Count a step's operations, and measure the rate of a float32 product of two square matrices.

    They have `size` rows and are drawn from torch's generator. The flops are those of the matrix
    products, forward and backward, a multiply-add being two, as
    torch.utils.flop_counter.FlopCounterMode counts them: without ReLU, softmax, biases and update.
    ValueError for a `size` or `repeats` under 1.
    """
    from torch.utils.flop_counter import FlopCounterMode

    whole_number("size", size)
    check_fit(model, data)
    step = make_step(copy.deepcopy(model), data)
    with FlopCounterMode(display=False) as counter:
        step()
    a, b = torch.randn(2, size, size, device=data.device)
    matmul = measure(lambda: a @ b, device=data.device, repeats=repeats)
    return ArithmeticFloor(counter.get_total_flops(), 2 * size**3 / matmul.median, matmul)


@dataclass(frozen=True)
class Account:
    """Where a step's time goes on one device: its phases, what they ask for, the floor below."""

    phases: StepPhases
    operations: OperationCount
    floor: ArithmeticFloor

    @property
    def idle(self) -> float:
        """The share of a step, 0 to 1, in which no kernel runs; NaN if the profiler saw none."""
        if not self.operations.kernels:
            return math.nan
        return 1 - self.operations.kernel_seconds / self.phases.whole.median

    def __repr__(self) -> str:
        counted = self.operations
        device = "the profiler saw none"
        if counted.kernels:
            time = show_seconds(counted.kernel_seconds)
            device = f"{time} in all: the device is idle {self.idle:.0%} of the step"
        elif counted.origin.device == "cpu":
            device = "none: the host computes"
        least = self.floor.seconds
        share = least / self.phases.whole.median
        rows = [
            ("operations", f"{sum(counted.operations.values()):.0f}", "", ""),
            ("kernels", f"{sum(counted.kernels.values()):.0f}", "", device),
            ("copies, reads", f"{counted.copies:.0f}, {counted.reads:.0f}", "", ""),
            ("arithmetic", f"{least * 1e6:.2g}", f"{share:.2%}", "at least"),
        ]
        return f"{self.phases.table(*rows)}\n{self.phases.whole.origin}"


def measure_account(model: nn.Module, data: IrisSplit, *, steps: int = 1000) -> Account:
    """The phases of `steps` steps, what a step asks for, and the floor below it, on copies."""
    phases = measure_phases(model, data, steps=steps)
    return Account(phases, count_operations(model, data), measure_floor(model, data))
