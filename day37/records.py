"""Runs from other machines: one schema, loaded and checked field by field."""

import json
import math
from dataclasses import dataclass
from importlib.resources import files
from os import PathLike
from pathlib import Path

from day37.arguments import positive_number, require, whole_number
from day37.hardware import Origin
from day37.training import TrainingRun

SCHEMA = "day37-recording/1"


@dataclass(frozen=True)
class Table:
    """A recorded table: named columns, rows of numbers, and a note on what they are."""

    columns: tuple[str, ...]
    rows: tuple[tuple[float, ...], ...]
    note: str


@dataclass(frozen=True)
class Recording:
    """What another machine measured: its source, when, the machine and workload in words, runs by id, and tables."""

    source: str
    when: str
    machine: dict
    workload: dict
    runs: dict[str, TrainingRun]
    notes: dict[str, str]
    tables: dict[str, Table]

    def __repr__(self) -> str:
        return "\n".join([f"RECORDED: {self.source}", *(f"  {run}" for run in self.runs.values())])


def published() -> Recording:
    """The published lesson's own runs, as it printed them: one run each, clock not synchronised, no seed."""
    return load(files("day37") / "recordings" / "published.json")


def load(path: str | PathLike) -> Recording:
    """The recording in a JSON file. ValueError that names the file and the field if anything in it is wrong."""
    path = Path(path)
    try:
        return _read(json.loads(path.read_text(encoding="utf-8")))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}: not JSON, or not all of it ({error})") from None
    except (ValueError, TypeError, OverflowError) as error:
        raise ValueError(f"{path}: {error}") from None


def _read(top) -> Recording:
    require(isinstance(top, dict), "the file", type(top).__name__, "a JSON object")
    require(top.get("schema") == SCHEMA, "schema", top.get("schema"), repr(SCHEMA))
    runs, notes, when = {}, {}, _get(top, "when", str)
    for i, entry in enumerate(_get(top, "runs", list)):
        key = _get(entry, "id", str, f"runs[{i}].")
        require(key not in runs, f"runs[{i}].id", key, "unlike all before it")
        runs[key], notes[key] = _run(entry, when, f"runs[{i}]."), _get(entry, "note", str, f"runs[{i}].")
    require(len(runs) > 0, "runs", [], "one run or more")
    tables = {key: _table(entry, f"tables.{key}.") for key, entry in _get(top, "tables", dict).items()}
    about = {key: _get(top, key, kind) for key, kind in (("source", str), ("machine", dict), ("workload", dict))}
    return Recording(**about, when=when, runs=runs, notes=notes, tables=tables)


def _run(entry: dict, when: str, where: str) -> TrainingRun:
    name, device, machine = (_get(entry, key, str, where) for key in ("name", "device", "machine"))
    epochs = whole_number(f"{where}epochs", _get(entry, "epochs", int, where))
    reads = whole_number(f"{where}reads", _get(entry, "reads", int, where), least=0)
    seconds = positive_number(f"{where}seconds", _get(entry, "seconds", (int, float), where))
    losses = _numbers(_get(entry, "losses", list, where), f"{where}losses")
    at = [whole_number(f"{where}epochs_read[{i}]", e) for i, e in enumerate(_get(entry, "epochs_read", list, where))]
    require(len(losses) == len(at), f"{where}losses", f"{len(losses)} values", f"as many as epochs_read, {len(at)}")
    return TrainingRun(name, losses, tuple(at), epochs, reads, seconds, Origin(device, machine, when, recorded=True))


def _table(entry: dict, where: str) -> Table:
    columns, rows = (_get(entry, key, list, where) for key in ("columns", "rows"))
    for i, row in enumerate(rows):
        right = isinstance(row, list) and len(row) == len(columns)
        require(right, f"{where}rows[{i}]", row, f"a list of {len(columns)} numbers")
    numbers = tuple(_numbers(row, f"{where}rows[{i}]") for i, row in enumerate(rows))
    return Table(tuple(columns), numbers, _get(entry, "note", str, where))


def _get(entry, key: str, kind, where: str = ""):
    require(isinstance(entry, dict), where.rstrip("."), entry, "an object")
    require(key in entry, where + key, None, "present")
    names = " or ".join(k.__name__ for k in (kind if isinstance(kind, tuple) else (kind,)))
    right = isinstance(entry[key], kind) and not isinstance(entry[key], bool)
    require(right, where + key, entry[key], f"of type {names}")
    return entry[key]


def _numbers(values: list, where: str) -> tuple[float, ...]:
    for i, value in enumerate(values):
        right = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        require(right, f"{where}[{i}]", value, "a finite number")
    return tuple(values)
