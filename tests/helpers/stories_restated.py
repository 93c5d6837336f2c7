"""Fits of a person's, or an average's, own stories, re-stated with nilearn, scipy, scikit-learn.

Slow and plain on purpose, and without a line of the pipeline's own package.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
from nilearn.glm.first_level.hemodynamic_models import compute_regressor
from nilearn.image import index_img, resample_img
from nilearn.maskers import NiftiMasker
from scipy.signal import butter, detrend, filtfilt
from scipy.stats import gamma
from sklearn.linear_model import Ridge

from helpers.study_restated import ALPHAS, GRID, SHAPE, correlations, standardised

Array = np.ndarray[Any, Any]
Key = tuple[str, int]
"""A story and its repetition, from 1."""


def regressors(
    vectors: Array, words: pd.DataFrame, n_scans: int, tr: float, slice_time: float
) -> Array:
    """Convolve each feature of the words, (words, width), to (scans, width)."""

    def response(_tr: float, oversampling: int = 50) -> Array:
        step = tr / oversampling
        times = np.linspace(0, 32, int(np.rint(32 / step)))
        peak = gamma.pdf(times, 6 / 0.9, loc=step, scale=0.9)
        values = peak - 0.35 * gamma.pdf(times, 12 / 0.9, loc=step, scale=0.9)
        return np.asarray(values / values.sum())

    frames = tr * np.arange(n_scans) + slice_time
    onsets = words.onset.to_numpy()
    durations = words.offset.to_numpy() - onsets
    return np.array(
        [
            compute_regressor(np.array([onsets, durations, one]), response, frames)[0][:, 0]
            for one in vectors.T
        ]
    ).T


def on_grid(path: Path) -> Any:
    """Bring a run to the study's grid."""
    return resample_img(nib.load(path), target_affine=GRID, target_shape=SHAPE)


def cleaned(
    image: Any,
    mask: Any,
    tr: float,
    n_scans: int | None = None,
    smoothing_mm: float | None = None,
    confounds: Array | None = None,
) -> Array:
    """Detrend, filter and standardise the first scans of a run: (scans, voxels).

    ``confounds`` (scans, confounds) are detrended and filtered alike, and regressed off before.
    """
    filtering = butter(5, 1 / 128, "highpass", fs=1 / tr)
    masker = NiftiMasker(mask, smoothing_fwhm=smoothing_mm, standardize=None, dtype="float64")
    series = masker.fit_transform(image if n_scans is None else index_img(image, slice(n_scans)))
    series = detrend(series - series.mean(0), axis=0)
    series = filtfilt(*filtering, series, axis=0)
    if confounds is not None:
        of_run = detrend(standardised(confounds[: len(series)]), axis=0)
        of_run = filtfilt(*filtering, of_run, axis=0)
        of_run, series = of_run - of_run.mean(0), series - series.mean(0)
        series = series - of_run @ np.linalg.lstsq(of_run, series, rcond=None)[0]
    return standardised(series)


def nested(
    features: Mapping[Key, Array],
    bold: Mapping[Key, Array],
    order: Sequence[str],
    never_trained: Sequence[str] = (),
) -> tuple[Array, Array]:
    """Leave each story out in turn; r (stories, voxels) and the penalties.

    All repetitions of a story are left out together; in training each of k has the weight 1/k; the
    score of a story is the mean over its repetitions.
    """
    runs = {story: [key for key in bold if key[0] == story] for story in order}

    def predicted(train: Sequence[str], test: str, alpha: float) -> Array:
        rows = [key for story in train for key in runs[story]]
        weights = [
            np.full(len(bold[key]), 1 / len(runs[story])) for story in train for key in runs[story]
        ]
        fitted = Ridge(alpha, fit_intercept=False).fit(
            np.vstack([features[key] for key in rows]),
            np.vstack([bold[key] for key in rows]),
            np.concatenate(weights),
        )
        return np.mean(
            [correlations(fitted.predict(features[key]), bold[key]) for key in runs[test]], axis=0
        )

    r, chosen = [], []
    for test in order:
        train = [story for story in order if story != test and story not in never_trained]
        tried = [predicted(train[1:], train[0], alpha).mean() for alpha in ALPHAS]
        chosen.append(ALPHAS[int(np.argmax(tried))])
        r.append(predicted(train, test, chosen[-1]))
    return np.array(r), np.array(chosen)
