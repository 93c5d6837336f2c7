"""Joining the parts of one model and subject: nothing is lost, nothing is changed."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from helpers.gathering import (
    N_ALPHAS,
    N_RUNS,
    N_VOXELS,
    made_part,
    run_gather,
    write_folder,
    written,
)
from lateralization.encoding.gather import Scores, _joint_record, join_parts
from lateralization.encoding.parts import TENSORS, write_part
from lateralization.errors import BadInput
from lateralization.files import read_tensors, save_tensors, write_json
from lateralization.names import AFTER_TRIMMING, IN_SOURCE, REASONS
from lateralization.study import GRID_SHAPE

PROJECT = Path(__file__).parents[3]


@pytest.fixture
def folder(tmp_path):
    return write_folder(tmp_path)


def test_parts_in_any_order_give_the_layers_in_order(folder):
    parts = [made_part([3, 4], seed=1), made_part([0], seed=2), made_part([2, 1], seed=3)]
    joined = join_parts(written(folder, *parts))
    np.testing.assert_array_equal(joined.layers, range(5))
    for layer, expected in enumerate(
        [parts[1].r[0], parts[2].r[1], parts[2].r[0], parts[0].r[0], parts[0].r[1]]
    ):
        np.testing.assert_array_equal(joined.r[layer], expected)
    np.testing.assert_array_equal(joined.alphas[1], parts[2].alphas[1])
    np.testing.assert_array_equal(joined.validation_r[4], parts[0].validation_r[1])


def test_maps_are_means_over_runs_0_outside_and_nan_where_left_out(folder):
    left_out = np.zeros((N_RUNS, N_VOXELS), np.uint8)
    left_out[3, 5] = IN_SOURCE
    part = made_part([0, 1, 2], left_out)
    prefix = run_gather(folder, written(folder, part))
    image = nib.load(f"{prefix}_scores.nii.gz")
    mask = nib.load(folder / "mask.nii.gz").get_fdata().astype(bool)
    volume = image.get_fdata(dtype=np.float32)
    assert image.shape == (*GRID_SHAPE, 3)
    assert image.get_data_dtype() == np.float32
    np.testing.assert_allclose(volume[mask].T, part.r.mean(axis=1), rtol=0, atol=1e-6)
    assert np.isnan(volume[mask][5]).all()
    used = nib.load(f"{prefix}_scores_mask.nii.gz")
    assert used.get_data_dtype() == np.uint8
    np.testing.assert_array_equal(used.get_fdata() == 1, mask & np.isfinite(volume).all(axis=3))
    assert not volume[~mask].any()
    runs = read_tensors(f"{prefix}_runs.safetensors")
    np.testing.assert_array_equal(runs["r"], part.r)


def test_one_layer_is_still_four_dimensional(folder):
    prefix = run_gather(folder, written(folder, made_part([0])))
    assert nib.load(f"{prefix}_scores.nii.gz").shape == (*GRID_SHAPE, 1)


def test_record_names_what_was_fitted_and_how(folder):
    left_out = np.zeros((N_RUNS, N_VOXELS), np.uint8)
    left_out[[3, 6], 5] = IN_SOURCE
    left_out[0, 9] = AFTER_TRIMMING
    first = made_part([0], left_out, 1, {"constant_regressors": {"0": {"4": 2}}, "tr": 2.0})
    second = made_part([1], left_out, 2, {"constant_regressors": {"1": {"8": 1}}})
    more = {"model_path": folder / "model.json", "words_path": folder / "words.json"}
    prefix = run_gather(folder, written(folder, first, second), **more)
    record = json.loads(Path(f"{prefix}_scores.json").read_text())
    assert [record[key] for key in ("language", "subject", "model")] == ["en", "EN057", "gpt2"]
    assert record["layers"] == [0, 1]
    assert record["n_voxels"] == N_VOXELS
    assert (record["revision"], record["resolved_revision"]) == ("step1000", "abc")
    assert record["precision"] == "float32"
    assert record["n_parameters"] == 7
    assert record["mapping"] == "reference"
    np.testing.assert_array_equal(record["alphas"], np.vstack([first.alphas, second.alphas]))
    kept = ~left_out.any(axis=0)
    np.testing.assert_allclose(record["r_per_run"][1], second.r[0][:, kept].mean(axis=1), rtol=1e-5)
    assert record["left_out"]["n_voxels"] == 2
    assert record["left_out"]["voxels"][0] == {
        "voxel": 5,
        "ijk": [18, 21, 15],
        "runs": [4, 7],
        "reason": REASONS[IN_SOURCE],
    }
    assert record["left_out"]["voxels"][1]["reason"] == REASONS[AFTER_TRIMMING]
    assert record["constant_regressors"] == {"0": {"4": 2}, "1": {"8": 1}}
    assert record["versions"]["gather"]["numpy"] == np.__version__


def test_penalties_of_voxels_are_kept_and_summed_up(folder):
    part = made_part([0, 1], told={"alpha": "per_voxel", "hrf": "fir"})
    alphas = np.random.default_rng(0).choice(np.logspace(2, 7, N_ALPHAS), part.r.shape)
    alphas[..., 0] = np.nan
    prefix = run_gather(folder, written(folder, replace(part, alphas=alphas)))
    record = json.loads(Path(f"{prefix}_scores.json").read_text())
    np.testing.assert_allclose(record["alphas"], np.median(alphas[..., 1:], axis=2))
    assert (record["alpha"], record["hrf"]) == ("per_voxel", "fir")
    assert (record["inner_validation"], record["components"]) == ("one_run", None)
    kept = read_tensors(f"{prefix}_runs.safetensors")["alphas"]
    np.testing.assert_allclose(kept, alphas, rtol=1e-6)


def test_nothing_left_out_is_said_with_an_empty_list(folder):
    prefix = run_gather(folder, written(folder, made_part([0])))
    record = json.loads(Path(f"{prefix}_scores.json").read_text())
    assert record["left_out"] == {"n_voxels": 0, "reason": "", "voxels": []}


def test_a_layer_twice_is_bad_input(folder):
    with pytest.raises(BadInput, match="each may come once"):
        join_parts(written(folder, made_part([0, 1]), made_part([1, 2])))


def test_parts_of_different_subjects_are_bad_input(folder):
    left_out = np.zeros((N_RUNS, N_VOXELS), np.uint8)
    left_out[0, 0] = IN_SOURCE
    with pytest.raises(BadInput, match="parts of one subject"):
        join_parts(written(folder, made_part([0]), made_part([1], left_out)))


def test_a_file_that_is_no_part_is_bad_input(folder):
    save_tensors(folder / "other.safetensors", {"r": np.zeros((1, 9, 12), np.float32)})
    with pytest.raises(BadInput, match="lacks alphas, layers, left_out, validation_r"):
        join_parts([folder / "other.safetensors"])


def test_meta_without_a_subject_is_bad_input(folder):
    write_json({"language": "en", "model": "gpt2"}, folder / "meta.json")
    with pytest.raises(BadInput, match="lacks subject"):
        run_gather(folder, written(folder, made_part([0])))


def gather_command(folder, *paths):
    command = [sys.executable, PROJECT / "bin" / "gather.py", "--parts", *paths]
    command += ["--mask", folder / "mask.nii.gz", "--meta", folder / "meta.json"]
    command += ["--model-json", folder / "model.json", "--out-prefix", folder / "out"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_command_joins_parts_in_whatever_order(folder):
    done = gather_command(folder, *written(folder, made_part([1]), made_part([0])))
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1].endswith("out: 2 layers from 2 parts")
    assert {path.name for path in folder.glob("out_*")} == {
        "out_scores.nii.gz",
        "out_scores_mask.nii.gz",
        "out_runs.safetensors",
        "out_scores.json",
    }


def test_a_mask_of_other_voxels_leaves_with_65_and_one_line(folder):
    image = nib.load(folder / "mask.nii.gz")
    volume = np.asanyarray(image.dataobj).copy()
    volume[18, 30, 15] = 1
    nib.save(nib.Nifti1Image(volume, image.affine), folder / "mask.nii.gz")
    done = gather_command(folder, *written(folder, made_part([0])))
    assert done.returncode == 65
    assert "Traceback" not in done.stderr
    assert "12 voxels" in done.stderr.splitlines()[-1]


def test_parts_hold_what_they_say(folder):
    [path] = written(folder, made_part([0]))
    assert set(read_tensors(path)) == set(TENSORS)
    again = folder / "again.safetensors"
    write_part(made_part([0]), again)
    assert again.read_bytes() == path.read_bytes()


def test_joint_penalties_of_voxels_are_told_by_their_median():
    alphas, weights = np.ones((2, 9, 5)), np.full((2, 9, 5, 1), 3.0)
    alphas[:, :, 2:], weights[0, 4, :3] = 100.0, [[np.nan], [7.0], [7.0]]
    part = made_part([0, 1])
    told = {"joint_alphas": alphas, "joint_weights": weights}
    scores = Scores(part.r, part.alphas, part.validation_r, part.layers, part.left_out,
                    [{"joint": ["rate"]}], told)  # fmt: skip
    record = _joint_record(scores)
    assert record["confounds"] == ["rate"]
    assert record["alphas"] == np.full((2, 9), 100.0).tolist()
    expected = np.full((2, 9, 1), 3.0)
    expected[0, 4] = 5.0  # of NaN, 7, 7, 3, 3
    assert record["weights"] == expected.tolist()
