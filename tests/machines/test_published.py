"""What others have published, as numbers: a figure that somebody changes in a file is seen here."""

import statistics

import pytest

from day37 import recorded
from day37.experiments.timeline import add_up
from day37.machines.recording import PUBLISHED, load

FILES = sorted(PUBLISHED.glob("*.json"))
CPU_4070 = "RECORDED, Intel Core i7-12800HX (cpu)"
GPU_4070 = "RECORDED, NVIDIA GeForce RTX 4070 Laptop GPU (cuda:0)"
CPU_3080 = "RECORDED, Intel Core i9-12900KF (cpu)"
GPU_3080 = "RECORDED, NVIDIA GeForce RTX 3080 Ti (cuda:0)"


def us(spans):
    """All spans together, in µs."""
    return add_up(spans) * 1e6


def each_us(spans):
    return [(span.end - span.start) * 1e6 for span in spans]


# What every file holds


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_says_what_it_is_from(path):
    recording = load(path)
    assert "commit" in recording.source or "comment of" in recording.source
    assert "MIT" in recording.source or "figures only" in recording.source
    assert recording.machine["gpu"] and recording.notes["recording"]
    assert recording.runs or recording.timelines or recording.tables


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_timeline_or_table_says_how_it_was_made_and_where_it_is_from(path):
    recording = load(path)
    results = {**recording.timelines, **recording.tables}
    profiled = "profiled: the host is slowed" in str(list(results.values()))
    assert profiled or not recording.timelines
    for key, result in results.items():
        first, *_, last = result.origin.note.split("; ")
        assert result.origin.recorded and result.origin.device in ("cuda:0", "cpu", "cpu and gpu")
        assert last.endswith(", MIT") == ("MIT" in recording.source)
        assert key in recording.notes or path.stem == "rtx4070-laptop"
        if path.stem != "rtx4070-laptop":
            assert first == ("profiled: the host is slowed" if profiled else "not profiled")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_timelines_spans_do_not_overlap_in_their_row(path):
    for timeline in load(path).timelines.values():
        for row in (timeline.host, timeline.calls, timeline.device):
            ordered = sorted(row, key=lambda span: span.start)
            assert all(span.start < span.end for span in ordered)
            pairs = zip(ordered, ordered[1:], strict=False)
            assert all(a.end <= b.start + 1e-12 for a, b in pairs)
        assert min(span.start for span in (*timeline.host, *timeline.calls)) >= 0


# Where the spans of each row begin, added up, in µs: a span that is moved is seen here.
BEGIN = {
    ("rtx5080", "eager"): (3790.17, 41390.328, 41257.447),
    ("rtx5080", "graph"): (0, 0, 13492.864),
    ("mi250", "step"): (12481.378, 41170.267, 42753.917),
    ("t4", "read"): (44.561, 267.823, 158.425),
    ("a100", "read"): (0 + 46 + 86, 23 + 62 + 93 + 123, 35 + 76 + 111),
}


@pytest.mark.parametrize(("machine", "key"), BEGIN)
def test_the_spans_of_a_timeline_begin_where_they_began(machine, key):
    timeline = recorded("timelines", machine)[key]
    rows = (timeline.host, timeline.calls, timeline.device)
    begins = [sum(span.start for span in row) * 1e6 for row in rows]
    assert begins == pytest.approx(BEGIN[machine, key], abs=1e-3)


def test_no_other_timeline_is_published():
    there = [(path.stem, key) for path in FILES for key in recorded("timelines", path.stem)]
    assert sorted(there) == sorted(BEGIN)


# The lesson's own runs, on two machines


