"""RESAMPLE: a subject's runs onto the 4 mm grid, with what must be known of the source."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nilearn.image import resample_img
from nilearn.masking import extrapolate_out_mask
from numpy.typing import NDArray
from scipy import linalg
from scipy.ndimage import affine_transform

from lateralization.arrays import Array, Booleans, Single
from lateralization.command import progress, say
from lateralization.errors import BadInput
from lateralization.fmri.mask import epi_mask
from lateralization.fmri.spline import axis_weights, interpolate
from lateralization.names import IN_SOURCE, OUT_OF_VIEW
from lateralization.nifti import repetition_time
from lateralization.runs import numbered_keys, shown
from lateralization.study import CONSTANT, GRID_AFFINE, GRID_SHAPE
from lateralization.volumes import check_runs, check_same_grid, load_image, save_volume, scan_blocks


class Resampler:
    """Resamples a run to the study's grid, some volumes at a time, as ``resample_img`` does.

    Cubic splines volume by volume, 0 outside the source, values clipped to the range of the
    whole run and 0; a volume's non-finite voxels are filled from their neighbours for the
    interpolation and are NaN again in the nearest target voxels. A run that is on the target grid
    already is copied. Where source and target have parallel axes (permuted and flipped ones too)
    the splines are those of :mod:`lateralization.fmri.spline`, equal to nilearn's within one unit
    in the last place of float32; an oblique source is left to nilearn.

    Parameters
    ----------
    shape
        Source grid and number of scans, four numbers.
    affine : (4, 4)
        Of the source, mm.
    """

    def __init__(self, shape: Sequence[int], affine: Array):
        self.affine = affine
        self.copies = tuple(shape[:3]) == GRID_SHAPE and np.allclose(GRID_AFFINE, affine)
        to_source = np.eye(4)
        if not np.array_equal(affine, GRID_AFFINE):
            to_source = linalg.inv(affine) @ GRID_AFFINE
        self.matrix, self.offset = to_source[:3, :3], to_source[:3, 3]
        self.grid = axis_weights(shape, GRID_SHAPE, self.matrix, self.offset)
        self.resampled = np.empty((*GRID_SHAPE, shape[3]), dtype=np.float32, order="F")
        self.n_done = 0
        self.lowest = self.highest = np.nan

    def add(self, block: Array) -> None:
        """Resample the run's next volumes, (x, y, z, n) of any real type.

        Unsigned integers are interpolated as float32 (nilearn would round them to integers);
        signed ones as nilearn does it.
        """
        dtype = np.dtype(np.float32) if block.dtype.kind == "u" else block.dtype.newbyteorder("=")
        block = block.astype(dtype, copy=False)
        place = self.resampled[..., self.n_done : self.n_done + block.shape[3]]
        self.n_done += block.shape[3]
        if self.copies:
            place[...] = block
            return
        if self.grid is None:
            place[...] = _nilearns(block, self.affine)
        for scan in range(block.shape[3]):
            volume = block[..., scan]
            low, high = volume.min(), volume.max()
            finite = bool(np.isfinite(low) and np.isfinite(high))
            if not finite:
                low, high = np.fmin.reduce(volume, axis=None), np.fmax.reduce(volume, axis=None)
            self.lowest = np.fmin(self.lowest, low)
            self.highest = np.fmax(self.highest, high)
            if self.grid is not None:
                place[..., scan] = interpolate(volume if finite else _filled(volume), self.grid)
                if not finite:
                    place[..., scan][self._nearest_is_lost(volume)] = np.nan

    def _nearest_is_lost(self, volume: Array) -> Booleans:
        """Mark the target voxels whose nearest source voxel is not finite."""
        straight = np.array_equal(np.diag(np.diag(self.matrix)), self.matrix)
        lost: Booleans = affine_transform(
            ~np.isfinite(volume),
            np.diag(self.matrix) if straight else self.matrix,
            self.offset,
            output_shape=GRID_SHAPE,
            order=0,
        )
        return lost

    def result(self) -> Single:
        """Clip the volumes to the range of the run and 0, and return them.

        Returns
        -------
        (37, 46, 38, scans) float32
        """
        if self.n_done != self.resampled.shape[3]:
            raise ValueError(f"{self.n_done} of {self.resampled.shape[3]} scans were given")
        if not self.copies:
            low, high = min(self.lowest, 0.0), max(self.highest, 0.0)
            np.clip(self.resampled, np.float32(low), np.float32(high), out=self.resampled)
        return self.resampled


def _filled(volume: Array) -> Array:
    """Fill the non-finite voxels of a volume from their neighbours as nilearn does."""
    with warnings.catch_warnings(), np.errstate(invalid="ignore", divide="ignore"):
        warnings.simplefilter("ignore")
        filled: Array = extrapolate_out_mask(volume, np.isfinite(volume), iterations=2)[0]
    return filled


def _nilearns(block: Array, affine: Array) -> Array:
    """Resample volumes with nilearn; the range to clip to is that of the run, not theirs."""
    with warnings.catch_warnings():
        # Non-finite voxels are counted and reported by the stage itself, once and not per scan.
        warnings.simplefilter("ignore")
        resampled = resample_img(
            nib.Nifti1Image(block, affine, dtype=block.dtype),
            target_affine=GRID_AFFINE,
            target_shape=GRID_SHAPE,
            interpolation="continuous",
            clip=False,
            force_resample=True,
            copy_header=False,
        )
    return np.asarray(resampled.dataobj)


def nearest_source(shape: Sequence[int], affine: Array) -> tuple[NDArray[np.intp], Array]:
    """Find the source voxel nearest to each voxel of the target grid.

    Parameters
    ----------
    shape
        Source grid, three numbers.
    affine : (4, 4)
        Of the source, mm.

    Returns
    -------
    index : (inside,) intp
        Flat (C order) source index of each target voxel that lies inside the source.
    inside : (37, 46, 38) bool
    """
    target = np.indices(GRID_SHAPE).reshape(3, -1)
    to_source = np.linalg.inv(affine) @ GRID_AFFINE
    place = to_source[:3, :3] @ target + to_source[:3, 3:]
    # Half-way points go up, as in scipy's nearest-neighbour interpolation; the small term keeps
    # rounding noise of the affine from deciding them.
    nearest = np.floor(place + 0.5 + 1e-9).astype(np.intp)
    inside = ((nearest >= 0) & (nearest < np.asarray(shape[:3])[:, None])).all(axis=0)
    index = np.ravel_multi_index(tuple(nearest[:, inside]), tuple(shape[:3]))
    return np.asarray(index, dtype=np.intp), inside.reshape(GRID_SHAPE)


class ConstantVoxels:
    """Marks the target voxels whose nearest source voxel has no signal in a run.

    Decided on the source, since interpolation lends a dead voxel its neighbours' signal. Sums are
    float64 and of the differences from the first scan, so that one pass loses no digits.

    Parameters
    ----------
    shape
        Source grid, three numbers or more.
    affine : (4, 4)
        Of the source, mm.
    """

    def __init__(self, shape: Sequence[int], affine: Array):
        index, self.inside = nearest_source(shape, affine)
        # In the order of the file, first axis fastest: a volume is then read where it lies.
        voxel = np.unravel_index(index, tuple(shape[:3]))
        self.index = np.ravel_multi_index(voxel, tuple(shape[:3]), order="F")
        self.first: Array | None = None
        self.total = np.zeros(index.size)
        self.squares = np.zeros(index.size)
        self.n_scans = 0

    def add(self, block: Array) -> None:
        """Take in the run's next volumes, (x, y, z, n)."""
        for scan in range(block.shape[3]):
            values = block[..., scan].ravel(order="F")[self.index].astype(np.float64)
            if self.first is None:
                self.first = values.copy()
            with np.errstate(invalid="ignore"):  # infinities: found in the sum of squares
                values -= self.first
                self.total += values
                self.squares += np.square(values, out=values)
        self.n_scans += block.shape[3]

    def result(self) -> NDArray[np.int8]:
        """Compute the map.

        Returns
        -------
        (37, 46, 38) int8
            ``IN_SOURCE`` where the source is constant (population sd ≤ 1e-6 · |mean|) or not
            finite in any scan, ``OUT_OF_VIEW`` where it does not reach, 0 elsewhere.
        """
        if self.first is None:
            raise ValueError("no scan was given")
        finite = np.isfinite(self.squares)
        difference = np.where(finite, self.total, 0.0) / self.n_scans
        mean = np.where(finite, self.first, 0.0) + difference
        variance = np.where(finite, self.squares, 0.0) / self.n_scans - difference**2
        sd = np.sqrt(np.maximum(variance, 0.0))
        flagged = np.full(GRID_SHAPE, OUT_OF_VIEW, dtype=np.int8)
        flagged[self.inside] = IN_SOURCE * (~finite | (sd <= CONSTANT * np.abs(mean)))
        return flagged


