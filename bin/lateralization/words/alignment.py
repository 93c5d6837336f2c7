"""Global alignment of the annotated words with the printed text, character by character.

Works for any tokenizer, because it ends in character positions. The alignment is Gotoh's (J. Mol.
Biol. 1982): affine gaps keep the letters of a word together when the text has a passage that the
annotation lacks, or the other way round. It is filled row by row within a band around the
diagonal, so time and memory grow with the length of the text.

Biopython's ``PairwiseAligner`` has affine gaps too, and finds the same words in a ninth of the
time; it has no bonus for the start of a word, and would be a dependency for this alone.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from lateralization.arrays import Booleans, Integers

Scores = NDArray[np.int32]

MATCH = 4
WORD_START = 1
MISMATCH = -3
GAP_OPEN = -3
GAP_EXTEND = -1
IMPOSSIBLE = np.int32(-(10**8))

SIDEWAYS, UPWARDS, LONGER_SIDEWAYS, LONGER_UPWARDS = 1, 2, 4, 8
"""Bits of a cell: its best path ends in a gap along the row or the column; a gap along the row or
the column that ends here comes from further away than the neighbouring cell."""

FIRST_BAND = 256
"""Half-width of the first band tried, characters, beside the difference of the two lengths."""

ALIGNED_SHARE = 0.5
"""A word is aligned when at least this share of its characters is found in the text."""


LETTERS = str.maketrans({"œ": "oe", "æ": "ae", "ø": "o", "ł": "l", "đ": "d", "ı": "i"})
"""Letters that Unicode does not take apart, as they are written where they cannot be typed."""


@dataclass(frozen=True)
class Alignment:
    """Where each unit (word or Chinese character) of a run is in the text.

    Attributes
    ----------
    starts : array of shape (n_units,), int64
        Character of the text at which each unit starts; never decreasing.
    aligned : array of shape (n_units,), bool
        False where the unit's characters were not found: it then has the text between its
        neighbours or, when there is none, the place of a neighbour.
    borrowed : array of shape (n_units,), int64
        The unit whose place an unaligned unit takes; -1 for all others.
    """

    starts: Integers
    aligned: Booleans
    borrowed: Integers


def comparable(text: str) -> tuple[str, Integers]:
    """Reduce a text to letters and digits in one case and without accents.

    Returns
    -------
    reduced : str
    origin : array of shape (len(reduced),), int64
        Character of ``text`` that each reduced character comes from.
    """
    letters: list[str] = []
    origin: list[int] = []
    for place, character in enumerate(text):
        plain = character.casefold().translate(LETTERS)
        for part in unicodedata.normalize("NFKD", plain).casefold():
            if part.isalnum():
                letters.append(part)
                origin.append(place)
    return "".join(letters), np.array(origin, np.int64)


def align(units: Sequence[str], text: str) -> Alignment:
    """Find each unit's place in the text.

    Parameters
    ----------
    units : sequence of str
        Annotated words in order (in Chinese, their characters).
    text : str
        Text of the run.
    """
    spoken, owner = _joined(units)
    printed, origin = comparable(text)
    if not spoken or not printed:
        nothing = np.zeros(len(units), bool)
        return Alignment(np.zeros(len(units), np.int64), nothing, np.zeros(len(units), np.int64))
    partner = _partners(spoken, printed, _starts(owner), _word_starts(text, origin))
    first, last, aligned = _extents(owner, partner, len(units))
    return _place(first, last, aligned, origin)


def _joined(units: Sequence[str]) -> tuple[str, Integers]:
    """Join the units' comparable characters and tell which unit each belongs to."""
    parts = [comparable(unit)[0] for unit in units]
    return "".join(parts), np.repeat(np.arange(len(units)), [len(part) for part in parts])


def _starts(owner: Integers) -> Booleans:
    """Mark the first character of each unit."""
    return np.asarray(np.diff(owner, prepend=-1) != 0, bool)


def _word_starts(text: str, origin: Integers) -> Booleans:
    """Mark comparable characters of the text that follow something else than a letter or digit."""
    before = origin - 1
    return np.array([at < 0 or not text[at].isalnum() for at in before.tolist()], bool)


def _partners(spoken: str, printed: str, begins: Booleans, text_begins: Booleans) -> Integers:
    """Align two strings globally.

    Returns
    -------
    array of shape (len(spoken),), int64
        Index in ``printed`` of the equal character that each one is aligned with, or -1. The band
        is widened until the best path stays clear of its edges.
    """
    a, b = _codes(spoken), _codes(printed)
    band = FIRST_BAND + abs(len(a) - len(b))
    while True:
        partner, touched = _gotoh(a, b, begins, text_begins, band)
        if not touched or band >= max(len(a), len(b)):
            return partner
        band *= 2


def _codes(text: str) -> Scores:
    """Return a string's code points."""
    return np.frombuffer(text.encode("utf-32-le"), np.int32)


