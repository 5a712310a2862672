"""The figures, read back from what matplotlib draws; results and numbers are made by hand."""

from itertools import pairwise

import pytest
import torch
from matplotlib.colors import to_hex

from day37 import plot, plot_seconds, recorded, train
from day37.data import IrisSplit
from day37.experiments.fixed_costs import CopyCosts
from day37.experiments.phases import PHASES
from day37.experiments.reads import ReadSweep
from day37.faster.ladder import Ladder
from day37.machines.recording import PublishedTable
from day37.results import Comparison, Measurement, Origin
from day37.show.plots import draw_reads
from tests.show.figures import (
    CPU,
    GPU,
    OLD,
    QUEUE,
    SIZES,
    across,
    band,
    call_tree,
    comparison,
    copies,
    cost_model,
    crossover,
    error_bars,
    growth,
    inside,
    ladder,
    legend_colours,
    line_called,
    lopsided,
    phases,
    run_of,
    rung,
    spread,
    spread_us,
    sweep,
    text_of,
    ticks,
    timeline,
    upwards,
)


class Elsewhere(Origin):
    """An origin of a kind that no figure can have typed."""

    kind = "TOLD"


ORIGINS = {
    "live on the CPU": CPU,
    "live on a GPU": GPU,
    "recorded on a GPU": OLD,
    "recorded on a CPU": Origin("cpu", "CPU 2", "last year"),
    "of a kind of its own": Elsewhere("cpu", "CPU 3", "once"),
}


# Where a result comes from


def reads_axes(origin, *, right=0):
    axes = draw_reads(run_of([0.9, 0.5, 0.4], origin=origin), lopsided(origin), 1)
    return axes.figure.axes[right]


WITH_ORIGIN = {
    "losses": lambda o: plot(run_of([0.9, 0.5], origin=o)),
    "samples": lambda o: plot(spread(1, 2, 5, origin=o)),
    "comparisons": lambda o: plot(comparison(2, 1.5, 4, origin=o)),
    "seconds": lambda o: plot_seconds([run_of([0.5], origin=o)]),
    "phases": lambda o: plot(phases(o)),
    "timeline": lambda o: plot(timeline(o)),
    "timeline with a title": lambda o: plot(timeline(o), title="two steps"),
    "copies": lambda o: plot(copies(o)),
    "growth": lambda o: plot(growth(o)),
    "growth over the width": lambda o: plot(growth(o, over="width")),
    "costs": lambda o: plot(cost_model(sweep(o))),
    "sweep": lambda o: plot(sweep(o)),
    "table": lambda o: plot(table(o), columns=["N", "a_us", "b_us"]),
    "reads, left": lambda o: reads_axes(o, right=0),
    "reads, right": lambda o: reads_axes(o, right=1),
    "ladder": lambda o: plot(ladder(o)),
}
KINDS = ("LIVE", "RECORDED", "MODELLED", "TOLD")
WITHOUT_ORIGIN = {
    "rows": lambda: plot(ROWS),
    "calls": lambda: plot(call_tree()),
}


@pytest.mark.parametrize("origin", ORIGINS.values(), ids=ORIGINS.keys())
@pytest.mark.parametrize("figure", WITH_ORIGIN.values(), ids=WITH_ORIGIN.keys())
def test_a_figure_says_where_its_result_is_from_and_whether_it_is_live(figure, origin):
    shown = text_of(figure(origin))
    assert f"{origin.kind}, {origin.product} ({origin.device})" in shown
    assert [kind for kind in KINDS if kind in shown] == [origin.kind]


@pytest.mark.parametrize("figure", WITHOUT_ORIGIN.values(), ids=WITHOUT_ORIGIN.keys())
def test_a_figure_of_what_was_not_timed_claims_no_origin(figure):
    shown = text_of(figure())
    assert not [kind for kind in KINDS if kind in shown]


def test_a_figure_of_a_simulation_is_modelled_and_gives_its_numbers():
    axes = plot(QUEUE)
    assert axes.get_title().splitlines()[-1] == f"MODELLED: {QUEUE}"
    shown = text_of(axes)
    assert [kind for kind in KINDS if kind in shown] == ["MODELLED"]


