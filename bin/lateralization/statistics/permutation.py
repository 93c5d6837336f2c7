"""Sign-flip tests over people, and corrections for many of them.

Under the null hypothesis a person's value, or whole map, is as likely with either sign, so the
distribution of the mean over all sign flips is known (Fisher 1935; Nichols & Holmes 2002). Flipping
whole maps keeps their smoothness, and the largest |t| over all pairs of voxels under random flips
is what chance reaches anywhere (max-T: Westfall & Young 1993). Regions are corrected together by
Holm's method.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from lateralization.arrays import Floats
from lateralization.statistics.intervals import LEVEL

EXACT = 14
"""Up to this many people all sign flips are enumerated (2 to the 14th are 16,384)."""

N_FLIPS, N_MAP_FLIPS = 9_999, 1_999
"""Random flips beyond that, of values and of maps; the smallest p are then 0.0001 and 0.0005."""

SMALL = 8
"""Up to this many people the test stands beside a t interval, which needs people who differ
normally."""

SEED = 20240
TIE = 1e-12
"""Share of a mean below which two means are equal: the same flips summed in another order."""

CHUNK = 128
"""Flips of maps that are multiplied at once: 12,000 pairs of them are 12 MB."""


def sign_flips(n: int, n_flips: int, seed: int = SEED) -> Floats:
    """Return signs, (n_rows, n), the first row all +1.

    Up to 14 units they are all there are, but for those that are the opposite of another, which
    move a mean as far; beyond, the identity and ``n_flips`` random ones, which keeps the size of a
    test at or below its level.
    """
    if n <= EXACT:
        bits = (np.arange(2 ** max(n - 1, 0))[:, None] >> np.arange(n)) & 1
        return (1 - 2 * bits).astype(np.float64)
    drawn = np.random.default_rng(seed).choice((-1.0, 1.0), size=(n_flips, n))
    return np.vstack([np.ones(n), drawn])


def sign_flip_p(values: Floats, n_flips: int = N_FLIPS) -> float:
    """Two-sided p of the mean under the signs of :func:`sign_flips`.

    Parameters
    ----------
    values : (n_units,) array
        One value per subject; values that are not finite are left out.

    Returns
    -------
    p, NaN without values. Its smallest possible value is ``smallest_p(n)``.
    """
    kept = np.asarray(values, dtype=np.float64)
    kept = kept[np.isfinite(kept)]
    if kept.size == 0:
        return np.nan
    least = abs(kept.sum()) - TIE * np.abs(kept).sum()
    return float((np.abs(sign_flips(kept.size, n_flips) @ kept) >= least).mean())


def smallest_p(n: int) -> float:
    """Give the smallest p that the test can reach with n subjects: 0.0625 with five."""
    if n == 0:
        return np.nan
    return 2.0 ** (1 - n) if n <= EXACT else 1 / (N_FLIPS + 1)


def holm(p: Iterable[float]) -> Floats:
    """Adjust p values by Holm's method; NaN stays NaN and does not count as a test.

    statsmodels' ``multipletests`` gives the same and collects garbage at each call: a third of
    the time of 49 people's tables.
    """
    values = np.array(list(p), dtype=np.float64)
    adjusted = np.full(values.shape, np.nan)
    known = np.flatnonzero(np.isfinite(values))
    order = known[np.argsort(values[known], kind="stable")]
    steps = np.maximum.accumulate(values[order] * np.arange(order.size, 0, -1))
    adjusted[order] = np.minimum(steps, 1.0)
    return adjusted


@dataclass(frozen=True)
class MaxT:
    """A test of every pair; p is corrected over all of them.

    Attributes
    ----------
    t, p : (n_pairs,) arrays
        Student's t over people, and its corrected p.
    threshold
        |t| from which on p is at most 0.05; infinite where flips are too few for that.
    p_smallest
        Smallest p that so many flips can give.
    """

    t: Floats
    p: Floats
    threshold: float
    p_smallest: float


def max_t(values: Floats, seed: int = SEED) -> MaxT:
    """Test every column's mean against 0 by sign flips of whole rows.

    Parameters
    ----------
    values : (n_people, n_pairs) array
        Finite; a column without any variation gets t 0.

    Returns
    -------
    MaxT
        p counts the flips whose largest |t| over all columns reaches a column's own.
    """
    n = len(values)
    squares = (values**2).sum(axis=0)
    varies = np.ptp(values, axis=0) > 0
    used, squares = values[:, varies], squares[varies]

    def t_of(signs: Floats) -> Floats:
        means = signs @ used / n
        # flips leave the sum of squares alone
        variance = np.maximum(squares - n * means**2, TIE * squares) / (n - 1)
        t: Floats = means / np.sqrt(variance / n)
        return t

    t = np.zeros(values.shape[1])
    if not varies.any():
        return MaxT(t, np.ones_like(t), np.inf, np.nan)
    t[varies] = t_of(np.ones((1, n)))[0]
    flips = sign_flips(n, N_MAP_FLIPS, seed)
    chunks = (flips[first : first + CHUNK] for first in range(0, len(flips), CHUNK))
    largest = np.sort(np.concatenate([np.abs(t_of(signs)).max(axis=1) for signs in chunks]))
    reached = largest.size - np.searchsorted(largest, np.abs(t) * (1 - 1e-9))
    allowed = int((1 - LEVEL) * largest.size + 1e-9)
    threshold = float(largest[-allowed]) if allowed else np.inf
    return MaxT(t, reached / largest.size, threshold, 1 / largest.size)
