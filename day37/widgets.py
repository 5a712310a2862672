"""Every interactive control, a thin face on the functions above. Without ipywidgets a control says so and does nothing."""

import asyncio
import html
import io
import math
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import cache

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import imsave

from day37.arguments import require
from day37.callables import Call
from day37.costs import Growth
from day37.data import IrisSplit
from day37.gpu_names import read_gpu_name
from day37.hardware import show_origins
from day37.model import MLP
from day37.plots import check_complete, draw_png, dress, plot_calls, plot_growth, plot_interval, plot_losses, plot_timeline
from day37.reads import ReadSweep, fit_cost
from day37.records import Recording, side_by_side
from day37.schedule import STEPS, KnownMachine, StepCosts
from day37.timing import clock, show_seconds
from day37.training import TrainingRun, accuracy, train

SHARE = 0.01  # of the time, at most, goes into drawing, and as much into messages
OFTEN = 0.1  # seconds from one message to the page to the next, at least
WRAP = {"flex_flow": "row wrap"}  # on a narrow page the fields stand below each other
FIGURE, SCROLL = {"min_width": "600px", "max_width": "100%"}, {"overflow": "auto"}  # what is zoomed in is not shrunk again
LABEL = {"description_width": "8.5em"}
WIDE = {"style": LABEL, "layout": {"width": "27em", "max_width": "100%"}}
DRAWN = 10  # steps at most on the model's timeline
ROUND = [n * 10**k for k in range(6) for n in (1, 2, 5)]  # 1, 2, 5, 10, … for the sliders


class Control:
    """Rows of fields, a line of status, and a picture. `box` is None without ipywidgets; `error`, what last went wrong."""

    # One at a time: ipykernel may hand a page's messages to two threads, and what began earlier must not be shown last.
    turn = threading.RLock()

    def __init__(self, rows: Callable):
        self.box = self.error = None
        try:
            import ipywidgets
        except ImportError:
            return
        self.status, self.picture = ipywidgets.HTML(), ipywidgets.Image(format="png", layout=FIGURE)
        lines = [ipywidgets.HBox(row, layout=WRAP) for row in rows(ipywidgets)]
        for field in (field for line in lines for field in line.children):
            field.tooltip = field.tooltip or field.description  # else the page says "null"
        self.box = ipywidgets.VBox([*lines, self.status, ipywidgets.Box([self.picture], layout=SCROLL)])

    def _repr_mimebundle_(self, **how):
        if self.box is None:
            return {"text/plain": "no controls here: ipywidgets is not installed"}
        return self.box._repr_mimebundle_(**how)

    def fail(self, error: Exception) -> None:
        """Show the error where the reader looks, and keep it."""
        self.error = error
        self.status.value = f"<b>{type(error).__name__}</b>: {html.escape(str(error))}"


class Explorer(Control):
    """Fields by name; at each change `show`, called with their values, gives the status (HTML) and the picture (PNG).

    `follow(name, value)`: what other fields are set to when this one changes.
    """

    def __init__(self, show: Callable[..., tuple[str, bytes]], fields: Callable[..., dict], *, follow: Callable | None = None):
        self.show, self.fields, self.follow, self._setting = show, {}, follow, False

        def rows(widgets) -> list[list]:
            self.fields = fields(widgets)
            return [list(self.fields.values())]

        super().__init__(rows)
        for name, field in self.fields.items():
            field.observe(lambda change, name=name: self._changed(name, change["new"]), "value")
        if self.fields:
            self.redraw()

    def _changed(self, name: str, value) -> None:
        with self.turn:
            if not self._setting:  # else one of several at once
                self._guard(lambda: self.set(self.follow(name, value) if self.follow else {}))

    def set(self, values: Mapping) -> None:
        """Set the fields to these values, by name, and show them once."""
        with self.turn:
            try:
                self._setting = True
                for name, value in values.items():
                    self.fields[name].value = value
            finally:
                self._setting = False
            self.redraw()

    def redraw(self) -> None:
        """Show what the fields say now."""
        self._guard(self._redraw)

    def _redraw(self) -> None:
        self.status.value, self.picture.value = self.show(**{name: field.value for name, field in self.fields.items()})
        self.error = None

    def _guard(self, action: Callable[[], None]) -> None:
        with self.turn:
            try:
                action()
            except Exception as error:  # a callback's error would end in a log that nobody reads
                self.fail(error)

    def add_button(self, text: str, icon: str, action: Callable[[], None]) -> None:
        """A button after the fields; nothing without ipywidgets."""
        if self.box is None:
            return
        from ipywidgets import Button

        button = Button(description=text, icon=icon, tooltip=text)
        button.on_click(lambda _: self._guard(action))
        self.box.children[0].children += (button,)


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


