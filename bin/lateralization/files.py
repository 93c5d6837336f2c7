"""Reading and writing the files between stages; nothing half-written is ever taken for whole."""

import csv
import hashlib
import io
import json
import os
import re
import shutil
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from lateralization.arrays import Array, Floats
from lateralization.command import say
from lateralization.disk import disk_problem
from lateralization.errors import BadInput, one_line

if TYPE_CHECKING:  # half a second of import that commands without tables do not pay
    import pandas as pd


METADATA = "metadata"

GIT_BLOB = "git blob"
"""The checksum by which git knows a file: sha1 over a word, the file's length and its content."""

FORMATS = ("BOOL", *(f"{kind}{bits}" for kind in "IU" for bits in (8, 16, 32, 64)), "F16", "F32",
           "F64")  # fmt: skip
"""Types of the numbers in a safetensors file that are read."""

LFS_POINTER = b"version https://git-lfs.github.com/spec/"
"""How the text begins that Git leaves in place of a large file that was not fetched."""

IS_POINTER = (
    "is a Git LFS pointer, not the file itself; run `git lfs pull` in its repository, or copy the "
    "file again"
)
"""What is wrong with such a file; goes on after its name."""


@contextmanager
def writing(path: Path | str) -> Iterator[Path]:
    """Give a temporary path beside ``path`` and rename it to ``path`` when the block succeeds.

    The temporary name keeps the suffixes of ``path``: writers that choose a format by
    suffix (nibabel, matplotlib) work unchanged.

    Raises
    ------
    BadInput
        The disk is full, read-only or closed to the user.
    """
    target = Path(path)
    try:
        with _temporary(target) as temporary:
            yield temporary
            temporary.chmod(0o644)
            os.replace(temporary, target)
    except Exception as error:
        problem = None if isinstance(error, BadInput) else disk_problem(error, target)
        if problem:
            raise BadInput(problem) from error
        raise


@contextmanager
def _temporary(target: Path) -> Iterator[Path]:
    """Give a new file beside ``target`` that is gone when the block ends."""
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".part-", suffix=f"-{target.name}", dir=target.parent)
    os.close(handle)
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def is_lfs_pointer(path: Path) -> bool:
    """Return whether a file is the pointer that Git LFS leaves in place of a large file."""
    try:
        with path.open("rb") as handle:
            return handle.read(len(LFS_POINTER)) == LFS_POINTER
    except OSError:
        return False


def check_fetched(path: Path | str) -> None:
    """Refuse the pointer that Git LFS leaves in place of a large file.

    Raises
    ------
    BadInput
    """
    if is_lfs_pointer(Path(path)):
        raise BadInput(f"{path} {IS_POINTER}")


def save_tensors(
    path: Path | str, tensors: Mapping[str, Array], metadata: Mapping[str, str] | None = None
) -> None:
    """Write named arrays to a safetensors file, atomically.

    The metadata go into one JSON text: the library writes several keys in random order, and then
    equal content has unequal bytes, which resuming takes for a change.
    """
    contiguous = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    with writing(path) as temporary:
        save_file(
            contiguous, temporary, {METADATA: json.dumps(dict(metadata or {}), sort_keys=True)}
        )


@contextmanager
def open_tensors(path: Path | str) -> Iterator[Any]:
    """Open a safetensors file for reading tensor by tensor.

    Raises
    ------
    BadInput
        The file is missing, is no safetensors file, or has numbers of a type that is not in
        ``FORMATS`` (bfloat16, float8).
    """
    check_fetched(path)
    if Path(path).is_dir():
        raise BadInput(f"cannot read {path}: it is a folder; give a safetensors file")
    try:
        opened = safe_open(str(path), framework="numpy")
    except (SafetensorError, OSError) as error:
        raise BadInput(f"cannot read {path}: {error}") from error
    with opened as handle:
        _check_formats(handle, path)
        try:
            yield handle
        except SafetensorError as error:
            raise BadInput(f"cannot read {path}: {error}") from error


def _check_formats(handle: Any, path: Path | str) -> None:
    """Refuse a safetensors file with numbers of other types than ``FORMATS``: NumPy lacks most."""
    for name in handle.keys():
        kind = handle.get_slice(name).get_dtype()
        if kind not in FORMATS:
            raise BadInput(
                f"cannot read {path}: its tensor {name!r} is of type {kind}, which is not "
                "supported; save it as float32 (F32)"
            )


def tensor_names(path: Path | str) -> list[str]:
    """Return the names of the tensors in a safetensors file."""
    with open_tensors(path) as handle:
        return list(handle.keys())


