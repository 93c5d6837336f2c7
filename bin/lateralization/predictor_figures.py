"""Figures of what else goes with score and asymmetry: skill, perplexity, large models, depth."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt

from lateralization.dictionary import LARGE, LARGE_SUBSET, LN_N, Tables
from lateralization.figure_style import (
    COLUMN,
    INK,
    PAGE,
    Drawing,
    need,
    of,
    say_statistics,
    short,
    size_axis,
)
from lateralization.fits import CHECKPOINT, MODEL
from lateralization.model_figures import PUBLISHED, WORDS, dots, family_legend, selection_of

NAMES = {"ppl": "perplexity", "hellaswag": "HellaSwag (%)", LN_N: "number of parameters"}


def fullest(panels: Any) -> Any:
    """Give the panel with the most families: it has the legend of all."""
    return max(panels, key=lambda axes: len(axes.get_legend_handles_labels()[1]))


def line_over(axes: Any, x: Any, row: pd.Series, logarithm: bool = False) -> None:
    """Draw the regression line of a row of regressions over the range of x."""
    if not (np.isfinite(row["slope"]) and np.isfinite(row["intercept"])):
        return
    grid = np.linspace(min(x), max(x), 50)
    values = row["intercept"] + row["slope"] * (np.log(grid) if logarithm else grid)
    axes.plot(grid, values, color=INK, linewidth=1.1, alpha=0.75, zorder=2)


def known_predictors(
    tables: Tables, language: str, subject: str, outcome: str, subset: str = "all"
) -> pd.DataFrame:
    """Rows of the regressions of one outcome that could be computed."""
    rows = of(
        tables["regressions"], language=language, subject=subject, outcome=outcome,
        subset=subset, **PUBLISHED,
    )  # fmt: skip
    plain = ~rows["predictor"].astype(str).str.contains(" given ")
    found: pd.DataFrame = rows[np.isfinite(rows["r"]) & plain]
    return found


def predictor_values(tables: Tables, language: str, predictor: str) -> pd.Series:
    """Predictor of every model, from the table of models."""
    rows = of(tables["predictors"], language=language, predictor=predictor)
    return rows.drop_duplicates("model").set_index("model")["value"].astype(float)


def _points(tables: Tables, language: str, subject: str, region: str, names: Any) -> pd.DataFrame:
    """Scores of the models that the regressions on these predictors hold: training steps too."""
    rows = of(
        tables["scores"], language=language, subject=subject, hemisphere="both", region=region,
        **PUBLISHED,
    )  # fmt: skip
    known = of(tables["predictors"], language=language, predictor=list(names))["model"]
    step = (rows["kind"] == CHECKPOINT) & rows["model"].isin(known)
    return rows[step | (rows["kind"] == MODEL)].sort_values("n_parameters")


def scatters(
    tables: Tables, language: str, subject: str, region: str, subset: str = "all"
) -> Drawing:
    """Score against each predictor of the sheet; size too where only large models are shown."""
    found = known_predictors(tables, language, subject, f"score_{region}", subset)
    if subset == "all":
        found = found[found["predictor"] != LN_N]
    need(found, 1, "predictors with 3 models")
    found = found.head(3)
    rows = _points(tables, language, subject, region, found["predictor"])
    if subset == LARGE_SUBSET:
        rows = rows[(rows["n_parameters"] > LARGE) & (rows["kind"] == MODEL)]
    figure, grid = plt.subplots(
        1, len(found), figsize=(PAGE * max(len(found), 1.5) / 3, 2.7), squeeze=False, sharey=True
    )
    for axes, (_, row) in zip(grid[0], found.iterrows(), strict=True):
        name = str(row["predictor"])
        x = rows["n_parameters"] if name == LN_N else rows["model"].map(
            predictor_values(tables, language, name)
        )  # fmt: skip
        points = rows.assign(x=x.astype(float)).dropna(subset=["x"])
        if name == LN_N:
            size_axis(axes, points["n_parameters"])
        dots(axes, points, "mean_r", "x", rows)
        line_over(axes, points["x"], row, logarithm=name == LN_N)
        say_statistics(axes, row)
        axes.set_xlabel(NAMES.get(name, short(name)))
        if name == "ppl":
            axes.invert_xaxis()
    grid[0][0].set_ylabel("brain score (r)")
    family_legend(figure, fullest(grid[0]), rows)
    which = ", models above three billion parameters" if subset == LARGE_SUBSET else ""
    return Drawing(
        figure,
        f"Brain score against skill{which}, {WORDS[region]}",
        "Perplexity runs from bad to good (its axis is turned round). Among models of similar "
        "size skill can still differ: a relation that stays among the large ones is not size in "
        "another coat, though few models carry it.",
        f"{len(found)} scatter plots over {len(rows)} models.",
    )


def best_layer(tables: Tables, language: str, subject: str) -> Drawing:
    """Relative depth of the best layer against size, and against HellaSwag where it is known."""
    found = known_predictors(tables, language, subject, "best_layer")
    found = need(found[found["predictor"].isin([LN_N, "hellaswag"])], 1, "regressions on depth")
    region = selection_of(tables, language, subject)
    best = of(
        tables["layers"], language=language, subject=subject, region=region, midline="shared",
        kind="model",
    )  # fmt: skip
    fitted = best.groupby("model")["layer"].max()
    best = best[best["is_best"].astype(str) == "True"].copy()
    traits = tables["asymmetry"].drop_duplicates("model").set_index("model")
    best["n_parameters"] = best["model"].map(traits["n_parameters"])
    # all layers of a model count, as in the regressions, and not only those that were fitted
    known = best["model"].map(traits["n_layers"].where(traits["n_layers"] > 0))
    best["depth"] = best["layer"] / (known.fillna(best["model"].map(fitted)) + 1)
    best = best[best["n_parameters"] > 0].sort_values("n_parameters")
    figure, grid = plt.subplots(
        1, len(found), figsize=(PAGE * len(found) / 2, 2.7), squeeze=False, sharey=True
    )
    for axes, (_, row) in zip(grid[0], found.iterrows(), strict=True):
        sized = row["predictor"] == LN_N
        x = best["n_parameters"] if sized else best["model"].map(
            predictor_values(tables, language, "hellaswag")
        )  # fmt: skip
        points = best.assign(x=x.astype(float)).dropna(subset=["x"])
        if sized:
            size_axis(axes, points["x"])
        dots(axes, points, "depth", "x", best)
        line_over(axes, points["x"], row, logarithm=sized)
        say_statistics(axes, row)
        axes.set_xlabel(NAMES[str(row["predictor"])])
    grid[0][0].set_ylabel("best layer / number of layers")
    family_legend(figure, fullest(grid[0]), best)
    return Drawing(
        figure,
        "Where the best layer lies",
        "The layer with the highest mean, as a share of the number of layers (embedding "
        "included). In the study it moves towards the middle as models grow. Points at 0 or 1 "
        "mean that the embedding or the last layer is best, which in a trained model is rare and "
        "worth a look at its layer profile.",
        f"Scatter of the best layer's depth over {len(best)} models.",
    )


def predictors(tables: Tables, language: str, subject: str) -> Drawing:
    """Score against every other predictor of the model sheet (perplexity, skill, …)."""
    region = selection_of(tables, language, subject)
    found = of(
        tables["regressions"], language=language, subject=subject, outcome=f"score_{region}",
        subset="all", **PUBLISHED,
    )  # fmt: skip
    found = found[~found["predictor"].astype(str).str.startswith(LN_N)]
    found = need(found[np.isfinite(found["r"])], 1, "predictors besides size with 3 models")
    found = found.assign(strength=found["r"].abs()).sort_values("strength")
    figure, axes = plt.subplots(figsize=(COLUMN * 1.2, 0.9 + 0.3 * len(found)))
    places = np.arange(len(found))
    axes.hlines(places, found["r_low"], found["r_high"], color="#0072b2", linewidth=1.6)
    axes.plot(found["r"], places, "o", color="#0072b2")
    axes.set_yticks(places, [short(name) for name in found["predictor"]])
    axes.set_xlim(-1.05, 1.05)
    axes.set_ylim(-0.6, len(found) - 0.4)
    axes.axvline(0, color=INK, linewidth=0.9)
    axes.set_xlabel(f"correlation with the brain score, {WORDS[region]}")
    return Drawing(
        figure,
        "What else goes with the brain score",
        "Correlation over models of the brain score with each numeric column of the model "
        "sheet, with Fisher's 95 % interval. Perplexity should be negative and skill positive. "
        "Such columns go together with size, so none of them is shown to be the cause.",
        f"Correlations of {len(found)} predictors with the brain score.",
    )
