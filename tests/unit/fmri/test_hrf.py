"""The haemodynamic operator against nilearn, the reference's vectors, and its own properties."""

import warnings

import numpy as np
import pytest
from nilearn.glm.first_level.hemodynamic_models import compute_regressor
from scipy.stats import gamma

from lateralization.errors import BadInput
from lateralization.fmri.hrf import fine_grid, frame_times, hrf_operator, study_hrf, to_scans

ENGLISH_SCANS = (282, 298, 340, 303, 265, 343, 325, 292, 368)
CHINESE_SCANS = (283, 322, 322, 307, 293, 392, 364, 293, 401)
FRENCH_SCANS = (309, 326, 354, 315, 293, 378, 332, 294, 336)
ENGLISH_GRIDS = (14701, 15501, 17601, 15751, 13851, 17751, 16851, 15201, 19001)


def by_convolution(onsets, durations, amplitudes, times):
    """Nilearn's own convolution, with the study's response in place of its newer one."""
    condition = np.array([onsets, durations, amplitudes])
    regressor, _ = compute_regressor(condition, study_hrf, times)
    return regressor[:, 0]


def made_words(rng, n_words, seconds):
    onsets = np.sort(rng.uniform(0, seconds, n_words)).round(3)
    durations = rng.uniform(0, 0.8, n_words).round(3)
    durations[::17] = 0
    onsets[5] = onsets[4]
    return onsets, durations


def test_words_that_end_before_they_start_are_those_of_the_study():
    onsets, durations = np.array([10.0, 30.0, 50.3, 60.0]), np.array([0.4, -2.5, 0.0, -90.0])
    amplitudes, times = np.array([1.0, -2.0, 0.5, 1.0]), frame_times(40)
    found = hrf_operator(onsets, durations, 40) @ amplitudes
    expected = by_convolution(onsets, durations, amplitudes, times)
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(found, expected, atol=1e-10)


def test_response_has_the_published_samples():
    response = study_hrf()
    assert response.shape == (800,)
    assert response.sum() == pytest.approx(1, abs=1e-14)
    assert response.argmax() == 127
    assert response.max() == pytest.approx(0.011167338712617336, abs=1e-15)
    assert response.argmin() == 314
    assert response.min() == pytest.approx(-0.0019815199194870535, abs=1e-15)
    first = [0, 1.365527180748e-28, 3.714426813011e-12, 1.798314422871e-10]
    np.testing.assert_allclose(response[:4], first, rtol=1e-9)
    assert response[100] == pytest.approx(0.009559716198444005, abs=1e-15)
    assert response[250] == pytest.approx(-0.00027399010003897347, abs=1e-15)


@pytest.mark.parametrize("tr", [0.5, 1.5, 2.0, 3.0])
def test_response_is_made_of_scipy_s_gamma_densities_bit_for_bit(tr):
    seconds = np.linspace(0, 32, round(32 / (tr / 50)))
    peak, undershoot = (gamma.pdf(seconds, a / 0.9, loc=tr / 50, scale=0.9) for a in (6, 12))
    expected = peak - 0.35 * undershoot
    np.testing.assert_array_equal(study_hrf(tr), expected / expected.sum())


def test_grid_has_the_published_lengths_and_ends():
    lengths = tuple(len(fine_grid(frame_times(n))) for n in ENGLISH_SCANS)
    assert lengths == ENGLISH_GRIDS
    grid = fine_grid(frame_times(24))
    assert len(grid) == 1802
    assert grid[0] == -23
    assert grid[-1] == pytest.approx(49.04347826086956, abs=1e-12)
    assert grid[1] - grid[0] == pytest.approx(0.040001931294209925, abs=1e-12)
    assert fine_grid(frame_times(282))[-1] == pytest.approx(565.0035587188613, abs=1e-9)


