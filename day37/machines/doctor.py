"""What may be wrong with an environment, and what to do about it."""

import importlib.util
import os
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch

from day37.device import available_devices
from day37.faster.compiler import ready_compiler
from day37.machines.card import nvidia_driver, usable_cpus, why_kernels_fail, why_no_accelerator

COMPILERS = {
    "Debian, Ubuntu": "apt install g++",
    "macOS": "xcode-select --install",
    "Windows": "Visual Studio's build tools",
}


@dataclass(frozen=True)
class Check:
    """One check: what was looked at, what is wrong with it and how to mend that (empty if well)."""

    name: str
    seen: str
    fault: str = ""

    def __repr__(self) -> str:
        head = f"{'FAIL' if self.fault else 'OK':4}  {self.name}: {self.seen}"
        return f"{head}\n      {self.fault}" if self.fault else head


def check_gpu_and_wheel() -> Check:
    """A GPU that this torch cannot use: a CPU build, a driver too old, a variable that hides it."""
    driver = nvidia_driver()
    built = f"torch {torch.__version__}, CUDA {torch.version.cuda or 'none'}"
    unused = driver and not torch.cuda.is_available()
    fault = why_no_accelerator() if unused else ""
    return Check("GPU and torch", f"{built}; NVIDIA driver {driver or 'none'}", fault)


def check_kernels() -> Check:
    """A card newer than the build: kernels are missing for it, and the first one fails."""
    devices = available_devices()
    faults = []
    for device in devices:
        why = why_kernels_fail(device)
        if why:
            faults.append(f"{device}: {why}")
    if faults:
        faults.append("a card newer than the build? Install the newest torch")
    return Check("a kernel on each device", ", ".join(devices), "; ".join(faults))


def check_compiler() -> Check:
    """torch.compile needs a C++ compiler on the CPU, and Triton on a CUDA GPU."""
    seen = []
    faults = []
    for device in sorted({"cpu", available_devices()[0]}):
        why, seconds = ready_compiler(torch.device(device))
        seen.append(f"{device} in {seconds:.0f} s")
        if why:
            fix = "pip install triton"
            if device == "cpu":
                fix = "; ".join(f"{system}: {how}" for system, how in COMPILERS.items())
            faults.append(f"{device}: {why}; {fix}")
    return Check("compiler", ", ".join(seen), "; ".join(faults))


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
