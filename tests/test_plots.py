import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import pytest
import torch

from day37 import MLP, compare, measure_in_turn, plots, records, trace_calls, train
from day37.costs import Setting, measure_copies, measure_growth
from day37.hardware import Origin
from day37.overhead import measure_phases, record_timeline
from day37.reads import fit_cost, sweep_reads
from day37.schedule import StepCosts
from day37.speedups import Ladder, Rung
from day37.timing import Measurement


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def text_of(axes):
    legend = axes.get_legend()
    labels = [
        *axes.get_xticklabels(),
        *axes.get_yticklabels(),
        *(legend.get_texts() if legend else []),
    ]
    return " | ".join(
        [
            axes.get_title(),
            axes.get_xlabel(),
            axes.get_ylabel(),
            *(label.get_text() for label in labels),
        ]
    )


def test_losses_say_live_and_recorded(model, data):
    run = train(model, data, epochs=20, progress=False)
    theirs = records.published().runs["cpu-every-epoch"]
    axes = plots.plot_losses(run, theirs)
    assert "LIVE" in text_of(axes)
    assert "RECORDED, Intel Core i7-12800HX" in text_of(axes)
    live, recorded = axes.get_lines()
    assert tuple(live.get_ydata()) == run.losses
    assert tuple(recorded.get_xdata()) == theirs.epochs_read
    assert live.get_linestyle() != recorded.get_linestyle()


def test_recorded_bars_are_hatched(model, data):
    run = train(model, data, epochs=20, progress=False)
    axes = plots.plot_seconds([run, records.published().runs["gpu-every-epoch"]])
    assert [bar.get_hatch() for bar in axes.patches] == [None, "//"]
    assert axes.patches[1].get_width() == 16.85


def test_the_confusion_table_counts():
    axes = plots.plot_confusion(
        torch.tensor([0, 0, 1, 2]), torch.tensor([0, 1, 1, 2]), ("a", "b", "c")
    )
    assert [t.get_text() for t in axes.texts] == ["1", "1", "0", "0", "1", "0", "0", "0", "1"]
    assert axes.get_title() == "3 of 4 test rows are right"


def test_every_figure_has_axes_units_and_an_origin(model, data):
    ways = {"a": lambda: sum(range(100)), "b": lambda: sum(range(200))}
    step = measure_in_turn(ways, repeats=8)
    sweep = sweep_reads(MLP, data, intervals=[1, 5], epochs=[10, 20], repeats=2)
    growth = measure_growth(
        {"one": Setting(threads=1), "all": Setting()}, [(12, 10), (24, 10)], repeats=8
    )
    figures = [
        plots.plot_samples(*step.values()),
        plots.plot_comparisons(compare(*ways.values(), repeats=8), title="equal"),
        plots.plot_phases(measure_phases(model, data, steps=3, warmup=1)),
        plots.plot_timeline(record_timeline(model, data)),
        plots.plot_copies(measure_copies(sizes=(4, 400), repeats=2)),
        plots.plot_growth(growth, title="growth", crossover=growth.crossover("one", "all")),
        plots.plot_sweep(sweep, fit_cost(sweep)),
        plots.plot_activations([1, 2], torch.rand(2, 10)),
    ]
    for axes in figures:
        axes.figure.canvas.draw()
        assert "LIVE" in text_of(axes)
        assert axes.get_xlabel()
        assert axes.get_ylabel() or any(t.get_text() for t in axes.get_yticklabels())


def test_rows_are_drawn_by_class(data):
    axes = plots.plot_rows(data.x_train, data.y_train, data.feature_names, data.class_names)
    assert [len(line.get_xdata()) for line in axes.get_lines()] == data.y_train.bincount().tolist()
    assert len({line.get_marker() for line in axes.get_lines()}) == 3


def test_a_picture_is_drawn_apart_from_the_cell(model, data):
    run = train(model, data, epochs=20, progress=False)
    assert plots.draw_png(plots.plot_losses, run).startswith(b"\x89PNG")
    assert plt.get_fignums() == []
    plots.plot_losses(run)
    assert len(plt.get_fignums()) == 1
    with pytest.raises(AttributeError):
        plots.draw_png(plots.plot_losses, "no run")
    plots.plot_losses(run)
    assert len(plt.get_fignums()) == 2


