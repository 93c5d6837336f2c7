"""The texts of the story's runs: in a folder, in a zip, or one by one."""

import lzma
import re
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from lateralization.errors import BadInput
from lateralization.files import IS_POINTER, LFS_POINTER
from lateralization.problems import listed
from lateralization.study import N_RUNS
from lateralization.words.invisible import count_invisible, is_blank, name_counts

LARGEST_TEXT = 20_000_000
"""Bytes of one text in a zip, at most: a run's part of the story has some 10,000."""

DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError)
"""What the standard library raises at a damaged entry of a zip, by how it is compressed."""

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def text_name(language: str, run: int) -> str:
    """Return the file name of a run's text."""
    return f"text_{language}_run{run}.txt"


def check_text(content: bytes, where: str) -> None:
    """Check the bytes of a run's text.

    Raises
    ------
    BadInput
        Nothing that can be seen in it, not UTF-8, with a NUL (UTF-16 without a mark has one beside
        every letter), or with a byte-order mark (which would become part of the first word).
    """
    if content.startswith(LFS_POINTER):
        raise BadInput(f"--texts: {where} {IS_POINTER}")
    if content.startswith(BYTE_ORDER_MARK):
        raise BadInput(f"--texts: {where} starts with a byte-order mark; save it as plain UTF-8")
    if b"\0" in content:
        raise BadInput(
            f"--texts: {where} has NUL characters (byte {content.index(0)}): it is UTF-16 or "
            "damaged; save it as UTF-8, or copy it again"
        )
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadInput(
            f"--texts: {where} is not UTF-8 (byte {error.start}); save it as UTF-8"
        ) from error
    if is_blank(text):
        raise BadInput(f"--texts: {where} is empty; put the text of the run there")


def decode_text(content: bytes) -> str:
    """Decode a checked text; line ends of Windows and of old Macs become line feeds.

    This is what Python's text mode gives, with which the study read its texts.
    """
    return content.decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")


def hidden_characters(texts: Mapping[str, bytes]) -> list[str]:
    """Describe the invisible characters of texts, which a model reads like any others.

    Parameters
    ----------
    texts
        Name → content, as :func:`texts_from` returns them.

    Returns
    -------
    list of str
        One description for each text that has some: ``text_en_run1.txt: 3 U+00A0 (NO-BREAK
        SPACE)``. Line ends and plain blanks do not count.
    """
    counted = {name: count_invisible(decode_text(content)) for name, content in texts.items()}
    return [f"{name}: {name_counts(counts)}" for name, counts in counted.items() if counts]


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


def texts_from(
    origins: Sequence[Path], language: str, password: str | None, n_runs: int = N_RUNS
) -> dict[str, bytes]:
    """Read the texts of a language from a zip, a folder, or one file for each run.

    Returns and raises as :func:`read_text_zip` and :func:`read_text_files`.
    """
    if len(origins) == 1 and zipfile.is_zipfile(origins[0]):
        return read_text_zip(origins[0], language, password, n_runs)
    paths = list(origins)
    if len(origins) == 1 and origins[0].is_dir():
        paths = texts_of_folder(origins[0], language, n_runs)
    return read_text_files(paths, language, n_runs)


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
    except (zipfile.BadZipFile, NotImplementedError, OSError, UnicodeDecodeError) as error:
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


def read_texts(paths: list[Path], n_runs: int = N_RUNS) -> list[str]:
    """Read the texts of all runs, in the order of the runs: UTF-8, every line end a line feed.

    Raises
    ------
    BadInput
        There is not one text per run, or one of them is missing, empty or not UTF-8.
    """
    if len(paths) != n_runs:
        raise BadInput(f"one text per run is needed: {n_runs}, not {len(paths)}")
    return [_read_text(path) for path in paths]


def _read_text(path: Path) -> str:
    """Read the text of one run."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadInput(f"cannot read the text {path}: {error.strerror}") from error
    check_text(content, str(path))
    return decode_text(content)
