"""The runs of a data set, one row each: who heard which story for which time, in which file.

The rows are those of the user's own ``runs.tsv``, or are made of the names of a BIDS tree.
"""

import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from itertools import pairwise
from pathlib import Path

from lateralization.bids.entities import (
    ENTITY,
    entities,
    in_natural_order,
    natural_key,
    recording,
)
from lateralization.errors import BadInput
from lateralization.files import read_text_table
from lateralization.names import AVERAGE
from lateralization.problems import Problems, listed

VOLUMES = ("_bold.nii", "_bold.nii.gz")
SURFACES = (".dtseries.nii", ".ptseries.nii", ".func.gii", "_bold.gii")
NEEDED = ("subject", "story", "bold")
OPTIONAL = ("session", "repetition", "confounds", "start")
NOTHING = ("", "n/a")
STORY_NAME = re.compile(r"(?!.*_rep-\d+$)[A-Za-z0-9][A-Za-z0-9._+-]*")
SUBJECT = re.compile(r"[A-Za-z0-9]+")
CONFOUNDS = ("_desc-confounds_timeseries.tsv", "_desc-confounds_regressors.tsv")
"""Endings of fMRIPrep's tables of confounds, of newer releases and of older ones."""

OTHER_SUBJECT = "subjects in dataset.json leaves it out"
MEND_SPACE = "let bold name one space (of fMRIPrep: MNI152NLin2009cAsym)"


@dataclass(frozen=True)
class DataRun:
    """One file of BOLD.

    Attributes
    ----------
    subject, session
        Labels, without ``sub-`` and ``ses-``; no session: empty.
    story
        Name of what was heard; empty where the name of the file tells none.
    repetition
        For which time the subject heard it, from 1; 0 in a file that is not used.
    bold, confounds
        Paths below the data set's folder; None: no confounds.
    start
        Beginning of the story after the first scan, seconds; None: not given.
    reason
        Why the file is not used; empty where it is.
    """

    subject: str
    session: str
    story: str
    repetition: int
    bold: str
    confounds: str | None = None
    start: float | None = None
    reason: str = ""


@dataclass(frozen=True)
class Naming:
    """How the names of a BIDS tree tell which files are runs, and of which story.

    Attributes
    ----------
    folder
        Folder of the derivatives below the data set's.
    bold
        Entity → the label that a file must have.
    story
        Entities that name the story.
    """

    folder: str
    bold: Mapping[str, str]
    story: tuple[str, ...]

    def story_of(self, path: str) -> str:
        """Return the story's name: the labels of its entities as they stand, joined by ``_``."""
        found = dict(ENTITY.findall(path))
        return "_".join(found[key] for key in self.story if key in found)

    def refused(self, found: Mapping[str, str]) -> str:
        """Say why a file with these entities is none of the runs; empty where it is one."""
        for key, label in entities("_".join(f"{k}-{v}" for k, v in self.bold.items())).items():
            if found.get(key) != label:
                own = f"{key}-{found[key]}" if key in found else f"no {key}-"
                return f"its name has {own}, and bold asks for {key}-{label}"
        return ""


def files_below(root: Path, folder: str) -> Iterator[str]:
    """Iterate over the files of all subjects of a BIDS tree, paths below ``root``, sorted.

    Parameters
    ----------
    root
        Folder of the data set.
    folder
        Folder below it that holds the subjects' folders ``sub-*``.
    """
    place = Path(os.path.normpath(root / folder))
    for top in in_natural_order(path for path in place.glob("sub-*") if path.is_dir()):
        for parent, folders, names in os.walk(top, followlinks=True):
            folders.sort()
            relative = os.path.relpath(parent, root)
            yield from (f"{relative}/{name}" for name in sorted(names))


def subjects_below(root: Path, folder: str) -> list[str]:
    """Return the labels of the subjects that have a folder."""
    return [path.name[4:] for path in (root / folder).glob("sub-*") if path.is_dir()]


