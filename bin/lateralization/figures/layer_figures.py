"""Layer profiles by model."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib import pyplot as plt
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap

from lateralization.figures.figure_style import (
    FEW_MODELS,
    PAGE,
    Drawing,
    handles_of,
    outside_legend,
    short,
    zero_line,
)
from lateralization.tables.read import WORDS, need, of, selection_of
from lateralization.tables.registry.tables import Tables

DEPTH = "relative depth (0: first hidden state, 1: last)"


def depth_of_mamba(rows: pd.DataFrame) -> str:
    """Say, where models of this kind are drawn, that their states are counted otherwise."""
    if not rows["family"].str.contains("mamba").any():
        return ""
    return (
        " Depth 0 is the embedding, but of Mamba the output of its first block; its last two "
        "states are one, before and after the norm."
    )


def _colours(models: list[str]) -> dict[str, Any]:
    """Light for the smallest model, dark for the largest."""
    scale = colormaps["plasma_r"]
    places = np.linspace(0.15, 0.95, max(len(models), 2))
    return {name: scale(place) for name, place in zip(models, places, strict=False)}


def _size_scale(figure: Any, panels: list[Any], models: list[str]) -> None:
    """Explain the colours by the smallest and the largest model: many names would not fit."""
    shades = ListedColormap([colour for _, colour in _colours(models).items()])
    bar = figure.colorbar(ScalarMappable(cmap=shades), ax=panels, shrink=0.8, aspect=30)
    bar.set_ticks([0, 1], labels=[short(models[0], 16), short(models[-1], 16)])
    bar.outline.set_visible(False)


def _by_size(rows: pd.DataFrame, tables: Tables) -> list[str]:
    sizes = tables["asymmetry"].drop_duplicates("model").set_index("model")["n_parameters"]
    return sorted(rows["model"].unique(), key=lambda name: (sizes.get(name, 0), name))


def layers(tables: Tables, language: str, subject: str) -> Drawing:
    """Score and left minus right of every layer of every model over relative depth."""
    region = selection_of(tables, language, subject)
    rows = of(
        tables["layers"], language=language, subject=subject, region=region, midline="shared",
        kind="model",
    )  # fmt: skip
    rows = rows[rows.groupby("model")["layer"].transform("nunique") > 1]
    need(rows, 2, "models with more than one layer")
    models = _by_size(rows, tables)
    colours = _colours(models)
    figure, (scores, sides) = plt.subplots(1, 2, figsize=(PAGE, 2.8))
    zero_line(sides)
    for name in models:
        mine = rows[rows["model"] == name].sort_values("relative_depth")
        look = {"color": colours[name], "marker": "o", "markersize": 2.6, "label": short(name)}
        scores.plot(mine["relative_depth"], mine["mean_r"], **look)
        sides.plot(mine["relative_depth"], mine["left_minus_right"], **look)
    for axes, words in ((scores, "brain score (r)"), (sides, "left minus right (r)")):
        axes.set_xlabel(DEPTH)
        axes.set_ylabel(words)
    if len(models) <= FEW_MODELS:
        outside_legend(figure, handles_of(scores))
    else:
        _size_scale(figure, [scores, sides], models)
    best = rows[rows["is_best"].astype(str) == "True"]
    return Drawing(
        figure,
        f"Layer by layer, {WORDS[region]}",
        "Mean score and left minus right of each layer alone, darker for larger models. A single "
        "spike, or a layer at zero between others that are not, can be a damaged layer file."
        f"{depth_of_mamba(rows)}",
        f"Layer profiles of {len(models)} models; the best layers lie at depths "
        f"{best['relative_depth'].min():.2f} to {best['relative_depth'].max():.2f}.",
    )
