"""The benchmark: each rival does the same work, and what is said of it. Nothing is about speed."""

import pytest
import torch

from day37.experiments.arithmetic import ArithmeticFloor
from day37.faster.ladder import WAYS
from day37.faster.trial import Rung, Trial
from day37.results import Measurement, Origin
from day37.training import EPOCHS
from tests.benchmarks.race import Race, Row, first_look, loss_error, run_race
from tests.benchmarks.report import busy, goals, show_race, show_sessions
from tests.benchmarks.rivals import HAND_WRITTEN, RIVALS
from tests.benchmarks.sessions import SESSIONS

HERE = Origin("cpu", "made up", "")


@pytest.mark.parametrize("way", RIVALS, ids=lambda way: way.name)
def test_a_rival_has_the_losses_and_weights_of_the_hand_written_loop(model, data, way):
    obstacle, _ = way.needs(model, data.device)
    if obstacle:
        pytest.skip(obstacle)
    start = {name: value.clone() for name, value in model.state_dict().items()}
    losses = HAND_WRITTEN.prepare(model, data, 50, 0.1)()
    trained = [p.detach().clone() for p in model.parameters()]
    run = way.prepare(model, data, 50, 0.1)
    for _ in range(2):  # the second time from the start again
        model.load_state_dict(start)
        assert loss_error(losses, run()) < 1e-5
        ours = [p.detach() for p in model.parameters()]
        torch.testing.assert_close(ours, trained, rtol=1e-4, atol=1e-6)


def test_fewer_losses_or_other_losses_are_no_agreement():
    reference = torch.tensor([2.0, 1.0])
    assert loss_error(reference, torch.tensor([2.0, 1.5])) == 0.5
    assert loss_error(reference, torch.tensor([2.0])) == float("inf")
    rows = {name: Row(name, 2, loss_error=error) for name, error in (("a", 0.0), ("b", 0.5))}
    assert Race(rows, floor=None).disagreeing == ["b"]


def test_a_race_keeps_every_sample_and_says_who_agrees(model, data):
    ways = (*WAYS[:2], *RIVALS)
    race = run_race(model, data, epochs=40, repeats=2, sample=0.01, ways=ways)
    assert race.disagreeing == []
    assert race.core > 0
    measured = {name for name, row in race.rows.items() if row.step}
    assert {"hand-written loop", "plain loop", "NumPy", "scikit-learn"} <= measured
    assert all(len(race.rows[name].step.samples) == 2 for name in measured)
    assert race.rows["NumPy"].epochs == 5
    text = show_race(race)
    assert all(name in text for name in race.rows)


def test_what_is_not_installed_keeps_its_row(model, data, monkeypatch):
    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr("importlib.import_module", missing)
    race = run_race(model, data, epochs=80, repeats=1, sample=0.01, ways=RIVALS[-2:])
    why = "not installed: pip install -e '.[bench]'"
    assert [row.obstacle for row in race.rows.values()] == ["", why, why]
    assert show_race(race).count(why) == 2


def made_up(**steps: float | str) -> Race:
    """A race of 12 rounds: seconds a step, or why there are none; a floor of 1 µs."""
    rows = {}
    for name, step in steps.items():
        obstacle = step if isinstance(step, str) else ""
        time = None if obstacle else Measurement(name, (step,) * 12, HERE)
        rows[NAMES[name]] = Row(NAMES[name], 10, obstacle, step=time)
    return Race(rows, ArithmeticFloor(1000, 1e9, Measurement("matmul", (0.1,) * 12, HERE)))


NAMES = {
    "hand": "hand-written loop",
    "function": "one function",
    "jax": "JAX",
    "innermost": "JAX, rows innermost",
}


def sessions(*seconds: list[float]) -> dict[str, list[float]]:
    return dict(zip(SESSIONS, seconds, strict=True))


def verdicts(race: Race, *seconds: list[float]) -> list[str]:
    return [goal.verdict for goal in goals(race, sessions(*(seconds or [[], [], [], []])))]


