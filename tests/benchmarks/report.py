"""What a race says: the table, and the goals with whether each was met."""

import math

import numpy as np

from day37 import judge
from day37.timing import Measurement, show_seconds
from tests.benchmarks.competitors import TOLERANCE, Race, Row

HEAD = (
    f"{'':22}{'µs/step':>9}{'IQR':>7}{'speed-up':>10}  {'interval':14}{'first run +':>12}{'losses off by':>14}{'epochs':>8}"
    "   the best is ahead from (with the compiler's set-up)"
)
OVERTAKEN = ("NumPy", "NumPy, rows innermost", "scikit-learn", "skorch")


def speed_up(first: Measurement, second: Measurement) -> tuple[float, float, float]:
    """How many times as fast the second is, with an interval: judge's for 8 rounds or more, else the least and most."""
    if len(first.samples) >= 8:
        return judge(first, second).speed_up
    ratios = np.divide(first.samples, second.samples)
    return float(np.median(ratios)), float(ratios.min()), float(ratios.max())


def ahead_from(race: Race, row: Row, set_up: float = 0.0) -> float:
    """The epochs from which the best way is ahead, its own preparation counted, not the other's; infinite if never."""
    saved = row.step.median - race.best.step.median
    return math.ceil((race.best.prepared + set_up) / saved) if saved > 0 else math.inf


def table(race: Race) -> str:
    """A line for each way, then what was measured, where and with what."""
    threads = f"{race.threads} thread" + ("s" if race.threads != 1 else "")
    versions = ", ".join(f"{name} {version}" for name, version in race.versions.items())
    set_up = (
        f"; the compiler took {show_seconds(race.compiler_seconds)} to get ready, once"
        if race.compiler_seconds
        else ""
    )
    return "\n".join(
        [
            f"{race.epochs:,} full-batch steps on iris, every loss kept; {threads}; {race.origin}",
            HEAD,
            *(_line(race, row) for row in race.rows),
            f"the best is: {race.best.name}{set_up}",
            f"{len(race.rows[0].step.samples)} rounds; Python {race.machine.python}, {versions}",
        ]
    )


def _line(race: Race, row: Row) -> str:
    if row.step is None:
        return f"{row.name:22}{row.obstacle}"
    times, low, high = speed_up(race.rows[0].step, row.step)
    figures = f"{row.step.median * 1e6:9.2f}{row.step.iqr * 1e6:7.2f}{times:10.2f}  {f'{low:.3g} to {high:.3g}':14}"
    text = f"{row.name:22}{figures}{show_seconds(row.prepared):>12}{row.loss_error:14.0e}{row.epochs:8,}"
    if row.loss_error > TOLERANCE:
        return f"{text}   the losses do not agree"
    return (
        text
        if row is race.best
        else f"{text}   {_epochs(ahead_from(race, row))} ({_epochs(_with_set_up(race, row))})"
    )


def _with_set_up(race: Race, row: Row) -> float:
    """`ahead_from` in a session that has compiled nothing yet."""
    return ahead_from(
        race, row, race.compiler_seconds if race.best.name.startswith("compiled") else 0.0
    )


def _epochs(number: float) -> str:
    return f"{number:,}" if math.isfinite(number) else "never"


def goals(race: Race) -> list[dict]:
    """Each goal with what was found and "met", "missed", "cannot tell" or "not measured"."""
    times, low, high = speed_up(race.rows[0].step, race.best.step)
    found = f"{times:.1f} times ({low:.3g} to {high:.3g}), {race.best.name}"
    first = _goal(
        "the best way is 25 times as fast as the hand-written loop or more", found, times >= 25
    )
    return [first, _no_slower_than_jax(race), *(_ahead(race, name) for name in OVERTAKEN)]


def _goal(goal: str, found: str, met: bool) -> dict:
    return {"goal": goal, "found": found, "verdict": "met" if met else "missed"}


def _no_slower_than_jax(race: Race) -> dict:
    goal, jax = "the best way is no slower than JAX once both are compiled", race.row("JAX")
    if jax.step is None:
        return {"goal": goal, "found": jax.obstacle, "verdict": "not measured"}
    times, low, high = speed_up(jax.step, race.best.step)
    verdict = "met" if low > 1 else "missed" if high < 1 else "cannot tell"
    return {
        "goal": goal,
        "found": f"{times:.2f} times as fast ({low:.3g} to {high:.3g})",
        "verdict": verdict,
    }


def _ahead(race: Race, name: str) -> dict:
    goal, row = (
        f"with its preparation counted, the best way is ahead of {name} from 200,000 epochs on",
        race.row(name),
    )
    if row.step is None:
        return {"goal": goal, "found": row.obstacle, "verdict": "not measured"}
    epochs = ahead_from(race, row)
    found = f"from {_epochs(epochs)}, with the compiler's set-up from {_epochs(_with_set_up(race, row))}"
    return _goal(goal, found if math.isfinite(epochs) else "never", epochs <= 200_000)
