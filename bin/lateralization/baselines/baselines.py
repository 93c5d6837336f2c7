"""Baselines: random vectors, and what the other kinds make of the words.

The study's controls. The draws are those of NumPy's legacy generator (MT19937) in the study's
order, so the same seed gives the same numbers to the last bit.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lateralization.arrays import Array, Floats
from lateralization.baselines import confounds, oasm
from lateralization.baselines.glove import glove_vectors
from lateralization.errors import BadInput
from lateralization.words.by_story import rows_by_story, story_column
from lateralization.words.words import WORDS_COLUMNS

BASELINE_KINDS = ("random_vector", "random_embedding", "glove", *confounds.KINDS, oasm.KIND)


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


def baseline(
    spec: Mapping[str, Any], words: pd.DataFrame, annotation: Path, given: Path | None = None
) -> tuple[Array, dict[str, Any]]:
    """Compute a baseline of the plan.

    Parameters
    ----------
    spec : dict
        kind (one of ``BASELINE_KINDS``, or ``surprisal``), and for the random ones
        dims and seed.
    words : DataFrame
        As :func:`lateralization.words.annotation.read_words` returns it.
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

    Raises
    ------
    BadInput
        The kind is unknown, or what it reads is missing or damaged.
    """
    kind, spoken = str(spec.get("kind")), [str(word) for word in words["word"]]
    if kind == "glove":
        if given is None:
            raise BadInput("the baseline glove needs a GloVe file (--glove)")
        vectors, unknown = glove_vectors(spoken, given)
        return vectors, {"unknown_words": unknown, "n_unknown": sum(unknown.values())}
    if kind in confounds.ALL:
        return confounds.confound(kind, words, annotation, given)
    if kind not in BASELINE_KINDS:
        raise BadInput(f"baseline {kind!r} is unknown; choose from {', '.join(BASELINE_KINDS)}")
    draw = random_vectors if kind == "random_vector" else random_embedding
    dims, seed = int(spec["dims"]), int(spec["seed"])
    return draw(spoken, dims, seed), {"seed": seed}


def split_runs(vectors: Array, words: pd.DataFrame) -> dict[str, Array]:
    """Return the vectors in the form of a features file: one layer per story."""
    places = words.reset_index(drop=True)
    return {
        f"{story}/layer-0": vectors[rows.index.to_numpy()]
        for story, rows in rows_by_story(places).items()
    }


def baseline_table(words: pd.DataFrame) -> pd.DataFrame:
    """Return the table of words of a baseline: no tokens, hence empty columns."""
    return words.reindex(columns=[story_column(words), *WORDS_COLUMNS])
