"""Every way to train, the library's and its rivals', on the same work: losses checked, then timed in turn.

`python -m tests.benchmarks.competitors --threads 1 --json FILE`: one setting of threads a process, as JAX asks.
"""

import argparse
import json
import os
import sys
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from pathlib import Path

import torch
from threadpoolctl import threadpool_limits
from torch import Tensor, nn

from day37 import MLP, IrisSplit, choose_device, describe_machine, load_iris, measure_in_turn
from day37.hardware import Machine, Origin
from day37.speedups import WAYS, Rung, Way, needs_compiler, ready_compiler, try_way
from day37.timing import Measurement
from tests.benchmarks.rivals import HAND_WRITTEN, RIVALS

TOLERANCE = 1e-4  # how far any epoch's loss may be from the hand-written loop's, as a share of it
SHARE = {
    "plain loop": 8,
    "losses on the device": 8,
    "fused optimizer": 8,
    "scikit-learn": 4,
    "skorch": 20,
}
"""The slow ones run one epoch in so many of the others': times are for one step."""
ON_THE_HOST = {
    "NumPy",
    "NumPy, rows innermost",
    "scikit-learn",
}  # whatever the device of the others
PACKAGES = ("torch", "numpy", "scikit-learn", "jax", "skorch")
ONE_THREAD = {
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    "NPROC": "1",
}


@dataclass(frozen=True)
class Row:
    """One way: why not (`obstacle`), or its seconds a step, and how far its losses are.

    `prepared`: the seconds that its first run, from nothing, took over the later ones; a stall of the machine counts too.
    """

    name: str
    epochs: int
    obstacle: str = ""
    step: Measurement | None = None
    prepared: float = 0.0
    loss_error: float = 0.0


@dataclass(frozen=True)
class Race:
    """All rows, the hand-written loop's first; `threads` are torch's, and the others' if it is 1."""

    threads: int
    epochs: int
    compiler_seconds: float
    rows: tuple[Row, ...]
    versions: dict[str, str]
    machine: Machine
    origin: Origin

    @property
    def disagreeing(self) -> list[str]:
        """The names of those whose losses are not the hand-written loop's."""
        return [row.name for row in self.rows if not row.loss_error <= TOLERANCE]

    @property
    def best(self) -> Row:
        """The library's quickest way, preparation not counted."""
        ours = {way.name for way in WAYS}
        return min(
            (row for row in self.rows if row.step and row.name in ours),
            key=lambda row: row.step.median,
        )

    def row(self, name: str) -> Row:
        """The row called `name`."""
        return next(row for row in self.rows if row.name == name)


def run_race(
    model: nn.Module,
    data: IrisSplit,
    *,
    epochs: int,
    repeats: int,
    lr: float = 0.01,
    ways: tuple[Way, ...] = WAYS + RIVALS,
) -> Race:
    """Train copies of `model` in all `ways`, keep how far their losses are off, then time them in turn."""
    ways = (HAND_WRITTEN, *ways)
    counts = {way.name: epochs // SHARE.get(way.name, 1) for way in ways}
    tried = {way.name: try_way(way, model, data, counts[way.name], lr)[:3] for way in ways}
    runs = {name: run for name, (_, run, _) in tried.items() if run}
    devices = {name: "cpu" if name in ON_THE_HOST else data.device for name in runs}
    times = measure_in_turn(runs, device=devices, warmup=0, repeats=repeats)
    reference = tried[HAND_WRITTEN.name][2]
    rows = tuple(
        _row(counts[name], times.get(name), reference, *outcome) for name, outcome in tried.items()
    )
    asked = any(needs_compiler in way.needs for way in ways)
    why_not, seconds = ready_compiler(data.device) if asked else ("not asked", 0.0)
    set_up = 0.0 if why_not else seconds
    return Race(
        torch.get_num_threads(),
        epochs,
        set_up,
        rows,
        _versions(),
        describe_machine(),
        Origin.here(data.device),
    )


def _row(
    epochs: int, time: Measurement | None, reference: Tensor, rung: Rung, run, losses: Tensor | None
) -> Row:
    if run is None:
        return Row(rung.name, epochs, rung.obstacle)
    step = replace(time, samples=tuple(seconds / epochs for seconds in time.samples))
    return Row(
        rung.name,
        epochs,
        "",
        step,
        max(rung.first_seconds - time.median, 0.0),
        loss_error(reference[:epochs], losses),
    )


def loss_error(reference: Tensor, losses: Tensor) -> float:
    """The largest difference of any epoch's loss, as a share of the reference; infinite if they are not as many."""
    if losses.shape != reference.shape:
        return float("inf")
    return float(((losses.double() - reference.double()) / reference.double()).abs().max())


def _versions() -> dict[str, str]:
    installed = {dist.name.lower(): dist.version for dist in metadata.distributions() if dist.name}
    return {name: installed[name] for name in PACKAGES if name in installed}


def limit_threads(threads: int) -> None:
    """Torch, NumPy and JAX with `threads` threads; JAX, which must not have been imported, knows only one or its own."""
    torch.set_num_threads(threads)
    threadpool_limits(threads)
    os.environ.update(ONE_THREAD if threads == 1 else {})


def main() -> int:
    """Run one race, print its table and write it down; 1 if losses disagree."""
    from tests.benchmarks.report import goals, table

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=0, help="0: as many as each package chooses")
    parser.add_argument("--epochs", type=int, default=20_000)
    parser.add_argument("--repeats", type=int, default=8)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    os.environ |= {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"} | (
        {"JAX_PLATFORMS": "cpu"} if asked.device == "cpu" else {}
    )
    if asked.threads:
        limit_threads(asked.threads)
    torch.manual_seed(42)
    device = choose_device(asked.device)
    race = run_race(MLP().to(device), load_iris(device), epochs=asked.epochs, repeats=asked.repeats)
    print(table(race))
    if asked.json:
        asked.json.write_text(
            json.dumps(asdict(race) | {"goals": goals(race)}, indent=1, ensure_ascii=False),
            encoding="utf-8",
        )
    return int(bool(race.disagreeing))


if __name__ == "__main__":
    sys.exit(main())
