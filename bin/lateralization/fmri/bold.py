"""The measured runs of one subject, as ENCODE and RELIABILITY take them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lateralization import study
from lateralization.arrays import Array
from lateralization.errors import BadInput
from lateralization.files import open_tensors
from lateralization.fmri.signals import standardise, trim
from lateralization.names import AFTER_TRIMMING
from lateralization.problems import listed
from lateralization.ridge.correlation import is_usable, moments
from lateralization.runs import run_names

MIN_KEPT = 3
"""Scans that a run must keep after trimming: two always correlate perfectly."""


@dataclass(frozen=True)
class Bold:
    """The measured runs of one subject.

    Attributes
    ----------
    runs : list of arrays (n_kept_scans, n_voxels)
        Trimmed and standardised.
    n_scans : dict of str to int
        Key of each run, in order → its scans before trimming.
    left_out : array of shape (n_runs, n_voxels), uint8
        0, or why the voxel takes no part (codes of ``names.REASONS``).
    """

    runs: list[Array]
    n_scans: dict[str, int]
    left_out: NDArray[np.uint8]


def kept_scans(n_scans: int, n_trim: int, where: str) -> int:
    """Return the scans that trimming leaves.

    Raises
    ------
    BadInput
        Fewer than 3 are left.
    """
    kept = n_scans - 2 * n_trim
    if kept < MIN_KEPT:
        raise BadInput(
            f"{where}: {n_scans} scans are too few to drop {n_trim} at each end; "
            f"give whole runs or a smaller --trim"
        )
    return kept


def read_bold(path: Path, n_trim: int = study.TRIM) -> Bold:
    """Read a bold file and trim and standardise its runs, as the study did: in its own precision.

    Raises
    ------
    BadInput
        A run is missing or too short, or runs are of different numbers of voxels.
    """
    runs = run_names(path)
    series, n_scans, flags = [], {}, []
    with open_tensors(path) as handle:
        if absent := [run for run in runs if run not in handle.keys()]:
            raise BadInput(f"{path} lacks {listed(absent)}; clean it again")
        given = handle.get_tensor("left_out") if "left_out" in handle.keys() else None
        for run in runs:
            raw = handle.get_tensor(run)
            kept_scans(len(raw), n_trim, f"{path}, {run}")
            kept = trim(raw, n_trim)
            n_scans[run] = len(raw)
            flags.append(np.where(is_usable(*moments(kept)), 0, AFTER_TRIMMING).astype(np.uint8))
            series.append(standardise(kept))
    if len({run.shape[1] for run in series}) > 1:
        raise BadInput(
            f"{path}: runs have {[run.shape[1] for run in series]} voxels; mask them alike"
        )
    left_out = np.stack(flags)
    if given is not None:
        if given.shape != left_out.shape:
            raise BadInput(f"{path}: left_out has shape {given.shape}, not {left_out.shape}")
        left_out = np.where(given, given, left_out)
    return Bold(series, n_scans, left_out)
