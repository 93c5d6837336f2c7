"""GloVe: word vectors of a text or a zip, looked up as the study did."""

import io
import re
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path

import numpy as np

from lateralization.arrays import Single
from lateralization.command import progress, say
from lateralization.errors import BadInput
from lateralization.files import check_fetched
from lateralization.problems import listed
from lateralization.words.stories import DAMAGED

GLOVE_DIMS = 300
"""Width of the study's vectors; a user's own file says its own."""

FIRST_LINES = 10
"""Lines from which the width of a file is taken."""

FIRST_PIECE = re.compile(r"[ \t]*([^ \t\r\n]+)")

LONGEST_LINE = 100_000
"""Characters of a line of GloVe, at most: 300 numbers take some 3,000."""


RESPELLED = {"na\\ive": "naive", "redfaced": "red-faced"}
"""Annotated form → key of GloVe."""

SUMS: dict[str, tuple[str, ...]] = {
    **{f"three two {n}": ("three", "two", n) for n in ("five", "six", "seven", "eight", "nine")},
    "three three zero": ("three", "three", "zero"),
}
"""Asteroid numbers annotated as one word → the words whose mean vector they get."""

_GLOVE_DELETE = str.maketrans("", "", "';")


def glove_key(word: str) -> str:
    """Return the form in which a word is looked up in GloVe."""
    key = word.lower().translate(_GLOVE_DELETE)
    return RESPELLED.get(key, key)


def glove_vectors(words: Sequence[str], path: Path) -> tuple[Single, dict[str, int]]:
    """Look words up in a GloVe file, which is read as a stream.

    Parameters
    ----------
    words : sequence of str
    path : Path
        Text (one word and its numbers per line), or a zip that holds such a file.

    Returns
    -------
    vectors : array of shape (n_words, width), float32
        Zero for words that GloVe does not have.
    unknown : dict
        Those words and how often each occurs.

    Raises
    ------
    BadInput
        See :func:`glove_width` and :func:`read_glove`; or the file has none of the words.
    """
    keys = [glove_key(word) for word in words]
    wanted = set(keys) | {part for key in keys for part in SUMS.get(key, ())}
    dims = glove_width(path)
    table = read_glove(path, wanted, dims)
    if not table:
        raise BadInput(
            f"GloVe file {path}: it has none of the story's words; is it the right file?"
        )
    zero = np.zeros(dims, np.float32)
    unknown: dict[str, int] = {}
    vectors = np.empty((len(words), dims), np.float32)
    for row, key in enumerate(keys):
        vector = _of_key(key, table)
        if vector is None:
            unknown[key] = unknown.get(key, 0) + 1
        vectors[row] = zero if vector is None else vector
    return vectors, unknown


def _of_key(key: str, table: Mapping[str, Single]) -> Single | None:
    """Return a key's own vector, or the mean of its parts' for an asteroid number."""
    if key in table:
        return table[key]
    parts = SUMS.get(key, ())
    if not parts or any(part not in table for part in parts):
        return None
    total = sum(table[part] for part in parts)
    return np.asarray(total / np.float32(len(parts)), np.float32)


def glove_width(path: Path) -> int:
    """Return how many numbers a GloVe file has for a word: what most of its first lines have.

    Raises
    ------
    BadInput
        The file cannot be read, begins with no words and their numbers, or its first line counts
        words and width, as in files of word2vec and fastText, and counts another width.
    """
    with _reading(path) as lines:
        first = [_pieces(line) for line, _ in zip(lines, range(FIRST_LINES), strict=False)]
    counts = _counts(first[0]) if len(first) > 1 else None
    widths = Counter(_trailing_numbers(pieces) for pieces in first[bool(counts) :])
    width = min(widths, key=lambda found: (-widths[found], found), default=0)
    if not width:
        raise BadInput(
            f"GloVe file {path} does not begin with a word and its numbers; give word vectors, one "
            "word a line, with blanks between"
        )
    if counts and counts[1] != width:
        raise BadInput(
            f"GloVe file {path}: its first line says that words have {counts[1]} numbers, and they "
            f"have {width}; remove or mend that line"
        )
    return width


def _pieces(line: str) -> list[str]:
    """Split a line at plain blanks and tabs only: words may hold other blanks (U+00A0, U+0085)."""
    return [piece for piece in line.rstrip("\r\n").replace("\t", " ").split(" ") if piece]


def _counts(pieces: Sequence[str]) -> tuple[int, int] | None:
    """Return the numbers of words and of dimensions, if a first line counts them."""
    if len(pieces) != 2 or not all(re.fullmatch("[0-9]{1,9}", piece) for piece in pieces):
        return None
    return int(pieces[0]), int(pieces[1])


