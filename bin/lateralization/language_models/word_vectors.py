"""Word vectors from sums over tokens, each written to its place in the file once it is whole.

A batch has all tokens of nearly all of its words: those go straight to the features file. What is
left of words that lie in several batches goes to part files and is put together at the end. So the
order of adding depends neither on the batches nor on the number of ranks.
"""

import json
import os
import struct
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from lateralization.arrays import Array, Booleans, Integers, Single
from lateralization.errors import BadInput
from lateralization.files import open_tensors, save_tensors
from lateralization.language_models.batches import RunTokens
from lateralization.runs import shown
from lateralization.words.windows import Pieces

VECTORS = "vectors.safetensors"
"""The features file while it is filled, in the folder of the part files."""


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


class Collector:
    """Take the sums of batches; one per process.

    Parameters
    ----------
    runs : sequence of Run
    parts : Path
        Folder that the processes share.
    metadata : dict of str
        Goes into the header of the features file.
    """

    def __init__(self, runs: Sequence[RunTokens], parts: Path, metadata: Mapping[str, str]) -> None:
        self._runs, self._parts, self._metadata = runs, parts, dict(metadata)
        self._file: FeaturesFile | None = None

    def put(self, number: int, tensors: Mapping[str, Array]) -> None:
        """Write the whole words of batch ``number``; keep the rest in a part file.

        Parameters
        ----------
        number : int
        tensors : dict of arrays
            ``segments`` (n, 2): run, and segment of the run; ``layer-<k>`` (n, width) float32, sums
            over the tokens of each segment; perhaps ``surprisal`` (n,).
        """
        segments = tensors["segments"]
        names = [name for name in tensors if name.startswith("layer-")]
        layers = [tensors[f"layer-{layer}"] for layer in range(len(names))]
        self._file = self._file or self._create([layer.shape[1] for layer in layers])
        rest = np.ones(len(segments), bool)
        for run in self._runs:
            rows = np.flatnonzero(segments[:, 0] == run.number)
            rows = rows[np.argsort(segments[rows, 1], kind="stable")]
            rows = rows[_whole(run, segments[rows, 1])]
            rest[rows] = False
            _write(self._file, run, segments[rows, 1], [sums[rows] for sums in layers])
        kept = {"segments": segments, "rest": np.flatnonzero(rest)}
        kept["filled"] = np.array([layer.any() for layer in layers])
        if "surprisal" in tensors:
            kept["surprisal"] = tensors["surprisal"]
        if rest.any():
            kept |= {f"layer-{layer}": sums[rest] for layer, sums in enumerate(layers)}
        save_tensors(self._parts / f"part-{number}.safetensors", kept)

    def close(self) -> None:
        """Let the file go."""
        if self._file:
            self._file.close()

    def _create(self, widths: Sequence[int]) -> FeaturesFile:
        """Lay out the features file for layers of these widths."""
        shapes = {
            f"{run.key}/layer-{layer}": (run.n_words, width)
            for run in self._runs
            for layer, width in enumerate(widths)
        }
        metadata = self._metadata | {"n_layers": str(len(widths) - 1)}
        return FeaturesFile.create(self._parts / VECTORS, shapes, metadata)


def merge(runs: Sequence[RunTokens], parts: Path, out: Path) -> list[int]:
    """Put the words together that lie in several batches, and give the file its name.

    Returns
    -------
    list of int
        Width of each layer.

    Raises
    ------
    BadInput
        A layer is zero everywhere.
    RuntimeError
        A stretch of a word is in no part: a rank did not finish.
    """
    with ExitStack() as stack:
        paths = sorted(parts.glob("part-*.safetensors"))
        handles = [stack.enter_context(open_tensors(path)) for path in paths]
        filled = np.logical_or.reduce([handle.get_tensor("filled") for handle in handles])
        if not filled.all():
            raise BadInput(
                f"layer {int((~filled).argmax())} is zero for every word; check the checkpoint"
            )
        features = FeaturesFile(parts / VECTORS)
        stack.callback(features.close)
        for run in runs:
            _complete(features, run, handles, len(filled))
        widths = [features.shapes[f"{runs[0].key}/layer-{k}"][1] for k in range(len(filled))]
    os.replace(parts / VECTORS, out)
    return widths


