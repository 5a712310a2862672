"""What may be wrong with an environment, and what to do about it: each check gives the fault and its fix, or nothing."""

import importlib.util
import os
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch

from day37.hardware import available_devices, nvidia_driver, usable_cpus, why_kernels_fail, why_no_accelerator
from day37.speedups import ready_compiler


@dataclass(frozen=True)
class Check:
    """One check: what was looked at, and what is wrong with it and how to mend that (empty if it is well)."""

    name: str
    seen: str
    fault: str = ""

    def __repr__(self) -> str:
        return f"{'FAIL' if self.fault else 'OK':4}  {self.name}: {self.seen}" + (f"\n      {self.fault}" if self.fault else "")


def check_gpu_and_wheel() -> Check:
    """A GPU that this torch cannot use: a build for the CPU, or a driver too old for it, or a variable that hides it."""
    driver = nvidia_driver()
    seen = f"torch {torch.__version__}, CUDA {torch.version.cuda or 'none'}; NVIDIA driver {driver or 'none'}"
    return Check("GPU and torch", seen, why_no_accelerator() if driver and not torch.cuda.is_available() else "")


def check_kernels() -> Check:
    """A card newer than the build: kernels are missing for it, and the first one fails."""
    devices = available_devices()
    faults = [f"{device}: {why}" for device in devices if (why := why_kernels_fail(device))]
    fix = "; a card newer than the build? Install the newest torch" if faults else ""
    return Check("a kernel on each device", ", ".join(devices), "; ".join(faults) + fix)


def check_compiler() -> Check:
    """torch.compile needs a C++ compiler on the CPU, and Triton on a CUDA GPU."""
    fixes = {"cpu": "Debian, Ubuntu: apt install g++; macOS: xcode-select --install; Windows: Visual Studio's build tools"}
    devices = sorted({"cpu", available_devices()[0]})
    tried = {device: ready_compiler(torch.device(device)) for device in devices}
    faults = [f"{device}: {why}; {fixes.get(device, 'pip install triton')}" for device, (why, _) in tried.items() if why]
    seen = ", ".join(f"{device} in {seconds:.0f} s" for device, (_, seconds) in tried.items())
    return Check("compiler", seen, "; ".join(faults))


def check_threads() -> Check:
    """More threads than processors: they wait for each other."""
    threads, cpus = torch.get_num_threads(), usable_cpus()
    seen = f"{threads} threads of torch, {cpus} CPUs for this process, OMP_NUM_THREADS={os.environ.get('OMP_NUM_THREADS', '')}"
    fault = f"set the environment variable OMP_NUM_THREADS to {cpus} or less" if threads > cpus else ""
    return Check("threads", seen, fault)


def check_openmp() -> Check:
    """LLVM's and Intel's OpenMP in one process may hang or crash it (threadpoolctl, "multiple OpenMP runtimes")."""
    import sklearn.linear_model  # noqa: F401  so that its OpenMP is loaded too
    from threadpoolctl import threadpool_info

    kinds = sorted({str(each["prefix"]) for each in threadpool_info() if each["user_api"] == "openmp"})
    both = {"libomp", "libiomp"} <= set(kinds)
    fault = "install torch and scikit-learn from one source, all by pip or all by conda" if both else ""
    return Check("OpenMP", ", ".join(kinds) or "none", fault)


def check_kernel_spec() -> Check:
    """The notebooks ask for the kernel "python3"; it should be this Python."""
    name, fix = "Jupyter kernel", f"{sys.executable} -m ipykernel install --sys-prefix"
    if importlib.util.find_spec("jupyter_client") is None:
        return Check(name, "no Jupyter here; the commands do without")
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    try:
        python = KernelSpecManager().get_kernel_spec("python3").argv[0]
    except NoSuchKernel:
        return Check(name, "python3 is missing", fix)
    here, there = (os.path.normcase(os.path.dirname(os.path.abspath(p))) for p in (sys.executable, python))
    ours = here == there or re.fullmatch(r"python(3(\.\d+)?)?(\.exe)?", python)  # a bare name: Jupyter's own Python
    return Check(name, f"python3 starts {python}", "" if ours else f"another Python: {fix}")


CHECKS: tuple[Callable[[], Check], ...] = (
    check_gpu_and_wheel,
    check_kernels,
    check_compiler,
    check_threads,
    check_openmp,
    check_kernel_spec,
)


def examine() -> Iterator[Check]:
    """Every check in turn. One that breaks is itself a finding."""
    for check in CHECKS:
        try:
            yield check()
        except Exception as error:  # a broken installation may break in any way; the other checks go on
            yield Check(check.__name__, "could not be checked", f"{type(error).__name__}: {error}")
