"""The average subject: definition, left-out voxels, memory, the way in from NIfTIs."""

import json
import subprocess
import sys
import tracemalloc
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from lateralization.errors import BadInput
from lateralization.files import read_tensors, save_tensors
from lateralization.fmri.average import average_run, average_subjects, given_average, write_average
from lateralization.fmri.clean import MaskFile
from lateralization.fmri.signals import standardise
from lateralization.names import IN_SOURCE, OUT_OF_VIEW
from lateralization.runs import numbered_keys
from lateralization.volumes import from_volume, save_volume

BIN = Path(__file__).resolve().parents[3] / "bin"

AFFINE = np.diag([4.0, 4.0, 4.0, 1.0])
AFFINE[:3, 3] = (-16, -12, -10)

MASK = np.zeros((9, 8, 7), dtype=bool)
MASK[2:7, 2:6, 2:5] = True
N_VOXELS = int(MASK.sum())

LENGTHS = [24 + run for run in range(9)]


def subject(seed):
    """Cleaned runs of a subject, nothing left out."""
    rng = np.random.default_rng(seed)
    tensors = {
        f"run-{run}": standardise(rng.normal(size=(length, N_VOXELS))).astype(np.float32)
        for run, length in enumerate(LENGTHS, start=1)
    }
    tensors["left_out"] = np.zeros((9, N_VOXELS), dtype=np.uint8)
    return tensors


def silence(tensors, run, voxel):
    tensors[f"run-{run}"][:, voxel] = 0
    tensors["left_out"][run - 1, voxel] = IN_SOURCE


@pytest.fixture
def subjects():
    return [subject(seed) for seed in range(5)]


@pytest.fixture
def mask_path(tmp_path):
    save_volume(MASK.astype(np.int8), AFFINE, tmp_path / "mask.nii.gz")
    return tmp_path / "mask.nii.gz"


def write(folder, subjects):
    paths = [folder / f"sub-EN{number:03}_clean.safetensors" for number in range(len(subjects))]
    for path, tensors in zip(paths, subjects, strict=True):
        save_tensors(path, tensors)
    return paths


def test_the_average_is_the_standardised_mean_over_subjects(tmp_path, subjects):
    average = average_subjects(write(tmp_path, subjects), N_VOXELS)
    for run in range(1, 10):
        mean = np.mean([one[f"run-{run}"].astype(np.float64) for one in subjects], axis=0)
        expected = (mean - mean.mean(axis=0)) / mean.std(axis=0, ddof=0)
        assert average[f"run-{run}"].dtype == np.float32
        assert np.allclose(average[f"run-{run}"], expected, atol=1e-6)
    assert average["left_out"].shape == (9, N_VOXELS)
    assert not average["left_out"].any()


def test_one_subject_is_its_own_average(tmp_path, subjects):
    average = average_subjects(write(tmp_path, subjects[:1]), N_VOXELS)
    assert np.allclose(average["run-4"], subjects[0]["run-4"], atol=1e-6)


def test_a_voxel_is_left_out_only_where_all_subjects_lack_it(tmp_path, subjects):
    for one in subjects:
        silence(one, 3, 7)
    silence(subjects[1], 5, 8)
    subjects[0]["left_out"][2, 7] = OUT_OF_VIEW
    average = average_subjects(write(tmp_path, subjects), N_VOXELS)
    assert np.argwhere(average["left_out"]).tolist() == [[2, 7]]
    assert average["left_out"][2, 7] == IN_SOURCE
    assert not average["run-3"][:, 7].any()
    mean = sum(one["run-5"][:, 8].astype(np.float64) for one in subjects)
    assert np.allclose(average["run-5"][:, 8], standardise(mean), atol=1e-6)
    assert all(np.isfinite(average[f"run-{run}"]).all() for run in range(1, 10))


def test_a_left_out_voxel_changes_no_other_voxel(tmp_path, subjects):
    whole = average_subjects(write(tmp_path, subjects), N_VOXELS)
    for one in subjects:
        silence(one, 3, 7)
    damaged = average_subjects(write(tmp_path, subjects), N_VOXELS)
    assert np.array_equal(
        np.delete(damaged["run-3"], 7, axis=1), np.delete(whole["run-3"], 7, axis=1)
    )


def test_memory_does_not_grow_with_the_number_of_subjects(tmp_path):
    series = np.random.default_rng(0).normal(size=(200, 2000)).astype(np.float32)
    paths = [tmp_path / f"sub-{number}.safetensors" for number in range(12)]
    for path in paths:
        save_tensors(path, {"run-1": series})

    def peak(n_subjects):
        tracemalloc.start()
        average_run(paths[:n_subjects], "run-1")
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert peak(12) < 1.1 * peak(3)


def test_a_subject_with_another_number_of_scans_is_named_with_its_run(tmp_path, subjects):
    subjects[0]["run-6"] = subjects[0]["run-6"][:-1]
    with pytest.raises(BadInput, match=r"sub-EN000.*run 6 has 28 scans .* 29"):
        average_subjects(write(tmp_path, subjects), N_VOXELS)


def test_a_subject_of_another_mask_or_with_a_run_missing_is_named(tmp_path, subjects):
    paths = write(tmp_path, subjects)
    with pytest.raises(BadInput, match=r"sub-EN000.*60 voxels, the mask has 61"):
        average_subjects(paths, N_VOXELS + 1)
    del subjects[2]["run-9"]
    save_tensors(paths[2], subjects[2], {"runs": json.dumps(numbered_keys())})
    with pytest.raises(BadInput, match=r"sub-EN002.* lacks run-9"):
        average_subjects(paths, N_VOXELS)


