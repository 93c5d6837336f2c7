"""Banded ridge against scikit-learn and himalaya, and what the confounds take from a model."""

import importlib
from pathlib import Path

import numpy as np
import pytest
from himalaya.ridge import solve_group_ridge_random_search
from himalaya.scoring import correlation_score

from helpers.encoder_oracle import correlations, made_data, nested_search, zscored
from lateralization.ridge.banded import WEIGHTS, BandedDual, BandedPrimal, make_banded
from lateralization.ridge.choices import Choices
from lateralization.ridge.joint import confound_ridges, joint_ridges
from lateralization.ridge.ridge import encode
from lateralization.ridge.voxels import Voxels

LENGTHS = (27, 31, 24, 29, 22)
ALPHAS = np.logspace(1, 5, 5)
WIDTHS = {"primal": 14, "wide": 60, "dual": 150}
BANDS = {"one": (2,), "two": (1, 4), "three": (1, 2, 1), "wide": (14,)}


def made(width, widths, seed=0, noise=1.0):
    """Voxels that a model and confounds explain, the confounds with a larger share."""
    features, bold = made_data(LENGTHS, width, 40, seed=seed, noise=noise)
    rng = np.random.default_rng(seed + 1)
    bands = [[zscored(rng.standard_normal((n, w)) + features[i][:, :w]) for i, n in
              enumerate(LENGTHS)] for w in widths]  # fmt: skip
    weights = rng.standard_normal((sum(widths), 40))
    bold = [zscored(run + np.hstack([band[i] for band in bands]) @ weights)
            for i, run in enumerate(bold)]  # fmt: skip
    return features, bands, bold


@pytest.fixture(scope="module", params=WIDTHS, ids=str)
def data(request):
    return made(WIDTHS[request.param], BANDS["one"])


def stacked(features, bands, weights):
    """Scale the bands so that one penalty does what several do."""
    return [
        np.hstack([run, *(np.sqrt(w) * band[i] for w, band in zip(weights, bands, strict=True))])
        for i, run in enumerate(features)
    ]


def searched(features, bands, bold, grid, **more):
    """Do with scikit-learn what the joint search does: every weight and penalty."""
    found = {}
    for pair in grid.pairs:
        alpha, weights = pair
        found[pair] = nested_search(
            stacked(features, bands, weights), bold, np.array([alpha]), **more
        )
    return found


@pytest.mark.slow
@pytest.mark.parametrize("bands", BANDS)
@pytest.mark.parametrize("width", WIDTHS)
def test_the_shared_choice_equals_scikit_learn(width, bands):
    features, confounds, bold = made(WIDTHS[width], BANDS[bands])
    system = make_banded(features, confounds, ALPHAS)
    dual = width == "dual" or (width, bands) == ("wide", "wide")
    assert isinstance(system, BandedDual if dual else BandedPrimal)
    found = searched(features, confounds, bold, system.grid)
    validation = np.array([found[pair][2][:, 0] for pair in system.grid.pairs])
    best = validation.argmax(0)
    expected = np.array([found[system.grid.pairs[b]][0][run] for run, b in enumerate(best)])
    for precision, atol in (("float64", 1e-9), ("float32", 1e-5)):
        voxels = Voxels(bold, precision=precision)
        (ours,) = joint_ridges(features, confounds, [voxels], ALPHAS)
        pairs = [system.grid.pairs[b] for b in best]
        np.testing.assert_array_equal(ours.alphas, [alpha for alpha, _ in pairs])
        np.testing.assert_array_equal(ours.weights, [weights for _, weights in pairs])
        np.testing.assert_allclose(ours.r, expected, rtol=0, atol=atol)
    assert (ours.weights > 1).any()


def test_the_choice_of_each_voxel_equals_himalaya(data, monkeypatch):
    monkeypatch.setattr(
        "lateralization.ridge.banded.WEIGHTS", WEIGHTS[1:]
    )  # himalaya divides by them
    features, bands, bold = data
    (ours,) = joint_ridges(
        features, bands, [Voxels(bold, precision="float64")], ALPHAS,
        choices=Choices(alpha="per_voxel"),
    )  # fmt: skip
    spaces = [np.vstack(features[1:]), np.vstack(bands[0][1:])]
    ends = np.cumsum([len(run) for run in features[1:]])
    split = [(np.arange(ends[0], ends[-1]), np.arange(ends[0]))]  # run 1 validates test run 0
    gammas = np.array([[1.0, weight] for weight in WEIGHTS[1:]])
    found = solve_group_ridge_random_search(
        spaces, np.vstack(bold[1:]), n_iter=gammas, alphas=ALPHAS, cv=split,
        score_func=correlation_score, local_alpha=True, jitter_alphas=False,
        fit_intercept=False, progress_bar=False, return_weights=True, warn=False,
    )  # fmt: skip
    deltas, coefficients = np.asarray(found[0]), np.asarray(found[1])
    expected = np.log(ours.weights[0, :, 0]) - np.log(ours.alphas[0])
    np.testing.assert_allclose(deltas[1], expected, atol=1e-9)
    np.testing.assert_allclose(deltas[0], -np.log(ours.alphas[0]), atol=1e-9)
    predicted = np.hstack([features[0], bands[0][0]]) @ coefficients
    np.testing.assert_allclose(ours.r[0], correlations(predicted, bold[0]), rtol=0, atol=1e-9)


