"""What each way to train needs, and what its compiler's own start takes.

Each function says why a way does not work for a model on a device (empty if it does), and the
seconds that a compiler's own start takes, once a session.
"""

import importlib.util
from functools import cache

import torch
from torch import nn

from day37.faster.compiler import first_line, ready_compiler
from day37.model import MLP
from day37.timing import Stopwatch


def needs_nothing(model: nn.Module, device: torch.device) -> tuple[str, float]:
    """It works anywhere."""
    return "", 0.0


def needs_fused(model: nn.Module, device: torch.device) -> tuple[str, float]:
    """It needs an optimizer that torch has fused for the device."""
    weight = torch.zeros(1, device=device, requires_grad=True)
    weight.grad = torch.zeros_like(weight)
    try:
        torch.optim.SGD([weight], fused=True).step()
    except RuntimeError as error:
        return first_line(error), 0.0
    return "", 0.0


def needs_compiler(model: nn.Module, device: torch.device) -> tuple[str, float]:
    """It needs torch's compiler."""
    return ready_compiler(device)


def needs_cuda(model: nn.Module, device: torch.device) -> tuple[str, float]:
    """It needs a CUDA GPU."""
    return "" if device.type == "cuda" else "it needs a CUDA GPU", 0.0


def needs_whole(model: nn.Module, device: torch.device) -> tuple[str, float]:
    """It needs day37.MLP, and numba or Triton."""
    if type(model) is not MLP:
        return "its gradients are written out by hand, for day37.MLP only", 0.0
    if device.type == "cuda":
        if importlib.util.find_spec("triton") is not None:
            return "", 0.0
        return "Triton is not installed: torch's CUDA builds on Linux bring it", 0.0
    if device.type == "cpu":
        return ready_numba()
    return "it is written for the CPU and for CUDA GPUs", 0.0


@cache
def ready_numba() -> tuple[str, float]:
    """Why numba cannot be used (empty if it can), and the seconds that its import takes."""
    obstacle = ""
    with Stopwatch() as watch:
        try:
            import numba  # noqa: F401
        except ImportError as error:
            missing = importlib.util.find_spec("numba") is None
            obstacle = "numba is not installed: pip install numba" if missing else first_line(error)
    return obstacle, watch.seconds
