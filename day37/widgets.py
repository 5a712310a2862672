"""Every interactive control, a thin face on the functions above. Without ipywidgets a control says so and does nothing."""

import asyncio
import html
import threading
import warnings
from collections.abc import Callable, Sequence

import torch
from matplotlib.axes import Axes

from day37.callables import Call
from day37.costs import Growth
from day37.data import IrisSplit
from day37.gpu_names import read_gpu_name
from day37.model import MLP
from day37.plots import draw_png, new_axes, plot_calls, plot_growth, plot_interval, plot_losses, plot_timeline
from day37.reads import ReadSweep, fit_cost
from day37.records import Recording, side_by_side
from day37.schedule import STEPS, KnownMachine, StepCosts
from day37.timing import clock, show_seconds
from day37.training import TrainingRun, accuracy, train

SHARE = 0.02  # of the time, at most, goes into drawing
OFTEN = 0.1  # seconds from one message to the page to the next, at least
WRAP = {"flex_flow": "row wrap"}  # on a narrow page the fields stand below each other
FIGURE, SCROLL = {"min_width": "600px", "max_width": "100%"}, {"overflow": "auto"}  # what is zoomed in is not shrunk again
WIDE = {"style": {"description_width": "8.5em"}, "layout": {"width": "27em", "max_width": "100%"}}
ROUND = [n * 10**k for k in range(6) for n in (1, 2, 5)]  # 1, 2, 5, 10, … for the sliders


class Control:
    """Rows of fields, a line of status, and a picture. `box` is None without ipywidgets; `error`, what last went wrong."""

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
        if self._setting:  # as another field's follower: it redraws once
            return
        try:
            self._setting = True
            for other, follows in (self.follow(name, value) if self.follow else {}).items():
                self.fields[other].value = follows
        finally:
            self._setting = False
        self.redraw()

    def redraw(self) -> None:
        """Show what the fields say now."""
        try:
            self.status.value, self.picture.value = self.show(**{name: field.value for name, field in self.fields.items()})
            self.error = None
        except Exception as error:  # a callback's error would end in a log that nobody reads
            self.fail(error)

    def add_button(self, text: str, icon: str, action: Callable[[], None]) -> None:
        """A button after the fields; nothing without ipywidgets."""
        if self.box is None:
            return
        from ipywidgets import Button

        button = Button(description=text, icon=icon, tooltip=text)
        button.on_click(lambda _: action())
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
    training goes on in a thread of its own; `await console.done()` waits for it. A new console stops the last one's.
    """

    last: "TrainingConsole | None" = None

    def __init__(self, data: IrisSplit, *, epochs: int = 20_000, lr: float = 0.01, seed: int = 42, read_loss_every: int = 1):
        self.data, self.seed, self.every = data, seed, read_loss_every
        self.run: TrainingRun | None = None
        self.model: MLP | None = None
        self._thread: threading.Thread | None = None
        self._line = None
        self._stop = threading.Event()
        if TrainingConsole.last is not None:
            TrainingConsole.last._stop.set()  # a cell that is run again shows a new console, and the old one's Stop is gone
        TrainingConsole.last = self

        def rows(widgets) -> list[list]:
            self.epochs = widgets.BoundedIntText(epochs, min=read_loss_every, max=10_000_000, description="epochs")
            self.lr = widgets.BoundedFloatText(lr, min=1e-6, max=100, step=0.01, description="lr")
            self.hidden = widgets.BoundedIntText(10, min=1, max=10_000, description="hidden")
            self.start = widgets.Button(description="Start", icon="play", tooltip="train a new model from the start")
            self.stop = widgets.Button(
                description="Stop", icon="stop", disabled=True, tooltip="end the training, keep the run so far"
            )
            self.bar = widgets.IntProgress(0, min=0, max=epochs, description="progress")
            return [[self.epochs, self.lr, self.hidden], [self.start, self.stop, self.bar]]

        super().__init__(rows)
        if self.box is not None:
            self.status.value = "Press Start."
            self._draw([], [])
            self.start.on_click(lambda _: self.begin())
            self.stop.on_click(lambda _: self._stop.set())

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
            with warnings.catch_warnings():  # one would be printed in whatever cell runs now; the status tells it
                warnings.filterwarnings("ignore", "the loss is .* training has failed", RuntimeWarning)
                self.run = train(model, self.data, **how, progress=False, name="console")
            self.model = model
            self._draw(read, losses)
            self._show_end(self.run, accuracy(model, self.data))
        except Exception as error:  # shown where the reader looks, and kept
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
        self.picture.value = draw_png(self._plot, epochs, losses)

    def _plot(self, epochs: list[int], losses: list[float]) -> Axes:
        if self._line is None:
            (self._line,) = new_axes("epoch", "cross-entropy loss", "", size=(6, 3)).plot([], [])
        axes, step = self._line.axes, 1 + len(losses) // 500
        if axes.get_title():
            axes.figure.set_layout_engine("none")  # it was laid out once; to do so again takes as long as to draw
        axes.set_title(f"LIVE, {self.data.device}: {len(losses):,} losses read", fontsize="medium")
        self._line.set_data(epochs[::step], losses[::step])
        axes.relim()
        axes.autoscale_view()
        return axes


def _choice(widgets, names: Sequence[str], description: str, value: int = 0):
    """A row of buttons, one for each name; its value is the index. (JupyterLab takes the keys that a list would need.)"""
    options = [(f"{i}. {name}", i - 1) for i, name in enumerate(names, 1)]
    style, layout = {"button_width": "min(27em, 100% - 4px)", "description_width": "8.5em"}, {"max_width": "100%"}
    return widgets.ToggleButtons(options=options, value=value, description=description, style=style, layout=layout)


def choose_machines(recordings: Sequence[Recording]) -> Explorer:
    """Two machines side by side: card, times, losses; and a field that reads any GPU's name."""
    names = [recording.name for recording in recordings]

    def fields(widgets) -> dict:
        return {
            "left": _choice(widgets, names, "left"),
            "right": _choice(widgets, names, "right", min(1, len(names) - 1)),
            "gpu": widgets.Text("NVIDIA GeForce RTX 4070 Laptop GPU", description="a GPU's name", **WIDE),
        }

    def show(left: int, right: int, gpu: str) -> tuple[str, bytes]:
        both = [recordings[left], recordings[right]]
        reading = html.escape(repr(read_gpu_name(gpu))) if gpu.strip() else "type a GPU's name"
        cell = "<td style='padding: 0 1em 0 0; vertical-align: top; line-height: 1.4'>{}</td>"
        rows = ["".join(cell.format(html.escape(text)) for text in row) for row in side_by_side(*both)]
        table = "<table>" + "".join(f"<tr>{row}</tr>" for row in rows) + "</table>"
        runs = [run for recording in (both if left != right else both[:1]) for run in recording.runs.values()]
        return f"<p>{reading}</p>{table}", draw_png(plot_losses, *runs, title="Left and right: the losses")

    return Explorer(show, fields)


