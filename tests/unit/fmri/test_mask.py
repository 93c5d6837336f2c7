"""The common mask against nilearn's compute_multi_epi_mask over the same images."""

import nibabel as nib
import numpy as np
import pytest
from nilearn.image import swap_img_hemispheres
from nilearn.masking import compute_multi_epi_mask, intersect_masks

from lateralization.errors import BadInput
from lateralization.fmri.mask import epi_mask, symmetric_mask, write_group_mask
from lateralization.study import GRID_AFFINE, GRID_SHAPE
from lateralization.volumes import save_volume


def brain_run(seed, shift=0):
    """A bright ellipsoid with an asymmetric dent, over noise, a little different per seed."""
    rng = np.random.default_rng(seed)
    x, y, z = np.indices(GRID_SHAPE)
    radii = np.array([14, 18, 14]) + rng.uniform(-1, 1, 3)
    inside = sum(
        ((axis - centre) / radius) ** 2
        for axis, centre, radius in zip((x, y, z), (18 + shift, 22, 18), radii, strict=True)
    )
    brain = (inside < 1) & ~((x < 9) & (y > 25))
    run = rng.normal(50, 10, (*GRID_SHAPE, 3)) + 900 * brain[..., None]
    return run.astype(np.float32)


@pytest.fixture(scope="module")
def runs():
    return [brain_run(seed, shift) for seed, shift in enumerate((0, 1, -1, 2, 0))]


def oracle(runs):
    """The study's three steps, with nilearn alone."""
    images = [nib.Nifti1Image(run, GRID_AFFINE) for run in runs]
    common = compute_multi_epi_mask(images, threshold=0.5)
    both = intersect_masks([common, swap_img_hemispheres(common)], threshold=1)
    return common.get_fdata().astype(bool), both.get_fdata().astype(bool)


def test_the_mask_is_nilearns_over_the_same_images(runs):
    common, both = oracle(runs)
    mask = symmetric_mask([epi_mask(run) for run in runs], GRID_AFFINE)
    assert not np.array_equal(common, both)  # the images are lopsided, so the swap matters
    assert np.array_equal(mask, both)


def test_one_run_gives_nilearns_mask_of_that_run(runs):
    common, _ = oracle(runs[:1])
    assert np.array_equal(epi_mask(runs[0]), common)


def test_the_mask_is_mirror_symmetric_and_in_one_piece(runs):
    mask = symmetric_mask([epi_mask(run) for run in runs], GRID_AFFINE)
    assert np.array_equal(mask, mask[::-1])


def cube(*slices):
    mask = np.zeros(GRID_SHAPE, dtype=bool)
    mask[slices] = True
    return mask


def test_a_voxel_needs_strictly_more_than_half_of_the_runs():
    everyone, few = cube(slice(10, 27), slice(10, 20), slice(10, 20)), cube(18, 15, 20)
    halves = [everyone | few, everyone | few, everyone, everyone]
    assert not symmetric_mask(halves, GRID_AFFINE)[18, 15, 20]
    assert symmetric_mask([*halves, everyone | few], GRID_AFFINE)[18, 15, 20]


def test_islands_are_dropped():
    brain, island = cube(slice(10, 27), slice(10, 20), slice(10, 20)), cube(18, 30, 30)
    assert np.array_equal(symmetric_mask([brain | island], GRID_AFFINE), brain)


def test_a_mask_with_nothing_on_the_other_side_is_refused():
    with pytest.raises(BadInput, match="on both sides"):
        symmetric_mask([cube(slice(2, 9), slice(10, 20), slice(10, 20))], GRID_AFFINE)


def test_halves_joined_by_a_lopsided_bridge_only_are_refused():
    left = cube(slice(5, 17), slice(5, 15), slice(10, 20))
    bridge = cube(17, 5, 15) | cube(18, slice(5, 11), 15) | cube(19, 10, 15)
    with pytest.raises(BadInput, match="separate halves"):
        symmetric_mask([left | left[::-1] | bridge], GRID_AFFINE)


def write_masks(path, masks, affine=GRID_AFFINE):
    save_volume(np.stack(masks, axis=-1).astype(np.int8), affine, path)
    return path


def test_all_runs_of_all_subjects_count_alike(tmp_path, runs):
    masks = [epi_mask(run) for run in runs]
    first = write_masks(tmp_path / "a.nii.gz", masks[:2])
    second = write_masks(tmp_path / "b.nii.gz", masks[2:])
    write_group_mask([first, second], tmp_path / "mask.nii.gz")
    written = nib.load(tmp_path / "mask.nii.gz")
    assert np.array_equal(written.get_fdata().astype(bool), oracle(runs)[1])
    assert written.get_data_dtype() == np.int8
    assert (int(written.header["sform_code"]), int(written.header["qform_code"])) == (4, 4)


def test_bad_files_of_masks_are_refused(tmp_path, runs):
    masks = [epi_mask(runs[0])] * 2
    good = write_masks(tmp_path / "a.nii.gz", masks)
    other = write_masks(tmp_path / "b.nii.gz", [mask[:, :-1] for mask in masks])
    shifted = write_masks(tmp_path / "c.nii.gz", masks, GRID_AFFINE + 0.5)
    save_volume(runs[0], GRID_AFFINE, tmp_path / "d.nii.gz")
    for path, message in (
        (other, "has grid"),
        (shifted, "affines"),
        (tmp_path / "d.nii.gz", "no set of masks"),
    ):
        with pytest.raises(BadInput, match=message):
            write_group_mask([good, path], tmp_path / "mask.nii.gz")
    with pytest.raises(BadInput, match="mirror-symmetric"):
        write_group_mask([shifted], tmp_path / "mask.nii.gz")
    assert not (tmp_path / "mask.nii.gz").exists()
