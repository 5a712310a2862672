import numpy as np
import pytest

from day37 import MLP, fit_cost, sweep_reads
from day37.experiments import reads as module
from day37.experiments.reads import CostModel, Interval, ReadSweep
from day37.results import Live
from day37.training import TrainingRun


def one_run(every, epochs, seconds):
    at = tuple(range(every, epochs + 1, every))
    origin = Live("cuda:0", "a GPU", "today")
    return TrainingRun("run", (0.1,) * len(at), at, epochs, len(at), seconds, origin)


def made_up(fixed, a, b, noise=0.0, repeats=8, seed=0):
    """A sweep of runs that cost what they are told to, with noise in proportion and outliers."""
    draw = np.random.default_rng(seed)
    runs = []
    for _ in range(repeats):
        for every in (1, 10, 100):
            for epochs in (1000, 2000):
                seconds = fixed + epochs * a + epochs // every * b
                jitter = noise * abs(draw.normal())
                outlier = 5 * noise * (draw.random() < 0.05)
                runs.append(one_run(every, epochs, seconds * (1 + jitter + outlier)))
    return ReadSweep(tuple(runs))


def test_a_sweeps_times_are_those_of_the_steps_between_reads_that_are_asked_for():
    sweep = ReadSweep((one_run(2, 10, 1.0), one_run(5, 10, 2.0), one_run(2, 20, 3.0)))
    assert sweep.steps_between == (2, 5, 2)
    assert sweep.times(2) == pytest.approx([1e5, 1.5e5])
    assert sweep.times(5) == pytest.approx([2e5])
    assert sweep.times(3) == []
    assert sweep.origin == Live("cuda:0", "a GPU", "today")


def test_a_sweep_prints_the_median_and_the_spread_for_each_number_of_steps_between():
    runs = [one_run(2, 10, us * 1e-5) for us in (90, 10, 20, 40, 300)]
    sweep = ReadSweep((one_run(5000, 10_000, 0.7), *runs))
    head, first, second, last = repr(sweep).splitlines()
    assert head.split() == ["read", "every", "runs", "median", "IQR"]
    assert first.split() == ["2", "5", "40.0", "70.0"]  # quartiles 20 and 90
    assert second.split() == ["5,000", "1", "70.0", "0.0"]
    assert last == "µs per epoch; LIVE, a GPU (cuda:0)"


@pytest.mark.parametrize("runs", [(), (one_run(2, 10, 1.0), one_run(20, 10, 1.0))])
def test_a_sweep_needs_runs_and_a_read_in_each(runs):
    with pytest.raises(ValueError, match=f"runs must be one or more, .* '{len(runs)} runs'"):
        ReadSweep(runs)


SWEEP = ReadSweep((one_run(2, 10, 1.0),))


def cost_model(b=(50e-6, 20e-6, 90e-6), squares=((0.0,) * 3,) * 3):
    fixed = Interval(0.1, 0.0, 0.3)
    a = Interval(300e-6, 1e-6, 2e-3)
    return CostModel(fixed, a, Interval(*b), squares, SWEEP)


def test_a_prediction_is_fixed_plus_epochs_plus_reads():
    assert cost_model().predict(1000, 100).value == pytest.approx(0.1 + 0.3 + 0.005)
    assert cost_model().predict(0, 0).value == pytest.approx(0.1)


def test_a_predictions_ends_come_from_how_the_costs_vary_together():
    apart = cost_model(squares=((9.0, 0, 0), (0, 4.0, 0), (0, 0, 1.0)))
    found = apart.predict(2, 4)
    half = (9 + 4 * 2**2 + 4**2) ** 0.5
    assert (found.value - found.low, found.high - found.value) == pytest.approx((half, half))
    together = cost_model(squares=((9.0, 6.0, 0), (6.0, 4.0, 0), (0, 0, 0.0)))
    found = together.predict(2, 4)
    assert found.high - found.value == pytest.approx(3 + 2 * 2)


@pytest.mark.parametrize(
    ("b", "says"),
    [
        ((50e-6, 20e-6, 90e-6), "a read costs 50 µs (99% interval 20 µs to 90 µs)"),
        ((50e-6, -1e-6, 90e-6), "cannot tell: a read costs 90 µs at most"),
        ((50e-6, 0.0, 90e-6), "cannot tell: a read costs 90 µs at most"),
        ((-50e-6, -90e-6, -1e-6), "cannot tell: the fit makes a read cost less than nothing"),
    ],
)
def test_what_a_read_costs_is_told_by_its_interval(b, says):
    assert cost_model(b).verdict.startswith(says)


