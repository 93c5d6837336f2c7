"""The story: the annotation's columns and rows, and the texts of its runs in a folder or a zip."""

import csv
import io
import lzma
import re
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lateralization.description import COLUMNS
from lateralization.errors import BadInput
from lateralization.files import check_columns
from lateralization.problems import Problems, listed
from lateralization.study import N_RUNS

STANDARD = dict(zip(COLUMNS, COLUMNS, strict=True))
LARGEST_TEXT = 20_000_000
"""Bytes of one text in a zip, at most: a run's part of the story has some 10,000."""

DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError)
"""What the standard library raises at a damaged entry of a zip, by how it is compressed."""

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def text_name(language: str, run: int) -> str:
    """Return the file name of a run's text."""
    return f"text_{language}_run{run}.txt"


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


def read_annotation(
    path: Path, problems: Problems, columns: Mapping[str, str] = STANDARD
) -> pd.DataFrame | None:
    """Read an annotation as the study did (pandas' defaults) and check its columns.

    Returns
    -------
    pandas.DataFrame or None
        The rows with a word: word, onset and offset in seconds, section from 1; None when the
        file cannot be used.
    """
    try:
        content = standard_annotation(path, columns)
        check_columns(content, ",", str(path), COLUMNS)
        table = pd.read_csv(io.BytesIO(content), encoding="utf-8")
    except BadInput as error:
        problems.add(f"--dataset: {error}")
        return None
    except UnicodeDecodeError:
        problems.add(f"--dataset: {path} is not UTF-8; save it as CSV in UTF-8")
        return None
    except (OSError, ValueError, csv.Error) as error:
        reason = str(error).splitlines()[0]
        problems.add(f"--dataset: {path} cannot be read as CSV ({reason}); check the file")
        return None
    missing = [name for name in COLUMNS if name not in table.columns]
    if missing:
        problems.add(
            f"--dataset: {path} has no column {listed(columns[name] for name in missing)}; it has "
            f"{listed(table.columns)}; name them {listed(columns[name] for name in COLUMNS)}, or "
            "say in dataset.json what they are called"
        )
        return None
    return table[[isinstance(word, str) and word != " " for word in table["word"]]]


def check_annotation(
    path: Path,
    problems: Problems,
    columns: Mapping[str, str] = STANDARD,
    n_runs: int = N_RUNS,
) -> dict[int, float]:
    """Check an annotation's rows.

    Returns
    -------
    dict
        Run → offset of its last word, seconds; empty when the annotation cannot be used.
    """
    words = read_annotation(path, problems, columns)
    if words is None:
        return {}
    numbers: dict[str, Any] = {}
    for name in COLUMNS[1:]:
        numbers[name] = pd.to_numeric(words[name], errors="coerce").to_numpy(dtype=float)
        bad = ~np.isfinite(numbers[name])
        if bad.any():
            row = int(np.flatnonzero(bad)[0])
            problems.add(
                f"--dataset: {path}: {name} is no number in {int(bad.sum())} rows with a word "
                f"(first: {words['word'].iloc[row]!r}, row {words.index[row]}); give all words "
                "a time and a run"
            )
            return {}
    section = numbers["section"]
    if not np.isin(section, np.arange(1, n_runs + 1)).all():
        problems.add(f"--dataset: {path}: section must be 1..{n_runs} in every row with a word")
        return {}
    _check_times(path, words, numbers, problems)
    empty = [run for run in range(1, n_runs + 1) if not (section == run).any()]
    if empty:
        problems.add(f"--dataset: {path} has no word in section {listed(empty)}; add them")
    return {
        run: float(numbers["offset"][section == run].max())
        for run in range(1, n_runs + 1)
        if run not in empty
    }


def _check_times(
    path: Path, words: pd.DataFrame, numbers: dict[str, Any], problems: Problems
) -> None:
    """Report words that end before they begin, or begin before the run."""
    wrong = (numbers["offset"] < numbers["onset"]) | (numbers["onset"] < 0)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        problems.add(
            f"--dataset: {path}: {int(wrong.sum())} words end before they begin, or begin before "
            f"0 s (first: {words['word'].iloc[row]!r}, row {words.index[row]}); mend their times"
        )


