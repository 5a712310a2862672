"""Lesson 1: a console that trains: Start, Stop, and the loss curve as it grows."""

import asyncio
import io
import math
import sys
import threading
from collections.abc import Callable

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import imsave

from day37.data import IrisSplit
from day37.model import MLP
from day37.results import Live, show_seconds
from day37.show.axes import dress
from day37.show.controls import LABEL, Control
from day37.timing import Stopwatch
from day37.training import EPOCHS, TrainingRun, accuracy, train

SHARE = 0.01  # of the time, at most, goes into drawing, and as much into messages
PAUSE = 0.1  # seconds from one message to the page to the next, at least


class Paced:
    """A function that is called only as often as it may: to take no more than `SHARE` of the time.

    It is called once at the beginning, to know what it takes.
    """

    def __init__(self, fn: Callable, *first):
        self.fn = fn
        self._call(*first)

    def __call__(self, *arguments) -> None:
        """Call the function, if it is due."""
        if self._since.so_far() >= self._pause:
            self._call(*arguments)

    def _call(self, *arguments) -> None:
        with Stopwatch() as watch:
            self.fn(*arguments)
        self._pause = max(PAUSE, watch.seconds / SHARE)
        self._since = Stopwatch().__enter__()  # runs on; its block never ends


class TrainingConsole(Control):
    """Start, Stop, epochs, learning rate and hidden width; progress, loss curve, test accuracy.

    `run` is the last TrainingRun, also after Stop, and `model` what it trained; `error` what it
    failed with. The training goes on in a thread of its own, and seeds torch's generator there;
    `await console.done()` waits for it. Stop is heard at the next read, every `read_loss_every`
    epochs; with ipykernel below 7 not while a cell runs, and then the status says so. A new console
    stops the last one's training.
    """

    last: "TrainingConsole | None" = None

    def __init__(
        self,
        data: IrisSplit,
        *,
        epochs: int = EPOCHS,
        lr: float = 0.01,
        seed: int = 42,
        read_loss_every: int = 1,
    ):
        self.data = data
        self.seed = seed
        self.every = read_loss_every
        self.run: TrainingRun | None = None
        self.model: MLP | None = None
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        if TrainingConsole.last is not None:  # a cell was run again: the old Stop is gone
            TrainingConsole.last._stop.set()
        TrainingConsole.last = self
        super().__init__(lambda widgets: self._rows(widgets, epochs, lr))
        if self.box is not None:
            self._say("Press Start.")
            self._frame = self._new_frame(1.0)
            self._draw([], [])
            self.start.on_click(lambda _: self.begin())
            self.stop.on_click(lambda _: self._stop.set())

    def _rows(self, widgets, epochs: int, lr: float) -> list[list]:
        whole = widgets.BoundedIntText
        self.epochs = whole(epochs, min=self.every, max=10_000_000, description="epochs")
        self.lr = widgets.BoundedFloatText(
            lr, min=1e-6, max=100, step=0.01, description="learning rate", style=LABEL
        )
        self.hidden = whole(10, min=1, max=10_000, description="hidden width", style=LABEL)
        button = widgets.Button
        hint = "train a new model from the start"
        self.start = button(description="Start", icon="play", tooltip=hint)
        hint = "end the training, keep the run so far"
        self.stop = button(description="Stop", icon="stop", tooltip=hint, disabled=True)
        self.bar = widgets.IntProgress(0, min=0, max=epochs, description="progress")
        return [[self.epochs, self.lr, self.hidden], [self.start, self.stop, self.bar]]

    def begin(self) -> None:
        """Start a new training, unless one is going on."""
        if self.box is None:
            return
        with self.turn:
            if self._thread is not None and self._thread.is_alive():
                return
            self._stop.clear()
            self.run = None
            self.model = None
            self.error = None
            self.start.disabled = True
            self.stop.disabled = False
            self.bar.max = self.epochs.value
            asked = (self.epochs.value, self.lr.value, self.hidden.value, torch.get_num_threads())
            self._thread = threading.Thread(target=self._work, args=asked, daemon=True)
            self._thread.start()

    async def done(self) -> TrainingRun | None:
        """The run, once no training is going on; the toolbar's stop ends it as Stop does."""
        try:
            while self._thread is not None and self._thread.is_alive():
                await asyncio.sleep(0.05)
        except asyncio.CancelledError:
            self._stop.set()
            self._thread.join()
        return self.run

    def _work(self, epochs: int, lr: float, hidden: int, threads: int) -> None:
        """What the thread does: train, and show it."""
        torch.set_num_threads(threads)  # each thread has a setting of its own
        read = []
        losses = []

        def on_read(epoch: int, loss: float) -> bool:
            read.append(epoch)
            losses.append(loss)
            try:
                progress(epoch, epochs, watch)
                draw(read, losses)
            except Exception as error:  # it ends the training, and what was read so far is kept
                self.error = error
            return self._stop.is_set() or self.error is not None

        try:
            self._frame = self._new_frame(1.0)
            draw = Paced(self._draw, [], [])
            with Stopwatch() as watch:
                progress = Paced(self._show_progress, 0, epochs, watch)
                torch.manual_seed(self.seed)
                model = MLP(hidden=hidden).to(self.data.device)
                how = {"epochs": epochs, "lr": lr, "read_loss_every": self.every}
                how |= {"progress": False, "name": "console"}
                self.run = train(model, self.data, on_read=on_read, **how)
            self.model = model
            if self.error is not None:
                raise self.error
            self._draw(read, losses)
            self._show_end(self.run, accuracy(model, self.data))
        except Exception as error:
            self.fail(error)
        finally:
            self.start.disabled = False
            self.stop.disabled = True

    def _say(self, text: str) -> None:
        deaf = says_if_deaf()
        self.status.value = f"{text}<br>{deaf}" if deaf else text

    def _show_progress(self, epoch: int, epochs: int, watch: Stopwatch) -> None:
        rate = epoch / watch.so_far()
        left = f", {show_seconds((epochs - epoch) / rate)} left" if rate else ""
        self.bar.value = epoch
        self._say(f"{epoch:,} of {epochs:,} epochs, {rate:,.0f} a second{left}")

    def _show_end(self, run: TrainingRun, share: float) -> None:
        self.bar.value = run.epochs
        why = "Stop" if self._stop.is_set() else run.stopped
        stopped = "" if not run.stopped else f" (ended early: {why})"
        time = f"{run.epochs:,} epochs in {show_seconds(run.seconds)}{stopped}"
        self._say(f"{time}; test accuracy {share:.3f}")

    def _draw(self, epochs: list[int], losses: list[float]) -> None:
        """The curve so far. The frame is drawn again only if the curve would leave it."""
        if losses and not max(losses) <= self._frame.axes.get_ylim()[1]:
            self._frame = self._new_frame(max(losses))
        self.picture.value = self._frame.draw(epochs, losses)

    def _new_frame(self, highest: float) -> "Frame":
        title = f"The loss as it is read\n{Live.here(self.data.device)}"
        return Frame(self.bar.max, highest, title)


