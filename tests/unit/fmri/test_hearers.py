"""Stories that not everybody heard, or some twice: average, reliability, checks, and the cut."""

import json

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from helpers.encoder_oracle import correlations, zscored
from helpers.weighted_oracle import nested_over_stories
from lateralization.errors import BadInput
from lateralization.files import read_metadata, read_tensors, save_tensors
from lateralization.fmri.average import average_subjects, given_average, write_average
from lateralization.fmri.checks import check_files
from lateralization.fmri.clean import MaskFile, clean_subject
from lateralization.fmri.hrf import Sampling
from lateralization.fmri.outliers import Group
from lateralization.fmri.reliability import reliability, split_halves, write_reliability
from lateralization.fmri.resample import resample_subject
from lateralization.names import IN_SOURCE
from lateralization.runs import run_names
from lateralization.study import GRID_AFFINE, GRID_SHAPE
from lateralization.volumes import from_volume, load_mask, save_volume

TRIM, N_VOXELS = 2, 60
STORIES = ["story-z", "story-a", "story-m_1", "story-b"]
"""In the order of the plan, which is not that of their names."""

SCANS = {"story-z": 40, "story-a": 36, "story-a_rep-2": 38, "story-m_1": 44, "story-b": 41,
         "story-c": 39}  # fmt: skip

HEARD = {
    "S1": ["story-z", "story-a", "story-a_rep-2", "story-m_1", "story-b"],
    "S2": ["story-z", "story-a", "story-a_rep-2", "story-m_1", "story-b"],
    "S3": ["story-a", "story-a_rep-2", "story-m_1", "story-b"],
    "S4": ["story-z", "story-a", "story-a_rep-2", "story-m_1"],
    "S5": ["story-z", "story-a", "story-m_1", "story-b"],
    "S6": ["story-z", "story-b"],
}


@pytest.fixture(scope="module")
def mask(tmp_path_factory):
    volume = np.zeros(GRID_SHAPE, np.int8)
    volume[16:21, 10:22, 20] = 1
    assert volume.sum() == N_VOXELS
    path = tmp_path_factory.mktemp("mask") / "lang-en_mask.nii.gz"
    nib.save(nib.Nifti1Image(volume, GRID_AFFINE), path)
    return path


def made(key, subject):
    """A subject's run: what all hearers share, what its repetitions share, and noise."""
    rng = np.random.default_rng([len(key), *key.encode()])
    spread = np.random.default_rng(0).standard_normal((5, N_VOXELS))
    shared = rng.standard_normal((SCANS[key], 5)) @ spread
    own = np.random.default_rng([subject, *key.encode()]).standard_normal((SCANS[key], N_VOXELS))
    return zscored(shared + 1.5 * own).astype(np.float32)


def written(folder, heard=HEARD):
    paths = []
    for place, (name, keys) in enumerate(heard.items()):
        path = folder / f"sub-{name}_clean.safetensors"
        tensors = {key: made(key, place) for key in keys}
        left_out = np.zeros((len(keys), N_VOXELS), np.uint8)
        save_tensors(path, tensors | {"left_out": left_out}, {"runs": json.dumps(keys)})
        paths.append(path)
    return paths


def hearers(key, heard=HEARD):
    return [place for place, keys in enumerate(heard.values()) if key in keys]


def test_each_run_is_averaged_over_those_who_heard_it(tmp_path, mask):
    paths, out = written(tmp_path), tmp_path / "average.safetensors"
    write_average(mask, paths, [], out, str(tmp_path / "average_"), stories=STORIES)
    keys = ["story-z", "story-a", "story-a_rep-2", "story-m_1", "story-b"]
    assert run_names(out) == keys
    tensors = read_tensors(out)
    assert tensors["left_out"].shape == (5, N_VOXELS)
    inside = load_mask(mask)[0]
    for key in keys:
        expected = zscored(np.mean([made(key, place) for place in hearers(key)], axis=0))
        np.testing.assert_allclose(tensors[key], expected, atol=1e-5)
        name = {"story-a": "story-a_rep-1"}.get(key, key)
        image = nib.load(tmp_path / f"average_{name}.nii.gz")
        np.testing.assert_array_equal(from_volume(np.asarray(image.dataobj), inside), tensors[key])
    assert len(list(tmp_path.glob("average_*.nii.gz"))) == 5


