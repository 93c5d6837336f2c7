"""A story read aloud: its chapters, when each word is spoken, and how a chapter is cut short.

The nine chapters in ``assets/story`` were written for this project. Timings are drawn from a
seeded generator: a word lasts longer the more letters it has, punctuation makes pauses.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from lateralization.errors import BadInput
from lateralization.study import N_RUNS, TR

TAIL_SCANS = 4
"""Scans recorded after the last word of a run, as in the English data set."""

LETTER_SECONDS = 0.045
WORD_SECONDS = 0.17
GAP_SECONDS = 0.04
PAUSES = (
    (re.compile(r"\n"), 1.5),
    (re.compile(r"[.!?]"), 0.95),
    (re.compile(r"[,;:]|\s-"), 0.45),
)
"""Pause in seconds for what stands between two words; the first pattern that is found counts."""

PIECE = re.compile(r"\S+")
OUTER = "“”‘\"'()-.,;:!?"
ANNOTATION_COLUMNS = ["word", "lemma", "onset", "offset", "logfreq", "section"]


@dataclass(frozen=True)
class Chapter:
    """One run of the story.

    Attributes
    ----------
    run
        1-based number of the run, the annotation's ``section``.
    text
        What is read aloud.
    words
        A row per spoken word: ``word`` (apostrophes straight, as annotators type them),
        ``onset`` and ``offset`` in seconds from the start of the run, ``end``: the
        position in ``text`` after the word.
    tr
        Repetition time of the scanner, seconds.
    """

    run: int
    text: str
    words: pd.DataFrame
    tr: float = TR

    @property
    def n_scans(self) -> int:
        """Scans until the last word is over, and the tail."""
        return int(np.ceil(self.words["offset"].iloc[-1] / self.tr)) + TAIL_SCANS


def spoken_words(text: str) -> list[tuple[str, int, int]]:
    """List the words of a text with their character spans (start, end).

    A word is what stands between white space, without the punctuation around it; hyphens
    and apostrophes inside it stay. A lone dash is no word.
    """
    words = []
    for piece in PIECE.finditer(text):
        word = piece.group().strip(OUTER)
        if word:
            start = piece.start() + piece.group().index(word)
            words.append((word, start, start + len(word)))
    return words


def pause_after(between: str) -> float:
    """Return the pause in seconds that the characters between two words call for."""
    return next((seconds for pattern, seconds in PAUSES if pattern.search(between)), 0.0)


def speak(run: int, text: str, rng: np.random.Generator, tr: float = TR) -> Chapter:
    """Give every word of a chapter an onset and an offset.

    Parameters
    ----------
    run
        1-based number of the run.
    text
        The chapter.
    rng
        Source of the jitter: the reader's pace, durations and pauses
        vary by about a fifth.
    tr
        Repetition time, seconds.
    """
    spans = spoken_words(text)
    starts_after = [start for _, start, _ in spans[1:]] + [len(text)]
    time = rng.uniform(1.0, 2.5)
    pace = rng.uniform(0.97, 1.2)
    rows = []
    for (word, _, end), following in zip(spans, starts_after, strict=True):
        seconds = pace * (WORD_SECONDS + LETTER_SECONDS * len(word))
        duration = seconds * rng.lognormal(0.0, 0.2)
        plain = word.replace("’", "'")
        rows.append((plain, round(time, 3), round(time + duration, 3), end))
        time += duration + GAP_SECONDS
        time += pace * pause_after(text[end:following]) * rng.uniform(0.75, 1.25)
    return Chapter(run, text, pd.DataFrame(rows, columns=["word", "onset", "offset", "end"]), tr)


def cut(chapter: Chapter, n_scans: int) -> Chapter:
    """Shorten a chapter to about ``n_scans`` scans, at the end of a sentence.

    Text and words are cut at the same place; timings stay as they are.

    Raises
    ------
    BadInput
        The chapter is shorter than that, or its first sentence is longer.
    """
    if n_scans > chapter.n_scans:
        raise BadInput(
            f"the story fills {chapter.n_scans} scans in run {chapter.run}, not {n_scans}: "
            f"give a smaller --scans"
        )
    limit = (n_scans - TAIL_SCANS) * chapter.tr
    ends = [
        index
        for index, end in enumerate(chapter.words["end"].tolist())
        if re.match(r"[.!?]”?\s", chapter.text[end : end + 3] + " ")
    ]
    best = min(ends, key=lambda index: abs(chapter.words["offset"].iloc[index] - limit))
    words = chapter.words.iloc[: best + 1].reset_index(drop=True)
    tail = re.match(r"[.!?]”?", chapter.text[words["end"].iloc[-1] :])
    end = words["end"].iloc[-1] + (tail.end() if tail else 0)
    return Chapter(chapter.run, chapter.text[:end] + "\n", words, chapter.tr)


def read_story(
    folder: Path,
    seed: int,
    scans: int | None = None,
    n_runs: int = N_RUNS,
    tr: float = TR,
) -> list[Chapter]:
    """Read the chapters, time them, and cut them when runs must be short.

    Parameters
    ----------
    folder
        Where ``text_en_run<1..9>.txt`` are.
    seed
        Seed of the timings; a cut chapter keeps the timings of the whole one.
    scans
        About how many scans a run has (runs differ by up to a tenth); None: whole chapters.
    n_runs
        How many chapters, from the first.
    tr
        Repetition time, seconds.

    Raises
    ------
    BadInput
        A chapter is missing, or the story is too short for ``scans``.
    """
    chapters = []
    for run in range(1, n_runs + 1):
        path = folder / f"text_en_run{run}.txt"
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise BadInput(f"cannot read the story's chapter {path}: {error.strerror}") from error
        chapter = speak(run, text, np.random.default_rng([seed, 1, run]), tr)
        if scans is not None:
            wanted = round(scans * (1 + 0.1 * ((run * 4) % N_RUNS - 4) / 4))
            chapter = cut(chapter, wanted)
        chapters.append(chapter)
    return chapters


def annotation(chapters: Sequence[Chapter]) -> pd.DataFrame:
    """Make the data set's annotation table: one row per spoken word of all runs.

    ``lemma`` is the lower-case form and ``logfreq`` the natural logarithm of how often
    that form occurs in the story: both only fill columns that the real table has too.
    """
    table = pd.concat(
        [chapter.words.assign(section=chapter.run) for chapter in chapters], ignore_index=True
    )
    table["lemma"] = table["word"].str.lower()
    counts = table["lemma"].value_counts()
    table["logfreq"] = np.log(table["lemma"].map(counts).astype(float)).round(4)
    return table[ANNOTATION_COLUMNS]
