import math
import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from day37 import Stopwatch, compare, measure, with_threads
from day37.results import Live, Measurement
from day37.timing import interval_of_median, judge, measure_in_turn, until_interrupt


def measurement(samples, name="m"):
    return Measurement(name, tuple(map(float, samples)), Live("cpu", "a CPU", "today"))


def test_measure_leaves_out_the_warm_up(clock):
    calls = []

    def fn():
        calls.append(1)
        clock.now += 9 if len(calls) <= 2 else 2

    m = measure(fn, warmup=2, repeats=4)
    assert m.samples == (2, 2, 2, 2)
    assert len(calls) == 6
    assert m.name == "fn"
    assert m.origin.device == "cpu"
    assert not m.origin.recorded


def test_what_has_no_name_is_a_function(clock):
    from functools import partial

    assert measure(partial(max, 1, 2), repeats=1).name == "function"


def test_the_stopwatch_tells_queueing_from_finishing(clock, monkeypatch):
    waits = iter([7.0, 3.0])  # what the device still has to do at the two synchronisation points
    monkeypatch.setattr("day37.timing.synchronize", lambda _: clock.work(next(waits))())
    with Stopwatch("cpu") as watch:
        clock.now += 1
    assert (watch.queued, watch.seconds) == (1, 4)


def test_the_stopwatch_can_be_read_while_it_runs(clock, monkeypatch):
    waits = []
    clock.now = 100.0
    monkeypatch.setattr("day37.timing.synchronize", waits.append)
    with Stopwatch() as watch:
        assert watch.so_far() == 0
        clock.now += 2
        assert watch.so_far() == 2
        clock.now += 3
        assert watch.so_far() == 5
        assert len(waits) == 1  # that before the block: reading waits for nothing
        assert math.isnan(watch.queued) and math.isnan(watch.seconds)
    assert (watch.queued, watch.seconds) == (5, 5)
    assert waits == [torch.device("cpu")] * 2


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


def test_samples_keep_their_order_and_stand_beside_those_of_the_same_round(clock):
    def growing(unit):
        calls = []

        def fn():
            calls.append(1)
            clock.now += unit * len(calls)

        return fn

    both = measure_in_turn({"a": growing(1), "b": growing(100)}, warmup=2, repeats=4)
    assert both["a"].samples == (3, 4, 5, 6)
    assert both["b"].samples == (300, 400, 500, 600)
    assert [m.name for m in both.values()] == ["a", "b"]


def test_each_function_is_synchronised_on_its_own_device(clock, monkeypatch):
    waits = {"cpu": 1, "meta": 10}
    monkeypatch.setattr("day37.timing.synchronize", lambda d: clock.work(waits[d.type])())
    devices = {"a": "cpu", "b": "meta"}
    both = measure_in_turn({"a": clock.work(0), "b": clock.work(0)}, device=devices, repeats=3)
    assert both["a"].samples == (1, 1, 1)
    assert both["b"].samples == (10, 10, 10)
    assert [m.origin.device for m in both.values()] == ["cpu", "meta"]


def test_no_function_at_all_is_an_error():
    with pytest.raises(ValueError, match="functions must be one function or more"):
        measure_in_turn({})


def interrupted_in(call, clock):
    """A function of one second that is interrupted when it is called for the `call`th time."""
    calls = []

    def fn():
        calls.append(1)
        clock.now += 1
        if len(calls) == call:
            raise KeyboardInterrupt

    return fn


def test_an_interrupt_keeps_the_whole_rounds(clock):
    functions = {"a": interrupted_in(8, clock), "b": clock.work(2)}
    both = measure_in_turn(functions, warmup=1, repeats=20)
    assert both["a"].samples == (1,) * 6
    assert both["b"].samples == (2,) * 6


def test_an_interrupt_is_raised_where_a_part_is_no_use(clock):
    functions = {"a": interrupted_in(8, clock), "b": clock.work(2)}
    with pytest.raises(KeyboardInterrupt):
        measure_in_turn(functions, warmup=1, repeats=20, partial=False)
    whole = measure_in_turn({"b": clock.work(2)}, warmup=1, repeats=5, partial=False)
    assert whole["b"].samples == (2,) * 5


