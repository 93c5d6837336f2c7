"""The study's nested search said again with scikit-learn, and made data to try it on."""

import numpy as np
import torch
from sklearn.linear_model import Ridge
from threadpoolctl import threadpool_limits

# Threads that wait for each other cost more than these small products, most of all when several
# test processes share the cores.
torch.set_num_threads(1)
threadpool_limits(1)

ALPHAS = np.logspace(2, 7, 16)


def zscored(x):
    return (x - x.mean(0)) / x.std(0)


def made_data(lengths, n_features, n_voxels, seed=0, noise=2.0):
    """Correlated features that explain a part of every voxel, standardised run by run."""
    rng = np.random.default_rng(seed)
    mixing = rng.standard_normal((n_features, n_features)) / np.arange(1, n_features + 1) ** 0.5
    weights = rng.standard_normal((n_features, n_voxels)) / n_features
    features, bold = [], []
    for n_scans in lengths:
        states = zscored(rng.standard_normal((n_scans, n_features)) @ mixing.T)
        features.append(states)
        bold.append(zscored(states @ weights + noise * rng.standard_normal((n_scans, n_voxels))))
    return features, bold


def correlations(predicted, measured):
    pairs = zip(predicted.T, measured.T, strict=True)
    return np.array([np.corrcoef(x, y)[0, 1] for x, y in pairs])


def nested_search(features, bold, alphas=ALPHAS):
    """Return r (runs, voxels), the chosen alphas, and the mean validation r (runs, alphas)."""
    scores, chosen, validation = [], [], []
    for test in range(len(bold)):
        train = [run for run in range(len(bold)) if run != test]
        held, rest = train[0], train[1:]
        x, y = np.vstack([features[i] for i in rest]), np.vstack([bold[i] for i in rest])
        means = []
        for alpha in alphas:
            model = Ridge(alpha, fit_intercept=False).fit(x, y)
            means.append(correlations(model.predict(features[held]), bold[held]).mean())
        alpha = alphas[int(np.argmax(means))]
        x, y = np.vstack([features[i] for i in train]), np.vstack([bold[i] for i in train])
        model = Ridge(alpha, fit_intercept=False).fit(x, y)
        scores.append(correlations(model.predict(features[test]), bold[test]))
        chosen.append(alpha)
        validation.append(means)
    return np.array(scores), np.array(chosen), np.array(validation)
