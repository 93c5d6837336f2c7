"""One look for every figure: readable at column width, safe for colour-blind readers."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd

mpl.use("Agg")

from matplotlib import pyplot as plt
from matplotlib import ticker
from textalloc import allocate

from lateralization import wording

LEFT, RIGHT = "#d55e00", "#029e73"
"""Vermilion and green of the colour-blind palette: the study's colours of the hemispheres."""

INK, QUIET, GRID = "#1f2430", "#6b7280", "#e5e7eb"
FAMILY_COLOURS = (
    "#0072b2", "#cc79a7", "#56b4e9", "#e69f00", "#332288", "#882255", "#999933", "#44aa99",
    "#6b7280",
)  # fmt: skip
FAMILY_MARKERS = "osD^vPX<"
"""One fewer than the colours: both go round, and 72 families pass before a pair comes again."""

MOST_FAMILIES = 24
"""More names than this have no room in a legend, and no reader keeps them apart."""

OTHERS, OTHER_FAMILIES = ("#6b7280", "*"), "other families"
"""Look and name of all families beyond those."""

COLUMN, PAGE = 3.5, 7.2
"""Width in inches of one and of two columns of a journal."""

NUMBER_WIDTH = 26
"""Points that a number such as 100M takes on an axis, with some space."""

SIZE_STEPS = ((1.0,), (1.0, 3.0), (1.0, 2.0, 5.0), (1.0, 1.5, 2.0, 3.0, 5.0, 7.0), range(1, 10))
"""Multiples of the powers of ten that an axis of sizes may name, the roundest first.

The last but one are nearer to each other than the axis of one size is long, which so has a number.
"""


FEW_MODELS = 8
"""Of more models the families have a legend, and names are smaller."""

FONT = "'DejaVu Sans'"
FONTS = f"{FONT}, Verdana, Geneva, sans-serif"
"""The font of a drawing, and those that are as wide where it is not installed."""

STYLE: dict[str, Any] = {
    "figure.dpi": 100,
    "savefig.dpi": 300,
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.titlesize": 8.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 8,
    "axes.labelcolor": INK,
    "axes.edgecolor": QUIET,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "lines.linewidth": 1.4,
    "lines.markersize": 4.5,
    "text.color": INK,
    "text.parse_math": False,  # names of models may hold dollar signs
    "axes.unicode_minus": True,
    "svg.fonttype": "none",  # text of a drawing is text
    "svg.hashsalt": "lateralization",
    "figure.constrained_layout.use": True,
}


@dataclass(frozen=True)
class Drawing:
    """A figure with the words that go with it."""

    figure: Any
    title: str
    caption: str
    alt: str


@contextmanager
def style() -> Iterator[None]:
    """Draw in the project's style."""
    with mpl.rc_context(STYLE):
        yield
    plt.close("all")


def standing_apart(values: Iterable[float], least: float, shift: float = 0.0) -> list[float]:
    """Keep, from the smallest on, the numbers of a logarithmic axis that do not run together.

    ``least``: distance that two numbers need, in powers of ten of the value plus ``shift``.
    """
    kept: list[float] = []
    for value in values:
        if not kept or np.log10((value + shift) / (kept[-1] + shift)) >= least:
            kept.append(float(value))
    return kept


def write_numbers(axes: Any, values: list[float], write: Callable[[float], str]) -> None:
    """Put these numbers on the x axis, and no others."""
    axes.xaxis.set_major_locator(ticker.FixedLocator(values))
    axes.xaxis.set_minor_locator(ticker.NullLocator())
    axes.xaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: write(value)))


def size_numbers(low: float, high: float, least: float) -> list[float]:
    """Choose the roundest numbers between two sizes that stand apart: three, or else two.

    Where some of a step's numbers have no room the rest are uneven: better than one number alone,
    and no better than two.
    """
    powers = 10.0 ** np.arange(np.floor(np.log10(low)), np.log10(high) + 1)
    found: list[float] = []
    for steps in SIZE_STEPS:
        values = np.outer(powers, steps).ravel()
        values = values[(values >= low) & (values <= high)]
        shown = standing_apart(values, least)
        if len(found) < len(shown) and (len(found) < 2 or len(shown) == len(values)):
            found = shown
        if len(found) >= 3:
            break
    return found


