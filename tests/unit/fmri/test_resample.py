"""Resampling against nilearn and by its properties; the map of constant source voxels."""

import subprocess
import sys
import tracemalloc
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nilearn.image import resample_img
from nilearn.masking import compute_multi_epi_mask

from helpers.whole_runs import constant_map, resample_run
from lateralization import volumes
from lateralization.errors import BadInput
from lateralization.fmri.resample import (
    ConstantVoxels,
    check_sources,
    nearest_source,
    resample_file,
    resample_subject,
)
from lateralization.names import OUT_OF_VIEW
from lateralization.study import GRID_AFFINE, GRID_SHAPE
from lateralization.volumes import load_image, save_volume

BIN = Path(__file__).resolve().parents[3] / "bin"


def affine_of(size_mm, origin):
    affine = np.diag([size_mm, size_mm, size_mm, 1.0])
    affine[:3, 3] = origin
    return affine


ALIGNED = affine_of(2.0, (-72, -106, -64))
"""A 2 mm grid of which every other voxel is a target voxel."""

SHIFTED = affine_of(3.0, (-70.5, -104.2, -63.1))

SMALL = affine_of(5.0, (-51, -60, -31))
"""A grid that covers a part of the target only."""

OBLIQUE = SHIFTED.copy()
OBLIQUE[0, 1], OBLIQUE[1, 0] = 0.3, -0.3

FLIPPED = affine_of(3.0, (72, -104.2, -63.1))
FLIPPED[0, 0] = -3.0


def source(shape=(48, 60, 50), n_scans=3, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(500, 100, (*shape, n_scans)).astype(np.float32)


def nilearns(data, affine):
    return resample_img(
        nib.Nifti1Image(data, affine, dtype=data.dtype),
        target_affine=GRID_AFFINE,
        target_shape=GRID_SHAPE,
        force_resample=True,
        copy_header=True,
    ).get_fdata(dtype=np.float32)


@pytest.mark.parametrize("affine", [SHIFTED, SMALL, OBLIQUE, FLIPPED])
def test_resampling_is_nilearns(affine):
    data = source()
    ours = resample_run(data, affine)
    assert ours.dtype == np.float32
    assert ours.shape == (*GRID_SHAPE, 3)
    assert np.array_equal(ours, nilearns(data, affine))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.float64])
def test_other_types_are_resampled_as_nilearn_does(dtype):
    data = source(n_scans=2).astype(dtype)
    assert np.array_equal(resample_run(data, SHIFTED), nilearns(data, SHIFTED))


def test_unsigned_integers_are_not_rounded():
    data = source(n_scans=2).astype(np.uint16)
    as_float = resample_run(data.astype(np.float32), SHIFTED)
    assert np.array_equal(resample_run(data, SHIFTED), as_float)


def test_a_file_of_the_other_byte_order_gives_the_same_numbers():
    data = source(n_scans=2)
    assert np.array_equal(resample_run(data.astype(">f4"), SHIFTED), resample_run(data, SHIFTED))


def test_a_run_on_the_target_grid_is_copied():
    data = source(GRID_SHAPE)
    assert np.array_equal(resample_run(data, GRID_AFFINE), data)


def test_target_voxels_on_source_voxels_take_their_values():
    data = source((73, 91, 75), n_scans=2)
    assert np.allclose(resample_run(data, ALIGNED), data[::2, ::2, ::2], rtol=1e-6)


def test_overshoot_is_clipped_to_the_range_of_the_whole_run():
    data = np.zeros((48, 60, 50, 2), dtype=np.float32)
    data[20:30, 20:40, 20:30, 0] = 100
    data[0, 0, 0, 1] = -7
    resampled = resample_run(data, SHIFTED)
    assert resampled.max() == 100
    assert resampled.min() >= -7
    assert resampled[..., 0].min() < 0  # clipped to the minimum of the run, not of the volume


@pytest.mark.filterwarnings("ignore")
def test_a_value_that_is_not_finite_stays_so_in_its_scan_only():
    data = source((73, 91, 75), n_scans=2)
    data[40, 40, 40, 1] = np.nan
    resampled = resample_run(data, ALIGNED)
    assert np.array_equal(resampled, nilearns(data, ALIGNED), equal_nan=True)
    assert list(zip(*np.nonzero(np.isnan(resampled)), strict=True)) == [(20, 20, 20, 1)]


