"""Tables of regions: the spheres with their mirror images, and the areas of an atlas.

As published: an area's reliability left and right is compared by a t test over voxels. That test
treats voxels as independent; slopes over models and test runs, with p values corrected for the
number of regions, stand beside it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from lateralization.arrays import Floats, Row
from lateralization.statistics.areas import Areas, Pair
from lateralization.statistics.asymmetry import BEST_VOXEL, SHARED, side_mean
from lateralization.statistics.intervals import voxel_bootstrap
from lateralization.statistics.lines import MIN_MODELS, slope_on
from lateralization.statistics.permutation import holm
from lateralization.statistics.regressions import NO_VOXEL, regress
from lateralization.statistics.score_controls import slope_over_models
from lateralization.tables.fits import Space
from lateralization.tables.model_tables import (
    LEFT_MINUS_RIGHT,
    Regressions,
    empty_selections,
    explain_empty_regions,
    groups,
    sized_models,
)
from lateralization.tables.summaries import FitSummary, Place

ISC_BOOTSTRAPS = 10_000
"""Resamples of the bands around a region's reliability, as in the study."""

P_VALUES = ("p", "runs_p", "slope_t_test_p", "crossed_p")


def _isc_of_sides(space: Space, sides: Mapping[str, Any]) -> Row:
    """Mean reliability of each side, with the published kind of band around it."""
    row: Row = {}
    for name, side in sides.items():
        isc = space.brain.isc
        values = np.empty(0) if isc is None else isc[side]
        values = values[np.isfinite(values)]  # a voxel that is left out has no reliability
        low, high = voxel_bootstrap(values, ISC_BOOTSTRAPS)
        row |= {
            f"isc_{name}": float(values.mean()) if values.size else np.nan,
            f"isc_{name}_low": low,
            f"isc_{name}_high": high,
        }
    return row


def compare_slopes(best: NDArray[np.floating], ln_n: Floats, left: Any, right: Any) -> Row:
    """Compare voxelwise slopes on ln N on the two sides, by a t test over voxels (as published).

    Parameters
    ----------
    best : (n_models, n_voxels) array
    ln_n : (n_models,) array
    left, right : (n_voxels,) bool
    """
    names = ("slope_left", "slope_left_low", "slope_left_high", "slope_right", "slope_right_low",
             "slope_right_high", "slope_t_test_p")  # fmt: skip
    empty = dict.fromkeys(names, np.nan)
    if len(ln_n) < MIN_MODELS or np.ptp(ln_n) == 0:
        return empty
    slopes = slope_on(ln_n, np.asarray(best, dtype=np.float64))
    sides = [slopes[side][np.isfinite(slopes[side])] for side in (left, right)]
    if min(side.size for side in sides) < 2:
        return empty
    bands = [voxel_bootstrap(side) for side in sides]
    values = (float(sides[0].mean()), *bands[0], float(sides[1].mean()), *bands[1],
              float(stats.ttest_ind(*sides).pvalue))  # fmt: skip
    return dict(zip(names, values, strict=True))


def _roi_row(space: Space, members: Sequence[FitSummary], name: str, line: Row) -> Row:
    """Everything about one region of one subject; ``line`` is its regression on ln N."""
    left, right = (space.brain.rois or {})[name]
    models, ln_n = sized_models(members)
    best = np.stack([one.best for one in models]) if models else np.empty((0, left.size))
    place = Place(name, BEST_VOXEL, SHARED)
    differences = [one.asymmetry[place].difference for one in models]
    finite = np.array([value for value in differences if np.isfinite(value)])
    taken = ("n_models", "r", "p", "slope", "intercept", "slope_low", "slope_high", "runs_low",
             "runs_high", "runs_p", "reason")  # fmt: skip
    known = {column: line[column] for column in taken}
    if not (left.any() and right.any()):
        known["reason"] = NO_VOXEL
    return {
        "roi": name, "n_left": int(left.sum()), "n_right": int(right.sum()),
        "left_minus_right": float(finite.mean()) if finite.size else np.nan, **known,
        **_crossed(models, ln_n, place),
        **compare_slopes(best, ln_n, left, right),
        **_isc_of_sides(space, {"left": left, "right": right}),
    }  # fmt: skip


def _crossed(models: Sequence[FitSummary], ln_n: Floats, place: Place) -> Row:
    """Interval of the slope of left minus right over models and test runs together, and its p."""
    by_run = [one.asymmetry[place].by_run for one in models]
    known = np.stack([runs for runs in by_run if runs is not None] or [np.empty(0)])
    found = slope_over_models(ln_n[: len(known)], known, [one.fit.family for one in models])
    return {"crossed_low": found.low, "crossed_high": found.high, "crossed_p": found.p}


def roi_rows(
    summaries: Sequence[FitSummary],
    spaces: Mapping[tuple[str, str], Space],
    regressions: Regressions,
) -> Iterator[Row]:
    """One row per ROI over the trained models, at the best layer of each voxel (as published).

    The p values of the regions of one subject are corrected together by Holm's method.
    """
    for key, members in groups(summaries).items():
        main = (
            one.row for one in regressions[key]
            if one.is_main and (one.layer, one.midline) == (BEST_VOXEL, SHARED)
        )  # fmt: skip
        lines = {
            row["outcome"]: row for row in explain_empty_regions(main, empty_selections(members))
        }
        names = spaces[key].brain.rois or {}
        rows = [
            _roi_row(spaces[key], members, name, lines[LEFT_MINUS_RIGHT + name]) for name in names
        ]
        for column in P_VALUES:
            for row, adjusted in zip(rows, holm(row[column] for row in rows), strict=True):
                row[f"{column}_holm"] = adjusted
        for row in rows:
            yield {"language": key[0], "subject": key[1]} | row


