"""The controls, driven by their traits: no browser, no kernel. tests/browser has the page."""

import asyncio
import html
import sys
import threading
import time

import matplotlib.pyplot as plt
import pytest
import torch

from day37 import MLP, records, schedule, trace_calls, train, widgets
from day37.costs import Growth
from day37.timing import show_seconds
from day37.widgets import Paced, TrainingConsole

SHIPPED = records.load(records._folder() / "xeon-2-cores.json")


@pytest.fixture
def console(data):
    made = TrainingConsole(data, epochs=300)
    yield made
    made.stop.click()
    if made._thread:
        made._thread.join(10)


def wait_for(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def finish(console):
    if console._thread:
        console._thread.join(60)
        assert not console._thread.is_alive()
    return asyncio.run(console.done())


def test_start_trains_as_train_does(console, data):
    console.start.click()
    assert console.start.disabled and not console.stop.disabled
    run = finish(console)
    torch.manual_seed(42)
    model = MLP()
    assert run.losses == train(model, data, epochs=300, progress=False).losses
    assert all(
        torch.equal(a, b)
        for a, b in zip(model.parameters(), console.model.parameters(), strict=True)
    )
    assert not console.start.disabled and console.stop.disabled
    assert console.bar.value == console.bar.max == 300
    assert "300 epochs in" in console.status.value and "test accuracy" in console.status.value
    assert bytes(console.picture.value).startswith(b"\x89PNG")


def test_the_fields_are_what_is_trained(console):
    console.epochs.value, console.lr.value, console.hidden.value = 50, 0.5, 7
    console.start.click()
    assert finish(console).epochs == 50
    assert console.model.fc1.out_features == 7
    assert console.run.losses[-1] < 1


def test_stop_keeps_the_run_so_far_and_the_next_start_begins_afresh(console):
    console.epochs.value = 10_000_000
    console.start.click()
    wait_for(lambda: console.bar.value > 20)
    first_picture = bytes(console.picture.value)
    console.stop.click()
    stopped = finish(console)
    assert 0 < stopped.epochs < 10_000_000 and len(stopped.losses) == stopped.epochs
    assert (
        "ended early: Stop" in console.status.value
        and bytes(console.picture.value) != first_picture
    )
    console.epochs.value = 20
    console.start.click()
    assert finish(console).epochs == 20
    assert console.run.losses == stopped.losses[:20]


def test_a_second_start_while_training_does_nothing(console):
    console.epochs.value = 10_000_000
    console.start.click()
    thread = console._thread
    console.begin()
    assert console._thread is thread


def test_a_stop_of_the_cell_that_waits_stops_the_training(console):
    console.epochs.value = 10_000_000
    console.start.click()

    async def interrupted():
        waiting = asyncio.ensure_future(console.done())
        await asyncio.sleep(0.2)
        waiting.cancel()
        return await waiting

    run = asyncio.run(interrupted())
    assert 0 < run.epochs < 10_000_000 and not console._thread.is_alive()


def test_nothing_was_started_so_nothing_is_waited_for(console):
    assert finish(console) is None


def test_an_error_is_shown_and_the_buttons_come_back(console, monkeypatch):
    def breaks(*_, **__):
        raise RuntimeError("out of <memory>")

    monkeypatch.setattr(widgets, "train", breaks)
    console.start.click()
    assert finish(console) is None
    assert (
        "RuntimeError" in console.status.value and "out of &lt;memory&gt;" in console.status.value
    )
    assert isinstance(console.error, RuntimeError)
    assert not console.start.disabled and console.stop.disabled


def test_a_loss_that_is_no_number_is_told(console):
    console.data.x_train[0, 0] = float("nan")
    console.start.click()
    run = finish(console)
    assert "try a smaller lr" in run.stopped and "try a smaller lr" in console.status.value


def test_reads_are_those_that_were_asked_for(data):
    console = TrainingConsole(data, epochs=300, read_loss_every=100)
    console.start.click()
    assert finish(console).reads == 3


def test_what_is_paced_takes_a_small_share_of_the_time(clock, monkeypatch):
    monkeypatch.setattr(widgets, "clock", clock)
    calls = []

    def slow():
        calls.append(clock.now)
        clock.now += 0.06

    paced = Paced(slow)
    for _ in range(10_000):
        clock.now += 0.003
        paced()
    assert 0.06 * len(calls) <= 0.02 * clock.now
    assert len(calls) > 3


def test_a_new_console_stops_the_training_of_the_last(console, data):
    console.epochs.value = 10_000_000
    console.start.click()
    TrainingConsole(data)
    console._thread.join(20)
    assert not console._thread.is_alive() and console.run.epochs < 10_000_000


# The explorers: name → the control made by its function.
def machines_control(data):
    run = train(MLP(), data, epochs=20, progress=False)
    return widgets.choose_machines([records.here("now", runs={"cpu": run}), *records.recordings()])


def step_control(_):
    return widgets.explore_step(schedule.machines())


def crossover_control(_):
    return widgets.explore_crossover(
        [growth for each in records.recordings() for growth in each.growths.values()]
    )


def interval_control(data):
    run = train(MLP(), data, epochs=2000, progress=False)
    return widgets.explore_interval(run, records.recorded("sweeps", accelerator=False))


def call_control(_):
    return widgets.step_through(trace_calls(MLP(), torch.zeros(5, 4)))


CONTROLS = [machines_control, step_control, crossover_control, interval_control, call_control]
each_control = pytest.mark.parametrize("make", CONTROLS, ids=lambda make: make.__name__)


def shown(control):
    assert control.error is None
    return html.unescape(control.status.value)


@each_control
def test_every_field_has_a_label_and_every_change_redraws(make, data):
    control = make(data)
    assert all(field.description for row in control.box.children[:-2] for field in row.children)
    for name, field in control.fields.items():
        before = control.status.value, bytes(control.picture.value)
        assert shown(control) and before[1].startswith(b"\x89PNG")
        options = [
            option[1] if isinstance(option, tuple) else option
            for option in getattr(field, "options", ())
        ]
        last = options[-1] if options else "RTX 3080" if isinstance(field.value, str) else field.max
        changes, field.value = field.value != last, last
        assert ((control.status.value, bytes(control.picture.value)) != before) is changes, name


@each_control
def test_an_error_in_a_control_is_shown_and_goes_away(make, data, monkeypatch):
    control = make(data)
    good = control.show

    def breaks(**_):
        raise RuntimeError("no <picture>")

    control.show = breaks
    control.redraw()
    assert "RuntimeError" in control.status.value and "no &lt;picture&gt;" in control.status.value
    assert isinstance(control.error, RuntimeError)
    control.show = good
    control.redraw()
    assert "RuntimeError" not in shown(control)


@each_control
def test_without_ipywidgets_an_explorer_says_so(make, data, monkeypatch):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    assert "not installed" in make(data)._repr_mimebundle_()["text/plain"]


@each_control
def test_a_control_is_displayed_as_a_widget_and_leaves_no_figure(make, data):
    assert "application/vnd.jupyter.widget-view+json" in make(data)._repr_mimebundle_()
    assert plt.get_fignums() == []


def test_an_error_while_another_field_follows_is_shown():
    control = step_control(None)
    control.follow = lambda name, value: {"launches": "many"}
    control.fields["machine"].value = 1
    assert (
        isinstance(control.error, Exception)
        and type(control.error).__name__ in control.status.value
    )


def test_of_two_changes_in_two_threads_the_last_state_is_what_is_shown():
    shown, goes_on = threading.Event(), threading.Event()

    def show(a, b):
        shown.set()
        if b == 0:
            goes_on.wait(10)  # what began first would end last
        return f"a {a}, b {b}", b"picture"

    goes_on.set()
    explorer = widgets.Explorer(
        show, lambda made: {name: made.IntText(description=name) for name in "ab"}
    )
    goes_on.clear()
    shown.clear()
    first, second = (
        threading.Thread(target=setattr, args=(explorer.fields[name], "value", 1)) for name in "ab"
    )
    first.start()
    assert shown.wait(10)
    second.start()
    wait_for(lambda: explorer.fields["b"].value == 1)
    second.join(0.3)  # here it ends, if it need not wait its turn
    goes_on.set()
    for thread in (first, second):
        thread.join(10)
    assert explorer.status.value == "a 1, b 1" and explorer.error is None


@pytest.mark.parametrize(
    "make", [widgets.choose_machines, widgets.explore_step, widgets.explore_crossover]
)
def test_nothing_to_explore_is_an_error(make):
    with pytest.raises(ValueError, match="one or more"):
        make([])


def test_an_interval_needs_every_loss(data):
    run = train(MLP(), data, epochs=20, read_loss_every=2, progress=False)
    with pytest.raises(ValueError, match="run must be a run with every loss"):
        widgets.explore_interval(run, [SHIPPED.sweeps["cpu"]])


def test_an_error_while_drawing_ends_the_training_and_keeps_it(console, monkeypatch):
    monkeypatch.setattr(widgets, "OFTEN", 0.0)
    console.epochs.value = 10_000_000
    console.start.click()
    wait_for(lambda: console.bar.value)
    monkeypatch.setattr(console, "_show_progress", None)
    monkeypatch.setattr(widgets._Frame, "draw", None)
    run = finish(console)
    assert (
        0 < run.epochs < 10_000_000
        and isinstance(console.error, TypeError)
        and "TypeError" in console.status.value
    )


def test_no_peak_is_lost_and_the_frame_grows_with_the_curve(console):
    console._draw(list(range(1, 10_001)), [0.5] * 5_000 + [9.0] + [0.5] * 4_999)
    assert max(console._frame.line.get_ydata()) == 9.0 < console._frame.axes.get_ylim()[1]
    assert len(console._frame.line.get_xdata()) <= 1002


def test_two_machines_are_chosen_and_any_name_is_read(data):
    control = machines_control(data)
    assert (
        "laptop chip" in shown(control)
        and "4.62 s for 20,000 epochs" in shown(control)
        and "LIVE, " in shown(control)
    )
    control.fields["gpu"].value = "GeForce RTX 3080"
    assert "Ampere" in shown(control) and "desktop chip" in shown(control)
    control.fields["gpu"].value = "<b>"
    assert "<b>: no series" in shown(control) and "&lt;b&gt;" in control.status.value
    control.fields["gpu"].value = " "
    assert "type a GPU's name" in shown(control)
    control.fields["left"].value = 1
    assert "LIVE" not in shown(control)


def test_a_step_starts_from_a_machine_and_moves_from_there():
    control = step_control(None)
    published, *others = schedule.machines()
    assert published.origin.device == "cuda:0"
    assert "20,000 steps: 16.8 s; what binds: launches" in shown(control)
    assert "started from RECORDED, NVIDIA GeForce RTX 4070 Laptop GPU" in shown(control)
    assert "at worst by -19%" in shown(control) and "reads 22%" in shown(control)
    control.fields["every"].value = 1000
    assert "reads 0%" in shown(control)
    control.fields["kernel"].value = 10_000
    assert "what binds: kernels" in shown(control)
    control.box.children[0].children[-1].click()
    assert "20,000 steps: 16.8 s" in shown(control) and control.fields["every"].value == 1
    control.fields["machine"].value = len(others)
    costs = others[-1].costs
    assert (control.fields["launches"].value, control.fields["every"].value) == (costs.launches, 1)
    assert control.fields["launch"].value == pytest.approx(costs.launch * 1e6)
    assert f"20,000 steps: {show_seconds(costs.total())}" in shown(
        control
    ) and "to within" in shown(control)


def test_the_crossover_is_judged_where_the_sliders_are():
    growth = SHIPPED.growths["grid"]
    control, held = widgets.explore_crossover([growth]), growth.at(120, 10)[0]
    assert str(held).splitlines()[0] in shown(control)
    control.fields["rows"].value = 122_880
    assert "CPU, 2 threads is faster: " in shown(control) and "times as fast" in shown(control)
    control.fields["width"].value = 10_240
    assert (
        "122,880 rows at width 10,240 were not measured there; at width 10,240, up to 1,920"
        in shown(control)
    )
    alone = widgets.explore_crossover(
        [Growth(growth.sizes, {"<one>": growth.times["CPU, 1 thread"]})]
    )
    assert "only one setting was measured there" in shown(alone)


def test_the_interval_gives_reads_and_time_with_an_interval(data):
    control = interval_control(data)
    assert "2,000 steps with 2,000 reads: " in shown(control) and "% interval" in shown(control)
    control.fields["every"].value = 2000
    assert "2,000 steps with 1 read: " in shown(control)


def test_the_stepper_goes_forward_and_back_and_stays_inside():
    control = call_control(None)
    back, forward = control.box.children[0].children[1:]
    assert "1 of 16: model (MLP).__call__ → (5, 3) begins" in shown(
        control
    ) and "called from outside the model" in shown(control)
    back.click()
    assert control.fields["event"].value == 1
    for _ in range(2):
        forward.click()
    assert "3 of 16: fc1 (Linear).__call__ → (5, 10) begins" in shown(control)
    assert "▶         fc1 (Linear).__call__" in shown(control) and "^^^^^^^^^^^" in shown(control)
    back.click()
    assert "2 of 16: model.forward" in shown(control)
    for _ in range(20):
        forward.click()
    assert "16 of 16: model (MLP).__call__ → (5, 3) returns" in shown(control)


def test_without_ipywidgets_a_control_says_so(data, monkeypatch):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    console = TrainingConsole(data)
    assert "not installed" in console._repr_mimebundle_()["text/plain"]
    assert asyncio.run(console.done()) is None


def test_every_field_and_button_has_a_label(console):
    assert all(
        field.description
        for field in (
            console.epochs,
            console.lr,
            console.hidden,
            console.start,
            console.stop,
            console.bar,
        )
    )