def test_a_figure_of_two_origins_names_both():
    figures = [
        plot(run_of([0.5, 0.4]), run_of([0.7, 0.6], origin=OLD)),
        plot(spread(1, 2, 5), spread(1, 2, 5, origin=OLD)),
        plot(comparison(2, 1.5, 4), comparison(2, 1.5, 4, origin=OLD)),
        plot_seconds([run_of([0.5]), run_of([0.5], origin=OLD)]),
        plot(copies(CPU), copies(OLD)),
        plot(growth(CPU, OLD)),
        plot(ladder(CPU), ladder(OLD)),
    ]
    for axes in figures:
        shown = text_of(axes)
        assert "LIVE, CPU 1 (cpu)" in shown and "RECORDED, GPU 2 (cuda:0)" in shown, shown


def test_a_comparison_of_two_origins_names_both():
    c = Comparison(spread(1, 2, 5, origin=GPU), spread(1, 2, 5, origin=OLD), 2, 1.5, 4)
    title = plot(c, title="t").get_title()
    assert title == "t\nLIVE, GPU 1 (cuda:0); RECORDED, GPU 2 (cuda:0)"


def last_lines(axes):
    return [each.get_title().splitlines()[-1] for each in axes.figure.axes]


def test_the_two_halves_of_the_figure_of_reads_have_their_own_origins():
    left = draw_reads(run_of([0.9, 0.5], origin=CPU), lopsided(OLD), 1)
    assert last_lines(left) == ["LIVE, CPU 1 (cpu)", "RECORDED, GPU 2 (cuda:0)"]
    left = draw_reads(run_of([0.9, 0.5], origin=OLD), lopsided(CPU), 1)
    assert last_lines(left) == ["RECORDED, GPU 2 (cuda:0)", "LIVE, CPU 1 (cpu)"]


LABELS = {
    "losses": ("epoch", "cross-entropy loss"),
    "samples": ("sample", "time (ms)"),
    "comparisons": ("ratio of the times, with its interval", ""),
    "seconds": ("seconds", ""),
    "phases": ("µs per step (medians; line: the whole's middle half)", ""),
    "timeline": ("µs", ""),
    "copies": ("bytes copied", "time (µs)"),
    "growth": ("rows in the batch", "µs per step"),
    "growth over the width": ("hidden width", "µs per step"),
    "costs": ("reads per epoch", "µs per epoch"),
    "sweep": ("reads (logarithmic)", "seconds"),
    "table": ("N", "µs"),
    "reads, left": ("epoch", "cross-entropy loss"),
    "reads, right": ("steps between reads", "seconds for 3 steps"),
    "ladder": ("µs per step (in brackets: 20,000 losses in, everything counted)", ""),
}


@pytest.mark.parametrize("name", LABELS)
def test_the_axes_say_what_they_show_and_in_what_unit(name):
    axes = WITH_ORIGIN[name](CPU)
    axes.figure.draw_without_rendering()
    assert (axes.get_xlabel(), axes.get_ylabel()) == LABELS[name]


LOGARITHMIC = {
    "losses": ("linear", "linear"),
    "samples": ("linear", "linear"),
    "comparisons": ("linear", "linear"),
    "seconds": ("linear", "linear"),
    "phases": ("linear", "linear"),
    "timeline": ("linear", "linear"),
    "copies": ("log", "log"),
    "growth": ("log", "log"),
    "costs": ("log", "linear"),
    "sweep": ("log", "linear"),
    "table": ("log", "log"),
    "reads, left": ("linear", "linear"),
    "reads, right": ("log", "linear"),
    "ladder": ("log", "linear"),
}


@pytest.mark.parametrize("name", LOGARITHMIC)
def test_the_axes_are_logarithmic_where_sizes_differ_by_orders(name):
    axes = WITH_ORIGIN[name](CPU)
    assert (axes.get_xscale(), axes.get_yscale()) == LOGARITHMIC[name]


# Losses


def test_losses_stand_at_the_epochs_at_which_they_were_read():
    axes = plot(run_of([0.9, 0.5, 0.4], every=10), run_of([0.8, 0.7], every=3))
    first, second = axes.get_lines()
    assert first.get_xdata().tolist() == [10, 20, 30]
    assert first.get_ydata().tolist() == [0.9, 0.5, 0.4]
    assert second.get_xdata().tolist() == [3, 6]
    assert second.get_ydata().tolist() == [0.8, 0.7]


