"""Lesson 5's exercises: right answers, and wrong ones with their hints."""

import functools
import random
import statistics

import numpy as np
import pytest
import torch

from day37 import MLP, check, load_iris, train
from day37.exercises.checking import was_tried
from day37.exercises.lesson_5_closure import curves
from tests.exercises.marking import fails, fresh, passes


def mean_class(of, *, start=()):
    """A class like RunningMean, whose objects give `of` of their numbers."""

    class RunningMean:
        def __init__(self):
            self.numbers = list(start)

        def __call__(self, number):
            self.numbers.append(number)
            return of(self.numbers)

    return RunningMean


class Total:
    def __init__(self):
        self.total = 0
        self.count = 0

    def __call__(self, number):
        self.total += number
        self.count += 1
        return self.total / self.count


class Drifting:
    total = 0  # on the class, but each object makes its own at its first call
    count = 0

    def __call__(self, number):
        self.total = self.total + number
        self.count = self.count + 1
        return self.total / self.count


class Moving:
    def __init__(self):
        self.mean = 0.0
        self.count = 0

    def __call__(self, number):
        self.count += 1
        self.mean += (number - self.mean) / self.count
        return self.mean


RIGHT_MEANS = [
    Total,
    Drifting,
    Moving,
    mean_class(np.mean),
    mean_class(statistics.mean),
    mean_class(lambda numbers: torch.tensor(numbers, dtype=torch.float32).mean().item()),
]


@pytest.mark.parametrize("answer", RIGHT_MEANS)
def test_each_usual_running_mean_is_right(answer):
    passes("5.1", answer)


class OnClass:
    numbers = []

    def __call__(self, number):
        self.numbers.append(number)
        return sum(self.numbers) / len(self.numbers)


class NewForAll:
    def __init__(self):
        NewForAll.numbers = []

    def __call__(self, number):
        NewForAll.numbers.append(number)
        return sum(NewForAll.numbers) / len(NewForAll.numbers)


class OneDefault:
    def __init__(self, numbers=[]):  # noqa: B006
        self.numbers = numbers

    __call__ = OnClass.__call__


class OnObject:
    def __init__(self):
        self.__call__ = float


class OtherName:
    def mean(self, number):
        return number


class HalfwayFromZero:
    def __init__(self):
        self.mean = 0

    def __call__(self, number):
        self.mean = (self.mean + number) / 2
        return self.mean


class HalfwayFromFirst:
    def __init__(self):
        self.mean = None

    def __call__(self, number):
        self.mean = number if self.mean is None else (self.mean + number) / 2
        return self.mean


class UntilZero(Moving):
    def __call__(self, number):
        if not self.mean:  # also after numbers whose mean is 0
            self.count = 0
        return super().__call__(number)


class NoSelf:
    def __call__(number):
        return number


class Misspelt:
    def _init_(self):
        self.total = 0

    def __call__(self, number):
        self.total += number


Misspelt.__name__ = "RunningMean"


class Unnamed:
    def __call__(self, number):
        total += number  # noqa: F821
        return total


def closure():
    return Total()


def last_of(numbers):
    return numbers[-1]


def one_too_few(numbers):
    return sum(numbers) / (len(numbers) - 1)