def size_axis(axes: Any, sizes: pd.Series) -> None:
    """Make x a logarithmic axis of numbers of parameters, written 124M, 1.6B."""
    axes.set_xscale("log")
    low, high = float(sizes.min()) / 1.35, float(sizes.max()) * 1.35
    axes.set_xlim(low, high)
    width = axes.bbox.width * 72 / axes.figure.dpi  # points
    least = NUMBER_WIDTH / width * np.log10(high / low)
    write_numbers(axes, size_numbers(low, high, least), wording.size)
    axes.set_xlabel("number of parameters")


ZERO = "_left and right are equal"


def zero_line(axes: Any) -> None:
    """Draw where left and right are equal."""
    axes.axhline(0, color=INK, linewidth=0.9, zorder=1.5, label=ZERO)


def fit_line(axes: Any, sizes: pd.Series, row: pd.Series, colour: str = INK) -> None:
    """Draw a regression on ln N over the range of the models."""
    if not (np.isfinite(row["slope"]) and np.isfinite(row["intercept"])):
        return
    x = np.geomspace(sizes.min(), sizes.max(), 50)
    y = row["intercept"] + row["slope"] * np.log(x)
    axes.plot(x, y, color=colour, linewidth=1.1, alpha=0.75, zorder=2)


def statistics(row: pd.Series | None) -> str:
    """Write r and p of a regression, or why there are none."""
    if row is None or not np.isfinite(row["r"]):
        return ""
    return f"r = {wording.number(float(row['r']), 2)}, {wording.p_value(float(row['p']))}"


def say_statistics(axes: Any, row: pd.Series | None) -> None:
    """Write r and p above the axes, at the right: no point can lie there."""
    axes.set_title(statistics(row), loc="right", fontsize=7.5, fontweight="normal", color=QUIET)


def stars(p: float) -> str:
    """Write a p value as the study does: ``***`` up to 0.001, ``**``, ``*``, else nothing."""
    return next((mark for mark, limit in (("***", 1e-3), ("**", 1e-2), ("*", 0.05)) if p <= limit),
                "")  # fmt: skip


FAMILY_NAMES = {
    "gpt2": "GPT-2", "opt": "OPT", "gemma": "Gemma", "stablelm": "StableLM", "mamba": "Mamba",
    "pythia": "Pythia",
}  # fmt: skip


def family_name(name: Any) -> str:
    """Name a family as people write it; most are written as models of the hub are named."""
    return FAMILY_NAMES.get(str(name), str(name))


def family_label(name: Any, looks: dict[str, tuple[str, str]]) -> str:
    """Name a family in a legend; those that share the look of the others share its name."""
    return OTHER_FAMILIES if looks[str(name)] == OTHERS else family_name(name)


LABEL = "_label of a point"

NAMED_SMALLER = 5.0
"""Size in points of the names of models where they are more than ``FEW_MODELS``."""