def test_losses_of_a_training_and_of_a_recording(model, data):
    run = train(model, data, epochs=20, progress=False)
    theirs = recorded("runs", "rtx4070-laptop")["cpu-every-epoch"]
    axes = plot(run, theirs)
    assert "RECORDED, Intel Core i7-12800HX" in text_of(axes)
    live, old = axes.get_lines()
    assert tuple(live.get_ydata()) == run.losses
    assert tuple(old.get_xdata()) == theirs.epochs_read
    assert tuple(old.get_ydata()) == theirs.losses


def test_each_curve_is_told_apart_and_named():
    first = run_of([0.9, 0.5], name="first")
    second = run_of([0.8, 0.7], name="second", origin=OLD)
    axes = plot(first, second)
    one, two = axes.get_lines()
    assert one.get_label() == "first: LIVE, CPU 1 (cpu)"
    assert two.get_label() == "second: RECORDED, GPU 2 (cuda:0)"
    assert one.get_color() != two.get_color()
    assert one.get_linestyle() != two.get_linestyle()
    colours = legend_colours(axes.get_legend())
    assert colours[one.get_label()] == to_hex(one.get_color())
    assert colours[two.get_label()] == to_hex(two.get_color())


# Rows

X = torch.tensor([[1.0, 2, 3, 4], [10, 20, 30, 40], [5, 6, 7, 8], [50, 60, 70, 80]])
Y = torch.tensor([1, 0, 1, 2])
FEATURES = ("sepal length (cm)", "sepal width (cm)", "petal length (cm)", "petal width (cm)")
ROWS = IrisSplit(X, Y, X[:1], Y[:1], FEATURES, ("a", "b", "c"))


def test_rows_lie_at_their_last_two_columns_by_class():
    axes = plot(ROWS)
    drawn = {}
    for line in axes.get_lines():
        drawn[line.get_label()] = (line.get_xdata().tolist(), line.get_ydata().tolist())
    assert drawn == {"a": ([30], [40]), "b": ([3, 7], [4, 8]), "c": ([70], [80])}


def test_the_columns_of_the_rows_are_named():
    axes = plot(ROWS)
    assert axes.get_xlabel() == "petal length (scaled)"
    assert axes.get_ylabel() == "petal width (scaled)"
    assert axes.get_title() == "4 rows, by class (2 of 4 columns)"


def test_each_class_has_a_colour_and_a_marker_of_its_own(data):
    axes = plot(data)
    lines = axes.get_lines()
    assert [len(line.get_xdata()) for line in lines] == data.y_train.bincount().tolist()
    assert len({line.get_marker() for line in lines}) == 3
    assert len({line.get_color() for line in lines}) == 3
    assert all(line.get_linestyle() == "None" for line in lines)
    colours = legend_colours(axes.get_legend())
    assert colours == {line.get_label(): to_hex(line.get_color()) for line in lines}


# Samples


def test_samples_are_drawn_in_their_order_in_ms():
    axes = plot(Measurement("m", (0.004, 0.002, 0.009), CPU))
    points = axes.get_lines()[0]
    assert points.get_xdata().tolist() == [1, 2, 3]
    assert points.get_ydata().tolist() == pytest.approx([4, 2, 9])
    assert points.get_linestyle() == "None"


def two_measurements():
    return spread(0.002, 0.003, 0.007, name="a"), spread(0.02, 0.05, 0.06, name="b")


def test_a_line_marks_each_median_in_ms():
    axes = plot(*two_measurements())
    _, a, _, b = axes.get_lines()
    assert a.get_ydata() == pytest.approx([3, 3])
    assert b.get_ydata() == pytest.approx([50, 50])


def test_a_band_holds_each_middle_half_in_ms():
    axes = plot(*two_measurements())
    a, b = axes.patches
    assert upwards(a) == (2, 7)
    assert upwards(b) == (20, 60)


def test_points_median_and_band_of_a_measurement_have_the_colour_of_its_name():
    axes = plot(*two_measurements())
    colours = legend_colours(axes.get_legend())
    assert list(colours) == ["a: median 3 ms", "b: median 50 ms"]
    for i, colour in enumerate(colours.values()):
        points, median = axes.get_lines()[2 * i : 2 * i + 2]
        assert to_hex(points.get_color()) == to_hex(median.get_color()) == colour
        assert to_hex(axes.patches[i].get_facecolor()) == colour
    assert len(set(colours.values())) == 2


def test_the_axis_of_samples_begins_at_zero_and_holds_them_all():
    low, high = plot(*two_measurements()).get_ylim()
    assert low == 0
    assert high > 180


