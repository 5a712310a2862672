"""Lessons 1 to 5: results from other machines: one JSON file each, checked as it is read."""

import json
import os
import warnings
from dataclasses import MISSING, asdict, dataclass, field, fields
from datetime import UTC, datetime
from functools import cache
from os import PathLike
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from day37.checks import positive_number, require, whole_number
from day37.experiments.arithmetic import Account
from day37.experiments.fixed_costs import CopyCosts, LaunchCost
from day37.experiments.growth import Growth
from day37.experiments.reads import ReadSweep
from day37.experiments.timeline import Timeline
from day37.faster.ladder import Ladder
from day37.machines.card import describe_machine
from day37.results import Origin, table
from day37.training import TrainingRun

SCHEMA = "day37-recording/3"
FOLDER = Path(__file__).parent / "recordings"  # what `python -m day37 record` wrote
PUBLISHED = FOLDER / "published"  # what others have published: a file for each of their machines


@dataclass(frozen=True)
class PublishedTable:
    """A table as it was published: named columns, rows of numbers and words, and what they are.

    ValueError if a row is not as long as the columns.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[float | str, ...], ...]
    note: str
    origin: Origin

    def __post_init__(self):
        for row in self.rows:
            allowed = f"lists of {len(self.columns)} cells"
            require(len(row) == len(self.columns), "rows", row, allowed)

    def column(self, name: str) -> tuple[float | str, ...]:
        """The cells of one column. ValueError if there is none of this name."""
        allowed = f"one of {', '.join(self.columns)}"
        require(name in self.columns, "column", name, allowed)
        return tuple(row[self.columns.index(name)] for row in self.rows)

    def __repr__(self) -> str:
        rows = [[c if isinstance(c, str) else f"{c:,.10g}" for c in row] for row in self.rows]
        return f"{table(self.columns, rows)}\n{self.note}\n{self.origin}"


@dataclass(frozen=True)
class Recording:
    """What one machine measured: results by the device ("cpu", "cuda:0"), growths by what grows.

    ValueError for a run of no epochs, or in no time.
    """

    source: str
    when: str
    machine: dict[str, str]
    runs: dict[str, TrainingRun] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    tables: dict[str, PublishedTable] = field(default_factory=dict)
    accounts: dict[str, Account] = field(default_factory=dict)
    timelines: dict[str, Timeline] = field(default_factory=dict)
    copies: dict[str, CopyCosts] = field(default_factory=dict)
    launches: dict[str, LaunchCost] = field(default_factory=dict)
    growths: dict[str, Growth] = field(default_factory=dict)
    sweeps: dict[str, ReadSweep] = field(default_factory=dict)
    ladders: dict[str, Ladder] = field(default_factory=dict)

    def __post_init__(self):
        for key, run in self.runs.items():
            positive_number(f"runs.{key}.seconds", run.seconds)
            whole_number(f"runs.{key}.epochs", run.epochs)

    def __repr__(self) -> str:
        return "\n".join([self.source, *(f"  {run}" for run in self.runs.values())])


def new_recording(source: str, **found) -> Recording:
    """What was found on this machine, with its card; `found` as the fields of `Recording`."""
    when = datetime.now(UTC).isoformat(timespec="seconds")
    return Recording(source, when, dict(describe_machine().rows()), **found)


def recorded(kind: str, machine: str | None = None) -> dict[str, Any]:
    """All results of a kind ("runs", "timelines", "tables", "notes", "machine", …), by their keys.

    `machine`: one whose results are published, as "rtx5080". Without it: what `python -m day37
    record` wrote on other machines, keyed "<file>: <key>", what an accelerator did before the rest.
    """
    kinds = [f.name for f in fields(Recording) if get_origin(f.type) is dict]
    require(kind in kinds, "kind", kind, f"one of {', '.join(kinds)}")
    if machine is not None:
        there = sorted(path.stem for path in PUBLISHED.glob("*.json"))
        require(machine in there, "machine", machine, f"one of {', '.join(there)}")
        return dict(getattr(load_once(PUBLISHED / f"{machine}.json"), kind))
    first = {}
    rest = {}
    for name, recording in load_all(FOLDER).items():
        for key, result in getattr(recording, kind).items():
            found = first if _on_accelerator(key, result) else rest
            found[f"{name}: {key}"] = result
    return first | rest


def _on_accelerator(key: str, result) -> bool:
    """Results are kept by their device, a growth by what grows: one of its settings tells."""
    if isinstance(result, Growth):
        return any(times[0].origin.device != "cpu" for times in result.times.values())
    return key != "cpu"


@cache  # once a session
def load_once(path: Path) -> Recording:
    """As `load`, but from memory the second time."""
    return load(path)


@cache  # once a session
def load_all(folder: Path) -> dict[str, Recording]:
    """All recordings in `folder`, by the name of their file.

    Warns of those that cannot be read, and of a folder that cannot be listed: neither stops a
    lesson.
    """
    found = {}
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix.lower() == ".json")
    except OSError as error:
        warnings.warn(f"left out: {error}", RuntimeWarning, stacklevel=2)
        return found
    for path in paths:
        try:
            if path.exists() and not path.is_file():  # reading a pipe would wait for its writer
                raise ValueError(f"{path}: it is no file")
            found[path.stem] = load(path)
        except (OSError, ValueError) as error:
            warnings.warn(f"left out: {error}", RuntimeWarning, stacklevel=2)
    return found


def load(path: str | PathLike) -> Recording:
    """The recording in a JSON file.

    ValueError that names the file and the field if anything in it is wrong; ImportError without
    msgspec, which reads it.
    """
    from msgspec import Raw

    path = Path(path)
    try:
        top = _decode(path.read_bytes(), dict[str, Raw], "")
        schema = _decode(top.get("schema", b"null"), Any, "schema")
        require(schema == SCHEMA, "schema", schema, repr(SCHEMA))
        given = {}
        hints = get_type_hints(Recording)
        for f in fields(Recording):
            if f.name not in top:
                require(f.default_factory is not MISSING, f.name, None, "present")
            elif get_origin(hints[f.name]) is dict:
                _, kind = get_args(hints[f.name])
                entries = _decode(top[f.name], dict[str, Raw], f.name)
                given[f.name] = {k: _decode(v, kind, f"{f.name}.{k}") for k, v in entries.items()}
            else:
                given[f.name] = _decode(top[f.name], hints[f.name], f.name)
        return Recording(**given)
    except OSError as error:
        error.filename = str(path)  # reading, unlike opening, does not name it
        raise
    except (ValueError, RecursionError) as error:  # too deep a file is a broken one
        raise ValueError(f"{path}: {error}") from None


def _decode(text: bytes, kind, where: str):
    """The value as the annotation `kind` says. ValueError that begins with the field."""
    import msgspec

    try:
        value = msgspec.json.decode(text, type=kind)
    except msgspec.DecodeError as error:
        what, _, at = str(error).partition(" - at `$")
        field_at = f"{where}{at.rstrip('`')}".lstrip(".") or "the file"
        raise ValueError(f"{field_at}: {what}") from None
    try:
        repr(value)
    except (ArithmeticError, ValueError) as error:  # what cannot be shown is no result
        raise ValueError(f"{where} cannot be shown: {error}") from None
    return value


def save(recording: Recording, path: str | PathLike, *, force: bool = False) -> None:
    """Write the recording as JSON, whole or not at all. Numbers keep a float32's nine digits.

    FileExistsError if `path` is there, unless `force`.
    """
    path = Path(path)
    half_done = save_beside(recording, path)
    if not force and path.exists():
        saved = f"the recording is in {half_done}"
        raise FileExistsError(f"{path} exists already and was left alone; {saved}")
    os.replace(half_done, path)


def save_beside(recording: Recording, path: Path) -> Path:
    """Write the recording to a file beside `path`, and return where: until it is complete."""
    half_done = _half_done(path)
    half_done.write_text(as_json({"schema": SCHEMA} | asdict(recording)), encoding="utf-8")
    return half_done


def _half_done(path: Path) -> Path:
    return path.with_name(f"{path.name}.part-{os.getpid()}")


def why_not_writable(path: Path) -> str:
    """Why no file can be written to `path`, tried out beside it; empty if one can."""
    try:
        if path.exists() and not path.is_file():
            return f"{path} is there and is no file"
        if not path.parent.is_dir():
            return f"{path.parent} is no folder that can be written to"
        if path.exists():
            path.open("ab").close()
        half_done = _half_done(path)
        half_done.touch()
        half_done.unlink()
    except OSError as error:
        return f"{path} cannot be written: {error.strerror}"
    return ""


def as_json(result) -> str:
    """A result, or a dict of plain values, as JSON. ValueError for a number that is not finite."""
    result = result if isinstance(result, dict) else asdict(result)
    exact = json.dumps(result, allow_nan=False)
    rounded = json.loads(exact, parse_float=lambda digits: float(f"{float(digits):.9g}"))
    return json.dumps(rounded, ensure_ascii=False)
