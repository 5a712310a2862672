"""Lessons 1 to 5: `plot(result)`: axes with units, the spread, LIVE or RECORDED from the result.

A new figure: write `_name(result)` here and add its type to `FIGURES` at the end, and to `SEVERAL`
if it takes several. A second figure of a type is a public function, as `plot_seconds` is.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from day37.checks import check_complete, require
from day37.data import IrisSplit
from day37.experiments.calls import Call
from day37.experiments.fixed_costs import CopyCosts
from day37.experiments.growth import Crossover, Growth
from day37.experiments.phases import StepPhases
from day37.experiments.reads import CostModel, ReadSweep
from day37.experiments.step_queue import StepQueue
from day37.experiments.timeline import Timeline
from day37.faster.ladder import Ladder
from day37.machines.recording import PublishedTable
from day37.results import Comparison, Measurement, show_origins, show_seconds
from day37.show import timelines
from day37.show.axes import (
    COLOURS,
    DASHES,
    MARKERS,
    MS,
    US,
    dress,
    fold,
    legend_below,
    new_axes,
    new_figure,
)
from day37.training import EPOCHS, TrainingRun


def plot(result, *others, **options) -> Axes:
    """Draw a result, or several of one kind, and return the axes.

    Timelines stand below each other, the others beside each other. `title`: for curves, samples,
    comparisons, growths, sweeps, tables and timelines (several of these: one for each). `columns`:
    of a table, the one along x, then those to be drawn over it. TypeError for what cannot be drawn.
    """
    kinds = ", ".join(kind.__name__ for kind in FIGURES)
    require(type(result) in FIGURES, "result", result, f"one of these: {kinds}", TypeError)
    for other in others:
        same = type(other) is type(result) in SEVERAL
        allowed = f"of the first one's type, and that one of {[k.__name__ for k in SEVERAL]}"
        require(same, "others", other, allowed, TypeError)
    return FIGURES[type(result)](result, *others, **options)


def _losses(*runs: TrainingRun, title: str = "The loss falls as the training goes on") -> Axes:
    """The losses over the epochs at which they were read."""
    axes = new_axes("epoch", "cross-entropy loss", title)
    for run in runs:
        marker = "." if len(run.losses) < 50 else None
        axes.plot(run.epochs_read, run.losses, label=f"{run.name}: {run.origin}", marker=marker)
    axes.legend(fontsize="small")
    return axes


def _rows(data: IrisSplit) -> Axes:
    """The training rows by their last two features, a colour and a marker for each class."""
    across, up = (f"{name.removesuffix(' (cm)')} (scaled)" for name in data.feature_names[-2:])
    rows, columns = data.x_train.shape
    axes = new_axes(across, up, f"{rows} rows, by class (2 of {columns} columns)")
    x = data.x_train.cpu().numpy()
    y = data.y_train.cpu().numpy()
    for i, name in enumerate(data.class_names):
        own = x[y == i]
        marker = MARKERS[i % 7]
        axes.plot(own[:, -2], own[:, -1], marker, linestyle="", label=name, alpha=0.7)
    axes.legend(fontsize="small")
    return axes


def _samples(
    *measurements: Measurement, title: str = "Every sample, in the order in which it was taken"
) -> Axes:
    """The raw samples; a line marks each median, a band the middle half."""
    origins = show_origins(*(m.origin for m in measurements))
    axes = new_axes("sample", "time (ms)", f"{title}\n{origins}")
    highest = 0.0
    for i, m in enumerate(measurements):
        times = np.multiply(m.samples, MS)
        low, high = np.multiply(m.quartiles, MS)
        style = {"color": COLOURS[i % 7]}
        label = f"{m.name}: median {show_seconds(m.median)}"
        numbers = range(1, len(times) + 1)
        axes.plot(numbers, times, MARKERS[i % 7], linestyle="", label=label, **style)
        axes.axhline(m.median * MS, linestyle=DASHES[i % 4], **style)
        axes.axhspan(low, high, alpha=0.15, **style)
        highest = max(highest, times.max())
    axes.set_ylim(0, 1.1 * highest)
    axes.legend(fontsize="small", loc="lower right")
    return axes


def _comparisons(*comparisons: Comparison, title: str = "Two things measured in turn") -> Axes:
    """Each ratio with its interval, beside the line at 1 where the two are equal."""
    origins = show_origins(*(m.origin for c in comparisons for m in (c.first, c.second)))
    label = "ratio of the times, with its interval"
    axes = new_axes(label, "", f"{title}\n{origins}", size=(7, 2.6))
    names = []
    for i, c in enumerate(comparisons):
        ends = [[c.ratio - c.low], [c.high - c.ratio]]
        axes.errorbar(c.ratio, i, xerr=ends, fmt=MARKERS[i % 7], capsize=5)
        names.append(f"{c.second.name}\n÷ {c.first.name}:\n{c.verdict}")
    axes.axvline(1, color="black", linestyle="--")
    axes.set(yticks=range(len(names)), yticklabels=names, ylim=(-0.7, len(names) - 0.3))
    return axes


def plot_seconds(runs: Sequence[TrainingRun], *, title="Seconds for the whole training") -> Axes:
    """A bar for each run; recorded runs are hatched; the CPU has a colour of its own."""
    axes = new_axes("seconds", "", title, size=(8, 0.6 * len(runs) + 1.4))
    for i, run in enumerate(runs):
        hatch = "//" if run.origin.recorded else None
        colour = COLOURS[0 if run.origin.device == "cpu" else 1]
        bar = axes.barh(i, run.seconds, color=colour, hatch=hatch, edgecolor="white")
        axes.bar_label(bar, [f"{run.seconds:.2f} s"], padding=3)
    longest = max(run.seconds for run in runs)
    axes.set(yticks=range(len(runs)), xlim=(0, 1.2 * longest))
    axes.set_yticklabels([f"{run.name}\n{run.origin}" for run in runs], fontsize="small")
    axes.invert_yaxis()
    return axes


def _phases(phases: StepPhases) -> Axes:
    """The phases of a step stacked, above the whole step measured in turn with them."""
    title = f"Where a step's time goes\n{phases.whole.origin}"
    label = "µs per step (medians; line: the whole's middle half)"
    axes = new_axes(label, "", title, size=(7, 2.8))
    left = 0.0
    for i, (name, m) in enumerate(phases.phases.items()):
        axes.barh("phases", m.median * US, left=left, label=name, color=COLOURS[i], ec="white")
        left += m.median * US
    middle = phases.whole.median
    low, high = phases.whole.quartiles
    ends = [[(middle - low) * US], [(high - middle) * US]]
    grey = {"color": "lightgrey", "hatch": "//", "edgecolor": "grey"}
    axes.barh("whole step", middle * US, xerr=ends, **grey)
    axes.invert_yaxis()
    return legend_below(axes)


def _copies(*costs: CopyCosts) -> Axes:
    """Copy time over size, both on logarithmic axes: flat (latency), then a slope (bandwidth)."""
    origins = show_origins(*(cost.times[0].origin for cost in costs))
    title = f"A small copy costs its latency, a large one its bytes\n{origins}"
    axes = new_axes("bytes copied", "time (µs)", title)
    for i, cost in enumerate(costs):
        label = f"from the host to {cost.times[0].origin.device}"
        _with_spread(axes, cost.sizes, cost.times, i, label)
    return axes


def _growth(
    growth: Growth, *, title: str = "A step as the work grows", crossover: Crossover | None = None
) -> Axes:
    """A step's time over its size; where `crossover` says "cannot tell" is shaded."""
    origins = show_origins(*(times[0].origin for times in growth.times.values()))
    label = {"rows": "rows in the batch", "width": "hidden width"}[growth.over]
    axes = new_axes(label, "µs per step", f"{title}\n{origins}")
    if crossover is not None:
        right = crossover.over == growth.over
        require(right, "crossover", crossover, f"one over {growth.over}, as the growth is")
        ends = (crossover.slower_at, crossover.faster_at)
        if None not in ends:
            axes.axvspan(*ends, color="grey", alpha=0.3, label="cannot tell")
    for i, (name, times) in enumerate(growth.times.items()):
        _with_spread(axes, growth.sizes, times, i, name)
    return axes


