"""ENCODE and RELIABILITY on 15,000 voxels and nine runs, against scikit-learn said plainly."""

import numpy as np
import pytest
from scipy import stats
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import Ridge

from helpers.encoder_oracle import ALPHAS, made_data
from lateralization.fmri.reliability import predict_group
from lateralization.ridge.ridge import encode

N_VOXELS = 15_001
LENGTHS = (23, 27, 21, 29, 25, 31, 19, 26, 24)
TIE = 1e-6


def pearson(predicted, measured):
    """Pearson's r per voxel; the centred sums, for all voxels at once."""
    x, y = predicted - predicted.mean(0), measured - measured.mean(0)
    return (x * y).sum(0) / np.sqrt((x**2).sum(0) * (y**2).sum(0))


def restated(model, features, bold):
    """Return r (runs, voxels), the penalties, and the mean validation r (runs, alphas)."""
    scores, chosen, validation = [], [], []
    for test in range(len(bold)):
        held, *rest = (run for run in range(len(bold)) if run != test)
        x, y = np.vstack([features[run] for run in rest]), np.vstack([bold[run] for run in rest])
        means = [
            pearson(model(alpha).fit(x, y).predict(features[held]), bold[held]).mean()
            for alpha in ALPHAS
        ]
        alpha = ALPHAS[int(np.argmax(means))]
        x, y = np.vstack([features[held], x]), np.vstack([bold[held], y])
        scores.append(pearson(model(alpha).fit(x, y).predict(features[test]), bold[test]))
        chosen.append(alpha)
        validation.append(means)
    return np.array(scores), np.array(chosen), np.array(validation)


def assert_equal(result, expected):
    r, alphas, validation = expected
    for run in np.flatnonzero(result.alphas != alphas):
        ours, theirs = (list(ALPHAS).index(one[run]) for one in (result.alphas, alphas))
        assert abs(validation[run, ours] - validation[run, theirs]) < TIE
    same = result.alphas == alphas
    assert same.sum() >= 8
    np.testing.assert_allclose(result.r[same], r[same], rtol=0, atol=1e-5)
    kept = np.isfinite(result.validation_r)
    np.testing.assert_allclose(result.validation_r[kept], validation[kept], rtol=0, atol=1e-6)
    assert ((alphas > ALPHAS[0]) & (alphas < ALPHAS[-1])).any()


def test_the_vectorised_r_is_scipys():
    x, y = np.random.default_rng(0).standard_normal((2, 30, 4))
    expected = [stats.pearsonr(x[:, voxel], y[:, voxel]).statistic for voxel in range(4)]
    np.testing.assert_allclose(pearson(x, y), expected, rtol=0, atol=1e-14)


@pytest.mark.slow
@pytest.mark.parametrize(("n_features", "noise"), [(24, 2.0), (300, 0.3)], ids=["primal", "dual"])
def test_encoding_equals_scikit_learn_at_size(n_features, noise):
    features, bold = made_data(LENGTHS, n_features, N_VOXELS, seed=11, noise=noise)
    expected = restated(lambda alpha: Ridge(alpha, fit_intercept=False), features, bold)
    assert_equal(encode(features, bold), expected)


@pytest.mark.slow
def test_reliability_equals_scikit_learn_at_size():
    # Two halves of a group that share a signal; as in the study they are not standardised again.
    rng = np.random.default_rng(12)
    loads = rng.standard_normal((30, N_VOXELS)) * (rng.random(N_VOXELS) < 0.6)
    first, second = [], []
    for n_scans in LENGTHS:
        signal = rng.standard_normal((n_scans, 30)) @ loads / 6
        for half in (first, second):
            half.append(0.4 * (signal + rng.standard_normal((n_scans, N_VOXELS))) + 0.05)
    expected = restated(lambda alpha: KernelRidge(alpha=alpha, kernel="linear"), first, second)
    assert_equal(predict_group(first, second), expected)