def test_a_goal_is_met_or_missed():
    race = made_up(hand=490e-6, function=4e-6, jax=21e-6, innermost=19e-6)
    found = verdicts(race, [4.0, 5.0], [2.0, 3.9], [0.6, 0.7], [0.3, 0.5])
    assert found == ["met", "met", "missed", "met", "met", "missed"]
    race = made_up(hand=490e-6, function=6e-6, jax=21e-6, innermost=31e-6)
    found = verdicts(race, [1.0, 2.0], [2.1, 3.0], [0.3, 0.4], [0.5, 0.6])
    assert found == ["missed", "missed", "met", "missed", "missed", "met"]


def test_where_samples_lie_on_both_sides_of_a_goal_it_cannot_tell():
    race = made_up(hand=600e-6, function=5e-6, jax=25e-6, innermost=25e-6)
    spread = Measurement("one function", (4e-6, 6e-6) * 6, HERE)
    race.rows["one function"] = Row("one function", 10, step=spread)
    found = verdicts(race, [4.0, 6.0], [2.0, 5.0], [0.3, 0.6], [0.5, 0.7])
    assert found == ["cannot tell"] * 6
    floor = str(goals(race, sessions([], [], [], []))[3])
    assert floor.endswith("arithmetic floor (1 µs at 1 GFLOP/s): 5 times (4 to 6)")


def test_the_spread_of_the_floor_counts_too():
    race = made_up(hand=600e-6, function=4.9e-6, jax=25e-6, innermost=25e-6)
    product = Measurement("matmul", (0.1, 0.1, 0.09) * 4, HERE)
    spread = Race(race.rows, ArithmeticFloor(1000, 1e9, product))
    assert verdicts(race)[3] == "met"
    assert verdicts(spread)[3] == "cannot tell"


def test_a_goal_without_its_samples_is_not_measured():
    race = made_up(hand=1e-4, function=1e-6, jax="no JAX", innermost="no JAX")
    found = goals(race, sessions([4.0], [2.0], [0.5], []))
    assert [goal.verdict for goal in found][1:3] == ["not measured"] * 2
    assert found[1].found == "no JAX"
    assert [goal.verdict for goal in found][4:] == ["met", "not measured"]
    race = made_up(hand=1e-4, function="no numba", jax=1e-5, innermost=1e-5)
    found = goals(race, sessions([], [], [], []))
    assert {goal.verdict for goal in found} == {"not measured"}
    assert found[0].found == found[3].found == "no numba"


def test_one_line_says_whether_the_machine_was_busy():
    even = Measurement("hand", (1.0, 1.1, 1.19), HERE)
    assert busy(even, 0.99).startswith("the machine was quiet: in 0 of 3 rounds")
    line = busy(Measurement("hand", (2.0, 1.0, 1.1, 1.3), HERE), 0.99)
    assert line.startswith("the machine was BUSY: in 2 of 4 rounds")
    assert "the slowest: 2.00 times" in line and "\n" not in line
    line = busy(even, 0.5)  # as slow in every round
    assert line.startswith("the machine was BUSY: in 0 of 3 rounds")
    assert line.endswith("a core for 50% of the time")


def test_the_time_until_the_last_loss_is_added_up():
    step = Measurement("way", (1e-6, 2e-6, 9e-6), HERE)
    assert Row("way", 10, step=step, prepared=1.5).total == pytest.approx(1.5 + EPOCHS * 2e-6)


def test_preparation_is_the_start_and_what_the_first_run_took_over_the_second(clock):
    again = clock.work(0.1)
    rung = Rung("way", "", "", start_seconds=0.5, first_seconds=3.0)
    losses = torch.tensor([2.0, 1.0])
    row = first_look(Trial(rung, again, losses), losses, 0.3, torch.device("cpu"))
    assert row.prepared == pytest.approx(0.5 + 3.0 - 0.1)
    assert (row.runs, row.epochs, row.loss_error) == (3, 2, 0.0)
    step = row.timed(Measurement("way", (0.3, 0.6), HERE)).step
    assert step.samples == pytest.approx((0.05, 0.1))  # 3 runs of 2 epochs


def test_sessions_show_their_median_and_every_sample():
    text = show_sessions(sessions([4.0, 9.0, 5.0], [2.0], [0.5], []))
    assert "5 s  4.00, 9.00, 5.00" in text
    assert "not measured" in text
