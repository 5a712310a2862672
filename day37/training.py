"""Lessons 1, 2, 4 and 5: the training loop. Full batch, so one epoch is one step."""

import sys
import threading
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from math import isfinite, nan

import torch
from torch import Tensor, nn

from day37.checks import check_fit, positive_number, require, whole_number
from day37.data import IrisSplit
from day37.results import Live, Origin, show_seconds
from day37.timing import Stopwatch

EPOCHS = 20_000  # of the lessons' training
INTERRUPTED = "interrupted"


@dataclass(frozen=True)
class TrainingRun:
    """What one training gave: `losses[i]` was the loss of epoch `epochs_read[i]`; times in seconds.

    `epochs`: those really run; `reads`: waits for losses; `stopped`: empty, or what ended it early.
    """

    name: str
    losses: tuple[float, ...]
    epochs_read: tuple[int, ...]
    epochs: int
    reads: int
    seconds: float
    origin: Origin
    stopped: str = ""

    def __post_init__(self):
        whole_number("epochs", self.epochs, least=0)
        whole_number("reads", self.reads, least=0)
        most = len(self.epochs_read)
        losses = f"{len(self.losses)} values"
        require(len(self.losses) == most, "losses", losses, f"as many as epochs_read, {most}")

    @property
    def interrupted(self) -> bool:
        """Whether the stop button ended it."""
        return self.stopped == INTERRUPTED

    @property
    def step_us(self) -> float:
        """Microseconds an epoch, reads included; NaN if no epoch was run."""
        return self.seconds / self.epochs * 1e6 if self.epochs else nan

    def __repr__(self) -> str:
        time = f"{show_seconds(self.seconds)} ({self.step_us:.1f} µs each)"
        loss = f"last loss {self.losses[-1]:.4f}, " if self.losses else ""
        reads = f"{self.reads:,} read{'s' * (self.reads != 1)}"
        head = f"{self.name}: {self.epochs:,} epochs in {time}, {loss}{reads}"
        stopped = [f"stopped: {self.stopped}"] if self.stopped else []
        return "\n  ".join([head, str(self.origin), *stopped])


def train(
    model: nn.Module,
    data: IrisSplit,
    *,
    epochs: int = EPOCHS,
    lr: float = 0.01,
    read_loss_every: int = 1,
    progress: bool = True,
    on_read: Callable[[int, float], object] | None = None,
    name: str = "train",
) -> TrainingRun:
    """Train `model` in place on the training rows, both on one device, and return the run.

    The loss is brought to the host every `read_loss_every` epochs; nothing else waits for the
    device. `on_read(epoch, loss)` is called at each read and stops the training by returning True.
    An interrupt, and a loss that is no longer finite (seen at the next read), end it early, and
    `stopped` says why. ValueError or TypeError for a bad argument, before the first step; torch's
    own RuntimeError for model and data on two devices.
    """
    epochs = whole_number("epochs", epochs)
    every = whole_number("read_loss_every", read_loss_every, most=epochs)
    lr = positive_number("lr", lr)
    fits = on_read is None or callable(on_read)
    require(fits, "on_read", on_read, "callable, or None", TypeError)
    check_fit(model, data)

    loss_fn = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    losses = []
    done = 0
    stopped = ""
    with Stopwatch(data.device) as watch:
        try:
            for epoch in bar(range(1, epochs + 1), "epoch", progress):
                loss = loss_fn(model(data.x_train), data.y_train)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                done = epoch
                if epoch % every == 0:
                    losses.append(loss.item())  # synchronisation point: the host waits
                    stopped = _reason_to_stop(epoch, losses[-1], on_read)
                if stopped:
                    break
        except KeyboardInterrupt:
            stopped = INTERRUPTED
    return _finished(name, losses, every, done, len(losses), watch, stopped)


def train_and_keep(
    model: nn.Module, data: IrisSplit, *, epochs=EPOCHS, lr=0.01, progress=True, name="kept"
) -> TrainingRun:
    """As `train` without `on_read`: each loss stays on the device; all are read once at the end."""
    epochs = whole_number("epochs", epochs)
    lr = positive_number("lr", lr)
    check_fit(model, data)
    step = make_step(model, data, lr=lr)
    kept = torch.empty(epochs, dtype=data.x_train.dtype, device=data.device)
    done = 0
    stopped = ""
    with Stopwatch(data.device) as watch:
        try:
            for epoch in bar(range(1, epochs + 1), "epoch", progress):
                kept[epoch - 1] = step().detach()  # no waiting: this stays on the device
                done = epoch
        except KeyboardInterrupt:
            stopped = INTERRUPTED
        losses = kept[:done].tolist()  # synchronisation point, the only one
    return _finished(name, losses, 1, done, 1, watch, stopped)


def make_step(model: nn.Module, data: IrisSplit, *, lr: float = 0.01, **optimizer):
    """A function that does one step, as `train` does, and returns the loss as a tensor.

    It changes `model`, and waits for nothing. Further arguments go to torch.optim.SGD.
    """
    loss_fn = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, **optimizer)
    loss = None  # kept until the next step has its own: else freeing it counts in the step

    def step() -> Tensor:
        nonlocal loss
        loss = loss_fn(model(data.x_train), data.y_train)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return step


def bar(items: Sequence, unit: str, progress: bool = True) -> Iterable:
    """The items, one by one, with a progress bar if one is wanted and tqdm is installed."""
    if not progress or find_spec("tqdm") is None:
        return items
    from tqdm import tqdm

    return tqdm(items, unit=unit, mininterval=0.5, leave=False, file=sys.stdout)


def _reason_to_stop(epoch: int, loss: float, on_read: Callable | None = None) -> str:
    """Empty, or why the training ends at this read."""
    if not isfinite(loss):
        return f"the loss is {loss} at epoch {epoch:,}: training has failed, try a smaller lr"
    if on_read is not None and on_read(epoch, loss) is True:
        return f"on_read returned True at epoch {epoch:,}"
    return ""


def _finished(name, losses, every, done, reads, watch, stopped) -> TrainingRun:
    """The run. Warns if a loss is not finite (one that was kept is seen only now)."""
    at = tuple(every * (i + 1) for i in range(len(losses)))
    failed = [i for i, loss in enumerate(losses) if not isfinite(loss)]
    if failed:
        reason = _reason_to_stop(at[failed[0]], losses[failed[0]])
        stopped = stopped or reason
        if threading.current_thread() is threading.main_thread():  # else it shows in any cell
            warnings.warn(reason, RuntimeWarning, stacklevel=3)
    origin = Live.here(watch.device)
    return TrainingRun(name, tuple(losses), at, done, reads, watch.seconds, origin, stopped)


@torch.no_grad()
def accuracy(model: nn.Module, data: IrisSplit) -> float:
    """The share, 0 to 1, of the test rows whose right class gets the model's highest score."""
    right = model(data.x_test).argmax(dim=1) == data.y_test
    return right.float().mean().item()  # synchronisation point
