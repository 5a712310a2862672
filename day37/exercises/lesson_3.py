"""Lesson 3's exercises: the arithmetic of any network, a queue, a training with few reads."""

from itertools import pairwise

import numpy as np

from day37.exercises.checking import Exercise, Mistake, Trial, gives, judge, like, takes
from day37.exercises.lesson_3_training import TRAINING, examine_training
from day37.exercises.running import ask_told
from day37.exercises.showing import same, shown
from day37.experiments.step_queue import StepQueue

FLOPS = "step_flops(widths, rows)"
QUEUE = "step_seconds(launches, launch, kernel)"


def products(widths) -> list[int]:
    """How many weights each layer has: k times m."""
    return [k * m for k, m in pairwise(widths)]


def flops(widths, rows, forward=1, weights=1, through=None) -> int:
    """The flops of a step; `through`: the weights of those layers that a gradient goes through."""
    layers = products(widths)
    back = layers[1:] if through is None else through
    return 2 * rows * ((forward + weights) * sum(layers) + sum(back))


def beyond_products(came, widths, rows) -> bool:
    """Whether biases or ReLU were counted on top."""
    outputs = sum(widths[1:])
    beyond = [outputs, 2 * outputs, rows * sum(widths[1:-1])]
    beyond += [rows * outputs * times for times in (1, 2, 3, 4, 6)]
    beyond += [2 * rows * (2 * outputs + sum(widths[2:]))]
    return any(same(came - flops(widths, rows), each) for each in beyond)


def one_layer_only(came, widths, rows) -> bool:
    """Whether only the first layer was counted, or only the last one."""
    layers = products(widths)
    return any(same(came, 2 * rows * layers[i] * times) for i in (0, -1) for times in (1, 2, 3))


LENGTHS = "The list may have any length. Which of your lines is written for three widths only?"
LEFT_OUT = "A layer is left out: how many layers do four widths make?"
FLOPS_MISTAKES = (  # first those that are seen in long lists only
    like(lambda widths, rows: flops(widths[:3], rows), LENGTHS),
    like(
        lambda widths, rows: flops(widths, rows, through=products(widths)[-1:]),
        "From the last layer, the gradient goes back to the first. How many layers does it pass?",
    ),
    like(
        lambda widths, rows: flops(widths, rows, through=products(widths)[:-1]),
        "Which layer's inputs are the data? Through that one no gradient is wanted.",
    ),
    like(
        lambda widths, rows: flops(widths, rows, through=products(widths)),
        "Does anybody need the gradient of the inputs? They are data, and do not learn.",
    ),
    like(
        lambda widths, rows: flops(widths, rows, through=[]),
        "Backward is not like forward: beside the weights' products it has one more for some"
        " layers.",
    ),
    like(
        lambda widths, rows: flops(widths, rows, weights=0),
        "Each weight has a gradient: those products are missing.",
    ),
    like(
        lambda widths, rows: flops(widths, rows, weights=0, through=[]),
        "That is forward only. What does backward multiply?",
    ),
    like(
        lambda widths, rows: flops(widths, rows) / 2,
        "For each multiplication there is an addition: a flop is one of either.",
    ),
    like(lambda widths, rows: flops(widths, 1), "That is for one row. How many rows has a step?"),
    like(lambda widths, rows: flops(widths[1:], rows), LEFT_OUT),
    like(lambda widths, rows: flops(widths[:-1], rows), LEFT_OUT),
    Mistake("That counts one layer only. A step goes through all of them.", one_layer_only),
    Mistake("Only products are counted in this lesson: no biases, no ReLU.", beyond_products),
    Mistake(
        "All layers together are wanted: one number.",
        lambda came, *_: isinstance(came, list | tuple | np.ndarray),
    ),
)


def networks(dice):
    """Widths and rows: two layers, small, and then more layers; no two widths are alike."""
    yield dice.sample(range(2, 7), 3), dice.randint(7, 9)
    for layers in (3, 4, 2, 5, 3):
        yield dice.sample(range(2, 60), layers + 1), dice.randint(10, 300)


def examine_flops(answer, dice) -> None:
    """Networks of several layers; and then, from an answer that is right for these, of one."""
    takes(answer, FLOPS)
    trials = []
    for widths, rows in networks(dice):
        trials += tried_flops(answer, widths, rows)
    judge(trials, FLOPS_MISTAKES)
    one = "Two widths are one layer. What is left of a step's products there?"
    last = tried_flops(answer, dice.sample(range(2, 60), 2), 1)
    judge(last, [Mistake(one, lambda *_: True)])


def tried_flops(answer, widths, rows) -> list[Trial]:
    """The trial if the answer is wrong. Where the length of the list stops it, a hint says so."""
    given = f"step_flops({shown(widths)}, {rows})"
    advice = {} if len(widths) == 3 else {"IndexError": LENGTHS, "unpack": LENGTHS}
    came = ask_told(given, answer, list(widths), rows, advice=advice)
    right = same(came, flops(widths, rows))
    return [] if right else [Trial(given, came, (widths, rows))]


