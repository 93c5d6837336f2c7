"""Figures by family of models: score and layers, one look for all variants."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt

from lateralization import wording
from lateralization.figures.figure_style import (
    PAGE,
    Drawing,
    families,
    family_label,
    family_name,
    handles_of,
    label_points,
    legend_beside,
    short,
    size_axis,
    zero_line,
)
from lateralization.figures.layer_figures import DEPTH, depth_of_mamba
from lateralization.tables.read import WORDS, TooFewError, need_selection, of
from lateralization.tables.registry.tables import PUBLISHED, Tables

MIN_FAMILIES = 2
SHADES = (0.35, 1.0)
"""Opacity of the smallest and of the largest model of a family: darker is larger, as elsewhere."""


def _scores(tables: Tables, language: str, subject: str, region: str) -> pd.DataFrame:
    need_selection(tables, language, subject, region)
    rows = of(
        tables["scores"], language=language, subject=subject, kind="model", hemisphere="both",
        region=region, **PUBLISHED,
    )  # fmt: skip
    rows = rows[rows["n_parameters"] > 0].sort_values("n_parameters")
    if rows["family"].nunique() < MIN_FAMILIES:
        raise TooFewError(f"fewer than {MIN_FAMILIES} families of models of known size")
    return rows


def panels(names: list[str], height: float = 1.9, **how: Any) -> tuple[Any, list[Any]]:
    """Make one small panel per name, at most four beside each other."""
    columns = min(4, len(names))
    lines = -(-len(names) // columns)
    figure, grid = plt.subplots(
        lines, columns, figsize=(PAGE * max(columns, 2) / 4 + 0.2, height * lines + 0.3),
        squeeze=False, **how,
    )  # fmt: skip
    for axes, name in zip(grid.flat, names, strict=False):
        axes.set_title(name)
    for axes in grid.flat[len(names) :]:
        axes.set_axis_off()
    for axes in grid.flat[max(len(names) - columns, 0) : len(names)]:
        axes.xaxis.set_tick_params(which="both", labelbottom=True)  # below them is no panel
    return figure, list(grid.flat[: len(names)])


def name_lines(axes: Any) -> None:
    """Name the lines of a panel below it, in their order."""
    axes.legend(
        loc="upper left", bbox_to_anchor=(-0.05, -0.14), fontsize=5.5, handlelength=1.2,
        labelspacing=0.2, borderpad=0,
    )  # fmt: skip


def families_together(tables: Tables, language: str, subject: str, region: str) -> Drawing:
    """Score against size, the models of a family joined by a line."""
    rows = _scores(tables, language, subject, region)
    looks = families(rows)
    figure, axes = plt.subplots(figsize=(PAGE * 0.62, 3.0))
    for family, members in rows.groupby("family", sort=False):
        colour, marker = looks[str(family)]
        axes.plot(
            members["n_parameters"], members["mean_r"], color=colour, marker=marker,
            label=family_label(family, looks), markeredgecolor="white", markeredgewidth=0.5,
        )  # fmt: skip
    size_axis(axes, rows["n_parameters"])
    axes.set_ylabel("brain score (r)")
    legend_beside(figure, handles_of(axes))
    return Drawing(
        figure,
        f"Brain score against model size by family, {WORDS[region]}",
        "Models of one family share data and design, so a rise within a line is better evidence "
        "for size than one of the cloud as a whole. Lines that are flat within families while the "
        "families differ say that something else than size makes the difference.",
        f"Lines of {len(looks)} families over {len(rows)} models.",
    )


def families_apart(tables: Tables, language: str, subject: str, region: str) -> Drawing:
    """Score against size, one panel per family, the others behind it in grey."""
    rows = _scores(tables, language, subject, region)
    looks = families(rows)
    figure, drawn = panels([family_name(name) for name in looks], sharex=True, sharey=True)
    for axes, (family, (colour, marker)) in zip(drawn, looks.items(), strict=True):
        axes.plot(rows["n_parameters"], rows["mean_r"], ".", color="#d1d5db", markersize=3)
        mine = rows[rows["family"] == family]
        axes.plot(mine["n_parameters"], mine["mean_r"], color=colour, marker=marker)
        label_points(axes, mine["n_parameters"], mine["mean_r"], mine["model"])
        size_axis(axes, rows["n_parameters"])
        axes.set_xlabel("")
    figure.supxlabel("number of parameters", fontsize=8)
    figure.supylabel("brain score (r)", fontsize=8)
    return Drawing(
        figure,
        f"Brain score of each family, {WORDS[region]}",
        "Each family on its own with the names of its models, those of all others behind it in "
        "grey. A model far below its own family can be a damaged file or a wrong checkpoint.",
        f"{len(looks)} panels: {', '.join(family_name(name) for name in looks)}.",
    )


def layers_by_family(
    tables: Tables, language: str, subject: str, region: str, column: str = "mean_r"
) -> Drawing:
    """Layer profiles, one panel per family, larger models darker."""
    need_selection(tables, language, subject, region)
    rows = of(
        tables["layers"], language=language, subject=subject, region=region, midline="shared",
        kind="model",
    )  # fmt: skip
    rows = rows[rows.groupby("model")["layer"].transform("nunique") > 1]
    sizes = tables["asymmetry"].drop_duplicates("model").set_index("model")["n_parameters"]
    rows = rows.assign(n_parameters=rows["model"].map(sizes))
    if rows["family"].nunique() < MIN_FAMILIES:
        raise TooFewError(f"fewer than {MIN_FAMILIES} families of models with several layers")
    looks = families(rows)
    figure, drawn = panels([family_name(name) for name in looks], sharex=True, sharey=True)
    for axes, (family, (colour, _)) in zip(drawn, looks.items(), strict=True):
        mine = rows[rows["family"] == family]
        order = mine.drop_duplicates("model").sort_values("n_parameters")["model"].tolist()
        shades = np.linspace(*SHADES, len(order)) if len(order) > 1 else [SHADES[1]]
        if column == "left_minus_right":
            zero_line(axes)
        for name, shade in zip(order, shades, strict=True):
            one = mine[mine["model"] == name].sort_values("relative_depth")
            axes.plot(one["relative_depth"], one[column], color=colour, alpha=shade,
                      label=short(name, 24))  # fmt: skip
        name_lines(axes)
    words = "left minus right (r)" if column == "left_minus_right" else "brain score (r)"
    figure.supxlabel(DEPTH, fontsize=8)
    figure.supylabel(words, fontsize=8)
    what = "Left minus right" if column == "left_minus_right" else "Brain score"
    low, high = (wording.number(float(limit)) for limit in (rows[column].min(), rows[column].max()))
    return Drawing(
        figure,
        f"{what} layer by layer in each family, {WORDS[region]}",
        "One line per model, the strongest colour for the largest model of a family; no maximum "
        "over layers enters. A family with another shape than the rest may have other layers than "
        "it seems (a model without its embedding, a last layer before its norm)."
        f"{depth_of_mamba(rows)}",
        f"{len(looks)} panels of layer profiles between {low} and {high}.",
    )
