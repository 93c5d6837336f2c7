"""Figures over models, from the tables: size, asymmetry, baselines, choices, people."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib import ticker

from lateralization import wording
from lateralization.baselines import confounds, oasm
from lateralization.figures.figure_style import (
    COLUMN,
    FEW_MODELS,
    INK,
    LEFT,
    PAGE,
    QUIET,
    RIGHT,
    Drawing,
    families,
    family_label,
    fit_line,
    handles_of,
    label_points,
    outside_legend,
    say_statistics,
    short,
    size_axis,
    zero_line,
)
from lateralization.names import LN_N, RANDOM_SEED
from lateralization.statistics.lines import slope_on
from lateralization.tables.read import (
    WORDS,
    TooFewError,
    midline_of,
    models_of,
    need,
    need_selection,
    of,
    regression,
    selection_of,
    with_numbers,
)
from lateralization.tables.registry.tables import PUBLISHED, Tables

MEASURES = {
    "whole_p90": "90th percentile of the brain score over the voxels of each hemisphere (whole "
    "brain, best layer per voxel)",
    "reliable_iscnorm": "Mean over each hemisphere of the brain score divided by the reliability, "
    "voxel by voxel (reliable voxels, best layer per voxel)",
}
"""What is drawn of a hemisphere, where it is not the mean of its scores."""

KINDS = {
    "model": "#0072b2",
    "checkpoint": "#56b4e9",
    "features": "#009e73",
    "untrained": "#9ca3af",
    "baseline": "#cc79a7",
}


def unit_of(selection: str, short: bool = False) -> str:
    """Name the unit of a selection: a correlation, or one divided by the reliability.

    The reliability is that of one half of the group against the other, which bounds no model of
    the average of all: a score divided by it is no share of a ceiling.
    """
    if selection.endswith("iscnorm"):
        return "score / reliability"
    return "r" if short else "brain score (r)"


def dots(
    axes: Any,
    rows: pd.DataFrame,
    column: str,
    x: str = "n_parameters",
    everyone: pd.DataFrame | None = None,
) -> None:
    """Draw one marker per model, with its name and the colour of its family.

    ``everyone`` holds the models of all panels of a figure where this one lacks some: a family
    has one colour in a figure.
    """
    everyone = rows if everyone is None else everyone
    looks = families(everyone)
    one = len(looks) == 1
    for family, members in rows.groupby("family", sort=False):
        colour, marker = looks[str(family)]
        axes.plot(
            members[x], members[column], marker=marker, color="#0072b2" if one else colour,
            linestyle="none", markeredgecolor="white", markeredgewidth=0.5, zorder=3,
            label=family_label(family, looks),
        )  # fmt: skip
    label_points(axes, rows[x], rows[column], rows["model"])


def family_legend(figure: Any, panels: Any, rows: pd.DataFrame) -> None:
    """Name the families of all panels below them, where models are many."""
    named = handles_of(panels)
    if len(rows) > FEW_MODELS and len(named) > 1:
        outside_legend(figure, named)


def error_bars(axes: Any, rows: pd.DataFrame) -> None:
    """Draw the 95 % intervals of the table."""
    kept = rows[np.isfinite(rows["ci_low"])]
    thin = len(kept) > FEW_MODELS
    axes.vlines(
        kept["n_parameters"], kept["ci_low"], kept["ci_high"], color=QUIET,
        linewidth=0.7 if thin else 1.1, alpha=0.55 if thin else 1.0,
    )  # fmt: skip


def asymmetry_by_size(tables: Tables, language: str, subject: str, selection: str = "") -> Drawing:
    """Left, right, and left minus right against the number of parameters: the headline."""
    selection = selection or selection_of(tables, language, subject)
    need_selection(tables, language, subject, selection)
    rows = need(models_of(tables, language, subject, selection), 2, "models of known size")
    figure, (levels, difference) = plt.subplots(1, 2, figsize=(PAGE, 2.9))
    for side, colour, marker in (("left", LEFT, "o"), ("right", RIGHT, "s")):
        levels.plot(
            rows["n_parameters"], rows[side], marker=marker, color=colour, linestyle="none",
            label=f"{side} hemisphere", markeredgecolor="white", markeredgewidth=0.5,
        )  # fmt: skip
        if len(rows) > 2:
            ln_n, score = np.log(rows["n_parameters"].to_numpy()), rows[side].to_numpy()
            slope = float(slope_on(ln_n, score))
            line = pd.Series({"slope": slope, "intercept": score.mean() - slope * ln_n.mean()})
            fit_line(levels, rows["n_parameters"], line, colour)
    levels.set_ylabel(unit_of(selection))
    levels.set_title("Both hemispheres")
    levels.legend(loc="best")
    place = {"language": language, "subject": subject, "midline": midline_of(selection)}
    found = regression(tables, f"l_minus_r_{selection}", **place)
    zero_line(difference)
    error_bars(difference, rows)
    size_axis(difference, rows["n_parameters"])
    size_axis(levels, rows["n_parameters"])
    dots(difference, rows, "left_minus_right")
    if found is not None:
        fit_line(difference, rows["n_parameters"], found)
    say_statistics(difference, found)
    difference.set_ylabel(f"left minus right ({unit_of(selection, short=True)})")
    difference.set_title("Difference")
    family_legend(figure, difference, rows)
    first, last = rows.iloc[0], rows.iloc[-1]
    bars = "; bars are 95 % intervals over test runs"
    if selection.endswith("iscnorm"):
        bars = ", without an interval: the error of the reliability is the same in every run"
    mean = f"Mean brain score of each hemisphere ({WORDS[selection]}, best layer per voxel)"
    return Drawing(
        figure,
        f"Left minus right against model size, {WORDS[selection]}",
        f"{MEASURES.get(selection, mean)} and "
        f"their difference{bars}. Where the difference "
        "changes with size, the points on the right rise or fall. A cloud without slope, bars that "
        "all cross zero, or a slope carried by one model are no finding.",
        f"Two panels over {len(rows)} models. Left minus right goes from "
        f"{wording.signed(first['left_minus_right'])} for {first['model']} to "
        f"{wording.signed(last['left_minus_right'])} for {last['model']}.",
    )


def score_by_size(tables: Tables, language: str, subject: str) -> Drawing:
    """Brain score of both hemispheres together against the number of parameters."""
    rows = of(
        tables["scores"], language=language, subject=subject, kind="model", hemisphere="both",
        region=["whole", "reliable"], **PUBLISHED,
    )  # fmt: skip
    rows = rows[rows["n_parameters"] > 0].sort_values("n_parameters")
    regions = [name for name in WORDS if (rows["region"] == name).any()]
    if not regions or len(rows) < 2 * len(regions):
        raise TooFewError("fewer than 2 models of known size")
    width = COLUMN if len(regions) == 1 else PAGE
    figure, panels = plt.subplots(1, len(regions), figsize=(width, 2.7), squeeze=False)
    for axes, region in zip(panels[0], regions, strict=True):
        mine = rows[rows["region"] == region]
        size_axis(axes, mine["n_parameters"])
        dots(axes, mine, "mean_r")
        found = regression(tables, f"score_{region}", language=language, subject=subject)
        if found is not None:
            fit_line(axes, mine["n_parameters"], found)
        say_statistics(axes, found)
        axes.set_title(WORDS[region].capitalize())
        axes.set_ylabel("brain score (r)")
    family_legend(figure, panels, mine)
    return Drawing(
        figure,
        "Brain score against model size",
        "Mean over voxels of the best layer's correlation with the measured signal. A model far "
        "below its neighbours can come from a failed alignment of words or a wrong checkpoint.",
        f"Scatter of the brain score over {len(mine)} models, from "
        f"{wording.number(float(mine['mean_r'].iloc[0]))} to "
        f"{wording.number(float(mine['mean_r'].iloc[-1]))} in order of size.",
    )


def what_they_know(rows: pd.DataFrame) -> str:
    """Say of the baselines and untrained models among the rows what each can know."""
    names = rows.loc[rows["kind"] == "baseline", "model"].astype(str)
    told = {
        "Random baselines know nothing of language beyond when a word is heard and, at most, which "
        "word it is.": names.str.startswith("random_"),
        "Baselines of one number per word know how fast, long, frequent, high or loud words are.":
            names.isin(confounds.KINDS),
        "GloVe knows more: which words go together, but not in which sentence they stand.":
            names == "glove",
        "The orthogonal autocorrelated sequence knows which scans of a run are neighbours, and "
        "predicts nothing unless the folds leak.": names == oasm.KIND,
        "Surprisal knows more: how far a language model foresaw each word.":
            names.str.startswith(f"{confounds.SURPRISAL}_"),
        "Untrained models have the build of a model and have read nothing.":
            rows["kind"] == "untrained",
    }  # fmt: skip
    return " ".join(sentence for sentence, mine in told.items() if mine.any())


def baselines(tables: Tables, language: str, subject: str) -> Drawing:
    """Scores and asymmetries of models, untrained models and baselines, one row each."""
    selection = selection_of(tables, language, subject)
    rows = of(
        tables["asymmetry"], language=language, subject=subject, selection=selection, **PUBLISHED
    )
    rows = rows[~rows["model"].astype(str).str.fullmatch(RANDOM_SEED.pattern)]
    if not (rows["kind"] != "model").any():
        raise TooFewError("no baseline and no untrained model")
    rank = {kind: i for i, kind in enumerate(reversed(KINDS))}
    rows = rows.assign(rank=rows["kind"].map(rank)).sort_values(["rank", "n_parameters", "model"])
    places = np.arange(len(rows))
    figure, (scores, sides) = plt.subplots(
        1, 2, figsize=(PAGE, 1.2 + 0.19 * len(rows)), sharey=True
    )
    middle = rows[["left", "right"]].mean(axis=1)
    for kind, colour in KINDS.items():
        mine = (rows["kind"] == kind).to_numpy()
        if not mine.any():
            continue
        scores.plot(middle[mine], places[mine], "o", color=colour, label=kind)
        sides.hlines(
            places[mine], rows["ci_low"][mine], rows["ci_high"][mine], color=colour, linewidth=1.4
        )
        sides.plot(rows["left_minus_right"][mine], places[mine], "o", color=colour)
    scores.set_yticks(places, [short(name, 28) for name in rows["model"]])
    scores.axvline(0, color=INK, linewidth=0.9)
    scores.set_xlabel("brain score (r)")
    sides.axvline(0, color=INK, linewidth=0.9)
    sides.set_xlabel("left minus right (r)")
    for axes in (scores, sides):
        axes.xaxis.set_major_locator(ticker.MaxNLocator(5))
    outside_legend(figure, handles_of(scores))
    lowest = rows.sort_values("left_minus_right").iloc[0]
    return Drawing(
        figure,
        f"Models beside baselines, {WORDS[selection]}",
        f"{what_they_know(rows)} Where those that know no language lean to one side they show how "
        "much confounds (word rate, signal quality) weigh: when they lean more than the models "
        "do, the sign of a model's asymmetry is not evidence by itself, and its change with size "
        "or training is what counts.".strip(),
        f"Dot plot of {len(rows)} models and baselines. The lowest left minus right is "
        f"{wording.signed(lowest['left_minus_right'])}, of {lowest['model']}.",
    )


def choices(tables: Tables, language: str, subject: str) -> Drawing:
    """Draw the slope of the asymmetry on ln N under every choice of layer and midline."""
    selection = selection_of(tables, language, subject)
    rows = of(
        tables["regressions"], language=language, subject=subject, subset="all",
        outcome=f"l_minus_r_{selection}", predictor=LN_N,
    )  # fmt: skip
    rows = with_numbers(rows, "slope", "regressions on size")
    names = {
        "best_voxel": "best layer per voxel (published)",
        "best_mean": "one layer per model",
        "best_cv": "layer chosen on other runs",
    }
    places = -np.arange(len(rows))
    figure, axes = plt.subplots(figsize=(PAGE * 0.8, 0.9 + 0.24 * len(rows)))
    low, high = rows["slope_low"].to_numpy(), rows["slope_high"].to_numpy()
    axes.hlines(places, low, high, color="#0072b2", linewidth=1.8)
    axes.plot(rows["slope"], places, "o", color="#0072b2")
    pairs = zip(rows["layer"], rows["midline"], strict=True)
    labels = [f"{names[str(layer)]}, midline {midline}" for layer, midline in pairs]
    axes.set_yticks(places, labels)
    axes.axvline(0, color=INK, linewidth=0.9)
    axes.set_xlabel("slope of left minus right per unit of ln N (r)")
    signs = set(np.sign(rows["slope"]))
    return Drawing(
        figure,
        "Does the answer depend on the choices?",
        "The slope of left minus right on model size with its 95 % interval over models, for "
        "each way of choosing a layer and of splitting the hemispheres. A sound result has every "
        "bar on the same side of zero and about equal; a result that lives in one row only was "
        "made by that choice.",
        f"{len(rows)} slopes with intervals, "
        + ("all of one sign." if len(signs) == 1 else "of different signs."),
    )


def planted(tables: Tables, language: str, subject: str) -> Drawing:
    """Draw what was planted in simulated data beside what was recovered."""
    rows = need(
        of(tables["planted"], language=language, subject=subject), 2, "models with a planted truth"
    ).sort_values("order")
    figure, axes = plt.subplots(figsize=(COLUMN * 1.35, 2.9))
    zero_line(axes)
    x = rows["order"].to_numpy()
    axes.plot(x, rows["planted_left_minus_right"], "D--", color=QUIET, label="planted")
    axes.vlines(x, rows["ci_low"], rows["ci_high"], color="#0072b2", linewidth=1.4)
    axes.plot(x, rows["recovered_left_minus_right"], "o-", color="#0072b2", label="recovered")
    axes.set_xticks(x, [short(name, 14) for name in rows["model"]], rotation=30, ha="right")
    axes.set_ylabel("left minus right (r)")
    axes.legend(loc="best")
    rank, decided = float(rows["spearman"].iloc[0]), rows["recovered"].iloc[0]
    found = (
        f"rank correlation {wording.number(rank, 2)}, recovered: {decided}"
        if np.isfinite(rank)
        else "3 models are needed to say whether their order is recovered"
    )
    return Drawing(
        figure,
        "Planted and recovered",
        "These data are simulated, so the truth is known: what a perfect encoder would find "
        "(grey) and what this pipeline found (blue, 95 % interval over test runs). Where "
        "the effect is recovered, the blue line rises in the same order and crosses zero near the "
        "same place; it may be flatter, since noise and shared features pull all scores together. "
        "In a world in which nothing is planted it does not rise.",
        f"Planted and recovered left minus right of {len(rows)} models; {found}.",
    )