def check_sources(paths: Sequence[Path], keys: Sequence[str] = tuple(numbered_keys())) -> list[Any]:
    """Open the runs of a subject, one for each key, and check that they belong together.

    Returns
    -------
    list of nibabel.Nifti1Image, data not read

    Raises
    ------
    BadInput
        Another number, not 4-D, a single scan, different grids, or not over the target grid.
    """
    check_runs(paths, "--bold", keys)
    images = [load_image(path, 4) for path in paths]
    for image, path in zip(images, paths, strict=True):
        check_same_grid(image, images[0].shape[:3], images[0].affine, path, paths[0])
        if image.shape[3] < 2:
            raise BadInput(f"{path} holds {image.shape[3]} scan; a run has many, check the file")
    if not nearest_source(images[0].shape, images[0].affine)[1].any():
        raise BadInput(f"{paths[0]} lies outside the target grid; it must be in MNI space, in mm")
    return images


def resample_file(image: Any, path: Path) -> tuple[Single, NDArray[np.int8]]:
    """Resample a run while it is read; it is never in memory as a whole.

    Returns
    -------
    resampled : (37, 46, 38, scans) float32
    flagged : (37, 46, 38) int8
        See :class:`ConstantVoxels`.

    Raises
    ------
    BadInput
        The file is cut off or damaged.
    """
    resampler = Resampler(image.shape, image.affine)
    constant = ConstantVoxels(image.shape, image.affine)
    for block in scan_blocks(path):
        constant.add(block)
        resampler.add(block)
    return resampler.result(), constant.result()


