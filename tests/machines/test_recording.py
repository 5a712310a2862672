import errno
import json
import math
import os
import sys
import warnings
from dataclasses import fields, is_dataclass, replace
from pathlib import Path

import pytest
import torch

from day37 import MLP, load_iris, measure_growth, profile_timeline, recorded, sweep_reads, train
from day37.experiments.arithmetic import measure_account
from day37.experiments.fixed_costs import measure_copies, measure_launch
from day37.experiments.timeline import Span
from day37.faster.ladder import Ladder, Rung
from day37.machines import recording as recordings
from day37.machines.recording import (
    FOLDER,
    PublishedTable,
    Recording,
    as_json,
    load,
    load_all,
    new_recording,
    save,
)
from day37.results import Origin

MACHINES = [
    "a100",
    "mi250",
    "radeon780m",
    "rtx3080",
    "rtx3080ti",
    "rtx4070-laptop",
    "rtx5070",
    "rtx5070ti-laptop",
    "rtx5080",
    "t4",
]
THERE = Origin("cuda:0", "a GPU", "once", "not profiled; a repository")
TABLE = PublishedTable(("kind", "N", "us"), (("fp16", 8, 51.9), ("fp32", 1024, 0.0625)), "t", THERE)


@pytest.fixture(scope="module")
def recording():
    """A small one of every kind of result."""
    data, model = load_iris(), MLP()
    copies = measure_copies(sizes=[4, 400], repeats=2)
    plain = Rung("plain loop", "a", "b", time=copies.times[0], start_seconds=3.0, first_seconds=0.5)
    rungs = (plain, Rung("graph", "a", "b", "no GPU"))
    return Recording(
        source="a test",
        when="today",
        machine={"cpu": "a CPU"},
        runs={"cpu": train(model, data, epochs=30, progress=False)},
        notes={"cpu": "no more than a test"},
        tables={"cpu": TABLE},
        accounts={"cpu": measure_account(model, data, steps=3)},
        timelines={"cpu": replace(profile_timeline(model, data), calls=(Span("call", 0.5, 1.5),))},
        copies={"cpu": copies},
        launches={"cpu": measure_launch(launches=5, repeats=2)},
        growths={"rows": measure_growth({"cpu": "cpu"}, "rows", [20], repeats=2)},
        sweeps={"cpu": sweep_reads(MLP, data, read_loss_every=[1, 5], epochs=[10, 20], repeats=2)},
        ladders={"cpu": Ladder(100, rungs)},
    )


def assert_equal(ours, theirs, where="recording"):
    """Field by field; numbers to nine digits; what was live is recorded."""
    same = type(ours) is type(theirs) or {type(ours), type(theirs)} <= {int, float}
    assert same or (isinstance(ours, Origin) and type(theirs) is Origin), where
    if is_dataclass(ours):
        for f in fields(ours):
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
    save(recording, tmp_path / "one.json")
    loaded = load(tmp_path / "one.json")
    assert_equal(recording, loaded)
    assert torch.equal(
        torch.tensor(recording.runs["cpu"].losses), torch.tensor(loaded.runs["cpu"].losses)
    )
    assert loaded.accounts["cpu"].phases.whole.origin.recorded
    assert "RECORDED" in repr(loaded.ladders["cpu"]) and "LIVE" not in repr(loaded.accounts["cpu"])
    assert [path.name for path in tmp_path.iterdir()] == ["one.json"]


def test_a_recording_is_never_written_over_unless_told(recording, tmp_path):
    path = tmp_path / "one.json"
    path.write_text("mine", encoding="utf-8")
    with pytest.raises(FileExistsError, match="left alone") as error:
        save(recording, path)
    assert path.read_text(encoding="utf-8") == "mine"
    beside = next(other for other in tmp_path.iterdir() if other != path)
    assert str(beside) in str(error.value)
    assert load(beside).source == "a test"
    save(recording, path, force=True)
    assert load(path).source == "a test"


