"""Objects that can be called, and what really runs when a module is."""

import inspect
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import inf
from numbers import Real
from types import CodeType, FrameType

import torch
from torch import nn

from day37.arguments import require, whole_number

TORCH = torch.__path__[0]


class Counter:
    """Each call adds one and returns the count so far; `count` keeps it between calls."""

    def __init__(self):
        self.count = 0

    def __call__(self) -> int:
        """Count this call."""
        self.count += 1
        return self.count


class Adder:
    """Each call prints `line` and returns the sum of its two arguments. The default line is the original lesson's."""

    def __init__(self, line: str = "唱跳篮球rap"):
        self.line = line

    def __call__(self, a, b):
        """Print the line; the sum of `a` and `b`."""
        print(self.line)
        return a + b


class EarlyStopping:
    """Called with (epoch, loss) at each read; True once the best loss is `patience` reads old.

    A loss counts as better when it is lower than the best so far by more than `min_delta`. ValueError for a patience
    under 1 or a negative `min_delta`.
    """

    def __init__(self, patience: int = 5, min_delta: float = 0.0):
        self.patience = whole_number("patience", patience)
        require(isinstance(min_delta, Real) and min_delta >= 0, "min_delta", min_delta, "a number, 0 or more")
        self.min_delta, self.best, self.waited = min_delta, inf, 0

    def __call__(self, epoch: int, loss: float) -> bool:
        """Whether to stop."""
        if loss < self.best - self.min_delta:
            self.best, self.waited = loss, 0
        else:
            self.waited += 1
        return self.waited >= self.patience


@dataclass
class Call:
    """One call in the tree: its kind, whose it is, the function that ran, the result's shape, and the calls inside.

    `code`: the `forward` written outside torch in which it happens, None outside any; `columns`: the line in it, and
    from which column to which, in bytes, the call is written (line 0 if all of it is meant).
    """

    kind: str
    owner: str
    function: str
    shape: tuple[int, ...] | None = None
    inside: list["Call"] = field(default_factory=list)
    code: CodeType | None = field(default=None, repr=False)
    columns: tuple[int, int, int] = (0, 0, 0)

    def walk(self, depth: int = 0) -> Iterator[tuple[int, "Call"]]:
        """This call and all inside it, in the order in which they began, each with its depth."""
        yield depth, self
        for call in self.inside:
            yield from call.walk(depth + 1)

    def events(self) -> list[tuple["Call", bool]]:
        """Each call twice, in order: (call, False) where it begins and (call, True) where it returns."""
        return [(self, False), *(event for call in self.inside for event in call.events()), (self, True)]

    def source(self) -> str:
        """The lines of `code`, an arrow before the one that makes this call, the call underlined; empty if not to be had."""
        try:
            lines, first = inspect.getsourcelines(self.code)
        except (TypeError, OSError):  # no code, or written where Python keeps no source
            return ""
        number, start, end = self.columns
        shown = []
        for i, line in enumerate(map(str.rstrip, lines), first):
            here = i == (number or first)
            shown.append(("→ " if here else "  ") + line)
            if here and number:
                before, call = line.encode()[:start].decode(), line.encode()[start:end].decode()
                shown.append("  " + " " * len(before) + "^" * len(call))
        return "\n".join(shown)

    def __repr__(self) -> str:
        return "\n".join(f"{'    ' * depth}{call.line()}" for depth, call in self.walk())

    def line(self) -> str:
        """This call alone: what ran, and the shape of what came back if it was a tensor."""
        what = f"{self.kind} {self.function}" if "hook" in self.kind else self.kind
        return f"{self.owner}.{what}" + (f" → {self.shape}" if self.shape is not None else "")


class _Tracer:
    """A profile function (sys.setprofile): it sees each Python call as the interpreter makes it."""

    def __init__(self, model: nn.Module):
        self.names = {id(m): name or "model" for name, m in model.named_modules()}
        self.roots, self.open = [], []  # open: (frame, call or None) for every frame that has begun and not ended

    def __call__(self, frame, event: str, arg) -> None:
        if event == "call":
            call = self._recognise(frame)
            if call is not None:
                call.code, call.columns = self._place(frame)
                parent = next((c for _, c in reversed(self.open) if c is not None), None)
                (parent.inside if parent else self.roots).append(call)
            self.open.append((frame, call))
        elif event == "return" and self.open and self.open[-1][0] is frame:
            _, call = self.open.pop()
            if call is not None and isinstance(arg, torch.Tensor):
                call.shape = tuple(arg.shape)

    def _place(self, frame: FrameType) -> tuple[CodeType | None, tuple[int, int, int]]:
        """Where in a `forward` that is not torch's the call is written; for such a `forward` itself, all of it."""
        at = frame
        while at is not None:
            code = at.f_code
            if code.co_name == "forward" and id(at.f_locals.get("self")) in self.names and not code.co_filename.startswith(TORCH):
                if at is frame:
                    return code, (0, 0, 0)
                line, last, start, end = list(code.co_positions())[at.f_lasti // 2]
                known = line == last and None not in (line, start, end)
                return code, (line or at.f_lineno, start if known else 0, end if known else 0)
            at = at.f_back
        return None, (0, 0, 0)

    def _recognise(self, frame) -> Call | None:
        """A module's `__call__`, its `forward`, or a function that `__call__` itself runs: a hook. All else is None."""
        name, owner = frame.f_code.co_name, self.names.get(id(frame.f_locals.get("self")))
        if owner and frame.f_code is nn.Module.__call__.__code__:
            return Call("__call__", f"{owner} ({type(frame.f_locals['self']).__name__})", "__call__")
        top = next((c for _, c in reversed(self.open) if c is not None), None)
        if owner and name == "forward":
            return Call("forward", owner, name)
        inside_call = top is not None and top.kind == "__call__" and _in_module_py(frame.f_back)
        if inside_call and not _in_module_py(frame) and not frame.f_code.co_filename.startswith(TORCH):
            after = any(c.kind == "forward" for c in top.inside)
            me = frame.f_locals.get("self")  # a hook may be a callable object itself
            shown = type(me).__name__ if name == "__call__" else name
            return Call("hook" if after else "pre-hook", top.owner.split(" ")[0], shown)
        return None


def _in_module_py(frame) -> bool:
    return frame.f_code.co_filename == nn.Module.__call__.__code__.co_filename


def trace_calls(model: nn.Module, x: torch.Tensor) -> Call:
    """Call `model(x)` once and return the tree of what ran: `__call__`, pre-hooks, `forward`, hooks, layer by layer.

    Nothing is registered on the model: the interpreter reports each call (sys.setprofile). TypeError unless `model`
    is an nn.Module.
    """
    require(isinstance(model, nn.Module), "model", model, "an nn.Module", TypeError)
    tracer, before = _Tracer(model), sys.getprofile()
    sys.setprofile(tracer)
    try:
        model(x)
    finally:
        sys.setprofile(before)
    return tracer.roots[0]
