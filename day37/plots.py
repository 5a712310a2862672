"""Every figure of the lessons, each drawn from a result: axes with units, LIVE or RECORDED, and the spread."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from torch import Tensor

from day37.arguments import require
from day37.costs import CopyCosts, Crossover, Growth
from day37.overhead import PHASES, StepPhases, Timeline
from day37.reads import CostModel, ReadSweep
from day37.timing import Comparison, Measurement
from day37.training import TrainingRun

# Okabe and Ito's colours, which colour-blind readers can tell apart; markers and dashes tell the same again.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES = ("-", "--", ":", "-.")


def new_axes(x: str, y: str, title: str, *, size: tuple[float, float] = (7, 3.8)) -> Axes:
    """Empty axes with labels, a title and a light grid."""
    axes = plt.subplots(figsize=size, layout="constrained")[1]
    axes.set(xlabel=x, ylabel=y)
    axes.set_title(title, fontsize="medium")
    axes.grid(alpha=0.3)
    return axes


def plot_losses(*runs: TrainingRun, title: str = "The loss falls as the training goes on") -> Axes:
    """The losses of one run or several over the epochs at which they were read."""
    require(len(runs) > 0, "runs", runs, "one run or more")
    axes = new_axes("epoch", "cross-entropy loss", title)
    for i, run in enumerate(runs):
        dots = "." if len(run.losses) < 50 else None
        style = {"linestyle": DASHES[i % 4], "color": COLOURS[i % 7], "marker": dots}
        axes.plot(run.epochs_read, run.losses, label=f"{run.name}: {run.origin}", **style)
    axes.legend(fontsize="small")
    return axes


def plot_rows(x: Tensor, y: Tensor, feature_names: Sequence[str], class_names: Sequence[str]) -> Axes:
    """The rows by their last two features, scaled, a colour and a marker for each class."""
    axes = new_axes(f"{feature_names[-2]}, scaled", f"{feature_names[-1]}, scaled", f"{len(x)} rows, by class")
    for i, name in enumerate(class_names):
        of_class = x[y == i].cpu()
        axes.plot(of_class[:, -2], of_class[:, -1], MARKERS[i], color=COLOURS[i], label=name, alpha=0.7)
    axes.legend(fontsize="small")
    return axes


def plot_confusion(truth: Tensor, predicted: Tensor, class_names: Sequence[str]) -> Axes:
    """How many test rows of each class (down) were given each class (across)."""
    n = len(class_names)
    counts = torch.bincount(truth.cpu() * n + predicted.cpu(), minlength=n * n).reshape(n, n).numpy()
    right = f"{counts.trace()} of {counts.sum()} test rows are right"
    axes = new_axes("predicted class", "true class", right, size=(4.4, 3.8))
    axes.grid(False)
    axes.imshow(counts, cmap="Blues", vmax=1.4 * counts.max())
    for row, column in np.ndindex(n, n):
        axes.text(column, row, counts[row, column], ha="center", va="center")
    axes.set(xticks=range(n), yticks=range(n), xticklabels=class_names, yticklabels=class_names)
    return axes


def plot_samples(*measurements: Measurement, title: str = "Every sample, in the order in which it was taken") -> Axes:
    """The raw samples of one measurement or several; a line marks each median, a band the middle half."""
    axes = new_axes("sample", "time (ms)", f"{title}\n{measurements[0].origin}")
    for i, m in enumerate(measurements):
        style = {"color": COLOURS[i], "label": f"{m.name}: median {m.median * 1e3:.3g} ms"}
        axes.plot(range(1, len(m.samples) + 1), np.multiply(m.samples, 1e3), MARKERS[i], **style)
        axes.axhline(m.median * 1e3, color=COLOURS[i], linestyle=DASHES[i % 4])
        axes.axhspan(*np.multiply(m.quartiles, 1e3), color=COLOURS[i], alpha=0.15)
    axes.set_ylim(0, 1.1e3 * max(max(m.samples) for m in measurements))
    axes.legend(fontsize="small", loc="lower right")
    return axes


def plot_comparisons(*comparisons: Comparison, title: str) -> Axes:
    """Each comparison's ratio with its interval, beside the line at 1 where the two are equal."""
    axes = new_axes("time of the second over time of the first", "", f"{title}\n{comparisons[0].first.origin}", size=(7, 2.6))
    for i, c in enumerate(comparisons):
        bars = [[c.ratio - c.low], [c.high - c.ratio]]
        axes.errorbar(c.ratio, i, xerr=bars, fmt=MARKERS[i], color=COLOURS[i], capsize=5)
    axes.axvline(1, color="black", linestyle="--")
    names = [f"{c.second.name} / {c.first.name}\n{c.verdict}" for c in comparisons]
    axes.set(yticks=range(len(names)), yticklabels=names, ylim=(-0.7, len(names) - 0.3))
    return axes


def plot_seconds(runs: Sequence[TrainingRun], *, title: str = "Seconds for the whole training") -> Axes:
    """A bar for each run with its seconds; recorded runs are hatched."""
    axes = new_axes("seconds", "", title, size=(8, 0.6 * len(runs) + 1.4))
    for i, run in enumerate(runs):
        hatch = "//" if run.origin.recorded else None
        bar = axes.barh(i, run.seconds, color=COLOURS[i % 7], hatch=hatch, edgecolor="white")
        axes.bar_label(bar, [f"{run.seconds:.2f} s"], padding=3)
    labels = [f"{run.name}\n{run.origin}" for run in runs]
    axes.set(yticks=range(len(runs)), xlim=(0, 1.2 * max(run.seconds for run in runs)))
    axes.set_yticklabels(labels, fontsize="small")
    axes.invert_yaxis()
    return axes


