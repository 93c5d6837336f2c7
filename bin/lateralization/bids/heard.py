"""Who heard what in a language of a data set of stories, as names of files or a table tell it."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from lateralization.bids.entities import in_natural_order
from lateralization.bids.language import FILE, Language, Stories, shown_subjects
from lateralization.bids.runs_table import (
    OTHER_SUBJECT,
    DataRun,
    check_one_space,
    choose_stories,
    chosen,
    files_below,
    not_used,
    read_runs_table,
    runs_by_names,
    stories_in_order,
    subjects_below,
    with_repetitions,
)
from lateralization.errors import BadInput
from lateralization.problems import Problems, listed
from lateralization.runs import STORY, numbered_keys, run_key


@dataclass
class Subject:
    """A subject of the data set and its runs, in order.

    Attributes
    ----------
    subject
        The id, ``EN057``.
    bold
        Files of a local data set; empty when they are fetched.
    remote
        Entries of the manifest (path, bytes, checksum); empty when the data set is local.
    heard
        What the runs are, one for each, in a data set of stories; empty where runs are numbered.
    """

    subject: str
    bold: list[Path]
    remote: list[dict[str, Any]]
    heard: list[DataRun] = field(default_factory=list)

    @property
    def keys(self) -> list[str]:
        """Keys of the runs: by what was heard, or by number."""
        if self.heard:
            return [run_key(f"{STORY}-{one.story}", one.repetition) for one in self.heard]
        return numbered_keys(len(self.files))

    @property
    def files(self) -> list[str]:
        """Paths of the runs, here or in the manifest."""
        return [str(path) for path in self.bold] or [str(row["path"]) for row in self.remote]


@dataclass(frozen=True)
class Heard:
    """Who heard what in a language, as names or a table tell it.

    Attributes
    ----------
    subjects
        With their runs, in the order of the stories.
    stories
        Keys of the stories, in order.
    test
        Those that never train.
    known
        Names of all stories that have a run, those that are left out or of another language too.
    unused
        Files of the data set that are no runs of it, with the reasons.
    """

    subjects: list[Subject]
    stories: list[str]
    test: list[str] = field(default_factory=list)
    known: list[str] = field(default_factory=list)
    unused: list[DataRun] = field(default_factory=list)


def heard_by_story(
    root: Path,
    spoken: Language,
    own: Stories,
    problems: Problems,
    notes: list[str],
    *,
    manifest: list[dict[str, Any]] | None = None,
) -> Heard:
    """Find the subjects of a language of a data set of stories, and what each heard.

    Parameters
    ----------
    root
        Folder of the data set, or of its description where it is fetched.
    spoken, own
        The language, and its stories.
    manifest
        Files that are fetched (``path``); None for a data set on disk.
    """
    rows: list[DataRun] = []
    with problems.collect("--dataset"):
        rows = _rows(root, spoken, own, manifest, problems)
    with_files = {row.subject for row in rows if not row.reason}
    _check_listed(spoken, with_files, problems)
    known = stories_in_order(rows, as_in_table=own.table is not None)
    # one table of words may be that of several languages
    of_others = {row.story for row in rows if row.reason == OTHER_SUBJECT}.difference(known)
    rows = choose_stories(rows, own.include, own.exclude)
    if own.naming is not None:
        check_one_space(rows, own.naming, problems)
        rows = with_repetitions(rows, own.naming, problems)
    names = stories_in_order(rows, as_in_table=own.table is not None)
    _check_names(spoken.name, own, names, known, problems, notes=notes)
    _note_without(with_files, rows, notes)
    if manifest is not None:
        rows = _fetchable(rows, {row["path"] for row in manifest}, problems)
    return Heard(
        _with_runs(root, rows, names, manifest),
        [f"{STORY}-{name}" for name in names],
        [f"{STORY}-{name}" for name in names if chosen(name, own.test, ())],
        known + sorted(of_others),
        [row for row in rows if row.reason],
    )


def _rows(
    root: Path,
    spoken: Language,
    own: Stories,
    manifest: list[dict[str, Any]] | None,
    problems: Problems,
) -> list[DataRun]:
    """Return the rows of a language: of the user's table, or made of names."""
    if own.naming is None:
        rows = read_runs_table(root / str(own.table), root)
        rows = [row if spoken.has(row.subject) else not_used(row, OTHER_SUBJECT) for row in rows]
        if all(row.reason for row in rows):
            raise BadInput(
                f"{root / str(own.table)} has no subject {shown_subjects(spoken.subjects)}; mend "
                f"subjects in {FILE}, or the table"
            )
        return rows
    folder = own.naming.folder
    place = f"{folder}/sub-" if folder != "." else "sub-"
    if manifest is None:
        paths, there = list(files_below(root, folder)), subjects_below(root, folder)
    else:
        paths = list(dict.fromkeys(row["path"] for row in manifest))
        paths = [path for path in paths if path.startswith(place)]
        there = list({path.removeprefix(place).split("/")[0] for path in paths})
    subjects = [name for name in there if spoken.has(name)]
    if not subjects:
        raise BadInput(
            f"{root / folder} has no folder sub-{shown_subjects(spoken.subjects)}; mend "
            f"derivatives or subjects in {FILE}"
        )
    rows = runs_by_names(paths, own.naming, spoken.has, problems)
    found = {row.subject for row in rows if not row.reason}
    silent = [name for name in in_natural_order(subjects) if name not in found]
    if silent and found:
        wanted = " ".join(f"{key}-{value}" for key, value in own.naming.bold.items())
        why = next((f": {row.reason}" for row in rows if row.subject == silent[0]), "")
        problems.add(
            f"--dataset: {listed(f'sub-{name}' for name in silent)} have no run with "
            f"{wanted or 'such a name'} in {root / folder}{why}; add the runs, or leave the "
            f"subjects out of subjects in {FILE}"
        )
    return rows


