"""What may be wrong with an environment, and what to do about it."""

import importlib.util
import os
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch

from day37.device import available_devices, listed_devices, why_unusable
from day37.faster.compiler import ready_compiler
from day37.machines.card import built_for, nvidia_driver, usable_cpus, why_no_accelerator

COMPILERS = "Debian, Ubuntu: apt install g++; macOS: xcode-select --install; "
COMPILERS += "Windows: Visual Studio's build tools"
# What a message says, and what mends that; the first that fits. One that is not here has no fix.
GPU_FIXES = (
    ("out of memory", "close what uses the card (nvidia-smi lists it), then start Python anew"),
    ("busy or unavailable", "close what has the card to itself (nvidia-smi lists it), or reboot"),
    (
        "driver.* too old|driver version is insufficient|unsupported toolchain",
        "update the driver, or install an older torch",
    ),
    (
        "no NVIDIA driver|unknown error|initiali[sz]ation error|no CUDA-capable device|mismatch"
        "|driver shutting down|not yet initialized|ECC error|GPU is lost|fallen off the bus",
        "reboot; if that does not help, reinstall the driver",
    ),
)
TRITON = {  # by operating system; others have it from PyPI
    "Windows": "Triton has no Windows wheel on PyPI: use WSL, or try the package triton-windows",
    "Darwin": "Triton has no wheel for macOS",
}
ROOM = 200e6  # bytes; torch 2.14 wrote 150 MB, C++ headers above all, to compile one addition
FOLDER = "set the environment variable TMPDIR (on Windows TEMP) to"
COMPILER_FIXES = (
    ("No space left|quota exceeded|not enough space", f"{{folder}} is full: {FOLDER} another"),
    ("No usable temporary directory", f"{FOLDER} a folder that can be written to"),
    (
        "Operation not permitted|failed to map segment|Permission denied",
        f"nothing may be run from {{folder}}: {FOLDER} a folder where it may",
    ),
    (
        r"InvalidCxxCompiler|No working C\+\+ compiler|Compiler: .* is not found"
        r"|Failed to find C compiler|directory: '?(g\+\+|gcc|clang|c\+\+|cc|cl)(?!\w)"
        r"|(g\+\+|gcc|clang(\+\+)?|cl): (command )?not found",
        COMPILERS,
    ),
    (r"Python\.h", "Debian, Ubuntu: apt install python3-dev"),
    ("too old to be supported by the triton", "no fix: Triton needs a newer card; do without"),
    ("working triton|No module named 'triton|triton is not installed", "{triton}"),
)


@dataclass(frozen=True)
class Check:
    """One check: what was looked at, what is wrong with it and how to mend that (empty if well)."""

    name: str
    seen: str
    fault: str = ""

    def __repr__(self) -> str:
        head = f"{'FAIL' if self.fault else 'OK':4}  {self.name}: {self.seen}"
        return f"{head}\n      {self.fault}" if self.fault else head


def fix_for(why: str, fixes: tuple[tuple[str, str], ...]) -> str:
    """The first fix whose pattern fits what a message says; empty if none does."""
    for pattern, fix in fixes:
        if re.search(pattern, why, re.IGNORECASE):
            return fix
    return ""


def check_gpu_and_wheel() -> Check:
    """A GPU that this torch cannot see: a CPU build, no driver, a variable that hides it."""
    driver = nvidia_driver()
    seen = f"torch {torch.__version__}, {built_for()}; NVIDIA driver {driver or 'none'}"
    fault = ""
    if any(device.startswith("cuda") for device in listed_devices()):
        pass  # the next check is of these
    elif driver:
        why = why_no_accelerator()
        fault = "; ".join(filter(None, (why, fix_for(why, GPU_FIXES))))
    elif shutil.which("nvidia-smi"):
        fault = "nvidia-smi finds no driver: if there is an NVIDIA card, reboot, or reinstall it"
    return Check("GPU and torch", seen, fault)


def check_kernels() -> Check:
    """A device on which nothing runs: too old or too new for the build, full, broken."""
    faults = []
    for device in listed_devices():
        why = why_unusable(device)
        if why:
            fix = card_fix(device, why) or fix_for(why, GPU_FIXES)
            faults.append("; ".join(filter(None, (f"{device}: {why}", fix))))
    return Check("a kernel on each device", ", ".join(listed_devices()), "; ".join(faults))


def card_fix(device: str, why: str) -> str:
    """The fix where torch has no kernels for a card; empty if that is not what is wrong."""
    if not re.search(
        "no kernel image|not compatible|invalid device function|no longer supports|requires", why
    ):
        return ""
    try:
        major, minor = torch.cuda.get_device_capability(device)
        card = 10 * major + minor
        listed = [re.match(r"(?:sm|compute)_(\d+)", name) for name in torch.cuda.get_arch_list()]
        built = sorted(int(one[1]) for one in listed if one)
        oldest = built[0]
    except Exception:  # a driver in trouble, an AMD build: only the message is known
        return "the card may be too old or too new for this torch: install an older or a newer one"
    fix = f"install a torch that is built for sm_{card}"
    if card < oldest:
        fix = "the card is older: install an older torch, or its build for an older CUDA"
    elif card > built[-1]:
        fix = "the card is newer: install the newest torch"
    span = f"{oldest / 10} to {built[-1] / 10}"
    return f"its compute capability is {card / 10}, this torch is built for {span}; {fix}"


