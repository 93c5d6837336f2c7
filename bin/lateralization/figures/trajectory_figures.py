"""The figure of change points: score and left minus right along size, training and skill."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt

from lateralization import wording
from lateralization.arrays import Floats
from lateralization.figures.figure_style import (
    INK,
    PAGE,
    QUIET,
    Drawing,
    handles_of,
    outside_legend,
    short,
    size_axis,
    standing_apart,
    write_numbers,
    zero_line,
)
from lateralization.figures.predictor_figures import NAMES, predictor_values
from lateralization.figures.training_figures import steps_of
from lateralization.names import ALL_MODELS, CHECKPOINT, LN_N, MODEL, STEPS_OF
from lateralization.statistics.change_points import axis_of, place_on
from lateralization.tables.read import WORDS, of, selection_of, with_numbers
from lateralization.tables.registry.tables import PUBLISHED, Tables

MAX_PANELS = 3
APART = 0.2
"""Least distance of two numbers on an axis, as a share of it: nearer ones run into each other."""

KIND_LOOKS = {"model": ("#0072b2", "o", "models"), "checkpoint": ("#cc79a7", "s", "steps")}
LABELS = {"score": "brain score (r)", "l_minus_r": "left minus right (r)"}


def _points(tables: Tables, language: str, subject: str, region: str) -> pd.DataFrame:
    """Score and left minus right of every trained model and training step."""
    place = {"language": language, "subject": subject, **PUBLISHED}
    kinds = list(KIND_LOOKS)
    sides = of(tables["asymmetry"], selection=region, kind=kinds, **place)
    scores = of(tables["scores"], region=region, hemisphere="both", kind=kinds, **place)
    means = scores.set_index("model")["mean_r"]
    return sides.assign(score=sides["model"].map(means), l_minus_r=sides["left_minus_right"])


def _bent_line(axes: Any, x: pd.Series, row: pd.Series, sized: bool) -> None:
    """Draw two lines that meet at the change point, and where the point may lie."""
    values = (np.log(x) if sized else x).to_numpy(dtype=np.float64)
    scale, shift = axis_of(values)
    at, bend = place_on(values, scale, shift), place_on(np.array(float(row["place"])), scale, shift)
    grid = np.union1d(np.linspace(at.min(), at.max(), 200), [bend])
    slopes = np.where(grid < bend, float(row["before"]), float(row["after"]))
    shown = 10**grid - shift if scale == "log10" else grid
    ends = [float(row[end]) for end in ("low", "high")]
    if sized:
        shown, ends = np.exp(shown), list(np.exp(ends))
    axes.axvspan(*ends, color=QUIET, alpha=0.15, linewidth=0)
    axes.plot(shown, float(row["level"]) + slopes * (grid - bend), color=INK, linewidth=1.1)


def ticks_of(x: Floats, shift: float) -> list[float]:
    """Choose numbers of a logarithmic axis: 0 where it begins there, and powers of ten.

    Only those that stand apart on the axis of log(x + shift).
    """
    low, high = np.log10([x[x > 0].min(), x.max()])
    powers = 10.0 ** np.arange(np.ceil(low - 1e-9), np.floor(high + 1e-9) + 1)
    least = APART * float(np.ptp(np.log10(x + shift)))
    return standing_apart([0.0, *powers] if shift else powers, least, shift)


def predictor_axis(axes: Any, x: Floats) -> None:
    """Make x the axis on which its bend was fitted, so that the two lines are straight on it.

    A logarithmic one has no place for 0 and bends the lines once more where it takes to another
    rule near 0 ("symlog"); the logarithm of the value plus a shift does neither.
    """
    scale, shift = axis_of(x)
    if scale != "log10":
        return
    least = 1e-9 * (float(x[x > 0].min()) + shift)  # the margin of the axes may reach below it

    def forward(values: Floats) -> Floats:
        return np.log10(np.maximum(np.asarray(values) + shift, least))

    axes.set_xscale("function", functions=(forward, lambda places: 10**places - shift))
    write_numbers(axes, ticks_of(x, shift), tick_text)


def tick_text(value: float) -> str:
    """Write a power of ten, or 0: ``10²¹``, ``100k``, ``1k``, ``10``, ``0.01``, ``10⁻⁶``."""
    if 1e3 <= value < 1e15:
        return wording.size(value)
    return wording.number(value, 1).removeprefix("1.0 × ")


def with_predictor(
    points: pd.DataFrame, tables: Tables, language: str, name: str, subset: str = ALL_MODELS
) -> pd.DataFrame:
    """Give the points that enter the bend along a predictor, its values as the column x.

    ``subset``: all models, or the training steps of one.
    """
    if subset == ALL_MODELS:
        points = points[points["kind"] == MODEL]
    else:
        steps = steps_of(
            points[points["kind"] == CHECKPOINT], of(tables["models"], language=language)
        )
        points = steps[steps["base"] == subset.removeprefix(STEPS_OF)]
    if name == LN_N:
        return points.assign(x=points["n_parameters"].astype(float))
    known = points["model"].map(predictor_values(tables, language, name))
    return points.assign(x=known.astype(float)).dropna(subset=["x"])


def _panel(axes: Any, points: pd.DataFrame, outcome: str, row: pd.DataFrame) -> None:
    """Draw one outcome along one predictor, with its bent line where there is one."""
    points = points.dropna(subset=[outcome])
    if outcome == "l_minus_r":
        zero_line(axes)
    for kind, (colour, marker, label) in KIND_LOOKS.items():
        mine = points[points["kind"] == kind]
        if len(mine):
            axes.plot(mine["x"], mine[outcome], marker, color=colour, label=label, markersize=3.5)
    if len(row) != 1:
        return
    bend = row.iloc[0]
    sized = bend["predictor"] == LN_N
    _bent_line(axes, points["x"], bend, sized)
    axes.set_title(wording.p_value(float(bend["p"])), loc="right", fontsize=7.5,
                   fontweight="normal", color=QUIET)  # fmt: skip
    if sized:
        size_axis(axes, points["x"])
    else:
        predictor_axis(axes, points["x"].to_numpy(dtype=np.float64))


def trajectories(tables: Tables, language: str, subject: str) -> Drawing:
    """Score and left minus right along the predictors, each with its bent line."""
    region = selection_of(tables, language, subject)
    rows = of(tables["trajectories"], language=language, subject=subject)
    rows = rows[rows["outcome"].isin([f"{name}_{region}" for name in LABELS])]
    rows = with_numbers(rows, "place", "predictors with a bend")
    outcomes = [name for name in LABELS if (rows["outcome"] == f"{name}_{region}").any()]
    shown = rows[rows["outcome"] == f"{outcomes[-1]}_{region}"].sort_values("p", kind="stable")
    head = shown.head(MAX_PANELS)
    names = list(zip(head["predictor"].map(str), head["subset"].map(str), strict=True))
    points = _points(tables, language, subject, region)
    figure, grid = plt.subplots(
        len(outcomes), len(names), figsize=(PAGE * max(len(names), 1.5) / 3, 2.2 * len(outcomes)),
        squeeze=False, sharex="col", sharey="row",
    )  # fmt: skip
    for outcome, line in zip(outcomes, grid, strict=True):
        for (name, subset), axes in zip(names, line, strict=True):
            row = of(rows, predictor=name, subset=subset, outcome=f"{outcome}_{region}")
            _panel(axes, with_predictor(points, tables, language, name, subset), outcome, row)
            axes.set_xlabel("")
        line[0].set_ylabel(LABELS[outcome])
    for (name, subset), axes in zip(names, grid[-1], strict=True):
        whose = "" if subset == ALL_MODELS else f"\n{short(subset, 30)}"
        axes.set_xlabel(NAMES.get(name, short(name)) + whose)
        if name == "ppl":
            axes.invert_xaxis()  # from bad to good, as in every figure; the column shares it
    drawn = handles_of(grid)
    if len(drawn) > 1:
        outside_legend(figure, drawn, "outside upper right")
    chosen = "" if len(shown) <= MAX_PANELS else (
        f" Shown are the {MAX_PANELS} predictors of {len(shown)} with the smallest p for "
        f"{LABELS[outcomes[-1]].removesuffix(' (r)')}; being chosen so, their p are too small."
    )  # fmt: skip
    told = ", ".join(
        name if subset == ALL_MODELS else f"{name} ({subset})" for name, subset in names
    )
    return Drawing(
        figure,
        f"Where the trajectories bend, {WORDS[region]}",
        "Two straight lines that meet where they fit best; the grey band is where the bend may "
        "lie (95 %), p tests the bend against a single line; training steps of a model, which are "
        "no independent points, by their first differences. A band over the whole range, or a p "
        "that is not small, says that a straight line does as well, and no place can be named. A "
        "predictor that spans more than a factor of 100 has a logarithmic axis, with 0 at its foot "
        f"where there is a step 0.{chosen}",
        f"{len(names) * len(outcomes)} panels with bent lines along {told}.",
    )
