"""Lesson 2's exercises: right answers, and wrong ones with their hints."""

import copy
import itertools
import time

import pytest
import torch

from tests.exercises.marking import fails, passes


def by_a_loop(batch, device):
    moved = {}
    for name, tensor in batch.items():
        moved[name] = tensor.to(device)
    return moved


def by_a_copy(batch, device):
    batch = dict(batch)
    for name in batch:
        if batch[name].device != torch.device(device):
            batch[name] = batch[name].to(device)
    return batch


def by_a_deep_copy(batch, device):
    batch = copy.deepcopy(batch)
    batch.update({name: batch[name].to(device) for name in sorted(batch)})
    return batch


def by_pairs(batch, device):
    return dict(zip(batch, [tensor.to(device=device) for tensor in batch.values()], strict=True))


@pytest.mark.parametrize("to_device", [by_a_loop, by_a_copy, by_a_deep_copy, by_pairs])
def test_a_batch_is_moved(to_device):
    passes("2.1", to_device)


def not_kept(batch, device):
    for tensor in batch.values():
        tensor.to(device)
    return batch


def not_kept_in_a_copy(batch, device):
    moved = dict(batch)
    for tensor in moved.values():
        tensor = tensor.to(device)
    return moved


def in_place(batch, device):
    for name in batch:
        batch[name] = batch[name].to(device)
    return batch


def in_place_without_return(batch, device):
    in_place(batch, device)


def return_in_the_loop(batch, device):
    moved = {}
    for name, tensor in batch.items():
        moved[name] = tensor.to(device)
        return moved
    return None


def only_those_that_move(batch, device):
    moved = {}
    for name, tensor in batch.items():
        if tensor.device != torch.device(device):
            moved[name] = tensor.to(device)
    return moved


def batch_if_all_are_there(batch, device):
    if all(tensor.device == torch.device(device) for tensor in batch.values()):
        return batch
    return by_a_loop(batch, device)


def numbers_changed(batch, device):
    moved = by_a_loop(batch, device)
    for tensor in batch.values():
        if not tensor.is_meta:
            tensor.zero_()
    return moved


def each(fn):
    """A wrong `to_device` that gives `fn(tensor, device)` for each tensor."""
    return lambda batch, device: {name: fn(tensor, device) for name, tensor in batch.items()}


WRONG_BATCHES = {
    "not kept": (not_kept, "What did you do with what it returned?"),
    "not kept in a copy": (not_kept_in_a_copy, "What did you do with what it returned?"),
    "in place": (in_place, "batch that was given was changed"),
    "in place, no return": (in_place_without_return, "batch that was given was changed"),
    "numbers changed": (numbers_changed, "tensor that was given was changed"),
    "return in the loop": (return_in_the_loop, "inside the loop"),
    "only those that move": (only_those_that_move, "already belongs in the new dict"),
    "the same dict": (batch_if_all_are_there, "also where no tensor has to move"),
    "typed in": (each(lambda tensor, device: tensor.to("meta")), "`device` that is given"),
    "CUDA": (each(lambda tensor, device: tensor.cuda()), "`device` that is given"),
    "empty": (each(lambda tensor, device: torch.empty_like(tensor, device=device)), "place only"),
    "floats": (each(lambda tensor, device: tensor.float().to(device)), "place only"),
    "devices": (each(lambda tensor, device: device), "each with a tensor"),
    "names": (lambda b, d: {name.upper(): t.to(d) for name, t in b.items()}, "names of the batch"),
    "two names": (lambda b, d: {"x": b["x"].to(d), "time": b["time"].to(d)}, "other names"),
    "list": (lambda batch, device: [t.to(device) for t in batch.values()], "A dict is wanted"),
    "dict.to": (lambda batch, device: batch.to(device), "one by one"),
    "print": (lambda batch, device: print(len(batch)), "is there a return?"),
    "one argument": (lambda batch: batch, "Write to_device(batch, device)"),
}


@pytest.mark.parametrize("name", WRONG_BATCHES)
def test_a_wrong_batch_has_its_hint(name):
    fails("2.1", *WRONG_BATCHES[name])


def by_a_set(model, *tensors):
    places = set()
    for parameter in model.parameters():
        places.add(parameter.device)
    for buffer in model.buffers():
        places.add(buffer.device)
    for tensor in tensors:
        places.add(tensor.device)
    return len(places) == 1


def by_the_state(model, *tensors):
    found = [tensor.device for tensor in [*model.state_dict().values(), *tensors]]
    return all(device == found[0] for device in found)


def by_text(model, *tensors):
    chain = itertools.chain(model.parameters(), model.buffers(), tensors)
    return len({str(tensor.device) for tensor in chain}) < 2


def by_a_loop_that_ends(model, *tensors):
    first = None
    for tensor in list(model.parameters()) + list(model.buffers()) + list(tensors):
        if first is None:
            first = tensor.device
        if tensor.device != first:
            return False
    return True


def by_everything(*everything):
    return by_a_set(*everything)


RIGHT_DEVICES = [by_a_set, by_the_state, by_text, by_a_loop_that_ends, by_everything]


@pytest.mark.parametrize("all_on_one_device", RIGHT_DEVICES)
def test_devices_are_compared(all_on_one_device):
    passes("2.2", all_on_one_device)


def one(tensors):
    return len({tensor.device for tensor in tensors}) <= 1


def kept_by(model):
    return [*model.parameters(), *model.buffers()]


def first_parameter_only(model, *tensors):
    return one([next(model.parameters()), *tensors])


def first_parameter_and_buffers(model, *tensors):
    return one([next(model.parameters()), *model.buffers(), *tensors])