def test_a_voxel_is_left_out_where_every_hearer_lacks_it(tmp_path):
    paths = written(tmp_path)
    for place in hearers("story-b"):
        tensors, keys = read_tensors(paths[place]), run_names(paths[place])
        tensors["story-b"][:, 3] = 0
        tensors["left_out"][keys.index("story-b"), 3] = IN_SOURCE
        save_tensors(paths[place], tensors, {"runs": json.dumps(keys)})
    average = average_subjects(paths, N_VOXELS, STORIES)
    assert np.argwhere(average["left_out"]).tolist() == [[4, 3]]
    assert average["left_out"][4, 3] == IN_SOURCE


def test_hearers_of_a_run_have_equal_lengths(tmp_path):
    paths = written(tmp_path)
    tensors = read_tensors(paths[4])
    tensors["story-b"] = tensors["story-b"][:-1]
    save_tensors(paths[4], tensors, {"runs": json.dumps(HEARD["S5"])})
    with pytest.raises(BadInput, match=r"sub-S5.*: story b has 40 scans where other .* 41"):
        average_subjects(paths, N_VOXELS, STORIES)


def test_a_given_average_goes_to_its_stories_by_name_or_by_place(tmp_path, mask):
    write_average(
        mask, written(tmp_path), [], tmp_path / "average.safetensors",
        str(tmp_path / "average_"), stories=STORIES,
    )  # fmt: skip
    expected = read_tensors(tmp_path / "average.safetensors")
    brain = MaskFile(*load_mask(mask), mask)
    by_name = []
    for path in sorted(tmp_path.glob("average_*.nii.gz")):
        by_name.append(path.rename(tmp_path / path.name.removeprefix("average_")))
    found = given_average(by_name, brain, STORIES)
    assert list(found) == [
        "story-z",
        "story-a",
        "story-a_rep-2",
        "story-m_1",
        "story-b",
        "left_out",
    ]
    for key, values in expected.items():
        np.testing.assert_array_equal(found[key], values)
    with pytest.raises(BadInput, match=r"story-b\.nii\.gz is of no story of the data set"):
        given_average(by_name, brain, STORIES[:3])
    with pytest.raises(BadInput, match="or not the only one of story a"):
        given_average([by_name[0], *by_name], brain, STORIES)
    by_place = [tmp_path / f"run-{place}.nii.gz" for place in range(4)]
    for key, path in zip(
        ("story-z", "story-a_rep-1", "story-m_1", "story-b"), by_place, strict=True
    ):
        (tmp_path / f"{key}.nii.gz").rename(path)
    found = given_average(by_place, brain, STORIES)
    assert list(found) == [*STORIES, "left_out"]
    np.testing.assert_array_equal(found["story-m_1"], expected["story-m_1"])


def test_halves_are_dealt_among_the_hearers_of_each_run(tmp_path):
    """Stories by weight, repetitions of one story in one fold, means over those who heard them."""
    keys = ["story-z", "story-a", "story-a_rep-2", "story-m_1", "story-b"]
    found = reliability(
        written(tmp_path), N_VOXELS, tmp_path, n_trials=2, n_trim=TRIM, precision="float64",
        stories=STORIES,
    )  # fmt: skip
    assert found.stories == STORIES
    for trial, (first, rest) in enumerate(split_halves(6, 2)):
        order, sides = [*first, *rest], ([], [])
        for key in keys:
            own = [subject for subject in order if subject in hearers(key)]
            half = len(own) // 2
            for side, members in zip(sides, (own[:half], own[half:]), strict=True):
                side.append(np.mean([made(key, one)[TRIM:-TRIM] for one in members], axis=0))
        r, alphas, _ = nested_over_stories(*sides, [(0,), (1, 2), (3,), (4,)])
        np.testing.assert_array_equal(found.alphas[trial], alphas)
        np.testing.assert_allclose(found.r[trial], r, rtol=0, atol=1e-5)
        by_run = np.array([correlations(a, b) for a, b in zip(*sides, strict=True)])
        expected = [by_run[0], by_run[1:3].mean(0), by_run[3], by_run[4]]
        np.testing.assert_allclose(found.halves[trial], expected, rtol=0, atol=1e-5)


