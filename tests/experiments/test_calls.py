import sys
from functools import partial

import pytest
import torch
from torch import nn

from day37 import MLP, trace_calls


def kinds(call):
    return [(depth, c.kind, c.owner.split(" ")[0], c.function) for depth, c in call.walk()]


def test_a_call_leads_through_call_to_forward_in_every_layer():
    tree = trace_calls(MLP(), torch.zeros(5, 4))
    assert [(d, k, o) for d, k, o, _ in kinds(tree)] == [
        (0, "__call__", "model"),
        (1, "forward", "model"),
        (2, "__call__", "fc1"),
        (3, "forward", "fc1"),
        (2, "__call__", "relu"),
        (3, "forward", "relu"),
        (2, "__call__", "fc2"),
        (3, "forward", "fc2"),
    ]
    assert tree.shape == (5, 3)
    assert tree.inside[0].inside[0].shape == (5, 10)


def test_events_are_each_call_twice_in_order():
    tree = trace_calls(MLP(), torch.zeros(5, 4))
    events = [(call.owner.split(" ")[0], call.kind, ended) for call, ended in tree.events()]
    assert len(events) == 2 * len(list(tree.walk()))
    assert events[:4] == [
        (o, k, False)
        for o, k in (
            ("model", "__call__"),
            ("model", "forward"),
            ("fc1", "__call__"),
            ("fc1", "forward"),
        )
    ]
    assert events[4:6] == [("fc1", "forward", True), ("fc1", "__call__", True)]
    assert events[-1] == ("model", "__call__", True)


class Written(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 4)

    def forward(self, x):
        é = self.first(x)
        return self.first(
            é,
        )


def test_each_call_knows_the_line_that_makes_it():
    tree = trace_calls(MLP(), torch.zeros(5, 4))
    assert tree.source() == ""  # nothing of the model's own has called it
    shown = {call.title(): call.source().splitlines() for _, call in tree.walk()}
    forward = shown["model.forward → (5, 3)"]
    assert forward[0].startswith("→     def forward(self")
    marked = shown["relu (ReLU).__call__ → (5, 10)"]
    arrows = [line for line in marked if line.startswith("→")]
    assert arrows == ["→         return self.fc2(self.relu(self.fc1(x)))"]
    assert shown["relu.forward → (5, 10)"] == marked


def test_a_call_over_several_lines_is_marked_where_it_begins():
    calls = [
        call
        for _, call in trace_calls(Written(), torch.zeros(5, 4)).walk()
        if call.kind == "__call__"
    ]
    one, two = (call.source().splitlines() for call in calls[1:])
    assert one[1] == "→         é = self.first(x)"
    assert two[2] == "→         return self.first("


def test_a_model_without_source_is_traced_all_the_same():
    names = {"nn": nn}
    exec("class Typed(nn.Module):\n    def forward(self, x):\n        return x", names)
    tree = trace_calls(names["Typed"](), torch.zeros(1))
    assert [call.source() for _, call in tree.walk()] == ["", ""]


class Watcher:
    def __call__(self, *_):
        return None


def test_hooks_appear_where_they_run():
    def before(*_):
        helper()

    def after(*_):
        return None

    def helper():
        return None

    model = MLP()
    model.register_forward_pre_hook(before)
    model.fc2.register_forward_hook(after)
    model.fc2.register_forward_hook(Watcher())
    found = kinds(trace_calls(model, torch.zeros(2, 4)))
    assert found[1] == (1, "pre-hook", "model", "before")
    assert found[-2:] == [(3, "hook", "fc2", "after"), (3, "hook", "fc2", "Watcher")]
    assert not any(function == "helper" for *_, function in found)


def test_nested_models_keep_their_names():
    model = nn.Sequential(MLP(), nn.Softmax(dim=1))
    owners = [
        owner
        for _, kind, owner, _ in kinds(trace_calls(model, torch.zeros(2, 4)))
        if kind == "__call__"
    ]
    assert owners == ["model", "0", "0.fc1", "0.relu", "0.fc2", "1"]


def test_tracing_registers_nothing_and_puts_the_profile_function_back():
    model, calls = MLP(), []

    def mine(frame, event, arg):
        calls.append(event)

    sys.setprofile(mine)
    try:
        trace_calls(model, torch.zeros(2, 4))
        assert sys.getprofile() is mine
        with pytest.raises(RuntimeError):
            trace_calls(model, torch.zeros(2, 9))
        assert sys.getprofile() is mine
    finally:
        sys.setprofile(None)
    assert not model._forward_hooks


def before(*_):
    return None


def after(*_):
    return None


LAYERS = ["model.forward", "fc1.__call__", "fc1.forward"]


def brief(model):
    """The tree's calls as "owner.kind", without what comes after the first layer."""
    calls = [(call.owner.split(" ")[0], call.kind) for _, call in walk(model)]
    return [f"{owner}.{kind}" for owner, kind in calls if owner not in ("relu", "fc2")]


def walk(model):
    return list(trace_calls(model, torch.zeros(2, 4)).walk())


class Around(MLP):
    def __call__(self, x):
        return super().__call__(x)


class AnyName(MLP):
    def __call__(*given, **named):
        return nn.Module.__call__(*given, **named)


class Instead(MLP):
    def __call__(this, x):
        return this.fc2(this.fc1(x))


class Straight(MLP):
    def __call__(self, x):
        return self.forward(x)


