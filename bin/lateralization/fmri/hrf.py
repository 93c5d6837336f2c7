"""Words to scans: convolution with the haemodynamic response as sparse operators of each run.

Convolution, sampling at the scans and linear interpolation are linear in the amplitudes of the
words, so a run's regressors are ``operator @ hidden_states`` for every feature at once. The
operator is a step function of each word's onset and offset on a fine grid, seen through the
cumulated response, so that nothing is ever convolved.

nilearn's ``compute_regressor``, the oracle of the tests, convolves each feature by itself: 4,096
features of a run take 112 s there and 0.2 s here (``benchmarks/encoding.py``).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse
from scipy.special import gammaln, xlogy

from lateralization import study
from lateralization.arrays import Floats, Integers
from lateralization.errors import BadInput
from lateralization.runs import shown

OVERSAMPLING = 50
"""Samples of the fine grid per scan."""

GRID_START = -24.0
"""Start of the fine grid, seconds before the first frame time."""

HRF_SECONDS = 32.0
"""Length of the sampled response."""

BAND = 16
"""Scans whose words are multiplied at once: more would multiply more zeros."""

FIR_DELAYS = (2, 4, 6, 8, 10)
"""Delays of a finite impulse response, seconds."""

WHOLE = 1e-9
"""A delay that is so close to a multiple of the repetition time is that multiple."""

UNDERSHOOT_RATIO = 0.35
"""Weight of the undershoot in the study's library (later versions of it have 0.48)."""


@dataclass(frozen=True)
class Sampling:
    """When scans are sampled, and when the stories begin in them.

    Attributes
    ----------
    tr
        Repetition time, seconds.
    slice_time
        Seconds after a scan's beginning at which it is sampled; None: in its middle.
    starts
        Key of a story → seconds from the first scan to its beginning; 0 where it is missing.
    """

    tr: float
    slice_time: float | None = None
    starts: Mapping[str, float] = field(default_factory=dict)

    def start(self, story: str) -> float:
        """Return the seconds from the first scan to the beginning of a story, by its key."""
        return self.starts.get(story, 0.0)


def study_hrf(tr: float = study.TR, oversampling: int = OVERSAMPLING) -> Floats:
    """Sample the study's haemodynamic response: Glover's, with an undershoot of 0.35.

    Parameters
    ----------
    tr : float
        Repetition time, seconds.
    oversampling : int
        Samples per scan; with a TR of 2 s the response has 800 samples, 0.04 s apart.

    Returns
    -------
    array of shape (n_samples,)
        Difference of two gamma densities (shapes 6/0.9 and 12/0.9, scale 0.9, shifted by one
        sample), with sum 1: ``glover_hrf`` of nilearn 0.10.4, after Glover (NeuroImage 1999).
    """
    step = tr / oversampling
    scale = 0.9
    seconds = np.linspace(0, HRF_SECONDS, int(np.rint(HRF_SECONDS / step)))
    peak = _gamma_density((seconds - step) / scale, 6 / scale) / scale
    undershoot = _gamma_density((seconds - step) / scale, 12 / scale) / scale
    response: Floats = peak - UNDERSHOOT_RATIO * undershoot
    normalised: Floats = response / response.sum()
    return normalised


def _gamma_density(x: Floats, shape: float) -> Floats:
    """Return the density of the gamma distribution of scale 1, 0 below 0.

    Bit for bit ``scipy.stats.gamma.pdf``, whose import would cost every task half a second.
    """
    after = np.maximum(x, 0.0)
    density: Floats = np.exp(xlogy(shape - 1.0, after) - after - gammaln(shape))
    return density


def frame_times(n_scans: int, tr: float = study.TR, slice_time: float | None = None) -> Floats:
    """Return the time at which every scan is sampled, seconds, shape (n_scans,).

    ``slice_time`` seconds after the scan begins; None: in its middle.
    """
    within = tr / 2 if slice_time is None else slice_time
    times: Floats = tr * np.arange(n_scans, dtype=np.float64) + within
    return times


def fine_grid(times: Floats) -> Floats:
    """Return the fine time grid on which events are boxes, seconds.

    The grid's step is not TR/50 but a little more (0.0400002 s at 2 s): both ends and the number
    of samples are those of ``nilearn.glm.first_level.compute_regressor``.
    """
    n, first, last = len(times), times[0], times[-1]
    end = last * (1 + 1 / (n - 1))
    n_fine = (n - 1) / (last - first) * (end - first - GRID_START) * OVERSAMPLING + 1
    return np.linspace(first + GRID_START, end, int(np.rint(n_fine)), dtype=np.float64)