def test_a_story_of_three_hearers_has_no_reliability(tmp_path, mask, capsys):
    heard = {name: [*keys, "story-c"] if name in ("S1", "S2", "S3") else keys
             for name, keys in HEARD.items()}  # fmt: skip
    paths, prefix = written(tmp_path, heard), str(tmp_path / "lang-en")
    told = {"n_trials": 1, "seed": 1, "n_trim": TRIM, "stories": [*STORIES, "story-c"]}
    assert write_reliability(paths, mask, prefix, **told).shape == (1, N_VOXELS)
    said = "no reliability where fewer than 4 subjects heard a story: story c (3)"
    assert said in capsys.readouterr().err
    stories = json.loads(read_metadata(f"{prefix}_isc_runs.safetensors")["stories"])
    assert stories == STORIES
    assert read_tensors(f"{prefix}_isc_runs.safetensors")["r"].shape == (1, 4, N_VOXELS)
    few, prefix = {name: heard[name] for name in ("S1", "S2", "S3")}, str(tmp_path / "none")
    assert write_reliability(paths[: len(few)], mask, prefix, **told) is None
    assert not list(tmp_path.glob("none_*"))
    told["test"] = ["story-z", "story-a"]
    assert write_reliability(paths, mask, prefix, **told) is None


def test_everybody_has_the_halves_of_numbered_runs(tmp_path):
    numbers = {f"story-{letter}": f"run-{n}" for n, letter in enumerate("zab", start=1)}
    named, numbered = [], []
    for place in range(5):
        runs = {key: made(key, place) for key in numbers}
        left_out = {"left_out": np.zeros((3, N_VOXELS), np.uint8)}
        named.append(tmp_path / f"sub-{place}_named.safetensors")
        save_tensors(named[-1], runs | left_out, {"runs": json.dumps(list(runs))})
        numbered.append(tmp_path / f"sub-{place}_clean.safetensors")
        save_tensors(numbered[-1], {numbers[key]: run for key, run in runs.items()} | left_out)
    told = {"n_trials": 3, "n_trim": TRIM}
    first = reliability(named, N_VOXELS, tmp_path, stories=list(numbers), **told)
    second = reliability(numbered, N_VOXELS, tmp_path, **told)
    for one, other in zip(first[:3], second[:3], strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.fixture
def words():
    tables = []
    for key in ("story-z", "story-a", "story-m_1", "story-b", "story-c"):
        n = SCANS[key]
        onsets = np.sort(np.random.default_rng(n).uniform(0, 2 * n - 10, n))
        tables.append(pd.DataFrame({"story": key.removeprefix("story-"), "onset": onsets}))
    return pd.concat(tables).assign(offset=lambda table: table["onset"] + 0.3)


def checked(paths, mask, words, **more):
    return check_files(
        paths, list(HEARD)[: len(paths)], mask, words, Sampling(2.0), n_trim=TRIM, stories=STORIES,
        **more,
    )  # fmt: skip


def test_every_run_is_checked_against_its_other_hearers(tmp_path, mask, words):
    paths = written(tmp_path)
    table, one_out = checked(paths, mask, words)
    pairs = [(name, key.removeprefix("story-")) for name, keys in HEARD.items() for key in keys]
    own = table[table["subject"] != "all"]
    assert sorted(zip(own["subject"], own["run"], strict=True)) == sorted(pairs)
    assert list(table[table["subject"] == "all"]["run"]) == ["z", "a", "a_rep-2", "m_1", "b"]
    assert (own["outlier"] == "no").all()
    assert (own["isc"] > 0.2).all()
    for row in own.itertuples():
        key, place = f"story-{row.run}", list(HEARD).index(row.subject)
        others = np.sum([made(key, one) for one in hearers(key) if one != place], axis=0)
        r = correlations(made(key, place)[TRIM:-TRIM], others[TRIM:-TRIM])
        stories, ceilings = one_out[row.subject]
        if row.run not in ("a", "a_rep-2"):
            np.testing.assert_allclose(ceilings[stories.index(key)], r, rtol=0, atol=1e-5)
    assert one_out["S3"][0] == ["story-a", "story-m_1", "story-b"]
    assert one_out["S6"][0] == ["story-z", "story-b"]
    means = []
    for key in ("story-a", "story-a_rep-2"):
        others = np.sum([made(key, one) for one in hearers(key) if one != 2], axis=0)
        means.append(correlations(made(key, 2)[TRIM:-TRIM], others[TRIM:-TRIM]))
    np.testing.assert_allclose(one_out["S3"][1][0], np.mean(means, axis=0), rtol=0, atol=1e-5)


def test_a_story_under_another_name_is_found(tmp_path, mask, words):
    paths = written(tmp_path)
    tensors = read_tensors(paths[4])
    z, b = tensors["story-z"], tensors["story-b"]
    tensors["story-z"], tensors["story-b"] = b[:40], np.vstack([z, z[:1]])
    save_tensors(paths[4], tensors, {"runs": json.dumps(HEARD["S5"])})
    table, _ = checked(paths, mask, words)
    reasons = table[table["outlier"] == "yes"].set_index(["subject", "run"])["reason"].to_dict()
    assert reasons == {("S5", "z"): "follows story b of the others",
                       ("S5", "b"): "follows story z of the others"}  # fmt: skip


def test_a_run_that_follows_a_repetition_of_its_story_is_no_outlier(
    tmp_path, mask, words, monkeypatch
):
    paths = written(tmp_path)
    tensors = read_tensors(paths[0])
    tensors["story-a"] += 4 * tensors["story-a_rep-2"][:36]
    save_tensors(paths[0], tensors, {"runs": json.dumps(HEARD["S1"])})
    table, _ = checked(paths, mask, words)
    assert (table["outlier"] == "no").all()
    runs = range(5)
    monkeypatch.setattr(Group, "mismatched", lambda _, run: [at for at in runs if at != run])
    table, _ = checked(paths, mask, words)
    reasons = table[table["outlier"] == "yes"].set_index(["subject", "run"])["reason"].to_dict()
    assert reasons == {("S1", "a"): "follows story a, repetition 2 of the others"}


def test_few_hearers_are_not_judged_and_one_is_not_measured(tmp_path, mask, words):
    heard = {"S1": ["story-z", "story-a", "story-c"], "S2": ["story-z", "story-a"],
             "S3": ["story-z", "story-m_1"]}  # fmt: skip
    paths = written(tmp_path, heard)
    table, one_out = checked(paths, mask, words)
    alone = table[table["run"].isin(["c", "m_1"]) & (table["subject"] != "all")]
    assert len(alone) == 2
    assert alone[["isc", "isc_lag_s", "follows_run"]].isna().all(axis=None)
    assert sorted(alone["n_scans"]) == [39, 44]
    assert table[table["run"] == "a"]["isc"].notna().sum() == 2
    assert one_out == {}


def test_the_words_of_a_run_must_be_there(tmp_path, mask, words):
    with pytest.raises(BadInput, match=r"the words lack story b; they are of story z, story a"):
        checked(written(tmp_path), mask, words[words["story"] != "b"])


def test_runs_are_cut_before_they_are_cleaned_for_the_average(tmp_path, mask):
    rng = np.random.default_rng(0)
    volumes = {key: rng.normal(500, 20, (*GRID_SHAPE, n)).astype(np.float32)
               for key, n in (("story-z", 33), ("story-a", 30))}  # fmt: skip
    paths = [tmp_path / f"sub-S1_{key}.nii" for key in volumes]
    for path, data in zip(paths, volumes.values(), strict=True):
        save_volume(data, GRID_AFFINE, path, 2.0)
    constant = tmp_path / "constant.nii.gz"
    save_volume(np.zeros((*GRID_SHAPE, 2), np.int8), GRID_AFFINE, constant)
    out, cut = tmp_path / "out.safetensors", tmp_path / "cut.nii"
    told = {"tr": 2.0, "keys": list(volumes)}
    clean_subject(paths, constant, mask, out, scans=[30, 0], **told)
    found = read_tensors(out)
    save_volume(volumes["story-z"][..., :30], GRID_AFFINE, cut, 2.0)
    clean_subject([cut, paths[1]], constant, mask, out, **told)
    expected = read_tensors(out)
    assert run_names(out) == ["story-z", "story-a"]
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values)
    with pytest.raises(BadInput, match="--scans: 1 numbers for 2 runs"):
        clean_subject(paths, constant, mask, out, scans=[30], **told)


