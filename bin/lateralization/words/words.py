"""The annotated words of every run, mapped to the tokens of a model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from lateralization.arrays import Array, Booleans, Integers
from lateralization.command import progress
from lateralization.errors import BadInput, as_bad_input
from lateralization.runs import RUN, label, shown
from lateralization.words import reference_rule
from lateralization.words.alignment import Alignment, align
from lateralization.words.by_story import rows_by_story, story_column
from lateralization.words.windows import (
    Pieces,
    Windows,
    aligned_pieces,
    fresh_start,
    joined,
    make_windows,
    reference_pieces,
    text_end,
    text_places,
)

MAPPINGS = ("reference", "aligned")

LEAST_ALIGNED = 0.5
"""Below this share of aligned words in a run, text and annotation do not belong together."""

WORDS_COLUMNS = (
    "word",
    "onset",
    "offset",
    "window",
    "first_token",
    "end_window",
    "end_token",
    "text",
)
"""Columns of the published table of words, after the one that says the run or the story."""

_ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"})


@dataclass(frozen=True)
class MappedRun:
    """One story's words in a model's tokens.

    Attributes
    ----------
    story : str
        Its key, ``run-1`` or ``story-wheels``.
    words : DataFrame
        The story's rows of :func:`lateralization.words.annotation.read_words`.
    windows, pieces
        See :mod:`lateralization.words.windows`.
    anchors : array of shape (n_units, 2)
        Window and position of the first token of each word (of each character in Chinese).
    unaligned : list of dict
        Words that the alignment did not find in the text (``aligned`` mapping only).
    """

    story: str
    words: pd.DataFrame
    windows: Windows
    pieces: Pieces
    anchors: Integers
    unaligned: list[dict[str, Any]] = field(default_factory=list)


def map_words(
    tokenizer: Any,
    words: pd.DataFrame,
    texts: Mapping[str, str],
    *,
    language: str,
    mapping: str,
    max_length: int,
) -> list[MappedRun]:
    """Map the words of all stories to tokens.

    Parameters
    ----------
    tokenizer : a fast tokenizer of transformers
    words : DataFrame
        As :func:`lateralization.words.annotation.read_words` returns it.
    texts : mapping of str to str
        Key of a story → its text, in the order of the stories.
    language : str
        In ``cn`` a word's vector is the mean over its characters.
    mapping : str
        ``reference`` (the study's matching rule) or ``aligned``.
    max_length : int
        Tokens per window.

    Raises
    ------
    BadInput
        The reference rule fails at a word, the tokenizer cannot encode one, or text and annotation
        do not belong together.
    """
    if mapping not in MAPPINGS:
        raise BadInput(f"--mapping {mapping}: choose one of {', '.join(MAPPINGS)}")
    runs, rows = [], rows_by_story(words)
    for story in progress(list(texts), f"words to tokens, {mapping}"):
        spoken, text = rows[story].reset_index(drop=True), texts[story]
        windows = _windows_of(tokenizer, text, max_length, story, spoken)
        run = _by_rule if mapping == "reference" else _by_alignment
        runs.append(run(story, spoken, text, windows, language))
    return runs


def _windows_of(
    tokenizer: Any, text: str, max_length: int, story: str, spoken: pd.DataFrame
) -> Windows:
    """Tokenise a story's text; name the word that a tokenizer without unknown token fails at."""
    try:
        with as_bad_input("its tokenizer"):
            return make_windows(tokenizer, text, max_length)
    except BadInput:
        for row in spoken.to_dict("records"):
            try:
                tokenizer(row["word"])
            except Exception as error:  # tokenizers raises nothing more special
                raise _cannot_encode(story, row) from error
        raise


def _cannot_encode(story: str, row: Mapping[Any, Any]) -> BadInput:
    """Say at which word a tokenizer gives nothing."""
    return BadInput(
        f"its tokenizer cannot encode the word {row['word']!r} ({shown(story)}, row "
        f"{row['row']}); choose a model whose tokenizer knows this language, or give its tokenizer "
        "an unknown token (unk_token)"
    )


def units(words: Sequence[str], language: str) -> tuple[list[str], list[int]]:
    """Return what is looked for in the text (words; characters in Chinese) and each one's word."""
    if language != "cn":
        return list(words), list(range(len(words)))
    pairs = [(character, number) for number, word in enumerate(words) for character in word]
    return [character for character, _ in pairs], [number for _, number in pairs]


def _by_rule(
    story: str, words: pd.DataFrame, text: str, windows: Windows, language: str
) -> MappedRun:
    """Map one story with the study's rule."""
    sought, owners = units(words["word"].tolist(), language)
    pieces = [
        [reference_rule.simplify(text[start:end]) for start, end in window]
        for window in windows.spans.tolist()
    ]
    grid = reference_rule.TokenGrid(pieces, windows.max_length, windows.stride)
    try:
        anchors = reference_rule.anchor(sought, grid, language)
    except reference_rule.NotFound as error:
        row = words.iloc[owners[error.number]]
        raise reference_rule.cannot_match(str(row["word"]), story, int(row["row"])) from None
    made = reference_pieces(anchors, owners, windows)
    _check_covered(made, words, story)
    return MappedRun(story, words, windows, made, anchors)


def _check_covered(pieces: Pieces, words: pd.DataFrame, story: str) -> None:
    """Refuse a mapping that leaves a word without a token."""
    missing = set(range(len(words))) - set(pieces.table[:, 0].tolist())
    if missing:
        row = words.iloc[min(missing)]
        raise reference_rule.cannot_match(str(row["word"]), story, int(row["row"]))


def _by_alignment(
    story: str, words: pd.DataFrame, text: str, windows: Windows, language: str
) -> MappedRun:
    """Map one story through character positions."""
    sought, owners = units(words["word"].tolist(), language)
    alignment = align(sought, text)
    found = _words_found(alignment, owners, len(words))
    if found.mean() < LEAST_ALIGNED:
        raise BadInput(
            f"{shown(story)}: only {found.mean():.0%} of the annotated words are in its text "
            f"(first missing: {words['word'].iloc[int((~found).argmax())]!r}); "
            "check that text and annotation are of the same language and story"
        )
    own = np.flatnonzero(alignment.borrowed < 0)
    anchors = tokens_at(alignment.starts, windows)
    lost = without_token(alignment, anchors, text, windows)
    if len(lost):
        raise _cannot_encode(story, words.iloc[owners[int(lost[0])]].to_dict())
    made = aligned_pieces(anchors[own], [owners[unit] for unit in own], windows)
    made, lenders = _lend(made, alignment, owners)
    _check_covered(made, words, story)
    kind, name = story_column(words), label(story)
    unaligned = [
        {
            kind: int(name) if kind == RUN else name,
            "row": int(words["row"].iloc[number]),
            "word": str(words["word"].iloc[number]),
            "tokens_of": str(words["word"].iloc[lenders[number]]) if number in lenders else None,
        }
        for number in np.flatnonzero(~found).tolist()
    ]
    return MappedRun(story, words, windows, made, anchors, unaligned)


def _words_found(alignment: Alignment, owners: Sequence[int], n_words: int) -> Booleans:
    """Tell which words have at least one aligned unit."""
    found = np.zeros(n_words, bool)
    np.logical_or.at(found, np.asarray(owners, np.int64), alignment.aligned)
    return found


def tokens_at(places: Integers, windows: Windows) -> Integers:
    """Find the tokens that hold characters of the text.

    Parameters
    ----------
    places : array of shape (n,)
        Characters of the text.
    windows : Windows

    Returns
    -------
    array of shape (n, 2)
        Window and position of the first token that reaches beyond the character's start, in the
        earliest window that has it.
    """
    tokens = [
        (window, position)
        for window, (start, stop) in enumerate(
            zip(fresh_start(windows), text_end(windows), strict=True)
        )
        for position in range(start, stop)
    ]
    order = np.array(tokens, np.int64)
    ends = np.maximum.accumulate(windows.spans[order[:, 0], order[:, 1], 1])
    at = np.minimum(np.searchsorted(ends, places, side="right"), len(order) - 1)
    found: Integers = order[at]
    return found


def without_token(alignment: Alignment, anchors: Integers, text: str, windows: Windows) -> Integers:
    """Find the units that are in the text and of which no token holds a character.

    A tokenizer without unknown token leaves such characters out, and the token that is found for
    them is the next one's.

    Parameters
    ----------
    alignment : Alignment
    anchors : array of shape (n_units, 2)
        As :func:`tokens_at` returns it.
    text : str
    windows : Windows

    Returns
    -------
    array of shape (n,)
        Numbers of the units.
    """
    starts = alignment.starts
    spans = windows.spans[anchors[:, 0], anchors[:, 1]]
    suspects = alignment.aligned & ((spans[:, 0] > starts) | (spans[:, 1] <= starts))
    lost = []
    for unit in np.flatnonzero(suspects).tolist():
        later = starts[starts > starts[unit]]
        end, limit = int(starts[unit]) + 1, int(later.min(initial=len(text)))
        while end < limit and text[end].isalnum():
            end += 1
        if spans[unit, 0] >= end or spans[unit, 1] <= starts[unit]:
            lost.append(unit)
    return np.array(lost, np.int64)


def _lend(
    pieces: Pieces, alignment: Alignment, owners: Sequence[int]
) -> tuple[Pieces, dict[int, int]]:
    """Give words without a place in the text the pieces of the neighbour they borrow from."""
    rows: dict[int, list[list[int]]] = {}
    for row in pieces.table.tolist():
        rows.setdefault(row[0], []).append(row)
    lenders: dict[int, int] = {}
    for unit in np.flatnonzero(alignment.borrowed >= 0).tolist():
        word, lender = owners[unit], owners[int(alignment.borrowed[unit])]
        if word not in rows and lender in rows:
            lenders[word] = lender
    for word, lender in lenders.items():
        rows[word] = [[word, *row[1:]] for row in rows[lender]]
    return Pieces(joined(rows), pieces.enter, pieces.leave), lenders


def check_vocabulary(config: Any, runs: Sequence[MappedRun]) -> None:
    """Refuse tokens that the model does not know; padding, which is not read, may be any.

    Raises
    ------
    BadInput
    """
    size = getattr(config.get_text_config(), "vocab_size", None)
    largest = max(int(run.windows.ids[run.windows.mask > 0].max()) for run in runs)
    if size is not None and largest >= size:
        raise BadInput(
            f"the tokenizer gives token {largest} and the model knows {size} tokens; "
            "they do not belong together"
        )


def words_table(runs: Sequence[MappedRun], texts: Mapping[str, str]) -> pd.DataFrame:
    """Return the published table of words: one row per word, all stories."""
    tables, column = [], story_column(runs[0].words)
    for run in runs:
        table = run.words[[column, "word", "onset", "offset"]].copy()
        places = run.pieces.table
        first = np.searchsorted(places[:, 0], np.arange(len(table)))
        last = np.searchsorted(places[:, 0], np.arange(len(table)), side="right") - 1
        table["window"], table["first_token"] = places[first, 1], places[first, 2]
        table["end_window"], table["end_token"] = places[last, 3], places[last, 4]
        table["text"] = _covered(run, texts[run.story])
        tables.append(table)
    return pd.concat(tables, ignore_index=True)[[column, *WORDS_COLUMNS]]


def _covered(run: MappedRun, text: str) -> list[str]:
    """Return the characters that each word's tokens cover, newlines and tabs escaped."""
    first = np.full(len(run.words), len(text), np.int64)
    last = np.zeros(len(run.words), np.int64)
    for piece, window, start, stop in run.pieces.segments().tolist():
        word = int(run.pieces.table[piece, 0])
        spans = run.windows.spans[window, start:stop][~run.windows.special[window, start:stop]]
        if len(spans):
            first[word] = min(int(first[word]), int(spans[:, 0].min()))
            last[word] = max(int(last[word]), int(spans[:, 1].max()))
    return [text[a:b].translate(_ESCAPES) for a, b in zip(first, last, strict=True)]


def window_tensors(runs: Sequence[MappedRun]) -> dict[str, Array]:
    """Return what the extraction needs to know, by story: windows, and each word's tokens."""
    tensors: dict[str, Array] = {}
    for run in runs:
        tensors[f"{run.story}/ids"] = run.windows.ids
        tensors[f"{run.story}/mask"] = run.windows.mask
        tensors[f"{run.story}/text"] = text_places(run.windows)
        tensors[f"{run.story}/pieces"] = run.pieces.table
        tensors[f"{run.story}/enter"] = run.pieces.enter
        tensors[f"{run.story}/leave"] = run.pieces.leave
    return tensors


def mapping_report(runs: Sequence[MappedRun], mapping: str) -> dict[str, Any]:
    """Describe the mapping: windows, alignment rate and the words that were not found."""
    n_words = sum(len(run.words) for run in runs)
    unaligned = [word for run in runs for word in run.unaligned]
    return {
        "mapping": mapping,
        "max_length": runs[0].windows.max_length,
        "n_words": n_words,
        "n_windows": [len(run.windows.ids) for run in runs],
        "window_length": [int(run.windows.ids.shape[1]) for run in runs],
        "alignment_rate": None if mapping == "reference" else 1 - len(unaligned) / n_words,
        "unaligned": unaligned,
    }
