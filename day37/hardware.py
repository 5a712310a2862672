"""Which device to use, and what this machine is."""

import html
import os
import platform
import re
import shutil
import subprocess
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import torch

from day37.arguments import require

KINDS = ("cuda", "mps", "xpu")  # the accelerators that the lessons know, in the order in which they are preferred


def available_devices() -> list[str]:
    """The devices that work here, best first: "cuda:0", "cuda:1", …, "mps", "xpu:0", …, and always "cpu".

    `torch.accelerator.current_accelerator()` is not asked: it may name the kind that torch was built for though no
    such device is there. Each kind's own `is_available()` answers for the machine.
    """
    found = [f"cuda:{i}" for i in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    found += ["mps"] if torch.backends.mps.is_available() else []
    found += [f"xpu:{i}" for i in range(torch.xpu.device_count())] if torch.xpu.is_available() else []
    return [*found, "cpu"]


def choose_device(name: str | torch.device | None = None) -> torch.device:
    """The device called `name`, or the best one here if no name is given.

    ValueError, saying which devices are there, if the name is misspelt or the device is absent. "meta", which holds
    shapes and no numbers, is allowed: it needs no hardware.
    """
    there = available_devices()
    if name is None:
        return torch.device(there[0])
    allowed = "one of the devices of this machine (" + ", ".join(there) + ")"
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError):
        require(False, "device", name, allowed)
    known = {*there, *(d.split(":")[0] for d in there), "cpu:0", "mps:0", "meta"}
    require(str(device) in known and (device.type != "mps" or "mps" in there), "device", str(name), allowed)
    return device


def synchronize(device: str | torch.device) -> None:
    """Make the host wait until `device` has done all that is queued. On the CPU nothing is ever queued."""
    device = device if isinstance(device, torch.device) else torch.device(device)  # a stopwatch has no time to lose
    if device.type in KINDS:
        module = getattr(torch, device.type)
        module.synchronize() if device.type == "mps" else module.synchronize(device)


def device_name(device: str | torch.device) -> str:
    """The product name of a device: the GPU's as its driver reports it, the CPU's as the operating system does."""
    device = torch.device(device)
    if device.type in ("cuda", "xpu"):
        return getattr(torch, device.type).get_device_name(device)
    return cpu_name() + (" GPU" if device.type == "mps" else "")


@cache
def cpu_name() -> str:
    """The processor's name as the operating system reports it; the bare architecture if it reports none."""
    if platform.system() == "Darwin":
        return command_output("sysctl", "-n", "machdep.cpu.brand_string") or platform.machine()
    if platform.system() == "Windows":
        return _windows_cpu_name()
    text = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found[1] if found else platform.machine()


def _windows_cpu_name() -> str:
    import winreg

    key = r"HARDWARE\DESCRIPTION\System\CentralProcessor\0"
    with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, key) as processor:
        return str(winreg.QueryValueEx(processor, "ProcessorNameString")[0]).strip()


def command_output(*command: str) -> str:
    """What a command prints, stripped; empty if it is missing, fails or takes over 10 s."""
    if not shutil.which(command[0]):
        return ""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return "" if done.returncode else done.stdout.strip()


@dataclass(frozen=True)
class Origin:
    """Where and when a result was measured: the device as the tensor named it, the product, and LIVE or RECORDED."""

    device: str
    machine: str
    when: str
    recorded: bool = False

    @classmethod
    def here(cls, device: str | torch.device) -> "Origin":
        """The origin of what is measured now, on `device` of this machine, spelt as a tensor there spells it."""
        device = torch.empty(0, device=device).device
        return cls(str(device), device_name(device), datetime.now(UTC).isoformat(timespec="seconds"))

    def __str__(self) -> str:
        return f"{'RECORDED' if self.recorded else 'LIVE'}, {self.machine} ({self.device})"


def show_origins(*origins: Origin) -> str:
    """The origins in words, each once."""
    return "; ".join(dict.fromkeys(map(str, origins)))


