import pytest
import torch

from day37.experiments.fixed_costs import CopyCosts, LaunchCost, measure_copies, measure_launch
from day37.results import Live, Measurement


def times(*medians):
    origin = Live("cpu", "a CPU", "today")
    return tuple(Measurement("m", (float(t),) * 10, origin) for t in medians)


def spy_on_copies(monkeypatch, then):
    """Each copy as (from, to, bytes read, bytes written); `then` is called with the bytes."""
    seen = []
    real = torch.Tensor.copy_

    def spy(target, source, *more):
        seen.append((source.device.type, target.device.type, source.nbytes, target.nbytes))
        then(source.nbytes)
        return real(target, source, *more)

    monkeypatch.setattr(torch.Tensor, "copy_", spy)
    return seen


@pytest.fixture
def copied(monkeypatch, clock):
    """Every copy that is made, each taking a second a byte."""
    return spy_on_copies(monkeypatch, lambda size: clock.work(size)())


def test_copies_go_from_the_host_to_the_device(copied):
    measure_copies("meta", sizes=(4, 4_000), repeats=2)  # no host, and on any machine
    assert list(dict.fromkeys(copied)) == [("cpu", "meta", 4, 4), ("cpu", "meta", 4_000, 4_000)]


def test_copies_are_timed_one_by_one(copied):
    copies = measure_copies(sizes=(8, 400, 40), repeats=3)
    assert copies.sizes == (8, 400, 40)
    assert [m.samples for m in copies.times] == [(8,) * 3, (400,) * 3, (40,) * 3]


def test_copies_know_latency_and_bandwidth():
    copies = measure_copies(sizes=(4, 4_000), repeats=3)
    assert copies.latency == copies.times[0].median
    assert copies.bandwidth == 4_000 / copies.times[1].median
    assert [len(m.samples) for m in copies.times] == [3, 3]


def test_copies_say_to_which_device(copied):
    assert measure_copies("meta", sizes=(4,), repeats=1).times[0].origin.device == "meta"
    assert measure_copies(sizes=(4,), repeats=1).times[0].origin.device == "cpu"


def test_a_copy_waits_for_its_device(clock, monkeypatch):
    waits = {"cpu": 1, "meta": 10}
    monkeypatch.setattr("day37.timing.synchronize", lambda d: clock.work(waits[d.type])())
    assert measure_copies("meta", sizes=(4,), repeats=2).times[0].samples == (10, 10)


def test_an_interrupt_keeps_the_sizes_that_are_done(monkeypatch):
    def press_stop(size):
        if size == 400 and len(seen) > 50:  # in a round, after the warm-up
            raise KeyboardInterrupt

    seen = spy_on_copies(monkeypatch, press_stop)
    copies = measure_copies(sizes=(4, 40, 400, 4_000), repeats=20)
    assert copies.sizes == (4, 40)
    assert [len(m.samples) for m in copies.times] == [20, 20]
    with pytest.raises(KeyboardInterrupt):
        measure_copies(sizes=(400, 4), repeats=20)


def test_the_latency_is_the_smallest_copys_and_the_bandwidth_the_largests():
    copies = CopyCosts((4, 40, 8_000_000_000), times(0.5, 3, 2))
    assert copies.latency == 0.5
    assert copies.bandwidth == 4e9
    head, where = repr(copies).splitlines()
    assert head == "copies: 500 ms for 4 bytes, 4.0 GB/s at 8,000,000,000"
    assert where.strip() == "LIVE, a CPU (cpu)"


@pytest.mark.parametrize(("sizes", "seconds"), [((), ()), ((4, 40), (1,)), ((4,), (1, 2))])
def test_copies_without_a_time_for_each_size_are_refused(sizes, seconds):
    allowed = f"times must be as many as sizes, {len(sizes)}, and one or more"
    with pytest.raises(ValueError, match=f"{allowed}, but it is '{len(seconds)} measurements'"):
        CopyCosts(sizes, times(*seconds))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU here")
def test_copies_leave_the_host_for_a_gpu(monkeypatch):
    seen = spy_on_copies(monkeypatch, lambda _: None)
    copies = measure_copies("cuda", sizes=(4, 40_000_000), repeats=8)
    assert list(dict.fromkeys(seen)) == [
        ("cpu", "cuda", 4, 4),
        ("cpu", "cuda", 40_000_000, 40_000_000),
    ]
    assert copies.times[0].origin.device == "cuda:0"


def test_a_launch_is_one_of_many(clock, monkeypatch):
    waits = iter([0.0, 10.0] * 3)
    monkeypatch.setattr("day37.timing.synchronize", lambda _: clock.work(next(waits))())
    cost = measure_launch(launches=10, repeats=2)
    assert cost.queued.samples == (0.0, 0.0)
    assert cost.finished.samples == (1.0, 1.0)
    assert (cost.queued.name, cost.finished.name) == ("queued", "finished")


def spy_on_launches(monkeypatch, then):
    """The device of each operation; `then` is called with how many there were."""
    seen = []
    real = torch.Tensor.add_

    def spy(x, number):
        seen.append((x.device.type, x.numel(), number))
        then(len(seen))
        return real(x, number)

    monkeypatch.setattr(torch.Tensor, "add_", spy)
    return seen


def test_as_many_operations_are_launched_as_are_told(clock, monkeypatch):
    seen = spy_on_launches(monkeypatch, clock.work(3))
    cost = measure_launch(launches=7, repeats=2)
    assert cost.launches == 7
    assert cost.queued.samples == cost.finished.samples == (3, 3)
    assert seen == [("cpu", 1, 1)] * (7 * 3)  # the warm-up is one more


def test_launches_are_on_the_device_that_is_told(monkeypatch):
    seen = spy_on_launches(monkeypatch, lambda _: None)
    cost = measure_launch("meta", launches=7, repeats=2)
    assert set(seen) == {("meta", 1, 1)}
    assert cost.queued.origin.device == cost.finished.origin.device == "meta"


def test_an_interrupt_keeps_the_launches_that_are_done(clock, monkeypatch):
    def press_stop(done):
        clock.now += 1
        if done == 7 * 4:
            raise KeyboardInterrupt

    spy_on_launches(monkeypatch, press_stop)
    cost = measure_launch(launches=7, repeats=9)
    assert cost.queued.samples == cost.finished.samples == (1, 1)


def test_a_launch_is_queued_first_and_finished_later():
    cost = LaunchCost(1000, *times(2, 5))
    head, where = repr(cost).splitlines()
    assert head == "1,000 small operations: queued in 2 s each, finished in 5 s each"
    assert where.strip() == "LIVE, a CPU (cpu)"
