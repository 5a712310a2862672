"""Results made by hand, and what a figure shows of them, read back from its artists."""

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.container import ErrorbarContainer

from day37 import StepQueue
from day37.experiments.calls import Call
from day37.experiments.fixed_costs import CopyCosts
from day37.experiments.growth import Crossover, Growth
from day37.experiments.phases import PHASES, StepPhases
from day37.experiments.reads import CostModel, Interval, ReadSweep
from day37.experiments.timeline import Span, Timeline
from day37.faster.ladder import Ladder
from day37.faster.trial import Rung
from day37.results import Comparison, Live, Measurement, Origin
from day37.training import TrainingRun

CPU = Live("cpu", "CPU 1", "today")
GPU = Live("cuda:0", "GPU 1", "today")
OLD = Origin("cuda:0", "GPU 2", "last year")

# Results, built by hand


def spread(low, middle, high, *, name="m", origin=CPU):
    """Five samples with the quartiles `low` and `high` and the median `middle`, in seconds."""
    return Measurement(name, (high, low / 2, middle, 3 * high, low), origin)


def spread_us(low, middle, high, **how):
    return spread(low * 1e-6, middle * 1e-6, high * 1e-6, **how)


def run_of(losses, every=1, *, name="run", seconds=2.5, origin=CPU, epochs=None):
    """A run that read these losses, one every `every` epochs."""
    at = tuple(range(every, every * len(losses) + 1, every))
    return TrainingRun(name, tuple(losses), at, epochs or at[-1], len(losses), seconds, origin)


def comparison(ratio, low, high, *, names=("old", "new"), origin=CPU):
    first, second = (spread(1, 2, 5, name=name, origin=origin) for name in names)
    return Comparison(first, second, ratio, low, high)


def phases(origin=CPU):
    """Phases of 10, 20, … 60 µs; the whole step takes 230 µs, its middle half 220 to 270."""
    times = {}
    for i, name in enumerate(PHASES, 1):
        times[name] = spread_us(10 * i - 1, 10 * i, 10 * i + 4, name=name, origin=origin)
    return StepPhases(times, spread_us(220, 230, 270, name="whole step", origin=origin))


def timeline(origin=CPU):
    host = (Span("forward", 0.0, 3e-6), Span("loss", 4e-6, 9e-6), Span("forward", 11e-6, 12e-6))
    return Timeline(host, (Span("a", 1e-6, 2e-6), Span("b", 10e-6, 14e-6)), origin)


def copies(origin=GPU):
    times = (spread_us(4, 5, 9, origin=origin), spread_us(50, 70, 80, origin=origin))
    return CopyCosts((4, 4000), times)


SIZES = {"rows": (12, 24, 48), "width": (100, 300, 700)}


def growth(origin=CPU, other=None, *, over="rows"):
    one = (spread_us(4, 5, 9), spread_us(10, 14, 15), spread_us(20, 21, 29))
    two = (spread_us(6, 8, 9), spread_us(7, 10, 11), spread_us(11, 12, 19))
    one = tuple(Measurement("m", m.samples, origin) for m in one)
    two = tuple(Measurement("m", m.samples, other or origin) for m in two)
    return Growth(over, SIZES[over], {"one": one, "two": two})


def crossover(over="rows", slower_at=12, faster_at=48):
    return Crossover("one", "two", over, slower_at, faster_at)