# Comparisons


def two_comparisons():
    return comparison(0.5, 0.4, 0.9), comparison(3, 2.5, 7, names=("x", "y"))


def test_a_ratio_stands_in_its_row():
    axes = plot(*two_comparisons())
    points = [container.lines[0] for container in axes.containers]
    assert [point.get_xdata().tolist() for point in points] == [[0.5], [3]]
    assert [point.get_ydata().tolist() for point in points] == [[0], [1]]


def test_a_ratio_has_its_interval():
    axes = plot(*two_comparisons())
    assert error_bars(axes) == [pytest.approx((0.4, 0.9)), pytest.approx((2.5, 7))]


def test_a_row_says_what_is_divided_by_what_and_what_follows():
    axes = plot(*two_comparisons(), comparison(1, 0.5, 3))
    words = ticks(axes.yaxis)
    assert words[0] == "new\n÷ old:\nfaster"
    assert words[1] == "y\n÷ x:\nslower"
    assert words[2] == "new\n÷ old:\ncannot tell"
    low, high = axes.get_ylim()
    assert low < 0 and high > 2


def test_a_line_at_one_is_where_both_are_equal():
    axes = plot(*two_comparisons())
    upright = [line for line in axes.get_lines() if line.get_linestyle() == "--"]
    assert [list(line.get_xdata()) for line in upright] == [[1, 1]]


# Seconds


def three_runs():
    return [
        run_of([0.5], name="first", seconds=2.5),
        run_of([0.5], name="second", seconds=16.85, origin=OLD),
        run_of([0.5], name="third", seconds=4.0, origin=GPU),
    ]


def test_a_bar_is_as_long_as_its_run():
    axes = plot_seconds(three_runs())
    ends = [(bar.get_x(), bar.get_width()) for bar in axes.patches]
    assert ends == [(0, 2.5), (0, 16.85), (0, 4)]
    assert [text.get_text() for text in axes.texts] == ["2.50 s", "16.85 s", "4.00 s"]


def test_a_bar_stands_beside_its_run_and_the_first_on_top():
    axes = plot_seconds(three_runs())
    words = ticks(axes.yaxis)
    named = [words[bar.get_y() + bar.get_height() / 2] for bar in axes.patches]
    assert named[0] == "first\nLIVE, CPU 1 (cpu)"
    assert named[1] == "second\nRECORDED, GPU 2 (cuda:0)"
    assert named[2] == "third\nLIVE, GPU 1 (cuda:0)"
    bottom, top = axes.get_ylim()
    assert top < 0 < 2 < bottom


def test_the_cpu_has_a_colour_of_its_own():
    cpu, old, gpu = (to_hex(bar.get_facecolor()) for bar in plot_seconds(three_runs()).patches)
    assert cpu != gpu == old


def test_recorded_bars_are_hatched():
    axes = plot_seconds(three_runs())
    assert [bar.get_hatch() for bar in axes.patches] == [None, "//", None]


def test_the_longest_bar_and_its_number_fit():
    left, right = plot_seconds(three_runs()).get_xlim()
    assert left == 0
    assert right > 16.85


# Phases


def test_the_phases_are_stacked_in_their_order_in_us():
    bars = plot(phases()).patches[:6]
    ends = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in bars]
    each = [(0, 10), (10, 30), (30, 60), (60, 100), (100, 150), (150, 210)]
    assert ends == [pytest.approx(pair) for pair in each]


def test_the_whole_step_is_a_bar_from_zero_in_a_row_of_its_own():
    axes = plot(phases())
    *parts, whole = axes.patches
    assert across(whole) == (0, 230)
    words = ticks(axes.yaxis)
    rows = [words[round(bar.get_y() + bar.get_height() / 2, 6)] for bar in (*parts, whole)]
    assert rows == ["phases"] * 6 + ["whole step"]


def test_the_phases_stand_above_the_whole_step():
    axes = plot(phases())
    *parts, whole = axes.patches
    bottom, top = axes.get_ylim()
    assert all(bottom > whole.get_y() > part.get_y() > top for part in parts)


def test_the_whole_step_has_its_middle_half():
    assert error_bars(plot(phases())) == [pytest.approx((220, 270))]


def test_each_phase_has_the_colour_of_its_name():
    axes = plot(phases())
    colours = legend_colours(axes.figure.legends[0])
    bars = [to_hex(bar.get_facecolor()) for bar in axes.patches[:6]]
    assert list(colours.items()) == list(zip(PHASES, bars, strict=True))
    assert len(set(bars)) == 6