RUNS = [
    ("rtx4070-laptop", "cpu-every-epoch", 4.62, 20_200, CPU_4070, (200, 1.0882, 0.0895, 0.0624)),
    ("rtx4070-laptop", "gpu-every-epoch", 16.85, 20_200, GPU_4070, (200, 1.039, 0.0892, 0.0629)),
    ("rtx4070-laptop", "cpu-every-100", 5.21, 200, CPU_4070, (200, 1.0762, 0.0868, 0.0616)),
    ("rtx4070-laptop", "gpu-every-2000", 13.08, 20, GPU_4070, (10, None, 0.0886, 0.0622)),
    ("rtx4070-laptop", "gpu-every-100", 13.47, 300, GPU_4070, (3, 1.1066, 0.1463, 0.0809)),
    ("rtx4070-laptop", "gpu-every-200", 13.55, 200, GPU_4070, (1, None, None, 0.062)),
    ("rtx4070-laptop", "cpu-every-200", 5.0, 200, CPU_4070, (1, None, None, 0.0666)),
    ("rtx4070-laptop", "cpu-every-200-with-test", 8.53, 400, CPU_4070, (1, None, None, 0.0635)),
    ("rtx3080ti", "cpu-every-epoch", 2.93, 20_200, CPU_3080, (3, 1.1143, 0.0913, 0.0633)),
    ("rtx3080ti", "gpu-every-epoch", 11.29, 20_200, GPU_3080, (3, 1.0763, 0.0863, 0.0614)),
    ("rtx3080ti", "cpu-every-100", 2.86, 200, CPU_3080, (3, 1.0545, 0.0856, 0.0613)),
    ("rtx3080ti", "gpu-every-100", 10.38, 400, GPU_3080, (3, 1.0107, 0.0907, 0.0631)),
    ("rtx3080ti", "gpu-every-100-again", 10.51, 400, GPU_3080, (3, 1.1077, 0.0879, 0.0617)),
    ("rtx3080ti", "gpu-every-200", 10.61, 200, GPU_3080, (1, None, None, 0.063)),
]


@pytest.mark.parametrize(
    ("machine", "key", "seconds", "reads", "origin", "losses"),
    RUNS,
    ids=[f"{run[0]} {run[1]}" for run in RUNS],
)
def test_the_lessons_runs(machine, key, seconds, reads, origin, losses):
    run = recorded("runs", machine)[key]
    assert (run.seconds, run.reads, str(run.origin), run.epochs) == (seconds, reads, origin, 20_000)
    assert repr(run).endswith(f"{reads:,} reads\n  {origin}")
    assert len(run.losses) == losses[0]
    at = dict(zip(run.epochs_read, run.losses, strict=True))
    assert (at.get(100), at.get(10_000), at[20_000]) == losses[1:]
    assert run.epochs_read[-1] == 20_000


CURVES = {
    "cpu-every-epoch": 34.6484,
    "gpu-every-epoch": 31.2208,
    "cpu-every-100": 34.453,
    "gpu-every-2000": 1.2489,
}


@pytest.mark.parametrize("key", CURVES)
def test_the_lessons_curves(key):
    run = recorded("runs", "rtx4070-laptop")[key]
    assert sum(run.losses) == pytest.approx(CURVES[key])
    first = run.epochs_read[0]
    assert run.epochs_read == tuple(range(first, 20_001, first))


def test_no_other_run_is_called_the_lessons():
    for machine in ("rtx4070-laptop", "rtx3080ti"):
        assert list(recorded("runs", machine)) == [run[1] for run in RUNS if run[0] == machine]


@pytest.mark.parametrize("machine", ["rtx4070-laptop", "rtx3080ti"])
def test_a_note_goes_with_each_run_and_tells_of_the_first_idea(machine):
    notes = recorded("notes", machine)
    assert set(recorded("runs", machine)) < set(notes)
    assert "it ran on the CPU" in notes["cpu-every-100"]
    assert "without a seed" in notes["recording"]


def test_what_is_left_out_is_told():
    assert "left out" in recorded("notes", "rtx4070-laptop")["gpu-every-200-with-test"]
    assert "gpu-every-200-with-test" not in recorded("runs", "rtx4070-laptop")
    assert "table of reads is left out" in recorded("notes", "rtx3080ti")["recording"]
    assert recorded("tables", "rtx3080ti") == {}


def test_the_lessons_table_of_reads():
    table = recorded("tables", "rtx4070-laptop")["reads"]
    assert table.columns == ("read_loss_every", "reads", "extra_seconds")
    assert table.rows == ((100, 200, 10.0), (200, 100, 9.35), (1000, 20, 11.55), (2000, 10, 8.5))
    assert "4.6" in table.note
    assert str(table.origin).startswith(
        f"{GPU_4070}; one run each; haiyuy/PythonPractice, commit 95eafdfe"
    )


def test_the_lessons_read_costs_what_the_lesson_says():
    runs = recorded("runs", "rtx4070-laptop")
    often, seldom = (runs[key] for key in ("gpu-every-epoch", "gpu-every-2000"))
    read = (often.seconds - seldom.seconds) / (often.reads - seldom.reads)
    assert read == pytest.approx(0.19e-3, abs=0.005e-3)
    assert read * often.reads / often.seconds == pytest.approx(0.22, abs=0.005)


