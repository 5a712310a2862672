"""`check`: whether an exercise's answer is right, and else one hint."""

import copy
import inspect
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module

import torch

from day37.exercises.language import told
from day37.exercises.refusing import refuse_what_others_made, was_tried
from day37.exercises.running import Wrong, ask_told, what_it_prints
from day37.exercises.showing import same, shown
from day37.exercises.solved import mark_solved

LESSONS = (1, 2, 3, 4, 5)
TRIED = {}  # exercise: how many answers were wrong since the kernel started
HINTED = {}  # exercise: the hints for known mistakes that were given
ALIKE = "Other arguments gave this very number too. Does your function use all that it is given?"


@dataclass(frozen=True)
class Mistake:
    """A wrong answer that is known: `made(came, *args)` is true of what it gives."""

    hint: str
    made: Callable[..., bool]


@dataclass(frozen=True)
class Exercise:
    """What is asked for, such as "spread(samples)", and how an answer is examined.

    `examine(answer, dice)` draws inputs from `dice`, a random.Random, and raises Wrong. `hints`
    rise: the direction, the tool, all but the line. `handed_over`: library names that must not
    stand in the answer, since they are what is to be written.
    """

    call: str
    examine: Callable[[object, random.Random], None]
    hints: tuple[str, str, str]
    handed_over: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answer:
    """What `check` found. `solved`: True, False, or None for an exercise that was not tried yet."""

    number: str
    solved: bool | None
    text: str
    printed: str = ""

    def __repr__(self) -> str:
        state = {True: "✓ right: ", False: "✗ not yet: ", None: "○ not tried yet: "}[self.solved]
        printed = [told("your code printed: {}").format(self.printed)] if self.printed else []
        return "\n  ".join([f"{self.number} {told(state)}{self.text}", *printed])


def exercises() -> dict[str, Exercise]:
    """All exercises by their numbers, "1.1" to the last of lesson 5."""
    modules = [import_module(f"day37.exercises.lesson_{lesson}") for lesson in LESSONS]
    return {number: each for module in modules for number, each in module.EXERCISES.items()}


def check(number: str, answer=None, *, save: bool = True) -> Answer:
    """Whether `answer` solves the exercise with this number, such as "4.2"; else one hint.

    It never raises: Run All goes on. Inputs are drawn anew each time. What is right is noted in a
    small file for `progress`, unless `save` is False. An answer's code may take ten seconds.
    """
    known = exercises()
    number = str(number)
    if number not in known:
        numbers = f"the exercises are {', '.join(known)}"
        return Answer(number, None, told(f"there is no exercise {number!r}; {numbers}"))
    exercise = known[number]
    if not was_tried(answer):
        return Answer(number, None, told(f"write {exercise.call}, and run this cell again"))
    return _judge(number, exercise, answer, save)


def _judge(number: str, exercise: Exercise, answer, save: bool) -> Answer:
    with what_it_prints() as printed:
        try:
            refuse_what_others_made(answer, exercise.call, exercise.handed_over)
            # The student's next random numbers stay; an earlier cell may have left gradients off.
            with torch.random.fork_rng(devices=[]), torch.inference_mode(False):
                exercise.examine(answer, random.Random())
            wrong = None
        except Wrong as error:
            wrong = error
        except Exception as error:  # an answer of a kind that nobody thought of
            wrong = Wrong(f"the check could not use your answer ({type(error).__name__}: {error})")
    if wrong is None:
        TRIED.pop(number, None)
        HINTED.pop(number, None)
        if save:
            mark_solved(number)
        return Answer(number, True, told(exercise.call), printed[0])
    lines = [told(wrong.seen), *map(told, _hints(number, exercise, wrong))]
    return Answer(number, False, "\n  ".join(lines), printed[0])


def _hints(number: str, exercise: Exercise, wrong: Wrong) -> list[str]:
    """The hint for a known mistake; if it comes again, and for any other, one of the three too."""
    known = [f"Hint: {wrong.hint}"] if wrong.hint else []
    given = HINTED.setdefault(number, set())
    if wrong.hint and wrong.hint not in given:
        given.add(wrong.hint)
        return known
    TRIED[number] = TRIED.get(number, 0) + 1
    at = min(TRIED[number], len(exercise.hints))
    return [*known, f"Hint {at} of {len(exercise.hints)}: {exercise.hints[at - 1]}"]


def takes(answer, call: str) -> None:
    """Wrong unless `answer` is a function with as many arguments as the call that is asked for."""
    if not callable(answer):
        raise Wrong(
            f"you gave {shown(answer)}",
            f"Give the function itself, by its name alone: {call.partition('(')[0]}.",
        )
    names = call[call.index("(") + 1 : -1].split(", ")
    try:
        parameters = inspect.signature(answer).parameters.values()
    except (TypeError, ValueError):
        return
    plain = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if len(plain) != len(names) or any(p.kind is p.VAR_POSITIONAL for p in parameters):
        raise Wrong(
            f"your function takes ({', '.join(p.name for p in parameters)})", f"Write {call}."
        )


def gives(
    call: str,
    right: Callable,
    cases: Callable[[random.Random], Iterable[tuple]],
    mistakes: Iterable[Mistake] = (),
) -> Callable[[object, random.Random], None]:
    """An examination: the answer is called on each case, and must give what `right` gives.

    `cases` draws tuples of arguments, small ones first, since the first that fails is shown.
    `right` is asked only after the answer has given its own.
    """

    def examine(answer, dice) -> None:
        takes(answer, call)
        trials = []
        for args in cases(dice):
            kept = copy.deepcopy(args)
            words = ", ".join(shown(each) for each in kept)
            given = f"{call.partition('(')[0]}({words})"
            came = ask_told(given, answer, *args)
            if not same(came, right(*copy.deepcopy(kept))):
                trials.append(Trial(given, came, kept))
        judge(trials, mistakes)

    return examine


@dataclass(frozen=True)
class Trial:
    """A call whose result is wrong: the call in words, what came, and the arguments."""

    call: str
    came: object
    args: tuple


def judge(trials: list[Trial], mistakes: Iterable[Mistake] = ()) -> None:
    """Wrong if there are trials: the first of them, and the hint for what made them all."""
    if not trials:
        return
    seen = f"{trials[0].call} gave {shown(trials[0].came)}"
    if all(trial.came is None for trial in trials):
        raise Wrong(seen, "It gave nothing back: is there a return?")
    fitting = (m.hint for m in mistakes if all(_made(m, trial) for trial in trials))
    raise Wrong(seen, next(fitting, ALIKE if _alike(trials) else ""))


def _alike(trials: list[Trial]) -> bool:
    """Whether different arguments gave one and the same number."""
    first, *others = [trial.came for trial in trials]
    number = isinstance(first, int | float) and not isinstance(first, bool)
    return number and len(others) > 1 and all(same(came, first) for came in others)


def _made(mistake: Mistake, trial: Trial) -> bool:
    try:
        return bool(mistake.made(trial.came, *copy.deepcopy(trial.args)))
    except Exception:  # what came is of another kind: not this mistake
        return False


def like(wrong: Callable, hint: str) -> Mistake:
    """The mistake that gives what the function `wrong` gives."""
    return Mistake(hint, lambda came, *args: same(came, wrong(*args)))
