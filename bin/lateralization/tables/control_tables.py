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

from lateralization.arrays import Floats, Row
from lateralization.baselines.oasm import KIND as OASM
from lateralization.names import (
    ALL_MODELS,
    AVERAGE,
    BASELINE,
    LN_N,
    MODEL,
    RANDOM_SEED,
    STEPS_OF,
    UNTRAINED,
)
from lateralization.statistics.asymmetry import BEST_VOXEL, RELIABLE, SHARED, WHOLE
from lateralization.statistics.change_points import find_bend
from lateralization.statistics.intervals import corrected_t
from lateralization.statistics.regressions import regress
from lateralization.statistics.score_controls import (
    Estimate,
    compare_leans,
    controls,
    mediation,
    slope_over_models,
)
from lateralization.statistics.specifications import Reading, Specification, curve, influence
from lateralization.tables.fits import Fit
from lateralization.tables.model_tables import (
    empty_selections,
    explain_empty_regions,
    groups,
    model_values,
    predictors_of,
    series_of_steps,
    sized_models,
)
from lateralization.tables.summaries import FitSummary, Place

Readings = Mapping[tuple[str, str, str], Mapping[Specification, float]]
"""(language, subject, model) → what ``specify`` gave."""

OUTCOMES = tuple(f"{kind}_{region}" for region in (WHOLE, RELIABLE)
                 for kind in ("score", "l_minus_r"))  # fmt: skip


def sides_by_run(members: Sequence[FitSummary], place: Place) -> Floats:
    """Return left and right of every fit in each test run, (n_fits, n_runs, 2); none where unknown.

    NaN where a side of the selection has no usable voxel.
    """
    runs = [one.asymmetry[place].sides for one in members]
    known = [sides.T for sides in runs if sides is not None]
    return np.stack(known) if known and len(known) == len(runs) else np.empty((0, 1, 2))


def _estimate_row(found: Estimate, value: str, low: str, high: str) -> Row:
    return {
        value: found.value, low: found.low, high: found.high, "p": found.p,
        "n_models": found.n_models, "n_runs": found.n_runs, "n_families": found.n_families,
        "reason": found.reason,
    }  # fmt: skip


def control_rows(summaries: Sequence[FitSummary]) -> dict[str, list[Row]]:
    """Give the rows of the tables ``controls``, ``mediation`` and ``leans``.

    The first two are over trained models of known size, for every selection that is a region.
    """
    rows: dict[str, list[Row]] = {"controls": [], "mediation": [], "leans": []}
    for (language, subject), members in groups(summaries).items():
        head: Row = {"language": language, "subject": subject}
        rows["leans"] += [head | row for row in _leans(members)]
        empty = empty_selections(members)
        models, size = sized_models(members)
        for place in models[0].scores if models else ():
            where = head | place._asdict()
            known = [] if place.selection in empty else models
            sides, families = sides_by_run(known, place), [one.fit.family for one in known]
            found = [
                where | {"analysis": one.analysis, "outcome": one.outcome,
                         "predictor": one.predictor, "left_out": one.left_out}
                | _estimate_row(one.found, "slope", "slope_low", "slope_high")
                for one in controls(size[: len(known)], sides, families, place.selection)
            ]  # fmt: skip
            rows["controls"] += explain_empty_regions(found, empty)
            found = [
                where | {"path": one.path}
                | _estimate_row(one.found, "coefficient", "ci_low", "ci_high")
                for one in mediation(size[: len(known)], sides)
            ]  # fmt: skip
            rows["mediation"] += explain_empty_regions(found, empty)
    return rows


