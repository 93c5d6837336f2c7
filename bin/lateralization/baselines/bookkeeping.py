"""Columns of a user's features that only say where a row is: its number, its run, its time.

Such a column is a ramp over the story, which follows word rate and drift: noise with an index
beside it scores above zero. It is refused by its name, and by its values where the name is another.
"""

import re
from collections.abc import Mapping

import numpy as np

from lateralization.arrays import Array, Floats

_PART = (
    "row|line|word|token|sentence|scan|volume|vol|frame|sample|run|section|story|session|trial|"
    "event|item|tr|subject|participant"
)
_UNIT = "(in)?(s|secs?|seconds|ms|msecs?|milliseconds|trs|scans)?"
_NAMES = re.compile(
    rf"unnamed\d*(level\d*)?|level\d+|index\d*|({_PART})?(number|num|nr|no|id|idx|index|ix)|n|i|t"
    "|row|line|run|section|story|session|repetition|rep|subject|participant|trial|word|scan|tr"
    "|window|endwindow|firsttoken|endtoken"  # columns of a published table of words
    rf"|({_PART}|stimulus|audio)?(onset|offset|start|end|begin|stop)(time)?{_UNIT}"
    rf"|time(stamp|s)?{_UNIT}|(duration|dur){_UNIT}|seconds|secs?|msecs?|milliseconds"
)
"""Such names, in lower case and without what stands between their words."""

_R_INDEX = re.compile(r"\.\.\.\d+")
"""The name that readr gives a column without one."""

ENOUGH = 3
"""Rows that show what a column is: two lie on a line in any case."""

COLUMNS = 256
"""Columns that are compared with a time at once, in float64."""

ROUNDING = 1e-5
"""Share of a time's variance that rounding may change; whole seconds of ten minutes change less."""


def is_bookkeeping_name(name: str) -> bool:
    """Check whether a column's name is one of bookkeeping; an empty name is that of an index."""
    snake = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.strip()).casefold()
    letters = re.sub(r"[\s_.:()\[\]-]+", "", snake)
    return (
        not letters
        or bool(_NAMES.fullmatch(letters))
        or bool(_R_INDEX.fullmatch(snake))
        or bool(re.search(r"[\s_.-](id|idx|index|ix)$", snake))
    )


def stepping_columns(runs: Mapping[int, Array], step: float = 1) -> list[int]:
    """Find the columns that grow by ``step`` from row to row in every run, (n_rows, width) each.

    With ``step`` 1 they count rows, with the repetition time they are the time of scans.
    """
    long = [values for values in runs.values() if len(values) >= ENOUGH]
    if not long:
        return []
    columns = np.arange(long[0].shape[1])
    for values in long:
        for size in (ENOUGH, len(values)):  # few columns come through the first rows
            steps = np.diff(values[:size, columns].astype(np.float64), axis=0)
            columns = columns[np.isclose(steps, step, rtol=1e-5, atol=1e-6).all(axis=0)]
    return [int(column) for column in columns]


def run_columns(runs: Mapping[int, Array]) -> list[int]:
    """Find the columns that hold the number of the run, counted from 0 or 1; none of one run."""
    if len(runs) < 2:
        return []
    found = [
        np.stack([(values == run - first).all(axis=0) for run, values in runs.items()]).all(axis=0)
        for first in (0, 1)
    ]
    return [int(column) for column in np.flatnonzero(found[0] | found[1])]


def time_columns(runs: Mapping[int, Array], seconds: Mapping[int, Floats]) -> list[int]:
    """Find the columns that are a time of the words, in any unit and on any clock.

    Parameters
    ----------
    runs
        Run → features of its words, (n_words, width).
    seconds
        Run → such a time, (n_words,).

    Returns
    -------
    list of int
        Columns that grow in proportion to the time, equally in all runs.
    """
    found: list[int] = []
    width = next(iter(runs.values())).shape[1]
    clock = np.concatenate([seconds[run] - seconds[run].mean() for run in runs])
    for columns in np.array_split(np.arange(width), -(-width // COLUMNS)):
        parts = [values[:, columns].astype(np.float64) for values in runs.values()]
        centred = np.concatenate([part - part.mean(axis=0) for part in parts])
        found += columns[_are_proportional(centred, clock)].tolist()
    return found


def _are_proportional(centred: Floats, clock: Floats) -> Array:
    """Check which columns, (n, width), are multiples of a time, (n,), but for rounding."""
    energy = (clock**2).sum()
    if len(clock) < ENOUGH or not energy:
        return np.zeros(centred.shape[1], bool)
    rest = ((centred - np.outer(clock, clock @ centred / energy)) ** 2).sum(axis=0)
    total = (centred**2).sum(axis=0)
    return np.asarray((total > 0) & (rest <= ROUNDING * total))
