"""The lesson's training in a process of its own: imports and compiling are counted, for real.

`python -m tests.benchmarks.sessions NAME` prints the seconds.
"""

import os
import subprocess
import sys
import tempfile
from time import perf_counter

import torch

from day37 import MLP, load_iris
from day37.faster.one_function import one_function
from day37.training import EPOCHS
from tests.benchmarks.race import LR
from tests.benchmarks.rivals import hand_written, jax_rows_innermost

# In this order in each round: the later session finds on the disk what the first one compiled.
SESSIONS = {
    "hand-written loop": hand_written,
    "one function, first session": one_function,
    "one function, later session": one_function,
    "JAX, rows innermost": jax_rows_innermost,
}


def train_once(name: str) -> float:
    """The seconds from here to the last loss. Torch and the data are there."""
    torch.set_num_threads(1)
    data = load_iris()
    torch.manual_seed(42)
    model = MLP()
    start = perf_counter()
    SESSIONS[name](model, data, EPOCHS, LR)()
    return perf_counter() - start


def measure_sessions(rounds: int = 5) -> dict[str, list[float]]:
    """The seconds of each session, all in turn. One that fails has none, and says why."""
    seconds = {name: [] for name in SESSIONS}
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            environment = os.environ | {"NUMBA_CACHE_DIR": folder}
            for name in SESSIONS:
                command = [sys.executable, "-m", "tests.benchmarks.sessions", name]
                done = subprocess.run(command, env=environment, capture_output=True, text=True)
                if done.returncode == 0:
                    seconds[name].append(float(done.stdout))
                else:
                    print(f"{name}: {done.stderr.strip().splitlines()[-1]}")
    return seconds


if __name__ == "__main__":
    print(train_once(sys.argv[1]))
