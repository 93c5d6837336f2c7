"""Where a trajectory bends: two straight lines that meet, over any numeric column of the sheet.

Training steps, tokens seen, perplexity or a benchmark often go with a score along a curve that
rises and then levels off. A bent line says where, and a Monte Carlo test whether the data need
the bend at all.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import stats

from lateralization.arrays import Floats
from lateralization.statistics.intervals import LEVEL

MIN_POINTS = 6
"""Four parameters and the place of the bend leave one degree of freedom with six points."""

N_PLACES = 60
"""Candidate places of the bend, evenly over the predictor."""

N_DRAWS = 999
SEED = 1234
WIDE = 100.0
"""A predictor that spans more than this factor is taken on a logarithmic axis."""


@dataclass(frozen=True)
class Bend:
    """A bent line with its place; NaN with a reason where it cannot be had.

    Attributes
    ----------
    scale
        ``linear``, or ``log10``: slopes are per tenfold then.
    place, low, high
        Value of the predictor at the bend, and the values that fit nearly as well (95 % profile
        interval; cut at the range that was searched).
    before, after
        Slopes on both sides of the bend.
    level
        Outcome at the bend.
    r2_line, r2_bent
        Explained variance without and with the bend; of training steps, of the differences.
    p
        Of the gain of the bend over a straight line, against normal noise.
    """

    n_models: int
    scale: str = ""
    place: float = np.nan
    low: float = np.nan
    high: float = np.nan
    before: float = np.nan
    after: float = np.nan
    level: float = np.nan
    r2_line: float = np.nan
    r2_bent: float = np.nan
    p: float = np.nan
    reason: str = ""


def axis_of(x: Floats) -> tuple[str, float]:
    """Choose the axis of a predictor.

    Returns
    -------
    scale, shift
        ``log10`` where positive values span more than a factor of 100; the smallest positive
        value is added first where there are zeros (step 0).
    """
    positive = x[x > 0]
    if positive.size == 0 or (x < 0).any() or x.max() / positive.min() <= WIDE:
        return "linear", 0.0
    return "log10", float(positive.min()) if (x == 0).any() else 0.0


def place_on(x: Floats, scale: str, shift: float) -> Floats:
    """Bring values of the predictor to its axis."""
    found: Floats = np.log10(x + shift) if scale == "log10" else x
    return found


def _residual_maker(design: Floats) -> Floats:
    basis = np.linalg.qr(design)[0]
    maker: Floats = np.eye(len(design)) - basis @ basis.T
    return maker


def _candidates(x: Floats) -> Floats:
    """Return places with at least two different values on each side, (n_places,)."""
    values = np.unique(x)
    return np.linspace(values[1], values[-2], N_PLACES)


def find_bend(x: Floats, y: Floats, steps: bool = False) -> Bend:
    """Fit two lines that meet at the place with the smallest error.

    Parameters
    ----------
    x, y : (n_models,) arrays
        Predictor and outcome; models where either is not finite are left out.
    steps
        They are training steps of one model, in their order: what they have by chance is carried
        on from step to step, so the lines are fitted to first differences (exact for a random
        walk, and cautious for errors that are forgotten again).

    Returns
    -------
    Bend
        Place by a search over a grid (Hinkley 1971); the p value compares the gain over a
        straight line with that in normal noise of the same design, which is exact for normal,
        independent errors: the place was searched, so no F table applies (Davies 1987).
    """
    kept = np.isfinite(x) & np.isfinite(y)
    x, y = np.asarray(x, np.float64)[kept], np.asarray(y, np.float64)[kept]
    n = len(x)
    if len(np.unique(x)) < MIN_POINTS:
        return Bend(n, reason=f"{len(np.unique(x))} different values, {MIN_POINTS} needed")
    if np.ptp(y) <= 1e-12 * np.abs(y).max():
        return Bend(n, reason="the outcome has one value only")
    scale, shift = axis_of(x)
    at = place_on(x, scale, shift)
    search = _search(tuple(at), steps)
    told = np.diff(y) if steps else y
    # rounding may take an error below 0
    errors = np.maximum(np.einsum("i,pij,j->p", told, search.makers, told), 0)
    best = int(errors.argmin())
    *constant, before, change = np.linalg.lstsq(search.designs[best], told, rcond=None)[0]
    place = search.places[best]
    if steps:  # differences have lost it
        constant = [(y - before * at - change * np.maximum(at - place, 0)).mean()]
    error_line = float(told @ search.line @ told)
    whole = float((told**2).sum() if steps else ((told - told.mean()) ** 2).sum())
    on_line = error_line <= 1e-10 * whole  # all points on one line, but for rounding
    p = 1.0 if on_line else search.p_of(float(errors[best]) / error_line)
    df = n - 4
    near = errors <= errors[best] * (1 + stats.f.ppf(LEVEL, 1, df) / df)
    shown = search.places[[best, *np.flatnonzero(near)[[0, -1]]]]
    values = 10**shown - shift if scale == "log10" else shown
    return Bend(
        n, scale, float(values[0]), float(values[1]), float(values[2]), float(before),
        float(before + change), float(constant[0] + before * place),
        1 - error_line / whole, 1 - float(errors[best]) / whole,
        p,
    )  # fmt: skip


@dataclass(frozen=True)
class _Search:
    """What the search for a bend needs of a predictor, whatever the outcome.

    Attributes
    ----------
    places : (n_places,) array
        Candidate places of the bend.
    designs : (n_places, n, n_terms) array
        Lines that meet at each of them.
    makers, line : (n_places, n, n), (n, n) arrays
        What turns an outcome into its residuals, with each bend and without one.
    gains : (n_draws,) array
        Gain of the best bend over a straight line in normal noise.
    """

    places: Floats
    designs: Floats
    makers: Floats
    line: Floats
    gains: Floats

    def p_of(self, left: float) -> float:
        """Return how often noise gains as much as leaves this share of the line's error."""
        return float((1 + (self.gains >= 1 - left).sum()) / (1 + N_DRAWS))


@lru_cache(maxsize=32)
def _search(at: tuple[float, ...], steps: bool) -> _Search:
    """Prepare the search, once for all outcomes and people of one predictor."""
    x = np.array(at)
    places = _candidates(x)
    straight = np.column_stack([np.ones(x.size), x])
    designs = np.stack([np.column_stack([straight, np.maximum(x - place, 0)]) for place in places])
    if steps:
        straight, designs = np.diff(straight[:, 1:], axis=0), np.diff(designs[:, :, 1:], axis=1)
    makers = np.stack([_residual_maker(design) for design in designs])
    line = _residual_maker(straight)
    drawn = np.random.default_rng(SEED).standard_normal((N_DRAWS, len(line)))
    on_line = np.einsum("di,di->d", drawn @ line, drawn)
    bent = np.min([np.einsum("di,di->d", drawn @ maker, drawn) for maker in makers], axis=0)
    return _Search(places, designs, makers, line, 1 - bent / on_line)
