"""Controls of an effect of size on left minus right: the sides, the score, families, baselines.

A model that predicts better everywhere also has a larger difference wherever the signal is
better on one side. So the sides are held against each other, the effect of size is split into one
through the score and one beside it, families (whose members share data and code) count as units,
and models are held against the controls that know no language.

Scores are measured with error, and all models on the same test runs. Products of two scores are
therefore taken across runs: the score on other runs is the instrument of the score (the error
covariance, estimated from the runs, is taken off: Fuller 1987, Measurement Error Models). Variances
are those of a jackknife over models and over runs; what one model has in one run is in both and
counts once (:func:`crossed_variance`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from lateralization.arrays import Floats
from lateralization.names import LN_N
from lateralization.statistics.crossed import CrossedSlope, crossed_slope
from lateralization.statistics.intervals import LEVEL, Interval, corrected_t
from lateralization.statistics.lines import slope_on

MIN_MODELS = 5
MIN_RUNS = 3
MIN_FAMILIES = 3
MIN_MODELS_GIVEN = 10
"""With fewer models than this, size and score cannot be told apart."""
MIN_RELIABILITY = 0.5
"""Nor where less than this of the variance of the score beside size is without error."""

PATHS = ("size_to_score", "score_to_outcome", "direct", "total", "indirect")
TOGETHER = "size and score go too closely together over the models to be told apart"
NO_SPREAD = "nothing varies over models and runs: nothing was measured"


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


@dataclass(frozen=True)
class Estimate:
    """A coefficient with its 95 % interval; NaN with a reason where it cannot be had.

    ``p`` is two-sided: of 0, or of 1 where the coefficient is a slope of left on right.
    """

    n_models: int
    n_runs: int
    value: float = np.nan
    low: float = np.nan
    high: float = np.nan
    p: float = np.nan
    n_families: int = 0
    reason: str = ""


def without_each(n: int) -> Floats:
    """Return which units enter, (n + 1, n): first all of them, then all but each in turn."""
    return np.vstack([np.ones(n), 1 - np.eye(n)])


@dataclass(frozen=True)
class Spread:
    """Variance of statistics of units that share their test runs, by the jackknife.

    The variance over units holds all that is chance of a unit alone. To it comes what the runs
    move in all units alike: the variance over runs, less that of single units in single runs, and
    corrected for the training runs that folds share (the factor of ``intervals.widened``).

    Attributes
    ----------
    over_units, over_runs, single : (n_statistics, n_statistics) arrays
        Covariances of the statistics: over units, over runs, and of one unit in one run.
    n_units, n_runs
        How many there are.
    """

    over_units: Floats
    over_runs: Floats
    single: Floats
    n_units: int
    n_runs: int

    def of(self, weights: Floats, n_terms: int) -> tuple[float, float]:
        """Return the variance of a weighted sum of the statistics, and Satterthwaite's df.

        ``n_terms`` were estimated: over units there are ``n_units - n_terms`` degrees of freedom.
        """
        over_units, over_runs, single = (
            float(weights @ part @ weights)
            for part in (self.over_units, self.over_runs, self.single)
        )
        shared = (1 + self.n_runs / (self.n_runs - 1)) * max(over_runs - single, 0.0)
        variance = over_units + shared
        if not variance > 0:
            return np.nan, np.nan
        parts = over_units**2 / (self.n_units - n_terms) + shared**2 / (self.n_runs - 1)
        return variance, variance**2 / parts


def spread(grids: Floats) -> Spread:
    """Return the covariances of statistics from (n_statistics, n_units + 1, n_runs + 1) grids.

    A grid holds its statistic over all units and runs (first row, first column), and without each
    of them in turn.
    """
    n, k = grids.shape[1] - 1, grids.shape[2] - 1
    units = grids[:, 1:, 0] - grids[:, 1:, 0].mean(axis=1, keepdims=True)
    runs = grids[:, 0, 1:] - grids[:, 0, 1:].mean(axis=1, keepdims=True)
    both = grids[:, 1:, 1:] - grids[:, 1:, :1] - grids[:, :1, 1:] + grids[:, :1, :1]
    both = both.reshape(len(grids), -1)
    return Spread(
        (n - 1) / n * units @ units.T,
        (k - 1) / k * runs @ runs.T,
        (n - 1) * (k - 1) / (n * k) * both @ both.T,
        n, k,
    )  # fmt: skip


def about(grid: Floats, n_terms: int) -> tuple[float, float, float]:
    """Return a statistic, half the width of its 95 % interval, and p of 0.

    ``grid`` as of :func:`spread`, ``n_terms`` as of :meth:`Spread.of`; NaN where nothing varies.
    """
    value = float(grid[0, 0])
    variance, df = spread(grid[None]).of(np.ones(1), n_terms)
    error = np.sqrt(variance)
    p = float(2 * special.stdtr(df, -abs(value) / error))
    return value, float(special.stdtrit(df, 0.5 + LEVEL / 2) * error), p


class Moments:
    """Sums of squares and products of size, score and difference, without each model and run.

    Parameters
    ----------
    size : (n_models,) array
    sides : (n_models, n_runs, 2) array
        Left and right score in each test run.

    Attributes
    ----------
    xx, xs, xd, ss, sd, dd
        (n_models + 1, n_runs + 1) arrays of size x, score s (mean of the sides) and difference d,
        about their means over models, divided by the number of models. Products of two scores
        are across runs, with what a run has in all models taken off, so that no error of
        measurement is in them.
    ss_seen
        The square of the score with its errors.
    """

    def __init__(self, size: Floats, sides: Floats) -> None:
        sides = sides - sides.mean(axis=0)
        score, difference = sides.mean(axis=2), sides[..., 0] - sides[..., 1]
        size = size - size.mean()
        n, k = score.shape
        models, runs = without_each(n), without_each(k)
        n_models, n_runs = models.sum(axis=1)[:, None], runs.sum(axis=1)

        def product(a: Floats, b: Floats) -> Floats:
            found: Floats = (models @ (a * b) - (models @ a) * (models @ b) / n_models) / n_models
            return found

        def mean(values: Floats) -> Floats:
            averaged: Floats = values @ runs.T / n_runs
            return averaged

        def across(a: Floats, b: Floats) -> Floats:
            within = product(a, b) @ runs.T / n_runs**2
            found: Floats = (product(mean(a), mean(b)) - within) / (1 - 1 / n_runs)
            return found

        column = np.broadcast_to(size[:, None], (n, k + 1))
        self.xx = product(column, column)
        self.xs, self.xd = product(column, mean(score)), product(column, mean(difference))
        self.ss, self.sd = across(score, score), across(score, difference)
        self.ss_seen = product(mean(score), mean(score))
        self.dd = across(difference, difference)


def _faults(size: Floats, sides: Floats, least: int) -> str:
    """Return why a control cannot be had; empty where it can."""
    n, k = sides.shape[:2]
    if n < least:
        return f"{n} model{'' if n == 1 else 's'}, {least} needed"
    if k < MIN_RUNS:
        return f"{k} test run{'' if k == 1 else 's'}, {MIN_RUNS} needed"
    if np.ptp(size) == 0:
        return "all models are of one size"
    return ""


@dataclass(frozen=True)
class Path:
    """One arrow of the mediation."""

    path: str
    found: Estimate


def mediation(size: Floats, sides: Floats) -> list[Path]:
    """Split the effect of size on left minus right into one through the score and one beside it.

    Score on size; left minus right on size and score; left minus right on size (Baron & Kenny
    1986), with the score on other runs as the instrument of the score. The indirect effect is the
    product of its two arrows, and total = direct + indirect. Intervals are t over models and runs
    together. Models are not assigned to sizes at random, so this describes; it does not show a
    cause.

    Parameters
    ----------
    size : (n_models,) array
        ln N.
    sides : (n_models, n_runs, 2) array
        Left and right score in each test run.

    Returns
    -------
    The five paths, without numbers and with the reason below 10 models or 3 runs and where
    nothing varies; so those in which score and size must be told apart where more than half of
    the score's variance beside size is error.
    """
    n, k = sides.shape[:2]
    nothing = Estimate(n, k, reason=_faults(size, sides, MIN_MODELS_GIVEN))
    if nothing.reason:
        return [Path(name, nothing) for name in PATHS]
    m = Moments(size, sides)
    to_score, total = m.xs / m.xx, m.xd / m.xx
    apart, seen = m.ss - m.xs * to_score, m.ss_seen - m.xs * to_score
    found = dict.fromkeys(PATHS, replace(nothing, reason=TOGETHER))
    grids = {"size_to_score": to_score, "total": total}
    if apart.min() > 0 and apart[0, 0] >= MIN_RELIABILITY * seen[0, 0]:
        from_score = (m.sd - m.xs * total) / apart
        indirect = to_score * from_score
        grids |= {"score_to_outcome": from_score, "indirect": indirect, "direct": total - indirect}
    for name, grid in grids.items():
        value, half, p = about(grid, 2 if name in ("size_to_score", "total") else 3)
        one = replace(nothing, value=value, low=value - half, high=value + half, p=p)
        found[name] = replace(nothing, reason=NO_SPREAD) if np.isnan(p) else one
    return [Path(name, one) for name, one in found.items()]


def left_on_right(size: Floats, sides: Floats) -> Estimate:
    """Slope of the left score on the right over models, the same whichever is put on which.

    The errors of both sides, and their covariance, are estimated from the runs and taken off
    (Deming's regression with known errors); what scatters the models beside the line beyond them
    is laid on both sides alike. With the sides exchanged, the slope is its inverse and p stays.

    Parameters
    ----------
    size, sides
        See :func:`mediation`; sizes play no part.

    Returns
    -------
    Estimate
        ``p`` is of a slope of 1: above 1 the left grows faster than the right, whatever makes
        both grow.
    """
    n, k = sides.shape[:2]
    nothing = Estimate(n, k, reason=_faults(np.arange(n, dtype=np.float64), sides, MIN_MODELS))
    if nothing.reason:
        return nothing
    m = Moments(size, sides)
    # Turned by 45 degrees the axes are the score and half the difference; 0 is a slope of 1.
    turn = 0.5 * np.arctan2(m.sd, m.ss - m.dd / 4)
    at, half, p = about(turn, 2)
    if np.isnan(p):
        return replace(nothing, reason=NO_SPREAD)
    if max(abs(at - half), abs(at + half)) >= np.pi / 4:
        return replace(nothing, reason="the sides do not go together closely enough for a slope")
    value, low, high = (float(np.tan(np.pi / 4 + angle)) for angle in (at, at - half, at + half))
    return replace(nothing, value=value, low=low, high=high, p=p)


def _p_of(found: CrossedSlope) -> float:
    """Return the two-sided p of a slope of 0, from its interval."""
    half = (found.high - found.low) / 2
    if not half > 0:
        return np.nan
    t = abs(found.slope) / half * float(special.stdtrit(found.df, 0.5 + LEVEL / 2))
    return float(2 * special.stdtr(found.df, -t))


def slope_over_models(size: Floats, by_run: Floats, families: Sequence[str]) -> Estimate:
    """Slope on size of an outcome by test run, (n_models, n_runs), over models and runs together.

    See :func:`crossed.crossed_slope`; without an interval there is no slope either.
    """
    n, k = by_run.shape
    found = crossed_slope(size, by_run[None], families)
    if found.reason:
        return Estimate(n, k, n_families=found.n_families, reason=found.reason)
    return Estimate(
        n, k, found.slope, found.low, found.high, _p_of(found), found.n_families
    )  # fmt: skip


def within_families(size: Floats, by_run: Floats, families: Sequence[str]) -> Estimate:
    """Mean over families of the slope on size within each: slopes may differ between families.

    Every family has an intercept and a slope of its own, and the families are the units of a t
    interval, which holds whatever the errors within them (Ibragimov & Müller 2010, J. Bus. Econ.
    Stat. 28:453-468); what the runs move in all of them alike is added.

    Parameters
    ----------
    size : (n_models,) array
    by_run : (n_models, n_runs) array
        Left minus right in each test run.
    families
        The family of each model; those of one model, or of one size, do not enter.
    """
    named, k = np.asarray(families, dtype=str), by_run.shape[1]
    members = [named == name for name in np.unique(named)]
    members = [kept for kept in members if np.ptp(size[kept]) > 0]
    n, q = int(np.sum(members)), len(members)
    nothing = Estimate(n, k, n_families=q)
    if q < MIN_FAMILIES:
        several = "family has" if q == 1 else "families have"
        return replace(
            nothing, reason=f"{q} {several} models of different size, {MIN_FAMILIES} needed"
        )
    if k < MIN_RUNS:
        return replace(nothing, reason=_faults(size, by_run[..., None], 0))
    slopes = np.stack([slope_on(size[kept], by_run[kept]) for kept in members])
    units, runs = without_each(q), without_each(k)
    grid = units @ slopes @ runs.T / np.outer(units.sum(axis=1), runs.sum(axis=1))
    value, half, p = about(grid, 1)
    if np.isnan(p):
        return replace(nothing, reason=NO_SPREAD)
    return replace(nothing, value=value, low=value - half, high=value + half, p=p)


@dataclass(frozen=True)
class Control:
    """One line of the table of controls."""

    analysis: str
    outcome: str
    predictor: str
    found: Estimate
    left_out: str = ""


def controls(
    size: Floats, sides: Floats, families: Sequence[str], selection: str
) -> Iterator[Control]:
    """Give all controls of one selection, in a fixed order; arguments as of :func:`mediation`."""
    named, outcome = np.asarray(families, dtype=str), f"l_minus_r_{selection}"
    difference = sides[..., 0] - sides[..., 1]
    index = laterality_index(*sides.mean(axis=1).T)
    known = np.isfinite(index)
    of_total = difference[known] / sides[known].mean(axis=1).sum(axis=1)[:, None]
    yield Control(
        "laterality_index", f"index_{selection}", LN_N,
        slope_over_models(size[known], of_total, named[known].tolist()),
    )  # fmt: skip
    yield Control(
        "left_on_right", f"left_{selection}", f"right_{selection}", left_on_right(size, sides)
    )
    yield Control(
        "within_families", outcome, LN_N, within_families(size, difference, families)
    )  # fmt: skip
    names = np.unique(named)
    for name in names if names.size > 1 else ():
        kept = named != name
        found = slope_over_models(size[kept], difference[kept], named[kept].tolist())
        yield Control("without_one_family", outcome, LN_N, found, str(name))


@dataclass(frozen=True)
class Lean:
    """How much farther the control that leans most leans than the model that does.

    Attributes
    ----------
    control, model
        Numbers of the control and of the model with the largest mean, whatever its side.
    interval, p
        Of the difference in size, control less model, over test runs.
    """

    control: int
    model: int
    interval: Interval
    p: float


def compare_leans(controls_by_run: Floats, models_by_run: Floats) -> Lean:
    """Compare the control that leans most to a side with the model that does.

    Both are chosen on the runs that they are compared in, which favours the longer list; the
    corrected interval is wide enough for it: of 8 controls or 28 models that lean alike one seems
    to lead in at most 4 % (``benchmarks/calibration_controls.py``). Chosen on the other runs, as
    layers are, they seem to lead in up to 10 %.

    Parameters
    ----------
    controls_by_run, models_by_run : (n_controls, n_runs), (n_models, n_runs) arrays
        Left minus right in each test run.
    """
    means = [one.mean(axis=1) for one in (controls_by_run, models_by_run)]
    control, model = (int(np.abs(one).argmax()) for one in means)
    farther = (
        np.sign(means[0][control]) * controls_by_run[control]
        - np.sign(means[1][model]) * models_by_run[model]
    )
    return Lean(control, model, *corrected_t(farther))