def _with_spread(
    axes: Axes, x: Sequence[float], times: Sequence[Measurement], i: int, label: str
) -> None:
    """Medians in µs with a band for the middle half, on logarithmic axes."""
    medians = [m.median * US for m in times]
    low, high = np.transpose([m.quartiles for m in times]) * US
    axes.plot(x, medians, marker=MARKERS[i % 7], label=label)
    axes.fill_between(x, low, high, color=COLOURS[i % 7], alpha=0.2)
    axes.set(xscale="log", yscale="log")
    axes.legend(fontsize="small")


def _sweep(sweep: ReadSweep, *, title: str = "What a training takes, by its reads") -> Axes:
    """Every run's seconds over its reads, a colour and a marker for each number of epochs."""
    axes = new_axes("reads (logarithmic)", "seconds", f"{title}\n{sweep.origin}")
    for i, epochs in enumerate(sorted({run.epochs for run in sweep.runs})):
        runs = [run for run in sweep.runs if run.epochs == epochs]
        style = {"marker": MARKERS[i % 7], "color": COLOURS[i % 7], "linestyle": "", "alpha": 0.6}
        reads = [run.reads for run in runs]
        seconds = [run.seconds for run in runs]
        axes.plot(reads, seconds, label=f"{epochs:,} epochs", **style)
    axes.set(xscale="log", ylim=(0, 1.1 * max(run.seconds for run in sweep.runs)))
    axes.legend(fontsize="small")
    return axes


