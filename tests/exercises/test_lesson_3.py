"""Lesson 3's exercises: right answers, and wrong ones with their hints."""

import copy
import re
from itertools import pairwise
from random import Random

import numpy as np
import pytest
import torch
from torch import nn

from day37.exercises import checking
from day37.exercises.lesson_3 import flops, last_done, networks
from day37.exercises.lesson_3_training import draw
from day37.experiments.step_queue import StepQueue
from day37.training import make_step, train
from tests.exercises.marking import fails, fresh, passes

ANOTHER = draw(Random(3))[0]


def counted_by_torch(widths, rows):
    from torch.utils.flop_counter import FlopCounterMode

    layers = []
    for k, m in pairwise(widths):
        layers += [nn.Linear(k, m), nn.ReLU()]
    network = nn.Sequential(*layers[:-1])
    with FlopCounterMode(display=False) as counter:
        nn.CrossEntropyLoss()(
            network(torch.rand(rows, widths[0])), torch.zeros(rows).long()
        ).backward()
    return counter.get_total_flops()


def test_the_flops_are_those_that_torch_counts():
    assert flops([4, 10, 3], 120) == 40_800
    for widths, rows in [*networks(Random(1)), ([5, 3], 1)]:
        assert flops(widths, rows) == counted_by_torch(widths, rows)


def by_layer(widths, rows):
    total = 0
    for i in range(len(widths) - 1):
        product = 2 * rows * widths[i] * widths[i + 1]
        total += 2 * product if i == 0 else 3 * product
    return total


def all_but_the_inputs(widths, rows):
    w = np.array(widths)
    return 6 * rows * (w[:-1] * w[1:]).sum() - 2 * rows * w[0] * w[1]


def popping(widths, rows):
    total = 0.0
    times = 2
    while len(widths) > 1:
        total += times * 2 * rows * widths.pop(0) * widths[0]
        times = 3
    return total


@pytest.mark.parametrize("answer", [by_layer, all_but_the_inputs, popping])
def test_the_flops_are_right(answer):
    passes("3.1", answer)


def forward(widths, rows):
    return 2 * rows * sum(k * m for k, m in pairwise(widths))


def first(widths, rows):
    return forward(widths[:2], rows)


def with_biases(widths, rows):
    total = 0
    for i, (k, m) in enumerate(pairwise(widths)):
        total += (2 if i == 0 else 3) * 2 * rows * (k + 1) * m
    return total


def of_three(widths, rows):
    a, b, c = widths
    return by_layer([a, b, c], rows)


WRONG_FLOPS = {
    "no factor 2": (lambda w, n: by_layer(w, n) / 2, "there is an addition"),
    "forward": (forward, "forward only"),
    "backward like forward": (lambda w, n: 2 * forward(w, n), "not like forward"),
    "gradient of the inputs": (lambda w, n: 3 * forward(w, n), "gradient of the inputs"),
    "no weight gradients": (lambda w, n: by_layer(w, n) - forward(w, n), "Each weight"),
    "through all but the last": (
        lambda w, n: 3 * forward(w, n) - forward(w[-2:], n),
        "Which layer's inputs",
    ),
    "through the last only": (
        lambda w, n: 2 * forward(w, n) + (forward(w[-2:], n) if len(w) > 2 else 0),
        "How many layers does it pass",
    ),
    "biases": (with_biases, "no biases"),
    "biases, forward": (lambda w, n: by_layer(w, n) + n * sum(w[1:]), "no biases"),
    "ReLU": (lambda w, n: by_layer(w, n) + n * sum(w[1:-1]), "no ReLU"),
    "one row": (lambda w, n: by_layer(w, 1), "How many rows"),
    "two layers": (lambda w, n: by_layer(w[:3], n), "three widths only"),
    "three names": (of_three, "three widths only"),
    "no last layer": (lambda w, n: by_layer(w[:-1], n), "left out"),
    "no first layer": (lambda w, n: by_layer(w[1:], n), "left out"),
    "first layer": (lambda w, n: 2 * first(w, n), "one layer only"),
    "last layer": (lambda w, n: 3 * forward(w[-2:], n), "one layer only"),
    "one layer": (
        lambda w, n: 3 * forward(w, n) - (first(w, n) if len(w) > 2 else 0),
        "Two widths are one layer",
    ),
    "list": (lambda w, n: [by_layer(w, n)], "one number"),
    "typed in": (lambda w, n: 40_800, "gave this very number too"),
    "nothing": (lambda w, n: print(w), "is there a return?"),
}


@pytest.mark.parametrize("name", WRONG_FLOPS)
def test_wrong_flops_have_their_hint(name):
    fails("3.1", *WRONG_FLOPS[name])


def one_by_one(launches, launch, kernel):
    host = 0.0
    device = 0.0
    for _ in range(launches):
        host += launch
        device = max(host, device) + kernel
    return device


def by_the_slower_side(launches, launch, kernel):
    return (launches - 1) * max(launch, kernel) + launch + kernel


