"""torch's compiler: compiling a function as a whole, and what keeps it from working here."""

import atexit
import contextlib
import io
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from functools import cache

import torch

from day37.timing import Stopwatch

CACHES = ("TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR")


def compile_whole(fn: Callable, device: torch.device) -> Callable:
    """`fn` compiled as a whole, for one thread on the CPU: there is little to share."""
    options = {"cpp_wrapper": True, "cpp.threads": 1} if device.type == "cpu" else None
    return torch.compile(fn, fullgraph=True, dynamic=False, options=options)


def why_switched_off() -> str:
    """What tells torch.compile to hand functions back as they are; empty if nothing does.

    Source: torch/_dynamo/config.py and eval_frame.py.
    """
    import torch._dynamo

    if os.environ.get("TORCHDYNAMO_DISABLE") == "1":
        return "TORCHDYNAMO_DISABLE is set"
    if torch._dynamo.config.disable:
        variable = os.environ.get("TORCH_COMPILE_DISABLE") == "1"
        return f"{'TORCH_COMPILE_DISABLE' if variable else 'torch._dynamo.config.disable'} is set"
    return ""


@contextlib.contextmanager
def must_compile() -> Iterator[None]:
    """RuntimeError if torch compiles nothing inside: a function run as it is is no compiled one."""
    from torch._dynamo.utils import counters

    why = why_switched_off()
    if why:
        raise RuntimeError(f"compiled nothing: {why}")
    before = counters["stats"]["unique_graphs"]
    yield
    if counters["stats"]["unique_graphs"] == before:
        raise RuntimeError("compiled nothing: torch has run the function as it is")


@cache
def ready_compiler(device: torch.device) -> tuple[str, float]:
    """Compile next to nothing for `device`, once a session: why that fails, and the seconds taken.

    The reason is empty if it works. The first compilation also tries out the processor's
    instructions and prepares torch's C++ headers.
    """
    obstacle = ""
    with fresh_cache(), Stopwatch(device) as watch:
        try:
            import_quietly()
            with must_compile():
                compile_whole(lambda x: x + 1, device)(torch.zeros(8, device=device))
        except Exception as error:  # whatever torch, a compiler or Python says: it is the reason
            obstacle = first_line(error)
    return obstacle, watch.seconds


def import_quietly() -> None:
    """Import what torch would import later: with a CUDA toolkit and no GPU it tells stderr so.

    Older releases print it, newer ones log it as a warning. And where torch finds a GPU that does
    not work, it logs a page besides what it raises.
    """
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
    logging.getLogger("torch._dynamo.metrics_context").setLevel(logging.CRITICAL)
    with contextlib.redirect_stderr(io.StringIO()), contextlib.suppress(ImportError):
        import torch.utils.cpp_extension  # noqa: F401


@contextlib.contextmanager
def fresh_cache() -> Iterator[None]:
    """Inside, compilers keep their work in a new folder: nothing compiled earlier is found."""
    folder = tempfile.mkdtemp(prefix="day37-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)  # compilations read from it later
    before = {name: os.environ[name] for name in CACHES if name in os.environ}
    os.environ |= dict.fromkeys(CACHES, folder)
    try:
        yield
    finally:
        for name in CACHES:
            os.environ.pop(name, None)
        os.environ |= before


def first_line(error: Exception) -> str:
    """What an exception says, in one line."""
    for line in str(error).splitlines():
        if line.strip() and not line.endswith("raised:"):
            return line.strip()[:150]
    return type(error).__name__
