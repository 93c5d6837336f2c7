"""The data set: what is in a local folder, what is in a manifest."""

import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lateralization.bids.entities import entities, in_natural_order
from lateralization.bids.heard import Subject
from lateralization.bids.language import FILE, shown_subjects
from lateralization.errors import BadInput
from lateralization.files import LFS_POINTER, is_lfs_pointer, read_text_table
from lateralization.problems import Problems, listed
from lateralization.sources.description import Description
from lateralization.volumes import disordered
from lateralization.words.annotation import REPEATED

OFFICIAL_ENDPOINT = "https://s3.amazonaws.com/openneuro.org"
POINTER = b"/annex/objects/"
"""What an unlocked, unfetched file of git-annex begins with."""


NAMES_STORY = ("task", "story")
"""Entities that name what was heard."""

COLUMNS = ("path", "bytes", "language", "subject", "run")
CHECKSUMS = ("md5", "sha256")
FORMS = {
    "path": re.compile(r"[^/].*"),
    "bytes": re.compile(r"[0-9]{1,18}"),
    "language": re.compile(r"[a-z]{2,8}|n/a"),
    "subject": re.compile(r"[A-Za-z0-9]+|n/a"),
    "run": re.compile(r"[0-9]{1,4}|n/a"),
    "md5": re.compile(r"[0-9a-f]{32}"),
    "sha256": re.compile(r"[0-9a-f]{64}"),
}
"""What a cell of the manifest may hold."""


def read_manifest(path: Path) -> list[dict[str, Any]]:
    """Return the files that are pinned: path, bytes, md5 or sha256, language, subject, run.

    Raises
    ------
    BadInput
        A column is missing, or a row has no length or no checksum, or names a place outside.
    """
    table = read_text_table(path, COLUMNS, f"the manifest {path}", separator="\t")
    rows = [dict(zip(table.columns, cells, strict=True)) for cells in table.to_numpy(str).tolist()]
    wrong = next((row for row in rows if not _is_pinned(row)), None)
    if wrong is not None or not rows:
        raise BadInput(
            f"the manifest {path} needs the columns {', '.join(COLUMNS)} and "
            f"{' or '.join(CHECKSUMS)} in every row"
            f"{f' (see {wrong.get(COLUMNS[0])!r})' if wrong else ''}; make it with bin/manifest.py"
        )
    return [{**row, "bytes": int(row["bytes"])} for row in rows]


def _is_pinned(row: dict[str, Any]) -> bool:
    """Tell whether a row of a manifest says all that is needed, and nothing outside its folder."""
    pinned = {name: row[name] for name in CHECKSUMS if row.get(name)}
    return (
        all(FORMS[name].fullmatch(row.get(name) or "") for name in COLUMNS)
        and ".." not in row["path"].split("/")
        and row["path"].isprintable()
        and bool(pinned)
        and all(FORMS[name].fullmatch(digest) for name, digest in pinned.items())
    )