def says_if_deaf() -> str:
    """Empty, or that this kernel hears no button while a cell runs, and what to do then."""
    kernel = sys.modules.get("ipykernel")
    if kernel is None or kernel.version_info[0] >= 7:
        return ""
    version = f"ipykernel {kernel.__version__}"
    return f"While a cell runs, no button is heard here ({version}): interrupt the cell first."


class Frame:
    """Axes from 0 to `epochs`, up to `highest`, drawn once, as that takes most of the time.

    `draw` adds the line.
    """

    def __init__(self, epochs: int, highest: float, title: str):
        figure = Figure(figsize=(6, 3), layout="constrained", dpi=120)
        self.canvas = FigureCanvasAgg(figure)
        self.axes = dress(figure.subplots(), "epoch", "cross-entropy loss", title)
        top = 1.2 * highest if 0 < highest < math.inf else 1
        self.axes.set(xlim=(0, epochs), ylim=(0, top))
        (self.line,) = self.axes.plot([], [], animated=True)
        self.canvas.draw()
        self.empty = self.canvas.copy_from_bbox(figure.bbox)

    def draw(self, epochs: list[int], losses: list[float]) -> bytes:
        """The frame with the line in it, as PNG.

        Of many losses, the lowest and the highest of each few: no peak is lost.
        """
        step = 1 + len(losses) // 500
        whole = len(losses) // step * step
        few = np.reshape(losses[:whole], (-1, step))
        x = np.repeat(epochs[step - 1 : whole : step], 2)
        self.line.set_data(x, np.column_stack([few.min(1), few.max(1)]).ravel())
        self.canvas.restore_region(self.empty)
        self.axes.draw_artist(self.line)
        picture = io.BytesIO()
        fast = {"compress_level": 1}
        imsave(picture, self.canvas.buffer_rgba(), format="png", pil_kwargs=fast)
        return picture.getvalue()
