import math
from dataclasses import replace

import pytest
import torch

from day37 import MLP, load_iris, measure_phases, profile_timeline
from day37.experiments.arithmetic import Account, ArithmeticFloor, measure_account, measure_floor
from day37.experiments.operations import OperationCount, count_operations
from day37.experiments.phases import PHASES, StepPhases
from day37.results import Live, Measurement

GPU = Live("cuda:0", "a GPU", "today")
CPU = Live("cpu", "a CPU", "today")


def flops(model, data):
    return measure_floor(model, data, size=8, repeats=1).flops


def test_flops_are_those_of_the_five_products(data):
    assert flops(MLP(), data) == 2 * 120 * (40 + 30 + 40 + 30 + 30)
    assert flops(MLP(hidden=20), data) == 2 * 120 * (80 + 60 + 80 + 60 + 60)


def test_the_floor_is_flops_over_rate(model, data, monkeypatch):
    ticks = iter(range(0, 1000, 2))  # 2 s from each reading to the next, three readings a sample
    monkeypatch.setattr("day37.timing.clock", lambda: next(ticks))
    floor = measure_floor(model, data, size=64, repeats=3)
    assert floor.matmul.samples == (4, 4, 4)
    assert floor.rate == 2 * 64**3 / 4
    assert floor.seconds == pytest.approx(40_800 * 4 / (2 * 64**3))
    assert floor.matmul.origin.device == "cpu"


def test_the_floor_multiplies_two_square_matrices(model, data, monkeypatch):
    seen = []
    real = torch.Tensor.__matmul__

    def spy(a, b):
        seen.append((tuple(a.shape), tuple(b.shape), a.dtype))
        assert not torch.equal(a, b)
        return real(a, b)

    monkeypatch.setattr(torch.Tensor, "__matmul__", spy)
    measure_floor(model, data, size=64, repeats=3)
    assert set(seen) == {((64, 64), (64, 64), torch.float32)}


def test_the_floor_prints_its_operations_its_rate_and_its_time():
    floor = ArithmeticFloor(40_000, 2e9, Measurement("matmul", (1.0,), CPU))
    assert floor.seconds == pytest.approx(20e-6)
    head, where = repr(floor).splitlines()
    assert head == "40,000 floating-point operations per step at 2 GFLOP/s: at least 20 µs"
    assert where.strip() == "LIVE, a CPU (cpu)"


@pytest.mark.parametrize("rate", [0.0, -1.0, math.nan])
def test_a_floor_without_a_rate_is_refused(rate):
    with pytest.raises(ValueError, match=f"rate must be above 0, but it is {rate}"):
        ArithmeticFloor(40_000, rate, Measurement("matmul", (1.0,), CPU))


def made_up(origin=GPU, kernels=(("gemm", 12.0),)):
    phases = StepPhases(
        {"forward": Measurement("forward", (150e-6,), origin)},
        Measurement("whole step", (200e-6,), origin),
    )
    counted = OperationCount({"aten::mm": 30.0}, dict(kernels), 2.0, 1.0, 50e-6, origin)
    floor = ArithmeticFloor(1000, 1e9, Measurement("matmul", (1.0,), origin))
    return Account(phases, counted, floor)


def test_an_account_prints_counts_and_the_floors_share():
    account = made_up()
    assert account.idle == pytest.approx(0.75)
    lines = [line.split(maxsplit=2) for line in repr(account).splitlines()]
    assert ["operations", "30"] in lines
    assert ["kernels", "12", "50 µs in all: the device is idle 75% of the step"] in lines
    assert "copies, reads 2, 1" in [" ".join(line) for line in lines]
    assert [word.split() for word in lines[-2]] == [["arithmetic"], ["1"], ["0.50%", "at", "least"]]
    assert repr(account).splitlines()[-1] == "LIVE, a GPU (cuda:0)"
    assert [line[0] for line in lines[:4]] == ["phase", "forward", "sum", "whole"]


def test_an_account_says_why_it_holds_no_kernels():
    blind = made_up(kernels=())
    assert math.isnan(blind.idle)
    assert "the profiler saw none" in repr(blind)
    on_cpu = made_up(CPU, kernels=())
    assert math.isnan(on_cpu.idle)
    assert "none: the host computes" in repr(on_cpu)


def test_an_account_holds_parts_counts_and_floor(model, data):
    account = measure_account(model, data, steps=50)
    text = repr(account)
    assert len(account.phases.whole.samples) == 50
    assert account.operations.reads == 1
    assert account.floor.flops == 2 * 120 * (40 + 30 + 40 + 30 + 30)
    assert math.isnan(account.idle)
    words = (*PHASES, "operations", "none: the host computes", "0, 1", "arithmetic", "LIVE")
    assert all(word in text for word in words)
    quarter = account.phases.whole.median / 4
    kernels = replace(account.operations, kernels={"gemm": 20.0}, kernel_seconds=quarter)
    on_device = replace(account, operations=replace(kernels, origin=GPU))
    assert on_device.idle == pytest.approx(0.75)
    assert " 20 " in repr(on_device) and "idle 75%" in repr(on_device)


@pytest.mark.parametrize(
    "measure",
    [
        lambda model, data: measure_phases(model, data, steps=2, warmup=1),
        lambda model, data: count_operations(model, data, steps=2),
        lambda model, data: profile_timeline(model, data, steps=1),
        flops,
        lambda model, data: measure_account(model, data, steps=2),
    ],
    ids=["phases", "operations", "timeline", "floor", "account"],
)
def test_measuring_leaves_the_model_as_it_was(model, data, measure):
    before = [p.detach().clone() for p in model.parameters()]
    measure(model, data)
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU here")
def test_a_gpus_account_knows_how_long_the_device_is_idle():
    account = measure_account(MLP().to("cuda"), load_iris("cuda"), steps=200)
    assert 0 < account.idle < 1
    assert account.operations.reads == 1
    assert abs(account.phases.unexplained) < 0.2
