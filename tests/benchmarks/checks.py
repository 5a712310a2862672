"""What the library costs: `train` beside the loop by hand, the console, `import day37`."""

import asyncio
import contextlib
import io
import random
import statistics
import subprocess
import sys

import torch

from day37 import MLP, TrainingConsole, compare, load_iris, train
from day37.results import Comparison, Live, Measurement
from day37.timing import judge
from tests.benchmarks.rivals import hand_written

IMPORT = "from time import perf_counter as now; import torch; start = now(); import day37"


def new_model() -> MLP:
    torch.manual_seed(42)
    return MLP()


def check(what: str, found: float, limit: float, samples: dict, details: str) -> dict:
    """One cost with every sample, printed; `over`: whether it is above its limit."""
    over = found > limit
    print(f"{what}: {found:.3f}, at most {limit}: {'BROKEN' if over else 'kept'}\n  {details}\n")
    return {"what": what, "found": found, "limit": limit, "over": over, "samples": samples}


def check_ratio(what: str, limit: float, held: Comparison) -> dict:
    samples = {time.name: time.samples for time in (held.first, held.second)}
    return check(what, held.ratio, limit, samples, repr(held))


def check_loop(epochs: int = 4000) -> dict:
    """`train`, its progress bar drawn where nobody looks, over the loop written by hand."""
    data = load_iris()

    def by_hand() -> list[float]:
        return hand_written(new_model(), data, epochs, 0.01)().tolist()

    def with_train() -> list[float]:
        with contextlib.redirect_stdout(io.StringIO()):
            return list(train(new_model(), data, epochs=epochs, progress=True).losses)

    assert by_hand() == with_train()
    names = ("hand-written", "train")
    held = compare(by_hand, with_train, names=names, warmup=0, repeats=12)
    return check_ratio(f"train over the hand-written loop, {epochs:,} epochs", 1.02, held)


def check_console(epochs: int = 8000, pairs: int = 10) -> dict:
    """A training under lesson 1's console over one without, in turn, each by its own clock."""
    data = load_iris()
    console = TrainingConsole(data, epochs=epochs)

    def under_the_console():
        console.begin()
        return asyncio.run(console.done())

    def without():
        return train(new_model(), data, epochs=epochs, progress=False)

    ways = {"train": without, "console": under_the_console}
    runs = {"train": [], "console": []}
    draw = random.Random(0)
    for _ in range(pairs + 1):
        for name in draw.sample(list(ways), 2):
            runs[name].append(ways[name]())
    assert len({run.losses for each in runs.values() for run in each}) == 1
    times = []
    for name, each in runs.items():
        seconds = tuple(run.seconds for run in each[1:])  # the first is a warm-up
        times.append(Measurement(name, seconds, Live.here("cpu")))
    what = f"a training under the console over one without, {epochs:,} epochs"
    return check_ratio(what, 1.05, judge(*times))


def check_import() -> dict:
    """The seconds that importing day37 adds to importing torch."""
    command = [sys.executable, "-c", f"{IMPORT}; print(now() - start)"]
    seconds = tuple(float(subprocess.check_output(command)) for _ in range(5))
    what = "seconds that import day37 adds to import torch"
    details = ", ".join(f"{each:.3f}" for each in seconds)
    return check(what, statistics.median(seconds), 0.1, {"import": seconds}, details)
