"""Feature spaces that are no language: how fast, long, frequent, high and loud the words are.

Each is one number per word, convolved and fitted like a hidden state: what of a brain score, or of
its asymmetry, a model shares with them is no evidence of language.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lateralization import study
from lateralization.arrays import Floats
from lateralization.errors import BadInput
from lateralization.files import digest_of, measured, numbers, read_table, read_text_table
from lateralization.problems import listed
from lateralization.runs import RUN, STORY
from lateralization.words.by_story import story_column

FROM_ANNOTATION = ("word_rate", "word_length", "word_position", "word_frequency")
FROM_SOUND = ("f0", "intensity")
SOUND = ("time", *FROM_SOUND, "section")
"""Columns of a table of prosody."""
SURPRISAL = "surprisal"
KINDS = (*FROM_ANNOTATION, *FROM_SOUND)
ALL = (*KINDS, SURPRISAL)

FREQUENCY = "logfreq"
"""Column of the logarithm of a word's frequency."""


def confound(
    kind: str, words: pd.DataFrame, annotation: Path, given: Path | None = None
) -> tuple[Floats, dict[str, Any]]:
    """Compute the values of a confound.

    Parameters
    ----------
    kind : str
        ``word_rate``: 1. ``word_length``: characters of the word as it is annotated.
        ``word_position``: its onset, seconds from the start of the run. ``word_frequency``: its
        logarithmic frequency. ``f0``, ``intensity``: mean over the frames of its sound (of f0: the
        voiced ones). ``surprisal``: bits, as a model of the run has it.
    words : DataFrame
        As :func:`lateralization.words.annotation.read_words` returns it.
    annotation : Path
        The annotation that ``words`` come from.
    given : Path or None
        The prosody table, the table of surprisals, or a list of frequencies in place of the
        annotation's own.

    Returns
    -------
    values : array of shape (n_words, 1), float64
        A word without a value has the mean of the others, so that it differs in nothing from a
        word of which only its occurrence is known.
    report : dict
        ``n_unknown``: words without a value.

    Raises
    ------
    BadInput
        A table lacks a column, has a value for no word at all, or numbers that are written in
        another notation (0,5).
    """
    values = _VALUES[kind](kind, words, annotation, given)
    known = np.isfinite(values)
    if not known.any():
        raise BadInput(f"{kind}: {given or annotation} has a value for none of the story's words")
    filled = np.where(known, values, values[known].mean())
    return filled[:, None], {"n_unknown": int((~known).sum())}


def _rate(_kind: str, words: pd.DataFrame, *_: Path | None) -> Floats:
    return np.ones(len(words))


def _length(_kind: str, words: pd.DataFrame, *_: Path | None) -> Floats:
    return np.array([len(str(word)) for word in words["word"]], np.float64)


def _position(_kind: str, words: pd.DataFrame, *_: Path | None) -> Floats:
    return words["onset"].to_numpy(np.float64)


def _frequency(_kind: str, words: pd.DataFrame, annotation: Path, given: Path | None) -> Floats:
    """Look words up in a list, or take the annotation's own column, row by row."""
    if given is None:
        table = _read(
            annotation, (FREQUENCY,), "give --word_frequencies, or name it in dataset.json"
        )
        own: Floats = _measures(table, FREQUENCY, annotation)[words["row"].to_numpy()]
        return own
    table = _read(given, ("word", FREQUENCY), "mend its header")
    table[FREQUENCY] = _measures(table, FREQUENCY, given)
    table["word"] = table["word"].str.lower()
    found = table.drop_duplicates("word").set_index("word")
    keys = [str(word).lower() for word in words["word"]]
    return found[FREQUENCY].reindex(keys).to_numpy(np.float64)


def _sound(kind: str, words: pd.DataFrame, _annotation: Path, given: Path | None) -> Floats:
    """Average the frames between a word's onset and offset."""
    if given is None:
        raise BadInput(f"{kind} needs the data set's prosody table; name it in dataset.json")
    column = story_column(words)
    where = "section" if column == RUN else column
    table = _read(given, ("time", kind, where), "name its columns in dataset.json")
    frames = {name: _measures(table, name, given) for name in ("time", kind)}
    of_frame = _measures(table, where, given) if where == "section" else table[where].to_numpy()
    usable = np.isfinite(frames["time"]) & np.isfinite(frames[kind])
    if kind == "f0":
        usable &= frames[kind] > 0  # 0 is what trackers say where there is no voice
    values = np.full(len(words), np.nan)
    for story in words[column].unique():
        mine = usable & (of_frame == story)
        order = np.argsort(frames["time"][mine], kind="stable")
        times, sums = frames["time"][mine][order], np.cumsum(frames[kind][mine][order])
        here = np.flatnonzero(words[column].to_numpy() == story)
        first = np.searchsorted(times, words["onset"].to_numpy(float)[here])
        last = np.searchsorted(times, words["offset"].to_numpy(float)[here])
        heard = last > first
        totals = np.concatenate([[0.0], sums])
        means = (totals[last] - totals[first])[heard] / (last - first)[heard]
        values[here[heard]] = means
    return values


def _surprisal(kind: str, words: pd.DataFrame, _annotation: Path, given: Path | None) -> Floats:
    """Take the surprisals of a model, which are in the order of the words."""
    if given is None:
        raise BadInput("surprisal needs the table of a model; give --surprisal yes")
    table, column = read_table(given, ("word", STORY)), story_column(words)
    if len(table) != len(words) or (table[column].to_numpy() != words[column].to_numpy()).any():
        raise BadInput(f"{given} has {len(table)} words and the annotation {len(words)}")
    return table[kind].to_numpy(np.float64)


_VALUES: dict[str, Callable[[str, pd.DataFrame, Path, Path | None], Floats]] = {
    "word_rate": _rate,
    "word_length": _length,
    "word_position": _position,
    "word_frequency": _frequency,
    "f0": _sound,
    "intensity": _sound,
    SURPRISAL: _surprisal,
}


def check_table(path: Path, needed: Sequence[str], measures: Sequence[str], hint: str) -> None:
    """Refuse a table of the user's that lacks a column, or is not read as it is meant.

    Parameters
    ----------
    path
    needed
        Columns that must be there.
    measures
        Columns of numbers; one that is absent is passed over.
    hint
        How to mend the lack of a column.

    Raises
    ------
    BadInput
        The file cannot be read, has another separator than its name says, a row that is cut
        short, numbers in another notation, or lacks one of ``needed``.
    """
    table = _read(path, needed, hint)
    for name in measures:
        if name in table:
            _measures(table, name, path)


def _is_published(path: Path) -> bool:
    """Check whether a table is one of the study's data set: its cells are what they are."""
    try:
        digest = digest_of(path, "md5")
    except OSError:  # the reader names what is wrong
        return False
    return digest in (*study.ANNOTATION_MD5.values(), *study.PROSODY_MD5.values())


def _measures(table: pd.DataFrame, name: str, path: Path) -> Floats:
    """Return a column of numbers of a table that was read from ``path``, (n_rows,)."""
    return numbers(table[name]) if _is_published(path) else measured(table[name], str(path))


def _read(path: Path, needed: Sequence[str], hint: str) -> pd.DataFrame:
    """Read a CSV or TSV as text, row for row."""
    table = read_text_table(path, needed, strict=not _is_published(path))
    missing = [name for name in needed if name not in table]
    if missing:
        raise BadInput(
            f"{path} has no column {listed(missing)}; it has {listed(table.columns) or 'none'}; "
            f"{hint}"
        )
    return table