def test_a_cost_model_prints_its_three_costs_by_name():
    model = cost_model(b=(5e-3, 20e-6, 9e-3))
    lines = repr(model).splitlines()
    named = [line.split()[:3] for line in lines[1:4]]
    assert named == [["fixed", "100", "ms"], ["a", "300", "µs"], ["b", "5", "ms"]]
    assert lines[4].strip() == model.verdict


def test_the_fit_finds_the_costs_without_noise():
    sweep = made_up(0.01, 650e-6, 190e-6)
    cost = fit_cost(sweep)
    costs = [cost.fixed.value, cost.a.value, cost.b.value]
    assert costs == pytest.approx([0.01, 650e-6, 190e-6], rel=1e-6)
    assert cost.predict(20_000, 20_000).value == pytest.approx(0.01 + 20_000 * 840e-6)
    assert cost.verdict.startswith("a read costs 190 µs")
    assert cost.sweep is sweep


def test_the_diagonal_of_the_squares_holds_the_half_widths():
    cost = fit_cost(made_up(0.01, 650e-6, 190e-6, noise=0.02))
    for i, each in enumerate((cost.fixed, cost.a, cost.b)):
        assert each.high - each.value == pytest.approx(cost.squares[i][i] ** 0.5)
        assert each.value - each.low == pytest.approx(cost.squares[i][i] ** 0.5)


def test_the_intervals_are_of_99_percent_by_students_t(monkeypatch):
    import scipy.optimize

    found = []
    real = scipy.optimize.curve_fit

    def spy(*arguments, **how):
        found.append(real(*arguments, **how))
        return found[-1]

    monkeypatch.setattr(scipy.optimize, "curve_fit", spy)
    cost = fit_cost(made_up(0.01, 650e-6, 190e-6, noise=0.02, repeats=2))
    best, covariance = found[0]
    for i, each in enumerate((cost.fixed, cost.a, cost.b)):
        share = (each.high - each.low) / 2 / each.value
        # 12 runs and three costs leave 9 degrees of freedom; t as in any table.
        assert share == pytest.approx(3.24984 * covariance[i, i] ** 0.5 / best[i], rel=1e-5)


def fits(repeats=8, fixed=0.01, a=650e-6, b=190e-6, noise=0.02):
    """The costs from a hundred sweeps that differ in their noise."""
    return [fit_cost(made_up(fixed, a, b, noise, repeats, seed)) for seed in range(100)]


@pytest.mark.parametrize("repeats", [2, 8])
def test_the_intervals_hold_the_truth_in_spite_of_noise_and_outliers(repeats):
    found = fits(repeats)
    assert sum(cost.b.low <= 190e-6 <= cost.b.high for cost in found) >= 97
    assert all(cost.b.low < cost.b.value < cost.b.high for cost in found)


@pytest.mark.parametrize("repeats", [2, 8])
def test_no_cost_of_a_read_is_claimed_where_there_is_none(repeats):
    found = fits(repeats, a=150e-6, b=0, noise=0.03)
    assert sum(cost.verdict.startswith("cannot tell") for cost in found) >= 97


def test_a_prediction_holds_the_truth_and_is_surest_in_the_middle_of_the_runs():
    found = fits()
    spread = [cost.predict(1500, 150) for cost in found]
    assert all(each.low < each.value < each.high for each in spread)
    noise = 1 + 0.02 * np.sqrt(2 / np.pi)  # it only lengthens: the mean run is that much longer
    truth = noise * (0.01 + 1500 * 650e-6 + 150 * 190e-6)
    assert sum(each.low <= truth <= each.high for each in spread) >= 90
    narrow = found[0].predict(1500, 150)
    wide = found[0].predict(20_000, 20_000)
    assert (narrow.high - narrow.low) / narrow.value < (wide.high - wide.low) / wide.value
    alone = found[0].predict(0, 1)  # fixed is in it as well
    assert alone.high - alone.low != pytest.approx(found[0].b.high - found[0].b.low)


def test_an_outlier_pulls_little():
    runs = made_up(0.01, 650e-6, 190e-6, noise=0.002).runs
    slow = one_run(1, 2000, 10 * runs[1].seconds)
    cost = fit_cost(ReadSweep((*runs, slow)))
    assert cost.b.value == pytest.approx(190e-6, rel=0.1)


