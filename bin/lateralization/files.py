"""Reading and writing the files between stages; nothing half-written is ever taken for whole."""

import csv
import hashlib
import io
import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from lateralization.arrays import Array, Floats
from lateralization.errors import BadInput

if TYPE_CHECKING:  # half a second of import that commands without tables do not pay
    import pandas as pd


METADATA = "metadata"


@contextmanager
def writing(path: Path | str) -> Iterator[Path]:
    """Give a temporary path beside ``path`` and rename it to ``path`` when the block succeeds.

    The temporary name keeps the suffixes of ``path``: writers that choose a format by
    suffix (nibabel, matplotlib) work unchanged.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".part-", suffix=f"-{target.name}", dir=target.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


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
        The file is missing or is no safetensors file.
    """
    try:
        with safe_open(str(path), framework="numpy") as handle:
            yield handle
    except (SafetensorError, FileNotFoundError) as error:
        raise BadInput(f"cannot read {path}: {error}") from error


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
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise BadInput(f"cannot read {path} as JSON: {error}") from error


def check_columns(content: bytes, separator: str, where: str, needed: Sequence[str]) -> None:
    """Refuse a table whose cells would be read as those of another column.

    pandas takes the first column for labels, and moves all others, when every row has one cell
    more than the header; of two columns of one name it takes the first.

    Raises
    ------
    BadInput
        No UTF-8, a row that is longer than the header, or a needed column twice.
    """
    try:
        rows = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), delimiter=separator)
        header = next(rows, [])
        for row in rows:
            if len(row) > len(header):
                raise BadInput(
                    f"{where}, line {rows.line_num}: {len(row)} cells and the header has "
                    f"{len(header)}; quote a cell that has a separator in it"
                )
    except UnicodeDecodeError as error:
        raise BadInput(f"{where} is not UTF-8 (byte {error.start}); save it as UTF-8") from None
    except csv.Error as error:
        raise BadInput(f"{where} cannot be read as a table ({error}); save it again") from error
    twice = [name for name in needed if header.count(name) > 1]
    if twice:
        raise BadInput(f"{where} has two columns {twice[0]}; keep one")


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


def md5_of(path: Path) -> str:
    """Return the md5 of a file, as OpenNeuro's manifest states it."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
