"""Lessons 3 to 5: what happens when: timelines below each other; a simulation; a tree of calls."""

from collections.abc import Iterable, Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from day37.checks import require
from day37.experiments.calls import Call
from day37.experiments.phases import PHASES
from day37.experiments.step_queue import StepQueue
from day37.experiments.timeline import Span, Timeline
from day37.show.axes import COLOURS, US, dress, fold, legend_below, new_axes, new_figure

WIDE = 9  # inches
MORE = ("#999933", "#DDDDDD", "#AA4499")  # for phases of other names; black is the device's
THIN = 0.4  # points: a bar's edge, without which a kernel of a step in ms is not seen
# A kind of call: what its name holds (the first that fits), and its colour, by Paul Tol.
CALLS = {
    "one-off launch": ("one-off", "#882255"),
    "launch": ("Launch", "#332288"),
    "copy call": ("Memcpy", "#44AA99"),
    "wait": ("Synchronize", "#DDCC77"),
    "other call": ("", "#BBBBBB"),
}


def timeline(*timelines: Timeline, title: str | Sequence[str] | None = None) -> Axes:
    """A panel for each timeline, below each other, each over its own time; the first one's axes.

    The host's phases above, then its calls if there are any, then the device's work.
    """
    titles = title or [each.finding() for each in timelines]
    if isinstance(titles, str):
        titles = [titles]
    many = len(timelines)
    require(len(titles) == many, "title", title, f"{many} titles, one for each timeline")
    rows = max(len(_lanes(each)) for each in timelines)
    panels = new_figure((WIDE, many * (1.6 + 0.6 * rows))).subplots(many, squeeze=False)[:, 0]
    phases = dict.fromkeys(PHASES)  # these have the colours that they have in the figure of phases
    phases |= dict.fromkeys(span.name for each in timelines for span in each.host)
    colours = {name: (*COLOURS[:6], *MORE)[i % 9] for i, name in enumerate(phases)}
    for axes, each, text in zip(panels, timelines, titles, strict=True):
        words = f"{text[0].upper()}{text[1:]}\n{each.origin}"
        _draw_timeline(dress(axes, "µs", "", fold(words, WIDE)), each, colours)
    return legend_below(panels[0])


def _lanes(timeline: Timeline) -> list[str]:
    """The lanes' names, from below."""
    lanes = ["operations" if timeline.origin.device == "cpu" else "device"]
    if timeline.calls:
        lanes.append("calls")
    if timeline.host:
        lanes.append("host")
    return lanes


def _draw_timeline(axes: Axes, timeline: Timeline, colours: dict[str, str]) -> None:
    """A bar for each span, in the lane of what it is; what has one name has one colour."""
    lanes = _lanes(timeline)

    def draw(lane: int, spans: Iterable[Span], label: str, **style) -> None:
        bars = [(span.start * US, (span.end - span.start) * US) for span in spans]
        axes.broken_barh(bars, (lane + 0.1, 0.8), label=label, snap=False, **style)

    for name in dict.fromkeys(span.name for span in timeline.host):
        spans = [span for span in timeline.host if span.name == name]
        draw(len(lanes) - 1, spans, name, color=colours[name], linewidth=THIN)
    for kind, (_, colour) in CALLS.items():
        spans = [span for span in timeline.calls if kind_of_call(span.name) == kind]
        if spans:
            draw(1, spans, kind, color=colour, linewidth=THIN)
    work = "operation" if timeline.origin.device == "cpu" else "kernel or copy"
    draw(0, timeline.device, work, color="black", linewidth=THIN)
    axes.set_axisbelow(True)
    axes.set(yticks=[i + 0.5 for i in range(len(lanes))], yticklabels=lanes, ylim=(0, len(lanes)))


def kind_of_call(name: str) -> str:
    """What a call of this name does: a key of `CALLS`."""
    return next(kind for kind, (part, _) in CALLS.items() if part in name)


def queue(queue: StepQueue, *, steps: int = 3) -> Axes:
    """The first steps of the simulation on a timeline."""
    unread = ", no read yet" if queue.every > steps else ""
    title = f"{queue.finding()}\nthe first {steps} steps{unread}"
    return timeline(queue.timeline(steps), title=title)


def calls(tree: Call, *, event: int | None = None) -> Axes:
    """Each call as a bar from where it begins to where it returns, those inside it below.

    A line marks `event`.
    """
    events = tree.events()
    depths = {id(call): depth for depth, call in tree.walk()}
    deepest = max(depths.values())
    size = (9, 0.5 * deepest + 1.8)
    axes = new_axes(
        "begins and returns, in order", "depth", "What is called, inside what", size=size
    )
    begun = {}
    bars = {}
    for i, (call, ended) in enumerate(events, 1):
        start = begun.setdefault(id(call), i)
        depth = depths[id(call)]
        if ended:
            bars.setdefault(depth, []).append((start - 0.5, i - start + 1))
            _name_call(axes, call.title(), start, i, depth, len(events))
    for depth, spans in bars.items():
        style = {"color": COLOURS[depth % 7], "alpha": 0.35, "edgecolor": "black"}
        axes.broken_barh(spans, (depth - 0.45, 0.9), **style)
    if event is not None:
        axes.axvline(event, color="black", linestyle="--", linewidth=2, zorder=0)
    axes.set(ylim=(deepest + 0.6, -0.6), xlim=(0.4, len(events) + 0.6))
    axes.xaxis.set_major_locator(MaxNLocator(20, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(False)
    return axes


def _name_call(axes: Axes, name: str, start: int, end: int, depth: int, events: int) -> None:
    """The call's name in its bar, shorter in a short one, nothing where there is no room."""
    if end - start <= 3:
        name = name.split(" → ")[0].replace(".", ".\n").replace(" ", "\n")
    if end - start > events / 30:
        middle = ((start + end) / 2, depth)
        axes.annotate(name, middle, ha="center", va="center", fontsize="x-small")
