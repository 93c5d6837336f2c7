"""Tables of the controls: asymmetry against score, and what mediates the effect of size."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict

import numpy as np

from lateralization.arrays import Row
from lateralization.statistics.asymmetry import CHOICES
from lateralization.statistics.score_controls import Control, Values, controls, mediation
from lateralization.tables.fits import MODEL
from lateralization.tables.model_tables import groups, say_empty_regions
from lateralization.tables.summaries import Summary

Place = tuple[str, str, str]
"""Selection, way of choosing the layer, midline."""


def sides_by_place(one: Summary) -> dict[Place, tuple[float, float]]:
    """Return left and right of every selection of a fit."""
    return {
        (row["selection"], row["layer"], row["midline"]): (row["left"], row["right"])
        for row in one.asymmetry
    }


def scores_by_place(one: Summary) -> dict[Place, float]:
    """Return the mean score of every region of a fit, both sides together."""
    return {
        (row["region"], row["layer"], row["midline"]): row["mean_r"]
        for row in one.scores
        if row["hemisphere"] == "both" and row["layer"] in CHOICES
    }


def values_of(members: Sequence[Summary]) -> Iterator[tuple[Place, Values]]:
    """Collect size, score and sides of the trained models of known size, for every selection.

    A selection enters where it is a region with a mean score: whole brain, reliable voxels, ROIs.
    """
    models = [one for one in members if one.fit.kind == MODEL and one.fit.n_parameters > 0]
    if not models:
        return
    sides, scores = (
        [sides_by_place(one) for one in models],
        [scores_by_place(one) for one in models],
    )
    size = np.log([one.fit.n_parameters for one in models])
    families = [one.fit.family for one in models]
    for place in scores[0]:
        if place not in sides[0]:
            continue
        both = np.array([own[place] for own in sides], dtype=np.float64)
        score = np.array([own[place] for own in scores], dtype=np.float64)
        left, right = both.T
        yield place, Values(size, score, left, right, left - right, families)


def _control_row(one: Control) -> Row:
    values: Row = asdict(one)
    values |= values.pop("found")
    return values


def control_rows(summaries: list[Summary]) -> dict[str, list[Row]]:
    """Give the rows of the tables ``controls`` and ``mediation``, over trained models."""
    rows: dict[str, list[Row]] = {"controls": [], "mediation": []}
    for (language, subject), members in groups(summaries).items():
        for (selection, layer, midline), values in values_of(members):
            where: Row = {"language": language, "subject": subject, "selection": selection,
                          "layer": layer, "midline": midline}  # fmt: skip
            found = [where | _control_row(one) for one in controls(values, selection)]
            rows["controls"] += say_empty_regions(found, members)
            paths, n_models, reason = mediation(
                values.size, values.score, values.difference, values.families
            )
            more = {"n_models": n_models, "reason": reason}
            parts: list[Row] = [asdict(path) for path in paths] or [{"path": ""}]
            told: list[Row] = [where | part | more for part in parts]
            rows["mediation"] += say_empty_regions(told, members)
    return rows