def by_numpy(launches, launch, kernel):
    launched = launch * np.arange(1, launches + 1)
    return (launched + kernel * np.arange(launches, 0, -1)).max()


def by_cases(launches, launch, kernel):
    if launch > kernel:
        return launches * launch + kernel
    return launch + launches * kernel


@pytest.mark.parametrize("answer", [one_by_one, by_the_slower_side, by_numpy, by_cases])
def test_the_last_kernel_is_done(answer):
    passes("3.2", answer)


def test_the_queue_is_that_of_the_lesson():
    spans = StepQueue(7, 2.0, 3.0, 1.0).timeline(1).device
    assert last_done(7, 2.0, 3.0) == spans[-1].end == one_by_one(7, 2.0, 3.0)


WRONG_SECONDS = {
    "sum": (lambda n, a, b: n * (a + b), "at the same time"),
    "no ends": (lambda n, a, b: max(n * a, n * b), "from end to end"),
    "no last kernel": (lambda n, a, b: max(n * a, a + n * b), "is the device done too"),
    "no first launch": (lambda n, a, b: max(n * a + b, n * b), "very first launch"),
    "launches": (lambda n, a, b: n * a, "the host's side"),
    "kernels": (lambda n, a, b: n * b, "the device's side"),
    "slow launches only": (lambda n, a, b: n * a + b, "And where a kernel takes longer?"),
    "slow kernels only": (lambda n, a, b: a + n * b, "And where a launch takes longer?"),
    "min": (lambda n, a, b: min(n * a + b, a + n * b), "the faster or the slower"),
    "min, no ends": (lambda n, a, b: min(n * a, n * b), "the faster or the slower"),
    "one kernel more": (lambda n, a, b: n * max(a, b) + b, "one kernel too many"),
    "one launch more": (lambda n, a, b: n * max(a, b) + a, "one launch too many"),
    "one more": (lambda n, a, b: n * max(a, b) + a + b, "one too many of"),
    "microseconds": (lambda n, a, b: 1e6 * one_by_one(n, a, b), "Give seconds"),
    "both": (lambda n, a, b: (n * a, one_by_one(n, a, b)), "One number"),
    "typed in": (lambda n, a, b: 2.371e-3, "gave this very number too"),
    "handed over": (lambda n, a, b: StepQueue(n, a, b, 0.0).total(1), "do without"),
}


@pytest.mark.parametrize("name", WRONG_SECONDS)
def test_wrong_seconds_have_their_hint(name):
    fails("3.2", *WRONG_SECONDS[name])


def kept(model, data, epochs, lr=0.01, clear=True, after=False, step=True):
    """The lesson's loop, its losses kept as tensors."""
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    losses = []
    for _ in range(epochs):
        loss = nn.CrossEntropyLoss()(model(data.x_train), data.y_train)
        if clear:
            optimizer.zero_grad()
        loss.backward()
        if step:
            optimizer.step()
        if after:
            loss = nn.CrossEntropyLoss()(model(data.x_train), data.y_train)
        losses.append(loss)
    return losses


def read_once(model, data, epochs):
    return torch.stack(kept(model, data, epochs)).tolist()


def in_a_tensor(model, data, epochs):
    losses = torch.empty(epochs)
    for i, loss in enumerate(kept(model, data, epochs)):
        losses[i] = loss.detach()
    return tuple(losses.numpy())


def every_ten(model, data, epochs):
    step = make_step(model, data)
    waiting = []
    losses = []
    for epoch in range(1, epochs + 1):
        waiting.append(step().detach())
        if epoch % 10 == 0 or epoch == epochs:
            losses += torch.stack(waiting).tolist()
            waiting = []
    return losses


def in_numpy(model, data, epochs):
    w1, b1, w2, b2 = (p.detach().double().numpy().copy().T for p in model.parameters())
    x = data.x_train.double().numpy()
    right = np.eye(3)[data.y_train.numpy()]
    losses = np.empty(epochs)
    for epoch in range(epochs):
        hidden = np.maximum(x @ w1 + b1, 0)
        scores = np.exp(hidden @ w2 + b2)
        share = scores / scores.sum(axis=1, keepdims=True)
        losses[epoch] = -np.log((share * right).sum(axis=1)).mean()
        error = (share - right) / len(x)
        back = (error @ w2.T) * (hidden > 0)
        w2 -= 0.01 * (hidden.T @ error)
        b2 -= 0.01 * error.sum(axis=0)
        w1 -= 0.01 * (x.T @ back)
        b1 -= 0.01 * back.sum(axis=0)
    return losses


def by_functions(model, data, epochs):
    def loss_of(weights):
        scores = torch.func.functional_call(model, weights, (data.x_train,))
        return nn.functional.cross_entropy(scores, data.y_train)

    weights = dict(model.state_dict())
    losses = []
    for _ in range(epochs):
        slopes, loss = torch.func.grad_and_value(loss_of)(weights)
        weights = {name: weights[name] - 0.01 * slopes[name] for name in weights}
        losses.append(loss)
    return torch.stack(losses).tolist()


