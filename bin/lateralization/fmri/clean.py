"""CLEAN: a subject's masked, detrended, filtered and standardised time courses."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from lateralization.arrays import Array, Booleans, Single
from lateralization.bids.confounds import read_confounds
from lateralization.command import progress
from lateralization.errors import BadInput
from lateralization.files import save_tensors
from lateralization.fmri.signals import clean
from lateralization.names import AFTER_RESAMPLING, IN_SOURCE
from lateralization.runs import RUNS, numbered_keys
from lateralization.volumes import (
    check_runs,
    check_same_grid,
    from_volume,
    image_data,
    load_image,
    load_mask,
)

FLAT_SD = 1e-5
"""A flagged voxel is flat when its sd is at most this share of the median sd of the run."""

FLAT_MEAN = 1e-6
"""… or at most this share of its own mean: the rule that flags a source voxel."""


@dataclass(frozen=True)
class MaskFile:
    """A mask with its grid and the file that it came from."""

    mask: Booleans
    affine: Array
    path: Path


Codes = NDArray[np.uint8]
"""0, or why a voxel is left out (``names.REASONS``)."""


def clean_run(
    series: Array, flagged: Codes, tr: float, confounds: Array | None = None
) -> tuple[Single, Codes]:
    """Clean the voxels of one run and say which of them carry no signal of their own.

    Parameters
    ----------
    series : (scans, voxels)
    flagged : (voxels,) uint8
        0, or why the source voxel has no signal.
    tr
        Repetition time, s.
    confounds : (scans, confounds)
        What is regressed off; None: nothing is.

    Returns
    -------
    cleaned : (scans, voxels) float32
        Exact zeros where a flagged voxel is numerically constant after resampling too: its
        rounding noise must not be blown up to unit variance.
    left_out : (voxels,) uint8
        0, or the reason: flagged, not finite, or of zero variance.
    """
    series = np.asarray(series, dtype=np.float64)
    finite = np.isfinite(series).all(axis=0)
    series = np.where(finite, series, 0.0)
    sd = series.std(axis=0)
    typical = float(np.median(sd[finite])) if finite.any() else 0.0
    floor = np.maximum(FLAT_SD * typical, FLAT_MEAN * np.abs(series.mean(axis=0)))
    series[:, (flagged != 0) & (sd <= floor)] = 0.0
    cleaned = clean(series, tr, confounds)
    left_out = np.where((flagged == 0) & ~finite, IN_SOURCE, flagged).astype(np.uint8)
    left_out[(left_out == 0) & (cleaned == 0).all(axis=0)] = AFTER_RESAMPLING
    return cleaned, left_out


def temporal_snr(series: Array) -> Single:
    """Divide each voxel's mean by its deviation about a straight line over time, (voxels,).

    0 where nothing varies or a value is not finite; near 0 where the mean was taken off before.
    """
    with np.errstate(invalid="ignore"):
        values = np.asarray(series, dtype=np.float64)
        mean = values.mean(axis=0)
        rest = values - mean
        time = np.linspace(-1, 1, len(values))
        rest -= np.outer(time, time @ rest / (time @ time))
        sd = np.sqrt((rest**2).mean(axis=0))
        ratio = np.divide(mean, sd, out=np.zeros_like(mean), where=sd > FLAT_MEAN * np.abs(mean))
    return np.where(np.isfinite(ratio), ratio, 0.0).astype(np.float32)


def read_series(
    path: Path, brain: MaskFile, smoothing_mm: float | None = None
) -> tuple[Array, Array]:
    """Read the time courses of a mask's voxels.

    Parameters
    ----------
    path
        4-D NIfTI on the grid of the mask.
    brain
        The mask.
    smoothing_mm
        FWHM of a Gaussian, mm, applied before masking with non-finite values taken as 0 (what
        nilearn's NiftiMasker does).

    Returns
    -------
    series : (scans, voxels)
    finite : (voxels,) bool
        False where a value was not finite before smoothing.

    Raises
    ------
    BadInput
        Damaged, or on another grid than the mask.
    """
    image = load_image(path, 4)
    check_same_grid(image, brain.mask.shape, brain.affine, path, brain.path)
    data = image_data(image, path)
    series = from_volume(data, brain.mask)
    finite = np.atleast_1d(np.isfinite(series).all(axis=0))
    if smoothing_mm:
        # Imported here: nilearn takes seconds to load and the group pipeline does not smooth.
        from nilearn.image import smooth_img

        smoothed = smooth_img(nib.Nifti1Image(data, image.affine, dtype=data.dtype), smoothing_mm)
        series = from_volume(np.asanyarray(smoothed.dataobj), brain.mask)
    return series, finite


def read_flags(path: Path, brain: MaskFile, n_runs: int) -> Codes:
    """Read the map of source voxels without signal at the voxels of the mask, (runs, voxels) uint8.

    Raises
    ------
    BadInput
        On another grid than the mask, or not one volume per run.
    """
    image = load_image(path, 4)
    check_same_grid(image, brain.mask.shape, brain.affine, path, brain.path)
    if image.shape[3] != n_runs:
        raise BadInput(f"{path} has {image.shape[3]} volumes, one per run ({n_runs}) is needed")
    return from_volume(image_data(image, path), brain.mask).astype(np.uint8)


def clean_subject(
    bold: Sequence[Path],
    constant: Path,
    mask: Path,
    out: Path,
    *,
    tr: float,
    smoothing_mm: float | None = None,
    keys: Sequence[str] = (),
    scans: Sequence[int] = (),
    confounds: Sequence[Path] = (),
    columns: Sequence[Sequence[str]] = (),
) -> int:
    """Clean a subject's resampled runs and write them; return how many voxels any run leaves out.

    Parameters
    ----------
    bold, constant, mask
        Resampled runs in order; map of constant source voxels, one volume per run; brain mask, its
        voxels in C order are the columns.
    out
        safetensors: a tensor for each key, (scans, voxels) float32, untrimmed, ``left_out`` (runs,
        voxels) uint8 (0, or a code of ``names.REASONS``), and ``tsnr`` (runs, voxels) float32.
    tr, smoothing_mm
        Repetition time, s; FWHM, mm, or None for none.
    keys
        Of the runs; without them they are ``run-1`` ….
    scans
        Scans that are kept of each run, from its start, before anything is filtered; 0, or no list:
        all.
    confounds, columns
        Tables of confounds, one for each run, or none; the columns of each that are regressed off,
        cut with the run.

    Raises
    ------
    BadInput
        Number of runs, grids, scans or tables of confounds are wrong; no voxel has a signal in
        every run.
    """
    keys = keys or numbered_keys(len(bold))
    check_runs(bold, "--bold", keys)
    scans = scans or [0] * len(bold)
    if len(scans) != len(bold):
        raise BadInput(f"--scans: {len(scans)} numbers for {len(bold)} runs; give one for each")
    if not tr > 0:
        raise BadInput(f"--tr {tr} is no repetition time; give seconds above 0")
    if len(confounds) not in (0, len(bold)) or len(columns) != len(confounds):
        raise BadInput(
            f"--confounds: {len(confounds)} tables and {len(columns)} lists of --columns for "
            f"{len(bold)} runs; give one for each"
        )
    brain = MaskFile(*load_mask(mask), mask)
    flags = read_flags(constant, brain, len(bold))
    tensors: dict[str, Array] = {}
    left_out, tsnr = np.zeros(flags.shape, np.uint8), np.zeros(flags.shape, np.float32)
    for run in progress(range(len(bold)), f"clean {out.name}"):
        series, finite = read_series(bold[run], brain, smoothing_mm)
        kept = slice(scans[run] or None)
        regressed = None
        if confounds:
            regressed = _confounds_of(bold[run], len(series), confounds[run], columns[run])[kept]
        series = series[kept]
        try:
            cleaned, absent = clean_run(series, flags[run], tr, regressed)
        except BadInput as error:
            raise BadInput(f"{bold[run]}: {error}") from error
        tensors[keys[run]], tsnr[run] = cleaned, temporal_snr(series)
        left_out[run] = np.where((absent == 0) & ~finite, IN_SOURCE, absent)
    _check_left_out(left_out, bold)
    told = {
        RUNS: json.dumps(list(keys)),
        "cleaning": f"tr={tr} smoothing_mm={smoothing_mm or 0.0}",
    }
    save_tensors(out, tensors | {"left_out": left_out, "tsnr": tsnr}, told)
    return int(left_out.any(axis=0).sum())


def _confounds_of(bold: Path, n_scans: int, table: Path, columns: Sequence[str]) -> Array:
    """Read the confounds of a run, (scans, columns)."""
    values = read_confounds(table, columns)
    if len(values) != n_scans:
        raise BadInput(
            f"{table} has {len(values)} rows and {bold} {n_scans} scans; give each run its own"
        )
    return values


def _check_left_out(left_out: NDArray[np.uint8], bold: Sequence[Path]) -> None:
    """Refuse a subject that keeps no voxel."""
    if left_out.any(axis=0).all():
        run = int(np.count_nonzero(left_out, axis=1).argmax())
        raise BadInput(
            f"{bold[run]}: no voxel of the mask has a signal in every run "
            f"({np.count_nonzero(left_out[run])} of {left_out[run].size} lack one in this run); "
            "mend the run or leave the subject out"
        )
