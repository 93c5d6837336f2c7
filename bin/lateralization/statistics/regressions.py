"""Regressions over models: whether a score or an asymmetry grows with size, skill or width.

Statistics of Bonnasse-Gahot & Pallier (NeurIPS 2024): Pearson's r against the natural logarithm
of the number of parameters, and ordinary least squares on ln N, layers (embedding included) and
width. What cannot be computed comes back empty with a reason. A single outcome is regressed by
scipy, whose r, slope and p the study prints; :mod:`lines` takes many outcomes at once.
"""

from dataclasses import dataclass, replace

import numpy as np
import statsmodels.api as sm
from scipy import stats

from lateralization.arrays import Floats
from lateralization.statistics.intervals import LEVEL, fisher_interval
from lateralization.statistics.lines import MIN_MODELS

MIN_MODELS_OLS = 5
MIN_STEPS = 6

NO_VOXEL = "a side of the region has no usable voxel"


@dataclass(frozen=True)
class Regression:
    """A simple regression with its correlation; NaN with a reason where it cannot be had."""

    n_models: int
    r: float = np.nan
    p: float = np.nan
    slope: float = np.nan
    intercept: float = np.nan
    slope_low: float = np.nan
    slope_high: float = np.nan
    r_low: float = np.nan
    r_high: float = np.nan
    reason: str = ""


@dataclass(frozen=True)
class Term:
    """One coefficient of a multiple regression."""

    term: str
    coefficient: float
    std_err: float
    t: float
    p: float
    ci_low: float
    ci_high: float


@dataclass(frozen=True)
class Ols:
    """A multiple regression; no terms and a reason where it cannot be had."""

    n_models: int
    terms: tuple[Term, ...] = ()
    r2: float = np.nan
    r2_adj: float = np.nan
    f: float = np.nan
    f_p: float = np.nan
    aic: float = np.nan
    bic: float = np.nan
    condition: float = np.nan
    reason: str = ""


def _too_few(n: int, minimum: int) -> str:
    return f"{n} model{'' if n == 1 else 's'}, {minimum} needed" if n < minimum else ""


def _constant(values: Floats) -> bool:
    return bool(np.ptp(values) <= 1e-12 * np.abs(values).max())


def regress(x: Floats, y: Floats) -> Regression:
    """Correlate and regress over models.

    Parameters
    ----------
    x, y : (n_models,) arrays
        Models where either is not finite are left out.

    Returns
    -------
    Regression
        r and p of ``pearsonr``, slope and intercept of ``linregress`` with a t interval of the
        slope and Fisher's interval of r. Fewer than 3 models, or a constant, give a reason.
    """
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    kept = np.isfinite(x) & np.isfinite(y)
    x, y = x[kept], y[kept]
    n = int(x.size)
    reason = _too_few(n, MIN_MODELS)
    if not reason and _constant(x):
        reason = "the predictor has one value only"
    if not reason and _constant(y):
        reason = "the outcome has one value only"
    if reason:
        return Regression(n, reason=reason)
    correlation, line = stats.pearsonr(x, y), stats.linregress(x, y)
    half = float(stats.t.ppf(0.5 + LEVEL / 2, n - 2) * line.stderr)
    slope = float(line.slope)
    r = float(correlation.statistic)
    r_low, r_high = fisher_interval(r, n)
    return Regression(
        n, r, float(correlation.pvalue), slope, float(line.intercept),
        slope - half, slope + half, r_low, r_high,
    )  # fmt: skip


def _lag(values: Floats) -> float:
    """Return the correlation of a series about its mean with itself one step later."""
    rest = values - values.mean()
    return float(rest[1:] @ rest[:-1] / (rest @ rest))


def regress_steps(x: Floats, y: Floats) -> Regression:
    """Correlate and regress over training steps of one model, by what changes from step to step.

    Steps are no independent units: unrelated trajectories go together, and a p over them is far
    too small. Their first differences hardly depend on each other; where both series still do,
    t is lowered for it (Bartlett 1946, J. R. Stat. Soc. Suppl. 8:27-41, with one lag). In
    simulation (``benchmarks/calibration_controls.py``) p < .05 comes in 4 to 6 % of unrelated
    series, white noise, autoregressive ones and random walks.

    Parameters
    ----------
    x, y : (n_steps,) arrays
        In the order of training; steps where either is not finite are left out.

    Returns
    -------
    Regression
        r, p and slope of the differences, without an intercept; ``n_models`` counts the steps.
    """
    kept = np.isfinite(x) & np.isfinite(y)
    x, y = np.asarray(x, np.float64)[kept], np.asarray(y, np.float64)[kept]
    n = len(x)
    if n < MIN_STEPS:
        return Regression(n, reason=f"{n} step{'' if n == 1 else 's'}, {MIN_STEPS} needed")
    x, y = np.diff(x), np.diff(y)
    found = regress(x, y)
    if found.reason:
        return replace(found, n_models=n, reason="it changes by as much at every step")
    wider = np.sqrt(1 + 2 * max(_lag(x) * _lag(y), 0.0))
    df = n - 3
    t = found.r * np.sqrt(df / max(1 - found.r**2, 1e-300)) / wider
    low, high = (found.slope + wider * (limit - found.slope)
                 for limit in (found.slope_low, found.slope_high))  # fmt: skip
    return Regression(n, found.r, float(2 * stats.t.sf(abs(t), df)), found.slope, np.nan, low, high)


def ols(y: Floats, predictors: dict[str, Floats]) -> Ols:
    """Fit ``y ~ const + predictors`` by ordinary least squares.

    Parameters
    ----------
    y : (n_models,) array
    predictors : name → (n_models,) array
        In the order of the table; models with a missing value anywhere are left out.
    """
    table = np.column_stack([y, *predictors.values()]).astype(np.float64)
    table = table[np.isfinite(table).all(axis=1)]
    n = len(table)
    reason = _too_few(n, max(MIN_MODELS_OLS, len(predictors) + 2))
    if not reason and np.linalg.matrix_rank(_scaled(table[:, 1:])) < table.shape[1]:
        reason = "the predictors cannot be told apart (one is constant or a mix of the others)"
    if not reason and _constant(table[:, 0]):
        reason = "the outcome has one value only"
    if reason:
        return Ols(n, reason=reason)
    fit = sm.OLS(table[:, 0], np.column_stack([np.ones(n), table[:, 1:]])).fit()
    limits = fit.conf_int(1 - LEVEL)
    terms = tuple(
        Term(name, float(fit.params[i]), float(fit.bse[i]), float(fit.tvalues[i]),
             float(fit.pvalues[i]), float(limits[i][0]), float(limits[i][1]))
        for i, name in enumerate(["const", *predictors])
    )  # fmt: skip
    return Ols(
        n, terms, float(fit.rsquared), float(fit.rsquared_adj), float(fit.fvalue),
        float(fit.f_pvalue), float(fit.aic), float(fit.bic), float(fit.condition_number),
    )  # fmt: skip


def _scaled(columns: Floats) -> Floats:
    """Constant column and columns of unit length, so that the rank does not depend on units."""
    scale = np.linalg.norm(columns, axis=0)
    columns = columns / np.where(scale == 0, 1, scale)
    return np.column_stack([np.full(len(columns), len(columns) ** -0.5), columns])
