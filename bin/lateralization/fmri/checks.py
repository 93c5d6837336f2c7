"""CHECKS: from the cleaned subjects of a language to a table of every run, and the outliers."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lateralization.arrays import Booleans, Floats, Row, Single
from lateralization.command import progress
from lateralization.errors import BadInput
from lateralization.files import open_tensors, read_tensor
from lateralization.fmri.average import enough_heard, heard_runs
from lateralization.fmri.hrf import Sampling, check_clock, hrf_operator
from lateralization.fmri.outliers import LAGS_S, Check, compare_subjects, low_tsnr, rate_lags
from lateralization.fmri.rois import sphere
from lateralization.fmri.signals import columns_r, trim
from lateralization.problems import listed
from lateralization.runs import by_story, cell, run_names, shown, story_of
from lateralization.volumes import from_volume, load_mask
from lateralization.words.by_story import rows_by_story

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


def leave_one_out(
    paths: Sequence[Path], heard: Mapping[str, Sequence[int]], n_trim: int
) -> dict[str, dict[int, Single]]:
    """Correlate every hearer of a run with the sum of the others, in the scans that are scored.

    Files are read one run at a time, twice: memory grows with what is returned only.

    Parameters
    ----------
    paths
        Bold files.
    heard
        Key of a run → places of its hearers.
    n_trim
        Scans dropped at each end.

    Returns
    -------
    Key of a run → place of a hearer → (n_voxels,); NaN where a voxel is constant, and without
    others.
    """
    found: dict[str, dict[int, Single]] = {}
    for run in progress(list(heard), "subjects and the others"):
        hearers = [paths[subject] for subject in heard[run]]
        total = read_tensor(hearers[0], run).astype(np.float64)
        for path in hearers[1:]:
            total += read_tensor(path, run)
        found[run] = {}
        for subject, path in zip(heard[run], hearers, strict=True):
            own = read_tensor(path, run).astype(np.float64)
            pair = trim(own, n_trim), trim(total - own, n_trim)
            found[run][subject] = columns_r(*pair).astype(np.float32)
    return found


def by_subject(
    one_out: Mapping[str, Mapping[int, Single]], subject: int
) -> tuple[list[str], Single]:
    """Return a subject's correlations with the others of the same story.

    Returns
    -------
    stories
        Keys of the stories that it heard.
    r : (n_stories, n_voxels)
        The mean over the repetitions of each.
    """
    runs = [run for run, own in one_out.items() if subject in own]
    stories = by_story(runs)
    means = [
        np.mean([one_out[runs[place]][subject] for place in places], axis=0)
        for places in stories.values()
    ]
    return list(stories), np.array(means, np.float32)


def following_voxels(one_out: Mapping[str, Mapping[int, Single]]) -> NDArray[np.intp]:
    """Choose the voxels with the highest leave-one-out correlation, over all subjects and runs.

    Returns
    -------
    Places in the mask, in ascending order.
    """
    pairs = sorted((subject, run) for run, own in enumerate(one_out.values()) for subject in own)
    runs = list(one_out.values())
    r = np.stack([runs[run][subject] for subject, run in pairs])
    score = np.nan_to_num(r).mean(axis=0, dtype=np.float64)
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


def rate_regressors(
    words: pd.DataFrame, n_scans: int, tr: float, slice_time: float | None, start: float
) -> list[Floats]:
    """Convolve the word rate of one run, delayed by each lag from -10 to 10 s.

    ``start``: beginning of the story, seconds from the first scan.
    """
    onsets = words["onset"].to_numpy(float)
    lengths = words["offset"].to_numpy(float) - onsets
    ones = np.ones(len(onsets))
    return [
        hrf_operator(onsets + start + lag, lengths, n_scans, tr, slice_time) @ ones for lag in LAGS
    ]


LAGS = list(range(-LAGS_S, LAGS_S + 1))


def _tsnr(path: Path, runs: Sequence[str]) -> Floats:
    """Median over voxels of each run's temporal signal-to-noise ratio, (n_runs,).

    NaN where the subject did not hear it.
    """
    found = np.full(len(runs), np.nan)
    with open_tensors(path) as handle:
        if "tsnr" in handle.keys():
            own = np.nanmedian(handle.get_tensor("tsnr").astype(np.float64), axis=1)
            found[[runs.index(run) for run in run_names(path)]] = own
    return found


def _mean(series: Single) -> Floats:
    """Average over voxels, (n_scans,); 0 without any."""
    return series.mean(1, dtype=np.float64) if series.size else np.zeros(len(series))


def _row(check: Check, tr: float, runs: Sequence[str]) -> Row:
    """Give the cells of a check; empty where the run follows nobody."""
    return {
        "run": cell(runs[check.run]), "isc": check.isc,
        "isc_lag_s": check.lag * tr if np.isfinite(check.lag_r) else np.nan,
        "isc_lag_r": check.lag_r,
        "follows_run": cell(runs[check.match - 1]) if check.match else np.nan,
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
    heard: Mapping[str, Mapping[int, Floats]], words: Mapping[str, pd.DataFrame], sampling: Sampling
) -> Iterator[tuple[int, str, Row]]:
    """Give subject (-1: everybody), run and the word rate's lag; ``heard`` are means of voxels."""
    tr = sampling.tr
    for run, own in heard.items():
        story, n_scans = story_of(run), len(next(iter(own.values())))
        if story not in words:
            raise BadInput(
                f"the words lack {shown(story)}; they are of {listed(map(shown, words))}"
            )
        here, start = words[story], sampling.start(story)
        check_clock(run, here["onset"].to_numpy(float) + start, n_scans * tr)
        regressors = rate_regressors(here, n_scans, tr, sampling.slice_time, start)
        for subject, one in [*own.items(), (-1, np.mean(list(own.values()), axis=0))]:
            lag, best, at_0 = rate_lags(one, regressors, LAGS)
            found: Row = {
                "n_scans": n_scans, "word_rate_lag_s": lag, "word_rate_r": best,
                "word_rate_r_at_0": at_0,
            }  # fmt: skip
            if subject < 0:
                reason = _said_of_all(lag, best, at_0, n_scans) if np.isfinite(best) else ""
                yield -1, run, found | {"reason": reason}
            else:
                yield subject, run, found


