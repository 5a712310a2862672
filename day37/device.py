"""Lessons 2 to 4: which devices are here, what they are called, and waiting for one of them."""

import platform
import re
from contextlib import suppress
from functools import cache
from subprocess import DEVNULL, SubprocessError, check_output

import torch

from day37.checks import require

ARM = "echo model name: $(cat /proc/device-tree/model); lscpu | sed s/Vendor.ID/model.name/ | sort"
CPU_NAME = {  # by operating system: what to ask, and where in the answer the name stands
    "Linux": (f"sh -c export LC_ALL=C; cat /proc/cpuinfo; {ARM}", r"^ *model.name\s*:[ \t]*(\w.*)"),
    "Darwin": ("sysctl -n machdep.cpu.brand_string", r"(\w.*)"),
    "Windows": (r"reg query HKLM\HARDWARE\DESCRIPTION\System\CentralProcessor\0", r"NameS.+SZ(.+)"),
}


def listed_devices() -> list[str]:
    """What torch lists, best first: "cuda:0", …, "mps", "xpu:0", …, "cpu". Not each need work."""
    found = [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    found += ["mps"] if torch.backends.mps.is_available() else []
    return [*found, *(f"xpu:{i}" for i in range(torch.xpu.device_count())), "cpu"]


@cache
def why_unusable(device: str) -> str:
    """Empty if a small kernel runs on `device` and is read back; else torch's own first line."""
    try:
        two = torch.ones(2, device=device, dtype=torch.float).sum().item()  # synchronisation point
        why = "" if two == 2 else f"1 + 1 is {two} on it"
    except Exception as error:  # whatever torch, a driver or a card says: it is the reason
        why = [*str(error).strip().splitlines(), type(error).__name__][0][:150]
    with suppress(Exception):  # a CPU keeps no memory of tensors that are gone
        getattr(torch, device.split(":")[0]).empty_cache()
    return why


def available_devices() -> list[str]:
    """The devices that work here, best first; "cpu" is the last. Each is tried once a session."""
    return [device for device in listed_devices() if not why_unusable(device)]


def choose_device(name: str | torch.device | None = None) -> torch.device:
    """The device called `name`, or the best that works. ValueError if it is absent or fails."""
    listed = listed_devices()
    if name is None:
        return torch.device(next(one for one in listed if not why_unusable(one)))
    called = {str(name), f"{name}:0", str(name).removesuffix(":0")}  # "cuda" is "cuda:0"
    works = any(one in called and not why_unusable(one) for one in listed)
    if not works and str(name) != "meta":  # it holds shapes and no numbers: it needs no hardware
        there = ", ".join(
            f"{one} fails: {why_unusable(one)}".removesuffix(" fails: ") for one in listed
        )
        require(False, "device", str(name), f"one of the devices of this machine ({there})")
    return torch.device(name)


def synchronize(device: str | torch.device) -> None:
    """Make the host wait until `device` has done all that is queued. A CPU queues nothing."""
    device = device if isinstance(device, torch.device) else torch.device(device)
    if device.type == "mps":
        torch.mps.synchronize()
    elif device.type in ("cuda", "xpu"):
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
    found = re.search(pattern, command_output(*command.split(" ", 2)), re.IGNORECASE | re.MULTILINE)
    return (found[1].strip() if found else "") or platform.machine() or "a nameless processor"


def command_output(*command: str) -> str:
    """What a command prints, stripped; empty if it is missing, fails or takes over 10 s."""
    with suppress(OSError, SubprocessError):
        return check_output(command, stderr=DEVNULL, errors="replace", timeout=10).strip()
    return ""
