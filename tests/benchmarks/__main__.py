"""`make bench`: what the library costs beside hand-written code, and its ways to train beside other libraries'.

Fails if `train`, the console or `import day37` costs too much, or if the losses of any two ways to train disagree.
"""

import argparse
import asyncio
import contextlib
import io
import json
import random
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

from day37 import MLP, compare, judge, load_iris, train
from day37.hardware import Origin
from day37.timing import Measurement
from day37.widgets import TrainingConsole
from tests.benchmarks.rivals import hand_written

EPOCHS, LOOP_LIMIT, CONSOLE_LIMIT, IMPORT_LIMIT = 10_000, 1.02, 1.05, 0.1
IMPORT = "import time, torch; start = time.perf_counter(); import day37; print(time.perf_counter() - start)"


def new_model() -> MLP:
    """The same start weights each time."""
    torch.manual_seed(42)
    return MLP()


def by_hand(data) -> list[float]:
    """Lesson 1's loop."""
    return hand_written(new_model(), data, EPOCHS, 0.01)().tolist()


def with_train(data) -> list[float]:
    """The same by `train`, with its progress bar drawn where nobody looks."""
    with contextlib.redirect_stdout(io.StringIO()):
        return list(train(new_model(), data, epochs=EPOCHS, progress=True).losses)


def check_loop() -> dict:
    """`train` over the hand-written loop, on one thread."""
    torch.set_num_threads(1)
    data = load_iris()
    assert by_hand(data) == with_train(data)
    loop = compare(
        lambda: by_hand(data),
        lambda: with_train(data),
        names=("hand-written", "train"),
        warmup=1,
        repeats=12,
    )
    print(f"train over the hand-written loop ({EPOCHS:,} epochs), {LOOP_LIMIT} at most:\n  {loop}")
    samples = {"hand_written": loop.first.samples, "train": loop.second.samples}
    return {"ratio": loop.ratio, **samples, "over": loop.ratio > LOOP_LIMIT}


def check_console(pairs: int = 14) -> dict:
    """A training of lesson 1 under the console over one without, in turn, each by its own clock."""
    console, data, runs = TrainingConsole(load_iris()), load_iris(), {"train": [], "console": []}

    def under_the_console():
        console.begin()
        return asyncio.run(console.done())

    ways = {"train": lambda: train(new_model(), data, progress=False), "console": under_the_console}
    draw = random.Random(0)
    for _ in range(pairs + 1):
        for name in draw.sample(list(ways), 2):
            runs[name].append(ways[name]())
    assert len({run.losses for each in runs.values() for run in each}) == 1
    seconds = {
        name: tuple(run.seconds for run in each[1:]) for name, each in runs.items()
    }  # the first is a warm-up
    times = [Measurement(name, taken, Origin.here("cpu")) for name, taken in seconds.items()]
    held = judge(*times)
    print(
        f"a training under lesson 1's console over one without (20,000 epochs), {CONSOLE_LIMIT} at most:\n  {held}"
    )
    return {"ratio": held.ratio, **seconds, "over": held.ratio > CONSOLE_LIMIT}


def check_import() -> dict:
    """The seconds that importing day37 adds to importing torch."""
    adds = [float(subprocess.check_output([sys.executable, "-c", IMPORT])) for _ in range(9)]
    median = statistics.median(adds)
    print(
        f"import day37 adds to import torch, {IMPORT_LIMIT} s at most:\n  median {median:.3f} s of {len(adds)}"
    )
    return {"seconds": adds, "over": median > IMPORT_LIMIT}


def race(folder: str, *options: str) -> tuple[dict, bool]:
    """What a race in a process of its own wrote down, and whether it failed."""
    file = Path(folder) / "race.json"
    file.unlink(missing_ok=True)
    command = [sys.executable, "-m", "tests.benchmarks.competitors", *options, "--json", str(file)]
    failed = subprocess.run(command).returncode != 0
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {"goals": []}, failed


def races() -> list[tuple[dict, bool]]:
    """One thread, all threads and, where there is one, a CUDA GPU; fewer rounds where threads or queues may stall."""
    settings = [("--threads", "1"), ("--repeats", "5")] + (
        [("--device", "cuda", "--repeats", "5")] if torch.cuda.is_available() else []
    )
    done = []
    with tempfile.TemporaryDirectory() as folder:
        for options in settings:
            print(flush=True)
            done.append(race(folder, *options))
    return done


def main() -> int:
    """Print all figures and goals and write them down; 1 if a limit is broken or losses disagree."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--json", type=Path, default=Path("bench.json"))
    file = parser.parse_args().json
    checks, done = (
        {"loop": check_loop(), "console": check_console(), "import": check_import()},
        races(),
    )
    for result, _ in done:
        print(
            f"\ngoals, {result.get('threads')} thread(s), {result.get('origin', {}).get('device')}"
        )
        print(
            "\n".join(
                f"  {goal['verdict']}: {goal['goal']}: {goal['found']}" for goal in result["goals"]
            )
        )
    file.write_text(
        json.dumps(
            checks | {"races": [result for result, _ in done]}, indent=1, ensure_ascii=False
        ),
        encoding="utf-8",
    )
    print(f"\nevery sample is in {file}")
    return int(any(check["over"] for check in checks.values()) or any(failed for _, failed in done))


if __name__ == "__main__":
    sys.exit(main())