def read_tensor(path: Path | str, name: str) -> Array:
    """Read one tensor of a safetensors file."""
    with open_tensors(path) as handle:
        array: Array = handle.get_tensor(name)
        return array


class Rows(Sequence[Array]):
    """A tensor of a safetensors file, read along its first axis, one entry at a time.

    The file is mapped for the time of one entry only, so that a process holds no more than that.

    Raises
    ------
    BadInput
        The file is damaged or has no such tensor.
    """

    def __init__(self, path: Path | str, name: str) -> None:
        self.path, self.name = path, name
        with open_tensors(path) as handle:
            self.shape = tuple(handle.get_slice(name).get_shape())

    def __len__(self) -> int:
        """Count the entries."""
        return int(self.shape[0])

    def __getitem__(self, index: Any) -> Any:
        """Read one entry; IndexError beyond the last, so that a loop over the entries ends."""
        place = range(len(self))[index]
        with open_tensors(self.path) as handle:
            return handle.get_slice(self.name)[place : place + 1][0]


def read_tensors(path: Path | str) -> dict[str, Array]:
    """Read all tensors of a safetensors file into memory."""
    with open_tensors(path) as handle:
        return {name: handle.get_tensor(name) for name in handle.keys()}


def read_metadata(path: Path | str) -> dict[str, str]:
    """Read the metadata of a safetensors file."""
    with open_tensors(path) as handle:
        stored = dict(handle.metadata() or {})
    described: dict[str, str] = json.loads(stored.pop(METADATA, "{}"))
    return stored | described


