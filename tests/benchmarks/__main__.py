"""`make bench`: what the library costs beside hand-written code, measured in turn. Fails if it costs too much."""

import contextlib
import io
import statistics
import subprocess
import sys

import torch
from torch import nn

from day37 import MLP, compare, load_iris, train

EPOCHS, LOOP_LIMIT, IMPORT_LIMIT = 10_000, 1.02, 0.1
IMPORT = "import time, torch; start = time.perf_counter(); import day37; print(time.perf_counter() - start)"


def hand_written(data):
    """Lesson 1's loop."""
    torch.manual_seed(42)
    model, loss_fn, losses = MLP(), nn.CrossEntropyLoss(), []
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    for _ in range(EPOCHS):
        loss = loss_fn(model(data.x_train), data.y_train)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def with_train(data):
    """The same by `train`, with its progress bar drawn where nobody looks."""
    torch.manual_seed(42)
    with contextlib.redirect_stdout(io.StringIO()):
        return list(train(MLP(), data, epochs=EPOCHS, progress=True).losses)


def main() -> int:
    """Print both figures; 1 if either is over its limit."""
    torch.set_num_threads(1)
    data = load_iris()
    assert hand_written(data) == with_train(data)
    loop = compare(lambda: hand_written(data), lambda: with_train(data), names=("hand-written", "train"), warmup=1, repeats=12)
    print(f"train over the hand-written loop ({EPOCHS:,} epochs), {LOOP_LIMIT} at most:\n  {loop}")
    adds = [float(subprocess.check_output([sys.executable, "-c", IMPORT])) for _ in range(9)]
    print(
        f"import day37 adds to import torch, {IMPORT_LIMIT} s at most:\n  median {statistics.median(adds):.3f} s of {len(adds)}"
    )
    return int(loop.ratio > LOOP_LIMIT or statistics.median(adds) > IMPORT_LIMIT)


if __name__ == "__main__":
    sys.exit(main())