def last_done(launches, launch, kernel) -> float:
    """From the first launch's start to the last kernel's end."""
    return StepQueue(launches, launch, kernel, read=0.0).stretch(1)


def queues(dice):
    """The host is slower, the device is slower, both are alike; there may be one launch only."""
    yield dice.randint(3, 5), float(dice.randint(7, 9)), float(dice.randint(1, 3))
    yield dice.randint(3, 5), float(dice.randint(1, 3)), float(dice.randint(7, 9))
    for _ in range(3):
        yield dice.randint(6, 60), dice.randint(50, 90) * 1e-6, dice.randint(2, 30) * 1e-6
        yield dice.randint(6, 60), dice.randint(2, 30) * 1e-6, dice.randint(50, 90) * 1e-6
    yield 1, dice.randint(50, 90) * 1e-6, dice.randint(2, 30) * 1e-6
    yield dice.randint(6, 60), 2e-5, 2e-5


LAST_KERNEL = "When the host has done its last launch, is the device done too?"
FIRST_LAUNCH = "What does the device do during the very first launch?"
QUEUE_MISTAKES = (  # first those that are right in some of the cases
    like(
        lambda n, launch, kernel: launch + n * kernel,
        "That fits where a kernel takes longer than a launch. And where a launch takes longer?",
    ),
    like(
        lambda n, launch, kernel: n * launch + kernel,
        "That fits where a launch takes longer than a kernel. And where a kernel takes longer?",
    ),
    like(lambda n, launch, kernel: max(n * launch, launch + n * kernel), LAST_KERNEL),
    like(lambda n, launch, kernel: max(n * launch + kernel, n * kernel), FIRST_LAUNCH),
    like(
        lambda n, launch, kernel: n * (launch + kernel),
        "The two sides work at the same time: the host does not wait for a kernel before it goes"
        " on.",
    ),
    like(
        lambda n, launch, kernel: max(n * launch, n * kernel),
        "The slower side sets the pace, but not from end to end: look at the first launch and at"
        " the last kernel.",
    ),
    like(lambda n, launch, kernel: n * launch, f"That is the host's side. {LAST_KERNEL}"),
    like(lambda n, launch, kernel: n * kernel, f"That is the device's side. {FIRST_LAUNCH}"),
    like(
        lambda n, launch, kernel: n * max(launch, kernel) + kernel,
        "That fits where a launch takes longer than a kernel. Where a kernel takes longer, you"
        " have one kernel too many.",
    ),
    like(
        lambda n, launch, kernel: n * max(launch, kernel) + launch,
        "That fits where a kernel takes longer than a launch. Where a launch takes longer, you"
        " have one launch too many.",
    ),
    like(
        lambda n, launch, kernel: n * max(launch, kernel) + launch + kernel,
        "That is one too many of what takes longer. Draw three launches and three kernels.",
    ),
    like(
        lambda n, launch, kernel: min(n * launch + kernel, launch + n * kernel),
        "Which of the two sides has the other one wait: the faster or the slower?",
    ),
    like(
        lambda n, launch, kernel: min(n * launch, n * kernel),
        "Which of the two sides has the other one wait: the faster or the slower?",
    ),
    Mistake(
        "Give seconds, as the two times are.",
        lambda came, *args: any(same(came, last_done(*args) * unit) for unit in (1e3, 1e6)),
    ),
    Mistake(
        "One number is wanted: when the last kernel is done.",
        lambda came, *_: isinstance(came, list | tuple | np.ndarray),
    ),
)
EXERCISES = {
    "3.1": Exercise(
        FLOPS,
        examine_flops,
        (
            "How many layers do these widths make, and which products does a step have for each?",
            "A layer from k to m takes 2·rows·k·m flops forward, and as many for its weight's"
            " gradient.",
            "Go over the layers and add: three products for each layer, but only two for the"
            " first.",
        ),
        handed_over=("FlopCounterMode", "get_total_flops", "measure_floor"),
    ),
    "3.2": Exercise(
        QUEUE,
        gives(QUEUE, last_done, queues, QUEUE_MISTAKES),
        (
            "Draw three launches in a row, and below them the three kernels. Which one waits?",
            "Keep two times, the host's and the device's, and go through the launches one by one.",
            "In each round the host's time grows by `launch`. The kernel starts at the later one"
            " of the two times, and the device's time is when it ends.",
        ),
        handed_over=("StepQueue", "stretch"),
    ),
    "3.3": Exercise(
        TRAINING,
        examine_training,
        (
            "Begin with the plain loop of this lesson. Where does it read a loss, and how often?",
            "`.detach()` gives a loss without its graph. It may stay on the device until the loop"
            " has ended.",
            "In the loop, append each detached loss to a list. After the loop, make one tensor of"
            " them with `torch.stack`, and read it once.",
        ),
        handed_over=(
            "train_and_keep",
            "plain_loop",
            "losses_on_device",
            "one_function",
        ),
    ),
}
