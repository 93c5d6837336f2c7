"""Masks, hemispheres and the order of voxels, and what is refused when files are read."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nilearn.image import swap_img_hemispheres
from nilearn.masking import apply_mask, unmask

from lateralization import volumes
from lateralization.errors import BadInput
from lateralization.study import GRID_AFFINE, GRID_SHAPE
from lateralization.volumes import (
    check_runs,
    check_same_grid,
    from_volume,
    hemispheres,
    image_data,
    load_image,
    load_mask,
    mirror_index,
    save_volume,
    scan_blocks,
    to_volume,
)

REFERENCE = Path(__file__).resolve().parents[3] / "shared" / "reference_data"

STUDY_VOXELS = {"en": (25870, 12425, 1020), "cn": (26050, 12529, 992), "fr": (27773, 13356, 1061)}


@pytest.fixture
def mask():
    """A mirror-symmetric mask on the study's grid, with voxels in the midline plane."""
    rng = np.random.default_rng(0)
    half = rng.random(GRID_SHAPE) < 0.02
    return half | half[::-1]


def reference_mask(language):
    path = REFERENCE / f"mask_lpp_{language}.nii.gz"
    if not path.exists():
        pytest.skip(f"the study's masks are not beside this repository ({path})")
    return path


@pytest.mark.parametrize("language", ["en", "cn", "fr"])
def test_hemispheres_of_the_studys_masks_have_the_studys_sizes(language):
    mask, _ = load_mask(reference_mask(language))
    n_voxels, strictly_left, midline = STUDY_VOXELS[language]
    left, right = hemispheres(mask)
    assert (left.sum(), right.sum()) == (n_voxels // 2, n_voxels - n_voxels // 2)
    left, right = hemispheres(mask, "strict")
    assert (left.sum(), right.sum(), (~left & ~right).sum()) == (
        strictly_left,
        strictly_left,
        midline,
    )


def test_a_saved_mask_has_the_header_of_the_studys_mask(tmp_path):
    path = reference_mask("en")
    mask, affine = load_mask(path)
    save_volume(mask.astype(np.int8), affine, tmp_path / "mask.nii.gz")
    ours, study = nib.load(tmp_path / "mask.nii.gz"), nib.load(path)
    for key in ("sform_code", "qform_code", "datatype", "dim", "pixdim", "magic"):
        assert np.array_equal(ours.header[key], study.header[key]), key
    assert np.array_equal(ours.affine, study.affine)


def test_strict_hemispheres_are_the_sides_of_world_x(mask):
    world_x = (GRID_AFFINE[0, 0] * np.nonzero(mask)[0]) + GRID_AFFINE[0, 3]
    left, right = hemispheres(mask, "strict")
    assert np.array_equal(left, world_x < 0)
    assert np.array_equal(right, world_x > 0)


def test_shared_hemispheres_cut_the_list_of_voxels_in_the_middle(mask):
    left, right = hemispheres(mask)
    half = int(mask.sum()) // 2
    assert left[:half].all()
    assert not left[half:].any()
    assert np.array_equal(right, ~left)


def test_an_unknown_midline_is_refused(mask):
    with pytest.raises(ValueError, match="shared or strict"):
        hemispheres(mask, "middle")


def test_mirror_index_is_nilearns_hemisphere_swap(mask):
    values = np.random.default_rng(1).normal(size=int(mask.sum()))
    swapped = swap_img_hemispheres(nib.Nifti1Image(to_volume(values, mask), GRID_AFFINE))
    assert np.array_equal(values[mirror_index(mask)], swapped.get_fdata()[mask])


def test_mirror_index_is_its_own_inverse(mask):
    index = mirror_index(mask)
    assert np.array_equal(index[index], np.arange(index.size))


def test_mirror_index_refuses_a_lopsided_mask(mask):
    mask[0, 0, 0], mask[-1, 0, 0] = True, False
    with pytest.raises(BadInput, match="not mirror-symmetric"):
        mirror_index(mask)


def test_voxels_are_in_nilearns_order_both_ways(mask):
    series = np.random.default_rng(2).normal(size=(5, int(mask.sum())))
    image = nib.Nifti1Image(mask.astype(np.int8), GRID_AFFINE)
    volume = to_volume(series, mask)
    assert np.array_equal(volume, unmask(series, image).get_fdata())
    assert np.array_equal(
        from_volume(volume, mask), apply_mask(nib.Nifti1Image(volume, GRID_AFFINE), image)
    )


def test_to_volume_keeps_type_and_fills_outside(mask):
    values = np.ones(int(mask.sum()), dtype=np.float32)
    volume = to_volume(values, mask, fill=np.nan)
    assert volume.dtype == np.float32
    assert np.isnan(volume[~mask]).all()


def test_values_of_another_mask_are_refused(mask):
    with pytest.raises(ValueError, match="for a mask of"):
        to_volume(np.zeros(3), mask)
    with pytest.raises(ValueError, match="different grids"):
        from_volume(np.zeros((2, 2, 2)), mask)


def test_a_written_image_is_the_same_bytes_again(tmp_path, mask):
    save_volume(mask.astype(np.int8), GRID_AFFINE, tmp_path / "a.nii.gz")
    save_volume(mask.astype(np.int8), GRID_AFFINE, tmp_path / "b.nii.gz")
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()


def test_a_series_carries_its_repetition_time_in_seconds(tmp_path):
    save_volume(np.zeros((2, 2, 2, 3), np.float32), GRID_AFFINE, tmp_path / "a.nii", 2.0)
    header = nib.load(tmp_path / "a.nii").header
    assert header.get_zooms() == (4, 4, 4, 2)
    assert header.get_xyzt_units() == ("mm", "sec")


def bad_mask(kind, path, mask):
    data, affine = mask.astype(np.int8), GRID_AFFINE.copy()
    if kind == "is an empty mask":
        data[:] = 0
    if kind == "other values than 0 and 1":
        data[0, 0, 0] = 2
    if kind == "3 dimensions":
        data = data[..., None]
    if kind == "not mirror-symmetric":
        affine[0, 3] += 2
    if kind == "not mirror-symmetric about":
        affine[0] *= -1
    save_volume(data, affine, path)


@pytest.mark.parametrize(
    "kind",
    [
        "is an empty mask",
        "other values than 0 and 1",
        "3 dimensions",
        "not mirror-symmetric",
        "not mirror-symmetric about",
    ],
)
def test_a_bad_mask_is_refused_by_name(tmp_path, mask, kind):
    path = tmp_path / "mask.nii.gz"
    bad_mask(kind, path, mask)
    with pytest.raises(BadInput, match=kind) as caught:
        load_mask(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_are_no_nifti_are_refused(tmp_path):
    (tmp_path / "text.nii").write_text("no image")
    (tmp_path / "text.nii.gz").write_text("no image")
    for name in ("text.nii", "text.nii.gz", "missing.nii"):
        with pytest.raises(BadInput, match="cannot be read"):
            load_image(tmp_path / name, 3)


def test_an_image_without_a_place_in_space_is_refused(tmp_path):
    image = nib.Nifti1Image(np.zeros((2, 2, 2), np.float32), None)
    nib.save(image, tmp_path / "a.nii")
    with pytest.raises(BadInput, match="neither sform nor qform"):
        load_image(tmp_path / "a.nii", 3)


def test_images_of_other_than_real_numbers_are_refused(tmp_path):
    image = nib.Nifti1Image(np.zeros((2, 2, 2), np.complex64), np.eye(4))
    nib.save(image, tmp_path / "a.nii")
    with pytest.raises(BadInput, match="real numbers"):
        load_image(tmp_path / "a.nii", 3)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_a_file_that_is_cut_off_is_refused(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    values = np.random.default_rng(0).normal(size=(20, 20, 20, 3))
    save_volume(values, GRID_AFFINE, path)
    path.write_bytes(path.read_bytes()[:60_000])
    with pytest.raises(BadInput, match="not whole"):
        image_data(load_image(path, 4), path)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("slope", [None, 0.37])
@pytest.mark.parametrize("scans_at_a_time", [0.5, 1, 3, 7, 100])
def test_blocks_of_a_series_are_its_values_in_order(
    tmp_path, monkeypatch, suffix, slope, scans_at_a_time
):
    path = tmp_path / f"a{suffix}"
    values = np.random.default_rng(0).integers(-900, 900, (5, 6, 4, 7)).astype(np.int16)
    image = nib.Nifti1Image(values, GRID_AFFINE, dtype=np.int16)
    image.header.set_slope_inter(slope, None if slope is None else -3.0)
    nib.save(image, path)
    monkeypatch.setattr(volumes, "BLOCK_BYTES", int(scans_at_a_time * 5 * 6 * 4 * 2))
    blocks = list(scan_blocks(path))
    step = max(1, int(scans_at_a_time))
    assert [block.shape[3] for block in blocks[:-1]] == [step] * (len(blocks) - 1)
    whole = image_data(load_image(path, 4), path)
    assert all(block.dtype == whole.dtype for block in blocks)
    assert np.array_equal(np.concatenate(blocks, axis=3), whole)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_a_series_that_is_cut_off_is_refused_where_it_ends(tmp_path, monkeypatch, suffix):
    path = tmp_path / f"a{suffix}"
    save_volume(np.random.default_rng(0).normal(size=(20, 20, 20, 5)), GRID_AFFINE, path)
    path.write_bytes(path.read_bytes()[:150_000])
    monkeypatch.setattr(volumes, "BLOCK_BYTES", 20**3 * 8)
    blocks = scan_blocks(path)
    assert next(blocks).shape == (20, 20, 20, 1)
    with pytest.raises(BadInput, match=f"a{suffix} is damaged or cut off"):
        list(blocks)


def test_images_on_different_grids_are_refused(tmp_path):
    save_volume(np.zeros((2, 2, 2, 2), np.float32), GRID_AFFINE, tmp_path / "a.nii")
    image = load_image(tmp_path / "a.nii", 4)
    check_same_grid(image, (2, 2, 2), GRID_AFFINE, "a", "b")
    with pytest.raises(BadInput, match="a has grid"):
        check_same_grid(image, (2, 2, 3), GRID_AFFINE, "a", "b")
    with pytest.raises(BadInput, match="affines"):
        check_same_grid(image, (2, 2, 2), GRID_AFFINE + 0.01, "a", "b")


def test_runs_must_be_nine_and_in_order():
    names = [f"sub-EN059_task-lppEN_run-{run:02d}_bold.nii.gz" for run in [*range(7, 15), 17]]
    check_runs(names, "--bold")
    check_runs([f"part{run}.nii" for run in range(9)], "--bold")
    check_runs([f"bold{run}/sub-1_run-{run % 3 + 1}.nii" for run in range(9)], "--bold")
    with pytest.raises(BadInput, match="8 runs given"):
        check_runs(names[:8], "--bold")
    with pytest.raises(BadInput, match="ascending"):
        check_runs([names[1], names[0], *names[2:]], "--bold")