def _table(
    table: PublishedTable, *, columns: Sequence[str] | None = None, title: str | None = None
) -> Axes:
    """Columns of numbers over the first of them, on logarithmic axes."""
    numbers = [name for name in table.columns if not isinstance(table.column(name)[0], str)]
    chosen = numbers if columns is None else columns
    fits = len(chosen) > 1 and set(chosen) <= set(numbers)
    require(fits, "columns", chosen, f"two or more of this table's numbers: {numbers}")
    x, *others = chosen
    unit = "µs" if all(name.endswith("_us") for name in others) else "numbers, as in the legend"
    axes = new_axes(x, unit, fold(f"{title or table.note}\n{table.origin}", 7))
    order = np.argsort(table.column(x))
    for i, name in enumerate(others):
        points = np.take([table.column(x), table.column(name)], order, axis=1)
        axes.plot(*points, marker=MARKERS[i % 7], label=name)
    axes.set(xscale="log", yscale="log")
    axes.legend(fontsize="small")
    return axes


def _cost(cost: CostModel) -> Axes:
    """Every run's µs per epoch over its reads per epoch, with the fitted line."""
    runs = cost.sweep.runs
    title = f"{cost.verdict}\n{cost.sweep.origin}"
    axes = new_axes("reads per epoch", "µs per epoch", title)
    reads = np.array([run.reads / run.epochs for run in runs])
    times = np.array([run.step_us for run in runs])
    top = 1.5 * np.median(times)
    above = int((times > top).sum())
    far = f" ({above} above the figure)" if above else ""
    axes.plot(reads, times, "o", linestyle="", alpha=0.5, label=f"one run{far}")
    epochs = float(np.median([run.epochs for run in runs]))
    shares = np.geomspace(reads.min(), reads.max(), 50)
    fitted = [cost.predict(epochs, share * epochs).value / epochs * US for share in shares]
    axes.plot(shares, fitted, label="fitted: fixed + epochs·a + reads·b")
    axes.set(xscale="log", ylim=(None, min(top, axes.get_ylim()[1])))
    axes.legend(fontsize="small")
    return axes


