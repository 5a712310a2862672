"""Lesson 1's exercises: right answers, and wrong ones with their hints."""

import statistics

import numpy as np
import pytest

from tests.exercises.marking import fails, passes


def by_statistics(samples):
    low, _, high = statistics.quantiles(samples, n=4, method="inclusive")
    return statistics.median(samples), high - low


def by_numpy(samples):
    low, middle, high = np.quantile(samples, [0.25, 0.5, 0.75])
    return middle, high - low


def by_the_other_quantiles(samples):
    cuts = statistics.quantiles(samples, n=4)
    return cuts[1], cuts[2] - cuts[0]


def by_halves(samples):
    samples.sort()  # in place
    half = len(samples) // 2
    return [
        statistics.median(samples),
        statistics.median(samples[-half:]) - statistics.median(samples[:half]),
    ]


@pytest.mark.parametrize("spread", [by_statistics, by_numpy, by_the_other_quantiles, by_halves])
def test_each_usual_quartile_is_right(spread):
    passes("1.1", spread)


def iqr(samples):
    return by_statistics(samples)[1]


def upper_middle(samples):
    return sorted(samples)[len(samples) // 2], iqr(samples)


WRONG_SPREADS = {
    "mean": (lambda samples: (statistics.mean(samples), iqr(samples)), "One slow run"),
    "range": (
        lambda samples: (statistics.median(samples), max(samples) - min(samples)),
        "is the range",
    ),
    "not sorted": (lambda samples: (samples[len(samples) // 2], iqr(samples)), "must be done"),
    "upper middle": (upper_middle, "halfway"),
    "ms": (lambda samples: (1e3 * statistics.median(samples), 1e3 * iqr(samples)), "Give seconds"),
    "turned": (lambda samples: by_statistics(samples)[::-1], "in this order"),
    "deviation": (
        lambda samples: (statistics.median(samples), statistics.stdev(samples)),
        "standard deviation",
    ),
    "quartiles": (lambda samples: statistics.quantiles(samples, n=4), "one number"),
    "median": (lambda samples: statistics.median(samples), "Two are wanted"),
    "typed in": (lambda samples: (0.0148, 0.0041), "Hint 1 of 3"),
}


@pytest.mark.parametrize("name", WRONG_SPREADS)
def test_a_wrong_spread_has_its_hint(name):
    fails("1.1", *WRONG_SPREADS[name])


def solved_count(inputs, hidden, classes):
    return (inputs + 1) * hidden + (hidden + 1) * classes


WRONG_COUNTS = {
    "no biases": (lambda i, h, c: i * h + h * c, "one more number"),
    "one bias": (lambda i, h, c: i * h + h + h * c, "Both layers"),
    "one a layer": (lambda i, h, c: i * h + h * c + 2, "not one in all"),
    "product": (lambda i, h, c: i * h * c, "two layers"),
    "ReLU": (lambda i, h, c: solved_count(i, h, c) + h, "nothing to learn"),
    "inputs": (lambda i, h, c: solved_count(i, h, c) + i, "inputs are data"),
    "typed in": (lambda i, h, c: 83, "gave this very number too"),
    "nothing": (lambda i, h, c: print(i), "is there a return?"),
}


def test_the_parameters_are_counted():
    passes("1.2", solved_count)


@pytest.mark.parametrize("name", WRONG_COUNTS)
def test_a_wrong_count_has_its_hint(name):
    fails("1.2", *WRONG_COUNTS[name])


def solved_accuracy(scores, labels):
    return (scores.argmax(dim=1) == labels).sum().item() / len(labels)


def right_share(scores, labels):
    return (scores.argmax(dim=1) == labels).float().mean()


WRONG_ACCURACIES = {
    "other dimension": (
        lambda scores, labels: (scores.argmax(dim=0) == labels).float().mean().item(),
        "Along which dimension",
    ),
    "count": (
        lambda scores, labels: right_share(scores, labels).item() * len(labels),
        "Which share",
    ),
    "tensor": (right_share, "not a tensor"),
    "per cent": (lambda scores, labels: 100 * right_share(scores, labels).item(), "not per cent"),
    "errors": (lambda scores, labels: 1 - right_share(scores, labels).item(), "that is wrong"),
    "threshold": (
        lambda scores, labels: ((scores > 0).long().argmax(dim=1) == labels).float().mean().item(),
        "whatever its sign",
    ),
    "lowest": (
        lambda scores, labels: (scores.argmin(dim=1) == labels).float().mean().item(),
        "not the lowest",
    ),
}


def test_an_accuracy_is_a_share():
    passes("1.3", solved_accuracy)
    passes("1.3", lambda scores, labels: right_share(scores, labels).item())


@pytest.mark.parametrize("name", WRONG_ACCURACIES)
def test_a_wrong_accuracy_has_its_hint(name):
    fails("1.3", *WRONG_ACCURACIES[name])
