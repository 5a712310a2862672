"""Every figure of the lessons, each drawn from a result: axes with units, LIVE or RECORDED, and the spread."""

import io
from collections.abc import Callable, Sequence
from contextvars import ContextVar

import matplotlib.pyplot as plt
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from day37.arguments import require
from day37.callables import Call
from day37.costs import CopyCosts, Crossover, Growth
from day37.hardware import Origin, show_origins
from day37.overhead import PHASES, StepPhases, Timeline
from day37.reads import CostModel, ReadSweep
from day37.speedups import Ladder
from day37.timing import Comparison, Measurement, show_seconds
from day37.training import TrainingRun

# Okabe and Ito's colours, which colour-blind readers can tell apart; markers and dashes tell the same again.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES = ("-", "--", ":", "-.")
_apart: ContextVar[bool] = ContextVar("apart", default=False)  # each thread has its own


def new_axes(x: str, y: str, title: str, *, size: tuple[float, float] = (7, 3.8)) -> Axes:
    """Empty axes in a new figure, with labels, a title, a light grid, and a colour and dashes of its own for each line."""
    return dress(_new_figure(size).subplots(), x, y, title)


def _new_figure(size: tuple[float, float]) -> Figure:
    """A figure that the notebook shows after the cell, or, for `draw_png`, one that nobody else knows of."""
    return (Figure if _apart.get() else plt.figure)(figsize=size, layout="constrained")


def dress(axes: Axes, x: str, y: str, title: str) -> Axes:
    """The axes with labels, a title, a light grid, and a colour and dashes of its own for each line."""
    axes.set_prop_cycle(cycler(color=COLOURS * 4) + cycler(linestyle=DASHES * 7))  # 28 lines, no two alike
    axes.set(xlabel=x, ylabel=y)
    axes.set_title(title, fontsize="medium")
    axes.grid(alpha=0.3)
    return axes


def draw_png(plot: Callable[..., Axes], *arguments, **names) -> bytes:
    """What `plot(*arguments, **names)` draws, as a PNG picture. From any thread; no cell shows it by itself."""
    token, picture = _apart.set(True), io.BytesIO()
    try:
        plot(*arguments, **names).figure.savefig(picture, format="png", dpi=120)
    finally:
        _apart.reset(token)
    return picture.getvalue()


def plot_losses(*runs: TrainingRun, title: str = "The loss falls as the training goes on") -> Axes:
    """The losses of one run or several over the epochs at which they were read."""
    axes = new_axes("epoch", "cross-entropy loss", title)
    for run in runs:
        axes.plot(run.epochs_read, run.losses, label=f"{run.name}: {run.origin}", marker="." if len(run.losses) < 50 else None)
    axes.legend(fontsize="small")
    return axes


def plot_rows(x: Tensor, y: Tensor, feature_names: Sequence[str], class_names: Sequence[str]) -> Axes:
    """The rows by their last two features, scaled, a colour and a marker for each class."""
    across, up = (f"{name.removesuffix(' (cm)')} (scaled)" for name in feature_names[-2:])
    axes = new_axes(across, up, f"{len(x)} rows, by class (2 of {x.shape[1]} columns)")
    for i, name in enumerate(class_names):
        rows = x[y == i].cpu()
        axes.plot(rows[:, -2].numpy(), rows[:, -1].numpy(), MARKERS[i % 7], linestyle="", label=name, alpha=0.7)
    axes.legend(fontsize="small")
    return axes


def plot_confusion(truth: Tensor, predicted: Tensor, class_names: Sequence[str]) -> Axes:
    """How many test rows of each class (down) were given each class (across)."""
    from sklearn.metrics import ConfusionMatrixDisplay

    right = f"{int((truth == predicted).sum())} of {len(truth)} test rows are right"
    axes = new_axes("", "", right, size=(4.4, 3.8))
    axes.grid(False)
    style = {"labels": range(len(class_names)), "display_labels": class_names, "cmap": "Blues", "colorbar": False}
    ConfusionMatrixDisplay.from_predictions(truth.cpu().numpy(), predicted.cpu().numpy(), ax=axes, **style)
    axes.set(xlabel="predicted class", ylabel="true class")
    return axes


