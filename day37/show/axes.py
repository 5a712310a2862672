"""Lessons 1 to 5: empty axes with their style, a legend below them, and a figure as a picture."""

import io
import textwrap
from collections.abc import Callable
from contextvars import ContextVar

import matplotlib.pyplot as plt
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Okabe and Ito's colours, for colour-blind readers; markers and dashes tell the same again.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES = ("-", "--", ":", "-.")
MS = 1e3  # in a second
US = 1e6
LETTERS = 11  # of a title to an inch
HARD = "\xa0"  # a space at which no line is broken
_apart: ContextVar[bool] = ContextVar("apart", default=False)  # each thread has its own


def new_axes(x: str, y: str, title: str, *, size: tuple[float, float] = (7, 3.8)) -> Axes:
    """Empty axes in a new figure, with labels, a title, a light grid, and a style for each line."""
    return dress(new_figure(size).subplots(), x, y, title)


def dress(axes: Axes, x: str, y: str, title: str) -> Axes:
    """The axes with labels, a title, a light grid, and a colour and dashes for each line."""
    axes.set_prop_cycle(cycler(color=COLOURS * 4) + cycler(linestyle=DASHES * 7))  # 28 lines
    axes.set(xlabel=x, ylabel=y)
    axes.set_title(title, fontsize="medium")
    axes.grid(alpha=0.3)
    return axes


def fold(title: str, inches: float) -> str:
    """The title with each line broken that is wider than so many inches: best after a semicolon."""
    width = int(inches * LETTERS)
    lines = []
    for line in title.splitlines():
        parts = line.replace(" ", HARD).replace(f";{HARD}", "; ")
        for part in textwrap.wrap(parts, width, break_long_words=False, break_on_hyphens=False):
            lines += textwrap.wrap(part.replace(HARD, " "), width, break_on_hyphens=False)
    return "\n".join(lines)


def legend_below(axes: Axes) -> Axes:
    """One legend below all axes of the figure, each label once."""
    found = {}
    for each in axes.figure.axes:
        for handle, label in zip(*each.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    columns = 7 if len(found) <= 7 else 5
    place = {"fontsize": "small", "ncols": columns, "loc": "outside lower center"}
    axes.figure.legend(found.values(), found.keys(), **place)
    return axes


def new_figure(size: tuple[float, float]) -> Figure:
    """A figure that the notebook shows after the cell, or, for `draw_png`, one that it does not."""
    make = Figure if _apart.get() else plt.figure
    return make(figsize=size, layout="constrained")


def draw_png(draw: Callable[..., Axes], *arguments, **options) -> bytes:
    """What `draw(...)` draws, as a PNG picture. From any thread; no cell shows it by itself."""
    token = _apart.set(True)
    picture = io.BytesIO()
    try:
        draw(*arguments, **options).figure.savefig(picture, format="png", dpi=120)
    finally:
        _apart.reset(token)
    return picture.getvalue()