def hrf_operator(
    onsets: ArrayLike,
    durations: ArrayLike,
    n_scans: int,
    tr: float = study.TR,
    slice_time: float | None = None,
) -> sparse.csr_array:
    """Build the operator that turns word amplitudes into regressors sampled at the scans.

    Parameters
    ----------
    onsets, durations : arrays of shape (n_words,)
        Seconds from the start of the run. A word of duration 0 gets one sample of the fine grid.
    n_scans : int
        Scans of the run, untrimmed; at least 2.
    tr : float
        Repetition time, seconds.
    slice_time : float, optional
        Seconds after a scan's beginning at which it is sampled; None: in its middle.

    Returns
    -------
    sparse array of shape (n_scans, n_words), float64
        Column w is the regressor of word w with amplitude 1: ``compute_regressor`` of nilearn
        0.10.4 with its defaults and ``frame_times(n_scans, tr, slice_time)``.

    Raises
    ------
    BadInput
        Fewer than 2 scans, arrays of different lengths, or times that are not finite.
    """
    starts, lengths = np.asarray(onsets, np.float64), np.asarray(durations, np.float64)
    _check(starts, lengths, n_scans)
    times = frame_times(n_scans, tr, slice_time)
    grid = fine_grid(times)
    begin, end = _boxes(grid, starts, lengths)
    below, weight = _neighbours(grid, times)
    cumulated = np.concatenate([[0.0], np.cumsum(study_hrf(tr))])
    scans, words = _pairs(begin, end, below, len(cumulated))
    values = np.zeros(len(scans))
    for offset, share in ((0, 1 - weight[scans]), (1, weight[scans])):
        at = below[scans] + offset
        rise = _lookup(cumulated, at - begin[words])
        fall = _lookup(cumulated, at - end[words])
        values += share * (rise - fall)
    operator = sparse.csr_array((values, (scans, words)), shape=(n_scans, len(starts)))
    operator.eliminate_zeros()
    return operator


def fir_operators(
    onsets: ArrayLike, n_scans: int, tr: float = study.TR, slice_time: float | None = None
) -> list[sparse.csr_array]:
    """Build the operators of a finite impulse response: nothing is assumed of its shape.

    A word that begins at ``t`` enters with delay ``d`` the scan that holds ``t + d``, that is scan
    ``floor((t + d) / tr)``: words are summed over the scan in which they begin and delayed by 2, 4,
    6, 8 and 10 s (Huth et al., Nature 2016, delay by 1 to 4 scans of 2 s). Where the repetition
    time divides the delay, this is the sum of ``[i tr, (i + 1) tr)`` moved by whole scans:
    nilearn's ``hrf_model="fir"`` with ``fir_delays`` of ``d / tr`` scans. Elsewhere each word is
    moved by exactly ``d`` before it is counted; no sums are interpolated. A scan that is sampled
    at another time than its middle holds the words from half a repetition time before that time to
    half a repetition time after it.

    Parameters
    ----------
    onsets : array of shape (n_words,)
        Seconds from the start of the run.
    n_scans : int
        Scans of the run, untrimmed; at least 2.
    tr : float
        Repetition time, seconds.
    slice_time : float, optional
        Seconds after a scan's beginning at which it is sampled; None: in its middle.

    Returns
    -------
    list over ``FIR_DELAYS`` of sparse arrays of shape (n_scans, n_words), float64
        Element (i, w) is 1 where word w, ``delay`` seconds after it begins, is in scan i.

    Raises
    ------
    BadInput
        Fewer than 2 scans, or times that are not finite.
    """
    starts = np.asarray(onsets, np.float64)
    _check(starts, np.zeros_like(starts), n_scans)
    words = np.arange(len(starts))
    if slice_time is not None:
        starts = starts + (tr / 2 - slice_time)
    operators = []
    for delay in FIR_DELAYS:
        shift = round(delay / tr)
        # whole scans are added after rounding down: no sum of seconds can fall short of a border
        whole = abs(delay / tr - shift) < WHOLE
        scans = np.floor(starts / tr) + shift if whole else np.floor((starts + delay) / tr)
        at = scans.astype(np.int64)
        seen = (at >= 0) & (at < n_scans)
        cells = (np.ones(int(seen.sum())), (at[seen], words[seen]))
        operators.append(sparse.csr_array(cells, shape=(n_scans, len(starts))))
    return operators


