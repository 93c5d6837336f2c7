"""The voxels of one subject on their way through the solver: in random order, chunk by chunk."""

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from lateralization.arrays import Array, Booleans
from lateralization.errors import BadInput
from lateralization.ridge.correlation import is_usable, moments
from lateralization.ridge.systems import System

Precision = Literal["float32", "float64"]

CHUNK = 1024
"""Voxels at a time: a chunk of predictions stays in a core's cache."""

CHUNKS = {"cpu": CHUNK, "cuda": 8192}
"""Voxels at a time: a core's cache on the one, full multiprocessors on the other."""

DTYPES = {"float32": torch.float32, "float64": torch.float64}


class Voxels:
    """The responses of one subject, handed out chunk by chunk on the device, in random order.

    The order is drawn from a fixed seed. Left-out voxels keep their columns, as 0: what the others
    give cannot depend on them.

    Parameters
    ----------
    runs : list over runs of arrays (n_scans, n_voxels)
        Copied in the precision of the products.
    left_out : boolean array of shape (n_voxels,) or (n_runs, n_voxels), optional
        Constant and non-finite voxels are added to these.
    precision, chunk, device
        As in ``ridge.encode``.

    Attributes
    ----------
    order : array of shape (n_voxels,)
        The voxels' places in the runs that were given, in the order in which they are handed out.
    kept : boolean array of shape (n_voxels,)
        False for left-out voxels, in that order.
    lengths : list over runs of float64 tensors (n_voxels,)
        Euclidean lengths of the time courses less their means, in that order; not 0.

    Raises
    ------
    BadInput
        No voxel is left, or chunks of less than one voxel.
    """

    def __init__(
        self,
        runs: Sequence[Array],
        left_out: Booleans | None = None,
        *,
        precision: Precision = "float32",
        chunk: int = CHUNK,
        device: str = "cpu",
    ) -> None:
        if chunk < 1:
            raise BadInput(f"chunks of {chunk} voxels; give at least one at a time")
        self.chunk, self.device, self.dtype = chunk, device, DTYPES[precision]
        spread = [moments(run) for run in runs]
        kept = np.logical_and.reduce([is_usable(*found) for found in spread])
        if left_out is not None:
            kept &= ~np.atleast_2d(np.asarray(left_out, bool)).any(0)
        if not kept.any():
            raise BadInput("every voxel is constant or not finite in some run: nothing to fit")
        self.order = np.random.default_rng(0).permutation(len(kept))
        self.kept = kept[self.order]
        self.runs = [self._load(run) for run in runs]
        self.lengths = [
            torch.from_numpy(np.where(kept, deviation, 1)[self.order] * len(run) ** 0.5)
            for run, (_, deviation) in zip(runs, spread, strict=True)
        ]

    def _load(self, run: Array) -> Tensor:
        """Copy one run in the order of the voxels, with 0 for those that are left out."""
        copied = torch.from_numpy(np.asarray(run)).index_select(1, torch.from_numpy(self.order))
        copied[:, torch.from_numpy(~self.kept)] = 0
        return copied if self.dtype == torch.float64 else copied.to(self.dtype)

    def chunks(self, dtype: torch.dtype) -> Iterator[tuple[slice, list[Tensor]]]:
        """Go through the voxels: a slice of them, and their responses (n_scans, n_chunk) by run."""
        n_voxels = len(self.kept)
        for start in range(0, n_voxels, self.chunk):
            part = slice(start, min(start + self.chunk, n_voxels))
            yield part, [run[:, part].to(device=self.device, dtype=dtype) for run in self.runs]


class Blocks:
    """The chunks of one subject with the blocks of its responses, kept where they are small.

    Both passes over the voxels need the blocks: what a chunk of them costs is paid once, unless
    they take more than ``room`` bytes in all.
    """

    def __init__(self, system: System, voxels: Voxels, dtype: torch.dtype, room: int) -> None:
        self.system, self.voxels, self.dtype = system, voxels, dtype
        self.made: list[list[Tensor]] = []
        self.room = room

    def __iter__(self) -> Iterator[tuple[slice, list[Tensor], list[Tensor]]]:
        """Go through the voxels: a slice, the responses by run, and their blocks."""
        for number, (part, chunk) in enumerate(self.voxels.chunks(self.dtype)):
            if number < len(self.made):
                yield part, chunk, self.made[number]
                continue
            blocks = self.system.blocks(chunk)
            size = sum(block.nbytes for block in blocks)
            if number == len(self.made) and size <= self.room:
                self.made.append(blocks)
                self.room -= size
            yield part, chunk, blocks
