"""CLEAN against nilearn's NiftiMasker; what happens to voxels without signal; bad inputs."""

import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nilearn.maskers import NiftiMasker

from lateralization.errors import BadInput
from lateralization.files import read_tensors
from lateralization.fmri.clean import clean_run, clean_subject
from lateralization.fmri.mask import epi_mask
from lateralization.fmri.resample import ConstantVoxels, Resampler, nearest_source
from lateralization.names import AFTER_RESAMPLING, IN_SOURCE, OUT_OF_VIEW
from lateralization.volumes import save_volume

BIN = Path(__file__).resolve().parents[3] / "bin"

SHAPE = (9, 8, 7)
AFFINE = np.diag([4.0, 4.0, 4.0, 1.0])
AFFINE[:3, 3] = (-16, -12, -10)


class World:
    """A tiny subject: nine runs, a mask and a map of constant voxels, written to a folder."""

    def __init__(self, folder):
        rng = np.random.default_rng(0)
        self.folder = folder
        self.mask = np.zeros(SHAPE, dtype=bool)
        self.mask[1:8, 1:7, 1:6] = True
        self.data = [
            rng.normal(1000, 20, (*SHAPE, 30 + run)).astype(np.float32) for run in range(9)
        ]
        self.constant = np.zeros((*SHAPE, 9), dtype=np.int8)
        self.paths = [folder / f"sub-EN057_run-{run}.nii" for run in range(1, 10)]
        self.mask_path = folder / "mask.nii.gz"
        self.constant_path = folder / "constant.nii.gz"
        self.out = folder / "sub-EN057_clean.safetensors"

    def write(self):
        for path, data in zip(self.paths, self.data, strict=True):
            save_volume(data, AFFINE, path, 2.0)
        save_volume(self.mask.astype(np.int8), AFFINE, self.mask_path)
        save_volume(self.constant, AFFINE, self.constant_path)

    def clean(self, **options):
        self.write()
        clean_subject(self.paths, self.constant_path, self.mask_path, self.out, tr=2.0, **options)
        return read_tensors(self.out)

    def column(self, place):
        """Find where a voxel of the grid is among the voxels of the mask."""
        return int(np.flatnonzero((np.argwhere(self.mask) == place).all(axis=1))[0])

    def masker(self, run, **options):
        """Clean one run with NiftiMasker in float64, population deviation."""
        masker = NiftiMasker(
            mask_img=str(self.mask_path),
            detrend=True,
            standardize="zscore_sample",
            high_pass=1 / 128,
            t_r=2.0,
            dtype="float64",
            **options,
        )
        data = self.data[run].astype(np.float64)
        series = masker.fit_transform(nib.Nifti1Image(data, AFFINE))
        return series * np.sqrt(len(series) / (len(series) - 1))


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


@pytest.mark.filterwarnings("ignore")
def test_cleaning_is_nilearns_masker(world):
    tensors = world.clean()
    for run in range(9):
        ours = tensors[f"run-{run + 1}"]
        assert ours.dtype == np.float32
        assert np.allclose(ours, world.masker(run), atol=1e-6)
    assert not tensors["left_out"].any()
    assert tensors["left_out"].shape == (9, world.mask.sum())


@pytest.mark.filterwarnings("ignore")
def test_smoothing_is_nilearns_and_comes_before_masking(world):
    world.data[0][~world.mask] += 5000 * np.random.default_rng(1).random(
        world.data[0][~world.mask].shape
    )
    ours = world.clean(smoothing_mm=4.0)["run-1"]
    assert np.allclose(ours, world.masker(0, smoothing_fwhm=4.0), atol=5e-5)
    assert not np.allclose(ours, world.masker(0), atol=0.1)


def test_a_flagged_flat_voxel_is_zero_and_left_out_in_its_run_only(world):
    place = (4, 3, 3)
    clean = world.clean()
    noise = np.random.default_rng(2).normal(size=world.data[2].shape[-1])
    world.data[2][place] = 1000 * (1 + 6e-8 * noise)  # rounding noise of float32
    world.constant[(*place, 2)] = 1
    tensors = world.clean()
    column = world.column(place)
    assert not tensors["run-3"][:, column].any()
    assert np.argwhere(tensors["left_out"]).tolist() == [[2, column]]
    others = np.delete(np.arange(world.mask.sum()), column)
    for run in range(1, 10):
        name = f"run-{run}"
        assert np.array_equal(tensors[name][:, others], clean[name][:, others])
    assert np.array_equal(tensors["run-1"], clean["run-1"])


def test_a_flagged_voxel_with_signal_after_resampling_keeps_it_but_is_left_out(world):
    clean = world.clean()
    world.constant[4, 3, 3, 0] = 1
    tensors = world.clean()
    assert np.array_equal(tensors["run-1"], clean["run-1"])
    assert tensors["left_out"].sum() == 1


def test_a_voxel_of_little_variance_that_is_not_flagged_keeps_it(world):
    world.data[0][4, 3, 3] = 1000 + 1e-3 * (world.data[0][4, 3, 3] - 1000)
    tensors = world.clean()
    assert tensors["run-1"][:, world.column((4, 3, 3))].std() == pytest.approx(1, abs=1e-5)
    assert not tensors["left_out"].any()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("smoothing_mm", [None, 4.0])
def test_values_that_are_not_finite_leave_the_voxel_out(world, smoothing_mm):
    world.data[5][2, 2, 2, 7] = np.nan
    world.data[6][3, 2, 2, 7] = np.inf
    tensors = world.clean(smoothing_mm=smoothing_mm)
    expected = [[5, world.column((2, 2, 2))], [6, world.column((3, 2, 2))]]
    assert np.argwhere(tensors["left_out"]).tolist() == expected
    assert set(tensors["left_out"][tensors["left_out"] != 0]) == {IN_SOURCE}
    assert all(np.isfinite(tensors[f"run-{run}"]).all() for run in range(1, 10))


