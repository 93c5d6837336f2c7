"""Made data of the size and the structure of the study's, for ``encoding.py``.

Words come at the pace of speech; hidden states have a power-law spectrum; voxels answer linearly to
the leading directions of the states, more or less strongly, under noise that is slow like BOLD.
Everything follows from a seed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from scipy import sparse
from scipy.fft import dct
from scipy.signal import lfilter

from lateralization.arrays import Array
from lateralization.encoding.regressors import regressors
from lateralization.fmri.hrf import hrf_operator
from lateralization.fmri.signals import standardise, trim
from lateralization.study import ALPHAS, TR, TRIM

ENGLISH_SCANS = (282, 298, 340, 303, 265, 343, 325, 292, 368)
"""Scans of the English runs before trimming."""

ENGLISH_WORDS = (1477, 1636, 1811, 1605, 1443, 1773, 1696, 1532, 1871)
"""Words of the English text, run by run."""

N_VOXELS = 25870
"""Voxels of the English mask."""

N_SHARED = 200
"""Leading directions of the states that voxels answer to; the same for every number of features."""

SILENT = 0.4
"""Share of the voxels that answer to nothing."""

STRENGTHS = (0.1, 0.6)
"""Range of the correlation between a voxel and its planted answer."""

HALF = 24
"""Subjects whose mean is a half of RELIABILITY."""

NOISE_MEMORY = 0.5
"""Correlation of the noise from one scan to the next."""


@dataclass(frozen=True)
class Story:
    """Words and scans of all runs.

    Attributes
    ----------
    onsets, durations : lists over runs of arrays (n_words,), seconds
    n_scans : tuple of int
        Before trimming.
    operators : list over runs of sparse arrays (n_scans, n_words)
    seed : int
        What the states and the voxels are drawn from.
    """

    onsets: list[Array]
    durations: list[Array]
    n_scans: tuple[int, ...]
    operators: list[sparse.csr_array]
    seed: int


def make_story(n_scans: Sequence[int], n_words: Sequence[int], seed: int) -> Story:
    """Lay out words like speech: log-normal durations, and a pause after every eighth word or so.

    Parameters
    ----------
    n_scans, n_words : sequences over runs
    seed : int
    """
    onsets, durations, operators = [], [], []
    for run, (scans, words) in enumerate(zip(n_scans, n_words, strict=True)):
        rng = np.random.default_rng([seed, 0, run])
        lengths = rng.lognormal(np.log(0.25), 0.45, words)
        pauses = (rng.random(words) < 0.12) * rng.exponential(0.6, words)
        pace = (scans - 4) * TR / (lengths + pauses).sum()  # the sound ends 4 scans early
        ends = pace * np.cumsum(lengths + pauses)
        onsets.append(ends - pace * (lengths + pauses))
        durations.append(pace * lengths)
        operators.append(hrf_operator(onsets[-1], durations[-1], scans))
    return Story(onsets, durations, tuple(n_scans), operators, seed)


def directions(story: Story, run: int, n_directions: int) -> Array:
    """Draw the states of a run along the axes of their covariance, (n_words, n_directions).

    Axis k has variance 1 / k; the leading ``N_SHARED`` axes are the same for every number of them.
    """
    n_words = len(story.onsets[run])
    leading = np.random.default_rng([story.seed, 1, run]).standard_normal((n_words, N_SHARED))
    more = max(n_directions - N_SHARED, 0)
    rest = np.random.default_rng([story.seed, 2, run, more]).standard_normal((n_words, more))
    axes: Array = np.hstack([leading, rest])[:, :n_directions]
    return axes / np.sqrt(np.arange(1, n_directions + 1))


def states(story: Story, run: int, n_features: int) -> Array:
    """Return the hidden states of a run, (n_words, n_features) float32.

    The axes are turned by two cosine transforms with random signs between them (orthogonal, and
    cheap at any width), so that every feature mixes all axes.
    """
    rng = np.random.default_rng([story.seed, 3, n_features])
    signs = rng.choice([-1.0, 1.0], (2, n_features))
    turned = dct(directions(story, run, n_features) * signs[0], norm="ortho")
    mixed: Array = dct(turned[:, rng.permutation(n_features)] * signs[1], norm="ortho")
    return mixed.astype(np.float32)


def make_features(story: Story, n_features: int) -> list[Array]:
    """Return trimmed, standardised regressors, a list over runs of (n_kept, n_features) float64."""
    return [
        regressors(states(story, run, n_features), [operator], TRIM)[0]
        for run, operator in enumerate(story.operators)
    ]


def _answers(story: Story, n_voxels: int) -> tuple[Array, Array]:
    """Draw what the voxels answer to, (N_SHARED, n_voxels), and how strongly, (n_voxels,)."""
    rng = np.random.default_rng([story.seed, 4])
    strength = rng.uniform(*STRENGTHS, n_voxels)
    strength[rng.random(n_voxels) < SILENT] = 0
    return rng.standard_normal((N_SHARED, n_voxels), np.float32), strength.astype(np.float32)


def make_bold(story: Story, n_voxels: int, subject: int = 0) -> list[Array]:
    """Return trimmed, standardised voxels of one subject, a list over runs of (n_kept, n_voxels).

    Parameters
    ----------
    story : Story
    n_voxels : int
    subject : int
        Subjects share the answers and differ in the noise.

    Returns
    -------
    list over runs of float32 arrays
    """
    weights, strength = _answers(story, n_voxels)
    runs = []
    for run, operator in enumerate(story.operators):
        latent = (operator @ directions(story, run, N_SHARED)).astype(np.float32)
        answer = standardise(latent @ weights)
        rng = np.random.default_rng([story.seed, 5, run, subject])
        white = rng.standard_normal((story.n_scans[run], n_voxels), np.float32)
        noise = lfilter([1.0], [1.0, -NOISE_MEMORY], white, axis=0).astype(np.float32)
        mixed = strength * answer + np.sqrt(1 - strength**2) * standardise(noise)
        runs.append(standardise(trim(mixed, TRIM)))
    return runs


def make_group(story: Story, n_voxels: int, half: int) -> list[Array]:
    """Return the mean of one half of the subjects: the answer, and noise that averaging left.

    Not standardised, as the means of RELIABILITY are not.
    """
    weights, strength = _answers(story, n_voxels)
    runs = []
    for run, operator in enumerate(story.operators):
        latent = (operator @ directions(story, run, N_SHARED)).astype(np.float32)
        rng = np.random.default_rng([story.seed, 6, run, half])
        noise = rng.standard_normal((story.n_scans[run], n_voxels), np.float32)
        answer = strength * standardise(latent @ weights)
        runs.append(trim(answer + noise / np.float32(np.sqrt(HALF)), TRIM))
    return runs


@dataclass(frozen=True)
class Setting:
    """What one run of the benchmark works on.

    Attributes
    ----------
    sizes : tuple of int
        Numbers of features.
    growth_size : int
        Number of features with which growth is measured.
    stack_sizes : tuple of int
        Numbers of features with which stacked subjects are measured.
    n_scans, n_words : tuples over runs
    n_voxels : int
    alphas : array of shape (n_alphas,)
    repeats : int
        Rounds; each measures every contender once, and medians over rounds are reported.
    methods : str
        Letters of the contenders to measure.
    full : bool
        Measure everything that is scaled otherwise (A excepted).
    seed : int
    """

    sizes: tuple[int, ...] = (300, 768, 1600, 4096, 5120)
    growth_size: int = 768
    stack_sizes: tuple[int, ...] = (768, 4096)
    n_scans: tuple[int, ...] = ENGLISH_SCANS
    n_words: tuple[int, ...] = ENGLISH_WORDS
    n_voxels: int = N_VOXELS
    alphas: Array = field(default_factory=ALPHAS.copy)
    repeats: int = 3
    methods: str = "ABCD"
    full: bool = False
    seed: int = 20240607

    @property
    def lengths(self) -> list[int]:
        """Return the scans of every run after trimming."""
        return [scans - 2 * TRIM for scans in self.n_scans]

    @cached_property
    def story(self) -> Story:
        """Return the words, made once."""
        return make_story(self.n_scans, self.n_words, self.seed)

    @cached_property
    def bold(self) -> list[Array]:
        """Return the voxels of the first subject, made once."""
        return make_bold(self.story, self.n_voxels)


def quick(setting: Setting) -> Setting:
    """Return a setting that takes seconds: a sixth of the scans, few features and voxels."""
    return replace(
        setting,
        sizes=(24, 500),
        growth_size=24,
        stack_sizes=(24,),
        n_scans=tuple(scans // 6 + 2 * TRIM for scans in setting.n_scans),
        n_words=tuple(words // 6 for words in setting.n_words),
        n_voxels=120,
        repeats=min(setting.repeats, 2),
    )
