"""The inter-subject reliability against a plain restatement, and its command."""

import json
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from helpers.encoder_oracle import correlations, nested_search
from lateralization.errors import BadInput
from lateralization.files import read_tensors, save_tensors
from lateralization.fmri import reliability as module
from lateralization.fmri.reliability import (
    deal,
    group_means,
    predict_group,
    reliability,
    scan_gram,
    split_halves,
    write_reliability,
)
from lateralization.study import GRID_AFFINE, GRID_SHAPE

PROJECT = Path(__file__).parents[3]
LENGTHS = (24, 26, 23, 25, 27, 22, 24, 26, 28)
N_VOXELS = 60
TRIM = 3


@pytest.fixture
def subjects(tmp_path):
    """Five cleaned subjects that share a part of their signal, in files named out of order."""
    rng = np.random.default_rng(8)
    shared = [rng.standard_normal((n, 4)) for n in LENGTHS]
    spread = rng.standard_normal((4, N_VOXELS))
    paths = []
    for name in ("EN065", "EN057", "EN061", "EN059", "EN058"):
        tensors = {"left_out": np.zeros((9, N_VOXELS), np.uint8)}
        for run, common in enumerate(shared, start=1):
            noise = 3 * rng.standard_normal((len(common), N_VOXELS))
            series = common @ spread + noise
            series = (series - series.mean(0)) / series.std(0)
            tensors[f"run-{run}"] = series.astype(np.float32)
        paths.append(tmp_path / f"sub-{name}_clean.safetensors")
        save_tensors(paths[-1], tensors)
    return paths


@pytest.fixture
def mask(tmp_path):
    volume = np.zeros(GRID_SHAPE, np.int8)
    volume[16:21, 10:22, 20] = 1
    assert volume.sum() == N_VOXELS
    path = tmp_path / "lang-en_mask.nii.gz"
    nib.save(nib.Nifti1Image(volume, GRID_AFFINE), path)
    return path


def change(path, **tensors):
    changed = {name.replace("run_", "run-"): values for name, values in tensors.items()}
    save_tensors(path, read_tensors(path) | changed)


def plain_means(paths, members, n_trim):
    """Average the trimmed runs of some subjects, subjects in the order of their names."""
    data = [read_tensors(path) for path in sorted(paths)]
    return [
        np.mean([data[i][f"run-{run}"][n_trim:-n_trim] for i in members], axis=0, dtype=float)
        for run in range(1, 10)
    ]


def test_the_halves_are_those_of_the_published_seed():
    [first, second] = split_halves(49, 2, 1234)
    assert first[0] == [
        8, 48, 14, 42, 29, 44, 4, 31, 13, 18, 36, 43, 17, 10, 21, 20, 22, 1, 32, 46, 27, 34, 25, 33,
    ]  # fmt: skip
    assert first[1][:6] == [0, 11, 7, 3, 37, 6]
    assert len(first[1]) == 25
    assert second[0][:4] == [40, 47, 32, 24]
    assert second[1][-4:] == [25, 48, 37, 31]
    assert split_halves(35, 1, 1234)[0][0] == [
        8, 18, 13, 1, 4, 29, 14, 31, 34, 0, 7, 3, 10, 6, 2, 21, 32,
    ]  # fmt: skip
    assert split_halves(28, 1, 1234)[0][1][-4:] == [21, 6, 19, 15]


@pytest.mark.parametrize(("n", "sizes"), [(2, (1, 1)), (3, (1, 2)), (4, (2, 2)), (5, (2, 3))])
def test_groups_are_half_and_the_rest(n, sizes):
    for groups in split_halves(n, 4):
        assert tuple(map(len, groups)) == sizes
        assert sorted(groups[0] + groups[1]) == list(range(n))


def test_one_subject_is_bad_input():
    with pytest.raises(BadInput, match="reliability needs two subjects"):
        split_halves(1)


def test_no_trial_is_bad_input():
    with pytest.raises(BadInput, match="at least 1"):
        split_halves(4, 0)


@pytest.mark.parametrize("slab", [1, 5, 100])
def test_group_means_are_those_of_trimmed_runs_not_standardised_again(
    subjects, tmp_path, monkeypatch, slab
):
    monkeypatch.setattr(module, "SLAB", slab)
    ordered = sorted(subjects)
    halves = split_halves(5, 3)
    dealt = {f"run-{run}": deal(list(range(5)), halves) for run in range(1, 10)}
    with group_means(ordered, dealt, TRIM, tmp_path) as means:
        for trial, groups in enumerate(halves):
            for side, members in enumerate(groups):
                expected = plain_means(subjects, members, TRIM)
                for run in range(9):
                    found = means[run][2 * trial + side]
                    np.testing.assert_allclose(found, expected[run], rtol=0, atol=1e-6)
    assert not list(tmp_path.glob(".means-*")), "the temporary file is still there"