def _complete(
    features: FeaturesFile, run: RunTokens, handles: Sequence[Any], n_layers: int
) -> None:
    """Write a run's words that lie in several batches."""
    seen = np.zeros(len(run.segments), bool)
    found, places = [], []
    for handle in handles:
        segments = handle.get_tensor("segments")
        seen[segments[segments[:, 0] == run.number, 1]] = True
        rest = segments[handle.get_tensor("rest")]
        here = np.flatnonzero(rest[:, 0] == run.number)
        if len(here):
            found.append((handle, here))
            places.append(rest[here, 1])
    if not seen.all():
        raise RuntimeError(f"{shown(run.key)}: {int((~seen).sum())} stretches of words are missing")
    if not found:
        return
    numbers = np.concatenate(places)
    order = np.argsort(numbers, kind="stable")
    for layer in range(n_layers):
        name = f"layer-{layer}"
        sums = np.concatenate([handle.get_tensor(name)[here] for handle, here in found])
        _write_layer(features, f"{run.key}/{name}", run, numbers[order], sums[order])


def _whole(run: RunTokens, numbers: Integers) -> Booleans:
    """Tell of segments of a run which belong to words that have no other segments."""
    owners = run.pieces.table[run.segments[:, 0], 0]
    all_of = np.bincount(owners, minlength=run.n_words)
    here = np.bincount(owners[numbers], minlength=run.n_words)
    return np.asarray((here == all_of)[owners[numbers]])


def _write(
    features: FeaturesFile, run: RunTokens, numbers: Integers, layers: Sequence[Single]
) -> None:
    """Write whole words of a run, all layers; segments are given in ascending order."""
    if len(numbers):
        for layer, sums in enumerate(layers):
            _write_layer(features, f"{run.key}/layer-{layer}", run, numbers, sums)


def _write_layer(
    features: FeaturesFile, name: str, run: RunTokens, numbers: Integers, sums: Single
) -> None:
    """Write whole words of a run in one layer, neighbours at once."""
    segments = run.segments[numbers]
    words = np.unique(run.pieces.table[segments[:, 0], 0])
    vectors = word_means(sums, segments, run.pieces)
    borders = [0, *(np.flatnonzero(np.diff(words) != 1) + 1).tolist(), len(words)]
    for start, stop in pairwise(borders):
        features.write(name, int(words[start]), vectors[start:stop])


def word_means(sums: Single, segments: Integers, pieces: Pieces) -> Single:
    """Average the sums over segments to words.

    Parameters
    ----------
    sums : array of shape (n_segments, width)
        Sums over the tokens of each segment.
    segments : array of shape (n_segments, 4)
        Piece, window, first position, end position, of whole words; sorted by piece.
    pieces : Pieces

    Returns
    -------
    array of shape (n_words, width), float32
        Mean over the word's pieces of the means over their tokens, for each word that is there.
    """
    owners = pieces.table[segments[:, 0], 0]
    starts = np.flatnonzero(np.diff(owners, prepend=-1))
    counts = np.diff(starts, append=len(owners))
    lengths = (segments[:, 3] - segments[:, 2]).astype(np.float32)
    # Of a word in one stretch this is all; rounded once, so equal to a quotient in float64.
    means = sums[starts] / lengths[starts, None]
    several = counts > 1
    if several.any():
        rows = np.repeat(several, counts)
        means[several] = _means_of_stretches(sums[rows], segments[rows], pieces)
    return means


def _means_of_stretches(sums: Single, segments: Integers, pieces: Pieces) -> Single:
    """Average words of several stretches, in float64."""
    firsts = np.flatnonzero(np.diff(segments[:, 0], prepend=-1))
    counts = np.add.reduceat(segments[:, 3] - segments[:, 2], firsts)
    means = np.add.reduceat(sums.astype(np.float64), firsts, axis=0) / counts[:, None]
    words = pieces.table[segments[firsts, 0], 0]
    starts = np.flatnonzero(np.diff(words, prepend=-1))
    per_word = np.diff(starts, append=len(words))
    return (np.add.reduceat(means, starts, axis=0) / per_word[:, None]).astype(np.float32)
