"""A manifest of a data set, from its git-annex tree: what is fetched, with lengths and checksums.

git-annex keeps in the tree, in place of a large file, a link (or a pointer file) whose target ends
with the file's key: the length and the checksum of the content. So a clone without any content
(``git clone``, no ``datalad get``) says all that a manifest needs.
"""

import hashlib
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import pandas as pd

from lateralization.bids.entities import in_natural_order
from lateralization.bids.heard import Heard, heard_by_story
from lateralization.bids.language import Language, Stories
from lateralization.command import say
from lateralization.errors import BadInput
from lateralization.problems import Problems, listed
from lateralization.runs import label
from lateralization.sources.dataset import POINTER
from lateralization.sources.description import Description

COLUMNS = ("path", "bytes", "md5", "sha256", "language", "subject", "run")
KEY = re.compile(r"(MD5|SHA256)E?-s(\d+)(?:-[A-Za-z]\d+)*--([0-9a-f]+)(?:\..*)?")
NONE = "n/a"
LONGEST_POINTER = 32_768


@dataclass(frozen=True)
class Pinned:
    """Length, and checksum by its algorithm (``md5`` or ``sha256``)."""

    n_bytes: int
    algorithm: str
    digest: str


def pinned_files(tree: Path, revision: str = "HEAD") -> dict[str, Pinned]:
    """Return path → length and checksum of all files of a git-annex tree.

    Parameters
    ----------
    tree
        A clone, with or without a work tree; no content is needed.
    revision
        Tag, branch or commit.

    Raises
    ------
    BadInput
        No git repository, an unknown revision, or a key without length or checksum.
    """
    listing = _git(tree, "ls-tree", "-r", "-z", "--full-tree", revision).decode()
    entries = []
    for line in filter(None, listing.split("\0")):
        about, _, path = line.partition("\t")
        mode, kind, name = about.split(" ")
        if kind == "blob":  # submodules are other data sets
            entries.append((path, mode == "120000", name))
    contents = _contents(tree, [name for _, _, name in entries])
    return {
        path: _pin(path, content, linked=linked)
        for (path, linked, _), content in zip(entries, contents, strict=True)
    }


def _git(tree: Path, *arguments: str, given: bytes | None = None) -> bytes:
    """Run git and return what it prints."""
    command = ["git", "-C", str(tree), *arguments]
    try:
        return subprocess.run(command, input=given, capture_output=True, check=True).stdout
    except FileNotFoundError as error:
        raise BadInput("git is not installed; it reads the tree") from error
    except subprocess.CalledProcessError as error:
        reason = error.stderr.decode(errors="replace").strip().splitlines() or ["git failed"]
        raise BadInput(f"cannot read the git tree {tree}: {reason[-1]}; give a clone") from error


def _contents(tree: Path, names: Sequence[str]) -> Iterator[bytes]:
    """Give the contents of blobs, in order, from one git process."""
    output = _git(tree, "cat-file", "--batch", given="\n".join(names).encode() + b"\n")
    place = 0
    for _ in names:
        end = output.index(b"\n", place)
        size = int(output[place:end].split(b" ")[2])
        yield output[end + 1 : end + 1 + size]
        place = end + 1 + size + 1


def _pin(path: str, content: bytes, *, linked: bool) -> Pinned:
    """Read a key, or measure a file that is in git itself."""
    if not linked and not content.startswith(POINTER):
        return Pinned(len(content), "md5", hashlib.md5(content, usedforsecurity=False).hexdigest())
    target = content[:LONGEST_POINTER].decode("utf-8", errors="replace").strip()
    key = KEY.fullmatch(target.splitlines()[0].rpartition("/")[2])
    if key is None:
        raise BadInput(f"{path} has no key with a length and an md5 or sha256 ({target[:200]})")
    return Pinned(int(key[2]), key[1].lower(), key[3])


