"""Lesson 4's exercises: right answers, and wrong ones with their hints."""

import math
import random

import numpy as np
import pytest
import torch

from day37 import fit_cost, train_and_keep
from day37.exercises.lesson_4 import LINES, Watch
from tests.exercises.marking import fails, passes


def by_elimination(often, rare):
    longer = often.epochs / rare.epochs
    read = (often.seconds - longer * rare.seconds) / (often.reads - longer * rare.reads)
    return read, read * often.reads / often.seconds


def by_rates(often, rare):
    seconds = often.seconds / often.epochs - rare.seconds / rare.epochs
    reads = often.reads / often.epochs - rare.reads / rare.epochs
    return [seconds / reads, seconds / reads * often.reads / often.seconds]


def by_numpy(often, rare):
    rows = np.array([[run.epochs, run.reads] for run in (often, rare)])
    costs = np.linalg.lstsq(rows, np.array([often.seconds, rare.seconds]))[0]
    return costs[1], costs[1] * often.reads / often.seconds


def by_torch(often, rare):
    rows = [[often.epochs, often.reads], [rare.epochs, rare.reads]]
    rows = torch.tensor(rows, dtype=torch.float64)
    seconds = torch.tensor([often.seconds, rare.seconds], dtype=torch.float64)
    read = torch.linalg.solve(rows, seconds)[1].item()
    return read, read * often.reads / often.seconds


@pytest.mark.parametrize("cost", [by_elimination, by_rates, by_numpy, by_torch])
def test_each_way_to_solve_two_equations_is_right(cost):
    passes("4.1", cost)


def with_read(formula):
    """An answer with this read, and the share that follows."""

    def answer(often, rare):
        read = formula(often, rare)
        return read, read * often.reads / often.seconds

    return answer


def with_share(formula):
    """An answer with the right read, and this share."""

    def answer(often, rare):
        read = by_rates(often, rare)[0]
        return read, formula(read, often, rare)

    return answer


def a_of(often, rare):
    return (often.seconds - by_rates(often, rare)[0] * often.reads) / often.epochs


WRONG_COSTS = {
    "equal epochs": (
        with_read(lambda o, r: (o.seconds - r.seconds) / (o.reads - r.reads)),
        "different lengths",
    ),
    "by epochs": (
        with_read(lambda o, r: (o.seconds - r.seconds) / (o.epochs - r.epochs)),
        "You divided by epochs",
    ),
    "per epoch": (
        with_read(lambda o, r: o.seconds / o.epochs - r.seconds / r.epochs),
        "You divided by epochs",
    ),
    "mixed": (
        with_read(lambda o, r: (o.seconds / o.epochs - r.seconds / r.epochs) / (o.reads - r.reads)),
        "Which reads belong to it",
    ),
    "epoch": (with_read(a_of), "what an epoch costs"),
    "all time": (with_read(lambda o, r: o.seconds / o.reads), "Not all of the time"),
    "ms": (lambda o, r: (1e3 * by_rates(o, r)[0], by_rates(o, r)[1]), "not milliseconds"),
    "turned": (lambda o, r: by_rates(o, r)[::-1], "First the seconds"),
    "other total": (with_share(lambda b, o, r: b * o.reads / r.seconds), "own seconds"),
    "reads saved": (with_share(lambda b, o, r: b * (o.reads - r.reads) / o.seconds), "own reads"),
    "per cent": (with_share(lambda b, o, r: 100 * b * o.reads / o.seconds), "not in per cent"),
    "each epoch": (with_share(lambda b, o, r: b / (a_of(o, r) + b)), "Not each epoch"),
    "steps only": (
        with_share(lambda b, o, r: b * o.reads / (o.seconds - b * o.reads)),
        "in the whole time too",
    ),
    "one number": (lambda o, r: by_rates(o, r)[0], "Two numbers are wanted"),
    "published": (lambda o, r: (0.19e-3, 0.22), "Hint 1 of 3"),
    "nothing": (lambda o, r: print(o.reads), "is there a return?"),
    "the fit": (lambda o, r: fit_cost([o, r]).b.value, "do without"),
}


@pytest.mark.parametrize("name", WRONG_COSTS)
def test_a_wrong_cost_has_its_hint(name):
    fails("4.1", *WRONG_COSTS[name])


