import sys

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
