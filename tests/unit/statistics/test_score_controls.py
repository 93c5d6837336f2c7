"""Asymmetry against score: on the published values, and against statsmodels."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

from lateralization.names import family_of
from lateralization.statistics.regressions import Regression, partial_regress, regress
from lateralization.statistics.score_controls import (
    PATHS,
    Values,
    _t_of,
    controls,
    family_fixed_effects,
    laterality_index,
    leave_one_family_out,
    left_on_right,
    mediation,
)

PUBLISHED = json.loads(
    (Path(__file__).parents[3] / "assets" / "published.json").read_text(encoding="utf-8")
)


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


def arrays(models, *names):
    return [models[name].to_numpy(float) for name in names]


def test_size_explains_nothing_of_the_asymmetry_once_the_score_is_known(models):
    size, score, difference = arrays(models, "size", "score", "difference")
    assert partial_regress(size, difference, score).r == pytest.approx(0.03, abs=0.005)
    assert partial_regress(score, difference, size).r == pytest.approx(0.61, abs=0.005)


def test_the_laterality_index_rises_with_size(models):
    size, left, right = arrays(models, "size", "left", "right")
    assert regress(size, laterality_index(left, right)).r == pytest.approx(0.88, abs=0.005)


def test_the_slope_stands_within_families(models):
    size, difference = arrays(models, "size", "difference")
    found, t = family_fixed_effects(size, difference, list(models["family"]))
    assert t == pytest.approx(7.9, abs=0.05)
    oracle = smf.ols("difference ~ size + C(family)", models).fit()
    assert t == pytest.approx(oracle.tvalues["size"], rel=1e-8)
    assert found.p == pytest.approx(oracle.pvalues["size"], rel=1e-6)
    assert found.slope_low == pytest.approx(oracle.conf_int().loc["size", 0], rel=1e-8)
    rest = [smf.ols(f"{name} ~ C(family)", models).fit().resid for name in ("size", "difference")]
    assert found.r == pytest.approx(np.corrcoef(*rest)[0, 1], rel=1e-8)


def test_no_family_carries_the_correlation_alone(models):
    size, difference = arrays(models, "size", "difference")
    found = dict(leave_one_family_out(size, difference, list(models["family"])))
    assert len(found) == models["family"].nunique() == 8
    r = [one.r for one in found.values()]
    assert round(min(r), 2) == 0.88
    assert round(max(r), 2) == 0.91
    assert found["Qwen"].n_models == 28 - (models["family"] == "Qwen").sum()


def test_width_is_size_in_another_coat(models):
    width = np.log(models["width"].to_numpy(float))
    assert regress(width, models["size"].to_numpy()).r == pytest.approx(0.985, abs=0.0005)


def test_the_left_grows_faster_than_the_right(models):
    left, right = arrays(models, "left", "right")
    found, p = left_on_right(left, right)
    oracle = smf.ols("left ~ right", models).fit()
    assert found.slope == pytest.approx(oracle.params["right"])
    assert p == pytest.approx(float(oracle.t_test("right = 1").pvalue), rel=1e-6)
    assert found.slope > 1
    assert p < 0.001


def test_an_index_needs_positive_sides():
    index = laterality_index(np.array([0.3, 0.1, -0.1]), np.array([0.1, 0.1, 0.2]))
    assert index[:2] == pytest.approx([0.5, 0.0])
    assert np.isnan(index[2])


def test_every_t_is_that_of_least_squares(models):
    values = Values(
        *arrays(models, "size", "score", "left", "right", "difference"), list(models["family"])
    )
    table = list(controls(values, "reliable"))
    found = {(one.analysis, one.predictor): one.t for one in table}
    index = models.assign(index=(models["left"] - models["right"]) / (2 * models["score"]))
    for key, formula in {
        ("difference", "ln_n_parameters"): "difference ~ size",
        ("laterality_index", "ln_n_parameters"): "index ~ size",
        ("left_on_right", "right_reliable"): "left ~ right",
        ("left_given_right", "ln_n_parameters"): "left ~ size + right",
        ("partial", "ln_n_parameters"): "difference ~ size + score",
        ("partial", "score"): "difference ~ score + size",
    }.items():
        oracle = smf.ols(formula, index).fit().tvalues.iloc[1]
        assert found[key] == pytest.approx(oracle, rel=1e-7), key
    assert {(one.analysis, one.predictor): one.given for one in table if one.given} == {
        ("left_given_right", "ln_n_parameters"): "right_reliable",
        ("partial", "ln_n_parameters"): "score",
        ("partial", "score"): "ln_n_parameters",
        ("family_fixed_effects", "ln_n_parameters"): "family",
    }


def test_a_perfect_correlation_has_no_t():
    assert np.isnan(_t_of(Regression(10, r=1.0), 2))


def test_mediation_is_that_of_least_squares(models):
    size, score, difference = arrays(models, "size", "score", "difference")
    paths, n, reason = mediation(size, score, difference, list(models["family"]))
    found = {path.path: path for path in paths}
    assert (n, reason, tuple(found)) == (28, "", PATHS)
    both = smf.ols("difference ~ size + score", models).fit().params
    to_score = smf.ols("score ~ size", models).fit().params["size"]
    assert found["size_to_score"].coefficient == pytest.approx(to_score, rel=1e-9)
    assert found["score_to_outcome"].coefficient == pytest.approx(both["score"], rel=1e-9)
    assert found["direct"].coefficient == pytest.approx(both["size"], rel=1e-6)
    parts = found["direct"].coefficient + found["indirect"].coefficient
    assert found["total"].coefficient == pytest.approx(parts, rel=1e-9)
    # The published values: all of the effect goes through the score.
    assert found["indirect"].ci_low > 0
    assert found["direct"].ci_low < 0 < found["direct"].ci_high
    assert found["indirect"].share_of_total > 0.9
    assert found["total"].ci_kind == "bootstrap over 8 families"


def test_the_limits_are_percentiles_of_refits_on_drawn_families(models):
    size, score, difference = arrays(models, "size", "score", "difference")
    names, place = np.unique(models["family"], return_inverse=True)
    drawn = np.random.default_rng(1234).multinomial(len(names), [1 / len(names)] * 8, 2000)[
        :, place
    ]
    slopes = [
        np.polyfit(size, difference, 1, w=np.sqrt(counts))[0]
        for counts in drawn
        if len(np.unique(size[counts > 0])) > 2
    ]
    paths, *_ = mediation(size, score, difference, list(models["family"]))
    (total,) = (path for path in paths if path.path == "total")
    limits = np.percentile(slopes, [2.5, 97.5])
    assert (total.ci_low, total.ci_high) == pytest.approx(tuple(limits), rel=1e-6)


def test_a_mediation_that_is_planted_is_found_and_one_that_is_not_is_not():
    rng = np.random.default_rng(0)
    size = rng.normal(size=200)
    score = size + rng.normal(size=200)
    families = [f"family {k}" for k in np.arange(200) // 10]
    for planted, outcome in (("indirect", score), ("direct", size)):
        paths, *_ = mediation(size, score, outcome + rng.normal(size=200), families)
        found = {path.path: path for path in paths}
        other = "direct" if planted == "indirect" else "indirect"
        assert found[planted].ci_low > 0.5
        assert found[other].ci_low < 0 < found[other].ci_high


def test_the_bootstrap_does_not_hang_on_the_order_of_the_models(models):
    names = ("size", "score", "difference")
    turned = models.iloc[::-1]
    first, second = (
        mediation(*arrays(table, *names), list(table["family"]))[0] for table in (models, turned)
    )
    for one, other in zip(first, second, strict=True):
        assert one.ci_low == pytest.approx(other.ci_low, rel=1e-6)
        assert one.ci_high == pytest.approx(other.ci_high, rel=1e-6)


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_too_few_models_give_reasons_and_no_numbers(models, n):
    few = models.iloc[:n]
    values = Values(*arrays(few, "size", "score", "left", "right", "difference"), ["a"] * n)
    for one in controls(values, "reliable"):
        if one.found.reason:
            assert np.isnan(one.found.r)
            assert np.isnan(one.t)
        else:
            assert n == 3
    paths, _, reason = mediation(values.size, values.score, values.difference, values.families)
    assert not paths
    assert "models" in reason or "model" in reason


def test_families_of_one_model_leave_nothing_within():
    x = np.array([1.0, 2.0, 3.0])
    assert "none to spare" in family_fixed_effects(x, x, ["a", "b", "c"])[0].reason
    same = np.array([1.0, 1.0, 3.0, 3.0])
    assert "differ" in family_fixed_effects(same, np.arange(4.0), ["a", "a", "b", "b"])[0].reason