class TrainingConsole(Control):
    """Start, Stop, epochs, learning rate and hidden width; progress, the growing loss curve, and the test accuracy.

    `run` is the last TrainingRun, also after Stop, and `model` what it trained; `error` what it failed with. The
    training goes on in a thread of its own, and seeds torch's generator there; `await console.done()` waits for it. Stop
    is heard at the next read, every `read_loss_every` epochs. A new console stops the last one's training.
    """

    last: "TrainingConsole | None" = None

    def __init__(self, data: IrisSplit, *, epochs: int = 20_000, lr: float = 0.01, seed: int = 42, read_loss_every: int = 1):
        self.data, self.seed, self.every = data, seed, read_loss_every
        self.run: TrainingRun | None = None
        self.model: MLP | None = None
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        if TrainingConsole.last is not None:
            TrainingConsole.last._stop.set()  # a cell that is run again shows a new console, and the old one's Stop is gone
        TrainingConsole.last = self

        def rows(widgets) -> list[list]:
            self.epochs = widgets.BoundedIntText(epochs, min=read_loss_every, max=10_000_000, description="epochs")
            self.lr = widgets.BoundedFloatText(lr, min=1e-6, max=100, step=0.01, description="learning rate", style=LABEL)
            self.hidden = widgets.BoundedIntText(10, min=1, max=10_000, description="hidden width", style=LABEL)
            self.start = widgets.Button(description="Start", icon="play", tooltip="train a new model from the start")
            self.stop = widgets.Button(
                description="Stop", icon="stop", disabled=True, tooltip="end the training, keep the run so far"
            )
            self.bar = widgets.IntProgress(0, min=0, max=epochs, description="progress")
            return [[self.epochs, self.lr, self.hidden], [self.start, self.stop, self.bar]]

        super().__init__(rows)
        if self.box is not None:
            self.status.value = "Press Start."
            self._frame = self._new_frame(1.0)
            self._draw([], [])
            self.start.on_click(lambda _: self.begin())
            self.stop.on_click(lambda _: self._stop.set())

    def begin(self) -> None:
        """Start a new training, unless one is going on."""
        with self.turn:
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
            try:
                progress(epoch, epochs, begun)
                draw(read, losses)
            except Exception as error:  # it ends the training, and what was read so far is kept
                self.error = error
            return self._stop.is_set() or self.error is not None

        try:
            self._frame = self._new_frame(1.0)
            draw, progress, begun = Paced(self._draw, [], []), Paced(self._show_progress, 0, epochs, clock()), clock()
            torch.manual_seed(self.seed)
            model = MLP(hidden=hidden).to(self.data.device)
            how = {"epochs": epochs, "lr": lr, "read_loss_every": self.every, "on_read": on_read}
            self.run = train(model, self.data, **how, progress=False, name="console")
            self.model = model
            if self.error is not None:
                raise self.error
            self._draw(read, losses)
            self._show_end(self.run, accuracy(model, self.data))
        except Exception as error:
            self.fail(error)
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
        """The curve so far, in a frame that is drawn again only if the curve would leave it: that takes most of the time."""
        if losses and not max(losses) <= self._frame.axes.get_ylim()[1]:
            self._frame = self._new_frame(max(losses))
        self.picture.value = self._frame.draw(epochs, losses)

    def _new_frame(self, highest: float) -> "_Frame":
        return _Frame(self.bar.max, highest, f"LIVE, {self.data.device}: the loss as it is read")


class _Frame:
    """Axes for a curve from 0 to `epochs` that rises to `highest` at most, drawn once; `draw` adds the line."""

    def __init__(self, epochs: int, highest: float, title: str):
        figure = Figure(figsize=(6, 3), layout="constrained", dpi=120)
        self.canvas, self.axes = FigureCanvasAgg(figure), dress(figure.subplots(), "epoch", "cross-entropy loss", title)
        self.axes.set(xlim=(0, epochs), ylim=(0, 1.2 * highest if 0 < highest < math.inf else 1))
        (self.line,) = self.axes.plot([], [], animated=True)
        self.canvas.draw()
        self.empty = self.canvas.copy_from_bbox(figure.bbox)

    def draw(self, epochs: list[int], losses: list[float]) -> bytes:
        """The frame with the line in it, as PNG. Of many losses, of each few the lowest and the highest: no peak is lost."""
        step = 1 + len(losses) // 500
        whole = len(losses) // step * step
        rows = np.reshape(losses[:whole], (-1, step))
        self.line.set_data(np.repeat(epochs[step - 1 : whole : step], 2), np.column_stack([rows.min(1), rows.max(1)]).ravel())
        self.canvas.restore_region(self.empty)
        self.axes.draw_artist(self.line)
        picture = io.BytesIO()
        imsave(picture, self.canvas.buffer_rgba(), format="png", pil_kwargs={"compress_level": 1})
        return picture.getvalue()


