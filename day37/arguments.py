"""What a good argument is: one form of message for every bad one."""

import math
import operator
from numbers import Real


def require(ok: bool, name: str, value, allowed: str, error: type[Exception] = ValueError) -> None:
    """Raise `error` with the argument's name, what is allowed and its value, unless `ok`."""
    if not ok:
        raise error(f"{name} must be {allowed}, but it is {value!r}")


def whole_number(name: str, value, *, least: int = 1, most: int | None = None) -> int:
    """The value as an int from `least` to `most`; TypeError if it is no whole number, ValueError if out of range."""
    allowed = f"a whole number, {least} or more" if most is None else f"a whole number from {least} to {most}"
    require(hasattr(value, "__index__") and not isinstance(value, bool), name, value, allowed, TypeError)
    number = operator.index(value)
    require(least <= number and (most is None or number <= most), name, value, allowed)
    return number


def positive_number(name: str, value) -> float:
    """The value as a float above 0; TypeError if it is no number, ValueError if it is 0, negative, NaN or infinite."""
    allowed = "a finite number above 0"
    require(isinstance(value, Real) and not isinstance(value, bool), name, value, allowed, TypeError)
    require(math.isfinite(value) and value > 0, name, value, allowed)
    return float(value)
