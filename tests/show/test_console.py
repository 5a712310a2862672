"""The console, driven by its traits: no browser, no kernel. tests/browser has the page."""

import asyncio
import sys
import threading
import time
from types import SimpleNamespace

import pytest
import torch

from day37 import MLP, TrainingConsole, accuracy, train
from day37.results import Live, show_seconds
from day37.show.console import PAUSE, Frame, Paced
from day37.timing import Stopwatch

MANY = 10_000_000  # epochs that no test waits for


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
    assert console.start.disabled
    assert not console.stop.disabled
    run = finish(console)
    torch.manual_seed(42)
    model = MLP()
    assert run.losses == train(model, data, epochs=300, progress=False).losses
    both = zip(model.parameters(), console.model.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in both)
    assert not console.start.disabled
    assert console.stop.disabled
    assert console.bar.value == console.bar.max == 300
    says = f"300 epochs in {show_seconds(run.seconds)}"
    assert console.status.value == f"{says}; test accuracy {accuracy(model, data):.3f}"
    assert bytes(console.picture.value).startswith(b"\x89PNG")
    assert console.error is None


def test_the_fields_are_what_is_trained(console):
    console.epochs.value = 50
    console.lr.value = 0.5
    console.hidden.value = 7
    console.start.click()
    assert finish(console).epochs == 50
    assert console.model.fc1.out_features == 7
    assert console.run.losses[-1] < 1


def test_stop_keeps_the_run_so_far_and_the_next_start_begins_afresh(console):
    console.epochs.value = MANY
    console.start.click()
    wait_for(lambda: console.bar.value > 20)
    first_picture = bytes(console.picture.value)
    console.stop.click()
    stopped = finish(console)
    assert 0 < stopped.epochs < MANY
    assert len(stopped.losses) == stopped.epochs
    assert "(ended early: Stop)" in console.status.value
    assert bytes(console.picture.value) != first_picture
    console.epochs.value = 20
    console.start.click()
    assert finish(console).epochs == 20
    assert console.run.losses == stopped.losses[:20]
    assert "ended early" not in console.status.value


def test_a_second_start_while_training_does_nothing(console):
    console.epochs.value = MANY
    console.start.click()
    thread = console._thread
    console.begin()
    assert console._thread is thread


def test_a_stop_of_the_cell_that_waits_stops_the_training(console):
    console.epochs.value = MANY
    console.start.click()

    async def interrupted():
        waiting = asyncio.ensure_future(console.done())
        await asyncio.sleep(0.2)
        waiting.cancel()
        return await waiting

    run = asyncio.run(interrupted())
    assert 0 < run.epochs < MANY
    assert not console._thread.is_alive()


def test_nothing_was_started_so_nothing_is_waited_for(console):
    assert console.status.value == "Press Start."
    assert finish(console) is None


def test_an_error_is_shown_and_the_buttons_come_back(console, monkeypatch):
    def breaks(*_, **__):
        raise RuntimeError("out of <memory>")

    monkeypatch.setattr("day37.show.console.train", breaks)
    console.start.click()
    assert finish(console) is None
    assert "RuntimeError" in console.status.value
    assert "out of &lt;memory&gt;" in console.status.value
    assert isinstance(console.error, RuntimeError)
    assert not console.start.disabled
    assert console.stop.disabled


def test_a_loss_that_is_no_number_is_told(console):
    console.data.x_train[0, 0] = float("nan")
    console.start.click()
    run = finish(console)
    assert "try a smaller lr" in run.stopped
    assert "try a smaller lr" in console.status.value


def test_reads_are_those_that_were_asked_for(data):
    console = TrainingConsole(data, epochs=300, read_loss_every=100)
    console.start.click()
    assert finish(console).reads == 3


def test_an_error_while_drawing_ends_the_training_and_keeps_it(console, monkeypatch):
    monkeypatch.setattr("day37.show.console.PAUSE", 0.0)
    console.epochs.value = MANY
    console.start.click()
    wait_for(lambda: console.bar.value)
    monkeypatch.setattr(Frame, "draw", None)
    run = finish(console)
    assert 0 < run.epochs < MANY
    assert isinstance(console.error, TypeError)
    assert "TypeError" in console.status.value


