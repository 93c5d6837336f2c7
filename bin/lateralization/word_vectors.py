"""Word vectors from the sums that ranks left, one run and layer at a time.

The order of adding depends neither on the batches nor on the number of ranks.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lateralization.batches import Run
from lateralization.command import progress
from lateralization.errors import BadInput
from lateralization.features import FeaturesWriter, PartReader
from lateralization.windows import Integers, Pieces

Floats = NDArray[np.float32]


def merge(
    runs: Sequence[Run], parts: Path, out: Path, metadata: Mapping[str, str] | None = None
) -> list[int]:
    """Make word vectors from the part files and write the features file, atomically.

    Returns
    -------
    list of int
        Width of each layer.

    Raises
    ------
    BadInput
        A layer is zero everywhere.
    """
    reader = PartReader(sorted(parts.glob("part-*.safetensors")))
    widths = reader.widths
    info = dict(metadata or {}) | {"n_layers": str(len(widths) - 1)}
    shapes = {
        f"run-{run.number}/layer-{layer}": (run.n_words, width)
        for run in runs
        for layer, width in enumerate(widths)
    }
    filled = np.zeros(len(widths), bool)
    with FeaturesWriter(out, shapes, info) as writer:
        for run in progress(runs, "word vectors"):
            for layer in range(len(widths)):
                sums = reader.read(run.number, layer, len(run.segments))
                vectors = word_means(sums, run.segments, run.pieces)
                filled[layer] |= bool(vectors.any())
                writer.write(f"run-{run.number}/layer-{layer}", vectors)
        if not filled.all():
            raise BadInput(
                f"layer {int((~filled).argmax())} is zero for every word; check the checkpoint"
            )
    return widths


def word_means(sums: Floats, segments: Integers, pieces: Pieces) -> Floats:
    """Average the sums over segments to words.

    Parameters
    ----------
    sums : array of shape (n_segments, width)
        Sums over the tokens of each segment.
    segments : array of shape (n_segments, 4)
        Piece, window, first position, end position; sorted by piece.
    pieces : Pieces

    Returns
    -------
    array of shape (n_words, width), float32
        Mean over the word's pieces of the means over their tokens.
    """
    counts = np.bincount(segments[:, 0], weights=segments[:, 3] - segments[:, 2])
    firsts = np.flatnonzero(np.diff(segments[:, 0], prepend=-1))
    means = np.add.reduceat(sums.astype(np.float64), firsts, axis=0) / counts[:, None]
    words = pieces.table[:, 0]
    starts = np.flatnonzero(np.diff(words, prepend=-1))
    per_word = np.bincount(words)
    return (np.add.reduceat(means, starts, axis=0) / per_word[:, None]).astype(np.float32)