def _check_listed(spoken: Language, found: set[str], problems: Problems) -> None:
    """Report subjects that a description lists and that have no run."""
    if isinstance(spoken.subjects, str) or not found:
        return
    missing = [name for name in spoken.subjects if name not in found]
    if missing:
        problems.add(
            f"--dataset: {listed(f'sub-{name}' for name in missing)} of subjects in {FILE} have no "
            "run; add them, or take them out of subjects"
        )


def _check_names(
    language: str,
    own: Stories,
    names: list[str],
    known: list[str],
    problems: Problems,
    *,
    notes: list[str],
) -> None:
    """Report patterns that fit no story, and stories whose names differ in capitals only."""
    if known and not names:
        problems.add(
            f"--dataset: stories in {FILE} leaves none of {listed(known)}; mend include and exclude"
        )
    for entry, patterns, among in (("include", own.include, known), ("test", own.test, names)):
        idle = [one for one in patterns if not any(fnmatchcase(name, one) for name in among)]
        said = f"{listed(idle)} of stories.{entry} in {FILE} is no story; there are {listed(among)}"
        if idle and names and own.shared:
            notes.append(f"{language}: {said}")
        elif idle and names:
            problems.add(f"--dataset: {said}: mend it")
    idle = [one for one in own.exclude if not any(fnmatchcase(name, one) for name in known)]
    if idle:
        notes.append(f"{listed(idle)} of stories.exclude in {FILE} is no story of the data set")
    plain = {name: name.lower() for name in names}
    what = "capitals"
    if own.naming is not None and "run" in own.naming.story:  # run-01 of some, run-1 of others
        plain = {name: re.sub(r"(?<!\d)0+(?=\d)", "", low) for name, low in plain.items()}
        what = "capitals or zeros"
    alike = Counter(plain.values())
    twins = [name for name in names if alike[plain[name]] > 1]
    if twins:
        problems.add(
            f"--dataset: the stories {listed(twins)} differ in {what} only; give one story one name"
        )


def _fetchable(rows: Sequence[DataRun], pinned: set[str], problems: Problems) -> list[DataRun]:
    """Report runs that the manifest does not have; return the others."""
    missing = [row.bold for row in rows if not row.reason and row.bold not in pinned]
    if missing:
        problems.add(
            f"--dataset: the manifest does not have {listed(missing, 3)}; make it again with "
            "bin/manifest.py, or mend the table of runs"
        )
    return [row for row in rows if row.bold not in missing]


def _note_without(found: set[str], rows: Sequence[DataRun], notes: list[str]) -> None:
    """Mention subjects that heard none of the stories that are used."""
    without = found - {row.subject for row in rows if not row.reason}
    if without:
        notes.append(
            f"{listed(f'sub-{name}' for name in sorted(without))} heard none of the stories that "
            "are used"
        )


def _with_runs(
    root: Path,
    rows: Sequence[DataRun],
    names: list[str],
    manifest: list[dict[str, Any]] | None,
) -> list[Subject]:
    """Return the subjects in natural order, each with its runs in the order of the stories."""
    place = {name: number for number, name in enumerate(names)}
    heard: dict[str, list[DataRun]] = {}
    for row in sorted(
        (row for row in rows if not row.reason), key=lambda row: (place[row.story], row.repetition)
    ):
        heard.setdefault(row.subject, []).append(row)
    pinned = {row["path"]: row for row in manifest or ()}
    return [
        Subject(
            name,
            [root / run.bold for run in heard[name]] if manifest is None else [],
            [] if manifest is None else [pinned[run.bold] for run in heard[name]],
            heard[name],
        )
        for name in in_natural_order(heard)
    ]
