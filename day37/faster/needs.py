"""What each way to train needs, and what its compiler's own start takes.

Each function says why a way does not work for a model on a device (empty if it does), and the
seconds that a compiler's own start takes, once a session.
"""

import importlib
import importlib.util
import subprocess
import sys
from collections.abc import Callable
from functools import cache

import torch
from torch import nn

from day37.faster.compiler import first_line, ready_compiler, why_switched_off
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
    """It needs torch's compiler, which on a GPU imports Triton too: so that is timed before.

    A switch that keeps it from compiling is looked for each time: it can be set back.
    """
    why = why_switched_off()
    if why:
        return f"compiled nothing: {why}", 0.0
    if device.type == "cuda":
        ready_triton(device)
    return timed_start(ready_compiler, device, "torch._inductor.compile_fx")


def needs_cuda(model: nn.Module, device: torch.device) -> tuple[str, float]:
    """It needs a CUDA GPU."""
    return "" if device.type == "cuda" else "it needs a CUDA GPU", 0.0


def needs_whole(model: nn.Module, device: torch.device) -> tuple[str, float]:
    """It needs day37.MLP, and numba on the CPU or Triton on a CUDA GPU."""
    if type(model) is not MLP:
        return "its gradients are written out by hand, for day37.MLP only", 0.0
    if device.type == "cuda":
        return ready_kernel(device)
    if device.type == "cpu":
        return timed_start(ready_numba, device, "numba")
    return "it is written for the CPU and for CUDA GPUs", 0.0


@cache
def timed_start(ready: Callable, device: torch.device, module: str) -> tuple[str, float]:
    """What `ready(device)` says, with the seconds that it takes in a process that begins with it.

    Where `module` is loaded already, something was compiled here before, and a start takes less:
    so it is timed in a new process. If that fails, the time of this one has to do.
    """
    late = module in sys.modules
    obstacle, seconds = ready(device)
    if late and not obstacle:
        name = ready.__name__
        code = f"from day37.faster.needs import {name}, torch; "
        code += f"print({name}(torch.device('{device}'))[1])"
        command = [sys.executable, "-c", code]
        # What it prints besides the number may be in any encoding.
        done = subprocess.run(command, capture_output=True, text=True, errors="replace")
        if done.returncode == 0:
            seconds = float(done.stdout.split()[-1])
    return obstacle, seconds


def ready_numba(device: torch.device) -> tuple[str, float]:
    """Why numba cannot be used (empty if it can), and the seconds that its import takes."""
    return ready_package("numba", "pip install numba")


def ready_triton(device: torch.device) -> tuple[str, float]:
    """Why Triton cannot be used (empty if it can), and the seconds that its import takes."""
    fix = "torch's CUDA builds for Linux bring it"
    if sys.platform == "win32":
        fix += ", those for Windows do not, and pip install triton finds none: use Linux or WSL 2"
    return ready_package("triton", fix)


def ready_kernel(device: torch.device) -> tuple[str, float]:
    """As `ready_triton`, and why its kernel would not be compiled: Triton can interpret it."""
    obstacle, seconds = ready_triton(device)
    if obstacle:
        return obstacle, seconds
    from triton import JITFunction

    from day37.faster.kernel import train_kernel

    compiles = isinstance(train_kernel, JITFunction)
    return "" if compiles else "compiled nothing: TRITON_INTERPRET is set", seconds


@cache
def ready_package(name: str, fix: str) -> tuple[str, float]:
    """Import a package, once a session: why that fails (empty if it works), and the seconds."""
    if importlib.util.find_spec(name) is None:
        return f"{name} is not installed: {fix}", 0.0
    obstacle = ""
    with Stopwatch() as watch:
        try:
            importlib.import_module(name)
        except Exception as error:  # a damaged installation may say anything: it is the reason
            obstacle = first_line(error)
    return obstacle, watch.seconds
