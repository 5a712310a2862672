"""The training loop, as lesson 1 writes it: full batch, so one epoch is one step."""

import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import isfinite, nan

import torch
from torch import nn

from day37.arguments import positive_number, require, whole_number
from day37.data import IrisSplit
from day37.hardware import Origin
from day37.timing import Stopwatch, show_seconds


@dataclass(frozen=True)
class TrainingRun:
    """What one training gave: `losses[i]` was the loss of epoch `epochs_read[i]`; times in seconds.

    `epochs` counts the epochs that were really run and `reads` how often the host waited for losses. `stopped` is
    empty if all epochs were run, else it says what ended them.
    """

    name: str
    losses: tuple[float, ...]
    epochs_read: tuple[int, ...]
    epochs: int
    reads: int
    seconds: float
    origin: Origin
    stopped: str = ""

    @property
    def finished(self) -> bool:
        """Whether all the epochs asked for were run."""
        return not self.stopped

    @property
    def step_us(self) -> float:
        """Microseconds an epoch, reads included; NaN if no epoch was run."""
        return self.seconds / self.epochs * 1e6 if self.epochs else nan

    def __repr__(self) -> str:
        loss = f"last loss {self.losses[-1]:.4f}, " if self.losses else ""
        text = f"{self.name}: {self.epochs:,} epochs in {show_seconds(self.seconds)} ({self.step_us:.1f} µs each), "
        text += f"{loss}{self.reads:,} reads\n  {self.origin}"
        return text + (f"\n  stopped: {self.stopped}" if self.stopped else "")


def train(
    model: nn.Module,
    data: IrisSplit,
    *,
    epochs: int = 20_000,
    lr: float = 0.01,
    read_loss_every: int = 1,
    keep: str = "reads",
    progress: bool = True,
    on_read: Callable[[int, float], object] | None = None,
    name: str = "train",
) -> TrainingRun:
    """Train `model` in place on the training rows, where both already are, and return the run.

    `keep="reads"` brings the loss to the host every `read_loss_every` epochs; `keep="device"` writes every epoch's
    loss into a tensor on the device and brings all of them over once. `on_read(epoch, loss)` is called at each read
    and stops the training by returning True. The clock is synchronised at both ends; nothing else waits for the
    device, the progress bar neither (it needs tqdm and is left out without it).

    An interrupt, and a loss that is no longer finite (seen at the next read), end the run early: what was read so far
    comes back and `stopped` says why. A bad argument gets a ValueError or TypeError before the first step.
    """
    epochs, every = _check_reading(epochs, read_loss_every, keep, on_read)
    lr, on_device = positive_number("lr", lr), keep == "device"
    check_fit(model, data)
    step, losses, done, stopped = make_step(model, data, lr=lr), [], 0, ""
    kept = torch.empty(epochs if on_device else 0, dtype=data.x_train.dtype, device=data.device)
    with Stopwatch(data.device) as watch:
        try:
            for epoch in _count(epochs, progress):
                if on_device:
                    kept[epoch - 1] = step().detach()  # no waiting: this stays on the device
                elif epoch % every:
                    step()
                else:
                    losses.append(step().item())  # synchronisation point: the host waits for all that is queued
                    stopped = _reason_to_stop(epoch, losses[-1], on_read)
                done = epoch
                if stopped:
                    break
        except KeyboardInterrupt:
            stopped = "interrupted"
        losses = kept[:done].tolist() if on_device else losses  # synchronisation point where they are on the device
    at = tuple(range(every, every * len(losses) + 1, every))
    failed = next((_reason_to_stop(*read) for read in zip(at, losses, strict=True) if not isfinite(read[1])), "")
    if failed and threading.current_thread() is threading.main_thread():  # another thread's would appear in any cell
        warnings.warn(failed, RuntimeWarning, stacklevel=2)
    reads, origin = 1 if on_device else len(losses), Origin.here(data.device)
    return TrainingRun(name, tuple(losses), at, max(done, *at[-1:], 0), reads, watch.seconds, origin, failed or stopped)


