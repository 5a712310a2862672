import pytest
import torch

from day37 import costs
from day37.costs import (
    Growth,
    Setting,
    measure_copies,
    measure_growth,
    measure_launch,
    with_threads,
)
from day37.hardware import Origin
from day37.timing import Measurement


def times(*medians, repeats=10):
    return tuple(
        Measurement("m", (float(t),) * repeats, Origin("cpu", "a CPU", "today")) for t in medians
    )


def test_copies_know_latency_and_bandwidth():
    copies = measure_copies(sizes=(4, 4_000), repeats=3)
    assert copies.latency == copies.times[0].median
    assert copies.bandwidth == 4_000 / copies.times[1].median
    assert [len(m.samples) for m in copies.times] == [3, 3]


def test_a_launch_is_one_of_many(clock, monkeypatch):
    waits = iter([0.0, 10.0] * 3)
    monkeypatch.setattr("day37.timing.synchronize", lambda _: clock.work(next(waits))())
    cost = measure_launch(launches=10, repeats=2)
    assert cost.queued.samples == (0.0, 0.0)
    assert cost.finished.samples == (1.0, 1.0)


def test_growth_times_each_setting_at_each_size():
    growth = measure_growth(
        {"one": Setting(threads=1), "default": Setting()}, [(12, 10), (12, 20)], repeats=8
    )
    assert growth.sizes == ((12, 10), (12, 20))
    assert {name: len(row) for name, row in growth.times.items()} == {"one": 2, "default": 2}
    assert "width" in repr(growth)


@pytest.mark.parametrize(
    ("first", "second", "slower_at", "faster_at"),
    [
        ((1, 2, 4), (2, 2, 3), (1, 10), (3, 10)),
        ((2, 2, 4), (1, 1, 3), None, (1, 10)),
        ((1, 1, 1), (2, 2, 2), (3, 10), None),
        ((1, 2, 4), (1, 2, 4), None, None),
        ((2, 1, 1), (1, 2, 2), (3, 10), None),
        ((2, 1, 4), (1, 2, 3), (2, 10), (3, 10)),
        ((2, 2, 4), (2, 1, 4), None, (2, 10)),
    ],
)
def test_the_crossover_lies_between_surely_slower_and_surely_faster(
    first, second, slower_at, faster_at
):
    growth = Growth(((1, 10), (2, 10), (3, 10)), {"a": times(*first), "b": times(*second)})
    found = growth.crossover("a", "b")
    assert (found.slower_at, found.faster_at) == (slower_at, faster_at)
    assert ("at none of these sizes" in repr(found)) is (faster_at is None)


def test_a_grid_is_cut_along_one_size_and_judged_at_another():
    sizes = ((1, 10), (2, 10), (1, 40))
    growth = Growth(sizes, {"a": times(4, 4, 9), "b": times(2, 4, 10), "c": times(8, 4, 9)})
    assert growth.along(width=10).sizes == ((1, 10), (2, 10))
    assert [m.median for m in growth.along(rows=1).times["b"]] == [2, 10]
    assert growth.along(rows=1, width=40).sizes == ((1, 40),)
    assert [(c.ratio, c.verdict) for c in growth.at(1, 10)] == [(0.5, "faster"), (2.0, "slower")]
    with pytest.raises(ValueError, match="rows, width must be a size that was measured"):
        growth.at(2, 40)


def test_threads_are_set_back_even_after_an_error():
    before = torch.get_num_threads()
    assert with_threads(1, torch.get_num_threads)() == 1

    def fail():
        raise RuntimeError

    with pytest.raises(RuntimeError):
        with_threads(1, fail)()
    assert torch.get_num_threads() == before


def test_an_interrupt_keeps_the_sizes_that_are_done(monkeypatch):
    real, sizes = costs._sized_step, []

    def stop_in_the_third(setting, rows, width, seed):
        sizes.append(rows)
        step = real(setting, rows, width, seed)

        def interrupted():
            raise KeyboardInterrupt

        return interrupted if rows == 3 else step

    monkeypatch.setattr(costs, "_sized_step", stop_in_the_third)
    growth = measure_growth({"cpu": Setting()}, [(1, 10), (2, 10), (3, 10), (4, 10)], repeats=8)
    assert growth.sizes == ((1, 10), (2, 10))
    assert [len(m.samples) for m in growth.times["cpu"]] == [8, 8]
    assert sizes == [1, 2, 3]


def test_each_setting_is_synchronised_on_its_own_device(monkeypatch):
    seen = []
    monkeypatch.setattr(
        costs,
        "measure_in_turn",
        lambda steps, device, **_: seen.append(device) or {n: times(1)[0] for n in steps},
    )
    measure_growth({"a": Setting("cpu"), "b": Setting("cpu:0")}, [(3, 10)])
    assert seen == [{"a": "cpu", "b": "cpu:0"}]
