"""Lessons 3 to 5: `explore(result)`: sliders over a tested function, and what it gives."""

import html
import math
from functools import partial

from day37.checks import check_complete, require
from day37.experiments.calls import Call
from day37.experiments.reads import CostModel
from day37.experiments.step_queue import StepQueue
from day37.show.axes import draw_png
from day37.show.controls import WIDE, Explorer, as_html, choice
from day37.show.plots import draw_reads, plot
from day37.training import EPOCHS, TrainingRun

DRAWN = 10  # steps at most on the queue's timeline
LEAST = 0.01  # µs on a slider
MOST = 10_000
STEP = 0.02  # of a slider's power of ten
ROUND = [n * 10**k for k in range(6) for n in (1, 2, 5)]  # 1, 2, 5, 10, … for the sliders


def explore(result, *others) -> Explorer:
    """A control that moves what a result was made for.

    A StepQueue: its five numbers. A TrainingRun that kept every loss, with one CostModel or more:
    the steps between reads. A Call: forward and back through the tree. TypeError for anything else.
    """
    kinds = ", ".join(kind.__name__ for kind in EXPLORERS)
    require(type(result) in EXPLORERS, "result", result, f"one of these: {kinds}", TypeError)
    alone = "left out: only a TrainingRun has others"
    require(not others or type(result) is TrainingRun, "others", others, alone, TypeError)
    return EXPLORERS[type(result)](result, *others)


def _queue(start: StepQueue) -> Explorer:
    """Five numbers of a step → its first steps on a timeline, the total, the bottleneck."""
    us = {name: getattr(start, name) * 1e6 for name in ("launch", "kernel", "read")}
    for name, value in us.items():
        allowed = f"from {LEAST:g} to {MOST:,} µs, as its slider goes"
        require(LEAST <= value <= MOST, name, value, allowed)
    values = {"launches": start.launches, **us, "every": start.every}

    def fields(widgets) -> dict:
        how = {"min": -2, "max": 4, "step": STEP, "readout_format": ".3g"}
        time = partial(widgets.FloatLogSlider, **how, **WIDE)
        whole = partial(widgets.IntSlider, min=1, max=max(500, start.launches), **WIDE)
        often = sorted({*(n for n in ROUND if n <= EPOCHS), start.every})
        made = {
            "launches": whole(description="launches a step"),
            "launch": time(description="launch (µs)"),
            "kernel": time(description="kernel (µs)"),
            "read": time(description="read (µs)"),
            "every": widgets.SelectionSlider(
                options=often, description="steps between reads", **WIDE
            ),
        }
        for name, value in values.items():
            made[name].value = value
        return made

    def seconds(name: str, value: float) -> float:
        """A slider has steps: where it stands on the start, the start is meant."""
        near = abs(math.log10(value / us[name])) < STEP
        return (us[name] if near else value) * 1e-6

    def show(launches: int, every: int, **moved: float):
        times = {name: seconds(name, value) for name, value in moved.items()}
        queue = StepQueue(launches, every=every, **times)
        savings = queue.savings().items()
        shares = ", ".join(f"{name} {share:.0%}" for name, share in savings)
        says = as_html(queue.finding(), f"saved if one cost were nothing: {shares}")
        return says, draw_png(plot, queue, steps=min(max(every, 3), DRAWN))

    explorer = Explorer(show, fields)
    explorer.add_button("Back to the start", "undo", lambda: explorer.set(values))
    return explorer


def _reads(run: TrainingRun, *costs: CostModel) -> Explorer:
    """Steps between reads → the reads, the time by a fitted model, what one sees of the curve."""
    right = len(costs) > 0 and all(isinstance(cost, CostModel) for cost in costs)
    require(right, "others", costs, "one CostModel or more", ValueError if not costs else TypeError)
    check_complete(run)

    def fields(widgets) -> dict:
        often = [n for n in ROUND if n <= run.epochs]
        slider = widgets.SelectionSlider(options=often, description="steps between reads", **WIDE)
        names = [str(cost.sweep.origin) for cost in costs]
        which = {"costs_of": choice(widgets, names, "costs of")} if len(costs) > 1 else {}
        return {"every": slider, **which}

    def show(every: int, costs_of: int = 0):
        cost = costs[costs_of]
        reads = run.epochs // every
        time = cost.predict(run.epochs, reads)
        many = "s" if reads > 1 else ""
        says = f"{run.epochs:,} steps with {reads:,} read{many}: {time}, by the model"
        return as_html(says, cost.verdict), draw_png(draw_reads, run, cost, every)

    return Explorer(show, fields)


def _calls(tree: Call) -> Explorer:
    """Forward and back: where it is in the tree, and beside it the line of the model that calls."""
    events = tree.events()

    def fields(widgets) -> dict:
        return {"event": widgets.IntSlider(1, 1, len(events), description="event", **WIDE)}

    def move(by: int) -> None:
        slider = explorer.fields["event"]
        slider.value = min(max(slider.value + by, slider.min), slider.max)

    def show(event: int):
        current, ended = events[event - 1]
        now = "returns" if ended else "begins"
        lines = []
        for depth, call in tree.walk():
            arrow = "▶" if call is current else " "
            line = html.escape(f"{arrow} {'    ' * depth}{call.title()}")
            lines.append(f"<b>{line}: {now}</b>" if call is current else line)
        nowhere = "called by __call__, outside every forward"
        if current is tree:
            nowhere = "called from outside the model"
        source = html.escape(current.source()) or nowhere
        head = as_html(f"{event} of {len(events)}: {current.title()} {now}")
        return head + _beside("\n".join(lines), source), draw_png(plot, tree, event=event)

    explorer = Explorer(show, fields)
    explorer.add_button("Back", "step-backward", lambda: move(-1))
    explorer.add_button("Next", "step-forward", lambda: move(1))
    return explorer


def _beside(*texts: str) -> str:
    """HTML texts beside each other, or below each other on a narrow page."""
    style = "line-height: 1.4; margin: 0 2em 0 0; white-space: pre; overflow-x: auto"
    columns = "".join(f"<pre style='{style}'>{text}</pre>" for text in texts)
    return f"<div style='display: flex; flex-wrap: wrap'>{columns}</div>"


EXPLORERS = {StepQueue: _queue, TrainingRun: _reads, Call: _calls}