def stacked(step, epochs):
    kept = []
    for _ in range(epochs):
        kept.append(step().detach())
    return torch.stack(kept).tolist()


def preallocated(step, epochs):
    kept = torch.empty(epochs)
    for i in range(epochs):
        loss = step()
        kept[i] = loss.detach()
    return tuple(kept.cpu().tolist())


def to_numpy(step, epochs):
    return torch.stack([step().data for _ in range(epochs)]).numpy()


def moved_then_items(step, epochs):
    kept = torch.tensor([])
    for _ in range(epochs):
        kept = torch.cat([kept, step().detach().clone().reshape(1)])
    return [each.item() for each in kept.to("cpu")]


@pytest.mark.parametrize("keep", [stacked, preallocated, to_numpy, moved_then_items])
def test_each_way_with_one_read_is_right(keep):
    passes("4.2", keep)


def with_graphs(step, epochs):
    kept = []
    for _ in range(epochs):
        kept.append(step())
    return torch.stack(kept).tolist()


def into_a_tensor_with_graphs(step, epochs):
    kept = torch.empty(epochs)
    for i in range(epochs):
        kept[i] = step()
    return kept.tolist()


def in_the_loop(read):
    """An answer that reads in the loop."""
    return lambda step, epochs: [read(step().detach()) for _ in range(epochs)]


def now_and_then(step, epochs):
    kept = []
    for epoch in range(epochs):
        loss = step().detach()
        if epoch % 10 == 0:
            print(f"{loss:.3f}")
        kept.append(loss)
    return torch.stack(kept).tolist()


def one_after_the_other(step, epochs):
    return [loss.item() for loss in [step().detach() for _ in range(epochs)]]


def hidden(step, epochs):
    return torch.tensor([step().detach() for _ in range(epochs)]).tolist()


def step_twice(step, epochs):
    kept = []
    for _ in range(epochs):
        step()
        kept.append(step().detach())
    return torch.stack(kept).tolist()


def stored_once(step, epochs):
    for _ in range(epochs):
        loss = step()
    return [loss.item()] * epochs


def only_last(step, epochs):
    return stored_once(step, epochs)[0]


WRONG_KEEPS = {
    "item": (in_the_loop(lambda loss: loss.item()), "4 × item before the last step"),
    "float": (in_the_loop(float), "Which line in the loop is a read?"),
    "format": (in_the_loop(lambda loss: float(f"{loss:.9f}")), "Which line in the loop is a read?"),
    "tolist": (in_the_loop(lambda loss: loss.tolist()), "Which line in the loop is a read?"),
    "numpy": (in_the_loop(lambda loss: float(loss.numpy())), "Which line in the loop is a read?"),
    "cpu": (in_the_loop(lambda loss: loss.cpu().item()), "Which line in the loop is a read?"),
    "to": (in_the_loop(lambda loss: loss.to("cpu").item()), "8 × cpu before the last step"),
    "now and then": (now_and_then, "1 × format before the last step"),
    "graphs": (with_graphs, "What cuts it off?"),
    "graphs in a tensor": (into_a_tensor_with_graphs, "What cuts it off?"),
    "last": (only_last, "the last loss alone"),
    "list of last": (lambda s, epochs: [only_last(s, epochs)], "the last loss alone"),
    "stored once": (stored_once, "stands everywhere"),
    "list of tensors": (lambda s, epochs: [s().detach() for _ in range(epochs)], "no numbers yet"),
    "a tensor": (lambda s, n: torch.stack([s().detach() for _ in range(n)]), "no numbers yet"),
    "one short": (lambda step, epochs: stacked(step, epochs - 1), "too few times"),
    "one more": (lambda step, epochs: stacked(step, epochs + 1), "too often"),
    "five": (lambda step, epochs: stacked(step, 5), "keep_losses(step, 1) gave"),
    "twice": (step_twice, "too often"),
    "no step": (lambda step, epochs: [0.1] * epochs, "never called"),
    "at the end": (one_after_the_other, "5 × item after the last step"),
    "hidden": (hidden, "made one tensor of them"),
    "nothing": (lambda step, epochs: print(stacked(step, epochs)), "is there a return?"),
    "library": (train_and_keep, "this is day37's own"),
    "library inside": (lambda step, epochs: train_and_keep(step, epochs).losses, "do without"),
}