@dataclass(frozen=True)
class Machine:
    """What the operating system and torch say of this machine. It prints as a card; a report is not the hardware."""

    system: str
    cpu: str
    cores: str
    threads_of_torch: int
    memory: str
    accelerators: str
    cuda: str
    driver: str
    python: str
    torch: str

    def rows(self) -> list[tuple[str, str]]:
        """The card's lines, as (what, value) pairs."""
        return [(f.name.replace("_", " "), str(getattr(self, f.name))) for f in fields(self)]

    def __repr__(self) -> str:
        return "\n".join(f"{name:>16}  {value}" for name, value in self.rows())

    def _repr_html_(self) -> str:
        cell = "<tr><th style='text-align:left'>{}</th><td style='text-align:left'>{}</td></tr>"
        return "<table>" + "".join(cell.format(n, html.escape(v)) for n, v in self.rows()) + "</table>"


def describe_machine() -> Machine:
    """This machine's card. Core counts and memory come from psutil where it is installed, else from Python alone."""
    cudnn = torch.backends.cudnn.version() if torch.cuda.is_available() else None
    accelerators = "; ".join(describe_accelerator(d) for d in available_devices() if d != "cpu")
    return Machine(
        system=platform.platform(terse=True),
        cpu=cpu_name(),
        cores=_cores(),
        threads_of_torch=torch.get_num_threads(),
        memory=_memory(),
        accelerators=accelerators or f"none: {why_no_accelerator()}",
        cuda=f"torch built for CUDA {torch.version.cuda or '(none)'}, cuDNN {cudnn or '(not loaded)'}",
        driver=nvidia_driver() or "no NVIDIA driver found",
        python=platform.python_version(),
        torch=torch.__version__,
    )


def nvidia_driver() -> str:
    """The version of the NVIDIA driver, as nvidia-smi prints it; empty if there is none."""
    return command_output("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader")


def describe_accelerator(device: str) -> str:
    """Its index, product name and memory in GiB (an Apple GPU shares the CPU's memory)."""
    if device == "mps":
        return f"mps: {device_name(device)}, memory shared with the CPU"
    memory = getattr(torch, device.split(":")[0]).get_device_properties(device).total_memory
    return f"{device}: {device_name(device)}, {memory / 2**30:.1f} GiB"


def usable_cpus() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _cores() -> str:
    """Physical and logical cores and who says so, and how many of them this process may use."""
    mine = f"; this process may use {usable_cpus()}"
    try:
        import psutil
    except ImportError:
        return f"{os.cpu_count()} logical (source: os.cpu_count; psutil is not installed, so physical cores are unknown)" + mine
    physical = psutil.cpu_count(logical=False) or "an unknown number of"
    return f"{physical} physical, {psutil.cpu_count()} logical{_core_kinds()} (source: psutil)" + mine


def _core_kinds() -> str:
    """Performance and efficiency cores, where the system tells them apart (Linux on the metal, macOS); else empty."""
    fast, slow = Path("/sys/devices/cpu_core/cpus"), Path("/sys/devices/cpu_atom/cpus")
    if fast.exists() and slow.exists():
        return f", performance: CPUs {fast.read_text().strip()}, efficiency: CPUs {slow.read_text().strip()}"
    counts = [command_output("sysctl", "-n", f"hw.perflevel{i}.physicalcpu") for i in (0, 1)]
    return f", {counts[0]} performance and {counts[1]} efficiency" if all(counts) else ""


def _memory() -> str:
    """The machine's main memory in GiB."""
    try:
        import psutil

        total = psutil.virtual_memory().total
    except ImportError:
        if "SC_PHYS_PAGES" not in getattr(os, "sysconf_names", {}):
            return "unknown (psutil is not installed)"
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return f"{total / 2**30:.1f} GiB"


def why_no_accelerator() -> str:
    """One sentence: why torch finds no accelerator here, as far as the machine can tell."""
    cards = command_output("nvidia-smi", "--query-gpu=name", "--format=csv,noheader")
    if not cards:
        return "no NVIDIA driver answers, and torch finds no Apple or Intel GPU"
    if torch.version.cuda is None:
        return f"{cards} is fitted, but this torch is built for the CPU only: install a CUDA build"
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return f"{cards} is fitted, but the environment variable CUDA_VISIBLE_DEVICES hides it: unset it"
    fix = "the driver may be too old: update it, or install an older torch"
    return f"{cards} is fitted, but torch's CUDA {torch.version.cuda} cannot use it: {fix}"


def why_kernels_fail(device: str | torch.device) -> str:
    """Empty if a small kernel runs on `device`; else torch's own first line (as where the card is newer than the build)."""
    try:
        torch.ones(1, device=device).add_(1).item()
    except RuntimeError as error:
        return str(error).splitlines()[0]
    return ""
