"""Lesson 3: the whole training as one function of plain loops, which numba turns into machine code.

It needs numba (the `lab` extra). Each set of sizes is compiled once and kept on the disk.
"""

import numpy as np
from torch import from_numpy

from day37.data import IrisSplit
from day37.faster.ways import Run
from day37.model import MLP

ZERO = np.float32(0)  # a plain 0.0 has 64 bits, and would make all sums slow ones of 64 bits
LN_2 = np.float32(np.log(2))
SERIES = np.float32([1 / 720, 1 / 120, 1 / 24, 1 / 6, 1 / 2, 1, 1])  # of exp: 1/6!, 1/5!, … 1/0!
# The compiler may add in any order (so it adds several rows at once) and join a product and a sum.
# Not fastmath=True: that also says that no number is infinite or NaN, and a loss may become both.
FASTMATH = {"reassoc", "contract", "nsz", "arcp"}


def one_function(model: MLP, data: IrisSplit, epochs: int, lr: float, *, cached=True) -> Run:
    """All epochs in one compiled function, on the CPU. `cached=False`: anew, without the disk."""
    x = np.ascontiguousarray(data.x_train.T.numpy())  # (features, rows): all rows side by side
    y = np.float32(data.y_train.numpy() == np.arange(model.fc2.out_features)[:, None])  # 1 if right
    weights = [p.detach().numpy() for p in model.parameters()]  # the model's own memory, float32
    arguments = (x, y, *weights, epochs, np.float32(lr))
    fast = compiled(loops_for(*x.shape, *model.fc2.weight.shape), arguments, cached)
    return lambda: from_numpy(fast(*arguments))


def compiled(function, arguments: tuple, cached: bool):
    """`function`, compiled for such arguments or loaded; a disk that fails is done without.

    RuntimeError if numba is told to compile nothing.
    """
    from numba import config, njit, typeof

    if config.DISABLE_JIT:
        raise RuntimeError("compiled nothing: NUMBA_DISABLE_JIT is set")
    try:
        fast = njit(function, cache=cached, fastmath=FASTMATH, error_model="numpy")
        fast.compile(typeof(arguments).types)
        return fast
    except Exception:  # no folder to write to, no space, a damaged file
        if not cached:
            raise
        return compiled(function, arguments, False)


def loops_for(features: int, rows: int, classes: int, hidden: int):
    """The training, in Python, for sizes of which only the rows are many: their loop is inside."""
    several = 10 if classes < 7_000 else 1  # sums of exponentials whose product has a 32-bit log

    def train(x, y, w1, b1, w2, b2, epochs, lr):
        losses = np.empty(epochs, np.float32)
        h = np.empty((hidden, rows), np.float32)
        z = np.empty((classes, rows), np.float32)
        total = np.empty(rows, np.float32)
        dz = np.empty((classes, rows), np.float32)
        dh = np.empty(rows, np.float32)
        for epoch in range(epochs):
            # FORWARD: the hidden units, then a score for each class (`kind`)
            for unit in range(hidden):
                for row in range(rows):
                    value = b1[unit]
                    for feature in range(features):
                        value += w1[unit, feature] * x[feature, row]
                    h[unit, row] = ZERO if value < ZERO else value
            loss = ZERO
            for row in range(rows):
                largest = np.float32(-np.inf)
                for kind in range(classes):
                    value = b2[kind]
                    for unit in range(hidden):
                        value += w2[kind, unit] * h[unit, row]
                    z[kind, row] = value
                    largest = max(largest, value)
                # LOSS: log(total) - score of the right class; the score is z less the largest z
                total[row] = ZERO
                for kind in range(classes):
                    score = z[kind, row] - largest
                    loss -= score * y[kind, row]
                    # exp(score) = 2**power * exp(rest). For a rest within ±0.35, seven terms of the
                    # series are right to 2e-7; 2**n in bits is n + 127, moved up by 23. This the
                    # compiler does for several rows at once; np.exp it would call for each row.
                    score = max(score, np.float32(-87))
                    power = np.rint(score / LN_2)
                    value = ZERO
                    for term in SERIES:
                        value = value * (score - power * LN_2) + term
                    value *= np.int32((np.int32(power) + 127) << 23).view(np.float32)
                    dz[kind, row] = value
                    total[row] += value
            for first in range(0, rows, several):  # one log for several rows: logs take long
                loss += np.log(total[first : first + several].prod())
            losses[epoch] = loss / np.float32(rows)
            # BACKWARD: the slopes; each STEP (weight -= lr * slope) once its old weight is used
            for kind in range(classes):
                slope = ZERO
                for row in range(rows):
                    dz[kind, row] = (dz[kind, row] / total[row] - y[kind, row]) / np.float32(rows)
                    slope += dz[kind, row]
                b2[kind] -= lr * slope
            for unit in range(hidden):
                slope = ZERO
                for row in range(rows):
                    value = ZERO
                    for kind in range(classes):
                        value += w2[kind, unit] * dz[kind, row]
                    dh[row] = ZERO if h[unit, row] <= ZERO else value
                    slope += dh[row]
                b1[unit] -= lr * slope
                for kind in range(classes):
                    slope = ZERO
                    for row in range(rows):
                        slope += dz[kind, row] * h[unit, row]
                    w2[kind, unit] -= lr * slope
                for feature in range(features):
                    slope = ZERO
                    for row in range(rows):
                        slope += dh[row] * x[feature, row]
                    w1[unit, feature] -= lr * slope
        return losses

    return train