def _gotoh(
    a: Scores,
    b: Scores,
    begins: Booleans,
    text_begins: Booleans,
    band: int,
) -> tuple[Integers, bool]:
    """Fill the banded matrix row by row and trace the best path back.

    Row i holds columns low[i] … low[i] + 2·band. A gap within a row needs no loop: its best start
    is a running maximum of the scores less the cost of reaching them.
    """
    width = 2 * band + 1
    low = (np.arange(len(a) + 1) * len(b)) // max(len(a), 1) - band
    step = GAP_EXTEND * np.arange(width, dtype=np.int32)
    padded = np.concatenate([np.full(1, -1, np.int32), b])
    choice = np.zeros((len(a) + 1, width), np.uint8)
    best = np.full(width, IMPOSSIBLE, np.int32)
    best[-low[0]] = 0
    best, choice[0] = _along(best, step, _inside(low[0], width, len(b)))
    up = np.full(width, IMPOSSIBLE, np.int32)
    for row in range(1, len(a) + 1):
        shift = int(low[row] - low[row - 1])
        columns = low[row] + np.arange(width)
        inside = (columns >= 0) & (columns <= len(b))
        at = np.clip(columns, 0, len(b))
        diagonal = _shifted(best, shift - 1) + _score(
            a[row - 1], padded[at], begins[row - 1], text_begins, at
        )
        diagonal[columns < 1] = IMPOSSIBLE
        opened = _shifted(best, shift) + np.int32(GAP_OPEN + GAP_EXTEND)
        extended = _shifted(up, shift) + np.int32(GAP_EXTEND)
        up = np.maximum(opened, extended)
        here = np.maximum(diagonal, up)
        here[~inside] = IMPOSSIBLE
        best, flags = _along(here, step, inside)
        flags |= np.where(up > diagonal, UPWARDS, 0).astype(np.uint8)
        choice[row] = flags | np.where(extended > opened, LONGER_UPWARDS, 0).astype(np.uint8)
    return _trace(a, b, choice, low)


def _inside(low: int, width: int, n: int) -> Booleans:
    """Mark the columns of a row that exist."""
    columns = low + np.arange(width)
    return (columns >= 0) & (columns <= n)


def _shifted(row: Scores, shift: int) -> Scores:
    """Return the row above seen from a row whose band starts ``shift`` columns further right."""
    if shift == 0:
        return row
    result = np.full_like(row, IMPOSSIBLE)
    if shift > 0:
        result[:-shift] = row[shift:]
    else:
        result[-shift:] = row[:shift]
    return result


def _score(
    character: np.int32,
    others: Scores,
    begins: np.bool_,
    text_begins: Booleans,
    at: Integers,
) -> Scores:
    """Score one character of the annotation against a row of the text."""
    score = np.where(others == character, np.int32(MATCH), np.int32(MISMATCH))
    if begins:
        bonus = text_begins[np.maximum(at - 1, 0)] & (others == character)
        score = score + bonus.astype(np.int32) * np.int32(WORD_START)
    return score.astype(np.int32)


def _along(here: Scores, step: Scores, inside: Booleans) -> tuple[Scores, NDArray[np.uint8]]:
    """Allow gaps within the row; return the scores and where a gap is better, and longer than 1."""
    level = here - step
    reach = np.maximum.accumulate(level)
    gap = np.full_like(here, IMPOSSIBLE)
    gap[1:] = reach[:-1] + step[1:] + np.int32(GAP_OPEN)
    longer = np.zeros(len(here), bool)
    longer[2:] = reach[:-2] > level[1:-1]
    better = (gap > here) & inside
    flags = np.where(better, SIDEWAYS, 0) | np.where(longer, LONGER_SIDEWAYS, 0)
    return np.where(better, gap, here), flags.astype(np.uint8)


def _trace(a: Scores, b: Scores, choice: NDArray[np.uint8], low: Integers) -> tuple[Integers, bool]:
    """Walk back from the end of both strings; tell whether the path came near the band's edge."""
    partner = np.full(len(a), -1, np.int64)
    row, column = len(a), len(b)
    width = choice.shape[1]
    touched = False
    while row > 0:
        at = column - int(low[row])
        touched |= (at < 2 and column > 1) or (at > width - 3 and column < len(b) - 1)
        move = int(choice[row, at])
        if move & SIDEWAYS:
            while True:
                longer = choice[row, column - int(low[row])] & LONGER_SIDEWAYS
                column -= 1
                if not longer:
                    break
        elif move & UPWARDS:
            while row > 0:
                longer = choice[row, column - int(low[row])] & LONGER_UPWARDS
                row -= 1
                if not longer:
                    break
        else:
            row, column = row - 1, column - 1
            if a[row] == b[column]:
                partner[row] = column
    return partner, touched


def _extents(
    owner: Integers, partner: Integers, n_units: int
) -> tuple[Integers, Integers, Booleans]:
    """Return the first and last matched text character of each unit and whether it is aligned."""
    first = np.full(n_units, np.iinfo(np.int64).max, np.int64)
    last = np.full(n_units, -1, np.int64)
    hit = partner >= 0
    np.minimum.at(first, owner[hit], partner[hit])
    np.maximum.at(last, owner[hit], partner[hit])
    size = np.bincount(owner, minlength=n_units)
    found = np.bincount(owner[hit], minlength=n_units)
    close = (last - first + 1) <= 2 * np.maximum(size, 2)
    aligned = (found > 0) & (found >= ALIGNED_SHARE * size) & close
    return first, last, aligned


def _place(first: Integers, last: Integers, aligned: Booleans, origin: Integers) -> Alignment:
    """Give every unit a start: its own, one between its neighbours' texts, or a neighbour's."""
    n_units = len(first)
    starts = np.zeros(n_units, np.int64)
    borrowed = np.full(n_units, -1, np.int64)
    starts[aligned] = origin[first[aligned]]
    anchors = np.flatnonzero(aligned)
    edges = [-1, *anchors.tolist(), n_units]
    for left, right in pairwise(edges):
        missing = np.arange(left + 1, right)
        if not len(missing):
            continue
        begin = int(last[left]) + 1 if left >= 0 else 0
        end = int(first[right]) if right < n_units else len(origin)
        room = end - begin
        own = missing[: max(room, 0)]
        if len(own):
            starts[own] = origin[begin + (np.arange(len(own)) * room) // len(own)]
        rest = missing[len(own) :]
        source = int(own[-1]) if len(own) else (left if left >= 0 else min(right, n_units - 1))
        starts[rest] = starts[source]
        borrowed[rest] = source
    return Alignment(starts, aligned, borrowed)