def _choice(widgets, names: Sequence[str], description: str, value: int = 0):
    """A row of buttons, one for each name; its value is the index. (JupyterLab takes the keys that a list would need.)"""
    options = [(f"{i}. {name}", i - 1) for i, name in enumerate(names, 1)]
    style, layout = LABEL | {"button_width": "min(36em, 100% - 4px)"}, {"max_width": "100%"}
    return widgets.ToggleButtons(options=options, value=value, description=description, style=style, layout=layout)


def _lines(first: str, *others: str) -> str:
    """Plain text as HTML, a line each, the first one bold."""
    return "<br>".join([f"<b>{html.escape(first)}</b>", *map(html.escape, others)])


def choose_machines(recordings: Sequence[Recording]) -> Explorer:
    """Two machines side by side: card, times, losses; and a field that reads any GPU's name. ValueError for no recording."""
    require(len(recordings) > 0, "recordings", recordings, "one or more")
    names = [recording.name for recording in recordings]

    def fields(widgets) -> dict:
        return {
            "left": _choice(widgets, names, "left"),
            "right": _choice(widgets, names, "right", min(1, len(names) - 1)),
            "gpu": widgets.Text("NVIDIA GeForce RTX 4070 Laptop GPU", description="a GPU's name", **WIDE),
        }

    @cache  # not drawn again at every letter of a name
    def picture(left: int, right: int) -> bytes:
        runs = [run for i in dict.fromkeys((left, right)) for run in recordings[i].runs.values()]
        return draw_png(plot_losses, *runs, title="Left and right: the losses")

    def show(left: int, right: int, gpu: str) -> tuple[str, bytes]:
        reading = repr(read_gpu_name(gpu)) if gpu.strip() else "type a GPU's name"
        cell = "<td style='padding: 0 1em 0 0; vertical-align: top; line-height: 1.4'>{}</td>"
        table = side_by_side(recordings[left], recordings[right])
        rows = ["".join(cell.format(html.escape(text)) for text in row) for row in table]
        return f"{_lines(reading)}<table>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>", picture(left, right)

    return Explorer(show, fields)


def explore_step(machines: Sequence[KnownMachine], *, steps: int = STEPS) -> Explorer:
    """Five costs of a step, from a machine's on → a few steps on a timeline, the total, what binds. ValueError for no machine."""
    require(len(machines) > 0, "machines", machines, "one or more")

    def values(machine: int) -> dict:
        """What the sliders say of its costs; they hold no less than a nanosecond."""
        costs = machines[machine].costs
        times = {name: max(getattr(costs, name) * 1e6, 1e-3) for name in ("launch", "kernel", "read")}
        return {"launches": costs.launches, **times, "every": costs.every}

    def fields(widgets) -> dict:
        most = max(500, *(machine.costs.launches for machine in machines))
        log = {"min": -3, "max": 4, "step": 0.02, "readout_format": ".3g", **WIDE}
        intervals = sorted({*(n for n in ROUND if n <= steps), *(machine.costs.every for machine in machines)})
        made = {
            "machine": _choice(widgets, [str(machine.origin) for machine in machines], "start from"),
            "launches": widgets.IntSlider(min=1, max=most, description="launches a step", **WIDE),
            "launch": widgets.FloatLogSlider(description="launch (µs)", **log),
            "kernel": widgets.FloatLogSlider(description="kernel (µs)", **log),
            "read": widgets.FloatLogSlider(description="read (µs)", **log),
            "every": widgets.SelectionSlider(options=intervals, description="steps to a read", **WIDE),
        }
        for name, value in values(0).items():
            made[name].value = value
        return made

    def show(machine: int, launches: int, launch: float, kernel: float, read: float, every: int) -> tuple[str, bytes]:
        known = machines[machine]
        start, times = values(machine), {"launch": launch, "kernel": kernel, "read": read}
        for name, us in times.items():  # a slider has steps: where it stands on the machine's own, that is meant
            times[name] = getattr(known.costs, name) if 0.97 < us / start[name] < 1.03 else us * 1e-6
        costs, drawn = StepCosts(launches, every=every, queued=known.costs.queued, **times), min(max(every, 3), DRAWN)
        shares = ", ".join(f"{name} {share:.0%}" for name, share in costs.savings(steps).items())
        origin = f"started from {known.origin}: {'; '.join(filter(None, [known.check(), known.note]))}"
        below = f"the first {drawn} steps{', no read yet' if every > drawn else ''}, started from"
        finding = f"modelled: {costs.finding(steps)}\n{below}"
        picture = draw_png(plot_timeline, costs.timeline(known.origin, drawn), finding=finding)
        return _lines(costs.finding(steps), f"saved if one cost were nothing: {shares}", origin), picture

    explorer = Explorer(show, fields, follow=lambda name, value: values(value) if name == "machine" else {})
    explorer.add_button("Back to the start", "undo", lambda: explorer.set(values(explorer.fields["machine"].value)))
    return explorer