def first_tensor(model, *tensors):
    for tensor in tensors:
        return one([*kept_by(model), tensor])
    return one(kept_by(model))


def last_tensor(model, *tensors):
    found = one(kept_by(model))
    for tensor in tensors:
        found = one([*kept_by(model), tensor])
    return found


def next_parameter(model, *tensors):
    device = next(model.parameters()).device
    return all(tensor.device == device for tensor in [*kept_by(model), *tensors])


def first_data(model, *tensors):
    return all(tensor.device == tensors[0].device for tensor in [*kept_by(model), *tensors])


def next_buffer(model, *tensors):
    return one([next(model.buffers()), *kept_by(model), *tensors])


def false_without_parameters(model, *tensors):
    return len(list(model.parameters())) > 0 and one([*kept_by(model), *tensors])


def by_is_cuda(model, *tensors):
    cuda = next(model.parameters()).is_cuda
    return all(tensor.is_cuda == cuda for tensor in tensors)


def nothing_if_false(model, *tensors):
    if one([*kept_by(model), *tensors]):
        return True
    return None


def compared_with(device):
    """A wrong answer that asks for one certain device."""
    return lambda model, *data: all(t.device == device for t in [*kept_by(model), *data])


WRONG_DEVICES = {
    "first parameter": (first_parameter_only, "Look at all of them"),
    "first parameter and buffers": (first_parameter_and_buffers, "Look at all of them"),
    "no buffers": (lambda model, *data: one([*model.parameters(), *data]), "each of its buffers"),
    "no data": (lambda model, *data: one(kept_by(model)), "tensors count, too"),
    "parameters": (lambda model, *data: one(model.parameters()), "tensors count, too"),
    "only data": (lambda model, *data: one(data), "Where is the model?"),
    "first data": (first_tensor, "only the first counts"),
    "last data": (last_tensor, "only the last counts"),
    "certain": (compared_with(torch.device("cpu")), "Any device will do"),
    "text": (compared_with("cpu"), "a text, or a group of tensors"),
    "turned": (lambda model, *data: not by_a_set(model, *data), "the other way round"),
    "next parameter": (next_parameter, "may have no parameters"),
    "false without parameters": (false_without_parameters, "may have no parameters"),
    "next buffer": (next_buffer, "no buffers"),
    "next data": (first_data, "no tensors at all"),
    "is_cuda": (by_is_cuda, "one kind of device"),
    "model.device": (lambda model, *data: model.device == data[0].device, "no `.device`"),
    "no star": (lambda model, data: one([*kept_by(model), data]), "Keep the star"),
    "nothing if false": (nothing_if_false, "without return"),
    "typed in": (lambda model, *data: True, "Hint 1 of 3"),
}


@pytest.mark.parametrize("name", WRONG_DEVICES)
def test_wrong_devices_have_their_hint(name):
    fails("2.2", *WRONG_DEVICES[name])


def by_waiting_at_both_ends(work, wait, clock):
    wait()
    start = clock()
    work()
    wait()
    return clock() - start


def by_times_in_a_list(work, wait, clock):
    times = []
    for fn in (wait, work):
        fn()
        wait()
        times.append(clock())
    return times[1] - times[0]


def by_a_warm_up(work, wait, clock):
    work()
    return by_waiting_at_both_ends(work, wait, clock)


RIGHT_TIMINGS = [by_waiting_at_both_ends, by_times_in_a_list, by_a_warm_up]


@pytest.mark.parametrize("timed", RIGHT_TIMINGS)
def test_a_clock_waits(timed):
    passes("2.3", timed)


def in_order(order, *, result=lambda told: told[-1] - told[0]):
    """A `timed` that calls work (J), wait (W) and clock (C) in this order."""

    def timed(work, wait, clock):
        told = []
        for letter in order:
            if letter == "C":
                told.append(clock())
            else:
                {"J": work, "W": wait}[letter]()
        return result(told)

    return timed


def by_another_clock(work, wait, clock):
    wait()
    start = time.perf_counter()
    work()
    wait()
    return time.perf_counter() - start


WRONG_TIMINGS = {
    "no wait at the end": (in_order("WCJC"), "not done yet"),
    "no wait": (in_order("CJC"), "not done yet"),
    "clock before the wait": (in_order("WCJCW"), "That is too late"),
    "no wait at the start": (in_order("CJWC"), "Earlier work"),
    "started too early": (in_order("CWJWC"), "before you wait for the earlier work"),
    "started too late": (in_order("WJCWC"), "starts too late"),
    "end only": (in_order("WCJWC", result=lambda told: told[-1]), "at one moment"),
    "start only": (in_order("WCJWC", result=lambda told: told[0]), "at one moment"),
    "both": (in_order("WCJWC", result=tuple), "One number"),
    "ms": (in_order("WCJWC", result=lambda told: 1e3 * (told[1] - told[0])), "Give seconds"),
    "turned": (in_order("WCJWC", result=lambda told: told[0] - told[1]), "the other way round"),
    "another clock": (by_another_clock, "clock that is given"),
    "no work": (in_order("WCWC"), "Call `work` once"),
    "work twice": (in_order("WCJJWC"), "Call `work` once"),
    "nothing": (in_order("WCJWC", result=lambda told: None), "is there a return?"),
    "not called": (lambda work, wait, clock: clock - clock, "when you call it"),
    "two arguments": (lambda work, wait: work(), "Write timed(work, wait, clock)"),
    "typed in": (in_order("WCJWC", result=lambda told: 2.5), "gave this very number too"),
}


@pytest.mark.parametrize("name", WRONG_TIMINGS)
def test_a_wrong_timing_has_its_hint(name):
    fails("2.3", *WRONG_TIMINGS[name])