def write_json(value: Any, path: Path | str) -> None:
    """Write ``value`` as indented JSON, atomically; NaN becomes null, as JSON has no NaN."""
    text = json.dumps(_without_nan(value), indent=1, ensure_ascii=False, allow_nan=False)
    with writing(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def _without_nan(value: Any) -> Any:
    """Replace NumPy scalars by Python numbers and non-finite numbers by None, recursively."""
    if isinstance(value, Mapping):
        return {str(key): _without_nan(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return _without_nan(value.tolist())
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value


def read_json(path: Path | str) -> Any:
    """Read a JSON file.

    Raises
    ------
    BadInput
        The file is missing or is not JSON.
    """
    check_fetched(path)
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise BadInput(f"cannot read {path} as JSON: {error}") from error


SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}

OTHER_NOTATION = re.compile(
    r"(?=.*\d)[+\-−]?(\d*(\.\d{3})*,\d*|\d{1,3}(\.\d{3}){2,}|\d{1,3}([,'’_\s]\d{3})+([.,]\d*)?|\d+(_\d+)+"
    r"|\d+([.,]\d*)?\s?%)(e[+\-−]?\d+)?|−\d+([.,]\d*)?(e[+\-−]?\d+)?",
    re.IGNORECASE,
)
"""A number as it is not read: 0,5 or 1.234,5 or 1 234 or 1,234.5 or 50 % or −1 (with U+2212)."""

LINE_END = re.compile(r"\r\n?|\n")

EXCEL_LINE = re.compile(r'"?sep=(.|\\t)"?[ ,;\t]*[\r\n]', re.IGNORECASE)
"""A first line that gives Excel the separator."""

CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
"""Control characters that no table has, unless it is damaged or UTF-16."""


def decode_table(content: bytes, where: str) -> str:
    """Decode a table that a user gave.

    Raises
    ------
    BadInput
        Not UTF-8 (a byte-order mark is allowed), with control characters or with Excel's first line
        ``sep=,``; or a pointer of Git LFS.
    """
    if content.startswith(LFS_POINTER):
        raise BadInput(f"{where} {IS_POINTER}")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        found = "UTF-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "not UTF-8"
        raise BadInput(
            f"{where} is {found} (byte {error.start}); save it as CSV or TSV in UTF-8"
        ) from None
    if control := CONTROL.search(text):
        line = 1 + len(LINE_END.findall(text[: control.start()]))
        raise BadInput(
            f"{where}, line {line} has a control character (U+{ord(control[0]):04X}): the file is "
            "damaged, or not UTF-8; save it again as UTF-8"
        )
    if first := EXCEL_LINE.match(text):
        raise BadInput(
            f"{where} begins with the line {first[0].strip()!r}, which only Excel reads; remove it"
        )
    if text and text[-1] not in "\r\n":
        say(f"{where} ends without a line end: if the file was cut short, so is its last cell")
    return text


def other_separator(text: str, separator: str, needed: Collection[str]) -> str:
    """Describe the separator that a table has in place of the right one; empty if it is right.

    It is another one if the right one finds a single column, or not those that are needed, and the
    other does better.
    """
    header = _header(text, separator)
    lacking = bool(needed) and not set(needed) <= set(header)
    for other, name in SEPARATORS.items():
        cells = _header(text, other)
        better = len(header) == 1 or (lacking and set(needed) <= set(cells))
        if other != separator and len(cells) > 1 and better:
            right = SEPARATORS[separator]
            return (
                f"has {name} between its columns where {right} are needed; save it with {right} "
                "between them, and with decimal points in numbers"
            )
    return ""


def _header(text: str, separator: str) -> list[str]:
    """Return the cells of the first line that has some."""
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    return [cell.strip() for cell in next((row for row in rows if any(row)), [])]


def check_columns(
    content: bytes, separator: str, where: str, needed: Collection[str], *, quoting: bool = True
) -> list[str]:
    """Refuse a table whose cells would be read as those of another column or row.

    pandas takes the first column for labels, and moves all others, when every row has one cell
    more than the header; of two columns of one name it takes the first; what a row lacks it fills
    in as missing. A stray quotation mark joins lines to one cell; a cell of several lines is taken
    for that, unless its column is not needed and it holds less than whole rows.

    Parameters
    ----------
    content, separator
        The file, and what stands between its columns.
    where
        Name of the file, for messages.
    needed
        Columns that are read, and must not be there twice; none: all of them.
    quoting
        Whether cells may be in quotation marks.

    Returns
    -------
    list of str
        The header.

    Raises
    ------
    BadInput
        Not UTF-8, another separator, a row that is longer or shorter than the header, a quotation
        mark without a second one, or a column twice.
    """
    text = decode_table(content, where)
    try:
        if other := other_separator(text, separator, needed):
            raise BadInput(f"{where} {other}")
        rows = csv.reader(
            io.StringIO(text, newline=""),
            delimiter=separator,
            quoting=csv.QUOTE_MINIMAL if quoting else csv.QUOTE_NONE,
        )
        header = next((row for row in rows if row), [])
        used = [not needed or name in needed for name in header]
        for row in rows:
            place = f"{where}, line {rows.line_num}"
            _check_row(row, header, place)
            _check_lines(row, used, separator, place)
    except csv.Error as error:
        raise BadInput(f"{where} cannot be read as a table ({error}); save it again") from error
    if quoting and '"' in text:
        _check_quotes(text, separator, where)
    twice = [name for name in needed or header if header.count(name) > 1]
    if twice:
        raise BadInput(f"{where} has two columns {twice[0]!r}; keep one")
    return header


def _check_row(row: Sequence[str], header: Sequence[str], where: str) -> None:
    """Refuse a row that has not the cells of the header; an empty line is passed over."""
    if not row or (len(row) == 1 and not row[0].strip(" \t")):
        return
    if len(row) > len(header):
        raise BadInput(
            f"{where}: {len(row)} cells and the header has {len(header)}; quote a cell that has a "
            "separator in it, and write numbers with a decimal point"
        )
    if len(row) < len(header):
        raise BadInput(
            f"{where}: {len(row)} cells and the header has {len(header)}; complete the row "
            "(or remove a quotation mark that has no second one)"
        )


def _check_lines(row: Sequence[str], used: Sequence[bool], separator: str, where: str) -> None:
    """Refuse a cell of several lines that is used, or holds as many separators as so many rows.

    Two stray quotation marks, one before and one after a cell, make one cell of all between them.
    """
    for cell, is_used in zip(row, used, strict=False):
        lines = [line for line in LINE_END.split(cell) if line.strip()]
        of_rows = max(len(lines) - 1, 1) * (len(used) - 1)
        if LINE_END.search(cell) and (is_used or cell.count(separator) >= of_rows):
            raise BadInput(
                f"{where}: a cell has a line end in it; remove it, or a quotation mark that has no "
                "second one"
            )


def _check_quotes(text: str, separator: str, where: str) -> None:
    """Refuse a cell that begins with a quotation mark and does not end with its second one."""
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    begins = 1
    try:
        for _ in rows:
            begins = rows.line_num + 1
    except csv.Error as error:
        raise BadInput(
            f"{where}, line {begins}: a cell begins with a quotation mark and does not end with "
            f"one ({error}); remove the mark, or put the cell in quotation marks and double those "
            "in it"
        ) from error


def read_text_table(
    path: Path,
    needed: Collection[str],
    where: str = "",
    *,
    separator: str = "",
    strict: bool = True,
) -> "pd.DataFrame":
    """Read a table that a user gave; every cell is text.

    Parameters
    ----------
    path
        The file.
    needed
        Columns that are read (see :func:`check_columns`); that they are there is not checked.
    where
        Name of the file, for messages; its path where none is given.
    separator
        What stands between the columns; without it a tab in ``.tsv``, a comma in other files.
    strict
        Whether :func:`check_columns` comes first.

    Returns
    -------
    DataFrame
        An empty cell is an empty text; an empty file has no columns.

    Raises
    ------
    BadInput
        The file cannot be read as a table; the line is named where there is one.
    """
    import pandas as pd

    where = where or str(path)
    separator = separator or ("\t" if path.suffix == ".tsv" else ",")
    try:
        content = path.read_bytes()
        if strict:
            check_columns(content, separator, where, needed)
        return pd.read_csv(
            io.BytesIO(content), sep=separator, dtype=str, keep_default_na=False,
            encoding="utf-8-sig",
        )  # fmt: skip
    except pd.errors.EmptyDataError:
        return pd.DataFrame()
    except (OSError, ValueError) as error:
        raise BadInput(f"cannot read {where} as a table ({one_line(error)})") from error


def write_table(table: "pd.DataFrame", path: Path | str) -> None:
    """Write a table as TSV, atomically; an empty cell is a missing value."""
    with writing(path) as temporary:
        table.to_csv(temporary, sep="\t", index=False, lineterminator="\n")


def read_table(path: Path | str, text_columns: tuple[str, ...] = ()) -> "pd.DataFrame":
    """Read a TSV; only an empty cell is missing, and in ``text_columns`` it is an empty text.

    The word "null" or "NA" of a story must stay a word.
    """
    import pandas as pd

    converters: dict[Any, Any] = dict.fromkeys(text_columns, str)
    table = pd.read_csv(
        path, sep="\t", keep_default_na=False, na_values=[""], converters=converters, quoting=0
    )
    for name in table.columns.intersection(list(text_columns)):
        # a converter's empty text counts as missing, too
        table[name] = table[name].astype(object).where(table[name].notna(), "")
    return table


def numbers(cells: "pd.Series[Any]") -> Floats:
    """Return a column's cells, (n_rows,), as float64; NaN for what is no number."""
    import pandas as pd

    try:
        values = pd.to_numeric(cells, errors="coerce")
    except OverflowError:  # a whole number that no float holds: as text it is infinite
        values = pd.to_numeric(cells.astype(str), errors="coerce")
    return values.to_numpy(np.float64)


def measured(cells: "pd.Series[Any]", where: str) -> Floats:
    """Return a column of measures, (n_rows,), as float64; NaN for what has no value.

    Raises
    ------
    BadInput
        A cell is a number in another notation (0,5 or 1 234): it has a value, not that of a float.
    """
    values = numbers(cells)
    for place in np.flatnonzero(np.isnan(values)):
        cell = str(cells.iloc[int(place)])
        if OTHER_NOTATION.fullmatch(cell.strip()):
            raise BadInput(
                f"{where}, line {int(place) + 2}: {cells.name} is {cell!r}; write numbers with a "
                "decimal point and without separators of thousands"
            )
    return values


def hasher(algorithm: str) -> "hashlib._Hash":
    """Return a new checksum; none of them is used for security."""
    return hashlib.new("sha1" if algorithm == GIT_BLOB else algorithm, usedforsecurity=False)


def digest_of(path: Path, algorithm: str) -> str:
    """Return the checksum of a file (``md5``, ``sha256`` or ``git blob``), in hex."""
    digest = hasher(algorithm)
    if algorithm == GIT_BLOB:
        digest.update(f"blob {path.stat().st_size}\0".encode())
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, lambda: digest).hexdigest()


def link_or_copy(source: Path, target: Path) -> None:
    """Put a file at ``target`` in place of what is there: a hard link, or a whole copy.

    A symbolic link would end outside of what a container sees; a hard link cannot be made to
    another file system or, on some systems, to a file of another user.
    """
    target.unlink(missing_ok=True)
    try:
        os.link(source.resolve(), target)
    except OSError:
        copy_file(source, target)


def copy_file(source: Path, target: Path) -> None:
    """Copy a file; what has the final name is whole."""
    with writing(target) as temporary:
        shutil.copyfile(source, temporary)
