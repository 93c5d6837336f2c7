"""AVERAGE: the average subject of a language, computed from cleaned subjects or given."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lateralization.arrays import Array, Booleans, Floats, Single
from lateralization.command import progress, say
from lateralization.errors import BadInput
from lateralization.files import open_tensors, read_tensor, save_tensors, tensor_names
from lateralization.fmri.clean import MaskFile, read_series
from lateralization.fmri.joblib_array import check_array, is_nifti
from lateralization.fmri.signals import standardise
from lateralization.study import MIN_SCANS, N_RUNS, TR
from lateralization.volumes import (
    check_not_mirrored,
    check_runs,
    load_mask,
    save_volume,
    scan_blocks,
    to_volume,
)

STANDARDISED = 1e-2
"""How far mean and sd of a given average may be from 0 and 1 before it is mentioned."""


def run_names(path: Path) -> list[str]:
    """Return the names of the runs in a bold file, ``run-1``, ``run-2`` …, in order."""
    names = [name for name in tensor_names(path) if name.startswith("run-")]
    return sorted(names, key=lambda name: int(name.removeprefix("run-")))


def check_same_runs(paths: Sequence[Path], n_voxels: int) -> None:
    """Check that all bold files have the same runs of the same lengths on the same mask.

    Only headers are read, so a mistake in the last of 49 files costs nothing.

    Raises
    ------
    BadInput
        There is none; or names the subject and the run: the length that most subjects have is taken
        as right.
    """
    if not paths:
        raise BadInput(
            "no subject is left to average: all have outliers (the log of CHECKS names the runs); "
            "mend them, or give --exclude_outliers no"
        )
    lengths: list[list[int]] = []
    runs = max((run_names(path) for path in paths), key=len)
    for path in paths:
        with open_tensors(path) as handle:
            missing = {*runs, "left_out"} - set(handle.keys())
            if missing:
                raise BadInput(f"{path} lacks {', '.join(sorted(missing))}; clean it again")
            shapes = [handle.get_slice(run).get_shape() for run in runs]
        if any(shape[1] != n_voxels for shape in shapes):
            raise BadInput(
                f"{path} has {shapes[0][1]} voxels, the mask has {n_voxels}; "
                "clean the subject with this mask"
            )
        lengths.append([shape[0] for shape in shapes])
    for run in range(len(runs)):
        counts = Counter(subject[run] for subject in lengths)
        usual = counts.most_common(1)[0][0]
        for path, subject in zip(paths, lengths, strict=True):
            if subject[run] != usual:
                raise BadInput(
                    f"{path}: run {run + 1} has {subject[run]} scans where other subjects have "
                    f"{usual}; leave the subject out or mend its file"
                )


def left_out_by_all(paths: Sequence[Path]) -> NDArray[np.uint8]:
    """Return why a voxel is left out in a run where it is in every subject, (runs, voxels) uint8.

    0 elsewhere. Where reasons differ between subjects, the first of ``names.REASONS``.
    """
    common = read_tensor(paths[0], "left_out")
    for path in paths[1:]:
        common = np.minimum(common, read_tensor(path, "left_out"))
    return common


def average_run(paths: Sequence[Path], run: str) -> Single:
    """Average one run over subjects and standardise it over time.

    Subjects are read one after the other into one float64 sum: memory does not grow with their
    number.

    Parameters
    ----------
    paths
        Bold files.
    run
        Name of the tensor.

    Returns
    -------
    (scans, voxels) float32
        Population sd 1; 0 where every subject is 0.
    """
    total: Floats = read_tensor(paths[0], run).astype(np.float64)
    for path in paths[1:]:
        total += read_tensor(path, run)
    standardised = standardise(total / len(paths))
    standardised[:, ~total.any(axis=0)] = 0.0
    return standardised.astype(np.float32)


def average_subjects(paths: Sequence[Path], n_voxels: int) -> dict[str, Array]:
    """Average cleaned subjects run by run.

    Parameters
    ----------
    paths
        Bold files of the subjects.
    n_voxels
        Voxels of the mask.

    Returns
    -------
    dict
        ``run-1`` … (scans, voxels) float32 and ``left_out`` (runs, voxels) uint8: see
        :func:`left_out_by_all`; a voxel that is left out is 0.

    Raises
    ------
    BadInput
        See :func:`check_same_runs`.
    """
    check_same_runs(paths, n_voxels)
    left_out = left_out_by_all(paths)
    tensors: dict[str, Array] = {}
    for place, run in enumerate(progress(run_names(paths[0]), f"average {len(paths)} subjects")):
        tensors[run] = average_run(paths, run)
        tensors[run][:, left_out[place].astype(bool)] = 0.0
    return {**tensors, "left_out": left_out}


def given_average(paths: Sequence[Path], brain: MaskFile, n_runs: int = N_RUNS) -> dict[str, Array]:
    """Read a given average subject; its values are kept as they are.

    Parameters
    ----------
    paths
        One 4-D NIfTI per run, or one array (scans, voxels) in the study's joblib form, in order:
        untrimmed, standardised over time.
    brain
        The mask.

    Returns
    -------
    dict
        As :func:`average_subjects`; a voxel that is constant or not finite in a run is left out
        there and 0.

    Raises
    ------
    BadInput
        Another number of runs, another grid or number of voxels than the mask, or too few scans.
    """
    check_runs(paths, "--given", n_runs)
    tensors: dict[str, Array] = {}
    left_out = np.zeros((len(paths), int(brain.mask.sum())), dtype=np.uint8)
    for place, path in enumerate(progress(paths, "read the average subject")):
        series, finite = _given_run(path, brain)
        if series.shape[0] < MIN_SCANS:
            raise BadInput(f"{path} has {series.shape[0]} scans, at least {MIN_SCANS} are needed")
        absent = ~finite | (series == series[0]).all(axis=0)
        if absent.all():
            raise BadInput(f"{path} has no signal inside the mask; check file and mask")
        series = np.where(absent, 0.0, series).astype(np.float32)
        say_if_not_standardised(series[:, ~absent], path)
        tensors[f"run-{place + 1}"] = series
        left_out[place] = absent
        if absent.any():
            say(f"{path} has no signal in {absent.sum()} of {absent.size} voxels of the mask")
    return {**tensors, "left_out": left_out}


def _given_run(path: Path, brain: MaskFile) -> tuple[Array, Booleans]:
    """Read a run of a given average, (scans, voxels), and where it is finite, (voxels,)."""
    if is_nifti(path):
        series, finite = read_series(path, brain)
        check_not_mirrored(next(scan_blocks(path)), brain.mask, path, brain.path)
        return series, finite
    series = check_array(path, int(brain.mask.sum()))
    return series, np.asarray(np.isfinite(series).all(axis=0))


def say_if_not_standardised(series: Array, path: Path) -> None:
    """Mention a given average whose voxels do not have mean 0 and sd 1.

    Harmless, as the encoder standardises again after trimming, but it may be the wrong file.
    """
    mean = float(np.abs(series.mean(axis=0, dtype=np.float64)).max())
    sd = series.std(axis=0, dtype=np.float64)
    if mean > STANDARDISED or float(np.abs(sd - 1).max()) > STANDARDISED:
        say(f"{path} is not standardised over time (mean up to {mean:.3g}); taken as it is")


def write_average(
    mask: Path,
    clean: Sequence[Path],
    given: Sequence[Path],
    out: Path,
    nifti_prefix: str,
    *,
    tr: float = TR,
    n_runs: int = N_RUNS,
) -> int:
    """Write the average subject as a bold file and as one NIfTI per run.

    Parameters
    ----------
    mask
        Brain mask.
    clean
        Bold files of subjects, or empty.
    given
        The runs of a given average subject, or empty.
    out
        Bold file to write.
    nifti_prefix
        ``average_subject_run-`` gives ``average_subject_run-1.nii.gz`` …: float32, 0 outside the
        mask.
    tr
        Repetition time, s, for the NIfTIs' headers.
    n_runs
        How many runs a given average subject must have.

    Returns
    -------
    int
        Number of voxels left out in any run.
    """
    brain = MaskFile(*load_mask(mask), mask)
    if given:
        tensors = given_average(given, brain, n_runs)
    else:
        tensors = average_subjects(clean, int(brain.mask.sum()))
    save_tensors(out, tensors, {"n_subjects": "given" if given else str(len(clean))})
    for run in range(1, len(tensors["left_out"]) + 1):
        volume = to_volume(tensors[f"run-{run}"], brain.mask)
        path = f"{nifti_prefix}{run}.nii.gz"
        save_volume(volume, brain.affine, path, tr, what="mean of all subjects, standardised")
    return int(tensors["left_out"].any(axis=0).sum())