def resample_subject(
    subject: str,
    paths: Sequence[Path],
    out_prefix: str,
    keys: Sequence[str] = tuple(numbered_keys()),
) -> None:
    """Resample a subject's runs and write them with their EPI masks and constant-voxel maps.

    Writes ``<prefix>_<key>.nii`` (float32) for each run, ``<prefix>_epi-masks.nii.gz`` and
    ``<prefix>_constant.nii.gz`` (int8, one volume per run, in the order of the keys). One resampled
    run is in memory at a time, and some volumes of its source.

    Raises
    ------
    BadInput
        See :func:`check_sources`; a file is damaged; or a run is constant everywhere.
    """
    images = check_sources(paths, keys)
    masks = np.zeros((*GRID_SHAPE, len(images)), dtype=np.int8)
    flagged = np.zeros_like(masks)
    for run in progress(range(len(images)), f"resample {subject}"):
        path, image = paths[run], images[run]
        resampled, flagged[..., run] = resample_file(image, path)
        if flagged[..., run].all():
            raise BadInput(
                f"{path} ({subject}, {shown(keys[run])}) is constant, or not finite, in every "
                "voxel: it holds no signal; put the right file there, or leave the run out"
            )
        masks[..., run] = epi_mask(resampled)
        if not masks[..., run].any():
            say(f"{subject}: the brain mask of {shown(keys[run])} ({path}) is empty")
        tr = repetition_time(image.header)
        save_volume(resampled, GRID_AFFINE, f"{out_prefix}_{keys[run]}.nii", tr)
    save_volume(masks, GRID_AFFINE, f"{out_prefix}_epi-masks.nii.gz")
    save_volume(flagged, GRID_AFFINE, f"{out_prefix}_constant.nii.gz")
