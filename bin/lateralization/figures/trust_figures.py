"""Figures that say how far a result can be trusted: densities of all models, other thresholds."""

from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib import pyplot as plt

from lateralization import wording
from lateralization.figures.figure_style import (
    INK,
    NO_RELIABILITY,
    PAGE,
    QUIET,
    Drawing,
    TooFewError,
    need,
    of,
    short,
    with_numbers,
    zero_line,
)
from lateralization.figures.model_figures import WORDS, models_of, need_selection
from lateralization.tables.dictionary import Tables

MIDLINES = {
    "shared": ("#0072b2", "o", "shared midline (published)"),
    "strict": ("#e69f00", "s", "without the midline"),
    "paired": ("#882255", "D", "mirror-image pairs"),
}
BASELINE_DASHES = (
    "-",
    (0, (6, 2)),
    (0, (1, 1.5)),
    (0, (7, 2, 1.5, 2)),
    (0, (3, 1.5, 1, 1.5, 1, 1.5)),
)
BASELINE_GREYS = (INK, "#8a919c", "#b6bbc3")
"""Dashes first, then the grey: the first 15 baselines never share both, then they come again."""


def sensitivity(tables: Tables, language: str, subject: str) -> Drawing:
    """Slope of left minus right on ln N over the cut of the reliability, per midline rule."""
    rows = of(tables["sensitivity"], language=language, subject=subject)
    rows = with_numbers(rows, "slope", "slopes at other thresholds", 2).astype({"slope": float})
    if not (rows["percentile"] > 0).any():
        raise TooFewError(f"{NO_RELIABILITY}: there is one cut, of all voxels, and no other")
    figure, axes = plt.subplots(figsize=(PAGE * 0.75, 2.9))
    zero_line(axes)
    for shift, (midline, (colour, marker, label)) in zip((-0.8, 0, 0.8), MIDLINES.items(),
                                                         strict=True):  # fmt: skip
        mine = rows[rows["midline"] == midline].sort_values("percentile")
        if mine.empty:  # there are no pairs in a mask that is not mirror-symmetric
            continue
        x = mine["percentile"] + shift
        axes.vlines(x, mine["slope_low"], mine["slope_high"], color=colour, alpha=0.45)
        axes.plot(x, mine["slope"], marker=marker, color=colour, label=label)
    axes.axvline(75, color=QUIET, linestyle=":", linewidth=1)
    axes.set_xlabel("voxels above this percentile of the reliability (0: all; 75: published)")
    axes.set_ylabel("slope of left minus right on ln N")
    axes.legend(loc="best")
    low, high = (wording.number(float(value)) for value in (rows["slope"].min(),
                                                            rows["slope"].max()))  # fmt: skip
    return Drawing(
        figure,
        "Does the answer depend on the threshold?",
        "The slope of left minus right on model size for every cut of the reliability and every "
        "rule for the midline, with 95 % intervals over models. A sound result keeps its sign "
        "along every line; it may grow where voxels are more reliable. One that lives at "
        "one cut only was made by that cut.",
        f"{len(rows)} slopes between {low} and {high}.",
    )


def baseline_look(number: int) -> tuple[Any, str]:
    """Give the dashes and the grey of a baseline by its place among the baselines."""
    dashes, greys = len(BASELINE_DASHES), len(BASELINE_GREYS)
    return BASELINE_DASHES[number % dashes], BASELINE_GREYS[number // dashes % greys]


def about_baselines(n: int) -> str:
    """Say how so many baselines are told apart."""
    most = len(BASELINE_DASHES) * len(BASELINE_GREYS)
    own = "each with dashes or a grey of its own"
    if n > most:
        own = f"the first {most} each with dashes or a grey of its own, which then come again"
    return f"baselines are black or grey, {own}"


def densities(tables: Tables, language: str, subject: str, region: str) -> Drawing:
    """Densities over voxels of the scores of baselines and models, on one shared axis."""
    need_selection(tables, language, subject, region)
    rows = of(tables["densities"], language=language, subject=subject, region=region)
    rows = rows[rows["kind"] != "isc"]
    models = [str(name) for name in models_of(tables, language, subject, "whole")["model"]]
    others = [str(name) for name in rows.loc[rows["kind"] == "baseline", "model"].unique()]
    shown = [name for name in models if (rows["model"] == name).any()]
    need(rows[rows["model"].isin([*shown, *others])], 1, "densities of scores")
    figure, axes = plt.subplots(figsize=(PAGE * 0.8, 3.1))
    shades = colormaps["plasma_r"](np.linspace(0.15, 0.95, max(len(shown), 2)))
    for name, colour in zip(shown, shades, strict=False):
        mine = rows[rows["model"] == name]
        label = short(name) if name in (shown[0], shown[-1]) else None
        axes.plot(mine["value"], mine["density"], color=colour, linewidth=1.0, label=label)
    for i, name in enumerate(others):
        mine = rows[rows["model"] == name]
        dashes, grey = baseline_look(i)
        axes.plot(mine["value"], mine["density"], linestyle=dashes, color=grey, linewidth=1.2,
                  label=short(name, 26))  # fmt: skip
    axes.set_xlabel("brain score of a voxel (r)")
    axes.set_ylabel("density of voxels")
    axes.set_ylim(bottom=0)
    axes.legend(loc="upper right", fontsize=6.5, handlelength=4)  # long enough for the dashes
    return Drawing(
        figure,
        f"Distribution of scores over voxels, {WORDS[region]}",
        "All curves share one axis and enclose the same area, so heights can be compared. Models "
        f"run from light (smallest) to dark (largest); {about_baselines(len(others))}. Baselines "
        "should lie to the left of every model; a model on top of them has learnt nothing that "
        "shows here.",
        f"Densities of {wording.plural(len(shown), 'model')} and "
        f"{wording.plural(len(others), 'baseline')}.",
    )
