"""Word vectors that know nothing of context: GloVe, and random vectors.

The study's controls. The draws are those of NumPy's legacy generator (MT19937) in the study's
order, so the same seed gives the same numbers to the last bit.
"""

import io
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lateralization import confounds
from lateralization.arrays import Array, Floats, Single
from lateralization.catalogue import BASELINE_KINDS
from lateralization.command import progress
from lateralization.errors import BadInput
from lateralization.mapping import WORDS_COLUMNS
from lateralization.stories import DAMAGED

LONGEST_LINE = 100_000
"""Characters of a line of GloVe, at most: 300 numbers take some 3,000."""

GLOVE_DIMS = 300

RESPELLED = {"na\\ive": "naive", "redfaced": "red-faced"}
"""Annotated form → key of GloVe."""

SUMS: dict[str, tuple[str, ...]] = {
    **{f"three two {n}": ("three", "two", n) for n in ("five", "six", "seven", "eight", "nine")},
    "three three zero": ("three", "three", "zero"),
}
"""Asteroid numbers annotated as one word → the words whose mean vector they get."""

_GLOVE_DELETE = str.maketrans("", "", "';")


def random_vectors(words: Sequence[str], dims: int, seed: int) -> Floats:
    """Draw a new standard normal vector for every word token.

    Parameters
    ----------
    words : sequence of str
        All words of the story, in order.
    dims : int
    seed : int
        Of NumPy's legacy generator.

    Returns
    -------
    array of shape (n_words, dims), float64
    """
    return np.random.RandomState(seed).randn(len(words), dims)


def random_embedding(words: Sequence[str], dims: int, seed: int) -> Floats:
    """Draw a vector, uniform in [0, 1), for each distinct word, in the order of first occurrence.

    Words are compared as they are annotated (case matters).

    Returns
    -------
    array of shape (n_words, dims), float64
    """
    numbers: dict[str, int] = {}
    index = np.array([numbers.setdefault(word, len(numbers)) for word in words], np.int64)
    table = np.random.RandomState(seed).rand(len(numbers), dims)
    vectors: Floats = table[index]
    return vectors


def glove_key(word: str) -> str:
    """Return the form in which a word is looked up in GloVe."""
    key = word.lower().translate(_GLOVE_DELETE)
    return RESPELLED.get(key, key)


def glove_vectors(
    words: Sequence[str], path: Path, dims: int = GLOVE_DIMS
) -> tuple[Single, dict[str, int]]:
    """Look words up in a GloVe file, which is read as a stream.

    Parameters
    ----------
    words : sequence of str
    path : Path
        Text (one word and its numbers per line), or a zip that holds such a file.
    dims : int
        Numbers per word.

    Returns
    -------
    vectors : array of shape (n_words, dims), float32
        Zero for words that GloVe does not have.
    unknown : dict
        Those words and how often each occurs.
    """
    keys = [glove_key(word) for word in words]
    wanted = set(keys) | {part for key in keys for part in SUMS.get(key, ())}
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


def read_glove(path: Path, wanted: set[str], dims: int = GLOVE_DIMS) -> dict[str, Single]:
    """Read the vectors of ``wanted`` words; of a word that comes twice, the later one.

    Raises
    ------
    BadInput
        The file cannot be read, or a line has not ``dims`` numbers.
    """
    table: dict[str, Single] = {}
    try:
        with _lines(path, dims) as lines:
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
    except UnicodeDecodeError as error:
        raise BadInput(f"GloVe file {path} is not UTF-8 ({error.reason})") from None
    except (OSError, ValueError, RuntimeError, *DAMAGED) as error:
        raise BadInput(f"cannot read the GloVe file {path}: {error}") from error
    return table


@contextmanager
def _lines(path: Path, dims: int) -> Iterator[Iterator[str]]:
    """Open a GloVe text, or the text of the right width in a zip, line by line."""
    if not zipfile.is_zipfile(path):
        with path.open(encoding="utf-8", newline="\n") as handle:
            yield _bounded(handle, path)
        return
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.endswith(".txt")]
        right = [name for name in names if f".{dims}d" in name] or names
        if len(right) != 1:
            raise BadInput(f"GloVe file {path}: no single text of {dims} numbers in {names}")
        with archive.open(right[0]) as binary:
            yield _bounded(io.TextIOWrapper(binary, encoding="utf-8", newline="\n"), path)


def _bounded(handle: io.TextIOBase, path: Path) -> Iterator[str]:
    """Yield lines; one without an end (a zip of nothing but zeros) is refused, not kept."""
    while line := handle.readline(LONGEST_LINE):
        if len(line) == LONGEST_LINE:
            raise BadInput(f"GloVe file {path}: a line has more than {LONGEST_LINE} characters")
        yield line


def baseline(
    spec: Mapping[str, Any], words: pd.DataFrame, annotation: Path, given: Path | None = None
) -> tuple[Array, dict[str, Any]]:
    """Compute a baseline of the plan.

    Parameters
    ----------
    spec : dict
        kind (one of ``catalogue.BASELINE_KINDS``, or ``surprisal``), and for the random ones
        dims and seed.
    words : DataFrame
        As :func:`lateralization.annotation.read_words` returns it.
    annotation : Path
        The annotation that ``words`` come from.
    given : Path or None
        What the kind reads besides: the GloVe file, or see ``confounds.confound``.

    Returns
    -------
    vectors : array of shape (n_words, dims)
        float32 for GloVe, as in the study; float64 for all others.
    report : dict
        Words without a value of their own, for those that may have some.
    """
    kind, spoken = str(spec.get("kind")), [str(word) for word in words["word"]]
    if kind == "glove":
        if given is None:
            raise BadInput("the baseline glove needs a GloVe file (--glove)")
        vectors, unknown = glove_vectors(spoken, given, int(spec.get("dims") or GLOVE_DIMS))
        return vectors, {"unknown_words": unknown, "n_unknown": sum(unknown.values())}
    if kind in confounds.ALL:
        return confounds.confound(kind, words, annotation, given)
    if kind not in BASELINE_KINDS:
        raise BadInput(f"baseline {kind!r} is unknown; choose from {', '.join(BASELINE_KINDS)}")
    draw = random_vectors if kind == "random_vector" else random_embedding
    dims, seed = int(spec["dims"]), int(spec["seed"])
    return draw(spoken, dims, seed), {"seed": seed}


def split_runs(vectors: Array, words: pd.DataFrame) -> dict[str, Array]:
    """Return the vectors in the form of a features file: one layer per run."""
    runs = words["run"].to_numpy()
    return {f"run-{run}/layer-0": vectors[runs == run] for run in sorted(set(runs.tolist()))}


def baseline_table(words: pd.DataFrame) -> pd.DataFrame:
    """Return the table of words of a baseline: no tokens, hence empty columns."""
    return words.reindex(columns=list(WORDS_COLUMNS))
