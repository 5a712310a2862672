from dataclasses import replace

import pytest
import torch

from day37 import MLP, load_iris, measure_phases
from day37.experiments import phases as module
from day37.experiments.phases import PHASES, StepPhases, split_step, time_laps
from day37.results import Live, Measurement
from day37.training import make_step

HERE = Live("cpu", "a CPU", "today")


class Read:
    """A step that takes its time where its loss is read."""

    def __init__(self, work):
        self.item = work

    def __call__(self):
        return self


def weights(model):
    return [p.detach().clone() for p in model.parameters()]


def test_the_phases_are_the_step(data):
    torch.manual_seed(1)
    whole = MLP()
    torch.manual_seed(1)
    parts = MLP()
    step = make_step(whole, data)
    phases = split_step(parts, data)
    assert tuple(phases) == PHASES
    for _ in range(5):
        step()
        for phase in phases.values():
            phase()
    assert all(torch.equal(a, b) for a, b in zip(weights(whole), weights(parts), strict=True))


def test_each_phase_does_what_its_name_says(model, data):
    phases = split_step(model, data, lr=0.5)
    before = weights(model)
    phases["forward"]()
    phases["loss"]()
    phases["zero_grad"]()
    assert all(p.grad is None for p in model.parameters())
    phases["backward"]()
    gradients = [p.grad.clone() for p in model.parameters()]
    assert all(torch.equal(a, b) for a, b in zip(before, weights(model), strict=True))
    phases["optimizer step"]()
    for old, gradient, new in zip(before, gradients, weights(model), strict=True):
        assert torch.equal(new, old - 0.5 * gradient)
    model.load_state_dict(dict(zip(model.state_dict(), before, strict=True)))
    loss = torch.nn.functional.cross_entropy(model(data.x_train), data.y_train)
    assert phases["read"]() == loss.item()


def test_laps_are_read_between_the_functions(clock):
    clock.now = 50.0
    assert time_laps(clock.work(2), clock.work(5), clock.work(1)) == [2, 5, 1]
    assert time_laps(clock.work(3)) == [3]


def test_laps_wait_for_no_device(monkeypatch):
    waits = []
    monkeypatch.setattr("day37.timing.synchronize", waits.append)
    time_laps(lambda: waits.append("a"), lambda: waits.append("b"))
    cpu = torch.device("cpu")  # which queues nothing
    assert waits == [cpu, "a", "b", cpu]


def test_phases_are_timed_without_the_warm_up(model, data, clock, monkeypatch):
    seconds = dict(zip(PHASES, (1, 2, 3, 4, 5, 6), strict=True))
    calls = []

    def work(name):
        def fn():
            calls.append(name)
            warming = calls.count(name) <= 2
            clock.now += 99 if warming else seconds.get(name, 24)

        return fn

    parts = {name: work(name) for name in PHASES}
    monkeypatch.setattr(module, "split_step", lambda *_: parts)
    monkeypatch.setattr(module, "make_step", lambda *_: Read(work("whole")))
    phases = measure_phases(model, data, steps=4, warmup=2)
    assert calls == [*PHASES, "whole"] * 6
    samples = {name: m.samples for name, m in phases.phases.items()}
    assert samples == {name: (s,) * 4 for name, s in seconds.items()}
    assert {name: m.name for name, m in phases.phases.items()} == {name: name for name in PHASES}
    assert phases.total == 21
    assert phases.whole.samples == (24,) * 4
    assert phases.whole.name == "whole step"
    assert phases.unexplained == 1 - 21 / 24
    assert "unexplained: 12% of it" in repr(phases)
    exact = replace(phases, whole=replace(phases.whole, samples=(22.0,)))
    assert "they differ by 4.5%" in repr(exact)


def test_the_phases_are_of_one_copy_that_trains(model, data, monkeypatch):
    seen = {}
    real = {name: getattr(module, name) for name in ("split_step", "make_step")}

    def spy_on(name):
        def spy(model, data):
            seen[name] = model
            return real[name](model, data)

        monkeypatch.setattr(module, name, spy)

    spy_on("split_step")
    spy_on("make_step")
    measured = measure_phases(model, data, steps=3, warmup=0)
    assert seen["split_step"] is seen["make_step"] is not model
    torch.manual_seed(42)
    step = make_step(MLP(), data)
    for _ in range(6):
        step()
    assert make_step(seen["make_step"], data)().item() == step().item()
    assert measured.whole.origin.device == "cpu"
    assert len(measured.whole.samples) == 3


def made_up_phases(whole_us, **us):
    timed = {name: Measurement(name, (each * 1e-6,), HERE) for name, each in us.items()}
    return StepPhases(timed, Measurement("whole step", (whole_us * 1e-6,), HERE))


def test_phases_print_their_time_and_their_share_of_the_whole():
    phases = made_up_phases(200, a=50, b=110)
    assert phases.total == pytest.approx(160e-6)
    assert phases.unexplained == pytest.approx(0.2)
    lines = [line.split() for line in repr(phases).splitlines()]
    assert lines[0] == ["phase", "µs", "share"]
    assert lines[1] == ["a", "50.0", "25%"]
    assert lines[2] == ["b", "110.0", "55%"]
    assert lines[3] == ["sum", "of", "phases", "160.0"]
    assert lines[4] == ["whole", "step", "200.0", "unexplained:", "20%", "of", "it"]
    assert repr(phases).splitlines()[5:] == ["LIVE, a CPU (cpu)"]


def test_phases_that_take_longer_than_the_whole_say_so_too():
    more = made_up_phases(200, a=150, b=70)
    assert more.unexplained == pytest.approx(-0.1)
    assert "unexplained: -10% of it" in repr(more)
    assert "they differ by 4.0%" in repr(made_up_phases(200, a=150, b=58))


def test_more_rows_stand_below_the_whole_step():
    *_, whole, one, two = (
        made_up_phases(200, a=50)
        .table(("one", "1", "2", "three"), ("two", "", "", ""))
        .splitlines()
    )
    assert whole.startswith("whole step")
    assert (one.split(), two) == (["one", "1", "2", "three"], "two")


def test_a_step_without_phases_is_refused():
    with pytest.raises(ValueError, match="phases must be one phase or more"):
        made_up_phases(200)


def test_an_interrupt_keeps_the_whole_steps(model, data, clock, monkeypatch):
    calls = []

    def stop_in_the_fourth():
        calls.append(1)
        clock.now += 1
        if len(calls) == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(module, "make_step", lambda *_: Read(stop_in_the_fourth))
    phases = measure_phases(model, data, steps=9, warmup=1)
    assert phases.whole.samples == (1, 1)
    assert {len(m.samples) for m in phases.phases.values()} == {2}


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU here")
def test_a_gpus_phases_add_up_to_the_step():
    phases = measure_phases(MLP().to("cuda"), load_iris("cuda"), steps=200)
    assert phases.whole.origin.device == "cuda:0"
    assert abs(phases.unexplained) < 0.2
