"""The explorers, driven by their traits: no browser, no kernel. tests/browser has the page."""

import html
import math
import sys
import threading

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import pytest
import torch
from IPython.core.formatters import DisplayFormatter

from day37 import MLP, StepQueue, explore, plot, trace_calls
from day37.experiments.calls import Call
from day37.experiments.reads import CostModel, Interval, ReadSweep
from day37.results import Live, Origin
from day37.show import explorers
from day37.show.controls import Explorer
from day37.show.plots import draw_reads
from day37.training import TrainingRun
from tests.show.test_console import wait_for

VIEW = "application/vnd.jupyter.widget-view+json"
CPU = Live("cpu", "CPU 1", "today")
OLD = Origin("cuda:0", "GPU <2>", "last year")
START = StepQueue(34, 69e-6, 25e-6, 45e-6)  # 20,000 steps take 48.3 s


def run_of(epochs, every=1, origin=CPU):
    at = tuple(range(every, epochs + 1, every))
    losses = tuple(1 / n for n in at)
    return TrainingRun("run", losses, at, epochs, len(losses), 2.5, origin)


def costs_of(origin=CPU, times=1):
    """0.1 s for a training, 300 µs for an epoch, 50 µs for a read, all of it `times` over."""
    ends = (Interval(times * c, times * c / 2, times * c * 4) for c in (0.1, 300e-6, 50e-6))
    half = 0.2
    squares = ((half**2, 0.0, 0.0), (0.0, 0.0, 0.0), (0.0, 0.0, 0.0))
    return CostModel(*ends, squares, ReadSweep((run_of(20, origin=origin),)))


# The explorers: name → the control for a result.
def queue_control():
    return explore(START)


def reads_control():
    return explore(run_of(2000), costs_of(), costs_of(OLD, times=2))


def calls_control():
    return explore(trace_calls(MLP(), torch.zeros(5, 4)))


CONTROLS = [queue_control, reads_control, calls_control]
each_control = pytest.mark.parametrize("make", CONTROLS, ids=lambda make: make.__name__)


def shown(control):
    assert control.error is None
    return html.unescape(control.status.value)


def buttons(control):
    return {b.description: b for b in control.box.children[0].children if hasattr(b, "click")}


@pytest.fixture
def drawn(monkeypatch):
    """What was last given to a figure, in place of its picture, and by what it is drawn."""
    last = []

    def draw(figure, *results, **names):
        last[:] = [figure, results, names]
        return b"picture"

    monkeypatch.setattr(explorers, "draw_png", draw)
    return last


# Every explorer


@each_control
def test_every_field_has_a_label_and_every_change_redraws(make):
    control = make()
    assert all(field.description for row in control.box.children[:-2] for field in row.children)
    for name, field in control.fields.items():
        before = (control.status.value, bytes(control.picture.value))
        assert shown(control)
        assert before[1].startswith(b"\x89PNG")
        options = []
        for option in getattr(field, "options", ()):
            options.append(option[1] if isinstance(option, tuple) else option)
        last = options[-1] if options else field.max
        assert field.value != last
        field.value = last
        assert shown(control)
        assert (control.status.value, bytes(control.picture.value)) != before, name


@each_control
def test_an_error_in_a_control_is_shown_and_goes_away(make):
    control = make()
    good = control.show

    def breaks(**_):
        raise RuntimeError("no <picture>")

    control.show = breaks
    control.redraw()
    assert "RuntimeError" in control.status.value
    assert "no &lt;picture&gt;" in control.status.value
    assert isinstance(control.error, RuntimeError)
    control.show = good
    control.redraw()
    assert "RuntimeError" not in shown(control)


@each_control
def test_without_ipywidgets_an_explorer_says_so(make, monkeypatch):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    data, _ = DisplayFormatter().format(make())
    assert data == {"text/plain": "no controls here: ipywidgets is not installed"}


def test_without_what_ipywidgets_needs_an_explorer_says_so(monkeypatch):
    for module in [name for name in sys.modules if name.split(".")[0] == "ipywidgets"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "comm", None)
    data, _ = DisplayFormatter().format(queue_control())
    assert list(data) == ["text/plain"]
    assert data["text/plain"].startswith("no controls here: ipywidgets says: import of comm ")
    assert "\n" not in data["text/plain"]


@each_control
def test_a_control_is_displayed_as_a_widget_and_leaves_no_figure(make):
    plt.close("all")
    control = make()
    data, _ = DisplayFormatter().format(control)  # as a notebook asks
    assert data[VIEW]["model_id"] == control.box.model_id
    assert plt.get_fignums() == []


def numbers(show):
    """An explorer of two numbers, a and b."""

    def fields(widgets):
        return {name: widgets.IntText(description=name) for name in "ab"}

    return Explorer(show, fields)