def test_confounds_are_cut_with_their_run(tmp_path, mask):
    rng = np.random.default_rng(0)
    data = rng.normal(500, 20, (*GRID_SHAPE, 33)).astype(np.float32)
    motion = rng.normal(size=(33, 2))
    whole, cut = tmp_path / "whole.nii", tmp_path / "cut.nii"
    table, short = tmp_path / "confounds.tsv", tmp_path / "short.tsv"
    constant, out = tmp_path / "constant.nii.gz", tmp_path / "out.safetensors"
    save_volume(np.zeros((*GRID_SHAPE, 1), np.int8), GRID_AFFINE, constant)
    for path, name, n in ((whole, table, 33), (cut, short, 30)):
        save_volume(data[..., :n], GRID_AFFINE, path, 2.0)
        pd.DataFrame(motion[:n], columns=["x", "y"]).to_csv(name, sep="\t", index=False)
    told = {"tr": 2.0, "keys": ["story-a"]}
    clean_subject([whole], constant, mask, out, scans=[30], confounds=[table],
                  columns=[["x", "y"]], **told)  # fmt: skip
    found = read_tensors(out)["story-a"]
    clean_subject([cut], constant, mask, out, confounds=[short], columns=[["x", "y"]], **told)
    np.testing.assert_array_equal(found, read_tensors(out)["story-a"])
    clean_subject([cut], constant, mask, out, **told)
    assert np.abs(found - read_tensors(out)["story-a"]).max() > 0.1
    with pytest.raises(BadInput, match=r"short.tsv has 30 rows and .*whole.nii 33 scans"):
        clean_subject([whole], constant, mask, out, confounds=[short], columns=[["x"]], **told)
    with pytest.raises(BadInput, match="1 tables and 2 lists of --columns for 1 runs"):
        clean_subject([whole], constant, mask, out, confounds=[table], columns=["x", "y"], **told)