def test_what_cannot_be_written_harms_nothing(recording, tmp_path):
    path = tmp_path / "one.json"
    save(recording, path)
    before = path.read_text(encoding="utf-8")
    ladder = recording.ladders["cpu"]
    ladder = replace(ladder, rungs=(replace(ladder.rungs[0], start_seconds=math.nan),))
    with pytest.raises(ValueError):
        save(replace(recording, ladders={"cpu": ladder}), path, force=True)
    assert path.read_text(encoding="utf-8") == before


def first(top, kind):
    """The first part of the first result of a kind."""
    parts = {"ladders": "rungs", "timelines": "host"}
    return top[kind]["cpu"][parts[kind]][0]


BROKEN = [
    (lambda t: t["accounts"]["cpu"].pop("floor"), "accounts.cpu: ", "`floor`"),
    (lambda t: first(t, "ladders")["time"].update(samples=[]), "rungs[0].time: ", "one time or"),
    (lambda t: first(t, "ladders").update(time=5), "ladders.cpu.rungs[0].time: ", "got `int`"),
    (lambda t: t["growths"]["rows"].update(sizes=[[1]]), "rows.sizes[0]: ", "Expected `int`"),
    (lambda t: t["growths"]["rows"].update(over="x"), "growths.rows: ", "but it is 'x'"),
    (lambda t: t["copies"]["cpu"].update(sizes=[4, True]), "cpu.sizes[1]: ", "got `bool`"),
    (lambda t: first(t, "timelines").update(start="soon"), "host[0].start: ", "got `str`"),
    (lambda t: t["sweeps"]["cpu"]["runs"][0].update(seconds=0), "sweeps.cpu: ", "but it is 0"),
    (lambda t: t["sweeps"]["cpu"]["runs"][0].update(epochs=0), "sweeps.cpu: ", "but it is 0"),
    (lambda t: t["ladders"]["cpu"].update(epochs=0), "ladders.cpu: ", "epochs must be"),
    (lambda t: first(t, "ladders").pop("first_seconds"), "cpu.rungs[0]: ", "first_seconds must be"),
    (lambda t: t["copies"]["cpu"]["times"][-1].update(samples=[0]), "copies.cpu cannot", "zero"),
    (lambda t: t["accounts"]["cpu"]["phases"]["whole"].update(samples=[0]), "cpu cannot", "zero"),
    (lambda t: t["runs"]["cpu"].update(epochs=10**400), "runs.cpu cannot be shown: ", "too large"),
]


@pytest.mark.parametrize(
    ("change", "field", "what"), BROKEN, ids=[f"{case[1]}{case[2]}" for case in BROKEN]
)
def test_a_broken_result_is_named(recording, tmp_path, change, field, what):
    path = tmp_path / "one.json"
    save(recording, path)
    top = json.loads(path.read_text(encoding="utf-8"))
    change(top)
    path.write_text(json.dumps(top), encoding="utf-8")
    with pytest.raises(ValueError) as error:
        load(path)
    assert field in str(error.value) and what in str(error.value)


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
    save(recording, path)
    top = json.loads(path.read_text(encoding="utf-8"))
    empty(top)
    path.write_text(json.dumps(top), encoding="utf-8")
    with pytest.raises(ValueError, match="one.json"):
        load(path)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder in place of the one with this project's own recordings."""
    monkeypatch.setattr(recordings, "FOLDER", tmp_path)
    return tmp_path


def test_a_bad_file_among_the_recordings_stops_no_lesson(recording, folder):
    (folder / "bad.json").write_text("{", encoding="utf-8")
    save(recording, folder / "good.json")
    with pytest.warns(RuntimeWarning, match="left out: .*bad.json"):
        assert list(load_all(folder)) == ["good"]
    assert list(recorded("ladders")) == ["good: cpu"]


def a_folder(path):
    path.mkdir()


def a_dangling_link(path):
    path.symlink_to(path.parent / "nowhere")


def a_loop(path):
    path.symlink_to(path)


def a_pipe(path):
    os.mkfifo(path)


def unreadable(path):
    path.symlink_to("/proc/self/mem")  # it is there, and even root cannot read its beginning