def test_an_interrupt_before_the_first_round_is_raised(clock):
    def fn():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure(fn, warmup=0, repeats=3)
    with pytest.raises(KeyboardInterrupt):
        measure_in_turn({"a": lambda: 0, "b": fn}, warmup=0, repeats=3)


def test_an_interrupt_in_the_warm_up_is_raised(clock):
    with pytest.raises(KeyboardInterrupt):
        measure(interrupted_in(2, clock), warmup=2, repeats=3)


def test_a_training_that_was_cut_short_is_no_sample(clock):
    interrupted = iter([False, False, True])
    m = measure(lambda: SimpleNamespace(interrupted=next(interrupted)), warmup=0, repeats=9)
    assert len(m.samples) == 2


def counted(most, error):
    yield from range(most)
    raise error


def test_results_are_kept_until_an_interrupt_and_no_other_error():
    assert until_interrupt(iter("abc")) == ["a", "b", "c"]
    assert until_interrupt([]) == []
    assert until_interrupt(counted(3, KeyboardInterrupt)) == [0, 1, 2]
    with pytest.raises(KeyboardInterrupt):
        until_interrupt(counted(0, KeyboardInterrupt))
    with pytest.raises(ValueError):
        until_interrupt(counted(3, ValueError))


def test_compare_gives_the_second_over_the_first(clock):
    c = compare(clock.work(2), clock.work(3), names=("old", "new"), repeats=8)
    assert (c.ratio, c.low, c.high, c.verdict) == (1.5, 1.5, 1.5, "slower")
    assert "new is slower" in repr(c)
    assert compare(clock.work(3), clock.work(2), repeats=8).verdict == "faster"
    assert compare(clock.work(3), clock.work(3), repeats=8).verdict == "cannot tell"


def test_compare_hands_on_how_to_measure(clock, monkeypatch):
    waits = {"cpu": 1, "meta": 10}
    monkeypatch.setattr("day37.timing.synchronize", lambda d: clock.work(waits[d.type])())
    calls = []
    how = {"device": {"first": "cpu", "second": "meta"}, "warmup": 2, "repeats": 9, "seed": 5}
    c = compare(lambda: calls.append(1), clock.work(0), **how)
    assert (c.first.samples, c.second.samples) == ((1,) * 9, (10,) * 9)
    assert len(calls) == 11


def test_a_judgement_is_the_median_of_the_ratios_with_the_low_end_first():
    first = measurement([1] * 9)
    second = measurement([2, 3, 3, 4, 5, 7, 20, 30, 40])
    found = judge(first, second)
    assert (found.first, found.second) == (first, second)
    assert (found.ratio, found.low, found.high) == (5, 2, 40)


def test_each_pair_gives_a_ratio_whatever_slowed_both():
    drift = [1, 2, 4, 8, 16, 32, 64, 128]
    found = judge(measurement(drift), measurement([3 * d for d in drift]))
    assert (found.ratio, found.low, found.high) == (3, 3, 3)


@pytest.mark.parametrize(
    ("count", "low", "high"),
    # P(heads <= k of n) <= 0.005 for the largest k: the ends leave out k samples on each side.
    # n = 8: 1/256 for k = 0; n = 12: 13/4096 for k = 1; n = 20: 1351/2^20 for k = 3.
    [(8, 1, 8), (9, 1, 9), (11, 1, 11), (12, 2, 11), (15, 3, 13), (20, 4, 17), (30, 8, 23)],
)
def test_the_interval_of_a_median_by_hand(count, low, high):
    def tail(k):
        return sum(math.comb(count, i) for i in range(k + 1)) / 2**count

    assert tail(low - 1) <= 0.005 < tail(low)
    assert high == count + 1 - low
    order = list(range(1, count + 1))
    random.Random(count).shuffle(order)
    assert interval_of_median([10.0 * each for each in order]) == (10 * low, 10 * high)


