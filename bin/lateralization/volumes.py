"""Images, masks and the order of voxels: what every stage that touches a NIfTI shares.

A mask is a boolean array ``(x, y, z)``. The voxels of a mask are always listed in C order of that
array (x slowest, z fastest), so a vector over voxels has its left hemisphere first.
"""

import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from lateralization.arrays import Array, Booleans
from lateralization.errors import BadInput
from lateralization.files import writing
from lateralization.nifti import check_end, open_nifti, reading, streamed
from lateralization.runs import is_numbered, numbered_keys

Midline = Literal["shared", "strict"]

AFFINE_TOLERANCE_MM = 1e-3
"""Two affines closer than this describe the same grid (headers hold them in float32)."""

ONE_SIDED = 10
"""Fewer voxels that only one side of a mask has say nothing of an image's orientation."""

MNI = 4
"""Code of coordinates in MNI space, in which grid, regions and hemispheres are."""

ESTIMATE, LABEL = ("estimate", "Pearson r"), ("label", "")
"""Intents of maps of correlations, and of masks and labels."""

BLOCK_BYTES = 32 << 20
"""How much of a series is read at a time: some volumes, a small part of a run."""


# ---------------------------------------------------------------------------------------------
# Reading and writing


def load_image(path: Path | str, n_dimensions: int) -> Any:
    """Open a NIfTI without reading its data.

    Parameters
    ----------
    path
        A ``.nii`` or ``.nii.gz`` file.
    n_dimensions
        3 for one volume, 4 for a series of volumes.

    Returns
    -------
    nibabel.Nifti1Image

    Raises
    ------
    BadInput
        See :func:`lateralization.nifti.open_nifti`; or another number of dimensions.
    """
    image = open_nifti(path)
    if len(image.shape) != n_dimensions:
        raise BadInput(
            f"{path} has shape {image.shape} where {n_dimensions} dimensions are needed; "
            "check that the right file is given"
        )
    return image


def image_data(image: Any, path: Path | str) -> Array:
    """Read the values of an opened image, in the file's own precision where it is not scaled.

    Returns
    -------
    (x, y, z) or (x, y, z, scans), as the image is

    Raises
    ------
    BadInput
        The file is cut off or damaged, or its checksum does not fit.
    """
    with streamed(path) as (opened, handle), reading(path):
        data: Array = np.asanyarray((image if handle is None else opened).dataobj)
        check_end(handle)
        return data


