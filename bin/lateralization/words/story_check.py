"""Whether annotation and texts tell one story, as far as that is seen without a tokenizer."""

from collections.abc import Sequence

import pandas as pd

from lateralization.errors import BadInput
from lateralization.problems import listed
from lateralization.words.alignment import comparable

LEAST_FOUND = 0.2
"""Share of a run's words that must be somewhere in its text. Another chapter of the same book has
more than half of them, a text in another language hardly any: what lies between is for the
alignment to say."""

SHORT = 2
"""Letters of a word that is in nearly every text."""


def share_found(words: Sequence[str], text: str) -> float:
    """Return the share of the words that are in a text, without regard to order; 1 of none."""
    printed = comparable(text)[0]
    sought = [comparable(word)[0] for word in words]
    told = [word for word in sought if len(word) > SHORT or not word.isascii()]
    return sum(word in printed for word in told) / len(told) if told else 1.0


def check_told(words: pd.DataFrame, texts: Sequence[tuple[str, bytes]]) -> None:
    """Refuse texts that are not those of the annotated runs.

    Parameters
    ----------
    words : table with columns ``run`` (from 1) and ``word``
    texts
        Name and content of each run's text, UTF-8, in the order of the runs.

    Raises
    ------
    BadInput
        Hardly any word of a run is in its text.
    """
    for run, (name, content) in enumerate(texts, start=1):
        spoken = words["word"][words["run"] == run].tolist()
        share = share_found(spoken, content.decode("utf-8"))
        if share < LEAST_FOUND:
            raise BadInput(
                f"{name} has {share:.0%} of the words that are annotated in run {run} "
                f"({listed(spoken, 4)}); give the text that was heard in that run"
            )


def out_of_order(words: pd.DataFrame) -> str:
    """Say which words begin before the one that the annotation has before them; empty if none do.

    Parameters
    ----------
    words : table with columns ``run``, ``row``, ``word``, ``onset``
    """
    steps = words.groupby("run")["onset"].diff()
    early = words[(steps < 0).to_numpy()]
    if early.empty:
        return ""
    first = early.iloc[0]
    return (
        f"{len(early)} words begin before the word of the row above (first: {first['word']!r}, "
        f"row {first['row']}); words are matched with the text in the order of the rows"
    )