@pytest.mark.parametrize("name", WRONG_KEEPS)
def test_a_wrong_way_to_keep_has_its_hint(name):
    fails("4.2", *WRONG_KEEPS[name])


def test_graphs_are_seen_while_they_are_kept_and_no_longer():
    watch = Watch(random.Random(1), 4)
    kept = [watch.step(), watch.step()]
    watch.step()
    assert watch.kept == 2
    watch.kept = 0
    kept[0] = kept[0].detach()
    watch.step()
    assert watch.kept == 1


READS = dict(zip(LINES, ["none", "one", "none", "one", "one", "several", "several"], strict=True))


def test_the_counted_reads_are_right():
    passes("4.3", READS)
    passes("4.3", dict(reversed(READS.items())))


WRONG_READS = {
    "sum": ({"total = total + loss": "one"}, "keep the sum"),
    "min": ({"best = min(best, loss)": "none"}, "How often must it compare"),
    "minimum": ({"best = torch.minimum(best, loss)": "one"}, "Who compares here"),
    "if": ({"if loss < 0.1: print(epoch)": "none"}, "one of two ways"),
    "text": ({'print(f"{loss:.3f}")': "none"}, "What else is needed"),
    "print": ({"print(loss)": "one"}, "choose the format"),
    "min of many": ({"lowest = min(losses)": "one"}, "ten losses"),
    "all one": (dict.fromkeys(LINES, "one"), "keep the sum"),
    "not filled in": ({"print(loss)": None}, "Each line needs"),
    "a list": ({"print(loss)": ["several"]}, "Each line needs"),
    "a count": ({"print(loss)": 8}, "Each line needs"),
    "another line": ({"loss.item()": "one"}, "only the values"),
}


@pytest.mark.parametrize("name", WRONG_READS)
def test_a_wrong_number_of_reads_has_its_hint(name):
    changed, hint = WRONG_READS[name]
    fails("4.3", {**READS, **changed}, hint)


def test_the_reads_are_a_dict():
    fails("4.3", list(READS.values()), "only the values")


def by_formula(a, b, share):
    return math.floor((b / share - b) / a) + 1


def by_trying(a, b, share):
    k = 1
    while b / (k * a + b) >= share:
        k += 1
    return k


def by_ceil(a, b, share):
    return max(1, math.ceil(b * (1 - share) / (a * share)))


def by_numpy_trying(a, b, share):
    k = np.arange(1, 10_000)
    return k[b / (k * a + b) < share][0]


@pytest.mark.parametrize("steps", [by_formula, by_trying, by_ceil, by_numpy_trying])
def test_the_smallest_number_of_steps_is_right(steps):
    passes("4.4", steps)


WRONG_STEPS = {
    "floor": (lambda a, b, s: int((b / s - b) / a), "take `share` or more"),
    "floor, but 1": (lambda a, b, s: max(1, int((b / s - b) / a)), "take `share` or more"),
    "round": (lambda a, b, s: round((b / s - b) / a), "take `share` or more"),
    "one more": (lambda a, b, s: by_formula(a, b, s) + 1, "One step fewer"),
    "no share": (lambda a, b, s: math.ceil(b / a), "Where does `share`"),
    "1 %": (lambda a, b, s: math.ceil(100 * b / a), "for 1 %"),
    "of the steps": (lambda a, b, s: math.ceil(b / (s * a)), "in the whole time too"),
    "of the steps, tried": (
        lambda a, b, s: next(k for k in range(1, 10_000) if b / (k * a) < s),
        "in the whole time too",
    ),
    "not rounded": (lambda a, b, s: (b / s - b) / a, "steps is whole"),
    "turned": (lambda a, b, s: by_formula(b, a, s), "`a` is for a step"),
    "per cent": (lambda a, b, s: by_formula(a, b, s / 100), "not in per cent"),
    "float": (lambda a, b, s: float(by_formula(a, b, s)), "Give an int"),
    "numpy's ceil": (lambda a, b, s: np.ceil((b / s - b) / a), "Give an int"),
    "typed in": (lambda a, b, s: 29, "gave this very number too"),
}


@pytest.mark.parametrize("name", WRONG_STEPS)
def test_a_wrong_number_of_steps_has_its_hint(name):
    fails("4.4", *WRONG_STEPS[name])