def explore_step(machines: Sequence[KnownMachine], *, steps: int = STEPS) -> Explorer:
    """Launches, launch cost, kernel time, read cost and interval → a few steps on a timeline, the total, what binds."""
    intervals = [n for n in ROUND if n <= steps]

    def values(costs: StepCosts) -> dict:
        """What the sliders say of these costs; they hold no less than a nanosecond."""
        times = {name: max(getattr(costs, name) * 1e6, 1e-3) for name in ("launch", "kernel", "read")}
        return {"launches": costs.launches, **times, "every": costs.every}

    def fields(widgets) -> dict:
        first = values(machines[0].costs)
        most = max(500, *(machine.costs.launches for machine in machines))
        log = {"min": -3, "max": 4, "step": 0.02, "readout_format": ".3g", **WIDE}
        names = [str(machine.origin) for machine in machines]
        return {
            "machine": _choice(widgets, names, "start from"),
            "launches": widgets.IntSlider(first["launches"], 1, most, description="launches a step", **WIDE),
            "launch": widgets.FloatLogSlider(first["launch"], description="launch (µs)", **log),
            "kernel": widgets.FloatLogSlider(first["kernel"], description="kernel (µs)", **log),
            "read": widgets.FloatLogSlider(first["read"], description="read (µs)", **log),
            "every": widgets.SelectionSlider(options=intervals, value=first["every"], description="steps to a read", **WIDE),
        }

    def show(machine: int, launches: int, launch: float, kernel: float, read: float, every: int) -> tuple[str, bytes]:
        known = machines[machine]
        costs = StepCosts(launches, launch * 1e-6, kernel * 1e-6, read * 1e-6, every, known.costs.queued)
        shares = ", ".join(f"{name} {share:.0%}" for name, share in costs.savings(steps).items())
        total = f"{steps:,} steps: {show_seconds(costs.total(steps))}"
        text = f"<b>{total}; what binds: {costs.binding(steps)}</b><br>saved if a cost were nothing: {shares}"
        about = f"{known.check()}{'; ' + known.note if known.note else ''}"
        finding = f"modelled: {total}, what binds: {costs.binding(steps)}"
        picture = draw_png(plot_timeline, costs.timeline(known.origin), finding=finding)
        return f"{text}<br>{html.escape(f'{known.origin}: {about}')}", picture

    return Explorer(show, fields, follow=lambda name, value: values(machines[value].costs) if name == "machine" else {})