def test_gram_is_summed_over_voxels():
    rng = np.random.default_rng(0)
    runs = [rng.standard_normal((n, 50)).astype(np.float32) for n in (7, 9)]
    stacked = np.vstack(runs).astype(float)
    for chunk in (1, 13, 50, 1000):
        gram = scan_gram(runs, chunk).numpy()
        np.testing.assert_allclose(gram, stacked @ stacked.T, rtol=1e-12)


@pytest.mark.slow
def test_trials_equal_a_plain_ridge_from_voxels_to_voxels(subjects, tmp_path):
    r, alphas, halves, _ = reliability(
        subjects, N_VOXELS, tmp_path, n_trials=2, n_trim=TRIM, precision="float64"
    )
    assert r.shape == (2, 9, N_VOXELS)
    for trial, (first, second) in enumerate(split_halves(5, 2)):
        features, bold = (plain_means(subjects, group, TRIM) for group in (first, second))
        expected, chosen, _ = nested_search(features, bold)
        np.testing.assert_array_equal(alphas[trial], chosen)
        np.testing.assert_allclose(r[trial], expected, rtol=0, atol=1e-5)
        for run, (a, b) in enumerate(zip(features, bold, strict=True)):
            by_voxel = correlations(a, b)
            np.testing.assert_allclose(halves[trial, run], by_voxel, rtol=0, atol=1e-5)


@pytest.mark.slow
def test_exact_means_give_exact_scores(subjects):
    first, second = (plain_means(subjects, group, TRIM) for group in split_halves(5, 1)[0])
    expected, chosen, _ = nested_search(first, second)
    result = predict_group(first, second, precision="float64")
    np.testing.assert_array_equal(result.alphas, chosen)
    np.testing.assert_allclose(result.r, expected, rtol=0, atol=1e-10)
    quick = predict_group(first, second)
    np.testing.assert_array_equal(quick.alphas, chosen)
    np.testing.assert_allclose(quick.r, expected, rtol=0, atol=1e-5)


def test_order_of_the_files_does_not_matter(subjects, tmp_path):
    straight = reliability(subjects, N_VOXELS, tmp_path, n_trials=1, n_trim=TRIM)
    turned = reliability(subjects[::-1], N_VOXELS, tmp_path, n_trials=1, n_trim=TRIM)
    np.testing.assert_array_equal(straight[0], turned[0])


def test_an_id_that_begins_another_comes_first(subjects, tmp_path):
    """The split is drawn from the order of the ids, as of sorted folders sub-EN1, sub-EN10."""
    names = [f"sub-{name}_clean.safetensors" for name in ("EN065", "EN1", "EN10", "EN1b", "EN2")]
    renamed = [path.rename(tmp_path / name) for path, name in zip(subjects, names, strict=True)]
    r, *_ = reliability(renamed, N_VOXELS, tmp_path, n_trials=3, n_trim=TRIM)
    halves = split_halves(5, 3)
    for trial, groups in enumerate(halves):
        first, second = (
            [
                np.mean([read_tensors(renamed[i])[f"run-{run}"][TRIM:-TRIM] for i in members], 0)
                for run in range(1, 10)
            ]
            for members in groups
        )
        np.testing.assert_allclose(r[trial], predict_group(first, second).r, atol=1e-4)


def test_two_subjects_are_enough(subjects, tmp_path):
    r, *_ = reliability(subjects[:2], N_VOXELS, tmp_path, n_trials=2, n_trim=TRIM)
    assert np.isfinite(r).all()


def test_a_voxel_that_is_0_in_all_subjects_is_nan(subjects, tmp_path):
    for path in subjects:
        run = read_tensors(path)["run-4"]
        run[:, 7] = 0
        change(path, run_4=run)
    r, *_ = reliability(subjects, N_VOXELS, tmp_path, n_trials=1, n_trim=TRIM)
    assert np.isnan(r[..., 7]).all()
    assert np.isfinite(np.delete(r, 7, axis=2)).all()


def test_a_voxel_that_a_half_may_lack_in_a_run_is_nan(subjects, tmp_path):
    before, _, halves_before, _ = reliability(subjects, N_VOXELS, tmp_path, n_trials=1, n_trim=TRIM)
    for place, path in enumerate(subjects):
        left_out = read_tensors(path)["left_out"]
        left_out[3, 7] = 1
        left_out[5, 9] = place < 2  # two of five: the smaller half may be these
        left_out[5, 11] = left_out[6, 11] = place == 2  # every half has somebody with a signal
        change(path, left_out=left_out)
    r, _, halves, _ = reliability(subjects, N_VOXELS, tmp_path, n_trials=1, n_trim=TRIM)
    for values, others in ((r, before), (halves, halves_before)):
        assert np.isnan(values[..., [7, 9]]).all()
        np.testing.assert_array_equal(np.delete(values, [7, 9], 2), np.delete(others, [7, 9], 2))


