"""Tables of the controls: score and mediation, specification curve, change points."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict

import numpy as np

from lateralization.arrays import Row
from lateralization.names import AVERAGE, CHECKPOINT, LN_N, MODEL
from lateralization.statistics.asymmetry import BEST_VOXEL, CHOICES, RELIABLE, SHARED, WHOLE
from lateralization.statistics.change_points import find_bend
from lateralization.statistics.score_controls import Control, Values, controls, mediation
from lateralization.statistics.specifications import Reading, Specification, curve, influence
from lateralization.tables.fits import Summary
from lateralization.tables.model_tables import groups, outcomes, say_empty_regions

Readings = Mapping[tuple[str, str, str], Mapping[Specification, float]]
"""(language, subject, model) → what ``specify`` gave."""

OUTCOMES = tuple(f"{kind}_{region}" for region in (WHOLE, RELIABLE)
                 for kind in ("score", "l_minus_r"))  # fmt: skip


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


def specification_rows(summaries: list[Summary], readings: Readings) -> dict[str, list[Row]]:
    """Give the rows of the tables ``specifications`` and ``specification_choices``.

    Families are left out in turn for the average subject only: the tables of individuals would
    be as many times longer as there are families.
    """
    rows: dict[str, list[Row]] = {"specifications": [], "specification_choices": []}
    for (language, subject), members in groups(summaries).items():
        models = [
            Reading(float(np.log(one.fit.n_parameters)), one.fit.family, readings[one.fit.key])
            for one in members
            if one.fit.kind == MODEL and one.fit.n_parameters > 0
        ]
        place = {"language": language, "subject": subject}
        found = curve(models, by_family=subject == AVERAGE)
        rows["specifications"] += [place | row for row in found]
        rows["specification_choices"] += [place | row for row in influence(found)]
    return rows


def trajectory_rows(summaries: list[Summary]) -> Iterator[Row]:
    """Bend score and left minus right over ln N and every numeric column of the model sheet.

    Trained models and training steps enter where the sheet gives a value; ln N takes trained
    models only, since steps of one model have one size. Layer and midline are the published ones.
    """
    for (language, subject), members in groups(summaries).items():
        table = outcomes(members, BEST_VOXEL, SHARED)
        predictors = sorted({name for one in members for name in one.fit.predictors})
        for predictor in [LN_N, *predictors]:
            kinds = [MODEL] if predictor == LN_N else [MODEL, CHECKPOINT]
            units = table[table["kind"].isin(kinds)]
            for outcome in OUTCOMES:
                if outcome not in units or units.empty:
                    continue
                x, y = (units[name].to_numpy(dtype=np.float64) for name in (predictor, outcome))
                yield {
                    "language": language, "subject": subject, "outcome": outcome,
                    "predictor": predictor, **asdict(find_bend(x, y)),
                }  # fmt: skip