@pytest.mark.parametrize("affine", [SHIFTED, SMALL, OBLIQUE, FLIPPED, ALIGNED])
def test_nearest_source_voxel_is_nearest_in_space(affine):
    shape = (48, 60, 50)
    index, inside = nearest_source(shape, affine)
    target = np.argwhere(inside) @ GRID_AFFINE[:3, :3].T + GRID_AFFINE[:3, 3]
    found = np.column_stack(np.unravel_index(index, shape))
    world = found @ affine[:3, :3].T + affine[:3, 3]
    half_voxel = np.abs(affine[:3, :3]).sum(axis=1) / 2
    assert (np.abs(target - world) <= half_voxel + 1e-6).all()


def test_constant_voxels_are_flagged_through_resampling():
    data = source((73, 91, 75), n_scans=5)
    data[20, 20, 20] = 300
    data[30, 30, 30] = 0
    data[31, 30, 30] = 0  # between two target voxels: nearest to neither
    data[40, 40, 40, 2] = np.inf
    data[50, 50, 50] = 300 * (1 + 1e-7 * np.arange(5))
    flagged = constant_map(data, ALIGNED)
    assert flagged.dtype == np.int8
    expected = [(10, 10, 10), (15, 15, 15), (20, 20, 20), (25, 25, 25)]
    assert list(zip(*np.nonzero(flagged), strict=True)) == expected


def test_the_limit_of_constancy_is_a_millionth_of_the_mean():
    data = source(GRID_SHAPE, n_scans=4).astype(np.float64)
    swing = np.array([1, -1, 1, -1])
    data[5, 5, 5] = 1000 * (1 + 0.99e-6 * swing)
    data[6, 6, 6] = -1000 * (1 + 0.99e-6 * swing)
    data[7, 7, 7] = 1000 * (1 + 1.01e-6 * swing)
    flagged = constant_map(data, GRID_AFFINE)
    assert (flagged[5, 5, 5], flagged[6, 6, 6], flagged[7, 7, 7]) == (1, 1, 0)


def test_constant_voxels_are_the_same_whatever_blocks_a_run_comes_in():
    data = source((40, 40, 40), n_scans=7).astype(np.float64) * 1000
    data[::3, 5] = 7e6 + 1e-3  # no sum of its differences may be lost beside such a mean
    data[20, 20, 20, 5] = np.nan
    data[21:23, 20, 20, 0] = [np.inf, -np.inf]
    data[::3, 12, 12, 0] += 1e9  # a first scan that is far from all others
    whole = constant_map(data, SHIFTED)
    assert whole[constant_map(data[..., 1:], SHIFTED) == 1].all()
    parts = ConstantVoxels(data.shape, SHIFTED)
    for start, stop in ((0, 1), (1, 5), (5, 7)):
        parts.add(data[..., start:stop])
    assert np.array_equal(parts.result(), whole)
    index, inside = nearest_source(data.shape, SHIFTED)
    series = data.reshape(-1, 7)[index]
    finite = np.isfinite(series).all(axis=1)
    sd = np.where(finite[:, None], series, 0).std(axis=1)
    mean = np.where(finite[:, None], series, 0).mean(axis=1)
    assert np.array_equal(whole[inside], ~finite | (sd <= 1e-6 * np.abs(mean)))
    assert 0 < whole[inside].sum() < inside.sum()


def test_what_the_source_does_not_reach_is_flagged():
    data = source((20, 24, 20), n_scans=3)
    flagged = constant_map(data, SMALL)
    inside = nearest_source(data.shape, SMALL)[1]
    assert np.array_equal(flagged == OUT_OF_VIEW, ~inside)
    assert set(flagged[inside]) == {0}
    assert not inside.all()


@pytest.fixture
def bold(tmp_path):
    """Nine small runs of unequal length, a bright block on a dark ground; (paths, arrays)."""
    paths, arrays = [], []
    for run in range(9):
        data = source((37, 46, 38), n_scans=2 + run % 2, seed=run)
        data[8:29, 8:38, 8:30] += 3000
        arrays.append(data)
        paths.append(tmp_path / f"sub-EN057_task-lppEN_run-{run + 15}_bold.nii.gz")
        save_volume(data, affine_of(4.0, (-71, -105, -63)), paths[-1], 2.0)
    return paths, arrays