def test_the_interval_shows_what_is_read_and_what_it_takes(data):
    run = train(MLP(), data, epochs=100, progress=False)
    sweep = sweep_reads(MLP, data, intervals=[1, 5], epochs=[10, 20], repeats=3)
    axes = plots.plot_interval(run, fit_cost(sweep), 10, origin=sweep.origin)
    every, seen = axes.get_lines()
    assert list(seen.get_xdata()) == list(range(10, 101, 10)) and len(every.get_xdata()) == 100
    assert list(seen.get_ydata()) == list(run.losses[9::10])
    assert "10 losses" in axes.get_title() and "LIVE" in axes.get_title()
    right = axes.figure.axes[1]
    assert (
        list(right.get_lines()[0].get_xdata()[[0, -1]]) == [1, 100] and "LIVE" in right.get_title()
    )


def test_calls_are_nested_bars_with_a_line_at_the_event():
    tree = trace_calls(MLP(), torch.zeros(5, 4))
    axes = plots.plot_calls(tree, event=3)
    outlines = [path.get_extents() for bars in axes.collections for path in bars.get_paths()]
    assert len(outlines) == len(axes.texts) == 8
    widest = max(outlines, key=lambda outline: outline.width)
    assert (widest.x0, widest.width, widest.height) == pytest.approx((0.5, 16, 0.9))
    assert list(axes.get_lines()[0].get_xdata()) == [3, 3]
    assert not plots.plot_calls(tree).get_lines()


def test_a_modelled_timeline_has_a_finding_of_its_own():
    costs = StepCosts(3, 8e-6, 2e-6, 3e-5)
    axes = plots.plot_timeline(
        costs.timeline(Origin("cuda:0", "a GPU", "today", True)), finding="modelled: 2 s"
    )
    assert axes.get_title() == "Modelled: 2 s\nRECORDED, a GPU (cuda:0)"
    assert [text.get_text() for text in axes.figure.legends[0].get_texts()] == [
        "launches",
        "wait",
        "read",
        "kernel or copy",
    ]


def test_a_size_can_be_marked():
    growth = measure_growth({"all": Setting()}, [(12, 10), (24, 10)], repeats=2)
    lines = {
        line.get_label(): list(line.get_xdata())
        for line in plots.plot_growth(growth, title="rows", mark=24).get_lines()
    }
    assert lines["here"] == [24, 24]


def test_the_width_can_be_on_the_axis():
    growth = measure_growth({"all": Setting()}, [(12, 10), (12, 20)], repeats=2)
    axes = plots.plot_growth(growth, over="width", title="wider")
    assert list(axes.get_lines()[0].get_xdata()) == [10, 20]


def test_a_ladder_shows_each_machine_and_why_a_way_is_missing():
    def ladder(seconds, recorded):
        origin = Origin("cuda:0", "GPU 2" if recorded else "GPU 1", "today", recorded)
        time = Measurement("plain loop", (seconds,) * 8, origin)
        graph = Rung(
            "graph",
            "a",
            "b",
            **({"obstacle": "no GPU"} if recorded else {"time": time, "first_seconds": 1.0}),
        )
        return Ladder(1000, (Rung("plain loop", "a", "b", "", time, 1.0, 0.0, 0.0), graph), 0.0)

    axes = plots.plot_ladder(ladder(0.5, False), ladder(0.25, True))
    assert "best in 500 µs a step" in axes.get_title() and "LIVE, GPU 1" in axes.get_title()
    assert "LIVE, GPU 1" in text_of(axes) and "RECORDED, GPU 2" in text_of(axes)
    notes = [text.get_text() for text in axes.texts]
    assert (
        notes.count("500") == 2
        and notes.count("250") == 1
        and not [n for n in notes if "not here" in n]
    )
    alone = plots.plot_ladder(ladder(0.25, True))
    assert "not here: no GPU" in [text.get_text() for text in alone.texts]
    assert alone.get_xscale() == "log"
