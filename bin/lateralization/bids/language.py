"""One language of a data set: whose runs, in which files, of which stories."""

from dataclasses import dataclass
from fnmatch import fnmatchcase

from lateralization.bids.runs_table import Naming

FILE = "dataset.json"


@dataclass(frozen=True)
class Stories:
    """What a language of a data set of stories has, where one of numbered runs has an annotation.

    Attributes
    ----------
    table
        Path of the table of runs; None where the names of files tell them.
    naming
        What the names tell; None where there is a table.
    include, exclude, test
        Patterns of names of stories: those that are used, those that are not, and those that never
        train.
    shared
        Whether these patterns are those of several languages, each of which may lack stories.
    words, text
        Paths, with ``{story}`` where each story has a file; no text: the words are joined.
    tier
        Tier of the words in a TextGrid; empty: the one of that name.
    trial_type
        Type of the events that a story begins with; None: it begins with the run.
    """

    table: str | None
    naming: Naming | None
    include: tuple[str, ...]
    exclude: tuple[str, ...]
    test: tuple[str, ...]
    words: str
    text: str | None
    tier: str
    trial_type: str | None
    shared: bool = False


@dataclass(frozen=True)
class Language:
    """One language of a data set.

    Attributes
    ----------
    name
        As the report calls it.
    subjects
        A pattern of ids (``EN*``), or their list.
    annotation
        Path of the annotation below the data set's folder; empty in a data set of stories.
    tr
        Repetition time, seconds; None: the sidecars say it.
    trim
        Scans dropped at each end of a run.
    scans
        Scans of a subject over all runs; None when that is not known.
    prosody
        Path of the table of f0 and intensity; None when there is none.
    stories
        Which files are runs of which story; None where runs are numbered.
    """

    name: str
    subjects: str | tuple[str, ...]
    annotation: str
    tr: float | None
    trim: int
    scans: int | None = None
    prosody: str | None = None
    stories: Stories | None = None

    def has(self, subject: str) -> bool:
        """Tell whether a subject belongs to the language."""
        if isinstance(self.subjects, str):
            return fnmatchcase(subject, self.subjects)
        return subject in self.subjects


def shown_subjects(subjects: str | tuple[str, ...]) -> str:
    """Return a language's subjects for a message: the pattern, or the first of a list."""
    return subjects if isinstance(subjects, str) else subjects[0]
