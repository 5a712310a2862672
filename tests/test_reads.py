from dataclasses import replace

import numpy as np
import pytest
import torch

from day37 import MLP, reads
from day37.hardware import Origin
from day37.reads import ReadSweep, count_reads, fit_cost, hold_out, sweep_reads
from day37.training import TrainingRun


def made_up(fixed, a, b, noise=0.0, repeats=8, seed=0):
    """A sweep of runs that cost what they are told to, with noise in proportion and some outliers."""
    draw, runs = np.random.default_rng(seed), []
    for _ in range(repeats):
        for every in (1, 10, 100):
            for epochs in (1000, 2000):
                n = epochs // every
                seconds = (fixed + epochs * a + n * b) * (
                    1 + noise * abs(draw.normal()) + (draw.random() < 0.05) * 5 * noise
                )
                at = tuple(range(every, epochs + 1, every))
                runs.append(
                    TrainingRun(
                        "run",
                        (0.1,) * n,
                        at,
                        epochs,
                        n,
                        seconds,
                        Origin("cuda:0", "a GPU", "today"),
                    )
                )
    return ReadSweep(tuple(runs))


def test_the_fit_finds_the_costs_without_noise():
    cost = fit_cost(made_up(0.01, 650e-6, 190e-6))
    assert [cost.fixed.value, cost.a.value, cost.b.value] == pytest.approx(
        [0.01, 650e-6, 190e-6], rel=1e-6
    )
    assert cost.predict(20_000, 20_000).value == pytest.approx(0.01 + 20_000 * 840e-6)
    assert cost.verdict.startswith("a read costs 190 µs")


@pytest.mark.parametrize("repeats", [2, 8])
def test_the_intervals_hold_the_truth_in_spite_of_noise_and_outliers(repeats):
    fits = [
        fit_cost(made_up(0.01, 650e-6, 190e-6, noise=0.02, repeats=repeats, seed=seed))
        for seed in range(100)
    ]
    assert sum(cost.b.low <= 190e-6 <= cost.b.high for cost in fits) >= 97
    assert all(cost.b.low < cost.b.value < cost.b.high for cost in fits)


@pytest.mark.parametrize("repeats", [2, 8])
def test_no_cost_of_a_read_is_claimed_where_there_is_none(repeats):
    fits = [
        fit_cost(made_up(0.01, 150e-6, 0, noise=0.03, repeats=repeats, seed=seed))
        for seed in range(100)
    ]
    assert sum(cost.verdict.startswith("cannot tell") for cost in fits) >= 97


def test_a_prediction_holds_the_truth_and_is_surest_in_the_middle_of_the_runs():
    fits = [fit_cost(made_up(0.01, 650e-6, 190e-6, noise=0.02, seed=seed)) for seed in range(100)]
    spread = [cost.predict(1500, 150) for cost in fits]
    assert all(each.low < each.value < each.high for each in spread)
    noise = 1 + 0.02 * np.sqrt(
        2 / np.pi
    )  # it only ever lengthens a run, so the mean run is that much longer
    assert (
        sum(
            each.low <= noise * (0.01 + 1500 * 650e-6 + 150 * 190e-6) <= each.high
            for each in spread
        )
        >= 90
    )
    narrow, wide = (
        cost.predict(n, r) for cost, n, r in ((fits[0], 1500, 150), (fits[0], 20_000, 20_000))
    )
    assert (narrow.high - narrow.low) / narrow.value < (wide.high - wide.low) / wide.value
    alone = fits[0].predict(0, 1)
    assert (alone.high - alone.low) != pytest.approx(
        fits[0].b.high - fits[0].b.low
    )  # fixed is in it as well


def test_a_read_that_costs_less_than_nothing_is_no_finding():
    assert "does not describe" in fit_cost(made_up(0.01, 150e-6, -20e-6)).verdict


def test_a_sweep_is_shuffled_repeated_and_leaves_out_its_warm_up(data, monkeypatch):
    seen, real = [], reads.train

    def spy(*arguments, **how):
        seen.append((how["read_loss_every"], how["epochs"]))
        return real(*arguments, **how)

    monkeypatch.setattr(reads, "train", spy)
    sweep = sweep_reads(MLP, data, intervals=[1, 5], epochs=[10, 20], repeats=3)
    assert len(sweep.runs) == 12 == len(seen) - 1
    assert sorted(seen[1:]) == sorted([(1, 10), (1, 20), (5, 10), (5, 20)] * 3)
    assert seen[1:] != sorted(seen[1:])
    assert [run.reads for run in sweep.runs] == [
        run.epochs // every for run, every in zip(sweep.runs, sweep.intervals, strict=True)
    ]
    assert len(sweep.times(5)) == 6
    assert "read every" in repr(sweep)


@pytest.mark.parametrize("where", ["in the training", "in make_model"])
@pytest.mark.parametrize(("finished", "kept"), [(5, 4), (1, None)])
def test_an_interrupted_sweep_keeps_its_finished_runs(data, monkeypatch, finished, kept, where):
    calls, real = [], reads.train

    def press_stop(*_):
        raise KeyboardInterrupt

    def interrupted(*arguments, **how):
        return real(*arguments, **how, on_read=press_stop if len(calls) > finished else None)

    def make_model():
        calls.append(1)
        if where == "in make_model" and len(calls) > finished:
            press_stop()
        return MLP()

    monkeypatch.setattr(reads, "train", interrupted)
    if kept is None:
        with pytest.raises(KeyboardInterrupt):
            sweep_reads(make_model, data, intervals=[1, 2], epochs=[4, 8], repeats=3)
    else:
        assert (
            len(sweep_reads(make_model, data, intervals=[1, 2], epochs=[4, 8], repeats=3).runs)
            == kept
        )


def test_reads_are_counted():
    loss = torch.tensor(0.5)
    calls = []
    assert count_reads(lambda: calls.append(loss.item())) == 1 == len(calls)
    assert count_reads(lambda: bool(loss < 1)) == 1
    assert count_reads(lambda: float(loss) + float(loss)) == 2
    assert count_reads(lambda: str(loss)) >= 1
    assert count_reads(lambda: loss * 2) == 0


def test_intervals_held_out_are_predicted_from_the_others():
    check = hold_out(made_up(0.01, 650e-6, 190e-6), [10])
    assert [(every, epochs) for every, epochs, *_ in check.rows] == [(10, 1000), (10, 2000)]
    assert check.worst < 1e-6
    assert "the model holds to 5%" in repr(check)
    assert check.model.b.value == pytest.approx(190e-6, rel=1e-6)
    assert check.without_reads > 0.01 and "in which reads cost nothing" in repr(check)


def test_a_model_that_does_not_predict_says_so():
    sweep = made_up(0.01, 650e-6, 190e-6)
    slow = [
        replace(run, seconds=run.seconds * 1.2) if run.epochs_read[0] == 10 else run
        for run in sweep.runs
    ]
    check = hold_out(ReadSweep(tuple(slow)), [10])
    assert check.worst == pytest.approx(1 - 1 / 1.2, rel=0.01)
    assert "does not hold" in repr(check)