@pytest.mark.parametrize("n_subjects", [2, 3, 4, 5])
def test_which_voxels_have_a_reliability_does_not_depend_on_the_halves(
    subjects, tmp_path, n_subjects
):
    """Voxel k has no signal in run 4 in its first k subjects; what can fail in a half is NaN."""
    used = subjects[:n_subjects]
    for place, path in enumerate(used):
        tensors = read_tensors(path)
        run, left_out = tensors["run-4"], tensors["left_out"]
        for lacking in range(place + 1, 6):
            run[:, lacking] = 0
            left_out[3, lacking] = 1
        change(path, run_4=run, left_out=left_out)
    for seed in range(4):
        r, _, halves, _ = reliability(
            used, N_VOXELS, tmp_path, n_trials=1, seed=seed, n_trim=TRIM
        )  # fmt: skip
        for values in (r, halves):
            absent = np.isnan(values)
            assert absent.all(axis=(0, 1)).tolist() == absent.any(axis=(0, 1)).tolist()
            expected = [n_subjects // 2 <= k <= 5 for k in range(N_VOXELS)]
            assert absent.any(axis=(0, 1)).tolist() == expected


def test_a_voxel_without_reliability_decides_no_penalty(subjects, tmp_path, monkeypatch):
    seen = []
    real = module.nested_ridge

    def spy(system, voxels, alphas, **more):
        seen.append(voxels.kept[np.argsort(voxels.order)])
        return real(system, voxels, alphas, **more)

    monkeypatch.setattr(module, "nested_ridge", spy)
    for path in subjects:
        left_out = read_tensors(path)["left_out"]
        left_out[3, 7] = 1  # its values are those of its neighbours, not 0
        change(path, left_out=left_out)
    reliability(subjects, N_VOXELS, tmp_path, n_trials=2, n_trim=TRIM)
    for kept in seen:
        assert np.flatnonzero(~kept).tolist() == [7]


def test_a_group_without_any_common_voxel_has_no_reliability(subjects, tmp_path):
    for path in subjects:
        change(path, left_out=np.ones((9, N_VOXELS), np.uint8))
    with pytest.raises(BadInput, match="there is no reliability"):
        reliability(subjects, N_VOXELS, tmp_path, n_trials=1, n_trim=TRIM)


def test_files_hold_a_volume_per_trial_and_the_runs(subjects, mask, tmp_path):
    for path in subjects:
        run = read_tensors(path)["run-4"]
        run[:, 7] = 0
        change(path, run_4=run)
    prefix = str(tmp_path / "lang-en")
    trials = write_reliability(subjects, mask, prefix, n_trials=2, seed=5, n_trim=TRIM)
    image = nib.load(f"{prefix}_isc.nii.gz")
    used = nib.load(f"{prefix}_isc_mask.nii.gz")
    known = np.isfinite(image.get_fdata()).all(axis=3) & (nib.load(mask).get_fdata() == 1)
    np.testing.assert_array_equal(used.get_fdata() == 1, known)
    named = json.loads(Path(f"{prefix}_isc.json").read_text())["volumes"]
    assert named == [f"trial-{trial}" for trial in range(1, image.shape[3] + 1)]
    assert int(image.header["qform_code"]) == int(image.header["sform_code"]) == 4
    assert image.shape == (*GRID_SHAPE, 2)
    inside = nib.load(mask).get_fdata().astype(bool)
    volume = image.get_fdata(dtype=np.float32)
    assert not volume[~inside].any()
    np.testing.assert_array_equal(volume[inside].T, trials.astype(np.float32))
    assert np.isnan(volume[inside][7]).all()
    tensors = read_tensors(f"{prefix}_isc_runs.safetensors")
    assert tensors["r"].shape == (2, 9, N_VOXELS)
    assert tensors["r"].dtype == np.float32
    np.testing.assert_allclose(tensors["r"].mean(axis=1), trials, rtol=0, atol=1e-6)
    r, *_ = reliability(subjects, N_VOXELS, tmp_path, n_trials=2, seed=5, n_trim=TRIM)
    np.testing.assert_array_equal(tensors["r"], r.astype(np.float32))


def test_values_that_are_not_finite_are_bad_input(subjects, tmp_path):
    change(subjects[2], run_5=np.full((LENGTHS[4], N_VOXELS), np.nan, np.float32))
    with pytest.raises(BadInput, match=r"EN061.*run-5: not finite"):
        reliability(subjects, N_VOXELS, tmp_path, n_trials=1, n_trim=TRIM)


def test_runs_shorter_than_the_trimming_are_bad_input(subjects, tmp_path):
    with pytest.raises(BadInput, match="too few to drop 10"):
        reliability(subjects, N_VOXELS, tmp_path, n_trials=1, n_trim=10)


@pytest.mark.slow
def test_one_subject_leaves_the_command_with_65_and_one_line(subjects, mask, tmp_path):
    command = [sys.executable, PROJECT / "bin" / "reliability.py", "--clean", subjects[0]]
    command += ["--mask", mask, "--out-prefix", tmp_path / "lang-en"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 65
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("reliability: reliability needs two subjects")
