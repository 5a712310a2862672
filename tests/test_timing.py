import random

import numpy as np
import pytest
import torch

from day37 import Stopwatch, compare, judge, measure, measure_in_turn, timing
from day37.hardware import Origin
from day37.timing import Measurement, show_seconds


def measurement(samples, name="m"):
    return Measurement(name, tuple(map(float, samples)), Origin("cpu", "a CPU", "today"))


def test_a_measurement_keeps_its_samples_and_knows_its_spread():
    m = measurement([1, 2, 3, 4, 100])
    assert m.median == 3
    assert m.quartiles == (2, 4)
    assert m.iqr == 2
    assert "noisy" in m.warning
    assert measurement([1, 1, 1.01]).warning == ""


@pytest.mark.parametrize(
    ("seconds", "shown"), [(2, "2 s"), (0.0123, "12.3 ms"), (1.2e-4, "120 µs"), (5e-8, "50 ns")]
)
def test_seconds_get_a_unit(seconds, shown):
    assert show_seconds(seconds) == shown


def test_measure_leaves_out_warm_up_and_set_up(clock):
    calls = []

    def setup():
        clock.now += 50
        return len(calls)

    def fn(given):
        calls.append(given)
        clock.now += 9 if len(calls) <= 2 else 2

    m = measure(fn, setup=setup, warmup=2, repeats=4)
    assert m.samples == (2, 2, 2, 2)
    assert calls == [0, 1, 2, 3, 4, 5]
    assert m.name == "fn"
    assert m.origin.device == "cpu"


def test_the_stopwatch_tells_queueing_from_finishing(clock, monkeypatch):
    waits = iter([7.0, 3.0])  # what the device still has to do at the two synchronisation points
    monkeypatch.setattr("day37.timing.synchronize", lambda _: clock.work(next(waits))())
    with Stopwatch("cpu") as watch:
        clock.now += 1
    assert (watch.queued, watch.seconds) == (1, 4)


def test_every_round_runs_each_function_once_in_a_seeded_order(clock):
    def order(seed):
        seen = []
        functions = {name: lambda name=name: seen.append(name) for name in "abc"}
        measure_in_turn(functions, warmup=1, repeats=5, seed=seed)
        return [seen[i : i + 3] for i in range(0, 18, 3)]

    rounds = order(seed=3)
    assert all(sorted(r) == ["a", "b", "c"] for r in rounds)
    assert len(set(map(tuple, rounds))) > 1
    assert rounds == order(seed=3) != order(seed=4)


def test_an_interrupt_keeps_the_whole_rounds(clock):
    calls = []

    def fn():
        calls.append(1)
        clock.now += 1
        if len(calls) == 8:
            raise KeyboardInterrupt

    both = measure_in_turn({"a": fn, "b": clock.work(2)}, warmup=1, repeats=20)
    assert both["a"].samples == (1,) * 6
    assert both["b"].samples == (2,) * 6


def test_an_interrupt_before_the_first_round_is_raised(clock):
    def fn():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure(fn, warmup=0, repeats=3)
    with pytest.raises(KeyboardInterrupt):
        measure_in_turn({"a": lambda: 0, "b": fn}, warmup=0, repeats=3)


def test_a_training_that_was_cut_short_is_no_sample(clock):
    from types import SimpleNamespace

    stopped = iter(["", "", "interrupted"])
    m = measure(lambda: SimpleNamespace(stopped=next(stopped)), warmup=0, repeats=9)
    assert len(m.samples) == 2


def test_compare_gives_the_second_over_the_first(clock):
    c = compare(clock.work(2), clock.work(3), names=("old", "new"), repeats=8)
    assert (c.ratio, c.low, c.high, c.verdict) == (1.5, 1.5, 1.5, "slower")
    assert "new is slower" in repr(c)
    assert compare(clock.work(3), clock.work(2), repeats=8).verdict == "faster"
    assert compare(clock.work(3), clock.work(3), repeats=8).verdict == "cannot tell"


def test_an_interrupted_comparison_keeps_its_samples_and_cannot_tell(clock):
    calls = []

    def fn():
        calls.append(1)
        clock.now += 3
        if len(calls) == 6:
            raise KeyboardInterrupt

    c = compare(fn, clock.work(2), warmup=0, repeats=20)
    assert (len(c.first.samples), len(c.second.samples), c.verdict) == (5, 5, "cannot tell")
    assert c.first.samples == (3,) * 5


def test_a_time_of_nothing_is_no_sample_to_judge_by(clock):
    with pytest.raises(ValueError, match="too short for this clock"):
        compare(lambda: None, lambda: None, repeats=8)
    assert measure(lambda: None).warning == ""


def test_a_comparison_across_devices_names_both():
    here = measurement([1.0] * 8)
    there = Measurement("there", (2.0,) * 8, Origin("cuda:0", "a GPU", "today"))
    assert "a CPU (cpu); LIVE, a GPU (cuda:0)" in repr(judge(here, there))


def noisy_pair(draw, ratio, rounds=30):
    """Two series of times with what a shared machine has: a drift that both share, jitter, and now and then a spike."""
    drift = np.exp(np.cumsum(draw.normal(0, 0.02, rounds)))
    series = []
    for scale in (1, ratio):
        spikes = np.where(draw.random(rounds) < 0.05, draw.exponential(3, rounds), 0)
        series.append(
            measurement(scale * drift * (1 + np.abs(draw.normal(0, 0.06, rounds)) + spikes))
        )
    return series


@pytest.mark.parametrize(
    ("ratio", "verdict", "least"),
    [(1.0, "cannot tell", 0.95), (1.1, "slower", 0.8), (1 / 1.1, "faster", 0.8)],
)
def test_verdicts_on_noisy_samples(ratio, verdict, least):
    draw = np.random.default_rng(0)
    verdicts = [judge(*noisy_pair(draw, ratio)).verdict for _ in range(200)]
    assert verdicts.count(verdict) / 200 >= least


def test_nothing_reseeds_or_moves_what_is_measured():
    random.seed(5)
    torch.manual_seed(5)
    expected = random.random(), torch.rand(1)
    random.seed(5)
    torch.manual_seed(5)
    compare(lambda: None, lambda: None, repeats=8)
    assert (random.random(), torch.rand(1)) == expected


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU here")
def test_a_gpu_queues_and_finishes_later():
    a = torch.randn(4000, 4000, device="cuda")
    with Stopwatch("cuda") as watch:
        for _ in range(20):
            a @ a
    assert watch.queued < watch.seconds / 2


def test_laps_are_read_between_the_functions(clock):
    assert timing.time_laps(clock.work(2), clock.work(5), clock.work(1)) == [2, 5, 1]
