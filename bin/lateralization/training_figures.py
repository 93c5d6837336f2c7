"""Figures of what training adds: untrained models, and checkpoints of one model."""

import re
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt

from lateralization import wording
from lateralization.dictionary import Tables
from lateralization.family_figures import panels
from lateralization.figure_style import (
    COLUMN,
    Drawing,
    TooFewError,
    families,
    family_name,
    fit_line,
    of,
    size_axis,
    statistics,
    zero_line,
)
from lateralization.model_figures import PUBLISHED, regression, selection_of

STEP = re.compile(r"(.+)_step(\d+)")


def _asymmetries(tables: Tables, language: str, subject: str) -> tuple[pd.DataFrame, str]:
    selection = selection_of(tables, language, subject)
    rows = of(
        tables["asymmetry"], language=language, subject=subject, selection=selection, **PUBLISHED
    )
    return rows[rows["n_parameters"] > 0].sort_values("n_parameters"), selection


def untrained(tables: Tables, language: str, subject: str) -> Drawing:
    """Left minus right of trained and untrained models against size, one panel per family."""
    rows, selection = _asymmetries(tables, language, subject)
    without = rows[rows["kind"] == "untrained"]
    names = [name for name in families(rows) if (without["family"] == name).any()]
    if not names:
        raise TooFewError("no untrained model of known size")
    looks = families(rows)
    figure, drawn = panels([family_name(name) for name in names], height=2.6, sharey=True)
    for axes, name in zip(drawn, names, strict=True):
        zero_line(axes)
        for kind, start in (("untrained", "untrained, "), ("model", "")):
            mine = rows[(rows["family"] == name) & (rows["kind"] == kind)]
            if mine.empty:
                continue
            colour, marker = looks[name] if kind == "model" else ("#9ca3af", "o")
            place: dict[str, Any] = {"language": language, "subject": subject}
            found = regression(
                tables, f"l_minus_r_{selection}", subset=f"{start}family {name}", **place
            )
            label = ("trained" if kind == "model" else "untrained") + (
                f", {statistics(found)}" if statistics(found) else ""
            )
            axes.plot(
                mine["n_parameters"], mine["left_minus_right"], marker, color=colour, label=label
            )
            if found is not None:
                fit_line(axes, mine["n_parameters"], found, colour)
        size_axis(axes, rows[rows["family"] == name]["n_parameters"])
        # below the axes: with its statistics it is as wide as they are
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.22), fontsize=6.5)
    drawn[0].set_ylabel("left minus right (r)")
    return Drawing(
        figure,
        "Trained and untrained models",
        "The same architectures with random weights, in grey. If the rise with size came from "
        "width and depth alone, grey would rise too. A grey cloud far below zero shows how much "
        "confounds lean right before anything is learnt.",
        f"{len(names)} panels; {len(without)} untrained models.",
    )


def steps(tables: Tables, language: str, subject: str) -> Drawing:
    """Score and left minus right over the training steps of one model."""
    rows, _ = _asymmetries(tables, language, subject)
    rows = rows[rows["kind"] == "checkpoint"].copy()
    parts = rows["model"].astype(str).str.extract(STEP)
    rows = rows.assign(base=parts[0], step=pd.to_numeric(parts[1]))
    counts = rows.groupby("base")["step"].nunique()
    names = sorted(counts[counts >= 2].index)
    if not names:
        raise TooFewError("fewer than 2 training steps of one model")
    figure, (scores, sides) = plt.subplots(2, 1, figsize=(COLUMN * 1.5, 4.2), sharex=True)
    zero_line(sides)
    for name in names:
        mine = rows[rows["base"] == name].sort_values("step")
        middle = _score(tables, language, subject, mine)
        scores.plot(mine["step"], middle, "o-", label=name)
        sides.plot(mine["step"], mine["left_minus_right"], "o-")
    last = int(rows["step"].max())
    ticks = [last * share / 100 for share in (0, 10, 25, 50, 100)]
    sides.set_xticks(ticks, ["0", "10", "25", "50", "100 %"])
    sides.set_xlabel(f"share of {last:,} training steps")
    scores.set_ylabel("brain score (r)")
    sides.set_ylabel("left minus right (r)")
    scores.legend(loc="lower right")
    return Drawing(
        figure,
        "Score and asymmetry over training",
        "Checkpoints of one model: its size stays the same, so what changes is what it has learnt. "
        "In the study both rise within the first tenth of training and then level off. A fall at "
        "the end, or a jump at one step, points to a damaged checkpoint.",
        f"Line plots of {len(rows)} checkpoints; left minus right ends at "
        f"{wording.signed(float(rows.sort_values('step')['left_minus_right'].iloc[-1]))}.",
    )


def _score(tables: Tables, language: str, subject: str, mine: pd.DataFrame) -> Any:
    """Mean score over both sides of the same region, in the order of ``mine``."""
    region = selection_of(tables, language, subject)
    rows = of(
        tables["scores"], language=language, subject=subject, region=region, hemisphere="both",
        **PUBLISHED,
    ).set_index("model")  # fmt: skip
    return rows["mean_r"].reindex(mine["model"]).to_numpy(dtype=np.float64)
