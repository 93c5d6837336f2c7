"""The claim: one estimand that was fixed before the run, with one interval over all that varies.

Its numbers are taken from the fits apart from the other tables, so that each of them can be
computed again from ``claim_runs``.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from lateralization import runs
from lateralization.arrays import Booleans, Floats, Row
from lateralization.names import AVERAGE, LN_N
from lateralization.run_plan import Claim, Plan
from lateralization.statistics.asymmetry import (
    RELIABLE,
    SHARED,
    WHOLE,
    FitScores,
    Region,
    side_means,
)
from lateralization.statistics.crossed import (
    MODELS,
    PEOPLE,
    RUNS,
    CrossedSlope,
    crossed_slope,
    over_cells,
)
from lateralization.statistics.intervals import MIN_PEOPLE
from lateralization.tables.fits import Fit, Space
from lateralization.volumes import to_volume

ALL_PEOPLE = "people"


@dataclass(frozen=True)
class ClaimScores:
    """Scores of one fit under the claim.

    Attributes
    ----------
    region
        Name of the voxels: those of the claim, or the whole brain where there are none.
    sides : (2, n_runs)
        Mean over the voxels of the left and of the right in each test run, in the order of the
        fit's stories.
    """

    fit: Fit
    region: str
    sides: Floats


def _reliable(space: Space, group: Space | None) -> Booleans | None:
    """Return the reliable voxels of the group in a mask; None where there is no reliability."""
    if space.brain.reliable is not None:
        return space.brain.reliable
    if group is None or group.brain.reliable is None or group.mask.shape != space.mask.shape:
        return None
    inside: Booleans = to_volume(group.brain.reliable, group.mask, False)[space.mask]
    return inside


def claim_region(claim: Claim, space: Space, group: Space | None) -> Region:
    """Return the voxels of the claim in one mask; the whole brain where a side has none.

    Parameters
    ----------
    space
        That of the fit.
    group
        That of the group, whose reliable voxels are those of every individual; None: unknown.
    """
    rois = space.brain.rois or {}
    if claim.region in rois:
        return Region(claim.region, SHARED, *rois[claim.region])
    left, right = space.brain.halves[claim.midline]
    reliable = _reliable(space, group) if claim.region == RELIABLE else None
    if reliable is not None and (left & reliable).any() and (right & reliable).any():
        return Region(RELIABLE, claim.midline, left & reliable, right & reliable)
    return Region(WHOLE, claim.midline, left, right)


def claim_scores(fit: Fit, scores: FitScores, claim: Claim, region: Region) -> ClaimScores:
    """Reduce the scores of one fit to the means of the claim."""
    return ClaimScores(fit, region.name, side_means(scores.chosen(claim.layer, region), region))


def predictor_of(fit: Fit, name: str) -> float:
    """Return ln N or a numeric column of the model sheet; NaN where it is not known."""
    if name != LN_N:
        return fit.predictors.get(name, np.nan)
    return float(np.log(fit.n_parameters)) if fit.n_parameters > 0 else np.nan


def whom(claim: Claim, plan: Plan, language: str) -> list[str]:
    """Return the subjects that the claim is about, by the plan: fixed before anything is fitted."""
    models = {model.name for model in plan.models}
    fitted = dict.fromkeys(
        fit.subject for fit in plan.fits if fit.language == language and fit.model in models
    )
    people = [subject for subject in fitted if subject != AVERAGE]
    of_people = claim.subjects == ALL_PEOPLE or (
        claim.subjects == "auto" and (len(people) >= MIN_PEOPLE or AVERAGE not in fitted)
    )
    return people if of_people else [AVERAGE]


def claim_run_rows(claim: Claim, found: Sequence[ClaimScores]) -> Iterator[Row]:
    """Give rows of ``claim_runs``: both sides of every model in each test run."""
    for one in found:
        value = predictor_of(one.fit, claim.predictor)
        for story, (left, right) in zip(one.fit.stories, one.sides.T, strict=True):
            yield one.fit.columns | {
                "region": one.region, "midline": claim.midline, "layer": claim.layer,
                "run": runs.label(story), "left": left, "right": right,
                "left_minus_right": left - right, "predictor": claim.predictor,
                "value": value, "family": one.fit.family,
            }  # fmt: skip


def _common(claim: Claim, subjects: Sequence[str], found: Sequence[ClaimScores]) -> list[Fit]:
    """Return the models of a known predictor that every subject has scores of, in their order."""
    of_subject = [
        {one.fit.model: one.fit for one in found if one.fit.subject == subject}
        for subject in subjects
    ]
    return [
        fit
        for name, fit in of_subject[0].items()
        if all(name in other for other in of_subject)
        and np.isfinite(predictor_of(fit, claim.predictor))
    ]


def _by_story(
    subjects: Sequence[str], models: Sequence[Fit], mine: Sequence[ClaimScores]
) -> tuple[Floats, Booleans]:
    """Bring the scores of all people to one list of stories.

    Returns
    -------
    sides, heard
        (n_people, n_models, 2, n_stories), NaN where a person lacks a story, and
        (n_people, n_stories), which each has.
    """
    by_key = {(one.fit.subject, one.fit.model): one for one in mine}
    stories = list(dict.fromkeys(story for one in mine for story in one.fit.stories))
    sides = np.full((len(subjects), len(models), 2, len(stories)), np.nan)
    heard = np.zeros((len(subjects), len(stories)), bool)
    for person, subject in enumerate(subjects):
        for place, fit in enumerate(models):
            one = by_key[subject, fit.model]
            own = [stories.index(story) for story in one.fit.stories]
            sides[person, place][:, own] = one.sides
            heard[person, own] = True
    return sides, heard


def _slopes(
    claim: Claim, models: Sequence[Fit], sides: Floats, heard: Booleans
) -> dict[str, CrossedSlope]:
    """Return the slopes of the difference and of each side; arguments as :func:`_by_story`."""
    x = np.array([predictor_of(fit, claim.predictor) for fit in models])
    families = [fit.family for fit in models]
    left, right = sides[:, :, 0], sides[:, :, 1]
    values = {"": left - right, "left_": left, "right_": right}
    return {name: crossed_slope(x, y, families, heard) for name, y in values.items()}


def _numbers(
    models: Sequence[Fit], sides: Floats, heard: Booleans, slopes: dict[str, CrossedSlope]
) -> Row:
    main = slopes[""]
    lead = over_cells(sides[:, :, 0] - sides[:, :, 1], heard)
    rule = "within" if main.within else "units" if 1 < main.n_families < len(models) else ""
    row: Row = {
        "n_models": len(models), "n_runs": sides.shape[3], "n_subjects": sides.shape[0],
        "n_families": main.n_families, "family_rule": rule, "df": main.df,
        "share_models": main.share(MODELS), "share_runs": main.share(RUNS),
        "share_people": main.share(PEOPLE), "mean_l_minus_r": float(lead.mean()),
        "n_left": int((lead > 0).sum()), "n_right": int((lead < 0).sum()), "reason": main.reason,
    }  # fmt: skip
    for name, one in slopes.items():
        limits = {f"{name}slope_low": one.low, f"{name}slope_high": one.high}
        row |= {f"{name}slope": one.slope} | limits
    return row


def _why_not(subjects: Sequence[str], mine: Sequence[ClaimScores], models: Sequence[Fit]) -> str:
    if not models:
        return "no model of a known predictor was fitted to all of the subjects"
    if len({one.region for one in mine}) > 1:
        return "some subjects have no reliable voxel on a side"
    if 1 < len(subjects) < MIN_PEOPLE:
        return f"{len(subjects)} individuals, {MIN_PEOPLE} needed"
    return "" if subjects else "nobody is fitted"


def claim_rows(claim: Claim, plan: Plan, found: Sequence[ClaimScores]) -> Iterator[Row]:
    """Give the row of ``claim`` of each language."""
    for language in dict.fromkeys(one.fit.language for one in found):
        mine = [one for one in found if one.fit.language == language]
        present = {one.fit.subject for one in mine}
        subjects = [name for name in whom(claim, plan, language) if name in present]
        mine = [one for one in mine if one.fit.subject in subjects]
        models = _common(claim, subjects, mine) if subjects else []
        row: Row = {
            "language": language, "subjects": _named(subjects), "asked_region": claim.region,
            "region": mine[0].region if mine else "", "midline": claim.midline,
            "layer": claim.layer, "predictor": claim.predictor, "n_models": len(models),
            "n_subjects": len(subjects), "reason": _why_not(subjects, mine, models),
        }  # fmt: skip
        if not row["reason"]:
            sides, heard = _by_story(subjects, models, mine)
            row |= _numbers(models, sides, heard, _slopes(claim, models, sides, heard))
        yield row


def _named(subjects: Sequence[str]) -> str:
    """Name the average or a single person; several are ``people``, and nobody is nothing."""
    return subjects[0] if len(subjects) == 1 else ALL_PEOPLE if subjects else ""
