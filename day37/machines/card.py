"""Lessons 1 to 5: this machine's card: what the operating system and torch say of it."""

import html
import os
import platform
from dataclasses import dataclass, fields

import torch

from day37.device import available_devices, command_output, cpu_name, device_name
from day37.faster.compiler import first_line


@dataclass(frozen=True)
class MachineCard:
    """What the operating system and torch say of this machine; a report is not the hardware."""

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
        left = "style='text-align:left'"
        row = f"<tr><th {left}>{{}}</th><td {left}>{{}}</td></tr>"
        rows = [row.format(name, html.escape(value)) for name, value in self.rows()]
        return f"<table>{''.join(rows)}</table>"


def describe_machine() -> MachineCard:
    """This machine's card. Cores and memory are psutil's where it is installed, else Python's."""
    cudnn = torch.backends.cudnn.version() if torch.cuda.is_available() else "(not loaded)"
    found = [describe_accelerator(device) for device in available_devices() if device != "cpu"]
    if found:
        why = why_kernels_fail(available_devices()[0])  # only of the best: a card in use stays free
        found[0] += f" (no kernel runs on it: {why})" if why else ""
    return MachineCard(
        system=platform.platform(terse=True),
        cpu=cpu_name(),
        cores=_cores(),
        threads_of_torch=torch.get_num_threads(),
        memory=_memory(),
        accelerators="; ".join(found) or f"none: {why_no_accelerator()}",
        cuda=f"torch built for CUDA {torch.version.cuda or '(none)'}, cuDNN {cudnn}",
        driver=nvidia_driver() or "no NVIDIA driver found",
        python=platform.python_version(),
        torch=torch.__version__,
    )


def describe_accelerator(device: str) -> str:
    """Its index, product name and memory in GiB."""
    memory = "memory shared with the CPU"  # an Apple GPU
    if device != "mps":
        properties = getattr(torch, device.split(":")[0]).get_device_properties(device)
        memory = f"{properties.total_memory / 2**30:.1f} GiB"
    return f"{device}: {device_name(device)}, {memory}"


def why_kernels_fail(device: str | torch.device) -> str:
    """Empty if a small kernel runs on `device`; else torch's own first line.

    So it is where the card is newer than the build.
    """
    try:
        torch.ones(1, device=device).add_(1).item()  # synchronisation point
    except RuntimeError as error:
        return first_line(error)
    return ""


def why_no_accelerator() -> str:
    """One sentence: why torch finds no accelerator here, as far as the machine can tell."""
    cards = command_output("nvidia-smi", "--query-gpu=name", "--format=csv,noheader")
    if not cards:
        return "no NVIDIA driver answers, and torch finds no Apple or Intel GPU"
    fitted = f"{cards} is fitted, but"
    if torch.version.cuda is None:
        return f"{fitted} this torch is built for the CPU only: install a CUDA build"
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return f"{fitted} the environment variable CUDA_VISIBLE_DEVICES hides it: unset it"
    fix = "the driver may be too old: update it, or install an older torch"
    return f"{fitted} torch's CUDA {torch.version.cuda} cannot use it: {fix}"


def nvidia_driver() -> str:
    """The version of the NVIDIA driver, as nvidia-smi prints it; empty if there is none."""
    return command_output("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader")


def usable_cpus() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cores() -> str:
    """Physical and logical cores and who says so, and how many of them this process may use."""
    mine = f"this process may use {usable_cpus()}"
    try:
        import psutil
    except ImportError:
        source = "os.cpu_count; psutil is not installed, so physical cores are unknown"
        return f"{os.cpu_count()} logical (source: {source}); {mine}"
    physical = psutil.cpu_count(logical=False) or "an unknown number of"
    return f"{physical} physical, {psutil.cpu_count()} logical (source: psutil); {mine}"


def _memory() -> str:
    """The machine's main memory in GiB."""
    try:
        import psutil
    except ImportError:
        if "SC_PHYS_PAGES" not in getattr(os, "sysconf_names", {}):
            return "unknown (psutil is not installed)"
        return f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.1f} GiB"
    return f"{psutil.virtual_memory().total / 2**30:.1f} GiB"
