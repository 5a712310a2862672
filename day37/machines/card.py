"""Lessons 1 to 5: this machine's card: what the operating system and torch say of it."""

import html
import math
import os
import platform
import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path, PurePosixPath

import torch

from day37.device import command_output, cpu_name, device_name, listed_devices, why_unusable
from day37.faster.compiler import first_line

CGROUPS = Path("/sys/fs/cgroup")  # where Linux keeps the limits of a container
OWN_CGROUP = Path("/proc/self/cgroup")
NVIDIA = Path("/proc/driver/nvidia/version")


@dataclass(frozen=True)
class MachineCard:
    """What the operating system and torch say of this machine; a report is not the hardware."""

    system: str
    cpu: str
    cores: str
    threads_of_torch: str
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
    """This machine's card. A line that cannot be told says why, and the others are told."""
    asked = {
        "system": partial(platform.platform, terse=True),
        "cpu": cpu_name,
        "cores": _cores,
        "threads_of_torch": torch.get_num_threads,
        "memory": _memory,
        "accelerators": _accelerators,
        "cuda": built_for,
        "driver": _driver,
        "python": platform.python_version,
        "torch": lambda: torch.__version__,
    }
    return MachineCard(**{name: in_one_line(ask) for name, ask in asked.items()})


def in_one_line(ask: Callable[[], object]) -> str:
    """What `ask` answers, in one line; "unknown" with the reason if it fails."""
    try:
        said = " ".join(str(ask()).split())
    except Exception as error:  # a driver, a package or a library may fail in any way
        said = f"unknown ({' '.join(first_line(error).split())})"
    return said or "unknown"


def _accelerators() -> str:
    """Each that torch lists, with the reason where it is not used; why there is none."""
    found = []
    for device in listed_devices():
        if device != "cpu":
            why = why_unusable(device)
            said = in_one_line(partial(describe_accelerator, device))
            said = said if said.startswith(device) else f"{device}: {said}"
            found.append(f"{said} (not used: {why})" if why else said)
    return "; ".join(found) or f"none: {why_no_accelerator()}"


def describe_accelerator(device: str) -> str:
    """Its index, product name and memory in GiB."""
    memory = "memory shared with the CPU"  # an Apple GPU
    if device != "mps":
        properties = getattr(torch, device.split(":")[0]).get_device_properties(device)
        memory = f"{properties.total_memory / 2**30:.1f} GiB"
    return f"{device}: {device_name(device)}, {memory}"


def why_no_accelerator() -> str:
    """One sentence: why no accelerator is used here, as far as the machine can tell."""
    failed = [f"{one} fails: {why_unusable(one)}" for one in listed_devices() if why_unusable(one)]
    cards = nvidia_smi("name")
    fitted = f"{'; '.join(cards)} is fitted, but"
    if failed:
        return "; ".join(failed)
    if rocm():
        built = f"this torch is built for AMD's ROCm {rocm()}"
        return (
            f"{fitted} {built}: install a CUDA build" if cards else f"{built}; no AMD GPU answers"
        )
    if not cards:
        unseen = "an AMD GPU it could not see, being built without ROCm"
        return f"no NVIDIA driver answers, and torch finds no Apple or Intel GPU; {unseen}"
    if torch.version.cuda is None:
        built = "Intel GPUs" if getattr(torch.version, "xpu", None) else "the CPU only"
        return f"{fitted} this torch is built for {built}: install a CUDA build"
    if _hides_every_card(os.environ.get("CUDA_VISIBLE_DEVICES")):
        hidden = f"hides it ({os.environ['CUDA_VISIBLE_DEVICES']!r}): unset it"
        return f"{fitted} the environment variable CUDA_VISIBLE_DEVICES {hidden}"
    why = why_unusable("cuda") or "it lists no device"
    return f"{fitted} torch's CUDA {torch.version.cuda} cannot use it: {why}"


def _hides_every_card(value: str | None) -> bool:
    """Whether the first name in CUDA_VISIBLE_DEVICES is no card's: CUDA reads no further."""
    names = [name.strip() for name in (value or "").split(",")]
    if value is None or names[0].startswith("MIG-"):  # nvidia-smi tells no names of parts of a card
        return False
    if names[0].isdecimal():
        return int(names[0]) >= len(nvidia_smi("name")) or len(set(names)) < len(names)
    known = [uuid for uuid in nvidia_smi("uuid") if uuid.startswith(names[0])]
    return not (names[0].startswith("GPU-") and known)


def rocm() -> str:
    """The version of AMD's ROCm that torch is built for; empty if it is not."""
    return ".".join((torch.version.hip or "").split(".")[:2])


