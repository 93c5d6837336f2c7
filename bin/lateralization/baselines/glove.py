"""GloVe: word vectors of a text or a zip, looked up as the study did."""

import io
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from lateralization.arrays import Single
from lateralization.command import progress
from lateralization.errors import BadInput
from lateralization.problems import listed
from lateralization.words.stories import DAMAGED

GLOVE_DIMS = 300
"""Width of the study's vectors; a user's own file says its own."""

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
    """Return how many numbers a GloVe file has for a word, from its first lines.

    Raises
    ------
    BadInput
        The file cannot be read, or begins with no word and its numbers.
    """
    with _reading(path) as lines:
        first = [line.split() for line, _ in zip(lines, range(2), strict=False)]
    # a first line of two numbers counts words and width, as in files of word2vec
    counts = len(first) == 2 and len(first[0]) == 2 and all(cell.isdigit() for cell in first[0])
    cells = first[1 if counts else 0] if first else []
    try:
        numbers = [float(cell) for cell in cells[1:]]
    except ValueError:
        numbers = []
    if not numbers:
        raise BadInput(
            f"GloVe file {path} does not begin with a word and its numbers; give word vectors, one "
            "word a line"
        )
    return len(numbers)


def read_glove(path: Path, wanted: set[str], dims: int) -> dict[str, Single]:
    """Read the vectors of ``wanted`` words; of a word that comes twice, the later one.

    Raises
    ------
    BadInput
        The file cannot be read, or a line has not ``dims`` numbers.
    """
    table: dict[str, Single] = {}
    with _reading(path) as lines:
        for number, line in enumerate(progress(lines, "GloVe"), start=1):
            key = next(iter(line.split(None, 1)), "")
            if key not in wanted:
                continue
            cells = line.split()
            if len(cells) != dims + 1:
                raise BadInput(
                    f"GloVe file {path}, line {number}: {len(cells) - 1} numbers, not {dims}"
                )
            vector = np.array(cells[1:], np.float32)
            if not np.isfinite(vector).all():
                raise BadInput(
                    f"GloVe file {path}, line {number}: a number of {key!r} is not finite"
                )
            table[key] = vector
    return table


@contextmanager
def _reading(path: Path) -> Iterator[Iterator[str]]:
    """Give a file's lines; what cannot be read is bad input."""
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
        with path.open(encoding="utf-8", newline="\n") as handle:
            yield _bounded(handle, path)
        return
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.endswith(".txt")]
        right = [name for name in names if f".{GLOVE_DIMS}d" in name] or names
        if len(right) != 1:
            raise BadInput(
                f"GloVe file {path}: which of {listed(names) or 'no .txt'} is meant? Unpack the one"
            )
        with archive.open(right[0]) as binary:
            yield _bounded(io.TextIOWrapper(binary, encoding="utf-8", newline="\n"), path)


def _bounded(handle: io.TextIOBase, path: Path) -> Iterator[str]:
    """Yield lines; one without an end (a zip of nothing but zeros) is refused, not kept."""
    while line := handle.readline(LONGEST_LINE):
        if len(line) == LONGEST_LINE:
            raise BadInput(f"GloVe file {path}: a line has more than {LONGEST_LINE} characters")
        yield line
