"""Regressions over models: whether a score or an asymmetry grows with size, skill or width.

Statistics of Bonnasse-Gahot & Pallier (NeurIPS 2024): Pearson's r against the natural logarithm
of the number of parameters, and ordinary least squares on ln N, layers (embedding included) and
width. What cannot be computed comes back empty with a reason. A single outcome is regressed by
scipy, whose r, slope and p the study prints; :mod:`lines` takes many outcomes at once.
"""

from dataclasses import dataclass

import numpy as np
import statsmodels.api as sm
from scipy import stats

from lateralization.arrays import Floats
from lateralization.statistics.intervals import LEVEL, fisher_interval
from lateralization.statistics.lines import MIN_MODELS

MIN_MODELS_OLS = 5

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


def partial_regress(x: Floats, y: Floats, given: Floats) -> Regression:
    """Correlate x and y after the linear effect of a third variable is taken out of both.

    r is the partial correlation, p its t test with n − 3 degrees of freedom, and the slope is
    that of x in the regression of y on x and ``given``. Needs 4 models. It is written out because
    statsmodels' OLS, with which a test compares it, has no partial r, and other last digits.

    Parameters
    ----------
    x, y, given : (n_models,) arrays
        Models of which one value is not finite are left out.
    """
    kept = np.isfinite(x) & np.isfinite(y) & np.isfinite(given)
    x, y, given = x[kept], y[kept], given[kept]
    n = int(x.size)
    reason = _too_few(n, MIN_MODELS + 1)
    if not reason and (_constant(x) or _constant(y) or _constant(given)):
        reason = "a variable has one value only"
    if reason:
        return Regression(n, reason=reason)
    design = np.column_stack([np.ones(n), given])
    rest_x = x - design @ np.linalg.lstsq(design, x, rcond=None)[0]
    rest_y = y - design @ np.linalg.lstsq(design, y, rcond=None)[0]
    scale_x, scale_y = np.linalg.norm(rest_x), np.linalg.norm(rest_y)
    if scale_x < 1e-9 * np.linalg.norm(x) or scale_y == 0:
        return Regression(n, reason="the two predictors cannot be told apart")
    r = float(np.clip(rest_x @ rest_y / (scale_x * scale_y), -1, 1))
    df = n - 3
    t = r * np.sqrt(df / max(1 - r * r, 1e-300))
    slope = float(rest_x @ rest_y / scale_x**2)
    error = abs(slope / t) if t else np.nan
    half = float(stats.t.ppf(0.5 + LEVEL / 2, df) * error)
    low, high = fisher_interval(r, n - 1)
    p = float(2 * stats.t.sf(abs(t), df))
    return Regression(n, r, p, slope, np.nan, slope - half, slope + half, low, high)


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
