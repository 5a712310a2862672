"""Lesson 5: objects that can be called, and remember."""

from math import inf
from numbers import Real

from day37.checks import require, whole_number


class Counter:
    """Each call adds one and returns the count so far; `count` keeps it between calls."""

    def __init__(self):
        self.count = 0

    def __call__(self) -> int:
        """Count this call."""
        self.count += 1
        return self.count


class Adder:
    """Each call prints `line` and returns the sum of its two arguments.

    The default line is the original lesson's.
    """

    def __init__(self, line: str = "唱跳篮球rap"):
        self.line = line

    def __call__(self, a, b):
        """Print the line; the sum of `a` and `b`."""
        print(self.line)
        return a + b


class EarlyStopping:
    """Called with (epoch, loss) at each read; True once the best loss is `patience` reads old.

    A loss counts as better when it is lower than the best so far by more than `min_delta`.
    ValueError for a patience under 1 or a negative `min_delta`.
    """

    def __init__(self, patience: int = 5, min_delta: float = 0.0):
        self.patience = whole_number("patience", patience)
        fits = isinstance(min_delta, Real) and min_delta >= 0
        require(fits, "min_delta", min_delta, "a number, 0 or more")
        self.min_delta = min_delta
        self.best = inf
        self.waited = 0

    def __call__(self, epoch: int, loss: float) -> bool:
        """Whether to stop."""
        if loss < self.best - self.min_delta:
            self.best = loss
            self.waited = 0
        else:
            self.waited += 1
        return self.waited >= self.patience
