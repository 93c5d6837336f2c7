"""Straight lines through many outcomes at once: voxels, test runs, specifications.

The line of one outcome, with its statistics, is ``regressions.regress``: that of scipy.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from lateralization.arrays import Floats
from lateralization.statistics.intervals import LEVEL

MIN_MODELS = 3
"""Through two points there is always a line."""


def slope_on(x: Floats, y: NDArray[np.floating]) -> Floats:
    """Least-squares slope of y on x, for many outcomes at once.

    Parameters
    ----------
    x : (n_units,) array
    y : (n_units, ...) array
        Any number of outcomes along the trailing axes.

    Returns
    -------
    (...) array, NaN where any unit is.
    """
    centred = x - x.mean()
    slopes: Floats = centred @ y.reshape(len(y), -1) / (centred @ centred)
    return slopes.reshape(y.shape[1:])


@dataclass(frozen=True)
class Lines:
    """Regressions of many outcomes on one predictor, each field (n_outcomes,)."""

    r: Floats
    t: Floats
    p: Floats
    slope: Floats
    slope_low: Floats
    slope_high: Floats


def lines(x: Floats, y: Floats) -> Lines:
    """Regress every column of y on x: ``regress`` for many outcomes at once.

    Parameters
    ----------
    x : (n_units,) array
    y : (n_units, n_outcomes) array
        Columns with a value that is not finite, or without variation, come back NaN; all do with
        fewer than 3 units or a constant x.
    """
    n = x.size
    if n < MIN_MODELS or np.ptp(x) == 0:
        return Lines(*np.full((6, y.shape[1]), np.nan))
    rest = y - y.mean(axis=0)
    flat = ~(np.ptp(y, axis=0) > 1e-12 * np.abs(y).max(axis=0))
    length = np.where(flat, np.nan, (rest**2).sum(axis=0))
    slope = np.where(flat, np.nan, slope_on(x, rest))
    r = np.clip(slope * np.sqrt(float((x - x.mean()) @ (x - x.mean())) / length), -1, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = r * np.sqrt((n - 2) / (1 - r**2))
        error = np.abs(slope / t)
    p = 2 * stats.t.sf(np.abs(t), n - 2)
    half = stats.t.ppf(0.5 + LEVEL / 2, n - 2) * error
    return Lines(r, t, p, slope, slope - half, slope + half)
