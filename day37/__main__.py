"""python -m day37 record | compare | doctor: measure this machine, compare, look for faults."""

import argparse
import codecs
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from day37.faster.compiler import first_line
from day37.machines import doctor
from day37.machines.record import Stage, record, side_by_side
from day37.machines.recording import load, why_not_writable

# What is printed where an encoding lacks a character: a form of it that every encoding has.
PLAIN = {"µ": "u", "μ": "u", "→": "->", "·": "*", "×": "x", "÷": "/", "√": "sqrt", "²": "^2"}
PLAIN |= {"±": "+/-", "≈": "~", "−": "-", "–": "-", "—": "-", "…": "...", "≤": "<=", "≥": ">="}
PLAIN |= {"®": "(R)", "™": "(TM)", "✓": "[x]", "○": "[ ]", "✗": "[-]"}
PLAIN |= dict.fromkeys("‘’", "'") | dict.fromkeys("“”", '"')


def plain_form(error: UnicodeError) -> tuple[str, int]:
    """What to write for characters that an encoding lacks: from PLAIN, else as Python escapes it.

    For `codecs.register_error`: the text, and where to go on.
    """
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = ""
    for character in error.object[error.start : error.end]:
        escaped = character.encode("ascii", "backslashreplace").decode("ascii")
        text += PLAIN.get(character, escaped)
    return text, error.end


def print_anywhere() -> None:
    """Let stdout and stderr write any text, whatever the encoding of the console or the file."""
    codecs.register_error("day37", plain_form)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # not in a notebook, nor where there is none
            stream.reconfigure(errors="day37")


def record_here(path: Path, force: bool) -> int:
    """Measure this machine and say where the recording is; 2 if it could not be written."""
    try:
        note, status = record(path, force=force, progress=_progress)
    except OSError as error:
        print(error, file=sys.stderr)
        return 2
    try:
        print(f"{note}; written to {path}", flush=True)
    except OSError:  # the terminal is gone: so that Python does not fail at its end for that
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return status


def _progress(plan: list[Stage]) -> Iterator[Stage]:
    """The stages, with a bar where tqdm is installed, else with a line for each."""
    try:
        from tqdm import tqdm
    except ImportError:
        for i, stage in enumerate(plan, 1):
            print(f"{i}/{len(plan)} {stage.what}, {stage.key}", flush=True)
            yield stage
        return
    with tqdm(plan, unit="stage", file=sys.stdout) as bar:
        for stage in bar:
            bar.set_postfix_str(f"{stage.what}, {stage.key}")
            yield stage


def compare_recordings(paths: list[Path], figure: Path) -> int:
    """Print a table over the recordings' machines and draw their ways to train side by side."""
    why = why_no_figure(figure)
    if why:
        print(f"--figure: {why}", file=sys.stderr)
        return 2
    try:
        recordings = [load(path) for path in paths]
    except ImportError as error:
        print(f"recordings are read by msgspec: pip install msgspec ({error})", file=sys.stderr)
        return 2
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    print(side_by_side(recordings))
    ladders = [ladder for each in recordings for ladder in each.ladders.values()]
    try:
        from day37.show.plots import plot
    except ImportError:
        print("no figure: matplotlib is not installed")
        return 0
    if not ladders:
        return 0
    try:
        plot(*ladders).figure.savefig(figure, dpi=120)
    except Exception as error:  # a format may ask for what is not installed, a disk be full
        print(f"--figure: {figure} could not be drawn: {first_line(error)}", file=sys.stderr)
        return 2
    print(f"figure: {figure}")
    return 0


def why_no_figure(path: Path) -> str:
    """Why no figure can be drawn into `path`; empty if one can, or without matplotlib."""
    try:
        from matplotlib.backend_bases import FigureCanvasBase
    except ImportError:
        return ""
    endings = [f".{ending}" for ending in sorted(FigureCanvasBase.get_supported_filetypes())]
    if path.suffix.lower() not in endings:
        return f"{path} must end in one of {', '.join(endings)}"
    return why_not_writable(path)


def show_checks() -> int:
    """Print every check of the environment; 1 if one fails."""
    faults = 0
    for check in doctor.check_environment():
        print(check, flush=True)
        faults += bool(check.fault)
    return int(faults > 0)


def main(arguments: list[str] | None = None) -> int:
    """Run one command; its exit status."""
    print_anywhere()
    parser = argparse.ArgumentParser(prog="python -m day37", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("record", help="measure this machine (some minutes), write a file")
    one.add_argument("--out", type=Path, default=Path("day37-recording.json"), metavar="FILE")
    one.add_argument("--force", action="store_true", help="overwrite FILE")
    two = commands.add_parser("compare", help="one table and figure over several recordings")
    two.add_argument("files", type=Path, nargs="+", metavar="FILE")
    two.add_argument("--figure", type=Path, default=Path("day37-compare.png"), metavar="PNG")
    commands.add_parser("doctor", help="check this environment; exit status 1 if a check fails")
    given = parser.parse_args(arguments)
    if given.command == "record":
        return record_here(given.out, given.force)
    if given.command == "compare":
        return compare_recordings(given.files, given.figure)
    return show_checks()


if __name__ == "__main__":
    sys.exit(main())