def test_of_two_changes_in_two_threads_the_last_state_is_what_is_shown():
    showing = threading.Event()
    goes_on = threading.Event()

    def show(a, b):
        showing.set()
        if b == 0:
            goes_on.wait(10)  # what began first would end last
        return f"a {a}, b {b}", b"picture"

    goes_on.set()
    explorer = numbers(show)
    goes_on.clear()
    showing.clear()
    arguments = [(explorer.fields[name], "value", 1) for name in "ab"]
    first, second = (threading.Thread(target=setattr, args=each) for each in arguments)
    first.start()
    assert showing.wait(10)
    second.start()
    wait_for(lambda: explorer.fields["b"].value == 1)
    second.join(0.3)  # here it ends, if it need not wait its turn
    goes_on.set()
    for thread in (first, second):
        thread.join(10)
    assert explorer.status.value == "a 1, b 1"
    assert explorer.error is None


def test_fields_that_are_set_together_are_shown_once_and_then_one_by_one():
    seen = []

    def show(a, b):
        seen.append((a, b))
        return f"{a} {b}", b"picture"

    explorer = numbers(show)
    explorer.set({"a": 1, "b": 2})
    assert seen == [(0, 0), (1, 2)]
    explorer.fields["a"].value = 3
    assert seen[2:] == [(3, 2)]
    with pytest.raises(KeyError):
        explorer.set({"a": 4, "c": 5})
    explorer.fields["b"].value = 6
    assert seen[-1] == (4, 6)


def test_an_error_behind_a_button_is_shown():
    explorer = numbers(lambda a, b: ("", b"picture"))
    explorer.add_button("Break", "bolt", lambda: explorer.set({"c": 5}))
    buttons(explorer)["Break"].click()
    assert isinstance(explorer.error, KeyError)
    assert "KeyError" in explorer.status.value


def test_nothing_to_explore_is_an_error():
    with pytest.raises(ValueError, match="others must be one CostModel or more"):
        explore(run_of(20))


# A simulation of a step


def test_the_sliders_of_a_step_are_in_us(drawn):
    control = explore(StepQueue(3, 8e-6, 2e-6, 3e-5, 4))
    fields = control.fields
    us = {name: fields[name].value for name in ("launch", "kernel", "read")}
    assert us == pytest.approx({"launch": 8, "kernel": 2, "read": 30})
    assert (fields["launches"].value, fields["every"].value) == (3, 4)
    assert [fields[name].description for name in us] == [f"{name} (µs)" for name in us]
    for name, value in (("launch", 100), ("kernel", 1000), ("read", 10)):
        fields[name].value = value
        ((queue,),) = drawn[1:2]
        assert getattr(queue, name) == pytest.approx(value * 1e-6)
    assert queue.timeline(1).host[0].end == pytest.approx(300e-6)
    assert (queue.launches, queue.every) == (3, 4)
    fields["launches"].value = 7
    fields["every"].value = 500
    ((queue,),) = drawn[1:2]
    assert (queue.launches, queue.every) == (7, 500)


def test_a_step_is_drawn_as_plot_draws_it_up_to_ten_steps(drawn):
    control = queue_control()
    for every, steps in ((1, 3), (2, 3), (5, 5), (10, 10), (1000, 10)):
        control.fields["every"].value = every
        figure, (queue,), names = drawn
        assert figure is plot
        assert (queue.every, names) == (every, {"steps": steps})


def test_numbers_that_no_slider_would_stop_at_are_kept(drawn):
    queue = StepQueue(700, 8.1234e-6, 2.3456e-6, 3.4567e-5, 7)
    control = explore(queue)
    (start,) = drawn[1]
    assert (start.launches, start.every) == (700, 7)
    times = [(q.launch, q.kernel, q.read) for q in (start, queue)]
    assert times[0] == pytest.approx(times[1])
    control.fields["every"].value = 1
    control.fields["every"].value = 7
    assert list(control.fields["every"].options) == sorted(control.fields["every"].options)


def test_a_step_starts_from_its_numbers_and_moves_from_there(drawn):
    control = queue_control()
    start = shown(control)
    assert "20,000 steps: 48.3 s; bottleneck: launches" in start
    assert "saved if one cost were nothing: launches 63%, kernels 1%, reads 3%" in start
    control.fields["every"].value = 1000
    assert "reads 0%" in shown(control)
    control.fields["kernel"].value = 10_000
    assert "bottleneck: kernels" in shown(control)


def test_back_to_the_start_sets_every_field_as_it_was():
    control = queue_control()
    before = {name: field.value for name, field in control.fields.items()}
    says = shown(control)
    picture = bytes(control.picture.value)
    new = {"launches": 5, "launch": 1, "kernel": 200, "read": 3, "every": 50}
    control.set(new)
    assert says != shown(control)
    buttons(control)["Back to the start"].click()
    assert {name: field.value for name, field in control.fields.items()} == before
    assert (shown(control), bytes(control.picture.value)) == (says, picture)


