"""Lesson 4's exercises: a read's cost, one read for all losses, hidden reads, how often to read."""

import math
import weakref
from types import SimpleNamespace

import numpy as np
import torch
from torch.overrides import TorchFunctionMode

from day37.exercises.checking import Exercise, Mistake, Trial, gives, judge, like, takes
from day37.exercises.lesson_3_training import BY_ARRAY
from day37.exercises.running import Wrong, ask
from day37.exercises.showing import same, shown
from day37.experiments.operations import count_reads

COST = "cost_of_a_read(often, rare)"
KEEP = "keep_losses(step, epochs)"
STEPS = "steps_between(a, b, share)"


def costs(often, rare):
    """Seconds of one epoch and of one read: seconds = epochs·a + reads·b, twice."""
    counts = [[often.epochs, often.reads], [rare.epochs, rare.reads]]
    return np.linalg.solve(counts, [often.seconds, rare.seconds])


def cost_of_a_read(often, rare) -> tuple[float, float]:
    """Seconds of one read, and the share of the reads in the time of `often`."""
    read = costs(often, rare)[1]
    return read, read * often.reads / often.seconds


def two_runs(dice):
    """Two runs of different lengths, the longer one first or second; few epochs have a read."""
    for longer in (0.5, 2, dice.uniform(1.3, 3), dice.uniform(0.3, 0.8)):
        a = dice.randint(200, 900) * 1e-6
        b = a * dice.uniform(0.1, 0.6)
        length = dice.randint(10, 40) * 100
        runs = []
        for epochs, every in ((length, dice.randint(2, 5)), (round(length * longer), 50)):
            seconds = round(epochs * a + epochs // every * b, 6)
            runs.append(SimpleNamespace(epochs=epochs, reads=epochs // every, seconds=seconds))
        yield tuple(runs)


def part(i, wrong, hint) -> Mistake:
    """The mistake whose number `i` is what `wrong` makes of a, b and the runs."""
    return Mistake(hint, lambda came, o, r: same(came[i], wrong(*costs(o, r), o, r)))


LENGTHS = "The runs have different lengths: a part of the difference in seconds is for epochs."
PER_EPOCH = "You divided by epochs. What is wanted is seconds for one read."
OWN = "The share is one of `often`'s own seconds, and all of its own reads are in it."
COST_MISTAKES = (
    part(0, lambda a, b, o, r: (o.seconds - r.seconds) / (o.reads - r.reads), LENGTHS),
    part(0, lambda a, b, o, r: (o.seconds - r.seconds) / (o.epochs - r.epochs), PER_EPOCH),
    part(0, lambda a, b, o, r: o.seconds / o.epochs - r.seconds / r.epochs, PER_EPOCH),
    part(
        0,
        lambda a, b, o, r: (o.seconds / o.epochs - r.seconds / r.epochs) / (o.reads - r.reads),
        "That difference is one of seconds for each epoch. Which reads belong to it?",
    ),
    part(0, lambda a, b, o, r: a, "That is what an epoch costs. What does a read cost?"),
    part(0, lambda a, b, o, r: 1e3 * b, "Give seconds, not milliseconds."),
    part(0, lambda a, b, o, r: o.seconds / o.reads, "Not all of the time is for reads."),
    like(lambda o, r: cost_of_a_read(o, r)[::-1], "First the seconds of one read, then the share."),
    part(1, lambda a, b, o, r: b * o.reads / r.seconds, OWN),
    part(1, lambda a, b, o, r: b * (o.reads - r.reads) / o.seconds, OWN),
    part(1, lambda a, b, o, r: b * o.reads / (a * o.epochs), "Reads are in the whole time too."),
    part(1, lambda a, b, o, r: 100 * b * o.reads / o.seconds, "From 0 to 1, not in per cent."),
    part(1, lambda a, b, o, r: b / (a + b), "Not each epoch of `often` has a read."),
    Mistake("Two numbers are wanted: return read, share.", lambda came, *_: np.ndim(came) == 0),
)

READS = (*BY_ARRAY, "item", "__float__", "__int__", "__bool__", "__format__", "__repr__")


class Watch(TorchFunctionMode):
    """A small training whose `step` is handed over; sees reads, and graphs that are kept."""

    def __init__(self, dice, epochs: int):
        super().__init__()
        self.epochs = epochs
        self.weights = torch.tensor([dice.uniform(1, 2) for _ in range(3)], requires_grad=True)
        self.losses = []
        self.graphs = []
        self.kept = 0  # graphs of earlier steps that were in memory at once
        self.early = []  # reads before the last step
        self.late = []  # and after it,
        self.there = False  # until all losses came at once

    def step(self) -> torch.Tensor:
        """One training step; its loss hangs in its graph."""
        loss = (self.weights**2).sum()
        self.weights.data -= 0.03 * torch.autograd.grad(loss, self.weights)[0]
        self.losses.append(loss.detach().clone())
        self.kept = max(self.kept, sum(graph() is not None for graph in self.graphs))
        mark = loss.grad_fn.metadata.setdefault("mark", set())  # lives as long as the graph
        self.graphs.append(weakref.ref(mark))
        return loss

    def __torch_function__(self, func, types, args=(), kwargs=None):
        """Note what reads, and do what is asked."""
        name = getattr(func, "__name__", "")
        if name == "to" and "cpu" in map(str, [*args[1:], *(kwargs or {}).values()]):
            name = "cpu"
        listed = args and isinstance(args[0], list) and any(map(torch.is_tensor, args[0]))
        single = listed and name in ("tensor", "as_tensor")
        if not self.there and (single or name in READS):
            reads = self.late if len(self.losses) >= self.epochs else self.early
            reads += [name.strip("_")] * (len(args[0]) if single else 1)
            self.there = name in BY_ARRAY and args[0].numel() >= self.epochs
        return func(*args, **(kwargs or {}))


KEEP_MISTAKES = (
    Mistake("`step()` was never called.", lambda came, n, losses: not losses),
    Mistake("`step()` was called too often.", lambda came, n, losses: len(losses) > n),
    Mistake("`step()` was called too few times.", lambda came, n, losses: len(losses) < n),
    Mistake("Tensors are no numbers yet.", lambda came, *_: torch.is_tensor(list(came)[0])),
    Mistake("That is the last loss alone.", lambda came, n, each: came in (each[-1], each[-1:])),
    Mistake("The last loss stands everywhere.", lambda came, n, losses: set(came) == {losses[-1]}),
)


def examine_keep(answer, dice) -> None:
    """The losses, then the graphs, then the reads, for few epochs, one, and many."""
    takes(answer, KEEP)
    for epochs in (5, 1, dice.randint(20, 40)):
        watch = Watch(dice, epochs)
        with watch:
            came = ask(answer, watch.step, epochs)
        losses = [loss.item() for loss in watch.losses]
        call = f"keep_losses(step, {epochs})"
        if len(losses) != epochs or not same(came, losses):
            judge([Trial(call, came, (epochs, losses))], KEEP_MISTAKES)
        if watch.kept > 2:  # a variable may hold the last one or two
            seen = f"{call}: {watch.kept} graphs of earlier steps were in memory at the last step"
            raise Wrong(seen, "A loss that is kept holds the graph of its step. What cuts it off?")
        if watch.early:
            seen = f"{call}: {len(watch.early)} × {watch.early[0]} before the last step"
            raise Wrong(seen, "At each read the host waits. Which line in the loop is a read?")
        if len(watch.late) > 1:
            seen = f"{call}: {len(watch.late)} × {watch.late[0]} after the last step"
            raise Wrong(seen, "All losses can come at once, if the device made one tensor of them.")


LINES = {
    "total = total + loss": "The device can add, and keep the sum. Does Python need it?",
    "best = min(best, loss)": "Python's `min` takes one of the two. How often must it compare?",
    "best = torch.minimum(best, loss)": "Who compares here, and who needs what came out?",
    "if loss < 0.1: print(epoch)": "Python goes on in one of two ways. What must it know?",
    'print(f"{loss:.3f}")': "What the text looks like is said. What else is needed for it?",
    "print(loss)": "Here torch must choose the format too. What did the lesson's cell count?",
    "lowest = min(losses)": "Python's `min` goes through ten losses, one after the other.",
}
WORDS = ("none", "one", "several")
ONLY = 'Each line needs one of "none", "one", "several".'


def examine_reads(answer, dice) -> None:
    """Each line's word, beside what is counted here and now, as the lesson counts."""
    if type(answer) is not dict or answer.keys() != LINES.keys():
        raise Wrong(f"you gave {shown(answer)}", "Change only the values of the cell's dictionary.")
    names = dict.fromkeys(("total", "best", "loss"), torch.rand(()))
    names |= {"losses": torch.rand(10), "torch": torch, "epoch": 7, "print": str}
    hints = []  # which lines they are is not said: one could guess line by line
    for line, hint in LINES.items():
        count = count_reads(lambda line=line: exec(line, names))
        if str(answer[line]) != WORDS[min(count, 2)]:
            hints.append(hint if answer[line] in WORDS else ONLY)
    if hints:
        raise Wrong(f"{7 - len(hints)} of 7 lines are right", hints[0])


def steps_between(a, b, share) -> int:
    """The smallest whole k, 1 or more, for which b / (k·a + b) is under `share`."""
    return math.floor((b / share - b) / a) + 1


def usual_costs(dice):
    """Reads that are cheap and dear. The k that is not rounded is never near a whole number."""
    for steps, share in ((6, 0.05), (0, 0.4), (dice.randint(20, 40), 0.02), (9, 0.3)):
        for low in (0.15, 0.65):
            a = dice.uniform(2e-4, 9e-4)
            b = (steps + dice.uniform(low, low + 0.2)) * a / (1 / share - 1)
            yield a, b, share


WHOLE = "Reads are in the whole time too: is yours the smallest k for b / (k·a + b)?"
STEPS_MISTAKES = (
    like(lambda *c: steps_between(*c) - 1, "With so few steps the reads take `share` or more."),
    like(lambda *c: steps_between(*c) + 1, "One step fewer is enough."),
    like(lambda a, b, share: (b / share - b) / a, "A number of steps is whole."),
    like(lambda a, b, share: math.ceil(b / (share * a)), WHOLE),
    like(lambda a, b, share: math.ceil(100 * b / a), "That is for 1 %. Here `share` says it."),
    like(lambda a, b, share: math.ceil(b / a), "Where does `share` come in?"),
    like(lambda a, b, share: steps_between(b, a, share), "`a` is for a step, `b` for a read."),
    like(lambda a, b, share: steps_between(a, b, share / 100), "`share` is not in per cent."),
)


def examine_steps(answer, dice) -> None:
    """The numbers, then whether they are whole ones of Python or numpy."""
    gives(STEPS, steps_between, usual_costs, STEPS_MISTAKES)(answer, dice)
    came = ask(answer, 2e-4, 3e-4, 0.07)
    if isinstance(came, float):
        raise Wrong(f"steps_between(0.0002, 0.0003, 0.07) gave {came!r}", "Give an int, no float.")


EXERCISES = {
    "4.1": Exercise(
        COST,
        gives(COST, cost_of_a_read, two_runs, COST_MISTAKES),
        (
            "How many seconds of each run are for its epochs? Both runs have the same two costs.",
            "Write both times as epochs·a + reads·b: two equations, of which b is wanted.",
            "For each run: seconds / epochs and reads / epochs. Then divide the two differences.",
        ),
    ),
    "4.2": Exercise(
        KEEP,
        examine_keep,
        (
            "Which of your lines needs the number at once, and which can wait for the end?",
            "`detach()` cuts a loss off its graph; `torch.stack` makes a list into one tensor.",
            "Append each loss without its graph; after the loop, stack and `.tolist()` once.",
        ),
        handed_over=("train_and_keep",),
    ),
    "4.3": Exercise(
        '"none", "one" or "several" beside each line of reads',
        examine_reads,
        (
            "For each line ask: must Python know the number, or can the device go on alone?",
            "A tensor's `+` and torch.minimum stay on the device; `if`, `min` and text ask for it.",
            "Measure it: `count_reads(lambda: min(losses))`, and in the same way the others.",
        ),
    ),
    "4.4": Exercise(
        STEPS,
        examine_steps,
        (
            "In k steps there is one read. What is the whole time, and what part of it the read's?",
            "Solve b / (k·a + b) < share for k, or try k = 1, 2, 3 and so on.",
            "k must be above (b / share - b) / a: take the next whole number above it.",
        ),
    ),
}