def explore_crossover(growths: Sequence[Growth]) -> Explorer:
    """Rows and width over what was measured → which setting is faster there, by how much. ValueError for no growth."""
    require(len(growths) > 0, "growths", growths, "one or more")
    all_rows, all_widths = (sorted({size[i] for growth in growths for size in growth.sizes}) for i in (0, 1))
    names = [show_origins(*(row[0].origin for row in growth.times.values())) for growth in growths]

    def fields(widgets) -> dict:
        return {
            "measured": _choice(widgets, names, "measured on"),
            "rows": widgets.SelectionSlider(options=all_rows, description="rows", **WIDE),
            "width": widgets.SelectionSlider(options=all_widths, description="hidden width", **WIDE),
        }

    def show(measured: int, rows: int, width: int) -> tuple[str, bytes]:
        growth = growths[measured]
        near = min((size[1] for size in growth.sizes), key=lambda measured_width: abs(measured_width - width))
        picture = draw_png(plot_growth, growth.along(width=near), title=f"A step at width {near:,}", mark=rows)
        if (rows, width) not in growth.sizes:
            most = max(size[0] for size in growth.sizes if size[1] == near)
            return _lines(f"{rows:,} rows at width {width:,} were not measured there; at width {near:,}, up to {most:,}"), picture
        says = []
        for held in growth.at(rows, width):
            fast, low, high = held.speed_up
            says.append(f"{str(held).splitlines()[0]}: {fast:.3g} times as fast ({low:.3g} to {high:.3g})")
        return _lines(*(says or ["only one setting was measured there"])), picture

    return Explorer(show, fields)


def explore_interval(run: TrainingRun, sweeps: Sequence[ReadSweep]) -> Explorer:
    """Steps between reads → the reads, the time by the model fitted to a sweep, and what one sees of `run`'s curve.

    ValueError for no sweep, a sweep that cannot be fitted, or a run of which not every loss was kept.
    """
    require(len(sweeps) > 0, "sweeps", sweeps, "one or more")
    check_complete(run)
    models = [fit_cost(sweep) for sweep in sweeps]

    def fields(widgets) -> dict:
        options = [n for n in ROUND if n <= run.epochs]
        return {
            "every": widgets.SelectionSlider(options=options, value=1, description="steps to a read", **WIDE),
            "costs": _choice(widgets, [str(sweep.origin) for sweep in sweeps], "costs of"),
        }

    def show(every: int, costs: int) -> tuple[str, bytes]:
        model, reads = models[costs], run.epochs // every
        says = f"{run.epochs:,} steps with {reads:,} read{'s' * (reads > 1)}: {model.predict(run.epochs, reads)}, by the model"
        return _lines(says, model.verdict), draw_png(plot_interval, run, model, every, origin=sweeps[costs].origin)

    return Explorer(show, fields)


def step_through(tree: Call) -> Explorer:
    """Forward and back through a call tree: where it is in the tree, and beside it the line of the model that calls."""
    events = tree.events()

    def fields(widgets) -> dict:
        return {"event": widgets.IntSlider(1, 1, len(events), description="event", **WIDE)}

    def move(by: int) -> None:
        slider = explorer.fields["event"]
        slider.value = min(max(slider.value + by, slider.min), slider.max)

    def show(event: int) -> tuple[str, bytes]:
        current, ended = events[event - 1]
        nowhere = "called from outside the model" if current is tree else "called by __call__, outside every forward"
        source, now = html.escape(current.source()) or nowhere, "returns" if ended else "begins"
        lines = []
        for depth, call in tree.walk():
            line = html.escape(f"{'▶' if call is current else ' '} {'    ' * depth}{call.line()}")
            lines.append(f"<b>{line}: {now}</b>" if call is current else line)
        pre = "<pre style='line-height: 1.4; margin: 0 2em 0 0; white-space: pre; overflow-x: auto'>{}</pre>"
        beside = pre.format("\n".join(lines)) + pre.format(source)
        head = _lines(f"{event} of {len(events)}: {current.line()} {now}")
        return f"{head}<div style='display: flex; flex-wrap: wrap'>{beside}</div>", draw_png(plot_calls, tree, event=event)

    explorer = Explorer(show, fields)
    explorer.add_button("Back", "step-backward", lambda: move(-1))
    explorer.add_button("Forward", "step-forward", lambda: move(1))
    return explorer
