"""Lesson 2's exercises: a batch on a device, all on one device, a clock that waits."""

import torch
from torch import nn

from day37.exercises.checking import Exercise, Trial, judge, like, takes
from day37.exercises.refusing import names_in
from day37.exercises.running import Wrong, ask_told
from day37.exercises.showing import same, shown

BATCH_ERRORS = {  # what stands in an error → the hint
    "'dict' object has no": "A dict has no `.to`: its tensors have. Take them one by one.",
    "cuda": "Not every machine has CUDA. Use the `device` that is given.",
    "KeyError": "Another batch has other names. Go through those that it has.",
}
DEVICE_ERRORS = {
    "positional argument": "Keep the star in (model, *tensors): it takes any number of them.",
    "no attribute 'device'": "A model has no `.device`. The tensors that it keeps have one.",
}
CLOCK = "`clock` is a function: it tells the time when called, with ()."
TIMED_ERRORS = {"unsupported operand": CLOCK}


def draw_batch(dice, size: int, far: int) -> dict[str, torch.Tensor]:
    """So many tensors, whole numbers and others in turn, on the CPU; `far` of them on meta."""
    gone = dice.sample(range(size), far)
    batch = {}
    for i, name in enumerate(dice.sample(("x", "y", "rows", "labels", "mask"), size)):
        numbers = torch.tensor(dice.choices(range(2, 99), k=9 + size))
        tensor = numbers if i % 2 else numbers.reshape(-1, 1) / torch.tensor([4, 5, 7])
        batch[name] = tensor.to("meta" if i in gone else "cpu")
    return batch


def examine_batch(answer, dice) -> None:
    """Batches to be moved whole or in part, and one in which each tensor is there already."""
    takes(answer, "to_device(batch, device)")
    sizes = [(2, 0, "meta"), (4, 1, torch.device("meta")), (5, dice.randint(1, 3), "meta")]
    for size, far, device in (*sizes, (1, 0, "meta"), (3, 0, torch.device("cpu"))):
        batch = draw_batch(dice, size, far)
        before = dict(batch)
        numbers = {name: tensor.clone() for name, tensor in batch.items()}
        given = f"to_device({shown(before)}, {str(device)!r})"
        came = ask_told(given, answer, batch, device, advice=BATCH_ERRORS)
        hint = fault(came, batch, before, numbers, torch.device(device))
        if hint:
            raise Wrong(f"{given} gave {shown(came)}", hint)


def fault(came, batch: dict, before: dict, numbers: dict, device: torch.device) -> str:
    """What is wrong with the dict that came, or was done to the one that was given; else ""."""
    away = [name for name in before if before[name].device != device]
    if batch.keys() != before.keys() or any(batch[name] is not before[name] for name in before):
        return "The batch that was given was changed, and it must stay. Begin with a new dict."
    if any(differ(before[name], numbers[name]) for name in before):
        return "A tensor that was given was changed, and it must stay as it was."
    if not isinstance(came, dict):
        return "A dict is wanted: is there a return? Each name of the batch belongs in it."
    if came.keys() == set(away) != before.keys():
        return "A tensor that is on the device already belongs in the new dict, too."
    if len(before) > 1 and list(came) == list(before)[:1]:
        return "Only the first tensor came. Is the `return` inside the loop?"
    tensors = all(isinstance(each, torch.Tensor) for each in came.values())
    if came.keys() != before.keys() or not tensors:
        return "The new dict must have the names of the batch, all of them, each with a tensor."
    if away and all(came[name] is before[name] for name in away):
        return "`Tensor.to` returns a tensor on the device. What did you do with what it returned?"
    if came is batch:
        return "Give a new dict, also where no tensor has to move."
    if any(tensor.device != device for tensor in came.values()):
        return "Each tensor must be on the `device` that is given, and on no other."
    if any(differ(came[name], before[name]) for name in before):
        return "Moving changes the place only: shape, kind of numbers and numbers must stay."
    return ""


def differ(one, other) -> bool:
    """Whether two tensors differ but in their device; on meta there are no numbers."""
    unlike = (one.shape, one.dtype) != (other.shape, other.dtype)
    return unlike or not (one.is_meta or other.is_meta or torch.equal(one, other))


