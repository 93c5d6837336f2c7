"""Words as they come: tables, and what aligners write, one file for each story.

gentle and WhisperX write JSON; the Montreal Forced Aligner, P2FA and people write TextGrids (MFA
also JSON). All of them become one table: a row for each word, without times where the aligner did
not find it.

TextGrids are read here and not by a library. To Praat a text file is a sequence of strings, numbers
and flags, and whatever is not free-standing is a comment; so one regular expression reads the long
and the short form alike. praatio 6.2, the best kept library, refuses words that overlap by a
rounded digit and labels that hold a word of the format, prints to standard output, and says of a
damaged file that an index is out of range.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lateralization.errors import BadInput
from lateralization.files import check_fetched, numbers, read_json, writing
from lateralization.problems import listed
from lateralization.runs import STORY, label, shown
from lateralization.words.annotation import (
    NO_VALUE,
    STANDARD,
    TIMED,
    is_word,
    read_rows,
)
from lateralization.words.by_story import rows_by_story

TABLES = (".csv", ".tsv")
TEXT_GRID = ".textgrid"
FORMS = (*TABLES, ".json", TEXT_GRID)
"""Endings of files of words, in lower case."""

NO_WORD = re.compile(r"|sp|sil|spn|<eps>|\{.*\}", re.IGNORECASE)
"""Labels of a TextGrid that are pauses and noises: of P2FA, MFA, and ``{LG}`` for laughter."""

WORD_TIERS = ("word", "words")
"""Names of the tier that is read where ``tier`` names none."""

UNSPACED = ("cn", "zh", "yue", "ja", "th", "lo", "km", "my")
"""Languages whose words are written without spaces between them."""

TOUCH = 0.05
"""Seconds by which neighbouring words may overlap: people and aligners round."""

MOST_OVERLAPS = 1 / 3
"""Share of words that overlap the one before, above which two stories lie on each other."""

_TOKEN = re.compile(
    r"""
      ("[^"]*(?:""[^"]*)*"                                # a string; "" is a quotation mark in it
    | (?<!\S)<(?:exists|absent)>(?!\S)                    # a flag
    | (?<!\S)[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?(?!\S))  # a free-standing number
    | !.*                                                 # a comment
    """,
    re.VERBOSE,
)

Row = tuple[str, float, float]
"""A word, its onset and its offset, seconds; NaN where the aligner did not find it."""


def read_story_words(
    path: Path, columns: Mapping[str, str] = STANDARD, tier: str = ""
) -> tuple[pd.DataFrame, list[str]]:
    """Read the words of one story that have a time.

    Parameters
    ----------
    path, columns, tier
        As for :func:`read_transcript`.

    Returns
    -------
    words : DataFrame
        ``word``, ``onset``, ``offset`` (seconds, from the beginning of the story), and a table's
        other columns; in the order of the file.
    notes : list of str
        What the user should know: words without a time, and capitals that became small letters.

    Raises
    ------
    BadInput
        As :func:`read_transcript`; or no word has a time.
    """
    words = read_transcript(path, columns, tier)
    found = timed(words)
    if found.empty:
        raise BadInput(f"{path} has no word with a time; align it again, or leave the story out")
    notes = _overlaps_noted(path, found)
    if lost := len(words) - len(found):
        notes.append(
            f"{path}: {lost} of {len(words)} words have no time (the aligner did not find them) "
            "and are left out; the text keeps them"
        )
    if words.attrs.get("lowered"):
        notes.append(f"{path}: all words are in capitals, and are read as small letters")
    return found, notes


def timed(words: pd.DataFrame) -> pd.DataFrame:
    """Return the words that have both times."""
    has = words["onset"].notna() & words["offset"].notna()
    return words[has].reset_index(drop=True)


def read_transcript(
    path: Path, columns: Mapping[str, str] = STANDARD, tier: str = ""
) -> pd.DataFrame:
    """Read all words of one story.

    Parameters
    ----------
    path
        By its ending: ``.csv`` or ``.tsv``; ``.json`` as gentle, WhisperX (Whisper) or MFA write
        it; ``.TextGrid``, in the long or the short text form.
    columns
        Our name of a column of a table → the file's.
    tier
        Tier of a TextGrid, or of MFA's JSON: its name, or with MFA ``words`` for ``anna - words``.
        None: the tier ``word`` or ``words``, or the only one.

    Returns
    -------
    DataFrame
        ``word``, ``onset``, ``offset`` (seconds; NaN where the word has no time), and a table's
        other columns. ``attrs["lowered"]`` says that a TextGrid was all in capitals, as P2FA and
        the dictionary of CMU write words: a language model knows them in small letters.

    Raises
    ------
    BadInput
        The file is missing, of another form or damaged, has no such tier, a time that is no number,
        a word that ends before it starts, or words that lie on each other.
    """
    check_fetched(path)
    form = path.suffix.lower()
    if form not in FORMS:
        raise BadInput(
            f"{path}: words are read from {listed(FORMS)}; convert the file, or name another"
        )
    if form in TABLES:
        words = _checked(path, _with_words(_table(path, columns, TIMED)))
        _check_overlaps(str(path), words)
        return words
    labelled = form == TEXT_GRID
    if labelled:
        rows = _from_tier(path, _text_grid(path), tier)
    else:
        content = read_json(path)
        labelled = isinstance(content, dict) and isinstance(content.get("tiers"), dict)
        rows = _from_json(path, content, tier)
    words = pd.DataFrame(rows, columns=[*TIMED])
    words["word"] = words["word"].astype(object)
    words = _with_words(words)
    if labelled and "".join(words["word"]).isupper():
        words["word"] = words["word"].str.lower()
        words.attrs["lowered"] = True
    words = _checked(path, words)
    _check_overlaps(str(path), words)
    return words


def read_words_table(
    path: Path, columns: Mapping[str, str] = STANDARD
) -> tuple[pd.DataFrame, list[str]]:
    """Read one table of the words of all stories.

    Returns
    -------
    words : DataFrame
        ``story`` (its name), ``word``, ``onset``, ``offset`` (seconds, from the beginning of the
        story), and the table's other columns, of the words that have a time; in the order of the
        file.
    notes : list of str
        As of :func:`read_story_words`.

    Raises
    ------
    BadInput
        As :func:`read_transcript`; or the file is no table, has no column ``story``, or a word has
        no story.
    """
    words = read_table_of_stories(path, columns)
    found = timed(words)
    notes = []
    if lost := len(words) - len(found):
        notes.append(
            f"{path}: {lost} of {len(words)} words have no time and are left out; the text keeps "
            "them"
        )
    for story, rows in rows_by_story(found).items():
        notes += _overlaps_noted(f"{path}, {shown(story)}", rows)
    return found, notes


def read_table_of_stories(path: Path, columns: Mapping[str, str] = STANDARD) -> pd.DataFrame:
    """Read all words of one table of all stories, those without a time too.

    Returns and raises as :func:`read_words_table`.
    """
    check_fetched(path)
    if path.suffix.lower() not in TABLES:
        raise BadInput(
            f"{path}: one file for all stories must be a table (.csv, .tsv) with a column story; "
            "with one file for each story write {story} where their paths differ"
        )
    words = _checked(path, _with_words(_table(path, columns, (STORY, *TIMED))))
    without = words[STORY].str.strip().isin(["", NO_VALUE])
    if without.any():
        raise BadInput(
            f"{path}: {int(without.sum())} words have no story (first: "
            f"{words['word'][without].iloc[0]!r}); name the story in their rows"
        )
    for story, rows in rows_by_story(words).items():
        _check_overlaps(f"{path}, {shown(story)}", rows)
    return words


def gather_words(
    sources: Sequence[Path],
    stories: Sequence[str],
    columns: Mapping[str, str] = STANDARD,
    tier: str = "",
) -> pd.DataFrame:
    """Bring the words of all stories into one table, those without a time too.

    Parameters
    ----------
    sources
        One file for each of ``stories``, or one table.
    stories
        Keys of the stories, ``story-wheels``, in the order of the files; none for one table.
    columns, tier
        As for :func:`read_transcript`.

    Returns
    -------
    DataFrame
        ``story`` (its name), ``word``, ``onset``, ``offset``, and the tables' other columns.
    """
    if not stories:
        return read_table_of_stories(sources[0], columns)
    tables = []
    for story, path in zip(stories, sources, strict=True):
        words = read_transcript(path, columns, tier).drop(columns=STORY, errors="ignore")
        words.insert(0, STORY, label(story))
        tables.append(words)
    return pd.concat(tables, ignore_index=True)


def write_annotation(words: pd.DataFrame, path: Path) -> None:
    """Write the words that have a time as the annotation that all later stages read.

    A CSV with the columns ``story``, ``word``, ``onset``, ``offset`` and others. Times are written
    so that they are read as the same numbers; a cell stands on one line.
    """
    found = timed(words)
    first = [STORY, *TIMED]
    found = found[[*first, *found.columns.difference(first, sort=False)]]
    for name in found.columns.difference([*TIMED[1:]]):
        cells = found[name].astype(object)
        found[name] = [" ".join(str(cell).split()) if pd.notna(cell) else "" for cell in cells]
    with writing(path) as temporary:
        found.to_csv(temporary, index=False, lineterminator="\n")


def join_words(words: Iterable[str], language: str) -> str:
    """Return the text of a story that is known by its words alone.

    One space stands between two words, in Chinese and other languages that write none nothing.
    """
    return ("" if language in UNSPACED else " ").join(words) + "\n"


def _overlaps(where: Path | str, words: pd.DataFrame) -> tuple[float, str]:
    """Return the share of words that begin before the one before them, in time, has ended.

    And a sentence that says so; empty where no word does.
    """
    in_time = words.sort_values("onset", kind="stable")
    over = in_time[(in_time["onset"] < in_time["offset"].shift() - TOUCH).to_numpy(bool)]
    if over.empty:
        return 0.0, ""
    first = over.iloc[0]
    return len(over) / len(words), (
        f"{where}: {len(over)} of {len(words)} words begin before the word before them has ended "
        f"(first: {first['word']!r} at {first['onset']:g} s)"
    )


def _check_overlaps(where: str, words: pd.DataFrame) -> None:
    """Refuse words most of which lie on each other: a story that is there twice, or two stories."""
    share, said = _overlaps(where, words)
    if share > MOST_OVERLAPS:
        raise BadInput(f"{said}; is the story in it twice, or another one too? leave one in")


def _overlaps_noted(where: Path | str, words: pd.DataFrame) -> list[str]:
    """Mention words that overlap."""
    _, said = _overlaps(where, words)
    return [said] if said else []


def _table(path: Path, columns: Mapping[str, str], needed: Sequence[str]) -> pd.DataFrame:
    """Read a table of words; empty times are NaN."""
    names = STANDARD | {STORY: STORY} | dict(columns)
    table = read_rows(path, names, needed)
    for time in TIMED[1:]:
        values = numbers(table[time])
        blank = table[time].isna() | table[time].astype(str).str.strip().isin(["", NO_VALUE])
        bad = np.flatnonzero(~np.isfinite(values) & ~blank.to_numpy())
        if len(bad):
            raise BadInput(
                f"{path}, line {int(bad[0]) + 2}: {time} {str(table[time].iloc[int(bad[0])])!r} is "
                "no number of seconds; mend the row"
            )
        table[time] = values
    return table


def _with_words(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that hold a word, without blanks around it."""
    spoken = np.array([is_word(cell, published=False) for cell in table["word"]], bool)
    table = table[spoken].reset_index(drop=True)
    table["word"] = table["word"].str.strip()
    return table


def _checked(path: Path, words: pd.DataFrame) -> pd.DataFrame:
    """Return words that are text and do not end before they start."""
    try:
        "".join(words["word"]).encode()
    except UnicodeEncodeError as error:
        raise BadInput(
            f"{path}: {error.object[error.start]!r} is half of a character; write the file again"
        ) from error
    backwards = words[(words["offset"] < words["onset"]).to_numpy()]
    if len(backwards):
        first = backwards.iloc[0]
        raise BadInput(
            f"{path}: {first['word']!r} ends at {first['offset']:g} s, before it starts at "
            f"{first['onset']:g} s; mend its times"
        )
    return words


# ---- JSON ----------------------------------------------------------------------------------------


def _from_json(path: Path, content: Any, tier: str) -> list[Row]:
    """Return the words of what gentle, WhisperX or MFA wrote."""
    if isinstance(content, dict):
        if isinstance(content.get("tiers"), dict):
            return _from_tier(path, _tiers_of_mfa(path, content["tiers"]), tier)
        segments = content.get("segments")
        entries = content.get("words") or content.get("word_segments")
        if not entries and isinstance(segments, list):
            entries = [
                word
                for segment in segments
                if isinstance(segment, dict)
                for word in segment.get("words") or []
            ]
        if entries and isinstance(entries, list):
            return [_entry(path, number, entry) for number, entry in enumerate(entries, start=1)]
    raise BadInput(
        f"{path} has no words of gentle (words), WhisperX (word_segments, or words in segments) or "
        "MFA (tiers); align the story with word times"
    )


def _entry(path: Path, number: int, entry: Any) -> Row:
    """Return a word of gentle or WhisperX; one that was not found has no times."""
    if not (isinstance(entry, dict) and isinstance(entry.get("word"), str)):
        raise BadInput(f"{path}: entry {number} of the words has no text (word); align it again")
    if entry.get("case", "success") != "success":
        return entry["word"], np.nan, np.nan
    return entry["word"], _time(path, number, entry, "start"), _time(path, number, entry, "end")


def _time(path: Path, number: int, entry: Mapping[str, Any], name: str) -> float:
    """Return a time of an entry, seconds; NaN where it has none."""
    value = entry.get(name)
    if value is None:
        return np.nan
    if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
        raise BadInput(
            f"{path}: {name} of word {number} ({entry['word']!r}) is {value!r}, no number of "
            "seconds; mend it"
        )
    return float(value)


def _tiers_of_mfa(path: Path, tiers: Mapping[str, Any]) -> dict[str, list[Row]]:
    """Return the tiers of MFA's JSON, whose entries are [begin, end, label]."""
    try:
        return {
            name: [(str(text), float(begin), float(end)) for begin, end, text in tier["entries"]]
            for name, tier in tiers.items()
        }
    except (KeyError, TypeError, ValueError) as error:
        raise BadInput(f"{path}: its tiers are none of MFA ({error!r}); export it again") from error


# ---- Praat ---------------------------------------------------------------------------------------


def _text_grid(path: Path) -> dict[str, list[Row]]:
    """Return the tiers of intervals of a TextGrid."""
    tokens = [token for token in _TOKEN.findall(_decoded(path)) if token]
    if not tokens or not tokens[0].startswith('"ooTextFile') or tokens[1:2] != ['"TextGrid"']:
        raise BadInput(f"{path} is no TextGrid; save it in Praat as a text file")
    try:
        return dict(_interval_tiers(tokens))
    except (IndexError, ValueError) as error:
        raise BadInput(
            f"{path} is no whole TextGrid (Praat's long or short text form); save it again, or "
            "copy it again"
        ) from error


def _interval_tiers(tokens: Sequence[str]) -> Iterator[tuple[str, list[Row]]]:
    """Yield name and intervals of each tier; tiers of points are passed over.

    Parameters
    ----------
    tokens
        Strings (in quotation marks), flags and numbers: two strings of the form, begin and end, the
        flag ``<exists>``, the number of tiers; of each tier class and name, begin and end, the
        number of intervals (begin, end, label) or points (time, label).
    """
    n_tiers, at = int(tokens[5]) if tokens[4] == "<exists>" else 0, 6
    for _ in range(n_tiers):
        kind, name, size = tokens[at], _string(tokens[at + 1]), int(tokens[at + 4])
        width = 3 if kind == '"IntervalTier"' else 2
        at += 5
        body = tokens[at : at + width * size]
        if len(body) < width * size:
            raise ValueError("the file ends within a tier")
        at += len(body)
        if width == 3:
            begins, ends = ([float(time) for time in body[start::3]] for start in (0, 1))
            if begins != sorted(begins):
                raise ValueError("the intervals do not follow each other")
            yield name, list(zip(map(_string, body[2::3]), begins, ends, strict=True))
    if at < len(tokens):
        raise ValueError("the file goes on after its last tier")


def _string(token: str) -> str:
    """Return the text of a string; ValueError where the token is none."""
    if not token.startswith('"'):
        raise ValueError(f"a string expected, not {token}")
    return token[1:-1].replace('""', '"')


def _decoded(path: Path) -> str:
    """Return the text of a TextGrid, which Praat writes as UTF-8 or UTF-16."""
    content = path.read_bytes()
    wide = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        return content.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput(
            f"{path} is neither UTF-8 nor UTF-16 (byte {error.start}); save it in Praat with text "
            "writing preferences UTF-8"
        ) from error


def _from_tier(path: Path, tiers: Mapping[str, list[Row]], tier: str) -> list[Row]:
    """Return the words of the tier that is meant."""
    wanted = (tier,) if tier else WORD_TIERS
    found = [name for name in tiers if name in wanted]
    found = found or [name for name in tiers if name.rpartition(" - ")[2] in wanted]
    if not found and not tier and len(tiers) == 1:
        found = list(tiers)
    if len(found) != 1:
        what = f"{len(found)} tiers" if found else "no tier"
        there = listed(found or tiers) or "no tier of intervals at all"
        raise BadInput(
            f"{path} has {what} {' or '.join(wanted)} (there: {there}); name the tier of the words "
            'with "tier"'
        )
    return [row for row in tiers[found[0]] if not NO_WORD.fullmatch(row[0].strip())]