def reading_before_the_loop(model, data, epochs):
    """As compiling does: some reads, once."""
    for weights in [*model.parameters()] * 2:
        weights.sum().item()
    return read_once(model, data, epochs)


RIGHT_TRAININGS = [
    read_once,
    in_a_tensor,
    every_ten,
    in_numpy,
    by_functions,
    reading_before_the_loop,
]


@pytest.mark.parametrize("answer", RIGHT_TRAININGS)
def test_a_training_may_keep_its_losses_in_any_way(answer):
    passes("3.3", answer, times=4)  # each trains


def item_in_the_loop(model, data, epochs):
    step = make_step(model, data)
    losses = []
    for _ in range(epochs):
        losses.append(step().item())
    return losses


def list_in_the_loop(model, data, epochs):
    step = make_step(model, data)
    losses = []
    for _ in range(epochs):
        losses.append(step().tolist())
    return losses


def array_in_the_loop(model, data, epochs):
    step = make_step(model, data)
    losses = []
    for _ in range(epochs):
        losses.append(float(step().detach().numpy()))
    return losses


def same_tensor(model, data, epochs):
    last = torch.zeros(())
    losses = []
    for loss in kept(model, data, epochs):
        losses.append(last.copy_(loss.detach()))
    return torch.stack(losses).tolist()


def numbers(losses):
    return torch.stack(losses).tolist()


def own_model(model, data, epochs):
    other = copy.deepcopy(ANOTHER)
    with torch.no_grad():  # so large a loss is drawn for none: no two first losses meet by chance
        for weights in other.parameters():
            weights *= 30
    return read_once(other, data, epochs)


def with_momentum(model, data, epochs):
    step = make_step(model, data, momentum=0.9)
    return numbers([step().detach() for _ in range(epochs)])


def by_the_library(model, data, epochs):
    return list(train(model, data, epochs=epochs, read_loss_every=1, progress=False).losses)


WRONG_TRAININGS = {
    "item": (item_in_the_loop, "One read can bring many"),
    "tolist": (list_in_the_loop, "One read can bring many"),
    "numpy": (array_in_the_loop, "One read can bring many"),
    "same tensor": (same_tensor, "the same tensor"),
    "no zero_grad": (lambda m, d, n: numbers(kept(m, d, n, clear=False)), "add up"),
    "learning rate": (lambda m, d, n: numbers(kept(m, d, n, lr=0.1)), "learning rate"),
    "after the step": (lambda m, d, n: numbers(kept(m, d, n, after=True)), "after the step"),
    "no step": (lambda m, d, n: numbers(kept(m, d, n, step=False)), "nothing has been learnt"),
    "one less": (lambda m, d, n: read_once(m, d, n - 1), "last loss is missing"),
    "no first": (lambda m, d, n: read_once(m, d, n)[1:], "first loss is missing"),
    "one more": (lambda m, d, n: read_once(m, d, n + 1), "one step too many"),
    "every tenth": (lambda m, d, n: read_once(m, d, n)[::10], "Every step's loss"),
    "graph": (lambda m, d, n: kept(m, d, n), "still holds the graph"),
    "tensors": (lambda m, d, n: [x.detach() for x in kept(m, d, n)], "not tensors"),
    "tensor": (lambda m, d, n: torch.stack(kept(m, d, n)).detach(), "not tensors"),
    "own model": (own_model, "this model"),
    "momentum": (with_momentum, "a later one is not"),
    "the library's": (by_the_library, "One read can bring many"),
    "nothing": (lambda m, d, n: print(n), "is there a return?"),
}


@pytest.mark.parametrize("name", WRONG_TRAININGS)
def test_a_wrong_training_has_its_hint(name):
    fails("3.3", *WRONG_TRAININGS[name], times=4)


def test_the_reads_of_an_item_in_the_loop_are_named():
    fresh("3.3")
    text = checking.check("3.3", item_in_the_loop, save=False).text
    reads, steps = re.search(r"with (\d+) reads in (\d+) steps", text).groups()
    assert reads == steps


def test_a_training_is_examined_with_the_students_threads_and_random_numbers_left_alone():
    before = torch.get_num_threads(), torch.get_rng_state()
    fresh("3.3")
    assert checking.check("3.3", in_numpy, save=False).solved
    assert torch.get_num_threads() == before[0]
    assert torch.equal(torch.get_rng_state(), before[1])


def test_a_losss_next_one_differs_by_more_than_what_is_let_pass():
    for seed in range(30):
        model, data = draw(Random(seed))
        losses = train(model, data, epochs=21, progress=False).losses
        assert max(1 - b / a for a, b in pairwise(losses)) > 3e-4


def test_an_empty_frame_is_not_tried_yet():
    def step_flops(widths, rows):
        pass

    for number in ("3.1", "3.2", "3.3"):
        assert checking.check(number, step_flops, save=False).solved is None
