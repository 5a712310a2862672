"""The controls, driven by their traits: no browser, no kernel."""

import asyncio
import sys
import time

import pytest
import torch

from day37 import MLP, train, widgets
from day37.widgets import Paced, TrainingConsole


@pytest.fixture
def console(data):
    made = TrainingConsole(data, epochs=300)
    yield made
    made.stop.click()
    if made._thread:
        made._thread.join(10)


def finish(console):
    return asyncio.run(asyncio.wait_for(console.done(), 60))


def test_start_trains_as_train_does(console, data):
    console.start.click()
    assert console.start.disabled and not console.stop.disabled
    run = finish(console)
    torch.manual_seed(42)
    model = MLP()
    assert run.losses == train(model, data, epochs=300, progress=False).losses
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), console.model.parameters(), strict=True))
    assert not console.start.disabled and console.stop.disabled
    assert console.bar.value == console.bar.max == 300
    assert "300 epochs in" in console.status.value and "test accuracy" in console.status.value
    assert bytes(console.curve.value).startswith(b"\x89PNG")


def test_the_fields_are_what_is_trained(console):
    console.epochs.value, console.lr.value, console.hidden.value = 50, 0.5, 7
    console.start.click()
    assert finish(console).epochs == 50
    assert console.model.fc1.out_features == 7
    assert console.run.losses[-1] < 1


def test_stop_keeps_the_run_so_far_and_the_next_start_begins_afresh(console):
    console.epochs.value = 10_000_000
    console.start.click()
    while not console.bar.value:
        time.sleep(0.01)
    first_picture = bytes(console.curve.value)
    console.stop.click()
    stopped = finish(console)
    assert 0 < stopped.epochs < 10_000_000 and len(stopped.losses) == stopped.epochs
    assert "ended early: Stop" in console.status.value and bytes(console.curve.value) != first_picture
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
    assert "RuntimeError" in console.status.value and "out of &lt;memory&gt;" in console.status.value
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
        clock.now += 0.001
        paced()
    assert 0.06 * len(calls) <= 0.04 * clock.now
    assert len(calls) > 3


def test_without_ipywidgets_a_control_says_so(data, monkeypatch):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    console = TrainingConsole(data)
    assert "not installed" in console._repr_mimebundle_()["text/plain"]
    assert asyncio.run(console.done()) is None


def test_every_field_and_button_has_a_label(console):
    assert all(
        field.description for field in (console.epochs, console.lr, console.hidden, console.start, console.stop, console.bar)
    )
