"""What is solved: a small file in the user's data folder, and `progress`, which shows it."""

import contextlib
import json
from dataclasses import dataclass
from pathlib import Path

from day37.exercises.language import told


@dataclass(frozen=True)
class Progress:
    """The exercises that are solved, of all that there are, by their numbers."""

    solved: tuple[str, ...]
    every: tuple[str, ...]

    def __repr__(self) -> str:
        lessons = {}
        for number in self.every:
            mark = "✓" if number in self.solved else "○"
            lessons.setdefault(number.split(".")[0], []).append(f"{mark} {number}")
        lines = [told(f"lesson {lesson}: {'  '.join(marks)}") for lesson, marks in lessons.items()]
        done = len(set(self.solved) & set(self.every))
        return "\n".join([*lines, told(f"{done} of {len(self.every)} solved")])


def progress(*, reset: bool = False) -> Progress:
    """What is solved so far, lesson by lesson, in this and in earlier sessions.

    `reset` forgets all of it.
    """
    from day37.exercises.checking import exercises

    if reset:
        _write(())
    return Progress(_read(), tuple(exercises()))


def mark_solved(number: str) -> None:
    """Note that an exercise is solved."""
    before = _read()
    if number not in before:
        _write((*before, number))


KEPT = []  # of this session too: there may be no file that can be written


def _file() -> Path | None:
    """Where it is kept; None where platformdirs is not installed."""
    try:
        from platformdirs import user_data_path
    except ImportError:
        return None
    return user_data_path("day37", appauthor=False) / "solved.json"


def _read() -> tuple[str, ...]:
    path = _file()
    found = []
    with contextlib.suppress(OSError, ValueError, AttributeError):
        found = json.loads(path.read_text(encoding="utf-8"))
    listed = found if isinstance(found, list) else []
    return tuple(dict.fromkeys(n for n in [*listed, *KEPT] if isinstance(n, str)))


def _write(numbers: tuple[str, ...]) -> None:
    """Write the file, or nothing where that cannot be done."""
    KEPT[:] = numbers
    path = _file()
    with contextlib.suppress(OSError, AttributeError):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(list(numbers)), encoding="utf-8")
