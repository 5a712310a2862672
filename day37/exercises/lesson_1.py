"""Lesson 1's exercises: the middle half, the parameters of a network, its accuracy."""

import statistics

import numpy as np
import torch

from day37.exercises.checking import Exercise, Mistake, Trial, gives, judge, like, takes
from day37.exercises.running import ask_told
from day37.exercises.showing import same, shown
from day37.model import MLP

ALL_QUANTILES = ("linear", "weibull", "hazen", "median_unbiased", "midpoint")  # each is in use


def spreads(samples) -> list[tuple[float, float]]:
    """Median and IQR by each of the usual definitions of a quartile."""
    middle = statistics.median(samples)
    found = []
    for method in ALL_QUANTILES:
        low, high = np.quantile(samples, [0.25, 0.75], method=method)
        found.append((middle, float(high - low)))
    half = len(samples) // 2
    ordered = sorted(samples)
    inner = ordered[-half:], ordered[:half]
    outer = ordered[half:], ordered[: len(samples) - half]
    for upper, lower in (inner, outer):
        found.append((middle, statistics.median(upper) - statistics.median(lower)))
    return found


def upper_middle(samples):
    """One of the two in the middle, in place of halfway between them."""
    return sorted(samples)[len(samples) // 2]


def lower_middle(samples):
    """The other one."""
    return sorted(samples)[(len(samples) - 1) // 2]


def from_unsorted(came, samples) -> bool:
    """Whether the first number is just what stands in the middle of the list as it is."""
    return came[0] in (samples[len(samples) // 2], samples[len(samples) // 2 - 1])


def is_deviation(came, samples) -> bool:
    """Whether the second number is a standard deviation."""
    return any(same(came[1], fn(samples)) for fn in (statistics.stdev, statistics.pstdev))


SPREAD_MISTAKES = (
    Mistake(
        "One slow run moves the mean far, and the median hardly.",
        lambda came, samples: same(came[0], statistics.mean(samples)),
    ),
    Mistake(
        "From the smallest to the largest is the range. The IQR is the width of the middle half.",
        lambda came, samples: same(came[1], max(samples) - min(samples)),
    ),
    Mistake(
        "Of an even number of times, two stand in the middle: the median is halfway.",
        lambda came, samples: (
            len(samples) % 2 == 0 and came[0] in (upper_middle(samples), lower_middle(samples))
        ),
    ),
    Mistake(
        "A width is never negative. In which order do the times come?",
        lambda came, samples: came[1] < 0,
    ),
    Mistake(
        "The times come in the order in which they were measured. What must be done first?",
        from_unsorted,
    ),
    Mistake(
        "Give seconds, as the samples are: nothing is to be multiplied by 1000.",
        lambda came, samples: same(came[0] / 1e3, statistics.median(samples)),
    ),
    Mistake(
        "Two values are wanted in this order: the median, then the IQR.",
        lambda came, samples: any(same(came[::-1], each) for each in spreads(samples)),
    ),
    Mistake(
        "That is the spread about the mean (the standard deviation). The IQR asks only where the"
        " middle half begins and where it ends.",
        is_deviation,
    ),
    Mistake(
        "The IQR is one number: how far apart are the ends of the middle half?",
        lambda came, samples: len(came) == 3 or isinstance(came[1], list | tuple),
    ),
    Mistake(
        "That is one number. Two are wanted: return median, iqr.",
        lambda came, samples: same(came, statistics.median(samples)),
    ),
)


def examine_spread(answer, dice) -> None:
    """Lists of odd and even length, not sorted, one run a hundred times as slow."""
    takes(answer, SPREAD)
    trials = []
    for length in (5, 8, 11, 40):
        samples = [n / 1e4 for n in dice.sample(range(100, 200), length)]  # no two alike
        samples[dice.randrange(1, length)] = round(dice.uniform(1.0, 2.0), 4)
        kept = list(samples)
        came = ask_told(f"spread({shown(kept)})", answer, samples)
        if not any(same(came, each) for each in spreads(kept)):
            trials.append(Trial(f"spread({shown(kept)})", came, (kept,)))
    judge(trials, SPREAD_MISTAKES)


SPREAD = "spread(samples)"


def count(inputs, hidden, classes) -> int:
    """The parameters of a network with these widths, counted in a real one."""
    return sum(each.numel() for each in MLP(inputs, hidden, classes).parameters())


def networks(dice):
    """Five widths; the first is small enough to be counted on fingers."""
    yield dice.randint(2, 3), 4, dice.randint(5, 6)
    for _ in range(4):
        yield dice.randint(2, 60), dice.randint(2, 90), dice.randint(2, 30)


COUNT_MISTAKES = (
    like(
        lambda inputs, hidden, classes: inputs * hidden + hidden * classes,
        "Each output of a layer has one more number beside its weights. What is it called?",
    ),
    like(
        lambda inputs, hidden, classes: inputs * hidden + hidden * classes + hidden,
        "Both layers have a bias for each of their outputs.",
    ),
    like(
        lambda inputs, hidden, classes: inputs * hidden + hidden * classes + classes,
        "Both layers have a bias for each of their outputs.",
    ),
    like(
        lambda inputs, hidden, classes: inputs * hidden + hidden * classes + 2,
        "A layer has a bias for each of its outputs, not one in all.",
    ),
    like(
        lambda inputs, hidden, classes: inputs * hidden * classes,
        "There are two layers, one after the other: no weight joins an input to a class.",
    ),
    like(
        lambda inputs, hidden, classes: count(inputs, hidden, classes) + hidden,
        "ReLU has nothing to learn: it has no parameters.",
    ),
    like(
        lambda inputs, hidden, classes: count(inputs, hidden, classes) + inputs,
        "The inputs are data. Biases belong to the outputs of a layer.",
    ),
    Mistake(
        "One number is wanted: all parameters together.",
        lambda came, *_: isinstance(came, list | tuple),
    ),
)
DOWN = "For each row you need one class. Along which dimension do the classes lie?"
ACCURACY_ERRORS = {"size of tensor": DOWN, "shape": DOWN}
ACCURACY_MISTAKES = (
    Mistake(
        "Give a number of Python, not a tensor: `.item()` brings it.",
        lambda came, *_: isinstance(came, torch.Tensor) and came.numel() == 1,
    ),
    like(
        lambda scores, labels: accuracy_of(scores, labels) * len(labels),
        "That is how many are right. Which share of all rows is it?",
    ),
    like(
        lambda scores, labels: 100 * accuracy_of(scores, labels),
        "Give a share, from 0 to 1, not per cent.",
    ),
    like(
        lambda scores, labels: 1 - accuracy_of(scores, labels),
        "That is the share that is wrong.",
    ),
    like(
        lambda scores, labels: ((scores > 0).long().argmax(dim=1) == labels).float().mean().item(),
        "A score above 0 says little: the class with the highest score wins, whatever its sign.",
    ),
    like(
        lambda scores, labels: (scores.argmin(dim=1) == labels).float().mean().item(),
        "The highest score is wanted, not the lowest.",
    ),
)


def accuracy_of(scores, labels) -> float:
    """The share of the rows whose highest score stands at the label."""
    return (scores.argmax(dim=1) == labels).float().mean().item()


def examine_accuracy(answer, dice) -> None:
    """Few of the 100 labels are wrong: no other mistake comes near that share by chance."""
    takes(answer, ACCURACY)
    trials = []
    some = dice.randint(30, 60)
    for rows, classes, most in ((5, 3, 2), (some, dice.randint(4, 9), 15), (100, 5, 10), (1, 2, 0)):
        values = [[dice.gauss(0, 2) for _ in range(classes)] for _ in range(rows)]
        scores = torch.tensor(values)
        best = [row.index(max(row)) for row in values]
        wrong = dice.sample(range(rows), dice.randint(rows // 20, most))
        labels = [(b + 1) % classes if i in wrong else b for i, b in enumerate(best)]
        right = torch.tensor(labels)
        given = f"accuracy_of(scores of shape ({rows}, {classes}), labels {shown(labels)})"
        came = ask_told(given, answer, scores.clone(), right.clone(), advice=ACCURACY_ERRORS)
        if not same(came, (rows - len(wrong)) / rows):
            trials.append(Trial(given, came, (scores, right)))
    judge(trials, ACCURACY_MISTAKES)


ACCURACY = "accuracy_of(scores, labels)"
EXERCISES = {
    "1.1": Exercise(
        SPREAD,
        examine_spread,
        (
            "Which time stands in the middle, and how wide is the middle half?",
            "`statistics.median` gives the one. For the other, `statistics.quantiles` with `n=4`"
            " gives three cuts that part the times into four quarters.",
            "Take the three cuts; the IQR is the last one less the first. Return both numbers:"
            " return median, iqr.",
        ),
    ),
    "1.2": Exercise(
        "count(inputs, hidden, classes)",
        gives("count(inputs, hidden, classes)", count, networks, COUNT_MISTAKES),
        (
            "Print the shapes of the parameters of a small network, and count by hand.",
            "A linear layer from n to m has n·m weights, and m biases.",
            "Write the number for the layer from inputs to hidden, and the one for the layer from"
            " hidden to classes; return their sum.",
        ),
        handed_over=("MLP", "Linear", "numel", "parameters"),
    ),
    "1.3": Exercise(
        ACCURACY,
        examine_accuracy,
        (
            "In each row, which class does the model choose? Is it the label?",
            "`scores.argmax(dim=1)` is a class for each row; `==` compares it with the labels.",
            "Count the rows that agree (`.sum().item()`), and divide by the number of rows.",
        ),
        handed_over=("accuracy", "accuracy_score"),
    ),
}