def built_for() -> str:
    """What torch is built for, and its library of network layers as that library tells."""
    library = in_one_line(lambda: torch.backends.cudnn.version() or "none")
    if rocm():
        return f"torch built for ROCm {rocm()}, MIOpen {library}"
    return f"torch built for CUDA {torch.version.cuda or '(none)'}, cuDNN {library}"


def nvidia_smi(what: str) -> list[str]:
    """What NVIDIA's own program says of each card; empty if it is missing or fails."""
    return command_output("nvidia-smi", f"--query-gpu={what}", "--format=csv,noheader").splitlines()


def nvidia_driver() -> str:
    """The version of the NVIDIA driver by nvidia-smi, else by the driver; empty if none tells."""
    told = re.search(r"Module.*?\s(\d+\.[\d.]+)", _read(NVIDIA))
    return ", ".join(dict.fromkeys(nvidia_smi("driver_version"))) or (told[1] if told else "")


def _driver() -> str:
    """The driver's version, or what is known without."""
    cuda = any(device.startswith("cuda") for device in listed_devices())
    silent = "AMD's" if rocm() else "of an unknown version: nvidia-smi does not answer"
    return nvidia_driver() or (silent if cuda else "no NVIDIA driver found")


def usable_cpus() -> int:
    """How many processors' work this process may do at once: the smaller of two limits."""
    return max(1, math.ceil(min(allowed_cpus(), cpu_limit())))


def allowed_cpus() -> int:
    """How many processors this process may run on; PYTHON_CPU_COUNT, from Python 3.13 on."""
    if hasattr(os, "process_cpu_count"):
        return os.process_cpu_count() or 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cpu_limit() -> float:
    """The container's limit of processors' time in seconds a second; infinite if it has none."""
    limits = [math.inf]
    for folder in _cgroup_folders("cpu"):
        old = f"{_read(folder / 'cpu.cfs_quota_us')} {_read(folder / 'cpu.cfs_period_us')}"
        quota, _, period = (_read(folder / "cpu.max") or old).partition(" ")
        if quota.isdecimal() and period.isdecimal() and int(quota) and int(period):
            limits.append(int(quota) / int(period))  # "max" and -1 stand for no limit
    return min(limits)


def memory_limit() -> float:
    """The container's limit of memory in bytes; infinite if it has none."""
    folders = _cgroup_folders("memory")
    told = [_read(f / name) for f in folders for name in ("memory.max", "memory.limit_in_bytes")]
    return min([int(limit) for limit in told if limit.isdecimal()], default=math.inf)


def _cgroup_folders(controller: str) -> list[Path]:
    """Where this process's limits stand: in its cgroup and those above it (man 7 cgroups)."""
    found = []
    for line in [*_read(OWN_CGROUP).splitlines(), "0::/", f"0:{controller}:/"]:
        _, kinds, path = (line + "::").split(":", 2)
        inside = PurePosixPath(path.rstrip(":").strip("/"))
        root = CGROUPS / controller if kinds else CGROUPS
        if not kinds or controller in kinds.split(","):
            found += [root / folder for folder in (inside, *inside.parents)]
    return found


def _read(path: Path) -> str:
    """A file's text, stripped; empty if it cannot be read."""
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""


def _cores() -> str:
    """Physical and logical cores and who says so, and how many of them this process may use."""
    limit = cpu_limit()
    mine = f"this process may run on {allowed_cpus()}"
    mine += f", container's limit {limit:.3g} CPUs" if limit < math.inf else ""
    try:
        import psutil

        physical = psutil.cpu_count(logical=False) or "an unknown number of"
        return f"{physical} physical, {psutil.cpu_count()} logical (source: psutil); {mine}"
    except ImportError:
        source = "os.cpu_count; psutil is not installed, so physical cores are unknown"
    except Exception as error:  # a container may hide what it reads
        source = f"os.cpu_count; psutil fails: {first_line(error)}"
    return f"{os.cpu_count()} logical (source: {source}); {mine}"


def _memory() -> str:
    """The machine's main memory in GiB, and its container's limit where that is smaller."""
    try:
        import psutil

        whole = psutil.virtual_memory().total
    except Exception:  # it is not installed, or a container hides what it reads
        pages = {"SC_PHYS_PAGES", "SC_PAGE_SIZE"} <= set(getattr(os, "sysconf_names", {}))
        whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if pages else 0
    limit = memory_limit()
    said = f"{whole / 2**30:.1f} GiB" if whole else "unknown (psutil does not tell)"
    small = limit < (whole or math.inf)
    return f"{said}, container's limit {limit / 2**30:.1f} GiB" if small else said
