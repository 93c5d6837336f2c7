"""Whether each run of each subject is what it should be: order, timing, signal.

All hearers of a run heard the same, so a subject's run follows the mean of the others at lag 0, and
no other run better than its own (leave-one-out inter-subject correlation: Nastase et al., SCAN
2019). What chance gives is read off mismatched runs. One run after another is set aside, the worst
first, and the others are compared again without it: a damaged run does not accuse the sound ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lateralization.arrays import Booleans, Floats
from lateralization.fmri.signals import standardise
from lateralization.runs import numbered_keys, shown, story_of
from lateralization.study import MIN_SUBJECTS

Series = NDArray[np.floating]

Runs = Sequence[Sequence[Series | None]]
"""Subjects, and of each its runs, (n_scans, n_voxels); None where the subject did not hear it."""

LAGS_S = 10
"""Largest lag that is tried, seconds, either way."""

MARGIN, CERTAIN = 4.0, 5.0
"""Deviations of mismatched runs by which another lag or run must be better than its own place, and
better than chance."""

FOLLOWS = 3.0
"""A run follows the others where it is so many deviations above mismatched runs."""

CLEAR = 10.0
"""Only where the runs of most subjects are so far above is one that is not an outlier."""

LOW_TSNR, TSNR_SPREAD = 5.0, 0.1
"""Deviations of ln tSNR below the median; the deviation is at least this."""


@dataclass
class Check:
    """What was found of one run of one subject; lags are in scans.

    Attributes
    ----------
    isc
        Mean over voxels of the correlation with the mean of the other subjects.
    lag, lag_r
        Lag at which the run follows them best (above 0: it is late), and that correlation; NaN
        where it follows nobody, as a run that does not vary.
    match, match_r
        Run of the others (from 1) that it follows best, and that correlation; 0 and NaN likewise.
    reasons
        Why the run is an outlier; none where it is not.
    """

    subject: int
    run: int
    isc: float = np.nan
    lag: int = 0
    lag_r: float = np.nan
    match: int = 0
    match_r: float = np.nan
    reasons: list[str] = field(default_factory=list)


def mean_correlation(first: Series, second: Series) -> float:
    """Correlate two runs voxel by voxel over the scans that both have, and average; NaN if none."""
    n = min(len(first), len(second))
    a, b = first[:n] - first[:n].mean(0), second[:n] - second[:n].mean(0)
    length = np.sqrt((a**2).sum(0) * (b**2).sum(0))
    varies = length > 0
    return float(((a * b).sum(0)[varies] / length[varies]).mean()) if varies.any() else np.nan


def shifted_correlation(late: Series, reference: Series, lag: int) -> float:
    """Return ``mean_correlation`` of a run that is ``lag`` scans late with its reference."""
    n = len(reference)
    if lag >= 0:
        return mean_correlation(late[lag:], reference[: n - lag])
    return mean_correlation(late[:lag], reference[-lag:])


class Group:
    """The runs of all subjects, and which of them count."""

    def __init__(self, runs: Runs, keys: Sequence[str]) -> None:
        # a voxel that is constant in one subject says nothing there, and is kept in the others
        self.runs = [
            {
                place: np.nan_to_num(standardise(np.asarray(run, np.float64)))
                for place, run in enumerate(own)
                if run is not None
            }
            for own in runs
        ]
        self.n_subjects, self.n_runs = len(runs), len(runs[0])
        self.stories = [story_of(key) for key in keys]
        self.heard = np.array([[run is not None for run in own] for own in runs])
        self.counts = self.heard.copy()
        self._sums = [
            np.sum([own[run] for own in self.runs if run in own], axis=0)
            for run in range(self.n_runs)
        ]

    def hearers(self, run: int) -> list[int]:
        """Return the subjects who heard a run."""
        return np.flatnonzero(self.heard[:, run]).tolist()

    def mismatched(self, run: int) -> list[int]:
        """Return the runs of other stories: a repetition of the same one may well follow it."""
        return [other for other, story in enumerate(self.stories) if story != self.stories[run]]

    def set_aside(self, subject: int, run: int) -> None:
        """Take a run out of the mean of the others."""
        self._sums[run] = self._sums[run] - self.runs[subject][run]
        self.counts[subject, run] = False

    def others(self, subject: int, run: int) -> Floats:
        """Return the sum of a run over the other subjects that count, (n_scans, n_voxels)."""
        total: Floats = self._sums[run]
        return total - self.runs[subject][run] if self.counts[subject, run] else total


def chance(group: Group) -> tuple[float, float]:
    """Return median and robust deviation of the correlation of runs that do not belong together."""
    values = np.array([
        mean_correlation(group.runs[subject][run], group.others(subject, other))
        for subject in range(group.n_subjects)
        for run in group.runs[subject]
        for other in group.mismatched(run)
    ])  # fmt: skip
    values = values[np.isfinite(values)]
    if not values.size:
        return np.nan, np.nan
    middle = float(np.median(values))
    return middle, max(1.4826 * float(np.median(np.abs(values - middle))), 1e-3)


def _best(values: Sequence[float]) -> int | None:
    """Return the place of the largest value that is finite; None without any."""
    return int(np.nanargmax(values)) if np.isfinite(values).any() else None


def check_run(group: Group, subject: int, run: int, n_lags: int) -> Check:
    """Compare one run with the mean of the others: at every lag, and with every other story."""
    own, reference = group.runs[subject][run], group.others(subject, run)
    isc = mean_correlation(own, reference)
    lags = range(-n_lags, n_lags + 1)
    by_lag = [shifted_correlation(own, reference, lag) for lag in lags]
    by_run = [np.nan] * group.n_runs
    by_run[run] = isc
    for other in group.mismatched(run):
        by_run[other] = mean_correlation(own, group.others(subject, other))
    found = Check(subject, run, isc)
    if (best := _best(by_lag)) is not None:
        found.lag, found.lag_r = lags[best], by_lag[best]
    if (match := _best(by_run)) is not None:
        found.match, found.match_r = match + 1, by_run[match]
    return found


def judge(check: Check, middle: float, spread: float, keys: Sequence[str]) -> float:
    """Say what is wrong with the order or the timing of a run; return by how many deviations.

    ``keys``: of all runs.
    """
    late, other = (
        (value - check.isc) / spread if value > middle + CERTAIN * spread else 0.0
        for value in (check.lag_r, check.match_r)
    )
    if check.match != check.run + 1 and other > MARGIN and other >= late:
        check.reasons = [f"follows {shown(keys[check.match - 1])} of the others"]
        return other
    if check.lag != 0 and late > MARGIN:
        side = "late" if check.lag > 0 else "early"
        check.reasons = [f"is {abs(check.lag)} scans {side}"]
        return late
    return 0.0


def compare_subjects(runs: Runs, tr: float, keys: Sequence[str] = ()) -> list[Check]:
    """Check every run of every subject against the others who heard it.

    Parameters
    ----------
    runs : list over subjects of lists over runs of arrays (n_scans, n_voxels), or None
        Cleaned; a run has the same length in all its hearers. Runs long enough for the lags.
    tr : float
        Repetition time, seconds.
    keys : list of str
        Of the runs; without them they are numbered.

    Returns
    -------
    One Check for each run that each subject heard, in order. Of a run with fewer than 3 hearers
    nothing is judged, and with one nothing is measured.
    """
    keys = keys or numbered_keys(len(runs[0]))
    group = Group(runs, keys)
    middle, spread = chance(group)
    shortest = min(len(run) for own in group.runs for run in own.values())
    n_lags = min(int(LAGS_S // tr), shortest // 4)
    found: dict[tuple[int, int], Check] = {}
    for run in range(group.n_runs):
        hearers = group.hearers(run)
        if len(hearers) == 1:
            found[hearers[0], run] = Check(hearers[0], run)
            continue
        for _ in range(max((len(hearers) - 1) // 2, 1)):
            checks = [check_run(group, subject, run, n_lags) for subject in hearers]
            found |= {(check.subject, check.run): check for check in checks}
            wrong = [judge(check, middle, spread, keys) for check in checks]
            suspects = np.where(group.counts[hearers, run], wrong, 0.0)
            if len(hearers) < MIN_SUBJECTS or suspects.max() == 0:
                break
            group.set_aside(hearers[int(suspects.argmax())], run)
    ordered = [found[place] for place in sorted(found)]
    judged = [run for run in range(group.n_runs) if len(group.hearers(run)) >= MIN_SUBJECTS]
    for check in ordered:
        if check.run not in judged:
            check.reasons = []
    _judge_signal([check for check in ordered if check.run in judged], middle, spread)
    return ordered


def _judge_signal(checks: Sequence[Check], middle: float, spread: float) -> None:
    """Name the runs that follow nothing where most subjects do."""
    for run in {check.run for check in checks}:
        own = [check for check in checks if check.run == run]
        isc = [check.isc for check in own if np.isfinite(check.isc)]
        if not isc or np.median(isc) < middle + CLEAR * spread:
            continue
        for check in own:
            if not check.isc > middle + FOLLOWS * spread and not check.reasons:
                check.reasons.append("does not follow the others")


def low_tsnr(tsnr: Floats) -> Booleans:
    """Tell the runs whose temporal signal-to-noise ratio is far below that of the group.

    One subject alone has no group that it could be below.

    Parameters
    ----------
    tsnr : (n_subjects, n_runs)
        Median over voxels; NaN or 0 where the mean was taken off before.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.where(tsnr > 0, np.log(tsnr), np.nan)
    if len(tsnr) < 2 or not np.isfinite(logs).any():
        return np.zeros(tsnr.shape, bool)
    middle = np.nanmedian(logs)
    spread = max(1.4826 * float(np.nanmedian(np.abs(logs - middle))), TSNR_SPREAD)
    low: Booleans = logs < middle - LOW_TSNR * spread
    return low


def rate_lags(
    series: Series, regressors: Sequence[Floats], lags_s: Sequence[float]
) -> tuple[float, float, float]:
    """Find the lag at which the word rate predicts a time course best.

    Parameters
    ----------
    series : (n_scans,)
        Mean of the voxels of auditory cortex.
    regressors : list over lags of arrays (n_scans,)
        Convolved word rate, delayed by each lag.
    lags_s : list of float
        Seconds.

    Returns
    -------
    Best lag in seconds, r at it, r without a lag; NaN where a time course does not vary.
    """
    if not np.std(series) > 0:
        return np.nan, np.nan, np.nan
    with np.errstate(divide="ignore", invalid="ignore"):
        r = np.array([np.corrcoef(series, one)[0, 1] for one in regressors])
    if not np.isfinite(r).any():
        return np.nan, np.nan, np.nan
    best = int(np.nanargmax(r))
    return float(lags_s[best]), float(r[best]), float(r[list(lags_s).index(0)])