def check_files(
    paths: Sequence[Path],
    subjects: Sequence[str],
    mask: Path,
    words: pd.DataFrame,
    sampling: Sampling,
    *,
    n_trim: int,
    stories: Sequence[str] = (),
) -> tuple[pd.DataFrame, dict[str, tuple[list[str], Single]]]:
    """Check the cleaned subjects of a language.

    Parameters
    ----------
    paths, subjects, mask
        Bold files, ids, and their brain mask.
    words : table with columns ``run`` or ``story``, ``onset``, ``offset``
    sampling
        See :class:`lateralization.fmri.hrf.Sampling`.
    n_trim
        Scans dropped at each end of a run when it is scored.
    stories
        Keys of the stories, in order; without them runs are numbered.

    Returns
    -------
    Table with ``COLUMNS`` but the language, a row for each run of each subject, then of everybody;
    and subject → keys of stories and its correlation with the others, (n_stories, n_voxels), in the
    scans that are scored, of the stories that enough subjects heard.

    Raises
    ------
    BadInput
        Subjects differ in a run, a story has no words, or most words of a run lie outside its
        scans.
    """
    heard_at, tr = auditory_voxels(mask), sampling.tr
    hearers = heard_runs(paths, len(heard_at), stories)
    runs = list(hearers)
    one_out = leave_one_out(paths, hearers, n_trim)
    chosen = following_voxels(one_out)
    series: list[list[Single | None]] = []
    heard: dict[str, dict[int, Floats]] = {run: {} for run in runs}
    for subject, path in enumerate(progress(paths, "subjects")):
        tensors = {run: read_tensor(path, run) for run in runs if subject in hearers[run]}
        series.append([tensors[run][:, chosen] if run in tensors else None for run in runs])
        for run, values in tensors.items():
            heard[run][subject] = _mean(values[:, heard_at])
    checks = compare_subjects(series, tr, runs)
    tsnr = np.array([_tsnr(path, runs) for path in paths])
    low = low_tsnr(tsnr)
    for check in checks:
        if low[check.subject, check.run]:
            check.reasons.append("low signal-to-noise ratio over time")
    rates = {
        (subject, run): row
        for subject, run, row in _rate_rows(heard, rows_by_story(words), sampling)
    }
    rows = [
        {"subject": subjects[check.subject], **_row(check, tr, runs),
         **rates[check.subject, runs[check.run]], "tsnr": tsnr[check.subject, check.run]}
        for check in checks
    ]  # fmt: skip
    rows += [
        {"subject": EVERYBODY, "run": cell(run), "outlier": "no", **rates[-1, run]} for run in runs
    ]
    table = pd.DataFrame(rows, columns=[name for name in COLUMNS if name != "language"])
    enough, _ = enough_heard(hearers)
    known = {run: one_out[run] for run in enough}
    ceilings = {name: by_subject(known, subject) for subject, name in enumerate(subjects)}
    return table, {name: found for name, found in ceilings.items() if found[0]}


def excluded(table: pd.DataFrame) -> list[str]:
    """Return the subjects with an outlier among their runs, in order."""
    return sorted(set(table.loc[table["outlier"] == "yes", "subject"]))
