"""CHECKS: from the cleaned subjects of a language to a table of every run, and the outliers."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lateralization.arrays import Booleans, Floats, Row, Single
from lateralization.command import progress
from lateralization.files import open_tensors, read_tensor
from lateralization.fmri.average import check_same_runs, run_names
from lateralization.fmri.hrf import check_clock, hrf_operator
from lateralization.fmri.outliers import LAGS_S, Check, compare_subjects, low_tsnr, rate_lags
from lateralization.fmri.rois import sphere
from lateralization.fmri.signals import columns_r, trim
from lateralization.volumes import from_volume, load_mask

AUDITORY_MM, AUDITORY_RADIUS_MM = (46, -20, 7), 12
"""Heschl's gyrus on the right and, mirrored, on the left."""

SHARE, LEAST = 10, 50
"""Per cent of the voxels, and at least so many, that are compared: those that follow best."""

LATE_S = 4
"""Words that are so late or early in everybody's auditory cortex are mentioned."""

EVERYBODY = "all"
"""Subject of the rows that hold the mean over subjects."""

COLUMNS = (
    "language", "subject", "run", "n_scans", "isc", "isc_lag_s", "isc_lag_r", "follows_run",
    "follows_run_r", "word_rate_lag_s", "word_rate_r", "word_rate_r_at_0", "tsnr", "outlier",
    "reason",
)  # fmt: skip


def leave_one_out(paths: Sequence[Path], runs: Sequence[str], n_trim: int) -> Single:
    """Correlate every subject with the sum of the others, voxel by voxel, in the scans scored.

    Files are read one run at a time, twice: memory grows with what is returned only.

    Returns
    -------
    (n_subjects, n_runs, n_voxels); NaN where a voxel is constant.
    """
    found = []
    for run in progress(runs, "subjects and the others"):
        total = read_tensor(paths[0], run).astype(np.float64)
        for path in paths[1:]:
            total += read_tensor(path, run)
        own = (read_tensor(path, run).astype(np.float64) for path in paths)
        pairs = ((trim(one, n_trim), trim(total - one, n_trim)) for one in own)
        found.append(np.stack([columns_r(*pair) for pair in pairs]).astype(np.float32))
    return np.stack(found, axis=1)


