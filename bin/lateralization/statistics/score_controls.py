"""Asymmetry against score: whether size moves the sides apart, or only raises the score.

A model that predicts better everywhere also has a larger difference wherever the signal is
better on one side. So the left score is regressed on the right one, the difference is set beside
the laterality index, the score is held constant and taken as a mediator, and families of models
(whose members share data and code) are given effects of their own or left out one by one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import statsmodels.api as sm
from numpy.typing import NDArray
from scipy import stats

from lateralization.arrays import Floats
from lateralization.names import LN_N
from lateralization.statistics.intervals import LEVEL
from lateralization.statistics.regressions import Regression, partial_regress, regress

N_BOOT = 2000
MIN_FAMILIES = 5
"""With fewer families than this the bootstrap draws models: few families give few resamples."""

PATHS = ("size_to_score", "score_to_outcome", "direct", "total", "indirect")


def laterality_index(left: Floats, right: Floats) -> Floats:
    """Return (left − right) / (left + right), NaN where a side is not positive.

    Parameters
    ----------
    left, right : (n_models,) arrays
        Mean scores of both sides. The index has a meaning for positive scores only: near zero it
        is noise divided by noise.
    """
    left, right = np.asarray(left, np.float64), np.asarray(right, np.float64)
    known = (left > 0) & (right > 0)
    total = np.where(known, left + right, 1.0)
    index: Floats = np.where(known, (left - right) / total, np.nan)
    return index


def left_on_right(left: Floats, right: Floats) -> tuple[Regression, float]:
    """Regress the left score on the right one, (n_models,) arrays, over models.

    Returns
    -------
    regression, p_of_one
        ``p_of_one`` tests a slope of 1 (t, n − 2 degrees of freedom): with a slope above 1 the
        left grows faster than the right, whatever makes both grow. NaN with fewer than 3 models.
    """
    found = regress(right, left)
    if found.reason:
        return found, np.nan
    df = found.n_models - 2
    error = (found.slope_high - found.slope) / float(stats.t.ppf(0.5 + LEVEL / 2, df))
    if error == 0:
        return found, np.nan
    return found, float(2 * stats.t.sf(abs((found.slope - 1) / error), df))


def family_fixed_effects(x: Floats, y: Floats, families: Sequence[str]) -> tuple[Regression, float]:
    """Regress y on x with an intercept for each family, so that only differences within count.

    Parameters
    ----------
    x, y : (n_models,) arrays
    families
        The family of each model.

    Returns
    -------
    regression, t
        r is the correlation within families, p and the interval are of t with
        n − families − 1 degrees of freedom.
    """
    kept = np.isfinite(x) & np.isfinite(y)
    x, y = np.asarray(x, np.float64)[kept], np.asarray(y, np.float64)[kept]
    names, place = np.unique(np.asarray(families, dtype=str)[kept], return_inverse=True)
    n, df = len(x), len(x) - len(names) - 1
    if df < 1:
        return Regression(n, reason=f"{n} models of {len(names)} families: none to spare"), np.nan
    inside = x - (np.bincount(place, x) / np.bincount(place))[place]
    beside = y - (np.bincount(place, y) / np.bincount(place))[place]
    scale = float(np.linalg.norm(x - x.mean()))
    if np.linalg.norm(inside) <= 1e-9 * scale or np.linalg.norm(beside) == 0:
        return Regression(n, reason="no family has models that differ"), np.nan
    fit = sm.OLS(y, np.column_stack([x, np.eye(len(names))[place]])).fit()
    low, high = fit.conf_int(1 - LEVEL)[0]
    r = float(inside @ beside / (np.linalg.norm(inside) * np.linalg.norm(beside)))
    found = Regression(
        n, r, float(fit.pvalues[0]), float(fit.params[0]), np.nan, float(low), float(high)
    )
    return found, float(fit.tvalues[0])


def leave_one_family_out(
    x: Floats, y: Floats, families: Sequence[str]
) -> Iterator[tuple[str, Regression]]:
    """Give the regression of y on x without each family in turn, in the order of their names.

    ``x`` and ``y``: (n_models,) arrays; ``families`` has the family of each model.
    """
    named = np.asarray(families, dtype=str)
    for name in np.unique(named):
        yield str(name), regress(x[named != name], y[named != name])


@dataclass(frozen=True)
class Path:
    """One arrow of the mediation; ``share_of_total`` is its part of the total effect."""

    path: str
    coefficient: float
    ci_low: float
    ci_high: float
    ci_kind: str
    share_of_total: float


def _paths(x: Floats, m: Floats, y: Floats, weights: Floats) -> Floats:
    """Return the five coefficients under each row of weights, (n_draws, 5).

    Parameters
    ----------
    x, m, y : (n_models,) arrays
        Size, score (mediator) and outcome.
    weights : (n_draws, n_models) array
        How often each model was drawn.
    """
    total = weights.sum(axis=1)

    def product(a: Floats, b: Floats) -> Floats:
        means = (weights @ a) * (weights @ b) / total
        found: Floats = weights @ (a * b) - means
        return found

    xx, mm, xm = product(x, x), product(m, m), product(x, m)
    xy, my = product(x, y), product(m, y)
    with np.errstate(divide="ignore", invalid="ignore"):
        to_score, whole = xm / xx, xy / xx
        common = xx * mm - xm**2
        common = np.where(common > 1e-9 * xx * mm, common, np.nan)
        from_score, direct = (xx * my - xm * xy) / common, (mm * xy - xm * my) / common
    return np.column_stack([to_score, from_score, direct, whole, to_score * from_score])


def _draws(families: NDArray[np.str_], seed: int) -> tuple[Floats, str]:
    """Draw families (or models, where families are few) with replacement: counts per model."""
    rng = np.random.default_rng(seed)
    names, place = np.unique(families, return_inverse=True)
    if len(names) < MIN_FAMILIES:
        drawn = rng.multinomial(len(families), np.full(len(families), 1 / len(families)), N_BOOT)
        return drawn.astype(np.float64), f"bootstrap over {len(families)} models"
    drawn = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), N_BOOT)
    return drawn[:, place].astype(np.float64), f"bootstrap over {len(names)} families"


def mediation(
    size: Floats, score: Floats, outcome: Floats, families: Sequence[str], seed: int = 1234
) -> tuple[list[Path], int, str]:
    """Split the effect of size on an outcome into one through the score and one beside it.

    Least squares (Baron & Kenny 1986): score on size; outcome on size and score; outcome on size.
    The indirect effect is the product of its two arrows, and total = direct + indirect. Intervals
    are percentiles of a bootstrap over families. Models are not assigned to sizes at random, so
    this describes; it does not show a cause.

    Parameters
    ----------
    size, score, outcome : (n_models,) arrays
    families
        The family of each model.

    Returns
    -------
    paths, number of models, and the reason where it cannot be had (then no paths).
    """
    named = np.asarray(families, dtype=str)
    kept = np.isfinite(size) & np.isfinite(score) & np.isfinite(outcome)
    x, m, y = (np.asarray(one, np.float64)[kept] for one in (size, score, outcome))
    n = len(x)
    held = partial_regress(x, y, m)
    if held.reason:
        return [], n, held.reason
    # The least squares of centred values lose nothing to the size of ln N.
    x, m, y = x - x.mean(), m - m.mean(), y - y.mean()
    values = _paths(x, m, y, np.ones((1, n)))[0]
    weights, kind = _draws(named[kept], seed)
    drawn = _paths(x, m, y, weights)
    drawn = drawn[np.isfinite(drawn).all(axis=1)]
    limits = np.full((2, len(PATHS)), np.nan)
    if len(drawn) >= N_BOOT // 2:
        limits = np.percentile(drawn, [50 - 50 * LEVEL, 50 + 50 * LEVEL], axis=0)
    shares = [np.nan, np.nan, values[2] / values[3], 1.0, values[4] / values[3]]
    return [
        Path(name, float(values[i]), float(limits[0, i]), float(limits[1, i]), kind,
             float(shares[i]))
        for i, name in enumerate(PATHS)
    ], n, ""  # fmt: skip


@dataclass(frozen=True)
class Control:
    """One line of the table of controls."""

    analysis: str
    outcome: str
    predictor: str
    found: Regression
    given: str = ""
    left_out: str = ""
    t: float = np.nan
    p_of_one: float = np.nan


@dataclass(frozen=True)
class Values:
    """What the controls of one selection need, (n_models,) each.

    Attributes
    ----------
    size
        Natural logarithm of the number of parameters.
    score
        Mean score of both sides together.
    left, right
        Mean scores of the sides.
    difference
        Left minus right.
    """

    size: Floats
    score: Floats
    left: Floats
    right: Floats
    difference: Floats
    families: Sequence[str]


def _t_of(found: Regression, n_terms: int) -> float:
    """Return t of the slope, from r and the degrees of freedom."""
    df = found.n_models - n_terms
    if found.reason or df < 1 or abs(found.r) >= 1:
        return np.nan
    return float(found.r * np.sqrt(df / (1 - found.r**2)))


def controls(values: Values, selection: str) -> Iterator[Control]:
    """Give all controls of one selection, in a fixed order."""
    size, difference = values.size, values.difference
    outcome, score = f"l_minus_r_{selection}", "score"
    plain = regress(size, difference)
    yield Control("difference", outcome, LN_N, plain, t=_t_of(plain, 2))
    index = regress(size, laterality_index(values.left, values.right))
    yield Control("laterality_index", f"index_{selection}", LN_N, index, t=_t_of(index, 2))
    sides, p_of_one = left_on_right(values.left, values.right)
    yield Control(
        "left_on_right", f"left_{selection}", f"right_{selection}", sides, t=_t_of(sides, 2),
        p_of_one=p_of_one,
    )  # fmt: skip
    for name, analysis, x, y, given, held in (
        (LN_N, "left_given_right", size, values.left, f"right_{selection}", values.right),
        (LN_N, "partial", size, difference, score, values.score),
        (score, "partial", values.score, difference, LN_N, size),
    ):
        found = partial_regress(x, y, held)
        told = outcome if analysis == "partial" else f"left_{selection}"
        yield Control(analysis, told, name, found, given=given, t=_t_of(found, 3))
    within, t = family_fixed_effects(size, difference, values.families)
    yield Control("family_fixed_effects", outcome, LN_N, within, given="family", t=t)
    for family, found in leave_one_family_out(size, difference, values.families):
        yield Control(
            "leave_one_family_out", outcome, LN_N, found, left_out=family, t=_t_of(found, 2)
        )
