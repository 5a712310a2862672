"""Lesson 5's exercises: an object that remembers, a closure that stops, hooks that count."""

import inspect
import statistics
from numbers import Real

import numpy as np
from torch import Tensor

from day37.exercises.checking import Exercise, Mistake, Trial, judge
from day37.exercises.lesson_5_closure import STOP_BELOW, each_call
from day37.exercises.lesson_5_hooks import FORWARD_COUNTS
from day37.exercises.running import Wrong, ask_told
from day37.exercises.showing import shown


def is_number(value) -> bool:
    """Whether it is a number, of Python or of numpy, and neither True nor a tensor."""
    return isinstance(value, Real) and not isinstance(value, bool)


def close(came, wanted) -> bool:
    """Whether the results are these numbers, roundings in single precision aside."""
    return all(is_number(c) and abs(c - w) < 1e-4 for c, w in zip(came, wanted, strict=True))


def one_memory(came, calls) -> bool:
    """Whether a and b have one memory: then n earlier numbers of sum s explain all results."""
    if not all(map(is_number, came)):
        return False
    so_far = np.cumsum([number for _, number in calls])
    called = np.arange(1, len(calls) + 1)
    results = np.array(came, dtype=float)  # = (s + so_far) / (n + called)
    unknown = np.column_stack([results, -np.ones(len(calls))])
    wanted = so_far - called * results
    n, s = np.linalg.lstsq(unknown, wanted, rcond=None)[0]
    return bool(np.allclose(unknown @ [n, s], wanted, rtol=0, atol=1e-6))


def halfway(numbers):
    """Each new number is averaged with the mean of before."""
    mean = numbers[0]
    for number in numbers[1:]:
        mean = (mean + number) / 2
    return mean


def by_calls(hint: str, *ways) -> Mistake:
    """The mistake that gives one of these in place of the mean."""
    return Mistake(hint, lambda came, calls: any(close(came, each_call(calls, w)) for w in ways))


MEAN_MISTAKES = (
    Mistake(
        "It gave nothing back: is there a return in the method that is called?",
        lambda came, calls: all(c is None for c in came),
    ),
    Mistake(
        "Give a number of Python, not a tensor: `.item()` brings it.",
        lambda came, calls: all(isinstance(c, Tensor) for c in came),
    ),
    Mistake(
        "Your two objects share their memory: it belongs to the class, or to all of the notebook."
        " Where is a memory made anew for each object?",
        one_memory,
    ),
    by_calls(
        "That is the last number alone. What must the object keep from one call to the next?",
        lambda numbers: numbers[-1],
    ),
    by_calls("That is the sum. How many numbers went into it?", sum),
    by_calls("That is how many numbers there were. What is their mean?", len),
    by_calls(
        "That is the sum, divided by the last number. By what is a sum divided for the mean?",
        lambda numbers: sum(numbers) / numbers[-1],
    ),
    by_calls(
        "The sum is divided by a wrong count: with which number does your count begin?",
        lambda numbers: sum(numbers) / (len(numbers) + 1),
    ),
    by_calls(
        "That is the mean of the last two numbers. All numbers so far have the same weight.",
        lambda numbers: sum(numbers[-2:]) / len(numbers[-2:]),
        lambda numbers: sum(numbers[-2:]) / 2,
    ),
    by_calls(
        "That is halfway between the mean of before and the new number. The mean of before stands"
        " for more numbers than one.",
        halfway,
        lambda numbers: halfway([0, *numbers]),
    ),
    by_calls(
        "The mean of 3 and 4 is 3.5: which division keeps the .5?",
        lambda numbers: sum(numbers) // len(numbers),
    ),
    by_calls("That is the median. The mean is wanted.", statistics.median),
)
SELF = "If this name is the object's own, it stands behind `self.` in each method."
MEAN_ERRORS = {
    "ZeroDivisionError": "At the first call one number has come. Does your count know of it?",
    "__init__() ": "An object is made with empty brackets. The first argument of each"
    " method is `self`.",
    "__call__() ": "An object is called with one number. The first argument of each"
    " method is `self`.",
    "'RunningMean' object has no attribute": "Which method makes the object's names, before the"
    " first call? Is it spelt with two underscores on each side?",
    "NameError": f"{SELF} If not, has the cell that makes it been run?",
    "UnboundLocalError": SELF,
}


def call_objects(answer, calls) -> list:
    """What a student's objects a and b give in these calls."""
    objects = [answer(), answer()]
    if not callable(objects[0]):
        methods = [name for name, each in vars(answer).items() if inspect.isfunction(each)]
        hint = "For a method of which name does Python look when an object is called?"
        if "__call__" in getattr(objects[0], "__dict__", {}):
            hint = "Python looks for `__call__` on the class, not on the object."
        raise Wrong(f"your objects cannot be called; the class has {', '.join(methods)}", hint)
    return [objects[who](number) for who, number in calls]


def call_lists(dice):
    """First a alone, with whole numbers; then a and b in turn, once with a mean of 0 for a."""
    sizes = dice.sample(range(1, 400), 3 + 3 * 8)
    numbers = [size / 4 * dice.choice((1, -1)) for size in sizes]  # their sums are exact
    yield [(0, dice.choice((2, 3))), (0, dice.randint(5, 8)), (0, -dice.randint(10, 19))]
    yield [(0, numbers[0]), (1, numbers[1]), (0, -numbers[0]), (1, numbers[2]), (0, 7), (1, 500.5)]
    for first in (3, 11, 19):
        order = [0, 0, 0, 0, 1, 1, 1, 1]
        dice.shuffle(order)
        yield list(zip(order, numbers[first : first + 8], strict=True))


def examine_mean(answer, dice) -> None:
    """Two objects are called in turn; each must have its own memory."""
    if not inspect.isclass(answer):
        if inspect.isfunction(answer):
            hint = "Write a class. A closure can do it too: that is the next exercise."
        else:
            hint = "Give the class itself, without brackets."
        raise Wrong(f"you gave something of the type {type(answer).__name__}", hint)
    trials = []
    for calls in call_lists(dice):
        came = ask_told("", call_objects, answer, list(calls), advice=MEAN_ERRORS)
        if not close(came, each_call(calls, statistics.fmean)):
            words = ", ".join(f"{'ab'[who]}({shown(number)})" for who, number in calls)
            trials.append(Trial(f"of your objects a and b, {words}", came, (calls,)))
    judge(trials, MEAN_MISTAKES)


EXERCISES = {
    "5.1": Exercise(
        "the class RunningMean",
        examine_mean,
        (
            "Which two numbers must an object keep, so that it can give the mean at any time?",
            "`Counter` above keeps one number: made in `__init__`, changed in `__call__`.",
            "Begin with `self.total` and `self.count` at 0. At each call add to both, and return"
            " the one divided by the other.",
        ),
    ),
    "5.2": STOP_BELOW,
    "5.3": FORWARD_COUNTS,
}
