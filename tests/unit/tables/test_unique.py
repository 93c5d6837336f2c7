"""What a model adds to confounds: from saved scores to rows, sentences and maps."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy import stats

from helpers.encode_inputs import encode_layer, task
from helpers.gathering import made_part, run_gather, write_folder, written
from helpers.made_runs import MadeRun, made_mask, write_run
from lateralization.encoding.encode import encode_files
from lateralization.encoding.parts import read_part
from lateralization.errors import BadInput
from lateralization.files import read_table, read_tensors, save_tensors
from lateralization.report.sections import answers
from lateralization.ridge.choices import Choices
from lateralization.statistics.asymmetry import SHARED, STRICT, Brain
from lateralization.tables.fits import Fit
from lateralization.tables.lateralize import build
from lateralization.tables.unique import signed_square, unique_rows

SIDES = np.arange(40) < 20
BRAIN = Brain({SHARED: (SIDES, ~SIDES), STRICT: (SIDES, ~SIDES)})
FIT = Fit("en", "average", "m", record={"joint": {"confounds": ["word_rate"]}})


@pytest.fixture
def folder(tmp_path):
    return write_folder(tmp_path)


def test_unique_parts_are_differences_with_the_layer_chosen_elsewhere():
    rng = np.random.default_rng(0)
    joint, confounds = rng.uniform(0, 0.5, (3, 6, 40)), rng.uniform(0, 0.3, (6, 40))
    rows = {row["hemisphere"]: row for row in unique_rows(FIT, joint, confounds, BRAIN)
            if row["midline"] == STRICT}  # fmt: skip
    added = np.empty((6, 40))
    for run in range(6):
        others = np.delete(joint, run, axis=1).mean(1)
        best = others.argmax(0)
        added[run] = joint[best, run, np.arange(40)] - confounds[run]
    left, right = added[:, :20].mean(1), added[:, 20:].mean(1)
    assert rows["left"]["unique_r"] == pytest.approx(left.mean())
    assert rows["left_minus_right"]["unique_r"] == pytest.approx((left - right).mean())
    half = stats.t.ppf(0.975, 5) * left.std(ddof=1) * np.sqrt(1 / 6 + 1 / 5)
    assert rows["left"]["ci_low"] == pytest.approx(left.mean() - half)
    assert rows["right"]["confounds_r"] == pytest.approx(confounds[:, 20:].mean())
    assert rows["both"]["n_voxels"] == 40
    assert rows["left"]["confounds"] == "word_rate"


def test_squares_keep_their_sign():
    np.testing.assert_array_equal(signed_square(np.array([-0.5, 0.0, 0.3])), [-0.25, 0, 0.09])


def test_a_model_that_adds_nothing_to_many_layers_has_no_unique_part():
    # With the best layer taken on the runs that are scored, chance alone would be above 0.
    rng, found, covered = np.random.default_rng(1), [], []
    for _ in range(40):
        confounds = rng.normal(0.2, 0.05, (9, 40))
        joint = confounds + rng.normal(0, 0.05, (30, 9, 40))
        assert (joint.mean(1).max(0) - confounds.mean(0)).mean() > 0.02
        rows = unique_rows(FIT, joint, confounds, BRAIN)
        row = next(row for row in rows if row["hemisphere"] == "both")
        found.append(row["unique_r"])
        covered.append(row["ci_low"] < 0 < row["ci_high"])
    assert abs(np.mean(found)) < 0.002
    assert sum(covered) >= 30  # of independent layers; those of a model are alike


def test_a_voxel_left_out_enters_nothing():
    joint, confounds = np.full((2, 4, 40), 0.3), np.full((4, 40), 0.1)
    joint[:, :, 3] = confounds[:, 3] = np.nan
    rows = list(unique_rows(FIT, joint, confounds, BRAIN))
    assert {row["n_voxels"] for row in rows} == {19, 20, 39}
    assert all(np.isfinite(row["unique_r"]) for row in rows)


def spoken(place):
    """Use the layer 1 of the fixture's features as confounds."""
    states = read_tensors(place / "features.safetensors")
    one = {f"run-{run}/layer-0": states[f"run-{run}/layer-1"][:, :3] for run in range(1, 10)}
    save_tensors(place / "rate.safetensors", one, {"model": "rate"})
    return {"joint": [place / "rate.safetensors"], "joint_words": [place / "words.tsv"]}


