"""Areas of an atlas with left and right labels: the 48 pairs of the Harvard-Oxford atlas.

As published: the atlas is brought to the mask's grid by nearest neighbours, labels 1, 3, 5, … are
left and 2, 4, 6, … their right partners, and an area's reliability left and right is compared by
a t test over voxels. That test treats voxels as independent; the corrected p values and the slopes
over models stand beside it.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from lateralization.arrays import Booleans, Floats, Row
from lateralization.statistics.areas import Areas
from lateralization.statistics.regressions import MIN_MODELS, NO_VOXEL, regress
from lateralization.tables.people import holm


def side_mean(values: NDArray[np.floating], side: Booleans) -> float:
    """Mean over the finite voxels of a side; NaN without any."""
    inside = np.asarray(values, dtype=np.float64)[side]
    inside = inside[np.isfinite(inside)]
    return float(inside.mean()) if inside.size else np.nan


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
