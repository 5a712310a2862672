"""Every interactive control, a thin face on the functions above. Without ipywidgets a control says so and does nothing."""

import asyncio
import html
import io
import threading
from collections.abc import Callable

import torch
from matplotlib.figure import Figure

from day37.data import IrisSplit
from day37.model import MLP
from day37.plots import new_axes
from day37.timing import clock, show_seconds
from day37.training import TrainingRun, accuracy, train

SHARE = 0.03  # of the time, at most, goes into drawing
OFTEN = 0.1  # seconds from one message to the page to the next, at least


class Paced:
    """A function that is called only as often as it may: so that it takes no more than `SHARE` of the time.

    It is called once at the beginning, to know what it takes.
    """

    def __init__(self, fn: Callable, *first):
        self.fn = fn
        self._call(*first)

    def __call__(self, *arguments) -> None:
        """Call the function, if it is due."""
        if clock() >= self.next:
            self._call(*arguments)

    def _call(self, *arguments) -> None:
        start = clock()
        self.fn(*arguments)
        now = clock()
        self.next = now + max(OFTEN, (now - start) / SHARE)


class TrainingConsole:
    """Start, Stop, epochs, learning rate and hidden width; progress, the growing loss curve, and the test accuracy.

    `run` is the last TrainingRun, also after Stop, and `model` what it trained; `error` what it failed with. The
    training goes on in a thread of its own; `await console.done()` waits for it.
    """

    def __init__(self, data: IrisSplit, *, epochs: int = 20_000, lr: float = 0.01, seed: int = 42, read_loss_every: int = 1):
        self.data, self.seed, self.every = data, seed, read_loss_every
        self.run: TrainingRun | None = None
        self.model: MLP | None = None
        self.error: Exception | None = None
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        try:
            from ipywidgets import HTML, BoundedFloatText, BoundedIntText, Button, HBox, Image, IntProgress, VBox
        except ImportError:
            self.box = None
            return
        self.epochs = BoundedIntText(epochs, min=read_loss_every, max=10_000_000, description="epochs")
        self.lr = BoundedFloatText(lr, min=1e-6, max=100, step=0.01, description="lr")
        self.hidden = BoundedIntText(10, min=1, max=10_000, description="hidden")
        self.start = Button(description="Start", icon="play", tooltip="train a new model from the start")
        self.stop = Button(description="Stop", icon="stop", disabled=True, tooltip="end the training and keep the run so far")
        self.bar = IntProgress(0, min=0, max=epochs, description="epochs")
        self.status = HTML("Press Start.")
        self.curve = Image(format="png", layout={"max_width": "100%"})
        self.start.on_click(lambda _: self.begin())
        self.stop.on_click(lambda _: self._stop.set())
        rows = HBox([self.epochs, self.lr, self.hidden]), HBox([self.start, self.stop, self.bar])
        self.box = VBox([*rows, self.status, self.curve])

    def _repr_mimebundle_(self, **how):
        if self.box is None:
            return {"text/plain": "no controls here: ipywidgets is not installed"}
        return self.box._repr_mimebundle_(**how)

    def begin(self) -> None:
        """Start a new training, unless one is going on."""
        if self._thread is not None and self._thread.is_alive():
            return
        self._stop.clear()
        self.run = self.model = self.error = None
        self.start.disabled, self.stop.disabled, self.bar.max = True, False, self.epochs.value
        asked = self.epochs.value, self.lr.value, self.hidden.value, torch.get_num_threads()
        self._thread = threading.Thread(target=self._work, args=asked, daemon=True)
        self._thread.start()

    async def done(self) -> TrainingRun | None:
        """The run, once no training is going on; the toolbar's stop ends the training as Stop does."""
        try:
            while self._thread is not None and self._thread.is_alive():
                await asyncio.sleep(0.05)
        except asyncio.CancelledError:
            self._stop.set()
            self._thread.join()
        return self.run

    def _work(self, epochs: int, lr: float, hidden: int, threads: int) -> None:
        torch.set_num_threads(threads)  # each thread has a setting of its own
        read, losses = [], []

        def on_read(epoch: int, loss: float) -> bool:
            read.append(epoch)
            losses.append(loss)
            progress(epoch, epochs, begun)
            draw(read, losses)
            return self._stop.is_set()

        try:
            draw, progress, begun = Paced(self._draw, [], []), Paced(self._show_progress, 0, epochs, clock()), clock()
            torch.manual_seed(self.seed)
            model = MLP(hidden=hidden).to(self.data.device)
            how = {"epochs": epochs, "lr": lr, "read_loss_every": min(self.every, epochs), "on_read": on_read}
            self.run = train(model, self.data, **how, progress=False, name="console")
            self.model = model
            self._draw(read, losses)
            self._show_end(self.run, accuracy(model, self.data))
        except Exception as error:  # shown where the reader looks, and kept
            self.error = error
            self.status.value = f"<b>{type(error).__name__}</b>: {html.escape(str(error))}"
        finally:
            self.start.disabled, self.stop.disabled = False, True

    def _show_progress(self, epoch: int, epochs: int, begun: float) -> None:
        rate = epoch / (clock() - begun)
        left = f", {show_seconds((epochs - epoch) / rate)} left" if rate else ""
        self.bar.value, self.status.value = epoch, f"{epoch:,} of {epochs:,} epochs, {rate:,.0f} a second{left}"

    def _show_end(self, run: TrainingRun, share: float) -> None:
        self.bar.value = run.epochs
        stopped = "" if run.finished else f" (ended early: {'Stop' if self._stop.is_set() else run.stopped})"
        self.status.value = f"{run.epochs:,} epochs in {show_seconds(run.seconds)}{stopped}; test accuracy {share:.3f}"

    def _draw(self, epochs: list[int], losses: list[float]) -> None:
        figure, step, picture = Figure(figsize=(6, 3), layout="constrained"), 1 + len(losses) // 500, io.BytesIO()
        axes = new_axes("epoch", "cross-entropy loss", f"LIVE, {self.data.device}: {len(losses):,} losses read", figure=figure)
        axes.plot(epochs[::step], losses[::step])
        figure.savefig(picture, format="png")
        self.curve.value = picture.getvalue()
