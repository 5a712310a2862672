"""Lesson 5: what really runs when a module is called, as a tree."""

import inspect
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
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
        self.called = []  # the modules of the open `__call__`s, the innermost last

    def __call__(self, frame: FrameType, event: str, result) -> None:
        if event == "call":
            call = self._recognise(frame)
            if call is not None:
                self._add(call, frame)
            self.open.append((frame, call))
        elif event == "return" and self.open and self.open[-1][0] is frame:
            _, call = self.open.pop()
            if call is not None and call.kind == "__call__":
                self.called.pop()
            if call is not None and isinstance(result, torch.Tensor):
                call.shape = tuple(result.shape)
        elif event == "c_call" and self._starts_forward() and result is self.called[-1].forward:
            owner = self.names[id(self.called[-1])]  # `result` is the function: one that is in C
            self._add(Call("forward", owner, result.__name__), frame)

    def _add(self, call: Call, frame: FrameType) -> None:
        call.code, call.line = self._place()
        if call.kind == "forward" and not _in_torch(frame):
            call.code = frame.f_code
            call.line = 0
        parent = self._innermost()
        (parent.inside if parent else self.roots).append(call)

    def _innermost(self) -> Call | None:
        """The call of the tree that has begun last and not ended."""
        for _, call in reversed(self.open):
            if call is not None:
                return call
        return None

    def _starts_forward(self) -> bool:
        """Whether the innermost call is a `__call__` in which no `forward` has run yet."""
        around = self._innermost()
        if around is None or around.kind != "__call__":
            return False
        return not any(call.kind == "forward" for call in around.inside)

    def _recognise(self, frame: FrameType) -> Call | None:
        """A module's `__call__`, its `forward`, or a hook, which `__call__` itself runs."""
        code = frame.f_code
        first = frame.f_locals.get(code.co_varnames[0]) if code.co_argcount else None
        owner = self.names.get(id(first))

        # A call: torch's own, or one that a class has put before it or in its place.
        if owner and (code is CALL or _is_own_call(code, type(first))):
            self.called.append(first)
            return Call("__call__", f"{owner} ({type(first).__name__})", "__call__")

        # A forward: a method of this name, or whatever is the called module's `forward`.
        name = code.co_name
        if owner and name == "forward" and code.co_varnames[0] == "self":
            return Call("forward", owner, name)
        if self._starts_forward() and code is _code_of(self.called[-1].forward):
            return Call("forward", self.names[id(self.called[-1])], name)

        # A hook.
        around = self._innermost()
        if around is None or around.kind != "__call__" or not _in_module_py(frame.f_back):
            return None
        if _in_torch(frame):
            return None
        kind = "pre-hook" if self._starts_forward() else "hook"
        function = type(first).__name__ if name == "__call__" else name  # it may be an object
        return Call(kind, around.owner.split(" ")[0], function)

    def _place(self) -> tuple[CodeType | None, int]:
        """The innermost `forward` that is written outside torch, and the line it is at."""
        for frame, call in reversed(self.open):
            if call is not None and call.kind == "forward" and not _in_torch(frame):
                return frame.f_code, frame.f_lineno
        return None, 0


def _is_own_call(code: CodeType, kind: type) -> bool:
    """Whether this is a `__call__` that one of the module's classes, not of torch, has."""
    own = [vars(each)["__call__"] for each in kind.__mro__ if "__call__" in vars(each)]
    return not code.co_filename.startswith(TORCH) and code in map(_code_of, own)


def _code_of(function) -> CodeType | None:
    """The code that runs when this is called: of a function, a method, a partial, an object."""
    function = inspect.unwrap(function)
    while isinstance(function, partial):
        function = function.func
    function = getattr(function, "__func__", function)
    if not hasattr(function, "__code__"):
        function = type(function).__call__
    return getattr(function, "__code__", None)


def _in_torch(frame: FrameType) -> bool:
    return frame.f_code.co_filename.startswith(TORCH)


def _in_module_py(frame: FrameType) -> bool:
    return frame.f_code.co_filename == CALL.co_filename


def trace_calls(model: nn.Module, x: torch.Tensor) -> Call:
    """Call `model(x)` once and return the tree of what ran, layer by layer.

    It holds each `__call__`, its pre-hooks, `forward` and hooks. Nothing is registered on the
    model: the interpreter reports each call (sys.setprofile). TypeError unless `model` is an
    nn.Module of which Python makes each call: compiled, a script or in threads it cannot be seen.
    """
    require(isinstance(model, nn.Module), "model", model, "an nn.Module", TypeError)
    for name, module in model.named_modules():
        why = why_unseen(module)
        what = f"{name or 'model'} ({type(module).__name__}), {why}"
        allowed = "an nn.Module whose layers Python calls one by one"
        require(not why, "model", what, allowed, TypeError)
    tracer = _Tracer(model)
    before = sys.getprofile()
    sys.setprofile(tracer)
    try:
        model(x)
    finally:
        sys.setprofile(before)
    allowed = "an nn.Module whose __call__ is written in Python"
    require(len(tracer.roots) > 0, "model", type(model).__name__, allowed, TypeError)
    return tracer.roots[0]


def why_unseen(module: nn.Module) -> str:
    """Why the interpreter does not see what happens in a module; empty if it does."""
    if isinstance(module, torch.jit.ScriptModule):
        return "a script that torch runs without Python: trace the module it was made of"
    forward = module.forward
    compiled = getattr(module, "_compiled_call_impl", None) is not None
    if hasattr(forward, "_torchdynamo_orig_callable"):  # torch._dynamo.disable leaves one too
        compiled |= not getattr(forward, "_torchdynamo_disable", False)
    if compiled:
        return "compiled into other code: trace the module before torch.compile"
    if isinstance(module, nn.DataParallel) and len(module.device_ids) > 1:
        return "which runs copies in threads: trace its .module"
    return ""
