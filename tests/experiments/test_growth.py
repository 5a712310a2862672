from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch import nn

from day37 import MLP, measure_growth
from day37.experiments import growth as module
from day37.experiments.growth import Crossover, Growth
from day37.results import Live, Measurement, Origin

HERE = Live("cpu", "a CPU", "today")


def times(*medians, repeats=10):
    return tuple(Measurement("m", (float(t),) * repeats, HERE) for t in medians)


@pytest.fixture
def at_each_step():
    """Call a function with the model and its rows, whenever an MLP is called."""
    hooks = []

    def register(fn):
        def spy(module, inputs):
            if isinstance(module, MLP):
                fn(module, inputs[0])

        hooks.append(nn.modules.module.register_module_forward_pre_hook(spy))

    yield register
    for hook in hooks:
        hook.remove()


@pytest.fixture
def steps(clock, at_each_step):
    """The rows, the width, the threads of every step; each takes (rows + width) / 1024 s."""
    seen = []

    def step(model, x):
        rows = x.shape[0]
        width = model.fc1.out_features
        seen.append((rows, width, torch.get_num_threads()))
        clock.now += (rows + width) / 1024

    at_each_step(step)
    return seen


SHAPES = {"rows": [(12, 10), (13, 10), (500, 10)], "width": [(120, 12), (120, 13), (120, 500)]}


@pytest.mark.parametrize("over", ["rows", "width"])
def test_growth_has_the_rows_and_the_width_that_it_says(steps, over):
    growth = measure_growth({"a": "cpu"}, over, [12, 13, 500], repeats=8)
    assert (growth.over, growth.sizes) == (over, (12, 13, 500))
    assert list(dict.fromkeys(step[:2] for step in steps)) == SHAPES[over]


@pytest.mark.parametrize("over", ["rows", "width"])
def test_growth_times_each_setting_at_each_size(steps, over):
    growth = measure_growth({"a": "cpu", "b": ("cpu", 2)}, over, [12, 13, 500], repeats=8)
    assert list(growth.times) == ["a", "b"]
    for name in ("a", "b"):
        samples = [m.samples for m in growth.times[name]]
        assert samples == [(sum(shape) / 1024,) * 8 for shape in SHAPES[over]]
        assert {m.origin.device for m in growth.times[name]} == {"cpu"}


def test_a_growing_step_sees_its_threads_and_they_are_set_back(steps):
    before = torch.get_num_threads()
    settings = {"two": ("cpu", 2), "default": "cpu", "three": ("cpu", 3)}
    measure_growth(settings, "rows", [12], repeats=8)
    assert sorted({threads for _, _, threads in steps}) == sorted({2, 3, before})
    assert torch.get_num_threads() == before


def test_each_settings_time_is_of_its_own_threads(clock, at_each_step):
    def step(*_):
        clock.now += torch.get_num_threads() / 8

    at_each_step(step)
    settings = {"three": ("cpu", 3), "two": ("cpu", 2)}
    growth = measure_growth(settings, "rows", [12], repeats=8)
    assert growth.times["three"][0].samples == (3 / 8,) * 8
    assert growth.times["two"][0].samples == (2 / 8,) * 8


def test_a_growing_step_trains(at_each_step):
    weights = []
    at_each_step(lambda model, _: weights.append(model.fc2.weight.detach().clone()))
    measure_growth({"a": "cpu"}, "rows", [12], repeats=8)
    assert len(weights) > 8
    assert not any(torch.equal(a, b) for a, b in pairwise(weights))


def test_the_rows_come_from_the_seed_and_hold_four_features(at_each_step):
    def rows(seed):
        seen = []
        at_each_step(lambda _, x: seen.append(x))
        measure_growth({"a": "cpu", "b": "cpu"}, "rows", [12], repeats=2, seed=seed)
        assert {tuple(x.shape) for x in seen} == {(12, 4)}
        assert all(torch.equal(x, seen[0]) for x in seen)  # the same for each setting
        return seen[0]

    first = rows(3)
    assert torch.equal(first, rows(3))
    assert not torch.equal(first, rows(4))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU here")
def test_growth_on_a_gpu_is_of_the_gpu(at_each_step):
    devices = []
    at_each_step(lambda model, x: devices.append((model.fc1.weight.device.type, x.device.type)))
    growth = measure_growth({"GPU": "cuda"}, "rows", [12], repeats=8)
    assert set(devices) == {("cuda", "cuda")}
    assert growth.times["GPU"][0].origin.device == "cuda:0"


def test_growth_on_another_device_is_of_that_device(at_each_step):
    devices = []
    at_each_step(lambda model, x: devices.append((model.fc1.weight.device.type, x.device.type)))
    growth = measure_growth({"nowhere": "meta"}, "rows", [12], repeats=2)
    assert set(devices) == {("meta", "meta")}
    assert growth.times["nowhere"][0].origin.device == "meta"


@pytest.mark.parametrize("over", ["rows", "width"])
def test_growth_prints_a_line_for_each_size_and_a_column_for_each_setting(over):
    medians = {"a": times(2e-6, 3e-6), "b": times(40e-6, 5000e-6)}
    head, first, second, last = repr(Growth(over, (7, 5000), medians)).splitlines()
    assert head.split() == [over, "a", "b"]
    assert first.split() == ["7", "2", "40"]
    assert second.split() == ["5,000", "3", "5,000"]
    assert last == "µs per step, medians; LIVE, a CPU (cpu)"


