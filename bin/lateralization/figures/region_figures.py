"""Figures of the regions of interest and their mirror images."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt

from lateralization import wording
from lateralization.figures.family_figures import panels
from lateralization.figures.figure_style import (
    LEFT,
    PAGE,
    QUIET,
    RIGHT,
    Drawing,
    handles_of,
    outside_legend,
    size_axis,
    stars,
    zero_line,
)
from lateralization.tables.read import TooFewError, need, of, with_numbers
from lateralization.tables.registry.tables import PUBLISHED, Tables

SIDES = (("left", LEFT, "o"), ("right", RIGHT, "s"))
PLAIN, OVER_RANDOM, CEILING = "plain", "over_random", "ceiling"

TITLES = {
    PLAIN: "Regions of interest and their mirror images",
    OVER_RANDOM: "Regions of interest over the random embedding",
    CEILING: "Regions of interest and their reliability",
}
CAPTIONS = {
    PLAIN: "Mean score in 10 mm spheres of the language network on the left and in their mirror "
    "images; r is that of left minus right with ln N, stars are of its slope over models and test "
    "runs together, corrected for the number of regions (Holm). A gap that opens with size in "
    "temporal and parietal regions is what the published study found (not in BA44). Lines that "
    "cross back and forth mean that a sphere holds too few reliable voxels.",
    OVER_RANDOM: "The same after the score of a random embedding is taken off each side. What is "
    "left is what a model knows beyond which word is heard when. A side that stands high here "
    "and low above owes its place to the confounds of the other side.",
    CEILING: "The same with the mean reliability of each side (one half of the group against the "
    "other: dashed, band: bootstrap over voxels, which is too narrow). A side with the lower line "
    "is measured worse, and what leans to the other side may be no more than that. The line is no "
    "ceiling: the average of all repeats better than one half of the group does, and a good model "
    "of it may lie above (what bounds it is in the table of ceilings). Models far above both lines "
    "in every region are too good: look for a leak of test runs into the training.",
}


def _region_rows(tables: Tables, language: str, subject: str) -> tuple[list[str], pd.DataFrame]:
    regions = of(tables["roi"], language=language, subject=subject)
    regions = need(regions, 1, "regions of interest")
    need(regions[(regions[["n_left", "n_right"]] > 0).all(axis=1)], 1,
         "region of interest with a voxel on both sides")  # fmt: skip
    names = [str(name) for name in regions["roi"]]
    rows = of(tables["asymmetry"], language=language, subject=subject, selection=names, **PUBLISHED)
    models = rows[(rows["kind"] == "model") & (rows["n_parameters"] > 0)]
    models = models[np.isfinite(models["left_minus_right"])]
    names = [name for name in names if (models["selection"] == name).sum() >= 2]
    if not names:
        raise TooFewError("no region of interest with 2 models of known size")
    return names, rows


def _random(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of the widest random embedding, averaged over its seeds."""
    found = rows[rows["model"].astype(str).str.fullmatch(r"random_embedding_\d+d")]
    need(found, 1, "random embedding")
    width = found["model"].str.extract(r"_(\d+)d", expand=False).astype(int)
    return found[width == width.max()].set_index("selection")


def _reliabilities(axes: Any, row: pd.Series) -> None:
    for side, colour, _ in SIDES:
        axes.axhline(row[f"isc_{side}"], color=colour, linestyle="--", linewidth=1)
        axes.axhspan(
            row[f"isc_{side}_low"], row[f"isc_{side}_high"], color=colour, alpha=0.15, linewidth=0
        )
    axes.plot([], [], "--", color=QUIET, linewidth=1, label="reliability (half against half)")


def rois(tables: Tables, language: str, subject: str, form: str = PLAIN) -> Drawing:
    """Left region and its mirror image against size, one panel per ROI."""
    names, rows = _region_rows(tables, language, subject)
    table = of(tables["roi"], language=language, subject=subject)
    told = {str(row["roi"]): row for _, row in table.iterrows()}
    if form == CEILING and not np.isfinite(table["isc_left"]).any():
        raise TooFewError("no reliability map")
    random = _random(rows) if form == OVER_RANDOM else None
    figure, drawn = panels([name.replace("_", "/") for name in names], sharey=form != CEILING)
    models = rows[(rows["kind"] == "model") & (rows["n_parameters"] > 0)]
    for axes, name in zip(drawn, names, strict=True):
        mine = models[models["selection"] == name].sort_values("n_parameters")
        for side, colour, marker in SIDES:
            taken = 0.0 if random is None else random[side].to_dict()[name]
            label = side if side == "left" else "right (mirror)"
            axes.plot(
                mine["n_parameters"], mine[side] - taken, marker + "-", color=colour, label=label
            )
        if form == CEILING:
            _reliabilities(axes, told[name])
        size_axis(axes, mine["n_parameters"])
        axes.set_xlabel("")
        if np.isfinite(told[name]["r"]):
            axes.set_title(
                f"r = {wording.number(told[name]['r'], 2)} {stars(told[name]['crossed_p_holm'])}",
                loc="right", fontsize=7, fontweight="normal", color=QUIET,
            )  # fmt: skip
    figure.supxlabel("number of parameters", fontsize=8)
    figure.supylabel("brain score (r)", fontsize=8)
    outside_legend(figure, handles_of(drawn[0]), "outside upper right")
    words = ", ".join(names)
    return Drawing(figure, TITLES[form], CAPTIONS[form], f"{len(names)} panels: {words}.")


def roi_slopes(tables: Tables, language: str, subject: str) -> Drawing:
    """Mean voxelwise slope on ln N of both sides of each ROI, as bars."""
    rows = of(tables["roi"], language=language, subject=subject)
    rows = with_numbers(rows, "slope_left", "regions with slopes").astype({"slope_left": float})
    figure, axes = plt.subplots(figsize=(PAGE * 0.7, 2.8))
    places = np.arange(len(rows))
    for (side, colour, _), shift in zip(SIDES, (-0.2, 0.2), strict=True):
        axes.bar(places + shift, rows[f"slope_{side}"], 0.38, color=colour, label=side)
        axes.vlines(
            places + shift, rows[f"slope_{side}_low"], rows[f"slope_{side}_high"], color="black",
            linewidth=1,
        )  # fmt: skip
    top = rows[["slope_left_high", "slope_right_high"]].max(axis=1)
    for place, height, p in zip(places, top, rows["crossed_p_holm"], strict=True):
        axes.annotate(stars(p) or "–", (place, max(height, 0)), ha="center", va="bottom")
    zero_line(axes)
    axes.set_xticks(places, [str(name).replace("_", "/") for name in rows["roi"]])
    axes.set_ylabel("slope of the score per unit of ln N")
    axes.margins(y=0.12)
    figure.legend(loc="outside upper right", ncols=2)
    return Drawing(
        figure,
        "How fast each region’s score grows with model size",
        "Mean over voxels of the slope on ln N, left and right; bars are a bootstrap over voxels, "
        "as published. Neighbouring voxels depend on each other, so the bars are too short. Stars "
        "compare the sides over models and test runs together, corrected for the number of regions "
        "(Holm).",
        f"Bar plot of slopes in {len(rows)} regions.",
    )
