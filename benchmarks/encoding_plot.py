"""The picture of the encoder's benchmark, drawn from its tables."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lateralization.figures.figure_style import INK, PAGE, QUIET, plt, style, ticker

LOOKS = {
    "A": ("A  scikit-learn (scaled)", "#d55e00", "s"),
    "B": ("B  himalaya", "#cc79a7", "^"),
    "C": ("C  ours, CPU", "#0072b2", "o"),
    "D": ("D  ours, CUDA", "#009e73", "D"),
}
"""Name, colour (told apart by every kind of colour vision) and marker of the contenders."""

BARS = {"A_over_C": 60, "B_over_C": 4}
"""How many times as fast as A and B the encoder has to be."""

SHARE = 0.5
"""Share of the machine's rate of products that it has to reach."""


def read(results: Path, part: str) -> pd.DataFrame:
    """Read the table of a part; empty when it was not measured."""
    path = results / f"encoding_{part}.tsv"
    return pd.read_csv(path, sep="\t") if path.is_file() else pd.DataFrame()


def missing(axis: Any, title: str) -> None:
    """Say on an empty panel that it was not measured."""
    axis.set_title(title)
    axis.set_axis_off()
    axis.text(0.5, 0.5, "not measured", ha="center", color=QUIET, transform=axis.transAxes)


def ticks(axis: Any, table: pd.DataFrame) -> None:
    """Label the measured numbers of features on a logarithmic axis."""
    sizes = sorted(set(table["n_features"]))
    axis.set_xscale("log")
    axis.set_xticks(sizes, [f"{size}" for size in sizes], rotation=30)
    axis.set_xticks([], minor=True)
    axis.set_xlabel("features")


def logarithmic(axis: Any, values: pd.Series) -> None:
    """Make the vertical axis logarithmic, with plain numbers and room for the legend."""
    axis.set_yscale("log")
    axis.set_ylim(0.6 * float(values.min()), 6 * float(values.max()))
    axis.yaxis.set_major_locator(ticker.LogLocator(10, subs=(1, 3)))
    axis.yaxis.set_major_formatter(ticker.FormatStrFormatter("%g"))
    axis.yaxis.set_minor_formatter(ticker.NullFormatter())
    if axis.get_legend_handles_labels()[0]:
        axis.legend(loc="upper left")


def draw_seconds(axis: Any, table: pd.DataFrame) -> None:
    """Draw the time of a layer against the number of features."""
    axis.set_title("a  Time per layer")
    for letter, (name, colour, marker) in LOOKS.items():
        values = table[f"{letter}_seconds"]
        if values.notna().any():
            axis.plot(table["n_features"], values, marker=marker, color=colour, label=name)
    ticks(axis, table)
    axis.set_ylabel("seconds")
    logarithmic(axis, table[[f"{letter}_seconds" for letter in LOOKS]].stack())


def draw_ratios(axis: Any, table: pd.DataFrame) -> None:
    """Draw how many times as fast ours is, with the bars to pass."""
    axis.set_title("b  Times as fast on the CPU")
    for column, bar in BARS.items():
        name, colour, marker = LOOKS[column[0]]
        if table[column].notna().any():
            axis.plot(
                table["n_features"],
                table[column],
                marker=marker,
                color=colour,
                label=f"than {name}",
            )
        axis.axhline(bar, color=colour, linestyle="--", linewidth=0.9)
        axis.annotate(
            f"bar {bar}×", (1, bar), xycoords=("axes fraction", "data"), ha="right", va="bottom"
        )
    ticks(axis, table)
    axis.set_ylabel("ratio of seconds")
    logarithmic(axis, pd.concat([table[list(BARS)].stack(), pd.Series(BARS)]))


def draw_share(axis: Any, table: pd.DataFrame) -> None:
    """Draw the share of the machine's rate that ours reaches."""
    axis.set_title("c  Share of the machine's rate")
    for column, label, colour, marker in (
        ("share_of_float32_rate", "all products, of the float32 rate", "#0072b2", "o"),
        ("share_of_attainable", "each precision, of its own rate", "#e69f00", "v"),
    ):
        axis.plot(table["n_features"], table[column], marker=marker, color=colour, label=label)
    axis.axhline(SHARE, color=INK, linestyle="--", linewidth=0.9)
    axis.annotate("bar", (1, SHARE), xycoords=("axes fraction", "data"), ha="right", va="bottom")
    ticks(axis, table)
    axis.set_ylim(0, 1.45)
    axis.set_yticks([0, 0.25, 0.5, 0.75, 1])
    axis.set_ylabel("share")
    axis.legend(loc="upper left")


def draw_subjects(axis: Any, table: pd.DataFrame) -> None:
    """Draw the time per subject, shared and per voxel, and that of one subject alone."""
    axis.set_title("d  Time per subject, stacked")
    labels = [f"{row.n_subjects}\np={row.n_features}" for row in table.itertuples()]
    places = np.arange(len(table))
    voxels, shared = table["voxel_seconds_per_subject"], table["shared_seconds_per_subject"]
    axis.bar(places, voxels, color="#0072b2", width=0.6, label="with the voxels")
    axis.bar(
        places,
        shared,
        bottom=voxels,
        color="#e69f00",
        hatch="//",
        width=0.6,
        label="shared, divided",
    )
    axis.plot(places, table["alone_seconds"], "_", color=INK, markersize=18, label="one alone")
    axis.set_xticks(places, labels)
    axis.set_xlabel("subjects")
    axis.set_ylabel("seconds")
    axis.set_ylim(0, 1.6 * float(np.maximum(voxels + shared, table["alone_seconds"]).max()))
    axis.legend(loc="upper left")


def plot(results: Path) -> None:
    """Draw what was measured to ``encoding.svg`` and ``encoding.png``."""
    layers, subjects = read(results, "layers"), read(results, "subjects")
    panels = (
        (draw_seconds, layers, "a  Time per layer"),
        (draw_ratios, layers, "b  Times as fast on the CPU"),
        (draw_share, layers, "c  Share of the machine's rate"),
        (draw_subjects, subjects, "d  Time per subject, stacked"),
    )
    with style():
        figure, axes = plt.subplots(2, 2, figsize=(PAGE, 0.75 * PAGE))
        for axis, (draw, table, title) in zip(axes.flat, panels, strict=True):
            if table.empty:
                missing(axis, title)
            else:
                draw(axis, table)
        for name in ("encoding.svg", "encoding.png"):
            figure.savefig(results / name)