@pytest.mark.slow
@pytest.mark.parametrize("choices", [Choices(), Choices("per_voxel", "fir")])
def test_encode_saves_both_together_and_the_confounds_alone(files, choices):
    asked = task(files, layers="0,2", choices=choices, **spoken(files))
    encode_files(asked, [files / "joint.safetensors"])
    encode_files(task(files, layers="0,2", choices=choices), [files / "plain.safetensors"])
    joint, plain = (read_part(files / f"{name}.safetensors") for name in ("joint", "plain"))
    np.testing.assert_array_equal(joint.r, plain.r)  # what goes jointly changes no score
    assert joint.more["joint"].shape == joint.r.shape
    assert joint.told["joint"] == ["rate"]
    states = read_tensors(files / "rate.safetensors")
    runs = read_tensors(files / "bold.safetensors")
    alone = encode_layer(
        [states[f"run-{run}/layer-0"] for run in range(1, 10)],
        read_table(files / "words.tsv", text_columns=("word",)),
        [runs[f"run-{run}"] for run in range(1, 10)], choices=choices,
    )  # fmt: skip
    np.testing.assert_allclose(joint.more["confounds"], alone.r, atol=1e-6)
    # layer by layer the same
    encode_files(task(files, layers="2", choices=choices, **spoken(files)), [files / "one"])
    np.testing.assert_array_equal(read_part(files / "one").more["joint"][0], joint.more["joint"][1])


def test_confounds_of_several_layers_are_bad_input(files):
    more = {"joint": [files / "features.safetensors"], "joint_words": [files / "words.tsv"]}
    with pytest.raises(BadInput, match="3 layers"):
        encode_files(task(files, **more), [files / "part"])


def test_gather_keeps_the_joint_scores_and_maps_their_difference(folder):
    rng = np.random.default_rng(0)
    confounds = rng.uniform(0, 0.2, (9, 12)).astype(np.float32)
    parts = []
    for layers in ([2], [0, 1]):
        part = made_part(layers, told={"joint": ["rate"]})
        part.more.update(
            joint=part.r + np.float32(0.1), confounds=confounds,
            joint_alphas=part.alphas, joint_weights=np.ones((len(layers), 9, 1)),
        )  # fmt: skip
        parts.append(part)
    prefix = run_gather(folder, written(folder, *parts))
    kept = read_tensors(f"{prefix}_runs.safetensors")
    np.testing.assert_array_equal(kept["joint"][2], parts[0].more["joint"][0])
    np.testing.assert_array_equal(kept["confounds"], confounds)
    record = json.loads(Path(f"{prefix}_scores.json").read_text())
    assert record["joint"]["confounds"] == ["rate"]
    assert np.shape(record["joint"]["weights"]) == (3, 9, 1)
    image = nib.load(f"{prefix}_unique.nii.gz").get_fdata()
    inside = nib.load(folder / "mask.nii.gz").get_fdata() > 0
    expected = (parts[0].more["joint"][0] - confounds).mean(0)
    np.testing.assert_allclose(image[inside][:, 2], expected, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(("lead", "claim"), [(0.02, "leans left"), (0.0, "is not shown")])
def test_the_report_answers_in_a_sentence(tmp_path, lead, claim):
    inputs = write_run(tmp_path, MadeRun(baselines=False))
    rng = np.random.default_rng(5)
    left = np.argwhere(made_mask())[:, 0] < 18
    for path in inputs.runs:
        r = read_tensors(path)["r"]
        confounds = r[0] * 0 + 0.1 + rng.normal(0, 0.01, r[0].shape).astype(np.float32)
        joint = confounds + lead * left + rng.normal(0, 0.01, r.shape)
        save_tensors(path, {"r": r, "joint": joint.astype(np.float32), "confounds": confounds})
    for path in inputs.scores:
        record = json.loads(path.read_text())
        record["joint"] = {"confounds": ["word_rate"]}
        path.write_text(json.dumps(record))
    built = build(inputs)
    assert len(built.tables["unique"]) == 4 * 4 * 6  # models, sides, regions
    (told,) = answers("unique", built.tables, [("en", "average")])
    assert claim in json.dumps(told)
    assert "large adds" in json.dumps(told)