def explore_crossover(growths: Sequence[Growth]) -> Explorer:
    """Rows and width over what was measured → which setting is faster there, and by how much."""
    all_rows, all_widths = (sorted({size[i] for growth in growths for size in growth.sizes}) for i in (0, 1))
    names = [str(next(iter(growth.times.values()))[0].origin) for growth in growths]

    def fields(widgets) -> dict:
        return {
            "measured": _choice(widgets, names, "measured on"),
            "rows": widgets.SelectionSlider(options=all_rows, description="rows", **WIDE),
            "width": widgets.SelectionSlider(options=all_widths, description="hidden width", **WIDE),
        }

    def show(measured: int, rows: int, width: int) -> tuple[str, bytes]:
        growth = growths[measured]
        if not any(size[1] == width for size in growth.sizes):
            return f"width {width:,} was not measured there", b""
        picture = draw_png(plot_growth, growth.along(width=width), title=f"A step at width {width:,}", mark=rows)
        if (rows, width) not in growth.sizes:
            return f"{rows:,} rows at width {width:,} were not measured: choose fewer rows, or a smaller width", picture
        lines = []
        for held in growth.at(rows, width):
            fast, low, high = held.speed_up
            step = f"{show_seconds(held.second.median)} a step against {show_seconds(held.first.median)}"
            much = f"{fast:.2f} times as fast (interval {low:.2f} to {high:.2f})"
            lines.append(f"<b>{held.second.name}: {held.verdict}</b> than {held.first.name}: {much}; {step}")
        return "<br>".join(lines), picture

    return Explorer(show, fields)


def explore_interval(run: TrainingRun, sweeps: Sequence[ReadSweep]) -> Explorer:
    """Steps between reads → the reads, the time by the model fitted to a sweep, and what one sees of `run`'s curve."""
    models = [fit_cost(sweep) for sweep in sweeps]
    names = [str(sweep.origin) for sweep in sweeps]

    def fields(widgets) -> dict:
        options = [n for n in ROUND if n <= run.epochs]
        return {
            "every": widgets.SelectionSlider(options=options, value=1, description="steps to a read", **WIDE),
            "costs": _choice(widgets, names, "costs of"),
        }

    def show(every: int, costs: int) -> tuple[str, bytes]:
        model, reads = models[costs], run.epochs // every
        time, read = model.predict(run.epochs, reads), f"{reads:,} read{'s' * (reads > 1)}"
        text = f"<b>{run.epochs:,} steps with {read}: {time}</b>, by the model<br>{html.escape(model.verdict)}"
        return text, draw_png(plot_interval, run, model, every, origin=sweeps[costs].origin)

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
        lines = []
        for depth, call in tree.walk():
            line = html.escape(f"{'▶' if call is current else ' '} {'    ' * depth}{call.line()}")
            lines.append(f"<b>{line}</b>" if call is current else line)
        source = html.escape(current.source()) or "outside every forward: the line that calls the model"
        pre = "<pre style='line-height: 1.4; margin: 0 2em 0 0; white-space: pre; overflow-x: auto'>{}</pre>"
        now = f"<b>{event} of {len(events)}: {html.escape(current.line())} {'returns' if ended else 'begins'}</b>"
        beside = pre.format("\n".join(lines)) + pre.format(source)
        return f"{now}<div style='display: flex; flex-wrap: wrap'>{beside}</div>", draw_png(plot_calls, tree, event=event)

    explorer = Explorer(show, fields)
    explorer.add_button("Back", "step-backward", lambda: move(-1))
    explorer.add_button("Forward", "step-forward", lambda: move(1))
    return explorer
