"""What the benchmark says: the tables, whether the machine was busy, and the goals."""

from dataclasses import dataclass
from math import inf
from statistics import median

from day37.results import Measurement, show_seconds, table
from day37.timing import interval_of_median
from day37.training import EPOCHS
from tests.benchmarks.race import TOLERANCE, Race, Row

BUSY = 1.2  # a round that takes so many times the quickest one was disturbed
OWN_CORE = 0.95  # one thread on an idle machine has a core for nearly all of the time
HEAD = ("way", "µs/step", "99% interval", "IQR", "speed-up", "99% interval")
HEAD += ("prepared in", f"{EPOCHS:,} losses in", "off by")
NOTE = f"""\
speed-up: the median of the rounds' ratios to the hand-written loop
prepared in: imports, the compiler's own start, and what the first run took over the second
{EPOCHS:,} losses in: computed: prepared in, plus {EPOCHS:,} times the median step. What torch
    imports for the first step with an optimizer is left out; the processes below count it"""


def show_race(race: Race) -> str:
    rows = [_cells(race, row) for row in race.rows.values() if row.step]
    missing = [
        f"{row.name}: not here: {row.obstacle}" for row in race.rows.values() if not row.step
    ]
    hand = race.rows["hand-written loop"].step
    return "\n".join([table(HEAD, rows), *missing, NOTE, busy(hand, race.core), str(hand.origin)])


def _cells(race: Race, row: Row) -> tuple[str, ...]:
    low, high = (end * 1e6 for end in interval_of_median(row.step.samples))
    times, least, most = race.compare("hand-written loop", row.name).speed_up
    return (
        row.name,
        f"{row.step.median * 1e6:.3g}",
        f"{low:.3g} to {high:.3g}",
        f"{row.step.iqr * 1e6:.2g}",
        f"{times:.3g}",
        f"{least:.3g} to {most:.3g}",
        show_seconds(row.prepared),
        show_seconds(row.total),
        f"{row.loss_error:.0e}" + ("" if row.loss_error <= TOLERANCE else " DISAGREES"),
    )


def busy(hand: Measurement, core: float) -> str:
    """One line: the rounds that were disturbed, and the share of the time without a core.

    The first shows what comes and goes, the second what slows all rounds down alike.
    """
    quickest = min(hand.samples)
    disturbed = sum(seconds > BUSY * quickest for seconds in hand.samples)
    state = "BUSY" if disturbed or core < OWN_CORE else "quiet"
    rounds = f"{disturbed} of {len(hand.samples)} rounds"
    took = f"the hand-written loop took over {BUSY} times its quickest"
    slowest = max(hand.samples) / quickest
    times = f"the slowest: {slowest:.2f} times"
    return (
        f"the machine was {state}: in {rounds} {took} ({times}); a core for {core:.0%} of the time"
    )


def show_sessions(seconds: dict[str, list[float]]) -> str:
    head = f"{EPOCHS:,} losses, a new process each: all but import torch and the data counted"
    rows = []
    for name, taken in seconds.items():
        middle = show_seconds(median(taken)) if taken else "not measured"
        rows.append((name, middle, ", ".join(f"{each:.2f}" for each in taken)))
    return table((head, "median", "samples (s)"), rows)


@dataclass(frozen=True)
class Goal:
    """A goal, "met", "missed", "cannot tell" or "not measured", and what was found."""

    goal: str
    verdict: str
    found: str

    def __str__(self) -> str:
        return f"{self.verdict}: {self.goal}: {self.found}"


def judged(goal: str, times: float, low: float, high: float, *, least=0.0, most=inf) -> Goal:
    """Met if all from `low` to `high` lies within the bounds, missed if none of it does."""
    outside = high < least or low > most
    verdict = "missed" if outside else "cannot tell"
    if least <= low and high <= most:
        verdict = "met"
    return Goal(goal, verdict, f"{times:.3g} times ({low:.3g} to {high:.3g})")


def goals(race: Race, seconds: dict[str, list[float]]) -> list[Goal]:
    """All goals; `seconds` are those of the sessions."""
    hand, first, later, jax = seconds
    return [
        times_as_fast(race, "hand-written loop", 120),
        times_as_fast(race, "JAX", 5),
        times_as_fast(race, "JAX, rows innermost", 5),
        near_the_floor(race, 5),
        sooner(seconds, first, hand),
        sooner(seconds, later, jax),
    ]


def times_as_fast(race: Race, rival: str, least: float) -> Goal:
    goal = f"one function, once compiled, at least {least} times as fast as {rival}"
    held = race.compare(rival, "one function")
    if held is None:
        reason = race.rows["one function"].obstacle or race.rows[rival].obstacle
        return Goal(goal, "not measured", reason)
    return judged(goal, *held.speed_up, least=least)


def near_the_floor(race: Race, most: float) -> Goal:
    """The floor is in proportion to the time of its matrix product, whose spread counts too."""
    floor = race.floor
    rate = f"{show_seconds(floor.seconds)} at {floor.rate / 1e9:,.0f} GFLOP/s"
    goal = f"one function, once compiled, at most {most} times the arithmetic floor ({rate})"
    step = race.rows["one function"].step
    if step is None:
        return Goal(goal, "not measured", race.rows["one function"].obstacle)
    share = floor.seconds / floor.matmul.median
    quick, slow = interval_of_median(step.samples)
    least, largest = interval_of_median(floor.matmul.samples)
    times = step.median / floor.seconds
    return judged(goal, times, quick / share / largest, slow / share / least, most=most)


def sooner(seconds: dict[str, list[float]], ours: str, theirs: str) -> Goal:
    """Met if each of our sessions is through before the quickest of theirs."""
    goal = f"{ours}: {EPOCHS:,} losses, everything counted, sooner than {theirs}"
    if not (seconds[ours] and seconds[theirs]):
        return Goal(goal, "not measured", "not run, or it failed")
    times = median(seconds[theirs]) / median(seconds[ours])
    low = min(seconds[theirs]) / max(seconds[ours])
    high = max(seconds[theirs]) / min(seconds[ours])
    return judged(goal, times, low, high, least=1)