def plot_phases(phases: StepPhases) -> Axes:
    """The phases of a step stacked, above the whole step measured in turn with them."""
    title = f"Where a step's time goes\n{phases.whole.origin}"
    axes = new_axes("µs a step (medians; line: the whole's middle half)", "", title, size=(7, 2.8))
    left, (low, high), middle = 0.0, phases.whole.quartiles, phases.whole.median
    for i, (name, m) in enumerate(phases.phases.items()):
        axes.barh("phases", m.median * 1e6, left=left, color=COLOURS[i], label=name, edgecolor="white")
        left += m.median * 1e6
    spread = [[(middle - low) * 1e6], [(high - middle) * 1e6]]
    axes.barh("whole step", middle * 1e6, xerr=spread, color="lightgrey", hatch="//", edgecolor="grey")
    axes.legend(fontsize="small", ncols=len(PHASES), loc="upper center", bbox_to_anchor=(0.5, -0.28))
    return axes


def plot_timeline(timeline: Timeline) -> Axes:
    """The host's phases above, the device's work below, over the same time."""
    title = f"The device works {timeline.busy:.0%} of the time (profiled)\n{timeline.origin}"
    axes = new_axes("µs", "", title, size=(9, 2.8))
    for i, name in enumerate(PHASES):
        spans = [(s.start * 1e6, (s.end - s.start) * 1e6) for s in timeline.host if s.name == name]
        axes.broken_barh(spans, (1.1, 0.8), color=COLOURS[i], label=name)
    axes.broken_barh([(s.start * 1e6, (s.end - s.start) * 1e6) for s in timeline.device], (0.1, 0.8), color="black")
    axes.set(yticks=[0.5, 1.5], yticklabels=["device", "host"])
    axes.legend(fontsize="small", ncols=len(PHASES), loc="upper center", bbox_to_anchor=(0.5, -0.28))
    return axes


def plot_copies(*costs: CopyCosts) -> Axes:
    """Copy time over size, both on logarithmic axes: flat (latency), then a slope (bandwidth)."""
    title = f"A small copy costs its latency, a large one its bytes\n{costs[0].times[0].origin}"
    axes = new_axes("bytes copied", "time (µs)", title)
    for i, cost in enumerate(costs):
        _with_spread(axes, cost.sizes, cost.times, i, f"to {cost.times[0].origin.device}")
    axes.set(xscale="log", yscale="log")
    axes.legend(fontsize="small")
    return axes


def plot_growth(growth: Growth, *, over: str = "rows", title: str, crossover: Crossover | None = None) -> Axes:
    """A step's time as `over`, "rows" or "width", grows; where `crossover` says "cannot tell" is shaded."""
    which = ("rows", "width").index(over)
    origin = next(iter(growth.times.values()))[0].origin
    axes = new_axes({"rows": "rows in the batch", "width": "hidden width"}[over], "µs a step", f"{title}\n{origin}")
    for i, (name, times) in enumerate(growth.times.items()):
        _with_spread(axes, [size[which] for size in growth.sizes], times, i, name)
    if crossover is not None and crossover.faster_at is not None:
        low, high = crossover.slower_at or growth.sizes[0], crossover.faster_at
        axes.axvspan(low[which], high[which], color="grey", alpha=0.3, label="crossover")
    axes.set(xscale="log", yscale="log")
    axes.legend(fontsize="small")
    return axes


def _with_spread(axes: Axes, x: Sequence[float], times: Sequence[Measurement], i: int, label: str) -> None:
    """Medians in µs with a band for the middle half."""
    low, high = np.transpose([m.quartiles for m in times]) * 1e6
    style = {"marker": MARKERS[i], "linestyle": DASHES[i % 4], "color": COLOURS[i], "label": label}
    axes.plot(x, [m.median * 1e6 for m in times], **style)
    axes.fill_between(x, low, high, color=COLOURS[i], alpha=0.2)


def plot_sweep(sweep: ReadSweep, model: CostModel) -> Axes:
    """Every run's µs an epoch over its reads an epoch, with the fitted line."""
    axes = new_axes("reads an epoch", "µs an epoch", f"{model.verdict}\n{sweep.origin}")
    reads = np.array([run.reads / run.epochs for run in sweep.runs])
    axes.plot(reads, [run.step_us for run in sweep.runs], "o", color=COLOURS[0], alpha=0.5, label="one run")
    epochs = float(np.median([run.epochs for run in sweep.runs]))
    line = np.geomspace(reads.min(), reads.max(), 50)
    fitted = [model.predict(epochs, share * epochs) / epochs * 1e6 for share in line]
    axes.plot(line, fitted, color=COLOURS[1], linestyle="--", label="fitted: fixed + epochs·a + reads·b")
    axes.set_xscale("log")
    axes.legend(fontsize="small")
    return axes


def plot_activations(epochs: Sequence[int], activations: Tensor) -> Axes:
    """The mean activation of each hidden unit over the training: `activations` has shape (len(epochs), units)."""
    shape = tuple(activations.shape)
    require(len(shape) == 2 and shape[0] == len(epochs), "activations", shape, f"of shape ({len(epochs)}, units)")
    axes = new_axes("epoch", "mean activation over the rows", "What the hidden layer learned (LIVE)")
    for unit in range(activations.shape[1]):
        axes.plot(
            epochs, activations[:, unit].numpy(), color=COLOURS[unit % 7], linestyle=DASHES[unit // 7 % 4], label=f"unit {unit}"
        )
    axes.legend(fontsize="x-small", ncols=5)
    return axes
