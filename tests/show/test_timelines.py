"""Timelines, the simulation's and the tree of calls, read back from what matplotlib draws."""

from dataclasses import replace

import pytest
from matplotlib.colors import to_hex

from day37 import StepQueue, plot, recorded
from day37.experiments.phases import PHASES
from day37.experiments.timeline import Span, Timeline
from day37.show.axes import COLOURS
from day37.show.timelines import CALLS, kind_of_call
from tests.show.figures import (
    CPU,
    GPU,
    OLD,
    QUEUE,
    bars_of,
    call_tree,
    inside,
    legend_colours,
    ticks,
    timeline,
)

# Timeline


def lanes(axes):
    return {lane.get_label(): bars_of(lane) for lane in axes.collections}


def test_the_hosts_phases_lie_in_the_upper_lane_in_us():
    drawn = lanes(plot(timeline()))
    assert drawn["forward"] == [pytest.approx((0, 3, 1.1, 1.9)), pytest.approx((11, 12, 1.1, 1.9))]
    assert drawn["loss"] == [pytest.approx((4, 9, 1.1, 1.9))]


def test_the_devices_work_lies_in_the_lower_lane_in_us():
    drawn = lanes(plot(timeline()))
    first, second = drawn["operation"]
    assert first == pytest.approx((1, 2, 0.1, 0.9))
    assert second == pytest.approx((10, 14, 0.1, 0.9))


NAMED = [(CPU, "operations"), (GPU, "device"), (OLD, "device")]


@pytest.mark.parametrize(("origin", "word"), NAMED)
def test_the_lanes_are_named(origin, word):
    axes = plot(timeline(origin))
    assert ticks(axes.yaxis) == {0.5: word, 1.5: "host"}
    low, high = axes.get_ylim()
    assert low < high


def test_each_lane_has_the_colour_of_its_name():
    axes = plot(timeline(GPU))
    colours = legend_colours(axes.figure.legends[0])
    assert list(colours) == ["forward", "loss", "kernel or copy"]
    drawn = {lane.get_label(): to_hex(lane.get_facecolor()[0]) for lane in axes.collections}
    assert drawn == colours
    assert len(set(colours.values())) == 3


def test_a_timeline_says_how_busy_the_device_is():
    title = plot(timeline(GPU)).get_title()
    assert title == "The device works 36% of the time (profiled)\nLIVE, GPU 1 (cuda:0)"


def test_a_timeline_may_have_a_title_of_its_own():
    axes = plot(timeline(OLD), title="two steps")
    assert axes.get_title() == "Two steps\nRECORDED, GPU 2 (cuda:0)"


# Calls of the host to the driver

ASKED = (
    Span("cudaLaunchKernel", 0.5e-6, 1e-6),
    Span("cudaMemcpyAsync", 2e-6, 3e-6),
    Span("cuLaunchKernel", 4e-6, 5e-6),
    Span("cudaStreamSynchronize", 6e-6, 9e-6),
    Span("hipLaunchKernel (one-off)", 9.5e-6, 10e-6),
    Span("cudaEventQuery", 11e-6, 11.5e-6),
)


def asking(origin=GPU, **parts):
    return replace(timeline(origin), calls=ASKED, **parts)


def test_calls_have_a_lane_between_the_host_and_the_device_in_us():
    axes = plot(asking())
    assert ticks(axes.yaxis) == {0.5: "device", 1.5: "calls", 2.5: "host"}
    drawn = lanes(axes)
    assert drawn["launch"] == [pytest.approx((0.5, 1, 1.1, 1.9)), pytest.approx((4, 5, 1.1, 1.9))]
    assert drawn["copy call"] == [pytest.approx((2, 3, 1.1, 1.9))]
    assert drawn["wait"] == [pytest.approx((6, 9, 1.1, 1.9))]
    assert drawn["one-off launch"] == [pytest.approx((9.5, 10, 1.1, 1.9))]
    assert drawn["other call"] == [pytest.approx((11, 11.5, 1.1, 1.9))]
    assert drawn["loss"] == [pytest.approx((4, 9, 2.1, 2.9))]
    assert drawn["kernel or copy"][0] == pytest.approx((1, 2, 0.1, 0.9))


def test_a_lane_without_a_span_is_not_there():
    axes = plot(asking(host=()))
    assert ticks(axes.yaxis) == {0.5: "device", 1.5: "calls"}
    assert lanes(axes)["wait"] == [pytest.approx((6, 9, 1.1, 1.9))]
    assert axes.get_ylim() == (0, 2)


def test_a_phase_has_the_colour_that_it_has_in_the_figure_of_phases():
    eager = recorded("timelines", "rtx5080")["eager"]
    colours = legend_colours(plot(eager).figure.legends[0])
    places = [COLOURS.index(to_hex(colours[name]).upper()) for name in ("forward", "loss")]
    assert places == [PHASES.index("forward"), PHASES.index("loss")]
    small = legend_colours(plot(recorded("timelines", "mi250")["step"]).figure.legends[0])
    assert small["forward"] == colours["forward"] != small["data"]


