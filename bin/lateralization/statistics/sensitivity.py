"""Does the headline hang on its thresholds? The slope under other reliability cuts and midlines.

The study calls the quarter of the mask with the highest reliability reliable, with one threshold
for both hemispheres, and shares the midline between them. Both are choices; this module makes
the table of what other choices give.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from lateralization.arrays import Booleans, Floats, Row
from lateralization.statistics.areas import Halves
from lateralization.statistics.asymmetry import SHARED, STRICT, Brain, pairs, reliable_voxels
from lateralization.statistics.regressions import regress

PERCENTILES = (0, 25, 50, 60, 70, 75, 80, 85, 90, 95)
"""Cuts of the reliability; 0 takes every voxel."""

PAIRED = "paired"


def sides_at(brain: Brain, percentile: float, midline: str) -> Halves | None:
    """Select the voxels of both sides at one cut.

    Parameters
    ----------
    midline
        ``shared`` and ``strict`` cut at a percentile of all voxels, as published; ``paired`` cuts
        at a percentile of the mean reliability of mirror-image pairs, so both sides hold mirror
        images of each other.

    Returns
    -------
    left, right : (n_voxels,) bool; None where this cannot be had.
    """
    if midline == PAIRED:
        found = pairs(brain, percentile if percentile else None)
        if found is None:
            return None
        sides = np.zeros((2, brain.n_voxels), dtype=bool)
        sides[0, found[0]] = True
        sides[1, found[1]] = True
        return sides[0], sides[1]
    left, right = brain.halves[midline]
    if percentile:
        if brain.isc is None:
            return None
        reliable = reliable_voxels(brain.isc, percentile)
        left, right = left & reliable, right & reliable
    return left, right


def _mean(scores: Floats, side: Booleans) -> Floats:
    """Mean over one side per model, over voxels that every model has."""
    inside = scores[:, side & np.isfinite(scores).all(axis=0)]
    return inside.mean(axis=1) if inside.shape[1] else np.full(len(scores), np.nan)


def sensitivity_rows(best: NDArray[np.floating], ln_n: Floats, brain: Brain) -> Iterator[Row]:
    """Slope of left minus right on ln N under every cut and midline rule.

    Parameters
    ----------
    best : (n_models, n_voxels) array
        Score of each voxel at its best layer.
    ln_n : (n_models,) array
    """
    scores = np.asarray(best, dtype=np.float64)
    for midline in (SHARED, STRICT, PAIRED):
        for percentile in PERCENTILES:
            sides = sides_at(brain, percentile, midline)
            if sides is None:
                continue
            difference = _mean(scores, sides[0]) - _mean(scores, sides[1])
            found = regress(ln_n, difference)
            yield {
                "percentile": percentile, "midline": midline,
                "n_left": int(sides[0].sum()), "n_right": int(sides[1].sum()),
                "n_models": found.n_models, "left_minus_right": float(np.mean(difference)),
                "r": found.r, "p": found.p, "slope": found.slope,
                "slope_low": found.slope_low, "slope_high": found.slope_high,
                "reason": found.reason,
            }  # fmt: skip