@pytest.mark.slow
def test_the_command_writes_runs_masks_and_flags(tmp_path, bold):
    paths, arrays = bold
    command = [sys.executable, BIN / "resample.py", "--subject", "sub-EN057"]
    done = subprocess.run(
        [*command, "--bold", *paths, "--out-prefix", "sub-EN057"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.endswith("sub-EN057: 9 runs resampled\n")
    images = [nib.load(tmp_path / f"sub-EN057_run-{run}.nii") for run in range(1, 10)]
    for image, data in zip(images, arrays, strict=True):
        assert image.get_data_dtype() == np.float32
        assert image.header.get_zooms() == (4, 4, 4, 2)
        assert np.array_equal(image.affine, GRID_AFFINE)
        assert np.array_equal(image.get_fdata(), nilearns(data, affine_of(4.0, (-71, -105, -63))))
    masks = nib.load(tmp_path / "sub-EN057_epi-masks.nii.gz")
    assert masks.get_data_dtype() == np.int8
    for run, image in enumerate(images):
        theirs = compute_multi_epi_mask([image], threshold=0.5).get_fdata()
        assert np.array_equal(masks.get_fdata()[..., run], theirs)
    flags = nib.load(tmp_path / "sub-EN057_constant.nii.gz")
    assert flags.shape == (*GRID_SHAPE, 9)
    assert flags.get_data_dtype() == np.int8


@pytest.mark.slow
def test_a_run_is_never_in_memory_as_a_whole(tmp_path, monkeypatch):
    """The memory of a run that is resampled while it is read: its result and a few blocks."""
    shape, n_scans = (60, 60, 60), 60
    path = tmp_path / "run.nii.gz"
    data = source(shape, n_scans)
    save_volume(data, SHIFTED, path)
    volume = data[..., 0].nbytes
    monkeypatch.setattr(volumes, "BLOCK_BYTES", 2 * volume)
    image = load_image(path, 4)
    tracemalloc.start()
    resampled, flagged = resample_file(image, path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < resampled.nbytes + 25 * volume  # the source is 60 volumes
    assert np.array_equal(resampled, resample_run(data, image.affine))
    assert np.array_equal(flagged, constant_map(data, image.affine))


def write_run(path, shape=(10, 12, 10), n_scans=2, affine=GRID_AFFINE):
    data = np.random.default_rng(0).normal(size=(*shape, n_scans)).astype(np.float32)
    save_volume(data if n_scans else data[..., 0], affine, path)
    return path


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"shape": (10, 12, 11)}, "has grid"),
        ({"affine": affine_of(4.0, (-72, -106, -60))}, "differ in their affines"),
        ({"n_scans": 1}, "holds 1 scan"),
    ],
)
def test_a_run_that_does_not_fit_the_others_is_refused_by_name(tmp_path, bad, message):
    paths = [write_run(tmp_path / f"run-{run}.nii") for run in range(1, 10)]
    write_run(paths[4], **bad)
    with pytest.raises(BadInput, match=message) as caught:
        check_sources(paths)
    assert "run-5.nii" in str(caught.value)


def test_wrong_numbers_of_runs_and_dimensions_are_refused(tmp_path):
    paths = [write_run(tmp_path / f"run-{run}.nii") for run in range(1, 10)]
    with pytest.raises(BadInput, match="8 runs given"):
        check_sources(paths[:8])
    save_volume(np.zeros((4, 4, 4), np.float32), GRID_AFFINE, paths[0])
    with pytest.raises(BadInput, match="4 dimensions"):
        check_sources(paths)
    with pytest.raises(BadInput, match="cannot be read"):
        check_sources([*paths[1:], tmp_path / "missing.nii"])


def test_images_elsewhere_in_space_are_refused(tmp_path):
    far = affine_of(4.0, (500, 500, 500))
    paths = [write_run(tmp_path / f"run-{run}.nii", affine=far) for run in range(1, 10)]
    with pytest.raises(BadInput, match="outside the target grid"):
        check_sources(paths)


def test_a_damaged_run_leaves_no_half_written_file(tmp_path):
    paths = [write_run(tmp_path / f"run-{run}.nii.gz", (20, 20, 20)) for run in range(1, 10)]
    paths[0].write_bytes(paths[0].read_bytes()[:-30_000])
    with pytest.raises(BadInput, match=r"run-1\.nii\.gz is damaged"):
        resample_subject("sub-EN057", paths, str(tmp_path / "out" / "sub-EN057"))
    assert not list(tmp_path.glob("out/*"))


@pytest.mark.parametrize("value", [0.0, 500.0, np.nan])
def test_a_run_that_is_constant_everywhere_is_refused(tmp_path, value):
    paths = [write_run(tmp_path / f"run-{run}.nii.gz") for run in range(1, 4)]
    flat = np.full((10, 12, 10, 2), value, np.float32)
    nib.save(nib.Nifti1Image(flat, GRID_AFFINE), paths[1])
    keys = ["story-ants", "story-bees", "story-cats"]
    with pytest.raises(BadInput, match=r"run-2\.nii\.gz \(sub-01, story bees\) is constant"):
        resample_subject("sub-01", paths, str(tmp_path / "out" / "sub-01"), keys)
