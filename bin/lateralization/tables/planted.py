"""Planted and recovered: what a run on simulated data found of what was put in."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy import stats

from lateralization.arrays import Floats, Row
from lateralization.errors import BadInput
from lateralization.names import AVERAGE
from lateralization.statistics.asymmetry import BEST_VOXEL, RELIABLE, SHARED, WHOLE
from lateralization.statistics.intervals import corrected_t, t_interval, widened
from lateralization.tables.model_tables import groups
from lateralization.tables.summaries import FitSummary, Place

MIN_SPEARMAN = 0.9
"""Rank agreement from which on the planted order counts as recovered."""

PLANTED = "planted_left_minus_right"
"""What a perfect encoder would find in the reliable voxels of the average subject."""


def order_found(by_run: Floats, planted: Floats) -> dict[str, Any]:
    """Decide whether a rise of left minus right over model sizes is there.

    Parameters
    ----------
    by_run : (n_models, n_runs) array
        Left minus right per test run, models in the planted order.
    planted : (n_models,) array
        Planted left minus right; all equal where nothing was planted.

    Returns
    -------
    dict
        ``spearman`` between the order of the models and the recovered means; ``slope_low``, the
        lower limit (95 %, over runs, corrected for the training runs that folds share) of the
        slope per step of that order; ``signs``, whether the first and the last model lean to the
        side that was planted (right and left where nothing was); ``recovered``, yes when all
        three say so. The same rule is applied to worlds in which nothing was planted: there
        "yes" is a false alarm.
    """
    n = len(by_run)
    if n < 3:
        return {"spearman": np.nan, "slope_low": np.nan, "signs": "", "recovered": ""}
    steps = np.arange(n) - (n - 1) / 2
    means = by_run.mean(axis=1)
    spearman = 0.0 if np.ptp(means) == 0 else float(stats.spearmanr(steps, means).statistic)
    low = corrected_t(steps @ by_run / (steps @ steps))[0].low
    first, last = (planted[0], planted[-1]) if np.ptp(planted) > 0 else (-1.0, 1.0)
    signs = bool(np.sign(means[0]) == np.sign(first) and np.sign(means[-1]) == np.sign(last))
    # scipy gives 0.9 as 0.8999999999999998
    yes = round(spearman, 9) >= MIN_SPEARMAN and low > 0 and signs
    return {
        "spearman": spearman,
        "slope_low": low,
        "signs": "yes" if signs else "no",
        "recovered": "yes" if yes else "no",
    }


def _planted(model: dict[str, Any], subject: str, selection: str) -> float:
    """Return what a perfect encoder of such a subject and selection would find of a model.

    A subject's own noise is larger than the average's, so that the same signal gives less. A truth
    of an earlier version knows reliable voxels of the average alone: they then stand for all, and
    of an individual nothing is known.
    """
    if subject != AVERAGE:
        return float(model.get(f"{PLANTED}_individual", np.nan))
    whole = model.get(f"{PLANTED}_{WHOLE}", model[PLANTED])
    return float(model[PLANTED] if selection == RELIABLE else whole)


def planted_rows(summaries: list[FitSummary], truth: dict[str, Any]) -> Iterator[Row]:
    """Compare per subject the planted and the recovered asymmetry, models in planted order.

    Parameters
    ----------
    truth
        The simulator's ``simulation.json``: ``world`` and ``models``, each with ``name`` and
        ``planted_left_minus_right``, in increasing model size; ``worlds.FORMULA`` says which
        voxels and how many subjects its variants are for.

    Raises
    ------
    BadInput
        The truth lacks one of these.
    """
    try:
        world, models = str(truth["world"]), list(truth["models"])
        values = {str(one["name"]): float(one[PLANTED]) for one in models}
        told = {str(one["name"]): one for one in models}
    except (KeyError, TypeError, ValueError) as error:
        raise BadInput(f"the simulation's truth has no {error}; simulate the data again") from error
    for (language, subject), members in groups(summaries).items():
        named = {one.fit.model: one for one in members if one.fit.model in values}
        used = [named[name] for name in values if name in named]
        if not used:
            continue
        place = Place(RELIABLE, BEST_VOXEL, SHARED)
        if not all(place in one.asymmetry for one in used):
            place = place._replace(selection=WHOLE)
        runs = [one.asymmetry[place].by_run for one in used]
        by_run = np.stack([run for run in runs if run is not None])  # a mean has its runs
        planted = np.array([values[one.fit.model] for one in used])
        verdict = order_found(by_run, planted)
        ranks = stats.rankdata(by_run.mean(axis=1))
        for order, one in enumerate(used):
            interval = widened(t_interval(by_run[order]))
            yield {
                "language": language, "subject": subject, "model": one.fit.model,
                "order": order + 1, "recovered_order": int(ranks[order]),
                PLANTED: _planted(told[one.fit.model], subject, place.selection),
                "recovered_left_minus_right": interval.mean,
                "ci_low": interval.low, "ci_high": interval.high, "selection": place.selection,
                "world": world, "n_parameters": one.fit.n_parameters, **verdict,
            }  # fmt: skip