# Copies


def test_copies_show_the_median_in_us_over_the_bytes():
    line = plot(copies()).get_lines()[0]
    assert line.get_xdata().tolist() == [4, 4000]
    assert line.get_ydata().tolist() == pytest.approx([5, 70])


def test_copies_have_a_band_for_the_middle_half():
    drawn = band(plot(copies()).collections[0])
    assert drawn == {4: pytest.approx((4, 9)), 4000: pytest.approx((50, 80))}


def test_copies_to_each_device_have_their_own_line():
    slow = CopyCosts((4, 4000), (spread_us(40, 50, 90), spread_us(500, 700, 800)))
    axes = plot(copies(GPU), slow)
    assert line_called(axes, "from the host to cuda:0").get_ydata() == pytest.approx([5, 70])
    assert line_called(axes, "from the host to cpu").get_ydata() == pytest.approx([50, 700])
    bands = [to_hex(area.get_facecolor()[0]) for area in axes.collections]
    assert bands == [to_hex(line.get_color()) for line in axes.get_lines()]
    assert bands == list(legend_colours(axes.get_legend()).values())


# Growth


EACH_WAY = pytest.mark.parametrize(("over", "sizes"), SIZES.items())


@EACH_WAY
def test_growth_shows_each_settings_medians_in_us_over_its_sizes(over, sizes):
    axes = plot(growth(over=over))
    for name, medians in (("one", [5, 14, 21]), ("two", [8, 10, 12])):
        line = line_called(axes, name)
        assert tuple(line.get_xdata()) == sizes
        assert line.get_ydata() == pytest.approx(medians)


@EACH_WAY
def test_growth_has_bands_for_the_middle_halves(over, sizes):
    one, two = plot(growth(over=over)).collections
    ends = (4, 9), (10, 15), (20, 29)
    assert band(one) == {x: pytest.approx(pair) for x, pair in zip(sizes, ends, strict=True)}
    ends = (6, 9), (7, 11), (11, 19)
    assert band(two) == {x: pytest.approx(pair) for x, pair in zip(sizes, ends, strict=True)}


def test_the_lines_and_bands_of_growth_have_the_colours_of_their_names():
    axes = plot(growth())
    colours = legend_colours(axes.get_legend())
    drawn = {line.get_label(): to_hex(line.get_color()) for line in axes.get_lines()}
    assert drawn == colours
    assert [to_hex(area.get_facecolor()[0]) for area in axes.collections] == list(colours.values())


@pytest.mark.parametrize(("over", "ends"), [("rows", (12, 48)), ("width", (100, 700))])
def test_the_crossing_is_a_strip_from_surely_slower_to_surely_faster(over, ends):
    (strip,) = plot(growth(over=over), crossover=crossover(over, *ends)).patches
    assert across(strip) == ends
    assert strip.get_label() == "cannot tell"


@pytest.mark.parametrize("ends", [{"slower_at": None}, {"faster_at": None}])
def test_there_is_no_strip_where_there_is_no_crossing(ends):
    assert not plot(growth(), crossover=crossover(**ends)).patches
    assert not plot(growth()).patches


@pytest.mark.parametrize(("over", "other"), [("rows", "width"), ("width", "rows")])
def test_a_crossing_over_another_thing_than_the_growth_is_an_error(over, other):
    with pytest.raises(ValueError, match=f"crossover must be one over {over}, as the growth is"):
        plot(growth(over=over), crossover=crossover(other))


def test_growth_has_the_title_that_it_is_given():
    assert plot(growth(), title="Wider").get_title() == "Wider\nLIVE, CPU 1 (cpu)"


# Costs


def test_costs_show_each_runs_us_an_epoch_over_its_reads_an_epoch():
    points = plot(cost_model()).get_lines()[0]
    assert points.get_xdata().tolist() == [1, 0.5, 0.25, 0.2]
    assert points.get_ydata().tolist() == pytest.approx([450, 420, 430, 350])
    assert points.get_linestyle() == "None"


def test_the_fitted_line_is_the_cost_model_at_the_usual_number_of_epochs():
    axes = plot(cost_model())
    reads, us = axes.get_lines()[1].get_data()
    assert reads[0] == pytest.approx(0.2)
    assert reads[-1] == pytest.approx(1)
    assert us == pytest.approx(100 + 300 + 50 * reads)  # 0.1 s over 1000 epochs are 100 µs
    assert axes.get_lines()[1].get_label().startswith("fitted")


