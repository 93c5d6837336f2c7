"""The texts of the story's runs: in a folder, in a zip, or one by one."""

import lzma
import zipfile
import zlib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from lateralization.errors import BadInput
from lateralization.files import IS_POINTER, LFS_POINTER
from lateralization.problems import listed
from lateralization.runs import RUN, label
from lateralization.words.invisible import count_invisible, is_blank, name_counts

LARGEST_TEXT = 20_000_000
"""Bytes of one text in a zip, at most: a run's part of the story has some 10,000."""

DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError)
"""What the standard library raises at a damaged entry of a zip, by how it is compressed."""

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def text_name(language: str, story: str) -> str:
    """Return the file name of a story's text, by its key.

    ``text_en_run1.txt`` of ``run-1``, ``text_en_story-wheels.txt`` of ``story-wheels``.
    """
    known = f"{RUN}{label(story)}" if story.startswith(f"{RUN}-") else story
    return f"text_{language}_{known}.txt"


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


def read_text_files(
    paths: Sequence[Path], language: str, stories: Sequence[str]
) -> dict[str, bytes]:
    """Read the texts of a language from files that have the names of :func:`text_name`.

    Returns
    -------
    dict
        File name (``text_en_run1.txt``) → content, in the order of the stories.

    Raises
    ------
    BadInput
        A text is missing, empty or not UTF-8.
    """
    by_name = {path.name: path for path in paths if path.is_file()}
    folder = paths[0].parent if paths else Path()
    names = [text_name(language, story) for story in stories]
    missing = [name for name in names if name not in by_name]
    if missing:
        raise BadInput(f"--texts: {folder} lacks {listed(missing)}; put the text of the run there")
    return {name: read_text(by_name[name]) for name in names}


def read_text(path: Path) -> bytes:
    """Read the text of one story.

    Raises
    ------
    BadInput
        It cannot be read, is empty or not UTF-8.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadInput(f"cannot read the text {path}: {error.strerror}") from error
    check_text(content, str(path))
    return content


def _members(archive: zipfile.ZipFile, names: Collection[str], where: str) -> dict[str, str]:
    """Return text's name → entry of the zip, at whatever depth; hidden entries do not count."""
    found: dict[str, str] = {}
    for entry in archive.namelist():
        name = entry.rpartition("/")[2]
        if name not in names or entry.startswith("__MACOSX/"):
            continue
        if name in found:
            raise BadInput(f"--texts: {where} has {name} twice; keep one")
        found[name] = entry
    missing = [name for name in names if name not in found]
    if missing:
        raise BadInput(f"--texts: {where} lacks {listed(missing)}; add the text to the zip")
    return {name: found[name] for name in names}


def texts_from(
    origins: Sequence[Path], language: str, password: str | None, stories: Sequence[str]
) -> dict[str, bytes]:
    """Read the texts of a language from a zip, a folder, or one file for each story.

    Returns and raises as :func:`read_text_zip` and :func:`read_text_files`.
    """
    if len(origins) == 1 and zipfile.is_zipfile(origins[0]):
        return read_text_zip(origins[0], language, password, stories)
    paths = list(origins)
    if len(origins) == 1 and origins[0].is_dir():
        paths = texts_of_folder(origins[0], language, stories)
    return read_text_files(paths, language, stories)


def read_text_zip(
    path: Path, language: str, password: str | None, stories: Sequence[str]
) -> dict[str, bytes]:
    """Read the texts of a language from a zip, in memory: nothing is unpacked to disk.

    Raises
    ------
    BadInput
        No zip, a missing text, a wrong or missing password, an unknown encryption, or a text that
        is empty or not UTF-8.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = [text_name(language, story) for story in stories]
            members = _members(archive, names, str(path))
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


def texts_of_folder(folder: Path, language: str, stories: Sequence[str]) -> list[Path]:
    """Return the paths that the texts have in a folder, in the order of the stories."""
    return [folder / text_name(language, story) for story in stories]


def read_texts(paths: Sequence[Path], language: str, stories: Sequence[str]) -> dict[str, str]:
    """Read the texts of all stories: UTF-8, every line end a line feed.

    Returns
    -------
    dict
        Key of the story → its text, in the order of the stories.

    Raises
    ------
    BadInput
        As :func:`read_text_files`.
    """
    found = read_text_files(paths, language, stories).values()
    return {story: decode_text(text) for story, text in zip(stories, found, strict=True)}