UNSEEN = {  # what alone is elsewhere, or is not there → the hint for a wrong answer
    "tensors": "The tensors count, too: the data may be where the model is not.",
    "parameter": "A later parameter may be elsewhere than the first. Look at all of them.",
    "buffer": "A model keeps more than parameters: each of its buffers must be there, too.",
    "first": "Of several tensors, only the last counts here. Does a loop forget what it found?",
    "last": "Of several tensors, only the first counts here. Is there a `return` in a loop?",
    "no buffers": "Many models have no buffers. That is no reason for False, nor for an error.",
    "no parameters": "A model may have no parameters, as `nn.ReLU()`. What do you do then?",
    "no tensors": "There may be no tensors at all. Then only the model counts.",
}


def network(home: str, norm: str, end: str) -> nn.Sequential:
    """Layers on `home`, with parameters and buffers; the last of both may be elsewhere."""
    norms = [nn.BatchNorm1d(3, affine=False, device=at) for at in (home, norm)]  # buffers only
    inner = nn.Sequential(*norms, nn.Linear(3, 2, device=end))
    return nn.Sequential(nn.Linear(2, 3, device=home), inner)


def calls(dice):
    """A name, a model, tensors: all on one device ("same"), or as the name says."""
    bare = []
    for home, away in dice.sample([("cpu", "meta"), ("meta", "cpu")], 2):
        here, there = [torch.ones(dice.randint(2, 9), device=at) for at in (home, away)]
        whole = network(home, home, home)
        yield from [("same", whole, [here, here]), ("tensors", whole, [there])]
        yield from [("parameter", network(home, home, away), [here])]
        yield from [("buffer", network(home, away, home), [here])]
        yield from [("first", whole, [there, here, here]), ("last", whole, [here, here, there])]
        bare += [("no buffers", whole[0], tensors) for tensors in ([here], [there])]
        bare += [("no parameters", nn.ReLU(), tensors) for tensors in ([here], [here, there])]
        bare += [("no parameters", whole[1][0], tensors) for tensors in ([here], [there])]
        bare += [("no tensors", network(home, at, home), []) for at in (home, away)]
    yield from bare


def examine_devices(answer, dice) -> None:
    """Each thing alone elsewhere, both ways; then calls in which something is not there."""
    kinds = sorted({"is_cpu", "is_cuda", "is_meta"} & names_in(answer))
    if kinds:
        raise Wrong(
            f"your code uses {kinds[0]}",
            "That attribute knows one kind of device. Compare `.device`.",
        )
    wrong = {}  # name: what was seen
    right = {}
    for name, model, tensors in calls(dice):
        groups = [model.parameters(), model.buffers(), tensors]
        words = [" and ".join(sorted({str(t.device) for t in g})) or "none" for g in groups]
        given = "parameters on {}, buffers on {}, tensors on {}".format(*words)
        wanted = set(words) - {"none"} in ({"cpu"}, {"meta"})
        try:
            came = ask_told(given, answer, model, *tensors, advice=DEVICE_ERRORS)
        except Wrong as error:
            if wrong:
                break  # what was wrong before says more
            hint = UNSEEN[name] if name.startswith("no ") else ""
            raise Wrong(error.seen, error.hint or hint) from None
        seen = f"{given}: it gave {shown(came)}"
        if not (same(came, True) or same(came, False)):
            raise Wrong(seen, "Return True or False in every case. Is there a way without return?")
        (right if came == wanted else wrong).setdefault(name, seen)
    if wrong:
        raise Wrong(*explained(wrong, right))


def explained(wrong: dict[str, str], right: dict[str, str]) -> tuple[str, str]:
    """Of the wrong calls the one to be shown, and the hint."""
    name = next(name for name in ("same", *UNSEEN) if name in wrong)
    seen = wrong[name]
    if not right:
        return seen, "It is the other way round: True if all is on one device."
    if name == "same":
        group = "Compare devices: a text, or a group of tensors, is none."
        return seen, "Any device will do, if it is the same for all." if name in right else group
    if not {"tensors", "parameter", "buffer"} <= wrong.keys():
        return seen, UNSEEN[name]
    only = "You compare the tensors with one another only. Where is the model?"
    return seen, "" if "first" in wrong else only