@pytest.mark.parametrize(
    ("kind", "tree"),
    [
        (Around, ["model.__call__", "model.__call__", *LAYERS]),
        (AnyName, ["model.__call__", *LAYERS]),
        (Instead, ["model.__call__", "fc1.__call__", "fc1.forward"]),
        (Straight, ["model.__call__", *LAYERS]),
    ],
    ids=lambda given: getattr(given, "__name__", ""),
)
def test_a_class_may_have_a_call_of_its_own(kind, tree):
    assert brief(kind()) == tree
    assert walk(kind())[0][1].title() == f"model ({kind.__name__}).__call__ → (2, 3)"
    inside = trace_calls(nn.Sequential(kind()), torch.zeros(2, 4))
    assert [c.owner for _, c in inside.walk() if c.owner[0] == "0"][0] == f"0 ({kind.__name__})"


class Lambda(MLP):
    forward = lambda this, x: this.fc1(x)  # noqa: E731


class NoSelf(MLP):
    def forward(*given):
        return given[0].fc1(given[1])


class NoGrad(MLP):
    @torch.no_grad()
    def forward(self, x):
        return self.fc1(x)


def unnamed(forward):
    """A decorator that does not say what it wraps."""

    def inner(self, x):
        return forward(self, x)

    return inner


class Wrapped(MLP):
    forward = unnamed(MLP.forward)


def on_instance(make):
    model = MLP()
    model.forward = make(model)
    return model


class Object:
    def __init__(self, model):
        self.model = model

    def __call__(self, x):
        return self.model.fc1(x)


FORWARDS = {
    "a lambda of the class": Lambda,
    "without self": NoSelf,
    "torch's decorator": NoGrad,
    "a lambda": lambda: on_instance(lambda model: lambda x: model.fc1(x)),
    "a partial": lambda: on_instance(lambda model: partial(lambda _, x: model.fc1(x), 1)),
    "a method": lambda: on_instance(lambda model: MLP.forward.__get__(model)),
    "an object": lambda: on_instance(Object),
    "a decorated lambda": lambda: on_instance(lambda m: torch.no_grad()(lambda x: m.fc1(x))),
}


@pytest.mark.parametrize("make", FORWARDS.values(), ids=FORWARDS)
def test_a_forward_may_be_anything_that_can_be_called(make):
    model = make()
    model.register_forward_pre_hook(before)
    model.register_forward_hook(after)
    hooked = ["model.__call__", "model.pre-hook", *LAYERS, "model.hook"]
    assert brief(model) == hooked
    layer = next(call for _, call in walk(model) if call.owner == "fc1 (Linear)")
    assert "→" in layer.source() and "fc1(" in layer.source()


def test_a_hook_may_call_a_layer_before_any_forward():
    model = on_instance(lambda model: lambda x: model.fc1(x))
    model.register_forward_pre_hook(lambda module, x: (module.fc2(torch.zeros(1, 10)), x)[1])
    kinds = [(call.kind, call.owner.split(" ")[0]) for call in walk(model)[0][1].inside]
    assert kinds == [("pre-hook", "model"), ("forward", "model")]


def test_a_decorator_that_is_a_forward_itself_has_a_call_of_its_own():
    assert brief(Wrapped())[:3] == ["model.__call__", "model.forward", "model.forward"]


@pytest.mark.parametrize("forward", [torch.relu, torch.nn.functional.relu])
def test_a_forward_may_be_torchs_own_function(forward):
    model = on_instance(lambda _: forward)
    model.register_forward_pre_hook(before)
    model.register_forward_hook(after)
    assert brief(model) == ["model.__call__", "model.pre-hook", "model.forward", "model.hook"]
    assert [call.function for _, call in walk(model)][2] == "relu"


def test_a_model_in_others_is_traced_through_them():
    parallel = brief(nn.DataParallel(MLP()))
    assert parallel[:4] == ["model.__call__", "model.forward", "module.__call__", "module.forward"]
    assert brief(torch.fx.symbolic_trace(MLP())) == ["model.__call__", *LAYERS]


class NoPython(nn.Module):
    __call__ = partial(torch.relu)


class CompiledForward(MLP):
    forward = torch.compile(MLP.forward, backend="eager")


def in_place():
    model = MLP()
    model.compile(backend="eager")
    return model


def two_gpus():
    model = nn.DataParallel(MLP())
    model.device_ids = [0, 1]
    return model


UNSEEN = {
    "compiled": (lambda: torch.compile(MLP(), backend="eager"), "model .OptimizedModule., comp"),
    "in place": (in_place, "model .MLP., compiled .* before torch.compile"),
    "forward": (CompiledForward, "model .CompiledForward., compiled"),
    "its forward": (
        lambda: on_instance(lambda m: torch.compile(m.forward, backend="eager")),
        "model .MLP., compiled",
    ),
    "a part": (lambda: nn.Sequential(torch.compile(MLP())), "0 .OptimizedModule., compiled"),
    "script": (lambda: torch.jit.script(MLP()), "model .RecursiveScriptModule., a script"),
    "traced": (lambda: torch.jit.trace(MLP(), torch.zeros(2, 4)), "a script that torch runs"),
    "two GPUs": (two_gpus, "model .DataParallel., which runs copies in threads"),
    "no Python": (NoPython, "written in Python, but it is 'NoPython'"),
}


@pytest.mark.filterwarnings("ignore:.*torch.jit")
@pytest.mark.parametrize(("make", "why"), UNSEEN.values(), ids=UNSEEN)
def test_what_python_does_not_call_is_refused_in_words(make, why):
    model = make()
    profile = sys.getprofile()
    with pytest.raises(TypeError, match=f"^model must be an nn.Module whose .*{why}"):
        trace_calls(model, torch.zeros(2, 4))
    assert sys.getprofile() is profile


def test_what_is_kept_from_the_compiler_is_traced():
    model = on_instance(lambda m: torch._dynamo.disable(m.forward))
    assert brief(model) == ["model.__call__", *LAYERS]
