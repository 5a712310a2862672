"""Empty axes, their title and legend, and a figure as a picture."""

import matplotlib.pyplot as plt
import pytest

from day37 import plot
from day37.show.axes import draw_png, fold, legend_below, new_axes, new_figure
from tests.show.figures import crossover, growth, inside, run_of, text_of

# Axes


def test_new_axes_have_their_labels_their_title_and_their_size():
    axes = new_axes("epoch", "loss", "A title", size=(5, 2))
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_title()) == ("epoch", "loss", "A title")
    assert axes.figure.get_size_inches().tolist() == [5, 2]


def test_28_lines_differ_in_colour_or_dashes():
    axes = new_axes("x", "y", "t")
    lines = [axes.plot([1, 2])[0] for _ in range(28)]
    assert len({(line.get_color(), line.get_linestyle()) for line in lines}) == 28


# Titles

LONG = (
    "RECORDED, a GPU (cuda:0); profiled: the host is slowed; CUDA 13.0; by owner/a-long-name, MIT"
)


def test_a_title_that_fits_stays_as_it_is():
    assert fold("One line\nand another; and more", 9) == "One line\nand another; and more"


def test_a_title_that_is_too_wide_is_broken_after_a_semicolon():
    assert fold(f"Short\n{LONG}", 7).splitlines() == [
        "Short",
        "RECORDED, a GPU (cuda:0); profiled: the host is slowed; CUDA 13.0;",
        "by owner/a-long-name, MIT",
    ]


def test_a_part_that_is_too_wide_is_broken_at_a_space():
    folded = fold("many short words " * 20 + "; end", 7).splitlines()
    assert max(map(len, folded)) <= 77
    assert " ".join(folded).split() == ("many short words " * 20 + "; end").split()


@pytest.mark.parametrize("inches", [5, 7, 9])
def test_a_folded_title_lies_inside_its_figure(inches):
    for title in (LONG * 3, "many short words " * 20, LONG.replace("; ", ", ") * 3):
        assert inside(new_axes("x", "y", fold(title, inches), size=(inches, 6)))


# Legends


def test_a_legend_below_holds_each_label_once_and_fits():
    labels = [f"line number {i}" for i in range(9)]
    one, two = new_figure((9, 4)).subplots(2)
    for axes in (one, two):
        axes.set_title("title")
        for label in labels:
            axes.plot([1, 2], label=label)
    assert legend_below(two) is two
    (legend,) = one.figure.legends
    assert [text.get_text() for text in legend.get_texts()] == labels
    assert inside(one)
    assert "line number 8" in text_of(one)


# Pictures


def test_a_picture_is_drawn_apart_from_the_cell():
    run = run_of([0.9, 0.5])
    assert draw_png(plot, run).startswith(b"\x89PNG")
    assert plt.get_fignums() == []
    plot(run)
    assert len(plt.get_fignums()) == 1
    with pytest.raises(ValueError, match="crossover"):
        draw_png(plot, growth(), crossover=crossover("width"))
    plot(run)
    assert len(plt.get_fignums()) == 2


def test_a_picture_shows_what_it_is_given():
    low, high = run_of([0.9, 0.5]), run_of([0.9, 0.8])
    picture = draw_png(plot, low)
    assert draw_png(plot, low) == picture
    assert draw_png(plot, high) != picture
    assert draw_png(plot, low, title="another") != picture
