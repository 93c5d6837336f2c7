"""Figures of individual subjects: one panel each, and all of them together."""

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt

from lateralization import wording
from lateralization.figures.family_figures import panels
from lateralization.figures.figure_style import (
    COLUMN,
    LEFT,
    QUIET,
    RIGHT,
    Drawing,
    fit_line,
    size_axis,
    statistics,
    zero_line,
)
from lateralization.figures.model_figures import error_bars
from lateralization.statistics.permutation import SMALL, smallest_p
from lateralization.tables.read import TooFewError, need, of, regression
from lateralization.tables.registry.tables import PUBLISHED, Tables

MAX_PANELS = 12
"""More people than this are drawn together only; the tables hold each of them."""

WHAT = {"mean_r": "mean", "p90_r": "90th percentile"}
OUTCOMES = {
    ("mean_r", "score"): "score_whole", ("mean_r", "difference"): "l_minus_r_whole",
    ("p90_r", "score"): "score_whole_p90", ("p90_r", "difference"): "l_minus_r_whole_p90",
}  # fmt: skip


def _wide(tables: Tables, language: str, column: str) -> pd.DataFrame:
    """Scores of every individual and model with left, right, both and their difference."""
    rows = of(tables["scores"], language=language, region="whole", kind="model", **PUBLISHED)
    rows = rows[(rows["subject"] != "average") & (rows["n_parameters"] > 0)]
    need(rows, 1, "individual subjects")
    keys = ["subject", "model", "n_parameters"]
    wide = rows.pivot_table(index=keys, columns="hemisphere", values=column).reset_index()
    if wide["model"].nunique() < 2:
        raise TooFewError("1 model for the individuals, 2 needed")
    wide["difference"] = wide["left"] - wide["right"]
    return wide.sort_values("n_parameters")


def individuals(
    tables: Tables, language: str, _subject: str, form: str = "score", column: str = "mean_r"
) -> Drawing:
    """One panel per individual over model size.

    Parameters
    ----------
    form
        ``score``, ``sides`` (left and right) or ``difference``.
    column
        ``mean_r`` or ``p90_r``.
    """
    wide = _wide(tables, language, column)
    names = sorted(wide["subject"].unique())
    if len(names) > MAX_PANELS:
        raise TooFewError(f"{len(names)} individuals are too many for panels; see them together")
    figure, drawn = panels(names, sharex=True, sharey=True)
    looks = {"score": (("both", "#0072b2"),), "difference": (("difference", "#0072b2"),)}
    for axes, name in zip(drawn, names, strict=True):
        mine = wide[wide["subject"] == name]
        for values, colour in looks.get(form, (("left", LEFT), ("right", RIGHT))):
            axes.plot(mine["n_parameters"], mine[values], "o", color=colour, label=values)
        if form == "difference":
            zero_line(axes)
        outcome = OUTCOMES.get((column, form))
        found = regression(tables, outcome, language=language, subject=name) if outcome else None
        if found is not None:
            fit_line(axes, mine["n_parameters"], found)
            axes.set_title(statistics(found), loc="right", fontsize=6.5, fontweight="normal",
                           color=QUIET)  # fmt: skip
        size_axis(axes, wide["n_parameters"])
        axes.set_xlabel("")
    if form == "sides":
        figure.legend(*drawn[0].get_legend_handles_labels(), loc="outside upper right", ncols=2)
    figure.supxlabel("number of parameters", fontsize=8)
    figure.supylabel("left minus right (r)" if form == "difference" else "brain score (r)",
                     fontsize=8)  # fmt: skip
    words = {"score": "Score", "sides": "Left and right", "difference": "Left minus right"}
    return Drawing(
        figure,
        f"{words[form]} of each individual, {WHAT[column]} over the whole brain",
        "One panel per person. Single people are noisy: one panel says little, and what most "
        "panels share says more. Whether a person's runs are sound is told by checks.tsv, "
        "and not by these scores.",
        f"{len(names)} panels over {wide['model'].nunique()} models, from "
        f"{wording.number(float(np.nanmin(wide[looks.get(form, (('left', ''),))[0][0]])))} on.",
    )


def people(tables: Tables, language: str, _subject: str) -> Drawing:
    """Each individual's asymmetry against size, and the mean with its interval over people."""
    rows = of(tables["asymmetry"], language=language, selection="whole", kind="model", **PUBLISHED)
    rows = rows[(rows["subject"] != "average") & (rows["n_parameters"] > 0)]
    rows = need(rows, 1, "individual subjects").sort_values("n_parameters")
    if rows["model"].nunique() < 2:
        raise TooFewError("1 model for the individuals, 2 needed")
    figure, axes = plt.subplots(figsize=(COLUMN * 1.35, 2.9))
    zero_line(axes)
    for _, mine in rows.groupby("subject"):
        axes.plot(mine["n_parameters"], mine["left_minus_right"], color="#9ca3af", linewidth=0.9)
    mean = of(tables["subjects"], language=language, quantity="l_minus_r_whole", **PUBLISHED).merge(
        rows[["model", "n_parameters"]].drop_duplicates(), on="model"
    )
    mean = mean.sort_values("n_parameters")
    axes.plot(mean["n_parameters"], mean["mean"], "o-", color="#0072b2", label="mean over people")
    error_bars(axes, mean)
    size_axis(axes, rows["n_parameters"])
    axes.set_ylabel("left minus right (r)")
    axes.plot([], [], color="#9ca3af", linewidth=0.9, label="one person")
    axes.legend(loc="best")
    n = rows["subject"].nunique()
    flips = (
        " With so few people a t interval holds for people who differ normally alone: beside it "
        f"stands the sign-flip test of the table, whose p is {wording.number(smallest_p(n), 2)} at "
        "least." if n <= SMALL else ""
    )  # fmt: skip
    return Drawing(
        figure,
        "Individuals",
        "Left minus right over the whole brain for each person (grey) and their mean with a 95 % "
        "interval over people. Only this interval speaks of people in general. Parallel grey "
        "lines mean that size does the same in everyone; lines that fan out or cross mean that "
        f"the average hides disagreement.{flips}",
        f"Line plot of {n} individuals over {rows['model'].nunique()} models.",
    )