def test_no_subject_is_refused():
    with pytest.raises(BadInput, match="no subject is left"):
        average_subjects([], N_VOXELS)


def test_the_images_hold_the_average_and_zero_outside(tmp_path, subjects, mask_path):
    out = tmp_path / "average.safetensors"
    prefix = str(tmp_path / "average_")
    write_average(mask_path, write(tmp_path, subjects), [], out, prefix)
    tensors = read_tensors(out)
    for run in range(1, 10):
        image = nib.load(f"{prefix}run-{run}.nii.gz")
        assert image.header.get_xyzt_units() == ("mm", "sec")
        assert bytes(image.header["descrip"]).startswith(b"mean of all who heard it")
        assert image.get_data_dtype() == np.float32
        assert image.header.get_zooms()[3] == 2
        data = np.asarray(image.dataobj)
        assert np.array_equal(from_volume(data, MASK), tensors[f"run-{run}"])
        assert not data[~MASK].any()


def test_an_average_given_as_images_comes_back_unchanged(tmp_path, subjects, mask_path):
    for one in subjects:
        silence(one, 3, 7)
    first = tmp_path / "first.safetensors"
    prefix = str(tmp_path / "average_")
    assert write_average(mask_path, write(tmp_path, subjects), [], first, prefix) == 1
    images = [Path(f"{prefix}run-{run}.nii.gz") for run in range(1, 10)]
    again = tmp_path / "again.safetensors"
    assert write_average(mask_path, [], images, again, str(tmp_path / "again_")) == 1
    before, after = read_tensors(first), read_tensors(again)
    assert before.keys() == after.keys()
    for name, values in before.items():
        assert np.array_equal(values, after[name]), name


def given(folder, change=lambda _run, data: data):
    paths = []
    for run, length in enumerate(LENGTHS, start=1):
        data = np.random.default_rng(run).normal(size=(*MASK.shape, length))
        data = change(run, standardise(data, axis=-1).astype(np.float32))
        paths.append(folder / f"run-{run}.nii.gz")
        save_volume(data, AFFINE, paths[-1])
    return paths


def test_a_given_average_that_is_not_standardised_is_mentioned_and_kept(tmp_path, capsys):
    brain = MaskFile(MASK, AFFINE, tmp_path / "mask.nii.gz")
    tensors = given_average(given(tmp_path, lambda _run, data: 5 * data + 3), brain)
    assert "is not standardised" in capsys.readouterr().err
    assert tensors["run-1"].mean() == pytest.approx(3, abs=1e-5)
    given_average(given(tmp_path), brain)
    assert "is not standardised" not in capsys.readouterr().err


def test_values_of_a_given_average_that_are_not_finite_are_left_out(tmp_path):
    def harm(run, data):
        if run == 2:
            data[3, 3, 3, 5] = np.nan
        return data

    tensors = given_average(given(tmp_path, harm), MaskFile(MASK, AFFINE, Path("mask")))
    assert np.argwhere(tensors["left_out"])[:, 0].tolist() == [1]
    assert np.isfinite(tensors["run-2"]).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda _run, data: data[..., :21], "21 scans, at least 22"),
        (lambda _run, data: data[:, :-1], "has grid"),
        (lambda run, data: data * (run != 4), r"run-4\.nii\.gz has no signal"),
    ],
)
def test_a_bad_given_average_is_refused(tmp_path, change, message):
    with pytest.raises(BadInput, match=message):
        given_average(given(tmp_path, change), MaskFile(MASK, AFFINE, Path("mask")))


def test_a_given_average_needs_nine_runs(tmp_path):
    with pytest.raises(BadInput, match="8 runs given"):
        given_average(given(tmp_path)[:8], MaskFile(MASK, AFFINE, Path("mask")))


def command(tmp_path, mask_path, *options):
    line = ["--mask", mask_path, "--out", "average.safetensors", *options]
    return subprocess.run(
        [sys.executable, BIN / "average.py", "--nifti-prefix", "average_subject_", *line],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_the_command_takes_subjects_or_images(tmp_path, subjects, mask_path):
    done = command(tmp_path, mask_path, "--clean", *write(tmp_path, subjects))
    assert done.returncode == 0, done.stderr
    assert done.stderr.endswith("average of 5 subjects, 0 voxels left out\n")
    images = [tmp_path / f"average_subject_run-{run}.nii.gz" for run in range(1, 10)]
    done = command(tmp_path, mask_path, "--given", *images)
    assert done.returncode == 0, done.stderr
    assert "average as given" in done.stderr


def test_a_group_of_which_checks_left_nobody_is_bad_input(tmp_path, mask_path):
    done = command(tmp_path, mask_path, "--clean")
    assert done.returncode == 65
    assert "no subject is left to average" in done.stderr.splitlines()[-1]


def test_the_command_leaves_with_65_and_one_line_on_bad_input(tmp_path, subjects, mask_path):
    paths = write(tmp_path, subjects)
    paths[3].write_text("no tensors")
    done = command(tmp_path, mask_path, "--clean", *paths)
    assert done.returncode == 65
    assert "sub-EN003" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
