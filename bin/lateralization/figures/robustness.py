"""Figures that say how far a result can be trusted: controls, specifications, other thresholds."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib import pyplot as plt

from lateralization import wording
from lateralization.figures.figure_style import INK, LEFT, PAGE, QUIET, Drawing, short, zero_line
from lateralization.figures.model_figures import dots, family_legend
from lateralization.tables.read import (
    NO_RELIABILITY,
    WORDS,
    TooFewError,
    models_of,
    need,
    need_selection,
    of,
    selection_of,
    with_numbers,
)
from lateralization.tables.registry.tables import PUBLISHED, Tables

PATH_NAMES = {
    "total": "total effect of size", "indirect": "through the score",
    "direct": "beside the score",
}  # fmt: skip

SHOWN = 400
"""More specifications than this are thinned in the figure, evenly along the curve."""

NAMES = {"layer": "layer", "voxels": "voxels", "midline": "midline", "summary": "summary",
         "runs": "runs", "families": "families"}  # fmt: skip

OPTION_WORDS = {
    "best_voxel": "best layer of each voxel", "best_mean": "one layer of each model",
    "best_cv": "layer chosen on other runs", "fixed_depth": "two thirds of the depth",
    "whole": "whole brain", "above_50": "reliability above its 50th percentile",
    "reliable": "reliability above its 75th", "above_90": "reliability above its 90th",
    "rois": "regions of interest",
    "shared": "halves share the midline", "strict": "without the midline",
    "paired": "mirror-image pairs", "mean": "mean", "p90": "90th percentile",
    "index": "laterality index", "over_ceiling": "divided by the reliability", "all": "all",
}  # fmt: skip
"""Options of the specifications, as a reader says them."""


def option_words(name: str) -> str:
    """Write an option of the specifications in words; of ``without_run_1`` and names, as it is."""
    return OPTION_WORDS.get(name, name.replace("_", " ") if name.startswith("without_") else name)


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


def score_and_sides(tables: Tables, language: str, subject: str) -> Drawing:
    """Left against right score over models, and the effect of size through and beside the score."""
    selection = selection_of(tables, language, subject)
    place = {"language": language, "subject": subject, "selection": selection, **PUBLISHED}
    rows = need(models_of(tables, language, subject, selection), 4, "models of known size")
    paths = of(tables["mediation"], **place)
    paths = paths[paths["path"].isin(PATH_NAMES)].set_index("path")
    line = of(tables["controls"], analysis="left_on_right", **place).iloc[0]
    with_slope = bool(np.isfinite(line["slope"]))
    figure, (sides, effects) = plt.subplots(1, 2, figsize=(PAGE, 3.0), width_ratios=(1.2, 1))
    dots(sides, rows, "left", "right")
    ends = np.array([rows["right"].min(), rows["right"].max()])
    sides.plot(ends, ends, "--", color=QUIET, linewidth=1, label="equal sides")
    if with_slope:
        middle = rows["left"].mean() - line["slope"] * rows["right"].mean()
        sides.plot(ends, middle + line["slope"] * ends, color=INK, linewidth=1.1, alpha=0.75)
        sides.set_title(
            f"slope {wording.number(float(line['slope']), 3)}; slope of 1: "
            f"{wording.p_value(float(line['p']))}",
            loc="right", fontsize=7.5, fontweight="normal", color=QUIET,
        )  # fmt: skip
    sides.set_xlabel("right score (r)")
    sides.set_ylabel("left score (r)")
    family_legend(figure, sides, rows)
    for y, (name, label) in enumerate(reversed(PATH_NAMES.items())):
        row = paths.loc[name]
        effects.hlines(y, row["ci_low"], row["ci_high"], color=LEFT, alpha=0.6, linewidth=2)
        effects.plot(row["coefficient"], y, "o", color=LEFT)
        told = label if np.isfinite(row["coefficient"]) else f"{label}\n(not told apart)"
        effects.text(-0.03, y, told, ha="right", va="center", fontsize=7.5,
                     transform=effects.get_yaxis_transform())  # fmt: skip
    effects.axvline(0, color=INK, linewidth=0.9)
    effects.set_yticks([])
    effects.set_ylim(-0.6, 2.6)
    effects.set_xlabel("change of left minus right per unit of ln N")
    return Drawing(
        figure,
        f"Left against right score, {WORDS[selection]}",
        "On the left, points above the broken line predict the left better; a line steeper than "
        "it means that the left gains more per gain on the right. Errors of both sides, estimated "
        "from the runs, are taken off, and the line is the same with the sides exchanged. On the "
        "right, the effect of size is split (95 % intervals over models and test runs together): "
        "an effect beside the score that keeps clear of 0 is lateralization that the score does "
        "not explain. With fewer than 10 models, or where size and score go too closely together, "
        "the two cannot be told apart.",
        f"{len(rows)} models; "
        + (
            f"the left score rises by {wording.number(float(line['slope']), 3)} per unit of the "
            "right score."
            if with_slope
            else f"no slope of left on right: {line['reason']}."
        ),
    )


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
    axes.set_yticks(range(len(options)), [option_words(name) for _, name in options], fontsize=6)
    axes.set_ylim(len(options) - 0.3, -0.7)
    ends = [i for i in range(1, len(options)) if options[i][0] != options[i - 1][0]]
    for end in ends:
        axes.axhline(end - 0.5, color=QUIET, linewidth=0.5)
    for start in [0, *ends]:
        axes.text(1.01, start, NAMES[options[start][0]], fontsize=6.5, color=QUIET, va="center",
                  transform=axes.get_yaxis_transform())  # fmt: skip
    axes.grid(False)
    axes.set_xticks([])


def specification_curve(tables: Tables, language: str, subject: str) -> Drawing:
    """Correlation of left minus right with size under every specification, in ascending order."""
    rows = of(tables["specifications"], language=language, subject=subject)
    rows = need(rows, 2, "specifications (5 models of different size)")
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
        "Does the slope depend on how it is computed?",
        "Each point is the correlation of left minus right with model size under one combination "
        "of layer rule, voxels, midline, summary, runs and families (5 models or more); below "
        "it are its choices. A "
        "sound result is flat and far from 0 all along. A curve that crosses 0, or choices that "
        "gather at one end, show what the result depends on. Specifications share their data, so "
        "their number is no evidence by itself.",
        f"{len(rows)} correlations from {wording.number(float(rows['r'].min()), 2)} to "
        f"{wording.number(float(rows['r'].max()), 2)}.",
    )


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


def name_baselines(n: int) -> str:
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
        f"run from light (smallest) to dark (largest); {name_baselines(len(others))}. A "
        "model on top of the baselines predicts no more than they do.",
        f"Densities of {wording.plural(len(shown), 'model')} and "
        f"{wording.plural(len(others), 'baseline')}.",
    )