def plot_samples(*measurements: Measurement, title: str = "Every sample, in the order in which it was taken") -> Axes:
    """The raw samples of one measurement or several; a line marks each median, a band the middle half."""
    axes = new_axes("sample", "time (ms)", f"{title}\n{show_origins(*(m.origin for m in measurements))}")
    for i, m in enumerate(measurements):
        label, colour = f"{m.name}: median {show_seconds(m.median)}", COLOURS[i % 7]
        axes.plot(
            range(1, len(m.samples) + 1), np.multiply(m.samples, 1e3), MARKERS[i % 7], linestyle="", color=colour, label=label
        )
        axes.axhline(m.median * 1e3, color=colour, linestyle=DASHES[i % 4])
        axes.axhspan(*np.multiply(m.quartiles, 1e3), color=colour, alpha=0.15)
    axes.set_ylim(0, 1.1e3 * max(max(m.samples) for m in measurements))
    axes.legend(fontsize="small", loc="lower right")
    return axes


def plot_comparisons(*comparisons: Comparison, title: str) -> Axes:
    """Each comparison's ratio with its interval, beside the line at 1 where the two are equal."""
    origins = show_origins(*(m.origin for c in comparisons for m in (c.first, c.second)))
    axes = new_axes("ratio of the times, with its interval", "", f"{title}\n{origins}", size=(7, 2.6))
    for i, c in enumerate(comparisons):
        axes.errorbar(c.ratio, i, xerr=[[c.ratio - c.low], [c.high - c.ratio]], fmt=MARKERS[i % 7], capsize=5)
    axes.axvline(1, color="black", linestyle="--")
    names = [f"{c.second.name}\n÷ {c.first.name}:\n{c.verdict}" for c in comparisons]
    axes.set(yticks=range(len(names)), yticklabels=names, ylim=(-0.7, len(names) - 0.3))
    return axes


def plot_seconds(runs: Sequence[TrainingRun], *, title: str = "Seconds for the whole training") -> Axes:
    """A bar for each run with its seconds; recorded runs are hatched; the CPU has a colour of its own."""
    axes = new_axes("seconds", "", title, size=(8, 0.6 * len(runs) + 1.4))
    for i, run in enumerate(runs):
        hatch, colour = "//" if run.origin.recorded else None, COLOURS[0 if run.origin.device == "cpu" else 1]
        bar = axes.barh(i, run.seconds, color=colour, hatch=hatch, edgecolor="white")
        axes.bar_label(bar, [f"{run.seconds:.2f} s"], padding=3)
    labels = [f"{run.name}\n{run.origin}" for run in runs]
    axes.set(yticks=range(len(runs)), xlim=(0, 1.2 * max(run.seconds for run in runs)))
    axes.set_yticklabels(labels, fontsize="small")
    axes.invert_yaxis()
    return axes


def plot_phases(phases: StepPhases) -> Axes:
    """The phases of a step stacked, above the whole step measured in turn with them."""
    title = f"Where a step's time goes\n{phases.whole.origin}"
    axes = new_axes("µs per step (medians; line: the whole's middle half)", "", title, size=(7, 2.8))
    left, (low, high), middle = 0.0, phases.whole.quartiles, phases.whole.median
    for i, (name, m) in enumerate(phases.phases.items()):
        axes.barh("phases", m.median * 1e6, left=left, color=COLOURS[i], label=name, edgecolor="white")
        left += m.median * 1e6
    spread = [[(middle - low) * 1e6], [(high - middle) * 1e6]]
    axes.barh("whole step", middle * 1e6, xerr=spread, color="lightgrey", hatch="//", edgecolor="grey")
    return _legend_below(axes)


def plot_timeline(timeline: Timeline, *, finding: str | None = None) -> Axes:
    """The host's phases above, the device's work below, over the same time. `finding`: the title, if not the timeline's own."""
    title = f"{finding or timeline.finding()}\n{timeline.origin}"
    axes = new_axes("µs", "", title[0].upper() + title[1:], size=(9, 2.8))
    for i, name in enumerate(dict.fromkeys(span.name for span in timeline.host)):
        spans = [(s.start * 1e6, (s.end - s.start) * 1e6) for s in timeline.host if s.name == name]
        axes.broken_barh(spans, (1.1, 0.8), color=COLOURS[i], label=name)
    on_cpu = timeline.origin.device == "cpu"
    work = "operation" if on_cpu else "kernel or copy"
    spans = [(s.start * 1e6, (s.end - s.start) * 1e6) for s in timeline.device]
    axes.broken_barh(spans, (0.1, 0.8), color="black", linewidth=0, label=work)
    axes.set(yticks=[0.5, 1.5], yticklabels=["operations" if on_cpu else "device", "host"])
    return _legend_below(axes)


def _legend_below(axes: Axes) -> Axes:
    axes.figure.legend(fontsize="small", ncols=len(PHASES) + 1, loc="outside lower center")
    return axes