def check_compiler() -> Check:
    """torch.compile needs a C++ compiler on the CPU, and Triton on a CUDA GPU."""
    seen = []
    faults = []
    for device in sorted({"cpu", available_devices()[0]}):
        try:
            why, seconds = ready_compiler(torch.device(device))
        except OSError as error:  # no folder to work in
            why = str(error)
            seconds = 0
        seen.append(f"{device} in {seconds:.0f} s")
        if why:
            fix = compiler_fix(why) or hidden_fix()
            faults.append("; ".join(filter(None, (f"{device}: {why}", fix))))
    return Check("compiler", ", ".join(seen), "; ".join(faults))


def compiler_fix(why: str) -> str:
    """The fix for what torch says of a compilation that failed; empty if none is known."""
    folder = _temporary_folder()
    asked = os.environ.get("TMPDIR") or folder  # Python leaves a full one aside; g++ does not
    full = [path for path in (asked, folder) if _is_full(path)]
    folder = (full or [folder])[0]
    fix = fix_for(f"No space left: {why}" if full else why, COMPILER_FIXES)
    spaced = [path for path in (folder, sys.prefix) if " " in path]
    if not fix and spaced and re.search("compile error|No such file|cannot find", why):
        fix = "a space in {spaced!r} may stop the compiler: use a folder without"
    triton = TRITON.get(platform.system(), "pip install triton")
    return fix.format(folder=folder, triton=triton, spaced="".join(spaced[:1]))


def hidden_fix() -> str:
    """The fix where a GPU is broken: to compile for a CPU, torch asks each GPU that it knows."""
    broken = [name for name in listed_devices() if why_unusable(name)]
    hidden = "torch may ask the broken GPU: hide it, set the environment variable "
    return f"{hidden}CUDA_VISIBLE_DEVICES to -1" if broken else ""


def _temporary_folder() -> str:
    try:
        return tempfile.gettempdir()
    except OSError:  # there is none that can be written to
        return "the temporary folder"


def _is_full(folder: str) -> bool:
    """Whether too little is free to compile in; a compiler may say it in its last lines only."""
    try:
        return shutil.disk_usage(folder).free < ROOM
    except OSError:
        return False


def check_threads() -> Check:
    """More threads than processors: they wait for each other."""
    threads = torch.get_num_threads()
    cpus = usable_cpus()
    asked = os.environ.get("OMP_NUM_THREADS", "")
    seen = f"{threads} threads of torch, {cpus} CPUs for this process, OMP_NUM_THREADS={asked}"
    fix = f"set the environment variable OMP_NUM_THREADS to {cpus} or less"
    return Check("threads", seen, fix if threads > cpus else "")


def check_openmp() -> Check:
    """LLVM's and Intel's OpenMP in one process may hang or crash it.

    Source: threadpoolctl, "multiple OpenMP runtimes".
    """
    import sklearn.linear_model  # noqa: F401  so that its OpenMP is loaded too
    from threadpoolctl import threadpool_info

    runtimes = [each for each in threadpool_info() if each["user_api"] == "openmp"]
    kinds = sorted({str(each["prefix"]) for each in runtimes})
    both = {"libomp", "libiomp"} <= set(kinds)
    fix = "install torch and scikit-learn from one source, all by pip or all by conda"
    return Check("OpenMP", ", ".join(kinds) or "none", fix if both else "")


def check_kernel_spec() -> Check:
    """The notebooks ask for the kernel "python3"; it should be this Python."""
    name = "Jupyter kernel"
    fix = f"{sys.executable} -m ipykernel install --sys-prefix"
    if importlib.util.find_spec("jupyter_client") is None:
        return Check(name, "no Jupyter here; the commands do without")
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    try:
        python = KernelSpecManager().get_kernel_spec("python3").argv[0]
    except NoSuchKernel:
        return Check(name, "python3 is missing", fix)
    bare = re.fullmatch(r"python(3(\.\d+)?)?(\.exe)?", python)  # a bare name: Jupyter's own Python
    ours = bare or _folder(python) == _folder(sys.executable)
    return Check(name, f"python3 starts {python}", "" if ours else f"another Python: {fix}")


def _folder(program: str) -> str:
    return os.path.normcase(os.path.dirname(os.path.abspath(program)))


CHECKS: tuple[Callable[[], Check], ...] = (
    check_gpu_and_wheel,
    check_kernels,
    check_compiler,
    check_threads,
    check_openmp,
    check_kernel_spec,
)


def check_environment() -> Iterator[Check]:
    """Every check in turn. One that breaks is itself a finding."""
    for check in CHECKS:
        try:
            yield check()
        except Exception as error:  # a broken installation may break in any way; the others go on
            fault = f"{type(error).__name__}: {error}"
            yield Check(check.__name__, "could not be checked", fault)
