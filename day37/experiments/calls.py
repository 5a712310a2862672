"""Lesson 5: what really runs when a module is called, as a tree."""

import inspect
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import CodeType, FrameType

import torch
from torch import nn

from day37.checks import require

TORCH = torch.__path__[0]
CALL = nn.Module.__call__.__code__  # what `model(x)` runs first; written in torch's module.py


@dataclass
class Call:
    """One call in the tree: its kind, whose it is, the function that ran, and the calls inside.

    `shape`: the result's, if it was a tensor. `code`: the `forward`, written outside torch, in
    which it happens (None outside any), and `line`, the number of the line there that makes it (0
    for such a `forward` itself).
    """

    kind: str
    owner: str
    function: str
    shape: tuple[int, ...] | None = None
    inside: list["Call"] = field(default_factory=list)
    code: CodeType | None = field(default=None, repr=False)
    line: int = 0

    def walk(self, depth: int = 0) -> Iterator[tuple[int, "Call"]]:
        """This call and all inside it, in the order in which they began, each with its depth."""
        yield depth, self
        for call in self.inside:
            yield from call.walk(depth + 1)

    def events(self) -> list[tuple["Call", bool]]:
        """Each call twice: (call, False) where it begins and (call, True) where it returns."""
        events = [(self, False)]
        for call in self.inside:
            events += call.events()
        return [*events, (self, True)]

    def source(self) -> str:
        """The lines of `code`, an arrow before the one that makes this call; empty if none."""
        try:
            lines, first = inspect.getsourcelines(self.code)
        except (TypeError, OSError):  # no code, or written where Python keeps no source
            return ""
        shown = []
        for number, line in enumerate(lines, first):
            arrow = "→ " if number == (self.line or first) else "  "
            shown.append(arrow + line.rstrip())
        return "\n".join(shown)

    def title(self) -> str:
        """This call alone: what ran, and the shape of what came back if it was a tensor."""
        what = f"{self.kind} {self.function}" if "hook" in self.kind else self.kind
        shape = f" → {self.shape}" if self.shape is not None else ""
        return f"{self.owner}.{what}{shape}"

    def __repr__(self) -> str:
        return "\n".join(f"{'    ' * depth}{call.title()}" for depth, call in self.walk())


class _Tracer:
    """A profile function (sys.setprofile): it sees each Python call as the interpreter makes it."""

    def __init__(self, model: nn.Module):
        self.names = {id(m): name or "model" for name, m in model.named_modules()}
        self.roots = []
        self.open = []  # (frame, call or None) for every frame that has begun and not ended

    def __call__(self, frame: FrameType, event: str, result) -> None:
        if event == "call":
            call = self._recognise(frame)
            if call is not None:
                call.code, call.line = self._place(frame)
                parent = self._innermost()
                (parent.inside if parent else self.roots).append(call)
            self.open.append((frame, call))
        elif event == "return" and self.open and self.open[-1][0] is frame:
            _, call = self.open.pop()
            if call is not None and isinstance(result, torch.Tensor):
                call.shape = tuple(result.shape)

    def _innermost(self) -> Call | None:
        """The call of the tree that has begun last and not ended."""
        for _, call in reversed(self.open):
            if call is not None:
                return call
        return None

    def _recognise(self, frame: FrameType) -> Call | None:
        """A module's `__call__`, its `forward`, or a hook, which `__call__` itself runs."""
        name = frame.f_code.co_name
        me = frame.f_locals.get("self")
        owner = self.names.get(id(me))
        if owner and frame.f_code is CALL:
            return Call("__call__", f"{owner} ({type(me).__name__})", "__call__")
        if owner and name == "forward":
            return Call("forward", owner, name)
        around = self._innermost()
        if around is None or around.kind != "__call__" or not _in_module_py(frame.f_back):
            return None
        if _in_module_py(frame) or frame.f_code.co_filename.startswith(TORCH):
            return None
        after = any(call.kind == "forward" for call in around.inside)
        function = type(me).__name__ if name == "__call__" else name  # a hook may be an object
        return Call("hook" if after else "pre-hook", around.owner.split(" ")[0], function)

    def _place(self, frame: FrameType) -> tuple[CodeType | None, int]:
        """The `forward` outside torch in which `frame` was called, and the line there."""
        at = frame
        while at is not None:
            code = at.f_code
            ours = id(at.f_locals.get("self")) in self.names and code.co_name == "forward"
            if ours and not code.co_filename.startswith(TORCH):
                return code, 0 if at is frame else at.f_lineno
            at = at.f_back
        return None, 0


def _in_module_py(frame: FrameType) -> bool:
    return frame.f_code.co_filename == CALL.co_filename


def trace_calls(model: nn.Module, x: torch.Tensor) -> Call:
    """Call `model(x)` once and return the tree of what ran, layer by layer.

    It holds each `__call__`, its pre-hooks, `forward` and hooks. Nothing is registered on the
    model: the interpreter reports each call (sys.setprofile). TypeError unless `model` is an
    nn.Module.
    """
    require(isinstance(model, nn.Module), "model", model, "an nn.Module", TypeError)
    tracer = _Tracer(model)
    before = sys.getprofile()
    sys.setprofile(tracer)
    try:
        model(x)
    finally:
        sys.setprofile(before)
    return tracer.roots[0]