def plot_copies(*costs: CopyCosts) -> Axes:
    """Copy time over size, both on logarithmic axes: flat (latency), then a slope (bandwidth)."""
    origins = show_origins(*(cost.times[0].origin for cost in costs))
    axes = new_axes("bytes copied", "time (µs)", f"A small copy costs its latency, a large one its bytes\n{origins}")
    for i, cost in enumerate(costs):
        _with_spread(axes, cost.sizes, cost.times, i, f"from the host to {cost.times[0].origin.device}")
    return axes


def plot_growth(
    growth: Growth, *, over: str = "rows", title: str, crossover: Crossover | None = None, mark: int | None = None
) -> Axes:
    """A step's time as `over`, "rows" or "width", grows; where `crossover` says "cannot tell" is shaded; a line at `mark`."""
    which = ("rows", "width").index(over)
    origins = show_origins(*(row[0].origin for row in growth.times.values()))
    axes = new_axes(("rows in the batch", "hidden width")[which], "µs per step", f"{title}\n{origins}")
    if crossover is not None and crossover.faster_at is not None and crossover.slower_at is not None:
        axes.axvspan(crossover.slower_at[which], crossover.faster_at[which], color="grey", alpha=0.3, label="cannot tell")
    if mark is not None:
        axes.axvline(mark, color="black", linestyle="--", label="here", zorder=0)
    for i, (name, times) in enumerate(growth.times.items()):
        _with_spread(axes, [size[which] for size in growth.sizes], times, i, name)
    return axes


def _with_spread(axes: Axes, x: Sequence[float], times: Sequence[Measurement], i: int, label: str) -> None:
    """Medians in µs with a band for the middle half, on logarithmic axes."""
    low, high = np.transpose([m.quartiles for m in times]) * 1e6
    axes.plot(x, [m.median * 1e6 for m in times], marker=MARKERS[i % 7], label=label)
    axes.fill_between(x, low, high, color=COLOURS[i % 7], alpha=0.2)
    axes.set(xscale="log", yscale="log")
    axes.legend(fontsize="small")


def plot_sweep(sweep: ReadSweep, model: CostModel) -> Axes:
    """Every run's µs per epoch over its reads per epoch, with the fitted line."""
    axes = new_axes("reads per epoch", "µs per epoch", f"{model.verdict}\n{sweep.origin}")
    reads = np.array([run.reads / run.epochs for run in sweep.runs])
    times = np.array([run.step_us for run in sweep.runs])
    top = 1.5 * np.median(times)
    far = f" ({(times > top).sum()} above the figure)" if (times > top).any() else ""
    axes.plot(reads, times, "o", linestyle="", alpha=0.5, label=f"one run{far}")
    epochs, line = float(np.median([run.epochs for run in sweep.runs])), np.geomspace(reads.min(), reads.max(), 50)
    fitted = [model.predict(epochs, share * epochs).value / epochs * 1e6 for share in line]
    axes.plot(line, fitted, label="fitted: fixed + epochs·a + reads·b")
    axes.set(xscale="log", ylim=(None, min(top, axes.get_ylim()[1])))
    axes.legend(fontsize="small")
    return axes


def check_complete(run: TrainingRun) -> None:
    """ValueError unless every epoch's loss is in the run."""
    require(0 < len(run.losses) == run.epochs, "run", f"{len(run.losses)} losses of {run.epochs} epochs", "a run with every loss")


def plot_interval(run: TrainingRun, model: CostModel, every: int, *, origin: Origin) -> Axes:
    """Left: what of `run`'s curve one sees with a read every `every` steps. Right: the time, by the model of `origin`.

    ValueError unless every loss of the run was kept.
    """
    check_complete(run)
    seen, reads = slice(every - 1, None, every), run.epochs // every
    left, right = _new_figure((9, 3.4)).subplots(1, 2)
    dress(left, "epoch", "cross-entropy loss", f"Steps to a read {every:,}: {reads:,} losses\n{run.origin}")
    left.plot(run.epochs_read, run.losses, color="lightgrey", label="every loss")
    left.plot(run.epochs_read[seen], run.losses[seen], color=COLOURS[0], marker="o" if reads < 50 else None, label="those read")
    left.legend(fontsize="small")
    dress(right, "steps to a read", f"seconds for {run.epochs:,} steps", f"By the fitted model, with its interval\n{origin}")
    intervals = np.unique(np.geomspace(1, run.epochs, 60).astype(int))
    spread = [model.predict(run.epochs, run.epochs / interval) for interval in intervals]
    right.plot(intervals, [each.value for each in spread], color=COLOURS[1])
    right.fill_between(intervals, [each.low for each in spread], [each.high for each in spread], color=COLOURS[1], alpha=0.2)
    here = model.predict(run.epochs, reads)
    right.errorbar(every, here.value, [[here.value - here.low], [here.high - here.value]], fmt="o", color="black", capsize=5)
    right.set(xscale="log", ylim=(0, 1.2 * max(each.high for each in spread)))
    return left


