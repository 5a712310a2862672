"""`make bench`: what the library costs, and its ways to train beside other libraries'.

One thread throughout. Fails if a cost is above its limit or losses disagree; a goal that is missed
does not fail. `--device cuda`: only the race, on a CUDA GPU.
"""

import argparse
import json
import os
import sys
from dataclasses import asdict
from importlib import metadata
from pathlib import Path

import torch
from threadpoolctl import threadpool_limits

from day37 import Stopwatch, choose_device, load_iris
from day37.training import EPOCHS
from tests.benchmarks.checks import check_console, check_import, check_loop, new_model
from tests.benchmarks.race import run_race
from tests.benchmarks.report import goals, show_race, show_sessions
from tests.benchmarks.sessions import SESSIONS, measure_sessions

PACKAGES = ("torch", "numpy", "numba", "scikit-learn", "jax", "skorch")
FOR_JAX = {
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    "NPROC": "1",
    "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
}


def one_thread(kind: str) -> None:
    """Torch, NumPy and JAX, which must not have been imported, with one thread each."""
    torch.set_num_threads(1)
    threadpool_limits(1)
    os.environ |= FOR_JAX
    if kind == "cpu":
        os.environ["JAX_PLATFORMS"] = "cpu"


def versions() -> dict[str, str]:
    installed = {dist.name.lower(): dist.version for dist in metadata.distributions() if dist.name}
    return {name: installed[name] for name in PACKAGES if name in installed}


def measure_all(device: torch.device) -> dict:
    """All results, each printed as soon as it is there; `failed`: a limit or the losses."""
    used = versions()
    print(f"{EPOCHS:,} full-batch steps on iris, every loss kept, one thread;", end=" ")
    print(", ".join(f"{name} {version}" for name, version in used.items()))
    race = run_race(new_model().to(device), load_iris(device))
    print(f"{show_race(race)}\n")
    sessions = {name: [] for name in SESSIONS}
    checks = []
    if device.type == "cpu":
        sessions = measure_sessions()
        print(f"{show_sessions(sessions)}\n")
        checks = [check_loop(), check_console(), check_import()]
    reached = goals(race, sessions)
    print(*reached, sep="\n", end="\n\n")
    failed = bool(race.disagreeing) or any(check["over"] for check in checks)
    result = {"failed": failed, "versions": used, "race": asdict(race), "sessions": sessions}
    return result | {"checks": checks, "goals": [asdict(goal) for goal in reached]}


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, default=Path("bench.json"))
    parser.add_argument("--device", default="cpu")
    asked = parser.parse_args()
    sys.stdout.reconfigure(line_buffering=True)
    device = choose_device(asked.device)
    one_thread(device.type)
    with Stopwatch() as watch:
        result = measure_all(device)
    result["seconds"] = watch.seconds
    asked.json.write_text(json.dumps(result, indent=1, ensure_ascii=False), encoding="utf-8")
    print(f"{watch.seconds:.0f} s in all; every sample is in {asked.json}")
    return int(result["failed"])


if __name__ == "__main__":
    sys.exit(main())