# RTX 5080: the same step, launched one by one and as a graph


def test_the_step_with_a_launch_for_each_operation():
    timeline = recorded("timelines", "rtx5080")["eager"]
    assert len(timeline.launches) == 34
    assert us(timeline.launches) == pytest.approx(244.147)
    assert max(each_us(timeline.launches)) == pytest.approx(12.684)
    assert statistics.median(each_us(timeline.launches)) == pytest.approx(6.744, abs=6e-4)
    fills = [call for call in timeline.calls if call not in timeline.launches]
    assert [call.name for call in fills] == ["cudaMemsetAsync"] * 5
    assert us(fills) == pytest.approx(259.613 - 244.147)
    kernels = [span for span in timeline.device if "Memset" not in span.name]
    assert (len(timeline.device), len(kernels)) == (36, 34)
    assert us(timeline.device) == pytest.approx(865.153)
    assert us(kernels) == pytest.approx(864.577)
    names = ["zero_grad", "forward", "loss", "backward", "optimizer step"]
    assert [span.name for span in timeline.host] == names
    assert each_us(timeline.host) == pytest.approx([85.364, 575.182, 142.823, 1245.888, 198.175])
    assert timeline.device[0].start * 1e6 == pytest.approx(186.105)
    assert timeline.length * 1e6 == pytest.approx(2370.362)
    assert timeline.busy == pytest.approx(865.153 / 2370.362)
    assert repr(timeline) == (
        "34 launches by the host, 244 µs together\n"
        "  36 kernels and copies, 865 µs together, "
        "in 2.37 ms: the device works 36% of the time (profiled)\n"
        "  RECORDED, NVIDIA GeForce RTX 5080 (cuda:0); profiled: the host is slowed; CUDA 13.0;\n"
        "  leimao/PyTorch-CUDA-Graph-Capture-Examples, commit 023e5357, MIT"
    )


def test_the_step_as_a_graph_in_which_the_host_only_waits():
    timeline = recorded("timelines", "rtx5080")["graph"]
    assert timeline.host == timeline.launches == ()
    (wait,) = timeline.calls
    assert wait.name == "cudaDeviceSynchronize (begins before and ends after this stretch)"
    assert (wait.start, wait.end) == (0, pytest.approx(900.896e-6))
    assert timeline.device[0].start == 0
    assert timeline.length * 1e6 == pytest.approx(900.896)
    fills = [span for span in timeline.device if "Memset" in span.name]
    copies = [span for span in timeline.device if "Memcpy" in span.name]
    assert (len(timeline.device), len(fills), len(copies)) == (40, 2, 2)
    assert us(timeline.device) == pytest.approx(882.336)
    kernels = [span for span in timeline.device if span not in (*fills, *copies)]
    assert us(kernels) == pytest.approx(860.288)
    assert statistics.median(each_us(kernels)) == pytest.approx(4.048, abs=6e-4)
    assert timeline.finding() == "the device works 98% of the time (profiled)"
    assert repr(timeline).startswith("the host waits, and launches nothing\n  40 kernels and")
    notes = recorded("notes", "rtx5080")["graph"]
    assert "4.1 ms earlier, in 0.21 ms, with one graph launch" in notes


STEPS = {
    "steps-eager": (
        (3, 2789.473, 34, 864.895, 2582.337),
        (4, 2288.654, 34, 866.786, 2322.113),
        (5, 2286.795, 34, 877.024, 2303.712),
        (6, 3252.087, 34, 872.736, 3519.49),
        (7, 2687.903, 34, 861.537, 2492.16),
        (8, 2347.982, 34, 865.153, 2365.089),
    ),
    "steps-graph": (
        (3, 278.719, 3, 884.958, 901.696),
        (4, 222.58, 3, 882.149, 902.145),
        (5, 213.648, 3, 884.224, 902.144),
        (6, 209.609, 3, 882.336, 902.144),
        (7, 210.032, 3, 1060.032, 1080.865),
        (8, 220.311, 3, 882.559, 901.6),
    ),
}


@pytest.mark.parametrize("key", STEPS)
def test_the_steps_of_both(key):
    table = recorded("tables", "rtx5080")[key]
    assert table.columns[:3] == ("step", "host_step_us", "launch_calls")
    assert table.columns[3:] == ("device_us", "device_start_to_next_start_us")
    assert table.rows == STEPS[key]