def runs_by_names(
    paths: Iterable[str], naming: Naming, has: Callable[[str], bool], problems: Problems
) -> list[DataRun]:
    """Make a row of every file of BOLD, from its name.

    Parameters
    ----------
    paths
        Files below the data set's folder.
    naming
        What the names mean.
    has
        Tells whether a subject belongs to the language.
    problems
        Gathers what cannot be decided: files of no story or of two subjects, or no file at all.

    Returns
    -------
    list of DataRun
        With ``reason`` where a file is not used, and repetition 1 in all that are: see
        :func:`with_repetitions`.
    """
    every = list(paths)
    tables = {path for path in every if path.endswith(CONFOUNDS)}
    rows = [
        _row(path, naming, tables)
        for path in every
        if path.endswith(VOLUMES) or ("_bold" in path and path.endswith(SURFACES))
    ]
    rows = [row if has(row.subject) else not_used(row, OTHER_SUBJECT) for row in rows]
    nameless = [row for row in rows if not (row.reason or row.story)]
    if nameless:
        problems.add(
            f"--dataset: {nameless[0].bold} and {len(nameless) - 1} more files have none of the "
            f"entities {', '.join(naming.story)} of story in their names; name others in "
            "dataset.json, or give a runs.tsv"
        )
    used = [row for row in rows if row.story and not row.reason]
    strays = [row for row in used if f"/sub-{row.subject}/" not in f"/{row.bold}"]
    if strays:
        problems.add(
            f"--dataset: {listed((row.bold for row in strays), 3)}: the name is of another subject "
            "than the folder; find out whose it is, and rename or remove it"
        )
    if not used and rows:
        problems.add(f"--dataset: {_none_of(rows, naming)}")
    return rows


def not_used(row: DataRun, reason: str) -> DataRun:
    """Return the row of a file that is not used."""
    return replace(row, repetition=0, reason=row.reason or reason)


def _row(path: str, naming: Naming, tables: set[str]) -> DataRun:
    """Return the row of one file."""
    found = entities(path)
    reason = naming.refused(found)
    if path.endswith(SURFACES):
        reason = "surfaces or CIFTI, not volumes"
    beside = None if reason else _confounds_of(path, found, tables)
    return DataRun(
        found.get("sub", ""), found.get("ses", ""), naming.story_of(path), 0 if reason else 1,
        path, beside, None, reason,
    )  # fmt: skip


def _confounds_of(path: str, found: Mapping[str, str], tables: set[str]) -> str | None:
    """Return fMRIPrep's table of confounds beside a run: the names share the raw entities."""
    folder, _, name = path.rpartition("/")
    raw = recording(path)
    kept = [part for part in name.split("_")[:-1] if part.split("-", 1)[0] in raw]
    for ending in CONFOUNDS:
        beside = f"{folder}/{'_'.join(kept)}{ending}"
        if beside in tables:
            return beside
    return None


def _none_of(rows: Sequence[DataRun], naming: Naming) -> str:
    """Say that no file is a run, and why the files that are there are none."""
    reason, n = Counter(row.reason for row in rows).most_common(1)[0]
    example = next(row.bold for row in rows if row.reason == reason)
    wanted = " ".join(f"{key}-{label}" for key, label in naming.bold.items())
    what = "volumes (.nii, .nii.gz), not surfaces or CIFTI" if "CIFTI" in reason else "such files"
    return (
        f"{naming.folder} has no run with {wanted or 'such a name'}: "
        f"{n} files are not used ({example}: {reason}); {what} are needed: mend bold in "
        "dataset.json"
    )


def check_one_space(rows: Sequence[DataRun], naming: Naming, problems: Problems) -> None:
    """Refuse runs in several spaces where ``bold`` names none."""
    spaces: dict[str, str] = {}
    for row in () if "space" in naming.bold else rows:
        if row.reason:
            continue
        spaces.setdefault(entities(row.bold).get("space", ""), row.bold)
    if len(spaces) > 1:
        said = listed(f"space-{s} ({p})" if s else f"no space- ({p})" for s, p in spaces.items())
        problems.add(
            f"--dataset: bold names no space, and there are files in several: {said}; {MEND_SPACE}"
        )


