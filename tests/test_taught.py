"""Every function that a cell teaches does what the library's does."""

import copy

import pytest
import torch
from torch import nn

from day37 import (
    MLP,
    Adder,
    Counter,
    EarlyStopping,
    fit_cost,
    load_iris,
    measure,
    timing,
    train,
    train_and_keep,
)
from day37.experiments.arithmetic import measure_floor
from day37.experiments.phases import split_step
from tests.experiments.test_reads import made_up
from tests.notebooks import LESSONS, read, tags, taught


# Every function that a cell teaches, against the library's: tag → (lesson, comparison).
def compare_data(names):
    split = load_iris()
    for name in ("x_train", "y_train", "x_test", "y_test"):
        assert torch.equal(names[name], getattr(split, name))


def compare_model(names):
    torch.manual_seed(3)
    taught_model = names["MLP"]()
    torch.manual_seed(3)
    assert str(taught_model) == str(MLP())
    torch.manual_seed(3)
    state = MLP().state_dict()
    assert all(torch.equal(value, state[key]) for key, value in taught_model.state_dict().items())


def compare_train(names):
    torch.manual_seed(names["SEED"])
    model = MLP()
    run = train(model, load_iris(), epochs=names["EPOCHS"], progress=False)
    assert len(run.losses) == 20_000
    assert list(run.losses) == names["losses"]
    assert all(
        torch.equal(a, b)
        for a, b in zip(model.parameters(), names["model"].parameters(), strict=True)
    )


def compare_measure(names, monkeypatch):
    ticks = iter(range(10_000))
    durations = [5, 4, 3, 2, 1, 7]

    def taking(seconds):
        def fn():
            for _ in range(seconds):
                next(ticks)

        return fn

    def series():
        work = iter(map(taking, durations))
        return lambda: next(work)()

    monkeypatch.setattr(names["time"], "perf_counter", lambda: next(ticks))
    by_hand = names["measure_by_hand"](series(), warmup=2, repeats=4)
    monkeypatch.setattr(timing, "clock", lambda: next(ticks))
    measured = measure(series(), warmup=2, repeats=4)
    # The library's watch reads its clock once more, before the last synchronisation.
    assert by_hand == [sample - 1 for sample in measured.samples] == [4, 3, 2, 8]


def compare_move(names):
    split = load_iris(names["device"])
    assert torch.equal(names["x_train"], split.x_train)
    assert names["x_train"].device == split.device == next(names["model"].parameters()).device


def compare_phases(names):
    model = copy.deepcopy(names["model"])
    phases = split_step(model, load_iris())
    assert len(names["timed_step"]()) == len(phases)
    for phase in phases.values():
        phase()
    assert all(
        torch.equal(a, b)
        for a, b in zip(model.parameters(), names["model"].parameters(), strict=True)
    )


def compare_flops(names):
    assert names["flops"] == measure_floor(MLP(), load_iris(), size=8, repeats=1).flops


def compare_fit(names):
    sweep = made_up(0.01, 650e-6, 190e-6)
    cost = fit_cost(sweep)
    assert list(names["fit_by_hand"](sweep.runs)) == pytest.approx(
        [cost.fixed.value, cost.a.value, cost.b.value], rel=1e-6
    )


def compare_keep(names):
    torch.manual_seed(names["SEED"])
    run = train_and_keep(MLP(), load_iris(), epochs=names["EPOCHS"] // 4, progress=False)
    assert list(run.losses) == names["kept_losses"]


def compare_counter(names):
    ours, theirs = names["Counter"](), Counter()
    assert [(ours(), ours.count) for _ in range(3)] == [(theirs(), theirs.count) for _ in range(3)]


def compare_adder(names, capsys):
    answers = [(make()(3, 5), capsys.readouterr().out) for make in (names["Adder"], Adder)]
    assert answers[0] == answers[1] == (8, "唱跳篮球rap\n")


def compare_stopping(names):
    losses = [1.0, 0.9, 0.905, 0.85, 0.849, 0.848, 0.847, 0.5]
    for how in ({}, {"patience": 2, "min_delta": 0.01}, {"patience": 1}):
        ours, theirs = names["EarlyStopping"](**how), EarlyStopping(**how)
        assert [ours(i, loss) for i, loss in enumerate(losses)] == [
            theirs(i, loss) for i, loss in enumerate(losses)
        ]
        assert (ours.best, ours.waited) == (theirs.best, theirs.waited)


def compare_module(names):
    """Its `__call__` runs the hooks in the order in which that of nn.Module does."""
    orders = []
    for kind in (names["OurModule"], nn.Module):
        order = []

        class Doubled(kind):
            def forward(self, x, order=order):
                order.append("forward")
                return 2 * x

        module = Doubled()

        def before(_, x, order=order):
            order.append(("before", x if kind is names["OurModule"] else x[0]))  # noqa: B023

        def after(_, x, result, order=order):
            order.append(("after", result))

        if kind is nn.Module:
            module.register_forward_pre_hook(before)
            module.register_forward_hook(after)
        else:
            module.pre_hooks.append(before)
            module.hooks.append(after)
        orders.append((module(21), order))
    assert orders[0] == orders[1] == (42, [("before", 21), "forward", ("after", 42)])


COMPARISONS = {
    "taught-data": (0, compare_data),
    "taught-model": (0, compare_model),
    "taught-train": (0, compare_train),
    "taught-measure": (0, compare_measure),
    "taught-move": (1, compare_move),
    "taught-phases": (2, compare_phases),
    "taught-flops": (2, compare_flops),
    "taught-fit": (3, compare_fit),
    "taught-keep": (3, compare_keep),
    "taught-counter": (4, compare_counter),
    "taught-adder": (4, compare_adder),
    "taught-stopping": (4, compare_stopping),
    "taught-module": (4, compare_module),
}


def test_every_taught_cell_has_its_comparison():
    found = {
        tag
        for path in LESSONS
        for cell in read(path).cells
        for tag in tags(cell)
        if tag.startswith("taught-")
    }
    assert found == set(COMPARISONS)


SLOW = {"taught-train"}  # it trains twice, in full


@pytest.mark.parametrize(
    "tag", [pytest.param(t, marks=[pytest.mark.slow] if t in SLOW else []) for t in COMPARISONS]
)
def test_the_library_does_what_the_cell_teaches(tag, monkeypatch, capsys):
    lesson, comparison = COMPARISONS[tag]
    names = taught(LESSONS[lesson], tag, **({} if tag == "taught-train" else {"EPOCHS": 300}))
    capsys.readouterr()
    offered = {"monkeypatch": monkeypatch, "capsys": capsys}
    wanted = comparison.__code__.co_varnames[1 : comparison.__code__.co_argcount]
    comparison(names, **{name: offered[name] for name in wanted})