def test_a_new_console_stops_the_training_of_the_last(console, data):
    console.epochs.value = MANY
    console.start.click()
    TrainingConsole(data)
    console._thread.join(20)
    assert not console._thread.is_alive()
    assert console.run.epochs < MANY


def test_the_training_has_as_many_threads_as_the_cell_that_starts_it(console, monkeypatch):
    told = []

    def tell(threads):
        told.append((threading.current_thread(), threads))

    monkeypatch.setattr(torch, "set_num_threads", tell)
    console.epochs.value = 3
    console.start.click()
    finish(console)
    assert told == [(console._thread, torch.get_num_threads())]


# Pace


def test_what_is_paced_takes_a_small_share_of_the_time(clock):
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


def test_what_is_paced_and_takes_no_time_is_called_only_so_often(clock):
    calls = []
    paced = Paced(calls.append, 0)
    for i in range(1, 1001):
        clock.now += PAUSE / 100
        paced(i)
    assert calls[0] == 0
    assert 9 <= len(calls) - 1 <= 10
    assert calls[1] in (100, 101)


def test_progress_tells_how_far_how_fast_and_how_much_is_left(console, clock):
    with Stopwatch() as watch:
        clock.now += 2.0
        console._show_progress(0, 300, watch)
        assert console.status.value == "0 of 300 epochs, 0 a second"
        console._show_progress(50, 300, watch)
    assert console.status.value == "50 of 300 epochs, 25 a second, 10 s left"
    assert console.bar.value == 50


# The curve


def test_no_peak_is_lost_and_the_frame_grows_with_the_curve(console):
    console._draw(list(range(1, 10_001)), [0.5] * 5_000 + [9.0] + [0.5] * 4_999)
    assert max(console._frame.line.get_ydata()) == 9.0 < console._frame.axes.get_ylim()[1]
    assert len(console._frame.line.get_xdata()) <= 1002
    drawn = dict(zip(*reversed(console._frame.line.get_data()), strict=True))
    assert 5_001 <= drawn[9.0] < 5_001 + 21  # nothing is shown before it was read


def test_the_frame_stays_while_the_curve_is_in_it(console):
    frame = console._frame
    console._draw([1, 2], [1.1, 0.9])
    assert console._frame is frame
    console._draw([1, 2, 3], [1.1, 0.9, 2.0])
    assert console._frame is not frame


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_the_console_says_where_its_curve_is_made(console, device):
    console.data = SimpleNamespace(device=torch.device(device))
    title = console._new_frame(1.0).axes.get_title()
    assert title.splitlines()[-1] == str(Live.here(device))
    assert title.splitlines()[-1].startswith("LIVE, ")
    assert f"({device})" in title


def test_the_consoles_first_picture_says_where_its_curve_will_be_made(console):
    assert console._frame.axes.get_title().splitlines()[-1] == str(Live.here("cpu"))


def test_the_consoles_curve_is_the_losses_at_their_epochs(console):
    console._draw([10, 20, 30], [0.9, 0.4, 0.7])
    epochs, losses = console._frame.line.get_data()
    assert dict(zip(epochs, losses, strict=True)) == {10: 0.9, 20: 0.4, 30: 0.7}
    assert console._frame.axes.get_xlim() == (0, 300)


# The page


def test_without_ipywidgets_a_control_says_so(data, monkeypatch):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    console = TrainingConsole(data)
    assert "not installed" in console._repr_mimebundle_()["text/plain"]
    console.begin()  # does nothing
    assert asyncio.run(console.done()) is None and console.run is None


def test_every_field_and_button_has_a_label(console):
    numbers = [console.epochs, console.lr, console.hidden]
    assert all(field.description for field in (*numbers, console.start, console.stop, console.bar))
    assert all(field.tooltip for row in console.box.children[:2] for field in row.children)