def test_a_growth_of_two_origins_names_both():
    old = tuple(replace(m, origin=Origin("cpu", "a CPU", "today")) for m in times(1, 2))
    growth = Growth("rows", (7, 8), {"a": times(1, 2), "b": old})
    assert repr(growth).endswith("LIVE, a CPU (cpu); RECORDED, a CPU (cpu)")


@pytest.mark.parametrize(
    ("over", "sizes", "timed", "message"),
    [
        ("depth", (7,), {"a": times(1)}, 'over must be "rows" or "width", but it is \'depth\''),
        ("rows", (7,), {}, "times must be one setting or more, but it is {}"),
        ("rows", (7, 8), {"a": times(1)}, "times['a'] must be as many as sizes, 2"),
        ("rows", (7,), {"a": times(1), "b": times(1, 2)}, "times['b'] must be as many as sizes, 1"),
        ("rows", (), {"a": ()}, "and one or more, but it is '0 measurements'"),
    ],
)
def test_a_growth_that_contradicts_itself_is_refused(over, sizes, timed, message):
    with pytest.raises(ValueError) as error:
        Growth(over, sizes, timed)
    assert message in str(error.value)


@pytest.mark.parametrize("over", ["rows", "width"])
def test_a_crossover_says_first_where_slower_and_then_where_faster(over):
    slower, faster = repr(Crossover("one", "two", over, 120, 4000)).split(", ")
    assert slower == f"two against one: slower for the last time at {over} 120"
    assert faster == f"faster for the first time at {over} 4,000"
    assert "slower for the last time at no size," in repr(Crossover("one", "two", over, None, 4000))
    nowhere = "two is faster than one at none of these sizes"
    assert repr(Crossover("one", "two", over, 120, None)) == nowhere


def test_verdicts_are_of_the_second_setting():
    medians = {"a": times(4, 4), "b": times(2, 5), "c": times(9, 4)}
    growth = Growth("rows", (1, 2), medians)
    assert growth.verdicts("a", "b") == ["faster", "slower"]
    assert growth.verdicts("b", "a") == ["slower", "faster"]
    assert growth.verdicts("a", "c") == ["slower", "cannot tell"]


@pytest.mark.parametrize(
    ("first", "second", "slower_at", "faster_at"),
    [
        ((1, 2, 4), (2, 2, 3), 1, 3),
        ((2, 2, 4), (1, 1, 3), None, 1),
        ((1, 1, 1), (2, 2, 2), 3, None),
        ((1, 2, 4), (1, 2, 4), None, None),
        ((2, 1, 1), (1, 2, 2), 3, None),
        ((2, 1, 4), (1, 2, 3), 2, 3),
        ((2, 2, 4), (2, 1, 4), None, 2),
    ],
)
def test_the_crossover_lies_between_surely_slower_and_surely_faster(
    first, second, slower_at, faster_at
):
    growth = Growth("width", (1, 2, 3), {"a": times(*first), "b": times(*second)})
    found = growth.crossover("a", "b")
    assert found == Crossover("a", "b", "width", slower_at, faster_at)
    assert ("at none of these sizes" in repr(found)) is (faster_at is None)


def test_a_crossover_needs_eight_repeats():
    growth = Growth("rows", (1,), {"a": times(1, repeats=7), "b": times(2, repeats=7)})
    with pytest.raises(ValueError, match="repeats must be 8 or more"):
        growth.crossover("a", "b")


@pytest.mark.parametrize("call", [1, 6])
def test_an_interrupt_keeps_the_sizes_that_are_done(monkeypatch, call):
    real = module._sized_step
    sizes = []

    def stop_in_the_third(device, threads, rows, width, seed):
        sizes.append(rows)
        step = real(device, threads, rows, width, seed)
        calls = []

        def interrupted():
            calls.append(1)
            if len(calls) == call:  # the first is of the warm-up, the sixth of a third round
                raise KeyboardInterrupt

        return interrupted if rows == 3 else step

    monkeypatch.setattr(module, "_sized_step", stop_in_the_third)
    growth = measure_growth({"cpu": "cpu"}, "rows", [1, 2, 3, 4], repeats=8)
    assert growth.sizes == (1, 2)
    assert [len(m.samples) for m in growth.times["cpu"]] == [8, 8]
    assert sizes == [1, 2, 3]


@pytest.fixture
def asked(monkeypatch):
    """The devices with which steps were to be timed, size by size; nothing is timed."""
    seen = []

    def spy(steps, device, **_):
        seen.append(device)
        return {name: times(1)[0] for name in steps}

    monkeypatch.setattr(module, "measure_in_turn", spy)
    return seen


def test_each_setting_is_synchronised_on_its_own_device(asked):
    measure_growth({"a": "cpu", "b": ("cpu:0", 2)}, "rows", [3])
    assert asked == [{"a": "cpu", "b": "cpu:0"}]


def test_devices_in_a_list_count_once_each(asked):
    growth = measure_growth(["cpu", torch.device("cpu"), torch.device("cpu:0")], "rows", [3])
    assert asked == [{"cpu": "cpu", "cpu:0": "cpu:0"}]
    assert list(growth.times) == ["cpu", "cpu:0"]
