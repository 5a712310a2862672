"""Results from other machines: one schema, which is the results' own fields; saved, loaded, and checked field by field."""

import json
import math
import os
import warnings
from dataclasses import MISSING, dataclass, field, fields, is_dataclass, replace
from datetime import UTC, datetime
from importlib.resources import files
from itertools import zip_longest
from os import PathLike
from pathlib import Path
from types import UnionType
from typing import get_args, get_origin, get_type_hints

import torch

from day37.arguments import positive_number, require, whole_number
from day37.costs import CopyCosts, Growth, LaunchCost
from day37.hardware import Origin, describe_machine
from day37.overhead import Account, Timeline
from day37.reads import ReadSweep
from day37.speedups import Ladder
from day37.timing import Measurement
from day37.training import TrainingRun

SCHEMA = "day37-recording/2"


@dataclass(frozen=True)
class Table:
    """A recorded table: named columns, rows of numbers, and a note on what they are."""

    columns: tuple[str, ...]
    rows: tuple[tuple[float, ...], ...]
    note: str


@dataclass(frozen=True)
class Recording:
    """What one machine measured. Its results are kept by the device ("cpu", "cuda:0"), the growth in rows and width by "grid"."""

    source: str
    when: str
    machine: dict[str, str]
    workload: dict[str, str]
    runs: dict[str, TrainingRun] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    tables: dict[str, Table] = field(default_factory=dict)
    accounts: dict[str, Account] = field(default_factory=dict)
    timelines: dict[str, Timeline] = field(default_factory=dict)
    copies: dict[str, CopyCosts] = field(default_factory=dict)
    launches: dict[str, LaunchCost] = field(default_factory=dict)
    growths: dict[str, Growth] = field(default_factory=dict)
    sweeps: dict[str, ReadSweep] = field(default_factory=dict)
    ladders: dict[str, Ladder] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """LIVE or RECORDED, and the machine: its GPU if it has one."""
        gpu = self.machine.get("gpu", "none")
        live = self.runs and not any(run.origin.recorded for run in self.runs.values())
        kind = "LIVE" if live else "RECORDED"
        return f"{kind}, {gpu if gpu != 'none' else self.machine.get('cpu', 'an unnamed machine')}"

    def __repr__(self) -> str:
        return "\n".join([f"RECORDED: {self.source}", *(f"  {run}" for run in self.runs.values())])


def here(source: str, **found) -> Recording:
    """What was found on this machine, with its card; `found` as the fields of `Recording`."""
    gpu = [run.origin.machine for run in found.get("runs", {}).values() if run.origin.device != "cpu"]
    machine = dict(describe_machine().rows()) | {"gpu": gpu[0] if gpu else "none"}
    threads = f"{torch.get_num_threads()} unless said"
    workload = {"dataset": "iris", "model": "MLP 4-10-3", "optimizer": "SGD, lr 0.01, full batch", "threads": threads}
    return Recording(source, datetime.now(UTC).isoformat(timespec="seconds"), machine, workload, **found)


def side_by_side(*recordings: Recording) -> list[list[str]]:
    """Rows of text: what it is, then each machine's: its card, when and how it was recorded, and its trainings."""
    rows = [["", *(each.name for each in recordings)], ["source", *(each.source for each in recordings)]]
    rows += [["when", *(each.when for each in recordings)]]
    for what in dict.fromkeys(key for each in recordings for key in each.machine):
        rows.append([what, *(each.machine.get(what, "not on its card") for each in recordings)])
    for runs in zip_longest(*(each.runs.values() for each in recordings)):
        rows.append(["training", *("" if run is None else _in_short(run) for run in runs)])
    return rows


def _in_short(run: TrainingRun) -> str:
    last = f"; last loss {run.losses[-1]:.4f}" if run.losses else ""
    return f"{run.name}: {run.seconds:.3g} s for {run.epochs:,} epochs, {run.reads:,} reads, on {run.origin.device}{last}"


def published() -> Recording:
    """The published lesson's own runs, as it printed them: one run each, clock not synchronised, no seed."""
    return load(_folder() / "published.json")


def recordings() -> list[Recording]:
    """All in the library's folder `recordings`: the published one, then by file name. Warns of those that cannot be read."""
    found = [published()]
    for path in sorted(path for path in _folder().glob("*.json") if path.name != "published.json"):
        try:
            found.append(load(path))
        except ValueError as error:  # one bad file stops no lesson
            warnings.warn(f"left out: {error}", RuntimeWarning, stacklevel=2)
    return found


def recorded(kind: str, *, accelerator: bool = True) -> list:
    """Every recorded result of a kind ("ladders", "accounts", …) that was measured on an accelerator, or on a CPU."""
    found = [(device, result) for each in recordings() for device, result in getattr(each, kind).items()]
    return [result for device, result in found if (device != "cpu") == accelerator]


