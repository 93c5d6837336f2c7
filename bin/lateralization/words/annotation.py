"""The annotation of the story: which words were heard when, with the study's corrections."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lateralization import study
from lateralization.command import say
from lateralization.errors import BadInput, one_line
from lateralization.files import check_columns, check_fetched, digest_of, numbers, read_table
from lateralization.problems import listed
from lateralization.runs import RUN, STORY, is_numbered, label, numbered_keys
from lateralization.words.by_story import rows_by_story, story_column
from lateralization.words.invisible import is_blank

TIMED = ("word", "onset", "offset")
"""Columns of every table of words."""
COLUMNS = (*TIMED, "section")
"""Columns of an annotation whose runs are numbered."""

STANDARD = dict(zip(COLUMNS, COLUMNS, strict=True))
LAST_ROW = 10**9
"""Largest label of a row that a correction may name."""
NO_VALUE = "n/a"
"""What BIDS writes where there is no value."""
SAME_STORY = 0.5
"""Share of the stretches of words of a section that are in another: above it, one story."""
STRETCH = 12
"""Words of a stretch: texts that share so many in a row, again and again, are copies."""
REPEATED = (
    "a run is predicted from the others, so a story that is heard again would be predicted from "
    "itself, and features of pure noise score 0.4 there"
)
CORRECTION_COLUMNS = ("language", "row", "action", "word")


@dataclass
class CorrectionReport:
    """What became of each correction of a language, as rows of the corrections' table."""

    applied: list[dict[str, Any]] = field(default_factory=list)
    absent_rows: list[int] = field(default_factory=list)
    unexpected: list[dict[str, Any]] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return the report in a form that JSON can hold."""
        return {
            "applied": self.applied,
            "absent_rows": self.absent_rows,
            "unexpected": self.unexpected,
        }


def standard_annotation(path: Path, columns: Mapping[str, str] = STANDARD) -> bytes:
    """Return an annotation as a CSV with our names of the columns.

    What has that form already comes back byte for byte; cells stay as they are in any case.

    Parameters
    ----------
    path
        CSV, or a TSV without quotes (BIDS).
    columns
        Our name of a column → the file's.
    """
    content = path.read_bytes()
    tabs = path.suffix == ".tsv"
    if not tabs and dict(columns) == STANDARD:
        return content
    text = io.StringIO(content.decode("utf-8-sig"), newline="")
    plain = csv.reader(text, delimiter="\t", quoting=csv.QUOTE_NONE)
    header, *rows = list(plain if tabs else csv.reader(text)) or [[]]
    ours = {theirs: name for name, theirs in columns.items()}
    names = [ours.get(name) or (f"other_{name}" if name in ours.values() else name)
             for name in header]  # fmt: skip
    written = io.StringIO(newline="")
    csv.writer(written, lineterminator="\n").writerows([names, *rows])
    return written.getvalue().encode("utf-8")


def read_rows(
    path: Path, columns: Mapping[str, str] = STANDARD, needed: Sequence[str] = COLUMNS
) -> pd.DataFrame:
    """Read all rows of an annotation.

    The study's own files are read with pandas' spellings of missing values, as the study did. In
    others "null", "None", "NA" and "nan" are text; :func:`is_word` decides which cells hold a word.

    Parameters
    ----------
    path
        CSV (or a TSV without quotes) with a column for the word, for its onset and offset (seconds
        from the start of the run) and for the section (the run, 1-based); others are ignored.
    columns
        Our name of a column → the file's.
    needed
        Columns that must be there, by our names.

    Returns
    -------
    DataFrame
        With our names of the columns; labels count the rows from 0.

    Raises
    ------
    BadInput
        The file cannot be read, or a column is missing.
    """
    check_fetched(path)
    try:
        published = digest_of(path, "md5") in study.ANNOTATION_MD5.values()
        if not published:
            _check_form(path, [columns[name] for name in needed])
        content = standard_annotation(path, columns)
        table = pd.read_csv(
            io.BytesIO(content), dtype={"word": str}, encoding="utf-8", low_memory=False
        )
        text = [] if published else [name for name in ("word", STORY) if name in needed]
        if text and set(text) <= set(table):
            cells = pd.read_csv(
                io.BytesIO(content), dtype=str, encoding="utf-8", usecols=text,
                keep_default_na=False,
            )  # fmt: skip
            table[text] = cells[text]
    except (OSError, ValueError, csv.Error) as error:
        raise BadInput(f"cannot read the annotation {path}: {one_line(error)}") from error
    missing = [columns[name] for name in needed if name not in table]
    if missing:
        raise BadInput(
            f"annotation {path}: no column {listed(missing)}; it has {listed(_shown(table))}; a "
            f"comma-separated file with {listed(columns[name] for name in needed)} is needed, or "
            "their names in dataset.json"
        )
    if not isinstance(table.index, pd.RangeIndex):
        raise BadInput(f"annotation {path}: rows have more cells than the header names")
    return table


def _check_form(path: Path, needed: Sequence[str]) -> None:
    """Refuse a user's annotation that would not be read as it is meant."""
    content = path.read_bytes()
    if not content.strip():
        raise BadInput(f"annotation {path} is empty; fetch or copy it again")
    tabs = path.suffix == ".tsv"
    check_columns(content, "\t" if tabs else ",", f"annotation {path}", needed, quoting=not tabs)


