"""Lesson 3's last exercise: a training of one's own, with the loop's losses and few reads."""

import copy
import functools
from dataclasses import replace

import numpy as np
import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from day37.data import load_iris
from day37.exercises.checking import Mistake, Trial, judge, takes
from day37.exercises.running import Wrong, ask
from day37.exercises.showing import same
from day37.experiments.operations import count_reads
from day37.model import MLP
from day37.timing import with_threads
from day37.training import train

TRAINING = "my_training(model, data, epochs)"
LR = 0.01
OTHER_LRS = (1.0, 0.1, 0.05, 0.02, 0.005, 0.001, 1e-4)
STEPS_A_READ = 10
BY_ARRAY = (
    "tolist",
    "numpy",
    "__array__",
    "cpu",
)  # these wait too, and the profiler does not see them
flowers = functools.cache(load_iris)


class BroughtByArray(TorchFunctionMode):
    """Counts `.tolist()` and what makes arrays of tensors."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_function__(self, func, types, args=(), kwargs=None):
        """Call the function of torch as it is, and count it if it brings numbers."""
        self.count += getattr(func, "__name__", "") in BY_ARRAY
        return func(*args, **(kwargs or {}))


def draw(dice):
    """A network of any hidden width, and some of the flowers in any order.

    The weights are larger than usual: so a loss and the next one differ by more than a 1e-4.
    """
    generator = torch.Generator().manual_seed(dice.getrandbits(60))
    model = MLP(hidden=dice.randint(5, 30))
    with torch.no_grad():
        for weights in model.parameters():
            weights.uniform_(-1, 1, generator=generator)
    rows = torch.tensor(dice.sample(range(len(flowers().x_train)), dice.randint(30, 80)))
    data = flowers()
    return model, replace(data, x_train=data.x_train[rows], y_train=data.y_train[rows])


def loop(model, data, epochs, lr=LR) -> tuple[float, ...]:
    """The losses of the lessons' loop, of a copy."""
    return train(copy.deepcopy(model), data, epochs=epochs, lr=lr, progress=False).losses


def adding_up(model, data, epochs) -> list[float]:
    """The losses where no gradient is ever set to zero."""
    model = copy.deepcopy(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=LR)
    losses = []
    for _ in range(epochs):
        loss = nn.CrossEntropyLoss()(model(data.x_train), data.y_train)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def alike(came, wanted) -> bool:
    """Whether these are the losses, or the loss, to 1e-4: another way adds in another order."""
    return same(came, wanted, tolerance=1e-4)


def is_tensor(value) -> bool:
    """Whether it is a tensor or an array, also one with a single number."""
    return isinstance(value, torch.Tensor | np.ndarray)


def at_other_rate(came, model, data, epochs, right) -> bool:
    """Whether these are the loop's losses with another learning rate."""
    return any(alike(came, loop(model, data, epochs, lr)) for lr in OTHER_LRS)


TRAINING_MISTAKES = (
    Mistake(
        "What you give still holds the graph of each step. Let go of it, and give numbers of"
        " Python.",
        lambda came, *_: any(is_tensor(each) and each.requires_grad for each in [came, *came]),
    ),
    Mistake(
        "Give a list of Python's numbers, not tensors. One read can bring many of them.",
        lambda came, *_: (
            isinstance(came, torch.Tensor) or len(came) > 0 and all(map(is_tensor, came))
        ),
    ),
    Mistake(
        "All are the first loss: nothing has been learnt. Which line changes the weights?",
        lambda came, model, data, epochs, right: alike(came, right[:1] * epochs),
    ),
    Mistake(
        "All your losses are alike. Does each place of the list hold a loss of its own, or all of"
        " them the same tensor?",
        lambda came, *_: len(came) > 1 and alike(came[1:], [came[0]] * (len(came) - 1)),
    ),
    Mistake(
        "Each of your losses is the one after the step. Which weights belong to the first loss?",
        lambda came, model, data, epochs, right: alike(came, right[1:]),
    ),
    Mistake(
        "The last loss is missing. After how many steps does your loop end?",
        lambda came, model, data, epochs, right: alike(came, right[: epochs - 1]),
    ),
    Mistake(
        "The first loss is missing: the one before any step.",
        lambda came, model, data, epochs, right: alike(came, right[1:epochs]),
    ),
    Mistake(
        "That is one step too many: the losses are those before each step.",
        lambda came, model, data, epochs, right: alike(came, right),
    ),
    Mistake(
        "Every step's loss is wanted. A loss that is not read now can be kept and read later.",
        lambda came, model, data, epochs, right: 0 < len(came) < epochs - 1,
    ),
    Mistake(
        "The gradients of all steps add up. What does a step of the lesson do before backward?",
        lambda came, model, data, epochs, right: alike(came, adding_up(model, data, epochs)),
    ),
    Mistake("Your learning rate is another: the loop's is 0.01.", at_other_rate),
    Mistake(
        "Your first loss is another already. Is it the mean loss of this model, on this data's"
        " training rows?",
        lambda came, model, data, epochs, right: not alike(came[0], right[0]),
    ),
    Mistake(
        "Your first loss is right, a later one is not. What does your step change, and by what?",
        lambda came, model, data, epochs, right: alike(came[0], right[0]) and len(came) == epochs,
    ),
)
ONE_BY_ONE = (
    "`.item()`, `float`, `print` and `if` bring one number to the host, and each time is at least a"
    " read. One read can bring many: when, and of what?"
)


def examine_training(answer, dice) -> None:
    """Examine with one CPU thread: on a busy machine, two take a hundred times as long."""
    takes(answer, TRAINING)
    loop(*draw(dice), 1)  # a first step imports half of torch: that is not the student's time
    with_threads(1, examine_two)(answer, dice)


def examine_two(answer, dice) -> None:
    """A training; and then, if its losses are right, another one whose reads are counted."""
    for epochs, called in ((20, called_plainly), (dice.randint(20, 30), called_and_watched)):
        model, data = draw(dice)
        start = copy.deepcopy(model)
        kept = copy.deepcopy(data)
        given = f"my_training(MLP(hidden={model.fc1.out_features}), data, {epochs})"
        came, reads = called(answer, model, data, epochs)
        right = loop(start, kept, epochs + 1)
        if not alike(came, right[:epochs]):
            judge([Trial(given, came, (start, kept, epochs, right))], TRAINING_MISTAKES)
        if reads > epochs // STEPS_A_READ and grows(answer, start, kept, epochs, reads):
            seen = f"{given} gave the right losses, with {reads} reads in {epochs} steps"
            raise Wrong(seen, ONE_BY_ONE)


def grows(answer, model, data, epochs, reads) -> bool:
    """Whether twice as many steps have more reads. Those of compiling come once, and are let be."""
    model = copy.deepcopy(model)
    more = called_and_watched(answer, model, copy.deepcopy(data), 2 * epochs)[1]
    return more - reads > epochs // STEPS_A_READ


def called_plainly(answer, model, data, epochs):
    """What the answer gives; its reads are not counted, since that takes longer."""
    return ask(answer, model, data, epochs), 0


def called_and_watched(answer, model, data, epochs):
    """What the answer gives, and how many reads were seen.

    Making arrays counts from one in two steps on: a training in NumPy begins with a few.
    """
    came = []
    arrays = BroughtByArray()

    def once():
        with arrays:
            came.append(ask(answer, model, data, epochs))

    reads = count_reads(once)
    return came[0], reads + (arrays.count if arrays.count >= epochs // 2 else 0)
