"""The seven regions against the study's files, and what is refused."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from lateralization.errors import BadInput
from lateralization.fmri.rois import sphere, write_rois
from lateralization.study import GRID_AFFINE, GRID_SHAPE, ROI_ORDER
from lateralization.volumes import save_volume

REPOSITORY = Path(__file__).resolve().parents[3]
CENTRES = REPOSITORY / "assets" / "rois.tsv"
REFERENCE = REPOSITORY.parent / "shared" / "reference_data"

SPHERES = {"TP": 70, "aSTS": 56, "pSTS": 69, "BA45": 56, "BA47": 81, "BA44": 56, "AG_TPJ": 56}
"""Sizes of the spheres before they are cut to the brain mask."""


@pytest.fixture
def whole_grid(tmp_path):
    path = tmp_path / "mask.nii.gz"
    save_volume(np.ones(GRID_SHAPE, dtype=np.int8), GRID_AFFINE, path)
    return path


def test_the_regions_in_the_studys_mask_are_the_studys_files(tmp_path):
    mask = REFERENCE / "mask_lpp_en.nii.gz"
    if not mask.exists():
        pytest.skip(f"the study's files are not beside this repository ({REFERENCE})")
    sizes = write_rois(mask, CENTRES, str(tmp_path / "lang-en"))
    assert set(sizes) == set(ROI_ORDER)
    for name, size in sizes.items():
        ours = nib.load(tmp_path / f"lang-en_roi-{name}.nii.gz")
        study = nib.load(REFERENCE / "roi_masks" / f"{name}.nii.gz")
        assert np.array_equal(np.asarray(ours.dataobj), np.asarray(study.dataobj)), name
        assert ours.get_data_dtype() == np.uint8
        assert np.array_equal(ours.affine, study.affine)
        assert size == int(study.get_fdata().sum())


def test_uncut_spheres_have_the_published_sizes(tmp_path, whole_grid):
    assert write_rois(whole_grid, CENTRES, str(tmp_path / "a")) == SPHERES


def test_the_surface_belongs_to_the_sphere():
    mask = np.ones((5, 5, 5), dtype=bool)
    assert sphere(mask, np.eye(4), np.array([2, 2, 2]), 1.0).sum() == 7
    assert sphere(mask, np.eye(4), np.array([2, 2, 2]), 0.999).sum() == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name\tx\ty\tz\nTP\t0\t0\t0\n", "lacks the columns radius_mm"),
        ("name\tx\ty\tz\tradius_mm\nTP\t0\t0\t0\t5\nTP\t0\t0\t0\t5\n", "two regions of one name"),
        ("name\tx\ty\tz\tradius_mm\nTP\tleft\t0\t0\t5\n", "not numbers"),
    ],
)
def test_a_bad_table_of_centres_is_refused(tmp_path, whole_grid, text, message):
    table = tmp_path / "rois.tsv"
    table.write_text(text)
    with pytest.raises(BadInput, match=message):
        write_rois(whole_grid, table, str(tmp_path / "a"))


def test_a_sphere_outside_the_mask_is_empty_and_said(tmp_path, capsys):
    mask = np.zeros(GRID_SHAPE, dtype=np.int8)
    mask[:, :, 16:] = 1  # a scan that does not reach below z = 0
    save_volume(mask, GRID_AFFINE, tmp_path / "mask.nii.gz")
    sizes = write_rois(tmp_path / "mask.nii.gz", CENTRES, str(tmp_path / "lang-en"))
    assert set(sizes) == set(ROI_ORDER)
    empty = {name for name, size in sizes.items() if size == 0}
    assert empty == {"TP", "aSTS"}
    said = capsys.readouterr().err
    for name, size in sizes.items():
        image = nib.load(tmp_path / f"lang-en_roi-{name}.nii.gz")
        assert image.get_fdata().sum() == size
        assert (f"region {name} has no voxel in mask.nii.gz: nothing within 10 mm" in said) == (
            name in empty
        )


def test_a_missing_table_is_refused(tmp_path, whole_grid):
    with pytest.raises(BadInput, match="cannot read"):
        write_rois(whole_grid, tmp_path / "none.tsv", str(tmp_path / "a"))
