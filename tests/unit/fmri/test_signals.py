"""Cleaning against the published test vector, nilearn and the definition of the filter."""

import numpy as np
import pytest
from nilearn import signal as nilearn_signal
from scipy import signal as scipy_signal

from lateralization.errors import BadInput
from lateralization.fmri.signals import clean, detrend, high_pass, standardise, trim
from lateralization.study import MIN_SCANS

VECTOR_HEAD = [
    0.1632462953738349,
    0.37467978987474976,
    0.031890714007950675,
    0.23458724642388282,
    0.4520071132258314,
    1.8859519827430862,
]
VECTOR_TAIL = [-0.7364580667249038, -0.08370869088159673]


@pytest.fixture
def series():
    rng = np.random.default_rng(0)
    drift = np.linspace(0, 30, 120)[:, None] * rng.normal(size=40)
    return rng.normal(size=(120, 40)) + drift + rng.normal(1000, 200, size=40)


def test_standardise_uses_the_population_deviation(series):
    z = standardise(series)
    assert np.allclose(z, (series - series.mean(0)) / series.std(0, ddof=0), atol=1e-12)
    assert np.allclose(z.std(axis=0, ddof=0), 1)


def test_standardise_works_along_any_axis_and_keeps_the_type(series):
    assert np.array_equal(standardise(series.T, axis=1), standardise(series).T)
    assert standardise(series.astype(np.float32)).dtype == np.float32


def test_standardise_shows_a_constant_series_as_nan():
    with np.errstate(all="raise"):
        assert np.isnan(standardise(np.zeros((5, 2)))).all()


def test_trim_drops_ten_scans_at_each_end():
    assert np.array_equal(trim(np.arange(30)), np.arange(10, 20))
    assert np.array_equal(trim(np.arange(6), 0), np.arange(6))


def test_the_filter_has_the_published_coefficients():
    b, a = scipy_signal.butter(5, 1 / 128, btype="high", fs=0.5)
    gain = 0.853056897425061
    assert np.allclose(b, gain * np.array([1, -5, 10, -10, 5, -1]), rtol=1e-12)
    impulse = np.zeros((64, 1))
    impulse[32] = 1
    assert np.array_equal(high_pass(impulse, 2.0), scipy_signal.filtfilt(b, a, impulse, axis=0))


def test_clean_gives_the_published_vector():
    t = np.arange(40.0)
    x = 2 * np.sin(t / 3) + 0.1 * t + np.cos(t**2) + 100
    cleaned = high_pass(detrend(x[:, None]), 2.0)
    assert np.allclose(standardise(cleaned)[:6, 0], VECTOR_HEAD, atol=1e-10)
    assert np.allclose(standardise(cleaned)[-2:, 0], VECTOR_TAIL, atol=1e-10)
    stored = clean(x[:, None], 2.0)[:, 0]
    assert stored.dtype == np.float32
    assert np.allclose(stored[[0, 1, 2, 3, 4, 5]], VECTOR_HEAD, atol=2e-7)


def test_clean_is_nilearns_cleaning_with_the_population_deviation(series):
    theirs = nilearn_signal.clean(
        series, detrend=True, standardize="zscore_sample", high_pass=1 / 128, t_r=2.0
    )
    n = series.shape[0]
    assert np.allclose(clean(series, 2.0), theirs * np.sqrt(n / (n - 1)), atol=5e-7)


def test_detrend_is_scipys(series):
    assert np.allclose(detrend(series), scipy_signal.detrend(series, axis=0), atol=1e-10)


def test_clean_ignores_offset_slope_and_scale(series):
    t = np.arange(series.shape[0])[:, None]
    assert np.allclose(clean(3 * series + 5 + 0.7 * t, 2.0), clean(series, 2.0), atol=1e-6)


def test_clean_removes_what_is_slower_than_the_cut_off_and_keeps_what_is_faster():
    seconds = 2.0 * np.arange(300)[:, None]
    slow, fast = np.sin(2 * np.pi * seconds / 400), np.sin(2 * np.pi * seconds / 20)
    cleaned = clean(slow + 0.1 * fast, 2.0)
    assert np.corrcoef(cleaned[30:-30, 0], fast[30:-30, 0])[0, 1] > 0.99


def test_voxels_do_not_influence_each_other(series):
    alone = clean(series[:, :1], 2.0)
    series[:, 1:] *= 1e6
    assert np.allclose(clean(series, 2.0)[:, :1], alone, atol=1e-6)


def test_a_dead_voxel_changes_no_other_voxel(series):
    whole = clean(series, 2.0)
    for value in (np.nan, 0.0, 1e4):
        series[:, 7] = value
        damaged = clean(series, 2.0)
        assert np.array_equal(np.delete(damaged, 7, axis=1), np.delete(whole, 7, axis=1))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("slope", [0.0, 0.1, 12345.6])
def test_a_constant_or_straight_series_becomes_exact_zeros(dtype, slope):
    line = 0.1 + slope * np.arange(282.0)[:, None]
    if slope == 0 or dtype == np.float64:
        assert not clean(line.astype(dtype), 2.0).any()


def test_one_scan_that_is_not_finite_silences_the_voxel(series):
    for value in (np.nan, np.inf, -np.inf):
        series[3, 5] = value
        assert not clean(series, 2.0)[:, 5].any()


def test_clean_leaves_its_input_alone(series):
    before = series.copy()
    clean(series, 2.0)
    assert np.array_equal(series, before)


def test_too_few_scans_are_refused():
    assert clean(np.random.default_rng(0).normal(size=(MIN_SCANS, 1)), 2.0).shape == (22, 1)
    with pytest.raises(BadInput, match="21 scans, at least 22"):
        clean(np.zeros((MIN_SCANS - 1, 1)), 2.0)


CONFOUNDS = np.random.default_rng(3).normal(size=(300, 8)).cumsum(axis=0) + 50


@pytest.mark.filterwarnings("ignore")
def test_confounds_are_regressed_off_as_nilearn_does(series):
    expected = nilearn_signal.clean(
        series, confounds=CONFOUNDS[: len(series)], detrend=True, standardize="zscore_sample",
        high_pass=1 / 128, t_r=2.0,
    )  # fmt: skip
    expected *= np.sqrt(len(series) / (len(series) - 1))
    ours = clean(series, 2.0, CONFOUNDS[: len(series)])
    assert np.abs(ours - expected).max() < 1e-5
    assert np.abs(ours - clean(series, 2.0)).max() > 0.1


def test_confounds_that_say_nothing_more_change_nothing(series):
    own = CONFOUNDS[: len(series), :3]
    line, constant = np.arange(len(own)) * 3.0 + 7, np.full(len(own), 0.1)
    twice = np.column_stack([own, own @ [[1.0], [2.0], [-1.0]], line, constant])
    np.testing.assert_allclose(clean(series, 2.0, twice), clean(series, 2.0, own), atol=1e-5)
    nothing = np.column_stack([line, constant])
    np.testing.assert_array_equal(clean(series, 2.0, nothing), clean(series, 2.0))


def test_a_voxel_that_is_a_confound_is_left_out(series):
    own = CONFOUNDS[: len(series)]
    mixed = np.column_stack([series[:, 0], own @ np.arange(1.0, 9.0)])
    cleaned = clean(mixed, 2.0, own)
    assert cleaned[:, 0].std() == pytest.approx(1, abs=1e-5)
    assert not cleaned[:, 1].any()