def plot_calls(tree: Call, *, event: int | None = None) -> Axes:
    """Each call of the tree as a bar from where it begins to where it returns, the calls inside it below; a line at `event`."""
    begun, bars, depths = {}, {}, {id(call): depth for depth, call in tree.walk()}
    events, deepest = tree.events(), max(depths.values())
    axes = new_axes("begins and returns, in order", "depth", "What is called, and inside what", size=(9, 0.5 * deepest + 1.8))
    for i, (call, ended) in enumerate(events, 1):
        start, depth = begun.setdefault(id(call), i), depths[id(call)]
        if ended:
            bars.setdefault(depth, []).append((start - 0.5, i - start + 1))
            name = call.line() if i - start > 3 else call.line().split(" → ")[0].replace(".", ".\n").replace(" ", "\n")
            if i - start > len(events) / 30:  # else there is no room for it
                axes.annotate(name, ((start + i) / 2, depth), ha="center", va="center", fontsize="x-small")
    for depth, spans in bars.items():
        axes.broken_barh(spans, (depth - 0.45, 0.9), color=COLOURS[depth % 7], alpha=0.35, edgecolor="black")
    if event is not None:
        axes.axvline(event, color="black", linestyle="--", linewidth=2, zorder=0)
    axes.set(ylim=(deepest + 0.6, -0.6), xlim=(0.4, len(events) + 0.6))
    axes.xaxis.set_major_locator(MaxNLocator(20, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(False)
    return axes


def plot_activations(epochs: Sequence[int], activations: Tensor) -> Axes:
    """The mean activation of each hidden unit over the training: `activations` has shape (len(epochs), units)."""
    shape = tuple(activations.shape)
    require(len(shape) == 2 and shape[0] == len(epochs), "activations", shape, f"of shape ({len(epochs)}, units)")
    axes = new_axes("epoch", "mean activation over the rows", "What the hidden layer learned (LIVE)")
    axes.plot(epochs, activations.numpy(), linewidth=2, alpha=0.8, label=[f"unit {unit}" for unit in range(shape[1])])
    axes.legend(fontsize="x-small", loc="center left", bbox_to_anchor=(1, 0.5))
    return axes


def plot_ladder(*ladders: Ladder) -> Axes:
    """Microseconds per step of each way to train, for each ladder, with the middle half; or why a way is not there."""
    names = list(dict.fromkeys(rung.name for ladder in ladders for rung in ladder.rungs))
    first = ladders[0]
    title = f"The same losses, at best in {first.step_us(first.best):.3g} µs a step: {first.best.name}\n{first.origin}"
    axes = new_axes("µs per step (logarithmic)", "", title, size=(8, 4.6))
    missing = {rung.name: rung.obstacle for ladder in ladders for rung in ladder.rungs}
    small = {"fontsize": "small", "va": "center"}
    for i, ladder in enumerate(ladders):
        times = np.array([[*rung.time.quartiles, rung.time.median] for rung in ladder.measured]) / ladder.epochs * 1e6
        low, high, middle = times.T
        places = [names.index(rung.name) + (i + 0.5) / len(ladders) - 0.5 for rung in ladder.measured]
        style = {"fmt": MARKERS[i % 7], "capsize": 3, "fillstyle": "none" if ladder.origin.recorded else "full"}
        axes.errorbar(middle, places, xerr=[middle - low, high - middle], color=COLOURS[i % 7], label=str(ladder.origin), **style)
        for at in zip(middle, places, strict=True):
            axes.annotate(f"{at[0]:.3g}", at, xytext=(8, 0), textcoords="offset points", **small)
        for rung in ladder.measured:
            missing.pop(rung.name, None)
    for name, why in missing.items():
        axes.annotate(f"not here: {why[:70]}", (0.01, names.index(name)), xycoords=("axes fraction", "data"), **small)
    axes.set(xscale="log", yticks=range(len(names)), yticklabels=names, ylim=(len(names) - 0.5, -0.5))
    axes.margins(x=0.15)
    axes.legend(fontsize="small", loc="upper center", bbox_to_anchor=(0.4, -0.16))
    return axes
