"""Whether words and texts can be used, and tell one story, as far as no tokenizer is needed.

A module of its own because VALIDATE alone asks: it would be code of WORDS without being run there.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from lateralization.errors import BadInput
from lateralization.problems import Problems, listed
from lateralization.runs import label, shown
from lateralization.words.alignment import comparable
from lateralization.words.annotation import REPEATED
from lateralization.words.by_story import rows_by_story, story_column
from lateralization.words.invisible import count_invisible, name_counts
from lateralization.words.sources import read_story_words

LEAST_FOUND = 0.2
"""Share of a run's words that must be somewhere in its text. Another chapter of the same book has
more than half of them, a text in another language hardly any: what lies between is for the
alignment to say."""

SHORT = 2
"""Letters of a word that is in nearly every text."""


_VARIES = re.compile(r"\d[\d.]*|'[^']*'|\"[^\"]*\"")
"""What differs between messages of one kind: numbers and words."""


def read_story_files(
    files: Mapping[str, Path], columns: Mapping[str, str], tier: str, problems: Problems
) -> tuple[dict[str, pd.DataFrame], list[str]]:
    """Read the words of stories that have a file each; what is wrong with several is one problem.

    Parameters
    ----------
    files
        Key of a story → its file.
    columns, tier
        As for :func:`lateralization.words.sources.read_transcript`.
    problems
        What cannot be used is noted here.

    Returns
    -------
    words : dict
        Key → words that have a time, of the stories that can be read.
    notes : list of str
        What the user should know, one for all stories that it is true of.
    """
    words: dict[str, pd.DataFrame] = {}
    refused, noted = list[tuple[str, Path, str]](), list[tuple[str, Path, str]]()
    for key, path in files.items():
        try:
            words[key], notes = read_story_words(path, columns, tier)
        except BadInput as error:
            refused.append((key, path, str(error)))
        else:
            noted += [(key, path, note) for note in notes]
    for line in _together(refused):
        problems.add(f"--dataset: {line}")
    return words, _together(noted)


def _together(said: Iterable[tuple[str, Path, str]]) -> list[str]:
    """Join what is said of several stories and differs in file, numbers and words alone."""
    alike: dict[str, list[tuple[str, str]]] = {}
    for key, path, message in said:
        kind = _VARIES.sub("", message.replace(str(path), ""))
        alike.setdefault(kind, []).append((label(key), message))
    return [
        message + (f" (and so of {listed(name for name, _ in others)})" if others else "")
        for (_, message), *others in alike.values()
    ]


def share_found(words: Sequence[str], text: str) -> float:
    """Return the share of the words that are in a text, without regard to order; 1 of none."""
    printed = comparable(text)[0]
    sought = [comparable(word)[0] for word in words]
    told = [word for word in sought if len(word) > SHORT or not word.isascii()]
    return sum(word in printed for word in told) / len(told) if told else 1.0


def check_told(words: pd.DataFrame, texts: Mapping[str, tuple[str, bytes]]) -> None:
    """Refuse texts that are not those of the annotated stories.

    Parameters
    ----------
    words : table with columns ``run`` or ``story``, and ``word``
    texts
        Key of a story → name and content of its text, UTF-8.

    Raises
    ------
    BadInput
        Hardly any word of a story is in its text, or two stories have one text.
    """
    seen: dict[bytes, str] = {}
    for name, content in texts.values():
        other = seen.setdefault(content.strip(), name)
        if other != name:
            raise BadInput(
                f"{name} has the text of {other}: give each run the text that was heard in it; if "
                f"one story was heard in both, {REPEATED}"
            )
    rows = rows_by_story(words)
    for story, (name, content) in texts.items():
        spoken = rows[story]["word"].tolist() if story in rows else []
        share = share_found(spoken, content.decode("utf-8"))
        if share < LEAST_FOUND:
            raise BadInput(
                f"{name} has {share:.0%} of the words that are annotated in {shown(story)} "
                f"({listed(spoken, 4)}); give the text that was heard in it"
            )


def odd_words(words: pd.DataFrame, report: Mapping[str, Any]) -> list[str]:
    """Describe what is odd about an annotation, and may be meant.

    Parameters
    ----------
    words, report
        As :func:`lateralization.words.annotation.read_words` returns them.
    """
    found = []
    if without := report["rows_without_word"]:
        found.append(
            f"{without} of {report['n_rows']} rows have no word (an empty cell, blanks or n/a) and "
            "are left out"
        )
    if hidden := count_invisible("".join(words["word"])):
        found.append(f"words have invisible characters in them: {name_counts(hidden)}")
    padded = words[words["word"] != words["word"].str.strip()]
    if len(padded):
        first = padded.iloc[0]
        found.append(
            f"{len(padded)} words have blanks around them (first: {first['word']!r}, row "
            f"{first['row']}), which count as letters"
        )
    if unordered := out_of_order(words):
        found.append(unordered)
    return found


def out_of_order(words: pd.DataFrame) -> str:
    """Say which words begin before the one that the annotation has before them; empty if none do.

    Parameters
    ----------
    words : table with columns ``run`` or ``story``, ``row``, ``word``, ``onset``
    """
    steps = words.groupby(story_column(words))["onset"].diff()
    early = words[(steps < 0).to_numpy()]
    if early.empty:
        return ""
    first = early.iloc[0]
    return (
        f"{len(early)} words begin before the word of the row above (first: {first['word']!r}, "
        f"row {first['row']}); words are matched with the text in the order of the rows"
    )