def remote_subjects(manifest: list[dict[str, Any]], language: str) -> list[Subject]:
    """Return the subjects of a language, sorted, each with its runs in order."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in manifest:
        if row["language"] == language and "n/a" not in (row["subject"], row["run"]):
            found.setdefault(row["subject"], []).append(row)
    return [
        Subject(name, [], sorted(found[name], key=lambda row: int(row["run"])))
        for name in sorted(found)
    ]


def remote_annotation(manifest: list[dict[str, Any]], path: str) -> dict[str, Any]:
    """Return the manifest's entry of an annotation.

    Raises
    ------
    BadInput
        The manifest does not have it.
    """
    for row in manifest:
        if row["path"] == path:
            return row
    raise BadInput(f"--dataset: the manifest does not have the annotation {path}; mend {FILE}")


def urls(name: str, path: str, endpoint: str | None) -> list[str]:
    """Return the addresses at which a file of the data set may be, in the order to try.

    A mirror may hold the bucket (``openneuro.org/ds003643/…``), the data sets (``ds003643/…``) or
    the files of this one.
    """
    if endpoint is None:
        return [f"{OFFICIAL_ENDPOINT}/{name}/{path}"]
    base = endpoint.rstrip("/")
    if base.endswith(f"/{name}"):
        return [f"{base}/{path}"]
    if base.endswith("/openneuro.org"):
        return [f"{base}/{name}/{path}"]
    return [
        f"{base}/{name}/{path}",
        f"{base}/openneuro.org/{name}/{path}",
        f"{base}/{path}",
    ]


def is_unfetched(path: Path) -> bool:
    """Tell whether a file of a clone (DataLad, Git LFS) is there by name only."""
    if path.is_symlink() and not path.exists():
        return True
    try:
        if not path.is_file() or path.stat().st_size > 1000:
            return False
        return path.read_bytes().startswith((POINTER, LFS_POINTER))
    except OSError:
        return False


def local_subjects(root: Path, description: Description, language: str) -> list[Subject]:
    """Find the subjects of a language in a local data set, and their runs; nothing is checked.

    The order of the runs is the natural one of their file names: numbers need not start at 1 nor be
    contiguous.

    Parameters
    ----------
    root
        Folder of the data set.
    description
        Where subjects and runs are.
    """
    parent, _, pattern = description.folders.rpartition("/")
    before, after = pattern.split("{subject}", 1)
    named = [
        (path.name[len(before) : len(path.name) - len(after)], path)
        for path in sorted((root / parent).glob(pattern.replace("{subject}", "*")))
        if path.is_dir()
    ]
    return [
        Subject(name, in_natural_order(folder.glob(description.runs(name))), [])
        for name, folder in named
        if description.languages[language].has(name)
    ]


def check_group(
    root: Path,
    description: Description,
    language: str,
    subjects: list[Subject],
    problems: Problems,
) -> None:
    """Report a local data set that has no folder of subjects, or none of the language."""
    parent, _, pattern = description.folders.rpartition("/")
    place, shown = root / parent, shown_subjects(description.languages[language].subjects)
    if not place.is_dir():
        problems.add(
            f"--dataset: {root} has no folder {parent}; it must hold "
            f"{description.bold.replace('{subject}', shown)}, or a {FILE} that "
            "says where the runs are"
        )
    elif not subjects:
        wanted = pattern.replace("{subject}", shown)
        problems.add(
            f"--dataset: {place} has no subject {wanted}, so there is nothing for "
            f"--languages {language}; check the folder and the language"
        )


def check_subjects(
    root: Path, description: Description, subjects: list[Subject], problems: Problems
) -> None:
    """Report ids that cannot be file names, runs that are too many, few or in disorder, or absent.

    Parameters
    ----------
    subjects
        Those of a local data set whose runs are used.
    """
    n_runs = description.n_runs
    for subject in subjects:
        folder = root / description.folders.replace("{subject}", subject.subject)
        if not subject.subject.isalnum() or not subject.subject.isascii():
            problems.add(
                f"--dataset: {folder} is no subject's name; use letters and digits after sub-"
            )
        if len(subject.bold) != n_runs:
            problems.add(
                f"--dataset: {folder.name} has {len(subject.bold)} runs and the story has "
                f"{n_runs}: {folder} must hold {n_runs} files "
                f"{description.runs(subject.subject)}; add or remove runs, or take the subject "
                "out of the folder"
            )
        elif numbers := disordered(subject.bold):
            problems.add(
                f"--dataset: the runs of {folder} are numbered {numbers} in the order of "
                "their names; rename them so that names and numbers ascend together"
            )
    check_content(root, [path for subject in subjects for path in subject.bold], problems)


def stories_named(subjects: Sequence[Subject]) -> tuple[dict[str, list[str]], bool]:
    """Return the stories that the names of files name.

    Numbers of runs never count: in ds003643 the nine runs of the English subjects are numbered in
    16 ways.

    Returns
    -------
    stories : dict
        Subject → one name for each file: its entities ``task`` and ``story`` in lower case, joined
        by ``_``. Where no file has either, the letters of its name without subject, session, run.
    by_entity : bool
        Whether the names are those of entities.
    """
    found = {one.subject: [entities(name) for name in one.files] for one in subjects}
    named = {
        subject: ["_".join(own[key].lower() for key in NAMES_STORY if key in own) for own in files]
        for subject, files in found.items()
    }
    if any(story for stories in named.values() for story in stories):
        return named, True
    return {one.subject: [_letters(name, one.subject) for name in one.files]
            for one in subjects}, False  # fmt: skip


def _letters(path: str, subject: str) -> str:
    """Return the letters of a file's name, without its subject, session and run."""
    name = re.sub(r"(?:^|(?<=_))(?:sub|ses|run)-[A-Za-z0-9]+", "", Path(path).name)
    return re.sub(r"[^a-z]+", "", name.replace(subject, "").lower())


