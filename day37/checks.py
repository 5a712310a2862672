"""What a good argument is: one form of message for every bad one."""

import math
import operator
from numbers import Real

import torch
from torch import nn


def require(ok: bool, name: str, value, allowed: str, error: type[Exception] = ValueError) -> None:
    """Raise `error` with the argument's name, what is allowed and its value, unless `ok`."""
    if not ok:
        raise error(f"{name} must be {allowed}, but it is {value!r}")


def whole_number(name: str, value, *, least: int = 1, most: int | None = None) -> int:
    """The value as an int from `least` to `most`.

    TypeError if it is no whole number, ValueError if it is out of range.
    """
    allowed = f"a whole number, {least} or more"
    if most is not None:
        allowed = f"a whole number from {least} to {most}"
    is_whole = hasattr(value, "__index__") and not isinstance(value, bool)
    require(is_whole, name, value, allowed, TypeError)
    number = operator.index(value)
    require(least <= number and (most is None or number <= most), name, value, allowed)
    return number


def positive_number(name: str, value) -> float:
    """The value as a float above 0.

    TypeError if it is no number, ValueError if it is 0, negative, NaN or infinite.
    """
    allowed = "a finite number above 0"
    require(
        isinstance(value, Real) and not isinstance(value, bool), name, value, allowed, TypeError
    )
    require(math.isfinite(value) and value > 0, name, value, allowed)
    return float(value)


def check_fit(model: nn.Module, data) -> None:
    """ValueError or TypeError unless `data` can train `model`: rows, width, dtypes and labels.

    The width and the number of classes are read from the model's first and last linear layer.
    Two devices are left to torch, whose own error lesson 2 teaches.
    """
    require(isinstance(model, nn.Module), "model", model, "an nn.Module", TypeError)
    there = all(hasattr(data, name) for name in ("x_train", "y_train", "device"))
    require(there, "data", type(data).__name__, "an IrisSplit", TypeError)
    weights = [p for p in model.parameters() if p.requires_grad]
    kind = type(model).__name__
    require(len(weights) > 0, "model", kind, "a module with parameters to train")
    x = data.x_train
    y = data.y_train
    rows = len(x)
    labels = tuple(y.shape)
    allowed = "a split with rows, and one label for each row"
    require(rows > 0 and labels == (rows,), "data", labels, allowed)
    where = f"x_train on {x.device}, y_train on {y.device}"
    computes = "meta" not in (x.device.type, y.device.type)
    require(computes, "data", where, "on a device that computes")
    dtype = weights[0].dtype
    require(x.dtype == dtype, "data.x_train", x.dtype, f"of the model's dtype, {dtype}", TypeError)
    require(y.dtype == torch.int64, "data.y_train", y.dtype, "of dtype torch.int64", TypeError)
    linear = [m for m in model.modules() if isinstance(m, nn.Linear)]
    if linear:
        width = linear[0].in_features
        fits = x.ndim == 2 and x.shape[1] == width
        require(fits, "data.x_train", tuple(x.shape), f"of shape (rows, {width})")
        classes = linear[-1].out_features
        low = int(y.min())  # synchronisation point
        high = int(y.max())  # synchronisation point
        allowed = f"labels from 0 to {classes - 1}"
        require(low >= 0 and high < classes, "data.y_train", f"labels {low} to {high}", allowed)


def check_complete(run) -> None:
    """ValueError unless every epoch's loss is in the run."""
    complete = 0 < len(run.losses) == run.epochs
    seen = f"{len(run.losses)} losses of {run.epochs} epochs"
    require(complete, "run", seen, "a run with every loss")
