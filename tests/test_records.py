import pytest

from day37 import records


def test_the_published_runs_are_shipped_with_their_source():
    published = records.published()
    assert "DAY 37" in published.source
    assert "no seed" in published.source
    assert published.machine["gpu"] == "NVIDIA GeForce RTX 4070 Laptop GPU"
    assert list(published.runs) == ["cpu-every-epoch", "gpu-every-epoch", "cpu-every-100", "gpu-every-2000"]


@pytest.mark.parametrize(
    ("key", "seconds", "reads", "device", "last"),
    [
        ("cpu-every-epoch", 4.62, 20_000, "cpu", 0.0624),
        ("gpu-every-epoch", 16.85, 20_000, "cuda:0", 0.0629),
        ("cpu-every-100", 5.21, 200, "cpu", 0.0616),
        ("gpu-every-2000", 13.08, 10, "cuda:0", 0.0622),
    ],
)
def test_the_published_figures(key, seconds, reads, device, last):
    run = records.published().runs[key]
    assert (run.seconds, run.reads, run.origin.device, run.losses[-1]) == (seconds, reads, device, last)
    assert (run.epochs, run.epochs_read[-1]) == (20_000, 20_000)
    assert run.origin.recorded
    assert "RECORDED" in repr(run)


def test_idea_one_is_marked_as_the_cpu_run_it_was():
    assert "ran on the CPU" in records.published().notes["cpu-every-100"]


def test_the_interval_table():
    table = records.published().tables["intervals"]
    assert table.columns == ("read_loss_every", "reads", "extra_seconds")
    assert table.rows == ((100, 200, 10.0), (200, 100, 9.35), (1000, 20, 11.55), (2000, 10, 8.5))
    assert "4.6" in table.note


def test_the_published_read_costs_what_the_lesson_says():
    often, seldom = (records.published().runs[key] for key in ("gpu-every-epoch", "gpu-every-2000"))
    read = (often.seconds - seldom.seconds) / (often.reads - seldom.reads)
    assert read == pytest.approx(0.19e-3, abs=0.005e-3)
    assert read * often.reads / often.seconds == pytest.approx(0.22, abs=0.005)