def test_the_title_of_costs_is_what_the_model_says_of_a_read():
    title = plot(cost_model()).get_title()
    assert title == "a read costs 50 µs (99% interval 25 µs to 200 µs)\nLIVE, CPU 1 (cpu)"


def test_runs_far_above_the_others_leave_the_figure_and_are_counted():
    slow = run_of([0.5] * 1000, seconds=900 * 1000e-6)
    axes = plot(cost_model(ReadSweep((*sweep().runs, slow))))
    assert axes.get_lines()[0].get_label() == "one run (1 above the figure)"
    assert axes.get_lines()[0].get_ydata()[-1] == pytest.approx(900)
    assert axes.get_ylim()[1] == pytest.approx(1.5 * 430)
    near = plot(cost_model())
    assert near.get_lines()[0].get_label() == "one run"
    assert 450 < near.get_ylim()[1] < 645


# Sweep


def test_a_sweep_shows_each_runs_seconds_over_its_reads():
    axes = plot(sweep())
    first, second = axes.get_lines()
    assert first.get_xdata().tolist() == [1000, 500, 250]
    assert first.get_ydata().tolist() == pytest.approx([0.45, 0.42, 0.43])
    assert second.get_xdata().tolist() == [800]
    assert second.get_ydata().tolist() == pytest.approx([1.4])
    assert axes.get_title() == "What a training takes, by its reads\nLIVE, CPU 1 (cpu)"


def test_each_number_of_epochs_has_a_colour_a_marker_and_a_name():
    axes = plot(sweep())
    lines = axes.get_lines()
    assert [line.get_label() for line in lines] == ["1,000 epochs", "4,000 epochs"]
    assert (
        len({line.get_marker() for line in lines}) == len({line.get_color() for line in lines}) == 2
    )
    assert all(line.get_linestyle() == "None" for line in lines)
    colours = legend_colours(axes.get_legend())
    assert colours == {line.get_label(): to_hex(line.get_color()) for line in lines}


def test_the_axis_of_seconds_begins_at_zero_and_holds_every_run():
    low, high = plot(sweep()).get_ylim()
    assert low == 0 and high > 1.4


# Table


def table(origin=OLD):
    columns = ("kind", "N", "a_us", "b_us", "noise")
    rows = (("fp16", 8, 5.0, 3.0, 0.5), ("fp32", 64, 7.0, 2.0, 0.25))
    return PublishedTable(columns, rows, "what it is", origin)


def points(axes):
    found = {}
    for line in axes.get_lines():
        found[line.get_label()] = (list(line.get_xdata()), list(line.get_ydata()))
    return found


def test_a_tables_numbers_are_drawn_over_the_first_of_them():
    axes = plot(table())
    assert points(axes) == {
        "a_us": ([8, 64], [5, 7]),
        "b_us": ([8, 64], [3, 2]),
        "noise": ([8, 64], [0.5, 0.25]),
    }
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("N", "numbers, as in the legend")
    assert axes.get_title() == "what it is\nRECORDED, GPU 2 (cuda:0)"


def test_the_columns_of_a_table_may_be_chosen():
    axes = plot(table(), columns=["a_us", "b_us"])
    assert points(axes) == {"b_us": ([5, 7], [3, 2])}
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("a_us", "µs")


@pytest.mark.parametrize("columns", [["N", "kind"], ["N"], ["N", "c_us"]])
def test_columns_that_cannot_be_drawn_are_named_with_those_that_can(columns):
    with pytest.raises(ValueError, match=r"columns must be two or more of .*\['N', 'a_us', 'b_us'"):
        plot(table(), columns=columns)


def test_a_table_of_one_column_of_numbers_cannot_be_drawn():
    with pytest.raises(ValueError, match="columns must be two or more of this table's numbers"):
        plot(recorded("tables", "t4")["items-on-host"])


TABLES = [
    ("rtx3080", "array-add"),
    ("rtx5070ti-laptop", "launch-chain"),
    ("rtx5080", "steps-eager"),
    ("rtx5080", "steps-graph"),
    ("rtx4070-laptop", "reads"),
    ("rtx5070", "sync-points"),
    ("t4", "reads"),
    ("a100", "read"),
]


