"""Arrays in the study's published form (joblib), read without running anything that they hold.

A joblib file is a pickle, and a pickle may call any function. Here the pickle's beginning, which
only describes the array, is read by an unpickler that knows three names and maps each to a plain
record of ours; every other name is refused. The numbers behind it are read as bytes.
"""

import io
import math
import pickle
import pickletools
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lateralization.arrays import Array
from lateralization.errors import BadInput

HEAD = 4096
"""Bytes in which the description of one array must end; joblib needs about 250."""

LARGEST = 8 << 30
"""Most bytes that an array may have: a damaged description must not ask for all memory."""

COMPRESSED = (b"\x1f\x8b", b"\x78")
"""First bytes of gzip and of zlib, which joblib both calls .gz."""

_EITHER = 47  # zlib's window for a gzip or a zlib stream, whichever it is


class _Refused(Exception):
    """The pickle names something that is no part of an array's description."""


class _Record:
    """Takes whatever the pickle says of an object, and does nothing with it."""

    def __init__(self, *arguments: Any) -> None:
        self.arguments = arguments
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _Wrapper(_Record):
    """In place of joblib's wrapper: shape, order and type of the array that follows."""


class _Type(_Record):
    """In place of numpy's dtype."""


class _Array(_Record):
    """In place of numpy's array class."""


KNOWN = {
    ("joblib.numpy_pickle", "NumpyArrayWrapper"): _Wrapper,
    ("numpy", "dtype"): _Type,
    ("numpy", "ndarray"): _Array,
}


class _Unpickler(pickle.Unpickler):
    """Builds the records above and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        """Give a record for a known name."""
        try:
            return KNOWN[module, name]
        except KeyError:
            raise _Refused(f"it names {module}.{name}") from None


@dataclass(frozen=True)
class _Described:
    """What a file says of its array, and where the numbers begin."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    order: str
    start: int


def read_joblib_array(path: Path) -> Array:
    """Read the one array of real numbers that a joblib file holds.

    Parameters
    ----------
    path
        Written by ``joblib.dump``: plain, or compressed with zlib or gzip.

    Returns
    -------
    array
        In the file's shape and type, in the machine's byte order.

    Raises
    ------
    BadInput
        Missing, cut off, damaged, or anything else than one array of numbers.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadInput(f"cannot read {path}: {error.strerror}") from error
    try:
        return _array(content)
    except _Refused as error:
        raise BadInput(
            f"{path} is no plain array of numbers in joblib's form ({error}); give the study's "
            "file, or a NIfTI (.nii.gz)"
        ) from error
    except zlib.error as error:
        raise BadInput(f"{path} is damaged ({error}); fetch or copy it again") from error


def _array(content: bytes) -> Array:
    """Read an array from a file's bytes."""
    unpack = zlib.decompressobj(_EITHER)
    packed = content.startswith(COMPRESSED)
    head = unpack.decompress(content, HEAD) if packed else content[:HEAD]
    described = _describe(head)
    n_bytes = math.prod(described.shape) * described.dtype.itemsize
    end = described.start + n_bytes + 1  # and the pickle's last byte
    if packed:
        rest = max(end - len(head), 0) + 1
        body = head + unpack.decompress(unpack.unconsumed_tail, rest)
        whole = unpack.eof
    else:
        body, whole = content, True
    if len(body) < end or not whole:
        raise _Refused(f"{len(body)} of its {end} bytes are there, or more follow")
    if len(body) > end or body[end - 1 : end] != pickle.STOP:
        raise _Refused("something follows the array")
    flat = np.frombuffer(body, described.dtype, math.prod(described.shape), described.start)
    array = flat.reshape(described.shape, order="F" if described.order == "F" else "C")
    return array.astype(described.dtype.newbyteorder("="))


def _describe(head: bytes) -> _Described:
    """Find the end of the description, and read it.

    It sets the state of two objects, the array's type and then the wrapper: the second ends it.
    """
    try:
        operations = pickletools.genops(io.BytesIO(head))
        builds = (place for opcode, _, place in operations if opcode.name == "BUILD")
        next(builds)
        start = int(next(builds) or 0) + 1
        found = _Unpickler(io.BytesIO(head[:start] + pickle.STOP)).load()
        if isinstance(found, _Wrapper):
            return _checked(found.state, head, start)
    except _Refused:
        raise
    except Exception as error:  # a pickle may be wrong in as many ways as there are opcodes
        raise _Refused(f"its beginning is no description of an array: {error}") from error
    raise _Refused("its beginning is no description of an array")


def _checked(state: dict[str, Any], head: bytes, start: int) -> _Described:
    """Check a description and step over the padding behind it."""
    shape, kind, order = state["shape"], state["dtype"], state["order"]
    if not isinstance(state["subclass"], type) or not issubclass(state["subclass"], _Array):
        raise _Refused("it holds another kind of array")
    if not all(isinstance(n, int) and n >= 0 for n in shape) or order not in ("C", "F"):
        raise _Refused(f"shape {shape}, order {order}")
    if not isinstance(kind, _Type) or not isinstance(kind.arguments[0], str):
        raise _Refused("its type is unknown")
    byte_order: Any = kind.state[1] if kind.state else "|"
    dtype = np.dtype(kind.arguments[0]).newbyteorder(byte_order)
    if dtype.kind not in "fiu":
        raise _Refused(f"it holds {dtype.name}, not real numbers")
    if math.prod(shape) * dtype.itemsize > LARGEST:
        raise _Refused(f"shape {shape} is too large")
    if state.get("numpy_array_alignment_bytes") is not None:  # written by joblib 1.2 and later
        start += 1 + head[start]
    return _Described(tuple(shape), dtype, order, start)


def is_nifti(path: Path) -> bool:
    """Tell a NIfTI from the study's joblib form by its name; the study calls both .gz."""
    return path.name.lower().endswith((".nii", ".nii.gz"))


def check_array(path: Path, n_voxels: int | None) -> Array:
    """Read an array in the study's form, (scans or trials, voxels of the mask).

    Raises
    ------
    BadInput
        Another number of dimensions or of voxels.
    """
    array = read_joblib_array(path)
    if array.ndim != 2 or 0 in array.shape:
        raise BadInput(f"{path} has shape {array.shape}; (scans or trials, voxels) is needed")
    if n_voxels not in (None, array.shape[1]):
        raise BadInput(
            f"{path} has {array.shape[1]} voxels and the mask {n_voxels}; give the mask that "
            "belongs to it"
        )
    return array