def test_each_kind_of_call_has_a_colour_of_its_own_in_the_legend():
    axes = plot(asking())
    colours = legend_colours(axes.figure.legends[0])
    drawn = {lane.get_label(): to_hex(lane.get_facecolor()[0]) for lane in axes.collections}
    assert drawn == colours
    assert len(set(colours.values())) == len(colours) == 2 + 5 + 1
    assert set(CALLS) < set(colours)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("cudaLaunchKernelExC", "launch"),
        ("hipExtModuleLaunchKernel", "launch"),
        ("cudaGraphLaunch", "launch"),
        ("hipLaunchKernel (one-off)", "one-off launch"),
        ("hipMemcpyWithStream", "copy call"),
        ("cudaDeviceSynchronize (begins before)", "wait"),
        ("cudaMemsetAsync", "other call"),
        ("hipGetDevicePropertiesR0600", "other call"),
    ],
)
def test_a_call_is_of_the_kind_that_its_name_says(name, kind):
    assert kind_of_call(name) == kind


# Several below each other


def test_timelines_stand_below_each_other_each_with_its_own_title_and_time():
    longer = Timeline((Span("forward", 0.0, 90e-6), Span("read", 91e-6, 99e-6)), (), OLD)
    first = plot(asking(), longer)
    top, bottom = first.figure.axes
    assert first is top
    assert top.get_position().y0 > bottom.get_position().y0
    assert top.get_title() == "The device works 36% of the time (profiled)\nLIVE, GPU 1 (cuda:0)"
    second = "The profiler saw no work on this device\nRECORDED, GPU 2 (cuda:0)"
    assert bottom.get_title() == second
    assert top.get_xlabel() == bottom.get_xlabel() == "µs"
    assert lanes(bottom)["forward"] == [pytest.approx((0, 90, 1.1, 1.9))]
    assert top.get_xlim()[1] < 20 < 99 < bottom.get_xlim()[1]
    assert ticks(bottom.yaxis) == {0.5: "device", 1.5: "host"}


def test_a_phase_has_one_colour_and_one_word_in_the_legend_of_all_panels():
    other = Timeline((Span("loss", 0.0, 1e-6), Span("read", 1e-6, 2e-6)), (), CPU)
    top, bottom = plot(asking(), other).figure.axes
    colours = legend_colours(top.figure.legends[0])
    for axes in (top, bottom):
        for lane in axes.collections:
            if len(lane.get_facecolor()):
                assert to_hex(lane.get_facecolor()[0]) == colours[lane.get_label()]
    labels = [text.get_text() for text in top.figure.legends[0].get_texts()]
    assert len(labels) == len(set(labels)) and {"loss", "read", "operation"} < set(labels)
    assert len(top.figure.legends) == 1


def test_each_timeline_gets_a_title_of_its_own():
    top, bottom = plot(timeline(GPU), timeline(OLD), title=["one", "two"]).figure.axes
    assert top.get_title() == "One\nLIVE, GPU 1 (cuda:0)"
    assert bottom.get_title() == "Two\nRECORDED, GPU 2 (cuda:0)"
    with pytest.raises(ValueError, match="title must be 2 titles, one for each .*it is 'one'"):
        plot(timeline(GPU), timeline(OLD), title="one")


# Published ones


PUBLISHED = [
    ("rtx5080", "eager"),
    ("rtx5080", "graph"),
    ("mi250", "step"),
    ("t4", "read"),
    ("a100", "read"),
]


@pytest.mark.parametrize(("machine", "key"), PUBLISHED)
def test_every_span_of_a_published_timeline_is_drawn_where_it_was(machine, key):
    theirs = recorded("timelines", machine)[key]
    drawn = {}
    for lane in plot(theirs).collections:
        for left, right, low, high in bars_of(lane):
            assert high - low == pytest.approx(0.8)
            drawn.setdefault(round(low - 0.1), []).append((left, right))
    rows = [row for row in (theirs.device, theirs.calls, theirs.host) if row]
    for row, spans in enumerate(rows):
        want = [(span.start * 1e6, span.end * 1e6) for span in spans]
        assert sorted(drawn[row]) == [pytest.approx(pair) for pair in sorted(want)]
    assert len(drawn) == len(rows)


def widths(axes, *labels):
    """How many bars there are of these, and how wide they are together, in µs."""
    bars = [bar for label in labels for bar in lanes(axes)[label]]
    return len(bars), pytest.approx(sum(right - left for left, right, *_ in bars))


def test_the_figures_of_both_steps_show_their_published_sums():
    both = recorded("timelines", "rtx5080")
    eager, graph = plot(both["eager"], both["graph"]).figure.axes
    assert widths(eager, "launch") == (34, 244.147)
    assert widths(eager, "kernel or copy") == (36, 865.153)
    assert widths(eager, "backward") == (1, 1245.888)
    assert widths(graph, "wait") == (1, 900.896)
    assert widths(graph, "kernel or copy") == (40, 882.336)
    assert "launch" not in lanes(graph)
    assert eager.get_title().startswith("The device works 36% of the time (profiled)\nRECORDED, NV")
    assert graph.get_title().startswith("The device works 98% of the time (profiled)\nRECORDED, NV")


