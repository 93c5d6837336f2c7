"""Regressions over models, against the study's printed results and other libraries."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from scipy.signal import lfilter

from lateralization.statistics.asymmetry import RELIABLE, SHARED, STRICT, WHOLE, Asymmetry
from lateralization.statistics.intervals import t_interval
from lateralization.statistics.lines import lines, slope_on
from lateralization.statistics.regressions import ols, regress, regress_steps
from lateralization.tables.fits import Fit
from lateralization.tables.summaries import FitSummary, LayerPoint

PUBLISHED = json.loads(
    (Path(__file__).parents[3] / "assets" / "published.json").read_text(encoding="utf-8")
)


def table(subject="average", language="en", source=None):
    for group in PUBLISHED["models"]:
        if (group["language"], group["subject"]) == (language, subject) and (
            source is None or group["source"] == source
        ):
            return group["values"]
    raise KeyError(subject)


MODELS = table(source="figures, digitised")
SIZES = np.array([one["n_parameters"] for one in MODELS.values()], dtype=float)


def column(name):
    if name == "best_layer":
        return np.array([m["best_layer_index"] / (m["n_layers"] + 1) for m in MODELS.values()])
    return np.array([one[name] for one in MODELS.values()], dtype=float)


def printed(subject="average"):
    return [
        pytest.param(entry, id=f"{entry['outcome']}-{entry['predictor']}-{entry['subset']}")
        for entry in PUBLISHED["regressions"]
        if entry["subject"] == subject
        and "family" not in entry["subset"]
        and entry["outcome"] in {*next(iter(MODELS.values())), "best_layer"}
    ]


@pytest.mark.parametrize("entry", printed())
def test_published_values_give_the_printed_correlations(entry):
    # Values were read off figures to half a pixel: r comes out to 0.01, p to a factor of 1.6
    # where r is strong (p of 1e-14 moves fast with r).
    name = entry["predictor"]
    x = np.log(SIZES) if name == "ln_n_parameters" else column(name)
    kept = SIZES > 3e9 if entry["subset"] != "all" else np.ones(28, bool)
    found = regress(x[kept], column(entry["outcome"])[kept])
    assert found.n_models == entry["n_models"]
    assert found.r == pytest.approx(entry["r"], abs=0.01)
    assert abs(np.log(found.p / entry["p"])) < np.log(1.6)


@pytest.mark.parametrize("outcome", PUBLISHED["ols"])
def test_published_values_give_the_printed_least_squares(outcome):
    known = PUBLISHED["ols"][outcome]
    predictors = {
        "ln_n_parameters": np.log(SIZES),
        "layers_with_embedding": column("n_layers") + 1,
        "n_hid": column("n_hid"),
    }
    found = ols(column(outcome), predictors)
    assert found.r2 == pytest.approx(known["r2"], abs=0.0021)
    assert found.r2_adj == pytest.approx(known["r2_adj"], abs=0.0025)
    assert found.f == pytest.approx(known["f"], rel=0.02)
    assert found.condition == pytest.approx(1.09e5, rel=0.01)
    for term in found.terms:
        printed_term = known[term.term]
        # a tenth of the standard error, or half a digit where four decimals were printed; the
        # ratio t, printed to three, is the sharper test
        assert term.std_err == pytest.approx(printed_term["std_err"], rel=0.03, abs=6e-4)
        error = max(term.std_err, printed_term["std_err"])
        assert abs(term.coefficient - printed_term["coefficient"]) < max(0.1 * error, 6e-5)
        assert term.t == pytest.approx(printed_term["t"], abs=0.1)


@pytest.mark.parametrize("subject", ["EN057", "EN058", "EN059", "EN061", "EN062"])
def test_published_values_of_individuals_give_the_printed_correlations(subject):
    values = table(subject)
    x = np.log([MODELS[name]["n_parameters"] for name in values])
    entries = [e for e in PUBLISHED["regressions"] if e["subject"] == subject]
    assert len(entries) == 4
    for entry in entries:
        name = {"score_whole_p90": "p90_whole"}.get(entry["outcome"], entry["outcome"])
        y = np.array([one[name] for one in values.values()])
        assert regress(x, y).r == pytest.approx(entry["r"], abs=0.015)


@pytest.mark.parametrize("kind", ["gpt2", "Qwen"])
def test_published_values_of_trained_families_give_the_printed_correlations(kind):
    untrained = table(source="figures, digitised; GPT-2 ran with dropout on")
    for subset, values in ((f"family {kind}", MODELS), (f"untrained, family {kind}", untrained)):
        entry = next(e for e in PUBLISHED["regressions"] if e["subset"] == subset)
        names = [n.removesuffix("_untrained_seed1") for n in untrained if n.startswith(kind)]
        end = "_untrained_seed1" if values is untrained else ""
        y = np.array([values[name + end]["l_minus_r_reliable"] for name in names])
        found = regress(np.log([MODELS[name]["n_parameters"] for name in names]), y)
        assert found.n_models == entry["n_models"]
        assert found.r == pytest.approx(entry["r"], abs=0.015)


def test_the_published_slope_and_intercept():
    found = regress(np.log(SIZES), column("l_minus_r_reliable"))
    assert found.slope == pytest.approx(0.00320, abs=2e-5)
    assert found.intercept == pytest.approx(-0.0588, abs=3e-4)


def unrelated(seed, memory, n):
    """Two autoregressive series that have nothing to do with each other, (2, n)."""
    noise = np.random.default_rng(seed).standard_normal((2, n + 200))
    return lfilter([1], [1, -memory], noise, axis=1)[:, 200:]


@pytest.mark.parametrize("memory", [0.0, 0.8, 1.0])
@pytest.mark.parametrize("n", [8, 24])
def test_unrelated_trajectories_over_steps_go_together_by_chance_alone(memory, n):
    series = [unrelated(seed, memory, n) for seed in range(400)]
    assert np.mean([regress_steps(x, y).p < 0.05 for x, y in series]) <= 0.08
    if memory:
        assert np.mean([stats.pearsonr(x, y).pvalue < 0.05 for x, y in series]) > 0.12


def test_steps_are_regressed_by_their_first_differences():
    x, y = unrelated(0, 0.9, 12)
    y = y + 0.5 * x
    found, oracle = regress_steps(x, y), stats.linregress(np.diff(x), np.diff(y))
    assert (found.r, found.slope) == (pytest.approx(oracle.rvalue), pytest.approx(oracle.slope))
    assert found.n_models == 12
    assert np.isnan(found.intercept)
    lags = [stats.pearsonr(one[1:], one[:-1]).statistic for one in (np.diff(x), np.diff(y))]
    if lags[0] * lags[1] < 0:
        assert found.p == pytest.approx(oracle.pvalue)
    else:
        assert found.p > oracle.pvalue
    assert found.slope_low < found.slope < found.slope_high
    assert regress_steps(x[:5], y[:5]).reason == "5 steps, 6 needed"
    assert "by as much" in regress_steps(np.arange(12.0), y).reason


def test_interval_of_the_slope_is_that_of_least_squares():
    rng = np.random.default_rng(1)
    x = rng.normal(size=8)
    y = x + rng.normal(size=8)
    found, full = regress(x, y), ols(y, {"x": x})
    assert found.slope_low == pytest.approx(full.terms[1].ci_low, abs=1e-12)
    assert found.p == pytest.approx(full.terms[1].p, rel=1e-9)


@pytest.mark.parametrize("n", [0, 1, 2])
def test_fewer_than_three_models_are_empty_with_a_reason(n):
    found = regress(np.arange(n, dtype=float), np.arange(n, dtype=float))
    assert np.isnan([found.r, found.p, found.slope, found.intercept]).all()
    assert found.reason == f"{n} model{'' if n == 1 else 's'}, 3 needed"


def test_fewer_than_five_models_give_no_least_squares():
    x = np.arange(4.0)
    found = ols(x**2, {"x": x})
    assert (found.terms, found.reason) == ((), "4 models, 5 needed")


def test_a_constant_predictor_is_told():
    assert "one value" in regress(np.ones(5), np.arange(5.0)).reason
    assert "cannot be told apart" in ols(np.arange(6.0), {"a": np.ones(6)}).reason


def test_models_without_a_value_are_left_out():
    x = np.array([1.0, 2, 3, np.nan, 5])
    found = regress(x, np.array([1.0, 2, 3.5, 4, np.nan]))
    assert found.n_models == 3


@pytest.mark.parametrize("shape", [(7,), (7, 3), (7, 2, 3, 4)])
def test_slopes_of_any_number_of_outcomes_are_those_of_linregress(shape):
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=7), rng.normal(size=shape)
    slopes = slope_on(x, y)
    assert slopes.shape == shape[1:]
    columns = y.reshape(7, -1).T
    expected = [stats.linregress(x, column).slope for column in columns]
    np.testing.assert_allclose(slopes.ravel(), expected, atol=1e-12)


def test_many_lines_are_those_of_linregress():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=9), rng.normal(size=(9, 6))
    y[:, 4], y[2, 5] = 1.0, np.nan
    found = lines(x, y)
    for i in range(4):
        line = stats.linregress(x, y[:, i])
        assert found.r[i] == pytest.approx(line.rvalue, rel=1e-9)
        assert found.t[i] == pytest.approx(line.slope / line.stderr, rel=1e-9)
        assert found.p[i] == pytest.approx(line.pvalue, rel=1e-9)
        assert found.slope[i] == pytest.approx(line.slope, rel=1e-9)
        half = stats.t.ppf(0.975, 7) * line.stderr
        assert found.slope_low[i] == pytest.approx(line.slope - half, rel=1e-9)
    assert np.isnan(found.r[4:]).all()
    assert np.isnan(lines(x[:2], y[:2]).r).all()
    one = (x - x.min()) / np.ptp(x)
    np.testing.assert_allclose(lines(one, y).r, found.r, atol=1e-12)
    assert np.isnan(lines(np.ones_like(x), y).r).all()


def test_the_best_layer_is_that_of_the_published_midline_rule():
    best = {(RELIABLE, SHARED): 3, (RELIABLE, STRICT): 7, (WHOLE, SHARED): 5, (WHOLE, STRICT): 1}
    nothing = Asymmetry("", 0, 0, 0, 0, t_interval(np.empty(0)), "")
    profiles = {
        key: [LayerPoint(layer, float(layer == top), nothing) for layer in range(13)]
        for key, top in best.items()
    }
    fit = Fit("en", "average", "gpt2", n_layers=12, layers=tuple(range(13)))
    one = FitSummary(fit, np.empty(0, np.float32), profiles=profiles)
    assert one.relative_best_layer == 3 / 13
    whole = {key: points for key, points in profiles.items() if key[0] == WHOLE}
    assert replace(one, profiles=whole).relative_best_layer == 5 / 13