def test_a_slider_that_a_page_has_rounded_means_the_start(drawn):
    control = queue_control()
    says = shown(control)
    control.set({"launch": 10 ** (round(math.log10(69) / 0.02) * 0.02)})  # 69.18 µs
    assert shown(control) == says
    control.set({"launch": 10**1.86})
    assert shown(control) != says


# Steps between reads


def test_the_figure_of_reads_follows_the_fields(drawn):
    run = run_of(100)
    here = costs_of()
    there = costs_of(OLD, times=2)
    control = explore(run, here, there)
    figure, (of, cost, every), names = drawn
    assert (figure, names) == (draw_reads, {})
    assert (of, cost, every) == (run, here, 1)
    control.fields["every"].value = 20
    control.fields["costs_of"].value = 1
    _, (of, cost, every), _ = drawn
    assert of is run
    assert cost is there
    assert every == 20


def test_the_choice_of_costs_names_their_origins(drawn):
    labels = [label for label, _ in reads_control().fields["costs_of"].options]
    assert labels == ["1. LIVE, CPU 1 (cpu)", "2. RECORDED, GPU <2> (cuda:0)"]


def test_a_single_cost_leaves_nothing_to_choose(drawn):
    control = explore(run_of(100), costs_of())
    assert list(control.fields) == ["every"]
    control.fields["every"].value = 20
    assert drawn[1][2] == 20


def test_the_steps_to_a_read_give_reads_and_time_with_an_interval(drawn):
    control = reads_control()
    first, second = shown(control).split("<br>")
    says = "2,000 steps with 2,000 reads: 800 ms (99% interval 600 ms to 1 s), by the model"
    assert first == f"<b>{says}</b>"
    assert second == "a read costs 50 µs (99% interval 25 µs to 200 µs)"
    control.fields["costs_of"].value = 1
    assert "2,000 steps with 2,000 reads: 1.6 s (" in shown(control)
    assert "a read costs 100 µs" in shown(control)
    control.fields["every"].value = 2000
    assert "2,000 steps with 1 read: 1.4 s (" in shown(control)
    control.fields["every"].value = 1000
    assert "2,000 steps with 2 reads: 1.4 s (" in shown(control)


def test_no_more_steps_to_a_read_than_there_are(drawn):
    assert list(explore(run_of(60), costs_of()).fields["every"].options) == [1, 2, 5, 10, 20, 50]


def test_reads_need_every_loss():
    for run in (run_of(20, every=2), TrainingRun("run", (), (), 0, 0, 1.0, CPU)):
        with pytest.raises(ValueError, match="run must be a run with every loss"):
            explore(run, costs_of())


# Calls

NOWHERE = "called from outside the model"


def test_the_stepper_goes_forward_and_back_and_stays_inside(drawn):
    control = calls_control()
    back = buttons(control)["Back"]
    forward = buttons(control)["Next"]
    assert "1 of 16: model (MLP).__call__ → (5, 3) begins" in shown(control)
    assert NOWHERE in shown(control)
    back.click()
    assert control.fields["event"].value == 1
    for _ in range(2):
        forward.click()
    assert "3 of 16: fc1 (Linear).__call__ → (5, 10) begins" in shown(control)
    assert "▶         fc1 (Linear).__call__" in shown(control)
    back.click()
    assert "2 of 16: model.forward" in shown(control)
    for _ in range(20):
        forward.click()
    assert "16 of 16: model (MLP).__call__ → (5, 3) returns" in shown(control)


def test_the_stepper_shows_the_line_of_the_model_that_calls(drawn):
    tree = trace_calls(MLP(), torch.zeros(5, 4))
    control = explore(tree)
    found = 0
    for number, (call, _) in enumerate(tree.events(), 1):
        control.fields["event"].value = number
        assert shown(control).endswith(f"{call.source() or NOWHERE}</pre></div>")
        found += "→         return self.fc2(self.relu(self.fc1(x)))" in shown(control)
    assert found == 12  # three layers, their __call__ and forward, both events


def test_what_no_forward_calls_says_so(drawn):
    tree = Call("__call__", "a <x>", "run", (9,), [Call("hook", "b", "after")])
    control = explore(tree)
    assert control.status.value.count("a &lt;x&gt;.__call__") == 2  # above, and in the tree
    assert "<x>" not in control.status.value
    assert NOWHERE in shown(control)
    control.fields["event"].value = 2
    assert "called by __call__, outside every forward" in shown(control)


def test_the_figure_of_calls_follows_the_event(drawn):
    tree = trace_calls(MLP(), torch.zeros(5, 4))
    control = explore(tree)
    assert drawn == [plot, (tree,), {"event": 1}]
    buttons(control)["Next"].click()
    assert drawn == [plot, (tree,), {"event": 2}]