def fake_device(earlier: float, handing: float, seconds: float, now: float):
    """`work`, `wait`, the clock of a device with earlier work in its queue; and what they did."""
    done = []  # what was called, with the time at its end
    idle_at = now + earlier

    def work():
        nonlocal now, idle_at
        now += handing
        idle_at = max(idle_at, now) + seconds
        done.append(("work", now))

    def wait():
        nonlocal now
        now = max(now, idle_at)
        done.append(("wait", now))

    def read():
        done.append(("clock", now))
        return now

    return work, wait, read, done


TIMINGS = {  # what a wrong answer gives for earlier work e, handing over h and the work w
    "That is the handing over only: the device is not done yet.": lambda e, h, w: h,
    "Earlier work is in your time: is the queue empty at first?": lambda e, h, w: max(e, h) + w,
    "You read the clock before you wait for the earlier work.": lambda e, h, w: e + h + w,
    "Your clock starts too late: handing over is part of the time.": lambda e, h, w: w,
    "Give seconds: nothing is to be multiplied by 1000.": lambda e, h, w: 1e3 * (h + w),
    "Take the end less the start, not the other way round.": lambda e, h, w: -(h + w),
}


def examine_timing(answer, dice) -> None:
    """Random times, with much earlier work in the queue, and once with none."""
    takes(answer, "timed(work, wait, clock)")
    trials = []
    for busy in (1, 1, 0, 1):
        times = (busy * dice.randint(6, 9), dice.randint(1, 99) / 100, dice.randint(11, 59) / 10)
        *device, done = fake_device(*times, now=dice.uniform(100, 900))
        given = "earlier work {} s, handing over {} s, the work {} s".format(*times)
        came = ask_told(given, answer, *device, advice=TIMED_ERRORS)
        if not same(came, times[1] + times[2]):
            hint = fault_in_calls(came, done, times[1])
            if hint:
                raise Wrong(f"{given}: it gave {shown(came)}", hint)
            trials.append(Trial(f"{given}: it", came, times))
    judge(trials, [like(formula, hint) for hint, formula in TIMINGS.items()])


def fault_in_calls(came, done: list[tuple[str, float]], handing: float) -> str:
    """What is wrong with the calls that led to a wrong time: a hint, or ""."""
    names = [name for name, _ in done]
    if "clock" not in names:
        return "Read the clock that is given: no other one knows this device's time."
    if names.count("work") != 1:
        return "Call `work` once, with ()."
    if any(name == "clock" and same(came, now) for name, now in done):
        return "That is what the clock says at one moment. How long is it from start to end?"
    if names[-1] == "wait" and same(came, handing):
        return "You wait after you have read the clock. That is too late."
    return "One number is wanted, from start to end." if isinstance(came, list | tuple) else ""


BATCH_HINTS = (
    "Where is each tensor, and where should it be? Go through the batch by its names.",
    "`for name, tensor in batch.items():` gives each pair; `tensor.to(device)` is what you want.",
    "Begin with `moved = {}`. In the loop put what `.to` returns into it, under the same name.",
)
DEVICE_HINTS = (
    "Each tensor knows its device. Collect the devices of all tensors, the model's and the others.",
    "`model.parameters()` and `model.buffers()` go through what it keeps. A set keeps one of each.",
    "Begin with `places = set()`, add each `.device` in three loops. How long may `places` be?",
)
TIMED_HINTS = (
    "Think of the queue: what is in it when you start the clock, and what when you stop it?",
    "`wait` waits until the queue is empty. So it must be when you read the clock, at both ends.",
    "The order is: wait, read the clock, work, wait, read the clock. Return end - start.",
)
EXERCISES = {
    "2.1": Exercise("to_device(batch, device)", examine_batch, BATCH_HINTS),
    "2.2": Exercise("all_on_one_device(model, *tensors)", examine_devices, DEVICE_HINTS),
    "2.3": Exercise("timed(work, wait, clock)", examine_timing, TIMED_HINTS),
}