def _check_reading(epochs, read_loss_every, keep, on_read) -> tuple[int, int]:
    """The epochs and the interval as ints, if all four can go together."""
    epochs = whole_number("epochs", epochs)
    every = whole_number("read_loss_every", read_loss_every, most=epochs)
    require(keep in ("reads", "device"), "keep", keep, "'reads' or 'device'")
    require(on_read is None or callable(on_read), "on_read", on_read, "callable, or None", TypeError)
    goes = keep == "reads" or (every == 1 and on_read is None)
    require(goes, "keep", keep, "'reads' where read_loss_every or on_read is given")
    return epochs, every


def _reason_to_stop(epoch: int, loss: float, on_read: Callable[[int, float], object] | None = None) -> str:
    """Empty, or why the training ends at this read."""
    if not isfinite(loss):
        return f"the loss is {loss} at epoch {epoch:,}, so training has failed: try a smaller lr"
    if on_read is not None and on_read(epoch, loss) is True:
        return f"on_read returned True at epoch {epoch:,}"
    return ""


def make_step(model: nn.Module, data: IrisSplit, *, lr: float = 0.01, **optimizer) -> Callable[[], torch.Tensor]:
    """A function that does one step (forward, loss, zero_grad, backward, optimizer step) and returns the loss tensor.

    It changes `model`. The loss stays on the device: nothing waits. Further arguments go to torch.optim.SGD.
    """
    loss_fn, optimizer = nn.CrossEntropyLoss(), torch.optim.SGD(model.parameters(), lr=lr, **optimizer)
    x, y = data.x_train, data.y_train
    loss = None  # kept until the next step has its own: freeing it later or sooner costs a hundredth of the step

    def step() -> torch.Tensor:
        nonlocal loss
        loss = loss_fn(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return step


def _count(epochs: int, progress: bool) -> Iterator[int]:
    """1, 2, … epochs, behind a progress bar that is told of every hundredth and knows nothing of the device."""
    try:
        from tqdm import tqdm
    except ImportError:
        progress = False
    if not progress:
        yield from range(1, epochs + 1)
        return
    with tqdm(total=epochs, unit="epoch", mininterval=0.5, leave=False, file=sys.stdout) as bar:
        for first in range(1, epochs + 1, 100):
            chunk = range(first, min(first + 100, epochs + 1))
            yield from chunk
            bar.update(len(chunk))


def check_fit(model: nn.Module, data: IrisSplit) -> None:
    """ValueError or TypeError unless `data` can train `model`: rows, width, dtypes, labels, one device for both.

    The width and the number of classes are read from the model's first and last linear layer.
    """
    require(isinstance(model, nn.Module), "model", model, "an nn.Module", TypeError)
    require(isinstance(data, IrisSplit), "data", type(data).__name__, "an IrisSplit", TypeError)
    parameters, x, y = [p for p in model.parameters() if p.requires_grad], data.x_train, data.y_train
    require(len(parameters) > 0, "model", type(model).__name__, "a module with parameters to train")
    rows = x.shape[0]
    require(rows > 0 and y.shape == (rows,), "data", tuple(y.shape), "a split with rows, and one label for each row")
    device, dtype = parameters[0].device, parameters[0].dtype
    where = f"x_train on {x.device}, y_train on {y.device}"
    require(x.device == y.device == device, "data", where, f"on the model's device, {device}")
    require(x.device.type != "meta", "data", f"on {x.device}", "on a device that computes")
    require(x.dtype == dtype, "data.x_train", x.dtype, f"of the model's dtype, {dtype}", TypeError)
    require(y.dtype == torch.int64, "data.y_train", y.dtype, "of dtype torch.int64", TypeError)
    linear = [m for m in model.modules() if isinstance(m, nn.Linear)]
    if linear:
        width, classes = linear[0].in_features, linear[-1].out_features
        require(x.ndim == 2 and x.shape[1] == width, "data.x_train", tuple(x.shape), f"of shape (rows, {width})")
        low, high = int(y.min()), int(y.max())
        require(low >= 0 and high < classes, "data.y_train", f"labels {low} to {high}", f"labels from 0 to {classes - 1}")


@torch.no_grad()
def accuracy(model: nn.Module, data: IrisSplit) -> float:
    """The share, 0 to 1, of the test rows to which the model gives its highest score in the right class."""
    return (model(data.x_test).argmax(dim=1) == data.y_test).float().mean().item()  # synchronisation point
