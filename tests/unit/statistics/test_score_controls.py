"""Controls of the effect of size: against scipy and statsmodels, and where the usual form fails."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from scipy import optimize, stats
from statsmodels.sandbox.regression.gmm import IV2SLS

from lateralization.names import family_of
from lateralization.statistics.intervals import corrected_t
from lateralization.statistics.regressions import regress
from lateralization.statistics.score_controls import (
    MIN_RELIABILITY,
    NO_SPREAD,
    PATHS,
    TOGETHER,
    Moments,
    about,
    compare_leans,
    controls,
    laterality_index,
    left_on_right,
    mediation,
    slope_over_models,
    within_families,
)

PUBLISHED = json.loads(
    (Path(__file__).parents[3] / "assets" / "published.json").read_text(encoding="utf-8")
)


def made(seed, n=28, k=9, error=0.01, through=0.0, beside=0.0, scatter=0.001, noise=(1.0, 1.0),
         common=0.7):  # fmt: skip
    """ln N, and left and right by run with errors that go together: (n,), (n, k, 2)."""
    rng = np.random.default_rng(seed)
    size = rng.uniform(18, 24, n)
    score = 0.2 + 0.01 * (size - 21) + 0.01 * rng.standard_normal(n)
    difference = through * score + beside * (size - 21) + scatter * rng.standard_normal(n)
    both, own = rng.standard_normal((n, k, 1)), rng.standard_normal((n, k, 2))
    errors = error * (np.sqrt(common) * both + np.sqrt(1 - common) * own) * np.array(noise)
    true = np.stack([score + difference / 2, score - difference / 2], axis=-1)
    return size, true[:, None] + errors


def even(size, sides):
    """Runs that differ by what all models share: scores without any error."""
    shift = np.random.default_rng(9).normal(0, 0.02, (1, sides.shape[1], 2))
    return size, sides.mean(axis=1, keepdims=True) + shift


def orthogonal(x, y):
    """Slope of the line with the smallest squared distances from the points."""
    x, y = x - x.mean(), y - y.mean()
    found = optimize.minimize_scalar(
        lambda angle: ((y * np.cos(angle) - x * np.sin(angle)) ** 2).sum(),
        bounds=(-np.pi / 4, 3 * np.pi / 4), method="bounded", options={"xatol": 1e-12},
    )  # fmt: skip
    return np.tan(found.x)


def paths_of(size, sides):
    return {one.path: one.found for one in mediation(size, sides)}


@pytest.fixture(scope="module")
def models() -> pd.DataFrame:
    """The 28 models of the study: size, score and asymmetry of the reliable voxels."""
    table = pd.DataFrame(PUBLISHED["models"][0]["values"]).T.astype(float)
    half = table["l_minus_r_reliable"] / 2
    return pd.DataFrame(
        {
            "size": np.log(table["n_parameters"]),
            "score": table["score_reliable"],
            "difference": table["l_minus_r_reliable"],
            "left": table["score_reliable"] + half,
            "right": table["score_reliable"] - half,
            "width": table["n_hid"],
            "family": [family_of(name) for name in table.index],
        }
    )


def test_what_the_published_values_say(models):
    rest = [smf.ols(f"{name} ~ score", models).fit().resid for name in ("size", "difference")]
    assert np.corrcoef(*rest)[0, 1] == pytest.approx(0.03, abs=0.005)
    size, left, right = (models[name].to_numpy(float) for name in ("size", "left", "right"))
    assert regress(size, laterality_index(left, right)).r == pytest.approx(0.88, abs=0.005)
    width = np.log(models["width"].to_numpy(float))
    assert regress(width, size).r == pytest.approx(0.985, abs=0.0005)


def test_an_index_needs_positive_sides():
    index = laterality_index(np.array([0.3, 0.1, -0.1]), np.array([0.1, 0.1, 0.2]))
    assert index[:2] == pytest.approx([0.5, 0.0])
    assert np.isnan(index[2])


def test_without_errors_left_on_right_is_orthogonal_regression():
    size, sides = even(*made(0, scatter=0.01))
    left, right = sides.mean(axis=1).T
    assert left_on_right(size, sides).value == pytest.approx(orthogonal(right, left), rel=1e-6)


def test_the_errors_of_the_runs_are_those_of_deming():
    # Where all scatter is error, the line is that of scipy.odr with the errors' covariance.
    size, sides = made(1, n=4000, error=0.03, scatter=0.0, noise=(1.0, 1.6))
    means = sides.mean(axis=1)
    centred = sides - means[:, None]
    centred -= centred.mean(axis=0)
    cov = np.einsum("nrs,nrt->st", centred, centred) / (len(size) - 1) / 8 / 9
    # Whitened, errors are alike and independent, and the line can be turned back.
    root = np.linalg.cholesky(cov)
    white = np.linalg.solve(root, (means - means.mean(axis=0)).T)
    slope = (root[1, 0] + root[1, 1] * orthogonal(*white)) / root[0, 0]  # right per left
    found = left_on_right(size, sides)
    assert found.value == pytest.approx(1 / slope, rel=0.01)
    assert found.value == pytest.approx(1.0, abs=0.02)
    least_squares = stats.linregress(*means.T[::-1]).slope
    assert least_squares < 0.95  # what errors on the right do


@pytest.mark.parametrize("seed", range(3))
def test_left_on_right_is_the_same_with_the_sides_exchanged(seed):
    size, sides = made(seed, n=12, noise=(1.5, 1.0), through=0.2)
    one, other = left_on_right(size, sides), left_on_right(size, sides[..., ::-1])
    assert (one.value, one.p) == (pytest.approx(1 / other.value), pytest.approx(other.p))
    assert (one.low, one.high) == (pytest.approx(1 / other.high), pytest.approx(1 / other.low))


def test_a_slope_of_one_is_rejected_as_often_as_it_should_be():
    worlds = [made(seed, n=20, error=0.03, common=0.0) for seed in range(300)]
    found = np.mean([left_on_right(*one).p < 0.05 for one in worlds])
    usual = []
    for _, sides in worlds:
        left, right = sides.mean(axis=1).T
        line = stats.linregress(right, left)
        usual.append(2 * stats.t.sf(abs(line.slope - 1) / line.stderr, 18) < 0.05)
    assert found <= 0.09
    assert np.mean(usual) > 0.2


def test_without_errors_the_paths_are_those_of_least_squares():
    size, sides = even(*made(2, through=0.3))
    table = pd.DataFrame({"size": size, "score": sides.mean(axis=(1, 2)),
                          "difference": (sides[..., 0] - sides[..., 1]).mean(axis=1)})  # fmt: skip
    both = smf.ols("difference ~ size + score", table).fit().params
    to_score = smf.ols("score ~ size", table).fit().params["size"]
    found = {name: one.value for name, one in paths_of(size, sides).items()}
    assert tuple(found) == PATHS
    assert found["size_to_score"] == pytest.approx(to_score, rel=1e-9)
    assert found["score_to_outcome"] == pytest.approx(both["score"], rel=1e-6)
    assert found["direct"] == pytest.approx(both["size"], rel=1e-6, abs=1e-12)
    assert found["indirect"] == pytest.approx(to_score * both["score"], rel=1e-6)
    assert found["total"] == pytest.approx(found["direct"] + found["indirect"], rel=1e-9)


def test_the_score_on_other_runs_is_the_instrument_of_the_score():
    size, sides = made(3, n=3000, error=0.025, through=0.3)
    score, difference = sides.mean(axis=2), sides[..., 0] - sides[..., 1]
    fits = []
    for seed in range(40):
        runs = np.random.default_rng(seed).permutation(9).reshape(3, 3)
        outcome, regressor, instrument = (
            one[:, three].mean(axis=1)
            for one, three in zip((difference, score, score), runs, strict=True)
        )
        known = np.column_stack([np.ones(len(size)), size])
        exact, other = np.column_stack([known, regressor]), np.column_stack([known, instrument])
        fits.append(IV2SLS(outcome, exact, other).fit().params)
    _, direct, through = np.mean(fits, axis=0)
    found = paths_of(size, sides)
    assert found["score_to_outcome"].value == pytest.approx(through, rel=0.05)
    assert found["direct"].value == pytest.approx(direct, abs=2e-4)
    assert abs(found["direct"].value) < 2e-4
    usual = np.column_stack([np.ones(len(size)), size, score.mean(axis=1)])
    biased = np.linalg.lstsq(usual, difference.mean(axis=1), rcond=None)[0][1]
    assert biased > 3e-4  # size takes the part of the score that errors hide


def test_what_size_adds_is_found_and_what_the_score_does_is_not_laid_on_size():
    found = paths_of(*made(4, through=0.5))
    assert found["direct"].low < 0 < found["direct"].high
    assert found["indirect"].low > 0
    found = paths_of(*made(5, beside=0.003))
    assert found["direct"].low > 0
    assert found["indirect"].low < 0 < found["indirect"].high


def test_few_models_or_a_score_that_is_size_cannot_be_told_apart():
    few = paths_of(*made(6, n=9, beside=0.01))
    assert {one.reason for one in few.values()} == {"9 models, 10 needed"}
    assert np.isnan([one.value for one in few.values()]).all()
    size, sides = made(7)
    as_size = sides - sides.mean(axis=(1, 2), keepdims=True) + 0.01 * size[:, None, None]
    found = paths_of(size, as_size)
    together = {name for name, one in found.items() if one.reason == TOGETHER}
    assert together == {"direct", "indirect", "score_to_outcome"}
    assert found["total"].reason == ""
    m = Moments(size, as_size)
    beside, seen = (one[0, 0] - m.xs[0, 0] ** 2 / m.xx[0, 0] for one in (m.ss, m.ss_seen))
    assert beside < MIN_RELIABILITY * seen


@pytest.mark.parametrize("runs", [1, 2])
def test_errors_need_three_runs(runs):
    size, sides = made(8, k=runs)
    for one in (left_on_right(size, sides), *paths_of(size, sides).values(),
                within_families(size, sides[..., 0], ["a", "b", "c", "d"] * 7)):  # fmt: skip
        assert one.reason.endswith("3 needed")
        assert np.isnan([one.value, one.low, one.high, one.p]).all()


def test_an_interval_without_width_is_a_fault():
    size = np.linspace(18, 24, 12)
    score = np.tile((0.01 * size)[:, None, None], (1, 9, 2))
    assert left_on_right(size, score).reason == NO_SPREAD
    same = within_families(size, score[..., 0] * 0, ["a", "b", "c"] * 4)
    assert (same.reason, np.isnan(same.low)) == (NO_SPREAD, True)


def test_a_mean_of_units_has_the_interval_of_t_where_runs_say_nothing():
    values = np.random.default_rng(0).normal(1, 1, 8)
    grid = np.array([values.mean(), *(np.delete(values, i).mean() for i in range(8))])
    value, half, p = about(np.tile(grid[:, None], (1, 10)), 1)
    assert value == pytest.approx(values.mean())
    assert half == pytest.approx(stats.t.ppf(0.975, 7) * values.std(ddof=1) / np.sqrt(8))
    assert p == pytest.approx(stats.ttest_1samp(values, 0).pvalue)


def test_what_all_units_share_in_a_run_is_over_runs_and_corrected():
    runs = np.random.default_rng(1).normal(1, 1, 9)
    grid = np.array([runs.mean(), *(np.delete(runs, i).mean() for i in range(9))])
    value, half, p = about(np.tile(grid, (6, 1)), 1)
    interval, expected = corrected_t(runs)
    assert (value, half) == (pytest.approx(interval.mean), pytest.approx(interval.high - value))
    assert p == pytest.approx(expected)


def test_families_are_the_units_of_a_slope_that_may_differ_between_them():
    size, sides = made(9, n=24)
    families = [f"family {i // 4}" for i in range(24)] + ["alone"]
    size, by_run = np.append(size, 20.0), np.vstack([sides[..., 0] - sides[..., 1], np.zeros(9)])
    by_run = by_run.mean(axis=1, keepdims=True) + np.random.default_rng(2).normal(0, 1e-9, (25, 9))
    table = pd.DataFrame({"size": size, "y": by_run.mean(axis=1), "family": families})
    slopes = [smf.ols("y ~ size", rows).fit().params["size"]
              for name, rows in table.groupby("family") if name != "alone"]  # fmt: skip
    found = within_families(size, by_run, families)
    assert (found.n_models, found.n_families) == (24, 6)
    assert found.value == pytest.approx(np.mean(slopes), rel=1e-6)
    limits = stats.t.interval(0.95, 5, np.mean(slopes), stats.sem(slopes))
    assert (found.low, found.high) == pytest.approx(limits, rel=1e-3)
    assert found.p == pytest.approx(stats.ttest_1samp(slopes, 0).pvalue, rel=1e-3)


def test_families_whose_slopes_differ_show_no_common_slope_by_chance():
    found, usual = [], []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        place = np.arange(24) // 4
        size = rng.uniform(18, 24, 24)
        y = rng.normal(0, 0.01, 6)[place] * size + rng.normal(0, 0.002, 24)
        by_run = y[:, None] + rng.normal(0, 0.002, (24, 9))
        found.append(within_families(size, by_run, place.astype(str)).p < 0.05)
        design = np.column_stack([size, np.eye(6)[place]])
        rest = y - design @ np.linalg.lstsq(design, y, rcond=None)[0]
        inverse = np.linalg.inv(design.T @ design)
        t = (inverse @ design.T @ y)[0] / np.sqrt(rest @ rest / 17 * inverse[0, 0])
        usual.append(2 * stats.t.sf(abs(t), 17) < 0.05)
    assert np.mean(found) <= 0.09
    assert np.mean(usual) > 0.2


def test_few_families_leave_nothing_within():
    by_run = np.random.default_rng(0).normal(size=(4, 9))
    found = within_families(np.arange(4.0), by_run, ["a", "a", "b", "c"])
    assert found.reason == "1 family has models of different size, 3 needed"


def test_a_slope_has_its_p_by_its_interval():
    size, sides = made(10)
    by_run = sides[..., 0] - sides[..., 1]
    found = slope_over_models(size, by_run, ["one"] * 28)
    assert found.value == pytest.approx(stats.linregress(size, by_run.mean(axis=1)).slope)
    shifted = by_run - (found.low * size)[:, None]
    assert slope_over_models(size, shifted, ["one"] * 28).p == pytest.approx(0.05, rel=1e-6)


def test_every_control_has_its_line():
    size, sides = made(11, n=12)
    table = list(controls(size, sides, ["a", "b", "c", "d"] * 3, "whole"))
    assert [(one.analysis, one.left_out) for one in table] == [
        ("laterality_index", ""), ("left_on_right", ""), ("within_families", ""),
        *(("without_one_family", name) for name in "abcd"),
    ]  # fmt: skip
    assert {one.found.n_models for one in table[3:]} == {9}
    alone = list(controls(size, sides, ["a"] * 12, "whole"))
    assert [one.analysis for one in alone] == [one.analysis for one in table[:3]]


@pytest.mark.parametrize("n", [0, 1, 2, 4])
def test_too_few_models_give_reasons_and_no_numbers(n):
    size, sides = made(12, n=n)
    for one in controls(size, sides, ["a"] * n, "whole"):
        assert one.found.reason
        assert np.isnan([one.found.value, one.found.p]).all()


def test_what_leans_most_is_compared_whatever_its_side():
    rng = np.random.default_rng(0)
    by_run = rng.normal(0, 0.02, (3, 9)) + np.array([[0.05], [-0.08], [0.0]])
    models = rng.normal(0, 0.01, (5, 9)) + np.array([[0.0], [0.03], [0.01], [0.0], [-0.02]])
    found = compare_leans(by_run, models)
    assert (found.control, found.model) == (1, 1)
    assert (found.interval, found.p) == corrected_t(-by_run[1] - models[1])
    assert found.interval.low > 0
    turned = compare_leans(-by_run, models)
    assert turned.interval == found.interval
    assert compare_leans(models, by_run).interval.mean == pytest.approx(-found.interval.mean)


@pytest.mark.parametrize("lean", [0.0, 0.02])
def test_many_that_lean_as_far_do_not_lead(lean):
    rng = np.random.default_rng(1)
    runs = [rng.normal(0, 0.02, (13, 9)) + lean for _ in range(300)]
    assert np.mean([compare_leans(one[:12], one[12:]).p < 0.05 for one in runs]) <= 0.08
