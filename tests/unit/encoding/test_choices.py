"""Choices of the encoder against scikit-learn and himalaya, and what must not change them."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from himalaya.ridge import RidgeCV as HimalayaRidgeCV
from himalaya.scoring import correlation_score
from nilearn.glm.first_level.hemodynamic_models import compute_regressor

from helpers.encode_inputs import encode_layer, numbered_operators
from helpers.encoder_oracle import ALPHAS, correlations, made_data, nested_search
from lateralization.encoding.regressors import regressors
from lateralization.errors import BadInput
from lateralization.fmri.hrf import FIR_DELAYS, fir_operators
from lateralization.ridge.choices import Choices
from lateralization.ridge.ridge import encode

LENGTHS = (27, 31, 24, 29, 22)
WIDTHS = {"few": 12, "primal": 60, "dual": 150}
NOISE = {"few": 2.0, "primal": 0.6, "dual": 0.3}
CHOICES = {
    "per_voxel": Choices(alpha="per_voxel"),
    "all_runs": Choices(inner_validation="all_runs"),
    "both": Choices(alpha="per_voxel", inner_validation="all_runs"),
    "components": Choices(components=9),
    "all_three": Choices(alpha="per_voxel", inner_validation="all_runs", components=9),
}


@pytest.fixture(scope="module", params=WIDTHS, ids=str)
def data(request):
    return made_data(LENGTHS, WIDTHS[request.param], 60, noise=NOISE[request.param])


@pytest.fixture(scope="module", params=CHOICES, ids=str)
def chosen(request):
    return CHOICES[request.param]


def oracle(data, chosen):
    return nested_search(
        *data,
        per_voxel=chosen.alpha == "per_voxel",
        all_runs=chosen.inner_validation == "all_runs",
        components=chosen.components,
    )


@pytest.mark.slow
def test_every_choice_equals_scikit_learn(data, chosen):
    r, alphas, validation = oracle(data, chosen)
    found = encode(*data, precision="float64", choices=chosen)
    np.testing.assert_array_equal(found.alphas, alphas)
    np.testing.assert_allclose(found.r, r, rtol=0, atol=1e-9)
    kept = np.isfinite(found.validation_r)
    np.testing.assert_allclose(found.validation_r[kept], validation[kept], rtol=0, atol=1e-9)
    assert len(np.unique(alphas)) > 1  # else the choice is not tested
    quick = encode(*data, choices=chosen)
    np.testing.assert_array_equal(quick.alphas, alphas)
    np.testing.assert_allclose(quick.r, r, rtol=0, atol=1e-5)


def test_of_three_runs_both_others_validate():
    data = made_data((28, 33, 25), 12, 40)
    chosen = CHOICES["all_runs"]
    r, alphas, validation = oracle(data, chosen)
    found = encode(*data, precision="float64", choices=chosen)
    np.testing.assert_array_equal(found.alphas, alphas)
    np.testing.assert_allclose(found.r, r, rtol=0, atol=1e-9)
    kept = np.isfinite(found.validation_r)
    assert kept.any()
    np.testing.assert_allclose(found.validation_r[kept], validation[kept], rtol=0, atol=1e-9)


def test_the_penalty_of_a_voxel_is_that_of_himalaya(data):
    features, bold = data
    found = encode(features, bold, precision="float64", choices=CHOICES["per_voxel"])
    ends = np.cumsum([len(run) for run in features[1:]])
    split = [(np.arange(ends[0], ends[-1]), np.arange(ends[0]))]  # run 1 validates test run 0
    solver = {"score_func": correlation_score, "local_alpha": True, "warn": False}
    theirs = HimalayaRidgeCV(ALPHAS, fit_intercept=False, cv=split, solver_params=solver)
    theirs.fit(np.vstack(features[1:]), np.vstack(bold[1:]))
    np.testing.assert_allclose(found.alphas[0], np.asarray(theirs.best_alphas_), rtol=1e-12)
    r = correlations(np.asarray(theirs.predict(features[0])), bold[0])
    np.testing.assert_allclose(found.r[0], r, rtol=0, atol=1e-9)


def test_permuting_voxels_permutes_every_choice(data, chosen):
    features, bold = data
    order = np.random.default_rng(1).permutation(60)
    straight = encode(features, bold, choices=chosen)
    permuted = encode(features, [run[:, order] for run in bold], choices=chosen)
    expected = straight.alphas[..., order] if chosen.alpha == "per_voxel" else straight.alphas
    np.testing.assert_array_equal(permuted.alphas, expected)
    np.testing.assert_allclose(permuted.r, straight.r[:, order], rtol=0, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("chunk", [1, 7])
def test_the_size_of_a_chunk_changes_no_penalty(data, chosen, chunk):
    whole, cut = (encode(*data, choices=chosen, chunk=size) for size in (1000, chunk))
    np.testing.assert_array_equal(cut.alphas, whole.alphas)
    np.testing.assert_allclose(cut.r, whole.r, rtol=0, atol=1e-6)


def test_penalties_closer_than_float32_tells_are_compared_in_float64():
    # Two penalties a millionth apart: the same r in float32, and one is the better in float64.
    features, bold = made_data(LENGTHS, 60, 200, noise=0.6)
    alphas = np.array([1000.0, 1000.001])
    exact = encode(
        features, [run.astype(np.float32).astype(np.float64) for run in bold], alphas,
        precision="float64", choices=CHOICES["per_voxel"],
    )  # fmt: skip
    quick = encode(features, bold, alphas, choices=CHOICES["per_voxel"])
    assert len(np.unique(exact.alphas)) == 2
    np.testing.assert_array_equal(quick.alphas, exact.alphas)


@pytest.mark.slow
@pytest.mark.parametrize("bad", [np.nan, 3.0])
def test_a_constant_or_nan_voxel_decides_nothing(data, chosen, bad):
    features, bold = data
    spoiled = [run.copy() for run in bold]
    spoiled[2][:, 41] = bad
    found = encode(features, spoiled, precision="float64", choices=chosen)
    rest = [np.delete(run, 41, axis=1) for run in bold]
    clean = encode(features, rest, precision="float64", choices=chosen)
    assert np.isnan(found.r[:, 41]).all()
    np.testing.assert_allclose(np.delete(found.r, 41, axis=1), clean.r, rtol=0, atol=1e-12)
    if chosen.alpha == "per_voxel":
        assert np.isnan(found.alphas[:, 41]).all()
        np.testing.assert_array_equal(np.delete(found.alphas, 41, axis=1), clean.alphas)


def planted(seed=0):
    """Features whose first direction drives every voxel and is large in the last run only."""
    rng = np.random.default_rng(seed)
    features, bold = [], []
    for run, n_scans in enumerate(LENGTHS):
        loud = 5.0 if run == len(LENGTHS) - 1 else 0.3
        states = rng.standard_normal((n_scans, 30)) * np.r_[loud, np.ones(29)]
        states -= states.mean(0)
        features.append(states)
        bold.append(states[:, :1] / loud + 0.1 * rng.standard_normal((n_scans, 20)))
    return features, bold


def test_components_know_nothing_of_the_test_run():
    features, bold = planted()
    stacked = np.vstack(features)
    leaking = np.linalg.svd(stacked - stacked.mean(0), full_matrices=False)[2][:3]
    leaked = encode([run @ leaking.T for run in features], bold)
    assert leaked.r[-1].mean() > 0.9  # a PCA of all runs finds what only the test run shows
    found = encode(features, bold, choices=Choices(components=3))
    assert abs(found.r[-1].mean()) < 0.5
    spoiled = [*features[:-1], features[-1][:, ::-1].copy()]
    again = encode(spoiled, bold, choices=Choices(components=3))
    np.testing.assert_array_equal(again.alphas[-1], found.alphas[-1])


def test_as_many_components_as_features_are_all_of_them(data):
    whole = encode(*data, precision="float64")
    width = data[0][0].shape[1]
    every = encode(*data, precision="float64", choices=Choices(components=width))
    np.testing.assert_array_equal(every.r, whole.r)
    if width < 100:
        nearly = encode(*data, precision="float64", choices=Choices(components=width - 1))
        assert not np.array_equal(nearly.r, whole.r)


def test_words_are_summed_over_scans_and_delayed():
    operators = fir_operators([0.0, 1.9, 2.0, 13.0, 19.0], 10)
    assert len(operators) == len(FIR_DELAYS)
    assert FIR_DELAYS == (2, 4, 6, 8, 10)
    amplitudes = np.array([1.0, 10.0, 100.0, 1000.0, 10000.0])
    in_scan = np.array([11.0, 100, 0, 0, 0, 0, 1000, 0, 0, 10000])
    for delay, operator in zip(FIR_DELAYS, operators, strict=True):
        expected = np.r_[np.zeros(delay // 2), in_scan[: -delay // 2]]
        np.testing.assert_array_equal(operator @ amplitudes, expected)


@pytest.mark.parametrize("tr", [0.5, 1.0, 2.0])
def test_delays_that_are_whole_scans_are_those_of_nilearn(tr):
    rng = np.random.default_rng(4)
    # nilearn's fine grid is a little coarser than tr / 50: words at a scan's border may be beyond
    onsets = np.sort(tr * (rng.integers(0, 90, 60) + rng.uniform(0.1, 0.9, 60)))
    amplitudes = rng.standard_normal(60)
    condition = np.array([onsets, np.zeros(60), amplitudes])
    shifts = [round(delay / tr) for delay in FIR_DELAYS]
    made, _ = compute_regressor(condition, "fir", tr * np.arange(100), fir_delays=shifts)
    ours = np.column_stack([one @ amplitudes for one in fir_operators(onsets, 100, tr)])
    assert np.abs(ours).sum(axis=0).min() > 1
    np.testing.assert_allclose(ours, 50 * made, atol=1e-12)


@pytest.mark.parametrize("tr", [0.71, 1.5, 3.0])
def test_delays_are_seconds_whatever_the_repetition_time(tr):
    onsets = np.sort(np.random.default_rng(5).uniform(0, 60, 50))
    for delay, operator in zip(FIR_DELAYS, fir_operators(onsets, 120, tr), strict=True):
        scans, words = operator.nonzero()
        assert sorted(words) == list(range(50))
        assert (scans * tr <= onsets[words] + delay).all()
        assert (onsets[words] + delay < (scans + 1) * tr).all()


@pytest.mark.parametrize("tr", [0.1, 0.4])
def test_a_word_at_a_border_of_scans_keeps_its_scan(tr):
    onsets = np.arange(30) * tr
    for delay, operator in zip(FIR_DELAYS, fir_operators(onsets, 200, tr), strict=True):
        scans, words = operator.nonzero()
        expected = np.floor(onsets / tr) + round(delay / tr)
        np.testing.assert_array_equal(scans[np.argsort(words)], expected)


def test_delays_are_columns_of_their_own():
    words = pd.DataFrame({"run": 1, "onset": [0.0, 5.0, 9.0], "offset": [0.5, 5.5, 9.5]})
    operators = numbered_operators(words, [12], 2.0, "fir")
    states = np.random.default_rng(0).standard_normal((3, 4))
    made, constant = regressors(states, operators[0], 1)
    expected = np.hstack([(operator @ states)[1:-1] for operator in operators[0]])
    np.testing.assert_allclose(made, (expected - expected.mean(0)) / expected.std(0), atol=1e-12)
    assert made.shape == (10, 20)
    assert constant == 0


def test_fir_recovers_a_response_that_the_study_does_not_know():
    rng = np.random.default_rng(3)
    words, states, bold = [], [], []
    for run in (1, 2, 3, 4):
        onsets = np.sort(rng.uniform(0, 116, 200))
        words.append(pd.DataFrame({"run": run, "onset": onsets, "offset": onsets + 0.3}))
        states.append(rng.standard_normal((200, 3)))
        late = fir_operators(onsets, 60)[4] @ states[-1]  # all of it 10 s late
        bold.append(late @ np.ones((3, 5)) + 0.3 * rng.standard_normal((60, 5)))
    scores = {
        hrf: encode_layer(states, pd.concat(words), bold, n_trim=2, choices=Choices(hrf=hrf)).r
        for hrf in ("glover", "fir")
    }
    assert scores["fir"].mean() > 0.9
    assert scores["glover"].mean() < 0.5


@pytest.mark.parametrize(("onsets", "n_scans"), [([1.0, np.nan], 9), ([1.0], 1)])
def test_times_that_cannot_be_sampled_are_bad_input(onsets, n_scans):
    with pytest.raises(BadInput):
        fir_operators(onsets, n_scans)


def test_defaults_are_the_study_s():
    assert replace(Choices()) == Choices("shared", "glover", "one_run", None)