def test_a_band_of_more_columns_than_scans_is_turned_and_gives_the_same(data):
    features, _, bold = data
    rng = np.random.default_rng(4)
    wide = [rng.standard_normal((n, 160)) for n in LENGTHS]
    grid = make_banded(features, [wide], ALPHAS).grid
    assert grid.widths == [sum(LENGTHS)]
    (ours,) = joint_ridges(features, [wide], [Voxels(bold, precision="float64")], ALPHAS)
    for run, (alpha, weights) in enumerate(zip(ours.alphas, ours.weights, strict=True)):
        scaled = stacked(features, [wide], weights)
        expected = nested_search(scaled, bold, np.array([alpha]))[0][run]
        np.testing.assert_allclose(ours.r[run], expected, rtol=0, atol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize(
    "chosen", [Choices(inner_validation="all_runs"), Choices("per_voxel", "glover", "all_runs")]
)
def test_every_training_run_may_validate(data, chosen):
    features, bands, bold = data
    grid = make_banded(features, bands, ALPHAS).grid
    found = searched(features, bands, bold, grid, all_runs=True)
    (ours,) = joint_ridges(
        features, bands, [Voxels(bold, precision="float64")], ALPHAS, choices=chosen
    )
    for run in range(len(bold)):
        if chosen.alpha == "shared":
            alpha, weight = ours.alphas[run], tuple(ours.weights[run])
            np.testing.assert_allclose(ours.r[run], found[alpha, weight][0][run], atol=1e-9)
            best = max(table[2][run, 0] for table in found.values())
            np.testing.assert_allclose(found[alpha, weight][2][run, 0], best, atol=1e-12)
            continue
        for voxel in range(0, 40, 7):
            pair = ours.alphas[run, voxel], tuple(ours.weights[run, voxel])
            expected = found[pair][0][run, voxel]
            np.testing.assert_allclose(ours.r[run, voxel], expected, atol=1e-9)


def test_confounds_alone_are_the_ridge_of_them(data):
    _, bands, bold = data
    (alone,) = confound_ridges(bands, [Voxels(bold)], ALPHAS)
    expected = encode(bands[0], bold, ALPHAS)
    np.testing.assert_array_equal(alone.r, expected.r)
    _, two, bold = made(14, BANDS["two"])
    (both,) = confound_ridges(two, [Voxels(bold)], ALPHAS)
    (joint,) = joint_ridges(two[0], two[1:], [Voxels(bold)], ALPHAS)
    np.testing.assert_array_equal(both.r, joint.r)


def test_dropping_pairs_changes_no_answer():
    features, bands, bold = made(60, (2,))
    bold = [np.tile(run, 40) + 0.1 * np.random.default_rng(i).standard_normal((len(run), 1600))
            for i, run in enumerate(bold)]  # fmt: skip
    raced, whole = (
        joint_ridges(features, bands, [Voxels(bold, chunk=100)], ALPHAS, risk=risk)[0]
        for risk in (1e-9, 0)
    )
    np.testing.assert_array_equal(raced.r, whole.r)
    np.testing.assert_array_equal(raced.weights, whole.weights)


def test_a_left_out_voxel_decides_nothing(data):
    features, bands, bold = data
    spoiled = [run.copy() for run in bold]
    spoiled[1][:, 7] = np.nan
    rest = [np.delete(run, 7, axis=1) for run in bold]
    found, clean = (
        joint_ridges(features, bands, [Voxels(runs, precision="float64")], ALPHAS)[0]
        for runs in (spoiled, rest)
    )
    assert np.isnan(found.r[:, 7]).all()
    np.testing.assert_allclose(np.delete(found.r, 7, axis=1), clean.r, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(found.weights, clean.weights)


def test_what_only_the_confounds_explain_is_not_the_model_s():
    rng = np.random.default_rng(2)
    lengths = [60] * 6
    confounds = [[zscored(rng.standard_normal((n, 1))) for n in lengths]]
    features = [zscored(np.hstack([c + 0.5 * rng.standard_normal((n, 1)),
                                   rng.standard_normal((n, 20))]))
                for c, n in zip(confounds[0], lengths, strict=True)]  # fmt: skip
    bold = [zscored(c + rng.standard_normal((n, 400)) * np.r_[np.ones(200), 2 * np.ones(200)])
            for c, n in zip(confounds[0], lengths, strict=True)]  # fmt: skip
    voxels = Voxels(bold)
    alone = encode(features, bold).r
    raw = alone[:, :200].mean() - alone[:, 200:].mean()
    joint = joint_ridges(features, confounds, [voxels])[0].r
    unique = joint - confound_ridges(confounds, [voxels])[0].r
    assert raw > 0.2
    assert abs(unique[:, :200].mean() - unique[:, 200:].mean()) < 0.01


def test_the_benchmark_gives_the_ratio_of_banded_to_plain(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[3] / "benchmarks"))
    found = importlib.import_module("banded").measure(8, [1], n_voxels=50)
    assert set(found) == {"plain", "banded", "ratio"}
    assert found["ratio"] > 0