def _is_number(piece: str) -> bool:
    try:
        float(piece)
    except ValueError:
        return False
    return True


def _trailing_numbers(pieces: Sequence[str]) -> int:
    """Count the numbers at the end of a line, after its first piece."""
    return sum(1 for _ in takewhile(_is_number, reversed(pieces[1:])))


def read_glove(path: Path, wanted: set[str], dims: int) -> dict[str, Single]:
    """Read the vectors of ``wanted`` words; of a word that comes twice, the later one.

    A line is a word and ``dims`` numbers. Words may have blanks in them: glove.840B has "at
    name@domain.com", which says nothing of "at".

    Raises
    ------
    BadInput
        The file cannot be read or ends too early, or the line of a wanted word has not ``dims``
        numbers.
    """
    table: dict[str, Single] = {}
    beginnings = {word.split(" ", 1)[0] for word in wanted}
    counts, number, line, twice, latest = None, 0, "", set(), ("", 0)
    with _reading(path) as lines:
        for number, line in enumerate(progress(lines, "GloVe"), start=1):
            if number == 1 and (counts := _counts(_pieces(line))):
                continue
            begins = FIRST_PIECE.match(line)
            if begins is None or begins[1] not in beginnings:
                continue
            pieces = _pieces(line)
            if _of_another_width(pieces, dims):
                raise BadInput(
                    f"GloVe file {path}, line {number}: {pieces[0]!r} has {len(pieces) - 1} "
                    f"numbers, not {dims}; copy the file again"
                )
            word = " ".join(pieces[:-dims])
            if word not in wanted:
                continue
            try:
                vector = np.array(pieces[-dims:], np.float32)
            except ValueError:
                vector = np.array([np.nan], np.float32)
            if not np.isfinite(vector).all():
                raise BadInput(
                    f"GloVe file {path}, line {number}: {word!r} has a number that is not finite; "
                    "copy the file again"
                )
            if word in table and not np.array_equal(table[word], vector):
                twice.add(word)
            table[word], latest = vector, (word, number)
    cut = 0 < len(_pieces(line)) <= dims
    if cut or (counts and counts[0] > number - 1):
        raise BadInput(
            f"GloVe file {path} ends too early, in line {number}; copy or fetch it again"
        )
    if latest[1] == number and not line.endswith("\n"):
        say(
            f"GloVe file {path} ends without a line end: if the file was cut short, so is the last "
            f"number of {latest[0]!r}"
        )
    if twice:
        say(f"GloVe: words with several vectors, of which the last counts: {listed(sorted(twice))}")
    return table


def _of_another_width(pieces: Sequence[str], dims: int) -> bool:
    """Check whether a line has not ``dims`` numbers: fewer, or more of nothing but numbers."""
    between = pieces[1:-dims]
    return len(pieces) <= dims or (bool(between) and all(map(_is_number, between)))


@contextmanager
def _reading(path: Path) -> Iterator[Iterator[str]]:
    """Give a file's lines; what cannot be read is bad input."""
    check_fetched(path)
    try:
        with _lines(path) as lines:
            yield lines
    except UnicodeDecodeError as error:
        raise BadInput(f"GloVe file {path} is not UTF-8 ({error.reason})") from None
    except (OSError, ValueError, RuntimeError, *DAMAGED) as error:
        raise BadInput(f"cannot read the GloVe file {path}: {error}") from error


@contextmanager
def _lines(path: Path) -> Iterator[Iterator[str]]:
    """Open a GloVe text, or the text in a zip (of several that of the study's width), by line."""
    if not zipfile.is_zipfile(path):
        with path.open(encoding="utf-8-sig", newline="\n") as handle:
            yield _bounded(handle, path)
        return
    with zipfile.ZipFile(path) as archive:
        names = [
            name
            for name in archive.namelist()
            if name.endswith(".txt") and not name.startswith("__MACOSX/")
        ]
        right = [name for name in names if f".{GLOVE_DIMS}d" in name] or names
        if len(right) != 1:
            raise BadInput(
                f"GloVe file {path}: which of {listed(names) or 'no .txt'} is meant? Unpack the one"
            )
        with archive.open(right[0]) as binary:
            yield _bounded(io.TextIOWrapper(binary, encoding="utf-8-sig", newline="\n"), path)


def _bounded(handle: io.TextIOBase, path: Path) -> Iterator[str]:
    """Yield lines; one without an end (a zip of nothing but zeros) is refused, not kept."""
    while line := handle.readline(LONGEST_LINE):
        if len(line) == LONGEST_LINE:
            raise BadInput(f"GloVe file {path}: a line has more than {LONGEST_LINE} characters")
        yield line
