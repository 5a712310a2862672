"""Lessons 2 to 4: which devices are here, what they are called, and waiting for one of them."""

import platform
import re
import shutil
import subprocess
from functools import cache

import torch

from day37.checks import require

KINDS = ("cuda", "mps", "xpu")  # the accelerators that the lessons know; each has a queue
REGISTRY = r"HKLM\HARDWARE\DESCRIPTION\System\CentralProcessor\0"
CPU_NAME = {  # by operating system: what to ask, and where in the answer the name stands
    "Linux": ("cat /proc/cpuinfo", r"model name\s*:(.+)"),
    "Darwin": ("sysctl -n machdep.cpu.brand_string", r"(.+)"),
    "Windows": (f"reg query {REGISTRY} /v ProcessorNameString", r"REG_SZ(.+)"),
}


def available_devices() -> list[str]:
    """The devices that work here, best first: "cuda:0", "cuda:1", …, "mps", "xpu:0", …, "cpu".

    Each kind is asked for itself: torch.accelerator may name the kind that torch was built for.
    """
    found = []
    if torch.cuda.is_available():
        found += [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        found.append("mps")
    if torch.xpu.is_available():
        found += [f"xpu:{i}" for i in range(torch.xpu.device_count())]
    return [*found, "cpu"]


def choose_device(name: str | torch.device | None = None) -> torch.device:
    """The device called `name`, or the best one here. ValueError if it is absent or misspelt.

    "meta", which holds shapes and no numbers, is allowed: it needs no hardware.
    """
    there = available_devices()
    if name is None:
        return torch.device(there[0])
    allowed = "one of the devices of this machine (" + ", ".join(there) + ")"
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError):
        require(False, "device", name, allowed)
    known = {*there, *(one.split(":")[0] for one in there), "cpu:0", "meta"}
    if "mps" in there:
        known.add("mps:0")
    require(str(device) in known, "device", str(name), allowed)
    return device


def synchronize(device: str | torch.device) -> None:
    """Make the host wait until `device` has done all that is queued. A CPU queues nothing."""
    device = device if isinstance(device, torch.device) else torch.device(device)
    if device.type == "mps":
        torch.mps.synchronize()
    elif device.type in KINDS:
        getattr(torch, device.type).synchronize(device)


def device_name(device: str | torch.device) -> str:
    """A device's product name, as the GPU's driver or the operating system reports it."""
    device = torch.device(device)
    if device.type in ("cuda", "xpu"):
        return getattr(torch, device.type).get_device_name(device)
    return f"{cpu_name()} GPU" if device.type == "mps" else cpu_name()


@cache
def cpu_name() -> str:
    """The processor's name by the operating system; the bare architecture if it reports none."""
    command, pattern = CPU_NAME.get(platform.system(), ("", "(.+)"))
    found = re.search(pattern, command_output(*command.split(" ")))
    return found[1].strip() if found else platform.machine()


def command_output(*command: str) -> str:
    """What a command prints, stripped; empty if it is missing, fails or takes over 10 s."""
    if not shutil.which(command[0]):
        return ""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return "" if done.returncode else done.stdout.strip()
