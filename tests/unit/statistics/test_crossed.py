"""The interval over models, runs and people: its parts are those of statsmodels and scipy."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from lateralization.statistics.crossed import MODELS, PEOPLE, RUNS, crossed_slope
from lateralization.statistics.intervals import corrected_t
from lateralization.statistics.lines import slope_on


def drawn(n_people=1, n_models=7, n_runs=9, seed=0):
    rng = np.random.default_rng(seed)
    x = np.sort(rng.uniform(18, 24, n_models))
    y = rng.standard_normal((n_people, n_models, n_runs))
    y += rng.standard_normal((1, n_models, 1)) + 0.3 * (x - x.mean())[None, :, None]
    y += rng.standard_normal((1, 1, n_runs)) * (x - x.mean())[None, :, None]
    return x, y + 0.5 * rng.standard_normal((n_people, 1, 1)) * (x - x.mean())[None, :, None]


def one_family(n):
    return ["gpt2"] * n


def test_over_models_it_is_the_standard_error_of_least_squares():
    x, y = drawn()
    found = crossed_slope(x, y, one_family(7))
    fit = sm.OLS(y.mean(axis=(0, 2)), sm.add_constant(x)).fit()
    assert found.slope == pytest.approx(fit.params[1], rel=1e-12)
    assert found.parts[MODELS].variance == pytest.approx(fit.bse[1] ** 2, rel=1e-10)
    assert found.parts[MODELS].df == 5


def interaction(x, y):
    """Chance of one model in one run: what lines of runs and means of models leave."""
    n_models, n_runs = y.shape
    left = y - y.mean(axis=1, keepdims=True)
    rest = [sm.OLS(run, sm.add_constant(x)).fit().resid for run in left.T]
    square = np.square(rest).sum() / ((n_models - 2) * (n_runs - 1))
    return square / ((x - x.mean()) ** 2).sum() / n_runs


def test_over_runs_it_is_the_corrected_variance_of_their_slopes_beyond_noise():
    x, y = drawn()
    slopes = slope_on(x, y[0])
    interval, _ = corrected_t(slopes)
    half = (interval.high - interval.low) / 2 / stats.t.ppf(0.975, 8)
    noise = interaction(x, y[0]) / stats.sem(slopes) ** 2
    assert 0 < noise < 1
    found = crossed_slope(x, y, one_family(7)).parts[RUNS]
    assert found.variance == pytest.approx(half**2 * (1 - noise), rel=1e-10)
    assert found.df == 8


def test_over_people_it_is_the_standard_error_of_their_mean():
    x, y = drawn(n_people=6)
    y += np.linspace(-1, 1, 6)[:, None, None] * x[None, :, None]
    y += 1e-6 * np.random.default_rng(1).standard_normal(y.shape)
    slopes = [slope_on(x, one.mean(axis=1)) for one in y]
    found = crossed_slope(x, y, one_family(7))
    assert found.parts[PEOPLE].variance == pytest.approx(stats.sem(slopes) ** 2, rel=0.05)
    assert found.parts[PEOPLE].variance < stats.sem(slopes) ** 2
    assert found.parts[PEOPLE].df == 5
    assert PEOPLE not in crossed_slope(x, y[:1], one_family(7)).parts


def test_what_is_chance_of_one_model_in_one_run_is_no_variance_over_runs():
    x = np.linspace(18, 24, 7)
    y = np.random.default_rng(0).standard_normal((1, 7, 9))
    runs = [crossed_slope(x, one[None], one_family(7)).parts[RUNS].variance
            for one in np.random.default_rng(0).standard_normal((200, 7, 9))]  # fmt: skip
    assert np.mean([value == 0 for value in runs]) > 0.4
    found = crossed_slope(x, y, one_family(7))
    assert found.share(MODELS) + found.share(RUNS) == pytest.approx(1)


def test_the_variance_is_the_sum_and_the_degrees_of_freedom_are_satterthwaite_s():
    x, y = drawn(n_people=4)
    found = crossed_slope(x, y, one_family(7))
    variance = sum(part.variance for part in found.parts.values())
    df = variance**2 / sum(part.variance**2 / part.df for part in found.parts.values())
    assert found.df == pytest.approx(df, rel=1e-10)
    half = stats.t.ppf(0.975, df) * np.sqrt(variance)
    assert (found.high - found.low) / 2 == pytest.approx(half, rel=1e-10)
    assert (found.high + found.low) / 2 == pytest.approx(found.slope, rel=1e-12)


def test_few_families_have_intercepts_of_their_own():
    x, y = drawn(n_models=8)
    families = ["a", "b"] * 4
    found = crossed_slope(x, y, families)
    design = np.column_stack([x, np.array(families) == "a", np.array(families) == "b"])
    fit = sm.OLS(y.mean(axis=(0, 2)), design.astype(float)).fit()
    assert found.within
    assert found.slope == pytest.approx(fit.params[0], rel=1e-10)
    assert found.parts[MODELS].variance == pytest.approx(fit.bse[0] ** 2, rel=1e-10)
    assert found.parts[MODELS].df == 5


def test_what_a_whole_family_has_of_its_own_does_not_move_the_slope_within_families():
    x, y = drawn(n_models=8)
    families = ["a", "b"] * 4
    moved = y + np.array([0.0, 5.0] * 4)[None, :, None]
    first, second = (crossed_slope(x, one, families) for one in (y, moved))
    assert first.low == pytest.approx(second.low, rel=1e-9)


def test_with_five_families_they_are_the_units():
    x, y = drawn(n_models=11)
    families = list("aaabbbccdde")
    means = y.mean(axis=(0, 2))
    without = [
        sm.OLS(means[kept], sm.add_constant(x[kept])).fit().params[1]
        for name in "abcde"
        for kept in [np.array(families) != name]
    ]
    found = crossed_slope(x, y, families)
    assert not found.within
    assert found.n_families == 5
    whole = sm.OLS(means, sm.add_constant(x)).fit().params[1]
    expected = 4 / 5 * np.square(np.array(without) - whole).sum()
    assert found.parts[MODELS].variance == pytest.approx(expected, rel=1e-9)
    assert found.parts[MODELS].df == 4


@pytest.mark.parametrize("families", [["gpt2"] * 12, [f"family {n}" for n in range(12)]])
def test_from_ten_models_on_they_may_scatter_differently_at_different_sizes(families):
    x, y = drawn(n_models=12)
    fit = sm.OLS(y.mean(axis=(0, 2)), sm.add_constant(x)).fit(cov_type="HC3")
    found = crossed_slope(x, y, families).parts[MODELS]
    assert found.variance == pytest.approx(11 / 12 * fit.bse[1] ** 2, rel=1e-9)
    assert found.df == 10


def test_shares_add_up_and_order_does_not_matter():
    x, y = drawn(n_people=3)
    found = crossed_slope(x, y, one_family(7))
    assert sum(found.share(name) for name in (MODELS, RUNS, PEOPLE)) == pytest.approx(1)
    order, runs = np.random.default_rng(1).permutation(7), np.random.default_rng(2).permutation(9)
    other = crossed_slope(x[order], y[::-1][:, order][:, :, runs], one_family(7))
    assert (other.low, other.high) == pytest.approx((found.low, found.high), rel=1e-9)
    assert np.isnan(crossed_slope(x, y[:1], one_family(7)).share(PEOPLE))


def test_exchanging_the_sides_changes_the_sign_alone():
    x, y = drawn()
    found, other = crossed_slope(x, y, one_family(7)), crossed_slope(x, -y, one_family(7))
    assert (other.low, other.high) == pytest.approx((-found.high, -found.low), rel=1e-12)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda x, y: (x[:4], y[:, :4], one_family(4)), "4 models, 5 needed"),
        (lambda x, y: (x[:1], y[:, :1], one_family(1)), "1 model, 5 needed"),
        (lambda x, y: (x, y[:, :, :2], one_family(7)), "2 test runs, 3 needed"),
        (lambda x, y: (x * 0 + 20, y, one_family(7)), "all models have one value"),
        (lambda x, y: (x, y * np.nan, one_family(7)), "no usable voxel"),
        (lambda x, y: (x, y, list("aaabbbb")), "families and predictor cannot be told apart"),
        (lambda x, y: (x, y, list("abcdabc")), None),
        (lambda x, y: (x, y, list("abcabca")), None),
        (lambda x, y: (x, y * 0 + x[None, :, None], one_family(7)), "nothing was measured"),
    ],
)
def test_where_there_is_no_interval_the_reason_is_given(change, reason):
    x, y = drawn()
    x = np.repeat([19.0, 23.0], [3, 4]) + 0.01 * x if reason and "told apart" in reason else x
    found = crossed_slope(*change(x, y))
    if reason is None:
        assert found.reason == ""
        assert found.low < found.high
    else:
        assert reason in found.reason
        assert np.isnan([found.low, found.high]).all()


def missing(n_people, n_runs, share, rng):
    """Draw who heard what: everybody at least three runs, every run somebody."""
    while True:
        heard = rng.random((n_people, n_runs)) > share
        if heard.sum(axis=1).min() >= 3 and heard.any(axis=0).all():
            return heard


def test_what_a_person_did_not_hear_enters_nothing():
    x, y = drawn(n_people=6, n_runs=7)
    heard = missing(6, 7, 0.3, np.random.default_rng(0))
    found = crossed_slope(x, y, one_family(7), heard)
    away = np.where(heard[:, None], y, np.nan)
    assert crossed_slope(x, away, one_family(7), heard) == found
    own = [slope_on(x, one[:, mine]).mean() for one, mine in zip(y, heard, strict=True)]
    assert found.slope == pytest.approx(np.mean(own), rel=1e-10)


def test_with_one_missing_run_the_interval_is_nearly_that_of_all():
    x, y = drawn(n_people=30, n_runs=30)
    heard = np.ones((30, 30), bool)
    heard[3, 5] = False
    found, all_heard = (crossed_slope(x, y, one_family(7), who) for who in (heard, None))
    for name in (MODELS, RUNS, PEOPLE):
        assert found.parts[name].variance == pytest.approx(all_heard.parts[name].variance, rel=0.02)
        assert found.parts[name].df == all_heard.parts[name].df


@pytest.mark.parametrize(("of_people", "of_runs"), [(0.5, 0.0), (0.0, 0.5), (0.4, 0.4)])
def test_variances_of_people_who_lack_runs_are_those_put_in(of_people, of_runs):
    rng, parts, inside = np.random.default_rng(7), [], 0
    x = np.linspace(18, 24, 8)
    for _ in range(300):
        heard = missing(8, 8, 0.3, rng)
        y = rng.standard_normal((8, 8, 8)) + 0.5 * rng.standard_normal((1, 8, 1))
        slopes = of_people * rng.standard_normal((8, 1)) + of_runs * rng.standard_normal((1, 8))
        y += slopes[:, None] * (x - x.mean())[None, :, None]
        found = crossed_slope(x, y, one_family(8), heard)
        inside += found.low <= 0 <= found.high
        parts.append([found.parts[name].variance for name in (PEOPLE, RUNS)])
    people, runs = np.mean(parts, axis=0)
    assert inside / 300 >= 0.93
    # clipped at 0, so a variance that is not there comes out a little above it
    assert people == pytest.approx(of_people**2 / 8, rel=0.2, abs=0.002)
    assert runs == pytest.approx(of_runs**2 * (1 / 8 + 1 / 4.6), rel=0.25, abs=0.005)


def test_people_who_share_no_run_have_no_interval():
    x, y = drawn(n_people=2, n_runs=6)
    heard = np.repeat([[True, False], [False, True]], 3, axis=1)
    found = crossed_slope(x, y, one_family(7), heard)
    assert "share too few runs" in found.reason
    assert np.isnan(found.low)
    heard[1, :3] = True
    assert not crossed_slope(x, y, one_family(7), heard).reason
