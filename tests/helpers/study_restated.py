"""The study's procedure from raw files to asymmetries, re-stated with nilearn, scipy, scikit-learn.

Slow and plain on purpose, and without a line of the pipeline's own package: what a whole run
publishes is compared with this.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import torch
from nilearn.glm.first_level.hemodynamic_models import compute_regressor
from nilearn.image import resample_img, swap_img_hemispheres
from nilearn.maskers import NiftiMasker
from nilearn.masking import compute_multi_epi_mask, intersect_masks
from scipy.signal import butter, detrend, filtfilt
from scipy.stats import gamma
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import Ridge
from transformers import AutoModelForCausalLM, AutoTokenizer

Array = np.ndarray[Any, Any]

TR, TRIM, FRESH = 2.0, 10, 64
GRID = np.array([[4.0, 0, 0, -72], [0, 4, 0, -106], [0, 0, 4, -64], [0, 0, 0, 1]])
SHAPE = (37, 46, 38)
ALPHAS = np.logspace(2, 7, 16)


def standardised(series: Array) -> Array:
    """Give each column mean 0 and population deviation 1; a constant one stays 0."""
    deviation = series.std(0)
    return (series - series.mean(0)) / np.where(deviation > 0, deviation, 1)


def trimmed(series: Array) -> Array:
    """Drop both ends of a run and standardise what is left."""
    return standardised(series[TRIM:-TRIM])


def resampled(subject: Path) -> list[Any]:
    """Bring a subject's runs, in the order of their names, to the study's grid."""
    paths = sorted((subject / "func").glob("*.nii*"))
    return [resample_img(nib.load(path), target_affine=GRID, target_shape=SHAPE) for path in paths]


def symmetric_mask(images: Sequence[Any]) -> Any:
    """Make the mask of some runs, and keep what it shares with its mirror image."""
    mask = compute_multi_epi_mask(list(images), threshold=0.5)
    return intersect_masks([mask, swap_img_hemispheres(mask)], threshold=1)


def cleaned(images: Sequence[Any], mask: Any, smoothing_mm: float | None = None) -> list[Array]:
    """Detrend, filter and standardise each run: (scans, voxels in C order)."""
    masker = NiftiMasker(mask, smoothing_fwhm=smoothing_mm, standardize=None, dtype="float64")
    series = [masker.fit_transform(image) for image in images]
    # the mean first, so that a constant voxel is exactly 0 and not the rounding of a trend
    detrended = [detrend(run - run.mean(0), axis=0) for run in series]
    high_pass = butter(5, 1 / 128, "highpass", fs=1 / TR)
    return [standardised(filtfilt(*high_pass, run, axis=0)) for run in detrended]


def halves_predict_halves(
    subjects: Sequence[Sequence[Array]], seed: int, kept: Array, tests: Sequence[int]
) -> Array:
    """One trial of the reliability: a random half predicts the kept voxels of the other."""
    order = np.arange(len(subjects))
    np.random.RandomState(seed).shuffle(order)
    halves = order[: len(order) // 2], order[len(order) // 2 :]
    first, second = (
        [np.mean([subjects[i][run] for i in half], axis=0)[TRIM:-TRIM] for run in range(9)]
        for half in halves
    )
    ridge = lambda alpha: KernelRidge(alpha=alpha)  # noqa: E731
    return nested(first, [run[:, kept] for run in second], tests, ridge)[0]


def words_of(annotation: Path) -> list[pd.DataFrame]:
    """Read the words of each run that are words."""
    table = pd.read_csv(annotation)
    table = table[[isinstance(word, str) and word != " " for word in table.word]]
    return [table[table.section == run] for run in range(1, 10)]


def states_of(model: Path, text: str) -> tuple[list[list[Array]], list[int]]:
    """Read a text window by window; hidden states [window][layer], and where news begins."""
    tokenizer = AutoTokenizer.from_pretrained(model)
    network = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32).eval()
    length = network.config.max_position_embeddings
    windows = tokenizer(
        text,
        truncation=True,
        max_length=length,
        stride=length - FRESH,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )
    kept, news, seen = [], [], 0
    for ids, spans in zip(windows["input_ids"], windows["offset_mapping"], strict=True):
        with torch.no_grad():
            out = network(torch.tensor([ids]), output_hidden_states=True)
        kept.append([state[0].numpy() for state in out.hidden_states])
        news.append(next((at for at, (start, end) in enumerate(spans) if end > start >= seen), 0))
        seen = max(end for _, end in spans)
    return kept, news


def word_vectors(model: Path, text: str, spans: pd.DataFrame) -> Array:
    """Average the states of each word's tokens: (layers, words, width)."""
    states, news = states_of(model, text)
    layers = []
    for layer in range(len(states[0])):
        words = []
        for span in spans.itertuples():
            first, last = states[span.window][layer], states[span.end_window][layer]
            if span.window == span.end_window:
                tokens = first[span.first_token : span.end_token]
            else:
                rest = last[news[span.end_window] : span.end_token]
                tokens = np.concatenate([first[span.first_token :], rest])
            words.append(tokens.mean(0))
        layers.append(np.array(words))
    return np.array(layers, dtype=np.float64)


def response(_tr: float = TR, _oversampling: int = 50) -> Array:
    """The study's haemodynamic response: Glover's, with an undershoot of 0.35."""
    times = np.linspace(0, 32, 800)
    peak = gamma.pdf(times, 6 / 0.9, loc=0.04, scale=0.9)
    values = peak - 0.35 * gamma.pdf(times, 12 / 0.9, loc=0.04, scale=0.9)
    return np.asarray(values / values.sum())


def regressors(vectors: Array, words: pd.DataFrame, n_scans: int) -> Array:
    """Convolve each feature of the words, (words, width), to (scans after trimming, width)."""
    times = TR * np.arange(n_scans) + TR / 2
    onsets = words.onset.to_numpy()
    durations = words.offset.to_numpy() - onsets
    columns = [
        compute_regressor(np.array([onsets, durations, amplitudes]), response, times)[0][:, 0]
        for amplitudes in vectors.T
    ]
    return trimmed(np.array(columns).T)


def correlations(one: Array, two: Array) -> Array:
    """Pearson's r, column by column."""
    return np.asarray((standardised(one) * standardised(two)).mean(0))


def nested(
    features: Sequence[Array],
    bold: Sequence[Array],
    tests: Sequence[int],
    model: Any = lambda alpha: Ridge(alpha, fit_intercept=False),
) -> tuple[Array, Array]:
    """Leave some runs out, each in turn; r (test runs, voxels) and the penalties."""

    def predicted(train: Sequence[int], test: int, alpha: float) -> Array:
        fitted = model(alpha).fit(
            np.vstack([features[run] for run in train]), np.vstack([bold[run] for run in train])
        )
        return correlations(fitted.predict(features[test]), bold[test])

    r, chosen = [], []
    for test in tests:
        train = [run for run in range(9) if run != test]
        tried = [predicted(train[1:], train[0], alpha).mean() for alpha in ALPHAS]
        chosen.append(ALPHAS[int(np.argmax(tried))])
        r.append(predicted(train, test, chosen[-1]))
    return np.array(r), np.array(chosen)


def sphere(mask: Any, centre: Sequence[float]) -> Array:
    """Tell which voxels of the mask lie within 10 mm of a place."""
    places = nib.affines.apply_affine(mask.affine, np.argwhere(mask.get_fdata() > 0))
    return np.asarray(np.linalg.norm(places - np.array(centre), axis=1) <= 10)
