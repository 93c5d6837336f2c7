"""The file of a model's word vectors, written row by row so that memory holds little.

A module of its own because it knows bytes and no words, which are those of ``word_vectors``.
"""

import json
import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lateralization.arrays import Single


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
        header, size = _layout(shapes, metadata)
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
    shapes: Mapping[str, tuple[int, int]], metadata: Mapping[str, str]
) -> tuple[bytes, int]:
    """Return what precedes the data (the places of all tensors), and the data's size."""
    header: dict[str, Any] = {"__metadata__": dict(metadata)}
    place = 0
    for name, (n_rows, width) in shapes.items():
        end = place + 4 * n_rows * width
        header[name] = {
            "dtype": "F32",
            "shape": [n_rows, width],
            "data_offsets": [place, end],
        }
        place = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text, place