@pytest.mark.parametrize(("machine", "key"), TABLES)
def test_a_published_tables_numbers_are_those_of_its_figure(machine, key):
    theirs = recorded("tables", machine)[key]
    numbers = [i for i, cell in enumerate(theirs.rows[0]) if not isinstance(cell, str)]
    axes = plot(theirs)
    drawn = points(axes)
    assert len(drawn) == len(numbers) - 1
    for i in numbers[1:]:
        x, y = drawn[theirs.columns[i]]
        pairs = sorted((row[numbers[0]], row[i]) for row in theirs.rows)
        assert list(zip(x, y, strict=True)) == pairs
    assert str(theirs.origin) in axes.get_title().replace("\n", " ")
    assert inside(axes)


def test_how_an_addition_grows_by_its_numbers():
    theirs = recorded("tables", "rtx3080")["array-add"]
    drawn = points(plot(theirs, columns=["numbers", "one_at_a_time_us", "many_queued_us"]))
    sizes, times = drawn["one_at_a_time_us"]
    assert sizes == [4**i for i in range(1, 14)]
    assert (times[0], times[-1]) == (7.367, 1155.877)
    assert (drawn["many_queued_us"][1][0], drawn["many_queued_us"][1][-1]) == (1.708, 1149.923)


def test_a_table_is_drawn_in_the_order_of_its_sizes():
    theirs = recorded("tables", "radeon780m")["products"]
    drawn = points(plot(theirs, columns=["mflop", "cpu_us", "gpu_with_copies_us"]))
    sizes = [4.2, 20.1, 268.4, 2147.5, 17179.9]
    assert drawn["cpu_us"] == (sizes, [353, 491, 4499, 49388, 392146])
    assert drawn["gpu_with_copies_us"] == (sizes, [3356, 2520, 4523, 15894, 121010])


# Reads

LOSSES = tuple(1 / n for n in range(1, 101))


def reads_figure(every=30):
    return draw_reads(run_of(LOSSES), lopsided(), every).figure.axes


def test_the_figure_of_reads_shows_the_losses_that_are_read_among_all():
    left, _ = reads_figure()
    every = line_called(left, "every loss")
    assert list(every.get_xdata()) == list(range(1, 101))
    assert tuple(every.get_ydata()) == LOSSES
    seen = line_called(left, "those read")
    assert list(seen.get_xdata()) == [30, 60, 90]
    assert list(seen.get_ydata()) == [1 / 30, 1 / 60, 1 / 90]
    assert left.get_title().startswith("Steps between reads 30, losses seen 3\n")


def test_the_time_falls_as_there_are_more_steps_to_a_read():
    _, right = reads_figure()
    every, seconds = right.get_lines()[0].get_data()
    assert (every[0], every[-1]) == (1, 100)
    assert seconds == pytest.approx(2 + 0.01 * 100 / every)


def test_the_time_has_its_interval():
    _, right = reads_figure()
    drawn = band(right.collections[0])
    assert len(drawn) > 10
    for every, ends in drawn.items():
        seconds = 2 + 0.01 * 100 / every
        assert ends == pytest.approx((seconds - 1, seconds + 3))


def test_a_point_stands_at_the_steps_to_a_read_that_were_chosen():
    _, right = reads_figure()
    point = right.containers[0].lines[0]
    assert point.get_xdata().tolist() == [30]
    assert point.get_ydata().tolist() == pytest.approx([2.03])
    assert error_bars(right) == [pytest.approx((1.03, 5.03))]


def test_the_axis_of_the_time_begins_at_zero_and_holds_the_interval():
    _, right = draw_reads(run_of([0.5] * 1000), lopsided(), 30).figure.axes
    low, high = right.get_ylim()
    assert low == 0
    assert high > 2 + 0.01 * 1000 + 3


def test_a_figure_of_reads_needs_every_loss():
    for run in (run_of([0.5, 0.4], every=2), run_of([0.5, 0.4], epochs=3)):
        with pytest.raises(ValueError, match="run must be a run with every loss"):
            draw_reads(run, lopsided(), 1)


# Ladder


def row_of(axes, place):
    """The way in whose row this place is."""
    words = ticks(axes.yaxis)
    return words[min(words, key=lambda at: abs(at - place))]


def test_a_ladder_shows_us_a_step_in_the_row_of_its_way():
    axes = plot(ladder())
    points = axes.containers[0].lines[0]
    assert points.get_xdata().tolist() == pytest.approx([400, 90])
    assert [row_of(axes, place) for place in points.get_ydata()] == ["plain", "quick"]