def test_regressor_of_the_reference():
    onsets, durations = [3.0, 5.25, 11.1, 11.1], [0.4, 0, 1.37, 0.2]
    expected = [
        0,
        0,
        0.017738038398236684,
        0.13250416546872731,
        0.13956247696931132,
        0.05265363070826324,
        0.005134833121816721,
        0.18226302650861265,
        0.3085326904471631,
        0.18496397412161247,
        0.026362502994333157,
        -0.05064603265787368,
        -0.05804109338359652,
        -0.03883581194569468,
        -0.019842963050704685,
        -0.00843174087072736,
        -0.0031132722126513955,
        -0.0010268774896648246,
        -0.0003082661126927938,
        -8.573776390656794e-05,
        -2.2276793586134606e-05,
        -5.460528912538146e-06,
        0,
        0,
    ]
    regressor = hrf_operator(onsets, durations, 24) @ np.array([1.5, -2.0, 0.75, 1.0])
    np.testing.assert_allclose(regressor, expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("n_scans", sorted({*ENGLISH_SCANS, *CHINESE_SCANS, *FRENCH_SCANS}))
def test_operator_equals_nilearn_at_the_published_run_lengths(n_scans):
    rng = np.random.default_rng(n_scans)
    onsets, durations = made_words(rng, 300, 2 * n_scans + 4)  # some words after the last scan
    amplitudes = rng.standard_normal(300)
    ours = hrf_operator(onsets, durations, n_scans) @ amplitudes
    theirs = by_convolution(onsets, durations, amplitudes, frame_times(n_scans))
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-10)


@pytest.mark.parametrize("tr", [0.72, 1.5, 3.0])
def test_operator_equals_nilearn_at_other_repetition_times(tr):
    rng = np.random.default_rng(3)
    onsets, durations = made_words(rng, 80, 100 * tr)
    amplitudes = rng.standard_normal(80)
    ours = hrf_operator(onsets, durations, 101, tr) @ amplitudes
    theirs = by_convolution(onsets, durations, amplitudes, frame_times(101, tr))
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-10)


@pytest.mark.parametrize("slice_time", [0.0, 0.2, 0.75, 1.46])
def test_operator_equals_nilearn_at_other_times_within_a_scan(slice_time):
    rng = np.random.default_rng(4)
    onsets, durations = made_words(rng, 80, 150)
    amplitudes = rng.standard_normal(80)
    ours = hrf_operator(onsets, durations, 101, 1.5, slice_time) @ amplitudes
    times = slice_time + 1.5 * np.arange(101)
    theirs = by_convolution(onsets, durations, amplitudes, times)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-10)


@pytest.mark.parametrize(
    ("onset", "duration"),
    [(-30.0, 0.5), (-23.0, 0), (-10.0, 25.0), (47.9, 0.5), (49.0, 3.0), (60.0, 1.0), (8.0, -0.3)],
)
def test_words_at_and_beyond_the_ends_are_treated_as_nilearn_does(onset, duration):
    onsets, durations = np.array([onset, 10.0]), np.array([duration, 0.3])
    ours = hrf_operator(onsets, durations, 24) @ np.array([1.3, 0.4])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        theirs = by_convolution(onsets, durations, [1.3, 0.4], frame_times(24))
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)


def test_operator_is_sparse_and_one_column_per_word():
    rng = np.random.default_rng(0)
    onsets, durations = made_words(rng, 1500, 550)
    operator = hrf_operator(onsets, durations, 282)
    assert operator.shape == (282, 1500)
    assert operator.dtype == np.float64
    assert operator.nnz < 19 * 1500


def test_a_response_sums_to_the_length_of_the_word():
    # Far from both ends the samples of one word sum to (samples of the word) / (samples per scan).
    total = hrf_operator([100.0], [0.79], 200).sum()
    assert total == pytest.approx(20 / 50, rel=5e-3)


def test_no_words_give_an_operator_without_columns():
    assert hrf_operator([], [], 30).shape == (30, 0)


@pytest.mark.parametrize(
    ("onsets", "durations", "n_scans"),
    [([1.0], [0.1, 0.2], 20), ([np.nan], [0.1], 20), ([1.0], [np.inf], 20), ([1.0], [0.1], 1)],
)
def test_impossible_events_are_bad_input(onsets, durations, n_scans):
    with pytest.raises(BadInput):
        hrf_operator(onsets, durations, n_scans)


@pytest.mark.parametrize("n_words", [0, 1, 700])
@pytest.mark.parametrize("order", ["in time", "shuffled"])
def test_bands_give_the_sparse_product(n_words, order):
    rng = np.random.default_rng(3)
    onsets = rng.uniform(60, 500, n_words)  # the first and last scans see no word
    onsets = np.sort(onsets) if order == "in time" else onsets
    states = rng.standard_normal((n_words, 5)).astype(np.float32)
    operator = hrf_operator(onsets, rng.uniform(0, 0.8, n_words), 282)
    expected = operator @ states.astype(np.float64)
    np.testing.assert_allclose(to_scans(operator, states), expected, rtol=0, atol=1e-14)
