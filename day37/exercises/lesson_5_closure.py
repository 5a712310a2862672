"""Lesson 5's exercise with a closure, and what the lesson's examinations share."""

import copy

from day37.data import load_iris
from day37.exercises.checking import Exercise, Mistake, Trial, judge, takes
from day37.exercises.running import Wrong, ask, ask_told
from day37.exercises.showing import shown
from day37.model import MLP
from day37.training import train

STOP = "stop_below(limit)"


def each_call(calls, of) -> list:
    """What two objects give that give `of` of all that they were called with so far.

    `calls` are pairs: 0 or 1 for the object, and what it is called with.
    """
    so_far = ([], [])
    results = []
    for who, value in calls:
        so_far[who].append(value)
        results.append(of(so_far[who]))
    return results


def below(reads) -> bool:
    """Whether the last of the reads is below the limit: each is (epoch, loss, limit)."""
    _, loss, limit = reads[-1]
    return loss < limit


def by_reads(hint: str, *ways) -> Mistake:
    """The mistake that gives one of these in place of `below`, or what counts as True for it."""

    def made(came, calls):
        taken = [bool(c) for c in came]
        return not any(isinstance(c, str) for c in came) and any(
            taken == each_call(calls, way) for way in ways
        )

    return Mistake(hint, made)


def by_epoch(of):
    """A way that looks at the epoch where the loss is meant."""
    return lambda reads: of(reads[-1][0], reads[-1][2])


NOT_THE_TRUE = by_reads(
    "`train` asks whether the answer `is True`. A 1, or the True of numpy or torch, is not: the"
    " training would not stop. Give Python's own True or False.",
    below,
)
STOP_MISTAKES = (
    Mistake(
        "The inner function gave nothing back: is there a return in it?",
        lambda came, calls: all(c is None for c in came),
    ),
    Mistake(
        "It gives True or nothing. Let it say False too, where the training goes on.",
        lambda came, calls: None in came and NOT_THE_TRUE.made(came, calls),
    ),
    NOT_THE_TRUE,
    by_reads(
        "It says True from the first read on. Does it compare the loss of each call?",
        lambda reads: True,
    ),
    by_reads(
        "It never says True. Does it compare the loss of each call?",
        lambda reads: False,
    ),
    by_reads(
        "That compares the epoch with the limit. Which of the two arguments is the loss?",
        by_epoch(lambda epoch, limit: epoch < limit),
        by_epoch(lambda epoch, limit: epoch <= limit),
        by_epoch(lambda epoch, limit: epoch > limit),
        by_epoch(lambda epoch, limit: epoch >= limit),
    ),
    by_reads(
        "A loss that is equal to the limit is not below it.",
        lambda reads: reads[-1][1] <= reads[-1][2],
    ),
    by_reads(
        "That is True above the limit, where the training is to go on.",
        lambda reads: reads[-1][1] > reads[-1][2],
        lambda reads: reads[-1][1] >= reads[-1][2],
    ),
    by_reads(
        "After one loss below the limit it says True of all others too. Judge each loss alone.",
        lambda reads: any(below([read]) for read in reads),
    ),
    Mistake(
        "Two functions with two limits say the same of each loss. Does each keep the limit that it"
        " was made with?",
        lambda came, calls: came[::2] == came[1::2],
    ),
)
INNER = "Give the inner function itself back, without brackets: `train` is to call it."
STOP_ERRORS = {
    "name 'loss'": "A loss is known only to the function that has it as an argument. Which of the"
    " two is called at each read?",
    "missing 2 required": INNER,
    "positional argument": "`train` hands over two values: the epoch and the loss.",
    "UnboundLocalError": "The inner function assigns to a name of the outer one. Must it?",
}


def call_closures(answer, calls) -> list:
    """What a student's two functions say to these calls, which come in turn."""
    stops = [answer(limit) for _, (_, _, limit) in calls[:2]]
    if stops[0] is None:
        raise Wrong("stop_below(limit) gave None", INNER)
    if not callable(stops[0]):
        hint = "No loss has come yet. Give back a function, which judges each loss when it comes."
        raise Wrong(f"stop_below(limit) gave {shown(stops[0])}", hint)
    return [stops[who](epoch, loss) for who, (epoch, loss, _) in calls]


def curves(dice):
    """Calls of two functions in turn: losses above, below and between their limits, and at one."""
    for at_limit in (False, True, True, True):
        low = dice.randint(5, 11) / 4
        high = low + dice.randint(4, 8) / 4
        first = high if at_limit else high + dice.randint(2, 9) / 4
        middle = [low - 0.25, high - 0.25]
        dice.shuffle(middle)
        a, b = dice.sample((low, high), 2)
        calls = []
        for epoch, loss in enumerate([first, *middle, high + 0.5], 1):
            calls += [(0, (epoch, loss, a)), (1, (epoch, loss, b))]
        yield calls


def examine_stop(answer, dice) -> None:
    """Losses that are made up, then a short training."""
    takes(answer, STOP)
    trials = []
    for calls in curves(dice):
        came = ask_told("", call_closures, answer, list(calls), advice=STOP_ERRORS)
        if not all(c is w for c, w in zip(came, each_call(calls, below), strict=True)):
            a, b = (f"{'ab'[who]} = stop_below({limit})" for who, (_, _, limit) in calls[:2])
            words = ", ".join(f"{'ab'[who]}({epoch}, {loss})" for who, (epoch, loss, _) in calls)
            trials.append(Trial(f"with {a} and {b}: {words}", came, (calls,)))
    judge(trials, STOP_MISTAKES)
    _examine_training(answer, dice)


def _examine_training(answer, dice) -> None:
    """A training must end at the first loss that is below the limit."""
    data = load_iris()
    model = MLP()  # the random numbers that it takes are given back by `check`
    every = dice.randint(3, 4)
    how = {"epochs": 5 * every, "lr": 0.1, "read_loss_every": every, "progress": False}
    losses = train(copy.deepcopy(model), data, **how).losses
    at = dice.randint(2, 3)
    limit = (losses[at - 1] + losses[at]) / 2
    last = every * ([loss < limit for loss in losses].index(True) + 1)
    run = ask(lambda: train(model, data, on_read=answer(limit), **how))
    if run.interrupted:
        raise KeyboardInterrupt
    if run.epochs != last:
        raise Wrong(
            f"train(..., on_read=stop_below({limit:.4f})) ran {run.epochs} epochs, and the loss was"
            f" below the limit first in epoch {last}",
            "It was right for losses that are made up. What else than the loss does it look at?",
        )


STOP_BELOW = Exercise(
    STOP,
    examine_stop,
    (
        "Two functions are needed: one gets the limit, the other the epoch and the loss.",
        "`make_counter` above has the same form: an inner `def`, then `return` and its name.",
        "The inner function takes (epoch, loss) and returns what `<` says of loss and limit.",
    ),
)
