"""Figures of the areas of the Harvard-Oxford atlas."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib import pyplot as plt

from lateralization import wording
from lateralization.figures.figure_style import (
    COLUMN,
    INK,
    LEFT,
    PAGE,
    RIGHT,
    Drawing,
    label_points,
    say_statistics,
    short,
    stars,
)
from lateralization.tables.read import NO_RELIABILITY, TooFewError, need, of, with_numbers
from lateralization.tables.registry.tables import Tables


def _areas(tables: Tables, language: str, subject: str, column: str) -> pd.DataFrame:
    rows = need(of(tables["areas"], language=language, subject=subject), 1, "areas of an atlas")
    rows = rows.astype({"isc_left_minus_right": float, column: float})
    compared = rows[np.isfinite(rows["isc_left_minus_right"])]
    if compared.empty:  # every figure of areas holds them against their reliability
        raise TooFewError(NO_RELIABILITY)
    if column == "isc_left_minus_right":  # the reasons in the table are of models
        return need(compared, 2, "areas of the atlas with a reliability")
    return with_numbers(rows, column, "areas of the atlas with values", 2)


def _relation(tables: Tables, language: str, subject: str, quantity: str) -> pd.Series | None:
    rows = of(tables["area_relations"], language=language, subject=subject, quantity=quantity)
    return rows.iloc[0] if len(rows) == 1 else None


def _line(axes: Any, x: Any, row: pd.Series | None) -> None:
    if row is not None and np.isfinite(row["slope"]):
        ends = np.array([np.min(x), np.max(x)])
        axes.plot(ends, row["intercept"] + row["slope"] * ends, color=INK, linewidth=1.1)
    say_statistics(axes, row)


def area_reliability(tables: Tables, language: str, subject: str) -> Drawing:
    """Mean reliability of each area, left against right."""
    rows = _areas(tables, language, subject, "isc_left_minus_right")
    figure, axes = plt.subplots(figsize=(COLUMN * 1.1, COLUMN * 1.1))
    colours = colormaps["viridis"](np.linspace(0, 0.95, len(rows)))
    axes.scatter(rows["isc_right"], rows["isc_left"], c=colours, marker="s", s=16, zorder=3)
    top = float(rows[["isc_left", "isc_right"]].max().max()) * 1.05
    axes.plot([0, top], [0, top], "--", color=INK, linewidth=0.9)
    axes.set_aspect("equal")
    axes.set_xlabel("reliability, right")
    axes.set_ylabel("reliability, left")
    far = rows.loc[rows["isc_left_minus_right"].abs().nlargest(3).index]
    label_points(axes, far["isc_right"], far["isc_left"], far["parcel"])
    above = int((rows["isc_left_minus_right"] > 0).sum())
    return Drawing(
        figure,
        "Reliability of left and right areas",
        "Each square is an area with its partner on the other side. Above the dashed line the left "
        "is the more reliable side: there any good model will seem left-lateralised. The three "
        "areas farthest from the line are named.",
        f"Scatter of {len(rows)} areas; {above} are more reliable on the left.",
    )


def area_difference(tables: Tables, language: str, subject: str) -> Drawing:
    """Reliability left minus right of each area, in the order of the atlas."""
    rows = _areas(tables, language, subject, "isc_left_minus_right")
    figure, axes = plt.subplots(figsize=(PAGE * 0.72, 0.7 + 0.155 * len(rows)))
    places = -np.arange(len(rows))
    values = rows["isc_left_minus_right"].to_numpy()
    axes.barh(places, values, color=np.where(values > 0, LEFT, RIGHT))
    for place, value, p in zip(places, values, rows["isc_p_holm"], strict=True):
        axes.annotate(
            stars(p), (value, place), ha="left" if value > 0 else "right", va="center", fontsize=6.5
        )
    axes.set_yticks(places, [short(name, 34) for name in rows["parcel"]], fontsize=6.5)
    axes.axvline(0, color=INK, linewidth=0.9)
    axes.set_ylim(places[-1] - 0.7, 0.7)
    axes.set_xlabel("reliability, left minus right (r)")
    kept = int((rows["isc_p_holm"] < 0.05).sum())
    return Drawing(
        figure,
        "Reliability, left minus right, area by area",
        "Mean over the voxels of each area; stars are a t test over voxels, as published, "
        f"corrected for all areas (Holm): {kept} have one. Voxels depend on each other, so they "
        "are still too many. The asymmetry of a model in an area cannot be read without this one.",
        f"Bars of {len(rows)} areas from {wording.signed(float(values.min()), 3)} to "
        f"{wording.signed(float(values.max()), 3)}.",
    )


def area_slopes(tables: Tables, language: str, subject: str) -> Drawing:
    """Slope of left minus right of each area against its asymmetry of reliability."""
    rows = _areas(tables, language, subject, "slope")
    rows = need(rows[np.isfinite(rows["isc_left_minus_right"])], 3, "areas with a reliability")
    figure, axes = plt.subplots(figsize=(COLUMN * 1.3, 2.8))
    axes.plot(rows["isc_left_minus_right"], rows["slope"], "o", color="#0072b2")
    row = _relation(tables, language, subject, "parcel_slope_vs_isc")
    _line(axes, rows["isc_left_minus_right"], row)
    axes.set_xlabel("reliability, left minus right (r)")
    axes.set_ylabel("slope of left minus right on ln N")
    return Drawing(
        figure,
        "Is the growing asymmetry where the signal is asymmetric?",
        "If larger models leaned left only where the left signal is better, the points would rise "
        "from left to right; a flat cloud says that they do not (r = −0.09 in the study).",
        f"Scatter of {len(rows)} areas: slope on size against left minus right of reliability.",
    )


def area_scores(tables: Tables, language: str, subject: str) -> Drawing:
    """Mean score of each side of each area against its reliability."""
    rows = _areas(tables, language, subject, "score_left")
    rows = need(rows[np.isfinite(rows["isc_left"])], 2, "areas with a reliability")
    figure, axes = plt.subplots(figsize=(COLUMN * 1.3, 2.8))
    for side, colour in (("left", LEFT), ("right", RIGHT)):
        axes.plot(
            rows[f"isc_{side}"],
            rows[f"score_{side}"],
            "o",
            color=colour,
            label=side,
            markersize=3.5,
        )
    x = pd.concat([rows["isc_left"], rows["isc_right"]])
    _line(axes, x, _relation(tables, language, subject, "parcel_score_vs_isc"))
    axes.set_xlabel("reliability (r)")
    axes.set_ylabel("brain score, mean over models (r)")
    axes.legend(loc="upper left")
    return Drawing(
        figure,
        "Score and reliability go together",
        "Each point is one side of an area: its mean score over models against its mean "
        "reliability. No model can predict what does not repeat; sides far "
        "below the others hold a signal that these models miss.",
        f"Scatter of {2 * len(rows)} sides of areas.",
    )