def check_text(content: bytes, where: str) -> None:
    """Check the bytes of a run's text.

    Raises
    ------
    BadInput
        Empty, not UTF-8, or with a byte-order mark (which would become part of the first word).
    """
    if content.startswith(BYTE_ORDER_MARK):
        raise BadInput(f"--texts: {where} starts with a byte-order mark; save it as plain UTF-8")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadInput(
            f"--texts: {where} is not UTF-8 (byte {error.start}); save it as UTF-8"
        ) from error
    if not text.strip():
        raise BadInput(f"--texts: {where} is empty; put the text of the run there")


def read_text_files(paths: list[Path], language: str, n_runs: int = N_RUNS) -> dict[str, bytes]:
    """Read the texts of a language from files.

    Returns
    -------
    dict
        File name (``text_en_run1.txt``) → content, in the order of the runs.

    Raises
    ------
    BadInput
        A run is missing, empty or not UTF-8.
    """
    by_name = {path.name: path for path in paths if path.is_file()}
    folder = paths[0].parent if paths else Path()
    names = [text_name(language, run) for run in range(1, n_runs + 1)]
    missing = [name for name in names if name not in by_name]
    if missing:
        raise BadInput(f"--texts: {folder} lacks {listed(missing)}; put the text of the run there")
    found = {name: by_name[name].read_bytes() for name in names}
    for name, content in found.items():
        check_text(content, str(by_name[name]))
    return found


def _members(archive: zipfile.ZipFile, language: str, where: str, n_runs: int) -> dict[str, str]:
    """Return text's name → entry of the zip, at whatever depth; hidden entries do not count."""
    pattern = re.compile(rf"(?:.*/)?(text_{language}_run[1-9][0-9]?\.txt)")
    found: dict[str, str] = {}
    for entry in archive.namelist():
        match = pattern.fullmatch(entry)
        if not match or entry.startswith("__MACOSX/"):
            continue
        if match[1] in found:
            raise BadInput(f"--texts: {where} has {match[1]} twice; keep one")
        found[match[1]] = entry
    names = [text_name(language, run) for run in range(1, n_runs + 1)]
    missing = [name for name in names if name not in found]
    if missing:
        raise BadInput(f"--texts: {where} lacks {listed(missing)}; add the text to the zip")
    return {name: found[name] for name in names}


def read_text_zip(
    path: Path, language: str, password: str | None, n_runs: int = N_RUNS
) -> dict[str, bytes]:
    """Read the texts of a language from a zip, in memory: nothing is unpacked to disk.

    Raises
    ------
    BadInput
        No zip, a missing run, a wrong or missing password, an unknown encryption, or a text that
        is empty or not UTF-8.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = _members(archive, language, str(path), n_runs)
            secret = password.encode() if password else None
            encrypted = [name for name in members.values() if archive.getinfo(name).flag_bits & 0x1]
            if encrypted and secret is None:
                raise BadInput(
                    f"--texts: {path} is protected by a password; give it with --texts_password"
                )
            found = {
                name: _read_member(archive, entry, secret, str(path))
                for name, entry in members.items()
            }
    except (zipfile.BadZipFile, OSError) as error:
        raise BadInput(f"--texts: {path} cannot be read as a zip ({error}); check it") from error
    for name, content in found.items():
        check_text(content, f"{path}:{name}")
    return found


def _read_member(archive: zipfile.ZipFile, entry: str, secret: bytes | None, where: str) -> bytes:
    """Read one entry of a zip, unless it says that it is larger than any story (it ends there)."""
    declared = archive.getinfo(entry).file_size
    if declared > LARGEST_TEXT:
        raise BadInput(
            f"--texts: {entry} in {where} would take {declared} bytes; a text has at most "
            f"{LARGEST_TEXT}: make a zip of the texts alone"
        )
    try:
        return archive.read(entry, secret)
    except NotImplementedError as error:
        raise BadInput(
            f"--texts: {where} is encrypted or compressed in a way that is not supported "
            f"({error}); make a plain zip"
        ) from error
    except (RuntimeError, *DAMAGED) as error:
        if archive.getinfo(entry).flag_bits & 0x1:
            raise BadInput(
                f"--texts: the password does not open {where}; check --texts_password (quote it: "
                "a number loses its leading zeros)"
            ) from error
        raise BadInput(f"--texts: {where} is damaged ({error}); copy it again") from error


def texts_of_folder(folder: Path, language: str, n_runs: int = N_RUNS) -> list[Path]:
    """Return the paths that the texts have in a folder, in the order of the runs."""
    return [folder / text_name(language, run) for run in range(1, n_runs + 1)]
