"""MASK: a brain mask per run, the group's common mask, and its left-right symmetrisation."""

import warnings
from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
from nilearn.image import swap_img_hemispheres
from nilearn.masking import compute_epi_mask, intersect_masks

from lateralization.arrays import Array, Booleans
from lateralization.errors import BadInput
from lateralization.study import GRID_AFFINE
from lateralization.volumes import (
    LABEL,
    check_mirror_grid,
    check_same_grid,
    image_data,
    load_image,
    load_mask,
    save_volume,
)

BRAIN = "brain mask, mirror-symmetric"

SHARE_OF_RUNS = 0.5
"""A voxel is in the common mask when strictly more than this share of the runs have it."""


def epi_mask(run: Array) -> Booleans:
    """Compute the brain mask of one run as nilearn's ``compute_multi_epi_mask`` does per image.

    The mean over time is smoothed (FWHM of one voxel) and cut in the widest gap between 20 % and
    85 % of its sorted values; then opening by two voxels and the largest connected component.

    Parameters
    ----------
    run : (37, 46, 38, scans) float32
        On the target grid.

    Returns
    -------
    (37, 46, 38) bool
        Empty when no brain was found; the group decides whether that matters.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an empty mask is reported by the caller, by name
        mask = compute_epi_mask(nib.Nifti1Image(run, GRID_AFFINE))
    return np.asarray(mask.dataobj).astype(bool)


def symmetric_mask(masks: Sequence[Booleans], affine: Array) -> Booleans:
    """Combine the masks of runs into one and make it mirror-symmetric.

    Voxels in strictly more than half of the masks, largest connected component; then the
    intersection with its left-right swap, largest connected component.

    Parameters
    ----------
    masks : sequence of (x, y, z) bool
    affine : (4, 4), mm

    Returns
    -------
    (x, y, z) bool

    Raises
    ------
    BadInput
        No voxel is left, or the halves of the brain hang together so little that the largest
        component lies on one side.
    """
    images = [nib.Nifti1Image(mask.astype(np.int8), affine) for mask in masks]
    common = intersect_masks(images, threshold=SHARE_OF_RUNS, connected=True)
    both = intersect_masks([common, swap_img_hemispheres(common)], threshold=1, connected=True)
    mask = np.asarray(both.dataobj).astype(bool)
    if not mask.any():
        raise BadInput(
            f"no voxel is in more than half of the {len(masks)} brain masks on both sides; "
            "check that the images are EPI runs that are not detrended, or give --mask"
        )
    if not np.array_equal(mask, mask[::-1]):
        raise BadInput("the common brain mask falls into separate halves; give --mask instead")
    return mask


def write_group_mask(paths: Sequence[Path], out: Path) -> None:
    """Read subjects' EPI masks, combine all their runs and write the symmetric mask (int8).

    Parameters
    ----------
    paths
        One 4-D image per subject, one volume per run.
    out
        The mask to write.

    Raises
    ------
    BadInput
        Files on different grids, values other than 0 and 1, or no common brain.
    """
    masks: list[Booleans] = []
    first = load_image(paths[0], 4)
    check_mirror_grid(first.shape, first.affine, paths[0])
    for path in paths:
        image = load_image(path, 4)
        check_same_grid(image, first.shape[:3], first.affine, path, paths[0])
        data = image_data(image, path)
        if not np.isin(data, (0, 1)).all():
            raise BadInput(f"{path} is no set of masks: it holds other values than 0 and 1")
        masks.extend(np.moveaxis(data.astype(bool), -1, 0))
    mask = symmetric_mask(masks, first.affine)
    save_volume(mask.astype(np.int8), first.affine, out, what=BRAIN, intent=LABEL)


def copy_mask(given: Path, out: Path) -> None:
    """Check a mask that was made before and write it in the form of ours (int8).

    Raises
    ------
    BadInput
        No mask, or one on a grid that does not mirror left and right.
    """
    mask, affine = load_mask(given)
    check_mirror_grid(mask.shape, affine, given)
    save_volume(mask.astype(np.int8), affine, out, what=BRAIN, intent=LABEL)