def draw_reads(run: TrainingRun, cost: CostModel, every: int) -> Axes:
    """Left: what of `run`'s curve one sees with a read every `every` steps. Right: its time.

    The time is the fitted model's, with its interval. ValueError unless every loss was kept.
    """
    check_complete(run)
    left, right = new_figure((9, 3.4)).subplots(1, 2)

    seen = slice(every - 1, None, every)
    reads = run.epochs // every
    title = f"Steps between reads {every:,}, losses seen {reads:,}\n{run.origin}"
    dress(left, "epoch", "cross-entropy loss", title)
    left.plot(run.epochs_read, run.losses, color="lightgrey", label="every loss")
    style = {"color": COLOURS[0], "marker": "o" if reads < 50 else None}
    left.plot(run.epochs_read[seen], run.losses[seen], label="those read", **style)
    left.legend(fontsize="small")

    title = f"By the fitted model, with its interval\n{cost.sweep.origin}"
    dress(right, "steps between reads", f"seconds for {run.epochs:,} steps", title)
    steps = np.unique(np.geomspace(1, run.epochs, 60).astype(int))
    times = [cost.predict(run.epochs, run.epochs / k) for k in steps]
    right.plot(steps, [time.value for time in times], color=COLOURS[1])
    low = [time.low for time in times]
    high = [time.high for time in times]
    right.fill_between(steps, low, high, color=COLOURS[1], alpha=0.2)
    chosen = cost.predict(run.epochs, reads)
    ends = [[chosen.value - chosen.low], [chosen.high - chosen.value]]
    right.errorbar(every, chosen.value, yerr=ends, fmt="o", color="black", capsize=5)
    right.set(xscale="log", ylim=(0, 1.2 * max(high)))
    return left


def _ladder(*ladders: Ladder) -> Axes:
    """µs per step of each way to train, with the middle half; or why a way is not there."""
    names = list(dict.fromkeys(rung.name for ladder in ladders for rung in ladder.rungs))
    first = ladders[0]
    best = f"at best in {first.step_us(first.best):.3g} µs a step: {first.best.name}"
    title = f"The same losses, {best}\n{first.origin}"
    label = f"µs per step (in brackets: {EPOCHS:,} losses in, everything counted)"
    height = max(4.6, 1.6 + 0.2 * len(names) * len(ladders))  # inches: each number has its line
    axes = new_axes(label, "", title, size=(8, height))
    small = {"fontsize": "small", "va": "center"}
    missing = {}
    for i, ladder in enumerate(ladders):
        shift = (i + 0.5) / len(ladders) - 0.5
        times = [[*rung.time.quartiles, rung.time.median] for rung in ladder.measured]
        low, high, middle = np.transpose(times) / ladder.epochs * US
        places = [names.index(rung.name) + shift for rung in ladder.measured]
        ends = [middle - low, high - middle]
        style = {"fmt": MARKERS[i % 7], "color": COLOURS[i % 7], "capsize": 3}
        style["fillstyle"] = "none" if ladder.origin.recorded else "full"
        axes.errorbar(middle, places, xerr=ends, label=str(ladder.origin), **style)
        for rung, *at in zip(ladder.measured, middle, places, strict=True):
            offset = {"xytext": (8, 0), "textcoords": "offset points"}
            whole = show_seconds(ladder.total(rung))
            axes.annotate(f"{at[0]:.3g} ({whole})", at, **offset, **small)
        missing |= {rung.name: rung.obstacle for rung in ladder.rungs}
    there = {rung.name for ladder in ladders for rung in ladder.measured}
    for name, why in missing.items():
        if name not in there:
            at = (0.01, names.index(name))
            text = f"not here: {why[:70]}"
            axes.annotate(text, at, xycoords=("axes fraction", "data"), **small)
    axes.set(xscale="log", yticks=range(len(names)), yticklabels=names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.margins(x=0.2)
    axes.legend(fontsize="small", loc="upper center", bbox_to_anchor=(0.4, -0.74 / height))
    return axes


FIGURES = {
    IrisSplit: _rows,
    TrainingRun: _losses,
    Measurement: _samples,
    Comparison: _comparisons,
    StepPhases: _phases,
    Timeline: timelines.timeline,
    StepQueue: timelines.queue,
    CopyCosts: _copies,
    Growth: _growth,
    ReadSweep: _sweep,
    CostModel: _cost,
    Call: timelines.calls,
    PublishedTable: _table,
    Ladder: _ladder,
}
SEVERAL = (TrainingRun, Measurement, Comparison, CopyCosts, Ladder, Timeline)  # in one figure
