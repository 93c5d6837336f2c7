"""The figure of the specification curve."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt

from lateralization import wording
from lateralization.figures.figure_style import INK, LEFT, PAGE, QUIET, Drawing, need, of, zero_line
from lateralization.tables.dictionary import Tables

SHOWN = 400
"""More specifications than this are thinned in the figure, evenly along the curve."""

NAMES = {"layer": "layer", "voxels": "voxels", "midline": "midline", "summary": "summary",
         "runs": "runs", "families": "families"}  # fmt: skip


def _thinned(rows: pd.DataFrame) -> pd.DataFrame:
    """Take an even share of the curve, both ends included."""
    ordered = rows.sort_values("r", kind="stable").reset_index(drop=True)
    if len(ordered) <= SHOWN:
        return ordered
    kept = np.unique(np.linspace(0, len(ordered) - 1, SHOWN).round().astype(int))
    return ordered.iloc[kept].reset_index(drop=True)


def _panel(axes: Any, rows: pd.DataFrame, options: list[tuple[str, str]]) -> None:
    """Mark which option each specification of the curve has, one line per option."""
    for y, (choice, option) in enumerate(options):
        x = np.flatnonzero((rows[choice] == option).to_numpy())
        axes.plot(x, np.full(x.size, y), "|", color=INK, markersize=4, markeredgewidth=0.5)
    axes.set_yticks(range(len(options)), [f"{option}" for _, option in options], fontsize=6)
    axes.set_ylim(len(options) - 0.3, -0.7)
    ends = [i for i in range(1, len(options)) if options[i][0] != options[i - 1][0]]
    for end in ends:
        axes.axhline(end - 0.5, color=QUIET, linewidth=0.5)
    for start in [0, *ends]:
        axes.text(1.01, start, NAMES[options[start][0]], fontsize=6.5, color=QUIET, va="center",
                  transform=axes.get_yaxis_transform())  # fmt: skip
    axes.grid(False)
    axes.set_xticks([])


def curve(tables: Tables, language: str, subject: str) -> Drawing:
    """Correlation of left minus right with size under every specification, in ascending order."""
    rows = of(tables["specifications"], language=language, subject=subject)
    rows = need(rows, 2, "specifications (3 models of different size)")
    told = of(tables["specification_choices"], language=language, subject=subject)
    options = [(str(row.choice), str(row.option)) for row in told.itertuples()]
    shown = _thinned(rows)
    figure, (upper, lower) = plt.subplots(
        2, 1, figsize=(PAGE, 2.2 + 0.14 * len(options)), sharex=True,
        height_ratios=(1, 0.07 * len(options)),
    )  # fmt: skip
    clear = (shown["slope_low"] > 0) | (shown["slope_high"] < 0)
    for mask, colour, label in ((clear, LEFT, "interval clear of 0"), (~clear, QUIET, "not")):
        places = np.flatnonzero(mask.to_numpy())
        upper.plot(places, shown["r"].to_numpy()[places], ".", color=colour, label=label)
    zero_line(upper)
    published = {"layer": "best_voxel", "voxels": "reliable", "midline": "shared",
                 "summary": "mean", "runs": "all", "families": "all"}  # fmt: skip
    mine = of(rows, **published)
    if len(mine) == 1:
        upper.axhline(float(mine["r"].iloc[0]), color=INK, linestyle=":", linewidth=1,
                      label="published choices")  # fmt: skip
    upper.set_ylabel("r of left minus right with ln N")
    upper.legend(loc="lower right", fontsize=6.5)
    _panel(lower, shown, options)
    lower.set_xlabel(f"{len(rows):,} specifications in order of r"
                     + (f" ({len(shown)} shown)" if len(shown) < len(rows) else ""))  # fmt: skip
    return Drawing(
        figure,
        "Does the headline hang on how it is computed?",
        "Each point is the correlation of left minus right with model size under one combination "
        "of layer rule, voxels, midline, summary, runs and families; below it are its choices. A "
        "sound result is flat and far from 0 all along. A curve that crosses 0, or choices that "
        "gather at one end, show what the result depends on. Specifications share their data, so "
        "their number is no evidence by itself.",
        f"{len(rows)} correlations from {wording.number(float(rows['r'].min()), 2)} to "
        f"{wording.number(float(rows['r'].max()), 2)}.",
    )