# MI250: the smallest step


def test_the_smallest_step_and_its_one_off_launch():
    timeline = recorded("timelines", "mi250")["step"]
    assert each_us(timeline.launches) == pytest.approx(
        [
            *(11.502, 5.18, 5.57, 5.66, 3.687, 10.47, 12.664),
            *(6.132, 6.382, 6.884, 5.26, 6543.109, 4.659, 11.402),
        ]
    )
    (one_off,) = (call for call in timeline.calls if "one-off" in call.name)
    assert one_off is timeline.launches[11]
    assert one_off.name == "hipLaunchKernel (one-off)"
    copy_calls = [call for call in timeline.calls if "Memcpy" in call.name]
    assert each_us(copy_calls) == pytest.approx([60.204, 35.568])
    copies = [span for span in timeline.device if "Memcpy" in span.name]
    kernels = [span for span in timeline.device if "Memcpy" not in span.name]
    assert (len(copies), us(copies)) == (2, pytest.approx(38.161))
    assert us(kernels) == pytest.approx(110.881)
    assert each_us(kernels) == pytest.approx(
        [
            *(6.88, 17.6, 6.72, 8.32, 11.04, 3.36, 2.24),
            *(5.28, 5.6, 12.64, 13.6, 4.96, 4.16, 8.481),
        ]
    )
    names = ["data", "forward", "data", "loss", "backward", "optimizer step"]
    assert [span.name for span in timeline.host] == names
    assert each_us(timeline.host) == pytest.approx(
        [359.33, 364.751, 221.761, 214.887, 7763.251, 266.215]
    )
    assert timeline.host[0].start * 1e6 == pytest.approx(61.236)
    assert "AMD" in timeline.origin.product
    assert not any("Synchronize" in call.name for call in timeline.calls)  # after the step


# T4 and A100: a read


def test_the_read_that_waits_for_a_kernel():
    timeline = recorded("timelines", "t4")["read"]
    assert [span.name for span in timeline.host] == ["read (aten::item)"]
    assert each_us(timeline.host) == pytest.approx([116.606])
    names = ["cudaLaunchKernel", "cudaEventQuery", "cudaEventQuery", "cudaMemcpyAsync"]
    assert [call.name for call in timeline.calls] == [*names, "cudaStreamSynchronize"]
    assert each_us(timeline.calls) == pytest.approx([14.018, 5.849, 2.118, 13.898, 69.869])
    assert timeline.calls[0].start == 0
    assert each_us(timeline.device) == pytest.approx([122.013, 1.792])
    begun = timeline.host[0].start * 1e6
    assert timeline.device[0].end * 1e6 - begun == pytest.approx(91.37)
    assert timeline.device[1].end * 1e6 - begun == pytest.approx(101.738)
    assert (timeline.host[0].end - timeline.device[0].end) * 1e6 == pytest.approx(25.236)
    assert timeline.length == timeline.host[0].end


def test_the_reads_of_three_steps():
    table = recorded("tables", "t4")["reads"]
    assert table.column("item_us") == (116.606, 99.309, 113.435)
    assert table.column("copy_call_us") == (13.898, 16.542, 15.043)
    assert table.column("stream_synchronize_us") == (69.869, 49.182, 47.326)
    assert table.column("device_copy_us") == (1.792, 1.824, 1.792)
    assert table.column("item_end_after_kernel_end_us") == (25.236, 21.217, 22.283)
    assert len(table.columns) == 5


def test_the_same_function_on_numbers_that_are_on_the_host():
    table = recorded("tables", "t4")["items-on-host"]
    values = table.column("item_us")
    assert len(values) == 36
    assert statistics.median(values) == pytest.approx(2.611, abs=6e-4)
    assert sum(values) == pytest.approx(151.913)
    assert (values[0], max(values), values[7], values[-1]) == (5.079, 50.508, 50.508, 2.401)
    assert "median 2.611 µs" in table.note and table.origin.device == "cpu"