BAD = {
    "a folder": a_folder,
    "a dangling link": a_dangling_link,
    "a link to itself": a_loop,
    "a pipe": a_pipe,
    "unreadable": unreadable,
    "empty": lambda path: path.write_bytes(b""),
    "no JSON": lambda path: path.write_bytes(b"{"),
    "a list": lambda path: path.write_bytes(b"[]"),
    "in no encoding": lambda path: path.write_bytes(b'{"schema": "\xff\xfe"}'),
    "in UTF-16": lambda path: path.write_text('{"schema": "day37-recording/3"}', "utf-16"),
    "of another kind": lambda path: path.write_text('{"schema": 1}'),
    "too deep": lambda path: path.write_text('{"schema": ' + "[" * 100_000 + "]" * 100_000 + "}"),
}


@pytest.mark.skipif(sys.platform != "linux", reason="links, pipes and /proc")
@pytest.mark.parametrize("make", BAD.values(), ids=BAD)
def test_whatever_is_among_the_recordings_it_is_named_and_stops_nothing(recording, folder, make):
    make(folder / "bad.json")
    save(recording, folder / "good.json")
    load_all.cache_clear()
    with pytest.warns(RuntimeWarning, match="^left out: .*bad.json") as warned:
        assert list(recorded("ladders")) == ["good: cpu"]
    assert len(warned) == 1 and len(str(warned[0].message).splitlines()) == 1


def test_a_file_that_may_not_be_read_is_named(recording, folder, monkeypatch):
    save(recording, folder / "good.json")
    save(recording, folder / "bad.json")
    read = Path.read_bytes

    def read_bytes(path):
        if path.stem == "bad":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    with pytest.warns(RuntimeWarning, match="left out: .*Permission denied.*bad.json"):
        assert list(recorded("ladders")) == ["good: cpu"]


def test_a_folder_that_cannot_be_listed_is_named(folder, monkeypatch):
    not_there = folder / "nowhere"
    monkeypatch.setattr(recordings, "FOLDER", not_there)
    with pytest.warns(RuntimeWarning, match="left out: .*nowhere"):
        assert recorded("ladders") == {}
    not_there.write_text("no folder")
    load_all.cache_clear()
    with pytest.warns(RuntimeWarning, match="left out: .*nowhere"):
        assert recorded("ladders") == {}
    load_all.cache_clear()

    def denied(path):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "iterdir", denied)
    with pytest.warns(RuntimeWarning, match="left out: .*Permission denied.*nowhere"):
        assert recorded("ladders") == {}


def test_what_is_no_recording_by_its_name_is_passed_over(recording, folder):
    save(recording, folder / "good.json")
    (folder / "notes.txt").write_text("{")
    (folder / "published").mkdir()
    with warnings.catch_warnings(action="error"):
        assert list(load_all(folder)) == ["good"]


KINDS = [
    "machine",
    "runs",
    "notes",
    "tables",
    "accounts",
    "timelines",
    "copies",
    "launches",
    "growths",
    "sweeps",
    "ladders",
]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_found_by_the_file_and_its_key(recording, folder, kind):
    save(recording, folder / "one.json")
    (key,) = getattr(recording, kind)
    found = recorded(kind)
    assert list(found) == [f"one: {key}"]
    assert_equal(getattr(recording, kind)[key], found[f"one: {key}"])


def test_what_an_accelerator_did_comes_first(recording, folder):
    ladder = recording.ladders["cpu"]
    save(replace(recording, ladders={"cpu": ladder}), folder / "a.json")
    save(replace(recording, ladders={"cpu": ladder, "cuda:0": ladder}), folder / "b.json")
    assert list(recorded("ladders")) == ["b: cuda:0", "a: cpu", "b: cpu"]


def test_a_growth_is_an_accelerators_if_one_of_its_settings_is(recording, folder):
    growth = recording.growths["rows"]
    times = growth.times["cpu"][0]
    on_gpu = replace(times, origin=replace(times.origin, device="cuda:0"))
    both = replace(growth, times=growth.times | {"cuda:0": (on_gpu,)})
    save(replace(recording, growths={"rows": growth, "width": both}), folder / "one.json")
    assert list(recorded("growths")) == ["one: width", "one: rows"]


