"""Files of word vectors: written tensor by tensor or row by row, so that memory holds little."""

import json
import os
import struct
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np

from lateralization.arrays import Array, Single
from lateralization.files import writing

TYPES = {"float32": "F32", "float64": "F64"}


class FeaturesWriter:
    """Write a safetensors file whose tensors come one after the other.

    Parameters
    ----------
    path : Path
        The file appears under this name only when all tensors were written.
    shapes : dict
        Name → shape, in the order of writing.
    metadata : dict of str
    dtype : str
        ``float32`` or ``float64``.
    """

    def __init__(
        self,
        path: Path,
        shapes: Mapping[str, tuple[int, ...]],
        metadata: Mapping[str, str],
        dtype: str = "float32",
    ) -> None:
        self._path, self._shapes, self._dtype = path, dict(shapes), np.dtype(dtype)
        self._header, _ = _layout(shapes, metadata, self._dtype)
        self._next = iter(self._shapes)
        self._stack = ExitStack()
        self._file: BinaryIO

    def __enter__(self) -> "FeaturesWriter":
        temporary = self._stack.enter_context(writing(self._path))
        self._file = self._stack.enter_context(temporary.open("wb"))
        self._file.write(self._header)
        return self

    def write(self, name: str, values: Array) -> None:
        """Write the next tensor; names must come in the order of ``shapes``."""
        expected = next(self._next)
        if name != expected or values.shape != self._shapes[name]:
            raise ValueError(f"expected {expected} {self._shapes[expected]}, not {name}")
        self._file.write(np.ascontiguousarray(values, self._dtype).tobytes())

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None and next(self._next, None) is not None:
            kind, error = ValueError, ValueError("not all tensors were written")
            self._stack.__exit__(kind, error, trace)
            raise error
        self._stack.__exit__(kind, error, trace)


class FeaturesFile:
    """A safetensors file of float32 whose rows are written in any order, by several processes.

    Parameters
    ----------
    path : Path
        Made with :meth:`create`. It has its full size from the beginning: who uses it knows when
        all rows are there.
    """

    def __init__(self, path: Path) -> None:
        self._handle = os.open(path, os.O_RDWR)
        (length,) = struct.unpack("<Q", os.pread(self._handle, 8, 0))
        header = json.loads(os.pread(self._handle, length, 8))
        header.pop("__metadata__")
        self.shapes = {name: tuple(entry["shape"]) for name, entry in header.items()}
        self._places = {
            name: 8 + length + entry["data_offsets"][0] for name, entry in header.items()
        }

    @classmethod
    def create(
        cls, path: Path, shapes: Mapping[str, tuple[int, int]], metadata: Mapping[str, str]
    ) -> "FeaturesFile":
        """Lay the file out; harmless where another process does the same or has begun to write."""
        header, size = _layout(shapes, metadata, np.dtype(np.float32))
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            os.pwrite(handle, header, 0)
            os.ftruncate(handle, len(header) + size)
        finally:
            os.close(handle)
        return cls(path)

    def write(self, name: str, first: int, rows: Single) -> None:
        """Write neighbouring rows of a tensor, from row ``first`` on."""
        values = np.ascontiguousarray(rows, np.float32)
        n_rows, width = self.shapes[name]
        if values.shape[1] != width or first + len(values) > n_rows:
            raise ValueError(f"{name} {self.shapes[name]}: no rows {values.shape} at {first}")
        data = values.data.cast("B")
        place = self._places[name] + 4 * width * first
        while data:
            done = os.pwrite(self._handle, data, place)
            data, place = data[done:], place + done

    def close(self) -> None:
        """Let the file go."""
        os.close(self._handle)


def _layout(
    shapes: Mapping[str, tuple[int, ...]], metadata: Mapping[str, str], dtype: np.dtype[Any]
) -> tuple[bytes, int]:
    """Return what precedes the data (the places of all tensors), and the data's size."""
    header: dict[str, Any] = {"__metadata__": dict(metadata)}
    place = 0
    for name, shape in shapes.items():
        size = int(np.prod(shape)) * dtype.itemsize
        header[name] = {
            "dtype": TYPES[dtype.name],
            "shape": list(shape),
            "data_offsets": [place, place + size],
        }
        place += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text, place
