"""What `make bench` holds against each other does the same work. Nothing here is about speed."""

import pytest
import torch

from tests.benchmarks.competitors import Race, loss_error, run_race
from tests.benchmarks.report import goals, table
from tests.benchmarks.rivals import HAND_WRITTEN, RIVALS


@pytest.mark.parametrize("way", RIVALS, ids=lambda way: way.name)
def test_a_rival_has_the_losses_and_weights_of_the_hand_written_loop(model, data, way):
    obstacle = next((why for needed in way.needs if (why := needed(model, data.device))), "")
    if obstacle:
        pytest.skip(obstacle)
    start = {name: value.clone() for name, value in model.state_dict().items()}
    losses = HAND_WRITTEN.prepare(model, data, 50, 0.1)()
    trained = [p.detach().clone() for p in model.parameters()]
    run = way.prepare(model, data, 50, 0.1)
    for _ in range(2):  # the second time from the start again
        model.load_state_dict(start)
        assert loss_error(losses, run()) < 1e-5
        torch.testing.assert_close(
            [p.detach() for p in model.parameters()], trained, rtol=1e-4, atol=1e-6
        )


def test_fewer_losses_or_other_losses_are_no_agreement():
    reference = torch.tensor([2.0, 1.0])
    assert loss_error(reference, torch.tensor([2.0, 1.5])) == 0.5
    assert loss_error(reference, torch.tensor([2.0])) == float("inf")


@pytest.fixture
def race(model, data) -> Race:
    from day37.speedups import WAYS

    return run_race(model, data, epochs=40, repeats=2, ways=(*WAYS[:2], *RIVALS))


def test_a_race_keeps_every_sample_and_says_who_agrees(race):
    assert race.disagreeing == [] and race.compiler_seconds == 0
    measured = [row for row in race.rows if row.step]
    assert {"hand-written loop", "plain loop", "NumPy", "scikit-learn"} <= {
        row.name for row in measured
    }
    assert all(len(row.step.samples) == 2 for row in measured)
    assert race.row("NumPy").epochs == 40 and race.row("scikit-learn").epochs == 10
    assert all(row.name in table(race) for row in race.rows)
    assert {goal["verdict"] for goal in goals(race)} <= {
        "met",
        "missed",
        "cannot tell",
        "not measured",
    }


def test_what_is_not_installed_keeps_its_row(model, data, monkeypatch):
    monkeypatch.setattr(
        "importlib.import_module", lambda name: (_ for _ in ()).throw(ImportError(name))
    )
    race = run_race(model, data, epochs=10, repeats=1, ways=RIVALS[-2:])
    assert [row.obstacle for row in race.rows[1:]] == [
        "not installed: pip install -e '.[bench]'"
    ] * 2