def _folder() -> Path:
    return Path(str(files("day37"))) / "recordings"


def save(recording: Recording, path: str | PathLike, *, force: bool = False) -> None:
    """Write the recording as JSON, whole or not at all. FileExistsError if `path` is there, unless `force`.

    Numbers keep nine digits, which is all that a float32 has.
    """
    path = Path(path)
    text = as_json(recording)
    half_done = path.with_name(f"{path.name}.part-{os.getpid()}")
    half_done.write_text(text, encoding="utf-8")
    if not force and path.exists():
        raise FileExistsError(f"{path} exists already and was left alone; the recording is in {half_done}")
    os.replace(half_done, path)


def as_json(result) -> str:
    """A result as JSON text. ValueError for a number that is not finite."""
    schema = {"schema": SCHEMA} if isinstance(result, Recording) else {}
    return json.dumps(schema | _encode(result), allow_nan=False, ensure_ascii=False)


def load(path: str | PathLike) -> Recording:
    """The recording in a JSON file. ValueError that names the file and the field if anything in it is wrong."""
    path = Path(path)
    try:
        top = json.loads(path.read_text(encoding="utf-8"))
        require(isinstance(top, dict), "the file", type(top).__name__, "a JSON object")
        require(top.get("schema") == SCHEMA, "schema", top.get("schema"), repr(SCHEMA))
        return _decode(Recording, top, "")
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}: not JSON, or not all of it ({error})") from None
    except (ValueError, TypeError, OverflowError) as error:
        raise ValueError(f"{path}: {error}") from None


def _encode(value):
    """The value as JSON has it."""
    if is_dataclass(value):
        return {f.name: _encode(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, dict):
        return {key: _encode(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_encode(item) for item in value]
    return float(f"{value:.9g}") if isinstance(value, float) else value


def _decode(kind, value, where: str):
    """The value as the annotation `kind` says: dataclasses, tuples, dicts, numbers and text, each checked."""
    outer, inner = get_origin(kind), get_args(kind)
    if outer is UnionType:  # X | None
        return None if value is None else _decode(inner[0], value, where)
    if is_dataclass(kind):
        return _decode_fields(kind, value, where)
    if outer is dict:
        require(isinstance(value, dict), where, value, "an object")
        return {key: _decode(inner[1], item, f"{where}.{key}") for key, item in value.items()}
    if outer is tuple:
        right = isinstance(value, list) and (inner[-1] is Ellipsis or len(value) == len(inner))
        require(right, where, value, "a list" if inner[-1] is Ellipsis else f"a list of {len(inner)}")
        return tuple(_decode(inner[0], item, f"{where}[{i}]") for i, item in enumerate(value))
    if kind is float:
        right = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        require(right, where, value, "a finite number")
        return value
    right = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
    require(right, where, value, f"of type {kind.__name__}")
    return value


def _decode_fields(kind: type, value, where: str):
    require(isinstance(value, dict), where or "the file", value, "an object")
    hints, given = get_type_hints(kind), {}
    for f in fields(kind):
        name = f"{where}.{f.name}".lstrip(".")
        if f.name in value:
            given[f.name] = _decode(hints[f.name], value[f.name], name)
        require(f.name in value or f.default is not MISSING or f.default_factory is not MISSING, name, None, "present")
    result = kind(**given)
    if isinstance(result, TrainingRun):
        positive_number(f"{where}.seconds", result.seconds)
        whole_number(f"{where}.epochs", result.epochs)
        whole_number(f"{where}.reads", result.reads, least=0)
        most = len(result.epochs_read)
        require(len(result.losses) == most, f"{where}.losses", f"{len(result.losses)} values", f"as many as epochs_read, {most}")
    if isinstance(result, Measurement):
        require(len(result.samples) > 0, f"{where}.samples", result.samples, "one time or more")
    if isinstance(result, Table):
        short = next((row for row in result.rows if len(row) != len(result.columns)), None)
        require(short is None, f"{where}.rows", short, f"lists of {len(result.columns)} numbers")
    if isinstance(result, CopyCosts | Growth):
        rows = result.times.values() if isinstance(result, Growth) else [result.times]
        short = next((len(row) for row in rows if len(row) != len(result.sizes)), None)
        require(short is None, f"{where}.times", short, f"as many as sizes, {len(result.sizes)}")
    try:
        repr(result)  # nothing that cannot be shown is a result
    except (IndexError, AttributeError, ValueError, TypeError, ZeroDivisionError) as error:
        raise ValueError(f"{where or 'the file'} is not complete ({type(error).__name__}: {error})") from None
    return replace(result, recorded=True) if isinstance(result, Origin) else result