def atlas_pair_rows(pairs: Iterable[Pair]) -> list[Row]:
    """List how alike the places of both sides of every area of the atlas are."""
    return [
        {
            "parcel": pair.area, "left_label": pair.left, "right_label": pair.right,
            "n_left": pair.n_left, "n_right": pair.n_right, "dice": pair.dice,
            "distance": pair.distance, "size_ratio": pair.size_ratio,
            "homologous": "no" if pair.reason else "yes", "reason": pair.reason,
        }
        for pair in pairs
    ]  # fmt: skip


def atlas_rows(
    summaries: Sequence[FitSummary],
    spaces: Mapping[tuple[str, str], Space],
    areas: Mapping[tuple[str, str], Areas],
) -> dict[str, list[Row]]:
    """Rows of the three tables of an atlas: per fit, per area, and over areas.

    Parameters
    ----------
    areas
        (language, subject) → the areas within its mask.
    """
    found: dict[str, list[Row]] = {"parcels": [], "areas": [], "area_relations": []}
    for key, members in groups(summaries).items():
        if key not in areas:
            continue
        place = {"language": key[0], "subject": key[1]}
        for one in members:
            for row in parcel_rows(one.best, areas[key]):
                found["parcels"].append(one.fit.columns | row)
        models, ln_n = sized_models(members)
        best = np.stack([one.best for one in models]) if models else None
        rows = area_rows(best, ln_n, spaces[key].brain.isc, areas[key])
        found["areas"] += [place | row for row in rows]
        found["area_relations"] += [place | row for row in relation_rows(rows)]
    return found


def parcel_rows(best: NDArray[np.floating], areas: Areas) -> Iterator[Row]:
    """One row per area of one fit: mean of each side at the best layer of each voxel."""
    for name, (left, right) in areas.sides.items():
        means = side_mean(best, left), side_mean(best, right)
        yield {
            "parcel": name, "left": means[0], "right": means[1],
            "left_minus_right": means[0] - means[1],
            "n_left": int(left.sum()), "n_right": int(right.sum()),
        }  # fmt: skip


def reliability_difference(isc: Floats, left: Any, right: Any) -> Row:
    """Mean reliability of both sides and the published t test; voxels left out are NaN."""
    one, other = (isc[side & np.isfinite(isc)] for side in (left, right))
    if min(one.size, other.size) < 2:
        return dict.fromkeys(("isc_left", "isc_right", "isc_left_minus_right", "isc_p"), np.nan)
    return {
        "isc_left": float(one.mean()),
        "isc_right": float(other.mean()),
        "isc_left_minus_right": float(one.mean() - other.mean()),
        "isc_p": float(stats.ttest_ind(one, other).pvalue),
    }


def area_rows(
    best: NDArray[np.floating] | None, ln_n: Floats, isc: Floats | None, areas: Areas
) -> list[Row]:
    """One row per area: reliability of both sides, score over models, slope of left minus right.

    Parameters
    ----------
    best : (n_models, n_voxels) array, or None without models of known size
    ln_n : (n_models,) array
    isc : (n_voxels,) array or None
    """
    rows = []
    for name, (left, right) in areas.sides.items():
        row: Row = {"parcel": name, "n_left": int(left.sum()), "n_right": int(right.sum())}
        nothing = np.full(left.shape, np.nan)
        row |= reliability_difference(nothing if isc is None else isc, left, right)
        score: Any = (np.nan, np.nan)
        found = regress(np.empty(0), np.empty(0))
        if best is not None and len(best):
            sides = [np.array([side_mean(one, side) for one in best]) for side in (left, right)]
            score = tuple(float(side.mean()) for side in sides)
            found = regress(ln_n, sides[0] - sides[1])
        row |= {
            "score_left": score[0], "score_right": score[1], "n_models": found.n_models,
            "slope": found.slope, "r": found.r, "p": found.p,
            "reason": found.reason if left.any() and right.any() else NO_VOXEL,
        }  # fmt: skip
        rows.append(row)
    for column in ("isc_p", "p"):
        for row, adjusted in zip(rows, holm(row[column] for row in rows), strict=True):
            row["isc_p_holm" if column == "isc_p" else "p_holm"] = adjusted
    return rows


def relation_rows(rows: list[Row]) -> Iterator[Row]:
    """Correlations over areas: slope of left minus right, and mean score, with the reliability."""
    column = {name: np.array([row[name] for row in rows], dtype=np.float64) for name in (
        "isc_left", "isc_right", "isc_left_minus_right", "score_left", "score_right", "slope",
    )}  # fmt: skip
    pairs = {
        "parcel_slope_vs_isc": (column["isc_left_minus_right"], column["slope"]),
        "parcel_score_vs_isc": (
            np.concatenate([column["isc_left"], column["isc_right"]]),
            np.concatenate([column["score_left"], column["score_right"]]),
        ),
    }
    for quantity, (x, y) in pairs.items():
        found = regress(x, y)
        reason = found.reason.replace("models", "areas").replace("model", "area")
        yield {
            "quantity": quantity, "n": found.n_models, "r": found.r, "p": found.p,
            "slope": found.slope, "intercept": found.intercept,
            "reason": reason if found.n_models < MIN_MODELS else found.reason,
        }  # fmt: skip