def check_stories(subjects: Sequence[Subject], problems: Problems) -> None:
    """Report files whose names contradict their place: file k is the story of section k.

    By entities every other name is a contradiction; by letters, which may be anything, only the
    same names in another order.

    Parameters
    ----------
    subjects
        Those of one language that have all runs.
    """
    if not subjects:
        return
    named, by_entity = stories_named(subjects)
    usual = list(Counter(map(tuple, named.values())).most_common(1)[0][0])
    first = next(subject for subject, stories in named.items() if stories == usual)
    others = [
        one
        for one in subjects
        if named[one.subject] != usual
        and (by_entity or sorted(named[one.subject]) == sorted(usual))
    ]
    if others:
        one, stories = others[0], named[others[0].subject]
        k = next(k for k, pair in enumerate(zip(stories, usual, strict=True)) if pair[0] != pair[1])
        more = f" (so do those of {_people(others[1:])})" if others[1:] else ""
        problems.add(
            f"--dataset: file {k + 1} of sub-{one.subject} ({Path(one.files[k]).name}) names the "
            f"story {stories[k] or 'nothing'}, that of sub-{first} {usual[k] or 'nothing'}{more}; "
            "file k must be of one story in every subject, whose words are section k of the "
            "annotation: rename files, or folders of sessions, so that the stories sort alike, or "
            "leave the subject out"
        )
    if by_entity:
        _check_repeats(subjects, named, problems)


def _check_repeats(
    subjects: Sequence[Subject], named: dict[str, list[str]], problems: Problems
) -> None:
    """Report a story that a subject's files name twice, where they name several.

    One name for all files names the experiment, as ``task-lppEN`` does in ds003643.
    """
    twice = {
        one.subject: max(counts, key=counts.__getitem__)
        for one in subjects
        if 1 < len(counts := Counter(named[one.subject])) < len(one.files)
    }
    if not twice:
        return
    subject, story = next(iter(twice.items()))
    places = [str(k) for k, other in enumerate(named[subject], start=1) if other == story]
    more = f" (and so in {len(twice) - 1} more subjects)" if len(twice) > 1 else ""
    problems.add(
        f"--dataset: files {' and '.join(places)} of sub-{subject} name one story, {story}{more}; "
        f"{REPEATED}: keep one of them (in n_runs and in the annotation too) or their mean; parts "
        "of one story need names of their own"
    )


def _people(subjects: Sequence[Subject]) -> str:
    """Return subjects for a message."""
    return listed(f"sub-{one.subject}" for one in subjects)


def check_content(root: Path, paths: list[Path], problems: Problems) -> None:
    """Report, once, files of a clone that were never fetched."""
    missing = [path for path in paths if is_unfetched(path)]
    if not missing:
        return
    common = os.path.relpath(os.path.commonpath(missing), root)
    # os.path.commonpath of one file is the file itself; of several, their folder.
    links, fetch = "links", f"datalad get -d '{root}' '{root / common}'"
    if is_lfs_pointer(missing[0]):
        links, fetch = "Git LFS pointers", f"git -C '{root}' lfs pull"
    problems.add(
        f"--dataset: {len(missing)} files of {root} are {links} to content that is not there "
        f"({missing[0].name}); fetch them: {fetch}"
    )


def local_annotation(root: Path, name: str, problems: Problems) -> Path | None:
    """Find an annotation in a local data set; None and a problem when there is none."""
    path = root / name
    if is_unfetched(path):
        check_content(root, [path], problems)
        return None
    if not path.is_file():
        near = sorted(path.parent.glob(f"*{path.suffix}"))
        hint = f"; there is {listed(p.name for p in near)}" if near else ""
        problems.add(f"--dataset: {path} does not exist{hint}; put the annotation there")
        return None
    return path


HANDS = {"r": "right", "l": "left", "a": "ambidextrous"}
"""First letter of a cell of the column handedness, whatever its case → hand."""


def count_hands(root: Path, subjects: Sequence[str]) -> dict[str, int]:
    """Count the subjects by the hand that ``participants.tsv`` gives them.

    Parameters
    ----------
    root
        Folder of the data set.
    subjects
        Ids without ``sub-``.

    Returns
    -------
    right, left, ambidextrous or unknown → subjects; empty where the table says it of nobody.
    """
    path = root / "participants.tsv"
    if not path.is_file():
        return {}
    table = read_text_table(path, ("participant_id", "handedness"), strict=False)
    if not {"participant_id", "handedness"} <= set(table.columns):
        return {}
    cells = dict(zip(table["participant_id"], table["handedness"], strict=True))
    hands = Counter(
        HANDS.get(cells.get(f"sub-{subject}", "").strip().lower()[:1], "unknown")
        for subject in subjects
    )
    known = {hand: hands[hand] for hand in (*HANDS.values(), "unknown") if hands[hand]}
    return {} if known.keys() <= {"unknown"} else known