def sweep(origin=CPU):
    """1, 1/2, 1/4, 1/5 reads and 450, 420, 430, 350 µs an epoch; the last of more epochs."""
    made = []
    for every, epochs, us in ((1, 1000, 450), (2, 1000, 420), (4, 1000, 430), (5, 4000, 350)):
        losses = [0.5] * (epochs // every)
        made.append(run_of(losses, every, seconds=us * epochs * 1e-6, origin=origin))
    return ReadSweep(tuple(made))


EXACT = ((0.0,) * 3,) * 3


def cost_model(runs=None, *, b=50e-6, kind=CostModel):
    """0.1 s for a training, 300 µs for an epoch, 50 µs for a read."""
    ends = (Interval(value, value / 2, value * 4) for value in (0.1, 300e-6, b))
    return kind(*ends, EXACT, runs or sweep())


class Lopsided(CostModel):
    """Whatever is asked, 2 s and 10 ms a read, at least 1 s less, at most 3 s more."""

    def predict(self, epochs, reads):
        seconds = 2 + 0.01 * reads
        return Interval(seconds, seconds - 1, seconds + 3)


def lopsided(origin=CPU):
    return cost_model(sweep(origin), kind=Lopsided)


QUEUE = StepQueue(3, 8e-6, 2e-6, 3e-5)


def call_tree():
    """a holds b and d, b holds c."""
    c = Call("__call__", "c", "run", (7,))
    b = Call("forward", "b", "run", (8,), [c])
    return Call("__call__", "a", "run", (9,), [b, Call("hook", "d", "after")])


def rung(name, *times_ms, origin=CPU, obstacle=""):
    time = spread(*(t * 1e-3 for t in times_ms), origin=origin) if times_ms else None
    return Rung(name, "x", "y", obstacle, time, first_seconds=1.0)


def ladder(origin=CPU):
    """1000 epochs in 400 ms, and in 90; so 400 µs an epoch, and 90."""
    rungs = (
        rung("plain", 300, 400, 700, origin=origin),
        rung("graph", obstacle="no GPU"),
        rung("quick", 80, 90, 130, origin=origin),
    )
    return Ladder(1000, rungs)


# What a figure shows


def text_of(axes):
    """All that can be read in the figure."""
    legend = axes.get_legend()
    labels = [*axes.get_xticklabels(), *axes.get_yticklabels(), *axes.texts]
    labels += legend.get_texts() if legend else []
    for outside in axes.figure.legends:
        labels += outside.get_texts()
    words = [axes.get_title(), axes.get_xlabel(), axes.get_ylabel()]
    return " | ".join([*words, *(label.get_text() for label in labels)])


def extents(patch):
    """A bar or a strip: the corners of its outline."""
    return patch.get_patch_transform().transform_path(patch.get_path()).get_extents()


def across(patch):
    return pytest.approx((extents(patch).x0, extents(patch).x1))


def upwards(patch):
    return pytest.approx((extents(patch).y0, extents(patch).y1))


def bars_of(collection):
    """Left, right, bottom and top of each bar of a lane."""
    found = []
    for path in collection.get_paths():
        ends = path.get_extents()
        found.append((ends.x0, ends.x1, ends.y0, ends.y1))
    return found


def error_bars(axes):
    """The two ends of every error bar, in the order in which they were drawn."""
    found = []
    for container in axes.containers:
        if isinstance(container, ErrorbarContainer):
            for segment in container.lines[2][0].get_segments():
                along = 0 if container.has_xerr else 1
                found.append(tuple(segment[:, along].tolist()))
    return found


def band(collection):
    """The lowest and the highest of a filled band, at each x."""
    ends = {}
    for x, y in np.concatenate([path.vertices for path in collection.get_paths()]).tolist():
        low, high = ends.get(x, (y, y))
        ends[x] = (min(low, y), max(high, y))
    return ends


def line_called(axes, label):
    return next(line for line in axes.get_lines() if line.get_label() == label)


def legend_colours(legend):
    """The colour beside each word of the legend."""
    colours = {}
    for handle, text in zip(legend.legend_handles, legend.get_texts(), strict=True):
        is_line = hasattr(handle, "get_color")
        colours[text.get_text()] = to_hex(handle.get_color() if is_line else handle.get_facecolor())
    return colours


def ticks(axis):
    """The words at each place of an axis."""
    words = [label.get_text() for label in axis.get_ticklabels()]
    return dict(zip(map(float, axis.get_ticklocs()), words, strict=True))


def inside(axes):
    """Whether the titles of the figure and its legend lie inside it."""
    figure = axes.figure
    figure.draw_without_rendering()
    drawn = [each.title for each in figure.axes] + figure.legends
    ends = [one.get_window_extent() for one in drawn]
    width, height = figure.bbox.size
    across = min(end.x0 for end in ends) >= 0 and max(end.x1 for end in ends) <= width
    return across and min(end.y0 for end in ends) >= 0 and max(end.y1 for end in ends) <= height
