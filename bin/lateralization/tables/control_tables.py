"""Tables of the controls: score and mediation, specification curve, change points, twins.

A model's untrained twins have its architecture and random weights (one for each seed); what they
predict comes with the number of features and the words themselves. Trained less untrained is what
training adds, the architecture and its width held constant: where all of an effect of size is
there before training, the difference does not rise with size.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict

import numpy as np

from lateralization.arrays import Row
from lateralization.names import AVERAGE, CHECKPOINT, LN_N, MODEL, UNTRAINED
from lateralization.statistics.asymmetry import BEST_VOXEL, RELIABLE, SHARED, SIDES, WHOLE
from lateralization.statistics.change_points import find_bend
from lateralization.statistics.intervals import corrected_t
from lateralization.statistics.regressions import regress
from lateralization.statistics.score_controls import Control, Values, controls, mediation
from lateralization.statistics.specifications import Reading, Specification, curve, influence
from lateralization.tables.fits import Fit
from lateralization.tables.model_tables import (
    empty_selections,
    explain_empty_regions,
    groups,
    model_values,
    predictors_of,
    sized_models,
)
from lateralization.tables.summaries import FitSummary, Place

Readings = Mapping[tuple[str, str, str], Mapping[Specification, float]]
"""(language, subject, model) → what ``specify`` gave."""

OUTCOMES = tuple(f"{kind}_{region}" for region in (WHOLE, RELIABLE)
                 for kind in ("score", "l_minus_r"))  # fmt: skip


def values_of(members: Sequence[FitSummary]) -> Iterator[tuple[Place, Values]]:
    """Collect size, score and sides of the trained models of known size, for every selection.

    A selection enters where it is a region with a mean score: whole brain, reliable voxels, ROIs.
    """
    models, size = sized_models(members)
    if not models:
        return
    families = [one.fit.family for one in models]
    for place in models[0].scores:
        score = np.array([one.score(place) for one in models])
        sides = [one.asymmetry[place] for one in models]
        left, right = (np.array([getattr(one, side) for one in sides]) for side in SIDES[:2])
        yield place, Values(size, score, left, right, left - right, families)


def _control_row(one: Control) -> Row:
    values: Row = asdict(one)
    values |= values.pop("found")
    return values


def control_rows(summaries: Sequence[FitSummary]) -> dict[str, list[Row]]:
    """Give the rows of the tables ``controls`` and ``mediation``, over trained models."""
    rows: dict[str, list[Row]] = {"controls": [], "mediation": []}
    for (language, subject), members in groups(summaries).items():
        empty = empty_selections(members)
        for place, values in values_of(members):
            where: Row = {"language": language, "subject": subject} | place._asdict()
            found = [where | _control_row(one) for one in controls(values, place.selection)]
            rows["controls"] += explain_empty_regions(found, empty)
            paths, n_models, reason = mediation(
                values.size, values.score, values.difference, values.families
            )
            more = {"n_models": n_models, "reason": reason}
            parts: list[Row] = [asdict(path) for path in paths] or [{"path": ""}]
            rows["mediation"] += explain_empty_regions(
                (where | part | more for part in parts), empty
            )
    return rows


def specification_rows(summaries: Sequence[FitSummary], readings: Readings) -> dict[str, list[Row]]:
    """Give the rows of the tables ``specifications`` and ``specification_choices``.

    Families are left out in turn for the average subject only: the tables of individuals would
    be as many times longer as there are families.
    """
    rows: dict[str, list[Row]] = {"specifications": [], "specification_choices": []}
    for (language, subject), members in groups(summaries).items():
        models = [
            Reading(float(ln_n), one.fit.family, readings[one.fit.key])
            for one, ln_n in zip(*sized_models(members), strict=True)
        ]
        place = {"language": language, "subject": subject}
        found = curve(models, by_family=subject == AVERAGE)
        rows["specifications"] += [place | row for row in found]
        rows["specification_choices"] += [place | row for row in influence(found)]
    return rows


def trajectory_rows(summaries: Sequence[FitSummary]) -> Iterator[Row]:
    """Bend score and left minus right over ln N and every numeric column of the model sheet.

    Trained models and training steps enter where the sheet gives a value; ln N takes trained
    models only, since steps of one model have one size. Layer and midline are the published ones.
    """
    for (language, subject), members in groups(summaries).items():
        values = model_values(members, BEST_VOXEL, SHARED)
        for predictor in [LN_N, *predictors_of(members)]:
            kinds = [MODEL] if predictor == LN_N else [MODEL, CHECKPOINT]
            units = values.of_kind(*kinds)
            for outcome in OUTCOMES:
                if outcome in values.outcomes and units.any():
                    x, y = values.predictor(predictor)[units], values.outcomes[outcome][units]
                    yield {
                        "language": language, "subject": subject, "outcome": outcome,
                        "predictor": predictor, **asdict(find_bend(x, y)),
                    }  # fmt: skip


TWIN = re.compile(r"(.+)_untrained(?:_seed\d+)?")


def is_twin(untrained: Fit, trained: Fit) -> bool:
    """Tell whether one is the other without its training: by name, or by source and revision."""
    named = TWIN.fullmatch(untrained.model)
    if named and named[1] == trained.model:
        return True
    sources = [
        (fit.record.get("source"), fit.record.get("resolved_revision"))
        for fit in (untrained, trained)
    ]
    return bool(sources[0][0]) and sources[0] == sources[1]


def twin_pairs(members: Sequence[FitSummary]) -> Iterator[tuple[FitSummary, list[FitSummary]]]:
    """Give each trained model that has untrained twins, with all of them."""
    untrained = [one for one in members if one.fit.kind == UNTRAINED]
    for one in members:
        if one.fit.kind == MODEL:
            twins = [other for other in untrained if is_twin(other.fit, one.fit)]
            if twins:
                yield one, twins


def _gain(trained: FitSummary, twins: Sequence[FitSummary], place: Place) -> Row:
    """Compare a model with the mean over its twins in one selection."""
    scores = [one.score(place) for one in (trained, *twins)]
    sides = [one.asymmetry[place] for one in (trained, *twins)]
    leads = [one.difference for one in sides]
    runs = [one.by_run for one in sides if one.by_run is not None]
    by_run = np.full(1, np.nan)
    if len(runs) == len(sides):
        by_run = runs[0] - np.mean(np.array(runs[1:]), axis=0)
    interval, p = corrected_t(by_run)
    return {
        "n_twins": len(twins), "trained_score": scores[0],
        "untrained_score": float(np.mean(scores[1:])),
        "score_gain": scores[0] - float(np.mean(scores[1:])),
        "trained_l_minus_r": leads[0], "untrained_l_minus_r": float(np.mean(leads[1:])),
        "l_minus_r_gain": leads[0] - float(np.mean(leads[1:])),
        "ci_low": interval.low, "ci_high": interval.high, "p": p,
    }  # fmt: skip


TWIN_OUTCOMES = ("trained_l_minus_r", "untrained_l_minus_r", "l_minus_r_gain", "score_gain")


def _regressions(rows: Sequence[Row]) -> Iterator[Row]:
    """Regress what training adds, and what it is the difference of, on ln N."""
    size = np.log([row["n_parameters"] for row in rows])
    for outcome in TWIN_OUTCOMES:
        found = regress(size, np.array([row[outcome] for row in rows]))
        yield {"outcome": outcome, "predictor": LN_N} | vars(found)


def twin_rows(summaries: Sequence[FitSummary]) -> dict[str, list[Row]]:
    """Give the rows of the tables ``twins`` and ``twin_regressions``."""
    tables: dict[str, list[Row]] = {"twins": [], "twin_regressions": []}
    for (language, subject), members in groups(summaries).items():
        found: dict[Place, list[Row]] = {}
        for trained, twins in twin_pairs(members):
            for place in trained.asymmetry:
                row = trained.fit.columns | _gain(trained, twins, place) | trained.fit.traits
                found.setdefault(place, []).append(row)
        empty = empty_selections(members)
        for place, rows in found.items():
            tables["twins"] += [row | place._asdict() for row in rows]
            known = [row for row in rows if row["n_parameters"] > 0]
            head = {"language": language, "subject": subject} | place._asdict()
            lines = (head | row for row in _regressions(known))
            tables["twin_regressions"] += explain_empty_regions(lines, empty)
    return tables
