"""Intervals over test runs: Fieller's limits of a ratio, and variance beyond that of the runs."""

import numpy as np
import pytest
from scipy import optimize, stats

from lateralization.statistics.intervals import corrected_t, ratio_interval


def runs_of(seed, n=9, level=0.2, error=0.02):
    """Left minus right and left plus right of n runs whose sides go together."""
    rng = np.random.default_rng(seed)
    common = rng.normal(level, error, n)
    left, right = common + rng.normal(0, error, (2, n))
    return left * 1.2 - right, left * 1.2 + right


def corrected_statistic(ratio, top, bottom):
    """The t of top - ratio bottom against 0, with the variance of folds that share runs."""
    rest, n = top - ratio * bottom, len(top)
    return rest.mean() / (rest.std(ddof=1) * np.sqrt(1 / n + 1 / (n - 1)))


@pytest.mark.parametrize("seed", range(10))
def test_the_limits_of_a_ratio_are_where_its_t_test_just_rejects(seed):
    top, bottom = runs_of(seed)
    found, critical = ratio_interval(top, bottom), stats.t.ppf(0.975, 8)
    assert found.mean == pytest.approx(top.mean() / bottom.mean())
    for sign, limit in ((1, found.low), (-1, found.high)):
        expected = optimize.brentq(
            lambda q, sign=sign: corrected_statistic(q, top, bottom) - sign * critical,
            *sorted((found.mean - sign * 2, found.mean)),
        )
        assert limit == pytest.approx(expected, abs=1e-9)


def test_a_ratio_of_exchanged_sides_has_the_other_sign():
    top, bottom = runs_of(3)
    one, other = ratio_interval(top, bottom), ratio_interval(-top, bottom)
    assert (one.mean, one.low, one.high) == pytest.approx((-other.mean, -other.high, -other.low))


def test_a_ratio_needs_a_bottom_that_is_clear_of_0():
    top, bottom = runs_of(0)
    edge = stats.t.ppf(0.975, 8) * bottom.std(ddof=1) * np.sqrt(1 / 9 + 1 / 8)
    centred = bottom - bottom.mean()
    assert np.isfinite(ratio_interval(top, centred + 1.01 * edge).low)
    for none in (centred + 0.99 * edge, centred - 1.01 * edge, bottom * np.nan):
        assert np.isnan(ratio_interval(top, none).mean)
    assert np.isnan(ratio_interval(top[:1], bottom[:1]).mean)


def test_runs_in_one_proportion_have_a_ratio_and_no_interval():
    found = ratio_interval(np.full(5, 0.25), np.full(5, 0.5))
    assert found.mean == 0.5
    assert np.isnan([found.low, found.high]).all()


def test_limits_of_a_ratio_cover_as_the_corrected_interval_of_a_mean_does():
    """Independent runs: the correction covers more than 95 %, for both by the same share."""
    rng, n, n_sets = np.random.default_rng(8), 9, 4000
    expected = 1 - 2 * stats.t.sf(stats.t.ppf(0.975, n - 1) * np.sqrt(1 + n / (n - 1)), n - 1)
    covered = 0
    for left, right in rng.normal([[0.22], [0.18]], 0.05, (n_sets, 2, n)):
        found = ratio_interval(left - right, left + right)
        covered += found.low <= 0.1 <= found.high
    assert covered / n_sets == pytest.approx(expected, abs=4 * 0.0014)


def test_further_variance_widens_the_interval_and_the_test():
    values = np.random.default_rng(1).normal(0.5, 1, 9)
    plain, _ = corrected_t(values)
    wide, p = corrected_t(values, further=0.04)
    error = np.sqrt(values.var(ddof=1) * (1 / 9 + 1 / 8) + 0.04)
    assert wide.high - wide.mean == pytest.approx(stats.t.ppf(0.975, 8) * error)
    assert p == pytest.approx(2 * stats.t.sf(values.mean() / error, 8))
    assert wide.low < plain.low