WRONG_MEANS = {
    "on the class": (OnClass, "share their memory"),
    "on the class, made anew": (NewForAll, "share their memory"),
    "one default for all": (OneDefault, "share their memory"),
    "prints": (mean_class(lambda numbers: print(sum(numbers) / len(numbers))), "a return"),
    "tensor": (mean_class(lambda numbers: torch.tensor(numbers).double().mean()), "not a tensor"),
    "last": (mean_class(last_of), "last number alone"),
    "sum": (mean_class(sum), "That is the sum."),
    "count": (mean_class(len), "how many numbers"),
    "by the last": (mean_class(lambda x: sum(x) / x[-1]), "divided by the last"),
    "one too many": (mean_class(lambda x: sum(x) / (len(x) + 1)), "wrong count"),
    "begins with 0": (mean_class(statistics.fmean, start=[0]), "wrong count"),
    "one too few": (mean_class(one_too_few), "Does your count know"),
    "last two": (mean_class(lambda x: statistics.fmean(x[-2:])), "the last two"),
    "last three": (mean_class(lambda x: statistics.fmean(x[-3:])), "Hint 1 of 3"),
    "last two from 0": (mean_class(lambda x: sum(x[-2:]) / 2), "the last two"),
    "halfway": (HalfwayFromFirst, "halfway between"),
    "halfway from 0": (HalfwayFromZero, "halfway between"),
    "whole": (mean_class(lambda x: sum(x) // len(x)), "which division"),
    "median": (mean_class(statistics.median), "the median"),
    "on the object": (OnObject, "not on the object"),
    "other name": (OtherName, "which name does Python look"),
    "no self": (NoSelf, "is `self`"),
    "misspelt": (Misspelt, "two underscores"),
    "no self before a name": (Unnamed, "stands behind `self.`"),
    "object": (Total(), "without brackets"),
    "closure": (closure, "Write a class"),
    "forgets at a mean of 0": (UntilZero, "Hint 1 of 3"),
    "typed in": (mean_class(lambda numbers: 3.5), "Hint 1 of 3"),
}


@pytest.mark.parametrize("name", WRONG_MEANS)
def test_a_wrong_running_mean_has_its_hint(name):
    fails("5.1", *WRONG_MEANS[name])


def test_what_two_objects_gave_is_shown():
    fresh("5.1")
    text = check("5.1", OtherName, save=False).text
    assert text.startswith("your objects cannot be called; the class has mean")
    assert "of your objects a and b, a(" in check("5.1", mean_class(sum), save=False).text


def closing(compare):
    """A `stop_below` whose inner function gives `compare(epoch, loss, limit)`."""

    def stop_below(limit):
        def stop(epoch, loss):
            return compare(epoch, loss, limit)

        return stop

    return stop_below


def by_if(limit):
    def stop(epoch, loss):
        if loss < limit:  # noqa: SIM103
            return True
        return False

    return stop


def by_lambda(limit):
    return lambda epoch, loss: loss < limit


def by_partial(limit):
    def stop(limit, epoch, loss):
        return not loss >= limit

    return functools.partial(stop, limit)


class ByObject:
    def __init__(self, limit):
        self.limit = limit

    def __call__(self, epoch, loss):
        return self.limit > loss


@pytest.mark.parametrize("answer", [by_if, by_lambda, by_partial, ByObject])
def test_each_usual_way_to_stop_is_right(answer):
    passes("5.2", answer)


def latching(limit):
    seen = []

    def stop(epoch, loss):
        seen.append(loss)
        return min(seen) < limit

    return stop


def last_made(limit):
    latest["limit"] = limit
    return lambda epoch, loss: loss < latest["limit"]


latest = {}


def not_given_back(limit):
    def stop(epoch, loss):
        return loss < limit


def called_at_once(limit):
    def stop(epoch, loss):
        return loss < limit

    return stop()


def compared_outside(limit):
    is_below = limit > 100
    return lambda epoch, loss: is_below


def too_soon(limit):
    return loss < limit  # noqa: F821


WRONG_STOPS = {
    "nothing": (closing(lambda epoch, loss, limit: print(loss < limit)), "nothing back"),
    "None for False": (closing(lambda e, loss, limit: True if loss < limit else None), "False too"),
    "numpy": (closing(lambda epoch, loss, limit: np.less(loss, limit)), "Python's own"),
    "torch": (closing(lambda epoch, loss, limit: torch.tensor(loss) < limit), "Python's own"),
    "1": (closing(lambda epoch, loss, limit: int(loss < limit)), "Python's own"),
    "at once": (closing(lambda epoch, loss, limit: True), "from the first read"),
    "never": (closing(lambda epoch, loss, limit: False), "never says True"),
    "compared outside": (compared_outside, "never says True"),
    "epoch below": (closing(lambda epoch, loss, limit: epoch < limit), "compares the epoch"),
    "epoch above": (closing(lambda epoch, loss, limit: epoch > limit), "compares the epoch"),
    "turned": (lambda limit: lambda loss, epoch: loss < limit, "compares the epoch"),
    "equal": (closing(lambda epoch, loss, limit: loss <= limit), "not below it"),
    "above": (closing(lambda epoch, loss, limit: loss > limit), "True above"),
    "not below": (closing(lambda epoch, loss, limit: not loss < limit), "True above"),
    "latch": (latching, "Judge each loss alone"),
    "one limit": (last_made, "the limit that it was made with"),
    "not given back": (not_given_back, "without brackets"),
    "called at once": (called_at_once, "without brackets"),
    "too soon": (too_soon, "known only to the function"),
    "at once, not a function": (lambda limit: limit < 0.5, "Give back a function"),
    "loss alone": (lambda limit: lambda loss: loss < limit, "two values"),
    "early only": (closing(lambda e, loss, limit: loss < limit and e < 8), "What else than"),
    "no limit": (lambda: by_if(0.5), "Write stop_below(limit)"),
    "typed in": (closing(lambda epoch, loss, limit: epoch == 3), "the same of each loss"),
    "words": (closing(lambda epoch, loss, limit: str(loss < limit)), "Hint 1 of 3"),
}


@pytest.mark.parametrize("name", WRONG_STOPS)
def test_a_wrong_way_to_stop_has_its_hint(name):
    fails("5.2", *WRONG_STOPS[name])


def test_the_limits_are_drawn():
    drawn = [calls for seed in range(20) for calls in curves(random.Random(seed))]
    assert len({calls[0][1][2] for calls in drawn}) > 5


def test_the_right_answer_stops_a_training():
    how = {"epochs": 50, "read_loss_every": 5, "progress": False}
    assert train(MLP(), load_iris(), on_read=by_if(100.0), **how).epochs == 5
    assert train(MLP(), load_iris(), on_read=by_if(0.0), **how).epochs == 50


def test_the_students_random_numbers_stay():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    for number, answer in (("5.2", by_if), ("5.3", by_layer)):
        assert check(number, answer, save=False).solved
    assert torch.equal(torch.get_rng_state(), before)


def by_layer(model, x):
    names = {layer: name for name, layer in model.named_children()}
    counts = dict.fromkeys(names.values(), 0)

    def count_call(module, inputs, output):
        counts[names[module]] += 1

    handles = [layer.register_forward_hook(count_call) for layer in names]
    model(x)
    for handle in handles:
        handle.remove()
    return counts


def counting(
    model,
    x,
    *,
    result=None,
    keep=False,
    calls=1,
    add=1,
    of=lambda model: model.named_children(),
    key=lambda name, layer: name,
    register="register_forward_hook",
):
    """The counts by a closure a layer; each argument makes one mistake."""
    counts = {}

    def make_hook(name):
        def hook(*_):
            counts[name] = counts.get(name, 0) + add
            return result

        return hook

    handles = [getattr(m, register)(make_hook(key(name, m))) for name, m in of(model)]
    for _ in range(calls):
        model(x)
    for handle in handles:
        if not keep:
            handle.remove()
    return counts


def wrongly(**mistake):
    def forward_counts(model, x):
        return counting(model, x, **mistake)

    return forward_counts


def by_forward(model, x):
    counts = dict.fromkeys(dict(model.named_modules()), 0)
    del counts[""]
    handles = []
    for name, layer in model.named_children():

        def count_it(module, inputs, name=name):
            counts[name] += 1

        handles.append(layer.register_forward_pre_hook(count_it))
    with torch.no_grad():
        model.forward(x)
    for handle in handles:
        handle.remove()
    return counts


def by_one_hook_on_all(model, x):
    names = {id(layer): name for name, layer in model.named_modules()}
    ran = []
    note = torch.nn.modules.module.register_module_forward_hook
    handle = note(lambda module, inputs, output: ran.append(names[id(module)]))
    model(x)
    handle.remove()
    return {name: ran.count(name) for name in names.values() if name}


@pytest.mark.parametrize("answer", [by_layer, by_forward, by_one_hook_on_all, wrongly()])
def test_each_usual_way_to_count_is_right(answer):
    passes("5.3", answer)


def all_to_the_last(model, x):
    counts = dict.fromkeys(dict(model.named_children()), 0)
    handles = []
    for name, layer in model.named_children():

        def hook(module, inputs, output):
            counts[name] += 1  # noqa: B023

        handles.append(layer.register_forward_hook(hook))
    model(x)
    for handle in handles:
        handle.remove()
    return counts


def set_to_one(model, x):
    return dict.fromkeys(by_layer(model, x), 1)


def set_in_the_hook(model, x):
    return {name: 1 for name, count in by_layer(model, x).items() if count}


def one_for_all(model, x):
    return sum(by_layer(model, x).values())


def never_called(model, x):
    return dict.fromkeys(dict(model.named_children()), 0)


def all_removed(model, x):
    counts = by_layer(model, x)
    for layer in model.children():
        layer._forward_hooks.clear()
    return counts


def mode_changed(model, x):
    model.train(not model.training)
    return by_layer(model, x)


def forward_replaced(model, x):
    counts = dict.fromkeys(dict(model.named_children()), 0)
    for name, layer in model.named_children():

        def counting_forward(x, name=name, forward=layer.forward):
            counts[name] += 1
            return forward(x)

        layer.forward = counting_forward
    model(x)
    return counts


def typed_layers(model, x):
    model.fc1.register_forward_hook(lambda module, inputs, output: None).remove()
    return by_layer(model, x)


def without_a_start(model, x):
    counts = {}

    def hook(module, inputs, output):
        counts[module] += 1

    handle = next(model.children()).register_forward_hook(hook)
    try:
        model(x)
    finally:
        handle.remove()
    return counts


def two_arguments(model, x):
    handles = [m.register_forward_hook(lambda module, output: None) for m in model.children()]
    try:
        model(x)
    finally:
        for handle in handles:
            handle.remove()


def linear_only(model):
    return [each for each in model.named_children() if isinstance(each[1], torch.nn.Linear)]


WRONG_COUNTS = {
    "kept": (wrongly(keep=True), "What did registering a hook give"),
    "a number": (wrongly(result=1), "takes the place of"),
    "another output": (wrongly(result=torch.zeros(4, 3)), "takes the place of"),
    "a pre-hook's": (wrongly(result=1, register="register_forward_pre_hook"), "takes the place"),
    "the model too": (wrongly(of=lambda model: model.named_modules()), "The model itself"),
    "linear only": (wrongly(of=linear_only), "A ReLU is a layer too"),
    "types": (wrongly(key=lambda name, layer: type(layer).__name__), "layers' names"),
    "layers": (wrongly(key=lambda name, layer: layer), "layers' names"),
    "twice": (wrongly(calls=2), "is doubled"),
    "not run": (wrongly(calls=0), "Nothing was counted"),
    "zeros": (never_called, "Nothing was counted"),
    "all 1": (set_to_one, "even one that never ran"),
    "1 in the hook": (set_in_the_hook, "Each layer that ran has 1"),
    "late": (all_to_the_last, "for the last layer"),
    "sum": (one_for_all, "That is one number"),
    "all removed": (all_removed, "Remove only your own"),
    "forward replaced": (forward_replaced, "registering a hook"),
    "mode": (mode_changed, "Leave the model's mode"),
    "typed layers": (typed_layers, "Other models have other layers"),
    "no start": (without_a_start, "With which number does it begin"),
    "two arguments": (two_arguments, "three values"),
    "typed in": (lambda model, x: {"fc1": 1, "relu": 2, "fc2": 1}, "names of our MLP"),
    "one too many": (wrongly(add=3), "Hint 1 of 3"),
    "nothing": (lambda model, x: print(model), "is there a return?"),
    "list": (lambda model, x: [*by_layer(model, x)], "Hint 1 of 3"),
}


@pytest.mark.parametrize("name", WRONG_COUNTS)
def test_a_wrong_count_has_its_hint(name):
    fails("5.3", *WRONG_COUNTS[name])


def test_the_tracer_is_handed_over():
    def forward_counts(model, x):
        return trace_calls(model, x)  # noqa: F821

    fails("5.3", forward_counts, "do without")


def test_an_empty_frame_was_not_tried():
    class RunningMean:
        pass

    def stop_below(limit):
        pass

    def forward_counts(model, x):
        pass

    assert not any(map(was_tried, (RunningMean, stop_below, forward_counts)))
    fresh("5.1")
    assert check("5.1", RunningMean, save=False).solved is None
