"""Columns of a user's features that only give the place of a row: its number, its run, its time.

Such a column is a ramp over the story, which follows word rate and drift: noise with an index
beside it scores above zero. It is refused by its name, and by its values where the name is another.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from lateralization.arrays import Array, Floats

_PART = (
    "row|line|word|token|sentence|phrase|clause|phoneme|syllable|segment|chunk|paragraph|chapter|"
    "page|block|trial|event|item|scan|volume|vol|frame|sample|window|epoch|run|section|story|"
    "session|tr|subject|participant|stimulus|stim|audio"
)
_NUMBER = "number|num|nr|no"
_TIME = "onsets?|offsets?|start|end|begin|stop"
_UNIT = "(in)?(s|secs?|seconds|ms|msecs?|milliseconds|trs|scans)?"
_ALWAYS = re.compile(
    rf"unnamed\d*(level\d*)?|level\d+|index\d*|({_PART})?(id|idx|index|ix)"
    "|row|line|run|section|story|session|participant|word|scan|tr"
    rf"|({_TIME})(time)?{_UNIT}|t(min|max|onset|offset|start|end|begin|stop){_UNIT}"
    rf"|time(stamp|s)?{_UNIT}"
)
"""Names of bookkeeping, in lower case and without what stands between their words."""

_UNLESS_MARKS = re.compile(rf"({_PART})(({_TIME})(time)?{_UNIT}|{_NUMBER})|subject")
"""Names of a place or a mark of it: ``sentence_end`` is a time, or 1 at the last word, else 0."""

_IF_RISING = re.compile(
    rf"{_PART}|{_NUMBER}|repetition|rep|firsttoken|endtoken|endwindow|[nijkt]|t{_UNIT}"
    "|seconds|secs?|msecs?|milliseconds"
)
"""Names of a count, a time or a measure: ``n`` counts the rows, or the syllables of a word."""

_R_INDEX = re.compile(r"\.\.\.\d+")
"""The name that readr gives a column without one."""

ENOUGH = 3
"""Rows beyond the two of every run that a line needs, from which on a column shows what it is."""

COLUMNS = 256
"""Columns that are compared with a time at once, in float64."""

SAMPLE = 32
"""Rows of a run that are compared first; few columns come through them."""

ROUNDING = 1e-4
"""Share of a variance that rounding may change: that of rounding to a hundredth of the range."""


def is_bookkeeping_name(name: str, values: Callable[[], Sequence[Array]] = list) -> bool:
    """Check whether a column's name is one of bookkeeping; an empty name is that of an index.

    Parameters
    ----------
    name
    values
        Returns the column's values in each run, NaN where a cell is not a number. They decide where
        a name has two meanings: ``sentence_end`` is a feature if all are 0 or 1, and so is
        ``trial``, or if they fall somewhere within a run. Without them ``sentence_end`` is
        bookkeeping and ``trial`` is not.
    """
    snake = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.strip()).casefold()
    letters = re.sub(r"[\s_.:()\[\]-]+", "", snake)
    if (
        not letters
        or _ALWAYS.fullmatch(letters)
        or _R_INDEX.fullmatch(snake)
        or re.search(r"[\s_.-](id|idx|ix)$", snake)
    ):
        return True
    if _UNLESS_MARKS.fullmatch(letters):
        return not _are_marks(values())
    return bool(_IF_RISING.fullmatch(letters)) and not _are_marks(runs := values()) and _rises(runs)


def _are_marks(runs: Sequence[Array]) -> bool:
    """Check whether there are values and all are 0 or 1; NaN is passed over."""
    return bool(runs) and all(np.isin(run[~np.isnan(run)], (0, 1)).all() for run in runs)


def _rises(runs: Sequence[Array]) -> bool:
    """Check whether values grow somewhere and fall nowhere within a run; NaN does not compare."""
    return all((run[1:] >= run[:-1]).all() for run in runs) and any(
        (run[1:] > run[:-1]).any() for run in runs
    )


def stepping_columns(runs: Mapping[Any, Array]) -> list[int]:
    """Find the columns that change by the same step from row to row of a run.

    They count rows, or the time of scans, on any scale and in either direction.

    Parameters
    ----------
    runs
        Run → values, (n_rows, width).
    """
    return time_columns(runs, {run: np.arange(float(len(runs[run]))) for run in runs})


def run_columns(runs: Mapping[Any, Array]) -> list[int]:
    """Find the columns that are the same within a run and grow evenly with its place, from 1.

    Of two runs, only those that are the number itself, counted from 0 or 1; none of one run.
    """
    if len(runs) < 2:
        return []
    firsts = np.stack([values[0].astype(np.float64) for values in runs.values()])
    constant = np.stack([(values == values[0]).all(axis=0) for values in runs.values()]).all(axis=0)
    numbers = np.arange(1.0, len(runs) + 1)
    if len(runs) == 2:
        even = (firsts == numbers[:, None]).all(axis=0)
        even |= (firsts == numbers[:, None] - 1).all(axis=0)
    else:
        lines = _follow(firsts, numbers)
        even = lines & (firsts != firsts[0]).any(axis=0)
    return [int(column) for column in np.flatnonzero(constant & even)]


def time_columns(runs: Mapping[Any, Array], times: Mapping[Any, Floats]) -> list[int]:
    """Find the columns that are a time of the rows, in any unit and on any clock.

    Parameters
    ----------
    runs
        Run → features of its rows, (n_rows, width).
    times
        Run → such a time, (n_rows,).

    Returns
    -------
    list of int
        Columns that lie on a line over the time in every run, each run's own, and are not constant
        in all of them.
    """
    long = {run: values for run, values in runs.items() if len(values) > 2}
    if sum(len(values) - 2 for values in long.values()) < ENOUGH:
        return []
    found: list[int] = []
    width = next(iter(long.values())).shape[1]
    for block in np.array_split(np.arange(width), -(-width // COLUMNS)):
        left = block
        for run, values in long.items():
            rows = np.linspace(0, len(values) - 1, min(SAMPLE, len(values))).astype(int)
            sample = values[np.ix_(rows, left)].astype(np.float64)
            left = left[_follow(sample, times[run][rows], 10 * ROUNDING)]
        for run, values in long.items():
            left = left[_follow(values[:, left].astype(np.float64), times[run])]
        varies = [(values[:, left] != values[0, left]).any(axis=0) for values in long.values()]
        found += left[np.any(varies, axis=0)].tolist()
    return found


def _follow(values: Floats, time: Floats, rounding: float = ROUNDING) -> Array:
    """Check which columns, (n, width), lie on a line over a time, (n,), but for rounding.

    A constant column does.
    """
    constant: Array = (values == values[0]).all(axis=0)
    clock = time - time.mean()
    energy = (clock**2).sum()
    if not energy:
        return constant
    centred = values - values.mean(axis=0)
    rest = ((centred - np.outer(clock, clock @ centred / energy)) ** 2).sum(axis=0)
    return np.asarray(constant | (rest <= rounding * (centred**2).sum(axis=0)))
