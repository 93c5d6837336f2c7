"""The figure of the claim, from the tables ``claim`` and ``claim_runs``."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt

from lateralization import wording
from lateralization.arrays import Floats
from lateralization.figures.figure_style import (
    INK,
    LEFT,
    PAGE,
    RIGHT,
    Drawing,
    size_axis,
    zero_line,
)
from lateralization.figures.model_figures import dots, family_legend
from lateralization.names import AVERAGE, LN_N
from lateralization.tables.read import WORDS, need, of
from lateralization.tables.registry.tables import Tables


def models_of_claim(tables: Tables, language: str) -> tuple[pd.Series, pd.DataFrame]:
    """Return the claim of a language, and each of its models averaged over runs, then people.

    Raises
    ------
    TooFewError
        Fewer than 2 models have a value of the predictor.
    """
    rows = need(of(tables["claim"], language=language), 1, "claim")
    row, runs = rows.iloc[0], of(tables["claim_runs"], language=language)
    people = runs["subject"] != AVERAGE
    runs = runs[people if row["subjects"] == "people" else runs["subject"] == row["subjects"]]
    runs = runs[np.isfinite(runs["value"].astype(float))]
    columns = ["value", "left", "right", "left_minus_right"]
    own = runs.groupby(["model", "family", "subject"], sort=False)[columns].mean()
    means = own.groupby(["model", "family"], sort=False).mean()  # people count alike, as there
    return row, need(means.reset_index().sort_values("value"), 2, "models of a known predictor")


def _line(axes: Any, row: pd.Series, models: pd.DataFrame, x_of: Any, side: str) -> None:
    """Draw a slope through the middle of the points; the band is that of its interval."""
    start = f"{side}_" if side else ""
    slope, low, high = (float(row[f"{start}slope{end}"]) for end in ("", "_low", "_high"))
    if not np.isfinite(slope):
        return
    column = side or "left_minus_right"
    values = np.linspace(models["value"].min(), models["value"].max(), 50)
    away, middle = values - models["value"].mean(), float(models[column].mean())
    colour = {"left": LEFT, "right": RIGHT}.get(side, INK)
    axes.plot(x_of(values), middle + slope * away, color=colour, linewidth=1.1, zorder=2)
    if not side and np.isfinite([low, high]).all():
        axes.fill_between(
            x_of(values), middle + low * away, middle + high * away, color=colour, alpha=0.12,
            linewidth=0, zorder=1,
        )  # fmt: skip


def claim(tables: Tables, language: str, _subject: str) -> Drawing:
    """Draw both sides and their difference along the predictor of the claim."""
    row, models = models_of_claim(tables, language)
    by_size = row["predictor"] == LN_N

    def x_of(values: Floats) -> Floats:
        return np.exp(values) if by_size else values

    x = x_of(models["value"].to_numpy())
    models = models.assign(x=x, n_parameters=x)  # families are drawn in this order
    figure, (levels, difference) = plt.subplots(1, 2, figsize=(PAGE, 2.9))
    for axes in (levels, difference):
        if by_size:
            size_axis(axes, models["x"])
        else:
            axes.set_xlabel(str(row["predictor"]))
    for side, colour, marker in (("left", LEFT, "o"), ("right", RIGHT, "s")):
        levels.plot(
            models["x"], models[side], marker=marker, color=colour, linestyle="none",
            label=f"{side} hemisphere", markeredgecolor="white", markeredgewidth=0.5,
        )  # fmt: skip
        _line(levels, row, models, x_of, side)
    levels.set_ylabel("brain score (r)")
    levels.set_title("Both hemispheres")
    levels.legend(loc="best")
    zero_line(difference)
    dots(difference, models, "left_minus_right", x="x")
    _line(difference, row, models, x_of, "")
    difference.set_ylabel("left minus right (r)")
    difference.set_title("Difference")
    family_legend(figure, difference, models)
    region = WORDS.get(str(row["region"]), str(row["region"]))
    first, last = models.iloc[0], models.iloc[-1]
    return Drawing(
        figure,
        f"The claim: left minus right, {region}",
        "Mean brain score of each hemisphere by the rules of the claim, and the difference, each "
        "point a model. The band holds all slopes within the 95 % interval of the claim. Where "
        "language models gain more on one side as they grow, the band leaves the horizontal; where "
        "a horizontal line fits into it, nothing is shown. Beware of a slope that one model "
        "carries. With two to four families the line is the slope within them. Where the points "
        "lie, above or below zero, is not part of the claim.",
        f"Two panels over {len(models)} models. Left minus right goes from "
        f"{wording.signed(first['left_minus_right'])} for {first['model']} to "
        f"{wording.signed(last['left_minus_right'])} for {last['model']}.",
    )
