"""A student's code: its time limit, its errors and its prints."""

import statistics
import threading
import time

import pytest
import torch

from day37.exercises import running
from day37.exercises.running import Wrong, ask, what_it_prints, within


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr(running, "LIMIT", 0.3)


def for_ever():
    while True:
        pass


def asleep():
    time.sleep(60)


def catches_all():
    while True:
        try:
            for_ever()
        except Exception:
            continue


def catches_everything():
    total = 0
    while True:
        try:
            total += sum(range(50))
        except:  # noqa: E722
            total = 0


def endless_products():
    a = torch.ones(50, 50)
    while True:
        a = a @ a


ENDLESS = [for_ever, asleep, catches_all, catches_everything, endless_products]


@pytest.mark.parametrize("fn", ENDLESS)
def test_a_loop_without_an_end_is_ended(fn):
    with pytest.raises(Wrong, match=r"not done after 0\.3 s") as wrong:
        ask(fn)
    assert wrong.value.hint == "Is there an endless loop, or a very slow part?"


def test_what_is_done_in_time_comes_back_and_nothing_interrupts_later():
    for _ in range(200):
        assert within(0.3, lambda: 1) == 1
    time.sleep(0.5)


def test_at_the_very_edge_it_is_done_or_too_late_and_nothing_slips_out():
    ends = set()
    for _ in range(150):
        try:
            within(0.002, lambda: time.sleep(0.002))
            ends.add("done")
        except TimeoutError:
            ends.add("late")
    assert ends <= {"done", "late"}
    assert threading.active_count() < 20


def test_the_readers_own_interrupt_is_theirs():
    def stop():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ask(stop)


def test_another_thread_cannot_be_interrupted_and_has_no_limit():
    found = []
    thread = threading.Thread(target=lambda: found.append(ask(lambda: time.sleep(0.5) or "done")))
    thread.start()
    thread.join()
    assert found == ["done"]


def broken(values):
    return 1 / len(values)


def calls_itself():
    return calls_itself()


def ends_python():
    raise SystemExit(3)


def on_one_way_only(ready=False):
    if ready:
        value = 1
    return value


def misspelt():
    return sampels  # noqa: F821


@pytest.mark.parametrize(
    ("fn", "args", "seen", "hint"),
    [
        (broken, ([],), "your code raised ZeroDivisionError: division by zero, in your line", ""),
        (calls_itself, (), "RecursionError", "calls itself"),
        (ends_python, (), "your code raised SystemExit: 3, in your line", ""),
        (on_one_way_only, (), "UnboundLocalError", "There is a way through your code"),
        (misspelt, (), "NameError: name 'sampels' is not defined", "spelt"),
        (broken, (), "TypeError: broken() missing 1 required", ""),
    ],
)
def test_an_error_is_shown_as_theirs(fn, args, seen, hint):
    with pytest.raises(Wrong) as wrong:
        ask(fn, *args)
    assert seen in wrong.value.seen and hint in wrong.value.hint
    assert bool(wrong.value.hint) == bool(hint)


def test_the_line_of_the_error_is_the_students_and_not_a_librarys():
    def mixed():
        return torch.ones(2, 3) @ torch.ones(2, 3)

    with pytest.raises(Wrong, match=r"in your line \d+: return torch\.ones\(2, 3\) @"):
        ask(mixed)


def test_nor_does_it_stand_in_pythons_own_library():
    with pytest.raises(Wrong, match=r"in your line \d+: ask\(lambda: statistics\.mean\(\[\]\)\)"):
        ask(lambda: statistics.mean([]))


def test_prints_are_kept_and_shortened():
    with what_it_prints() as printed:
        print("twice")
        print("twice")
    assert printed == ["twice\ntwice"]
    with what_it_prints() as printed:
        print("x" * 1000)
    assert printed == ["x" * 400 + " ..."]