def words_outside(onsets: Floats, duration: float) -> str:
    """Describe words that are on another clock than the scans of their run; empty if they are not.

    Parameters
    ----------
    onsets : (n_words,) array
        Seconds from the first scan.
    duration : float
        Of the run, seconds.

    Returns
    -------
    str
        What is wrong, where more than half of the words begin outside the scans.
    """
    outside = (onsets < 0) | (onsets >= duration)
    if 2 * outside.sum() <= len(onsets):
        return ""
    return (
        f"{outside.sum()} of {len(onsets)} begin outside its scans (the middle one at "
        f"{np.median(onsets):g} s, and the scans end at {duration:g} s)"
    )


def check_clock(key: str, onsets: Floats, duration: float) -> None:
    """Refuse words that are on another clock than the scans of their run (:func:`words_outside`).

    Parameters
    ----------
    key
        Of the run.
    onsets, duration
        As in :func:`words_outside`.

    Raises
    ------
    BadInput
        More than half of the words begin outside the scans.
    """
    if outside := words_outside(onsets, duration):
        raise BadInput(
            f"words of {shown(key)}: {outside}; onsets must be seconds from the first scan of "
            "their run: mend their unit, or count each run from 0"
        )


def to_scans(operator: sparse.csr_array, states: ArrayLike) -> Floats:
    """Apply a run's operator to all its features: ``operator @ states``, band by band.

    A scan sees the words of the last half minute only, so a few neighbouring scans need a small
    dense product each: the same sums as the sparse product at a multiple of its speed.

    Parameters
    ----------
    operator : sparse array of shape (n_scans, n_words)
        From ``hrf_operator``.
    states : array of shape (n_words, width)

    Returns
    -------
    array of shape (n_scans, width), float64
    """
    amplitudes = np.asarray(states)
    made = np.zeros((operator.shape[0], amplitudes.shape[1]))
    for start in range(0, len(made), BAND):
        rows = operator[start : start + BAND]
        if rows.nnz:
            words = slice(rows.indices.min(), rows.indices.max() + 1)
            band = amplitudes[words].astype(np.float64)
            np.matmul(rows[:, words].toarray(), band, out=made[start : start + BAND])
    return made


def _check(onsets: Floats, durations: Floats, n_scans: int) -> None:
    """Refuse what cannot be sampled."""
    if n_scans < 2:
        raise BadInput(f"a run needs at least 2 scans to sample words at, this one has {n_scans}")
    if onsets.ndim != 1 or onsets.shape != durations.shape:
        raise BadInput(
            f"onsets and durations must be two lists of one length, "
            f"not of shapes {onsets.shape} and {durations.shape}"
        )
    if not (np.isfinite(onsets).all() and np.isfinite(durations).all()):
        word = int(np.flatnonzero(~np.isfinite(onsets + durations))[0])
        raise BadInput(f"word {word} of the run has no finite onset and offset")


def _boxes(grid: Floats, onsets: Floats, durations: Floats) -> tuple[Integers, Integers]:
    """Return each word's first sample and the sample after its last one, shape (n_words,)."""
    last = len(grid) - 1
    begin = np.minimum(np.searchsorted(grid, onsets), last).astype(np.int64)
    end = np.minimum(np.searchsorted(grid, onsets + durations), last).astype(np.int64)
    return begin, end + ((end == begin) & (end < last))


def _neighbours(grid: Floats, times: Floats) -> tuple[Integers, Floats]:
    """Return the sample below each frame time and the weight of the sample above it."""
    above = np.clip(np.searchsorted(grid, times), 1, len(grid) - 1)
    below = (above - 1).astype(np.int64)
    return below, (times - grid[below]) / (grid[above] - grid[below])


def _pairs(begin: Integers, end: Integers, below: Integers, length: int) -> tuple[Any, Any]:
    """Enumerate the (scan, word) pairs in which the response of the word is not over or to come."""
    earliest, latest = np.minimum(begin, end), np.maximum(begin, end)
    first = np.searchsorted(below, earliest - 1)
    count = np.maximum(np.searchsorted(below, latest + length, side="right") - first, 0)
    words = np.repeat(np.arange(len(begin)), count)
    within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    return np.repeat(first, count) + within, words


def _lookup(cumulated: Floats, lag: Integers) -> Floats:
    """Sum the response up to and with sample ``lag``; 0 before it starts, 1 after its end."""
    return cumulated[np.clip(lag + 1, 0, len(cumulated) - 1)]
