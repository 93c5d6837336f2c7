"""A given reliability or average subject that lies mirrored beside its mask is refused."""

import nibabel as nib
import numpy as np
import pytest

from lateralization.errors import BadInput
from lateralization.fmri.average import given_average
from lateralization.fmri.clean import MaskFile
from lateralization.fmri.reliability import write_given
from lateralization.runs import numbered_keys
from lateralization.sources.fetch import fetch
from lateralization.sources.given_files import grid_of, own_file
from lateralization.study import GRID_AFFINE, GRID_SHAPE
from lateralization.volumes import load_mask

N_SCANS = 30


@pytest.fixture
def mask_path(tmp_path):
    """A mask with 200 voxels on the left whose mirror images it lacks."""
    mask = np.zeros(GRID_SHAPE, np.int8)
    mask[10:27, 20:30, 15:25] = 1
    mask[6:10, 20:25, 15:25] = 1
    nib.save(nib.Nifti1Image(mask, GRID_AFFINE), tmp_path / "mask.nii.gz")
    return tmp_path / "mask.nii.gz"


def write(path, mask, n, mirrored, missing=0, fill=0.0):
    """Values where the mask is, or where its mirror image is."""
    values = np.full((*mask.shape, n), fill, np.float32)
    place = np.argwhere(mask)[missing:]
    values[tuple(place.T)] = np.random.default_rng(0).uniform(0.1, 0.9, (len(place), n))
    values = values[::-1] if mirrored else values
    path.parent.mkdir(exist_ok=True)
    nib.save(nib.Nifti1Image(values, GRID_AFFINE), path)
    return path


@pytest.mark.parametrize("fill", [0.0, np.nan])
def test_a_mirrored_reliability_is_refused_by_validate_and_its_stage(mask_path, tmp_path, fill):
    mask, _ = load_mask(mask_path)
    path = write(tmp_path / "isc.nii.gz", mask, 3, False, fill=fill)
    own_file("isc", path, 9, grid_of(mask_path))
    assert np.isfinite(write_given(path, mask_path, str(tmp_path / "lang-en"))).all()
    write(path, mask, 3, True, fill=fill)
    for read in (lambda: own_file("isc", path, 9, grid_of(mask_path)),
                 lambda: write_given(path, mask_path, str(tmp_path / "lang-en"))):  # fmt: skip
        with pytest.raises(BadInput, match="mirrored from left to right beside"):
            read()


def test_a_mirrored_average_is_refused_by_validate_and_its_stage(mask_path, tmp_path):
    mask, affine = load_mask(mask_path)
    paths = [
        write(tmp_path / "average" / f"run-{run}.nii.gz", mask, N_SCANS, run == 2)
        for run in (1, 2, 3)
    ]
    with pytest.raises(BadInput, match=r"run-2\.nii\.gz is mirrored from left to right"):
        own_file("average_subject", tmp_path / "average", 3, grid_of(mask_path))
    with pytest.raises(BadInput, match=r"run-2\.nii\.gz is mirrored from left to right"):
        given_average(paths, MaskFile(mask, affine, mask_path), numbered_keys(3))


def test_voxels_without_a_value_are_counted_and_left_out(mask_path, tmp_path, capsys):
    mask, affine = load_mask(mask_path)
    path = write(tmp_path / "isc.nii.gz", mask, 3, False, missing=7)
    trials = write_given(path, mask_path, str(tmp_path / "lang-en"))
    assert np.flatnonzero(np.isnan(trials).any(axis=0)).tolist() == list(range(7))
    assert "has no value in 7 of the 1900 voxels" in capsys.readouterr().err
    runs = [write(tmp_path / "average" / f"run-{run}.nii.gz", mask, N_SCANS, False, missing=7)
            for run in (1, 2, 3)]  # fmt: skip
    found = given_average(runs, MaskFile(mask, affine, mask_path), numbered_keys(3))
    assert found["left_out"].sum() == 21
    assert "run-3.nii.gz has no signal in 7 of 1900 voxels" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["ISC.NII.GZ", "isc.nii.GZ", "isc.NII"])
def test_a_given_file_in_upper_case_goes_through_all_stages(mask_path, tmp_path, name):
    mask, _ = load_mask(mask_path)
    plain = write(tmp_path / f"plain{'.nii.gz' if name.lower().endswith('.gz') else '.nii'}",
                  mask, 3, False)  # fmt: skip
    path = plain.rename(tmp_path / name)
    own_file("isc", path, 9, grid_of(mask_path))
    (placed,) = fetch({"kind": "isc"}, [path], tmp_path / "cache", tmp_path / "out")
    assert placed.name == f"isc{path.suffixes[0]}{''.join(path.suffixes[1:])}".lower()
    assert np.isfinite(write_given(placed, mask_path, str(tmp_path / "lang-en"))).all()


@pytest.mark.parametrize("shape", [(10, 10), (4, 4, 4, 2, 2)])
def test_a_reliability_of_other_dimensions_is_told_which_are_right(mask_path, tmp_path, shape):
    path = tmp_path / "isc.nii.gz"
    nib.save(nib.Nifti1Image(np.zeros(shape, np.float32), GRID_AFFINE), path)
    for read in (lambda: own_file("isc", path, 9, grid_of(mask_path)),
                 lambda: write_given(path, mask_path, str(tmp_path / "lang-en"))):  # fmt: skip
        with pytest.raises(BadInput, match=rf"{len(shape)} dimensions; 3 .*or 4 .*are needed"):
            read()
