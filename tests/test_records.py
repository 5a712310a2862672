import json
import math
from dataclasses import fields, is_dataclass, replace

import pytest
import torch

from day37 import MLP, load_iris, records, train
from day37.costs import Setting, measure_copies, measure_growth, measure_launch
from day37.overhead import measure_account, record_timeline
from day37.reads import sweep_reads
from day37.speedups import Ladder, Rung


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


def test_two_machines_side_by_side(model, data):
    here = records.here("now", runs={"cpu": train(model, data, epochs=30, progress=False)})
    assert here.name.startswith("LIVE, ") and records.published().name == "RECORDED, NVIDIA GeForce RTX 4070 Laptop GPU"
    head, source, _, *rows = records.side_by_side(here, records.published())
    assert head == ["", here.name, records.published().name] and source[1] == "now"
    table = {row[0]: row[1:] for row in rows if row[0] != "training"}
    assert table["torch"] == [torch.__version__, "not on its card"] and table["cudnn"] == ["not on its card", "90100"]
    trainings = [row[1:] for row in rows if row[0] == "training"]
    assert len(trainings) == 4 and "30 epochs, 30 reads, on cpu; last loss" in trainings[0][0]
    assert (
        trainings[0][1] == "CPU, read every epoch: 4.62 s for 20,000 epochs, 20,000 reads, on cpu; last loss 0.0624"
        and trainings[1][0] == ""
    )


@pytest.fixture(scope="module")
def recording():
    """A small one of every kind of result."""
    data, model = load_iris(), MLP()
    copies, growth = measure_copies(sizes=[4, 400], repeats=2), measure_growth({"cpu": Setting()}, [(20, 5)], repeats=2)
    rungs = (Rung("plain loop", "a", "b", "", copies.times[0], 0.5, 0.0, 0.0), Rung("graph", "a", "b", "no GPU"))
    return records.Recording(
        source="a test",
        when="today",
        machine={"cpu": "a CPU"},
        workload={"dataset": "iris"},
        runs={"cpu": train(model, data, epochs=30, progress=False)},
        accounts={"cpu": measure_account(model, data, steps=3)},
        timelines={"cpu": record_timeline(model, data)},
        copies={"cpu": copies},
        launches={"cpu": measure_launch(launches=5, repeats=2)},
        growths={"rows": growth},
        sweeps={"cpu": sweep_reads(MLP, data, intervals=[1, 5], epochs=[10, 20], repeats=2)},
        ladders={"cpu": Ladder(100, rungs, 0.0)},
    )


def assert_equal(ours, theirs, where="recording"):
    """Field by field; numbers to nine digits; what was live is recorded."""
    assert type(ours) is type(theirs) or {type(ours), type(theirs)} <= {int, float}, where
    if is_dataclass(ours):
        for f in fields(ours):
            if f.name != "recorded":
                assert_equal(getattr(ours, f.name), getattr(theirs, f.name), f"{where}.{f.name}")
    elif isinstance(ours, dict):
        assert list(ours) == list(theirs), where
        for key in ours:
            assert_equal(ours[key], theirs[key], f"{where}.{key}")
    elif isinstance(ours, tuple):
        assert len(ours) == len(theirs), where
        for i, pair in enumerate(zip(ours, theirs, strict=True)):
            assert_equal(*pair, f"{where}[{i}]")
    elif isinstance(ours, float):
        assert math.isclose(ours, theirs, rel_tol=1e-8), where
    else:
        assert ours == theirs, where


def test_every_kind_of_result_comes_back_as_it_was_saved(recording, tmp_path):
    records.save(recording, tmp_path / "one.json")
    loaded = records.load(tmp_path / "one.json")
    assert_equal(recording, loaded)
    assert torch.equal(torch.tensor(recording.runs["cpu"].losses), torch.tensor(loaded.runs["cpu"].losses))
    assert loaded.accounts["cpu"].phases.whole.origin.recorded
    assert "RECORDED" in repr(loaded.ladders["cpu"]) and "LIVE" not in repr(loaded.accounts["cpu"])
    assert [path.name for path in tmp_path.iterdir()] == ["one.json"]


def test_a_recording_is_never_written_over_unless_told(recording, tmp_path):
    path = tmp_path / "one.json"
    path.write_text("mine", encoding="utf-8")
    with pytest.raises(FileExistsError, match="left alone") as error:
        records.save(recording, path)
    assert path.read_text(encoding="utf-8") == "mine"
    beside = next(other for other in tmp_path.iterdir() if other != path)
    assert str(beside) in str(error.value)
    assert records.load(beside).source == "a test"
    records.save(recording, path, force=True)
    assert records.load(path).source == "a test"