def test_a_read_that_costs_less_than_nothing_is_no_finding():
    assert "does not describe" in fit_cost(made_up(0.01, 150e-6, -20e-6)).verdict


@pytest.mark.parametrize(
    "plan",
    [
        [(1, 1000), (1, 2000), (10, 1000)],  # three runs
        [(1, 1000), (1, 2000)] * 3,  # all read as often
        [(1, 1000), (10, 1000)] * 3,  # all of one length
    ],
)
def test_costs_that_cannot_be_told_apart_are_not_fitted(plan):
    runs = [one_run(every, epochs, epochs * 1e-3) for every, epochs in plan]
    message = "sweep must be four runs or more, of two numbers of epochs and two of steps"
    with pytest.raises(ValueError, match=message):
        fit_cost(ReadSweep(tuple(runs)))
    four = [one_run(*pair, 1.0) for pair in [(1, 1000), (1, 2000), (10, 1000), (10, 2000)]]
    assert len(fit_cost(ReadSweep(tuple(four))).sweep.runs) == 4


def test_a_sweep_is_shuffled_repeated_and_leaves_out_its_warm_up(data, monkeypatch):
    seen = []
    models = []
    real = module.train

    def spy(model, data, **how):
        seen.append((how["read_loss_every"], how["epochs"]))
        models.append(model)
        assert not how["progress"]
        return real(model, data, **how)

    monkeypatch.setattr(module, "train", spy)
    sweep = sweep_reads(MLP, data, read_loss_every=[1, 5], epochs=[10, 20], repeats=3)
    assert len(sweep.runs) == 12 == len(seen) - 1
    assert sorted(seen[1:]) == sorted([(1, 10), (1, 20), (5, 10), (5, 20)] * 3)
    assert seen[1:] != sorted(seen[1:])
    assert seen[0] == seen[1]
    assert len(set(map(id, models))) == 13  # a fresh one for each
    assert [(run.epochs_read[0], run.epochs) for run in sweep.runs] == seen[1:]
    pairs = zip(sweep.runs, sweep.steps_between, strict=True)
    assert [run.reads for run in sweep.runs] == [run.epochs // every for run, every in pairs]
    assert [run.name for run in sweep.runs] == [f"read every {every}" for every, _ in seen[1:]]
    assert len(sweep.times(5)) == 6
    assert "read every" in repr(sweep)
    before = list(seen)
    sweep_reads(MLP, data, read_loss_every=[1, 5], epochs=[10, 20], repeats=3)
    assert seen == before * 2  # the order comes from the seed
    sweep_reads(MLP, data, read_loss_every=[1, 5], epochs=[10, 20], repeats=3, seed=1)
    assert seen[26:] != before


@pytest.mark.parametrize("where", ["in the training", "in make_model"])
@pytest.mark.parametrize(("finished", "kept"), [(5, 4), (1, None), (0, None)])
def test_an_interrupted_sweep_keeps_its_finished_runs(data, monkeypatch, finished, kept, where):
    calls = []
    real = module.train

    def press_stop(*_):
        raise KeyboardInterrupt

    def interrupted(*arguments, **how):
        return real(*arguments, **how, on_read=press_stop if len(calls) > finished else None)

    def make_model():
        calls.append(1)
        if where == "in make_model" and len(calls) > finished:
            press_stop()
        return MLP()

    def sweep():
        return sweep_reads(make_model, data, read_loss_every=[1, 2], epochs=[4, 8], repeats=3)

    monkeypatch.setattr(module, "train", interrupted)
    if kept is None:
        with pytest.raises(KeyboardInterrupt):
            sweep()
    else:
        assert len(sweep().runs) == kept


def test_a_sweep_moves_its_models_to_the_data_and_shows_a_bar_if_asked(data, monkeypatch):
    moved = []
    bars = []

    class Moved(MLP):
        def to(self, device):
            moved.append(device)
            return super().to(device)

    def bar(items, unit, progress):
        bars.append((len(items), unit, progress))
        return items

    monkeypatch.setattr(module, "bar", bar)
    few = {"read_loss_every": [1, 5], "epochs": [10], "repeats": 2}
    sweep_reads(Moved, data, **few)
    sweep_reads(Moved, data, progress=True, **few)
    assert moved == [data.device] * 10
    assert bars == [(4, "run", False), (4, "run", True)]