def test_an_unflagged_constant_voxel_is_left_out(world):
    world.data[0][4, 3, 3] = 17
    tensors = world.clean()
    assert np.argwhere(tensors["left_out"]).tolist() == [[0, world.column((4, 3, 3))]]
    assert tensors["left_out"].max() == AFTER_RESAMPLING


def test_every_reason_reaches_the_file(world):
    places = {(4, 3, 3): IN_SOURCE, (5, 3, 3): OUT_OF_VIEW}
    for place, reason in places.items():
        world.constant[(*place, 2)] = reason
    tensors = world.clean()
    found = {place: tensors["left_out"][2, world.column(place)] for place in places}
    assert found == places
    assert np.count_nonzero(tensors["left_out"]) == 2


def test_what_the_splines_do_at_the_edge_of_a_brain_is_not_blamed_on_the_source():
    affine = np.diag([3.0, 3, 3, 1])
    affine[:3, 3] = (-91, -127, -73)
    shape = (61, 73, 61)
    places = np.indices(shape).reshape(3, -1).T @ affine[:3, :3] + affine[:3, 3]
    radius = np.sqrt((((places - [0, -18, 8]) / [60, 72, 56]) ** 2).sum(axis=1)).reshape(shape)
    mean = np.where(radius < 0.92, 1000, np.where(radius < 1, 30, 0))  # a dim rim, then nothing
    noise = np.random.default_rng(0).normal(size=(*shape, 25))
    data = (mean[..., None] * (1 + 0.02 * noise)).astype(np.float32)
    resampler, constant = Resampler(data.shape, affine), ConstantVoxels(data.shape, affine)
    resampler.add(data)
    constant.add(data)
    series, flagged = resampler.result(), constant.result()
    _, left_out = clean_run(series.reshape(-1, 25).T, flagged.ravel(), 2.0)
    dark = (left_out == AFTER_RESAMPLING).reshape(flagged.shape)
    index, inside = nearest_source(shape, affine)
    nearest = np.zeros(flagged.shape)
    nearest[inside] = mean.ravel()[index]
    assert dark[epi_mask(series)].sum() > 50
    assert (nearest[dark] > 0).all()  # the source varies there
    assert not np.ptp(series[dark], axis=1).any()
    np.testing.assert_array_equal(left_out == IN_SOURCE, (flagged == IN_SOURCE).ravel())


def test_a_run_without_any_finite_voxel_is_all_left_out():
    cleaned, left_out = clean_run(np.full((30, 4), np.nan), np.zeros(4, np.uint8), 2.0)
    assert not cleaned.any()
    assert (left_out == IN_SOURCE).all()


def run_command(world, *options):
    inputs = ["--constant", world.constant_path, "--mask", world.mask_path, "--tr", "2.0"]
    line = ["--bold", *world.paths, *inputs, "--out", world.out, *options]
    return subprocess.run(
        [sys.executable, BIN / "clean.py", *line],
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_subject_without_a_voxel_that_is_alive_in_every_run_is_refused(world):
    world.constant[..., 4] = 1
    with pytest.raises(
        BadInput, match=r"run-5\.nii: no voxel of the mask has a signal in every run"
    ):
        world.clean()
    assert not world.out.exists()


@pytest.mark.slow
def test_the_command_writes_the_file_that_the_function_writes(world):
    world.clean(smoothing_mm=4.0)
    expected = world.out.read_bytes()
    world.out.unlink()
    done = run_command(world, "--smooth")
    assert done.returncode == 0, done.stderr
    assert done.stderr.endswith("9 runs, 0 voxels left out\n")
    assert world.out.read_bytes() == expected


@pytest.mark.slow
def test_the_command_leaves_with_65_and_one_line_on_bad_input(world):
    world.data[3] = world.data[3][..., :21]
    world.write()
    done = run_command(world)
    assert done.returncode == 65
    assert "Traceback" not in done.stderr
    last = done.stderr.splitlines()[-1]
    assert "run-4.nii" in last
    assert "21 scans" in last
    assert not world.out.exists()


def shorten(world):
    world.paths = world.paths[:8]


def move_mask(world):
    save_volume(world.mask[:-2, :, :].astype(np.int8), moved(4), world.mask_path)


def moved(x):
    affine = AFFINE.copy()
    affine[0, 3] += x
    return affine


def move_constant(world):
    save_volume(world.constant, moved(8), world.constant_path)


def cut_constant(world):
    save_volume(world.constant[..., :8], AFFINE, world.constant_path)


def swap_runs(world):
    world.paths[0], world.paths[1] = world.paths[1], world.paths[0]


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (shorten, r"9 volumes, one per run \(8\)"),
        (swap_runs, "ascending order"),
        (move_mask, "has grid"),
        (move_constant, "affines"),
        (cut_constant, "8 volumes"),
    ],
)
def test_files_that_do_not_belong_together_are_refused(world, harm, message):
    world.write()
    harm(world)
    with pytest.raises(BadInput, match=message):
        clean_subject(world.paths, world.constant_path, world.mask_path, world.out, tr=2.0)


@pytest.mark.parametrize("tr", [0.0, -2.0, float("nan")])
def test_a_repetition_time_that_is_none_is_refused(world, tr):
    world.write()
    with pytest.raises(BadInput, match="no repetition time"):
        clean_subject(world.paths, world.constant_path, world.mask_path, world.out, tr=tr)