def scan_blocks(path: Path | str) -> Iterator[Array]:
    """Read a series some volumes at a time, the next ones while the caller works on these.

    Parameters
    ----------
    path
        A 4-D NIfTI that :func:`load_image` accepts.

    Yields
    ------
    (x, y, z, n)
        About 32 MB of the file, in order; values as :func:`image_data` gives them.

    Raises
    ------
    BadInput
        The file is cut off or damaged, or its checksum does not fit.
    """
    with streamed(path) as (image, handle):
        volume = int(np.prod(image.shape[:3])) * image.get_data_dtype().itemsize
        step, n_scans = max(1, BLOCK_BYTES // max(1, volume)), image.shape[3]

        def block(start: int) -> Array:
            with reading(path):
                values: Array = np.asanyarray(image.dataobj[..., start : start + step])
                if start + step >= n_scans:
                    check_end(handle)
                return values

        with ThreadPoolExecutor(max_workers=1) as reader:
            ahead = reader.submit(block, 0)
            for start in range(step, n_scans, step):
                values = ahead.result()
                ahead = reader.submit(block, start)
                yield values
            yield ahead.result()


def save_volume(
    data: Array,
    affine: Array,
    path: Path | str,
    repetition_time: float | None = None,
    *,
    what: str = "",
    intent: tuple[str, str] | None = None,
) -> None:
    """Write an array as NIfTI in its own data type, atomically.

    Parameters
    ----------
    data : (x, y, z) or (x, y, z, n)
    affine : (4, 4), mm
    repetition_time
        Of a 4-D image, seconds.
    what
        What a published file holds, up to 79 bytes: its header has this as ``descrip``, mm as unit,
        and sform and qform in MNI coordinates (code 4). Without it the header is a plain one: sform
        code 2 ("aligned"), qform code 0, as in the study's files.
    intent
        The format's intent, and the name of what was measured: ``ESTIMATE``, ``LABEL``.
    """
    image = nib.Nifti1Image(data, affine, dtype=data.dtype)
    if what:
        image.set_sform(affine, MNI)
        image.set_qform(affine, MNI)
        image.header["descrip"] = what.encode("ascii", "replace")[:79]
        image.header.set_xyzt_units("mm")
    if intent:
        image.header.set_intent(intent[0], name=intent[1])
    if repetition_time is not None:
        image.header.set_xyzt_units("mm", "sec")
        image.header.set_zooms((*image.header.get_zooms()[:3], repetition_time))
    with writing(path) as temporary:
        nib.save(image, temporary)


def mask_beside(path: Path | str) -> str:
    """Name the mask of the voxels in which a map has a value: ``gpt2_mask.nii.gz``."""
    return re.sub(r"(\.nii(\.gz)?)$", r"_mask\1", str(path))


def save_map(  # noqa: PLR0917 - a map is written in one line
    values: Array,
    mask: Booleans,
    affine: Array,
    path: Path | str,
    what: str,
    intent: tuple[str, str] = ESTIMATE,
) -> None:
    """Write a map, and beside it the mask of the voxels in which it has a value.

    Parameters
    ----------
    values : (n_voxels,) or (n, n_voxels)
        Over the voxels of the mask; NaN where a voxel was left out.
    mask : (x, y, z) bool
    affine : (4, 4), mm
    path
        Its voxels outside the mask are 0. The mask beside it (uint8, :func:`mask_beside`) is 1 in
        the voxels that are finite in all of its volumes.
    what, intent
        See :func:`save_volume`.
    """
    save_volume(to_volume(values, mask), affine, path, what=what, intent=intent)
    used = np.isfinite(np.atleast_2d(values)).all(axis=0)
    save_volume(
        to_volume(used, mask).astype(np.uint8), affine, mask_beside(path),
        what="1 in the voxels where the map has a value", intent=LABEL,
    )  # fmt: skip


def load_mask(path: Path | str) -> tuple[Booleans, Array]:
    """Read a brain mask.

    Returns
    -------
    mask : (x, y, z) bool
    affine : (4, 4) float64, mm

    Raises
    ------
    BadInput
        Not a 3-D image of zeros and ones, empty, or on a grid that does not mirror at x = 0.
    """
    image = load_image(path, 3)
    data = image_data(image, path)
    if not np.isin(data, (0, 1)).all():
        raise BadInput(f"{path} is no mask: it holds other values than 0 and 1")
    mask = data.astype(bool)
    if not mask.any():
        raise BadInput(f"{path} is an empty mask: no voxel is 1")
    check_mirror_grid(mask.shape, image.affine, path)
    return mask, image.affine


def check_mirror_grid(shape: Sequence[int], affine: Array, path: Path | str) -> None:
    """Refuse a grid that reversing the first axis does not map onto itself across x = 0.

    ``affine``: (4, 4), mm; ``path`` is named in the error.

    Raises
    ------
    BadInput
        The grid is oblique, runs from right to left, or is not centred on x = 0.
    """
    axis = affine[:3, 0]
    oblique = np.abs(axis[1:]).max() + np.abs(affine[0, 1:3]).max()
    centre = 2 * affine[0, 3] + (shape[0] - 1) * affine[0, 0]
    if axis[0] <= 0 or oblique > AFFINE_TOLERANCE_MM or abs(centre) > AFFINE_TOLERANCE_MM:
        raise BadInput(
            f"the grid of {path} is not mirror-symmetric about x = 0 from left to right; "
            "resample it to the study's grid (37 x 46 x 38, 4 mm)"
        )


def check_same_grid(
    image: Any, shape: Sequence[int], affine: Array, path: Path | str, other: Path | str
) -> None:
    """Refuse an image whose first three axes are not on the grid of ``other``.

    ``shape`` (three numbers) and ``affine`` ((4, 4), mm) are those of ``other``.

    Raises
    ------
    BadInput
        Shape or affine differ.
    """
    if tuple(image.shape[:3]) != tuple(shape):
        raise BadInput(
            f"{path} has grid {image.shape[:3]} but {other} has {tuple(shape)}; "
            "both must be on one grid"
        )
    if np.abs(image.affine - affine).max() > AFFINE_TOLERANCE_MM:
        raise BadInput(f"{path} and {other} differ in their affines; both must be on one grid")


def check_not_mirrored(data: Array, mask: Booleans, path: Path | str, other: Path | str) -> None:
    """Refuse values that lie where the mirror image of a mask is, and not where the mask is.

    Only voxels that a mask has on one side alone can tell: a symmetric mask cannot.

    Parameters
    ----------
    data : (x, y, z) or (x, y, z, n)
        0 or NaN is no value.
    mask : (x, y, z) bool
        Read from ``other``, on the grid of ``path``.

    Raises
    ------
    BadInput
        The values are mirrored from left to right.
    """
    series = data.reshape(*data.shape[:3], -1)
    here = mask & ~mask[::-1]
    there = here[::-1]
    if here.sum() < ONE_SIDED:
        return
    shares = [
        float((np.isfinite(series[place]) & (series[place] != 0)).any(axis=1).mean())
        for place in (here, there)
    ]
    if shares[1] - shares[0] > 0.5:
        raise BadInput(
            f"{path} is mirrored from left to right beside {other}: of the voxels that the mask "
            f"has on one side only, {shares[0]:.0%} have a value, of their mirror images "
            f"{shares[1]:.0%}; check the affines of both, and give files of one orientation"
        )


def check_runs(
    paths: Sequence[Path | str], what: str, keys: Sequence[str] = tuple(numbered_keys())
) -> None:
    """Refuse another number of files than of runs, or their names in disorder.

    Only numbered runs can be in disorder (:func:`disordered`): a story may be any run of a session.

    Raises
    ------
    BadInput
        Names the list (``what``) and what is wrong with it.
    """
    if len(paths) != len(keys):
        raise BadInput(
            f"{what}: {len(paths)} runs given, there must be {len(keys)}; give one file each"
        )
    if all(map(is_numbered, keys)) and (numbers := disordered(paths)):
        raise BadInput(f"{what}: runs are in the order {numbers}; give them in ascending order")


def disordered(paths: Sequence[Path | str]) -> list[int]:
    """Return the run numbers in the names of files that do not ascend; empty where they do.

    Names without a number say nothing, nor do numbers that come twice: each session may count its
    runs from 1.
    """
    found = [re.search(r"_?run-0*(\d+)", Path(path).name) for path in paths]
    numbers = [int(match.group(1)) for match in found if match]
    distinct = len(set(numbers)) == len(paths)
    return numbers if distinct and numbers != sorted(numbers) else []


# ---------------------------------------------------------------------------------------------
# Voxels of a mask


def to_volume(values: Array, mask: Booleans, fill: float = 0) -> Array:
    """Put a vector over the voxels of a mask, or several, back into the grid.

    Parameters
    ----------
    values : (n_voxels,) or (n, n_voxels)
    mask : (x, y, z) bool
    fill
        Value outside the mask.

    Returns
    -------
    (x, y, z) or (x, y, z, n), data type of ``values``
    """
    values = np.asarray(values)
    n_voxels = int(mask.sum())
    if values.shape[-1] != n_voxels:
        raise ValueError(f"{values.shape[-1]} values for a mask of {n_voxels} voxels")
    volume = np.full(mask.shape + values.shape[:-1], fill, dtype=values.dtype)
    volume[mask] = values.T
    return volume


def from_volume(volume: Array, mask: Booleans) -> Array:
    """Take the voxels of a mask out of one volume or a series.

    Parameters
    ----------
    volume : (x, y, z) or (x, y, z, n)
    mask : (x, y, z) bool

    Returns
    -------
    (n_voxels,) or (n, n_voxels)
    """
    if volume.shape[:3] != mask.shape:
        raise ValueError(f"volume {volume.shape} and mask {mask.shape} are on different grids")
    return volume[mask].T


def hemispheres(mask: Booleans, midline: Midline = "shared") -> tuple[Booleans, Booleans]:
    """Split the voxels of a mask into left and right.

    Parameters
    ----------
    mask : (x, y, z) bool
        On a grid that mirrors at x = 0 (see :func:`load_mask`).
    midline
        ``shared``: the first ``n_voxels // 2`` voxels and the rest, as the study does it: each
        side gets one half of the midline plane. ``strict``: x < 0 and x > 0, the midline is in
        neither.

    Returns
    -------
    left, right : (n_voxels,) bool
    """
    if midline == "shared":
        order = np.arange(int(mask.sum()))
        left = order < order.size // 2
        return left, ~left
    if midline != "strict":
        raise ValueError(f"midline is shared or strict, not {midline!r}")
    # Twice the distance to the middle plane, in whole voxels: exact for odd and even grids.
    side = 2 * np.nonzero(mask)[0] - (mask.shape[0] - 1)
    return side < 0, side > 0


def mirror_index(mask: Booleans) -> NDArray[np.intp]:
    """Find for each voxel of a mask the place of its mirror image in the other hemisphere.

    Parameters
    ----------
    mask : (x, y, z) bool

    Returns
    -------
    (n_voxels,) intp
        ``values[mirror_index(mask)]`` is the left-right swap of ``values``.

    Raises
    ------
    BadInput
        The mask is not mirror-symmetric.
    """
    if not np.array_equal(mask, mask[::-1]):
        raise BadInput(
            "the mask is not mirror-symmetric, so voxels have no partner in the other hemisphere; "
            "symmetrise it (see the MASK stage)"
        )
    place = np.full(mask.shape, -1, dtype=np.intp)
    place[mask] = np.arange(int(mask.sum()))
    return place[::-1][mask]