_PLATE = {"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 0.3}
"""Keeps small text readable where it crosses a line."""

_LEADER = {"scalex": False, "scaley": False, "zorder": 2.5}
"""How the line from a label to its point is drawn: it must not move the axes."""


def label_points(axes: Any, xs: Any, ys: Any, names: Any) -> None:
    """Name each point; :func:`settle` finds the label's place once the axes have theirs."""
    size = 6.5 if len(names) <= FEW_MODELS else NAMED_SMALLER
    for x, y, name in zip(xs, ys, names, strict=True):
        if np.isfinite(x) and np.isfinite(y):
            label = axes.text(x, y, short(name), fontsize=size, label=LABEL)
            label.set_in_layout(False)  # where a label stands must not move the axes


def settle(figure: Any) -> None:
    """Put statistics below a title that runs into them, and every label beside its point."""
    _settle_titles(figure)
    for axes in figure.axes:
        labels = [text for text in axes.texts if text.get_label() == LABEL]
        if labels:
            _settle_labels(axes, labels)


def _settle_titles(figure: Any) -> None:
    """Write titles a line higher than statistics, where they meet; cut what is wider than its axes.

    All axes of a figure are treated alike, so that their titles stay in line.
    """
    figure.draw_without_rendering()
    titled = [axes for axes in figure.axes if axes.get_title("left")]
    beside = [axes for axes in titled if axes.get_title("right")]

    def meet(axes: Any) -> bool:
        # matplotlib has no public name for the titles at the sides
        left, right = axes._left_title, axes._right_title
        gap = mpl.rcParams["axes.titlesize"] / 2 * figure.dpi / 72
        return bool(left.get_window_extent().x1 + gap > right.get_window_extent().x0)

    if any(meet(axes) for axes in beside):
        for axes in titled:
            axes.set_title(axes.get_title("left") + "\n", loc="left")
    for axes in titled:
        title = axes._left_title
        while title.get_window_extent().x1 > axes.bbox.x1 and len(title.get_text()) > 8:
            text = title.get_text()
            line = text.rstrip("\n")
            title.set_text(short(line, len(line) - 1) + text[len(line) :])


def _settle_labels(axes: Any, labels: list[Any]) -> None:
    """Let textalloc (it draws the figure first) place the names of points, with lines to them.

    A name for which there is no room beside points, lines and other names is left out.
    """
    places = np.array([label.get_position() for label in labels], float)
    names, size = [label.get_text() for label in labels], labels[0].get_fontsize()
    for label in labels:
        label.remove()
    lines = [line for line in axes.lines if line.get_transform() == axes.transData]
    points = [line.get_xydata() for line in lines if line.get_marker() not in {"None", "", " "}]
    points += [spots.get_offsets() for spots in axes.collections if len(spots.get_offsets()) > 1]
    curves = [line.get_xydata() for line in lines if line.get_linestyle() != "None"]
    if any(line.get_label() == ZERO for line in axes.lines):
        curves.append(np.column_stack([axes.get_xlim(), (0, 0)]))
    taken = np.concatenate([places, *points])
    taken = taken[np.isfinite(taken).all(axis=1)]
    allocate(
        axes, places[:, 0], places[:, 1], names, x_scatter=taken[:, 0], y_scatter=taken[:, 1],
        x_lines=[curve[:, 0] for curve in curves] or None,
        y_lines=[curve[:, 1] for curve in curves] or None,
        textsize=size, textcolor=INK, linecolor=INK, linewidth=0.4, max_distance=0.3,
        nbr_candidates=600, draw_all=False, avoid_crossing_label_lines=True, margin=0.004,
        plot_kwargs=_LEADER, in_layout=False, label=LABEL, zorder=4, bbox=_PLATE,
    )  # fmt: skip


def handles_of(panels: Any) -> dict[str, Any]:
    """Give what the panels' legends would name: label → drawn thing, each label once."""
    found: dict[str, Any] = {}
    for axes in np.atleast_1d(panels).flat:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    return found


def outside_legend(figure: Any, named: dict[str, Any], loc: str = "outside lower center") -> None:
    """Put a legend above or below the axes, in as many columns as the figure is wide enough for.

    The figure grows by the legend's height: many names must not squeeze the axes.
    """
    for columns in range(len(named), 0, -1):
        legend = figure.legend(named.values(), named.keys(), loc=loc, ncols=columns)
        box = legend.get_window_extent()
        if columns == 1 or box.width <= figure.bbox.width:
            space = 2 * mpl.rcParams["figure.constrained_layout.h_pad"]
            width, height = figure.get_size_inches()
            figure.set_size_inches(width, height + box.height / figure.dpi + space)
            return
        legend.remove()


def legend_beside(figure: Any, named: dict[str, Any]) -> None:
    """Put a legend to the right of the axes, or below them where it takes too much room there."""
    legend = figure.legend(named.values(), named.keys(), loc="outside right upper")
    box, whole = legend.get_window_extent(), figure.bbox
    if box.height > 0.95 * whole.height or box.width > whole.width / 3:
        legend.remove()
        outside_legend(figure, named)


def listing(words: Any) -> str:
    """Join words as people write them: ``a``, ``a and b``, ``a, b and c``."""
    *first, last = [str(word) for word in words]
    return f"{', '.join(first)} and {last}" if first else last


def of_person(subject: str) -> str:
    """End a title with the person whom a figure shows; the average is everywhere else."""
    return "" if subject == "average" else f" in {subject}"


def short(name: str, length: int = 22) -> str:
    """Cut a long name in its middle."""
    name = str(name)
    if len(name) <= length:
        return name
    half = (length - 1) // 2
    return f"{name[:half]}…{name[-half:]}"


def families(table: pd.DataFrame) -> dict[str, tuple[str, str]]:
    """Give every family a colour and a marker of its own, in the order of its smallest model.

    Colours and markers go round by themselves, so that two families differ in one at least; those
    beyond :data:`MOST_FAMILIES` share one look.
    """
    order = table.sort_values("n_parameters")["family"].astype(str).unique()
    own = {
        name: (FAMILY_COLOURS[i % len(FAMILY_COLOURS)], FAMILY_MARKERS[i % len(FAMILY_MARKERS)])
        for i, name in enumerate(order[:MOST_FAMILIES])
    }
    return own | dict.fromkeys(order[MOST_FAMILIES:], OTHERS)
