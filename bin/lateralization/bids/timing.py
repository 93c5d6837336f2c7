"""When the scans of a language were taken, and when its stories began."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from lateralization.bids.heard import Subject
from lateralization.bids.language import FILE, Language, Stories
from lateralization.bids.runs_table import DataRun
from lateralization.bids.sidecars import Sidecars
from lateralization.errors import BadInput
from lateralization.problems import listed
from lateralization.runs import STORY, shown


@dataclass(frozen=True)
class Timing:
    """When the scans of a language were taken, and when its stories began.

    Attributes
    ----------
    tr
        Repetition time, seconds; NaN where it is not known.
    slice_time
        Time within a scan at which regressors are sampled, seconds.
    starts
        Key of a story → its beginning after the first scan, seconds.
    """

    tr: float
    slice_time: float
    starts: dict[str, float]


SAME_TR = 1e-3
"""Repetition times, s, that are one: some are written with three decimals."""

APART = 0.1
"""Share of a repetition time by which hearers of a story may begin apart."""


def timing(
    subjects: Sequence[Subject], spoken: Language, own: Stories, beside: Sidecars, notes: list[str]
) -> Timing:
    """Read repetition time, sampling time and beginnings of stories from what lies beside runs.

    Parameters
    ----------
    subjects
        Those that are used.
    spoken, own
        The language, and its stories.

    Raises
    ------
    BadInput
        Something is missing or cannot be read, or runs do not agree.
    """
    runs = [run for subject in subjects for run in subject.heard]
    tr = _repetition_time(runs, spoken, beside, notes)
    return Timing(tr, _slice_time(runs, tr, beside), _starts(runs, own, tr, beside))


def _repetition_time(
    runs: Sequence[DataRun], spoken: Language, beside: Sidecars, notes: list[str]
) -> float:
    """Return the repetition time: the description's, else that of the sidecars."""
    told: dict[float, str] = {}
    for run in runs:
        value = beside.seconds(run.bold, "RepetitionTime", raw=spoken.tr is None)
        if value is not None and not any(abs(value - one) <= SAME_TR for one in told):
            told[value] = run.bold
    if spoken.tr is not None:
        odd = [(value, bold) for value, bold in told.items() if abs(value - spoken.tr) > SAME_TR]
        if odd:
            notes.append(
                f"the sidecar of {odd[0][1]} says a repetition time of {odd[0][0]:g} s; "
                f"{spoken.tr:g} s of {FILE} is used"
            )
        return spoken.tr
    if len(told) > 1:
        said = listed(f"{value:g} s ({run})" for value, run in told.items())
        raise BadInput(
            f"sidecars say different repetition times: {said}; a language has one: make a language "
            f"of each, or leave runs out (bold, stories, subjects in {FILE})"
        )
    if not told or next(iter(told)) <= 0:
        raise BadInput(
            f"{FILE} has no tr, and no sidecar (_bold.json) says RepetitionTime; give tr, seconds"
        )
    return next(iter(told))


def _slice_time(runs: Sequence[DataRun], tr: float, beside: Sidecars) -> float:
    """Return when, within a scan, its values were taken: ``StartTime``, else the middle."""
    told = {}
    for run in runs:
        value = beside.seconds(run.bold, "StartTime", raw=False)
        told[run.bold] = tr / 2 if value is None else value
    if not told:
        return tr / 2
    low, high = min(told, key=told.__getitem__), max(told, key=told.__getitem__)
    if told[high] - told[low] > APART * tr:
        raise BadInput(
            f"scans are sampled at {told[low]:g} s in {low} and at {told[high]:g} s in {high} "
            "(StartTime of the sidecars; without one, the middle of a scan); correct the times of "
            "slices alike in all runs, or leave runs out"
        )
    if told[high] >= tr:
        raise BadInput(
            f"StartTime of {high} is {told[high]:g} s and a scan lasts {tr:g} s; mend it"
        )
    return float(median(told.values()))


def _starts(runs: Sequence[DataRun], own: Stories, tr: float, beside: Sidecars) -> dict[str, float]:
    """Return the beginning of every story, over those who heard it."""
    told: dict[str, list[tuple[float, DataRun]]] = {}
    for run in runs:
        start = run.start
        if start is None:
            event = own.trial_type
            start = beside.first_event(run.bold, event, run.subject) if event else 0.0
        told.setdefault(f"{STORY}-{run.story}", []).append((start, run))
    found = {}
    for key, starts in told.items():
        found[key] = float(median(start for start, _ in starts))
        if max(one for one, _ in starts) - min(one for one, _ in starts) > APART * tr + 1e-9:
            odd = [pair for pair in starts if abs(pair[0] - found[key]) > APART * tr / 2]
            said = listed(f"sub-{one.subject} {began:g} s" for began, one in odd)
            raise BadInput(
                f"{shown(key)} begins at {found[key]:g} s in most runs, and in {said}; "
                "all who are averaged must begin together (within a tenth of a repetition time): "
                "mend start or events, or leave the runs out"
            )
    return found