def is_word(cell: Any, *, published: bool) -> bool:
    """Check whether a cell of the column of words holds a word.

    In the study's own files every cell that pandas reads as text is a word, except a single blank.
    In others every cell is, except an empty one, one with nothing visible, and BIDS' n/a.
    """
    if published:
        return isinstance(cell, str) and cell != " "
    return isinstance(cell, str) and not is_blank(cell) and cell.strip() != NO_VALUE


def read_words(
    path: Path | str,
    language: str,
    corrections: Path | str | None = None,
    stories: Sequence[str] = tuple(numbered_keys()),
    columns: Mapping[str, str] = STANDARD,
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Read the words that were heard, story by story.

    Parameters
    ----------
    path, columns
        As for :func:`read_rows`.
    language : str
        A code of the data set, as ``en``: selects the corrections.
    corrections : Path or None
        For :func:`read_corrections`; None corrects nothing.
    stories : sequence of str
        Keys of the stories; each must have words. Where they are ``run-1``, ``run-2`` …, the
        annotation has their numbers in the column ``section``; where they are ``story-wheels`` …,
        it has their names in the column ``story``, and other stories are passed over.

    Returns
    -------
    words : DataFrame
        Columns run (a number) or story (a name), row (label in the file, from 0), word, onset,
        offset; in the order of ``stories``, in a story in the order of the file.
    report : dict
        ``corrections`` (applied, absent_rows, unexpected), ``n_rows``, ``n_words``,
        ``rows_without_word`` and ``rows_left_out``.

    Raises
    ------
    BadInput
        As :func:`read_rows` and :func:`read_corrections`; a word has no times or times that go
        backwards, a section is no run, or two sections are one story, in an annotation that is not
        the published one; or a run has no word.
    """
    if is_numbered(stories[0]):
        table, published = read_rows(Path(path), columns), is_published(path, language)
    else:
        names, published = {STORY: STORY} | dict(columns), False
        table = read_rows(Path(path), names, (STORY, *TIMED))
    return words_of(table, path, language, corrections, stories, published=published)


def words_of(
    table: pd.DataFrame,
    path: Path | str,
    language: str,
    corrections: Path | str | None,
    stories: Sequence[str],
    *,
    published: bool = False,
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the words of an annotation's rows.

    Parameters
    ----------
    table : DataFrame
        As :func:`read_rows` returns it.
    path
        Where they come from, for messages.
    language, corrections, stories
        As for :func:`read_words`, which says what is returned and raised.
    published : bool
        Whether they are those of the study's own annotation.
    """
    n_rows = len(table)
    table, done = correct(table, language, read_corrections(corrections) if corrections else None)
    spoken = np.array([is_word(cell, published=published) for cell in table["word"]], bool)
    kept = table[spoken]
    if not is_numbered(stories[0]):
        kept = kept[kept[STORY].isin([label(story) for story in stories])]
    words = _spoken(kept, path, stories, published=published)
    report = {
        "corrections": done.as_dict(),
        "n_rows": n_rows,
        "n_words": len(words),
        "rows_without_word": int((~spoken).sum()),
        "rows_left_out": int(spoken.sum()) - len(words),
    }
    return words, report


def is_published(path: Path | str, language: str) -> bool:
    """Tell whether a file is the study's annotation of a language, byte for byte."""
    return digest_of(Path(path), "md5") == study.ANNOTATION_MD5.get(language)


def read_corrections(path: Path | str) -> pd.DataFrame:
    """Read corrections: a TSV with columns language, row, action (drop or set), word.

    ``row`` is the label of a row of the annotation, counted from 0 below the header. Optional
    columns: ``old`` (the word that the correction expects to find) and ``reason``.

    Raises
    ------
    BadInput
        The file cannot be read, a column is missing, an action is unknown, a row is no number, or
        a ``set`` has no word.
    """
    try:
        content = Path(path).read_bytes()
        check_columns(content, "\t", f"corrections {path}", (*CORRECTION_COLUMNS, "old"))
        table = read_table(path, ("language", "action", "word", "old", "reason"))
    except (OSError, ValueError) as error:
        raise BadInput(f"cannot read the corrections {path}: {one_line(error)}") from error
    missing = [name for name in CORRECTION_COLUMNS if name not in table]
    if missing:
        raise BadInput(
            f"corrections {path}: no column {', '.join(missing)}; "
            f"needed are {', '.join(CORRECTION_COLUMNS)}, separated by tabs"
        )
    for name in ("language", "action", "word", "old", "reason"):
        cells = table[name].tolist() if name in table else [""] * len(table)
        table[name] = [cell if isinstance(cell, str) else "" for cell in cells]
    table["row"] = [str(cell) for cell in table["row"]]  # a column of True is no column of 1
    rows = numbers(table["row"])
    for line, (row, action, word) in enumerate(
        zip(rows, table["action"], table["word"], strict=True), start=2
    ):
        if not (np.isfinite(row) and 0 <= row <= LAST_ROW and row == int(row)):
            raise BadInput(f"corrections {path}, line {line}: row is no row label (0, 1, 2 …)")
        if action not in ("drop", "set"):
            raise BadInput(f"corrections {path}, line {line}: action {action!r} is not drop or set")
        if action == "set" and not word:
            raise BadInput(f"corrections {path}, line {line}: set needs a word")
    table["row"] = rows.astype(np.int64)
    return table


def correct(
    table: pd.DataFrame, language: str, corrections: pd.DataFrame | None
) -> tuple[pd.DataFrame, CorrectionReport]:
    """Set and drop the rows that the corrections of ``language`` name; other labels stay.

    A correction of a row that the annotation does not have is reported, not applied. One that
    finds another word than it expects is applied and reported as unexpected.
    """
    report = CorrectionReport()
    if corrections is None:
        return table, report
    table = table.copy()
    dropped: list[int] = []
    for correction in corrections[corrections["language"] == language].itertuples(index=False):
        row, action = int(str(correction.row)), str(correction.action)
        if row not in table.index:
            report.absent_rows.append(row)
            continue
        found, expected = table.at[row, "word"], str(correction.old)
        entry = {"row": row, "action": action, "found": found if isinstance(found, str) else ""}
        if expected and entry["found"] != expected:
            report.unexpected.append(entry | {"expected": expected})
        if action == "set":
            table.at[row, "word"] = str(correction.word)
            entry["word"] = str(correction.word)
        else:
            dropped.append(row)
        report.applied.append(entry)
    return table.drop(index=sorted(set(dropped))), report


def _of_the_study(kept: pd.DataFrame, stories: Sequence[str]) -> pd.DataFrame:
    """Return the rows of the published annotation that are used, and say what is odd about others.

    As in the study, a row of no run is passed over, and a word that ends before it starts enters
    with the times that it has. A word without times added nothing to the study's regressors, or
    lasted to the end of its run: it is left out.
    """
    onset, offset = numbers(kept["onset"]), numbers(kept["offset"])
    n_runs = len(stories)
    in_run = np.isin(numbers(kept["section"]), np.arange(1, n_runs + 1))
    timed = np.isfinite(onset) & np.isfinite(offset)
    odd = {
        f"their section is none of the runs 1 to {n_runs}, so they are left out": ~in_run,
        "they have no times, so they are left out": in_run & ~timed,
        "they end before they start, and are used as the study used them": (
            in_run & timed & (offset < onset)
        ),
    }
    for what, rows in odd.items():
        if rows.any():
            first = _where(kept, rows)
            say(f"published annotation: {int(rows.sum())} words, first at {first}: {what}")
    return kept[in_run & timed]


def _spoken(
    kept: pd.DataFrame, path: Path | str, stories: Sequence[str], *, published: bool
) -> pd.DataFrame:
    """Return the rows with a word, checked, in the order of the stories."""
    if published:
        kept = _of_the_study(kept, stories)
    by_number = is_numbered(stories[0])
    names: Sequence[Any] = [int(label(one)) if by_number else label(one) for one in stories]
    column = RUN if by_number else STORY
    words = pd.DataFrame(
        {
            column: _sections(kept, path, len(stories)) if by_number else kept[STORY].to_numpy(),
            "row": kept.index.to_numpy(np.int64),
            "word": kept["word"].to_numpy(object),
            "onset": _seconds(kept, "onset", path),
            "offset": _seconds(kept, "offset", path),
        }
    )
    if not published:
        _check_times(words, path)
    _check_stories(words, path, names)
    if not published:
        _check_repeats(words, path)
    place = {name: number for number, name in enumerate(names)}
    order = words[column].map(place).argsort(kind="stable")
    return words.iloc[order].reset_index(drop=True)


def _sections(kept: pd.DataFrame, path: Path | str, n_runs: int) -> np.ndarray[Any, Any]:
    """Return the run of every word."""
    runs = numbers(kept["section"])
    bad = ~np.isin(runs, np.arange(1, n_runs + 1))
    if bad.any():
        raise BadInput(
            f"annotation {path}, {_where(kept, bad)}: section "
            f"{kept['section'].iloc[int(bad.argmax())]} is not one of the runs 1 to {n_runs}; mend "
            "the row"
        )
    return runs.astype(np.int64)


def _seconds(kept: pd.DataFrame, column: str, path: Path | str) -> np.ndarray[Any, Any]:
    """Return a column of times, seconds."""
    times = numbers(kept[column])
    bad = ~np.isfinite(times)
    if bad.any():
        raise BadInput(
            f"annotation {path}, {_where(kept, bad)}: {column} "
            f"{str(kept[column].iloc[int(bad.argmax())])!r} is no number of seconds; mend the row"
        )
    return times


def _check_times(words: pd.DataFrame, path: Path | str) -> None:
    """Refuse words that end before they start."""
    bad = (words["offset"] < words["onset"]).to_numpy()
    if bad.any():
        word = words.iloc[int(bad.argmax())]
        raise BadInput(
            f"annotation {path}, {_place(word['row'])}: {word['word']!r} ends at "
            f"{word['offset']} s, before it starts at {word['onset']} s; mend its times"
        )


def _check_stories(words: pd.DataFrame, path: Path | str, names: Sequence[Any]) -> None:
    """Refuse an annotation in which a story has no word."""
    column = story_column(words)
    spoken = set(words[column].tolist())
    empty = ", ".join(str(name) for name in names if name not in spoken)
    if empty and column == RUN:
        raise BadInput(f"annotation {path}: no word in section {empty}; every run needs words")
    if empty:
        raise BadInput(f"{path}: no word of {empty}; every story needs words, or leave it out")


def _check_repeats(words: pd.DataFrame, path: Path | str) -> None:
    """Refuse two runs of one story: sections that share most of their stretches of words."""
    seen: dict[str, set[tuple[str, ...]]] = {}
    by_number = story_column(words) == RUN
    for story, rows in rows_by_story(words).items():
        lower = [word.lower() for word in rows["word"]]
        own = set(zip(*(lower[start:] for start in range(STRETCH)), strict=False))
        for other, stretches in seen.items():
            if len(own & stretches) > SAME_STORY * min(len(own), len(stretches)):
                pair = f"{label(other)} and {label(story)} have the words of one story; {REPEATED}"
                if by_number:
                    raise BadInput(
                        f"annotation {path}: sections {pair}: keep one of the two runs (in n_runs "
                        "too) or their mean"
                    )
                raise BadInput(f"{path}: stories {pair}: give both one name, or leave one out")
        seen[story] = own


def _shown(table: pd.DataFrame) -> list[str]:
    """Return the columns' names; one with blanks around it in quotes."""
    return [name if name == name.strip() else repr(name) for name in map(str, table.columns)]


def _where(kept: pd.DataFrame, bad: np.ndarray[Any, Any]) -> str:
    """Name the first bad row."""
    return _place(int(kept.index[int(bad.argmax())]))


def _place(row: int) -> str:
    """Name a row by its label and by its line in the file."""
    return f"row {row} (line {row + 2})"
