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
from lateralization.errors import BadInput
from lateralization.problems import listed
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
    description: Description, files: Mapping[str, Pinned], also: Sequence[str] = ()
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

    Returns
    -------
    DataFrame
        path, bytes, md5, sha256 (one of them empty), language, subject, run (1, 2 …); ``n/a``
        where a file belongs to no subject. Sorted by path.

    Raises
    ------
    BadInput
        No subject, a subject with another number of runs, or no annotation.
    """
    rows = [
        _row(path, files[path], language, subject, str(run))
        for (language, subject), paths in _subjects(description, files).items()
        for run, path in enumerate(in_natural_order(paths), 1)
    ]
    for code, spoken in description.languages.items():
        if spoken.annotation not in files:
            raise BadInput(f"the tree has no annotation {spoken.annotation}; mend dataset.json")
        rows.append(_row(spoken.annotation, files[spoken.annotation], code, NONE, NONE))
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


def _subjects(
    description: Description, files: Mapping[str, Pinned]
) -> dict[tuple[str, str], list[str]]:
    """Return (language, subject) → paths of the runs."""
    pattern = _expression(description.bold)
    found: dict[tuple[str, str], list[str]] = {}
    for path in files:
        match = pattern.fullmatch(path)
        if match is None:
            continue
        for code, language in description.languages.items():
            if language.has(match["subject"]):
                found.setdefault((code, match["subject"]), []).append(path)
    silent = sorted(set(description.languages) - {code for code, _ in found})
    if silent:
        raise BadInput(f"the tree has no run {description.bold} of {listed(silent)}; mend it")
    odd = {subject: len(paths) for (_, subject), paths in found.items()
           if len(paths) != description.n_runs}  # fmt: skip
    if odd:
        raise BadInput(
            f"not {description.n_runs} runs: {listed(f'{s} has {n}' for s, n in odd.items())}; "
            "mend n_runs or bold, or list the subjects that are whole"
        )
    return dict(sorted(found.items()))


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
