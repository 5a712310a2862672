"""Values in a few words, and whether two are the same."""

import math
from numbers import Real

import numpy as np
import torch

LONGEST = 8  # numbers of a list that are shown


def shown(value) -> str:
    """A value as a student would write it, shortened: floats to four digits, tensors by shape."""
    if isinstance(value, torch.Tensor) and value.numel() > LONGEST or _is_meta(value):
        return f"a tensor of shape {tuple(value.shape)} on {value.device}"
    if isinstance(value, bool | np.bool_):
        return str(bool(value))
    if isinstance(value, Real) and not isinstance(value, int):
        return f"{float(value):.4g}"
    if isinstance(value, list | tuple):
        inside = ", ".join(shown(each) for each in value[:LONGEST])
        more = f", ... ({len(value)} in all)" if len(value) > LONGEST else ""
        left, right = "[]" if isinstance(value, list) else "()"
        return f"{left}{inside}{more}{right}"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k!r}: {shown(v)}" for k, v in value.items()) + "}"
    text = " ".join(repr(value).split())
    return text if len(text) <= 120 else f"{text[:120]} ..."


def _is_meta(value) -> bool:
    return isinstance(value, torch.Tensor) and value.is_meta


def same(came, wanted, tolerance: float = 1e-5) -> bool:
    """Whether two values are the same: numbers to a share of them, tuples and lists alike.

    The kinds of `came` are plain ones only: an object that claims to equal everything does not.
    A tensor with one number is no number, and True is not 1.
    """
    if isinstance(wanted, bool):
        return isinstance(came, bool | np.bool_) and bool(came) == wanted
    if isinstance(wanted, Real):
        plain = isinstance(came, int | float | np.number) and not isinstance(came, bool)
        return plain and math.isclose(float(came), float(wanted), rel_tol=tolerance, abs_tol=1e-15)
    if isinstance(wanted, list | tuple):
        listed = isinstance(came, list | tuple | np.ndarray) and len(came) == len(wanted)
        return listed and all(same(c, w, tolerance) for c, w in zip(came, wanted, strict=True))
    if isinstance(wanted, dict):
        keyed = isinstance(came, dict) and came.keys() == wanted.keys()
        return keyed and all(same(came[key], wanted[key], tolerance) for key in wanted)
    return type(came) is type(wanted) and bool(came == wanted)