def with_repetitions(rows: Sequence[DataRun], naming: Naming, problems: Problems) -> list[DataRun]:
    """Count the repetitions of a story within a subject, in the order of session and run.

    Files that differ in another entity are doubles of one recording, and are refused.
    """
    groups: dict[tuple[str, str], list[DataRun]] = defaultdict(list)
    for row in rows:
        if not row.reason:
            groups[row.subject, row.story].append(row)
    numbers: dict[str, int] = {}
    doubles: list[tuple[DataRun, DataRun]] = []
    for group in groups.values():
        if len(group) == 1:
            numbers[group[0].bold] = 1
            continue
        ordered = sorted(group, key=_hearing)
        pairs = [*pairwise(ordered)]
        doubles += [pair for pair in pairs if _are_doubles(*pair, naming)][:1]
        numbers |= {row.bold: k for k, row in enumerate(ordered, start=1)}
    if doubles:
        first, second = doubles[0]
        more = f" (and so {len(doubles) - 1} more)" if len(doubles) > 1 else ""
        problems.add(
            f"--dataset: {first.bold} and {second.bold} are both runs of the story {first.story} "
            f"of sub-{first.subject}{more}: {_difference(first, second)}; let bold name the files "
            "that are meant, or add the entity to story"
        )
    return [replace(row, repetition=numbers.get(row.bold, row.repetition)) for row in rows]


def _hearing(row: DataRun) -> tuple[list[str], list[str]]:
    """Return when a subject heard a story: session and run, in natural order."""
    return natural_key(row.session), natural_key(entities(row.bold).get("run", ""))


def _others(row: DataRun, naming: Naming) -> dict[str, str]:
    """Return the entities that tell neither subject, session, run nor story."""
    known = {"sub", "ses", "run", *naming.story}
    return {key: label for key, label in entities(row.bold).items() if key not in known}


def _are_doubles(first: DataRun, second: DataRun, naming: Naming) -> bool:
    return _hearing(first) == _hearing(second) or _others(first, naming) != _others(second, naming)


def _difference(first: DataRun, second: DataRun) -> str:
    """Say in which entities two names differ."""
    one, two = entities(first.bold), entities(second.bold)
    names = [key for key in {**one, **two} if one.get(key) != two.get(key)]
    more = [key for key in names if key not in ("ses", "run")]
    return f"they differ in {', '.join(more)}" if more else "their names say the same"


def read_runs_table(path: Path, root: Path) -> list[DataRun]:
    """Read a user's table of runs.

    Parameters
    ----------
    path
        TSV with the columns ``subject``, ``story`` and ``bold``, and where wanted ``session``,
        ``repetition``, ``confounds``, ``start``; ``n/a`` or an empty cell is nothing.
    root
        Folder of the data set.

    Returns
    -------
    list of DataRun
        In the order of the rows.

    Raises
    ------
    BadInput
        The file cannot be read, a column is missing, or a cell is not what it should be.
    """
    table = read_text_table(path, (*NEEDED, *OPTIONAL), f"{path}", separator="\t")
    missing = [name for name in NEEDED if name not in table]
    if missing:
        raise BadInput(
            f"{path} has no column {listed(missing)}; needed are {', '.join(NEEDED)}, separated by "
            f"tabs, and {', '.join(OPTIONAL)} may be there"
        )
    columns = [name for name in (*NEEDED, *OPTIONAL) if name in table]
    cells = table[columns].to_numpy(str).tolist()
    rows = []
    for line, values in enumerate(cells, start=2):
        row = {name: cell.strip() for name, cell in zip(columns, values, strict=True)}
        try:
            rows.append(_read_row(row, path.parent, root))
        except ValueError as error:
            raise BadInput(f"{path}, line {line}: {error}; mend the row") from error
    if not rows:
        raise BadInput(f"{path} has no row; write one for each run")
    _check_repeats(rows, path, told="repetition" in columns)
    return rows