def manifest(
    description: Description,
    files: Mapping[str, Pinned],
    also: Sequence[str] = (),
    folder: Path = Path(),
) -> pd.DataFrame:
    """Choose the files of a data set that its description names.

    Parameters
    ----------
    description
        Where runs and annotations are.
    files
        As :func:`pinned_files` returns them.
    also
        Patterns of further files (audio, tables), which are pinned and fetched by nothing yet.
    folder
        Of the description, where a table of runs lies.

    Returns
    -------
    DataFrame
        path, bytes, md5, sha256 (one of them empty), language, subject, run (1, 2 …); ``n/a``
        where a file belongs to no subject. Sorted by path.

    Raises
    ------
    BadInput
        No subject, a subject with another number of runs, no annotation, or what a data set of
        stories is refused for.
    """
    rows = []
    for code, spoken in description.languages.items():
        own = spoken.stories
        heard = None if own is None else _heard(spoken, own, files, folder)
        runs = _subjects(description, files, code) if heard is None else _runs(heard)
        rows += [
            _row(path, files[path], code, subject, str(run))
            for subject, paths in runs.items()
            for run, path in enumerate(paths, 1)
        ]
        told = [spoken.annotation] if heard is None or own is None else _told(own, heard.stories)
        missing = [path for path in told if path not in files]
        if missing:
            raise BadInput(f"the tree has no {listed(missing, 3)} (words); mend dataset.json")
        rows += [_row(path, files[path], code, NONE, NONE) for path in told]
    known = {row["path"] for row in rows}
    for path, pinned in files.items():
        if path not in known and any(fnmatchcase(path, pattern) for pattern in also):
            rows.append(_row(path, pinned, NONE, NONE, NONE))
    rows.sort(key=lambda row: row["path"])
    return pd.DataFrame(rows, columns=pd.Index(COLUMNS))


def _row(path: str, pinned: Pinned, language: str, subject: str, run: str) -> dict[str, str]:
    """Return one row of a manifest."""
    row = {"path": path, "bytes": str(pinned.n_bytes), "md5": "", "sha256": ""}
    return row | {pinned.algorithm: pinned.digest} | {
        "language": language, "subject": subject, "run": run
    }  # fmt: skip


def _heard(spoken: Language, own: Stories, files: Mapping[str, Pinned], folder: Path) -> Heard:
    """Find out who heard what in a tree of a data set of stories."""
    problems, notes = Problems(), list[str]()
    tree = [{"path": path} for path in files]
    heard = heard_by_story(folder, spoken, own, problems, notes, manifest=tree)
    problems.stop()
    for note in notes:
        say(note)
    return heard


def _runs(heard: Heard) -> dict[str, list[str]]:
    """Return subject → paths of its runs, in the order of the stories."""
    return {subject.subject: subject.files for subject in heard.subjects}


def _told(own: Stories, keys: Sequence[str]) -> list[str]:
    """Return the paths of the words and texts of stories."""
    patterns = [own.words] + ([own.text] if own.text else [])
    paths = [pattern.replace("{story}", label(key)) for pattern in patterns for key in keys]
    return list(dict.fromkeys(paths))


def _subjects(
    description: Description, files: Mapping[str, Pinned], language: str
) -> dict[str, list[str]]:
    """Return subject → paths of its numbered runs."""
    pattern, spoken = _expression(description.bold), description.languages[language]
    found: dict[str, list[str]] = {}
    for path in files:
        match = pattern.fullmatch(path)
        if match is not None and spoken.has(match["subject"]):
            found.setdefault(match["subject"], []).append(path)
    if not found:
        raise BadInput(f"the tree has no run {description.bold} of {language}; mend it")
    odd = {one: len(paths) for one, paths in found.items() if len(paths) != description.n_runs}
    if odd:
        raise BadInput(
            f"not {description.n_runs} runs: {listed(f'{s} has {n}' for s, n in odd.items())}; "
            "mend n_runs or bold, or list the subjects that are whole"
        )
    return {subject: in_natural_order(found[subject]) for subject in sorted(found)}


def _expression(bold: str) -> re.Pattern[str]:
    """Turn the pattern of the runs into a regular expression that finds the subject."""
    made, named = "", False
    for part in re.split(r"(\{subject\}|\*)", bold):
        if part == "{subject}":
            made += "(?P=subject)" if named else "(?P<subject>[A-Za-z0-9]+)"
            named = True
        else:
            made += "[^/]*" if part == "*" else re.escape(part)
    return re.compile(made)
