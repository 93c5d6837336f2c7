"""The nested search over stories with repetitions said again, by ridge with sample weights."""

import numpy as np
from sklearn.linear_model import Ridge

from helpers.encoder_oracle import ALPHAS, correlations


def predicted(x, y, weights, target, alpha, components=None):
    """Fit rows of some weights, and predict: by scikit-learn; components are those of the rows."""
    if components is not None:
        _, vectors = np.linalg.eigh(x.T * weights @ x)
        x, target = x @ vectors[:, -components:], target @ vectors[:, -components:]
    fit = Ridge(alpha, fit_intercept=False, solver="svd").fit(x, y, sample_weight=weights)
    return fit.predict(target)


def nested_over_stories(
    features, bold, stories, *, test=(), alphas=ALPHAS, per_voxel=False, all_stories=False,
    components=None,
):  # fmt: skip
    """Search by story: ``stories`` are lists of runs, ``test`` places of those that never train.

    Return r (stories, voxels), penalties, and the mean validation r (stories, alphas).
    """

    def scored(train, target, alpha):
        """Train on some stories; the mean of r over the repetitions of another."""
        runs = [run for story in train for run in stories[story]]
        weights = np.concatenate(
            [
                np.full(len(bold[run]), 1 / len(stories[story]))
                for story in train
                for run in stories[story]
            ]
        )
        x, y = (np.vstack([each[run] for run in runs]) for each in (features, bold))
        by_run = [
            correlations(predicted(x, y, weights, features[run], alpha, components), bold[run])
            for run in stories[target]
        ]
        return np.mean(by_run, axis=0)

    found = []
    for story in range(len(stories)):
        train = [other for other in range(len(stories)) if other != story and other not in test]
        tried = np.array(
            [
                np.mean(
                    [
                        scored([other for other in train if other != held], held, alpha)
                        for held in (train if all_stories else train[:1])
                    ],
                    axis=0,
                )
                for alpha in alphas
            ]
        )
        means = tried.mean(axis=1)
        n_voxels = bold[0].shape[1]
        best = tried.argmax(0) if per_voxel else np.full(n_voxels, means.argmax())
        r = np.empty(n_voxels)
        for place in np.unique(best):
            r[best == place] = scored(train, story, alphas[place])[best == place]
        found.append((r, alphas[best] if per_voxel else alphas[best[0]], means))
    return tuple(np.array(each) for each in zip(*found, strict=True))