def following_voxels(one_out: Single) -> NDArray[np.intp]:
    """Choose the voxels with the highest leave-one-out correlation, over all subjects and runs.

    Returns
    -------
    Places in the mask, in ascending order.
    """
    score = np.nan_to_num(one_out).mean(axis=(0, 1), dtype=np.float64)
    n = min(len(score), max(LEAST, len(score) * SHARE // 100))
    chosen: NDArray[np.intp] = np.sort(np.argsort(score, kind="stable")[-n:])
    return chosen


def auditory_voxels(mask_path: Path) -> Booleans:
    """Select the voxels of both auditory cortices, (n_voxels,)."""
    mask, affine = load_mask(mask_path)
    x, y, z = AUDITORY_MM
    both = np.logical_or(
        *(sphere(mask, affine, np.array([side * x, y, z]), AUDITORY_RADIUS_MM) for side in (-1, 1))
    )
    inside: Booleans = from_volume(both, mask)
    return inside


def rate_regressors(words: pd.DataFrame, n_scans: int, tr: float) -> list[Floats]:
    """Convolve the word rate of one run, delayed by each lag from -10 to 10 s."""
    onsets = words["onset"].to_numpy(float)
    lengths = words["offset"].to_numpy(float) - onsets
    return [hrf_operator(onsets + lag, lengths, n_scans, tr) @ np.ones(len(onsets)) for lag in LAGS]


LAGS = list(range(-LAGS_S, LAGS_S + 1))


def _tsnr(path: Path, n_runs: int) -> Floats:
    """Median over voxels of each run's temporal signal-to-noise ratio, (n_runs,)."""
    with open_tensors(path) as handle:
        if "tsnr" not in handle.keys():
            return np.full(n_runs, np.nan)
        values: Floats = np.nanmedian(handle.get_tensor("tsnr").astype(np.float64), axis=1)
    return values


def _mean(series: Single) -> Floats:
    """Average over voxels, (n_scans,); 0 without any."""
    return series.mean(1, dtype=np.float64) if series.size else np.zeros(len(series))


def _row(check: Check, tr: float) -> Row:
    """Give the cells of a check; empty where the run follows nobody."""
    return {
        "run": check.run + 1, "isc": check.isc,
        "isc_lag_s": check.lag * tr if np.isfinite(check.lag_r) else np.nan,
        "isc_lag_r": check.lag_r, "follows_run": check.match or np.nan,
        "follows_run_r": check.match_r,
        "outlier": "yes" if check.reasons else "no", "reason": "; ".join(check.reasons),
    }  # fmt: skip


def _said_of_all(lag: float, best: float, at_0: float, n_scans: int) -> str:
    """Say when the words do not fit the scans of anybody; four scans count as one."""
    sure = np.arctanh(best) - np.arctanh(at_0) > 4 * np.sqrt(8 / n_scans)
    if not (sure and abs(lag) >= LATE_S):
        return ""
    return f"the word rate is {abs(lag):g} s {'late' if lag > 0 else 'early'} in everybody"


def _rate_rows(
    heard: Sequence[Sequence[Floats]], words: pd.DataFrame, tr: float
) -> Iterator[tuple[int, int, Row]]:
    """Give subject (-1: everybody), run and the word rate's lag; ``heard`` are means of voxels."""
    for run in range(len(heard[0])):
        n_scans, here = len(heard[0][run]), words[words["run"] == run + 1]
        check_clock(run + 1, here["onset"].to_numpy(float), n_scans * tr)
        regressors = rate_regressors(here, n_scans, tr)
        series = [own[run] for own in heard]
        for subject, one in enumerate([*series, np.mean(series, axis=0)]):
            lag, best, at_0 = rate_lags(one, regressors, LAGS)
            found: Row = {
                "n_scans": n_scans, "word_rate_lag_s": lag, "word_rate_r": best,
                "word_rate_r_at_0": at_0,
            }  # fmt: skip
            if subject == len(series):
                reason = _said_of_all(lag, best, at_0, n_scans) if np.isfinite(best) else ""
                yield -1, run, found | {"reason": reason}
            else:
                yield subject, run, found


def check_files(
    paths: Sequence[Path],
    subjects: Sequence[str],
    mask: Path,
    words: pd.DataFrame,
    *,
    tr: float,
    n_trim: int,
) -> tuple[pd.DataFrame, dict[str, Single]]:
    """Check the cleaned subjects of a language.

    Parameters
    ----------
    paths, subjects, mask
        Bold files, ids, and their brain mask.
    words : table with columns ``run``, ``onset``, ``offset``
    tr, n_trim
        Repetition time, s; scans dropped at each end of a run when it is scored.

    Returns
    -------
    Table with ``COLUMNS`` but the language, a row for each run of each subject, then of everybody;
    and subject → correlation with the others, (n_runs, n_voxels), in the scans that are scored.

    Raises
    ------
    BadInput
        Subjects differ in their runs, or most words of a run lie outside its scans.
    """
    heard_at = auditory_voxels(mask)
    check_same_runs(paths, len(heard_at))
    runs = run_names(paths[0])
    one_out = leave_one_out(paths, runs, n_trim)
    chosen = following_voxels(one_out)
    series, heard = [], []
    for path in progress(paths, "subjects"):
        tensors = [read_tensor(path, run) for run in runs]
        series.append([run[:, chosen] for run in tensors])
        heard.append([_mean(run[:, heard_at]) for run in tensors])
    checks = compare_subjects(series, tr)
    tsnr = np.array([_tsnr(path, len(runs)) for path in paths])
    for subject, run in np.argwhere(low_tsnr(tsnr)):
        checks[subject * len(runs) + run].reasons.append("low signal-to-noise ratio over time")
    rates = {(subject, run): row for subject, run, row in _rate_rows(heard, words, tr)}
    rows = [
        {"subject": subjects[check.subject], **_row(check, tr), **rates[check.subject, check.run],
         "tsnr": tsnr[check.subject, check.run]}
        for check in checks
    ]  # fmt: skip
    rows += [
        {"subject": EVERYBODY, "run": run + 1, "outlier": "no", **rates[-1, run]}
        for run in range(len(runs))
    ]
    table = pd.DataFrame(rows, columns=[name for name in COLUMNS if name != "language"])
    return table, dict(zip(subjects, one_out, strict=True))


def excluded(table: pd.DataFrame) -> list[str]:
    """Return the subjects with an outlier among their runs, in order."""
    return sorted(set(table.loc[table["outlier"] == "yes", "subject"]))