def test_fewer_than_eight_samples_say_nothing_of_their_median():
    assert all(map(math.isnan, interval_of_median(range(1, 8))))


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
    assert (c.ratio, c.low, c.high) == (2 / 3, 0, math.inf)


@pytest.mark.parametrize(("few", "other"), [(7, 7), (8, 9), (9, 8)])
def test_a_judgement_needs_eight_pairs(few, other):
    first = measurement([1] * few)
    second = measurement([2] * other)
    with pytest.raises(ValueError, match=f"repeats must be 8 or more, .* but it is {few}"):
        judge(first, second)


def test_a_time_of_nothing_is_no_sample_to_judge_by(clock):
    with pytest.raises(ValueError, match="too short for this clock"):
        compare(lambda: None, lambda: None, repeats=8)
    assert measure(lambda: None).warning == ""


def noisy_pair(draw, ratio, rounds=30):
    """Two series of times with what a shared machine has: a drift, jitter, now and then a spike.

    Both share the drift.
    """
    drift = np.exp(np.cumsum(draw.normal(0, 0.02, rounds)))
    series = []
    for scale in (1, ratio):
        spikes = np.where(draw.random(rounds) < 0.05, draw.exponential(3, rounds), 0)
        jitter = np.abs(draw.normal(0, 0.06, rounds))
        series.append(measurement(scale * drift * (1 + jitter + spikes)))
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
    expected = (random.random(), torch.rand(1))
    random.seed(5)
    torch.manual_seed(5)
    compare(lambda: None, lambda: None, repeats=8)
    assert (random.random(), torch.rand(1)) == expected


def test_a_thread_setting_holds_while_the_function_runs():
    before = torch.get_num_threads()
    for threads in (2, 3):
        assert with_threads(threads, torch.get_num_threads)() == threads
        assert torch.get_num_threads() == before


def test_a_function_with_threads_takes_and_returns_what_it_did():
    assert with_threads(2, lambda a, b: (b, a))(1, 5) == (5, 1)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_threads_are_set_back_even_after_an_error(error):
    before = torch.get_num_threads()
    assert with_threads(2, torch.get_num_threads)() == 2

    def fail():
        raise error

    with pytest.raises(error):
        with_threads(2, fail)()
    assert torch.get_num_threads() == before


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU here")
def test_a_gpu_queues_and_finishes_later():
    a = torch.randn(4000, 4000, device="cuda")
    with Stopwatch("cuda") as watch:
        for _ in range(20):
            a @ a
    assert watch.queued < watch.seconds / 2


def test_a_few_samples_of_nothing_are_no_ratio():
    nothing = measurement([0.0, 0.0])
    with pytest.raises(ValueError, match="too short for this clock"):
        judge(nothing, measurement([1.0, 1.0]), few=True)


def test_several_threads_are_stopped_after_ten_seconds_and_say_so(clock):
    two = with_threads(2, clock.work(1.5))
    one = with_threads(1, clock.work(100))
    both = compare(one, two, names=("one", "two"), warmup=2, repeats=30)
    assert both.first.samples == (100,) * 5
    assert both.second.samples == (1.5,) * 5  # 3 s of warm-up, then 7.5 s
    assert both.verdict == "cannot tell"
    says = "two: stopped after 10 s: the cores may be busy"
    assert repr(both).splitlines()[-1].strip() == says and both.first.note == ""
    assert both.second.warning == "stopped after 10 s: the cores may be busy"


def test_a_warm_up_that_takes_too_long_leaves_one_sample(clock):
    slow = measure(with_threads(2, clock.work(6)), warmup=3, repeats=20)
    assert slow.samples == (6,)
    assert slow.note == "stopped after 18 s: the cores may be busy"


def test_functions_in_time_are_measured_whole(clock):
    quick = measure(with_threads(2, clock.work(0.4)), warmup=2, repeats=20)
    assert len(quick.samples) == 20 and quick.note == quick.warning == ""
    assert len(measure(clock.work(100), warmup=2, repeats=20).samples) == 20
