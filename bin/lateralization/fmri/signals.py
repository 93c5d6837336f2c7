"""Time courses: standardising, trimming, detrending and high-pass filtering."""

import numpy as np

from lateralization.arrays import Array, Floats, Single
from lateralization.errors import BadInput
from lateralization.study import HIGH_PASS_HZ, MIN_SCANS, TRIM

FILTER_ORDER = 5

ROUNDING = 1e-12
"""A cleaned series whose sd is below this share of its largest input is rounding noise."""

FILTER_ROUNDING = 1e-8
"""Confounds of which filter, or other confounds, leave a smaller share than this are nothing new.

Two filtered series and the filtered sum of both differ by 1e-10 of their size.
"""


def standardise(x: Array, axis: int = 0) -> Array:
    """Subtract the mean and divide by the population standard deviation.

    No epsilon is added, as in the study: a constant series becomes NaN, so that it can be seen
    and left out.

    Parameters
    ----------
    x : array of floats
    axis
        The axis of time.

    Returns
    -------
    array of the same shape and data type
    """
    centred = x - x.mean(axis=axis, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        standardised: Array = centred / x.std(axis=axis, keepdims=True)
    return standardised


def trim(x: Array, n: int = TRIM) -> Array:
    """Drop the first and last ``n`` scans of a run, (scans, …) → (scans − 2 n, …)."""
    return x[n : x.shape[0] - n]


def detrend(x: Array) -> Array:
    """Subtract from each time course its least-squares line, (scans, voxels) float64.

    A projection on two orthonormal columns: what ``scipy.signal.detrend`` computes, in a tenth of
    its time.
    """
    n_scans = x.shape[0]
    line, _ = np.linalg.qr(np.column_stack([np.ones(n_scans), np.arange(n_scans)]))
    centred = x - x.mean(axis=0)  # first, so that a large mean costs no digits
    detrended: Array = centred - line @ (line.T @ centred)
    return detrended


def high_pass(x: Array, tr: float) -> Array:
    """Remove slow drifts: 5th-order Butterworth above 1/128 Hz, forwards and backwards.

    Parameters
    ----------
    x : (scans, voxels) float64
    tr
        Repetition time, s.

    Returns
    -------
    (scans, voxels) float64

    Notes
    -----
    ``scipy.signal.filtfilt`` in (b, a) form with its own odd padding of 18 scans: what nilearn
    0.10 does, and equal to the second-order sections of later releases to 1e-9.
    """
    # Here, for what only standardises and trims would wait half a second for it.
    from scipy.signal import butter, filtfilt

    b, a = butter(FILTER_ORDER, HIGH_PASS_HZ, btype="high", fs=1 / tr)
    filtered: Array = filtfilt(b, a, x, axis=0)
    return filtered


def confounds_basis(confounds: Array, tr: float) -> Floats:
    """Return orthonormal columns that span confounds, detrended and filtered as the data are.

    What is filtered once must not come back with what is regressed off it (Lindquist et al.,
    *Human Brain Mapping* 2019): the order of nilearn's ``signal.clean``.

    Parameters
    ----------
    confounds : (scans, confounds)
    tr
        Repetition time, s.

    Returns
    -------
    (scans, directions) float64
        Without those of which the filter leaves rounding noise, or that follow from others.
    """
    from scipy.linalg import qr

    filtered = high_pass(detrend(confounds), tr)
    filtered -= filtered.mean(axis=0)
    sd = filtered.std(axis=0)
    size = np.abs(confounds).max(axis=0)
    alive = sd > np.maximum(FILTER_ROUNDING * confounds.std(axis=0), ROUNDING * size)
    if not alive.any():
        return np.zeros((len(confounds), 0))
    q, r, _ = qr(filtered[:, alive] / sd[alive], mode="economic", pivoting=True)
    new = np.abs(np.diag(r))
    basis: Floats = q[:, new > FILTER_ROUNDING * new[0]]
    return basis


def clean(x: Array, tr: float, confounds: Array | None = None) -> Single:
    """Detrend, high-pass and z-score the time courses of one run.

    The order of nilearn 0.10's ``signal.clean``, with the population standard deviation. It adds
    the original mean back before z-scoring, which z-scoring takes out again: left out here, as it
    only costs digits. Computed in float64 whatever comes in.

    Parameters
    ----------
    x : (scans, voxels)
    tr
        Repetition time, s.
    confounds : (scans, confounds)
        Regressed off between filter and z-score, filtered alike; None: nothing is.

    Returns
    -------
    (scans, voxels) float32
        Mean 0 and standard deviation 1 over time. A series that is not finite, or of which
        nothing but rounding noise is left (constant, or one straight line), is exactly 0.

    Raises
    ------
    BadInput
        Fewer than 22 scans.
    """
    if x.shape[0] < MIN_SCANS:
        raise BadInput(
            f"a run has {x.shape[0]} scans, at least {MIN_SCANS} are needed "
            f"({TRIM} are trimmed at each end); check that the files are whole runs"
        )
    x = np.asarray(x, dtype=np.float64)
    finite = np.isfinite(x).all(axis=0)
    x = np.where(finite, x, 0.0)
    size = np.abs(x).max(axis=0)
    x = high_pass(detrend(x), tr)
    x -= x.mean(axis=0)
    if confounds is not None:
        basis = confounds_basis(np.asarray(confounds, dtype=np.float64), tr)
        x -= basis @ (basis.T @ x)
    sd = x.std(axis=0)
    alive = sd > ROUNDING * size
    x = np.where(alive, x / np.where(alive, sd, 1.0), 0.0)
    return x.astype(np.float32)


def columns_r(first: Array, second: Array) -> Floats:
    """Correlate two arrays column by column, (n_scans, n_voxels); NaN where one is constant."""
    a, b = (x - x.mean(axis=0, dtype=np.float64) for x in (first, second))
    lengths = np.sqrt((a**2).sum(axis=0) * (b**2).sum(axis=0))
    with np.errstate(divide="ignore", invalid="ignore"):
        r: Floats = np.where(lengths > 0, (a * b).sum(axis=0) / lengths, np.nan)
    return r
