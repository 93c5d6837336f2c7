"""Figures of what else goes with score and asymmetry: skill, perplexity, large models, depth."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt

from lateralization import wording
from lateralization.figures.figure_style import (
    COLUMN,
    INK,
    PAGE,
    Drawing,
    listing,
    say_statistics,
    short,
    size_axis,
)
from lateralization.figures.model_figures import dots, family_legend
from lateralization.names import LARGE, LARGE_SUBSET, LN_N, MODEL
from lateralization.tables.read import WORDS, need_selection, of, selection_of, with_numbers
from lateralization.tables.registry.tables import PUBLISHED, Tables

MAX_PANELS = 3
FIRST = (LN_N, "ppl", "hellaswag")
"""What the study shows, in its order; other columns of the sheet follow by their names."""

NAMES = {"ppl": "perplexity", "hellaswag": "HellaSwag (%)", LN_N: "number of parameters"}


def line_over(axes: Any, x: Any, row: pd.Series, logarithm: bool = False) -> None:
    """Draw the regression line of a row of regressions over the range of x."""
    if not (np.isfinite(row["slope"]) and np.isfinite(row["intercept"])):
        return
    grid = np.linspace(min(x), max(x), 50)
    values = row["intercept"] + row["slope"] * (np.log(grid) if logarithm else grid)
    axes.plot(grid, values, color=INK, linewidth=1.1, alpha=0.75, zorder=2)


def regressions_of(
    tables: Tables, language: str, subject: str, outcome: str, subset: str = "all"
) -> pd.DataFrame:
    """Regressions of one outcome on single predictors, those first that the study shows."""
    rows = of(
        tables["regressions"], language=language, subject=subject, outcome=outcome,
        subset=subset, **PUBLISHED,
    )  # fmt: skip
    rank = rows["predictor"].map({name: i for i, name in enumerate(FIRST)}).fillna(len(FIRST))
    return rows.assign(rank=rank).sort_values(["rank", "predictor"])


def predictor_values(tables: Tables, language: str, predictor: str) -> pd.Series:
    """Predictor of every model, from the table of models."""
    rows = of(tables["predictors"], language=language, predictor=predictor)
    return rows.drop_duplicates("model").set_index("model")["value"].astype(float)


def _points(tables: Tables, language: str, subject: str, region: str) -> pd.DataFrame:
    """Scores of the trained models."""
    rows = of(
        tables["scores"], language=language, subject=subject, hemisphere="both", region=region,
        kind=MODEL, **PUBLISHED,
    )  # fmt: skip
    return rows.sort_values("n_parameters")


def told(name: Any) -> str:
    """Name a predictor in a sentence."""
    return "size" if name == LN_N else NAMES.get(str(name), short(name)).removesuffix(" (%)")


def about_skill(shown: list[str], hidden: list[str]) -> str:
    """Say how the scatter plots of these predictors are read."""
    said = {
        "Perplexity runs from bad to good (its axis is turned round).": "ppl" in shown,
        "Among models of similar size skill can still differ: a relation that stays among the "
        "large ones is not size in another coat, though few models carry it.": True,
        "Points close to a steep line are a strong relation; a round cloud, or a line that one "
        "point holds up, is none.": True,
        f"Not shown: {', '.join(hidden)}.": bool(hidden),
    }  # fmt: skip
    return " ".join(sentence for sentence, holds in said.items() if holds)


def scatters(
    tables: Tables, language: str, subject: str, region: str, subset: str = "all"
) -> Drawing:
    """Score against each predictor of the sheet; size too where only large models are shown."""
    need_selection(tables, language, subject, region)
    found = regressions_of(tables, language, subject, f"score_{region}", subset)
    if subset == "all":
        found = found[found["predictor"] != LN_N]
    which = ", models above three billion parameters" if subset == LARGE_SUBSET else ""
    found = with_numbers(found, "r", f"correlations with a column of the model sheet{which}")
    names = [str(name) for name in found["predictor"]]
    shown, hidden = names[:MAX_PANELS], [told(name) for name in names[MAX_PANELS:]]
    rows = _points(tables, language, subject, region)
    if subset == LARGE_SUBSET:
        rows = rows[rows["n_parameters"] > LARGE]
    x = pd.DataFrame({
        name: rows["n_parameters"] if name == LN_N
        else rows["model"].map(predictor_values(tables, language, name))
        for name in shown
    }).astype(float)  # fmt: skip
    rows = rows[x.notna().any(axis=1)]
    figure, grid = plt.subplots(
        1, len(shown), figsize=(PAGE * max(len(shown), 1.5) / 3, 2.7), squeeze=False, sharey=True
    )
    for axes, name, (_, row) in zip(grid[0], shown, found.iterrows(), strict=False):
        points = rows.assign(x=x[name]).dropna(subset=["x"])
        if name == LN_N:
            size_axis(axes, points["n_parameters"])
        dots(axes, points, "mean_r", "x", rows)
        line_over(axes, points["x"], row, logarithm=name == LN_N)
        say_statistics(axes, row)
        axes.set_xlabel(NAMES.get(name, short(name)))
        if name == "ppl":
            axes.invert_xaxis()
    grid[0][0].set_ylabel("brain score (r)")
    family_legend(figure, grid, rows)
    return Drawing(
        figure,
        f"Brain score against {listing(map(told, shown))}{which}, {WORDS[region]}",
        about_skill(shown, hidden),
        f"{wording.plural(len(shown), 'scatter plot')} over {wording.plural(len(rows), 'model')}.",
    )


def best_layer(tables: Tables, language: str, subject: str) -> Drawing:
    """Relative depth of the best layer against size, and against HellaSwag where it is known."""
    found = regressions_of(tables, language, subject, "best_layer")
    found = with_numbers(
        found[found["predictor"].isin([LN_N, "hellaswag"])], "r", "regressions on depth"
    )
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
    grid[0][0].set_ylabel("best layer / layers with embedding")
    family_legend(figure, grid, best)
    return Drawing(
        figure,
        "Where the best layer lies",
        "The layer with the highest mean, as a share of the number of layers (embedding "
        "included). A point at 0 says that the embedding is best; the last of n layers lies at "
        "n / (n + 1), just below 1, since the embedding counts as layer 0.",
        f"Scatter of the best layer's depth over {len(best)} models.",
    )


def predictors(tables: Tables, language: str, subject: str) -> Drawing:
    """Score against every other predictor of the model sheet (perplexity, skill, …)."""
    region = selection_of(tables, language, subject)
    found = regressions_of(tables, language, subject, f"score_{region}")
    found = with_numbers(found[found["predictor"] != LN_N], "r", "predictors besides size")
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
        "sheet, with Fisher's 95 % interval; one that spans 0 leaves the sign open. Such "
        "columns go together with size, so none of them is shown to be the cause.",
        f"Correlations of {wording.plural(len(found), 'predictor')} with the brain score.",
    )