def test_the_parts_of_one_read():
    table = recorded("tables", "a100")["read"]
    names = ("item_us", "copy_call_us", "device_copy_us", "stream_synchronize_us")
    assert (table.columns, table.rows) == (names, ((45, 29, 2, 6),))
    timeline = recorded("timelines", "a100")["read"]
    names = ["aten::sum", "aten::gt", "read (aten::is_nonzero)"]
    assert [span.name for span in timeline.host] == names
    assert each_us(timeline.host) == pytest.approx([39, 33, 47])
    names = ["cudaLaunchKernel", "cudaLaunchKernel", "cudaMemcpyAsync", "cudaStreamSynchronize"]
    assert [call.name for call in timeline.calls] == names
    assert each_us(timeline.calls) == pytest.approx([10, 12, 29, 6])
    assert each_us(timeline.device) == pytest.approx([11, 1, 2])
    assert timeline.host[0].start == 0
    assert timeline.length * 1e6 == pytest.approx(133)
    starts = [span.start * 1e6 for span in (*timeline.calls, *timeline.device)]
    assert starts == pytest.approx([23, 62, 93, 123, 35, 76, 111])


# Tables that no profiler slowed


def test_what_waiting_costs_on_an_rtx_5070():
    table = recorded("tables", "rtx5070")["sync-points"]
    assert table.columns == (
        "number_type",
        "big_async_us",
        "big_wait_each_us",
        "small_async_us",
        "small_wait_each_us",
        "read_while_busy_us",
        "print_while_busy_us",
        "read_when_idle_us",
    )
    assert table.rows == (
        ("fp16", 25035.9, 25274.7, 17.4, 31.8, 26908, 28499, 131),
        ("bf16", 21473.3, 21482.7, 21.3, 35.3, 18719, 20658, 103),
        ("fp32", 72406.6, 72267.2, 41.0, 55.6, 71855, 75765, 169),
    )


def test_what_a_launch_costs_on_an_rtx_5070_ti_laptop():
    table = recorded("tables", "rtx5070ti-laptop")["launch-chain"]
    names = ("N", "launches_and_wait_us", "graph_and_wait_us", "per_launch_us")
    assert table.columns == (*names, "enqueue_per_launch_us")
    assert table.rows == (
        (8, 51.9, 19.4, 6.49, 2.78),
        (16, 119.3, 25.6, 7.46, 2.65),
        (24, 159.1, 28.7, 6.63, 2.81),
        (36, 233.5, 37.9, 6.49, 2.68),
        (64, 411.7, 49.1, 6.43, 2.65),
        (117, 735.4, 82.9, 6.29, 2.62),
    )


def test_how_an_addition_grows_on_an_rtx_3080():
    table = recorded("tables", "rtx3080")["array-add"]
    times = ("one_at_a_time_us", "one_on_the_device_us", "many_queued_us")
    assert table.columns == ("N", "numbers", *times, "cpu_noise", "gpu_noise")
    sizes = [2**i for i in range(1, 14)]
    assert table.rows == tuple((n, n * n, *row) for n, row in zip(sizes, ADDED, strict=True))


def test_where_the_graphics_of_one_machine_overtake_its_processor():
    table = recorded("tables", "radeon780m")["products"]
    assert table.columns == ("name", "shape", "mflop", "gpu_with_copies_us", "cpu_us")
    assert table.rows == (
        ("mnist dense", "1x100x784@784x128", 20.1, 2520.0, 491.0),
        ("tiny", "1x128x128@128x128", 4.2, 3356.0, 353.0),
        ("small", "1x512x512@512x512", 268.4, 4523.0, 4499.0),
        ("medium", "8x512x512@512x512", 2147.5, 15894.0, 49388.0),
        ("huge", "64x512x512@512x512", 17179.9, 121010.0, 392146.0),
    )


ADDED = [
    (7.367, 3.137, 1.708, 1.3557, 0.1183),
    (7.318, 3.275, 1.722, 1.2371, 0.122),
    (7.552, 3.25, 1.722, 1.331, 0.1219),
    (7.384, 3.336, 1.727, 1.2155, 0.1289),
    (7.503, 3.309, 1.71, 1.2723, 0.1303),
    (7.552, 3.483, 1.716, 1.1709, 0.1355),
    (7.951, 3.752, 1.799, 1.1229, 0.1252),
    (9.211, 4.961, 1.951, 0.8594, 0.0852),
    (12.44, 8.28, 2.679, 0.5042, 0.0414),
    (27.036, 22.944, 20.013, 0.18, 0.0266),
    (80.346, 76.231, 74.481, 0.0544, 0.007),
    (296.196, 292.005, 290.199, 0.0145, 0.002),
    (1155.877, 1151.572, 1149.923, 0.0039, 0.001),
]