def test_the_figure_of_the_smallest_step_shows_its_published_sums():
    axes = plot(recorded("timelines", "mi250")["step"])
    assert widths(axes, "launch") == (13, 95.452)
    assert widths(axes, "one-off launch") == (1, 6543.109)
    assert widths(axes, "copy call") == (2, 60.204 + 35.568)
    assert widths(axes, "kernel or copy") == (16, 110.881 + 38.161)
    assert widths(axes, "data") == (2, 359.33 + 221.761)


def test_the_figures_of_reads_show_their_published_sums():
    reads = [recorded("timelines", machine)["read"] for machine in ("t4", "a100")]
    t4, a100 = plot(*reads).figure.axes
    assert widths(t4, "read (aten::item)") == (1, 116.606)
    assert widths(t4, "launch") == (1, 14.018)
    assert widths(t4, "copy call") == (1, 13.898)
    assert widths(t4, "wait") == (1, 69.869)
    assert widths(t4, "other call") == (2, 5.849 + 2.118)
    assert widths(t4, "kernel or copy") == (2, 122.013 + 1.792)
    assert widths(a100, "read (aten::is_nonzero)") == (1, 47)
    assert widths(a100, "launch") == (2, 22)
    assert widths(a100, "copy call") == (1, 29)
    assert widths(a100, "wait") == (1, 6)
    assert widths(a100, "kernel or copy") == (3, 14)


@pytest.mark.parametrize(("machine", "key"), PUBLISHED)
def test_nothing_of_a_published_timelines_figure_is_cut_off(machine, key):
    theirs = recorded("timelines", machine)[key]
    axes = plot(theirs)
    assert str(theirs.origin) in axes.get_title().replace("\n", " ")
    assert inside(axes)


# Queue


@pytest.mark.parametrize("queue", [QUEUE, StepQueue(2, 1e-6, 7e-6, 3e-5, every=2)], ids=str)
def test_the_lanes_of_a_simulation_are_those_of_its_timeline(queue):
    axes = plot(queue)
    drawn = lanes(axes)
    assert list(drawn) == ["launches", "wait", "read", "kernel or copy"]
    timeline = queue.timeline(3)
    for name in ("launches", "wait", "read"):
        spans = [s for s in timeline.host if s.name == name]
        want = [pytest.approx((s.start * 1e6, s.end * 1e6, 1.1, 1.9)) for s in spans]
        assert drawn[name] == want
    want = [pytest.approx((s.start * 1e6, s.end * 1e6, 0.1, 0.9)) for s in timeline.device]
    assert drawn["kernel or copy"] == want
    assert ticks(axes.yaxis) == {0.5: "device", 1.5: "host"}


def test_the_figure_of_a_simulation_has_as_many_steps_as_are_asked_for():
    for steps in (1, 5):
        axes = plot(QUEUE, steps=steps)
        assert len(lanes(axes)["launches"]) == steps
        assert axes.get_title().splitlines()[1] == f"the first {steps} steps"


def test_the_title_of_a_simulation_is_its_finding():
    first, second, _ = plot(QUEUE).get_title().splitlines()
    assert first == QUEUE.finding() == "20,000 steps: 1.12 s; bottleneck: reads"
    assert second == "the first 3 steps"


@pytest.mark.parametrize(("every", "says"), [(3, ""), (4, ", no read yet")])
def test_a_figure_before_the_first_read_says_so(every, says):
    title = plot(StepQueue(3, 8e-6, 2e-6, 3e-5, every)).get_title()
    assert title.splitlines()[1] == f"the first 3 steps{says}"


# Calls


def test_a_call_is_a_bar_from_its_beginning_to_its_return_at_its_depth():
    axes = plot(call_tree())
    found = [bars_of(bars) for bars in axes.collections]
    assert sorted(bar for bars in found for bar in bars) == [
        pytest.approx((0.5, 8.5, -0.45, 0.45)),
        pytest.approx((1.5, 5.5, 0.55, 1.45)),
        pytest.approx((2.5, 4.5, 1.55, 2.45)),
        pytest.approx((5.5, 7.5, 0.55, 1.45)),
    ]


def test_a_call_inside_another_lies_below_it():
    bottom, top = plot(call_tree()).get_ylim()
    assert bottom > 2 > 0 > top


def test_a_call_is_named_in_the_middle_of_its_bar():
    names = {}
    for text in plot(call_tree()).texts:
        names[text.get_text()[0]] = text.get_position()
        if hasattr(text, "xy"):
            names[text.get_text()[0]] = tuple(text.xy)
    assert names == {"a": (4.5, 0), "b": (3.5, 1), "c": (3.5, 2), "d": (6.5, 1)}


def test_a_line_stands_at_the_event_that_is_asked_for():
    assert list(plot(call_tree(), event=3).get_lines()[0].get_xdata()) == [3, 3]
    assert not plot(call_tree()).get_lines()