def _read_row(cells: Mapping[str, str], folder: Path, root: Path) -> DataRun:
    """Return one row of a table; ``ValueError`` says what is wrong with it."""
    own = {name: "" if cell in NOTHING else cell for name, cell in cells.items()}
    if not SUBJECT.fullmatch(own["subject"]) or own["subject"].lower() in ("all", AVERAGE):
        raise ValueError(
            f"the subject is {own['subject']!r}; write its label, letters and digits, without sub-"
        )
    if not STORY_NAME.fullmatch(own["story"]):
        raise ValueError(
            f"the story is {own['story']!r}; write letters, digits and . _ + -, and no _rep-2 at "
            "the end (the column repetition tells it)"
        )
    if not own["bold"].endswith((".nii", ".nii.gz")) or own["bold"].endswith(SURFACES):
        raise ValueError(f"bold is {own['bold']!r}; volumes are needed (.nii, .nii.gz)")
    repetition = own.get("repetition") or "1"
    if not re.fullmatch(r"[1-9][0-9]{0,3}", repetition):
        raise ValueError(f"the repetition is {repetition!r}; write 1, 2 …")
    confounds = own.get("confounds", "")
    return DataRun(
        own["subject"],
        own.get("session", "").removeprefix("ses-"),
        own["story"],
        int(repetition),
        _inside(own["bold"], folder, root),
        _inside(confounds, folder, root) if confounds else None,
        _start(own.get("start", "")),
    )


def _start(cell: str) -> float | None:
    """Return the beginning of a story, seconds."""
    if not cell:
        return None
    try:
        start = float(cell)
    except ValueError:
        start = -1.0
    if not 0 <= start < float("inf"):
        raise ValueError(f"the start is {cell!r}; write seconds after the first scan, 0 or more")
    return start


def _inside(name: str, folder: Path, root: Path) -> str:
    """Return a path of the table as a path below the data set's folder."""
    path = os.path.relpath(os.path.normpath(folder / name), root)
    if path.startswith("..") or not path.isprintable():
        raise ValueError(f"{name} is not below the data set's folder {root}")
    return path


def _check_repeats(rows: Sequence[DataRun], path: Path, *, told: bool) -> None:
    """Refuse two rows of one repetition, or of one file."""
    hearings = Counter((row.subject, row.story, row.repetition) for row in rows)
    (subject, story, repetition), n = hearings.most_common(1)[0]
    if n > 1:
        mend = (
            f"as repetition {repetition}; number them"
            if told
            else "and the table has no column repetition; add it, and number them from 1"
        )
        raise BadInput(f"{path}: sub-{subject} has the story {story} {n} times, {mend}")
    file, n = Counter(row.bold for row in rows).most_common(1)[0]
    if n > 1:
        raise BadInput(f"{path}: {file} is in {n} rows; a file is one run: keep one of them")


def choose_stories(
    rows: Sequence[DataRun], include: Sequence[str], exclude: Sequence[str]
) -> list[DataRun]:
    """Say of the rows of other stories that they are not used.

    Parameters
    ----------
    include, exclude
        Patterns of names, as ``rest*``.
    """
    return [
        row
        if row.reason or chosen(row.story, include, exclude)
        else not_used(row, "stories in dataset.json leaves it out")
        for row in rows
    ]


def chosen(story: str, include: Sequence[str], exclude: Sequence[str]) -> bool:
    """Tell whether a story is one of ``include`` and none of ``exclude``."""
    return any(fnmatchcase(story, one) for one in include) and not any(
        fnmatchcase(story, one) for one in exclude
    )


def stories_in_order(rows: Sequence[DataRun], *, as_in_table: bool) -> list[str]:
    """Return the names of the stories that are used.

    Parameters
    ----------
    as_in_table
        In the order of their first rows; else in natural order.
    """
    names = list(dict.fromkeys(row.story for row in rows if not row.reason))
    return names if as_in_table else in_natural_order(names)
