import os
import runpy
from types import SimpleNamespace

import pytest
import torch

from day37 import MLP, count_reads, load_iris
from day37.experiments import operations as module
from day37.experiments.operations import OperationCount, count_operations, profile
from day37.results import Live

GPU = Live("cuda:0", "a GPU", "today")
CPU = torch.device("cpu")
LEVEL = "KINETO_LOG_LEVEL"


def test_operations_are_counted_per_step(model, data):
    one, many = (count_operations(model, data, steps=steps) for steps in (1, 10))
    products = many.operations["aten::mm"] + many.operations["aten::addmm"]
    assert products == pytest.approx(5)
    assert one.operations.keys() == many.operations.keys()
    assert sum(one.operations.values()) == pytest.approx(sum(many.operations.values()))
    assert (one.reads, many.reads) == (1, 1)
    assert many.kernels == {}
    assert not many.origin.recorded
    assert "no kernel launches" in repr(many)


def row(key, count, us=0.0, device_type="CUDA", is_user_annotation=False):
    """What torch's profiler tells of all calls of one kernel or operation."""
    return SimpleNamespace(
        key=key,
        count=count,
        device_type=getattr(torch.autograd.DeviceType, device_type),
        self_device_time_total=us,
        is_user_annotation=is_user_annotation,
    )


@pytest.fixture
def rows(monkeypatch):
    """The rows that the profiler is to give, as a list to be filled."""
    filled = []
    seen = SimpleNamespace(key_averages=lambda: filled)
    monkeypatch.setattr(module, "profile", lambda *_, **__: seen)
    return filled


def test_what_the_profiler_saw_is_counted_per_step(model, data, rows):
    rows.append(row("aten::mm", 6, 9.0, "CPU"))
    rows.append(row("aten::_local_scalar_dense", 2, 9.0, "CPU"))
    rows.append(row("cudaLaunchKernel", 1, 9.0, "CPU"))
    rows.append(row("forward", 1, 9.0, "CPU", is_user_annotation=True))
    rows.append(row("gemm", 4, 20.0))
    rows.append(row("relu", 2, 4.0))
    rows.append(row("Memcpy DtoH", 2, 200.0))
    counted = count_operations(model, data, steps=2)
    assert counted.operations == {"aten::mm": 3, "aten::_local_scalar_dense": 1}
    assert counted.kernels == {"gemm": 2, "relu": 1}
    assert (counted.reads, counted.copies) == (1, 1)
    assert counted.kernel_seconds == pytest.approx((4 * 5 + 2 * 2) / 2 * 1e-6)


def test_copies_are_no_launches_and_a_blind_profiler_says_so(model, data, rows):
    rows += [row("Memcpy HtoD", 1, 3.0), row("Memset", 1, 3.0), row("gemm", 2, 6.0)]
    counted = count_operations(model, data, steps=2)
    assert (counted.kernels, counted.copies) == ({"gemm": 1.0}, 1.0)
    assert (counted.operations, counted.reads) == ({}, 0)
    assert counted.kernel_seconds == pytest.approx(3e-6)
    blind = OperationCount({}, {}, 0.0, 0.0, 0.0, Live("mps", "a GPU", "today"))
    assert "saw no kernels" in repr(blind)


def test_a_range_that_was_named_is_no_kernel_on_the_device_either(model, data, rows):
    rows += [row("forward", 5, 900.0, is_user_annotation=True), row("gemm", 1, 2.0)]
    counted = count_operations(model, data, steps=1)
    assert counted.kernels == {"gemm": 1}
    assert counted.kernel_seconds == pytest.approx(2e-6)


def test_the_most_frequent_operations_are_printed_first():
    operations = {f"op {n}": float(n) for n in (3, 9, 1, 8, 2, 7, 6, 5, 4)}
    counted = OperationCount(operations, {"gemm": 20.0}, 1, 1, 1e-6, GPU)
    first, head, *lines = repr(counted).splitlines()
    assert first == "45 operations per step, 20 kernel launches; LIVE, a GPU (cuda:0)"
    assert head == "the most frequent  per step"
    assert [line.split() for line in lines] == [["op", str(n), str(n)] for n in range(9, 1, -1)]


def test_reads_are_counted():
    loss = torch.tensor(0.5)
    calls = []
    assert count_reads(lambda: calls.append(loss.item())) == 1 == len(calls)
    assert count_reads(lambda: bool(loss < 1)) == 1
    assert count_reads(lambda: float(loss) + float(loss)) == 2
    assert count_reads(lambda: str(loss)) >= 1
    assert count_reads(lambda: loss * 2) == 0
    assert count_reads(loss.tolist) == 0
    assert count_reads(loss.cpu) == 0


def test_a_result_whose_size_must_be_known_counts_as_a_read():
    numbers = torch.arange(5.0)
    mask = numbers > 2
    assert count_reads(lambda: numbers[mask]) == 1
    assert count_reads(mask.nonzero) == 1
    assert count_reads(lambda: torch.where(mask, numbers, 0.0)) == 0


def test_the_profile_is_of_the_steps_and_not_of_the_warm_up():
    numbers = torch.ones(3)
    calls = []

    def fn():
        calls.append(1)
        return numbers.cumsum(0)

    counts = {row.key: row.count for row in profile(fn, CPU, 4, warmup=3).key_averages()}
    assert len(calls) == 7
    assert counts["aten::cumsum"] == 4
    calls.clear()
    profile(fn, CPU, 1)
    assert len(calls) == 6


def test_the_device_is_waited_for_before_and_at_the_end_of_the_profile(monkeypatch):
    order = []
    monkeypatch.setattr(module, "synchronize", order.append)

    class Profiler:
        def __enter__(self):
            order.append("begin")
            return self

        def __exit__(self, *_):
            order.append("end")

    monkeypatch.setattr("torch.profiler.profile", Profiler)
    profile(lambda: order.append("fn"), CPU, 2, warmup=1)
    assert order == ["fn", CPU, "begin", "fn", "fn", CPU, "end"]


@pytest.mark.parametrize(
    ("gpu", "before", "after"), [(False, {}, "6"), (False, {LEVEL: "3"}, "3"), (True, {}, None)]
)
def test_the_profilers_chatter_is_turned_off_unless_it_was_set(monkeypatch, gpu, before, after):
    """At import, so that a lesson's own cell may use the profiler."""
    monkeypatch.delenv(LEVEL, raising=False)
    for name, value in before.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    runpy.run_path(module.__file__)
    assert os.environ.get(LEVEL) == after


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU here")
def test_a_gpu_launches_kernels():
    counts = count_operations(MLP().to("cuda"), load_iris("cuda"))
    assert sum(counts.kernels.values()) > 10
    assert counts.reads == 1
    assert 0 < counts.kernel_seconds < 1e-2