def test_runs_of_stories_are_resampled_under_their_keys(tmp_path):
    """Numbers in names of files are of sessions: they need not ascend."""
    rng = np.random.default_rng(0)
    affine = GRID_AFFINE.copy()
    paths = [tmp_path / f"sub-1_ses-{n}_run-{3 - n}_bold.nii" for n in (1, 2)]
    for path in paths:
        data = rng.normal(100, 1, (*GRID_SHAPE, 3)).astype(np.float32)
        data[:8] = 0
        save_volume(data, affine, path, 2.0)
    resample_subject("sub-1", paths, str(tmp_path / "sub-1"), ["story-b.1", "story-a_rep-2"])
    assert nib.load(tmp_path / "sub-1_story-b.1.nii").shape[3] == 3
    for key, path in zip(("story-b.1", "story-a_rep-2"), paths, strict=True):
        ours = np.asarray(nib.load(tmp_path / f"sub-1_{key}.nii").dataobj)
        np.testing.assert_array_equal(ours, np.asarray(nib.load(path).dataobj))
    with pytest.raises(BadInput, match="2 runs given, there must be 3"):
        resample_subject("sub-1", paths, "x", ["story-a", "story-b", "story-c"])
    with pytest.raises(BadInput, match="ascending order"):
        resample_subject("sub-1", paths, "x", ["run-1", "run-2"])