def test_what_cannot_be_written_harms_nothing(recording, tmp_path):
    path = tmp_path / "one.json"
    records.save(recording, path)
    before = path.read_text(encoding="utf-8")
    ladder = replace(recording.ladders["cpu"], compiler_seconds=math.nan)
    with pytest.raises(ValueError):
        records.save(replace(recording, ladders={"cpu": ladder}), path, force=True)
    assert path.read_text(encoding="utf-8") == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t["accounts"]["cpu"].pop("floor"), "accounts.cpu.floor must be present"),
        (lambda t: t["ladders"]["cpu"]["rungs"][0]["time"].update(samples=[]), "rungs[0].time.samples must be one time or more"),
        (lambda t: t["ladders"]["cpu"]["rungs"][0].update(time=5), "ladders.cpu.rungs[0].time must be an object"),
        (lambda t: t["growths"]["rows"]["sizes"].__setitem__(0, [1]), "growths.rows.sizes[0] must be a list of 2"),
        (lambda t: t["copies"]["cpu"].update(sizes=[4, True]), "copies.cpu.sizes[1] must be of type int, but it is True"),
        (lambda t: t["timelines"]["cpu"]["host"][0].update(start="soon"), "timelines.cpu.host[0].start must be a finite number"),
    ],
)
def test_a_broken_result_is_named(recording, tmp_path, change, message):
    path = tmp_path / "one.json"
    records.save(recording, path)
    top = json.loads(path.read_text(encoding="utf-8"))
    change(top)
    path.write_text(json.dumps(top), encoding="utf-8")
    with pytest.raises(ValueError) as error:
        records.load(path)
    assert message in str(error.value)


@pytest.mark.parametrize(
    "empty",
    [
        lambda t: t["ladders"]["cpu"].update(rungs=[]),
        lambda t: t["ladders"]["cpu"]["rungs"][0].update(time=None),
        lambda t: t["sweeps"]["cpu"].update(runs=[]),
        lambda t: t["timelines"]["cpu"].update(host=[], device=[]),
        lambda t: t["copies"]["cpu"].update(times=[]),
        lambda t: t["growths"]["rows"]["times"].update(cpu=[]),
    ],
)
def test_a_result_without_its_parts_is_refused(recording, tmp_path, empty):
    path = tmp_path / "one.json"
    records.save(recording, path)
    top = json.loads(path.read_text(encoding="utf-8"))
    empty(top)
    path.write_text(json.dumps(top), encoding="utf-8")
    with pytest.raises(ValueError, match="one.json"):
        records.load(path)


def test_a_bad_file_among_the_recordings_stops_no_lesson(recording, tmp_path, monkeypatch):
    published = (records._folder() / "published.json").read_text(encoding="utf-8")
    (tmp_path / "published.json").write_text(published, encoding="utf-8")
    (tmp_path / "bad.json").write_text("{", encoding="utf-8")
    records.save(recording, tmp_path / "good.json")
    monkeypatch.setattr(records, "_folder", lambda: tmp_path)
    with pytest.warns(RuntimeWarning, match="left out: .*bad.json"):
        assert [each.source[:6] for each in records.recordings()] == ["the pu", "a test"]


def test_recordings_are_found_by_themselves(recording, tmp_path, monkeypatch):
    (tmp_path / "published.json").write_text((records._folder() / "published.json").read_text(encoding="utf-8"), encoding="utf-8")
    records.save(recording, tmp_path / "b.json")
    records.save(replace(recording, ladders={"cuda:0": recording.ladders["cpu"]}), tmp_path / "a.json")
    monkeypatch.setattr(records, "_folder", lambda: tmp_path)
    assert [each.source[:6] for each in records.recordings()] == ["the pu", "a test", "a test"]
    assert [list(each.ladders) for each in records.recordings()] == [[], ["cuda:0"], ["cpu"]]
    assert len(records.recorded("ladders")) == len(records.recorded("ladders", accelerator=False)) == 1
    assert records.recorded("accounts") == []


def test_what_is_shipped_can_be_read_and_was_measured():
    for each in records.recordings():
        assert each.source and each.machine
        assert all(run.origin.recorded for run in each.runs.values())
        for device, ladder in each.ladders.items():
            assert ladder.origin.device == device
            assert max(rung.loss_error for rung in ladder.measured) < 1e-4
