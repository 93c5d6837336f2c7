"""Files of word vectors: written tensor by tensor, so that memory holds one at a time."""

import json
import struct
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open

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
        self._header = self._make_header(metadata)
        self._next = iter(self._shapes)
        self._stack = ExitStack()
        self._file: BinaryIO

    def _make_header(self, metadata: Mapping[str, str]) -> bytes:
        """Lay out the file: safetensors gives type, shape and place of every tensor up front."""
        header: dict[str, Any] = {"__metadata__": dict(metadata)}
        place = 0
        for name, shape in self._shapes.items():
            size = int(np.prod(shape)) * self._dtype.itemsize
            header[name] = {
                "dtype": TYPES[self._dtype.name],
                "shape": list(shape),
                "data_offsets": [place, place + size],
            }
            place += size
        text = json.dumps(header).encode()
        return text + b" " * (-len(text) % 8)

    def __enter__(self) -> "FeaturesWriter":
        temporary = self._stack.enter_context(writing(self._path))
        self._file = self._stack.enter_context(temporary.open("wb"))
        self._file.write(struct.pack("<Q", len(self._header)) + self._header)
        return self

    def write(self, name: str, values: NDArray[Any]) -> None:
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


class PartReader:
    """Read segment sums of one run and layer from the part files of all batches."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._parts = []
        for path in paths:
            with safe_open(path, framework="numpy") as handle:
                segments = handle.get_tensor("segments")
                names = [name for name in handle.keys() if name.startswith("layer-")]
                self._widths = [
                    handle.get_slice(f"layer-{layer}").get_shape()[1] for layer in range(len(names))
                ]
            self._parts.append((path, segments))

    @property
    def widths(self) -> list[int]:
        """Width of each layer."""
        return list(self._widths)

    def read(self, run: int, layer: int, n_segments: int) -> NDArray[np.float32]:
        """Return the sums of a run's segments, shape (n_segments, width).

        Raises
        ------
        RuntimeError
            A segment is in no part file: a rank did not finish.
        """
        sums = np.empty((n_segments, self._widths[layer]), np.float32)
        seen = np.zeros(n_segments, bool)
        for path, segments in self._parts:
            here = segments[:, 0] == run
            if here.any():
                with safe_open(path, framework="numpy") as handle:
                    sums[segments[here, 1]] = handle.get_tensor(f"layer-{layer}")[here]
                seen[segments[here, 1]] = True
        if not seen.all():
            raise RuntimeError(f"run {run}: {int((~seen).sum())} stretches of words are missing")
        return sums
