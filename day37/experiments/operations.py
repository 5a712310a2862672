"""Lessons 3 and 4: what a step asks PyTorch to do: operations, kernels, copies and reads."""

import copy
import os
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from day37.checks import check_fit, whole_number
from day37.data import IrisSplit
from day37.device import synchronize
from day37.results import Live, Origin, table
from day37.training import make_step

HOST = torch.autograd.DeviceType.CPU
if not torch.cuda.is_available():  # else the profiler writes "profiler_start" to stderr, in a
    os.environ.setdefault("KINETO_LOG_LEVEL", "6")  # lesson's own cells too; with a GPU it may warn
READ = "aten::_local_scalar_dense"  # what brings a tensor's number to Python
SIZES = "aten::nonzero"  # its result's size is a number that Python must have
SHOWN = 8  # rows of the table


@dataclass(frozen=True)
class OperationCount:
    """How often a step and its read call each operation of torch, and each kernel.

    `copies`: between host and device, or on it, fills too; `reads`: numbers brought to Python;
    `kernel_seconds`: all kernels of a step. On the CPU there are no kernels.
    """

    operations: dict[str, float]
    kernels: dict[str, float]
    copies: float
    reads: float
    kernel_seconds: float
    origin: Origin

    def __repr__(self) -> str:
        kernels = "and the profiler saw no kernels on this device"
        if self.kernels:
            kernels = f"{sum(self.kernels.values()):.0f} kernel launches"
        elif self.origin.device == "cpu":
            kernels = "no kernel launches"
        calls = f"{sum(self.operations.values()):.0f} operations per step"
        most = sorted(self.operations.items(), key=lambda item: -item[1])
        rows = [(name, f"{count:.0f}") for name, count in most[:SHOWN]]
        text = table(("the most frequent", "per step"), rows)
        return f"{calls}, {kernels}; {self.origin}\n{text}"


def count_operations(model: nn.Module, data: IrisSplit, *, steps: int = 10) -> OperationCount:
    """Count with torch.profiler what a step and its read ask for; one called by another counts too.

    Trains a copy. ValueError for `steps` under 1 or data that does not fit the model.
    """
    whole_number("steps", steps)
    check_fit(model, data)
    step = make_step(copy.deepcopy(model), data)
    profiled = profile(lambda: step().item(), data.device, steps)  # a synchronisation point each
    operations = {}
    kernels = {}
    copies = 0
    busy_us = 0.0
    for row in profiled.key_averages():
        if row.device_type == HOST:
            if row.key.startswith("aten::"):
                operations[row.key] = row.count / steps
        elif row.key.startswith(("Memcpy", "Memset")):
            copies += row.count
        elif not row.is_user_annotation:
            kernels[row.key] = row.count / steps
            busy_us += row.self_device_time_total
    reads = operations.get(READ, 0.0)
    origin = Live.here(data.device)
    return OperationCount(
        operations, kernels, copies / steps, reads, busy_us * 1e-6 / steps, origin
    )


def count_reads(fn: Callable[[], object], device: str | torch.device = "cpu") -> int:
    """How often `fn()`, called once, brings a tensor's number, or a result's size, to Python.

    By torch's profiler: `.item()`, `float`, `bool`, comparison in an `if`, and printing all come
    to the operation `_local_scalar_dense`. A boolean mask and `nonzero` come to `nonzero`: how many
    rows there will be must be known, so on a GPU the host waits. `.cpu()` and `.tolist()` wait too
    and are not seen.
    """
    rows = profile(fn, torch.device(device), 1, warmup=0).key_averages()
    return sum(row.count for row in rows if row.key in (READ, SIZES))


def profile(fn: Callable[[], object], device: torch.device, steps: int, *, warmup: int = 5):
    """torch.profiler's record of `steps` calls of `fn`, after `warmup` that are not recorded."""
    from torch import profiler

    for _ in range(warmup):
        fn()
    synchronize(device)
    with profiler.profile() as profiled:
        for _ in range(steps):
            fn()
        synchronize(device)
    return profiled
