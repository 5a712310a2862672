"""Runs from other machines: one schema, loaded and checked field by field."""

import json
import math
from dataclasses import dataclass
from importlib.resources import files
from os import PathLike
from pathlib import Path

from day37.arguments import require
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
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: {error}") from None


def _read(top) -> Recording:
    require(isinstance(top, dict), "the file", type(top).__name__, "a JSON object")
    require(top.get("schema") == SCHEMA, "schema", top.get("schema"), repr(SCHEMA))
    when = _text(top, "when")
    runs, notes, tables = {}, {}, {}
    for i, entry in enumerate(_get(top, "runs", list)):
        where = f"runs[{i}]"
        require(isinstance(entry, dict), where, entry, "an object")
        key = _text(entry, "id", where)
        runs[key], notes[key] = _run(entry, when, where), _text(entry, "note", where)
    for key, entry in _get(top, "tables", dict).items():
        tables[key] = _table(entry, f"tables.{key}")
    machine, workload = _get(top, "machine", dict), _get(top, "workload", dict)
    return Recording(_text(top, "source"), when, machine, workload, runs, notes, tables)


def _run(entry: dict, when: str, where: str) -> TrainingRun:
    losses, at = _numbers(entry, "losses", where), _numbers(entry, "epochs_read", where)
    require(len(losses) == len(at), f"{where}.losses", f"{len(losses)} values", f"as many as epochs_read, {len(at)}")
    epochs, reads, seconds = (_get(entry, key, (int, float), where) for key in ("epochs", "reads", "seconds"))
    for key, value in (("epochs", epochs), ("seconds", seconds)):
        require(math.isfinite(value) and value > 0, f"{where}.{key}", value, "a finite number above 0")
    origin = Origin(_text(entry, "device", where), _text(entry, "machine", where), when, recorded=True)
    return TrainingRun(_text(entry, "name", where), losses, tuple(map(int, at)), epochs, reads, seconds, origin)


def _table(entry, where: str) -> Table:
    require(isinstance(entry, dict), where, entry, "an object")
    columns, rows = tuple(_get(entry, "columns", list, where)), _get(entry, "rows", list, where)
    for i, row in enumerate(rows):
        right = isinstance(row, list) and len(row) == len(columns)
        require(right, f"{where}.rows[{i}]", row, f"a list of {len(columns)} numbers")
    return Table(columns, tuple(map(tuple, rows)), _text(entry, "note", where))


def _get(entry: dict, key: str, kind, where: str = ""):
    name = f"{where}.{key}" if where else key
    require(key in entry, name, None, "present")
    value, kinds = entry[key], kind if isinstance(kind, tuple) else (kind,)
    names = " or ".join(k.__name__ for k in kinds)
    require(isinstance(value, kinds) and not isinstance(value, bool), name, value, f"of type {names}")
    return value


def _text(entry: dict, key: str, where: str = "") -> str:
    return _get(entry, key, str, where)


def _numbers(entry: dict, key: str, where: str) -> tuple[float, ...]:
    values = _get(entry, key, list, where)
    for i, value in enumerate(values):
        right = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        require(right, f"{where}.{key}[{i}]", value, "a finite number")
    return tuple(values)