def _leans(members: Sequence[FitSummary]) -> Iterator[Row]:
    """Compare the control that leans most with the trained model that does, region by region."""
    models = [one for one in members if one.fit.kind == MODEL]
    others = [
        one for one in members
        if one.fit.kind in (BASELINE, UNTRAINED) and not RANDOM_SEED.fullmatch(one.fit.model)
        and one.fit.model != OASM  # it knows nothing of the story: to lean more is no feat
    ]  # fmt: skip
    for place in models[0].asymmetry if models and others else ():
        if place.selection not in (WHOLE, RELIABLE):
            continue
        by_run = [sides_by_run(some, place) for some in (others, models)]
        control, model = (runs[..., 0] - runs[..., 1] for runs in by_run)
        if control.shape[-1] < 2 or not all(np.isfinite(runs).all() for runs in by_run):
            continue
        found = compare_leans(control, model)
        yield place._asdict() | {
            "control": others[found.control].fit.model, "model": models[found.model].fit.model,
            "n_controls": len(others), "n_models": len(models), "n_runs": control.shape[1],
            "control_l_minus_r": float(control[found.control].mean()),
            "model_l_minus_r": float(model[found.model].mean()),
            "lead": found.interval.mean, "ci_low": found.interval.low,
            "ci_high": found.interval.high, "p": found.p,
        }  # fmt: skip


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

    Over trained models, and over the training steps of one model at a time, where the sheet gives
    a value. Layer and midline are the published ones.
    """
    for (language, subject), members in groups(summaries).items():
        values = model_values(members, BEST_VOXEL, SHARED)
        subsets = {ALL_MODELS: np.flatnonzero(values.of_kind(MODEL)).tolist()} | {
            f"{STEPS_OF}{model}": places for model, places in series_of_steps(members).items()
        }
        for subset, places in subsets.items():
            columns = predictors_of([members[i] for i in places])
            for predictor in [LN_N, *columns] if subset == ALL_MODELS else columns:
                x = values.predictor(predictor)[places]
                for outcome in OUTCOMES:
                    if outcome in values.outcomes and places:
                        bend = find_bend(x, values.outcomes[outcome][places], subset != ALL_MODELS)
                        yield {
                            "language": language, "subject": subject, "outcome": outcome,
                            "predictor": predictor, "subset": subset, **asdict(bend),
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


def _gain_by_run(trained: FitSummary, twins: Sequence[FitSummary], place: Place) -> Floats:
    """Left minus right in each test run, (3, n_runs): trained, untrained, and what training adds.

    Without runs where the asymmetry is not a difference of means.
    """
    runs = [one.asymmetry[place].by_run for one in (trained, *twins)]
    known = [run for run in runs if run is not None]
    if len(known) < len(runs):
        return np.empty((3, 0))
    before = np.mean(np.array(known[1:]), axis=0)
    return np.stack([known[0], before, known[0] - before])


def _gain(trained: FitSummary, twins: Sequence[FitSummary], place: Place) -> Row:
    """Compare a model with the mean over its twins in one selection."""
    scores = [one.score(place) for one in (trained, *twins)]
    leads = [one.asymmetry[place].difference for one in (trained, *twins)]
    interval, p = corrected_t(_gain_by_run(trained, twins, place)[2])
    return {
        "n_twins": len(twins), "trained_score": scores[0],
        "untrained_score": float(np.mean(scores[1:])),
        "score_gain": scores[0] - float(np.mean(scores[1:])),
        "trained_l_minus_r": leads[0], "untrained_l_minus_r": float(np.mean(leads[1:])),
        "l_minus_r_gain": leads[0] - float(np.mean(leads[1:])),
        "ci_low": interval.low, "ci_high": interval.high, "p": p,
    }  # fmt: skip


TWIN_OUTCOMES = ("trained_l_minus_r", "untrained_l_minus_r", "l_minus_r_gain", "score_gain")


def _regressions(rows: Sequence[Row], by_run: Sequence[Floats]) -> Iterator[Row]:
    """Regress what training adds, and what it is the difference of, on ln N."""
    size = np.log([row["n_parameters"] for row in rows])
    families = [str(row["family"]) for row in rows]
    for i, outcome in enumerate(TWIN_OUTCOMES):
        line = regress(size, np.array([row[outcome] for row in rows]))
        row: Row = {"outcome": outcome, "predictor": LN_N} | vars(line)
        if i < len(TWIN_OUTCOMES) - 1 and rows:
            found = slope_over_models(size, np.stack([runs[i] for runs in by_run]), families)
            row |= {"n_runs": found.n_runs, "crossed_low": found.low, "crossed_high": found.high,
                    "crossed_p": found.p}  # fmt: skip
        yield row


def twin_rows(summaries: Sequence[FitSummary]) -> dict[str, list[Row]]:
    """Give the rows of the tables ``twins`` and ``twin_regressions``."""
    tables: dict[str, list[Row]] = {"twins": [], "twin_regressions": []}
    for (language, subject), members in groups(summaries).items():
        found: dict[Place, list[tuple[Row, Floats]]] = {}
        for trained, twins in twin_pairs(members):
            for place in trained.asymmetry:
                row = trained.fit.columns | _gain(trained, twins, place) | trained.fit.traits
                by_run = _gain_by_run(trained, twins, place)
                found.setdefault(place, []).append((row, by_run))
        empty = empty_selections(members)
        for place, pairs in found.items():
            tables["twins"] += [row | place._asdict() for row, _ in pairs]
            known = [(row, by_run) for row, by_run in pairs if row["n_parameters"] > 0]
            head = {"language": language, "subject": subject} | place._asdict()
            rows, runs = [row for row, _ in known], [by_run for _, by_run in known]
            lines = (head | row for row in _regressions(rows, runs))
            tables["twin_regressions"] += explain_empty_regions(lines, empty)
    return tables
