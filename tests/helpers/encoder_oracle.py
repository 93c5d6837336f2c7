"""The study's nested search said again with scikit-learn, and made data to try it on."""

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
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


def _fitted(features, bold, train, alpha, components):
    """Fit scikit-learn's ridge to some runs; with components, behind a PCA of the same runs."""
    x, y = (np.vstack([runs[i] for i in train]) for runs in (features, bold))
    ridge = Ridge(alpha, fit_intercept=False)
    if components is None:
        return ridge.fit(x, y)
    return make_pipeline(PCA(components, svd_solver="full"), ridge).fit(x, y)


def nested_search(
    features, bold, alphas=ALPHAS, *, per_voxel=False, all_runs=False, components=None
):
    """Return r (runs, voxels), the chosen alphas, and the mean validation r (runs, alphas)."""
    scores, chosen, validation = [], [], []
    for test in range(len(bold)):
        train = [run for run in range(len(bold)) if run != test]
        tried = []
        for alpha in alphas:
            r = []
            for held in train if all_runs else train[:1]:
                rest = [run for run in train if run != held]
                model = _fitted(features, bold, rest, alpha, components)
                r.append(correlations(model.predict(features[held]), bold[held]))
            tried.append(np.mean(r, axis=0))
        means = np.mean(tried, axis=1)
        n_voxels = bold[0].shape[1]
        best = np.argmax(tried, axis=0) if per_voxel else np.full(n_voxels, np.argmax(means))
        r = np.empty(n_voxels)
        for place in np.unique(best):
            model = _fitted(features, bold, train, alphas[place], components)
            mine = best == place
            r[mine] = correlations(model.predict(features[test]), bold[test])[mine]
        scores.append(r)
        chosen.append(alphas[best] if per_voxel else alphas[best[0]])
        validation.append(means)
    return np.array(scores), np.array(chosen), np.array(validation)
