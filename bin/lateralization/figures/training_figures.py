"""Figures of what training adds: untrained models, and checkpoints of one model."""

import itertools
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt

from lateralization import wording
from lateralization.figures.family_figures import panels
from lateralization.figures.figure_style import (
    COLUMN,
    FAMILY_COLOURS,
    FAMILY_MARKERS,
    Drawing,
    families,
    family_name,
    fit_line,
    handles_of,
    listing,
    outside_legend,
    size_axis,
    statistics,
    zero_line,
)
from lateralization.names import CHECKPOINT, STEP_REVISION, TRAINING_STEP
from lateralization.tables.read import TooFewError, of, regression, selection_of
from lateralization.tables.registry.tables import PUBLISHED, Tables


def _asymmetries(tables: Tables, language: str, subject: str) -> tuple[pd.DataFrame, str]:
    selection = selection_of(tables, language, subject)
    rows = of(
        tables["asymmetry"], language=language, subject=subject, selection=selection, **PUBLISHED
    )
    return rows.sort_values("n_parameters"), selection


def untrained(tables: Tables, language: str, subject: str) -> Drawing:
    """Left minus right of trained and untrained models against size, one panel per family."""
    rows, selection = _asymmetries(tables, language, subject)
    rows = rows[rows["n_parameters"] > 0]
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


def steps_of(rows: pd.DataFrame, models: pd.DataFrame) -> pd.DataFrame:
    """Give checkpoints their model (``base``) and their ``step``; both empty where not known.

    The name tells both (``pythia-6.9b_step1000``), or else the model's source and the revision
    that was asked for (``step1000``): that of the same source as a name that tells is its step.
    """
    told = models.drop_duplicates("model").set_index("model")
    named = rows["model"].astype(str).str.extract(f"^{TRAINING_STEP.pattern}$")
    asked = rows["model"].map(told["asked_revision"]).astype(str)
    revision = asked.str.extract(f"^{STEP_REVISION.pattern}$")[0]
    source = rows["model"].map(told["source"]).astype(str)
    names = dict(zip(source[named[0].notna()], named[0].dropna(), strict=True))
    base = source.map(lambda place: names.get(place, place)).where(revision.notna())
    return rows.assign(base=named[0].fillna(base), step=pd.to_numeric(named[1].fillna(revision)))


def steps(tables: Tables, language: str, subject: str) -> Drawing:
    """Score and left minus right over the training steps of each model that has several."""
    rows, _ = _asymmetries(tables, language, subject)
    known = steps_of(rows[rows["kind"] == CHECKPOINT], of(tables["models"], language=language))
    several = known.groupby("base")["step"].transform("nunique") >= 2
    rows = known[several].sort_values(["base", "step"])
    names = [str(name) for name in rows["base"].unique()]
    if not names:
        raise TooFewError("fewer than 2 training steps of one model")
    figure, (scores, sides) = plt.subplots(2, 1, figsize=(COLUMN * 1.5, 4.2), sharex=True)
    zero_line(sides)
    looks = zip(itertools.cycle(FAMILY_COLOURS), itertools.cycle(FAMILY_MARKERS), strict=False)
    for name, (colour, marker) in zip(names, looks, strict=False):
        mine = rows[rows["base"] == name]
        last = int(mine["step"].max())
        share = 100 * mine["step"] / last  # each model by its own last step: one may have 1,000
        look = {"color": colour, "marker": marker}
        label = name if len(names) == 1 else f"{name} ({wording.plural(last, 'step')})"
        scores.plot(share, _score(tables, language, subject, mine), label=label, **look)
        sides.plot(share, mine["left_minus_right"], **look)
    sides.set_xticks([0, 10, 25, 50, 100], ["0", "10", "25", "50", "100 %"])
    of_whom = f"{last:,} training steps" if len(names) == 1 else "each model’s last step"
    sides.set_xlabel(f"share of {of_whom}")
    scores.set_ylabel("brain score (r)")
    sides.set_ylabel("left minus right (r)")
    outside_legend(figure, handles_of(scores))  # within the axes it covers points
    ends = rows.groupby("base")["left_minus_right"].last()
    return Drawing(
        figure,
        "Score and asymmetry over training",
        "Checkpoints of one model, joined by a line: its size stays the same, so what changes is "
        "what it has learnt. A jump at one step can be a damaged checkpoint."
        + _not_drawn(len(known) - len(rows)),
        f"Line plots of {wording.plural(len(rows), 'checkpoint')} of "
        f"{wording.plural(len(names), 'model')}; left minus right ends at "
        + listing(f"{wording.signed(float(ends[name]))} for {name}" for name in names[:3]) + ".",
    )  # fmt: skip


def _not_drawn(n: int) -> str:
    """Say how many checkpoints have no place in the figure."""
    if not n:
        return ""
    what = "1 checkpoint is" if n == 1 else f"{n} checkpoints are"
    return f" {what} not drawn: the step is not known, or it is the only one of its model."


def _score(tables: Tables, language: str, subject: str, mine: pd.DataFrame) -> Any:
    """Mean score over both sides of the same region, in the order of ``mine``."""
    region = selection_of(tables, language, subject)
    rows = of(
        tables["scores"], language=language, subject=subject, region=region, hemisphere="both",
        **PUBLISHED,
    ).set_index("model")  # fmt: skip
    return rows["mean_r"].reindex(mine["model"]).to_numpy(dtype=np.float64)