def test_a_published_machine_has_its_own_keys_and_is_not_among_the_others(folder):
    assert recorded("runs") == recorded("tables") == {}
    assert list(recorded("tables", "rtx4070-laptop")) == ["reads"]
    assert recorded("ladders", "rtx4070-laptop") == {}
    assert recorded("machine", "rtx4070-laptop")["gpu"] == "NVIDIA GeForce RTX 4070 Laptop GPU"


def test_an_unknown_kind_or_machine_is_named_with_those_that_there_are():
    allowed = ", ".join(KINDS)
    with pytest.raises(ValueError, match=f"^kind must be one of {allowed}, but it is 'ladder'"):
        recorded("ladder", "t4")
    there = ", ".join(MACHINES)
    with pytest.raises(ValueError, match=f"^machine must be one of {there}, but it is 'T4'"):
        recorded("runs", "T4")


def test_a_published_machine_asks_for_no_other_file(folder):
    (folder / "bad.json").write_text("{", encoding="utf-8")
    with warnings.catch_warnings(action="error"):
        assert recorded("runs", "rtx3080ti")


def test_recordings_are_read_once_a_session(recording, folder, monkeypatch):
    save(recording, folder / "one.json")
    before = recorded("tables", "t4")["reads"], recorded("tables")["one: cpu"]
    monkeypatch.setattr(recordings, "load", lambda _: pytest.fail("it was read again"))
    assert before[0] is recorded("tables", "t4")["reads"]
    assert before[1] is recorded("tables")["one: cpu"]


def test_what_comes_back_can_be_changed_without_harm(recording, folder):
    save(recording, folder / "one.json")
    recorded("tables", "t4").clear()
    recorded("tables").clear()
    assert recorded("tables", "t4") and recorded("tables")


def test_a_table_prints_its_columns_its_cells_and_where_it_is_from():
    assert repr(TABLE).splitlines() == [
        "kind      N      us",
        "fp16      8    51.9",
        "fp32  1,024  0.0625",
        "t",
        "RECORDED, a GPU (cuda:0); not profiled; a repository",
    ]


def test_a_tables_column_is_found_by_its_name():
    assert TABLE.column("kind") == ("fp16", "fp32")
    assert TABLE.column("us") == (51.9, 0.0625)
    with pytest.raises(ValueError, match="column must be one of kind, N, us, but it is 'ms'"):
        TABLE.column("ms")


def test_no_file_can_call_itself_live(recording, folder):
    path = folder / "one.json"
    save(recording, path)
    top = json.loads(path.read_text(encoding="utf-8"))
    top["runs"]["cpu"]["origin"] |= {"recorded": False, "kind": "LIVE"}
    path.write_text(json.dumps(top), encoding="utf-8")
    assert load(path).runs["cpu"].origin.recorded and "RECORDED" in repr(load(path))


def test_without_msgspec_a_recording_is_written_all_the_same(recording, folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "msgspec", None)
    save(recording, folder / "one.json")
    with pytest.raises(ImportError, match="msgspec"):
        load(folder / "one.json")


def test_this_machine_s_card_is_in_a_new_recording():
    made = new_recording("a test", notes={"a": "b"})
    assert made.machine["torch"] == torch.__version__ and made.notes == {"a": "b"}
    assert made.when[:2] == "20"


def test_numbers_keep_nine_digits_and_must_be_finite():
    assert as_json({"a": [0.1234567891234, 3]}) == '{"a": [0.123456789, 3]}'
    with pytest.raises(ValueError):
        as_json({"a": math.inf})


def test_what_is_shipped_can_be_read_and_was_measured():
    for each in load_all(FOLDER).values():
        assert each.source and each.machine
        assert all(run.origin.recorded for run in each.runs.values())
        for device, ladder in each.ladders.items():
            assert ladder.origin.device == device
            assert max(rung.loss_error for rung in ladder.measured) < 1e-4