def test_ladders_of_a_class_have_a_line_of_text_for_each_number():
    figure = plot(*[ladder()] * 8).figure
    figure.canvas.draw()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts if "(" in text.get_text()]
    middles = sorted((box.y0 + box.y1) / 2 for box in boxes)
    height = max(box.height for box in boxes)
    gaps = [high - low for low, high in pairwise(middles)]
    assert len(boxes) >= 16 and min(gaps) > 0.8 * height


def test_a_ladder_shows_the_middle_halves():
    plain, quick = error_bars(plot(ladder()))
    assert plain == pytest.approx((300, 700))
    assert quick == pytest.approx((80, 130))


def test_a_ladder_is_a_time_for_one_epoch():
    two = ladder()
    axes = plot(Ladder(500, two.rungs))
    assert axes.containers[0].lines[0].get_xdata().tolist() == pytest.approx([800, 180])
    assert error_bars(axes)[0] == pytest.approx((600, 1400))


def test_a_ladders_numbers_stand_at_their_points():
    axes = plot(ladder())
    notes = {text.get_text(): text.xy for text in axes.texts}
    assert notes["400 (8.6 s)"] == pytest.approx((400, 0))
    assert notes["90 (2.71 s)"] == pytest.approx((90, 2))


def test_a_missing_way_says_why_in_its_own_row():
    axes = plot(ladder())
    missing = [text for text in axes.texts if "not here" in text.get_text()]
    assert [text.get_text() for text in missing] == ["not here: no GPU"]
    assert row_of(axes, missing[0].xy[1]) == "graph"


def test_a_way_that_one_ladder_has_is_not_missing():
    with_graph = Ladder(1000, (*ladder().rungs[:1], rung("graph", 20, 30, 70)))
    for ladders in ((ladder(), with_graph), (with_graph, ladder())):
        axes = plot(*ladders)
        assert not [text for text in axes.texts if "not here" in text.get_text()]


def test_the_first_way_is_on_top():
    axes = plot(ladder())
    assert ticks(axes.yaxis) == {0: "plain", 1: "graph", 2: "quick"}
    bottom, top = axes.get_ylim()
    assert bottom > 2 > 0 > top


def test_the_title_of_a_ladder_names_its_quickest_way():
    title = plot(ladder()).get_title()
    assert title == "The same losses, at best in 90 µs a step: quick\nLIVE, CPU 1 (cpu)"


def test_two_ladders_lie_beside_each_other_and_the_recorded_one_is_hollow():
    quicker = Ladder(1000, (rung("plain", 30, 40, 70, origin=OLD),))
    axes = plot(ladder(), quicker)
    live, recorded = (container.lines[0] for container in axes.containers)
    assert live.get_xdata().tolist() == pytest.approx([400, 90])
    assert recorded.get_xdata().tolist() == pytest.approx([40])
    assert live.get_ydata()[0] != recorded.get_ydata()[0]
    assert row_of(axes, live.get_ydata()[0]) == row_of(axes, recorded.get_ydata()[0]) == "plain"
    assert (live.get_fillstyle(), recorded.get_fillstyle()) == ("full", "none")
    labels = [container.get_label() for container in axes.containers]
    assert labels == ["LIVE, CPU 1 (cpu)", "RECORDED, GPU 2 (cuda:0)"]
    assert to_hex(live.get_color()) != to_hex(recorded.get_color())


# Titles

WITH_TITLE = {
    "losses": lambda **t: plot(run_of([0.9, 0.5]), **t),
    "samples": lambda **t: plot(spread(1, 2, 5), **t),
    "comparisons": lambda **t: plot(comparison(2, 1.5, 4), **t),
    "seconds": lambda **t: plot_seconds([run_of([0.5])], **t),
    "timeline": lambda **t: plot(timeline(), **t),
    "growth": lambda **t: plot(growth(), **t),
    "sweep": lambda **t: plot(sweep(), **t),
    "table": lambda **t: plot(table(), **t),
}


@pytest.mark.parametrize("figure", WITH_TITLE.values(), ids=WITH_TITLE.keys())
def test_a_title_replaces_the_figures_own(figure):
    assert figure(title="Mine").get_title().splitlines()[0] == "Mine"
    assert figure().get_title().splitlines()[0] not in ("", "Mine")
